//! What is wrong with a configuration, for people.

use std::fmt;

use super::Layer;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The key; empty for a layer that cannot be read at all.
    pub key: String,
    /// Its value; `None` when there is none.
    pub value: Option<String>,
    /// What it must be.
    pub rule: String,
    /// Where it was said, if that is known.
    pub layer: Option<Layer>,
}

impl Violation {
    pub(super) fn of_layer(layer: Layer, rule: String) -> Self {
        Self { key: String::new(), value: None, rule, layer: Some(layer) }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.layer, self.key.is_empty()) {
            (Some(layer), true) => return write!(f, "{layer} {}", self.rule),
            _ => f.write_str(&self.key)?,
        }
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        if let Some(layer) = &self.layer {
            write!(f, " ({layer})")?;
        }
        write!(f, " {}", self.rule)
    }
}

/// Everything that is wrong with the configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// In the order of the sections.
    pub violations: Vec<Violation>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} error(s):", self.violations.len())?;
        self.violations.iter().try_for_each(|violation| write!(f, "\n  {violation}"))
    }
}
