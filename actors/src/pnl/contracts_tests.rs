use chrono::NaiveDate;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;
use rust_decimal::Decimal;

use super::*;
use crate::order::{Amount, Exchange, Holding, HoldingKey, Instrument, OrderRecord, Price, Product, Quantity, Side, trading_date};
use crate::persistence::KeptChange;
use crate::pnl::{Day, DayChange, Line, Move};
use crate::testkit::builders::{Build, SEQ, at, book_of, future, order, price, strategy, units};

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn crude() -> InstrumentKey {
    InstrumentKey::new(Exchange::Mcx, "CRUDEOIL18DEC26")
}

fn kept(point: Option<i64>, broker_says: Option<i64>) -> ContractKept {
    ContractKept { instrument: crude(), rupees_per_point: point.map(Decimal::from), broker_says: broker_says.map(Decimal::from) }
}

fn put(book: &mut Book, contract: &ContractKept) {
    let now = Kept { value: serde_json::to_string(contract).unwrap().into(), seq: SEQ, at: at(0) };
    book.put_kept(KeptChange { slot: ContractKept::slot(&contract.instrument), now: Some(now) });
}

#[test]
fn a_point_of_a_share_is_a_rupee_and_of_a_contract_what_is_kept() {
    let mut values = PointValues::default();
    for exchange in [Exchange::Nse, Exchange::Bse, Exchange::Nfo, Exchange::Bfo] {
        assert_eq!(values.of(&InstrumentKey::new(exchange, "X")), Some(Decimal::ONE), "{exchange}");
    }
    assert_eq!((values.of(&crude()), values.of(&InstrumentKey::new(Exchange::Cds, "X"))), (None, None), "never taken for 1");
    values.put(kept(Some(10), None));
    assert_eq!(values.of(&crude()), Some(Decimal::TEN));
    values.put(kept(None, Some(10)));
    assert_eq!(values.of(&crude()), None);
}

/// Contract, price, lots, units in a lot, rupees a point of a unit, rupees. The size of the lot and what a point is worth are two
/// halves of one fact, and a master may cut it either way: only their product is the contract's. All rows but those of the
/// dollar (a lot of 1, `Multiplier` 1000: Noren protocol reference, section 5.2) and of NIFTY are examples.
#[test]
fn golden_rupees_of_lots() {
    let rows = [
        ("CRUDEOIL, counted in barrels", "5400", 1, 100, "1", "540000"),
        ("CRUDEOIL, counted in lots", "5400", 1, 1, "100", "540000"),
        ("CRUDEOILM", "5401", 3, 10, "1", "162030"),
        ("GOLDM, quoted by ten grams and counted in grams", "75210", 1, 100, "0.1", "752100"),
        ("GOLDM, counted in tens of grams", "75210", 1, 10, "1", "752100"),
        ("SILVERM", "92015", 2, 5, "1", "920150"),
        ("NATURALGAS", "305.5", 1, 1250, "1", "381875"),
        ("NATURALGAS option", "12.35", 4, 1250, "1", "61750"),
        ("USDINR", "84.2525", 3, 1, "1000", "252757.5"),
        ("USDINR option", "0.2525", 10, 1, "1000", "2525"),
        ("NIFTY", "26000.05", 1, 65, "1", "1690003.25"),
    ];
    for (name, at, lots, lot, point, rupees) in rows {
        let contract = Instrument { lot: units(lot), rupees_per_point: d(point), ..future() };
        assert_eq!(contract.rupees(price(at), lots * lot), Amount(d(rupees)), "{name}");
    }
}

#[test]
fn what_is_written_down_before_an_order_stays_while_anything_of_it_is_held() {
    let listed = |point: i64| Instrument { key: crude(), rupees_per_point: Decimal::from(point), ..future() };
    let held = HoldingKey { instrument: crude(), product: Product::Nrml };
    let mut flat = book_of([], &[]);
    assert_eq!(ContractKept::before_an_order(&flat, &listed(100)), Some((kept(Some(100), None), 0)));
    put(&mut flat, &kept(Some(100), None));
    assert_eq!(ContractKept::before_an_order(&flat, &listed(100)), None, "it stands there");
    // Nothing is left of it: another master is believed, and what the broker says against it is not forgotten.
    assert_eq!(ContractKept::before_an_order(&flat, &listed(1)), Some((kept(Some(1), None), SEQ)));
    put(&mut flat, &kept(Some(100), Some(50)));
    assert_eq!(ContractKept::before_an_order(&flat, &listed(1)), Some((kept(Some(1), Some(50)), SEQ)));
    assert_eq!(ContractKept::before_an_order(&flat, &listed(50)), Some((kept(Some(50), None), SEQ)));
    assert_eq!(ContractKept::point_for(&flat, &crude(), Some(&listed(1))), Some(Decimal::ONE));
    let mut holds = book_of([], &[("trend", held, 10)]);
    put(&mut holds, &kept(Some(100), None));
    assert_eq!(ContractKept::before_an_order(&holds, &listed(1)), None);
    assert_eq!(ContractKept::speaks_against(&holds, &listed(1)), Some(Decimal::ONE_HUNDRED));
    assert_eq!(ContractKept::point_for(&holds, &crude(), Some(&listed(1))), Some(Decimal::ONE_HUNDRED));
    assert_eq!(
        (ContractKept::speaks_against(&holds, &listed(100)), ContractKept::point_for(&holds, &crude(), None)),
        (None, Some(Decimal::ONE_HUNDRED))
    );
}

