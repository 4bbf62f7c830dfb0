//! Accounts: who is logged in, one that must be armed, two that are left together, and one without a day.

use serde_json::json;

use super::ARMED;
use super::house::{BOT, done, has_done, reads, until};
use crate::arming::{arm, begun, callback, one_waiting, signing_in};
use crate::support::described::Met;
use crate::support::{House, KEY, Plan, entry, quote, resting, secret};

/// Who is logged in.
pub(super) async fn sessions(house: &House) {
    let log_in = async || {
        let reply = house.send(house.request("POST", "/dashboard/session").json(&json!({ "key": KEY }))).await;
        done(&reply);
        reply.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
    };
    let (first, second) = (log_in().await, log_in().await);
    let by = |method: &str, path: &str, cookie: &str| {
        house.send(house.request(method, path).header("cookie", cookie).header("origin", format!("http://{}", house.address)))
    };
    done(&by("GET", "/dashboard/session", &first).await);
    let all = by("GET", "/dashboard/sessions", &first).await;
    let other = done(&all)["sessions"].as_array().unwrap().iter().find(|row| row["is_this"] == false).unwrap()["id"].as_str().unwrap();
    done(&by("DELETE", &format!("/dashboard/sessions/{other}"), &first).await);
    done(&by("DELETE", "/dashboard/session", &first).await);
    assert_eq!(by("GET", "/dashboard/session", &second).await.status, 401);
    done(&house.send(house.request("GET", "/dashboard/session").bearer_auth(BOT)).await);
    done(&house.send(house.request("DELETE", "/dashboard/session").bearer_auth(KEY)).await);
}

/// An account that must be armed, at a broker where a person signs in.
pub(super) async fn armed() -> Met {
    let house = signing_in().await.described();
    reads(&house).await;
    let state = begun(&house).await;
    assert_eq!(callback(&house, &format!("code=the-code&state={state}")).await.status, 200);
    done(&house.post("/dashboard/broker/logout", json!({})).await);
    done(&house.post("/dashboard/broker/code", json!({ "code": "the-code" })).await);
    done(&arm(&house, "APPROVE").await);
    house.alert(entry("asks")).await;
    let waiting = one_waiting(&house).await;
    reads(&house).await;
    let yes = json!({ "decision": "approve", "reason": "looked at the chart" });
    done(&house.post(&format!("/dashboard/approvals/{}", waiting["command_id"].as_str().unwrap()), yes).await);
    house.until_held("asks", 10).await;
    let mut stop = resting("asks-too");
    let leg = &mut stop["legs"][0];
    (leg["order_type"], leg["price"], leg["trigger_price"]) = (json!("SL"), json!("810.00"), json!("805.00"));
    house.alert(stop).await;
    until(&house, "/dashboard/approvals", |found| found["approvals"][0]["orders"][0]["trigger_price"].is_string()).await;
    reads(&house).await;
    has_done(&house, ARMED.iter().map(|name| (*name).to_owned()));
    let met = house.met();
    house.close().await;
    met
}

/// Two accounts, that are left together.
pub(super) async fn two_accounts() -> Met {
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], ..Plan::default() }).await.described();
    for path in ["/webhook/PAPER1", "/webhook/PAPER2"] {
        done(&house.send(house.request("POST", path).json(&secret(entry("both")))).await);
    }
    // Where no order of ours stands in its way, within the day's band.
    quote(&house.market, "INFY-EQ", "1500.00", "1500.50");
    let mut at_broker = entry("stopped");
    let leg = &mut at_broker["legs"][0];
    (leg["tradingsymbol"], leg["stop_loss"], leg["stop_at"]) = (json!("INFY-EQ"), json!("10 points"), json!("broker"));
    done(&house.send(house.request("POST", "/webhook/PAPER1").json(&secret(at_broker))).await);
    until(&house, "/dashboard/exit-rules", |found| found["accounts"][0]["rules"][0]["resting"]["broker_order_id"].is_string()).await;
    until(&house, "/dashboard/positions", |found| {
        found["accounts"].as_array().unwrap().iter().all(|account| account["positions"][0]["ours"] == 10)
    })
    .await;
    for path in ["/dashboard/orderbook?client_id=PAPER1&limit=1", "/dashboard/audit?client_id=PAPER1&limit=1"] {
        assert!(!done(&house.get(path).await)["next"].is_null(), "{path} has a next page");
    }
    let gone = house.post("/dashboard/positions/exit-all", json!({})).await;
    assert_eq!(done(&gone)["signals"].as_array().map(Vec::len), Some(2), "{:#}", gone.body);
    reads(&house).await;
    let met = house.met();
    house.close().await;
    met
}

/// Nothing has happened yet.
pub(super) async fn without_a_day() -> Met {
    let house = House::open().await.described();
    reads(&house).await;
    let met = house.met();
    assert!(met.answers.contains(&("GET /dashboard/orderbook".to_owned(), 200)), "{:?}", met.answers);
    assert!(met.answers.contains(&("GET /dashboard/orders/{command_id}".to_owned(), 404)), "{:?}", met.answers);
    house.close().await;
    met
}
