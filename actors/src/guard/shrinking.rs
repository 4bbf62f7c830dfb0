//! How long a holding must be seen to be smaller at the broker before that is believed. Pure.
//!
//! Positions and order book may each lag behind the broker's trades, by `visibility_bound` at most, and an order of ours that works
//! there may have filled what is missing. So the same figure must be shown twice and for that long; and where orders of ours
//! work, a whole order book that was asked for when even a late one must have shown such a fill shows each as we know it.

use chrono::{DateTime, TimeDelta, Utc};

/// How many position books in a row must show less than our fills before a holding is reduced.
const SHRUNK_READS: u32 = 2;

/// A holding that the broker's positions show to be smaller, as it was seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Reads in a row that showed the same.
    reads: u32,
    /// What we held, and what the broker showed of it.
    figures: (i64, i64),
    /// When the first of them came.
    since: DateTime<Utc>,
    /// When an order book came that was late enough; one that comes after it was asked for after it.
    book_at: Option<DateTime<Utc>>,
    /// Such a one has shown each of our orders there as we know it.
    is_cleared: bool,
    /// A person was told that the book lacks it.
    pub(super) is_said: bool,
}

/// What was seen proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Nothing yet.
    NotYet,
    /// That the broker's positions lack it: nothing is concluded from that.
    Untold,
    /// That it was closed or reduced elsewhere.
    Given,
}

impl Seen {
    /// What we hold and what the broker shows of it, once more or for the first time. After a fill of ours the same figure of the
    /// broker's says something else, and may be older than that.
    #[must_use]
    pub fn again(before: Option<Self>, figures: (i64, i64), read_at: DateTime<Utc>) -> Self {
        let new = Self { reads: 0, figures, since: read_at, book_at: None, is_cleared: false, is_said: false };
        let before = before.filter(|before| before.figures == figures).unwrap_or(new);
        Self { reads: before.reads.saturating_add(1), ..before }
    }

    /// A person was told.
    #[must_use]
    pub fn said(self) -> Self {
        Self { is_said: true, ..self }
    }

    /// With the newest order book, which came then and shows our orders there as we know them, or does not.
    #[must_use]
    pub fn with_book(self, came_at: Option<DateTime<Utc>>, shows_all: bool, lag: TimeDelta) -> Self {
        let late_enough = came_at.filter(|at| *at > self.since && at.signed_duration_since(self.since) >= lag);
        let Some(came_at) = late_enough else { return self };
        match self.book_at {
            // Books that do not lag tell at once.
            None if lag.is_zero() => Self { book_at: Some(came_at), is_cleared: shows_all, ..self },
            None => Self { book_at: Some(came_at), ..self },
            Some(before) if came_at > before => Self { is_cleared: shows_all, ..self },
            Some(_) => Self { is_cleared: self.is_cleared && shows_all, ..self },
        }
    }

    /// What that proves at this read of the positions. `has_rest`: orders of ours work there; `is_told`: the positions have a row
    /// for it.
    #[must_use]
    pub fn proof(self, read_at: DateTime<Utc>, lag: TimeDelta, has_rest: bool, is_told: bool) -> Proof {
        let is_long = self.reads >= SHRUNK_READS && read_at.signed_duration_since(self.since) >= lag;
        match (is_long, is_told) {
            (true, false) => Proof::Untold,
            (true, true) if self.is_cleared || !has_rest => Proof::Given,
            _ => Proof::NotYet,
        }
    }
}

#[cfg(test)]
#[path = "shrinking_tests.rs"]
mod tests;
