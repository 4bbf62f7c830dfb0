//! Every fault once, against the paper broker behind it. Time is tokio's and stands still until everybody waits.

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use ordergate_actors::order::{
    BrokerTag, CommandId, Exchange as Segment, InstrumentKey, OrderType, Price, Product, Quantity, Side, Terms, Validity,
};
use ordergate_actors::ports::{Clock, Instruments};

use super::*;
use crate::brokers::paper::{PaperBroker, PaperSettings};
use crate::instruments::{InstrumentTable, sample};
use crate::simulator::market::ScriptedMarket;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        "2026-11-20T05:00:00Z".parse().unwrap()
    }
}

struct World {
    _directory: tempfile::TempDir,
    broker: FaultyBroker<PaperBroker>,
    order: BrokerOrder,
}

fn world(plan: FaultPlan) -> World {
    let directory = tempfile::tempdir().unwrap();
    let table = Arc::new(InstrumentTable::new(sample("2026-11-20".parse().unwrap()).unwrap()));
    let key = InstrumentKey::new(Segment::Nse, "SBIN-EQ");
    let price = |text| Price::parse(text).unwrap();
    let market = Arc::new(ScriptedMarket::new());
    market.set(&key, price("874"), price("874.50"), price("874"));
    let terms = Terms {
        side: Side::Buy,
        quantity: Quantity::new(5).unwrap(),
        product: Product::Mis,
        order_type: OrderType::Limit,
        validity: Validity::Day,
        price: Some(price("874.50")),
        trigger_price: None,
    };
    let order = BrokerOrder {
        command_id: CommandId(uuid::Uuid::nil()),
        instrument: table.find(&key).unwrap(),
        terms,
        tag: BrokerTag::parse("T1").unwrap(),
        is_exit: false,
    };
    let inner = PaperBroker::open(&PaperSettings::new(directory.path()), table, market, Arc::new(Still)).unwrap();
    World { broker: FaultyBroker::new(inner, plan), _directory: directory, order }
}

impl World {
    fn place(&self) -> Call<PlaceOutcome> {
        self.broker.place(self.broker.prepare(self.order.clone(), None).unwrap())
    }

    /// Orders that the broker behind really has.
    fn truth(&self) -> usize {
        self.broker.inner().exchange().orders().len()
    }

