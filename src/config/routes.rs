//! `[[routes]]`: what alerts become. What each field means is said in `config/default.toml`.

use chrono::NaiveTime;
use ordergate_actors::order::{ClientId, OrderType, Product, Side, StopAt, Strategy};
use ordergate_actors::routes::route::MAX_ORDERS;
use ordergate_actors::routes::{Direction, OnGap, Origin, QtyUnit, Route, Size};

use super::Account;
use super::reader::Reader;

/// Every route, with its account.
pub(super) fn routes(reader: &mut Reader, accounts: &[Account]) -> Vec<(ClientId, Route)> {
    let mut routes: Vec<(ClientId, Route)> = Vec::new();
    for index in 0..reader.rows("routes") {
        let Some((account, route)) = route(reader, index, accounts) else { continue };
        for flaw in route.flaws() {
            reader.violate(&format!("routes.{index}.{}", flaw.field), flaw.rule);
        }
        if routes.iter().any(|(other, known)| *other == account && known.name == route.name) {
            reader.violate(&format!("routes.{index}.name"), "is the name of another route of the account too");
        }
        routes.push((account, route));
    }
    routes
}

fn route(reader: &mut Reader, index: usize, accounts: &[Account]) -> Option<(ClientId, Route)> {
    let text = |text: &str| Some(text.to_owned());
    let account = match maybe(reader, index, "account", "must be one of the accounts", text) {
        Some(name) => {
            let found = accounts.iter().find(|account| account.client_id.as_str() == name);
            if found.is_none() {
                reader.violate(&format!("routes.{index}.account"), "is not one of the accounts");
            }
            found
        }
        None if accounts.len() == 1 => accounts.first(),
        None => {
            reader.violate(&format!("routes.{index}.account"), "is missing: there are several accounts");
            None
        }
    };
    let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
    let distance = "must be text: a price (101.50), 12 points or 1.5%";
    let mut scope = reader.row("routes", index, None);
    let name = scope.text("name", "must be 1 to 32 of A-Z a-z 0-9 _ -", text);
    let strategy = scope.text("strategy", "must be 1 to 64 bytes of text", |text| Strategy::parse(text).ok());
    let direction = scope.text("direction", "must be long, short or both", Direction::parse);
    let adds = u32::try_from(scope.number_or("adds", 0..=100, 0)).unwrap_or(0);
    let max_orders = u32::try_from(scope.number_or("max_orders", 1..=100, u64::from(MAX_ORDERS))).unwrap_or(MAX_ORDERS);
    let approval = scope.flag("approval", false);
    // 0 is not said: a route that trades never is none.
    let trades_per_day = u32::try_from(scope.number_or("trades_per_day", 1..=10_000, 0)).ok().filter(|most| *most > 0);
    let route = Route {
        name: name?,
        source: maybe(reader, index, "source", "must be text", text),
        alert_strategy: maybe(reader, index, "alert_strategy", "must be text", text),
        ticker: maybe(reader, index, "ticker", "must be text", text),
        strategy: strategy?,
        instrument: maybe(reader, index, "instrument", "must be text: NSE:SBIN-EQ, or NIFTY weekly ATM CE", text),
        product: maybe(reader, index, "product", "must be MIS, NRML or CNC", Product::parse),
        order_type: maybe(reader, index, "order_type", "must be MARKET or LIMIT", OrderType::parse),
        size: maybe(reader, index, "size", "must be text: 2 lots, 130 units or 50000 rupees", |text| text.parse::<Size>().ok()),
        qty_unit: maybe(reader, index, "qty_unit", "must be units or lots", QtyUnit::parse),
        action: maybe(reader, index, "action", "must be buy or sell", Side::parse),
        direction: direction?,
        adds,
        entries_from: maybe(reader, index, "entries_from", "must be a time of day, for example 09:20", time),
        entries_until: maybe(reader, index, "entries_until", "must be a time of day, for example 14:45", time),
        trades_per_day,
        stop_loss: maybe(reader, index, "stop_loss", distance, text),
        target: maybe(reader, index, "target", distance, text),
        trailing: maybe(reader, index, "trailing", "must be text: 12 points or 1.5%", text),
        stop_at: maybe(reader, index, "stop_at", "must be engine or broker", StopAt::parse),
        approval,
        max_orders,
        on_gap: maybe(reader, index, "on_gap", "must be tell or block", on_gap).unwrap_or_default(),
        origin: Origin::Config,
    };
    Some((account?.client_id.clone(), route))
}

fn on_gap(text: &str) -> Option<OnGap> {
    match text.trim() {
        "tell" => Some(OnGap::Tell),
        "block" => Some(OnGap::Block),
        _ => None,
    }
}

/// A text that may be left out.
fn maybe<T>(reader: &mut Reader, index: usize, name: &str, rule: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    if !reader.is_said(&format!("routes.{index}.{name}")) {
        return None;
    }
    reader.row("routes", index, None).text(name, rule, read)
}
