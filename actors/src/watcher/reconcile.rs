//! The comparison of our book with the broker's: pure. What a row proves becomes a fact; what a book does not prove
//! changes nothing. Applying the same book twice says nothing new.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::news::{is_overtaken, is_whole, news};
use super::owner::{Oddity, Owner, owner, rank, trade_owner, twin, twins};
use crate::order::{BookState, BrokerOrderId, CommandId, OrderFact, OrderRecord, Tag, trading_date};
use crate::persistence::{Book, Level, alarm};
use crate::ports::{BookRow, TradeRow};
use crate::watcher::Findings;

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
    /// Open orders of earlier days with a number, which the book of today does not show.
    pub past: Vec<CommandId>,
    /// The book is empty, though orders got a number today: absence is not concluded from it.
    pub is_blank: bool,
    /// Orders in doubt that a row without our tag could be: their absence is not proven by this book.
    pub twins: Vec<CommandId>,
    /// Rows that may be about orders which ended here so long ago that only the disk knows them.
    pub old: Vec<Arc<BookRow>>,
    /// A tag of our shape that this data directory never wrote: another engine, or a restored backup.
    pub strange_tag: bool,
    /// Rows by which somebody trades this account as we do, and why each says so: entries stop.
    pub rivals: Vec<(BrokerOrderId, &'static str)>,
    /// Rows that the broker's book had today and has not now: nothing is concluded from absence in it.
    pub vanished: usize,
    /// The rows that must be compared again with the next book, changed or not. Of the others both sides agree that the
    /// order has ended.
    pub unsettled: Vec<Arc<BookRow>>,
    /// The rows of orders of ours that work, as both sides know them.
    pub working: Vec<(CommandId, Arc<BookRow>)>,
    /// The highest number among the rows that were compared.
    pub highest: Option<BrokerOrderId>,
}

impl BookReading {
    /// Whether the book is the whole truth: every row of it could be read, and no order that we know of is missing.
    #[must_use]
    pub fn tells_all(&self, is_clean: bool) -> bool {
        is_clean && self.lacks.is_empty()
    }
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
    reading.past = past(book, &shown, began_seq, now);
    reading.is_blank = is_blank(book, &shown, began_seq, now);
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
    // An answer may have a row twice; what somebody else has traded counts once.
    let mut foreign: HashSet<&BrokerOrderId> = HashSet::new();
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
                    reading.rivals.extend(is_at_work(row).then(|| (row.broker_order_id.clone(), DOUBLED)));
                }
                let news = news(order, row);
                is_settled = news.is_none() && order.status.is_terminal() && row.state != BookState::Open;
                if news.is_none() && row.state == BookState::Open && order.status.is_at_broker() {
                    reading.working.push((order.command_id, Arc::clone(row)));
                }
                if let Some(fact) = news.filter(|_| !is_overtaken(order, row, began_seq)) {
                    reading.facts.push((order.command_id, fact));
                }
            }
            Owner::OursEnded => reading.old.push(Arc::clone(row)),
            Owner::Strange(strange) => {
                let rival = match strange.oddity {
                    Oddity::NeverWritten => Some(NEVER_WRITTEN),
                    Oddity::Doubled => is_at_work(row).then_some(DOUBLED),
                    Oddity::Mismatch => None,
                };
                reading.rivals.extend(rival.map(|why| (row.broker_order_id.clone(), why)));
                reading.strange_tag |= strange.oddity == Oddity::NeverWritten;
                reading.concerns.push(strange.concern());
                if foreign.insert(&row.broker_order_id) {
                    reading.foreign.push(Arc::clone(row));
                }
            }
            Owner::Foreign => {
                // A broker that does not give tags back shows our old orders as it shows anybody's.
                if row.tag.is_none() && book.has_forgotten() {
                    reading.old.push(Arc::clone(row));
                }
                if foreign.insert(&row.broker_order_id) {
                    reading.foreign.push(Arc::clone(row));
                }
            }
        }
        if !is_settled {
            reading.unsettled.push(Arc::clone(row));
        }
    }
}

const NEVER_WRITTEN: &str = "the broker's book carries a tag that this data directory never wrote";
const DOUBLED: &str = "the broker's book has a second order with the tag of one of ours: a second engine may send what this one sends";

/// Whether the order works, or has filled.
fn is_at_work(row: &BookRow) -> bool {
    row.state == BookState::Open || row.filled > 0
}

fn double(order: &OrderRecord, one: &BookRow, other: &BookRow) -> Concern {
    Concern {
        event: alarm::DOUBLE_ORDER,
        level: Level::Page,
        text: format!("broker orders {} and {} are both order {}", one.broker_order_id, other.broker_order_id, order.command_id),
        command_id: Some(order.command_id),
    }
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
        // Known to be missing, or said by a person not to be there.
        .filter(|order| !order.is_in_doubt() && order.tag != Some(Tag::NotAtBroker))
        .map(|order| order.command_id)
        .collect()
}

