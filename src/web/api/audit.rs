//! `GET /dashboard/audit`: what happened, row by row: an account's journal, and with it that of the process (who signed in, sessions
//! that were ended, actions from chats), which is of no account.

use std::cmp::Ordering;
use std::fmt;

use actix_web::web::{Data, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use ordergate_actors::order::ClientId;
use ordergate_actors::persistence::{Book, CONTROL};
use ordergate_actors::ports::{JournalRow, Query, Rows};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, accounts};
use crate::web::door::scope;
use crate::web::problem::Problem;
use crate::web::state::WebState;

const STANDARD: u16 = 100;
/// What one read from the disk gives at most.
const MOST: u16 = 200;
/// Above the newest row of any chain.
const NEWEST: u64 = u64::MAX;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Asked {
    /// Whose journal; may be left out if there is one account.
    client_id: Option<String>,
    /// Rows below this place; absent: the newest.
    before: Option<Place>,
    limit: Option<u16>,
}

/// A place between two pages: the rows of each chain below these numbers are still to come. 0 and 1: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
struct Place {
    account: u64,
    process: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.account, self.process)
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl TryFrom<String> for Place {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let numbers = text.split_once('-').and_then(|(account, process)| Some((account.parse().ok()?, process.parse().ok()?)));
        let (account, process) = numbers.ok_or("must be the `next` of the page before")?;
        Ok(Self { account, process })
    }
}

/// A page of the two chains, the newest row first.
pub(in crate::web) async fn audit(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    let limit = asked.limit.unwrap_or(STANDARD);
    if limit == 0 || limit > MOST {
        return Err(Problem::bad_request("bad_limit", format!("limit is {limit}"), format!("send a limit from 1 to {MOST}")));
    }
    let clients = accounts(&state, &request, asked.client_id.as_deref())?;
    let [client_id] = clients.as_slice() else { return Err(Problem::which_account(&clients)) };
    let before = asked.before.unwrap_or(Place { account: NEWEST, process: NEWEST });
    // What is of no account is for those who may see every account.
    let may_see_all = scope(&request).is_whole();
    let account = newest(&state, Some(client_id), before.account, limit).await?;
    let process = if may_see_all { newest(&state, None, before.process, limit).await? } else { Vec::new() };
    let page = merged([account, process], |row| row.at, usize::from(limit));
    let next = Place { account: page.below[0], process: page.below[1] };
    Ok(HttpResponse::Ok().json(json!({
        "client_id": client_id,
        "head": state.engine.read(client_id, Book::seq).unwrap_or(0),
        "rows": page.rows.iter().map(shown).collect::<Vec<_>>(),
        "next": page.has_more.then_some(next),
        "as_of": state.now(),
    })))
}

/// Rows of a chain below a number, the newest first.
async fn newest(state: &WebState, client: Option<&ClientId>, before: u64, most: u16) -> Result<Vec<JournalRow>, Problem> {
    match state.engine.query(Query::JournalBefore(client.cloned(), before, most)).await? {
        Rows::Journal(rows) => Ok(rows),
        Rows::Orders(_) | Rows::Fills(_) | Rows::Changes(_) => Ok(Vec::new()),
    }
}

/// A row of a chain.
trait Numbered {
    /// Gapless from 1 within its chain.
    fn seq(&self) -> u64;
}

impl Numbered for JournalRow {
    fn seq(&self) -> u64 {
        self.seq
    }
}

/// A page of two chains.
#[derive(Debug)]
struct Page<T> {
    rows: Vec<T>,
    /// What is still to come of each chain is below these numbers.
    below: [u64; 2],
    has_more: bool,
}

/// The first rows of two chains that are read backwards, each in its own order, the later time first. Each step looks at the heads of both
/// only: so a page that begins where another one ended goes on as if there had been no border, whatever was added on top meanwhile
/// and however the clock went.
fn merged<T: Numbered>(chains: [Vec<T>; 2], at: impl Fn(&T) -> DateTime<Utc>, most: usize) -> Page<T> {
    // A chain of which nothing is on this page goes on with the row that was its newest, not with one that comes later.
    let mut below = [0, 1].map(|which: usize| chains[which].first().map_or(0, |row| row.seq().saturating_add(1)));
    let mut heads = chains.map(|rows| rows.into_iter().peekable());
    let mut rows = Vec::with_capacity(most);
    while rows.len() < most {
        let [first, second] = &mut heads;
        let which = match (first.peek(), second.peek()) {
            (None, None) => break,
            (Some(_), None) => 0,
            (None, Some(_)) => 1,
            (Some(one), Some(other)) => usize::from(at(one).cmp(&at(other)) == Ordering::Less),
        };
        if let Some(row) = heads[which].next() {
            below[which] = row.seq();
            rows.push(row);
        }
    }
    Page { has_more: below.iter().any(|below| *below > 1), rows, below }
}

