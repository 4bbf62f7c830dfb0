//! What a person hears of an alert that is not taken.

use std::sync::Arc;
use std::time::Duration;

use ordergate::access::Ranges;
use ordergate::web::WebSettings;
use ordergate_actors::testkit::until_found;
use serde_json::{Value, json};

use super::shares;
use crate::support::held::{Hold, held_by};
use crate::support::{House, KEY, Plan, entry, secret};

impl House {
    /// The open alarms of that name: how loud each is, what it says, and how often it was said.
    async fn alarms_of(&self, event: &str) -> Vec<(String, String, i64)> {
        let items = self.get("/dashboard/attention").await.body["items"].as_array().unwrap().clone();
        let of_it = items.iter().filter(|item| item["more"]["event"] == event);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        of_it.map(|item| (text(&item["more"]["level"]), text(&item["text"]), item["more"]["count"].as_i64().unwrap())).collect()
    }

    /// Waits until these are among them: an alarm is written after the answer.
    async fn until_alarms(&self, event: &str, wanted: &[(String, String, i64)]) {
        let ask = async || {
            let found = self.alarms_of(event).await;
            let is_there = wanted.iter().all(|alarm| found.contains(alarm));
            if is_there { Ok(()) } else { Err(format!("{wanted:#?} are not among {found:#?}")) }
        };
        until_found(event, ask).await;
    }
}

#[actix_web::test]
async fn of_a_single_alert_that_no_route_takes_a_person_hears() {
    let house = House::open().await;
    for contracts in [10, 20] {
        house.alert(house.plain("buy", contracts, "Long")).await.is_problem(400, "no_route");
    }
    house.alert(json!({ "what": "is this" })).await.is_problem(400, "unknown_shape");
    let said = |level: &str, text: &str, count: i64| (level.to_owned(), text.to_owned(), count);
    let expected = [
        said("WARN", "alerts of tests are not taken: no route of PAPER1 takes this alert", 2),
        said("WARN", "alerts of tests are not taken: unknown_shape, see SIGNAL_REFUSED in the journal", 1),
    ];
    house.until_alarms("ALARM_ALERT_REFUSED", &expected).await;

    assert_eq!(house.put_route(shares("long")).await.status, 200);
    house.settled(house.plain("buy", 10, "Long")).await;
    house.until_held("trend", 10).await;
    let second = json!({ "name": "other", "strategy": "other", "direction": "long", "product": "MIS", "order_type": "MARKET" });
    let written = house.put_route(second).await;
    let words = "written, but tv takes the same alerts as closely: they are refused until one has a condition more";
    assert_eq!((written.status, written.body["done"].as_str()), (200, Some(words)), "{:#}", written.body);
    house.alert(house.plain("sell", 10, "Close")).await.is_problem(400, "two_routes");
    let paged = said("PAGE", "alerts of tests are not taken: NSE:SBIN: routes other and tv of PAPER1 take this alert equally well", 1);
    house.until_alarms("ALARM_ALERT_REFUSED", &[paged]).await;

    // Without any route: what it names is held.
    for name in ["tv", "other"] {
        let body = json!({ "name": name, "reason": "for the test" });
        assert_eq!(house.send(house.request("DELETE", "/dashboard/routes").bearer_auth(KEY).json(&body)).await.status, 200);
    }
    house.alert(house.plain("sell", 10, "Close")).await.is_problem(400, "no_route");
    let paged = said("PAGE", "alerts of tests are not taken: NSE:SBIN: no route of PAPER1 takes this alert", 1);
    house.until_alarms("ALARM_ALERT_REFUSED", &[paged]).await;
    house.close().await;
}

