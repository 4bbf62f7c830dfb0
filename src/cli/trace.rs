//! `ordergate verify-orders --order=ID`: everything that is on disk about an order.

use chrono::{DateTime, Utc};
use ordergate_actors::order::{GateVerdict, OrderRecord, clean};
use ordergate_actors::persistence::chain::stored_time;
use ordergate_actors::ports::JournalRow;
use serde::Deserialize;

use super::judge::is_in_doubt;
use super::print::{Page, remedy, what, words};
use super::{EXIT_ATTENTION, EXIT_OK};
use crate::store::{Incomplete, ReadStore};

#[derive(Debug, Default, Deserialize)]
struct Inputs {
    #[serde(default)]
    gates: Vec<GateVerdict>,
    request: Option<String>,
}

pub(super) fn order(store: &ReadStore, id: &str, (now, is_followed): (DateTime<Utc>, bool), page: &mut Page) -> anyhow::Result<i32> {
    let found = store.find(id)?;
    if found.is_empty() {
        page.line(format!(
            "no order goes by {:?}: give a command, basket or signal id, a broker's order number or a broker tag",
            clean(id, 80)
        ));
        return Ok(EXIT_ATTENTION);
    }
    let mut code = EXIT_OK;
    for record in found {
        one(store, &record, page)?;
        if is_in_doubt(&record, now, is_followed) {
            code = EXIT_ATTENTION;
        }
        if !is_followed && !record.status.is_terminal() {
            page.line("no engine runs on this directory: nobody follows this order");
            code = EXIT_ATTENTION;
        }
        if let Some(lacks) = Incomplete::of(record) {
            page.line(format!("the row lacks {}", lacks.missing.join(", ")));
            code = EXIT_ATTENTION;
        }
    }
    Ok(code)
}

fn one(store: &ReadStore, order: &OrderRecord, page: &mut Page) -> anyhow::Result<()> {
    page.heading(format!("Order {}: {}", order.command_id, what(order)));
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let rows = [
        ("status", order.status.to_string()),
        ("tag", text(order.tag.map(|tag| tag.to_string()))),
        ("words", if words(order).is_empty() { "-".to_owned() } else { words(order) }),
        ("what to do", if remedy(order).is_empty() { "nothing".to_owned() } else { remedy(order).to_owned() }),
        ("account", order.client_id.to_string()),
        ("source", format!("{} ({})", order.source, order.user)),
        ("signal, leg", format!("{}, {}", order.signal_id, order.leg)),
        ("basket", order.basket_id.to_string()),
        ("parent", text(order.parent_command_id.map(|id| id.to_string()))),
        ("broker order number", text(order.broker_order_id.as_ref().map(ToString::to_string))),
        ("broker tag", order.broker_tag.to_string()),
        ("filled", format!("{} of {}", order.filled_quantity, order.quantity())),
        ("average price", text(order.average_price.map(|price| price.to_string()))),
        (
            "stop loss, target",
            format!("{}, {}", text(order.ask.stop_loss.map(|p| p.to_string())), text(order.ask.target.map(|p| p.to_string()))),
        ),
        ("cancel wanted", text(order.cancel_wanted.map(|tag| tag.to_string()))),
        ("signal time", stored_time(order.signal_time)),
        ("created", stored_time(order.created_at)),
        ("sent", text(order.sent_at.map(stored_time))),
        ("updated", stored_time(order.updated_at)),
    ];
    page.fields(rows);

    let fills = store.fills(&order.client_id, order.command_id)?;
    if !fills.is_empty() {
        let rows = fills
            .iter()
            .map(|fill| vec![stored_time(fill.at), fill.trade_id.to_string(), fill.quantity.to_string(), fill.price.to_string()]);
        page.heading("Fills").table(&["at", "trade", "quantity", "price"], rows);
    }
    page.heading("Journal");
    for row in store.order_journal(&order.client_id, order.command_id)? {
        journal_row(&row, page);
    }
    Ok(())
}

fn journal_row(row: &JournalRow, page: &mut Page) {
    let moved = match (row.from, row.to) {
        (Some(from), Some(to)) if from != to => format!(" {from} -> {to}"),
        (None, Some(to)) => format!(" -> {to}"),
        _ => String::new(),
    };
    let tag = row.tag.map(|tag| format!(" [{tag}]")).unwrap_or_default();
    let reason = row.reason.as_deref().map(|reason| format!(": {}", clean(reason, 500))).unwrap_or_default();
    page.line(format!("{} #{} {}{moved}{tag} by {}{reason}", stored_time(row.at), row.seq, row.event, row.who));
    let inputs: Inputs = serde_json::from_str(&row.inputs).unwrap_or_default();
    for gate in &inputs.gates {
        let said = if gate.passed { "passed" } else { "REFUSED" };
        page.line(format!("    {said:<7} {}: {} (limit: {})", gate.gate, clean(&gate.input, 200), clean(&gate.limit, 200)));
    }
    if let Some(request) = &inputs.request {
        page.line(format!("    request {}", clean(request, 500)));
    }
}
