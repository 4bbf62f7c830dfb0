//! Stored alerts that fire at a time of day, once a day: when one is due, and what is told of it. Pure; the shell that asks
//! and sends is [`crate::web::scheduled`].
//!
//! What is told is a kept state of the account (`Topic::Schedule`): first that an alert is about to be sent and under which
//! name, then what became of it. So a restart in between finds out by that name, and never sends a second one.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use ordergate_actors::order::calendar::{Calendar, Day, Why};
use ordergate_actors::order::{ClientId, Exchange, SignalId, ist};
use serde::{Deserialize, Serialize};

/// A stored alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// Its name; stands with every order that it sends.
    pub name: String,
    /// The account that it trades.
    pub client_id: ClientId,
    /// When it fires, India time.
    pub at: NaiveTime,
    /// So much later at the latest.
    pub grace: Duration,
    /// It fires on the trading days of this exchange.
    pub exchange: Exchange,
    /// The alert, as JSON text.
    pub alert: String,
}

/// What is kept of a stored alert: its newest day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The day (India).
    pub day: NaiveDate,
    /// What became of it.
    #[serde(flatten)]
    pub step: Step,
}

/// How far a day's firing has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Step {
    /// It is being sent, as this signal.
    Firing {
        /// The signal.
        signal_id: SignalId,
    },
    /// It was sent; its orders are on disk.
    Ran {
        /// The signal.
        signal_id: SignalId,
        /// What became of its orders at once.
        outcome: String,
    },
    /// It was not.
    DidNotRun {
        /// Why.
        because: String,
    },
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// Send the alert of that day.
    Fire(NaiveDate),
    /// It was about to be sent: find out; where nothing of it is on disk, send it again if that is still in time.
    Settle {
        /// The day.
        day: NaiveDate,
        /// The name under which it went.
        signal_id: SignalId,
        /// Whether it may still be sent.
        is_in_time: bool,
    },
    /// Tell that it did not run that day.
    Miss(NaiveDate, String),
}

impl Scheduled {
    /// What is to be done. `takes_it`: the account takes such an alert now; while it does not, the alert waits for as long as it may.
    #[must_use]
    pub fn due(&self, told: Option<&Told>, calendar: &Calendar, takes_it: bool, now: DateTime<Utc>) -> Due {
        let local = now.with_timezone(&ist()).naive_local();
        // The newest day whose time has come.
        let day = if local.time() >= self.at { local.date() } else { local.date().pred_opt().unwrap_or(local.date()) };
        let late = local.signed_duration_since(day.and_time(self.at));
        let is_in_time = late <= TimeDelta::from_std(self.grace).unwrap_or(TimeDelta::MAX);
        match told {
            Some(Told { day: known, step: Step::Firing { signal_id } }) => {
                return Due::Settle { day: *known, signal_id: *signal_id, is_in_time: is_in_time && *known == day };
            }
            Some(Told { day: known, .. }) if *known >= day => return Due::Nothing,
            // It is new: what was before it was not missed.
            None if day < local.date() => return Due::Nothing,
            Some(_) | None => {}
        }
        match calendar.day(self.exchange, day) {
            Day::Closed(why) => Due::Miss(day, format!("{} has no session that day: {}", self.exchange, closed(&why))),
            Day::Unknown => Due::Miss(day, format!("no calendar says whether {} trades that day", self.exchange)),
            _ if is_in_time && takes_it => Due::Fire(day),
            _ if is_in_time => Due::Nothing,
            _ => {
                let cause = if takes_it { "ordergate did not run then" } else { "the account did not take orders then" };
                let grace = self.grace.as_secs();
                Due::Miss(day, format!("{cause}: it is {} s late, and may be {grace} s", late.num_seconds()))
            }
        }
    }

    /// When it fires next, after what is told; `None` when no calendar knows.
    #[must_use]
    pub fn next(&self, told: Option<&Told>, calendar: &Calendar, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = now.with_timezone(&ist()).naive_local();
        let is_done = local.time() >= self.at || told.is_some_and(|told| told.day >= local.date());
        let day = match calendar.is_trading_day(self.exchange, local.date()) {
            Some(true) if !is_done => local.date(),
            _ => calendar.next_trading_day(self.exchange, local.date())?,
        };
        day.and_time(self.at).and_local_timezone(ist()).single().map(|at| at.with_timezone(&Utc))
    }

    /// The key under which the alert of a day is sent: by whichever process, it is sent once.
    #[must_use]
    pub fn key(&self, day: NaiveDate) -> String {
        format!("schedule:{}:{day}", self.name)
    }
}

