//! The composition root: the only place that knows every concrete type.
//!
//! Threads: HTTP workers, one engine thread (all actors), one writer thread (the journal), and those of the logs.

mod alert_routes;
mod binding;
mod brokers;
mod ending;
mod held;
mod outward;
mod surface;
mod watched;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::{Context as _, anyhow};
use ordergate_actors::order::{ClientId, trading_date};
use ordergate_actors::persistence::{ControlChange, KillLevel, Level, Listener};
use ordergate_actors::ports::{Clock, Store as _};
use ordergate_actors::steady::SteadyClock;
use ordergate_actors::supervision::{EXIT_FAULT, Halt};
use ordergate_actors::{Engine, Line, Parts, World, WriteOn};
use tokio::sync::oneshot;

use binding::binding;
use brokers::Brokers;
use ending::{last_page, page_at_a_halt, refused};
use surface::{announce, site, web_state};

pub(crate) use surface::link;

use crate::alerts::{Alerts, Waker};
use crate::clock::{RandomIds, SystemClock};
use crate::config::{Config, InstrumentSource};
use crate::drill::{self, Drill, Step};
use crate::files::private_directory;
use crate::halt::ProcessHalt;
use crate::instruments::master::{self, Downloader, News, Refresh};
use crate::instruments::{InstrumentTable, Masters, sample};
use crate::intent_log::IntentLog;
use crate::secrets::Secrets;
use crate::starts::{self, StartMode};
use crate::status_log::StatusLog;
use crate::store::{Durability, OpenError, Options, SqliteStore, VerifyFrom};
use crate::telemetry;
use crate::web::live::{Hub, LiveListener};
use crate::web::trace::trace;

/// How often the probe looks at the actors' heartbeats, and how old the oldest may be before the process gives up.
const PROBE: Duration = Duration::from_secs(5);
const HEARTBEAT_LOST: Duration = Duration::from_secs(20);
/// How long after a failure the disk is tried again at a start.
const AGAIN: Duration = Duration::from_secs(5);

/// Runs the engine until it is told to stop (SIGTERM, Ctrl-C); answers the exit code: 0 after an orderly stop, 78 when
/// it refuses to start. A fault ends the process with 70 from wherever it happens.
///
/// # Errors
/// It could not start, for a reason that starting again may not have.
pub async fn serve(config: Config) -> anyhow::Result<i32> {
    private_directory(&config.storage.directory).with_context(|| format!("the data directory {}", config.storage.directory.display()))?;
    let secrets = match Secrets::load_or_draw(&config) {
        Ok(secrets) => secrets,
        Err(fault) if fault.may_heal() => return Err(fault.into()),
        Err(refusal) => return refused(&refusal, None),
    };
    let logs = telemetry::start(&config.log)?;
    let halt = Arc::new(ProcessHalt::new());
    let guards = logs.guards;
    halt.flush_with(move |_, _| drop(guards));
    let alerts = crate::alerts::start(&config, &secrets, Arc::new(SystemClock)).context("the thread of the alerts")?;
    if let Some(alerts) = alerts.clone() {
        page_at_a_halt(&halt, alerts);
    }
    let metrics = logs.metrics;
    let ended = run(&config, &secrets, halt, alerts.clone(), Arc::new(move || metrics.render())).await;
    if let Some(alerts) = &alerts {
        if let Err(error) = &ended {
            last_page(alerts, "ENGINE ENDED", format!("the process ends: {error:#}"));
        }
        alerts.close(ending::PATIENCE);
    }
    ended
}

