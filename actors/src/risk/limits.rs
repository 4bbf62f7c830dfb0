//! The limits that hold now: those of the settings, as far as the day lets them loosen, and what a person has loosened for
//! a while. A limit tightens at once and loosens with the next trading day.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use super::beside::Beside;
use crate::order::Amount;
use crate::settings::Limits;

/// A limit that is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitName {
    /// [`Limits::max_quantity`].
    MaxQuantity,
    /// [`Limits::max_order_value`].
    MaxOrderValue,
    /// [`Limits::max_open_orders`].
    MaxOpenOrders,
    /// [`Limits::max_open_value`].
    MaxOpenValue,
    /// [`Limits::max_position`].
    MaxPosition,
    /// [`Limits::max_position_underlying`].
    MaxPositionUnderlying,
    /// [`Limits::max_short_option_lots`].
    MaxShortOptionLots,
    /// [`Limits::capital_reserve`].
    CapitalReserve,
    /// [`Limits::trades_per_day`].
    TradesPerDay,
    /// [`Limits::collar_percent`].
    CollarPercent,
    /// [`Limits::messages_per_minute`].
    MessagesPerMinute,
    /// [`Limits::daily_loss`].
    DailyLoss,
    /// [`Limits::loss_days`].
    LossDays,
}

impl LimitName {
    /// Every limit, in the order in which people read them.
    pub const ALL: [Self; 13] = [
        Self::MaxQuantity,
        Self::MaxOrderValue,
        Self::MaxOpenOrders,
        Self::MaxOpenValue,
        Self::MaxPosition,
        Self::MaxPositionUnderlying,
        Self::MaxShortOptionLots,
        Self::CapitalReserve,
        Self::TradesPerDay,
        Self::CollarPercent,
        Self::MessagesPerMinute,
        Self::DailyLoss,
        Self::LossDays,
    ];

