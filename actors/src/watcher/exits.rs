//! The shell of the exit rules: they come with fills, are looked at with every quote, are written down when what must
//! survive has changed, and fire orders that walk the whole line.
//!
//! A rule in memory may be ahead of the disk by a trail of a moment; it is never behind it. That it has fired is posted
//! before its exit is, and the exit's key is made of what was posted: sent twice, it is one signal.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use super::WatcherActor;
use crate::exits::{Cause, Combined, ExitRule, Fired, Hours, Looked, Next, Terms, Tick, Together, follow, is_near_expiry, slot};
use crate::line::Phase;
use crate::order::{HoldingKey, InstrumentKey, Kind, OrderFact, OrderRecord, Right, SignalId, Strategy, Tag, trading_date};
use crate::persistence::{Book, Event, Keep, KeptChange, Level, Slot, Topic, Unit};
use crate::risk::Market;
use crate::supervision::Shell;

/// Holdings without a rule are looked up among the newest orders so often: what a lost message would have told.
const SEARCH_EVERY: Duration = Duration::seconds(30);
/// A long option waits so long for the short that it covers to be closed; then it goes all the same, and a person hears.
const COVER_FIRST: Duration = Duration::seconds(20);
/// A write that was not heard of after this is made again.
const WRITE_AGAIN: Duration = Duration::seconds(2);

/// The rules of one account, as they stand now.
#[derive(Debug, Default)]
pub(super) struct Rules {
    watched: BTreeMap<Slot, Watched>,
    by_instrument: BTreeMap<InstrumentKey, BTreeSet<Slot>>,
    combined: BTreeMap<Slot, (Combined, Option<Together>)>,
    is_loaded: bool,
    searched_at: Option<DateTime<Utc>>,
}

/// One rule and what was last seen.
#[derive(Debug)]
struct Watched {
    rule: ExitRule,
    /// The journal row of what is on disk.
    seq: u64,
    before: Option<Tick>,
    hours: Hours,
    /// It has moved since it was written.
    is_ahead: bool,
    kept_at: Option<DateTime<Utc>>,
    /// A write is under way since then.
    writing: Option<DateTime<Utc>>,
    /// When it was first looked at.
    since: Option<DateTime<Utc>>,
    is_muted: bool,
    is_stuck: bool,
    /// Its exit waits for its cover.
    held_back: Option<DateTime<Utc>>,
}

impl Watched {
    fn new(rule: ExitRule, seq: u64) -> Self {
        Self {
            rule,
            seq,
            before: None,
            hours: Hours::always(),
            is_ahead: false,
            kept_at: None,
            writing: None,
            since: None,
            is_muted: false,
            is_stuck: false,
            held_back: None,
        }
    }
}

impl Rules {
    /// A state as it is on disk now.
    fn take(&mut self, change: &KeptChange) -> Result<(), serde_json::Error> {
        let Some(now) = &change.now else {
            self.forget(&change.slot);
            return Ok(());
        };
        if change.slot.key.starts_with("*|") {
            let combined: Combined = now.read()?;
            let before = self.combined.get(&change.slot).and_then(|(_, before)| *before);
            self.combined.insert(change.slot.clone(), (combined, before));
            return Ok(());
        }
        let mut rule: ExitRule = now.read()?;
        let instrument = rule.holding.instrument.clone();
        let entry = self.watched.remove(&change.slot);
        let next = match entry {
            Some(watched) => {
                // Fired in memory, and the news is older than that: the row of the firing is on its way.
                if rule.fired.is_none() && watched.rule.fired.is_some() && watched.writing.is_some() {
                    rule.fired = watched.rule.fired;
                }
                rule.catch_up(&watched.rule);
                let is_done = rule.fired.is_some() == watched.rule.fired.is_some();
                let is_ahead = watched.is_ahead && (rule.stop, rule.best) == (watched.rule.stop, watched.rule.best);
                Watched { rule, seq: now.seq, is_ahead, writing: watched.writing.filter(|_| !is_done), ..watched }
            }
            None => Watched::new(rule, now.seq),
        };
        self.watched.insert(change.slot.clone(), next);
        self.by_instrument.entry(instrument).or_default().insert(change.slot.clone());
        Ok(())
    }

