//! The numbers of exit rules and of the ladder.

use std::time::Duration;

use rust_decimal::Decimal;

use super::resting::RestSettings;
use crate::order::{Exchange, Kind, StopAt};

/// How positions are left by rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitSettings {
    /// At the latest so long after the last look every rule is looked at again, whether or not a quote was pushed.
    pub look: Duration,
    /// A stop that trails is written down at most so often; in memory it moves at once.
    pub keep_every: Duration,
    /// No quote for so long in an open session: the feed counts as muted.
    pub muted_after: Duration,
    /// So long before continuous trading ends, what shall not stay overnight is left.
    pub before_close: Duration,
    /// The same of commodities (MCX), which brokers square off earlier before their close.
    pub before_close_mcx: Duration,
    /// Where a stop lives whose rule does not say.
    pub stop_at: StopAt,
    /// How a stop rests at the broker.
    pub resting: RestSettings,
    /// How an urgent exit that rests is repriced.
    pub ladder: Ladders,
}

/// The ladder of each class of instruments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladders {
    /// Shares.
    pub shares: Rungs,
    /// Futures.
    pub futures: Rungs,
    /// Options.
    pub options: Rungs,
    /// So long after the last step a person is paged if units are left.
    pub not_flat_after: Duration,
}

/// One ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rungs {
    /// Between two steps, at least.
    pub every: Duration,
    /// How far through the touch each step goes, percent of it, rising. At least one.
    pub through: Vec<Decimal>,
    /// The farthest from the price at the trigger, percent of it.
    pub cap_percent: Decimal,
    /// The farthest in spread widths when it began, if that is less, but no nearer than the last of `through`; `None`: no such cap.
    pub cap_spreads: Option<Decimal>,
}

impl ExitSettings {
    /// How long before the end of continuous trading of that exchange what shall not stay overnight is left.
    #[must_use]
    pub fn before_close(&self, exchange: Exchange) -> chrono::Duration {
        let before = if exchange == Exchange::Mcx { self.before_close_mcx } else { self.before_close };
        chrono::Duration::from_std(before).unwrap_or(chrono::Duration::MAX)
    }
}

impl Ladders {
    /// The ladder for a contract.
    #[must_use]
    pub fn of(&self, kind: &Kind) -> &Rungs {
        match kind {
            Kind::Equity | Kind::Index => &self.shares,
            Kind::Future { .. } => &self.futures,
            Kind::Option { .. } => &self.options,
        }
    }
}

impl Rungs {
    fn of(every: Duration, through: &[i64], cap_percent: i64, cap_spreads: Option<i64>) -> Self {
        let through = through.iter().map(|hundredths| Decimal::new(*hundredths, 2)).collect();
        Self { every, through, cap_percent: Decimal::from(cap_percent), cap_spreads: cap_spreads.map(Decimal::from) }
    }
}

impl Default for ExitSettings {
    fn default() -> Self {
        let every = Duration::from_secs(1);
        Self {
            look: Duration::from_millis(250),
            keep_every: Duration::from_secs(1),
            muted_after: Duration::from_secs(30),
            before_close: Duration::from_secs(900),
            before_close_mcx: Duration::from_secs(1_800),
            stop_at: StopAt::Engine,
            resting: RestSettings::default(),
            ladder: Ladders {
                shares: Rungs::of(every, &[10, 20, 40, 70, 100], 2, None),
                futures: Rungs::of(every, &[10, 20, 40, 70, 100], 2, None),
                options: Rungs::of(every, &[100, 200, 400, 700, 1000], 15, Some(8)),
                not_flat_after: Duration::from_secs(3),
            },
        }
    }
}
