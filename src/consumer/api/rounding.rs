//! What rounding does, for people: a plan holds more than was asked for, and says so. The consumer alone, without the feature
//! `openapi`, says nothing: it is to be as small as can be.

use crate::consumer::control::operation::Options;
#[cfg(feature = "openapi")]
use crate::kernel::mapping::page_size;
use crate::service::json::Value;
use crate::units::quantity::Unit;
#[cfg(feature = "openapi")]
use crate::units::quantity::apart;

/// That the plan comes to another amount than was asked for, where a client asked in a way that is told so; else nothing. `how`
/// suits the tense: `held`, or `will be held`.
#[cfg(feature = "openapi")]
pub(super) fn rounding(requested: u64, planned: u64, options: &Options, unit: Unit, how: &str) -> String {
    // What is less by less than a page is the last whole page below the limit.
    let is_told = options.within_limit && !options.exact;
    if !is_told || planned == requested || (1..page_size()).contains(&requested.saturating_sub(planned)) {
        return String::new();
    }
    let (asked, held) = apart(requested, planned, unit);
    format!("{held} {how} for {asked} asked (parts are rounded; exact=true does not)")
}

/// Nothing, in the consumer alone.
#[cfg(not(feature = "openapi"))]
pub(super) fn rounding(_: u64, _: u64, _: &Options, _: Unit, _: &str) -> String {
    String::new()
}

/// With the note of [`rounding`], if there is one.
pub(super) fn noted(mut value: Value, note: &str) -> Value {
    if !note.is_empty() {
        value.add("note", &note);
    }
    value
}

#[cfg(feature = "openapi")]
#[cfg(test)]
mod tests {
    use super::*;

    fn words(requested: u64, planned: u64, options: Options) -> String {
        rounding(requested, planned, &options, Unit::Bytes, "held")
    }

    #[test]
    fn what_is_rounded_is_told_and_nothing_else() {
        let told_so = Options { within_limit: true, ..Options::default() };
        let told = "257 MiB held for 256 MiB asked (parts are rounded; exact=true does not)";
        assert_eq!(words(256 << 20, 257 << 20, told_so), told);
        assert!(words(1 << 30, 1033 << 20, told_so).starts_with("1033 MiB held for 1024 MiB asked"));
        assert!(words(100 << 30, (100 << 30) + 262_144, told_so).starts_with("102400.3 MiB held for 102400 MiB asked"));
        assert!(words(1 << 40, (1 << 40) + 1, told_so).starts_with("1099511627777 bytes held for 1099511627776 bytes"));
        assert_eq!(words(256 << 20, 256 << 20, told_so), "");
        assert_eq!(words(1, 4096, Options { exact: true, ..told_so }), "");
        assert_eq!(words(5000, 4096, told_so), "", "the last whole page below a limit");
        assert_eq!(words(256 << 20, 257 << 20, Options::default()), "", "the contract's words stay");
    }
}
