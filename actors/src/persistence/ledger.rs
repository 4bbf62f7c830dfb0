//! Where facts become states. The ledger owns the store; each round it applies the queued units to the committed rows,
//! writes them in one transaction, and only after the commit moves the view and hands the acknowledgements back.

mod apply;
mod open;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};

use super::staged::{Chain, Staged};
use super::ticket::{Admission, Answer, Orphans, Waiter};
use super::unit::{Ack, Cargo, Event, Listener, NewOrder, NotRegistered, Outcome, Posted};
use super::view::View;
use crate::order::{BasketId, ClientId, CommandId, OrderRecord, trading_date};
use crate::pnl::DayChange;
use crate::ports::{Anchor, Begun, Clock, Query, Rows, Store, StoreError, Write};

/// Rows between two anchors of a chain.
const ANCHOR_EVERY: u64 = 10_000;

/// A pause before a lock that another program holds is asked for again; the store has waited for it by itself too.
const LOCK_AGAIN: Duration = Duration::from_millis(5);

/// The single writer.
pub struct Ledger {
    pub(super) store: Box<dyn Store>,
    pub(super) view: Arc<View>,
    clock: Arc<dyn Clock>,
    tag_prefix: String,
    pub(super) seats: BTreeMap<ClientId, Seat>,
    pub(super) staged: Staged,
    pub(super) listeners: Vec<Box<dyn Listener>>,
    low_water: Option<u64>,
    lock_patience: Duration,
    unsound: BTreeSet<Option<ClientId>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("tag_prefix", &self.tag_prefix).finish_non_exhaustive()
    }
}

/// An account's place in the line.
#[derive(Debug, Clone)]
pub struct Seat {
    /// How many orders it may have in the line.
    pub admission: Arc<Admission>,
    /// Where its lost tickets go.
    pub orphans: Arc<Orphans>,
}

/// What the desks need from an opened journal.
#[derive(Debug)]
pub struct Opened {
    /// The writer.
    pub ledger: Ledger,
    /// The view that it keeps.
    pub view: Arc<View>,
    /// The time of the newest row.
    pub newest: Option<DateTime<Utc>>,
    /// Starts every broker tag of this data directory.
    pub tag_prefix: String,
}

/// What one round did.
#[derive(Debug, Default)]
pub struct Round {
    /// Acknowledgements, in commit order.
    pub acks: Vec<Ack>,
    /// The rows that changed, for the watchers.
    pub events: Vec<Event>,
}

/// An account, a day, and all that has changed in its holdings on that day.
pub(super) type RecomputedDay = (ClientId, NaiveDate, Vec<DayChange>);

/// What a posted unit is waiting for until the commit.
pub(super) enum Pending {
    Registration {
        client_id: ClientId,
        basket_id: BasketId,
        records: Vec<Arc<OrderRecord>>,
        legs: Vec<NewOrder>,
        cargo: Cargo,
    },
    /// The gates have its orders already; who waits for the commit.
    Shown(Option<Arc<Waiter>>),
    Reissued {
        client_id: ClientId,
        records: Vec<Arc<OrderRecord>>,
    },
    Replay {
        answer: Result<Answer, NotRegistered>,
        cargo: Cargo,
    },
    Order {
        client_id: ClientId,
        command_id: CommandId,
        outcome: Outcome,
        cargo: Cargo,
    },
    Other {
        outcome: Outcome,
        cargo: Cargo,
    },
}

impl Ledger {
    /// Below so many free bytes the ballast is given up (and, elsewhere, entries stop).
    pub fn set_low_water(&mut self, bytes: u64) {
        self.low_water = Some(bytes);
    }

    /// For so long a round is tried again that another program's lock keeps from beginning.
    pub fn set_lock_patience(&mut self, patience: Duration) {
        self.lock_patience = patience;
    }

    /// Names the chains that did not verify: no anchor is written over what is wrong with them.
    pub fn set_unsound(&mut self, chains: BTreeSet<Option<ClientId>>) {
        self.unsound = chains;
    }

