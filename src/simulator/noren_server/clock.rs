//! Simulated time: it begins where it is told to, runs at its own speed, and can be moved.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::ports::Clock;
use parking_lot::RwLock;

use super::settings::TimeSettings;
use crate::clock::SystemClock;

/// The longest that a waiting task sleeps before it looks at the clock again.
const LOOK: Duration = Duration::from_millis(20);

/// A clock that can be moved. It never runs backwards on its own; setting it back is possible.
#[derive(Debug)]
pub struct SimClock {
    anchor: RwLock<Anchor>,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    real: Instant,
    at: DateTime<Utc>,
    speed: u32,
}

impl Anchor {
    fn now(&self) -> DateTime<Utc> {
        let micros = self.real.elapsed().as_micros().saturating_mul(u128::from(self.speed)) / 1_000;
        self.at + TimeDelta::microseconds(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

impl SimClock {
    /// A clock that begins now.
    #[must_use]
    pub fn new(settings: TimeSettings) -> Self {
        let at = settings.start.unwrap_or_else(|| SystemClock.now());
        Self { anchor: RwLock::new(Anchor { real: Instant::now(), at, speed: settings.speed }) }
    }

    /// Moves the time on.
    pub fn advance(&self, by: TimeDelta) {
        self.change(|anchor| anchor.at += by);
    }

    /// Sets the time.
    pub fn set(&self, at: DateTime<Utc>) {
        self.change(|anchor| anchor.at = at);
    }

    /// Simulated milliseconds in a real second; 0 stands still.
    pub fn set_speed(&self, speed: u32) {
        self.change(|anchor| anchor.speed = speed);
    }

    /// The speed.
    #[must_use]
    pub fn speed(&self) -> u32 {
        self.anchor.read().speed
    }

    /// How long until that simulated time really takes; `None` when the time stands still.
    pub(super) fn real_until(&self, at: DateTime<Utc>) -> Option<Duration> {
        let anchor = *self.anchor.read();
        let left = (at - anchor.now()).to_std().unwrap_or(Duration::ZERO);
        if left.is_zero() {
            return Some(left);
        }
        let micros = left.as_micros().saturating_mul(1_000).checked_div(u128::from(anchor.speed))?;
        Some(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    /// Waits for a simulated span.
    pub(super) async fn wait(&self, ms: u32) {
        let until = self.now() + TimeDelta::milliseconds(i64::from(ms));
        while self.now() < until {
            let left = self.real_until(until).unwrap_or(LOOK);
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }

    fn change(&self, with: impl FnOnce(&mut Anchor)) {
        let mut anchor = self.anchor.write();
        let now = anchor.now();
        (anchor.real, anchor.at) = (Instant::now(), now);
        with(&mut anchor);
    }
}

impl Clock for SimClock {
    fn now(&self) -> DateTime<Utc> {
        self.anchor.read().now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_stands_still_moves_when_it_is_moved() {
        let start: DateTime<Utc> = "2026-11-20T05:00:00Z".parse().unwrap();
        let clock = SimClock::new(TimeSettings { start: Some(start), speed: 0 });
        assert_eq!(clock.now(), start);
        assert_eq!(clock.real_until(start + TimeDelta::seconds(1)), None);
        clock.advance(TimeDelta::hours(3));
        assert_eq!(clock.now(), start + TimeDelta::hours(3));
        clock.set(start);
        assert_eq!(clock.now(), start);
        clock.set_speed(1_000_000);
        assert!(clock.real_until(start + TimeDelta::days(1)).unwrap() <= Duration::from_secs(87));
    }
}
