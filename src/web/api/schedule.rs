//! `GET /dashboard/schedule`: the stored alerts, when each fires next, and what became of it last.

use actix_web::web::{Data, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::ist;
use serde_json::{Value, json};

use super::{Answer, OfAccount, accounts};
use crate::web::scheduled::told;
use crate::web::state::WebState;

/// Every stored alert of the accounts that the key may see.
pub(in crate::web) async fn list(request: HttpRequest, asked: Parameters<OfAccount>, state: Data<WebState>) -> Answer {
    let clients = accounts(&state, &request, asked.client_id.as_deref())?;
    let (now, calendar) = (state.now(), &state.engine.line().calendar);
    let rows: Vec<Value> = state
        .settings
        .schedule
        .iter()
        .filter(|scheduled| clients.contains(&scheduled.client_id))
        .map(|scheduled| {
            let (told, _) = told(&state, scheduled);
            let next = scheduled.next(told.as_ref(), calendar, now);
            json!({
                "name": scheduled.name,
                "client_id": scheduled.client_id,
                "at_ist": scheduled.at.to_string(),
                "grace_s": scheduled.grace.as_secs(),
                "exchange": scheduled.exchange,
                "alert": scheduled.alert,
                "next": next,
                "next_ist": next.map(|at| at.with_timezone(&ist()).format("%Y-%m-%d %H:%M:%S").to_string()),
                "last": told,
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "schedule": rows, "as_of": now })))
}
