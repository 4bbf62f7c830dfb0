//! What a journal row keeps of a fact.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::order::{BookState, BrokerOrderId, Fill, GateVerdict, OrderFact, OrderRecord, Status, Terms};

/// `EXECUTED` and `FAILED` are events of their own name, whatever fact brought them about.
pub(super) fn event_name(fact: &OrderFact, before: &OrderRecord, after: &OrderRecord) -> &'static str {
    match (fact, after.status) {
        (OrderFact::Book { .. }, Status::Executed) if before.status != Status::Executed => "EXECUTED",
        (OrderFact::Book { .. }, Status::Failed) if before.status != Status::Failed => "FAILED",
        _ => fact.event(),
    }
}

pub(super) fn reason_of(fact: &OrderFact) -> Option<Arc<str>> {
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

pub(super) fn inputs_of(fact: &OrderFact) -> String {
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
