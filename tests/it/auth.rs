//! Who may do what: every route without credentials, every way to prove oneself, and no secret anywhere.

use hmac::{Hmac, KeyInit, Mac};
use ordergate::web::{Guard, ROUTES};
use serde_json::json;
use sha2::Sha256;

use crate::support::{House, KEY, Plan, SECRET, entry, resting, secret};

fn sign(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02X}")).collect()
}

fn filled(path: &str) -> String {
    path.replace("{client_id}", "PAPER1")
        .replace("{token}", "wrong")
        .replace("{name}", "index.html")
        .replace("{command_id}", "00000000-0000-0000-0000-000000000001")
}

#[actix_web::test]
async fn every_route_without_credentials_is_401_except_health() {
    let house = House::open().await;
    for route in ROUTES {
        let path = filled(route.path);
        let reply = house.send(house.request(route.method, &path)).await;
        match route.guard {
            Guard::Nothing => assert_eq!(reply.status, 200, "{path}"),
            Guard::AwaitedLogin => reply.is_problem(409, "no_login_awaited"),
            Guard::KeyInBody => assert_eq!((reply.status, &reply.body["status"]), (403, &json!("error")), "{path}"),
            Guard::Key | Guard::Trade | Guard::Anyone | Guard::Secret | Guard::Login => reply.is_problem(401, "unauthorized"),
        }
        let wrong = house.send(house.request(route.method, &path).bearer_auth("wrong")).await;
        let without_a_key = match route.guard {
            Guard::Nothing => 200,
            Guard::AwaitedLogin => 409,
            Guard::KeyInBody => 403,
            Guard::Key | Guard::Trade | Guard::Anyone | Guard::Secret | Guard::Login => 401,
        };
        assert_eq!(wrong.status, without_a_key, "{path}");
        if matches!(route.guard, Guard::Key | Guard::Trade | Guard::Anyone) {
            let request = house.request(route.method, &path).bearer_auth(KEY);
            if path == "/dashboard/events" {
                assert_eq!(request.send().await.unwrap().status(), 200, "its answer never ends");
                continue;
            }
            let open = house.send(request).await;
            assert!(open.body["code"] != json!("no_such_route") && open.status != 401 && open.status != 405, "{path}: {open:?}");
            let method = house.send(house.request("PATCH", &path).bearer_auth(KEY)).await;
            method.is_problem(405, "method_not_allowed");
        }
    }
    house.send(house.request("GET", "/nothing")).await.is_problem(404, "no_such_route");
    house.get("/dashboard/nothing").await.is_problem(404, "no_such_route");
    house.send(house.request("GET", "/dashboard/nothing")).await.is_problem(401, "unauthorized");
    house.close().await;
}

#[actix_web::test]
async fn three_ways_to_prove_oneself_and_all_that_is_there_must_hold() {
    let house = House::open().await;
    let plain = resting("a").to_string();
    let send = |path: String, body: String, signature: Option<String>| {
        let request = house.request("POST", &path).body(body).header("content-type", "text/plain; charset=utf-8");
        house.send(match signature {
            Some(signature) => request.header("X-Signature", signature),
            None => request,
        })
    };
    let token = format!("/webhook/PAPER1/{SECRET}");
    assert_eq!(send("/webhook".into(), plain.clone(), Some(sign(&plain))).await.status, 202);
    assert_eq!(send(token.clone(), resting("b").to_string(), None).await.status, 202);
    assert_eq!(send("/webhook/PAPER1".into(), secret(resting("c")).to_string(), None).await.status, 202);
    let whole = secret(resting("d")).to_string();
    assert_eq!(send(token.clone(), whole.clone(), Some(sign(&whole).to_lowercase())).await.status, 202);
    send(token.clone(), plain.clone(), Some(sign("other"))).await.is_problem(401, "unauthorized");
    send("/webhook/PAPER1/wrong".into(), whole.clone(), None).await.is_problem(401, "unauthorized");
    let mut wrong = resting("e");
    wrong["secret_key"] = json!("wrong");
    send(token, wrong.to_string(), None).await.is_problem(401, "unauthorized");
    send("/webhook".into(), plain, None).await.is_problem(401, "unauthorized");
    house.until("four orders", || house.orders().len() == 4).await;
    house.close().await;
}

#[actix_web::test]
async fn an_unknown_account_is_404_only_for_those_who_may_know() {
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], ..Plan::default() }).await;
    let ask = |path: &'static str, body: serde_json::Value| house.send(house.request("POST", path).json(&body));
    ask("/webhook/NOBODY", entry("a")).await.is_problem(401, "unauthorized");
    ask("/webhook/NOBODY", secret(entry("a"))).await.is_problem(404, "no_such_account");
    let several = ask("/webhook", secret(entry("a"))).await;
    several.is_problem(400, "which_account");
    assert_eq!(several.body["accounts"], json!(["PAPER1", "PAPER2"]));
    assert_eq!(ask("/webhook/PAPER2", secret(entry("a"))).await.status, 202);
    house.close().await;
}

