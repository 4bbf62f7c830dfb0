//! The one state machine of an order. Facts come in from everywhere, in any order; what they do to the committed
//! row is decided here and nowhere else. A fact that no longer fits changes nothing.
//!
//! ```text
//! CREATED ─▶ SENT_TO_BROKER ─▶ PARTIAL ─▶ EXECUTED
//!    └──────────────┴─────────────┴─────▶ FAILED ─(late truth)▶ back to where the broker proves it; so EXECUTED
//! ```

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::fact::{Answered, BookState, CallAnswer, ChangeCall, Fill, Heard, OrderFact, Resolution, Shown, Terms, recorded_type};
use super::ids::BrokerOrderId;
use super::money::Quantity;
use super::pricing::Pricing;
use super::record::{Asked, OrderRecord};
use super::tag::Tag;
use super::words::{Intent, Status};

/// Changes of one order that are remembered until the book has overtaken them.
const ASKED_KEPT: usize = 8;

/// Why a fact changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the order is {current} already")]
pub struct NotApplied {
    /// Where the order is.
    pub current: Status,
}

/// What a fact did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The row after it.
    pub record: OrderRecord,
    /// Whether the broker proved us wrong about an order that had ended here: a person is paged.
    pub late_truth: bool,
}

/// Applies a fact to the committed row.
///
/// # Errors
/// [`NotApplied`] when the fact no longer fits, or says nothing new.
pub fn apply(record: &OrderRecord, fact: &OrderFact, at: DateTime<Utc>) -> Result<Transition, NotApplied> {
    let unfit = NotApplied { current: record.status };
    let mut next = record.clone();
    next.updated_at = at;
    let late_truth = take(&mut next, record, fact, at).ok_or(unfit)?;
    // A book row that repeats what we know is not an event; a call going out or coming back always is.
    let always = matches!(fact, OrderFact::CallIntended { .. } | OrderFact::CallReplied { .. });
    if !always && same(record, &next) {
        return Err(unfit);
    }
    Ok(Transition { record: next, late_truth })
}

/// Takes a fact into `next`, which begins as the row `before`. Says whether late truth re-opened the order; `None`: the fact does not
/// fit.
fn take(next: &mut OrderRecord, before: &OrderRecord, fact: &OrderFact, at: DateTime<Utc>) -> Option<bool> {
    let created = before.status == Status::Created;
    let sent = before.sent_at.is_some();
    let at_broker = before.status.is_at_broker();
    let numbered = before.broker_order_id.is_some();
    match fact {
        OrderFact::Refused { tag, reason, .. } | OrderFact::CancelWanted { tag, reason } if created => fail(next, *tag, reason),
        OrderFact::Suspect { cause } if created => fail(next, Tag::EngineFault, cause),
        OrderFact::Aimed { intent, side, quantity, product, reason } if created && can_be_aimed(before) => {
            next.ask.intent = Some(*intent);
            (next.ask.side, next.ask.quantity, next.ask.product) = (Some(*side), Some(*quantity), Some(*product));
            next.reason = Some(Arc::from(reason.as_str()));
        }
        OrderFact::SendIntended { terms, note, high_water, .. } if created => send(next, terms, note.as_deref(), high_water.as_ref(), at),

        OrderFact::NotSent { tag, reason } | OrderFact::Rejected { tag, reason } if may_be_absent(before) => fail(next, *tag, reason),
        OrderFact::Absent { evidence } if may_be_absent(before) => fail(next, Tag::NotAtBroker, evidence),
        OrderFact::Accepted { broker_order_id } if sent && !numbered => return Some(named(next, broker_order_id)),
        OrderFact::Unconfirmed { cause } | OrderFact::Suspect { cause } if at_broker && !numbered && !before.is_in_doubt() => {
            doubt(next, cause);
        }
        OrderFact::Unseen { evidence } if has_sure_number(before) => doubt(next, evidence),
        OrderFact::Lapsed { evidence } if at_broker && numbered => fail(next, Tag::BrokerExpired, evidence),
        OrderFact::TestEnded { success } if at_broker && before.is_test() => end_test(next, *success),

        OrderFact::Book { .. } if sent => return Some(book(next, fact)),
        OrderFact::Fill(fill) if sent && is_missing(before, fill) => return Some(filled(next, fill)),
        OrderFact::TermsShown { was, now, basis, by_hand }
            if has_sure_number(before) && was != now && is_as_looked_at(before, *basis, was) =>
        {
            terms_shown(next, *now, by_hand.then_some(at));
        }

        OrderFact::CancelWanted { tag, .. } if at_broker && is_wanted(before, *tag) => next.cancel_wanted = Some(*tag),
        OrderFact::CallIntended { call: ChangeCall::Cancel, .. } if at_broker => {}
        OrderFact::CallIntended { call: ChangeCall::Modify, terms, .. } if at_broker => change_intended(next, terms.as_ref()),
        OrderFact::CallReplied { call, answer, change } if sent => call_replied(next, *call, answer, change.as_ref()),

        OrderFact::Resolved { verdict: Resolution::AtBroker(id), .. } if sent && !numbered && (before.is_in_doubt() || !at_broker) => {
            return Some(named(next, id));
        }
        OrderFact::Resolved { verdict: Resolution::Absent, reason } if can_be_given_up(before) => fail(next, Tag::NotAtBroker, reason),
        _ => return None,
    }
    Some(false)
}

