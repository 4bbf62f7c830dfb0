//! Going live against the real process: the commands of a person, and what a restart must not forget.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, web};
use ordergate_actors::testkit::until_found;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::process::{self, KEY, Process, SECRET, words};

/// A paper account that is drilled like a live one.
fn command(directory: &Path) -> Command {
    let mut command = process::command(directory);
    command
        .current_dir(directory)
        .env("ORDERGATE__ACCOUNT__ARMING", "required")
        .env("ORDERGATE__ACCOUNT__APPROVAL_LIMIT_S", "600")
        .env("ORDERGATE__ENGINE__ENTRY_TTL_MS", "600000");
    command
}

/// Runs a command of a person beside the engine.
async fn run(directory: &Path, engine: &Process, env: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
    let mut command = command(directory);
    command.args(arguments).env("ORDERGATE__SERVER__LISTEN", engine.address().to_string()).envs(env.iter().copied());
    let output: Output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.code().unwrap(), words(&output))
}

struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    /// Waits until the engine takes entries.
    async fn ready(engine: &Process) -> Self {
        let client = Self { http: reqwest::Client::new(), base: engine.url("") };
        client.until("/health/ready", |body| body["accounts"][0]["phase"] == "OPEN").await;
        client
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.base)).bearer_auth(KEY).send().await.unwrap();
        answer.json().await.unwrap_or(Value::Null)
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.http.post(format!("{}{path}", self.base)).bearer_auth(KEY).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
    }

    async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let ask = async || {
            let body = self.get(path).await;
            if is_so(&body) { Ok(body) } else { Err(format!("{body:#}")) }
        };
        until_found(path, ask).await
    }
}

fn entry() -> Value {
    json!({
        "secret_key": SECRET, "execution_type": "ENTRY", "strategy_name": "s", "exchange": "NSE", "product_type": "MIS",
        "legs": [{"tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 10, "order_type": "MARKET"}],
    })
}

#[actix_web::test]
async fn an_approval_and_the_arming_outlive_a_killed_engine() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Process::serve(command(directory.path()));
    let client = Client::ready(&engine).await;
    let wish = json!({ "mode": "APPROVE", "reason": "the open", "duration_minutes": 60, "confirm": "PAPER1" });
    let (status, armed) = client.post("/dashboard/arm", wish).await;
    assert_eq!((status, &armed["mode"]), (200, &json!("LIVE-APPROVE")), "{armed:#}");
    let (status, _) = client.post("/webhook", entry()).await;
    assert_eq!(status, 202);
    let waiting = client.until("/dashboard/approvals", |body| body["count"] == 1).await["approvals"][0].clone();
    drop(engine);

    let engine = Process::serve(command(directory.path()));
    let client = Client::ready(&engine).await;
    let report = client.get("/dashboard/readiness").await;
    assert_eq!(report["accounts"][0]["standing"]["mode"], "LIVE-APPROVE", "{report:#}");
    let again = client.until("/dashboard/approvals", |body| body["count"] == 1).await["approvals"][0].clone();
    assert_eq!(again["command_id"], waiting["command_id"]);
    let id = again["command_id"].as_str().unwrap();
    let (status, said) = client.post(&format!("/dashboard/approvals/{id}"), json!({ "decision": "approve", "reason": "looked" })).await;
    assert_eq!(status, 200, "{said:#}");
    let is_done = |body: &Value| body["system_orders"][0]["status"] == "EXECUTED";
    let book = client.until("/dashboard/orderbook", is_done).await;
    assert_eq!((book["system_orders"].as_array().unwrap().len(), &book["system_orders"][0]["command_id"]), (1, &waiting["command_id"]));
}

#[actix_web::test]
async fn the_commands_of_a_person_reach_the_running_engine() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Process::serve(command(directory.path()));
    let client = Client::ready(&engine).await;
    let run = async |arguments: &[&str]| run(directory.path(), &engine, &[], arguments).await;

    let (code, words) = run(&["readiness"]).await;
    assert!(code == 0 && words.contains("PAPER1 (LIVE-DISARMED)") && words.contains("readiness: GO"), "{code}: {words}");
    let arm = ["arm", "--account=PAPER1", "--mode=live", "--for=45m", "--reason=the open"];
    let (code, words) = run(&arm).await;
    assert!(code == 1 && words.contains("not armed: the name was not typed"), "nobody types: {code}: {words}");
    assert_eq!(client.get("/dashboard/readiness").await["accounts"][0]["standing"]["mode"], "LIVE-DISARMED");
    let (code, words) = run(&[&arm[..], &["--yes"]].concat()).await;
    assert!(code == 0 && words.contains("PAPER1 is LIVE") && words.contains("conformance: never run"), "{code}: {words}");
    let (code, words) = run(&["readiness", "--account=PAPER1"]).await;
    assert!(code == 0 && words.contains("PAPER1 (LIVE)"), "{code}: {words}");
    let (code, words) = run(&["disarm", "--account=PAPER1", "--reason=enough"]).await;
    assert!(code == 0 && words.contains("PAPER1 is LIVE-DISARMED"), "{code}: {words}");

    client.post("/dashboard/kill", json!({ "client_id": "PAPER1", "level": 1, "reason": "stop" })).await;
    let (code, words) = run(&["readiness"]).await;
    assert!(code == 1 && words.contains("readiness: NO GO") && words.contains("kill level 1"), "{code}: {words}");
    let (code, words) = run(&[&arm[..], &["--yes"]].concat()).await;
    assert!(code == 1 && words.contains("is not ready"), "{code}: {words}");
    let (code, words) = run(&["login", "--account=PAPER1"]).await;
    assert!(code == 1 && words.contains("has no login"), "{code}: {words}");
    let (code, words) = run(&["arm", "--account=NOBODY", "--mode=live", "--for=45m", "--reason=x", "--yes"]).await;
    assert_eq!(code, 1, "{words}");
}

