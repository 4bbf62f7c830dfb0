//! The engine with a broker that notes when it is handed an order, and a board that rings as that of a real stream does.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ordergate::brokers::paper::{PaperBroker, PaperSettings};
use ordergate::clock::SystemClock;
use ordergate::instruments::InstrumentTable;
use ordergate::simulator::market::{Market, ScriptedMarket};
use ordergate::store::{Options, SqliteStore};
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::order::{
    Amount, BrokerOrderId, ClientId, Exchange, Instrument, InstrumentKey, Kind, LegDraft, Price, Quantity, SignalDraft, SignalId, Source,
};
use ordergate_actors::ports::{
    BookRow, Broker, BrokerOrder, Call, CallOutcome, Capabilities, Clock, DeliveryRow, Instruments, Modification, NoQuote, PlaceOutcome,
    PositionRow, Prepared, PreparedChange, Quote, QuoteBell, Quotes, Refusal, Session, Snapshot, StreamEvent, TradeRow,
};
use ordergate_actors::testkit::{CountedIds, NotedHalt};
use ordergate_actors::{AccountSettings, Engine, Limits, Parts, Phase, Settings, Waits, WriteOn};
use parking_lot::{Mutex, RwLock};
use rust_decimal::Decimal;
use uuid::Uuid;

/// Positions that are watched all the time.
pub(crate) const WATCHED: usize = 500;
/// Positions beside them whose stops are reached, one after the other.
pub(crate) const FIRED: usize = 500;
/// Quotes of the watched positions.
pub(crate) const QUOTES_PER_SECOND: u32 = 20_000;

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn key(place: usize) -> InstrumentKey {
    InstrumentKey::new(Exchange::Nse, &format!("S{place:04}-EQ"))
}

fn share(place: usize) -> Instrument {
    Instrument {
        rupees_per_point: Decimal::ONE,
        key: key(place),
        token: u32::try_from(place).unwrap() + 1,
        underlying: Arc::from(format!("S{place:04}")),
        kind: Kind::Equity,
        lot: Quantity::new(1).unwrap(),
        tick: price("0.05"),
        freeze: None,
        band: None,
    }
}

/// The newest quotes, and the bells that they ring.
#[derive(Debug, Default)]
struct Board {
    quotes: RwLock<HashMap<InstrumentKey, Quote>>,
    bells: RwLock<Vec<Arc<QuoteBell>>>,
}

impl Board {
    fn put(&self, key: &InstrumentKey, last: Price) {
        let ask = Price::new(last.value() + Decimal::new(5, 2));
        let now = SystemClock.now();
        self.quotes.write().insert(key.clone(), Quote { bid: Some(last), ask, last, band: None, at: now, seen_at: now });
        self.bells.read().iter().for_each(|bell| bell.strike(key));
    }
}

impl Quotes for Board {
    fn quote(&self, key: &InstrumentKey) -> Option<Quote> {
        self.quotes.read().get(key).copied()
    }
    fn ring(&self, bell: &Arc<QuoteBell>) {
        self.bells.write().push(Arc::clone(bell));
    }
}

/// The paper broker, with the time at which each exit was handed to it.
#[derive(Debug)]
struct Noting {
    inner: PaperBroker,
    placed: Arc<Mutex<HashMap<InstrumentKey, Instant>>>,
}

impl Broker for Noting {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }
    fn prepare(&self, order: BrokerOrder, quote: Option<&Quote>) -> Result<Prepared, Refusal> {
        self.inner.prepare(order, quote)
    }
    fn place(&self, prepared: Prepared) -> Call<PlaceOutcome> {
        if prepared.order.is_exit {
            self.placed.lock().entry(prepared.order.instrument.key.clone()).or_insert_with(Instant::now);
        }
        self.inner.place(prepared)
    }
    fn cancel(&self, id: BrokerOrderId) -> Call<CallOutcome> {
        self.inner.cancel(id)
    }
    fn prepare_change(&self, change: Modification, quote: Option<&Quote>) -> Result<PreparedChange, Refusal> {
        self.inner.prepare_change(change, quote)
    }
    fn modify(&self, prepared: PreparedChange) -> Call<CallOutcome> {
        self.inner.modify(prepared)
    }
    fn session(&self) -> Call<Session> {
        self.inner.session()
    }
    fn orders(&self) -> Call<Snapshot<Arc<BookRow>>> {
        self.inner.orders()
    }
    fn trades(&self) -> Call<Snapshot<Arc<TradeRow>>> {
        self.inner.trades()
    }
    fn positions(&self) -> Call<Snapshot<PositionRow>> {
        self.inner.positions()
    }
    fn holdings(&self) -> Call<Snapshot<DeliveryRow>> {
        self.inner.holdings()
    }
    fn quote(&self, instrument: Arc<Instrument>) -> Call<Result<Quote, NoQuote>> {
        self.inner.quote(instrument)
    }
    fn stream(&self) -> Option<tokio::sync::mpsc::Receiver<StreamEvent>> {
        self.inner.stream()
    }
}

/// Everything around the engine.
pub(crate) struct World {
    directory: tempfile::TempDir,
    board: Arc<Board>,
    market: Arc<ScriptedMarket>,
    table: Arc<InstrumentTable>,
    placed: Arc<Mutex<HashMap<InstrumentKey, Instant>>>,
    is_ready: AtomicBool,
    calm: (Price, Price),
}

