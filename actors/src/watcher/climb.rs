//! The shell of the ladder: urgent exits that rest are repriced, and a person hears when that does not make them flat.
//!
//! Where an exit stands is a kept state, written before each step is asked for: a restart in the middle goes on from the
//! step that was last written. What the step does to the order goes the way of every change, through risk and guard.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::not_flat::Standing;
use super::{WatcherActor, square_off};
use crate::broker::{WantQuotes, worn_out};
use crate::exits::{
    Cause, Climb, ExitRule, Fired, Halted, Ladder, Refused, Step, Tick, Wish, band_named, carried, carried_to, first_limit, in_lots,
    is_driven, ladder_slot, largest_exit, plan, slices,
};
use crate::ingress::Submit;
use crate::order::{
    CommandId, IdempotencyKey, Instrument, LegDraft, OrderFact, OrderRecord, OrderType, Price, Quantity, Side, SignalId, Source, Status,
    Tag, again_key, trading_date,
};
use crate::persistence::{Book, Event, Keep, KeepOver, KillLevel, Level, Slot, Topic, Unit};
use crate::ports::Quote;
use crate::risk::{AssessChange, Change, Market};
use crate::supervision::Shell;

/// A change that the book does not show after this is overtaken by the next step: each states all terms.
const OVERTAKEN: Duration = Duration::seconds(5);

/// An exit that is to be replaced and is not proven dead so long after it was to be cancelled is a person's business.
const PROVEN_WITHIN: Duration = Duration::seconds(10);

/// A signal of the engine's own.
pub(super) struct OwnSignal {
    /// What makes it one signal, however often it is sent.
    pub(super) key: Option<IdempotencyKey>,
    pub(super) signal: SignalId,
    /// Who it is from, in words.
    pub(super) user: String,
    pub(super) source: Source,
    /// That the rule behind it has fired, where that is not on disk yet.
    pub(super) fired: Option<KeepOver>,
}

/// What of a fired rule's position an exit of it is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// All that is held, in parts of so many units at most, if a number is given.
    All { largest: Option<i64> },
    /// So many units that no open exit is for. The newest exit of the position has that number.
    Beside { units: i64, after: u64 },
}

/// Whether an exit works at the broker as a limit that a step could change, or as a stop that one could make a limit.
fn rests(order: &OrderRecord, now: DateTime<Utc>) -> bool {
    let is_settled = order.pending.is_none() || now.signed_duration_since(order.updated_at) >= OVERTAKEN;
    order.is_exit()
        && !order.is_test()
        && order.status.is_at_broker()
        && order.broker_order_id.is_some()
        && !order.is_in_doubt()
        && order.cancel_wanted.is_none()
        && is_settled
        && order.unfilled() > 0
        && (order.working_type() == Some(OrderType::Limit) || order.source == Source::Stop)
}

/// A stop that the market has reached becomes no less willing than it was, and its limit changes: so the book shows it.
fn beyond_its_own(order: &OrderRecord, price: Price, instrument: &Instrument) -> Price {
    let (Some(side), Some(own)) = (order.ask.side, order.ask.price) else { return price };
    let tick = instrument.tick.value();
    let (is_beyond, further) = match side {
        Side::Buy => (price > own, own.value().checked_add(tick)),
        Side::Sell => (price < own, own.value().checked_sub(tick)),
    };
    if is_beyond { price } else { further.and_then(Price::new).unwrap_or(own) }
}

