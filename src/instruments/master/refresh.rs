//! Keeps the masters of the day in force while the engine runs: plans, fetches, loads, swaps.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use ordergate_actors::order::{Exchange, InstrumentKey};
use ordergate_actors::ports::Clock;

use super::download::{Downloader, FetchError, Fetched};
use super::plan::{Failed, plan};
use super::store::{self, LoadError};
use crate::instruments::Masters;

/// The plan is looked at at least so often: a machine may have slept meanwhile.
const LOOK: Duration = Duration::from_secs(60);

/// What is fetched, and when.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// From where to where.
    pub downloader: Downloader,
    /// Of which exchanges.
    pub exchanges: Vec<Exchange>,
    /// How many days of files stay.
    pub keep_days: u64,
    /// From when on (IST) the broker has the files of the day.
    pub from: NaiveTime,
}

/// What happened, for people.
#[derive(Debug)]
pub enum News {
    /// A master was fetched and stored.
    Fetched(Fetched),
    /// A master was not fetched; the one of `as_of` stays in force, and entries are refused once it is not of today.
    Failed {
        /// Of which exchange.
        exchange: Exchange,
        /// Why.
        error: FetchError,
        /// What stays in force.
        as_of: Option<NaiveDate>,
        /// When it is tried again.
        next: DateTime<Utc>,
    },
    /// A new table is in force.
    InForce {
        /// Its rows.
        rows: usize,
        /// The day of its oldest exchange.
        as_of: Option<NaiveDate>,
        /// Files that were passed over, and why.
        passed_over: Vec<String>,
        /// What is held and is not in it.
        carried: Vec<InstrumentKey>,
    },
    /// What is stored cannot be read; the table in force stays.
    Unreadable(LoadError),
}

impl News {
    /// What a person must hear of it, if it is bad.
    #[must_use]
    pub fn alarm(&self) -> Option<String> {
        match self {
            Self::Failed { .. } | Self::Unreadable(_) => Some(self.to_string()),
            Self::InForce { passed_over, carried, .. } if !passed_over.is_empty() || !carried.is_empty() => Some(self.to_string()),
            Self::Fetched(_) | Self::InForce { .. } => None,
        }
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetched(fetched) => {
                let Fetched { exchange, day, rows, blank, skipped, bad_count, .. } = fetched;
                write!(
                    f,
                    "fetched the master of {exchange} of {day}: {rows} instruments, {blank} blank rows, {skipped} not traded, {bad_count} not readable"
                )
            }
            Self::Failed { exchange, error, as_of, next } => {
                write!(f, "the master of {exchange} was not fetched: {error}; ")?;
                match as_of {
                    Some(day) => write!(f, "that of {day} stays")?,
                    None => f.write_str("there is none")?,
                }
                write!(f, ", the next attempt is at {next}")
            }
            Self::InForce { rows, as_of, passed_over, carried } => {
                let day = as_of.map_or_else(|| "no day".to_owned(), |day| day.to_string());
                write!(f, "{rows} instruments are in force, the oldest exchange is of {day}")?;
                passed_over.iter().try_for_each(|file| write!(f, "; passed over {file}"))?;
                carried.iter().try_for_each(|key| write!(f, "; {key} is held and not in it: exits go by its old row"))
            }
            Self::Unreadable(error) => write!(f, "the table in force stays: {error}"),
        }
    }
}

/// What was tried and seen so far.
#[derive(Debug, Default)]
pub struct Tried {
    failed: BTreeMap<Exchange, Failed>,
    /// The newest file of each exchange when the files were last read.
    seen: BTreeMap<Exchange, NaiveDate>,
}

impl Tried {
    fn fails(&mut self, exchange: Exchange, at: DateTime<Utc>) -> Failed {
        let times = self.failed.get(&exchange).map_or(1, |failed| failed.times.saturating_add(1));
        let failed = Failed { times, at };
        self.failed.insert(exchange, failed);
        failed
    }
}

