//! What a rule that has fired does: its exit is sent, followed until the position is flat, and ends with it.

use chrono::{DateTime, Duration, Utc};

use super::super::climb::Part;
use super::super::follow::EXIT_FAILED;
use super::super::{Concern, WatcherActor, ladder_slot, resend};
use crate::exits::{Beside, Cause, ExitRule, Fired, Ladder, Next, Rejection, follow, is_stop_of, slot, to_take_over};
use crate::order::basket::COVER_FIRST;
use crate::order::{CommandId, HoldingKey, OrderFact, OrderRecord, OrderType, SignalId, Status, Tag, trading_date};
use crate::persistence::{Book, KeepOver, Level, Slot, Unit};

/// A write that was not heard of after this is made again.
pub(super) const WRITE_AGAIN: Duration = Duration::seconds(2);

impl WatcherActor {
    /// Writes down that it fires, with its exit. An exit of the position that rests already, a target at its limit or the
    /// stop at the broker, is taken over instead: it is changed, and no second one goes out.
    pub(super) fn fire(&mut self, slot: &Slot, cause: Cause, why: &str, now: DateTime<Utc>) {
        let Some(watched) = self.core.rules.watched.get_mut(slot) else { return };
        let is_squared_off = self.line.view.read(&self.desk.client_id, |book| watched.rule.is_squared_off(book)).unwrap_or(false);
        if is_squared_off {
            return;
        }
        let price = watched.before.map(|tick| tick.last);
        let able = self.desk.broker.capabilities();
        let changes = if able.can_modify { able.max_modifications } else { Some(0) };
        let resting = self.line.view.read(&self.desk.client_id, |book| {
            let rule = &watched.rule;
            rule.exit_to_take_over(book).or_else(|| to_take_over(rule, book, changes))
        });
        let resting = resting.flatten();
        let signal = resting.unwrap_or_else(|| SignalId(self.line.ids.next()));
        watched.rule.attempt = watched.rule.attempts_before(cause, now);
        watched.rule.fired = Some(Fired { cause, at: now, price, signal });
        (watched.writing, watched.kept_at) = (Some(now), Some(now));
        let rule = watched.rule.clone();
        let at = price.map_or_else(|| "without a price".to_owned(), |price| format!("at {price}"));
        let why = if why.is_empty() { rule.words() } else { format!("{why}; {}", rule.words()) };
        let reason = format!("{cause} of {} {} fires {at}: {why}", rule.strategy, rule.holding);
        let level = if cause.is_urgent() { Level::Warn } else { Level::Info };
        metrics::counter!("ordergate_exit_rules_fired_total", "cause" => cause.to_string()).increment(1);
        let fired = self.kept_as_fired(slot, &rule, level, &reason);
        if resting.is_none() {
            self.send_exit(slot, &rule, None, fired, now);
        } else {
            self.post_kept(fired);
        }
    }

    /// That it fires, to write down: a person who has switched it off this moment is not overruled by that.
    fn kept_as_fired(&self, slot: &Slot, rule: &ExitRule, level: Level, reason: &str) -> Option<KeepOver> {
        let keep = self.rule_kept(slot, Some(rule), None, "EXIT_RULE_FIRED", level, reason)?;
        Some(KeepOver { keep, heeding: ExitRule::text_kept_off })
    }

    fn post_kept(&self, kept: Option<KeepOver>) {
        kept.into_iter().for_each(|kept| self.line.post_unit(Unit::KeepOver(kept)));
    }

    /// Sends the exit of a fired rule, and with it that it has fired, unless it has to wait for its cover.
    fn send_exit(&mut self, slot: &Slot, rule: &ExitRule, largest: Option<i64>, fired: Option<KeepOver>, now: DateTime<Utc>) {
        let cover = self.line.view.read(&self.desk.client_id, |book| self.uncovers(rule, book)).flatten();
        let Some(watched) = self.core.rules.watched.get_mut(slot) else { return };
        if let Some(short) = cover {
            let since = *watched.held_back.get_or_insert(now);
            if now.signed_duration_since(since) < COVER_FIRST {
                self.post_kept(fired);
                return;
            }
            let text = words_of_the_uncovered(rule, &short);
            self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_UNCOVERS", Level::Page, rule.order, text);
        }
        watched.held_back = None;
        let before = watched.before;
        self.submit_exit(rule, before, Part::All { largest }, fired, now);
    }

