//! Bytes from outside: whatever they are, what reads them answers, and does not panic.

use ordergate::config::Config;
use ordergate::instruments::master::archive::{pack, unpack};
use ordergate::simulator::noren_server::FaultRule;
use ordergate::web::formats::{self, Read};
use ordergate::web::json::{Bounds, Json};
use ordergate_actors::order::calendar::{Calendar, File};
use ordergate_actors::order::{Amount, ClientId, CommandId, SignalId, Status, Tag, validate};
use ordergate_actors::persistence::Replay;
use ordergate_actors::pnl::charges::{ChargeFile, Rates};
use ordergate_actors::ports::JournalRow;
use ordergate_actors::testkit::morning;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

/// Names that the formats know, and one that none does.
const KEYS: [&str; 24] = [
    "legs",
    "secret_key",
    "execution_type",
    "strategy_name",
    "exchange",
    "tradingsymbol",
    "direction",
    "qty",
    "price",
    "order_type",
    "stop_loss",
    "trailing_value",
    "target_position",
    "signal_time",
    "ticker",
    "action",
    "market_position",
    "apikey",
    "position_size",
    "stocks",
    "trigger_prices",
    "triggered_at",
    "policy",
    "x",
];

/// Any JSON with such names.
fn any_json() -> impl Strategy<Value = Value> {
    let words =
        select(vec!["SBIN-EQ", "NSE", "BUY", "ENTRY", "EXIT", "TARGET", "MARKET", "1.5%", "12 points", "09:20", "2026-11-20", "{{x}}"]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(select(KEYS.to_vec()), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())),
        ]
    })
}

/// What the webhook does with a body, up to the orders that it asks for.
fn read_alert(text: &str) {
    let Ok(json) = Json::parse(text, Bounds { depth: 16, keys: 500 }) else { return };
    let canonical = json.canonical();
    let again = Json::parse(&canonical, Bounds { depth: 16, keys: 500 });
    assert_eq!(again.as_ref().map(Json::canonical), Ok(canonical), "what is written for its hash reads as itself");
    match formats::read(&json, morning()) {
        Ok(Read::Orders(alert)) => {
            let bounds = validate::Bounds { max_notional: Amount(Decimal::from(1_000_000)) };
            for leg in &alert.legs {
                for violation in validate::read(leg, None, &bounds).violations {
                    assert!(!violation.to_string().chars().any(char::is_control), "{violation}");
                }
            }
        }
        Ok(Read::Readings(readings)) => {
            assert!(readings.iter().flat_map(|reading| &reading.wrong).all(|words| !words.chars().any(char::is_control)));
        }
        Err(refusal) => assert!(!refusal.code().is_empty()),
    }
}

fn load(text: &str, env: &[(String, String)]) -> Result<Config, ordergate::config::ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Some(&path), env.iter().cloned())
}

/// The bytes with one run of them replaced.
fn spoiled(bytes: &[u8], at: Index, with: &[u8]) -> Vec<u8> {
    let at = at.index(bytes.len().max(1)).min(bytes.len());
    let end = (at + with.len()).min(bytes.len());
    [&bytes[..at], with, &bytes[end..]].concat()
}

const CALENDAR: &str = include_str!("../../config/calendar/2026.toml");
const CHARGES: &str = include_str!("../../config/charges/2026.toml");

