//! A running engine with its HTTP side, in a directory of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use chrono::NaiveDate;
use ordergate::access::{Access, AccessSettings};
use ordergate::alerts::{Alerts, Waker};
use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan, FaultyBroker};
use ordergate::brokers::paper::{PaperBroker, PaperSettings};
use ordergate::instruments::{InstrumentTable, Masters, Rolls, sample};
use ordergate::readiness::Site;
use ordergate::simulator::market::{MarketQuotes, ScriptedMarket};
use ordergate::store::SqliteStore;
use ordergate::web::live::{Hub, LiveListener, LiveSettings};
use ordergate::web::trace::trace;
use ordergate::web::{Account, ApiKey, Paths, Source, WebSettings, WebState, configure};
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::order::{ClientId, Exchange, InstrumentKey, OrderRecord, Price, Status};
use ordergate_actors::persistence::{Listener, Topic};
use ordergate_actors::ports::{Broker, Clock, Instruments, Store};
use ordergate_actors::testkit::{CountedIds, NotedHalt, TokioClock, morning, wide_limits, wide_settings};
use ordergate_actors::{AccountSettings, Engine, Limits, Parts, Phase, Waits, World, WriteOn};
use serde_json::{Value, json};

pub(crate) mod described;
pub(crate) mod held;
pub(crate) mod process;

/// The source's secret in every test.
pub(crate) const SECRET: &str = "a-secret-nobody-may-see";
/// The API key in every test.
pub(crate) const KEY: &str = "a-key-nobody-may-see";
const LONG: Duration = Duration::from_secs(60);

/// A log line that is first met on a thread without a subscriber is switched off for every thread, as long as there is
/// only one subscriber. Tests that read their own log need this second one, which keeps nothing.
pub(crate) fn listen_everywhere() {
    static SECOND: std::sync::OnceLock<tracing::Dispatch> = std::sync::OnceLock::new();
    SECOND.get_or_init(|| tracing::Dispatch::new(tracing_subscriber::registry()));
}

/// What differs from test to test.
pub(crate) struct Plan {
    pub accounts: Vec<&'static str>,
    pub permits: usize,
    pub web: Box<dyn FnOnce(&mut WebSettings)>,
    /// What a house before this one left; names are drawn anew.
    pub after: Option<tempfile::TempDir>,
    /// When what trades.
    pub calendar: Arc<Calendar>,
    pub account: Box<dyn Fn(&mut AccountSettings)>,
    pub site: Arc<Site>,
    /// Whether the broker says that real money moves.
    pub is_live: bool,
    /// When continuous futures go over to the next month.
    pub rolls: Rolls,
    /// How people log in.
    pub access: AccessSettings,
    /// How pages are told.
    pub live: LiveSettings,
    /// What follows the journal and tells of it.
    pub alerts: Option<Alerts>,
    /// How much later than the house before it this one begins.
    pub later: chrono::Duration,
    /// What goes wrong at every broker from the start on.
    pub faults: FaultPlan,
    /// What stands around the store.
    pub store: Box<dyn FnOnce(SqliteStore) -> Box<dyn Store>>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            accounts: vec!["PAPER1"],
            permits: 256,
            web: Box::new(|_| {}),
            after: None,
            calendar: Calendar::always_open(),
            account: Box::new(|_| {}),
            site: Arc::default(),
            is_live: false,
            rolls: Rolls::default(),
            access: AccessSettings::default(),
            live: LiveSettings::default(),
            alerts: None,
            later: chrono::Duration::hours(1),
            faults: FaultPlan::none(),
            store: Box::new(|store| Box::new(store)),
        }
    }
}