    fn forget(&mut self, slot: &Slot) {
        self.combined.remove(slot);
        if let Some(watched) = self.watched.remove(slot)
            && let Some(slots) = self.by_instrument.get_mut(&watched.rule.holding.instrument)
        {
            slots.remove(slot);
            if slots.is_empty() {
                self.by_instrument.remove(&watched.rule.holding.instrument);
            }
        }
    }

    /// The price at which the rule of the order's position fired.
    pub(super) fn trigger_of(&self, order: &OrderRecord) -> Option<Decimal> {
        self.watched.get(&slot(&order.ask.strategy, &order.holding()?))?.rule.fired?.price
    }

    /// The rule whose exit has this signal.
    pub(super) fn firing(&self, order: &OrderRecord) -> Option<&ExitRule> {
        let slot = slot(&order.ask.strategy, &order.holding()?);
        let rule = &self.watched.get(&slot)?.rule;
        rule.fired.filter(|fired| fired.signal == order.signal_id).map(|_| rule)
    }
}

impl WatcherActor {
    /// Reads the rules from the book, once for each core.
    fn load_rules(&mut self) {
        if std::mem::replace(&mut self.core.rules.is_loaded, true) {
            return;
        }
        let kept = self.line.view.read(&self.desk.client_id, |book| {
            let changes = book.kept_of(Topic::ExitRule);
            changes.map(|(slot, kept)| KeptChange { slot: slot.clone(), now: Some(kept.clone()) }).collect::<Vec<_>>()
        });
        for change in kept.unwrap_or_default() {
            self.take_rule(&change);
        }
        self.watch_bell();
    }

    fn take_rule(&mut self, change: &KeptChange) {
        if let Err(error) = self.core.rules.take(change) {
            let text = format!("the exit rule {} cannot be read and protects nothing: {error}; set it anew", change.slot.key);
            self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_RULE_UNREADABLE", Level::Page, None, text);
        }
    }

    fn watch_bell(&self) {
        let keys: HashSet<InstrumentKey> = self.core.rules.by_instrument.keys().cloned().collect();
        // Asking is subscribing.
        for key in &keys {
            let _newest = self.line.quotes.quote(key);
        }
        self.desk.bell.watch(keys);
    }

    /// What commits change: rules themselves, and what is held.
    pub(super) fn rules_committed(&mut self, events: &[Event], now: DateTime<Utc>) {
        self.load_rules();
        let mut is_changed = false;
        for event in events {
            if let Some(change) = event.kept.as_deref().filter(|change| change.slot.topic == Topic::ExitRule) {
                self.take_rule(change);
                is_changed = true;
            }
            if let Some(record) = event.record.as_deref().filter(|_| &*event.row.event == "FILL") {
                self.attach(record, now);
            }
        }
        if is_changed {
            self.watch_bell();
        }
    }

