//! What becomes of a rule that has fired: its exit is sent once, sent again if it came to nothing, and never beside
//! another. Derived from the committed book, so a restart at any moment changes nothing.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::ladder::is_driven;
use super::reject::{Rejection, classify};
use super::rule::{Cause, ExitRule, Fired};
use crate::order::{CommandId, OrderRecord, OrderType, Product, SignalId, Source, Status, Tag};
use crate::persistence::{Book, NEWEST_KEPT};

/// What to do about a fired rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing: its exit is under way, or its time has not come.
    Wait,
    /// Its exit is not on disk: the same signal goes once more, which is the same signal to the ledger.
    Again,
    /// Its exit came to nothing: another, in parts of so many units at most where that was the cause.
    Anew(Option<i64>),
    /// The open exits of the position are for less than is held: another one beside them.
    Beside(Beside),
    /// Its target did not trade and the exit has ended: it stands as before.
    Rearm,
    /// These exits claim what must go now, and do not bring it out: they rest at their prices, or wait for a proof.
    Cancel(Vec<CommandId>),
    /// It does not go by itself: a person must look.
    Stuck(Rejection),
}

/// An exit beside those that are open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// Units that no exit of the position is for.
    pub units: i64,
    /// The newest exit of the position. What is asked for twice after the same one is one signal.
    pub after: Arc<OrderRecord>,
    /// Whether it is another try, because one of them failed.
    pub is_retry: bool,
}

/// A message that was lost shows by this.
const LOST_AFTER: Duration = Duration::seconds(3);
/// An exit that was registered so long ago and not sent is not being judged this moment: it waits for a proof.
const JUDGED_WITHIN: Duration = Duration::seconds(1);
/// The longest wait between two tries.
const LONGEST: Duration = Duration::seconds(60);
/// The wait after an end for want of margin or of a session.
const SLOW: Duration = Duration::seconds(30);

/// See [`Next`]. `goes_again`: a failed exit that is sent again by itself, as one that never left this machine is.
#[must_use]
pub fn follow(rule: &ExitRule, book: &Book, goes_again: impl Fn(&OrderRecord) -> bool, now: DateTime<Utc>) -> Next {
    let Some(fired) = rule.fired.filter(|_| rule.sends_exits() && !book.control().is_frozen()) else { return Next::Wait };
    let firing = Firing { rule, fired, book, now };
    let open: Vec<&Arc<OrderRecord>> = book.open_in(&rule.holding.instrument).filter(|order| firing.covers(order)).collect();
    if !open.is_empty() {
        return if fired.cause.is_urgent() { firing.beside(&open, goes_again) } else { Next::Wait };
    }
    let Some(ended) = firing.sent() else {
        if is_within(fired.at, LOST_AFTER, now) {
            return Next::Wait;
        }
        if !is_forgotten(book, fired.at) {
            return Next::Again;
        }
        return if fired.cause.is_urgent() { Next::Anew(None) } else { Next::Rearm };
    };
    if fired.cause.is_urgent() && firing.is_taken_back() {
        return Next::Stuck(Rejection::TakenBack);
    }
    // The newest exit of the position tells more than the first of the rule: a resend is a child of it.
    let newest = firing.newest().unwrap_or(ended);
    if goes_again(newest) {
        return Next::Wait;
    }
    match goes_on_after(rule, newest) {
        None => Next::Stuck(rejection(rule, newest)),
        Some(wait) if is_within(newest.updated_at, wait, now) => Next::Wait,
        Some(_) if !fired.cause.is_urgent() => Next::Rearm,
        Some(_) if rejection(rule, newest) == Rejection::Freeze => Next::Anew(Some((newest.quantity() / 2).max(1))),
        Some(_) => Next::Anew(None),
    }
}

/// One firing of a rule, and what the book has of it.
#[derive(Clone, Copy)]
struct Firing<'a> {
    rule: &'a ExitRule,
    fired: Fired,
    book: &'a Book,
    now: DateTime<Utc>,
}

