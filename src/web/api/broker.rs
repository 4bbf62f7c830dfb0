//! `GET /dashboard/broker`, `POST /dashboard/broker/login`, `/code` and `/logout`, the link that begins a login, and the redirect of a
//! broker's login page.

use std::sync::Arc;

use actix_web::web::{Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use ordergate_actors::order::ClientId;
use ordergate_actors::persistence::{Book, Level, Note};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, who};
use crate::brokers::connection::{Connection, ConnectionReport, LoginError, LogoutError};
use crate::readiness::Fresh;
use crate::web::body::typed;
use crate::web::problem::Problem;
use crate::web::state::WebState;
use crate::web::visitors;

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    client_id: Option<String>,
    code: String,
}

/// What a link of ours carries. Those who pass it on add fields of their own.
#[derive(Deserialize)]
pub(in crate::web) struct Link {
    ticket: Option<String>,
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
        let report = state.site.report(desk, Fresh::Lately).await;
        rows.push(json!({
            "client_id": client_id,
            "broker": broker.name,
            "mode": desk.standing(state.now()).mode,
            "has_login": report.is_some(),
            "is_logged_in": report.as_ref().map(|report| report.session.is_ok()),
            "login_link": report.as_ref().and_then(|report| report.login_link.as_ref()).and_then(|_| state.site.login_link(&client_id, state.now())),
            "connection": report.as_ref().map(shown),
        }));
    }
    Ok(HttpResponse::Ok().json(json!({ "accounts": rows, "as_of": state.now() })))
}

/// A report without the link, which is no one's before a login is awaited. What could not be read is null, and beside it stands why.
fn shown(report: &ConnectionReport) -> Value {
    json!({
        "session": report.session.as_ref().ok(),
        "session_trouble": report.session.as_ref().err(),
        "token_ends_at": report.token_ends_at,
        "clock_skew_ms": report.clock_skew_ms,
        "address": report.address,
        "funds": report.funds.as_ref().ok(),
        "funds_trouble": report.funds.as_ref().err(),
        "stream_age_ms": report.stream_age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
    })
}

/// Logs in: at once, or with the link that a person must open.
pub(in crate::web) async fn login(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<LoginBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    Ok(match begin(&state, &client_id, None, &who(&request)).await? {
        Begun::In(words) => HttpResponse::Ok().json(json!({ "client_id": client_id, "is_logged_in": true, "session": words })),
        Begun::At(page) => HttpResponse::Accepted().json(json!({ "client_id": client_id, "is_logged_in": false, "login_link": page })),
    })
}

/// Ends the session, where nothing needs it: exits go through it.
pub(in crate::web) async fn logout(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<LoginBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let connection = state.site.connections.get(&client_id).ok_or_else(|| no_login(&client_id))?;
    let needs = |book: &Book| book.open_count() > 0 || book.owes() || book.holdings().any(|(_, _, held)| held.net != 0);
    if state.engine.read(&client_id, needs).unwrap_or(true) {
        let why = format!("orders of {client_id} are open, or something is held: exits go through the session");
        return Err(Problem::conflict("session_in_use", why, "close what is open, or stop the engine"));
    }
    match connection.logout().await {
        Ok(words) => {
            note(&state, &client_id, "BROKER_LOGOUT", &who(&request), &words);
            // What was kept of the connection says that it is logged in.
            if let Ok(desk) = state.engine.desk(&client_id) {
                state.site.report(desk, Fresh::Now).await;
            }
            Ok(HttpResponse::Ok().json(json!({ "client_id": client_id, "is_logged_in": false, "session": words })))
        }
        Err(LogoutError::None) => Err(no_login(&client_id)),
        Err(error @ LogoutError::Later(_)) => Err(Problem::unavailable("logout_later", error.to_string())),
    }
}

/// How a login began.
enum Begun {
    /// It needs no person.
    In(String),
    /// A person must sign in at this page, and its redirect is awaited.
    At(String),
}

fn no_login(client_id: &ClientId) -> Problem {
    Problem::conflict("no_login", format!("the broker of {client_id} has no login"), "nothing is to be done")
}

fn not_awaited(why: &str) -> Problem {
    Problem::conflict("no_login_awaited", why, "begin again: ordergate login")
}

