//! One run of the process: opened, started, served, stopped. Each phase takes what the one before it made.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::web::Data;
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use crossbeam_channel::Sender;
use ordergate_actors::order::ClientId;
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::persistence::{ControlChange, KillLevel, Level};
use ordergate_actors::ports::Clock;
use ordergate_actors::steady::SteadyClock;
use ordergate_actors::{Engine, Parts, StopError, World, WriteOn};
use tokio::sync::oneshot;

use super::brokers::{self, Brokers};
use super::opening::{Concern, Look, StartError, Waits, listening, loaded, look_at_the_start, opened};
use super::own_files::OwnFiles;
use super::surface::{announce, site, web_state};
use super::tasks::Tasks;
use super::{
    alert_routes, descriptors, ending, held, in_force, listeners, older, outward, port, probe, refresh, start_engine, tell_of_masters,
    watched,
};
use crate::alerts::Alerts;
use crate::brokers::connection::Connection;
use crate::charges::Charges;
use crate::clock::{RandomIds, SystemClock};
use crate::config::Config;
use crate::drill::{self, Drill, Step};
use crate::halt::ProcessHalt;
use crate::instruments::Masters;
use crate::instruments::master::{self, Refresh};
use crate::readiness::Site;
use crate::risk_state::RiskStateThread;
use crate::secrets::Secrets;
use crate::starts;
use crate::store::SqliteStore;
use crate::web::live::Hub;
use crate::web::visitors::Visitors;
use crate::web::{Render, WebState};

/// Why a start came to nothing.
pub(super) enum NoStart {
    /// Starting again changes nothing.
    Refused(Box<dyn Error + Send + Sync>),
    /// Starting again may help.
    Failed(anyhow::Error),
}

