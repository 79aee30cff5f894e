//! What a role's help has: its flags, and their values.

use super::{FILES, Offers};
use crate::settings::help::Help;

/// Roles, what each is for, and its help, whose flags are offered.
pub(super) const ROLES: &[(&str, &str, Help)] = &[
    ("consumer", "the service itself", Help::Consumer),
    #[cfg(feature = "fibonacci")]
    ("fibonacci", "hands out Fibonacci's numbers", Help::Fibonacci),
    #[cfg(feature = "counter")]
    ("counter", "counts requests", Help::Counter),
    #[cfg(feature = "proxy")]
    ("proxy", "passes requests on to services", Help::Proxy),
    #[cfg(feature = "crash")]
    ("crash", "crashes parts of a system", Help::Crash),
    #[cfg(feature = "scenario")]
    ("scenario", "loads that move over time", Help::Scenario),
];

/// What the help of a role, or of the service itself, calls the value of a flag; `None` where it has none, or is not known.
pub(super) fn value_of(role: Option<&str>, flag: &str) -> Option<String> {
    let help = match role {
        None => Help::Consumer,
        Some(role) => ROLES.iter().find(|(known, ..)| *known == role)?.2,
    };
    let help = help.text();
    // Behind a blank stands the value, and behind several what the flag is for.
    let value = |line: &str| {
        let (_, behind) = line.trim_start().split_once(flag)?;
        let value = behind.strip_prefix(' ')?.split(' ').next()?;
        Some(value.to_owned()).filter(|value| !value.is_empty())
    };
    help.lines().filter(|line| line.trim_start().starts_with('-')).find_map(value)
}

impl Offers<'_> {
    /// What may stand where a role's help has this: names are to be filled in, words are to be chosen from.
    pub(super) fn values_of_role(&mut self, value: &str) {
        match value {
            "DIR" | "FILE" => self.lines += &format!("{FILES}\n"),
            value if value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'|') => {
                value.split('|').for_each(|word| self.add(word, ""));
            }
            _ => {}
        }
    }

    /// The flags that a role's help has, with what they are for.
    pub(super) fn flags_of_help(&mut self, help: &str) {
        for line in help.lines().map(str::trim_start).filter(|line| line.starts_with('-')) {
            let (names, text) = line.split_once("   ").unwrap_or((line, ""));
            let text = text.trim_start().split("  ").next().unwrap_or_default();
            for name in names.split([' ', ',']).filter(|name| name.starts_with("--")) {
                // One that is told twice is offered once.
                if !self.lines.contains(&format!("{name}\t")) {
                    self.add(name, text);
                }
            }
        }
    }
}
