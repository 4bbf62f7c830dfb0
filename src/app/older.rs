//! A database that is older than what was traded with last: what a person has stopped since then, it does not know.

use std::path::Path;

use ordergate_actors::Engine;
use ordergate_actors::arming::{ArmMode, Arming};
use ordergate_actors::persistence::{ControlChange, KillLevel, Level};

use crate::marks::Mark;

const EVENT: &str = "ALARM_RESTORED_COPY";
const WHO: &str = "ordergate";

/// Pages once, stops the entries of every account and ends its arming. The mark goes when all of that is on disk: a start that comes
/// to less is followed by one that does it again.
pub(super) async fn stop(engine: &Engine, directory: &Path, text: &str) {
    let line = engine.line();
    line.alarm(None, EVENT, Level::Page, None, text.to_owned());
    let mut is_on_disk = true;
    for desk in line.desks() {
        let stopped = ControlChange::RaiseAccount(KillLevel::StopEntries);
        let before = engine.read(&desk.client_id, |book| book.control().arming.clone()).unwrap_or_default();
        let armed = (before.mode != ArmMode::Disarmed).then_some(before);
        for change in [Some(stopped), armed.map(|before| disarmed(before, line.clock.now()))].into_iter().flatten() {
            if let Err(error) = engine.control(&desk.client_id, change, WHO, text).await {
                is_on_disk = false;
                tracing::error!(client_id = %desk.client_id, "entries are latched off, but that is not on disk: {error}");
            }
        }
    }
    if is_on_disk && let Err(cause) = Mark::Restored.clear(directory) {
        tracing::error!(event = "mark_stays", "the next start stops entries again: {cause}");
    }
}

fn disarmed(before: Arming, now: chrono::DateTime<chrono::Utc>) -> ControlChange {
    let reason = "the database is an older copy".to_owned();
    let arming = Arming {
        mode: ArmMode::Disarmed,
        until: None,
        basis: before.basis,
        who: WHO.to_owned(),
        from: String::new(),
        reason,
        at: Some(now),
    };
    ControlChange::Arm { arming: Box::new(arming), expected: None }
}