/// The secret is right, and the alert is not let in: an exit may be lost.
#[actix_web::test]
async fn of_an_alert_that_is_refused_at_the_door_each_account_of_its_source_hears() {
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], ..Plan::default() }).await;
    let of = |path: &'static str, strategy: &str| house.request("POST", path).json(&secret(entry(strategy)));
    assert_eq!(house.send(of("/webhook/PAPER1", "trend")).await.status, 202);
    house.until_held("trend", 10).await;
    house.send(of("/webhook", "trend")).await.is_problem(400, "which_account");
    let said = |level: &str, code: &str| {
        (level.to_owned(), format!("alerts of tests are not taken: {code}, see SIGNAL_REFUSED in the journal"), 1)
    };
    house.until_alarms("ALARM_ALERT_REFUSED", &[said("PAGE", "which_account"), said("WARN", "which_account")]).await;
    house.send(of("/webhook/PAPER3", "trend")).await.is_problem(404, "no_such_account");
    house.until_alarms("ALARM_ALERT_REFUSED", &[said("PAGE", "no_such_account"), said("WARN", "no_such_account")]).await;
    house.close().await;

    let elsewhere = |web: &mut WebSettings| web.sources[0].addresses = Ranges::parse("203.0.113.0/24").unwrap();
    let house = House::with(Plan { web: Box::new(elsewhere), ..Plan::default() }).await;
    house.alert(entry("trend")).await.is_problem(403, "not_from_here");
    house.until_alarms("ALARM_ALERT_REFUSED", &[said("WARN", "not_from_here")]).await;
    house.close().await;
}

/// An exit behind a disk that hangs is not refused: who closes it by hand sells twice.
#[actix_web::test]
async fn of_an_exit_whose_answer_was_lost_nobody_is_told_that_it_was_not_taken() {
    let hold = Arc::new(Hold::default());
    let (store, held) = held_by(&hold);
    let short = |web: &mut WebSettings| {
        (web.decision_deadline, web.lookup_deadline) = (Duration::from_secs(5), Duration::from_millis(200));
    };
    let house = House::with(Plan { store, web: Box::new(short), ..Plan::default() }).await;
    house.alert(entry("trend")).await;
    house.until_held("trend", 10).await;
    hold.before_a_signal();
    let mut exit = entry("trend");
    (exit["execution_type"], exit["legs"][0]["direction"]) = (json!("EXIT"), json!("SELL"));
    house.alert(exit).await.is_problem(503, "answer_lost");
    assert!(hold.is_reached());
    drop(held);
    house.until_held("trend", 0).await;
    let words = "whether an alert of tests for SBIN-EQ was taken is not known, its orders may go yet: look at the order book before you do anything";
    house.until_alarms("ALARM_ALERT_UNKNOWN", &[("PAGE".to_owned(), words.to_owned(), 1)]).await;
    assert_eq!(house.alarms_of("ALARM_ALERT_REFUSED").await, [], "it was taken");
    house.close().await;
}

#[actix_web::test]
async fn an_exit_of_an_alert_that_is_not_valid_pages_while_its_position_is_held() {
    let house = House::open().await;
    house.put_route(shares("long")).await;
    house.settled(house.plain("buy", 10, "Long")).await;
    house.until_held("trend", 10).await;
    let exit = json!({
        "execution_type": "EXIT", "strategy_name": "trend", "exchange": "NSE",
        "legs": [{ "tradingsymbol": "SBIN-EQ", "direction": "SELL", "qty": "ten", "product_type": "MIS", "order_type": "MARKET" }],
    });
    let refused = house.alert(exit.clone()).await;
    assert_eq!(refused.order(0)["tag"], "VALIDATION_FAILED", "{:#}", refused.body);
    // It is written after the answer.
    let ask = async || match house.alarms_of("ALARM_EXIT_FAILED").await {
        paged if paged.is_empty() => Err(""),
        paged => Ok(paged),
    };
    let paged = until_found("it is told", ask).await;
    assert_eq!(paged.len(), 1, "{paged:#?}");
    assert!(paged[0].0 == "PAGE" && paged[0].1.contains("trend is not valid, and closes nothing: "), "{paged:#?}");
    assert!(paged[0].1.ends_with("; it holds 10 of NSE:SBIN-EQ MIS"), "{paged:#?}");
    let mut other = exit;
    other["strategy_name"] = json!("nobody");
    house.alert(other).await;
    assert_eq!(house.alarms_of("ALARM_EXIT_FAILED").await.len(), 1, "nothing is held");
    house.close().await;
}
