//! Logs and metrics: what the engine leaves behind for people.
//!
//! Nothing here may hold up the line: log lines go over a bounded queue to a writer of their own, and are dropped and
//! counted when it is full.

use std::io;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use metrics::{Unit, describe_counter, describe_histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{Log, LogFormat};

/// Lines of the log that may wait for their writer; its queue is in memory from the start.
const LINES_WAITING: usize = 8_192;
/// How often the recorder tidies up its histograms.
const UPKEEP: Duration = Duration::from_secs(5);

/// Why there are no logs or metrics: the engine must not start blind.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The directory of the logs cannot be used.
    #[error("cannot write logs to {directory}: {cause}")]
    Directory {
        /// The directory.
        directory: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The log file cannot be opened.
    #[error("cannot open the log file: {0}")]
    File(#[from] tracing_appender::rolling::InitError),
    /// There is one already in this process.
    #[error("telemetry was started before: {0}")]
    Twice(String),
    /// A setting of the metrics is wrong, or there is no thread for them.
    #[error("metrics: {0}")]
    Metrics(String),
}

impl TelemetryError {
    /// Whether starting again may help: the disk failed, was full or read-only.
    #[must_use]
    pub fn may_heal(&self) -> bool {
        match self {
            Self::Directory { cause, .. } => crate::files::may_heal(cause),
            Self::File(cause) => {
                std::error::Error::source(cause).and_then(|cause| cause.downcast_ref::<io::Error>()).is_some_and(crate::files::may_heal)
            }
            _ => false,
        }
    }
}

/// Keeps the logs running; its drop writes what is queued. Must live as long as anything logs.
#[derive(Debug)]
pub struct Telemetry {
    /// Renders the metrics for `GET /metrics`.
    pub metrics: PrometheusHandle,
    /// Drop them last: dropping writes what is queued.
    pub guards: Guards,
}

/// The writers of the log, and the upkeep of the metrics.
#[derive(Debug)]
pub struct Guards {
    _file: WorkerGuard,
    _console: WorkerGuard,
    _upkeep: Sender<()>,
}

/// Starts logs (to the console and to daily files), the panic hook and the metrics; once per process.
///
/// # Errors
/// [`TelemetryError`]: do not start.
pub fn start(log: &Log) -> Result<Telemetry, TelemetryError> {
    crate::files::private_directory(&log.directory)
        .map_err(|cause| TelemetryError::Directory { directory: log.directory.display().to_string(), cause })?;
    let daily = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("ordergate")
        .filename_suffix("log")
        .max_log_files(log.keep_files)
        .build(&log.directory)?;
    let waiting = || NonBlockingBuilder::default().buffered_lines_limit(LINES_WAITING);
    let (file, file_guard) = waiting().thread_name("log-file").finish(daily);
    let (console, console_guard) = waiting().thread_name("log-console").finish(io::stderr());
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    Registry::default()
        .with(filter)
        .with(layer(log.format, console))
        .with(layer(log.format, file))
        .try_init()
        .map_err(|cause| TelemetryError::Twice(cause.to_string()))?;
    log_panics();
    let (metrics, upkeep) = start_metrics()?;
    Ok(Telemetry { metrics, guards: Guards { _file: file_guard, _console: console_guard, _upkeep: upkeep } })
}

fn layer<S>(format: LogFormat, to: NonBlocking) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let layer = fmt::layer().with_writer(to).with_ansi(false);
    match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

/// Says every panic in the log, with its thread and place.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let words = ordergate_actors::supervision::panic_words(panic.payload());
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(
            event = "panic",
            thread = thread.name().unwrap_or("unnamed"),
            actor = ordergate_actors::supervision::current_actor(),
            place,
            "panic: {words}"
        );
    }));
}

fn start_metrics() -> Result<(PrometheusHandle, Sender<()>), TelemetryError> {
    let wrong = |cause: &dyn std::fmt::Display| TelemetryError::Metrics(cause.to_string());
    let metrics = PrometheusBuilder::new()
        .set_buckets(&[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
        .and_then(|builder| {
            let units = metrics_exporter_prometheus::Matcher::Suffix("_units".to_owned());
            builder.set_buckets_for_metric(units, &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0])
        })
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|cause| wrong(&cause))?;
    describe();
    let (stop, stopped) = bounded(0);
    let handle = metrics.clone();
    std::thread::Builder::new()
        .name("metrics-upkeep".to_owned())
        .spawn(move || upkeep(&handle, &stopped))
        .map_err(|cause| wrong(&cause))?;
    Ok((metrics, stop))
}

fn upkeep(metrics: &PrometheusHandle, stopped: &Receiver<()>) {
    while stopped.recv_timeout(UPKEEP) == Err(RecvTimeoutError::Timeout) {
        metrics.run_upkeep();
    }
}

/// What each metric means, for whoever reads `/metrics`.
fn describe() {
    describe_histogram!("ordergate_commit_units", Unit::Count, "Facts written by one commit");
    let counters = [
        ("ordergate_actor_restarts_total", "Restarts of actors after a fault"),
        ("ordergate_alarms_total", "Alarms raised, by name"),
        ("ordergate_alerts_dropped_total", "Alerts that are in no journal and found a channel's queue full"),
        ("ordergate_alerts_failed_total", "Tries of a channel that did not get through"),
        ("ordergate_alerts_given_up_total", "Messages that a channel's other side did not want"),
        ("ordergate_alerts_sent_total", "Messages that arrived, by channel"),
        ("ordergate_heartbeats_total", "Signs of life that went out, by what they said"),
        ("ordergate_intent_log_late_total", "Rows that came too fast for intent_tracking.log and are read from the journal later"),
        ("ordergate_intent_log_lost_total", "Rows that intent_tracking.log lacks until it is rebuilt: its writer has ended"),
        ("ordergate_mailbox_full_total", "Messages that found an actor's mailbox full"),
        ("ordergate_orphans_total", "Orders whose ticket was lost and that were picked up again"),
        ("ordergate_overloaded_total", "Signals refused because all permits were out"),
        ("ordergate_reads_unknown_total", "Reads of the broker's books that proved nothing"),
        ("ordergate_signals_replayed_total", "Signals that had been here before"),
        ("ordergate_telegram_commands_total", "Commands that the bot answered, by name"),
        ("ordergate_telegram_failed_total", "Requests for the bot's messages that failed"),
        ("ordergate_telegram_ignored_total", "Messages to the bot that were not answered, by why"),
        ("ordergate_writer_queue_full_total", "Facts that found the writer's queue full"),
    ];
    for (name, words) in counters {
        describe_counter!(name, Unit::Count, words);
    }
}
