//! Small durable states beside the orders: exit rules, the day's risk, overrides, verdicts about differences, routes.
//!
//! Each is one row, written over, and a change is a journal row that carries the new state whole: so every one of them can
//! be made anew from the journal alone. What a state means is known to its owner only; here it is JSON text.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::unit::Level;
use crate::order::{ClientId, CommandId};

/// What a state is about; one owner each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Topic {
    /// How a position is left: stop, target, trail, time, and where an exit of it stands.
    ExitRule,
    /// How far an exit that rests was repriced.
    Ladder,
    /// What risk remembers of the day and of the days before.
    RiskDay,
    /// A limit that a person has loosened for a while.
    Override,
    /// A strategy that waits for a person to let it trade again.
    Halt,
    /// What a person has said about a difference between our books and the broker's.
    Difference,
    /// What a basket still has to do.
    Plan,
    /// What an alert of a source becomes.
    Route,
    /// When a stored alert fires, and when it last did.
    Schedule,
    /// What a source has sent so far.
    Source,
    /// Which day's result was last told, at the open and at the close.
    Summary,
    /// What was done from a chat, and whether anything may be.
    Chat,
    /// What a point of a contract is worth, where that is not the same for a whole exchange.
    Contract,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 13] = [
        Self::ExitRule,
        Self::Ladder,
        Self::RiskDay,
        Self::Override,
        Self::Halt,
        Self::Difference,
        Self::Plan,
        Self::Route,
        Self::Schedule,
        Self::Source,
        Self::Summary,
        Self::Chat,
        Self::Contract,
    ];

    /// As stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExitRule => "EXIT_RULE",
            Self::Ladder => "LADDER",
            Self::RiskDay => "RISK_DAY",
            Self::Override => "OVERRIDE",
            Self::Halt => "HALT",
            Self::Difference => "DIFFERENCE",
            Self::Plan => "PLAN",
            Self::Route => "ROUTE",
            Self::Schedule => "SCHEDULE",
            Self::Source => "SOURCE",
            Self::Summary => "SUMMARY",
            Self::Chat => "CHAT",
            Self::Contract => "CONTRACT",
        }
    }

    /// Reads what [`Topic::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.as_str() == text)
    }
}

/// The name of one state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// What it is about.
    pub topic: Topic,
    /// Which one.
    pub key: Arc<str>,
}

impl Slot {
    /// The state of that topic under that key.
    #[must_use]
    pub fn new(topic: Topic, key: impl Into<Arc<str>>) -> Self {
        Self { topic, key: key.into() }
    }
}

/// A state as committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// JSON text.
    pub value: Arc<str>,
    /// The journal row that wrote it.
    pub seq: u64,
    /// When.
    pub at: DateTime<Utc>,
}

impl Kept {
    /// The state itself.
    ///
    /// # Errors
    /// It was written by a version that knows another shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.value)
    }
}

/// A state to write down.
#[derive(Debug, Clone)]
pub struct Keep {
    /// The account; `None`: of the whole process.
    pub client_id: Option<ClientId>,
    /// Which state.
    pub slot: Slot,
    /// The new state; `None` ends it.
    pub value: Option<Arc<str>>,
    /// The journal row of the state that this was decided upon, 0 for none: when another stands at the commit, nothing
    /// changes and the answer is `NotApplied`. `None` writes over whatever stands.
    pub basis: Option<u64>,
    /// Stable name of the journal row.
    pub event: &'static str,
    /// How loud that row is.
    pub level: Level,
    /// What happened, with the numbers.
    pub reason: Arc<str>,
    /// Who.
    pub who: Arc<str>,
    /// The order, if it is about one.
    pub command_id: Option<CommandId>,
}

impl Keep {
    /// A state of the whole process that ends, or that [`with`](Self::with) puts there, over whatever stands; a quiet row about no order.
    #[must_use]
    pub fn new(slot: Slot, event: &'static str, who: impl Into<Arc<str>>, reason: impl Into<Arc<str>>) -> Self {
        Self {
            client_id: None,
            slot,
            value: None,
            basis: None,
            event,
            level: Level::Info,
            reason: reason.into(),
            who: who.into(),
            command_id: None,
        }
    }

    /// Of that account.
    #[must_use]
    pub fn of(self, client_id: &ClientId) -> Self {
        Self { client_id: Some(client_id.clone()), ..self }
    }

    /// Only upon the state of that journal row, 0 for none: see [`basis`](Self::basis).
    #[must_use]
    pub fn upon(self, basis: u64) -> Self {
        Self { basis: Some(basis), ..self }
    }

    /// With a row that loud.
    #[must_use]
    pub fn loud(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// With a row about that order.
    #[must_use]
    pub fn about(self, order: impl Into<Option<CommandId>>) -> Self {
        Self { command_id: order.into(), ..self }
    }

    /// Puts the state in place.
    ///
    /// # Errors
    /// The state is no JSON (a map with keys that are no text).
    pub fn with<T: Serialize>(mut self, state: &T) -> Result<Self, serde_json::Error> {
        self.value = Some(Arc::from(serde_json::to_string(state)?));
        Ok(self)
    }
}

/// A state that is written over whatever stands, but for what its owner takes over from that.
#[derive(Debug, Clone)]
pub struct KeepOver {
    /// The state to write down.
    pub keep: Keep,
    /// What is written instead, of the text that stands at the commit and of the state; `None`: the state as it is.
    pub heeding: fn(&str, &str) -> Option<String>,
}

impl KeepOver {
    /// What is written where that stands.
    pub(super) fn over(&self, stands: Option<&Kept>) -> Keep {
        let heeded = stands.zip(self.keep.value.as_ref()).and_then(|(stands, value)| (self.heeding)(&stands.value, value));
        let value = heeded.map(Arc::from).or_else(|| self.keep.value.clone());
        Keep { value, ..self.keep.clone() }
    }
}

/// A change of a state, as its listeners hear of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptChange {
    /// Which state.
    pub slot: Slot,
    /// As it stands now; `None`: it has ended.
    pub now: Option<Kept>,
}

/// The states of one chain.
pub type KeptStates = BTreeMap<Slot, Kept>;

/// What the journal row of a change carries.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptInputs {
    pub(super) slot: Slot,
    /// The state as it was written, to the byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Box<RawValue>>,
}

/// The inputs of the journal row, as text.
pub(super) fn inputs(slot: &Slot, value: Option<&Arc<str>>) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Row {
        kept: KeptInputs,
    }
    let value = value.map(|text| RawValue::from_string(text.to_string())).transpose()?;
    serde_json::to_string(&Row { kept: KeptInputs { slot: slot.clone(), value } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_read_back() {
        for topic in Topic::ALL {
            assert_eq!(Topic::parse(topic.as_str()), Some(topic));
            assert_eq!(serde_json::to_string(&topic).unwrap(), format!("\"{}\"", topic.as_str()));
        }
        assert_eq!(Topic::parse("exit_rule"), None);
    }

    #[test]
    fn the_row_carries_the_state_to_the_byte() {
        let slot = Slot::new(Topic::ExitRule, "trend|NSE:SBIN-EQ|MIS");
        let value: Arc<str> = Arc::from(r#"{"stop": 1.50,  "b":[1,2]}"#);
        let text = inputs(&slot, Some(&value)).unwrap();
        assert!(text.contains(&*value), "{text}");
        assert!(inputs(&slot, Some(&Arc::from("{broken"))).is_err());
    }
}
