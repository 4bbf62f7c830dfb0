//! The paper broker through the port, and its file through kills.

use std::path::Path;

use chrono::TimeDelta;
use futures_util::FutureExt;
use ordergate_actors::order::{
    BookState, BrokerTag, CommandId, Exchange as Segment, InstrumentKey, OrderType, Price, Product, Quantity, Side, Terms, Validity,
};
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::instruments::{InstrumentTable, sample};
use crate::simulator::exchange::Book;
use crate::simulator::market::{Level, ScriptedMarket};

mod money;

#[derive(Debug)]
struct Hand(Mutex<DateTime<Utc>>);

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock()
    }
}

struct World {
    directory: tempfile::TempDir,
    table: Arc<InstrumentTable>,
    market: Arc<ScriptedMarket>,
    clock: Arc<Hand>,
}

fn share() -> InstrumentKey {
    InstrumentKey::new(Segment::Nse, "SBIN-EQ")
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn limit(side: Side, quantity: i64, at: &str) -> Terms {
    Terms {
        side,
        quantity: Quantity::new(quantity).unwrap(),
        product: Product::Mis,
        order_type: OrderType::Limit,
        validity: Validity::Day,
        price: Some(price(at)),
        trigger_price: None,
    }
}

impl World {
    fn new() -> Self {
        let market = Arc::new(ScriptedMarket::new());
        market.set(&share(), price("874"), price("874.50"), price("874"));
        Self {
            directory: tempfile::tempdir().unwrap(),
            table: Arc::new(InstrumentTable::new(sample("2026-11-20".parse().unwrap()).unwrap())),
            market,
            clock: Arc::new(Hand(Mutex::new("2026-11-20T05:00:00Z".parse().unwrap()))),
        }
    }

    fn open(&self) -> PaperBroker {
        self.open_in(self.directory.path()).unwrap()
    }

    fn open_in(&self, directory: &Path) -> Result<PaperBroker, PaperError> {
        PaperBroker::open(&PaperSettings::new(directory), self.table.clone(), self.market.clone(), self.clock.clone())
    }

    fn order(&self, terms: Terms, tag: &str) -> BrokerOrder {
        let instrument = self.table.find(&share()).unwrap();
        let tag = BrokerTag::parse(tag).unwrap();
        BrokerOrder { command_id: CommandId(uuid::Uuid::nil()), instrument, terms, tag, is_exit: false }
    }

    fn place(&self, broker: &PaperBroker, terms: Terms) -> PlaceOutcome {
        broker.place(broker.prepare(self.order(terms, "T1"), None).unwrap()).now_or_never().unwrap()
    }

    fn accepted(&self, broker: &PaperBroker, terms: Terms) -> BrokerOrderId {
        match self.place(broker, terms) {
            PlaceOutcome::Accepted(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn file(&self) -> std::path::PathBuf {
        self.directory.path().join(FILE_NAME)
    }

    fn wait(&self, time: TimeDelta) {
        *self.clock.0.lock() += time;
    }
}

fn rows<T>(snapshot: Snapshot<T>) -> Vec<T> {
    match snapshot {
        Snapshot::Authoritative(rows, bad) if bad.is_empty() => rows,
        _ => panic!("no snapshot"),
    }
}

fn book(broker: &PaperBroker) -> Book {
    broker.exchange().book().clone()
}

#[test]
fn the_request_is_the_same_text_every_time() {
    let world = World::new();
    let broker = world.open();
    let order = world.order(limit(Side::Buy, 5, "874.50"), "ABCD000000001");
    let request = broker.prepare(order.clone(), None).unwrap().request;
    assert_eq!(
        request,
        r#"{"exchange":"NSE","symbol":"SBIN-EQ","side":"BUY","quantity":5,"product":"MIS","order_type":"LIMIT","validity":"DAY","price":"874.5","tag":"ABCD000000001"}"#
    );
    world.wait(TimeDelta::hours(1));
    assert_eq!(broker.prepare(order, None).unwrap().request, request);
}

#[test]
fn an_order_is_seen_in_every_book_and_on_the_stream() {
    let world = World::new();
    let broker = world.open();
    let mut updates = broker.stream().unwrap();
    assert!(broker.stream().is_none());
    let id = world.accepted(&broker, limit(Side::Buy, 5, "874.50"));
    let orders = rows(broker.orders().now_or_never().unwrap());
    assert_eq!((orders[0].broker_order_id.clone(), orders[0].tag.as_deref(), orders[0].state), (id, Some("T1"), BookState::Complete));
    assert_eq!(rows(broker.trades().now_or_never().unwrap())[0].fill.price, price("874.50"));
    let positions = rows(broker.positions().now_or_never().unwrap());
    assert_eq!((positions[0].net, positions[0].unrealised.to_string()), (5, "-2.5".into()));
    assert_eq!(broker.session().now_or_never().unwrap(), Session::Ready);
    let heard: Vec<_> = std::iter::from_fn(|| updates.try_recv().ok()).collect();
    assert!(matches!(&heard[..], [StreamEvent::Reconnected, StreamEvent::Trade(_), StreamEvent::Order(row)] if row.filled == 5));
}

/// While they are valued in parts others have a turn: what trades then is in the next read.
#[tokio::test]
async fn positions_are_of_one_moment_however_many_there_are() {
    let mut world = World::new();
    let sbin = world.table.find(&share()).unwrap();
    let key = |place: usize| InstrumentKey::new(Segment::Nse, &format!("S{place:04}-EQ"));
    let listed = |place| Instrument { key: key(place), token: u32::try_from(place).unwrap() + 1, ..(*sbin).clone() };
    let last = 2 * AT_ONCE;
    world.table = Arc::new(InstrumentTable::new((0..=last).map(listed)));
    (0..=last).for_each(|place| world.market.set(&key(place), price("874"), price("874.50"), price("874")));
    let broker = world.open();
    let buy = |place| {
        let order = NewOrder { instrument: key(place), terms: limit(Side::Buy, 1, "874.50"), tag: None };
        broker.place_foreign(&order).unwrap().unwrap();
    };
    (0..=last).for_each(buy);
    let mut read = broker.positions();
    assert!(read.as_mut().now_or_never().is_none(), "so many have their turn in parts");
    [0, last].into_iter().for_each(buy);
    world.market.set(&key(last), price("900"), price("900.50"), price("900"));
    let nets = |shown: Vec<PositionRow>| [0, last].map(|place| shown[place].net);
    let shown = rows(read.await);
    assert_eq!((shown.len(), shown[last].unrealised.to_string()), (last + 1, "25.5".into()));
    assert_eq!(nets(shown), [1, 1]);
    assert_eq!(nets(rows(broker.positions().await)), [2, 2]);
}

#[test]
fn a_resting_order_fills_when_a_book_is_read_after_the_market_came() {
    let world = World::new();
    let broker = world.open();
    let id = world.accepted(&broker, limit(Side::Buy, 5, "870"));
    world.market.set(&share(), price("869"), price("869.50"), price("869"));
    assert_eq!(rows(broker.positions().now_or_never().unwrap())[0].net, 5);
    assert!(matches!(broker.cancel(id).now_or_never().unwrap(), CallOutcome::Rejected(_)));
    assert!(matches!(world.place(&broker, limit(Side::Buy, 5, "870.01")), PlaceOutcome::Rejected(_)));
}

#[test]
fn a_modification_is_of_the_total() {
    let world = World::new();
    let broker = world.open();
    let level = |at, quantity| vec![Level { price: price(at), quantity }];
    world.market.set_depth(&share(), level("874", 3), level("874.50", 3), price("874"));
    let broker_order_id = world.accepted(&broker, limit(Side::Buy, 5, "874.50"));
    let modify = |total| {
        let instrument = world.table.find(&share()).unwrap();
        let change =
            Modification { broker_order_id: broker_order_id.clone(), tag: None, instrument, terms: limit(Side::Buy, total, "874.50") };
        broker.modify(broker.prepare_change(change, None).unwrap()).now_or_never().unwrap()
    };
    assert!(matches!(modify(2), CallOutcome::Rejected(_)));
    assert_eq!(modify(8), CallOutcome::Accepted);
    assert_eq!(rows(broker.orders().now_or_never().unwrap())[0].quantity, 8);
}

#[test]
fn a_foreign_order_has_no_tag() {
    let world = World::new();
    let broker = world.open();
    let order = NewOrder { instrument: share(), terms: limit(Side::Sell, 1, "900"), tag: None };
    let id = broker.place_foreign(&order).unwrap().unwrap();
    assert_eq!(rows(broker.orders().now_or_never().unwrap())[0].tag, None);
    broker.cancel_foreign(&id, "square off").unwrap().unwrap();
    assert_eq!(rows(broker.orders().now_or_never().unwrap())[0].reason.as_deref(), Some("square off"));
}

#[test]
fn a_torn_last_line_is_as_if_it_was_never_written() {
    let world = World::new();
    let broker = world.open();
    world.accepted(&broker, limit(Side::Buy, 5, "870"));
    let before = book(&broker);
    let whole = std::fs::read(world.file()).unwrap();
    world.accepted(&broker, limit(Side::Buy, 7, "874.50"));
    let after = book(&broker);
    drop(broker);
    let longer = std::fs::read(world.file()).unwrap();
    for length in whole.len()..=longer.len() {
        std::fs::write(world.file(), &longer[..length]).unwrap();
        let again = world.open();
        assert_eq!(book(&again), if length == longer.len() { after.clone() } else { before.clone() }, "at byte {length}");
        // What comes next is not glued to the torn half.
        world.accepted(&again, limit(Side::Sell, 1, "900"));
        let grown = book(&again);
        drop(again);
        assert_eq!(book(&world.open()), grown, "at byte {length}");
    }
}

#[test]
fn a_damaged_line_elsewhere_refuses_to_open() {
    let world = World::new();
    let broker = world.open();
    world.accepted(&broker, limit(Side::Buy, 5, "870"));
    world.accepted(&broker, limit(Side::Buy, 5, "870"));
    let text = std::fs::read_to_string(world.file()).unwrap();
    std::fs::write(world.file(), text.replacen("26112000000001", "2611200000000x", 1)).unwrap();
    assert!(matches!(world.open_in(world.directory.path()), Err(PaperError::Damaged { line: 2, .. })));
    let without_first: String = text.lines().skip(2).map(|line| format!("{line}\n")).collect();
    std::fs::write(world.file(), format!("{without_first}{without_first}")).unwrap();
    assert!(matches!(world.open_in(world.directory.path()), Err(PaperError::Damaged { line: 2, .. })));
}

#[test]
fn the_days_before_leave_the_file_and_their_positions_stay() {
    let world = World::new();
    let broker = world.open();
    for _ in 0..50 {
        world.accepted(&broker, limit(Side::Buy, 1, "874.50"));
    }
    let resting = world.accepted(&broker, limit(Side::Buy, 1, "800"));
    let size = || std::fs::metadata(world.file()).unwrap().len();
    let old = size();

    // The process lives through midnight, trades, and is killed: what the new day did stays.
    world.wait(TimeDelta::days(1));
    world.accepted(&broker, limit(Side::Sell, 20, "874"));
    let live = book(&broker);
    drop(broker);
    let again = world.open();
    assert_eq!(book(&again), live);
    assert!(size() < old / 4);
    assert_eq!(again.exchange().order(&resting).unwrap().row.state, BookState::Expired);
    assert_eq!(rows(again.positions().now_or_never().unwrap())[0].net, 30);
    drop(again);
    let (once, bytes) = (world.open(), std::fs::read(world.file()).unwrap());
    drop(once);
    drop(world.open());
    assert_eq!(std::fs::read(world.file()).unwrap(), bytes, "opening again changes nothing");

    // Another midnight, this time while it is down.
    world.wait(TimeDelta::days(1));
    let next = world.open();
    assert!(rows(next.orders().now_or_never().unwrap()).is_empty());
    let positions = rows(next.positions().now_or_never().unwrap());
    assert_eq!((positions[0].net, positions[0].realised.to_string()), (30, "0".into()));
    assert_eq!(world.accepted(&next, limit(Side::Buy, 1, "800")).as_str(), "26112200000001");
    let live = book(&next);
    drop(next);
    assert_eq!(book(&world.open()), live);
}

#[test]
fn what_cannot_be_written_did_not_happen() {
    let world = World::new();
    let broker = world.open();
    world.accepted(&broker, limit(Side::Buy, 1, "800"));
    let before = book(&broker);
    broker.shared.desk.lock().log.break_for_test();
    assert!(matches!(world.place(&broker, limit(Side::Buy, 1, "800")), PlaceOutcome::Unconfirmed(_)));
    assert_eq!(book(&broker), before);
    // It stands still from then on, and says so: nothing can be concluded from its books.
    assert!(matches!(broker.orders().now_or_never().unwrap(), Snapshot::Unknown(_)));
    assert!(matches!(broker.session().now_or_never().unwrap(), Session::NotReady(_)));
}

#[derive(Debug, Clone)]
enum Step {
    Place(bool, i64, i64, bool),
    Cancel(usize),
    Modify(usize, i64, i64),
    Market(i64),
    Read,
    Wait(i64),
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (any::<bool>(), 1i64..20, 860i64..890, any::<bool>()).prop_map(|(buy, n, at, ioc)| Step::Place(buy, n, at, ioc)),
        2 => any::<usize>().prop_map(Step::Cancel),
        2 => (any::<usize>(), 1i64..20, 860i64..890).prop_map(|(which, n, at)| Step::Modify(which, n, at)),
        3 => (860i64..890).prop_map(Step::Market),
        2 => Just(Step::Read),
        1 => (1i64..90_000).prop_map(Step::Wait),
        1 => Just(Step::Kill),
    ];
    proptest::collection::vec(step, 1..40)
}

fn take(world: &World, broker: &PaperBroker, step: &Step) {
    let ids: Vec<_> = book(broker).base().iter().filter_map(|event| event.order().cloned()).collect();
    let pick = |n: usize| ids.get(n % ids.len().max(1)).cloned();
    match step {
        Step::Place(buy, quantity, at, ioc) => {
            let side = if *buy { Side::Buy } else { Side::Sell };
            let validity = if *ioc { Validity::Ioc } else { Validity::Day };
            world.place(broker, Terms { validity, ..limit(side, *quantity, &at.to_string()) });
        }
        Step::Cancel(n) => {
            pick(*n).map(|id| broker.cancel(id).now_or_never());
        }
        Step::Modify(n, quantity, at) => {
            let Some(broker_order_id) = pick(*n) else { return };
            let side = broker.exchange().order(&broker_order_id).unwrap().row.side;
            let instrument = world.table.find(&share()).unwrap();
            let change = Modification { broker_order_id, tag: None, instrument, terms: limit(side, *quantity, &at.to_string()) };
            broker.modify(broker.prepare_change(change, None).unwrap()).now_or_never();
        }
        Step::Market(at) => {
            let level = |at: i64| vec![Level { price: price(&at.to_string()), quantity: 9 }];
            world.market.set_depth(&share(), level(*at), level(at + 1), price(&at.to_string()));
        }
        Step::Read => {
            broker.orders().now_or_never();
        }
        Step::Wait(seconds) => world.wait(TimeDelta::seconds(*seconds)),
        Step::Kill => {}
    }
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..Default::default() })]

    #[test]
    fn prop_a_kill_at_any_step_changes_nothing(steps in steps()) {
        let world = World::new();
        let (mut broker, never_killed) = (world.open(), tempfile::tempdir().unwrap());
        let other = world.open_in(never_killed.path()).unwrap();
        for step in &steps {
            take(&world, &broker, step);
            take(&world, &other, step);
            if matches!(step, Step::Kill) {
                let before = broker.exchange();
                drop(broker);
                broker = world.open();
                // Opening may begin a day; the one that lives on does so at its next call.
                if broker.exchange().book() != before.book() {
                    other.tick().unwrap();
                    broker.tick().unwrap();
                }
            }
            prop_assert_eq!(book(&broker), book(&other));
        }
    }
}

