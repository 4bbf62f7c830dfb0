use chrono::{DateTime, Utc};

use super::*;
use crate::exits::{Cause, Fired, Tick};
use crate::order::{Holding, Intent, Product, SignalId, Status, Tag};
use crate::persistence::Control;
use crate::ports::AccountHead;
use crate::testkit::builders::{Build, at, held_at, order, sbin_in, strategy};

fn d(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn stop_at(text: &str) -> Terms {
    Terms { stop_loss: Some(text.parse().unwrap()), ..Terms::default() }
}

/// A filled order of "trend" in SBIN-EQ with these terms, asked for so many seconds after the position was opened.
fn entry(number: u64, side: Side, traded: i64, terms: Terms) -> OrderRecord {
    let mut record = order(number).side(side).asks(100).working(&number.to_string()).filled(traded, traded);
    let second = i64::try_from(number).unwrap();
    (record.created_at, record.signal_time) = (at(second), at(second));
    record.ask.product = Some(Product::Mis);
    (record.ask.stop_loss, record.ask.target, record.ask.trailing, record.ask.exits) =
        (terms.stop_loss, terms.target, terms.trailing, terms.exits);
    record
}

fn book(orders: Vec<OrderRecord>, held: Holding) -> Book {
    let head = AccountHead {
        client_id: crate::order::ClientId::parse("PAPER1").unwrap(),
        last_number: orders.len() as u64,
        orders,
        holdings: vec![(strategy("trend"), sbin_in(Product::Mis), held)],
        control: None,
    };
    Book::load(head, 100, Control::default())
}

fn now() -> DateTime<Utc> {
    at(1_000)
}

/// The rule after everything that the book has is taken in.
fn taken_in(mut rule: Option<ExitRule>, book: &Book) -> Option<ExitRule> {
    let key = sbin_in(Product::Mis);
    let held = book.held(&strategy("trend"), &key);
    for _ in 0..10 {
        match brought(&strategy("trend"), &key, rule.as_ref(), book) {
            None => return rule,
            Some(Brought::More(order)) => rule = rule.map(|rule| rule.rebased(held.average().unwrap(), &order)),
            Some(Brought::Order(order)) => {
                let brought = ExitRule::from_order(&order, &held, d("0.05"), now(), now()).unwrap();
                rule = Some(match &rule {
                    Some(before) => brought.added_to(before),
                    None => brought,
                });
            }
        }
    }
    panic!("it never ends: {rule:?}")
}

fn prices(rule: &ExitRule) -> [Option<String>; 3] {
    [rule.stop, rule.first_stop, rule.target].map(|price| price.map(|price| price.normalize().to_string()))
}

fn said(prices: [&str; 3]) -> [Option<String>; 3] {
    prices.map(|price| (price != "-").then(|| price.to_owned()))
}

/// Side, the first order's terms, the best price seen and the stop that it earned, the addition's terms, the average with it; then
/// stop, where it began, and target.
type Row = (Side, &'static str, Option<(&'static str, &'static str)>, &'static str, &'static str, [&'static str; 3]);

/// The stop has trailed before more comes in: by what each side of the market calls tighter.
#[test]
fn an_addition_never_moves_a_stop_away_from_the_market() {
    let trailing = |text: &str| Terms {
        trailing: Some(crate::order::Trailing { kind: crate::order::TrailingType::Absolute, value: d("10") }),
        ..stop_at(text)
    };
    let rows: [Row; 12] = [
        (Side::Buy, "2%", Some(("850", "840")), "2%", "820.5", ["840", "804.1", "-"]),
        (Side::Sell, "2%", Some(("750", "760")), "2%", "779.5", ["760", "795.05", "-"]),
        (Side::Buy, "2%", None, "2%", "825", ["808.5", "808.5", "-"]),
        (Side::Sell, "2%", None, "2%", "775", ["790.5", "790.5", "-"]),
        (Side::Buy, "2%", None, "2%", "795", ["784", "784", "-"]),
        (Side::Sell, "2%", None, "2%", "805", ["816", "816", "-"]),
        (Side::Buy, "790", None, "780", "805", ["790", "790", "-"]),
        (Side::Sell, "810", None, "820", "795", ["810", "810", "-"]),
        (Side::Buy, "790", Some(("830", "820")), "825", "830", ["825", "825", "-"]),
        (Side::Sell, "810", Some(("770", "780")), "775", "770", ["775", "775", "-"]),
        // What moves it may be another from now on; what it has earned stays.
        (Side::Buy, "2%", Some(("850", "840")), "5%", "845", ["840", "802.75", "-"]),
        (Side::Sell, "2%", Some(("750", "760")), "5%", "755", ["760", "792.75", "-"]),
    ];
    for (side, first, moved, more, average, wanted) in rows {
        let opener = entry(1, side, 100, trailing(first));
        let whole = opener.clone().ended(Status::Executed, None);
        let net = side.sign() * 100;
        let mut rule = taken_in(None, &book(vec![whole.clone()], held_at(net, "800"))).unwrap();
        if let Some((best, stop)) = moved {
            (rule.best, rule.stop) = (d(best), Some(d(stop)));
        }
        let adds = entry(2, side, 100, stop_at(more));
        let after = taken_in(Some(rule.clone()), &book(vec![whole, adds.clone()], held_at(2 * net, average))).unwrap();
        assert_eq!(prices(&after), said(wanted), "{side} {first} {moved:?} + {more} from {average}");
        assert_eq!((after.order, after.fill), (Some(adds.command_id), d(average)));
        assert!(after.is_as_good(after.stop.unwrap(), rule.stop.unwrap()));
    }
}

