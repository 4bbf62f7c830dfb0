//! The native format: what the seeds' alerts look like, keys in any case.
//!
//! ```json
//! {"secret_key": "…", "execution_type": "ENTRY", "strategy_name": "trend", "exchange": "NSE", "product_type": "I",
//!  "legs": [{"tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 10, "order_type": "LIMIT", "price": 812.50}]}
//! ```
//!
//! Nothing is judged here. `null` and `""` mean absent; a list or an object where a text was meant becomes a sentence
//! that refuses the leg, so that a row tells of it. Numbers keep their text (see [`crate::web::json`]).

use ordergate_actors::order::{LegDraft, MAX_LEGS, Routed};

use super::fields::{Fields, told, unknown};
use super::{Alert, Refusal};
use crate::web::json::Json;

/// Fields of the whole alert; the last ones only tell people something.
const TOP: &[&str] = &[
    "secret_key",
    "execution_type",
    "strategy_name",
    "exchange",
    "product_type",
    "test_mode",
    "idempotency_key",
    "signal_time",
    "seq",
    "repeat",
    "validity",
    "policy",
    "legs",
    "underlying",
    "expiry",
    "comment",
];
const LEG: &[&str] = &[
    "execution_type",
    "exchange",
    "tradingsymbol",
    "direction",
    "qty",
    "product_type",
    "order_type",
    "validity",
    "price",
    "trigger_price",
    "stop_loss",
    "target",
    "trailing_type",
    "trailing_value",
    "target_position",
    "cancel_after_s",
    "trailing_step",
    "trailing_after",
    "break_even",
    "exit_at",
    "stop_at",
    "comment",
];

/// How often a strategy that sends `repeat` may add to one position.
const MOST_ADDS: u32 = 100;

/// Reads an alert of this format.
///
/// # Errors
/// No legs, or too many.
pub(super) fn read(body: &Json) -> Result<Alert, Refusal> {
    let Some(Json::List(legs)) = body.get("legs") else { return Err(Refusal::UnknownShape("\"legs\" is no list")) };
    if legs.is_empty() {
        return Err(Refusal::UnknownShape("\"legs\" is empty"));
    }
    if legs.len() > MAX_LEGS {
        return Err(Refusal::TooManyLegs(legs.len()));
    }
    let mut whole = Fields::of(body);
    let common = LegDraft {
        strategy: whole.text("strategy_name"),
        execution_type: whole.text("execution_type"),
        exchange: whole.text("exchange"),
        product: whole.text("product_type"),
        validity: whole.text("validity"),
        test_mode: whole.text("test_mode"),
        policy: whole.text("policy"),
        ..LegDraft::default()
    };
    let idempotency_key = whole.filled_in("idempotency_key");
    let signal_time = whole.time("signal_time");
    let (seq, repeat) = (whole.count("seq"), whole.flag("repeat"));
    let mut ignored = unknown(body, TOP, "");
    for (index, leg) in legs.iter().enumerate() {
        ignored.extend(unknown(leg, LEG, &format!("legs[{index}].")));
    }
    let ignored = told(ignored);
    // Whoever says that it is meant again may add; how much, the limits say.
    let route = repeat.then(|| Routed { route: "".into(), version: 0, adds: MOST_ADDS, trades_per_day: None, approval: false });
    let common = LegDraft { unreadable: whole.unreadable, route, ..common };
    let legs = legs.iter().map(|json| leg(json, &common)).collect();
    Ok(Alert { format: "native", legs, idempotency_key, signal_time, seq, repeat, ignored })
}

