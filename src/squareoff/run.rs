//! What one run has done and seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::exits::most_after;
use ordergate_actors::order::{BookState, BrokerOrderId, HoldingKey};
use tokio::time::Instant;

use super::{Close, Hours, Look, Plan, Tally, tally};

/// What one run has done and seen.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) tally: Tally,
    /// When each order was last asked to be cancelled.
    pub(super) cancelled: BTreeMap<BrokerOrderId, Instant>,
    /// What was tried last for each position.
    pub(super) tried: BTreeMap<HoldingKey, Tried>,
    /// Since when each of these waits for the short that it covers.
    pub(super) covers: BTreeMap<HoldingKey, Instant>,
    /// Those that did not wait any longer.
    pub(super) uncovered: BTreeSet<HoldingKey>,
    /// The most that one order takes, where the broker has refused more.
    pub(super) most: BTreeMap<HoldingKey, i64>,
    /// Exits that were sent.
    pub(super) sent: u64,
    /// How long the broker's books may lack what has happened.
    bound: Duration,
    /// Until when what lies in an auction, or waits for its market, is awaited; `None` if nothing ever was.
    pub(super) rests_until: Option<Instant>,
    /// How long one try may take.
    pub(super) each: Duration,
    /// When it ends, flat or not; later for everything that is sent.
    pub(super) give_up: Instant,
}

/// Exits that were sent for one position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried {
    pub(super) times: u32,
    pub(super) last: Instant,
    /// Units that were open then.
    pub(super) units: i64,
}

impl Run {
    pub(super) fn new(bound: Duration, each: Duration, give_up: Instant) -> Self {
        Self {
            tally: Tally::new(bound),
            cancelled: BTreeMap::new(),
            tried: BTreeMap::new(),
            covers: BTreeMap::new(),
            uncovered: BTreeSet::new(),
            most: BTreeMap::new(),
            sent: 0,
            bound,
            rests_until: None,
            each,
            give_up,
        }
    }

    /// Takes in what the broker's book shows as refused for its size, of what this run sent.
    pub(super) fn learn(&mut self, look: &Look) {
        for row in look.orders.iter().filter(|row| row.state == BookState::Rejected && self.tally.is_ours(row)) {
            refused(&mut self.most, tally::holding(row), row.reason.as_deref().unwrap_or_default(), row.quantity);
        }
    }

    /// What lies in an auction has until its end, and a position waits until its market takes an exit; then the books have a while to
    /// show it. What was tried before a market stood still says nothing of what it takes afterwards.
    pub(super) fn rests(&mut self, seen: &Plan, now: DateTime<Utc>) {
        for close in &seen.closes {
            let until = match seen.hours.get(&close.holding) {
                Some(Hours::Waits { until, .. }) => {
                    self.tried.remove(&close.holding);
                    *until
                }
                Some(Hours::Auction { until, .. }) if !seen.lying(close).is_empty() => *until,
                _ => continue,
            };
            let wait = until.signed_duration_since(now).to_std().unwrap_or_default();
            let rests_until = Instant::now() + wait + self.bound;
            self.rests_until = self.rests_until.max(Some(rests_until));
            self.give_up = self.give_up.max(rests_until + self.each);
        }
    }

    /// What was tried for a position in vain: one that is smaller now was not.
    pub(super) fn tried(&self, close: &Close) -> Option<Tried> {
        self.tried.get(&close.holding).copied().filter(|tried| close.units >= tried.units)
    }
}

/// The broker refused an exit of so many units with these words: if it was for its size, the next ones are smaller.
pub(super) fn refused(most: &mut BTreeMap<HoldingKey, i64>, holding: HoldingKey, words: &str, units: i64) {
    if let Some(told) = most_after(words, units) {
        let held = most.entry(holding).or_insert(told);
        *held = told.min(*held);
    }
}
