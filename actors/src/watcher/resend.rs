//! An exit of which the broker is known to have taken nothing, because it never left this machine or its call was refused
//! unread, goes again: as a new order with a tag of its own, down the whole line, a few times and ever more slowly. An entry
//! never does. The tag that failed stays known: should the broker show it after all, that is late truth.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::{WatcherActor, square_off};
use crate::ingress::Submit;
use crate::line::Phase;
use crate::order::{CommandId, LegDraft, OrderRecord, Product, SignalDraft, SignalId, Status, Tag, again_key};
use crate::persistence::{Book, KillLevel};

/// How often, and how slowly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) wait: Duration,
    pub(super) most: u32,
}

/// Whether the end of an order proves that the broker took none of it, and it may go through another time: nothing left
/// this machine, or the call was refused, and not the order, for too many calls or for want of a session. The next one
/// waits for the window to open, or for a session, where it waits for its turn anyway.
fn never_left(tag: Option<Tag>) -> bool {
    matches!(tag, Some(Tag::NotSent | Tag::RateLimited | Tag::BrokerNotLoggedIn))
}

/// How many orders before this one, each the parent of the next, came to nothing in the same way.
pub(super) fn attempts(book: &Book, order: &OrderRecord) -> u32 {
    let mut count = 0;
    let mut parent = order.parent_command_id;
    while let Some(before) = parent.and_then(|id| book.order(id)).filter(|before| never_left(before.tag)) {
        count += 1;
        parent = before.parent_command_id;
    }
    count
}

/// Whether a failed exit will go again by itself. One of a square-off does for as long as that is wanted, and from there.
#[must_use]
pub fn goes_again(book: &Book, order: &OrderRecord, most: u32) -> bool {
    let is_one = order.is_exit() && !order.is_test() && !order.is_resting_stop();
    let is_wanted = !square_off::has_sent(order) || book.control().level_for(&order.ask.strategy) >= KillLevel::SquareOff;
    is_one && is_wanted && order.status == Status::Failed && never_left(order.tag) && attempts(book, order) < most
}

/// The exits that go again now. Each is the newest of its position and no other is on its way there, so nothing of it can
/// be live; a position that a kill squares off has its exits from there, and a person's freeze holds.
pub(super) fn due(book: &Book, pace: Pace, now: DateTime<Utc>) -> Vec<Arc<OrderRecord>> {
    let control = book.control();
    if control.is_frozen() {
        return Vec::new();
    }
    book.unclosed()
        .into_iter()
        .filter(|(strategy, key, _)| control.level_for(strategy) < KillLevel::SquareOff || key.product == Product::Cnc)
        .filter(|(_, _, order)| goes_again(book, order, pace.most))
        .filter(|(_, _, order)| {
            let wait = pace.wait.checked_mul(1 << attempts(book, order).min(16)).unwrap_or(Duration::MAX);
            now.signed_duration_since(order.updated_at) >= wait
        })
        .map(|(_, _, order)| Arc::clone(order))
        .collect()
}

impl WatcherActor {
    fn pace(&self) -> Pace {
        let waits = &self.desk.settings.waits;
        Pace { wait: Duration::from_std(waits.resend_exit).unwrap_or(Duration::MAX), most: waits.resend_exit_most }
    }

    /// Sends again what is due. Derived from the book at every poll, so a restart forgets none; the key makes it once.
    pub(super) fn resend_exits(&mut self, now: DateTime<Utc>) {
        if !matches!(self.desk.phase(), Phase::ExitsOnly | Phase::Open) {
            return;
        }
        let due = self.line.view.read(&self.desk.client_id, |book| due(book, self.pace(), now)).unwrap_or_default();
        for order in due {
            let Ok(key) = again_key(order.command_id) else { continue };
            if !self.is_time_to_resend(order.command_id, now) {
                continue;
            }
            tracing::warn!(client_id = %self.desk.client_id, command_id = %order.command_id, "an exit of which the broker took nothing goes again as a new order");
            metrics::counter!("ordergate_exits_resent_total").increment(1);
            let draft = SignalDraft {
                client_id: self.desk.client_id.clone(),
                signal_id: SignalId(self.line.ids.next()),
                source: order.source,
                user: order.user.to_string(),
                idempotency_key: Some(key),
                body_hash: [0; 32],
                replay_window_ms: 0,
                received_at: now,
                // As old as the first: it must not close a position that was opened since.
                signal_time: Some(order.signal_time),
                legs: vec![LegDraft::again(&order)],
            };
            let (reply, _nobody_waits) = tokio::sync::oneshot::channel();
            self.line.tell_ingress(Submit { draft, permits: vec![self.desk.admission.force()], fired: None, reply });
        }
    }

