//! What would become of a signal, by the very functions that judge real ones: the reading, risk, the guard, and the adapter's
//! request. Nothing is written and nothing is sent. What it cannot know it says.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::broker::place::prepare;
use crate::exits::late_hour;
use crate::guard::{Candidate, GuardActor, verdict};
use crate::ingress::{ReadLeg, read_leg};
use crate::line::{Desk, Line};
use crate::order::{Amount, Ask, BasketId, CommandId, GateVerdict, Given, OrderRecord, Policy, SignalDraft, StopAt, Tag, Terms, validate};
use crate::persistence::broker_tag;
use crate::plan::Aim;
use crate::ports::BrokerOrder;
use crate::risk::{Judgement, RiskActor, whole_terms};

/// What would become of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Fate {
    /// It would be sent.
    WouldGo,
    /// It would wait.
    WouldWait,
    /// It would be refused.
    Refused,
    /// Nothing would be to do for it.
    NothingToDo,
}

/// What a leg takes of the money at the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Takes {
    /// Rupees.
    pub rupees: Amount,
    /// Whether it is our estimate, which only the broker can better; else it is paid in full, or nothing.
    pub is_estimate: bool,
    /// How it is known, in words.
    pub how: String,
}

/// One leg, explained.
#[derive(Debug, Clone, Serialize)]
pub struct Explained {
    /// Which one, from 0.
    pub leg: u16,
    /// What would become of it.
    pub fate: Fate,
    /// Why, as a code.
    pub tag: Option<Tag>,
    /// Why, with the numbers.
    pub reason: Option<String>,
    /// What was read of it, as it would stand in its row.
    pub ask: Ask,
    /// Every gate that was asked, in order.
    pub gates: Vec<GateVerdict>,
    /// What would be sent.
    pub terms: Option<Terms>,
    /// The exact request, as the adapter would send it now.
    pub request: Option<String>,
    /// The order in that request.
    #[serde(skip)]
    pub order: Option<BrokerOrder>,
    /// How it would stand in that request: a market order may have become a protected limit.
    pub goes_as: Option<Terms>,
    /// What it takes of the money at the broker; `None`: it has no price, or is not judged at all.
    pub takes: Option<Takes>,
    /// Where the stop of what it opens would live; `None`: it brings none.
    pub stop_lives: Option<StopAt>,
    /// What cannot be known before it comes.
    pub unknown: Vec<String>,
}

impl Explained {
    fn ends(&mut self, fate: Fate, tag: Option<Tag>, reason: String) {
        (self.fate, self.tag, self.reason) = (fate, tag, Some(reason));
    }
}

/// Explains every leg of a signal, as if it came now.
#[must_use]
pub fn explain(line: &Arc<Line>, desk: &Arc<Desk>, draft: &SignalDraft, now: DateTime<Utc>) -> Vec<Explained> {
    let (mut risk, guard) = (RiskActor::new(Arc::clone(line), Arc::clone(desk)), GuardActor::new(Arc::clone(line), Arc::clone(desk)));
    let mut legs: Vec<(OrderRecord, Explained)> = (0u16..)
        .zip(&draft.legs)
        .map(|(leg, sent)| {
            let ReadLeg { ask, refused, .. } = read_leg(line, &draft.client_id, sent, now);
            let order = as_registered(line, draft, leg, ask, now);
            let mut explained = begin(&order, refused.as_ref());
            explained.stop_lives = order.ask.stop_loss.map(|_| order.ask.exits.stop_at.unwrap_or(desk.settings.exits.stop_at));
            if explained.stop_lives == Some(StopAt::Broker) {
                let words =
                    "whether the broker takes its stop is known when it is placed there, after the fill; until then the engine watches it";
                explained.unknown.push(words.to_owned());
            }
            explained.unknown.extend(leaves_early(line, desk, &order, now));
            match refused {
                Some((tag, reason)) => explained.ends(Fate::Refused, Some(tag), reason),
                None => return judged(&mut risk, order, explained, now),
            }
            (order, explained)
        })
        .collect();
    ask_the_guard(&guard, &mut legs, now);
    for (order, explained) in &mut legs {
        let Some(terms) = explained.terms.clone().filter(|_| explained.fate != Fate::Refused) else { continue };
        let max_age = chrono::TimeDelta::from_std(desk.settings.waits.quote_max_age).unwrap_or(chrono::TimeDelta::MAX);
        match prepare(line, desk, (order, &terms), max_age, now) {
            Ok(prepared) => {
                (explained.request, explained.goes_as) = (Some(prepared.request), Some(prepared.order.terms.clone()));
                explained.order = Some(prepared.order);
            }
            Err((tag, reason)) => explained.ends(Fate::Refused, Some(tag), reason),
        }
    }
    let policy = draft.legs.iter().find_map(validate::policy);
    if policy != Some(Policy::BestEffort) {
        fall_together(&mut legs);
    }
    if let Some(policy) = policy.filter(|policy| *policy != Policy::BestEffort) {
        legs.iter_mut().for_each(|(_, leg)| leg.unknown.push(format!("{policy}: when it is its turn depends on what the others fill")));
    }
    legs.into_iter().map(|(_, explained)| explained).collect()
}

