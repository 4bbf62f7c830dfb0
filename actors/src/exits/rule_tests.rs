use super::*;
use crate::order::{Product, Status};
use crate::testkit::builders::{Build, at, held_at, order, sbin_in, strategy};

pub(super) fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn rule(net: i64, stop: &str, target: &str) -> ExitRule {
    let terms = Terms { stop_loss: Some(stop.parse().unwrap()), target: Some(target.parse().unwrap()), ..Terms::default() };
    ExitRule::new(strategy("trend"), sbin_in(Product::Mis), &held_at(net, "800"), terms, d("0.05"), "a test".into(), at(1)).unwrap()
}

#[test]
fn distances_become_prices_on_the_tick_on_both_sides() {
    let long = rule(10, "10 points", "1.111%");
    assert_eq!((long.stop, long.target), (Some(d("790")), Some(d("808.9"))));
    let short = rule(-10, "10 points", "1.111%");
    assert_eq!((short.stop, short.target), (Some(d("810")), Some(d("791.1"))));
    assert_eq!((short.exit_side(), short.gain(d("790"))), (Side::Buy, d("10")));
}

#[test]
fn an_order_brings_its_rule_with_its_first_fill_also_when_it_failed() {
    let mut record = order(3).filled(4, 4).ended(Status::Failed, Some(crate::order::Tag::BrokerCancelled));
    assert_eq!(ExitRule::from_order(&record, &held_at(4, "800"), d("0.05"), at(1), at(1)), None, "it says nothing");
    record.ask.stop_loss = Some("12 points".parse().unwrap());
    let rule = ExitRule::from_order(&record, &held_at(4, "800"), d("0.05"), at(1), at(1)).unwrap();
    assert_eq!((rule.stop, rule.order), (Some(d("788")), Some(record.command_id)));
    assert_eq!(ExitRule::from_order(&record, &held_at(-4, "800"), d("0.05"), at(1), at(1)), None, "what is held is the other side");
    record.ask.stop_loss = Some("900 points".parse().unwrap());
    assert_eq!(ExitRule::from_order(&record, &held_at(4, "800"), d("0.05"), at(1), at(1)), None, "no price");
}

#[test]
fn a_stop_that_has_trailed_stays_where_it_is_when_something_else_of_the_rule_is_changed() {
    let place = |rule: &ExitRule| (rule.stop, rule.first_stop, rule.best);
    let trailed = ExitRule { stop: Some(d("799")), best: d("815"), ..rule(10, "10 points", "20 points") };
    let edited = rule(10, "10 points", "30 points");
    let next = edited.clone().with_moved_stop_of(&trailed);
    assert_eq!((place(&next), next.target), (place(&trailed), Some(d("830"))));
    let other = rule(10, "12 points", "20 points");
    assert_eq!(place(&other.clone().with_moved_stop_of(&trailed)), place(&other), "another stop was asked for");
    for before in [ExitRule { is_on: false, ..trailed.clone() }, ExitRule { by_hand: Some(at(5)), ..trailed }] {
        assert_eq!(place(&edited.clone().with_moved_stop_of(&before)), place(&edited));
    }
}

#[test]
fn what_was_ahead_of_the_disk_is_taken_over_only_if_it_is_tighter() {
    let disk = rule(10, "10 points", "20 points");
    let ahead = ExitRule { stop: Some(d("795")), best: d("812"), ..disk.clone() };
    let mut loaded = disk.clone();
    loaded.catch_up(&ahead);
    assert_eq!((loaded.stop, loaded.best), (Some(d("795")), d("812")));
    loaded.catch_up(&disk);
    assert_eq!(loaded.stop, Some(d("795")), "never back");
    let mut changed = ExitRule { terms: Terms { target: None, ..disk.terms }, ..disk.clone() };
    changed.catch_up(&ahead);
    assert_eq!(changed.stop, disk.stop, "a person has changed it meanwhile");
}

/// More has come in without a word about exits, so the average is another one: a new target puts no stop back because of that.
#[test]
fn a_new_target_moves_no_stop_back_because_the_average_is_another() {
    let terms = |target: &str| Terms {
        trailing: Some(Trailing { kind: crate::order::TrailingType::Absolute, value: d("10") }),
        target: Some(target.parse().unwrap()),
        stop_loss: Some("2%".parse().unwrap()),
        ..Terms::default()
    };
    let of = |net: i64, average: &str, target: &str| {
        let (strategy, key) = (strategy("trend"), sbin_in(Product::Mis));
        ExitRule::new(strategy, key, &held_at(net, average), terms(target), d("0.05"), "a test".into(), at(1)).unwrap()
    };
    for (net, stop, best, average, target) in [(100, "840", "850", "822.5", "900"), (-100, "760", "750", "777.5", "700")] {
        let trailed = ExitRule { stop: Some(d(stop)), best: d(best), ..of(net, "800", if net > 0 { "880" } else { "720" }) };
        let next = of(2 * net, average, target).with_moved_stop_of(&trailed);
        assert_eq!((next.stop, next.target, next.fill), (Some(d(stop)), Some(d(target)), d(average)));
        assert_eq!(next.stood, Some(Stood { stop: d(stop), first: trailed.first_stop }));
        // It trails on from there.
        let beyond = if net > 0 { d("855") } else { d("745") };
        let mut on = next.clone();
        let tick = crate::exits::Tick { last: beyond, bid: Some(beyond), ask: Some(beyond), at: at(2) };
        assert!(on.look(None, &tick).is_moved);
        assert_eq!(on.stop, Some(if net > 0 { d("845") } else { d("755") }));
    }
}

