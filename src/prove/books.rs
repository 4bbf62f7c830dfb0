//! Our orders held against the broker's own book.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ordergate_actors::order::BookState;

use super::engine::{Alert, Ours};
use super::venue::Theirs;
use crate::store::{ReadStore, VerifyFrom};

/// What does not agree; in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) lost: Vec<String>,
    pub(super) doubled: Vec<String>,
    pub(super) unresolved: Vec<String>,
}

impl Findings {
    pub(super) fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// Holds our orders against theirs, and against the alerts that were sent.
pub(super) fn compare(ours: &[Ours], theirs: &[Theirs], alerts: &[Alert]) -> Findings {
    let mut found = Findings::default();
    let mut tags: BTreeMap<&str, Vec<&Theirs>> = BTreeMap::new();
    for row in theirs {
        tags.entry(&row.tag).or_default().push(row);
    }
    for (tag, rows) in &tags {
        if rows.len() > 1 {
            let numbers: Vec<&str> = rows.iter().map(|row| row.number.as_str()).collect();
            found.doubled.push(format!("the broker has {tag} as {}", numbers.join(" and ")));
        }
        if !ours.iter().any(|row| row.broker_tag == *tag) {
            found.lost.push(format!("the broker has {tag}, which no order of ours carries"));
        }
    }
    for row in ours {
        let at_broker = tags.get(row.broker_tag.as_str()).and_then(|rows| rows.first()).copied();
        judge(row, at_broker, &mut found);
    }
    let known: BTreeSet<&str> = ours.iter().map(|row| row.command_id.as_str()).collect();
    for alert in alerts {
        for command in alert.answered.iter().flatten().filter(|command| !known.contains(command.as_str())) {
            found.lost.push(format!("{command}, the answer to {}, is not there", alert.key));
        }
    }
    // What a plan sends for an order of an alert has that order for its parent.
    let made = ours.iter().filter(|row| row.source == "WEBHOOK" && row.parent_command_id.is_none()).count();
    let asked: usize = alerts.iter().map(|alert| alert.body["legs"].as_array().map_or(0, Vec::len)).sum();
    if made > asked {
        found.doubled.push(format!("{asked} legs of alerts made {made} orders"));
    }
    found
}

/// One order of ours against the broker's row for it.
fn judge(row: &Ours, at_broker: Option<&Theirs>, found: &mut Findings) {
    let name = format!("{} ({} {})", row.command_id, row.status, row.tag.as_deref().unwrap_or("-"));
    let Some(theirs) = at_broker else {
        if row.broker_order_id.is_some() || (row.status == "EXECUTED" && row.test_mode.is_none()) {
            found.unresolved.push(format!("{name} has a number, and the broker has no such order"));
        } else if !row.has_ended() {
            found.unresolved.push(format!("{name} has no end and no number"));
        }
        return;
    };
    let fits = match theirs.state {
        BookState::Open if theirs.filled == 0 => row.status == "SENT_TO_BROKER",
        BookState::Open => row.status == "PARTIAL",
        BookState::Complete => row.status == "EXECUTED",
        BookState::Rejected | BookState::Cancelled | BookState::Expired => row.status == "FAILED",
    };
    if row.status == "FAILED" && !matches!(theirs.state, BookState::Rejected | BookState::Cancelled | BookState::Expired) {
        found.lost.push(format!("{name} lives at the broker: {:?}, {} filled", theirs.state, theirs.filled));
    } else if !fits || row.filled_quantity != theirs.filled {
        found
            .unresolved
            .push(format!("{name}, {} filled; the broker says {:?}, {} filled", row.filled_quantity, theirs.state, theirs.filled));
    } else if row.broker_order_id.as_deref() != Some(theirs.number.as_str()) {
        found.unresolved.push(format!("{name} is {} at the broker, and we call it {:?}", theirs.number, row.broker_order_id));
    } else if row.cancel_wanted.is_some() && !row.has_ended() {
        found.unresolved.push(format!("{name} was to be cancelled, and works"));
    }
}

/// What is wrong on the disk of a dead engine: the journal's chains, the tables against the journal, rows that lack something.
pub(super) fn on_disk(directory: &Path) -> anyhow::Result<Vec<String>> {
    let store = ReadStore::open(directory)?;
    let mut wrong: Vec<String> =
        store.verify(VerifyFrom::Full)?.into_iter().filter(|report| !report.is_sound()).map(|report| format!("{report:?}")).collect();
    for row in store.incomplete() {
        let row = row?;
        wrong.push(format!("{} lacks {}", row.order.command_id, row.missing.join(", ")));
    }
    wrong.extend(store.damage()?);
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ours(tag: &str, status: &str) -> Ours {
        Ours {
            command_id: format!("c-{tag}"),
            source: "WEBHOOK".to_owned(),
            parent_command_id: None,
            strategy: "a".to_owned(),
            status: status.to_owned(),
            tag: None,
            broker_tag: tag.to_owned(),
            broker_order_id: (status != "CREATED" && status != "FAILED").then(|| format!("n-{tag}")),
            filled_quantity: if status == "EXECUTED" { 10 } else { 0 },
            cancel_wanted: None,
            test_mode: None,
        }
    }

    fn theirs(tag: &str, state: BookState) -> Theirs {
        let filled = if state == BookState::Complete { 10 } else { 0 };
        Theirs { number: format!("n-{tag}"), tag: tag.to_owned(), state, filled, signed: filled }
    }

    fn alert(answered: &[&str]) -> Alert {
        let answered = Some(answered.iter().map(|command| (*command).to_owned()).collect());
        Alert { answered, ..Alert::new("k", "a", "ENTRY", json!({})) }
    }

    fn of(ours: &[Ours], theirs: &[Theirs], alerts: &[Alert]) -> (usize, usize, usize) {
        let found = compare(ours, theirs, alerts);
        (found.lost.len(), found.doubled.len(), found.unresolved.len())
    }

    #[test]
    fn books_that_agree_are_clean() {
        let same = [ours("a", "EXECUTED"), ours("b", "SENT_TO_BROKER"), ours("c", "FAILED")];
        let book = [theirs("a", BookState::Complete), theirs("b", BookState::Open)];
        let found = compare(&same, &book, &[alert(&["c-a"]), alert(&["c-b"]), alert(&["c-c"])]);
        assert!(found.is_clean(), "{found:?}");
    }

    #[test]
    fn each_thing_that_is_wrong_is_told_as_what_it_is() {
        let three = [alert(&[]), alert(&[]), alert(&[])];
        assert_eq!(of(&[], &[theirs("a", BookState::Open)], &three), (1, 0, 0), "an order at the broker that we do not know");
        assert_eq!(of(&[], &[], &[alert(&["c-a"])]), (1, 0, 0), "an answer that is gone");
        assert_eq!(of(&[ours("a", "FAILED")], &[theirs("a", BookState::Open)], &three), (1, 0, 0), "given up, and it lives");
        let twice = [theirs("a", BookState::Complete), theirs("a", BookState::Complete)];
        assert_eq!(of(&[ours("a", "EXECUTED")], &twice, &three), (0, 1, 0));
        assert_eq!(of(&[ours("a", "FAILED"), ours("b", "FAILED")], &[], &[alert(&[])]), (0, 1, 0), "one alert, two orders");
        assert_eq!(of(&[ours("a", "CREATED")], &[], &three), (0, 0, 1));
        assert_eq!(of(&[ours("a", "SENT_TO_BROKER")], &[], &three), (0, 0, 1), "it has a number that nobody knows");
        assert_eq!(of(&[ours("a", "SENT_TO_BROKER")], &[theirs("a", BookState::Complete)], &three), (0, 0, 1));
        let wanted = Ours { cancel_wanted: Some("CANCELLED_BY_USER".to_owned()), ..ours("a", "SENT_TO_BROKER") };
        assert_eq!(of(&[wanted], &[theirs("a", BookState::Open)], &three), (0, 0, 1));
    }
}
