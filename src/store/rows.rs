//! Rows to values. A text is taken only in the one spelling in which it is written, so that a row that reads back is
//! the row that was hashed.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::order::{
    Ask, Asked, BasketId, BrokerOrderId, BrokerTag, ClientId, CommandId, EndPrice, Exchange, ExitAt, ExitExtras, Fill, Holding, HoldingKey,
    InstrumentKey, Intent, OrderRecord, OrderType, Points, Price, Product, Quantity, Routed, Side, SignalId, Source, Status, Strategy, Tag,
    Terms, TestMode, TradeId, Trailing, TrailingType, Validity,
};
use ordergate_actors::persistence::chain::stored_time;
use ordergate_actors::persistence::{Alarm, Kept, Level, Slot, Topic};
use ordergate_actors::pnl::{DayChange, Move, Told};
use ordergate_actors::ports::{JournalRow, SignalRow};
use rusqlite::Row;
use rusqlite::types::{FromSql, Type};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::range::Trade;

pub(super) const ORDER: &str = "client_id, command_id, number, signal_id, leg, basket_id, parent_command_id, source, user, \
    strategy_name, execution_type, exchange, symbol, side, quantity, product, order_type, validity, price, trigger_price, seen_price, stop_loss, \
    target, trailing_type, trailing_value, exits, test_mode, target_position, cancel_after_s, route, status, tag, reason, broker_tag, broker_order_id, filled_quantity, \
    average_price, traded_quantity, traded_value, cancel_wanted, modifications, reach, high_water, pending, asked, by_hand, signal_time, created_at, updated_at, sent_at, seq";
pub(super) const JOURNAL: &str =
    "client_id, seq, prev_hash, at, event, command_id, signal_id, from_status, to_status, tag, reason, who, inputs";
pub(super) const SIGNAL: &str = "client_id, signal_id, idempotency_key, body_hash, source, user, received_at, legs";
pub(super) const ALARM: &str = "client_id, id, event, level, text, command_id, at, last_at, count";
pub(super) const KEPT: &str = "client_id, topic, key, value, seq, updated_at";
pub(super) const FILL: &str = "trade_id, broker_order_id, quantity, price, at";

type Result<T> = rusqlite::Result<T>;

/// What a column's text means.
trait Word: Sized {
    fn read(text: &str) -> Option<Self>;
}

macro_rules! word {
    ($($name:ident: $read:expr;)+) => { $(impl Word for $name { fn read(text: &str) -> Option<Self> { let read: fn(&str) -> Option<Self> = $read; read(text) } })+ };
}

macro_rules! spelled { ($($name:ident)+) => { word! { $($name: |text| $name::parse(text).filter(|word| word.as_str() == text);)+ } }; }
macro_rules! parsed { ($($name:ident)+) => { word! { $($name: |text| $name::parse(text).ok();)+ } }; }
macro_rules! uuids { ($($name:ident)+) => { word! { $($name: |text| uuid(text).map($name);)+ } }; }

spelled! { Intent Side Product OrderType Validity Exchange Source TestMode TrailingType Status Tag Level Topic }
parsed! { ClientId Strategy BrokerOrderId BrokerTag TradeId Price EndPrice }
word! { Routed: |text| Routed::read(text).ok(); }
uuids! { CommandId SignalId BasketId }
word! {
    NaiveDate: |text| text.parse::<NaiveDate>().ok().filter(|date| date.to_string() == text);
    Decimal: |text| Decimal::from_str_exact(text).ok();
    ExitAt: |text| text.parse::<ExitAt>().ok();
    Time: |text| text.parse::<DateTime<Utc>>().ok().filter(|at| stored_time(*at) == text).map(Time);
}

/// A column's time.
struct Time(DateTime<Utc>);

fn uuid(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (*id.hyphenated().encode_lower(&mut [0; 36]) == *text).then_some(id)
}

/// Walks a row's columns from left to right.
struct Columns<'r, 's> {
    row: &'r Row<'s>,
    at: usize,
}

impl<'r, 's> Columns<'r, 's> {
    fn of(row: &'r Row<'s>) -> Self {
        Self { row, at: 0 }
    }

