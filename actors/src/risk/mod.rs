//! RiskActor: may we? Limits, kill level, age, session, blindness; and how much an exit may close.
//!
//! It judges against the committed book, so it keeps nothing but the orders that wait: an exit until the broker's
//! positions include our last fill, a market entry until a quote was asked for where the broker takes no market orders, everything while the desk recovers. *Invariant:* an exit is never refused for a limit.

mod act;
mod book;
mod change;
mod day;
mod excess;
mod exit;
mod halt;
mod known;
mod limits;
mod projected;
mod quotes;
mod result;
mod rules;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler, Message, Supervised};
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

pub(crate) use book::whole_terms;
pub use book::{Judgement, judge, verdicts};
pub use change::{Change, ChangeAnswer};
pub use day::{Happening, Hit, RiskDay};
pub use exit::{ExitSize, largest_total, size};
pub use halt::{Halt, Rearmed};
pub use known::{Known, day_slot};
pub use limits::{DayLimits, LimitName, Override};
pub use projected::{Projected, Scene, project};
pub use quotes::QuoteCame;
pub use result::{DayResult, broker_pnl};
pub use rules::{Checked, Inputs, Market, Unquoted, is_master_fresh};

use crate::arming::{ArmMode, Mode};
use crate::guard::{Admit, AdmitChange};
use crate::line::{Desk, Line};
use crate::order::{BrokerOrderId, ClientId, CommandId, GateVerdict, HoldingKey, InstrumentKey, OrderFact, OrderRecord, Side, Tag, Terms};
use crate::persistence::{Book, Cargo, ControlChange, Level, OrderUnit, Posted, Registered, Unit};
use crate::plan::{Aim, Plan, Shot};
use crate::supervision::{Shell, at_hand, guarded};

/// May these go? Sent by IngressActor for a new basket, and by WatcherActor for an order whose token was lost.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Assess {
    /// The orders of one basket.
    pub group: Vec<Registered>,
}

/// May this working order be changed like that? Sent for a person; the answer says whether it is on its way.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AssessChange {
    /// The wish.
    pub change: Change,
    /// The caller.
    pub reply: oneshot::Sender<ChangeAnswer>,
}

/// Something that waiting orders may have waited for has changed. Sent by WatcherActor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LookAgain;

/// An order that risk has cleared, with the terms that it settled. Made here and nowhere else.
#[derive(Debug)]
#[must_use = "a dropped token makes its order an orphan"]
pub struct RiskCleared {
    registered: Registered,
    terms: Terms,
    gates: Vec<GateVerdict>,
    note: Option<String>,
}

impl RiskCleared {
    /// The committed row.
    #[must_use]
    pub fn record(&self) -> &Arc<OrderRecord> {
        self.registered.record()
    }

    /// The settled order.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What risk said, rule by rule.
    #[must_use]
    pub fn gates(&self) -> &[GateVerdict] {
        &self.gates
    }

    /// What a person should hear of it.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    pub(crate) fn into_registered(self) -> (Registered, Vec<GateVerdict>) {
        (self.registered, self.gates)
    }

    pub(crate) fn decided(&mut self) {
        self.registered.decided();
    }
}

/// The day's result and the positions are held against their limits at least so often, also when no order moves.
const DAY_EVERY: std::time::Duration = std::time::Duration::from_secs(5);

/// The orders that wait, by the basket that they came with.
#[derive(Debug, Default)]
struct Waiting {
    groups: BTreeMap<u64, (Vec<Registered>, DateTime<Utc>, bool)>,
}

/// The gate for limits.
#[derive(Debug)]
pub struct RiskActor {
    line: Arc<Line>,
    desk: Arc<Desk>,
    waiting: Waiting,
    was_armed: bool,
    /// What is kept of risk, as last read from the book; made anew after a restart.
    known: Known,
    /// Positions over their limit: how often they were made smaller, and when they may be again.
    over: BTreeMap<HoldingKey, (u32, DateTime<Utc>)>,
    /// Orders of others after a breach, that people were told of.
    manual: BTreeSet<BrokerOrderId>,
}

