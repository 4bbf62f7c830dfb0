//! Whether the engine still moves and its disk still answers, looked at from a thread of its own: neither a handler that blocks nor
//! a disk that hangs holds it up, and what it says in time needs no disk.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use ordergate_actors::Line;
use ordergate_actors::persistence::Level;
use ordergate_actors::supervision::{EXIT_FAULT, Halt};

use super::ending::page_at_once;
use crate::alerts::Alerts;
use crate::halt::ProcessHalt;

/// How often it looks, and how old the oldest heartbeat of an actor may be before the process gives up.
const EVERY: Duration = Duration::from_secs(1);
const HEARTBEAT_LOST: Duration = Duration::from_secs(20);

/// How long a write may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Longer is said.
    pub(super) stalled: Duration,
    /// Longer ends the process.
    pub(super) hung: Duration,
}

/// What a look at the writer finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It writes, or waits for work; or what was said of it stands.
    Nothing,
    /// It has been at one write for so long.
    Stalled,
    /// It is at work again; how long it stood still, at least.
    GoesOn(Duration),
    /// It lasts.
    Hung,
}

/// What was seen of the writer so far: pure.
#[derive(Debug, Default)]
struct Watch {
    /// How long it was seen to stand still; `None`: it does not.
    stood: Option<Duration>,
    /// What it stood still for.
    cause: Cause,
}

/// Why a write does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Cause {
    /// The disk does not answer.
    #[default]
    Disk,
    /// Another program holds the lock of the database.
    Lock,
}

impl Cause {
    fn stands(self) -> &'static str {
        match self {
            Self::Disk => "the disk of the data directory has not finished a write",
            Self::Lock => {
                "another program holds the lock of orders.db (a database browser, sqlite3, a backup tool that writes: close it), and \
                 nothing could be written"
            }
        }
    }

    fn stood(self) -> &'static str {
        match self {
            Self::Disk => "the disk of the data directory did not finish a write",
            Self::Lock => {
                "another program held the lock of orders.db (a database browser, sqlite3, a backup tool that writes), and nothing could be \
                 written"
            }
        }
    }
}

impl Watch {
    fn look(&mut self, lasts: Duration, bounds: Bounds) -> Found {
        match self.stood {
            _ if lasts >= bounds.hung => Found::Hung,
            None if lasts >= bounds.stalled => {
                self.stood = Some(lasts);
                Found::Stalled
            }
            Some(stood) if lasts < bounds.stalled => {
                self.stood = None;
                Found::GoesOn(stood)
            }
            stood => {
                self.stood = stood.map(|_| lasts);
                Found::Nothing
            }
        }
    }
}

/// Looks until what it answers is dropped. An actor that no longer proves that it runs, and a disk that hangs, are worse than a
/// restart: the process ends and recovers.
///
/// # Errors
/// There is no thread for it.
pub(super) fn start(line: Arc<Line>, halt: Arc<ProcessHalt>, alerts: Option<Alerts>, bounds: Bounds) -> std::io::Result<Sender<()>> {
    let (stop, stopped) = bounded(0);
    std::thread::Builder::new().name("ordergate-probe".into()).spawn(move || {
        let looks = std::panic::AssertUnwindSafe(|| {
            let mut watch = Watch::default();
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                look_at_actors(&line, &halt);
                look_at_disk(&mut watch, &line, &halt, alerts.as_ref(), bounds);
            }
        });
        if std::panic::catch_unwind(looks).is_err() {
            halt.halt(EXIT_FAULT, "a panic on the probe's thread");
        }
    })?;
    Ok(stop)
}

fn look_at_actors(line: &Line, halt: &ProcessHalt) {
    for (actor, client, age) in line.heartbeats() {
        if age > HEARTBEAT_LOST {
            let account = client.map_or_else(String::new, |client| format!(" of {client}"));
            halt.halt(EXIT_FAULT, &format!("{actor}{account} has not moved for {} s", age.as_secs()));
        }
    }
}

fn look_at_disk(watch: &mut Watch, line: &Line, halt: &ProcessHalt, alerts: Option<&Alerts>, bounds: Bounds) {
    let lasts = line.view.writing().lasts();
    if lasts >= bounds.stalled {
        watch.cause = if line.view.writing().waits_for_a_lock() { Cause::Lock } else { Cause::Disk };
    }
    let cause = watch.cause;
    match watch.look(lasts, bounds) {
        Found::Nothing => {}
        Found::Stalled => {
            let text = format!(
                "{} for {} s: nothing is taken and nothing is sent, stops of the engine neither; after {} s the process ends",
                cause.stands(),
                lasts.as_secs(),
                bounds.hung.as_secs()
            );
            tracing::error!(event = "journal_stalled", "{text}");
            if let Some(alerts) = alerts {
                page_at_once(alerts, "JOURNAL STALLED", text);
            }
        }
        Found::GoesOn(stood) => {
            let text = format!("{} for {} s, and then it went on", cause.stood(), stood.as_secs().max(1));
            line.alarm(None, "ALARM_JOURNAL_STALLED", Level::Warn, None, text);
        }
        Found::Hung => {
            let (words, seconds) = (cause.stands(), lasts.as_secs());
            let text =
                format!("the journal could not be written: {words} for {seconds} s; nothing more is sent, recovery will read the truth");
            halt.halt(EXIT_FAULT, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_lasts_is_said_once_and_again_when_it_is_over_and_ends_the_process() {
        let bounds = Bounds { stalled: Duration::from_secs(5), hung: Duration::from_secs(20) };
        let mut watch = Watch::default();
        let mut look = |seconds: u64| watch.look(Duration::from_secs(seconds), bounds);
        assert_eq!(
            [look(0), look(4), look(5), look(6), look(7)],
            [Found::Nothing, Found::Nothing, Found::Stalled, Found::Nothing, Found::Nothing]
        );
        assert_eq!([look(0), look(0)], [Found::GoesOn(Duration::from_secs(7)), Found::Nothing]);
        assert_eq!([look(9), look(19), look(20)], [Found::Stalled, Found::Nothing, Found::Hung], "and every one is said anew");
    }
}
