//! What takes more than one step, as people see it.

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::Status;
use serde_json::{Value, json};

use crate::support::{House, quote};

/// The short waits for a hedge that rests.
fn basket() -> Value {
    json!({
        "execution_type": "ENTRY", "strategy_name": "spread", "exchange": "NSE", "product_type": "I", "policy": "HEDGE_FIRST",
        "legs": [
            { "tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 10, "order_type": "LIMIT", "price": "790.00" },
            { "tradingsymbol": "RELIANCE-EQ", "direction": "SELL", "qty": 5, "order_type": "MARKET" },
        ],
    })
}

async fn plans(house: &House) -> Vec<Value> {
    house.get("/dashboard/plans").await.body["plans"].as_array().unwrap().clone()
}

async fn stuck(house: &House) -> Vec<Value> {
    let items = house.get("/dashboard/attention").await.body["items"].as_array().unwrap().clone();
    items.into_iter().filter(|item| item["kind"] == "plan_stuck").collect()
}

#[actix_web::test]
async fn a_basket_under_way_is_shown_with_its_legs_what_it_waits_for_and_what_can_be_done() {
    let house = House::open().await;
    assert_eq!(house.get("/dashboard/plans").await.body["count"], 0);
    let reply = house.alert(basket()).await;
    assert_eq!(reply.status, 202, "{:#}", reply.body);
    house.until("the hedge rests", || house.orders().iter().any(|order| order.broker_order_id.is_some())).await;
    let seen = plans(&house).await;
    assert_eq!(seen.len(), 1, "{seen:#?}");
    let plan = &seen[0];
    assert_eq!((&plan["kind"], &plan["policy"], &plan["strategy"]), (&json!("BASKET"), &json!("HEDGE_FIRST"), &json!("spread")));
    assert_eq!((&plan["next"], &plan["stuck"]), (&json!("leg 2 waits: leg 1 of this basket is filled first"), &Value::Null));
    let status: Vec<&Value> = plan["orders"].as_array().unwrap().iter().map(|order| &order["status"]).collect();
    assert_eq!(status, ["SENT_TO_BROKER", "CREATED"]);
    assert!(plan["age_ms"].is_i64() && stuck(&house).await.is_empty(), "{plan:#}");

    quote(&house.market, "SBIN-EQ", "789.00", "789.50");
    house.until("both legs have filled", || house.orders().iter().all(|order| order.status == Status::Executed)).await;
    house
        .until("the plan is over", || {
            let client = house.client();
            house.engine.read(&client, |book| book.kept_of(ordergate_actors::persistence::Topic::Plan).next().is_none()).unwrap()
        })
        .await;
    assert_eq!(house.get("/dashboard/plans").await.body["count"], 0);
    house.close().await;
}

#[actix_web::test]
async fn a_plan_that_cannot_go_on_by_itself_waits_for_a_person() {
    let house = House::open().await;
    house.brokers[&house.client()]
        .replan(ordergate::brokers::faulty::FaultPlan::none().always(CallKind::Orders, Fault::Unknown("502".into())));
    house.next_fault(CallKind::Place, Fault::LoseRequest("reset".into()));
    house.alert(basket()).await;
    house.until("the hedge is in doubt", || house.orders().iter().any(|order| order.is_in_doubt())).await;
    let items = stuck(&house).await;
    assert_eq!(items.len(), 1, "{items:#?}");
    let text = items[0]["text"].as_str().unwrap();
    assert!(text.starts_with("a basket of spread (HEDGE_FIRST)") && text.contains("is being looked for at the broker"), "{text}");
    let labels: Vec<&str> = items[0]["actions"].as_array().unwrap().iter().map(|action| action["label"].as_str().unwrap()).collect();
    assert!(labels.contains(&"it is not at the broker") && labels.contains(&"cancel"), "{labels:?}");
    assert_eq!(plans(&house).await[0]["stuck"].as_str().map(|why| why.contains("looked for")), Some(true));
    house.close().await;
}

#[actix_web::test]
async fn an_entry_with_a_time_is_shown_until_it_ends() {
    let house = House::open().await;
    let mut alert = crate::support::resting("patient");
    alert["legs"][0]["cancel_after_s"] = json!(3600);
    let reply = house.alert(alert).await;
    assert_eq!(reply.status, 202, "{:#}", reply.body);
    house.until("it rests", || house.orders()[0].broker_order_id.is_some()).await;
    let seen = plans(&house).await;
    assert_eq!((seen.len(), &seen[0]["kind"]), (1, &json!("CANCEL_AFTER")));
    assert!(seen[0]["next"].as_str().unwrap().starts_with("what has not filled at "), "{seen:#?}");
    assert!(seen[0]["actions"].as_array().unwrap().iter().any(|action| action["label"] == "cancel"));
    house.close().await;
}
