//! What rounding does, for people: a plan holds more than was asked for, and says so.

use crate::consumer::control::operation::Options;
use crate::kernel::mapping::page_size;
use crate::units::quantity::{Unit, in_words};

/// That the plan comes to another amount than was asked for, where a client asked in a way that is told so. `how` suits the
/// tense: `held`, or `will be held`.
pub(super) fn rounding(requested: u64, planned: u64, options: &Options, unit: Unit, how: &str) -> Option<String> {
    // What is less by less than a page is the last whole page below the limit.
    let is_told = options.within_limit && !options.exact;
    if !is_told || planned == requested || (1..page_size()).contains(&requested.saturating_sub(planned)) {
        return None;
    }
    let told = |units| in_words(units, unit).replace(".0 ", " ");
    let (mut asked, mut held) = (told(requested), told(planned));
    if asked == held {
        (asked, held) = (format!("{requested} bytes"), format!("{planned} bytes"));
    }
    Some(format!("{held} {how} for {asked} asked (parts are rounded; exact=true does not)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(requested: u64, planned: u64, options: Options) -> String {
        rounding(requested, planned, &options, Unit::Bytes, "held").unwrap_or_default()
    }

    #[test]
    fn what_is_rounded_is_told_and_nothing_else() {
        let told_so = Options { within_limit: true, ..Options::default() };
        let words = "257 MiB held for 256 MiB asked (parts are rounded; exact=true does not)";
        assert_eq!(told(256 << 20, 257 << 20, told_so), words);
        assert!(
            told(100 << 30, (100 << 30) + 262_144, told_so).starts_with("107374444544 bytes held for 107374182400 ")
        );
        assert_eq!(told(256 << 20, 256 << 20, told_so), "");
        assert_eq!(told(1, 4096, Options { exact: true, ..told_so }), "");
        assert_eq!(told(5000, 4096, told_so), "", "the last whole page below a limit");
        assert_eq!(told(256 << 20, 257 << 20, Options::default()), "", "the contract's words stay");
    }
}
