//! Where a position is left, as an order asks for it: a price, or a distance from the fill that is not known yet when the
//! alert is written. As text: a plain number is a price, `12 points` (or `12 pts`) are rupees from the fill, `1.5%` is a
//! share of the fill.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveTime;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::money::{BadNumber, Price, decimal};
use super::words::{Side, StopAt};

/// A price, or a distance from the fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ExitAt {
    /// At this price.
    Price(Price),
    /// So many rupees from the fill; above 0.
    Points(Decimal),
    /// So many percent of the fill; above 0, below 100.
    Percent(Decimal),
}

impl ExitAt {
    /// Rupees between the fill and this, never negative; `None` when the numbers are beyond all bounds.
    #[must_use]
    pub fn distance(self, fill: Decimal) -> Option<Decimal> {
        match self {
            Self::Price(price) => price.value().checked_sub(fill).map(|distance| distance.abs()),
            Self::Points(points) => Some(points),
            Self::Percent(percent) => fill.checked_mul(percent)?.checked_div(Decimal::ONE_HUNDRED),
        }
    }

    /// The price at which a position of that side, filled at that price, loses so much.
    #[must_use]
    pub fn below(self, fill: Decimal, position: Side) -> Option<Decimal> {
        self.shifted(fill, position.opposite())
    }

    /// The price at which it gains so much.
    #[must_use]
    pub fn above(self, fill: Decimal, position: Side) -> Option<Decimal> {
        self.shifted(fill, position)
    }

    fn shifted(self, fill: Decimal, towards: Side) -> Option<Decimal> {
        if let Self::Price(price) = self {
            return Some(price.value());
        }
        let distance = self.distance(fill)?;
        match towards {
            Side::Buy => fill.checked_add(distance),
            Side::Sell => fill.checked_sub(distance),
        }
    }

    /// The price, if it is one.
    #[must_use]
    pub fn price(self) -> Option<Price> {
        match self {
            Self::Price(price) => Some(price),
            Self::Points(_) | Self::Percent(_) => None,
        }
    }
}

const RULE: &str = "a price (101.50), points from the fill (12 points) or percent of the fill (1.5%)";

fn bad(text: &str) -> BadNumber {
    BadNumber { kind: "price or distance", text: text.chars().take(40).collect(), rule: RULE }
}

impl FromStr for ExitAt {
    type Err = BadNumber;
    fn from_str(text: &str) -> Result<Self, BadNumber> {
        let text = text.trim();
        let number = |part: &str| decimal("distance", part.trim()).map_err(|_| bad(text)).map(|value| value.normalize());
        let is_fine = |value: Decimal| value > Decimal::ZERO && value.scale() <= 4 && value <= Price::MAX;
        if let Some(percent) = text.strip_suffix('%') {
            let value = number(percent)?;
            return (is_fine(value) && value < Decimal::ONE_HUNDRED).then_some(Self::Percent(value)).ok_or_else(|| bad(text));
        }
        let lower = text.to_ascii_lowercase();
        if let Some(points) = ["points", "point", "pts", "pt"].into_iter().find_map(|unit| lower.strip_suffix(unit)) {
            let value = number(points)?;
            return is_fine(value).then_some(Self::Points(value)).ok_or_else(|| bad(text));
        }
        Price::parse(text).map(Self::Price).map_err(|_| bad(text))
    }
}

impl fmt::Display for ExitAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Price(price) => price.fmt(f),
            Self::Points(points) => write!(f, "{points} points"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl TryFrom<String> for ExitAt {
    type Error = BadNumber;
    fn try_from(text: String) -> Result<Self, BadNumber> {
        text.parse()
    }
}

impl From<ExitAt> for String {
    fn from(at: ExitAt) -> Self {
        at.to_string()
    }
}

/// When a position is left whatever its price. Text: `15:10` (Indian time), `30 minutes`, `EOD` (before the end of
/// continuous trading), `EXPIRY` (the same on the contract's last day); several with commas between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExitTimes {
    /// Each day at that time, Indian time.
    pub clock: Option<NaiveTime>,
    /// So long after it was opened.
    pub minutes: Option<u32>,
    /// Before continuous trading ends, each day.
    pub end_of_day: bool,
    /// Before continuous trading ends on the contract's last day.
    pub expiry_day: bool,
}