async fn begin(state: &WebState, client_id: &ClientId, link: Option<&str>, who: &str) -> Result<Begun, Problem> {
    let connection = state.site.connections.get(client_id).ok_or_else(|| no_login(client_id))?;
    match connection.login().await {
        Ok(words) => {
            state.site.logins.succeeded(client_id);
            note(state, client_id, "BROKER_LOGIN", who, &words);
            Ok(Begun::In(words))
        }
        Err(LoginError::NeedsPerson(page)) => {
            let nonce = crate::secrets::draw().map_err(|cause| Problem::unavailable("no_random_numbers", cause.to_string()))?;
            let nonce = state.site.logins.begin(client_id, link, nonce.expose_secret().to_owned(), state.now());
            // Brokers that do not know `state` leave it out of the redirect; those that do must bring it back.
            let joint = if page.contains('?') { '&' } else { '?' };
            Ok(Begun::At(format!("{page}{joint}state={nonce}")))
        }
        Err(LoginError::None) => Err(no_login(client_id)),
        Err(error @ LoginError::Refused(_)) => {
            note(state, client_id, "BROKER_LOGIN_FAILED", who, &error.to_string());
            Err(Problem::conflict("login_refused", error.to_string(), "correct the credentials before you try again"))
        }
        Err(error @ LoginError::Later(_)) => Err(Problem::unavailable("login_later", error.to_string())),
    }
}

/// The account that an address names, and its connection; to whoever has no key an unknown one looks like one that
/// nobody logs in.
fn named<'a>(request: &HttpRequest, state: &'a WebState) -> Result<(ClientId, &'a Arc<dyn Connection>), Problem> {
    let named = request.match_info().get("client_id").and_then(|name| ClientId::parse(name).ok());
    let known = named.and_then(|client_id| Some((state.site.connections.get(&client_id)?, client_id)));
    let (connection, client_id) = known.ok_or_else(|| not_awaited("no login of this account is awaited"))?;
    Ok((client_id, connection))
}

/// What the page of a link may do: show itself, with its own style, in no frame. There is no `form-action`: browsers hold the redirect
/// to the broker's page against it too.
const LINK_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// The link that was pushed to a person: a page with one button, and nothing else happens. Chats and mail scanners open links before
/// people do; what only looks begins no login, tells no state and uses nothing up.
pub(in crate::web) async fn open(request: HttpRequest, link: Query<Link>, state: Data<WebState>) -> Answer {
    let (client_id, _) = followed(&request, &link, &state)?;
    // An account's name has no character that means something in HTML. The form goes to the address of the page, ticket and all.
    let text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Log in at the broker</title>\n\
         <style>body {{ font: 1.2rem sans-serif; margin: 2rem }} button {{ font: inherit; padding: 1rem 2rem }}</style>\n\
         <p>{client_id} needs a login at its broker.</p>\n\
         <form method=\"post\"><button>Go on to the broker's page</button></form>\n"
    );
    let mut response = HttpResponse::Ok();
    response.content_type("text/html; charset=utf-8").insert_header(("Content-Security-Policy", LINK_POLICY));
    response.insert_header(("X-Content-Type-Options", "nosniff")).insert_header(("X-Frame-Options", "DENY"));
    Ok(kept_here(&mut response).body(text))
}

/// The button of that page: begins the login, and goes on to the broker's page. The ticket is the proof that it was asked for. No key and
/// no cookie counts here, so that a page of somebody else's, which has no ticket, has nothing to ride on.
pub(in crate::web) async fn follow(request: HttpRequest, link: Query<Link>, state: Data<WebState>) -> Answer {
    let (client_id, ticket) = followed(&request, &link, &state)?;
    Ok(match begin(&state, &client_id, Some(ticket), "link").await? {
        Begun::In(_) => page(&client_id),
        Begun::At(page) => kept_here(HttpResponse::SeeOther().insert_header(("Location", page))).finish(),
    })
}

/// The account of a link that is good, and the link's ticket.
fn followed<'a>(request: &HttpRequest, link: &'a Link, state: &WebState) -> Result<(ClientId, &'a str), Problem> {
    let (client_id, _) = named(request, state)?;
    let ticket = link.ticket.as_deref().unwrap_or_default();
    state.site.logins.follow(&client_id, ticket, state.now()).map_err(not_awaited)?;
    visitors::known(request);
    Ok((client_id, ticket))
}