impl RiskActor {
    /// The actor of one account.
    #[must_use]
    pub fn new(line: Arc<Line>, desk: Arc<Desk>) -> Self {
        Self {
            line,
            desk,
            waiting: Waiting::default(),
            was_armed: true,
            known: Known::default(),
            over: BTreeMap::new(),
            manual: BTreeSet::new(),
        }
    }

    pub(crate) fn judge_one(&mut self, order: &OrderRecord, now: DateTime<Utc>, missing: Option<&QuoteCame>) -> Judgement {
        let Some(instrument) = order.instrument() else {
            return Judgement::Refuse { tag: Tag::ValidationFailed, reason: "exchange must be given".into(), gates: Vec::new() };
        };
        let phase = self.desk.phase();
        let judged = self.look(order, &instrument, now, missing, |inputs| judge(inputs, phase));
        // What is held must be closed: without the broker's number of the instrument it cannot be, until a master has it.
        let is_unknown = || self.line.instruments.find(&instrument).is_none();
        if matches!(judged, Some(Judgement::Clear { .. })) && order.is_exit() && !order.is_test() && is_unknown() {
            return Judgement::Wait { reason: format!("{instrument} is held, but it is not in today's instrument master") };
        }
        judged.unwrap_or_else(|| Judgement::Refuse {
            tag: Tag::EngineFault,
            reason: format!("there is no book for {}", self.desk.client_id),
            gates: Vec::new(),
        })
    }

    /// What every rule says of an order, whatever comes of it.
    pub(crate) fn verdicts(&mut self, order: &OrderRecord, now: DateTime<Utc>) -> Vec<GateVerdict> {
        let Some(instrument) = order.instrument() else { return Vec::new() };
        self.look(order, &instrument, now, None, verdicts).unwrap_or_default()
    }

