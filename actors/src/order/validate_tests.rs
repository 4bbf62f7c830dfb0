use std::sync::Arc;

use proptest::prelude::{ProptestConfig, Strategy as _, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Just;
use rust_decimal::Decimal;

use super::*;
use crate::order::{Kind, Product};
use crate::testkit::builders::{future, rupees, sbin, share};

#[path = "validate_props_tests.rs"]
mod props;

const BOUNDS: Bounds = Bounds { max_notional: Amount(Decimal::from_parts(100_000_000, 0, 0, false, 0)) };

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// ENTRY BUY 10 SBIN-EQ MIS LIMIT 800: nothing wrong with it.
fn good() -> LegDraft {
    LegDraft {
        strategy: some("trend"),
        execution_type: some("ENTRY"),
        exchange: some("NSE"),
        symbol: some("SBIN-EQ"),
        side: some("BUY"),
        quantity: some("10"),
        product: some("MIS"),
        order_type: some("LIMIT"),
        price: some("800"),
        ..LegDraft::default()
    }
}

fn leg(change: impl FnOnce(&mut LegDraft)) -> LegDraft {
    let mut leg = good();
    change(&mut leg);
    leg
}

/// A sell of one lot of the future at 25000.
fn lot(change: impl FnOnce(&mut LegDraft)) -> LegDraft {
    leg(|leg| {
        (leg.exchange, leg.symbol, leg.product) = (some("NFO"), some("NIFTY26NOVFUT"), some("NRML"));
        (leg.quantity, leg.price) = (some("75"), some("25000"));
        change(leg);
    })
}

fn stop_order(side: &str, kind: &str, price: Option<&str>, trigger: Option<&str>) -> LegDraft {
    leg(|leg| {
        (leg.side, leg.order_type) = (some(side), some(kind));
        (leg.price, leg.trigger_price) = (price.map(str::to_owned), trigger.map(str::to_owned));
    })
}

fn wrongs(leg: &LegDraft, instrument: &Instrument) -> Vec<(&'static str, String)> {
    read(leg, Some(instrument), &BOUNDS).violations.into_iter().map(|wrong| (wrong.field, wrong.message)).collect()
}

#[track_caller]
fn fine(leg: &LegDraft, instrument: &Instrument) {
    assert_eq!(wrongs(leg, instrument), vec![], "{leg:?}");
}

/// Exactly one thing is wrong: this field, in these words.
#[track_caller]
fn wrong(leg: &LegDraft, instrument: &Instrument, field: &str, words: &str) {
    let found = wrongs(leg, instrument);
    assert!(
        found.len() == 1 && found[0].0 == field && found[0].1.contains(words),
        "wanted {field}: ..{words}.., found {found:?} for {leg:?}"
    );
}

type Field = fn(&mut LegDraft) -> &mut Option<String>;

/// Every text of a leg, by the sender's spelling.
const FIELDS: &[(&str, Field)] = &[
    ("strategy_name", |leg| &mut leg.strategy),
    ("execution_type", |leg| &mut leg.execution_type),
    ("exchange", |leg| &mut leg.exchange),
    ("tradingsymbol", |leg| &mut leg.symbol),
    ("direction", |leg| &mut leg.side),
    ("qty", |leg| &mut leg.quantity),
    ("product_type", |leg| &mut leg.product),
    ("order_type", |leg| &mut leg.order_type),
    ("validity", |leg| &mut leg.validity),
    ("price", |leg| &mut leg.price),
    ("trigger_price", |leg| &mut leg.trigger_price),
    ("stop_loss", |leg| &mut leg.stop_loss),
    ("target", |leg| &mut leg.target),
    ("trailing_type", |leg| &mut leg.trailing_type),
    ("trailing_value", |leg| &mut leg.trailing_value),
    ("test_mode", |leg| &mut leg.test_mode),
    ("cancel_after_s", |leg| &mut leg.cancel_after_s),
    ("policy", |leg| &mut leg.policy),
];

/// A leg that carries every field there is, all of them right.
fn full() -> LegDraft {
    leg(|leg| {
        (leg.order_type, leg.price, leg.trigger_price) = (some("SL"), some("800"), some("799"));
        (leg.stop_loss, leg.target) = (some("790"), some("820"));
        (leg.trailing_type, leg.trailing_value) = (some("POINTS"), some("5"));
        (leg.validity, leg.test_mode) = (some("DAY"), some("SUCCESS"));
        (leg.cancel_after_s, leg.policy) = (some("30"), some("ALL_OR_UNWIND"));
    })
}

/// A hundred thousand orders in one instrument hold its name once.
#[test]
fn an_order_shares_the_text_of_its_instrument() {
    let found = share();
    let reading = read(&good(), Some(&found), &BOUNDS);
    assert!(Arc::ptr_eq(&reading.ask.symbol, &found.key.symbol));
    let other = read(&leg(|leg| leg.symbol = some("INFY-EQ")), Some(&found), &BOUNDS);
    assert_eq!(&*other.ask.symbol, "INFY-EQ", "what was sent is told as it was sent");
}

#[test]
fn a_whole_leg_reads_without_violations() {
    fine(&good(), &share());
    fine(&full(), &share());
    fine(&lot(|_| ()), &future());
}

#[test]
fn every_field_that_defines_an_order_is_missed_by_name() {
    let defining = ["execution_type", "exchange", "tradingsymbol", "order_type", "direction", "qty", "product_type", "price"];
    for (name, field) in FIELDS.iter().filter(|(name, _)| defining.contains(name)) {
        for empty in [None, some(""), some("  ")] {
            let leg = leg(|leg| *field(leg) = empty.clone());
            wrong(&leg, &share(), name, "missing; nothing is assumed for it");
        }
    }
    wrong(&stop_order("BUY", "SL", Some("800"), None), &share(), "trigger_price", "missing");
    wrong(&stop_order("BUY", "SL", None, Some("800")), &share(), "price", "missing");
    wrong(&stop_order("BUY", "SLM", None, None), &share(), "trigger_price", "missing");
    let all = read(&LegDraft::default(), None, &BOUNDS);
    let named: Vec<&str> = all.violations.iter().map(|wrong| wrong.field).collect();
    assert_eq!(
        named,
        ["execution_type", "exchange", "tradingsymbol", "order_type", "direction", "qty", "product_type"],
        "all at once, in the order of the form"
    );
}

#[test]
fn an_unresolved_placeholder_is_named_in_every_field() {
    for (name, field) in FIELDS {
        for text in ["{{strategy.order.action}}", "{{x", "x}}"] {
            let mut leg = full();
            *field(&mut leg) = some(text);
            let found = wrongs(&leg, &share());
            assert!(found.iter().any(|(at, words)| at == name && words.contains("unresolved placeholder")), "{name} {text}: {found:?}");
        }
    }
}

#[test]
fn control_characters_and_foreign_letters_are_refused_where_a_word_or_a_number_is_wanted() {
    for (name, field) in FIELDS {
        for text in ["B\u{0}Y", "1\n0", "\u{202e}800", "१०", "８００", "\u{1b}[31m", &"é".repeat(100)] {
            let mut leg = full();
            *field(&mut leg) = some(text);
            let named = named_instrument(&leg);
            let reading = read(&leg, Some(&share()).filter(|share| named == Some(share.key.clone())), &BOUNDS);
            let is_name = *name == "strategy_name" && !text.chars().any(crate::order::draft::is_unsafe) && text.len() <= 64;
            assert_eq!(reading.violations.iter().any(|wrong| wrong.field == *name), !is_name, "{name} {text:?}: {:?}", reading.violations);
            let said: String = reading.violations.iter().map(ToString::to_string).collect();
            assert!(!said.contains(crate::order::draft::is_unsafe), "{name} {text:?} came through into {said:?}");
            assert!(!reading.ask.symbol.contains(char::is_control) && !reading.ask.strategy.as_str().contains(char::is_control));
            assert!(reading.ask.symbol.chars().count() <= 64);
        }
    }
}

#[test]
fn a_strategy_that_was_not_named_is_the_default_one_and_one_too_long_is_cut_and_refused() {
    assert_eq!(read(&leg(|leg| leg.strategy = None), Some(&share()), &BOUNDS).ask.strategy.as_str(), "default");
    let long = leg(|leg| leg.strategy = Some("é".repeat(60)));
    wrong(&long, &share(), "strategy_name", "1 to 64 bytes");
    assert_eq!(read(&long, Some(&share()), &BOUNDS).ask.strategy.as_str(), "é".repeat(32));
}

#[test]
fn a_quantity_is_a_plain_whole_number_above_zero() {
    for text in
        ["NaN", "nan", "inf", "-inf", "Infinity", "0", "0.0", "-10", "1e2", "1E2", "10.5", "0x10", "1,000", "ten", "100000001", "1_0", "+"]
    {
        wrong(&leg(|leg| leg.quantity = some(text)), &share(), "qty", "must be");
    }
    for text in ["10", "10.0", " 10 ", "+10", "0010"] {
        let reading = read(&leg(|leg| leg.quantity = some(text)), Some(&share()), &BOUNDS);
        assert_eq!((reading.ask.quantity.map(Quantity::value), reading.violations), (Some(10), vec![]), "{text:?}");
    }
}

#[test]
fn a_price_is_a_plain_decimal_above_zero() {
    let numbers: &[(&str, Field)] = &[
        ("price", |leg| &mut leg.price),
        ("trigger_price", |leg| &mut leg.trigger_price),
        ("stop_loss", |leg| &mut leg.stop_loss),
        ("target", |leg| &mut leg.target),
    ];
    for (name, field) in numbers {
        for text in ["NaN", "inf", "-inf", "0", "0.00", "-800", "8e2", "800,00", "800.00001", "10000001", ".", "--1", &"9".repeat(40)] {
            let mut leg = full();
            *field(&mut leg) = some(text);
            wrong(&leg, &share(), name, "must be");
        }
    }
}

#[test]
fn zero_is_no_price_where_the_order_type_has_none() {
    let reading = read(
        &leg(|leg| (leg.order_type, leg.price, leg.trigger_price) = (some("MARKET"), some("0"), some("0.0"))),
        Some(&share()),
        &BOUNDS,
    );
    assert_eq!((reading.ask.price, reading.ask.trigger_price, reading.violations), (None, None, vec![]));
    let seen = read(&leg(|leg| leg.order_type = some("MARKET")), Some(&share()), &BOUNDS);
    assert_eq!((seen.ask.price, seen.violations), (None, vec![]), "the price that the sender saw is no limit");
}

#[test]
fn a_broken_lot_is_refused_with_both_neighbours() {
    wrong(&lot(|leg| leg.quantity = some("100")), &future(), "qty", "100 is no multiple of the lot 75 of NFO:NIFTY26NOVFUT; 75 or 150");
    wrong(&lot(|leg| leg.quantity = some("50")), &future(), "qty", "lot 75 of NFO:NIFTY26NOVFUT; 75");
    fine(&lot(|leg| leg.quantity = some("150")), &future());
}

#[test]
fn the_freeze_quantity_is_a_limit_in_whole_lots() {
    fine(&lot(|leg| leg.quantity = some("1800")), &future());
    wrong(&lot(|leg| leg.quantity = some("1875")), &future(), "qty", "at most 1800 in one order");
    let odd = Instrument { freeze: Quantity::new(1799), ..future() };
    wrong(&lot(|leg| leg.quantity = some("1800")), &odd, "qty", "at most 1725 in one order");
}

#[test]
fn every_price_stands_on_the_tick() {
    let prices: &[(&str, Field)] = &[
        ("price", |leg| &mut leg.price),
        ("trigger_price", |leg| &mut leg.trigger_price),
        ("stop_loss", |leg| &mut leg.stop_loss),
        ("target", |leg| &mut leg.target),
    ];
    for (name, field) in prices {
        let mut leg = full();
        let text = field(&mut leg).clone().unwrap();
        *field(&mut leg) = Some(format!("{text}.05"));
        fine(&leg, &share());
        *field(&mut leg) = Some(format!("{text}.03"));
        wrong(&leg, &share(), name, "is no multiple of the tick 0.05 of NSE:SBIN-EQ");
    }
}

#[test]
fn what_is_not_in_the_master_is_not_traded_and_neither_is_an_index() {
    let unknown = read(&leg(|leg| leg.symbol = some("NOSUCH-EQ")), None, &BOUNDS).violations;
    assert_eq!(unknown.len(), 1);
    assert!(unknown[0].field == "tradingsymbol" && unknown[0].message.contains("NOSUCH-EQ is not in today's instrument master of NSE"));
    // What is held must be closed, though: an exit goes on, to be measured against its position.
    let exit = leg(|leg| (leg.symbol, leg.execution_type) = (some("NOSUCH-EQ"), some("EXIT")));
    assert_eq!(read(&exit, None, &BOUNDS).violations, []);
    let index = Instrument { kind: Kind::Index, ..share() };
    wrong(&good(), &index, "tradingsymbol", "is an index: it is quoted, not traded");
}

#[test]
fn the_product_fits_the_instrument() {
    for (product, in_shares, in_futures) in [("MIS", true, true), ("CNC", true, false), ("NRML", false, true)] {
        for (draft, instrument, fits) in
            [(leg(|leg| leg.product = some(product)), share(), in_shares), (lot(|leg| leg.product = some(product)), future(), in_futures)]
        {
            if fits {
                fine(&draft, &instrument);
            } else {
                wrong(&draft, &instrument, "product_type", &format!("{product} is not possible in {}", instrument.key));
            }
        }
    }
    for (alias, product) in [("I", Product::Mis), ("c", Product::Cnc), ("M", Product::Nrml)] {
        assert_eq!(read(&leg(|leg| leg.product = some(alias)), Some(&share()), &BOUNDS).ask.product, Some(product));
    }
}

#[test]
fn a_word_that_is_none_is_refused_with_the_choices() {
    let words = ["execution_type", "exchange", "direction", "product_type", "order_type", "validity", "trailing_type", "test_mode"];
    for (name, field) in FIELDS.iter().filter(|(name, _)| words.contains(name)) {
        let mut leg = full();
        *field(&mut leg) = some("PERHAPS");
        let found = wrongs(&leg, &share());
        assert!(found.iter().any(|(at, said)| at == name && said.contains("\"PERHAPS\" is not one of ")), "{name}: {found:?}");
    }
}

#[test]
fn the_trigger_of_a_stop_limit_reaches_its_limit() {
    for (side, trigger, reachable) in [
        ("BUY", "799", true),
        ("BUY", "800", true),
        ("BUY", "801", false),
        ("SELL", "801", true),
        ("SELL", "800", true),
        ("SELL", "799", false),
    ] {
        let leg = stop_order(side, "SL", Some("800"), Some(trigger));
        if reachable {
            fine(&leg, &share());
        } else {
            wrong(&leg, &share(), "trigger_price", &format!("{trigger} is on the wrong side of the limit 800 for a {side}"));
        }
    }
    fine(&stop_order("BUY", "SLM", None, Some("801")), &share());
}

#[test]
fn a_trigger_is_refused_where_the_order_type_has_none() {
    for kind in ["MARKET", "LIMIT"] {
        let leg = stop_order("BUY", kind, Some("800"), Some("0.05"));
        wrong(&leg, &share(), "trigger_price", &format!("0.05 means nothing for a {kind} order"));
    }
}

#[test]
fn stop_and_target_stand_on_their_own_sides_of_the_price() {
    let protected = |side: &str, stop: &str, target: Option<&str>| {
        leg(|leg| (leg.side, leg.stop_loss, leg.target) = (some(side), some(stop), target.map(str::to_owned)))
    };
    fine(&protected("BUY", "790", Some("820")), &share());
    fine(&protected("SELL", "820", Some("790")), &share());
    for (side, stop) in [("BUY", "800"), ("BUY", "810"), ("SELL", "800"), ("SELL", "790")] {
        wrong(&protected(side, stop, None), &share(), "stop_loss", &format!("{stop} is on the wrong side of 800 for a {side}"));
    }
    for (side, stop, target) in [("BUY", "790", "800"), ("BUY", "790", "795"), ("SELL", "820", "800"), ("SELL", "820", "810")] {
        wrong(&protected(side, stop, Some(target)), &share(), "target", &format!("{target} is on the wrong side of 800 for a {side}"));
    }
    let unpriced = |stop: &str, target: &str| {
        leg(|leg| {
            (leg.order_type, leg.price) = (some("MARKET"), None);
            (leg.stop_loss, leg.target) = (some(stop), some(target));
        })
    };
    fine(&unpriced("790", "820"), &share());
    wrong(&unpriced("820", "790"), &share(), "target", "on the wrong sides of each other");
    let seen = leg(|leg| (leg.order_type, leg.stop_loss) = (some("MARKET"), some("810")));
    wrong(&seen, &share(), "stop_loss", "wrong side of 800");
    let mut trigger = stop_order("BUY", "SLM", None, Some("801"));
    trigger.stop_loss = some("802");
    wrong(&trigger, &share(), "stop_loss", "wrong side of 801");
}

#[test]
fn a_target_and_a_trailing_stop_need_a_stop() {
    wrong(&leg(|leg| leg.target = some("820")), &share(), "target", "a target needs a stop_loss");
    let trailing = leg(|leg| (leg.trailing_type, leg.trailing_value) = (some("POINTS"), some("5")));
    wrong(&trailing, &share(), "trailing_type", "a trailing stop needs a stop_loss");
}

#[test]
fn trailing_has_a_type_and_a_value_that_makes_sense() {
    let trailing = |kind: Option<&str>, value: Option<&str>| {
        leg(|leg| {
            leg.stop_loss = some("790");
            (leg.trailing_type, leg.trailing_value) = (kind.map(str::to_owned), value.map(str::to_owned));
        })
    };
    fine(&trailing(Some("PERCENT"), Some("99.5")), &share());
    fine(&trailing(Some("ABSOLUTE"), Some("100")), &share());
    fine(&trailing(Some("none"), Some("0")), &share());
    for (kind, value) in [(Some("POINTS"), None), (None, Some("5"))] {
        wrong(&trailing(kind, value), &share(), "trailing_value", "go together");
    }
    for (kind, value) in [("POINTS", "0"), ("POINTS", "-1"), ("POINTS", "NaN"), ("PERCENT", "100"), ("PERCENT", "1e1")] {
        wrong(&trailing(Some(kind), Some(value)), &share(), "trailing_value", "must be greater than 0");
    }
    let steps = |kind, step| LegDraft { trailing_step: some(step), ..trailing(Some(kind), Some("5")) };
    fine(&steps("POINTS", "5 points"), &share());
    fine(&steps("POINTS", "1%"), &share());
    fine(&steps("ABSOLUTE", "2 points"), &share());
    for step in ["4.95 points", "0.5%"] {
        wrong(&steps("POINTS", step), &share(), "trailing_step", &format!("would move 5 for every {step} of the price and overtake it"));
    }
}

#[test]
fn a_priced_order_is_bounded_in_rupees() {
    let bounds = Bounds { max_notional: rupees(8_000) };
    assert_eq!(read(&good(), Some(&share()), &bounds).violations, vec![], "8000 at the bound of 8000");
    let above = read(&leg(|leg| leg.price = some("800.05")), Some(&share()), &bounds).violations;
    assert_eq!(above.len(), 1);
    assert_eq!(above[0].message, "10 x 800.05 = 8000.50 rupees is above the bound of 8000 (validation.max_notional)");
}

#[test]
fn an_exit_may_leave_out_what_its_position_settles_and_carries_no_stop() {
    let exit = |change: fn(&mut LegDraft)| {
        leg(|leg| {
            (leg.execution_type, leg.side, leg.quantity, leg.product) = (some("EXIT"), None, None, None);
            (leg.order_type, leg.price) = (some("MARKET"), None);
            change(leg);
        })
    };
    fine(&exit(|_| ()), &share());
    wrong(&exit(|leg| leg.order_type = None), &share(), "order_type", "missing");
    wrong(&exit(|leg| leg.symbol = None), &share(), "tradingsymbol", "missing");
    wrong(&exit(|leg| leg.stop_loss = some("790")), &share(), "stop_loss", "an EXIT opens nothing");
    let adjust = leg(|leg| (leg.execution_type, leg.quantity) = (some("ADJUST"), None));
    wrong(&adjust, &share(), "qty", "missing");
}

#[test]
fn what_the_format_could_not_read_refuses_the_leg() {
    wrong(&leg(|leg| leg.unreadable = vec!["qty is a list\u{7}".to_owned()]), &share(), "signal", "qty is a list?");
}

/// Entry or exit, bought or sold, with a limit behind its trigger or without: a stop that cannot wait is none.
#[test]
fn a_stop_order_that_cannot_wait_is_refused_and_no_other_order() {
    for kind in ["ENTRY", "ADJUST", "EXIT"] {
        for (side, trigger) in [("BUY", "799"), ("SELL", "801")] {
            for (order_type, price) in [("SL", Some("800")), ("SLM", None)] {
                let stop = |validity: &str| LegDraft {
                    execution_type: some(kind),
                    validity: some(validity),
                    ..stop_order(side, order_type, price, Some(trigger))
                };
                wrong(&stop("ioc"), &share(), "validity", "it waits for its trigger, and an IOC order cannot wait; send DAY");
                fine(&stop("DAY"), &share());
            }
        }
    }
    for order_type in ["LIMIT", "MARKET"] {
        fine(&leg(|leg| (leg.order_type, leg.validity) = (some(order_type), some("IOC"))), &share());
    }
}

#[test]
fn the_instrument_is_named_by_exchange_and_symbol() {
    assert_eq!(named_instrument(&leg(|leg| leg.exchange = some(" nse "))), Some(sbin()));
    for bad in [leg(|leg| leg.exchange = some("NYSE")), leg(|leg| leg.exchange = None), leg(|leg| leg.symbol = some(" "))] {
        assert_eq!(named_instrument(&bad), None);
    }
    assert_eq!(named_instrument(&leg(|leg| leg.symbol = Some("x".repeat(65)))), None);
}
