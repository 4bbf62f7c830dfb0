//! The comparison of our book with the broker's: pure. What a row proves becomes a fact; what a book does not prove
//! changes nothing. Applying the same book twice says nothing new.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::order::{BookState, BrokerOrderId, CommandId, OrderFact, OrderRecord, Status, Tag, trading_date};
use crate::persistence::{Book, Level, read_tag};
use crate::ports::{BookRow, TradeRow};

/// The broker tells whole seconds by a clock of its own.
const CLOCKS_APART: TimeDelta = TimeDelta::minutes(1);

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// Stable name.
    pub event: &'static str,
    /// How loud.
    pub level: Level,
    /// What.
    pub text: String,
    /// The order of ours, if it is about one.
    pub command_id: Option<CommandId>,
}

/// What one order book says.
#[derive(Debug, Default)]
pub struct BookReading {
    /// About our orders.
    pub facts: Vec<(CommandId, OrderFact)>,
    /// Orders that are not ours.
    pub foreign: Vec<Arc<BookRow>>,
    /// For people.
    pub concerns: Vec<Concern>,
    /// Orders that we know the broker has and this book lacks: nothing may be concluded from absence in it.
    pub lacks: Vec<CommandId>,
    /// Orders in doubt that a row without our tag could be: their absence is not proven by this book.
    pub twins: Vec<CommandId>,
    /// Rows that may be about orders which ended here so long ago that only the disk knows them.
    pub old: Vec<Arc<BookRow>>,
    /// A tag of our shape that this data directory never wrote: another engine, or a restored backup.
    pub strange_tag: bool,
    /// The rows that must be compared again with the next book, changed or not. Of the others both sides agree that the
    /// order has ended.
    pub unsettled: Vec<Arc<BookRow>>,
    /// The highest number among the rows that were compared.
    pub highest: Option<BrokerOrderId>,
}

/// Whose a row is.
enum Owner<'a> {
    Ours(&'a Arc<OrderRecord>),
    /// Ended here long ago; its row is no longer in memory.
    OursEnded,
    Strange(Concern),
    Foreign,
}

/// Compares a complete order book with ours. `began_seq` is the newest journal row when the read began.
#[must_use]
pub fn read_orders(book: &Book, rows: &[Arc<BookRow>], tag_prefix: &str, began_seq: u64, now: DateTime<Utc>) -> BookReading {
    let mut reading = BookReading::default();
    compare_rows(book, rows.iter(), tag_prefix, began_seq, &mut reading);
    for (order, row) in twins(book, &reading.foreign) {
        reading.twins.push(order.command_id);
        reading.concerns.push(twin(order, row));
    }
    let shown: HashSet<&BrokerOrderId> = rows.iter().map(|row| &row.broker_order_id).collect();
    reading.lacks = lacking(book, &shown, began_seq, now);
    reading
}

/// Compares rows with our orders, one by one.
pub(super) fn compare_rows<'a>(
    book: &Book,
    rows: impl Iterator<Item = &'a Arc<BookRow>>,
    tag_prefix: &str,
    began_seq: u64,
    reading: &mut BookReading,
) {
    let mut seen: HashMap<CommandId, &BookRow> = HashMap::with_capacity(book.open_count());
    for row in rows {
        if reading.highest.as_ref().is_none_or(|highest| rank(&row.broker_order_id) > rank(highest)) {
            reading.highest = Some(row.broker_order_id.clone());
        }
        let mut is_settled = false;
        match owner(book, row, tag_prefix) {
            Owner::Ours(order) => {
                if !order.status.is_terminal()
                    && let Some(twin) = seen.insert(order.command_id, row)
                    && twin.broker_order_id != row.broker_order_id
                {
                    reading.concerns.push(double(order, twin, row));
                }
                let news = news(order, row);
                is_settled = news.is_none() && order.status.is_terminal() && row.state != BookState::Open;
                if let Some(fact) = news.filter(|_| !is_overtaken(order, row, began_seq)) {
                    reading.facts.push((order.command_id, fact));
                }
            }
            Owner::OursEnded => reading.old.push(Arc::clone(row)),
            Owner::Strange(concern) => {
                reading.strange_tag |= concern.event == "ALARM_STRANGE_TAG";
                reading.concerns.push(concern);
                reading.foreign.push(Arc::clone(row));
            }
            Owner::Foreign => {
                // A broker that does not give tags back shows our old orders as it shows anybody's.
                if row.tag.is_none() && book.has_forgotten() {
                    reading.old.push(Arc::clone(row));
                }
                reading.foreign.push(Arc::clone(row));
            }
        }
        if !is_settled {
            reading.unsettled.push(Arc::clone(row));
        }
    }
}

