//! What left at a price that nobody told, and the price that a person tells of it, over real HTTP.

use chrono::Duration;
use ordergate_actors::order::{Amount, ClientId, Exchange, InstrumentKey, Price, trading_date};
use ordergate_actors::persistence::Book;
use ordergate_actors::ports::{Clock as _, Query, Rows};
use serde_json::{Value, json};

use crate::pnl::with_charges;
use crate::support::{House, Plan, Reply, entry};

/// Ten bought at 800.50 that were taken out of our record: at which price they left nobody has told.
async fn left(house: &House) -> u64 {
    house.alert(entry("trend")).await;
    house.until_held("trend", 10).await;
    house.until_ended().await;
    let cleared = house.post("/dashboard/guard/force-clear", json!({ "strategy": "trend", "all": true, "reason": "sold by hand" })).await;
    assert_eq!(cleared.status, 200, "{:#}", cleared.body);
    house.until_held("trend", 0).await;
    let account = house.get("/dashboard/told-prices").await.body["accounts"][0].clone();
    assert_eq!((&account["untold"], account["left"].as_array().unwrap().len()), (&json!(1), 1), "{account:#}");
    let one = &account["left"][0];
    assert_eq!((&one["units"], &one["average_price"], &one["strategy"]), (&json!(10), &json!("800.5"), &json!("trend")));
    assert_eq!((&one["price"], &one["realised"], &one["ended"]), (&Value::Null, &Value::Null, &json!(false)));
    one["row"].as_u64().unwrap()
}

async fn tells(house: &House, row: u64, price: Value) -> Reply {
    house.post("/dashboard/told-prices", json!({ "row": row, "price": price, "reason": "the contract note" })).await
}

async fn csv(house: &House) -> (String, String) {
    let text = house.get("/dashboard/exports/pnl.csv").await.body.as_str().unwrap().to_owned();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let row = reader.records().next().unwrap().unwrap();
    let cell = |name: &str| names.iter().zip(row.iter()).find(|(own, _)| *own == name).unwrap().1.to_owned();
    (cell("realised"), cell("closed_elsewhere"))
}

async fn results(house: &House) -> (Value, Value) {
    let day = house.get("/dashboard/risk").await.body["accounts"][0]["day"].clone();
    let pnl = house.get("/dashboard/pnl").await.body["accounts"][0].clone();
    (day["by_fills"].clone(), pnl)
}

#[actix_web::test]
async fn a_price_that_a_person_tells_makes_the_result_of_the_day_known_everywhere() {
    let house = House::open().await;
    let row = left(&house).await;
    let (by_fills, pnl) = results(&house).await;
    assert_eq!((&by_fills, &pnl["result"]["closed_elsewhere"], &pnl["statistics"]["unknown"]), (&Value::Null, &json!(10), &json!(1)));
    let unknown = |result: &Value| result["gross"].is_null() && result["net"].is_null() && result["gross_as_far_as_known"] == "0.00";
    assert!(unknown(&pnl["result"]) && unknown(&pnl["strategies"][0]["result"]), "{pnl:#}");
    assert!(pnl["strategies"][0]["instruments"][0]["gross"].is_null(), "{pnl:#}");
    assert_eq!(csv(&house).await, ("0.00".to_owned(), "10".to_owned()));
    let orders = house.orders();

    let told = tells(&house, row, json!("790.25")).await;
    assert_eq!((told.status, &told.body["is_news"], &told.body["price_before"]), (200, &json!(true), &Value::Null), "{:#}", told.body);
    let one = &told.body["left"];
    assert_eq!((&one["price"], &one["realised"], &one["units"]), (&json!("790.25"), &json!("-102.50"), &json!(10)));
    let (by_fills, pnl) = results(&house).await;
    assert_eq!(
        (&by_fills, &pnl["result"]["realised"], &pnl["result"]["closed_elsewhere"]),
        (&json!("-102.5"), &json!("-102.50"), &json!(0))
    );
    assert_eq!((&pnl["result"]["gross"], &pnl["strategies"][0]["instruments"][0]["gross"]), (&json!("-102.50"), &json!("-102.50")));
    let statistics = &pnl["statistics"];
    assert_eq!((&statistics["unknown"], &statistics["losses"], &statistics["realised_drawdown"]), (&json!(0), &json!(1), &json!("102.50")));
    assert_eq!(csv(&house).await, ("-102.50".to_owned(), "0".to_owned()));

    // The same again, as a number: nothing new. Another takes its place, and the journal has both.
    let again = tells(&house, row, json!(790.25)).await;
    assert_eq!((again.status, &again.body["is_news"]), (200, &json!(false)), "{:#}", again.body);
    let second = tells(&house, row, json!("0")).await;
    assert_eq!(
        (&second.body["price_before"], &second.body["left"]["realised"]),
        (&json!("790.25"), &json!("-8005.00")),
        "{:#}",
        second.body
    );
    let second = tells(&house, row, json!("801")).await;
    assert_eq!((&second.body["left"]["realised"], &second.body["who"]), (&json!("5.00"), &json!("asha from 127.0.0.1")));
    let told: Vec<String> =
        house.events(Some(&house.client())).await.into_iter().filter(|(event, _)| event == "PRICE_TOLD").map(|(_, text)| text).collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[1].contains("left at 0, not at 790.25") && told[1].contains("asha") && told[1].contains("the contract note"), "{told:#?}");
    assert_eq!(house.orders(), orders, "nothing was sent");
    assert_eq!(house.engine.read(&house.client(), |book| book.holdings().count()), Some(0));

    let before = results(&house).await.1;
    let house = House::with(Plan { after: Some(house.close().await), ..Plan::default() }).await;
    let after = results(&house).await;
    assert_eq!((&after.1["statistics"], &after.1["result"]["realised"]), (&before["statistics"], &json!("5.00")));
    assert_eq!(house.get("/dashboard/told-prices").await.body["accounts"][0]["left"][0]["price"], "801");
    assert_eq!(csv(&house).await, ("5.00".to_owned(), "0".to_owned()));
    house.close().await;
}

