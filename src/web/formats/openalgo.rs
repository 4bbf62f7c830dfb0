//! OpenAlgo's `placeorder` and `placesmartorder`, as its templates and clients send them.
//!
//! `position_size` is the position that is wanted. OpenAlgo itself opens one when such an alert comes late and the account
//! is flat; here 0 while flat is nothing to do. `strategy` is free text: its published TradingView template puts
//! `{{strategy.order.id}}` there ("Long" opens, "Close entry(s) order Long" closes), so it owns nothing.

use ordergate_actors::routes::{Format, Reading};

use super::fields::{Fields, told, unknown};
use crate::web::json::Json;

const KNOWN: &[&str] = &[
    "secret_key",
    "apikey",
    "strategy",
    "symbol",
    "action",
    "exchange",
    "pricetype",
    "price_type",
    "product",
    "quantity",
    "price",
    "trigger_price",
    "disclosed_quantity",
    "position_size",
    "timenow",
    "time",
    "idempotency_key",
    "seq",
    "repeat",
    "test_mode",
];

/// Whether a body without `legs` is one of OpenAlgo's.
pub(super) fn is_one(body: &Json) -> bool {
    let has = |key: &str| body.get(key).is_some();
    // A chart's position must never be left unread: a buy that closes a short would open a long.
    let is_of_a_chart = has("ticker") || has("market_position");
    let is_named = has("apikey") || has("pricetype");
    let says_the_position = is_named && has("position_size");
    says_the_position || (!is_of_a_chart && (is_named || (has("symbol") && has("exchange") && has("product") && has("quantity"))))
}

/// Reads a body of this format.
pub(super) fn read(body: &Json) -> Reading {
    let mut fields = Fields::of(body);
    let reading = Reading {
        format: if body.get("position_size").is_some() { Format::OpenalgoSmartOrder } else { Format::OpenalgoOrder },
        strategy: fields.filled_in("strategy"),
        exchange: fields.filled_in("exchange"),
        ticker: fields.filled_in("symbol"),
        action: fields.side("action"),
        size: fields.number(&["quantity"]),
        position: fields.number(&["position_size"]),
        product: fields.filled_in("product"),
        order_type: fields.any(&["pricetype", "price_type"]),
        price: fields.filled_in("price"),
        trigger_price: fields.filled_in("trigger_price"),
        made_at: fields.time("timenow"),
        bar_at: fields.time("time"),
        key: fields.filled_in("idempotency_key"),
        seq: fields.count("seq"),
        repeat: fields.flag("repeat"),
        test_mode: fields.filled_in("test_mode"),
        ignored: told(unknown(body, KNOWN, "")),
        ..Reading::default()
    };
    Reading { wrong: fields.unreadable, ..reading }
}

#[cfg(test)]
mod tests {
    use super::super::tests::one;
    use ordergate_actors::order::Side;
    use rust_decimal::Decimal;

    use super::*;

    #[test]
    fn placeorder_says_what_to_do() {
        let reading =
            one(r#"{"apikey":"k","strategy":"Close entry(s) order Long","symbol":"NIFTY28MAR2420800CE","action":"SELL","exchange":"NFO",
            "pricetype":"MARKET","product":"NRML","quantity":"65","price":"0","trigger_price":"0","disclosed_quantity":"0"}"#);
        assert_eq!((reading.format, reading.position), (Format::OpenalgoOrder, None));
        assert_eq!((reading.action, reading.size), (Some(Side::Sell), Some(Decimal::from(65))));
        assert_eq!((reading.order_type.as_deref(), reading.product.as_deref()), (Some("MARKET"), Some("NRML")));
        assert_eq!((reading.called(), reading.ignored.len()), ("NFO:NIFTY28MAR2420800CE".to_owned(), 0));
    }

    #[test]
    fn what_says_a_charts_position_is_of_a_chart_whatever_its_fields_are_called() {
        let reading = one(r#"{"symbol":"SBIN","exchange":"NSE","product":"MIS","quantity":"10","action":"buy","market_position":"flat",
            "market_position_size":"0"}"#);
        assert_ne!((reading.format, reading.position), (Format::OpenalgoOrder, None));
        assert_eq!(reading.position, Some(Decimal::ZERO), "a buy that closes a short opens nothing");
        // Also with the fields that only OpenAlgo has: `apikey` carries our own secret.
        for named in [r#""apikey":"k","#, r#""pricetype":"MARKET","#, r#""apikey":"k","pricetype":"MARKET","#] {
            let reading = one(&format!(
                r#"{{{named}"symbol":"SBIN","exchange":"NSE","product":"MIS","quantity":"20","action":"buy","market_position":"long",
                "market_position_size":"10"}}"#
            ));
            assert_eq!((reading.format, reading.position), (Format::TradingviewStrategy, Some(Decimal::TEN)), "{named}");
            assert_eq!(reading.order_type.as_deref(), named.contains("pricetype").then_some("MARKET"), "{named}");
            assert!(reading.ignored.is_empty(), "{named}: {:?}", reading.ignored);
        }
    }

    #[test]
    fn placesmartorder_says_the_position() {
        let body = |size: &str| {
            format!(
                r#"{{"apikey":"k","symbol":"SBIN","action":"BUY","exchange":"NSE","pricetype":"MARKET","product":"MIS","quantity":"1","position_size":{size}}}"#
            )
        };
        assert_eq!(one(&body("\"-5\"")).position, Some(Decimal::from(-5)));
        assert_eq!((one(&body("0")).position, one(&body("0")).format), (Some(Decimal::ZERO), Format::OpenalgoSmartOrder));
        assert!(
            one(&body("\"{{strategy.position_size}}\"")).wrong.first().unwrap().contains("position_size is the unresolved placeholder")
        );
        assert_eq!(one(r#"{"symbol":"SBIN","exchange":"NSE","product":"MIS","quantity":1,"action":"BUY"}"#).format, Format::OpenalgoOrder);
    }
}
