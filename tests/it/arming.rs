//! Going live over real HTTP, drilled on the paper broker: arming, approvals, readiness, login.

use std::sync::Arc;
use std::time::Duration;

use ordergate::brokers::connection::{Connection, ConnectionReport, Funds, LoginError, LogoutError};
use ordergate::readiness::Site;
use ordergate_actors::arming::{ArmingSettings, Basis};
use ordergate_actors::order::{Amount, ClientId, Status, Tag};
use ordergate_actors::ports::Call;
use ordergate_actors::testkit::until_found;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::{House, Plan, Reply, entry, resting};

/// A house whose account needs arming.
async fn drill(approval_limit: Duration, site: Site) -> House {
    let arming = ArmingSettings { is_required: true, approval_limit, basis: Basis { version: "1".into(), ..Basis::default() } };
    let account = move |settings: &mut ordergate_actors::AccountSettings| settings.arming = arming.clone();
    House::with(Plan { account: Box::new(account), site: Arc::new(site), ..Plan::default() }).await
}

pub(crate) async fn arm(house: &House, mode: &str) -> Reply {
    house.post("/dashboard/arm", json!({ "mode": mode, "reason": "the open", "duration_minutes": 60, "confirm": "PAPER1" })).await
}

fn tag(house: &House, place: usize) -> Option<Tag> {
    house.orders()[place].tag
}

/// Waits until one basket waits for a yes; answers it.
pub(crate) async fn one_waiting(house: &House) -> Value {
    let look = async || {
        let list = house.get("/dashboard/approvals").await.body;
        if list["count"] == 1 { Ok(list["approvals"][0].clone()) } else { Err(list) }
    };
    until_found("one waits", look).await
}

#[actix_web::test]
async fn entries_go_only_while_armed_and_exits_always_go() {
    let house = drill(Duration::from_secs(60), Site::default()).await;
    house.alert(entry("s0")).await;
    house.until_ended().await;
    assert_eq!(tag(&house, 0), Some(Tag::NotArmed), "it starts disarmed");
    assert!(house.orders()[0].reason.as_deref().is_some_and(|reason| reason.contains("never armed")));

    let shown = house.post("/dashboard/arm", json!({ "mode": "LIVE", "reason": "x", "duration_minutes": 60 })).await;
    shown.is_problem(409, "confirm");
    assert!(shown.body["detail"].as_str().unwrap().contains("PAPER orders out, a drill"), "{:#}", shown.body);
    let look = &shown.body["look"];
    assert_eq!(
        (&look["readiness"]["overall"], &look["conformance"], &look["alert_test"]),
        (&json!("GO"), &json!("never run with orders (--live-small-order)"), &json!("never run"))
    );
    assert_eq!(look["limits"]["max_position"], json!(1_000_000));
    assert!(look["limits"]["daily_loss"].is_string() && look["changes_since_last_arming"].is_null(), "{look:#}");
    house.post("/dashboard/arm", json!({ "mode": "LIVE", "reason": "x", "confirm": "PAPER1" })).await.is_problem(400, "bad_request");
    house.alert(entry("s1")).await;
    house.until_ended().await;
    assert_eq!(tag(&house, 1), Some(Tag::NotArmed), "looking arms nothing");

    let armed = arm(&house, "LIVE").await;
    assert_eq!((armed.status, &armed.body["mode"]), (200, &json!("LIVE")), "{:#}", armed.body);
    house.alert(entry("s2")).await;
    house.until_held("s2", 10).await;

    let off = house.post("/dashboard/arm", json!({ "mode": "DISARMED", "reason": "enough" })).await;
    assert_eq!((off.status, &off.body["mode"]), (200, &json!("LIVE-DISARMED")));
    house.alert(entry("s3")).await;
    house.until_ended().await;
    assert_eq!(tag(&house, 3), Some(Tag::NotArmed));
    let exit = house.post("/dashboard/positions/exit", json!({ "strategy": "s2", "exchange": "NSE", "symbol": "SBIN-EQ" })).await;
    assert!(exit.status < 300, "{:#}", exit.body);
    house.until_held("s2", 0).await;
    let journal = house.events(Some(&house.client())).await;
    let control: Vec<&String> = journal.iter().filter(|(event, _)| event == "CONTROL").map(|(_, words)| words).collect();
    assert!(control.len() == 2 && control[0].contains("asha") && control[0].contains("127.0.0.1"), "{control:?}");
    house.close().await;
}

