//! What the application log says of every commit, under stable names: each change of an order's status once, repeats
//! of the same refusal folded into one line with a count.
//!
//! | event | when |
//! |---|---|
//! | `basket_queued` | orders were registered together: `DASHBOARD BASKET INTENT \| 2 orders queued` |
//! | `order_status_changed` | `from` and `to`, with tag and reason |
//! | `broker_accepted` | the broker gave the order its number |
//! | `max_loss_breach` | an entry was refused because of the day's loss: `pnl` and `max_loss` |
//! | `exit_without_position` | an exit found nothing to close |
//! | `signal_replayed`, `signal_conflict` | the same signal came again |
//! | `controls_changed` | kill levels, freezes |

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::order::{BasketId, GateVerdict, OrderRecord, Tag};
use ordergate_actors::persistence::{CONTROL, Event, Listener};
use ordergate_actors::ports::JournalRow;
use serde::Deserialize;

/// Repeats within this time are one line.
const FOLD: TimeDelta = TimeDelta::seconds(60);
/// Different lines that are folded at a time.
const KEPT: usize = 1_024;

/// Writes committed events to the application log. The log itself must not block (it is written by its own thread).
#[derive(Debug, Default)]
pub struct StatusLog {
    folded: BTreeMap<String, Folded>,
}

#[derive(Debug)]
struct Folded {
    since: DateTime<Utc>,
    more: u64,
}

/// How the words of `risk.daily_loss` begin where the day's result is known.
const STANDS_AT: &str = "the day stands at ";

/// What a refusal's inputs hold.
#[derive(Debug, Default, Deserialize)]
struct Inputs {
    #[serde(default)]
    gates: Vec<GateVerdict>,
}

impl Listener for StatusLog {
    fn committed(&mut self, events: &[Event]) {
        baskets(events);
        for event in events {
            match &event.record {
                Some(record) => self.order(&event.row, record),
                None => self.other(event),
            }
        }
    }
}

impl StatusLog {
    /// How many were left out since the last line of this kind; `None`: this one is left out too.
    fn fold(&mut self, key: String, at: DateTime<Utc>) -> Option<u64> {
        if let Some(folded) = self.folded.get_mut(&key)
            && at.signed_duration_since(folded.since) < FOLD
        {
            folded.more += 1;
            return None;
        }
        let more = self.folded.insert(key, Folded { since: at, more: 0 }).map_or(0, |folded| folded.more);
        if self.folded.len() > KEPT {
            self.folded.retain(|_, folded| at.signed_duration_since(folded.since) < FOLD);
        }
        if self.folded.len() > KEPT {
            self.folded.clear();
        }
        Some(more)
    }

    fn order(&mut self, row: &JournalRow, record: &OrderRecord) {
        if &*row.event == "BROKER_CONFIRMED"
            && let Some(number) = &record.broker_order_id
        {
            tracing::info!(
                event = "broker_accepted",
                client_id = %record.client_id,
                command_id = %record.command_id,
                broker_order_id = %number,
                "broker returned order number {number} for {}",
                record.ask.symbol
            );
        }
        if row.tag == Some(Tag::RiskLimitsExceeded) {
            self.max_loss(row, record);
        }
        if row.tag == Some(Tag::NoPosition)
            && let Some(more) = self.fold(format!("flat {} {} {}", record.client_id, record.ask.strategy, record.ask.symbol), row.at)
        {
            tracing::warn!(
                event = "exit_without_position",
                client_id = %record.client_id,
                strategy = %record.ask.strategy,
                repeats = more,
                "EXIT without eligible positions | {} {}",
                record.ask.strategy,
                record.ask.symbol
            );
        }
        if row.from.is_some() && row.from != row.to {
            changed(row, record);
        }
    }

    fn max_loss(&mut self, row: &JournalRow, record: &OrderRecord) {
        let Some((pnl, max_loss)) = breach(row) else { return };
        if let Some(more) = self.fold(format!("loss {}", record.client_id), row.at) {
            tracing::warn!(
                event = "max_loss_breach",
                client_id = %record.client_id,
                command_id = %record.command_id,
                pnl,
                max_loss,
                repeats = more,
                "Max loss breach detected | pnl={pnl} | max_loss={max_loss}"
            );
        }
    }

    fn other(&mut self, event: &Event) {
        let row = &*event.row;
        let client = row.client_id.as_ref().map_or("", |client| client.as_str());
        let reason = row.reason.as_deref().unwrap_or_default();
        match &*row.event {
            name @ ("SIGNAL_REPLAYED" | "SIGNAL_CONFLICT") => {
                if let Some(more) = self.fold(format!("{name} {client} {}", row.who), row.at) {
                    let event = if name == "SIGNAL_REPLAYED" { "signal_replayed" } else { "signal_conflict" };
                    tracing::info!(event, client_id = client, user = %row.who, repeats = more, "{reason}");
                }
            }
            CONTROL => tracing::warn!(event = "controls_changed", client_id = client, who = %row.who, controls = %row.inputs, "{reason}"),
            // Alarms were logged by whoever raised them.
            _ => {}
        }
    }
}

