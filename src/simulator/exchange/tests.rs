//! The exchange by example: every order type once, and every refusal that protects a fill.

use chrono::TimeDelta;
use ordergate_actors::order::{BookState, Exchange as Segment, InstrumentKey, OrderType, Price, Product, Quantity, Side, Validity};
use rust_decimal::Decimal;

use super::*;
use crate::instruments::{InstrumentTable, sample};
use crate::simulator::market::{Level, ScriptedMarket};

pub(super) struct Desk {
    pub(super) exchange: Exchange,
    pub(super) market: ScriptedMarket,
    pub(super) now: DateTime<Utc>,
}

pub(super) fn share() -> InstrumentKey {
    InstrumentKey::new(Segment::Nse, "SBIN-EQ")
}

pub(super) fn option() -> InstrumentKey {
    InstrumentKey::new(Segment::Nfo, "NIFTY24NOV26C25700")
}

pub(super) fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn levels(rows: &[(&str, i64)]) -> Vec<Level> {
    rows.iter().map(|(at, quantity)| Level { price: price(at), quantity: *quantity }).collect()
}

pub(super) fn desk() -> Desk {
    let now = "2026-11-20T05:00:00Z".parse().unwrap();
    let mut rows = sample("2026-11-20".parse().unwrap()).unwrap();
    // Round prices read better; the band of the others stays.
    rows.iter_mut().filter(|row| row.key == share()).for_each(|row| row.band = None);
    let table = InstrumentTable::new(rows);
    let desk = Desk { exchange: Exchange::new(Arc::new(table)), market: ScriptedMarket::new(), now };
    desk.shows(&[("99.95", 10), ("99.90", 20)], &[("100.05", 10), ("100.10", 20)], "100");
    desk.market.set(&option(), price("50"), price("50.05"), price("50"));
    desk
}

pub(super) fn terms(side: Side, quantity: i64, order_type: OrderType, limit: Option<&str>, trigger: Option<&str>) -> Terms {
    Terms {
        side,
        quantity: Quantity::new(quantity).unwrap(),
        product: Product::Mis,
        order_type,
        validity: Validity::Day,
        price: limit.map(price),
        trigger_price: trigger.map(price),
    }
}

fn buy(quantity: i64, limit: &str) -> Terms {
    terms(Side::Buy, quantity, OrderType::Limit, Some(limit), None)
}

impl Desk {
    fn shows(&self, bids: &[(&str, i64)], asks: &[(&str, i64)], last: &str) {
        self.market.set_depth(&share(), levels(bids), levels(asks), price(last));
    }

    fn place(&mut self, terms: Terms) -> Result<BrokerOrderId, Reject> {
        let order = NewOrder { instrument: share(), terms, tag: None };
        self.exchange.place(&order, self.now, &self.market).answer
    }

    fn advance(&mut self) {
        self.exchange.advance(self.now, &self.market);
    }

    /// State, units filled, average price.
    fn row(&self, id: &BrokerOrderId) -> (BookState, i64, Option<Decimal>) {
        let row = &self.exchange.order(id).unwrap().row;
        (row.state, row.filled, row.average_price)
    }

    fn net(&self) -> i64 {
        self.exchange.positions(self.now, &self.market).iter().map(|row| row.net).sum()
    }
}

#[test]
fn numbers_carry_the_day() {
    let mut desk = desk();
    assert_eq!(desk.place(buy(1, "90")).unwrap().as_str(), "26112000000001");
    assert_eq!(desk.place(buy(1, "90")).unwrap().as_str(), "26112000000002");
}