#[actix_web::test]
async fn an_entry_waits_for_a_yes_and_a_no_ends_it() {
    let house = drill(Duration::from_secs(60), Site::default()).await;
    assert_eq!(arm(&house, "APPROVE").await.body["mode"], "LIVE-APPROVE");
    house.alert(entry("yes")).await;
    let waiting = one_waiting(&house).await;
    assert_eq!(house.orders()[0].status, Status::Created);
    let asked = &waiting["orders"][0];
    let (price, value) = (asked["price"].as_str().or(asked["last_price"].as_str()).unwrap(), asked["value"].as_str().unwrap());
    let [price, value] = [price, value].map(|text| text.parse::<rust_decimal::Decimal>().unwrap());
    assert_eq!(value, price * rust_decimal::Decimal::from(10), "what the yes is about, in rupees: {asked:#}");
    let attention = house.get("/dashboard/attention").await;
    let items = attention.body["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["kind"] == "approval").unwrap_or_else(|| panic!("{:#}", attention.body));
    let text = item["text"].as_str().unwrap();
    assert!(text.starts_with("yes: BUY 10 SBIN-EQ MIS at ") && text.contains(asked["value"].as_str().unwrap()), "{text}");
    if asked["price"].is_null() {
        assert!(text.contains(asked["last_price"].as_str().unwrap()) && asked["last_at"].is_string(), "{text}: {asked:#}");
    }
    let path = format!("/dashboard/approvals/{}", waiting["command_id"].as_str().unwrap());
    let given = house.post(&path, json!({ "decision": "approve", "reason": "looked" })).await;
    assert_eq!(given.status, 200, "{:#}", given.body);
    house.until_held("yes", 10).await;
    house.post(&path, json!({ "decision": "approve", "reason": "again" })).await.is_problem(409, "not_waiting");

    house.alert(entry("no")).await;
    let waiting = one_waiting(&house).await;
    let path = format!("/dashboard/approvals/{}", waiting["command_id"].as_str().unwrap());
    assert_eq!(house.post(&path, json!({ "decision": "reject", "reason": "news" })).await.status, 200);
    house.until_ended().await;
    assert_eq!(tag(&house, 1), Some(Tag::CancelledByUser));
    assert!(house.orders()[1].reason.as_deref().is_some_and(|reason| reason.contains("rejected: news")));

    house.alert(entry("kill")).await;
    one_waiting(&house).await;
    house.post("/dashboard/kill", json!({ "client_id": "PAPER1", "level": 1, "reason": "stop" })).await;
    house.until_ended().await;
    assert_eq!(tag(&house, 2), Some(Tag::KillSwitch));
    assert_eq!(house.brokers[&house.client()].reached().len(), 1, "only the approved one went");
    house.close().await;
}

#[actix_web::test]
async fn an_entry_that_nobody_approves_in_time_is_refused() {
    let house = drill(Duration::from_millis(50), Site::default()).await;
    arm(&house, "APPROVE").await;
    house.alert(entry("slow")).await;
    house.until_ended().await;
    assert_eq!(tag(&house, 0), Some(Tag::NotArmed));
    assert!(house.orders()[0].reason.as_deref().is_some_and(|reason| reason.contains("nobody said yes")), "{:?}", house.orders()[0].reason);
    house.close().await;
}

#[actix_web::test]
async fn no_go_refuses_an_arming_unless_it_is_forced_and_paper_has_nothing_to_arm() {
    let house = drill(Duration::from_secs(60), Site::default()).await;
    assert_eq!(house.get("/dashboard/readiness").await.body["overall"], "GO");
    house.post("/dashboard/kill", json!({ "client_id": "PAPER1", "level": 1, "reason": "stop" })).await;
    let report = house.get("/dashboard/readiness").await;
    assert_eq!(report.body["overall"], "NO GO", "{:#}", report.body);
    let refused = arm(&house, "LIVE").await;
    refused.is_problem(409, "not_ready");
    assert!(refused.body["detail"].as_str().unwrap().contains("kill level 1"));
    let forced = json!({ "mode": "LIVE", "reason": "drill", "duration_minutes": 5, "confirm": "PAPER1", "force": true });
    assert_eq!(house.post("/dashboard/arm", forced).await.status, 200);
    assert_eq!(house.post("/dashboard/readiness/dismiss", json!({ "reason": "seen" })).await.status, 200);
    house.close().await;
    let paper = House::open().await;
    arm(&paper, "LIVE").await.is_problem(409, "paper_account");
    paper.close().await;
}

#[actix_web::test]
async fn real_money_is_armed_only_after_the_proofs_unless_it_is_forced() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site { directory: directory.path().to_owned(), ..Site::default() };
    let house = House::with(Plan { site: Arc::new(site), is_live: true, ..Plan::default() }).await;
    let said_with = |version: &str, file: &str, passed: bool| {
        let path = directory.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, json!({ "passed": passed, "at": "2026-11-20T03:15:00Z", "version": version }).to_string()).unwrap();
    };
    let this_build = ordergate::version::of_this_build();
    let said = |file: &str, passed: bool| said_with(this_build, file, passed);
    let refused = async || {
        let refused = arm(&house, "LIVE").await;
        refused.is_problem(409, "not_proven");
        assert!(refused.body["look"]["conformance"].is_string());
        refused.body["detail"].as_str().unwrap().to_owned()
    };
    let detail = refused().await;
    assert!(
        detail.contains("conformance: never run with orders (--live-small-order)") && detail.contains("the alert test: never run"),
        "{detail}"
    );
    said_with("0.1.0", "conformance/PAPER1.json", true);
    let detail = refused().await;
    assert!(detail.contains("conformance: passed at 2026-11-20 03:15 UTC with ordergate 0.1.0, and this is 0.1.0+"), "{detail}");
    said("conformance/PAPER1.json", true);
    let detail = refused().await;
    assert!(!detail.contains("conformance") && detail.contains("the alert test: never run"), "{detail}");
    said("alerts/test.json", false);
    assert!(refused().await.contains("the alert test: FAILED at 2026-11-20 03:15 UTC"));
    let forced = json!({ "mode": "LIVE", "reason": "drill", "duration_minutes": 5, "confirm": "PAPER1", "force": true });
    assert_eq!(house.post("/dashboard/arm", forced).await.body["mode"], "LIVE");
    said("alerts/test.json", true);
    assert_eq!(arm(&house, "APPROVE").await.body["mode"], "LIVE-APPROVE");
    house.close().await;
}

