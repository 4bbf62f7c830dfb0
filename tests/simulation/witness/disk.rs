//! What the disk says of a request, the moment it is called.

use ordergate::store::ReadStore;
use ordergate_actors::order::{BrokerOrderId, ClientId, OrderRecord, Status};
use ordergate_actors::persistence::Control;
use ordergate_actors::ports::{BookRow, JournalRow, Prepared, PreparedChange};

use crate::world::TOOK_IT;

/// INV-1: a committed SENT_TO_BROKER row for exactly this request. INV-8: of that account. Answers the order.
pub(super) fn sent(store: &ReadStore, client: &ClientId, prepared: &Prepared) -> Result<OrderRecord, String> {
    let command = prepared.order.command_id;
    let found = store.find(&command.to_string()).map_err(|error| error.to_string())?;
    // Its children are found by its name too.
    let row = found.into_iter().find(|row| row.command_id == command).ok_or("INV-1: no row on disk")?;
    if row.client_id != *client {
        return Err(format!("INV-8: an order of {} was called at the broker of {client}", row.client_id));
    }
    if row.status != Status::SentToBroker || row.broker_tag != prepared.order.tag {
        return Err(format!("INV-1: the row on disk is {} with tag {}", row.status, row.broker_tag));
    }
    let journal = journal_of(store, &row)?;
    let intended = journal.iter().rev().find(|row| &*row.event == "SENT_TO_BROKER").ok_or("INV-1: no journal row")?;
    if request_of(intended)? != prepared.request {
        return Err(format!("INV-1: the journal has another request: {}", intended.inputs));
    }
    Ok(row)
}

/// INV-1: a committed MODIFY_SENT row for exactly this request, and no later one of that order. Answers the order. The answer to
/// a wish that never became an intention (another change of the order waits already) names no terms and is about none of them.
pub(super) fn changed(store: &ReadStore, client: &ClientId, prepared: &PreparedChange) -> Result<OrderRecord, String> {
    let order = numbered(store, client, &prepared.change.broker_order_id)?;
    let journal = journal_of(store, &order)?;
    let is_of_an_intention = |row: &&JournalRow| match &*row.event {
        "MODIFY_SENT" => true,
        "MODIFY_REPLIED" => &*row.inputs != "{}",
        _ => false,
    };
    let newest = journal.iter().rev().find(is_of_an_intention).ok_or("INV-1: no row of a change")?;
    let request = request_of(newest)?;
    if &*newest.event != "MODIFY_SENT" || request != prepared.request {
        return Err(format!("INV-1: the newest row of a change is {} for {request}", newest.event));
    }
    Ok(order)
}

/// A cancel is a command: it is wanted on disk, and its intention is the newest of its rows.
pub(super) fn cancelled(store: &ReadStore, client: &ClientId, id: &BrokerOrderId) -> Result<(), String> {
    let order = numbered(store, client, id)?;
    if order.cancel_wanted.is_none() {
        return Err(format!("INV-1: nobody wants order {} cancelled", order.command_id));
    }
    let journal = journal_of(store, &order)?;
    let newest = journal.iter().rev().find(|row| matches!(&*row.event, "CANCEL_SENT" | "CANCEL_REPLIED"));
    match newest.map(|row| &*row.event) {
        Some("CANCEL_SENT") => Ok(()),
        newest => Err(format!("INV-1: the newest row of a cancel of order {} is {newest:?}", order.command_id)),
    }
}

/// The account's controls.
pub(super) fn control(store: &ReadStore, client: &ClientId) -> Result<Control, String> {
    let loaded = store.load().map_err(|error| error.to_string())?;
    let written = loaded.accounts.iter().find(|head| head.client_id == *client).and_then(|head| head.control.as_deref());
    written.map_or_else(|| Ok(Control::default()), |text| serde_json::from_str(text).map_err(|error| error.to_string()))
}

/// The account's order with that number. The brokers of two accounts may number alike.
fn numbered(store: &ReadStore, client: &ClientId, id: &BrokerOrderId) -> Result<OrderRecord, String> {
    let found = store.find(id.as_str()).map_err(|error| error.to_string())?;
    let own = found.into_iter().filter(|order| order.client_id == *client && order.broker_order_id.as_ref() == Some(id));
    own.max_by_key(|order| order.number).ok_or_else(|| format!("INV-1: no order of {client} on disk has number {id}"))
}

/// Whether the order of this row stands refused, by a broker that took it.
pub(super) fn stands_refused(store: &ReadStore, client: &ClientId, row: &BookRow) -> Result<bool, String> {
    let Some(tag) = &row.tag else { return Ok(false) };
    let found = store.find(tag).map_err(|error| error.to_string())?;
    let stands_so =
        |order: &OrderRecord| order.status == Status::Failed && order.reason.as_deref().is_some_and(|why| why.contains(TOOK_IT));
    Ok(found.iter().any(|order| order.client_id == *client && stands_so(order)))
}

fn journal_of(store: &ReadStore, order: &OrderRecord) -> Result<Vec<JournalRow>, String> {
    store.order_journal(&order.client_id, order.command_id).map_err(|error| error.to_string())
}

/// The request that a row of an intention names.
fn request_of(row: &JournalRow) -> Result<String, String> {
    let inputs: serde_json::Value = serde_json::from_str(&row.inputs).map_err(|error| error.to_string())?;
    Ok(inputs["request"].as_str().unwrap_or_default().to_owned())
}
