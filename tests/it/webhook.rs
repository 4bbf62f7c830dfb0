//! The webhook over real HTTP: every answer, replays, floods, and clients that go away.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ordergate::brokers::faulty::CallKind;
use ordergate_actors::order::{Status, Validity};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::{House, KEY, Plan, SECRET, entry, resting, secret};

#[actix_web::test]
async fn an_alert_becomes_an_order_that_fills() {
    let house = House::open().await;
    let request = house.request("POST", "/webhook").header("Prefer", "respond-async, wait=10").json(&secret(entry("trend")));
    let reply = house.send(request).await;
    assert_eq!(
        (reply.status, &reply.body["status"], &reply.body["replayed"]),
        (202, &json!("ACCEPTED"), &json!(false)),
        "{:#}",
        reply.body
    );
    assert_eq!(reply.headers["preference-applied"], "wait=10");
    let order = reply.order(0);
    assert_eq!((&order["status"], &order["symbol"], &order["tag"]), (&json!("EXECUTED"), &json!("SBIN-EQ"), &json!(null)));
    assert!(order["average_price"].is_string() && order["broker_order_id"].is_string(), "decimals are texts: {order}");
    assert_eq!(order["status_url"], format!("/dashboard/orders/{}", order["command_id"].as_str().unwrap()));
    house.close().await;
}

#[actix_web::test]
async fn text_plain_keys_in_any_case_and_stored_stops() {
    let house = House::open().await;
    // A price within the band of the day: one outside is rejected by the broker a moment after the answer, or before it.
    let body = format!(
        r#"{{"SECRET_KEY":"{SECRET}","Execution_Type":"entry","STRATEGY_NAME":"x","Exchange":"nse","Product_Type":"MIS","Extra":1,
            "Legs":[{{"TradingSymbol":"SBIN-EQ","DIRECTION":"buy","Qty":"5","Order_Type":"LMT","Price":790.10,"Stop_Loss":780,"target":""}}]}}"#
    );
    let reply = house.send(house.request("POST", "/webhook").header("content-type", "text/plain").body(body)).await;
    assert_eq!(reply.body["status"], "ACCEPTED", "{:#}", reply.body);
    assert_eq!(reply.order(0)["price"], "790.1");
    assert_eq!(reply.order(0)["notes"], json!(["stop_loss stands from the first fill; where it lives GET /dashboard/exit-rules says"]));
    assert_eq!(reply.body["notes"], json!(["not known and ignored: extra"]));
    house.close().await;
}

#[actix_web::test]
async fn the_readmes_story_again_replayed_then_refused_with_the_exit_to_paste() {
    let house = House::open().await;
    let mut alert = entry("trend");
    alert["idempotency_key"] = json!("one");
    let first = house.alert(alert.clone()).await;
    house.until_held("trend", 10).await;

    let again = house.alert(alert.clone()).await;
    assert_eq!((again.status, &again.body["replayed"]), (202, &json!(true)));
    assert_eq!(again.order(0)["command_id"], first.order(0)["command_id"]);
    assert_eq!(again.order(0)["status"], "EXECUTED", "the present status");
    let header = house.send(house.request("POST", "/webhook").header("Idempotency-Key", "one").json(&secret(alert.clone()))).await;
    assert_eq!(header.body["replayed"], true);

    let mut other = alert.clone();
    other["legs"][0]["qty"] = json!(11);
    house.alert(other).await.is_problem(409, "idempotency_conflict");

    alert["idempotency_key"] = json!("two");
    let refused = house.alert(alert).await;
    assert_eq!((refused.status, &refused.body["status"]), (202, &json!("BLOCKED")), "{:#}", refused.body);
    let order = refused.order(0);
    assert_eq!((&order["status"], &order["tag"]), (&json!("FAILED"), &json!("EXECUTION_GUARD_BLOCKED")));
    let mut exit: Value = order["next"].clone();
    assert_eq!(exit["execution_type"], "EXIT");
    assert_eq!(exit["secret_key"], "<your secret>");
    exit = secret(exit);
    let reply = house.send(house.request("POST", "/webhook").header("Prefer", "wait=10").json(&exit)).await;
    assert_eq!(reply.order(0)["status"], "EXECUTED", "{:#}", reply.body);
    house.until_held("trend", 0).await;
    house.close().await;
}

