//! TradingView. The alert's message is a template of the user's; these names are the ones of its own placeholders:
//!
//! ```json
//! {"ticker": "{{ticker}}", "exchange": "{{exchange}}", "action": "{{strategy.order.action}}",
//!  "contracts": "{{strategy.order.contracts}}", "price": "{{strategy.order.price}}", "order_id": "{{strategy.order.id}}",
//!  "market_position": "{{strategy.market_position}}", "market_position_size": "{{strategy.market_position_size}}",
//!  "prev_market_position": "{{strategy.prev_market_position}}",
//!  "prev_market_position_size": "{{strategy.prev_market_position_size}}",
//!  "timenow": "{{timenow}}", "time": "{{time}}", "interval": "{{interval}}"}
//! ```
//!
//! With `market_position` it says which position is wanted; without it, only what to do. `timenow` is when the alert was
//! made, to the second; `time` is when its bar began, and never ages it. `order_id` is a label of the script ("Long"), the
//! same for every alert of its kind.

use ordergate_actors::order::clean;
use ordergate_actors::routes::{Format, Reading};
use rust_decimal::Decimal;

use super::fields::{Fields, told, unknown};
use crate::web::json::Json;

const KNOWN: &[&str] = &[
    "secret_key",
    "ticker",
    "symbol",
    "exchange",
    "action",
    "contracts",
    "quantity",
    "qty",
    "price",
    "order_id",
    "id",
    "market_position",
    "market_position_size",
    "prev_market_position",
    "prev_market_position_size",
    "position_size",
    "timenow",
    "time",
    "interval",
    "strategy",
    "strategy_name",
    "product",
    "product_type",
    "order_type",
    "pricetype",
    "price_type",
    "apikey",
    "trigger_price",
    "idempotency_key",
    "seq",
    "repeat",
    "test_mode",
    "comment",
    "alert_message",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "currency",
];

/// Reads an alert of this format.
pub(super) fn read(body: &Json) -> Reading {
    let mut fields = Fields::of(body);
    let position = position(&mut fields, ["market_position", "market_position_size"]);
    let position = position.or_else(|| fields.number(&["position_size"]));
    let before = self::position(&mut fields, ["prev_market_position", "prev_market_position_size"]);
    let is_strategy = ["market_position", "position_size"].iter().any(|key| body.get(key).is_some());
    let reading = Reading {
        format: if is_strategy { Format::TradingviewStrategy } else { Format::Tradingview },
        strategy: fields.any(&["strategy", "strategy_name"]),
        exchange: fields.filled_in("exchange"),
        ticker: fields.any(&["ticker", "symbol"]),
        action: fields.side("action"),
        size: fields.number(&["contracts", "quantity", "qty"]),
        position,
        before,
        product: fields.any(&["product", "product_type"]),
        order_type: fields.any(&["order_type", "pricetype", "price_type"]),
        price: fields.filled_in("price"),
        trigger_price: fields.filled_in("trigger_price"),
        order_id: fields.any(&["order_id", "id"]),
        made_at: fields.time("timenow"),
        bar_at: fields.time("time"),
        once: None,
        key: fields.filled_in("idempotency_key"),
        seq: fields.count("seq"),
        repeat: fields.flag("repeat"),
        test_mode: fields.filled_in("test_mode"),
        wrong: Vec::new(),
        ignored: told(unknown(body, KNOWN, "")),
    };
    Reading { wrong: fields.unreadable, ..reading }
}

