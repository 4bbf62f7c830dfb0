use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use chrono::TimeDelta;
use ordergate_actors::testkit::until;
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
        channels(&format!("http://{}", self.address), with_telegram.then(|| format!("http://{}", self.address)).as_deref())
    }
}

/// A webhook there, and Telegram at another address.
fn channels(hook: &str, telegram: Option<&str>) -> Channels {
    let directory = tempfile::tempdir().unwrap();
    let mut env = vec![
        ("ORDERGATE__ALERTS__WEBHOOK_URL", format!("{hook}/hook")),
        ("ORDERGATE__API__KEY", "the-key-of-the-api".to_owned()),
        ("ORDERGATE__WEBHOOK__SECRET", "the-secret-of-the-hook".to_owned()),
        ("ORDERGATE__STORAGE__DIRECTORY", directory.path().display().to_string()),
    ];
    if let Some(telegram) = telegram {
        env.push(("ORDERGATE__ALERTS__TELEGRAM_TOKEN", "12:abc".to_owned()));
        env.push(("ORDERGATE__ALERTS__TELEGRAM_CHAT", "42".to_owned()));
        env.push(("ORDERGATE__ALERTS__TELEGRAM_URL", telegram.to_owned()));
    }
    let config = Config::load(None, env.into_iter().map(|(name, value)| (name.to_owned(), value))).unwrap();
    Channels::from(&config, &Secrets::load(&config).unwrap().unwrap()).unwrap().unwrap()
}

pub(super) fn alert(event: &str, text: &str) -> Alert {
    let at = "2026-11-20T03:15:00Z".parse().unwrap();
    Alert { client_id: ClientId::parse("LIVE1").ok(), ..Alert::plain(Level::Page, event, text.to_owned(), at) }
}

pub(super) fn rules() -> Rules {
    channels("http://127.0.0.1:1", None).each().next().unwrap().rules
}

#[actix_web::test]
async fn an_alert_arrives_in_both_channels_and_without_secrets() {
    let phone = Phone::answering(0, 200);
    let delivered = phone.channels(true).deliver(&alert("ALARM_IN_DOUBT", "look: the-key-of-the-api was seen")).await;
    assert!(delivered.len() == 2 && delivered.iter().all(|one| one.result.is_ok()), "{delivered:?}");
    let mut got = phone.got.lock().clone();
    got.sort_by(|a, b| a.0.cmp(&b.0));
    let (telegram, hook) = (&got[0], &got[1]);
    assert_eq!((telegram.0.as_str(), &telegram.1["chat_id"]), ("/bot12:abc/sendMessage", &serde_json::json!("42")));
    assert_eq!(telegram.1["text"], "PAGE ordergate LIVE1: ALARM_IN_DOUBT\nlook: [secret] was seen");
    assert_eq!(telegram.1["disable_notification"], false);
    assert_eq!(telegram.1["link_preview_options"]["is_disabled"], true, "Telegram opens no link of ours");
    assert_eq!(
        hook.1,
        serde_json::json!({ "level": "PAGE", "event": "ALARM_IN_DOUBT", "text": "look: [secret] was seen", "client_id": "LIVE1",
            "at": "2026-11-20T03:15:00Z" })
    );
}

#[actix_web::test]
async fn an_answer_says_whether_the_message_or_the_door_is_wrong() {
    for (status, is_unwanted) in [(400, true), (422, true), (403, false), (404, false), (500, false), (429, false)] {
        let phone = Phone::answering(0, status);
        let delivered = phone.channels(false).deliver(&alert("X", "x")).await;
        let error = delivered[0].result.clone().unwrap_err();
        assert_eq!((error.is_unwanted(), phone.calls.load(Ordering::SeqCst)), (is_unwanted, 1), "{error}");
    }
}

#[actix_web::test]
async fn what_cannot_be_reached_says_so_without_the_token() {
    let delivered = channels("http://127.0.0.1:1", Some("http://127.0.0.1:1")).deliver(&alert("X", "x")).await;
    let telegram = delivered.iter().find(|one| &*one.channel == "telegram").unwrap();
    let words = telegram.result.clone().unwrap_err().to_string();
    assert!(words.contains("not reached") && !words.contains("12:abc"), "{words}");
}

#[test]
fn a_full_queue_drops_and_does_not_wait() {
    let (queue, mut taken) = mpsc::channel(1);
    let shown = Shown { name: "webhook".to_owned(), kind: "webhook", from: Level::Info, quiet: None, is_escalation: false };
    let lane = Lane { shown, queue, wake: Arc::default(), standing: Arc::default() };
    lane.put(alert("A", ""));
    lane.put(alert("B", ""));
    assert_eq!(taken.try_recv().unwrap().event, "A");
    assert!(taken.try_recv().is_err());
}

