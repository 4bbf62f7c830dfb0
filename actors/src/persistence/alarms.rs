//! The open alarms of one chain, a projection of its journal: raised by rows, folded when they repeat, closed by a
//! person's acknowledgement. Pure: the ledger and a replay of the journal apply the same rules.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::kept::KeptInputs;
use super::unit::Level;
use crate::order::CommandId;
use crate::ports::JournalRow;

/// Open alarms kept for each chain. The oldest that is no page goes, and of nothing but pages the oldest; its journal row stays.
pub const ALARMS_KEPT: usize = 200;

/// An alarm as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// The journal row that raised it first: its name within the chain.
    pub seq: u64,
    /// Stable name.
    pub event: Arc<str>,
    /// How loud.
    pub level: Level,
    /// What, with the numbers, as last said.
    pub text: Arc<str>,
    /// The order, if it is about one.
    pub command_id: Option<CommandId>,
    /// When it was first raised.
    pub at: DateTime<Utc>,
    /// When it was last raised.
    pub last_at: DateTime<Utc>,
    /// How often.
    pub count: u32,
}

impl Alarm {
    /// What a row raises, if it is loud enough.
    #[must_use]
    pub fn of_row(row: &JournalRow, level: Level) -> Option<Self> {
        (level > Level::Info).then(|| Self {
            seq: row.seq,
            event: Arc::clone(&row.event),
            level,
            text: row.reason.clone().unwrap_or_else(|| Arc::from("")),
            command_id: row.command_id,
            at: row.at,
            last_at: row.at,
            count: 1,
        })
    }

    /// The same thing said again: about the same order, or in the same words.
    fn is_repeated_by(&self, other: &Self) -> bool {
        self.event == other.event && self.command_id == other.command_id && (self.command_id.is_some() || self.text == other.text)
    }
}

/// What a change of the open alarms does to their table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmChange {
    /// This row stands now.
    Put(Alarm),
    /// The alarm of this name stands no longer.
    Gone(u64),
}

/// The open alarms of one chain, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alarms(VecDeque<Alarm>);

impl Alarms {
    /// As the store has them, in order of their names.
    #[must_use]
    pub fn load(alarms: Vec<Alarm>) -> Self {
        Self(alarms.into())
    }

    /// One more alarm: folded into the same one that is open, or put behind the others.
    pub fn raise(&mut self, alarm: Alarm) -> Vec<AlarmChange> {
        if let Some(same) = self.0.iter_mut().find(|held| held.is_repeated_by(&alarm)) {
            same.count = same.count.saturating_add(1);
            same.level = same.level.max(alarm.level);
            same.text = alarm.text;
            same.last_at = alarm.at;
            return vec![AlarmChange::Put(same.clone())];
        }
        let mut changes = vec![AlarmChange::Put(alarm.clone())];
        self.0.push_back(alarm);
        if self.0.len() > ALARMS_KEPT {
            // What nobody need look at now gives way first, be it the new one: a page waits for a person.
            let least = self.0.iter().position(|alarm| alarm.level < Level::Page).unwrap_or(0);
            changes.extend(self.0.remove(least).map(|gone| AlarmChange::Gone(gone.seq)));
        }
        changes
    }

    /// A person has seen it. `None`: no such alarm is open.
    pub fn acknowledge(&mut self, seq: u64) -> Option<Alarm> {
        let index = self.0.iter().position(|alarm| alarm.seq == seq)?;
        self.0.remove(index)
    }

    /// The open alarm of this name.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<&Alarm> {
        self.0.iter().find(|alarm| alarm.seq == seq)
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Alarm> {
        self.0.iter()
    }
}

/// What the rows about alarms keep beside their own inputs.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AlarmInputs {
    /// How loud the row is; absent for one that is for the record only.
    #[serde(default)]
    pub(super) level: Option<Level>,
    /// The alarm that is acknowledged.
    #[serde(default)]
    pub(super) alarm: Option<u64>,
    /// The state beside the orders that the row writes.
    #[serde(default)]
    pub(super) kept: Option<KeptInputs>,
}

/// The event of an acknowledgement.
pub(super) const ACKNOWLEDGED: &str = "ACKNOWLEDGED";