    /// Its key in the settings and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxQuantity => "max_quantity",
            Self::MaxOrderValue => "max_order_value",
            Self::MaxOpenOrders => "max_open_orders",
            Self::MaxOpenValue => "max_open_value",
            Self::MaxPosition => "max_position",
            Self::MaxPositionUnderlying => "max_position_underlying",
            Self::MaxShortOptionLots => "max_short_option_lots",
            Self::CapitalReserve => "capital_reserve",
            Self::TradesPerDay => "trades_per_day",
            Self::CollarPercent => "collar_percent",
            Self::MessagesPerMinute => "messages_per_minute",
            Self::DailyLoss => "daily_loss",
            Self::LossDays => "loss_days",
        }
    }

    /// Reads its key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text.trim())
    }

    /// Whether it counts rupees or percent, which may have a fraction; the others are whole.
    #[must_use]
    pub fn takes_fractions(self) -> bool {
        matches!(self, Self::MaxOrderValue | Self::MaxOpenValue | Self::CapitalReserve | Self::CollarPercent | Self::DailyLoss)
    }

    /// The tighter of two values: the smaller, but of what must be left alone the larger.
    #[must_use]
    pub fn tighter(self, a: Decimal, b: Decimal) -> Decimal {
        if self == Self::CapitalReserve { a.max(b) } else { a.min(b) }
    }

    /// Its value there.
    #[must_use]
    pub fn get(self, limits: &Limits) -> Decimal {
        match self {
            Self::MaxQuantity => limits.max_quantity.into(),
            Self::MaxOrderValue => limits.max_order_value.0,
            Self::MaxOpenOrders => limits.max_open_orders.into(),
            Self::MaxOpenValue => limits.max_open_value.0,
            Self::MaxPosition => limits.max_position.into(),
            Self::MaxPositionUnderlying => limits.max_position_underlying.into(),
            Self::MaxShortOptionLots => limits.max_short_option_lots.into(),
            Self::CapitalReserve => limits.capital_reserve.0,
            Self::TradesPerDay => limits.trades_per_day.into(),
            Self::CollarPercent => limits.collar_percent,
            Self::MessagesPerMinute => limits.messages_per_minute.into(),
            Self::DailyLoss => limits.daily_loss.0,
            Self::LossDays => limits.loss_days.into(),
        }
    }

    /// A whole limit that does not fit its type is as large as the type takes: its own rule bounds it no further.
    fn set(self, limits: &mut Limits, value: Decimal) {
        let units = value.to_i64().unwrap_or(i64::MAX);
        let count = value.to_usize().unwrap_or(usize::MAX);
        match self {
            Self::MaxQuantity => limits.max_quantity = units,
            Self::MaxOrderValue => limits.max_order_value = Amount(value),
            Self::MaxOpenOrders => limits.max_open_orders = count,
            Self::MaxOpenValue => limits.max_open_value = Amount(value),
            Self::MaxPosition => limits.max_position = units,
            Self::MaxPositionUnderlying => limits.max_position_underlying = units,
            Self::MaxShortOptionLots => limits.max_short_option_lots = units,
            Self::CapitalReserve => limits.capital_reserve = Amount(value),
            Self::TradesPerDay => limits.trades_per_day = count,
            Self::CollarPercent => limits.collar_percent = value,
            Self::MessagesPerMinute => limits.messages_per_minute = count,
            Self::DailyLoss => limits.daily_loss = Amount(value),
            Self::LossDays => limits.loss_days = count,
        }
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The limits of one day, as they are kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DayLimits {
    /// The tightest that each number was on this day.
    pub numbers: BTreeMap<LimitName, Decimal>,
    /// The same of the settings beside them, which no override names.
    #[serde(default)]
    pub beside: BTreeMap<Beside, Decimal>,
    /// What may be traded, of every setting of this day; none of them may be left out.
    pub allow: Vec<Vec<String>>,
    /// What may not be traded, of all settings of this day together.
    pub ban: Vec<String>,
}

impl DayLimits {
    /// Those of a day that begins with these settings.
    #[must_use]
    pub fn of(limits: &Limits) -> Self {
        let numbers = LimitName::ALL.into_iter().map(|name| (name, name.get(limits).normalize())).collect();
        let beside = Beside::ALL.into_iter().map(|name| (name, name.get(limits).normalize())).collect();
        Self { numbers, beside, allow: lists(&limits.allow), ban: limits.ban.clone() }
    }

    /// The same day under settings that may be others: what they tighten holds at once, what they loosen does not.
    #[must_use]
    pub fn tightened(&self, limits: &Limits) -> Self {
        let mut next = self.clone();
        for name in LimitName::ALL {
            let said = name.get(limits).normalize();
            next.numbers.entry(name).and_modify(|kept| *kept = name.tighter(*kept, said)).or_insert(said);
        }
        for name in Beside::ALL {
            let said = name.get(limits).normalize();
            next.beside.entry(name).and_modify(|kept| *kept = name.tighter(*kept, said)).or_insert(said);
        }
        for list in lists(&limits.allow) {
            if !next.allow.contains(&list) {
                next.allow.push(list);
            }
        }
        next.ban.extend(limits.ban.iter().filter(|word| !self.ban.contains(word)).cloned());
        next
    }

    /// Today's limits, with all overrides that have not expired.
    #[must_use]
    pub fn in_force<'a>(&self, settings: &Limits, overrides: impl IntoIterator<Item = &'a Override>, now: DateTime<Utc>) -> Limits {
        let mut limits = settings.clone();
        for (name, value) in &self.numbers {
            name.set(&mut limits, *value);
        }
        for (name, value) in &self.beside {
            name.set(&mut limits, *value);
        }
        for standing in overrides {
            if standing.holds(now) {
                standing.limit.set(&mut limits, standing.value);
            }
        }
        limits
    }
}

fn lists(allow: &[String]) -> Vec<Vec<String>> {
    if allow.is_empty() { Vec::new() } else { vec![allow.to_vec()] }
}

/// A limit that a person has set otherwise for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Which.
    pub limit: LimitName,
    /// What holds instead.
    pub value: Decimal,
    /// Who.
    pub who: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub from: DateTime<Utc>,
    /// Until when; it ends by itself.
    pub until: DateTime<Utc>,
}

