//! The settings among the limits that no override names, and which tighten and loosen by the day all the same: a restart with looser
//! ones must not give a day more room than it had.

use std::time::Duration;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use crate::order::Amount;
use crate::settings::{Holds, Limits, OnShortfall};

/// Such a setting, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beside {
    /// [`Limits::loss_step`].
    LossStep,
    /// [`Limits::loss_warning_percent`].
    LossWarningPercent,
    /// [`Limits::repeats`].
    Repeats,
    /// [`Limits::rejections`].
    Rejections,
    /// [`Limits::repeats_window`], milliseconds.
    RepeatsWindow,
    /// [`Limits::intraday_cutoff`], milliseconds.
    IntradayCutoff,
    /// [`Limits::intraday_cutoff_mcx`], milliseconds.
    IntradayCutoffMcx,
    /// [`Limits::needs_quote`]: 1 where real money moves, 2 where none does, 3 for both.
    NeedsQuote,
    /// [`Limits::margin_refuses`], the same.
    MarginRefuses,
    /// [`Limits::margin_shortfall`]: 0 pages, 1 squares off.
    MarginShortfall,
    /// The shares of [`Limits::margin`].
    MarginShares,
    /// The futures of [`Limits::margin`].
    MarginFutures,
    /// The short options of [`Limits::margin`].
    MarginShortOptions,
}

impl Beside {
    /// Every one of them.
    pub(super) const ALL: [Self; 13] = [
        Self::LossStep,
        Self::LossWarningPercent,
        Self::Repeats,
        Self::Rejections,
        Self::RepeatsWindow,
        Self::IntradayCutoff,
        Self::IntradayCutoffMcx,
        Self::NeedsQuote,
        Self::MarginRefuses,
        Self::MarginShortfall,
        Self::MarginShares,
        Self::MarginFutures,
        Self::MarginShortOptions,
    ];

    /// The tighter of two values.
    pub(super) fn tighter(self, a: Decimal, b: Decimal) -> Decimal {
        match self {
            // With small steps the floor follows a profit closely; without one it never rises.
            Self::LossStep if a.is_zero() || b.is_zero() => a.max(b),
            Self::LossStep | Self::LossWarningPercent | Self::Repeats | Self::Rejections => a.min(b),
            Self::NeedsQuote | Self::MarginRefuses => number(holds(a).and(holds(b))),
            Self::RepeatsWindow | Self::IntradayCutoff | Self::IntradayCutoffMcx | Self::MarginShortfall => a.max(b),
            Self::MarginShares | Self::MarginFutures | Self::MarginShortOptions => a.max(b),
        }
    }

    /// Its value there.
    pub(super) fn get(self, limits: &Limits) -> Decimal {
        match self {
            Self::LossStep => limits.loss_step.0,
            Self::LossWarningPercent => limits.loss_warning_percent.into(),
            Self::Repeats => limits.repeats.into(),
            Self::Rejections => limits.rejections.into(),
            Self::RepeatsWindow => millis(limits.repeats_window),
            Self::IntradayCutoff => millis(limits.intraday_cutoff),
            Self::IntradayCutoffMcx => millis(limits.intraday_cutoff_mcx),
            Self::NeedsQuote => number(limits.needs_quote),
            Self::MarginRefuses => number(limits.margin_refuses),
            Self::MarginShortfall => Decimal::from(u8::from(limits.margin_shortfall == OnShortfall::SquareOff)),
            Self::MarginShares => limits.margin.shares,
            Self::MarginFutures => limits.margin.futures,
            Self::MarginShortOptions => limits.margin.short_options,
        }
    }

    /// Sets it there.
    pub(super) fn set(self, limits: &mut Limits, value: Decimal) {
        let count = value.to_usize().unwrap_or(usize::MAX);
        let span = Duration::from_millis(value.to_u64().unwrap_or(u64::MAX));
        match self {
            Self::LossStep => limits.loss_step = Amount(value),
            Self::LossWarningPercent => limits.loss_warning_percent = value.to_u32().unwrap_or(u32::MAX),
            Self::Repeats => limits.repeats = count,
            Self::Rejections => limits.rejections = count,
            Self::RepeatsWindow => limits.repeats_window = span,
            Self::IntradayCutoff => limits.intraday_cutoff = span,
            Self::IntradayCutoffMcx => limits.intraday_cutoff_mcx = span,
            Self::NeedsQuote => limits.needs_quote = holds(value),
            Self::MarginRefuses => limits.margin_refuses = holds(value),
            Self::MarginShortfall if value.is_zero() => limits.margin_shortfall = OnShortfall::Page,
            Self::MarginShortfall => limits.margin_shortfall = OnShortfall::SquareOff,
            Self::MarginShares => limits.margin.shares = value,
            Self::MarginFutures => limits.margin.futures = value,
            Self::MarginShortOptions => limits.margin.short_options = value,
        }
    }
}

fn millis(span: Duration) -> Decimal {
    Decimal::from(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

fn number(holds: Holds) -> Decimal {
    Decimal::from(u8::from(holds.holds(true)) + 2 * u8::from(holds.holds(false)))
}

/// What no number says is held against everybody.
fn holds(number: Decimal) -> Holds {
    match number.to_u8() {
        Some(0) => Holds::Never,
        Some(1) => Holds::Live,
        Some(2) => Holds::Paper,
        _ => Holds::Always,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read_again() {
        for name in Beside::ALL {
            let most = if name == Beside::MarginShortfall { 1 } else { 3 };
            for value in 0..=most {
                let mut limits = Limits::standard();
                name.set(&mut limits, Decimal::from(value));
                assert_eq!(name.get(&limits), Decimal::from(value), "{name:?}");
            }
        }
    }

    #[test]
    fn the_tighter_of_two() {
        let tighter = |name: Beside, a: u32, b: u32| {
            let both = [(a, b), (b, a)].map(|(a, b)| name.tighter(a.into(), b.into()));
            assert_eq!(both[0], both[1], "{name:?}");
            both[0].to_u32().unwrap()
        };
        for (name, a, b, tight) in [
            (Beside::LossStep, 5_000, 0, 5_000),
            (Beside::LossStep, 5_000, 3_000, 3_000),
            (Beside::LossWarningPercent, 80, 100, 80),
            (Beside::Repeats, 8, 100_000, 8),
            (Beside::Rejections, 5, 6, 5),
            (Beside::RepeatsWindow, 60, 1, 60),
            (Beside::IntradayCutoff, 15, 0, 15),
            (Beside::IntradayCutoffMcx, 30, 0, 30),
            (Beside::NeedsQuote, 1, 0, 1),
            (Beside::NeedsQuote, 1, 2, 3),
            (Beside::MarginRefuses, 3, 2, 3),
            (Beside::MarginShortfall, 1, 0, 1),
            (Beside::MarginShares, 25, 0, 25),
            (Beside::MarginFutures, 25, 0, 25),
            (Beside::MarginShortOptions, 25, 30, 30),
        ] {
            assert_eq!(tighter(name, a, b), tight, "{name:?} of {a} and {b}");
        }
    }
}
