//! The steps of plans: worked out from the committed book at every poll and after every commit that concerns one, so that a
//! restart forgets none. An exit that a plan sends has a key: it is sent once.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Concern, WatcherActor};
use crate::engine::exit_leg;
use crate::engine_signal::EngineSignal;
use crate::line::Phase;
use crate::order::event::AIMED;
use crate::order::{CommandId, IdempotencyKey, LegDraft, OrderFact, OrderRecord, Quantity, SignalId, Tag};
use crate::persistence::{Book, Event, Level, Note, Slot, Topic, Unit, alarm};
use crate::plan::{Move, Next, Overdue, Plan, overdue};
use crate::settings::Resends;
use crate::supervision::Shell;

/// What a plan asks for, whichever kind it is.
#[derive(Debug)]
enum Step {
    Cancel(CommandId, Tag, String),
    Exit(Box<Leaving>),
    End((Slot, u64), CommandId, (bool, String)),
}

/// An exit that a plan sends.
#[derive(Debug)]
struct Leaving {
    /// The order that it is for: its parent.
    order: Arc<OrderRecord>,
    leg: LegDraft,
    kind: &'static str,
    /// The how-manyth exit for that order, from 0.
    count: usize,
    /// How old it is: it must not close what was opened since.
    signal_time: Option<DateTime<Utc>>,
    reason: String,
    /// The short that it leaves without its cover.
    uncovers: Option<String>,
}

/// Whether a committed row may set a plan, or an order that waits for one, in motion.
pub(super) fn concerns_plans(event: &Event, has_plans: bool) -> bool {
    let is_plan = event.kept.as_ref().is_some_and(|change| change.slot.topic == Topic::Plan);
    let made_way = |order: &OrderRecord| order.status.is_terminal() && (has_plans || order.cancel_wanted == Some(Tag::Superseded));
    is_plan || &*event.row.event == AIMED || event.record.as_deref().is_some_and(made_way)
}

/// The steps of one plan.
fn steps_of(name: (Slot, u64), plan: &Plan, book: &Book, (resends, now): (Resends, DateTime<Utc>)) -> Vec<Step> {
    match plan {
        Plan::Reverse(plan) => match (plan.next(book, resends), book.order(plan.order)) {
            (Next::Exit(count), Some(order)) => {
                let leg = LegDraft {
                    order_type: order.ask.order_type.map(|word| word.to_string()),
                    price: order.ask.price.map(|price| price.to_string()),
                    validity: Some(order.ask.validity.to_string()),
                    ..exit_leg(&plan.strategy, &plan.key, None)
                };
                let reason = format!("{} is left before {} goes the other way", plan.key, plan.strategy);
                let (order, signal_time) = (Arc::clone(order), Some(order.signal_time));
                vec![Step::Exit(Box::new(Leaving { order, leg, kind: "reverse", count, signal_time, reason, uncovers: None }))]
            }
            (Next::Stop(reason), _) => vec![Step::Cancel(plan.order, Tag::PlanStopped, reason)],
            (Next::End(is_page, reason), _) => vec![Step::End(name, plan.order, (is_page, reason))],
            (Next::Wait | Next::Exit(_), _) => Vec::new(),
        },
        Plan::Basket(plan) => {
            let moves = plan.next(book, resends, now).into_iter();
            moves.filter_map(|step| basket_step(&name, plan.member, step, book)).collect()
        }
    }
}

fn basket_step(name: &(Slot, u64), member: CommandId, step: Move, book: &Book) -> Option<Step> {
    match step {
        Move::Cancel(order, reason) => Some(Step::Cancel(order, Tag::BasketUnwound, reason)),
        Move::End(is_page, reason) => Some(Step::End(name.clone(), member, (is_page, reason))),
        Move::Unwind { leg, units, count, reason, uncovers } => {
            let order = Arc::clone(book.order(leg)?);
            let leg = exit_leg(&order.ask.strategy, &order.holding()?, Quantity::new(units));
            Some(Step::Exit(Box::new(Leaving { order, leg, kind: "unwind", count, signal_time: None, reason, uncovers })))
        }
    }
}