/// Rows whose columns are of any kind, in any order.
fn any_row() -> impl Strategy<Value = (String, Option<Status>, Option<Status>, Option<Tag>, String, u8)> {
    let event = select(vec![
        "INTENT_CREATED",
        "REFUSED",
        "AIMED",
        "SENT_TO_BROKER",
        "BROKER_CONFIRMED",
        "BROKER_BOOK",
        "FILL",
        "FAILED",
        "CANCEL_WANTED",
        "MODIFY_REPLIED",
        "TERMS_CHANGED_BY_HAND",
        "CONTROL",
        "HOLDING_REDUCED",
        "HOLDING_ADOPTED",
        "HOLDING_SETTLED",
        "PRICE_TOLD",
        "ALARM_ACKNOWLEDGED",
        "NO_SUCH_EVENT",
    ]);
    let status =
        || prop::option::of(select(vec![Status::Created, Status::SentToBroker, Status::Partial, Status::Executed, Status::Failed]));
    let tag = prop::option::of(select(vec![Tag::KillSwitch, Tag::SendUnconfirmed, Tag::NotAtBroker]));
    let inputs = prop_oneof![
        any_json().prop_map(|json| json.to_string()),
        any::<String>(),
        Just(r#"{"terms":{"side":"BUY","quantity":9223372036854775807,"product":"MIS","order_type":"MARKET","validity":"DAY","price":null,"trigger_price":null},"request":"","gates":[],"high_water":null}"#.to_owned()),
        Just(r#"{"trade_id":"1","broker_order_id":"1","quantity":9223372036854775807,"price":"79228162514264337593543950335","at":"2026-11-20T04:00:00Z"}"#.to_owned()),
        Just(r#"{"asked":{},"broker_tag":"OGA1B20000001","order":{"number":1,"leg":0,"basket_id":"00000000-0000-0000-0000-000000000001","source":"WEBHOOK","signal_time":"2026-11-20T04:00:00Z","ask":{}}}"#.to_owned()),
    ];
    (event.prop_map(str::to_owned), status(), status(), tag, inputs, 0_u8..3)
}

proptest! {
    #[test]
    fn prop_no_alert_makes_the_webhook_panic(json in any_json(), bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<Index>()) {
        let text = json.to_string();
        read_alert(&text);
        read_alert(&String::from_utf8_lossy(&spoiled(text.as_bytes(), at, &bytes[..bytes.len().min(3)])));
        read_alert(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn prop_no_settings_make_the_start_panic_or_tell_a_secret(
        text in any::<String>(), value in any::<String>(), at in any::<Index>(), bytes in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let of_ours = include_str!("../../config/default.toml");
        let spoiled = String::from_utf8_lossy(&spoiled(of_ours.as_bytes(), at, &bytes)).into_owned();
        let secret = ("ORDERGATE__WEBHOOK__SECRET".to_owned(), "hunter2-hunter2-hunter2".to_owned());
        let key = ("ORDERGATE__ACCOUNT__LIMITS__DAILY_LOSS".to_owned(), value.replace('\0', ""));
        for (text, env) in [(&text, vec![secret.clone()]), (&spoiled, vec![secret.clone()]), (&String::new(), vec![secret, key])] {
            if let Err(error) = load(text, &env) {
                let words = error.to_string();
                prop_assert!(!error.violations.is_empty() && !words.contains("hunter2"), "{}", words);
            }
        }
    }

    #[test]
    fn prop_no_archive_unpacks_to_more_than_its_bound(text in prop::collection::vec(any::<u8>(), 0..2_000), bytes in prop::collection::vec(any::<u8>(), 0..40), at in any::<Index>()) {
        let whole = pack("NSE_symbols.txt", &text).unwrap();
        prop_assert_eq!(unpack(&whole, 2_000).unwrap(), text);
        for archive in [spoiled(&whole, at, &bytes), bytes] {
            if let Ok(unpacked) = unpack(&archive, 1_000) {
                prop_assert!(unpacked.len() <= 1_000);
            }
        }
    }

    #[test]
    fn prop_no_file_of_sessions_or_charges_panics(text in any::<String>(), at in any::<Index>(), bytes in prop::collection::vec(any::<u8>(), 0..6)) {
        let name = || "mine.toml".to_owned();
        for text in [text.clone(), String::from_utf8_lossy(&spoiled(CALENDAR.as_bytes(), at, &bytes)).into_owned()] {
            if let Err(bad) = Calendar::parse(&[File { name: name(), text }]) {
                prop_assert!(!bad.to_string().is_empty());
            }
        }
        for text in [text, String::from_utf8_lossy(&spoiled(CHARGES.as_bytes(), at, &bytes)).into_owned()] {
            if let Err(bad) = Rates::parse(&[ChargeFile { name: name(), text }]) {
                prop_assert!(!bad.to_string().is_empty());
            }
        }
    }

    #[test]
    fn prop_no_journal_makes_a_replay_panic(rows in prop::collection::vec(any_row(), 1..8)) {
        let mut replay = Replay::default();
        for (seq, (event, from, to, tag, inputs, order)) in (1..).zip(rows) {
            let row = JournalRow {
                client_id: ClientId::parse("A").ok(),
                seq,
                prev_hash: [0; 32],
                at: morning(),
                event: event.into(),
                command_id: (order > 0).then(|| CommandId(Uuid::from_u128(order.into()))),
                signal_id: (order > 1).then(|| SignalId(Uuid::from_u128(9))),
                from,
                to,
                tag,
                reason: None,
                who: "a stranger".into(),
                inputs: inputs.into(),
            };
            if let Err(misfit) = replay.redo(&row) {
                prop_assert_eq!(misfit.seq, seq);
            }
        }
        let _ = replay.finish().writes(ClientId::parse("A").ok().as_ref());
    }

    #[test]
    fn prop_a_rule_of_faults_reads_or_says_why(json in any_json()) {
        let mut json = json;
        if let Some(object) = json.as_object_mut() {
            object.insert("route".to_owned(), "PlaceOrder".into());
            object.insert("fault".to_owned(), "accept_then_502".into());
        }
        if let Err(why) = FaultRule::from_json(&json) {
            prop_assert!(!why.is_empty());
        }
    }
}
