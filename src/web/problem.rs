//! An error answer: `application/problem+json` with a stable code and what to do about it.

use std::fmt;
use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use ordergate_actors::EngineError;
use ordergate_actors::order::ClientId;
use ordergate_actors::persistence::NotRegistered;
use serde_json::{Map, Value, json};

/// Why a request was not done. Never holds any part of a body that may be a secret.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    remedy: String,
    retry_after_s: Option<u32>,
    more: Map<String, Value>,
}

impl Problem {
    /// A problem of this status and stable code.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), remedy: remedy.into(), retry_after_s: None, more: Map::new() }
    }

    /// 400.
    #[must_use]
    pub fn bad_request(code: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail, remedy)
    }

    /// 409.
    #[must_use]
    pub fn conflict(code: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail, remedy)
    }

    /// 404 for something else than an account.
    #[must_use]
    pub fn not_found(code: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail, remedy)
    }

    /// 503 with Retry-After.
    #[must_use]
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail, "send it again in a moment, with the same key and body");
        problem.retry_after_s = Some(1);
        problem
    }

    /// 401; says nothing about what was wrong.
    #[must_use]
    pub fn unauthorized(remedy: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "the credentials are missing or wrong", remedy)
    }

    /// 403: the key may not do that.
    #[must_use]
    pub fn not_for_this_key(name: &str) -> Self {
        let detail = format!("{name} may do what the scopes, accounts and strategies of its key in the settings name, and nothing else");
        Self::new(StatusCode::FORBIDDEN, "not_for_this_key", detail, "use a key that may do it (api.keys in the settings)")
    }

    /// 403: the key or the secret is good, but not from there.
    #[must_use]
    pub fn not_from_here(name: &str, from: Option<IpAddr>) -> Self {
        let from = from.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
        let detail = format!("{name} may come from the addresses that its settings name; this is {from}");
        Self::new(
            StatusCode::FORBIDDEN,
            "not_from_here",
            detail,
            "add the address to its `addresses`; behind a proxy, see server.trusted_proxies",
        )
    }

    /// 403: a cookie that another site's page may have sent along.
    #[must_use]
    pub fn cross_origin() -> Self {
        let detail = "the request carries a session and does not say that our own page sent it";
        Self::new(
            StatusCode::FORBIDDEN,
            "cross_origin",
            detail,
            "send it from the dashboard; a program sends an API key instead of a cookie",
        )
    }

    /// Adds a `Retry-After` of so many seconds.
    #[must_use]
    pub fn after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// 404 for an account.
    #[must_use]
    pub fn no_account() -> Self {
        Self::not_found("no_such_account", "there is no such account for this sender", "check the account's name in the address")
    }

    /// 400: several accounts, and none was named.
    #[must_use]
    pub fn which_account<'a>(accounts: impl IntoIterator<Item = &'a ClientId>) -> Self {
        let names: Vec<&str> = accounts.into_iter().map(ClientId::as_str).collect();
        let detail = format!("there are several accounts, and none was named: {}", names.join(", "));
        Self::bad_request("which_account", detail, "name the account: POST /webhook/{client_id}, or client_id in the request")
            .with("accounts", json!(names))
    }

    /// 503: nothing can be written down.
    #[must_use]
    pub fn journal_closed() -> Self {
        Self::unavailable("journal_closed", "the journal is not open: ordergate is starting or stopping")
    }

    /// More fields in the answer.
    #[must_use]
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.more.insert(key.to_owned(), value);
        self
    }

    /// Changes the status to 503, for senders that send again only then.
    #[must_use]
    pub fn as_5xx(mut self) -> Self {
        self.status = StatusCode::SERVICE_UNAVAILABLE;
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Whether it lies in what was sent: sending the same again cannot help, and a person should hear of it.
    #[must_use]
    pub fn is_of_the_alert(&self) -> bool {
        matches!(self.code, "no_route" | "two_routes")
    }

    /// What is wrong.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The answer's body.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = self.more.clone();
        body.insert("type".into(), json!(format!("urn:ordergate:problem:{}", self.code)));
        body.insert("title".into(), json!(self.status.canonical_reason().unwrap_or("error")));
        body.insert("status".into(), json!(self.status.as_u16()));
        body.insert("code".into(), json!(self.code));
        body.insert("detail".into(), json!(self.detail));
        body.insert("remedy".into(), json!(self.remedy));
        Value::Object(body)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        response.body(self.body().to_string())
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NoAccount(_) => Self::no_account(),
            EngineError::Overloaded { used, capacity, .. } => {
                let mut problem = Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "overloaded",
                    error.to_string(),
                    "send it again in a moment, with the same key and body",
                );
                problem.retry_after_s = Some(1);
                problem.with("used", json!(used)).with("capacity", json!(capacity))
            }
            EngineError::NotRegistered(NotRegistered::Conflict { signal_id, .. }) => {
                Self::conflict("idempotency_conflict", error.to_string(), "use a new key for a new signal")
                    .with("signal_id", json!(signal_id))
            }
            EngineError::NotRegistered(NotRegistered::Closed(words)) => Self::unavailable("journal_closed", words),
            EngineError::NotThatOrder { .. } => {
                Self::conflict("not_that_order", error.to_string(), "look the number up at the broker again, and send the right one")
            }
            EngineError::AnswerLost => Self::unavailable("answer_lost", "the answer was lost; look at the record before asking again"),
            EngineError::Store(cause) => {
                tracing::error!(event = "read_failed", %cause, "a read for a person failed");
                Self::unavailable("read_failed", "the record could not be read just now")
            }
        }
    }
}
