//! The broker without a wire: exact times, any input, any order of steps.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};

use super::*;
use crate::simulator::noren_server::settings::{Delays, Prices, TestUser};

fn start() -> DateTime<Utc> {
    "2026-11-20T05:00:00Z".parse().unwrap()
}

struct Desktop {
    core: Core,
    now: DateTime<Utc>,
    token: String,
}

fn settings() -> Settings {
    let delays = Delays { risk_ms: 10, exchange_ms: 20 };
    Settings { per_second: 0, per_minute: 0, prices: Prices::Scripted, delays, ..Settings::default() }
}

fn desktop() -> Desktop {
    let listing = Arc::new(Listing::new("2026-11-20".parse().unwrap()).unwrap());
    let mut desktop = Desktop { core: Core::new(settings(), listing, "test"), now: start(), token: String::new() };
    desktop.price("850", "850.10");
    let user = TestUser::default();
    let secret = totp_rs::Secret::try_from_base32(&user.totp_seed).unwrap();
    let otp = totp_rs::Builder::new().with_secret(secret).build_noncompliant().generate(start().timestamp().unsigned_abs()).to_string();
    let login = json!({"source":"API","apkversion":"1.0.0","uid":user.uid,"pwd":wire::sha256_hex(&user.password),"factor2":otp,
        "vc":user.vendor,"appkey":wire::sha256_hex(&format!("{}|{}", user.uid, user.api_key)),"imei":"x"});
    desktop.token = desktop.call(Route::QuickAuth, login)["susertoken"].as_str().unwrap().to_owned();
    desktop
}

impl Desktop {
    fn price(&mut self, bid: &str, ask: &str) {
        let (bid, ask) = (Some(bid.parse().unwrap()), Some(ask.parse().unwrap()));
        let setting = PriceSetting { exch: "NSE".into(), tsym: "SBIN-EQ".into(), bid, ask, ..PriceSetting::default() };
        self.core.set_price(&setting, self.now).unwrap();
    }

    fn outcome(&mut self, route: Route, body: &str) -> Outcome {
        let arrival = self.core.arrive(route, body, self.now);
        self.core.call(&arrival, body, Some(&self.token.clone()), Times { now: self.now, machine: self.now })
    }

    fn call(&mut self, route: Route, mut fields: Value) -> Value {
        for name in ["uid", "actid"] {
            fields[name] = "FA00001".into();
        }
        match self.outcome(route, &format!("jData={fields}")).reply {
            Reply::Json(_, value) => value,
            other => panic!("{other:?}"),
        }
    }

    fn place(&mut self, quantity: i64, price: &str, side: &str) -> String {
        let order = json!({"exch":"NSE","tsym":"SBIN-EQ","qty":quantity.to_string(),"prc":price,"prd":"I","trantype":side,
            "prctyp":"LMT","ret":"DAY","remarks":"T"});
        self.call(Route::PlaceOrder, order)["norenordno"].as_str().unwrap().to_owned()
    }

    fn later(&mut self, ms: i64) {
        self.now += TimeDelta::milliseconds(ms);
        self.core.advance(self.now);
    }

    fn reports(&self, number: &str) -> Vec<(&'static str, i64)> {
        let reports = self.core.desk.orders[number].reports.iter();
        reports.map(|report| (report.kind.text(), (report.at - start()).num_milliseconds())).collect()
    }
}

#[test]
fn each_step_happens_at_its_own_time_however_late_anybody_looks() {
    let mut desktop = desktop();
    let number = desktop.place(10, "851", "B");
    assert_eq!(desktop.core.next_due(), Some(start() + TimeDelta::milliseconds(0)), "its first message");
    desktop.later(5);
    assert_eq!(desktop.reports(&number), [("NewAck", 0)]);
    desktop.later(60_000);
    assert_eq!(desktop.reports(&number), [("NewAck", 0), ("PendingNew", 10), ("New", 30), ("Fill", 30)]);
}

#[test]
fn a_change_waits_for_an_order_that_is_on_its_way() {
    let mut desktop = desktop();
    let number = desktop.place(10, "840", "B");
    let change = json!({"norenordno":number,"exch":"NSE","tsym":"SBIN-EQ","qty":"5","prctyp":"LMT","prc":"841","ret":"DAY"});
    assert_eq!(desktop.call(Route::ModifyOrder, change)["stat"], "Ok");
    desktop.later(1_000);
    let order = &desktop.core.desk.orders[&number];
    assert_eq!((order.standing, order.last().unwrap().asked.quantity), (order::Status::Open, 5));
}

