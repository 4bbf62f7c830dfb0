//! What a reader missed, from the journal: while it was away, or while this process was.

use ordergate_actors::order::ClientId;
use ordergate_actors::ports::{Query, Rows};

use super::frame::{News, Positions, Window, fetch_all};
use crate::web::problem::Problem;
use crate::web::state::WebState;

/// Rows of one read.
const PAGE: u16 = 200;
/// So many reads for one reader; one that missed more fetches everything.
const PAGES: usize = 25;

/// Where the reader stands, and what it missed. It must sit before this is asked: what is committed from then on comes in
/// frames, and what a frame tells twice is known by its number.
///
/// # Errors
/// The journal could not be read.
pub(super) async fn missed(state: &WebState, clients: &[ClientId], known: &Positions) -> Result<(Positions, Vec<News>), Problem> {
    let (mut positions, mut told) = (Positions::default(), Vec::new());
    for client_id in clients {
        let head = state.engine.read(client_id, |book| book.seq()).unwrap_or_default();
        let from = match known.0.get(client_id) {
            None => head,
            Some(from) if *from <= head => {
                told.extend(of_account(state, client_id, *from).await?);
                *from
            }
            // A number beyond the journal is of another journal.
            Some(_) => {
                told.push(fetch_all(client_id, head, state.now()));
                0
            }
        };
        positions.0.insert(client_id.clone(), from);
    }
    Ok((positions, told))
}

async fn of_account(state: &WebState, client_id: &ClientId, from: u64) -> Result<Option<News>, Problem> {
    let (mut window, mut after) = (Window::default(), from);
    for _ in 0..PAGES {
        let query = Query::JournalAfter(Some(client_id.clone()), after, PAGE);
        let Rows::Journal(rows) = state.engine.query(query).await? else { return Ok(None) };
        for row in &rows {
            window.take(row, None);
            after = after.max(row.seq);
        }
        if rows.len() < usize::from(PAGE) {
            for (client_id, command_id) in window.unknown() {
                if let Some(record) = state.engine.order(&client_id, command_id).await? {
                    window.put(record);
                }
            }
            return Ok(window.news().pop());
        }
    }
    let head = state.engine.read(client_id, |book| book.seq()).unwrap_or(after);
    Ok(Some(fetch_all(client_id, head, state.now())))
}