/// A connection that needs a person, and takes one code.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    pub(crate) is_in: Arc<Mutex<bool>>,
    /// A report waits while this is held.
    gate: Arc<tokio::sync::Mutex<()>>,
    /// How many reports were asked for.
    asked: Arc<std::sync::atomic::AtomicUsize>,
}

impl Scripted {
    /// One whose session is there already.
    pub(crate) fn logged_in() -> Self {
        Self { is_in: Arc::new(Mutex::new(true)), ..Self::default() }
    }
}

impl Connection for Scripted {
    fn report(&self) -> Call<ConnectionReport> {
        let is_in = *self.is_in.lock();
        let rupees = Amount(rust_decimal::Decimal::from(1_000));
        let gate = Arc::clone(&self.gate);
        self.asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Box::pin(async move {
            let _open = gate.lock().await;
            ConnectionReport {
                session: if is_in { Ok("limits read".into()) } else { Err("Session Expired".into()) },
                token_ends_at: None,
                clock_skew_ms: Some(12),
                address: None,
                address_refusal: None,
                funds: Ok(Funds { cash: rupees, margin_used: Amount::ZERO, available: rupees }),
                is_full: false,
                stream_age: None,
                stream_down: None,
                login_link: (!is_in).then(|| "http://broker.test/login?api_key=k".to_owned()),
            }
        })
    }

