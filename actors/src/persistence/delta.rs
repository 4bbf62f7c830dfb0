//! What one unit changes, before it is known whether the store takes it; and what a round has changed so far.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;

use super::chain::row_hash;
use super::control::{Control, ControlChange};
use super::ledger::signal_row;
use super::ticket::Answer;
use super::unit::{Event, Level, NewOrder, NotRegistered, Note, OrderUnit, Registration};
use crate::order::{
    Amount, BookState, BrokerOrderId, BrokerTag, ClientId, CommandId, Fill, GateVerdict, Holding, HoldingKey, OrderFact, OrderRecord,
    Status, Strategy, Tag, Terms, Transition,
};
use crate::ports::{JournalRow, Write};

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Chain {
    pub(super) seq: u64,
    pub(super) hash: [u8; 32],
}

type HoldingSlot = (ClientId, Strategy, HoldingKey);
type Committed = (Vec<Arc<OrderRecord>>, BTreeMap<HoldingSlot, (Holding, u64)>, BTreeMap<ClientId, Control>, Vec<Event>);

/// What the round has changed so far, on top of the view.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) chains: BTreeMap<Option<ClientId>, Chain>,
    pub(super) numbers: BTreeMap<ClientId, u64>,
    pub(super) controls: BTreeMap<ClientId, Control>,
    orders: HashMap<CommandId, Arc<OrderRecord>>,
    sequence: Vec<CommandId>,
    holdings: BTreeMap<HoldingSlot, (Holding, u64)>,
    events: Vec<Event>,
    anchored: BTreeMap<Option<ClientId>, u64>,
}

impl Staged {
    pub(super) fn order(&self, client: &ClientId, command: CommandId) -> Option<Arc<OrderRecord>> {
        self.orders.get(&command).filter(|record| record.client_id == *client).cloned()
    }

    pub(super) fn holding(&self, client: &ClientId, strategy: &Strategy, key: &HoldingKey) -> Option<Holding> {
        if self.holdings.is_empty() {
            return None;
        }
        self.holdings.get(&(client.clone(), strategy.clone(), key.clone())).map(|(holding, _)| *holding)
    }

    pub(super) fn keep(&mut self, delta: Delta) {
        for record in delta.orders {
            self.sequence.push(record.command_id);
            self.orders.insert(record.command_id, record);
        }
        self.holdings.extend(delta.holdings);
        self.controls.extend(delta.controls);
        self.events.extend(delta.events);
    }

    /// Chains that have grown past a multiple of `every` since their last anchor.
    pub(super) fn chains_past(&mut self, every: u64) -> Vec<(Option<ClientId>, Chain)> {
        let due: Vec<_> = self
            .chains
            .iter()
            .filter(|(client, chain)| {
                let anchored = self.anchored.get(*client).copied().unwrap_or(0);
                chain.seq.checked_div(every) > anchored.checked_div(every)
            })
            .map(|(client, chain)| (client.clone(), *chain))
            .collect();
        for (client, chain) in &due {
            self.anchored.insert(client.clone(), chain.seq);
        }
        due
    }

    pub(super) fn take_committed(&mut self) -> Committed {
        let mut orders = std::mem::take(&mut self.orders);
        let records = std::mem::take(&mut self.sequence).iter().filter_map(|command| orders.remove(command)).collect();
        (records, std::mem::take(&mut self.holdings), std::mem::take(&mut self.controls), std::mem::take(&mut self.events))
    }
}

/// What one unit changes.
#[derive(Debug)]
pub(super) struct Delta {
    at: DateTime<Utc>,
    pub(super) writes: Vec<Write>,
    pub(super) orders: Vec<Arc<OrderRecord>>,
    holdings: Vec<(HoldingSlot, (Holding, u64))>,
    controls: Vec<(ClientId, Control)>,
    events: Vec<Event>,
    chain_before: Option<(Option<ClientId>, Chain)>,
    number_before: Option<(ClientId, u64)>,
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

impl Delta {
    pub(super) fn new(at: DateTime<Utc>) -> Self {
        Self {
            at,
            writes: Vec::with_capacity(4),
            orders: Vec::new(),
            holdings: Vec::new(),
            controls: Vec::new(),
            events: Vec::new(),
            chain_before: None,
            number_before: None,
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
            client_id: client,
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
            inputs: Arc::from(text.inputs),
        });
        *chain = Chain { seq, hash: row_hash(&row) };
        self.writes.push(Write::Journal(Arc::clone(&row)));
        self.events.push(Event { row, record: record.cloned(), level: text.level, control: None });
    }