impl NoStart {
    fn refused(refusal: impl Error + Send + Sync + 'static) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<StartError> for NoStart {
    fn from(cause: StartError) -> Self {
        if cause.may_heal() { Self::Failed(cause.into()) } else { Self::refused(cause) }
    }
}

impl From<anyhow::Error> for NoStart {
    fn from(cause: anyhow::Error) -> Self {
        Self::Failed(cause)
    }
}

/// Nothing acts yet: the settings are read, the data directory and the port are ours, the journal was looked at.
pub(super) struct Opened {
    calendar: Arc<Calendar>,
    charges: Charges,
    clock: Arc<SteadyClock>,
    started_at: DateTime<Utc>,
    store: SqliteStore,
    own_files: OwnFiles,
    drill: Option<Drill>,
    listener: TcpListener,
    look: Look,
}

/// Opens what the engine stands on.
pub(super) async fn open(config: &Config, alerts: Option<&Alerts>) -> Result<Opened, NoStart> {
    for warning in config.warnings().into_iter().chain(config.actions_want()) {
        tracing::warn!(event = "config_warning", "{warning}");
    }
    let calendar = Arc::new(crate::calendar::load(&config.calendar).map_err(NoStart::refused)?);
    let charges = Charges::load(config).map_err(NoStart::refused)?;
    let clock = SteadyClock::over(Arc::new(SystemClock));
    let started_at = clock.now();
    // The lock comes first: a second engine must not count as a start of this one.
    let mut waits = Waits::new(alerts);
    let store = opened(config, &mut waits).await.map_err(NoStart::refused)?;
    let own_files = OwnFiles::of(&config.storage.directory);
    let drill = config.drill.map(Drill::new);
    if let Some(drill) = drill {
        drill.reach(Step::StartOpened);
    }
    // The port too, before anything is started: a process that cannot be reached must not trade.
    let listener = listening(config.server.listen, &mut waits).await?;
    let look = look_at_the_start(config, &store, started_at)?;
    Ok(Opened { calendar, charges, clock, started_at, store, own_files, drill, listener, look })
}

/// The engine runs, and takes entries as far as the start found no concern.
pub(super) struct Started {
    engine: Engine,
    /// Ends the engine's thread.
    stop: oneshot::Sender<()>,
    /// Ends the probe when it is dropped.
    probe: Sender<()>,
    /// The same for the look at the engine's own files.
    own_files: Sender<()>,
    masters: Arc<Masters>,
    refresh: Option<Refresh>,
    connections: BTreeMap<ClientId, Arc<dyn Connection>>,
    charges: Charges,
    live: Arc<Hub>,
    tasks: Tasks,
    started_at: DateTime<Utc>,
    listener: TcpListener,
}

/// Starts the engine on what was opened.
pub(super) async fn start(config: &Config, halt: &Arc<ProcessHalt>, alerts: Option<&Alerts>, opened: Opened) -> Result<Started, NoStart> {
    let Opened { calendar, charges, clock, started_at, mut store, own_files, drill, listener, look } = opened;
    let Look { concerns, unsound, was_clean, restored } = look;
    let (masters, refresh) = (Arc::new(in_force(config, started_at)?), refresh(config)?);
    let lacking = held::carry(config, &masters, &loaded(&mut store)?)?;
    if let Some(alerts) = alerts {
        alerts.follow(&config.storage.directory).map_err(anyhow::Error::from)?;
    }
    let Brokers { accounts, quotes, connections } = brokers::open(config, &masters, &(Arc::clone(&clock) as Arc<dyn Clock>), &calendar)?;
    if let Some(misfit) = brokers::misfit(&accounts) {
        return Err(NoStart::refused(misfit));
    }
    let world =
        World { clock, ids: Arc::new(RandomIds), instruments: Arc::clone(&masters) as _, quotes, calendar, halt: Arc::clone(halt) as _ };
    let (live, feed) = Hub::new(config.live);
    let parts = Parts {
        store: drill::store(store, drill),
        listeners: listeners(config, alerts.cloned(), Arc::clone(&live)),
        world,
        settings: config.engine_settings(),
        accounts: drill::accounts(accounts, drill),
        write_on: WriteOn::Thread,
        unsound,
    };
    let (stop, stopped) = oneshot::channel();
    let engine = start_engine(parts, Arc::clone(halt), stopped).await?;
    let bounds = probe::Bounds { stalled: config.storage.stalled, hung: config.storage.hung };
    let probe = probe::start(Arc::clone(engine.line()), Arc::clone(halt), alerts.cloned(), bounds).context("the thread of the probe")?;
    let patience = config.engine.drain_deadline + config.storage.hung;
    let own_files =
        own_files.watch(engine.clone(), Arc::clone(halt), patience).context("the thread that looks at the engine's own files")?;
    let mut tasks = Tasks::of(engine.line());
    tasks.once("the live view of the dashboard", feed.run());
    outward::note_start(&engine, was_clean);
    held::keep(&masters, engine.line(), lacking);
    alert_routes::install(&engine, &config.routes).await.context("putting the routes in place")?;
    for Concern { event, text, account } in concerns {
        stop_entries(&engine, event, &text, account.as_ref()).await;
    }
    if let Some(text) = restored {
        older::stop(&engine, &config.storage.directory, &text).await;
    }
    Ok(Started { engine, stop, probe, own_files, masters, refresh, connections, charges, live, tasks, started_at, listener })
}

async fn stop_entries(engine: &Engine, event: &'static str, text: &str, account: Option<&ClientId>) {
    let line = engine.line();
    for desk in line.desks().filter(|desk| account.is_none_or(|account| *account == desk.client_id)) {
        line.alarm(Some(&desk.client_id), event, Level::Page, None, text.to_owned());
        let raised = engine.control(&desk.client_id, ControlChange::RaiseAccount(KillLevel::StopEntries), "ordergate", text).await;
        if let Err(error) = raised {
            tracing::error!(client_id = %desk.client_id, "entries are latched off, but that is not on disk: {error}");
        }
    }
}

/// Serves until the process is told to end, then stops in order; the exit code.
pub(super) async fn serve(
    config: &Config,
    secrets: &Secrets,
    alerts: Option<Alerts>,
    render: Render,
    started: Started,
) -> anyhow::Result<i32> {
    let Started { engine, stop, probe, own_files, masters, refresh, connections, charges, live, mut tasks, started_at, listener } = started;
    let site = Arc::new(site(config, connections, charges, alerts));
    let state = web_state(config, secrets, engine.clone(), started_at, render);
    let tables = Arc::clone(&masters);
    let state = Data::new(state.with_site(Arc::clone(&site)).with_tables(Arc::new(move || tables.table())).with_live(Arc::clone(&live)));
    let journal_open = Arc::clone(&state.journal_open);
    outward::start(config, secrets, &state, &mut tasks);
    let (server, address, visitors) = port::open(config, state.clone(), listener)?;
    announce(config, secrets, address, engine.line().clock.now());
    tasks.once("the end of the live streams", ending::end_streams(live));
    keep_beside(config, &engine, &mut tasks, Beside { masters, refresh, state, site, visitors });
    let risk_state = risk_state(config, &engine)?;
    let served = server.await;
    // actix-web has stopped taking requests and let the running ones end; now the line drains and the journal closes.
    journal_open.store(false, Ordering::Release);
    drop((own_files, tasks, risk_state));
    let left = match engine.stop().await {
        // Who ends this process already has more to save than this end would wait for.
        Err(other @ StopError::Unanswered) => {
            tokio::time::sleep(config.engine.drain_deadline + config.storage.hung).await;
            return Err(other.into());
        }
        stopped => stopped?,
    };
    // Until here: a disk that hangs while the journal closes ends the process too.
    drop(probe);
    let _engine_thread_ends = stop.send(());
    starts::forget(&config.storage.directory).context("forgetting the starts")?;
    tracing::info!(event = "stopped", orders_left = left, "stopped; {left} orders were left in the line (the next start recovers them)");
    served.context("the HTTP server")?;
    Ok(0)
}

/// What the tasks beside the engine look at.
struct Beside {
    masters: Arc<Masters>,
    refresh: Option<Refresh>,
    state: Data<WebState>,
    site: Arc<Site>,
    visitors: Arc<Visitors>,
}

/// Keeps fresh and tells what nobody asks for.
fn keep_beside(config: &Config, engine: &Engine, tasks: &mut Tasks, beside: Beside) {
    let Beside { masters, refresh, state, site, visitors } = beside;
    let line = engine.line();
    if let Some(refresh) = refresh {
        let line = Arc::clone(line);
        tasks.keep("the refresh of the masters", move || {
            let line = Arc::clone(&line);
            let tell = move |news| tell_of_masters(&line, &news);
            master::keep_fresh(Arc::clone(&masters), refresh.clone(), Arc::new(SystemClock), tell)
        });
    }
    let (watching, watch) = (Arc::clone(line), config.instruments.watch.clone());
    tasks.keep("the watch of the underlyings", move || watched::keep_watched(Arc::clone(&watching), watch.clone()));
    let looking = Arc::clone(line);
    tasks.keep("the look at the calendar", move || crate::calendar::keep_told(Arc::clone(&looking)));
    let counting = Arc::clone(line);
    tasks.keep("the count of open files", move || descriptors::keep_counted(Arc::clone(&counting), Arc::clone(&visitors)));
    tasks.keep("the schedule", move || crate::web::scheduled::keep_schedule(state.clone()));
    let engine = engine.clone();
    tasks.keep("the report of the morning", move || crate::readiness::watch(engine.clone(), Arc::clone(&site)));
}

/// The risk state is written as often as the books are read that it shows.
fn risk_state(config: &Config, engine: &Engine) -> anyhow::Result<RiskStateThread> {
    let every = engine.line().desks().map(|desk| desk.settings.waits.poll).min().unwrap_or(std::time::Duration::from_secs(1));
    crate::risk_state::start(Arc::clone(engine.line()), &config.storage.directory, every).context("the thread of the risk state file")
}
