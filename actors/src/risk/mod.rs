//! RiskActor: may we? Limits, kill level, age, session, blindness; and how much an exit may close.
//!
//! It judges against the committed book, so it keeps nothing but the orders that wait: an exit until the broker's
//! positions include our last fill or are enough for it without that, a market entry until a quote was asked for where the broker takes no market orders, everything while the desk recovers. *Invariant:* an exit is never refused for a limit.

mod act;
mod again;
mod assess;
mod beside;
mod beyond;
mod book;
mod change;
mod cover;
mod day;
mod excess;
mod exit;
mod halt;
mod known;
mod left;
mod limits;
mod manual;
mod margin;
mod others;
mod projected;
mod quotes;
mod read_age;
mod reduce;
mod result;
mod room;
mod rules;
mod shortfall;
mod since;
mod waiting;
mod watch;
mod way;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler, Message, Supervised};
use chrono::{DateTime, NaiveDate, Utc};
use tokio::sync::oneshot;

pub use again::{Again, Otherwise};
pub use assess::RiskCleared;
pub(crate) use assess::refusal;
pub use beside::Beside;
pub(crate) use book::whole_terms;
pub use book::{Judgement, judge, verdicts};
pub use change::{Change, ChangeAnswer};
pub use day::{Happening, Hit, RiskDay};
use excess::Of;
pub use exit::{ExitCase, ExitSize, largest_total, size};
pub use halt::{Halt, Rearmed};
pub use known::{Known, day_slot};
pub use left::{Left, left_by_others};
pub use limits::{DayLimits, LimitName, Override};
pub use margin::{Basis, Needs};
pub use projected::{Projected, Scene, project};
pub use quotes::QuoteCame;
pub use read_age::ReadAge;
pub use result::{Asked, DayOf, DayResult, Figure, Sight, broker_pnl, close_before, own_pnl};
pub use rules::{Checked, Inputs, Market, Unquoted, is_master_fresh};
pub use shortfall::{Lifted, Shortfall};
pub(crate) use watch::can_close;

use crate::arming::{ArmMode, Mode};
use crate::exits::largest_exit;
use crate::guard::AdmitChange;
use crate::line::{Desk, Line};
use crate::order::{BrokerOrderId, ClientId, CommandId, GateVerdict, InstrumentKey, OrderRecord, Side, Tag, trading_date};
use crate::persistence::{Level, Registered};
use crate::supervision::{Shell, guarded};
use reduce::Tried;
use waiting::Waiting;
pub use way::InTheWay;

/// May these go? Sent by PersistenceActor when a basket is on disk, and for an order whose token was lost.
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

/// The day's result and the positions are held against their limits at least so often, also when no order moves.
const DAY_EVERY: std::time::Duration = std::time::Duration::from_secs(5);

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
    over: BTreeMap<Of, Tried>,
    /// Orders of others after the end of a day, that people were told of.
    manual: BTreeSet<BrokerOrderId>,
    /// The day as it was written down last: the commit of that may be under way, or have lost to another.
    noted: Option<RiskDay>,
    /// Entries that exits, and changes of exits, wait for.
    in_the_way: InTheWay,
    /// Exits of what was bought that wait for the short which it covers.
    covers: cover::Covers,
    /// Orders of others that people were told of when an exit went: of which day, and whether that was a page.
    told_others: BTreeSet<(NaiveDate, BrokerOrderId, bool)>,
    /// Exits that went while it was not known whether orders of others close the same.
    untold_others: BTreeSet<CommandId>,
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
            noted: None,
            in_the_way: InTheWay::default(),
            covers: cover::Covers::default(),
            told_others: BTreeSet::new(),
            untold_others: BTreeSet::new(),
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

    /// What an order would take of the money at the broker.
    pub(crate) fn needs(&mut self, order: &OrderRecord, now: DateTime<Utc>) -> Option<Needs> {
        self.look(order, &order.instrument()?, now, None, |inputs| inputs.needs)
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
        let market = Market::of(&self.line.calendar, &*self.line.instruments, instrument, is_live, now, self.line.clock_was_set_back());
        let asked = Asked::at(now, &self.line.calendar, is_live).within(&self.desk.settings);
        let findings = self.desk.findings.read();
        let found = self.line.instruments.find(instrument);
        let (line, desk, known, in_the_way) = (&self.line, &self.desk, &mut self.known, &self.in_the_way);
        let settings = &desk.settings.limits;
        let touch = |key: &InstrumentKey, side: Side| {
            let quote = line.newest_quote(desk, key)?;
            Some(if side == Side::Buy { quote.ask } else { quote.bid }.unwrap_or(quote.last))
        };
        line.view.read(&desk.client_id, |book| {
            known.follow(book, settings, now);
            let limits = known.limits(settings, now);
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
            // No rule of exits looks at these, and an exit is in a hurry.
            let (result, projected) = if order.is_exit() {
                (DayResult::not_asked(), Projected::default())
            } else {
                (known.result(book, &findings, &*line.quotes, asked), project(&scene))
            };
            let inputs = Inputs {
                order,
                instrument,
                largest: found.as_ref().and_then(|found| largest_exit(found, &order.ask.strategy, book, trading_date(now))),
                book,
                findings: &findings,
                found: found.as_deref(),
                account: &desk.settings,
                limits: &limits,
                day: &known.day(settings, now),
                result: &result,
                projected: &projected,
                needs: known.needs(&scene, &projected, &limits),
                halt: known.halt(&order.ask.strategy),
                settings: &line.settings,
                latched: latched.as_deref(),
                standing: &standing,
                quote: quote.as_ref(),
                unquoted,
                low_disk: line.disk_is_low(),
                clock_behind: line.clock_is_behind(now),
                clock_set_back: line.clock_was_set_back(),
                clock_skew: desk.broker.clock_skew(),
                master: line.instruments.as_of_row(instrument),
                is_live,
                market: &market,
                in_the_way,
                now,
            };
            look(&inputs)
        })
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

    fn look_again(&mut self, now: DateTime<Utc>) {
        self.tell_who_closed_too(now);
        for waits in std::mem::take(&mut self.waiting.groups).into_values() {
            self.assess(waits.orders, now, waits.since, waits.is_told, None);
        }
    }

    fn tick(&mut self, now: DateTime<Utc>) {
        self.watch_the_arming(now);
        self.look_after_the_day(now);
        self.look_again(now);
        self.tell_who_waits(now);
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
            if guarded(actor, ctx, |actor, _, now| actor.tick(now)).is_some() {
                ctx.run_later(std::time::Duration::ZERO, |actor, ctx| {
                    guarded(actor, ctx, |actor, _, now| actor.look_for_excess(now));
                });
            }
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
        self.noted = None;
        self.in_the_way = InTheWay::default();
        self.covers = cover::Covers::default();
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
