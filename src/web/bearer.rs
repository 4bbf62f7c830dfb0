//! The door of the dashboard API: a bearer key, or 401.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError};

use super::body::check_headers;
use super::problem::Problem;
use super::routes::{Guard, guard_of};
use super::settings::Scope;
use super::state::WebState;

/// Whose key it was; stands in the journal as who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller(pub String);

/// For whom the request's key may act; for nobody, without a key.
pub(super) fn scope(request: &HttpRequest) -> Scope {
    let nobody = || Scope { accounts: Some(Vec::new()), strategies: Some(Vec::new()) };
    request.extensions().get::<Scope>().cloned().unwrap_or_else(nobody)
}

/// Lets a request through whose key is known.
pub(super) async fn require_key(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(state) = request.app_data::<Data<WebState>>().cloned() else {
        let problem = Problem::unavailable("not_ready", "ordergate is starting");
        return Ok(request.into_response(problem.error_response()).map_into_right_body());
    };
    if let Err(problem) = check_headers(request.headers(), state.settings.header_limit) {
        return Ok(request.into_response(problem.error_response()).map_into_right_body());
    }
    let Some((caller, scope)) =
        bearer(request.headers()).and_then(|key| state.keys.owner(key)).map(|(name, scope)| (Caller(name.to_owned()), scope.clone()))
    else {
        metrics::counter!("ordergate_unauthorized_total", "door" => "dashboard").increment(1);
        if let Some(untold) = state.refusals.one_more("dashboard", state.now()) {
            tracing::warn!(event = "unauthorized", door = "dashboard", untold, path = %ordergate_actors::order::clean(request.path(), 100), "a request without a valid key");
        }
        return Ok(request.into_response(unauthorized()).map_into_right_body());
    };
    if !scope.is_whole() && guard_of(request.method().as_str(), request.path()) == Some(Guard::Key) {
        metrics::counter!("ordergate_unauthorized_total", "door" => "scope").increment(1);
        return Ok(request.into_response(Problem::not_for_this_key(&caller.0).error_response()).map_into_right_body());
    }
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(scope);
    Ok(next.call(request).await?.map_into_left_body())
}

fn unauthorized() -> HttpResponse {
    let problem = Problem::unauthorized("send the API key as Authorization: Bearer <key>; `ordergate config check` tells where it is kept");
    let mut response = problem.error_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, actix_web::http::header::HeaderValue::from_static("Bearer"));
    response
}

/// The key of exactly one Authorization header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION);
    let only = all.next().filter(|_| all.next().is_none())?;
    let (scheme, key) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}
