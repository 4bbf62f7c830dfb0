//! What the journal keeps of the report: that it was pushed, and that a person has dismissed it. A restart reads it back and
//! does not push again.

use std::sync::Arc;

use chrono::NaiveDate;
use ordergate_actors::order::{ClientId, trading_date};
use ordergate_actors::persistence::{Level, Note};
use ordergate_actors::ports::{JournalRow, Query, Rows};
use ordergate_actors::{Engine, EngineError};
use serde_json::json;

use super::judge::Overall;
use super::schedule::Due;

/// The report went out.
const PUSHED: &str = "READINESS_REPORT";
/// A person has heard it.
const DISMISSED: &str = "READINESS_DISMISSED";
/// Rows read back at a time.
const PAGE: u16 = 200;

/// What the journal says of today's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// What was pushed.
    pub due: Due,
    /// The day whose report was dismissed.
    pub dismissed_on: Option<NaiveDate>,
}

impl Told {
    /// Takes a row; later ones count.
    fn take(&mut self, row: &JournalRow) {
        match &*row.event {
            PUSHED => {
                self.due.pushed_at = Some(row.at);
                if row.inputs.contains(&overall(Overall::Go)) {
                    self.due.green_on = Some(trading_date(row.at));
                }
            }
            DISMISSED => self.dismissed_on = Some(trading_date(row.at)),
            _ => {}
        }
    }

    /// Reads today's rows of the account, newest page first, and no further back.
    ///
    /// # Errors
    /// The journal could not be read.
    pub(super) async fn read(engine: &Engine, client_id: &ClientId, today: NaiveDate) -> Result<Self, EngineError> {
        let mut above = engine.read(client_id, |book| book.seq()).unwrap_or(0);
        let mut todays: Vec<JournalRow> = Vec::new();
        while above > 0 {
            let from = above.saturating_sub(u64::from(PAGE));
            let Rows::Journal(rows) = engine.query(Query::JournalAfter(Some(client_id.clone()), from, PAGE)).await? else { break };
            let reaches_back = rows.first().is_none_or(|row| trading_date(row.at) < today);
            let is_told = |row: &JournalRow| trading_date(row.at) == today && matches!(&*row.event, PUSHED | DISMISSED);
            todays.extend(rows.into_iter().filter(is_told));
            if reaches_back {
                break;
            }
            above = from;
        }
        todays.sort_by_key(|row| row.seq);
        let mut told = Self::default();
        todays.iter().for_each(|row| told.take(row));
        Ok(told)
    }
}

fn overall(overall: Overall) -> String {
    json!({ "overall": overall }).to_string()
}

/// Writes down that the report went out.
pub(super) fn note_push(engine: &Engine, client_id: &ClientId, said: Overall, text: &str) {
    engine.note(Note {
        client_id: Some(client_id.clone()),
        event: PUSHED,
        level: Level::Info,
        text: ordergate_actors::order::clean(&format!("{}: {text}", said.words()), 400),
        command_id: None,
        who: Arc::from("ordergate"),
        inputs: overall(said),
    });
}

/// Writes down that a person has heard today's report.
pub fn note_dismissal(engine: &Engine, client_id: &ClientId, who: &str, reason: &str) {
    engine.note(Note {
        client_id: Some(client_id.clone()),
        event: DISMISSED,
        level: Level::Info,
        text: ordergate_actors::order::clean(reason, 400),
        command_id: None,
        who: Arc::from(who),
        inputs: "{}".to_owned(),
    });
}