fn shown(row: &JournalRow) -> Value {
    let inputs: Value = serde_json::from_str(&row.inputs).unwrap_or(Value::Null);
    let what = if &*row.event == CONTROL { &inputs["what"] } else { &Value::Null };
    json!({
        "client_id": row.client_id, "seq": row.seq, "at": row.at, "event": row.event, "command_id": row.command_id,
        "signal_id": row.signal_id, "from": row.from, "to": row.to, "tag": row.tag, "what": what, "reason": row.reason, "who": row.who, "inputs": inputs,
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// A row: its chain, its number, and its second.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Line(usize, u64, i64);

    impl Numbered for Line {
        fn seq(&self) -> u64 {
            self.1
        }
    }

    fn at(line: &Line) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(line.2)
    }

    /// As the disk answers.
    fn read(chain: &[Line], before: u64, most: usize) -> Vec<Line> {
        chain.iter().rev().filter(|line| line.1 < before).take(most).copied().collect()
    }

    fn chain(which: usize, seconds: &[i64]) -> Vec<Line> {
        (1..).zip(seconds).map(|(seq, second)| Line(which, seq, *second)).collect()
    }

    #[test]
    fn a_place_reads_back_and_nothing_else_does() {
        let place = Place { account: 17, process: NEWEST };
        assert_eq!(Place::try_from(place.to_string()), Ok(place));
        for text in ["", "17", "17-", "-3", "17-x", "17-3-1", "-1-3"] {
            assert!(Place::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_chain_of_which_nothing_was_shown_goes_on_where_it_stood() {
        let page = merged([chain(0, &[10, 11, 12]).into_iter().rev().collect(), chain(1, &[1, 2]).into_iter().rev().collect()], at, 2);
        assert_eq!((page.rows, page.below, page.has_more), (vec![Line(0, 3, 12), Line(0, 2, 11)], [2, 3], true));
        let last = merged([vec![Line(0, 1, 10)], Vec::new()], at, 1);
        assert_eq!((last.below, last.has_more), ([1, 0], false));
        assert!(!merged::<Line>([Vec::new(), Vec::new()], at, 1).has_more);
    }

    proptest! {
        /// Page after page every row that was there comes once, each chain in its order, and by time where each chain is; what is written
        /// meanwhile is on no later page.
        #[test]
        fn prop_every_row_is_on_one_page_whatever_the_borders(
            times in prop::collection::vec((0_i64..20, 0_i64..20), 0..40),
            split in 0_usize..40,
            limits in prop::collection::vec(1_usize..7, 1..8),
            is_orderly in prop::bool::ANY,
        ) {
            let (mut first, mut second): (Vec<i64>, Vec<i64>) = times.iter().copied().unzip();
            second.truncate(split);
            if is_orderly {
                first.sort_unstable();
                second.sort_unstable();
            }
            let mut chains = [chain(0, &first), chain(1, &second)];
            let wanted: usize = chains.iter().map(Vec::len).sum();
            let (mut below, mut seen, mut turn) = ([NEWEST, NEWEST], Vec::new(), 0);
            loop {
                let most = limits[turn % limits.len()];
                let page = merged([read(&chains[0], below[0], most), read(&chains[1], below[1], most)], at, most);
                prop_assert!(page.rows.len() == most || !page.has_more, "only the last page is short");
                seen.extend(page.rows);
                (below, turn) = (page.below, turn + 1);
                if !page.has_more {
                    break;
                }
                // Somebody signs in, and an order fills, between two pages.
                for (which, chain) in chains.iter_mut().enumerate() {
                    let seq = u64::try_from(chain.len()).unwrap() + 1;
                    chain.push(Line(which, seq, 30));
                }
            }
            prop_assert_eq!(seen.len(), wanted);
            for which in [0, 1] {
                let numbers: Vec<u64> = seen.iter().filter(|line| line.0 == which).map(|line| line.1).collect();
                prop_assert_eq!(&numbers, &(1..=u64::try_from(numbers.len()).unwrap()).rev().collect::<Vec<_>>());
            }
            if is_orderly {
                prop_assert!(seen.windows(2).all(|pair| pair[0].2 >= pair[1].2), "by time: {seen:?}");
            }
        }
    }
}
