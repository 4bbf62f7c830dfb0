//! Small builders for the tests of the pure cores: an order, a book, what the broker showed, what a rule looks at.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

pub(crate) use super::book_row::book_row;
pub(crate) use super::order::order;
use super::{ListedInstruments, morning};
use crate::order::{
    Amount, BasketId, BrokerOrderId, ClientId, CommandId, Exchange, Holding, HoldingKey, Instrument, InstrumentKey, Intent, Kind,
    OrderRecord, OrderType, Points, Price, Product, Quantity, Right, Side, Status, Strategy, Tag, Terms, TestMode, trading_date,
};
use crate::persistence::{Book, Control, ControlChange, Event, KillLevel, Level};
use crate::ports::{AccountHead, JournalRow, PositionRow, Session};
use crate::settings::{AccountSettings, Limits, Settings, Waits};
use crate::watcher::{Findings, Positions};

pub(crate) fn at(second: i64) -> DateTime<Utc> {
    morning() + chrono::Duration::seconds(second)
}

/// A note in the journal, of an account or of the process.
pub(crate) fn noted(account: Option<&str>, seq: u64, level: Level) -> Event {
    let row = JournalRow {
        client_id: account.map(|name| ClientId::parse(name).unwrap()),
        seq,
        prev_hash: [0; 32],
        at: morning(),
        event: Arc::from("NOTE"),
        command_id: None,
        signal_id: None,
        from: None,
        to: None,
        tag: None,
        reason: None,
        who: Arc::from("test"),
        inputs: Arc::from("{}"),
    };
    Event { row: Arc::new(row), record: None, level, control: None, kept: None }
}

pub(crate) fn strategy(name: &str) -> Strategy {
    Strategy::parse(name).unwrap()
}

pub(crate) fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

pub(crate) fn units(value: i64) -> Quantity {
    Quantity::new(value).unwrap()
}

pub(crate) fn rupees(value: i64) -> Amount {
    Amount(Decimal::from(value))
}

/// Prices times units.
pub(crate) fn points(value: i64) -> Points {
    Points(Decimal::from(value))
}

pub(crate) fn nse(symbol: &str) -> InstrumentKey {
    InstrumentKey::new(Exchange::Nse, symbol)
}

/// What the orders of these tests are for unless a test says otherwise.
pub(crate) fn sbin() -> InstrumentKey {
    nse("SBIN-EQ")
}

pub(crate) fn sbin_in(product: Product) -> HoldingKey {
    HoldingKey { instrument: sbin(), product }
}

pub(crate) fn broker_id(text: &str) -> BrokerOrderId {
    BrokerOrderId::parse(text).unwrap()
}

pub(crate) fn command(number: u64) -> CommandId {
    CommandId(Uuid::from_u128(u128::from(number)))
}

/// Held since second 0 at this average price.
pub(crate) fn held_at(net: i64, average: &str) -> Holding {
    let average: Decimal = average.parse().unwrap();
    Holding { net, cost: Points(average * Decimal::from(net.abs())), realised: Points::ZERO, opened_at: Some(at(0)) }
}

/// EXIT of all that "trend" holds in SBIN-EQ, at the market.
pub(crate) fn exit(number: u64) -> OrderRecord {
    let mut order = order(number).intent(Intent::Exit);
    (order.ask.side, order.ask.quantity, order.ask.product) = (None, None, None);
    (order.ask.order_type, order.ask.price) = (Some(OrderType::Market), None);
    order
}

/// One word for each way in which the order of a test differs.
pub(crate) trait Build {
    fn by(self, name: &str) -> Self;
    fn of(self, symbol: &str) -> Self;
    fn intent(self, intent: Intent) -> Self;
    fn side(self, side: Side) -> Self;
    fn asks(self, quantity: i64) -> Self;
    fn product(self, product: Product) -> Self;
    fn market(self) -> Self;
    fn basket(self, number: u64, leg: u16) -> Self;
    fn test(self) -> Self;
    fn sent(self) -> Self;
    fn working(self, id: &str) -> Self;
    fn doubted(self) -> Self;
    fn filled(self, filled: i64, traded: i64) -> Self;
    fn ended(self, status: Status, tag: Option<Tag>) -> Self;
}

