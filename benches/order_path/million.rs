//! A database with a million orders: is it as fast as one with a thousand, and how long does a start take?
//!
//! The orders are written by the real ledger, many in a round and without syncing: each with its signal, its journal rows
//! and its trade, as the engine would have left it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use ordergate::clock::SystemClock;
use ordergate::store::SqliteStore;
use ordergate_actors::order::{BrokerOrderId, CommandId, Fill, OrderFact, Price, Quantity, TradeId};
use ordergate_actors::persistence::{Admission, Cargo, Ledger, OrderUnit, Orphans, Posted, Seat, Unit};
use ordergate_actors::ports::Clock;
use ordergate_actors::testkit::ManualClock;
use uuid::Uuid;

use super::client::{self, Client};
use super::raw::{ROUND_MAX, client as account, units_of};
use super::server::Server;
use super::stats::verdict;

/// Orders open at the restart.
const OPEN: usize = 1_000;
/// Orders of one day: a million are those of a year.
const A_DAY: usize = 4_000;
const CLIENTS: usize = 64;

pub(crate) fn run(orders: usize, sample: usize) {
    let (small, large) = (Arc::new(tempfile::tempdir().unwrap()), Arc::new(tempfile::tempdir().unwrap()));
    let start = Instant::now();
    fill(&small.path().join("data"), 1_000);
    fill(&large.path().join("data"), orders);
    println!("{orders} ended orders written in {:.0} s", start.elapsed().as_secs_f64());
    // By turns, because the host drifts.
    let (of_small, of_large) = (Server::on(small, ""), Server::on(Arc::clone(&large), ""));
    println!("first start beside {orders} orders, all ended: {:.2} s", of_large.started_in().as_secs_f64());
    let (mut slow, mut fast) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        fast.push(client::concurrent(of_small.address(), CLIENTS, sample / 3).per_second());
        slow.push(client::concurrent(of_large.address(), CLIENTS, sample / 3).per_second());
    }
    drop((of_small, of_large));
    let (fast, slow) = (median(fast), median(slow));
    println!("C={CLIENTS}: {fast:.0} orders/s beside 1000 orders, {slow:.0} beside {orders}");
    verdict("throughput beside so many orders, share of that beside 1000", slow / fast, ">=", 0.9);

    let restarted = Arc::new(tempfile::tempdir().unwrap());
    fill(&restarted.path().join("data"), orders - OPEN);
    let server = Server::on(Arc::clone(&restarted), "");
    let mut resting = Client::connect(server.address());
    resting.warm_up_to_the_broker(OPEN);
    // Killed, as a power cut would.
    drop(server);
    let starts: Vec<Duration> = (0..3).map(|_| Server::on(Arc::clone(&restarted), "").started_in()).collect();
    let worst = starts.iter().max().copied().unwrap_or_default();
    println!("{orders} orders of which {OPEN} open, after a kill: {starts:.2?}");
    verdict("start to ready, the worst of three (s)", worst.as_secs_f64(), "<=", 2.0);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// So many orders of an account, bought and filled, so many a day; the last of them yesterday.
fn fill(directory: &Path, orders: usize) {
    let days = i64::try_from(orders.div_ceil(A_DAY)).unwrap();
    let manual = ManualClock::at(SystemClock.now() - TimeDelta::days(days));
    let clock: Arc<dyn Clock> = Arc::clone(&manual) as Arc<dyn Clock>;
    let store = SqliteStore::in_directory(directory, clock.now()).unwrap();
    let seat = Seat { admission: Admission::new(usize::MAX / 2, 0), orphans: Arc::new(Orphans::default()) };
    let permits = Arc::clone(&seat.admission);
    let mut ledger = Ledger::open(Box::new(store), Arc::clone(&clock), BTreeMap::from([(account(), seat)]), Vec::new()).unwrap().ledger;
    let mut round = Vec::with_capacity(ROUND_MAX);
    for number in 1..=orders {
        if number > 1 && number % A_DAY == 1 {
            manual.advance(TimeDelta::days(1));
        }
        let command = CommandId(Uuid::from_u64_pair(1, u64::try_from(number).unwrap()));
        let broker_order_id = BrokerOrderId::parse(&format!("261120{number:08}")).unwrap();
        let filled = OrderFact::Fill(Fill {
            trade_id: TradeId::parse(&number.to_string()).unwrap(),
            broker_order_id,
            quantity: Quantity::new(1).unwrap(),
            price: Price::parse("1000").unwrap(),
            at: clock.now(),
        });
        let filled = Unit::Order(OrderUnit { client_id: account(), command_id: command, fact: filled, who: Arc::from("WatcherActor") });
        let units = units_of(number, command, permits.force(), clock.now());
        round.extend(units.into_iter().chain([filled]).map(|unit| Posted { unit, cargo: Cargo::None }));
        if round.len() >= ROUND_MAX || number == orders {
            let _acks = ledger.round(std::mem::take(&mut round)).unwrap();
        }
    }
    ledger.close().unwrap();
    // The first commit of the engine shall not pay for all that was not synced here.
    for file in std::fs::read_dir(directory).unwrap() {
        std::fs::File::open(file.unwrap().path()).unwrap().sync_all().unwrap();
    }
}
