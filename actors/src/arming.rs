//! Going live: whether an account's entries may reach the broker, as a pure function of what was committed and the time.
//!
//! An account that needs arming starts DISARMED. A person arms it, for a time, under the version and the settings that
//! they looked at. When the time is over, or the version or a setting is another, its entries are refused. Exits always go.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::order::{BasketId, OrderRecord};
use crate::persistence::Control;

/// What a person asked for. Ordered: more is allowed further down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ArmMode {
    /// No entries.
    #[default]
    Disarmed,
    /// Each basket with an entry waits for a person's yes.
    Approve,
    /// Entries go.
    Live,
}

impl fmt::Display for ArmMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disarmed => "DISARMED",
            Self::Approve => "APPROVE",
            Self::Live => "LIVE",
        })
    }
}

/// What the arming was given for: a change of any of it disarms.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Basis {
    /// The version of ordergate.
    pub version: String,
    /// The settings that act on the account, as they were said; secrets are not among them.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// One difference between two [`Basis`]es.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The setting, or `version`.
    pub key: String,
    /// Before; `None`: it was not there.
    pub old: Option<String>,
    /// Now; `None`: it is gone.
    pub new: Option<String>,
}

impl Basis {
    /// What is another now than it was in `old`, by key.
    #[must_use]
    pub fn differences(&self, old: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        if self.version != old.version {
            let old = Some(old.version.clone()).filter(|version| !version.is_empty());
            found.push(Difference { key: "version".into(), old, new: Some(self.version.clone()) });
        }
        let keys: std::collections::BTreeSet<&String> = self.settings.keys().chain(old.settings.keys()).collect();
        found.extend(keys.into_iter().filter_map(|key| {
            let (before, now) = (old.settings.get(key), self.settings.get(key));
            (before != now).then(|| Difference { key: key.clone(), old: before.cloned(), new: now.cloned() })
        }));
        found
    }
}

/// An account's own settings about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmingSettings {
    /// Whether it must be armed although its broker moves no real money: for drills.
    pub is_required: bool,
    /// How long a basket waits for a person's yes.
    pub approval_limit: Duration,
    /// What an arming is good for now.
    pub basis: Basis,
}

impl Default for ArmingSettings {
    fn default() -> Self {
        Self { is_required: false, approval_limit: Duration::from_secs(60), basis: Basis::default() }
    }
}

/// The newest arming, as committed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Arming {
    /// What was asked for.
    pub mode: ArmMode,
    /// When it ends; `None`: not armed.
    pub until: Option<DateTime<Utc>>,
    /// What it was given for; after a disarming still that of the last arming, so that the next can show what changed.
    #[serde(default)]
    pub basis: Basis,
    /// Who.
    #[serde(default)]
    pub who: String,
    /// From which address.
    #[serde(default)]
    pub from: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// When.
    pub at: Option<DateTime<Utc>>,
}

/// Where an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub enum Mode {
    /// No real money moves; nothing to arm.
    Paper,
    /// Entries are refused.
    LiveDisarmed,
    /// Each basket with an entry waits for a person's yes.
    LiveApprove,
    /// Entries go.
    Live,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paper => "PAPER",
            Self::LiveDisarmed => "LIVE-DISARMED",
            Self::LiveApprove => "LIVE-APPROVE",
            Self::Live => "LIVE",
        })
    }
}

/// Where an account stands, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Where.
    pub mode: Mode,
    /// Why, for people.
    pub why: String,
    /// When it ends by itself.
    pub until: Option<DateTime<Utc>>,
}

