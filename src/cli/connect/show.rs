//! How answers are shown, and how questions are asked in an address.

use ordergate_actors::order::clean;
use serde_json::{Value, json};

use super::Done;
use crate::cli::engine::Said;
use crate::cli::print::Page;
use crate::cli::{EXIT_ATTENTION, EXIT_OK};

pub(super) fn gates(gates: &Value, page: &mut Page) {
    let rows = gates.as_array().into_iter().flatten().map(|gate| {
        let passed = if gate["passed"] == true { "PASSED" } else { "REFUSED" };
        vec![plain(&gate["gate"]), passed.to_owned(), plain(&gate["input"]), plain(&gate["limit"])]
    });
    page.heading("The gates").table(&["gate", "verdict", "saw", "limit"], rows);
}

/// What every gate said about a test, and the exact request that would have gone out.
pub(super) fn verdicts(order: &Value) -> anyhow::Result<()> {
    let mut page = Page::new();
    let rows = order["gates"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|gate| ["gate", "verdict", "input", "limit"].iter().map(|name| plain(&gate[*name])).collect());
    page.heading("The gates").table(&["gate", "verdict", "saw", "limit"], rows);
    let request = order["journal"].as_array().into_iter().flatten().find_map(|row| row["inputs"]["request"].as_str());
    if let Some(request) = request {
        page.heading("The request to the broker").line(format!("  {}", clean(request, 2_000)));
    }
    page.show()?;
    Ok(())
}

pub(super) fn orders(said: &Said, words: &str) -> Done {
    let mut page = Page::new();
    page.line(headline(&said.body, words));
    let rows = said.body["orders"].as_array().into_iter().flatten().map(|order| {
        ["execution_type", "side", "quantity", "symbol", "product", "status", "filled_quantity", "average_price", "words", "reason"]
            .iter()
            .map(|name| plain(&order[*name]))
            .collect()
    });
    page.table(&["act", "side", "quantity", "symbol", "product", "status", "filled", "price", "words", "reason"], rows);
    for note in said.body["notes"].as_array().into_iter().flatten() {
        page.line(format!("note: {}", plain(note)));
    }
    page.show()?;
    let is_good = said.body["status"] == "ACCEPTED" || said.body["replayed"] == true;
    Ok(Ok(if is_good { EXIT_OK } else { EXIT_ATTENTION }))
}

/// What was done. The same message again is a replay: what is shown of it is of the first time.
fn headline(answer: &Value, words: &str) -> String {
    if answer["replayed"] == true {
        return "A REPLAY: this message was taken before, and nothing was sent now; what became of it the first time:".to_owned();
    }
    format!("{words}; {}", plain(&answer["status"]))
}

/// Whether an explained leg comes to something, now or later.
pub(super) fn would_go(explained: &Value) -> bool {
    matches!(explained["fate"].as_str(), Some("WOULD_GO" | "WOULD_WAIT" | "NOTHING_TO_DO"))
}

/// The fields of an object that hold something.
pub(super) fn fields(value: &Value, page: &mut Page) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let is_empty = value.is_null() || value == &json!([]) || value == &json!(false) || value == &json!({});
        if !is_empty {
            page.line(format!("  {name}: {}", clean(&plain(value), 600)));
        }
    }
}

pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { "-".to_owned() } else { value.to_string() }, str::to_owned)
}

/// The query of an address, its values escaped.
pub(super) fn query(fields: &[(&str, Option<&str>)]) -> String {
    let mut text = String::new();
    for (name, value) in fields.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_says_that_nothing_was_sent() {
        let said = |replayed: bool| headline(&json!({ "status": "ACCEPTED", "replayed": replayed }), "sent as the chart would send it");
        assert_eq!(said(false), "sent as the chart would send it; ACCEPTED");
        assert!(said(true).contains("nothing was sent now") && !said(true).contains("ACCEPTED"));
    }

    #[test]
    fn what_would_be_refused_is_no_success() {
        assert!(would_go(&json!({ "fate": "WOULD_GO" })) && !would_go(&json!({ "fate": "REFUSED" })) && !would_go(&json!({})));
    }

    #[test]
    fn a_query_is_escaped() {
        assert_eq!(query(&[("a", None), ("b", Some("NSE:M&M 1!")), ("c", Some("x"))]), "?b=NSE%3AM%26M%201%21&c=x");
        assert_eq!(query(&[]), "");
    }
}