impl WatcherActor {
    /// One look at every exit that rests and must not.
    pub(super) fn climb(&mut self, now: DateTime<Utc>) {
        let Some((mut resting, ladders)) = self.line.view.read(&self.desk.client_id, |book| {
            // No exit changes while a person has frozen them: a step would be counted and not made, and what goes again would be refused.
            // One that is for too much is made smaller first.
            // What somebody may have changed at the broker is left alone until that is known, but for what is the engine's own.
            let is_suspected = |order: &OrderRecord| order.source != Source::System && self.core.hands.suspects(order.command_id);
            let is_free = |order: &OrderRecord| !self.core.shrinking.contains_key(&order.command_id) && !is_suspected(order);
            let climbs =
                |order: &OrderRecord| !book.control().is_frozen() && is_free(order) && rests(order, now) && self.is_urgent(order, book);
            let resting = book.open_orders().filter(|order| climbs(order)).cloned().collect::<Vec<_>>();
            let ladders = book.kept_of(Topic::Ladder).filter(|_| !book.control().is_frozen()).filter_map(|(slot, kept)| {
                let order = slot.key.parse().ok().and_then(|id: CommandId| book.order(id).cloned());
                Some((slot.clone(), order, kept.read::<Ladder>().ok()?))
            });
            (resting, ladders.collect::<Vec<_>>())
        }) else {
            return;
        };
        for (slot, order, ladder) in &ladders {
            match order.as_ref().filter(|order| !order.status.is_terminal()) {
                None => self.leave(slot, order.as_deref(), ladder, now),
                Some(order) if ladder.is_replaced && !ladder.is_paged && now.signed_duration_since(ladder.stepped_at) >= PROVEN_WITHIN => {
                    self.page_alive(order, ladder, now);
                }
                Some(_) => {}
            }
        }
        let is_open = |book: &Book, exit| book.order(exit).is_some_and(|order| !order.status.is_terminal());
        let refused = &mut self.core.refused_steps;
        self.line.view.read(&self.desk.client_id, |book| refused.keep(|exit| is_open(book, exit)));
        let known =
            |order: &OrderRecord| ladders.iter().find(|(slot, ..)| *slot == ladder_slot(order.command_id)).map(|(_, _, ladder)| *ladder);
        // Who has waited longest is first: where calls are scarce, each has its turn.
        resting.sort_by_key(|order| known(order).map(|ladder| ladder.stepped_at).or(order.sent_at));
        self.forget_ended_exits(now);
        for order in resting {
            if self.step(&order, known(&order), now) {
                self.core.at_touch.entry(order.command_id).or_insert(now);
            } else {
                self.core.at_touch.remove(&order.command_id);
            }
        }
    }

    /// Remembers in which words the broker refused a step.
    pub(super) fn hear_of_steps(&mut self, events: &[Event], now: DateTime<Utc>) {
        for event in events.iter().filter(|event| &*event.row.event == "MODIFY_REPLIED") {
            let exit = event.record.as_deref().filter(|record| record.is_exit() && !record.status.is_terminal());
            if let Some((exit, limit, answer)) = exit.and_then(|exit| Some((exit, exit.ask.price?, event.row.reason.as_deref()?))) {
                self.core.refused_steps.heard(exit.command_id, limit, answer, now);
            }
        }
    }

    /// Whether the exit must be flat soon: the engine's own, but for a target at its limit, and what came as a market order.
    pub(super) fn is_urgent(&self, order: &OrderRecord, book: &Book) -> bool {
        match self.core.rules.firing(order, book).and_then(|rule| rule.fired) {
            Some(fired) if fired.cause == Cause::Target => book.control().level_for(&order.ask.strategy) >= KillLevel::SquareOff,
            Some(_) => true,
            // A stop that rests waits for its trigger.
            None if order.source == Source::Stop => false,
            None => order.source == Source::System || is_driven(order, book),
        }
    }

    /// The steps of all legs together stay within half of the calls that a minute has for the account.
    fn has_its_turn(&mut self, now: DateTime<Utc>) -> bool {
        let calls = self.desk.budget.lock().per_minute();
        calls.is_none_or(|calls| self.core.pace.takes(calls / 2, now))
    }