/// A book that grows all day would be held and compared whole with every poll.
#[test]
fn what_ended_long_ago_and_was_shown_as_ended_often_enough_is_in_the_file_only() {
    let world = World::new();
    let broker = world.open();
    broker.shared.desk.lock().shown = Shown::keeping(3, 3);
    let resting = world.accepted(&broker, limit(Side::Buy, 1, "800"));
    let filled: Vec<_> = (0..6).map(|_| world.accepted(&broker, limit(Side::Buy, 1, "874.50"))).collect();
    let orders = || rows(broker.orders().now_or_never().unwrap());
    let trades = || rows(broker.trades().now_or_never().unwrap());
    for read in 1..=3 {
        assert_eq!((orders().len(), trades().len()), (7, 6), "read {read}: all are shown three times");
    }
    let shown: Vec<_> = orders().iter().map(|row| row.broker_order_id.clone()).collect();
    let expected: Vec<_> = std::iter::once(&resting).chain(&filled[3..]).cloned().collect();
    assert_eq!(shown, expected, "what is open, and the newest three");
    assert_eq!(trades().iter().map(|trade| trade.fill.broker_order_id.clone()).collect::<Vec<_>>(), expected[1..]);
    let net = || rows(broker.positions().now_or_never().unwrap())[0].net;
    assert_eq!(net(), 6, "the positions know of all");
    let gone = broker.cancel(filled[0].clone()).now_or_never().unwrap();
    assert!(matches!(&gone, CallOutcome::Rejected(why) if why.contains("not found")), "{gone:?}");
    world.accepted(&broker, limit(Side::Buy, 1, "874.50"));
    assert_eq!((orders().len(), net()), (5, 7), "fewer than three are due: they stay");

    drop(broker);
    let again = world.open();
    assert_eq!(rows(again.orders().now_or_never().unwrap()).len(), 8, "the file has the whole day");
    assert_eq!(rows(again.trades().now_or_never().unwrap()).len(), 7);
}

/// An order that ends after its row was shown as open is not forgotten by that.
#[test]
fn what_was_shown_as_open_only_stays() {
    let world = World::new();
    let broker = world.open();
    broker.shared.desk.lock().shown = Shown::keeping(1, 1);
    let resting = world.accepted(&broker, limit(Side::Buy, 1, "800"));
    let _newest = [world.accepted(&broker, limit(Side::Buy, 1, "800")), world.accepted(&broker, limit(Side::Buy, 1, "800"))];
    for _ in 0..5 {
        let _trades = rows(broker.trades().now_or_never().unwrap());
        assert_eq!(rows(broker.orders().now_or_never().unwrap()).len(), 3);
    }
    assert_eq!(broker.cancel(resting.clone()).now_or_never().unwrap(), CallOutcome::Accepted);
    for read in 1..=3 {
        let shown = rows(broker.orders().now_or_never().unwrap());
        assert!(shown.iter().any(|row| row.broker_order_id == resting && row.state == BookState::Cancelled), "read {read}");
        let _trades = rows(broker.trades().now_or_never().unwrap());
    }
    assert_eq!(rows(broker.orders().now_or_never().unwrap()).len(), 2);
}
