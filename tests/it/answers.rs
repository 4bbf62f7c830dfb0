//! What the API's description says of answers, against those of a house: every read is called, in one that has orders and in one that
//! has none.

use ordergate::web::ROUTES;
use serde_json::json;

use crate::support::{House, entry, resting};

/// Not called here, and why.
const ELSEWHERE: [&str; 4] = [
    // It never ends: `live` reads it.
    "/dashboard/events",
    // They lead to another address: `pages` and `arming` say where.
    "/",
    "/dashboard",
    "/broker/login/{client_id}",
];

/// The address of a route's read, with what it needs.
fn address(house: &House, path: &str) -> String {
    let first =
        house.orders().first().map_or_else(|| "00000000-0000-0000-0000-000000000001".to_owned(), |order| order.command_id.to_string());
    match path {
        "/dashboard/orders/{command_id}" => format!("/dashboard/orders/{first}"),
        "/dashboard/web/{name}" => "/dashboard/web/app.css".to_owned(),
        "/dashboard/quotes" => format!("{path}?symbol=SBIN-EQ&exchange=NSE"),
        "/dashboard/option-chain" | "/dashboard/symbols/expiries" | "/dashboard/symbols/contracts" => {
            format!("{path}?underlying=NIFTY&exchange=NFO")
        }
        "/dashboard/symbols/search" => format!("{path}?q=NIFTY&limit=20"),
        "/dashboard/symbols/resolve" => format!("{path}?symbol=NIFTY1!&exchange=NSE"),
        "/dashboard/connect/message" => format!("{path}?route=none&sender=tradingview"),
        _ => path.to_owned(),
    }
}

/// Every read; what is not done is as described, too.
async fn reads(house: &House) {
    let skipped = |path: &str| ELSEWHERE.contains(&path) || path == "/broker/callback/{client_id}";
    for route in ROUTES.iter().filter(|route| route.method == "GET" && !skipped(route.path)) {
        house.get(&address(house, route.path)).await;
    }
}

#[actix_web::test]
async fn a_house_without_a_day_answers_as_described() {
    let house = House::open().await.described();
    reads(&house).await;
    let met = house.met();
    assert!(met.answers.contains(&("GET /dashboard/orderbook".to_owned(), 200)), "{:?}", met.answers);
    assert!(met.answers.contains(&("GET /dashboard/orders/{command_id}".to_owned(), 404)), "{:?}", met.answers);
    house.close().await;
}

#[actix_web::test]
async fn a_house_with_orders_and_a_position_answers_as_described() {
    let house = House::open().await.described();
    let mut guarded = entry("trend");
    guarded["legs"][0]["stop_loss"] = json!("10 points");
    assert_eq!(house.alert(guarded).await.status, 202);
    house.until_held("trend", 10).await;
    assert_eq!(house.alert(entry("trend")).await.status, 202);
    assert_eq!(house.alert(resting("waits")).await.status, 202);
    house.post("/dashboard/kill", json!({ "strategy": "trend", "level": 1, "reason": "a drill" })).await;
    reads(&house).await;
    assert!(house.met().answers.contains(&("GET /dashboard/orders/{command_id}".to_owned(), 200)));
    house.close().await;
}
