//! GuardActor: does it collide? Strategy already holds, duplicate open order, conflicting quantities, another strategy
//! on the other side, exit-all mode; the legs of one basket are judged together.
//!
//! It judges against the committed book; the only thing it remembers is how often in a row the broker showed less than
//! our fills, because one odd read must not erase a holding.

mod adds;
mod book;
mod earlier;
mod not_shown;
mod shrinking;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, Supervised};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::oneshot;

pub(crate) use adds::counts_as_trade;
pub use book::{Block, Candidate, GuardBook, Shrunk, exits_of_nothing, reconcile_with_broker, reductions, shows_the_rest, verdict};
pub(crate) use book::{is_told_of, shows_as_known, sold_untaken, told};
pub use shrinking::{Proof, Seen};

use self::earlier::Today;
use self::not_shown::NotShown;
use crate::broker::{ModifyOrder, Place, Wish};
use crate::line::{Desk, Line};
use crate::order::{
    ClientId, GateVerdict, HoldingKey, OrderFact, OrderRecord, Product, Quantity, Side, Strategy, Tag, Terms, exchanges_have_opened,
    trading_date,
};
use crate::persistence::{Book, Cargo, Earlier, Level, OrderUnit, Outcome, Posted, Unit};
use crate::pnl::differences::{price_of_close, traces};
use crate::ports::{Modification, Session};
use crate::risk::{Change, ChangeAnswer, RiskCleared, refusal};
use crate::supervision::{Shell, at_hand, guarded};
use crate::watcher::{Findings, Told};

/// Do these collide? Sent by RiskActor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Admit {
    /// The orders of one basket.
    pub group: Vec<RiskCleared>,
}

/// Does this change collide? Sent by RiskActor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AdmitChange {
    /// The wish.
    pub change: Change,
    /// What it comes to.
    pub modification: Modification,
    /// The caller.
    pub reply: oneshot::Sender<ChangeAnswer>,
}

/// The broker's positions were read. Sent by WatcherActor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PositionsRead;

/// A person says that a strategy does not hold this any more (`force_clear_symbol` and `force_close_strategy` of the
/// seeds). It changes our record only; nothing is sent.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ForceClear {
    /// The owner.
    pub strategy: Strategy,
    /// Of what, and how many units at most; `None` clears the whole strategy.
    pub part: Option<(HoldingKey, Quantity)>,
    /// Who and why.
    pub reason: String,
    /// Hears of each holding as it is cleared; dropped at once if there is nothing to clear.
    pub replies: Vec<oneshot::Sender<Outcome>>,
}

/// An order that the guard has admitted: the only thing that BrokerActor places. Made here and nowhere else.
#[derive(Debug)]
#[must_use = "a dropped token makes its order an orphan"]
pub struct Admitted {
    cleared: RiskCleared,
    verdict: GateVerdict,
}

impl Admitted {
    /// The committed row.
    #[must_use]
    pub fn record(&self) -> &Arc<OrderRecord> {
        self.cleared.record()
    }

    /// The settled order.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        self.cleared.terms()
    }

    /// What every gate said.
    #[must_use]
    pub fn gates(&self) -> Vec<GateVerdict> {
        let mut gates = self.cleared.gates().to_vec();
        gates.push(self.verdict.clone());
        gates
    }

    /// What a person should hear of it.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.cleared.note()
    }

    pub(crate) fn into_refusal(self, tag: Tag, reason: String, more: GateVerdict) -> Posted {
        let (registered, mut gates) = self.cleared.into_registered();
        gates.push(self.verdict);
        gates.push(more);
        refusal(registered, tag, reason, gates)
    }

    pub(crate) fn into_ticket(self) -> crate::persistence::Ticket {
        self.cleared.into_registered().0.into_ticket()
    }
}

/// The gate for collisions.
#[derive(Debug)]
pub struct GuardActor {
    line: Arc<Line>,
    desk: Arc<Desk>,
    shrunk: BTreeMap<HoldingKey, Seen>,
    not_shown: NotShown,
}

impl GuardActor {
    /// The actor of one account.
    #[must_use]
    pub fn new(line: Arc<Line>, desk: Arc<Desk>) -> Self {
        Self { line, desk, shrunk: BTreeMap::new(), not_shown: NotShown::default() }
    }

