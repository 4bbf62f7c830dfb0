//! Whose turn it is among the books that are wanted, and whether the budget has room for it: pure.
//!
//! Books are read in turn. Positions that would soon be too old to enter on go first. What an exit waits for goes out of the room
//! of exits where reads have none left.
//! *Invariant:* at any budget that is large enough for one positions read in half of `blind_after`, no pacing makes a desk blind.

use std::collections::BTreeSet;
use std::ops::Bound;

use chrono::{DateTime, TimeDelta, Utc};

use super::Reading;
use super::budget::{Decision, Meter};
use super::lanes::Lane;

/// Between two reads that take a token of exits: less than half of what is kept for them at the default budget.
const RUSHES_APART: TimeDelta = TimeDelta::seconds(5);

/// The books that are wanted, and those that went.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    wanted: BTreeSet<Reading>,
    /// The last that went in its turn.
    last: Option<Reading>,
    /// Whether positions went last, in their turn or before it.
    looked_last: bool,
    /// When positions were last asked for.
    looked_at: Option<DateTime<Utc>>,
    /// When positions were last read with a token of exits.
    rushed_at: Option<DateTime<Utc>>,
}

/// What is to be read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// This; its token is spent.
    Read(Reading),
    /// There is no room before then.
    WaitUntil(DateTime<Utc>),
    /// Nothing is wanted.
    Nothing,
}

impl Turns {
    /// These are wanted, too.
    pub(crate) fn want(&mut self, readings: impl IntoIterator<Item = Reading>) {
        self.wanted.extend(readings);
    }

    /// Whether nothing is wanted.
    pub(crate) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Nothing is wanted any more. What went out with a token of exits went out.
    pub(crate) fn forget(&mut self) {
        *self = Self { rushed_at: self.rushed_at, ..Self::default() };
    }

    /// Takes the next one and its token. `exit_waits`: an exit may wait for what the broker holds.
    pub(crate) fn take(&mut self, meter: &mut Meter, blind_after: TimeDelta, exit_waits: bool, now: DateTime<Utc>) -> Turn {
        let jumps = self.jumps(blind_after, now);
        let Some(next) = jumps.or_else(|| self.in_turn()) else { return Turn::Nothing };
        let reading = match meter.spend(Lane::Read, None, now) {
            Decision::Go => next,
            Decision::WaitUntil(until) => {
                let may_rush = exit_waits && self.wanted.contains(&Reading::Positions) && is_over(self.rushed_at, RUSHES_APART, now);
                if !may_rush || meter.spend(Lane::Exit, None, now) != Decision::Go {
                    return Turn::WaitUntil(until);
                }
                self.rushed_at = Some(now);
                Reading::Positions
            }
        };
        self.wanted.remove(&reading);
        if jumps.is_none() && reading == next {
            self.last = Some(reading);
        }
        self.looked_last = reading == Reading::Positions;
        if reading == Reading::Positions {
            self.looked_at = Some(now);
        }
        Turn::Read(reading)
    }

    /// What goes before its turn: at most every second time, so that all others have theirs.
    fn jumps(&self, blind_after: TimeDelta, now: DateTime<Utc>) -> Option<Reading> {
        let is_late = !self.looked_last && self.looked_at.is_some() && is_over(self.looked_at, blind_after / 2, now);
        (is_late && self.wanted.contains(&Reading::Positions)).then_some(Reading::Positions)
    }

    /// Books that are wanted again and again while reads have to wait must not starve those after them.
    fn in_turn(&self) -> Option<Reading> {
        let after = self.last.and_then(|last| self.wanted.range((Bound::Excluded(last), Bound::Unbounded)).next());
        after.or_else(|| self.wanted.first()).copied()
    }
}

/// Whether that long ago is over. A clock that was set back holds nothing up.
fn is_over(since: Option<DateTime<Utc>>, wait: TimeDelta, now: DateTime<Utc>) -> bool {
    since.is_none_or(|since| now < since || now.signed_duration_since(since) >= wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Budget;
    use crate::testkit::builders::at;

    const BLIND: TimeDelta = TimeDelta::seconds(15);
    const BOOKS: [Reading; 3] = [Reading::Trades, Reading::Orders, Reading::Positions];

    /// What is read when all books are wanted at every turn.
    fn turns_each(seconds: i64, turns: i64) -> Vec<Turn> {
        let (mut all, mut meter) = (Turns::default(), Meter::new(None));
        let each = |turn| {
            all.want(BOOKS);
            all.take(&mut meter, BLIND, false, at(turn * seconds))
        };
        (0..turns).map(each).collect()
    }

    #[test]
    fn every_wanted_book_has_its_turn() {
        let [trades, orders, positions] = BOOKS.map(Turn::Read);
        assert_eq!(turns_each(1, 4), [trades, orders, positions, trades]);
        let (mut turns, mut meter) = (Turns::default(), Meter::new(None));
        turns.want(BOOKS);
        turns.forget();
        assert_eq!(turns.take(&mut meter, BLIND, false, at(5)), Turn::Nothing);
        turns.want([Reading::Session]);
        assert_eq!(turns.take(&mut meter, BLIND, false, at(5)), Turn::Read(Reading::Session));
    }

    #[test]
    fn positions_that_would_soon_be_too_old_go_first_and_starve_nobody() {
        let [trades, orders, positions] = BOOKS.map(Turn::Read);
        assert_eq!(turns_each(8, 7), [trades, orders, positions, trades, positions, orders, positions]);
        assert_eq!(turns_each(4, 8), [trades, orders, positions, trades, positions, orders, positions, positions]);
    }

    #[test]
    fn what_an_exit_waits_for_is_read_at_once_and_leaves_exits_their_room() {
        let (mut turns, mut meter) = (Turns::default(), Meter::new(Some(Budget::noren())));
        let mut second = 0;
        // Reads are used up for now.
        loop {
            turns.want(BOOKS);
            match turns.take(&mut meter, BLIND, false, at(second)) {
                Turn::WaitUntil(until) if until > at(second + 1) => break,
                Turn::WaitUntil(_) => second += 1,
                Turn::Read(_) | Turn::Nothing => {}
            }
        }
        assert!(second < 10, "the burst is short");
        assert_eq!(turns.take(&mut meter, BLIND, true, at(second)), Turn::Read(Reading::Positions));
        // Wanted again at each poll, for as long as the exit waits.
        let mut rushed = 0;
        for later in second..second + 60 {
            turns.want(BOOKS);
            let has_room = meter.decide(Lane::Read, None, at(later)) == Decision::Go;
            let turn = turns.take(&mut meter, BLIND, true, at(later));
            rushed += usize::from(!has_room && turn == Turn::Read(Reading::Positions));
        }
        assert!((1..=12).contains(&rushed), "{rushed} in a minute");
    }
}
