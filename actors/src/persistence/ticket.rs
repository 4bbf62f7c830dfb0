//! What keeps an order from being lost between two actors. Every order in the line carries a ticket; only a committed
//! answer (the broker's, or a refusal) ends it. A ticket that is dropped any other way puts its order on the desk's
//! orphan list, which WatcherActor drains.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot};

use crate::order::{BasketId, CommandId};

/// How many orders of one account may be in the line at once. A share is kept for exits, cancels and kills.
#[derive(Debug)]
pub struct Admission {
    used: AtomicUsize,
    capacity: usize,
    reserved: usize,
    given_back: Notify,
}

impl Admission {
    /// A counter for `capacity` orders, of which the last `reserved` are for exits only.
    #[must_use]
    pub fn new(capacity: usize, reserved: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), capacity, reserved: reserved.min(capacity), given_back: Notify::new() })
    }

    /// Takes `count` permits at once, or none.
    #[must_use]
    pub fn take(self: &Arc<Self>, count: usize, is_exit: bool) -> Option<Vec<Permit>> {
        let limit = if is_exit { self.capacity } else { self.capacity - self.reserved };
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| used.checked_add(count).filter(|sum| *sum <= limit))
            .ok()
            .map(|_| (0..count).map(|_| Permit(Arc::clone(self))).collect())
    }

    /// A permit beyond the capacity, for what is on disk already and must go on: recovered orders, the engine's own exits.
    #[must_use]
    pub fn force(self: &Arc<Self>) -> Permit {
        self.used.fetch_add(1, Ordering::AcqRel);
        Permit(Arc::clone(self))
    }

    /// Ends when a permit is given back after this call.
    pub(crate) fn given_back(&self) -> Notified<'_> {
        self.given_back.notified()
    }

    /// Orders in the line now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }

    /// The most orders in the line.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

/// The right of one order to be in the line; given back when dropped.
#[derive(Debug)]
pub struct Permit(Arc<Admission>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::AcqRel);
        self.0.given_back.notify_waiters();
    }
}

/// What the caller hears once every order of its signal is decided. The orders themselves are read from the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether this very signal had been here before.
    pub replayed: bool,
    /// The basket.
    pub basket_id: BasketId,
    /// Its orders, by leg.
    pub orders: Vec<CommandId>,
}

/// Where the answer goes.
pub(super) type Reply = oneshot::Sender<Result<Answer, super::NotRegistered>>;

/// Counts a signal's undecided orders, and the commit if they are judged before it, and answers its caller after the last. Dropped early (a panic), it answers by
/// its silence: the caller reads the record.
#[derive(Debug)]
pub struct Waiter {
    pending: AtomicUsize,
    answer: Mutex<Option<(Reply, Answer)>>,
}

impl Waiter {
    /// Waits for so many decisions and commits; with none it answers at once.
    pub(crate) fn new(pending: usize, reply: Reply, answer: Answer) -> Arc<Self> {
        let waiter = Arc::new(Self { pending: AtomicUsize::new(pending.max(1)), answer: Mutex::new(Some((reply, answer))) });
        if pending == 0 {
            waiter.one_less();
        }
        waiter
    }

    /// One of the things that it waits for is there.
    pub(super) fn one_less(&self) {
        if self.pending.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some((reply, answer)) = self.answer.lock().take()
        {
            // The caller may have gone; the order goes on without it.
            let _gone = reply.send(Ok(answer));
        }
    }
}

/// The orders whose ticket was lost: bounded by the permits, because every ticket holds one.
#[derive(Debug, Default)]
pub struct Orphans(Mutex<VecDeque<CommandId>>);

impl Orphans {
    /// One more order that has no ticket.
    pub(crate) fn push(&self, command_id: CommandId) {
        self.0.lock().push_back(command_id);
    }

    /// Takes all of them.
    #[must_use]
    pub fn drain(&self) -> Vec<CommandId> {
        self.0.lock().drain(..).collect()
    }
}

/// The claim of one order in the line.
#[derive(Debug)]
#[must_use = "a dropped ticket makes its order an orphan"]
pub struct Ticket {
    command_id: CommandId,
    waiter: Option<Arc<Waiter>>,
    orphans: Arc<Orphans>,
    is_finished: bool,
    _permit: Permit,
}

impl Ticket {
    pub(crate) fn new(command_id: CommandId, permit: Permit, orphans: Arc<Orphans>) -> Self {
        Self { command_id, waiter: None, orphans, is_finished: false, _permit: permit }
    }

    pub(super) fn wait_with(&mut self, waiter: Arc<Waiter>) {
        self.waiter = Some(waiter);
    }

    /// The order that it belongs to.
    #[must_use]
    pub fn command_id(&self) -> CommandId {
        self.command_id
    }

    /// Whether the sender still waits to hear what becomes of the order.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiter.is_some()
    }

    /// Tells the caller that this order is decided: admitted, refused on disk, or held for a reason that it can read.
    pub(crate) fn decided(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            waiter.one_less();
        }
    }

    /// Ends the ticket of an order that ended on disk by another way (a cancel overtook it).
    pub(crate) fn finish_ended(self) {
        self.finish();
    }

    /// Ends the ticket: the answer is on disk.
    pub(super) fn finish(mut self) {
        self.is_finished = true;
        self.decided();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_finished {
            self.orphans.push(self.command_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn entries_leave_a_share_for_exits() {
        let admission = Admission::new(4, 1);
        let entries = admission.take(3, false).unwrap();
        assert!(admission.take(1, false).is_none());
        let exit = admission.take(1, true).unwrap();
        assert!(admission.take(1, true).is_none());
        drop((entries, exit));
        assert_eq!(admission.used(), 0);
    }

    #[test]
    fn a_basket_takes_all_of_its_permits_or_none() {
        let admission = Admission::new(4, 0);
        let _three = admission.take(3, false).unwrap();
        assert!(admission.take(2, false).is_none());
        assert_eq!(admission.used(), 3);
    }

    #[test]
    fn a_dropped_ticket_is_an_orphan_and_a_finished_one_is_not() {
        let (admission, orphans) = (Admission::new(4, 0), Arc::new(Orphans::default()));
        let mut permits = admission.take(2, false).unwrap();
        let lost = Ticket::new(CommandId(Uuid::from_u128(1)), permits.pop().unwrap(), Arc::clone(&orphans));
        let done = Ticket::new(CommandId(Uuid::from_u128(2)), permits.pop().unwrap(), Arc::clone(&orphans));
        drop(lost);
        done.finish();
        assert_eq!(orphans.drain(), [CommandId(Uuid::from_u128(1))]);
        assert_eq!(admission.used(), 0);
    }

    #[test]
    fn an_unwinding_handler_makes_an_orphan() {
        let (admission, orphans) = (Admission::new(1, 0), Arc::new(Orphans::default()));
        let ticket = Ticket::new(CommandId(Uuid::from_u128(7)), admission.force(), Arc::clone(&orphans));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _held = ticket;
            panic!("on purpose");
        }));
        assert!(result.is_err());
        assert_eq!(orphans.drain().len(), 1);
    }
}
