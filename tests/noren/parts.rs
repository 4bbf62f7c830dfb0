//! What a house is made of: settings at a fiftieth of real time, the engine, and the orders that it is given.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{Datelike as _, NaiveDate};
use ordergate::brokers::noren::wire::Ampersand;
use ordergate::brokers::noren::{
    AuthFlow, Backoff, Buffers, Credentials, Io, NorenBroker, NorenSettings, Protection, Slabs, StreamWaits, Timeouts,
};
use ordergate::instruments::{InstrumentTable, sample};
use ordergate::simulator::noren_server::Simulator;
use ordergate::store::{LockError, OpenError, SqliteStore};
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::order::{ClientId, Exchange, Instrument, InstrumentKey, Kind, LegDraft, Price, Quantity, trading_date};
use ordergate_actors::ports::{Broker, BudgetChange, Clock, Ids, Instruments};
use ordergate_actors::testkit::{CountedIds, NotedHalt, TokioClock, found_by_thread, wide_limits, wide_settings};
use ordergate_actors::{AccountSettings, Engine, Parts, Waits, World, WriteOn};
use rust_decimal::Decimal;
use secrecy::SecretString;

use crate::house::{CLIENT, SBIN, secs};

/// The account.
pub(crate) fn client() -> ClientId {
    ClientId::parse(CLIENT).unwrap()
}

/// An order with a limit.
pub(crate) fn leg(kind: &str, side: &str, quantity: i64, price: &str) -> LegDraft {
    let text = |text: &str| Some(text.to_owned());
    LegDraft {
        strategy: text("a"),
        execution_type: text(kind),
        exchange: text("NSE"),
        symbol: text(SBIN),
        side: text(side),
        quantity: text(&quantity.to_string()),
        product: text("MIS"),
        order_type: text("LIMIT"),
        price: text(price),
        ..LegDraft::default()
    }
}

/// An entry that fills at once.
pub(crate) fn entry() -> LegDraft {
    leg("ENTRY", "BUY", 10, "850.50")
}

/// An entry that rests until the price falls.
pub(crate) fn resting_entry() -> LegDraft {
    leg("ENTRY", "BUY", 10, "849.00")
}

/// An exit that fills at once.
pub(crate) fn exit() -> LegDraft {
    leg("EXIT", "SELL", 10, "849.50")
}

/// An exit that rests until the price rises.
pub(crate) fn resting_exit() -> LegDraft {
    leg("EXIT", "SELL", 10, "852.00")
}

/// An order of this strategy.
pub(crate) fn of(strategy: &str, leg: LegDraft) -> LegDraft {
    LegDraft { strategy: Some(strategy.to_owned()), ..leg }
}

/// Opens a directory whose last engine was ended as by a kill. Its writer is a thread that ends by itself a moment later, where a
/// process would have been gone at once: until then it holds the directory, and folds the log in.
pub(crate) fn once_left<T>(mut open: impl FnMut() -> Result<T, OpenError>) -> T {
    let left = || match open() {
        Err(error @ (OpenError::Lock(LockError::Held { .. } | LockError::Busy { .. }) | OpenError::Database { may_heal: true, .. })) => {
            Err(error)
        }
        opened => Ok(opened),
    };
    found_by_thread("the writer of the last engine leaves the directory", left).unwrap()
}

/// The simulator's first gold future, in lots of a hundred grams and quoted by ten: `point` is what a master says that a point of
/// a gram is worth.
pub(crate) fn gold(today: NaiveDate, point: Decimal) -> Instrument {
    let fifth = today.iter_days().find(|date| date.day() == 5).unwrap();
    Instrument {
        key: InstrumentKey::new(Exchange::Mcx, &format!("GOLDM{}", fifth.format("%d%b%y").to_string().to_uppercase())),
        token: fifth.num_days_from_ce().unsigned_abs() * 1_000 + 710,
        underlying: Arc::from("GOLDM"),
        kind: Kind::Future { expiry: fifth },
        lot: Quantity::new(100).unwrap(),
        rupees_per_point: point,
        tick: Price::parse("1").unwrap(),
        freeze: None,
        band: None,
    }
}

