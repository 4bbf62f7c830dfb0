mod auction;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use ordergate_actors::order::{
    BookState, BrokerTag, ClientId, CommandId, Exchange, Instrument, InstrumentKey, OrderType, Product, Quantity, Side, Terms, Validity,
};
use ordergate_actors::ports::{Broker, BrokerOrder, Clock, Glimpse, Instruments, PlaceOutcome, RateWindow, Snapshot, Unlisted, Unreadable};
use ordergate_actors::testkit::{TokioClock, book_row, morning};

use super::*;
use crate::brokers::faulty::{CallKind, Fault, FaultPlan, FaultyBroker};
use crate::brokers::paper::{PaperBroker, PaperSettings};
use crate::instruments::{InstrumentTable, sample};
use crate::simulator::market::{Market, SyntheticMarket};

const PACE: Pace = Pace { look: Duration::from_secs(1), patience: Duration::from_secs(5), reads: Duration::from_secs(60), attempts: 3 };

struct Bench {
    broker: FaultyBroker<PaperBroker>,
    table: Arc<InstrumentTable>,
    clock: Arc<TokioClock>,
    budget: Option<Budget>,
    calendar: Arc<Calendar>,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let listed = sample(ordergate_actors::order::trading_date(morning())).unwrap();
        let market = Arc::new(SyntheticMarket::new(1, listed.iter()));
        Self::at(morning(), market)
    }

    fn at(start: DateTime<Utc>, market: Arc<dyn Market>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = TokioClock::from(start);
        let table = Arc::new(InstrumentTable::new(sample(ordergate_actors::order::trading_date(start)).unwrap()));
        let paper =
            PaperBroker::open(&PaperSettings::new(directory.path()), Arc::clone(&table) as _, market, Arc::clone(&clock) as _).unwrap();
        Self { broker: FaultyBroker::new(paper, FaultPlan::default()), table, clock, budget: None, calendar: Arc::default(), directory }
    }

    /// At the market; or resting, three percent away from it.
    async fn place(&self, symbol: &str, side: Side, quantity: i64, product: Product, rests: bool) {
        self.place_in(&InstrumentKey::new(Exchange::Nse, symbol), side, quantity, product, rests).await;
    }

    async fn place_in(&self, key: &InstrumentKey, side: Side, quantity: i64, product: Product, rests: bool) {
        let instrument = self.table.find(key).unwrap();
        let quote = self.broker.inner().quote(Arc::clone(&instrument)).await.unwrap();
        let away = quote.last.value() * rust_decimal::Decimal::new(97, 2);
        let price = if rests { instrument.round_to_tick(away, Side::Buy) } else { None };
        let order_type = if price.is_some() { OrderType::Limit } else { OrderType::Market };
        let quantity = Quantity::new(quantity).unwrap();
        let terms = Terms { side, quantity, product, order_type, validity: Validity::Day, price, trigger_price: None };
        let order = BrokerOrder {
            command_id: CommandId(uuid::Uuid::nil()),
            instrument,
            terms,
            tag: BrokerTag::parse("OGTEST0000001").unwrap(),
            is_exit: false,
        };
        let prepared = self.broker.inner().prepare(order, None).unwrap();
        let outcome = self.broker.inner().place(prepared).await;
        assert!(matches!(outcome, PlaceOutcome::Accepted(_)), "{key}: {outcome:?}");
    }

    /// Books that may be 30 s old, and were read this moment: what is done next is not in the next `looks` of them.
    async fn hiding_what_comes(mut self, looks: u32) -> Self {
        self.broker = self.broker.with_capabilities(|row| row.visibility_bound = Duration::from_secs(30));
        let (_, _, _) = (self.broker.positions().await, self.broker.orders().await, self.broker.trades().await);
        for kind in [CallKind::Positions, CallKind::Orders, CallKind::Trades] {
            (0..looks).for_each(|_| self.broker.next(kind, Some(Fault::Stale)));
        }
        self
    }

    fn exits(&self) -> usize {
        self.log().iter().filter(|line| line["event"] == "EXIT").count()
    }

    async fn run(&self) -> End {
        self.run_at(PACE).await
    }

    /// With only these instruments in the master.
    async fn run_by(&self, is_listed: impl Fn(&Instrument) -> bool) -> End {
        let rows = self.table.iter().map(Arc::unwrap_or_clone).filter(is_listed);
        let table = InstrumentTable::new(rows.collect::<Vec<_>>());
        let log = SquareOffLog::open(self.directory.path(), ClientId::parse("PAPER1").unwrap(), Arc::clone(&self.clock) as Arc<dyn Clock>);
        SquareOff::new(&self.broker, self.budget, &table, &*self.clock, PACE).run(&mut log.unwrap()).await.unwrap()
    }

    async fn run_at(&self, pace: Pace) -> End {
        let mut log =
            SquareOffLog::open(self.directory.path(), ClientId::parse("PAPER1").unwrap(), Arc::clone(&self.clock) as Arc<dyn Clock>)
                .unwrap();
        let work = SquareOff::new(&self.broker, self.budget, &*self.table, &*self.clock, pace);
        work.by(Arc::clone(&self.calendar)).run(&mut log).await.unwrap()
    }

    fn log(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.directory.path().join(SquareOffLog::FILE_NAME)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn nets(&self) -> Vec<(String, i64)> {
        let Snapshot::Authoritative(rows, _) = self.broker.inner().positions().await else { panic!("the paper broker has positions") };
        rows.iter().filter(|row| row.net != 0).map(|row| (row.holding.to_string(), row.net)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_cancelled_and_closed_shorts_first_and_delivery_stays() {
    let bench = Bench::new();
    bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
    bench.place("INFY-EQ", Side::Sell, 4, Product::Mis, false).await;
    bench.place("RELIANCE-EQ", Side::Buy, 2, Product::Cnc, false).await;
    bench.place("SBIN-EQ", Side::Buy, 1, Product::Mis, true).await;
    assert_eq!(bench.run().await, End::Flat);
    assert_eq!(bench.nets().await, [("NSE:RELIANCE-EQ CNC".to_owned(), 2)]);
    let events: Vec<String> = bench.log().iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events, ["CANCEL", "CANCEL_ANSWER", "EXIT", "EXIT_ANSWER", "EXIT", "EXIT_ANSWER", "FLAT"]);
    let requests: Vec<String> = bench.log().iter().filter(|line| line["event"] == "EXIT").map(|line| line["request"].to_string()).collect();
    assert!(requests[0].contains("INFY-EQ") && requests[1].contains("SBIN-EQ"), "{requests:?}");
}

/// Holdings stay, and so does what may be their stop.
#[tokio::test(start_paused = true)]
async fn a_sale_for_delivery_is_not_cancelled() {
    let bench = Bench::new();
    bench.place("RELIANCE-EQ", Side::Buy, 2, Product::Cnc, false).await;
    bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
    bench.broker.show_foreign(BookRow {
        side: Side::Sell,
        product: Product::Cnc,
        instrument: InstrumentKey::new(Exchange::Nse, "RELIANCE-EQ"),
        ..book_row("STOP1")
    });
    assert_eq!((bench.run().await, bench.broker.calls(CallKind::Cancel)), (End::Flat, 0));
    let plan = SquareOff::new(&bench.broker, None, &*bench.table, &*bench.clock, PACE).look().await.unwrap();
    assert!(plan.is_done() && plan.words().iter().any(|line| line.contains("STOP1") && line.contains("stop of a delivery")), "{plan:?}");
}

fn unreadable(words: &str, is_foreign: bool, is_open: Option<bool>, unlisted: Option<InstrumentKey>) -> Unreadable {
    let glimpse = Glimpse { words: words.to_owned(), broker_order_id: None, is_open, unlisted: unlisted.clone() };
    let unlisted = unlisted.map(|instrument| Unlisted { instrument, result: ordergate_actors::order::Amount::ZERO });
    Unreadable { raw: words.to_owned(), cause: "a drill".to_owned(), is_foreign, unlisted, glimpse: Box::new(glimpse) }
}

/// A cover order of the app, a contract of another exchange: it is no exit's, and it is not flat.
#[tokio::test(start_paused = true)]
async fn what_is_open_in_a_product_that_is_not_known_here_is_named_and_not_called_flat() {
    for (book, is_open) in [(CallKind::Positions, Some(true)), (CallKind::Positions, None), (CallKind::Orders, Some(true))] {
        let bench = Bench::new();
        bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
        bench.broker.show_unreadable(book, unreadable("prd=H netqty=-65", true, is_open, None));
        let plan = SquareOff::new(&bench.broker, None, &*bench.table, &*bench.clock, PACE).look().await.unwrap();
        assert!(plan.words().iter().any(|line| line.contains("prd=H netqty=-65")), "{:?}", plan.words());
        let end = bench.run().await;
        assert!(matches!(&end, End::NotFlat(left) if left.len() == 1 && left[0].contains("prd=H netqty=-65")), "{book:?} {end:?}");
        assert_eq!(bench.nets().await, [], "the rest is closed");
    }
    let bench = Bench::new();
    bench.broker.show_unreadable(CallKind::Positions, unreadable("prd=H netqty=0", true, Some(false), None));
    assert_eq!(bench.run().await, End::Nothing, "it is closed");
}

/// Its quantities are told in lots, and no master has it: it is named, and the rest is closed.
#[tokio::test(start_paused = true)]
async fn a_row_that_no_master_has_keeps_nothing_else_open() {
    let gold = InstrumentKey::new(Exchange::Mcx, "GOLD04DEC26");
    for book in [CallKind::Positions, CallKind::Orders] {
        let bench = Bench::new();
        bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
        bench.broker.show_unreadable(book, unreadable("tsym=GOLD04DEC26 netqty=1", false, Some(true), Some(gold.clone())));
        let begun = Instant::now();
        let end = bench.run().await;
        assert!(matches!(&end, End::NotFlat(left) if left.len() == 1 && left[0].contains("GOLD04DEC26")), "{book:?} {end:?}");
        assert!(begun.elapsed() < PACE.reads, "it was not read again and again");
        assert_eq!(bench.nets().await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_only_when_the_broker_has_said_it() {
    let bench = Bench::new();
    assert_eq!(bench.run().await, End::Nothing);
    bench.broker.replan(FaultPlan::none().always(CallKind::Positions, Fault::Unknown("502".into())));
    assert!(matches!(bench.run().await, End::Unknown(words) if words.contains("the positions could not be read: 502")));
}

#[tokio::test(start_paused = true)]
async fn what_is_rejected_is_tried_again_and_what_stays_open_is_named() {
    let bench = Bench::new();
    bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
    bench.broker.next(CallKind::Place, Some(Fault::Refuse("margin".into())));
    assert_eq!(bench.run().await, End::Flat, "the second attempt goes");
    bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
    for _ in 0..PACE.attempts {
        bench.broker.next(CallKind::Place, Some(Fault::Refuse("margin".into())));
    }
    assert!(matches!(bench.run().await, End::NotFlat(left) if left.len() == 1 && left[0].contains("SELL 10")), "said, and not hidden");
}

/// What is not in the master cannot be closed, so its orders are its only stop: they stay, and all else is done.
#[tokio::test(start_paused = true)]
async fn nothing_is_cancelled_in_an_instrument_that_cannot_be_closed() {
    let bench = Bench::new();
    for symbol in ["SBIN-EQ", "INFY-EQ"] {
        bench.place(symbol, Side::Buy, 10, Product::Mis, false).await;
        bench.place(symbol, Side::Buy, 1, Product::Mis, true).await;
    }
    let End::NotFlat(left) = bench.run_by(|_| false).await else { panic!("it is not flat") };
    assert_eq!((bench.broker.calls(CallKind::Cancel), bench.broker.calls(CallKind::Place)), (0, 0), "{left:?}");
    assert!(
        left.iter().any(|words| words.contains("cannot be closed: SELL 10") && words.contains("not in the instrument master")),
        "{left:?}"
    );

    let End::NotFlat(left) = bench.run_by(|row| &*row.key.symbol != "SBIN-EQ").await else { panic!("it is not flat") };
    assert!(left.len() == 2 && left.iter().all(|words| words.contains("SBIN-EQ")), "{left:?}");
    assert_eq!(bench.nets().await, [("NSE:SBIN-EQ MIS".to_owned(), 10)]);
    assert_eq!(bench.broker.calls(CallKind::Cancel), 1, "that of the one that was closed");
    assert_eq!((bench.run().await, bench.nets().await), (End::Flat, vec![]), "with its row it goes");
}

/// A lost reply is not repeated before the order could show; then the books tell that it is done.
#[tokio::test(start_paused = true)]
async fn an_exit_in_doubt_closes_once() {
    let bench = Bench::new();
    bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
    bench.broker.next(CallKind::Place, Some(Fault::LoseReply("reset".into())));
    assert_eq!(bench.run().await, End::Flat);
    assert_eq!(bench.nets().await, []);
    assert_eq!(bench.log().iter().filter(|line| line["event"] == "EXIT").count(), 1);
}

/// A gateway that is out for a while, a book with a row that cannot be read, one that says it is empty: read again, and closed then.
#[tokio::test(start_paused = true)]
async fn a_book_that_proves_nothing_for_a_while_is_read_again() {
    let faults = [Fault::Unknown("502".into()), Fault::Unreadable(1), Fault::RateLimited(RateWindow::Minute)];
    for kind in [CallKind::Positions, CallKind::Orders] {
        for fault in &faults {
            let bench = Bench::new();
            bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
            for _ in 0..3 {
                bench.broker.next(kind, Some(fault.clone()));
            }
            assert_eq!((bench.run().await, bench.nets().await), (End::Flat, vec![]), "{kind:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_book_without_an_order_that_was_in_it_concludes_nothing() {
    let bench = Bench::new();
    bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
    bench.broker.next(CallKind::Orders, None);
    bench.broker.next(CallKind::Orders, Some(Fault::Empty));
    assert_eq!((bench.run().await, bench.nets().await), (End::Flat, vec![]));
    assert_eq!(bench.log().iter().filter(|line| line["event"] == "NOT_WHOLE").count(), 1);
}

/// The first look meets a book that claims there is nothing, or lacks what has traded: nothing is concluded from it.
#[tokio::test(start_paused = true)]
async fn a_first_look_at_a_book_that_lies_concludes_nothing() {
    for (kind, lies) in [(CallKind::Positions, 1), (CallKind::Orders, 3)] {
        let bench = Bench::new();
        bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
        bench.place("SBIN-EQ", Side::Buy, 1, Product::Mis, true).await;
        for _ in 0..lies {
            bench.broker.next(kind, Some(Fault::Empty));
        }
        let plan = SquareOff::new(&bench.broker, None, &*bench.table, &*bench.clock, PACE).look().await.unwrap();
        assert_eq!((plan.cancels.len(), plan.closes.len()), (1, 1), "{kind:?}");
        for _ in 0..lies {
            bench.broker.next(kind, Some(Fault::Empty));
        }
        assert_eq!((bench.run().await, bench.nets().await), (End::Flat, vec![]), "{kind:?}");
        let events: Vec<_> =
            bench.log().iter().map(|line| line["event"].clone()).filter(|event| *event == "NOT_WHOLE" || *event == "EXIT").collect();
        assert_eq!(events.len(), lies + 1, "{events:?}");
    }
}

/// The positions forget for a moment what they had: that is not flat.
#[tokio::test(start_paused = true)]
async fn positions_that_lack_what_they_had_are_not_flat() {
    let bench = Bench::new();
    bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
    bench.broker.next(CallKind::Positions, None);
    bench.broker.next(CallKind::Positions, Some(Fault::Empty));
    bench.broker.next(CallKind::Place, Some(Fault::Refuse("margin".into())));
    assert_eq!((bench.run().await, bench.nets().await), (End::Flat, vec![]), "the second exit closes it");
}

/// Positions that are late say that it is open still. They are not believed, and nothing is sold twice.
#[tokio::test(start_paused = true)]
async fn late_positions_sell_nothing_twice() {
    let mut bench = Bench::new();
    let bound = Duration::from_secs(30);
    bench.broker = bench.broker.with_capabilities(|row| row.visibility_bound = bound);
    bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
    // What was bought is long ago.
    tokio::time::sleep(bound * 3).await;
    bench.broker.next(CallKind::Positions, None);
    for _ in 0..20 {
        bench.broker.next(CallKind::Positions, Some(Fault::Stale));
    }
    let begun = Instant::now();
    assert_eq!((bench.run().await, bench.nets().await), (End::Flat, vec![]));
    assert_eq!(bench.log().iter().filter(|line| line["event"] == "EXIT").count(), 1);
    assert!(begun.elapsed() >= bound, "flat is said of positions that must have the fill");
}

/// Nothing can be closed, and it looks on and on: no minute has more calls than the account may make, and no second.
#[tokio::test(start_paused = true)]
async fn its_calls_keep_within_the_budget_of_the_account() {
    let mut bench = Bench::new();
    bench.budget = Some(Budget::noren());
    bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
    bench.broker.replan(FaultPlan::none().always(CallKind::Place, Fault::Refuse("margin".into())));
    let begun = Instant::now();
    let end = bench.run_at(Pace { look: Duration::from_millis(10), attempts: 40, ..PACE }).await;
    assert!(matches!(end, End::NotFlat(_)), "{end:?}");
    let calls: u64 = [CallKind::Positions, CallKind::Orders, CallKind::Place].iter().map(|kind| bench.broker.calls(*kind)).sum();
    let minutes = begun.elapsed().as_secs() / 60 + 1;
    assert!(minutes >= 3 && calls <= minutes * 100, "{calls} calls in {minutes} minutes");
    assert_eq!(bench.broker.calls(CallKind::Place), 40, "and every try was made");
}

/// Each call takes two seconds, so that a look is too old after three exits: what could not be sent was not tried.
#[tokio::test(start_paused = true)]
async fn a_slow_broker_uses_up_no_tries_of_what_was_never_sent() {
    let bench = Bench::new();
    let symbols = ["SBIN-EQ", "INFY-EQ", "RELIANCE-EQ", "M&M-EQ"];
    for symbol in symbols {
        bench.place(symbol, Side::Buy, 1, Product::Mis, false).await;
    }
    bench.broker.replan(FaultPlan::none().always(CallKind::Place, Fault::Slow(Duration::from_secs(2))));
    assert_eq!((bench.run_at(Pace { attempts: 1, ..PACE }).await, bench.nets().await), (End::Flat, vec![]));
    assert_eq!(bench.log().iter().filter(|line| line["event"] == "EXIT").count(), symbols.len());
}

/// An engine sent the exit and was killed; no book shows it yet. It is the only one.
#[tokio::test(start_paused = true)]
async fn an_exit_that_was_sent_before_it_began_is_not_sent_again() {
    let bench = Bench::new();
    bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
    tokio::time::sleep(Duration::from_secs(90)).await;
    let bench = bench.hiding_what_comes(20).await;
    bench.place("SBIN-EQ", Side::Sell, 10, Product::Mis, false).await;
    assert_eq!((bench.run().await, bench.nets().await, bench.exits()), (End::Nothing, vec![], 0));
}

/// The same of an entry: that nothing is there is not believed before it must have shown.
#[tokio::test(start_paused = true)]
async fn an_entry_that_was_sent_before_it_began_is_closed_when_it_shows() {
    let bench = Bench::new();
    bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
    bench.place("SBIN-EQ", Side::Sell, 10, Product::Mis, false).await;
    tokio::time::sleep(Duration::from_secs(90)).await;
    let bench = bench.hiding_what_comes(20).await;
    bench.place("SBIN-EQ", Side::Buy, 4, Product::Mis, false).await;
    assert_eq!((bench.run().await, bench.nets().await, bench.exits()), (End::Flat, vec![], 1));
}

/// What works is cancelled at once all the same.
#[tokio::test(start_paused = true)]
async fn cancels_do_not_wait_for_what_may_not_show_yet() {
    let bench = Bench::new();
    bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
    bench.place("SBIN-EQ", Side::Buy, 1, Product::Mis, true).await;
    tokio::time::sleep(Duration::from_secs(90)).await;
    let bench = bench.hiding_what_comes(0).await;
    assert_eq!((bench.run().await, bench.nets().await), (End::Flat, vec![]));
    let at = |event: &str| bench.log().iter().find(|line| line["event"] == event).unwrap()["at"].as_str().unwrap().to_owned();
    let between = |from: &str, to: &str| {
        let time = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        (time(to) - time(from)).num_seconds()
    };
    assert!(between(&at("CANCEL"), &at("EXIT")) >= 25, "{:?}", bench.log());
}

fn call(strike: &str) -> InstrumentKey {
    InstrumentKey::new(Exchange::Nfo, &format!("NIFTY24NOV26C{strike}"))
}

/// A sold call and the one that covers it; answers their lot.
async fn spread(bench: &Bench) -> i64 {
    let lot = bench.table.find(&call("25700")).unwrap().lot.value();
    bench.place_in(&call("25800"), Side::Buy, lot, Product::Nrml, false).await;
    bench.place_in(&call("25700"), Side::Sell, lot, Product::Nrml, false).await;
    lot
}

fn requests(bench: &Bench) -> Vec<String> {
    bench.log().iter().filter(|line| line["event"] == "EXIT").map(|line| line["request"].to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_bought_is_not_sold_before_the_short_that_it_covers_is_closed() {
    let bench = Bench::new();
    spread(&bench).await;
    bench.broker.next(CallKind::Place, Some(Fault::Refuse("margin".into())));
    assert_eq!((bench.run().await, bench.nets().await), (End::Flat, vec![]));
    let sent = requests(&bench);
    assert!(sent.len() == 3 && sent[1].contains("25700") && sent[2].contains("25800"), "{sent:?}");
    assert!(!bench.log().iter().any(|line| line["event"] == "UNCOVERS"));
}

#[tokio::test(start_paused = true)]
async fn a_future_is_not_sold_before_the_call_that_it_covers_is_closed() {
    let bench = Bench::new();
    let lot = bench.table.find(&call("25700")).unwrap().lot.value();
    let future = InstrumentKey::new(Exchange::Nfo, "NIFTY24NOV26F");
    bench.place_in(&future, Side::Buy, lot, Product::Nrml, false).await;
    bench.place_in(&call("25700"), Side::Sell, lot, Product::Nrml, false).await;
    bench.broker.next(CallKind::Place, Some(Fault::Refuse("margin".into())));
    assert_eq!((bench.run().await, bench.nets().await), (End::Flat, vec![]));
    let sent = requests(&bench);
    assert!(sent.len() == 3 && sent[1].contains("25700") && sent[2].contains("26F"), "{sent:?}");
    assert!(!bench.log().iter().any(|line| line["event"] == "UNCOVERS"));
}

/// Nobody sells the short back: its cover is not held for ever, and the log has that it stands alone.
#[tokio::test(start_paused = true)]
async fn a_short_that_cannot_be_bought_back_holds_its_cover_for_a_while_only() {
    let bench = Bench::new();
    spread(&bench).await;
    for _ in 0..PACE.attempts {
        bench.broker.next(CallKind::Place, Some(Fault::Refuse("margin".into())));
    }
    let begun = Instant::now();
    assert!(matches!(bench.run().await, End::NotFlat(left) if left.len() == 1 && left[0].contains("25700")));
    assert!(begun.elapsed() >= COVER_FIRST.to_std().unwrap());
    assert!(requests(&bench).last().unwrap().contains("25800"));
    assert_eq!(bench.log().iter().filter(|line| line["event"] == "UNCOVERS").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_broker_refuses_for_its_size_goes_in_parts() {
    let bench = Bench::new();
    bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
    bench.broker.next(CallKind::Place, Some(Fault::Refuse("RED:RULE:{Check Freeze qty}Current:10 Set:5".into())));
    assert_eq!((bench.run().await, bench.nets().await), (End::Flat, vec![]));
    assert_eq!(bench.exits(), 4, "10, and then 4, 4 and 2: {:?}", requests(&bench));
}

#[test]
fn a_position_with_an_order_that_still_works_is_not_closed_twice() {
    let bench_row = |state| Arc::new(ordergate_actors::ports::BookRow { side: Side::Sell, state, ..book_row("1") });
    let holding = ordergate_actors::order::HoldingKey { instrument: InstrumentKey::new(Exchange::Nse, "SBIN-EQ"), product: Product::Mis };
    let zero = ordergate_actors::order::Amount::ZERO;
    let position = ordergate_actors::ports::PositionRow {
        holding,
        net: 10,
        average_price: None,
        realised: zero,
        unrealised: zero,
        per_point: None,
        carried: None,
    };
    let open = plan(&[bench_row(BookState::Open)], std::slice::from_ref(&position));
    assert!(open.is_open_in(&open.closes[0]));
    let ended = plan(&[bench_row(BookState::Cancelled)], &[position]);
    assert!(!ended.is_open_in(&ended.closes[0]));
}
