//! Lots, ticks and expiries are true for one day: an instrument master that is not of today stops entries in its
//! exchange. One without a day is a sample, and no real money is traded by it.

use super::{Checked, Inputs};
use crate::order::{Tag, trading_date};

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let today = trading_date(x.now);
    let exchange = x.instrument.exchange;
    let input = x.master.map_or_else(|| "undated".to_owned(), |as_of| format!("the instruments of {exchange} are of {as_of}"));
    let is_fresh = x.master.map_or(!x.is_live, |as_of| as_of >= today);
    Checked::new("risk.master", Tag::RiskLimitsExceeded, is_fresh, input, format!("of {today}"))
}
