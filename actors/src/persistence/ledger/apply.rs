//! What each kind of unit does to the committed rows.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use super::{Ledger, Pending};
use crate::order::{
    ClientId, CommandId, Fill, Holding, HoldingKey, OrderFact, OrderRecord, Price, Status, Strategy, lifecycle, trading_date,
};
use crate::persistence::control::{Control, ControlChange};
use crate::persistence::delta::Delta;
use crate::persistence::kept::{Keep, Kept};
use crate::persistence::staged::HoldingSlot;
use crate::persistence::unit::{Adopted, Cargo, Earlier, NotRegistered, OrderUnit, Outcome, Registration, Telling, Unit};
use crate::pnl::DayChange;
use crate::ports::{StoreError, Verdict};

/// The unit no longer fits.
const NOTHING: Outcome = Outcome::NotApplied(None);

/// Where the numbers stand that the ledger gives out itself, one after the other: nobody else may have taken the next one.
const OURS_ALONE: [&str; 3] = ["journal", "orders.number", "orders.broker_tag"];

impl Ledger {
    /// Applies a unit to the committed rows and writes what comes of it.
    pub(in crate::persistence) fn apply(&mut self, unit: Unit, cargo: Cargo, at: DateTime<Utc>) -> Result<Pending, StoreError> {
        let outcome = match unit {
            Unit::Register(registration) => return self.register(*registration, cargo, at),
            Unit::Order(unit) => return self.order(&unit, cargo, at),
            Unit::Reissue { client_id, commands } => return self.reissue(client_id, commands),
            Unit::Control { client_id, change, who, reason } => self.change_control(client_id, change, (&who, &reason), at)?,
            Unit::Reduce { client_id, strategy, key, units, price, earlier, reason } => {
                self.reduce((client_id, strategy, key), units, price, earlier, &reason, at)?
            }
            Unit::Settle { client_id, strategy, key, expiry, reason } => self.end((client_id, strategy, key), expiry, &reason, at)?,
            Unit::Adopt(adopted) => self.adopt(&adopted, at)?,
            Unit::Tell(telling) => self.tell(&telling, at)?,
            Unit::Acknowledge { client_id, alarm, who, reason } => {
                let mut delta = Delta::new(at);
                if delta.acknowledge(&mut self.staged, client_id, alarm, &who, &reason) { self.settle(delta)? } else { NOTHING }
            }
            Unit::Keep(keep) => self.keep(&keep, at)?,
            Unit::KeepOver(over) => {
                let keep = over.over(self.stands(&over.keep));
                let mut delta = Delta::new(at);
                if delta.keep(&mut self.staged, &keep) { self.settle(delta)? } else { NOTHING }
            }
            Unit::Note(note) => {
                let mut delta = Delta::new(at);
                delta.note(&mut self.staged, &note);
                self.settle(delta)?
            }
        };
        Ok(Pending::Other { outcome, cargo })
    }

    fn change_control(
        &mut self,
        client_id: ClientId,
        change: ControlChange,
        (who, reason): (&Arc<str>, &Arc<str>),
        at: DateTime<Utc>,
    ) -> Result<Outcome, StoreError> {
        let before = self.control(&client_id);
        if before.refuses(&change) {
            return Ok(NOTHING);
        }
        let control = Control { what: change.to_string(), ..before.after(&change, who, reason, at) };
        let mut delta = Delta::new(at);
        delta.control(&mut self.staged, client_id, change, &control, (who, reason));
        self.settle(delta)
    }

    /// What the broker shows less of is taken off what a strategy holds.
    fn reduce(
        &mut self,
        slot: HoldingSlot,
        units: i64,
        price: Option<Price>,
        earlier: Option<Earlier>,
        reason: &Arc<str>,
        at: DateTime<Utc>,
    ) -> Result<Outcome, StoreError> {
        let held = self.holding(&slot.0, &slot.1, &slot.2);
        let is_other = earlier.is_some_and(|earlier| held.net != earlier.net_before || trading_date(at) <= earlier.on);
        let on = earlier.map(|earlier| earlier.on);
        let after = if on.is_some() { held.reduced(units) } else { held.left(units, price) };
        if is_other || after == held {
            return Ok(NOTHING);
        }
        let mut delta = Delta::new(at);
        delta.reduce(&mut self.staged, slot, (held, after), (price, on), reason);
        self.settle(delta)
    }

