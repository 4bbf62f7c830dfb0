//! Baseline R: the rows that the real ledger writes for one order, written by one thread with group commit.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use crossbeam_channel::{Receiver, Sender, bounded};
use ordergate::store::{Options, SqliteStore, Steps, WatchedStore};
use ordergate_actors::order::{
    Ask, BasketId, BrokerOrderId, ClientId, CommandId, Exchange, GateVerdict, Intent, OrderFact, OrderType, Price, Product, Quantity, Side,
    SignalId, Source, Strategy, Terms, Validity,
};
use ordergate_actors::persistence::{Admission, Cargo, Ledger, NewOrder, OrderUnit, Orphans, Posted, Registration, Seat, Unit};
use ordergate_actors::ports::{Clock, Store, Verdict, Write};
use ordergate_actors::testkit::ManualClock;
use parking_lot::Mutex;
use uuid::Uuid;

use super::client::Client;
use super::server::Server;
use super::stats::Sample;

pub(super) const ROUND_MAX: usize = 256;

/// Remembers what a store is given.
struct Recorder(Arc<Mutex<Vec<Vec<Write>>>>);

impl Steps for Recorder {
    fn written(&mut self, writes: &[Write], _: &Verdict) {
        self.0.lock().push(writes.to_vec());
    }
}

/// What the gates of the engine said of an order of the bench: a third of what is written for it.
static GATES: OnceLock<Vec<GateVerdict>> = OnceLock::new();

/// Lets the engine judge one order, and takes over what it recorded.
pub(crate) fn learn() {
    #[derive(serde::Deserialize)]
    struct Sent {
        gates: Vec<GateVerdict>,
    }
    let server = Server::start();
    Client::connect(server.address()).warm_up_to_the_broker(1);
    let inputs = server.inputs_of("SENT_TO_BROKER");
    let sent: Sent = serde_json::from_str(&inputs).unwrap();
    assert!(GATES.set(sent.gates).is_ok(), "learned once");
}

pub(super) fn client() -> ClientId {
    ClientId::parse("PAPER1").unwrap()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_149_000, 0).unwrap()
}

/// The three units of each order, as the ledger writes them. (Written in the order in which they are recorded here; in
/// the closed loop they interleave, which leaves journal numbers out of order but the work the same.)
fn record(orders: usize) -> Vec<[Vec<Write>; 3]> {
    let directory = tempfile::tempdir().unwrap();
    let units = Arc::new(Mutex::new(Vec::new()));
    let inner = SqliteStore::in_directory(directory.path(), now()).unwrap();
    let store = WatchedStore::new(inner, Recorder(Arc::clone(&units)));
    let clock: Arc<dyn Clock> = ManualClock::at(now());
    let seat = Seat { admission: Admission::new(usize::MAX / 2, 0), orphans: Arc::new(Orphans::default()) };
    let permits = Arc::clone(&seat.admission);
    let mut ledger = Ledger::open(Box::new(store), clock, BTreeMap::from([(client(), seat)]), Vec::new()).unwrap().ledger;
    for number in 1..=orders {
        let command = CommandId(Uuid::from_u64_pair(1, u64::try_from(number).unwrap()));
        for unit in units_of(number, command, permits.force(), now()) {
            let _acks = ledger.round(vec![Posted { unit, cargo: Cargo::None }]).unwrap();
        }
    }
    drop(ledger);
    let recorded = std::mem::take(&mut *units.lock());
    let mut recorded = recorded.into_iter().filter(|writes| writes.len() > 1 || !matches!(writes.first(), Some(Write::Anchor(_))));
    let mut next = || recorded.next().unwrap();
    (0..orders).map(|_| [next(), next(), next()]).collect()
}

pub(super) fn units_of(
    number: usize,
    command_id: CommandId,
    permit: ordergate_actors::persistence::Permit,
    at: DateTime<Utc>,
) -> [Unit; 3] {
    let ask = Ask {
        strategy: Strategy::parse(&format!("s{number}")).unwrap(),
        intent: Some(Intent::Entry),
        exchange: Some(Exchange::Nse),
        symbol: Arc::from("RELIANCE-EQ"),
        side: Some(Side::Buy),
        quantity: Quantity::new(1),
        product: Some(Product::Mis),
        order_type: Some(OrderType::Limit),
        validity: Validity::Day,
        price: Price::parse("1000").ok(),
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
    };
    let terms = Terms {
        side: Side::Buy,
        quantity: Quantity::new(1).unwrap(),
        product: Product::Mis,
        order_type: OrderType::Limit,
        validity: Validity::Day,
        price: Price::parse("1000").ok(),
        trigger_price: None,
    };
    let sent = format!(
        r#"{{"strategy":"s{number}","execution_type":"ENTRY","exchange":"NSE","symbol":"RELIANCE-EQ","side":"BUY","quantity":"1","product":"MIS","order_type":"LIMIT","validity":null,"price":"1000","trigger_price":null,"stop_loss":null,"target":null,"trailing_type":null,"trailing_value":null,"test_mode":null}}"#
    );
    let order = |fact| Unit::Order(OrderUnit { client_id: client(), command_id, fact, who: Arc::from("BrokerActor") });
    [
        Unit::Register(Box::new(Registration {
            client_id: client(),
            signal_id: SignalId(Uuid::from_u64_pair(2, u64::try_from(number).unwrap())),
            basket_id: BasketId(Uuid::from_u64_pair(3, u64::try_from(number).unwrap())),
            source: Source::Webhook,
            user: Arc::from("webhook"),
            key: ordergate_actors::order::IdempotencyKey::parse(&format!("bench-{number}")).ok(),
            body_hash: [7; 32],
            replay_window_ms: 60_000,
            received_at: at,
            signal_time: at,
            legs: vec![NewOrder { command_id, leg: 0, ask, refused: None, sent, naming: None, parent: None, permit }],
            fired: None,
            plan: None,
        })),
        order(OrderFact::SendIntended {
            terms,
            request: r#"{"exchange":"NSE","symbol":"RELIANCE-EQ","side":"BUY","quantity":1,"product":"MIS","order_type":"LIMIT","validity":"DAY","price":"1000","trigger_price":null,"tag":"OGA1B20000001"}"#.into(),
            gates: GATES.get().expect("learned at the beginning").clone(),
            note: None,
            high_water: BrokerOrderId::parse("26112000000001").ok(),
        }),
        order(OrderFact::Accepted { broker_order_id: BrokerOrderId::parse(&format!("261120{number:08}")).unwrap() }),
    ]
}

