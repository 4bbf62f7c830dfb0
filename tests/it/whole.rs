//! Nothing is cut without being said: an order with more rows and trades than a page has, a book of several accounts, and limits that
//! are beyond what a page gives.

use ordergate_actors::order::{
    Answered, BrokerOrderId, CallAnswer, ChangeCall, ClientId, Fill, Heard, OrderFact, Price, Quantity, Side, TradeId,
};
use ordergate_actors::persistence::NEWEST_KEPT;
use ordergate_actors::testkit::{morning, until_found};
use serde_json::json;

use crate::book::Book;
use crate::support::{House, KEY, Plan, entry, resting, secret};

/// More than one page of anything.
const MANY: usize = 260;

#[actix_web::test]
async fn an_order_of_many_trades_is_told_whole() {
    let directory = tempfile::tempdir().unwrap();
    let mut book = Book::open(directory.path(), Vec::new());
    let id = book.create("SBIN-EQ", Some(Side::Buy), None);
    book.send(id, 10);
    book.accept(id, "MANY");
    let whole = OrderFact::CallReplied {
        call: ChangeCall::Modify,
        answer: CallAnswer::read("taken"),
        change: Some(Answered { terms: crate::book::terms(260), heard: Heard::Taken }),
    };
    book.fact(
        id,
        OrderFact::CallIntended { call: ChangeCall::Modify, request: "to many".to_owned(), terms: Some(crate::book::terms(260)) },
    );
    book.fact(id, whole);
    for trade in 0..MANY {
        let fill = Fill {
            trade_id: TradeId::parse(&format!("T{trade}")).unwrap(),
            broker_order_id: BrokerOrderId::parse("MANY").unwrap(),
            quantity: Quantity::new(1).unwrap(),
            price: Price::parse("800").unwrap(),
            at: morning(),
        };
        book.fact(id, OrderFact::Fill(fill));
    }
    book.close();
    let house = House::with(Plan { after: Some(directory), ..Plan::default() }).await;
    let detail = house.get(&format!("/dashboard/orders/{id}")).await;
    assert_eq!(detail.body["fills"].as_array().map(Vec::len), Some(MANY), "{:#}", detail.body["order"]);
    let journal = detail.body["journal"].as_array().unwrap();
    assert!(journal.len() > MANY, "{}", journal.len());
    assert!(journal.windows(2).all(|pair| pair[0]["seq"].as_u64() < pair[1]["seq"].as_u64()), "each once, in order");

    let trades = house.get("/dashboard/tradebook").await;
    let told = (trades.body["trades"].as_array().map(Vec::len), &trades.body["total"], &trades.body["is_whole"]);
    assert_eq!(told, (Some(MANY), &json!(MANY), &json!(true)));
    let openalgo = house.send(house.request("POST", "/api/v1/tradebook").json(&json!({ "apikey": KEY }))).await;
    assert_eq!(openalgo.body["data"].as_array().map(Vec::len), Some(MANY), "{:#}", openalgo.body);
    house.close().await;
}

#[actix_web::test]
async fn openalgos_book_has_the_whole_day_also_what_has_left_the_memory() {
    let directory = tempfile::tempdir().unwrap();
    // Half an hour before the house opens, so that all of them are of its day.
    let hours = morning().signed_duration_since(crate::book::long_ago()).num_hours();
    let mut book = Book::open_with_seed(directory.path(), Vec::new(), u64::try_from(hours).unwrap());
    book.refuse_hundreds(u16::try_from(NEWEST_KEPT / 100).unwrap() + 1);
    book.close();
    let house = House::with(Plan { after: Some(directory), ..Plan::default() }).await;
    // Its answer has no place to say that there are more.
    let todays = house.send(house.request("POST", "/api/v1/orderbook").json(&json!({ "apikey": KEY }))).await;
    let rows = todays.body["data"]["orders"].as_array().unwrap();
    let names: std::collections::BTreeSet<&str> = rows.iter().filter_map(|row| row["orderid"].as_str()).collect();
    assert_eq!((rows.len() as u64, names.len() as u64), (NEWEST_KEPT + 100, NEWEST_KEPT + 100));
    assert_eq!(house.get("/dashboard/orderbook?limit=1").await.body["system_total"], NEWEST_KEPT + 100);
    house.close().await;
}