#[test]
fn an_addition_in_two_trades_is_measured_as_in_one() {
    let terms = Terms { target: Some("3%".parse().unwrap()), ..stop_at("2%") };
    for (side, halves, average) in [(Side::Buy, "818.75", "825"), (Side::Sell, "781.25", "775")] {
        let first = entry(1, side, 100, stop_at("2%")).ended(Status::Executed, None);
        let net = side.sign() * 100;
        let rule = taken_in(None, &book(vec![first.clone()], held_at(net, "800")));
        let of = |traded: i64, average: &str| {
            book(vec![first.clone(), entry(2, side, traded, terms)], held_at(net + side.sign() * traded, average))
        };
        let half = taken_in(rule.clone(), &of(60, halves)).unwrap();
        assert_eq!((half.fill, half.counted), (d(halves), Some(60)));
        let in_two = taken_in(Some(half), &of(100, average)).unwrap();
        let in_one = taken_in(rule, &of(100, average)).unwrap();
        assert_eq!(in_two, in_one);
        assert_eq!(in_two.fill, d(average));
    }
}

/// The second trade of an addition is below the first: its own stop goes back with the average, that of the position does not.
#[test]
fn more_of_an_addition_does_not_undo_what_stood_before_it() {
    for (side, stop, first, second, wanted) in [
        (Side::Buy, "784", "796", "790", "784"),
        (Side::Sell, "816", "804", "810", "816"),
        (Side::Buy, "784", "830", "810", "793.8"),
        (Side::Sell, "816", "770", "790", "805.8"),
    ] {
        let opener = entry(1, side, 100, stop_at("2%")).ended(Status::Executed, None);
        let net = side.sign() * 100;
        let rule = taken_in(None, &book(vec![opener.clone()], held_at(net, "800"))).unwrap();
        assert_eq!(rule.stop, Some(d(stop)));
        let half = taken_in(Some(rule), &book(vec![opener.clone(), entry(2, side, 50, stop_at("2%"))], held_at(net, first)));
        let whole = taken_in(half, &book(vec![opener, entry(2, side, 100, stop_at("2%"))], held_at(net, second))).unwrap();
        assert_eq!(whole.stop, Some(d(wanted)), "{side} {first} {second}");
    }
}

#[test]
fn an_addition_leaves_what_a_person_has_decided() {
    let first = entry(1, Side::Buy, 100, stop_at("2%")).ended(Status::Executed, None);
    let rule = taken_in(None, &book(vec![first.clone()], held_at(100, "800"))).unwrap();
    let both = book(vec![first, entry(2, Side::Buy, 100, stop_at("2%"))], held_at(200, "825"));
    let off = taken_in(Some(ExitRule { is_on: false, ..rule.clone() }), &both).unwrap();
    assert!(!off.is_on && off.order != rule.order);
    let by_hand = ExitRule { stop: Some(d("770")), first_stop: Some(d("770")), by_hand: Some(at(5)), set_at: at(3), ..rule };
    let kept = taken_in(Some(by_hand.clone()), &both).unwrap();
    assert_eq!((kept.stop, kept.first_stop, kept.by_hand, kept.set_at), (by_hand.stop, by_hand.first_stop, Some(at(5)), at(3)));
}

