//! Whose a row of the broker's books is: by the broker's number, then by the whole tag, and by nothing else. Terms prove nothing,
//! because anybody may send the same; what could be ours all the same is named, so that a person can say it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::reconcile::Concern;
use crate::order::{BrokerOrderId, CommandId, OrderRecord, Tag, trading_date};
use crate::persistence::{Book, Level, alarm, cut_tag, read_tag};
use crate::ports::{BookRow, TradeRow};

/// Whose a row is.
pub(super) enum Owner<'a> {
    Ours(&'a Arc<OrderRecord>),
    /// Ended here long ago; its row is no longer in memory.
    OursEnded,
    Strange(Strange),
    Foreign,
}

/// A row that carries a tag of our shape and is no order of ours.
pub(super) struct Strange {
    pub(super) oddity: Oddity,
    text: String,
}

/// What is odd about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    /// This data directory never wrote the tag.
    NeverWritten,
    /// The order of that tag is there under another number.
    Doubled,
    /// The row cannot be the order of that tag.
    Mismatch,
}

impl Strange {
    /// As people hear of it.
    pub(super) fn concern(self) -> Concern {
        let event = match self.oddity {
            Oddity::NeverWritten => "ALARM_STRANGE_TAG",
            Oddity::Doubled => alarm::DOUBLE_ORDER,
            Oddity::Mismatch => "ALARM_TAG_MISMATCH",
        };
        Concern { event, level: Level::Page, text: self.text, command_id: None }
    }
}

/// Numbers are counted up; a longer one is later.
pub(super) fn rank(id: &BrokerOrderId) -> (usize, &str) {
    (id.as_str().len(), id.as_str())
}

/// Whose a row of the order book is.
pub(super) fn owner<'a>(book: &'a Book, row: &BookRow, tag_prefix: &str) -> Owner<'a> {
    if let Some(order) = book.order_by_broker_id(&row.broker_order_id, trading_date(row.at)) {
        return Owner::Ours(order);
    }
    // The number of another day: only of an order that waits for news, and only if the row can be it.
    let unfinished = book.unfinished_by_broker_id(&row.broker_order_id).filter(|order| is_of(order, row));
    if let Some(order) = unfinished {
        return Owner::Ours(order);
    }
    let Some((prefix, number)) = row.tag.as_deref().and_then(read_tag) else {
        return cut_tag_of_ended(book, row, tag_prefix).map_or(Owner::Foreign, Owner::Strange);
    };
    let strange = |text| Owner::Strange(Strange { oddity: Oddity::NeverWritten, text });
    if prefix != tag_prefix {
        return strange(format!(
            "broker order {} carries the tag of another ordergate ({prefix}, ours is {tag_prefix}): a second engine trades this account",
            row.broker_order_id
        ));
    }
    match book.order_by_number(number) {
        Some(order) => misfit(order, row).map_or(Owner::Ours(order), Owner::Strange),
        None if number <= book.last_number() => Owner::OursEnded,
        None => strange(format!(
            "broker order {} carries our tag number {number}, which this journal never wrote: a restored backup, or a second copy of this data directory",
            row.broker_order_id,
        )),
    }
}

/// Whether the row is of no order of ours, whatever it carries.
pub(super) fn is_foreign(book: &Book, row: &BookRow, tag_prefix: &str) -> bool {
    matches!(owner(book, row, tag_prefix), Owner::Foreign | Owner::Strange(_))
}

/// Whether the row is for what the order is for.
fn is_of(order: &OrderRecord, row: &BookRow) -> bool {
    order.is_for(&row.instrument) && order.ask.side == Some(row.side)
}

/// Whether a row under a number that a person gave can be the order: it is for the same, and for as much, unless what is left of its tag
/// tells that it began as the order.
pub fn is_row_of(order: &OrderRecord, row: &BookRow) -> bool {
    let has_part_of_tag = || row.tag.as_deref().is_some_and(|tag| cut_tag(tag).is_some() && order.broker_tag.as_str().starts_with(tag));
    let is_as_large = || row.quantity == order.quantity() || row.tag.as_deref() == Some(order.broker_tag.as_str()) || has_part_of_tag();
    is_of(order, row) && order.ask.product == Some(row.product) && is_as_large()
}

/// Why a row that carries the order's tag is not the order all the same.
pub(super) fn misfit(order: &OrderRecord, row: &BookRow) -> Option<Strange> {
    let strange = |oddity, text| Some(Strange { oddity, text });
    match &order.broker_order_id {
        Some(id) if *id != row.broker_order_id => strange(
            Oddity::Doubled,
            format!("broker orders {} and {id} both carry the tag of order {}", row.broker_order_id, order.command_id),
        ),
        // A copy of the directory gives its numbers a second time, and so their tags.
        None if is_from_before(order, row) => strange(
            Oddity::Mismatch,
            format!(
                "broker order {} carries the tag of order {}, but was there before that was sent; not adopted, look at it: a restored copy of this data directory gives tags a second time, and so does a second engine on a copy",
                row.broker_order_id, order.command_id
            ),
        ),
        _ if !is_of(order, row) => strange(
            Oddity::Mismatch,
            format!(
                "broker order {} carries the tag of order {} but is {} {} there; not adopted, look at it",
                row.broker_order_id, order.command_id, row.side, row.instrument
            ),
        ),
        _ => None,
    }
}

