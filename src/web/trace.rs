//! Every request has an id: in each line of the log that is written for it, and in its answer (`X-Request-Id`). A sender's own is
//! taken, so that its log and ours can be laid side by side.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use tokio::time::Instant;
use tracing::Instrument as _;

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
    let mut response = next.call(request).await?;
    // The pattern and not the path: a path may hold a secret.
    let route = response.request().match_pattern().unwrap_or_default();
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