/// A row's inputs with how loud it is: what is raised must be found again in the journal alone.
pub(super) fn with_level(inputs: String, level: Level) -> String {
    if level == Level::Info {
        return inputs;
    }
    let word = level.as_str();
    match inputs.strip_prefix('{') {
        Some("}") | None => format!("{{\"level\":\"{word}\"}}"),
        Some(rest) => format!("{{\"level\":\"{word}\",{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::command;

    fn alarm(seq: u64, event: &str, number: u64) -> Alarm {
        let at = crate::testkit::morning();
        Alarm {
            seq,
            event: Arc::from(event),
            level: Level::Warn,
            text: Arc::from(event),
            command_id: Some(command(number)),
            at,
            last_at: at,
            count: 1,
        }
    }

    #[test]
    fn an_alarm_said_again_is_counted_under_its_first_name() {
        let mut alarms = Alarms::default();
        alarms.raise(alarm(1, "A", 1));
        let changes = alarms.raise(Alarm { text: Arc::from("worse"), level: Level::Page, ..alarm(2, "A", 1) });
        alarms.raise(alarm(3, "A", 2));
        assert_eq!(alarms.iter().map(|alarm| (alarm.seq, alarm.count)).collect::<Vec<_>>(), [(1, 2), (3, 1)]);
        let first = alarms.get(1).unwrap();
        assert_eq!((&*first.text, first.level), ("worse", Level::Page));
        assert_eq!(changes, [AlarmChange::Put(first.clone())]);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut alarms = Alarms::default();
        let most = u64::try_from(ALARMS_KEPT).unwrap();
        for seq in 1..=most {
            assert_eq!(alarms.raise(alarm(seq, "B", seq)).len(), 1);
        }
        assert_eq!(alarms.raise(alarm(most + 1, "B", most + 1))[1], AlarmChange::Gone(1));
        assert_eq!(alarms.iter().count(), ALARMS_KEPT);
    }

    #[test]
    fn a_page_gives_way_to_nothing_but_a_page() {
        let most = u64::try_from(ALARMS_KEPT).unwrap();
        let page = |seq: u64| Alarm { level: Level::Page, ..alarm(seq, "P", seq) };
        let mut alarms = Alarms::default();
        alarms.raise(page(1));
        for seq in 2..=most {
            alarms.raise(alarm(seq, "W", seq));
        }
        assert_eq!(alarms.raise(alarm(most + 1, "W", most + 1))[1], AlarmChange::Gone(2), "the oldest warning");
        for seq in most + 2..=2 * most {
            alarms.raise(page(seq));
        }
        assert!(alarms.get(1).is_some() && alarms.iter().all(|alarm| alarm.level == Level::Page));
        let warning = 2 * most + 1;
        assert_eq!(
            alarms.raise(alarm(warning, "W", warning))[1],
            AlarmChange::Gone(warning),
            "a warning among pages is in the journal only"
        );
        assert_eq!(alarms.raise(page(warning + 1))[1], AlarmChange::Gone(1), "of pages the oldest goes");
        assert_eq!(alarms.iter().count(), ALARMS_KEPT);
    }

    #[test]
    fn what_is_acknowledged_is_gone_and_comes_anew_when_it_is_said_again() {
        let mut alarms = Alarms::default();
        alarms.raise(alarm(1, "A", 1));
        assert_eq!(alarms.acknowledge(1).map(|alarm| alarm.seq), Some(1));
        assert_eq!(alarms.acknowledge(1), None);
        alarms.raise(alarm(9, "A", 1));
        assert_eq!(alarms.iter().map(|alarm| (alarm.seq, alarm.count)).collect::<Vec<_>>(), [(9, 1)]);
    }

    #[test]
    fn the_level_is_put_in_front_of_the_other_inputs() {
        assert_eq!(with_level("{}".to_owned(), Level::Info), "{}");
        assert_eq!(with_level("{}".to_owned(), Level::Page), r#"{"level":"PAGE"}"#);
        let text = with_level(r#"{"a":1}"#.to_owned(), Level::Warn);
        assert_eq!(text, r#"{"level":"WARN","a":1}"#);
        assert_eq!(serde_json::from_str::<AlarmInputs>(&text).unwrap().level, Some(Level::Warn));
    }
}