/// The trail goes on while the rule of an addition is being written: what it earns meanwhile stays, unless a person spoke.
#[test]
fn what_the_trail_earned_while_an_addition_was_written_stays() {
    let first = entry(1, Side::Buy, 100, stop_at("2%")).ended(Status::Executed, None);
    let before = taken_in(None, &book(vec![first.clone()], held_at(100, "800"))).unwrap();
    let both = book(vec![first, entry(2, Side::Buy, 100, stop_at("2%"))], held_at(200, "825"));
    let ahead = ExitRule { stop: Some(d("840")), best: d("850"), ..before.clone() };
    let mut written = taken_in(Some(before), &both).unwrap();
    let a_persons = ExitRule { set_at: now(), stood: None, ..written.clone() };
    written.catch_up(&ahead);
    assert_eq!((written.stop, written.best), (Some(d("840")), d("825")));
    let mut set = a_persons.clone();
    set.catch_up(&ahead);
    assert_eq!(set, a_persons);
}

#[test]
fn what_an_addition_does_not_speak_of_stays() {
    let all = Terms {
        target: Some("880".parse().unwrap()),
        trailing: Some(crate::order::Trailing { kind: crate::order::TrailingType::Absolute, value: d("10") }),
        exits: ExitExtras { times: "EOD".parse().unwrap(), break_even: Some("1%".parse().unwrap()), ..ExitExtras::default() },
        ..stop_at("2%")
    };
    let first = entry(1, Side::Buy, 100, all).ended(Status::Executed, None);
    let rule = taken_in(None, &book(vec![first.clone()], held_at(100, "800"))).unwrap();
    let with = |terms: Terms| {
        taken_in(Some(rule.clone()), &book(vec![first.clone(), entry(2, Side::Buy, 100, terms)], held_at(200, "825"))).unwrap()
    };
    let only_target = with(Terms { target: Some("890".parse().unwrap()), ..Terms::default() });
    assert_eq!(only_target.terms, Terms { target: Some("890".parse().unwrap()), ..all });
    assert_eq!(prices(&only_target), said(["808.5", "808.5", "890"]));
    let only_stop = with(stop_at("800"));
    assert_eq!((only_stop.terms.target, only_stop.terms.trailing, only_stop.terms.exits.break_even), (all.target, None, None));
    assert_eq!((prices(&only_stop), only_stop.terms.exits.times), (said(["800", "800", "880"]), all.exits.times));
}

/// Whatever was lost on the way, the next look at the book finds it, in the order in which it was asked for.
#[test]
fn what_has_filled_and_is_not_in_the_rule_is_found_in_the_book() {
    let key = sbin_in(Product::Mis);
    let next = |rule: Option<&ExitRule>, book: &Book| brought(&strategy("trend"), &key, rule, book);
    let first = entry(1, Side::Buy, 75, stop_at("2%"));
    let half = book(vec![first.clone()], held_at(75, "800"));
    assert_eq!(next(None, &half), Some(Brought::Order(Arc::new(first.clone()))));
    let rule = taken_in(None, &half).unwrap();
    assert_eq!(next(Some(&rule), &half), None, "all of it is in");
    // The write of the second trade was refused, or never made.
    let whole = entry(1, Side::Buy, 100, stop_at("2%"));
    let adds = [entry(2, Side::Buy, 100, stop_at("830")), entry(3, Side::Buy, 100, stop_at("1%"))];
    let all = book([vec![whole.clone()], adds.to_vec()].concat(), held_at(300, "830"));
    assert_eq!(next(Some(&rule), &all), Some(Brought::More(Arc::new(whole.clone()))));
    let rule = rule.rebased(d("801"), &whole);
    assert_eq!(next(Some(&rule), &all), Some(Brought::Order(Arc::new(adds[0].clone()))));
    assert_eq!(taken_in(Some(rule.clone()), &all).unwrap().stop, Some(d("830")));
    // Nothing of these is its.
    let mut others = [
        entry(2, Side::Sell, 50, stop_at("830")),
        entry(3, Side::Buy, 50, Terms::default()),
        entry(4, Side::Buy, 50, stop_at("830")).intent(Intent::Exit),
        entry(5, Side::Buy, 50, stop_at("830")).test(),
        entry(6, Side::Buy, 0, stop_at("830")),
        entry(7, Side::Buy, 50, stop_at("830")),
        entry(8, Side::Buy, 50, stop_at("830")),
    ];
    others[5].signal_time = at(-9);
    others[6].ask.product = Some(Product::Cnc);
    let others = book([vec![whole], others.to_vec()].concat(), held_at(100, "801"));
    assert_eq!(next(Some(&rule), &others), None);
}