#[actix_web::test]
async fn a_price_is_told_by_command() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Process::serve(command(directory.path()));
    let client = Client::ready(&engine).await;
    let run = async |arguments: &[&str]| run(directory.path(), &engine, &[], arguments).await;
    let (code, words) = run(&["price"]).await;
    assert!(code == 0 && words.contains("Everything that left has a price"), "{code}: {words}");
    let (code, words) = run(&["arm", "--account=PAPER1", "--mode=live", "--for=45m", "--reason=the open", "--yes"]).await;
    assert_eq!(code, 0, "{words}");
    client.post("/webhook", entry()).await;
    client.until("/dashboard/orderbook", |body| body["system_orders"][0]["status"] == "EXECUTED").await;
    client.until("/dashboard/positions", |body| body["accounts"][0]["positions"][0]["ours"] == 10).await;
    let (status, cleared) =
        client.post("/dashboard/guard/force-clear", json!({ "strategy": "s", "all": true, "reason": "sold by hand" })).await;
    assert_eq!(status, 200, "{cleared:#}");
    let left = client.until("/dashboard/told-prices", |body| body["accounts"][0]["untold"] == 1).await;
    let row = format!("--row={}", left["accounts"][0]["left"][0]["row"]);
    let (code, words) = run(&["price"]).await;
    assert!(code == 1 && words.contains("NSE:SBIN-EQ MIS") && words.contains("ordergate price --row NUMBER --at PRICE"), "{code}: {words}");
    for wrong in [&["price", &row][..], &["price", &row, "--at=-1", "--reason=x"], &["price", &row, "--at=1"]] {
        let (code, words) = run(wrong).await;
        assert_eq!(code, 78, "{words}");
    }
    let (code, words) = run(&["price", &row, "--at=0", "--reason=it ended worthless"]).await;
    assert!(code == 0 && words.contains("10 SBIN-EQ of s left on") && words.contains("at 0: it realised -"), "{code}: {words}");
    let (code, words) = run(&["price", "--account=PAPER1"]).await;
    assert!(code == 0 && words.contains("Everything that left has a price"), "{code}: {words}");
    let (code, words) = run(&["price", "--row=999999", "--at=1", "--reason=x"]).await;
    assert!(code == 1 && words.contains("nothing left without a price"), "{code}: {words}");
}

#[actix_web::test]
async fn an_alert_test_reaches_the_phone_and_is_remembered_for_the_arming() {
    let got: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kept = Arc::clone(&got);
    let phone = HttpServer::new(move || {
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
    let url = format!("http://{}/hook", phone.addrs()[0]);
    actix_web::rt::spawn(phone.run());
    let directory = tempfile::tempdir().unwrap();
    let engine = Process::serve(command(directory.path()));
    let client = Client::ready(&engine).await;
    let (code, words) = run(directory.path(), &engine, &[], &["alerts", "test"]).await;
    assert!(code == 1 && words.contains("no channel is set"), "{code}: {words}");
    let (code, words) = run(directory.path(), &engine, &[("ORDERGATE__ALERTS__WEBHOOK_URL", &url)], &["alerts", "test"]).await;
    assert!(code == 0 && words.contains("webhook: arrived"), "{code}: {words}");
    assert_eq!(got.lock().iter().map(|alert| alert["event"].clone()).collect::<Vec<_>>(), ["ALERT TEST"]);
    let look = client.get("/dashboard/readiness").await["accounts"][0]["look"].clone();
    assert!(look["alert_test"].as_str().is_some_and(|words| words.starts_with("passed at ")), "{look:#}");
}
