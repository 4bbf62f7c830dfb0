//! Calls per calendar second and minute (Noren protocol reference, section 7.1).

use chrono::{DateTime, Utc};

/// Counts the calls of one user.
#[derive(Debug, Clone, Default)]
pub(super) struct Windows {
    per_second: u32,
    per_minute: u32,
    second: (i64, u32),
    minute: (i64, u32),
}

impl Windows {
    /// 0 is no limit.
    pub(super) fn new(per_second: u32, per_minute: u32) -> Self {
        Self { per_second, per_minute, ..Self::default() }
    }

    /// Counts one call; the error is the broker's text. A refused call counts too.
    pub(super) fn take(&mut self, now: DateTime<Utc>) -> Result<(), String> {
        let second = now.timestamp();
        let in_second = count(&mut self.second, second);
        let in_minute = count(&mut self.minute, second.div_euclid(60));
        if self.per_second > 0 && in_second > self.per_second {
            return Err(breach(in_second, "second", self.per_second));
        }
        if self.per_minute > 0 && in_minute > self.per_minute {
            return Err(breach(in_minute, "minute", self.per_minute));
        }
        Ok(())
    }

    pub(super) fn limits(&self) -> (u32, u32) {
        (self.per_second, self.per_minute)
    }
}

fn count(window: &mut (i64, u32), now: i64) -> u32 {
    if window.0 != now {
        *window = (now, 0);
    }
    window.1 += 1;
    window.1
}

/// The reply to a call too many (the spelling is the broker's).
pub(super) fn breach(count: u32, window: &str, limit: u32) -> String {
    format!("Invalid Input :  Order Recieved {count} in a current {window} exceeds Limit {limit} for user")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_of_the_calendar() {
        let mut windows = Windows::new(2, 5);
        let at = |text: &str| -> DateTime<Utc> { text.parse().unwrap() };
        let end = at("2026-11-20T04:00:00.990Z");
        assert!(windows.take(end).is_ok() && windows.take(end).is_ok());
        let text = windows.take(end).unwrap_err();
        assert_eq!(text, "Invalid Input :  Order Recieved 3 in a current second exceeds Limit 2 for user");
        // Ten milliseconds later a new second begins.
        assert!(windows.take(at("2026-11-20T04:00:01Z")).is_ok());
        assert!(windows.take(at("2026-11-20T04:00:02Z")).is_ok());
        assert!(windows.take(at("2026-11-20T04:00:03Z")).unwrap_err().contains("minute exceeds Limit 5"));
        assert!(windows.take(at("2026-11-20T04:01:00Z")).is_ok());
    }

    #[test]
    fn zero_is_no_limit() {
        let mut windows = Windows::new(0, 0);
        let now = "2026-11-20T04:00:00Z".parse().unwrap();
        assert!((0..1_000).all(|_| windows.take(now).is_ok()));
    }
}
