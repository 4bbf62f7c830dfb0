//! What a journal row keeps of a fact, and how the fact is read back: with the row's own columns it is the whole fact, so
//! that every projection can be made anew from the journal alone.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::order::event;
use crate::order::{
    Answered, Ask, BasketId, BookState, BrokerOrderId, BrokerTag, CallAnswer, ChangeCall, CommandId, Fill, GateVerdict, Heard, Intent,
    OrderFact, OrderRecord, OrderType, Pricing, Product, Quantity, Resolution, Side, Source, Status, Tag, Terms,
};
use crate::ports::{JournalRow, Naming, SignalRow};

/// `EXECUTED` and `FAILED` are events of their own name, whatever fact brought them about.
pub(super) fn event_name(fact: &OrderFact, before: &OrderRecord, after: &OrderRecord) -> &'static str {
    match (fact, after.status) {
        (OrderFact::Book { .. }, Status::Executed) if before.status != Status::Executed => event::EXECUTED,
        (OrderFact::Book { .. }, Status::Failed) if before.status != Status::Failed => event::FAILED,
        _ => fact.event(),
    }
}

pub(super) fn reason_of(fact: &OrderFact) -> Option<Arc<str>> {
    match fact {
        OrderFact::CancelWanted { reason, .. } | OrderFact::Resolved { reason, .. } => Some(Arc::from(reason.as_str())),
        OrderFact::CallReplied { answer, .. } => Some(Arc::from(answer.to_string())),
        OrderFact::TermsShown { was, now, by_hand: true, .. } => {
            Some(Arc::from(format!("changed at the broker by hand: {was} became {now}")))
        }
        OrderFact::TermsShown { was, now, .. } => Some(Arc::from(format!("a change of ours is in force: {was} became {now}"))),
        _ => None,
    }
}

/// A new order, as its first row keeps it. Its name, signal, user and time are columns of the row.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NewOrderInputs {
    pub(super) number: u64,
    pub(super) leg: u16,
    pub(super) basket_id: BasketId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent_command_id: Option<CommandId>,
    pub(super) source: Source,
    pub(super) signal_time: DateTime<Utc>,
    pub(super) ask: Ask,
}

/// The signal, kept with the first of its orders.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SignalInputs {
    /// Of a signal that is known by its body, without the hash that stands beside it.
    key: String,
    /// Hexadecimal.
    pub(super) body_hash: String,
    pub(super) received_at: DateTime<Utc>,
    pub(super) legs: u16,
}

impl SignalInputs {
    fn of(signal: &SignalRow) -> Self {
        let (key, body_hash) = (&signal.idempotency_key, hex(&signal.body_hash));
        let by_body = key.rsplit_once(&format!(":{body_hash}:")).filter(|(head, time)| is_by_body(head, time));
        let key = by_body.map_or_else(|| key.clone(), |(head, time)| format!("{head}::{time}"));
        Self { key, body_hash, received_at: signal.received_at, legs: signal.legs }
    }

    /// Its key as it is stored. Rows of before have it whole.
    pub(super) fn key(&self) -> String {
        let short = self.key.rsplit_once("::").filter(|(head, time)| is_by_body(head, time));
        short.map_or_else(|| self.key.clone(), |(head, time)| format!("{head}:{}:{time}", self.body_hash))
    }
}

/// Whether a key is that of a signal that is known by its body: whose it is, and when it came.
fn is_by_body(head: &str, time: &str) -> bool {
    head.starts_with("b:") && !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit())
}

/// What an `INTENT_CREATED` row keeps; the leg as it was sent comes before it, as text.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CreatedInputs {
    pub(super) broker_tag: BrokerTag,
    pub(super) order: NewOrderInputs,
    /// How its instrument was read. A replay takes the order's own symbol: what a name meant that day is not asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) naming: Option<Naming>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) signal: Option<SignalInputs>,
}

impl CreatedInputs {
    /// Of an order as it is registered, with its signal if it is the first of it.
    pub(super) fn of(order: &OrderRecord, naming: Option<&Naming>, signal: Option<&SignalRow>) -> Self {
        Self {
            broker_tag: order.broker_tag.clone(),
            naming: naming.cloned(),
            order: NewOrderInputs {
                number: order.number,
                leg: order.leg,
                basket_id: order.basket_id,
                parent_command_id: order.parent_command_id,
                source: order.source,
                signal_time: order.signal_time,
                ask: order.ask.clone(),
            },
            signal: signal.map(SignalInputs::of),
        }
    }