    /// One look at one exit. Answers whether its limit reaches the touch in trading, as far as is known.
    fn step(&mut self, order: &Arc<OrderRecord>, known: Option<Ladder>, now: DateTime<Utc>) -> bool {
        let instrument = order.instrument().and_then(|key| self.line.instruments.find(&key));
        let (Some(instrument), Some(side), Some(limit)) = (instrument, order.ask.side, order.ask.price) else { return false };
        let is_live = self.desk.broker.capabilities().is_live;
        let market =
            Market::of(&self.line.calendar, &*self.line.instruments, &instrument.key, is_live, now, self.line.clock_was_set_back());
        let quote = self.fresh_quote(&instrument, now);
        let rungs = self.desk.settings.exits.ladder.of(&instrument.kind).clone();
        let ladder = known.unwrap_or_else(|| self.begin(order, limit, quote.as_ref(), now));
        let is_told_elsewhere = self.core.rules.trigger_of(order).is_some() || ladder.trigger == limit.value();
        if known.is_none() && (!is_told_elsewhere || ladder.steps > 0 || ladder.granted > 0) {
            // Neither a rule nor the order tells that after a restart.
            let reason =
                format!("it rests: what it costs counts from {}, and people let it go on {} times", ladder.trigger, ladder.granted);
            self.keep_ladder(order.command_id, Some(&ladder), Level::Info, &reason);
        }
        let standing = Standing { order, tick: instrument.tick, rungs: &rungs, quote: quote.as_ref() };
        // Between continuous trading and the auction nothing is taken: it stands where it is. What lies in the auction waits for the match.
        if let Some(shut) = market.keeps_back(order) {
            if !order.is_shown_as_stop() && !market.is_in_auction() && self.is_late(&ladder, now) {
                self.page_not_flat(&standing, &ladder, &shut);
            }
            return false;
        }
        let is_stop = order.is_shown_as_stop();
        let is_reached = is_stop && self.is_reached(order);
        let refused = self.core.refused_steps.at(order.command_id, limit).cloned();
        let patience = ladder.patience(limit, Duration::from_std(rungs.every).unwrap_or(Duration::MAX), refused.as_ref());
        let is_early = (is_reached || ladder.steps > 0) && now.signed_duration_since(ladder.stepped_at) < patience;
        if is_stop && (is_early || self.waits_for_cover(order, now)) {
            return false;
        }
        let ladder = self.tell_of_refusal(&standing, ladder, refused.as_ref(), now);
        if refused.as_ref().is_some_and(Refused::is_slow) && now.signed_duration_since(ladder.stepped_at) < patience {
            return false;
        }
        // Whether the exchange has woken it, or took an earlier change, is not known: it becomes a limit through the touch.
        let told = self.core.refused_steps.band(order.command_id);
        let climb = Climb { side, limit: Some(limit).filter(|_| !is_stop), instrument: &instrument, quote: quote.as_ref(), told };
        match plan(&climb, &ladder, &rungs, now) {
            // What the last step has asked for reaches it, or the next look tells.
            Step::Wait => return !market.is_in_auction(),
            // What was sent goes on as the last: taken back for another that never comes, it would leave the position to nobody.
            Step::Reprice(_) if self.wears_out(order) && self.core.rules.have_taken_back(order) => {
                if self.is_late(&ladder, now) {
                    self.page_not_flat(&standing, &ladder, &Halted::Last);
                }
            }
            Step::Reprice(_) if !self.has_its_turn(now) => self.tell_of_its_turn(&standing, &ladder, now),
            Step::Reprice(price) => {
                let is_untold = ladder.is_stuck_at(limit) && !ladder.is_paged;
                if is_untold {
                    self.page_not_flat(&standing, &ladder, &Halted::Unmoved);
                }
                let price = if is_reached { beyond_its_own(order, price, &instrument) } else { price };
                self.reprice(order, Ladder { is_paged: ladder.is_paged || is_untold, ..ladder }, price, now);
                return true;
            }
            Step::Halt(halted) => {
                if halted == Halted::NoQuote {
                    self.line.tell_broker(&self.desk.client_id, WantQuotes(vec![(instrument.key.clone(), order.number)]));
                }
                // In an auction nothing trades before the match: that it rests there, or that nobody is seen yet, says nothing.
                let is_early = market.is_in_auction() && matches!(halted, Halted::NoQuote | Halted::OneSided | Halted::Rests);
                let is_late = match halted {
                    Halted::Rests => self.is_left_standing(order.command_id, &ladder, now),
                    _ => self.is_late(&ladder, now),
                };
                if !is_early && is_late {
                    self.page_not_flat(&standing, &ladder, &halted);
                }
                return halted == Halted::Rests && !is_early;
            }
        }
        false
    }

