//! The live stream, over real sockets: what is committed arrives, nothing is lost over a restart, and who does not read is dropped.

use std::time::Duration;

use ordergate::access::draw_link;
use ordergate::web::live::LiveSettings;
use ordergate_actors::order::Status;
use ordergate_actors::ports::Clock;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{House, KEY, Plan, entry, resting, secret};

const LONG: Duration = Duration::from_secs(60);

/// One event, as a browser reads it.
#[derive(Debug)]
struct Told {
    kind: String,
    data: Value,
}

/// A reader that reads.
struct Stream {
    response: reqwest::Response,
    text: String,
    id: String,
}

impl Stream {
    async fn open(request: reqwest::RequestBuilder) -> Self {
        // The whole answer never comes: the time is each event's.
        let response = request.timeout(Duration::from_secs(120)).send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["content-type"]), (200, &"text/event-stream".parse().unwrap()));
        let mut stream = Self { response, text: String::new(), id: String::new() };
        assert!(stream.block().await.is_some_and(|block| block.starts_with("retry:")), "the head");
        stream
    }

    /// The next block; `None` when the stream has ended.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(id) = block.lines().find_map(|line| line.strip_prefix("id: ")) {
                    self.id = id.to_owned();
                }
                return Some(block);
            }
            let chunk = tokio::time::timeout(LONG, self.response.chunk()).await.expect("something in time").ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn next(&mut self) -> Option<Told> {
        loop {
            let block = self.block().await?;
            let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let (Some(kind), Some(data)) = (line("event: "), line("data: ")) {
                return Some(Told { kind, data: serde_json::from_str(&data).unwrap() });
            }
        }
    }

    /// Reads on until an event of the kind says so.
    async fn until(&mut self, kind: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let told = self.next().await.expect("the stream goes on");
            if told.kind == kind && is_it(&told.data) {
                return told.data;
            }
        }
    }
}

fn events(house: &House) -> reqwest::RequestBuilder {
    house.request("GET", "/dashboard/events").bearer_auth(KEY)
}

fn has(data: &Value, test: impl Fn(&Value) -> bool) -> bool {
    data["changed"].as_array().unwrap().iter().any(test)
}

#[actix_web::test]
async fn what_is_committed_arrives_as_the_order_book_shows_it() {
    let house = House::open().await;
    let mut stream = Stream::open(events(&house)).await;
    let taken = house.alert(entry("a")).await;
    let id = taken.order(0)["command_id"].clone();
    house.until_held("a", 10).await;
    house.until_ended().await;
    let book = house.get("/dashboard/orderbook").await;
    let shown = &book.body["system_orders"][0];
    assert_eq!((&shown["command_id"], &shown["status"]), (&id, &json!("EXECUTED")));
    let data = stream.until("orders", |data| has(data, |row| row == shown)).await;
    assert_eq!(data["client_id"], "PAPER1");
    let seq = house.engine.read(&house.client(), |book| book.seq()).unwrap();
    let told = |stream: &Stream| stream.id.strip_prefix("PAPER1:").and_then(|id| id.parse::<u64>().ok());
    while told(&stream) < Some(seq) {
        assert!(stream.block().await.is_some(), "the last event of a window carries the number");
    }

    let mut stream = Stream::open(events(&house)).await;
    assert_eq!(house.post("/dashboard/kill", json!({ "level": 1, "reason": "drill" })).await.status, 200);
    let risk = stream.until("risk", |data| has(data, |row| row["event"] == "CONTROL")).await;
    assert!(has(&risk, |row| row["who"] == "asha from 127.0.0.1" && row["text"] == "drill"), "{risk:#}");
    house.close().await;
}

#[actix_web::test]
async fn a_reader_that_comes_back_after_a_restart_has_missed_nothing() {
    let house = House::open().await;
    let mut stream = Stream::open(events(&house)).await;
    house.alert(resting("seen")).await;
    stream.until("orders", |data| has(data, |row| row["strategy"] == "seen")).await;
    let known = stream.id.clone();
    drop(stream);
    for number in 0..30 {
        assert_eq!(house.alert(resting(&format!("missed-{number}"))).await.status, 202);
    }
    house
        .until("all rest", || house.orders().iter().all(|order| order.status == Status::SentToBroker && order.broker_order_id.is_some()))
        .await;
    let house = House::with(Plan { after: Some(house.close().await), ..Plan::default() }).await;
    let mut stream = Stream::open(events(&house).header("last-event-id", &known)).await;
    let mut missing: std::collections::BTreeSet<String> = (0..30).map(|number| format!("missed-{number}")).collect();
    while !missing.is_empty() {
        let told = stream.next().await.unwrap();
        if told.kind == "orders" {
            for row in told.data["changed"].as_array().unwrap() {
                missing.remove(row["strategy"].as_str().unwrap());
            }
        }
    }
    house.alert(resting("after")).await;
    stream.until("orders", |data| has(data, |row| row["strategy"] == "after")).await;

    // A number of another journal: everything is to be fetched.
    let mut stream = Stream::open(events(&house).header("last-event-id", "PAPER1:999999999")).await;
    let told = stream.next().await.unwrap();
    assert_eq!((told.data["fetch_all"].as_bool(), told.data["changed"].as_array().map(Vec::len)), (Some(true), Some(0)));
    house.close().await;
}

