//! `ordergate status`: one screen, from the running engine, or from the disk when none answers.

use std::time::Duration;

use ordergate_actors::order::clean;
use ordergate_actors::persistence::chain::stored_time;
use ordergate_actors::ports::Clock;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::engine::{self, innermost};
use super::judge::Judgement;
use super::print::{ORDER, Page, order_row};
use super::{Config, EXIT_ATTENTION, EXIT_OK};
use crate::clock::SystemClock;
use crate::secrets::Secrets;
use crate::store::ReadStore;

const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn run(config: &Config) -> anyhow::Result<i32> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut page = Page::new();
    let code = match runtime.block_on(ask(config)) {
        Ok(answers) => running(&answers, &mut page),
        Err(cause) => {
            page.line(format!("no engine answers at {}: {cause}", config.server.listen));
            at_rest(config, &mut page)?;
            EXIT_ATTENTION
        }
    };
    page.show()?;
    Ok(code)
}

/// What the engine says of itself.
struct Answers {
    is_ready: bool,
    ready: Value,
    attention: Result<Value, String>,
    book: Result<Value, String>,
}

async fn ask(config: &Config) -> Result<Answers, String> {
    let to = engine::address(config);
    let client = engine::client(PATIENCE)?;
    let key = match Secrets::load(config) {
        Ok(Some(secrets)) => Ok(secrets.api_key),
        Ok(None) => Err("there are no secrets yet".to_owned()),
        Err(cause) => Err(cause.to_string()),
    };
    let get = async |path: &str| {
        let mut request = client.get(format!("http://{to}{path}"));
        if let Ok(key) = &key {
            request = request.bearer_auth(key.expose_secret());
        }
        let answer = request.send().await.map_err(|cause| innermost(&cause))?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or(Value::Null);
        Ok::<_, String>((status, body))
    };
    let (status, ready) = get("/health/ready").await?;
    let page = async |path: &str| match (&key, get(path).await) {
        (_, Ok((status, body))) if status.is_success() => Ok(body),
        (Err(cause), _) => Err(cause.clone()),
        (_, Ok((status, _))) => Err(format!("the engine answered {status}")),
        (_, Err(cause)) => Err(cause),
    };
    Ok(Answers {
        is_ready: status.is_success(),
        ready,
        attention: page("/dashboard/attention").await,
        book: page("/dashboard/orderbook?limit=10").await,
    })
}

fn running(answers: &Answers, page: &mut Page) -> i32 {
    page.line(headline(answers.is_ready, &answers.ready));
    facts(&answers.ready, "  ", page);
    page.heading("Waits for a person");
    let waiting = match &answers.attention {
        Ok(attention) => {
            let items = rows(attention, &["items", "attention"]);
            for item in items {
                waits(item, page);
            }
            if items.is_empty() {
                page.line("  nothing");
            }
            items.len()
        }
        Err(cause) => {
            page.line(format!("  not known: {cause}"));
            1
        }
    };
    page.heading("Newest orders");
    match &answers.book {
        Ok(book) => {
            let cell = |order: &Value, names: &[&str]| names.iter().find_map(|name| order.get(*name)).map(plain).unwrap_or_default();
            let rows = rows(book, &["system_orders"]).iter().take(10).map(|order| {
                vec![
                    cell(order, &["created_at"]),
                    cell(order, &["command_id"]),
                    cell(order, &["client_id"]),
                    cell(order, &["side"]) + " " + &cell(order, &["quantity"]) + " " + &cell(order, &["symbol"]),
                    cell(order, &["status"]),
                    cell(order, &["broker_order_id"]),
                    cell(order, &["filled_quantity"]),
                    [cell(order, &["tag"]), cell(order, &["reason"])].join(" ").trim().to_owned(),
                ]
            });
            page.table(ORDER, rows);
        }
        Err(cause) => {
            page.line(format!("  not known: {cause}"));
        }
    }
    let is_blind = accounts(&answers.ready).any(|account| account["trouble"] == true);
    if answers.is_ready && !is_blind && waiting == 0 { EXIT_OK } else { EXIT_ATTENTION }
}

fn accounts(ready: &Value) -> impl Iterator<Item = &Value> {
    ready["accounts"].as_array().into_iter().flatten()
}

