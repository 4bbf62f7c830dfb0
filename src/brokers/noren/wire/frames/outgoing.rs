//! Frames that go out.

use std::fmt::Write as _;

use ordergate_actors::order::Exchange;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::super::request::Account;

/// The most scrips in one subscribe frame (Noren protocol reference, section 6.3).
const CHUNK: usize = 50;

/// Which handshake the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// `t:"c"` with the token of `QuickAuth`.
    Legacy,
    /// `t:"a"` with the token of `GenAcsTok`.
    OAuth,
}

/// How much of the market is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// The touch and the last trade.
    Touchline,
    /// Five steps of the book.
    Depth,
}

/// An instrument by the exchange's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scrip {
    /// The exchange.
    pub exchange: Exchange,
    /// The number there.
    pub token: u32,
}

/// The first frame after the socket opened. It holds the token.
#[must_use]
pub fn connect(era: Era, account: &Account, token: &SecretString) -> SecretString {
    let (kind, key) = match era {
        Era::Legacy => ("c", "susertoken"),
        Era::OAuth => ("a", "accesstoken"),
    };
    let frame = object(&[("t", kind), ("uid", &account.uid), ("actid", &account.actid), (key, token.expose_secret()), ("source", "API")]);
    SecretString::from(frame)
}

/// The text heartbeat.
#[must_use]
pub fn heartbeat() -> String {
    object(&[("t", "h")])
}

/// Subscribes the order updates of the account.
#[must_use]
pub fn subscribe_orders(account: &Account) -> String {
    object(&[("t", "o"), ("actid", &account.actid)])
}

/// Ends the order updates.
#[must_use]
pub fn unsubscribe_orders() -> String {
    object(&[("t", "uo")])
}

/// Subscribes prices; one frame for each fifty scrips, none for none.
#[must_use]
pub fn subscribe(feed: Feed, scrips: &[Scrip]) -> Vec<String> {
    chunks(if feed == Feed::Touchline { "t" } else { "d" }, scrips)
}

/// Ends price subscriptions.
#[must_use]
pub fn unsubscribe(feed: Feed, scrips: &[Scrip]) -> Vec<String> {
    chunks(if feed == Feed::Touchline { "u" } else { "ud" }, scrips)
}

fn chunks(kind: &str, scrips: &[Scrip]) -> Vec<String> {
    let keys = |scrips: &[Scrip]| {
        let mut keys = String::new();
        for (place, scrip) in scrips.iter().enumerate() {
            let separator = if place == 0 { "" } else { "#" };
            // Writing to a String cannot fail.
            let _ = write!(keys, "{separator}{}|{}", scrip.exchange, scrip.token);
        }
        keys
    };
    scrips.chunks(CHUNK).map(|scrips| object(&[("t", kind), ("k", &keys(scrips))])).collect()
}

/// A JSON object of strings, in this order.
fn object(pairs: &[(&str, &str)]) -> String {
    let fields: Vec<String> = pairs.iter().map(|(name, value)| format!("\"{name}\":{}", Value::from(*value))).collect();
    format!("{{{}}}", fields.join(","))
}
