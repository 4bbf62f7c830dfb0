//! From an alert's JSON to drafts of orders. One file a format; which one it is, is told by the shape.

mod native;

use chrono::{DateTime, Utc};
use ordergate_actors::order::LegDraft;

use super::json::Json;

/// What an alert asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The format's name.
    pub format: &'static str,
    /// The orders, in the sender's order.
    pub legs: Vec<LegDraft>,
    /// The sender's own key.
    pub idempotency_key: Option<String>,
    /// When the sender says it was made.
    pub signal_time: Option<DateTime<Utc>>,
    /// Fields that this format does not know; told to the sender, otherwise ignored.
    pub ignored: Vec<String>,
}

/// Why an alert leaves no order row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is of no known shape.
    #[error("unknown shape: {0}")]
    UnknownShape(&'static str),
    /// It asks for more orders than one signal may.
    #[error("{0} legs; one signal may have at most {max}", max = ordergate_actors::order::MAX_LEGS)]
    TooManyLegs(usize),
}

impl Refusal {
    /// The stable code of the answer.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownShape(_) => "unknown_shape",
            Self::TooManyLegs(_) => "too_many_legs",
        }
    }
}

/// Reads an alert, whatever its format.
///
/// # Errors
/// [`Refusal`].
pub fn read(body: &Json) -> Result<Alert, Refusal> {
    match body {
        Json::Object(fields) if fields.contains_key("legs") => native::read(body),
        Json::Object(_) => Err(Refusal::UnknownShape("there is no \"legs\"")),
        _ => Err(Refusal::UnknownShape("the body is no object")),
    }
}
