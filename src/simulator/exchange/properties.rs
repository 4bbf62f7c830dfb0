//! What is true of the exchange after any sequence of requests.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use ordergate_actors::order::{BookState, HoldingKey, InstrumentKey, OrderType, Price, Product, Quantity, Side, Validity};
use proptest::prelude::{Just, Strategy, TestCaseError, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use rust_decimal::Decimal;

use super::resting::Resting;
use super::tests::{Desk, desk, option, share};
use super::*;
use crate::simulator::market::{Depth, Level};

#[derive(Debug, Clone)]
pub(super) enum Step {
    Place(bool, Terms),
    Cancel(usize),
    Modify(usize, i64, i64, i64),
    Market(bool, i64, i64, Vec<i64>),
    Advance,
    NextDay,
}

fn any_terms(lot: i64) -> impl Strategy<Value = Terms> {
    let order_type = prop_oneof![Just(OrderType::Limit), Just(OrderType::Market), Just(OrderType::StopLimit), Just(OrderType::StopMarket)];
    (any::<bool>(), 1i64..6, any::<bool>(), order_type, any::<bool>(), 900i64..1_100, 900i64..1_100).prop_map(
        move |(buy, lots, intraday, order_type, ioc, price, trigger)| Terms {
            side: if buy { Side::Buy } else { Side::Sell },
            quantity: Quantity::new(lots * lot).unwrap(),
            product: if intraday { Product::Mis } else { [Product::Cnc, Product::Nrml][usize::from(lot > 1)] },
            order_type,
            validity: if ioc { Validity::Ioc } else { Validity::Day },
            price: Some(ticks(price)),
            trigger_price: Some(ticks(trigger)),
        },
    )
}

/// Ticks of 0.05.
fn ticks(n: i64) -> Price {
    Price::new(Decimal::new(n * 5, 2)).unwrap()
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let market = (any::<bool>(), 900i64..1_100, 1i64..4, proptest::collection::vec(1i64..8, 1..6));
    let step = prop_oneof![
        4 => (any::<bool>(), any_terms(1)).prop_map(|(_, terms)| Step::Place(false, terms)),
        4 => (any::<bool>(), any_terms(65)).prop_map(|(_, terms)| Step::Place(true, terms)),
        2 => any::<usize>().prop_map(Step::Cancel),
        3 => (any::<usize>(), 1i64..8, 900i64..1_100, 900i64..1_100).prop_map(|(n, lots, price, trigger)| Step::Modify(n, lots, price, trigger)),
        4 => market.prop_map(|(option, bid, spread, depth)| Step::Market(option, bid, spread, depth)),
        2 => Just(Step::Advance),
        1 => Just(Step::NextDay),
    ];
    proptest::collection::vec(step, 1..60)
}

impl Desk {
    fn run(&mut self, step: &Step) -> Vec<Event> {
        self.now += TimeDelta::seconds(1);
        let (exchange, market, now) = (&mut self.exchange, &self.market, self.now);
        let pick = |exchange: &Exchange, n: usize| {
            let ids: Vec<_> = exchange.orders().iter().map(|row| row.broker_order_id.clone()).collect();
            (!ids.is_empty()).then(|| ids[n % ids.len()].clone())
        };
        match step {
            Step::Place(is_option, terms) => {
                let instrument = if *is_option { option() } else { share() };
                exchange.place(&NewOrder { instrument, terms: terms.clone(), tag: None }, now, market).events
            }
            Step::Cancel(n) => pick(exchange, *n).map_or(Vec::new(), |id| exchange.cancel(&id, None, now, market).events),
            Step::Modify(n, lots, price, trigger) => {
                let Some(id) = pick(exchange, *n) else { return Vec::new() };
                let order = exchange.order(&id).unwrap();
                let lot = if order.row.instrument == option() { 65 } else { 1 };
                let quantity = Quantity::new(lots * lot).unwrap();
                let terms = Terms { quantity, price: Some(ticks(*price)), trigger_price: Some(ticks(*trigger)), ..order.terms.clone() };
                exchange.modify(&id, &terms, now, market).events
            }
            Step::Market(is_option, bid, spread, depth) => {
                let (key, lot) = if *is_option { (option(), 65) } else { (share(), 1) };
                let side = |best: i64, direction: i64| -> Vec<Level> {
                    (0i64..).zip(depth).map(|(n, lots)| Level { price: ticks(best + direction * n), quantity: lots * lot }).collect()
                };
                market.set_depth(&key, side(*bid, -1), side(bid + spread, 1), ticks(*bid));
                Vec::new()
            }
            Step::Advance => exchange.advance(now, market),
            Step::NextDay => {
                self.now += TimeDelta::days(1);
                self.exchange.advance(self.now, &self.market)
            }
        }
    }

    fn shown(&self, key: &InstrumentKey) -> Option<Depth> {
        let instrument = self.exchange.instruments.find(key)?;
        self.market.depth(&instrument, self.now)
    }
}

/// The book agrees with itself, whatever happened.
fn check_book(desk: &Desk) -> Result<(), TestCaseError> {
    let book = desk.exchange.book();
    let mut traded: BTreeMap<_, (i64, Decimal)> = BTreeMap::new();
    let mut flows: BTreeMap<HoldingKey, i64> = BTreeMap::new();
    for trade in &book.trades {
        let sum = traded.entry(trade.fill.broker_order_id.clone()).or_default();
        sum.0 += trade.fill.quantity.value();
        sum.1 += trade.fill.price.times(trade.fill.quantity.value()).0;
        let row = &book.orders.get(&trade.fill.broker_order_id).unwrap().row;
        // What the day before left is carried.
        if row.state == BookState::Expired {
            continue;
        }
        let key = HoldingKey { instrument: row.instrument.clone(), product: row.product };
        *flows.entry(key).or_default() += row.side.sign() * trade.fill.quantity.value();
    }
    for order in book.orders.iter() {
        let (row, id) = (&order.row, &order.row.broker_order_id);
        prop_assert!((0..=row.quantity).contains(&row.filled));
        let (quantity, value) = traded.get(id).copied().unwrap_or_default();
        prop_assert_eq!((row.filled, order.value.0), (quantity, value), "order {}", id);
        if row.state != BookState::Expired {
            prop_assert_eq!(row.state == BookState::Complete, row.filled == row.quantity, "order {}", id);
        }
        if order.terms.validity == Validity::Ioc {
            prop_assert!(!order.is_open(), "IOC order {} rests", id);
        }
    }
    let mut resting = Resting::default();
    book.orders.iter().filter(|order| order.is_open()).for_each(|order| resting.add(order));
    prop_assert_eq!(&resting, &book.resting);
    for (key, position) in &book.positions {
        prop_assert_eq!(position.holding.net, position.carried.net + flows.remove(key).unwrap_or(0), "{}", key);
        prop_assert_eq!(position.holding.net - position.carried.net, position.bought.quantity - position.sold.quantity);
    }
    prop_assert!(flows.is_empty());
    Ok(())
}

/// Nothing trades at a price, in a size or at a time at which it must not.
fn check_events(desk: &Desk, events: &[Event], awake: &mut BTreeSet<BrokerOrderId>) -> Result<(), TestCaseError> {
    let terms = |id: &BrokerOrderId| desk.exchange.order(id).map(|order| (order.row.instrument.clone(), order.terms.clone()));
    for event in events {
        match event {
            Event::Accepted { entry, .. } if !entry.terms.order_type.has_trigger() => {
                awake.insert(entry.id.clone());
            }
            Event::Modified { id, triggered, .. } if !triggered => {
                awake.remove(id);
            }
            Event::Triggered { id, .. } => {
                awake.insert(id.clone());
            }
            Event::Traded { id, .. } => prop_assert!(awake.contains(id), "{} traded asleep", id),
            _ => {}
        }
    }
    // A step of one request changes terms at most once, and the race before it is checked by the other steps.
    if !events.iter().any(|event| matches!(event, Event::Modified { .. })) {
        for event in events {
            if let Event::Triggered { id, .. } = event {
                let (key, terms) = terms(id).unwrap();
                let (last, trigger) = (desk.shown(&key).unwrap().last, terms.trigger_price.unwrap());
                let reached = if terms.side == Side::Buy { last >= trigger } else { last <= trigger };
                prop_assert!(reached);
            }
            if let Event::Traded { id, price, .. } = event {
                let (_, terms) = terms(id).unwrap();
                if let Some(limit) = terms.price.filter(|_| terms.order_type.has_price()) {
                    let within = if terms.side == Side::Buy { *price <= limit } else { *price >= limit };
                    prop_assert!(within);
                }
            }
        }
    }
    for ((key, side), (version, taken)) in &desk.exchange.book().taken {
        let depth = desk.shown(key).unwrap();
        if depth.version == *version {
            prop_assert!(*taken <= depth.against(*side).iter().map(|level| level.quantity).sum::<i64>());
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn prop_trades_orders_and_positions_agree_and_the_events_rebuild_the_book(steps in steps()) {
        let mut desk = desk();
        let (mut history, mut awake, mut filled) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        for step in &steps {
            let events = desk.run(step);
            check_book(&desk)?;
            check_events(&desk, &events, &mut awake)?;
            for row in desk.exchange.orders() {
                let before = filled.insert(row.broker_order_id.clone(), row.filled).unwrap_or(0);
                prop_assert!(row.filled >= before, "{} lost a fill", row.broker_order_id);
            }
            // A book at the start of its day is rebuilt from its base alone.
            if matches!(events.as_slice(), [Event::Rolled { .. }]) {
                let mut short = Book::default();
                desk.exchange.book().base().iter().try_for_each(|event| short.apply(event)).unwrap();
                prop_assert_eq!(&short, desk.exchange.book());
            }
            history.extend(events);
        }
        let text = serde_json::to_string(&history).unwrap();
        let read: Vec<Event> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &history);
        let mut again = Book::default();
        read.iter().try_for_each(|event| again.apply(event)).unwrap();
        prop_assert_eq!(&again, desk.exchange.book());
    }

    #[test]
    fn prop_what_the_market_reaches_is_what_moves_when_every_order_is_asked(steps in steps()) {
        let mut desk = desk();
        for step in &steps {
            desk.run(step);
            let (exchange, market, now) = (&desk.exchange, &desk.market, desk.now + TimeDelta::seconds(1));
            let open = exchange.book().orders.iter().filter(|order| order.is_open()).map(|order| &order.row.broker_order_id);
            prop_assert_eq!(exchange.decide_advance(now, market), exchange.revisit(exchange.matcher(now, market), open));
        }
    }

    #[test]
    fn prop_the_same_requests_give_the_same_events(steps in steps()) {
        let run = || { let mut desk = desk(); steps.iter().flat_map(|step| desk.run(step)).collect::<Vec<_>>() };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn prop_an_event_that_cannot_follow_changes_nothing(steps in steps(), drop in any::<proptest::sample::Index>()) {
        let mut desk = desk();
        let mut history: Vec<_> = steps.iter().flat_map(|step| desk.run(step)).collect();
        if !history.is_empty() {
            history.remove(drop.index(history.len()));
        }
        let mut book = Book::default();
        for event in &history {
            let before = book.clone();
            if book.apply(event).is_err() {
                prop_assert_eq!(&book, &before);
            }
        }
    }
}
