//! What the calendar brings to what is held, with a rule or without: a contract that is about to be delivered, a position that was
//! to be out by the end of the day and is not, and one whose hour its market does not reach.

use chrono::{DateTime, Datelike, Duration, Utc, Weekday};

use super::super::settle::is_on_a_share;
use super::super::{Concern, WatcherActor};
use crate::exits::{ExitRule, late_hour};
use crate::order::calendar::{Missing, SessionPhase};
use crate::order::{Exchange, HoldingKey, Kind, Strategy, exchanges_have_opened, ist, trading_date};
use crate::persistence::Level;
use crate::risk::Market;

/// What changes once a day is looked at so often.
const LOOK_EVERY: Duration = Duration::seconds(30);
/// Days of trading before a contract on a share ends on which it is named.
const BEFORE_SHARES: usize = 2;
/// The same of a commodity, whose tender begins days before its end.
const BEFORE_GOODS: usize = 5;

impl WatcherActor {
    pub(super) fn look_at_days(&mut self, now: DateTime<Utc>) {
        let looked_at = self.core.rules.days_looked_at;
        if looked_at.is_some_and(|at| at <= now && now.signed_duration_since(at) < LOOK_EVERY) {
            return;
        }
        self.core.rules.days_looked_at = Some(now);
        let held = self.line.view.read(&self.desk.client_id, |book| {
            book.holdings().map(|(strategy, key, _)| (strategy.clone(), key.clone())).collect::<Vec<_>>()
        });
        for (strategy, key) in held.unwrap_or_default() {
            if let Some(text) = self.near_delivery(&strategy, &key, now) {
                self.concern(Concern { event: "ALARM_DELIVERY_NEAR", level: Level::Warn, text, command_id: None });
            }
        }
        let rules = self.core.rules.watched.values().map(|watched| &watched.rule);
        let staying: Vec<_> = rules.filter_map(|rule| Some((self.stays_overnight(rule, now)?, rule.order))).collect();
        let rules = self.core.rules.watched.values().map(|watched| &watched.rule);
        let early: Vec<_> = rules.filter_map(|rule| Some((self.has_a_late_hour(rule, now)?, rule.order))).collect();
        for (text, command_id) in staying {
            self.concern(Concern { event: "ALARM_EXIT_TIME_MISSED", level: Level::Page, text, command_id });
        }
        for (text, command_id) in early {
            self.concern(Concern { event: "ALARM_EXIT_HOUR_LATE", level: Level::Warn, text, command_id });
        }
    }

    /// That what is held there is about to be settled by delivery.
    fn near_delivery(&self, strategy: &Strategy, key: &HoldingKey, now: DateTime<Utc>) -> Option<String> {
        let instrument = self.line.instruments.find(&key.instrument)?;
        let (expiry, today) = (instrument.kind.expiry()?, trading_date(now));
        if expiry < today {
            return None;
        }
        let days = self.line.calendar.days_until(key.instrument.exchange, today, expiry);
        if is_on_a_share(&*self.line.instruments, &instrument) && days <= BEFORE_SHARES {
            return Some(format!(
                "{strategy} {key} ends on {expiry} and is settled by delivery of the shares; leave it before, or have the money or the shares (seen {today})"
            ));
        }
        let may_be_goods = key.instrument.exchange == Exchange::Mcx && matches!(instrument.kind, Kind::Future { .. });
        (may_be_goods && days <= BEFORE_GOODS).then(|| {
            format!(
                "{strategy} {key} ends on {expiry}; if its commodity is delivered (metals and most goods; not crude oil, gas and indices), the tender begins before that, and brokers close it earlier: leave it (seen {today})"
            )
        })
    }

    /// That a position which was to be out by the end of the day, or at an hour, is not, or that nobody knows when that end is.
    fn stays_overnight(&self, rule: &ExitRule, now: DateTime<Utc>) -> Option<String> {
        let (key, today) = (&rule.holding.instrument, trading_date(now));
        let expiry = self.line.instruments.find(key).and_then(|instrument| instrument.kind.expiry());
        let by_end = rule.ends_with_the_day(expiry, now);
        let by = match by_end {
            Some(_) => "by the end of the day".to_owned(),
            None => format!("at {}", rule.hour(now)?.format("%H:%M")),
        };
        let is_live = self.desk.broker.capabilities().is_live;
        let market = Market::of(&self.line.calendar, &*self.line.instruments, key, is_live, now, self.line.clock_was_set_back());
        let end = self.line.trading_times(key, now).last().map(|times| times.end);
        let what = format!("{} {} shall be out {by}", rule.strategy, rule.holding);
        match (&market.phase, end) {
            (SessionPhase::Closed { .. } | SessionPhase::PostClose { .. } | SessionPhase::Unknown(_), Some(end)) => {
                // What was opened after its hour is meant for tomorrow's.
                let due = rule.hour(now).filter(|_| by_end.is_none()).map_or(end, |hour| end.min(hour.to_utc()));
                (end <= now && rule.held_since < due).then(|| {
                    let end = end.with_timezone(&ist()).format("%H:%M IST");
                    format!("{what}, and is still held: trading ended at {end}. It stays until the next day of trading, and is left before that ends (seen {today})")
                })
            }
            (SessionPhase::Unknown(missing), None) => {
                let may_rest = *missing == Missing::Day && matches!(today.weekday(), Weekday::Sat | Weekday::Sun);
                (exchanges_have_opened(now) && !may_rest && by_end.is_some()).then(|| {
                    format!("{what}, and when that is nobody knows ({missing}): nothing leaves it today, exit it yourself (seen {today})")
                })
            }
            _ => None,
        }
    }

    /// That a position is to be left at an hour at which its market takes nothing any more: it goes earlier than the rule says.
    fn has_a_late_hour(&self, rule: &ExitRule, now: DateTime<Utc>) -> Option<String> {
        let key = &rule.holding.instrument;
        let (hour, end) = (rule.hour(now)?, self.line.trading_times(key, now).last()?.end);
        let words = late_hour(hour.time(), end, self.desk.settings.exits.before_close(key.exchange), now)?;
        (now < end && rule.held_since < end).then(|| format!("{} {} {words}", rule.strategy, rule.holding))
    }
}
