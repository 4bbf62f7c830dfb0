//! IngressActor: normalises, validates and registers every order, and starts it down the line.
//!
//! What arrives is on disk before anybody acts on it. A leg that is not valid is registered as well, as FAILED.

pub mod naming;

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, Supervised};
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use crate::exits::{largest_exit, slices};
use crate::line::{Desk, Line, Phase};
use crate::order::validate::{self, Bounds};
use crate::order::{
    Ask, BasketId, ClientId, CommandId, InstrumentKey, Intent, LegDraft, MAX_ORDERS, OrderRecord, Policy, Product, Quantity, Side,
    SignalDraft, Strategy, Tag, basket, clean, trading_date,
};
use crate::persistence::{Answer, Cargo, Keep, KeepOver, Level, NewOrder, NotRegistered, Permit, Posted, Registered, Registration, Unit};
use crate::plan::{BasketPlan, Plan};
use crate::ports::Naming;
use crate::risk::Assess;
use crate::supervision::{Shell, guarded};

/// Register this signal and start its orders. The permits were taken by the caller, one a leg. The answer comes when
/// every order is decided; dropped after a panic (the caller reads the record).
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Submit {
    /// What arrived.
    pub draft: SignalDraft,
    /// One a leg.
    pub permits: Vec<Permit>,
    /// The rule whose exit it is: that it has fired is written in the same step.
    pub fired: Option<KeepOver>,
    /// The caller.
    pub reply: oneshot::Sender<Result<Answer, NotRegistered>>,
}

/// These orders are on disk. Sent by PersistenceActor, after the commit.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Start {
    /// The account.
    pub client_id: ClientId,
    /// The orders of one basket, in the order in which they go.
    pub registered: Vec<Registered>,
}

/// The orders that a leg becomes.
#[derive(Debug, Default)]
struct Slices {
    orders: Vec<LegDraft>,
    /// Whether they are for all of it.
    is_whole: bool,
}

/// Turns drafts into registrations.
#[derive(Debug)]
pub struct IngressActor {
    line: Arc<Line>,
}

impl IngressActor {
    /// The actor of the process.
    #[must_use]
    pub fn new(line: Arc<Line>) -> Self {
        Self { line }
    }

    fn submit(&mut self, message: Submit) {
        let Submit { draft, permits, fired, reply } = message;
        let Some(desk) = self.line.desk(&draft.client_id) else {
            let _gone = reply.send(Err(NotRegistered::Closed(format!("there is no account {}", draft.client_id))));
            return;
        };
        if desk.phase() == Phase::Closing {
            let _gone = reply.send(Err(NotRegistered::Closed("ordergate is stopping".to_owned())));
            return;
        }
        let (draft, permits) = self.sliced(draft, permits, desk);
        let legs = self.read_legs(&draft, permits);
        let basket_id = BasketId(self.line.ids.next());
        let plan = plan(&draft, basket_id, &legs);
        let registration = Registration {
            client_id: draft.client_id,
            signal_id: draft.signal_id,
            basket_id,
            source: draft.source,
            user: Arc::from(draft.user),
            key: draft.idempotency_key,
            body_hash: draft.body_hash,
            replay_window_ms: draft.replay_window_ms,
            received_at: draft.received_at,
            // A signal ages from when it was made; without a word about that, from when it came.
            signal_time: draft.signal_time.unwrap_or(draft.received_at),
            legs,
            fired,
            plan,
        };
        self.line.post(vec![Posted { unit: Unit::Register(Box::new(registration)), cargo: Cargo::Caller(reply) }]);
    }

    /// What closes more than the exchange takes in one order becomes several: the first in its leg's place, the others behind all legs,
    /// so that every leg keeps its number. What [`MAX_ORDERS`] do not reach is a person's, and pages.
    fn sliced(&self, mut draft: SignalDraft, mut permits: Vec<Permit>, desk: &Desk) -> (SignalDraft, Vec<Permit>) {
        let mut more = Vec::new();
        for leg in &mut draft.legs {
            let Slices { orders, mut is_whole } = self.slices_of(&draft.client_id, leg);
            let mut orders = orders.into_iter();
            let Some(first) = orders.next() else { continue };
            for order in orders {
                if permits.len() >= MAX_ORDERS {
                    is_whole = false;
                    break;
                }
                permits.push(desk.admission.force());
                more.push(order);
            }
            *leg = first;
            if !is_whole {
                let (strategy, symbol) = (leg.strategy.as_deref().unwrap_or("default"), leg.symbol.as_deref().unwrap_or("?"));
                let text =
                    format!("an exit of {strategy} in {symbol} needs more orders than one signal may have: send another exit for the rest");
                self.line.alarm(Some(&draft.client_id), "ALARM_EXIT_CUT", Level::Page, None, clean(&text, 300));
            }
        }
        draft.legs.extend(more);
        (draft, permits)
    }

