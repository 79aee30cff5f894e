//! The sequence: where it stands, and what a step makes of it.
//!
//! Everything follows from two numbers, the hits and the index, so that is all that is kept on disk (a [`Position`]); the
//! Fibonacci numbers themselves are in memory, and a step costs one addition.

use std::sync::Arc;

use super::number::BigNumber;

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the next number.
    Next,
    /// To the one before; at the beginning it stays.
    Previous,
    /// To the beginning.
    Reset,
}

/// Where the sequence stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Steps made, ever.
    pub hits: u64,
    /// Which Fibonacci number is the current one: F(0) is 0, F(1) and F(2) are 1.
    pub index: u64,
}

impl Position {
    /// Where a step leads.
    pub fn after(self, step: Step) -> Self {
        let index = match step {
            Step::Next => self.index + 1,
            Step::Previous => self.index.saturating_sub(1),
            Step::Reset => 0,
        };
        Self { hits: self.hits.saturating_add(1), index }
    }

    /// The position, as the original counts: the 0 and the first 1 share the first.
    pub fn position(self) -> u64 {
        self.index.max(1)
    }
}

/// A mark, and the numbers there. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The mark.
    pub at: Position,
    /// The number before; 0 at the beginning.
    pub previous: Arc<BigNumber>,
    /// The number.
    pub current: Arc<BigNumber>,
    /// The number after.
    pub next: Arc<BigNumber>,
}

impl State {
    /// The numbers at a mark.
    pub fn at(at: Position) -> Self {
        let (here, ahead) = BigNumber::fibonacci(at.index);
        let before = if at.index == 0 { BigNumber::default() } else { ahead.minus(&here) };
        Self { at, previous: Arc::new(before), current: Arc::new(here), next: Arc::new(ahead) }
    }

    /// Where a step leads.
    pub fn after(&self, step: Step) -> Self {
        let at = self.at.after(step);
        match step {
            Step::Next => {
                let (previous, current) = (Arc::clone(&self.current), Arc::clone(&self.next));
                Self { at, next: Arc::new(previous.plus(&current)), previous, current }
            }
            Step::Previous if self.at.index > 1 => {
                let (current, next) = (Arc::clone(&self.previous), Arc::clone(&self.current));
                Self { at, previous: Arc::new(next.minus(&current)), current, next }
            }
            Step::Previous | Step::Reset => Self::at(at),
        }
    }
}

/// How many bits the number of an index has.
pub fn bits(index: u64) -> u64 {
    match index {
        0 => 0,
        // F(1) to F(6) are 1, 1, 2, 3, 5 and 8; a power of two is none after that.
        1..=6 => [1, 1, 2, 2, 3, 4][index as usize - 1],
        _ => (index as f64 * f64::midpoint(1.0, 5f64.sqrt()).log2() - 5f64.sqrt().log2()) as u64 + 1,
    }
}

/// The last index whose number has at most so many digits.
pub fn last_index(digits: u32) -> u64 {
    // F(n) is φⁿ/√5, rounded; its logarithm is n·log φ - log √5.
    let sqrt = 5f64.sqrt();
    let phi = f64::midpoint(1.0, sqrt);
    let mut index = ((f64::from(digits) + sqrt.log10()) / phi.log10()) as u64;
    // What the logarithm says of an index so high is exact to a billionth of a digit.
    while index > 0 && index as f64 * phi.log10() - sqrt.log10() >= f64::from(digits) {
        index -= 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(state: &State) -> String {
        state.current.text()
    }

    #[test]
    fn the_first_steps_are_those_of_the_original() {
        let mut state = State::at(Position::default());
        assert_eq!((number(&state).as_str(), state.at.position()), ("0", 1));
        for (value, position) in [("1", 1), ("1", 2), ("2", 3), ("3", 4), ("5", 5), ("8", 6)] {
            state = state.after(Step::Next);
            assert_eq!((number(&state).as_str(), state.at.position()), (value, position));
        }
        for (value, position) in [("5", 5), ("3", 4), ("2", 3), ("1", 2), ("1", 1), ("0", 1), ("0", 1)] {
            state = state.after(Step::Previous);
            assert_eq!((number(&state).as_str(), state.at.position()), (value, position));
        }
        assert_eq!(state.at.hits, 13);
        state = state.after(Step::Next).after(Step::Next).after(Step::Next).after(Step::Reset);
        assert_eq!((number(&state).as_str(), state.previous.text().as_str()), ("0", "0"));
        assert_eq!((state.next.text().as_str(), state.at), ("1", Position { hits: 17, index: 0 }));
    }

    #[test]
    fn numbers_are_exact_where_64_bits_end() {
        let state = (0..94).fold(State::at(Position::default()), |state, _| state.after(Step::Next));
        assert_eq!(number(&state), "19740274219868223167");
        let far = State::at(Position { hits: 0, index: 300 });
        assert_eq!(number(&far), "222232244629420445529739893461909967206666939096499764990979600");
    }

    proptest::proptest! {
        #[test]
        fn stepping_and_jumping_lead_to_the_same_place(start in 0u64..2000, steps in proptest::collection::vec(0u8..7, 0..200)) {
            let mut state = State::at(Position { hits: 5, index: start });
            for step in steps {
                let step = match step { 0..4 => Step::Next, 4..6 => Step::Previous, _ => Step::Reset };
                state = state.after(step);
                proptest::prop_assert_eq!(&state, &State::at(state.at));
            }
        }
    }

    #[test]
    fn bits_are_those_of_the_number() {
        let (mut here, mut ahead) = (0u128, 1u128);
        for index in 0..180 {
            assert_eq!(bits(index), u64::from(u128::BITS - here.leading_zeros()), "{index}");
            (here, ahead) = (ahead, here + ahead);
        }
    }

    #[test]
    fn the_last_index_has_so_many_digits_and_the_next_one_more() {
        for digits in (1..400).chain([1000, 4096, 20_000]) {
            let digits = digits as usize;
            let last = State::at(Position { hits: 0, index: last_index(digits as u32) });
            assert_eq!((number(&last).len(), last.next.text().len()), (digits, digits + 1));
        }
    }
}