#[actix_web::test]
async fn a_stream_ends_with_its_session_and_seats_are_counted() {
    let live = LiveSettings { readers: 2, ..LiveSettings::default() };
    let house = House::with(Plan { live, ..Plan::default() }).await;
    let token = draw_link(house.directory.path(), house.clock.now(), chrono::TimeDelta::hours(1)).unwrap();
    let opened = house.send(house.request("POST", "/dashboard/session").json(&json!({ "token": token.expose_secret() }))).await;
    let cookie = opened.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut stream = Stream::open(house.request("GET", "/dashboard/events").header("cookie", cookie)).await;
    let other = Stream::open(events(&house)).await;
    house.send(events(&house)).await.is_problem(503, "too_many_readers");
    let ended = house.request("DELETE", &format!("/dashboard/sessions/{}", opened.body["id"].as_str().unwrap())).bearer_auth(KEY);
    assert_eq!(house.send(ended).await.status, 200);
    while stream.block().await.is_some() {}
    house.until("one is left", || house.state.live.readers() == 1).await;
    drop(other);
    house.close().await;
}

/// A connection that is dead on one side looks like a day on which nothing happens: a reader tells them apart by what it hears.
#[actix_web::test]
async fn where_nothing_happens_the_stream_says_so_and_goes_on() {
    let live = LiveSettings { quiet: Duration::from_millis(1), ..LiveSettings::default() };
    let house = House::with(Plan { live, ..Plan::default() }).await;
    let mut stream = Stream::open(events(&house)).await;
    let before = stream.id.clone();
    assert_eq!(stream.until("ping", |_| true).await, json!({}));
    assert_eq!(stream.id, before, "it moves no position");
    house.alert(entry("s1")).await;
    stream.until("orders", |data| has(data, |row| row["strategy"] == "s1")).await;
    stream.until("ping", |_| true).await;
    house.close().await;
}

#[actix_web::test]
async fn who_does_not_read_is_dropped_and_nobody_waits_for_it() {
    let live = LiveSettings { window: Duration::from_millis(1), ..LiveSettings::default() };
    let house = House::with(Plan { live, permits: 2_000, ..Plan::default() }).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // Little fits between the two.
    socket.set_recv_buffer_size(2_048).unwrap();
    let mut sleeper = socket.connect(house.address).await.unwrap();
    let request = format!("GET /dashboard/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n");
    sleeper.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 16];
    sleeper.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK\r");
    let mut reader = Stream::open(events(&house)).await;
    assert_eq!(house.state.live.readers(), 2);
    let legs: Vec<Value> = (0..50)
        .map(|_| json!({ "tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 1, "order_type": "LIMIT", "price": "790" }))
        .collect();
    let mut number = 0;
    while house.state.live.readers() == 2 {
        assert!(number < 400, "the sleeper was not dropped");
        let basket = json!({ "execution_type": "ENTRY", "strategy_name": format!("s{number}"), "exchange": "NSE", "product_type": "I", "legs": legs });
        assert_eq!(house.alert(secret(basket)).await.status, 202, "orders go on");
        let strategy = format!("s{number}");
        reader.until("orders", |data| has(data, |row| row["strategy"] == strategy)).await;
        number += 1;
    }
    house.close().await;
}

#[actix_web::test]
async fn a_key_of_an_account_hears_of_that_account_only() {
    let one = |web: &mut ordergate::web::WebSettings| {
        let scope = ordergate::web::Scope { accounts: Some(vec![web.accounts[1].client_id.clone()]), ..Default::default() };
        web.keys.push(ordergate::web::ApiKey { scope, ..ordergate::web::ApiKey::new("bot", "the-bot".into()) });
    };
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], web: Box::new(one), ..Plan::default() }).await;
    let mut stream = Stream::open(house.request("GET", "/dashboard/events").bearer_auth("the-bot")).await;
    assert!(stream.id.starts_with("PAPER2:") && !stream.id.contains("PAPER1"), "{}", stream.id);
    for account in ["PAPER1", "PAPER2"] {
        let request = house.request("POST", &format!("/webhook/{account}")).json(&secret(resting("a")));
        assert_eq!(house.send(request).await.status, 202);
    }
    let told = stream.next().await.unwrap();
    assert_eq!((told.kind.as_str(), &told.data["client_id"]), ("orders", &json!("PAPER2")));
    house.send(house.request("GET", "/dashboard/events?client_id=PAPER1").bearer_auth("the-bot")).await.is_problem(403, "not_for_this_key");
    house.close().await;
}
