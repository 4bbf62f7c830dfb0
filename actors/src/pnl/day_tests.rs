use std::collections::BTreeMap;

use chrono::NaiveDate;
use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use rust_decimal::Decimal;

use super::*;
use crate::order::{Amount, EndPrice, InstrumentKey, Price, Product, Quantity, Side};
use crate::pnl::{MarkedFrom, Move, Told};
use crate::ports::{Quote, Quotes};
use crate::testkit::builders::{at, nse, points, price, rupees, sbin, sbin_in, strategy, units};

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, day).unwrap()
}

fn change(seq: u64, day: u32, what: Move) -> DayChange {
    DayChange { seq, day: date(day), strategy: strategy("trend"), key: sbin_in(Product::Mis), before: Holding::default(), what }
}

fn traded(order: u64, side: Side, quantity: i64, at: &str) -> Move {
    Move::Traded { order, side, quantity: units(quantity), price: price(at), seen: None, at: crate::testkit::builders::at(0) }
}

fn seen(side: Side, quantity: i64, at: &str, seen: &str) -> Move {
    Move::Traded {
        order: 1,
        side,
        quantity: units(quantity),
        price: price(at),
        seen: Some(price(seen)),
        at: crate::testkit::builders::at(0),
    }
}

fn day_of(moves: impl IntoIterator<Item = Move>) -> Day {
    let mut day = Day::load(date(20), [], &[]);
    for (seq, what) in (1..).zip(moves) {
        day.apply(&change(seq, 20, what));
    }
    day
}

fn line(day: &Day) -> &Line {
    day.line(&strategy("trend"), &sbin_in(Product::Mis)).unwrap()
}

#[test]
fn several_round_trips_of_a_day_add_up_though_a_holding_starts_anew_each_time() {
    let day = day_of([
        traded(1, Side::Buy, 10, "100"),
        traded(2, Side::Sell, 10, "104"),
        traded(3, Side::Sell, 10, "103"),
        traded(4, Side::Buy, 10, "105"),
        traded(5, Side::Buy, 4, "100.50"),
        traded(6, Side::Sell, 4, "100.50"),
    ]);
    let sum = day.statistics(None);
    assert_eq!(day.curve().realised, rupees(20), "40 won, 20 lost");
    assert_eq!((day.curve().high_water, day.curve().drawdown), (rupees(40), rupees(20)));
    assert_eq!((sum.trades(), sum.trips.wins, sum.trips.losses, sum.trips.even), (3, 1, 1, 1));
    assert_eq!((sum.average_win(), sum.average_loss()), (Some(Decimal::from(40)), Some(Decimal::from(-20))));
    assert_eq!((sum.bought.quantity, sum.sold.quantity, sum.orders), (24, 24, 6));
    assert_eq!((sum.bought.value, sum.sold.value), (rupees(1000 + 1050 + 402), rupees(1040 + 1030 + 402)));
}

#[test]
fn a_turned_position_ends_one_trip_and_begins_the_next() {
    let day = day_of([traded(1, Side::Buy, 10, "100"), traded(2, Side::Sell, 25, "102"), traded(3, Side::Buy, 15, "101")]);
    assert_eq!((line(&day).trips.wins, line(&day).trips.won), (2, rupees(35)));
    assert_eq!(line(&day).held, Holding::default());
}

#[test]
fn slippage_is_what_was_paid_beyond_the_price_that_the_sender_saw() {
    let day = day_of([seen(Side::Buy, 10, "100.50", "100"), seen(Side::Sell, 5, "99", "98"), traded(9, Side::Sell, 5, "90")]);
    let sum = day.statistics(Some(&strategy("trend")));
    assert_eq!((sum.slippage.quantity, sum.slippage.cost), (15, rupees(0)), "5 rupees too much, 5 rupees better, 5 units unsaid");
    let day = day_of([seen(Side::Sell, 4, "99.50", "100")]);
    assert_eq!(day.statistics(None).slippage_per_unit(), Some("0.5".parse().unwrap()));
}

#[test]
fn units_that_left_without_a_price_realise_nothing_that_is_known() {
    let day = day_of([traded(1, Side::Buy, 10, "100"), Move::Left { units: 4, told: None }, traded(2, Side::Sell, 6, "110")]);
    let line = line(&day);
    assert_eq!((line.left, line.corrected, line.curve.realised), (4, -4, rupees(60)));
    assert_eq!((line.trips.unknown, line.trips.wins), (1, 0), "what the whole trip made is not known");
    let day = day_of([traded(1, Side::Sell, 10, "100"), Move::Left { units: 99, told: None }]);
    assert_eq!((day.statistics(None).trips.unknown, day.corrected(date(20), &sbin_in(Product::Mis))), (1, 10));
}

