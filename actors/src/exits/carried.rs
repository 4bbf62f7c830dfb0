//! What an exit takes over from the one before it that came to nothing: where its cost counts from, and how far it has gone already and
//! may go. However often it goes again, to whoever pays for it it is one exit. Pure.

use chrono::{DateTime, Duration, Utc};

use super::ladder::Ladder;
use crate::order::{HoldingKey, OrderRecord, Source, Status, Strategy, Tag};
use crate::persistence::{Book, Topic};

/// An exit that ended so long ago has none that goes on with it: what comes then is another wish.
const GOES_ON_WITHIN: Duration = Duration::minutes(10);

/// What the engine wants closed, and why: the exits of one wish are of one sender.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The strategy that holds it.
    pub strategy: &'a Strategy,
    /// What is held.
    pub key: &'a HoldingKey,
    /// Whom its exits are from.
    pub sender: &'a str,
}

impl Wish<'_> {
    /// Whether the engine sent that exit for it.
    #[must_use]
    pub fn is_of(&self, order: &OrderRecord) -> bool {
        matches!(order.source, Source::System | Source::Stop)
            && *order.user == *self.sender
            && order.ask.strategy == *self.strategy
            && order.holding().as_ref() == Some(self.key)
    }
}

/// Whether an exit has ended without closing what it was for, so that another may go on with that. Who cancels one wants no other.
#[must_use]
pub fn came_to_nothing(order: &OrderRecord, now: DateTime<Utc>) -> bool {
    order.is_exit()
        && !order.is_test()
        && order.status == Status::Failed
        && order.tag != Some(Tag::CancelledByUser)
        && order.unfilled() > 0
        && now.signed_duration_since(order.updated_at) < GOES_ON_WITHIN
}

/// Whether an exit goes on with another: it takes its place, or is of the same wish and came later.
#[must_use]
pub fn goes_on_with(order: &OrderRecord, before: &OrderRecord) -> bool {
    let is_of_its_wish = || {
        let key = before.holding();
        key.is_some_and(|key| Wish { strategy: &before.ask.strategy, key: &key, sender: &before.user }.is_of(order))
    };
    let is_own = matches!(before.source, Source::System | Source::Stop);
    order.number > before.number && order.is_exit() && (order.parent_command_id == Some(before.command_id) || (is_own && is_of_its_wish()))
}

/// The ladder on which the next exit of a wish begins; `None`: it is the first.
#[must_use]
pub fn carried(wish: &Wish<'_>, book: &Book, now: DateTime<Utc>) -> Option<Ladder> {
    newest(book, now, |before| wish.is_of(before))
}

/// The ladder on which an exit goes on that takes the place of another, or is another try of the same.
#[must_use]
pub fn carried_to(order: &OrderRecord, book: &Book, now: DateTime<Utc>) -> Option<Ladder> {
    newest(book, now, |before| goes_on_with(order, before))
}

fn newest(book: &Book, now: DateTime<Utc>, is_before: impl Fn(&OrderRecord) -> bool) -> Option<Ladder> {
    let ended = book.kept_of(Topic::Ladder).filter_map(|(slot, kept)| {
        let order = book.order(slot.key.parse().ok()?).filter(|order| came_to_nothing(order, now) && is_before(order))?;
        Some((order.number, kept.read::<Ladder>().ok()?))
    });
    ended.max_by_key(|(number, _)| *number).map(|(_, ladder)| ladder.carried(now))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::exits::ladder_slot;
    use crate::order::{Price, Product};
    use crate::persistence::{Kept, KeptChange};
    use crate::testkit::builders::{Build as _, at, book_of, exit, price, sbin_in, strategy};

    fn of_kill(number: u64) -> OrderRecord {
        OrderRecord { source: Source::System, user: Arc::from("kill level 3"), ..exit(number).asks(10).product(Product::Mis) }
    }

    fn rejected(number: u64) -> OrderRecord {
        OrderRecord { updated_at: at(0), ..of_kill(number).ended(Status::Failed, Some(Tag::BrokerRejected)) }
    }

    fn ladder(trigger: i64) -> Ladder {
        let ladder = Ladder { granted: 2, is_paged: true, ..Ladder::new(trigger.into(), None, at(-60)) };
        ladder.stepped(price("99"), at(-50)).stepped(price("98"), at(-40))
    }

    fn with(orders: impl IntoIterator<Item = OrderRecord>, ladders: &[(u64, Ladder)]) -> Book {
        let orders: Vec<OrderRecord> = orders.into_iter().collect();
        let names: Vec<_> = ladders.iter().map(|(number, ladder)| (crate::testkit::builders::command(*number), *ladder)).collect();
        let mut book = book_of(orders, &[("trend", sbin_in(Product::Mis), 10)]);
        for (order, ladder) in names {
            let value = serde_json::to_string(&ladder).unwrap();
            book.put_kept(KeptChange { slot: ladder_slot(order), now: Some(Kept { value: value.into(), seq: 1, at: at(0) }) });
        }
        book
    }

    fn of(book: &Book, sender: &str, second: i64) -> Option<Ladder> {
        let key = sbin_in(Product::Mis);
        carried(&Wish { strategy: &strategy("trend"), key: &key, sender }, book, at(second))
    }

    #[test]
    fn the_next_try_counts_from_where_the_first_began_and_goes_as_far_as_people_let_it() {
        let book = with([rejected(1), rejected(2)], &[(1, ladder(100)), (2, ladder(100))]);
        let next = of(&book, "kill level 3", 20).unwrap();
        assert_eq!((next.trigger, next.granted, next.steps), (100.into(), 2, 2));
        // What people were told, and where it stood, was of the order that has ended.
        assert_eq!((next.is_paged, next.from, next.stepped_at), (false, None::<Price>, at(20)));
        assert_eq!(of(&book, "risk: position over its limit", 20), None, "another wish begins anew");
        assert_eq!(of(&book, "kill level 3", 700), None, "and so does one of later");
    }

    #[test]
    fn what_takes_the_place_of_an_exit_goes_on_with_it_whoever_sent_that() {
        let alert = |number| exit(number).asks(10).product(Product::Mis);
        let replaced = OrderRecord { updated_at: at(0), ..alert(1).ended(Status::Failed, Some(Tag::Replaced)) };
        let book = with([replaced.clone()], &[(1, ladder(100))]);
        let child = OrderRecord { parent_command_id: Some(replaced.command_id), ..of_kill(2) };
        assert_eq!(carried_to(&child, &book, at(1)).map(|ladder| ladder.granted), Some(2));
        assert_eq!(carried_to(&alert(2), &book, at(1)), None, "another alert is another wish");
        let taken_back = OrderRecord { tag: Some(Tag::CancelledByUser), ..rejected(1) };
        for over in [taken_back, rejected(1).filled(10, 10), OrderRecord { status: Status::SentToBroker, ..rejected(1) }] {
            assert_eq!(carried_to(&of_kill(2), &with([over], &[(1, ladder(100))]), at(1)), None);
        }
    }
}
