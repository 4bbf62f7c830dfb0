//! What must be true at rest.

mod closes;
mod loud;
mod money;
mod positions;
mod protection;
mod signals;
mod terms;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate::simulator::exchange::Exchange;
use ordergate::simulator::market::Market;
use ordergate::store::{ReadStore, SimulatedDisk, VerifyFrom};
use ordergate_actors::Engine;
use ordergate_actors::order::{BookState, ClientId, CommandId, OrderRecord, Side, Status, Tag, trading_date};
use ordergate_actors::persistence::{Book, CONTROL, Replay, Topic, read_tag};
use ordergate_actors::ports::{BookRow, JournalRow};
use ordergate_actors::testkit::book_of_journal;

use super::beside::Others;
use super::world::client;
pub(crate) use closes::none_turned;
pub(crate) use positions::could_be;
pub(crate) use protection::{left_where_passed, protected, stops_rest};
pub(crate) use signals::{Answers, none_forgotten, one_answer, whole};

/// One account as its broker has it.
pub(crate) struct AtBroker<'a> {
    pub(crate) client: ClientId,
    pub(crate) exchange: Exchange,
    pub(crate) others: &'a Others,
}

/// Whatever happened: what was accepted is there, what we have of each account is what its broker has, and the journal says
/// so. `believable`: no order book lied so often in a row that absence could be concluded from it.
pub(crate) fn at_rest(
    store: &ReadStore,
    accounts: &[AtBroker<'_>],
    accepted: &[CommandId],
    believable: bool,
    market: &dyn Market,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let orders: Vec<OrderRecord> = store.every().collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    nothing_lost(&orders, accepted)?;
    let loaded = store.load().map_err(|error| error.to_string())?;
    for account in accounts {
        let AtBroker { client, exchange, others } = account;
        nothing_doubled(exchange, others)?;
        // The broker's books hold one day.
        let is_of_today = |order: &&OrderRecord| order.sent_at.is_none_or(|sent| trading_date(sent) == trading_date(now));
        let todays: Vec<&OrderRecord> = orders.iter().filter(|order| order.client_id == *client).filter(is_of_today).collect();
        books_agree(store, &todays, account)?;
        let head = loaded.accounts.iter().find(|head| head.client_id == *client);
        let held = head.map_or(&[][..], |head| &head.holdings);
        positions::agree(held.iter().map(|(_, key, holding)| (key, holding.net)), account, market, now)?;
        money::agrees(store, held, account, now)?;
    }
    for rows in journal_sound(store)? {
        let at = accounts.iter().find(|account| rows.first().is_some_and(|row| row.client_id.as_ref() == Some(&account.client)));
        signals::whole(&rows)?;
        if let Some(account) = at.filter(|_| believable) {
            absent_is_absent(&rows, &orders, account)?;
        }
    }
    Ok(())
}

/// INV-2: what is concluded not to be at the broker is not there. An order that works there and is FAILED here would be sent
/// again by whoever is told so.
fn absent_is_absent(rows: &[JournalRow], orders: &[OrderRecord], at: &AtBroker<'_>) -> Result<(), String> {
    for row in rows.iter().filter(|row| &*row.event == "NOT_AT_BROKER") {
        let order = orders.iter().find(|order| row.command_id == Some(order.command_id));
        let is_there = |order: &&OrderRecord| at.exchange.orders().iter().any(|row| is_ours(order, row) && !at.others.own(row));
        if let Some(order) = order.filter(is_there) {
            return Err(format!("INV-2: order {} was concluded not to be at the broker, which has it", order.command_id));
        }
    }
    Ok(())
}

/// INV-8: nobody has acted on that account, so nothing that somebody did to another has come to it: no change of its controls, no limit
/// set otherwise, no order that a kill or a person has ended.
pub(crate) fn left_alone(store: &ReadStore, client: &ClientId) -> Result<(), String> {
    for row in store.journal(Some(client), 0, u64::MAX) {
        let row = row.map_err(|error| error.to_string())?;
        let is_acted_on = &*row.event == CONTROL || row.event.starts_with("OVERRIDE_");
        if is_acted_on || matches!(row.tag, Some(Tag::KillSwitch | Tag::CancelledByUser)) {
            return Err(format!("INV-8: nobody acted on {client}, and it has {} ({:?})", row.event, row.reason));
        }
    }
    Ok(())
}

/// INV-3: what was answered is on disk, and has ended or works at the broker under a known number.
fn nothing_lost(orders: &[OrderRecord], accepted: &[CommandId]) -> Result<(), String> {
    for command in accepted {
        if !orders.iter().any(|order| order.command_id == *command) {
            return Err(format!("INV-3: order {command} was answered for and is not on disk"));
        }
    }
    match orders.iter().find(|order| !order.status.is_terminal() && order.broker_order_id.is_none()) {
        Some(order) => Err(format!("INV-3: order {} stands {} at rest", order.command_id, order.status)),
        None => Ok(()),
    }
}

/// Whether the broker's row is this order: its tag, its instrument, its side.
pub(crate) fn is_ours(order: &OrderRecord, row: &BookRow) -> bool {
    let is_of = order.is_for(&row.instrument) && order.ask.side.is_none_or(|side| side == row.side);
    row.tag.as_deref() == Some(order.broker_tag.as_str()) && is_of
}

/// INV-2: one broker order per tag; somebody else's with the same tag is not ours.
pub(crate) fn nothing_doubled(exchange: &Exchange, others: &Others) -> Result<(), String> {
    let mut tags: BTreeMap<String, u32> = BTreeMap::new();
    for row in exchange.orders().iter().filter(|row| !others.own(row)) {
        if let Some(tag) = row.tag.as_deref().filter(|tag| read_tag(tag).is_some()) {
            *tags.entry(tag.to_owned()).or_default() += 1;
        }
    }
    match tags.iter().find(|(_, count)| **count > 1) {
        Some((tag, count)) => Err(format!("INV-2: {count} broker orders carry tag {tag}")),
        None => Ok(()),
    }
}

/// INV-4: our orders and fills are the broker's.
fn books_agree(store: &ReadStore, orders: &[&OrderRecord], at: &AtBroker<'_>) -> Result<(), String> {
    let (rows, trades, others) = (at.exchange.orders(), at.exchange.trades(), at.others);
    for order in orders {
        let row = rows.iter().find(|row| is_ours(order, row) && !others.own(row));
        let fail = |what: String| Err(format!("INV-4: order {} ({} {:?}): {what}", order.command_id, order.status, order.tag));
        let Some(row) = row else {
            if order.broker_order_id.is_some() || (order.status == Status::Executed && !order.is_test()) {
                let named: Vec<_> = rows.iter().filter(|row| order.broker_order_id.as_ref() == Some(&row.broker_order_id)).collect();
                return fail(format!("the broker has no such order; under its number it has {named:?}"));
            }
            continue;
        };
        if order.sent_at.is_none() {
            return fail("never sent, but the broker has it".into());
        }
        if order.broker_order_id.as_ref() != Some(&row.broker_order_id) {
            return fail(format!("the broker calls it {}, we {:?}", row.broker_order_id, order.broker_order_id));
        }
        let agrees = match row.state {
            BookState::Open if row.filled == 0 => order.status == Status::SentToBroker,
            BookState::Open => order.status == Status::Partial,
            BookState::Complete => order.status == Status::Executed,
            BookState::Rejected | BookState::Cancelled | BookState::Expired => order.status == Status::Failed,
        };
        if !agrees || row.filled != order.filled_quantity {
            return fail(format!("the broker says {:?} with {} filled, we have {}", row.state, row.filled, order.filled_quantity));
        }
        if let Err(what) = terms::agree(order, row).and_then(|()| terms::fills_agree(store, order, row, &trades)) {
            return fail(what);
        }
    }
    match rows.iter().find(|row| !others.own(row) && !orders.iter().any(|order| is_ours(order, row))) {
        Some(row) => Err(format!("INV-4: broker order {} is nobody's", row.broker_order_id)),
        None => Ok(()),
    }
}

/// What no seed brings about: a bug that restarted an actor, a journal that does not verify. And, where nobody else trades, two orders of
/// one tag, or a tag that does not fit.
pub(crate) fn nothing_alarming(store: &ReadStore, accounts: &[AtBroker<'_>]) -> Result<(), String> {
    const NEVER: [&str; 2] = ["ALARM_ACTOR_RESTARTED", "ALARM_JOURNAL_BROKEN"];
    const BY_OTHERS: [&str; 3] = ["ALARM_DOUBLE_ORDER", "ALARM_TAG_MISMATCH", "ALARM_STRANGE_TAG"];
    let chains = accounts.iter().map(|at| (Some(&at.client), at.others.are_there())).chain([(None, false)]);
    for (client, others_are_there) in chains {
        let is_bad = |event: &str| NEVER.contains(&event) || (!others_are_there && BY_OTHERS.contains(&event));
        for row in store.journal(client, 0, u64::MAX) {
            let row = row.map_err(|error| error.to_string())?;
            if is_bad(&row.event) {
                return Err(format!("{}: {}", row.event, row.reason.as_deref().unwrap_or("")));
            }
        }
    }
    Ok(())
}

/// INV-7: every chain is gapless and verifies, and every table is what a replay of it makes; and what calls a person is a page.
/// Answers the chains.
pub(crate) fn journal_sound(store: &ReadStore) -> Result<Vec<Vec<JournalRow>>, String> {
    for report in store.verify(VerifyFrom::Full).map_err(|error| error.to_string())? {
        if !report.is_sound() {
            return Err(format!("INV-7: {report:?}"));
        }
    }
    if let Some(damage) = store.damage().map_err(|error| error.to_string())?.first() {
        return Err(format!("INV-7: {damage}"));
    }
    let mut chains = Vec::new();
    for head in store.heads().map_err(|error| error.to_string())? {
        let rows: Result<Vec<JournalRow>, _> = store.journal(head.client_id.as_ref(), 0, head.seq).collect();
        let rows = rows.map_err(|error| error.to_string())?;
        decided_again(&rows)?;
        loud::loud(&rows)?;
        chains.push(rows);
    }
    Ok(chains)
}

/// Every decision of the journal, taken once more from its own inputs, is the same to the byte.
fn decided_again(rows: &[JournalRow]) -> Result<(), String> {
    let mut replay = Replay::default();
    for row in rows {
        let redone = replay.redo(row).map_err(|misfit| format!("INV-7: {misfit}"))?;
        if let Some(redone) = redone.filter(|redone| redone != row) {
            return Err(format!("INV-7: taken again, {row:?} is {redone:?}"));
        }
    }
    Ok(())
}

/// How many orders went out.
pub(crate) fn sent(store: &ReadStore) -> u64 {
    store.every().map(Result::unwrap).filter(|order| order.client_id == client() && order.sent_at.is_some()).count() as u64
}

/// Every chain as text, that of the first account first, and where each of them ends: its hash is over all of every row.
pub(crate) fn whole_trace(disk: &SimulatedDisk) -> String {
    let store = ReadStore::simulated(disk).unwrap();
    let mut text = trace(disk);
    for head in store.heads().unwrap() {
        if head.client_id != Some(client()) {
            rows_as_text(&store, head.client_id.as_ref(), &mut text);
        }
        let _infallible = writeln!(text, "{:?}", head);
    }
    text
}

/// The journal of the first account as text.
pub(crate) fn trace(disk: &SimulatedDisk) -> String {
    let store = ReadStore::simulated(disk).unwrap();
    let mut text = String::new();
    rows_as_text(&store, Some(&client()), &mut text);
    text
}

fn rows_as_text(store: &ReadStore, client: Option<&ClientId>, text: &mut String) {
    for row in store.journal(client, 0, u64::MAX) {
        let row = row.unwrap();
        let status = |status: Option<Status>| status.map_or("-", Status::as_str);
        let command = row.command_id.map_or_else(String::new, |id| id.to_string());
        let _infallible = writeln!(
            text,
            "{} {} {} {command} {}>{} {} {}",
            row.seq,
            row.at.format("%H:%M:%S%.3f"),
            row.event,
            status(row.from),
            status(row.to),
            row.reason.as_deref().unwrap_or(""),
            row.inputs
        );
    }
}

/// The day that the engine has in memory is the one that a restart would read from the disk.
pub(crate) fn day_agrees(store: &ReadStore, engine: &Engine, now: DateTime<Utc>) -> Result<(), String> {
    use ordergate_actors::pnl::Day;
    let (loaded, today) = (store.load().map_err(|error| error.to_string())?, trading_date(now));
    for account in &loaded.accounts {
        let changes = store.loaded_day(&account.client_id, today).map_err(|error| error.to_string())?;
        let held = account.holdings.iter().map(|(strategy, key, held)| (strategy, key, held));
        let on_disk = Day::load(today, held, &changes);
        let in_memory = engine.read(&account.client_id, |book| book.day(today).into_owned());
        if in_memory.as_ref() != Some(&on_disk) {
            return Err(format!("the day in memory is not the one on disk: {in_memory:?} against {on_disk:?}"));
        }
    }
    Ok(())
}

/// Everything that a gate, the exit rules or a plan judges by.
fn judged_by(book: &Book, today: NaiveDate) -> Vec<(&'static str, String)> {
    let orders: Vec<_> = book.newest().collect();
    let exposures = book.exposures().map(|(key, exposure)| (key, exposure.long, exposure.short, exposure.buying, exposure.selling));
    let number = book.last_number();
    let unsent: Vec<u64> = book.later(0).map(|order| order.number).collect();
    let keys: BTreeSet<_> = orders.iter().filter_map(|order| order.instrument()).collect();
    let entering = keys.iter().map(|key| (key, book.entering(key, Side::Buy), book.entering(key, Side::Sell)));
    let doubts = book.doubts().chain(keys.iter().flat_map(|key| book.owed_in(key))).map(|order| order.number);
    // What is not kept of a contract no master tells here.
    let open = book.open_value(&ordergate::instruments::InstrumentTable::default());
    let mut all = vec![
        ("orders", format!("{number} {orders:?}")),
        ("open orders", format!("{:?}", book.open_orders().map(|order| order.number).collect::<Vec<_>>())),
        ("unsent entries", format!("{unsent:?}")),
        ("entries at the market", format!("{:?}", book.unpriced().map(|order| order.number).collect::<Vec<_>>())),
        ("entries by instrument", format!("{:?}", entering.collect::<Vec<_>>())),
        ("doubts and debts", format!("{:?}", doubts.collect::<Vec<_>>())),
        ("holdings", format!("{:?}", book.holdings().collect::<Vec<_>>())),
        ("gross holdings", format!("{:?}", book.held_keys().collect::<Vec<_>>())),
        ("exposures", format!("{:?}", exposures.collect::<Vec<_>>())),
        ("open value", format!("{} {}", open.rupees.0.normalize(), open.unknown)),
        ("entries sent today", format!("{}", book.sent_on(today))),
        ("last day of trade", format!("{:?}", book.traded_on())),
        ("controls", format!("{:?}", book.control())),
        ("the day", format!("{:?}", book.day(today))),
    ];
    all.extend(Topic::ALL.iter().map(|topic| (topic.as_str(), format!("{:?}", book.kept_of(*topic).collect::<Vec<_>>()))));
    all
}

/// What the gates judge by in memory is what a replay of the journal alone makes.
pub(crate) fn gates_agree(store: &ReadStore, engine: &Engine, now: DateTime<Utc>) -> Result<(), String> {
    engine.line().desks().try_for_each(|desk| gates_of(store, engine, &desk.client_id, trading_date(now)))
}

fn gates_of(store: &ReadStore, engine: &Engine, client: &ClientId, today: NaiveDate) -> Result<(), String> {
    let seen = engine.read(client, |book| (book.seq(), judged_by(book, today)));
    let Some((seq, in_memory)) = seen else { return Err("there is no book".to_owned()) };
    // The disk may be ahead of the memory by a commit, never behind it.
    let rows = store.journal(Some(client), 0, u64::MAX).take_while(|row| row.as_ref().map_or(true, |row| row.seq <= seq));
    let rows = rows.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let made = book_of_journal(client, &rows, today).map_err(|error| error.to_string())?;
    if seq != made.seq() {
        return Err(format!("INV-7: the book is of row {seq}, the journal ends at {}", made.seq()));
    }
    for ((what, memory), (_, journal)) in in_memory.iter().zip(judged_by(&made, today)) {
        if *memory != journal {
            return Err(format!("INV-7: {what} in memory: {memory}\nby a replay of the journal: {journal}"));
        }
    }
    Ok(())
}
