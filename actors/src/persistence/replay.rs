//! The projections, made anew from the journal alone: what the tables must hold if the journal is the truth.
//!
//! Pure, and with the ledger's own rules: the same [`lifecycle::apply`], the same arithmetic of holdings, the same fold of
//! alarms. A row that those rules would not have written is a [`Misfit`].

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use super::alarms::{ACKNOWLEDGED, Alarm, AlarmInputs, Alarms};
use super::control::CONTROL;
use super::inputs::{CreatedInputs, NewOrderInputs, SignalInputs, fact_of, parsed};
use super::kept::{Kept, KeptInputs, KeptStates};
use super::redo::redone;
use super::unit::{ADOPTED, Level, PRICE_TOLD, SETTLED};
use crate::order::event;
use crate::order::{
    ClientId, CommandId, EndPrice, Fill, Given, Holding, HoldingKey, OrderFact, OrderRecord, Price, Quantity, Side, Status, Strategy,
    lifecycle, trading_date,
};
use crate::pnl::{DayChange, Move, Told};
use crate::ports::{JournalRow, SignalRow, Write};

/// A row that does not follow from the rows before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {seq}: {why}")]
pub struct Misfit {
    /// The row.
    pub seq: u64,
    /// What is wrong with it.
    pub why: String,
}

/// What the tables of one chain must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projections {
    /// Every order.
    pub orders: BTreeMap<CommandId, Arc<OrderRecord>>,
    /// Every trade, with its order, in journal order.
    pub fills: Vec<(CommandId, Fill, DayChange)>,
    /// Every change of a holding that was no trade of its day, and when it was recorded, in journal order.
    pub corrections: Vec<(DayChange, DateTime<Utc>)>,
    /// Every holding that there ever was, flat ones included, and when it last changed.
    pub holdings: BTreeMap<(Strategy, HoldingKey), (Holding, DateTime<Utc>)>,
    /// The controls as JSON text, and when they last changed.
    pub control: Option<(Arc<str>, DateTime<Utc>)>,
    /// Every signal.
    pub signals: Vec<SignalRow>,
    /// The open alarms.
    pub alarms: Alarms,
    /// The states beside the orders.
    pub kept: KeptStates,
}

impl Projections {
    /// What changed in the account's holdings since that IST day began, in the order of the journal rows.
    #[must_use]
    pub fn day(&self, from: chrono::NaiveDate) -> Vec<DayChange> {
        let traded = self.fills.iter().map(|(_, _, change)| change).filter(|change| matches!(change.what, Move::Traded { .. }));
        let mut changes: Vec<DayChange> =
            traded.chain(self.corrections.iter().map(|(change, _)| change)).filter(|change| change.day >= from).cloned().collect();
        changes.sort_unstable_by_key(|change| change.seq);
        changes
    }

    /// The rows of the tables, in an order in which they can be written to empty ones.
    #[must_use]
    pub fn writes(&self, chain: Option<&ClientId>) -> Vec<Write> {
        let mut writes: Vec<Write> = self.alarms.iter().map(|alarm| Write::Alarm(chain.cloned(), alarm.clone())).collect();
        writes.extend(self.kept.iter().map(|(slot, kept)| Write::Kept(chain.cloned(), slot.clone(), kept.clone())));
        let Some(client_id) = chain else { return writes };
        writes.extend(self.signals.iter().map(|signal| Write::Signal(Arc::new(signal.clone()))));
        writes.extend(self.orders.values().map(|order| Write::InsertOrder(Arc::clone(order))));
        writes.extend(self.fills.iter().filter_map(|(command_id, fill, change)| {
            Some(Write::Fill {
                client_id: client_id.clone(),
                command_id: *command_id,
                trading_date: trading_date(fill.at),
                exchange: self.orders.get(command_id)?.ask.exchange?,
                fill: fill.clone(),
                seq: change.seq,
                before: change.before,
            })
        }));
        writes.extend(self.corrections.iter().map(|(change, at)| Write::Correction {
            client_id: client_id.clone(),
            change: change.clone(),
            at: *at,
        }));
        writes.extend(self.holdings.iter().map(|((strategy, key), (holding, at))| Write::Holding {
            client_id: client_id.clone(),
            strategy: strategy.clone(),
            key: key.clone(),
            holding: *holding,
            at: *at,
        }));
        writes.extend(self.control.iter().map(|(value, at)| Write::Control {
            client_id: client_id.clone(),
            value: Arc::clone(value),
            at: *at,
        }));
        writes
    }
}

/// A replay under way. It needs about a kilobyte of memory for each order.
#[derive(Debug, Default)]
pub struct Replay {
    projections: Projections,
}

/// The projections of one chain's rows, given from the first on.
///
/// # Errors
/// The first row that the ledger's rules would not have written.
pub fn replay<'a>(rows: impl IntoIterator<Item = &'a JournalRow>) -> Result<Projections, Misfit> {
    let mut replay = Replay::default();
    for row in rows {
        replay.step(row)?;
    }
    Ok(replay.finish())
}

