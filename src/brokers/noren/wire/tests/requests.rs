//! Requests as the broker documents them, to the letter.

use ordergate_actors::order::{BrokerOrderId, Exchange, InstrumentKey, OrderType, Product, Side, Validity};
use ordergate_actors::ports::Modification;
use secrecy::SecretString;

use super::super::encode::{Ampersand, EncodeError};
use super::super::request::{Account, Encoder, MarginLeg, OAuthLogin, QuickLogin};
use super::{instrument, order, price, terms};

fn encoder(ampersand: Ampersand) -> Encoder {
    Encoder::new(Account { uid: "FA12345".into(), actid: "FA12345".into() }, ampersand)
}

fn escaping() -> Encoder {
    encoder(Ampersand::Escape)
}

const OPTION: &str = "NIFTY25AUG26C25000";

#[test]
fn an_order_goes_out_as_documented() {
    let body = escaping().place(&order(OrderType::Limit, Exchange::Nfo, OPTION)).unwrap();
    assert_eq!(body.route(), "PlaceOrder");
    assert_eq!(
        body.text(),
        r#"jData={"ordersource":"API","uid":"FA12345","actid":"FA12345","exch":"NFO","tsym":"NIFTY25AUG26C25000","qty":"65","prc":"101.50","dscqty":"0","prd":"M","trantype":"B","prctyp":"LMT","mkt_protection":"0","ret":"DAY","remarks":"X7K20001231"}"#
    );
    assert_eq!(body.redacted(), format!("PlaceOrder {}", body.text()), "an order holds no secret");
}

#[test]
fn price_and_trigger_go_where_the_type_has_them() {
    let table = [
        (OrderType::Market, "\"prc\":\"0\"", None, "MKT"),
        (OrderType::Limit, "\"prc\":\"101.50\"", None, "LMT"),
        (OrderType::StopLimit, "\"prc\":\"101.50\"", Some("\"trgprc\":\"90.00\""), "SL-LMT"),
        (OrderType::StopMarket, "\"prc\":\"0\"", Some("\"trgprc\":\"90.00\""), "SL-MKT"),
    ];
    for (order_type, prc, trigger, code) in table {
        let text = escaping().place(&order(order_type, Exchange::Nfo, OPTION)).unwrap().text().to_owned();
        assert!(text.contains(prc) && text.contains(&format!("\"prctyp\":\"{code}\"")), "{text}");
        match trigger {
            Some(trigger) => assert!(text.contains(trigger), "{text}"),
            None => assert!(!text.contains("trgprc"), "{text}"),
        }
    }
    let mut bare = order(OrderType::StopLimit, Exchange::Nfo, OPTION);
    bare.terms.trigger_price = None;
    assert_eq!(escaping().place(&bare), Err(EncodeError::Incomplete { order_type: "SL", what: "trigger price" }));
    bare.terms.price = None;
    assert_eq!(escaping().place(&bare), Err(EncodeError::Incomplete { order_type: "SL", what: "price" }));
}

