//! The fault menu, each fault as a client sees it.

use std::time::Duration;

use ordergate::simulator::noren_server::{Prices, Settings, TimeSettings};
use serde_json::{Value, json};

use super::client::{Answer, Bench, order, settings, with};

/// Time that stands still until the test moves it.
async fn still() -> Bench {
    let start = Some("2026-11-20T05:00:00Z".parse().unwrap());
    Bench::with(Settings { time: TimeSettings { start, speed: 0 }, ..settings() }).await
}

fn look(answer: &Result<Answer, reqwest::Error>) -> String {
    match answer {
        Err(error) => format!("no answer: {}", if error.is_timeout() { "time-out" } else { "closed" }),
        Ok(answer) => format!("{} {}", answer.status, answer.text),
    }
}

#[actix_web::test]
async fn an_accepted_and_a_refused_order_look_alike() {
    let bench = Bench::open().await;
    for (n, then) in ["drop", "502", "504", "empty", "truncated", "ok_without_number", "server_timeout"].into_iter().enumerate() {
        let mut looks = Vec::new();
        for what in ["accept", "refuse"] {
            let tag = format!("{what}-{n}");
            bench.fault(json!({"route":"PlaceOrder","fault":format!("{what}_then_{then}")}));
            let answer = bench.try_call("PlaceOrder", order(&tag)).await;
            assert_eq!(bench.sim.accepted(&tag), u64::from(what == "accept"), "{then}");
            let there = bench.sim.orders().iter().filter(|order| order["tag"] == tag.as_str()).count();
            assert_eq!(there, usize::from(what == "accept"), "{then}");
            let log = bench.sim.log();
            let row = log.iter().rfind(|row| row.tag.as_deref() == Some(&tag)).unwrap();
            assert_eq!(row.done.starts_with("accepted"), what == "accept", "{row:?}");
            let look = look(&answer);
            match then {
                "drop" => assert_eq!(look, "no answer: closed"),
                "502" | "504" => assert!(look.starts_with(then) && look.contains("<html>"), "{look}"),
                "empty" => assert_eq!(look, "200 "),
                "truncated" => assert!(look.starts_with("200 {") && answer.unwrap().body.is_null()),
                "ok_without_number" => {
                    let body = answer.unwrap().body;
                    assert_eq!((&body["stat"], body.get("norenordno")), (&json!("Ok"), None));
                }
                _ => assert_eq!(answer.unwrap().emsg(), "Server Timeout :  "),
            }
            looks.push(look.split_whitespace().next().unwrap().to_owned());
        }
        assert_eq!(looks[0], looks[1], "{then}");
    }
}

#[actix_web::test]
async fn a_time_out_hangs_until_the_client_gives_up() {
    let bench = Bench::open().await;
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(6)).build().unwrap();
    for what in ["accept", "refuse"] {
        bench.fault(json!({"route":"PlaceOrder","fault":format!("{what}_then_timeout")}));
        let fields = with(order(what), &[("uid", "FA00001"), ("actid", "FA00001")]);
        let body = format!("jData={fields}&jKey={}", bench.token);
        let sent = client.post(format!("{}/NorenWClientTP/PlaceOrder", bench.sim.url())).body(body).send().await;
        assert!(sent.unwrap_err().is_timeout());
    }
    assert_eq!((bench.sim.accepted("accept"), bench.sim.accepted("refuse")), (1, 0));
    let number = bench.sim.orders()[0]["norenordno"].as_str().unwrap().to_owned();
    bench.until(&number, "OPEN").await;
}

