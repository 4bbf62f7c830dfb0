//! Waiting for what another task does.

use std::fmt::Display;
use std::panic::Location;
use std::time::Duration;

/// How long it may take; it takes milliseconds, and seconds on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Looks until it is so.
///
/// # Panics
/// It is not so within a minute; says what was waited for, and where.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    until_found(what, async move || if is_so() { Ok(()) } else { Err("") })
}

/// Asks until something is found; what is not says how it stands instead.
///
/// # Panics
/// It is not found within a minute; says what was waited for, where, and how it stood last.
#[track_caller]
pub fn until_found<T, E: Display>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, E>) -> impl Future<Output = T> {
    let from = Location::caller();
    async move {
        let deadline = tokio::time::Instant::now() + LONG;
        loop {
            match ask().await {
                Ok(found) => return found,
                Err(stands) => assert!(tokio::time::Instant::now() < deadline, "not within {LONG:?}: {what} ({from})\n{stands}"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The same of what another process or thread does, for who runs on no runtime: the thread sleeps between two looks.
///
/// # Panics
/// It is not found within a minute; says what was waited for, and how it stood last.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "who calls it is no arbiter: the thread is a test's own")]
pub fn found_by_thread<T, E: Display>(what: &str, mut ask: impl FnMut() -> Result<T, E>) -> T {
    let deadline = std::time::Instant::now() + LONG;
    loop {
        match ask() {
            Ok(found) => return found,
            Err(stands) => assert!(std::time::Instant::now() < deadline, "not within {LONG:?}: {what}\n{stands}"),
        }
        std::thread::sleep(LOOK);
    }
}