    /// A new signal with its orders; returns the orders as they will stand after the commit.
    pub(super) fn registration(&mut self, staged: &mut Staged, registration: &Registration, tag_prefix: &str) -> Vec<Arc<OrderRecord>> {
        let client = &registration.client_id;
        let number = staged.numbers.entry(client.clone()).or_default();
        self.number_before = Some((client.clone(), *number));
        let first = *number + 1;
        *number += u64::try_from(registration.legs.len()).unwrap_or(0);
        self.writes.push(Write::Signal(Arc::new(signal_row(registration))));
        let mut records = Vec::with_capacity(registration.legs.len());
        for (number, leg) in (first..).zip(&registration.legs) {
            records.push(self.new_order(staged, registration, leg, number, tag_prefix));
        }
        records
    }

    fn new_order(
        &mut self,
        staged: &mut Staged,
        registration: &Registration,
        leg: &NewOrder,
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
            traded_value: Amount::ZERO,
            cancel_wanted: None,
            signal_time: registration.signal_time,
            created_at: self.at,
            updated_at: self.at,
            sent_at: None,
            seq,
        };
        let subject = (Some(leg.command_id), Some(registration.signal_id));
        let inputs = format!("{{\"asked\":{},\"broker_tag\":\"{}\"}}", leg.sent, created.broker_tag);
        let text =
            |event, from, reason, inputs| RowText { event, from, reason, who: Arc::clone(&registration.user), inputs, level: Level::Info };
        let created = Arc::new(created);
        self.row(staged, client.clone(), subject, Some(&created), text("INTENT_CREATED", None, None, inputs));
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
        if transition.late_truth {
            let words = format!(
                "the broker shows {} {} {} as live or filled, but it stood {} here ({}); re-opened, check that it is still wanted",
                record.ask.side.map_or("", crate::order::Side::as_str),
                record.quantity(),
                record.ask.symbol,
                before.status,
                before.tag.map_or("", Tag::as_str),
            );
            let text = RowText {
                event: "ALARM_LATE_TRUTH",
                from: None,
                reason: Some(Arc::from(words)),
                who: Arc::clone(&unit.who),
                inputs: "{}".to_owned(),
                level: Level::Page,
            };
            self.row(staged, client, subject, None, text);
        }
        self.writes.push(Write::UpdateOrder(Arc::clone(&record)));
        self.orders.push(Arc::clone(&record));
        record
    }

    /// The trade of a transition, and what the strategy holds after it.
    pub(super) fn fill(&mut self, record: &OrderRecord, key: HoldingKey, after: Holding, fill: &Fill, trading_date: NaiveDate) {
        self.writes.push(Write::Fill {
            client_id: record.client_id.clone(),
            command_id: record.command_id,
            trading_date,
            exchange: key.instrument.exchange,
            fill: fill.clone(),
        });
        self.put_holding(&record.client_id, &record.ask.strategy, &key, after, record.seq);
    }

    fn put_holding(&mut self, client: &ClientId, strategy: &Strategy, key: &HoldingKey, holding: Holding, seq: u64) {
        self.writes.push(Write::Holding { client_id: client.clone(), strategy: strategy.clone(), key: key.clone(), holding, at: self.at });
        self.holdings.push(((client.clone(), strategy.clone(), key.clone()), (holding, seq)));
    }

    /// A holding that the broker shows to be smaller.
    pub(super) fn reduce(&mut self, staged: &mut Staged, slot: HoldingSlot, before: Holding, after: Holding, reason: &Arc<str>) {
        let (client, strategy, key) = (&slot.0, &slot.1, &slot.2);
        let seq = self.next_seq(staged, &Some(client.clone()));
        let inputs = json!({"strategy": strategy, "holding": key, "net_before": before.net, "net_after": after.net}).to_string();
        let text = RowText {
            event: "HOLDING_REDUCED",
            from: None,
            reason: Some(Arc::clone(reason)),
            who: Arc::from("WatcherActor"),
            inputs,
            level: Level::Warn,
        };
        self.row(staged, Some(client.clone()), (None, None), None, text);
        self.put_holding(client, strategy, key, after, seq);
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
        let text =
            RowText { event: "CONTROL", from: None, reason: Some(Arc::clone(reason)), who, inputs: value.clone(), level: Level::Info };
        self.row(staged, Some(client.clone()), (None, None), None, text);
        if let Some(event) = self.events.last_mut() {
            event.control = Some(Arc::new((change, control.clone())));
        }
        self.writes.push(Write::Control { client_id: client.clone(), value: Arc::from(value), at: self.at });
        self.controls.push((client, control.clone()));
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
            Ok(answer) => ("SIGNAL_REPLAYED", format!("the same signal again; basket {} stands", answer.basket_id), Level::Info),
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

/// `EXECUTED` and `FAILED` are events of their own name, whatever fact brought them about.
fn event_name(fact: &OrderFact, before: &OrderRecord, after: &OrderRecord) -> &'static str {
    match (fact, after.status) {
        (OrderFact::Book { .. }, Status::Executed) if before.status != Status::Executed => "EXECUTED",
        (OrderFact::Book { .. }, Status::Failed) if before.status != Status::Failed => "FAILED",
        _ => fact.event(),
    }
}