#[actix_web::test]
async fn a_cancel_and_a_change_behind_a_bad_answer() {
    let bench = Bench::open().await;
    let number = bench.place("T").await.number();
    bench.until(&number, "OPEN").await;
    let change = json!({"norenordno":number,"exch":"NSE","tsym":"SBIN-EQ","qty":"10","prctyp":"LMT","prc":"841.00","ret":"DAY"});
    bench.fault(json!({"route":"ModifyOrder","fault":"refuse_then_empty"}));
    bench.fault(json!({"route":"CancelOrder","fault":"refuse_then_502"}));
    assert_eq!(bench.call("ModifyOrder", change.clone()).await.text, "");
    assert_eq!(bench.call("CancelOrder", json!({"norenordno":number})).await.status, 502);
    let untouched = bench.sim.orders().pop().unwrap();
    assert_eq!(untouched["reports"], json!(["NewAck", "PendingNew", "New"]));
    bench.fault(json!({"route":"ModifyOrder","fault":"accept_then_empty"}));
    bench.fault(json!({"route":"CancelOrder","fault":"accept_then_502"}));
    assert_eq!(bench.call("ModifyOrder", change).await.text, "");
    bench.until_row(&number, "the price is changed", |row| row["prc"] == "841.00").await;
    assert_eq!(bench.call("CancelOrder", json!({"norenordno":number})).await.status, 502);
    bench.until(&number, "CANCELED").await;
}

#[actix_web::test]
async fn faults_meet_the_nth_call_and_the_tag_they_name() {
    let bench = Bench::open().await;
    bench.fault(json!({"route":"Limits","nth":2,"count":2,"fault":"refuse_then_502"}));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(bench.call("Limits", json!({})).await.status);
    }
    assert_eq!(seen, [200, 502, 502, 200]);
    bench.fault(json!({"route":"PlaceOrder","tag":"B","fault":"reject","text":"Rejected : ORA:AMO is stopped"}));
    assert_eq!(bench.place("A").await.body["stat"], "Ok");
    assert_eq!(bench.place("B").await.emsg(), "Rejected : ORA:AMO is stopped");
    let added = bench.post_json("sim/faults", json!([{"route":"*","count":0,"fault":"rate_minute"}])).await;
    assert_eq!(added.body["done"], 1);
    let breach = bench.call("Limits", json!({})).await;
    assert!(breach.status == 400 && breach.emsg().contains("in a current minute exceeds Limit"), "{}", breach.text);
    assert_eq!(bench.post_json("sim/faults", json!({"route":"Nowhere","fault":"drop"})).await.status, 400);
    bench.sim.clear_faults();
    bench.fault(json!({"route":"Limits","fault":"rate_second"}));
    assert!(bench.call("Limits", json!({})).await.emsg().contains("in a current second exceeds Limit"));
    assert_eq!(bench.call("Limits", json!({})).await.body["stat"], "Ok");
}

#[actix_web::test]
async fn an_order_can_be_hidden_held_or_lost() {
    let bench = still().await;
    let step = || bench.sim.advance_time(chrono::TimeDelta::milliseconds(100));
    let is_known = async |number: &str| {
        let history = bench.history(number).await;
        assert_eq!(bench.row(number).await.is_some(), history.body.is_array());
        history.body.is_array()
    };
    bench.fault(json!({"route":"PlaceOrder","fault":"invisible","ms":20000}));
    let hidden = bench.call("PlaceOrder", with(order("H"), &[("prc", "851")])).await.number();
    step();
    assert!(!is_known(&hidden).await);
    assert_eq!(bench.call("OrderBook", json!({})).await.emsg(), "Error Occurred : 5 \"no data\"");
    assert_eq!(bench.call("TradeBook", json!({})).await.emsg(), "Error Occurred : 5 \"no data\"");
    assert_eq!(bench.sim.net("NSE", "SBIN-EQ"), 10, "it filled all the same");
    assert_eq!(bench.call("PositionBook", json!({})).await.rows()[0]["netqty"], "10");
    bench.sim.advance_time(chrono::TimeDelta::seconds(20));
    assert!(is_known(&hidden).await);

    bench.fault(json!({"route":"PlaceOrder","fault":"stuck","ms":5000}));
    let stuck = bench.place("K").await.number();
    step();
    assert!(!is_known(&stuck).await);
    assert_eq!(bench.sim.orders().last().unwrap()["at_exchange"], false);
    bench.sim.advance_time(chrono::TimeDelta::seconds(6));
    assert_eq!(bench.row(&stuck).await.unwrap()["status"], "OPEN");

    bench.fault(json!({"route":"PlaceOrder","fault":"silently_dropped"}));
    let lost = bench.place("L").await.number();
    bench.sim.advance_time(chrono::TimeDelta::hours(1));
    assert!(!is_known(&lost).await);
    assert_eq!(bench.call("CancelOrder", json!({"norenordno":lost})).await.emsg(), "Rejected : ORA:Order not found to Cancel");
}