/// Whether the order may never have come to the broker: nothing of it was ever seen there.
fn may_be_absent(order: &OrderRecord) -> bool {
    order.status.is_at_broker() && order.broker_order_id.is_none() && order.filled_quantity == 0
}

/// Whether the order is at the broker under a number that is not in doubt.
fn has_sure_number(order: &OrderRecord) -> bool {
    order.status.is_at_broker() && order.broker_order_id.is_some() && !order.is_in_doubt()
}

/// Whether a person may say that the order is not at the broker. With a number too: a broker can take an order and lose it. What it
/// filled before stays. If the broker shows it after all, that is late truth.
fn can_be_given_up(order: &OrderRecord) -> bool {
    order.status.is_at_broker() && (order.broker_order_id.is_some() || (order.is_in_doubt() && order.filled_quantity == 0))
}

/// Once: what an order was worked out from may have moved on, and what it is now was judged.
fn can_be_aimed(record: &OrderRecord) -> bool {
    record.is_unaimed() || (record.ask.intent == Some(Intent::Adjust) && record.ask.target_position.is_none())
}

/// The first wish stands. Only what was to make room for another order may still become what a person wants gone: then none follows.
fn is_wanted(record: &OrderRecord, tag: Tag) -> bool {
    record.cancel_wanted.is_none_or(|wanted| wanted == Tag::Replaced && tag == Tag::CancelledByUser)
}

/// Whether the row is still the one that was looked at, priced like that.
fn is_as_looked_at(record: &OrderRecord, basis: u64, was: &Pricing) -> bool {
    record.seq == basis && Pricing::from(record) == *was
}

fn send(next: &mut OrderRecord, terms: &Terms, note: Option<&str>, high_water: Option<&BrokerOrderId>, at: DateTime<Utc>) {
    settle(next, terms);
    next.status = Status::SentToBroker;
    next.sent_at = Some(at);
    next.high_water = high_water.cloned();
    next.tag = None;
    next.reason = note.map(Arc::from);
}

/// The number is known now. Returns whether late truth re-opened the order.
fn named(next: &mut OrderRecord, id: &BrokerOrderId) -> bool {
    next.broker_order_id = Some(id.clone());
    let reopened = reopen_if_failed(next);
    clear_doubt(next);
    reopened
}