/// That its position would be left earlier than it says, because its market takes nothing at that hour.
fn leaves_early(line: &Line, desk: &Desk, order: &OrderRecord, now: DateTime<Utc>) -> Option<String> {
    let clock = order.ask.exits.times.clock.filter(|_| !order.is_exit())?;
    let key = order.instrument()?;
    let ends_at = line.trading_times(&key, now).last()?.end;
    let words = late_hour(clock, ends_at, desk.settings.exits.before_close(key.exchange), now)?;
    Some(format!("its position {words}"))
}

/// The row that the leg would have, if it came next.
fn as_registered(line: &Line, draft: &SignalDraft, leg: u16, ask: Ask, now: DateTime<Utc>) -> OrderRecord {
    let (last, seq) = line.view.read(&draft.client_id, |book| (book.last_number(), book.seq())).unwrap_or_default();
    let number = last + 1 + u64::from(leg);
    let given = Given {
        client_id: draft.client_id.clone(),
        // No order has it: names are drawn from the end where time stands in front.
        command_id: CommandId(Uuid::from_u128(u128::from(leg))),
        number,
        signal_id: draft.signal_id,
        leg,
        basket_id: BasketId(draft.signal_id.0),
        parent_command_id: draft.legs.get(usize::from(leg)).and_then(|leg| leg.parent),
        source: draft.source,
        user: Arc::from(draft.user.as_str()),
        ask,
        broker_tag: broker_tag(&line.tag_prefix, number),
        signal_time: draft.signal_time.unwrap_or(draft.received_at),
    };
    OrderRecord::created(given, now, seq)
}

fn begin(order: &OrderRecord, refused: Option<&(Tag, String)>) -> Explained {
    let reading = GateVerdict {
        gate: "ingress.validation".into(),
        passed: refused.is_none(),
        input: refused.map_or_else(|| "every field could be read".to_owned(), |(_, reason)| reason.clone()),
        limit: "complete, valid, and an instrument of today".to_owned(),
    };
    Explained {
        leg: order.leg,
        fate: Fate::WouldGo,
        tag: None,
        reason: None,
        ask: order.ask.clone(),
        gates: vec![reading],
        terms: None,
        request: None,
        order: None,
        goes_as: None,
        takes: None,
        stop_lives: None,
        unknown: vec![
            "whether this very signal was here before is looked up when it comes; the broker tag counts the orders until then".to_owned(),
        ],
    }
}

