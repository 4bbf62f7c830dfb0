//! The composition root: the only place that knows every concrete type.
//!
//! Threads: HTTP workers, one engine thread (all actors), one writer thread (the journal), and those of the logs.

mod alert_routes;
mod binding;
mod brokers;
mod ended;
mod ending;
mod held;
mod opening;
mod outward;
mod own_files;
mod probe;
mod surface;
mod tasks;
mod watched;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::{Context as _, anyhow};
use ordergate_actors::order::{ClientId, trading_date};
use ordergate_actors::persistence::{ControlChange, KillLevel, Level, Listener};
use ordergate_actors::ports::Clock;
use ordergate_actors::steady::SteadyClock;
use ordergate_actors::supervision::{EXIT_FAULT, Halt};
use ordergate_actors::{Engine, Line, Parts, World, WriteOn};
use tokio::sync::oneshot;

use brokers::Brokers;
use ending::{last_page, page_at_a_halt, refused};
use opening::{Concern, Look, Waits, listening, loaded, look_at_the_start, opened};
use own_files::OwnFiles;
use surface::{announce, site, web_state};

pub(crate) use surface::link;

use crate::alerts::{Alerts, Waker};
use crate::brokers::connection::Connection;
use crate::clock::{RandomIds, SystemClock};
use crate::config::{Config, InstrumentSource};
use crate::drill::{self, Drill, Step};
use crate::files::private_directory;
use crate::halt::ProcessHalt;
use crate::instruments::master::{self, Downloader, News, Refresh};
use crate::instruments::{InstrumentTable, Masters, sample};
use crate::intent_log::IntentLog;
use crate::secrets::Secrets;
use crate::starts;
use crate::status_log::StatusLog;
use crate::store::{Durability, Holder, Options};
use crate::telemetry;
use crate::web::live::{Hub, LiveListener};
use crate::web::trace::trace;

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
        if let Err(error) = &ended
            && let Some(words) = ended::to_say(&config.storage.directory, &format!("the process ends: {error:#}"), SystemClock.now())
        {
            last_page(alerts, "ENGINE ENDED", words);
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
    let mut waits = Waits::new(alerts.as_ref());
    let mut store = match opened(config, &mut waits).await {
        Ok(store) => store,
        Err(refusal) => return refused(&refusal, alerts.as_ref()),
    };
    let own_files = OwnFiles::of(&config.storage.directory);
    let drill = config.drill.map(Drill::new);
    if let Some(drill) = drill {
        drill.reach(Step::StartOpened);
    }
    // The port too, before anything is started: a process that cannot be reached must not trade.
    let listener = listening(config.server.listen, &mut waits).await?;
    let Look { concerns, unsound, was_clean } = match look_at_the_start(config, &store, started_at) {
        Ok(look) => look,
        Err(refusal) if !refusal.may_heal() => return refused(&refusal, alerts.as_ref()),
        Err(fault) => return Err(fault.into()),
    };
    let (stop, stopped) = oneshot::channel();
    let (masters, refresh) = (Arc::new(in_force(config, started_at)?), refresh(config)?);
    let loaded = match loaded(&mut store) {
        Ok(loaded) => loaded,
        Err(refusal) if !refusal.may_heal() => return refused(&refusal, alerts.as_ref()),
        Err(fault) => return Err(fault.into()),
    };
    let lacking = held::carry(config, &masters, &loaded)?;
    if let Some(alerts) = &alerts {
        alerts.follow(&config.storage.directory)?;
    }
    let Brokers { accounts, quotes, connections } = brokers::open(config, &masters, &(Arc::clone(&clock) as Arc<dyn Clock>), &calendar)?;
    if let Some(misfit) = brokers::misfit(&accounts) {
        return refused(&misfit, alerts.as_ref());
    }
    let world =
        World { clock, ids: Arc::new(RandomIds), instruments: Arc::clone(&masters) as _, quotes, calendar, halt: Arc::clone(&halt) as _ };
    let (live, feed) = Hub::new(config.live);
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
    let bounds = probe::Bounds { stalled: config.storage.stalled, hung: config.storage.hung };
    let probe = probe::start(Arc::clone(engine.line()), Arc::clone(&halt), alerts.clone(), bounds).context("the thread of the probe")?;
    let own_files = own_files.watch(engine.clone(), Arc::clone(&halt)).context("the thread that looks at the engine's own files")?;
    let feed = tasks::once(engine.line(), "the live view of the dashboard", feed.run());
    outward::note_start(&engine, was_clean);
    held::keep(&masters, engine.line(), lacking);
    alert_routes::install(&engine, &config.routes).await.context("putting the routes in place")?;
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
        tasks::keep(engine.line(), "the refresh of the masters", move || {
            let line = Arc::clone(&line);
            let tell = move |news| tell_of_masters(&line, &news);
            master::keep_fresh(Arc::clone(&masters), refresh.clone(), Arc::new(SystemClock), tell)
        })
    });
    let ending = actix_web::rt::spawn(ending::end_streams(live));
    let (line, watch) = (Arc::clone(engine.line()), config.instruments.watch.clone());
    let watched =
        tasks::keep(engine.line(), "the watch of the underlyings", move || watched::keep_watched(Arc::clone(&line), watch.clone()));
    let line = Arc::clone(engine.line());
    let calendar = tasks::keep(engine.line(), "the look at the calendar", move || crate::calendar::keep_told(Arc::clone(&line)));
    let schedule = tasks::keep(engine.line(), "the schedule", move || crate::web::scheduled::keep_schedule(scheduled.clone()));
    let watching = engine.clone();
    let readiness =
        tasks::keep(engine.line(), "the report of the morning", move || crate::readiness::watch(watching.clone(), Arc::clone(&site)));
    let risk_state = crate::risk_state::start(Arc::clone(engine.line()), &config.storage.directory, risk_state_every(&engine))
        .context("the thread of the risk state file")?;
    let served = running.await;
    // actix-web has stopped taking requests and let the running ones end; now the line drains and the journal closes.
    journal_open.store(false, Ordering::Release);
    drop(probe);
    drop(own_files);
    if let Some(refresh) = refresh {
        refresh.abort();
    }
    readiness.abort();
    schedule.abort();
    calendar.abort();
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
pub(crate) fn store_options(config: &Config, holder: Holder, now: chrono::DateTime<chrono::Utc>) -> Options {
    Options {
        holder,
        durability: Durability::Full,
        checkpoint_pages: config.storage.checkpoint_pages,
        idle_checkpoint_pages: config.storage.idle_checkpoint_pages,
        busy_timeout_ms: config.storage.busy_timeout_ms,
        ballast_bytes: config.storage.ballast_bytes,
        ..Options::at(now)
    }
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

/// What a person has to act with while no engine runs.
pub(crate) struct Alone {
    /// The broker of the first account.
    pub(crate) broker: Arc<dyn ordergate_actors::ports::Broker>,
    /// How it is logged in, if it has a login.
    pub(crate) connection: Option<Arc<dyn Connection>>,
    /// The stored instruments.
    pub(crate) masters: Arc<Masters>,
    /// How newer ones are fetched; `None` for the sample.
    pub(crate) refresh: Option<Refresh>,
}

/// The broker of the first account and the stored instruments, without an engine.
pub(crate) fn alone(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Alone> {
    let masters = Arc::new(in_force(config, clock.now())?);
    // A calendar that cannot be read keeps nobody from closing positions.
    let calendar = crate::calendar::load(&config.calendar).map(Arc::new).unwrap_or_default();
    let Brokers { accounts, mut connections, .. } = brokers::open(config, &masters, clock, &calendar)?;
    let (account, broker) = accounts.into_iter().next().ok_or_else(|| anyhow!("there is no account"))?;
    Ok(Alone { broker, connection: connections.remove(&account.client_id), masters, refresh: refresh(config)? })
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
