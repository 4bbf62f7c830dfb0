//! Up to where the engine can start: the data directory open and sound, the port its own. What may heal is waited for.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use ordergate_actors::order::ClientId;
use ordergate_actors::ports::{Clock, JournalRow, Loaded, Store as _, StoreError};

use super::binding::binding;
use super::ending::{last_page, page_at_once};
use super::store_options;
use crate::alerts::Alerts;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::intent_log;
use crate::marks::Mark;
use crate::starts::{self, StartMode};
use crate::store::{Holder, OpenError, SqliteStore, VerifyFrom};

/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// What the start found.
pub(super) struct Look {
    pub(super) concerns: Vec<Concern>,
    pub(super) unsound: BTreeSet<Option<ClientId>>,
    /// Whether the process before this one ended in order.
    pub(super) was_clean: bool,
    /// Why the database is an older one than was traded with last, in words, if it is.
    pub(super) restored: Option<String>,
}

/// Why entries stay off.
pub(super) struct Concern {
    pub(super) event: &'static str,
    pub(super) text: String,
    /// The account that it is about; `None`: every account.
    pub(super) account: Option<ClientId>,
}

/// A start that waits: people are told once, whatever it waits for.
pub(super) struct Waits<'a> {
    alerts: Option<&'a Alerts>,
    is_told: bool,
}

impl<'a> Waits<'a> {
    pub(super) fn new(alerts: Option<&'a Alerts>) -> Self {
        Self { alerts, is_told: false }
    }

