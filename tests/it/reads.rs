//! Reads of the API beside the books: chains, quotes, trades, money, accounts, settings; and an order book that has not changed.

use ordergate_actors::order::{Exchange, InstrumentKey, Price};
use serde_json::json;

use crate::support::{House, KEY, entry};

#[actix_web::test]
async fn an_option_chain_stands_around_the_money() {
    let house = House::open().await;
    let expiries = house.get("/dashboard/symbols/expiries?underlying=NIFTY&exchange=NFO").await;
    let expiry =
        expiries.body["expiries"].as_array().unwrap().iter().find(|one| one["options"].as_u64() > Some(0)).unwrap()["expiry"].clone();
    let contracts =
        house.get(&format!("/dashboard/symbols/contracts?underlying=NIFTY&exchange=NFO&expiry={}", expiry.as_str().unwrap())).await;
    let rows = contracts.body["contracts"].as_array().unwrap();
    let option = rows.iter().find(|row| row["kind"] == "OPTION").unwrap();
    let price = |text: &str| Price::parse(text).unwrap();
    let key = InstrumentKey::new(Exchange::Nfo, option["symbol"].as_str().unwrap());
    house.market.set(&key, price("10.00"), price("10.50"), price("10.25"));

    let blind = house.get("/dashboard/option-chain?underlying=NIFTY&exchange=NFO&strikes=60").await;
    assert_eq!(
        (blind.status, &blind.body["expiry"], &blind.body["atm"]),
        (200, &expiry, &json!(null)),
        "no price, no money: {:#}",
        blind.body
    );
    let side = if option["right"] == "CE" { "call" } else { "put" };
    let row = blind.body["rows"].as_array().unwrap().iter().find(|row| row["strike"] == option["strike"]).unwrap();
    assert_eq!(
        (&row[side]["symbol"], &row[side]["quote"]["bid"], &row[side]["quote"]["last"]),
        (&option["symbol"], &json!("10"), &json!("10.25")),
        "{row:#}"
    );

    let strike = option["strike"].as_str().unwrap();
    for symbol in ["NIFTY", "Nifty 50"] {
        house.market.set(&InstrumentKey::new(Exchange::Nse, symbol), price(strike), price(strike), price(strike));
    }
    let future =
        house.get("/dashboard/symbols/resolve?symbol=NIFTY1!&exchange=NFO").await.body["instrument"]["symbol"].as_str().unwrap().to_owned();
    house.market.set(&InstrumentKey::new(Exchange::Nfo, &future), price(strike), price(strike), price(strike));
    let seen = house.get("/dashboard/option-chain?underlying=NIFTY&exchange=NFO&strikes=1").await;
    assert_eq!(seen.body["atm"], json!(strike), "{:#}", seen.body);
    let shown = seen.body["rows"].as_array().unwrap();
    assert!(shown.len() <= 3 && shown.iter().any(|row| row["is_atm"] == true && row["strike"] == strike), "{:#}", seen.body);
    house.get("/dashboard/option-chain?underlying=NOSUCH").await.is_problem(404, "no_contracts");
    house.close().await;
}

#[actix_web::test]
async fn trades_money_and_accounts_are_told_as_far_as_they_are_known() {
    let house = House::open().await;
    house.alert(entry("a")).await;
    house.until_held("a", 10).await;
    let trades = house.get("/dashboard/tradebook").await;
    let row = &trades.body["trades"][0];
    assert_eq!(
        (&row["strategy"], &row["price"], &row["side"], &trades.body["is_whole"]),
        (&json!("a"), &json!("800.5"), &json!("BUY"), &json!(true)),
        "{:#}",
        trades.body
    );
    let sum: u64 = trades.body["trades"].as_array().unwrap().iter().map(|row| row["quantity"].as_u64().unwrap()).sum();
    assert_eq!(sum, 10);
    let accounts = house.get("/dashboard/accounts").await;
    let account = &accounts.body["accounts"][0];
    assert_eq!(
        (&account["client_id"], &account["phase"], &account["is_session_ready"]),
        (&json!("PAPER1"), &json!("OPEN"), &json!(true)),
        "{account:#}"
    );
    let quote = house.get("/dashboard/quotes?symbol=SBIN&exchange=NSE").await;
    assert_eq!((&quote.body["symbol"], &quote.body["quote"]["ask"]), (&json!("SBIN-EQ"), &json!("800.5")), "{:#}", quote.body);
    house.get("/dashboard/quotes?symbol=NOSUCH").await.is_problem(404, "unknown_symbol");
    for path in ["/dashboard/funds", "/dashboard/holdings"] {
        let told = house.get(path).await;
        assert_eq!((told.status, &told.body["accounts"][0]["client_id"]), (200, &json!("PAPER1")), "{path}");
    }
    assert_eq!(house.get("/dashboard/config").await.body["settings"], json!([]), "this house has no settings file");
    house.close().await;
}

#[actix_web::test]
async fn an_order_book_that_has_not_changed_is_not_sent_again() {
    let house = House::open().await;
    house.alert(entry("a")).await;
    house.until_held("a", 10).await;
    house.until_ended().await;
    // The broker's book is read again and again; only what stands in it counts.
    let known = |tag: String| house.send(house.request("GET", "/dashboard/orderbook").bearer_auth(KEY).header("if-none-match", tag));
    let mut tag = String::new();
    let mut answers = Vec::new();
    for _ in 0..100 {
        let reply = known(tag.clone()).await;
        tag = reply.headers["etag"].to_str().unwrap().to_owned();
        answers.push(reply.status);
        if reply.status == 304 {
            assert_eq!(reply.body, json!(""));
            break;
        }
    }
    assert_eq!(answers.last(), Some(&304), "{answers:?}");
    house.alert(entry("b")).await;
    assert_eq!(known(tag).await.status, 200);
    house.close().await;
}
