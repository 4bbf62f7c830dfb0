//! Logins that fail make their address wait, longer each time. Pure: the time is handed in.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use chrono::{DateTime, TimeDelta, Utc};

/// So many addresses are remembered; the one that failed longest ago is forgotten first.
const REMEMBERED: usize = 4_096;

/// How failures are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// So many failures are free.
    pub free: u32,
    /// The longest wait. Failures are forgotten after as long without one.
    pub longest: TimeDelta,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    times: u32,
    last: DateTime<Utc>,
}

/// Whose logins failed.
#[derive(Debug, Default)]
pub(super) struct Throttle(BTreeMap<Option<IpAddr>, Failed>);

/// Who counts as one: an IPv6 customer has a whole /64. All whose address is not known are one.
fn one(address: Option<IpAddr>) -> Option<IpAddr> {
    Some(match address?.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    })
}

impl Throttle {
    /// How long the address has to wait before it may try; `None`: it may.
    pub(super) fn wait(&self, address: Option<IpAddr>, pace: Pace, now: DateTime<Utc>) -> Option<TimeDelta> {
        let failed = self.0.get(&one(address))?;
        let over = failed.times.checked_sub(pace.free)?;
        let seconds = 1i64.checked_shl(over).filter(|seconds| *seconds > 0).unwrap_or(i64::MAX);
        let wait = TimeDelta::try_seconds(seconds).map_or(pace.longest, |wait| wait.min(pace.longest));
        let since = now.signed_duration_since(failed.last);
        // A clock that went back does not make anybody wait longer than once.
        let left = wait - since.max(TimeDelta::zero());
        (left > TimeDelta::zero()).then_some(left)
    }

    /// A login failed. Failures that lie back longer than the longest wait are forgotten.
    pub(super) fn failed(&mut self, address: Option<IpAddr>, pace: Pace, now: DateTime<Utc>) {
        let who = one(address);
        self.0.retain(|_, failed| now.signed_duration_since(failed.last) <= pace.longest);
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&who) {
            let oldest = self.0.iter().min_by_key(|(_, failed)| failed.last).map(|(address, _)| *address);
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        let failed = self.0.entry(who).or_insert(Failed { times: 0, last: now });
        *failed = Failed { times: failed.times.saturating_add(1), last: now };
    }

    /// A login succeeded.
    pub(super) fn succeeded(&mut self, address: Option<IpAddr>) {
        self.0.remove(&one(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { free: 3, longest: TimeDelta::seconds(900) };

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn failures_wait_longer_each_time_and_others_do_not() {
        let mut throttle = Throttle::default();
        let wait = |throttle: &Throttle, now| throttle.wait(ip("203.0.113.7"), PACE, at(now)).map(|wait| wait.num_seconds());
        for _ in 0..3 {
            assert_eq!(wait(&throttle, 0), None);
            throttle.failed(ip("203.0.113.7"), PACE, at(0));
        }
        assert_eq!((wait(&throttle, 0), wait(&throttle, 1)), (Some(1), None));
        throttle.failed(ip("203.0.113.7"), PACE, at(1));
        assert_eq!((wait(&throttle, 1), wait(&throttle, 2), wait(&throttle, 3)), (Some(2), Some(1), None));
        for _ in 0..60 {
            throttle.failed(ip("203.0.113.7"), PACE, at(3));
        }
        assert_eq!(wait(&throttle, 3), Some(900), "never longer than the longest");
        assert_eq!(throttle.wait(ip("203.0.113.8"), PACE, at(3)), None, "another address");
        assert_eq!(wait(&throttle, -5_000), Some(900), "the clock went back");
        throttle.succeeded(ip("203.0.113.7"));
        assert_eq!(wait(&throttle, 3), None);
    }

    #[test]
    fn what_lies_back_is_forgotten_and_memory_is_bounded() {
        let mut throttle = Throttle::default();
        for _ in 0..10 {
            throttle.failed(ip("2001:db8::1"), PACE, at(0));
        }
        assert!(throttle.wait(ip("2001:db8::ffff"), PACE, at(1)).is_some(), "the same /64");
        assert!(throttle.wait(None, PACE, at(1)).is_none());
        throttle.failed(ip("203.0.113.7"), PACE, at(1_000));
        assert_eq!(throttle.0.len(), 1);
        for number in 0..10_000u32 {
            throttle.failed(Some(std::net::Ipv4Addr::from_bits(number).into()), PACE, at(1_000));
        }
        assert_eq!(throttle.0.len(), REMEMBERED);
    }
}
