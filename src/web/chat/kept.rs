//! What is known of actions from chats, as a kept state of the process: read from the committed view, written with a row that says why.

use ordergate_actors::persistence::{Keep, Level, Slot, Topic};

use crate::alerts::actions::Known;
use crate::web::state::WebState;

/// A row that is to be written.
pub(super) struct Row<'a> {
    pub(super) event: &'static str,
    pub(super) level: Level,
    pub(super) who: &'a str,
    pub(super) text: String,
}

fn slot() -> Slot {
    Slot::new(Topic::Chat, "telegram")
}

/// What is known, and the row that says so; of no row, nothing is.
pub(super) fn known(state: &WebState) -> Result<(Known, u64), serde_json::Error> {
    let kept = state.engine.line().view.process_kept(Topic::Chat).into_iter().find(|(found, _)| *found == slot());
    kept.map_or_else(|| Ok((Known::default(), 0)), |(_, kept)| Ok((kept.read()?, kept.seq)))
}

/// Whether a message was acted upon, or may have been: what is known cannot be read.
pub(in crate::web) fn was_handled(state: &WebState, update: i64) -> bool {
    match known(state) {
        Ok((known, _)) => known.handled.contains_key(&update),
        Err(_) => true,
    }
}

/// Writes down what is known now, decided upon what was known before. Whether it is on disk.
pub(super) async fn write(state: &WebState, next: &Known, basis: u64, row: Row<'_>) -> bool {
    let keep = Keep::new(slot(), row.event, row.who, row.text.as_str()).upon(basis).loud(row.level);
    let written = match keep.with(next) {
        Ok(keep) => state.engine.keep(keep).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match written {
        Ok(outcome) if outcome.is_applied() => true,
        Ok(_) => {
            tracing::error!(event = "chat_not_written", "another state stands than the one that was decided upon");
            false
        }
        Err(trouble) => {
            tracing::error!(event = "chat_not_written", "an action from a chat is not written down: {trouble}");
            false
        }
    }
}

/// Writes down the outcome of an action that was under way. One that cannot be written stands as under way: the next start settles it.
pub(super) async fn ended(state: &WebState, update: i64, row: Row<'_>) {
    match known(state) {
        Ok((known, basis)) => {
            let row = Row { text: row.text.replace('\n', "; "), ..row };
            write(state, &known.ended(update), basis, row).await;
        }
        Err(trouble) => tracing::error!(event = "chat_state_unreadable", "what came of an action is not written down: {trouble}"),
    }
}