/// The day that is in force of each exchange.
fn in_force(masters: &Masters) -> BTreeMap<Exchange, NaiveDate> {
    masters.table().days().collect()
}

impl Refresh {
    /// One round: takes files that somebody else put there, fetches what is due, swaps the table if anything came.
    /// Answers when to look again.
    pub async fn round(&self, masters: &Masters, tried: &mut Tried, clock: &dyn Clock, tell: &impl Fn(News)) -> DateTime<Utc> {
        if let Err(error) = self.take_stored(masters, tried, tell).await {
            tell(News::Unreadable(LoadError::Directory { directory: self.downloader.directory().clone(), error }));
            return clock.now() + LOOK;
        }
        let known = in_force(masters);
        let due = plan(&self.exchanges, &known, &tried.failed, clock.now(), self.from);
        let mut fetched = Vec::new();
        for exchange in due.fetch {
            match self.downloader.fetch(exchange, due.day).await {
                Ok(whole) => {
                    fetched.push(exchange);
                    tell(News::Fetched(whole));
                }
                Err(error) => {
                    let next = tried.fails(exchange, clock.now()).next();
                    tell(News::Failed { exchange, error, as_of: known.get(&exchange).copied(), next });
                }
            }
        }
        if !fetched.is_empty() {
            self.put_in_force(masters, tell).await;
        }
        let known = in_force(masters);
        for exchange in fetched {
            // A file that was stored and yet is not in force was told of; it is not fetched again at once.
            if known.get(&exchange).is_some_and(|day| *day >= due.day) {
                tried.failed.remove(&exchange);
            } else {
                tried.fails(exchange, clock.now());
            }
        }
        plan(&self.exchanges, &known, &tried.failed, clock.now(), self.from).again
    }

    /// Reads the files again if there are newer ones than those in force, as after `ordergate instruments fetch`.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub async fn take_stored(&self, masters: &Masters, tried: &mut Tried, tell: &impl Fn(News)) -> std::io::Result<()> {
        let stored = store::newest(self.downloader.directory(), &self.exchanges)?;
        if stored == tried.seen {
            return Ok(());
        }
        let known = in_force(masters);
        let is_newer = stored.iter().any(|(exchange, day)| known.get(exchange).is_none_or(|known| known < day));
        tried.seen = stored;
        if is_newer {
            self.put_in_force(masters, tell).await;
        }
        Ok(())
    }

    async fn put_in_force(&self, masters: &Masters, tell: &impl Fn(News)) {
        let this = self.clone();
        let loaded = tokio::task::spawn_blocking(move || {
            let directory = this.downloader.directory();
            let loaded = store::load(directory, &this.exchanges, this.downloader.tick())?;
            let newest = loaded.table.days().map(|(_, day)| day).max();
            if let Some(Err(error)) = newest.map(|day| store::remove_old(directory, day, this.keep_days)) {
                tracing::warn!(event = "old_masters_stay", "old masters in {} cannot be removed: {error}", directory.display());
            }
            Ok(loaded)
        });
        match loaded.await {
            Ok(Ok(loaded)) => {
                let (rows, as_of) = (loaded.table.len(), loaded.table.as_of());
                let carried = masters.swap(loaded.table);
                tell(News::InForce { rows, as_of, passed_over: loaded.passed_over, carried });
            }
            Ok(Err(error)) => tell(News::Unreadable(error)),
            Err(error) => {
                let directory = self.downloader.directory().clone();
                tell(News::Unreadable(LoadError::Directory { directory, error: std::io::Error::other(error) }));
            }
        }
    }
}

/// Runs until it is dropped.
pub async fn keep_fresh(masters: Arc<Masters>, refresh: Refresh, clock: Arc<dyn Clock>, tell: impl Fn(News)) {
    let mut tried = Tried::default();
    loop {
        let again = refresh.round(&masters, &mut tried, &*clock, &tell).await;
        let wait = again.signed_duration_since(clock.now()).to_std().unwrap_or(Duration::from_secs(1));
        tokio::time::sleep(wait.min(LOOK)).await;
    }
}
