//! The broker's addresses: REST, sockets, masters and the sign-in page, all on one port.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use ordergate_actors::order::{Exchange, clean};

use super::core::{Outcome, Reply, Route};
use super::shared::Shared;
use super::{control, masters, socket};

/// Simulated milliseconds after which a call that is never answered is dropped.
const HANG_MS: u32 = 600_000;
/// The largest body that is read, in bytes.
const BODY: usize = 1 << 20;
/// A gateway's page.
const PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

/// Sets up every address. The application data must hold a `Data<Shared>`.
pub(super) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(web::scope("/sim").configure(control::configure)).default_service(web::to(anything));
}

/// The address decides: prefix and slashes do not matter, the last part does.
async fn anything(request: HttpRequest, payload: web::Payload, shared: Data<Shared>) -> actix_web::Result<HttpResponse> {
    let shared = shared.into_inner();
    let parts: Vec<&str> = request.path().split('/').filter(|part| !part.is_empty()).collect();
    let last = parts.last().copied().unwrap_or_default();
    if matches!(last, "NorenWSTP" | "NorenWSAPI" | "PiConnectWSAPI") {
        return socket::upgrade(&shared, &request, payload);
    }
    if let Some(exchange) = last.strip_suffix("_symbols.txt.zip") {
        return Ok(master(&shared, exchange));
    }
    if request.method() == Method::GET && request.path().to_ascii_lowercase().contains("login")
        || request.path().to_ascii_lowercase().contains("authorize")
    {
        let body = payload.to_bytes_limited(BODY).await.ok().and_then(Result::ok).unwrap_or_default();
        return Ok(sign_in(&shared, &request, &body));
    }
    let Some(route) = Route::parse(last) else { return Ok(HttpResponse::NotFound().content_type("text/html").body("404 page not found")) };
    if request.method() != Method::POST {
        return Ok(HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "POST")).finish());
    }
    let body = match payload.to_bytes_limited(BODY).await {
        Ok(Ok(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        _ => return Ok(HttpResponse::PayloadTooLarge().finish()),
    };
    // Flattrade exchanges codes with JSON by itself.
    let body = if route == Route::ApiToken { format!("jData={body}") } else { body };
    let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).map(bearer_token);
    Ok(call(shared, route, body, bearer).await)
}

fn bearer_token(value: &str) -> String {
    value.strip_prefix("Bearer ").unwrap_or(value).trim().to_owned()
}

/// The call is done in a task of its own: a client that hangs up does not undo it.
async fn call(shared: Arc<Shared>, route: Route, body: String, bearer: Option<String>) -> HttpResponse {
    let doing = Arc::clone(&shared);
    let done = actix_web::rt::spawn(async move {
        let arrival = doing.act(|core, now| core.arrive(route, &body, now));
        if arrival.hold_ms() > 0 {
            doing.clock.wait(arrival.hold_ms()).await;
        }
        doing.act(|core, _| core.call(&arrival, &body, bearer.as_deref(), doing.times()))
    });
    match done.await {
        Ok(Outcome { reply, after_ms }) => {
            if after_ms > 0 {
                shared.clock.wait(after_ms).await;
            }
            respond(&shared, reply).await
        }
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

async fn respond(shared: &Shared, reply: Reply) -> HttpResponse {
    match reply {
        Reply::Json(status, value) => HttpResponse::build(status_code(status)).json(value),
        Reply::Html(status) => {
            let page = match status {
                504 => PAGE.replace("502 Bad Gateway", "504 Gateway Time-out"),
                429 => PAGE.replace("502 Bad Gateway", "429 Too Many Requests"),
                _ => PAGE.to_owned(),
            };
            HttpResponse::build(status_code(status)).content_type("text/html").body(page)
        }
        Reply::Empty => HttpResponse::Ok().content_type("application/json").finish(),
        Reply::Truncated(text) => HttpResponse::Ok().content_type("application/json").body(text),
        Reply::Drop => dropped(),
        Reply::Hang => {
            shared.clock.wait(HANG_MS).await;
            dropped()
        }
    }
}

/// A body that fails before its first byte: the connection is closed and nothing of the answer has left.
fn dropped() -> HttpResponse {
    let broken = stream::once(async { Err::<Bytes, std::io::Error>(std::io::ErrorKind::ConnectionReset.into()) });
    HttpResponse::Ok().streaming(broken)
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::OK)
}

fn master(shared: &Shared, exchange: &str) -> HttpResponse {
    let archive = Exchange::ALL
        .iter()
        .find(|known| known.as_str() == exchange && masters::EXCHANGES.contains(known))
        .and_then(|exchange| masters::archive(&shared.listing, *exchange).ok());
    match archive {
        Some(bytes) => HttpResponse::Ok().content_type("application/zip").body(bytes),
        None => HttpResponse::NotFound().finish(),
    }
}

/// The sign-in page. A GET shows it; with `password` and `totp` in the query it signs in at once, as the button does.
fn sign_in(shared: &Shared, request: &HttpRequest, body: &Bytes) -> HttpResponse {
    let read = |text: &str| web::Query::<HashMap<String, String>>::from_query(text).map(web::Query::into_inner).unwrap_or_default();
    let mut fields = read(request.query_string());
    fields.extend(read(&String::from_utf8_lossy(body)));
    let field = |name: &str| fields.get(name).cloned();
    let client = field("client_id").or_else(|| field("api_key")).or_else(|| field("app_key")).unwrap_or_default();
    if client != shared.settings.user.vendor {
        return HttpResponse::BadRequest().content_type("text/html").body("<p>unknown client_id</p>");
    }
    let back = field("redirect_uri").unwrap_or_else(|| shared.settings.user.redirect_url.clone());
    let (Some(password), Some(otp)) = (field("password"), field("totp")) else {
        let hint = shared.act(|core, now| core.sign_in_hint(now));
        return HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page(&fields, &hint));
    };
    let times = shared.times();
    match shared.act(|core, _| core.authorize(&password, &otp, times)) {
        Some(code) => {
            let joint = if back.contains('?') { '&' } else { '?' };
            let state = field("state").map(|state| format!("&state={state}")).unwrap_or_default();
            HttpResponse::Found().insert_header((header::LOCATION, format!("{back}{joint}code={code}{state}"))).finish()
        }
        None => {
            let page = page(&fields, "Wrong password or code.");
            HttpResponse::Unauthorized().content_type("text/html; charset=utf-8").body(page)
        }
    }
}

/// What the link carried goes with the form: who signs in, and where the browser goes then, with what.
fn page(fields: &HashMap<String, String>, note: &str) -> String {
    let hidden: String = ["client_id", "api_key", "app_key", "redirect_uri", "state"]
        .into_iter()
        .filter_map(|name| fields.get(name).map(|value| format!("<input type=hidden name={name} value=\"{}\">", escaped(value))))
        .collect();
    format!(
        "<!doctype html><title>Simulated broker</title><h1>Simulated broker</h1><p>{}</p><form method=get>{hidden}\
         <label>Password <input type=password name=password></label> <label>Code <input name=totp autocomplete=off></label> \
         <button>Sign in</button></form>",
        escaped(note)
    )
}

fn escaped(text: &str) -> String {
    clean(text, 500).replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
