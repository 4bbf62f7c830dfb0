//! What one unit changes, before it is known whether the store takes it.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;

use super::alarms::{ACKNOWLEDGED, Alarm, AlarmChange, Alarms, with_level};
use super::broker_tag::broker_tag;
use super::chain::row_hash;
use super::control::{CONTROL, Control, ControlChange};
use super::inputs::{CREATED, CreatedInputs, event_name, inputs_of, reason_of};
use super::kept::{self, Keep, Kept, KeptChange};
use super::signal::signal_row;
use super::staged::{Chain, HoldingSlot, Staged};
use super::ticket::Answer;
use super::unit::{ADOPTED, Adopted, Event, Level, NewOrder, NotRegistered, Note, OrderUnit, PRICE_TOLD, Registration, SETTLED, Telling};
use crate::order::{
    ClientId, CommandId, Fill, Holding, HoldingKey, OrderRecord, Points, Price, Source, Status, Strategy, Tag, Transition, trading_date,
};
use crate::pnl::{DayChange, Move, Told};
use crate::ports::{JournalRow, SignalRow, Write};
/// What one unit changes.
#[derive(Debug)]
pub(super) struct Delta {
    at: DateTime<Utc>,
    pub(super) writes: Vec<Write>,
    pub(super) orders: Vec<Arc<OrderRecord>>,
    pub(super) holdings: Vec<(HoldingSlot, (Holding, u64))>,
    pub(super) day: Vec<(ClientId, DayChange)>,
    /// The account in which a price was told.
    pub(super) told: Option<ClientId>,
    pub(super) controls: Vec<(ClientId, Control)>,
    pub(super) kept: Vec<(Option<ClientId>, KeptChange)>,
    pub(super) events: Vec<Event>,
    chain_before: Option<(Option<ClientId>, Chain)>,
    number_before: Option<(ClientId, u64)>,
    pub(super) alarms_before: Option<(Option<ClientId>, Alarms)>,
}

/// The part of a journal row that its unit knows.
struct RowText {
    event: &'static str,
    from: Option<Status>,
    reason: Option<Arc<str>>,
    who: Arc<str>,
    inputs: String,
    level: Level,
}

impl RowText {
    /// Words for people, and nothing else.
    fn said(event: &'static str, words: &str, who: &Arc<str>, level: Level) -> Self {
        Self { event, from: None, reason: Some(Arc::from(words)), who: Arc::clone(who), inputs: "{}".to_owned(), level }
    }
}

impl Delta {
    pub(super) fn new(at: DateTime<Utc>) -> Self {
        Self {
            at,
            writes: Vec::with_capacity(4),
            orders: Vec::new(),
            holdings: Vec::new(),
            day: Vec::new(),
            told: None,
            controls: Vec::new(),
            kept: Vec::new(),
            events: Vec::new(),
            chain_before: None,
            number_before: None,
            alarms_before: None,
        }
    }

    /// The store refused it: the chain and the numbers stand where they stood.
    pub(super) fn undo(self, staged: &mut Staged) {
        if let Some((client, chain)) = self.chain_before {
            staged.chains.insert(client, chain);
        }
        if let Some((client, number)) = self.number_before {
            staged.numbers.insert(client, number);
        }
        if let Some((chain, alarms)) = self.alarms_before {
            staged.alarms.insert(chain, alarms);
        }
    }

    fn next_seq(&mut self, staged: &mut Staged, client: &Option<ClientId>) -> u64 {
        let chain = staged.chains.entry(client.clone()).or_default();
        if self.chain_before.is_none() {
            self.chain_before = Some((client.clone(), *chain));
        }
        chain.seq + 1
    }

