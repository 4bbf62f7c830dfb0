//! The looks of the exit rules: at every quote, and at the clock.

use std::ops::Range;

use chrono::{DateTime, Duration, Utc};

use super::super::settle::is_on_a_share;
use super::super::{Concern, WatcherActor};
use crate::broker::Reading;
use crate::exits::{Cause, Hours, Looked};
use crate::order::calendar::SessionPhase;
use crate::order::{Kind, Side, trading_date};
use crate::persistence::{Level, Slot};
use crate::risk::Market;

/// A quote that nothing followed for so long stands: by our own clock, since it was first seen.
const STANDS: Duration = Duration::seconds(1);
/// The hours of an open market are looked at anew after this: the master may be another one.
const HOURS_STAND: Duration = Duration::seconds(30);

impl WatcherActor {
    pub(super) fn look_at(&mut self, slots: &[Slot], now: DateTime<Utc>) {
        let muted_after = self.muted_after();
        for slot in slots {
            let Some(watched) = self.core.rules.watched.get(slot) else { continue };
            if !watched.rule.is_on || !watched.hours.takes_exits {
                continue;
            }
            let (tick, is_muted) = self.tick_of(&watched.rule, now);
            let Some(watched) = self.core.rules.watched.get_mut(slot) else { continue };
            // The first quote of a new subscription, or of a session, takes its time. Outside of continuous trading few quote, and nobody
            // needs to hear that.
            let is_trading = watched.hours.is_trading;
            watched.since = watched.since.filter(|_| is_trading);
            let is_late = now.signed_duration_since(*watched.since.get_or_insert(now)) > muted_after;
            let needs_positions = is_muted && (is_late || !is_trading);
            let is_muted = is_muted && is_trading && is_late;
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
                    muted_after.num_seconds()
                );
                self.line.alarm(Some(&self.desk.client_id), "ALARM_EXIT_FEED_MUTED", Level::Page, watched.rule.order, text);
            }
            if needs_positions {
                self.want_positions(now);
            }
            if let Some(cause) = looked.fires.filter(|cause| !self.is_of_another_basis(slot, *cause, now)) {
                self.fire(slot, cause, "", now);
            }
        }
    }

    /// The positions with every poll, while they are what prices come from.
    pub(super) fn want_positions(&mut self, now: DateTime<Utc>) {
        let read_at = self.desk.findings.read().positions.as_ref().map(|positions| positions.at);
        let poll = Duration::from_std(self.desk.settings.waits.poll).unwrap_or(Duration::MAX);
        if read_at.is_none_or(|at| now.signed_duration_since(at) >= poll) {
            self.core.deferred.insert(Reading::Positions);
        }
    }

    /// Whether what would fire is in prices of before a split or the like: a person hears it instead.
    fn is_of_another_basis(&mut self, slot: &Slot, cause: Cause, now: DateTime<Utc>) -> bool {
        let Some(watched) = self.core.rules.watched.get(slot) else { return false };
        let rule = &watched.rule;
        let Some(instrument) = self.line.instruments.find(&rule.holding.instrument) else { return false };
        let may_be_split = match instrument.kind {
            Kind::Equity => true,
            Kind::Future { .. } => is_on_a_share(&*self.line.instruments, &instrument),
            // An option that is adjusted gets another name.
            Kind::Index | Kind::Option { .. } => false,
        };
        let quoted = self.line.newest_quote(&self.desk, &rule.holding.instrument).and_then(|quote| quote.band);
        let band = quoted.or(instrument.band).filter(|_| may_be_split);
        let last = watched.before.map(|tick| tick.last);
        let Some(level) = rule.of_another_basis(cause, band, last, now) else { return false };
        let (low, high) = band.map_or_else(Default::default, |(low, high)| (low.to_string(), high.to_string()));
        let text = format!(
            "the {cause} of {} {} at {level} is reached, and lies beyond what the exchange takes today ({low} to {high}): a split, a bonus or the like? \
             It does not fire, and nothing protects the position until its rule is set anew; compare the units with the broker's ({})",
            rule.strategy,
            rule.holding,
            trading_date(now)
        );
        self.concern(Concern { event: "ALARM_EXIT_OTHER_BASIS", level: Level::Page, text, command_id: rule.order });
        true
    }

    /// The hours of each rule's market. Those of a market in continuous trading stand until it ends, those of one that takes no orders
    /// are looked at each time, and so are all after a step back of the clock.
    pub(super) fn look_at_hours(&mut self, slots: &[Slot], now: DateTime<Utc>) {
        let set_back = self.line.clock_was_set_back();
        let is_live = self.desk.broker.capabilities().is_live;
        for slot in slots {
            let Some(watched) = self.core.rules.watched.get_mut(slot) else { continue };
            if watched.hours_for.as_ref().is_some_and(|hours| hours.contains(&now)) {
                continue;
            }
            let key = &watched.rule.holding.instrument;
            let market = Market::of(&self.line.calendar, &*self.line.instruments, key, is_live, now, set_back);
            let instrument = self.line.instruments.find(key);
            let times = self.line.trading_times(key, now);
            let until = match market.phase {
                SessionPhase::Continuous { closes_at } => Some(closes_at).filter(|_| market.is_held),
                _ => None,
            };
            // What comes after continuous trading tells whether resting stops are thrown out at its end.
            let after = until.map(|at| Market::of(&self.line.calendar, &*self.line.instruments, key, is_live, at, set_back).phase);
            let takes_stops = !market.is_held || until.is_some();
            watched.hours = Hours {
                takes_exits: market.takes_exits(),
                is_trading: is_trading(&market.phase, &times, now),
                closes_at: ends_at(&market, &times, now),
                takes_stops,
                stops_until: until.filter(|_| matches!(after, Some(SessionPhase::ClosingAuction { .. }))),
                expiry: instrument.and_then(|instrument| instrument.kind.expiry()),
            };
            let again = now + HOURS_STAND;
            let stand = takes_stops && set_back.is_none();
            watched.hours_for = stand.then(|| now..until.map_or(again, |until| again.min(until)));
        }
    }

    /// Rules whose time is up, what was sold first: what was bought may cover it, and waits for an exit that is under way.
    pub(super) fn look_at_times(&mut self, now: DateTime<Utc>) {
        let exits = &self.desk.settings.exits;
        let watched = self.core.rules.watched.iter().filter(|(_, watched)| watched.hours.takes_exits);
        let due = watched.filter_map(|(slot, watched)| {
            let before_close = exits.before_close(watched.rule.holding.instrument.exchange);
            let why = watched.rule.time_up(&watched.hours, before_close, now)?;
            Some((watched.rule.position == Side::Buy, slot.clone(), why))
        });
        let mut due: Vec<(bool, Slot, String)> = due.collect();
        due.sort();
        let slots: Vec<Slot> = due.iter().map(|(_, slot, _)| slot.clone()).collect();
        self.end_rules_of(&slots);
        for (_, slot, why) in due {
            self.fire(&slot, Cause::Time, &why, now);
        }
    }
}