    /// Writes a round of units in one commit, and tells the listeners.
    ///
    /// # Errors
    /// Whether anything is durable is unknown: the caller halts the process and never retries.
    pub fn round(&mut self, posted: Vec<Posted>) -> Result<Round, StoreError> {
        let round = self.commit(posted)?;
        self.tell_listeners(&round.events);
        Ok(round)
    }

    /// The same without a word to the listeners: [`tell_listeners`](Self::tell_listeners) follows, when those who wait for
    /// the commit have heard of it.
    ///
    /// # Errors
    /// As with [`round`](Self::round).
    pub(super) fn commit(&mut self, posted: Vec<Posted>) -> Result<Round, StoreError> {
        if posted.is_empty() {
            return Ok(Round::default());
        }
        let open = self.open_round(posted)?;
        self.finish(open)
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Opens a round. While another program holds the lock nothing is written and nothing is unknown: it is asked for again, and whoever
    /// watches the writer sees for how long, and why.
    #[expect(
        clippy::disallowed_methods,
        reason = "the writer's own thread, which has nothing else to do: no simulated disk is ever locked"
    )]
    pub(super) fn begin(&mut self) -> Result<(), StoreError> {
        let since = Instant::now();
        while let Begun::Locked(cause) = self.store.begin()? {
            if since.elapsed() >= self.lock_patience {
                return Err(StoreError { step: "begin", cause });
            }
            self.view.writing().set_locked_out(true);
            std::thread::sleep(LOCK_AGAIN);
        }
        self.view.writing().set_locked_out(false);
        Ok(())
    }

    /// The days of accounts in which a price was told of units that had left before. That price counts where those units left, so the
    /// day is computed again from what is on disk, as a restart does it.
    pub(super) fn recomputed_days(&mut self) -> Result<Vec<RecomputedDay>, StoreError> {
        let today = trading_date(self.clock.now());
        let clients = std::mem::take(&mut self.staged.told);
        clients.into_iter().map(|client| self.store.day(&client, today).map(|changes| (client, today, changes))).collect()
    }

    /// A read for people, between two commits.
    ///
    /// # Errors
    /// The read failed; nothing else did.
    pub fn query(&mut self, query: &Query) -> Result<Rows, StoreError> {
        self.store.query(query)
    }

    /// Nothing is queued: look after the log.
    ///
    /// # Errors
    /// Halt.
    pub fn idle(&mut self) -> Result<(), StoreError> {
        self.store.idle()
    }

    /// Measures the free space; below the low water the ballast is given up.
    pub fn look_at_space(&mut self) {
        let free = self.store.free_space();
        self.view.put_free_space(free);
        if let (Some(free), Some(low)) = (free, self.low_water)
            && free < low
        {
            self.store.release_ballast();
        }
    }

    /// The clean end: anchors for every chain, everything into the main file that no reader keeps in the log.
    ///
    /// # Errors
    /// What was committed stays committed; the next start finds it in the log.
    pub fn close(&mut self) -> Result<(), StoreError> {
        let at = self.clock.now();
        // A chain that did not verify keeps its last good anchor, so that every start says so again.
        let sound = self.staged.chains.iter().filter(|(client, _)| !self.unsound.contains(*client));
        let anchors: Vec<Write> = sound.map(|(client, chain)| anchor(client, *chain, at)).collect();
        if !anchors.is_empty() {
            self.begin()?;
            self.store.unit(&anchors)?;
            self.store.commit()?;
        }
        self.store.close()
    }

    pub(super) fn write_anchors(&mut self) -> Result<(), StoreError> {
        let at = self.clock.now();
        // A chain that did not verify keeps its last good anchor, so that every start says so again.
        let due = self.staged.chains_past(ANCHOR_EVERY).into_iter().filter(|(client, _)| !self.unsound.contains(client));
        let due: Vec<Write> = due.map(|(client, chain)| anchor(&client, chain, at)).collect();
        if !due.is_empty() {
            self.store.unit(&due)?;
        }
        Ok(())
    }
}

fn anchor(client: &Option<ClientId>, chain: Chain, at: DateTime<Utc>) -> Write {
    Write::Anchor(Anchor { client_id: client.clone(), seq: chain.seq, hash: chain.hash, at })
}