    fn row(
        &mut self,
        staged: &mut Staged,
        client: Option<ClientId>,
        subject: (Option<CommandId>, Option<crate::order::SignalId>),
        record: Option<&Arc<OrderRecord>>,
        text: RowText,
    ) {
        let seq = self.next_seq(staged, &client);
        let chain = staged.chains.entry(client.clone()).or_default();
        let row = Arc::new(JournalRow {
            client_id: client.clone(),
            seq,
            prev_hash: chain.hash,
            at: self.at,
            event: Arc::from(text.event),
            command_id: subject.0,
            signal_id: subject.1,
            from: text.from,
            to: record.map(|record| record.status),
            tag: record.and_then(|record| record.tag),
            reason: text.reason,
            who: text.who,
            inputs: Arc::from(with_level(text.inputs, text.level)),
        });
        *chain = Chain { seq, hash: row_hash(&row) };
        self.writes.push(Write::Journal(Arc::clone(&row)));
        if let Some(alarm) = Alarm::of_row(&row, text.level) {
            let changes = self.alarms(staged, &client).raise(alarm);
            self.writes.extend(changes.into_iter().map(|change| match change {
                AlarmChange::Put(alarm) => Write::Alarm(client.clone(), alarm),
                AlarmChange::Gone(seq) => Write::AlarmGone(client.clone(), seq),
            }));
        }
        self.events.push(Event { row, record: record.cloned(), level: text.level, control: None, kept: None });
    }