#[actix_web::test]
async fn books_lie_lag_and_spell_otherwise() {
    let bench = still().await;
    let number = bench.call("PlaceOrder", with(order("T"), &[("prc", "851")])).await.number();
    bench.sim.advance_time(chrono::TimeDelta::seconds(10));
    bench.fault(json!({"route":"OrderBook","fault":"lying_empty"}));
    assert_eq!(bench.call("OrderBook", json!({})).await.emsg(), "Error Occurred : 5 \"no data\"");
    assert_eq!(bench.row(&number).await.unwrap()["status"], "COMPLETE");

    let later = bench.place("U").await.number();
    bench.sim.advance_time(chrono::TimeDelta::seconds(1));
    bench.fault(json!({"route":"OrderBook","fault":"stale","ms":5000}));
    let stale = bench.call("OrderBook", json!({})).await;
    assert_eq!(stale.rows().len(), 1, "{}", stale.text);
    bench.fault(json!({"route":"PositionBook","fault":"stale","ms":60000}));
    assert_eq!(bench.call("PositionBook", json!({})).await.emsg(), "Error Occurred : 5 \"no data\"");

    bench.call("CancelOrder", json!({"norenordno":later})).await;
    bench.sim.advance_time(chrono::TimeDelta::seconds(1));
    bench.fault(json!({"route":"OrderBook","fault":"spelling"}));
    let spelt: Vec<Value> = bench.call("OrderBook", json!({})).await.rows().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(spelt, [json!("CANCELLED"), json!("Complete")]);

    bench.fault(json!({"route":"TradeBook","fault":"duplicate_trades"}));
    let twice = bench.call("TradeBook", json!({})).await;
    assert_eq!((twice.rows().len(), &twice.rows()[0]), (2, &twice.rows()[1]));
    bench.fault(json!({"route":"TradeBook","fault":"missing_flid"}));
    assert!(bench.call("TradeBook", json!({})).await.rows()[0].get("flid").is_none());
    bench.fault(json!({"route":"Limits","fault":"clock_skew","ms":90000}));
    assert_eq!(bench.call("Limits", json!({})).await.body["request_time"], "10:31:42 20-11-2026");
}

#[actix_web::test]
async fn sessions_die_in_the_middle() {
    let mut bench = Bench::open().await;
    for (status, kill) in [(200, false), (403, false), (401, true)] {
        bench.fault(json!({"route":"PlaceOrder","fault":"session_expired","status":status,"kill":kill}));
        let answer = bench.place("S").await;
        assert_eq!((answer.status, answer.emsg()), (status, "Session Expired :  Invalid Session Key"));
        assert_eq!(bench.call("Limits", json!({})).await.status, if kill { 401 } else { 200 });
    }
    assert_eq!(bench.sim.accepted("S"), 0);
    bench.log_in().await;
    let mut socket = bench.listening().await;
    bench.fault(json!({"route":"OrderBook","fault":"second_login"}));
    assert_eq!(bench.call("OrderBook", json!({})).await.emsg(), "Session Expired :  Invalid Session Key");
    assert_eq!(socket.next().await, Err(1000));
    assert_eq!(bench.call("Limits", json!({})).await.status, 401);
    bench.log_in().await;
    bench.fault(json!({"route":"PlaceOrder","fault":"wrong_ip"}));
    assert_eq!(bench.place("I").await.emsg(), "Rejected : ALGO_CHK: Invalid IP");
}

