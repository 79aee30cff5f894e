//! What is chosen by chance, which is a number from 0 to 1.

/// One of so many places, by chance.
pub fn place_of(chance: f64, count: usize) -> usize {
    ((chance * count as f64) as usize).min(count.saturating_sub(1))
}

/// A number from `least` to `most` that is another one, if there is one.
pub fn other_than(now: u32, least: u32, most: u32, chance: f64) -> Option<u32> {
    let others: Vec<u32> = (least..=most).filter(|number| *number != now).collect();
    others.get(place_of(chance, others.len())).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_chooses_what_there_is() {
        for (chance, place) in [(0.0, 0), (0.34, 1), (0.999_999, 2), (1.0, 2)] {
            assert_eq!(place_of(chance, 3), place);
        }
        assert_eq!(other_than(2, 1, 3, 0.0), Some(1));
        assert_eq!(other_than(2, 1, 3, 0.9), Some(3));
        assert_eq!(other_than(9, 1, 1, 0.5), Some(1));
        assert_eq!(other_than(1, 1, 1, 0.5), None);
    }
}
