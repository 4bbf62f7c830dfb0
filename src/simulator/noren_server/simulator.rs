//! A running simulator: started in the own process, steered without HTTP.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::ports::Clock as _;
use serde_json::Value;

use super::core::{BadControl, FaultRule, ForeignOrder, HandChange, LogRow, PriceSetting};
use super::settings::Settings;
use super::shared::Shared;
use super::{SimClock, http};
use crate::instruments::BadSample;

/// A connection on which nothing is asked is closed after this, as gateways do it: later than the engine lets go of it (`idle_ms`), or
/// an order could be put on one that is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Why a simulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Everybody on the network could trade in it and read its log.
    #[error("{0} is not on this machine's loopback: listen on 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// The address is taken or not there.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// The state file does not read.
    #[error("{}: {cause}; move the file away to begin with empty books", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The sample of instruments does not read.
    #[error(transparent)]
    Sample(#[from] BadSample),
    /// The thread did not start.
    #[error("the simulator's thread: {0}")]
    Thread(std::io::Error),
}

/// A simulated broker that runs until it is stopped or dropped. It has its own thread and its own runtime, so that it works
/// from a plain thread and from inside any runtime.
#[derive(Debug)]
pub struct Simulator {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    server: Option<ServerHandle>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts it. It answers when this returns.
    ///
    /// # Errors
    /// [`StartError`] says what is wrong.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let address = settings.listen;
        if !address.ip().is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
        let listen = |cause| StartError::Listen { address, cause };
        let listener = TcpListener::bind(address).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let shared = Arc::new(Shared::new(settings)?);
        let (ready, started) = std::sync::mpsc::channel();
        let inside = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("noren-simulator".to_owned())
            .spawn(move || {
                actix_web::rt::System::new().block_on(async move {
                    let data = web::Data::from(Arc::clone(&inside));
                    let server = HttpServer::new(move || App::new().app_data(data.clone()).configure(http::configure))
                        .workers(1)
                        .keep_alive(KEEP_ALIVE)
                        .client_request_timeout(KEEP_ALIVE)
                        .shutdown_timeout(1)
                        .disable_signals()
                        .listen(listener);
                    match server {
                        Ok(server) => {
                            let running = server.run();
                            let ticker = actix_web::rt::spawn(async move { inside.tick().await });
                            let _ = ready.send(Ok(running.handle()));
                            let _ended = running.await;
                            ticker.abort();
                        }
                        Err(cause) => {
                            let _ = ready.send(Err(cause));
                        }
                    }
                });
            })
            .map_err(StartError::Thread)?;
        let server = started.recv().map_err(|_| StartError::Thread(std::io::ErrorKind::BrokenPipe.into()))?.map_err(listen)?;
        Ok(Self { address, shared, server: Some(server), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `ws://127.0.0.1:PORT`, without a slash at its end.
    #[must_use]
    pub fn socket_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// The simulated clock.
    #[must_use]
    pub fn clock(&self) -> &SimClock {
        &self.shared.clock
    }

    /// The time there.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.shared.clock.now()
    }

    /// Orders, positions, sessions and counters, as `GET /sim/state` shows them.
    #[must_use]
    pub fn state(&self) -> Value {
        self.shared.act(|core, now| {
            core.advance(now);
            core.state(now)
        })
    }

    /// The orders in the books there, oldest first, those that nobody is shown included.
    #[must_use]
    pub fn orders(&self) -> Vec<Value> {
        self.state()["orders"].as_array().cloned().unwrap_or_default()
    }

    /// Placings with these remarks that were given a number.
    #[must_use]
    pub fn accepted(&self, tag: &str) -> u64 {
        self.shared.act(|core, _| core.accepted(tag))
    }

    /// Units held of an instrument over all products.
    #[must_use]
    pub fn net(&self, exch: &str, tsym: &str) -> i64 {
        let state = self.state();
        let rows = state["positions"].as_array().map(Vec::as_slice).unwrap_or_default();
        rows.iter().filter(|row| row["exch"] == exch && row["tsym"] == tsym).filter_map(|row| row["net"].as_i64()).sum()
    }

    /// Every call so far, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<LogRow> {
        self.shared.act(|core, _| core.log())
    }

    /// Adds a fault.
    pub fn add_fault(&self, rule: FaultRule) {
        self.shared.act(|core, _| core.add_fault(rule));
    }

    /// Forgets the faults to come.
    pub fn clear_faults(&self) {
        self.shared.act(|core, _| core.clear_faults());
    }

    /// How many calls of that route, messages (`om`), quotes (`feed`) or handshakes (`socket`) have met a fault so far.
    #[must_use]
    pub fn faults_met(&self, place: &str) -> u64 {
        self.shared.act(|core, _| core.faults_met(place))
    }

    /// Sets the book of an instrument.
    ///
    /// # Errors
    /// [`BadControl`] for an unknown instrument or a price that is none.
    pub fn set_price(&self, setting: &PriceSetting) -> Result<(), BadControl> {
        self.shared.act(|core, now| core.set_price(setting, now))
    }

    /// Moves the time on, and does what became due.
    pub fn advance_time(&self, by: TimeDelta) {
        self.shared.clock.advance(by);
        self.shared.act(super::core::Core::advance);
    }

    /// Sets the time, and does what became due.
    pub fn set_time(&self, at: DateTime<Utc>) {
        self.shared.clock.set(at);
        self.shared.act(super::core::Core::advance);
    }

    /// Places an order of somebody else in the account; its number.
    ///
    /// # Errors
    /// [`BadControl`] with the broker's text when it is no order.
    pub fn foreign_order(&self, order: &ForeignOrder) -> Result<String, BadControl> {
        self.shared.act(|core, now| core.foreign_order(order, now))
    }

    /// Somebody changes an order that works.
    ///
    /// # Errors
    /// [`BadControl`] when none of that number works, or with the broker's text when it is no order then.
    pub fn change_by_hand(&self, change: &HandChange) -> Result<(), BadControl> {
        self.shared.act(|core, now| core.change_by_hand(change, now))
    }

    /// The exchange cancels an order.
    ///
    /// # Errors
    /// [`BadControl`] when there is no such order.
    pub fn exchange_cancel(&self, number: &str, reason: &str) -> Result<(), BadControl> {
        self.shared.act(|core, now| core.exchange_cancel(number, reason, now))
    }

    /// The broker squares off every intraday position; the numbers of its orders.
    pub fn square_off(&self) -> Vec<String> {
        self.shared.act(|core, now| core.square_off(now))
    }

    /// Closes every logged-in socket with code 1000.
    pub fn kill_sockets(&self) {
        self.shared.act(|core, _| core.kill_sockets());
    }

    /// Every logged-in socket says nothing more, and stays open.
    pub fn silence_sockets(&self) {
        self.shared.act(|core, _| core.silence_sockets());
    }

    /// Every session dies.
    pub fn expire_sessions(&self) {
        self.shared.act(|core, _| core.expire_sessions());
    }

    /// Somebody logs in elsewhere: sessions and sockets of before are dead.
    pub fn second_login(&self) {
        self.shared.act(|core, _| core.log_in_elsewhere());
    }

    /// Begins anew: empty books, no sessions, the faults of the settings.
    ///
    /// # Errors
    /// When the state file cannot be emptied.
    pub fn reset(&self) -> std::io::Result<()> {
        self.shared.reset()
    }

    /// Stops it and waits for its end.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(server) = self.server.take() {
            // The order to stop is given at once; the future only waits for its end, and the thread's end is that.
            drop(server.stop(false));
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.end();
    }
}
