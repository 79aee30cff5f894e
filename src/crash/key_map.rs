//! A map of the few keys that a run has: a list in their order.

use crate::crash::input::StreamKey;

/// Something for each of some keys.
#[derive(Clone, Debug)]
pub struct KeyMap<T>(Vec<(StreamKey, T)>);

impl<T> Default for KeyMap<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> KeyMap<T> {
    /// Where a key is, or where it would have to be.
    fn place(&self, key: &StreamKey) -> Result<usize, usize> {
        self.0.binary_search_by_key(&key.0, |(known, _)| known.0)
    }

    /// That of a key.
    pub fn get(&self, key: &StreamKey) -> Option<&T> {
        self.place(key).ok().map(|place| &self.0[place].1)
    }

    /// That of a key, to be changed.
    pub fn get_mut(&mut self, key: &StreamKey) -> Option<&mut T> {
        self.place(key).ok().map(|place| &mut self.0[place].1)
    }

    /// Sets that of a key.
    pub fn insert(&mut self, key: StreamKey, one: T) -> &mut T {
        let place = match self.place(&key) {
            Ok(place) => {
                self.0[place].1 = one;
                place
            }
            Err(place) => {
                self.0.insert(place, (key, one));
                place
            }
        };
        &mut self.0[place].1
    }

    /// Removes that of a key, if it is there.
    pub fn remove(&mut self, key: &StreamKey) {
        self.0.retain(|(known, _)| known != key);
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// All, by key.
    pub fn iter(&self) -> impl Iterator<Item = (StreamKey, &T)> {
        self.0.iter().map(|(key, one)| (*key, one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_does_what_a_tree_does(steps in proptest::collection::vec((0..3, 0..20_u8, any::<u32>()), 0..200)) {
            let (mut ours, mut theirs) = (KeyMap::default(), BTreeMap::new());
            for (step, key, value) in steps {
                let key = StreamKey(key);
                match step {
                    0 => ours.remove(&key),
                    1 => ours.get_mut(&key).into_iter().for_each(|one| *one = value),
                    _ => prop_assert_eq!(*ours.insert(key, value), value),
                }
                match step {
                    0 => _ = theirs.remove(&key),
                    1 => theirs.get_mut(&key).into_iter().for_each(|one| *one = value),
                    _ => _ = theirs.insert(key, value),
                }
                prop_assert_eq!(ours.get(&key), theirs.get(&key));
                prop_assert!(ours.iter().eq(theirs.iter().map(|(key, one)| (*key, one))));
            }
        }
    }
}