impl Replay {
    /// Takes the next row in.
    ///
    /// # Errors
    /// The ledger's rules would not have written it.
    pub fn step(&mut self, row: &JournalRow) -> Result<(), Misfit> {
        let done = match (&*row.event, row.to) {
            (event::CREATED, _) => self.created(row),
            (_, Some(_)) => self.moved(row),
            (_, None) => self.told(row),
        };
        done.map_err(|why| Misfit { seq: row.seq, why: format!("{}: {why}", row.event) })
    }

    /// Takes the next row in, and answers the row that this version's rules write for the same cause: equal to it, to the
    /// byte, if they are the rules that wrote it. `None` for a row that decides nothing.
    ///
    /// # Errors
    /// The ledger's rules would not have written it, whatever its bytes.
    pub fn redo(&mut self, row: &JournalRow) -> Result<Option<JournalRow>, Misfit> {
        let redone = redone(&self.projections, row).map_err(|why| Misfit { seq: row.seq, why: format!("{}: {why}", row.event) })?;
        self.step(row)?;
        Ok(redone)
    }

    /// What the tables must hold after the rows so far.
    #[must_use]
    pub fn so_far(&self) -> &Projections {
        &self.projections
    }

    /// What the tables must hold after the last row.
    #[must_use]
    pub fn finish(self) -> Projections {
        self.projections
    }

    fn created(&mut self, row: &JournalRow) -> Result<(), String> {
        let CreatedInputs { broker_tag, order, signal, .. } = parsed(row)?;
        let NewOrderInputs { number, leg, basket_id, parent_command_id, source, signal_time, ask } = order;
        let client_id = row.client_id.clone().ok_or("it has no account")?;
        let command_id = row.command_id.ok_or("it names no order")?;
        let signal_id = row.signal_id.ok_or("it names no signal")?;
        if let Some(signal) = signal {
            let idempotency_key = signal.key();
            let SignalInputs { body_hash, received_at, legs, .. } = signal;
            let body_hash = hash(&body_hash).ok_or("the body's hash is not 32 bytes")?;
            let (client_id, user) = (client_id.clone(), Arc::clone(&row.who));
            self.projections.signals.push(SignalRow { client_id, signal_id, idempotency_key, body_hash, source, user, received_at, legs });
        }
        let given = Given {
            client_id,
            command_id,
            number,
            signal_id,
            leg,
            basket_id,
            parent_command_id,
            source,
            user: Arc::clone(&row.who),
            ask,
            broker_tag,
            signal_time,
        };
        let record = OrderRecord::created(given, row.at, row.seq);
        match self.projections.orders.insert(command_id, Arc::new(record)) {
            None => Ok(()),
            Some(_) => Err(format!("order {command_id} was created before")),
        }
    }

    fn moved(&mut self, row: &JournalRow) -> Result<(), String> {
        let command_id = row.command_id.ok_or("it names no order")?;
        let before = self.projections.orders.get(&command_id).ok_or_else(|| format!("order {command_id} was never created"))?;
        if row.from != Some(before.status) {
            let from = row.from.map_or("nothing", Status::as_str);
            return Err(format!("it takes order {command_id} from {from}, which stands {}", before.status));
        }
        let fact = fact_of(row)?;
        let mut record = lifecycle::apply(before, &fact, row.at).map_err(|error| format!("it changes nothing: {error}"))?.record;
        record.seq = row.seq;
        if (row.to, row.tag) != (Some(record.status), record.tag) {
            let told = format!("{} {:?}", row.to.map_or("", Status::as_str), row.tag);
            return Err(format!("it says {told}, and its fact makes {} {:?} of order {command_id}", record.status, record.tag));
        }
        if let OrderFact::Fill(fill) = fact {
            let (key, side) = record.holding().zip(record.ask.side).ok_or("a fill of an order without a side or an instrument")?;
            let slot = (record.ask.strategy.clone(), key);
            let held = self.projections.holdings.get(&slot).map_or_else(Holding::default, |(held, _)| *held);
            let after = held.filled_by(&record, side, &fill);
            let change = DayChange::of_fill(&record, (slot.1.clone(), side), held, &fill, row.at);
            self.projections.holdings.insert(slot, (after, row.at));
            if matches!(change.what, Move::ToldLate { .. }) {
                self.projections.corrections.push((change.clone(), row.at));
            }
            self.projections.fills.push((command_id, fill, change));
        }
        self.projections.orders.insert(command_id, Arc::new(record));
        Ok(())
    }