    async fn seen(&self) -> (usize, usize) {
        let count = |snapshot| match snapshot {
            Snapshot::Authoritative(rows, _) => rows,
            Snapshot::Unknown(cause) | Snapshot::RateLimited { text: cause, .. } => panic!("{cause}"),
        };
        let trades = match self.broker.trades().await {
            Snapshot::Authoritative(rows, _) => rows.len(),
            Snapshot::Unknown(cause) | Snapshot::RateLimited { text: cause, .. } => panic!("{cause}"),
        };
        let orders: Vec<Arc<BookRow>> = count(self.broker.orders().await);
        (orders.len(), trades)
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_may_be_live_or_not_whatever_was_answered() {
    let reached = [
        (Fault::Refuse("no".into()), PlaceOutcome::Rejected("no".into()), 0),
        (Fault::NotSent("down".into()), PlaceOutcome::NotSent("down".into()), 0),
        (Fault::LoseRequest("502".into()), PlaceOutcome::Unconfirmed("502".into()), 0),
        (Fault::LoseReply("502".into()), PlaceOutcome::Unconfirmed("502".into()), 1),
    ];
    for (fault, outcome, orders) in reached {
        let world = world(FaultPlan::none().on(CallKind::Place, 1, fault.clone()));
        assert_eq!(world.place().await, outcome, "{fault:?}");
        assert_eq!((world.truth(), world.broker.reached().len()), (orders, orders), "{fault:?}");
        // The plan was for the first call.
        assert!(matches!(world.place().await, PlaceOutcome::Accepted(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_hangs_before_or_after_the_broker_had_it() {
    let hour = Duration::from_secs(3_600);
    for (fault, orders) in [(Fault::Hang, 0), (Fault::HangAfter, 1)] {
        let world = world(FaultPlan::none().always(CallKind::Place, fault));
        assert!(tokio::time::timeout(hour, world.place()).await.is_err());
        assert_eq!(world.truth(), orders);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_and_a_slow_request_differ_in_when_the_order_is_live() {
    let second = Duration::from_secs(1);
    for (fault, at_once) in [(Fault::Late(second), 1), (Fault::Slow(second), 0)] {
        let world = world(FaultPlan::none().always(CallKind::Place, fault));
        let mut call = world.place();
        assert!((&mut call).now_or_never().is_none());
        assert_eq!(world.truth(), at_once);
        let began = Instant::now();
        assert!(matches!(call.await, PlaceOutcome::Accepted(_)));
        assert_eq!((world.truth(), began.elapsed().as_secs()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_two_orders_and_the_first_is_answered() {
    let world = world(FaultPlan::none().always(CallKind::Place, Fault::Duplicate));
    let PlaceOutcome::Accepted(id) = world.place().await else { panic!() };
    assert_eq!(id.as_str(), "26112000000001");
    assert_eq!((world.truth(), world.broker.reached().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_lagging_broker_shows_an_order_later_and_its_position_at_once() {
    let world = world(FaultPlan::none().on(CallKind::Place, 1, Fault::LoseReply("reset".into())));
    world.broker.set_lag(Duration::from_secs(20));
    world.place().await;
    assert_eq!(world.seen().await, (0, 0));
    assert!(matches!(world.broker.positions().await, Snapshot::Authoritative(rows, _) if rows[0].net == 5));
    sleep(Duration::from_secs(19)).await;
    assert_eq!(world.seen().await, (0, 0));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.seen().await, (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_read_lies_in_every_way_and_then_tells_the_truth() {
    let world = world(FaultPlan::none());
    world.place().await;
    assert_eq!(world.seen().await, (1, 1));
    world.place().await;
    let read = async |fault| {
        world.broker.next(CallKind::Orders, fault);
        world.broker.orders().await
    };
    assert_eq!(read(Some(Fault::Unknown("html".into()))).await, Snapshot::Unknown("html".into()));
    assert_eq!(read(Some(Fault::Empty)).await, Snapshot::Authoritative(Vec::new(), Vec::new()));
    assert!(matches!(read(Some(Fault::Stale)).await, Snapshot::Authoritative(rows, _) if rows.len() == 1));
    assert!(matches!(read(Some(Fault::Duplicate)).await, Snapshot::Authoritative(rows, _) if rows.len() == 4 && rows[0] == rows[1]));
    assert!(matches!(read(Some(Fault::Unreadable(1))).await, Snapshot::Authoritative(rows, bad) if (rows.len(), bad.len()) == (1, 1)));
    assert_eq!(world.seen().await, (2, 2));
    assert_eq!(world.broker.calls(CallKind::Orders), 7);
}

#[tokio::test(start_paused = true)]
async fn stale_positions_are_no_older_than_was_promised() {
    let world = world(FaultPlan::none());
    let net = async |fault| {
        world.broker.next(CallKind::Positions, fault);
        match world.broker.positions().await {
            Snapshot::Authoritative(rows, _) => rows.iter().map(|row| row.net).sum::<i64>(),
            unproven => panic!("{unproven:?}"),
        }
    };
    world.broker.set_positions_within(Duration::from_secs(3));
    assert_eq!(net(None).await, 0);
    world.place().await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(net(Some(Fault::Stale)).await, 0, "three seconds old");
    sleep(Duration::from_millis(1)).await;
    assert_eq!(net(Some(Fault::Stale)).await, 5, "they would be older");
    world.place().await;
    assert_eq!(net(Some(Fault::Stale)).await, 5, "those of just now");
}

#[tokio::test(start_paused = true)]
async fn a_foreign_row_stands_beside_ours() {
    let world = world(FaultPlan::none());
    world.place().await;
    let mut row = world.broker.inner().exchange().orders()[0].as_ref().clone();
    row.tag = None;
    row.broker_order_id = BrokerOrderId::parse("26112099999999").unwrap();
    world.broker.show_foreign(row);
    assert_eq!((world.seen().await, world.truth()), ((2, 1), 1));
}

#[tokio::test(start_paused = true)]
async fn a_session_and_a_cancel_fail_too() {
    let plan = FaultPlan::none().on(CallKind::Session, 1, Fault::Refuse("Session Expired".into())).on(
        CallKind::Cancel,
        1,
        Fault::LoseReply("502".into()),
    );
    let world = world(plan);
    assert_eq!(world.broker.session().await, Session::NotReady("Session Expired".into()));
    assert_eq!(world.broker.session().await, Session::Ready);
    let mut order = world.order.clone();
    order.terms.price = Price::parse("800").ok();
    let PlaceOutcome::Accepted(id) = world.broker.place(world.broker.prepare(order, None).unwrap()).await else { panic!() };
    assert_eq!(world.broker.cancel(id.clone()).await, CallOutcome::Unconfirmed("502".into()));
    assert!(matches!(world.broker.cancel(id).await, CallOutcome::Rejected(_)), "the first one had reached it");
}

#[tokio::test(start_paused = true)]
async fn a_stream_loses_and_repeats() {
    let faults = StreamFaults { drop_every: 2, repeat_every: 3, delay: Duration::from_secs(5) };
    let world = world(FaultPlan::none().stream(faults));
    let mut events = world.broker.stream().unwrap();
    world.place().await;
    // Told: the day began, the trade (lost), the order (twice).
    assert_eq!(events.recv().await, Some(StreamEvent::Reconnected));
    let first = events.recv().await;
    assert!(matches!(first, Some(StreamEvent::Order(_))));
    assert_eq!(events.recv().await, first);
}

/// Whatever was planned: what knows the session no longer answers nothing else, until somebody has logged in again.
#[tokio::test(start_paused = true)]
async fn a_session_that_ended_answers_so_until_somebody_logs_in() {
    let World { _directory, broker, order } = world(FaultPlan::none().always(CallKind::Place, Fault::LoseReply("reset".into())));
    let place = || broker.place(broker.prepare(order.clone(), None).unwrap());
    broker.end_session(Duration::from_secs(5));
    assert!(matches!(place().await, PlaceOutcome::NoSession(_)));
    assert!(matches!(broker.cancel(BrokerOrderId::parse("1").unwrap()).await, CallOutcome::Rejected(_)));
    assert!(matches!(broker.session().await, Session::NotReady(_)));
    assert!(matches!(broker.orders().await, Snapshot::Unknown(_)));
    assert!(broker.quote(Arc::clone(&order.instrument)).await.is_err());
    assert!(broker.reached().is_empty() && broker.inner().exchange().orders().is_empty());
    sleep(Duration::from_secs(5)).await;
    assert_eq!(broker.session().await, Session::Ready);
    assert!(matches!(place().await, PlaceOutcome::Unconfirmed(_)), "the plan holds again");
    assert_eq!(broker.reached().len(), 1);
}
