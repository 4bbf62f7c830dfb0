//! The routes of the configuration, put in place at the start: each that is new, another than before, or gone is a journal
//! row. What a person wrote through the API stays, unless the configuration has the same name.

use ordergate_actors::Engine;
use ordergate_actors::order::ClientId;
use ordergate_actors::persistence::{Keep, Slot, Topic};
use ordergate_actors::routes::{Origin, Route};

/// Puts them in place.
///
/// # Errors
/// The journal did not answer.
pub(super) async fn install(engine: &Engine, routes: &[(ClientId, Route)]) -> anyhow::Result<()> {
    let clients: Vec<ClientId> = engine.line().desks().map(|desk| desk.client_id.clone()).collect();
    for client_id in clients {
        let standing: Vec<Route> = engine
            .read(&client_id, |book| book.kept_of(Topic::Route).filter_map(|(_, kept)| kept.read().ok()).collect())
            .unwrap_or_default();
        let wanted: Vec<&Route> = routes.iter().filter(|(account, _)| *account == client_id).map(|(_, route)| route).collect();
        for route in &wanted {
            if !standing.contains(*route) {
                let reason = format!("route {} as the configuration says", route.name);
                engine.keep(row(&client_id, &route.name, "ROUTE_CHANGED", reason).with(*route)?).await?;
            }
        }
        for gone in standing.iter().filter(|route| route.origin == Origin::Config && wanted.iter().all(|other| other.name != route.name)) {
            let reason = format!("route {} is no longer in the configuration", gone.name);
            engine.keep(row(&client_id, &gone.name, "ROUTE_REMOVED", reason)).await?;
        }
    }
    Ok(())
}

fn row(client_id: &ClientId, name: &str, event: &'static str, reason: String) -> Keep {
    Keep::new(Slot::new(Topic::Route, name), event, "configuration", reason).of(client_id)
}
