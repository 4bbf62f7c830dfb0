//! Which strategies an account knows: so that a wrong name stops nobody, and says so.

use std::collections::BTreeSet;

use actix_web::web::block;
use ordergate_actors::order::{ClientId, Strategy};
use ordergate_actors::persistence::Topic;
use ordergate_actors::risk::Halt;
use serde_json::json;

use crate::store::ReadStore;
use crate::web::problem::Problem;
use crate::web::routing::routes_of;
use crate::web::state::WebState;

/// So many names stand in a sentence.
const NAMED: usize = 20;

/// The strategies that an account has now: of its orders in memory, of what is held, of its stops, halts and routes, and those that a
/// key is for.
pub(super) fn known(state: &WebState, client_id: &ClientId) -> BTreeSet<Strategy> {
    let of_book = state.engine.read(client_id, |book| {
        let halted = book.kept_of(Topic::Halt).filter_map(|(_, kept)| kept.read::<Halt>().ok()).map(|halt| halt.strategy);
        let mut found: BTreeSet<Strategy> = book.strategies().cloned().chain(halted).collect();
        found.extend(book.holdings().map(|(strategy, ..)| strategy.clone()));
        found.extend(book.control().strategies.keys().cloned());
        found
    });
    let mut found = of_book.unwrap_or_default();
    found.extend(routes_of(state, client_id).into_iter().map(|(route, _)| route.strategy));
    let scopes = state.settings.keys.iter().map(|key| &key.scope);
    let scopes = scopes.filter(|scope| scope.accounts.as_ref().is_none_or(|accounts| accounts.contains(client_id)));
    found.extend(scopes.filter_map(|scope| scope.strategies.clone()).flatten());
    found
}

/// That one of these accounts has, or has ever had, a strategy of that name.
///
/// # Errors
/// 404: none has; the answer names those that there are. A record that cannot be read forbids nothing: a stop must not wait for it.
pub(super) async fn must_be_known(state: &WebState, clients: &[ClientId], strategy: &Strategy) -> Result<(), Problem> {
    let all: BTreeSet<Strategy> = clients.iter().flat_map(|client| known(state, client)).collect();
    if all.contains(strategy) || was_there(state, clients, strategy).await {
        return Ok(());
    }
    let names: Vec<&str> = all.iter().map(Strategy::as_str).take(NAMED).collect();
    let there_are = if names.is_empty() { "there is none yet".to_owned() } else { format!("there are: {}", names.join(", ")) };
    let detail = format!("nothing was done: there has never been a strategy {:?} here; {there_are}", strategy.as_str());
    let remedy = "name one of them; without a strategy it is done for the whole account, where that is possible";
    Err(Problem::not_found("no_such_strategy", detail, remedy).with("strategies", json!(all)))
}

/// Whether the record on disk has an order of it, or cannot be asked.
async fn was_there(state: &WebState, clients: &[ClientId], strategy: &Strategy) -> bool {
    let directory = state.paths.database.parent().map(std::path::Path::to_owned).unwrap_or_default();
    let (clients, name) = (clients.to_vec(), strategy.clone());
    let look = block(move || {
        let store = ReadStore::open(&directory).map_err(|cause| cause.to_string())?;
        let found = clients.iter().map(|client| store.has_order_of(client, &name)).collect::<Result<Vec<bool>, _>>();
        found.map(|found| found.contains(&true)).map_err(|cause| cause.to_string())
    });
    match tokio::time::timeout(state.settings.lookup_deadline, look).await {
        Ok(Ok(Ok(found))) => found,
        unread => {
            tracing::warn!(event = "strategy_not_looked_up", %strategy, "the record could not be read: {unread:?}");
            true
        }
    }
}