/// Whether the row was there before the order was sent: by the broker's number, and by its clock, which may be a minute off.
fn is_from_before(order: &OrderRecord, row: &BookRow) -> bool {
    let is_earlier = |sent: DateTime<Utc>| sent.signed_duration_since(row.at) > TimeDelta::minutes(1);
    !is_after(order, &row.broker_order_id) && order.sent_at.is_some_and(is_earlier)
}

/// Whose a trade is: it finds its order by the broker's number only.
pub(super) fn trade_owner<'a>(book: &'a Book, row: &TradeRow) -> Option<&'a Arc<OrderRecord>> {
    let id = &row.fill.broker_order_id;
    let unfinished = || book.unfinished_by_broker_id(id).filter(|order| order.ask.exchange == Some(row.exchange));
    book.order_by_broker_id(id, trading_date(row.fill.at)).or_else(unfinished).filter(|order| !order.is_test())
}

/// Orders in doubt, each with a row that no order owns and that could be it: an order whose tag was lost or cut on its
/// way looks so.
pub(super) fn twins<'a>(book: &'a Book, foreign: &'a [Arc<BookRow>]) -> Vec<(&'a OrderRecord, &'a BookRow)> {
    book.doubts()
        .filter(|order| order.broker_order_id.is_none())
        .filter_map(|order| foreign.iter().find(|row| could_be(order, row)).map(|row| (order.as_ref(), row.as_ref())))
        .collect()
}

/// Whether the row could be the order, whose number is not known: its own number is above all that were known when the
/// order was sent, and it carries the beginning of the order's tag, or no tag of our shape and the order's quantity.
fn could_be(order: &OrderRecord, row: &BookRow) -> bool {
    is_after(order, &row.broker_order_id)
        && is_of(order, row)
        && match row.tag.as_deref() {
            Some(tag) if cut_tag(tag).is_some() => order.broker_tag.as_str().starts_with(tag) && order.ask.product == Some(row.product),
            tag => tag.and_then(read_tag).is_none() && row.quantity == order.quantity(),
        }
}

/// Whether the broker gave the number after the order was sent.
fn is_after(order: &OrderRecord, id: &BrokerOrderId) -> bool {
    order.high_water.as_ref().is_none_or(|high| rank(id) > rank(high))
}

pub(super) fn twin(order: &OrderRecord, row: &BookRow) -> Concern {
    Concern {
        event: alarm::IN_DOUBT,
        level: Level::Page,
        text: format!(
            "order {} got no clear answer, and broker order {} ({} {} {}) has no whole tag and could be it; it is not adopted: look at it at the broker and resolve the order",
            order.command_id, row.broker_order_id, row.side, row.quantity, row.instrument
        ),
        command_id: Some(order.command_id),
    }
}

/// Orders in doubt that a trade of no known order could belong to: their absence is not proven by this trade book. `rows`
/// is the order book as last read; it tells what the number of a trade is for, and a number that it lacks may be
/// anything.
pub(super) fn trade_twins(book: &Book, trades: &[Arc<TradeRow>], rows: &[Arc<BookRow>]) -> Vec<CommandId> {
    let doubts: Vec<_> = book.doubts().filter(|order| order.broker_order_id.is_none()).collect();
    if doubts.is_empty() {
        return Vec::new();
    }
    let known: HashMap<&BrokerOrderId, &Arc<BookRow>> = rows.iter().map(|row| (&row.broker_order_id, row)).collect();
    let could_be_of = |order: &OrderRecord, trade: &TradeRow| {
        let id = &trade.fill.broker_order_id;
        order.ask.exchange == Some(trade.exchange)
            && trade.fill.quantity.value() <= order.quantity()
            && is_after(order, id)
            && known.get(id).is_none_or(|row| could_be(order, row))
            && trade_owner(book, trade).is_none()
    };
    let held = doubts.into_iter().filter(|order| trades.iter().any(|trade| could_be_of(order, trade)));
    held.map(|order| order.command_id).collect()
}

/// Whether there is a trade of an order that neither we nor the newest order book know: one of the two books lies.
pub(super) fn has_unexplained(book: &Book, trades: &[Arc<TradeRow>], rows: &[Arc<BookRow>]) -> bool {
    let shown: HashSet<&BrokerOrderId> = rows.iter().map(|row| &row.broker_order_id).collect();
    trades.iter().any(|trade| !shown.contains(&trade.fill.broker_order_id) && trade_owner(book, trade).is_none())
}

/// A row that carries a part of the tag of an order which ended here without a number, and that could be that order. A part of a
/// tag proves nothing: it stands on the rows of all orders whose tags begin so, and on what was placed anew from one of them by
/// hand. While the order is in doubt its row is a twin; here it has ended, and a person must look at it all the same.
fn cut_tag_of_ended(book: &Book, row: &BookRow, tag_prefix: &str) -> Option<Strange> {
    let (_, numbers) = row.tag.as_deref().and_then(cut_tag).filter(|(prefix, _)| *prefix == tag_prefix)?;
    let fits = |order: &&Arc<OrderRecord>| {
        order.status.is_terminal() && order.broker_order_id.is_none() && order.sent_at.is_some() && !order.is_test() && could_be(order, row)
    };
    let order = numbers.filter_map(|number| book.order_by_number(number)).rev().find(fits)?;
    Some(Strange {
        oddity: Oddity::Mismatch,
        text: format!(
            "broker order {} carries a part of the tag of order {} and could be it, but that order has ended here ({}); not adopted, look at it",
            row.broker_order_id,
            order.command_id,
            order.tag.map_or("no tag", Tag::as_str)
        ),
    })
}