#[actix_web::test]
async fn an_identical_body_without_a_key_is_a_replay() {
    let house = House::open().await;
    let first = house.alert(resting("a")).await;
    let again = house.alert(resting("a")).await;
    assert_eq!(again.body["replayed"], true);
    assert_eq!(again.order(0)["command_id"], first.order(0)["command_id"]);
    assert_eq!(house.orders().len(), 1);
    assert!(house.events(Some(&house.client())).await.iter().any(|(event, _)| event == "SIGNAL_REPLAYED"));
    house.close().await;
}

/// A sender's retry stays a replay, and the exit of the next position is none, although its bytes are the same.
#[actix_web::test]
async fn the_same_exit_goes_again_when_something_was_opened_since_and_only_then() {
    let house = House::open().await;
    let exit = json!({
        "execution_type": "EXIT", "strategy_name": "trend", "exchange": "NSE", "product_type": "I",
        "legs": [{ "tradingsymbol": "SBIN-EQ", "order_type": "MARKET", "qty": 4 }],
    });
    let enter = |kind: &str, units: i64| {
        let mut alert = entry("trend");
        alert["execution_type"] = json!(kind);
        alert["legs"][0]["qty"] = json!(units);
        alert
    };
    house.alert(enter("ENTRY", 10)).await;
    house.until_held("trend", 10).await;
    house.alert(exit.clone()).await;
    house.until_held("trend", 6).await;
    house.until_ended().await;
    assert_eq!(house.alert(exit.clone()).await.body["replayed"], true, "nothing was opened since");
    // Nor by an entry that was refused.
    let refused = house.alert(enter("ENTRY", 12)).await;
    assert_eq!(refused.body["status"], "BLOCKED", "{:#}", refused.body);
    assert_eq!(house.alert(exit.clone()).await.body["replayed"], true, "nothing was opened since");
    house.until_held("trend", 6).await;

    house.alert(enter("ADJUST", 5)).await;
    house.until_held("trend", 11).await;
    house.until_ended().await;
    let meant = house.alert(exit.clone()).await;
    assert_eq!(meant.body["replayed"], false, "{:#}", meant.body);
    house.until_held("trend", 7).await;
    house.until_ended().await;
    assert_eq!(house.alert(exit.clone()).await.body["replayed"], true, "a retry of the second");
    house.until_held("trend", 7).await;

    // With a key of its own it is the same for ever.
    let mut keyed = exit;
    keyed["idempotency_key"] = json!("exit one");
    house.alert(keyed.clone()).await;
    house.until_held("trend", 3).await;
    house.until_ended().await;
    house.alert(enter("ADJUST", 6)).await;
    house.until_held("trend", 9).await;
    assert_eq!(house.alert(keyed).await.body["replayed"], true);
    house.until_held("trend", 9).await;
    house.close().await;
}

/// Who may trade in one strategy could else write the key of another's exit before it comes.
#[actix_web::test]
async fn the_keys_that_ordergate_makes_itself_are_nobodys_to_send() {
    let house = House::open().await;
    for key in ["schedule:square-off:2026-11-27", "unwind:0190:0", "derived:00", "once:00", "telegram-7"] {
        let mut alert = resting("a");
        alert["idempotency_key"] = json!(key);
        house.alert(alert).await.is_problem(400, "bad_idempotency_key");
        let header = house.request("POST", "/webhook").header("Idempotency-Key", key).json(&secret(resting("a")));
        house.send(header).await.is_problem(400, "bad_idempotency_key");
        let exit = house.post("/dashboard/positions/exit-all", json!({ "idempotency_key": key })).await;
        exit.is_problem(400, "bad_idempotency_key");
        assert!(exit.body["detail"].as_str().unwrap().contains("ordergate keeps for its own"), "{:#}", exit.body);
    }
    assert!(house.orders().is_empty());
    house.close().await;
}

#[actix_web::test]
async fn with_the_window_off_the_guard_judges_the_second() {
    let off = |web: &mut ordergate::web::WebSettings| web.sources[0].replay_window_ms = 0;
    let house = House::with(Plan { web: Box::new(off), ..Plan::default() }).await;
    house.alert(resting("a")).await;
    let again = house.alert(resting("a")).await;
    assert_eq!((&again.body["replayed"], &again.order(0)["tag"]), (&json!(false), &json!("DUPLICATE_ORDER_BLOCKED")), "{:#}", again.body);
    house.close().await;
}