    /// Who is to be paged, once.
    fn say(&mut self, text: &str) -> Option<&'a Alerts> {
        tracing::error!(event = "start_waits", "{text}");
        eprintln!("ordergate cannot start yet: {text}");
        self.alerts.filter(|_| !std::mem::replace(&mut self.is_told, true))
    }

    /// It is tried again in a while.
    async fn for_(&mut self, fault: &dyn std::fmt::Display) {
        let text = format!("{fault}; it is tried again every {} s, and until then nothing is taken and nothing is sent", AGAIN.as_secs());
        if let Some(alerts) = self.say(&text) {
            last_page(alerts, "START WAITS", text);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The data directory, open and bound. A disk that fails, hangs, is full or read-only may be well again, and a lock may be given up:
/// it is tried again until it is so. Nobody listens meanwhile, and nothing is sent.
pub(super) async fn opened(config: &Config, waits: &mut Waits<'_>) -> Result<SqliteStore, OpenError> {
    loop {
        match open_once(config, waits).await {
            Err(fault) if fault.may_heal() => waits.for_(&fault).await,
            opened => return opened,
        }
    }
}

/// On a thread of its own, so that a disk that hangs can be told of.
async fn open_once(config: &Config, waits: &mut Waits<'_>) -> Result<SqliteStore, OpenError> {
    let (directory, binding) = (config.storage.directory.clone(), binding(config));
    let options = store_options(config, Holder::Engine, SystemClock.now());
    let mut opening = tokio::task::spawn_blocking(move || {
        let mut store = SqliteStore::open(&directory, options)?;
        store.bind(&binding)?;
        Ok(store)
    });
    let joined = match tokio::time::timeout(config.storage.stalled, &mut opening).await {
        Ok(joined) => joined,
        Err(_) => {
            let (path, seconds) = (config.storage.directory.display(), config.storage.stalled.as_secs());
            let text = format!(
                "the data directory {path} is not open after {seconds} s: its disk hangs, or is slow; until it is, nothing is taken and nothing is sent"
            );
            if let Some(alerts) = waits.say(&text) {
                page_at_once(alerts, "START WAITS", text);
            }
            opening.await
        }
    };
    // It is aborted by nobody: what is left is a panic, which goes on here.
    joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// The port. One that another program has, or an address that is not up yet, may be there later.
///
/// # Errors
/// It can never be listened on.
pub(super) async fn listening(address: SocketAddr, waits: &mut Waits<'_>) -> anyhow::Result<TcpListener> {
    loop {
        let cause = match TcpListener::bind(address) {
            Ok(listener) => return Ok(listener),
            Err(cause) => cause,
        };
        let text = format!("cannot listen on {address}: is another program using the port? (server.listen)");
        if !matches!(cause.kind(), ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable) {
            return Err(cause).context(text);
        }
        waits.for_(&format!("{text}: {cause}")).await;
    }
}

/// Too many starts, or a journal that does not verify: entries stay off until a person has looked. What is wrong with
/// one account's journal stops that account.
pub(super) fn look_at_the_start(config: &Config, store: &SqliteStore, now: DateTime<Utc>) -> Result<Look, StartError> {
    let (mut concerns, mut unsound) = (Vec::new(), BTreeSet::new());
    let was_clean = starts::was_clean(&config.storage.directory);
    let safe_mode = |text| Concern { event: "ALARM_SAFE_MODE", text, account: None };
    match starts::remember(&config.storage.directory, now, config.engine.safe_mode_starts, config.engine.safe_mode_window) {
        Ok(StartMode::Normal) => {}
        Ok(StartMode::SafeMode { starts, since }) => {
            concerns.push(safe_mode(format!("safe mode: {starts} starts since {since}; entries are stopped until a person re-arms")));
        }
        // Exits must go on all the same.
        Err(cause) => concerns.push(safe_mode(format!(
            "safe mode: this start is not written down ({cause}), so too many of them would not be seen; entries are stopped until a \
             person re-arms"
        ))),
    }
    for report in store.verify(VerifyFrom::LastAnchor).map_err(|fault| judged(store, fault))? {
        if !report.is_sound() {
            unsound.insert(report.chain.clone());
        }
        let broken = |text| Concern { event: "ALARM_JOURNAL_BROKEN", text, account: report.chain.clone() };
        if let Some(difference) = report.differences.first() {
            let text = format!("a table is not what the journal makes: {difference}; entries are stopped until a person re-arms");
            concerns.push(broken(text));
        }
        if let Some((seq, why)) = &report.first_broken {
            let chain = report.chain.as_ref().map_or("the process", ClientId::as_str);
            let text = format!("the journal of {chain} does not verify at row {seq}: {why}; entries are stopped until a person re-arms");
            concerns.push(broken(text));
        }
    }
    let restored = restored(config, store).map_err(|fault| judged(store, fault))?;
    Ok(Look { concerns, unsound, was_clean, restored })
}

/// Whether the database is an older one than was traded with last: a backup that was put in place, or one that ends before its own
/// intent log. It is marked until entries are stopped for it.
fn restored(config: &Config, store: &SqliteStore) -> Result<Option<String>, StoreError> {
    let (directory, heads) = (&config.storage.directory, store.heads()?);
    if let Some(ahead) = intent_log::ahead(&config.log.directory, &heads)
        && let Err(cause) = Mark::Restored.set(directory, &ahead)
    {
        tracing::error!(event = "mark_missing", "a start after this one does not know of it ({cause}): {ahead}");
        return Ok(Some(words_of(&ahead, &heads)));
    }
    Ok(Mark::Restored.read(directory).map(|why| words_of(&why, &heads)))
}

fn words_of(why: &str, heads: &[JournalRow]) -> String {
    let newest = heads.iter().map(|head| head.at).max();
    let newest =
        newest.map_or_else(|| "it has no row".to_owned(), |at| format!("its newest row is of {}", at.format("%Y-%m-%d %H:%M:%S UTC")));
    format!(
        "the database is an older copy: {why}, and {newest}. Kill levels, freezes, stopped strategies, limits set by hand, exit rules and \
         positions are those of then. Entries are stopped and every arming is over: compare positions and working orders with the broker, \
         set what was set since, then set the level to 0"
    )
}

/// Everything that a restart starts from.
pub(super) fn loaded(store: &mut SqliteStore) -> Result<Loaded, StartError> {
    let loaded = store.load().map_err(|fault| judged(store, fault))?;
    for head in &loaded.accounts {
        let control = head.control.as_deref().map(serde_json::from_str::<ordergate_actors::persistence::Control>);
        if let Some(Err(cause)) = control {
            return Err(OpenError::Damaged(format!("the controls of {} cannot be read: {cause}", head.client_id)).into());
        }
    }
    Ok(loaded)
}

/// What was opened cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// Starting again changes nothing.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It may.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StartError {
    /// Whether starting again may help.
    pub(super) fn may_heal(&self) -> bool {
        match self {
            Self::Open(cause) => cause.may_heal(),
            Self::Store(_) => true,
        }
    }
}

/// A read that failed at the start: is it the file?
fn judged(store: &SqliteStore, fault: StoreError) -> StartError {
    match store.damage() {
        Some(damage) => OpenError::Damaged(format!("{fault}: {damage}")).into(),
        None => fault.into(),
    }
}