    /// A fill brings the rule that its order carries; more of the same order moves what it is measured from.
    fn attach(&self, record: &OrderRecord, now: DateTime<Utc>) {
        let Some(key) = record.holding().filter(|_| Terms::of(record).is_some() && !record.is_exit()) else { return };
        let slot = slot(&record.ask.strategy, &key);
        let seen = self.line.view.read(&self.desk.client_id, |book| {
            let number = |rule: &ExitRule| rule.order.and_then(|order| book.order(order)).map_or(0, |order| order.number);
            let standing = self.core.rules.watched.get(&slot);
            (book.held(&record.ask.strategy, &key), book.kept(&slot).map_or(0, |kept| kept.seq), standing.map_or(0, |w| number(&w.rule)))
        });
        let Some((held, seq, standing)) = seen else { return };
        if let Some(watched) = self.core.rules.watched.get(&slot).filter(|watched| watched.rule.is_for(&held)) {
            if watched.rule.order == Some(record.command_id) {
                let average = record.average_price.filter(|average| *average != watched.rule.fill && watched.rule.fired.is_none());
                if let Some(rule) = average.map(|average| watched.rule.rebased(average)) {
                    let reason = format!("more came in, at {} on average: {}", rule.fill, rule.words());
                    self.keep_rule(&slot, Some(&rule), Some(watched.seq), "EXIT_RULE_SET", Level::Info, &reason);
                }
                return;
            }
            if standing > record.number {
                return;
            }
        }
        let tick = self.line.instruments.find(&key.instrument).map(|instrument| instrument.tick.value());
        match tick.and_then(|tick| ExitRule::from_order(record, &held, tick, now)) {
            Some(rule) => {
                let reason = format!("came with the first fill: {}", rule.words());
                // That of a position which is gone ends in the same moment: whichever comes first, this one stands.
                let is_other = self.core.rules.watched.get(&slot).is_some_and(|watched| !watched.rule.is_for(&held));
                self.keep_rule(&slot, Some(&rule), Some(seq).filter(|_| !is_other), "EXIT_RULE_SET", Level::Info, &reason);
            }
            None if record.ask.side == crate::order::Side::of_net(held.net) => {
                let text = format!(
                    "{} {key} is not protected: what its order asked for gives no price from its fill; set a rule, or exit it",
                    record.ask.strategy
                );
                self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_RULE_MISSING", Level::Page, Some(record.command_id), text);
            }
            None => {}
        }
    }

    /// What is held without a rule although the order that opened it carries one: its message was lost, or it is late truth.
    fn search_unprotected(&mut self, now: DateTime<Utc>) {
        if self.core.rules.searched_at.is_some_and(|at| at <= now && now.signed_duration_since(at) < SEARCH_EVERY) {
            return;
        }
        self.core.rules.searched_at = Some(now);
        let found = self.line.view.read(&self.desk.client_id, |book| {
            let mut bare: BTreeMap<(Strategy, HoldingKey), DateTime<Utc>> = book
                .holdings()
                .filter(|(strategy, key, _)| book.kept(&slot(strategy, key)).is_none())
                .filter_map(|(strategy, key, held)| Some(((strategy.clone(), key.clone()), held.opened_at?)))
                .collect();
            if bare.is_empty() {
                return Vec::new();
            }
            let newest = book.newest().filter(|order| order.filled_quantity > 0 && !order.is_exit() && Terms::of(order).is_some());
            newest
                .filter(|order| {
                    let Some(key) = order.holding() else { return false };
                    let owner = (order.ask.strategy.clone(), key);
                    let is_its_own = bare.get(&owner).is_some_and(|opened| order.signal_time.min(order.created_at) >= *opened);
                    is_its_own && bare.remove(&owner).is_some()
                })
                .cloned()
                .collect()
        });
        for record in found.unwrap_or_default() {
            self.attach(&record, now);
        }
    }

    fn keep_rule(&self, slot: &Slot, rule: Option<&ExitRule>, basis: Option<u64>, event: &'static str, level: Level, reason: &str) {
        let keep = Keep {
            client_id: Some(self.desk.client_id.clone()),
            slot: slot.clone(),
            value: None,
            basis,
            event,
            level,
            reason: Arc::from(reason),
            who: Arc::from(Self::NAME),
            command_id: rule.and_then(|rule| rule.order),
        };
        let keep = match rule.map(|rule| keep.clone().with(rule)) {
            Some(Ok(keep)) => keep,
            None => keep,
            // A rule is numbers and texts: it is always JSON.
            Some(Err(_)) => return,
        };
        self.line.post_unit(Unit::Keep(keep));
    }

    fn may_fire(&self) -> bool {
        matches!(self.desk.phase(), Phase::ExitsOnly | Phase::Open)
            && self.line.view.read(&self.desk.client_id, |book| !book.control().is_frozen).unwrap_or(false)
    }

    /// Quotes came in.
    pub(super) fn bell_rang(&mut self, now: DateTime<Utc>) {
        let rung = self.desk.bell.take();
        if self.core.rules.is_loaded && self.may_fire() {
            let slots: Vec<Slot> = rung.iter().filter_map(|key| self.core.rules.by_instrument.get(key)).flatten().cloned().collect();
            self.look_at(slots, now);
        }
    }