/// Starts everything, serves, and stops in order.
async fn run(
    config: &Config,
    secrets: &Secrets,
    halt: Arc<ProcessHalt>,
    alerts: Option<Alerts>,
    render: Arc<dyn Fn() -> String + Send + Sync>,
) -> anyhow::Result<i32> {
    for warning in config.warnings().into_iter().chain(config.actions_want()) {
        tracing::warn!(event = "config_warning", "{warning}");
    }
    let calendar = match crate::calendar::load(&config.calendar) {
        Ok(calendar) => Arc::new(calendar),
        Err(refusal) => return refused(&refusal, alerts.as_ref()),
    };
    let charges = match crate::charges::Charges::load(config) {
        Ok(charges) => charges,
        Err(refusal) => return refused(&refusal, alerts.as_ref()),
    };
    let clock = SteadyClock::over(Arc::new(SystemClock));
    let started_at = clock.now();
    // The lock comes first: a second engine must not count as a start of this one.
    let mut store = match opened(config, alerts.as_ref()).await {
        Ok(store) => store,
        Err(refusal) => return refused(&refusal, alerts.as_ref()),
    };
    let drill = config.drill.map(Drill::new);
    if let Some(drill) = drill {
        drill.reach(Step::StartOpened);
    }
    // The port too, before anything is started: a process that cannot be reached must not trade.
    let listener = std::net::TcpListener::bind(config.server.listen)
        .with_context(|| format!("cannot listen on {}; is another program using the port? (server.listen)", config.server.listen))?;
    let Look { concerns, unsound, was_clean } = look_at_the_start(config, &store, started_at)?;
    let (stop, stopped) = oneshot::channel();
    let (masters, refresh) = (Arc::new(in_force(config, started_at)?), refresh(config)?);
    let lacking = held::carry(config, &masters, &store.load()?)?;
    if let Some(alerts) = &alerts {
        alerts.follow(&config.storage.directory)?;
    }
    let Brokers { accounts, quotes, connections } = brokers::open(config, &masters, &(Arc::clone(&clock) as Arc<dyn Clock>))?;
    if let Some(misfit) = brokers::misfit(&accounts) {
        return refused(&misfit, alerts.as_ref());
    }
    let world =
        World { clock, ids: Arc::new(RandomIds), instruments: Arc::clone(&masters) as _, quotes, calendar, halt: Arc::clone(&halt) as _ };
    let (live, feed) = Hub::new(config.live);
    let feed = actix_web::rt::spawn(feed.run());
    let parts = Parts {
        store: drill::store(store, drill),
        listeners: listeners(config, alerts.clone(), Arc::clone(&live)),
        world,
        settings: config.engine_settings(),
        accounts: drill::accounts(accounts, drill),
        write_on: WriteOn::Thread,
        unsound,
    };
    let engine = start_engine(parts, Arc::clone(&halt), stopped).await?;
    outward::note_start(&engine, was_clean);
    held::keep(&masters, engine.line(), lacking);
    alert_routes::install(&engine, &config.routes).await.context("putting the routes in place")?;
    crate::calendar::tell(engine.line(), trading_date(started_at));
    for Concern { event, text, account } in concerns {
        stop_entries(&engine, event, &text, account.as_ref()).await;
    }
    let site = Arc::new(site(config, connections, charges, alerts));
    let state = web_state(config, secrets, engine.clone(), started_at, render);
    let tables = Arc::clone(&masters);
    let state =
        web::Data::new(state.with_site(Arc::clone(&site)).with_tables(Arc::new(move || tables.table())).with_live(Arc::clone(&live)));
    let journal_open = Arc::clone(&state.journal_open);
    let scheduled = state.clone();
    let outward = outward::start(config, secrets, &state);
    let settings = state.settings.clone();
    let server = HttpServer::new(move || App::new().app_data(state.clone()).configure(crate::web::configure).wrap(from_fn(trace)))
        .workers(config.server.workers)
        .shutdown_timeout(config.engine.drain_deadline.as_secs().max(1))
        .client_request_timeout(settings.body_deadline)
        .listen(listener)?;
    let address = server.addrs().first().copied().unwrap_or(config.server.listen);
    let running = server.run();
    announce(config, secrets, address, engine.line().clock.now());
    let refresh = refresh.map(|refresh| {
        let line = Arc::clone(engine.line());
        actix_web::rt::spawn(master::keep_fresh(masters, refresh, Arc::new(SystemClock), move |news| tell_of_masters(&line, &news)))
    });
    let ending = actix_web::rt::spawn(ending::end_streams(live));
    let probe = actix_web::rt::spawn(probe(engine.clone(), Arc::clone(&halt)));
    let watched = actix_web::rt::spawn(watched::keep_watched(Arc::clone(engine.line()), config.instruments.watch.clone()));
    let schedule = actix_web::rt::spawn(crate::web::scheduled::keep_schedule(scheduled));
    let readiness = actix_web::rt::spawn(crate::readiness::watch(engine.clone(), site));
    let risk_state = crate::risk_state::start(Arc::clone(engine.line()), &config.storage.directory, risk_state_every(&engine))
        .context("the thread of the risk state file")?;
    let served = running.await;
    // actix-web has stopped taking requests and let the running ones end; now the line drains and the journal closes.
    journal_open.store(false, Ordering::Release);
    probe.abort();
    if let Some(refresh) = refresh {
        refresh.abort();
    }
    readiness.abort();
    schedule.abort();
    watched.abort();
    outward.iter().for_each(actix_web::rt::task::JoinHandle::abort);
    ending.abort();
    feed.abort();
    drop(risk_state);
    let left = engine.stop().await?;
    let _engine_thread_ends = stop.send(());
    starts::forget(&config.storage.directory).context("forgetting the starts")?;
    tracing::info!(event = "stopped", orders_left = left, "stopped; {left} orders were left in the line (the next start recovers them)");
    served.context("the HTTP server")?;
    Ok(0)
}