/// Numbers are counted up; a longer one is later.
fn rank(id: &BrokerOrderId) -> (usize, &str) {
    (id.as_str().len(), id.as_str())
}

/// The orders of today that we know the broker has and that are not among those shown. While something is being looked
/// for, the orders that have ended count too: a book without them tells nothing.
fn lacking(book: &Book, shown: &HashSet<&BrokerOrderId>, began_seq: u64, now: DateTime<Utc>) -> Vec<CommandId> {
    let today = trading_date(now);
    // What a person found not to be there is not asked of the book.
    let ended = book
        .newest()
        .filter(|order| order.status.is_terminal() && order.tag != Some(Tag::NotAtBroker))
        .take(if book.doubts().next().is_some() { usize::MAX } else { 0 });
    book.open_orders()
        .chain(ended)
        .filter(|order| order.seq <= began_seq && order.broker_order_id.as_ref().is_some_and(|id| !shown.contains(id)))
        .filter(|order| order.sent_at.is_some_and(|sent| trading_date(sent) == today))
        .map(|order| order.command_id)
        .collect()
}

/// Whether the order ended here after the read began: a live row may be from before that end, and the next book tells.
pub(super) fn is_overtaken(order: &OrderRecord, row: &BookRow, began_seq: u64) -> bool {
    order.status == Status::Failed && order.seq > began_seq && row.state == BookState::Open && row.filled <= order.filled_quantity
}

/// One row on its own, from the stream: a hint, but what it proves is proven.
#[must_use]
pub fn read_row(book: &Book, row: &BookRow, tag_prefix: &str) -> Option<(CommandId, OrderFact)> {
    match owner(book, row, tag_prefix) {
        Owner::Ours(order) if !is_behind(order, row) => news(order, row).map(|fact| (order.command_id, fact)),
        _ => None,
    }
}

/// Whether a pushed row says that an order works which ended here by the broker's own word. Messages may be slower than
/// the books: only a book that is asked for now can tell.
#[must_use]
pub fn speaks_against_an_end(book: &Book, row: &BookRow, tag_prefix: &str) -> bool {
    matches!(owner(book, row, tag_prefix), Owner::Ours(order) if is_behind(order, row))
}

fn is_behind(order: &OrderRecord, row: &BookRow) -> bool {
    order.status == Status::Failed
        && order.tag != Some(Tag::NotAtBroker)
        && order.broker_order_id.as_ref() == Some(&row.broker_order_id)
        && row.state == BookState::Open
        && row.filled <= order.filled_quantity
}

/// Orders in doubt, each with a row that carries no tag and could be it: an order whose tag was lost on its way looks so.
fn twins<'a>(book: &'a Book, foreign: &'a [Arc<BookRow>]) -> Vec<(&'a OrderRecord, &'a BookRow)> {
    let could_be = |order: &OrderRecord, row: &BookRow| {
        row.tag.as_deref().and_then(read_tag).is_none()
            && order.is_for(&row.instrument)
            && order.ask.side == Some(row.side)
            && row.quantity == order.quantity()
            && order.sent_at.is_some_and(|sent| row.at > sent - CLOCKS_APART)
    };
    book.doubts()
        .filter(|order| order.broker_order_id.is_none())
        .filter_map(|order| foreign.iter().find(|row| could_be(order, row)).map(|row| (order.as_ref(), row.as_ref())))
        .collect()
}

fn twin(order: &OrderRecord, row: &BookRow) -> Concern {
    Concern {
        event: "ALARM_IN_DOUBT",
        level: Level::Page,
        text: format!(
            "order {} got no clear answer, and broker order {} ({} {} {}) has no tag and could be it; it is not adopted: look at it at the broker and resolve the order",
            order.command_id, row.broker_order_id, row.side, row.quantity, row.instrument
        ),
        command_id: Some(order.command_id),
    }
}

fn owner<'a>(book: &'a Book, row: &BookRow, tag_prefix: &str) -> Owner<'a> {
    if let Some(order) = book.order_by_broker_id(&row.broker_order_id, trading_date(row.at)) {
        return Owner::Ours(order);
    }
    // The number of another day: only of an order that waits for news, and only if the row can be it.
    let unfinished = book.unfinished_by_broker_id(&row.broker_order_id).filter(|order| is_of(order, row));
    if let Some(order) = unfinished {
        return Owner::Ours(order);
    }
    let Some((prefix, number)) = row.tag.as_deref().and_then(read_tag) else { return Owner::Foreign };
    let strange = |text| Owner::Strange(Concern { event: "ALARM_STRANGE_TAG", level: Level::Page, text, command_id: None });
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

