//! The day's results and the two books side by side, over real HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::charges::Charges;
use ordergate::readiness::Site;
use ordergate::simulator::exchange::NewOrder;
use ordergate_actors::order::{Exchange, InstrumentKey, OrderType, Product, Quantity, Side, Terms, Validity};
use ordergate_actors::ports::{Broker as _, Snapshot};
use ordergate_actors::testkit::until_found;
use serde_json::{Value, json};

use crate::support::{House, Plan, Reply, entry, quote};

pub(crate) fn with_charges(plan: Option<&str>) -> Plan {
    let client = ordergate_actors::order::ClientId::parse("PAPER1").unwrap();
    let plans = plan.map(|plan| (client, Arc::from(plan)));
    let site = Site { charges: Charges::built_in(BTreeMap::from_iter(plans)).unwrap(), ..Site::default() };
    Plan { site: Arc::new(site), ..Plan::default() }
}

/// A round trip that wins 9.50 a unit, entered 0.50 above what the sender saw.
async fn round_trip(house: &House) {
    let mut alert = entry("trend");
    alert["legs"][0]["price"] = json!("800.00");
    house.alert(alert).await;
    house.until_held("trend", 10).await;
    quote(&house.market, "SBIN-EQ", "810.00", "810.50");
    house.post("/dashboard/positions/exit", json!({ "strategy": "trend", "symbol": "SBIN-EQ" })).await;
    house.until_held("trend", 0).await;
    house.until_ended().await;
}

