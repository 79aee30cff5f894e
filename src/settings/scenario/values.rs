//! Values of a scenario's file: seconds, amounts and ranges of both.

use std::path::Path;

use crate::scenario::amount::TrackAmount;
use crate::scenario::track::TrackKind;
use crate::settings::config_reader::{ConfigReader, ConfigValue};
use crate::units::decimal::float;
use crate::units::duration::span;

/// The longest amount or time as it is written, in bytes: short enough to be shown.
const MOST_TEXT: usize = 80;
/// The largest factor.
const MOST_FACTOR: f64 = 1e9;
/// What stands for an amount that is wrong.
const NOTHING: TrackAmount = TrackAmount::Units(0.0);

/// Reads values, and notes what is wrong with them. What is wrong reads as something harmless.
pub(super) struct ScenarioReader<'f, 'p> {
    pub(super) config: ConfigReader<'f>,
    /// Where files of recordings are; without it there are none.
    pub(super) folder: Option<&'p Path>,
    /// How many values of recordings are kept so far.
    pub(super) kept: usize,
}

impl ScenarioReader<'_, '_> {
    /// A length of time, in seconds.
    pub(super) fn seconds(&mut self, at: &ConfigValue<'_>, may_be_zero: bool) -> f64 {
        let text = at.node.text().filter(|text| text.len() <= MOST_TEXT && !text.is_empty());
        match text.map(span) {
            None => self.config.fault(at, format_args!("expected a duration like 90s or 5m, instead got {}", at.node)),
            Some(Err(why)) => self.config.fault(at, why),
            Some(Ok(length)) if length.is_zero() && !may_be_zero => {
                self.config.fault(at, format_args!("expected a duration longer than 0, instead got {}", at.node));
            }
            Some(Ok(length)) => return length.as_secs_f64(),
        }
        1.0
    }

    /// The same of a key that may be missing.
    pub(super) fn optional_seconds(&mut self, of: &ConfigValue<'_>, key: &str, may_be_zero: bool) -> Option<f64> {
        let at = self.config.optional(of, key)?;
        Some(self.seconds(&at, may_be_zero))
    }

    /// The same of a key that must be there.
    pub(super) fn needed_seconds(&mut self, of: &ConfigValue<'_>, key: &str, may_be_zero: bool) -> f64 {
        self.config.needed(of, key).map_or(1.0, |at| self.seconds(&at, may_be_zero))
    }

    /// `20s..1m`, or `20s`: seconds, longer than 0.
    pub(super) fn needed_range(&mut self, of: &ConfigValue<'_>, key: &str) -> (f64, f64) {
        let Some(at) = self.config.needed(of, key) else { return (1.0, 1.0) };
        let text = at.node.text().filter(|text| text.len() <= MOST_TEXT).unwrap_or_default();
        let (least, most) = ends(text);
        match (span(least), span(most)) {
            (Ok(least), Ok(most)) if !least.is_zero() && least <= most => (least.as_secs_f64(), most.as_secs_f64()),
            (Ok(_), Ok(_)) => {
                let got = at.node;
                self.config
                    .fault(&at, format_args!("expected a time longer than 0, and a longer one, instead got {got}"));
                (1.0, 1.0)
            }
            _ => {
                self.config.fault(&at, format_args!("expected a time like 20s, or 20s..1m, instead got {}", at.node));
                (1.0, 1.0)
            }
        }
    }

    /// A factor, `x0.5`.
    pub(super) fn factor(&mut self, at: &ConfigValue<'_>, expected: &str) -> f64 {
        let factor = at.node.text().and_then(|text| text.strip_prefix('x')).and_then(float);
        factor.filter(|factor| (0.0..=MOST_FACTOR).contains(factor)).unwrap_or_else(|| {
            self.config.fault(at, format_args!("expected {expected}, instead got {}", at.node));
            1.0
        })
    }

    /// An amount of a track's kind.
    pub(super) fn amount(&mut self, at: &ConfigValue<'_>, kind: TrackKind) -> TrackAmount {
        let Some(text) = at.node.text().filter(|text| text.len() <= MOST_TEXT && !at.node.is_null()) else {
            self.config.fault(at, format_args!("expected an amount, instead got {}", at.node));
            return NOTHING;
        };
        self.amount_in(at, text, kind)
    }

    /// An amount that is a part of the text there.
    pub(super) fn amount_in(&mut self, at: &ConfigValue<'_>, text: &str, kind: TrackKind) -> TrackAmount {
        match TrackAmount::parse(text, kind.unit()) {
            Ok(TrackAmount::Share(_)) if !kind.has_limit() => {
                self.config.fault(at, format_args!("{} has no limit that it could be a share of", kind.name()));
            }
            Ok(amount) => return amount,
            Err(why) => self.config.fault(at, why),
        }
        NOTHING
    }

    /// The same of a key that must be there.
    pub(super) fn needed_amount(&mut self, of: &ConfigValue<'_>, key: &str, kind: TrackKind) -> TrackAmount {
        self.config.needed(of, key).map_or(NOTHING, |at| self.amount(&at, kind))
    }

    /// `10Mi..20Mi`, or `10Mi`.
    pub(super) fn needed_amounts(
        &mut self,
        of: &ConfigValue<'_>,
        key: &str,
        kind: TrackKind,
    ) -> (TrackAmount, TrackAmount) {
        let Some(at) = self.config.needed(of, key) else { return (NOTHING, NOTHING) };
        match at.node.text().filter(|text| text.len() <= MOST_TEXT && text.contains("..")) {
            None => {
                let amount = self.amount(&at, kind);
                (amount, amount)
            }
            Some(text) => {
                let (least, most) = ends(text);
                let both = (self.amount_in(&at, least, kind), self.amount_in(&at, most, kind));
                self.check_order(&at, both);
                both
            }
        }
    }

    /// `low` and `high`.
    pub(super) fn low_and_high(&mut self, of: &ConfigValue<'_>, kind: TrackKind) -> (TrackAmount, TrackAmount) {
        let both = (self.needed_amount(of, "low", kind), self.needed_amount(of, "high", kind));
        if let Some(low) = of.get("low") {
            self.check_order(&low, both);
        }
        both
    }

    /// Of two amounts that can be compared, the first must not be larger.
    fn check_order(&mut self, at: &ConfigValue<'_>, both: (TrackAmount, TrackAmount)) {
        let is_wrong = match both {
            (TrackAmount::Units(low), TrackAmount::Units(high)) => low > high,
            (TrackAmount::Share(low), TrackAmount::Share(high)) => low > high,
            _ => false,
        };
        // What is wrong reads as nothing, and that is said already.
        if is_wrong && both.1 != NOTHING {
            self.config.fault(at, format_args!("the low one is larger than the high one, instead got {}", at.node));
        }
    }
}

/// Both ends of a range.
fn ends(text: &str) -> (&str, &str) {
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    (least.trim(), most.trim())
}