    /// Everything that time brings: what no bell rang for, hours, writes, what has fired and is not flat yet.
    pub(super) fn exit_tick(&mut self, now: DateTime<Utc>) {
        self.load_rules();
        if !matches!(self.desk.phase(), Phase::ExitsOnly | Phase::Open) {
            return;
        }
        self.search_unprotected(now);
        self.climb(now);
        if self.core.rules.watched.is_empty() && self.core.rules.combined.is_empty() {
            return;
        }
        self.end_rules();
        self.look_at_hours(now);
        if self.may_fire() {
            let slots: Vec<Slot> = self.core.rules.watched.keys().cloned().collect();
            self.look_at(slots, now);
            self.look_at_times(now);
            self.look_at_sums(now);
        }
        self.follow_fired(now);
        self.write_moved(now);
        self.read_deferred(now);
    }

    /// The newest tick of a rule's instrument: the quote, or, where the feed is muted, what the broker's positions say.
    fn tick_of(&self, rule: &ExitRule, now: DateTime<Utc>) -> (Option<Tick>, bool) {
        let muted_after = Duration::from_std(self.desk.settings.exits.muted_after).unwrap_or(Duration::MAX);
        let quote = self.line.newest_quote(&self.desk, &rule.holding.instrument);
        if let Some(quote) = quote.filter(|quote| now.signed_duration_since(quote.at) <= muted_after) {
            return (Some(Tick::from(&quote)), false);
        }
        let findings = self.desk.findings.read();
        let told = findings.positions.as_ref().and_then(|positions| {
            let row = positions.rows.iter().find(|row| row.holding == rule.holding && row.net != 0)?;
            let move_ = row.unrealised.0.checked_div(Decimal::from(row.net))?;
            let last = row.average_price?.checked_add(move_)?;
            (now.signed_duration_since(positions.at) <= muted_after).then_some(Tick { last, bid: None, ask: None, at: positions.at })
        });
        (told, true)
    }

    fn look_at(&mut self, slots: Vec<Slot>, now: DateTime<Utc>) {
        let muted_after = Duration::from_std(self.desk.settings.exits.muted_after).unwrap_or(Duration::MAX);
        for slot in slots {
            let Some(watched) = self.core.rules.watched.get(&slot) else { continue };
            if !watched.rule.is_on || !watched.hours.takes_exits {
                continue;
            }
            let (tick, is_muted) = self.tick_of(&watched.rule, now);
            let Some(watched) = self.core.rules.watched.get_mut(&slot) else { continue };
            // The first quote of a new subscription takes its time.
            let is_muted = is_muted && now.signed_duration_since(*watched.since.get_or_insert(now)) > muted_after;
            let is_news = is_muted && !watched.is_muted;
            watched.is_muted = is_muted;
            let tick = tick.filter(|tick| watched.before.as_ref() != Some(tick));
            let looked = tick.as_ref().map_or(Looked::default(), |tick| watched.rule.look(watched.before.as_ref(), tick));
            watched.before = tick.or(watched.before);
            watched.is_ahead |= looked.is_moved;
            let words = format!("{} {}", watched.rule.strategy, watched.rule.holding);
            let order = watched.rule.order;
            if is_news {
                let text = format!(
                    "no quote of {words} for {} s while its market is open: its stop is watched by the broker's positions only; look at the feed",
                    self.desk.settings.exits.muted_after.as_secs()
                );
                self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_FEED_MUTED", Level::Page, order, text);
            }
            if is_muted {
                self.want_positions(now);
            }
            if let Some(cause) = looked.fires {
                self.fire(&slot, cause, "", now);
            }
        }
    }

    /// The positions with every poll, while they are what prices come from.
    fn want_positions(&mut self, now: DateTime<Utc>) {
        let read_at = self.desk.findings.read().positions.as_ref().map(|positions| positions.at);
        let poll = Duration::from_std(self.desk.settings.waits.poll).unwrap_or(Duration::MAX);
        if read_at.is_none_or(|at| now.signed_duration_since(at) >= poll) {
            self.core.deferred.insert(crate::broker::Reading::Positions);
        }
    }