impl Build for OrderRecord {
    fn by(mut self, name: &str) -> Self {
        self.ask.strategy = strategy(name);
        self
    }
    fn of(mut self, symbol: &str) -> Self {
        self.ask.symbol = Arc::from(symbol);
        self
    }
    fn intent(mut self, intent: Intent) -> Self {
        self.ask.intent = Some(intent);
        self
    }
    fn side(mut self, side: Side) -> Self {
        self.ask.side = Some(side);
        self
    }
    fn asks(mut self, quantity: i64) -> Self {
        self.ask.quantity = Some(units(quantity));
        self
    }
    fn product(mut self, product: Product) -> Self {
        self.ask.product = Some(product);
        self
    }
    fn market(mut self) -> Self {
        (self.ask.order_type, self.ask.price) = (Some(OrderType::Market), None);
        self
    }
    fn basket(mut self, number: u64, leg: u16) -> Self {
        self.basket_id = BasketId(Uuid::from_u128(u128::from(number)));
        self.leg = leg;
        self
    }
    fn test(mut self) -> Self {
        self.ask.test_mode = Some(TestMode::Success);
        self
    }
    fn sent(mut self) -> Self {
        self.status = Status::SentToBroker;
        self.sent_at = Some(at(1));
        self
    }
    fn working(self, id: &str) -> Self {
        let mut order = self.sent();
        order.broker_order_id = Some(broker_id(id));
        order
    }
    fn doubted(self) -> Self {
        let mut order = self.sent();
        order.tag = Some(Tag::SendUnconfirmed);
        order
    }
    fn filled(mut self, filled: i64, traded: i64) -> Self {
        (self.filled_quantity, self.traded_quantity) = (filled, traded);
        if self.status.is_at_broker() && filled > 0 {
            self.status = if filled < self.quantity() { Status::Partial } else { Status::Executed };
        }
        self
    }
    fn ended(mut self, status: Status, tag: Option<Tag>) -> Self {
        (self.status, self.tag) = (status, tag);
        self
    }
}

/// The journal row up to which the books of these tests are true; every holding's last fill is at it.
pub(crate) const SEQ: u64 = 100;

/// A book of these orders and these holdings (strategy, key, net), opened before the morning.
pub(crate) fn book_of(orders: impl IntoIterator<Item = OrderRecord>, holdings: &[(&str, HoldingKey, i64)]) -> Book {
    let orders: Vec<OrderRecord> = orders.into_iter().collect();
    let held = |net: i64| Holding { net, cost: points(net.abs() * 800), realised: Points::ZERO, opened_at: Some(at(-60)) };
    let head = AccountHead {
        client_id: ClientId::parse("PAPER1").unwrap(),
        last_number: orders.iter().map(|order| order.number).max().unwrap_or(0),
        orders,
        holdings: holdings.iter().map(|(name, key, net)| (strategy(name), key.clone(), held(*net))).collect(),
        control: None,
    };
    let mut book = Book::load(head, SEQ, Control::default());
    book.begin_day(trading_date(at(0)), &[]);
    book
}

/// The same while everything is to be squared off.
pub(crate) fn squared_off(orders: impl IntoIterator<Item = OrderRecord>, holdings: &[(&str, HoldingKey, i64)]) -> Book {
    let mut book = book_of(orders, holdings);
    book.put_control(Control { level: KillLevel::SquareOff, ..Control::default() });
    book
}

pub(crate) fn position(key: HoldingKey, net: i64) -> PositionRow {
    PositionRow { holding: key, net, average_price: None, realised: Amount::ZERO, unrealised: Amount::ZERO, per_point: None, carried: None }
}

/// The broker shows this row too.
pub(crate) fn add_row(findings: &mut Findings, row: PositionRow) {
    let positions = findings.positions.take().unwrap_or_else(|| Positions::new(Vec::new(), at(0), SEQ));
    let rows = positions.rows().iter().cloned().chain([row]).collect();
    findings.positions = Some(Positions::new(rows, positions.at, positions.began_seq));
}

