//! What became of an order, a cancel or a change, from what came back (Noren protocol reference, section 7.3).
//!
//! *Invariant:* `NotSent` is said only when no byte of the request was written, and `Rejected` only when the broker, or
//! the gateway before it, clearly refused. Everything else may be live.

use chrono::{DateTime, Utc};
use ordergate_actors::order::BrokerOrderId;
use ordergate_actors::ports::{CallOutcome, PlaceOutcome, RateWindow};

use super::class::ErrorClass;
use super::reply::{Garbled, ObjectReply};
use super::scalar::Fields;

/// How far a call came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A whole HTTP reply.
    Replied {
        /// Its status.
        status: u16,
        /// Its body, as far as it came whole.
        body: Vec<u8>,
    },
    /// No connection, or no name, or no TLS: not one byte of the request was written.
    NotWritten(String),
    /// The request was written, or may have been, and no whole reply came.
    Lost(String),
}

/// An outcome, and what else the answer tells: the session and the rate budget act on the class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// What became of the call.
    pub outcome: T,
    /// The error's class, if there was an error with words.
    pub class: Option<ErrorClass>,
    /// The broker's clock, if it was told.
    pub request_time: Option<DateTime<Utc>>,
    /// That too many calls came, where the outcome has no place for it because it proves nothing.
    pub limited: Option<(RateWindow, String)>,
}

/// The ends that both kinds of call share.
enum End {
    Ok(Fields),
    Rejected(String),
    RateLimited(RateWindow, String),
    NoSession(String),
    NotSent(String),
    Unconfirmed(String),
}

/// What became of a `PlaceOrder`.
#[must_use]
pub fn place(delivery: &Delivery) -> Answer<PlaceOutcome> {
    judge(delivery).map(|end| match end {
        End::Ok(fields) => numbered(&fields),
        End::Rejected(reason) => PlaceOutcome::Rejected(reason),
        End::RateLimited(window, text) => PlaceOutcome::RateLimited { window, text },
        End::NoSession(text) => PlaceOutcome::NoSession(text),
        End::NotSent(cause) => PlaceOutcome::NotSent(cause),
        End::Unconfirmed(cause) => PlaceOutcome::Unconfirmed(cause),
    })
}

/// What became of a `CancelOrder` or a `ModifyOrder`. `Ok` only acknowledges: the effect shows in the book.
#[must_use]
pub fn change(delivery: &Delivery) -> Answer<CallOutcome> {
    judge(delivery).map(|end| match end {
        End::Ok(_) => CallOutcome::Accepted,
        End::Rejected(reason) | End::NoSession(reason) => CallOutcome::Rejected(reason),
        End::RateLimited(window, text) => CallOutcome::RateLimited { window, text },
        End::NotSent(cause) => CallOutcome::NotSent(cause),
        End::Unconfirmed(cause) => CallOutcome::Unconfirmed(cause),
    })
}

impl<T> Answer<T> {
    fn bare(outcome: T) -> Self {
        Self { outcome, class: None, request_time: None, limited: None }
    }

    fn map<U>(self, become_: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { outcome: become_(self.outcome), class: self.class, request_time: self.request_time, limited: self.limited }
    }
}

fn judge(delivery: &Delivery) -> Answer<End> {
    let (status, body) = match delivery {
        Delivery::NotWritten(cause) => return Answer::bare(End::NotSent(cause.clone())),
        Delivery::Lost(cause) => return Answer::bare(End::Unconfirmed(cause.clone())),
        Delivery::Replied { status, body } => (*status, body),
    };
    let reply = ObjectReply::read(status, body);
    let (class, request_time) = (reply.class(), reply.request_time());
    let outcome = match reply {
        ObjectReply::Ok(fields) => End::Ok(fields),
        // A server in trouble says many things; only what it says when it is well proves a refusal.
        ObjectReply::NotOk(refusal) if refusal.class.refuses_the_call() && status < 500 => match refusal.class.window() {
            Some(window) => End::RateLimited(window, refusal.emsg),
            None if refusal.class == ErrorClass::SessionExpired => End::NoSession(refusal.emsg),
            None => End::Rejected(refusal.emsg),
        },
        ObjectReply::NotOk(refusal) => End::Unconfirmed(format!("the broker answered (HTTP {status}): {}", refusal.emsg)),
        ObjectReply::Garbled(garbled) => unreadable(&garbled),
    };
    let limited = match &outcome {
        End::Unconfirmed(words) => class.and_then(ErrorClass::window).map(|window| (window, words.clone())),
        End::Ok(_) | End::Rejected(_) | End::RateLimited(..) | End::NoSession(_) | End::NotSent(_) => None,
    };
    Answer { outcome, class, request_time, limited }
}

fn unreadable(garbled: &Garbled) -> End {
    match garbled.class() {
        _ if !garbled.is_from_gateway() => End::Unconfirmed(garbled.to_string()),
        Some(ErrorClass::TokenNotTaken) => End::NoSession(garbled.to_string()),
        _ => End::Rejected(garbled.to_string()),
    }
}

/// An acceptance without a usable number proves nothing that can be followed.
fn numbered(fields: &Fields) -> PlaceOutcome {
    match fields.first(ORDER_NUMBER).map(|text| BrokerOrderId::parse(&text)) {
        Some(Ok(id)) => PlaceOutcome::Accepted(id),
        Some(Err(error)) => PlaceOutcome::Unconfirmed(format!("the broker answered Ok with an unusable order number: {error}")),
        None => PlaceOutcome::Unconfirmed("the broker answered Ok without an order number".to_owned()),
    }
}

/// Both spellings of the order number (Noren protocol reference, section 6.4).
pub(super) const ORDER_NUMBER: &[&str] = &["norenordno", "norenoordno"];
