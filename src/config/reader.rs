//! Takes typed values out of the layers, and writes down everything that is wrong instead of stopping at the first.
//!
//! *Invariant:* a value handed out after a violation is a stand-in; it is never used, because a config with violations
//! does not exist.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ordergate_actors::order::{Amount, money};
use rust_decimal::Decimal;
use secrecy::SecretString;

use super::layers::{Flat, Given, Scalar};
use super::{Setting, Violation};

/// The keys that were asked for, and what was found there.
pub(super) struct Reader {
    flat: Flat,
    used: BTreeSet<String>,
    pub(super) settings: Vec<Setting>,
    pub(super) violations: Vec<Violation>,
}

/// A part of the keys: a section, or a row of a list with the section of its defaults.
pub(super) struct Scope<'a> {
    reader: &'a mut Reader,
    at: String,
    defaults: Option<&'static str>,
}

impl Reader {
    pub(super) fn new(flat: Flat, violations: Vec<Violation>) -> Self {
        Self { flat, used: BTreeSet::new(), settings: Vec::new(), violations }
    }

    pub(super) fn section(&mut self, name: &str) -> Scope<'_> {
        Scope { reader: self, at: name.to_owned(), defaults: None }
    }

    /// A section whose missing keys are looked up in another.
    pub(super) fn section_over(&mut self, name: &str, defaults: &'static str) -> Scope<'_> {
        Scope { reader: self, at: name.to_owned(), defaults: Some(defaults) }
    }

    /// A row of a list, whose missing keys are looked up in another section.
    pub(super) fn row(&mut self, list: &str, index: usize, defaults: Option<&'static str>) -> Scope<'_> {
        Scope { reader: self, at: format!("{list}.{index}"), defaults }
    }

    /// How many rows a list has. A gap in the numbers ends it; what is beyond shows up as unknown.
    pub(super) fn rows(&self, list: &str) -> usize {
        (0..).take_while(|index| self.is_there(&format!("{list}.{index}"))).count()
    }

    /// Whether this very key was said, not one that stands in for it.
    pub(super) fn is_said(&self, key: &str) -> bool {
        self.flat.contains_key(key)
    }

    fn is_there(&self, key: &str) -> bool {
        let below = format!("{key}.");
        self.flat.contains_key(key) || self.flat.range(below.clone()..).next().is_some_and(|(known, _)| known.starts_with(&below))
    }

    pub(super) fn violate(&mut self, key: &str, rule: impl Into<String>) {
        let given = self.flat.get(key);
        let value = given.map(|given| given.value.to_string());
        self.violations.push(Violation { key: key.to_owned(), value, rule: rule.into(), layer: given.map(|given| given.layer.clone()) });
    }

    /// As [`Reader::violate`], for a value that must not be shown.
    pub(super) fn violate_secret(&mut self, key: &str, rule: &str) {
        let given = self.flat.get(key);
        let value = given.map(|_| "[set]".to_owned());
        self.violations.push(Violation {
            key: key.to_owned(),
            value,
            rule: rule.to_owned(),
            layer: given.map(|given| given.layer.clone()),
        });
    }

    /// Marks the section of an account's defaults as known, whether or not an account fell back to it.
    pub(super) fn finish(&mut self, defaults: &str) {
        let below = format!("{defaults}.");
        let known: BTreeSet<&str> = self.used.iter().filter_map(|key| key.strip_prefix(&below)).collect();
        let unknown: Vec<String> = self
            .flat
            .keys()
            .filter(|key| !self.used.contains(*key) && key.strip_prefix(&below).is_none_or(|rest| !known.contains(rest)))
            .cloned()
            .collect();
        for key in unknown {
            let secretive = super::is_secret(&key);
            let given = self.flat.get(&key);
            self.violations.push(Violation {
                value: given.map(|given| if secretive { "[set]".to_owned() } else { given.value.to_string() }),
                rule: "is not a setting; config/default.toml names all of them".to_owned(),
                layer: given.map(|given| given.layer.clone()),
                key,
            });
        }
    }
}

impl Scope<'_> {
    /// Finds the value and where it is; a missing one is a violation unless it is optional.
    fn find(&mut self, name: &str, optional: bool) -> Option<(String, Given)> {
        let key = format!("{}.{name}", self.at);
        let fallback = self.defaults.map(|section| format!("{section}.{name}"));
        self.reader.used.insert(key.clone());
        self.reader.used.extend(fallback.clone());
        let found =
            [Some(key.clone()), fallback].into_iter().flatten().find_map(|at| self.reader.flat.get(&at).map(|given| (at, given.clone())));
        if found.is_none() && !optional {
            self.reader.violations.push(Violation { key, value: None, rule: "is missing".to_owned(), layer: None });
        }
        found
    }

    fn take<T>(&mut self, name: &str, rule: &str, read: impl FnOnce(&Scalar) -> Option<T>) -> Option<T> {
        let (at, given) = self.find(name, false)?;
        let value = read(&given.value);
        if value.is_none() {
            self.wrong(&at, &given, rule);
        }
        let shown = match &given.value {
            Scalar::Text(text) => text.clone(),
            other => other.to_string(),
        };
        self.reader.settings.push(Setting { key: format!("{}.{name}", self.at), value: shown, layer: given.layer });
        value
    }

    /// A rule that the value of a key of this part breaks.
    pub(super) fn violate(&mut self, name: &str, rule: &str) {
        self.reader.violate(&format!("{}.{name}", self.at), rule);
    }

    fn wrong(&mut self, at: &str, given: &Given, rule: &str) {
        let value = if super::is_secret(at) { "[set]".to_owned() } else { given.value.to_string() };
        self.reader.violations.push(Violation {
            key: at.to_owned(),
            value: Some(value),
            rule: rule.to_owned(),
            layer: Some(given.layer.clone()),
        });
    }

    pub(super) fn number(&mut self, name: &str, range: RangeInclusive<u64>) -> u64 {
        let rule = format!("must be a whole number from {} to {}", range.start(), range.end());
        let stand_in = *range.start();
        self.take(name, &rule, |value| {
            let number = match value {
                Scalar::Int(number) => u64::try_from(*number).ok()?,
                Scalar::Text(text) => text.trim().parse().ok()?,
                Scalar::Bool(_) | Scalar::Other(_) => return None,
            };
            range.contains(&number).then_some(number)
        })
        .unwrap_or(stand_in)
    }

    pub(super) fn count(&mut self, name: &str, range: RangeInclusive<u32>) -> usize {
        usize::try_from(self.number(name, u64::from(*range.start())..=u64::from(*range.end()))).unwrap_or(usize::MAX)
    }

    /// Milliseconds, at least one of them.
    pub(super) fn millis(&mut self, name: &str) -> Duration {
        Duration::from_millis(self.number(name, 1..=86_400_000))
    }

    pub(super) fn seconds(&mut self, name: &str) -> Duration {
        Duration::from_secs(self.number(name, 1..=86_400))
    }

    pub(super) fn bytes_of_mb(&mut self, name: &str) -> u64 {
        self.number(name, 0..=1_048_576) * 1024 * 1024
    }

    pub(super) fn rupees(&mut self, name: &str) -> Amount {
        let rule = "must be rupees above 0: a whole number, or text with a point (\"50000.50\")";
        self.rupees_that(name, rule, |amount| !amount.is_zero())
    }

    /// Rupees, of which there may be none.
    pub(super) fn rupees_or_none(&mut self, name: &str) -> Amount {
        self.rupees_that(name, "must be rupees, 0 or more: a whole number, or text with a point (\"50000.50\")", |_| true)
    }

    fn rupees_that(&mut self, name: &str, rule: &str, are_taken: impl Fn(&Decimal) -> bool) -> Amount {
        self.take(name, rule, |value| {
            let text = match value {
                Scalar::Int(number) => number.to_string(),
                Scalar::Text(text) => text.trim().to_owned(),
                Scalar::Bool(_) | Scalar::Other(_) => return None,
            };
            money::decimal("amount", &text).ok().filter(|amount| !amount.is_sign_negative() && are_taken(amount)).map(Amount)
        })
        .unwrap_or(Amount::ZERO)
    }

    pub(super) fn flag(&mut self, name: &str, default: bool) -> bool {
        if self.find(name, true).is_none() {
            return default;
        }
        self.take(name, "must be true or false", |value| match value {
            Scalar::Bool(value) => Some(*value),
            Scalar::Text(text) => text.trim().to_ascii_lowercase().parse().ok(),
            Scalar::Int(_) | Scalar::Other(_) => None,
        })
        .unwrap_or(default)
    }

    pub(super) fn text<T>(&mut self, name: &str, rule: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.take(name, rule, |value| match value {
            Scalar::Text(text) => read(text),
            Scalar::Int(_) | Scalar::Bool(_) | Scalar::Other(_) => None,
        })
    }

    /// A directory; empty text is none.
    pub(super) fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.text(name, "must be a path", |text| Some(text.trim().to_owned())).filter(|text| !text.is_empty()).map(PathBuf::from)
    }

    pub(super) fn texts(&mut self, name: &str) -> Vec<String> {
        let common = self.defaults.map(|section| format!("{section}.{name}"));
        let common_rows = common.as_deref().map_or(0, |list| self.reader.rows(list));
        // A list of the row's own replaces the common one whole, and so what it leaves out of it is known all the same.
        self.reader.used.extend(common.iter().flat_map(|list| (0..common_rows).map(move |index| format!("{list}.{index}"))));
        let own = self.reader.rows(&format!("{}.{name}", self.at));
        (0..if own == 0 { common_rows } else { own })
            .filter_map(|index| self.text(&format!("{name}.{index}"), "must be text", |text| Some(text.to_owned())))
            .collect()
    }

    pub(super) fn number_or(&mut self, name: &str, range: RangeInclusive<u64>, default: u64) -> u64 {
        if self.find(name, true).is_none() { default } else { self.number(name, range) }
    }

    /// A secret; empty or missing is none. Its value goes nowhere but into the result.
    pub(super) fn secret(&mut self, name: &str) -> Option<SecretString> {
        let found = self.find(name, true);
        let (value, layer) = match &found {
            None => (None, super::Layer::Default),
            Some((at, given)) => match &given.value {
                Scalar::Text(text) if text.is_empty() => (None, given.layer.clone()),
                Scalar::Text(text) if text.len() <= 256 && text.chars().all(|c| c.is_ascii_graphic()) => {
                    (Some(SecretString::from(text.as_str())), given.layer.clone())
                }
                _ => {
                    self.wrong(at, given, "must be text of 1 to 256 visible ASCII characters");
                    (None, given.layer.clone())
                }
            },
        };
        let shown = if value.is_some() { "[set]" } else { "[not set]" };
        self.reader.settings.push(Setting { key: format!("{}.{name}", self.at), value: shown.to_owned(), layer });
        value
    }
}
