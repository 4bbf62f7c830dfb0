use std::collections::BTreeMap;

use chrono::NaiveDate;
use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use rust_decimal::Decimal;

use super::*;
use crate::order::{HoldingKey, Product, Quantity, Side, Strategy};
use crate::pnl::{Day, DayChange, Move};
use crate::testkit::builders::{sbin_in, strategy};

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, day).unwrap()
}

/// One by one: every line of that day, as it is summed without a memory of how it came about.
fn afresh(day: &Day, on: NaiveDate) -> BTreeMap<HoldingKey, Pool> {
    let mut pools: BTreeMap<HoldingKey, Pool> = BTreeMap::new();
    for (_, key, line) in day.on(on).lines() {
        let pool = pools.entry(key.clone()).or_default();
        *pool = pool.plus(Pool::of(line));
    }
    pools.retain(|_, pool| !pool.is_empty());
    pools
}

/// As the day keeps them. A pool of which nothing is left says nothing.
fn kept(day: &Day, on: NaiveDate) -> BTreeMap<HoldingKey, Pool> {
    day.pools(on).filter(|(_, pool)| !pool.is_empty()).map(|(key, pool)| (key.clone(), pool)).collect()
}

/// Whose, in which product, what, on which side, units, paise, and days that pass before it.
type Step = (u8, bool, u8, bool, i64, i64, u32);

fn any_step() -> impl proptest::strategy::Strategy<Value = Step> {
    (0u8..3, any::<bool>(), 0u8..8, any::<bool>(), 1i64..12, 1i64..40_000, prop_oneof![9 => 0u32..1, 1 => 1u32..2])
}

fn what(order: u64, (_, _, kind, buys, units, paise, _): Step) -> Move {
    let side = if buys { Side::Buy } else { Side::Sell };
    let (quantity, price) = (Quantity::new(units).unwrap(), Price::new(Decimal::new(paise, 2)).unwrap());
    match kind {
        0 => Move::Left { units, told: None },
        1 => Move::Taken { side, quantity, price },
        2 => Move::ToldLate { side, quantity, price },
        _ => Move::Traded { order, side, quantity, price, seen: None, at: crate::testkit::builders::at(0) },
    }
}

proptest! {
    /// Whatever way the lines came about, over days and with units that came and left elsewhere: the pools are the sums of the
    /// lines, to the last decimal, and tell what the lines tell one by one.
    #[test]
    fn prop_pools_are_the_sums_of_their_lines(steps in proptest::collection::vec(any_step(), 1..60), last in 1i64..40_000, close in 1i64..40_000) {
        let mut day = Day::load(date(1), [], &[]);
        let mut on = 1;
        for (seq, step) in (1..).zip(steps) {
            let (owner, is_delivery, .., days) = step;
            on += days;
            let key = sbin_in(if is_delivery { Product::Cnc } else { Product::Mis });
            let owner: Strategy = strategy(["one", "two", "three"][usize::from(owner)]);
            let before = day.line(&owner, &key).map(|line| line.held).unwrap_or_default();
            day.apply(&DayChange { seq, day: date(on), strategy: owner, key, before, what: what(seq, step) });
            for asked in [on, on + 1] {
                prop_assert_eq!(format!("{:?}", kept(&day, date(asked))), format!("{:?}", afresh(&day, date(asked))));
            }
        }
        // A restart finds the lines that are held, and makes the same of them.
        let tomorrow = date(on + 1);
        let rolled = day.rolled(tomorrow);
        let held: Vec<_> = rolled.lines().map(|(owner, key, line)| (owner, key, line.held)).collect();
        let loaded = Day::load(tomorrow, held.iter().map(|(owner, key, held)| (*owner, *key, held)), &[]);
        prop_assert_eq!(kept(&loaded, tomorrow), kept(&rolled, tomorrow));
        let (last, close) = (Price::new(Decimal::new(last, 2)), Price::new(Decimal::new(close, 2)));
        for (key, pool) in day.pools(date(on)) {
            let lines = day.lines().filter(|(_, of, _)| *of == key);
            let one_by_one = lines.fold(Amount::ZERO, |sum, (_, _, line)| sum.plus(line.worth(last, close).gross().unwrap()));
            // To what the last decimals of an average leave, not to what is told: half of its last decimal may go either way.
            let (pooled, summed) = (pool.gross(last, close).unwrap(), one_by_one);
            prop_assert!((pooled.0 - summed.0).abs() < Decimal::new(1, 8), "{pooled} {summed}");
        }
    }
}

#[test]
fn the_bought_and_the_sold_units_of_strategies_need_a_price_and_cancel_out() {
    let price = |text| Some(Price::parse(text).unwrap());
    let line = |side, at| {
        let mut day = Day::load(date(1), [], &[]);
        let what = Move::Traded {
            order: 1,
            side,
            quantity: Quantity::new(10).unwrap(),
            price: Price::parse(at).unwrap(),
            seen: None,
            at: crate::testkit::builders::at(0),
        };
        let key = sbin_in(Product::Mis);
        day.apply(&DayChange { seq: 1, day: date(1), strategy: strategy("one"), key: key.clone(), before: Holding::default(), what });
        Pool::of(day.line(&strategy("one"), &key).unwrap())
    };
    let both = line(Side::Buy, "100").plus(line(Side::Sell, "104"));
    assert_eq!(both.gross(price("99"), None), Some(Amount(Decimal::from(-10 + 50))));
    assert_eq!(both.gross(None, None), None);
    let carried = both.rolled();
    assert_eq!(carried.gross(price("99"), None), None, "no close of the day before");
    assert_eq!(line(Side::Buy, "100").rolled().gross(price("99"), price("100")), Some(Amount(Decimal::from(-10))));
    assert_eq!(both.minus(line(Side::Buy, "100")), line(Side::Sell, "104"));
}

#[test]
fn a_result_is_told_without_the_decimals_of_a_share() {
    let third = Amount(Decimal::from(100) / Decimal::from(3));
    assert_eq!((told(third).to_string(), told(Amount(Decimal::new(5_000, 2))).to_string()), ("33.3333".to_owned(), "50".to_owned()));
}
