//! A round that is still open: written into a transaction that is not yet committed.
//!
//! What registers an order and what the gates decide of it are mostly one hop apart. So the gates see a registration as soon as it is
//! written, and the round stays open for a moment for what comes of it: one commit instead of two. It is still the commit that lets
//! anything out: callers are answered, sends begin and watchers hear after it, and a commit that fails ends the process, with
//! everything that was judged in between.
//!
//! Nobody waits for the gates of somebody else: with a second signal in the round, or anything that somebody waits for, it is committed
//! as it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::ledger::{Ledger, Pending, Round};
use super::ticket::Waiter;
use super::unit::{Ack, Event, Posted, Unit};
use crate::order::CommandId;
use crate::ports::StoreError;

/// How long a round stays open for the gates: about what they take, and about what the commit takes that is saved.
pub(super) const JUDGING: Duration = Duration::from_micros(300);

/// What is in the transaction so far.
#[derive(Default)]
pub(super) struct OpenRound {
    pending: Vec<Pending>,
    units: usize,
    /// Orders that the gates look at, and of which nothing has come back.
    judged: BTreeSet<CommandId>,
    signals: usize,
    /// Somebody else waits for this commit.
    is_awaited: bool,
    /// What the view shows already.
    events: Vec<Event>,
    changed: Vec<CommandId>,
}

impl OpenRound {
    /// How many units it has.
    pub(super) fn units(&self) -> usize {
        self.units
    }

    /// Whether it may wait for the gates, and they still look at an order of it.
    pub(super) fn is_judged(&self) -> bool {
        !self.judged.is_empty() && self.is_one_signals()
    }

    fn is_one_signals(&self) -> bool {
        self.signals == 1 && !self.is_awaited
    }

    fn note(&mut self, posted: &Posted) {
        self.units += 1;
        match &posted.unit {
            Unit::Register(_) => self.signals += 1,
            Unit::Order(unit) if self.judged.remove(&unit.command_id) => {}
            _ => self.is_awaited |= posted.is_awaited(),
        }
    }
}

impl Ledger {
    /// Begins a round and writes these units into it.
    ///
    /// # Errors
    /// Whether anything is durable is unknown: the caller halts the process and never retries.
    pub(super) fn open_round(&mut self, posted: Vec<Posted>) -> Result<OpenRound, StoreError> {
        self.begin()?;
        let mut open = OpenRound::default();
        self.add(&mut open, posted)?;
        Ok(open)
    }

    /// Writes these units too.
    ///
    /// # Errors
    /// As with [`open_round`](Self::open_round).
    pub(super) fn add(&mut self, open: &mut OpenRound, posted: Vec<Posted>) -> Result<(), StoreError> {
        for posted in posted {
            open.note(&posted);
            let at = self.now();
            open.pending.push(self.apply(posted.unit, posted.cargo, at)?);
        }
        Ok(())
    }

    /// Shows the gates what is written and not yet committed, if it is one signal's. Nobody else is told: who reads the view by himself
    /// in that moment sees what a crash of the machine would take back.
    ///
    /// # Errors
    /// As with [`open_round`](Self::open_round).
    pub(super) fn show(&mut self, open: &mut OpenRound) -> Result<Vec<Ack>, StoreError> {
        if !open.is_one_signals() || !open.pending.iter().any(Pending::is_to_be_judged) {
            return Ok(Vec::new());
        }
        self.move_view(open)?;
        let mut acks = Vec::new();
        for item in &mut open.pending {
            let shown = if item.is_to_be_judged() { self.show_registration(item) } else { None };
            if let Some(Ack::Registered(_, registered)) = &shown {
                open.judged.extend(registered.iter().map(|one| one.record().command_id));
            }
            acks.extend(shown);
        }
        Ok(acks)
    }

    /// Commits the round.
    ///
    /// # Errors
    /// As with [`open_round`](Self::open_round).
    pub(super) fn finish(&mut self, mut open: OpenRound) -> Result<Round, StoreError> {
        self.write_anchors()?;
        let recomputed_days = self.recomputed_days()?;
        self.store.commit()?;
        self.publish(recomputed_days, &mut open.events, &mut open.changed);
        self.view.announce(&open.changed);
        Ok(Round { acks: open.pending.into_iter().filter_map(|item| self.acknowledge(item)).collect(), events: open.events })
    }

    fn move_view(&mut self, open: &mut OpenRound) -> Result<(), StoreError> {
        let recomputed_days = self.recomputed_days()?;
        self.publish(recomputed_days, &mut open.events, &mut open.changed);
        Ok(())
    }

    /// Hands the orders of a registration to the gates; what its caller still waits for is the commit.
    fn show_registration(&self, item: &mut Pending) -> Option<Ack> {
        let Pending::Registration { client_id, basket_id, records, legs, cargo } = std::mem::replace(item, Pending::Shown(None)) else {
            return None;
        };
        let (ack, waiter) = self.hand_over(client_id, basket_id, records, legs, cargo, 1);
        *item = Pending::Shown(waiter);
        ack
    }
}

impl Pending {
    /// Whether it registers an order that is not refused as it comes.
    fn is_to_be_judged(&self) -> bool {
        matches!(self, Self::Registration { legs, .. } if legs.iter().any(|leg| leg.refused.is_none()))
    }
}

/// The commit that a caller waits for, whose orders were judged before it.
pub(super) fn committed(waiter: Option<Arc<Waiter>>) {
    if let Some(waiter) = waiter {
        waiter.one_less();
    }
}
