//! What every handler shares.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use ordergate_actors::Engine;
use ordergate_actors::order::ClientId;
use serde::Serialize;

use super::api::margin::Margins;
use super::auth::{Authenticator, Keys};
use super::live::Hub;
use super::problem::Problem;
use super::settings::WebSettings;
use super::turns::Turns;
use super::unauthorized::Refusals;
use crate::access::Access;
use crate::config::Setting;
use crate::instruments::InstrumentTable;
use crate::readiness::Site;

/// Renders the metrics as Prometheus text.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// Today's table of instruments, for people who search it.
pub type Tables = Arc<dyn Fn() -> Arc<InstrumentTable> + Send + Sync>;

/// Exports that are read from the disk at one time.
const EXPORTS: usize = 2;

/// Where things are, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Paths {
    /// The database.
    pub database: PathBuf,
    /// The directory of the logs.
    pub logs: PathBuf,
    /// The risk state file.
    pub risk_state: PathBuf,
}

/// What every handler shares.
pub struct WebState {
    /// The engine.
    pub engine: Engine,
    /// The settings.
    pub settings: WebSettings,
    /// When the process started.
    pub started_at: DateTime<Utc>,
    /// The metrics.
    pub prometheus: Render,
    /// Whether signals can be registered. Cleared by whoever closes the journal.
    pub journal_open: Arc<AtomicBool>,
    /// Where things are.
    pub paths: Paths,
    /// What going live needs; that of paper unless it is put in place.
    pub site: Arc<Site>,
    /// Alerts that stand in a chain, or are numbered, go one after the other.
    pub(super) turns: Turns,
    /// What can be traded; an empty table unless it is put in place.
    pub tables: Tables,
    /// Every setting in force, for people; none unless they are put in place.
    pub effective: Arc<[Setting]>,
    /// Places of exports that are read at one time.
    pub(super) exports: Arc<tokio::sync::Semaphore>,
    /// What brokers said that orders would take.
    pub(super) margins: Margins,
    /// What tells pages of commits; nothing is told unless it is put in place.
    pub live: Arc<Hub>,
    /// Who is logged in; in memory only unless it is put in place.
    pub access: Arc<Access>,
    pub(super) sources: Authenticator,
    pub(super) keys: Keys,
    pub(super) refusals: Refusals,
}

impl fmt::Debug for WebState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebState").field("settings", &self.settings).field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl WebState {
    /// The state over a started engine, its journal open.
    #[must_use]
    pub fn new(engine: Engine, settings: WebSettings, started_at: DateTime<Utc>, prometheus: Render, paths: Paths) -> Self {
        let sources = Authenticator::new(&settings.sources);
        let keys = Keys::new(&settings.keys);
        Self {
            engine,
            settings,
            started_at,
            prometheus,
            journal_open: Arc::new(AtomicBool::new(true)),
            paths,
            site: Arc::default(),
            turns: Turns::default(),
            tables: Arc::new(Arc::default),
            effective: Arc::default(),
            exports: Arc::new(tokio::sync::Semaphore::new(EXPORTS)),
            margins: Margins::default(),
            live: Arc::default(),
            access: Arc::default(),
            sources,
            keys,
            refusals: Refusals::default(),
        }
    }

    /// Puts in place what going live needs: connections, readiness, arming.
    #[must_use]
    pub fn with_site(self, site: Arc<Site>) -> Self {
        Self { site, ..self }
    }

    /// Puts in place the table of instruments that people search.
    #[must_use]
    pub fn with_tables(self, tables: Tables) -> Self {
        Self { tables, ..self }
    }

    /// Puts in place the settings as people may see them.
    #[must_use]
    pub fn with_effective(self, effective: Arc<[Setting]>) -> Self {
        Self { effective, ..self }
    }

    /// Puts in place the hub that tells pages of commits.
    #[must_use]
    pub fn with_live(self, live: Arc<Hub>) -> Self {
        Self { live, ..self }
    }

    /// Puts in place the sessions that a data directory keeps.
    #[must_use]
    pub fn with_access(self, access: Arc<Access>) -> Self {
        Self { access, ..self }
    }

    /// The time, from the engine's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.engine.line().clock.now()
    }

    /// Whether signals can be registered now.
    #[must_use]
    pub fn is_journal_open(&self) -> bool {
        self.journal_open.load(Ordering::Acquire) && !self.engine.line().halt.is_halted()
    }

    /// The account that a request means: the one it names, or the only one.
    ///
    /// # Errors
    /// 404 for an unknown account, 400 when none is named and there are several.
    pub fn account(&self, named: Option<&str>) -> Result<ClientId, Problem> {
        self.account_among(named, |_| true)
    }

    /// The account that a request of somebody means who may know of these alone: the one it names, or the only one of them. What is not
    /// among them looks like one that is not there.
    ///
    /// # Errors
    /// 404 for an account that is not among them, 400 when none is named and there are several.
    pub fn account_among(&self, named: Option<&str>, is_own: impl Fn(&ClientId) -> bool) -> Result<ClientId, Problem> {
        if let Some(name) = named {
            return self.known(name).filter(is_own).ok_or_else(Problem::no_account);
        }
        let own: Vec<&ClientId> = self.settings.accounts.iter().map(|account| &account.client_id).filter(|own| is_own(own)).collect();
        match own.as_slice() {
            [] => Err(Problem::no_account()),
            [only] => Ok((*only).clone()),
            several => Err(Problem::which_account(several.iter().copied())),
        }
    }

    /// The account that a request names, or all of them.
    ///
    /// # Errors
    /// 404 for an unknown account.
    pub fn accounts(&self, named: Option<&str>) -> Result<Vec<ClientId>, Problem> {
        match named {
            Some(name) => self.known(name).map(|client| vec![client]).ok_or_else(Problem::no_account),
            None => Ok(self.engine.line().desks().map(|desk| desk.client_id.clone()).collect()),
        }
    }

    fn known(&self, name: &str) -> Option<ClientId> {
        ClientId::parse(name).ok().filter(|client| self.engine.desk(client).is_ok())
    }
}
