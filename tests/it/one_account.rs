//! A read is of the account that it names: the others' rows do not stand in it, an unknown account is refused, and so is a word that is
//! no parameter: a misspelled `client_id` never shows all accounts, and never acts on them.

use ordergate::schedule::Scheduled;
use ordergate::web::openapi::fields_of;
use ordergate::web::{Guard, ROUTES};
use ordergate_actors::order::{ClientId, Exchange};
use serde_json::{Value, json};

use crate::support::{House, Plan, entry, resting, secret};

fn scheduled(name: &str, client: &str) -> Scheduled {
    Scheduled {
        name: name.to_owned(),
        client_id: ClientId::parse(client).unwrap(),
        at: chrono::NaiveTime::from_hms_opt(10, 0, 0).unwrap(),
        grace: std::time::Duration::from_secs(600),
        exchange: Exchange::Nse,
        alert: entry(name).to_string(),
    }
}

/// Two accounts, each with a stored alert, an order that works, and a kill level that a person must look at.
async fn house() -> House {
    let web = Box::new(|web: &mut ordergate::web::WebSettings| {
        web.schedule = vec![scheduled("first", "PAPER1"), scheduled("second", "PAPER2")];
    });
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], web, ..Plan::default() }).await;
    for client in ["PAPER1", "PAPER2"] {
        let sent = house.send(house.request("POST", &format!("/webhook/{client}")).json(&secret(resting("rests")))).await;
        assert_eq!(sent.status, 202, "{:#}", sent.body);
        let body = json!({ "client_id": client, "level": 1, "reason": format!("a drill of {client}") });
        assert_eq!(house.post("/dashboard/kill", body).await.status, 200);
    }
    house
}

/// Every account that is named anywhere in an answer.
fn named(value: &Value, into: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            into.extend(fields.get("client_id").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| named(field, into));
        }
        Value::Array(items) => items.iter().for_each(|item| named(item, into)),
        _ => {}
    }
}

/// The reads that take an account, with what else they need, and without what never answers whole.
fn of_an_account() -> impl Iterator<Item = String> {
    let takes = ROUTES.iter().filter(|route| {
        route.method == "GET"
            && route.path.starts_with("/dashboard/")
            && route.path != "/dashboard/events"
            && fields_of(route).0.contains(&"client_id")
    });
    takes.map(|route| {
        let more = match route.path {
            "/dashboard/quotes" | "/dashboard/symbols/resolve" => "symbol=SBIN-EQ&exchange=NSE&",
            "/dashboard/option-chain" => "underlying=NIFTY&exchange=NFO&",
            "/dashboard/connect/message" => "route=none&sender=tradingview&",
            _ => "",
        };
        format!("{}?{more}client_id=", route.path)
    })
}

#[actix_web::test]
async fn what_is_read_of_one_account_is_of_that_one() {
    let house = house().await;
    let mut answered = 0;
    for path in of_an_account() {
        for client in ["PAPER1", "PAPER2"] {
            let reply = house.get(&format!("{path}{client}")).await;
            let mut accounts = std::collections::BTreeSet::new();
            named(&reply.body, &mut accounts);
            assert!(accounts.iter().all(|account| account == client), "{path}{client}: {accounts:?}");
            answered += usize::from(reply.status == 200 && accounts.len() == 1);
        }
    }
    assert!(answered >= 30, "few of them name an account: {answered}");
    for (path, list) in [("/dashboard/attention", "items"), ("/dashboard/overview", "accounts"), ("/dashboard/schedule", "schedule")] {
        let (one, all) = (house.get(&format!("{path}?client_id=PAPER2")).await, house.get(path).await);
        let rows = |body: &Value| body[list].as_array().map(Vec::len);
        assert_eq!((rows(&one.body), rows(&all.body)), (Some(1), Some(2)), "{path}: {:#}", all.body);
    }
    let totals = async |client: &str| {
        let orders = house.get(&format!("/dashboard/diagnostics/orders{client}")).await.body["summary"]["total_orders"].clone();
        let intents = house.get(&format!("/dashboard/diagnostics/intent-verification{client}")).await.body;
        (orders, intents["intent_pipeline"]["total_intents"].clone())
    };
    assert_eq!((totals("?client_id=PAPER1").await, totals("").await), ((json!(1), json!(1)), (json!(2), json!(2))));
    house.close().await;
}

