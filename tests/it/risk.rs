//! Limits as a person sees and moves them, and the square-off without the engine as the program itself.

use std::process::Output;

use ordergate::simulator::noren_server::{ForeignOrder, PriceSetting, Settings, Simulator};
use ordergate::store::{DirectoryLock, Holder};
use ordergate_actors::order::Amount;
use ordergate_actors::ports::{Clock, Funds};
use serde_json::{Value, json};

use crate::support::described::Met;
use crate::support::process::{by_its_settings, words};
use crate::support::{House, Plan, entry};

fn limit<'a>(look: &'a Value, name: &str) -> &'a Value {
    look["accounts"][0]["limits"].as_array().unwrap().iter().find(|row| row["limit"] == name).unwrap()
}

#[actix_web::test]
async fn every_limit_is_shown_and_an_override_is_named_journaled_and_ends() {
    let house = House::with(Plan::default()).await;
    house
        .until("the day has begun", || {
            house.engine.read(&house.client(), |book| book.kept_of(ordergate_actors::persistence::Topic::RiskDay).count()) == Some(1)
        })
        .await;
    let look = house.get("/dashboard/risk").await.body;
    assert_eq!(limit(&look, "max_quantity")["in_force"], "100000", "{look:#}");
    assert_eq!(look["accounts"][0]["day"]["is_over"], false);
    assert!(look["accounts"][0]["events"].as_array().unwrap().iter().any(|event| event["event"] == "RISK_DAY_BEGAN"), "{look:#}");

    let set = |body: Value| house.post("/dashboard/risk/override", body);
    set(json!({ "limit": "max_speed", "value": "1", "minutes": 5, "reason": "x" })).await.is_problem(400, "no_such_limit");
    set(json!({ "limit": "max_quantity", "value": "0", "minutes": 5, "reason": "x" })).await.is_problem(400, "bad_value");
    set(json!({ "limit": "max_quantity", "value": "1.5", "minutes": 5, "reason": "x" })).await.is_problem(400, "bad_value");
    set(json!({ "limit": "max_quantity", "value": "5", "reason": "x" })).await.is_problem(400, "bad_time");
    set(json!({ "limit": "max_quantity", "value": "5", "minutes": 1441, "reason": "x" })).await.is_problem(400, "bad_time");
    let done = set(json!({ "limit": "max_quantity", "value": "5", "minutes": 30, "reason": "a quiet day" })).await;
    assert_eq!((done.status, &done.body["applied"]), (200, &json!(true)), "{:#}", done.body);

    let look = house.get("/dashboard/risk").await.body;
    let row = limit(&look, "max_quantity");
    assert_eq!((&row["in_force"], &row["in_settings"]), (&json!("5"), &json!("100000")));
    assert_eq!(look["accounts"][0]["overrides"][0]["reason"], "a quiet day");
    let order = json!({ "strategy": "s", "symbol": "SBIN-EQ", "exchange": "NSE", "side": "BUY", "quantity": "6", "product": "MIS",
        "order_type": "LIMIT", "price": "1", "execution_type": "ENTRY" });
    let refused = house.post("/dashboard/intent/generic", order).await;
    assert!(refused.order(0)["reason"].as_str().unwrap().contains("risk.max_quantity: 6 (limit: 5)"), "{:#}", refused.body);
    assert_eq!(set(json!({ "limit": "max_quantity", "end": true, "reason": "done" })).await.body["applied"], true);
    assert_eq!(limit(&house.get("/dashboard/risk").await.body, "max_quantity")["in_force"], "100000");
    house.post("/dashboard/risk/rearm", json!({ "strategy": "s", "reason": "x" })).await.is_problem(409, "not_halted");
}

/// The margin fell short, and positions were squared off for it: the day goes on when the money is there and a person says so.
#[actix_web::test]
async fn a_person_lets_the_day_go_on_after_a_shortfall_of_margin() {
    let house = House::open().await;
    falls_short(&house).await;
    house.close().await;
}

/// The broker counts a pledge twice: its figures stay below zero all day, and a named person says that they are wrong.
#[actix_web::test]
async fn a_person_lets_the_day_go_on_when_the_figures_of_the_margin_are_wrong() {
    let house = House::open().await;
    figures_are_wrong(&house).await;
    house.close().await;
}

