//! Time and names come from outside, so that a run can be repeated to the byte.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The time. Wall time for rows and ages; the engine's timers run on tokio's clock, which tests pause.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// Now, in UTC.
    fn now(&self) -> DateTime<Utc>;
}

/// New names. In production random and time-ordered (UUIDv7), in a simulation drawn from the seed.
pub trait Ids: Send + Sync + std::fmt::Debug + 'static {
    /// A name nobody has used.
    fn next(&self) -> Uuid;
}