    /// Looks at everything that a rule may look at.
    fn look<R>(
        &mut self,
        order: &OrderRecord,
        instrument: &InstrumentKey,
        now: DateTime<Utc>,
        missing: Option<&QuoteCame>,
        look: impl FnOnce(&Inputs<'_>) -> R,
    ) -> Option<R> {
        let latched = self.desk.latch.forbids(&order.ask.strategy, order.is_exit());
        let standing = self.desk.standing(now);
        let max_age = chrono::Duration::from_std(self.desk.settings.waits.quote_max_age).unwrap_or(chrono::Duration::MAX);
        let newest = self.line.newest_quote(&self.desk, instrument);
        let quote = newest.filter(|quote| now.signed_duration_since(quote.at) <= max_age);
        let unquoted = match missing.filter(|came| came.key == *instrument) {
            _ if self.desk.broker.capabilities().takes_market_orders => Unquoted::Refuse,
            Some(came) => Unquoted::Missing(came.missing.as_deref().unwrap_or("the one that came is too old")),
            None => Unquoted::Ask,
        };
        let is_live = self.desk.broker.capabilities().is_live;
        let market = Market::of(&self.line.calendar, &*self.line.instruments, instrument, is_live, now);
        let findings = self.desk.findings.read();
        let found = self.line.instruments.find(instrument);
        let (line, desk, known) = (&self.line, &self.desk, &mut self.known);
        let settings = &desk.settings.limits;
        let touch = |key: &InstrumentKey, side: Side| {
            let quote = line.newest_quote(desk, key)?;
            Some(if side == Side::Buy { quote.ask } else { quote.bid }.unwrap_or(quote.last))
        };
        line.view.read(&desk.client_id, |book| {
            known.follow(book, settings, now);
            let limits = known.limits(settings, now);
            let result = known.result(book, &findings, now);
            let scene = Scene {
                order,
                instrument,
                found: found.as_deref(),
                book,
                findings: &findings,
                instruments: &*line.instruments,
                touch: &touch,
                unknown_value: limits.max_order_value,
                now,
            };
            let inputs = Inputs {
                order,
                instrument,
                largest: found.as_ref().and_then(|found| found.max_quantity()),
                book,
                findings: &findings,
                found: found.as_deref(),
                account: &desk.settings,
                limits: &limits,
                day: &known.day(settings, now),
                result,
                projected: &project(&scene),
                halt: known.halt(&order.ask.strategy),
                settings: &line.settings,
                latched: latched.as_deref(),
                standing: &standing,
                quote: quote.as_ref(),
                unquoted,
                low_disk: line.disk_is_low(),
                clock_behind: line.clock_is_behind(now),
                master: line.instruments.as_of_row(instrument),
                is_live,
                market: &market,
                now,
            };
            look(&inputs)
        })
    }

    fn has_ended(&self, command_id: CommandId) -> bool {
        let ended = |book: &Book| book.order(command_id).is_some_and(|order| order.status.is_terminal());
        self.line.view.read(&self.desk.client_id, ended).unwrap_or(false)
    }

    /// The row as it stands: what it is for may have been settled since its token was made.
    fn renewed(&self, mut registered: Registered) -> Registered {
        let command_id = registered.record().command_id;
        if let Some(newest) = self.line.view.read(&self.desk.client_id, |book| book.order(command_id).cloned()).flatten() {
            registered.renew(&newest);
        }
        registered
    }

    fn aimed(&self, order: &OrderRecord, shot: Shot) -> Unit {
        let Shot { intent, side, quantity, product, reason } = shot;
        let fact = OrderFact::Aimed { intent, side, quantity, product, reason };
        self.fact(order.command_id, fact)
    }

    fn fact(&self, command_id: CommandId, fact: OrderFact) -> Unit {
        Unit::Order(OrderUnit { client_id: self.desk.client_id.clone(), command_id, fact, who: Arc::from(Self::NAME) })
    }

    /// What comes before an order can be aimed. Each look asks for it again until it is so; the second time changes nothing.
    fn take_step(&self, order: &OrderRecord, step: Aim) {
        match step {
            Aim::Clear(orders, why) => {
                for command_id in orders {
                    let reason = format!("{why}; order {} wants another position", order.command_id);
                    self.line.post_unit(self.fact(command_id, OrderFact::CancelWanted { tag: Tag::Superseded, reason }));
                }
            }
            Aim::Reverse(reverse, reason) => {
                let slot = Plan::slot_of(order.command_id);
                let unit = Plan::Reverse(reverse).begin(&self.desk.client_id, slot, order.command_id, Self::NAME, reason);
                unit.into_iter().for_each(|keep| self.line.post_unit(Unit::Keep(keep)));
            }
            Aim::Go(_) | Aim::End(..) | Aim::Wait(_) => {}
        }
    }

    /// Judges a basket: its entries stand and fall together, its exits go on by themselves.
    /// `missing`: the quote that was asked for just now, should it be wanting.
    fn assess(&mut self, group: Vec<Registered>, now: DateTime<Utc>, since: DateTime<Utc>, was_paged: bool, missing: Option<&QuoteCame>) {
        let mut judged: Vec<(Registered, Judgement)> = Vec::with_capacity(group.len());
        for registered in group {
            at_hand(&self.desk.client_id, registered.record().command_id);
            // A cancel may have overtaken an order that waits: it has ended, and nothing waits for it any more.
            if self.has_ended(registered.record().command_id) {
                registered.into_ticket().finish_ended();
                continue;
            }
            let registered = self.renewed(registered);
            let judgement = self.judge_one(registered.record(), now, missing);
            judged.push((registered, judgement));
        }
        self.make_way(&judged);
        self.halt_who_storms(&judged, now);
        let stands_alone = judged.first().is_some_and(|(registered, _)| self.line.stands_alone(registered.record()));
        let sibling = judged.iter().find_map(|(registered, judgement)| match judgement {
            Judgement::Refuse { tag, reason, .. } if !registered.record().is_exit() && !stands_alone => Some((
                registered.record().command_id,
                *tag,
                format!("leg {} of this basket was refused: {reason}", registered.record().leg + 1),
            )),
            _ => None,
        });
        let entries_wait = judged.iter().any(|(registered, judgement)| {
            !registered.record().is_exit()
                && !stands_alone
                && matches!(judgement, Judgement::Wait { .. } | Judgement::Step(_) | Judgement::Quote | Judgement::Ask { .. })
        });
        if sibling.is_none() {
            self.ask_for_a_yes(&judged, now);
            self.ask_for_quotes(&judged);
        }
        let (mut cleared, mut waiting, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (mut registered, judgement) in judged {
            let is_entry = !registered.record().is_exit();
            match (judgement, &sibling) {
                (Judgement::Refuse { tag, reason, gates }, _) => refused.push(refusal(registered, tag, reason, gates)),
                (Judgement::Clear { gates, .. }, Some((_, tag, reason))) if is_entry => {
                    refused.push(refusal(registered, *tag, reason.clone(), gates))
                }
                (Judgement::End { tag, reason }, _) => refused.push(refusal(registered, tag, reason, Vec::new())),
                (
                    Judgement::Wait { .. } | Judgement::Held { .. } | Judgement::Step(_) | Judgement::Quote | Judgement::Ask { .. },
                    Some((_, tag, reason)),
                ) if is_entry => refused.push(refusal(registered, *tag, reason.clone(), Vec::new())),
                // What it becomes is on disk within a moment, and then it is judged: its caller goes on waiting for that.
                (Judgement::Step(Aim::Go(shot)), _) => {
                    self.line.post_unit(self.aimed(registered.record(), shot));
                    waiting.push(registered);
                }
                (Judgement::Step(step), _) => {
                    self.take_step(registered.record(), step);
                    registered.decided();
                    waiting.push(registered);
                }
                (Judgement::Clear { .. }, None) if is_entry && entries_wait => waiting.push(registered),
                (Judgement::Clear { terms, gates, note }, _) => cleared.push(RiskCleared { registered, terms, gates, note }),
                // Its caller goes on waiting: a quote comes within a moment, or does not.
                (Judgement::Quote, _) => waiting.push(registered),
                (
                    Judgement::Wait { reason } | Judgement::Held { reason } | Judgement::MakeWay { reason, .. } | Judgement::Ask { reason },
                    _,
                ) => {
                    // The caller hears that it is on disk and waits; said once, not at every look.
                    if since == now {
                        let command_id = registered.record().command_id;
                        tracing::info!(event = "order_waits", client_id = %self.desk.client_id, %command_id, "{reason}");
                    }
                    registered.decided();
                    waiting.push(registered);
                }
            }
        }
        if !refused.is_empty() {
            self.line.post(refused);
        }
        if !cleared.is_empty() {
            self.line.tell_guard(&self.desk.client_id, Admit { group: cleared });
        }
        if let Some(first) = waiting.first() {
            let number = first.record().number;
            self.waiting.groups.insert(number, (waiting, since, was_paged));
        }
    }

    /// A basket whose every entry could go, but for a person's yes, is put before a person: durably, and once.
    fn ask_for_a_yes(&self, judged: &[(Registered, Judgement)], now: DateTime<Utc>) {
        let mut entries = judged.iter().filter(|(registered, _)| !registered.record().is_exit()).peekable();
        let Some((first, _)) = entries.peek() else { return };
        let record = Arc::clone(first.record());
        // A leg that waits for something else keeps the whole basket from being shown: it may yet be refused.
        let are_all_judged =
            entries.all(|(_, judgement)| !matches!(judgement, Judgement::Wait { .. } | Judgement::Step(_) | Judgement::Quote));
        let is_asked = judged.iter().any(|(_, judgement)| matches!(judgement, Judgement::Ask { .. }));
        let was_asked =
            self.line.view.read(&self.desk.client_id, |book| book.control().approvals.contains_key(&record.basket_id)).unwrap_or(true);
        if !are_all_judged || !is_asked || was_asked {
            return;
        }
        let limit = chrono::Duration::from_std(self.desk.settings.arming.approval_limit).unwrap_or(chrono::Duration::MAX);
        let until = now.checked_add_signed(limit).unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.line.post_unit(Unit::Control {
            client_id: self.desk.client_id.clone(),
            change: ControlChange::AskApproval { basket: record.basket_id, until },
            who: Arc::from(Self::NAME),
            reason: Arc::from(format!("{} {} waits for a yes", record.ask.strategy, record.ask.symbol)),
        });
    }

    /// Said once: an account that was armed, and is not any more, without a person having disarmed it.
    fn watch_the_arming(&mut self, now: DateTime<Utc>) {
        let standing = self.desk.standing(now);
        let is_armed = standing.mode != Mode::LiveDisarmed;
        let was_asked_for = self.desk.latch.with_arming(|arming| arming.mode != ArmMode::Disarmed);
        if std::mem::replace(&mut self.was_armed, is_armed) && !is_armed && was_asked_for {
            let text = format!("entries are refused from now on: {}; exits go on", standing.why);
            self.line.alarm(Some(&self.desk.client_id), "ALARM_DISARMED", Level::Warn, None, text);
        }
    }

    /// A change is judged as the order would be with its new terms; what an exit may close bounds its new quantity.
    fn assess_change(&mut self, change: &Change, now: DateTime<Utc>) -> Result<crate::ports::Modification, String> {
        at_hand(&self.desk.client_id, change.command_id);
        let record = self.line.view.read(&self.desk.client_id, |book| book.order(change.command_id).cloned()).flatten();
        let Some(record) = record else { return Err("there is no such open order".to_owned()) };
        let instrument = record.instrument().and_then(|key| self.line.instruments.find(&key));
        let modification = change::modification(&record, instrument, change, self.desk.broker.capabilities().can_modify)?;
        if let Some(reason) = crate::broker::worn_out(&record, self.desk.broker.capabilities().max_modifications) {
            return Err(reason);
        }
        let grows = modification.terms.quantity.value() > record.quantity();
        if record.is_exit() && grows && !record.is_resting_stop() {
            return Err("an exit can be made smaller, not larger; send another exit for more".to_owned());
        }
        if record.is_exit()
            && grows
            && let Some(reason) = self.crowds(&record, &modification.terms)
        {
            return Err(reason);
        }
        let mut would_be = (*record).clone();
        would_be.ask.quantity = Some(modification.terms.quantity);
        would_be.ask.price = modification.terms.price;
        would_be.ask.trigger_price = modification.terms.trigger_price;
        // The wish is made now: its own age counts, not that of the signal that placed the order.
        would_be.signal_time = now;
        if record.is_exit() {
            return match self.desk.latch.forbids(&record.ask.strategy, true) {
                Some(reason) => Err(reason),
                None => Ok(modification),
            };
        }
        match self.judge_one(&would_be, now, None) {
            // A change is made by a person: that is the yes.
            Judgement::Clear { .. } | Judgement::Ask { .. } => Ok(modification),
            Judgement::Refuse { reason, .. }
            | Judgement::Wait { reason }
            | Judgement::Held { reason }
            | Judgement::MakeWay { reason, .. } => Err(reason),
            Judgement::Step(_) | Judgement::End { .. } => Err("it is not settled yet what will be sent for it".to_owned()),
            Judgement::Quote => Err("there is no fresh quote to judge its value by; ask again".to_owned()),
        }
    }

    /// Why an exit may not be made so large, if so (INV-6).
    fn crowds(&self, record: &OrderRecord, terms: &Terms) -> Option<String> {
        let findings = self.desk.findings.read();
        let most = self.line.view.read(&self.desk.client_id, |book| largest_total(record, book, &findings)).unwrap_or(0);
        let asked = terms.quantity.value();
        (asked > most).then(|| format!("it may be for {most} at the most, not {asked}: what is held, less what other exits claim"))
    }

    fn look_again(&mut self, now: DateTime<Utc>) {
        for (_, (group, since, was_paged)) in std::mem::take(&mut self.waiting.groups) {
            self.assess(group, now, since, was_paged, None);
        }
    }

    fn tick(&mut self, now: DateTime<Utc>) {
        self.watch_the_arming(now);
        self.look_after_the_day(now);
        self.look_again(now);
        let patience = chrono::Duration::from_std(self.desk.settings.waits.exit_wait_page).unwrap_or(chrono::Duration::MAX);
        let mut pages = Vec::new();
        for (group, since, was_paged) in self.waiting.groups.values_mut() {
            let exit = group.iter().find(|registered| registered.record().is_exit());
            if let Some(exit) = exit.filter(|_| !*was_paged && now.signed_duration_since(*since) > patience) {
                *was_paged = true;
                pages.push(Arc::clone(exit.record()));
            }
        }
        for record in pages {
            let text = format!(
                "an exit of {} in {} waits since {}, for a broker session, its positions, its instrument master or the market; the position is open",
                record.ask.strategy, record.ask.symbol, record.created_at
            );
            self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_WAITS", Level::Page, Some(record.command_id), text);
        }
    }
}

/// A refusal on its way to the disk; its commit ends the ticket.
pub(crate) fn refusal(registered: Registered, tag: Tag, reason: String, gates: Vec<GateVerdict>) -> Posted {
    let (client_id, command_id) = (registered.record().client_id.clone(), registered.record().command_id);
    let who = Arc::from(crate::supervision::current_actor());
    Posted {
        unit: Unit::Order(OrderUnit { client_id, command_id, fact: OrderFact::Refused { tag, reason, gates }, who }),
        cargo: Cargo::Ticket(registered.into_ticket()),
    }
}

impl Actor for RiskActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.line.enter(ctx);
        self.waiting = Waiting::default();
        self.known = Known::default();
        // The day is looked after also when the books are read rarely.
        ctx.run_interval(self.desk.settings.waits.poll.min(DAY_EVERY), |actor, ctx| {
            guarded(actor, ctx, |actor, _, now| actor.tick(now));
        });
    }
}

impl Supervised for RiskActor {}

impl Shell for RiskActor {
    const NAME: &'static str = "RiskActor";
    fn line(&self) -> &Arc<Line> {
        &self.line
    }
    fn client_id(&self) -> Option<&ClientId> {
        Some(&self.desk.client_id)
    }
    fn drop_core(&mut self) {
        self.waiting = Waiting::default();
        self.known = Known::default();
    }
}

impl Handler<Assess> for RiskActor {
    type Result = ();
    fn handle(&mut self, message: Assess, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| actor.assess(message.group, now, now, false, None));
    }
}

impl Handler<LookAgain> for RiskActor {
    type Result = ();
    fn handle(&mut self, _: LookAgain, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| actor.look_again(now));
    }
}

impl Handler<AssessChange> for RiskActor {
    type Result = ();
    fn handle(&mut self, message: AssessChange, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, now| match actor.assess_change(&message.change, now) {
            Ok(modification) => {
                actor.line.tell_guard(&actor.desk.client_id, AdmitChange { change: message.change, modification, reply: message.reply });
            }
            Err(reason) => {
                let _gone = message.reply.send(ChangeAnswer::Refused(reason));
            }
        });
    }
}