    /// A contract has ended, and what was held of it with it.
    fn end(&mut self, slot: HoldingSlot, expiry: NaiveDate, reason: &Arc<str>, at: DateTime<Utc>) -> Result<Outcome, StoreError> {
        let held = self.holding(&slot.0, &slot.1, &slot.2);
        if held.net == 0 || trading_date(at) <= expiry {
            return Ok(NOTHING);
        }
        let mut delta = Delta::new(at);
        delta.settle(&mut self.staged, slot, held, expiry, reason);
        self.settle(delta)
    }

    fn adopt(&mut self, adopted: &Adopted, at: DateTime<Utc>) -> Result<Outcome, StoreError> {
        let held = self.holding(&adopted.client_id, &adopted.strategy, &adopted.key);
        if held.net != adopted.net_before {
            return Ok(NOTHING);
        }
        let after = held.adopting(adopted.side, adopted.quantity, adopted.price, at);
        let mut delta = Delta::new(at);
        delta.adopt(&mut self.staged, adopted, held, after);
        self.settle(delta)
    }

    /// A price is told of what left before; the same price again changes nothing.
    fn tell(&mut self, telling: &Telling, at: DateTime<Utc>) -> Result<Outcome, StoreError> {
        let found = self.store.correction(&telling.client_id, telling.row)?;
        let mut delta = Delta::new(at);
        match found.filter(|change| change.what.told().is_none_or(|told| told.price != telling.price)) {
            Some(change) if delta.tell(&mut self.staged, telling, &change) => self.settle(delta),
            _ => Ok(NOTHING),
        }
    }

    fn reissue(&mut self, client_id: ClientId, commands: Vec<CommandId>) -> Result<Pending, StoreError> {
        let mut records = Vec::with_capacity(commands.len());
        for command in commands {
            records.extend(self.find(&client_id, command)?.filter(|record| record.status == Status::Created));
        }
        Ok(Pending::Reissued { client_id, records })
    }

    /// The state that stands where that one is to be written.
    fn stands(&self, keep: &Keep) -> Option<&Kept> {
        self.staged.kept.get(&keep.client_id)?.get(&keep.slot)
    }

    fn keep(&mut self, keep: &Keep, at: DateTime<Utc>) -> Result<Outcome, StoreError> {
        let stands = self.stands(keep);
        let is_other = keep.basis.is_some_and(|basis| basis != stands.map_or(0, |kept| kept.seq));
        let is_gone_already = keep.value.is_none() && stands.is_none();
        let mut delta = Delta::new(at);
        if is_other || is_gone_already || !delta.keep(&mut self.staged, keep) {
            return Ok(NOTHING);
        }
        self.settle(delta)
    }

    /// Writes a unit's rows; a unit that a constraint refuses leaves nothing behind and uses up no number.
    fn settle(&mut self, delta: Delta) -> Result<Outcome, StoreError> {
        match self.store.unit(&delta.writes)? {
            Verdict::Done => {
                let record = delta.orders.last().cloned();
                self.staged.keep(delta);
                Ok(Outcome::Applied(record))
            }
            Verdict::Refused(place) if OURS_ALONE.contains(&place) => Err(StoreError {
                step: "unit",
                cause: format!(
                    "the next number of {place} is taken: another program writes this database, and nothing of what this engine knows may \
                     be true any more; find out who else runs on this data directory"
                ),
            }),
            Verdict::Refused(table) => {
                tracing::debug!(table, "a unit was refused by a constraint");
                delta.undo(&mut self.staged);
                Ok(Outcome::NotApplied(None))
            }
        }
    }

    fn register(&mut self, registration: Registration, cargo: Cargo, at: DateTime<Utc>) -> Result<Pending, StoreError> {
        if let Some(answer) = self.seen_before(&registration)? {
            let mut delta = Delta::new(at);
            delta.replay(&mut self.staged, &registration, &answer);
            self.settle(delta)?;
            metrics::counter!("ordergate_signals_replayed_total").increment(1);
            return Ok(Pending::Replay { answer, cargo });
        }
        let mut delta = Delta::new(at);
        if let Some(fired) = &registration.fired {
            let fired = fired.over(self.stands(&fired.keep));
            delta.keep(&mut self.staged, &fired);
        }
        let records = delta.registration(&mut self.staged, &registration, &self.tag_prefix);
        if let Some(plan) = &registration.plan {
            delta.keep(&mut self.staged, plan);
        }
        let outcome = self.settle(delta)?;
        let Registration { client_id, basket_id, legs, signal_id, .. } = registration;
        if !outcome.is_applied() {
            // The names come from the Ids port and the key was looked up in this very transaction.
            let answer = Err(NotRegistered::Closed(format!("signal {signal_id} collides with one on disk; send it again")));
            return Ok(Pending::Replay { answer, cargo });
        }
        Ok(Pending::Registration { client_id, basket_id, records, legs, cargo })
    }

