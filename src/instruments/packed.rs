//! One row of the table in 48 bytes. Prices are whole hundredths of a paisa, which is as fine as a [`Price`] gets; texts
//! are places in the table's own stores.

use chrono::{Datelike, NaiveDate};
use ordergate_actors::order::{Exchange, Instrument, Kind, Price, Quantity, Right};
use rust_decimal::Decimal;

const SCALE: u32 = 4;

/// What kind of contract a row is, in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Equity,
    Index,
    Future,
    Call,
    Put,
}

/// A row without its texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed {
    pub(super) strike: u64,
    tick: u64,
    /// Where its symbol begins in the table's text.
    pub(super) symbol_at: u32,
    /// Its underlying's place in the table's list.
    pub(super) underlying: u32,
    pub(super) token: u32,
    lot: u32,
    /// 0: none.
    freeze: u32,
    /// The day's number; 0: none.
    pub(super) expiry: i32,
    pub(super) exchange: Exchange,
    pub(super) sort: Sort,
}

/// The price in hundredths of a paisa: exact, because a price has at most four decimals.
pub(super) fn fixed(price: Price) -> u64 {
    let value = price.value();
    let tens = 10_u128.pow(SCALE.saturating_sub(value.scale()));
    u64::try_from(value.mantissa().unsigned_abs() * tens).unwrap_or(u64::MAX)
}

/// The price of so many hundredths of a paisa.
pub(super) fn price(fixed: u64) -> Option<Price> {
    Price::new(Decimal::new(i64::try_from(fixed).ok()?, SCALE))
}

fn small(quantity: Quantity) -> u32 {
    // A quantity is at most a hundred million.
    u32::try_from(quantity.value()).unwrap_or(u32::MAX)
}

impl Packed {
    pub(super) fn of(row: &Instrument, symbol_at: u32, underlying: u32) -> Self {
        let (sort, expiry, strike) = match row.kind {
            Kind::Equity => (Sort::Equity, 0, 0),
            Kind::Index => (Sort::Index, 0, 0),
            Kind::Future { expiry } => (Sort::Future, expiry.num_days_from_ce(), 0),
            Kind::Option { expiry, strike, right: Right::Call } => (Sort::Call, expiry.num_days_from_ce(), fixed(strike)),
            Kind::Option { expiry, strike, right: Right::Put } => (Sort::Put, expiry.num_days_from_ce(), fixed(strike)),
        };
        Self {
            strike,
            tick: fixed(row.tick),
            symbol_at,
            underlying,
            token: row.token,
            lot: small(row.lot),
            freeze: row.freeze.map_or(0, small),
            expiry,
            exchange: row.key.exchange,
            sort,
        }
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        let expiry = || NaiveDate::from_num_days_from_ce_opt(self.expiry);
        let option = |right| Some(Kind::Option { expiry: expiry()?, strike: price(self.strike)?, right });
        match self.sort {
            Sort::Equity => Some(Kind::Equity),
            Sort::Index => Some(Kind::Index),
            Sort::Future => Some(Kind::Future { expiry: expiry()? }),
            Sort::Call => option(Right::Call),
            Sort::Put => option(Right::Put),
        }
    }

    pub(super) fn tick(&self) -> Option<Price> {
        price(self.tick)
    }

    pub(super) fn lot(&self) -> Option<Quantity> {
        Quantity::new(i64::from(self.lot))
    }

    pub(super) fn freeze(&self) -> Option<Quantity> {
        Quantity::new(i64::from(self.freeze))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_small_and_prices_come_back_exactly() {
        assert_eq!(size_of::<Packed>(), 48);
        for text in ["0.0025", "0.05", "312.5", "25000", "10000000"] {
            let exact = Price::parse(text).unwrap();
            assert_eq!(price(fixed(exact)), Some(exact), "{text}");
        }
    }
}
