//! What an order would take of the account's money, by the broker's own word. It is asked for one order at a time, behind the reads of the
//! books, and kept for a minute: while a person types nobody is asked twice for the same. Without an answer our own estimate stands.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::explain::Explained;
use ordergate_actors::order::{ClientId, InstrumentKey, Terms};
use ordergate_actors::ports::{BrokerOrder, OrderMargin};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::age_ms;
use crate::web::state::WebState;

/// How long a person who looks waits for the broker.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// An answer is of now for so long.
const FRESH: TimeDelta = TimeDelta::minutes(1);

/// An answer, what it was asked about, and when it came.
#[derive(Debug, Clone)]
struct Told {
    about: (InstrumentKey, Terms),
    margin: OrderMargin,
    at: DateTime<Utc>,
}

/// The newest answer of each account.
#[derive(Debug, Default)]
pub(in crate::web) struct Margins(Mutex<BTreeMap<ClientId, Told>>);

impl Margins {
    /// The answer about exactly this order, if it is fresh.
    fn known(&self, client_id: &ClientId, order: &BrokerOrder, now: DateTime<Utc>) -> Option<Told> {
        let kept = self.0.lock();
        let told = kept.get(client_id)?;
        let is_same = told.about.0 == order.instrument.key && told.about.1 == order.terms;
        (is_same && now.signed_duration_since(told.at).abs() < FRESH).then(|| told.clone())
    }
}

/// The broker's figure in the place of our estimate; `None`: the estimate stands, or what is there is no estimate.
pub(super) async fn of_broker(state: &WebState, client_id: &ClientId, leg: &Explained) -> Option<Value> {
    let estimate = leg.takes.as_ref().filter(|takes| takes.is_estimate)?;
    let order = leg.order.clone()?;
    let told = match state.margins.known(client_id, &order, state.now()) {
        Some(told) => told,
        None => ask(state, client_id, order).await?,
    };
    let name = state.engine.desk(client_id).ok()?.broker.capabilities().name;
    let words = told.margin.words.as_deref().map_or_else(String::new, |words| format!(": {words}"));
    Some(json!({
        "rupees": told.margin.order,
        "is_estimate": false,
        "how": format!("the figure of {name}{words}"),
        "source": "broker",
        "used_with_it": told.margin.used,
        "estimate": estimate.rupees,
        "age_ms": age_ms(state.now(), told.at),
    }))
}

async fn ask(state: &WebState, client_id: &ClientId, order: BrokerOrder) -> Option<Told> {
    let about = (order.instrument.key.clone(), order.terms.clone());
    let asked = tokio::time::timeout(PATIENCE, state.engine.order_margin(client_id, order)).await;
    let margin = match asked {
        Ok(Ok(margin)) => margin,
        Ok(Err(why)) => {
            tracing::debug!(event = "no_margin", %client_id, "the broker's figure is not known: {why:?}");
            return None;
        }
        Err(_) => return None,
    };
    let told = Told { about, margin, at: state.now() };
    state.margins.0.lock().insert(client_id.clone(), told.clone());
    Some(told)
}