/// Each row of the broker's positions has lost so many rupees, as it was read at that time.
pub(crate) fn shows_lost(findings: &mut Findings, rupees_each: i64, read_at: DateTime<Utc>) {
    let Some(positions) = findings.positions.take() else { return };
    let lost = positions.rows().iter().map(|row| PositionRow { unrealised: rupees(-rupees_each), ..row.clone() });
    findings.positions = Some(Positions::new(lost.collect(), read_at, positions.began_seq));
}

/// A proven session and these positions, read now, with every fill in them.
pub(crate) fn broker_shows(positions: &[(HoldingKey, i64)]) -> Findings {
    let rows = positions.iter().map(|(key, net)| position(key.clone(), *net)).collect();
    Findings { session: Some(Session::Ready), positions: Some(Positions::new(rows, at(0), SEQ)), ..Findings::default() }
}

pub(crate) fn terms_of(order: &OrderRecord) -> Terms {
    Terms {
        side: order.ask.side.unwrap_or(Side::Sell),
        quantity: order.ask.quantity.unwrap_or(units(1)),
        product: order.ask.product.unwrap_or(Product::Mis),
        order_type: order.ask.order_type.unwrap_or(OrderType::Limit),
        validity: order.ask.validity,
        price: order.ask.price,
        trigger_price: order.ask.trigger_price,
    }
}

/// Exits are frozen.
pub(crate) fn frozen_control() -> Control {
    Control::default().after(&ControlChange::Freeze(true), "asha", "a drill", morning())
}

pub(crate) fn share() -> Instrument {
    Instrument {
        rupees_per_point: Decimal::ONE,
        key: sbin(),
        token: 3045,
        underlying: Arc::from("SBIN"),
        kind: Kind::Equity,
        lot: units(1),
        tick: price("0.05"),
        freeze: None,
        band: None,
    }
}

/// Lots of 75, frozen above 1800.
pub(crate) fn future() -> Instrument {
    Instrument {
        rupees_per_point: Decimal::ONE,
        key: InstrumentKey::new(Exchange::Nfo, "NIFTY26NOVFUT"),
        token: 35_000,
        underlying: Arc::from("NIFTY"),
        kind: Kind::Future { expiry: chrono::NaiveDate::from_ymd_opt(2026, 11, 24).unwrap() },
        lot: units(75),
        tick: price("0.05"),
        freeze: Some(units(1800)),
        band: None,
    }
}

/// A position of an index's contract of that name.
pub(crate) fn nfo(symbol: &str) -> HoldingKey {
    HoldingKey { instrument: InstrumentKey::new(Exchange::Nfo, symbol), product: Product::Nrml }
}

/// An option beside [`future`].
pub(crate) fn option(symbol: &str, strike: &str, right: Right) -> Instrument {
    let expiry = chrono::NaiveDate::from_ymd_opt(2026, 11, 24).unwrap();
    Instrument { key: nfo(symbol).instrument, kind: Kind::Option { expiry, strike: price(strike), right }, ..future() }
}

/// A master of these rows.
pub(crate) fn listed(rows: impl IntoIterator<Item = Instrument>) -> ListedInstruments {
    ListedInstruments(rows.into_iter().map(|row| (row.key.clone(), Arc::new(row))).collect())
}

pub(crate) fn settings() -> Settings {
    Settings {
        max_notional: rupees(100_000_000),
        entry_ttl: Duration::from_secs(30),
        future_tolerance: Duration::from_secs(5),
        max_clock_skew: Duration::from_secs(2),
        restarts_most: 5,
        restarts_window: Duration::from_secs(60),
        mailbox: 1_000,
        min_free_bytes: 1_000,
        lock_patience: Duration::ZERO,
        drain_deadline: Duration::from_secs(5),
    }
}

pub(crate) fn account() -> AccountSettings {
    AccountSettings {
        client_id: ClientId::parse("PAPER1").unwrap(),
        limits: Limits {
            max_quantity: 100,
            max_order_value: rupees(50_000),
            max_open_orders: 3,
            daily_loss: rupees(1_000),
            ..Limits::standard()
        },
        waits: Waits::standard(Duration::from_secs(1)),
        permits: 100,
        permits_for_exits: 10,
        budget: crate::ports::BudgetChange::default(),
        exits: Default::default(),
        quantity_units: Default::default(),
        arming: crate::arming::ArmingSettings::default(),
    }
}