#[test]
fn an_arriving_order_walks_the_levels_and_the_rest_waits() {
    let mut desk = desk();
    let id = desk.place(buy(40, "100.10")).unwrap();
    assert_eq!(desk.row(&id), (BookState::Open, 30, Some(Decimal::new(1_000_833, 4))));
    // The same displayed units are not there a second time.
    desk.advance();
    assert_eq!(desk.row(&id).1, 30);
    desk.shows(&[], &[("100.05", 4)], "100");
    desk.advance();
    assert_eq!(desk.row(&id).1, 34);
    assert_eq!(desk.exchange.trades().last().unwrap().fill.price, price("100.10"), "it was there first, at its own price");
    desk.shows(&[], &[("100.00", 400)], "100");
    desk.advance();
    assert_eq!(desk.row(&id).0, BookState::Complete);
    assert_eq!((desk.net(), desk.exchange.trades().len()), (40, 4));
}

#[test]
fn two_orders_share_what_is_shown() {
    let mut desk = desk();
    let first = desk.place(buy(8, "100.05")).unwrap();
    let second = desk.place(buy(8, "100.05")).unwrap();
    assert_eq!((desk.row(&first).1, desk.row(&second).1), (8, 2));
}

#[test]
fn an_ioc_order_never_rests() {
    let mut desk = desk();
    let id = desk.place(Terms { validity: Validity::Ioc, ..buy(15, "100.05") }).unwrap();
    assert_eq!((desk.row(&id).0, desk.row(&id).1), (BookState::Cancelled, 10));
    assert_eq!(desk.exchange.order(&id).unwrap().row.reason.as_deref(), Some("IOC Order Cancelled"));
}

#[test]
fn a_market_order_takes_any_price_and_goes_on_when_more_is_shown() {
    let mut desk = desk();
    let id = desk.place(terms(Side::Sell, 50, OrderType::Market, None, None)).unwrap();
    assert_eq!((desk.row(&id).0, desk.row(&id).1), (BookState::Open, 30));
    desk.shows(&[("98", 100)], &[], "98");
    desk.advance();
    assert_eq!(desk.row(&id).0, BookState::Complete);
    assert_eq!(desk.exchange.trades().last().unwrap().fill.price, price("98"));
}

#[test]
fn a_stop_sleeps_until_its_trigger() {
    let mut desk = desk();
    let limit = desk.place(terms(Side::Sell, 5, OrderType::StopLimit, Some("98"), Some("99"))).unwrap();
    let market = desk.place(terms(Side::Sell, 5, OrderType::StopMarket, None, Some("99"))).unwrap();
    desk.advance();
    assert!(desk.exchange.order(&limit).unwrap().is_trigger_pending());
    // The touch alone wakes nobody: the last traded price does.
    desk.shows(&[("98.50", 100)], &[], "99.05");
    desk.advance();
    assert_eq!((desk.row(&limit).1, desk.row(&market).1), (0, 0));
    desk.shows(&[("97.50", 100)], &[], "99");
    desk.advance();
    assert!(!desk.exchange.order(&limit).unwrap().is_trigger_pending());
    assert_eq!((desk.row(&limit).0, desk.row(&market).0), (BookState::Open, BookState::Complete));
    desk.shows(&[("98.20", 100)], &[], "101");
    desk.advance();
    assert_eq!(desk.row(&limit).0, BookState::Complete);
}

#[test]
fn the_race_between_a_cancel_and_a_fill_has_one_winner() {
    let mut desk = desk();
    let id = desk.place(buy(5, "99")).unwrap();
    desk.shows(&[], &[("99", 5)], "99");
    // The market crossed the order before the cancel came, though nobody had looked.
    let lost = desk.exchange.cancel(&id, None, desk.now, &desk.market);
    assert_eq!(lost.answer, Err(Reject::NotOpen { id: id.clone(), state: BookState::Complete }));
    assert_eq!(desk.row(&id).0, BookState::Complete);

    let id = desk.place(buy(5, "98")).unwrap();
    assert_eq!(desk.exchange.cancel(&id, None, desk.now, &desk.market).answer, Ok(id.clone()));
    desk.shows(&[], &[("98", 5)], "98");
    desk.advance();
    assert_eq!((desk.row(&id).0, desk.row(&id).1), (BookState::Cancelled, 0));
    assert!(desk.exchange.cancel(&id, None, desk.now, &desk.market).answer.is_err());
}