/// Whether continuous trading goes on, by the hours of any day where this one is not covered.
pub(super) fn is_trading(phase: &SessionPhase, times: &[Range<DateTime<Utc>>], now: DateTime<Utc>) -> bool {
    match phase {
        SessionPhase::Continuous { .. } => true,
        SessionPhase::Unknown(_) => times.iter().any(|times| times.contains(&now)),
        _ => false,
    }
}

/// When the day's trading ends, or has ended and an exit still goes: into a closing auction, or where nobody is held to hours.
fn ends_at(market: &Market, times: &[Range<DateTime<Utc>>], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let end = times.last()?.end;
    match market.phase {
        SessionPhase::Unknown(_) => Some(end).filter(|end| now < *end),
        SessionPhase::PostClose { .. } | SessionPhase::Closed { .. } if market.is_held => None,
        _ => Some(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::calendar::{AuctionStep, Missing, Why};
    use crate::testkit::builders::at;

    /// Two windows, 100 to 200 and 300 to 400 seconds after the morning began.
    fn times() -> Vec<Range<DateTime<Utc>>> {
        vec![at(100)..at(200), at(300)..at(400)]
    }

    #[test]
    fn the_end_of_the_day_is_that_of_its_last_window_wherever_an_exit_still_goes() {
        let continuous = || SessionPhase::Continuous { closes_at: at(200) };
        let auction = || SessionPhase::ClosingAuction { step: AuctionStep::LimitOnly, until: at(500) };
        let closed = || SessionPhase::Closed { why: Why::Hours, next_open: None };
        let unknown = || SessionPhase::Unknown(Missing::Day);
        for (phase, is_held, now, wanted) in [
            (continuous(), true, 150, Some(at(400))),
            (continuous(), false, 150, Some(at(400))),
            (auction(), true, 420, Some(at(400))),
            (unknown(), true, 350, Some(at(400))),
            (unknown(), true, 450, None),
            (closed(), true, 450, None),
            (closed(), false, 450, Some(at(400))),
            (SessionPhase::PostClose { until: at(900) }, true, 450, None),
        ] {
            let market = Market { phase, is_held };
            assert_eq!(ends_at(&market, &times(), at(now)), wanted, "{market:?} at {now}");
            assert_eq!(ends_at(&market, &[], at(now)), None);
        }
    }

    #[test]
    fn a_feed_is_silent_in_continuous_trading_only() {
        let is = |phase: SessionPhase, now| is_trading(&phase, &times(), at(now));
        assert!(is(SessionPhase::Continuous { closes_at: at(200) }, 150));
        assert!(is(SessionPhase::Unknown(Missing::Day), 150) && !is(SessionPhase::Unknown(Missing::Day), 250));
        assert!(
            !is(SessionPhase::PostClose { until: at(200) }, 150)
                && !is(SessionPhase::ClosingAuction { step: AuctionStep::LimitOnly, until: at(200) }, 150)
        );
    }
}
