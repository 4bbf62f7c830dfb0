use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::NaiveDate;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::order::{Exchange, Instrument, InstrumentKey, Product, Status};
use crate::persistence::Book;
use crate::ports::{Funds, Instruments};
use crate::testkit::builders::{Build, at, book_of, exit, order, rupees, sbin, share};
use crate::watcher::Findings;

/// Every instrument is a share. How often one was looked up is how many orders were looked at.
#[derive(Debug, Default)]
struct Shares(AtomicUsize);

impl Instruments for Shares {
    fn find(&self, key: &InstrumentKey) -> Option<Arc<Instrument>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Some(Arc::new(Instrument { key: key.clone(), ..share() }))
    }
    fn as_of(&self, _: Exchange) -> Option<NaiveDate> {
        None
    }
}

impl Shares {
    fn scene<R>(&self, book: &Book, me: &OrderRecord, available: i64, look: impl FnOnce(&Scene<'_>) -> R) -> R {
        let funds = Funds { cash: rupees(available), margin_used: rupees(0), available: rupees(available) };
        let findings = Findings { funds: Some((funds, at(-1))), ..Findings::default() };
        let (instrument, touch) = (sbin(), |_: &InstrumentKey, _| None);
        let scene = Scene {
            order: me,
            instrument: &instrument,
            found: None,
            book,
            findings: &findings,
            instruments: self,
            touch: &touch,
            unknown_value: rupees(1),
            now: at(0),
        };
        look(&scene)
    }

    /// What those before it take, as it is told for an order that takes nothing itself.
    fn told(&self, since: &mut Since, book: &Book, me: &OrderRecord, available: i64) -> Amount {
        self.scene(book, me, available, |scene| {
            since.needs(scene, 0, &Limits { capital_reserve: Amount::ZERO, ..Limits::standard() }).since
        })
    }

    /// The same by asking every one.
    fn asked(&self, book: &Book, me: &OrderRecord, available: i64) -> Amount {
        let percent = Limits::standard().margin;
        self.scene(book, me, available, |scene| {
            let before = book.after(0).filter(|order| order.number < me.number);
            before.map(|order| counted(scene, order, &percent)).fold(Amount::ZERO, Amount::plus)
        })
    }
}

/// Paid in full: 800 rupees for each of its units.
fn delivery(number: u64) -> OrderRecord {
    order(number).product(Product::Cnc).asks(3)
}

/// One of the ways in which an order goes on.
fn moved(order: &OrderRecord, how: u8) -> OrderRecord {
    let order = order.clone();
    match (how % 6, order.status) {
        (0, Status::Created) => order.ended(Status::Failed, None),
        (1, Status::Created) => order.working("7"),
        (2, Status::SentToBroker) => order.filled(1, 1),
        (3, Status::SentToBroker | Status::Partial) => order.filled(3, 3),
        (4, Status::SentToBroker) => order.ended(Status::Failed, None),
        (5, Status::Failed) if order.sent_at.is_some() => order.filled(2, 2),
        _ => order,
    }
}

proptest! {
    /// Whoever is judged, however often and in whatever order: there is room for what is told exactly when there is room for
    /// what a look at every order comes to, and never less is told than that.
    #[test]
    fn prop_the_sum_tells_whether_there_is_room(
        steps in proptest::collection::vec((0u8..6, 0usize..40, 0i64..40), 1..60),
    ) {
        let (shares, mut since) = (Shares::default(), Since::default());
        let mut orders: Vec<OrderRecord> = Vec::new();
        for (how, which, units) in steps {
            let number = u64::try_from(orders.len()).unwrap() + 1;
            orders.push(if which % 7 == 3 { exit(number) } else { delivery(number) });
            let place = which % orders.len();
            orders[place] = moved(&orders[place], how);
            let book = book_of(orders.clone(), &[]);
            for me in [orders.last().unwrap(), &orders[place]].into_iter().filter(|me| !me.is_exit()) {
                let available = units * 800;
                let (told, asked) = (shares.told(&mut since, &book, me, available), shares.asked(&book, me, available));
                prop_assert_eq!(told <= rupees(available), asked <= rupees(available), "order {}: {} told, {} asked", me.number, told, asked);
                prop_assert!(told >= asked, "order {}: {} told, {} asked", me.number, told, asked);
            }
        }
    }
}

/// Each order is judged when it comes and again before its call, while the broker's figures do not become newer.
#[test]
fn an_order_costs_no_walk_over_those_before_it() {
    const ORDERS: u64 = 2_000;
    let (shares, mut since) = (Shares::default(), Since::default());
    let orders: Vec<OrderRecord> = (1..=ORDERS).map(delivery).collect();
    let book = book_of(orders.clone(), &[]);
    for ahead in 0..ORDERS + 64 {
        let places = [Some(ahead), ahead.checked_sub(64)].into_iter().flatten();
        for me in places.filter_map(|place| orders.get(usize::try_from(place).unwrap())) {
            shares.told(&mut since, &book, me, 1_000_000_000);
        }
    }
    let looked = shares.0.load(Ordering::Relaxed);
    assert!(looked <= usize::try_from(ORDERS).unwrap(), "{looked} looks for {ORDERS} orders");
}

/// Nor where there is no room, as long as few are open: what is over is not looked at again.
#[test]
fn without_room_only_what_is_open_is_looked_at_again() {
    const ORDERS: u64 = 500;
    let (shares, mut since) = (Shares::default(), Since::default());
    let filled = (1..=ORDERS).map(|number| delivery(number).working(&number.to_string()).filled(3, 3));
    let orders: Vec<OrderRecord> = filled.collect();
    let book = book_of(orders.clone(), &[]);
    let told: Vec<Amount> = orders.iter().map(|me| shares.told(&mut since, &book, me, 0)).collect();
    assert_eq!(told.last(), Some(&rupees(2_400 * 499)));
    let looked = shares.0.load(Ordering::Relaxed);
    assert!(looked <= usize::try_from(ORDERS).unwrap(), "{looked} looks for {ORDERS} orders");
}
