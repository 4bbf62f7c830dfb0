//! Frames of the websocket: one JSON object each, told apart by `t` (Noren protocol reference, section 6).

mod outgoing;
mod tick;
mod update;

use chrono::{DateTime, Utc};

pub use outgoing::{Era, Feed, Scrip, connect, heartbeat, subscribe, subscribe_orders, unsubscribe, unsubscribe_orders};
pub use tick::Tick;
pub(in crate::brokers::noren) use tick::known_band;
pub use update::{OrderUpdate, Shape};

use super::redact;
use super::scalar::{FieldError, Fields};

/// A frame that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The answer to the connect frame.
    Connected {
        /// Whether the session was taken. If not, the socket may stay open and silent: close it.
        ok: bool,
        /// The user, if named.
        uid: Option<String>,
    },
    /// An answer to a heartbeat.
    Heartbeat,
    /// A price update, whole or in part.
    Tick(Box<Tick>),
    /// Order updates will come.
    OrdersSubscribed,
    /// A subscription ended.
    Unsubscribed,
    /// An order changed.
    Order(Box<OrderUpdate>),
    /// A frame of a known kind that cannot be read.
    Unreadable {
        /// What is wrong.
        cause: FieldError,
        /// The frame, shortened and without secrets.
        raw: String,
        /// Whether it was about an order: only the books can tell then what it said.
        is_order: bool,
    },
    /// A frame of no known kind.
    Unknown(String),
}

const SHOWN: usize = 200;

/// Reads a frame. `read_at` stands in for a time that it does not tell.
#[must_use]
pub fn read(text: &str, read_at: DateTime<Utc>) -> Frame {
    let Some(fields) = Fields::parse(text.trim()) else { return Frame::Unknown(redact::snippet(text, SHOWN)) };
    let kind = fields.text("t").unwrap_or_default().to_lowercase();
    match kind.as_str() {
        "ck" | "ak" => connected(&fields),
        "hk" | "h" => Frame::Heartbeat,
        "tk" | "dk" => or_unreadable(&fields, false, tick::read(&fields, true).map(|tick| Frame::Tick(Box::new(tick)))),
        "tf" | "df" => or_unreadable(&fields, false, tick::read(&fields, false).map(|tick| Frame::Tick(Box::new(tick)))),
        "ok" => Frame::OrdersSubscribed,
        "uk" | "udk" | "uok" => Frame::Unsubscribed,
        "om" => or_unreadable(&fields, true, update::read(&fields, read_at).map(|update| Frame::Order(Box::new(update)))),
        _ => Frame::Unknown(fields.summary()),
    }
}

fn connected(fields: &Fields) -> Frame {
    let ok = fields.first(&["s", "stat"]).is_some_and(|word| word.eq_ignore_ascii_case("OK"));
    Frame::Connected { ok, uid: fields.text("uid") }
}

fn or_unreadable(fields: &Fields, is_order: bool, frame: Result<Frame, FieldError>) -> Frame {
    frame.unwrap_or_else(|cause| Frame::Unreadable { cause, raw: fields.summary(), is_order })
}
