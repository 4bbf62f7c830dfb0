//! Every route: what it answers when all is well, and how it says no.

use std::io::Read as _;

use ordergate::simulator::noren_server::{Prices, Settings};
use serde_json::{Value, json};

use super::client::{Bench, order, otp, settings, sha256, with};
use crate::support::has;

/// Numbers, times and flags are strings, everywhere.
fn is_all_text(value: &Value) {
    match value {
        Value::String(_) => {}
        Value::Array(rows) => rows.iter().for_each(is_all_text),
        Value::Object(fields) => fields.values().for_each(is_all_text),
        other => panic!("{other} is no string"),
    }
}

#[actix_web::test]
async fn prefixes_slashes_keys_and_content_types_do_not_matter() {
    let bench = Bench::open().await;
    let body = format!("jData={{\"uid\":\"FA00001\",\"actid\":\"FA00001\"}}&jKey={}", bench.token);
    for path in ["NorenWClientTP/Limits", "NorenWClientTP//Limits", "NorenWClientAPI/Limits", "PiConnectAPI/Limits"] {
        let answer = bench.raw(path, body.clone(), None).await;
        assert_eq!((answer.status, &answer.body["stat"]), (200, &json!("Ok")), "{path}: {}", answer.text);
        has(&answer.body, &["cash", "payin", "marginused", "rpnl", "unmtom", "request_time"]);
    }
    let bearer = bench.raw("NorenWClientAPI/Limits", "jData={\"uid\":\"FA00001\",\"actid\":\"FA00001\"}".into(), Some(&bench.token)).await;
    assert_eq!(bearer.body["stat"], "Ok");
    let none = bench.raw("NorenWClientAPI/Limits", "jData={\"uid\":\"FA00001\"}".into(), None).await;
    assert_eq!((none.status, none.emsg()), (401, "Session Expired :  Invalid Session Key"));
    let missing = bench.raw("NorenWClientTP/Limits", format!("&jKey={}", bench.token), None).await;
    assert_eq!(missing.emsg(), "Invalid Input :  jData is Missing.");
    assert_eq!(bench.raw("NorenWClientTP/Nothing", body, None).await.status, 404);
    assert_eq!(bench.get("NorenWClientTP/Limits").await.status(), 405);
}

#[actix_web::test]
async fn quick_auth_and_logout() {
    let mut bench = Bench::open().await;
    let answer = bench.raw("NorenWClientTP//QuickAuth", format!("jData={}", bench.login()), None).await;
    has(&answer.body, &["request_time", "susertoken", "uid", "actid", "uname", "lastaccesstime", "exarr", "orarr", "prarr", "totp_set"]);
    assert_eq!(answer.body["susertoken"].as_str().unwrap().len(), 64);
    is_all_text(&answer.body);
    // That login ended the session before it.
    assert_eq!(bench.call("UserDetails", json!({})).await.emsg(), "Session Expired :  Invalid Session Key");
    bench.log_in().await;
    has(&bench.call("UserDetails", json!({})).await.body, &["uname", "exarr", "prarr", "access_type"]);
    let wrong = bench.raw("NorenWClientTP/QuickAuth", format!("jData={}", with(bench.login(), &[("factor2", "000000")])), None).await;
    assert_eq!((wrong.status, wrong.emsg()), (400, "Invalid Input : Invalid OTP"));
    assert_eq!(bench.call("Logout", json!({"ordersource":"API"})).await.body["stat"], "Ok");
    assert_eq!(bench.call("Limits", json!({})).await.emsg(), "Session Expired :  Invalid Session Key");
}

