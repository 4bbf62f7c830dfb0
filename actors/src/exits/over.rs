//! Exits at the broker that are for more than is held, because their position was made smaller elsewhere: filled, they would turn it
//! around (INV-6). Pure: it follows from the committed book at every look, so that no lost message and no restart leaves one there.
//!
//! Each is made smaller; one that cannot be is taken back, and what its rule or its strategy sends next is sized anew. A stop that a
//! rule rests at the broker is looked after with its rule ([`next_rest`](super::next_rest)).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::order::{CommandId, HoldingKey, InstrumentKey, OrderRecord, Quantity, Side, Source, Strategy, Tag};
use crate::persistence::Book;

/// A change that so many askings did not bring about is not asked for again: the order is taken back.
const ASKED_MOST: u32 = 3;

/// What is to be done about an exit that is for too much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// Change its total to this, filled units included.
    Shrink(Arc<OrderRecord>, Quantity),
    /// Cancel it. So many units that it was for are held then, and no other exit is for them.
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
        // What an exit that is being cancelled claims is held still when that is proven, unless another takes its place.
        let mut uncovered = left;
        let goes = |order: &OrderRecord| order.cancel_wanted.is_some_and(|tag| tag != Tag::Replaced);
        orders.sort_by_key(|order| (order.cancel_wanted.is_none(), !order.is_exit(), order.number));
        for order in orders {
            let room = if order.ask.side == closing { left } else { 0 };
            let takes = order.unfilled().min(room);
            left -= takes;
            let is_for = if order.ask.side == closing { order.unfilled().min(uncovered) } else { 0 };
            // One whose call is under way has no number yet: it is looked at again when the answer is there.
            let is_in_the_air = order.broker_order_id.is_none() && !order.is_in_doubt();
            if order.unfilled() <= room || order.cancel_wanted.is_some() || is_in_the_air {
                uncovered -= if goes(order) { 0 } else { is_for };
                continue;
            }
            let total = Quantity::new(order.filled_quantity.saturating_add(takes)).filter(|_| takes > 0);
            found.push(match total.filter(|total| means.can_change(order, *total, book)) {
                Some(total) => {
                    uncovered -= takes;
                    Over::Shrink(Arc::clone(order), total)
                }
                None => Over::Cancel(Arc::clone(order), is_for),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy as _, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::*;
    use crate::order::{Intent, OrderType, Product};
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

    /// What somebody cancels may fill until it is proven dead, and is held from then on: a person must hear of it now.
    #[test]
    fn what_is_taken_back_for_one_that_is_being_cancelled_says_what_stays_held() {
        let leaving = |tag| OrderRecord { cancel_wanted: Some(tag), ..sale(1, 4) };
        is(vec![leaving(Tag::CancelledByUser), sale(2, 6)], 4, &["cancel 2, 4 left"]);
        is(vec![leaving(Tag::Replaced), sale(2, 6)], 4, &["cancel 2, 0 left"]);
        is(vec![leaving(Tag::CancelledByUser), sale(2, 4), sale(3, 6)], 8, &["cancel 3, 4 left"]);
        is(vec![sale(1, 4), sale(2, 6)], 4, &["cancel 2, 0 left"]);
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

    /// An order as the property below draws it.
    #[derive(Debug, Clone)]
    struct Drawn {
        quantity: i64,
        filled: i64,
        traded: i64,
        is_leaving: bool,
        is_buy: bool,
        adjusts: bool,
        stands: Stands,
    }

    /// Where it is.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Stands {
        Works,
        InTheAir,
        InDoubt,
        /// It has ended, and its trades may be outstanding.
        Ended,
    }

    fn drawn() -> impl proptest::strategy::Strategy<Value = Drawn> {
        let stands =
            prop_oneof![5 => Just(Stands::Works), 1 => Just(Stands::InTheAir), 1 => Just(Stands::InDoubt), 1 => Just(Stands::Ended)];
        let flags = (any::<bool>(), any::<bool>(), proptest::bool::weighted(0.2));
        (1_i64..15, 0_i64..15, 0_i64..15, flags, stands).prop_map(|(quantity, filled, traded, (is_leaving, is_buy, adjusts), stands)| {
            let filled = match stands {
                Stands::Works => filled.min(quantity - 1),
                Stands::InTheAir | Stands::InDoubt => 0,
                Stands::Ended => filled.min(quantity),
            };
            Drawn { quantity, filled, traded: traded.min(filled), is_leaving, is_buy, adjusts, stands }
        })
    }

    impl Drawn {
        fn order(&self, number: u64, closing: Option<Side>) -> OrderRecord {
            let side = if self.is_buy { Side::Buy } else { Side::Sell };
            let order = OrderRecord { modifications: 1, ..sale(number, self.quantity).side(side) };
            // One that adds is no business of these.
            let intent = if self.adjusts && Some(side) == closing { Intent::Adjust } else { Intent::Exit };
            let order = order.intent(intent).filled(self.filled, self.traded);
            let nameless = OrderRecord { broker_order_id: None, ..order.clone() };
            match self.stands {
                Stands::InTheAir => nameless,
                Stands::InDoubt => OrderRecord { tag: Some(Tag::SendUnconfirmed), ..nameless },
                Stands::Ended => order.ended(crate::order::Status::Failed, Some(Tag::BrokerCancelled)),
                Stands::Works => OrderRecord { cancel_wanted: self.is_leaving.then_some(Tag::Replaced), ..order },
            }
        }
    }

    proptest! {
        /// Done as it says, no exit can turn the position, whatever was held, sent, filled, told of, in the air and being cancelled
        /// before; nothing is taken back that could have stayed; and once is enough. Only what is being cancelled already, or has no
        /// number yet, may be for more.
        #[test]
        fn prop_what_is_left_of_the_exits_never_closes_more_than_is_held(
            net in -30_i64..30,
            draws in proptest::collection::vec(drawn(), 0..6),
            lot in 1_i64..4,
            changes in 0_u32..3,
        ) {
            let (key, closing) = (sbin_in(Product::Mis), Side::of_net(net).map(Side::opposite));
            let mut orders: Vec<OrderRecord> = draws.iter().zip(1..).map(|(draw, number)| draw.order(number, closing)).collect();
            let owed: i64 = orders
                .iter()
                .filter(|order| order.is_exit() || order.ask.side == closing)
                .map(|order| order.untraded())
                .sum();
            let held = (net.abs() - owed).max(0);
            let is_in_the_air = |order: &OrderRecord| order.broker_order_id.is_none() && !order.is_in_doubt();
            let rank = |order: &OrderRecord| (order.cancel_wanted.is_none(), !order.is_exit(), order.number);
            // What those before it may close; what is taken back may fill until that is proven.
            let before = |orders: &[OrderRecord], me: &OrderRecord| -> i64 {
                let those = orders.iter().filter(|order| order.status.is_at_broker() && order.ask.side == closing);
                those.filter(|order| rank(order) < rank(me)).map(OrderRecord::unfilled).sum()
            };
            let lots = |_: &InstrumentKey| Quantity::new(lot);
            let means = Means { changes: Some(changes), lot: &lots, asked: &|_| 0 };
            let (mut taken_back, was) = (Vec::new(), orders.clone());
            for found in over(&book_of(orders.clone(), &[("trend", key.clone(), net)]), &means) {
                let number = found.order().number;
                let order = orders.iter_mut().find(|order| order.number == number).unwrap();
                match found {
                    Over::Shrink(_, total) => {
                        prop_assert!(total.value() < order.quantity() && total.is_whole_lots(units(lot)), "{total}");
                        order.ask.quantity = Some(total);
                    }
                    Over::Cancel(..) => {
                        taken_back.push(order.clone());
                        order.status = crate::order::Status::Failed;
                    }
                }
            }
            for order in orders.iter().filter(|order| !order.status.is_terminal() && order.cancel_wanted.is_none() && !is_in_the_air(order)) {
                prop_assert_eq!(order.ask.side, closing, "it would open a position");
                prop_assert!(order.unfilled() + before(&orders, order) <= held, "{order:?} of {held} in {orders:?}");
            }
            let can_shrink = |order: &OrderRecord| order.is_exit() && !order.is_in_doubt() && lot == 1 && changes > 1;
            for order in taken_back.iter().filter(|order| order.ask.side == closing && can_shrink(order)) {
                prop_assert!(before(&was, order) >= held, "{order:?} could have stayed, of {held} in {was:?}");
            }
            prop_assert_eq!(over(&book_of(orders.clone(), &[("trend", key, net)]), &means), vec![]);
        }
    }
}
