//! `ordergate price`: what left at a price that nobody told, and the price that a person tells of it, to the running engine.

use clap::Args;
use ordergate_actors::order::{ClientId, EndPrice};
use serde_json::{Value, json};

use super::engine::{Said, ask};
use super::print::Page;
use super::{Config, EXIT_ATTENTION, EXIT_OK};

#[derive(Debug, Args)]
pub(super) struct Price {
    /// The account; may be left out if there is one
    #[arg(long, value_name = "NAME", value_parser = |text: &str| ClientId::parse(text))]
    account: Option<ClientId>,
    /// The journal row by which it left; without this everything is listed that left without a price
    #[arg(long, value_name = "NUMBER", requires = "at", requires = "reason")]
    row: Option<u64>,
    /// Rupees per unit; 0 for what ended worthless
    #[arg(long, value_name = "PRICE", value_parser = |text: &str| EndPrice::parse(text), requires = "row")]
    at: Option<EndPrice>,
    /// From where you know it; it stands in the journal
    #[arg(long, requires = "row")]
    reason: Option<String>,
}

pub(super) fn run(config: &Config, wish: &Price) -> anyhow::Result<i32> {
    let (Some(row), Some(price), Some(reason)) = (wish.row, wish.at, &wish.reason) else { return list(config, wish.account.as_ref()) };
    let body = json!({ "client_id": wish.account, "row": row, "price": price.to_string(), "reason": reason });
    answered(ask(config, "/dashboard/told-prices", Some(&body))?, |body, page| {
        let left = &body["left"];
        let again = if body["is_news"] == false { " (that was told before)" } else { "" };
        page.line(format!(
            "{} {} of {} left on {} at {}{again}: it realised {} rupees there. No quantity was changed, and nothing was sent.",
            plain(&left["units"]),
            plain(&left["symbol"]),
            plain(&left["strategy"]),
            plain(&left["day"]),
            plain(&left["price"]),
            plain(&left["realised"]),
        ));
        EXIT_OK
    })
}

fn list(config: &Config, account: Option<&ClientId>) -> anyhow::Result<i32> {
    let path = account.map_or_else(|| "/dashboard/told-prices".to_owned(), |name| format!("/dashboard/told-prices?client_id={name}"));
    answered(ask(config, &path, None)?, |body, page| {
        let mut untold = 0;
        for account in body["accounts"].as_array().into_iter().flatten() {
            untold += account["untold"].as_u64().unwrap_or_default();
            let left = account["left"].as_array().into_iter().flatten();
            page.heading(plain(&account["client_id"])).table(LEFT, left.map(left_row));
        }
        if untold == 0 {
            page.line("\nEverything that left has a price.");
            return EXIT_OK;
        }
        page.line(format!(
            "\n{untold} without a price. Look it up in the contract note, then:\n  ordergate price --row NUMBER --at PRICE --reason TEXT"
        ));
        EXIT_ATTENTION
    })
}

const LEFT: &[&str] = &["row", "day", "strategy", "instrument", "units", "average", "left at", "realised"];

fn left_row(left: &Value) -> Vec<String> {
    let named = format!("{}:{} {}", plain(&left["exchange"]), plain(&left["symbol"]), plain(&left["product"]));
    let cell = |name: &str| plain(&left[name]);
    vec![cell("row"), cell("day"), cell("strategy"), named, cell("units"), cell("average_price"), cell("price"), cell("realised")]
}

fn answered(said: Result<Said, String>, show: impl FnOnce(&Value, &mut Page) -> i32) -> anyhow::Result<i32> {
    let mut page = Page::new();
    let code = match said {
        Ok(said) if said.is_success() => show(&said.body, &mut page),
        Ok(said) => {
            page.line(said.trouble());
            EXIT_ATTENTION
        }
        Err(cause) => {
            page.line(cause);
            EXIT_ATTENTION
        }
    };
    page.show()?;
    Ok(code)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { "-".to_owned() } else { value.to_string() }, str::to_owned)
}