#[actix_web::test]
async fn a_sign_in_gives_a_code_and_the_code_a_token() {
    let mut bench = Bench::open().await;
    let page = bench.get("NorenWClientAPI/OAuthlogin/authorize/oauth?client_id=FA00001_U").await.text().await.unwrap();
    assert!(page.contains("<form") && page.contains("name=totp"), "{page}");
    // Who has no authenticator reads the code there; what the link carried comes back with the form.
    assert!(page.contains(&otp(&bench.sim)) && !page.contains("name=state"), "{page}");
    let page = bench.get("NorenWClientAPI/authorize?client_id=FA00001_U&state=a%22b").await.text().await.unwrap();
    assert!(page.contains("name=state value=\"a&quot;b\""), "{page}");
    assert_eq!(bench.get("NorenWClientAPI/authorize?client_id=OTHER").await.status(), 400);
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url =
        format!("{}/NorenWClientAPI/authorize?client_id=FA00001_U&password=sim-password&totp={}&state=x", bench.sim.url(), otp(&bench.sim));
    let answer = client.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let place = answer.headers()["location"].to_str().unwrap().to_owned();
    let code = place.split_once("?code=").unwrap().1.split('&').next().unwrap().to_owned();
    let granted = |uid: &str| json!({"code":code,"checksum":sha256(&format!("FA00001_Usim-secret{code}")),"uid":uid});
    let refused = bench.raw("NorenWClientAPI/GenAcsTok", format!("jData={}", json!({"code":code,"checksum":"x"})), None).await;
    assert_eq!(refused.emsg(), "Invalid Input : INVALID_VERIFIER");
    let token = bench.raw("NorenWClientAPI/GenAcsTok", format!("jData={}", granted("FA00001")), None).await;
    has(&token.body, &["access_token", "refresh_token", "susertoken", "USERID", "actid", "uid", "expires_in", "scope"]);
    assert!(token.body.get("stat").is_none());
    let expires: i64 = token.body["expires_in"].as_str().unwrap().parse().unwrap();
    assert!(expires > bench.sim.now().timestamp() && expires <= bench.sim.now().timestamp() + 86_400);
    bench.token = token.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(bench.call("Limits", json!({})).await.body["stat"], "Ok");
    let again = bench.raw("NorenWClientAPI/GenAcsTok", format!("jData={}", granted("FA00001")), None).await;
    assert_eq!(again.emsg(), "Invalid Input : INVALID_VERIFIER", "a code is good once");
}

#[actix_web::test]
async fn an_empty_book_is_an_error_object() {
    let bench = Bench::open().await;
    for (route, fields) in [
        ("OrderBook", json!({})),
        ("TradeBook", json!({})),
        ("PositionBook", json!({})),
        ("SingleOrdHist", json!({"norenordno":"26112000000099"})),
        ("Holdings", json!({"prd":"C"})),
    ] {
        let answer = bench.call(route, fields).await;
        assert_eq!((answer.status, answer.emsg()), (200, "Error Occurred : 5 \"no data\""), "{route}");
        assert_eq!(answer.body["stat"], "Not_Ok");
        has(&answer.body, &["request_time"]);
    }
    assert_eq!(bench.call("SearchScrip", json!({"stext":"ZZZZ","exch":"NSE"})).await.emsg(), "No Data :  ");
}

#[actix_web::test]
async fn quotes_search_chains_and_margins() {
    let bench = Bench::with(Settings { prices: Prices::Synthetic, ..settings() }).await;
    let found = bench.call("SearchScrip", json!({"stext":"NIFTY","exch":"NFO"})).await;
    let option = found.body["values"].as_array().unwrap().iter().find(|row| row["instname"] == "OPTIDX").unwrap().clone();
    has(&option, &["exch", "token", "tsym", "dname", "pp", "ti", "ls", "symname", "exd", "optt"]);
    let quote = bench.call("GetQuotes", json!({"exch":"NFO","token":option["token"]})).await.body;
    has(&quote, &["lp", "o", "h", "l", "c", "bp1", "sp1", "bq5", "sq5", "bo1", "ls", "ti", "pp", "mult", "ltt", "exd", "strprc", "optt"]);
    assert_eq!((&quote["token"], &quote["tsym"]), (&option["token"], &option["tsym"]));
    is_all_text(&quote);
    let info = bench.call("GetSecurityInfo", json!({"exch":"NFO","token":option["token"]})).await.body;
    assert_eq!(info["frzqty"], "1801");
    let chain = bench.call("GetOptionChain", json!({"exch":"NFO","tsym":option["tsym"],"strprc":"25700","cnt":"2"})).await.body;
    assert_eq!(chain["values"].as_array().unwrap().len(), 8);
    let bad = bench.call("GetOptionChain", json!({"exch":"NFO","tsym":"NOTHING","strprc":"1","cnt":"1"})).await;
    assert_eq!((bad.status, bad.emsg()), (400, "Invalid Input : Invalid Trading Symbol"));
    for row in [json!({"exch":"NFO","token":"1"}), json!({"exch":"XXX","token":"1"})] {
        assert_eq!(bench.call("GetQuotes", row).await.emsg(), "Error Occurred : 2 \"invalid input\"");
    }
    let leg = json!({"exch":"NSE","tsym":"SBIN-EQ","qty":"10","prc":"850.00","prd":"I","trantype":"B","prctyp":"LMT"});
    let margin = bench.call("GetOrderMargin", leg.clone()).await.body;
    assert_eq!((&margin["ordermargin"], &margin["remarks"]), (&json!("1700.00"), &json!("Order Success")));
    let mut basket = leg.clone();
    basket["basketlists"] = json!([leg]);
    assert_eq!(bench.call("GetBasketMargin", basket).await.body["marginused"], "3400.00");
    let market = bench.call("GetOrderMargin", with(leg, &[("prctyp", "MKT")])).await;
    assert_eq!(market.emsg(), "Rejected : ALGO_CHK: MKT Order type not allowed for API order");
}