/// An engine on the directory, with its adapter.
pub(crate) fn engine(
    directory: &Path,
    gold_point: Decimal,
    noren: NorenSettings,
    account: AccountSettings,
    clock: Arc<TokioClock>,
    halt: Arc<NotedHalt>,
    seed: u64,
) -> (Engine, Arc<NorenBroker>) {
    let today = trading_date(clock.now());
    let rows = sample(today).unwrap().into_iter().chain([gold(today, gold_point)]);
    let table: Arc<dyn Instruments> = Arc::new(InstrumentTable::new(rows));
    let broker = Arc::new(NorenBroker::start(noren, Arc::clone(&table), Arc::clone(&clock) as Arc<dyn Clock>, Io::current()).unwrap());
    let ids: Arc<dyn Ids> = CountedIds::new(seed);
    let world = World { calendar: Calendar::always_open(), ids, quotes: broker.board(), instruments: table, halt, clock: clock.clone() };
    let parts = Parts {
        store: Box::new(once_left(|| SqliteStore::in_directory(directory, clock.now()))),
        listeners: Vec::new(),
        world,
        settings: wide_settings(),
        accounts: vec![(account, Arc::clone(&broker) as Arc<dyn Broker>)],
        write_on: WriteOn::Thread,
        unsound: std::collections::BTreeSet::new(),
    };
    (Engine::start(parts).unwrap(), broker)
}

/// The account, its waits at a fiftieth.
pub(crate) fn account_settings() -> AccountSettings {
    let ordinary = Waits::standard(secs(1));
    AccountSettings {
        client_id: client(),
        limits: wide_limits(),
        waits: Waits {
            read_deadline: secs(10),
            idle_poll: secs(5),
            books_poll: secs(15),
            // Not divided: what a busy machine reads late is not old.
            blind_after: Duration::from_secs(10),
            quote_max_age: Duration::from_secs(3),
            quote_wait: Duration::from_millis(800),
            entry_market_timeout: secs(10),
            quiet_period: secs(5),
            exit_wait_page: secs(5),
            session_lead: secs(1_800),
            cancel_again: secs(5),
            doubt_page: secs(30),
            resend_exit: secs(1),
            ..ordinary
        },
        permits: 256,
        permits_for_exits: 1,
        // The broker counts no calls here unless a test wants it to.
        budget: BudgetChange {
            per_second: Some(100_000),
            per_minute: Some(1_000_000),
            reserved_per_second: Some(2),
            ..BudgetChange::default()
        },
        exits: Default::default(),
        quantity_units: Default::default(),
        arming: ordergate_actors::arming::ArmingSettings::default(),
    }
}

/// The adapter, its waits at a fiftieth.
pub(crate) fn noren_settings(sim: &Simulator, directory: &Path) -> NorenSettings {
    let secret = |text: &str| Some(SecretString::from(text));
    let width = Protection::parse("40 min 20").unwrap();
    let private = directory.join("noren");
    std::fs::create_dir_all(&private).unwrap();
    NorenSettings {
        host: sim.url(),
        rest_prefix: "/NorenWClientTP/".into(),
        socket_url: format!("{}/NorenWSTP/", sim.socket_url()),
        login_page: "http://127.0.0.1/login?client_id={client_id}".into(),
        token_url: format!("{}/trade/apitoken", sim.url()),
        auth: AuthFlow::QuickAuth,
        content_type: "text/plain".into(),
        ampersand: Ampersand::Escape,
        login_at: chrono::NaiveTime::MIN,
        codes_once: false,
        quantity_units: Default::default(),
        calendar: Default::default(),
        takes_ioc: Vec::new(),
        credentials: Credentials {
            uid: "FA00001".into(),
            actid: "FA00001".into(),
            vendor_code: "FA00001_U".into(),
            client_id: "FA00001_U".into(),
            imei: "tests".into(),
            password: secret("sim-password"),
            totp_secret: secret("JBSWY3DPEHPK3PXP"),
            api_key: secret("sim-key"),
            client_secret: secret("sim-secret"),
        },
        is_live: false,
        timeouts: Timeouts {
            connect: Duration::from_secs(3),
            order: secs(8),
            read: secs(50),
            book: secs(10),
            login: Duration::from_secs(10),
            idle: secs(20),
        },
        stream: StreamWaits { heartbeat: secs(5), silence: secs(45), handshake: secs(50), chunk_gap: secs(0) },
        reconnect: Backoff { first: secs(1), last: secs(30) },
        login_backoff: Backoff { first: secs(5), last: secs(50) },
        evictions_most: 3,
        eviction_window: Duration::from_secs(18),
        visibility_bound: secs(30),
        poll: secs(1),
        max_subscriptions: 10,
        stream_capacity: 4_096,
        buffers: Buffers {
            shares_and_futures: Slabs::parse("100: 2, 500: 1, above: 0.5").unwrap(),
            options: Slabs::parse("10: 5, 100: 3, 500: 2, above: 1").unwrap(),
            future_protection: width,
            option_protection: width,
        },
        directory: private,
    }
}
