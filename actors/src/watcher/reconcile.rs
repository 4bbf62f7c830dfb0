//! The comparison of our book with the broker's: pure. What a row proves becomes a fact; what a book does not prove
//! changes nothing. Applying the same book twice says nothing new.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use crate::order::{BookState, BrokerOrderId, CommandId, OrderFact, OrderRecord, Status, Tag, trading_date};
use crate::persistence::{Book, Level, read_tag};
use crate::ports::{BookRow, TradeRow};

/// The broker tells whole seconds by a clock of its own.
const CLOCKS_APART: Duration = Duration::minutes(1);

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
    /// A tag of our shape that this data directory never wrote: another engine, or a restored backup.
    pub strange_tag: bool,
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
    let mut seen: HashMap<CommandId, &BookRow> = HashMap::with_capacity(book.open_count());
    for row in rows {
        match owner(book, row, tag_prefix) {
            Owner::Ours(order) => {
                if !order.status.is_terminal()
                    && let Some(twin) = seen.insert(order.command_id, row)
                    && twin.broker_order_id != row.broker_order_id
                {
                    reading.concerns.push(double(order, twin, row));
                }
                if let Some(fact) = news(order, row).filter(|_| !is_overtaken(order, row, began_seq)) {
                    reading.facts.push((order.command_id, fact));
                }
            }
            Owner::OursEnded if row.state == BookState::Open => reading.concerns.push(Concern {
                event: "ALARM_OLD_ORDER_LIVE",
                level: Level::Page,
                text: format!(
                    "broker order {} ({} {} {}) carries our tag and is working, but it ended here long ago; cancel it at the broker",
                    row.broker_order_id, row.side, row.quantity, row.instrument
                ),
                command_id: None,
            }),
            Owner::OursEnded => {}
            Owner::Strange(concern) => {
                reading.strange_tag |= concern.event == "ALARM_STRANGE_TAG";
                reading.concerns.push(concern);
                reading.foreign.push(Arc::clone(row));
            }
            Owner::Foreign => reading.foreign.push(Arc::clone(row)),
        }
    }
    for (order, row) in twins(book, &reading.foreign) {
        reading.twins.push(order.command_id);
        reading.concerns.push(twin(order, row));
    }
    let today = trading_date(now);
    let shown: HashSet<&BrokerOrderId> = rows.iter().map(|row| &row.broker_order_id).collect();
    // While something is being looked for, the orders that have ended count too: a book without them tells nothing.
    // What a person found not to be there is not asked of the book.
    let ended = book
        .newest()
        .filter(|order| order.status.is_terminal() && order.tag != Some(Tag::NotAtBroker))
        .take(if book.doubts().next().is_some() { usize::MAX } else { 0 });
    reading.lacks = book
        .open_orders()
        .chain(ended)
        .filter(|order| order.seq <= began_seq && order.broker_order_id.as_ref().is_some_and(|id| !shown.contains(id)))
        .filter(|order| order.sent_at.is_some_and(|sent| trading_date(sent) == today))
        .map(|order| order.command_id)
        .collect();
    reading
}

