//! The dashboard's answers in a few lines, for a phone: pure. What is not known is said to be.

use serde_json::Value;

/// Lines of one list; more are counted.
const LINES: usize = 12;

/// What stands at the end of a text that was too long.
const CUT: &str = "\n… and more: see the dashboard";
/// A price older than this is told with its age.
const OLD_MS: i64 = 60_000;

/// A value as it stands; what is missing is not known.
fn said(value: &Value) -> String {
    match value {
        Value::Null => "not known".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A text of so many characters at most; whole lines go, and that they do is said.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(CUT.chars().count());
    let head: String = text.chars().take(room).collect();
    let whole = head.rfind('\n').and_then(|end| head.get(..end)).unwrap_or(&head);
    format!("{whole}{CUT}")
}

/// An age, roughly.
fn age(ms: i64) -> String {
    match ms / 1_000 {
        seconds @ ..=119 => format!("{seconds} s"),
        seconds @ ..=7_199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

/// What is told of a price that is old; nothing of one that is of now.
fn old(ms: &Value, before: &str, after: &str) -> String {
    ms.as_i64().filter(|ms| *ms > OLD_MS).map_or_else(String::new, |ms| format!("{before}{} old{after}", age(ms)))
}

fn rows(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// At most so many, and a count of the rest.
fn few(lines: Vec<String>, nothing: &str) -> String {
    if lines.is_empty() {
        return nothing.to_owned();
    }
    let more = lines.len().saturating_sub(LINES);
    let mut text = lines.into_iter().take(LINES).collect::<Vec<_>>().join("\n");
    if more > 0 {
        text.push_str(&format!("\nand {more} more"));
    }
    text
}

/// `/status`, of `GET /dashboard/overview`.
pub(super) fn status(overview: &Value) -> String {
    let markets: Vec<String> =
        rows(&overview["markets"]).map(|market| format!("{} {}", said(&market["exchange"]), said(&market["phase"]))).collect();
    let account = |account: &Value| {
        let words = account["session_words"].as_str().map_or_else(String::new, |words| format!(" ({words})"));
        format!(
            "{}: {}, session {}{words}, kill level {}, {} open, {} in doubt, {} held, {} alarms",
            said(&account["client_id"]),
            said(&account["standing"]["mode"]),
            said(&account["session"]),
            said(&account["kill_level"]),
            said(&account["open_orders"]),
            said(&account["in_doubt"]),
            said(&account["held"]),
            said(&account["alarms"]),
        )
    };
    let journal = if overview["journal_open"] == true { "journal open" } else { "journal CLOSED" };
    let accounts: Vec<String> = rows(&overview["accounts"]).map(account).collect();
    format!("ordergate {}, {journal}; {}\n{}", said(&overview["version"]), markets.join(", "), few(accounts, "no accounts"))
}

/// `/pnl`, of one account of `GET /dashboard/pnl`: the result of the day and of each strategy.
pub(super) fn pnl(account: &Value) -> String {
    let strategies: Vec<String> = rows(&account["strategies"])
        .map(|strategy| format!("  {}: {}", said(&strategy["strategy"]), result(&strategy["result"])))
        .collect();
    let strategies = if strategies.is_empty() { String::new() } else { format!("\n{}", few(strategies, "")) };
    format!("{} {}: {}{strategies}", said(&account["client_id"]), said(&account["date"]), result(&account["result"]))
}

/// Gross and net; what keeps them from being known is named.
fn result(result: &Value) -> String {
    let unpriced: Vec<String> = rows(&result["without_a_price"]).map(said).collect();
    let mut without = if unpriced.is_empty() { String::new() } else { format!(", without a price of {}", unpriced.join(", ")) };
    if let Some(units @ 1..) = result["closed_elsewhere"].as_i64() {
        without.push_str(&format!(", without {units} units closed elsewhere"));
    }
    without.push_str(&old(&result["oldest_quote_age_ms"], ", by prices up to ", ""));
    format!(
        "gross {}, charges {}, net {} (realised {}, unrealised {}{without})",
        said(&result["gross"]),
        said(&result["charges"]),
        said(&result["net"]),
        said(&result["realised"]),
        said(&result["unrealised"]),
    )
}

/// The line of the open or of the close: the result, the trades, and what is held.
pub(super) fn day(account: &Value, at: &str) -> String {
    let statistics = &account["statistics"];
    let instruments = rows(&account["strategies"]).flat_map(|strategy| rows(&strategy["instruments"]));
    let held: Vec<String> = instruments
        .filter(|line| line["net"].as_i64() != Some(0))
        .map(|line| format!("{} {} {}", said(&line["net"]), said(&line["symbol"]), said(&line["product"])))
        .collect();
    let held = if held.is_empty() { "nothing is held".to_owned() } else { format!("held: {}", held.join(", ")) };
    format!(
        "{at} of {}: {}; {} round trips, {} won, {} lost; {held}",
        said(&account["date"]),
        result(&account["result"]),
        said(&statistics["trades"]),
        said(&statistics["wins"]),
        said(&statistics["losses"]),
    )
}

/// `/positions`, of one account of `GET /dashboard/positions`.
pub(super) fn positions(account: &Value) -> String {
    let line = |position: &Value| {
        let strategies: Vec<String> = rows(&position["strategies"])
            .filter(|held| held["net"].as_i64() != Some(0))
            .map(|held| {
                format!(
                    "{} {} at {} ({})",
                    said(&held["strategy"]),
                    said(&held["net"]),
                    said(&held["average_price"]),
                    said(&held["unrealised"])
                )
            })
            .collect();
        let difference = position["difference"].as_i64().filter(|units| *units != 0);
        let difference = difference.map_or_else(String::new, |units| format!(" — differs from the broker by {units}"));
        format!(
            "{} {}: {}, last {}{}; {}{difference}",
            said(&position["symbol"]),
            said(&position["product"]),
            said(&position["ours"]),
            said(&position["quote"]["last"]),
            old(&position["quote"]["age_ms"], " (", ")"),
            strategies.join("; "),
        )
    };
    let is_held =
        |position: &&Value| position["ours"].as_i64() != Some(0) || position["difference"].as_i64().is_none_or(|units| units != 0);
    let lines = rows(&account["positions"]).filter(is_held).map(line).collect();
    // What the broker holds is not known before its book was read, and what was read long ago may be otherwise by now.
    let (book, nothing) = match account["age_ms"].as_i64() {
        None => ("the broker's book was NOT READ yet".to_owned(), "nothing of ours is held"),
        Some(ms) => (format!("the broker's book of {} ago", age(ms)), "nothing is held"),
    };
    format!("{}: {book}\n{}", said(&account["client_id"]), few(lines, nothing))
}

/// `/orders`, of rows of `GET /dashboard/orderbook`, newest first, of so many orders.
pub(super) fn orders(orders: &[Value], total: u64) -> String {
    let line = |order: &Value| {
        format!(
            "{} {} {} {} {}: {}, {} of {} filled",
            said(&order["client_id"]),
            said(&order["strategy"]),
            order["side"].as_str().unwrap_or("?"),
            order["quantity"].as_i64().map_or_else(|| "?".to_owned(), |quantity| quantity.to_string()),
            said(&order["symbol"]),
            said(&order["words"]),
            said(&order["filled_quantity"]),
            said(&order["quantity"]),
        )
    };
    if orders.is_empty() {
        return "no orders".to_owned();
    }
    let mut text = orders.iter().take(LINES).map(line).collect::<Vec<_>>().join("\n");
    let shown = u64::try_from(orders.len().min(LINES)).unwrap_or(u64::MAX);
    if let Some(more @ 1..) = total.checked_sub(shown) {
        text.push_str(&format!("\nand {more} older"));
    }
    text
}

/// `/risk`, of one account of `GET /dashboard/risk`.
pub(super) fn risk(account: &Value) -> String {
    let day = &account["day"];
    let used = |limit: &Value| {
        let used = &limit["used"];
        let used = used["units"].as_i64().map_or_else(|| said(used), |units| format!("{units} of {}", said(&used["instrument"])));
        format!("  {}: {used} of {}", said(&limit["limit"]), said(&limit["in_force"]))
    };
    let limits: Vec<String> = rows(&account["limits"]).filter(|limit| !limit["used"].is_null()).map(used).collect();
    let halted = rows(&account["halted"]).count();
    format!(
        "{}: the day stands at {}, its floor at {}, {} left{}{}\n{}",
        said(&account["client_id"]),
        said(&day["pnl"]),
        said(&day["floor"]),
        said(&day["left"]),
        if day["is_over"] == true { "; the day is over" } else { "" },
        if halted > 0 { format!("; {halted} strategies are halted") } else { String::new() },
        few(limits, "no limit is used"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_said_to_be() {
        let account = json!({ "client_id": "A", "date": "2026-11-20", "strategies": [], "statistics": { "trades": 2, "wins": 1, "losses": 1 },
            "result": { "gross": null, "charges": "1.00", "net": null, "realised": "5.00", "unrealised": null, "without_a_price": ["NSE:SBIN-EQ"] } });
        let words = "gross not known, charges 1.00, net not known (realised 5.00, unrealised not known, without a price of NSE:SBIN-EQ)";
        assert_eq!(pnl(&account), format!("A 2026-11-20: {words}"));
        assert_eq!(day(&account, "the close"), format!("the close of 2026-11-20: {words}; 2 round trips, 1 won, 1 lost; nothing is held"));
        assert_eq!(positions(&json!({ "client_id": "A" })), "A: the broker's book was NOT READ yet\nnothing of ours is held");
        assert_eq!(positions(&json!({ "client_id": "A", "age_ms": 7_300_000 })), "A: the broker's book of 2 h ago\nnothing is held");
        assert_eq!(orders(&[], 0), "no orders");
    }

    #[test]
    fn a_position_is_named_with_its_owner_and_its_difference() {
        let account = json!({ "client_id": "A", "age_ms": 2_000, "positions": [
            { "symbol": "SBIN-EQ", "product": "MIS", "ours": 10, "difference": -5, "quote": { "last": "801.00" },
              "strategies": [{ "strategy": "trend", "net": 10, "average_price": "800.50", "unrealised": "5.00" }] },
            { "symbol": "INFY-EQ", "product": "MIS", "ours": 0, "difference": 0, "quote": null, "strategies": [] },
        ] });
        let expected =
            "A: the broker's book of 2 s ago\nSBIN-EQ MIS: 10, last 801.00; trend 10 at 800.50 (5.00) — differs from the broker by -5";
        assert_eq!(positions(&account), expected);
    }

    #[test]
    fn what_is_old_is_told_with_its_age() {
        let account = json!({ "client_id": "A", "age_ms": 400_000, "positions": [{ "symbol": "SBIN-EQ", "product": "MIS", "ours": 10,
            "difference": 0, "quote": { "last": "801.00", "age_ms": 7_500_000 }, "strategies": [] }] });
        assert_eq!(positions(&account), "A: the broker's book of 6 min ago\nSBIN-EQ MIS: 10, last 801.00 (2 h old); ");
        let of = |age: i64, left: i64| {
            let account = json!({ "client_id": "A", "date": "2026-11-20", "result": { "gross": "5.00", "charges": "0.00", "net": "5.00",
                "realised": "5.00", "unrealised": "0.00", "closed_elsewhere": left, "oldest_quote_age_ms": age } });
            pnl(&account)
        };
        let words = |more: &str| format!("A 2026-11-20: gross 5.00, charges 0.00, net 5.00 (realised 5.00, unrealised 0.00{more})");
        assert_eq!(of(900, 0), words(""));
        assert_eq!(of(120_000, 65), words(", without 65 units closed elsewhere, by prices up to 2 min old"));
    }

    #[test]
    fn a_text_that_is_too_long_loses_whole_lines_and_says_so() {
        let text = (0..400).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
        let short = cut(&text, 100);
        assert!(short.chars().count() <= 100 && short.ends_with("\n… and more: see the dashboard"), "{short}");
        assert!(short.lines().rev().nth(1).is_some_and(|line| text.lines().any(|whole| whole == line)), "{short}");
        assert_eq!(cut("short", 100), "short");
        assert_eq!(cut(&"x".repeat(200), 40).chars().count(), 40, "one line is cut within");
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        let orders: Vec<Value> = (0..20).map(|n| json!({ "symbol": n.to_string(), "words": "filled" })).collect();
        // The reader of the record hands the newest over, and says how many there are.
        let text = super::orders(&orders[..12], 20);
        assert_eq!(text.lines().count(), 13);
        assert!(text.ends_with("and 8 older"), "{text}");
        assert_eq!(super::orders(&orders[..3], 3).lines().count(), 3);
    }

    #[test]
    fn limits_that_are_of_an_order_are_not_listed() {
        let account = json!({ "client_id": "A", "day": { "pnl": "-10", "floor": "-100", "left": "90", "is_over": false }, "halted": [{}],
            "limits": [{ "limit": "max_quantity", "in_force": "5", "used": null }, { "limit": "daily_loss", "in_force": "100", "used": "10" },
                { "limit": "max_position", "in_force": "50", "used": { "units": 10, "instrument": "NSE:SBIN-EQ" } }] });
        let expected = "A: the day stands at -10, its floor at -100, 90 left; 1 strategies are halted\n  daily_loss: 10 of 100\n  max_position: 10 of NSE:SBIN-EQ of 50";
        assert_eq!(risk(&account), expected);
    }
}