/// The risk state is written as often as the books are read that it shows.
fn risk_state_every(engine: &Engine) -> std::time::Duration {
    engine.line().desks().map(|desk| desk.settings.waits.poll).min().unwrap_or(std::time::Duration::from_secs(1))
}

/// How the store of these settings is opened.
pub(crate) fn store_options(config: &Config, now: chrono::DateTime<chrono::Utc>) -> Options {
    Options {
        durability: Durability::Full,
        checkpoint_pages: config.storage.checkpoint_pages,
        idle_checkpoint_pages: config.storage.idle_checkpoint_pages,
        busy_timeout_ms: config.storage.busy_timeout_ms,
        ballast_bytes: config.storage.ballast_bytes,
        ..Options::at(now)
    }
}

/// What the start found.
struct Look {
    concerns: Vec<Concern>,
    unsound: BTreeSet<Option<ClientId>>,
    /// Whether the process before this one ended in order.
    was_clean: bool,
}

/// Why entries stay off.
struct Concern {
    event: &'static str,
    text: String,
    /// The account that it is about; `None`: every account.
    account: Option<ClientId>,
}

/// The data directory, open and bound. A disk that fails, is full or read-only may be well again, and a lock may be given up: it is
/// tried again until it is so, and people are told once. Nobody listens meanwhile, and nothing is sent.
async fn opened(config: &Config, alerts: Option<&Alerts>) -> Result<SqliteStore, OpenError> {
    let mut is_told = false;
    loop {
        let store = SqliteStore::open(&config.storage.directory, store_options(config, SystemClock.now()));
        match store.and_then(|mut store| store.bind(&binding(config)).map(|()| store)) {
            Err(fault) if fault.may_heal() => {
                let text =
                    format!("{fault}; it is tried again every {} s, and until then nothing is taken and nothing is sent", AGAIN.as_secs());
                tracing::error!(event = "start_waits", "{text}");
                eprintln!("ordergate cannot start yet: {text}");
                if let Some(alerts) = alerts.filter(|_| !std::mem::replace(&mut is_told, true)) {
                    last_page(alerts, "START WAITS", text);
                }
                tokio::time::sleep(AGAIN).await;
            }
            opened => return opened,
        }
    }
}

/// Too many starts, or a journal that does not verify: entries stay off until a person has looked. What is wrong with
/// one account's journal stops that account.
fn look_at_the_start(config: &Config, store: &SqliteStore, now: chrono::DateTime<chrono::Utc>) -> anyhow::Result<Look> {
    let (mut concerns, mut unsound) = (Vec::new(), BTreeSet::new());
    let was_clean = starts::was_clean(&config.storage.directory);
    let mode = starts::remember(&config.storage.directory, now, config.engine.safe_mode_starts, config.engine.safe_mode_window);
    if let StartMode::SafeMode { starts, since } = mode.context("remembering this start")? {
        let text = format!("safe mode: {starts} starts since {since}; entries are stopped until a person re-arms");
        concerns.push(Concern { event: "ALARM_SAFE_MODE", text, account: None });
    }
    for report in store.verify(VerifyFrom::LastAnchor)? {
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
    Ok(Look { concerns, unsound, was_clean })
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

/// Starts the engine thread: one arbiter, all actors, one order of events.
async fn start_engine(parts: Parts, halt: Arc<ProcessHalt>, stopped: oneshot::Receiver<()>) -> anyhow::Result<Engine> {
    let (started, start) = oneshot::channel();
    std::thread::Builder::new().name("ordergate-engine".into()).spawn(move || {
        let guard = Arc::clone(&halt);
        let watched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let runtime = std::cell::RefCell::new(Some(runtime));
            let system = actix::System::with_tokio_rt(move || {
                // Called once. A second call would have no runtime to give, and a fresh one is as good.
                runtime.borrow_mut().take().unwrap_or_else(fresh_runtime)
            });
            system.block_on(async move {
                match Engine::start(parts) {
                    Ok(engine) => {
                        let _waits = started.send(Ok(engine));
                        let _ended = stopped.await;
                    }
                    Err(error) => drop(started.send(Err(error.into()))),
                }
            });
            Ok::<(), std::io::Error>(())
        }));
        if !matches!(watched, Ok(Ok(()))) {
            guard.halt(EXIT_FAULT, "the engine's thread ended by a fault");
        }
    })?;
    start.await.map_err(|_| anyhow!("the engine's thread did not start"))?
}

