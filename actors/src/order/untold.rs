//! What an order has filled by the broker's order book, and no trade has told. A broker tells the trades of a day on that day: what
//! was not told then only a person can tell.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::day::trading_date;
use super::fact::Fill;
use super::ids::TradeId;
use super::money::{Price, Quantity};
use super::record::OrderRecord;

impl OrderRecord {
    /// Whether it has filled more than its trades tell, and was sent on an earlier day than that of `now`.
    #[must_use]
    pub fn owes_of_before(&self, now: DateTime<Utc>) -> bool {
        self.filled_quantity > self.traded_quantity && self.sent_at.is_some_and(|sent| trading_date(sent) < trading_date(now))
    }

    /// The units that filled by the broker's order book and that no trade tells, as one trade of the day on which the order was sent. Its
    /// price is the one that a person tells, or else what the average price of the broker's book leaves for those units. `None` where
    /// nothing is missing, or nobody knows a price.
    #[must_use]
    pub fn untold(&self, price: Option<Price>) -> Option<Fill> {
        let units = self.untraded();
        Some(Fill {
            trade_id: TradeId::told_by_a_person(),
            broker_order_id: self.broker_order_id.clone()?,
            quantity: Quantity::new(units)?,
            price: price.or_else(|| self.price_left(units))?,
            at: self.sent_at?,
        })
    }

    /// Rupees per unit of the missing units, rounded to four decimals as the average is.
    fn price_left(&self, units: i64) -> Option<Price> {
        let all = self.average_price?.checked_mul(Decimal::from(self.filled_quantity))?;
        let left = all.checked_sub(self.traded_value.0)?.checked_div(Decimal::from(units))?;
        Price::new(left.round_dp(4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::{Build as _, at, order, points, price};

    #[test]
    fn what_is_missing_is_one_trade_of_its_own_day_at_what_the_average_leaves() {
        let owes = OrderRecord { average_price: Some(Decimal::new(8_005, 1)), ..order(1).working("7").filled(10, 0) };
        let all = owes.untold(None).unwrap();
        assert_eq!((all.quantity.value(), all.price, Some(all.at)), (10, price("800.5"), owes.sent_at));
        assert!(all.trade_id.is_told_by_a_person() && all.broker_order_id.as_str() == "7");
        // 6 of the 10 at 800: what is left of 8005 for the other four.
        let some = OrderRecord { traded_quantity: 6, traded_value: points(4_800), ..owes.clone() };
        assert_eq!(some.untold(None).map(|fill| (fill.quantity.value(), fill.price)), Some((4, price("801.25"))));
        assert_eq!(some.untold(Some(price("799"))).map(|fill| fill.price), Some(price("799")), "a person knows better");
        let nameless = OrderRecord { average_price: None, ..owes.clone() };
        assert_eq!(nameless.untold(None), None, "nobody knows a price");
        assert!(nameless.untold(Some(price("799"))).is_some());
        assert_eq!(OrderRecord { traded_quantity: 10, ..owes.clone() }.untold(Some(price("799"))), None, "nothing is missing");
        let days = |days: i64| owes.owes_of_before(at(days * 86_400));
        assert_eq!((days(0), days(1)), (false, true));
    }
}