    pub(super) fn fresh_quote(&self, instrument: &Instrument, now: DateTime<Utc>) -> Option<Quote> {
        let max_age = Duration::from_std(self.desk.settings.waits.quote_max_age).unwrap_or(Duration::MAX);
        self.line.newest_quote(&self.desk, &instrument.key).filter(|quote| now.signed_duration_since(quote.at) <= max_age)
    }

    /// A stop that the market has reached is the exchange's to fill first; one that leaves for another reason goes at once.
    fn is_reached(&self, order: &OrderRecord) -> bool {
        let fired = self.fired_for(order);
        fired.is_some_and(|fired| matches!(fired.cause, Cause::Stop | Cause::Trail))
    }

    /// The firing of which an exit is.
    fn fired_for(&self, order: &OrderRecord) -> Option<Fired> {
        self.line.view.read(&self.desk.client_id, |book| self.core.rules.firing(order, book)?.fired).flatten()
    }

    /// The ladder of an exit that was not on one. It goes on with that of the exit before it; else its cost counts from where its rule
    /// fired, from where the market was when it went out, or from its own limit.
    fn begin(&self, order: &OrderRecord, limit: Price, quote: Option<&Quote>, now: DateTime<Utc>) -> Ladder {
        let before = self.line.view.read(&self.desk.client_id, |book| carried_to(order, book, now)).flatten();
        let begun = before.unwrap_or_else(|| {
            let touch = self.core.touches.get(&order.command_id);
            let trigger = self.core.rules.trigger_of(order).or(touch.map(|touch| touch.price)).unwrap_or(limit.value());
            let spread = quote.and_then(|quote| Some(quote.ask?.value() - quote.bid?.value()));
            Ladder::new(trigger, touch.map_or(spread, |touch| touch.spread), now)
        });
        let since = self.fired_for(order).filter(|_| order.is_shown_as_stop()).map(|fired| fired.at);
        Ladder { stepped_at: since.or(order.sent_at).unwrap_or(now), came_as_market: order.is_protected_market(), ..begun }
    }

    /// Whether the broker takes no further change of the order: its next price is that of a new one.
    fn wears_out(&self, order: &OrderRecord) -> bool {
        let broker = self.desk.broker.capabilities();
        worn_out(order, broker.max_modifications).is_some() || !broker.can_modify
    }

    fn reprice(&mut self, order: &Arc<OrderRecord>, ladder: Ladder, price: Price, now: DateTime<Utc>) {
        let wears_out = self.wears_out(order);
        let Some(limit) = order.ask.price else { return };
        let next = Ladder { is_replaced: wears_out, ..ladder.stepped(limit, now) };
        let reason = format!("step {}: the exit rests at {limit}, its limit becomes {price}", next.steps);
        self.keep_ladder(order.command_id, Some(&next), Level::Info, &reason);
        metrics::counter!("ordergate_exit_steps_total").increment(1);
        if wears_out {
            // Proof that it is dead comes first; then a new order with the rest goes.
            let reason = format!("{reason}; it cannot be changed any more and goes again as a new order");
            self.post_facts(vec![(order.command_id, OrderFact::CancelWanted { tag: Tag::Replaced, reason })]);
            return;
        }
        let change = Change {
            client_id: self.desk.client_id.clone(),
            command_id: order.command_id,
            quantity: None,
            price: Some(price),
            trigger_price: None,
            order_type: order.is_shown_as_stop().then_some(OrderType::Limit),
            who: format!("ladder of {}", order.ask.strategy),
        };
        let (reply, _nobody_waits) = tokio::sync::oneshot::channel();
        self.line.tell_risk(&self.desk.client_id, AssessChange { change, reply });
    }

