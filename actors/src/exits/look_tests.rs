use proptest::prelude::{Just, Strategy as _, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;

use super::*;
use crate::exits::Terms;
use crate::order::{ExitExtras, Holding, OrderRecord, OrderType, Points, Price, Product, Source, Trailing};
use crate::testkit::builders::{Build, at, order, sbin_in, strategy};

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// A rule of 10 units at 100, tick 0.05.
fn rule(position: Side, terms: Terms) -> ExitRule {
    let held = Holding { net: position.sign() * 10, cost: Points(d("1000")), realised: Points::ZERO, opened_at: Some(at(0)) };
    ExitRule::new(strategy("trend"), sbin_in(Product::Mis), &held, terms, d("0.05"), "a test".into(), at(0)).unwrap()
}

fn stop_of(text: &str) -> Terms {
    Terms { stop_loss: Some(text.parse().unwrap()), ..Terms::default() }
}

fn trailing(kind: TrailingType, value: &str) -> Option<Trailing> {
    Some(Trailing { kind, value: d(value) })
}

/// A trade at that price, the touch around it.
fn around(last: Decimal, second: i64) -> Tick {
    Tick { last, bid: Some(last - d("0.05")), ask: Some(last + d("0.05")), at: at(second) }
}

/// Seen from the other side of 100: what a short sees where a long sees `price`.
fn mirrored(price: Decimal) -> Decimal {
    d("200") - price
}

/// Rows of (price, stop after it), for a long; the short must see the mirror image of each.
fn golden(terms: Terms, rows: &[(&str, &str)]) {
    for position in [Side::Buy, Side::Sell] {
        let seen = |price: &str| if position == Side::Buy { d(price) } else { mirrored(d(price)) };
        let mut rule = rule(position, terms);
        let mut before = None;
        for (number, (price, stop)) in rows.iter().enumerate() {
            let tick = around(seen(price), i64::try_from(number).unwrap());
            let looked = rule.look(before.as_ref(), &tick);
            assert_eq!(rule.stop, Some(seen(stop)), "{position}: row {number}, price {price}");
            assert_eq!(looked.fires, None, "{position}: row {number}");
            before = Some(tick);
        }
    }
}

#[test]
fn a_stop_that_somebody_put_at_the_broker_is_not_moved_and_still_fires() {
    let terms = Terms { trailing: trailing(TrailingType::Absolute, "2"), ..stop_of("5 points") };
    let mut rule = ExitRule { by_hand: Some(at(1)), ..rule(Side::Buy, terms) };
    let before = around(d("100"), 1);
    assert_eq!(rule.look(Some(&before), &around(d("120"), 2)), Looked::default());
    assert_eq!((rule.stop, rule.best), (Some(d("95")), d("120")), "what was earned is remembered");
    assert_eq!(rule.look(Some(&around(d("120"), 2)), &around(d("94.9"), 3)).fires, Some(Cause::Stop));
}

#[test]
fn points_trail_in_steps() {
    let terms = Terms { trailing: trailing(TrailingType::Points, "2"), ..stop_of("5 points") };
    golden(terms, &[("100", "95"), ("101.95", "95"), ("102", "97"), ("103.95", "97"), ("104", "99"), ("99.5", "99"), ("110", "105")]);
}

#[test]
fn points_with_a_step_and_an_activation() {
    let exits = ExitExtras {
        trailing_step: Some("4 points".parse().unwrap()),
        trailing_after: Some("8 points".parse().unwrap()),
        ..ExitExtras::default()
    };
    let terms = Terms { trailing: trailing(TrailingType::Points, "3"), exits, ..stop_of("5 points") };
    golden(terms, &[("104", "95"), ("107.95", "95"), ("108", "101"), ("111.95", "101"), ("112", "104"), ("105", "104")]);
}

/// The order has filled at another price than its sender saw, or it was kept before this was looked at: the trail follows the price at the
/// distance where it began, and the next tick against it does not sell.
#[test]
fn points_above_their_step_move_by_the_step() {
    for step in ["2 points", "2%"] {
        let exits = ExitExtras { trailing_step: Some(step.parse().unwrap()), ..ExitExtras::default() };
        let terms = Terms { trailing: trailing(TrailingType::Points, "5"), exits, ..stop_of("5 points") };
        golden(terms, &[("101.95", "95"), ("102", "97"), ("104", "99"), ("103.9", "99"), ("110", "105")]);
        let words = rule(Side::Buy, terms).overtakes().unwrap();
        assert!(words.contains(&format!("would move 5 for every {step}")), "{words}");
        let within = Terms { trailing: trailing(TrailingType::Points, "2"), ..terms };
        assert_eq!(rule(Side::Buy, within).overtakes(), None);
        let follows = Terms { trailing: trailing(TrailingType::Absolute, "5"), ..terms };
        assert_eq!(rule(Side::Buy, follows).overtakes(), None, "it follows the best price from behind");
    }
}

#[test]
fn absolute_follows_the_best_price_at_a_distance() {
    let terms = Terms { trailing: trailing(TrailingType::Absolute, "3"), ..stop_of("5 points") };
    golden(terms, &[("100", "95"), ("101", "98"), ("100.2", "98"), ("101.5", "98.5"), ("98.6", "98.5"), ("120", "117")]);
    let exits = ExitExtras { trailing_step: Some("2 points".parse().unwrap()), ..ExitExtras::default() };
    golden(Terms { exits, ..terms }, &[("101", "98"), ("102.95", "98"), ("103", "100"), ("104.9", "100"), ("105", "102")]);
}

#[test]
fn absolute_with_an_activation_and_a_step() {
    let exits = ExitExtras { trailing_after: Some("4 points".parse().unwrap()), ..ExitExtras::default() };
    let terms = Terms { trailing: trailing(TrailingType::Absolute, "3"), exits, ..stop_of("5 points") };
    golden(terms, &[("103.95", "95"), ("104", "101"), ("102", "101"), ("104.5", "101.5"), ("110", "107")]);
    let exits = ExitExtras { trailing_step: Some("2 points".parse().unwrap()), ..exits };
    golden(Terms { exits, ..terms }, &[("103.95", "95"), ("104", "101"), ("105.95", "101"), ("106", "103"), ("104", "103")]);
}

/// Two per cent of the best price are no mirror image: each side has its own rows.
#[test]
fn percent_with_an_activation_and_with_a_step() {
    let of = |exits| Terms { trailing: trailing(TrailingType::Percent, "2"), exits, ..stop_of("5 points") };
    let after = of(ExitExtras { trailing_after: Some("5 points".parse().unwrap()), ..ExitExtras::default() });
    let step = of(ExitExtras { trailing_step: Some("2 points".parse().unwrap()), ..ExitExtras::default() });
    let after_percent = of(ExitExtras { trailing_after: Some("5%".parse().unwrap()), ..ExitExtras::default() });
    for (side, terms, rows) in [
        (Side::Buy, after, [("104.95", "95"), ("105", "102.9"), ("103.5", "102.9"), ("110", "107.8")]),
        (Side::Sell, after, [("95.05", "105"), ("95", "96.9"), ("96.5", "96.9"), ("90", "91.8")]),
        (Side::Buy, after_percent, [("104.95", "95"), ("105", "102.9"), ("103.5", "102.9"), ("110", "107.8")]),
        (Side::Buy, step, [("101", "99"), ("102", "99"), ("103", "99"), ("103.1", "101.05")]),
        (Side::Sell, step, [("99", "100.95"), ("98", "100.95"), ("97.1", "100.95"), ("97", "98.9")]),
    ] {
        let mut rule = rule(side, terms);
        for (second, (price, stop)) in rows.iter().enumerate() {
            let looked = rule.look(None, &around(d(price), i64::try_from(second).unwrap()));
            assert_eq!((rule.stop, looked.fires), (Some(d(stop)), None), "{side} {:?}: {price}", terms.exits);
        }
    }
}

#[test]
fn percent_follows_the_best_price() {
    let long = Terms { trailing: trailing(TrailingType::Percent, "2"), ..stop_of("5 points") };
    let mut rule = rule(Side::Buy, long);
    for (second, (price, stop)) in
        [("100", "95"), ("101", "99"), ("105", "102.9"), ("103", "102.9"), ("110.05", "107.85")].iter().enumerate()
    {
        let _ = rule.look(None, &around(d(price), i64::try_from(second).unwrap()));
        assert_eq!(rule.stop, Some(d(stop)), "{price}");
    }
    let mut short = super::tests::rule(Side::Sell, long);
    for (second, (price, stop)) in [("100", "105"), ("98", "99.95"), ("99", "99.95"), ("90", "91.8")].iter().enumerate() {
        let _ = short.look(None, &around(d(price), i64::try_from(second).unwrap()));
        assert_eq!(short.stop, Some(d(stop)), "{price}");
    }
}

#[test]
fn break_even_moves_the_stop_to_the_fill_once_and_not_back() {
    let exits = ExitExtras { break_even: Some("4 points".parse().unwrap()), ..ExitExtras::default() };
    let terms = Terms { exits, ..stop_of("5 points") };
    golden(terms, &[("103.95", "95"), ("104", "100"), ("101", "100"), ("120", "100")]);
    let both = Terms { trailing: trailing(TrailingType::Absolute, "3"), ..terms };
    golden(both, &[("103", "100"), ("104", "101"), ("101.5", "101")]);
}

#[test]
fn stop_before_target_and_each_by_its_name() {
    let terms = Terms { target: Some("10 points".parse().unwrap()), ..stop_of("5 points") };
    for (position, lost, won) in [(Side::Buy, "95", "110"), (Side::Sell, "105", "90")] {
        let fires = |price: &str| rule(position, terms).look(None, &around(d(price), 1)).fires;
        assert_eq!((fires(lost), fires("100")), (Some(Cause::Stop), None));
        // A touch on the far side alone does not pay the target: the tick before must have been there too.
        let far = Tick { last: d(won), bid: None, ask: None, at: at(2) };
        assert_eq!(rule(position, terms).look(None, &far).fires, None);
        assert_eq!(rule(position, terms).look(Some(&far), &Tick { at: at(3), ..far }).fires, Some(Cause::Target));
        let mut moved = rule(position, terms);
        moved.stop = Some(d("100"));
        assert_eq!(moved.look(None, &around(d(lost), 1)).fires, Some(Cause::Trail));
        // Both at once: the stop stands where the target is.
        let mut both = rule(position, terms);
        (both.stop, both.target) = (Some(d(won)), Some(d(won)));
        assert_eq!(both.look(Some(&around(d(won), 1)), &around(d(won), 2)).fires, Some(Cause::Trail));
    }
}

#[test]
fn one_odd_tick_fires_nothing_and_moves_nothing() {
    let terms = Terms { trailing: trailing(TrailingType::Absolute, "3"), target: Some("110".parse().unwrap()), ..stop_of("95") };
    let touch = |last: &str, second: i64| Tick { last: d(last), bid: Some(d("99.9")), ask: Some(d("100.1")), at: at(second) };
    for odd in ["50", "150"] {
        let mut rule = rule(Side::Buy, terms);
        let calm = touch("100", 0);
        assert_eq!(rule.look(None, &calm), Looked::default());
        assert_eq!(rule.look(Some(&calm), &touch(odd, 1)), Looked::default(), "{odd}");
        assert_eq!(rule.look(Some(&touch(odd, 1)), &touch("100", 2)), Looked::default(), "{odd}");
    }
    assert_eq!(rule(Side::Buy, terms).look(Some(&touch("94", 1)), &touch("93", 2)).fires, Some(Cause::Stop), "a second one supports it");
    let untraded = Tick { last: d("100"), bid: Some(d("90")), ask: Some(d("91")), at: at(1) };
    assert_eq!(rule(Side::Buy, terms).look(None, &untraded).fires, None);
    let again = Tick { at: at(2), ..untraded };
    assert_eq!(rule(Side::Buy, terms).look(Some(&untraded), &again).fires, Some(Cause::Stop), "nobody trades, the book is through");
}

#[test]
fn a_book_that_stands_through_the_stop_fires_it_though_nobody_quotes_again() {
    let standing = |bid: &str, ask: &str| Tick { last: d("100"), bid: Some(d(bid)), ask: Some(d(ask)), at: at(1) };
    let mut rule = rule(Side::Buy, stop_of("95"));
    let through = standing("94.90", "95");
    assert_eq!(rule.look(None, &through), Looked::default(), "once it may be odd");
    assert_eq!(rule.look_at_standing(&through).fires, Some(Cause::Stop));
    assert_eq!(rule.look_at_standing(&standing("94.90", "95.05")), Looked::default(), "one side only");
    rule.is_on = false;
    assert_eq!(rule.look_at_standing(&through), Looked::default(), "switched off");
}

#[test]
fn a_gap_through_the_stop_fires_at_once() {
    assert_eq!(rule(Side::Buy, stop_of("95")).look(None, &around(d("60"), 1)).fires, Some(Cause::Stop));
    assert_eq!(rule(Side::Sell, stop_of("105")).look(None, &around(d("160"), 1)).fires, Some(Cause::Stop));
}

#[test]
fn what_fired_or_is_off_does_nothing_and_a_resting_target_keeps_its_stop() {
    let terms = Terms { target: Some("110".parse().unwrap()), ..stop_of("95") };
    let mut off = rule(Side::Buy, terms);
    off.is_on = false;
    assert_eq!(off.look(None, &around(d("90"), 1)), Looked::default());
    let fired = |cause| crate::exits::Fired { cause, at: at(0), price: None, signal: crate::order::SignalId(uuid::Uuid::nil()) };
    let mut stopped = rule(Side::Buy, terms);
    stopped.fired = Some(fired(Cause::Stop));
    assert_eq!(stopped.look(None, &around(d("90"), 1)), Looked::default());
    let mut resting = rule(Side::Buy, terms);
    resting.fired = Some(fired(Cause::Target));
    assert_eq!(resting.look(None, &around(d("110"), 1)).fires, None, "its exit rests there");
    assert_eq!(resting.look(None, &around(d("94"), 2)).fires, Some(Cause::Stop));
}

proptest! {
    /// Whatever the prices: the stop never moves away from the market, never reaches it by itself, and nothing fires on its wrong side.
    #[test]
    fn prop_a_stop_only_ratchets(
        prices in proptest::collection::vec(5_000i64..15_000, 1..60),
        is_long in any::<bool>(),
        kind in select(TrailingType::ALL),
        value in 1i64..90,
        step in proptest::option::of(1i64..20),
        after in proptest::option::of(1i64..20),
        break_even in proptest::option::of(1i64..20),
        touch in proptest::collection::vec((0i64..200, 0i64..200).prop_map(|(below, above)| (below, above)), 60),
    ) {
        let position = if is_long { Side::Buy } else { Side::Sell };
        let points = |points: i64| ExitAt::Points(Decimal::from(points));
        let exits = ExitExtras {
            trailing_step: step.map(points),
            trailing_after: after.map(points),
            break_even: break_even.map(points),
            ..ExitExtras::default()
        };
        let terms = Terms {
            trailing: Some(Trailing { kind, value: Decimal::from(value) }),
            exits,
            target: Some(points(40)),
            ..stop_of("30 points")
        };
        let mut rule = rule(position, terms);
        let mut before: Option<Tick> = None;
        for (number, price) in prices.iter().enumerate() {
            let last = Decimal::new(*price, 2);
            let (below, above) = touch[number];
            let tick = Tick { last, bid: Some(last - Decimal::new(below, 2)), ask: Some(last + Decimal::new(above, 2)), at: at(number as i64) };
            let stop = rule.stop.unwrap();
            let looked = rule.look(before.as_ref(), &tick);
            let next = rule.stop.unwrap();
            prop_assert!(rule.is_as_good(next, stop), "{} to {}", stop, next);
            prop_assert!(!rule.is_as_good(next, rule.best) || next == stop, "a stop at {} with the best price {}", next, rule.best);
            match looked.fires {
                Some(Cause::Target) => prop_assert!(rule.is_as_good(last, rule.target.unwrap())),
                Some(_) => prop_assert!(rule.is_as_good(stop, last) || rule.is_as_good(stop, tick.ask.unwrap()), "{} at {}", stop, last),
                None => {}
            }
            before = Some(tick);
        }
    }
}

/// What happens to a rule beside the prices.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A price, hundredths.
    Price(i64),
    /// It is written as it stands.
    Written,
    /// The row on disk is heard of, with a rule in memory that may be ahead of it.
    Heard,
    /// The process starts anew, from the disk.
    Restart,
    /// An order adds at that price, with a stop so many points below the average.
    Adds(i64, i64),
    /// Somebody puts the stop there at the broker.
    ByHand(i64),
}

