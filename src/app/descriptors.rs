//! Open files: connections, the journal and the logs are all made of them. Without a free one the engine reaches neither its broker nor
//! its disk, so the port may never have more than half of what there may be.

use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::Line;
use ordergate_actors::persistence::Level;
use tokio::time::Instant;

use crate::web::visitors::{Crowd, Visitors};

/// So many are asked for. The shipped unit of systemd allows as many.
const WANTED: u64 = 16_384;
/// With fewer than these the port has less room than a busy dashboard and its alerts may need.
const FEW: u64 = 1_024;
/// How often they are counted.
const EVERY: Duration = Duration::from_secs(2);
/// A port that stays full is told again after this.
const AGAIN: Duration = Duration::from_secs(600);

/// Lets the process open as many files as it may: a shell's own limit is a tenth of what the system allows.
#[cfg(unix)]
pub(super) fn raise() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(WANTED, |most| most.min(WANTED));
    if current.is_some_and(|current| current < wanted)
        && let Err(cause) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::warn!(event = "open_files", "the limit of open files stays {current:?} and could not be raised to {wanted}: {cause}");
    }
}

#[cfg(not(unix))]
pub(super) fn raise() {}

/// How many may be open at once.
#[cfg(unix)]
pub(super) fn most() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(WANTED)
}

#[cfg(not(unix))]
pub(super) fn most() -> u64 {
    WANTED
}

/// How many of so many the port may have.
pub(super) fn connections(most: u64) -> usize {
    usize::try_from(most.min(WANTED) / 2).unwrap_or(usize::MAX).max(1)
}

/// How many are open. Where not even the list of them can be opened, all are.
fn open(most: u64) -> Option<u64> {
    match std::fs::read_dir("/dev/fd") {
        // One of them is the list's own.
        Ok(list) => Some(u64::try_from(list.count()).unwrap_or(u64::MAX).saturating_sub(1)),
        Err(cause) => is_out_of_files(&cause).then_some(most),
    }
}

#[cfg(unix)]
fn is_out_of_files(cause: &std::io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE].iter().any(|none| cause.raw_os_error() == Some(none.raw_os_error()))
}

#[cfg(not(unix))]
fn is_out_of_files(_: &std::io::Error) -> bool {
    false
}

/// What people are to hear.
#[derive(Debug, PartialEq, Eq)]
struct Alarm {
    event: &'static str,
    level: Level,
    text: String,
}

/// What was told already.
#[derive(Debug, Default)]
struct Told {
    few: bool,
    nearly_out: bool,
    crowd: Crowd,
    crowded_at: Option<Instant>,
}

impl Told {
    /// What is new of a count.
    fn look(&mut self, now: Instant, most: u64, open: Option<u64>, crowd: Crowd) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        if most < FEW && !std::mem::replace(&mut self.few, true) {
            let text = format!(
                "only {most} files may be open at once, and the port has room for {} connections: allow at least {WANTED} (LimitNOFILE, ulimit -n)",
                connections(most)
            );
            alarms.push(Alarm { event: "ALARM_OPEN_FILES", level: Level::Warn, text });
        }
        let is_near = open.is_some_and(|open| open >= most - most / 8);
        if is_near && !self.nearly_out {
            let text = format!(
                "{} of {most} files are open: without a free one the engine reaches neither its broker nor its disk",
                open.unwrap_or_default()
            );
            alarms.push(Alarm { event: "ALARM_OPEN_FILES", level: Level::Page, text });
        }
        // Told once, until a quarter is free again.
        self.nearly_out = is_near || (self.nearly_out && open.is_none_or(|open| open >= most - most / 4));
        alarms.extend(self.crowded(now, crowd));
        alarms
    }

    fn crowded(&mut self, now: Instant, crowd: Crowd) -> Option<Alarm> {
        let (let_go, turned_away) = (crowd.let_go - self.crowd.let_go, crowd.turned_away - self.crowd.turned_away);
        let is_quiet = self.crowded_at.is_some_and(|at| now.duration_since(at) < AGAIN);
        if is_quiet || (let_go == 0 && turned_away == 0) {
            return None;
        }
        (self.crowd, self.crowded_at) = (crowd, Some(now));
        let text = format!(
            "the port is full ({} connections): {let_go} that had proved nothing were closed for new ones, and {turned_away} new ones found \
             only such as are known; exits, stops and who holds a key go on",
            crowd.present
        );
        Some(Alarm { event: "ALARM_PORT_CROWDED", level: Level::Warn, text })
    }
}