#[test]
fn words_become_codes_and_prices_keep_their_decimals() {
    let mut one = order(OrderType::Limit, Exchange::Cds, "USDINR25NOV22C76");
    one.terms.side = Side::Sell;
    one.terms.product = Product::Mis;
    one.terms.validity = Validity::Ioc;
    one.terms.price = Some(price("0.2525"));
    let text = escaping().place(&one).unwrap().text().to_owned();
    for part in [r#""trantype":"S""#, r#""prd":"I""#, r#""ret":"IOC""#, r#""prc":"0.2525""#, r#""exch":"CDS""#] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    one.terms.product = Product::Cnc;
    assert!(escaping().place(&one).unwrap().text().contains(r#""prd":"C""#));
}

#[test]
fn an_ampersand_goes_out_as_the_setting_says() {
    let one = order(OrderType::Limit, Exchange::Nse, "M&M-EQ");
    let symbol = |mode| encoder(mode).place(&one).unwrap().text().to_owned();
    assert!(symbol(Ampersand::Escape).contains(r#""tsym":"M\u0026M-EQ""#));
    assert!(symbol(Ampersand::Percent).contains(r#""tsym":"M%26M-EQ""#));
    assert!(symbol(Ampersand::Raw).contains(r#""tsym":"M&M-EQ""#));
    let words = escaping().search(Exchange::Nse, "a+b 50% \"q\"").unwrap();
    assert_eq!(words.text(), r#"jData={"uid":"FA12345","stext":"a\u002bb 50\u0025 \"q\"","exch":"NSE"}"#);
    let words = encoder(Ampersand::Percent).search(Exchange::Nse, "a+b 50%").unwrap();
    assert_eq!(words.text(), r#"jData={"uid":"FA12345","stext":"a%2Bb 50%25","exch":"NSE"}"#);
}

#[test]
fn a_change_sends_the_total_and_a_trigger_only_for_stops() {
    let tag = order(OrderType::Limit, Exchange::Nfo, OPTION).tag;
    let change = |order_type, tag| Modification {
        broker_order_id: BrokerOrderId::parse("26081200012345").unwrap(),
        tag,
        instrument: instrument(Exchange::Nfo, OPTION),
        terms: terms(order_type),
    };
    assert_eq!(
        escaping().modify(&change(OrderType::Limit, Some(tag))).unwrap().text(),
        r#"jData={"ordersource":"API","uid":"FA12345","actid":"FA12345","norenordno":"26081200012345","exch":"NFO","tsym":"NIFTY25AUG26C25000","qty":"65","prctyp":"LMT","prc":"101.50","ret":"DAY","dscqty":"0","remarks":"X7K20001231"}"#
    );
    assert_eq!(
        escaping().modify(&change(OrderType::StopLimit, None)).unwrap().text(),
        r#"jData={"ordersource":"API","uid":"FA12345","actid":"FA12345","norenordno":"26081200012345","exch":"NFO","tsym":"NIFTY25AUG26C25000","qty":"65","prctyp":"SL-LMT","prc":"101.50","trgprc":"90.00","ret":"DAY","dscqty":"0"}"#
    );
}

#[test]
fn every_read_and_the_cancel_go_out_as_documented() {
    let encoder = escaping();
    let id = BrokerOrderId::parse("26081200012345").unwrap();
    let contract = InstrumentKey::new(Exchange::Nfo, OPTION);
    let account = r#"{"uid":"FA12345","actid":"FA12345"}"#;
    let table = [
        (encoder.cancel(&id), "CancelOrder", r#"{"ordersource":"API","uid":"FA12345","norenordno":"26081200012345"}"#),
        (encoder.order_book(), "OrderBook", account),
        (encoder.trade_book(), "TradeBook", account),
        (encoder.position_book(), "PositionBook", account),
        (encoder.limits(), "Limits", account),
        (encoder.holdings(), "Holdings", r#"{"uid":"FA12345","actid":"FA12345","prd":"C"}"#),
        (encoder.order_history(&id), "SingleOrdHist", r#"{"uid":"FA12345","norenordno":"26081200012345"}"#),
        (encoder.quote(Exchange::Nfo, 43_210), "GetQuotes", r#"{"uid":"FA12345","exch":"NFO","token":"43210"}"#),
        (encoder.security_info(Exchange::Nse, 438), "GetSecurityInfo", r#"{"uid":"FA12345","exch":"NSE","token":"438"}"#),
        (
            encoder.option_chain(&contract, price("25000"), 4),
            "GetOptionChain",
            r#"{"uid":"FA12345","exch":"NFO","tsym":"NIFTY25AUG26C25000","strprc":"25000","cnt":"4"}"#,
        ),
        (encoder.logout(), "Logout", r#"{"uid":"FA12345","ordersource":"API"}"#),
        (encoder.user_details(), "UserDetails", r#"{"uid":"FA12345"}"#),
    ];
    for (body, route, json) in table {
        let body = body.unwrap();
        assert_eq!((body.route(), body.text()), (route, format!("jData={json}").as_str()));
    }
}

#[test]
fn margins_are_asked_for_one_order_or_a_basket() {
    let one = instrument(Exchange::Nfo, OPTION);
    let terms = terms(OrderType::Limit);
    let leg = MarginLeg { instrument: &one, terms: &terms };
    let json = r#""exch":"NFO","tsym":"NIFTY25AUG26C25000","qty":"65","prc":"101.50","prd":"M","trantype":"B","prctyp":"LMT""#;
    assert_eq!(
        escaping().order_margin(leg).unwrap().text(),
        format!(r#"jData={{"uid":"FA12345","actid":"FA12345",{json},"rorgqty":"0","rorgprc":"0"}}"#)
    );
    assert_eq!(
        escaping().basket_margin(leg, &[leg]).unwrap().text(),
        format!(r#"jData={{"uid":"FA12345","actid":"FA12345",{json},"basketlists":[{{{json}}}]}}"#)
    );
}

#[test]
fn a_login_goes_out_hashed_and_shows_nothing() {
    let login = QuickLogin {
        password: SecretString::from("hunter2"),
        otp: SecretString::from("123456"),
        vendor: "FA12345_U".into(),
        api_key: SecretString::from("key"),
        imei: "abc1234".into(),
    };
    let body = escaping().quick_auth(&login).unwrap();
    // SHA-256 of "hunter2", and of "FA12345|key".
    let password = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
    assert!(body.text().starts_with(&format!(
        r#"jData={{"source":"API","apkversion":"1.0.0","uid":"FA12345","pwd":"{password}","factor2":"123456","vc":"FA12345_U","appkey":"#
    )));
    assert!(body.text().ends_with(r#"","imei":"abc1234"}"#));
    assert_eq!(
        body.redacted(),
        r#"QuickAuth jData={"source":"API","apkversion":"1.0.0","uid":"FA12345","pwd":"***","factor2":"***","vc":"FA12345_U","appkey":"***","imei":"***"}"#
    );
    assert_eq!(format!("{body:?}"), body.redacted());
    assert!(!format!("{login:?}").contains("hunter2"));

    let login = OAuthLogin { client_id: "a".into(), secret: SecretString::from("b"), code: SecretString::from("c") };
    let body = escaping().access_token(&login).unwrap();
    // SHA-256 of "abc", the standard's own example.
    assert_eq!(
        body.text(),
        r#"jData={"code":"c","checksum":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","uid":"FA12345"}"#
    );
    assert_eq!(body.redacted(), r#"GenAcsTok jData={"code":"***","checksum":"***","uid":"FA12345"}"#);
}

#[test]
fn a_blank_value_is_never_sent() {
    assert_eq!(escaping().search(Exchange::Nse, " "), Err(EncodeError::Blank { field: "stext" }));
    let nobody = Encoder::new(Account { uid: String::new(), actid: "A".into() }, Ampersand::Escape);
    assert_eq!(nobody.order_book(), Err(EncodeError::Blank { field: "uid" }));
}

/// An after-market order would trade tomorrow. No order and no change has the word for it (`amo`), whatever its terms: its
/// fields are these and no others.
#[test]
fn no_order_goes_out_as_an_after_market_order() {
    let placing = [
        "ordersource",
        "uid",
        "actid",
        "exch",
        "tsym",
        "qty",
        "prc",
        "trgprc",
        "dscqty",
        "prd",
        "trantype",
        "prctyp",
        "mkt_protection",
        "ret",
        "remarks",
    ];
    let changing =
        ["ordersource", "uid", "actid", "norenordno", "exch", "tsym", "qty", "prctyp", "prc", "trgprc", "ret", "dscqty", "remarks"];
    let fields = |body: &str| -> Vec<String> {
        let json: serde_json::Value = serde_json::from_str(body.strip_prefix("jData=").unwrap()).unwrap();
        json.as_object().unwrap().keys().cloned().collect()
    };
    let mut seen = 0;
    for order_type in OrderType::ALL {
        for (product, side, validity) in Product::ALL.iter().flat_map(|product| {
            let sides = Side::ALL.iter().map(move |side| (product, side));
            sides.flat_map(|(product, side)| Validity::ALL.iter().map(move |validity| (*product, *side, *validity)))
        }) {
            let mut one = order(*order_type, Exchange::Nfo, OPTION);
            (one.terms.product, one.terms.side, one.terms.validity) = (product, side, validity);
            let change = Modification {
                broker_order_id: BrokerOrderId::parse("26081200012345").unwrap(),
                tag: Some(one.tag.clone()),
                instrument: one.instrument.clone(),
                terms: one.terms.clone(),
            };
            for field in fields(escaping().place(&one).unwrap().text()) {
                assert!(placing.contains(&field.as_str()), "{field} of {one:?}");
            }
            for field in fields(escaping().modify(&change).unwrap().text()) {
                assert!(changing.contains(&field.as_str()), "{field} of {change:?}");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, OrderType::ALL.len() * Product::ALL.len() * Side::ALL.len() * Validity::ALL.len());
}