#[actix_web::test]
async fn a_change_or_cancel_is_taken_and_then_refused() {
    let bench = Bench::open().await;
    let mut socket = bench.listening().await;
    let number = bench.place("T").await.number();
    bench.until(&number, "OPEN").await;
    let change = json!({"norenordno":number,"exch":"NSE","tsym":"SBIN-EQ","qty":"10","prctyp":"LMT","prc":"841.00","ret":"DAY"});
    bench.fault(json!({"route":"ModifyOrder","fault":"replace_rejected"}));
    assert_eq!(bench.call("ModifyOrder", change.clone()).await.body["stat"], "Ok");
    let last = socket.reports(&number, "ReplaceRejected").await.pop().unwrap();
    assert_eq!((&last["status"], &last["prc"]), (&json!("OPEN"), &json!("840.00")));
    bench.fault(json!({"route":"CancelOrder","fault":"cancel_rejected"}));
    assert_eq!(bench.call("CancelOrder", json!({"norenordno":number})).await.body["stat"], "Ok");
    assert_eq!(socket.reports(&number, "CancelRejected").await.pop().unwrap()["status"], "OPEN");

    for (route, fields, reason) in [
        ("CancelOrder", json!({"norenordno":number}), "SAF:order is not open to cancel"),
        ("ModifyOrder", change, "SAF:order is not open to modify"),
    ] {
        bench.fault(json!({"route":route,"fault":"saf_rejected"}));
        assert_eq!(bench.call(route, fields).await.body["stat"], "Ok");
        let shaped = socket.reports(&number, "Rejected").await.pop().unwrap();
        assert_eq!((&shaped["status"], &shaped["rejreason"]), (&json!("REJECTED"), &json!(reason)));
        assert_eq!(bench.row(&number).await.unwrap()["status"], "OPEN", "the order lives");
    }
}

#[actix_web::test]
async fn remarks_are_cut_or_gone_and_foreign_orders_come() {
    let bench = Bench::open().await;
    bench.fault(json!({"route":"PlaceOrder","fault":"remarks_truncated","length":6}));
    let cut = bench.place("ABCDEFGHIJ").await.number();
    assert_eq!(bench.until(&cut, "OPEN").await["remarks"], "ABCDEF");
    bench.fault(json!({"route":"PlaceOrder","fault":"remarks_missing"}));
    let gone = bench.place("ABCDEFGHIJ").await.number();
    assert!(bench.until(&gone, "OPEN").await.get("remarks").is_none());
    assert_eq!(bench.sim.accepted("ABCDEFGHIJ"), 2, "behind the scenes it is known whose they are");
    bench.fault(json!({"route":"PlaceOrder","fault":"foreign_twin"}));
    let before = bench.sim.orders().len();
    bench.place("W").await;
    let orders = bench.sim.orders();
    assert_eq!((orders.len() - before, &orders[orders.len() - 1]["ordersource"]), (2, &json!("WEB")));
    bench.fault(json!({"route":"PlaceOrder","fault":"unsolicited_cancel","ms":5}));
    let struck = bench.place("X").await.number();
    assert_eq!(bench.until(&struck, "CANCELED").await["rejreason"], "cancelled by the exchange");
    let bought = bench.call("PlaceOrder", with(order("Y"), &[("prc", "851")])).await.number();
    bench.until(&bought, "COMPLETE").await;
    bench.fault(json!({"route":"OrderBook","fault":"square_off"}));
    bench.call("OrderBook", json!({})).await;
    let squared = bench.sim.orders().last().unwrap().clone();
    assert_eq!((&squared["ordersource"], &squared["trantype"]), (&json!("RMS"), &json!("S")));
}