/// Whether the row is for what the order is for.
fn is_of(order: &OrderRecord, row: &BookRow) -> bool {
    order.is_for(&row.instrument) && order.ask.side == Some(row.side)
}

/// Why a row that carries the order's tag is not the order all the same.
pub(super) fn misfit(order: &OrderRecord, row: &BookRow) -> Option<Concern> {
    let concern = |event, text| Some(Concern { event, level: Level::Page, text, command_id: None });
    match &order.broker_order_id {
        Some(id) if *id != row.broker_order_id => concern(
            "ALARM_DOUBLE_ORDER",
            format!("broker orders {} and {id} both carry the tag of order {}", row.broker_order_id, order.command_id),
        ),
        _ if !is_of(order, row) => concern(
            "ALARM_TAG_MISMATCH",
            format!(
                "broker order {} carries the tag of order {} but is {} {} there; not adopted, look at it",
                row.broker_order_id, order.command_id, row.side, row.instrument
            ),
        ),
        _ => None,
    }
}

fn double(order: &OrderRecord, one: &BookRow, other: &BookRow) -> Concern {
    Concern {
        event: "ALARM_DOUBLE_ORDER",
        level: Level::Page,
        text: format!("broker orders {} and {} are both order {}", one.broker_order_id, other.broker_order_id, order.command_id),
        command_id: Some(order.command_id),
    }
}

/// The fact that a row states, if it states anything that we do not hold.
pub(super) fn news(order: &OrderRecord, row: &BookRow) -> Option<OrderFact> {
    let agrees = order.broker_order_id.as_ref() == Some(&row.broker_order_id)
        && row.filled <= order.filled_quantity
        && match (row.state, order.status) {
            (BookState::Open, Status::SentToBroker) => row.filled == 0 && row.quantity == order.quantity(),
            (BookState::Open, Status::Partial) => row.quantity == order.quantity(),
            (BookState::Complete, Status::Executed)
            | (BookState::Rejected | BookState::Cancelled | BookState::Expired, Status::Failed | Status::Executed) => true,
            // A book that lags behind: the order ended after this row was true.
            (BookState::Open, Status::Executed) => true,
            _ => false,
        };
    (!agrees).then(|| OrderFact::Book {
        broker_order_id: row.broker_order_id.clone(),
        state: row.state,
        filled: row.filled,
        average_price: row.average_price,
        quantity: row.quantity,
        reason: row.reason.as_deref().map(str::to_owned),
    })
}

/// Whether an order has ended and every trade of it is recorded.
pub(super) fn is_whole(order: &OrderRecord) -> bool {
    order.status.is_terminal() && order.traded_quantity >= order.filled_quantity && order.traded_quantity >= order.quantity()
}

/// Whose a trade is: it finds its order by the broker's number only.
pub(super) fn trade_owner<'a>(book: &'a Book, row: &TradeRow) -> Option<&'a Arc<OrderRecord>> {
    let id = &row.fill.broker_order_id;
    let unfinished = || book.unfinished_by_broker_id(id).filter(|order| order.ask.exchange == Some(row.exchange));
    book.order_by_broker_id(id, trading_date(row.fill.at)).or_else(unfinished).filter(|order| !order.is_test())
}

/// The trades of a complete trade book that we do not hold. A trade that we do hold is refused by its key on disk, so
/// handing over one too many is harmless.
#[must_use]
pub fn read_trades(book: &Book, rows: &[Arc<TradeRow>]) -> Vec<(CommandId, OrderFact)> {
    let ours = |row: &TradeRow| trade_owner(book, row);
    let mut sums: HashMap<CommandId, i64> = HashMap::new();
    for row in rows {
        if let Some(order) = ours(row).filter(|order| !is_whole(order)) {
            *sums.entry(order.command_id).or_default() += row.fill.quantity.value();
        }
    }
    if sums.is_empty() {
        return Vec::new();
    }
    rows.iter()
        .filter_map(|row| {
            let order = ours(row)?;
            let sum = *sums.get(&order.command_id)?;
            (sum > order.traded_quantity).then(|| (order.command_id, OrderFact::Fill(row.fill.clone())))
        })
        .collect()
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
