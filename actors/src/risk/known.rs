//! The small states of risk, read once for each change: a look at them costs nothing while they stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::de::DeserializeOwned;

use super::day::RiskDay;
use super::halt::Halt;
use super::limits::Override;
use super::margin::Needs;
use super::projected::{Projected, Scene};
use super::result::{Asked, DayResult, Figure, own_pnl};
use super::since::Since;
use crate::order::{Strategy, trading_date};
use crate::persistence::{Book, Kept, Slot, Topic};
use crate::ports::Quotes;
use crate::settings::Limits;
use crate::watcher::{Findings, Positions};

/// Where the day of an account is kept.
#[must_use]
pub fn day_slot() -> Slot {
    Slot::new(Topic::RiskDay, "day")
}

/// What is kept of risk, as committed.
#[derive(Debug, Clone, Default)]
pub struct Known {
    day: Option<(u64, RiskDay)>,
    overrides: BTreeMap<Arc<str>, (u64, Override)>,
    halts: BTreeMap<Arc<str>, (u64, Halt)>,
    /// The day as it stands, for as long as neither the state nor the date is another.
    today: Option<RiskDay>,
    /// The broker's result, the read that it is of, and when it was worked out.
    broker: Option<(DateTime<Utc>, Figure, DateTime<Utc>)>,
    /// The result by our fills, when it was worked out, and the day and its newest change that it is of.
    fills: Option<(DateTime<Utc>, (NaiveDate, u64), Figure)>,
    /// What was entered since the broker told the account's money.
    since: Since,
}

/// What our fills are worth is worked out anew at most so often while nothing is traded: prices move with every tick, and a
/// burst of orders must not walk over every instrument each time.
const MARKED_EVERY: Duration = Duration::milliseconds(250);
/// With more instruments than these a fill does not make it be worked out at once either.
const FEW: usize = 500;

fn is_fresh(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (Duration::zero()..MARKED_EVERY).contains(&now.signed_duration_since(at))
}

/// Reads a state; one of a shape that this version does not know is said, and counts as none.
fn read<T: DeserializeOwned>(slot: &Slot, kept: &Kept) -> Option<T> {
    match kept.read() {
        Ok(state) => Some(state),
        Err(cause) => {
            tracing::error!(topic = slot.topic.as_str(), key = &*slot.key, "a state of risk cannot be read: {cause}");
            None
        }
    }
}

fn follow<T: DeserializeOwned>(states: &mut BTreeMap<Arc<str>, (u64, T)>, book: &Book, topic: Topic) {
    let is_same = states.len() == book.kept_of(topic).count()
        && book.kept_of(topic).all(|(slot, kept)| states.get(&slot.key).is_some_and(|(seq, _)| *seq == kept.seq));
    if !is_same {
        let found = book.kept_of(topic).filter_map(|(slot, kept)| Some((Arc::clone(&slot.key), (kept.seq, read(slot, kept)?))));
        *states = found.collect();
    }
}

impl Known {
    /// What this book holds.
    #[must_use]
    pub fn of(book: &Book, settings: &Limits, now: DateTime<Utc>) -> Self {
        let mut known = Self::default();
        known.follow(book, settings, now);
        known
    }

    /// Takes in what has changed since the last look.
    pub fn follow(&mut self, book: &Book, settings: &Limits, now: DateTime<Utc>) {
        let slot = day_slot();
        let kept = book.kept(&slot);
        if self.day.as_ref().map(|(seq, _)| *seq) != kept.map(|kept| kept.seq) {
            self.day = kept.and_then(|kept| Some((kept.seq, read(&slot, kept)?)));
            self.today = None;
        }
        let today = trading_date(now);
        if self.today.as_ref().is_none_or(|day| day.date < today) {
            self.today = Some(RiskDay::on(self.day.as_ref().map(|(_, day)| day), today, settings));
        }
        follow(&mut self.overrides, book, Topic::Override);
        follow(&mut self.halts, book, Topic::Halt);
    }

    /// The day as it stands; before the first look, that of a new account.
    #[must_use]
    pub fn day(&self, settings: &Limits, now: DateTime<Utc>) -> RiskDay {
        self.today.clone().unwrap_or_else(|| RiskDay::on(None, trading_date(now), settings))
    }

    /// The journal row of the day that is kept, 0 for none, and the day as it is kept.
    #[must_use]
    pub fn kept_day(&self) -> (u64, Option<&RiskDay>) {
        self.day.as_ref().map_or((0, None), |(seq, day)| (*seq, Some(day)))
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self, settings: &Limits, now: DateTime<Utc>) -> Limits {
        match &self.today {
            Some(day) => day.limits.in_force(settings, self.overrides.values().map(|(_, standing)| standing), now),
            None => settings.clone(),
        }
    }

    /// What people have set otherwise, by its key: those that have ended too, until they are taken away.
    pub fn overrides(&self) -> impl Iterator<Item = (&Arc<str>, u64, &Override)> {
        self.overrides.iter().map(|(key, (seq, standing))| (key, *seq, standing))
    }

    /// The strategies that were halted: those that may trade again too, until they are forgotten.
    pub fn halts(&self) -> impl Iterator<Item = (u64, &Halt)> {
        self.halts.values().map(|(seq, halt)| (*seq, halt))
    }

    /// What is kept about a strategy.
    #[must_use]
    pub fn halt(&self, strategy: &Strategy) -> Option<&Halt> {
        self.halts.get(strategy.as_str()).map(|(_, halt)| halt)
    }

    /// The day's result, by both books.
    pub fn result(&mut self, book: &Book, findings: &Findings, quotes: &dyn Quotes, asked: Asked) -> DayResult {
        let read_at = findings.positions.as_ref().map(|positions| positions.at);
        let broker = findings.positions.as_ref().map(|positions| (positions.at, self.by_positions(positions, quotes, asked)));
        DayResult::of(broker, self.by_fills(book, quotes, asked.beside(read_at)), book, asked)
    }

    /// Worked out once for each read; a close that was missing may have come since.
    fn by_positions(&mut self, positions: &Positions, quotes: &dyn Quotes, asked: Asked) -> Figure {
        match &self.broker {
            Some((at, figure, known)) if *at == positions.at && (figure.amount().is_some() || is_fresh(*known, asked.now)) => {
                figure.clone()
            }
            _ => {
                let figure = positions.result(quotes, asked);
                self.broker = Some((positions.at, figure.clone(), asked.now));
                figure
            }
        }
    }

    /// What an order takes of the money at the broker, and what those take that came before it since the broker told.
    pub fn needs(&mut self, scene: &Scene<'_>, projected: &Projected, limits: &Limits) -> Needs {
        self.since.needs(scene, projected.adds, limits)
    }

    fn by_fills(&mut self, book: &Book, quotes: &dyn Quotes, asked: Asked) -> Figure {
        let (day, now) = (book.newest_day(), asked.now);
        let today = trading_date(now);
        let of = day.as_of(today);
        let is_same = |known: (NaiveDate, u64)| known == of || (known.0 == of.0 && day.pools(today).len() > FEW);
        match &self.fills {
            Some((at, known, figure)) if is_same(*known) && is_fresh(*at, now) => figure.clone(),
            _ => {
                let figure = own_pnl(day.pools(today), quotes, asked);
                self.fills = Some((now, of, figure.clone()));
                figure
            }
        }
    }
}