/// Whether the order is at the broker is not known any more.
fn doubt(next: &mut OrderRecord, cause: &str) {
    next.tag = Some(Tag::SendUnconfirmed);
    next.reason = Some(Arc::from(cause));
}

/// A change is about to go out. From here on the order may be for more: whoever sizes another order must see it before the answer is
/// there.
fn change_intended(next: &mut OrderRecord, terms: Option<&Terms>) {
    next.modifications = next.modifications.saturating_add(1);
    let total = terms.map(|terms| terms.quantity);
    next.reach = next.reach.max(total.filter(|total| total.value() > next.quantity()));
    next.asked.extend(terms.map(|terms| Asked { terms: terms.clone(), is_taken: false }));
    let too_many = next.asked.len().saturating_sub(ASKED_KEPT);
    next.asked.drain(..too_many);
}

fn call_replied(next: &mut OrderRecord, call: ChangeCall, answer: &CallAnswer, change: Option<&Answered>) {
    if let Some(change) = change {
        heard(next, change);
    }
    if call == ChangeCall::Modify {
        // What was never called may stand beside one that was, and that one still counts.
        let is_called = matches!(answer, CallAnswer::Called(_));
        next.reach = next.reach.filter(|_| !is_called).min(largest_asked(next));
    }
}

/// What a person tells must be all that is missing: a trade that came meanwhile has told a part of it.
fn is_missing(record: &OrderRecord, fill: &Fill) -> bool {
    !fill.trade_id.is_told_by_a_person() || fill.quantity.value() == record.filled_quantity - record.traded_quantity
}

fn same(before: &OrderRecord, after: &OrderRecord) -> bool {
    let mut after = after.clone();
    after.updated_at = before.updated_at;
    *before == after
}

fn fail(next: &mut OrderRecord, tag: Tag, reason: &str) {
    next.status = Status::Failed;
    (next.pending, next.reach) = (None, None);
    next.asked.clear();
    next.tag = Some(tag);
    next.reason = Some(Arc::from(reason));
}

/// The order as it is sent; it carries the price of its limit, also where it stays a market order in the record.
fn settle(next: &mut OrderRecord, terms: &Terms) {
    next.ask.order_type = Some(recorded_type((next.ask.order_type, next.ask.price), (terms.order_type, terms.price)));
    next.ask.side = Some(terms.side);
    next.ask.quantity = Some(terms.quantity);
    next.ask.product = Some(terms.product);
    next.ask.validity = terms.validity;
    next.ask.price = terms.price;
    next.ask.trigger_price = terms.trigger_price;
}

/// The largest total that a change which may still come into force asks for; `None`: none asks for more than the order is for.
fn largest_asked(order: &OrderRecord) -> Option<Quantity> {
    order.asked.iter().map(|asked| asked.terms.quantity).filter(|total| total.value() > order.quantity()).max()
}

/// Takes in the broker's answer to a change. A change that is refused is forgotten: it explains nothing that the book may show later.
fn heard(next: &mut OrderRecord, change: &Answered) {
    let is_that = |asked: &Asked| asked.terms == change.terms;
    match change.heard {
        Heard::Refused => {
            if let Some(place) = next.asked.iter().rposition(is_that) {
                next.asked.remove(place);
            }
            return;
        }
        Heard::Taken => {
            if let Some(asked) = next.asked.iter_mut().rev().find(|asked| is_that(asked)) {
                asked.is_taken = true;
            }
        }
        Heard::Unclear => {}
    }
    answered(next, &change.terms);
}

/// Another pricing stands at the broker. If somebody changed the order there, what we had asked for before is overtaken, or still
/// to come.
fn terms_shown(next: &mut OrderRecord, now: Pricing, by_hand: Option<DateTime<Utc>>) {
    (next.ask.order_type, next.ask.price, next.ask.trigger_price) = (now.order_type, now.price, now.trigger_price);
    next.by_hand = by_hand;
    if by_hand.is_some() {
        if let Some(terms) = next.pending.take().filter(|terms| !next.asked.iter().any(|asked| asked.terms == *terms)) {
            next.asked.push(Asked { terms, is_taken: false });
        }
    } else {
        next.asked.retain(|asked| Pricing::from(&asked.terms) != now);
    }
}