    /// The exit has ended: its ladder does too, and what was to be replaced goes again. Until that is registered the ladder stays: what
    /// is lost on the way is asked for again. And it stays until the exit that goes on with it has its own.
    fn leave(&mut self, slot: &Slot, order: Option<&OrderRecord>, ladder: &Ladder, now: DateTime<Utc>) {
        // Nothing more is sent for a square-off or a rule that nobody wants any more, nor for what a person has cancelled meanwhile.
        let is_done = |order: &OrderRecord| {
            let goes_on = |book: &Book| book.after(order.number).any(|next| next.parent_command_id == Some(order.command_id));
            let is_over = |book: &Book| square_off::is_over(order, book, now) || goes_on(book);
            let is_kept = order.tag == Some(Tag::CancelledByUser) || self.core.rules.have_taken_back(order);
            is_kept || self.line.view.read(&self.desk.client_id, is_over).unwrap_or(false)
        };
        let ends_open = |order: &&OrderRecord| ladder.is_replaced && order.status == Status::Failed && order.unfilled() > 0;
        if let Some(order) = order.filter(ends_open).filter(|order| !is_done(order))
            && let Ok(key) = again_key(order.command_id)
        {
            if !self.is_time_to_resend(order.command_id, now) {
                return;
            }
            let again = LegDraft::again(order);
            let price = self.next_price(order, ladder, now);
            let as_limit = LegDraft { order_type: Some(OrderType::Limit.to_string()), trigger_price: None, ..again.clone() };
            let leg = LegDraft { price, ..if order.is_shown_as_stop() { as_limit } else { again } };
            let signal = SignalId(self.line.ids.next());
            let own = OwnSignal { key: Some(key), signal, user: order.user.to_string(), source: Source::System, fired: None };
            self.submit(vec![leg], own, now);
            return;
        }
        if !order.is_some_and(|order| self.is_gone_on_with(order, now)) {
            self.keep_ladder_at(slot.clone(), None, order.map(|order| order.command_id), Level::Info, "the exit has ended");
        }
    }

    fn next_price(&self, order: &OrderRecord, ladder: &Ladder, now: DateTime<Utc>) -> Option<String> {
        let instrument = order.instrument().and_then(|key| self.line.instruments.find(&key))?;
        let quote = self.line.newest_quote(&self.desk, &instrument.key);
        let rungs = self.desk.settings.exits.ladder.of(&instrument.kind);
        let told = self.band_named(&instrument, now);
        let climb = Climb { side: order.ask.side?, limit: None, instrument: &instrument, quote: quote.as_ref(), told };
        match plan(&climb, ladder, rungs, now) {
            Step::Reprice(price) => Some(price.to_string()),
            Step::Wait | Step::Halt(_) => order.ask.price.map(|price| price.to_string()),
        }
    }

    pub(super) fn keep_ladder(&self, order: CommandId, ladder: Option<&Ladder>, level: Level, reason: &str) {
        self.keep_ladder_at(ladder_slot(order), ladder, Some(order), level, reason);
    }

    fn keep_ladder_at(&self, slot: Slot, ladder: Option<&Ladder>, command_id: Option<CommandId>, level: Level, reason: &str) {
        let keep = Keep {
            client_id: Some(self.desk.client_id.clone()),
            slot,
            value: None,
            basis: None,
            event: if ladder.is_some() { "EXIT_STEP" } else { "EXIT_STEPS_ENDED" },
            level,
            reason: Arc::from(reason),
            who: Arc::from(Self::NAME),
            command_id,
        };
        let keep = match ladder.map(|ladder| keep.clone().with(ladder)) {
            Some(Ok(keep)) => keep,
            None => keep,
            // Numbers only: always JSON.
            Some(Err(_)) => return,
        };
        self.line.post_unit(Unit::Keep(keep));
    }

