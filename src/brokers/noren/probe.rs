//! The account's own calls, one by one, and what came back as it came: for the conformance run, which asks what the
//! adapter's ports have already interpreted. The session, its rules and the one-attempt client are the adapter's own.

use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::ports::{Call, CallOutcome, PlaceOutcome};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::session::{By, Flight};
use super::settings::NorenSettings;
use super::wire::class::ErrorClass;
use super::wire::{Ampersand, Body, Delivery, EncodeError, Encoder, ObjectReply};
use super::{CHANGE, NorenBroker, PLACE};

/// Frames of orders that wait to be looked at, at most; what is beyond is lost.
const FRAMES: usize = 4_096;

/// A frame about an order, as it came.
#[derive(Debug, Clone)]
pub struct Heard {
    /// When.
    pub at: Instant,
    /// The frame.
    pub text: String,
}

/// A reply as it came.
#[derive(Debug, Clone)]
pub struct Raw {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// How the account's stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamFacts {
    /// Age of the newest frame; `None`: no stream is up.
    pub age: Option<Duration>,
    /// Whether a heartbeat was ever answered.
    pub answers_heartbeats: bool,
    /// Whether the subscription of order updates was ever acknowledged.
    pub acknowledges_orders: bool,
}

/// One account's own calls.
#[derive(Debug, Clone)]
pub struct Probe {
    broker: NorenBroker,
}

impl NorenBroker {
    /// The account's own calls.
    #[must_use]
    pub fn probe(&self) -> Probe {
        Probe { broker: self.clone() }
    }
}

impl Probe {
    /// The account's settings.
    #[must_use]
    pub fn settings(&self) -> &NorenSettings {
        &self.broker.shared.settings
    }

    /// Builds requests of the account, in its own way or in another.
    #[must_use]
    pub fn encoder(&self, ampersand: Option<Ampersand>) -> Encoder {
        let own = &self.broker.shared.encoder;
        ampersand.map_or_else(|| own.clone(), |ampersand| Encoder::new(own.account().clone(), ampersand))
    }

    /// A read; `Err`: there is no session, or no whole reply came.
    pub fn read(&self, body: Result<Body, EncodeError>) -> Call<Result<Raw, String>> {
        let shared = Arc::clone(&self.broker.shared);
        let work = async move {
            let body = body.map_err(|error| error.to_string())?;
            let (token, asked_at, delivery) = shared.session.read(&body, shared.settings.timeouts.book, By::Itself).await?;
            match delivery {
                Delivery::Replied { status, body } => {
                    let class = ObjectReply::read(status, &body).class().filter(|class| *class == ErrorClass::SessionExpired);
                    shared.session.learn(token.number, class, None, asked_at);
                    Ok(Raw { status, body })
                }
                Delivery::NotWritten(words) | Delivery::Lost(words) => Err(words),
            }
        };
        self.broker.on_io(work, Err)
    }

    /// Sends an order that is built as the caller likes, once.
    pub fn place(&self, body: Result<Body, EncodeError>) -> Call<PlaceOutcome> {
        self.broker.order_call(body.map_err(|error| error.to_string()), PLACE)
    }

    /// Sends a change that is built as the caller likes, once.
    pub fn change(&self, body: Result<Body, EncodeError>) -> Call<CallOutcome> {
        self.broker.order_call(body.map_err(|error| error.to_string()), CHANGE)
    }

    /// Whether the two have a proven session with one and the same token.
    #[must_use]
    pub fn has_same_token(&self, other: &Self) -> bool {
        let token = |probe: &Self| probe.broker.shared.session.token();
        match (token(self), token(other)) {
            (Ok(a), Ok(b)) => bool::from(a.text.expose_secret().as_bytes().ct_eq(b.text.expose_secret().as_bytes())),
            _ => false,
        }
    }

    /// While it is held the account does not log in by itself, as while an order call is under way.
    ///
    /// # Errors
    /// There is no session, or a login is under way.
    pub fn hold_logins(&self) -> Result<Flight, String> {
        self.broker.shared.session.take_off().map(|(_, flight)| flight)
    }

    /// How the stream stands.
    #[must_use]
    pub fn stream(&self) -> StreamFacts {
        let health = &self.broker.shared.health;
        StreamFacts {
            age: health.age(),
            answers_heartbeats: health.answers_heartbeats(),
            acknowledges_orders: health.acknowledges_orders(),
        }
    }

    /// The frames about orders from now on, as they come; given once.
    #[must_use]
    pub fn frames(&self) -> Option<mpsc::Receiver<Heard>> {
        let (sender, receiver) = mpsc::channel(FRAMES);
        self.broker.shared.health.tell(sender).then_some(receiver)
    }
}