#[actix_web::test]
async fn quotes_of_the_wrong_thing() {
    let bench = Bench::with(Settings { prices: Prices::Synthetic, ..settings() }).await;
    let found = bench.call("SearchScrip", json!({"stext":"NIFTY","exch":"NFO"})).await;
    let option = found.body["values"].as_array().unwrap().iter().find(|row| row["instname"] == "OPTIDX").unwrap().clone();
    let ask = json!({"exch":"NFO","token":option["token"]});
    bench.fault(json!({"route":"GetQuotes","fault":"underlying_price"}));
    let odd = bench.call("GetQuotes", ask.clone()).await.body;
    assert!(odd["lp"].as_str().unwrap().parse::<f64>().unwrap() > 20_000.0 && odd["bp1"] == "0.00", "{odd}");
    bench.fault(json!({"route":"GetQuotes","fault":"zero_book"}));
    let empty = bench.call("GetQuotes", ask.clone()).await.body;
    assert_eq!((&empty["bp1"], &empty["sq1"]), (&json!("0.00"), &json!("0")));
    assert_ne!(bench.call("GetQuotes", ask).await.body["bp1"], "0.00");

    // The feed lies as well, from its first frame on, and comes back to the truth with the next change.
    let key = format!("NFO|{}", option["token"].as_str().unwrap());
    let mut socket = bench.listening().await;
    bench.fault(json!({"route":"feed","fault":"underlying_price"}));
    socket.send(json!({"t":"d","k":key})).await;
    let odd = socket.find(|frame| frame["t"] == "dk").await;
    assert!(odd["lp"].as_str().unwrap().parse::<f64>().unwrap() > 20_000.0 && odd["bp1"] == "0.00" && odd["sq5"] == "0", "{odd}");
    bench.price("NFO", option["tsym"].as_str().unwrap(), "101.00", "101.50");
    let part = socket.find(|frame| frame["t"] == "df" && frame["bp1"] == "101.00").await;
    assert_eq!((&part["sp1"], part["lp"].as_str().is_some_and(|last| last.len() < 8)), (&json!("101.50"), true), "{part}");
    bench.fault(json!({"route":"feed","fault":"zero_book"}));
    bench.price("NFO", option["tsym"].as_str().unwrap(), "101.00", "101.45");
    let part = socket.find(|frame| frame["t"] == "df" && frame["bp1"] == "0.00").await;
    assert_eq!((&part["sp1"], &part["sq1"]), (&json!("0.00"), &json!("0")), "{part}");
}

#[actix_web::test]
async fn slow_answers_late_calls_and_messages_that_lead() {
    let bench = Bench::open().await;
    let mut socket = bench.listening().await;
    bench.fault(json!({"route":"PlaceOrder","fault":"stream_first","ms":20000}));
    // The answer is twenty seconds away; the messages are not. They are looked at first: whoever was held up for longer has both.
    let sent = bench.try_call("PlaceOrder", order("T"));
    let heard = socket.find(|frame| frame["reporttype"] == "New");
    let first = futures_util::future::select(Box::pin(heard), Box::pin(sent)).await;
    match first {
        futures_util::future::Either::Left((frame, sent)) => {
            assert_eq!(frame["remarks"], "T");
            bench.sim.clock().set_speed(50_000);
            assert_eq!(sent.await.unwrap().number(), frame["norenordno"].as_str().unwrap());
        }
        futures_util::future::Either::Right(_) => panic!("the answer came first"),
    }
    for fault in ["slow", "late"] {
        bench.fault(json!({"route":"PlaceOrder","fault":fault,"ms":10000}));
        let before = bench.sim.now();
        assert_eq!(bench.place(fault).await.body["stat"], "Ok");
        assert!((bench.sim.now() - before).num_seconds() >= 10, "{fault}");
    }
}

#[actix_web::test]
async fn messages_come_twice_swapped_or_never() {
    let bench = Bench::open().await;
    let mut socket = bench.listening().await;
    let kinds = |frames: &[Value]| frames.iter().map(|frame| frame["reporttype"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    bench.fault(json!({"route":"PlaceOrder","fault":"stream_duplicate"}));
    let twice = bench.place("D").await.number();
    assert_eq!(kinds(&socket.reports(&twice, "New").await), ["NewAck", "NewAck", "PendingNew", "PendingNew", "New"]);
    bench.fault(json!({"route":"PlaceOrder","fault":"stream_reorder"}));
    let swapped = bench.call("PlaceOrder", with(order("S"), &[("prc", "851")])).await.number();
    assert_eq!(kinds(&socket.reports(&swapped, "New").await), ["PendingNew", "NewAck", "Fill", "New"]);
    bench.fault(json!({"route":"PlaceOrder","fault":"stream_lost"}));
    let lost = bench.place("L").await.number();
    bench.until(&lost, "OPEN").await;
    let next = bench.place("N").await.number();
    let frame = socket.find(|frame| frame["norenordno"] == lost.as_str() || frame["norenordno"] == next.as_str()).await;
    assert_eq!(frame["norenordno"], next);
    bench.fault(json!({"route":"om","fault":"spelling","count":0}));
    let spelt = bench.place("P").await.number();
    assert_eq!(socket.reports(&spelt, "New").await.pop().unwrap()["status"], "Open");
}