    /// The hours of each rule's market; and, once a day, that a contract comes near to its delivery.
    fn look_at_hours(&mut self, now: DateTime<Utc>) {
        let is_live = self.desk.broker.capabilities().is_live;
        let mut near = Vec::new();
        for watched in self.core.rules.watched.values_mut() {
            let key = &watched.rule.holding.instrument;
            let market = Market::of(&self.line.calendar, &*self.line.instruments, key, is_live, now);
            let instrument = self.line.instruments.find(key);
            let expiry = instrument.as_ref().and_then(|instrument| match instrument.kind {
                Kind::Future { expiry } | Kind::Option { expiry, .. } => Some(expiry),
                Kind::Equity | Kind::Index => None,
            });
            let closes_at = match market.phase {
                crate::order::calendar::SessionPhase::Continuous { closes_at } => Some(closes_at),
                _ => None,
            };
            let takes_exits = !market.is_held || market.phase.takes_exits();
            watched.hours = Hours { takes_exits, closes_at: closes_at.filter(|_| market.is_held), expiry };
            let is_stock = instrument.is_some_and(|found| {
                let share = InstrumentKey::new(crate::order::Exchange::Nse, &format!("{}-EQ", found.underlying));
                self.line.instruments.find(&share).is_some()
            });
            if let Some(expiry) = expiry.filter(|expiry| is_stock && is_near_expiry(*expiry, now)) {
                near.push((watched.rule.strategy.clone(), watched.rule.holding.clone(), expiry));
            }
        }
        for (strategy, holding, expiry) in near {
            let text = format!(
                "{strategy} {holding} ends on {expiry} and is settled by delivery of the shares; leave it before, or have the money or the shares (seen {})",
                trading_date(now)
            );
            self.concern(super::Concern { event: "ALARM_DELIVERY_NEAR", level: Level::Warn, text, command_id: None });
        }
    }

    fn look_at_times(&mut self, now: DateTime<Utc>) {
        let before_close = Duration::from_std(self.desk.settings.exits.before_close).unwrap_or(Duration::MAX);
        let due: Vec<(Slot, String)> = self
            .core
            .rules
            .watched
            .iter()
            .filter(|(_, watched)| watched.hours.takes_exits)
            .filter_map(|(slot, watched)| Some((slot.clone(), watched.rule.time_up(&watched.hours, before_close, now)?)))
            .collect();
        for (slot, why) in due {
            self.fire(&slot, Cause::Time, &why, now);
        }
    }

    /// The sum of a strategy's positions; all of them are left when it says so.
    fn look_at_sums(&mut self, now: DateTime<Utc>) {
        let combined: Vec<(Slot, Combined, Option<Together>)> =
            self.core.rules.combined.iter().map(|(slot, (combined, before))| (slot.clone(), combined.clone(), *before)).collect();
        for (slot, combined, before) in combined {
            let held = self.line.view.read(&self.desk.client_id, |book| {
                book.holdings_of(&combined.strategy).map(|(key, held)| (key.clone(), *held)).collect::<Vec<_>>()
            });
            let held = held.unwrap_or_default();
            if held.is_empty() {
                if combined.fired_at.is_some() {
                    self.keep_combined(
                        &slot,
                        &Combined { fired_at: None, ..combined },
                        "the strategy is flat: its combined exit is armed anew",
                    );
                }
                continue;
            }
            let age = Duration::from_std(self.desk.settings.exits.muted_after).unwrap_or(Duration::MAX);
            let price = |key: &InstrumentKey| {
                let quote = self.line.newest_quote(&self.desk, key)?;
                // A print outside of the touch is taken for the touch.
                let Tick { last, bid, ask, at } = Tick::from(&quote);
                let last = bid.zip(ask).filter(|(bid, ask)| bid <= ask).map_or(last, |(bid, ask)| last.clamp(bid, ask));
                (now.signed_duration_since(at) <= age).then_some(last)
            };
            let sum = held.iter().fold(Together::default(), |sum, (key, held)| sum.with(held, price(&key.instrument)));
            if let Some((_, before)) = self.core.rules.combined.get_mut(&slot) {
                *before = Some(sum);
            }
            let Some(why) = before.and_then(|before| combined.fires(before, sum)) else { continue };
            if let Some((memory, _)) = self.core.rules.combined.get_mut(&slot) {
                memory.fired_at = Some(now);
            }
            self.keep_combined(&slot, &Combined { fired_at: Some(now), ..combined.clone() }, &why);
            self.fire_together(&combined, &held, &why, now);
        }
    }