/// What risk says. What has to be worked out first is worked out, and judged as what it becomes.
fn judged(risk: &mut RiskActor, mut order: OrderRecord, mut leg: Explained, now: DateTime<Utc>) -> (OrderRecord, Explained) {
    let mut judgement = risk.judge_one(&order, now, None);
    if let Judgement::Step(Aim::Go(shot)) = judgement {
        leg.gates.push(GateVerdict {
            gate: "plan.target".into(),
            passed: true,
            input: shot.reason.clone(),
            limit: format!("{} {} {}", shot.intent, shot.side, shot.quantity),
        });
        order.ask.intent = Some(shot.intent);
        (order.ask.side, order.ask.quantity, order.ask.product) = (Some(shot.side), Some(shot.quantity), Some(shot.product));
        leg.ask = order.ask.clone();
        judgement = risk.judge_one(&order, now, None);
    }
    let said = match &judgement {
        Judgement::Clear { gates, .. } | Judgement::Refuse { gates, .. } if !gates.is_empty() => gates.clone(),
        _ => risk.verdicts(&order, now),
    };
    leg.gates.extend(said);
    leg.takes = risk.needs(&order, now).and_then(|needs| needs.own).map(|(rupees, basis)| Takes {
        rupees,
        is_estimate: basis.is_estimate(),
        how: basis.to_string(),
    });
    match judgement {
        Judgement::Clear { terms, note, .. } => (leg.terms, leg.reason) = (Some(terms), note),
        Judgement::Refuse { tag, reason, .. } => leg.ends(Fate::Refused, Some(tag), reason),
        Judgement::End { tag, reason } => leg.ends(Fate::NothingToDo, Some(tag), reason),
        Judgement::Wait { reason } => leg.ends(Fate::WouldWait, None, reason),
        Judgement::MakeWay { orders, reason } => {
            leg.unknown
                .push(format!("{} orders of our own on the other side would be cancelled first, and may fill meanwhile", orders.len()));
            leg.ends(Fate::WouldWait, None, reason);
        }
        Judgement::Held { reason } | Judgement::Ask { reason } => {
            leg.terms = whole_terms(&order);
            leg.ends(Fate::WouldWait, None, reason);
        }
        Judgement::Quote => {
            leg.terms = whole_terms(&order);
            leg.unknown
                .push("its value: a fresh quote would be asked for first, and the limit on an order's value judged with it".to_owned());
            leg.ends(Fate::WouldWait, None, "a fresh quote would be asked for first".to_owned());
        }
        Judgement::Step(step) => {
            let words = match step {
                Aim::Reverse(_, reason) => format!("{reason}; it waits for the proof that the position is flat"),
                Aim::Clear(orders, reason) => format!("{reason}: {} orders of the strategy would be cancelled first", orders.len()),
                Aim::Wait(reason) | Aim::Yield(reason) | Aim::End(_, reason) => reason,
                Aim::Go(shot) => shot.reason,
            };
            leg.unknown.push("what it comes to then depends on what fills meanwhile".to_owned());
            leg.ends(Fate::WouldWait, None, words);
        }
    }
    (order, leg)
}

/// What the guard says of all that risk would let through, together.
fn ask_the_guard(guard: &GuardActor, legs: &mut [(OrderRecord, Explained)], now: DateTime<Utc>) {
    let blocks = {
        let cleared = legs.iter().filter_map(|(order, leg)| Some(Candidate { order, terms: leg.terms.as_ref()? }));
        guard.judge_basket(&cleared.collect::<Vec<_>>(), now)
    };
    let cleared = legs.iter_mut().map(|(_, leg)| leg).filter(|leg| leg.terms.is_some());
    for (leg, block) in cleared.zip(blocks) {
        leg.gates.push(verdict(block.as_ref()));
        if let Some(block) = block {
            leg.ends(Fate::Refused, Some(block.tag), block.reason);
        }
    }
}

/// Entries of a basket stand and fall together at every gate.
fn fall_together(legs: &mut [(OrderRecord, Explained)]) {
    let cause = legs.iter().find(|(order, leg)| leg.fate == Fate::Refused && !order.is_exit());
    let Some((number, tag, reason)) = cause.map(|(order, leg)| (order.leg + 1, leg.tag, leg.reason.clone().unwrap_or_default())) else {
        return;
    };
    for (_, leg) in legs.iter_mut().filter(|(order, leg)| leg.fate != Fate::Refused && !order.is_exit()) {
        (leg.request, leg.order, leg.goes_as, leg.terms) = (None, None, None, None);
        leg.ends(Fate::Refused, tag, format!("leg {number} of this basket would be refused: {reason}"));
    }
}
