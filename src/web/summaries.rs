//! Tells the day's result at the open and at the close: the shell. Each telling is a journal row decided upon the one before, so
//! that two processes, or one that was restarted, tell a day once; the alerts take it from there.

use std::time::Duration;

use actix_web::web::Data;
use ordergate_actors::order::{ClientId, Exchange, trading_date};
use ordergate_actors::persistence::chain::row_hash;
use ordergate_actors::persistence::{Keep, Slot, Topic};
use ordergate_actors::ports::{Query, Rows};

use super::api::pnl;
use super::brief;
use super::state::WebState;
use crate::alerts::summary::{Told, Which, is_due, session};
use crate::hex::hex;

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Tells what is due for as long as it is polled.
pub async fn keep_summaries(state: Data<WebState>) {
    let mut every = tokio::time::interval(LOOK);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if state.is_journal_open() {
            look(&state).await;
        }
    }
}

/// The exchanges of the settings; without any, those of the sample.
pub(super) fn exchanges(state: &WebState) -> &[Exchange] {
    if state.site.exchanges.is_empty() { &[Exchange::Nse, Exchange::Nfo] } else { &state.site.exchanges }
}

/// One look at every account.
pub async fn look(state: &WebState) {
    let now = state.now();
    let session = session(&state.engine.line().calendar, exchanges(state), trading_date(now));
    let clients: Vec<ClientId> = state.engine.line().desks().map(|desk| desk.client_id.clone()).collect();
    for client_id in &clients {
        for which in Which::BOTH {
            let slot = Slot::new(Topic::Summary, which.key());
            let kept = state.engine.read(client_id, |book| book.kept(&slot).map(|kept| (kept.read::<Told>().ok(), kept.seq))).flatten();
            let (told, basis) = kept.unwrap_or((None, 0));
            if is_due(which, session, told, now) {
                tell(state, client_id, which, slot, basis).await;
            }
        }
    }
}

async fn tell(state: &WebState, client_id: &ClientId, which: Which, slot: Slot, basis: u64) {
    let now = state.now();
    let Some(account) = pnl::account(state, client_id, now) else { return };
    let at = match which {
        Which::Open => "the open",
        Which::Close => "the close",
    };
    let mut text = brief::day(&account, at);
    if which == Which::Close {
        text.push_str(&end_of_journal(state, client_id).await);
    }
    let keep = Keep::new(slot, which.event(), "ordergate", text).of(client_id).upon(basis);
    let written = match keep.with(&Told { day: trading_date(now) }) {
        Ok(keep) => state.engine.keep(keep).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(trouble) = written {
        tracing::warn!(event = "summary_not_told", %client_id, "the result at {at} is not written down: {trouble}");
    }
}

/// Where the account's journal ends, so that it stands off this machine too: rows that are cut off at its end leave no trace
/// in the file itself.
async fn end_of_journal(state: &WebState, client_id: &ClientId) -> String {
    match state.engine.query(Query::JournalBefore(Some(client_id.clone()), u64::MAX, 1)).await {
        Ok(Rows::Journal(rows)) => {
            rows.first().map_or_else(String::new, |last| format!("; journal row {} has hash {}", last.seq, hex(&row_hash(last))))
        }
        _ => "; where the journal ends could not be read".to_owned(),
    }
}