/// A change was taken, or may have been. An "Ok" only acknowledges: the book settles the change, and until then both quantities count.
fn answered(next: &mut OrderRecord, terms: &Terms) {
    if next.status.is_at_broker() {
        next.pending = Some(terms.clone());
    } else if next.status == Status::Executed && next.ask.quantity == Some(terms.quantity) {
        // It filled before the answer came. Either its row was here before, and the record shows it, or it is still to come.
        if terms.is_shown_by(Some(terms.order_type), &next.shown()) { settle(next, terms) } else { next.pending = Some(terms.clone()) }
    }
}

/// Settles the change that is under way by a row of the order book. If the row shows it, the change is in force. If the order has ended
/// without it, the change is dropped, and the terms that the row shows stand.
fn take_shown(next: &mut OrderRecord, shown: &Shown, has_ended: bool) {
    let before = next.ask.order_type;
    if let Some(terms) = next.pending.take_if(|terms| terms.is_shown_by(before, shown)) {
        // A change of the quantity alone leaves a person's prices in force.
        next.by_hand = next.by_hand.filter(|_| (terms.price, terms.trigger_price) == (next.ask.price, next.ask.trigger_price));
        settle(next, &terms);
        // Of those that the broker took, the last stands.
        next.asked.retain(|asked| !asked.is_taken && asked.terms != terms);
    } else if has_ended {
        next.pending = None;
        (next.ask.order_type, next.ask.price, next.ask.trigger_price) = next.ended_as(shown);
    }
}

fn clear_doubt(next: &mut OrderRecord) {
    if next.tag == Some(Tag::SendUnconfirmed) {
        next.tag = None;
        next.reason = None;
    }
}

/// The way out of FAILED: the broker proves that the order is live or filled. Out of EXECUTED leads only a working row for
/// more units than it was executed for.
fn reopen_if_failed(next: &mut OrderRecord) -> bool {
    if next.status != Status::Failed {
        return false;
    }
    next.status = if next.filled_quantity > 0 { Status::Partial } else { Status::SentToBroker };
    next.tag = None;
    next.reason = None;
    true
}

/// Returns whether late truth re-opened the order.
fn book(next: &mut OrderRecord, fact: &OrderFact) -> bool {
    let OrderFact::Book { broker_order_id, state, filled, average_price, quantity, price, trigger_price, order_type, reason, .. } = fact
    else {
        return false;
    };
    let shown = Shown { quantity: *quantity, price: *price, trigger_price: *trigger_price, order_type: *order_type };
    let has_ended = *state != BookState::Open;
    if next.broker_order_id.is_none() {
        next.broker_order_id = Some(broker_order_id.clone());
    }
    let news = *filled > next.filled_quantity;
    if news {
        next.filled_quantity = *filled;
        next.average_price = average_price.or(next.average_price);
    }
    let mut reopened = false;
    if next.status == Status::Failed {
        let is_live = *state == BookState::Open;
        // Ends that we know and the book repeats are no news; a live row, or a fill that we did not have, is.
        let ended_here = matches!(
            next.tag,
            Some(Tag::BrokerCancelled | Tag::BrokerExpired | Tag::BrokerRejected | Tag::RateLimited | Tag::BrokerNotLoggedIn)
        ) || next.tag.is_some_and(Tag::is_cancel);
        if ended_here && !is_live && !news {
            return false;
        }
        if !is_live && !news && (next.filled_quantity == 0 || next.tag == Some(Tag::NotAtBroker)) {
            // Absent for us, ended for the broker: the broker's word replaces ours.
            end_as(next, *state, reason.as_deref());
            return false;
        }
        reopened = reopen_if_failed(next);
    }
    clear_doubt(next);
    if next.status == Status::Executed {
        let has_remainder = *state == BookState::Open && *quantity > next.quantity().max(next.filled_quantity);
        if !has_remainder {
            // Its trades may come before the row that shows the change under which it filled.
            if has_ended {
                take_shown(next, &shown, true);
            }
            return reopened;
        }
        reopened = true;
    }
    if let Some(quantity) = Quantity::new(*quantity).filter(|_| !has_ended || next.pending.is_some()) {
        next.ask.quantity = Some(quantity);
    }
    take_shown(next, &shown, has_ended);
    match state {
        BookState::Open if next.filled_quantity > 0 => next.status = Status::Partial,
        BookState::Open => next.status = Status::SentToBroker,
        BookState::Complete => execute(next),
        BookState::Rejected | BookState::Cancelled | BookState::Expired
            if next.quantity() > 0 && next.filled_quantity >= next.quantity() =>
        {
            execute(next)
        }
        BookState::Rejected | BookState::Cancelled | BookState::Expired => end_as(next, *state, reason.as_deref()),
    }
    reopened
}