    fn login(&self) -> Call<Result<String, LoginError>> {
        Box::pin(async { Err(LoginError::NeedsPerson("http://broker.test/login?api_key=k".into())) })
    }

    fn take_code(&self, code: String) -> Call<Result<String, LoginError>> {
        let is_in = Arc::clone(&self.is_in);
        Box::pin(async move {
            if code != "the-code" {
                return Err(LoginError::Refused("bad code".into()));
            }
            *is_in.lock() = true;
            Ok("logged in".into())
        })
    }

    fn logout(&self) -> Call<Result<String, LogoutError>> {
        *self.is_in.lock() = false;
        Box::pin(async { Ok("logged out".into()) })
    }
}

/// A house whose broker needs a person.
pub(crate) async fn signing_in() -> House {
    let client = ClientId::parse("PAPER1").unwrap();
    let connection: Arc<dyn Connection> = Arc::new(Scripted::default());
    let base_url = Some("http://gate.test".to_owned());
    drill(Duration::from_secs(60), Site { connections: [(client, connection)].into(), base_url, ..Site::default() }).await
}

pub(crate) async fn callback(house: &House, query: &str) -> Reply {
    house.send(house.request("GET", &format!("/broker/callback/PAPER1?{query}"))).await
}

/// Begins a login; answers the state that goes out with it.
pub(crate) async fn begun(house: &House) -> String {
    let begun = house.post("/dashboard/broker/login", json!({})).await;
    begun.body["login_link"].as_str().unwrap().split("&state=").nth(1).unwrap().to_owned()
}

#[actix_web::test]
async fn a_session_is_ended_by_a_person_while_nothing_needs_it() {
    let house = signing_in().await;
    let state = begun(&house).await;
    assert_eq!(callback(&house, &format!("code=the-code&state={state}")).await.status, 200);
    let is_in = async || house.get("/dashboard/broker").await.body["accounts"][0]["is_logged_in"].clone();
    assert_eq!(is_in().await, json!(true));
    assert_eq!(arm(&house, "LIVE").await.status, 200);
    house.alert(resting("rests")).await;
    house.post("/dashboard/broker/logout", json!({})).await.is_problem(409, "session_in_use");
    house.post("/dashboard/kill", json!({ "level": 2, "reason": "tests" })).await;
    let log_out = async || {
        let out = house.post("/dashboard/broker/logout", json!({})).await;
        if out.status == 409 { Err(format!("{:#}", out.body)) } else { Ok(out) }
    };
    let out = until_found("nothing needs the session any more", log_out).await;
    assert_eq!((out.status, &out.body["session"]), (200, &json!("logged out")));
    assert_eq!(is_in().await, json!(false));
}