/// Blocks as the end of a process does, while the phone goes on answering.
async fn close(alerts: &Alerts) {
    let alerts = alerts.clone();
    tokio::task::spawn_blocking(move || alerts.close(Duration::from_secs(20))).await.unwrap();
}

fn texts(phone: &Phone) -> Vec<String> {
    phone.got.lock().iter().map(|(_, body)| body["text"].as_str().unwrap().to_owned()).collect()
}

fn started(channels: Channels, data: &Path) -> Alerts {
    start_with(channels.pausing(TimeDelta::milliseconds(1)), data, Arc::new(crate::clock::SystemClock)).unwrap()
}

#[actix_web::test]
async fn a_dead_channel_holds_up_no_other_and_what_is_folded_goes_out_at_the_end() {
    let (phone, here) = (Phone::answering(0, 200), tempfile::tempdir().unwrap());
    let alerts = started(channels(&format!("http://{}", phone.address), Some("http://127.0.0.1:1")), here.path());
    for text in ["one", "two", "two", "three"] {
        alerts.raise(alert("X", text));
    }
    until("the webhook has what is not folded", || texts(&phone).len() == 3).await;
    assert_eq!(texts(&phone), ["one", "two", "three"]);
    close(&alerts).await;
    let last = texts(&phone).pop().unwrap();
    assert!(last.starts_with("two (1 times"), "{last}");
    let standing = alerts.standing();
    let (_, telegram) = standing.iter().find(|(shown, _)| shown.kind == "telegram").unwrap();
    assert!(telegram.trouble.as_ref().is_some_and(|words| words.contains("not reached")), "{telegram:?}");
}

/// A clock that a channel's task stumbles over so often.
#[derive(Debug)]
struct Stumbles(AtomicUsize);

impl Clock for Stumbles {
    fn now(&self) -> DateTime<Utc> {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(left.is_err(), "the clock stands still");
        crate::clock::SystemClock.now()
    }
}

#[actix_web::test]
async fn a_channel_that_stops_at_a_fault_is_seen_and_begins_again() {
    let (phone, here) = (Phone::answering(0, 200), tempfile::tempdir().unwrap());
    let clock = Arc::new(Stumbles(AtomicUsize::new(usize::MAX)));
    let alerts = start_with(phone.channels(true).pausing(TimeDelta::milliseconds(1)), here.path(), Arc::clone(&clock) as _).unwrap();
    until("both have stopped", || alerts.faulty().len() == 2).await;
    assert!(alerts.standing().iter().all(|(_, standing)| standing.trouble.as_ref().is_some_and(|words| words.contains("stands still"))));
    clock.0.store(0, Ordering::SeqCst);
    alerts.raise(alert("X", "it goes on"));
    until("both have it", || phone.got.lock().len() == 2).await;
    until("and are well", || alerts.faulty().is_empty()).await;
    close(&alerts).await;
}

/// What a process could not send, not even that it ended, the next one does.
#[actix_web::test]
async fn what_was_not_sent_before_the_end_goes_out_after_the_start() {
    let here = tempfile::tempdir().unwrap();
    let alerts = started(channels("http://127.0.0.1:1", None), here.path());
    alerts.raise(alert("ENGINE HALTED", "the disk is gone"));
    close(&alerts).await;
    let phone = Phone::answering(2, 200);
    let alerts = started(phone.channels(false), here.path());
    until("it arrives", || texts(&phone).len() == 1).await;
    close(&alerts).await;
    assert_eq!(texts(&phone), ["the disk is gone"]);
    let alerts = started(phone.channels(false), here.path());
    close(&alerts).await;
    assert_eq!(texts(&phone).len(), 1, "once");
}

#[test]
fn the_credentials_of_a_broker_never_leave_in_a_text() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.toml");
    let noren = r#"{ uid = "fa00001", auth = "quickauth", simulator = true, host = "http://127.0.0.1:9090", socket_url = "ws://127.0.0.1:9090/NorenWSTP/", password = "p-hunter", api_key = "p-hunter2-api", totp_secret = "t-hunter2" }"#;
    let alerts = "[alerts]\nheartbeat_url = \"https://hc.example/h-hunter2\"\n[[alerts.channels]]\nname = \"up\"\nwebhook_url = \"https://up.example/w-hunter2\"\n";
    std::fs::write(&file, format!("{alerts}[[accounts]]\nname = \"SIM\"\nbroker = \"noren\"\nnoren = {noren}\n")).unwrap();
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
    let text = redacted("https://up.example/w-hunter2 https://hc.example/h-hunter2", &known);
    assert_eq!(text, "[secret] [secret]");
}
