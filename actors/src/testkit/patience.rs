//! Waiting for what another task does.

use std::panic::Location;
use std::time::Duration;

/// How long it may take; it takes milliseconds.
const LONG: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Looks until it is so.
///
/// # Panics
/// It is not so within 20 s; says what was waited for, and where.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let from = Location::caller();
    async move {
        let deadline = tokio::time::Instant::now() + LONG;
        while !is_so() {
            assert!(tokio::time::Instant::now() < deadline, "not within {LONG:?}: {what} ({from})");
            tokio::time::sleep(LOOK).await;
        }
    }
}