/// A stop may be for all accounts at once. To let entries go again is for the one that somebody has looked at: another may stand at a
/// level whose square-off is under way.
#[actix_web::test]
async fn entries_go_again_in_the_named_account_only() {
    let house = house().await;
    let level = async |index: usize| house.get("/dashboard/overview").await.body["accounts"][index]["kill_level"].clone();
    for body in [json!({ "level": 0, "reason": "looked" }), json!({ "level": 0, "from": 1, "reason": "looked" })] {
        house.post("/dashboard/kill", body).await.is_problem(400, "which_account");
    }
    house.post("/dashboard/kill", json!({ "level": 2, "reason": "all" })).await;
    house.post("/dashboard/kill", json!({ "level": 1, "from": 2, "reason": "looked" })).await.is_problem(400, "which_account");
    assert_eq!((level(0).await, level(1).await), (json!(2), json!(2)), "nothing was taken down");
    let named = house.post("/dashboard/kill", json!({ "client_id": "PAPER1", "level": 0, "from": 2, "reason": "looked" })).await;
    assert_eq!((named.status, level(0).await, level(1).await), (200, json!(0), json!(2)), "{:#}", named.body);
    house.close().await;
}

#[actix_web::test]
async fn an_alarm_of_the_process_is_on_the_list_of_every_account() {
    let house = house().await;
    house.engine.line().alarm(None, "ALARM_IN_DOUBT", ordergate_actors::persistence::Level::Page, None, "a drill".to_owned());
    house.until("it stands", || house.engine.line().view.process_alarms().len() == 1).await;
    let list = house.get("/dashboard/attention?client_id=PAPER1").await;
    let whose: Vec<&Value> = list.body["items"].as_array().unwrap().iter().map(|item| &item["client_id"]).collect();
    assert!(whose.len() == 2 && whose.contains(&&Value::Null) && whose.contains(&&json!("PAPER1")), "{:#}", list.body);
    house.close().await;
}

#[actix_web::test]
async fn an_unknown_account_is_refused_alike_everywhere() {
    let house = house().await;
    for path in of_an_account() {
        house.get(&format!("{path}NOBODY")).await.is_problem(404, "no_such_account");
    }
    house.get("/dashboard/events?client_id=NOBODY").await.is_problem(404, "no_such_account");
    house.close().await;
}

#[actix_web::test]
async fn a_word_that_is_no_parameter_is_refused() {
    let house = house().await;
    let guarded = |route: &&ordergate::web::Route| {
        matches!(route.guard, Guard::Key | Guard::Trade | Guard::Anyone)
            && route.path.starts_with("/dashboard/")
            && route.path != "/dashboard/session"
    };
    for route in ROUTES.iter().filter(guarded) {
        let path = route.path.replace("{command_id}", "00000000-0000-0000-0000-000000000001").replace("{id}", "1");
        let more = match route.path {
            "/dashboard/quotes" | "/dashboard/symbols/resolve" => "symbol=SBIN-EQ&",
            "/dashboard/option-chain" | "/dashboard/symbols/expiries" | "/dashboard/symbols/contracts" => "underlying=NIFTY&",
            "/dashboard/symbols/search" => "q=NIFTY&",
            "/dashboard/connect/message" => "route=none&sender=tradingview&",
            _ => "",
        };
        let request = house.request(route.method, &format!("{path}?{more}client=PAPER1")).bearer_auth(crate::support::KEY);
        let reply = house.send(if route.method == "GET" { request } else { request.json(&json!({})) }).await;
        assert_eq!((reply.status, &reply.body["code"]), (400, &json!("bad_query")), "{} {path}: {:#}", route.method, reply.body);
        assert!(reply.body["detail"].as_str().is_some_and(|detail| detail.contains("client")), "{:#}", reply.body);
    }
    // The account of an act stands in its body: in the address it would be no account, and all of them would be stopped.
    let levels = house.get("/dashboard/overview").await;
    house.post("/dashboard/kill?client_id=PAPER1", json!({ "level": 3, "reason": "x" })).await.is_problem(400, "bad_query");
    let after = house.get("/dashboard/overview").await;
    for account in [0, 1] {
        assert_eq!(after.body["accounts"][account]["kill_level"], levels.body["accounts"][account]["kill_level"]);
    }
    house.close().await;
}