/// How it stands, and by how old a look at the broker: what happened there since is not in it.
fn headline(is_ready: bool, ready: &Value) -> String {
    if !is_ready {
        return "the engine is up but NOT READY".to_owned();
    }
    let oldest = accounts(ready).filter_map(|account| account["positions_age_ms"].as_i64()).max();
    let seen = oldest.map_or_else(String::new, |age| format!(", by the broker's books of {}.{} s ago", age / 1_000, age % 1_000 / 100));
    let has_trouble = accounts(ready).any(|account| account["trouble"] == true);
    let trouble = if has_trouble { "; but the broker's books CANNOT BE READ just now" } else { "" };
    let refused: Vec<&str> = ready["entries_refused"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let refused = if refused.is_empty() { String::new() } else { format!("; but ENTRIES ARE REFUSED: {}", refused.join(", ")) };
    format!("the engine is up and ready{seen}{trouble}{refused}")
}

/// One thing that waits, for people: what it is, since when, and where it is seen to.
fn waits(item: &Value, page: &mut Page) {
    let text = |value: &Value, longest| clean(value.as_str().unwrap_or_default(), longest);
    let kind = text(&item["kind"], 40).replace('_', " ");
    let more = ["event", "level"].map(|name| text(&item["more"][name], 60));
    let what: Vec<&str> = std::iter::once(kind.as_str()).chain(more.iter().map(String::as_str)).filter(|word| !word.is_empty()).collect();
    let whose = item["client_id"].as_str().unwrap_or("(process)");
    let age = item["age_ms"].as_i64().map_or_else(String::new, |age| format!(", {} s ago", age / 1_000));
    page.line(format!("  {}: {}{age}", clean(whose, 40), what.join(" ")));
    page.line(format!("    {}", text(&item["text"], 400)));
    if let Some(order) = item["command_id"].as_str() {
        page.line(format!("    ordergate verify-orders --order={}", clean(order, 80)));
    }
}

fn at_rest(config: &Config, page: &mut Page) -> anyhow::Result<()> {
    let store = match ReadStore::open(&config.storage.directory) {
        Ok(store) => store,
        Err(cause) => {
            page.line(format!("and the database cannot be read: {cause}"));
            return Ok(());
        }
    };
    page.line(format!("read from the disk instead ({}):", config.storage.directory.display()));
    page.heading("By status")
        .table(&["status", "orders"], store.count_by_status()?.into_iter().map(|(name, count)| vec![name, count.to_string()]));
    page.heading("Alarms that nobody has acknowledged");
    let alarms = store.alarms()?;
    for (client_id, alarm) in &alarms {
        page.line(format!(
            "  {} {} {} ({} times since {}): {}",
            alarm.level.as_str(),
            client_id.as_ref().map_or("(process)", |client| client.as_str()),
            alarm.event,
            alarm.count,
            stored_time(alarm.at),
            clean(&alarm.text, 300)
        ));
    }
    if alarms.is_empty() {
        page.line("  none");
    }
    let now = SystemClock.now();
    let found = Judgement::of(&store, &config.storage.directory, now)?;
    if found.is_followed {
        page.line("an engine holds the directory, and does not answer there");
    }
    page.heading("Orders that wait for a person");
    found.orders(page);
    page.line(found.verdict());
    page.heading("Newest orders").table(ORDER, store.last(10)?.iter().map(order_row));
    Ok(())
}

fn rows<'a>(value: &'a Value, names: &[&str]) -> &'a [Value] {
    let list = value.as_array().or_else(|| names.iter().find_map(|name| value.get(*name)?.as_array()));
    list.map_or(&[], Vec::as_slice)
}

/// One fact a line, and of a list one item; what is not there is not said.
fn facts(value: &Value, indent: &str, page: &mut Page) {
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    page.line(format!("{indent}{name}[{index}]: {}", one_line(item)));
                }
            }
            value => {
                page.line(format!("{indent}{name}: {}", clean(&plain(value), 300)));
            }
        }
    }
}

fn one_line(value: &Value) -> String {
    let words: Vec<String> = match value.as_object() {
        Some(fields) => {
            fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| format!("{name}={}", plain(value))).collect()
        }
        None => vec![plain(value)],
    };
    clean(&words.join("  "), 400)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_waits_reads_as_lines_and_not_as_json() {
        let mut page = Page::new();
        let item = json!({
            "client_id": "PAPER1", "kind": "alarm", "text": "NOT FLAT: SBIN", "command_id": "c-1", "age_ms": 61_500,
            "actions": [{ "label": "seen", "body": { "reason": "<why>" } }], "more": { "event": "ALARM_NOT_FLAT", "level": "PAGE" },
        });
        waits(&item, &mut page);
        waits(&json!({ "client_id": null, "kind": "no_session", "text": "no broker session", "more": null }), &mut page);
        let said = "  PAPER1: alarm ALARM_NOT_FLAT PAGE, 61 s ago\n    NOT FLAT: SBIN\n    ordergate verify-orders --order=c-1\n  \
                    (process): no session\n    no broker session\n";
        assert_eq!(page.text(), said);
    }

    #[test]
    fn ready_says_by_how_old_a_look_and_that_the_books_cannot_be_read() {
        let ready = |trouble: bool| json!({ "accounts": [{ "positions_age_ms": 900, "trouble": false }, { "positions_age_ms": 4_200, "trouble": trouble }] });
        assert_eq!(headline(true, &ready(false)), "the engine is up and ready, by the broker's books of 4.2 s ago");
        assert!(headline(true, &ready(true)).contains("CANNOT BE READ just now"));
        assert_eq!(headline(false, &ready(false)), "the engine is up but NOT READY");
        let stopped = json!({ "entries_refused": ["accounts[0].kill_level"] });
        assert_eq!(headline(true, &stopped), "the engine is up and ready; but ENTRIES ARE REFUSED: accounts[0].kill_level");
    }

    #[test]
    fn a_screen_says_what_is_there_and_no_empty_lists() {
        let mut page = Page::new();
        let ready = json!({
            "status": "NOT_READY",
            "why_not": ["accounts[0].no_session"],
            "calendar": [],
            "clock_behind_until": null,
            "accounts": [{"phase": "OPEN", "session": false, "orders_age_ms": null}],
        });
        facts(&ready, "  ", &mut page);
        let said = "  accounts[0]: phase=OPEN  session=false\n  status: NOT_READY\n  why_not[0]: accounts[0].no_session\n";
        assert_eq!(page.text(), said);
    }
}
