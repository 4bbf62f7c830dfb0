//! An account's book as a replay of its journal alone makes it: what the gates would judge by if every table were lost.

use chrono::NaiveDate;

use crate::order::ClientId;
use crate::persistence::{Book, Control, KeptChange, Misfit, replay};
use crate::ports::{AccountHead, JournalRow};

/// The book after the last of these rows, which are all of the account's, from the first on.
///
/// # Errors
/// A row that the ledger's rules would not have written, or controls that cannot be read.
pub fn book_of_journal(client_id: &ClientId, rows: &[JournalRow], today: NaiveDate) -> Result<Book, Misfit> {
    let made = replay(rows)?;
    let seq = rows.last().map_or(0, |row| row.seq);
    let mut orders: Vec<_> = made.orders.values().map(|order| (**order).clone()).collect();
    orders.sort_by_key(|order| order.number);
    let control = match &made.control {
        Some((text, _)) => serde_json::from_str(text).map_err(|error| Misfit { seq, why: format!("the controls: {error}") })?,
        None => Control::default(),
    };
    let head = AccountHead {
        client_id: client_id.clone(),
        last_number: orders.last().map_or(0, |order| order.number),
        orders,
        holdings: made
            .holdings
            .iter()
            .filter(|(_, (held, _))| held.net != 0)
            .map(|((strategy, key), (held, _))| (strategy.clone(), key.clone(), *held))
            .collect(),
        control: None,
    };
    let mut book = Book::load(head, seq, control);
    let changes = made.day(today);
    for (slot, now) in made.kept {
        book.put_kept(KeptChange { slot, now: Some(now) });
    }
    book.begin_day(today, &changes);
    Ok(book)
}