/// A change that waits for its row waits on: the trades do not tell under which limit they came about.
fn execute(next: &mut OrderRecord) {
    next.status = Status::Executed;
    next.reach = None;
    next.tag = None;
    next.reason = None;
}

fn end_as(next: &mut OrderRecord, state: BookState, reason: Option<&str>) {
    let tag = match (state, next.cancel_wanted) {
        (BookState::Rejected, _) => Tag::BrokerRejected,
        (BookState::Expired, _) => Tag::BrokerExpired,
        (_, Some(wanted)) => wanted,
        _ => Tag::BrokerCancelled,
    };
    let words = reason.map_or_else(|| tag.words().to_owned(), str::to_owned);
    let words =
        if next.filled_quantity > 0 { format!("{words}; {} of {} filled before", next.filled_quantity, next.quantity()) } else { words };
    fail(next, tag, &words);
}

/// Returns whether late truth re-opened the order. The sum of the trades is as good a truth as the book's cumulative
/// figure; whichever is more is right.
fn filled(next: &mut OrderRecord, fill: &Fill) -> bool {
    if next.broker_order_id.is_none() {
        next.broker_order_id = Some(fill.broker_order_id.clone());
    }
    let known = next.filled_quantity;
    next.traded_quantity += fill.quantity.value();
    next.traded_value = next.traded_value.plus(fill.price.times(fill.quantity.value()));
    if next.traded_quantity >= next.filled_quantity {
        next.filled_quantity = next.traded_quantity;
        next.average_price = next.traded_value.per_unit(next.traded_quantity).or(next.average_price);
    }
    let proves_us_wrong = matches!(
        next.tag,
        Some(Tag::NotAtBroker | Tag::NotSent | Tag::BrokerRejected | Tag::RateLimited | Tag::BrokerNotLoggedIn | Tag::EngineFault)
    );
    // What was known to have filled when a person ended it is no news.
    let is_known = next.tag == Some(Tag::NotAtBroker) && next.traded_quantity <= known;
    let reopened = next.status == Status::Failed && proves_us_wrong && !is_known && reopen_if_failed(next);
    clear_doubt(next);
    let whole = next.quantity() > 0 && next.filled_quantity >= next.quantity_most();
    match next.status {
        Status::Executed => {}
        _ if whole => execute(next),
        Status::SentToBroker => next.status = Status::Partial,
        _ => {}
    }
    reopened
}

fn end_test(next: &mut OrderRecord, success: bool) {
    next.tag = Some(Tag::TestMode);
    next.reason = Some(Arc::from(if success {
        "test_mode SUCCESS: never sent to the broker"
    } else {
        "test_mode FAILURE: never sent to the broker"
    }));
    next.status = if success { Status::Executed } else { Status::Failed };
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
