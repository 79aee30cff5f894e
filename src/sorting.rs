//! Sorting with one copy of the code: the standard library's sort is about 4 KiB for each type of item and order.
//!
//! The order is found among places, not items, so only comparing and swapping know the type. Nothing that is sorted here
//! is on a hot path.

use std::cmp::Ordering;

/// Sorts as [`slice::sort_by`] does: items that compare as equal keep their order.
pub(crate) fn sort_by<T>(items: &mut [T], compare: &dyn Fn(&T, &T) -> Ordering) {
    let order = sorted_places(items.len(), &|one, other| compare(&items[one], &items[other]));
    apply(order, &mut |one, other| items.swap(one, other));
}

/// Sorts by a key, as [`slice::sort_by_key`] does.
pub(crate) fn sort_by_key<T, K: Ord>(items: &mut [T], key: &dyn Fn(&T) -> K) {
    sort_by(items, &|one, other| key(one).cmp(&key(other)));
}

/// The places of so many items in their order: a merge sort from the bottom up.
fn sorted_places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    let mut merged = Vec::with_capacity(count);
    let mut sorted = 1;
    while sorted < count {
        merged.clear();
        for pair in places.chunks(2 * sorted) {
            let (mut left, mut right) = pair.split_at(sorted.min(pair.len()));
            while let ([one, left_rest @ ..], [other, right_rest @ ..]) = (left, right) {
                if compare(*one, *other).is_le() {
                    merged.push(*one);
                    left = left_rest;
                } else {
                    merged.push(*other);
                    right = right_rest;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut places, &mut merged);
        sorted *= 2;
    }
    places
}

/// Moves to each place the item that `places` has there: along each cycle, one swap an item.
fn apply(mut places: Vec<usize>, swap: &mut dyn FnMut(usize, usize)) {
    for start in 0..places.len() {
        let mut to = start;
        loop {
            let from = std::mem::replace(&mut places[to], to);
            if from == start || from == to {
                break;
            }
            swap(to, from);
            to = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_the_standard_library(keys in proptest::collection::vec(0..40_u8, 0..300)) {
            let items: Vec<(u8, usize)> = keys.into_iter().zip(0..).collect();
            let by_key = |one: &(u8, usize), other: &(u8, usize)| one.0.cmp(&other.0);
            let (mut ours, mut theirs) = (items.clone(), items.clone());
            sort_by(&mut ours, &by_key);
            theirs.sort_by(by_key);
            prop_assert_eq!(ours, theirs);

            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by(&mut ours, &|one, other| by_key(other, one));
            theirs.sort_by(|one, other| by_key(other, one));
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn what_cannot_be_copied_is_sorted_as_well(mut ours in proptest::collection::vec("[a-c]{0,3}", 0..100)) {
            let mut theirs = ours.clone();
            sort_by(&mut ours, &Ord::cmp);
            theirs.sort();
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn an_order_without_sense_loses_no_item(count in 0..200_usize, answers in proptest::collection::vec(any::<i8>(), 1..50)) {
            let asked = std::cell::Cell::new(0);
            let mut items: Vec<usize> = (0..count).collect();
            sort_by(&mut items, &|_, _| {
                asked.set(asked.get() + 1);
                answers[asked.get() % answers.len()].cmp(&0)
            });
            items.sort_unstable();
            prop_assert_eq!(items, (0..count).collect::<Vec<_>>());
        }
    }
}
