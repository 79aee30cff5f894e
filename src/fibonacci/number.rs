//! Whole numbers of any length, kept in decimal, as clients see them: so a long one is written in a millisecond or two,
//! where a conversion from binary takes hundreds, and read as fast.

use std::panic::resume_unwind;
use std::sync::Mutex;
use std::thread;

use super::transform::{Transform, add, mul};
use crate::sync::{lock, spawn_scoped};

/// Decimal digits of a limb.
const LIMB_DIGITS: usize = 18;
const LIMB: u64 = 10u64.pow(LIMB_DIGITS as u32);
/// A limb is so many coefficients of a transform, each below [`COEFFICIENT`].
const COEFFICIENTS: usize = 3;
const COEFFICIENT: u64 = 1_000_000;
/// Transforms of this length or more, a millisecond of work, are done on two cores.
const LONG: usize = 1 << 15;
/// For a thread that transforms, which recurses once for each halving.
const STACK_BYTES: usize = 64 * 1024;
/// The least index whose number has more than a limb.
const BEYOND_ONE_LIMB: u64 = 88;

/// A number: its limbs, the lowest first, the highest of which is not 0; none is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BigNumber(Vec<u64>);

impl BigNumber {
    /// How many decimal digits it has.
    pub fn digits(&self) -> usize {
        let Some((highest, below)) = self.0.split_last() else { return 1 };
        below.len() * LIMB_DIGITS + highest.ilog10() as usize + 1
    }

    /// In decimal, with room for a line feed.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.digits() + 1);
        self.write(&mut text);
        text
    }

    /// Adds it to a text, in decimal.
    pub fn write(&self, text: &mut String) {
        let mut limbs = self.0.iter().rev();
        text.push_str(&limbs.next().unwrap_or(&0).to_string());
        // Digits are written by hand, which is several times as fast as the formatting of padded numbers.
        for limb in limbs {
            let (mut digits, mut rest) = ([b'0'; LIMB_DIGITS], *limb);
            for digit in digits.iter_mut().rev() {
                *digit += (rest % 10) as u8;
                rest /= 10;
            }
            text.push_str(std::str::from_utf8(&digits).unwrap_or_default());
        }
    }

    /// The sum.
    pub fn plus(&self, other: &Self) -> Self {
        let (long, short) = if self.0.len() < other.0.len() { (other, self) } else { (self, other) };
        let mut limbs = Vec::with_capacity(long.0.len() + 1);
        let mut carry = 0;
        limbs.extend(long.0.iter().zip(short.0.iter().chain(std::iter::repeat(&0))).map(|(one, other)| {
            let sum = one + other + carry;
            carry = u64::from(sum >= LIMB);
            sum - LIMB * carry
        }));
        limbs.extend((carry > 0).then_some(1));
        Self(limbs)
    }

    /// The difference to one that is not larger.
    pub fn minus(&self, other: &Self) -> Self {
        let mut borrow = 0;
        let differences = self.0.iter().zip(other.0.iter().chain(std::iter::repeat(&0))).map(|(one, other)| {
            let difference = LIMB + one - other - borrow;
            borrow = u64::from(difference < LIMB);
            difference - LIMB * (1 - borrow)
        });
        Self::from_limbs(differences.collect())
    }

    fn from_limbs(mut limbs: Vec<u64>) -> Self {
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        Self(limbs)
    }

    /// The Fibonacci numbers of an index and the one after it, by fast doubling: with k the half of the index,
    /// F(2k) = F(k)(F(k) + 2F(k-1)), F(2k-1) = F(k)² + F(k-1)².
    pub fn fibonacci(index: u64) -> (Self, Self) {
        let doublings = (0..u64::BITS).find(|shift| index >> shift < BEYOND_ONE_LIMB).unwrap_or(0);
        let (mut here, mut before) = (Self::default(), Self(vec![1]));
        for _ in 0..index >> doublings {
            (here, before) = (here.plus(&before), here);
        }
        // The last doubling is of the half of the index; a number has 0.20899 digits for each of its index.
        let longest = index / 2 * 209 / 1000 / LIMB_DIGITS as u64 + 1;
        let transform = Transform::new(transform_length(longest as usize));
        for bit in (0..doublings).rev() {
            let (doubled, before_doubled) = double(&transform, &here, &before);
            (here, before) = if index >> bit & 1 == 0 {
                (doubled, before_doubled)
            } else {
                (doubled.plus(&before_doubled), doubled)
            };
        }
        let ahead = here.plus(&before);
        (here, ahead)
    }

    /// Its coefficients, and zeros up to a length.
    fn spread(&self, length: usize) -> Vec<u64> {
        let mut coefficients = Vec::with_capacity(length);
        for limb in &self.0 {
            let rest = limb / COEFFICIENT;
            coefficients.extend([limb % COEFFICIENT, rest % COEFFICIENT, rest / COEFFICIENT]);
        }
        coefficients.resize(length, 0);
        coefficients
    }

    /// The number of such coefficients, which may be large.
    fn gather(coefficients: &[u64]) -> Self {
        let mut carry = 0;
        let limbs = coefficients.chunks(COEFFICIENTS).map(|coefficients| {
            let (mut limb, mut unit) = (0, 1);
            for coefficient in coefficients {
                let sum = coefficient + carry;
                carry = sum / COEFFICIENT;
                limb += sum % COEFFICIENT * unit;
                unit *= COEFFICIENT;
            }
            limb
        });
        Self::from_limbs(limbs.collect())
    }
}

