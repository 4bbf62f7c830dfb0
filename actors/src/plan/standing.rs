//! Plans as people look at them: what is part of each, what it waits for, since when, and whether it is stuck. Pure.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::{BasketPlan, Move, Next, Plan, Reverse, Turn, is_flat, turn};
use crate::order::{OrderRecord, Policy, Status};
use crate::persistence::{Book, Topic};
use crate::settings::Resends;
use crate::watcher::Findings;

/// Which kind of plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PlanKind {
    /// A basket with a policy.
    Basket,
    /// Out of a position, and then into its opposite.
    Reverse,
    /// An entry that is cancelled after a time.
    CancelAfter,
    /// One that this version cannot read.
    Unknown,
}

/// One plan.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Which kind.
    pub kind: PlanKind,
    /// A basket's policy.
    pub policy: Option<Policy>,
    /// Its orders, earliest first: legs, and the exits that it sent.
    pub orders: Vec<Arc<OrderRecord>>,
    /// What it does next, or waits for.
    pub next: String,
    /// When it began.
    pub since: DateTime<Utc>,
    /// When one of its orders changed last.
    pub moved_at: DateTime<Utc>,
    /// Why it does not go on by itself, if it does not.
    pub stuck: Option<String>,
}

/// What a plan does now.
enum Step {
    /// It waits for this.
    Waits(String),
    /// It does this at the next look; looks come at every poll.
    Due(String),
}

/// Every plan of an account, oldest first. `resends`: which exits go again by themselves. `patience`: what is due for longer
/// is stuck.
#[must_use]
pub fn standings(book: &Book, findings: &Findings, resends: Resends, patience: Duration, now: DateTime<Utc>) -> Vec<Standing> {
    let look = Look { book, findings, resends, patience, now };
    let kept = book.kept_of(Topic::Plan).map(|(slot, kept)| match kept.read::<Plan>() {
        Ok(Plan::Basket(plan)) => look.basket(&plan, kept.at),
        Ok(Plan::Reverse(plan)) => look.reverse(&plan, kept.at),
        Err(cause) => Standing {
            kind: PlanKind::Unknown,
            policy: None,
            orders: Vec::new(),
            next: "nothing: it is left alone".to_owned(),
            since: kept.at,
            moved_at: kept.at,
            stuck: Some(format!("the plan {} cannot be read: {cause}", slot.key)),
        },
    });
    let timed = book.open_orders().filter_map(|order| look.timed(order));
    let mut found: Vec<Standing> = kept.chain(timed).collect();
    found.sort_by_key(|standing| standing.since);
    found
}

struct Look<'a> {
    book: &'a Book,
    findings: &'a Findings,
    resends: Resends,
    patience: Duration,
    now: DateTime<Utc>,
}

impl Look<'_> {
    fn basket(&self, plan: &BasketPlan, since: DateTime<Utc>) -> Standing {
        let member = self.book.order(plan.member);
        let legs: Vec<&Arc<OrderRecord>> =
            member.into_iter().chain(member.into_iter().flat_map(|member| self.book.siblings(member))).collect();
        let step = match plan.next(self.book, self.resends, self.now).into_iter().next() {
            Some(Move::Cancel(_, why) | Move::End(_, why)) => Step::Due(why),
            Some(Move::Unwind { reason, .. }) => Step::Due(reason),
            None => Step::Waits(self.turns(plan.policy, &legs)),
        };
        self.standing((PlanKind::Basket, Some(plan.policy)), &legs, since, step)
    }

    /// What a basket waits for: the turn of the first leg that is held back, or the ends of those that are under way.
    fn turns(&self, policy: Policy, legs: &[&Arc<OrderRecord>]) -> String {
        let held_back = legs.iter().filter(|leg| leg.status == Status::Created && !leg.is_exit());
        let why = held_back.filter_map(|leg| match turn(policy, leg, self.book, self.findings) {
            Turn::Wait(why) => Some(format!("leg {} waits: {why}", leg.leg + 1)),
            Turn::Go | Turn::Never(_) => None,
        });
        let open = legs.iter().filter(|leg| !leg.status.is_terminal()).count();
        why.into_iter().next().unwrap_or_else(|| format!("{open} of {} legs are under way", legs.len()))
    }

    fn reverse(&self, plan: &Reverse, since: DateTime<Utc>) -> Standing {
        let order: Vec<&Arc<OrderRecord>> = self.book.order(plan.order).into_iter().collect();
        let step = match plan.next(self.book, self.resends) {
            Next::Exit(_) => Step::Due(format!("{} {} are left first", plan.from, plan.key)),
            Next::Stop(why) | Next::End(_, why) => Step::Due(why),
            Next::Wait => match is_flat(plan, self.book, self.findings) {
                Err(missing) => Step::Waits(missing),
                Ok(()) => Step::Due(format!("{} is flat: order {} goes", plan.key, plan.order)),
            },
        };
        self.standing((PlanKind::Reverse, None), &order, since, step)
    }

    fn timed(&self, order: &Arc<OrderRecord>) -> Option<Standing> {
        let seconds = order.ask.cancel_after_s.filter(|_| !order.is_exit())?;
        let since = order.sent_at.unwrap_or(order.created_at);
        let until = since.checked_add_signed(Duration::seconds(i64::from(seconds))).filter(|_| order.sent_at.is_some());
        let next = match until {
            _ if order.cancel_wanted.is_some() => "its cancel is under way".to_owned(),
            Some(until) => format!("what has not filled at {until} is cancelled"),
            None => format!("what has not filled {seconds} s after it was sent is cancelled"),
        };
        Some(self.standing((PlanKind::CancelAfter, None), &[order], since, Step::Waits(next)))
    }

    fn standing(
        &self,
        (kind, policy): (PlanKind, Option<Policy>),
        legs: &[&Arc<OrderRecord>],
        since: DateTime<Utc>,
        step: Step,
    ) -> Standing {
        let mut orders: Vec<Arc<OrderRecord>> = legs.iter().map(|leg| Arc::clone(leg)).collect();
        let first = orders.iter().map(|order| order.number).min().unwrap_or(u64::MAX);
        for child in self.book.after(first).filter(|order| order.is_exit()) {
            let is_theirs = child.parent_command_id.is_some_and(|parent| orders.iter().any(|order| order.command_id == parent));
            if is_theirs && !orders.iter().any(|order| order.command_id == child.command_id) {
                orders.push(Arc::clone(child));
            }
        }
        orders.sort_by_key(|order| order.number);
        let moved_at = orders.iter().map(|order| order.updated_at).chain([since]).max().unwrap_or(since);
        let is_late = self.now.signed_duration_since(moved_at) > self.patience;
        let doubt = orders.iter().find(|order| order.is_in_doubt());
        let exit = orders.iter().find(|order| order.is_exit() && order.status == Status::Created);
        let stuck = match (&step, doubt, exit) {
            (_, Some(order), _) => Some(format!("order {} is being looked for at the broker", order.command_id)),
            (_, _, Some(exit)) if is_late => Some(format!("exit {} waits since {}", exit.command_id, exit.created_at)),
            (Step::Due(what), ..) if is_late => Some(format!("due since {moved_at}, and not done: {what}")),
            _ => None,
        };
        let next = match step {
            Step::Waits(what) | Step::Due(what) => what,
        };
        Standing { kind, policy, orders, next, since, moved_at, stuck }
    }
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