/// The rest of an entry came in at a better price: its stop goes with the average, and what no price has moved is not ahead of it.
#[test]
fn a_rule_that_is_measured_anew_takes_nothing_over_that_no_price_has_moved() {
    for (net, second, stop) in [(10, "790", "780"), (-10, "810", "820")] {
        let order = order(1);
        let first = ExitRule { order: Some(order.command_id), ..rule(net, "10 points", if net > 0 { "880" } else { "720" }) };
        let measured = first.rebased(d(second), &order);
        let heard = |ahead: &ExitRule| {
            let mut heard = measured.clone();
            heard.catch_up(ahead);
            (heard.stop, heard.best, heard.first_stop)
        };
        assert_eq!(heard(&first), (Some(d(stop)), d(second), Some(d(stop))));
        let moved = if net > 0 { (d("797"), d("807")) } else { (d("803"), d("793")) };
        let trailed = ExitRule { stop: Some(moved.0), best: moved.1, ..first };
        assert_eq!(heard(&trailed), (Some(moved.0), moved.1, Some(d(stop))), "what a price has moved is");
    }
}

/// The stop of the rule as it rests, changed at the broker by hand.
fn put_by_hand(trigger: &str, second: i64) -> OrderRecord {
    let mut order = order(4).working("1");
    order.source = crate::order::Source::Stop;
    (order.ask.order_type, order.ask.trigger_price) = (Some(crate::order::OrderType::StopLimit), Price::parse(trigger).ok());
    OrderRecord { by_hand: Some(at(second)), ..order }
}

#[test]
fn a_stop_that_somebody_put_elsewhere_is_the_stop_of_the_rule_until_it_is_set_again() {
    let trailed = ExitRule { stop: Some(d("795")), best: d("812"), ..rule(10, "10 points", "20 points") };
    assert_eq!(trailed.heeding(&order(4).working("1")), None, "nobody did");
    let heeded = trailed.heeding(&put_by_hand("781", 5)).unwrap();
    assert_eq!((heeded.stop, heeded.by_hand, heeded.best), (Some(d("781")), Some(at(5)), d("812")));
    assert_eq!(heeded.heeding(&put_by_hand("781", 5)), None, "once");
    assert_eq!(heeded.heeding(&put_by_hand("779", 9)).unwrap().stop, Some(d("779")), "and again");
    // Nothing moves it back: no fill, no trail, nothing that was in memory.
    assert_eq!(heeded.rebased(d("801"), &order(3).filled(4, 4)).stop, Some(d("781")));
    let mut read_back = heeded.clone();
    read_back.catch_up(&trailed);
    assert_eq!(read_back, heeded);
    let set_again = ExitRule { set_at: at(6), ..trailed.clone() };
    assert!(set_again.heeding(&put_by_hand("781", 5)).is_none() && !set_again.yields_to(&put_by_hand("781", 5)));
    // Without a trigger it is no stop any more: the rule keeps its own, and moves nothing.
    let mut limit = put_by_hand("781", 5);
    (limit.ask.order_type, limit.ask.trigger_price) = (Some(crate::order::OrderType::Limit), None);
    let heeded = trailed.heeding(&limit).unwrap();
    assert_eq!((heeded.stop, heeded.by_hand), (Some(d("795")), Some(at(5))));
    let fired = Fired { cause: Cause::Trail, at: at(3), price: None, signal: SignalId(uuid::Uuid::from_u128(7)) };
    assert_eq!(ExitRule { fired: Some(fired), ..trailed }.heeding(&put_by_hand("781", 5)), None, "it is leaving");
}

#[test]
fn a_rule_is_for_the_position_that_it_was_made_for_and_for_no_later_one_on_its_side() {
    let long = rule(10, "10 points", "20 points");
    let opened = |opened_at| Holding { opened_at, ..held_at(10, "780") };
    assert!(long.is_for(&opened(Some(at(0)))) && long.is_for(&opened(None)));
    assert!(long.is_for(&opened(Some(at(0) + Duration::microseconds(7)))), "as a table keeps it");
    assert!(!long.is_for(&opened(Some(at(9)))) && !long.is_for(&opened(Some(at(-9)))), "closed, and opened again");
    assert!(!long.is_for(&held_at(-10, "780")) && !long.is_for(&held_at(0, "780")));
}

#[test]
fn what_came_to_nothing_slows_a_target_down_until_it_was_calm_and_nothing_else() {
    let tried = ExitRule { attempt: 6, rearmed_at: Some(at(100)), ..rule(10, "10 points", "20 points") };
    assert_eq!((tried.attempts_before(Cause::Target, at(101)), tried.attempts_before(Cause::Target, at(699))), (6, 6));
    assert_eq!(tried.attempts_before(Cause::Target, at(700)), 0);
    assert_eq!(tried.attempts_before(Cause::Stop, at(101)), 0, "a stop never waits for what a target has tried");
}

#[test]
fn a_rule_is_read_back_as_written() {
    let fired = Fired { cause: Cause::Trail, at: at(3), price: Some(d("799.5")), signal: SignalId(uuid::Uuid::from_u128(7)) };
    let rule = ExitRule { fired: Some(fired), ..rule(-10, "1%", "780") };
    assert_eq!(serde_json::from_str::<ExitRule>(&serde_json::to_string(&rule).unwrap()).unwrap(), rule);
    assert_eq!(&*rule.slot().key, "NSE:SBIN-EQ|MIS|trend");
}