    fn fire_together(&mut self, combined: &Combined, held: &[(HoldingKey, crate::order::Holding)], why: &str, now: DateTime<Utc>) {
        // Shorts are bought back before longs are sold.
        for (key, held) in held.iter().filter(|(_, held)| held.net < 0).chain(held.iter().filter(|(_, held)| held.net > 0)) {
            let slot = slot(&combined.strategy, key);
            if !self.core.rules.watched.contains_key(&slot) {
                let tick = self.line.instruments.find(&key.instrument).map_or(Decimal::new(5, 2), |found| found.tick.value());
                let who = combined.who.clone();
                let rule = ExitRule::new(combined.strategy.clone(), key.clone(), held, Terms::default(), tick, who, now);
                let Some(rule) = rule else { continue };
                self.core.rules.by_instrument.entry(key.instrument.clone()).or_default().insert(slot.clone());
                self.core.rules.watched.insert(slot.clone(), Watched::new(rule, 0));
            }
            self.fire(&slot, Cause::Combined, why, now);
        }
    }

    fn keep_combined(&self, slot: &Slot, combined: &Combined, reason: &str) {
        let keep = Keep {
            client_id: Some(self.desk.client_id.clone()),
            slot: slot.clone(),
            value: None,
            basis: None,
            event: if combined.fired_at.is_some() { "EXIT_RULE_FIRED" } else { "EXIT_RULE_SET" },
            level: if combined.fired_at.is_some() { Level::Warn } else { Level::Info },
            reason: Arc::from(reason),
            who: Arc::from(Self::NAME),
            command_id: None,
        };
        if let Ok(keep) = keep.with(combined) {
            self.line.post_unit(Unit::Keep(keep));
        }
    }

    /// Writes down that it fires, and sends its exit. A target that rests at its limit is taken over: it goes on the ladder.
    fn fire(&mut self, slot: &Slot, cause: Cause, why: &str, now: DateTime<Utc>) {
        let Some(watched) = self.core.rules.watched.get_mut(slot) else { return };
        let is_squared_off = self.line.view.read(&self.desk.client_id, |book| watched.rule.is_squared_off(book)).unwrap_or(false);
        if is_squared_off {
            return;
        }
        let price = watched.before.map(|tick| tick.last);
        let resting = watched.rule.fired.map(|fired| fired.signal).filter(|signal| {
            let is_open = |book: &Book| book.open_in(&watched.rule.holding.instrument).any(|order| order.signal_id == *signal);
            self.line.view.read(&self.desk.client_id, is_open).unwrap_or(false)
        });
        let signal = resting.unwrap_or_else(|| SignalId(self.line.ids.next()));
        watched.rule.fired = Some(Fired { cause, at: now, price, signal });
        (watched.writing, watched.is_ahead, watched.kept_at) = (Some(now), false, Some(now));
        let rule = watched.rule.clone();
        let at = price.map_or_else(|| "without a price".to_owned(), |price| format!("at {price}"));
        let why = if why.is_empty() { rule.words() } else { format!("{why}; {}", rule.words()) };
        let reason = format!("{cause} of {} {} fires {at}: {why}", rule.strategy, rule.holding);
        let level = if cause.is_urgent() { Level::Warn } else { Level::Info };
        metrics::counter!("ordergate_exit_rules_fired_total", "cause" => cause.to_string()).increment(1);
        self.keep_rule(slot, Some(&rule), None, "EXIT_RULE_FIRED", level, &reason);
        if resting.is_none() {
            self.send_exit(slot, &rule, None, now);
        }
    }

