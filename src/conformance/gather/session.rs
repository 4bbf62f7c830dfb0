//! The session, its token, a second start, a second login, and the stream.

use std::time::Duration;

use ordergate_actors::order::Instrument;
use ordergate_actors::ports::{Broker as _, Quotes as _, Session};
use tokio::time::Instant;

use crate::brokers::connection::{Connection as _, ConnectionReport};
use crate::brokers::noren::{AuthFlow, Io, NorenBroker, NorenSettings};
use crate::conformance::Plan;
use crate::conformance::bench::Bench;
use crate::conformance::facts::{Found, Reuse, SecondLogin, Streaming, Tried};
use crate::files::private_directory;

const LOOK: Duration = Duration::from_millis(50);
/// How long a socket may take to come up, or to be ended by another.
const SOCKET: Duration = Duration::from_secs(10);
/// How long an answer to a subscription or a heartbeat may take beyond the heartbeat itself.
const ANSWER: Duration = Duration::from_secs(3);
/// A broker may take a one-time code only once: with real money the next login waits for the next code.
const NEXT_CODE: Duration = Duration::from_secs(31);

/// Waits until it is so, or for that long.
async fn until(within: Duration, is_so: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + within;
    while !is_so() {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

/// Logs in if no kept token works, and proves it by a read.
pub(super) async fn proven(bench: &Bench) -> Found<String> {
    bench.pace.turn(None).await;
    bench.broker.login().await.map_err(|error| error.to_string())
}

/// How the connection stands, by the adapter's own report.
pub(super) async fn report(bench: &Bench) -> ConnectionReport {
    // It makes two reads.
    bench.pace.turn(None).await;
    bench.pace.turn(None).await;
    bench.broker.report().await
}

/// A second start on the same directory, on a runtime of its own so that nothing of it stays.
pub(super) async fn reuse(bench: &Bench) -> Tried<Reuse> {
    let has_stream = until(SOCKET, || bench.probe.stream().age.is_some()).await;
    let io = Io::start().map_err(|error| format!("needs another thread: {error}"))?;
    let second = started(bench, bench.probe.settings().clone(), &io)?;
    bench.pace.turn(None).await;
    let same_token = match second.session().await {
        Session::Ready => Ok(bench.probe.has_same_token(&second.probe())),
        Session::NotReady(words) | Session::Resting(words) => Err(words),
    };
    let evicted_stream = if has_stream && same_token == Ok(true) {
        let is_up = until(SOCKET, || second.probe().stream().age.is_some()).await;
        let went = until(ANSWER, || bench.probe.stream().age.is_none()).await;
        is_up.then_some(went)
    } else {
        None
    };
    drop((second, io));
    // The first one's stream comes back before anything hangs on it.
    until(SOCKET, || bench.probe.stream().age.is_some()).await;
    Ok(Reuse { same_token, evicted_stream })
}

fn started(bench: &Bench, settings: NorenSettings, io: &Io) -> Result<NorenBroker, String> {
    NorenBroker::start(settings, bench.instruments.clone(), bench.clock.clone(), io.clone()).map_err(|error| error.to_string())
}

/// What the stream did so far, and a quote over it.
pub(super) async fn stream(bench: &Bench, instrument: &Instrument) -> Streaming {
    let board = bench.broker.board();
    let is_up = until(SOCKET, || bench.probe.stream().age.is_some()).await;
    if !is_up {
        return Streaming { is_up, acknowledges_orders: false, answers_heartbeats: false, tick: None };
    }
    // Nothing else of this run puts quotes on the board: one that is there came over the stream.
    let tick = || board.quote(&instrument.key).map(|quote| quote.last);
    until(ANSWER, || tick().is_some()).await;
    let beat = bench.probe.settings().stream.heartbeat.saturating_add(ANSWER);
    until(ANSWER, || bench.probe.stream().acknowledges_orders).await;
    until(beat, || bench.probe.stream().answers_heartbeats).await;
    let seen = bench.probe.stream();
    Streaming { is_up, acknowledges_orders: seen.acknowledges_orders, answers_heartbeats: seen.answers_heartbeats, tick: tick() }
}

/// A login that knows nothing of the first, and what it does to that.
pub(super) async fn second_login(plan: &Plan, bench: &Bench) -> Tried<SecondLogin> {
    plan.second_login.clone()?;
    let settings = bench.probe.settings();
    if settings.auth != AuthFlow::QuickAuth {
        return Err("needs a second sign-in by a person: this account logs in at the broker's page".to_owned());
    }
    let directory = plan.data.join("conformance").join("second-login");
    private_directory(&directory).map_err(|error| format!("needs {}: {error}", directory.display()))?;
    let takes_once = settings.is_live || settings.codes_once;
    if takes_once {
        tokio::time::sleep(NEXT_CODE).await;
    }
    bench.forget_updates().await;
    // The first one comes back by itself at once, and two that log each other out tell nothing of the broker.
    let first_waits = bench.probe.hold_logins().map_err(|words| format!("needs a session: {words}"))?;
    let io = Io::start().map_err(|error| format!("needs another thread: {error}"))?;
    let second = started(bench, NorenSettings { directory: directory.clone(), ..settings.clone() }, &io)?;
    bench.pace.turn(None).await;
    let login = second.login().await.map(|_| ()).map_err(|error| error.to_string());
    drop((second, io));
    let _ = std::fs::remove_dir_all(&directory);
    if takes_once {
        tokio::time::sleep(NEXT_CODE).await;
    }
    let first_token = bench.object(bench.probe.encoder(None).user_details()).await.map(|_| ());
    drop(first_waits);
    let came_back = proven(bench).await.is_ok();
    if first_token.is_err() && came_back {
        // Orders are followed over the new session's stream.
        let _late = bench.stream_is_back(SOCKET).await;
    }
    Ok(SecondLogin { login, first_token, came_back })
}
