//! What both gates cost in memory: an entry is assessed with every rule and admitted, in an account with 1,000 open orders and
//! 500 positions. `cargo bench --bench micro`. Figures: the median, the 99th percentile and the largest of single judgements.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    reason = "a benchmark: it may stop at the first surprise, and it counts time"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use ordergate_actors::arming::{Arming, Basis, standing};
use ordergate_actors::guard::{Candidate, GuardBook, verdict};
use ordergate_actors::order::calendar::SessionPhase;
use ordergate_actors::order::{
    Amount, Ask, BasketId, BrokerOrderId, BrokerTag, ClientId, CommandId, Exchange, Given, Holding, HoldingKey, Instrument, InstrumentKey,
    Intent, Kind, OrderRecord, OrderType, Points, Price, Product, Quantity, Right, Side, SignalId, Source, Status, Strategy, Validity,
    trading_date,
};
use ordergate_actors::persistence::{Book, Control};
use ordergate_actors::ports::{AccountHead, Instruments, PositionRow, Quote, Quotes, Session};
use ordergate_actors::risk::{Asked, DayOf, InTheWay, Inputs, Judgement, Known, Market, Scene, Unquoted, judge, project};
use ordergate_actors::watcher::{Findings, Positions};
use ordergate_actors::{AccountSettings, Limits, Phase, QuantityUnits, Settings, Waits};
use rust_decimal::Decimal;
use uuid::Uuid;

const OPEN: u64 = 1_000;
const HELD: u64 = 500;
const ROUNDS: usize = 20_000;

fn now() -> DateTime<Utc> {
    "2026-11-20T05:00:00Z".parse().unwrap()
}

fn key(number: u64) -> InstrumentKey {
    InstrumentKey::new(Exchange::Nfo, &format!("STOCK{:03}24NOV26C{number}", number % 50))
}

/// Options of 50 underlyings.
#[derive(Debug)]
struct Table(std::collections::HashMap<InstrumentKey, Arc<Instrument>>);

impl Table {
    fn new() -> Self {
        let expiry = NaiveDate::from_ymd_opt(2026, 11, 24).unwrap();
        let row = |number: u64| Instrument {
            rupees_per_point: rust_decimal::Decimal::ONE,
            key: key(number),
            token: u32::try_from(number).unwrap(),
            underlying: Arc::from(format!("STOCK{:03}", number % 50)),
            kind: Kind::Option { expiry, strike: Price::parse("100").unwrap(), right: Right::Call },
            lot: Quantity::new(5).unwrap(),
            tick: Price::parse("0.05").unwrap(),
            freeze: None,
            band: None,
        };
        Self((0..=HELD).map(|number| (key(number), Arc::new(row(number)))).collect())
    }
}

impl Instruments for Table {
    fn find(&self, key: &InstrumentKey) -> Option<Arc<Instrument>> {
        self.0.get(key).cloned()
    }
    fn as_of(&self, _: Exchange) -> Option<NaiveDate> {
        None
    }
}

/// Everything costs a hundred.
#[derive(Debug)]
struct Hundred;

impl Quotes for Hundred {
    fn quote(&self, _: &InstrumentKey) -> Option<Quote> {
        let hundred = Price::parse("100").unwrap();
        Some(Quote { bid: Some(hundred), ask: Some(hundred), last: hundred, band: None, at: now(), seen_at: now() })
    }
    fn previous_close(&self, _: &InstrumentKey) -> Option<Price> {
        Price::parse("100").ok()
    }
}

fn order(number: u64, instrument: u64) -> OrderRecord {
    let given = Given {
        client_id: ClientId::parse("PAPER1").unwrap(),
        command_id: CommandId(Uuid::from_u128(number.into())),
        number,
        signal_id: SignalId(Uuid::from_u128(number.into())),
        leg: 0,
        basket_id: BasketId(Uuid::from_u128(number.into())),
        parent_command_id: None,
        source: Source::Webhook,
        user: Arc::from("bench"),
        ask: Ask {
            strategy: Strategy::parse(&format!("s{number}")).unwrap(),
            intent: Some(Intent::Entry),
            exchange: Some(Exchange::Nfo),
            symbol: key(instrument).symbol,
            side: Some(Side::Buy),
            quantity: Quantity::new(5),
            product: Some(Product::Nrml),
            order_type: Some(OrderType::Limit),
            validity: Validity::Day,
            price: Some(Price::parse("100").unwrap()),
            trigger_price: None,
            seen_price: None,
            stop_loss: None,
            target: None,
            trailing: None,
            exits: Default::default(),
            test_mode: None,
            target_position: None,
            cancel_after_s: None,
            route: None,
        },
        broker_tag: BrokerTag::parse(&format!("OG{number}")).unwrap(),
        signal_time: now(),
    };
    OrderRecord::created(given, now(), number)
}