    /// A chain's open alarms, to be changed.
    fn alarms<'a>(&mut self, staged: &'a mut Staged, chain: &Option<ClientId>) -> &'a mut Alarms {
        let alarms = staged.alarms.entry(chain.clone()).or_default();
        if self.alarms_before.is_none() {
            self.alarms_before = Some((chain.clone(), alarms.clone()));
        }
        alarms
    }

    /// A person has seen an alarm; answers whether it was open.
    pub(super) fn acknowledge(
        &mut self,
        staged: &mut Staged,
        chain: Option<ClientId>,
        seq: u64,
        who: &Arc<str>,
        reason: &Arc<str>,
    ) -> bool {
        let Some(alarm) = self.alarms(staged, &chain).acknowledge(seq) else { return false };
        let text = RowText {
            event: ACKNOWLEDGED,
            from: None,
            reason: Some(Arc::clone(reason)),
            who: Arc::clone(who),
            inputs: json!({ "alarm": seq, "event": alarm.event }).to_string(),
            level: Level::Info,
        };
        self.row(staged, chain.clone(), (alarm.command_id, None), None, text);
        self.writes.push(Write::AlarmGone(chain, seq));
        true
    }

    /// A new signal with its orders; returns the orders as they will stand after the commit.
    pub(super) fn registration(&mut self, staged: &mut Staged, registration: &Registration, tag_prefix: &str) -> Vec<Arc<OrderRecord>> {
        let client = &registration.client_id;
        let number = staged.numbers.entry(client.clone()).or_default();
        self.number_before = Some((client.clone(), *number));
        let first = *number + 1;
        *number += u64::try_from(registration.legs.len()).unwrap_or(0);
        let signal = Arc::new(signal_row(registration));
        self.writes.push(Write::Signal(Arc::clone(&signal)));
        let mut records = Vec::with_capacity(registration.legs.len());
        for (number, leg) in (first..).zip(&registration.legs) {
            let signal = (number == first).then_some(&*signal);
            records.push(self.new_order(staged, registration, (leg, signal), number, tag_prefix));
        }
        records
    }

    fn new_order(
        &mut self,
        staged: &mut Staged,
        registration: &Registration,
        (leg, signal): (&NewOrder, Option<&SignalRow>),
        number: u64,
        tag_prefix: &str,
    ) -> Arc<OrderRecord> {
        let client = Some(registration.client_id.clone());
        let seq = self.next_seq(staged, &client);
        let created = OrderRecord {
            client_id: registration.client_id.clone(),
            command_id: leg.command_id,
            number,
            signal_id: registration.signal_id,
            leg: leg.leg,
            basket_id: registration.basket_id,
            parent_command_id: leg.parent,
            source: registration.source,
            user: Arc::clone(&registration.user),
            ask: leg.ask.clone(),
            status: Status::Created,
            tag: None,
            reason: None,
            broker_tag: broker_tag(tag_prefix, number),
            broker_order_id: None,
            filled_quantity: 0,
            average_price: None,
            traded_quantity: 0,
            traded_value: Points::ZERO,
            cancel_wanted: None,
            modifications: 0,
            reach: None,
            high_water: None,
            pending: None,
            asked: Vec::new(),
            by_hand: None,
            signal_time: registration.signal_time,
            created_at: self.at,
            updated_at: self.at,
            sent_at: None,
            seq,
        };
        let subject = (Some(leg.command_id), Some(registration.signal_id));
        let inputs = CreatedInputs::of(&created, leg.naming.as_ref(), signal).text(&leg.sent);
        let naming = leg.naming.as_ref().map(|naming| Arc::from(naming.to_string()));
        let text =
            |event, from, reason, inputs| RowText { event, from, reason, who: Arc::clone(&registration.user), inputs, level: Level::Info };
        let created = Arc::new(created);
        self.row(staged, client.clone(), subject, Some(&created), text(CREATED, None, naming, inputs));
        let record = match &leg.refused {
            None => created,
            Some((tag, reason)) => {
                let seq = self.next_seq(staged, &client);
                let refused = Arc::new(OrderRecord {
                    status: Status::Failed,
                    tag: Some(*tag),
                    reason: Some(Arc::from(reason.as_str())),
                    seq,
                    ..(*created).clone()
                });
                self.row(
                    staged,
                    client,
                    subject,
                    Some(&refused),
                    text("REFUSED", Some(Status::Created), refused.reason.clone(), "{}".to_owned()),
                );
                refused
            }
        };
        self.writes.push(Write::InsertOrder(Arc::clone(&record)));
        self.orders.push(Arc::clone(&record));
        record
    }

    /// An order's transition; returns its row as it will stand after the commit.
    pub(super) fn transition(
        &mut self,
        staged: &mut Staged,
        before: &OrderRecord,
        transition: Transition,
        unit: &OrderUnit,
    ) -> Arc<OrderRecord> {
        let client = Some(unit.client_id.clone());
        let mut record = transition.record;
        record.seq = self.next_seq(staged, &client);
        let record = Arc::new(record);
        let subject = (Some(record.command_id), Some(record.signal_id));
        let text = RowText {
            event: event_name(&unit.fact, before, &record),
            from: Some(before.status),
            reason: reason_of(&unit.fact).or_else(|| record.reason.clone()),
            who: Arc::clone(&unit.who),
            inputs: inputs_of(&unit.fact),
            level: Level::Info,
        };
        self.row(staged, client.clone(), subject, Some(&record), text);
        if let crate::order::OrderFact::TermsShown { was, now, by_hand: true, .. } = &unit.fact {
            let words = format!(
                "somebody changed {} {} {} of {} at the broker: {was} became {now}. That stands here too; what would move the order by itself \
                 leaves it alone, and an exit that must be flat soon goes on from it",
                record.ask.side.map_or("", crate::order::Side::as_str),
                record.quantity(),
                record.ask.symbol,
                record.ask.strategy,
            );
            let text = RowText::said("ALARM_TERMS_CHANGED", &words, &unit.who, Level::Warn);
            self.row(staged, client.clone(), subject, None, text);
        }
        if transition.late_truth {
            let words = format!(
                "the broker shows {} {} {} as live or filled, but it stood {} here ({}); re-opened, check that it is still wanted",
                record.ask.side.map_or("", crate::order::Side::as_str),
                record.quantity(),
                record.ask.symbol,
                before.status,
                before.tag.map_or("", Tag::as_str),
            );
            let text = RowText::said("ALARM_LATE_TRUTH", &words, &unit.who, Level::Page);
            self.row(staged, client, subject, None, text);
        }
        self.writes.push(Write::UpdateOrder(Arc::clone(&record)));
        self.orders.push(Arc::clone(&record));
        record
    }

    /// The trade of a transition, and what the strategy holds after it.
    pub(super) fn fill(&mut self, record: &OrderRecord, change: DayChange, after: Holding, fill: &Fill) {
        let client = &record.client_id;
        self.writes.push(Write::Fill {
            client_id: client.clone(),
            command_id: record.command_id,
            trading_date: trading_date(fill.at),
            exchange: change.key.instrument.exchange,
            fill: fill.clone(),
            seq: change.seq,
            before: change.before,
        });
        if matches!(change.what, Move::ToldLate { .. }) {
            self.writes.push(Write::Correction { client_id: client.clone(), change: change.clone(), at: self.at });
        }
        self.put_holding(client, &change.strategy, &change.key, after, change.seq);
        self.day.push((client.clone(), change));
    }

    /// What a strategy holds has changed by no trade of ours.
    fn corrected(&mut self, client: &ClientId, change: DayChange, after: Holding) {
        self.writes.push(Write::Correction { client_id: client.clone(), change: change.clone(), at: self.at });
        self.put_holding(client, &change.strategy, &change.key, after, change.seq);
        self.day.push((client.clone(), change));
    }

    fn put_holding(&mut self, client: &ClientId, strategy: &Strategy, key: &HoldingKey, holding: Holding, seq: u64) {
        self.writes.push(Write::Holding { client_id: client.clone(), strategy: strategy.clone(), key: key.clone(), holding, at: self.at });
        self.holdings.push(((client.clone(), strategy.clone(), key.clone()), (holding, seq)));
    }

    /// A holding that the broker shows to be smaller.
    pub(super) fn reduce(
        &mut self,
        staged: &mut Staged,
        slot: HoldingSlot,
        (before, after): (Holding, Holding),
        (price, on): (Option<Price>, Option<NaiveDate>),
        reason: &Arc<str>,
    ) {
        let (client, strategy, key) = (&slot.0, &slot.1, &slot.2);
        let seq = self.next_seq(staged, &Some(client.clone()));
        let inputs = json!({
            "strategy": strategy, "holding": key, "net_before": before.net, "net_after": after.net, "price": price, "on": on,
        });
        let text = RowText {
            event: "HOLDING_REDUCED",
            from: None,
            reason: Some(Arc::clone(reason)),
            who: Arc::from("WatcherActor"),
            inputs: inputs.to_string(),
            level: Level::Warn,
        };
        self.row(staged, Some(client.clone()), (None, None), None, text);
        let units = before.net.abs() - after.net.abs();
        let what = match on {
            Some(on) => Move::ended(seq, units, on, price),
            None => Move::left(before, units, price),
        };
        let change = DayChange::corrected(seq, self.at, (strategy.clone(), key.clone()), before, what);
        self.corrected(client, change, after);
    }

    /// A holding that ended with its contract, on an earlier day.
    pub(super) fn settle(&mut self, staged: &mut Staged, slot: HoldingSlot, before: Holding, expiry: NaiveDate, reason: &Arc<str>) {
        let (client, strategy, key) = (&slot.0, &slot.1, &slot.2);
        let seq = self.next_seq(staged, &Some(client.clone()));
        let inputs = json!({ "strategy": strategy, "holding": key, "net_before": before.net, "expiry": expiry });
        let text = RowText {
            event: SETTLED,
            from: None,
            reason: Some(Arc::clone(reason)),
            who: Arc::from("WatcherActor"),
            inputs: inputs.to_string(),
            level: Level::Warn,
        };
        self.row(staged, Some(client.clone()), (None, None), None, text);
        let units = before.net.abs();
        let what = Move::ended(seq, units, expiry, None);
        let change = DayChange::corrected(seq, self.at, (strategy.clone(), key.clone()), before, what);
        self.corrected(client, change, before.reduced(units));
    }

    /// A strategy takes units over that came about elsewhere.
    pub(super) fn adopt(&mut self, staged: &mut Staged, adopted: &Adopted, before: Holding, after: Holding) {
        let Adopted { client_id, strategy, key, side, quantity, price, net_before: _, who, reason } = adopted;
        let seq = self.next_seq(staged, &Some(client_id.clone()));
        let inputs = json!({
            "strategy": strategy, "holding": key, "side": side, "quantity": quantity, "price": price,
            "net_before": before.net, "net_after": after.net,
        });
        let text = RowText {
            event: ADOPTED,
            from: None,
            reason: Some(Arc::clone(reason)),
            who: Arc::clone(who),
            inputs: inputs.to_string(),
            level: Level::Warn,
        };
        self.row(staged, Some(client_id.clone()), (None, None), None, text);
        let what = Move::Taken { side: *side, quantity: *quantity, price: *price };
        let change = DayChange::corrected(seq, self.at, (strategy.clone(), key.clone()), before, what);
        self.corrected(client_id, change, after);
    }

    /// A person tells the price at which the units of that change left; answers whether they may have one.
    pub(super) fn tell(&mut self, staged: &mut Staged, telling: &Telling, change: &DayChange) -> bool {
        let Telling { client_id, row, price, who, reason } = telling;
        let seq = self.next_seq(staged, &Some(client_id.clone()));
        let Some(priced) = change.priced(Told { price: *price, seq }) else { return false };
        let inputs = json!({ "row": row, "price": price, "before": change.what.told().map(|told| told.price) });
        let text = RowText {
            event: PRICE_TOLD,
            from: None,
            reason: Some(Arc::clone(reason)),
            who: Arc::clone(who),
            inputs: inputs.to_string(),
            level: Level::Info,
        };
        self.row(staged, Some(client_id.clone()), (None, None), None, text);
        self.writes.push(Write::Told { client_id: client_id.clone(), change: priced });
        self.told = Some(client_id.clone());
        true
    }

    /// New controls.
    pub(super) fn control(
        &mut self,
        staged: &mut Staged,
        client: ClientId,
        change: ControlChange,
        control: &Control,
        (who, reason): (&Arc<str>, &Arc<str>),
    ) {
        let who = Arc::clone(who);
        let value = serde_json::to_string(control).unwrap_or_else(|_| "{}".to_owned());
        let text = RowText { event: CONTROL, from: None, reason: Some(Arc::clone(reason)), who, inputs: value.clone(), level: Level::Info };
        self.row(staged, Some(client.clone()), (None, None), None, text);
        if let Some(event) = self.events.last_mut() {
            event.control = Some(Arc::new((change, control.clone())));
        }
        self.writes.push(Write::Control { client_id: client.clone(), value: Arc::from(value), at: self.at });
        self.controls.push((client, control.clone()));
    }

    /// A state beside the orders; says whether it could be written at all.
    pub(super) fn keep(&mut self, staged: &mut Staged, keep: &Keep) -> bool {
        let inputs = match kept::inputs(&keep.slot, keep.value.as_ref()) {
            Ok(inputs) => inputs,
            Err(cause) => {
                tracing::error!(topic = keep.slot.topic.as_str(), key = &*keep.slot.key, "a state that is no JSON is not written: {cause}");
                return false;
            }
        };
        let text = RowText {
            event: keep.event,
            from: None,
            reason: Some(Arc::clone(&keep.reason)),
            who: Arc::clone(&keep.who),
            inputs,
            level: keep.level,
        };
        let seq = self.next_seq(staged, &keep.client_id);
        self.row(staged, keep.client_id.clone(), (keep.command_id, None), None, text);
        let now = keep.value.clone().map(|value| Kept { value, seq, at: self.at });
        self.writes.push(match &now {
            Some(now) => Write::Kept(keep.client_id.clone(), keep.slot.clone(), now.clone()),
            None => Write::KeptGone(keep.client_id.clone(), keep.slot.clone()),
        });
        let change = KeptChange { slot: keep.slot.clone(), now };
        if let Some(event) = self.events.last_mut() {
            event.kept = Some(Arc::new(change.clone()));
        }
        self.kept.push((keep.client_id.clone(), change));
        true
    }

    /// A row that changes no order.
    pub(super) fn note(&mut self, staged: &mut Staged, note: &Note) {
        let text = RowText {
            event: note.event,
            from: None,
            reason: Some(Arc::from(note.text.as_str())),
            who: Arc::clone(&note.who),
            inputs: note.inputs.clone(),
            level: note.level,
        };
        self.row(staged, note.client_id.clone(), (note.command_id, None), None, text);
    }

    /// A signal that had been here before.
    pub(super) fn replay(&mut self, staged: &mut Staged, registration: &Registration, answer: &Result<Answer, NotRegistered>) {
        let (event, words, level) = match answer {
            // A sender of alerts never reads our answer: a person hears of it instead.
            Ok(answer) => {
                let level = if registration.source == Source::Webhook { Level::Warn } else { Level::Info };
                let words = format!("the same signal again from {}; basket {} stands", registration.user, answer.basket_id);
                ("SIGNAL_REPLAYED", words, level)
            }
            Err(error) => ("SIGNAL_CONFLICT", error.to_string(), Level::Warn),
        };
        let text = RowText {
            event,
            from: None,
            reason: Some(Arc::from(words)),
            who: Arc::clone(&registration.user),
            inputs: "{}".to_owned(),
            level,
        };
        self.row(staged, Some(registration.client_id.clone()), (None, Some(registration.signal_id)), None, text);
    }
}
