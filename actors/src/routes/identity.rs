//! What makes two alerts the same one. Senders of alerts do not read our answers, and some send again after a time-out:
//! the second must not become a second order, whenever it comes.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::reading::Reading;

/// The key of an alert that has none of its own, from what it carries: source, instrument, order id, action, sizes, price and
/// the time it was made, or the number that its source gave it. `None` if nothing in it tells it from an identical one
/// that is meant anew.
#[must_use]
pub fn derived(source: &str, reading: &Reading) -> Option<String> {
    let own = match (&reading.once, reading.made_at, reading.seq) {
        // Said once for its share and day, whatever else it says.
        (Some(once), _, _) => return Some(hashed("once:", &[source, once])),
        (None, None, None) => return None,
        (None, at, seq) => {
            let mut own = String::new();
            let _infallible = write!(own, "{:?}/{seq:?}", at.map(|at| at.timestamp_micros()));
            own
        }
    };
    let number = |value: Option<rust_decimal::Decimal>| value.map_or_else(String::new, |value| value.normalize().to_string());
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Some(hashed(
        "derived:",
        &[
            source,
            reading.format.as_str(),
            &own,
            &text(&reading.strategy),
            &text(&reading.exchange),
            &text(&reading.ticker),
            &text(&reading.order_id),
            reading.action.map_or("", crate::order::Side::as_str),
            &number(reading.size),
            &number(reading.before),
            &number(reading.position),
            &text(&reading.price),
            &reading.bar_at.map_or_else(String::new, |at| at.timestamp().to_string()),
        ],
    ))
}

/// Every part with its length before it, so that no two lists read the same.
fn hashed(kind: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut key = String::with_capacity(72);
    key.push_str(kind);
    for byte in hash.finalize() {
        // Writing to a String cannot fail.
        let _infallible = write!(key, "{byte:02x}");
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Side;
    use rust_decimal::Decimal;

    fn alert(change: impl FnOnce(&mut Reading)) -> Reading {
        let mut reading = Reading {
            ticker: Some("SBIN".into()),
            order_id: Some("Long".into()),
            action: Some(Side::Buy),
            size: Some(Decimal::ONE),
            made_at: "2026-11-20T05:00:00Z".parse().ok(),
            ..Reading::default()
        };
        change(&mut reading);
        reading
    }

    #[test]
    fn the_same_alert_has_the_same_key_and_every_field_tells() {
        let key = |reading: &Reading| derived("tv", reading).unwrap();
        let base = key(&alert(|_| {}));
        assert_eq!(base, key(&alert(|_| {})));
        assert!(base.len() <= 128);
        assert_ne!(base, derived("other", &alert(|_| {})).unwrap());
        let changes: [fn(&mut Reading); 9] = [
            |reading| reading.ticker = Some("INFY".into()),
            |reading| reading.order_id = Some("Short".into()),
            |reading| reading.action = Some(Side::Sell),
            |reading| reading.size = Some(Decimal::TWO),
            |reading| reading.position = Some(Decimal::ONE),
            |reading| reading.before = Some(Decimal::ONE),
            |reading| reading.made_at = "2026-11-20T05:00:01Z".parse().ok(),
            |reading| reading.seq = Some(4),
            |reading| reading.price = Some("812".into()),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            assert_ne!(base, key(&alert(change)), "change {at}");
        }
    }

    #[test]
    fn without_a_time_or_a_number_there_is_no_key() {
        assert_eq!(derived("tv", &alert(|reading| reading.made_at = None)), None);
        assert!(derived("tv", &alert(|reading| (reading.made_at, reading.seq) = (None, Some(1)))).is_some());
        let scan = |price: &str| alert(|reading| (reading.once, reading.price) = (Some("scan/SBIN/2026-11-20".into()), Some(price.into())));
        assert_eq!(derived("ci", &scan("1")), derived("ci", &scan("2")));
        let is_of_a_day = |reading: &Reading| crate::order::IdempotencyKey::parse(&derived("ci", reading).unwrap()).unwrap().is_of_a_day();
        assert!(is_of_a_day(&scan("1")) && !is_of_a_day(&alert(|_| {})), "an alert with a time of its own is that alert for ever");
    }
}