#[actix_web::test]
async fn a_person_logs_in_by_the_redirect_and_nobody_else_can() {
    let house = signing_in().await;
    let account = async || house.get("/dashboard/broker").await.body["accounts"][0].clone();
    let before = account().await;
    assert_eq!((&before["is_logged_in"], &before["connection"]["session"]), (&json!(false), &json!(null)));
    assert_eq!(before["connection"]["session_trouble"], "Session Expired");
    assert_eq!(before["connection"]["funds"], json!({ "cash": "1000", "margin_used": "0", "available": "1000" }));
    callback(&house, "code=the-code").await.is_problem(409, "no_login_awaited");

    let state = begun(&house).await;
    callback(&house, "code=the-code&state=another").await.is_problem(409, "no_login_awaited");
    callback(&house, &format!("state={state}")).await.is_problem(400, "bad_request");
    assert_eq!(callback(&house, &format!("code=the-code&state={state}")).await.status, 200);
    let after = account().await;
    assert_eq!((&after["is_logged_in"], &after["connection"]["session"]), (&json!(true), &json!("limits read")));
    assert_eq!(after["connection"]["session_trouble"], json!(null));
    callback(&house, &format!("code=the-code&state={state}")).await.is_problem(409, "no_login_awaited");

    let state = begun(&house).await;
    callback(&house, "code=the-code").await.is_problem(409, "no_login_awaited");
    callback(&house, &format!("code=wrong&state={state}")).await.is_problem(409, "login_refused");
    assert_eq!(callback(&house, &format!("code=the-code&state={state}")).await.status, 200, "a wrong code is not the end of it");
    let journal = house.events(Some(&house.client())).await;
    assert!(journal.iter().any(|(event, _)| event == "BROKER_LOGIN") && journal.iter().any(|(event, _)| event == "BROKER_LOGIN_FAILED"));
    assert!(!journal.iter().any(|(_, words)| words.contains("the-code")), "a code is a secret");
    house.close().await;
}

#[actix_web::test]
async fn a_broker_that_gives_no_state_back_gets_a_few_tries_and_a_key_opens_another_way() {
    let house = signing_in().await;
    begun(&house).await;
    callback(&house, "code=wrong").await.is_problem(409, "login_refused");
    assert_eq!(callback(&house, "code=the-code").await.status, 200);
    house.clock.jump(chrono::TimeDelta::seconds(20));
    let state = begun(&house).await;
    for _ in 0..2 {
        callback(&house, "code=wrong").await.is_problem(409, "login_refused");
    }
    for _ in 0..10 {
        let _junk = callback(&house, "code=wrong").await;
    }
    let journal = house.events(Some(&house.client())).await;
    let failed = journal.iter().filter(|(event, _)| event == "BROKER_LOGIN_FAILED").count();
    assert!(failed <= 6, "{failed} codes of anybody's went to the broker");
    assert_eq!(callback(&house, &format!("code=the-code&state={state}")).await.status, 200, "the person is not locked out");

    house.post("/dashboard/broker/code", json!({ "client_id": "PAPER1", "code": "wrong" })).await.is_problem(409, "login_refused");
    house.post("/dashboard/broker/code", json!({ "client_id": "PAPER1", "code": "" })).await.is_problem(400, "bad_request");
    let by_hand = house.post("/dashboard/broker/code", json!({ "client_id": "PAPER1", "code": "the-code" })).await;
    assert_eq!((by_hand.status, &by_hand.body["is_logged_in"]), (200, &json!(true)), "{:#}", by_hand.body);
    house.close().await;
}