#[test]
fn units_taken_over_count_from_their_stated_price_and_are_no_turnover() {
    let taken = |side, quantity, at| Move::Taken { side, quantity: units(quantity), price: price(at) };
    let day = day_of([taken(Side::Buy, 10, "100"), traded(1, Side::Sell, 4, "101"), taken(Side::Sell, 6, "98")]);
    let line = line(&day);
    assert_eq!((line.curve.realised, line.corrected, line.held.net), (rupees(4 - 12), 4, 0));
    assert_eq!((line.bought.quantity, line.sold.quantity, line.executed.count()), (0, 4, 1));
}

#[test]
fn the_next_day_carries_what_is_held_and_forgets_the_rest() {
    let mut day = day_of([traded(1, Side::Buy, 10, "100"), traded(2, Side::Sell, 4, "103")]);
    day.apply(&DayChange {
        key: HoldingKey { product: Product::Cnc, ..sbin_in(Product::Mis) },
        ..change(3, 20, traded(3, Side::Buy, 1, "1"))
    });
    day.apply(&DayChange {
        key: HoldingKey { product: Product::Cnc, ..sbin_in(Product::Mis) },
        ..change(4, 20, traded(4, Side::Sell, 1, "1"))
    });
    let next = day.on(date(21)).into_owned();
    assert_eq!((next.date(), next.lines().count()), (date(21), 1), "what is flat is history");
    let line = line(&next);
    assert_eq!((line.carried.net, line.carried.cost, line.curve.realised), (6, points(600), Amount::ZERO));
    assert_eq!(next.curve(), Curve::default());
    // A change of the new day rolls it by itself, to the same.
    day.apply(&change(5, 21, traded(5, Side::Sell, 6, "99")));
    assert_eq!((day.date(), day.curve().realised), (date(21), rupees(-6)));
    assert_eq!(
        day.statistics(None).trips,
        crate::pnl::Trips { wins: 1, won: rupees(6), ..Default::default() },
        "12 of yesterday, -6 of today"
    );
}

#[test]
fn a_trade_told_late_changes_what_was_carried_and_nothing_of_the_day() {
    let late = Move::ToldLate { side: Side::Buy, quantity: units(5), price: price("90") };
    let day = day_of([late, traded(1, Side::Sell, 5, "95")]);
    let line = line(&day);
    assert_eq!((line.carried.net, line.carried.cost, line.bought.quantity), (5, points(450), 0));
    assert_eq!((line.curve.realised, line.held.net), (rupees(25), 0));
}

#[test]
fn what_ended_with_its_contract_left_on_that_day_and_was_never_of_the_next() {
    let settled = Move::Settled { units: 10, on: date(20), told: None };
    let held = Holding { net: 10, cost: points(1_000), ..Holding::default() };
    let slot = (strategy("trend"), sbin_in(Product::Mis));
    let ended = DayChange { before: held, ..change(9, 21, settled) };
    // In memory, whether or not the new day has begun; and as a restart on the new day finds it.
    let mut of_yesterday = Day::load(date(20), [(&slot.0, &slot.1, &held)], &[]);
    let mut of_today = Day::load(date(21), [(&slot.0, &slot.1, &held)], &[]);
    of_yesterday.apply(&ended);
    of_today.apply(&ended);
    let after_a_restart = Day::load(date(21), [], std::slice::from_ref(&ended));
    assert_eq!((&of_yesterday, &of_today), (&of_today, &after_a_restart));
    let line = line(&of_today);
    assert_eq!((line.carried.net, line.held.net, line.left, line.corrected), (0, 0, 0, 0));
    assert_eq!(
        of_today.pools(date(21)).map(|(_, pool)| (pool.carried.is_flat(), pool.held.is_flat(), pool.left)).collect::<Vec<_>>(),
        [(true, true, 0)]
    );
    assert_eq!((of_today.curve(), line.trips), (Curve::default(), crate::pnl::Trips::default()));
    // The contract's own day says that units left at a price that nobody told.
    let its_day = Day::load(date(20), [], &[DayChange { day: date(20), ..ended }]);
    let line = self::line(&its_day);
    assert_eq!((line.carried.net, line.held.net, line.left, line.trips.unknown), (10, 0, 10, 1));
}