#[actix_web::test]
async fn the_book_of_several_accounts_says_how_many_it_does_not_show() {
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], ..Plan::default() }).await;
    for path in ["/webhook/PAPER1", "/webhook/PAPER2"] {
        for alert in [resting("rests"), resting("rests-too"), entry("fills")] {
            assert_eq!(house.send(house.request("POST", path).json(&secret(alert))).await.status, 202);
        }
    }
    house
        .until("each account has two orders that work", || {
            let open = |client: &str| {
                let client = ClientId::parse(client).unwrap();
                house.engine.read(&client, |book| book.open_orders().filter(|order| order.broker_order_id.is_some()).count())
            };
            (open("PAPER1"), open("PAPER2")) == (Some(2), Some(2))
                && house.orders().iter().filter(|order| order.status.is_terminal()).count() == 1
        })
        .await;
    let both = house.get("/dashboard/orderbook?limit=4").await;
    let shown = (both.body["system_orders"].as_array().map(Vec::len), &both.body["system_total"], &both.body["next"]);
    assert_eq!(shown, (Some(4), &json!(6), &json!(null)), "{:#}", both.body);
    let open = house.get("/dashboard/orderbook?open=true").await;
    assert!(open.body["system_orders"].as_array().unwrap().iter().all(|order| order["status"] == "SENT_TO_BROKER"), "{:#}", open.body);
    assert_eq!((open.body["system_orders"].as_array().map(Vec::len), &open.body["system_total"]), (Some(4), &json!(4)));
    // Page by page, of one account; the last page has no next.
    let (mut numbers, mut path) = (Vec::new(), "/dashboard/orderbook?client_id=PAPER2&open=true&limit=1".to_owned());
    loop {
        let page = house.get(&path).await;
        numbers.extend(page.body["system_orders"].as_array().unwrap().iter().filter_map(|order| order["number"].as_u64()));
        let Some(next) = page.body["next"].as_u64() else { break };
        path = format!("/dashboard/orderbook?client_id=PAPER2&open=true&limit=1&before={next}");
    }
    assert_eq!(numbers, [2, 1]);
    let read = async || {
        let book = house.get("/dashboard/orderbook?limit=1").await;
        let rows = book.body["broker_orders"].as_array().map(Vec::len);
        if rows == Some(1) && book.body["broker_total"] == 6 { Ok(()) } else { Err(book.body) }
    };
    until_found("the brokers' books are read, and counted", read).await;
    house.close().await;
}

#[actix_web::test]
async fn a_limit_beyond_a_page_is_refused_and_not_made_smaller() {
    let house = House::open().await;
    for path in [
        "/dashboard/orderbook?limit=1001",
        "/dashboard/audit?limit=201",
        "/dashboard/symbols/search?q=NIFTY&limit=201",
        "/dashboard/symbols/search?q=NIFTY&limit=0",
        "/dashboard/option-chain?underlying=NIFTY&exchange=NFO&strikes=61",
    ] {
        house.get(path).await.is_problem(400, "bad_limit");
    }
    let found = house.get("/dashboard/symbols/search?q=NIFTY&limit=1").await;
    assert!(found.body["count"].as_u64() > Some(1) && found.body["instruments"].as_array().map(Vec::len) == Some(1), "{:#}", found.body);
    house.close().await;
}

#[actix_web::test]
async fn what_moved_a_limit_says_how_far_it_looked() {
    let house = House::open().await;
    let raise = |minutes: i64| {
        house.post(
            "/dashboard/risk/override",
            json!({ "limit": "max_open_orders", "value": "5000", "minutes": minutes, "reason": "a drill" }),
        )
    };
    for minutes in 1..=220 {
        assert_eq!(raise(minutes).await.status, 200);
    }
    let risk = house.get("/dashboard/risk").await;
    let account = &risk.body["accounts"][0];
    let (events, after) = (account["events"].as_array().unwrap(), account["events_after"].as_u64().unwrap());
    assert!(after > 0 && events.len() < 220, "{after}, {}", events.len());
    assert!(events.iter().all(|event| event["seq"].as_u64() > Some(after)), "what is older is in the audit");
    house.close().await;
}