/// Open orders with a number that were sent on an earlier day, and that are not among those shown. Those in doubt too: what
/// was not known of one before may be by now.
fn past(book: &Book, shown: &HashSet<&BrokerOrderId>, began_seq: u64, now: DateTime<Utc>) -> Vec<CommandId> {
    let today = trading_date(now);
    book.open_orders()
        .filter(|order| order.seq <= began_seq)
        .filter(|order| order.broker_order_id.as_ref().is_some_and(|id| !shown.contains(id)))
        .filter(|order| order.sent_at.is_some_and(|sent| trading_date(sent) < today))
        .map(|order| order.command_id)
        .collect()
}

/// What becomes of an order of an earlier day that today's books do not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Over {
    /// It is over, and the broker's net of what it would be held in is what we hold there.
    Lapsed(String),
    /// It may have filled unseen.
    InDoubt(String),
    /// The broker's positions (and for delivery its holdings) cannot tell yet: they were not read since.
    NotTold(String),
}

/// It was for its day only, so it is over. What of it filled after it was last seen is told by what the broker holds.
pub(super) fn lapse(book: &Book, order: &OrderRecord, findings: &Findings) -> Over {
    let sent = order.sent_at.map_or_else(String::new, |at| trading_date(at).to_string());
    let since = |text: &str| format!("sent for {sent} and not in today's books; {text}");
    let unknown = "whether it filled after it was last seen is not known";
    let Some(key) = order.holding() else { return Over::InDoubt(since(unknown)) };
    let known_until = order.seq.max(book.last_fill_seq(&key));
    let positions = findings.positions.as_ref().filter(|positions| positions.began_seq >= known_until);
    // A book that lacks what it must have tells nothing of what filled either.
    let positions = positions.filter(|positions| book.gross(&key).net() == 0 || positions.tells_of(&key, book));
    let Some(net) = positions.and_then(|_| findings.net(&key)) else { return Over::NotTold(since(unknown)) };
    if net == book.gross(&key).net() && order.filled_quantity == order.traded_quantity {
        return Over::Lapsed(since("the broker's position is what its known fills leave"));
    }
    Over::InDoubt(since(unknown))
}

/// Whether the book is empty, though orders got a number today. Nobody but a person can tell such a book from a lie.
fn is_blank(book: &Book, shown: &HashSet<&BrokerOrderId>, began_seq: u64, now: DateTime<Utc>) -> bool {
    let today = trading_date(now);
    shown.is_empty()
        && book.newest().any(|order| {
            order.seq <= began_seq
                && order.broker_order_id.is_some()
                && order.tag != Some(Tag::NotAtBroker)
                && order.sent_at.is_some_and(|sent| trading_date(sent) == today)
        })
}

/// The orders of which these trades come to more than they are for: people must look, and what is too much is not recorded. `rows`
/// are all trades of the orders that are among them, `orders` an order book of after them: somebody may have made one larger.
#[must_use]
pub(super) fn beyond(book: &Book, rows: &[Arc<TradeRow>], orders: &[Arc<BookRow>]) -> Vec<Concern> {
    let shown = |order: &OrderRecord| {
        let row = orders.iter().find(|row| order.broker_order_id.as_ref() == Some(&row.broker_order_id));
        row.map_or(0, |row| row.quantity.max(row.filled))
    };
    let concern = |(order, sum): (&OrderRecord, i64)| Concern {
        event: "ALARM_FILLS_BEYOND_ORDER",
        level: Level::Page,
        text: format!(
            "the broker's trade book has {sum} units of order {}, which is for {}; what is too much is not recorded: look at the broker's trades and positions",
            order.command_id,
            most(order)
        ),
        command_id: Some(order.command_id),
    };
    too_many(book, rows).filter(|(order, sum)| *sum > shown(order)).map(concern).collect()
}

/// The broker's numbers of the orders of which these trades come to more than we know them to be for.
pub(super) fn beyond_known(book: &Book, rows: &[Arc<TradeRow>]) -> BTreeSet<BrokerOrderId> {
    too_many(book, rows).filter_map(|(order, _)| order.broker_order_id.clone()).collect()
}

fn too_many<'a>(book: &'a Book, rows: &[Arc<TradeRow>]) -> impl Iterator<Item = (&'a OrderRecord, i64)> {
    let mut sums: BTreeMap<CommandId, (&OrderRecord, i64)> = BTreeMap::new();
    for row in rows {
        if let Some(order) = trade_owner(book, row) {
            let sum = &mut sums.entry(order.command_id).or_insert((order, 0)).1;
            *sum = sum.saturating_add(row.fill.quantity.value());
        }
    }
    sums.into_values().filter(|(order, sum)| order.quantity() > 0 && *sum > most(order))
}

fn most(order: &OrderRecord) -> i64 {
    order.quantity_most().max(order.filled_quantity)
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
