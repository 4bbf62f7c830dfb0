//! A request's id, in its answer and in the log of the real binary, beside the ids of the orders that it made.

use std::process::Command;

use actix_web::middleware::from_fn;
use actix_web::web::get;
use actix_web::{App, HttpServer};
use ordergate::web::trace::trace;
use ordergate_actors::testkit::until_found;
use serde_json::Value;

use crate::support::process::Process;
use crate::support::{House, KEY, SECRET, entry, secret};

#[actix_web::test]
async fn an_answer_carries_the_id_of_its_request() {
    let house = House::open().await;
    let own = house.send(house.request("GET", "/dashboard/overview").bearer_auth(KEY).header("x-request-id", "mine-1")).await;
    assert_eq!((own.status, own.headers["x-request-id"].to_str().unwrap()), (200, "mine-1"));
    let mut drawn = std::collections::BTreeSet::new();
    for path in ["/health/live", "/dashboard/overview", "/nothing/here"] {
        let reply = house.send(house.request("GET", path)).await;
        drawn.insert(reply.headers["x-request-id"].to_str().unwrap().to_owned());
    }
    assert_eq!(drawn.len(), 3, "also of what was refused: {drawn:?}");
    house.close().await;
}

async fn faulty() -> &'static str {
    panic!("injected by a test")
}

/// Whoever asked gets an answer, and a person hears of it: once a minute, however often it is asked.
#[actix_web::test]
async fn a_handler_that_panics_is_answered_500_and_told() {
    let house = House::open().await;
    let state = house.state.clone();
    let app = move || App::new().app_data(state.clone()).route("/faulty/{secret}", get().to(faulty)).wrap(from_fn(trace));
    let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let http = reqwest::Client::new();
    for id in ["chart-1", "chart-2"] {
        let answer = http.get(format!("http://{address}/faulty/{SECRET}")).header("x-request-id", id).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["x-request-id"].to_str().unwrap()), (500, id));
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let body: Value = answer.json().await.unwrap();
        assert!(body["code"] == "fault" && body["remedy"].as_str().unwrap().contains("look at the record"), "{body:#}");
    }
    let told = || {
        let alarms = house.engine.line().view.process_alarms();
        alarms.into_iter().filter(|alarm| &*alarm.event == "ALARM_TASK_FAULT").map(|alarm| alarm.text.to_string()).collect::<Vec<_>>()
    };
    house.until("it is told", || !told().is_empty()).await;
    let told = told();
    assert!(told.len() == 1 && told[0].contains("GET /faulty/{secret} (request chart-1)"), "{told:?}");
    assert!(told[0].contains("injected by a test"), "{told:?}");
    handle.stop(false).await;
    house.close().await;
}

#[actix_web::test]
async fn the_log_leads_from_a_request_to_its_orders_and_holds_no_secret_of_a_path() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordergate"));
    command
        .env_clear()
        .env("ORDERGATE__STORAGE__DIRECTORY", directory.path())
        .env("ORDERGATE__WEBHOOK__SECRET", SECRET)
        .env("ORDERGATE__API__KEY", KEY)
        .env("ORDERGATE__LOG__FORMAT", "json");
    let engine = Process::serve(command);
    let http = reqwest::Client::new();
    let send = async || {
        let url = engine.url(&format!("/webhook/PAPER1/{SECRET}"));
        let sent = http.post(url).header("x-request-id", "from-the-chart-7").json(&secret(entry("a"))).send().await.unwrap();
        (sent.status().as_u16(), sent.json::<Value>().await.unwrap())
    };
    let taken = async || {
        let (status, body) = send().await;
        assert!(status == 202 || status == 503, "{status}: {body:#}");
        if status == 202 { Ok(body["orders"][0]["command_id"].as_str().unwrap().to_owned()) } else { Err(format!("{body:#}")) }
    };
    let command_id = until_found("the alert is taken", taken).await;
    let logs = || -> Vec<String> {
        let files = std::fs::read_dir(directory.path().join("logs")).unwrap().map(|file| file.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    };
    // The log has a writer of its own.
    let logged = async || {
        let lines: Vec<Value> = logs().join("").lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let is_there = |line: &&Value| line["event"] == "signal_taken" && line["span"]["request_id"] == "from-the-chart-7";
        lines.iter().find(is_there).cloned().ok_or_else(|| format!("{lines:#?}"))
    };
    let taken = until_found("the log has it", logged).await;
    assert!(taken["orders"].as_str().unwrap().contains(&command_id), "{taken:#}");
    drop(engine);
    assert!(logs().iter().all(|text| !text.contains(SECRET)), "a secret is in the log");
}
