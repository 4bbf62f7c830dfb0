//! A whole engine with one Noren account, and the simulated broker that it trades at.
//!
//! The engine lives on a thread of its own and is steered from outside, so that it can be ended as a kill ends it: its
//! calls, its sockets and its actors are gone at once, and nothing is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ordergate::brokers::connection::Connection as _;
use ordergate::brokers::noren::{NorenBroker, NorenSettings};
use ordergate::simulator::noren_server::{FaultRule, PriceSetting, Prices, Settings as SimSettings, Simulator, TimeSettings};
use ordergate_actors::order::{CommandId, LegDraft, OrderRecord, SignalDraft, SignalId, Source};
use ordergate_actors::persistence::Alarm;
use ordergate_actors::ports::{Broker as _, Clock as _, Query, Rows, Session};
use ordergate_actors::testkit::{NotedHalt, TokioClock, found_by_thread, morning, until_found};
use ordergate_actors::{AccountSettings, Engine, Phase};
use rust_decimal::Decimal;
use tempfile::TempDir;

use crate::parts::{account_settings, engine, noren_settings};
pub(crate) use crate::parts::{client, entry, exit, leg, resting_entry, resting_exit};

/// How long anything may take; it takes milliseconds.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// The account.
pub(crate) const CLIENT: &str = "NOREN1";
/// What is traded unless a test says otherwise.
pub(crate) const SBIN: &str = "SBIN-EQ";

/// So many simulated seconds at a fiftieth.
pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_millis(seconds * 20)
}

/// The same in the simulator's milliseconds.
pub(crate) fn sim_ms(seconds: u32) -> u32 {
    seconds * 20
}

/// How long an order call may take before it is given up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub answer: Duration,
    pub slot: Duration,
    pub call: Duration,
}

impl Patience {
    /// However busy the machine is, no order call is given up: for stories in which no answer is late.
    pub(crate) const LONG: Self = Self { answer: LONG, slot: LONG, call: LONG };
    /// At a fiftieth, as everything else. On a busy machine a call is given up before it is made, too: whoever is in such a hurry repeats
    /// what was not sent.
    pub(crate) const SHORT: Self = Self { answer: secs(8), slot: secs(2), call: secs(10) };
    /// An answer that never comes is given up, and not one that a busy machine holds up for some seconds.
    pub(crate) const SOME: Self = Self { answer: secs(300), slot: secs(350), call: secs(350) };
}

/// What differs from test to test.
pub(crate) struct Plan {
    pub patience: Patience,
    pub sim: Box<dyn Fn(&mut SimSettings) + Send>,
    pub noren: Arc<dyn Fn(&mut NorenSettings) + Send + Sync>,
    pub account: Arc<dyn Fn(&mut AccountSettings) + Send + Sync>,
    /// What the engine's master says that a point of a gram of gold is worth; the broker says a tenth of a rupee.
    pub gold_point: Decimal,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            patience: Patience::LONG,
            sim: Box::new(|_| {}),
            noren: Arc::new(|_| {}),
            account: Arc::new(|_| {}),
            gold_point: Decimal::new(1, 1),
        }
    }
}

impl Plan {
    /// One in which calls are given up.
    pub(crate) fn of(patience: Patience) -> Self {
        Self { patience, ..Self::default() }
    }
}

