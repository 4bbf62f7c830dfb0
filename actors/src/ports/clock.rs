//! Time and names come from outside, so that a run can be repeated to the byte.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// The time. Wall time for rows and ages; the engine's timers run on tokio's clock, which tests pause.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// Now, in UTC.
    fn now(&self) -> DateTime<Utc>;

    /// The last jump of the machine's clock that was seen; `None`: none, or nobody looks.
    fn jumped(&self) -> Option<Jump> {
        None
    }
}

/// The machine's clock has jumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// Which, from 1 on.
    pub number: u64,
    /// How far: negative is back.
    pub by: TimeDelta,
    /// What the time would have been without it.
    pub from: DateTime<Utc>,
    /// How far the machine's clock stands behind the engine's time since then.
    pub behind: TimeDelta,
}

/// New names. In production random and time-ordered (UUIDv7), in a simulation drawn from the seed.
pub trait Ids: Send + Sync + std::fmt::Debug + 'static {
    /// A name nobody has used.
    fn next(&self) -> Uuid;
}