impl<'a> Firing<'a> {
    /// Whether the order is an exit of the position, if it is one in its instrument.
    fn covers(&self, order: &OrderRecord) -> bool {
        order.is_exit()
            && !order.is_test()
            && order.ask.strategy == self.rule.strategy
            && order.ask.product.is_none_or(|product| product == self.rule.holding.product)
    }

    /// The exits of the position, newest first.
    fn exits(self) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
        self.book.newest().filter(move |order| self.covers(order) && order.is_for(&self.rule.holding.instrument))
    }

    fn newest(&self) -> Option<&'a Arc<OrderRecord>> {
        self.exits().next()
    }

    /// The newest of the orders that its signal became.
    fn sent(&self) -> Option<&'a Arc<OrderRecord>> {
        self.book.newest().find(|order| self.is_of_signal(order))
    }

    /// What the engine has sent for the position from the first order of its signal on, newest first.
    fn sent_since(self) -> impl Iterator<Item = &'a Arc<OrderRecord>> {
        let sent = self.sent();
        let of_signal = sent.into_iter().flat_map(move |order| self.book.siblings(order)).filter(move |order| self.is_of_signal(order));
        let first = of_signal.chain(sent).map(|order| order.number).min().unwrap_or(u64::MAX);
        let of_engine = self.exits().filter(|order| matches!(order.source, Source::System | Source::Stop));
        of_engine.take_while(move |order| order.number >= first)
    }

    fn is_of_signal(&self, order: &OrderRecord) -> bool {
        order.signal_id == self.fired.signal
    }

    /// Whoever cancels what a rule has sent wants the position kept: nothing of the rule goes against that, also when another part of what
    /// it sent has closed its own since.
    fn is_taken_back(&self) -> bool {
        self.sent_since().any(|order| order.tag == Some(Tag::CancelledByUser) && self.is_since_it_fired(order))
    }

    /// What was cancelled before the rule fired says nothing of the firing. A firing that lies ahead is of before the clock was set back.
    fn is_since_it_fired(&self, order: &OrderRecord) -> bool {
        order.updated_at >= self.fired.at || self.fired.at > self.now
    }

    /// What an urgent rule does while exits of its position are open.
    fn beside(&self, open: &[&'a Arc<OrderRecord>], goes_again: impl Fn(&OrderRecord) -> bool) -> Next {
        if self.is_taken_back() {
            return Next::Wait;
        }
        let in_the_way: Vec<CommandId> = open.iter().filter(|order| self.is_in_the_way(order)).map(|order| order.command_id).collect();
        if !in_the_way.is_empty() {
            return Next::Cancel(in_the_way);
        }
        let units = self.uncovered();
        if units <= 0 {
            return Next::Wait;
        }
        if self.sent().is_none() {
            // Its own exit may be on its way, and is for all that is left.
            let is_lost = !is_within(self.fired.at, LOST_AFTER, self.now) && !is_forgotten(self.book, self.fired.at);
            return if is_lost { Next::Again } else { Next::Wait };
        }
        // A part that was refused may be older than one that rests.
        let is_over = self.sent_since().chain(self.newest()).all(|order| self.is_over(order));
        let Some(after) = self.newest().filter(|_| is_over && !self.is_to_come(goes_again)) else { return Next::Wait };
        let is_retry = self.sent_since().chain([after]).any(|order| order.status == Status::Failed);
        Next::Beside(Beside { units, after: Arc::clone(after), is_retry })
    }

    /// Whether an exit keeps out what is held, and does not go by itself.
    fn is_in_the_way(&self, order: &OrderRecord) -> bool {
        // One that came as a market order is on the ladder itself.
        let rests = order.working_type() != Some(OrderType::Market) && !is_driven(order, self.book);
        // The rule goes on what is known, as a square-off does: one that waits for a proof waits no longer.
        let waits = order.status == Status::Created && !is_within(order.created_at, JUDGED_WITHIN, self.now);
        order.source != Source::System && !self.is_of_signal(order) && order.cancel_wanted.is_none() && (rests || waits)
    }

    /// Units of the position that no open exit is for, and that none has filled.
    fn uncovered(&self) -> i64 {
        let held = self.book.held(&self.rule.strategy, &self.rule.holding);
        let units = if self.rule.is_for(&held) { held.net.abs() } else { 0 };
        let Some(newest) = self.newest().filter(|_| units > 0) else { return units };
        // Every exit stands before the one that is to come.
        let next = OrderRecord { command_id: CommandId(uuid::Uuid::nil()), number: u64::MAX, ..OrderRecord::clone(newest) };
        units.saturating_sub(self.book.exiting(&next, Some(&self.rule.strategy), &self.rule.holding))
    }

    /// Whether the next one may follow on the newest exit now. One that was refused for good is a person's, once all have ended.
    fn is_over(&self, newest: &OrderRecord) -> bool {
        if newest.status != Status::Failed {
            return !is_within(newest.created_at, LOST_AFTER, self.now);
        }
        goes_on_after(self.rule, newest).is_some_and(|wait| !is_within(newest.updated_at, wait, self.now))
    }

    /// Whether an exit of the firing goes again by itself, or a person keeps what one was for.
    fn is_to_come(&self, goes_again: impl Fn(&OrderRecord) -> bool) -> bool {
        let has_gone = |order: &OrderRecord| self.book.after(order.number).any(|next| next.parent_command_id == Some(order.command_id));
        let goes = |order: &OrderRecord| is_within(order.updated_at, LONGEST, self.now) && goes_again(order) && !has_gone(order);
        let is_kept =
            |order: &OrderRecord| [order.tag, order.cancel_wanted].contains(&Some(Tag::CancelledByUser)) && self.is_since_it_fired(order);
        self.sent_since().any(|order| is_kept(order) || goes(order))
    }
}