/// Counts them for as long as it is polled, and tells when they run out or the port is full.
pub(super) async fn keep_counted(line: Arc<Line>, visitors: Arc<Visitors>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut told, most) = (Told::default(), most());
    loop {
        let now = every.tick().await;
        let (open, crowd) = (open(most), visitors.crowd());
        metrics::gauge!("ordergate_connections").set(f64::from(u32::try_from(crowd.present).unwrap_or(u32::MAX)));
        metrics::counter!("ordergate_connections_let_go_total").absolute(crowd.let_go);
        if let Some(open) = open {
            metrics::gauge!("ordergate_open_files").set(f64::from(u32::try_from(open).unwrap_or(u32::MAX)));
        }
        for Alarm { event, level, text } in told.look(now, most, open, crowd) {
            line.alarm(None, event, level, None, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(alarms: &[Alarm]) -> Vec<(&'static str, Level)> {
        alarms.iter().map(|alarm| (alarm.event, alarm.level)).collect()
    }

    #[test]
    fn files_that_run_out_are_paged_once_until_there_is_room_again() {
        let (mut told, now) = (Told::default(), Instant::now());
        let mut look = |open| levels(&told.look(now, 16_000, open, Crowd::default()));
        assert!(look(Some(13_999)).is_empty());
        assert_eq!(look(Some(14_000)), [("ALARM_OPEN_FILES", Level::Page)]);
        for open in [Some(16_000), Some(13_000), None, Some(14_500)] {
            assert!(look(open).is_empty(), "{open:?}");
        }
        assert!(look(Some(11_999)).is_empty());
        assert_eq!(look(Some(16_000)), [("ALARM_OPEN_FILES", Level::Page)]);
    }

    #[test]
    fn a_limit_that_is_too_low_is_told_once() {
        let (mut told, now) = (Told::default(), Instant::now());
        assert_eq!(levels(&told.look(now, 256, Some(40), Crowd::default())), [("ALARM_OPEN_FILES", Level::Warn)]);
        assert!(told.look(now, 256, Some(40), Crowd::default()).is_empty());
    }

    #[test]
    fn a_port_that_stays_full_is_told_every_ten_minutes_with_all_that_happened_since() {
        let (mut told, now) = (Told::default(), Instant::now());
        let mut look = |minutes: u64, let_go| {
            let crowd = Crowd { present: 9, let_go, turned_away: 0 };
            told.look(now + Duration::from_secs(60 * minutes), WANTED, None, crowd)
        };
        assert!(look(0, 0).is_empty());
        assert_eq!(levels(&look(1, 5)), [("ALARM_PORT_CROWDED", Level::Warn)]);
        assert!(look(2, 700).is_empty());
        let later = look(11, 800);
        assert!(later[0].text.contains("795 that had proved nothing"), "{later:?}");
        assert!(look(60, 800).is_empty());
    }

    #[test]
    fn the_port_never_has_more_than_half() {
        for most in [1, 64, 256, 1_024, 20_000, u64::MAX] {
            let port = u64::try_from(connections(most)).unwrap();
            assert!(port <= (most / 2).max(1) && port <= WANTED / 2, "{most}: {port}");
        }
        assert_eq!(connections(WANTED), 8_192, "the benches open a thousand");
    }
}