impl World {
    pub(crate) fn new() -> Self {
        let (board, market) = (Arc::new(Board::default()), Arc::new(ScriptedMarket::new()));
        for place in 0..WATCHED + FIRED {
            market.set(&key(place), price("100"), price("100.05"), price("100"));
            board.put(&key(place), price("100"));
        }
        let table = Arc::new(InstrumentTable::new((0..WATCHED + FIRED).map(share)));
        Self {
            directory: tempfile::tempdir().unwrap(),
            board,
            market,
            table,
            placed: Arc::default(),
            is_ready: AtomicBool::new(false),
            calm: (price("100"), price("100.05")),
        }
    }

    fn client() -> ClientId {
        ClientId::parse("PAPER1").unwrap()
    }

    pub(crate) fn start(&self) -> Engine {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let market: Arc<dyn Market> = self.market.clone();
        let table: Arc<dyn Instruments> = self.table.clone();
        let paper = PaperSettings::new(self.directory.path().join("paper"));
        std::fs::create_dir_all(&paper.directory).unwrap();
        let inner = PaperBroker::open(&paper, Arc::clone(&table), market, Arc::clone(&clock)).unwrap();
        let broker: Arc<dyn Broker> = Arc::new(Noting { inner, placed: Arc::clone(&self.placed) });
        let rupees = |value: i64| Amount(Decimal::from(value));
        let account = AccountSettings {
            client_id: Self::client(),
            limits: Limits {
                max_quantity: 1_000_000,
                max_order_value: rupees(1_000_000_000),
                max_open_orders: 100_000,
                max_open_value: rupees(1_000_000_000),
                daily_loss: rupees(1_000_000_000),
                trades_per_day: 100_000,
                messages_per_minute: 10_000,
                repeats: 100_000,
                intraday_cutoff: Duration::ZERO,
                ..Limits::standard()
            },
            waits: Waits::standard(Duration::from_secs(1)),
            permits: 2_048,
            permits_for_exits: 64,
            budget: Default::default(),
            exits: Default::default(),
            quantity_units: Default::default(),
            arming: Default::default(),
        };
        let settings = Settings {
            max_notional: rupees(1_000_000_000),
            entry_ttl: Duration::from_secs(60),
            future_tolerance: Duration::from_secs(5),
            max_clock_skew: Duration::from_secs(2),
            restarts_most: 5,
            restarts_window: Duration::from_secs(60),
            mailbox: 8_192,
            min_free_bytes: 0,
            lock_patience: Duration::ZERO,
            drain_deadline: Duration::from_secs(5),
        };
        let world = ordergate_actors::World {
            clock,
            calendar: Calendar::always_open(),
            ids: CountedIds::new(1),
            instruments: table,
            quotes: self.board.clone(),
            halt: Arc::new(NotedHalt::default()),
        };
        // Synced as in production, and as the baseline is.
        let options = Options { ballast_bytes: 0, ..Options::at(SystemClock.now()) };
        let store = SqliteStore::open(self.directory.path(), options).unwrap();
        Engine::start(Parts {
            store: Box::new(store),
            listeners: Vec::new(),
            world,
            settings,
            accounts: vec![(account, broker)],
            write_on: WriteOn::Thread,
            unsound: Default::default(),
        })
        .unwrap()
    }

    /// Enters every position with a stop at 90 and waits until each is watched.
    pub(crate) async fn enter(&self, engine: &Engine) {
        let short = Duration::from_millis(20);
        while engine.desk(&Self::client()).unwrap().phase() != Phase::Open {
            tokio::time::sleep(short).await;
        }
        for place in 0..WATCHED + FIRED {
            // On a slow machine it takes so long to get here that the first quotes are no fresh ones.
            self.board.put(&key(place), price("100"));
            let text = |text: &str| Some(text.to_owned());
            let leg = LegDraft {
                // A strategy of its own: one holds one position at a time.
                strategy: Some(format!("bench{place}")),
                execution_type: text("ENTRY"),
                exchange: text("NSE"),
                symbol: Some(key(place).symbol.to_string()),
                side: text("BUY"),
                quantity: text("10"),
                product: text("MIS"),
                order_type: text("MARKET"),
                stop_loss: text("90"),
                ..LegDraft::default()
            };
            let draft = SignalDraft {
                client_id: Self::client(),
                signal_id: SignalId(Uuid::from_u64_pair(7, u64::try_from(place).unwrap())),
                source: Source::Strategy,
                user: "bench".into(),
                idempotency_key: None,
                body_hash: [0; 32],
                replay_window_ms: 0,
                received_at: SystemClock.now(),
                signal_time: None,
                legs: vec![leg],
            };
            engine.submit(draft).await.unwrap();
        }
        let rules = || engine.read(&Self::client(), |book| book.kept_of(ordergate_actors::persistence::Topic::ExitRule).count()).unwrap();
        while rules() < WATCHED + FIRED {
            tokio::time::sleep(short).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.is_ready.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::SeqCst)
    }

    /// A quote of a watched position that changes nothing.
    pub(crate) fn calm(&self, number: u32) {
        let number = usize::try_from(number).unwrap();
        let is_even = (number / WATCHED).is_multiple_of(2);
        self.board.put(&key(number % WATCHED), if is_even { self.calm.0 } else { self.calm.1 });
    }

    /// The quote that reaches a stop; when it came in.
    pub(crate) fn crash(&self, place: usize) -> Instant {
        let key = key(WATCHED + place);
        self.market.set(&key, price("89"), price("89.05"), price("89"));
        let last = price("89");
        let now = Instant::now();
        self.board.put(&key, last);
        now
    }

    pub(crate) fn placed_at(&self, place: usize) -> Option<Instant> {
        self.placed.lock().get(&key(WATCHED + place)).copied()
    }

    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < Duration::from_secs(120), "not so: {what}");
            std::thread::park_timeout(Duration::from_micros(200));
        }
    }
}
