//! Repeats are one message with a count: pure. The first goes at once; what follows within the window goes at its end.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::order::ist;
use serde::{Deserialize, Serialize};

use super::Alert;

/// Different alerts that are folded at a time; beyond it, alerts go unfolded.
const KEPT: usize = 256;

/// What makes two alerts the same thing said again: about the same order, or in the same words, as the open alarms count.
fn key(alert: &Alert) -> String {
    let account = alert.client_id.as_ref().map_or("", |client| client.as_str());
    // A page is never folded into what is less.
    let level = alert.level.as_str();
    match alert.command_id {
        Some(order) => format!("{account} {level} {} order {order}", alert.event),
        None => format!("{account} {level} {} words {}", alert.event, alert.text),
    }
}

/// Folds what is said again; kept on disk with the rest of its channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder(BTreeMap<String, Open>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    since: DateTime<Utc>,
    more: u32,
    newest: Option<Alert>,
}

impl Open {
    /// The newest of what was held back, with how often it was said.
    fn told(&mut self) -> Option<Alert> {
        let mut alert = self.newest.take()?;
        alert.text = format!("{} ({} times since {} IST)", alert.text, self.more, self.since.with_timezone(&ist()).format("%H:%M:%S"));
        Some(alert)
    }
}

impl Folder {
    /// Takes an alert; gives it back if it goes now.
    pub fn take(&mut self, alert: Alert, now: DateTime<Utc>) -> Option<Alert> {
        let key = key(&alert);
        if let Some(open) = self.0.get_mut(&key) {
            open.more = open.more.saturating_add(1);
            open.newest = Some(alert);
            return None;
        }
        if self.0.len() < KEPT {
            self.0.insert(key, Open { since: now, more: 0, newest: None });
        }
        Some(alert)
    }

    /// Everything that is held back, at once: nothing is folded any more.
    pub fn close(&mut self) -> Vec<Alert> {
        let mut rest: Vec<Alert> = std::mem::take(&mut self.0).into_values().filter_map(|mut open| open.told()).collect();
        rest.sort_by_key(|alert| alert.at);
        rest
    }

    /// What is due now: one message for every window that is over and held something back. It opens a new window.
    pub fn due(&mut self, window: TimeDelta, now: DateTime<Utc>) -> Vec<Alert> {
        let mut ready = Vec::new();
        self.0.retain(|_, open| {
            // A clock that was set back must not hold an alert for ever.
            let age = now.signed_duration_since(open.since);
            if age < window && age >= TimeDelta::zero() {
                return true;
            }
            let Some(alert) = open.told() else { return false };
            ready.push(alert);
            *open = Open { since: now, more: 0, newest: None };
            true
        });
        ready.sort_by_key(|alert| alert.at);
        ready
    }
}

#[cfg(test)]
mod tests {
    use ordergate_actors::order::CommandId;
    use ordergate_actors::persistence::Level;

    use super::super::tests::alert;
    use super::*;

    const WINDOW: TimeDelta = TimeDelta::seconds(60);

    fn at(seconds: i64) -> DateTime<Utc> {
        alert("A", "").at + TimeDelta::seconds(seconds)
    }

    #[test]
    fn repeats_are_folded_and_told_at_the_end_of_the_window() {
        let mut folder = Folder::default();
        assert!(folder.take(alert("A", "first"), at(0)).is_some());
        assert!(folder.take(alert("A", "first"), at(1)).is_none());
        assert!(folder.take(alert("A", "first"), at(2)).is_none());
        assert!(folder.take(alert("B", "other"), at(2)).is_some(), "another event is not a repeat");
        let warning = Alert { level: Level::Warn, ..alert("A", "first") };
        assert!(folder.take(warning, at(2)).is_some(), "nor is another level");
        assert!(folder.due(WINDOW, at(59)).is_empty());
        let due = folder.due(WINDOW, at(60));
        assert_eq!(due.len(), 1);
        assert!(due[0].text.starts_with("first (2 times since 08:45:00 IST"), "{}", due[0].text);
        assert!(folder.due(WINDOW, at(121)).is_empty(), "nothing more came");
        assert!(folder.take(alert("A", "first"), at(182)).is_some());
    }

    /// Two orders in doubt are two things to look at, whatever the event is called.
    #[test]
    fn alerts_of_different_orders_or_in_different_words_are_no_repeats() {
        let of = |number: u128, text: &str| Alert { command_id: Some(CommandId(uuid::Uuid::from_u128(number))), ..alert("X", text) };
        let mut folder = Folder::default();
        assert!(folder.take(of(1, "order 1"), at(0)).is_some());
        assert!(folder.take(of(2, "order 2"), at(0)).is_some(), "another order");
        assert!(folder.take(of(1, "order 1, said anew"), at(0)).is_none(), "the same order in other words");
        assert!(folder.take(alert("Y", "10 of SBIN"), at(0)).is_some());
        assert!(folder.take(alert("Y", "20 of INFY"), at(0)).is_some(), "another position");
        let rest = folder.close();
        assert!(rest.len() == 1 && rest[0].text.starts_with("order 1, said anew (1 times"), "{rest:?}");
        assert!(folder.close().is_empty());
    }

    proptest::proptest! {
        /// Whatever comes when: every alert is in exactly one message, also through a restart in the middle.
        #[test]
        fn prop_nothing_is_lost_and_nothing_told_twice(kinds in proptest::collection::vec((0u8..4, 0i64..40), 1..60)) {
            let (mut folder, mut told, mut now) = (Folder::default(), 0u32, at(0));
            let count = |alerts: &[Alert]| alerts.iter().map(|alert| {
                alert.text.split_once('(').and_then(|(_, rest)| rest.split(' ').next()).and_then(|n| n.parse::<u32>().ok()).unwrap_or(1)
            }).sum::<u32>();
            for (kind, wait) in &kinds {
                now += TimeDelta::seconds(*wait);
                told += count(&folder.due(WINDOW, now));
                told += u32::from(folder.take(alert("A", &kind.to_string()), now).is_some());
                folder = serde_json::from_str(&serde_json::to_string(&folder).unwrap()).unwrap();
            }
            told += count(&folder.close());
            proptest::prop_assert_eq!(told, u32::try_from(kinds.len()).unwrap());
        }
    }
}
