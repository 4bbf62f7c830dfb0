//! `ordergate arm`, `ordergate disarm`: shows what must be seen, asks for the account's name, and tells the engine.

use std::io::{self, BufRead};

use clap::{Args, ValueEnum};
use ordergate_actors::order::clean;
use serde_json::{Value, json};

use super::engine::{Said, ask};
use super::print::Page;
use super::readiness::checks;
use super::{Config, EXIT_ATTENTION, EXIT_OK};

/// How far an account is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ArmAs {
    /// Entries go
    Live,
    /// Each basket with an entry waits for a person's yes
    Approve,
}

#[derive(Debug, Args)]
pub(super) struct Arm {
    /// The account
    #[arg(long, value_name = "NAME")]
    account: String,
    /// How far
    #[arg(long)]
    mode: ArmAs,
    /// For how long: 45m, 6h; a day at most
    #[arg(long = "for", value_name = "TIME", value_parser = minutes)]
    minutes: i64,
    /// Why; it stands in the journal
    #[arg(long)]
    reason: String,
    /// Although the readiness report says NO GO
    #[arg(long)]
    force: bool,
    /// Do not ask for the account's name
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct Disarm {
    /// The account
    #[arg(long, value_name = "NAME")]
    account: String,
    /// Why; it stands in the journal
    #[arg(long)]
    reason: String,
}

/// Minutes out of `90m` or `6h`.
fn minutes(text: &str) -> Result<i64, String> {
    let wrong = || "must be a time from 1m to 24h, for example 45m or 6h".to_owned();
    let (number, unit) = text.trim().split_at_checked(text.trim().len().saturating_sub(1)).ok_or_else(wrong)?;
    let factor = match unit {
        "m" => 1,
        "h" => 60,
        _ => return Err(wrong()),
    };
    let minutes = number.parse::<i64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)?;
    if (1..=24 * 60).contains(&minutes) { Ok(minutes) } else { Err(wrong()) }
}

pub(super) fn arm(config: &Config, wish: &Arm) -> anyhow::Result<i32> {
    let mode = match wish.mode {
        ArmAs::Live => "LIVE",
        ArmAs::Approve => "APPROVE",
    };
    let mut body =
        json!({ "client_id": wish.account, "mode": mode, "reason": wish.reason, "duration_minutes": wish.minutes, "force": wish.force });
    // The first answer is never an arming: it shows what must be seen.
    let first = match ask(config, "/dashboard/arm", Some(&body))? {
        Ok(said) => said,
        Err(cause) => return trouble(&cause),
    };
    let mut page = Page::new();
    look(&first.body["look"], &mut page);
    page.show()?;
    if first.body["code"] != "confirm" {
        return answered(&first);
    }
    if !wish.yes && !is_typed(&wish.account, first.body["detail"].as_str().unwrap_or_default())? {
        return trouble("not armed: the name was not typed");
    }
    body["confirm"] = json!(wish.account);
    match ask(config, "/dashboard/arm", Some(&body))? {
        Ok(said) => answered(&said),
        Err(cause) => trouble(&cause),
    }
}

pub(super) fn disarm(config: &Config, wish: &Disarm) -> anyhow::Result<i32> {
    let body = json!({ "client_id": wish.account, "mode": "DISARMED", "reason": wish.reason });
    match ask(config, "/dashboard/arm", Some(&body))? {
        Ok(said) => answered(&said),
        Err(cause) => trouble(&cause),
    }
}

fn trouble(words: &str) -> anyhow::Result<i32> {
    Page::new().line(words).show()?;
    Ok(EXIT_ATTENTION)
}

fn answered(said: &Said) -> anyhow::Result<i32> {
    if !said.is_success() {
        return trouble(&said.trouble());
    }
    let words = |name: &str| said.body["standing"][name].as_str().unwrap_or_default().to_owned();
    Page::new().line(format!("{} is {}: {}", said.body["client_id"].as_str().unwrap_or_default(), words("mode"), words("why"))).show()?;
    Ok(EXIT_OK)
}

/// What a person must see before saying yes.
fn look(look: &Value, page: &mut Page) {
    if look.is_null() {
        return;
    }
    checks(&look["readiness"], page);
    page.heading("Limits");
    for (name, value) in look["limits"].as_object().into_iter().flatten() {
        page.line(format!("  {name}: {}", plain(value)));
    }
    page.heading("Changed since the last arming");
    match look["changes_since_last_arming"].as_array() {
        None => {
            page.line("  it was never armed");
        }
        Some(changes) if changes.is_empty() => {
            page.line("  nothing");
        }
        Some(changes) => {
            let rows = changes.iter().map(|change| vec![plain(&change["key"]), plain(&change["old"]), plain(&change["new"])]);
            page.table(&["setting", "then", "now"], rows);
        }
    }
    page.heading("Proofs");
    page.line(format!("  conformance: {}", plain(&look["conformance"]))).line(format!("  alert test: {}", plain(&look["alert_test"])));
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { "-".to_owned() } else { value.to_string() }, str::to_owned)
}

fn is_typed(account: &str, what: &str) -> anyhow::Result<bool> {
    Page::new().line(format!("\n{}.\nType the account's name ({account}) to arm it:", clean(what, 400))).show()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_its_unit_and_a_day_is_the_most() {
        assert_eq!((minutes("45m"), minutes(" 6h "), minutes("24h")), (Ok(45), Ok(360), Ok(1_440)));
        for wrong in ["", "6", "h", "0m", "25h", "-1h", "1d", "6 h", "9999999999999999999h", "६घ"] {
            assert!(minutes(wrong).is_err(), "{wrong:?}");
        }
    }
}
