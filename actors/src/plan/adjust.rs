//! An ADJUST that takes out of a position is an exit of so many units: bounded like one, and like one never refused for a
//! limit. One that asks for more than is left to close stays what it is, and the guard names the conflict.

use super::target::Shot;
use crate::order::{HoldingKey, InstrumentKey, Intent, OrderRecord, Quantity, Side, Status};
use crate::persistence::Book;

/// The exit that an ADJUST comes to, if it reduces what its strategy holds and no more than that.
#[must_use]
pub fn reduction(order: &OrderRecord, instrument: &InstrumentKey, book: &Book) -> Option<Shot> {
    let (ask, strategy) = (&order.ask, &order.ask.strategy);
    if ask.intent != Some(Intent::Adjust) || order.is_test() || order.status != Status::Created {
        return None;
    }
    let (side, quantity, product) = (ask.side?, ask.quantity?, ask.product?);
    let key = HoldingKey { instrument: instrument.clone(), product };
    let net = book.held(strategy, &key).net;
    if Side::of_net(net)? == side {
        return None;
    }
    let claims = book.exiting(order, Some(strategy), &key).saturating_sub(book.makes_way(order, strategy, &key));
    let fits = Quantity::value(quantity).saturating_add(claims) <= net.abs();
    fits.then(|| Shot {
        intent: Intent::Exit,
        side,
        quantity,
        product,
        left: 0,
        reason: format!("{strategy} holds {net} {key}, open exits claim {claims}: the adjustment closes {quantity}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Product;
    use crate::testkit::builders::{Build, book_of, exit, order, sbin, sbin_in};

    fn adjust(side: Side, units: i64) -> OrderRecord {
        order(5).intent(Intent::Adjust).side(side).asks(units)
    }

    fn closes(order: &OrderRecord, others: Vec<OrderRecord>, net: i64) -> Option<i64> {
        let book = book_of(others, &[("trend", sbin_in(Product::Mis), net)]);
        reduction(order, &sbin(), &book).map(|shot| shot.quantity.value())
    }

    #[test]
    fn a_reduction_of_a_long_and_of_a_short_is_an_exit() {
        assert_eq!(closes(&adjust(Side::Sell, 4), vec![], 10), Some(4));
        assert_eq!(closes(&adjust(Side::Sell, 10), vec![], 10), Some(10));
        assert_eq!(closes(&adjust(Side::Buy, 4), vec![], -10), Some(4));
    }

    #[test]
    fn what_adds_what_turns_around_and_what_has_no_position_is_none() {
        assert_eq!(closes(&adjust(Side::Buy, 4), vec![], 10), None, "adds");
        assert_eq!(closes(&adjust(Side::Sell, 11), vec![], 10), None, "turns around");
        assert_eq!(closes(&adjust(Side::Sell, 4), vec![], 0), None, "nothing is held");
        assert_eq!(closes(&order(5).side(Side::Sell).asks(4), vec![], 10), None, "an ENTRY");
        assert_eq!(closes(&adjust(Side::Sell, 4).test(), vec![], 10), None, "a mock");
        assert_eq!(closes(&adjust(Side::Sell, 4).product(Product::Cnc), vec![], 10), None, "another product");
    }

    #[test]
    fn what_other_exits_claim_is_not_closed_twice() {
        let working = exit(2).side(Side::Sell).asks(7).product(Product::Mis).working("1");
        assert_eq!(closes(&adjust(Side::Sell, 3), vec![working.clone()], 10), Some(3));
        assert_eq!(closes(&adjust(Side::Sell, 4), vec![working], 10), None);
        let doubted = exit(2).side(Side::Sell).asks(7).product(Product::Mis).doubted();
        assert_eq!(closes(&adjust(Side::Sell, 4), vec![doubted], 10), None, "one in doubt may fill");
    }
}
