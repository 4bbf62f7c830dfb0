//! INV-5, as a witness sees it: of the entries of one strategy one alone is on its way.

use ordergate::store::ReadStore;
use ordergate_actors::order::{CommandId, Intent, OrderRecord, Status};
use ordergate_actors::ports::JournalRow;

/// No entry is called while another of its strategy, which was registered before it, may still come to something. One that had
/// ended and came back by late truth was no rival when the guard looked.
pub(super) fn has_none(store: &ReadStore, command: CommandId) -> Result<(), String> {
    let found = store.find(&command.to_string()).map_err(|error| error.to_string())?;
    // Its children are found by its name too.
    let Some(me) = found.iter().find(|order| order.command_id == command && enters(order)) else { return Ok(()) };
    for other in store.open_orders() {
        let other = other.map_err(|error| error.to_string())?;
        if !enters(&other) || !stands_before(&other, me) {
            continue;
        }
        let journal = store.order_journal(&other.client_id, other.command_id).map_err(|error| error.to_string())?;
        if !had_ended(&journal, &other) {
            return Err(format!(
                "INV-5: an entry of {} was called beside order {} ({}), which was registered before it",
                me.ask.strategy, other.command_id, other.status
            ));
        }
    }
    Ok(())
}

/// Whether the order has ended once, by these rows.
pub(super) fn had_ended(rows: &[JournalRow], order: &OrderRecord) -> bool {
    rows.iter().any(|row| row.command_id == Some(order.command_id) && row.to.is_some_and(Status::is_terminal))
}

/// A target counts what works, and an adjustment adds to it: only a plain entry stands alone.
fn enters(order: &OrderRecord) -> bool {
    order.ask.intent == Some(Intent::Entry) && order.ask.target_position.is_none() && !order.is_test()
}

fn stands_before(other: &OrderRecord, me: &OrderRecord) -> bool {
    !other.status.is_terminal()
        && other.client_id == me.client_id
        && other.ask.strategy == me.ask.strategy
        && other.basket_id != me.basket_id
        && other.number < me.number
}
