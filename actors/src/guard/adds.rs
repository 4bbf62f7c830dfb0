//! A pyramid: entries that add to what their strategy holds, as often as their route lets them. Counted from the
//! committed rows since the position was opened, so nothing is remembered anywhere else.

use super::book::Block;
use crate::order::{HoldingKey, InstrumentKey, OrderRecord, Side, Status, Tag, Terms};
use crate::persistence::Book;

/// What an order's right to add says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Adding {
    /// There is nothing to add to, or it has no such right: it is judged as any other entry.
    No,
    /// It adds once more.
    Yes,
    /// It has the right, and may not use it.
    Never(Block),
}

/// Judges an entry whose route lets its strategy add. `earlier` says which orders stand before it.
pub(super) fn judge(
    book: &Book,
    me: &OrderRecord,
    terms: &Terms,
    instrument: &InstrumentKey,
    earlier: impl Fn(&OrderRecord) -> bool,
) -> Adding {
    let Some(route) = me.ask.route.as_deref().filter(|route| route.adds > 0) else { return Adding::No };
    let strategy = &me.ask.strategy;
    let key = HoldingKey { instrument: instrument.clone(), product: terms.product };
    let is_alike = |order: &OrderRecord| {
        !order.is_exit() && order.is_for(instrument) && order.ask.side == Some(terms.side) && order.may_be_of(terms.product)
    };
    // What is held or open elsewhere, or on the other side, is nothing to add to.
    let is_held_alike = book.holdings_of(strategy).all(|(held, holding)| *held == key && Side::of_net(holding.net) == Some(terms.side));
    let open: Vec<&OrderRecord> = book.open_of(strategy).map(|order| &**order).filter(|order| earlier(order)).collect();
    let owed: Vec<&OrderRecord> = book
        .owed_of(strategy)
        .map(|order| &**order)
        .filter(|order| order.basket_id != me.basket_id && order.status.is_terminal())
        .collect();
    if !is_held_alike || !open.iter().chain(&owed).all(|order| is_alike(order)) {
        return Adding::No;
    }
    let blocked = |reason: String| Adding::Never(Block { tag: Tag::ExecutionGuardBlocked, reason, by_holding: false });
    let entries = match book.held(strategy, &key).opened_at {
        None => open.len() + owed.len(),
        Some(opened_at) => {
            let mut reached = false;
            let since = book.newest().take_while(|order| {
                reached = order.created_at < opened_at;
                !reached
            });
            let count = since
                .filter(|order| order.ask.strategy == *strategy && is_alike(order) && !order.is_test())
                .filter(|order| order.basket_id != me.basket_id && order.signal_time.min(order.created_at) >= opened_at)
                .filter(|order| order.filled_quantity > 0 || (!order.status.is_terminal() && earlier(order)))
                .count();
            if !reached && book.has_forgotten() {
                return blocked(format!("{strategy} opened {key} so long ago that its adds cannot be counted any more; exit it first"));
            }
            count
        }
    };
    let most = usize::try_from(route.adds).unwrap_or(usize::MAX).saturating_add(1);
    match entries {
        0 => Adding::No,
        made if made < most => Adding::Yes,
        made => blocked(format!("{strategy} has entered {key} {made} times, and may add {} times; exit it first", route.adds)),
    }
}

/// Whether the row stands for a position or may become one.
#[must_use]
pub(crate) fn counts_as_trade(order: &OrderRecord) -> bool {
    !order.is_exit() && !order.is_test() && (order.status != Status::Failed || order.sent_at.is_some())
}