#[test]
fn a_rule_that_leaves_takes_nothing_in_and_one_of_a_person_only_what_came_later() {
    let key = sbin_in(Product::Mis);
    let next = |rule: &ExitRule, book: &Book| brought(&strategy("trend"), &key, Some(rule), book).is_some();
    let both = book(vec![entry(1, Side::Buy, 100, stop_at("2%")), entry(2, Side::Buy, 100, stop_at("830"))], held_at(200, "825"));
    let rule = ExitRule::from_order(&entry(1, Side::Buy, 100, stop_at("2%")), &held_at(100, "800"), d("0.05"), now(), now()).unwrap();
    let fired = |cause| Some(Fired { cause, at: at(9), price: None, signal: SignalId(uuid::Uuid::from_u128(7)) });
    assert!(next(&rule, &both) && next(&ExitRule { fired: fired(Cause::Target), ..rule.clone() }, &both));
    assert!(!next(&ExitRule { fired: fired(Cause::Stop), ..rule.clone() }, &both));
    let a_persons = |second| ExitRule { order: None, counted: None, set_at: at(second), ..rule.clone() };
    assert!(next(&a_persons(1), &both) && !next(&a_persons(2), &both));
}

/// Written before units were counted: measured once more where more may come, and never again where nothing can.
#[test]
fn a_rule_of_an_older_version_is_measured_once() {
    let key = sbin_in(Product::Mis);
    let rule = ExitRule::from_order(&entry(1, Side::Buy, 75, stop_at("2%")), &held_at(75, "800"), d("0.05"), now(), now()).unwrap();
    let old = ExitRule { counted: None, ..rule };
    let text = serde_json::to_string(&old).unwrap();
    assert!(!text.contains("counted") && !text.contains("stood"));
    let old: ExitRule = serde_json::from_str(&text).unwrap();
    let ended = entry(1, Side::Buy, 75, stop_at("2%")).ended(Status::Failed, Some(Tag::BrokerCancelled));
    assert_eq!(brought(&strategy("trend"), &key, Some(&old), &book(vec![ended], held_at(75, "800"))), None);
    let works = book(vec![entry(1, Side::Buy, 75, stop_at("2%"))], held_at(75, "800"));
    let measured = taken_in(Some(old.clone()), &works).unwrap();
    assert_eq!(measured, ExitRule { counted: Some(75), ..old });
}

#[test]
fn further_fills_move_what_has_not_moved_by_itself() {
    let terms = Terms { target: Some("20 points".parse().unwrap()), ..stop_at("10 points") };
    for side in [Side::Buy, Side::Sell] {
        let from = |points: i64| Some(Decimal::from(800 + side.sign() * points));
        let first = ExitRule::from_order(&entry(1, side, 10, terms), &held_at(side.sign() * 10, "800"), d("0.05"), now(), now()).unwrap();
        let more = entry(1, side, 20, terms);
        let second = first.rebased(from(1).unwrap(), &more);
        assert_eq!((second.stop, second.target, Some(second.best), second.counted), (from(-9), from(21), from(1), Some(20)));
        let trailed = ExitRule { stop: from(-1), best: from(15).unwrap(), ..first };
        assert_eq!(trailed.rebased(from(1).unwrap(), &more).stop, from(-1));
        assert_eq!(trailed.rebased(from(30).unwrap(), &more).stop, from(20), "and what the average has earned");
    }
}

/// After an addition the trail goes on from the new average, and moves nothing back on its way up.
#[test]
fn the_trail_goes_on_after_an_addition() {
    let terms =
        Terms { trailing: Some(crate::order::Trailing { kind: crate::order::TrailingType::Absolute, value: d("10") }), ..stop_at("2%") };
    let first = entry(1, Side::Buy, 100, terms).ended(Status::Executed, None);
    let mut rule = taken_in(None, &book(vec![first.clone()], held_at(100, "800"))).unwrap();
    (rule.best, rule.stop) = (d("850"), Some(d("840")));
    let mut rule = taken_in(Some(rule), &book(vec![first, entry(2, Side::Buy, 100, terms)], held_at(200, "820.5"))).unwrap();
    for (price, stop) in [("841", "840"), ("845", "840"), ("851", "841"), ("846", "841")] {
        let tick = Tick { last: d(price), bid: Some(d(price)), ask: Some(d(price)), at: now() };
        assert!(rule.look(None, &tick).fires.is_none());
        assert_eq!(rule.stop, Some(d(stop)), "at {price}");
    }
}