#[actix_web::test]
async fn a_source_sends_only_for_its_accounts() {
    let only_second = |web: &mut ordergate::web::WebSettings| {
        let second = web.accounts[1].client_id.clone();
        web.sources[0].accounts = Some(vec![second]);
    };
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], web: Box::new(only_second), ..Plan::default() }).await;
    let ask = |path: &'static str| house.send(house.request("POST", path).json(&secret(entry("a"))));
    ask("/webhook/PAPER1").await.is_problem(404, "no_such_account");
    assert_eq!(ask("/webhook/PAPER2").await.status, 202);
    // Its only account needs no name, and no other one is named to it.
    let unnamed = house.send(house.request("POST", "/webhook").json(&secret(entry("b")))).await;
    assert_eq!((unnamed.status, &unnamed.body["client_id"]), (202, &json!("PAPER2")), "{:#}", unnamed.body);
    house.close().await;
}

#[actix_web::test]
async fn who_must_name_an_account_is_told_its_own_alone() {
    let two_of_three = |web: &mut ordergate::web::WebSettings| {
        let own: Vec<_> = web.accounts[1..].iter().map(|account| account.client_id.clone()).collect();
        web.sources[0].accounts = Some(own.clone());
        let scope = ordergate::web::Scope { accounts: Some(own), ..ordergate::web::Scope::default() };
        web.keys.push(ordergate::web::ApiKey { scope, ..ordergate::web::ApiKey::new("two", "a-key-of-two".into()) });
    };
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2", "PAPER3"], web: Box::new(two_of_three), ..Plan::default() }).await;
    let by_key = |path: &'static str| house.request("POST", path).bearer_auth("a-key-of-two");
    let exit = json!({ "symbol": "SBIN-EQ" });
    for request in [
        house.request("POST", "/webhook").json(&secret(entry("a"))),
        by_key("/dashboard/explain").json(&entry("a")),
        by_key("/dashboard/positions/exit").json(&exit),
        house.request("POST", "/api/v1/funds").json(&json!({ "apikey": "a-key-of-two" })),
    ] {
        let reply = house.send(request).await;
        let words = reply.body.to_string();
        assert!(words.contains("PAPER2") && words.contains("PAPER3") && !words.contains("PAPER1"), "{words}");
    }
    house.close().await;
}

#[actix_web::test]
async fn no_secret_reaches_a_row_or_an_answer() {
    let house = House::open().await;
    let mut body = secret(entry("a"));
    body["legs"][0]["secret_key"] = json!(SECRET);
    let taken = house.alert(body).await;
    assert_eq!(taken.status, 202);
    house.alert(json!({"secret_key": SECRET, "legs": []})).await.is_problem(400, "unknown_shape");
    let broken = house
        .request("POST", &format!("/webhook/PAPER1/{SECRET}"))
        .body(format!("{{\"secret_key\":\"{SECRET}\","))
        .header("content-type", "application/json");
    let broken = house.send(broken).await;
    broken.is_problem(400, "not_json");
    house.until_ended().await;
    let mut seen = format!("{}{}", taken.body, broken.body);
    for chain in [None, Some(house.client())] {
        seen += &format!("{:?}", house.events(chain.as_ref()).await);
    }
    let detail = house.get(taken.order(0)["status_url"].as_str().unwrap()).await;
    seen += &detail.body.to_string();
    assert!(seen.contains("SIGNAL_REFUSED") && !seen.contains(SECRET) && !seen.contains(KEY), "{seen}");
    house.close().await;
}

/// Wherever a source's secret stands in the open, it would be stored with the order.
#[actix_web::test]
async fn a_secret_outside_of_its_field_is_refused_and_never_stored() {
    const QUOTED: &str = "quo\"ted\\secret";
    let also_quoted = |web: &mut ordergate::web::WebSettings| {
        web.sources[0].previous = Some(secrecy::SecretString::from(QUOTED));
    };
    let house = House::with(Plan { web: Box::new(also_quoted), ..Plan::default() }).await;
    for leaked in [SECRET, QUOTED] {
        for field in ["strategy_name", "comment", "something_else", "idempotency_key"] {
            let mut body = secret(entry("a"));
            body[field] = json!(format!("it is {leaked}"));
            let refused = house.alert(body).await;
            refused.is_problem(400, "secret_in_the_open");
            assert!(!refused.body.to_string().contains(leaked), "{field}: {}", refused.body);
        }
        let mut leg = secret(entry("a"));
        leg["legs"][0]["tradingsymbol"] = json!(leaked);
        house.alert(leg).await.is_problem(400, "secret_in_the_open");
        let in_a_header = house.request("POST", "/webhook").header("Idempotency-Key", leaked).json(&secret(entry("a")));
        house.send(in_a_header).await.is_problem(400, "secret_in_the_open");
    }
    assert!(house.orders().is_empty());
    let rows = format!("{:?}", house.events(Some(&house.client())).await);
    assert_eq!(rows.matches("(\"SIGNAL_REFUSED\"").count(), 12, "{rows}");
    assert!(!rows.contains(SECRET) && !rows.contains("quo\\"), "however it is quoted: {rows}");
    house.close().await;
}

#[actix_web::test]
async fn a_stranger_leaves_no_row() {
    let house = House::open().await;
    let before = house.events(Some(&house.client())).await.len();
    house.send(house.request("POST", "/webhook").json(&entry("a"))).await.is_problem(401, "unauthorized");
    house.send(house.request("POST", "/webhook").body("{")).await.is_problem(401, "unauthorized");
    assert!(house.orders().is_empty());
    assert_eq!(house.events(Some(&house.client())).await.len(), before);
    house.close().await;
}
