//! What a row of the broker's order book says of the order that it belongs to, if that is news.

use super::owner::{Owner, owner};
use crate::order::{BookState, CommandId, OrderFact, OrderRecord, Status, Tag};
use crate::persistence::Book;
use crate::ports::BookRow;

/// Whether an order that was executed here works on at the broker, for more units than it was executed for.
fn has_remainder(order: &OrderRecord, row: &BookRow) -> bool {
    order.status == Status::Executed && row.state == BookState::Open && row.quantity > order.quantity().max(order.filled_quantity)
}

/// The fact that a row states, if it states anything that we do not hold.
pub(super) fn news(order: &OrderRecord, row: &BookRow) -> Option<OrderFact> {
    let agrees = order.broker_order_id.as_ref() == Some(&row.broker_order_id)
        && !order.is_in_doubt()
        && row.filled <= order.filled_quantity
        && match (row.state, order.status) {
            (BookState::Open, Status::SentToBroker) => row.filled == 0 && row.quantity == order.quantity(),
            (BookState::Open, Status::Partial) => row.quantity == order.quantity(),
            (BookState::Complete, Status::Executed)
            | (BookState::Rejected | BookState::Cancelled | BookState::Expired, Status::Failed | Status::Executed) => true,
            // A book that lags behind: the order ended after this row was true.
            (BookState::Open, Status::Executed) => !has_remainder(order, row),
            _ => false,
        };
    let shown = row.shown();
    let is_over = order.status == Status::Executed && row.state != BookState::Open;
    let settles = match &order.pending {
        Some(terms) => is_over || (!order.status.is_terminal() && terms.is_shown_by(order.ask.order_type, &shown)),
        None => is_over && order.ended_as(&shown) != (order.ask.order_type, order.ask.price, order.ask.trigger_price),
    };
    (settles || !agrees).then(|| OrderFact::Book {
        broker_order_id: row.broker_order_id.clone(),
        state: row.state,
        filled: row.filled,
        average_price: row.average_price,
        quantity: row.quantity,
        price: row.price,
        trigger_price: row.trigger_price,
        order_type: row.order_type,
        reason: row.reason.as_deref().map(str::to_owned),
        besides: row.besides.clone(),
    })
}

/// Whether the order ended here after the read began: a live row may be from before that end, and the next book tells.
pub(super) fn is_overtaken(order: &OrderRecord, row: &BookRow, began_seq: u64) -> bool {
    order.seq > began_seq
        && (has_remainder(order, row)
            || (order.status == Status::Failed && row.state == BookState::Open && row.filled <= order.filled_quantity))
}

/// One row on its own, from the stream: a hint, but what it proves is proven.
#[must_use]
pub fn read_row(book: &Book, row: &BookRow, tag_prefix: &str) -> Option<(CommandId, OrderFact)> {
    match owner(book, row, tag_prefix) {
        Owner::Ours(order) if !is_behind(order, row) => news(order, row).map(|fact| (order.command_id, fact)),
        _ => None,
    }
}

/// Whether a pushed row says that an order works which ended here by the broker's own word. Messages may be slower than
/// the books: only a book that is asked for now can tell.
#[must_use]
pub fn speaks_against_an_end(book: &Book, row: &BookRow, tag_prefix: &str) -> bool {
    matches!(owner(book, row, tag_prefix), Owner::Ours(order) if is_behind(order, row))
}

fn is_behind(order: &OrderRecord, row: &BookRow) -> bool {
    let was_ended = order.status == Status::Failed
        && order.tag != Some(Tag::NotAtBroker)
        && row.state == BookState::Open
        && row.filled <= order.filled_quantity;
    order.broker_order_id.as_ref() == Some(&row.broker_order_id) && (was_ended || has_remainder(order, row))
}

/// Whether an order has ended and every trade of it is recorded.
pub(super) fn is_whole(order: &OrderRecord) -> bool {
    order.status.is_terminal() && order.traded_quantity >= order.filled_quantity && order.traded_quantity >= order.quantity()
}