impl Override {
    /// Whether it holds at that time.
    #[must_use]
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        (self.from..self.until).contains(&now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::{at, rupees};

    fn settings(daily_loss: i64, reserve: i64) -> Limits {
        Limits { daily_loss: rupees(daily_loss), capital_reserve: rupees(reserve), ..Limits::standard() }
    }

    #[test]
    fn a_limit_tightens_at_once_and_loosens_with_the_next_day() {
        let day = DayLimits::of(&settings(1_000, 100));
        let looser = settings(5_000, 50);
        let held = day.tightened(&looser).in_force(&looser, [], at(0));
        assert_eq!((held.daily_loss, held.capital_reserve), (rupees(1_000), rupees(100)));
        let tighter = settings(500, 200);
        let tight = day.tightened(&tighter);
        assert_eq!(tight.in_force(&tighter, [], at(0)).daily_loss, rupees(500));
        let back = tight.tightened(&settings(1_000, 100)).in_force(&settings(1_000, 100), [], at(0));
        assert_eq!((back.daily_loss, back.capital_reserve), (rupees(500), rupees(200)), "the tightest of the day stays");
        assert_eq!(DayLimits::of(&looser).in_force(&looser, [], at(0)).daily_loss, rupees(5_000), "another day");
    }

    /// A day that has kept a profit by steps of its floor, and the rules against storms, does not lose them with a restart.
    #[test]
    fn what_no_override_names_loosens_with_the_next_day_too() {
        let morning = Limits { loss_step: rupees(5_000), repeats: 8, needs_quote: crate::settings::Holds::Live, ..Limits::standard() };
        let looser = Limits {
            loss_step: Amount::ZERO,
            repeats: 100_000,
            needs_quote: crate::settings::Holds::Never,
            intraday_cutoff: std::time::Duration::ZERO,
            margin_shortfall: crate::settings::OnShortfall::Page,
            ..morning.clone()
        };
        let day = DayLimits::of(&morning);
        let text = serde_json::to_string(&day.tightened(&looser)).unwrap();
        let held = serde_json::from_str::<DayLimits>(&text).unwrap().in_force(&looser, [], at(0));
        assert_eq!(held, morning);
        assert_eq!(DayLimits::of(&looser).in_force(&looser, [], at(0)), looser, "another day");
    }

    #[test]
    fn an_override_holds_for_its_time_and_ends_by_itself() {
        let day = DayLimits::of(&settings(1_000, 0));
        let set = Override {
            limit: LimitName::DailyLoss,
            value: Decimal::from(3_000),
            who: "asha".into(),
            reason: "results day".into(),
            from: at(0),
            until: at(60),
        };
        let loss = |second| day.in_force(&settings(1_000, 0), [&set], at(second)).daily_loss;
        assert_eq!((loss(-1), loss(0), loss(59), loss(60)), (rupees(1_000), rupees(3_000), rupees(3_000), rupees(1_000)));
    }

    #[test]
    fn lists_only_grow_tighter_within_a_day() {
        let with = |allow: &[&str], ban: &[&str]| Limits {
            allow: allow.iter().map(|word| (*word).to_owned()).collect(),
            ban: ban.iter().map(|word| (*word).to_owned()).collect(),
            ..Limits::standard()
        };
        let day = DayLimits::of(&with(&["NIFTY"], &["SBIN"])).tightened(&with(&["NIFTY", "SBIN"], &["INFY"]));
        assert_eq!(day.allow, [vec!["NIFTY".to_owned()], vec!["NIFTY".to_owned(), "SBIN".to_owned()]], "both must allow it");
        assert_eq!(day.ban, ["SBIN", "INFY"]);
        assert_eq!(day.tightened(&with(&[], &[])), day);
    }

    #[test]
    fn every_limit_is_read_and_written_under_its_name() {
        for name in LimitName::ALL {
            assert_eq!(LimitName::parse(name.as_str()), Some(name));
            assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{name}\""));
            let mut limits = Limits::standard();
            let other = name.get(&limits) + Decimal::ONE;
            name.set(&mut limits, other);
            assert_eq!(name.get(&limits), other);
            let tighter = if name == LimitName::CapitalReserve { other } else { other - Decimal::ONE };
            assert_eq!(name.tighter(other, other - Decimal::ONE), tighter);
        }
    }
}
