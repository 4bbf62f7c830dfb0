//! The restore drill: a copy that was made while the engine ran is verified, opened by another engine, and trades on.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use ordergate::store::ReadStore;
use serde_json::{Value, json};

use crate::support::process::{KEY, LONG, Process, alert, command, succeeds};
use crate::support::{House, Plan, entry};

#[actix_web::test]
async fn what_was_copied_under_a_running_engine_is_restored_and_trades_on() {
    let house = House::open().await;
    house.alert(entry("a")).await;
    house.until_held("a", 10).await;
    house.until_ended().await;
    let restored = tempfile::tempdir().unwrap();
    ReadStore::open(house.directory.path()).unwrap().backup(&restored.path().join("orders.db"), 0).unwrap();
    // What comes after the copy is not in it.
    house.alert(entry("b")).await;
    house.until_held("b", 10).await;
    let prefix = house.engine.line().tag_prefix.clone();
    // The paper broker's own book, of the moment of the copy as far as the copy knows of it.
    let (client, left) = (house.client(), house.close().await);
    std::fs::create_dir(restored.path().join(client.as_str())).unwrap();
    for file in std::fs::read_dir(left.path().join(client.as_str())).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), restored.path().join(client.as_str()).join(file.file_name())).unwrap();
    }

    let verify = Command::new(env!("CARGO_BIN_EXE_ordergate"))
        .args(["journal", "verify", "--full"])
        .env_clear()
        .env("ORDERGATE__STORAGE__DIRECTORY", restored.path())
        .output()
        .unwrap();
    assert_eq!(verify.status.code(), Some(0), "{}", String::from_utf8_lossy(&verify.stdout));

    let house = House::with(Plan { after: Some(restored), ..Plan::default() }).await;
    assert_ne!(house.engine.line().tag_prefix, prefix, "its orders are told from those of the original");
    house.until_held("a", 10).await;
    let exit = house.post("/dashboard/positions/exit", serde_json::json!({ "strategy": "a", "symbol": "SBIN-EQ" })).await;
    assert_eq!(exit.status, 202, "{:#}", exit.body);
    house.until_held("a", 0).await;
    house.close().await;
}

/// The real engine on this directory, its logs beside it.
fn start(directory: &Path) -> Process {
    let mut command = command(directory);
    command.env("ORDERGATE__ENGINE__SAFE_MODE_STARTS", "1000").env("ORDERGATE__LOG__DIRECTORY", logs_of(directory));
    Process::serve(command)
}

/// Logs that every copy of a directory has in common, as on a machine of which the data disk alone is put back.
fn logs_of(directory: &Path) -> std::path::PathBuf {
    directory.parent().unwrap().join("logs")
}

/// Sends the alert, and answers the order when it has ended.
async fn ended(engine: &Process, number: usize) -> Value {
    let http = reqwest::Client::new();
    let answer = http.post(engine.url("/webhook")).json(&alert(number)).send().await.unwrap();
    let id = answer.json::<Value>().await.unwrap()["orders"][0]["command_id"].clone();
    let book = engine.at_rest().await;
    book["system_orders"].as_array().unwrap().iter().find(|row| row["command_id"] == id).unwrap().clone()
}

async fn kill(engine: &Process, level: u8) {
    let body = json!({ "level": level, "reason": "results day" });
    let answer = reqwest::Client::new().post(engine.url("/dashboard/kill")).bearer_auth(KEY).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

async fn overview(engine: &Process) -> Value {
    engine.get("/dashboard/overview").await.unwrap()["accounts"][0].clone()
}

/// The pages of a restored copy, as soon as there is one.
async fn pages(engine: &Process) -> Vec<String> {
    let deadline = Instant::now() + LONG;
    loop {
        let items = engine.get("/dashboard/attention").await.unwrap_or_default()["items"].as_array().cloned().unwrap_or_default();
        let of_it = items.iter().map(Value::to_string).filter(|item| item.contains("ALARM_RESTORED_COPY"));
        let found: Vec<String> = of_it.collect();
        if !found.is_empty() {
            return found;
        }
        assert!(Instant::now() < deadline, "{items:#?}");
        tokio::task::yield_now().await;
    }
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy_all(&entry.path(), &target) } else { assert!(std::fs::copy(entry.path(), target).is_ok()) }
    }
}

/// What a person stopped after the copy is not in it. So nothing is opened on it until a person has looked, once.
async fn is_stopped_until_a_person_has_looked(restored: &Path, why: &str) {
    let engine = start(restored);
    let found = pages(&engine).await;
    assert_eq!(found.len(), 1, "one page: {found:?}");
    assert!(found[0].contains("the database is an older copy") && found[0].contains(why), "{found:?}");
    assert!(found[0].contains("its newest row is of 20") && found[0].contains("compare positions"), "{found:?}");
    let refused = ended(&engine, 7).await;
    assert_eq!((&refused["status"], &refused["tag"]), (&json!("FAILED"), &json!("KILL_SWITCH")), "{refused:#}");
    assert!(!restored.join("restored").exists(), "it is seen to");
    drop(engine);
    // The next start finds what was set, and pages no second time.
    let engine = start(restored);
    let refused = ended(&engine, 8).await;
    assert_eq!(refused["tag"], "KILL_SWITCH", "{refused:#}");
    assert_eq!(pages(&engine).await.len(), 1);
    kill(&engine, 0).await;
    assert_eq!(ended(&engine, 9).await["status"], "EXECUTED");
    drop(engine);
    let engine = start(restored);
    assert_eq!(ended(&engine, 10).await["status"], "EXECUTED", "what a person has set stays");
}

#[tokio::test]
async fn a_restored_backup_undoes_no_kill_that_came_after_it() {
    let here = tempfile::tempdir().unwrap();
    let (data, restored) = (here.path().join("data"), here.path().join("restored"));
    let engine = start(&data);
    assert_eq!(ended(&engine, 1).await["status"], "EXECUTED");
    std::fs::create_dir(&restored).unwrap();
    succeeds(command(&data), &["backup", restored.join("orders.db").to_str().unwrap()]);
    copy_all(&data.join("paper"), &restored.join("paper"));
    kill(&engine, 2).await;
    assert_eq!(overview(&engine).await["kill_level"], 2);
    drop(engine);
    // The machine is new: no log says that there was more.
    std::fs::remove_dir_all(logs_of(&data)).unwrap();
    is_stopped_until_a_person_has_looked(&restored, "a backup that was put in place").await;
}

/// A snapshot of the disk keeps the tag prefix: its own log tells that there was more.
#[tokio::test]
async fn a_snapshot_that_ends_before_its_intent_log_undoes_no_kill_either() {
    let here = tempfile::tempdir().unwrap();
    let (data, snapshot) = (here.path().join("data"), here.path().join("snapshot"));
    let engine = start(&data);
    assert_eq!(ended(&engine, 1).await["status"], "EXECUTED");
    drop(engine);
    copy_all(&data, &snapshot);
    let engine = start(&data);
    kill(&engine, 2).await;
    let refused = ended(&engine, 2).await;
    assert_eq!(refused["tag"], "KILL_SWITCH");
    let (deadline, id) = (Instant::now() + LONG, refused["command_id"].as_str().unwrap().to_owned());
    while !std::fs::read_to_string(logs_of(&data).join("intent_tracking.log")).unwrap().contains(&id) {
        assert!(Instant::now() < deadline, "the log has no line of {id}");
        tokio::task::yield_now().await;
    }
    drop(engine);
    is_stopped_until_a_person_has_looked(&snapshot, "whose journal ends at row").await;
}