/// True for so long after that time. A clock that stands before it was set back: nothing is held up until it has caught up.
fn is_within(at: DateTime<Utc>, wait: Duration, now: DateTime<Utc>) -> bool {
    (Duration::zero()..wait).contains(&now.signed_duration_since(at))
}

/// How long after the end of this exit a fired rule goes on by itself: with another exit, or armed as before. `None`: a person must look.
#[must_use]
pub fn goes_on_after(rule: &ExitRule, ended: &OrderRecord) -> Option<Duration> {
    if !rule.sends_exits() {
        return None;
    }
    let backed_off = Duration::seconds(1).checked_mul(1 << rule.attempt.min(6)).unwrap_or(LONGEST).min(LONGEST);
    if rule.fired.is_some_and(|fired| !fired.cause.is_urgent()) {
        return Some(backed_off.max(LOST_AFTER));
    }
    match rejection(rule, ended) {
        Rejection::Cutoff | Rejection::NothingThere | Rejection::TakenBack => None,
        Rejection::Margin | Rejection::Session => Some(backed_off.max(SLOW)),
        Rejection::Freeze | Rejection::Circuit | Rejection::Other => Some(backed_off),
    }
}

fn rejection(rule: &ExitRule, ended: &OrderRecord) -> Rejection {
    match ended.tag {
        Some(Tag::BrokerRejected) => classify(ended.reason.as_deref().unwrap_or("")),
        Some(Tag::MarketClosed) => Rejection::Session,
        // Of the other products the broker's positions tell within two reads that they were closed, and the rule ends.
        Some(Tag::NoPosition) if rule.holding.product == Product::Cnc => Rejection::NothingThere,
        _ => Rejection::Other,
    }
}

/// Whether orders of that time are on disk only. That a rule has fired is written with its exit, so that one was there.
fn is_forgotten(book: &Book, at: DateTime<Utc>) -> bool {
    let oldest = book.last_number().checked_sub(NEWEST_KEPT).and_then(|gone| book.order_by_number(gone + 1));
    oldest.is_some_and(|oldest| oldest.created_at > at)
}

impl ExitRule {
    /// Whether it sends exits until its position is left: it has fired, and nobody has switched it off since. The combined exit of a
    /// strategy leaves its positions whatever their own rules are.
    #[must_use]
    pub fn sends_exits(&self) -> bool {
        self.fired.is_some_and(|fired| self.is_on || fired.cause == Cause::Combined)
    }