#[test]
fn a_modify_speaks_of_the_total_and_never_loses_a_fill() {
    let mut desk = desk();
    let id = desk.place(buy(40, "100.05")).unwrap();
    let mut modify = |terms: &Terms| desk.exchange.modify(&id, terms, desk.now, &desk.market).answer;
    assert_eq!(modify(&buy(9, "100.05")), Err(Reject::BelowFilled { quantity: 9, filled: 10 }));
    assert_eq!(modify(&terms(Side::Sell, 40, OrderType::Limit, Some("100"), None)), Err(Reject::Unchangeable));
    assert_eq!(modify(&buy(40, "100.07")), Err(Reject::Tick { what: "price", price: price("100.07"), tick: price("0.05") }));
    assert_eq!(modify(&buy(25, "100.10")), Ok(id.clone()));
    // Ten at 100.05, fifteen more at 100.10: a changed price takes at once.
    assert_eq!((desk.row(&id).0, desk.row(&id).1), (BookState::Complete, 25));
    let done = desk.exchange.modify(&id, &buy(30, "100.10"), desk.now, &desk.market).answer;
    assert!(matches!(done, Err(Reject::NotOpen { .. })));
}

#[test]
fn a_modify_down_to_what_is_filled_completes_the_order() {
    let mut desk = desk();
    let id = desk.place(buy(40, "100.05")).unwrap();
    assert!(desk.exchange.modify(&id, &buy(10, "100.05"), desk.now, &desk.market).answer.is_ok());
    assert_eq!((desk.row(&id).0, desk.row(&id).1), (BookState::Complete, 10));
}

#[test]
fn a_limit_can_become_a_stop_and_waits_again() {
    let mut desk = desk();
    let id = desk.place(buy(5, "99")).unwrap();
    let stop = terms(Side::Buy, 5, OrderType::StopLimit, Some("103"), Some("102"));
    assert!(desk.exchange.modify(&id, &stop, desk.now, &desk.market).answer.is_ok());
    assert!(desk.exchange.order(&id).unwrap().is_trigger_pending());
    desk.shows(&[], &[("102.50", 5)], "102");
    desk.advance();
    assert_eq!(desk.row(&id).2, Some(Decimal::new(1_025, 1)));
}

#[test]
fn refuses_what_the_instrument_does_not_take() {
    let mut desk = desk();
    let mut place = |key: &str, terms: Terms| {
        let segment = if key.starts_with("NIFTY2") || key.starts_with("NIFTY0") { Segment::Nfo } else { Segment::Nse };
        let order = NewOrder { instrument: InstrumentKey::new(segment, key), terms, tag: None };
        desk.exchange.place(&order, desk.now, &desk.market).answer.unwrap_err()
    };
    assert!(matches!(place("NIFTY", buy(65, "100")), Reject::NotTradable(_)));
    assert!(matches!(place("NOBODY-EQ", buy(1, "100")), Reject::UnknownInstrument(_)));
    assert!(matches!(place("INFY-EQ", buy(1, "1500")), Reject::NoMarket(_)));
    assert!(matches!(place("NIFTY24NOV26C25700", buy(75, "100")), Reject::Lot { .. }));
    assert!(matches!(place("NIFTY24NOV26C25700", buy(1820, "100")), Reject::Freeze { .. }));
    assert!(matches!(place("SBIN-EQ", Terms { product: Product::Nrml, ..buy(1, "900") }), Reject::Product(..)));
    assert!(matches!(place("RELIANCE-EQ", buy(1, "1000")), Reject::Band { .. }));
    assert!(matches!(place("SBIN-EQ", terms(Side::Buy, 1, OrderType::Limit, None, None)), Reject::PriceMissing(_)));
    assert!(matches!(place("SBIN-EQ", terms(Side::Buy, 1, OrderType::StopMarket, None, None)), Reject::TriggerMissing(_)));
    let beyond = terms(Side::Buy, 1, OrderType::StopLimit, Some("900"), Some("900.05"));
    assert!(matches!(place("SBIN-EQ", beyond), Reject::TriggerBeyondPrice { .. }));
    let stop = terms(Side::Buy, 1, OrderType::StopMarket, None, Some("900"));
    assert_eq!(place("SBIN-EQ", Terms { validity: Validity::Ioc, ..stop }), Reject::StopIoc);
    assert!(desk.exchange.orders().is_empty());
}