fn at_told(price: &str) -> Option<Told> {
    Some(Told { price: EndPrice::parse(price).unwrap(), seq: 99 })
}

#[test]
fn units_that_left_at_a_price_which_was_told_realise_it_where_they_left() {
    let left = Move::Left { units: 4, told: at_told("90") };
    let day = day_of([traded(1, Side::Buy, 10, "100"), left, traded(2, Side::Sell, 6, "110")]);
    let line = line(&day);
    assert_eq!((line.left, line.corrected, line.curve.realised), (0, -4, rupees(20)));
    assert_eq!((day.curve().high_water, day.curve().drawdown), (rupees(20), rupees(40)), "40 lost, then 60 won");
    assert_eq!((line.trips.unknown, line.trips.wins, line.trips.won), (0, 1, rupees(20)), "the whole trip");
    assert_eq!(day.as_of(date(20)), (date(20), 99), "the row that tells it is the newest");
    // Short, and worth nothing in the end.
    let day = day_of([traded(1, Side::Sell, 10, "5"), Move::Left { units: 10, told: at_told("0") }]);
    assert_eq!((day.curve().realised, day.statistics(None).trips.wins), (rupees(50), 1));
}

#[test]
fn what_was_told_of_an_earlier_day_is_nothing_of_this_one() {
    let held = Holding { net: 10, cost: points(1_000), ..Holding::default() };
    let slot = (strategy("trend"), sbin_in(Product::Mis));
    let ended = |told| DayChange { before: held, ..change(9, 21, Move::Settled { units: 10, on: date(20), told }) };
    let today = |told| {
        let mut day = Day::load(date(21), [(&slot.0, &slot.1, &held)], &[]);
        day.apply(&ended(told));
        day
    };
    let (told, untold) = (today(at_told("1")), today(None));
    assert_eq!((told.curve(), line(&told)), (Curve::default(), line(&untold)));
    let its_day = Day::load(date(20), [], &[DayChange { day: date(20), ..ended(at_told("90")) }]);
    assert_eq!((its_day.curve().realised, line(&its_day).left, line(&its_day).trips.losses), (rupees(-100), 0, 1));
}

/// Quotes of a table.
#[derive(Debug, Default)]
struct Table(BTreeMap<InstrumentKey, (Option<Price>, Option<Price>)>);

impl Quotes for Table {
    fn quote(&self, key: &InstrumentKey) -> Option<Quote> {
        let last = self.0.get(key)?.0?;
        Some(Quote { bid: None, ask: None, last, band: None, at: at(0), seen_at: at(0) })
    }
    fn previous_close(&self, key: &InstrumentKey) -> Option<Price> {
        self.0.get(key)?.1
    }
}

#[test]
fn what_has_no_price_has_no_result() {
    let mut day = day_of([traded(1, Side::Buy, 10, "100"), traded(2, Side::Sell, 4, "103")]);
    let unpriced = day.total(None, &Table::default());
    assert_eq!((unpriced.realised, unpriced.gross(), unpriced.unpriced), (rupees(12), None, vec![sbin()]));
    let table = Table(BTreeMap::from([(sbin(), (Some(price("99")), None))]));
    let total = day.total(None, &table);
    assert_eq!((total.gross(), total.oldest_quote), (Some(rupees(12 - 6)), Some(at(0))));
    // Of two lines one has a price: the sum says what it lacks.
    day.apply(&DayChange {
        key: HoldingKey { instrument: nse("INFY-EQ"), product: Product::Mis },
        ..change(3, 20, traded(3, Side::Buy, 1, "1"))
    });
    let total = day.total(Some(&strategy("trend")), &table);
    assert_eq!((total.gross(), total.known(), total.unpriced.len()), (None, rupees(6), 1));
    assert_eq!(day.total(Some(&strategy("other")), &table).gross(), Some(Amount::ZERO));
}

#[test]
fn carried_units_are_marked_from_the_previous_close_or_it_is_said_that_they_are_not() {
    let day = day_of([traded(1, Side::Sell, 10, "100")]).rolled(date(21));
    let line = line(&day);
    let marked = line.worth(Some(price("92")), Some(price("95")));
    assert_eq!((marked.unrealised, marked.before_today, marked.gross()), (Some(rupees(80)), rupees(50), Some(rupees(30))));
    assert_eq!(marked.marked_from, MarkedFrom::PreviousClose);
    let unmarked = line.worth(Some(price("92")), None);
    assert_eq!((unmarked.gross(), unmarked.marked_from), (Some(rupees(80)), MarkedFrom::Cost));
    assert_eq!(line.worth(None, Some(price("95"))).gross(), None);
}

