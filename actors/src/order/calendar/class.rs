//! Which hours an instrument has: its class, from what the instrument master and the calendar's lists say of it.

use std::sync::Arc;

use chrono::NaiveDate;

use super::Calendar;
use super::expiry::Cycle;
use crate::order::instrument::{Instrument, Kind};
use crate::order::words::Exchange;

/// Instruments of one segment with the same hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A share outside the closing auction.
    Share,
    /// A share in the closing auction.
    AuctionShare,
    /// A future without a pre-open.
    Future,
    /// A future with a pre-open call auction.
    NearFuture,
    /// An option.
    Option,
    /// A contract in an agricultural commodity.
    Agri,
    /// A contract in an agricultural commodity with an international reference.
    LinkedAgri,
}

impl Class {
    /// Every class, with its word in a calendar file.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Share, "SHARE"),
        (Self::AuctionShare, "AUCTION_SHARE"),
        (Self::Future, "FUTURE"),
        (Self::NearFuture, "NEAR_FUTURE"),
        (Self::Option, "OPTION"),
        (Self::Agri, "AGRI"),
        (Self::LinkedAgri, "LINKED_AGRI"),
    ];

    /// Its word in a calendar file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(class, _)| *class == self).map_or("", |(_, word)| word)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, word)| *word == text).map(|(class, _)| *class)
    }
}

/// What the calendar needs to know of an instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The segment.
    pub segment: Exchange,
    /// The kind of contract.
    pub kind: Kind,
    /// The underlying (`NIFTY`, `RELIANCE`).
    pub underlying: Arc<str>,
    /// Whether the underlying has live derivatives on any exchange; `None`: the master does not say.
    pub has_derivatives: Option<bool>,
}

impl Facts {
    /// The facts of an instrument.
    #[must_use]
    pub fn of(instrument: &Instrument, has_derivatives: Option<bool>) -> Self {
        Self {
            segment: instrument.key.exchange,
            kind: instrument.kind.clone(),
            underlying: Arc::clone(&instrument.underlying),
            has_derivatives,
        }
    }
}

/// So many trading days before a monthly expiry, itself included, the next month's futures have a pre-open too.
const ROLL_DAYS: usize = 5;

impl Calendar {
    /// The instrument's class on that day.
    #[must_use]
    pub fn class(&self, facts: &Facts, date: NaiveDate) -> Class {
        let agri = (facts.segment == Exchange::Mcx).then(|| self.agri.get(&facts.underlying)).flatten();
        match (&facts.kind, agri) {
            (Kind::Future { .. } | Kind::Option { .. }, Some(class)) => *class,
            (Kind::Equity, _) if self.is_in_closing_auction(facts) => Class::AuctionShare,
            (Kind::Equity | Kind::Index, _) => Class::Share,
            (Kind::Future { expiry }, None) if self.is_near(facts, *expiry, date) => Class::NearFuture,
            (Kind::Future { .. }, None) => Class::Future,
            (Kind::Option { .. }, None) => Class::Option,
        }
    }

    /// A share whose derivatives nobody can look up counts as one in the auction: it stops trading earlier.
    fn is_in_closing_auction(&self, facts: &Facts) -> bool {
        let key = (facts.segment, Arc::clone(&facts.underlying));
        !self.auction_without.contains(&key) && (self.auction_with.contains(&key) || facts.has_derivatives.unwrap_or(true))
    }

    /// Whether a future has the pre-open: the one of the current month, and shortly before its expiry the next. A
    /// calendar that cannot tell says no: the session then starts later.
    fn is_near(&self, facts: &Facts, expiry: NaiveDate, date: NaiveDate) -> bool {
        let monthly = |from| self.next_expiry(facts.segment, &facts.underlying, Cycle::Monthly, from);
        let Ok(current) = monthly(date) else { return false };
        if Cycle::month_of(expiry) == Cycle::month_of(current) {
            return true;
        }
        let is_next = Cycle::month_after(current).is_some_and(|next| Cycle::month_of(expiry) == Cycle::month_of(next));
        let days_left =
            date.iter_days().take_while(|day| *day <= current).filter(|day| self.is_trading_day(facts.segment, *day) == Some(true));
        is_next && days_left.take(ROLL_DAYS + 1).count() <= ROLL_DAYS
    }
}