    /// The orders that an exit, or a target of flat, becomes; none where it is one. Where all is to be left each is the same wish: the
    /// second is sized, or aimed, when the first is at the broker, and is for what is left then. So nothing that fills meanwhile stays.
    fn slices_of(&self, client_id: &ClientId, leg: &LegDraft) -> Slices {
        let intent = leg.execution_type.as_deref().and_then(|text| Intent::parse(text.trim()));
        let is_flat = intent == Some(Intent::Target) && leg.only_closes() && leg.test_mode.is_none() && leg.blocked.is_none();
        if (intent != Some(Intent::Exit) && !is_flat) || !leg.unreadable.is_empty() {
            return Slices::default();
        }
        let named = naming::name(&self.line, client_id, leg, self.line.clock.now());
        let Some(found) = named.instrument else { return Slices::default() };
        let today = trading_date(self.line.clock.now());
        let largest = |strategy: &Strategy| self.line.view.read(client_id, |book| largest_exit(&found, strategy, book, today)).flatten();
        let Some(largest) = owner(leg).and_then(|strategy| largest(&strategy)) else { return Slices::default() };
        let asked = leg.quantity.as_deref().map(str::trim).filter(|text| !text.is_empty() && !is_flat);
        let units = match asked.map(Quantity::parse) {
            Some(Ok(asked)) => asked.value(),
            Some(Err(_)) => return Slices::default(),
            None => self.to_close(client_id, leg, &found.key),
        };
        if units <= largest {
            return Slices::default();
        }
        let sizes = slices(units, Some(largest));
        let is_whole = sizes.iter().map(|size| size.value()).sum::<i64>() == units;
        let of = |size: Quantity| asked.map(|_| size.to_string()).or_else(|| leg.quantity.clone());
        let one = |size: Quantity| LegDraft { quantity: of(size), ..leg.clone() };
        Slices { orders: sizes.into_iter().map(one).collect(), is_whole }
    }

    /// Units that the strategy of an exit holds there, and what its entries have filled or may fill yet; 0 where the exit does not say
    /// which of several positions it means.
    fn to_close(&self, client_id: &ClientId, leg: &LegDraft, key: &InstrumentKey) -> i64 {
        let Some(strategy) = owner(leg) else { return 0 };
        let product = leg.product.as_deref().and_then(|text| Product::parse(text.trim()));
        let units = self.line.view.read(client_id, |book| {
            let fits = book.holdings_of(&strategy).filter(|(held, _)| held.instrument == *key);
            let nets: Vec<i64> =
                fits.filter(|(held, _)| product.is_none_or(|product| product == held.product)).map(|(_, held)| held.net).collect();
            let [net] = nets[..] else { return 0 };
            let adds =
                |order: &OrderRecord| order.is_for(key) && order.ask.side == Side::of_net(net) && !order.is_exit() && !order.is_test();
            let open: i64 = book.open_of(&strategy).filter(|order| adds(order)).map(|order| order.unfilled()).sum();
            let owed = book.owed_of(&strategy).filter(|order| adds(order));
            net.abs() + open + owed.map(|order| order.filled_quantity - order.traded_quantity).sum::<i64>()
        });
        units.unwrap_or(0)
    }

    /// Reads every leg, in the order in which they will go, and decides those that are not valid. A basket's entries
    /// stand and fall together: a hedge that cannot be read must not leave its short alone.
    fn read_legs(&self, draft: &SignalDraft, permits: Vec<Permit>) -> Vec<NewOrder> {
        let now = self.line.clock.now();
        let mut legs: Vec<NewOrder> = draft
            .legs
            .iter()
            .zip(permits)
            .enumerate()
            .map(|(index, (leg, permit))| {
                let ReadLeg { ask, refused, naming } = read_leg(&self.line, &draft.client_id, leg, now);
                NewOrder {
                    command_id: CommandId(self.line.ids.next()),
                    leg: u16::try_from(index).unwrap_or(u16::MAX),
                    ask,
                    refused,
                    sent: sent_text(leg),
                    naming,
                    parent: leg.parent,
                    permit,
                }
            })
            .collect();
        let policies: Vec<Option<Policy>> = draft.legs.iter().map(validate::policy).collect();
        if policies.windows(2).any(|pair| pair[0] != pair[1]) {
            for leg in legs.iter_mut().filter(|leg| leg.refused.is_none()) {
                leg.refused = Some((Tag::ValidationFailed, "policy: the legs of one signal have one policy".to_owned()));
            }
        }
        if policies.first().copied().flatten() != Some(Policy::BestEffort) {
            refuse_siblings(&mut legs);
        }
        legs.sort_by_key(|leg| {
            let intent = if leg.ask.is_exit() { Some(Intent::Exit) } else { leg.ask.intent };
            basket::rank(intent, leg.ask.leaning().or_else(|| self.closing_side(&draft.client_id, leg)))
        });
        legs
    }