/// A position in words and its size: long above 0, short below.
fn position(fields: &mut Fields<'_>, [word_key, size_key]: [&str; 2]) -> Option<Decimal> {
    let word = fields.filled_in(word_key)?.to_ascii_lowercase();
    let size = fields.number(&[size_key]);
    let fits = match (word.as_str(), size) {
        ("flat", None) => Some(Decimal::ZERO),
        ("flat", Some(size)) => size.is_zero().then_some(size),
        ("long", Some(size)) => (size > Decimal::ZERO).then_some(size),
        ("short", Some(size)) => (size > Decimal::ZERO).then_some(-size),
        ("long" | "short", None) => {
            fields.unreadable.push(format!("{size_key} is missing beside {word_key} {word}"));
            return None;
        }
        _ => {
            fields.unreadable.push(format!("{word_key} {:?} is not long, short or flat", clean(&word, 40)));
            return None;
        }
    };
    if fits.is_none() {
        fields.unreadable.push(format!("{word_key} {word} and {size_key} {} contradict each other", size.unwrap_or_default()));
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::super::tests::{json, one};
    use ordergate_actors::order::Side;
    use rust_decimal::Decimal;

    use super::*;

    /// The template of the docs, filled in as TradingView does: numbers as texts.
    const FILLED: &str = r#"{"ticker":"NIFTY1!","exchange":"NSE","action":"sell","contracts":"2","price":"24010.5","order_id":"Close entry(s) order Long",
        "market_position":"short","market_position_size":"1","prev_market_position":"long","prev_market_position_size":"1",
        "timenow":"2026-11-20T05:00:07Z","time":"2026-11-20T04:45:00Z","interval":"15","strategy":"supertrend"}"#;

    #[test]
    fn a_strategys_alert_says_the_position_before_and_after() {
        let reading = one(FILLED);
        assert_eq!(reading.format, Format::TradingviewStrategy);
        assert_eq!((reading.action, reading.size), (Some(Side::Sell), Some(Decimal::TWO)));
        assert_eq!((reading.before, reading.position), (Some(Decimal::ONE), Some(-Decimal::ONE)));
        assert_eq!((reading.called(), reading.order_id.as_deref()), ("NSE:NIFTY1!".to_owned(), Some("Close entry(s) order Long")));
        assert_eq!((reading.wrong.len(), reading.ignored.len()), (0, 0));
    }

    #[test]
    fn timenow_is_when_it_was_made_and_time_is_the_bar() {
        let reading = one(FILLED);
        assert_eq!(reading.made_at.unwrap().to_rfc3339(), "2026-11-20T05:00:07+00:00");
        assert_eq!(reading.bar_at.unwrap().to_rfc3339(), "2026-11-20T04:45:00+00:00");
        assert_eq!(one(r#"{"ticker":"SBIN","action":"buy","time":"2026-11-20T04:45:00Z"}"#).made_at, None);
    }

    #[test]
    fn numbers_may_be_numbers_and_a_plain_alert_says_no_position() {
        let reading = one(r#"{"ticker":"SBIN","action":"BUY","quantity":10,"price":812.50}"#);
        assert_eq!((reading.format, reading.size, reading.position), (Format::Tradingview, Some(Decimal::TEN), None));
        assert_eq!(reading.price.as_deref(), Some("812.50"));
        assert_eq!(one(r#"{"ticker":"SBIN","position_size":-3}"#).position, Some(Decimal::from(-3)));
        assert_eq!(one(r#"{"ticker":"SBIN","market_position":"flat"}"#).position, Some(Decimal::ZERO));
    }

    #[test]
    fn a_placeholder_that_was_not_filled_in_is_named() {
        for key in ["action", "contracts", "ticker", "market_position", "timenow", "seq", "idempotency_key"] {
            let mut body = serde_json::json!({"ticker": "SBIN", "exchange": "NSE"});
            body[key] = serde_json::json!("{{strategy.order.action}}");
            let reading = read(&json(&body.to_string()));
            assert!(
                reading.wrong.iter().any(|words| words.starts_with(key) && words.contains("placeholder")),
                "{key}: {:?}",
                reading.wrong
            );
        }
    }

    #[test]
    fn what_contradicts_itself_is_no_position() {
        for (text, word) in [
            (r#"{"ticker":"X","market_position":"flat","market_position_size":2}"#, "contradict"),
            (r#"{"ticker":"X","market_position":"long","market_position_size":0}"#, "contradict"),
            (r#"{"ticker":"X","market_position":"short","market_position_size":-2}"#, "contradict"),
            (r#"{"ticker":"X","market_position":"long"}"#, "market_position_size is missing"),
            (r#"{"ticker":"X","market_position":"sideways","market_position_size":2}"#, "long, short or flat"),
            (r#"{"ticker":"X","action":"hold"}"#, "neither buy nor sell"),
            (r#"{"ticker":"X","contracts":"1e2"}"#, "no number"),
            (r#"{"ticker":"X","contracts":[1]}"#, "a list"),
            (r#"{"ticker":"X","seq":-1}"#, "no whole number"),
            (r#"{"ticker":"X","repeat":"yes"}"#, "neither true nor false"),
        ] {
            let reading = one(text);
            assert!(reading.position.is_none() && reading.wrong.iter().any(|words| words.contains(word)), "{text}: {:?}", reading.wrong);
        }
    }
}
