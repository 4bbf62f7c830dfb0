//! The controls in memory, where the write slot reads them: latched before anything is on disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use parking_lot::RwLock;

use super::control::{Control, ControlChange, KillLevel};
use crate::arming::Arming;
use crate::order::Strategy;

/// The controls in memory, read in the write slot immediately before a call. A raise holds from the moment it is asked
/// for; lowering waits for its commit.
#[derive(Debug, Default)]
pub struct Latch {
    level: AtomicU8,
    day: AtomicU8,
    is_frozen: AtomicBool,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    strategies: BTreeMap<Strategy, KillLevel>,
    arming: Arming,
    /// Raises whose commit has not come back: they hold whatever is committed meanwhile.
    pending: Vec<ControlChange>,
}

impl Latch {
    /// A latch that stands where the committed controls stand.
    #[must_use]
    pub fn new(control: &Control) -> Arc<Self> {
        let latch = Arc::new(Self::default());
        latch.follow(&mut latch.inner.write(), control);
        latch
    }

    /// Raises the latch at once, until [`Latch::committed`] takes over.
    pub fn raise(&self, change: &ControlChange) {
        // Whether it counts is known at the commit only, and one that does not must hold nothing.
        if matches!(change, ControlChange::Arm { expected: Some(_), .. } | ControlChange::Lower { .. }) {
            return;
        }
        let mut inner = self.inner.write();
        inner.pending.push(change.clone());
        self.hold(&mut inner, change);
    }

    fn hold(&self, inner: &mut Inner, change: &ControlChange) {
        match change {
            ControlChange::Account(level) | ControlChange::RaiseAccount(level) => {
                self.level.fetch_max(u8::from(*level), Ordering::SeqCst);
            }
            ControlChange::HaltDay(_, level, _) => {
                self.day.fetch_max(u8::from(*level), Ordering::SeqCst);
            }
            ControlChange::Strategy(strategy, level) | ControlChange::RaiseStrategy(strategy, level) => {
                let held = inner.strategies.entry(strategy.clone()).or_default();
                *held = (*held).max(*level);
            }
            ControlChange::Freeze(true) => self.is_frozen.store(true, Ordering::SeqCst),
            // Less than is committed holds at once, more waits for its commit.
            ControlChange::Arm { arming, .. } => inner.arming.mode = inner.arming.mode.min(arming.mode),
            ControlChange::Freeze(false)
            | ControlChange::Lower { .. }
            | ControlChange::EndDay(_)
            | ControlChange::AskApproval { .. }
            | ControlChange::Approve { .. } => {}
        }
    }

    /// A change is on disk: the latch stands where the controls stand, and where the raises still under way want it.
    pub fn committed(&self, change: &ControlChange, control: &Control) {
        let mut inner = self.inner.write();
        if let Some(index) = inner.pending.iter().position(|pending| pending == change) {
            inner.pending.remove(index);
        }
        self.follow(&mut inner, control);
        for pending in inner.pending.clone() {
            self.hold(&mut inner, &pending);
        }
    }

    fn follow(&self, inner: &mut Inner, control: &Control) {
        self.level.store(u8::from(control.level), Ordering::SeqCst);
        self.day.store(control.day.as_ref().map_or(0, |day| u8::from(day.level)), Ordering::SeqCst);
        self.is_frozen.store(control.is_frozen(), Ordering::SeqCst);
        inner.strategies = control.strategies.iter().map(|(strategy, stop)| (strategy.clone(), stop.level)).collect();
        inner.arming.clone_from(&control.arming);
    }

    /// Looks at the arming that holds.
    pub fn with_arming<R>(&self, look: impl FnOnce(&Arming) -> R) -> R {
        look(&self.inner.read().arming)
    }

