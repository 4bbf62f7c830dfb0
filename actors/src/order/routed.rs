//! What a route lays on every order that it makes: kept with the order, so that both gates judge by what was in force
//! when the alert came, also after a restart and after the route was changed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::BadId;
use super::tag::Tag;

/// The terms of the route that made an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routed {
    /// The route's name; empty for an alert that names its orders itself and says `repeat`.
    pub route: Arc<str>,
    /// The journal row that the route was written by: its version.
    #[serde(default)]
    pub version: u64,
    /// How often the strategy may add to the position that it holds. 0: never.
    #[serde(default)]
    pub adds: u32,
    /// Entries of the route in one day, if there is a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trades_per_day: Option<u32>,
    /// Whether each entry waits for a person's yes.
    #[serde(default)]
    pub approval: bool,
}

impl Routed {
    /// Reads the text that [`serde_json`] wrote.
    ///
    /// # Errors
    /// The text is none that this engine wrote.
    pub fn read(text: &str) -> Result<Self, BadId> {
        serde_json::from_str(text).map_err(|_| BadId {
            kind: "route",
            value: super::clean(text, 40),
            rule: "the terms of a route, as JSON",
        })
    }
}

/// A leg that is refused as it is registered, for a reason that its fields do not show: so that a row tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// Why, as a code.
    pub tag: Tag,
    /// Why, with the numbers.
    pub reason: String,
}
