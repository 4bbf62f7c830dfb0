//! Our orders held against the broker's own book.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ordergate_actors::order::BookState;

use super::engine::{Alert, Ours, Own};
use super::venue::{Theirs, Truth};
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

    /// What was found later.
    pub(super) fn add(&mut self, later: Self) {
        self.lost.extend(later.lost);
        self.doubled.extend(later.doubled);
        self.unresolved.extend(later.unresolved);
    }
}

/// Holds our orders and positions against theirs, and against the alerts that were sent.
pub(super) fn compare(own: &Own, truth: &Truth, alerts: &[Alert]) -> Findings {
    let mut found = Findings::default();
    let mut tags: BTreeMap<&str, Vec<&Theirs>> = BTreeMap::new();
    for row in &truth.orders {
        tags.entry(&row.tag).or_default().push(row);
    }
    for (tag, rows) in &tags {
        if rows.len() > 1 {
            let numbers: Vec<&str> = rows.iter().map(|row| row.number.as_str()).collect();
            found.doubled.push(format!("the broker has {tag} as {}", numbers.join(" and ")));
        } else if let Some(count) = truth.accepted.get(*tag).filter(|count| **count > 1) {
            found.doubled.push(format!("the broker took {tag} {count} times"));
        }
        if !own.orders.iter().any(|row| row.broker_tag == *tag) {
            found.lost.push(format!("the broker has {tag}, which no order of ours carries"));
        }
    }
    for row in &own.orders {
        let at_broker = tags.get(row.broker_tag.as_str()).and_then(|rows| rows.first()).copied();
        judge(row, at_broker, &mut found);
    }
    if let Some(theirs) = &truth.nets {
        // Nobody else trades there.
        let keys: BTreeSet<_> = own.nets.keys().chain(theirs.keys()).collect();
        for key in keys {
            let [ours, theirs] = [&own.nets, theirs].map(|nets| nets.get(key).copied().unwrap_or(0));
            if ours != theirs {
                found.unresolved.push(format!("the broker holds {theirs} {} {}, we {ours}", key.0, key.1));
            }
        }
    }
    answered(&own.orders, alerts, &mut found);
    found
}

/// Every alert has its orders, and no order is of two alerts or of none.
fn answered(ours: &[Ours], alerts: &[Alert], found: &mut Findings) {
    let known: BTreeSet<&str> = ours.iter().map(|row| row.command_id.as_str()).collect();
    let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
    for alert in alerts {
        let Some(orders) = &alert.answered else { continue };
        if orders.len() != alert.legs() {
            found.lost.push(format!("{} asked for {} orders, and was answered with {}", alert.key, alert.legs(), orders.len()));
        }
        for command in orders {
            if !known.contains(command.as_str()) {
                found.lost.push(format!("{command}, the answer to {}, is not there", alert.key));
            }
            if let Some(other) = keys.insert(command, &alert.key) {
                found.doubled.push(format!("{command} is the answer to {other} and to {}", alert.key));
            }
        }
        for again in alert.repeated.iter().filter(|again| *again != orders) {
            found.doubled.push(format!("{} was answered with {orders:?}, and once more with {again:?}", alert.key));
        }
    }
    // What a plan sends for an order of an alert has that order for its parent.
    let made = ours.iter().filter(|row| row.source == "WEBHOOK" && row.parent_command_id.is_none()).count();
    let asked: usize = alerts.iter().map(Alert::legs).sum();
    let told = format!("{asked} legs of alerts made {made} orders");
    match made.cmp(&asked) {
        Ordering::Greater => found.doubled.push(told),
        Ordering::Less => found.lost.push(told),
        Ordering::Equal => {}
    }
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
    } else if row.is_in_doubt() {
        found.unresolved.push(format!("{name} is at the broker as {}, and in doubt here", theirs.number));
    } else if theirs.state == BookState::Open {
        let is_priced = row.price.is_none_or(|price| theirs.price == Some(price));
        if !is_priced || row.quantity != Some(theirs.quantity) {
            let (ours, here) = (row.quantity, row.price);
            found
                .unresolved
                .push(format!("{name} works for {} at {:?} there, for {ours:?} at {here:?} here", theirs.quantity, theirs.price));
        }
    }
}

