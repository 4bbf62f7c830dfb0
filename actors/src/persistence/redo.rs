//! A decision taken again: from what a journal row keeps of its cause, the row that the rules of this version write.
//!
//! What is decided anew: how a leg was read, what a fact does to its order, what a reduced holding comes to, and what the
//! controls are. A row that only tells something (an alarm, a kept state, a repeated signal) decides nothing about an order.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::control::{CONTROL, Control};
use super::inputs::{CreatedInputs, event_name, fact_of, inputs_of, parsed, reason_of};
use super::replay::Projections;
use crate::order::event;
use crate::order::validate::{self, Bounds};
use crate::order::{Amount, LegDraft, OrderFact, Status, Tag, lifecycle};
use crate::ports::JournalRow;

/// The leg as it was sent, as text and as it reads.
#[derive(Deserialize)]
struct Asked {
    asked: Box<RawValue>,
}

/// The row that is written for the same cause now; `None` where nothing was decided. `before` is what the rows before it
/// make.
///
/// # Errors
/// The row does not hold its cause; says what is wrong.
pub(super) fn redone(before: &Projections, row: &JournalRow) -> Result<Option<JournalRow>, String> {
    match (&*row.event, row.to) {
        (event::CREATED, _) => created(row).map(Some),
        (_, Some(_)) => moved(before, row).map(Some),
        (CONTROL, None) => {
            let control: Control = parsed(row)?;
            let value = serde_json::to_string(&control).map_err(|cause| cause.to_string())?;
            Ok(Some(JournalRow { inputs: Arc::from(value), ..row.clone() }))
        }
        (_, None) => Ok(None),
    }
}

/// The leg is read once more. What its name meant that day is not asked again.
fn created(row: &JournalRow) -> Result<JournalRow, String> {
    let Asked { asked } = parsed(row)?;
    let mut leg: LegDraft = serde_json::from_str(asked.get()).map_err(|cause| format!("the leg as it was sent cannot be read: {cause}"))?;
    let mut inputs: CreatedInputs = parsed(row)?;
    if let Some(naming) = &inputs.naming {
        leg.exchange = Some(naming.read.exchange.to_string());
        leg.symbol = Some(naming.read.symbol.to_string());
    }
    // What is wrong with a leg stands in its refusal; what could be read of it depends on no instrument and no bound.
    let unjudged = (Tag::ValidationFailed, String::new());
    let bounds = Bounds { max_notional: Amount::ZERO };
    inputs.order.ask = validate::read_named(&leg, None, Some(&unjudged), &bounds).ask;
    let text = inputs.text(asked.get());
    // Rows of before say of each field that it was not sent.
    let inputs = if says_the_same(&row.inputs, &text) { Arc::clone(&row.inputs) } else { Arc::from(text) };
    Ok(JournalRow { from: None, to: Some(Status::Created), tag: None, inputs, ..row.clone() })
}

/// Whether two texts differ at the most in fields that one leaves out and the other calls null.
fn says_the_same(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str(text).map(without_nulls).ok();
    one == other || read(one).is_some_and(|value| Some(value) == read(other))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, without_nulls(value))).collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        plain => plain,
    }
}

