use proptest::prelude::{any, prop_assert_eq, proptest};

use super::*;
use crate::order::{Exchange, Intent, Product, Status, Tag};
use crate::persistence::{Book, Kept, KeptChange};
use crate::pnl::ContractKept;
use crate::testkit::builders::{Build, at, book_of, exit, nse, order, price, rupees, sbin_in, share};

/// No master has anything.
#[derive(Debug)]
struct Unlisted;

impl Instruments for Unlisted {
    fn find(&self, _: &InstrumentKey) -> Option<Arc<Instrument>> {
        None
    }
    fn as_of(&self, _: Exchange) -> Option<NaiveDate> {
        None
    }
}

/// A master of one contract.
#[derive(Debug)]
struct Lists(Instrument);

impl Instruments for Lists {
    fn find(&self, key: &InstrumentKey) -> Option<Arc<Instrument>> {
        (*key == self.0.key).then(|| Arc::new(self.0.clone()))
    }
    fn as_of(&self, _: Exchange) -> Option<NaiveDate> {
        None
    }
}

#[test]
fn what_is_open_in_a_contract_is_worth_what_its_points_are() {
    let dollars = InstrumentKey::new(Exchange::Cds, "USDINR27NOV26F");
    let of_dollars = |number: u64| {
        let mut order = order(number).of(&dollars.symbol).asks(10);
        order.ask.exchange = Some(Exchange::Cds);
        order
    };
    let mut book = book_of([order(1).asks(10), of_dollars(2), of_dollars(3)], &[]);
    assert_eq!(book.open_value(&Unlisted), OpenValue { rupees: rupees(8_000), unknown: 2 }, "never taken for a rupee a point");
    let listed = Instrument { key: dollars.clone(), rupees_per_point: Decimal::ONE_THOUSAND, ..share() };
    assert_eq!(book.open_value(&Lists(listed.clone())), OpenValue { rupees: rupees(16_008_000), unknown: 0 });
    // What is kept goes before what a master says.
    let kept = ContractKept { instrument: dollars.clone(), rupees_per_point: Some(Decimal::TEN), broker_says: None };
    let now = Kept { value: serde_json::to_string(&kept).unwrap().into(), seq: 1, at: at(0) };
    book.put_kept(KeptChange { slot: ContractKept::slot(&dollars), now: Some(now) });
    assert_eq!(book.open_value(&Lists(listed)), OpenValue { rupees: rupees(168_000), unknown: 0 });
    for number in [2, 3] {
        book.put_order(Arc::new(of_dollars(number).ended(Status::Failed, Some(Tag::BrokerCancelled))));
    }
    assert_eq!(book.open_value(&Unlisted), OpenValue { rupees: rupees(8_000), unknown: 0 });
}

#[test]
fn an_order_counts_with_what_may_still_fill_and_what_is_not_recorded() {
    assert_eq!(outstanding(&order(1).asks(10)), 10);
    assert_eq!(outstanding(&order(1).asks(10).sent()), 10, "no answer yet");
    assert_eq!(outstanding(&order(1).asks(10).doubted()), 10, "in doubt: as if it filled");
    assert_eq!(outstanding(&order(1).asks(10).working("1").filled(4, 4)), 6);
    assert_eq!(outstanding(&order(1).asks(10).working("1").filled(4, 1)), 9, "three are held and not recorded");
    assert_eq!(outstanding(&order(1).asks(10).filled(10, 10).ended(Status::Executed, None)), 0);
    assert_eq!(outstanding(&order(1).asks(10).filled(7, 4).ended(Status::Failed, Some(Tag::BrokerCancelled))), 3);
    assert_eq!(outstanding(&exit(1).asks(10).sent()), 0);
    assert_eq!(outstanding(&order(1).asks(10).test()), 0);
}

#[test]
fn what_is_worth_nothing_by_itself_is_named() {
    let book = book_of([order(1).asks(10), order(2).market(), order(3).intent(Intent::Adjust).asks(1), exit(4), order(5).test()], &[]);
    assert_eq!(book.open_value(&Unlisted), OpenValue { rupees: rupees(8_800), unknown: 0 });
    assert_eq!(book.unpriced().map(|order| order.number).collect::<Vec<_>>(), [2]);
    assert_eq!((book.unsent_before(3), book.later(1).map(|order| order.number).collect::<Vec<_>>()), (2, vec![2, 3]));
}

/// The sums, worked out again from nothing.
fn again(book: &Book) -> (Vec<(InstrumentKey, [i64; 4])>, Amount) {
    let mut sums: BTreeMap<InstrumentKey, [i64; 4]> = BTreeMap::new();
    let mut value = Amount::ZERO;
    for (_, key, held) in book.holdings() {
        let slot = sums.entry(key.instrument.clone()).or_default();
        slot[0] += held.net.max(0);
        slot[1] -= held.net.min(0);
    }
    for order in book.newest() {
        if let (Some(key), Some(side)) = (order.instrument(), order.ask.side) {
            sums.entry(key).or_default()[if side == Side::Buy { 2 } else { 3 }] += outstanding(order);
        }
        if !order.status.is_terminal() && !order.is_exit() && !order.is_test() {
            value = value.plus(own_price(order).map_or(Amount::ZERO, |price| price.times(order.unfilled()).rupees(Decimal::ONE)));
        }
    }
    (sums.into_iter().filter(|(_, sum)| *sum != [0; 4]).collect(), value)
}

fn told(book: &Book) -> (Vec<(InstrumentKey, [i64; 4])>, Amount) {
    let of = |exposure: &Exposure| [exposure.long, exposure.short, exposure.buying, exposure.selling];
    (book.exposures().map(|(key, exposure)| (key.clone(), of(exposure))).collect(), book.open_value(&Unlisted).rupees)
}

proptest! {
    #[test]
    fn prop_the_running_sums_are_those_of_the_book(
        steps in proptest::collection::vec((1u64..8, any::<bool>(), 1i64..50, 0u8..6, any::<bool>()), 1..60),
        nets in proptest::collection::vec((0usize..3, -20i64..20), 0..20),
    ) {
        let mut book = book_of([], &[]);
        for (number, buys, quantity, stage, is_exit) in steps {
            let mut row = order(number).asks(quantity).side(if buys { Side::Buy } else { Side::Sell });
            row = if number % 2 == 0 { row.of("INFY-EQ") } else { row };
            row = if is_exit { row.intent(Intent::Exit) } else { row };
            row.ask.price = (number % 3 != 0).then(|| price("100"));
            let row = match stage {
                0 => row,
                1 => row.sent(),
                2 => row.doubted(),
                3 => row.working("1").filled(quantity / 2, quantity / 3),
                4 => row.filled(quantity, quantity / 2).ended(Status::Failed, Some(Tag::BrokerCancelled)),
                _ => row.filled(quantity, quantity).ended(Status::Executed, None),
            };
            book.put_order(Arc::new(row));
            prop_assert_eq!(told(&book), again(&book));
        }
        for (which, net) in nets {
            let strategy = crate::testkit::builders::strategy(["a", "b", "c"][which]);
            let key = if which == 0 { sbin_in(Product::Mis) } else { crate::order::HoldingKey { instrument: nse("INFY-EQ"), product: Product::Cnc } };
            let held = crate::order::Holding { net, ..Default::default() };
            book.put_holding(strategy, key, held, 1);
            prop_assert_eq!(told(&book), again(&book));
        }
    }
}
