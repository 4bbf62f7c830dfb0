//! The layers that settings come from, laid over each other: every key with its value and where that was said.
//!
//! Keys are flat (`accounts.0.limits.max_quantity`), so that a list's row is overridden like anything else.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use config::{File, FileFormat, Source, Value, ValueKind};

use super::Violation;

const BUILT_IN: &str = include_str!("../../config/default.toml");
/// Starts the names of variables that are settings.
pub(super) const ENV_PREFIX: &str = "ORDERGATE__";

/// Where a value was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// `config/default.toml`, built in.
    Default,
    /// The file that was named.
    File(String),
    /// A variable of the environment.
    Env(String),
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Env(name) => write!(f, "env {name}"),
        }
    }
}

/// A value as it was said. The environment says everything as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scalar {
    Text(String),
    Int(i128),
    Bool(bool),
    /// Taken nowhere: kept to be named.
    Other(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Int(number) => number.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// A value and where it was said.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) value: Scalar,
    pub(super) layer: Layer,
}

/// All keys, after all layers.
pub(super) type Flat = BTreeMap<String, Given>;

/// Lays the file and the environment over what is built in.
pub(super) fn lay(file: Option<&Path>, env: impl IntoIterator<Item = (String, String)>, violations: &mut Vec<Violation>) -> Flat {
    let mut flat = Flat::new();
    add_text(&mut flat, BUILT_IN, &Layer::Default, violations);
    if let Some(path) = file {
        let layer = Layer::File(path.display().to_string());
        match std::fs::read_to_string(path) {
            Ok(text) => add_text(&mut flat, &text, &layer, violations),
            Err(cause) => violations.push(Violation::of_layer(layer, format!("cannot be read: {cause}"))),
        }
    }
    for (name, value) in env {
        // Windows shows its variables in upper case; other systems as they were set.
        if let Some(key) =
            name.get(..ENV_PREFIX.len()).filter(|start| start.eq_ignore_ascii_case(ENV_PREFIX)).map(|_| &name[ENV_PREFIX.len()..])
        {
            let key = key.to_ascii_lowercase().replace("__", ".");
            flat.insert(key, Given { value: Scalar::Text(value), layer: Layer::Env(name) });
        }
    }
    flat
}

fn add_text(flat: &mut Flat, text: &str, layer: &Layer, violations: &mut Vec<Violation>) {
    match File::from_str(text, FileFormat::Toml).collect() {
        Ok(table) => {
            for (key, value) in table {
                add(flat, key, value, layer);
            }
        }
        Err(cause) => violations.push(Violation::of_layer(layer.clone(), format!("is not TOML: {cause}"))),
    }
}

fn add(flat: &mut Flat, key: String, value: Value, layer: &Layer) {
    let scalar = match value.kind {
        ValueKind::Table(table) => {
            for (name, value) in table {
                add(flat, format!("{key}.{name}"), value, layer);
            }
            return;
        }
        ValueKind::Array(rows) => {
            let below = format!("{key}.");
            flat.retain(|known, _| !known.starts_with(&below));
            for (index, value) in rows.into_iter().enumerate() {
                add(flat, format!("{key}.{index}"), value, layer);
            }
            return;
        }
        ValueKind::String(text) => Scalar::Text(text),
        ValueKind::Boolean(value) => Scalar::Bool(value),
        ValueKind::I64(number) => Scalar::Int(number.into()),
        ValueKind::U64(number) => Scalar::Int(number.into()),
        ValueKind::I128(number) => Scalar::Int(number),
        other => Scalar::Other(other.to_string()),
    };
    flat.insert(key, Given { value: scalar, layer: layer.clone() });
}