/// Judges the committed arming by the time and by what is in force now.
#[must_use]
pub fn standing(needs_arming: bool, arming: &Arming, basis: &Basis, now: DateTime<Utc>) -> Standing {
    let disarmed = |why: String| Standing { mode: Mode::LiveDisarmed, why, until: None };
    if !needs_arming {
        return Standing { mode: Mode::Paper, why: "no real money moves".into(), until: None };
    }
    let mode = match arming.mode {
        ArmMode::Disarmed if arming.at.is_none() => return disarmed("it was never armed".into()),
        ArmMode::Disarmed => return disarmed(format!("disarmed by {}: {}", arming.who, arming.reason)),
        ArmMode::Approve => Mode::LiveApprove,
        ArmMode::Live => Mode::Live,
    };
    let Some(until) = arming.until.filter(|until| now < *until) else {
        let ended = arming.until.map_or_else(|| "without an end".to_owned(), |until| format!("until {until}"));
        return disarmed(format!("it was armed {ended}, and that is over"));
    };
    if arming.at.is_some_and(|at| now < at) {
        return disarmed("the clock stands before the arming".into());
    }
    let changed = basis.differences(&arming.basis);
    if !changed.is_empty() {
        let names: Vec<&str> = changed.iter().take(5).map(|difference| difference.key.as_str()).collect();
        return disarmed(format!("changed since it was armed: {} ({} in all)", names.join(", "), changed.len()));
    }
    Standing { mode, why: format!("armed by {} until {until}: {}", arming.who, arming.reason), until: Some(until) }
}

/// A basket that waits for a person's yes, or got it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// When it was asked for.
    pub asked_at: DateTime<Utc>,
    /// Until when a yes counts.
    pub until: DateTime<Utc>,
    /// When the yes was given; the age of the price counts from here.
    #[serde(default)]
    pub given_at: Option<DateTime<Utc>>,
    /// Who gave it.
    #[serde(default)]
    pub who: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// What a basket's entries still need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Yes {
    /// Nobody was asked.
    NotAsked,
    /// A person has until then.
    Waiting(DateTime<Utc>),
    /// Nobody answered in time.
    TooLate(DateTime<Utc>),
    /// Given.
    Given(DateTime<Utc>),
}

/// Whether the basket has its yes.
#[must_use]
pub fn yes(control: &Control, basket: BasketId, now: DateTime<Utc>) -> Yes {
    match control.approvals.get(&basket) {
        None => Yes::NotAsked,
        Some(Approval { given_at: Some(at), .. }) => Yes::Given(*at),
        Some(Approval { until, .. }) if now <= *until => Yes::Waiting(*until),
        Some(Approval { until, .. }) => Yes::TooLate(*until),
    }
}

/// From when an entry's age counts: a person who says yes has looked at the price then.
#[must_use]
pub fn price_time(control: &Control, order: &OrderRecord) -> DateTime<Utc> {
    let given = control.approvals.get(&order.basket_id).and_then(|approval| approval.given_at);
    given.map_or(order.signal_time, |at| at.max(order.signal_time))
}

/// Whether an entry waits for a person's yes: because its account does, or because its route says so.
#[must_use]
pub fn asks_a_person(standing: &Standing, order: &OrderRecord) -> bool {
    match standing.mode {
        Mode::LiveApprove => true,
        Mode::LiveDisarmed => false,
        Mode::Paper | Mode::Live => order.ask.route.as_deref().is_some_and(|route| route.approval),
    }
}

/// Why an order may not be sent now, if so: the last look before the call. Exits always go.
#[must_use]
pub fn forbids(standing: &Standing, control: &Control, order: &OrderRecord, now: DateTime<Utc>) -> Option<String> {
    if order.is_exit() || order.is_test() {
        return None;
    }
    match standing.mode {
        Mode::Paper | Mode::Live if !asks_a_person(standing, order) => None,
        Mode::LiveDisarmed => Some(format!("the account is not armed: {}", standing.why)),
        Mode::Paper | Mode::Live | Mode::LiveApprove => match yes(control, order.basket_id, now) {
            Yes::Given(_) => None,
            Yes::NotAsked | Yes::Waiting(_) => Some("a person must say yes to this basket first".to_owned()),
            Yes::TooLate(until) => Some(format!("nobody said yes to this basket until {until}")),
        },
    }
}

#[cfg(test)]
#[path = "arming_tests.rs"]
mod tests;