#[expect(clippy::expect_used, reason = "start-up: without a runtime there is nothing to run")]
fn fresh_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The broker of the first account and today's instruments, without an engine: for what a person does while none runs.
pub(crate) fn alone(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<(Arc<dyn ordergate_actors::ports::Broker>, Arc<Masters>)> {
    let masters = Arc::new(in_force(config, clock.now())?);
    let Brokers { accounts, .. } = brokers::open(config, &masters, clock)?;
    let (_, broker) = accounts.into_iter().next().ok_or_else(|| anyhow!("there is no account"))?;
    Ok((broker, masters))
}

/// What can be traded at the start: the sample, or the newest masters that are stored.
fn in_force(config: &Config, now: chrono::DateTime<chrono::Utc>) -> anyhow::Result<Masters> {
    if config.instruments.source == InstrumentSource::Sample {
        let rows = sample(trading_date(now)).map_err(|error| anyhow!("the instrument sample: {error}"))?;
        return Ok(Masters::new(InstrumentTable::new(rows)).rolled(config.instruments.rolls.clone()));
    }
    let directory = master::store::directory(&config.storage.directory);
    let loaded = master::store::load(&directory, &config.instruments.exchanges, config.instruments.equity_tick)?;
    for passed_over in &loaded.passed_over {
        tracing::error!(event = "master_passed_over", "{passed_over}");
    }
    let masters = Masters::of(config.instruments.exchanges.iter().copied(), loaded.table).rolled(config.instruments.rolls.clone());
    tracing::info!(event = "instruments", rows = masters.table().len(), freshness = ?masters.freshness(now), "the stored masters were read");
    Ok(masters)
}

/// How each day's masters are fetched while the engine runs; `None` for the sample.
fn refresh(config: &Config) -> anyhow::Result<Option<Refresh>> {
    let settings = &config.instruments;
    if settings.source == InstrumentSource::Sample {
        return Ok(None);
    }
    let directory = master::store::directory(&config.storage.directory);
    Ok(Some(Refresh {
        downloader: Downloader::new(&settings.url, directory, settings.equity_tick)?,
        exchanges: settings.exchanges.clone(),
        keep_days: settings.keep_days,
        from: settings.refresh_ist,
    }))
}

/// Says what became of the masters: bad news on the attention list, the rest in the log.
fn tell_of_masters(line: &Line, news: &News) {
    match news.alarm() {
        Some(text) => line.alarm(None, "ALARM_MASTER", Level::Warn, None, text),
        None => tracing::info!(event = "instruments", "{news}"),
    }
}

/// Who hears of every commit.
fn listeners(config: &Config, alerts: Option<Alerts>, live: Arc<Hub>) -> Vec<Box<dyn Listener>> {
    let mut listeners: Vec<Box<dyn Listener>> = vec![Box::new(StatusLog::default()), Box::new(LiveListener(live))];
    listeners.extend(alerts.map(|alerts| Box::new(Waker(alerts)) as Box<dyn Listener>));
    match IntentLog::start(&config.log.directory, &config.storage.directory) {
        Ok((log, _thread)) => listeners.push(Box::new(log)),
        Err(error) => tracing::error!(event = "intent_log_off", "the intent log is not written: {error}; the journal has everything"),
    }
    listeners
}

/// An actor that no longer proves that it runs is worse than a restart: the process ends and recovers.
async fn probe(engine: Engine, halt: Arc<ProcessHalt>) {
    let mut every = tokio::time::interval(PROBE);
    loop {
        every.tick().await;
        for (actor, client, age) in engine.line().heartbeats() {
            if age > HEARTBEAT_LOST {
                let account = client.map_or_else(String::new, |client| format!(" of {client}"));
                halt.halt(EXIT_FAULT, &format!("{actor}{account} has not moved for {} s", age.as_secs()));
            }
        }
    }
}
