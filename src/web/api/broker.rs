//! `GET /dashboard/broker`, `POST /dashboard/broker/login`, and the redirect of a broker's login page.

use actix_web::web::{Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::order::ClientId;
use ordergate_actors::persistence::{Level, Note};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, who};
use crate::brokers::connection::LoginError;
use crate::web::body::typed;
use crate::web::problem::Problem;
use crate::web::state::WebState;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Which {
    client_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    client_id: Option<String>,
}

/// What the redirect brings. Brokers add fields of their own.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct Redirect {
    code: Option<String>,
    state: Option<String>,
}

/// How every connection stands.
pub(in crate::web) async fn connections(which: Query<Which>, state: Data<WebState>) -> Answer {
    let mut rows = Vec::new();
    for client_id in state.accounts(which.client_id.as_deref())? {
        let desk = state.engine.desk(&client_id)?;
        let broker = desk.broker.capabilities();
        let report = match state.site.connections.get(&client_id) {
            Some(connection) => Some(connection.report().await),
            None => None,
        };
        rows.push(json!({
            "client_id": client_id,
            "broker": broker.name,
            "mode": desk.standing(state.now()).mode,
            "has_login": report.is_some(),
            "is_logged_in": report.as_ref().map(|report| report.session.is_ok()),
            "connection": report,
        }));
    }
    Ok(HttpResponse::Ok().json(json!({ "accounts": rows, "as_of": state.now() })))
}

/// Logs in: at once, or with the link that a person must open.
pub(in crate::web) async fn login(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<LoginBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let no_login = || Problem::conflict("no_login", format!("the broker of {client_id} has no login"), "nothing is to be done");
    let connection = state.site.connections.get(&client_id).ok_or_else(no_login)?;
    let who = who(&request);
    match connection.login().await {
        Ok(words) => {
            note(&state, &client_id, "BROKER_LOGIN", &who, &words);
            Ok(HttpResponse::Ok().json(json!({ "client_id": client_id, "is_logged_in": true, "session": words })))
        }
        Err(LoginError::NeedsPerson(link)) => {
            let nonce = crate::secrets::draw().map_err(|cause| Problem::unavailable("no_random_numbers", cause.to_string()))?;
            state.site.logins.begin(&client_id, nonce.expose_secret().to_owned(), state.now());
            // Brokers that do not know `state` leave it out of the redirect; those that do must bring it back.
            let joint = if link.contains('?') { '&' } else { '?' };
            let link = format!("{link}{joint}state={}", nonce.expose_secret());
            Ok(HttpResponse::Accepted().json(json!({ "client_id": client_id, "is_logged_in": false, "login_link": link })))
        }
        Err(LoginError::None) => Err(no_login()),
        Err(error @ LoginError::Refused(_)) => {
            note(&state, &client_id, "BROKER_LOGIN_FAILED", &who, &error.to_string());
            Err(Problem::conflict("login_refused", error.to_string(), "correct the credentials before you try again"))
        }
        Err(error @ LoginError::Later(_)) => Err(Problem::unavailable("login_later", error.to_string())),
    }
}

/// The redirect of the broker's page. It carries no key: it counts only while a login of this account is awaited.
pub(in crate::web) async fn callback(request: HttpRequest, redirect: Query<Redirect>, state: Data<WebState>) -> Answer {
    let not_awaited = |why: &str| Problem::conflict("no_login_awaited", why, "begin again: ordergate login");
    let named = request.match_info().get("client_id").and_then(|name| ClientId::parse(name).ok());
    let known = named.and_then(|client_id| Some((state.site.connections.get(&client_id)?, client_id)));
    let (connection, client_id) = known.ok_or_else(|| not_awaited("no login of this account is awaited"))?;
    let code = redirect
        .code
        .as_deref()
        .map(str::trim)
        .filter(|code| (1..=512).contains(&code.len()) && code.chars().all(|c| c.is_ascii_graphic()));
    let code = code.ok_or_else(|| Problem::bad_request("bad_request", "the redirect carries no code", "begin again: ordergate login"))?;
    state.site.logins.take(&client_id, redirect.state.as_deref(), state.now()).map_err(not_awaited)?;
    let words = match connection.take_code(code.to_owned()).await {
        Ok(words) => words,
        Err(error) => {
            note(&state, &client_id, "BROKER_LOGIN_FAILED", "redirect", &error.to_string());
            return Err(Problem::conflict("login_refused", error.to_string(), "begin again: ordergate login"));
        }
    };
    note(&state, &client_id, "BROKER_LOGIN", "redirect", &words);
    let text = format!("{client_id} is logged in. You can close this page.\n");
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").insert_header(("Cache-Control", "no-store")).body(text))
}

fn note(state: &WebState, client_id: &ClientId, event: &'static str, who: &str, text: &str) {
    tracing::info!(event = "broker_login", %client_id, who, "{text}");
    state.engine.note(Note {
        client_id: Some(client_id.clone()),
        event,
        level: Level::Info,
        text: ordergate_actors::order::clean(text, 300),
        command_id: None,
        who: who.into(),
        inputs: "{}".to_owned(),
    });
}