impl WatcherActor {
    /// Whether any plan is under way.
    pub(super) fn has_plans(&self) -> bool {
        self.line.view.read(&self.desk.client_id, |book| book.kept_of(Topic::Plan).next().is_some()).unwrap_or(false)
    }

    /// Takes the next steps of every plan, and cancels entries whose time is up.
    pub(super) fn follow_plans(&mut self, now: DateTime<Utc>) {
        if !matches!(self.desk.phase(), Phase::ExitsOnly | Phase::Open) {
            return;
        }
        let late = self.line.view.read(&self.desk.client_id, |book| overdue(book, now)).unwrap_or_default();
        let wish = |late: Overdue| (late.command_id, OrderFact::CancelWanted { tag: Tag::FillTimeout, reason: late.reason });
        self.post_facts(late.into_iter().map(wish).collect());
        let resends = self.desk.settings.waits.resends();
        let steps = self.line.view.read(&self.desk.client_id, |book| {
            let plans = Plan::all(book).into_iter();
            plans.flat_map(|(slot, seq, plan)| steps_of((slot, seq), &plan, book, (resends, now))).collect::<Vec<_>>()
        });
        for step in steps.unwrap_or_default() {
            match step {
                Step::Cancel(order, tag, reason) => self.post_facts(vec![(order, OrderFact::CancelWanted { tag, reason })]),
                Step::Exit(leaving) => self.send_leaving(*leaving, now),
                Step::End(name, order, how) => {
                    if how.0 {
                        tracing::error!(client_id = %self.desk.client_id, command_id = %order, page = true, "{}", how.1);
                    }
                    self.line.post_unit(Plan::end(&self.desk.client_id, name, order, Self::NAME, how));
                }
            }
        }
        let is_open = |book: &Book, order: CommandId| book.kept_of(Topic::Plan).next().is_some() && book.order(order).is_some();
        let planned = &mut self.core.planned;
        self.line.view.read(&self.desk.client_id, |book| planned.retain(|(order, _), _| is_open(book, *order)));
    }

    /// Sends an exit for a plan: an order of its own, linked to the one that it is for.
    fn send_leaving(&mut self, leaving: Leaving, now: DateTime<Utc>) {
        let Leaving { order, leg, kind, count, signal_time, reason, uncovers } = leaving;
        let Ok(key) = IdempotencyKey::parse(&format!("{kind}:{}:{count}", order.command_id)) else { return };
        // Lost on the way it is asked for again; the key makes it one.
        let again = chrono::Duration::from_std(self.desk.settings.waits.cancel_again).unwrap_or(chrono::Duration::MAX);
        let name = (order.command_id, count);
        if self.core.planned.get(&name).is_some_and(|asked| now.signed_duration_since(*asked) < again) {
            return;
        }
        self.core.planned.insert(name, now);
        if let Some(short) = uncovers {
            let (strategy, symbol) = (&order.ask.strategy, &order.ask.symbol);
            let text = format!("{strategy} {symbol} is sold although {short}, sold in the same basket, is not bought back yet");
            self.concern(Concern { event: alarm::EXIT_UNCOVERS, level: Level::Page, text, command_id: Some(order.command_id) });
        }
        self.line.post_unit(Unit::Note(Note {
            client_id: Some(self.desk.client_id.clone()),
            event: "PLAN_STEP",
            level: Level::Info,
            text: reason,
            command_id: Some(order.command_id),
            who: Arc::from(Self::NAME),
            inputs: "{}".to_owned(),
        }));
        let legs = vec![LegDraft { parent: Some(order.command_id), ..leg }];
        let own = EngineSignal::for_order(SignalId(self.line.ids.next()), &order, legs);
        own.once(Some(key)).made_at(signal_time).submit(&self.line, &self.desk, now);
    }
}