/// The slow way: every unit on its own, as exact fractions of rupees, averaged over what is open.
#[derive(Default)]
struct Oracle {
    net: i64,
    /// Paise paid or received for what is open, as a fraction.
    cost: (i128, i128),
    realised: (i128, i128),
    cash: i128,
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a.abs() } else { gcd(b, a % b) }
}

fn sum((a, b): (i128, i128), (c, d): (i128, i128)) -> (i128, i128) {
    let (top, bottom) = (a * d + c * b, b * d);
    let shared = gcd(top, bottom).max(1);
    (top / shared, bottom / shared)
}

impl Oracle {
    fn new() -> Self {
        Self { cost: (0, 1), realised: (0, 1), ..Self::default() }
    }

    fn unit(&mut self, side: i64, paise: i128) {
        self.cash -= i128::from(side) * paise;
        if self.net * side >= 0 {
            self.cost = sum(self.cost, (paise, 1));
        } else {
            let average = (self.cost.0, self.cost.1 * i128::from(self.net.abs()));
            let gain = if self.net > 0 { sum((paise, 1), (-average.0, average.1)) } else { sum(average, (-paise, 1)) };
            self.realised = sum(self.realised, gain);
            self.cost = sum(self.cost, (-average.0, average.1));
        }
        self.net += side;
    }
}

fn near(ours: Amount, (top, bottom): (i128, i128)) -> bool {
    let theirs = Decimal::from_i128_with_scale(top, 0) / Decimal::from_i128_with_scale(bottom, 0) / Decimal::from(100);
    (ours.0 - theirs).abs() < Decimal::new(1, 8)
}

fn any_move() -> impl proptest::strategy::Strategy<Value = (bool, i64, i64)> {
    (any::<bool>(), 1i64..12, prop_oneof![1i64..40_000, 9_900i64..10_100])
}