#[test]
fn what_works_or_was_traded_today_keeps_its_worth_as_what_is_held_does() {
    let listed = Instrument { key: crude(), rupees_per_point: Decimal::ONE, ..future() };
    let believed = |mut book: Book| {
        put(&mut book, &kept(Some(100), None));
        (ContractKept::speaks_against(&book, &listed), ContractKept::point_for(&book, &crude(), Some(&listed)))
    };
    let of_crude = |order: OrderRecord| {
        let mut order = order.of(&crude().symbol).product(Product::Nrml);
        order.ask.exchange = Some(crude().exchange);
        order
    };
    let (stands, gone) = ((Some(Decimal::ONE_HUNDRED), Some(Decimal::ONE_HUNDRED)), (None, Some(Decimal::ONE)));
    assert_eq!(believed(book_of([of_crude(order(1).working("B1"))], &[])), stands, "it works at the broker");
    assert_eq!(believed(book_of([of_crude(order(1))], &[])), gone, "it has not left");
    // Bought and sold: nothing is held, and the day has a line of it.
    let mut closed = book_of([], &[]);
    let (day, strategy, key) = (trading_date(at(0)), strategy("trend"), HoldingKey { instrument: crude(), product: Product::Nrml });
    let mut before = Holding::default();
    for (seq, side) in [(1, Side::Buy), (2, Side::Sell)] {
        let what =
            Move::Traded { order: seq, side, quantity: units(10), price: price("5400"), seen: None, at: crate::testkit::builders::at(0) };
        closed.put_day(&DayChange { seq, day, strategy: strategy.clone(), key: key.clone(), before, what });
        before = before.after(side, units(10), price("5400"));
    }
    assert!(closed.held_keys().next().is_none());
    assert_eq!(believed(closed), stands, "it was traded today");
}

#[test]
fn what_the_broker_says_is_kept_when_it_is_news() {
    #[derive(Debug)]
    struct Lists(Option<Instrument>);
    impl Instruments for Lists {
        fn find(&self, _: &InstrumentKey) -> Option<Arc<Instrument>> {
            self.0.clone().map(Arc::new)
        }
        fn as_of(&self, _: Exchange) -> Option<NaiveDate> {
            None
        }
    }
    let listed = Lists(Some(Instrument { key: crude(), rupees_per_point: Decimal::ONE_HUNDRED, ..future() }));
    let mut book = book_of([], &[]);
    let told = |book: &Book, says: i64, instruments: &Lists| ContractKept::told(book, &crude(), Decimal::from(says), instruments);
    assert_eq!(told(&book, 100, &listed), None, "they agree");
    assert_eq!(told(&book, 100, &Lists(None)), None, "there is nothing to hold it against");
    assert_eq!(ContractKept::told(&book, &crate::testkit::builders::sbin(), Decimal::TEN, &listed), None, "a share is a share");
    assert_eq!(told(&book, 1, &listed), Some((kept(Some(100), Some(1)), 0)));
    put(&mut book, &kept(Some(100), Some(1)));
    assert_eq!((told(&book, 1, &listed), ContractKept::contradicted(&book, &crude())), (None, Some(Decimal::ONE)), "said once");
    assert_eq!(told(&book, 2, &listed), Some((kept(Some(100), Some(2)), SEQ)));
    assert_eq!(told(&book, 100, &Lists(None)), Some((kept(Some(100), None), SEQ)), "they agree again");
}

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, day).unwrap()
}

fn change(seq: u64, side: Side, quantity: i64, paise: i64) -> DayChange {
    let what = Move::Traded {
        order: seq,
        side,
        quantity: Quantity::new(quantity).unwrap(),
        price: Price::new(Decimal::new(paise, 2)).unwrap(),
        seen: Price::new(Decimal::new(paise - 1, 2)),
        at: crate::testkit::builders::at(0),
    };
    let key = HoldingKey { instrument: crude(), product: Product::Nrml };
    DayChange { seq, day: date(20), strategy: strategy("trend"), key, before: Holding::default(), what }
}

