//! A strategy from outside: keys that can trade for some only, and the examples of the documents as they stand.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ordergate::web::{ApiKey, Scope};
use ordergate_actors::order::{ClientId, Side, Strategy};
use serde_json::{Value, json};

use crate::support::{House, Plan, Reply};

const BOT: &str = "a-key-of-a-strategy";

/// A house with two accounts, and a key for one strategy of the first.
async fn house(accounts: Vec<&'static str>) -> House {
    let scope = Scope {
        accounts: Some(vec![ClientId::parse("PAPER1").unwrap()]),
        strategies: Some(vec![Strategy::parse("averages").unwrap()]),
        ..Scope::default()
    };
    let key = ApiKey { scope, ..ApiKey::new("bot", BOT.into()) };
    House::with(Plan { accounts, web: Box::new(move |web| web.keys.push(key)), ..Plan::default() }).await
}

async fn bot(house: &House, method: &str, path: &str, body: Value) -> Reply {
    let request = house.request(method, path).bearer_auth(BOT);
    house.send(if method == "GET" { request } else { request.json(&body) }).await
}

fn entry(strategy: &str, client: &str) -> Value {
    json!({
        "strategy": strategy, "action": "ENTRY", "client_id": client,
        "orders": [{ "exchange": "NSE", "symbol": "SBIN", "side": "BUY", "quantity": 10, "product": "MIS", "order_type": "LIMIT", "price": "790" }],
    })
}

