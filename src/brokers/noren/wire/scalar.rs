//! One JSON object of the protocol. Every scalar is a string or a number, maybe with blanks around it; it is read as
//! text and parsed exactly (Noren protocol reference, sections 1.5 and 10). A blank value is an absent one.

use std::collections::BTreeMap;
use std::fmt;

use ordergate_actors::order::money;
use ordergate_actors::ports::Unlisted;
use rust_decimal::Decimal;
use serde_json::value::RawValue;

use super::redact;

/// How many characters of a value or a row a message shows.
const SHOWN: usize = 60;
const SHOWN_ROW: usize = 400;
/// How many of what is kept for audit: a whole row is about as long.
const SHOWN_AUDIT: usize = 1_000;

/// Why a field cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// It is not there, or blank.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// It is there and cannot be what it should be.
    #[error("{field} {value:?} is not {expected}")]
    Wrong {
        /// The field.
        field: &'static str,
        /// Its value, shortened.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Its quantities are told in lots, and how large a lot is nobody knows.
    #[error("tsym {:?} is not in today's instrument master, and its quantities are told in lots", .0.instrument.symbol)]
    Unlisted(Unlisted),
}

impl FieldError {
    /// A value that is not what it should be.
    #[must_use]
    pub fn wrong(field: &'static str, value: &str, expected: &'static str) -> Self {
        let value = if redact::is_secret(field) { redact::MASK.to_owned() } else { redact::snippet(value, SHOWN) };
        Self::Wrong { field, value, expected }
    }
}

/// The fields of one object, unknown ones too. Nested values stay text until they are asked for, so that no depth of
/// nesting costs stack.
#[derive(Clone, Default)]
pub struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    /// Reads one JSON object; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// The scalar as trimmed text; `None` when it is absent, blank, null, an array or an object.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(|raw| scalar_text(raw.get()))
    }

    /// The first of several names that has a value.
    #[must_use]
    pub fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    /// The scalar, which must be there.
    ///
    /// # Errors
    /// [`FieldError::Missing`].
    pub fn require(&self, name: &'static str) -> Result<String, FieldError> {
        self.text(name).ok_or(FieldError::Missing { field: name })
    }

    /// The exact decimal, if there is one.
    ///
    /// # Errors
    /// [`FieldError::Wrong`] when there is a value that is no plain decimal of at most 28 digits.
    pub fn decimal(&self, name: &'static str) -> Result<Option<Decimal>, FieldError> {
        self.text(name).map(|text| decimal(name, &text)).transpose()
    }

    /// The whole number, if there is one (`"65"` and `"65.00"` are 65).
    ///
    /// # Errors
    /// [`FieldError::Wrong`] when there is a value that is no whole number.
    pub fn integer(&self, name: &'static str) -> Result<Option<i64>, FieldError> {
        self.text(name).map(|text| integer(name, &text)).transpose()
    }

    /// The decimal, where zero is how the protocol says "none".
    ///
    /// # Errors
    /// As [`Fields::decimal`].
    pub fn non_zero(&self, name: &'static str) -> Result<Option<Decimal>, FieldError> {
        Ok(self.decimal(name)?.filter(|value| !value.is_zero()))
    }

    /// Whether the field is there at all, even blank.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The elements of a nested array, each as JSON text; `None` when it is no array.
    #[must_use]
    pub fn elements(&self, name: &str) -> Option<Vec<Box<RawValue>>> {
        self.0.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    /// The objects of a nested array; other elements are left out.
    #[must_use]
    pub fn objects(&self, name: &str) -> Vec<Self> {
        self.elements(name).unwrap_or_default().iter().filter_map(|raw| Self::parse(raw.get())).collect()
    }

    /// The scalars of a nested array as text.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.elements(name).unwrap_or_default().iter().filter_map(|raw| scalar_text(raw.get())).collect()
    }

    /// Every field with its value as it came, secrets masked: for audit.
    pub fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, raw)| (name.as_str(), if redact::is_secret(name) { redact::MASK } else { raw.get() }))
    }

    /// The object on one line, shortened and without secrets.
    #[must_use]
    pub fn summary(&self) -> String {
        let all: Vec<String> = self.shown().map(|(name, value)| format!("{name}={value}")).collect();
        redact::snippet(&all.join(" "), SHOWN_ROW)
    }

    /// What the object has beside these fields, on one line, shortened and without secrets. Values that are blank are left out.
    #[must_use]
    pub fn beside(&self, known: &[&str]) -> String {
        let rest = self.shown().filter(|(name, _)| !known.contains(name));
        let told = rest.map(|(name, value)| (name, value.trim_matches('"').trim())).filter(|(_, value)| !value.is_empty());
        redact::snippet(&told.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "), SHOWN_AUDIT)
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fields ")?;
        f.debug_map().entries(self.shown()).finish()
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|((a, x), (b, y))| a == b && x.get() == y.get())
    }
}

impl Eq for Fields {}

/// A JSON scalar as trimmed text.
fn scalar_text(raw: &str) -> Option<String> {
    let text = match raw.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(raw).ok()?.trim().to_owned(),
        b'{' | b'[' | b'n' => return None,
        _ => raw.trim().to_owned(),
    };
    (!text.is_empty()).then_some(text)
}

/// An exact decimal. An exponent is taken where the value stays exact, because a number may be printed so.
///
/// # Errors
/// [`FieldError::Wrong`] names the field and the value.
pub fn decimal(field: &'static str, text: &str) -> Result<Decimal, FieldError> {
    let wrong = || FieldError::wrong(field, text, "a decimal number");
    let text = text.trim();
    match text.split_once(['e', 'E']) {
        None => money::decimal(field, text).ok().and_then(|_| Decimal::from_str_exact(text).ok()).ok_or_else(wrong),
        Some((digits, power)) => scaled(field, digits, power).ok_or_else(wrong),
    }
}

fn scaled(field: &'static str, digits: &str, power: &str) -> Option<Decimal> {
    money::decimal(field, digits).ok()?;
    let mut value = Decimal::from_str_exact(digits).ok()?;
    let power: i32 = power.parse().ok()?;
    if !(-28..=28).contains(&power) {
        return None;
    }
    for _ in 0..power {
        value = value.checked_mul(Decimal::TEN)?;
    }
    let scale = value.scale().checked_add(power.min(0).unsigned_abs())?;
    value.set_scale(scale).ok()?;
    Some(value)
}

/// A whole number.
///
/// # Errors
/// [`FieldError::Wrong`] names the field and the value.
pub fn integer(field: &'static str, text: &str) -> Result<i64, FieldError> {
    let value = decimal(field, text)?.normalize();
    let whole = if value.scale() == 0 { i64::try_from(value).ok() } else { None };
    whole.ok_or_else(|| FieldError::wrong(field, text, "a whole number"))
}