fn reason_of(fact: &OrderFact) -> Option<Arc<str>> {
    match fact {
        OrderFact::CancelWanted { reason, .. } | OrderFact::Resolved { reason, .. } => Some(Arc::from(reason.as_str())),
        OrderFact::CallReplied { outcome, .. } => Some(Arc::from(outcome.as_str())),
        _ => None,
    }
}

/// What a journal row keeps of a fact; written straight to text, because every order passes here three times.
#[derive(Serialize)]
#[serde(untagged)]
enum Inputs<'a> {
    Refused {
        gates: &'a [GateVerdict],
    },
    Sent {
        terms: &'a Terms,
        request: &'a str,
        gates: &'a [GateVerdict],
        high_water: &'a Option<BrokerOrderId>,
    },
    Number {
        broker_order_id: &'a BrokerOrderId,
    },
    Book {
        broker_order_id: &'a BrokerOrderId,
        state: BookState,
        filled: i64,
        average_price: Option<Decimal>,
        quantity: i64,
        reason: Option<&'a str>,
    },
    Fill(&'a Fill),
    Call {
        request: &'a str,
    },
    Terms {
        terms: &'a Terms,
    },
}

fn inputs_of(fact: &OrderFact) -> String {
    let inputs = match fact {
        OrderFact::Refused { gates, .. } => Inputs::Refused { gates },
        OrderFact::SendIntended { terms, request, gates, high_water, .. } => Inputs::Sent { terms, request, gates, high_water },
        OrderFact::Accepted { broker_order_id } => Inputs::Number { broker_order_id },
        OrderFact::Book { broker_order_id, state, filled, average_price, quantity, reason } => Inputs::Book {
            broker_order_id,
            state: *state,
            filled: *filled,
            average_price: *average_price,
            quantity: *quantity,
            reason: reason.as_deref(),
        },
        OrderFact::Fill(fill) => Inputs::Fill(fill),
        OrderFact::CallIntended { request, .. } => Inputs::Call { request },
        OrderFact::CallReplied { terms: Some(terms), .. } => Inputs::Terms { terms },
        _ => return "{}".to_owned(),
    };
    serde_json::to_string(&inputs).unwrap_or_else(|_| "{}".to_owned())
}

const TAG_DIGITS: usize = 7;

/// `OG`, the directory's prefix, and the order's number in base 36: 13 letters and digits.
fn broker_tag(prefix: &str, number: u64) -> BrokerTag {
    let mut digits = [b'0'; TAG_DIGITS];
    let mut rest = number;
    for slot in digits.iter_mut().rev() {
        let digit = u8::try_from(rest % 36).unwrap_or(0);
        *slot = if digit < 10 { b'0' + digit } else { b'A' + (digit - 10) };
        rest /= 36;
    }
    let text = format!("OG{prefix}{}", String::from_utf8_lossy(&digits));
    BrokerTag::parse(&text).unwrap_or_else(|_| BrokerTag::for_number(number))
}

/// Reads a tag of our shape: the prefix and the order's number.
#[must_use]
pub fn read_tag(text: &str) -> Option<(&str, u64)> {
    let rest = text.strip_prefix("OG")?;
    if rest.len() != 4 + TAG_DIGITS || !rest.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()) {
        return None;
    }
    let (prefix, digits) = rest.split_at(4);
    u64::from_str_radix(digits, 36).ok().map(|number| (prefix, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_reads_back() {
        for number in [1, 35, 36, 1_000_000, 78_364_164_095] {
            let tag = broker_tag("A1B2", number);
            assert_eq!(tag.as_str().len(), 13);
            assert_eq!(read_tag(tag.as_str()), Some(("A1B2", number)));
        }
        for foreign in ["", "OG", "hello", "OGA1B200000", "OGa1b20000001", "og_dash"] {
            assert_eq!(read_tag(foreign), None, "{foreign}");
        }
    }
}