/// The address has a ticket: no copy of the answer is kept, and no page behind it hears the address.
fn kept_here(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response.insert_header(("Cache-Control", "no-store")).insert_header(("Referrer-Policy", "no-referrer"))
}

/// The redirect of the broker's page. It carries no key: it counts only while a login of this account is awaited.
pub(in crate::web) async fn callback(request: HttpRequest, redirect: Query<Redirect>, state: Data<WebState>) -> Answer {
    let (client_id, connection) = named(&request, &state)?;
    let code = usable(redirect.code.as_deref())?;
    state.site.logins.admit(&client_id, redirect.state.as_deref(), state.now()).map_err(not_awaited)?;
    visitors::known(&request);
    exchange(&state, &client_id, connection, code, "redirect").await?;
    Ok(page(&client_id))
}

/// The code by hand, from a person with a key: where the broker's page cannot redirect to this machine.
pub(in crate::web) async fn code(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<CodeBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let connection = state.site.connections.get(&client_id).ok_or_else(|| no_login(&client_id))?;
    let code = usable(Some(&body.code))?;
    let words = exchange(&state, &client_id, connection, code, &who(&request)).await?;
    Ok(HttpResponse::Ok().json(json!({ "client_id": client_id, "is_logged_in": true, "session": words })))
}

fn usable(code: Option<&str>) -> Result<String, Problem> {
    let code = code.map(str::trim).filter(|code| (1..=512).contains(&code.len()) && code.chars().all(|c| c.is_ascii_graphic()));
    let code = code.ok_or_else(|| Problem::bad_request("bad_request", "there is no code", "begin again: ordergate login"))?;
    Ok(code.to_owned())
}

/// Tries a code; the login is awaited until one is taken.
async fn exchange(
    state: &WebState,
    client_id: &ClientId,
    connection: &Arc<dyn Connection>,
    code: String,
    who: &str,
) -> Result<String, Problem> {
    match connection.take_code(code).await {
        Ok(words) => {
            state.site.logins.succeeded(client_id);
            note(state, client_id, "BROKER_LOGIN", who, &words);
            Ok(words)
        }
        Err(error) => {
            note(state, client_id, "BROKER_LOGIN_FAILED", who, &error.to_string());
            Err(Problem::conflict(
                "login_refused",
                error.to_string(),
                "sign in at the broker's page again, or begin again: ordergate login",
            ))
        }
    }
}

fn page(client_id: &ClientId) -> HttpResponse {
    let text = format!("{client_id} is logged in. You can close this page.\n");
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").insert_header(("Cache-Control", "no-store")).body(text)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ordergate_actors::order::Amount;

    use super::*;
    use crate::brokers::connection::Funds;

    #[test]
    fn a_part_is_told_or_it_is_null_and_says_why() {
        let rupees = |number: i64| Amount(rust_decimal::Decimal::from(number));
        let told = ConnectionReport {
            session: Ok("limits read".to_owned()),
            token_ends_at: "2026-11-20T21:30:00Z".parse().ok(),
            clock_skew_ms: Some(-12),
            address: "203.0.113.9".parse().ok(),
            address_refusal: None,
            funds: Ok(Funds { cash: rupees(1_000), margin_used: rupees(200), available: rupees(800) }),
            is_full: false,
            stream_age: Some(Duration::from_micros(1_234_567)),
            stream_down: None,
            login_link: Some("http://broker.test/login".to_owned()),
        };
        let wanted = json!({
            "session": "limits read",
            "session_trouble": null,
            "token_ends_at": "2026-11-20T21:30:00Z",
            "clock_skew_ms": -12,
            "address": "203.0.113.9",
            "funds": { "cash": "1000", "margin_used": "200", "available": "800" },
            "funds_trouble": null,
            "stream_age_ms": 1_234,
        });
        assert_eq!(shown(&told), wanted);
        let lost = ConnectionReport { session: Err("Session Expired".to_owned()), ..ConnectionReport::lost("not logged in".to_owned()) };
        let wanted = json!({
            "session": null,
            "session_trouble": "Session Expired",
            "token_ends_at": null,
            "clock_skew_ms": null,
            "address": null,
            "funds": null,
            "funds_trouble": "not logged in",
            "stream_age_ms": null,
        });
        assert_eq!(shown(&lost), wanted);
    }
}
