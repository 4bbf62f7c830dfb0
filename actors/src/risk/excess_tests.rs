use chrono::NaiveDate;

use super::*;
use crate::order::{Exchange, Instrument, Kind, OrderRecord, Right, Side, Status};
use crate::testkit::builders::{Build, book_of, exit, order, price, sbin_in, units};

/// Shares, and NIFTY options (`NIFTY…C`, `NIFTY…P`) and futures (`NIFTY…F`), all in lots of the same size.
#[derive(Debug)]
struct Master(i64);

impl Instruments for Master {
    fn find(&self, key: &InstrumentKey) -> Option<Arc<Instrument>> {
        let expiry = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
        let right = if key.symbol.ends_with('C') { Right::Call } else { Right::Put };
        let (underlying, kind) = match key.symbol.strip_prefix("NIFTY") {
            Some(rest) if rest.ends_with('F') => ("NIFTY", Kind::Future { expiry }),
            Some(_) => ("NIFTY", Kind::Option { expiry, strike: price("24000"), right }),
            None => (&*key.symbol, Kind::Equity),
        };
        let share = crate::testkit::builders::share();
        Some(Arc::new(Instrument { key: key.clone(), underlying: underlying.into(), kind, lot: units(self.0), ..share }))
    }
    fn as_of(&self, _: Exchange) -> Option<NaiveDate> {
        None
    }
}

fn limits() -> Limits {
    Limits { max_position: 100, ..Limits::standard() }
}

fn nifty(name: &str) -> HoldingKey {
    HoldingKey { instrument: InstrumentKey::new(Exchange::Nfo, format!("NIFTY{name}").as_str()), product: Product::Nrml }
}

fn of(orders: Vec<OrderRecord>, holdings: &[(&str, HoldingKey, i64)], lot: i64, limits: &Limits) -> Vec<Excess> {
    excesses(&book_of(orders, holdings), limits, &Master(lot))
}

/// Whose units are closed, and how many.
fn closed(found: Vec<Excess>) -> Vec<(String, i64)> {
    found.into_iter().filter_map(|excess| excess.close).map(|close| (close.strategy.to_string(), close.units)).collect()
}

fn found(orders: Vec<OrderRecord>, holdings: &[(&str, HoldingKey, i64)], lot: i64) -> Vec<(String, i64)> {
    closed(of(orders, holdings, lot, &limits()))
}

fn mis() -> HoldingKey {
    sbin_in(Product::Mis)
}

fn selling(number: u64, strategy: &str, quantity: i64) -> OrderRecord {
    exit(number).by(strategy).side(Side::Sell).product(Product::Mis).asks(quantity).working("1")
}

#[test]
fn the_excess_is_closed_in_whole_lots_of_the_largest_holding() {
    assert_eq!(found(vec![], &[("a", mis(), 100)], 1), []);
    assert_eq!(found(vec![], &[("a", mis(), 130)], 1), [("a".to_owned(), 30)]);
    assert_eq!(found(vec![], &[("a", mis(), -130)], 25), [("a".to_owned(), 50)]);
    assert_eq!(found(vec![], &[("a", mis(), 60), ("b", mis(), 90)], 1), [("b".to_owned(), 50)]);
    assert_eq!(found(vec![], &[("a", mis(), 20), ("b", sbin_in(Product::Cnc), 900)], 1), [("a".to_owned(), 20)]);
    assert_eq!(found(vec![], &[("b", sbin_in(Product::Cnc), 900)], 1), [], "delivery is left alone");
    assert_eq!(found(vec![order(1).asks(500)], &[("a", mis(), 100)], 1), [], "what is not held is no excess");
}

#[test]
fn exits_that_are_open_close_what_they_are_for_and_no_more() {
    let both = [("a", mis(), 130), ("b", mis(), 5)];
    let limits = limits();
    assert_eq!(found(vec![selling(1, "b", 5)], &both, 1), [("a".to_owned(), 30)], "a small exit far away covers itself");
    assert_eq!(found(vec![selling(1, "a", 5)], &[("a", mis(), 130)], 1), [("a".to_owned(), 25)]);
    let mut part = selling(1, "a", 30);
    (part.status, part.filled_quantity) = (Status::Partial, 10);
    assert_eq!(found(vec![part], &[("a", mis(), 130)], 1), [], "what it filled is not taken off what is held yet");
    let filled = selling(1, "a", 30).filled(30, 0).ended(Status::Executed, None);
    assert_eq!(found(vec![filled], &[("a", mis(), 130)], 1), [], "its trades are on their way");
    // Covered: it is still over, so that what was tried before is not forgotten.
    let covered = of(vec![exit(1).by("a")], &[("a", mis(), 130)], 1, &limits);
    let [one] = &covered[..] else { panic!("{covered:?}") };
    assert_eq!((one.held, one.closing, &one.close), (130, 130, &None));
    let mut stop = selling(1, "a", 130);
    stop.source = crate::order::Source::Stop;
    (stop.ask.order_type, stop.ask.trigger_price) = (Some(crate::order::OrderType::StopLimit), Some(price("700")));
    assert_eq!(found(vec![stop], &[("a", mis(), 130)], 1), [("a".to_owned(), 30)], "a stop may never fire");
}

