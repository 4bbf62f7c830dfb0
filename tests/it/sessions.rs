//! People at the dashboard: how they log in, what their session may do, and how it ends.

use chrono::{DateTime, TimeDelta, Utc};
use ordergate::access::{AccessSettings, Enrolment, Ranges, draw_link, set_password};
use ordergate::web::{ApiKey, Guard, ROUTES, Rights, Scope, WebSettings};
use ordergate_actors::ports::Clock;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::support::{House, KEY, Plan, Reply, entry, secret};

const PASSWORD: &str = "correct horse battery";

/// The cookie that an answer sets, as a browser sends it back.
fn cookie(reply: &Reply) -> String {
    let line = reply.headers["set-cookie"].to_str().unwrap();
    assert!(line.contains("; HttpOnly") && line.contains("; SameSite=Strict") && line.contains("; Path=/"), "{line}");
    line.split(';').next().unwrap().to_owned()
}

async fn log_in(house: &House, body: Value) -> Reply {
    house.send(house.request("POST", "/dashboard/session").json(&body)).await
}

async fn by_link(house: &House) -> Reply {
    let token = draw_link(house.directory.path(), house.clock.now(), TimeDelta::hours(1)).unwrap();
    let opened = log_in(house, json!({ "token": token.expose_secret() })).await;
    assert_eq!(opened.status, 200, "{:#}", opened.body);
    log_in(house, json!({ "token": token.expose_secret() })).await.is_problem(401, "unauthorized");
    opened
}

fn with(house: &House, method: &str, path: &str, cookie: &str) -> reqwest::RequestBuilder {
    house.request(method, path).header("cookie", cookie)
}

fn from_our_page(house: &House, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request.header("origin", format!("http://{}", house.address))
}

#[actix_web::test]
async fn a_link_opens_once_and_what_changes_something_comes_from_our_page() {
    let house = House::open().await;
    let opened = by_link(&house).await;
    assert_eq!((&opened.body["user"], &opened.body["scopes"]), (&json!("owner"), &json!(["read", "trade", "control"])));
    assert!(opened.body["expires_at"].as_str().is_some_and(|text| text.parse::<DateTime<Utc>>().is_ok()));
    let cookie = cookie(&opened);
    let book = house.send(with(&house, "GET", "/dashboard/orderbook", &cookie)).await;
    assert_eq!(
        (book.status, &book.headers["cache-control"], &book.headers["x-content-type-options"]),
        (200, &"no-store".parse().unwrap(), &"nosniff".parse().unwrap())
    );
    let shown = house.send(with(&house, "GET", "/dashboard/session", &cookie)).await;
    assert_eq!((shown.status, &shown.body["user"], &shown.body["id"]), (200, &json!("owner"), &opened.body["id"]));

    let kill = || with(&house, "POST", "/dashboard/kill", &cookie).json(&json!({ "level": 1, "reason": "drill" }));
    house.send(kill()).await.is_problem(403, "cross_origin");
    house.send(kill().header("origin", "https://evil.example")).await.is_problem(403, "cross_origin");
    house.send(from_our_page(&house, kill()).header("sec-fetch-site", "cross-site")).await.is_problem(403, "cross_origin");
    assert!(!house.events(Some(&house.client())).await.iter().any(|(_, text)| text.contains("drill")), "nothing was changed");
    let done = house.send(from_our_page(&house, kill())).await;
    assert_eq!((done.status, &done.body["who"]), (200, &json!("owner from 127.0.0.1")), "{:#}", done.body);
    assert_eq!(house.send(kill().header("sec-fetch-site", "same-origin")).await.status, 200);
    let rows = house.events(Some(&house.client())).await;
    assert!(rows.iter().any(|(_, text)| text.contains("drill") && text.contains("owner from 127.0.0.1")), "{rows:#?}");

    // A key that is wrong is not helped by a cookie that is right, and two cookies are none.
    house.send(with(&house, "GET", "/dashboard/orderbook", &cookie).bearer_auth("wrong")).await.is_problem(401, "unauthorized");
    house.send(with(&house, "GET", "/dashboard/orderbook", &format!("{cookie}; og_session=x"))).await.is_problem(401, "unauthorized");
    house.close().await;
}