#[actix_web::test]
async fn the_day_is_shown_gross_and_net_with_every_charge_and_the_statistics() {
    let house = House::with(with_charges(Some("zero"))).await;
    round_trip(&house).await;
    let reply = house.get("/dashboard/pnl").await;
    let account = &reply.body["accounts"][0];
    let result = &account["result"];
    assert_eq!((reply.status, &result["realised"], &result["gross"]), (200, &json!("95.00"), &json!("95.00")), "{account:#}");
    // Bought for 8,005, sold for 8,100.
    let each = json!({ "BROKERAGE": "0.00", "STT": "2.00", "EXCHANGE": "0.49", "SEBI": "0.02", "STAMP": "0.24", "GST": "0.09" });
    assert_eq!((&account["charges"]["each"], &account["charges"]["total"]), (&each, &json!("2.84")));
    assert_eq!((&result["charges"], &result["net"]), (&json!("2.84"), &json!("92.16")));
    let statistics = &account["statistics"];
    assert_eq!((&statistics["trades"], &statistics["wins"], &statistics["losses"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!((&statistics["average_win"], &statistics["average_loss"]), (&json!("95.00"), &Value::Null));
    assert_eq!(statistics["slippage"], json!({ "units": 10, "rupees": "5.00", "per_unit": "0.5" }));
    assert_eq!((&statistics["realised_high_water"], &statistics["realised_drawdown"]), (&json!("95.00"), &json!("0.00")));
    let strategy = &account["strategies"][0];
    let line = &strategy["instruments"][0];
    assert_eq!((&strategy["strategy"], &line["symbol"], &line["net"]), (&json!("trend"), &json!("SBIN-EQ"), &json!(0)));
    assert_eq!(line["bought"], json!({ "trades": 1, "quantity": 10, "value": "8005.00" }));
    assert_eq!((&line["net_result"], &line["carried_marked_from"]), (&json!("92.16"), &json!("NOTHING")));

    // The next process has the same day.
    let before = reply.body["accounts"].clone();
    let house = House::with(Plan { after: Some(house.close().await), ..with_charges(Some("zero")) }).await;
    assert_eq!(house.get("/dashboard/pnl").await.body["accounts"][0]["statistics"], before[0]["statistics"]);
    assert_eq!(house.get("/dashboard/pnl").await.body["accounts"][0]["charges"], before[0]["charges"]);
    house.get("/dashboard/pnl?client_id=NOBODY").await.is_problem(404, "no_such_account");
    house.close().await;
}

#[actix_web::test]
async fn what_an_order_would_be_charged_is_what_it_is_charged() {
    let house = House::with(with_charges(Some("zero"))).await;
    let told = house.post("/dashboard/explain", entry("trend")).await.body;
    let would = &told["legs"][0]["charges"];
    assert_eq!((&would["at"], &told["charges_plan"]), (&json!("800.5"), &json!("zero")), "{told:#}");
    house.alert(entry("trend")).await;
    house.until_held("trend", 10).await;
    let is = house.get("/dashboard/pnl").await.body["accounts"][0]["charges"].clone();
    assert_eq!((&would["each"], &would["total"]), (&is["each"], &is["total"]));
    assert_ne!(would["total"], json!("0.00"));
    house.close().await;
}

#[actix_web::test]
async fn without_a_plan_the_brokerage_and_so_the_net_result_are_unknown() {
    let house = House::with(with_charges(None)).await;
    round_trip(&house).await;
    let account = house.get("/dashboard/pnl").await.body["accounts"][0].clone();
    assert_eq!((&account["result"]["gross"], &account["result"]["net"]), (&json!("95.00"), &Value::Null), "{account:#}");
    assert_eq!(account["charges"]["without_a_rate"], json!(["BROKERAGE"]));
    assert_eq!((&account["charges"]["total"], &account["charges"]["as_far_as_known"]), (&Value::Null, &json!("2.84")));
    house.close().await;
}

#[actix_web::test]
async fn an_open_position_is_valued_at_a_quote_whose_age_is_told() {
    let house = House::with(with_charges(Some("zero"))).await;
    house.alert(entry("trend")).await;
    house.until_held("trend", 10).await;
    quote(&house.market, "SBIN-EQ", "790.00", "790.50");
    let account = house.get("/dashboard/positions").await.body["accounts"][0].clone();
    let line = &account["positions"][0]["strategies"][0];
    assert_eq!((&line["strategy"], &line["net"], &line["average_price"]), (&json!("trend"), &json!(10), &json!("800.5")));
    assert_eq!((&line["unrealised"], &line["gross"], &line["realised"]), (&json!("-105.00"), &json!("-105.00"), &json!("0.00")));
    assert!(line["quote_age_ms"].is_i64() && line["opened_at"].is_string(), "{line:#}");
    assert_eq!((&account["result"]["unrealised"], &account["result"]["without_a_price"]), (&json!("-105.00"), &json!([])));
    house.close().await;
}

pub(crate) fn elsewhere(house: &House, side: Side, quantity: i64, tag: Option<&str>) {
    let terms = Terms {
        side,
        quantity: Quantity::new(quantity).unwrap(),
        product: Product::Mis,
        order_type: OrderType::Market,
        validity: Validity::Day,
        price: None,
        trigger_price: None,
    };
    let order = NewOrder { instrument: InstrumentKey::new(Exchange::Nse, "SBIN-EQ"), terms, tag: tag.map(Arc::from) };
    house.brokers[&house.client()].inner().place_foreign(&order).unwrap().unwrap();
}

/// The only difference there is, once it is so many units with that cause.
async fn until_differs(house: &House, units: i64, cause: &str) -> Value {
    let ask = async || {
        let found = house.get("/dashboard/positions").await.body["accounts"][0]["differences"].clone();
        let is_so = found[0]["difference"] == units && found[0]["parts"][0]["cause"] == cause;
        let is_alone = found.as_array().is_some_and(|all| all.len() == 1);
        if is_so && is_alone { Ok(found[0].clone()) } else { Err(format!("no difference of {units}: {found:#}")) }
    };
    until_found("there is that difference", ask).await
}

async fn says(house: &House, verdict: &str, more: Value) -> Reply {
    let mut body = json!({ "exchange": "NSE", "symbol": "SBIN-EQ", "product": "MIS", "reason": "mine" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    house.post(&format!("/dashboard/differences/{verdict}"), body).await
}

#[actix_web::test]
async fn a_difference_is_shown_with_its_cause_and_taken_over_by_a_strategy() {
    let house = House::open().await;
    says(&house, "adopt", json!({ "strategy": "b" })).await.is_problem(404, "no_difference");
    elsewhere(&house, Side::Buy, 5, Some("robo-7"));
    let found = until_differs(&house, 5, "FOREIGN_ORDER").await;
    assert_eq!((&found["ours"], &found["broker"], &found["price"]), (&json!(0), &json!(5), &json!("800.5")), "{found:#}");
    assert!(found["parts"][0]["evidence"][0].as_str().unwrap().contains("BUY 5 at 800.5"), "{found:#}");
    let attention = house.get("/dashboard/attention").await;
    let item = attention.body["items"].as_array().unwrap().iter().find(|item| item["kind"] == "difference").unwrap().clone();
    assert_eq!((&item["actions"][0]["body"]["difference"], &item["actions"][0]["body"]["price"]), (&json!(5), &json!("800.5")));

    says(&house, "adopt", json!({ "strategy": "b", "difference": 4 })).await.is_problem(409, "difference_changed");
    says(&house, "adopt", json!({ "strategy": "b", "quantity": 6 })).await.is_problem(400, "too_much");
    says(&house, "adopt", json!({ "strategy": "b", "price": "cheap" })).await.is_problem(400, "bad_price");
    says(&house, "adopt", json!({ "strategy": "b", "reason": " " })).await.is_problem(400, "bad_request");
    let part = says(&house, "adopt", json!({ "strategy": "b", "difference": 5, "quantity": 2 })).await;
    assert_eq!((part.status, &part.body["net"], &part.body["price"]), (200, &json!(2), &json!("800.5")), "{:#}", part.body);
    // Once the books were read again, what is left has no price of its own any more: a person states it.
    until_differs(&house, 3, "FOREIGN_ORDER").await;
    says(&house, "adopt", json!({ "strategy": "b" })).await.is_problem(400, "price_missing");
    let rest = says(&house, "adopt", json!({ "strategy": "b", "price": 801 })).await;
    assert_eq!((rest.status, &rest.body["quantity"], &rest.body["net"]), (200, &json!(3), &json!(5)), "{:#}", rest.body);
    let account = house.get("/dashboard/positions").await.body["accounts"][0].clone();
    assert_eq!((&account["differences"], &account["positions"][0]["difference"]), (&json!([]), &json!(0)));
    assert_eq!(account["positions"][0]["strategies"][0]["average_price"], "800.8");
    let told = house.events(Some(&house.client())).await;
    assert_eq!(told.iter().filter(|(event, text)| event == "HOLDING_ADOPTED" && text.contains("asha")).count(), 2, "{told:#?}");
    house.close().await;
}

/// Level 3 squares off what this engine opened; with `foreign` also what a person has bought in the broker's app.
#[actix_web::test]
async fn a_kill_closes_what_was_opened_elsewhere_on_request_and_only_then() {
    let house = House::open().await;
    elsewhere(&house, Side::Buy, 5, None);
    until_differs(&house, 5, "MANUAL_TRADE").await;
    let kill = async |more: Value| {
        let mut body = json!({ "level": 3, "reason": "drill" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        house.post("/dashboard/kill", body).await
    };
    kill(json!({ "level": 2, "foreign": true })).await.is_problem(400, "bad_request");
    let without = kill(json!({})).await;
    assert_eq!((without.status, &without.body["foreign"]), (200, &json!([])), "{:#}", without.body);
    until_differs(&house, 5, "MANUAL_TRADE").await;
    let with = kill(json!({ "foreign": true })).await;
    let row = json!({ "client_id": "PAPER1", "position": "NSE:SBIN-EQ MIS", "units": 5, "left": null });
    assert_eq!((with.status, &with.body["foreign"]), (200, &json!([row])), "{:#}", with.body);
    house.until_held("foreign", 0).await;
    let is_closed = async || match net_at_broker(&house).await {
        0 => Ok(()),
        net => Err(format!("{net} are left")),
    };
    until_found("it is closed at the broker", is_closed).await;
    let told = house.events(Some(&house.client())).await;
    assert!(told.iter().any(|(event, text)| event == "HOLDING_ADOPTED" && text.contains("asha")), "{told:#?}");
    house.close().await;
}

/// What an earlier kill took over is no position of a strategy: what is opened while it is being closed is taken over as well.
#[actix_web::test]
async fn a_second_kill_takes_over_what_was_opened_while_the_first_one_closes() {
    let house = House::open().await;
    let frozen = json!({ "client_id": "PAPER1", "frozen": true, "open_positions": 0, "reason": "drill" });
    assert_eq!(house.post("/dashboard/freeze", frozen).await.status, 200);
    let kill = async || house.post("/dashboard/kill", json!({ "level": 3, "foreign": true, "reason": "drill" })).await;
    elsewhere(&house, Side::Buy, 5, None);
    until_differs(&house, 5, "MANUAL_TRADE").await;
    assert_eq!(kill().await.body["foreign"][0]["left"], Value::Null);
    house.until_held("foreign", 5).await;
    elsewhere(&house, Side::Buy, 3, None);
    until_differs(&house, 3, "MANUAL_TRADE").await;
    let again = kill().await;
    assert_eq!((&again.body["foreign"][0]["units"], &again.body["foreign"][0]["left"]), (&json!(3), &Value::Null), "{:#}", again.body);
    house.until_held("foreign", 8).await;
    let thaw = json!({ "client_id": "PAPER1", "frozen": false, "reason": "drill" });
    assert_eq!(house.post("/dashboard/freeze", thaw).await.status, 200);
    house.until_held("foreign", 0).await;
    house.close().await;
}

async fn net_at_broker(house: &House) -> i64 {
    let Snapshot::Authoritative(rows, _) = house.brokers[&house.client()].positions().await else { panic!("no positions") };
    rows.iter().map(|row| row.net).sum()
}

/// What is beside a position of ours cannot be told from it by a net: that is a person's.
#[actix_web::test]
async fn what_was_opened_beside_a_position_of_ours_is_named_and_left() {
    let house = House::open().await;
    house.alert(entry("trend")).await;
    house.until_held("trend", 10).await;
    elsewhere(&house, Side::Buy, 5, None);
    until_differs(&house, 5, "MANUAL_TRADE").await;
    // Ours stays held until it was looked at.
    house.next_fault(CallKind::Place, Fault::LoseRequest("lost".into()));
    let killed = house.post("/dashboard/kill", json!({ "level": 3, "foreign": true, "reason": "drill" })).await;
    assert_eq!(killed.status, 200, "{:#}", killed.body);
    assert!(killed.body["foreign"][0]["left"].as_str().unwrap().contains("strategies hold the same"), "{:#}", killed.body);
    house.close().await;
}

/// Whose it is and at what price is known: the verdict is offered whole.
#[actix_web::test]
async fn what_the_only_holder_may_take_over_at_a_known_price_is_one_press() {
    let house = House::open().await;
    house.alert(entry("trend")).await;
    house.until_held("trend", 10).await;
    elsewhere(&house, Side::Buy, 5, Some("robo-7"));
    until_differs(&house, 5, "FOREIGN_ORDER").await;
    let attention = house.get("/dashboard/attention").await;
    let item = attention.body["items"].as_array().unwrap().iter().find(|item| item["kind"] == "difference").unwrap().clone();
    let action = &item["actions"][0];
    assert_eq!(action["label"], "take it over for trend at 800.5", "{item:#}");
    let pressed = house.post(action["path"].as_str().unwrap(), action["body"].clone()).await;
    assert_eq!((pressed.status, &pressed.body["net"]), (200, &json!(15)), "{:#}", pressed.body);
    house.close().await;
}

#[actix_web::test]
async fn a_difference_is_left_alone_until_it_changes() {
    let house = House::open().await;
    elsewhere(&house, Side::Sell, 4, None);
    until_differs(&house, -4, "MANUAL_TRADE").await;
    // As it is offered, word for word: there is nothing to be filled in.
    let attention = house.get("/dashboard/attention").await;
    let item = attention.body["items"].as_array().unwrap().iter().find(|item| item["kind"] == "difference").unwrap().clone();
    let action = item["actions"].as_array().unwrap().last().unwrap();
    assert_eq!((&action["label"], &action["body"]["reason"]), (&json!("leave it alone"), &json!("by one press")), "{item:#}");
    let pressed = house.post(action["path"].as_str().unwrap(), action["body"].clone()).await;
    assert_eq!(pressed.status, 200, "{:#}", pressed.body);
    let said = says(&house, "ignore", json!({ "difference": -4 })).await;
    assert_eq!((said.status, &said.body["difference"]["ignored"]["who"]), (200, &json!("asha from 127.0.0.1")), "{:#}", said.body);
    let kinds = |body: &Value| body["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "difference").count();
    assert_eq!(kinds(&house.get("/dashboard/attention").await.body), 0);

    let house = House::with(Plan { after: Some(house.close().await), ..Plan::default() }).await;
    let found = until_differs(&house, -4, "MANUAL_TRADE").await;
    assert_eq!(found["ignored"]["reason"], "mine");
    elsewhere(&house, Side::Sell, 1, None);
    let found = until_differs(&house, -5, "MANUAL_TRADE").await;
    assert_eq!((&found["ignored"], kinds(&house.get("/dashboard/attention").await.body)), (&Value::Null, 1));
    house.close().await;
}
