//! How much: the alert's number in the unit that its route declares, a fixed number, or as much as an amount buys.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use crate::order::{Instrument, Price, Quantity};

/// What an alert's number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QtyUnit {
    /// Shares, or units of a contract.
    Units,
    /// Lots of the contract.
    Lots,
}

impl QtyUnit {
    /// Reads `units` or `lots`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "units" => Some(Self::Units),
            "lots" => Some(Self::Lots),
            _ => None,
        }
    }
}

/// How much a route buys or sells, whatever the alert says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Size {
    /// So many lots.
    Lots(u32),
    /// So many units.
    Units(u32),
    /// As many whole lots as so many rupees buy.
    Rupees(Decimal),
}

const RULE: &str = "must be a whole number of lots or units, or an amount: 2 lots, 130 units, 50000 rupees";

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().take(3).collect();
        let [number, unit] = words.as_slice() else { return Err(RULE.to_owned()) };
        let whole = || number.parse::<u32>().ok().filter(|number| *number > 0);
        let found = match unit.to_ascii_lowercase().as_str() {
            "lot" | "lots" => whole().map(Self::Lots),
            "unit" | "units" => whole().map(Self::Units),
            "rupees" | "rs" => Decimal::from_str_exact(number).ok().filter(|rupees| *rupees > Decimal::ZERO).map(Self::Rupees),
            _ => None,
        };
        found.ok_or_else(|| RULE.to_owned())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lots(lots) => write!(f, "{lots} lots"),
            Self::Units(units) => write!(f, "{units} units"),
            Self::Rupees(rupees) => write!(f, "{rupees} rupees"),
        }
    }
}

impl TryFrom<String> for Size {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> String {
        size.to_string()
    }
}

/// The alert's number in units of the instrument, signed as it came.
///
/// # Errors
/// It is no whole number of lots, in words that name the lot and both neighbours; or the unit is not declared.
pub fn from_alert(number: Decimal, unit: Option<QtyUnit>, instrument: &Instrument) -> Result<i64, String> {
    let lot = instrument.lot.value();
    let unit = match unit {
        Some(unit) => unit,
        // A lot of one is a unit: there is nothing to declare.
        None if lot == 1 => QtyUnit::Units,
        None => {
            return Err(format!(
                "qty_unit is missing: {} has a lot of {lot}, and whether {number} counts units or lots is for the route to say",
                instrument.key
            ));
        }
    };
    let units = match unit {
        QtyUnit::Units => Some(number),
        QtyUnit::Lots => number.checked_mul(Decimal::from(lot)),
    };
    let whole = units.filter(|units| units.fract().is_zero()).and_then(|units| units.to_i64()).filter(|units| units.abs() <= Quantity::MAX);
    match whole {
        Some(units) if units.checked_rem(lot) == Some(0) => Ok(units),
        _ => Err(no_multiple(number, unit, instrument)),
    }
}

fn no_multiple(number: Decimal, unit: QtyUnit, instrument: &Instrument) -> String {
    let (lot, name) = (instrument.lot.value(), &instrument.key);
    let step = if unit == QtyUnit::Lots { Decimal::ONE } else { Decimal::from(lot) };
    let size = number.abs();
    let below = size.checked_div(step).map(|steps| steps.floor()).and_then(|steps| steps.checked_mul(step));
    let neighbours = below.and_then(|below| {
        let above = below.checked_add(step)?;
        Some(if below.is_zero() { above.to_string() } else { format!("{} or {above}", below.normalize()) })
    });
    let neighbours = neighbours.unwrap_or_else(|| "a number that can be an order".to_owned());
    match unit {
        QtyUnit::Units => format!("qty: {number} is no multiple of {name}'s lot {lot}; {neighbours}"),
        QtyUnit::Lots => format!("qty: {number} is no whole number of lots of {name} (a lot is {lot}); {neighbours}"),
    }
}

/// A fixed size in units of the instrument.
///
/// # Errors
/// In words: no whole number of lots, no price for an amount, or too little for one lot.
pub fn fixed(size: Size, instrument: &Instrument, price: Option<Price>) -> Result<i64, String> {
    let lot = instrument.lot.value();
    match size {
        Size::Units(units) => from_alert(Decimal::from(units), Some(QtyUnit::Units), instrument),
        Size::Lots(lots) => from_alert(Decimal::from(lots), Some(QtyUnit::Lots), instrument),
        Size::Rupees(rupees) => {
            let price =
                price.ok_or_else(|| format!("size: {rupees} rupees need a fresh price of {}, and none is known", instrument.key))?;
            let one = Some(instrument.rupees(price, lot).0).filter(|value| !value.is_zero());
            let lots = one.and_then(|one| rupees.checked_div(one)).and_then(|lots| lots.floor().to_i64()).unwrap_or(0);
            match lots.checked_mul(lot).filter(|units| (1..=Quantity::MAX).contains(units)) {
                Some(units) => Ok(units),
                None => Err(format!("size: {rupees} rupees do not buy one lot ({lot}) of {} at {price}", instrument.key)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::plan::tests::{future, share};

    fn number(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn a_number_is_read_in_the_unit_that_is_declared() {
        let nifty = future();
        assert_eq!(from_alert(number("2"), Some(QtyUnit::Lots), &nifty), Ok(130));
        assert_eq!(from_alert(number("-2.0"), Some(QtyUnit::Lots), &nifty), Ok(-130));
        assert_eq!(from_alert(number("65"), Some(QtyUnit::Units), &nifty), Ok(65));
        assert_eq!(from_alert(number("7"), None, &share()), Ok(7));
        assert!(from_alert(number("65"), None, &nifty).unwrap_err().contains("qty_unit is missing"));
    }

    #[test]
    fn what_is_no_whole_lot_is_named_with_both_neighbours() {
        let nifty = future();
        let words = from_alert(number("75"), Some(QtyUnit::Units), &nifty).unwrap_err();
        assert!(words.ends_with("75 is no multiple of NFO:NIFTY24NOV26F's lot 65; 65 or 130"), "{words}");
        assert!(from_alert(number("10"), Some(QtyUnit::Units), &nifty).unwrap_err().ends_with("lot 65; 65"));
        assert!(from_alert(number("1.5"), Some(QtyUnit::Lots), &nifty).unwrap_err().ends_with("1 or 2"));
        assert!(from_alert(number("0.5"), None, &share()).unwrap_err().contains("no multiple"));
        assert!(from_alert(Decimal::MAX, Some(QtyUnit::Lots), &nifty).is_err());
    }

    #[test]
    fn sizes_are_read_and_written_back() {
        for text in ["2 lots", "130 units", "50000 rupees", "50000.50 rupees"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        assert_eq!("1 LOT".parse::<Size>(), Ok(Size::Lots(1)));
        for text in ["", "2", "lots", "0 lots", "-1 lots", "1.5 lots", "2 rupees more", "0 rupees", "2 kilos"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_amount_buys_whole_lots_and_never_none() {
        let price = Price::parse("100").ok();
        assert_eq!(fixed(Size::Rupees(number("13999")), &future(), price), Ok(130));
        assert_eq!(fixed(Size::Rupees(number("999")), &share(), price), Ok(9));
        assert!(fixed(Size::Rupees(number("6499")), &future(), price).unwrap_err().contains("do not buy one lot (65)"));
        assert!(fixed(Size::Rupees(number("6500")), &future(), None).unwrap_err().contains("fresh price"));
    }
}
