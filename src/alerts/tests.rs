use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use parking_lot::Mutex;
use serde_json::Value;

use super::*;

/// A server that keeps what it gets, and answers its first calls with 503.
struct Phone {
    address: std::net::SocketAddr,
    got: Arc<Mutex<Vec<(String, Value)>>>,
    calls: Arc<AtomicUsize>,
}

impl Phone {
    fn answering(failures: usize, then: u16) -> Self {
        let (got, calls) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (kept, counted) = (Arc::clone(&got), Arc::clone(&calls));
        let server = HttpServer::new(move || {
            let (kept, counted) = (Arc::clone(&kept), Arc::clone(&counted));
            App::new().default_service(web::to(move |request: HttpRequest, body: web::Json<Value>| {
                let is_down = counted.fetch_add(1, Ordering::SeqCst) < failures;
                if !is_down {
                    kept.lock().push((request.path().to_owned(), body.into_inner()));
                }
                let status = if is_down { 503 } else { then };
                async move { HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap()).finish() }
            }))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        Self { address, got, calls }
    }

    fn channels(&self, with_telegram: bool) -> Channels {
        let (config, secrets) = self.settings(with_telegram);
        Channels::from(&config, &secrets).unwrap().unwrap().against(&format!("http://{}", self.address), Duration::from_millis(1))
    }

    fn settings(&self, with_telegram: bool) -> (Config, Secrets) {
        let mut env = vec![
            ("ORDERGATE__ALERTS__WEBHOOK_URL".to_owned(), format!("http://{}/hook", self.address)),
            ("ORDERGATE__API__KEY".to_owned(), "the-key-of-the-api".to_owned()),
            ("ORDERGATE__WEBHOOK__SECRET".to_owned(), "the-secret-of-the-hook".to_owned()),
        ];
        if with_telegram {
            env.push(("ORDERGATE__ALERTS__TELEGRAM_TOKEN".to_owned(), "12:abc".to_owned()));
            env.push(("ORDERGATE__ALERTS__TELEGRAM_CHAT".to_owned(), "42".to_owned()));
        }
        let directory = tempfile::tempdir().unwrap();
        env.push(("ORDERGATE__STORAGE__DIRECTORY".to_owned(), directory.path().display().to_string()));
        let config = Config::load(None, env).unwrap();
        let secrets = Secrets::load(&config).unwrap().unwrap();
        (config, secrets)
    }
}

fn alert(event: &str, text: &str) -> Alert {
    let at = "2026-11-20T03:15:00Z".parse().unwrap();
    Alert {
        level: Level::Page,
        event: event.into(),
        text: text.into(),
        client_id: ClientId::parse("LIVE1").ok(),
        command_id: None,
        seq: None,
        at,
    }
}

#[actix_web::test]
async fn an_alert_arrives_in_both_channels_after_a_fault_and_without_secrets() {
    let phone = Phone::answering(2, 200);
    let delivered = phone.channels(true).deliver(&alert("ALARM_IN_DOUBT", "look: the-key-of-the-api was seen")).await;
    assert!(delivered.len() == 2 && delivered.iter().all(|one| one.result.is_ok()), "{delivered:?}");
    let mut got = phone.got.lock().clone();
    got.sort_by(|a, b| a.0.cmp(&b.0));
    let (telegram, hook) = (&got[0], &got[1]);
    assert_eq!((telegram.0.as_str(), &telegram.1["chat_id"]), ("/bot12:abc/sendMessage", &serde_json::json!("42")));
    assert!(telegram.1["text"].as_str().unwrap().contains("ALARM_IN_DOUBT"));
    assert_eq!(
        hook.1,
        serde_json::json!({ "level": "PAGE", "event": "ALARM_IN_DOUBT", "text": "look: [secret] was seen", "client_id": "LIVE1",
            "at": "2026-11-20T03:15:00Z" })
    );
}

#[actix_web::test]
async fn a_refusal_is_not_repeated_and_a_dead_channel_is_given_up() {
    let phone = Phone::answering(0, 403);
    let delivered = phone.channels(false).deliver(&alert("X", "x")).await;
    assert_eq!(delivered[0].result, Err(SendError::Refused("webhook", 403)));
    assert_eq!(phone.calls.load(Ordering::SeqCst), 1);
    let down = Phone::answering(usize::MAX, 200);
    let delivered = down.channels(false).deliver(&alert("X", "x")).await;
    assert_eq!(delivered[0].result, Err(SendError::Later("webhook", 503)));
    assert_eq!(down.calls.load(Ordering::SeqCst), 5);
}

#[actix_web::test]
async fn what_cannot_be_reached_says_so_without_the_token() {
    let phone = Phone::answering(0, 200);
    let channels = phone.channels(true).against("http://127.0.0.1:1", Duration::from_millis(1));
    let delivered = channels.deliver(&alert("X", "x")).await;
    let telegram = delivered.iter().find(|one| one.channel == "telegram").unwrap();
    let words = telegram.result.clone().unwrap_err().to_string();
    assert!(words.contains("not reached") && !words.contains("12:abc"), "{words}");
}

#[test]
fn a_full_queue_drops_and_does_not_wait() {
    let (alerts, mut taken) = mpsc::channel(1);
    let here = tempfile::tempdir().unwrap();
    let queue = Queue { alerts, marks: Arc::new(Marks::load(here.path(), "webhook")) };
    let alerts = Alerts { queues: vec![queue], closing: Arc::new(watch::channel(false).0), ended: crossbeam_channel::never() };
    alerts.raise(alert("A", ""));
    alerts.raise(alert("B", ""));
    assert_eq!(taken.try_recv().unwrap().event, "A");
    assert!(taken.try_recv().is_err());
}

#[test]
fn repeats_are_folded_and_told_at_the_end_of_the_window() {
    let at = |seconds: i64| alert("A", "").at + chrono::Duration::seconds(seconds);
    let mut folder = Folder::new(chrono::Duration::seconds(60));
    assert!(folder.take(alert("A", "first"), at(0)).is_some());
    assert!(folder.take(alert("A", "first"), at(1)).is_none());
    assert!(folder.take(alert("A", "first"), at(2)).is_none());
    assert!(folder.take(alert("B", "other"), at(2)).is_some(), "another event is not a repeat");
    assert!(folder.due(at(59)).is_empty());
    let due = folder.due(at(60));
    assert_eq!(due.len(), 1);
    assert!(due[0].text.starts_with("first (2 times"), "{}", due[0].text);
    assert!(folder.due(at(121)).is_empty(), "nothing more came");
    assert!(folder.take(alert("A", "first"), at(122)).is_some());
}

/// Two orders in doubt are two things to look at, whatever the event is called.
#[test]
fn alerts_of_different_orders_or_in_different_words_are_no_repeats() {
    let at = alert("A", "").at;
    let of = |number: u128, text: &str| Alert {
        command_id: Some(format!("01900000-0000-7000-8000-{number:012}").parse::<CommandId>().unwrap()),
        ..alert("ALARM_IN_DOUBT", text)
    };
    let mut folder = Folder::new(chrono::Duration::seconds(60));
    assert!(folder.take(of(1, "order 1"), at).is_some());
    assert!(folder.take(of(2, "order 2"), at).is_some(), "another order");
    assert!(folder.take(of(1, "order 1, said anew"), at).is_none(), "the same order in other words");
    assert!(folder.take(alert("ALARM_HOLDING_REDUCED", "10 of SBIN"), at).is_some());
    assert!(folder.take(alert("ALARM_HOLDING_REDUCED", "20 of INFY"), at).is_some(), "another position");
    let rest = folder.close();
    assert!(rest.len() == 1 && rest[0].text.starts_with("order 1, said anew (1 times"), "{rest:?}");
    assert!(folder.close().is_empty());
}

fn started(phone: &Phone, telegram: &str, data: &Path) -> Alerts {
    let channels = phone.channels(true).against(telegram, Duration::from_secs(3_600));
    start_with(channels.into_each(), Duration::from_secs(300), data, Arc::new(crate::clock::SystemClock)).unwrap()
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Blocks as the end of a process does, while the phone goes on answering.
async fn close(alerts: &Alerts) {
    let alerts = alerts.clone();
    tokio::task::spawn_blocking(move || alerts.close(Duration::from_secs(20))).await.unwrap();
}

fn texts(phone: &Phone) -> Vec<String> {
    phone.got.lock().iter().map(|(_, body)| body["text"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn a_dead_channel_holds_up_no_other_and_what_is_folded_goes_out_at_the_end() {
    let (phone, here) = (Phone::answering(0, 200), tempfile::tempdir().unwrap());
    // Nothing listens there, and its pause is an hour.
    let alerts = started(&phone, "http://127.0.0.1:1", here.path());
    for text in ["one", "two", "two", "three"] {
        alerts.raise(alert("X", text));
    }
    until("the webhook has what is not folded", || texts(&phone).len() == 3).await;
    assert_eq!(texts(&phone), ["one", "two", "three"]);
    close(&alerts).await;
    let last = texts(&phone).pop().unwrap();
    assert!(last.starts_with("two (1 times"), "{last}");
}

#[actix_web::test]
async fn pages_that_did_not_arrive_go_out_after_the_start_in_the_channel_that_lacks_them() {
    let (phone, here) = (Phone::answering(0, 200), tempfile::tempdir().unwrap());
    let page = |seq: u64, level: Level| {
        let row = alert("X", "");
        let alarm = Alarm {
            seq,
            event: Arc::from("ALARM_IN_DOUBT"),
            level,
            text: Arc::from(format!("page {seq}")),
            command_id: None,
            at: row.at,
            last_at: row.at + chrono::Duration::seconds(i64::try_from(seq).unwrap()),
            count: 1,
        };
        (row.client_id, alarm)
    };
    let alerts = started(&phone, "http://127.0.0.1:1", here.path());
    let (client_id, first) = page(1, Level::Page);
    alerts.raise(Alert { seq: Some(1), at: first.last_at, client_id, ..alert("ALARM_IN_DOUBT", "page 1") });
    close(&alerts).await;
    assert_eq!(texts(&phone), ["page 1"]);
    // Telegram lacks both, the webhook only the second.
    let open = [page(1, Level::Page), page(2, Level::Page), page(3, Level::Warn)];
    let alerts = started(&phone, &format!("http://{}", phone.address), here.path());
    alerts.catch_up(&open, first.at);
    close(&alerts).await;
    let mut after: Vec<_> =
        phone.got.lock()[1..].iter().map(|(path, body)| format!("{path} {}", body["text"].as_str().unwrap().replace('\n', " "))).collect();
    after.sort_unstable();
    let words = "(open since before the start)";
    let telegram = |n: u8| format!("/bot12:abc/sendMessage ordergate LIVE1: ALARM_IN_DOUBT page {n} {words}");
    assert_eq!(after, [telegram(1), telegram(2), format!("/hook page 2 {words}")]);
    // Now nobody lacks anything; of very many, the older ones are a count.
    let alerts = started(&phone, &format!("http://{}", phone.address), here.path());
    alerts.catch_up(&open, first.at);
    alerts.catch_up(&(3..=30).map(|seq| page(seq, Level::Page)).collect::<Vec<_>>(), first.at);
    close(&alerts).await;
    let hook: Vec<_> = phone.got.lock()[4..].iter().filter(|(path, _)| path == "/hook").map(|(_, body)| body["text"].clone()).collect();
    assert_eq!(hook.len(), 21);
    assert!(hook[0].as_str().unwrap().starts_with("8 older pages"), "{hook:?}");
}

/// What a commit tells its listeners.
fn event(level: Level, text: &str) -> Event {
    let row = ordergate_actors::ports::JournalRow {
        client_id: ClientId::parse("LIVE1").ok(),
        seq: 1,
        prev_hash: [0; 32],
        at: "2026-11-20T03:15:00Z".parse().unwrap(),
        event: "ALARM_IN_DOUBT".into(),
        command_id: None,
        signal_id: None,
        from: None,
        to: None,
        tag: None,
        reason: Some(text.into()),
        who: "WatcherActor".into(),
        inputs: "{}".into(),
    };
    Event { row: Arc::new(row), record: None, level, control: None, kept: None }
}

#[actix_web::test]
async fn a_committed_page_reaches_the_phone_through_the_thread_and_nothing_quieter_does() {
    let phone = Phone::answering(0, 200);
    let (config, secrets) = phone.settings(false);
    let clock = ordergate_actors::testkit::ManualClock::at("2026-11-20T03:15:00Z".parse().unwrap());
    let alerts = start(&config, &secrets, clock).unwrap().unwrap();
    let mut listener = PageListener(alerts);
    listener.committed(&[event(Level::Warn, "a warning"), event(Level::Info, "a word"), event(Level::Page, "look: the-key-of-the-api")]);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while phone.got.lock().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "nothing arrived");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let got = phone.got.lock().clone();
    assert_eq!(got.len(), 1, "{got:#?}");
    assert_eq!((&got[0].1["event"], &got[0].1["text"]), (&serde_json::json!("ALARM_IN_DOUBT"), &serde_json::json!("look: [secret]")));
}

#[test]
fn the_credentials_of_a_broker_never_leave_in_a_text() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.toml");
    let noren = r#"{ uid = "fa00001", auth = "quickauth", simulator = true, host = "http://127.0.0.1:9090", socket_url = "ws://127.0.0.1:9090/NorenWSTP/", password = "p-hunter", api_key = "p-hunter2-api", totp_secret = "t-hunter2" }"#;
    std::fs::write(&file, format!("[[accounts]]\nname = \"SIM\"\nbroker = \"noren\"\nnoren = {noren}\n")).unwrap();
    let env = [
        ("ORDERGATE__STORAGE__DIRECTORY", directory.path().display().to_string()),
        ("ORDERGATE__API__KEY", "the-key-of-the-api".to_owned()),
        ("ORDERGATE__WEBHOOK__SECRET", "the-secret-of-the-hook".to_owned()),
        ("ORDERGATE__ACCOUNTS__0__NOREN__CLIENT_SECRET", "c-hunter2".to_owned()),
    ];
    let config = Config::load(Some(&file), env.map(|(name, value)| (name.to_owned(), value))).unwrap();
    let known = known_secrets(&config, &Secrets::load(&config).unwrap().unwrap());
    let text = redacted("p-hunter, p-hunter2-api, t-hunter2, c-hunter2, the-key-of-the-api", &known);
    assert_eq!(text, "[secret], [secret], [secret], [secret], [secret]", "one that begins like another is covered whole");
}
