//! What of a holding is claimed by exits: nothing may close it a second time (INV-6).

use super::Book;
use crate::order::{HoldingKey, Intent, OrderRecord, Side, Strategy};

impl Book {
    /// Units that other exits of a holding (and adjustments that reduce it) claim: those at the broker, unconfirmed ones included, and those registered
    /// before `me`. One whose size is not settled claims what was asked, at the most all that its own strategy holds
    /// there: another strategy's exit must not be refused because of it.
    #[must_use]
    pub fn exiting(&self, me: &OrderRecord, strategy: Option<&Strategy>, key: &HoldingKey) -> i64 {
        self.open_in(&key.instrument)
            .filter(|order| order.command_id != me.command_id && !order.is_test() && self.closes(order, key))
            .filter(|order| order.may_be_of(key.product))
            .filter(|order| strategy.is_none_or(|owner| *owner == order.ask.strategy))
            .filter(|order| order.number < me.number || order.status.is_at_broker())
            .map(|order| {
                let asked = order.claims(i64::MAX);
                if order.status.is_at_broker() { asked } else { asked.min(self.held(&order.ask.strategy, key).net.abs()) }
            })
            .fold(self.owed_by_exits(strategy, key), i64::saturating_add)
    }

    /// Units of those that [`Book::exiting`] counts which are claimed by a stop that rests at the broker: it makes way for
    /// any other exit of its position.
    #[must_use]
    pub fn makes_way(&self, me: &OrderRecord, strategy: &Strategy, key: &HoldingKey) -> i64 {
        self.open_exits_in(&key.instrument)
            .filter(|order| order.is_resting_stop() && order.command_id != me.command_id && order.ask.strategy == *strategy)
            .filter(|order| order.may_be_of(key.product))
            .filter(|order| order.number < me.number || order.status.is_at_broker())
            .map(|order| order.unfilled())
            .fold(0, i64::saturating_add)
    }

    /// When one exit was split into several orders without a size: the previous one of them, which must be sized first. Each is sized for
    /// what those before it leave.
    #[must_use]
    pub fn sized_before<'a>(&'a self, me: &'a OrderRecord) -> Option<&'a OrderRecord> {
        let is_before = |other: &&OrderRecord| other.number < me.number && has_no_size(other) && leaves_the_same(other, me);
        self.siblings(me).map(|other| &**other).filter(|_| has_no_size(me)).find(is_before)
    }

    /// Whether a later order of its signal is for what this one leaves of the position.
    #[must_use]
    pub fn sized_after(&self, me: &OrderRecord) -> bool {
        self.siblings(me).any(|other| other.number > me.number && has_no_size(other) && leaves_the_same(other, me))
    }

    /// Whether it is for what earlier orders of its signal leave of the position.
    #[must_use]
    pub fn is_for_the_rest(&self, me: &OrderRecord) -> bool {
        has_no_size(me) && self.siblings(me).any(|other| other.number < me.number && leaves_the_same(other, me))
    }

    /// Whether a fill of the order takes out of what its strategy holds: an exit, or an adjustment on the closing side.
    #[must_use]
    pub fn closes(&self, order: &OrderRecord, key: &HoldingKey) -> bool {
        let reduces = || Side::of_net(self.held(&order.ask.strategy, key).net).map(Side::opposite) == order.ask.side;
        order.is_exit() || (order.ask.intent == Some(Intent::Adjust) && order.ask.side.is_some() && reduces())
    }

    /// Units that exits have filled at the broker and that are not taken out of the holding yet: their trades are
    /// outstanding. Nothing may close them a second time.
    #[must_use]
    pub fn owed_by_exits(&self, strategy: Option<&Strategy>, key: &HoldingKey) -> i64 {
        self.owed_in(&key.instrument)
            .filter(|order| self.closes(order, key) && order.ask.product == Some(key.product))
            .filter(|order| strategy.is_none_or(|owner| *owner == order.ask.strategy))
            .map(|order| order.untraded())
            .fold(0, i64::saturating_add)
    }
}

/// Whether an exit waits to be sized.
fn has_no_size(order: &OrderRecord) -> bool {
    order.is_exit() && !order.is_test() && order.ask.quantity.is_none() && !order.status.is_terminal()
}

/// Whether two orders of one signal leave the same position.
fn leaves_the_same(one: &OrderRecord, other: &OrderRecord) -> bool {
    let differ = one.ask.product.zip(other.ask.product).is_some_and(|(its, mine)| its != mine);
    one.is_exit() && other.is_exit() && !differ && one.ask.strategy == other.ask.strategy && one.instrument() == other.instrument()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Product, Source};
    use crate::testkit::builders::{Build, book_of, exit, order, sbin_in, strategy};

    const MIS: Product = Product::Mis;

    /// Each kind of order on the closing side of a position of 10, and what it claims of it before an exit that comes now.
    #[test]
    fn what_each_kind_of_order_claims_of_a_position() {
        let key = sbin_in(MIS);
        let sale = |number| exit(number).side(Side::Sell).product(MIS);
        let stop = OrderRecord { source: Source::Stop, ..sale(1).asks(4).working("B1") };
        let unsettled = {
            let mut order = exit(1).asks(4).working("B1");
            order.ask.product = None;
            order
        };
        for (what, order, claims, owed) in [
            ("it waits for its size", exit(1), 10, 0),
            ("it waits for its turn", sale(1).asks(4), 4, 0),
            ("it works", sale(1).asks(4).working("B1"), 4, 0),
            ("it is in doubt", sale(1).asks(4).doubted(), 4, 0),
            ("a part is told", sale(1).asks(4).working("B1").filled(3, 3), 1, 0),
            ("a part is filled and not told", sale(1).asks(4).working("B1").filled(3, 1), 3, 2),
            ("a stop that rests", stop, 4, 0),
            ("its product is not settled", unsettled, 4, 0),
            ("another product", sale(1).product(Product::Nrml).asks(4).working("B1"), 0, 0),
            ("an adjustment that reduces", order(1).intent(Intent::Adjust).side(Side::Sell).asks(4).product(MIS).working("B1"), 4, 0),
            ("one that adds", order(1).intent(Intent::Adjust).side(Side::Buy).asks(4).product(MIS).working("B1"), 0, 0),
            ("an entry", order(1).side(Side::Sell).asks(4).product(MIS).working("B1"), 0, 0),
            ("a mock one", sale(1).asks(4).test(), 0, 0),
            ("it came later", sale(9).asks(4), 0, 0),
            ("it came later and was sent", sale(9).asks(4).working("B9"), 4, 0),
        ] {
            let me = exit(2);
            let book = book_of([order, me.clone()], &[("trend", key.clone(), 10)]);
            let own = strategy("trend");
            assert_eq!((book.exiting(&me, Some(&own), &key), book.owed_by_exits(Some(&own), &key)), (claims, owed), "{what}");
            assert_eq!(book.exiting(&me, None, &key), claims, "{what}: of all strategies");
        }
    }
}
