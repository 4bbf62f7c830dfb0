use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use proptest::prelude::{ProptestConfig, Strategy as _, any, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::order::{Intent, Points, Product, Status, Tag};
use crate::testkit::builders::{Build, at, book_of, broker_id, exit, nse, order, points, sbin, sbin_in, strategy};

const NAMES: [&str; 3] = ["trend", "trend2", "other"];
const SYMBOLS: [&str; 2] = ["SBIN-EQ", "INFY-EQ"];

/// One write of one order, as drawn: which of the orders, and what its row is from now on.
#[derive(Debug, Clone, Copy)]
struct Write {
    number: u64,
    place: u8,
    filled: i64,
    traded: i64,
}

/// What never changes about an order follows from its number alone.
fn record(write: Write, is_readable: bool) -> OrderRecord {
    let number = write.number;
    let pick = usize::try_from(number).unwrap();
    let mut order = if number.is_multiple_of(5) { exit(number) } else { order(number) };
    order = order.by(NAMES[pick % 3]).of(SYMBOLS[pick % 2]);
    if number.is_multiple_of(3) {
        order = order.side(Side::Sell);
    }
    if number.is_multiple_of(7) {
        order = order.test();
    }
    if number.is_multiple_of(4) && !order.is_exit() {
        order = order.intent(Intent::Adjust);
    }
    if !is_readable {
        order.ask.exchange = None;
    }
    order = match write.place {
        0 => order,
        1 => order.sent(),
        2 => order.doubted(),
        3 => order.working(&format!("B{number}")),
        4 => order.working(&format!("B{number}")).ended(Status::Executed, None),
        5 => order.working(&format!("B{number}")).ended(Status::Failed, Some(Tag::BrokerCancelled)),
        _ => order.ended(Status::Failed, Some(Tag::SendUnconfirmed)),
    };
    (order.filled_quantity, order.traded_quantity) = (write.filled, write.traded);
    order
}

/// A number that the broker gave is never taken away.
fn possible(place: u8, before: Option<&OrderRecord>) -> u8 {
    let has_number = before.is_some_and(|order| order.broker_order_id.is_some());
    if has_number && !(3..=5).contains(&place) { 3 } else { place }
}

fn write() -> impl proptest::strategy::Strategy<Value = Write> {
    (1u64..40, 0u8..7, 0i64..4, 0i64..4).prop_map(|(number, place, filled, traded)| Write { number, place, filled, traded })
}

fn numbers<'a>(orders: impl Iterator<Item = &'a Arc<OrderRecord>>) -> Vec<u64> {
    orders.map(|order| order.number).collect()
}

/// The book's answers against those found by walking every order there is.
fn check(book: &Book, all: &BTreeMap<u64, OrderRecord>) -> Result<(), proptest::test_runner::TestCaseError> {
    let open = |order: &&OrderRecord| !order.status.is_terminal();
    let of =
        |keep: &dyn Fn(&OrderRecord) -> bool| -> Vec<u64> { all.values().filter(|order| keep(order)).map(|order| order.number).collect() };
    prop_assert_eq!(numbers(book.open_orders()), of(&|order| open(&order)));
    prop_assert_eq!(book.open_count(), of(&|order| open(&order)).len());
    prop_assert_eq!(book.last_number(), all.keys().last().copied().unwrap_or(0));
    for name in NAMES {
        let owner = strategy(name);
        prop_assert_eq!(numbers(book.open_of(&owner)), of(&|order| open(&order) && order.ask.strategy == owner), "{}", name);
    }
    for symbol in SYMBOLS {
        let key = nse(symbol);
        prop_assert_eq!(numbers(book.open_in(&key)), of(&|order| open(&order) && order.is_for(&key)));
        prop_assert_eq!(numbers(book.open_exits_in(&key)), of(&|order| open(&order) && order.is_exit() && order.is_for(&key)));
        prop_assert_eq!(numbers(book.doubts_in(&key)), of(&|order| order.is_in_doubt() && order.is_for(&key)));
        prop_assert_eq!(numbers(book.owed_in(&key)), of(&|order| order.filled_quantity > order.traded_quantity && order.is_for(&key)));
        for side in [Side::Buy, Side::Sell] {
            let entering =
                of(&|order| open(&order) && order.is_for(&key) && order.ask.side == Some(side) && !order.is_exit() && !order.is_test());
            prop_assert_eq!(book.entering(&key, side), entering.len(), "{} {}", symbol, side);
        }
    }
    let doubts: BTreeSet<u64> = numbers(book.doubts()).into_iter().collect();
    prop_assert_eq!(doubts, of(&|order| order.is_in_doubt() && order.ask.exchange.is_some()).into_iter().collect::<BTreeSet<u64>>());
    for order in all.values() {
        prop_assert_eq!(book.order(order.command_id).map(|held| &**held), Some(order));
        if let Some(id) = &order.broker_order_id {
            prop_assert_eq!(book.order_by_broker_id(id, trading_date(at(0))).map(|held| held.number), Some(order.number));
            let waits = !order.status.is_terminal() || order.filled_quantity > order.traded_quantity;
            prop_assert_eq!(book.unfinished_by_broker_id(id).map(|held| held.number), waits.then_some(order.number));
        }
    }
    prop_assert_eq!(numbers(book.newest()), all.keys().rev().copied().collect::<Vec<_>>());
    Ok(())
}

