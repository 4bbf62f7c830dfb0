//! What is left to be done of an action that an earlier process confirmed, by the books.

use std::collections::BTreeSet;

use ordergate_actors::EngineError;
use ordergate_actors::order::{ClientId, HoldingKey, Strategy};
use ordergate_actors::ports::{Query, Rows};

use super::{clients, entries, exit_key, filter, found, still_stopped};
use crate::alerts::actions::{Action, GoOn, What};
use crate::alerts::late::{Found, UnderWay};
use crate::web::state::WebState;

/// What is left of it. It stands on disk under the number of the message that confirmed it.
///
/// # Errors
/// The disk cannot be read.
pub(in crate::web) async fn left(state: &WebState, under_way: &UnderWay, update: i64) -> Result<Found, EngineError> {
    let (wish, until) = (&under_way.wish, under_way.at);
    let clients = clients(state, &wish.whose);
    let is_left = match &wish.action {
        Action::Kill { level, .. } => {
            let controls = clients.iter().filter_map(|client| state.engine.read(client, |book| book.control().clone()));
            let below: Vec<_> = controls.filter(|control| control.level < *level).collect();
            if below.iter().any(|control| control.at.is_some_and(|at| at > until)) {
                return Ok(Found::Overruled);
            }
            !below.is_empty()
        }
        Action::Cancel(strategy) => clients.iter().any(|client| !entries(state, client, strategy.as_ref(), until).is_empty()),
        Action::Acknowledge(id) => !found(state, &wish.whose, id.as_deref(), until).is_empty(),
        Action::GoOn(GoOn { exits, .. }) => !still_stopped(state, &wish.whose, exits).is_empty(),
        Action::Exit(what) => {
            let mut is_left = false;
            for client in &clients {
                is_left |= has_unsent(state, client, what, update).await?;
            }
            is_left
        }
    };
    Ok(if is_left { Found::Left } else { Found::Whole })
}

/// Whether something is held for which that message brought no exit.
async fn has_unsent(state: &WebState, client: &ClientId, what: &What, update: i64) -> Result<bool, EngineError> {
    let held = filter(state, client, what).eligible(state, client);
    if held.is_empty() {
        return Ok(false);
    }
    let mut sent: BTreeSet<(Strategy, HoldingKey)> = BTreeSet::new();
    // As many signals as there were parts: they were sent one after the other.
    for part in 1_usize.. {
        let key = if part == 1 { exit_key(update) } else { format!("{}#{part}", exit_key(update)) };
        let Rows::Orders(orders) = state.engine.query(Query::SignalOfKey(client.clone(), key)).await? else { break };
        if orders.is_empty() {
            break;
        }
        sent.extend(orders.iter().filter_map(|order| Some((order.ask.strategy.clone(), order.holding()?))));
    }
    Ok(held.iter().any(|one| !sent.contains(one)))
}
