//! `GET /dashboard/audit`: what happened, row by row of the journal.

use actix_web::web::{Data, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use ordergate_actors::persistence::Book;
use ordergate_actors::ports::{JournalRow, Query, Rows};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, accounts};
use crate::web::problem::Problem;
use crate::web::state::WebState;

const STANDARD: u16 = 100;
/// What one read from the disk gives at most.
const MOST: u16 = 200;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Asked {
    /// Whose journal; may be left out if there is one account.
    client_id: Option<String>,
    /// Rows below this number; absent: the newest.
    before: Option<u64>,
    limit: Option<u16>,
}

/// A page of an account's journal, the newest row first.
pub(in crate::web) async fn audit(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    let limit = asked.limit.unwrap_or(STANDARD);
    if limit == 0 || limit > MOST {
        return Err(Problem::bad_request("bad_limit", format!("limit is {limit}"), format!("send a limit from 1 to {MOST}")));
    }
    let clients = accounts(&state, &request, asked.client_id.as_deref())?;
    let [client_id] = clients.as_slice() else { return Err(Problem::which_account(&state.settings.account_names())) };
    let head = state.engine.read(client_id, Book::seq).unwrap_or(0);
    let before = asked.before.unwrap_or(u64::MAX).min(head.saturating_add(1));
    let after = before.saturating_sub(1).saturating_sub(u64::from(limit));
    let wanted = u16::try_from(before.saturating_sub(1).saturating_sub(after)).unwrap_or(limit);
    let mut rows = match wanted {
        0 => Vec::new(),
        _ => match state.engine.query(Query::JournalAfter(Some(client_id.clone()), after, wanted)).await? {
            Rows::Journal(rows) => rows,
            _ => Vec::new(),
        },
    };
    rows.reverse();
    let next = rows.last().map(|row| row.seq).filter(|seq| *seq > 1);
    Ok(HttpResponse::Ok().json(json!({
        "client_id": client_id, "head": head, "rows": rows.iter().map(shown).collect::<Vec<_>>(), "next": next, "as_of": state.now(),
    })))
}

fn shown(row: &JournalRow) -> Value {
    let inputs: Value = serde_json::from_str(&row.inputs).unwrap_or(Value::Null);
    json!({
        "seq": row.seq, "at": row.at, "event": row.event, "command_id": row.command_id, "signal_id": row.signal_id,
        "from": row.from, "to": row.to, "tag": row.tag, "reason": row.reason, "who": row.who, "inputs": inputs,
    })
}
