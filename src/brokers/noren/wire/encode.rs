//! The body of a request: `jData=` and a JSON object whose values are all strings. The server splits the body at raw
//! ampersands before it reads the JSON (Noren protocol reference, sections 1.3 and 1.4).

use std::fmt;

use super::redact;

/// How `&`, `%` and `+` go into a body. A setting, because the routes of some servers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ampersand {
    /// As `\u0026`: survives a split at `&`, and a server that decodes percent signs cannot spoil it.
    #[default]
    Escape,
    /// As `%26` inside symbols and search texts, for a server that decodes; escaped elsewhere.
    Percent,
    /// As it is.
    Raw,
}

/// Why a request cannot be built. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The order lacks what its type needs.
    #[error("a {order_type} order needs a {what}")]
    Incomplete {
        /// The order type.
        order_type: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// A field would be blank, which the server does not take.
    #[error("{field} is blank")]
    Blank {
        /// The field.
        field: &'static str,
    },
}

/// A field's value.
#[derive(Clone)]
pub(super) enum Value {
    /// Any text or number.
    Text(String),
    /// A trading symbol or a search text: what may hold an ampersand.
    Symbol(String),
    /// Never shown.
    Secret(String),
    /// Objects, for the legs of a basket.
    List(Vec<Vec<(&'static str, Value)>>),
}

/// The fields of a request, in the order in which they go out.
pub(super) type Pairs = Vec<(&'static str, Value)>;

/// A request, ready for the transport: it adds the token, and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    route: &'static str,
    text: String,
    redacted: String,
    is_plain: bool,
}

impl Body {
    pub(super) fn new(route: &'static str, pairs: &Pairs, ampersand: Ampersand) -> Result<Self, EncodeError> {
        check(pairs)?;
        let text = format!("jData={}", object(pairs, ampersand, false));
        let redacted = format!("{route} jData={}", object(pairs, ampersand, true));
        Ok(Self { route, text, redacted, is_plain: false })
    }

    /// A JSON object by itself, for an address that is none of the protocol's.
    pub(super) fn plain(route: &'static str, pairs: &Pairs) -> Result<Self, EncodeError> {
        check(pairs)?;
        let text = object(pairs, Ampersand::Raw, false);
        Ok(Self { route, text, redacted: format!("{route} {}", object(pairs, Ampersand::Raw, true)), is_plain: true })
    }

    /// Whether it is JSON by itself and goes to the address where codes become tokens.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The last part of the path (`PlaceOrder`).
    #[must_use]
    pub fn route(&self) -> &'static str {
        self.route
    }

    /// The body, secrets included: `jData={...}`. For the socket only.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The route and the body with secrets masked, the same for the same request: for the journal.
    #[must_use]
    pub fn redacted(&self) -> &str {
        &self.redacted
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted)
    }
}

/// A blank value is never sent: the server fails on it.
fn check(pairs: &Pairs) -> Result<(), EncodeError> {
    for (field, value) in pairs {
        match value {
            Value::Text(text) | Value::Symbol(text) | Value::Secret(text) if text.trim().is_empty() => {
                return Err(EncodeError::Blank { field });
            }
            Value::List(rows) => rows.iter().try_for_each(check)?,
            _ => {}
        }
    }
    Ok(())
}

fn object(pairs: &Pairs, ampersand: Ampersand, hide: bool) -> String {
    let fields: Vec<String> = pairs.iter().map(|(name, value)| format!("\"{name}\":{}", json(value, ampersand, hide))).collect();
    format!("{{{}}}", fields.join(","))
}

fn json(value: &Value, ampersand: Ampersand, hide: bool) -> String {
    match value {
        Value::Secret(_) if hide => quoted(redact::MASK, ampersand),
        Value::Symbol(text) if ampersand == Ampersand::Percent => {
            // Only here may a percent sign stand: it is the code itself.
            quoted(&text.replace('%', "%25").replace('&', "%26").replace('+', "%2B"), Ampersand::Raw)
        }
        Value::Text(text) | Value::Symbol(text) | Value::Secret(text) => quoted(text, ampersand),
        Value::List(rows) => {
            let rows: Vec<String> = rows.iter().map(|row| object(row, ampersand, hide)).collect();
            format!("[{}]", rows.join(","))
        }
    }
}

/// A JSON string.
fn quoted(text: &str, ampersand: Ampersand) -> String {
    let json = serde_json::Value::from(text).to_string();
    match ampersand {
        Ampersand::Raw => json,
        Ampersand::Escape | Ampersand::Percent => json.replace('&', "\\u0026").replace('%', "\\u0025").replace('+', "\\u002b"),
    }
}
