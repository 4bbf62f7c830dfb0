//! The day's result in rupees, and what it is known from.

use chrono::{DateTime, NaiveTime, Utc};

use crate::order::{Amount, Product, ist, trading_date};
use crate::persistence::Book;
use crate::ports::PositionRow;

/// Realised and unrealised rupees of the day as the broker's own position rows show them, delivery holdings aside.
#[must_use]
pub fn broker_pnl(rows: &[PositionRow]) -> Amount {
    rows.iter().filter(|row| row.holding.product != Product::Cnc).fold(Amount::ZERO, |sum, row| sum.plus(row.realised).plus(row.unrealised))
}

/// The day's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayResult {
    /// By the broker's positions; `None`: they were never read.
    pub broker: Option<Amount>,
    /// Whether what the broker shows is of today: outside the hours of the exchanges it may be that of the day before, unless
    /// something of ours was traded today.
    pub is_of_today: bool,
}

impl DayResult {
    /// The result at that time.
    #[must_use]
    pub fn of(broker: Option<Amount>, book: &Book, now: DateTime<Utc>) -> Self {
        let time = now.with_timezone(&ist()).time();
        let (from, until) = (NaiveTime::from_hms_opt(9, 0, 0), NaiveTime::from_hms_opt(23, 55, 0));
        let is_in_hours = from.is_some_and(|from| time >= from) && until.is_some_and(|until| time < until);
        Self { broker, is_of_today: is_in_hours || book.traded_on() == Some(trading_date(now)) }
    }

    /// The result that counts; `None`: it is not known.
    #[must_use]
    pub fn pnl(&self) -> Option<Amount> {
        if self.is_of_today { self.broker } else { Some(Amount::ZERO) }
    }

    /// What it is known from.
    #[must_use]
    pub fn source(&self) -> &'static str {
        match (self.is_of_today, self.broker) {
            (false, _) => "nothing of today yet",
            (true, Some(_)) => "the broker's positions",
            (true, None) => "nothing: the positions were never read",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::{Build, book_of, order, rupees};

    #[test]
    fn before_the_exchanges_open_yesterdays_figure_is_not_todays() {
        let at = |text: &str| -> DateTime<Utc> { text.parse().unwrap() };
        let idle = book_of([], &[]);
        let loss = Some(rupees(-9_000));
        for (time, pnl) in [
            ("2026-11-19T18:30:00Z", 0),
            ("2026-11-20T03:29:59Z", 0),
            ("2026-11-20T03:30:00Z", -9_000),
            ("2026-11-20T18:24:59Z", -9_000),
            ("2026-11-20T18:25:00Z", 0),
        ] {
            assert_eq!(DayResult::of(loss, &idle, at(time)).pnl(), Some(rupees(pnl)), "{time}");
        }
        assert_eq!(DayResult::of(None, &idle, at("2026-11-20T05:00:00Z")).pnl(), None);
        let night = at("2026-11-19T18:31:00Z");
        let traded = crate::order::OrderRecord { updated_at: night, ..order(1).filled(10, 10) };
        assert_eq!(DayResult::of(loss, &book_of([traded], &[]), night).pnl(), loss, "something was traded today");
    }
}
