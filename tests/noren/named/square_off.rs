//! `ordergate squareoff` over real sockets: what it closes while the broker's books lag, fail, or count its calls.

use std::sync::Arc;

use ordergate::brokers::noren::{Io, NorenBroker};
use ordergate::instruments::{InstrumentTable, sample};
use ordergate::simulator::noren_server::{
    Fault, FaultRule, ForeignOrder, PriceSetting, Prices, Settings as SimSettings, Simulator, Symptom, TimeSettings,
};
use ordergate::squareoff::{End, Pace, SquareOff, SquareOffLog};
use ordergate_actors::order::trading_date;
use ordergate_actors::ports::{Budget, Clock, Instruments};
use ordergate_actors::testkit::{TokioClock, morning, until_found};
use serde_json::json;

use crate::house::{LONG, SBIN, pass, secs, sim_ms};
use crate::parts::{client, noren_settings};

/// At a fiftieth: the visibility bound is 30 s.
const PACE: Pace = Pace { look: secs(1), patience: secs(40), reads: LONG, attempts: 6 };

struct Bench {
    sim: Simulator,
    broker: NorenBroker,
    table: Arc<dyn Instruments>,
    clock: Arc<TokioClock>,
    budget: Option<Budget>,
    directory: tempfile::TempDir,
}

impl Bench {
    /// Somebody is long of 10 SBIN, since long ago.
    async fn open(change: impl FnOnce(&mut SimSettings)) -> Self {
        let clock = TokioClock::from(morning());
        let mut settings = SimSettings {
            per_second: 0,
            per_minute: 0,
            prices: Prices::Scripted,
            time: TimeSettings { start: Some(clock.now()), speed: 1_000 },
            ..SimSettings::default()
        };
        change(&mut settings);
        let sim = Simulator::start(settings).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let table: Arc<dyn Instruments> = Arc::new(InstrumentTable::new(sample(trading_date(clock.now())).unwrap()));
        let settings = noren_settings(&sim, directory.path());
        let broker = NorenBroker::start(settings, Arc::clone(&table), Arc::clone(&clock) as Arc<dyn Clock>, Io::current()).unwrap();
        let bench = Self { sim, broker, table, clock, budget: None, directory };
        bench.price("850.00", "850.10");
        bench.by_hand("B", 10, None);
        // By twice the bound of visibility.
        pass(secs(65)).await;
        until_found("there is a session", async || bench.work().session().await).await;
        bench
    }

    fn price(&self, bid: &str, ask: &str) {
        let (bid, ask) = (Some(bid.parse().unwrap()), Some(ask.parse().unwrap()));
        let setting = PriceSetting { exch: "NSE".to_owned(), tsym: SBIN.to_owned(), bid, ask, ..PriceSetting::default() };
        self.sim.set_price(&setting).unwrap();
    }

    /// An order that somebody places elsewhere, at the market or at a limit.
    fn by_hand(&self, side: &str, quantity: i64, limit: Option<&str>) {
        let kind = if limit.is_some() { "LMT" } else { "MKT" };
        let fields = json!({ "exch": "NSE", "tsym": SBIN, "qty": quantity.to_string(), "prc": limit.unwrap_or("0"), "prd": "I",
            "trantype": side, "prctyp": kind });
        self.sim.foreign_order(&ForeignOrder { fields: fields.as_object().unwrap().clone() }).unwrap();
    }

    fn work(&self) -> SquareOff<'_> {
        SquareOff::new(&self.broker, self.budget, &*self.table, &*self.clock, PACE)
    }

    async fn run(&self) -> End {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let mut log = SquareOffLog::open(self.directory.path(), client(), clock).unwrap();
        self.work().run(&mut log).await.unwrap()
    }

    /// Waits until a call of that route was answered, or with that status.
    async fn until(&self, what: impl Fn(&ordergate::simulator::noren_server::LogRow) -> bool) {
        let ask = async || {
            let log = self.sim.log();
            if log.iter().any(&what) { Ok(()) } else { Err(format!("{log:#?}")) }
        };
        until_found("the call is answered", ask).await;
    }

    fn net(&self) -> i64 {
        self.sim.net("NSE", SBIN)
    }

    /// The exits that it sent, as the broker has them.
    fn exits(&self) -> Vec<serde_json::Value> {
        self.sim.orders().into_iter().filter(|row| row.to_string().contains("\"SQ")).collect()
    }
}