/// The fact is applied once more to the order as it stood.
fn moved(before: &Projections, row: &JournalRow) -> Result<JournalRow, String> {
    let command_id = row.command_id.ok_or("it names no order")?;
    let order = before.orders.get(&command_id).ok_or_else(|| format!("order {command_id} was never created"))?;
    let fact = fact_of(row)?;
    let after = lifecycle::apply(order, &fact, row.at).map_err(|error| format!("it changes nothing: {error}"))?.record;
    // A leg that is refused as it is registered has met no gate.
    let has_met_none = matches!(fact, OrderFact::Refused { .. }) && &*row.inputs == "{}";
    let inputs = if has_met_none { "{}".to_owned() } else { inputs_of(&fact) };
    Ok(JournalRow {
        event: Arc::from(event_name(&fact, order, &after)),
        from: Some(order.status),
        to: Some(after.status),
        tag: after.tag,
        reason: reason_of(&fact).or_else(|| after.reason.clone()),
        inputs: Arc::from(inputs),
        ..row.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::OrderRecord;
    use crate::persistence::Replay;
    use crate::testkit::builders::order;

    const ASKED: &str = r#"{"strategy":"trend","execution_type":"ENTRY","exchange":"NSE","symbol":"SBIN-EQ","side":"BUY","quantity":"10","product":"MIS","order_type":"LIMIT","price":"800.50"}"#;

    fn row(seq: u64, record: &OrderRecord, event: &str, (from, to): (Option<Status>, Status), inputs: &str) -> JournalRow {
        JournalRow {
            client_id: Some(record.client_id.clone()),
            seq,
            prev_hash: [0; 32],
            at: record.created_at,
            event: Arc::from(event),
            command_id: Some(record.command_id),
            signal_id: Some(record.signal_id),
            from,
            to: Some(to),
            tag: None,
            reason: None,
            who: Arc::from("a test"),
            inputs: Arc::from(inputs),
        }
    }

    fn created_as(ask: crate::order::Ask) -> JournalRow {
        let record = OrderRecord { ask, ..order(1) };
        let text = CreatedInputs::of(&record, None, None).text(ASKED);
        row(1, &record, event::CREATED, (None, Status::Created), &text)
    }

    fn read() -> crate::order::Ask {
        let leg: LegDraft = serde_json::from_str(ASKED).unwrap();
        validate::read(&leg, None, &Bounds { max_notional: Amount::ZERO }).ask
    }

    #[test]
    fn a_leg_that_was_read_otherwise_is_another_row() {
        let honest = created_as(read());
        assert_eq!(Replay::default().redo(&honest).unwrap(), Some(honest));
        let mut other = read();
        other.price = crate::order::Price::parse("801").ok();
        let changed = created_as(other);
        let redone = Replay::default().redo(&changed).unwrap().unwrap();
        assert_ne!(redone, changed);
        assert!(redone.inputs.contains("800.5"), "{}", redone.inputs);
    }

    /// A row that calls what was not sent null is the same decision; one that says something else is another.
    #[test]
    fn a_row_of_before_is_read_and_decided_as_it_was() {
        let honest = created_as(read());
        let old =
            honest.inputs.replacen(r#""validity":"DAY""#, r#""validity":"DAY","trigger_price":null,"stop_loss":null,"trailing":null"#, 1);
        let old = old.replacen(r#""asked":{"#, r#""asked":{"test_mode":null,"#, 1);
        assert_ne!(*old, *honest.inputs);
        let row = JournalRow { inputs: Arc::from(old.as_str()), ..honest };
        let mut replay = Replay::default();
        assert_eq!(replay.redo(&row).unwrap(), Some(row.clone()));
        assert_eq!(replay.so_far().orders.values().map(|order| order.ask.clone()).collect::<Vec<_>>(), [read()]);
        let other = JournalRow { inputs: Arc::from(old.replacen("\"stop_loss\":null", "\"stop_loss\":\"1\"", 1)), ..row };
        assert_ne!(Replay::default().redo(&other).unwrap(), Some(other));
    }

    #[test]
    fn a_fact_is_applied_again_to_the_order_as_it_stood() {
        let (created, record) = (created_as(read()), order(1));
        let sent = r#"{"terms":{"side":"BUY","quantity":10,"product":"MIS","order_type":"LIMIT","validity":"DAY","price":"800.5","trigger_price":null},"request":"x","gates":[],"high_water":null}"#;
        let sent = row(2, &record, "SENT_TO_BROKER", (Some(Status::Created), Status::SentToBroker), sent);
        let mut replay = Replay::default();
        replay.redo(&created).unwrap();
        assert_eq!(replay.redo(&sent).unwrap(), Some(sent.clone()));
        // A blank more means the same, and is not what is written.
        let spaced = row(3, &record, "BROKER_CONFIRMED", (Some(Status::SentToBroker), Status::SentToBroker), r#"{"broker_order_id": "1"}"#);
        let redone = replay.redo(&spaced).unwrap().unwrap();
        assert_eq!(&*redone.inputs, r#"{"broker_order_id":"1"}"#);
        let again = row(4, &record, "SENT_TO_BROKER", (Some(Status::SentToBroker), Status::SentToBroker), &sent.inputs);
        assert!(replay.redo(&again).unwrap_err().to_string().contains("row 4: SENT_TO_BROKER: it changes nothing"));
    }

    #[test]
    fn what_only_tells_something_decides_nothing() {
        let alarm = JournalRow { to: None, command_id: None, ..row(1, &order(1), "ALARM_NO_SESSION", (None, Status::Created), "{}") };
        assert_eq!(Replay::default().redo(&alarm).unwrap(), None);
    }
}