    /// A row that moves no order.
    fn told(&mut self, row: &JournalRow) -> Result<(), String> {
        if &*row.event == CONTROL {
            // Its inputs are the controls themselves, whose level is another.
            self.projections.control = Some((Arc::clone(&row.inputs), row.at));
            return Ok(());
        }
        let AlarmInputs { level, alarm, kept } = parsed(row)?;
        if let Some(KeptInputs { slot, value }) = kept {
            match value {
                Some(value) => {
                    let kept = Kept { value: Arc::from(value.get()), seq: row.seq, at: row.at };
                    self.projections.kept.insert(slot, kept);
                }
                None => {
                    self.projections.kept.remove(&slot).ok_or_else(|| format!("there was no {} {}", slot.topic.as_str(), slot.key))?;
                }
            }
        }
        match &*row.event {
            "HOLDING_REDUCED" => self.reduced(row)?,
            SETTLED => self.settled(row)?,
            ADOPTED => self.adopted(row)?,
            PRICE_TOLD => self.priced(row)?,
            ACKNOWLEDGED => {
                let seq = alarm.ok_or("it names no alarm")?;
                self.projections.alarms.acknowledge(seq).ok_or_else(|| format!("alarm {seq} was not open"))?;
            }
            _ => {}
        }
        if let Some(alarm) = Alarm::of_row(row, level.unwrap_or(Level::Info)) {
            self.projections.alarms.raise(alarm);
        }
        Ok(())
    }

    fn reduced(&mut self, row: &JournalRow) -> Result<(), String> {
        #[derive(serde::Deserialize)]
        struct Reduced {
            strategy: Strategy,
            holding: HoldingKey,
            net_before: i64,
            net_after: i64,
            #[serde(default)]
            price: Option<Price>,
            #[serde(default)]
            on: Option<NaiveDate>,
        }
        let Reduced { strategy, holding, net_before, net_after, price, on } = parsed(row)?;
        if on.is_some_and(|on| trading_date(row.at) <= on) {
            return Err("it ends on a day that is not over".to_owned());
        }
        let slot = (strategy, holding);
        let (held, at) = self.projections.holdings.get_mut(&slot).ok_or("nothing was held there")?;
        if held.net != net_before {
            return Err(format!("it reduces {net_before}, and {} were held", held.net));
        }
        let (before, units) = (*held, net_before.abs() - net_after.abs());
        *held = if on.is_some() { before.reduced(units) } else { before.left(units, price) };
        *at = row.at;
        if held.net != net_after {
            return Err(format!("it leaves {net_after}, and the rules leave {}", held.net));
        }
        let what = match on {
            Some(on) => Move::ended(row.seq, units, on, price),
            None => Move::left(before, units, price),
        };
        let change = DayChange::corrected(row.seq, row.at, slot, before, what);
        self.projections.corrections.push((change, row.at));
        Ok(())
    }

    fn settled(&mut self, row: &JournalRow) -> Result<(), String> {
        #[derive(serde::Deserialize)]
        struct Ended {
            strategy: Strategy,
            holding: HoldingKey,
            net_before: i64,
            expiry: NaiveDate,
        }
        let Ended { strategy, holding, net_before, expiry } = parsed(row)?;
        if trading_date(row.at) <= expiry {
            return Err(format!("it settles a contract of {expiry} before that day is over"));
        }
        let slot = (strategy, holding);
        let (held, at) = self.projections.holdings.get_mut(&slot).ok_or("nothing was held there")?;
        if held.net != net_before || held.net == 0 {
            return Err(format!("it settles {net_before}, and {} were held", held.net));
        }
        let (before, units) = (*held, net_before.abs());
        *held = before.reduced(units);
        *at = row.at;
        let change = DayChange::corrected(row.seq, row.at, slot, before, Move::ended(row.seq, units, expiry, None));
        self.projections.corrections.push((change, row.at));
        Ok(())
    }

    fn priced(&mut self, row: &JournalRow) -> Result<(), String> {
        #[derive(serde::Deserialize)]
        struct Priced {
            row: u64,
            price: EndPrice,
        }
        let Priced { row: of, price } = parsed(row)?;
        let place = self.projections.corrections.binary_search_by_key(&of, |(change, _)| change.seq).ok();
        let (change, _) = place.and_then(|place| self.projections.corrections.get_mut(place)).ok_or("by that row nothing left")?;
        *change = change.priced(Told { price, seq: row.seq }).ok_or("what left by that row has a price of its own")?;
        Ok(())
    }

    fn adopted(&mut self, row: &JournalRow) -> Result<(), String> {
        #[derive(serde::Deserialize)]
        struct Taken {
            strategy: Strategy,
            holding: HoldingKey,
            side: Side,
            quantity: Quantity,
            price: Price,
            net_before: i64,
            net_after: i64,
        }
        let Taken { strategy, holding, side, quantity, price, net_before, net_after } = parsed(row)?;
        let slot = (strategy, holding);
        let before = self.projections.holdings.get(&slot).map_or_else(Holding::default, |(held, _)| *held);
        let after = before.adopting(side, quantity, price, row.at);
        if (before.net, after.net) != (net_before, net_after) {
            return Err(format!("it takes {net_before} to {net_after}, and the rules take {} to {}", before.net, after.net));
        }
        self.projections.holdings.insert(slot.clone(), (after, row.at));
        let change = DayChange::corrected(row.seq, row.at, slot, before, Move::Taken { side, quantity, price });
        self.projections.corrections.push((change, row.at));
        Ok(())
    }
}

fn hash(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
