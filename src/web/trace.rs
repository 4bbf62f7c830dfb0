//! Every request has an id: in each line of the log that is written for it, and in its answer (`X-Request-Id`). A sender's own is
//! taken, so that its log and ours can be laid side by side.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, ResponseError as _};
use futures_util::FutureExt as _;
use ordergate_actors::persistence::Level;
use ordergate_actors::supervision::panic_words;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::problem::Problem;
use super::state::WebState;

/// The header, both ways.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest that a sender's own may be.
const LONGEST: usize = 64;
/// Requests of this process so far.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// The id that the sender gave, if it is fit for a line of the log.
fn given(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!text.is_empty() && text.len() <= LONGEST && text.chars().all(is_plain)).then(|| text.to_owned())
}

/// An id of our own: the start of the process, and a number.
fn drawn(request: &ServiceRequest) -> String {
    let start = request.app_data::<Data<WebState>>().map_or(0, |state| state.started_at.timestamp_millis());
    format!("{start:x}-{:x}", REQUESTS.fetch_add(1, Ordering::Relaxed))
}

/// Runs a request under its id, and says in the log how it ended.
///
/// # Errors
/// Those of the request.
pub async fn trace(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = given(request.headers()).unwrap_or_else(|| drawn(&request));
    let span = tracing::info_span!("request", request_id = id);
    answered(request, next, id).instrument(span).await
}

async fn answered(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    id: String,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let begun = Instant::now();
    let method = request.method().clone();
    // The pattern and not the path: a path may hold a secret.
    let route = request.match_pattern().unwrap_or_default();
    let state = request.app_data::<Data<WebState>>().cloned();
    let mut response = match AssertUnwindSafe(async move { next.call(request).await }).catch_unwind().await {
        Ok(response) => response?,
        Err(panic) => {
            let what = format!("{method} {route}");
            return Err(fault(state.as_ref().map(Data::get_ref), &what, &id, &panic_words(&*panic)));
        }
    };
    let (status, ms) = (response.status().as_u16(), u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
    // That the engine is not ready is an answer, and what was taken has lines of its own.
    let is_usual = status < 400 || route.starts_with("/health/");
    match status {
        _ if is_usual => tracing::debug!(event = "request", %method, route, status, ms, "answered {status}"),
        500.. => tracing::warn!(event = "request", %method, route, status, ms, "answered {status}"),
        _ => tracing::info!(event = "request", %method, route, status, ms, "answered {status}"),
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    Ok(response)
}

/// A handler panicked: whoever asked gets an answer, one that a sender of alerts sends again after, and a person hears of it.
fn fault(state: Option<&WebState>, what: &str, id: &str, words: &str) -> Error {
    tracing::error!(event = "request_fault", "{what} stopped at a fault ({words}) and is answered 500");
    if let Some(state) = state {
        let line = state.engine.line();
        if let Some(untold) = state.refusals.one_more("a fault", line.clock.now()) {
            let more = if untold > 0 { format!("; {untold} more requests did so before") } else { String::new() };
            let text = format!(
                "the answer to {what} (request {id}) stopped at a fault ({words}) and was a 500; what it asked for may be done, or not{more}"
            );
            line.alarm(None, "ALARM_TASK_FAULT", Level::Warn, None, text);
        }
    }
    let problem = Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "fault",
        "a fault inside ordergate: what was asked for may be done, or not",
        "look at the record before asking again; a signal may be sent again, with the same key and body",
    );
    let mut response = problem.error_response();
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    InternalError::from_response(problem, response).into()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_senders_own_id_is_taken_if_it_is_fit_for_a_log() {
        let of = |text: &str| given(TestRequest::default().insert_header(("x-request-id", text)).to_srv_request().headers());
        assert_eq!(of("tv-2026.11_20"), Some("tv-2026.11_20".to_owned()));
        for text in ["", "two words", "a=\"b\"", "\u{202e}x", &"x".repeat(65)] {
            assert_eq!(of(text), None, "{text:?}");
        }
        let (first, second) = (drawn(&TestRequest::default().to_srv_request()), drawn(&TestRequest::default().to_srv_request()));
        assert!(first != second && first.starts_with("0-"), "{first} {second}");
    }
}