/// The order of the position opens it at the second 2 (by its number) and fills first; the one that had been asked for before fills now.
fn opened_before(first: OrderRecord, then: OrderRecord, average: &str) -> Book {
    let side = first.ask.side.unwrap();
    let held = Holding { opened_at: Some(first.signal_time), ..held_at(side.sign() * 200, average) };
    let trades: Vec<(u64, Side, i64)> = [&first, &then].map(|order| (order.number, side, order.traded_quantity)).to_vec();
    let mut book = book(vec![then, first], held);
    let mut before = Holding::default();
    for (seq, (number, side, traded)) in (1..).zip(trades) {
        let (quantity, price) = (crate::order::Quantity::new(traded).unwrap(), crate::order::Price::parse("800").unwrap());
        let what =
            crate::pnl::Move::Traded { order: number, side, quantity, price, seen: None, at: at(50 + i64::try_from(number).unwrap()) };
        let (strategy, key) = (strategy("trend"), sbin_in(Product::Mis));
        book.put_day(&crate::pnl::DayChange { seq, day: crate::order::trading_date(at(0)), strategy, key, before, what });
        before = before.after(side, quantity, price);
    }
    book
}

/// It was asked for before the position was opened, and fills after it: its stop is one of the position.
#[test]
fn what_was_asked_for_before_the_position_and_fills_after_its_opener_brings_its_stop() {
    for (side, own, earlier, wanted) in [
        (Side::Buy, stop_at("780"), stop_at("805"), "805"),
        (Side::Sell, stop_at("820"), stop_at("795"), "795"),
        (Side::Buy, Terms::default(), stop_at("780"), "780"),
    ] {
        let whole = |number, terms| entry(number, side, 100, terms).ended(Status::Executed, None);
        let book = opened_before(whole(2, own), whole(1, earlier), "810");
        let alone = ExitRule::from_order(&whole(2, own), &held_at(side.sign() * 100, "800"), d("0.05"), now(), now());
        let alone = alone.map(|rule| ExitRule { opened_at: at(2), ..rule });
        for standing in [None, alone] {
            let rule = taken_in(standing, &book).unwrap();
            assert_eq!((rule.stop, rule.fill), (Some(d(wanted)), d("810")), "{side}");
            assert_eq!(brought(&strategy("trend"), &sbin_in(Product::Mis), Some(&rule), &book), None);
            // A rule of before these were counted knows nothing of it, and takes nothing in twice.
            let old = ExitRule { order: Some(whole(2, own).command_id), counted: Some(100), others: None, ..rule };
            assert_eq!(brought(&strategy("trend"), &sbin_in(Product::Mis), Some(&old), &book), None);
        }
    }
}

/// Two orders of one signal; the later one fills first. What each brings is in the rule, and so is what fills of either after that.
#[test]
fn more_of_any_order_of_the_position_is_measured() {
    let key = sbin_in(Product::Mis);
    let part = |traded| entry(1, Side::Buy, traded, stop_at("2%"));
    let rule = taken_in(None, &opened_before(entry(2, Side::Buy, 100, stop_at("2%")), part(40), "800")).unwrap();
    let counted = |rule: &ExitRule| (rule.counted, rule.others.clone().unwrap().into_values().collect::<Vec<_>>());
    assert_eq!((counted(&rule), rule.order), ((Some(100), vec![40]), Some(entry(2, Side::Buy, 1, stop_at("2%")).command_id)));
    let whole = opened_before(entry(2, Side::Buy, 100, stop_at("2%")), part(100), "790");
    assert_eq!(brought(&strategy("trend"), &key, Some(&rule), &whole), Some(Brought::More(Arc::new(part(100)))));
    let measured = taken_in(Some(rule), &whole).unwrap();
    assert_eq!((measured.fill, counted(&measured)), (d("790"), (Some(100), vec![100])));
    // And of the other one.
    let less = ExitRule { counted: Some(60), ..measured.clone() };
    let found = brought(&strategy("trend"), &key, Some(&less), &whole);
    assert!(matches!(&found, Some(Brought::More(order)) if order.number == 2), "{found:?}");
    assert_eq!(counted(&taken_in(Some(less), &whole).unwrap()), (Some(100), vec![100]));
    // A person sets it: all that has filled is in it, and nothing is brought twice.
    let a_persons = ExitRule { order: None, counted: None, others: Some([].into()), ..measured.clone() }.with_all_counted(&whole);
    assert_eq!((counted(&a_persons), a_persons.order), ((Some(100), vec![100]), measured.order));
    assert_eq!(brought(&strategy("trend"), &key, Some(&a_persons), &whole), None);
}