fn executed(number: u64) -> Arc<OrderRecord> {
    Arc::new(record(Write { number, place: 4, filled: 0, traded: 0 }, true))
}

/// As many orders as are kept, but for the first forty.
fn full_book() -> Book {
    static FULL: OnceLock<Book> = OnceLock::new();
    let fill = || {
        let mut book = Book::new(ClientId::parse("PAPER1").unwrap());
        (40..NEWEST_KEPT).for_each(|number| book.put_order(executed(number)));
        book
    };
    FULL.get_or_init(fill).clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever is written in whatever order, every index says what a walk over all orders says.
    #[test]
    fn prop_the_indices_agree_with_a_walk_over_all_orders(writes in proptest::collection::vec(write(), 0..80), unreadable in 1u64..40) {
        let mut book = Book::new(ClientId::parse("PAPER1").unwrap());
        let mut all: BTreeMap<u64, OrderRecord> = BTreeMap::new();
        for mut write in writes {
            write.place = possible(write.place, all.get(&write.number));
            let order = record(write, write.number != unreadable);
            book.put_order(Arc::new(order.clone()));
            all.insert(write.number, order);
        }
        check(&book, &all)?;
        let loaded = book_of(all.values().rev().cloned(), &[]);
        check(&loaded, &all)?;
    }

    /// Old orders are forgotten when they have ended and owe no trade, and never before; nothing of them stays behind.
    #[test]
    fn prop_only_what_has_ended_and_owes_nothing_is_forgotten(
        writes in proptest::collection::vec(write(), 1..60),
        jump in 0u64..60,
        late in proptest::collection::vec((any::<proptest::sample::Index>(), 3u8..6), 0..20),
    ) {
        let mut book = full_book();
        let mut last: BTreeMap<u64, OrderRecord> = BTreeMap::new();
        let put = |book: &mut Book, last: &mut BTreeMap<u64, OrderRecord>, order: OrderRecord| {
            book.put_order(Arc::new(order.clone()));
            last.insert(order.number, order);
        };
        for write in &writes {
            let place = possible(write.place, last.get(&write.number));
            put(&mut book, &mut last, record(Write { place, ..*write }, true));
        }
        // Numbers have no gaps: one order after the other pushes the oldest out.
        for number in NEWEST_KEPT..NEWEST_KEPT + jump {
            book.put_order(executed(number));
        }
        for (index, place) in late {
            let number = writes[index.index(writes.len())].number;
            put(&mut book, &mut last, record(Write { number, place, filled: 0, traded: 0 }, true));
        }
        let horizon = book.last_number().saturating_sub(NEWEST_KEPT);
        for order in last.values() {
            let stays = order.number > horizon || !order.status.is_terminal() || order.filled_quantity > order.traded_quantity;
            prop_assert_eq!(book.order(order.command_id).is_some(), stays, "{} at horizon {}", order.number, horizon);
            prop_assert_eq!(book.order_by_number(order.number).is_some(), stays);
            if !stays {
                let id = broker_id(&format!("B{}", order.number));
                prop_assert!(book.order_by_broker_id(&id, trading_date(at(0))).is_none());
            }
        }
        let open: Vec<u64> = last.values().filter(|order| !order.status.is_terminal()).map(|order| order.number).collect();
        prop_assert_eq!(numbers(book.open_orders()), open);
        prop_assert!(book.number_of.len() == book.by_number.len() && book.by_broker_id.len() <= book.by_number.len());
    }

    /// The sums per instrument and product follow from the holdings, and a flat one leaves nothing behind.
    #[test]
    fn prop_the_gross_is_the_sum_of_the_holdings(writes in proptest::collection::vec((0usize..3, any::<bool>(), -5i64..=5), 0..40)) {
        let mut book = Book::new(ClientId::parse("PAPER1").unwrap());
        let mut nets: BTreeMap<(usize, Product), i64> = BTreeMap::new();
        for ((owner, is_mis, net), seq) in writes.into_iter().zip(1u64..) {
            let product = if is_mis { Product::Mis } else { Product::Nrml };
            let holding = Holding { net, cost: points(net.abs()), realised: Points::ZERO, opened_at: None };
            book.put_holding(strategy(NAMES[owner]), sbin_in(product), holding, seq);
            nets.insert((owner, product), net);
            prop_assert_eq!(book.last_fill_seq(&sbin_in(product)), seq);
        }
        for product in [Product::Mis, Product::Nrml] {
            let of: Vec<i64> = nets.iter().filter(|((_, held), _)| *held == product).map(|(_, net)| *net).collect();
            let long: i64 = of.iter().filter(|net| **net > 0).sum();
            let short: i64 = -of.iter().filter(|net| **net < 0).sum::<i64>();
            let gross = book.gross(&sbin_in(product));
            prop_assert_eq!((gross.long, gross.short, gross.net()), (long, short, long - short));
            prop_assert_eq!(book.held_keys().any(|(key, _)| key.product == product), long + short > 0);
        }
        prop_assert_eq!(book.holdings().count(), nets.values().filter(|net| **net != 0).count());
        for (owner, name) in NAMES.iter().enumerate() {
            let own = strategy(name);
            let held = book.holdings_of(&own).count();
            prop_assert_eq!(held, nets.iter().filter(|((of, _), net)| *of == owner && **net != 0).count());
        }
    }
}

