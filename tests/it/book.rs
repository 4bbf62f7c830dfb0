//! A data directory with orders in it, written by the engine's own ledger.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use ordergate::store::SqliteStore;
use ordergate_actors::order::{
    Answered, Ask, BasketId, BookState, BrokerOrderId, CallAnswer, ChangeCall, ClientId, CommandId, Exchange, Fill, GateVerdict, Heard,
    Intent, LegDraft, OrderFact, OrderRecord, OrderType, Price, Product, Quantity, Side, SignalId, Source, Strategy, Tag, Terms, TradeId,
    Validity,
};
use ordergate_actors::persistence::{
    Admission, Cargo, Event, Ledger, Listener, NewOrder, Note, OrderUnit, Orphans, Posted, Registration, Seat, Unit,
};
use ordergate_actors::ports::Ids;
use ordergate_actors::testkit::{CountedIds, ManualClock};
use parking_lot::Mutex;

/// Everything that was committed, as listeners see it.
pub(crate) type Seen = Arc<Mutex<Vec<Event>>>;

struct Keep(Seen);

impl Listener for Keep {
    fn committed(&mut self, events: &[Event]) {
        self.0.lock().extend_from_slice(events);
    }
}

/// A ledger on a directory.
pub(crate) struct Book {
    ledger: Ledger,
    admission: Arc<Admission>,
    clock: Arc<ManualClock>,
    ids: Arc<CountedIds>,
    pub(crate) seen: Seen,
}

/// Before any day on which a test runs: ages must not depend on it.
pub(crate) fn long_ago() -> DateTime<Utc> {
    "2020-01-03T04:00:00Z".parse().unwrap()
}

pub(crate) fn client() -> ClientId {
    ClientId::parse("PAPER1").unwrap()
}

impl Book {
    pub(crate) fn open(directory: &Path, listeners: Vec<Box<dyn Listener>>) -> Self {
        Self::open_with_seed(directory, listeners, 1)
    }

    pub(crate) fn open_with_seed(directory: &Path, mut listeners: Vec<Box<dyn Listener>>, seed: u64) -> Self {
        let clock = ManualClock::at(long_ago() + Duration::hours(i64::try_from(seed).unwrap()));
        let store = SqliteStore::in_directory(directory, long_ago()).unwrap();
        let admission = Admission::new(1_000, 10);
        let seat = Seat { admission: Arc::clone(&admission), orphans: Arc::new(Orphans::default()) };
        let seen = Seen::default();
        listeners.push(Box::new(Keep(Arc::clone(&seen))));
        let opened = Ledger::open(Box::new(store), clock.clone(), BTreeMap::from([(client(), seat)]), listeners).unwrap();
        Self { ledger: opened.ledger, admission, clock, ids: CountedIds::new(seed), seen }
    }

    fn round(&mut self, unit: Unit) {
        self.clock.advance(Duration::milliseconds(7));
        self.ledger.round(vec![Posted { unit, cargo: Cargo::None }]).unwrap();
    }

    /// Registers one order; `None` for the side: an exit whose size is not settled.
    pub(crate) fn create(&mut self, symbol: &str, side: Option<Side>, refused: Option<(Tag, &str)>) -> CommandId {
        let leg = self.leg(0, symbol, side, refused);
        let command_id = leg.command_id;
        let unit = self.registration(vec![leg]);
        self.round(unit);
        command_id
    }

    /// So many signals of a hundred orders each, all refused as they are registered; in one commit.
    pub(crate) fn refuse_hundreds(&mut self, signals: u16) {
        let units = (0..signals).map(|_| {
            let legs = (0..100).map(|leg| self.leg(leg, "NOPE", Some(Side::Buy), Some((Tag::ValidationFailed, "not known")))).collect();
            Posted { unit: self.registration(legs), cargo: Cargo::None }
        });
        let posted = units.collect();
        self.ledger.round(posted).unwrap();
    }