    /// Sends the exit of a fired rule, unless it has to wait for its cover.
    fn send_exit(&mut self, slot: &Slot, rule: &ExitRule, largest: Option<i64>, now: DateTime<Utc>) {
        let cover = self.line.view.read(&self.desk.client_id, |book| self.uncovers(rule, book)).flatten();
        let Some(watched) = self.core.rules.watched.get_mut(slot) else { return };
        if let Some(short) = cover {
            let since = *watched.held_back.get_or_insert(now);
            if now.signed_duration_since(since) < COVER_FIRST {
                return;
            }
            let text = format!("{} {} is sold although {short}, which it covers, is not bought back yet", rule.strategy, rule.holding);
            self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_UNCOVERS", Level::Page, rule.order, text);
        }
        watched.held_back = None;
        let before = watched.before;
        self.submit_exit(rule, before, largest, now);
    }

    /// The short option of the strategy that this exit would leave without its cover, while its own exit is under way.
    fn uncovers(&self, rule: &ExitRule, book: &Book) -> Option<HoldingKey> {
        let option = |key: &InstrumentKey| -> Option<(Arc<str>, Right)> {
            let found = self.line.instruments.find(key)?;
            match found.kind {
                Kind::Option { right, .. } => Some((Arc::clone(&found.underlying), right)),
                _ => None,
            }
        };
        if rule.position != crate::order::Side::Buy {
            return None;
        }
        let mine = option(&rule.holding.instrument)?;
        let is_leaving = |key: &HoldingKey| {
            let fired = self.core.rules.watched.get(&slot(&rule.strategy, key)).and_then(|watched| watched.rule.fired);
            fired.is_some_and(|fired| fired.cause.is_urgent())
                || book.open_in(&key.instrument).any(|order| order.is_exit() && order.ask.strategy == rule.strategy)
        };
        let shorts = book.holdings_of(&rule.strategy).filter(|(_, held)| held.net < 0).map(|(key, _)| key);
        shorts.into_iter().find(|key| option(&key.instrument).as_ref() == Some(&mine) && is_leaving(key)).cloned()
    }

    /// Fired rules until their positions are flat.
    fn follow_fired(&mut self, now: DateTime<Utc>) {
        let most = self.desk.settings.waits.resend_exit_most;
        let next: Vec<(Slot, Next)> = self
            .line
            .view
            .read(&self.desk.client_id, |book| {
                let fired = self.core.rules.watched.iter().filter(|(_, watched)| watched.rule.fired.is_some() && watched.hours.takes_exits);
                fired
                    .filter(|(_, watched)| !watched.rule.is_squared_off(book))
                    .map(|(slot, watched)| {
                        let goes_again = |order: &OrderRecord| super::resend::goes_again(book, order, most);
                        let next = follow(&watched.rule, book, goes_again, now);
                        let is_held_back = watched.held_back.is_some() && next == Next::Wait;
                        let is_alone = !book
                            .open_in(&watched.rule.holding.instrument)
                            .any(|order| order.is_exit() && order.ask.strategy == watched.rule.strategy);
                        (slot.clone(), if is_held_back && is_alone { Next::Again } else { next })
                    })
                    .filter(|(_, next)| *next != Next::Wait)
                    .collect()
            })
            .unwrap_or_default();
        for (slot, next) in next {
            self.go_on_with(&slot, next, now);
        }
    }