/// Whether the order ended here after the read began: a live row may be from before that end, and the next book tells.
fn is_overtaken(order: &OrderRecord, row: &BookRow, began_seq: u64) -> bool {
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
    if let Some(order) = book.order_by_broker_id(&row.broker_order_id) {
        return Owner::Ours(order);
    }
    let Some((prefix, number)) = row.tag.as_deref().and_then(read_tag) else { return Owner::Foreign };
    let strange = |event, text| Owner::Strange(Concern { event, level: Level::Page, text, command_id: None });
    if prefix != tag_prefix {
        return strange(
            "ALARM_STRANGE_TAG",
            format!(
                "broker order {} carries the tag of another ordergate ({prefix}, ours is {tag_prefix}): a second engine trades this account",
                row.broker_order_id
            ),
        );
    }
    match book.order_by_number(number) {
        Some(order) if order.broker_order_id.as_ref().is_some_and(|id| *id != row.broker_order_id) => strange(
            "ALARM_DOUBLE_ORDER",
            format!(
                "broker orders {} and {} both carry the tag of order {}",
                row.broker_order_id,
                order.broker_order_id.as_ref().map_or("", |id| id.as_str()),
                order.command_id
            ),
        ),
        Some(order) if !order.is_for(&row.instrument) || order.ask.side != Some(row.side) => strange(
            "ALARM_TAG_MISMATCH",
            format!(
                "broker order {} carries the tag of order {} but is {} {} there; not adopted, look at it",
                row.broker_order_id, order.command_id, row.side, row.instrument
            ),
        ),
        Some(order) => Owner::Ours(order),
        None if number <= book.last_number() => Owner::OursEnded,
        None => strange(
            "ALARM_STRANGE_TAG",
            format!(
                "broker order {} carries our tag number {number}, which this journal never wrote: a restored backup, or a second copy of this data directory",
                row.broker_order_id,
            ),
        ),
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
fn news(order: &OrderRecord, row: &BookRow) -> Option<OrderFact> {
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

/// The trades of a complete trade book that we do not hold. A trade that we do hold is refused by its key on disk, so
/// handing over one too many is harmless.
#[must_use]
pub fn read_trades(book: &Book, rows: &[Arc<TradeRow>]) -> Vec<(CommandId, OrderFact)> {
    let ours = |row: &TradeRow| book.order_by_broker_id(&row.fill.broker_order_id).filter(|order| !order.is_test());
    let is_whole = |order: &OrderRecord| {
        order.status.is_terminal() && order.traded_quantity >= order.filled_quantity && order.traded_quantity >= order.quantity()
    };
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

/// The orders that are being looked for: sent, unanswered, not found. Absence is concluded only from several
/// authoritative books in a row, after a quiet period in which no call for the order ran.
#[derive(Debug, Default)]
pub struct Search {
    missing: BTreeMap<CommandId, Missing>,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    quiet_since: DateTime<Utc>,
    order_books: u32,
    trade_books: u32,
}

/// How long and how often to look.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The quiet period, and the broker's visibility bound on top.
    pub quiet: Duration,
    /// Books in a row.
    pub books: u32,
}

impl Search {
    /// Brings the list in line with the book: `is_running` tells whether a call for the order still runs.
    pub fn follow(&mut self, book: &Book, now: DateTime<Utc>, is_running: impl Fn(CommandId) -> bool) {
        let doubts: BTreeMap<CommandId, ()> = book
            .doubts()
            .filter(|order| order.broker_order_id.is_none() && order.filled_quantity == 0 && !is_running(order.command_id))
            .map(|order| (order.command_id, ()))
            .collect();
        self.missing.retain(|command, _| doubts.contains_key(command));
        for command in doubts.into_keys() {
            self.missing.entry(command).or_insert(Missing { quiet_since: now, order_books: 0, trade_books: 0 });
        }
    }

    /// An authoritative order book without these orders was read.
    pub fn missed_orders(&mut self, patience: Patience, now: DateTime<Utc>) {
        for missing in self.missing.values_mut().filter(|missing| now.signed_duration_since(missing.quiet_since) >= patience.quiet) {
            missing.order_books = missing.order_books.saturating_add(1);
        }
    }

    /// An authoritative trade book was read.
    pub fn missed_trades(&mut self, patience: Patience, now: DateTime<Utc>) {
        for missing in self.missing.values_mut().filter(|missing| now.signed_duration_since(missing.quiet_since) >= patience.quiet) {
            missing.trade_books = missing.trade_books.saturating_add(1);
        }
    }

    /// For these the counting starts anew: a row of the book could be theirs.
    pub fn start_over_for(&mut self, orders: &[CommandId]) {
        for (_, missing) in self.missing.iter_mut().filter(|(command, _)| orders.contains(command)) {
            (missing.order_books, missing.trade_books) = (0, 0);
        }
    }

    /// A book that proves nothing was read, or something changed: the counting starts anew.
    pub fn start_over(&mut self) {
        for missing in self.missing.values_mut() {
            missing.order_books = 0;
            missing.trade_books = 0;
        }
    }

    /// The orders whose absence is proven now.
    #[must_use]
    pub fn proven(&self, patience: Patience) -> Vec<(CommandId, OrderFact)> {
        self.missing
            .iter()
            .filter(|(_, missing)| missing.order_books >= patience.books && missing.trade_books >= patience.books)
            .map(|(command, missing)| {
                let evidence = format!(
                    "{} order books and {} trade books in a row without it, quiet since {}",
                    missing.order_books, missing.trade_books, missing.quiet_since
                );
                (*command, OrderFact::Absent { evidence })
            })
            .collect()
    }

    /// How many orders are being looked for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.missing.len()
    }

    /// Whether nothing is being looked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