    fn raw<T: FromSql>(&mut self) -> Result<T> {
        self.at += 1;
        self.row.get(self.at - 1)
    }

    fn maybe_text(&mut self) -> Result<Option<&'r str>> {
        self.at += 1;
        Ok(self.row.get_ref(self.at - 1)?.as_str_or_null()?)
    }

    fn maybe<T: Word>(&mut self) -> Result<Option<T>> {
        match self.maybe_text()? {
            None => Ok(None),
            Some(text) => T::read(text).map(Some).ok_or_else(|| self.unreadable(text)),
        }
    }

    fn word<T: Word>(&mut self) -> Result<T> {
        self.maybe()?.ok_or_else(|| self.unreadable("NULL"))
    }

    fn text(&mut self) -> Result<Arc<str>> {
        self.maybe_text()?.map(Arc::from).ok_or_else(|| self.unreadable("NULL"))
    }

    fn time(&mut self) -> Result<DateTime<Utc>> {
        self.word::<Time>().map(|time| time.0)
    }

    fn integer<T: TryFrom<i64>>(&mut self) -> Result<T> {
        let value = self.raw::<i64>()?;
        T::try_from(value).map_err(|_| self.unreadable(&value.to_string()))
    }

    fn unreadable(&self, text: &str) -> rusqlite::Error {
        let column = self.row.as_ref().column_name(self.at - 1).unwrap_or("?");
        let why = format!("{column} holds {:?}", text.chars().take(80).collect::<String>());
        rusqlite::Error::FromSqlConversionFailure(self.at - 1, Type::Text, why.into())
    }
}

/// Whether the error is about what a row holds, not about the disk.
pub(super) fn is_unreadable(cause: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    matches!(cause, FromSqlConversionFailure(..) | InvalidColumnType(..) | IntegralValueOutOfRange(..))
}

/// Reads the columns of [`ORDER`].
pub(super) fn order(row: &Row<'_>) -> Result<OrderRecord> {
    let c = &mut Columns::of(row);
    Ok(OrderRecord {
        client_id: c.word()?,
        command_id: c.word()?,
        number: c.integer()?,
        signal_id: c.word()?,
        leg: c.integer()?,
        basket_id: c.word()?,
        parent_command_id: c.maybe()?,
        source: c.word()?,
        user: c.text()?,
        ask: ask(c)?,
        status: c.word()?,
        tag: c.maybe()?,
        reason: c.maybe_text()?.map(Arc::from),
        broker_tag: c.word()?,
        broker_order_id: c.maybe()?,
        filled_quantity: c.integer()?,
        average_price: c.maybe()?,
        traded_quantity: c.integer()?,
        traded_value: Points(c.word()?),
        cancel_wanted: c.maybe()?,
        modifications: c.integer()?,
        reach: units(c)?,
        high_water: c.maybe()?,
        pending: terms(c)?,
        asked: asked(c)?,
        by_hand: c.maybe::<Time>()?.map(|time| time.0),
        signal_time: c.time()?,
        created_at: c.time()?,
        updated_at: c.time()?,
        sent_at: c.maybe::<Time>()?.map(|time| time.0),
        seq: c.integer()?,
    })
}

fn units(c: &mut Columns<'_, '_>) -> Result<Option<Quantity>> {
    let Some(units) = c.raw::<Option<i64>>()? else { return Ok(None) };
    Quantity::new(units).map(Some).ok_or_else(|| c.unreadable(&units.to_string()))
}

fn terms(c: &mut Columns<'_, '_>) -> Result<Option<Terms>> {
    let Some(text) = c.maybe_text()? else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|_| c.unreadable(text))
}

fn asked(c: &mut Columns<'_, '_>) -> Result<Vec<Asked>> {
    let Some(text) = c.maybe_text()? else { return Ok(Vec::new()) };
    serde_json::from_str(text).map_err(|_| c.unreadable(text))
}

fn exits(c: &mut Columns<'_, '_>) -> Result<ExitExtras> {
    let Some(text) = c.maybe_text()? else { return Ok(ExitExtras::default()) };
    serde_json::from_str(text).map_err(|_| c.unreadable(text))
}