    /// Sends what the open exits of a fired rule are not for.
    fn send_beside(&mut self, slot: &Slot, mut rule: ExitRule, beside: &Beside, now: DateTime<Utc>) {
        let after = &beside.after;
        if self.waits_for_its_cover(&rule, after.command_id, now) || !self.is_time_to_resend(after.command_id, now) {
            return;
        }
        let Some(watched) = self.core.rules.watched.get_mut(slot) else { return };
        let (before, mut tried) = (watched.before, None);
        if beside.is_retry {
            rule.attempt = rule.attempt.saturating_add(1);
            (watched.rule, watched.writing) = (rule.clone(), Some(now));
            let reason = format!("{} units of {} {} have no exit: try {}", beside.units, rule.strategy, rule.holding, rule.attempt + 1);
            tried = self.kept_as_fired(slot, &rule, Level::Warn, &reason);
        }
        self.submit_exit(&rule, before, Part::Beside { units: beside.units, after: after.number }, tried, now);
    }

    /// Whether the stop that an exit of a rule has taken over waits for the short that its position covers to be closed.
    pub(in crate::watcher) fn waits_for_cover(&mut self, order: &OrderRecord, now: DateTime<Utc>) -> bool {
        let rule = self.line.view.read(&self.desk.client_id, |book| self.core.rules.firing(order, book).cloned()).flatten();
        rule.is_some_and(|rule| self.waits_for_its_cover(&rule, order.command_id, now))
    }

    /// Whether a rule that has fired waits for the short that its position covers to be bought back. Not for ever, and then people hear it.
    fn waits_for_its_cover(&mut self, rule: &ExitRule, order: CommandId, now: DateTime<Utc>) -> bool {
        let cover = self.line.view.read(&self.desk.client_id, |book| self.uncovers(rule, book)).flatten();
        let (Some(fired), Some(short)) = (rule.fired, cover) else { return false };
        if now.signed_duration_since(fired.at) < COVER_FIRST {
            return true;
        }
        let text = words_of_the_uncovered(rule, &short);
        self.concern(Concern { event: "ALARM_EXIT_UNCOVERS", level: Level::Page, text, command_id: Some(order) });
        false
    }

    /// The short option of the strategy that this exit would leave without its cover, while its own exit is under way.
    fn uncovers(&self, rule: &ExitRule, book: &Book) -> Option<HoldingKey> {
        let mine = self.line.instruments.find(&rule.holding.instrument)?;
        let is_covered =
            |key: &HoldingKey| self.line.instruments.find(&key.instrument).is_some_and(|short| mine.covers(rule.position, &short));
        // What only rests, a stop at the broker or a limit at a price, buys nothing back now.
        let leaves = |order: &OrderRecord| {
            order.is_exit()
                && order.ask.strategy == rule.strategy
                && !order.is_resting_stop()
                && order.cancel_wanted.is_none()
                && (order.working_type() == Some(OrderType::Market) || self.is_urgent(order, book))
        };
        let is_leaving = |key: &HoldingKey| {
            let fired = self.core.rules.watched.get(&slot(&rule.strategy, key)).and_then(|watched| watched.rule.fired);
            fired.is_some_and(|fired| fired.cause.is_urgent()) || book.open_in(&key.instrument).any(|order| leaves(order))
        };
        let shorts = book.holdings_of(&rule.strategy).filter(|(_, held)| held.net < 0).map(|(key, _)| key);
        shorts.into_iter().find(|key| is_covered(key) && is_leaving(key)).cloned()
    }

