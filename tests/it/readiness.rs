//! The report of the morning is pushed once, also across a restart.

use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, web};
use ordergate::alerts::{self, Alerts};
use ordergate::brokers::connection::Connection;
use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan};
use ordergate::config::Config;
use ordergate::readiness::{Site, watch};
use ordergate::secrets::Secrets;
use ordergate_actors::order::ClientId;
use ordergate_actors::ports::Session;
use ordergate_actors::testkit::{ManualClock, morning, until};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::arming::Scripted;
use crate::support::{House, Plan, entry};

type Got = Arc<Mutex<Vec<Value>>>;

/// A phone that keeps what it gets, and the way to it.
fn phone(directory: &std::path::Path) -> (Alerts, Got) {
    let got = Got::default();
    let kept = Arc::clone(&got);
    let server = HttpServer::new(move || {
        let kept = Arc::clone(&kept);
        App::new().default_service(web::to(move |body: web::Json<Value>| {
            kept.lock().push(body.into_inner());
            async { HttpResponse::Ok().finish() }
        }))
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .unwrap();
    let env = [
        ("ORDERGATE__ALERTS__WEBHOOK_URL", format!("http://{}/hook", server.addrs()[0])),
        ("ORDERGATE__STORAGE__DIRECTORY", directory.display().to_string()),
        ("ORDERGATE__API__KEY", "a-key-nobody-may-see".to_owned()),
        ("ORDERGATE__WEBHOOK__SECRET", "a-secret-nobody-may-see".to_owned()),
    ];
    actix_web::rt::spawn(server.run());
    let config = Config::load(None, env.map(|(name, value)| (name.to_owned(), value))).unwrap();
    let secrets = Secrets::load_or_draw(&config).unwrap();
    (alerts::start(&config, &secrets, ManualClock::at(morning())).unwrap().unwrap(), got)
}

async fn house(accounts: Vec<&'static str>, alerts: &Alerts, after: Option<tempfile::TempDir>) -> (House, tokio::task::JoinHandle<()>) {
    let site = Arc::new(Site { alerts: Some(alerts.clone()), ..Site::default() });
    let house = House::with(Plan { accounts, site: Arc::clone(&site), after, ..Plan::default() }).await;
    house.post("/dashboard/kill", json!({ "client_id": "RED", "level": 1, "reason": "stop" })).await;
    let watching = actix_web::rt::spawn(watch(house.engine.clone(), site));
    (house, watching)
}

/// Waits until the phone has the report of an account.
async fn until_pushed(got: &Got, account: &str) {
    until(&format!("the report of {account} is pushed"), || count(got, account) > 0).await;
}

fn count(got: &Got, account: &str) -> usize {
    got.lock().iter().filter(|alert| alert["client_id"] == account && alert["event"].as_str().unwrap().starts_with("READINESS")).count()
}

#[actix_web::test]
async fn a_restart_pushes_neither_what_was_green_nor_what_was_dismissed() {
    let directory = tempfile::tempdir().unwrap();
    let (alerts, got) = phone(directory.path());
    let (first, watching) = house(vec!["GREEN", "RED"], &alerts, None).await;
    until_pushed(&got, "GREEN").await;
    until_pushed(&got, "RED").await;
    assert_eq!(first.post("/dashboard/readiness/dismiss", json!({ "client_id": "RED", "reason": "heard" })).await.status, 200);
    let journal = async |account: &str| first.events(Some(&ordergate_actors::order::ClientId::parse(account).unwrap())).await;
    let pushed = journal("GREEN").await;
    assert!(pushed.iter().any(|(event, words)| event == "READINESS_REPORT" && words.contains("GO")), "{pushed:?}");
    let dismissed = journal("RED").await;
    assert!(dismissed.iter().any(|(event, words)| event == "READINESS_DISMISSED" && words.contains("heard")), "{dismissed:?}");
    watching.abort();
    let left = first.close().await;

    // An account that was not there before shows that the second process does push.
    let (second, watching) = house(vec!["GREEN", "NEW", "RED"], &alerts, Some(left)).await;
    until_pushed(&got, "NEW").await;
    watching.abort();
    assert_eq!((count(&got, "GREEN"), count(&got, "RED"), count(&got, "NEW")), (1, 1, 1), "{:#?}", got.lock());
    second.close().await;
}

/// A session that ends at eleven, after a report that said GO, where a person signs in: the link comes then, and not the next morning.
#[actix_web::test]
async fn a_session_that_ends_in_the_middle_of_the_day_sends_the_link_when_it_happens() {
    let directory = tempfile::tempdir().unwrap();
    let (alerts, got) = phone(directory.path());
    let scripted = Arc::new(Scripted::logged_in());
    let connection: Arc<dyn Connection> = Arc::clone(&scripted) as _;
    let connections = [(ClientId::parse("PAPER1").unwrap(), connection)].into();
    let base_url = Some("http://gate.test".to_owned());
    let site = Arc::new(Site { alerts: Some(alerts.clone()), connections, base_url, ..Site::default() });
    let house = House::with(Plan { site: Arc::clone(&site), ..Plan::default() }).await;
    house.alert(entry("held")).await;
    house.until_held("held", 10).await;
    let watching = actix_web::rt::spawn(watch(house.engine.clone(), site));
    until_pushed(&got, "PAPER1").await;
    assert_eq!(got.lock()[0]["event"], "READINESS GO", "{:#?}", got.lock());

    *scripted.is_in.lock() = false;
    let lost = FaultPlan::none().always(CallKind::Session, Fault::NoSession("Session Expired".to_owned()));
    house.brokers[&house.client()].replan(lost);
    let desk = house.engine.line().desks().next().unwrap();
    house.until("the session is lost", || !matches!(desk.findings.read().session, Some(Session::Ready))).await;
    let asked = || got.lock().iter().find(|alert| alert["event"] == "LOGIN NEEDED").cloned();
    let mut looks = 0_u32;
    until("the link comes", || {
        // The grace goes by, in steps: it begins with the first look of the watch.
        looks += 1;
        if looks.is_multiple_of(100) {
            house.clock.jump(chrono::Duration::seconds(31));
        }
        asked().is_some()
    })
    .await;
    watching.abort();
    let asked = asked().unwrap();
    let text = asked["text"].as_str().unwrap();
    assert_eq!((&asked["level"], &asked["client_id"]), (&json!("PAGE"), &json!("PAPER1")));
    assert!(text.starts_with("no broker session: Session Expired\n1 positions are open and their exits wait"), "{text}");
    let (_, path) = text.split_once("log in: http://gate.test").unwrap_or_else(|| panic!("{text}"));
    assert!(path.starts_with("/broker/login/PAPER1?ticket="), "{path}");
    assert_eq!(house.send(house.request("GET", path)).await.status, 200, "it is good");
    let journal = house.events(Some(&house.client())).await;
    let (_, ticket) = path.split_once('=').unwrap();
    assert!(!journal.iter().any(|(_, words)| words.contains(ticket)), "a ticket is a secret");
    assert!(
        journal.iter().any(|(event, words)| event == "ALARM_POSITIONS_WITHOUT_SESSION" && words.contains("LOGIN NEEDED")),
        "{journal:?}"
    );
    house.close().await;
}