fn line(day: &Day) -> &Line {
    day.lines().next().unwrap().2
}

#[test]
fn what_nobody_knows_the_worth_of_is_no_rupees() {
    let mut day = Day::load(date(20), [], &[]);
    day.apply(&change(1, Side::Buy, 10, 10_000));
    assert_eq!((line(&day).worth(Price::parse("101").ok(), None).gross(), line(&day).held.average()), (None, Some(d("100"))));
    let (_, pool) = day.pools(date(20)).next().unwrap();
    assert_eq!(pool.gross(Price::parse("101").ok(), None), None);
    day.apply(&change(2, Side::Sell, 4, 10_100));
    assert_eq!((line(&day).curve.realised, line(&day).left, line(&day).bought.value), (Amount::ZERO, 4, Amount::ZERO), "said as not known");
    // From now on it is known: what is held has a worth, what was closed before stays unknown.
    day.value_by([(crude(), Decimal::ONE_HUNDRED)].into_iter().collect());
    assert_eq!(line(&day).worth(Price::parse("101").ok(), None).unrealised, Some(Amount(d("600"))));
    let (_, pool) = day.pools(date(20)).next().unwrap();
    assert_eq!(pool.gross(Price::parse("101").ok(), None), Some(Amount(d("600"))));
    day.apply(&change(3, Side::Sell, 6, 10_100));
    assert_eq!((line(&day).curve.realised, line(&day).left, line(&day).trips.unknown), (Amount(d("600")), 4, 1));
}

proptest! {
    /// Whatever a point is worth, every rupee of a day is that many times what it would be at one: realised and unrealised, what
    /// was carried, turnover, the results of round trips, slippage, high water; and the pool says what the line says.
    #[test]
    fn prop_rupees_are_points_times_what_one_is_worth(
        moves in proptest::collection::vec((any::<bool>(), 1i64..12, 2i64..40_000), 1..20),
        point in select(vec!["0.1", "0.01", "1", "10", "100", "1000", "12.5"]),
        (last, close) in (1i64..40_000, 1i64..40_000),
        is_rolled in any::<bool>(),
    ) {
        let point = d(point);
        let day_at = |point: Decimal| {
            let values: PointValues = [(crude(), point)].into_iter().collect();
            let mut day = Day::valued(values, date(20), [], &[]);
            for (seq, (buys, quantity, paise)) in (1..).zip(moves.clone()) {
                day.apply(&change(seq, if buys { Side::Buy } else { Side::Sell }, quantity, paise));
            }
            if is_rolled { day.rolled(date(21)) } else { day }
        };
        let (ours, at_one) = (day_at(point), day_at(Decimal::ONE));
        let (last, close) = (Price::new(Decimal::new(last, 2)), Price::new(Decimal::new(close, 2)));
        let near = |ours: Amount, one: Amount| (ours.0 - one.0 * point).abs() < Decimal::new(1, 6);
        prop_assert_eq!(ours.lines().count(), at_one.lines().count());
        let (of, one) = (ours.statistics(None), at_one.statistics(None));
        for (ours, one) in [
            (of.bought.value, one.bought.value),
            (of.sold.value, one.sold.value),
            (of.trips.won, one.trips.won),
            (of.trips.lost, one.trips.lost),
            (of.slippage.cost, one.slippage.cost),
            (of.curve.realised, one.curve.realised),
            (of.curve.high_water, one.curve.high_water),
            (of.curve.drawdown, one.curve.drawdown),
        ] {
            prop_assert!(near(ours, one), "{ours:?} is not {point} times {one:?}");
        }
        prop_assert_eq!((of.trips.wins, of.trips.losses, of.trips.even), (one.trips.wins, one.trips.losses, one.trips.even));
        for ((_, _, line), (_, _, at_one)) in ours.lines().zip(at_one.lines()) {
            let (worth, one) = (line.worth(last, close), at_one.worth(last, close));
            prop_assert!(near(worth.gross().unwrap(), one.gross().unwrap()) && near(worth.before_today, one.before_today));
            prop_assert_eq!(line.held.average(), at_one.held.average(), "a price is a price");
            let (_, pool) = ours.pools(ours.date()).next().unwrap();
            let apart = (pool.gross(last, close).unwrap().0 - worth.gross().unwrap().0).abs();
            prop_assert!(apart < Decimal::new(1, 6), "the pool is {apart} beside its line");
        }
    }
}
