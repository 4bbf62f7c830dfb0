//! The start: what is on disk becomes the view, and the writer goes on from there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Ledger, Opened, Seat};
use crate::order::{ClientId, trading_date};
use crate::persistence::alarms::Alarms;
use crate::persistence::book::Book;
use crate::persistence::chain::row_hash;
use crate::persistence::control::Control;
use crate::persistence::kept::KeptChange;
use crate::persistence::staged::{Chain, Staged};
use crate::persistence::unit::Listener;
use crate::persistence::view::View;
use crate::ports::{Clock, Loaded, Store, StoreError};

type Books = BTreeMap<ClientId, Book>;

impl Ledger {
    /// Reads the store and builds the view; `seats` are the configured accounts.
    ///
    /// # Errors
    /// The store could not be read, or holds what this version cannot read.
    pub fn open(
        mut store: Box<dyn Store>,
        clock: Arc<dyn Clock>,
        seats: BTreeMap<ClientId, Seat>,
        listeners: Vec<Box<dyn Listener>>,
    ) -> Result<Opened, StoreError> {
        let loaded = store.load()?;
        let (tag_prefix, newest) = (loaded.tag_prefix.clone(), loaded.newest);
        let configured = seats.keys().map(|id| (id.clone(), Book::new(id.clone()))).collect();
        let (staged, mut books) = brought_back(loaded, configured)?;
        let today = trading_date(clock.now());
        for (client, book) in &mut books {
            book.begin_day(today, &store.day(client, today)?);
        }
        let view = Arc::new(view_of(books, &staged));
        view.put_free_space(store.free_space());
        let ledger = Self {
            store,
            view: Arc::clone(&view),
            clock,
            tag_prefix: tag_prefix.clone(),
            seats,
            staged,
            listeners,
            low_water: None,
            lock_patience: Duration::ZERO,
            unsound: BTreeSet::new(),
        };
        Ok(Opened { ledger, view, newest, tag_prefix })
    }
}

/// The ends of the chains and the accounts, as the store has them. `books` are those of the configured accounts, still empty.
fn brought_back(loaded: Loaded, mut books: Books) -> Result<(Staged, Books), StoreError> {
    let mut staged = Staged::default();
    for head in &loaded.heads {
        staged.chains.insert(head.client_id.clone(), Chain { seq: head.seq, hash: row_hash(head) });
    }
    staged.anchored.extend(loaded.anchors);
    for (chain, alarms) in loaded.alarms {
        staged.alarms.insert(chain, Alarms::load(alarms));
    }
    for head in loaded.accounts {
        let control = match &head.control {
            Some(text) => serde_json::from_str(text)
                .map_err(|error| StoreError { step: "load", cause: format!("controls of {}: {error}", head.client_id) })?,
            None => Control::default(),
        };
        let seq = staged.chains.get(&Some(head.client_id.clone())).map_or(0, |chain| chain.seq);
        staged.numbers.insert(head.client_id.clone(), head.last_number);
        books.insert(head.client_id.clone(), Book::load(head, seq, control));
    }
    for (chain, states) in loaded.kept {
        for (slot, now) in &states {
            if let Some(book) = chain.as_ref().and_then(|client| books.get_mut(client)) {
                book.put_kept(KeptChange { slot: slot.clone(), now: Some(now.clone()) });
            }
        }
        staged.kept.insert(chain, states);
    }
    Ok((staged, books))
}

/// The view of these books, with what is open or kept beside them.
fn view_of(mut books: Books, staged: &Staged) -> View {
    for (chain, alarms) in &staged.alarms {
        if let Some(book) = chain.as_ref().and_then(|client| books.get_mut(client)) {
            book.put_alarms(alarms.clone());
        }
    }
    let view = View::new(books.into_values().collect());
    view.put_process_alarms(staged.alarms.get(&None).cloned().unwrap_or_default());
    for (slot, now) in staged.kept.get(&None).into_iter().flatten() {
        view.put_process_kept(KeptChange { slot: slot.clone(), now: Some(now.clone()) });
    }
    view
}