fn baskets(events: &[Event]) {
    let mut baskets: BTreeMap<BasketId, (usize, &OrderRecord)> = BTreeMap::new();
    for record in events.iter().filter(|event| &*event.row.event == "INTENT_CREATED").filter_map(|event| event.record.as_deref()) {
        baskets.entry(record.basket_id).or_insert((0, record)).0 += 1;
    }
    for (basket_id, (orders, first)) in baskets {
        let kind = if orders == 1 { "INTENT" } else { "BASKET INTENT" };
        let plural = if orders == 1 { "" } else { "s" };
        tracing::info!(
            event = "basket_queued",
            client_id = %first.client_id,
            %basket_id,
            orders,
            user = %first.user,
            "{} {kind} | {orders} order{plural} queued",
            first.source
        );
    }
}

fn changed(row: &JournalRow, record: &OrderRecord) {
    let (from, to) = (row.from.map_or("", |status| status.as_str()), record.status);
    let tag = record.tag.map_or("", Tag::as_str);
    let reason = record.reason.as_deref().unwrap_or_default();
    let why = if tag.is_empty() { String::new() } else { format!(" | {tag} | {reason}") };
    let number = record.broker_order_id.as_ref().map_or("", |number| number.as_str());
    tracing::info!(
        event = "order_status_changed",
        client_id = %record.client_id,
        command_id = %record.command_id,
        from,
        to = %to,
        tag,
        symbol = %record.ask.symbol,
        broker_order_id = number,
        filled = record.filled_quantity,
        who = %row.who,
        "updating order status -> {to}{why}"
    );
}

/// The day's result and the limit that it broke, when that is what refused the order.
fn breach(row: &JournalRow) -> Option<(String, String)> {
    let inputs: Inputs = serde_json::from_str(&row.inputs).ok()?;
    let gate = inputs.gates.into_iter().find(|gate| gate.gate == "risk.daily_loss" && !gate.passed)?;
    // A result that nobody knows is refused by the same gate, and its words have numbers too: times, units.
    let result = gate.input.strip_prefix(STANDS_AT)?;
    Some((number(result)?, number(&gate.limit)?))
}

/// The first number in a text.
fn number(text: &str) -> Option<String> {
    let word = text.split_whitespace().find(|word| word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit()))?;
    Some(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_folded_and_counted() {
        let mut log = StatusLog::default();
        let start: DateTime<Utc> = "2026-11-20T04:00:00Z".parse().unwrap();
        let at = |seconds: i64| start + TimeDelta::seconds(seconds);
        assert_eq!(log.fold("a".to_owned(), at(0)), Some(0));
        assert_eq!(log.fold("a".to_owned(), at(1)), None);
        assert_eq!(log.fold("b".to_owned(), at(1)), Some(0));
        assert_eq!(log.fold("a".to_owned(), at(59)), None);
        assert_eq!(log.fold("a".to_owned(), at(60)), Some(2));
        for other in 0..5_000 {
            log.fold(other.to_string(), at(61));
        }
        assert!(log.folded.len() <= KEPT + 1);
    }

    #[test]
    fn the_breach_is_read_from_the_gate_that_saw_it() {
        let inputs = r#"{"gates":[{"gate":"risk.kill","passed":true,"input":"0","limit":"0"},
            {"gate":"risk.daily_loss","passed":false,"input":"the day stands at -499.00 rupees","limit":"above -15.00 rupees"}]}"#;
        let row = |inputs: &str| JournalRow {
            client_id: None,
            seq: 1,
            prev_hash: [0; 32],
            at: "2026-11-20T04:00:00Z".parse().unwrap(),
            event: "REFUSED".into(),
            command_id: None,
            signal_id: None,
            from: None,
            to: None,
            tag: Some(Tag::RiskLimitsExceeded),
            reason: None,
            who: "RiskActor".into(),
            inputs: inputs.into(),
        };
        assert_eq!(breach(&row(inputs)), Some(("-499.00".to_owned(), "-15.00".to_owned())));
        assert_eq!(breach(&row(&inputs.replace("false", "true"))), None);
        assert_eq!(breach(&row("{}")), None);
        let unknown = "the day's result is not known: the broker's positions do not tell: they were last read at Fri 27 Nov 2026 11:02 IST";
        assert_eq!(breach(&row(&inputs.replace("the day stands at -499.00 rupees", unknown))), None, "no date is a result");
    }
}