    /// Sends the exit of a fired rule, in as many orders as the exchange wants it in. A target is a limit at its target; an
    /// urgent one is a limit through the touch, and a market order only where nobody knows a price.
    pub(super) fn submit_exit(&self, rule: &ExitRule, before: Option<Tick>, part: Part, kept: Option<KeepOver>, now: DateTime<Utc>) {
        let Some(fired) = rule.fired else { return };
        let instrument = self.line.instruments.find(&rule.holding.instrument);
        let (held, most) = self
            .line
            .view
            .read(&self.desk.client_id, |book| {
                let most = instrument.as_ref().and_then(|found| largest_exit(found, &rule.strategy, book, trading_date(now)));
                (book.held(&rule.strategy, &rule.holding).net.abs(), most)
            })
            .unwrap_or_default();
        let (units, key, signal, asked) = match part {
            Part::All { largest } => (held, rule.exit_key(), fired.signal, largest),
            Part::Beside { units, after } => (units.min(held), rule.key_beside(after), SignalId(self.line.ids.next()), None),
        };
        let asked = asked.zip(instrument.as_ref()).map(|(asked, instrument)| in_lots(asked, instrument));
        let price = match (fired.cause, &instrument) {
            (Cause::Target, _) => rule.target.map(|target| target.to_string()),
            (_, Some(instrument)) => self.first_limit_of(rule, instrument, before, now).map(|price| price.to_string()),
            (_, None) => None,
        };
        let orders = slices(units, most.into_iter().chain(asked).min());
        // One order takes all that is held when its turn comes, also what fills meanwhile.
        let is_all = matches!(part, Part::All { .. }) && orders.len() <= 1;
        let leg = |quantity: Option<Quantity>| LegDraft {
            order_type: Some(if price.is_some() { OrderType::Limit } else { OrderType::Market }.to_string()),
            price: price.clone(),
            ..crate::engine::exit_leg(&rule.strategy, &rule.holding, quantity)
        };
        let legs: Vec<LegDraft> = if is_all { vec![leg(None)] } else { orders.into_iter().map(|quantity| leg(Some(quantity))).collect() };
        // A message without a key would be another signal each time it is sent.
        let Some(key) = key.and_then(|key| IdempotencyKey::parse(&key).ok()).filter(|_| !legs.is_empty()) else { return };
        let own = OwnSignal { key: Some(key), signal, user: rule.sender(fired.cause), source: Source::System, fired: kept };
        self.submit(legs, own, now);
    }

    /// The limit with which an urgent exit begins.
    fn first_limit_of(&self, rule: &ExitRule, instrument: &Instrument, before: Option<Tick>, now: DateTime<Utc>) -> Option<Price> {
        let muted_after = Duration::from_std(self.desk.settings.exits.muted_after).unwrap_or(Duration::MAX);
        let quote = self.line.newest_quote(&self.desk, &instrument.key).filter(|quote| now.signed_duration_since(quote.at) <= muted_after);
        let side = rule.exit_side();
        let last = before.map(|tick| tick.last).or(quote.map(|quote| quote.last.value()))?;
        // A retry of what was rejected costs from where the rule fired, as its first try did: nobody has widened the cap since.
        let trigger = rule.fired.and_then(|fired| fired.price).unwrap_or(last);
        let spread = quote.and_then(|quote| Some(quote.ask?.value() - quote.bid?.value()));
        let sender = rule.fired.map(|fired| rule.sender(fired.cause)).unwrap_or_default();
        let wish = Wish { strategy: &rule.strategy, key: &rule.holding, sender: &sender };
        let before = self.line.view.read(&self.desk.client_id, |book| carried(&wish, book, now)).flatten();
        let ladder = Ladder { trigger, ..before.unwrap_or_else(|| Ladder::new(trigger, spread, now)) };
        let rungs = self.desk.settings.exits.ladder.of(&instrument.kind);
        let climb = Climb { side, limit: None, instrument, quote: quote.as_ref(), told: self.band_named(instrument, now) };
        first_limit(&climb, &ladder, rungs, last, now)
    }

    /// The prices that the exchange takes, if the broker has named them today.
    fn band_named(&self, instrument: &Instrument, now: DateTime<Utc>) -> Option<(Price, Price)> {
        self.line.view.read(&self.desk.client_id, |book| band_named(&instrument.key, book, trading_date(now))).flatten()
    }

    pub(super) fn submit(&self, legs: Vec<LegDraft>, own: OwnSignal, now: DateTime<Utc>) {
        let OwnSignal { key, signal, user, source, fired } = own;
        let signal = crate::engine_signal::EngineSignal::new(signal, user, legs).sent_by(source).once(key);
        self.line.tell_ingress(Submit { fired, ..signal.message(&self.desk, now) });
    }
}