/// What a transform needs for products of numbers of so many limbs.
fn transform_length(limbs: usize) -> usize {
    (limbs.max(1) * 2 * COEFFICIENTS).next_power_of_two()
}

/// The numbers of the double index, and of the one before, from those of an index and the one before. A coefficient of a
/// product is below 3 · 10^12 · the coefficients, so the transform's prime has room for numbers of 36 million digits.
fn double(transform: &Transform, here: &BigNumber, before: &BigNumber) -> (BigNumber, BigNumber) {
    let length = transform_length(here.0.len());
    let forward = |number: &BigNumber| {
        let mut values = number.spread(length);
        transform.forward(&mut values);
        values
    };
    let (mut a, mut b) = on_two_cores(length, || forward(here), || forward(before));
    for (a, b) in a.iter_mut().zip(&mut b) {
        let (here, before) = (*a, *b);
        *a = mul(here, add(here, add(before, before)));
        *b = add(mul(here, here), mul(before, before));
    }
    let inverse = |mut values: Vec<u64>| {
        transform.inverse(&mut values);
        BigNumber::gather(&values)
    };
    on_two_cores(length, || inverse(std::mem::take(&mut a)), || inverse(std::mem::take(&mut b)))
}

/// Does both, at the same time where that saves more than a thread costs.
fn on_two_cores<T: Default + Send>(length: usize, one: impl FnOnce() -> T + Send, other: impl FnOnce() -> T) -> (T, T) {
    if length < LONG {
        return (one(), other());
    }
    let one = Mutex::new(Some(one));
    // It is called once.
    let first = || lock(&one).take().map_or_else(T::default, |one| one());
    let result = Mutex::new(T::default());
    thread::scope(|scope| {
        let thread = spawn_scoped(scope, "transform", STACK_BYTES, Box::new(|| *lock(&result) = first()));
        let other = other();
        let theirs = match thread {
            Ok(thread) => {
                thread.join().unwrap_or_else(|panic| resume_unwind(panic));
                std::mem::take(&mut *lock(&result))
            }
            // Where there may be no more threads, one does both.
            Err(_) => first(),
        };
        (theirs, other)
    })
}

/// What Fibonacci's number of an index leaves modulo the transform's prime.
pub fn remainder_at(index: u64) -> u64 {
    let (mut here, mut before) = (0, 1);
    for bit in (0..u64::BITS - index.leading_zeros()).rev() {
        let doubled = mul(here, add(here, add(before, before)));
        let before_doubled = add(mul(here, here), mul(before, before));
        (here, before) =
            if index >> bit & 1 == 0 { (doubled, before_doubled) } else { (add(doubled, before_doubled), doubled) };
    }
    here
}

/// What a number in decimal leaves: where it is another one than expected, the remainder is the same once in 2^64 times.
pub fn remainder(digits: &str) -> u64 {
    let digits = digits.as_bytes();
    let value = |digits: &[u8]| digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    let (first, limbs) = digits.split_at(digits.len() % LIMB_DIGITS);
    limbs.chunks(LIMB_DIGITS).fold(value(first), |rest, limb| add(mul(rest, LIMB), value(limb)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By adding, from the beginning.
    fn added(index: u64) -> (BigNumber, BigNumber) {
        let mut pair = (BigNumber::default(), BigNumber(vec![1]));
        for _ in 0..index {
            pair = (pair.1.clone(), pair.0.plus(&pair.1));
        }
        pair
    }

    #[test]
    fn doubling_and_adding_lead_to_the_same_numbers() {
        let mut expected = added(0);
        for index in 0..3000 {
            assert_eq!(BigNumber::fibonacci(index), expected, "{index}");
            assert_eq!(expected.1.minus(&expected.0).plus(&expected.0), expected.1);
            assert_eq!(remainder(&expected.0.text()), remainder_at(index), "{index}");
            assert_eq!(expected.0.text().len(), expected.0.digits());
            expected = (expected.1.clone(), expected.0.plus(&expected.1));
        }
        for index in [30_000, 65_535, 65_536, 65_537] {
            assert_eq!(BigNumber::fibonacci(index), added(index), "{index}");
        }
    }

    #[test]
    fn a_million_digits_are_right() {
        let (here, ahead) = BigNumber::fibonacci(4_784_970);
        assert_eq!(remainder(&here.text()), remainder_at(4_784_970));
        assert_eq!(remainder(&ahead.text()), remainder_at(4_784_971));
        assert_eq!(ahead.digits(), 1_000_000);
    }

    proptest! {
        #[test]
        fn sums_and_differences_are_those_of_wide_numbers(one in any::<u64>(), other in any::<u64>()) {
            let of = |number: u128| {
                BigNumber::from_limbs(vec![(number % u128::from(LIMB)) as u64, (number / u128::from(LIMB)) as u64])
            };
            let (less, more) = (u128::from(one.min(other)) * 7, u128::from(one.max(other)) * 7);
            prop_assert_eq!(of(less).plus(&of(more)).text(), (less + more).to_string());
            prop_assert_eq!(of(more).minus(&of(less)).text(), (more - less).to_string());
        }
    }
}