#[test]
fn a_change_meets_the_risk_check_too() {
    let mut desktop = desktop();
    let number = desktop.place(10, "840", "B");
    desktop.later(1_000);
    let change = json!({"norenordno":number,"exch":"NSE","tsym":"SBIN-EQ","qty":"100000","prctyp":"LMT","prc":"840","ret":"DAY"});
    assert_eq!(desktop.call(Route::ModifyOrder, change)["stat"], "Ok");
    desktop.later(1_000);
    let order = &desktop.core.desk.orders[&number];
    let last = order.last().unwrap();
    assert_eq!((order.standing, last.kind.text(), last.asked.quantity), (order::Status::Open, "ReplaceRejected", 10));
    assert!(last.reason.as_deref().is_some_and(|reason| reason.starts_with("RED:Margin Shortfall:INR ")), "{last:?}");
}

#[test]
fn what_closes_a_position_needs_no_money() {
    let mut desktop = desktop();
    desktop.place(1_000, "851", "B");
    desktop.later(1_000);
    let used = desktop.call(Route::Limits, json!({}))["marginused"].clone();
    assert_eq!(used, "170020.00");
    desktop.place(1_000, "860", "S");
    desktop.later(1_000);
    assert_eq!(desktop.call(Route::Limits, json!({}))["marginused"], used);
}

#[test]
fn the_log_counts_each_acceptance_once() {
    let mut desktop = desktop();
    desktop.core.add_fault(FaultRule::next("PlaceOrder", Fault::Accept { then: Symptom::Drop }));
    desktop.core.add_fault(FaultRule::nth("PlaceOrder", 2, Fault::Refuse { then: Symptom::Drop }));
    let body = "jData={\"uid\":\"FA00001\",\"actid\":\"FA00001\",\"exch\":\"NSE\",\"tsym\":\"SBIN-EQ\",\"qty\":\"1\",\"prc\":\"840\",\
                \"prd\":\"I\",\"trantype\":\"B\",\"prctyp\":\"LMT\",\"ret\":\"DAY\",\"remarks\":\"A\"}";
    let replies: Vec<Reply> = (0..2).map(|_| desktop.outcome(Route::PlaceOrder, body).reply).collect();
    assert_eq!(replies, [Reply::Drop, Reply::Drop]);
    assert_eq!((desktop.core.accepted("A"), desktop.core.log().len()), (1, 3));
}

fn act() -> impl Strategy<Value = (u8, i64, i64)> {
    (prop_oneof![Just(0u8), Just(1), Just(2), Just(3), Just(4)], 1i64..50, -20i64..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn prop_no_body_breaks_it(body in "(jData=)?\\PC{0,80}", route in 0usize..19) {
        let mut desktop = desktop();
        let outcome = desktop.outcome(Route::ALL[route], &body);
        prop_assert!(matches!(outcome.reply, Reply::Json(..)), "{:?}", outcome);
    }

    /// Whatever is done in whatever order: trades, order rows and positions tell the same, and no order fills too much.
    #[test]
    fn prop_the_books_agree(acts in proptest::collection::vec(act(), 1..40), whole in any::<bool>()) {
        let mut desktop = desktop();
        let mut numbers: Vec<String> = Vec::new();
        for (what, quantity, ticks) in acts {
            let price = (rust_decimal::Decimal::from(850) + rust_decimal::Decimal::new(ticks * 5, 2)).to_string();
            match what {
                0 | 1 => numbers.push(desktop.place(quantity, &price, if what == 0 { "B" } else { "S" })),
                2 => {
                    let ask = (rust_decimal::Decimal::from(850) + rust_decimal::Decimal::new(ticks * 5 + 5, 2)).to_string();
                    desktop.price(&price, &ask);
                }
                3 => {
                    if let Some(number) = numbers.last().cloned() {
                        desktop.call(Route::CancelOrder, json!({ "norenordno": number }));
                    }
                }
                _ => desktop.later(quantity),
            }
        }
        desktop.later(if whole { 10_000 } else { 15 });
        let rows = |desktop: &mut Desktop, route| desktop.call(route, json!({})).as_array().cloned().unwrap_or_default();
        let number = |row: &Value, name: &str| row[name].as_str().unwrap_or("0").parse::<i64>().unwrap();
        let orders = rows(&mut desktop, Route::OrderBook);
        let trades = rows(&mut desktop, Route::TradeBook);
        let positions = rows(&mut desktop, Route::PositionBook);
        prop_assert_eq!(orders.len(), numbers.len());
        for order in &orders {
            let of: i64 = trades.iter().filter(|row| row["norenordno"] == order["norenordno"]).map(|row| number(row, "flqty")).sum();
            prop_assert_eq!(of, number(order, "fillshares"));
            prop_assert!(of <= number(order, "qty"));
        }
        let signed: i64 = trades.iter().map(|row| number(row, "flqty") * if row["trantype"] == "B" { 1 } else { -1 }).sum();
        prop_assert_eq!(signed, positions.iter().map(|row| number(row, "netqty")).sum::<i64>());
        let mut ids: Vec<&Value> = trades.iter().map(|row| &row["flid"]).collect();
        let all = ids.len();
        ids.sort_by_key(|id| id.to_string());
        ids.dedup();
        prop_assert_eq!(ids.len(), all);
    }
}
