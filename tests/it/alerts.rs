//! What reaches a phone, over real HTTP: servers on this machine stand in for the webhook, for Telegram and for the service that
//! listens for signs of life.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use ordergate::alerts::{self, Alerts};
use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::config::{Config, Heartbeat};
use ordergate::readiness::Site;
use ordergate::secrets::Secrets;
use ordergate::web::phone::{Phone, listen};
use ordergate::web::pulse::keep_beating;
use ordergate::web::summaries;
use ordergate_actors::persistence::Level;
use ordergate_actors::ports::{Query, Rows};
use ordergate_actors::testkit::{ManualClock, morning, until};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::{House, Plan, entry};

/// A server that keeps what it is sent.
#[derive(Clone)]
pub(crate) struct Server {
    address: std::net::SocketAddr,
    pub(crate) got: Arc<Mutex<Vec<(String, Value)>>>,
    is_down: Arc<AtomicBool>,
    pub(crate) calls: Arc<AtomicUsize>,
    /// What people say to the bot.
    pub(crate) updates: Arc<Mutex<Updates>>,
}

/// What a bot is told, as Telegram does it: again, until a later request confirms it by its offset. An answer that went to a connection
/// nobody reads any more is so not lost.
#[derive(Default)]
pub(crate) struct Updates {
    waiting: VecDeque<Value>,
    told: VecDeque<Value>,
    /// How many were asked for at one time, each time.
    pub(crate) limits: Vec<u64>,
}

impl Updates {
    pub(crate) fn say(&mut self, updates: impl IntoIterator<Item = Value>) {
        self.waiting.extend(updates);
    }

    pub(crate) fn are_confirmed(&self) -> bool {
        self.waiting.is_empty() && self.told.is_empty()
    }

    /// What a request for so many from an offset on is answered with.
    fn told(&mut self, asked: &Value) -> Vec<Value> {
        let limit = asked["limit"].as_u64().unwrap();
        self.limits.push(limit);
        let is_open = |update: &Value| asked["offset"].as_i64().is_none_or(|offset| update["update_id"].as_i64() >= Some(offset));
        self.told.retain(is_open);
        let limit = usize::try_from(limit).unwrap();
        // What was not told this time waits: an offset confirms what was told alone.
        while self.told.len() > limit
            && let Some(last) = self.told.pop_back()
        {
            self.waiting.push_front(last);
        }
        while self.told.len() < limit
            && let Some(next) = self.waiting.pop_front()
        {
            self.told.push_back(next);
        }
        self.told.iter().cloned().collect()
    }
}