fn ask(c: &mut Columns<'_, '_>) -> Result<Ask> {
    Ok(Ask {
        strategy: c.word()?,
        intent: c.maybe()?,
        exchange: c.maybe()?,
        symbol: c.text()?,
        side: c.maybe()?,
        quantity: units(c)?,
        product: c.maybe()?,
        order_type: c.maybe()?,
        validity: c.word()?,
        price: c.maybe()?,
        trigger_price: c.maybe()?,
        seen_price: c.maybe()?,
        stop_loss: c.maybe()?,
        target: c.maybe()?,
        trailing: match (c.maybe()?, c.maybe()?) {
            (Some(kind), Some(value)) => Some(Trailing { kind, value }),
            (None, None) => None,
            _ => return Err(c.unreadable("half of a trailing stop")),
        },
        exits: exits(c)?,
        test_mode: c.maybe()?,
        target_position: c.raw()?,
        cancel_after_s: match c.raw::<Option<i64>>()? {
            None => None,
            Some(seconds) => Some(u32::try_from(seconds).map_err(|_| c.unreadable(&seconds.to_string()))?),
        },
        route: c.maybe::<Routed>()?.map(Arc::new),
    })
}

/// Reads the columns of [`JOURNAL`].
pub(super) fn journal(row: &Row<'_>) -> Result<JournalRow> {
    let c = &mut Columns::of(row);
    Ok(JournalRow {
        client_id: chain(c)?,
        seq: c.integer()?,
        prev_hash: c.raw()?,
        at: c.time()?,
        event: c.text()?,
        command_id: c.maybe()?,
        signal_id: c.maybe()?,
        from: c.maybe()?,
        to: c.maybe()?,
        tag: c.maybe()?,
        reason: c.maybe_text()?.map(Arc::from),
        who: c.text()?,
        inputs: c.text()?,
    })
}

/// Reads the columns of [`KEPT`].
pub(super) fn kept(row: &Row<'_>) -> Result<(Option<ClientId>, Slot, Kept)> {
    let c = &mut Columns::of(row);
    let of = chain(c)?;
    let slot = Slot { topic: c.word()?, key: c.text()? };
    Ok((of, slot, Kept { value: c.text()?, seq: c.integer()?, at: c.time()? }))
}

/// Reads the columns of [`ALARM`].
pub(super) fn alarm(row: &Row<'_>) -> Result<(Option<ClientId>, Alarm)> {
    let c = &mut Columns::of(row);
    let of = chain(c)?;
    let alarm = Alarm {
        seq: c.integer()?,
        event: c.text()?,
        level: c.word()?,
        text: c.text()?,
        command_id: c.maybe()?,
        at: c.time()?,
        last_at: c.time()?,
        count: c.integer()?,
    };
    Ok((of, alarm))
}

/// A chain's column: '' is the chain of events without an account.
fn chain(c: &mut Columns<'_, '_>) -> Result<Option<ClientId>> {
    match c.maybe_text()? {
        Some("") => Ok(None),
        Some(text) => ClientId::parse(text).map(Some).map_err(|_| c.unreadable(text)),
        None => Err(c.unreadable("NULL")),
    }
}

/// Reads the columns of [`SIGNAL`].
pub(super) fn signal(row: &Row<'_>) -> Result<SignalRow> {
    let c = &mut Columns::of(row);
    Ok(SignalRow {
        client_id: c.word()?,
        signal_id: c.word()?,
        idempotency_key: c.raw()?,
        body_hash: c.raw()?,
        source: c.word()?,
        user: c.text()?,
        received_at: c.time()?,
        legs: c.integer()?,
    })
}

/// Reads the columns of [`FILL`].
pub(super) fn fill(row: &Row<'_>) -> Result<Fill> {
    let c = &mut Columns::of(row);
    Ok(Fill { trade_id: c.word()?, broker_order_id: c.word()?, quantity: c.integer()?, price: c.word()?, at: c.time()? })
}

/// The columns of a trade with what its order says of it; `f` and `o`.
pub(super) const TRADE: &str = "f.trade_id, f.broker_order_id, f.quantity, f.price, f.at, f.command_id, o.strategy_name, f.exchange, \
    o.symbol, o.side, o.product";