    fn go_on_with(&mut self, slot: &Slot, next: Next, now: DateTime<Utc>) {
        let Some(watched) = self.core.rules.watched.get_mut(slot) else { return };
        let mut rule = watched.rule.clone();
        match next {
            Next::Wait => {}
            Next::Again => self.send_exit(slot, &rule, None, now),
            Next::Anew(largest) => {
                let Some(fired) = rule.fired else { return };
                rule.fired = Some(Fired { signal: SignalId(self.line.ids.next()), at: now, ..fired });
                rule.attempt = rule.attempt.saturating_add(1);
                (watched.rule, watched.writing) = (rule.clone(), Some(now));
                let reason = format!("the {} of {} {} came to nothing: try {}", fired.cause, rule.strategy, rule.holding, rule.attempt + 1);
                self.keep_rule(slot, Some(&rule), None, "EXIT_RULE_FIRED", Level::Warn, &reason);
                self.send_exit(slot, &rule, largest, now);
            }
            Next::Rearm => {
                (rule.fired, rule.attempt) = (None, rule.attempt.saturating_add(1));
                watched.rule = rule.clone();
                let reason = format!("the target of {} {} has not traded: it stands again", rule.strategy, rule.holding);
                self.keep_rule(slot, Some(&rule), None, "EXIT_RULE_SET", Level::Info, &reason);
            }
            Next::Cancel(orders) => {
                let reason = format!("the exit of the rule of {} {} takes its place", rule.strategy, rule.holding);
                let facts = orders.into_iter().map(|order| (order, OrderFact::CancelWanted { tag: Tag::Replaced, reason: reason.clone() }));
                self.post_facts(facts.collect());
            }
            Next::Stuck(rejection) => {
                if !std::mem::replace(&mut watched.is_stuck, true) {
                    let text = format!(
                        "the exit of {} {} was rejected ({rejection:?}) and is not sent again by itself; the position is open: close it at the broker",
                        rule.strategy, rule.holding
                    );
                    self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_STUCK", Level::Page, rule.order, text);
                }
            }
        }
    }

    /// Rules whose position is gone end with it, and so does what of theirs still rests.
    fn end_rules(&mut self) {
        let ended = self.line.view.read(&self.desk.client_id, |book| {
            let watched = self.core.rules.watched.iter();
            let gone = watched.filter(|(_, watched)| !watched.rule.is_for(&book.held(&watched.rule.strategy, &watched.rule.holding)));
            gone.map(|(slot, watched)| {
                let signal = watched.rule.fired.map(|fired| fired.signal);
                let open = book.open_in(&watched.rule.holding.instrument);
                let resting = open.filter(|order| Some(order.signal_id) == signal && order.cancel_wanted.is_none());
                (slot.clone(), resting.map(|order| order.command_id).collect::<Vec<_>>())
            })
            .collect::<Vec<_>>()
        });
        for (slot, resting) in ended.unwrap_or_default() {
            let Some(watched) = self.core.rules.watched.get(&slot) else { continue };
            let rule = &watched.rule;
            let how = if rule.fired.is_some() { "its exit has closed it" } else { "closed by another exit, or elsewhere" };
            let reason = format!("{} {} is not held any more ({how}): its exit rule ends", rule.strategy, rule.holding);
            self.keep_rule(&slot, None, Some(watched.seq), "EXIT_RULE_ENDED", Level::Info, &reason);
            let facts = resting.into_iter().map(|order| (order, OrderFact::CancelWanted { tag: Tag::Replaced, reason: reason.clone() }));
            self.post_facts(facts.collect());
            // A position opened this moment brings its own.
            self.core.rules.forget(&slot);
        }
    }

    /// Writes stops that have moved, each now and then.
    fn write_moved(&mut self, now: DateTime<Utc>) {
        let every = Duration::from_std(self.desk.settings.exits.keep_every).unwrap_or(Duration::MAX);
        let mut writes = Vec::new();
        for (slot, watched) in &mut self.core.rules.watched {
            let is_writing = watched.writing.is_some_and(|since| now.signed_duration_since(since) < WRITE_AGAIN);
            let is_due = watched.kept_at.is_none_or(|at| now < at || now.signed_duration_since(at) >= every);
            if watched.is_ahead && is_due && !is_writing && watched.rule.fired.is_none_or(|fired| !fired.cause.is_urgent()) {
                (watched.is_ahead, watched.kept_at) = (false, Some(now));
                writes.push((slot.clone(), watched.rule.clone(), watched.seq));
            }
        }
        for (slot, rule, seq) in writes {
            let reason = format!("the stop moved to {} with the price at {}", rule.stop.unwrap_or_default(), rule.best);
            self.keep_rule(&slot, Some(&rule), Some(seq), "EXIT_RULE_MOVED", Level::Info, &reason);
        }
    }
}