#[actix_web::test]
async fn a_key_of_a_strategy_trades_for_it_and_does_nothing_else() {
    let house = house(vec!["PAPER1", "PAPER2"]).await;
    let own = bot(&house, "POST", "/dashboard/intent/strategy", entry("averages", "PAPER1")).await;
    assert_eq!(own.status, 202, "{:#}", own.body);
    let path = own.order(0)["status_url"].as_str().unwrap().to_owned();
    let foreign = house.post("/dashboard/intent/strategy", entry("other", "PAPER1")).await;
    let others = foreign.order(0)["status_url"].as_str().unwrap().to_owned();
    let elsewhere = house.post("/dashboard/intent/strategy", entry("averages", "PAPER2")).await;
    let hidden = elsewhere.order(0)["status_url"].as_str().unwrap().to_owned();

    let unnamed = json!({ "client_id": "PAPER1", "exchange": "NSE", "symbol": "SBIN", "side": "BUY", "quantity": 1, "product": "MIS",
        "order_type": "MARKET", "execution_type": "ENTRY" });
    for (method, path, body) in [
        ("POST", "/dashboard/intent/strategy", entry("other", "PAPER1")),
        ("POST", "/dashboard/intent/strategy", entry("averages", "PAPER2")),
        // Whether something is held there, and by whom, is told to nobody else: neither by a refusal of another kind nor by "nothing".
        ("POST", "/dashboard/intent/strategy", json!({ "strategy": "averages", "action": "EXIT", "client_id": "PAPER2" })),
        ("POST", "/dashboard/intent/strategy", json!({ "strategy": "nobody", "action": "FORCE_EXIT", "client_id": "PAPER1" })),
        ("POST", "/dashboard/positions/exit", json!({ "client_id": "PAPER2", "symbol": "SBIN-EQ" })),
        ("POST", "/dashboard/positions/exit", json!({ "client_id": "PAPER2", "symbol": "NOTHING", "strategy": "unheard" })),
        ("POST", "/dashboard/positions/exit", json!({ "client_id": "PAPER1", "symbol": "SBIN-EQ", "strategy": "unheard" })),
        ("POST", "/dashboard/positions/exit-all", json!({ "client_id": "PAPER2" })),
        ("POST", "/dashboard/positions/exit-all", json!({ "client_id": "PAPER1", "strategy": "unheard" })),
        ("POST", "/dashboard/intent/generic", unnamed),
        ("POST", &format!("{others}/cancel"), json!({})),
        ("POST", &format!("{others}/modify"), json!({ "price": "791" })),
        ("POST", &format!("{others}/resubmit"), json!({})),
        ("POST", &format!("{path}/resolve"), json!({ "absent": true, "reason": "a test" })),
        ("GET", hidden.as_str(), Value::Null),
        ("GET", "/dashboard/positions?client_id=PAPER2", Value::Null),
        ("GET", "/dashboard/symbols/resolve?symbol=SBIN-EQ&exchange=NSE&client_id=PAPER2", Value::Null),
        ("POST", "/dashboard/kill", json!({ "level": 1, "reason": "a test" })),
        ("POST", "/dashboard/arm", json!({})),
        ("GET", "/dashboard/attention", Value::Null),
        ("POST", "/dashboard/guard/force-clear", json!({})),
        ("GET", "/metrics", Value::Null),
    ] {
        let reply = bot(&house, method, path, body).await;
        reply.is_problem(403, "not_for_this_key");
    }
    assert_eq!(house.orders().len(), 2, "what was refused left no order");

    assert_eq!(bot(&house, "GET", &others, Value::Null).await.status, 200, "what is of its account it may read");
    let book = bot(&house, "GET", "/dashboard/orderbook", Value::Null).await;
    assert_eq!(book.body["system_orders"].as_array().unwrap().len(), 2, "of its account: {:#}", book.body);
    let positions = bot(&house, "GET", "/dashboard/positions", Value::Null).await;
    assert_eq!(positions.body["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(bot(&house, "POST", &format!("{path}/cancel"), json!({})).await.status, 200);
    let shown = house.get(&path).await;
    assert_eq!(shown.body["order"]["user"], "bot");
    house.close().await;
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/examples")
}

/// Runs a program beside the house, whose threads go on.
async fn run(mut command: Command) -> String {
    command.env("ORDERGATE_KEY", BOT).env("PYTHONDONTWRITEBYTECODE", "1");
    let output: Output = actix_web::rt::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    text
}

fn python(house: &House, bars: &Path) -> Command {
    let mut command = Command::new("python3");
    command.arg(root().join("strategy.py")).args(["--url", &format!("http://{}", house.address)]).arg("--prices").arg(bars);
    command.args(["--symbol", "SBIN", "--quantity", "10"]);
    command
}

/// The example of the documents: a cross up is one entry, however often and by how many it is run; a cross down closes it.
#[actix_web::test]
async fn the_example_in_python_trades_its_bars_once() {
    let house = house(vec!["PAPER1"]).await;
    let here = tempfile::tempdir().unwrap();
    let bars = here.path().join("bars.csv");
    let write = |closes: &[u32]| {
        let lines: String = closes.iter().enumerate().map(|(at, close)| format!("2026-11-20T09:{:02}:00,{close}\n", 15 + at)).collect();
        std::fs::write(&bars, format!("{lines}2026-11-20T09:59:00,9")).unwrap();
    };
    write(&[800; 9]);
    assert!(run(python(&house, &bars)).await.contains("nothing to do"));
    assert!(house.orders().is_empty());

    let up = [800, 800, 800, 800, 800, 800, 800, 800, 800, 830];
    write(&up);
    let (one, other) = futures_util::future::join(run(python(&house, &bars)), run(python(&house, &bars))).await;
    house.until_held("averages", 10).await;
    assert!(one.contains("ENTRY SBIN-EQ: filled") || other.contains("ENTRY SBIN-EQ: filled"), "{one}{other}");
    run(python(&house, &bars)).await;
    assert_eq!(house.orders().len(), 1, "one bar, one order");

    write(&[&up[..], &[700]].concat());
    assert!(run(python(&house, &bars)).await.contains("EXIT SBIN-EQ: filled"));
    house.until_held("averages", 0).await;
    run(python(&house, &bars)).await;
    let sides: Vec<Option<Side>> = house.orders().iter().map(|order| order.ask.side).collect();
    assert_eq!(sides, [Some(Side::Buy), Some(Side::Sell)]);
    assert!(house.orders().iter().all(|order| &*order.user == "bot" && order.ask.strategy.as_str() == "averages"));
    house.close().await;
}

/// The example in the shell: the same run twice is one entry and one exit.
#[actix_web::test]
async fn the_example_with_curl_asks_for_each_order_once() {
    let house = house(vec!["PAPER1"]).await;
    let script = || {
        let mut command = Command::new("sh");
        command.arg(root().join("strategy.sh")).arg(format!("http://{}", house.address)).envs([("STRATEGY", "averages"), ("RUN", "one")]);
        command
    };
    let first = run(script()).await;
    assert!(first.contains("SBIN-EQ") && !first.contains("\"replayed\":true"), "{first}");
    house.until_held("averages", 0).await;
    house.until_ended().await;
    assert!(run(script()).await.contains("\"replayed\":true"));
    assert_eq!(house.orders().len(), 2);
    house.close().await;
}
