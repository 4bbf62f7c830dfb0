//! Lots, ticks and expiries are true for one day: an instrument master that is not of today stops entries in its
//! exchange. One without a day is a sample, and no real money is traded by it.

use chrono::{DateTime, NaiveDate, Utc};

use super::{Checked, Inputs};
use crate::order::{Tag, trading_date};

/// Whether a master of that day may be used now; one without a day never ages.
#[must_use]
pub fn is_fresh(as_of: Option<NaiveDate>, now: DateTime<Utc>) -> bool {
    as_of.is_none_or(|as_of| as_of >= trading_date(now))
}

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let today = trading_date(x.now);
    let exchange = x.instrument.exchange;
    let input = x.master.map_or_else(|| "undated".to_owned(), |as_of| format!("the instruments of {exchange} are of {as_of}"));
    // Undated instruments are a sample: nothing to move real money by.
    let is_fresh = is_fresh(x.master, x.now) && (x.master.is_some() || !x.is_live);
    Checked::new("risk.master", Tag::RiskLimitsExceeded, is_fresh, input, format!("of {today}"))
}