    /// As a person switches it off: what was to be flat soon is not any more, and an exit of it that is on its way is the last. A target
    /// whose limit rests is still known as what it is. `is_left`: the combined exit of the strategy has fired, and leaves the position.
    #[must_use]
    pub fn switched_off(self, who: String, is_left: bool) -> Self {
        let fired = match self.fired {
            Some(fired) if is_left => Some(Fired { cause: Cause::Combined, ..fired }),
            fired => fired.filter(|fired| !fired.cause.is_urgent()),
        };
        let attempt = if is_left { self.attempt } else { 0 };
        Self { is_on: false, who, fired, attempt, ..self }
    }

    /// With the verdict of a person who has switched off what stands there, if this one was made before that was heard of.
    #[must_use]
    pub fn kept_off_by(&self, stands: &Self) -> Option<Self> {
        // Only a person switches a rule on again, and that is said anew.
        let is_undone = !stands.is_on && self.is_on && self.set_at == stands.set_at;
        let is_left = self.fired.is_some_and(|fired| fired.cause == Cause::Combined);
        is_undone.then(|| self.clone().switched_off(stands.who.clone(), is_left))
    }

    /// The same of their texts: what is written of a firing.
    #[must_use]
    pub fn text_kept_off(stands: &str, fired: &str) -> Option<String> {
        let rule = |text: &str| serde_json::from_str::<Self>(text).ok();
        serde_json::to_string(&rule(fired)?.kept_off_by(&rule(stands)?)?).ok()
    }

    /// The exit of its firing that is open, or what was sent again for it.
    #[must_use]
    pub fn open_exit<'a>(&'a self, book: &'a Book) -> Option<&'a Arc<OrderRecord>> {
        let signal = self.fired?.signal;
        let mut open = book.open_in(&self.holding.instrument);
        open.find(|order| order.signal_id == signal || book.first_of(order).signal_id == signal)
    }

    /// The signal of its firing, if another cause can go on with the exit that is open: nobody has cancelled an order of it, or
    /// cancels one. Whoever takes a profit back has not said that the position shall have no stop.
    #[must_use]
    pub fn exit_to_take_over(&self, book: &Book) -> Option<SignalId> {
        let signal = self.fired?.signal;
        let first = book.first_of(self.open_exit(book)?);
        let from = book.siblings(first).map(|order| order.number).chain([first.number]).min()?;
        let is_of_it = |order: &OrderRecord| order.signal_id == signal || book.first_of(order).signal_id == signal;
        let is_cancelled =
            |order: &OrderRecord| order.tag == Some(Tag::CancelledByUser) || (order.cancel_wanted.is_some() && !order.status.is_terminal());
        let is_left = !book.after(from.saturating_sub(1)).any(|order| is_of_it(order) && is_cancelled(order));
        is_left.then_some(signal)
    }

    /// From whom an exit of it is that fires for that cause.
    #[must_use]
    pub fn sender(&self, cause: Cause) -> String {
        format!("{cause} of {}", self.strategy)
    }

    /// From whom its stop is that rests at the broker, and what takes the place of that.
    #[must_use]
    pub fn sender_of_stop(&self) -> String {
        format!("resting stop of {}", self.strategy)
    }

    /// Whether the rule, or one before it of the same position, sent that exit.
    #[must_use]
    pub fn has_sent(&self, order: &OrderRecord) -> bool {
        let is_sender = || Cause::ALL.iter().any(|cause| self.sender(*cause) == *order.user) || self.sender_of_stop() == *order.user;
        matches!(order.source, Source::System | Source::Stop) && is_sender()
    }

    /// Whether a square-off of everything takes care of the position.
    #[must_use]
    pub fn is_squared_off(&self, book: &Book) -> bool {
        self.holding.product != Product::Cnc
            && book.control().level_for(&self.strategy) >= crate::persistence::KillLevel::SquareOff
            && !book.control().is_frozen()
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
