//! When a position is left whatever its price.

use chrono::{DateTime, Duration, FixedOffset, NaiveDate, NaiveTime, TimeZone, Utc};

use super::rule::ExitRule;
use crate::order::{ist, trading_date};

/// What the market of a position does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Whether an exit may go now.
    pub takes_exits: bool,
    /// Whether continuous trading goes on; by the hours of any day where no calendar covers this one.
    pub is_trading: bool,
    /// When the last continuous trading of the day ends, which may have been; by the hours of any day where no calendar covers this
    /// one. `None`: there is none today, nobody knows, or an exit that goes now comes too late.
    pub closes_at: Option<DateTime<Utc>>,
    /// Whether the exchange takes stop orders now: in continuous trading only.
    pub takes_stops: bool,
    /// When the exchange throws resting stops out although trading goes on: a closing auction follows. `None`: none does.
    pub stops_until: Option<DateTime<Utc>>,
    /// The contract's last day, if it has one.
    pub expiry: Option<NaiveDate>,
}

impl Hours {
    /// A market that never closes, for a contract without an end.
    #[must_use]
    pub fn always() -> Self {
        Self { takes_exits: true, is_trading: true, closes_at: None, takes_stops: true, stops_until: None, expiry: None }
    }

    /// A market of which nothing is known yet: nothing is done there.
    #[must_use]
    pub fn closed() -> Self {
        Self { takes_exits: false, is_trading: false, takes_stops: false, ..Self::always() }
    }
}

impl ExitRule {
    /// Why the position's time is up, if it is. `before_close`: how long before the end of continuous trading what shall not
    /// stay is left, so that it is out before a book that closes at 15:15 is gone. An hour of the clock at which that book is gone
    /// already means its end.
    #[must_use]
    pub fn time_up(&self, hours: &Hours, before_close: Duration, now: DateTime<Utc>) -> Option<String> {
        if !self.is_on || self.fired.is_some_and(|fired| fired.cause.is_urgent()) {
            return None;
        }
        let times = &self.terms.exits.times;
        let hour = self.hour(now);
        // What was opened later than the hour is meant for tomorrow's.
        if let Some(hour) = hour.filter(|hour| *hour <= now && self.held_since < *hour) {
            return Some(format!("it is {}", hour.format("%H:%M IST")));
        }
        if let Some(minutes) = times.minutes
            && now.signed_duration_since(self.held_since) >= Duration::minutes(i64::from(minutes))
        {
            return Some(format!("held for {minutes} minutes"));
        }
        let ends_soon = |closes_at: &DateTime<Utc>| closes_at.signed_duration_since(now) <= before_close && self.held_since < *closes_at;
        let closes_at = hours.closes_at.filter(ends_soon)?;
        let closes = closes_at.with_timezone(&ist()).format("%H:%M IST");
        match self.ends_with_the_day(hours.expiry, now) {
            Some(LastDay::Any) => Some(format!("continuous trading ends at {closes}")),
            Some(LastDay::Expiry) => Some(format!("continuous trading ends at {closes} on its last day")),
            // At its hour nothing could leave it any more.
            None => hour
                .filter(|hour| *hour >= closes_at)
                .map(|hour| format!("continuous trading ends at {closes}, and its hour is no earlier ({})", hour.format("%H:%M IST"))),
        }
    }

    /// The hour at which it is left today, if the rule names one and its exit is not under way.
    #[must_use]
    pub fn hour(&self, now: DateTime<Utc>) -> Option<DateTime<FixedOffset>> {
        self.terms.exits.times.clock.filter(|_| self.is_on && !self.is_leaving()).and_then(|clock| on_the_day(clock, now))
    }

    /// Whether the position shall not stay overnight today, and its exit is not under way.
    #[must_use]
    pub fn ends_with_the_day(&self, expiry: Option<NaiveDate>, now: DateTime<Utc>) -> Option<LastDay> {
        if !self.is_on || self.is_leaving() {
            return None;
        }
        let times = &self.terms.exits.times;
        let is_last = times.expiry_day && expiry == Some(trading_date(now));
        if times.end_of_day { Some(LastDay::Any) } else { is_last.then_some(LastDay::Expiry) }
    }
}