fn closed(why: &Why) -> String {
    match why {
        Why::Weekend => "a weekend".to_owned(),
        Why::Holiday(name) => format!("a holiday, {name}"),
        Why::Hours => "outside of its hours".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn morning() -> Scheduled {
        Scheduled {
            name: "morning".to_owned(),
            client_id: ClientId::parse("A").unwrap(),
            at: NaiveTime::from_hms_opt(9, 20, 0).unwrap(),
            grace: Duration::from_secs(60),
            exchange: Exchange::Nfo,
            alert: "{}".to_owned(),
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        format!("{text}+05:30").parse::<DateTime<chrono::FixedOffset>>().unwrap().with_timezone(&Utc)
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn ran(on: &str) -> Told {
        Told { day: day(on), step: Step::DidNotRun { because: "a test".to_owned() } }
    }

    fn built_in() -> Calendar {
        crate::calendar::load(&crate::config::Calendar::default()).unwrap()
    }

    fn due(told: Option<&Told>, is_open: bool, now: &str) -> Due {
        morning().due(told, &built_in(), is_open, at(now))
    }

    #[test]
    fn it_fires_once_from_its_time_on_until_its_grace_ends() {
        let friday = day("2026-11-20");
        for (now, expected) in [
            ("2026-11-20T09:19:59", Due::Nothing),
            ("2026-11-20T09:20:00", Due::Fire(friday)),
            ("2026-11-20T09:21:00", Due::Fire(friday)),
            ("2026-11-20T09:21:01", Due::Miss(friday, "ordergate did not run then: it is 61 s late, and may be 60 s".to_owned())),
        ] {
            assert_eq!(due(Some(&ran("2026-11-19")), true, now), expected, "{now}");
        }
        assert_eq!(due(Some(&ran("2026-11-20")), true, "2026-11-20T09:20:01"), Due::Nothing, "once a day");
        assert_eq!(due(None, true, "2026-11-20T09:20:01"), Due::Fire(friday), "a new one");
        assert_eq!(due(None, true, "2026-11-20T08:00:00"), Due::Nothing, "what was before a new one was not missed");
    }

    #[test]
    fn a_day_that_passed_while_ordergate_was_off_is_told_the_next_morning() {
        let missed = due(Some(&ran("2026-11-18")), true, "2026-11-20T08:00:00");
        assert!(matches!(&missed, Due::Miss(on, why) if *on == day("2026-11-19") && why.contains("did not run then")), "{missed:?}");
    }

    #[test]
    fn it_waits_for_the_account_as_long_as_it_may() {
        assert_eq!(due(Some(&ran("2026-11-19")), false, "2026-11-20T09:20:30"), Due::Nothing);
        let missed = due(Some(&ran("2026-11-19")), false, "2026-11-20T09:22:00");
        assert!(matches!(&missed, Due::Miss(_, why) if why.starts_with("the account did not take orders then")), "{missed:?}");
    }

    #[test]
    fn days_without_a_session_are_told_as_such() {
        for (now, why) in [
            ("2026-11-21T09:20:00", "NFO has no session that day: a weekend"),
            ("2026-11-24T09:20:00", "NFO has no session that day: a holiday, "),
            ("2031-11-24T09:20:00", "no calendar says whether NFO trades that day"),
        ] {
            let missed = due(Some(&ran("2026-11-19")), true, now);
            assert!(matches!(&missed, Due::Miss(_, text) if text.starts_with(why)), "{now}: {missed:?}");
        }
    }

    #[test]
    fn what_was_about_to_be_sent_is_settled_and_sent_again_only_in_time() {
        let signal_id = SignalId(uuid::Uuid::from_u128(7));
        let firing = Told { day: day("2026-11-20"), step: Step::Firing { signal_id } };
        for (now, is_in_time) in [("2026-11-20T09:20:40", true), ("2026-11-20T09:25:00", false), ("2026-11-23T09:20:10", false)] {
            let expected = Due::Settle { day: day("2026-11-20"), signal_id, is_in_time };
            assert_eq!(due(Some(&firing), true, now), expected, "{now}");
        }
    }

    #[test]
    fn the_next_time_is_on_a_trading_day() {
        let next = |told: Option<&Told>, now: &str| morning().next(told, &built_in(), at(now));
        assert_eq!(next(None, "2026-11-20T08:00:00"), Some(at("2026-11-20T09:20:00")));
        assert_eq!(next(None, "2026-11-20T09:20:00"), Some(at("2026-11-23T09:20:00")));
        assert_eq!(next(Some(&ran("2026-11-23")), "2026-11-23T08:00:00"), Some(at("2026-11-25T09:20:00")), "the 24th is a holiday");
        assert_eq!(next(None, "2031-11-24T09:20:00"), None);
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let signal_id = SignalId(uuid::Uuid::from_u128(7));
        for step in [
            Step::Firing { signal_id },
            Step::Ran { signal_id, outcome: "1 order".to_owned() },
            Step::DidNotRun { because: "a weekend".to_owned() },
        ] {
            let told = Told { day: day("2026-11-20"), step };
            let text = serde_json::to_string(&told).unwrap();
            assert_eq!(serde_json::from_str::<Told>(&text).unwrap(), told, "{text}");
        }
    }
}
