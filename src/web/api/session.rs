//! `POST`, `GET`, `DELETE /dashboard/session` and `/dashboard/sessions`: a person logs in, sees who is logged in, and ends it.

use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, ORIGIN, SET_COOKIE};
use actix_web::web::{Data, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use ordergate_actors::persistence::{Level, Note};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, who};
use crate::access::{Comer, Grant, Opened, Refused, Session};
use crate::web::body::{fields, json};
use crate::web::door::{Caller, SESSION_COOKIE, admit, comer, cookie, is_ours, of_session, private, refusal};
use crate::web::problem::Problem;
use crate::web::routes::Guard;
use crate::web::settings::{Rights, Scope};
use crate::web::state::WebState;

/// One of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    token: Option<SecretString>,
    password: Option<SecretString>,
    totp: Option<String>,
    key: Option<SecretString>,
}

/// Logs in, and hands the cookie out.
pub(in crate::web) async fn log_in(request: HttpRequest, payload: Payload, state: Data<WebState>) -> HttpResponse {
    match opened(&request, payload, &state).await {
        Ok(response) => response,
        Err(problem) => refusal(&problem),
    }
}

async fn opened(request: &HttpRequest, payload: Payload, state: &Data<WebState>) -> Answer {
    // Another site's page must not log its reader in, as whomever.
    if request.headers().contains_key(ORIGIN) && !is_ours(state, request) {
        return Err(Problem::cross_origin());
    }
    let body: LoginBody = fields(json(payload, request.headers(), &state.settings).await?)?;
    let comer = comer(state, request);
    let proven = match body {
        LoginBody { token: Some(token), password: None, totp: None, key: None } => state.access.by_link(token, &comer).await,
        LoginBody { token: None, password: Some(password), totp, key: None } => state.access.by_password(password, totp, &comer).await,
        LoginBody { token: None, password: None, totp: None, key: Some(key) } => by_key(state, &key, &comer).await?,
        LoginBody { token: None, password: None, totp: None, key: None } => Err(Refused::Wrong),
        LoginBody { .. } => {
            return Err(Problem::bad_request("bad_request", "more than one proof", "send token, or password (with totp), or key"));
        }
    };
    let opened = proven.map_err(|refused| refused_as(state, refused, &comer))?;
    let (caller, scope) = of_session(state, &opened.session, comer.from)?;
    tell(state, "SIGNED_IN", &caller, format!("{} began session {} by {}", caller.name, opened.session.id, by(&opened.session.grant)));
    metrics::counter!("ordergate_logins_total").increment(1);
    let mut response = HttpResponse::Ok().json(shown(&caller.name, &scope, Some(opened.ends_at), Some(&opened.session)));
    // When it has been idle for too long the engine knows; the browser keeps the cookie for as long as it may last at all.
    let line = cookie_line(state, request, opened.token.expose_secret(), state.access.settings().most.as_secs());
    if let Ok(value) = line.parse() {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    private(response.headers_mut());
    Ok(response)
}

async fn by_key(state: &Data<WebState>, key: &SecretString, comer: &Comer) -> Result<Result<Opened, Refused>, Problem> {
    if let Err(wait) = state.access.may_try(comer) {
        return Ok(Err(wait));
    }
    let Some(holder) = state.keys.holder(key.expose_secret()) else {
        state.access.failed(comer);
        return Ok(Err(Refused::Wrong));
    };
    if !holder.addresses.let_in(comer.from) {
        return Err(Problem::not_from_here(&holder.name, comer.from));
    }
    Ok(state.access.by_key(&holder.name, key.expose_secret(), comer).await)
}

fn refused_as(state: &WebState, refused: Refused, comer: &Comer) -> Problem {
    metrics::counter!("ordergate_logins_refused_total").increment(1);
    let from = comer.from.map(|address| address.to_string());
    if let Some(untold) = state.refusals.one_more("login", comer.now) {
        tracing::warn!(event = "login_refused", untold, from, "{refused}");
    }
    let words = refused.to_string();
    match refused {
        Refused::Wait(wait) => {
            metrics::counter!("ordergate_logins_throttled_total").increment(1);
            let seconds = u32::try_from(wait.num_seconds().max(1)).unwrap_or(u32::MAX);
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_logins",
                words,
                "wait, then try again; `ordergate link` prints a link that logs in",
            )
            .after(seconds)
        }
        Refused::Wrong => Problem::unauthorized(
            "log in by the password, an API key, or a link: `ordergate link` prints one, `ordergate password` sets a password",
        ),
        Refused::WantsCode => Problem::new(StatusCode::UNAUTHORIZED, "totp_wanted", words, "send the password again, with totp"),
        Refused::Unusable(cause) => {
            tracing::error!(event = "access_unusable", "{cause}");
            Problem::unavailable("access_unusable", "the files of access cannot be used; the log says why")
        }
    }
}

fn by(grant: &Grant) -> String {
    match grant {
        Grant::Owner { by } => by.clone(),
        Grant::Key { name, .. } => format!("key {name}"),
    }
}

