use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::order::{OrderType, Terms};
use crate::persistence::{Kept, KeptChange};
use crate::testkit::builders::{Build as _, at, book_of, exit, price, share as sbin, terms_of};

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn rungs() -> Rungs {
    Rungs { every: std::time::Duration::from_secs(1), through: vec![d("0.5"), d("1"), d("2")], cap_percent: d("4"), cap_spreads: None }
}

fn ladder(trigger: &str) -> Ladder {
    Ladder::new(d(trigger), None, at(0))
}

fn quote(bid: Option<&str>, ask: Option<&str>) -> Quote {
    Quote { bid: bid.map(price), ask: ask.map(price), last: price("100"), band: None, at: at(0), seen_at: at(0) }
}

fn step(side: Side, limit: Option<&str>, quote: Option<&Quote>, ladder: &Ladder, rungs: &Rungs, second: i64) -> Step {
    let instrument = sbin();
    let climb = Climb { side, limit: limit.map(price), instrument: &instrument, quote, told: None };
    plan(&climb, ladder, rungs, at(second))
}

#[test]
fn each_step_goes_further_through_the_touch() {
    let quote = quote(Some("100"), Some("100.2"));
    let at_step = |steps: u32, limit: Option<&str>| step(Side::Sell, limit, Some(&quote), &Ladder { steps, ..ladder("100") }, &rungs(), 1);
    assert_eq!(at_step(0, None), Step::Reprice(price("99.5")));
    assert_eq!(at_step(1, Some("101")), Step::Reprice(price("99")));
    assert_eq!(at_step(2, Some("101")), Step::Reprice(price("98")));
    assert_eq!(at_step(9, Some("101")), Step::Reprice(price("98")), "the last rung goes on following");
    let buy = step(Side::Buy, Some("100"), Some(&quote), &ladder("100.2"), &rungs(), 1);
    assert_eq!(buy, Step::Reprice(price("100.7")));
}

#[test]
fn a_step_that_leaves_the_limit_where_it_was_is_none_and_many_in_a_row_are_told() {
    let quote = quote(Some("97"), Some("97.2"));
    let mut ladder = ladder("98");
    for second in 1..=9 {
        let asked = step(Side::Sell, Some("98"), Some(&quote), &ladder, &rungs(), second);
        assert!(matches!(asked, Step::Reprice(_)) && !ladder.is_stuck_at(price("98")), "{second}: {asked:?}");
        ladder = ladder.stepped(price("98"), at(second));
        assert_eq!(ladder.steps, 1, "the same step again");
    }
    assert!(ladder.is_stuck_at(price("98")));
    let next = |second| step(Side::Sell, Some("98"), Some(&quote), &ladder, &rungs(), second);
    assert_eq!((next(18), matches!(next(19), Step::Reprice(_))), (Step::Wait, true), "it is asked for on, more slowly");
    // It has moved after all.
    assert!(!ladder.is_stuck_at(price("97.5")));
    let moved = ladder.stepped(price("97.5"), at(20));
    assert_eq!((moved.steps, moved.in_vain), (2, 0));
}

#[test]
fn the_schedule_holds_it_back() {
    let quote = quote(Some("90"), Some("90.2"));
    assert_eq!(step(Side::Sell, Some("91"), Some(&quote), &ladder("90"), &rungs(), 0), Step::Wait);
    assert!(matches!(step(Side::Sell, Some("91"), Some(&quote), &ladder("90"), &rungs(), 1), Step::Reprice(_)));
}

#[test]
fn the_cap_holds_from_the_trigger_and_a_person_may_widen_it() {
    let gone = quote(Some("90"), Some("91"));
    let sell = |limit: &str, ladder: &Ladder, rungs: &Rungs| step(Side::Sell, Some(limit), Some(&gone), ladder, rungs, 1);
    assert_eq!(sell("99", &ladder("100"), &rungs()), Step::Reprice(price("96")), "as far as the cap");
    assert_eq!(sell("96", &ladder("100"), &rungs()), Step::Halt(Halted::Cap(price("96"))));
    assert_eq!(sell("96", &Ladder { granted: 1, ..ladder("100") }, &rungs()), Step::Reprice(price("92")));
    let narrow = Rungs { cap_spreads: Some(d("5")), ..rungs() };
    let with_spread = |spread| Ladder { spread: Some(d(spread)), ..ladder("100") };
    assert_eq!(sell("99.9", &with_spread("0.6"), &narrow), Step::Reprice(price("97")), "five spreads are less than four percent");
    assert_eq!(sell("99.9", &with_spread("0.2"), &narrow), Step::Reprice(price("98")), "and no less than the last rung");
    assert_eq!(sell("99.9", &with_spread("2"), &narrow), Step::Reprice(price("96")));
}