    /// Why an order may not go now, if so.
    #[must_use]
    pub fn forbids(&self, strategy: &Strategy, is_exit: bool) -> Option<String> {
        if is_exit {
            return self.is_frozen.load(Ordering::SeqCst).then(|| "exits are frozen; thaw them to go on".to_owned());
        }
        let account = self.level.load(Ordering::SeqCst);
        if account > 0 {
            return Some(format!("kill level {account} is set for the account; entries are stopped"));
        }
        if self.day.load(Ordering::SeqCst) > 0 {
            return Some("the day's limits were breached; entries are stopped until the next trading day".to_owned());
        }
        let own = self.inner.read().strategies.get(strategy).copied().unwrap_or_default();
        (own > KillLevel::None).then(|| format!("kill level {} is set for strategy {strategy}; its entries are stopped", u8::from(own)))
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::persistence::HaltCause;

    #[test]
    fn a_latch_rises_at_once_and_falls_only_with_the_commit() {
        let latch = Latch::new(&Control::default());
        let trend = Strategy::parse("trend").unwrap();
        latch.raise(&ControlChange::Account(KillLevel::CancelEntries));
        assert!(latch.forbids(&trend, false).is_some());
        assert!(latch.forbids(&trend, true).is_none(), "a kill never stops an exit");
        let killed = Control { level: KillLevel::CancelEntries, ..Control::default() };
        latch.committed(&ControlChange::Account(KillLevel::CancelEntries), &killed);
        assert!(latch.forbids(&trend, false).is_some(), "re-arming waits for its commit");
        latch.committed(&ControlChange::Account(KillLevel::None), &Control::default());
        assert!(latch.forbids(&trend, false).is_none());
    }

    /// What was asked for lets nothing go before it is on disk: its commit may fail.
    #[test]
    fn asking_to_arm_again_or_for_less_lets_nothing_go() {
        let (trend, today) = (Strategy::parse("trend").unwrap(), NaiveDate::from_ymd_opt(2026, 11, 20).unwrap());
        let of_strategy = |level| ControlChange::Strategy(trend.clone(), level);
        let halt = |level| ControlChange::HaltDay(today, level, HaltCause::Loss);
        for (stands, less) in [
            (ControlChange::Account(KillLevel::SquareOff), ControlChange::Account(KillLevel::None)),
            (of_strategy(KillLevel::SquareOff), of_strategy(KillLevel::None)),
            (halt(KillLevel::SquareOff), ControlChange::EndDay(today)),
            (halt(KillLevel::SquareOff), halt(KillLevel::None)),
        ] {
            let control = Control::default().after(&stands, "asha", "", "2026-11-20T05:00:00Z".parse().unwrap());
            let latch = Latch::new(&control);
            let held = latch.forbids(&trend, false);
            latch.raise(&less);
            assert_eq!((latch.forbids(&trend, false), held.is_some()), (held, true), "{less:?}");
        }
        let frozen = Control::default().after(&ControlChange::Freeze(true), "asha", "", "2026-11-20T05:00:00Z".parse().unwrap());
        let latch = Latch::new(&frozen);
        latch.raise(&ControlChange::Freeze(false));
        assert!(latch.forbids(&trend, true).is_some());
    }

    #[test]
    fn a_freeze_holds_from_the_moment_it_is_asked_for() {
        let latch = Latch::new(&Control::default());
        let trend = Strategy::parse("trend").unwrap();
        latch.raise(&ControlChange::Freeze(true));
        assert!(latch.forbids(&trend, true).is_some(), "its commit may take its time");
        assert!(latch.forbids(&trend, false).is_none(), "and it is no kill");
    }

    #[test]
    fn a_raise_under_way_holds_while_an_older_re_arm_commits() {
        let latch = Latch::new(&Control::default());
        let trend = Strategy::parse("trend").unwrap();
        latch.raise(&ControlChange::Account(KillLevel::StopEntries));
        latch.committed(&ControlChange::Account(KillLevel::None), &Control::default());
        assert!(latch.forbids(&trend, false).is_some(), "the kill was asked for and is not committed yet");
    }

    #[test]
    fn a_strategy_is_stopped_alone() {
        let latch = Latch::new(&Control::default());
        let (a, b) = (Strategy::parse("a").unwrap(), Strategy::parse("b").unwrap());
        latch.raise(&ControlChange::Strategy(a.clone(), KillLevel::StopEntries));
        assert!(latch.forbids(&a, false).is_some());
        assert!(latch.forbids(&b, false).is_none());
    }

    #[test]
    fn the_halt_of_a_day_holds_until_its_end_is_committed() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        let halt = ControlChange::HaltDay(today, KillLevel::SquareOff, HaltCause::Loss);
        let halted = Control::default().after(&halt, "RiskActor", "the day's loss", "2026-11-20T05:00:00Z".parse().unwrap());
        let trend = Strategy::parse("trend").unwrap();
        let latch = Latch::new(&Control::default());
        latch.raise(&halt);
        assert!(latch.forbids(&trend, false).is_some() && latch.forbids(&trend, true).is_none());
        latch.committed(&halt, &halted);
        assert!(latch.forbids(&trend, false).is_some());
        latch.committed(&ControlChange::EndDay(today), &Control::default());
        assert!(latch.forbids(&trend, false).is_none());
    }
}
