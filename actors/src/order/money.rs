//! Exact numbers. Prices and amounts are decimals, quantities are integers; nothing here passes through a float.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Why a number is not a price, a quantity or an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {rule}")]
pub struct BadNumber {
    /// What it was meant to be.
    pub kind: &'static str,
    /// The text as it came, shortened.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

fn bad(kind: &'static str, text: &str, rule: &'static str) -> BadNumber {
    BadNumber { kind, text: text.chars().take(40).collect(), rule }
}

/// Reads a plain decimal: digits, one point, an optional sign. `NaN`, `inf`, exponents and blanks are refused.
///
/// # Errors
/// [`BadNumber`] when the text is anything else, or has more than 28 digits.
pub fn decimal(kind: &'static str, text: &str) -> Result<Decimal, BadNumber> {
    let plain = !text.is_empty()
        && text.len() <= 32
        && text.bytes().enumerate().all(|(i, b)| b.is_ascii_digit() || b == b'.' || (i == 0 && (b == b'-' || b == b'+')));
    if !plain {
        return Err(bad(kind, text, "a plain decimal number, for example 101.50"));
    }
    Decimal::from_str(text).map_err(|_| bad(kind, text, "a plain decimal number, for example 101.50"))
}

/// The price of a unit, as the exchange quotes it: greater than zero, at most ten million, at most four decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Decimal", into = "Decimal")]
pub struct Price(Decimal);

impl Price {
    /// The highest price that the engine takes, in rupees.
    pub const MAX: Decimal = Decimal::from_parts(10_000_000, 0, 0, false, 0);

    /// Reads a price from text.
    ///
    /// # Errors
    /// [`BadNumber`] when it is no plain decimal, not above zero, above [`Price::MAX`] or finer than four decimals.
    pub fn parse(text: &str) -> Result<Self, BadNumber> {
        let value = decimal("price", text)?;
        Self::new(value).ok_or_else(|| bad("price", text, "greater than 0, at most 10000000, at most 4 decimals"))
    }

    /// Takes a decimal if it is a price.
    #[must_use]
    pub fn new(value: Decimal) -> Option<Self> {
        let value = value.normalize();
        (value > Decimal::ZERO && value <= Self::MAX && value.scale() <= 4).then_some(Self(value))
    }

    /// The decimal.
    #[must_use]
    pub fn value(self) -> Decimal {
        self.0
    }

    /// Whether the price is a whole multiple of the tick.
    #[must_use]
    pub fn is_on_tick(self, tick: Price) -> bool {
        self.0.checked_rem(tick.0).is_some_and(|rest| rest.is_zero())
    }

