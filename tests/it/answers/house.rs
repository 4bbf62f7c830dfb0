//! A house whose answers are held against the description: what it has, how it is read, and what it must have done.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveTime;
use ordergate::readiness::Site;
use ordergate::schedule::Scheduled;
use ordergate::web::{ApiKey, ROUTES, Scope};
use ordergate_actors::order::{Amount, ClientId, Exchange, Strategy};
use ordergate_actors::ports::Funds;
use ordergate_actors::testkit::{ManualClock, morning, until_found};
use serde_json::Value;

use super::{ALL, ELSEWHERE, names};
use crate::alerts::{Server, end, start};
use crate::pnl::with_charges;
use crate::support::described::Met;
use crate::support::{House, Plan, Reply, entry};

/// A key for one strategy of one account.
pub(super) const BOT: &str = "a-key-of-a-strategy";

/// The reads that every house with a day answers.
fn reads_of_a_day() -> impl Iterator<Item = String> {
    names().filter(|name| name.starts_with("GET ") && !ELSEWHERE.contains(&name.as_str()) && !ALL.concat().contains(&name.as_str()))
}

/// Fails unless the house has done each of these.
#[track_caller]
pub(super) fn has_done(house: &House, wanted: impl Iterator<Item = String>) {
    let answers = house.met().answers;
    let undone: Vec<String> = wanted.filter(|name| !answers.iter().any(|(route, status)| route == name && *status < 400)).collect();
    assert!(undone.is_empty(), "nothing was done by {undone:?}");
}

#[track_caller]
pub(super) fn done(reply: &Reply) -> &Value {
    assert!(reply.status < 300, "{}: {:#}", reply.status, reply.body);
    &reply.body
}

/// Asks until it is so.
pub(super) async fn until(house: &House, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let look = async || {
        let reply = house.get(path).await;
        if reply.status == 200 && is_so(&reply.body) { Ok(reply.body) } else { Err(format!("{:#}", reply.body)) }
    };
    until_found(path, look).await
}

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
        "/dashboard/connect/message" => format!("{path}?route=chart&sender=tradingview"),
        _ => path.to_owned(),
    }
}

/// Every read; what is not done is as described, too.
pub(super) async fn reads(house: &House) {
    let skipped = |path: &str| ELSEWHERE.contains(&format!("GET {path}").as_str()) || path == "/broker/callback/{client_id}";
    for route in ROUTES.iter().filter(|route| route.method == "GET" && !skipped(route.path)) {
        house.get(&address(house, route.path)).await;
    }
}

/// A house with channels, charges, a schedule and money, in which a day goes by.
pub(super) async fn with_a_day(calls: &[&str], day: impl AsyncFnOnce(&House)) -> Met {
    let (server, here, clock) = (Server::open(), tempfile::tempdir().unwrap(), ManualClock::at(morning()));
    let alerting = start(here.path(), &format!("[alerts]\nwebhook_url = {:?}\nquiet = \"22:00-07:00\"\n", server.url("/hook")), &clock);
    let Plan { site, .. } = with_charges(Some("zero"));
    let site = Site { alerts: Some(alerting.clone()), directory: here.path().to_owned(), ..Arc::into_inner(site).unwrap() };
    let scheduled = Scheduled {
        name: "morning".to_owned(),
        client_id: ClientId::parse("PAPER1").unwrap(),
        at: NaiveTime::from_hms_opt(10, 0, 0).unwrap(),
        grace: Duration::from_secs(600),
        exchange: Exchange::Nse,
        alert: entry("morning").to_string(),
    };
    let scope = Scope {
        accounts: Some(vec![ClientId::parse("PAPER1").unwrap()]),
        strategies: Some(vec![Strategy::parse("trend").unwrap()]),
        ..Scope::default()
    };
    let bot = ApiKey { scope, ..ApiKey::new("bot", BOT.into()) };
    let web = Box::new(move |web: &mut ordergate::web::WebSettings| {
        web.schedule = vec![scheduled];
        web.keys.push(bot);
    });
    let house = House::with(Plan { alerts: Some(alerting.clone()), site: Arc::new(site), web, ..Plan::default() }).await.described();
    ordergate::web::scheduled::look(&house.state, &house.state.settings.schedule[0]).await;
    let rupees = Amount(rust_decimal::Decimal::from(1_000_000_000));
    house.brokers[&house.client()].show_funds(Funds { cash: rupees, margin_used: Amount::ZERO, available: rupees });
    until(&house, "/dashboard/funds", |found| found["accounts"][0]["funds"].is_object()).await;
    until(&house, "/dashboard/holdings", |found| found["accounts"][0]["holdings"].is_array()).await;
    day(&house).await;
    reads(&house).await;
    has_done(&house, calls.iter().map(|name| (*name).to_owned()).chain(reads_of_a_day()));
    let met = house.met();
    end(&alerting).await;
    house.close().await;
    met
}
