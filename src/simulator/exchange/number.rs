//! Numbers that grow and begin with their day: `26112000000001` is the first of 20 November 2026.

use chrono::{Datelike, NaiveDate};
use ordergate_actors::order::{BrokerOrderId, TradeId};

use super::reject::Impossible;

/// The number after `last`, not below the day's first.
pub(in crate::simulator) fn after(last: u64, date: NaiveDate) -> u64 {
    let year = u64::from(date.year().rem_euclid(100).unsigned_abs());
    let day = (year * 100 + u64::from(date.month())) * 100 + u64::from(date.day());
    last.max(day * 100_000_000) + 1
}

pub(super) fn order_id(number: u64) -> Result<BrokerOrderId, Impossible> {
    BrokerOrderId::parse(&format!("{number:014}")).map_err(|bad| Impossible(bad.to_string()))
}

pub(super) fn trade_id(number: u64) -> Result<TradeId, Impossible> {
    TradeId::parse(&format!("{number:014}")).map_err(|bad| Impossible(bad.to_string()))
}

/// The number in the text; the exchange gave it out, so it is one.
pub(super) fn of(text: &str) -> Result<u64, Impossible> {
    text.parse().map_err(|_| Impossible(format!("{text:?} is no number of this exchange")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_with_the_day_and_never_go_back() {
        let day: NaiveDate = "2026-11-20".parse().unwrap();
        let first = after(0, day);
        assert_eq!(order_id(first).unwrap().as_str(), "26112000000001");
        assert_eq!(after(first, day), first + 1);
        assert_eq!(after(first, "2026-11-21".parse().unwrap()), 26_112_100_000_001);
        assert_eq!(after(first, "2026-11-19".parse().unwrap()), first + 1);
        assert_eq!(order_id(after(0, "2005-01-02".parse().unwrap())).unwrap().as_str(), "05010200000001");
    }
}