    /// The side of an exit that names none: what the strategy holds decides.
    fn closing_side(&self, client_id: &ClientId, leg: &NewOrder) -> Option<Side> {
        let exchange = leg.ask.exchange?;
        self.line
            .view
            .read(client_id, |book| {
                let held = book
                    .holdings_of(&leg.ask.strategy)
                    .find(|(key, _)| key.instrument.exchange == exchange && *key.instrument.symbol == *leg.ask.symbol);
                held.and_then(|(_, holding)| Side::of_net(holding.net)).map(Side::opposite)
            })
            .flatten()
    }
}

/// Whose the position of a leg is; `None`: that cannot be read.
fn owner(leg: &LegDraft) -> Option<Strategy> {
    let name = leg.strategy.as_deref().map(str::trim).filter(|text| !text.is_empty()).unwrap_or("default");
    Strategy::parse(name).ok()
}

/// A leg as it was read.
#[derive(Debug)]
pub(crate) struct ReadLeg {
    /// What could be read of it.
    pub ask: Ask,
    /// Why it goes no further, if so.
    pub refused: Option<(Tag, String)>,
    /// How its instrument's name was read, where it was not the broker's own.
    pub naming: Option<Naming>,
}

/// Reads one leg against today's instruments: for a registration, and for an explanation of what one would do.
pub(crate) fn read_leg(line: &Line, client_id: &ClientId, leg: &LegDraft, now: DateTime<Utc>) -> ReadLeg {
    let bounds = Bounds { max_notional: line.settings.max_notional };
    let named = naming::name(line, client_id, leg, now);
    let reading = validate::read_named(&named.leg, named.instrument.as_deref(), named.refused.as_ref(), &bounds);
    let refused = (!reading.violations.is_empty()).then(|| {
        let words: Vec<String> = reading.violations.iter().map(ToString::to_string).collect();
        // That nothing is held says all there is to say about an exit.
        let held_nothing = named.refused.filter(|(tag, _)| matches!(tag, Tag::NoPosition | Tag::AtTarget));
        held_nothing.unwrap_or_else(|| (Tag::ValidationFailed, words.join("; ")))
    });
    // What was decided before says more than what is wrong with the fields.
    let refused = leg.blocked.as_ref().map(|blocked| (blocked.tag, blocked.reason.clone())).or(refused);
    ReadLeg { ask: reading.ask, refused, naming: named.naming }
}

/// The plan of a basket with a policy, unless none of it goes anywhere.
fn plan(draft: &SignalDraft, basket_id: BasketId, legs: &[NewOrder]) -> Option<Keep> {
    let policy = draft.legs.iter().find_map(validate::policy)?;
    let member = legs.iter().find(|leg| leg.refused.is_none())?.command_id;
    let reason = format!("a basket of {} legs goes by {policy}", legs.len());
    let plan = Plan::Basket(BasketPlan { policy, member });
    plan.begin(&draft.client_id, Plan::slot_of_basket(basket_id), member, &draft.user, reason)
}

fn refuse_siblings(legs: &mut [NewOrder]) {
    let Some(cause) = legs.iter().find(|leg| leg.refused.is_some() && !leg.ask.is_exit()).map(|leg| leg.leg) else {
        return;
    };
    for leg in legs.iter_mut().filter(|leg| leg.refused.is_none() && !leg.ask.is_exit()) {
        leg.refused =
            Some((Tag::ValidationFailed, format!("leg {} of this basket is not valid, and entries of a basket go together", cause + 1)));
    }
}

fn sent_text(leg: &LegDraft) -> String {
    serde_json::to_string(leg).unwrap_or_else(|_| "{}".to_owned())
}

impl Actor for IngressActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.line.enter(ctx);
    }
}

impl Supervised for IngressActor {}

impl Shell for IngressActor {
    const NAME: &'static str = "IngressActor";
    fn line(&self) -> &Arc<Line> {
        &self.line
    }
    fn drop_core(&mut self) {}
}

impl Handler<Submit> for IngressActor {
    type Result = ();
    fn handle(&mut self, message: Submit, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, _| actor.submit(message));
    }
}

impl Handler<Start> for IngressActor {
    type Result = ();
    fn handle(&mut self, message: Start, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, _| {
            actor.line.tell_risk(&message.client_id, Assess { group: message.registered });
        });
    }
}