#[test]
fn an_underlying_over_its_limit_is_made_smaller_where_it_is_short_first() {
    let limits = Limits { max_position_underlying: 300, ..Limits::standard() };
    let held = [("a", nifty("24000C"), 225), ("b", nifty("24500C"), -75), ("c", nifty("26DECF"), 75)];
    let over = of(vec![], &held, 75, &limits);
    assert_eq!(over[0].words(), "375 units are held of NIFTY, long and short added, the limit is 300 (max_position_underlying)");
    assert_eq!(closed(over), [("b".to_owned(), 75)]);
    let longs = [("a", nifty("24000C"), 225), ("c", nifty("26DECF"), 150)];
    assert_eq!(closed(of(vec![], &longs, 75, &limits)), [("a".to_owned(), 75)], "the largest");
    assert_eq!(closed(of(vec![], &longs[..1], 75, &limits)), []);
    let tight = Limits { max_position: 150, ..limits };
    assert_eq!(closed(of(vec![], &longs, 75, &tight)), [("a".to_owned(), 75)], "what one limit closes is closed for the other too");
}

#[test]
fn short_options_over_their_limit_are_bought_back_in_lots() {
    let limits = Limits { max_short_option_lots: 3, ..Limits::standard() };
    let held = [("a", nifty("24000C"), -150), ("b", nifty("24500P"), -225), ("c", nifty("25000C"), 750), ("d", nifty("26DECF"), -900)];
    let over = of(vec![], &held, 75, &limits);
    assert_eq!(over[0].words(), "5 lots of options are short, the limit is 3 (max_short_option_lots)");
    assert_eq!(closed(over), [("b".to_owned(), 150)]);
    let none = Limits { max_short_option_lots: 0, ..Limits::standard() };
    assert_eq!(closed(of(vec![], &held[..1], 75, &none)), [("a".to_owned(), 150)]);
    assert_eq!(closed(of(vec![], &held[2..], 75, &none)), [], "futures, and what is bought");
}

/// An exit of an excess that waits for the market.
fn waits(number: u64, strategy: &str, quantity: i64) -> OrderRecord {
    let exit = exit(number).by(strategy).product(Product::Mis).asks(quantity);
    OrderRecord { source: crate::order::Source::System, user: Arc::from(SENDER), ..exit }
}

#[test]
fn an_exit_of_an_excess_is_wanted_while_so_much_is_over_its_limit() {
    let of = |me: OrderRecord, others: Vec<OrderRecord>, held: i64, most: i64, lot: i64| {
        let book = book_of(others.into_iter().chain([me.clone()]), &[("a", mis(), held), ("b", mis(), 5)]);
        is_wanted(&me, &book, &Limits { max_position: most, ..limits() }, &Master(lot))
    };
    let wanted = |others: Vec<OrderRecord>, held: i64, most: i64| of(waits(9, "a", 30), others, held - 5, most, 1);
    assert!(wanted(vec![], 130, 100) && wanted(vec![], 200, 100), "more may be too much by now");
    assert!(!wanted(vec![], 130, 130), "the limit is looser");
    assert!(!wanted(vec![], 130, 110), "20 are too many, and it is for 30");
    assert!(!wanted(vec![], 100, 100), "less is held");
    assert!(wanted(vec![selling(1, "a", 95)], 130, 100), "what a person wants to close may never fill");
    assert!(!wanted(vec![waits(1, "b", 5)], 130, 100), "25 are left of it");
    let filled = selling(1, "a", 30).filled(30, 0).ended(Status::Executed, None);
    assert!(!wanted(vec![filled], 130, 100), "what has filled is closed");
    assert!(of(waits(9, "a", 50), vec![], 125, 100, 25) && !of(waits(9, "a", 75), vec![], 125, 100, 25), "whole lots");
    assert!(!of(waits(9, "c", 30), vec![], 125, 100, 1), "its strategy holds nothing");
    assert!(is_of_excess(&waits(1, "a", 5)) && !is_of_excess(&exit(1)));
}