fn leg(json: &Json, common: &LegDraft) -> LegDraft {
    let mut fields = Fields::of(json);
    fields.unreadable.clone_from(&common.unreadable);
    if !matches!(json, Json::Object(_)) {
        fields.unreadable.push("a leg is no object".to_owned());
    }
    let draft = LegDraft {
        strategy: common.strategy.clone(),
        execution_type: fields.text("execution_type").or_else(|| common.execution_type.clone()),
        exchange: fields.text("exchange").or_else(|| common.exchange.clone()),
        symbol: fields.text("tradingsymbol"),
        side: fields.text("direction"),
        quantity: fields.text("qty"),
        product: fields.text("product_type").or_else(|| common.product.clone()),
        order_type: fields.text("order_type"),
        validity: fields.text("validity").or_else(|| common.validity.clone()),
        price: fields.text("price"),
        trigger_price: fields.text("trigger_price"),
        stop_loss: fields.text("stop_loss"),
        target: fields.text("target"),
        trailing_type: fields.text("trailing_type"),
        trailing_value: fields.text("trailing_value"),
        trailing_step: fields.text("trailing_step"),
        trailing_after: fields.text("trailing_after"),
        break_even: fields.text("break_even"),
        exit_at: fields.text("exit_at"),
        stop_at: fields.text("stop_at"),
        test_mode: common.test_mode.clone(),
        target_position: fields.text("target_position"),
        cancel_after_s: fields.text("cancel_after_s"),
        policy: common.policy.clone(),
        parent: None,
        route: common.route.clone(),
        blocked: None,
        unreadable: Vec::new(),
    };
    LegDraft { unreadable: fields.unreadable, ..draft }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::json::Bounds;
    use chrono::{DateTime, Utc};
    use ordergate_actors::order::Amount;
    use ordergate_actors::order::validate::{self, Bounds as Most};
    use proptest::prelude::{any, prop_assert, proptest};

    fn json(text: &str) -> Json {
        Json::parse(text, Bounds { depth: 16, keys: 4_000 }).unwrap()
    }

    fn alert(text: &str) -> Alert {
        match super::super::read(&json(text), super::super::tests::now()).unwrap() {
            super::super::Read::Orders(alert) => alert,
            other @ super::super::Read::Readings(_) => panic!("{other:?}"),
        }
    }

    fn violations(leg: &LegDraft) -> String {
        let most = Most { max_notional: Amount(rust_decimal::Decimal::MAX) };
        validate::read(leg, None, &most).violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn keys_in_any_case_and_numbers_as_written() {
        let read = alert(
            r#"{"Execution_Type":"entry","STRATEGY_NAME":"t","exchange":"NSE","Product_Type":"I","Test_Mode":null,
                "LEGS":[{"TradingSymbol":"SBIN-EQ","Direction":"BUY","QTY":10,"Order_Type":"LMT","Price":812.50,"target":"","exchange":"BSE"}]}"#,
        );
        let leg = read.legs.first().unwrap();
        assert_eq!(leg.price.as_deref(), Some("812.50"));
        assert_eq!(leg.quantity.as_deref(), Some("10"));
        assert_eq!((leg.target.as_deref(), leg.test_mode.as_deref()), (None, None));
        assert_eq!((leg.exchange.as_deref(), leg.execution_type.as_deref()), (Some("BSE"), Some("entry")));
        assert!(leg.unreadable.is_empty() && read.ignored.is_empty());
    }

    #[test]
    fn wrong_types_leave_a_leg_that_is_refused_by_name() {
        let read = alert(r#"{"strategy_name":{},"legs":[{"qty":{},"price":[1]},7]}"#);
        assert_eq!(read.legs.len(), 2);
        let words = violations(read.legs.first().unwrap());
        for field in ["strategy_name", "qty", "price"] {
            assert!(words.contains(&format!("{field} is ")), "{words}");
        }
        assert!(violations(read.legs.last().unwrap()).contains("a leg is no object"));
    }

    #[test]
    fn placeholders_are_refused_by_name_and_are_no_key() {
        let read = alert(r#"{"idempotency_key":"{{id}}","signal_time":"{{timenow}}","legs":[{"qty":"{{strategy.contracts}}"}]}"#);
        assert_eq!((read.idempotency_key, read.signal_time), (None, None));
        let words = violations(read.legs.first().unwrap());
        for field in ["idempotency_key", "signal_time", "qty: unresolved placeholder"] {
            assert!(words.contains(field), "{words}");
        }
    }

    #[test]
    fn times_in_three_spellings() {
        let expected: DateTime<Utc> = "2026-11-20T05:00:00Z".parse().unwrap();
        for text in ["1795150800", "1795150800000", "\"2026-11-20T10:30:00+05:30\"", "\"1795150800\""] {
            assert_eq!(alert(&format!(r#"{{"signal_time":{text},"legs":[{{}}]}}"#)).signal_time, Some(expected), "{text}");
        }
        for text in ["-5", "0", "1.5", "\"yesterday\"", "99999999999999999999"] {
            let read = alert(&format!(r#"{{"signal_time":{text},"legs":[{{}}]}}"#));
            assert!(read.signal_time.is_none() && violations(read.legs.first().unwrap()).contains("signal_time"), "{text}");
        }
    }

    #[test]
    fn shapes_that_are_not_known() {
        for text in ["[]", "5", "{}", r#"{"legs":{}}"#, r#"{"legs":[]}"#, r#"{"legs":null}"#] {
            assert_eq!(super::super::read(&json(text), super::super::tests::now()).unwrap_err().code(), "unknown_shape", "{text}");
        }
        let many = format!(r#"{{"legs":[{}]}}"#, vec!["{}"; 101].join(","));
        assert_eq!(super::super::read(&json(&many), super::super::tests::now()), Err(Refusal::TooManyLegs(101)));
    }

    #[test]
    fn unknown_fields_are_told() {
        assert_eq!(alert(r#"{"foo":1,"legs":[{"stoploss":5}]}"#).ignored, ["foo", "legs[0].stoploss"]);
        let many: String = (0..23).map(|number| format!(r#""foo{number}":1,"#)).collect();
        let ignored = alert(&format!(r#"{{{many}"legs":[{{}}]}}"#)).ignored;
        assert_eq!((ignored.len(), ignored.last().map(String::as_str)), (21, Some("and 3 more")));
    }

    proptest! {
        #[test]
        fn prop_no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(json) = std::str::from_utf8(&bytes).ok().and_then(|text| Json::parse(text, Bounds { depth: 8, keys: 50 }).ok()) {
                let _any = super::super::read(&json, super::super::tests::now());
            }
        }

        /// Any characters in any field: no panic, and nothing unprintable in what people will read.
        #[test]
        fn prop_any_text_in_any_field(text in any::<String>(), field in 0..LEG.len(), top in 0..TOP.len()) {
            let quoted = serde_json::Value::from(text).to_string();
            let top = TOP.get(top).copied().filter(|key| *key != "legs").unwrap_or("comment");
            let body = format!(r#"{{"{top}":{quoted},"legs":[{{"{}":{quoted}}}]}}"#, LEG[field]);
            let read = alert(&body);
            let words = violations(read.legs.first().unwrap());
            prop_assert!(!words.chars().any(char::is_control), "{}", words);
        }
    }
}
