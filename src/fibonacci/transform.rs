//! Convolutions by a number-theoretic transform: a Fourier transform over the integers modulo a prime, so nothing is
//! rounded.
//!
//! The prime is 2^64 - 2^32 + 1. Powers of two up to 2^32 divide its order, so there are transforms of all these lengths,
//! and a remainder takes a few additions, since 2^64 = 2^32 - 1 and 2^96 = -1.

use std::hint::select_unpredictable;

/// The prime.
const PRIME: u64 = 0xFFFF_FFFF_0000_0001;
/// What generates all of its remainders but 0.
const GENERATOR: u64 = 7;
/// Values at a time that stay in a core's first cache.
const CACHED: usize = 1 << 12;

/// The difference modulo the prime, for `b` below it. Which way a carry goes is random, so a jump would be guessed wrong
/// half of the time.
#[inline(always)]
fn sub(a: u64, b: u64) -> u64 {
    let (difference, borrowed) = a.overflowing_sub(b);
    select_unpredictable(borrowed, difference.wrapping_add(PRIME), difference)
}

/// The sum modulo the prime, for both below it.
#[inline(always)]
pub(super) fn add(a: u64, b: u64) -> u64 {
    sub(a, PRIME - b)
}

/// The product modulo the prime, below it whatever the factors.
#[inline(always)]
pub(super) fn mul(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let (low, high) = (product as u64, (product >> 64) as u64);
    let middle = high & 0xFFFF_FFFF;
    add(sub(low, high >> 32), (middle << 32) - middle)
}

/// A power modulo the prime.
fn power(mut base: u64, mut exponent: u64) -> u64 {
    let mut power = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = mul(power, base);
        }
        base = mul(base, base);
        exponent >>= 1;
    }
    power
}

/// Transforms up to a length.
pub(super) struct Transform {
    /// For each power of two below the length: so many powers of a root of unity of twice that order, at that index.
    roots: Vec<u64>,
}

impl Transform {
    /// For lengths up to this power of two, above 1.
    pub(super) fn new(length: usize) -> Self {
        let mut roots = vec![1; length];
        let (mut half, root) = (length / 2, power(GENERATOR, (PRIME - 1) / length as u64));
        let mut last = 1;
        for power in &mut roots[half..] {
            *power = last;
            last = mul(last, root);
        }
        while half > 1 {
            half /= 2;
            (0..half).for_each(|index| roots[half + index] = roots[2 * (half + index)]);
        }
        Self { roots }
    }

    /// The transform, its values in the order of their reversed bits.
    pub(super) fn forward(&self, values: &mut [u64]) {
        let length = values.len();
        if length > CACHED {
            self.part(values);
            let (low, high) = values.split_at_mut(length / 2);
            self.forward(low);
            return self.forward(high);
        }
        let mut block = length;
        while block > 1 {
            values.chunks_exact_mut(block).for_each(|values| self.part(values));
            block /= 2;
        }
    }

    /// The inverse, from values in the order of their reversed bits, but for a factor: the length. What it makes are true
    /// numbers where those are below the prime.
    pub(super) fn inverse(&self, values: &mut [u64]) {
        self.join_all(values);
        // With the roots' inverses it would come in order.
        values[1..].reverse();
        let factor = power(values.len() as u64, PRIME - 2);
        values.iter_mut().for_each(|value| *value = mul(*value, factor));
    }

    fn join_all(&self, values: &mut [u64]) {
        let length = values.len();
        if length > CACHED {
            let (low, high) = values.split_at_mut(length / 2);
            self.join_all(low);
            self.join_all(high);
            return self.join(values);
        }
        let mut block = 2;
        while block <= length {
            values.chunks_exact_mut(block).for_each(|values| self.join(values));
            block *= 2;
        }
    }

    /// One step down: from one transform to two of half the length.
    fn part(&self, values: &mut [u64]) {
        let half = values.len() / 2;
        let (low, high) = values.split_at_mut(half);
        for ((low, high), root) in low.iter_mut().zip(high).zip(&self.roots[half..]) {
            let (a, b) = (*low, *high);
            *low = add(a, b);
            *high = mul(sub(a, b), *root);
        }
    }

    /// One step up.
    fn join(&self, values: &mut [u64]) {
        let half = values.len() / 2;
        let (low, high) = values.split_at_mut(half);
        for ((low, high), root) in low.iter_mut().zip(high).zip(&self.roots[half..]) {
            let (a, b) = (*low, mul(*high, *root));
            *low = add(a, b);
            *high = sub(a, b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn remainders_are_those_of_wide_numbers(a in any::<u64>(), b in any::<u64>()) {
            let wide = |number: u128| (number % u128::from(PRIME)) as u64;
            prop_assert_eq!(mul(a, b), wide(u128::from(a) * u128::from(b)));
            let (a, b) = (a % PRIME, b % PRIME);
            prop_assert_eq!(add(a, b), wide(u128::from(a) + u128::from(b)));
            prop_assert_eq!(sub(a, b), wide(u128::from(a) + u128::from(PRIME) - u128::from(b)));
        }

        #[test]
        fn products_of_transforms_are_convolutions(values in prop::collection::vec((0..PRIME, 0..PRIME), 1..40)) {
            let length = (values.len() * 2).next_power_of_two();
            let transform = Transform::new(length * 2);
            let of = |values: Vec<u64>| {
                let mut values = values;
                values.resize(length, 0);
                transform.forward(&mut values);
                values
            };
            let (a, b): (Vec<u64>, Vec<u64>) = values.iter().copied().unzip();
            let mut product: Vec<u64> =
                of(a.clone()).iter().zip(of(b.clone())).map(|(one, other)| mul(*one, other)).collect();
            transform.inverse(&mut product);
            let mut expected = vec![0; length];
            for (i, a) in a.iter().enumerate() {
                b.iter().enumerate().for_each(|(j, b)| expected[i + j] = add(expected[i + j], mul(*a, *b)));
            }
            prop_assert_eq!(product, expected);
        }
    }

    #[test]
    fn the_inverse_of_a_long_transform_is_where_it_came_from() {
        let length = CACHED * 8;
        let transform = Transform::new(length);
        let values: Vec<u64> = (0..length as u64).map(|index| mul(index, index * index) % PRIME).collect();
        let mut there = values.clone();
        transform.forward(&mut there);
        transform.inverse(&mut there);
        assert_eq!(there, values);
    }
}
