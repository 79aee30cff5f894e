//! Things with a number each, which is used again once they are gone; their keys are not.

/// The number of a thing, with how often the number was used: an event that comes late finds nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) index: u32,
    pub(super) generation: u32,
}

pub(super) struct Slab<T> {
    entries: Vec<(u32, Option<T>)>,
    vacant: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), vacant: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// The key of the next thing that is inserted.
    pub(super) fn next_key(&mut self) -> Key {
        if self.vacant.is_empty() {
            self.vacant.push(u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
            self.entries.push((0, None));
        }
        let index = self.vacant[self.vacant.len() - 1];
        Key { index, generation: self.entries[index as usize].0 }
    }

    pub(super) fn insert(&mut self, thing: T) -> Key {
        let key = self.next_key();
        self.vacant.pop();
        self.entries[key.index as usize].1 = Some(thing);
        key
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (generation, thing) = self.entries.get_mut(key.index as usize)?;
        thing.as_mut().filter(|_| *generation == key.generation)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let (generation, thing) = self.entries.get_mut(key.index as usize)?;
        if *generation != key.generation {
            return None;
        }
        let thing = thing.take()?;
        *generation = generation.wrapping_add(1);
        self.vacant.push(key.index);
        Some(thing)
    }

    /// Takes a thing out for a while; its key stays its own until [`Slab::put_back`].
    pub(super) fn take(&mut self, key: Key) -> Option<T> {
        let (generation, thing) = self.entries.get_mut(key.index as usize)?;
        if *generation == key.generation { thing.take() } else { None }
    }

    pub(super) fn put_back(&mut self, key: Key, thing: T) {
        self.entries[key.index as usize].1 = Some(thing);
    }

    /// The keys of all.
    pub(super) fn keys(&self) -> Vec<Key> {
        let keys = (0..).zip(&self.entries).filter(|(_, (_, thing))| thing.is_some());
        keys.map(|(index, (generation, _))| Key { index, generation: *generation }).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.vacant.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_used_again_and_a_key_is_not() {
        let mut slab = Slab::default();
        let announced = slab.next_key();
        let (one, two) = (slab.insert("one"), slab.insert("two"));
        assert_eq!(announced, one);
        assert_eq!(slab.remove(one), Some("one"));
        let three = slab.insert("three");
        assert_eq!((three.index, slab.len()), (one.index, 2));
        assert_eq!(slab.get_mut(one), None);
        assert_eq!(slab.remove(one), None);
        assert_eq!(slab.get_mut(three), Some(&mut "three"));
        assert_eq!(slab.keys(), [three, two]);
    }
}