async fn figures_are_wrong(house: &House) {
    let shows = |available: i64| {
        let rupees = |rupees: i64| Amount(rupees.into());
        let funds = Funds { cash: rupees(1_000_000), margin_used: rupees(1_000_001), available: rupees(available) };
        house.brokers[&house.client()].show_funds(funds);
    };
    let findings = || house.engine.line().desks().next().unwrap().findings.read().clone();
    shows(500_000);
    house.until("the funds are read", || findings().was_covered).await;
    house.alert(entry("pledged")).await;
    house.until_held("pledged", 10).await;
    shows(-3_000);
    let halted = || house.engine.read(&house.client(), |book| book.control().day.is_some()) == Some(true);
    house.until("the day is halted", halted).await;
    house.until("it is squared off", || house.engine.read(&house.client(), |book| book.held_keys().next().is_none()) == Some(true)).await;
    let body = json!({ "client_id": "PAPER1", "margin": true, "although_short": true, "reason": "a pledge is counted twice" });
    let done = house.post("/dashboard/risk/rearm", body).await;
    assert_eq!((done.status, &done.body["applied"]), (200, &json!(true)), "{:#}", done.body);
    house.until("the halt has ended", || !halted()).await;
    house.alert(entry("later")).await;
    house.until_held("later", 10).await;
    let day = house.get("/dashboard/risk").await.body["accounts"][0]["day"].clone();
    assert_eq!((&day["is_over"], &day["shortfall"]["squares_off"]), (&json!(false), &json!(false)), "{day:#}");
    assert_eq!(day["margin_disbelieved"]["reason"], "a pledge is counted twice", "{day:#}");
    let events = house.get("/dashboard/risk").await.body["accounts"][0]["events"].clone();
    let told = events.as_array().unwrap().iter().rfind(|event| event["event"] == "RISK_MARGIN_REARMED").unwrap().clone();
    assert!(told["reason"].as_str().unwrap().contains("says that the broker's figures of the margin are wrong"), "{told:#}");
}

/// A house whose margin falls short for a while, and what it answered.
pub(crate) async fn short_of_margin() -> Met {
    let house = House::open().await.described();
    falls_short(&house).await;
    figures_are_wrong(&house).await;
    let met = house.met();
    house.close().await;
    met
}

async fn falls_short(house: &House) {
    let rupees = |rupees: i64| Amount(rupees.into());
    let shows = |available| {
        let funds = Funds { cash: rupees(1_000_000), margin_used: rupees(1_000_001), available: rupees(available) };
        house.brokers[&house.client()].show_funds(funds);
    };
    let findings = || house.engine.line().desks().next().unwrap().findings.read().clone();
    shows(500_000);
    house.until("the funds are read", || findings().was_covered).await;
    house.alert(entry("trend")).await;
    house.until_held("trend", 10).await;
    let rearm = |body: Value| house.post("/dashboard/risk/rearm", body);
    rearm(json!({ "margin": true, "reason": "x" })).await.is_problem(409, "not_halted");
    shows(-1);
    house.until("it is squared off", || house.engine.read(&house.client(), |book| book.held_keys().next().is_none()) == Some(true)).await;
    let account = async || house.get("/dashboard/risk").await.body["accounts"][0].clone();
    let stands = account().await;
    assert_eq!((&stands["day"]["is_over"], &stands["day"]["shortfall"]["squares_off"]), (&json!(true), &json!(true)), "{stands:#}");
    rearm(json!({ "margin": true, "reason": "x" })).await.is_problem(409, "margin_short");
    rearm(json!({ "margin": true, "strategy": "trend", "reason": "x" })).await.is_problem(400, "bad_request");
    rearm(json!({ "strategy": "trend", "although_short": true, "reason": "x" })).await.is_problem(400, "bad_request");
    rearm(json!({ "reason": "x" })).await.is_problem(400, "bad_request");
    shows(500_000);
    let today = ordergate_actors::order::trading_date(house.clock.now());
    house.until("there is enough again", || findings().covers(today)).await;
    let done = rearm(json!({ "margin": true, "reason": "paid in" })).await;
    assert_eq!((done.status, &done.body["applied"]), (200, &json!(true)), "{:#}", done.body);
    house.until("the halt has ended", || house.engine.read(&house.client(), |book| book.control().day.is_none()) == Some(true)).await;
    let after = account().await;
    assert_eq!((&after["day"]["is_over"], &after["day"]["shortfall"]["lifted"]["reason"]), (&json!(false), &json!("paid in")), "{after:#}");
}

