//! The original's state file: one line, `hits,position,previous,current,next`.

use super::number::{remainder, remainder_at};
use super::sequence::{Position, State, last_index};
use crate::settings::fibonacci::MOST_DIGITS;

/// The line.
pub fn line(state: &State) -> String {
    let State { at, previous, current, next } = state;
    let mut line = String::with_capacity(3 * next.digits() + 64);
    line.push_str(&format!("{},{}", at.hits, at.position()));
    for number in [previous, current, next] {
        line.push(',');
        number.write(&mut line);
    }
    line.push('\n');
    line
}

fn fields(bytes: &[u8]) -> Option<[&str; 5]> {
    let text = std::str::from_utf8(bytes).ok()?.trim_ascii();
    let mut fields = text.split(',').map(str::trim_ascii);
    let five = std::array::from_fn(|_| fields.next().unwrap_or_default());
    let digits = |field: &str| !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
    (fields.next().is_none() && five.into_iter().all(digits)).then_some(five)
}

/// Where the line says the sequence stands. The original's numbers are wrong from the 94th on, where its 64 bits end;
/// the position says what they should have been.
///
/// The numbers are only compared by their remainders, which takes no time; where one is wrong, the remainder is right once
/// in 2^64 times.
///
/// `None` when it is no such line, or its numbers are not neighbours in the sequence near that position.
pub fn at(bytes: &[u8]) -> Option<Position> {
    let [hits, position, numbers @ ..] = fields(bytes)?;
    let (hits, position) = (hits.parse().ok()?, position.parse::<u64>().ok()?);
    // Nothing that was ever written is longer, and nothing longer is to be computed.
    if position > last_index(MOST_DIGITS) || numbers.iter().any(|number| number.len() > MOST_DIGITS as usize + 1) {
        return None;
    }
    // The original's first file, before any step.
    if (hits, position) == (0, 0) && numbers.iter().all(|number| number.bytes().all(|digit| digit == b'0')) {
        return Some(Position::default());
    }
    let (said, wrapped) = (numbers.map(remainder), numbers.map(|number| number.parse::<u64>().ok()));
    // The original's position may be off by one after a step back.
    [position, position.saturating_sub(1), position + 1].into_iter().map(|index| Position { hits, index }).find(|at| {
        let there = [at.index.saturating_sub(1), at.index, at.index + 1];
        there.map(remainder_at) == said || there.map(|index| Some(in_64_bits(index))) == wrapped
    })
}

/// What the original has for Fibonacci's number of an index.
fn in_64_bits(index: u64) -> u64 {
    let (mut here, mut ahead) = (0u64, 1u64);
    for bit in (0..u64::BITS - index.leading_zeros()).rev() {
        let doubled = here.wrapping_mul(ahead.wrapping_mul(2).wrapping_sub(here));
        let after = here.wrapping_mul(here).wrapping_add(ahead.wrapping_mul(ahead));
        (here, ahead) = if index >> bit & 1 == 0 { (doubled, after) } else { (after, doubled.wrapping_add(after)) };
    }
    here
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_it_was_made_of() {
        for index in [0, 1, 2, 3, 10, 93, 94, 95, 1000] {
            let state = State::at(Position { hits: 77, index });
            let line = line(&state);
            assert_eq!(at(line.as_bytes()), Some(state.at), "{line}");
        }
        assert_eq!(line(&State::at(Position { hits: 5, index: 6 })), "5,6,5,8,13\n");
    }

    #[test]
    fn the_originals_wrapped_numbers_are_put_right() {
        // F(94) does not fit into 64 bits: what the original wrote is that much less.
        let (f93, f94, f95) =
            (12_200_160_415_121_876_738u64, 19_740_274_219_868_223_167u128, 31_940_434_634_990_099_905u128);
        let line = format!("94,94,{f93},{},{}", f94 as u64, f95 as u64);
        assert_eq!(at(line.as_bytes()), Some(Position { hits: 94, index: 94 }));
    }

    #[test]
    fn what_is_no_state_is_none() {
        for text in [
            "",
            "\n",
            "1,2,3",
            "1,1,0,1,2,3",
            "x,1,0,1,1",
            "-1,1,0,1,1",
            "1,1,0,7,7",
            "1,5,8,13,21",
            "9,99999999999999,1,1,2",
            "18446744073709551616,1,0,0,1",
            "1,1,0,0,1\n2,1,0,1,1",
        ] {
            assert_eq!(at(text.as_bytes()), None, "{text}");
        }
        assert_eq!(at(b"0,0,0,0,0"), Some(Position::default()));
        assert_eq!(at(b" 3, 2 ,1,1,2 \r\n"), Some(Position { hits: 3, index: 2 }));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in "[0-9,x \\n]{0,60}") {
            let _ = at(text.as_bytes());
        }
    }
}