fn event() -> impl proptest::strategy::Strategy<Value = Event> {
    prop_oneof![
        12 => (5_000i64..15_000).prop_map(Event::Price),
        3 => Just(Event::Written),
        2 => Just(Event::Heard),
        1 => Just(Event::Restart),
        2 => (5_000i64..15_000, 1i64..40).prop_map(|(price, stop)| Event::Adds(price, stop)),
        1 => (5_000i64..15_000).prop_map(Event::ByHand),
    ]
}

/// A stop that somebody has put there at the broker, seen then.
fn put(price: Decimal, second: i64) -> OrderRecord {
    let mut order = order(9).working("9");
    order.source = Source::Stop;
    (order.ask.order_type, order.ask.trigger_price) = (Some(OrderType::StopLimit), Price::new(price));
    OrderRecord { by_hand: Some(at(second)), ..order }
}

proptest! {
    /// The same whatever is written, lost with a process, added or moved by hand in between: a restart takes the stop no further back
    /// than the disk had it, an addition never moves it away from the market, and where a person put it, it stays.
    #[test]
    fn prop_a_stop_only_ratchets_whatever_else_happens(
        events in proptest::collection::vec(event(), 1..80),
        is_long in any::<bool>(),
        kind in select(TrailingType::ALL),
        value in 1i64..90,
        step in proptest::option::of(1i64..20),
        after in proptest::option::of(1i64..20),
    ) {
        let position = if is_long { Side::Buy } else { Side::Sell };
        let points = |points: i64| ExitAt::Points(Decimal::from(points));
        let exits = ExitExtras { trailing_step: step.map(points), trailing_after: after.map(points), ..ExitExtras::default() };
        let terms = |stop: i64| Terms {
            stop_loss: Some(points(stop)),
            trailing: Some(Trailing { kind, value: Decimal::from(value) }),
            exits,
            ..Terms::default()
        };
        let mut rule = rule(position, terms(30));
        let mut disk = rule.clone();
        let mut before: Option<Tick> = None;
        let mut units = 10;
        for (number, event) in events.into_iter().enumerate() {
            let second = i64::try_from(number).unwrap() + 1;
            let stood = rule.stop.unwrap();
            match event {
                Event::Price(price) => {
                    let tick = around(Decimal::new(price, 2), second);
                    let _ = rule.look(before.as_ref(), &tick);
                    before = Some(tick);
                    prop_assert!(rule.by_hand.is_none() || rule.stop == Some(stood), "a person put it at {}", stood);
                }
                Event::Written => disk = rule.clone(),
                Event::Heard => {
                    let mut heard = disk.clone();
                    heard.catch_up(&rule);
                    rule = heard;
                }
                Event::Restart => rule = disk.clone(),
                Event::Adds(price, stop) => {
                    let cost = rule.fill * Decimal::from(units) + Decimal::new(price, 2) * Decimal::from(10);
                    units += 10;
                    let held = Holding { net: position.sign() * units, cost: Points(cost), realised: Points::ZERO, opened_at: Some(at(0)) };
                    let (strategy, key) = (strategy("trend"), sbin_in(Product::Mis));
                    let added = ExitRule::new(strategy, key, &held, terms(stop), d("0.05"), "a test".into(), at(second)).unwrap();
                    rule = added.added_to(&rule);
                    disk = rule.clone();
                }
                Event::ByHand(price) => {
                    rule = rule.heeding(&put(Decimal::new(price, 2), second)).unwrap();
                    prop_assert_eq!(rule.stop, Some(Decimal::new(price, 2)));
                    disk = rule.clone();
                    continue;
                }
            }
            let floor = if matches!(event, Event::Restart) { disk.stop.unwrap() } else { stood };
            prop_assert!(rule.is_as_good(rule.stop.unwrap(), floor), "{:?}: from {} to {:?}", event, floor, rule.stop);
        }
    }
}