/// A running engine, and a client in front of it.
pub(crate) struct House {
    pub engine: Engine,
    pub state: Data<WebState>,
    pub market: Arc<ScriptedMarket>,
    pub brokers: BTreeMap<ClientId, Arc<FaultyBroker<PaperBroker>>>,
    pub address: std::net::SocketAddr,
    pub clock: Arc<TokioClock>,
    /// What was answered so far, of a house whose answers are held against the description.
    met: Option<parking_lot::Mutex<described::Met>>,
    http: reqwest::Client,
    server: actix_web::dev::ServerHandle,
    pub directory: tempfile::TempDir,
}

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Reply {
    /// The order at a place.
    pub(crate) fn order(&self, place: usize) -> &Value {
        &self.body["orders"][place]
    }

    /// Fails unless it is this problem.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{:#}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        for field in ["type", "title", "detail", "remedy"] {
            assert!(self.body[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {:#}", self.body);
        }
    }
}

fn account_settings(client_id: &ClientId, permits: usize) -> AccountSettings {
    AccountSettings {
        client_id: client_id.clone(),
        limits: Limits { intraday_cutoff: Duration::ZERO, ..wide_limits() },
        waits: Waits::standard(Duration::from_millis(50)),
        permits,
        permits_for_exits: 1,
        budget: ordergate_actors::ports::BudgetChange::default(),
        exits: Default::default(),
        quantity_units: Default::default(),
        arming: ordergate_actors::arming::ArmingSettings::default(),
    }
}

impl House {
    /// The standard house: one account, open for entries.
    pub(crate) async fn open() -> Self {
        Self::with(Plan::default()).await
    }

    /// A house by plan.
    pub(crate) async fn with(plan: Plan) -> Self {
        let seed: u64 = if plan.after.is_some() { 8 } else { 7 };
        let directory = tempfile::tempdir().unwrap();
        if let Some(before) = &plan.after {
            // The actors of the house before live as long as the test, and so does their lock.
            copy(before.path(), directory.path());
        }
        // A later process has a later clock.
        let clock = TokioClock::from(if plan.after.is_some() { morning() + plan.later } else { morning() });
        let today: NaiveDate = ordergate_actors::order::trading_date(clock.now());
        let masters = Arc::new(Masters::new(InstrumentTable::new(sample(today).unwrap())).rolled(plan.rolls));
        let table: Arc<dyn Instruments> = Arc::clone(&masters) as _;
        let market = Arc::new(ScriptedMarket::new());
        for symbol in ["SBIN-EQ", "RELIANCE-EQ", "INFY-EQ"] {
            quote(&market, symbol, "800.00", "800.50");
        }
        let store = SqliteStore::in_directory(directory.path(), clock.now()).unwrap();
        let clients: Vec<ClientId> = plan.accounts.iter().map(|name| ClientId::parse(name).unwrap()).collect();
        let brokers: BTreeMap<ClientId, Arc<FaultyBroker<PaperBroker>>> = clients
            .iter()
            .map(|client| {
                let settings =
                    PaperSettings { poll: Duration::from_millis(50), ..PaperSettings::new(directory.path().join(client.as_str())) };
                std::fs::create_dir_all(&settings.directory).unwrap();
                let paper = PaperBroker::open(&settings, Arc::clone(&table), market.clone(), clock.clone()).unwrap();
                let broker = FaultyBroker::new(paper, plan.faults.clone()).with_capabilities(|row| row.is_live = plan.is_live);
                (client.clone(), Arc::new(broker))
            })
            .collect();
        let world = World {
            clock: clock.clone(),
            calendar: plan.calendar,
            ids: CountedIds::new(seed),
            quotes: Arc::new(MarketQuotes::new(market.clone(), Arc::clone(&table), clock.clone())),
            instruments: table,
            halt: Arc::new(NotedHalt::default()),
        };
        let accounts = brokers
            .iter()
            .map(|(client, broker)| {
                let mut settings = account_settings(client, plan.permits);
                (plan.account)(&mut settings);
                (settings, Arc::clone(broker) as Arc<dyn Broker>)
            })
            .collect();
        if let Some(alerts) = &plan.alerts {
            alerts.follow(directory.path()).unwrap();
        }
        let wakes = plan.alerts.map(|alerts| Box::new(Waker(alerts)) as Box<dyn Listener>);
        let (live, feed) = Hub::new(plan.live);
        actix_web::rt::spawn(feed.run());
        let parts = Parts {
            store: (plan.store)(store),
            listeners: wakes.into_iter().chain([Box::new(LiveListener(Arc::clone(&live))) as Box<dyn Listener>]).collect(),
            world,
            settings: wide_settings(),
            accounts,
            write_on: WriteOn::Thread,
            unsound: std::collections::BTreeSet::new(),
        };
        let engine = Engine::start(parts).unwrap();
        let mut web = WebSettings::new(
            clients.iter().map(|client_id| Account { client_id: client_id.clone(), mode_is_live: false }).collect(),
            vec![Source::new("tests", SECRET.into())],
            vec![ApiKey::new("asha", KEY.into())],
        );
        // An answer tells what was decided, however late that is.
        web.decision_deadline = LONG / 2;
        (plan.web)(&mut web);
        let render: ordergate::web::Render = Arc::new(|| "ordergate_up 1\n".to_owned());
        let paths = Paths { database: directory.path().join("orders.db"), ..Paths::default() };
        let state = WebState::new(engine.clone(), web, clock.now(), render, paths)
            .with_site(plan.site)
            .with_live(live)
            .with_access(Arc::new(Access::open(directory.path().to_owned(), plan.access)))
            .with_tables(Arc::new(move || masters.table()));
        let state = Data::new(state);
        let shared = state.clone();
        let server = HttpServer::new(move || App::new().app_data(shared.clone()).configure(configure).wrap(from_fn(trace)))
            .workers(1)
            // However late a request comes on a connection.
            .client_request_timeout(LONG)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        // Each request has a connection of its own: none is put on one that the server is just closing.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(LONG).build().unwrap();
        let met = None;
        let house = Self { engine, state, market, brokers, address, clock, met, http, server: handle, directory };
        house.until("every account is open", || house.engine.line().desks().all(|desk| desk.phase() == Phase::Open)).await;
        // What the engine writes by itself when it opens is behind us: it comes between no two looks of a test.
        let has_begun = |client: &ClientId| house.engine.read(client, |book| book.kept_of(Topic::RiskDay).next().is_some()) == Some(true);
        house.until("the day of every account has begun", || house.brokers.keys().all(has_begun)).await;
        house
    }

    /// Stops everything in order; what is left is the directory.
    pub(crate) async fn close(self) -> tempfile::TempDir {
        self.server.stop(false).await;
        self.engine.stop().await.unwrap();
        self.directory
    }

    /// Polls until it is so.
    #[track_caller]
    pub(crate) fn until<'a>(&'a self, what: &'a str, mut is_so: impl FnMut() -> bool + 'a) -> impl Future<Output = ()> + 'a {
        let from = std::panic::Location::caller();
        async move {
            let deadline = tokio::time::Instant::now() + LONG;
            while !is_so() {
                assert!(tokio::time::Instant::now() < deadline, "not within {LONG:?}: {what} ({from})\n{:#?}", self.orders());
                let _next_look = tokio::time::timeout(Duration::from_millis(5), self.engine.line().view.commits().changed()).await;
            }
        }
    }

    /// The first account.
    pub(crate) fn client(&self) -> ClientId {
        self.engine.line().desks().next().unwrap().client_id.clone()
    }

    /// What goes wrong with the next call of that kind.
    pub(crate) fn next_fault(&self, kind: CallKind, fault: Fault) {
        self.brokers[&self.client()].next(kind, Some(fault));
    }

    /// Every order of the first account, earliest first.
    pub(crate) fn orders(&self) -> Vec<Arc<OrderRecord>> {
        let mut orders: Vec<_> = self.engine.read(&self.client(), |book| book.newest().cloned().collect()).unwrap();
        orders.reverse();
        orders
    }

    /// Waits until a strategy holds so many units.
    #[track_caller]
    pub(crate) fn until_held<'a>(&'a self, strategy: &'a str, net: i64) -> impl Future<Output = ()> + 'a {
        self.until("the strategy holds that", move || {
            let held = self.engine.read(&self.client(), |book| {
                book.holdings().filter(|(owner, _, _)| owner.as_str() == strategy).map(|(_, _, held)| held.net).sum::<i64>()
            });
            held == Some(net)
        })
    }

    /// Waits until no order is under way.
    #[track_caller]
    pub(crate) fn until_ended(&self) -> impl Future<Output = ()> + '_ {
        self.until("every order has ended", || self.orders().iter().all(|order| order.status.is_terminal()))
    }

    /// Waits until an order is somewhere.
    #[track_caller]
    pub(crate) fn until_status<'a>(&'a self, place: usize, status: Status) -> impl Future<Output = ()> + 'a {
        self.until("the order is there", move || self.orders().get(place).is_some_and(|order| order.status == status))
    }

    /// A request in the making.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("http://{}{path}", self.address))
    }

    /// From now on every answer must be as the API's description says.
    pub(crate) fn described(self) -> Self {
        Self { met: Some(parking_lot::Mutex::default()), ..self }
    }

    /// What was answered since then.
    pub(crate) fn met(&self) -> described::Met {
        self.met.as_ref().map(|met| met.lock().clone()).unwrap_or_default()
    }

    /// Sends it and reads the answer.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let request = request.build().unwrap();
        let method = request.method().to_string();
        let response = self.http.execute(request).await.unwrap();
        let (status, headers, path) = (response.status().as_u16(), response.headers().clone(), response.url().path().to_owned());
        let text = response.text().await.unwrap();
        let reply = Reply { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        if let Some(met) = &self.met {
            met.lock().take(&method, &path, &reply);
        }
        reply
    }

    /// An alert, with the secret in its body.
    pub(crate) async fn alert(&self, body: Value) -> Reply {
        self.send(self.request("POST", "/webhook").json(&secret(body))).await
    }

    /// A read of the API.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.request("GET", path).bearer_auth(KEY)).await
    }

    /// An act through the API.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(self.request("POST", path).bearer_auth(KEY).json(&body)).await
    }

    /// The events of an account's journal.
    pub(crate) async fn events(&self, client: Option<&ClientId>) -> Vec<(String, String)> {
        let query = ordergate_actors::ports::Query::JournalAfter(client.cloned(), 0, 200);
        match self.engine.query(query).await.unwrap() {
            ordergate_actors::ports::Rows::Journal(rows) => {
                rows.iter().map(|row| (row.event.to_string(), format!("{:?} {} {}", row.reason, row.inputs, row.who))).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Puts the touch of an NSE symbol.
pub(crate) fn quote(market: &ScriptedMarket, symbol: &str, bid: &str, ask: &str) {
    let key = InstrumentKey::new(Exchange::Nse, symbol);
    let price = |text| Price::parse(text).unwrap();
    market.set(&key, price(bid), price(ask), price(bid));
}

/// Copies a data directory as it stands: what a process that is killed now leaves.
pub(crate) fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            // What belongs to an open connection only may go while it is looked at.
            match std::fs::copy(entry.path(), target) {
                Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
                copied => drop(copied.unwrap()),
            }
        }
    }
}

/// The body with the right secret.
pub(crate) fn secret(mut body: Value) -> Value {
    body["secret_key"] = json!(SECRET);
    body
}

/// Fails unless it has all of these fields.
#[track_caller]
pub(crate) fn has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "{field} is missing in {value:#}");
    }
}

/// An entry that fills at once.
pub(crate) fn entry(strategy: &str) -> Value {
    json!({
        "execution_type": "ENTRY", "strategy_name": strategy, "exchange": "NSE", "product_type": "I",
        "legs": [{ "tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 10, "order_type": "MARKET" }],
    })
}

/// An entry that rests.
pub(crate) fn resting(strategy: &str) -> Value {
    json!({
        "execution_type": "ENTRY", "strategy_name": strategy, "exchange": "NSE", "product_type": "I",
        "legs": [{ "tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 10, "order_type": "LIMIT", "price": "790.00" }],
    })
}