impl ExitTimes {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

const TIMES: &str = "15:10, 30 minutes, EOD or EXPIRY, with commas between several";
/// A day.
const MINUTES_MOST: u32 = 24 * 60;

impl FromStr for ExitTimes {
    type Err = BadNumber;
    fn from_str(text: &str) -> Result<Self, BadNumber> {
        let wrong = || BadNumber { kind: "time", text: text.chars().take(40).collect(), rule: TIMES };
        let mut times = Self::default();
        for part in text.split(',').map(|part| part.trim().to_ascii_lowercase()) {
            if part == "eod" {
                times.end_of_day = true;
            } else if part == "expiry" {
                times.expiry_day = true;
            } else if let Some(minutes) = ["minutes", "minute", "min", "m"].into_iter().find_map(|unit| part.strip_suffix(unit)) {
                let minutes = minutes.trim().parse().ok().filter(|minutes| (1..=MINUTES_MOST).contains(minutes));
                times.minutes = Some(minutes.ok_or_else(wrong)?);
            } else {
                times.clock = Some(NaiveTime::parse_from_str(&part, "%H:%M").map_err(|_| wrong())?);
            }
        }
        Ok(times)
    }
}

impl fmt::Display for ExitTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.clock.map(|clock| clock.format("%H:%M").to_string()));
        parts.extend(self.minutes.map(|minutes| format!("{minutes} minutes")));
        parts.extend(self.end_of_day.then(|| "EOD".to_owned()));
        parts.extend(self.expiry_day.then(|| "EXPIRY".to_owned()));
        f.write_str(&parts.join(", "))
    }
}

impl TryFrom<String> for ExitTimes {
    type Error = BadNumber;
    fn try_from(text: String) -> Result<Self, BadNumber> {
        if text.is_empty() { Ok(Self::default()) } else { text.parse() }
    }
}

impl From<ExitTimes> for String {
    fn from(times: ExitTimes) -> Self {
        times.to_string()
    }
}

/// What else an entry says about leaving its position, beside stop, target and how the stop trails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExitExtras {
    /// The favourable move for each step of a trailing stop, a distance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trailing_step: Option<ExitAt>,
    /// The favourable move after which the stop begins to trail, a distance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trailing_after: Option<ExitAt>,
    /// The favourable move after which the stop moves to the fill, a distance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_even: Option<ExitAt>,
    /// When it is left whatever its price.
    #[serde(skip_serializing_if = "ExitTimes::is_empty")]
    pub times: ExitTimes,
    /// Where its stop lives; `None`: where the account's settings say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<StopAt>,
}

impl ExitExtras {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn one_text_for_each_form() {
        for (text, at) in [
            ("790", ExitAt::Price(Price::parse("790").unwrap())),
            ("12 points", ExitAt::Points(d("12"))),
            ("12pts", ExitAt::Points(d("12"))),
            ("1.50 %", ExitAt::Percent(d("1.5"))),
        ] {
            assert_eq!(text.parse::<ExitAt>().unwrap(), at, "{text}");
        }
        for text in ["", "0", "-5 points", "0%", "100%", "12 rupees", "points", "%", "1e3 points", "0.00001%"] {
            assert!(text.parse::<ExitAt>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn distances_go_against_a_long_and_a_short() {
        let fill = d("200");
        for (text, below_long, above_long) in [("10 points", "190", "210"), ("1%", "198", "202"), ("195", "195", "195")] {
            let at: ExitAt = text.parse().unwrap();
            assert_eq!(at.below(fill, Side::Buy), Some(d(below_long)));
            assert_eq!(at.above(fill, Side::Buy), Some(d(above_long)));
            assert_eq!(at.below(fill, Side::Sell), at.above(fill, Side::Buy), "a short loses where a long gains");
        }
        assert_eq!("195".parse::<ExitAt>().unwrap().distance(fill), Some(d("5")));
    }

    #[test]
    fn times_are_read_in_any_mix() {
        let times: ExitTimes = "15:10, 30 minutes, eod".parse().unwrap();
        assert_eq!(times.to_string(), "15:10, 30 minutes, EOD");
        assert_eq!("EXPIRY".parse::<ExitTimes>().unwrap(), ExitTimes { expiry_day: true, ..ExitTimes::default() });
        for text in ["", "25:00", "0 minutes", "soon", "15:10,", "1441 min"] {
            assert!(text.parse::<ExitTimes>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn prop_what_is_written_is_read_back(value in 1i64..99_990_000, kind in 0u8..3) {
            let value = Decimal::new(value, 4).normalize();
            let at = match kind {
                0 => ExitAt::Price(Price::new(value).unwrap()),
                1 => ExitAt::Points(value),
                _ => ExitAt::Percent(value.min(d("99.9999"))),
            };
            prop_assert_eq!(at.to_string().parse::<ExitAt>().unwrap(), at);
            let extras = ExitExtras { break_even: Some(at), ..ExitExtras::default() };
            prop_assert_eq!(serde_json::from_str::<ExitExtras>(&serde_json::to_string(&extras).unwrap()).unwrap(), extras);
        }
    }
}
