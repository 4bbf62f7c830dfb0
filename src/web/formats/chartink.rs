//! ChartInk: the shares of a scan, as a list. It says no side and no size, its time has no date and counts minutes, and
//! the same share comes again with every scan: so each is taken once a day (India), and nothing of it ages.
//!
//! ```json
//! {"stocks": "SBIN,INFY", "trigger_prices": "812.5,1510", "triggered_at": "2:34 pm", "scan_name": "Breakouts",
//!  "scan_url": "breakouts", "alert_name": "Alert for breakouts", "webhook_url": "…"}
//! ```

use chrono::{DateTime, Utc};
use ordergate_actors::order::{MAX_LEGS, trading_date};
use ordergate_actors::routes::{Format, Reading};

use super::Refusal;
use super::fields::{Fields, told, unknown};
use crate::web::json::Json;

const KNOWN: &[&str] =
    &["secret_key", "stocks", "trigger_prices", "triggered_at", "scan_name", "scan_url", "alert_name", "webhook_url", "test_mode", "seq"];

/// Reads an alert of this format, one reading a share.
///
/// # Errors
/// It names no share, or more than one signal may have orders.
pub(super) fn read(body: &Json, received_at: DateTime<Utc>) -> Result<Vec<Reading>, Refusal> {
    let mut fields = Fields::of(body);
    let stocks = fields.filled_in("stocks");
    let prices = fields.filled_in("trigger_prices").unwrap_or_default();
    let strategy = fields.any(&["scan_name", "alert_name"]);
    let (test_mode, seq) = (fields.filled_in("test_mode"), fields.count("seq"));
    let ignored = told(unknown(body, KNOWN, ""));
    let Some(stocks) = stocks else { return Err(Refusal::UnknownShape("\"stocks\" is no list of names")) };
    let prices: Vec<&str> = prices.split(',').map(str::trim).collect();
    let mut names: Vec<(&str, Option<&&str>)> = Vec::new();
    for (at, name) in stocks.split(',').map(str::trim).enumerate() {
        if !name.is_empty() && names.iter().all(|(known, _)| *known != name) {
            names.push((name, prices.get(at).filter(|price| !price.is_empty())));
        }
    }
    match names.len() {
        0 => return Err(Refusal::UnknownShape("\"stocks\" names none")),
        many if many > MAX_LEGS => return Err(Refusal::TooManyLegs(many)),
        _ => {}
    }
    let day = trading_date(received_at);
    let scan = strategy.clone().unwrap_or_default();
    let reading = |(name, price): (&str, Option<&&str>)| Reading {
        format: Format::Chartink,
        strategy: strategy.clone(),
        ticker: Some(name.to_owned()),
        price: price.map(|price| (*price).to_owned()),
        once: Some(format!("{scan}\u{1f}{name}\u{1f}{day}")),
        seq,
        test_mode: test_mode.clone(),
        wrong: fields.unreadable.clone(),
        ignored: ignored.clone(),
        ..Reading::default()
    };
    Ok(names.into_iter().map(reading).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{json, now};
    use super::*;

    fn read_at(text: &str, at: DateTime<Utc>) -> Vec<Reading> {
        read(&json(text), at).unwrap()
    }

    #[test]
    fn each_share_is_one_reading_once_a_day() {
        let text = r#"{"stocks":"SBIN, INFY,,SBIN","trigger_prices":"812.5,1510,,9","triggered_at":"2:34 pm","scan_name":"Breakouts"}"#;
        let readings = read_at(text, now());
        let names: Vec<_> =
            readings.iter().map(|reading| (reading.ticker.as_deref().unwrap(), reading.price.as_deref().unwrap())).collect();
        assert_eq!(names, [("SBIN", "812.5"), ("INFY", "1510")]);
        assert!(readings.iter().all(|reading| reading.made_at.is_none() && reading.strategy.as_deref() == Some("Breakouts")));
        let later = read_at(r#"{"stocks":"SBIN","trigger_prices":"820","triggered_at":"3:01 pm","scan_name":"Breakouts"}"#, now());
        assert_eq!(later.first().unwrap().once, readings.first().unwrap().once);
        let tomorrow = read_at(text, now() + chrono::Duration::days(1));
        assert_ne!(tomorrow.first().unwrap().once, readings.first().unwrap().once);
    }

    #[test]
    fn no_share_and_too_many_are_refused() {
        for text in [r#"{"stocks":""}"#, r#"{"stocks":" , "}"#, r#"{"stocks":["SBIN"]}"#, r#"{"stocks":"{{stocks}}"}"#] {
            assert_eq!(read(&json(text), now()).unwrap_err().code(), "unknown_shape", "{text}");
        }
        let many: Vec<String> = (0..101).map(|number| format!("S{number}")).collect();
        assert_eq!(read(&json(&format!(r#"{{"stocks":"{}"}}"#, many.join(","))), now()), Err(Refusal::TooManyLegs(101)));
    }
}