#[actix_web::test]
async fn a_session_outlives_a_restart_and_ends_when_somebody_ends_it() {
    let house = House::open().await;
    let (first, second) = (by_link(&house).await, log_in(&house, json!({ "key": KEY })).await);
    assert_eq!((second.status, &second.body["user"]), (200, &json!("asha")));
    let (mine, other) = (cookie(&first), cookie(&second));
    let house = House::with(Plan { after: Some(house.close().await), ..Plan::default() }).await;
    let list = house.send(with(&house, "GET", "/dashboard/sessions", &mine)).await;
    let rows = list.body["sessions"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{:#}", list.body);
    assert!(rows.iter().any(|row| row["by"] == "key asha" && row["is_this"] == false && row["from"] == "127.0.0.1"));
    assert!(!list.body.to_string().contains(mine.split('=').nth(1).unwrap()), "no token is told");
    let id = second.body["id"].as_str().unwrap();
    let end = |id: &str| from_our_page(&house, with(&house, "DELETE", &format!("/dashboard/sessions/{id}"), &mine));
    assert_eq!(house.send(end(id)).await.status, 200);
    house.send(end(id)).await.is_problem(404, "no_such_session");
    house.send(with(&house, "GET", "/dashboard/orderbook", &other)).await.is_problem(401, "unauthorized");
    let out = house.send(from_our_page(&house, with(&house, "DELETE", "/dashboard/session", &mine))).await;
    assert!(out.status == 200 && out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    house.send(with(&house, "GET", "/dashboard/session", &mine)).await.is_problem(401, "unauthorized");
    let told: Vec<String> = house
        .events(None)
        .await
        .into_iter()
        .map(|(event, _)| event)
        .filter(|event| event.contains("SIGNED") || event.contains("SESSION"))
        .collect();
    assert_eq!(told, ["SIGNED_IN", "SIGNED_IN", "SESSION_ENDED", "SIGNED_OUT"]);
    house.close().await;
}

#[actix_web::test]
async fn a_password_wants_its_code_and_wrong_ones_make_the_address_wait() {
    let house = House::with(Plan { access: AccessSettings { free_tries: 2, ..AccessSettings::default() }, ..Plan::default() }).await;
    log_in(&house, json!({ "password": PASSWORD })).await.is_problem(401, "unauthorized");
    let codes = Enrolment::draw().unwrap();
    set_password(house.directory.path(), &SecretString::from(PASSWORD), Some(&codes), house.clock.now()).unwrap();
    log_in(&house, json!({ "password": PASSWORD })).await.is_problem(401, "totp_wanted");
    let totp = Builder::new().with_secret(Secret::try_from_base32(codes.secret()).unwrap()).build_noncompliant();
    let code = totp.generate(u64::try_from(house.clock.now().timestamp()).unwrap()).to_string();
    let opened = log_in(&house, json!({ "password": PASSWORD, "totp": code })).await;
    assert_eq!((opened.status, &opened.body["user"]), (200, &json!("owner")), "{:#}", opened.body);
    // The code was taken. Each wait is twice the one before: sooner or later the next try comes too early, however slow this machine is.
    let mut waits = log_in(&house, json!({ "password": PASSWORD, "totp": code })).await;
    for _ in 0..20 {
        if waits.status == 429 {
            break;
        }
        waits.is_problem(401, "unauthorized");
        waits = log_in(&house, json!({ "password": PASSWORD, "totp": code })).await;
    }
    waits.is_problem(429, "too_many_logins");
    assert!(waits.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(house.get("/dashboard/orderbook").await.status, 200, "keys of programs do not wait");
    house.close().await;
}

#[actix_web::test]
async fn a_login_is_one_proof_from_no_other_site() {
    let house = House::open().await;
    let foreign = house.request("POST", "/dashboard/session").header("origin", "https://evil.example").json(&json!({ "key": KEY }));
    house.send(foreign).await.is_problem(403, "cross_origin");
    log_in(&house, json!({ "key": KEY, "password": PASSWORD })).await.is_problem(400, "bad_request");
    log_in(&house, json!({ "key": "wrong" })).await.is_problem(401, "unauthorized");
    log_in(&house, json!({ "user": "owner" })).await.is_problem(400, "bad_request");
    let text = house.send(house.request("POST", "/dashboard/session").body(format!("{{\"key\": \"{KEY}\""))).await;
    text.is_problem(400, "not_json");
    assert!(!text.body.to_string().contains(KEY));
    house.close().await;
}

/// Over TLS the cookie stays on TLS, and a page is ours at the public address and at that of the dashboard.
#[actix_web::test]
async fn behind_tls_the_cookie_is_secure_and_the_page_of_the_proxy_is_ours() {
    let proxied = |web: &mut WebSettings| {
        web.public_url = Some("https://trade.example.com".to_owned());
        web.dashboard_url = Some("https://10.8.0.1:8443".to_owned());
    };
    let house = House::with(Plan { web: Box::new(proxied), ..Plan::default() }).await;
    let plain = log_in(&house, json!({ "key": KEY })).await;
    assert!(!plain.headers["set-cookie"].to_str().unwrap().contains("Secure"));
    for host in ["trade.example.com", "10.8.0.1:8443"] {
        let origin = format!("https://{host}");
        let request = house.request("POST", "/dashboard/session").header("host", host).header("origin", &origin);
        let opened = house.send(request.json(&json!({ "key": KEY }))).await;
        assert!(opened.status == 200 && opened.headers["set-cookie"].to_str().unwrap().ends_with("; Secure"), "{:#}", opened.body);
        // A proxy that names another host.
        let kill = with(&house, "POST", "/dashboard/kill", &cookie(&opened)).header("origin", &origin);
        assert_eq!(house.send(kill.json(&json!({ "level": 0, "reason": "drill" }))).await.status, 200);
    }
    house.close().await;
}

fn scoped(web: &mut WebSettings) {
    let scoped =
        |name: &str, rights| ApiKey { scope: Scope { rights, ..Scope::default() }, ..ApiKey::new(name, format!("key-of-{name}").into()) };
    web.keys.push(scoped("reader", Rights { read: true, ..Rights::NONE }));
    web.keys.push(scoped("trader", Rights { trade: true, ..Rights::NONE }));
    web.keys.push(scoped("warden", Rights { control: true, ..Rights::NONE }));
}

#[actix_web::test]
async fn a_scope_is_what_its_key_and_its_session_may_do() {
    let house = House::with(Plan { web: Box::new(scoped), ..Plan::default() }).await;
    let order = json!({ "execution_type": "ENTRY", "strategy": "a", "exchange": "NSE", "symbol": "SBIN-EQ", "side": "BUY", "quantity": 1,
        "product": "MIS", "order_type": "LIMIT", "price": "790" });
    let kill = json!({ "level": 0, "reason": "drill" });
    for (name, scopes, book, risk, place, stop) in [
        ("reader", json!(["read"]), 200, 200, 403, 403),
        ("trader", json!(["trade"]), 200, 403, 202, 403),
        ("warden", json!(["control"]), 403, 403, 403, 200),
    ] {
        let opened = log_in(&house, json!({ "key": format!("key-of-{name}") })).await;
        assert_eq!((opened.status, &opened.body["scopes"]), (200, &scopes), "{name}");
        let cookie = cookie(&opened);
        for is_session in [false, true] {
            let ask = |method: &str, path: &str, body: Option<&Value>| {
                let request = house.request(method, path);
                let request = if is_session {
                    from_our_page(&house, request.header("cookie", &cookie))
                } else {
                    request.bearer_auth(format!("key-of-{name}"))
                };
                house.send(match body {
                    Some(body) => request.json(body),
                    None => request,
                })
            };
            let seen = (
                ask("GET", "/dashboard/orderbook", None).await.status,
                ask("GET", "/dashboard/risk", None).await.status,
                ask("POST", "/dashboard/intent/generic", Some(&order)).await.status,
                ask("POST", "/dashboard/kill", Some(&kill)).await.status,
            );
            assert_eq!(seen, (book, risk, place, stop), "{name}, session: {is_session}");
        }
    }
    house.close().await;
}

/// A letter of a path may be written as its code, and the router reads it as the letter.
#[actix_web::test]
async fn no_way_of_writing_a_path_leads_past_a_scope() {
    let house = House::with(Plan { web: Box::new(scoped), ..Plan::default() }).await;
    let mut refused = 0;
    for route in ROUTES.iter().filter(|route| matches!(route.guard, Guard::Key | Guard::Trade)) {
        let plain = route.path.replace("{client_id}", "PAPER1").replace("{command_id}", "00000000-0000-0000-0000-000000000001");
        let plain = plain.replace("{id}", "1").replace("{token}", "x");
        let place = plain.rfind(|c: char| c.is_ascii_alphabetic()).unwrap();
        let code = |upper: bool| {
            let byte = plain.as_bytes()[place];
            let code = if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
            format!("{}{code}{}", &plain[..place], &plain[place + 1..])
        };
        for name in ["reader", "trader", "warden"] {
            let ask = |path: &str| house.send(house.request(route.method, path).bearer_auth(format!("key-of-{name}")).json(&json!({})));
            if route.path == "/dashboard/events" || ask(&plain).await.status != 403 {
                continue;
            }
            refused += 1;
            for written in [code(true), code(false)] {
                let reply = ask(&written).await;
                assert_eq!(reply.status, 403, "{name} {} {written}: {:#}", route.method, reply.body);
            }
        }
    }
    assert!(refused > 100, "{refused}");
    let reader = |method: &str, path: &str| house.send(house.request(method, path).bearer_auth("key-of-reader"));
    reader("GET", "/dashboard/order%62ook").await.body["system_orders"].as_array().unwrap();
    reader("PATCH", "/dashboard/k%69ll").await.is_problem(405, "method_not_allowed");
    reader("POST", "/dashboard/k%2569ll").await.is_problem(404, "no_such_route");
    reader("POST", "/dashboard//kill").await.is_problem(404, "no_such_route");
    reader("POST", "/dashboard/kill/").await.is_problem(404, "no_such_route");
    house.close().await;
}

#[actix_web::test]
async fn a_key_and_a_source_come_only_from_their_addresses() {
    let from_there = |web: &mut WebSettings| {
        web.trusted_proxies = Ranges::parse("127.0.0.1").unwrap();
        web.keys[0].addresses = Ranges::parse("203.0.113.0/24").unwrap();
        web.sources[0].addresses = Ranges::parse("tradingview").unwrap();
    };
    let house = House::with(Plan { web: Box::new(from_there), ..Plan::default() }).await;
    house.get("/dashboard/orderbook").await.is_problem(403, "not_from_here");
    log_in(&house, json!({ "key": KEY })).await.is_problem(403, "not_from_here");
    let through = |request: reqwest::RequestBuilder, from: &str| house.send(request.header("x-forwarded-for", from.to_owned()));
    let acked = through(
        house.request("POST", "/dashboard/kill").bearer_auth(KEY).json(&json!({ "level": 0, "reason": "x" })),
        "1.1.1.1, 203.0.113.9",
    )
    .await;
    assert_eq!((acked.status, &acked.body["who"]), (200, &json!("asha from 203.0.113.9")), "{:#}", acked.body);
    through(house.request("GET", "/dashboard/orderbook").bearer_auth(KEY), "203.0.113.9, 198.51.100.1")
        .await
        .is_problem(403, "not_from_here");

    let alert = || house.request("POST", "/webhook").json(&secret(entry("a")));
    house.send(alert()).await.is_problem(403, "not_from_here");
    through(alert(), "52.89.214.239").await.is_problem(403, "not_from_here");
    assert_eq!(through(alert(), "52.89.214.238").await.status, 202);
    assert_eq!(house.orders().len(), 1);
    house.close().await;
}

/// A proxy on this machine that nobody named hides who comes: it must not count as this machine.
#[actix_web::test]
async fn behind_a_proxy_that_is_not_named_nobody_is_on_a_list() {
    let only_here = |web: &mut WebSettings| web.keys[0].addresses = Ranges::parse("127.0.0.0/8").unwrap();
    let house = House::with(Plan { web: Box::new(only_here), ..Plan::default() }).await;
    assert_eq!(house.get("/dashboard/orderbook").await.status, 200);
    let forwarded = house.request("GET", "/dashboard/orderbook").bearer_auth(KEY).header("x-forwarded-for", "127.0.0.1");
    house.send(forwarded).await.is_problem(403, "not_from_here");
    house.close().await;
}
