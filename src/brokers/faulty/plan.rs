//! What goes wrong, and when: by script, or drawn from a seed. The same plan does the same to the same calls.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ordergate_actors::ports::RateWindow;

use crate::simulator::noise;

/// Which call of the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallKind {
    /// `place`
    Place,
    /// `cancel`
    Cancel,
    /// `modify`
    Modify,
    /// `session`
    Session,
    /// `orders`
    Orders,
    /// `trades`
    Trades,
    /// `positions`
    Positions,
    /// `quote`
    Quote,
}

/// One thing that goes wrong with one call. Where a fault makes no sense for the call, the call goes well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Never reaches the broker, never answers.
    Hang,
    /// Reaches the broker, never answers.
    HangAfter,
    /// Reaches the broker at once, answers after that time.
    Late(Duration),
    /// Reaches the broker after that time, then answers.
    Slow(Duration),
    /// Never reaches the broker; a clear no. A read proves nothing, a session is not ready.
    Refuse(String),
    /// Reaches the broker, which takes it; the answer is a clear no all the same.
    RefuseAfter(String),
    /// Reaches the broker after that time, whether anybody waits for it still or not; never answers.
    LandsLate(Duration),
    /// Never reaches the broker: it says that too many calls came in this window.
    RateLimited(RateWindow),
    /// Never reaches the broker: it knows the session no longer. A change is refused, a read proves nothing.
    NoSession(String),
    /// Never leaves the machine, and that is known. A read proves nothing, a session is not ready.
    NotSent(String),
    /// Never reaches the broker, and nobody knows.
    LoseRequest(String),
    /// Reaches the broker, and nobody knows.
    LoseReply(String),
    /// Reaches the broker twice; the first answer comes back. A read gives every row twice.
    Duplicate,
    /// A read that proves nothing.
    Unknown(String),
    /// A read that claims there is nothing.
    Empty,
    /// A read that gives what the one before it gave.
    Stale,
    /// A read whose first rows, so many, cannot be read.
    Unreadable(usize),
}

/// How the stream misbehaves; 0 means never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamFaults {
    /// Every so many events one is lost; 1 loses all.
    pub drop_every: u64,
    /// Every so many events one comes twice.
    pub repeat_every: u64,
    /// Every event comes so much later.
    pub delay: Duration,
}

/// A plan of faults. For each call the first that applies counts: what was queued for the next call, what was scripted
/// for the nth call, what is drawn, what is always so.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    queued: BTreeMap<CallKind, VecDeque<Option<Fault>>>,
    scripted: BTreeMap<(CallKind, u64), Fault>,
    seed: u64,
    rates: BTreeMap<CallKind, Vec<(u32, Fault)>>,
    always: BTreeMap<CallKind, Fault>,
    calls: BTreeMap<CallKind, u64>,
    pub(super) stream: StreamFaults,
}

impl FaultPlan {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Draws come from this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The nth call of the kind, from 1, goes wrong.
    #[must_use]
    pub fn on(mut self, kind: CallKind, nth: u64, fault: Fault) -> Self {
        self.scripted.insert((kind, nth), fault);
        self
    }

    /// So many of a thousand calls of the kind go wrong in this way. May be said several times.
    #[must_use]
    pub fn rate(mut self, kind: CallKind, per_thousand: u32, fault: Fault) -> Self {
        self.rates.entry(kind).or_default().push((per_thousand, fault));
        self
    }

    /// Every call of the kind goes wrong, unless something else was planned for it.
    #[must_use]
    pub fn always(mut self, kind: CallKind, fault: Fault) -> Self {
        self.always.insert(kind, fault);
        self
    }

    /// How the stream misbehaves.
    #[must_use]
    pub fn stream(mut self, faults: StreamFaults) -> Self {
        self.stream = faults;
        self
    }

    /// The next call of the kind for which nothing is queued yet goes wrong; `None`: it goes well, whatever was planned.
    pub fn queue(&mut self, kind: CallKind, fault: Option<Fault>) {
        self.queued.entry(kind).or_default().push_back(fault);
    }

    /// How many calls of the kind there were.
    #[must_use]
    pub fn calls(&self, kind: CallKind) -> u64 {
        self.calls.get(&kind).copied().unwrap_or(0)
    }

    /// Counts a call, and says what goes wrong with it.
    pub(super) fn next(&mut self, kind: CallKind) -> Option<Fault> {
        let nth = self.calls.entry(kind).or_default();
        *nth += 1;
        let nth = *nth;
        if let Some(fault) = self.queued.get_mut(&kind).and_then(VecDeque::pop_front) {
            return fault;
        }
        self.scripted.get(&(kind, nth)).cloned().or_else(|| self.drawn(kind, nth)).or_else(|| self.always.get(&kind).cloned())
    }

    fn drawn(&self, kind: CallKind, nth: u64) -> Option<Fault> {
        let mut draw = u32::try_from(noise::hash(&[self.seed, kind as u64, nth]) % 1_000).unwrap_or(0);
        for (per_thousand, fault) in self.rates.get(&kind)? {
            match draw.checked_sub(*per_thousand) {
                None => return Some(fault.clone()),
                Some(rest) => draw = rest,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_plan_counts() {
        let mut plan = FaultPlan::none().on(CallKind::Place, 2, Fault::Hang).always(CallKind::Place, Fault::Duplicate);
        plan.queue(CallKind::Place, None);
        let drawn: Vec<_> = (0..3).map(|_| plan.next(CallKind::Place)).collect();
        assert_eq!(drawn, [None, Some(Fault::Hang), Some(Fault::Duplicate)]);
        assert_eq!((plan.next(CallKind::Orders), plan.calls(CallKind::Place)), (None, 3));
    }

    #[test]
    fn a_seed_draws_the_same_faults_at_the_planned_rate() {
        let plan = |seed| FaultPlan::seeded(seed).rate(CallKind::Place, 100, Fault::Hang).rate(CallKind::Place, 200, Fault::Duplicate);
        let draw = |mut plan: FaultPlan| (0..5_000).map(|_| plan.next(CallKind::Place)).collect::<Vec<_>>();
        let drawn = draw(plan(7));
        assert_eq!(drawn, draw(plan(7)));
        assert_ne!(drawn, draw(plan(8)));
        let count = |wanted: Option<Fault>| drawn.iter().filter(|fault| **fault == wanted).count();
        assert!((400..600).contains(&count(Some(Fault::Hang))) && (850..1_150).contains(&count(Some(Fault::Duplicate))));
    }
}