#[actix_web::test]
async fn fifty_identical_alerts_at_once_are_one_order() {
    let house = House::open().await;
    let replies = futures_util::future::join_all((0..50).map(|_| house.alert(resting("flood")))).await;
    assert!(replies.iter().all(|reply| reply.status == 202));
    let fresh = replies.iter().filter(|reply| reply.body["replayed"] == json!(false)).count();
    assert_eq!((fresh, house.orders().len()), (1, 1));
    let first = &replies[0].order(0)["command_id"];
    assert!(replies.iter().all(|reply| reply.order(0)["command_id"] == *first));
    house.close().await;
}

#[actix_web::test]
async fn an_invalid_order_leaves_a_row_and_a_mixed_basket_is_partial() {
    let house = House::open().await;
    for (field, value, word) in [
        ("qty", json!(0), "qty"),
        ("qty", json!(-1), "qty"),
        ("qty", json!({}), "qty"),
        ("qty", json!("NaN"), "qty"),
        ("qty", json!("{{strategy.contracts}}"), "placeholder"),
        ("tradingsymbol", json!("NO-SUCH"), "tradingsymbol"),
        ("tradingsymbol", json!("a\u{0}\u{202e}\u{1f980}"), "tradingsymbol"),
        ("direction", json!(["BUY"]), "direction"),
    ] {
        let mut alert = entry("bad");
        alert["legs"][0][field] = value.clone();
        let reply = house.alert(alert).await;
        assert_eq!((reply.status, &reply.body["status"]), (202, &json!("BLOCKED")), "{field} {value}");
        assert_eq!(reply.order(0)["tag"], "VALIDATION_FAILED");
        assert!(reply.order(0)["reason"].as_str().unwrap().contains(word), "{:#}", reply.body);
    }
    let mut exponent = secret(entry("bad")).to_string();
    exponent = exponent.replace("\"qty\":10", "\"qty\":1e1");
    let reply = house.send(house.request("POST", "/webhook").header("content-type", "application/json").body(exponent)).await;
    assert!(reply.order(0)["reason"].as_str().unwrap().contains("1e1"), "{:#}", reply.body);

    let mut basket = resting("mixed");
    basket["legs"] = json!([
        { "tradingsymbol": "INFY-EQ", "execution_type": "EXIT", "order_type": "MARKET" },
        { "tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 10, "order_type": "LIMIT", "price": "790.00" },
    ]);
    let mixed = house.alert(basket).await;
    assert_eq!(mixed.body["status"], "PARTIALLY_ACCEPTED", "{:#}", mixed.body);
    assert_eq!((&mixed.order(0)["leg"], &mixed.order(0)["tag"]), (&json!(0), &json!("NO_POSITION")));
    assert_eq!(mixed.order(1)["leg"], 1);
    house.close().await;
}

#[actix_web::test]
async fn signals_that_leave_no_order_leave_one_journal_row_each() {
    let house = House::open().await;
    let path = format!("/webhook/PAPER1/{SECRET}");
    let send = |body: String, kind: &'static str| house.send(house.request("POST", &path).header("content-type", kind).body(body));
    let json_type = "application/json";
    send("{\"price\": {{close}}}".into(), json_type).await.is_problem(400, "not_json");
    send("\u{feff}{}".into(), json_type).await.is_problem(400, "not_json");
    send("[1,2]".into(), json_type).await.is_problem(400, "unknown_shape");
    send("{\"legs\":[]}".into(), json_type).await.is_problem(400, "unknown_shape");
    send("{\"legs\":[{\"qty\":1,\"QTY\":2}]}".into(), json_type).await.is_problem(400, "duplicate_key");
    send(format!("{{\"legs\":[{}{}]}}", "[".repeat(40), "]".repeat(40)), json_type).await.is_problem(400, "json_too_complex");
    send(format!("{{\"legs\":[{}]}}", vec!["{}"; 10_000].join(",")), json_type).await.is_problem(400, "too_many_legs");
    send(resting("x").to_string(), "application/xml").await.is_problem(415, "unsupported_media_type");
    send("x".repeat(2 * 1024 * 1024), "text/plain").await.is_problem(413, "body_too_large");
    let mut keyed = resting("x");
    keyed["idempotency_key"] = json!("one");
    let two_keys = house.request("POST", &path).header("Idempotency-Key", "two").json(&keyed);
    house.send(two_keys).await.is_problem(400, "bad_idempotency_key");
    let bad_key = house.request("POST", &path).header("Idempotency-Key", "k".repeat(200)).json(&resting("x"));
    house.send(bad_key).await.is_problem(400, "bad_idempotency_key");
    let heavy = house.request("POST", &path).header("X-Much", "y".repeat(20_000)).json(&resting("x"));
    house.send(heavy).await.is_problem(431, "headers_too_large");

    assert!(house.orders().is_empty());
    let mut rows = house.events(Some(&house.client())).await;
    rows.extend(house.events(None).await);
    assert_eq!(rows.iter().filter(|(event, _)| event == "SIGNAL_REFUSED").count(), 11);
    house.close().await;
}

#[actix_web::test]
async fn overload_is_429_and_503_for_those_who_resend_only_then() {
    let mut basket = resting("a");
    basket["legs"] = json!([
        { "tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 1, "order_type": "LIMIT", "price": "790.00" },
        { "tradingsymbol": "INFY-EQ", "direction": "BUY", "qty": 1, "order_type": "LIMIT", "price": "790.00" },
    ]);
    for (only_5xx, status) in [(false, 429), (true, 503)] {
        let set = move |web: &mut ordergate::web::WebSettings| web.sources[0].resends_on_5xx_only = only_5xx;
        let house = House::with(Plan { permits: 2, web: Box::new(set), ..Plan::default() }).await;
        let reply = house.alert(basket.clone()).await;
        reply.is_problem(status, "overloaded");
        assert_eq!(reply.headers["retry-after"], "1");
        assert!(house.orders().is_empty());
        house.close().await;
    }
}

#[actix_web::test]
async fn while_the_journal_is_closed_nothing_is_taken() {
    let house = House::open().await;
    house.state.journal_open.store(false, Ordering::Release);
    let reply = house.alert(entry("a")).await;
    reply.is_problem(503, "journal_closed");
    assert!(reply.headers.contains_key("retry-after") && house.orders().is_empty());
    house.close().await;
}

#[actix_web::test]
async fn a_lost_answer_is_read_from_the_record() {
    let short = |web: &mut ordergate::web::WebSettings| web.lookup_deadline = Duration::from_secs(3);
    let house = House::with(Plan { web: Box::new(short), ..Plan::default() }).await;
    house.clock.fail_in("IngressActor");
    let lost = house.alert(resting("lost")).await;
    lost.is_problem(503, "answer_lost");
    assert!(house.orders().is_empty(), "nothing was written, and the answer says so");
    house.clock.fail_in("GuardActor");
    let found = house.alert(resting("found")).await;
    assert_eq!(found.status, 202, "{:#}", found.body);
    assert_eq!(found.body["orders"].as_array().unwrap().len(), 1);
    house.close().await;
}

#[actix_web::test]
async fn a_client_that_goes_away_changes_nothing() {
    let house = House::open().await;
    let body = secret(resting("gone")).to_string();
    let text = format!(
        "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nPrefer: wait=10\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(house.address).await.unwrap();
    stream.set_zero_linger().unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    // The body has been read once its row is there; the handler waits for the end of a resting order.
    house.until("the order is registered", || house.orders().len() == 1).await;
    drop(stream);
    house.until("the order is at the broker", || house.orders()[0].broker_order_id.is_some()).await;

    for number in 0..20 {
        let body = secret(resting(&format!("fin-{number}"))).to_string();
        let text =
            format!("POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut stream = tokio::net::TcpStream::connect(house.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        drop(stream);
    }
    house
        .until("every order is at the broker", || {
            let orders = house.orders();
            orders.len() == 21 && orders.iter().all(|order| order.status == Status::SentToBroker && order.broker_order_id.is_some())
        })
        .await;
    house.close().await;
}

#[actix_web::test]
async fn signal_time_ages_an_entry() {
    let house = House::open().await;
    for (time, tag) in [("2020-01-01T00:00:00Z", "STALE_SIGNAL"), ("2040-01-01T00:00:00Z", "STALE_SIGNAL"), ("soon", "VALIDATION_FAILED")] {
        let mut alert = entry("late");
        alert["signal_time"] = json!(time);
        let reply = house.alert(alert).await;
        assert_eq!((reply.status, &reply.order(0)["tag"]), (202, &json!(tag)), "{time}: {:#}", reply.body);
    }
    house.close().await;
}

#[actix_web::test]
async fn a_wait_for_the_broker_ends_with_its_number() {
    let house = House::open().await;
    let request = house.request("POST", "/webhook").header("Prefer", "wait=10; until=broker").json(&secret(resting("slow")));
    let reply = house.send(request).await;
    assert_eq!((reply.status, &reply.order(0)["status"]), (202, &json!("SENT_TO_BROKER")));
    assert!(reply.order(0)["broker_order_id"].is_string(), "{:#}", reply.body);
    house.close().await;
}

#[actix_web::test]
async fn a_wait_ends_with_its_time() {
    let house = House::open().await;
    let request = house.request("POST", "/webhook").header("Prefer", "wait=4").json(&secret(resting("slow")));
    let reply = house.send(request).await;
    assert_eq!((reply.status, &reply.order(0)["status"]), (202, &json!("SENT_TO_BROKER")));
    for (prefer, applied) in [("wait=99", None), ("wait=x", None)] {
        let mut alert = entry(prefer);
        alert["legs"][0]["qty"] = json!(0);
        let reply = house.send(house.request("POST", "/webhook").header("Prefer", prefer).json(&secret(alert))).await;
        let said = reply.headers.get("preference-applied").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(said.as_deref(), if prefer == "wait=99" { Some("wait=10") } else { applied });
    }
    house.close().await;
}

/// At the exchange it would be refused, or end as it arrives, and its sender would believe in a stop that is not there.
#[actix_web::test]
async fn a_stop_order_that_cannot_wait_is_refused_wherever_it_comes_from() {
    let house = House::open().await;
    let why = "IOC means nothing for a SL";
    let stop = |validity: &str| {
        let leg = json!({ "tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 10, "order_type": "SL", "price": "811", "trigger_price": "810" });
        json!({ "execution_type": "ENTRY", "strategy_name": validity, "exchange": "NSE", "product_type": "I", "validity": validity, "legs": [leg] })
    };
    let told = house.post("/dashboard/explain", stop("IOC")).await;
    let leg = &told.body["legs"][0];
    assert_eq!((&leg["fate"], &leg["tag"]), (&json!("REFUSED"), &json!("VALIDATION_FAILED")), "{leg:#}");
    let by_hand = json!({
        "strategy": "hand", "execution_type": "ENTRY", "exchange": "NSE", "symbol": "SBIN-EQ", "side": "SELL", "quantity": 10, "product": "MIS",
        "order_type": "SLM", "trigger_price": 790, "validity": "IOC",
    });
    let basket = json!({ "orders": [by_hand] });
    for reply in [
        house.alert(stop("IOC")).await,
        house.post("/dashboard/intent/generic", by_hand).await,
        house.post("/dashboard/intent/basket", basket).await,
    ] {
        assert_eq!(reply.order(0)["tag"], "VALIDATION_FAILED", "{:#}", reply.body);
        assert!(reply.order(0)["reason"].as_str().is_some_and(|reason| reason.contains(why)), "{:#}", reply.body);
    }
    assert_eq!(house.brokers[&house.client()].calls(CallKind::Place), 0);
    // Those that cannot say it rest for the day, as one that says so does.
    let openalgo = json!({
        "apikey": KEY, "strategy": "oa", "symbol": "SBIN", "action": "BUY", "exchange": "NSE", "pricetype": "SL", "product": "MIS", "quantity": "10",
        "price": "811", "trigger_price": "810",
    });
    assert_eq!(house.alert(stop("DAY")).await.body["status"], "ACCEPTED");
    assert_eq!(house.post("/api/v1/placeorder", openalgo).await.body["status"], "success");
    house.until_status(3, Status::SentToBroker).await;
    house.until_status(4, Status::SentToBroker).await;
    assert!(house.orders()[3..].iter().all(|order| order.ask.validity == Validity::Day));
    house.close().await;
}
