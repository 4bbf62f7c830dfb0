//! What people type. Most commands read, and may run beside the engine; those that write, send or need the directory for
//! themselves say so.
//!
//! Exit codes: 0 done and nothing to see to, 1 something needs a person, 70 a fault, 78 wrong command or settings.

mod accept;
mod access;
mod alerts;
mod arm;
mod calendar;
mod check;
mod conformance;
mod connect;
mod engine;
mod instruments;
mod journal;
mod judge;
mod login;
mod price;
mod print;
mod prove;
mod readiness;
mod replay;
mod sign_in;
mod simulate_broker;
mod squareoff;
mod status;
mod trace;
mod verify_orders;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ordergate_actors::supervision::{EXIT_FAULT, EXIT_REFUSED};

use crate::access::AccessError;
use crate::calendar::CalendarError;
use crate::config::{Config, ConfigError};
use crate::secrets::SecretsError;
use crate::simulator::noren_server::StartError;
use crate::store::{BackupError, OpenError, ReadStore};
use crate::telemetry::TelemetryError;
use print::Page;

/// Done, and nothing to see to.
pub const EXIT_OK: i32 = 0;
/// Something needs a person.
pub const EXIT_ATTENTION: i32 = 1;

/// Stands between trading signals and a broker: every order is written down, checked, sent exactly once, and followed
/// until the broker's own books say how it ended.
#[derive(Debug, Parser)]
#[command(
    name = "ordergate",
    version,
    after_help = "Every setting can be said in the environment as ORDERGATE__SECTION__KEY; `ordergate config check` shows what is in force.\n\
                  Exit codes: 0 done, 1 something needs a person, 70 a fault, 78 wrong command or settings."
)]
struct Cli {
    /// A file with the settings that differ from the defaults (or ORDERGATE_CONFIG)
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the engine (the default)
    Serve,
    /// One screen: is it up, what waits for a person, the newest orders
    Status,
    /// Check the orders on disk; with --order, everything about one
    VerifyOrders {
        /// A command, basket or signal id, a broker's order number, or a broker tag
        #[arg(long, value_name = "ID")]
        order: Option<String>,
    },
    /// The journal: every event, hash-chained
    #[command(subcommand)]
    Journal(journal::Command),
    /// Let entries of a live account out, for a time
    Arm(arm::Arm),
    /// Stop entries of a live account; exits go on
    Disarm(arm::Disarm),
    /// GO or NO GO: whether the accounts are ready to trade
    Readiness {
        /// One account only
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
    },
    /// Log an account in at its broker
    Login {
        /// The account; may be left out if there is one
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
    },
    /// End an account's session at its broker; nothing logs in again until you do
    Logout {
        /// The account; may be left out if there is one
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
    },
    /// Print a link that logs in to the dashboard, once
    Link,
    /// Set the password of the dashboard; every session of the owner ends
    Password(access::Password),
    /// What left at a price that nobody told; with --row, tell its price
    Price(price::Price),
    /// Try what a broker adapter must do on one account, while no engine runs
    Conformance(conformance::Conformance),
    /// From a chart's alert to an order: routes, what to copy where, samples and tests
    Connect(connect::Connect),
    /// What goes to the phone
    #[command(subcommand)]
    Alerts(AlertsCommand),
    /// What can be traded
    Instruments(instruments::Args),
    /// When what trades: the sessions of a day
    Calendar(calendar::Args),
    /// The settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Copy the database into one new file, while the engine runs
    Backup {
        /// The file; must not exist
        path: PathBuf,
    },
    /// Close what the broker shows open, while no engine runs; shows what it would do unless --yes is given
    Squareoff(squareoff::Arguments),
    /// Run a simulated broker on this machine that speaks the Noren protocol; no money moves
    SimulateBroker(simulate_broker::Arguments),
    /// Take a day's decisions once more from the journal, compare them byte for byte, and hold its gates against the settings in force
    Replay(replay::Arguments),
    /// Kill this very binary at every step of an order's line, start it again, and count what was lost or doubled
    Prove(prove::Arguments),
}

#[derive(Debug, Subcommand)]
enum AlertsCommand {
    /// Send one alert to every channel, and write down whether it arrived
    Test,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Every value in force and where it was said; the paths of database, logs and risk state; whether this program can use the database
    Check,
}

