//! What to fetch now, as a function of what is stored, what was tried, and the time.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Duration, NaiveDate, NaiveTime, Utc};
use ordergate_actors::order::{Exchange, ist, trading_date};

/// The first wait after a download that failed; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::minutes(1);
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::minutes(30);

/// The downloads of one exchange that failed in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// How many.
    pub times: u32,
    /// When the last one ended.
    pub at: DateTime<Utc>,
}

impl Failed {
    /// When the next attempt may be made.
    #[must_use]
    pub fn next(&self) -> DateTime<Utc> {
        let doubled = 2_i32.saturating_pow(self.times.saturating_sub(1).min(16));
        let wait = FIRST_WAIT.checked_mul(doubled).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        self.at + wait
    }
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Fetch these, for this day.
    pub fetch: Vec<Exchange>,
    /// The day that a file fetched now is of.
    pub day: NaiveDate,
    /// When to look again, if nothing else happens.
    pub again: DateTime<Utc>,
}

/// The day that the broker's files are of at that time: from `refresh` (IST) on today, before it the day before.
#[must_use]
pub fn master_day(now: DateTime<Utc>, refresh: NaiveTime) -> NaiveDate {
    let today = trading_date(now);
    if now.with_timezone(&ist()).time() >= refresh { today } else { today.checked_sub_days(Days::new(1)).unwrap_or(today) }
}

/// Which of the wanted exchanges to fetch now: those without a file of the day, unless an attempt failed just now.
#[must_use]
pub fn plan(
    wanted: &[Exchange],
    stored: &BTreeMap<Exchange, NaiveDate>,
    failed: &BTreeMap<Exchange, Failed>,
    now: DateTime<Utc>,
    refresh: NaiveTime,
) -> Plan {
    let day = master_day(now, refresh);
    let mut again = next_refresh(day, refresh);
    let mut fetch = Vec::new();
    for exchange in wanted {
        if stored.get(exchange).is_some_and(|stored| *stored >= day) {
            continue;
        }
        match failed.get(exchange).map(Failed::next) {
            Some(next) if now < next => again = again.min(next),
            _ => fetch.push(*exchange),
        }
    }
    Plan { fetch, day, again }
}

/// When the files of the day after this one are there.
fn next_refresh(day: NaiveDate, refresh: NaiveTime) -> DateTime<Utc> {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(day).and_time(refresh);
    next.and_local_timezone(ist()).single().map_or_else(|| next.and_utc(), |at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NSE_NFO: [Exchange; 2] = [Exchange::Nse, Exchange::Nfo];

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn half_past_eight() -> NaiveTime {
        NaiveTime::from_hms_opt(8, 30, 0).unwrap()
    }

    fn stored(nse: &str, nfo: &str) -> BTreeMap<Exchange, NaiveDate> {
        BTreeMap::from([(Exchange::Nse, day(nse)), (Exchange::Nfo, day(nfo))])
    }

    fn planned(stored: &BTreeMap<Exchange, NaiveDate>, failed: &[(Exchange, Failed)], now: &str) -> Plan {
        plan(&NSE_NFO, stored, &failed.iter().copied().collect(), at(now), half_past_eight())
    }

    #[test]
    fn every_exchange_is_fetched_once_a_day_from_half_past_eight() {
        let yesterday = stored("2026-11-19", "2026-11-19");
        let early = planned(&yesterday, &[], "2026-11-20T08:29:59+05:30");
        assert_eq!((early.fetch, early.day, early.again), (vec![], day("2026-11-19"), at("2026-11-20T08:30:00+05:30")));
        let due = planned(&yesterday, &[], "2026-11-20T08:30:00+05:30");
        assert_eq!((due.fetch, due.day, due.again), (NSE_NFO.to_vec(), day("2026-11-20"), at("2026-11-21T08:30:00+05:30")));
        assert_eq!(planned(&stored("2026-11-20", "2026-11-19"), &[], "2026-11-20T08:31:00+05:30").fetch, [Exchange::Nfo]);
        assert_eq!(planned(&stored("2026-11-20", "2026-11-20"), &[], "2026-11-20T23:59:00+05:30").fetch, []);
    }

    #[test]
    fn without_any_file_one_is_fetched_at_once_but_counts_as_of_the_day_before() {
        let plan = planned(&BTreeMap::new(), &[], "2026-11-20T01:00:00+05:30");
        assert_eq!((plan.fetch, plan.day), (NSE_NFO.to_vec(), day("2026-11-19")));
    }

    #[test]
    fn what_failed_waits_longer_each_time_and_holds_up_nothing_else() {
        let yesterday = stored("2026-11-19", "2026-11-19");
        let failed = |times| [(Exchange::Nfo, Failed { times, at: at("2026-11-20T08:30:10+05:30") })];
        let wait = |times| planned(&yesterday, &failed(times), "2026-11-20T08:30:11+05:30");
        assert_eq!((wait(1).fetch, wait(1).again), (vec![Exchange::Nse], at("2026-11-20T08:31:10+05:30")));
        assert_eq!(wait(2).again, at("2026-11-20T08:32:10+05:30"));
        assert_eq!(wait(5).again, at("2026-11-20T08:46:10+05:30"));
        assert_eq!((wait(6).again, wait(u32::MAX).again), (at("2026-11-20T09:00:10+05:30"), at("2026-11-20T09:00:10+05:30")));
        assert_eq!(planned(&yesterday, &failed(1), "2026-11-20T08:31:10+05:30").fetch, NSE_NFO);
    }
}
