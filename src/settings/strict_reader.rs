//! Values of a file that must be as they are meant: a key that nothing knows is a mistake, not a warning.

use crate::settings::config_reader::{ConfigReader, ConfigValue};
use crate::settings::unknown_word::UnknownWord;

impl ConfigReader<'_> {
    /// Whether it is a mapping. Keys beyond these are wrong.
    pub(super) fn keys(&mut self, at: &ConfigValue<'_>, keys: &[&str]) -> bool {
        let Some(pairs) = at.node.as_mapping() else {
            self.fault(at, format_args!("expected keys and values, instead got {}", at.node));
            return false;
        };
        for (key, _) in pairs {
            if !keys.contains(&key.text().unwrap_or_default()) {
                let word = key.text().unwrap_or_default();
                self.fault(&at.of_pair(key, key), UnknownWord { kind: "key", word, names: keys });
            }
        }
        true
    }

    /// The keys and values of a mapping, `most` of them at most.
    pub(super) fn members<'n>(&mut self, at: &ConfigValue<'n>, most: usize) -> Vec<(ConfigValue<'n>, ConfigValue<'n>)> {
        let mut all = Vec::new();
        let Some(pairs) = at.node.as_mapping() else {
            self.fault(at, format_args!("expected keys and values, instead got {}", at.node));
            return all;
        };
        if pairs.len() > most {
            self.fault(at, format_args!("there are {}; {most} at most", pairs.len()));
        }
        for (key, value) in &pairs[..pairs.len().min(most)] {
            all.push((at.of_pair(key, key), at.of_pair(key, value)));
        }
        all
    }

    /// The members of a list, `most` of them at most; none where there is no such key.
    pub(super) fn list<'n>(&mut self, of: &ConfigValue<'n>, key: &str, most: usize) -> Vec<ConfigValue<'n>> {
        let mut all = Vec::new();
        let Some(at) = self.optional(of, key) else { return all };
        let Some(nodes) = at.node.as_sequence() else {
            self.fault(&at, format_args!("expected a list, instead got {}", at.node));
            return all;
        };
        if nodes.len() > most {
            self.fault(&at, format_args!("there are {}; {most} at most", nodes.len()));
        }
        all.extend(at.items(&nodes[..nodes.len().min(most)]));
        all
    }

    /// The value of a key that must be there, and be something.
    pub(super) fn needed<'n>(&mut self, of: &ConfigValue<'n>, key: &str) -> Option<ConfigValue<'n>> {
        match of.get(key) {
            None => self.fault(of, format_args!("{key} is missing")),
            Some(value) if value.node.is_null() => self.fault(&value, "there is nothing behind it"),
            value => return value,
        }
        None
    }

    /// The value of the one key of these that must be there.
    pub(super) fn one_of<'n, 'k>(
        &mut self,
        at: &ConfigValue<'n>,
        keys: &[&'k str],
    ) -> Option<(&'k str, ConfigValue<'n>)> {
        let mut found = None;
        for key in keys {
            let Some(value) = at.get(key) else { continue };
            match &found {
                Some((first, _)) => {
                    self.fault(&value, format_args!("{first} and {key} do not go together"));
                }
                None if value.node.is_null() => {
                    self.fault(&value, "there is nothing behind it");
                    return None;
                }
                None => found = Some((*key, value)),
            }
        }
        if found.is_none() {
            self.fault(at, format_args!("one of {} is needed", keys.join(", ")));
        }
        found
    }

    /// A whole number; the least one where it is wrong.
    pub(super) fn number(&mut self, at: &ConfigValue<'_>, least: u64, most: u64) -> u64 {
        let number = at.node.as_integer().and_then(|number| u64::try_from(number).ok());
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => number,
            None => {
                self.fault(at, format_args!("expected a whole number from {least} to {most}, instead got {}", at.node));
                least
            }
        }
    }

    /// The same of a key that may be missing.
    pub(super) fn number_or(&mut self, of: &ConfigValue<'_>, key: &str, least: u64, most: u64, default: u64) -> u64 {
        self.optional(of, key).map_or(default, |at| self.number(&at, least, most))
    }
}