    fn admit(&mut self, group: Vec<RiskCleared>, now: DateTime<Utc>) {
        let blocks = self.judge(&group, now);
        let stands_alone = group.first().is_some_and(|cleared| self.line.stands_alone(cleared.record()));
        let is_cause = |cleared: &RiskCleared, block: &Option<Block>| block.is_some() && !cleared.record().is_exit() && !stands_alone;
        let sibling = group.iter().zip(&blocks).find(|(cleared, block)| is_cause(cleared, block)).and_then(|(cleared, block)| {
            block
                .as_ref()
                .map(|block| (block.tag, format!("leg {} of this basket was refused: {}", cleared.record().leg + 1, block.reason)))
        });
        let (mut refused, mut admitted) = (Vec::new(), Vec::new());
        for (mut cleared, block) in group.into_iter().zip(blocks) {
            let verdict = verdict(block.as_ref());
            let because = match (block, &sibling) {
                (Some(block), _) => Some((block.tag, block.reason)),
                (None, Some((tag, reason))) if !cleared.record().is_exit() => Some((*tag, reason.clone())),
                _ => None,
            };
            match because {
                Some((tag, reason)) => {
                    let (registered, mut gates) = cleared.into_registered();
                    gates.push(verdict);
                    refused.push(refusal(registered, tag, reason, gates));
                }
                None => {
                    cleared.decided();
                    admitted.push(Admitted { cleared, verdict });
                }
            }
        }
        if !refused.is_empty() {
            self.line.post(refused);
        }
        if !admitted.is_empty() {
            self.line.tell_broker(&self.desk.client_id, Place { group: admitted });
        }
    }

    /// Judges a basket together; what only a holding blocks is judged once more against the broker's newest positions,
    /// if they are younger than two polls.
    fn judge(&self, group: &[RiskCleared], now: DateTime<Utc>) -> Vec<Option<Block>> {
        let basket: Vec<Candidate<'_>> =
            group.iter().map(|cleared| Candidate { order: cleared.record(), terms: cleared.terms() }).collect();
        self.judge_basket(&basket, now)
    }