#[test]
fn siblings_are_the_other_orders_of_a_basket() {
    let book = book_of([order(1), order(2).basket(50, 0), order(3).basket(50, 1), order(4).basket(50, 2), order(5)], &[]);
    let me = order(3).basket(50, 1);
    assert_eq!(numbers(book.siblings(&me)), [2, 4]);
    assert_eq!(numbers(book.siblings(&order(1))), Vec::<u64>::new());
}

#[test]
fn the_orders_of_one_strategy_are_not_those_of_another_whose_name_goes_on() {
    let book = book_of([order(1).by("trend"), order(2).by("trend2"), order(3).by("tren")], &[]);
    assert_eq!(numbers(book.open_of(&strategy("trend"))), [1]);
    assert_eq!(numbers(book.open_in(&sbin())), [1, 2, 3]);
}

#[test]
fn a_number_that_the_broker_uses_again_is_another_order() {
    let on = |day: i64| trading_date(at(day * 86_400));
    let id = broker_id("B1");
    let sent_on = |number, day: i64, status| {
        let order = order(number).working("B1").ended(status, None);
        OrderRecord { sent_at: Some(at(day * 86_400)), ..order }
    };
    let found = |book: &Book, day| book.order_by_broker_id(&id, on(day)).map(|order| order.number);
    let mut book = book_of([sent_on(1, 0, Status::Executed), sent_on(2, 1, Status::Executed)], &[]);
    assert_eq!((found(&book, 0), found(&book, 1), found(&book, 2)), (Some(1), Some(2), None));
    assert_eq!(book.unfinished_by_broker_id(&id).map(|order| order.number), None, "both have ended");
    book.put_order(Arc::new(sent_on(3, 2, Status::SentToBroker)));
    assert_eq!(book.unfinished_by_broker_id(&id).map(|order| order.number), Some(3));
    book.put_order(Arc::new(OrderRecord { filled_quantity: 4, ..sent_on(4, 3, Status::Executed) }));
    assert_eq!(book.unfinished_by_broker_id(&id).map(|order| order.number), Some(4), "its trades are outstanding");
}