    /// Fired rules until their positions are flat.
    pub(super) fn follow_fired(&mut self, slots: &[Slot], now: DateTime<Utc>) {
        let resends = self.desk.settings.waits.resends();
        let next: Vec<(Slot, Next)> = self
            .line
            .view
            .read(&self.desk.client_id, |book| {
                let fired = self.core.rules.among(slots).filter(|(_, watched)| watched.rule.sends_exits() && watched.hours.takes_exits);
                fired
                    .filter(|(_, watched)| !watched.rule.is_squared_off(book))
                    .map(|(slot, watched)| {
                        // One that is replaced goes again from its ladder, which stands until that is there.
                        let ladder_of = |order: &OrderRecord| book.kept(&ladder_slot(order.command_id))?.read::<Ladder>().ok();
                        let is_replaced = |order: &OrderRecord| {
                            order.tag == Some(Tag::Replaced) && ladder_of(order).is_some_and(|ladder| ladder.is_replaced)
                        };
                        let goes_again = |order: &OrderRecord| resend::goes_again(book, order, resends) || is_replaced(order);
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
            Next::Again => {
                // What was lost may have had the firing with it.
                let reason = format!("the exit of {} {} is sent again: it is not on disk", rule.strategy, rule.holding);
                let is_unwritten = watched.writing.is_some();
                let fired = self.kept_as_fired(slot, &rule, Level::Warn, &reason).filter(|_| is_unwritten);
                self.send_exit(slot, &rule, None, fired, now);
            }
            Next::Anew(largest) => {
                let Some(fired) = rule.fired else { return };
                // What it may cost counts from where it fired first; what the market did overnight is no cost of the exit.
                let is_of_today = trading_date(fired.at) == trading_date(now);
                let price = if is_of_today { fired.price } else { watched.before.map(|tick| tick.last) };
                rule.fired = Some(Fired { signal: SignalId(self.line.ids.next()), at: now, price, ..fired });
                rule.attempt = rule.attempt.saturating_add(1);
                (watched.rule, watched.writing) = (rule.clone(), Some(now));
                let reason = format!("the {} of {} {} came to nothing: try {}", fired.cause, rule.strategy, rule.holding, rule.attempt + 1);
                let fired = self.kept_as_fired(slot, &rule, Level::Warn, &reason);
                self.send_exit(slot, &rule, largest, fired, now);
            }
            Next::Beside(beside) => self.send_beside(slot, rule, &beside, now),
            Next::Rearm => {
                (rule.fired, rule.attempt, rule.rearmed_at) = (None, rule.attempt.saturating_add(1), Some(now));
                watched.rule = rule.clone();
                let reason = format!("the target of {} {} has not traded: it stands again", rule.strategy, rule.holding);
                self.keep_rule(slot, Some(&rule), None, "EXIT_RULE_SET", Level::Info, &reason);
            }
            Next::Cancel(orders) => {
                let reason = format!("the exit of the rule of {} {} takes its place", rule.strategy, rule.holding);
                self.tell_of_the_unsettled(&rule, &orders);
                let facts = orders.into_iter().map(|order| (order, OrderFact::CancelWanted { tag: Tag::Replaced, reason: reason.clone() }));
                self.post_facts(facts.collect());
            }
            Next::Stuck(rejection) => {
                if !std::mem::replace(&mut watched.is_stuck, true) {
                    let text = words_of_the_stuck(&rule, rejection);
                    self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_STUCK", Level::Page, rule.order, text);
                }
            }
        }
    }

    /// A signal to leave that waited for a proof would have closed what comes of that too: the exit of a rule is for what is certain.
    fn tell_of_the_unsettled(&mut self, rule: &ExitRule, cancelled: &[CommandId]) {
        let unsettled = self.line.view.read(&self.desk.client_id, |book| {
            let key = &rule.holding.instrument;
            let waits = |order: &CommandId| book.order(*order).is_some_and(|order| order.status == Status::Created);
            let waiting = *cancelled.iter().find(|order| waits(order))?;
            let entries = book.owed_in(key).chain(book.doubts_in(key)).filter(|order| !order.is_exit());
            Some((waiting, entries.into_iter().find(|order| order.ask.strategy == rule.strategy)?.command_id))
        });
        let Some((waiting, entry)) = unsettled.flatten() else { return };
        let text = format!(
            "exit {waiting} of {} in {} waited for order {entry}, and makes way for its rule, which has fired: what {entry} fills is not closed by that, and nothing else sends an exit for it; when it is settled, look what is held and exit it",
            rule.strategy, rule.holding
        );
        self.concern(Concern { event: EXIT_FAILED, level: Level::Page, text, command_id: Some(waiting) });
    }

    /// Rules whose position is gone end with it, and so does what of theirs still rests. Those that a fill may have closed are
    /// looked at once it is recorded, all of them now and then: not everything that closes a position is a fill.
    pub(super) fn end_rules_of(&mut self, slots: &[Slot]) {
        let ended = self.line.view.read(&self.desk.client_id, |book| {
            let gone = self
                .core
                .rules
                .among(slots)
                .filter(|(_, watched)| !watched.rule.is_for(&book.held(&watched.rule.strategy, &watched.rule.holding)));
            gone.map(|(slot, watched)| {
                let signal = watched.rule.fired.map(|fired| fired.signal);
                let open = book.open_in(&watched.rule.holding.instrument);
                let left = open.filter(|order| Some(book.first_of(order).signal_id) == signal && order.cancel_wanted.is_none());
                let stop = book.newest_of(&watched.rule.strategy).find(|order| is_stop_of(order, &watched.rule));
                let by_its_stop = stop.is_some_and(|order| order.filled_quantity > 0 && order.updated_at >= watched.rule.opened_at);
                (slot.clone(), by_its_stop, left.map(|order| order.command_id).collect::<Vec<_>>())
            })
            .collect::<Vec<_>>()
        });
        for (slot, by_its_stop, resting) in ended.unwrap_or_default() {
            let Some(watched) = self.core.rules.watched.get(&slot) else { continue };
            let rule = &watched.rule;
            let how = match (rule.fired.is_some(), by_its_stop) {
                (true, _) => "its exit has closed it",
                (false, true) => "its stop at the broker has closed it",
                (false, false) => "closed by another exit, or elsewhere",
            };
            let reason = format!("{} {} is not held any more ({how}): its exit rule ends", rule.strategy, rule.holding);
            self.keep_rule(&slot, None, Some(watched.seq), "EXIT_RULE_ENDED", Level::Info, &reason);
            let facts = resting.into_iter().map(|order| (order, OrderFact::CancelWanted { tag: Tag::Replaced, reason: reason.clone() }));
            self.post_facts(facts.collect());
            self.core.rules.end(slot);
        }
    }

    /// Writes stops that have moved, each now and then.
    pub(super) fn write_moved(&mut self, slots: &[Slot], now: DateTime<Utc>) {
        let every = Duration::from_std(self.desk.settings.exits.keep_every).unwrap_or(Duration::MAX);
        let mut writes = Vec::new();
        for slot in slots {
            let Some(watched) = self.core.rules.watched.get_mut(slot) else { continue };
            let is_writing = watched.writing.is_some_and(|since| now.signed_duration_since(since) < WRITE_AGAIN);
            let is_due = watched.kept_at.is_none_or(|at| now < at || now.signed_duration_since(at) >= every);
            if watched.is_ahead() && is_due && !is_writing && watched.rule.fired.is_none_or(|fired| !fired.cause.is_urgent()) {
                watched.kept_at = Some(now);
                writes.push((slot.clone(), watched.rule.clone(), watched.seq));
            }
        }
        for (slot, rule, seq) in writes {
            let reason = format!("the stop moved to {} with the price at {}", rule.stop.unwrap_or_default(), rule.best);
            self.keep_rule(&slot, Some(&rule), Some(seq), "EXIT_RULE_MOVED", Level::Info, &reason);
        }
    }
}

fn words_of_the_uncovered(rule: &ExitRule, short: &HoldingKey) -> String {
    format!("{} {} is closed although {short}, which it covers, is not bought back yet", rule.strategy, rule.holding)
}

fn words_of_the_stuck(rule: &ExitRule, rejection: Rejection) -> String {
    let (strategy, holding) = (&rule.strategy, &rule.holding);
    if rejection == Rejection::NothingThere {
        return format!(
            "the exit of {strategy} {holding} was not sent: the broker's positions and holdings have no shares for it. It is not sent again by \
             itself, or it would sell what somebody buys there later. If they were sold elsewhere, clear the holding by force; if they are \
             there, close them at the broker"
        );
    }
    if rejection == Rejection::TakenBack {
        return format!(
            "the exit of {strategy} {holding} was cancelled by a person, and its rule, which has fired, sends no other: the position is open, \
             and nothing protects it. Exit it, or switch the rule off and set it anew"
        );
    }
    format!(
        "the exit of {strategy} {holding} was rejected ({rejection:?}) and is not sent again by itself; the position is open: close it at the broker"
    )
}
