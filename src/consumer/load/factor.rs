//! Factoring by trial division: plain work for one CPU.

use std::fmt;

/// A number being factored, a few divisions at a time.
#[derive(Clone, Debug)]
pub struct Factoring {
    number: u128,
    /// What is left of the number, without the factors found.
    left: u128,
    divisor: u128,
    factors: Vec<u128>,
}

impl Factoring {
    /// Starts with `number`, which is at least 1.
    pub fn new(number: u128) -> Self {
        Self { number, left: number, divisor: 2, factors: Vec::new() }
    }

    /// Divides so many times; says whether the number is factored.
    pub fn advance(&mut self, divisions: u32) -> bool {
        for _ in 0..divisions {
            if self.divisor.checked_mul(self.divisor).is_none_or(|square| square > self.left) {
                if self.left > 1 {
                    self.factors.push(self.left);
                    self.left = 1;
                }
                return true;
            }
            if self.left.is_multiple_of(self.divisor) {
                self.factors.push(self.divisor);
                self.left /= self.divisor;
            } else {
                self.divisor += if self.divisor == 2 { 1 } else { 2 };
            }
        }
        false
    }
}

/// `12 = 2 x 2 x 3`, as far as it is known.
impl fmt::Display for Factoring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} = ", self.number)?;
        let rest = (self.left > 1 || self.factors.is_empty()).then_some(self.left);
        for (place, factor) in self.factors.iter().copied().chain(rest).enumerate() {
            let sign = if place == 0 { "" } else { " x " };
            write!(formatter, "{sign}{factor}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factored(number: u128) -> String {
        let mut factoring = Factoring::new(number);
        while !factoring.advance(1000) {}
        factoring.to_string()
    }

    #[test]
    fn numbers_are_factored() {
        for (number, factors) in [
            (1, "1 = 1"),
            (2, "2 = 2"),
            (4, "4 = 2 x 2"),
            (12, "12 = 2 x 2 x 3"),
            (97, "97 = 97"),
            (1_000_003 * 999_983, "999985999949 = 999983 x 1000003"),
            (1 << 127, &format!("{} = 2{}", 1u128 << 127, " x 2".repeat(126))),
        ] {
            assert_eq!(factored(number), factors);
        }
    }

    #[test]
    fn the_largest_number_does_not_overflow() {
        // 3 x 5 x 17 x 257 x 641 x 65537 x 274177 x 6700417 x 67280421310721: trial division gets to 6700417.
        assert!(factored(u128::MAX).ends_with(" x 67280421310721"));
        let mut prime = Factoring::new((1 << 127) - 1);
        assert!(!prime.advance(10_000));
        assert_eq!(prime.to_string(), format!("{0} = {0}", (1u128 << 127) - 1));
        let mut end = Factoring { number: u128::MAX, left: u128::MAX, divisor: 1 << 64, factors: vec![] };
        assert!(end.advance(1), "a divisor whose square has no room ends it");
    }

    proptest::proptest! {
        #[test]
        fn factors_multiply_to_the_number(number in 1u128..1 << 40) {
            let text = factored(number);
            let factors = text.split(" = ").nth(1).unwrap();
            let product: u128 = factors.split(" x ").map(|factor| factor.parse::<u128>().unwrap()).product();
            proptest::prop_assert_eq!(product, number);
        }
    }
}