#[actix_web::test]
async fn what_is_wrong_with_an_order_is_said_before_it_has_a_number() {
    let bench = Bench::open().await;
    for (changes, emsg) in [
        (&[("prctyp", "MKT"), ("prc", "0")][..], "Rejected : ALGO_CHK: MKT Order type not allowed for API order"),
        (&[("prctyp", "SL-MKT"), ("trgprc", "850")], "Rejected : ALGO_CHK: MKT Order type not allowed for API order"),
        (&[("prc", "")], "Invalid Input : basic_string::at: __n (which is 0) >= this->size() (which is 0)"),
        (&[("prc", "abc")], "Error Occurred : 2 \"invalid input\""),
        (&[("qty", "0")], "Error Occurred : 2 \"invalid input\""),
        (&[("qty", "1.5")], "Error Occurred : 2 \"invalid input\""),
        (&[("prctyp", "SL-LMT")], "Error Occurred : 2 \"invalid input\""),
        (&[("tsym", "NOBODY-EQ")], "Invalid Input : Invalid Trading Symbol"),
        (&[("trantype", "")], "Invalid Input :  uid or actid or exch or tsym or qty or prd or trantype or prctyp or ret is Missing."),
    ] {
        let answer = bench.call("PlaceOrder", with(order("T"), changes)).await;
        assert_eq!((answer.emsg(), &answer.body["stat"]), (emsg, &json!("Not_Ok")), "{changes:?}");
    }
    assert!(bench.sim.orders().is_empty());
    assert_eq!(bench.sim.accepted("T"), 0);
}

#[actix_web::test]
async fn an_ampersand_needs_its_escape() {
    let bench = Bench::open().await;
    bench.price("NSE", "M&M-EQ", "3340", "3341");
    let fields = with(order("M"), &[("tsym", "M&M-EQ"), ("prc", "3300"), ("uid", "FA00001"), ("actid", "FA00001")]).to_string();
    let send = async |fields: String| bench.raw("NorenWClientAPI/PlaceOrder", format!("jData={fields}"), Some(&bench.token)).await;
    let raw = send(fields.clone()).await;
    assert_eq!((raw.status, raw.emsg()), (400, "Invalid Input : jData is not valid json object"));
    for escape in ["\\u0026", "%26"] {
        let answer = send(fields.replace('&', escape)).await;
        assert_eq!(bench.until(&answer.number(), "OPEN").await["tsym"], "M&M-EQ");
    }
}

#[actix_web::test]
async fn the_masters_are_archives_of_one_text_each() {
    let bench = Bench::open().await;
    for exchange in ["NSE", "BSE", "NFO", "BFO", "MCX", "CDS"] {
        let bytes = bench.get(&format!("{exchange}_symbols.txt.zip")).await.bytes().await.unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes.to_vec())).unwrap();
        assert_eq!(archive.len(), 1);
        let mut file = archive.by_index(0).unwrap();
        assert_eq!(file.name().unwrap(), format!("{exchange}_symbols.txt"));
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().unwrap().clone();
        let at = |name: &str| header.iter().position(|column| column == name).unwrap();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert!(rows[0][at("TradingSymbol")].is_empty(), "a placeholder leads");
        for row in &rows[1..] {
            assert_eq!(&row[at("Exchange")], exchange);
            assert!(row[at("Token")].parse::<u32>().is_ok() && !row[at("TradingSymbol")].is_empty());
        }
    }
    assert_eq!(bench.get("NCX_symbols.txt.zip").await.status(), 404);
}

#[actix_web::test]
async fn calls_are_counted_per_calendar_second_and_minute() {
    let start = Some("2026-11-20T05:00:00Z".parse().unwrap());
    let time = ordergate::simulator::noren_server::TimeSettings { start, speed: 0 };
    let bench = Bench::with(Settings { per_second: 3, per_minute: 5, time, ..settings() }).await;
    let limits = async || bench.call("Limits", json!({})).await;
    for _ in 0..3 {
        assert_eq!(limits().await.body["stat"], "Ok");
    }
    let many = limits().await;
    assert_eq!((many.status, many.emsg()), (400, "Invalid Input :  Order Recieved 4 in a current second exceeds Limit 3 for user"));
    bench.sim.advance_time(chrono::TimeDelta::seconds(1));
    assert_eq!(limits().await.body["stat"], "Ok");
    assert_eq!(limits().await.emsg(), "Invalid Input :  Order Recieved 6 in a current minute exceeds Limit 5 for user");
    bench.sim.advance_time(chrono::TimeDelta::minutes(1));
    assert_eq!(limits().await.body["stat"], "Ok");
    let refused = bench.place("R").await;
    assert_eq!(refused.body["stat"], "Ok");
}