/// That hour of the clock, on the day of that moment.
fn on_the_day(clock: NaiveTime, now: DateTime<Utc>) -> Option<DateTime<FixedOffset>> {
    ist().from_local_datetime(&trading_date(now).and_time(clock)).single()
}

/// What people hear of an hour at which the continuous trading of today is over. `ends_at`: when that is.
#[must_use]
pub fn late_hour(clock: NaiveTime, ends_at: DateTime<Utc>, before_close: Duration, now: DateTime<Utc>) -> Option<String> {
    on_the_day(clock, now).filter(|hour| *hour >= ends_at).map(|hour| {
        format!(
            "is to be left at {}, and its continuous trading ends at {}: it is left {} min before that end, as what says EOD is",
            hour.format("%H:%M"),
            ends_at.with_timezone(&ist()).format("%H:%M IST"),
            before_close.num_minutes()
        )
    })
}

/// Why a position does not stay overnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastDay {
    /// It stays on no day.
    Any,
    /// Its contract ends today.
    Expiry,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exits::Terms;
    use crate::order::{ExitExtras, Holding, Points, Product};
    use crate::testkit::builders::{order, sbin_in, strategy};

    fn t(text: &str) -> DateTime<Utc> {
        format!("2026-11-23T{text}:00+05:30").parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc()
    }

    fn rule(times: &str) -> ExitRule {
        let held = Holding { net: 10, cost: Points(8000.into()), realised: Points::ZERO, opened_at: Some(t("10:00")) };
        let terms = Terms { exits: ExitExtras { times: times.parse().unwrap(), ..ExitExtras::default() }, ..Terms::default() };
        ExitRule::new(strategy("trend"), sbin_in(Product::Mis), &held, terms, 1.into(), "a test".into(), t("10:00")).unwrap()
    }

    fn is_up(times: &str, hours: &Hours, now: &str) -> bool {
        rule(times).time_up(hours, Duration::minutes(5), t(now)).is_some()
    }

    #[test]
    fn by_the_clock_and_by_the_minutes_held() {
        let hours = Hours::always();
        assert!(!is_up("15:10", &hours, "15:09") && is_up("15:10", &hours, "15:10"));
        assert!(!is_up("09:30", &hours, "10:30"), "opened after it: tomorrow");
        assert!(!is_up("30 minutes", &hours, "10:29") && is_up("30 minutes", &hours, "10:30"));
    }

    /// Asked for at 10:00, filled at 10:40: what rested for forty minutes was not held for them.
    #[test]
    fn what_filled_late_is_held_since_its_fill() {
        let late = |times: &str, filled_at| {
            let mut order = order(1);
            order.ask.exits.times = times.parse().unwrap();
            let held = Holding { net: 10, cost: Points(8000.into()), realised: Points::ZERO, opened_at: Some(t("10:00")) };
            ExitRule::from_order(&order, &held, 1.into(), t(filled_at), t("15:20")).unwrap()
        };
        let up = |rule: &ExitRule, now| rule.time_up(&Hours::always(), Duration::minutes(5), t(now)).is_some();
        let is_up = |times, now| up(&late(times, "10:40"), now);
        assert!(!is_up("30 minutes", "10:41") && is_up("30 minutes", "11:10"));
        assert!(!is_up("10:30", "10:41"), "filled after the hour: tomorrow");
        // More that is added, and a stop that is moved, begin nothing anew: it is the same position.
        let added = late("30 minutes", "11:05").after(&late("30 minutes", "10:40"));
        let edited = ExitRule { set_at: t("11:09"), ..rule("30 minutes").after(&added) };
        assert!(!up(&added, "11:09") && up(&added, "11:10") && !up(&edited, "11:09") && up(&edited, "11:10"));
        assert!(up(&late("15:10", "15:11").after(&late("15:10", "10:40")), "15:11"));
    }

    /// The process was down when it filled: it is held since then, and by no clock of the broker's since later than now.
    #[test]
    fn what_filled_while_nobody_looked_is_held_since_its_fill() {
        let order = |times: &str| {
            let mut order = order(1);
            order.ask.exits.times = times.parse().unwrap();
            order
        };
        let held = Holding { net: 10, cost: Points(8000.into()), realised: Points::ZERO, opened_at: Some(t("10:00")) };
        let rule = |times, filled_at| ExitRule::from_order(&order(times), &held, 1.into(), t(filled_at), t("15:12")).unwrap();
        let up = |times, filled_at| rule(times, filled_at).time_up(&Hours::always(), Duration::minutes(5), t("15:12")).is_some();
        assert!(up("15:10", "14:30") && !up("15:10", "15:11"));
        assert!(up("30 minutes", "14:30") && !up("30 minutes", "14:50"));
        assert_eq!((rule("EOD", "09:00").held_since, rule("EOD", "15:40").held_since), (t("10:00"), t("15:12")));
    }

    #[test]
    fn before_the_book_closes_which_may_be_at_a_quarter_past_three() {
        let auction = Hours { closes_at: Some(t("15:15")), ..Hours::always() };
        assert!(!is_up("EOD", &auction, "15:09") && is_up("EOD", &auction, "15:10"));
        let derivative = Hours { closes_at: Some(t("15:40")), expiry: Some(t("10:00").date_naive()), ..auction };
        assert!(!is_up("EOD", &derivative, "15:10") && is_up("EOD", &derivative, "15:35"));
        assert!(is_up("EXPIRY", &derivative, "15:35") && !is_up("EXPIRY", &auction, "15:14"));
        assert!(!is_up("EOD", &Hours::always(), "15:14"), "no end is known");
        // The process was not there at the end, and the closing auction takes orders.
        assert!(is_up("EOD", &auction, "15:21") && is_up("15:10, EOD", &auction, "15:21"));
        let late = ExitRule { held_since: t("15:20"), ..rule("EOD") };
        assert!(late.time_up(&auction, Duration::minutes(5), t("15:21")).is_none(), "taken after the end, where a market is open always");
    }

    /// The hour of every Indian script, 15:30: a share with a closing auction has no book by then.
    #[test]
    fn an_hour_at_which_trading_is_over_is_the_end_of_the_day() {
        let auction = Hours { closes_at: Some(t("15:15")), ..Hours::always() };
        for hour in ["15:15", "15:20", "15:30", "23:00"] {
            assert!(!is_up(hour, &auction, "15:09") && is_up(hour, &auction, "15:10") && is_up(hour, &auction, "15:21"), "{hour}");
        }
        assert!(!is_up("15:14", &auction, "15:13") && is_up("15:14", &auction, "15:14"), "there is a book still: as it says");
        let derivative = Hours { closes_at: Some(t("15:40")), ..auction };
        assert!(!is_up("15:30", &derivative, "15:29") && is_up("15:30", &derivative, "15:30"));
        assert!(!is_up("15:40", &derivative, "15:34") && is_up("15:40", &derivative, "15:35"));
        let bought = |at| ExitRule { held_since: t(at), ..rule("15:30") };
        let up = |rule: &ExitRule, hours: &Hours, now| rule.time_up(hours, Duration::minutes(5), t(now)).is_some();
        assert!(up(&bought("15:12"), &auction, "15:13"), "it was bought for today");
        assert!(!up(&bought("15:18"), &auction, "15:21"));
        // Where a market is open always, the hour itself counts too.
        assert!(up(&bought("15:18"), &auction, "15:30") && up(&bought("10:00"), &Hours::always(), "15:30"));
    }

    #[test]
    fn what_does_not_stay_overnight() {
        let today = Some(t("10:00").date_naive());
        let day = |times: &str, expiry| rule(times).ends_with_the_day(expiry, t("15:00"));
        assert_eq!((day("EOD", None), day("EOD, EXPIRY", today)), (Some(LastDay::Any), Some(LastDay::Any)));
        assert_eq!((day("EXPIRY", today), day("EXPIRY", None), day("15:10", today)), (Some(LastDay::Expiry), None, None));
        assert_eq!(ExitRule { is_on: false, ..rule("EOD") }.ends_with_the_day(None, t("15:00")), None);
    }
}
