//! The looks of the exit rules: at every quote, and at the clock.

use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use super::super::settle::is_on_a_share;
use super::super::{Concern, WatcherActor};
use super::Watched;
use crate::broker::Reading;
use crate::exits::{Cause, ExitRule, Hours, Looked, Tick, is_near_expiry};
use crate::order::calendar::SessionPhase;
use crate::order::{Kind, trading_date};
use crate::persistence::{Level, Slot};
use crate::risk::Market;

/// A quote that nothing followed for so long stands: by our own clock, since it was first seen.
const STANDS: Duration = Duration::seconds(1);
/// The hours of an open market are looked at anew after this: the master may be another one.
const HOURS_STAND: Duration = Duration::seconds(30);

impl WatcherActor {
    /// The newest tick of a rule's instrument: the quote, or, where the feed is muted, what the broker's positions say.
    fn tick_of(&self, rule: &ExitRule, now: DateTime<Utc>) -> (Option<Tick>, bool) {
        let muted_after = Duration::from_std(self.desk.settings.exits.muted_after).unwrap_or(Duration::MAX);
        let quote = self.line.newest_quote(&self.desk, &rule.holding.instrument);
        if let Some(quote) = quote.filter(|quote| now.signed_duration_since(quote.at) <= muted_after) {
            return (Some(Tick::from(&quote)), false);
        }
        let findings = self.desk.findings.read();
        let told = findings.positions.as_ref().and_then(|positions| {
            let row = positions.rows().iter().find(|row| row.holding == rule.holding && row.net != 0)?;
            let a_unit = row.unrealised.0.checked_div(Decimal::from(row.net))?;
            let move_ = a_unit.checked_div(self.line.point(&self.desk.client_id, &rule.holding.instrument)?)?;
            let last = row.average_price?.checked_add(move_)?;
            (now.signed_duration_since(positions.at) <= muted_after).then_some(Tick { last, bid: None, ask: None, at: positions.at })
        });
        (told, true)
    }

    pub(super) fn look_at(&mut self, slots: Vec<Slot>, now: DateTime<Utc>) {
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
            let is_dark = is_muted && tick.is_none();
            let is_news = (is_muted && !watched.is_muted) || (is_dark && !watched.is_dark);
            (watched.is_muted, watched.is_dark) = (is_muted, is_dark);
            let looked = match (&tick, &watched.before) {
                (Some(tick), Some(before)) if tick == before => {
                    let stands = watched.shown_since.is_some_and(|since| now.signed_duration_since(since) >= STANDS);
                    if stands { watched.rule.look_at_standing(tick) } else { Looked::default() }
                }
                (Some(tick), before) => watched.rule.look(before.as_ref(), tick),
                (None, _) => Looked::default(),
            };
            if tick.is_some() && tick != watched.before {
                (watched.before, watched.shown_since) = (tick, Some(now));
            }
            watched.is_ahead |= looked.is_moved;
            if is_news {
                let by = if is_dark {
                    "and the broker's positions tell no price of it either: NOTHING watches its stop; watch it yourself, and look at the feed"
                } else {
                    "its stop is watched by the broker's positions only; look at the feed"
                };
                let text = format!(
                    "no quote of {} {} for {} s while its market is open: {by}",
                    watched.rule.strategy,
                    watched.rule.holding,
                    self.desk.settings.exits.muted_after.as_secs()
                );
                self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_FEED_MUTED", Level::Page, watched.rule.order, text);
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
            self.core.deferred.insert(Reading::Positions);
        }
    }

    /// The hours of each rule's market; and, once a day, that a contract comes near to its delivery. Those of a market in
    /// continuous trading stand until it ends, those of one that takes no orders are looked at each time.
    pub(super) fn look_at_hours(&mut self, now: DateTime<Utc>) {
        let set_back = self.line.clock_was_set_back();
        let is_live = self.desk.broker.capabilities().is_live;
        let mut near = Vec::new();
        let due = |watched: &&mut Watched| !watched.hours_for.as_ref().is_some_and(|hours| hours.contains(&now));
        for watched in self.core.rules.watched.values_mut().filter(due) {
            let key = &watched.rule.holding.instrument;
            let market = Market::of(&self.line.calendar, &*self.line.instruments, key, is_live, now, set_back);
            let instrument = self.line.instruments.find(key);
            let expiry = instrument.as_ref().and_then(|instrument| match instrument.kind {
                Kind::Future { expiry } | Kind::Option { expiry, .. } => Some(expiry),
                Kind::Equity | Kind::Index => None,
            });
            let closes_at = match market.phase {
                SessionPhase::Continuous { closes_at } => Some(closes_at),
                _ => None,
            };
            let takes_exits = !market.is_held || market.phase.takes_exits();
            let closes_at = closes_at.filter(|_| market.is_held);
            // What comes after continuous trading tells whether resting stops are thrown out at its end.
            let after = closes_at.map(|at| Market::of(&self.line.calendar, &*self.line.instruments, key, is_live, at, set_back).phase);
            let stops_until = closes_at.filter(|_| matches!(after, Some(SessionPhase::ClosingAuction { .. })));
            let takes_stops = !market.is_held || closes_at.is_some();
            watched.hours = Hours { takes_exits, closes_at, takes_stops, stops_until, expiry };
            let again = now + HOURS_STAND;
            watched.hours_for = takes_stops.then(|| now..closes_at.map_or(again, |closes_at| again.min(closes_at)));
            let is_stock = instrument.is_some_and(|found| is_on_a_share(&*self.line.instruments, &found));
            if let Some(expiry) = expiry.filter(|expiry| is_stock && is_near_expiry(*expiry, now)) {
                near.push((watched.rule.strategy.clone(), watched.rule.holding.clone(), expiry));
            }
        }
        for (strategy, holding, expiry) in near {
            let text = format!(
                "{strategy} {holding} ends on {expiry} and is settled by delivery of the shares; leave it before, or have the money or the shares (seen {})",
                trading_date(now)
            );
            self.concern(Concern { event: "ALARM_DELIVERY_NEAR", level: Level::Warn, text, command_id: None });
        }
    }

    pub(super) fn look_at_times(&mut self, now: DateTime<Utc>) {
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
}