/// The line that sets the cookie, or with nothing in it takes it away. Only over TLS where the browser came over TLS.
fn cookie_line(state: &WebState, request: &HttpRequest, token: &str, seconds: u64) -> String {
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let by_tls = state.settings.web_roots().filter_map(|url| url.strip_prefix("https://")).any(|public| Some(public) == host);
    let secure = if by_tls { "; Secure" } else { "" };
    format!("{SESSION_COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}")
}

/// What its holder may do, in words.
fn rights(scope: &Scope) -> Vec<&'static str> {
    let Rights { read, trade, control } = scope.rights;
    [(read, "read"), (trade, "trade"), (control, "control")].into_iter().filter(|(may, _)| *may).map(|(_, word)| word).collect()
}

fn shown(name: &str, scope: &Scope, ends_at: Option<DateTime<Utc>>, session: Option<&Session>) -> Value {
    json!({
        "user": name,
        "scopes": rights(scope),
        "accounts": scope.accounts,
        "strategies": scope.strategies,
        "expires_at": ends_at,
        "id": session.map(|session| &session.id),
    })
}

fn tell(state: &WebState, event: &'static str, caller: &Caller, text: String) {
    tracing::info!(event, who = caller.words(), "{text}");
    state.engine.note(Note {
        client_id: None,
        event,
        level: Level::Info,
        text,
        command_id: None,
        who: caller.words().into(),
        inputs: "{}".to_owned(),
    });
}

/// Who is asking, and until when.
pub(in crate::web) async fn show(request: HttpRequest, state: Data<WebState>) -> HttpResponse {
    let (caller, scope) = match admit(&state, &request, Some(Guard::Anyone)) {
        Ok(admitted) => admitted,
        Err(problem) => return refusal(&problem),
    };
    let mut body = shown(&caller.name, &scope, caller.session.as_ref().map(|(_, ends_at)| *ends_at), None);
    if let (Some(fields), Some((id, _))) = (body.as_object_mut(), &caller.session) {
        fields.insert("id".to_owned(), json!(id));
    }
    let mut response = HttpResponse::Ok().json(body);
    private(response.headers_mut());
    response
}

/// Logs out: the session ends, and the cookie goes. A key has nothing to end.
pub(in crate::web) async fn log_out(request: HttpRequest, state: Data<WebState>) -> HttpResponse {
    let (caller, _) = match admit(&state, &request, Some(Guard::Anyone)) {
        Ok(admitted) => admitted,
        Err(problem) => return refusal(&problem),
    };
    let Some((id, _)) = &caller.session else {
        let mut response = HttpResponse::Ok().json(json!({ "done": "nothing: a key has no session" }));
        private(response.headers_mut());
        return response;
    };
    if let Err(cause) = state.access.end(id).await {
        tracing::error!(event = "access_unusable", "{cause}");
        return refusal(&Problem::unavailable("access_unusable", "the session has ended here, but that is not on disk"));
    }
    tell(&state, "SIGNED_OUT", &caller, format!("{} ended session {id}", caller.name));
    let mut response = HttpResponse::Ok().json(json!({ "done": "logged out" }));
    if let Ok(value) = cookie_line(&state, &request, "", 0).parse() {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    private(response.headers_mut());
    response
}

/// Every session that lasts.
pub(in crate::web) async fn list(request: HttpRequest, state: Data<WebState>) -> Answer {
    let own = own_session(&request);
    let rows: Vec<Value> = state
        .access
        .sessions(state.now())
        .iter()
        .map(|(session, ends_at)| {
            json!({
                "id": session.id,
                "user": match &session.grant {
                    Grant::Owner { .. } => crate::web::door::OWNER,
                    Grant::Key { name, .. } => name,
                },
                "by": by(&session.grant),
                "from": session.from,
                "agent": session.agent,
                "began_at": session.began_at,
                "seen_at": session.seen_at,
                "expires_at": ends_at,
                "is_this": own.as_ref() == Some(&session.id),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "sessions": rows, "as_of": state.now() })))
}

fn own_session(request: &HttpRequest) -> Option<String> {
    cookie(request.headers())?;
    request.extensions().get::<Caller>().and_then(|caller| caller.session.as_ref()).map(|(id, _)| id.clone())
}

/// Ends a session, one's own or another.
pub(in crate::web) async fn end(request: HttpRequest, state: Data<WebState>) -> Answer {
    let missing = || Problem::not_found("no_such_session", "no such session is open", "take the id from GET /dashboard/sessions");
    let id = request.match_info().get("id").ok_or_else(missing)?.to_owned();
    let ended = state.access.end(&id).await.map_err(|cause| {
        tracing::error!(event = "access_unusable", "{cause}");
        Problem::unavailable("access_unusable", "the session has ended here, but that is not on disk")
    })?;
    let ended = ended.ok_or_else(missing)?;
    let caller = request.extensions().get::<Caller>().cloned();
    if let Some(caller) = caller {
        tell(&state, "SESSION_ENDED", &caller, format!("{} ended session {id} ({})", caller.name, by(&ended.grant)));
    }
    Ok(HttpResponse::Ok().json(json!({ "done": "the session has ended", "id": id, "who": who(&request) })))
}
