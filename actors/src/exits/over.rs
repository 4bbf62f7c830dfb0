//! Exits at the broker that are for more than is held, because their position was made smaller elsewhere: filled, they would turn it
//! around (INV-6). Pure: it follows from the committed book at every look, so that no lost message and no restart leaves one there.
//!
//! Each is made smaller; one that cannot be is taken back, and what its rule or its strategy sends next is sized anew. A stop that a
//! rule rests at the broker is looked after with its rule ([`next_rest`](super::next_rest)).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::order::{CommandId, HoldingKey, InstrumentKey, OrderRecord, Quantity, Side, Source, Strategy};
use crate::persistence::Book;

/// A change that so many askings did not bring about is not asked for again: the order is taken back.
const ASKED_MOST: u32 = 3;

/// What is to be done about an exit that is for too much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// Change its total to this, filled units included.
    Shrink(Arc<OrderRecord>, Quantity),
    /// Cancel it. So many units of its position it may have closed.
    Cancel(Arc<OrderRecord>, i64),
}

impl Over {
    /// The order.
    #[must_use]
    pub fn order(&self) -> &Arc<OrderRecord> {
        match self {
            Self::Shrink(order, _) | Self::Cancel(order, _) => order,
        }
    }
}

/// What a change of an order depends on.
pub struct Means<'a> {
    /// How often the broker takes a change of one order: `None` always, 0 never.
    pub changes: Option<u32>,
    /// Units in a lot; `None`: today's master lacks the instrument.
    pub lot: &'a dyn Fn(&InstrumentKey) -> Option<Quantity>,
    /// How often it was asked for already.
    pub asked: &'a dyn Fn(CommandId) -> u32,
}

impl std::fmt::Debug for Means<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Means").field("changes", &self.changes).finish_non_exhaustive()
    }
}

impl Means<'_> {
    fn can_change(&self, order: &OrderRecord, total: Quantity, book: &Book) -> bool {
        let is_whole = || order.instrument().and_then(|key| (self.lot)(&key)).is_some_and(|lot| total.is_whole_lots(lot));
        order.is_exit()
            && !order.is_in_doubt()
            && !book.control().is_frozen()
            && self.changes.is_none_or(|most| order.modifications < most)
            && (self.asked)(order.command_id) < ASKED_MOST
            && is_whole()
    }
}