/// An account with its open orders and positions, and the order that is judged.
fn account() -> (Book, Findings, OrderRecord) {
    let working = |number: u64| {
        let mut order = order(number, number % HELD);
        (order.status, order.sent_at) = (Status::SentToBroker, Some(now()));
        order.broker_order_id = BrokerOrderId::parse(&number.to_string()).ok();
        order.created_at = now() - chrono::Duration::hours(1);
        order
    };
    let me = order(OPEN + 1, HELD);
    let holding = |number: u64| HoldingKey { instrument: key(number), product: Product::Nrml };
    let held = Holding { net: 5, cost: Points(Decimal::from(500)), realised: Points::ZERO, opened_at: Some(now()) };
    let head = AccountHead {
        client_id: ClientId::parse("PAPER1").unwrap(),
        last_number: OPEN + 1,
        orders: (1..=OPEN).map(working).chain([me.clone()]).collect(),
        holdings: (0..HELD).map(|number| (Strategy::parse(&format!("h{number}")).unwrap(), holding(number), held)).collect(),
        control: None,
    };
    let row = |number: u64| PositionRow {
        holding: holding(number),
        net: 5,
        average_price: None,
        realised: Amount(Decimal::from(1)),
        unrealised: Amount(Decimal::from(1)),
        per_point: None,
        carried: None,
    };
    let positions = Positions::new((0..HELD).map(row).collect(), now(), u64::MAX);
    let findings = Findings { session: Some(Session::Ready), positions: Some(positions), ..Findings::default() };
    let mut book = Book::load(head, 1, Control::default());
    book.begin_day(trading_date(now()), &[]);
    (book, findings, me)
}

fn settings() -> (AccountSettings, Settings) {
    let rupees = |rupees: i64| Amount(Decimal::from(rupees));
    let limits = Limits {
        max_open_orders: 100_000,
        max_open_value: rupees(100_000_000),
        trades_per_day: 100_000,
        messages_per_minute: 5_000,
        ..Limits::standard()
    };
    let account = AccountSettings {
        client_id: ClientId::parse("PAPER1").unwrap(),
        limits,
        waits: Waits::standard(Duration::from_secs(1)),
        permits: 4_096,
        permits_for_exits: 64,
        budget: Default::default(),
        exits: Default::default(),
        arming: Default::default(),
        quantity_units: QuantityUnits::default(),
    };
    let process = Settings {
        max_notional: rupees(100_000_000),
        entry_ttl: Duration::from_secs(30),
        future_tolerance: Duration::from_secs(5),
        max_clock_skew: Duration::from_secs(2),
        restarts_most: 5,
        restarts_window: Duration::from_secs(60),
        mailbox: 8_192,
        min_free_bytes: 0,
        lock_patience: std::time::Duration::ZERO,
        drain_deadline: Duration::from_secs(5),
    };
    (account, process)
}

fn main() {
    let now = now();
    let (book, findings, me) = account();
    let (account, process) = settings();
    let table = Table::new();
    let standing = standing(false, &Arming::default(), &Basis::default(), now);
    let instrument = me.instrument().unwrap();
    let market = Market { phase: SessionPhase::Continuous { closes_at: now + chrono::Duration::hours(4) }, is_held: true };
    let hundred = Price::parse("100").unwrap();
    let quote = Hundred.quote(&instrument).unwrap();
    let mut known = Known::of(&book, &account.limits, now);
    let mut gates = 0;
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            known.follow(&book, &account.limits, now);
            let found = table.find(&instrument);
            let limits = known.limits(&account.limits, now);
            let scene = Scene {
                order: &me,
                instrument: &instrument,
                found: found.as_deref(),
                book: &book,
                findings: &findings,
                instruments: &table,
                touch: &|_, _| Some(hundred),
                unknown_value: limits.max_order_value,
                now,
            };
            let projected = project(&scene);
            let inputs = Inputs {
                order: &me,
                instrument: &instrument,
                largest: None,
                book: &book,
                findings: &findings,
                found: found.as_deref(),
                account: &account,
                limits: &limits,
                day: &known.day(&account.limits, now),
                result: &known.result(&book, &findings, &Hundred, Asked { now, day: DayOf::Sessions, sight: None }),
                projected: &projected,
                needs: known.needs(&scene, &projected, &limits),
                halt: known.halt(&me.ask.strategy),
                settings: &process,
                latched: None,
                standing: &standing,
                quote: Some(&quote),
                unquoted: Unquoted::Refuse,
                low_disk: None,
                clock_behind: None,
                clock_set_back: None,
                clock_skew: None,
                in_the_way: &InTheWay::default(),
                master: None,
                is_live: false,
                market: &market,
                now,
            };
            let Judgement::Clear { terms, gates: seen, .. } = judge(&inputs, Phase::Open) else {
                panic!("the order must pass: {:?}", judge(&inputs, Phase::Open))
            };
            let guard = GuardBook::new(&book);
            let candidate = Candidate { order: &me, terms: &terms };
            let admitted = verdict(guard.judge(candidate, &instrument, &[candidate]).as_ref());
            assert!(admitted.passed, "{admitted:?}");
            gates = seen.len() + 1;
            black_box(admitted);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!("assess + admit in memory: {OPEN} open orders, {HELD} positions, {gates} gates, {ROUNDS} judgements");
    println!(
        "p50 {:.1} us   p99 {:.1} us (aim: 20)   most {:.1} us",
        micros(times[ROUNDS / 2]),
        micros(times[ROUNDS * 99 / 100]),
        micros(times[ROUNDS - 1])
    );
}
