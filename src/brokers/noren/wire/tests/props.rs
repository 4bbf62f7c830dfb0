//! Whatever bytes come, no reader panics; whatever goes out reads back as it was meant, and hides its secrets.

use ordergate_actors::order::{Exchange, OrderType};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use rust_decimal::Decimal;
use secrecy::SecretString;

use super::super::encode::Ampersand;
use super::super::outcome::{self, Delivery};
use super::super::reply::{ListReply, ObjectReply};
use super::super::request::{Account, Encoder, QuickLogin};
use super::super::scalar::{self, Fields};
use super::super::{
    chain, class, frames, holdings, limits, margin, order_row, position_row, quote, redact, reject, search, security, session,
};
use super::super::{status, time, trade_row};
use super::{order, read_at};

fn read_everything(text: &str) {
    let (status, body) = (200, text.as_bytes());
    let _ = format!("{:?}", ListReply::read(status, body).into_snapshot(|row| order_row::read(row, read_at())));
    let _ = format!("{:?}", ObjectReply::read(status, body));
    let _ = outcome::place(&Delivery::Replied { status, body: body.to_vec() });
    let _ = format!("{:?}", frames::read(text, read_at()));
    let _ = (class::ErrorClass::of(text), reject::RejectClass::of(text), time::parse(text), redact::snippet(text, 50));
    let _ = (status::read(text, Some(text), Some(text)), scalar::decimal("x", text), scalar::integer("x", text));
    if let Some(row) = Fields::parse(text) {
        read_rows(&row);
    }
}

fn read_rows(row: &Fields) {
    let _ = (order_row::read(row, read_at()), trade_row::read(row, read_at()), position_row::read(row));
    let _ = (limits::read(row), margin::order(row), margin::basket(row), holdings::read(row));
    let _ = (quote::read(row, Exchange::Nfo, 1, read_at()), search::read(row), security::read(row), chain::read(row));
    let _ = (session::quick_auth(row), session::access_token(row), row.summary(), format!("{row:?}"));
}

/// Objects with the protocol's names and values that may be anything.
fn object() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "t",
        "stat",
        "emsg",
        "norenordno",
        "exch",
        "e",
        "tk",
        "tsym",
        "qty",
        "status",
        "trantype",
        "prd",
        "fillshares",
        "avgprc",
        "netqty",
        "netavgprc",
        "lp",
        "urmtom",
        "mult",
        "cash",
        "marginused",
        "flid",
        "flqty",
        "flprc",
        "norentm",
        "token",
        "bp1",
        "bq1",
        "values",
        "exch_tsym",
        "susertoken",
        "uid",
        "holdqty",
        "dpqty",
        "reporttype",
        "collateral",
        "usedqty",
    ];
    let value = prop_oneof![
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| serde_json::Value::from(number).to_string()),
        prop::sample::select(vec![
            "\"79228162514264337593543950335\"",
            "\"om\"",
            "\"NFO\"",
            "\"B\"",
            "\"M\"",
            "\"COMPLETE\"",
            "\"Ok\"",
            "[{}]",
            "{}",
            "null",
            "true",
            "\"9223372036854775807\""
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec((prop::sample::select(NAMES), value), 0..20).prop_map(|pairs| {
        let fields: Vec<String> = pairs.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    })
}

/// What the server makes of a body: splits it at `&`, then reads the JSON.
fn served(body: &str) -> Option<serde_json::Value> {
    let mut parts = body.split('&');
    let json = parts.next()?.strip_prefix("jData=")?;
    if parts.next().is_some() { None } else { serde_json::from_str(json).ok() }
}

fn encoder(ampersand: Ampersand) -> Encoder {
    Encoder::new(Account { uid: "FA12345".into(), actid: "FA&1".into() }, ampersand)
}

proptest! {
    #[test]
    fn prop_no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,120}") {
        read_everything(&String::from_utf8_lossy(&bytes));
        read_everything(&text);
        let _ = ListReply::read(200, &bytes);
        let _ = ObjectReply::read(503, &bytes);
    }

    #[test]
    fn prop_no_values_make_a_parser_panic(object in object(), cut in any::<prop::sample::Index>()) {
        read_everything(&object);
        read_everything(&format!("[{object},{object}]"));
        let end = object.char_indices().map(|(at, _)| at).nth(cut.index(object.chars().count())).unwrap_or(0);
        read_everything(&object[..end]);
    }

    #[test]
    fn prop_a_scalar_is_exact(units in any::<i64>(), scale in 0u32..8, quoted in any::<bool>(), blanks in " {0,3}") {
        let value = Decimal::new(units, scale);
        let json = if quoted { format!("{{\"x\":\"{blanks}{value}{blanks}\"}}") } else { format!("{{\"x\":{value}}}") };
        let row = Fields::parse(&json).unwrap();
        prop_assert_eq!(row.decimal("x").unwrap().unwrap(), value);
        let whole = value.normalize().scale() == 0;
        prop_assert_eq!(row.integer("x").is_ok(), whole);
    }

    #[test]
    fn prop_a_body_survives_the_split_and_reads_back(symbol in "[ -~]{0,12}[A-Z&+%][ -~]{0,12}") {
        let order = order(OrderType::StopLimit, Exchange::Nse, &symbol);
        let body = encoder(Ampersand::Escape).place(&order).unwrap();
        prop_assert!(!body.text().contains(['&', '%', '+']), "{}", body.text());
        let read = served(body.text()).unwrap();
        prop_assert_eq!(read["tsym"].as_str(), Some(symbol.as_str()));
        prop_assert_eq!(read["actid"].as_str(), Some("FA&1"));
        prop_assert!(read.as_object().unwrap().values().all(|value| value.as_str().is_some_and(|text| !text.is_empty())));
        let percent = encoder(Ampersand::Percent).place(&order).unwrap();
        prop_assert!(!percent.text().contains('&'), "{}", percent.text());
        prop_assert!(served(percent.text()).is_some());
    }

    #[test]
    fn prop_no_secret_shows(password in "[a-zA-Z0-9&+%]{8,20}", otp in "[0-9]{6}", key in "[a-f0-9]{32}") {
        let login = QuickLogin {
            password: SecretString::from(password.clone()),
            otp: SecretString::from(otp.clone()),
            vendor: "FA_U".into(),
            api_key: SecretString::from(key.clone()),
            imei: "dev-ice".into(),
        };
        let body = encoder(Ampersand::Escape).quick_auth(&login).unwrap();
        let sent = served(body.text()).unwrap();
        for shown in [body.redacted().to_owned(), format!("{body:?}"), format!("{login:?}").replace("dev-ice", "")] {
            for secret in [&password, &otp, &key, sent["pwd"].as_str().unwrap(), sent["appkey"].as_str().unwrap()] {
                prop_assert!(!shown.contains(secret), "{} shows in {}", secret, shown);
            }
        }
    }
}