/// The exits, and the adjustments that reduce, which claim more than is left of what their strategy holds. What is being cancelled may
/// fill until it is proven dead, so it claims first; then first registered first.
#[must_use]
pub fn over(book: &Book, means: &Means<'_>) -> Vec<Over> {
    let mut claims: BTreeMap<(Strategy, HoldingKey), Vec<&Arc<OrderRecord>>> = BTreeMap::new();
    let at_broker = book.open_orders().filter(|order| order.status.is_at_broker() && !order.is_test() && order.source != Source::Stop);
    for order in at_broker {
        if let Some(key) = order.holding().filter(|key| book.closes(order, key)) {
            claims.entry((order.ask.strategy.clone(), key)).or_default().push(order);
        }
    }
    let mut found = Vec::new();
    for ((strategy, key), mut orders) in claims {
        let net = book.held(&strategy, &key).net;
        let closing = Side::of_net(net).map(Side::opposite);
        let mut left = net.abs().saturating_sub(book.owed_by_exits(Some(&strategy), &key)).max(0);
        orders.sort_by_key(|order| (order.cancel_wanted.is_none(), !order.is_exit(), order.number));
        for order in orders {
            let room = if order.ask.side == closing { left } else { 0 };
            let takes = order.unfilled().min(room);
            left -= takes;
            // One whose call is under way has no number yet: it is looked at again when the answer is there.
            let is_in_the_air = order.broker_order_id.is_none() && !order.is_in_doubt();
            if order.unfilled() <= room || order.cancel_wanted.is_some() || is_in_the_air {
                continue;
            }
            let total = Quantity::new(order.filled_quantity.saturating_add(takes)).filter(|_| takes > 0);
            found.push(match total.filter(|total| means.can_change(order, *total, book)) {
                Some(total) => Over::Shrink(Arc::clone(order), total),
                None => Over::Cancel(Arc::clone(order), takes),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::order::{Intent, OrderType, Product, Tag};
    use crate::testkit::builders::{Build, book_of, exit, frozen_control, order, sbin_in, units};

    const MEANS: Means<'_> = Means { changes: Some(20), lot: &|_| Quantity::new(1), asked: &|_| 0 };

    fn sale(number: u64, quantity: i64) -> OrderRecord {
        exit(number).side(Side::Sell).asks(quantity).product(Product::Mis).working(&number.to_string())
    }

    fn told(found: &[Over]) -> Vec<String> {
        let words = |over: &Over| match over {
            Over::Shrink(order, total) => format!("{} to {total}", order.number),
            Over::Cancel(order, left) => format!("cancel {}, {left} left", order.number),
        };
        found.iter().map(words).collect()
    }

    fn looked(orders: Vec<OrderRecord>, net: i64, means: &Means<'_>) -> Vec<String> {
        told(&over(&book_of(orders, &[("trend", sbin_in(Product::Mis), net)]), means))
    }

    fn is(orders: Vec<OrderRecord>, net: i64, expected: &[&str]) {
        assert_eq!(looked(orders, net, &MEANS), expected);
    }

    #[test]
    fn what_is_for_more_than_is_held_is_made_smaller() {
        is(vec![sale(1, 10)], 10, &[]);
        is(vec![sale(1, 10)], 4, &["1 to 4"]);
        is(vec![sale(1, 10).filled(3, 3)], 4, &["1 to 7"]);
        is(vec![sale(1, 10).filled(3, 1)], 4, &["1 to 5"]);
        is(vec![sale(1, 6), sale(2, 4)], 8, &["2 to 2"]);
        is(vec![sale(1, 6), sale(2, 4)], 5, &["1 to 5", "cancel 2, 0 left"]);
        is(vec![exit(1).side(Side::Buy).asks(9).product(Product::Mis).working("1")], -4, &["1 to 4"]);
        is(vec![sale(1, 10)], 0, &["cancel 1, 0 left"]);
        is(vec![sale(1, 10)], -5, &["cancel 1, 0 left"]);
        is(vec![sale(1, 10).by("other")], 4, &["cancel 1, 0 left"]);
    }

    #[test]
    fn what_is_being_cancelled_may_still_fill_and_what_is_not_sent_is_sized_at_its_turn() {
        let leaving = OrderRecord { cancel_wanted: Some(Tag::Replaced), ..sale(2, 4) };
        is(vec![sale(1, 6), leaving.clone()], 8, &["1 to 4"]);
        is(vec![leaving], 1, &[]);
        is(vec![exit(1), exit(2).side(Side::Sell).asks(10)], 4, &[]);
        is(vec![exit(1).side(Side::Sell).asks(10).product(Product::Mis).sent()], 4, &[]);
        let mut stop = sale(1, 10);
        (stop.source, stop.ask.order_type) = (Source::Stop, Some(OrderType::StopLimit));
        is(vec![stop], 4, &[]);
    }

    #[test]
    fn what_cannot_be_made_smaller_is_taken_back() {
        let taken_back = |order: OrderRecord, means: &Means<'_>| assert_eq!(looked(vec![order], 4, means), ["cancel 1, 4 left"]);
        taken_back(sale(1, 10), &Means { changes: Some(0), ..MEANS });
        taken_back(OrderRecord { modifications: 20, ..sale(1, 10) }, &MEANS);
        taken_back(sale(1, 10), &Means { lot: &|_| Quantity::new(5), ..MEANS });
        taken_back(sale(1, 10), &Means { lot: &|_| None, ..MEANS });
        taken_back(sale(1, 10), &Means { asked: &|_| ASKED_MOST, ..MEANS });
        taken_back(exit(1).side(Side::Sell).asks(10).product(Product::Mis).doubted(), &MEANS);
        taken_back(order(1).intent(Intent::Adjust).side(Side::Sell).product(Product::Mis).asks(10).working("1"), &MEANS);
        let mut frozen = book_of([sale(1, 10)], &[("trend", sbin_in(Product::Mis), 4)]);
        frozen.put_control(frozen_control());
        assert_eq!(told(&over(&frozen, &MEANS)), ["cancel 1, 4 left"], "no exit is changed while exits are frozen");
    }

    proptest! {
        /// Done as it says, no exit can turn the position, whatever was held, sent, filled and being cancelled before; and once is
        /// enough. Only what is being cancelled already may be for more.
        #[test]
        fn prop_what_is_left_of_the_exits_never_closes_more_than_is_held(
            net in -30_i64..30,
            exits in proptest::collection::vec((1_i64..15, 0_i64..15, any::<bool>(), any::<bool>()), 0..6),
            lot in 1_i64..4,
            changes in 0_u32..3,
        ) {
            let key = sbin_in(Product::Mis);
            let orders = exits.iter().zip(1..).map(|((quantity, filled, is_leaving, is_buy), number)| {
                let side = if *is_buy { Side::Buy } else { Side::Sell };
                let filled = (*filled).min(quantity - 1);
                let order = OrderRecord { modifications: 1, ..sale(number, *quantity).side(side) }.filled(filled, filled);
                OrderRecord { cancel_wanted: is_leaving.then_some(Tag::Replaced), ..order }
            });
            let mut orders: Vec<OrderRecord> = orders.collect();
            let lots = |_: &InstrumentKey| Quantity::new(lot);
            let means = Means { changes: Some(changes), lot: &lots, asked: &|_| 0 };
            for found in over(&book_of(orders.clone(), &[("trend", key.clone(), net)]), &means) {
                let number = found.order().number;
                let order = orders.iter_mut().find(|order| order.number == number).unwrap();
                match found {
                    Over::Shrink(_, total) => {
                        prop_assert!(total.value() < order.quantity() && total.is_whole_lots(units(lot)), "{total}");
                        order.ask.quantity = Some(total);
                    }
                    Over::Cancel(..) => order.status = crate::order::Status::Failed,
                }
            }
            let closing = Side::of_net(net).map(Side::opposite);
            let open = || orders.iter().filter(|order| !order.status.is_terminal());
            let may_close: i64 = open().filter(|order| order.ask.side == closing).map(OrderRecord::unfilled).sum();
            let is_leaving = |order: &&OrderRecord| order.cancel_wanted.is_some();
            let leaving: i64 = open().filter(is_leaving).filter(|order| order.ask.side == closing).map(OrderRecord::unfilled).sum();
            prop_assert!(may_close <= net.abs().max(leaving), "{may_close} of {net}");
            prop_assert!(open().all(|order| order.ask.side == closing || order.cancel_wanted.is_some()), "one would open a position");
            prop_assert_eq!(over(&book_of(orders.clone(), &[("trend", key, net)]), &means), vec![]);
        }
    }
}
