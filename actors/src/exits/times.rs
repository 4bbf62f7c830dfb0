//! When a position is left whatever its price, and when a contract comes near to its delivery.

use chrono::{DateTime, Duration, NaiveDate, TimeZone, Utc};

use super::rule::ExitRule;
use crate::order::{ist, trading_date};

/// What the market of a position does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Whether an exit may go now.
    pub takes_exits: bool,
    /// The end of continuous trading, while it goes on.
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
        Self { takes_exits: true, closes_at: None, takes_stops: true, stops_until: None, expiry: None }
    }
}

impl ExitRule {
    /// Why the position's time is up, if it is. `before_close`: how long before the end of continuous trading what shall not
    /// stay is left, so that it is out before a book that closes at 15:15 is gone.
    #[must_use]
    pub fn time_up(&self, hours: &Hours, before_close: Duration, now: DateTime<Utc>) -> Option<String> {
        if !self.is_on || self.fired.is_some_and(|fired| fired.cause.is_urgent()) {
            return None;
        }
        let times = &self.terms.exits.times;
        let today = trading_date(now);
        let clock = times.clock.and_then(|clock| ist().from_local_datetime(&today.and_time(clock)).single());
        // What was opened later than the hour is meant for tomorrow's.
        if let Some(clock) = clock.filter(|clock| *clock <= now && self.held_since < *clock) {
            return Some(format!("it is {}", clock.format("%H:%M IST")));
        }
        if let Some(minutes) = times.minutes
            && now.signed_duration_since(self.held_since) >= Duration::minutes(i64::from(minutes))
        {
            return Some(format!("held for {minutes} minutes"));
        }
        let closes_at = hours.closes_at.filter(|closes_at| closes_at.signed_duration_since(now) <= before_close)?;
        let closes = closes_at.with_timezone(&ist()).format("%H:%M IST");
        if times.end_of_day {
            return Some(format!("continuous trading ends at {closes}"));
        }
        (times.expiry_day && hours.expiry == Some(today)).then(|| format!("continuous trading ends at {closes} on its last day"))
    }
}

/// Whether a contract that is delivered ends today or within two days.
#[must_use]
pub fn is_near_expiry(expiry: NaiveDate, now: DateTime<Utc>) -> bool {
    (0..=2).contains(&expiry.signed_duration_since(trading_date(now)).num_days())
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
            ExitRule::from_order(&order, &held, 1.into(), t(filled_at)).unwrap()
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

    #[test]
    fn before_the_book_closes_which_may_be_at_a_quarter_past_three() {
        let auction = Hours { closes_at: Some(t("15:15")), ..Hours::always() };
        assert!(!is_up("EOD", &auction, "15:09") && is_up("EOD", &auction, "15:10"));
        let derivative = Hours { closes_at: Some(t("15:40")), expiry: Some(t("10:00").date_naive()), ..auction };
        assert!(!is_up("EOD", &derivative, "15:10") && is_up("EOD", &derivative, "15:35"));
        assert!(is_up("EXPIRY", &derivative, "15:35") && !is_up("EXPIRY", &auction, "15:14"));
        assert!(!is_up("EOD", &Hours::always(), "15:14"), "no end is known");
    }

    #[test]
    fn two_days_before_delivery_it_is_flagged() {
        let now = t("10:00");
        let near = |day: u32| is_near_expiry(NaiveDate::from_ymd_opt(2026, 11, day).unwrap(), now);
        assert!(near(23) && near(24) && near(25) && !near(26) && !near(22));
    }
}