    /// With the leg as it was sent, which is JSON text already.
    pub(super) fn text(&self, sent: &str) -> String {
        match serde_json::to_string(self) {
            Ok(own) => format!("{{\"asked\":{sent},{}", own.strip_prefix('{').unwrap_or("}")),
            Err(_) => format!("{{\"asked\":{sent}}}"),
        }
    }
}

/// What a journal row keeps of a fact; written straight to text, because every order passes here three times.
#[derive(Serialize)]
#[serde(untagged)]
enum Inputs<'a> {
    Refused {
        gates: &'a [GateVerdict],
    },
    Aimed {
        aimed: AimedInputs,
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
    Book(BookInputs),
    Fill(&'a Fill),
    Call {
        request: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        change: Option<&'a Terms>,
    },
    /// A change that is, or may be, in force.
    Answered {
        terms: &'a Terms,
        heard: Heard,
    },
    /// One that is not.
    NotChanged {
        refused: &'a Terms,
    },
    Shown(ShownInputs),
    Cancel {
        wanted: Tag,
    },
    Resolved {
        at_broker: Option<&'a BrokerOrderId>,
    },
}

#[derive(Serialize, Deserialize)]
struct BookInputs {
    broker_order_id: BrokerOrderId,
    state: BookState,
    filled: i64,
    average_price: Option<Decimal>,
    quantity: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    price: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trigger_price: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order_type: Option<OrderType>,
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    besides: Option<Arc<str>>,
}

#[derive(Serialize, Deserialize)]
struct AimedInputs {
    intent: Intent,
    side: Side,
    quantity: Quantity,
    product: Product,
}

#[derive(Deserialize)]
struct AimedRow {
    aimed: AimedInputs,
}

#[derive(Deserialize)]
struct GateInputs {
    gates: Vec<GateVerdict>,
}

#[derive(Deserialize)]
struct SentInputs {
    terms: Terms,
    request: String,
    gates: Vec<GateVerdict>,
    high_water: Option<BrokerOrderId>,
}

#[derive(Deserialize)]
struct NumberInputs {
    broker_order_id: BrokerOrderId,
}

#[derive(Serialize, Deserialize)]
struct ShownInputs {
    was: Pricing,
    now: Pricing,
    basis: u64,
}

#[derive(Deserialize)]
struct CallInputs {
    request: String,
    #[serde(default)]
    change: Option<Terms>,
}

#[derive(Deserialize)]
struct AnsweredInputs {
    #[serde(default)]
    terms: Option<Terms>,
    #[serde(default)]
    heard: Option<Heard>,
    #[serde(default)]
    refused: Option<Terms>,
}

impl AnsweredInputs {
    fn change(self) -> Option<Answered> {
        let refused = self.refused.map(|terms| Answered { terms, heard: Heard::Refused });
        self.terms.zip(self.heard).map(|(terms, heard)| Answered { terms, heard }).or(refused)
    }
}

#[derive(Deserialize)]
struct CancelInputs {
    wanted: Tag,
}

#[derive(Deserialize)]
struct ResolvedInputs {
    at_broker: Option<BrokerOrderId>,
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn inputs_of(fact: &OrderFact) -> String {
    let inputs = match fact {
        OrderFact::Refused { gates, .. } => Inputs::Refused { gates },
        OrderFact::Aimed { intent, side, quantity, product, .. } => {
            Inputs::Aimed { aimed: AimedInputs { intent: *intent, side: *side, quantity: *quantity, product: *product } }
        }
        OrderFact::SendIntended { terms, request, gates, high_water, .. } => Inputs::Sent { terms, request, gates, high_water },
        OrderFact::Accepted { broker_order_id } => Inputs::Number { broker_order_id },
        OrderFact::Book { broker_order_id, state, filled, average_price, quantity, price, trigger_price, order_type, reason, besides } => {
            Inputs::Book(BookInputs {
                broker_order_id: broker_order_id.clone(),
                state: *state,
                filled: *filled,
                average_price: *average_price,
                quantity: *quantity,
                price: *price,
                trigger_price: *trigger_price,
                order_type: *order_type,
                reason: reason.clone(),
                besides: besides.clone(),
            })
        }
        OrderFact::Fill(fill) => Inputs::Fill(fill),
        OrderFact::CallIntended { request, terms, .. } => Inputs::Call { request, change: terms.as_ref() },
        OrderFact::CallReplied { change: Some(Answered { terms, heard: Heard::Refused }), .. } => Inputs::NotChanged { refused: terms },
        OrderFact::CallReplied { change: Some(Answered { terms, heard }), .. } => Inputs::Answered { terms, heard: *heard },
        OrderFact::TermsShown { was, now, basis, .. } => Inputs::Shown(ShownInputs { was: *was, now: *now, basis: *basis }),
        OrderFact::CancelWanted { tag, .. } => Inputs::Cancel { wanted: *tag },
        OrderFact::Resolved { verdict: Resolution::AtBroker(id), .. } => Inputs::Resolved { at_broker: Some(id) },
        OrderFact::Resolved { verdict: Resolution::Absent, .. } => Inputs::Resolved { at_broker: None },
        OrderFact::CallReplied { change: None, .. }
        | OrderFact::NotSent { .. }
        | OrderFact::Rejected { .. }
        | OrderFact::Unconfirmed { .. }
        | OrderFact::Absent { .. }
        | OrderFact::Unseen { .. }
        | OrderFact::Lapsed { .. }
        | OrderFact::Suspect { .. }
        | OrderFact::TestEnded { .. } => return "{}".to_owned(),
    };
    serde_json::to_string(&inputs).unwrap_or_else(|_| "{}".to_owned())
}

/// The fact that a row tells of: the inverse of [`inputs_of`], [`reason_of`] and [`event_name`].
///
/// # Errors
/// The row does not hold what its event must hold; says what is wrong.
pub(super) fn fact_of(row: &JournalRow) -> Result<OrderFact, String> {
    let reason = || row.reason.as_deref().unwrap_or("").to_owned();
    let answer = || CallAnswer::read(row.reason.as_deref().unwrap_or(""));
    let tag = || row.tag.ok_or_else(|| "it has no tag".to_owned());
    Ok(match &*row.event {
        event::REFUSED => {
            let gates = if &*row.inputs == "{}" { Vec::new() } else { parsed::<GateInputs>(row)?.gates };
            OrderFact::Refused { tag: tag()?, reason: reason(), gates }
        }
        event::AIMED => {
            let AimedInputs { intent, side, quantity, product } = parsed::<AimedRow>(row)?.aimed;
            OrderFact::Aimed { intent, side, quantity, product, reason: reason() }
        }
        event::SENT_TO_BROKER => {
            let SentInputs { terms, request, gates, high_water } = parsed(row)?;
            OrderFact::SendIntended { terms, request, gates, note: row.reason.as_deref().map(str::to_owned), high_water }
        }
        event::NOT_SENT => OrderFact::NotSent { tag: tag()?, reason: reason() },
        event::BROKER_CONFIRMED => OrderFact::Accepted { broker_order_id: parsed::<NumberInputs>(row)?.broker_order_id },
        event::BROKER_REJECTED => OrderFact::Rejected { tag: tag()?, reason: reason() },
        event::SEND_UNCONFIRMED => OrderFact::Unconfirmed { cause: reason() },
        event::BROKER_BOOK | event::EXECUTED | event::FAILED => {
            let BookInputs { broker_order_id, state, filled, average_price, quantity, price, trigger_price, order_type, reason, besides } =
                parsed(row)?;
            OrderFact::Book { broker_order_id, state, filled, average_price, quantity, price, trigger_price, order_type, reason, besides }
        }
        event::FILL => OrderFact::Fill(parsed(row)?),
        event::NOT_AT_BROKER => OrderFact::Absent { evidence: reason() },
        event::NOT_IN_BOOKS => OrderFact::Unseen { evidence: reason() },
        event::LAPSED => OrderFact::Lapsed { evidence: reason() },
        event::CANCEL_WANTED => OrderFact::CancelWanted { tag: parsed::<CancelInputs>(row)?.wanted, reason: reason() },
        event::MODIFY_SENT => {
            let CallInputs { request, change } = parsed(row)?;
            OrderFact::CallIntended { call: ChangeCall::Modify, request, terms: change }
        }
        event::CANCEL_SENT => {
            OrderFact::CallIntended { call: ChangeCall::Cancel, request: parsed::<CallInputs>(row)?.request, terms: None }
        }
        event::MODIFY_REPLIED => {
            OrderFact::CallReplied { call: ChangeCall::Modify, answer: answer(), change: parsed::<AnsweredInputs>(row)?.change() }
        }
        event::CANCEL_REPLIED => OrderFact::CallReplied { call: ChangeCall::Cancel, answer: answer(), change: None },
        name @ (event::TERMS_SHOWN | event::TERMS_CHANGED_BY_HAND) => {
            let ShownInputs { was, now, basis } = parsed(row)?;
            OrderFact::TermsShown { was, now, basis, by_hand: name == event::TERMS_CHANGED_BY_HAND }
        }
        event::ENGINE_FAULT => OrderFact::Suspect { cause: reason() },
        event::TEST_ENDED => OrderFact::TestEnded { success: row.to == Some(Status::Executed) },
        event::RESOLVED => {
            let verdict = parsed::<ResolvedInputs>(row)?.at_broker.map_or(Resolution::Absent, Resolution::AtBroker);
            OrderFact::Resolved { verdict, reason: reason() }
        }
        other => return Err(format!("{other} is no event that changes an order")),
    })
}

/// The row's inputs, as its event has them.
pub(super) fn parsed<T: for<'de> Deserialize<'de>>(row: &JournalRow) -> Result<T, String> {
    serde_json::from_str(&row.inputs).map_err(|cause| format!("its inputs cannot be read: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::LegDraft;
    use crate::testkit::builders::order;
    use crate::testkit::morning;

    /// What a row of an index b-tree holds without a page beside it, of 4 KiB a page, and what all columns but the inputs take of
    /// the alerts of most people.
    const IN_PAGE: usize = 1_002;
    const COLUMNS: usize = 190;

    /// The row of every order is written before its sender hears: beyond its page it costs three more.
    #[test]
    fn the_row_of_a_plain_limit_alert_fits_into_its_page() {
        let some = |text: &str| Some(text.to_owned());
        let leg = LegDraft {
            strategy: some("trend_follower_1"),
            execution_type: some("ENTRY"),
            exchange: some("NFO"),
            symbol: some("BANKNIFTY24NOV26C52000"),
            side: some("BUY"),
            quantity: some("35"),
            product: some("NRML"),
            order_type: some("LIMIT"),
            price: some("402.55"),
            ..LegDraft::default()
        };
        let sent = serde_json::to_string(&leg).unwrap();
        let mut record = order(123_456);
        record.ask.strategy = crate::order::Strategy::parse("trend_follower_1").unwrap();
        record.ask.symbol = Arc::from("BANKNIFTY24NOV26C52000");
        record.ask.seen_price = record.ask.price;
        let signal = SignalRow {
            client_id: record.client_id.clone(),
            signal_id: record.signal_id,
            idempotency_key: format!("b:WEBHOOK/tradingview:{}:{:020}", hex(&[7; 32]), 1_795_000_000_000_000_u64),
            body_hash: [7; 32],
            source: record.source,
            user: Arc::from("tradingview"),
            received_at: morning() + chrono::Duration::microseconds(123_456),
            legs: 1,
        };
        record.signal_time = signal.received_at;
        let text = CreatedInputs::of(&record, None, Some(&signal)).text(&sent);
        assert!(!text.contains("null"), "{text}");
        assert!(text.len() + COLUMNS < IN_PAGE, "{} bytes: {text}", text.len());
    }

    #[test]
    fn the_key_of_a_signal_is_read_back_whole() {
        let hash = hex(&[7; 32]);
        let signal = |key: &str| SignalRow {
            client_id: order(1).client_id,
            signal_id: order(1).signal_id,
            idempotency_key: key.to_owned(),
            body_hash: [7; 32],
            source: Source::Webhook,
            user: Arc::from("tv"),
            received_at: morning(),
            legs: 1,
        };
        let by_body = [format!("b:WEBHOOK/tv:{hash}:00001795000000000000"), format!("b:WEBHOOK/a::1:{hash}:00001795000000000000")];
        for key in &by_body {
            let inputs = SignalInputs::of(&signal(key));
            assert!(!inputs.key.contains(&hash), "it stands beside it");
            assert_eq!(inputs.key(), *key);
            let old = SignalInputs { key: key.clone(), ..inputs };
            assert_eq!(old.key(), *key, "a row of before");
        }
        let of_senders = [format!("k:{hash}"), "k:a::1".to_owned(), format!("k:b:x:{hash}:1"), "o:day:1".to_owned(), format!("b:{hash}")];
        for key in &of_senders {
            let inputs = SignalInputs::of(&signal(key));
            assert_eq!((&inputs.key, inputs.key()), (key, key.clone()));
        }
    }
}