/// The trades that a dead engine has recorded sum up to what the broker filled; in words where they do not.
pub(super) fn fills_on_disk(directory: &Path, truth: &Truth) -> anyhow::Result<Vec<String>> {
    let store = ReadStore::open(directory)?;
    let mut wrong = Vec::new();
    for order in store.every() {
        let order = order?;
        let filled = truth.orders.iter().find(|row| row.tag == order.broker_tag.as_str()).map_or(0, |row| row.filled);
        let traded: i64 = store.fills(&order.client_id, order.command_id)?.iter().map(|fill| fill.quantity.value()).sum();
        if traded != filled && !order.is_test() {
            wrong.push(format!("the trades of {} sum up to {traded}, the broker filled {filled}", order.command_id));
        }
    }
    Ok(wrong)
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
    use crate::prove::venue::Nets;

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
            quantity: Some(10),
            price: None,
            filled_quantity: if status == "EXECUTED" { 10 } else { 0 },
            cancel_wanted: None,
            test_mode: None,
        }
    }

    fn theirs(tag: &str, state: BookState) -> Theirs {
        let filled = if state == BookState::Complete { 10 } else { 0 };
        Theirs { number: format!("n-{tag}"), tag: tag.to_owned(), state, quantity: 10, price: None, filled, signed: filled }
    }

    /// The alert that made this order.
    fn alert(key: &str) -> Alert {
        Alert { answered: Some(vec![format!("c-{key}")]), ..Alert::new(key, "a", "ENTRY", json!({})) }
    }

    fn own(orders: &[Ours]) -> Own {
        Own { orders: orders.to_vec(), ..Own::default() }
    }

    fn of(ours: &[Ours], theirs: &[Theirs], alerts: &[Alert]) -> (usize, usize, usize) {
        counts(&compare(&own(ours), &Truth { orders: theirs.to_vec(), ..Truth::default() }, alerts))
    }

    fn counts(found: &Findings) -> (usize, usize, usize) {
        (found.lost.len(), found.doubled.len(), found.unresolved.len())
    }

    #[test]
    fn books_that_agree_are_clean() {
        let same = [ours("a", "EXECUTED"), ours("b", "SENT_TO_BROKER"), ours("c", "FAILED")];
        let book = [theirs("a", BookState::Complete), theirs("b", BookState::Open)];
        assert_eq!(of(&same, &book, &[alert("a"), alert("b"), alert("c")]), (0, 0, 0));
    }

    #[test]
    fn each_thing_that_is_wrong_is_told_as_what_it_is() {
        let one = [alert("a")];
        assert_eq!(of(&[], &[theirs("a", BookState::Open)], &[]), (1, 0, 0), "an order at the broker that we do not know");
        assert_eq!(of(&[ours("a", "FAILED")], &[theirs("a", BookState::Open)], &one), (1, 0, 0), "given up, and it lives");
        let twice = [theirs("a", BookState::Complete), theirs("a", BookState::Complete)];
        assert_eq!(of(&[ours("a", "EXECUTED")], &twice, &one), (0, 1, 0));
        assert_eq!(of(&[ours("a", "CREATED")], &[], &one), (0, 0, 1));
        assert_eq!(of(&[ours("a", "SENT_TO_BROKER")], &[], &one), (0, 0, 1), "it has a number that nobody knows");
        assert_eq!(of(&[ours("a", "SENT_TO_BROKER")], &[theirs("a", BookState::Complete)], &one), (0, 0, 1));
        let works = ours("a", "SENT_TO_BROKER");
        let open = [theirs("a", BookState::Open)];
        let wanted = Ours { cancel_wanted: Some("CANCELLED_BY_USER".to_owned()), ..works.clone() };
        assert_eq!(of(&[wanted], &open, &one), (0, 0, 1));
        let doubted = Ours { tag: Some("SEND_UNCONFIRMED".to_owned()), ..works.clone() };
        assert_eq!(of(&[doubted], &open, &one), (0, 0, 1), "its number is known, and it is in doubt still");
        let moved = Ours { price: Some(801.into()), ..works.clone() };
        assert_eq!(of(std::slice::from_ref(&moved), &open, &one), (0, 0, 1), "another limit than the broker's");
        let at = |price: i64| [Theirs { price: Some(price.into()), ..theirs("a", BookState::Open) }];
        assert_eq!((of(std::slice::from_ref(&moved), &at(800), &one), of(&[moved], &at(801), &one)), ((0, 0, 1), (0, 0, 0)));
        assert_eq!(of(&[Ours { quantity: Some(11), ..works }], &open, &one), (0, 0, 1), "for other units");
    }

    #[test]
    fn an_alert_has_its_own_orders_all_of_them_and_no_others() {
        let failed = |keys: &[&str]| keys.iter().map(|key| ours(key, "FAILED")).collect::<Vec<_>>();
        assert_eq!(of(&[], &[], &[alert("a")]), (2, 0, 0), "an answer that is gone, and its order");
        assert_eq!(of(&failed(&["a", "b"]), &[], &[alert("a")]), (0, 1, 0), "one alert, two orders");
        // One doubled and one lost do not make up for each other.
        let lost = Alert { answered: Some(Vec::new()), ..alert("b") };
        assert_eq!(of(&failed(&["a", "b"]), &[], &[alert("a"), lost]).0, 1);
        let shared = Alert { answered: Some(vec!["c-a".to_owned()]), ..alert("b") };
        assert_eq!(of(&failed(&["a", "b"]), &[], &[alert("a"), shared]), (0, 1, 0), "one order for two alerts");
        let again = |with: &str| Alert { repeated: vec![vec![with.to_owned()]], ..alert("a") };
        assert_eq!((of(&failed(&["a"]), &[], &[again("c-a")]), of(&failed(&["a"]), &[], &[again("c-b")])), ((0, 0, 0), (0, 1, 0)));
    }

    #[test]
    fn a_position_and_a_second_placing_are_seen_where_every_order_agrees() {
        let held = |units: i64| Nets::from([(("SBIN-EQ".to_owned(), "MIS".to_owned()), units)]);
        let orders = vec![ours("a", "EXECUTED")];
        let truth = Truth { orders: vec![theirs("a", BookState::Complete)], nets: Some(held(10)), accepted: BTreeMap::new() };
        let with = |nets: Nets, truth: &Truth| counts(&compare(&Own { orders: orders.clone(), nets }, truth, &[alert("a")]));
        assert_eq!((with(held(10), &truth), with(Nets::new(), &truth), with(held(9), &truth)), ((0, 0, 0), (0, 0, 1), (0, 0, 1)));
        let twice = Truth { accepted: BTreeMap::from([("a".to_owned(), 2)]), ..truth };
        assert_eq!(with(held(10), &twice), (0, 1, 0), "it took it twice, and shows it once");
    }
}