    /// Whether the exit goes again now: what was lost on the way is asked for again, and the key makes it one.
    pub(super) fn is_time_to_resend(&mut self, order: CommandId, now: DateTime<Utc>) -> bool {
        let again = Duration::from_std(self.desk.settings.waits.cancel_again).unwrap_or(Duration::MAX);
        let resent = &mut self.core.resent;
        self.line.view.read(&self.desk.client_id, |book| resent.retain(|order, _| book.order(*order).is_some()));
        let is_asked = resent.get(&order).is_some_and(|asked| *asked <= now && now.signed_duration_since(*asked) < again);
        if !is_asked {
            resent.insert(order, now);
        }
        !is_asked
    }

    /// Whether an exit that has just failed is taken care of.
    pub(super) fn will_resend(&self, order: &OrderRecord) -> bool {
        self.line
            .view
            .read(&self.desk.client_id, |book| goes_again(book, order, self.desk.settings.waits.resend_exit_most))
            .unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::Control;
    use crate::testkit::builders::{Build, at, book_of, command, exit, frozen_control, order, sbin_in};

    const PACE: Pace = Pace { wait: Duration::seconds(2), most: 2 };

    fn failed(number: u64, parent: Option<u64>) -> OrderRecord {
        OrderRecord { parent_command_id: parent.map(command), updated_at: at(0), ..exit(number).ended(Status::Failed, Some(Tag::NotSent)) }
    }

    fn numbers(orders: Vec<OrderRecord>, second: i64) -> Vec<u64> {
        let book = book_of(orders, &[("trend", sbin_in(Product::Mis), 10)]);
        due(&book, PACE, at(second)).iter().map(|order| order.number).collect()
    }

    #[test]
    fn an_exit_that_never_left_goes_again_ever_more_slowly_and_not_for_ever() {
        assert_eq!(numbers(vec![failed(2, None)], 1), Vec::<u64>::new(), "not at once");
        assert_eq!(numbers(vec![failed(2, None)], 2), [2]);
        assert_eq!(numbers(vec![failed(2, None), failed(3, Some(2))], 3), Vec::<u64>::new());
        assert_eq!(numbers(vec![failed(2, None), failed(3, Some(2))], 4), [3]);
        assert_eq!(numbers(vec![failed(2, None), failed(3, Some(2)), failed(4, Some(3))], 60), Vec::<u64>::new(), "twice is enough");
    }

    #[test]
    fn a_call_that_was_refused_unread_counts_like_one_that_never_left() {
        for tag in [Tag::RateLimited, Tag::BrokerNotLoggedIn] {
            let refused = |number, parent| OrderRecord { tag: Some(tag), ..failed(number, parent) };
            assert_eq!(numbers(vec![refused(2, None)], 2), [2], "{tag}");
            assert_eq!(numbers(vec![failed(2, None), refused(3, Some(2)), refused(4, Some(3))], 60), Vec::<u64>::new(), "{tag}: bounded");
            let entry = order(2).ended(Status::Failed, Some(tag));
            assert_eq!(numbers(vec![entry], 60), Vec::<u64>::new(), "an entry never does");
        }
    }

    #[test]
    fn nothing_else_goes_again() {
        let ended = |tag| exit(2).ended(Status::Failed, Some(tag));
        for tag in [Tag::BrokerRejected, Tag::NotAtBroker, Tag::CancelledByUser, Tag::KillSwitch, Tag::EngineFault] {
            assert_eq!(numbers(vec![ended(tag)], 60), Vec::<u64>::new(), "{tag}");
        }
        let entry = order(2).ended(Status::Failed, Some(Tag::NotSent));
        assert_eq!(numbers(vec![entry], 60), Vec::<u64>::new(), "an entry never does");
        assert_eq!(numbers(vec![failed(2, None), exit(3)], 60), Vec::<u64>::new(), "another exit is on its way");
        let flat = book_of([failed(2, None)], &[]);
        assert!(due(&flat, PACE, at(60)).is_empty(), "nothing is held");
    }

    #[test]
    fn a_freeze_and_a_square_off_hold_it_back() {
        let mut book = book_of([failed(2, None)], &[("trend", sbin_in(Product::Mis), 10)]);
        book.put_control(frozen_control());
        assert!(due(&book, PACE, at(60)).is_empty());
        book.put_control(Control { level: KillLevel::SquareOff, ..Control::default() });
        assert!(due(&book, PACE, at(60)).is_empty());
        book.put_control(Control { level: KillLevel::CancelEntries, ..Control::default() });
        assert_eq!(due(&book, PACE, at(60)).len(), 1);
    }

    #[test]
    fn the_exit_of_a_square_off_does_not_go_again_when_that_is_over() {
        let ours = OrderRecord { source: crate::order::Source::System, user: Arc::from("kill level 3"), ..failed(2, None) };
        let mut book = book_of([ours.clone()], &[("trend", sbin_in(Product::Mis), 10)]);
        assert!(due(&book, PACE, at(60)).is_empty() && !goes_again(&book, &ours, PACE.most));
        book.put_control(Control { level: KillLevel::SquareOff, ..Control::default() });
        assert!(due(&book, PACE, at(60)).is_empty() && goes_again(&book, &ours, PACE.most), "the square-off sends the next one");
    }
}