/// Runs the command line; answers the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let is_asked_for = !error.use_stderr();
            let _ = error.print();
            return exit(if is_asked_for { EXIT_OK } else { EXIT_REFUSED });
        }
    };
    match dispatch(cli) {
        Ok(code) => exit(code),
        Err(error) if is_closed_pipe(&error) => exit(EXIT_OK),
        Err(error) => {
            eprintln!("ordergate: {error:#}");
            exit(code_of(&error))
        }
    }
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// What cannot become better by starting again is a refusal; the rest is a fault, a disk that failed among it.
fn code_of(error: &anyhow::Error) -> i32 {
    let is_of_the_disk = error.downcast_ref::<OpenError>().is_some_and(OpenError::may_heal)
        || error.downcast_ref::<BackupError>().is_some_and(BackupError::may_heal)
        || error.downcast_ref::<SecretsError>().is_some_and(SecretsError::may_heal)
        || error.downcast_ref::<TelemetryError>().is_some_and(TelemetryError::may_heal);
    if is_of_the_disk {
        return EXIT_FAULT;
    }
    let refuses = error.is::<ConfigError>()
        || error.is::<SecretsError>()
        || error.is::<OpenError>()
        || error.is::<BackupError>()
        || error.is::<TelemetryError>()
        || error.is::<StartError>()
        || error.is::<CalendarError>()
        || error.is::<AccessError>();
    if refuses { EXIT_REFUSED } else { EXIT_FAULT }
}

/// `ordergate ... | head` is no fault.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

fn dispatch(cli: Cli) -> anyhow::Result<i32> {
    let config = Config::load(cli.config.as_deref(), Config::process_env())?;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => actix_web::rt::System::new().block_on(crate::app::serve(config)),
        Command::Status => status::run(&config),
        Command::VerifyOrders { order } => verify_orders::run(&config, order.as_deref()),
        Command::Journal(command) => journal::run(&config, &command),
        Command::Arm(wish) => arm::arm(&config, &wish),
        Command::Disarm(wish) => arm::disarm(&config, &wish),
        Command::Readiness { account } => readiness::run(&config, account.as_deref()),
        Command::Login { account } => login::run(&config, account.as_deref()),
        Command::Logout { account } => login::out(&config, account.as_deref()),
        Command::Price(wish) => price::run(&config, &wish),
        Command::Link => access::link(&config),
        Command::Password(wish) => access::password(&config, &wish),
        Command::Conformance(args) => conformance::run(&config, &args),
        Command::Connect(wish) => connect::run(&config, &wish),
        Command::Alerts(AlertsCommand::Test) => alerts::test(&config),
        Command::Instruments(args) => instruments::run(&config, &args),
        Command::Squareoff(arguments) => squareoff::run(&config, &arguments),
        Command::SimulateBroker(arguments) => simulate_broker::run(arguments),
        Command::Replay(arguments) => replay::run(&config, &arguments),
        Command::Prove(arguments) => prove::run(&arguments),
        Command::Calendar(args) => calendar::run(&config, &args),
        Command::Config(ConfigCommand::Check) => check::run(&config),
        Command::Backup { path } => {
            ReadStore::open(&config.storage.directory)?.backup(&path, config.storage.min_free_bytes)?;
            Page::new().line(format!("copied to {}", path.display())).show()?;
            Ok(EXIT_OK)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_refusal_is_told_from_a_fault() {
        let refusal = anyhow::Error::from(ConfigError { violations: Vec::new() });
        assert_eq!(code_of(&refusal), EXIT_REFUSED);
        assert_eq!(code_of(&refusal.context("while starting")), EXIT_REFUSED);
        assert_eq!(code_of(&anyhow::anyhow!("a fault")), EXIT_FAULT);
        // What a disk refuses may go the next time; what nobody may use stays so until somebody has corrected it.
        let unusable = |kind: std::io::ErrorKind| {
            let cause = std::io::Error::from(kind);
            anyhow::Error::from(OpenError::Directory { path: PathBuf::from("data"), cause })
        };
        assert_eq!(code_of(&unusable(std::io::ErrorKind::StorageFull)), EXIT_FAULT);
        assert_eq!(code_of(&unusable(std::io::ErrorKind::ReadOnlyFilesystem).context("while starting")), EXIT_FAULT);
        assert_eq!(code_of(&unusable(std::io::ErrorKind::PermissionDenied)), EXIT_REFUSED);
        // A backup onto what is there, or to where nothing can be: a wrong command. A disk that is full is a fault.
        let path = || PathBuf::from("orders.db");
        let unwritable = |kind: std::io::ErrorKind| BackupError::Unwritable { path: path(), cause: kind.into() };
        assert_eq!(code_of(&BackupError::Exists { path: path() }.into()), EXIT_REFUSED);
        assert_eq!(code_of(&unwritable(std::io::ErrorKind::NotFound).into()), EXIT_REFUSED);
        assert_eq!(code_of(&unwritable(std::io::ErrorKind::StorageFull).into()), EXIT_FAULT);
        assert!(is_closed_pipe(&std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()));
    }
}