    fn order(&mut self, unit: &OrderUnit, cargo: Cargo, at: DateTime<Utc>) -> Result<Pending, StoreError> {
        let outcome = self.order_outcome(unit, at)?;
        Ok(Pending::Order { client_id: unit.client_id.clone(), command_id: unit.command_id, outcome, cargo })
    }

    fn order_outcome(&mut self, unit: &OrderUnit, at: DateTime<Utc>) -> Result<Outcome, StoreError> {
        let Some(before) = self.find(&unit.client_id, unit.command_id)? else {
            tracing::error!(client_id = %unit.client_id, command_id = %unit.command_id, event = unit.fact.event(), "fact about an order that is not on disk");
            return Ok(Outcome::NotApplied(None));
        };
        if matches!(&unit.fact, OrderFact::Fill(fill) if is_beyond(&before, fill)) {
            return Ok(Outcome::NotApplied(Some(before)));
        }
        let Ok(transition) = lifecycle::apply(&before, &unit.fact, at) else {
            return Ok(Outcome::NotApplied(Some(before)));
        };
        let mut delta = Delta::new(at);
        let record = delta.transition(&mut self.staged, &before, transition, unit);
        if let OrderFact::Fill(fill) = &unit.fact {
            let Some((key, side)) = record.holding().zip(record.ask.side) else {
                delta.undo(&mut self.staged);
                return Ok(Outcome::NotApplied(Some(before)));
            };
            let held = self.holding(&unit.client_id, &record.ask.strategy, &key);
            let after = held.filled_by(&record, side, fill);
            delta.fill(&record, DayChange::of_fill(&record, (key, side), held, fill, at), after, fill);
        }
        match (self.settle(delta)?, &unit.fact) {
            (Outcome::Applied(_), _) => Ok(Outcome::Applied(Some(record))),
            // The number stands at another order of the day: whose it is, the broker's books must tell.
            (Outcome::NotApplied(_), OrderFact::Accepted { broker_order_id }) => {
                let cause = format!("the broker answered with order number {broker_order_id}, which another order has");
                let fact = OrderFact::Unconfirmed { cause };
                self.order_outcome(
                    &OrderUnit { client_id: unit.client_id.clone(), command_id: unit.command_id, fact, who: Arc::clone(&unit.who) },
                    at,
                )
            }
            (Outcome::NotApplied(_), _) => Ok(Outcome::NotApplied(Some(before))),
        }
    }

    fn find(&mut self, client: &ClientId, command: CommandId) -> Result<Option<Arc<OrderRecord>>, StoreError> {
        if let Some(record) = self.staged.order(client, command) {
            return Ok(Some(record));
        }
        if let Some(record) = self.view.read(client, |book| book.order(command).cloned()).flatten() {
            return Ok(Some(record));
        }
        Ok(self.store.order(client, command)?.map(Arc::new))
    }

    fn holding(&self, client: &ClientId, strategy: &Strategy, key: &HoldingKey) -> Holding {
        self.staged
            .holding(client, strategy, key)
            .unwrap_or_else(|| self.view.read(client, |book| book.held(strategy, key)).unwrap_or_default())
    }

    fn control(&self, client: &ClientId) -> Control {
        self.staged
            .controls
            .get(client)
            .cloned()
            .unwrap_or_else(|| self.view.read(client, |book| book.control().clone()).unwrap_or_default())
    }
}

/// An order fills no more than it is for: a trade beyond that is one of before under another number, or a lie. The watcher tells people
/// what the trade book has too many of. What the journal has is replayed as it stands.
fn is_beyond(order: &OrderRecord, fill: &Fill) -> bool {
    let traded = order.traded_quantity.saturating_add(fill.quantity.value());
    order.quantity() > 0 && traded > order.quantity_most().max(order.filled_quantity)
}
