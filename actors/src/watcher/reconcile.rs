//! The comparison of our book with the broker's: pure. What a row proves becomes a fact; what a book does not prove
//! changes nothing. Applying the same book twice says nothing new.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::order::{BookState, BrokerOrderId, CommandId, OrderFact, OrderRecord, Status, Tag, trading_date};
use crate::persistence::{Book, Level, cut_tag, read_tag};
use crate::ports::{BookRow, TradeRow};
use crate::watcher::Positions;

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
    /// The rows that must be compared again with the next book, changed or not. Of the others both sides agree that the
    /// order has ended.
    pub unsettled: Vec<Arc<BookRow>>,
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
        // Known to be missing, or said by a person not to be there.
        .filter(|order| !order.is_in_doubt() && order.tag != Some(Tag::NotAtBroker))
        .map(|order| order.command_id)
        .collect()
}

/// Open orders with a number that were sent on an earlier day, and that are not among those shown.
fn past(book: &Book, shown: &HashSet<&BrokerOrderId>, began_seq: u64, now: DateTime<Utc>) -> Vec<CommandId> {
    let today = trading_date(now);
    book.open_orders()
        .filter(|order| order.seq <= began_seq && !order.is_in_doubt())
        .filter(|order| order.broker_order_id.as_ref().is_some_and(|id| !shown.contains(id)))
        .filter(|order| order.sent_at.is_some_and(|sent| trading_date(sent) < today))
        .map(|order| order.command_id)
        .collect()
}

/// What becomes of an order of an earlier day that today's books do not show. It was for that day only, so it is over; it
/// has lapsed if the broker's net of what it would be held in is what we hold there. Otherwise it may have filled unseen.
pub(super) fn lapse(book: &Book, order: &OrderRecord, positions: Option<&Positions>) -> OrderFact {
    let sent = order.sent_at.map_or_else(String::new, |at| trading_date(at).to_string());
    let agrees = order.holding().zip(positions).is_some_and(|(key, positions)| {
        let gross = book.gross(&key);
        positions.began_seq >= order.seq.max(book.last_fill_seq(&key)) && positions.net(&key) == gross.long - gross.short
    });
    if agrees && order.filled_quantity == order.traded_quantity {
        let evidence = format!("sent for {sent} and not in today's books; the broker's position is what its known fills leave");
        return OrderFact::Lapsed { evidence };
    }
    let evidence = format!("sent for {sent} and not in today's books; whether it filled after it was last seen is not known");
    OrderFact::Unseen { evidence }
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

/// Whether the order ended here after the read began: a live row may be from before that end, and the next book tells.
pub(super) fn is_overtaken(order: &OrderRecord, row: &BookRow, began_seq: u64) -> bool {
    order.seq > began_seq
        && (has_remainder(order, row)
            || (order.status == Status::Failed && row.state == BookState::Open && row.filled <= order.filled_quantity))
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
    let was_ended = order.status == Status::Failed
        && order.tag != Some(Tag::NotAtBroker)
        && row.state == BookState::Open
        && row.filled <= order.filled_quantity;
    order.broker_order_id.as_ref() == Some(&row.broker_order_id) && (was_ended || has_remainder(order, row))
}

/// Orders in doubt, each with a row that no order owns and that could be it: an order whose tag was lost or cut on its
/// way looks so.
fn twins<'a>(book: &'a Book, foreign: &'a [Arc<BookRow>]) -> Vec<(&'a OrderRecord, &'a BookRow)> {
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

fn twin(order: &OrderRecord, row: &BookRow) -> Concern {
    Concern {
        event: "ALARM_IN_DOUBT",
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

/// Whose a row with a cut tag is: of the orders whose tags begin so, the only one without a number that agrees in all that was
/// sent. Nothing is guessed among several, and nothing is made of an order that the broker has clearly refused: a whole tag
/// would overrule that word, a part of one does not.
fn cut_owner<'a>(book: &'a Book, row: &BookRow, tag_prefix: &str) -> Option<Owner<'a>> {
    let (_, numbers) = row.tag.as_deref().and_then(cut_tag).filter(|(prefix, _)| *prefix == tag_prefix)?;
    let fits =
        |order: &&Arc<OrderRecord>| order.broker_order_id.is_none() && order.sent_at.is_some() && !order.is_test() && could_be(order, row);
    let mut found = numbers.filter_map(|number| book.order_by_number(number)).filter(fits);
    match (found.next(), found.next()) {
        (Some(order), None) if row.quantity == order.quantity() => {
            // Absence that was concluded is no word of the broker's.
            let was_refused = order.status.is_terminal() && order.tag != Some(Tag::NotAtBroker);
            Some(if was_refused { Owner::Strange(cut_misfit(order, row)) } else { Owner::Ours(order) })
        }
        _ => None,
    }
}

fn cut_misfit(order: &OrderRecord, row: &BookRow) -> Concern {
    Concern {
        event: "ALARM_TAG_MISMATCH",
        level: Level::Page,
        text: format!(
            "broker order {} carries a part of the tag of order {} and its terms, but that order was not taken ({}); not adopted, look at it",
            row.broker_order_id,
            order.command_id,
            order.tag.map_or("no tag", Tag::as_str)
        ),
        command_id: None,
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
    let Some((prefix, number)) = row.tag.as_deref().and_then(read_tag) else {
        return cut_owner(book, row, tag_prefix).unwrap_or(Owner::Foreign);
    };
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

/// Whether an order that was executed here works on at the broker, for more units than it was executed for.
fn has_remainder(order: &OrderRecord, row: &BookRow) -> bool {
    order.status == Status::Executed && row.state == BookState::Open && row.quantity > order.quantity().max(order.filled_quantity)
}

/// The fact that a row states, if it states anything that we do not hold.
pub(super) fn news(order: &OrderRecord, row: &BookRow) -> Option<OrderFact> {
    let agrees = order.broker_order_id.as_ref() == Some(&row.broker_order_id)
        && !order.is_in_doubt()
        && row.filled <= order.filled_quantity
        && match (row.state, order.status) {
            (BookState::Open, Status::SentToBroker) => row.filled == 0 && row.quantity == order.quantity(),
            (BookState::Open, Status::Partial) => row.quantity == order.quantity(),
            (BookState::Complete, Status::Executed)
            | (BookState::Rejected | BookState::Cancelled | BookState::Expired, Status::Failed | Status::Executed) => true,
            // A book that lags behind: the order ended after this row was true.
            (BookState::Open, Status::Executed) => !has_remainder(order, row),
            _ => false,
        };
    let shown = row.shown();
    let is_over = order.status == Status::Executed && row.state != BookState::Open;
    let settles = match &order.pending {
        Some(terms) => is_over || (!order.status.is_terminal() && terms.is_shown_by(order.ask.order_type, &shown)),
        None => is_over && order.ended_as(&shown) != (order.ask.order_type, order.ask.price, order.ask.trigger_price),
    };
    (settles || !agrees).then(|| OrderFact::Book {
        broker_order_id: row.broker_order_id.clone(),
        state: row.state,
        filled: row.filled,
        average_price: row.average_price,
        quantity: row.quantity,
        price: row.price,
        trigger_price: row.trigger_price,
        order_type: row.order_type,
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