proptest! {
    /// Average cost, unit by unit, in exact fractions; and over the whole day, the cash that flowed.
    #[test]
    fn prop_the_day_is_what_a_slow_oracle_says(moves in proptest::collection::vec(any_move(), 1..14), last in 1i64..40_000) {
        let mut oracle = Oracle::new();
        let mut day = Day::load(date(20), [], &[]);
        for (seq, (buys, quantity, paise)) in (1..).zip(moves) {
            let side = if buys { Side::Buy } else { Side::Sell };
            let at = Price::new(Decimal::new(paise, 2)).unwrap();
            day.apply(&change(seq, 20, Move::Traded { order: seq, side, quantity: Quantity::new(quantity).unwrap(), price: at, seen: None, at: crate::testkit::builders::at(0) }));
            for _ in 0..quantity {
                oracle.unit(side.sign(), i128::from(paise));
            }
            let line = line(&day);
            prop_assert_eq!(line.held.net, oracle.net);
            prop_assert!(near(line.curve.realised, oracle.realised), "{:?} is not {:?}", line.curve.realised, oracle.realised);
            prop_assert!(near(Amount(line.held.cost.0), oracle.cost), "{:?} is not {:?}", line.held.cost, oracle.cost);
        }
        let line = line(&day);
        let worth = line.worth(Price::new(Decimal::new(last, 2)), None).gross().unwrap();
        let cash = oracle.cash + i128::from(oracle.net) * i128::from(last);
        prop_assert!(near(worth, (cash, 1)), "{worth:?} is not {cash} paise");
        let ended = line.trips.won.plus(line.trips.lost);
        if line.held.net == 0 {
            // Both are sums of rounded parts: they may differ where no paisa is.
            let apart = (ended.0 - line.curve.realised.0).abs();
            prop_assert!(apart < Decimal::new(1, 8), "every trip of a flat line has ended: {ended:?}, {:?}", line.curve.realised);
        }
    }

    /// A price that is told makes of units which left what a trade taken over at that price makes of them.
    #[test]
    fn prop_a_told_price_counts_as_a_close_at_that_price(
        moves in proptest::collection::vec((any_move(), proptest::option::of((1i64..12, 1i64..40_000))), 1..14),
    ) {
        let (mut told, mut taken) = (Day::load(date(20), [], &[]), Day::load(date(20), [], &[]));
        let mut seq = 0;
        for ((buys, quantity, paise), leaves) in moves {
            seq += 1;
            let side = if buys { Side::Buy } else { Side::Sell };
            let at = Price::new(Decimal::new(paise, 2)).unwrap();
            let trade = change(seq, 20, Move::Traded { order: seq, side, quantity: Quantity::new(quantity).unwrap(), price: at, seen: None, at: crate::testkit::builders::at(0) });
            told.apply(&trade);
            taken.apply(&trade);
            let net = line(&told).held.net;
            let Some((units, paise)) = leaves.filter(|_| net != 0) else { continue };
            seq += 1;
            let (units, price) = (units.min(net.abs()), Price::new(Decimal::new(paise, 2)).unwrap());
            told.apply(&change(seq, 20, Move::Left { units, told: Some(Told { price: price.into(), seq: 1_000 }) }));
            let side = if net > 0 { Side::Sell } else { Side::Buy };
            taken.apply(&change(seq, 20, Move::Taken { side, quantity: Quantity::new(units).unwrap(), price }));
        }
        let (one, other) = (line(&told), line(&taken));
        let is_near = |one: Amount, other: Amount| (one.0 - other.0).abs() < Decimal::new(1, 8);
        prop_assert_eq!((one.held.net, one.corrected, one.left), (other.held.net, other.corrected, 0));
        prop_assert!(is_near(told.curve().realised, taken.curve().realised) && is_near(told.curve().drawdown, taken.curve().drawdown));
        let ended = |trips: crate::pnl::Trips| trips.wins + trips.losses + trips.even;
        prop_assert_eq!((ended(one.trips), one.trips.unknown), (ended(other.trips), 0));
        prop_assert!(is_near(one.trips.won.plus(one.trips.lost), other.trips.won.plus(other.trips.lost)));
        prop_assert!(is_near(one.held.cost.rupees(Decimal::ONE), other.held.cost.rupees(Decimal::ONE)));
    }

    /// However a line of trades is cut into days, each day realises what it would alone, and the marks join them: the days'
    /// results from close to close add up to the result of the whole.
    #[test]
    fn prop_days_from_close_to_close_add_up_to_the_whole(
        days in proptest::collection::vec((proptest::collection::vec(any_move(), 0..5), 1i64..40_000), 1..5),
    ) {
        let mut day = Day::load(date(1), [], &[]);
        let (mut seq, mut cash, mut net) = (0, 0i128, 0i64);
        let (mut close, mut sum, mut on) = (None, Amount::ZERO, 0);
        for (moves, at_close) in days {
            on += 1;
            day = day.on(date(on)).into_owned();
            for (buys, quantity, paise) in moves {
                seq += 1;
                let side = if buys { Side::Buy } else { Side::Sell };
                let at = Price::new(Decimal::new(paise, 2)).unwrap();
                day.apply(&change(seq, on, Move::Traded { order: seq, side, quantity: Quantity::new(quantity).unwrap(), price: at, seen: None, at: crate::testkit::builders::at(0) }));
                cash -= i128::from(side.sign() * quantity * paise);
                net += side.sign() * quantity;
            }
            let last = Price::new(Decimal::new(at_close, 2));
            if let Some(line) = day.line(&strategy("trend"), &sbin_in(Product::Mis)) {
                sum = sum.plus(line.worth(last, close).gross().unwrap());
            }
            close = last;
            let whole = cash + i128::from(net) * i128::from(at_close);
            prop_assert!(near(sum, (whole, 1)), "{sum:?} is not {whole} paise after day {on}");
        }
    }
}

/// Whose trades what is held is made of: those since it was last flat or turned around, on its side.
#[test]
fn the_orders_that_opened_what_is_held_are_known() {
    let mut day = Day::load(date(20), [], &[]);
    let mut opened = |seq, order, side, quantity| {
        day.apply(&change(seq, 20, traded(order, side, quantity, "100")));
        day.lines().next().map_or_else(Vec::new, |(_, _, line)| line.openings().iter().map(|opening| opening.order).collect::<Vec<_>>())
    };
    assert_eq!(opened(1, 7, Side::Buy, 10), [7]);
    assert_eq!(opened(2, 5, Side::Buy, 10), [7, 5]);
    assert_eq!(opened(3, 7, Side::Buy, 1), [7, 5], "once");
    assert_eq!(opened(4, 8, Side::Sell, 5), [7, 5], "an exit opens nothing");
    assert_eq!(opened(5, 9, Side::Sell, 20), [9], "turned around");
    assert_eq!(opened(6, 10, Side::Buy, 4), Vec::<u64>::new(), "flat");
    assert_eq!(opened(7, 9, Side::Sell, 1), [9]);
}
