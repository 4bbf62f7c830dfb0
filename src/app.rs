//! The composition root: the only place that knows every concrete type.
//!
//! Threads: HTTP workers, one engine thread (all actors), one writer thread (the journal), and those of the logs.

mod alert_routes;
mod binding;
mod brokers;
mod data_directory;
mod descriptors;
mod ended;
mod ending;
mod held;
mod older;
mod opening;
mod outward;
mod own_files;
mod port;
mod probe;
mod run;
mod surface;
mod tasks;
mod watched;

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::order::trading_date;
use ordergate_actors::persistence::{Level, Listener};
use ordergate_actors::ports::Clock;
use ordergate_actors::supervision::{EXIT_FAULT, Halt};
use ordergate_actors::{Engine, Line, Parts};
use tokio::sync::oneshot;

use brokers::Brokers;
use data_directory::NotOurs;
use ending::{last_page, page_at_a_halt, refused};
use run::NoStart;

pub(crate) use surface::link;

use crate::alerts::{Alerts, Waker};
use crate::brokers::connection::Connection;
use crate::calendar::CalendarError;
use crate::clock::SystemClock;
use crate::config::{Config, InstrumentSource};
use crate::halt::ProcessHalt;
use crate::instruments::master::{self, Downloader, News, Refresh};
use crate::instruments::{InstrumentTable, Masters, sample};
use crate::intent_log::IntentLog;
use crate::secrets::Secrets;
use crate::status_log::StatusLog;
use crate::store::{Durability, Holder, Options};
use crate::telemetry;
use crate::web::Render;
use crate::web::live::{Hub, LiveListener};

/// Runs the engine until it is told to stop (SIGTERM, Ctrl-C); answers the exit code: 0 after an orderly stop, 78 when
/// it refuses to start. A fault ends the process with 70 from wherever it happens.
///
/// # Errors
/// It could not start, for a reason that starting again may not have.
pub async fn serve(config: Config) -> anyhow::Result<i32> {
    descriptors::raise();
    let closed = match data_directory::close(&config.storage.directory) {
        Ok(closed) => closed,
        Err(refusal @ NotOurs::Open { .. }) => return refused(&refusal, None),
        Err(fault) => return Err(fault.into()),
    };
    let secrets = match Secrets::load_or_draw(&config) {
        Ok(secrets) => secrets,
        Err(fault) if fault.may_heal() => return Err(fault.into()),
        Err(refusal) => return refused(&refusal, None),
    };
    let logs = telemetry::start(&config.log)?;
    if let Some(words) = closed {
        tracing::warn!(event = "data_directory_closed", "{words}");
    }
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
async fn run(config: &Config, secrets: &Secrets, halt: Arc<ProcessHalt>, alerts: Option<Alerts>, render: Render) -> anyhow::Result<i32> {
    let started = match run::open(config, alerts.as_ref()).await {
        Ok(opened) => run::start(config, &halt, alerts.as_ref(), opened).await,
        Err(cause) => Err(cause),
    };
    match started {
        Ok(started) => run::serve(config, secrets, alerts, render, started).await,
        Err(NoStart::Refused(refusal)) => refused(&*refusal, alerts.as_ref()),
        Err(NoStart::Failed(cause)) => Err(cause),
    }
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
    /// The hours of the markets; empty where its files cannot be read.
    pub(crate) calendar: Arc<Calendar>,
    /// Why they cannot be read, if they cannot.
    pub(crate) no_calendar: Option<CalendarError>,
}

/// The broker of the first account and the stored instruments, without an engine.
pub(crate) fn alone(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Alone> {
    let masters = Arc::new(in_force(config, clock.now())?);
    // A calendar that cannot be read keeps nobody from closing positions.
    let (calendar, no_calendar) = match crate::calendar::load(&config.calendar) {
        Ok(calendar) => (Arc::new(calendar), None),
        Err(error) => (Arc::default(), Some(error)),
    };
    let Brokers { accounts, mut connections, .. } = brokers::open(config, &masters, clock, &calendar)?;
    let (account, broker) = accounts.into_iter().next().ok_or_else(|| anyhow!("there is no account"))?;
    Ok(Alone { broker, connection: connections.remove(&account.client_id), masters, refresh: refresh(config)?, calendar, no_calendar })
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
