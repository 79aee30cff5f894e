//! A set of numbers that are dense: ranges without a gap in between.

/// Most ranges: 32 bytes each, and a new one moves those behind it.
const MOST_RANGES: usize = 100_000;

/// Numbers, as ranges in their order that neither touch nor overlap; both ends are in them.
#[derive(Debug, Default)]
pub(super) struct NumberRanges {
    ranges: Vec<(u128, u128)>,
    /// How many numbers there are.
    pub(super) count: u64,
}

/// Why a number is not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAdded {
    /// It is there.
    Twice,
    /// There are too many gaps already.
    TooScattered,
}

impl NumberRanges {
    /// Adds a number.
    pub(super) fn add(&mut self, number: u128) -> Result<(), NotAdded> {
        // The first one that begins behind it, and the one before.
        let place = self.ranges.partition_point(|(from, _)| *from <= number);
        let before = place.checked_sub(1).map(|index| self.ranges[index].1);
        if before.is_some_and(|to| to >= number) {
            return Err(NotAdded::Twice);
        }
        let touches_before = before.is_some_and(|to| to.checked_add(1) == Some(number));
        let touches_behind = self.ranges.get(place).is_some_and(|(from, _)| *from - 1 == number);
        match (touches_before, touches_behind) {
            (true, true) => {
                let (_, to) = self.ranges.remove(place);
                self.ranges[place - 1].1 = to;
            }
            (true, false) => self.ranges[place - 1].1 = number,
            (false, true) => self.ranges[place].0 = number,
            (false, false) if self.ranges.len() >= MOST_RANGES => return Err(NotAdded::TooScattered),
            (false, false) => self.ranges.insert(place, (number, number)),
        }
        self.count += 1;
        Ok(())
    }

    /// The smallest and the largest.
    pub(super) fn ends(&self) -> Option<(u128, u128)> {
        Some((self.ranges.first()?.0, self.ranges.last()?.1))
    }

    /// How many between the smallest and the largest are missing.
    pub(super) fn missing(&self) -> u128 {
        self.ends().map_or(0, |(first, last)| last - first - u128::from(self.count - 1))
    }

    /// The first gaps, at most so many: the first and the last number that is missing in each.
    pub(super) fn gaps(&self, most: usize) -> Vec<(u128, u128)> {
        let mut gaps = Vec::new();
        for pair in self.ranges.windows(2).take(most) {
            gaps.push((pair[0].1 + 1, pair[1].0 - 1));
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_million_numbers_in_any_order_of_threads_cost_little() {
        let mut ranges = NumberRanges::default();
        for block in 0..100_000u128 {
            for within in [3, 1, 0, 2, 9, 7, 8, 4, 6, 5] {
                ranges.add(block * 10 + within).unwrap();
            }
        }
        assert_eq!((ranges.ranges.len(), ranges.count, ranges.missing()), (1, 1_000_000, 0));
        assert!(ranges.ranges.capacity() < 100);
    }

    #[test]
    fn numbers_without_an_order_have_a_bound() {
        let mut ranges = NumberRanges::default();
        for number in 0..MOST_RANGES as u128 {
            ranges.add(number * 2).unwrap();
        }
        assert_eq!(ranges.add(u128::MAX), Err(NotAdded::TooScattered));
        assert_eq!((ranges.add(1), ranges.add(u128::MAX)), (Ok(()), Ok(())));
    }

    proptest! {
        #[test]
        fn it_is_the_set_that_it_stands_for(
            numbers in proptest::collection::vec(prop_oneof![0u128..40, u128::MAX - 20..=u128::MAX], 0..80), most in 0usize..9,
        ) {
            let (mut ranges, mut model) = (NumberRanges::default(), BTreeSet::new());
            for number in numbers {
                let is_new = model.insert(number);
                prop_assert_eq!(ranges.add(number), if is_new { Ok(()) } else { Err(NotAdded::Twice) });
            }
            prop_assert_eq!(ranges.count, model.len() as u64);
            let ends = model.first().zip(model.last()).map(|(first, last)| (*first, *last));
            prop_assert_eq!(ranges.ends(), ends);
            let all: Vec<u128> = model.into_iter().collect();
            let gaps: Vec<(u128, u128)> =
                all.windows(2).filter(|pair| pair[1] - pair[0] > 1).map(|pair| (pair[0] + 1, pair[1] - 1)).collect();
            prop_assert_eq!(ranges.missing(), gaps.iter().map(|(from, to)| to - from + 1).sum::<u128>());
            prop_assert_eq!(ranges.gaps(most), gaps.into_iter().take(most).collect::<Vec<_>>());
        }
    }
}
