//! A day of the real binary, taken again, and held against other settings.

use std::path::Path;

use chrono::{DateTime, Utc};
use ordergate_actors::order::trading_date;
use ordergate_actors::testkit::until_found;
use serde_json::{Value, json};

use crate::support::process::{Process, SECRET, command, words};

fn replay(directory: &Path, config: Option<&Path>, day: &str) -> (Option<i32>, String) {
    let mut command = command(directory);
    command.args(["replay", "--day", day]);
    command.args(config.iter().flat_map(|path| [Path::new("--config"), path]));
    let output = command.output().unwrap();
    (output.status.code(), words(&output))
}

/// Entries of 5, 50 and 20,000 units, each of a strategy of its own; the orders when all have ended.
async fn a_day(directory: &Path) -> Vec<Value> {
    let engine = Process::serve(command(directory));
    let http = reqwest::Client::new();
    for quantity in [5, 50, 20_000] {
        let alert = json!({
            "secret_key": SECRET, "execution_type": "ENTRY", "strategy_name": format!("q{quantity}"), "exchange": "NSE", "product_type": "MIS",
            "legs": [{"tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": quantity, "order_type": "LIMIT", "price": "1"}],
        });
        http.post(engine.url("/webhook")).json(&alert).send().await.unwrap();
    }
    let ask = async || {
        let book = engine.get("/dashboard/orderbook").await.unwrap();
        let rows = book["system_orders"].as_array().unwrap().clone();
        let is_decided = |row: &Value| row["status"] != "CREATED";
        if rows.len() == 3 && rows.iter().all(is_decided) { Ok(rows) } else { Err(format!("{book:#}")) }
    };
    until_found("all three are decided", ask).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_held_against_other_settings_gate_by_gate() {
    let directory = tempfile::tempdir().unwrap();
    let rows = a_day(directory.path()).await;
    let created: DateTime<Utc> = rows[0]["created_at"].as_str().unwrap().parse().unwrap();
    let day = trading_date(created).to_string();

    let (code, same) = replay(directory.path(), None, &day);
    assert_eq!(code, Some(0), "{same}");
    assert!(same.contains("every one is the same byte for byte") && same.contains("no gate would have said otherwise"), "{same}");

    let mut of_nobody = command(directory.path());
    let of_nobody = of_nobody.args(["replay", "--day", &day, "--account", "TYPO"]).output().unwrap();
    let words = String::from_utf8_lossy(&of_nobody.stdout).into_owned();
    assert!(of_nobody.status.code() != Some(0) && words.contains("no account TYPO; it has PAPER1"), "{words}");

    let other = directory.path().join("other.toml");
    std::fs::write(&other, "[account.limits]\nmax_quantity = 10\nmessages_per_minute = 7\n").unwrap();
    let (code, tight) = replay(directory.path(), Some(&other), &day);
    assert_eq!(code, Some(0), "another verdict is no difference of the journal: {tight}");
    let line = |words: &str, strategy: &str| {
        let has = |line: &&str| line.contains(strategy) && line.contains("risk.max_quantity");
        words.lines().find(has).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let fifty = line(&tight, "q50").unwrap_or_else(|| panic!("{tight}"));
    assert!(fifty.contains("risk.max_quantity 50 passed (10000) refused (10)"), "{fifty}");
    assert!(line(&tight, "q5 ").is_none() && line(&tight, "q20000").is_none(), "what stays as it was is not listed: {tight}");
    assert!(tight.contains("risk.messages is held against another limit now"), "{tight}");

    std::fs::write(&other, "[account.limits]\nmax_quantity = 30000\n").unwrap();
    let (_, wide) = replay(directory.path(), Some(&other), &day);
    let large = line(&wide, "q20000").unwrap_or_else(|| panic!("{wide}"));
    assert!(large.contains("risk.max_quantity 20000 refused (10000) passed (30000)"), "{large}");
}
