//! The trading date. Time is UTC inside and IST (+05:30, no daylight saving) at the calendar.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, Offset, Utc};

/// The first exchange opens; India.
pub const EXCHANGES_OPEN: NaiveTime = NaiveTime::from_hms_opt(9, 0, 0).unwrap();

/// The last exchange has closed; India.
pub const EXCHANGES_CLOSED: NaiveTime = NaiveTime::from_hms_opt(23, 55, 0).unwrap();

/// Indian Standard Time.
#[must_use]
pub fn ist() -> FixedOffset {
    // 19 800 s is within a day, so the offset exists.
    FixedOffset::east_opt(19_800).unwrap_or(Utc.fix())
}

/// The date on an Indian wall calendar.
#[must_use]
pub fn trading_date(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&ist()).date_naive()
}

/// Whether it is past the time of the day at which the first exchange opens. Before it brokers show the day before, or nothing:
/// they work through the night.
#[must_use]
pub fn exchanges_have_opened(at: DateTime<Utc>) -> bool {
    at.with_timezone(&ist()).time() >= EXCHANGES_OPEN
}

/// The day whose trading a market tells of at that time: before the first exchange opens it is still that of the day before.
#[must_use]
pub fn session_date(at: DateTime<Utc>) -> NaiveDate {
    let today = trading_date(at);
    if exchanges_have_opened(at) { today } else { today.pred_opt().unwrap_or(today) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchanges_open_at_nine_in_india() {
        let at = |text: &str| exchanges_have_opened(format!("2026-11-20T{text}Z").parse().unwrap());
        assert!(at("03:30:00") && at("18:29:59"));
        assert!(!at("03:29:59") && !at("18:30:00"), "a new day begins closed");
    }

    #[test]
    fn the_day_turns_at_half_past_six_utc_in_the_evening() {
        let before: DateTime<Utc> = "2026-11-20T18:29:59Z".parse().unwrap();
        let after: DateTime<Utc> = "2026-11-20T18:30:00Z".parse().unwrap();
        assert_eq!(trading_date(before).to_string(), "2026-11-20");
        assert_eq!(trading_date(after).to_string(), "2026-11-21");
    }

    #[test]
    fn a_session_begins_with_the_first_exchange() {
        for (at, day) in
            [("2026-11-20T18:30:00Z", "2026-11-20"), ("2026-11-21T03:29:59Z", "2026-11-20"), ("2026-11-21T03:30:00Z", "2026-11-21")]
        {
            assert_eq!(session_date(at.parse().unwrap()).to_string(), day, "{at}");
        }
    }
}
