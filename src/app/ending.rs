//! How the process says that it ends: the last pages, which no journal holds.

use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::persistence::Level;
use ordergate_actors::ports::Clock;
use ordergate_actors::supervision::EXIT_REFUSED;

use crate::alerts::{Alert, Alerts};
use crate::clock::SystemClock;
use crate::halt::ProcessHalt;
use crate::web::live::Hub;

/// How long an orderly end waits for its last alerts.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// And a fault: nothing may keep such a process alive for longer.
const PATIENCE_AT_A_FAULT: Duration = Duration::from_secs(2);

/// A page that no journal holds: the process says how it ends.
pub(super) fn last_page(alerts: &Alerts, event: &str, text: String) {
    let at = SystemClock.now();
    alerts.raise(Alert::plain(Level::Page, event, text, at));
}

/// The same without a disk: what it says is that the disk hangs.
pub(super) fn page_at_once(alerts: &Alerts, event: &str, text: String) {
    alerts.at_once(Alert::plain(Level::Page, event, text, SystemClock.now()));
}

/// A halt pages before the process is gone.
pub(super) fn page_at_a_halt(halt: &ProcessHalt, alerts: Alerts) {
    halt.flush_with(move |code, cause| {
        last_page(&alerts, "ENGINE HALTED", format!("the process ends with code {code}: {cause}"));
        alerts.close(PATIENCE_AT_A_FAULT);
    });
}

/// Starting again changes nothing: says why, and answers the exit code for it.
pub(super) fn refused(refusal: &dyn std::error::Error, alerts: Option<&Alerts>) -> anyhow::Result<i32> {
    tracing::error!(event = "refused_to_start", "{refusal}");
    eprintln!("ordergate refuses to start: {refusal}");
    if let Some(alerts) = alerts {
        last_page(alerts, "REFUSED TO START", format!("ordergate refuses to start: {refusal}"));
    }
    Ok(EXIT_REFUSED)
}

/// The HTTP server waits at its end for every answer that is not whole, and a live stream never is: they end when the process is
/// told to, as the server itself is.
pub(super) async fn end_streams(live: Arc<Hub>) {
    told_to_end().await;
    live.close();
}

#[cfg(unix)]
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn told_to_end() {
    let _asked = tokio::signal::ctrl_c().await;
}