/// The cancel of a resting sale is taken and then refused; the sale fills, and the positions do not show it for a while.
#[tokio::test]
async fn a_cancel_that_loses_against_the_fill_under_late_positions_sells_nothing_twice() {
    let bench = Bench::open(|_| {}).await;
    bench.by_hand("S", 10, Some("852.00"));
    bench.sim.add_fault(FaultRule::always("CancelOrder", Fault::CancelRejected));
    bench.sim.add_fault(FaultRule::always("PositionBook", Fault::Stale { ms: sim_ms(25) }));
    let fills = async {
        bench.until(|row| row.route == "CancelOrder").await;
        bench.price("852.00", "852.10");
    };
    let (end, ()) = tokio::join!(bench.run(), fills);
    assert_eq!((end, bench.net()), (End::Flat, 0));
    assert!(bench.exits().is_empty(), "{:#?}", bench.exits());
}

#[tokio::test]
async fn books_that_a_gateway_does_not_give_for_a_while_are_read_again() {
    for route in ["PositionBook", "OrderBook"] {
        for then in [Symptom::BadGateway, Symptom::Drop, Symptom::Truncated] {
            let bench = Bench::open(|_| {}).await;
            bench.sim.add_fault(FaultRule { count: 3, ..FaultRule::nth(route, 2, Fault::Refuse { then }) });
            assert_eq!((bench.run().await, bench.net()), (End::Flat, 0), "{route} {then:?}");
            assert_eq!(bench.exits().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_minute_that_is_full_is_waited_for() {
    let bench = Bench { budget: Some(Budget::of(8, 1_000)), ..Bench::open(|_| {}).await };
    bench.sim.add_fault(FaultRule::next("PositionBook", Fault::RateMinute));
    let passes = async {
        bench.until(|row| row.status == 400).await;
        let calls = bench.sim.log().len();
        pass(secs(50)).await;
        assert_eq!(bench.sim.log().len(), calls, "nothing goes out before it has ended");
        let minute = chrono::Duration::seconds(63);
        bench.clock.jump(minute);
        bench.sim.advance_time(minute);
    };
    let (end, ()) = tokio::join!(bench.run(), passes);
    assert_eq!((end, bench.net(), bench.exits().len()), (End::Flat, 0, 1));
}

/// It looks fifty times as often as it would, at a broker that counts as it does.
#[tokio::test]
async fn the_broker_never_counts_a_call_too_many() {
    let counted = Budget::of(8, 100_000);
    let bench = Bench { budget: Some(counted), ..Bench::open(|sim| sim.per_second = 10).await };
    bench.sim.add_fault(FaultRule::always("PlaceOrder", Fault::Reject { text: "RED:margin".into(), status: 200 }));
    assert!(matches!(bench.run().await, End::NotFlat(left) if left.len() == 1));
    let breach = bench.sim.log().into_iter().find(|row| row.done.contains("exceeds Limit"));
    assert_eq!((breach, bench.net()), (None, 10));
}

/// The answer is lost, and the order is in no book for most of the bound.
#[tokio::test]
async fn an_exit_without_an_answer_that_shows_late_closes_once() {
    let bench = Bench::open(|_| {}).await;
    bench.sim.add_fault(FaultRule::next("PlaceOrder", Fault::Accept { then: Symptom::Drop }));
    bench.sim.add_fault(FaultRule::next("PlaceOrder", Fault::Invisible { ms: sim_ms(25), stream: false }));
    bench.sim.add_fault(FaultRule::always("PositionBook", Fault::Stale { ms: sim_ms(25) }));
    assert_eq!((bench.run().await, bench.net(), bench.exits().len()), (End::Flat, 0, 1));
}