#[test]
fn a_refusal_can_be_left_in_the_book() {
    let mut desk = desk();
    let order = NewOrder { instrument: share(), terms: buy(1, "100"), tag: Some("T1".into()) };
    let id = desk.exchange.refuse(&order, "RED:Margin Shortfall", desk.now).answer.unwrap();
    let row = &desk.exchange.order(&id).unwrap().row;
    assert_eq!((row.state, row.reason.as_deref(), row.tag.as_deref()), (BookState::Rejected, Some("RED:Margin Shortfall"), Some("T1")));
}

#[test]
fn positions_are_kept_by_product_with_what_was_realised() {
    let mut desk = desk();
    desk.place(buy(10, "100.05")).unwrap();
    desk.place(Terms { product: Product::Cnc, ..buy(5, "100.10") }).unwrap();
    desk.shows(&[("102.05", 50)], &[], "102");
    desk.place(terms(Side::Sell, 4, OrderType::Limit, Some("102"), None)).unwrap();
    let rows = desk.exchange.positions(desk.now, &desk.market);
    let seen: Vec<_> = rows.iter().map(|row| (row.holding.product, row.net, row.realised.0, row.unrealised.0)).collect();
    // 4 * (102.05 - 100.05); 6 * (102 - 100.05); 5 * (102 - 100.10)
    let (realised, open, delivery) = (Decimal::from(8), Decimal::new(117, 1), Decimal::new(95, 1));
    assert_eq!(seen, [(Product::Mis, 6, realised, open), (Product::Cnc, 5, Decimal::ZERO, delivery)]);
}

#[test]
fn a_new_day_expires_orders_and_carries_positions() {
    let mut desk = desk();
    let (done, resting) = (desk.place(buy(5, "100.05")).unwrap(), desk.place(buy(8, "100.05")).unwrap());
    let held = NewOrder { instrument: option(), terms: Terms { product: Product::Nrml, ..buy(65, "50.05") }, tag: None };
    desk.exchange.place(&held, desk.now, &desk.market).answer.unwrap();
    desk.now += TimeDelta::days(1);
    let events = desk.exchange.advance(desk.now, &desk.market);
    assert_eq!(events.len(), 1);
    assert!(desk.exchange.order(&done).is_none());
    assert_eq!((desk.row(&resting).0, desk.row(&resting).1), (BookState::Expired, 5));
    let told: Vec<_> =
        desk.exchange.trades().iter().map(|trade| (trade.fill.broker_order_id.clone(), trade.fill.quantity.value())).collect();
    assert_eq!(told, [(resting.clone(), 5)], "what is seen for one more day is seen with its trades");
    let mut short = Book::default();
    desk.exchange.book().base().iter().try_for_each(|event| short.apply(event)).unwrap();
    assert_eq!(&short, desk.exchange.book());
    assert_eq!(desk.net(), 10 + 65);
    // The option's last day is the 24th.
    desk.now += TimeDelta::days(4);
    desk.advance();
    assert!(desk.exchange.order(&resting).is_none() && desk.exchange.trades().is_empty());
    assert_eq!(desk.net(), 10);
    assert!(matches!(desk.exchange.place(&held, desk.now, &desk.market).answer, Err(Reject::InstrumentExpired(_))));
    assert_eq!(desk.place(buy(1, "90")).unwrap().as_str(), "26112500000001");
}