    pub(crate) fn judge_basket(&self, basket: &[Candidate<'_>], now: DateTime<Utc>) -> Vec<Option<Block>> {
        let findings = self.desk.findings.read();
        let two_polls = chrono::Duration::from_std(self.desk.settings.waits.poll.saturating_mul(2)).unwrap_or(chrono::Duration::MAX);
        let is_young = findings.positions.as_ref().is_some_and(|positions| now.signed_duration_since(positions.at) <= two_polls);
        let judged = self.line.view.read(&self.desk.client_id, |book| {
            basket
                .iter()
                .map(|candidate| {
                    at_hand(&self.desk.client_id, candidate.order.command_id);
                    if candidate.order.is_test() {
                        return None;
                    }
                    let Some(instrument) = candidate.order.instrument() else {
                        return Some(Block { tag: Tag::ValidationFailed, reason: "exchange must be given".to_owned(), by_holding: false });
                    };
                    if let Some(reason) = self.desk.latch.forbids(&candidate.order.ask.strategy, candidate.order.is_exit()) {
                        return Some(Block { tag: Tag::KillSwitch, reason, by_holding: false });
                    }
                    let first = GuardBook::new(book).judge(*candidate, &instrument, basket);
                    match first {
                        Some(block) if block.by_holding && is_young => {
                            GuardBook::corrected_by(book, &findings).judge(*candidate, &instrument, basket)
                        }
                        other => other,
                    }
                })
                .collect()
        });
        judged.unwrap_or_else(|| {
            basket
                .iter()
                .map(|_| Some(Block { tag: Tag::EngineFault, reason: "there is no book for this account".to_owned(), by_holding: false }))
                .collect()
        })
    }

    /// A larger order may collide where the smaller one did not.
    fn admit_change(&self, message: AdmitChange) {
        let AdmitChange { change, modification, reply } = message;
        at_hand(&self.desk.client_id, change.command_id);
        let block = self.line.view.read(&self.desk.client_id, |book| {
            let order = book.order(change.command_id)?;
            let instrument = order.instrument()?;
            let candidate = Candidate { order, terms: &modification.terms };
            GuardBook::new(book).judge_change(candidate, &instrument)
        });
        let answer = match block.flatten() {
            Some(block) => ChangeAnswer::Refused(block.reason),
            None => {
                let wish = Wish::new(Arc::clone(&self.line), self.desk.client_id.clone(), change.command_id);
                self.line.tell_broker(&self.desk.client_id, ModifyOrder { wish, change: modification });
                ChangeAnswer::Asked
            }
        };
        let _gone = reply.send(answer);
    }

    fn reconcile(&mut self) {
        let findings = self.desk.findings.read();
        // What was seen before a night is not half a proof in the morning.
        let Some(read_at) = findings.positions.as_ref().map(|positions| positions.at).filter(|at| self.is_at_work(*at)) else {
            self.shrunk.clear();
            return;
        };
        let is_proven = findings.session == Some(Session::Ready);
        // Shares move over night, and when they have is not told.
        let is_settled = findings.holdings.as_ref().is_some_and(|held| self.is_at_work(held.at));
        let (today, books_at) = (self.today(read_at), findings.orders.as_ref().map(|orders| orders.at));
        let lag = TimeDelta::from_std(self.desk.broker.capabilities().visibility_bound).unwrap_or(TimeDelta::MAX);
        let (mut seen, mut posted, mut said, mut lies, mut missing_rows) =
            (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (client_id, known, not_shown) = (&self.desk.client_id, &self.shrunk, &mut self.not_shown);
        self.line.view.read(client_id, |book| {
            for shrunk in reconcile_with_broker(book, &findings).into_iter().filter(|shrunk| is_settled || shrunk.key.product != Product::Cnc) {
                let before = known.get(&shrunk.key).copied();
                let now = Seen::again(before, (shrunk.ours, shrunk.at_broker), read_at).with_book(books_at, shows_the_rest(&shrunk, &findings), lag);
                match now.proof(read_at, lag, !shrunk.rest.is_empty(), shrunk.told == Told::Yes) {
                    proof if !is_proven || proof == Proof::NotYet => drop(seen.insert(shrunk.key.clone(), now)),
                    Proof::Untold => {
                        seen.insert(shrunk.key.clone(), now.said());
                        match (shrunk.told, now.is_said) {
                            (Told::LacksCarried | Told::LacksDelivery, _) => missing_rows.extend(not_shown.page(book, &shrunk, today.date)),
                            (_, false) => lies.push(format!(
                                "our fills of today say {} in {}, and the broker's positions have no row for it, not even a closed one; the holding stays: look at the broker",
                                shrunk.ours, shrunk.key
                            )),
                            (_, true) => {}
                        }
                    }
                    Proof::Given | Proof::NotYet => {
                        let (units, reason) = Self::reduce(client_id, book, &shrunk, &findings, today);
                        posted.extend(units);
                        said.push(reason);
                    }
                }
            }
        });
        drop(findings);
        self.shrunk = seen;
        if !posted.is_empty() {
            self.line.post(posted);
        }
        for reason in said {
            self.line.alarm(Some(&self.desk.client_id), "ALARM_HOLDING_REDUCED", Level::Page, None, reason);
        }
        for lie in lies {
            self.line.alarm(Some(&self.desk.client_id), "ALARM_BOOK_INCOMPLETE", Level::Warn, None, lie);
        }
        for text in missing_rows {
            self.line.alarm(Some(&self.desk.client_id), not_shown::EVENT, Level::Page, None, text);
        }
    }

    /// Whether anything may be concluded from positions that were read then: the exchanges have opened, and the day has a
    /// session. A market that is always open has no night. Brokers close one day and begin the next at night, and what they show meanwhile is neither.
    fn is_at_work(&self, read_at: DateTime<Utc>) -> bool {
        let is_held = self.line.calendar.holds(self.desk.broker.capabilities().is_live);
        !is_held || (exchanges_have_opened(read_at) && !self.line.calendar.rests(trading_date(read_at)))
    }

    /// What makes the holdings match the broker again, and why: the units that strategies give up, and the end of exits that have
    /// nothing to close then.
    fn reduce(client_id: &ClientId, book: &Book, shrunk: &Shrunk, findings: &Findings, today: Today) -> (Vec<Posted>, String) {
        let reductions = reductions(book, shrunk);
        let ends: Vec<Option<Earlier>> =
            reductions.iter().map(|(strategy, _)| earlier::ended(book, strategy, &shrunk.key, today)).collect();
        let day = earlier::day_of(&ends, today.date);
        let traces = day.map_or_else(Vec::new, |day| traces(findings, &shrunk.key, day));
        let by = if traces.is_empty() { "no order of the broker's books shows who did it".to_owned() } else { traces.join("; ") };
        let missing = reductions.iter().map(|(_, units)| units).sum();
        let price = day.and_then(|day| price_of_close(book, findings, &shrunk.key, day, missing));
        let result = price.map_or_else(
            || "what it realised is not known until somebody tells its price (`ordergate price`)".to_owned(),
            |price| format!("priced at {price}"),
        );
        let result = match day.filter(|day| *day < today.date) {
            Some(day) => format!("it was intraday, so it ended on {day} and counts there; {result}"),
            None => result,
        };
        let works = |order: &Arc<OrderRecord>| {
            format!("{} {} (order {})", order.ask.side.map_or("", Side::as_str), order.unfilled(), order.command_id)
        };
        let rest: Vec<String> = shrunk.rest.iter().filter(|order| order.cancel_wanted.is_none()).map(works).collect();
        let rest = if rest.is_empty() { String::new() } else { format!("; of ours there worked {}", rest.join(", ")) };
        let reason = format!(
            "our fills say {} in {}, the broker shows {}: closed or reduced elsewhere ({by}); {result}{rest}",
            shrunk.ours, shrunk.key, shrunk.at_broker
        );
        let mut posted = Vec::new();
        for ((strategy, units), earlier) in reductions.into_iter().zip(ends) {
            let is_flat = units >= book.held(&strategy, &shrunk.key).net.abs();
            let idle = if is_flat { exits_of_nothing(book, &strategy, &shrunk.key) } else { Vec::new() };
            let key = shrunk.key.clone();
            let reason = Arc::from(reason.as_str());
            let unit = Unit::Reduce { client_id: client_id.clone(), strategy, key, units, price, earlier, reason };
            posted.push(Posted { unit, cargo: Cargo::None });
            posted.extend(idle.into_iter().map(|command_id| {
                let reason = format!("what it would close in {} was closed elsewhere", shrunk.key);
                let fact = OrderFact::CancelWanted { tag: Tag::NoPosition, reason };
                let unit = OrderUnit { client_id: client_id.clone(), command_id, fact, who: Arc::from(Self::NAME) };
                Posted { unit: Unit::Order(unit), cargo: Cargo::None }
            }));
        }
        (posted, reason)
    }

    fn today(&self, now: DateTime<Utc>) -> Today {
        Today { date: trading_date(now), ends: self.line.calendar.holds(self.desk.broker.capabilities().is_live) }
    }

    fn force_clear(&self, message: ForceClear, now: DateTime<Utc>) {
        let ForceClear { strategy, part, reason, replies } = message;
        let today = self.today(now);
        let units = |key: &HoldingKey, held: i64| match &part {
            Some((wanted, most)) => (wanted == key).then(|| held.min(most.value())),
            None => Some(held),
        };
        let held: Vec<(HoldingKey, i64, Option<Earlier>)> = self
            .line
            .view
            .read(&self.desk.client_id, |book| {
                book.holdings_of(&strategy)
                    .filter_map(|(key, held)| Some((key.clone(), units(key, held.net.abs())?, earlier::ended(book, &strategy, key, today))))
                    .collect()
            })
            .unwrap_or_default();
        let mut replies = replies.into_iter();
        let posted = held
            .into_iter()
            .map(|(key, units, earlier)| Posted {
                unit: Unit::Reduce {
                    client_id: self.desk.client_id.clone(),
                    strategy: strategy.clone(),
                    key,
                    units,
                    price: None,
                    earlier,
                    reason: Arc::from(reason.as_str()),
                },
                cargo: replies.next().map_or(Cargo::None, Cargo::Done),
            })
            .collect();
        self.line.post(posted);
    }
}

impl Actor for GuardActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.line.enter(ctx);
        self.shrunk.clear();
        self.not_shown.clear();
    }
}

impl Supervised for GuardActor {}

impl Shell for GuardActor {
    const NAME: &'static str = "GuardActor";
    fn line(&self) -> &Arc<Line> {
        &self.line
    }
    fn client_id(&self) -> Option<&ClientId> {
        Some(&self.desk.client_id)
    }
    fn drop_core(&mut self) {
        self.shrunk.clear();
        self.not_shown.clear();
    }
}

impl Handler<Admit> for GuardActor {
    type Result = ();
    fn handle(&mut self, message: Admit, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| actor.admit(message.group, now));
    }
}

impl Handler<PositionsRead> for GuardActor {
    type Result = ();
    fn handle(&mut self, _: PositionsRead, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, _| actor.reconcile());
    }
}

impl Handler<ForceClear> for GuardActor {
    type Result = ();
    fn handle(&mut self, message: ForceClear, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| actor.force_clear(message, now));
    }
}

impl Handler<AdmitChange> for GuardActor {
    type Result = ();
    fn handle(&mut self, message: AdmitChange, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, _| actor.admit_change(message));
    }
}
