//! What a start makes of actions that an earlier process confirmed and left without an outcome: the shell around
//! [`crate::alerts::late`].

use ordergate_actors::persistence::Level;

use super::kept::{Row, ended, known};
use super::outcome;
use crate::alerts::actions::{DONE, DONE_LATE, NOT_DONE};
use crate::alerts::late::{Found, Late, UnderWay, late};
use crate::config::ChatActions;
use crate::web::api::acts;
use crate::web::state::WebState;

/// Settles each of them once: the chats, and what to say there. Whoever may not act any more does not.
pub(in crate::web) async fn settle(state: &WebState, settings: Option<&ChatActions>) -> Vec<(String, String)> {
    let left = match known(state) {
        Ok((known, _)) => known.under_way,
        Err(trouble) => {
            tracing::error!(event = "chat_state_unreadable", "what was left of actions from chats cannot be read: {trouble}");
            return Vec::new();
        }
    };
    let mut said = Vec::new();
    for (update, under_way) in left {
        let may_act = settings.is_some_and(|settings| settings.users.contains(&under_way.user));
        let words = settle_one(state, update, &under_way, may_act).await;
        said.push((under_way.chat, words));
    }
    said
}

async fn settle_one(state: &WebState, update: i64, under_way: &UnderWay, may_act: bool) -> String {
    let wish = &under_way.wish;
    // What the disk does not tell is not done, and not done again.
    let found = acts::left(state, under_way, update).await;
    let late = match &found {
        Ok(found) => late(under_way, *found, may_act, state.now()),
        Err(_) => Late::Repeat("the disk does not tell whether it was done"),
    };
    let begin = format!("{wish}: ordergate was started anew after this was confirmed");
    let (event, level, text) = match late {
        Late::WasDone => (DONE, Level::Info, format!("{begin}, and it had been done")),
        Late::TakeUp => {
            let done = acts::act(state, under_way, update).await;
            if done.is_whole {
                (DONE_LATE, Level::Info, format!("{begin}, and is done now: {}", done.words))
            } else {
                (NOT_DONE, Level::Page, format!("{begin}, and is not wholly done now: {}", done.words))
            }
        }
        Late::Repeat(why) => {
            let part = if matches!(found, Ok(Found::Left)) { "is NOT done" } else { "may not be done" };
            (NOT_DONE, Level::Page, format!("{begin}. It {part}: {why}. If it is still wanted, say it again"))
        }
    };
    tracing::warn!(event = "chat_settled", row = event, "{text}");
    outcome(if event == NOT_DONE { "not_done" } else { "late" });
    ended(state, update, Row { event, level, who: &under_way.who(), text: text.clone() }).await;
    text
}