/// Reads the columns of [`TRADE`].
pub(super) fn trade(row: &Row<'_>) -> Result<Trade> {
    let c = &mut Columns::of(row);
    Ok(Trade {
        fill: Fill { trade_id: c.word()?, broker_order_id: c.word()?, quantity: c.integer()?, price: c.word()?, at: c.time()? },
        command_id: c.word()?,
        strategy: c.word()?,
        exchange: c.word()?,
        symbol: c.text()?,
        side: c.maybe()?,
        product: c.maybe()?,
    })
}

/// The columns of a trade with its order, as [`traded`] reads them; `f` and `o`.
pub(super) const TRADED: &str = "f.seq, f.trading_date, o.strategy_name, f.exchange, o.symbol, o.product, f.before_net, f.before_cost, \
    f.before_realised, o.number, o.side, f.quantity, f.price, o.seen_price, f.at";
pub(super) const CORRECTION: &str = "seq, trading_date, strategy_name, exchange, symbol, product, before_net, before_cost, \
    before_realised, kind, side, quantity, price, settled_on, told_price, told_seq";

/// Reads the columns of [`TRADED`].
pub(super) fn traded(row: &Row<'_>) -> Result<DayChange> {
    let c = &mut Columns::of(row);
    changed(c, |c| {
        Ok(Move::Traded { order: c.integer()?, side: c.word()?, quantity: c.integer()?, price: c.word()?, seen: c.maybe()?, at: c.time()? })
    })
}

/// Reads the columns of [`CORRECTION`].
pub(super) fn correction(row: &Row<'_>) -> Result<DayChange> {
    let c = &mut Columns::of(row);
    changed(c, |c| {
        let kind = c.text()?;
        let (side, units, price, settled_on) = (c.maybe()?, c.raw::<i64>()?, c.maybe()?, c.maybe()?);
        let (told_price, told_seq) = (c.maybe()?, c.raw::<Option<i64>>()?);
        let told = told_price.zip(told_seq).map(|(price, seq)| Told { price, seq: seq.unsigned_abs() });
        match (&*kind, side, Quantity::new(units), price, settled_on) {
            _ if told_price.is_some() != told_seq.is_some() => Err(c.unreadable("half of a price that was told")),
            ("LEFT", None, _, None, None) => Ok(Move::Left { units, told }),
            ("SETTLED", None, _, None, Some(on)) => Ok(Move::Settled { units, on, told }),
            ("TAKEN", Some(side), Some(quantity), Some(price), None) => Ok(Move::Taken { side, quantity, price }),
            ("TOLD_LATE", Some(side), Some(quantity), Some(price), None) => Ok(Move::ToldLate { side, quantity, price }),
            _ => Err(c.unreadable(&kind)),
        }
    })
}

fn changed(c: &mut Columns<'_, '_>, what: impl FnOnce(&mut Columns<'_, '_>) -> Result<Move>) -> Result<DayChange> {
    let (seq, day, strategy) = (c.integer()?, c.word()?, c.word()?);
    let instrument = InstrumentKey { exchange: c.word()?, symbol: c.text()? };
    let key = HoldingKey { instrument, product: c.word()? };
    let before = Holding { net: c.raw()?, cost: Points(c.word()?), realised: Points(c.word()?), opened_at: None };
    Ok(DayChange { seq, day, strategy, key, before, what: what(c)? })
}

/// Reads `strategy_name, exchange, symbol, product, net, cost, realised, opened_at`.
pub(super) fn holding(row: &Row<'_>) -> Result<super::load::HeldRow> {
    let c = &mut Columns::of(row);
    let strategy = c.word()?;
    let instrument = InstrumentKey { exchange: c.word()?, symbol: c.text()? };
    let key = HoldingKey { instrument, product: c.word()? };
    Ok((
        strategy,
        key,
        Holding { net: c.raw()?, cost: Points(c.word()?), realised: Points(c.word()?), opened_at: c.maybe::<Time>()?.map(|time| time.0) },
    ))
}