/// A simulated broker, and a directory with an account there.
struct Bench {
    simulator: Simulator,
    here: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let simulator = Simulator::start(Settings { per_second: 0, per_minute: 0, ..Settings::default() }).unwrap();
        let here = tempfile::tempdir().unwrap();
        let config = format!(
            r#"
[[accounts]]
name = "SIM"
broker = "noren"
[accounts.noren]
uid = "FA00001"
auth = "quickauth"
host = "{}"
rest_prefix = "/NorenWClientTP/"
simulator = true
login_at = "00:00"
socket_url = "{}/NorenWSTP/"
password = "sim-password"
api_key = "sim-key"
totp_secret = "JBSWY3DPEHPK3PXP"
visibility_bound_ms = 4000
"#,
            simulator.url(),
            simulator.socket_url(),
        );
        std::fs::write(here.path().join("mine.toml"), config).unwrap();
        Self { simulator, here }
    }

    /// With the masters of this address, and none of them stored.
    fn with_masters_at(url: &str) -> Self {
        let bench = Self::new();
        let path = bench.here.path().join("mine.toml");
        let url = if url.is_empty() { bench.simulator.url() } else { url.to_owned() };
        let masters = format!("[instruments]\nsource = \"noren\"\nurl = \"{url}\"\nexchanges = [\"NSE\"]\n");
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + &masters).unwrap();
        bench
    }

    fn ordergate(&self, args: &[&str]) -> Output {
        by_its_settings(self.here.path(), args)
    }
}

/// Somebody has bought by hand, and a limit that takes the profit rests.
fn trade_and_rest(simulator: &Simulator) {
    let price = |text: &str| Some(text.parse().unwrap());
    let (exch, tsym) = ("NSE".to_owned(), "SBIN-EQ".to_owned());
    simulator.set_price(&PriceSetting { exch, tsym, bid: price("850.00"), ask: price("850.10"), ..PriceSetting::default() }).unwrap();
    trade(simulator);
    let rests = json!({ "exch": "NSE", "tsym": "SBIN-EQ", "qty": "7", "prc": "870.00", "prd": "I", "trantype": "S", "prctyp": "LMT" });
    by_hand(simulator, rests);
}

/// Somebody has bought by hand.
fn trade(simulator: &Simulator) {
    by_hand(simulator, json!({ "exch": "NSE", "tsym": "SBIN-EQ", "qty": "7", "prc": "0", "prd": "I", "trantype": "B", "prctyp": "MKT" }));
}

fn by_hand(simulator: &Simulator, fields: Value) {
    simulator.foreign_order(&ForeignOrder { fields: fields.as_object().unwrap().clone() }).unwrap();
}

#[test]
fn a_square_off_without_the_engine_shows_first_acts_with_yes_and_is_refused_beside_an_engine() {
    let bench = Bench::new();
    let nothing = bench.ordergate(&["squareoff"]);
    assert_eq!(nothing.status.code(), Some(0), "{}", words(&nothing));
    assert!(words(&nothing).contains("no eligible positions"), "{}", words(&nothing));

    trade(&bench.simulator);
    let shown = bench.ordergate(&["squareoff"]);
    assert_eq!(shown.status.code(), Some(1), "{}", words(&shown));
    assert!(words(&shown).contains("SELL 7") && words(&shown).contains("nothing was done"), "{}", words(&shown));

    let done = bench.ordergate(&["squareoff", "--yes"]);
    assert_eq!(done.status.code(), Some(0), "{}", words(&done));
    assert!(words(&done).contains("flat, by the broker's books"), "{}", words(&done));
    let log = std::fs::read_to_string(bench.here.path().join("data/logs/squareoff.log")).unwrap();
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone()).collect();
    assert!(events.contains(&json!("EXIT")) && events.last() == Some(&json!("ENDED")), "{log}");
    assert!(!log.contains("sim-password") && !log.contains("sim-key"));

    let held = DirectoryLock::acquire(&bench.here.path().join("data"), Holder::Engine, ordergate_actors::testkit::morning()).unwrap();
    let refused = bench.ordergate(&["squareoff", "--yes"]);
    assert_eq!(refused.status.code(), Some(78), "{}", words(&refused));
    drop(held);
}

/// From another machine, with an empty directory: the masters come first, and without them no stop is cancelled.
#[test]
fn a_square_off_with_an_empty_directory_fetches_the_masters_and_cancels_nothing_without_them() {
    // Nobody listens there.
    let bench = Bench::with_masters_at("http://127.0.0.1:9");
    trade_and_rest(&bench.simulator);
    for arguments in [&["squareoff", "--yes"][..], &["squareoff"]] {
        let output = bench.ordergate(arguments);
        let said = words(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot be closed: SELL 7") && said.contains("works: SELL 7"), "{said}");
        assert!(said.contains("nothing was done") && said.contains("ordergate instruments fetch --exchanges NSE"), "{said}");
    }
    assert!(!std::fs::read_to_string(bench.here.path().join("data/logs/squareoff.log")).unwrap().contains("CANCEL"));

    let bench = Bench::with_masters_at("");
    trade_and_rest(&bench.simulator);
    let done = bench.ordergate(&["squareoff", "--yes"]);
    assert_eq!(done.status.code(), Some(0), "{}", words(&done));
    assert!(words(&done).contains("fetched the master of NSE") && words(&done).contains("flat, by the broker's books"), "{}", words(&done));
}
