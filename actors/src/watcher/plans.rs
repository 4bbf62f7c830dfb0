//! The steps of plans: worked out from the committed book at every poll and after every commit that concerns one, so that a
//! restart forgets none. An exit that a plan sends has a key: it is sent once.

use chrono::{DateTime, Utc};

use super::WatcherActor;
use crate::engine::exit_leg;
use crate::ingress::Submit;
use crate::line::Phase;
use crate::order::{CommandId, IdempotencyKey, LegDraft, OrderFact, OrderRecord, SignalDraft, SignalId, Tag};
use crate::persistence::{Event, Slot, Topic};
use crate::plan::{Next, Overdue, Plan, Reverse, overdue};
use crate::supervision::Shell;

/// Whether a committed row may set a plan, or an order that waits for one, in motion.
pub(super) fn concerns_plans(event: &Event) -> bool {
    let is_plan = event.kept.as_ref().is_some_and(|change| change.slot.topic == Topic::Plan);
    let made_way = |order: &OrderRecord| order.status.is_terminal() && order.cancel_wanted == Some(Tag::Superseded);
    is_plan || &*event.row.event == "AIMED" || event.record.as_deref().is_some_and(made_way)
}

impl WatcherActor {
    /// Takes the next step of every plan, and cancels entries whose time is up.
    pub(super) fn follow_plans(&mut self, now: DateTime<Utc>) {
        if !matches!(self.desk.phase(), Phase::ExitsOnly | Phase::Open) {
            return;
        }
        let late = self.line.view.read(&self.desk.client_id, |book| overdue(book, now)).unwrap_or_default();
        let wish = |late: Overdue| (late.command_id, OrderFact::CancelWanted { tag: Tag::FillTimeout, reason: late.reason });
        self.post_facts(late.into_iter().map(wish).collect());
        let resends = self.desk.settings.waits.resend_exit_most;
        let steps = self.line.view.read(&self.desk.client_id, |book| {
            let plans = Plan::all(book).into_iter();
            plans
                .map(|(slot, seq, plan)| {
                    let Plan::Reverse(reverse) = plan;
                    let (order, next) = (book.order(reverse.order).cloned(), reverse.next(book, resends));
                    ((slot, seq), reverse, order, next)
                })
                .collect::<Vec<_>>()
        });
        for (name, reverse, order, next) in steps.unwrap_or_default() {
            self.step(name, &reverse, order.as_deref(), next, now);
        }
    }

    fn step(&mut self, name: (Slot, u64), plan: &Reverse, order: Option<&OrderRecord>, next: Next, now: DateTime<Utc>) {
        match (next, order) {
            (Next::Exit(count), Some(order)) => self.leave(plan, order, count, now),
            (Next::Stop(reason), _) => {
                self.post_facts(vec![(plan.order, OrderFact::CancelWanted { tag: Tag::PlanStopped, reason })]);
            }
            (Next::End(is_page, reason), _) => {
                if is_page {
                    tracing::error!(client_id = %self.desk.client_id, command_id = %plan.order, page = true, "{reason}");
                }
                self.line.post_unit(Plan::end(&self.desk.client_id, name, plan.order, Self::NAME, (is_page, reason)));
                self.core.planned.retain(|(planned, _)| *planned != plan.order);
            }
            (Next::Wait | Next::Exit(_), _) => {}
        }
    }

    /// Sends the exit of a reversal, in the terms of the order that comes after it.
    fn leave(&mut self, plan: &Reverse, order: &OrderRecord, count: usize, now: DateTime<Utc>) {
        let Ok(key) = exit_key(plan.order, count) else { return };
        if !self.core.planned.insert((plan.order, count)) {
            return;
        }
        let leg = LegDraft {
            order_type: order.ask.order_type.map(|word| word.to_string()),
            price: order.ask.price.map(|price| price.to_string()),
            validity: Some(order.ask.validity.to_string()),
            parent: Some(plan.order),
            ..exit_leg(&plan.strategy, &plan.key, None)
        };
        let draft = SignalDraft {
            client_id: self.desk.client_id.clone(),
            signal_id: SignalId(self.line.ids.next()),
            source: order.source,
            user: order.user.to_string(),
            idempotency_key: Some(key),
            body_hash: [0; 32],
            replay_window_ms: 0,
            received_at: now,
            // As old as the order that wants it: it must not close what was opened since.
            signal_time: Some(order.signal_time),
            legs: vec![leg],
        };
        let (reply, _nobody_waits) = tokio::sync::oneshot::channel();
        self.line.tell_ingress(Submit { draft, permits: vec![self.desk.admission.force()], reply });
    }
}

fn exit_key(order: CommandId, count: usize) -> Result<IdempotencyKey, crate::order::BadId> {
    IdempotencyKey::parse(&format!("reverse:{order}:{count}"))
}