    /// So many units at this price. It is no amount of rupees yet: that takes what a point of the contract is worth.
    #[must_use]
    pub fn times(self, quantity: i64) -> Points {
        Points(self.0.checked_mul(Decimal::from(quantity)).unwrap_or(Decimal::MAX))
    }
}

impl TryFrom<Decimal> for Price {
    type Error = BadNumber;
    fn try_from(value: Decimal) -> Result<Self, BadNumber> {
        Self::new(value).ok_or_else(|| bad("price", &value.to_string(), "greater than 0, at most 10000000, at most 4 decimals"))
    }
}

impl From<Price> for Decimal {
    fn from(price: Price) -> Decimal {
        price.0
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Rupees per unit at which something ended that nobody traded here: zero (an option that ends worthless) to ten million, at most
/// four decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Decimal", into = "Decimal")]
pub struct EndPrice(Decimal);

/// What an [`EndPrice`] must be.
const END_PRICE: &str = "from 0 to 10000000, at most 4 decimals";

impl EndPrice {
    /// Reads one from text.
    ///
    /// # Errors
    /// [`BadNumber`] when it is no plain decimal, below zero, above [`Price::MAX`] or finer than four decimals.
    pub fn parse(text: &str) -> Result<Self, BadNumber> {
        let value = decimal("price", text)?;
        Self::new(value).ok_or_else(|| bad("price", text, END_PRICE))
    }

    /// Takes a decimal if it is one.
    #[must_use]
    pub fn new(value: Decimal) -> Option<Self> {
        let value = value.normalize();
        (value >= Decimal::ZERO && value <= Price::MAX && value.scale() <= 4).then_some(Self(value))
    }

    /// Points that so many units realised that cost (long, a positive net) or brought (short) so much.
    #[must_use]
    pub fn realised(self, net: i64, cost: Points) -> Points {
        let value = Points(self.0.checked_mul(Decimal::from(net.abs())).unwrap_or(Decimal::MAX));
        if net < 0 { cost.plus(value.negated()) } else { value.plus(cost.negated()) }
    }
}

impl TryFrom<Decimal> for EndPrice {
    type Error = BadNumber;
    fn try_from(value: Decimal) -> Result<Self, BadNumber> {
        Self::new(value).ok_or_else(|| bad("price", &value.to_string(), END_PRICE))
    }
}

impl From<EndPrice> for Decimal {
    fn from(price: EndPrice) -> Decimal {
        price.0
    }
}

impl From<Price> for EndPrice {
    fn from(price: Price) -> Self {
        Self(price.0)
    }
}

impl fmt::Display for EndPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for EndPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Units of an instrument (shares, or lot size times lots): 1 to 100 million.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Quantity(i64);

impl Quantity {
    /// The largest quantity that the engine takes.
    pub const MAX: i64 = 100_000_000;

    /// Reads a quantity from text. `75.0` is a quantity, `75.5` is not.
    ///
    /// # Errors
    /// [`BadNumber`] when it is not a whole number from 1 to [`Quantity::MAX`].
    pub fn parse(text: &str) -> Result<Self, BadNumber> {
        let value = decimal("quantity", text)?.normalize();
        i64::try_from(value)
            .ok()
            .filter(|_| value.scale() == 0)
            .and_then(Self::new)
            .ok_or_else(|| bad("quantity", text, "a whole number from 1 to 100000000"))
    }

    /// Takes an integer if it is a quantity.
    #[must_use]
    pub fn new(value: i64) -> Option<Self> {
        (1..=Self::MAX).contains(&value).then_some(Self(value))
    }

    /// The integer.
    #[must_use]
    pub fn value(self) -> i64 {
        self.0
    }

    /// Whether the quantity is a whole number of lots.
    #[must_use]
    pub fn is_whole_lots(self, lot: Quantity) -> bool {
        self.0.checked_rem(lot.0) == Some(0)
    }
}

impl TryFrom<i64> for Quantity {
    type Error = BadNumber;
    fn try_from(value: i64) -> Result<Self, BadNumber> {
        Self::new(value).ok_or_else(|| bad("quantity", &value.to_string(), "a whole number from 1 to 100000000"))
    }
}

impl From<Quantity> for i64 {
    fn from(quantity: Quantity) -> i64 {
        quantity.0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn saturating_sum(one: Decimal, other: Decimal) -> Decimal {
    one.checked_add(other).unwrap_or(if other.is_sign_negative() { Decimal::MIN } else { Decimal::MAX })
}

/// What both kinds of sums can do. They are two types, and neither adds to the other, because a point is not always a rupee.
macro_rules! signed_sum {
    ($sum:ident) => {
        impl $sum {
            /// Nothing.
            pub const ZERO: Self = Self(Decimal::ZERO);

            /// The sum; saturates at the largest decimal of the sum's sign.
            #[must_use]
            pub fn plus(self, other: Self) -> Self {
                Self(saturating_sum(self.0, other.0))
            }

            /// The sum with the other sign.
            #[must_use]
            pub fn negated(self) -> Self {
                Self(-self.0)
            }

            /// What comes to one of so many units, rounded to four decimals; `None` for no units.
            #[must_use]
            pub fn per_unit(self, quantity: i64) -> Option<Decimal> {
                self.0.checked_div(Decimal::from(quantity)).map(|value| value.round_dp(4).normalize())
            }
        }

        impl fmt::Display for $sum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $sum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// Prices times units of one contract, of either sign: what was paid for a position, what closing it brought. Only
/// [`Points::rupees`] makes an amount of it, so that nobody takes the one for the other: on MCX and CDS a point of a unit is
/// not always a rupee. Of different contracts they are not added. Sums saturate instead of wrapping.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Points(pub Decimal);

signed_sum!(Points);

impl Points {
    /// Rupees, where a unit gains `per_point` rupees when its price rises by one
    /// ([`Instrument::rupees_per_point`](super::Instrument::rupees_per_point)).
    #[must_use]
    pub fn rupees(self, per_point: Decimal) -> Amount {
        Amount(if per_point == Decimal::ONE { self.0 } else { self.0.saturating_mul(per_point).normalize() })
    }
}

/// How an order's rupees come about, in words: `10 x 800 = 8000 rupees`, with the worth of a point where that is not a rupee.
#[must_use]
pub fn worked_out(quantity: i64, price: Price, per_point: Decimal) -> String {
    let by_point = if per_point == Decimal::ONE { String::new() } else { format!(" x {} rupees a point", per_point.normalize()) };
    format!("{quantity} x {price}{by_point} = {} rupees", price.times(quantity).rupees(per_point))
}

/// Rupees, of either sign: profit, notional, a limit. Sums saturate instead of wrapping.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amount(pub Decimal);

signed_sum!(Amount);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    #[test]
    fn refuses_what_is_no_number() {
        for text in ["NaN", "nan", "inf", "-inf", "Infinity", "", " ", "1e5", "0x10", "1,000", "१", "1.2.3", "--1"] {
            assert!(Price::parse(text).is_err(), "{text:?} was taken for a price");
            assert!(Quantity::parse(text).is_err(), "{text:?} was taken for a quantity");
        }
    }

    #[test]
    fn refuses_zero_negative_and_absurd() {
        for text in ["0", "-0", "0.00", "-1", "10000000.01", "1.00001"] {
            assert!(Price::parse(text).is_err(), "{text:?}");
        }
        for text in ["0", "-1", "1.5", "100000001"] {
            assert!(Quantity::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Quantity::parse("75.0").unwrap().value(), 75);
    }

    #[test]
    fn knows_ticks_and_lots() {
        let tick = Price::parse("0.05").unwrap();
        assert!(Price::parse("101.50").unwrap().is_on_tick(tick));
        assert!(!Price::parse("101.52").unwrap().is_on_tick(tick));
        let lot = Quantity::new(65).unwrap();
        assert!(Quantity::new(130).unwrap().is_whole_lots(lot));
        assert!(!Quantity::new(75).unwrap().is_whole_lots(lot));
    }

    #[test]
    fn what_ended_may_be_worth_nothing_and_never_less() {
        for text in ["0", "0.00", "0.05", "25650.0500", "10000000"] {
            assert_eq!(EndPrice::parse(text).unwrap(), EndPrice::parse(&EndPrice::parse(text).unwrap().to_string()).unwrap(), "{text}");
        }
        for text in ["", "-0.05", "NaN", "inf", "1e3", "10000000.01", "1.00001", "1,000"] {
            assert!(EndPrice::parse(text).is_err(), "{text:?} was taken");
        }
        let at = |text: &str, net, cost: i64| EndPrice::parse(text).unwrap().realised(net, Points(cost.into())).0;
        assert_eq!((at("12", 10, 100), at("12", -10, 100), at("0", -10, 100)), (20.into(), (-20).into(), 100.into()));
        assert_eq!(EndPrice::parse("-0").unwrap().to_string(), "0");
        assert_eq!(serde_json::to_string(&EndPrice::parse("0.0").unwrap()).unwrap(), "\"0\"");
    }

    proptest! {
        #[test]
        fn prop_a_price_survives_text(paise in 1i64..1_000_000_000) {
            let price = Price::new(Decimal::new(paise, 2)).unwrap();
            prop_assert_eq!(Price::parse(&price.to_string()).unwrap(), price);
            let json = serde_json::to_string(&price).unwrap();
            prop_assert!(json.starts_with('"'), "a price must be a string in JSON: {}", json);
            prop_assert_eq!(serde_json::from_str::<Price>(&json).unwrap(), price);
        }

        #[test]
        fn prop_no_text_panics(text in "\\PC{0,40}") {
            let _ = Price::parse(&text);
            let _ = Quantity::parse(&text);
        }
    }
}