/// A liquid option: its spread is one tick, and its stop goes on down a fall by itself as far as the last rung.
#[test]
fn the_stop_of_a_liquid_option_follows_a_fall_within_the_standard_numbers() {
    let rungs = super::super::ExitSettings::default().ladder.options;
    let begun = Ladder { spread: Some(d("0.05")), ..ladder("100") };
    let first = step(Side::Sell, None, Some(&quote(Some("99.95"), Some("100"))), &begun, &rungs, 0);
    assert_eq!(first, Step::Reprice(price("99")), "one percent through the touch, which is less than a market order gives");
    let falling = quote(Some("98.5"), Some("98.55"));
    let Step::Reprice(next) = step(Side::Sell, Some("99"), Some(&falling), &begun, &rungs, 1) else { panic!("it stands") };
    assert!(next <= price("98.5"), "{next}");
    let far = quote(Some("90.5"), Some("90.55"));
    let third = Ladder { steps: 2, ..begun };
    assert_eq!(step(Side::Sell, Some("95"), Some(&far), &third, &rungs, 1), Step::Reprice(price("90")), "as far as the last rung");
    let beyond = quote(Some("88"), Some("88.05"));
    assert_eq!(step(Side::Sell, Some("90"), Some(&beyond), &third, &rungs, 1), Step::Halt(Halted::Cap(price("90"))));
}

#[test]
fn an_exit_begins_no_further_than_the_cap_of_its_trigger() {
    let instrument = sbin();
    let begin = |quote: Option<&Quote>, last: &str| {
        let climb = Climb { side: Side::Sell, limit: None, instrument: &instrument, quote, told: None };
        first_limit(&climb, &ladder("100"), &rungs(), d(last), at(0))
    };
    assert_eq!(begin(Some(&quote(Some("99"), Some("99.2"))), "99"), Some(price("98.55")));
    assert_eq!(begin(Some(&quote(Some("95"), Some("95.2"))), "95"), Some(price("96")), "it fell while the first was rejected");
    assert_eq!(begin(Some(&quote(None, Some("99"))), "99"), Some(price("99")), "nobody buys: at the last price");
    assert_eq!((begin(Some(&quote(None, Some("95"))), "95"), begin(None, "95")), (Some(price("96")), Some(price("96"))));
}

#[test]
fn the_band_that_the_broker_has_named_holds_it() {
    let instrument = sbin();
    let falling = quote(Some("98.2"), Some("98.5"));
    let told = |low| Some((price(low), price("110")));
    let next = |told| {
        let climb = Climb { side: Side::Sell, limit: Some(price("99")), instrument: &instrument, quote: Some(&falling), told };
        plan(&climb, &ladder("100"), &rungs(), at(1))
    };
    assert_eq!(next(None), Step::Reprice(price("97.75")));
    assert_eq!(next(told("98")), Step::Reprice(price("98")));
    assert_eq!(next(told("98.3")), Step::Reprice(price("97.75")), "the market trades outside of it");
}

#[test]
fn the_band_holds_it_while_the_market_is_inside_and_an_empty_side_is_not_chased() {
    let mut falling = quote(Some("98.2"), Some("98.5"));
    falling.band = Some((price("98"), price("110")));
    assert_eq!(step(Side::Sell, Some("99"), Some(&falling), &ladder("100"), &rungs(), 1), Step::Reprice(price("98")));
    falling.bid = Some(price("97"));
    assert_eq!(step(Side::Sell, Some("98"), Some(&falling), &ladder("100"), &rungs(), 2), Step::Reprice(price("96.55")), "it is stale");
    let no_bid = quote(None, Some("100"));
    assert_eq!(step(Side::Sell, Some("99"), Some(&no_bid), &ladder("100"), &rungs(), 1), Step::Halt(Halted::OneSided));
    assert_eq!(step(Side::Sell, Some("99"), None, &ladder("100"), &rungs(), 1), Step::Halt(Halted::NoQuote));
}

#[test]
fn a_limit_that_reaches_the_touch_is_left_alone_and_rests_whichever_step_it_is_on() {
    let quote = quote(Some("100"), Some("100.2"));
    let rests = |steps: u32, second| step(Side::Sell, Some("97"), Some(&quote), &Ladder { steps, ..ladder("100") }, &rungs(), second);
    for steps in [0, 1, 3, 9] {
        assert_eq!((rests(steps, 0), rests(steps, 1)), (Step::Wait, Step::Halt(Halted::Rests)), "{steps}");
    }
    let at_the_touch = step(Side::Sell, Some("100"), Some(&quote), &ladder("100"), &rungs(), 1);
    assert_eq!(at_the_touch, Step::Reprice(price("99.5")), "another may be faster there");
}