type Job = (usize, Vec<Write>);
/// An order under way: when it began, and what is still to be written.
type Slot = Option<(Instant, std::array::IntoIter<Vec<Write>, 3>)>;

/// The writer: drains what is queued into one transaction, then says who is through.
fn writer(directory: &Path, jobs: &Receiver<Job>, done: &Sender<Vec<usize>>, commits: &Mutex<Vec<Duration>>) {
    let mut store = SqliteStore::open(directory, Options { ballast_bytes: 0, ..Options::at(now()) }).unwrap();
    while let Ok(first) = jobs.recv() {
        let mut round = vec![first];
        while round.len() < ROUND_MAX {
            let Ok(job) = jobs.try_recv() else { break };
            round.push(job);
        }
        let start = Instant::now();
        store.begin().unwrap();
        for (_, writes) in &round {
            assert_eq!(store.unit(writes).unwrap(), Verdict::Done);
        }
        store.commit().unwrap();
        commits.lock().push(start.elapsed());
        if done.send(round.into_iter().map(|(slot, _)| slot).collect()).is_err() {
            return;
        }
    }
}

/// A closed loop of so many orders at once.
pub(crate) fn closed_loop(concurrency: usize, orders: usize) -> Sample {
    drive(concurrency, orders)
}

/// One order at a time, with a pause before each; between the sender and the writer stand two threads that only hand
/// on, as the HTTP worker and the engine do: an idle machine pays for every one of these wake-ups.
pub(crate) fn paced(orders: usize, pause: Duration) -> Sample {
    let recorded = record(orders);
    let directory = tempfile::tempdir().unwrap();
    let (send, jobs) = bounded::<Job>(16);
    let (finished, done) = bounded::<Vec<usize>>(16);
    let (to_engine, at_engine) = bounded::<[Vec<Write>; 3]>(16);
    let (to_worker, at_worker) = bounded::<[Vec<Write>; 3]>(16);
    let (from_engine, back_at_worker) = bounded::<()>(16);
    let (from_worker, back) = bounded::<()>(16);
    let commits = Mutex::new(Vec::new());
    let mut times = Vec::with_capacity(orders);
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (jobs, finished) = (jobs, finished);
            writer(directory.path(), &jobs, &finished, &commits);
        });
        scope.spawn(move || {
            for units in at_engine {
                for writes in units {
                    send.send((0, writes)).unwrap();
                    let _written = done.recv().unwrap();
                }
                from_engine.send(()).unwrap();
            }
        });
        scope.spawn(move || {
            for units in at_worker {
                to_engine.send(units).unwrap();
                back_at_worker.recv().unwrap();
                from_worker.send(()).unwrap();
            }
        });
        for units in recorded {
            super::client::wait(pause);
            let began = Instant::now();
            to_worker.send(units).unwrap();
            back.recv().unwrap();
            times.push(began.elapsed());
        }
        drop(to_worker);
    });
    Sample { orders: times, commits: commits.into_inner(), wall: start.elapsed() }
}

fn drive(concurrency: usize, orders: usize) -> Sample {
    let mut recorded = record(orders).into_iter();
    let directory = tempfile::tempdir().unwrap();
    let (send, jobs) = bounded::<Job>(4_096);
    let (finished, done) = bounded(4_096);
    let commits = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (jobs, finished) = (jobs, finished);
            writer(directory.path(), &jobs, &finished, &commits);
        });
        let mut slots: Vec<Slot> = (0..concurrency).map(|_| None).collect();
        let mut times = Vec::with_capacity(orders);
        let mut begin = |slot: usize, slots: &mut Vec<Slot>| -> bool {
            let Some(units) = recorded.next() else { return false };
            let mut units = units.into_iter();
            let start = Instant::now();
            send.send((slot, units.next().unwrap())).unwrap();
            slots[slot] = Some((start, units));
            true
        };
        let start = Instant::now();
        let mut running = (0..concurrency).filter(|slot| begin(*slot, &mut slots)).count();
        while running > 0 {
            for slot in done.recv().unwrap() {
                let (began, mut units) = slots[slot].take().unwrap();
                if let Some(writes) = units.next() {
                    send.send((slot, writes)).unwrap();
                    slots[slot] = Some((began, units));
                } else {
                    times.push(began.elapsed());
                    if !begin(slot, &mut slots) {
                        running -= 1;
                    }
                }
            }
        }
        let wall = start.elapsed();
        drop(send);
        Sample { orders: times, commits: std::mem::take(&mut *commits.lock()), wall }
    })
}
