//! `ordergate replay`: a day's journal, given to this binary's own rules once more; and what its gates saw, held against the
//! settings in force.

mod otherwise;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use clap::Args;
use ordergate_actors::order::{ClientId, trading_date};
use ordergate_actors::persistence::Replay;
use ordergate_actors::ports::JournalRow;

use super::print::Page;
use super::{Config, EXIT_ATTENTION, EXIT_OK};
use otherwise::Comparison;

use crate::store::ReadStore;

/// Which day.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The day in India, for example 2026-11-20
    #[arg(long, value_name = "YYYY-MM-DD")]
    day: NaiveDate,
    /// One account only
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
}

/// What a day of one chain came to.
#[derive(Debug, Default)]
struct Replayed {
    /// Decisions by event: taken again, and equal to the byte.
    decisions: BTreeMap<String, (u64, u64)>,
    /// Rows that only tell something.
    told: u64,
    first: Option<String>,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<i32> {
    let store = ReadStore::open(&config.storage.directory)?;
    let mut page = Page::new();
    let (mut all, mut equal) = (0, 0);
    let heads = store.heads()?;
    if let Some(account) = &arguments.account {
        let known: Vec<&str> = heads.iter().filter_map(|head| head.client_id.as_ref()).map(ClientId::as_str).collect();
        if !known.contains(&account.as_str()) {
            page.line(format!("nothing was replayed: the journal has no account {account}; it has {}", known.join(", "))).show()?;
            return Ok(EXIT_ATTENTION);
        }
    }
    for head in heads {
        let Some(client) = &head.client_id else { continue };
        if arguments.account.as_ref().is_some_and(|account| account != client.as_str()) {
            continue;
        }
        let mut comparison = Comparison::new(config, client.as_str());
        let replayed = replayed(&store, client, head.seq, arguments.day, &mut comparison)?;
        let rows = replayed.decisions.iter().map(|(event, (taken, same))| vec![event.clone(), taken.to_string(), same.to_string()]);
        page.heading(format!("{client} on {}:", arguments.day)).table(&["decision", "taken again", "byte for byte the same"], rows);
        if replayed.told > 0 {
            page.line(format!("{} more rows only tell something", replayed.told));
        }
        if let Some(first) = &replayed.first {
            page.line(format!("the first difference: {first}"));
        }
        comparison.show(&mut page);
        let sums = replayed.decisions.values().fold((0, 0), |(all, equal), (taken, same)| (all + taken, equal + same));
        (all, equal) = (all + sums.0, equal + sums.1);
    }
    let is_same = all == equal;
    page.line(match (all, is_same) {
        (0, _) => "no decision was taken that day".to_owned(),
        (_, true) => format!("{all} decisions, and every one is the same byte for byte"),
        (_, false) => format!("{} of {all} decisions differ: another version took them, or the journal was changed", all - equal),
    });
    page.show()?;
    Ok(if is_same { EXIT_OK } else { EXIT_ATTENTION })
}

/// The rows before that day are taken in too: they are what its decisions stand on.
fn replayed(store: &ReadStore, client: &ClientId, up_to: u64, day: NaiveDate, comparison: &mut Comparison<'_>) -> anyhow::Result<Replayed> {
    let (mut replay, mut found) = (Replay::default(), Replayed::default());
    for row in store.journal(Some(client), 0, up_to) {
        let row = row?;
        let is_of_the_day = trading_date(row.at) == day;
        let redone = match replay.redo(&row) {
            Ok(redone) => redone,
            Err(misfit) => {
                // From here on nothing is known that a decision could stand on.
                let (taken, _) = found.decisions.entry(row.event.to_string()).or_default();
                *taken += 1;
                found.first.get_or_insert_with(|| misfit.to_string());
                return Ok(found);
            }
        };
        if !is_of_the_day {
            continue;
        }
        comparison.see(&row, replay.so_far());
        let Some(redone) = redone else {
            found.told += 1;
            continue;
        };
        let (taken, same) = found.decisions.entry(row.event.to_string()).or_default();
        *taken += 1;
        *same += u64::from(redone == row);
        if redone != row && found.first.is_none() {
            found.first = Some(difference(&row, &redone));
        }
    }
    Ok(found)
}

/// Where a row and the one that is written now part, in words.
fn difference(row: &JournalRow, redone: &JournalRow) -> String {
    let shown = |row: &JournalRow| {
        let status = |status: Option<ordergate_actors::order::Status>| status.map_or("-", ordergate_actors::order::Status::as_str);
        let (tag, reason) = (row.tag.map_or("-", ordergate_actors::order::Tag::as_str), row.reason.as_deref().unwrap_or("-"));
        format!("{} {} -> {} {tag} {reason} {}", row.event, status(row.from), status(row.to), row.inputs)
    };
    let (was, is) = (shown(row), shown(redone));
    let at = was.char_indices().zip(is.chars()).find(|((_, a), b)| a != b).map_or_else(|| was.len().min(is.len()), |((at, _), _)| at);
    let from = |text: &str| text.get(at..).unwrap_or_default().chars().take(200).collect::<String>();
    format!("row {}: {} | the journal goes on with {:?}, now it is {:?}", row.seq, was.get(..at).unwrap_or_default(), from(&was), from(&is))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_difference_says_where_the_two_part() {
        let row = |reason: &str| JournalRow {
            client_id: None,
            seq: 7,
            prev_hash: [0; 32],
            at: chrono::DateTime::UNIX_EPOCH,
            event: Arc::from("REFUSED"),
            command_id: None,
            signal_id: None,
            from: None,
            to: None,
            tag: None,
            reason: Some(Arc::from(reason)),
            who: Arc::from("x"),
            inputs: Arc::from("{}"),
        };
        let words = difference(&row("limit 10"), &row("limit 20"));
        assert!(words.starts_with("row 7: REFUSED - -> - - limit "), "{words}");
        assert!(words.contains("\"10 {}\"") && words.contains("\"20 {}\""), "{words}");
    }
}