impl Server {
    pub(crate) fn open() -> Self {
        let (got, is_down, calls) = (Arc::default(), Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let updates = Arc::<Mutex<Updates>>::default();
        let kept: Arc<Mutex<Vec<(String, Value)>>> = Arc::clone(&got);
        let shared = (Arc::clone(&is_down), Arc::clone(&calls), Arc::clone(&updates));
        let server = HttpServer::new(move || {
            let (kept, (is_down, calls, updates)) = (Arc::clone(&kept), shared.clone());
            App::new().default_service(web::to(move |request: HttpRequest, body: web::Bytes| {
                let path = request.path().to_owned();
                let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
                calls.fetch_add(1, Ordering::SeqCst);
                let answer = if is_down.load(Ordering::SeqCst) {
                    HttpResponse::ServiceUnavailable().finish()
                } else if path.ends_with("/getUpdates") {
                    let result = updates.lock().told(&asked);
                    HttpResponse::Ok().json(json!({ "ok": true, "result": result }))
                } else {
                    kept.lock().push((path, asked));
                    HttpResponse::Ok().json(json!({ "ok": true }))
                };
                async move { answer }
            }))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        Self { address, got, is_down, calls, updates }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.got.lock().iter().map(|(_, body)| body["text"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn of_event(&self, event: &str) -> Vec<Value> {
        self.got.lock().iter().map(|(_, body)| body.clone()).filter(|body| body["event"] == event).collect()
    }
}

/// The settings, beside the directory and the secrets.
fn config(directory: &Path, toml: &str) -> Config {
    let file = directory.join("settings.toml");
    std::fs::write(&file, toml).unwrap();
    let env = [
        ("ORDERGATE__STORAGE__DIRECTORY", directory.display().to_string()),
        ("ORDERGATE__API__KEY", "a-key-nobody-may-see".to_owned()),
        ("ORDERGATE__WEBHOOK__SECRET", "a-secret-nobody-may-see".to_owned()),
    ];
    Config::load(Some(&file), env.map(|(name, value)| (name.to_owned(), value))).unwrap()
}

pub(crate) fn start(directory: &Path, toml: &str, clock: &Arc<ManualClock>) -> Alerts {
    let config = config(directory, toml);
    let secrets = Secrets::load_or_draw(&config).unwrap();
    alerts::start(&config, &secrets, clock.clone()).unwrap().unwrap()
}

async fn house(alerts: &Alerts, after: Option<tempfile::TempDir>) -> House {
    House::with(Plan { alerts: Some(alerts.clone()), after, ..Plan::default() }).await
}

/// Blocks as the end of a process does, while the servers go on answering.
pub(crate) async fn end(alerts: &Alerts) {
    let alerts = alerts.clone();
    tokio::task::spawn_blocking(move || alerts.close(Duration::from_secs(20))).await.unwrap();
}

/// Raises pages and waits until they are on disk.
async fn pages(house: &House, numbers: std::ops::Range<usize>) {
    let client = house.client();
    let before = house.engine.read(&client, |book| book.seq()).unwrap();
    let wanted = before + u64::try_from(numbers.len()).unwrap();
    for number in numbers {
        house.engine.line().alarm(Some(&client), "ALARM_IN_DOUBT", Level::Page, None, format!("<{number}>"));
    }
    house.until("the pages are on disk", || house.engine.read(&client, |book| book.seq()).unwrap() >= wanted).await;
}

/// The numbers of the pages in what arrived, in order: one message may tell of several.
fn numbers(texts: &[String]) -> Vec<usize> {
    texts.iter().flat_map(|text| text.split('<').skip(1)).filter_map(|rest| rest.split('>').next()?.parse().ok()).collect()
}

#[actix_web::test]
async fn fills_and_rejections_are_told_with_the_brokers_words() {
    let (server, here, clock) = (Server::open(), tempfile::tempdir().unwrap(), ManualClock::at(morning()));
    let alerts = start(here.path(), &format!("[alerts]\nwebhook_url = {:?}\n", server.url("/hook")), &clock);
    let house = house(&alerts, None).await;
    house.alert(entry("a")).await;
    house.until_held("a", 10).await;
    until("the fill is told", || !server.of_event("FILL").is_empty()).await;
    let fill = server.of_event("FILL").remove(0);
    assert_eq!((&fill["level"], &fill["client_id"]), (&json!("INFO"), &json!("PAPER1")));
    assert_eq!(fill["text"], "BUY 10 SBIN-EQ for a: 10 at 800.5; 10 of 10 filled by now");
    assert!(fill["seq"].is_u64() && fill["command_id"].is_string(), "{fill:#}");

    house.next_fault(CallKind::Place, Fault::Refuse("margin shortfall of 12".to_owned()));
    house.alert(entry("b")).await;
    until("the rejection is told", || !server.of_event("BROKER_REJECTED").is_empty()).await;
    let rejected = server.of_event("BROKER_REJECTED").remove(0);
    assert_eq!(rejected["level"], "WARN");
    let text = rejected["text"].as_str().unwrap();
    assert!(text.starts_with("BUY 10 SBIN-EQ for b: rejected by the broker:") && text.contains("margin shortfall of 12"), "{text}");

    house.post("/dashboard/kill", json!({ "level": 1, "reason": "enough" })).await;
    until("the kill is told", || !server.of_event("CONTROL").is_empty()).await;
    let words = server.of_event("CONTROL").remove(0)["text"].as_str().unwrap().to_owned();
    assert!(words.starts_with("asha from 127.0.0.1: kill level 1 or more for the account: ") && words.contains("enough"), "{words}");
    end(&alerts).await;
    house.close().await;
}

#[actix_web::test]
async fn a_restart_in_the_middle_of_delivery_loses_no_page_and_sends_none_twice() {
    let (server, here, clock) = (Server::open(), tempfile::tempdir().unwrap(), ManualClock::at(morning()));
    let toml = format!("[alerts]\nwebhook_url = {:?}\nescalate_min = 0\n", server.url("/hook"));
    let alerts = start(here.path(), &toml, &clock);
    let first = house(&alerts, None).await;
    pages(&first, 0..3).await;
    until("three pages have arrived", || numbers(&server.texts()).len() == 3).await;
    server.is_down.store(true, Ordering::SeqCst);
    let calls = server.calls.load(Ordering::SeqCst);
    pages(&first, 3..6).await;
    until("the next one is being tried", || server.calls.load(Ordering::SeqCst) > calls).await;
    end(&alerts).await;
    // The engine goes on for a moment after its alerts have ended: what it says then is for the next process.
    pages(&first, 6..8).await;
    let left = first.close().await;

    let alerts = start(here.path(), &toml, &clock);
    let second = house(&alerts, Some(left)).await;
    server.is_down.store(false, Ordering::SeqCst);
    pages(&second, 8..9).await;
    until("all have arrived", || {
        clock.advance(chrono::Duration::minutes(1));
        numbers(&server.texts()).len() >= 9
    })
    .await;
    end(&alerts).await;
    second.close().await;
    assert_eq!(numbers(&server.texts()), (0..9).collect::<Vec<_>>(), "{:#?}", server.texts());
}

#[actix_web::test]
async fn a_channel_that_was_down_gets_everything_in_order_and_holds_up_no_other() {
    let (down, up, here, clock) = (Server::open(), Server::open(), tempfile::tempdir().unwrap(), ManualClock::at(morning()));
    let row = format!("[[alerts.channels]]\nname = \"other\"\nwebhook_url = {:?}\n", up.url("/hook"));
    let toml = format!("[alerts]\nwebhook_url = {:?}\nescalate_min = 0\nfrom = \"page\"\n{row}", down.url("/hook"));
    down.is_down.store(true, Ordering::SeqCst);
    let alerts = start(here.path(), &toml, &clock);
    let house = house(&alerts, None).await;
    // More than any queue holds.
    pages(&house, 0..400).await;
    until("the other channel has them", || numbers(&up.texts()).len() == 400).await;
    assert!(down.got.lock().is_empty() && down.calls.load(Ordering::SeqCst) > 0);
    down.is_down.store(false, Ordering::SeqCst);
    until("this one too", || {
        clock.advance(chrono::Duration::minutes(5));
        numbers(&down.texts()).len() >= 400
    })
    .await;
    for server in [&up, &down] {
        assert_eq!(numbers(&server.texts()), (0..400).collect::<Vec<_>>());
    }
    assert!(down.got.lock().len() < 100, "what waited together goes together: {}", down.got.lock().len());
    end(&alerts).await;
    house.close().await;
}

#[actix_web::test]
async fn quiet_hours_silence_everything_but_pages_and_end_with_a_sum() {
    let (server, here, clock) = (Server::open(), tempfile::tempdir().unwrap(), ManualClock::at(morning()));
    // The house's day begins at 10:00 in India.
    let toml = format!("[alerts]\nwebhook_url = {:?}\nquiet = \"09:00-10:30\"\n", server.url("/hook"));
    let alerts = start(here.path(), &toml, &clock);
    let house = house(&alerts, None).await;
    house.alert(entry("a")).await;
    house.until_held("a", 10).await;
    pages(&house, 0..1).await;
    until("the page arrives", || numbers(&server.texts()) == [0]).await;
    assert!(server.of_event("FILL").is_empty(), "{:#?}", server.texts());
    clock.advance(chrono::Duration::minutes(31));
    until("the sum arrives", || !server.of_event("QUIET HOURS").is_empty()).await;
    let sum = server.of_event("QUIET HOURS").remove(0);
    assert!(sum["text"].as_str().unwrap().contains("FILL 1"), "{sum:#}");
    end(&alerts).await;
    house.close().await;
}

#[actix_web::test]
async fn a_page_that_nobody_acknowledges_goes_up_and_an_acknowledged_one_does_not() {
    let (own, up, here, clock) = (Server::open(), Server::open(), tempfile::tempdir().unwrap(), ManualClock::at(morning()));
    let row = format!("[[alerts.channels]]\nname = \"up\"\nwebhook_url = {:?}\nescalation = true\n", up.url("/up"));
    let toml = format!("[alerts]\nwebhook_url = {:?}\nescalate_min = 10\n{row}", own.url("/hook"));
    let alerts = start(here.path(), &toml, &clock);
    let house = house(&alerts, None).await;
    pages(&house, 0..2).await;
    until("both have arrived", || numbers(&own.texts()).len() == 2).await;
    let attention = house.get("/dashboard/attention").await;
    let items = attention.body["items"].as_array().unwrap();
    let seen = items.iter().find(|item| item["text"].as_str().unwrap().contains("<0>")).unwrap();
    let path = seen["actions"][0]["path"].as_str().unwrap();
    assert_eq!(house.post(path, json!({ "reason": "seen" })).await.status, 200);
    clock.advance(chrono::Duration::minutes(11));
    until("it is said again", || numbers(&own.texts()).len() == 3).await;
    assert!(up.got.lock().is_empty(), "not yet");
    clock.advance(chrono::Duration::minutes(10));
    until("it goes up", || !up.got.lock().is_empty()).await;
    end(&alerts).await;
    house.close().await;
    assert_eq!((numbers(&own.texts()), numbers(&up.texts())), (vec![0, 1, 1], vec![1]));
    assert!(up.texts()[0].contains("nobody has acknowledged it"), "{:?}", up.texts());
}

#[actix_web::test]
async fn only_the_chats_of_the_settings_are_answered_and_nothing_is_changed_from_there() {
    let (server, house) = (Server::open(), House::open().await);
    house.alert(entry("a")).await;
    house.until_held("a", 10).await;
    let date = morning().timestamp();
    let from = |update: i64, chat: i64, text: &str| json!({ "update_id": update, "message": { "date": date, "chat": { "id": chat }, "text": text } });
    server.updates.lock().say([
        from(1, 43, "/status"),
        from(2, 42, "/kill 3"),
        from(3, 42, "/status"),
        from(4, 42, "/positions"),
        from(5, 42, "/pnl"),
        from(6, 42, "/orders@ordergate_bot"),
        from(7, 42, "/risk"),
    ]);
    let phone = Phone {
        token: "12:abc".into(),
        base: server.url(""),
        chats: vec!["42".to_owned()],
        actions: None,
        secrets: vec!["SBIN-EQ".into()],
    };
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone));
    until("the five are answered", || server.got.lock().len() >= 5).await;
    // It has asked for the next: nothing more comes.
    until("they are confirmed", || server.updates.lock().are_confirmed()).await;
    listening.abort();
    let got = server.got.lock().clone();
    assert!(got.iter().all(|(path, body)| path == "/bot12:abc/sendMessage" && body["chat_id"] == "42"), "{got:#?}");
    assert!(got.iter().all(|(_, body)| body["link_preview_options"]["is_disabled"] == true), "{got:#?}");
    let texts = server.texts();
    let begins = [
        "ordergate ",
        "PAPER1: the broker's book of 0 s ago\n[secret] MIS: 10, last",
        "PAPER1 2026-11-20: gross ",
        "PAPER1 a BUY 10 [secret]: filled",
        "PAPER1: the day stands at ",
    ];
    for (text, begin) in texts.iter().zip(begins) {
        assert!(text.starts_with(begin), "{text}");
    }
    assert!(texts.len() == 5 && texts[0].contains("PAPER1: PAPER, session READY, kill level 0, 0 open"), "{texts:#?}");
    let overview = house.get("/dashboard/overview").await;
    assert_eq!(overview.body["accounts"][0]["kill_level"], 0);
    house.close().await;
}

#[actix_web::test]
async fn the_heartbeat_says_that_it_is_well_and_that_it_is_not() {
    let (server, house) = (Server::open(), House::open().await);
    house.until("it is ready", || house.engine.line().desks().all(|desk| desk.findings.read().positions.is_some())).await;
    let heartbeat = Heartbeat { url: server.url("/ping").as_str().into(), every: Duration::from_millis(20) };
    let beating = actix_web::rt::spawn(keep_beating(house.state.clone(), heartbeat));
    let has = |path: &str| server.got.lock().iter().any(|(got, _)| got == path);
    until("it is well", || has("/ping")).await;
    house.state.journal_open.store(false, Ordering::SeqCst);
    until("it is not", || has("/ping/fail")).await;
    beating.abort();
    house.close().await;
}

#[actix_web::test]
async fn the_days_result_is_told_once_at_the_close_and_goes_to_the_phone() {
    let (server, here, clock) = (Server::open(), tempfile::tempdir().unwrap(), ManualClock::at(morning()));
    let alerts = start(here.path(), &format!("[alerts]\nwebhook_url = {:?}\n", server.url("/hook")), &clock);
    let calendar = Arc::new(ordergate::calendar::load(&ordergate::config::Calendar::default()).unwrap());
    let plan = |after| Plan { alerts: Some(alerts.clone()), calendar: Arc::clone(&calendar), after, ..Plan::default() };
    // The house's day begins at 10:00 in India: the opening was too long ago, and the close is to come.
    let house = House::with(plan(None)).await;
    house.alert(entry("a")).await;
    house.until_held("a", 10).await;
    summaries::look(&house.state).await;
    assert!(!house.events(Some(&house.client())).await.iter().any(|(event, _)| event.starts_with("PNL_AT_")));
    house.clock.jump(chrono::Duration::hours(7));
    summaries::look(&house.state).await;
    summaries::look(&house.state).await;
    let told: Vec<_> = house.events(Some(&house.client())).await.into_iter().filter(|(event, _)| event == "PNL_AT_CLOSE").collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    clock.advance(chrono::Duration::hours(7));
    until("it arrives", || !server.of_event("PNL_AT_CLOSE").is_empty()).await;
    let text = server.of_event("PNL_AT_CLOSE").remove(0)["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("the close of 2026-11-20: gross ") && text.contains("held: 10 SBIN-EQ MIS"), "{text}");
    // The row after the one that it names carries that one's hash: a tail that is cut off cannot be made anew.
    let (_, named) = text.split_once("; journal row ").unwrap();
    let (seq, hash) = named.split_once(" has hash ").unwrap();
    let Rows::Journal(rows) = house.state.engine.query(Query::JournalAfter(Some(house.client()), seq.parse().unwrap(), 1)).await.unwrap()
    else {
        panic!("no rows")
    };
    assert_eq!(hash, rows[0].prev_hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    end(&alerts).await;
    house.close().await;
}

#[actix_web::test]
async fn the_days_result_is_told_once_at_the_open_and_goes_to_telegram() {
    let (server, here, clock) = (Server::open(), tempfile::tempdir().unwrap(), ManualClock::at(morning()));
    let telegram = format!("telegram_url = {:?}\ntelegram_token = \"12:abc\"\ntelegram_chat = \"42\"\n", server.url(""));
    let alerts = start(here.path(), &format!("[alerts]\n{telegram}"), &clock);
    let calendar = Arc::new(ordergate::calendar::load(&ordergate::config::Calendar::default()).unwrap());
    let house = House::with(Plan { alerts: Some(alerts.clone()), calendar, ..Plan::default() }).await;
    house.alert(entry("a")).await;
    house.until_held("a", 10).await;
    // From Friday 10:00 in India to Monday 09:20: the market has just opened.
    let weekend = chrono::Duration::hours(71) + chrono::Duration::minutes(20);
    house.clock.jump(weekend);
    clock.advance(weekend);
    // The shell that the process runs: its first look is at once.
    let telling = actix_web::rt::spawn(summaries::keep_summaries(house.state.clone()));
    until("it arrives", || server.texts().iter().any(|text| text.contains("PNL_AT_OPEN"))).await;
    telling.abort();
    summaries::look(&house.state).await;
    let told: Vec<_> = house.events(Some(&house.client())).await.into_iter().filter(|(event, _)| event.starts_with("PNL_AT_")).collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    let got = server.got.lock().clone();
    let (path, body) = got.iter().find(|(_, body)| body["text"].as_str().unwrap_or_default().contains("PNL_AT_OPEN")).unwrap();
    assert_eq!((path.as_str(), &body["chat_id"]), ("/bot12:abc/sendMessage", &json!("42")));
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("ordergate PAPER1: PNL_AT_OPEN\nthe open of 2026-11-23: gross "), "{text}");
    assert!(text.contains("held: 10 SBIN-EQ MIS"), "{text}");
    end(&alerts).await;
    house.close().await;
}

#[actix_web::test]
async fn a_person_tests_every_channel_and_sees_how_each_stands() {
    let (server, here, clock) = (Server::open(), tempfile::tempdir().unwrap(), ManualClock::at(morning()));
    let alerts = start(here.path(), &format!("[alerts]\nwebhook_url = {:?}\nquiet = \"22:00-07:00\"\n", server.url("/hook")), &clock);
    let site = Arc::new(Site { alerts: Some(alerts.clone()), directory: here.path().to_owned(), ..Site::default() });
    let house = House::with(Plan { alerts: Some(alerts.clone()), site, ..Plan::default() }).await;
    let test = house.post("/dashboard/alerts/test", json!({})).await;
    assert_eq!((test.status, &test.body["passed"]), (200, &json!(true)), "{:#}", test.body);
    assert!(server.texts()[0].contains("asked for by asha from 127.0.0.1"), "{:?}", server.texts());
    server.is_down.store(true, Ordering::SeqCst);
    let test = house.post("/dashboard/alerts/test", json!({})).await;
    assert_eq!((&test.body["passed"], &test.body["channels"][0]["arrived"]), (&json!(false), &json!(false)), "{:#}", test.body);
    let shown = house.get("/dashboard/alerts").await;
    let channel = &shown.body["channels"][0];
    assert_eq!((&channel["name"], &channel["from"], &channel["quiet"]), (&json!("webhook"), &json!("INFO"), &json!("22:00-07:00")));
    assert_eq!(shown.body["test"]["passed"], false);
    assert!(!shown.body.to_string().contains("/hook"), "the address is a secret: {:#}", shown.body);
    end(&alerts).await;
    house.close().await;
    let none = House::open().await;
    none.post("/dashboard/alerts/test", json!({})).await.is_problem(409, "no_channel");
    none.close().await;
}