    fn leg(&self, leg: u16, symbol: &str, side: Option<Side>, refused: Option<(Tag, &str)>) -> NewOrder {
        let quantity = side.and_then(|_| Quantity::new(10));
        let intent = if side.is_some() { Intent::Entry } else { Intent::Exit };
        let ask = Ask {
            strategy: Strategy::parse("trend").unwrap(),
            intent: Some(intent),
            exchange: Some(Exchange::Nse),
            symbol: Arc::from(symbol),
            side,
            quantity,
            product: Some(Product::Mis),
            order_type: Some(OrderType::Market),
            validity: Validity::Day,
            price: None,
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
        let sent = LegDraft {
            execution_type: Some(intent.to_string()),
            exchange: Some("nse".to_owned()),
            symbol: Some(format!(" {symbol} ")),
            side: side.map(|side| side.to_string().to_lowercase()),
            quantity: quantity.map(|quantity| format!("{quantity}.0")),
            order_type: Some("MKT".to_owned()),
            ..LegDraft::default()
        };
        NewOrder {
            command_id: CommandId(self.ids.next()),
            leg,
            ask,
            refused: refused.map(|(tag, reason)| (tag, reason.to_owned())),
            sent: serde_json::to_string(&sent).unwrap(),
            naming: None,
            parent: None,
            permit: self.admission.force(),
        }
    }

    fn registration(&self, legs: Vec<NewOrder>) -> Unit {
        let now = ordergate_actors::ports::Clock::now(&*self.clock);
        Unit::Register(Box::new(Registration {
            client_id: client(),
            signal_id: SignalId(self.ids.next()),
            basket_id: BasketId(self.ids.next()),
            source: Source::Webhook,
            user: Arc::from("tv"),
            key: None,
            body_hash: *self.ids.next().as_bytes().repeat(2).first_chunk().unwrap(),
            replay_window_ms: 0,
            received_at: now,
            signal_time: now,
            legs,
            fired: None,
            plan: None,
        }))
    }

    pub(crate) fn fact(&mut self, command_id: CommandId, fact: OrderFact) {
        self.round(Unit::Order(OrderUnit { client_id: client(), command_id, fact, who: Arc::from("TestActor") }));
    }

    pub(crate) fn send(&mut self, command_id: CommandId, quantity: i64) {
        let terms = terms(quantity);
        let gate = GateVerdict { gate: "risk.max_quantity".into(), passed: true, input: "10".to_owned(), limit: "10000".to_owned() };
        self.fact(
            command_id,
            OrderFact::SendIntended { terms, request: "PLACE BUY 10".to_owned(), gates: vec![gate], note: None, high_water: None },
        );
    }

    pub(crate) fn refuse(&mut self, command_id: CommandId, tag: Tag, gate: &str, input: &str, limit: &str) {
        let reason = format!("{gate}: {input} (limit: {limit})");
        let gate = GateVerdict { gate: gate.to_owned().into(), passed: false, input: input.to_owned(), limit: limit.to_owned() };
        self.fact(command_id, OrderFact::Refused { tag, reason, gates: vec![gate] });
    }

    pub(crate) fn accept(&mut self, command_id: CommandId, number: &str) {
        self.fact(command_id, OrderFact::Accepted { broker_order_id: BrokerOrderId::parse(number).unwrap() });
    }

    pub(crate) fn fill(&mut self, command_id: CommandId, number: &str, trade: &str, quantity: i64, price: &str) {
        let fill = Fill {
            trade_id: TradeId::parse(trade).unwrap(),
            broker_order_id: BrokerOrderId::parse(number).unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
            price: Price::parse(price).unwrap(),
            at: long_ago(),
        };
        self.fact(command_id, OrderFact::Fill(fill));
    }

    pub(crate) fn book(&mut self, command_id: CommandId, number: &str, state: BookState, filled: i64, price: Option<&str>) {
        let average_price = price.map(|price| Price::parse(price).unwrap().value());
        let broker_order_id = BrokerOrderId::parse(number).unwrap();
        self.fact(
            command_id,
            OrderFact::Book {
                broker_order_id,
                state,
                filled,
                average_price,
                quantity: 10,
                price: None,
                trigger_price: None,
                order_type: None,
                reason: None,
                besides: None,
            },
        );
    }

    pub(crate) fn alarm(&mut self, command_id: Option<CommandId>) {
        self.round(Unit::Note(Note {
            client_id: Some(client()),
            event: "ALARM_IN_DOUBT",
            level: ordergate_actors::persistence::Level::Page,
            text: "somebody must look".to_owned(),
            command_id,
            who: Arc::from("TestActor"),
            inputs: "{}".to_owned(),
        }));
    }

    pub(crate) fn close(mut self) {
        self.ledger.close().unwrap();
    }

    /// Nothing is closed in order: what a crash leaves.
    pub(crate) fn records(&self) -> Vec<Arc<OrderRecord>> {
        self.seen.lock().iter().filter_map(|event| event.record.clone()).collect()
    }
}

pub(crate) fn terms(quantity: i64) -> Terms {
    Terms {
        side: Side::Buy,
        quantity: Quantity::new(quantity).unwrap(),
        product: Product::Mis,
        order_type: OrderType::Limit,
        validity: Validity::Day,
        price: Price::parse("1402.55").ok(),
        trigger_price: None,
    }
}

/// Every way that an order can go.
pub(crate) fn a_day(book: &mut Book) -> Vec<CommandId> {
    let done = book.create("RELIANCE-EQ", Some(Side::Buy), None);
    book.send(done, 10);
    book.accept(done, "B1");
    book.fill(done, "B1", "T1", 4, "100");
    book.alarm(Some(done));
    book.fill(done, "B1", "T2", 6, "101.5");
    book.book(done, "B1", BookState::Complete, 10, Some("100.9"));

    let refused = book.create("SBIN-EQ", Some(Side::Sell), None);
    book.refuse(refused, Tag::RiskLimitsExceeded, "risk.daily_loss", "the day stands at -499.00 rupees", "above -15.00 rupees");

    let doubt = book.create("INFY-EQ", None, None);
    book.send(doubt, 5);
    book.fact(doubt, OrderFact::Unconfirmed { cause: "no answer in 2 s".to_owned() });
    book.book(doubt, "B2", BookState::Open, 0, None);
    book.fact(doubt, OrderFact::CancelWanted { tag: Tag::CancelledByUser, reason: "by asha".to_owned() });
    book.book(doubt, "B2", BookState::Cancelled, 2, Some("1500.5"));
    book.alarm(None);

    let bad = book.create("NOPE", Some(Side::Buy), Some((Tag::ValidationFailed, "tradingsymbol NOPE is not known")));
    let modified = book.create("M&M-EQ", Some(Side::Buy), None);
    book.send(modified, 10);
    book.accept(modified, "B3");
    book.fact(modified, OrderFact::CallIntended { call: ChangeCall::Modify, request: "to 7".to_owned(), terms: Some(terms(7)) });
    book.fact(
        modified,
        OrderFact::CallReplied {
            call: ChangeCall::Modify,
            answer: CallAnswer::read("accepted"),
            change: Some(Answered { terms: terms(7), heard: Heard::Taken }),
        },
    );
    vec![done, refused, doubt, bad, modified]
}