#[actix_web::test]
async fn what_is_no_price_and_what_needs_none_is_refused_with_what_to_do() {
    let house = House::open().await;
    let row = left(&house).await;
    for price in ["-1", "NaN", "1e3", "10000000.01", "1.00001", ""] {
        tells(&house, row, json!(price)).await.is_problem(400, "bad_price");
    }
    tells(&house, row, Value::Null).await.is_problem(400, "bad_price");
    tells(&house, 999_999, json!("1")).await.is_problem(404, "nothing_left");
    let journal = house.engine.query(Query::JournalAfter(Some(house.client()), 0, 200)).await.unwrap();
    let Rows::Journal(rows) = journal else { panic!("{journal:?}") };
    let fill = rows.iter().find(|row| &*row.event == "FILL").unwrap().seq;
    let refused = tells(&house, fill, json!("1")).await;
    refused.is_problem(409, "priced_already");
    assert!(refused.body["detail"].as_str().unwrap().contains("is a trade"), "{:#}", refused.body);
    let silent = json!({ "row": row, "price": "1", "reason": " " });
    house.post("/dashboard/told-prices", silent).await.is_problem(400, "bad_request");
    assert_eq!(house.get("/dashboard/told-prices").await.body["accounts"][0]["untold"], 1, "nothing of it was taken");
    house.close().await;
}

/// What is told counts as any other loss of that day: its breach ends the day's entries. It sends nothing by itself.
#[actix_web::test]
async fn a_told_loss_beyond_the_limit_ends_the_day() {
    let account = |settings: &mut ordergate_actors::settings::AccountSettings| settings.limits.daily_loss = Amount(100.into());
    let house = House::with(Plan { account: Box::new(account), ..Plan::default() }).await;
    let row = left(&house).await;
    assert!(house.engine.read(&house.client(), |book| book.control().day.is_none()).unwrap(), "what is not known is no loss");
    let orders = house.orders().len();
    assert_eq!(tells(&house, row, json!("700")).await.status, 200);
    house.until("the day is over", || house.engine.read(&house.client(), |book| book.control().day.is_some()).unwrap()).await;
    let events = house.events(Some(&house.client())).await;
    assert!(events.iter().any(|(event, text)| event == "ALARM_RISK_BREACH" && text.contains("-1005")), "{events:#?}");
    assert_eq!(house.orders().len(), orders, "nothing is held, so nothing is sent");
    let refused = house.alert(entry("next")).await;
    house.until_ended().await;
    let last = house.orders().into_iter().last().unwrap();
    assert!(last.reason.as_deref().unwrap_or_default().contains("loss"), "{:?} {:#}", last.reason, refused.body);
    house.close().await;
}

/// A future that today's master has no more: what an order's row keeps of it says what it was charged.
#[actix_web::test]
async fn a_contract_that_has_ended_since_keeps_its_charges() {
    let house = House::with(with_charges(Some("zero"))).await;
    let day = trading_date(house.clock.now());
    let found = house.get("/dashboard/symbols/resolve?symbol=NIFTY1!&exchange=NSE").await.body;
    let symbol = found["instrument"]["symbol"].as_str().unwrap_or_else(|| panic!("{found:#}")).to_owned();
    let price = |text: &str| Price::parse(text).unwrap();
    house.market.set(&InstrumentKey::new(Exchange::Nfo, &symbol), price("25000"), price("25000.10"), price("25000"));
    let mut alert = entry("carry");
    alert["exchange"] = json!("NFO");
    alert["legs"][0]["tradingsymbol"] = json!(symbol);
    alert["legs"][0]["qty"] = json!(65);
    house.alert(alert).await;
    house.until_held("carry", 65).await;
    house.post("/dashboard/positions/exit", json!({ "strategy": "carry", "symbol": symbol })).await;
    house.until_held("carry", 0).await;
    house.until_ended().await;
    let charges = async |house: &House| {
        let text = house.get(&format!("/dashboard/exports/pnl.csv?from={day}&to={day}")).await.body.as_str().unwrap().to_owned();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let place = reader.headers().unwrap().iter().position(|name| name == "charges").unwrap();
        reader.records().next().unwrap().unwrap()[place].to_owned()
    };
    let before = charges(&house).await;
    assert!(!before.is_empty() && before != "0.00", "{before:?}");
    let later = Duration::days(70);
    let house = House::with(Plan { after: Some(house.close().await), later, ..with_charges(Some("zero")) }).await;
    let is_listed = house.engine.line().instruments.find(&InstrumentKey::new(Exchange::Nfo, &symbol)).is_some();
    assert!(!is_listed, "{symbol} has ended");
    assert_eq!(charges(&house).await, before);
    let newest = house.engine.read(&ClientId::parse("PAPER1").unwrap(), Book::seq).unwrap();
    assert!(newest > 0, "it is the same journal");
    house.close().await;
}