proptest! {
    #[test]
    fn prop_no_step_is_less_willing_or_beyond_a_bound(
        bid in 1_000i64..20_000, spread in 0i64..500, trigger in 1_000i64..20_000, limit in 1_000i64..20_000, steps in 0u32..6,
        granted in 0u32..3, in_vain in 0u32..12, is_buy in any::<bool>(), band in proptest::option::of(500i64..3_000),
    ) {
        let side = if is_buy { Side::Buy } else { Side::Sell };
        let on_tick = |ticks: i64| Price::new(Decimal::new(ticks * 5, 2)).unwrap();
        let band = band.map(|width| (on_tick((bid - width).max(1)), on_tick(bid + spread + width)));
        let quote = Quote { bid: Some(on_tick(bid)), ask: Some(on_tick(bid + spread)), last: on_tick(bid), band, at: at(0), seen_at: at(0) };
        let ladder = Ladder { steps, granted, ..ladder(&on_tick(trigger).to_string()) };
        let instrument = sbin();
        let limit = on_tick(limit);
        // However often it was asked for from this limit before, that is one step at the most.
        let ladder = (0..in_vain).fold(ladder, |ladder, _| ladder.stepped(limit, at(0)));
        prop_assert_eq!(ladder.steps, steps + in_vain.min(1));
        let climb = Climb { side, limit: Some(limit), instrument: &instrument, quote: Some(&quote), told: None };
        if ladder.is_stuck_at(limit) {
            prop_assert_eq!(plan(&climb, &ladder, &rungs(), at(9)), Step::Wait);
        }
        if let Step::Reprice(price) = plan(&climb, &ladder, &rungs(), at(10)) {
            prop_assert!(is_as_willing(price.value(), limit.value(), side) && price != limit);
            prop_assert!(is_as_willing(cap(&ladder, &rungs(), instrument.tick, side), price.value(), side), "{} beyond the cap", price);
            prop_assert!(band.is_none_or(|(low, high)| low <= price && price <= high));
            prop_assert!(price.is_on_tick(instrument.tick));
        }
    }
}

#[test]
fn a_cheap_option_may_be_left_by_some_ticks() {
    let rungs = rungs();
    let tick = price("0.05");
    let cheap = |granted| Ladder { spread: Some("0.05".parse().unwrap()), granted, ..ladder("0.10") };
    assert_eq!(cap(&cheap(0), &rungs, tick, Side::Buy).normalize().to_string(), "0.35", "five ticks and not a part of one");
    assert_eq!(cap(&cheap(1), &rungs, tick, Side::Buy).normalize().to_string(), "0.6");
    let dear = ladder("800");
    assert!(cap(&dear, &rungs, tick, Side::Buy) > "800.25".parse().unwrap(), "a share of the price is more");
}

/// A trouble that has passed by itself was told; what stops the exit later, with the limit elsewhere, is another.
#[test]
fn what_people_were_told_is_past_when_the_limit_has_moved() {
    let told = |ladder: Ladder| Ladder { is_paged: true, ..ladder };
    let asked = ladder("100").stepped(price("99"), at(1));
    assert!(told(asked).stepped(price("99"), at(2)).is_paged, "it stands where it stood");
    assert!(!told(asked).stepped(price("98"), at(2)).is_paged);
    assert!(!told(ladder("100")).stepped(price("99"), at(1)).is_paged, "it was not on its ladder yet");
}

/// Its limit has changed, so that it is recorded as a limit order: by its ladder, by a person here, by one at the broker.
#[test]
fn what_came_as_a_market_order_is_driven_until_somebody_sets_its_limit() {
    let mut exit = exit(7).asks(10);
    (exit.ask.order_type, exit.ask.price, exit.sent_at) = (Some(OrderType::Limit), Some(price("97")), Some(at(1)));
    let driven_as = |order: &OrderRecord, ladder: Option<Ladder>, by_hand: Option<DateTime<Utc>>| {
        let order = OrderRecord { by_hand, ..order.clone() };
        let mut book = book_of([order.clone()], &[]);
        if let Some(ladder) = ladder {
            let value = serde_json::to_string(&ladder).unwrap();
            let now = Some(Kept { value: value.into(), seq: 1, at: at(1) });
            book.put_kept(KeptChange { slot: ladder_slot(order.command_id), now });
        }
        is_driven(&order, &book)
    };
    let driven = |ladder, by_hand| driven_as(&exit, ladder, by_hand);
    let stepped = Ladder { came_as_market: true, ..ladder("100").stepped(price("98"), at(1)) };
    let left_at = |limit: &str| Some(Ladder { left_at: Some(price(limit)), ..stepped });
    assert!(driven(Some(stepped), None), "whichever step is in force");
    assert!(!driven(None, None) && !driven(Some(ladder("100").stepped(price("98"), at(1))), None), "it came as a limit order");
    assert!(!driven(left_at("97"), None) && !driven(Some(stepped), Some(at(3))), "a person's limit");
    assert!(driven(left_at("97.5"), None), "what a person asked for was refused");
    let pending = Some(Terms { price: Some(price("97.5")), ..terms_of(&exit) });
    let taken = OrderRecord { pending, ..exit.clone() };
    assert!(!driven_as(&taken, left_at("97.5"), None), "the broker took it, and no book shows it yet");
}