/// Whoever looks at a link that went through a chat or a mailbox, and whoever presses its button, takes nothing from the person who
/// comes after.
#[actix_web::test]
async fn the_link_that_is_pushed_is_good_for_the_person_whatever_opens_it_before() {
    let house = signing_in().await;
    let account = house.get("/dashboard/readiness").await.body["accounts"][0].clone();
    let link = account["login_link"].as_str().unwrap().to_owned();
    let path = link.strip_prefix("http://gate.test").unwrap_or_else(|| panic!("{link}")).to_owned();
    assert!(path.starts_with("/broker/login/PAPER1?ticket="), "{path}");
    assert_eq!(house.get("/dashboard/broker").await.body["accounts"][0]["login_link"], link.as_str(), "asking again is no new link");
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let at = |path: &str| format!("http://{}{path}", house.address);
    let look = async || browser.get(at(&path)).send().await.unwrap();
    let press = async |path: &str| browser.post(at(path)).send().await.unwrap();
    for method in [reqwest::Method::GET, reqwest::Method::POST] {
        let wrong = browser.request(method, at("/broker/login/PAPER1?ticket=wrong")).send().await.unwrap();
        assert_eq!(wrong.status(), 409);
    }
    for _crawler in 0..10 {
        let page = look().await;
        let says = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((page.status().as_u16(), says("content-type").as_str()), (200, "text/html; charset=utf-8"));
        assert_eq!([says("cache-control"), says("referrer-policy")], ["no-store", "no-referrer"]);
        assert!(says("content-security-policy").contains("frame-ancestors 'none'"));
        let text = page.text().await.unwrap();
        assert!(text.contains("PAPER1 needs a login") && text.contains("<form method=\"post\">"), "{text}");
        assert!(!text.contains("broker.test") && !text.contains("ticket"), "{text}");
    }
    let head = browser.head(at(&path)).send().await.unwrap();
    assert!(head.status() == 405 || head.status() == 200, "{head:?}");
    callback(&house, "code=the-code").await.is_problem(409, "no_login_awaited");
    let state_of = |answer: &reqwest::Response| {
        assert_eq!((answer.status().as_u16(), &answer.headers()["cache-control"]), (303, &"no-store".parse().unwrap()));
        let page = answer.headers()["location"].to_str().unwrap();
        page.strip_prefix("http://broker.test/login?api_key=k&state=").unwrap_or_else(|| panic!("{page}")).to_owned()
    };
    // The person, and after that a scanner that presses buttons too.
    let (person, scanner) = (state_of(&press(&path).await), state_of(&press(&path).await));
    assert_eq!(person, scanner, "both go on with one login");
    callback(&house, &format!("code=wrong&state={person}")).await.is_problem(409, "login_refused");
    assert_eq!(press(&path).await.status(), 303, "a code that was not taken is not the end of the link");
    assert_eq!(callback(&house, &format!("code=the-code&state={person}")).await.status, 200);
    assert_eq!((look().await.status().as_u16(), press(&path).await.status().as_u16()), (409, 409), "somebody is in");
    assert!(house.get("/dashboard/readiness").await.body["accounts"][0]["login_link"].is_null(), "nobody is to log in");
    house.close().await;
}

#[actix_web::test]
async fn a_disarming_wins_over_an_arming_that_is_under_way() {
    let client = ClientId::parse("PAPER1").unwrap();
    let scripted = Arc::new(Scripted::logged_in());
    let connection: Arc<dyn Connection> = Arc::clone(&scripted) as _;
    let house = drill(Duration::from_secs(60), Site { connections: [(client, connection)].into(), ..Site::default() }).await;
    assert_eq!(arm(&house, "LIVE").await.status, 200);
    // The report of a second arming takes its time, and meanwhile somebody disarms.
    let before = scripted.asked.load(std::sync::atomic::Ordering::SeqCst);
    let held = Arc::clone(&scripted.gate).lock_owned().await;
    let disarm = async {
        let is_asked = || scripted.asked.load(std::sync::atomic::Ordering::SeqCst) > before;
        house.until("the report is being read", is_asked).await;
        let off = house.post("/dashboard/arm", json!({ "mode": "DISARMED", "reason": "stop" })).await;
        assert_eq!((off.status, &off.body["mode"]), (200, &json!("LIVE-DISARMED")), "{:#}", off.body);
        drop(held);
    };
    let (late, ()) = tokio::join!(arm(&house, "LIVE"), disarm);
    late.is_problem(409, "arming_overtaken");
    assert!(late.body["detail"].as_str().unwrap().contains("asha set it to DISARMED meanwhile (stop)"), "{:#}", late.body);
    house.alert(entry("s0")).await;
    house.until_ended().await;
    assert_eq!(tag(&house, 0), Some(Tag::NotArmed));
    assert_eq!(arm(&house, "LIVE").await.status, 200, "who looks again may arm");
    house.close().await;
}