/// The engine's thread.
struct Process {
    engine: Engine,
    broker: Arc<NorenBroker>,
    halt: Arc<NotedHalt>,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Process {
    /// Ends the thread with everything on it. The files stay as they are.
    fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// The engine and its broker.
pub(crate) struct House {
    process: Option<Process>,
    sim: Option<Simulator>,
    pub clock: Arc<TokioClock>,
    pub directory: TempDir,
    plan: Plan,
    sim_settings: SimSettings,
    lives: u64,
    signals: AtomicU64,
}

impl House {
    /// The standard house, open for entries.
    pub(crate) async fn open() -> Self {
        Self::with(Plan::default()).await
    }

    /// One in which an order call is given up as soon as everything else.
    pub(crate) async fn in_a_hurry() -> Self {
        Self::with(Plan::of(Patience::SHORT)).await
    }

    /// A house by plan.
    pub(crate) async fn with(plan: Plan) -> Self {
        let clock = TokioClock::from(morning());
        let mut sim_settings = SimSettings {
            per_second: 0,
            per_minute: 0,
            prices: Prices::Scripted,
            time: TimeSettings { start: Some(clock.now()), speed: 1_000 },
            ..SimSettings::default()
        };
        (plan.sim)(&mut sim_settings);
        let sim = Simulator::start(sim_settings.clone()).unwrap();
        // The place stays the same over a restart.
        sim_settings.listen = sim.address;
        let directory = tempfile::tempdir().unwrap();
        let mut house = Self { process: None, sim: Some(sim), clock, directory, plan, sim_settings, lives: 0, signals: AtomicU64::new(1) };
        house.prices();
        house.start();
        house.until_open().await;
        house
    }

    /// Starts the engine on the directory.
    pub(crate) fn start(&mut self) {
        self.lives += 1;
        let (ready, started) = std::sync::mpsc::channel();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let patience = self.plan.patience;
        let mut noren = noren_settings(self.sim(), self.directory.path());
        noren.timeouts.order = patience.answer;
        (self.plan.noren)(&mut noren);
        let mut account = account_settings();
        (account.waits.slot_deadline, account.waits.call_deadline) = (patience.slot, patience.call);
        (self.plan.account)(&mut account);
        let (directory, clock, seed) = (self.directory.path().to_owned(), Arc::clone(&self.clock), self.lives);
        let gold_point = self.plan.gold_point;
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let halt = Arc::new(NotedHalt::default());
                let (engine, broker) = engine(&directory, gold_point, noren, account, clock, Arc::clone(&halt), seed);
                ready.send((engine, broker, halt)).unwrap();
                let _gone = ended.await;
            });
        });
        let (engine, broker, halt) = started.recv().expect("the engine starts");
        self.process = Some(Process { engine, broker, halt, end: Some(end), thread: Some(thread) });
    }

    /// Ends the engine as a kill does: no stop, no drain.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Stops the simulator; what it keeps is its state file.
    pub(crate) fn kill_simulator(&mut self) {
        self.sim.take().expect("it runs").stop();
    }

    /// Starts it again at its place.
    pub(crate) fn start_simulator(&mut self) {
        let settings = SimSettings { time: TimeSettings { start: Some(self.clock.now()), speed: 1_000 }, ..self.sim_settings.clone() };
        self.sim = Some(found_by_thread("the simulator starts at its place", || Simulator::start(settings.clone())));
        self.prices();
    }

    fn prices(&self) {
        self.price(SBIN, "850.00", "850.10");
        self.price("INFY-EQ", "1500.00", "1500.10");
        self.price("M&M-EQ", "3340.00", "3340.10");
    }

    /// The broker.
    pub(crate) fn sim(&self) -> &Simulator {
        self.sim.as_ref().expect("the simulator runs")
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.process.as_ref().expect("the engine runs").engine
    }

    /// The adapter.
    pub(crate) fn broker(&self) -> &Arc<NorenBroker> {
        &self.process.as_ref().expect("the engine runs").broker
    }

    /// No fault is left; and a person logs in again, if the engine has given that up.
    pub(crate) async fn heal(&self) {
        self.sim().clear_faults();
        let broker = Arc::clone(self.broker());
        let ask = async || match broker.session().await {
            Session::Ready => Ok(()),
            Session::NotReady(why) | Session::Resting(why) => {
                if why.contains("log in again") || why.contains("Invalid OTP") {
                    drop(broker.login().await);
                }
                Err(format!("{why}\n{}", self.told()))
            }
        };
        until_found("the session comes back", ask).await;
    }

    /// A calendar minute passes at once, here and at the broker.
    pub(crate) fn a_minute_passes(&self) {
        let minute = chrono::Duration::seconds(61);
        self.clock.jump(minute);
        self.sim().advance_time(minute);
    }

    /// The cause for which the process should have ended, if any.
    pub(crate) fn halted(&self) -> Option<(i32, String)> {
        self.process.as_ref().and_then(|process| process.halt.halted())
    }

    /// Puts the touch of an NSE symbol; resting orders fill that it reaches.
    pub(crate) fn price(&self, symbol: &str, bid: &str, ask: &str) {
        let (bid, ask) = (Some(bid.parse().unwrap()), Some(ask.parse().unwrap()));
        self.sim()
            .set_price(&PriceSetting { exch: "NSE".to_owned(), tsym: symbol.to_owned(), bid, ask, ..PriceSetting::default() })
            .unwrap();
    }

    /// A fault to come.
    pub(crate) fn fault(&self, rule: FaultRule) {
        self.sim().add_fault(rule);
    }

    /// Waits until the account takes entries.
    pub(crate) async fn until_open(&self) {
        self.until("the account is open", || self.is_open()).await;
    }

    /// Whether it does.
    pub(crate) fn is_open(&self) -> bool {
        self.engine().line().desks().all(|desk| desk.phase() == Phase::Open)
    }

    /// Polls until it is so.
    #[track_caller]
    pub(crate) fn until<'a>(&'a self, what: &'a str, mut is_so: impl FnMut() -> bool + 'a) -> impl Future<Output = ()> + 'a {
        let from = std::panic::Location::caller();
        async move {
            let deadline = tokio::time::Instant::now() + LONG;
            while !is_so() {
                assert!(tokio::time::Instant::now() < deadline, "not within {LONG:?}: {what} ({from})\n{}", self.told());
                pass(Duration::from_millis(5)).await;
            }
        }
    }

    /// Waits until an order is like that; the order.
    #[track_caller]
    pub(crate) fn until_order<'a>(
        &'a self,
        what: &'a str,
        command: CommandId,
        is_so: impl Fn(&OrderRecord) -> bool + 'a,
    ) -> impl Future<Output = Arc<OrderRecord>> + 'a {
        let waiting = self.until(what, move || is_so(&self.order(command)));
        async move {
            waiting.await;
            self.order(command)
        }
    }

    /// Waits until an alarm of that name is open.
    #[track_caller]
    pub(crate) fn until_alarm<'a>(&'a self, event: &'a str) -> impl Future<Output = ()> + 'a {
        self.until(event, move || self.has_alarm(event))
    }

    /// Whether an alarm of that name is open.
    pub(crate) fn has_alarm(&self, event: &str) -> bool {
        self.alarms().iter().any(|alarm| &*alarm.event == event)
    }

    /// The open alarms.
    pub(crate) fn alarms(&self) -> Vec<Alarm> {
        self.engine().read(&client(), |book| book.alarms().cloned().collect()).unwrap()
    }

    /// Every order, earliest first.
    pub(crate) fn orders(&self) -> Vec<Arc<OrderRecord>> {
        let mut orders: Vec<_> = self.engine().read(&client(), |book| book.newest().cloned().collect()).unwrap();
        orders.reverse();
        orders
    }

    /// An order.
    pub(crate) fn order(&self, command: CommandId) -> Arc<OrderRecord> {
        self.engine().read(&client(), |book| book.order(command).cloned()).flatten().expect("a known order")
    }

    /// How often the broker gave an order of ours a number.
    pub(crate) fn accepted(&self, command: CommandId) -> u64 {
        self.sim().accepted(self.order(command).broker_tag.as_str())
    }

    /// What the strategies hold of a symbol.
    pub(crate) fn held(&self, symbol: &str) -> i64 {
        self.engine()
            .read(&client(), |book| {
                book.holdings().filter(|(_, key, _)| &*key.instrument.symbol == symbol).map(|(_, _, held)| held.net).sum()
            })
            .unwrap()
    }

    /// The events of an order's journal, with the status after each.
    pub(crate) async fn journal(&self, command: CommandId) -> Vec<ordergate_actors::ports::JournalRow> {
        match self.engine().query(Query::OrderJournal(client(), command, 0)).await.unwrap() {
            Rows::Journal(rows) => rows,
            other => panic!("{other:?}"),
        }
    }

    /// Hands an order in without waiting; it is on disk when this returns.
    pub(crate) async fn submit(&self, leg: LegDraft) -> CommandId {
        self.submit_all(vec![leg]).await[0]
    }

    /// Hands a signal in; its orders when they are decided.
    pub(crate) async fn submit_all(&self, legs: Vec<LegDraft>) -> Vec<CommandId> {
        let answer = self.engine().submit(self.draft(legs));
        tokio::time::timeout(LONG, answer).await.expect("an answer in time").unwrap().orders
    }

    /// Hands an order in that shall wait in the line; its row is there when this returns.
    pub(crate) async fn submit_soon(&self, leg: LegDraft) -> CommandId {
        let before = self.orders().len();
        drop(self.engine().submit_now(self.draft(vec![leg])).unwrap());
        self.until("the order is registered", || self.orders().len() > before).await;
        self.orders().last().unwrap().command_id
    }

    fn draft(&self, legs: Vec<LegDraft>) -> SignalDraft {
        let number = self.signals.fetch_add(1, Ordering::SeqCst);
        SignalDraft {
            client_id: client(),
            signal_id: SignalId(uuid::Uuid::from_u64_pair(99, number)),
            source: Source::Webhook,
            user: "tests".to_owned(),
            idempotency_key: None,
            body_hash: [0; 32],
            replay_window_ms: 0,
            received_at: self.clock.now(),
            signal_time: None,
            legs,
        }
    }

    /// The journal of every order, for a failure.
    pub(crate) async fn journals(&self) -> String {
        let mut text = String::new();
        for order in self.orders() {
            for row in self.journal(order.command_id).await {
                let inputs: String = row.inputs.chars().take(200).collect();
                let line =
                    format!("journal {} {} {} {:?} {:?} {inputs}\n", row.seq, row.at.format("%T%.3f"), row.event, row.to, row.reason);
                text.push_str(&line);
            }
        }
        text
    }

    /// Everything, for a failure.
    pub(crate) fn told(&self) -> String {
        let mut text = String::new();
        let mut say = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        if self.process.is_some() {
            for order in self.orders() {
                say(format!(
                    "ours {} {:?} {} {:?} number {:?} filled {} traded {} reason {:?}",
                    order.broker_tag.as_str(),
                    order.ask.side,
                    order.status,
                    order.tag,
                    order.broker_order_id,
                    order.filled_quantity,
                    order.traded_quantity,
                    order.reason
                ));
            }
            for alarm in self.alarms() {
                say(format!("alarm {} ({}): {}", alarm.event, alarm.count, alarm.text));
            }
            for desk in self.engine().line().desks() {
                say(format!("desk {:?} {:?} trouble {:?}", desk.phase(), desk.findings.read().session, desk.findings.read().trouble));
            }
        }
        if let Some(sim) = &self.sim {
            for row in sim.orders() {
                say(format!("theirs {row}"));
            }
            for row in sim.log().iter().rev().take(12).rev() {
                say(format!("call {} {} {:?} {} {}", row.at.format("%T%.3f"), row.route, row.tag, row.done, row.status));
            }
        }
        text
    }
}

/// Lets real time pass between two looks.
pub(crate) async fn pass(span: Duration) {
    tokio::time::sleep(span).await;
}
