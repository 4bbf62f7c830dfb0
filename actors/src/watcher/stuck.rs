//! A square-off that does not end, in words. Pure.
//!
//! A position whose exit is open must not be closed by hand beside that: it would be closed twice. So people hear apart what no exit
//! closes, and which exits are open. The time of one whose exits wait for the market, or lie in its closing auction, does not count:
//! nobody can close it sooner.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::order::{InstrumentKey, OrderRecord, Product, Side, Status, trading_date};
use crate::persistence::{Book, KillLevel};

/// So many are named.
const NAMED_MOST: usize = 5;

/// What a square-off finds held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stuck {
    /// Positions that no open exit closes, in words.
    free: Vec<String>,
    /// Exits that are open.
    exits: Vec<Arc<OrderRecord>>,
    /// Whether one of the positions could be closed now, and is not.
    pub counts: bool,
}

impl Stuck {
    /// `rests`: whether exits in an instrument wait for its market, or lie in its closing auction.
    pub(super) fn of(book: &Book, rests: &dyn Fn(&InstrumentKey) -> bool, now: DateTime<Utc>) -> Self {
        let (control, today) = (book.control(), trading_date(now));
        let mut stuck = Self::default();
        for (strategy, key, held) in book.holdings() {
            let is_wanted = key.product != Product::Cnc && control.level_on(strategy, today) == KillLevel::SquareOff;
            if held.net == 0 || !is_wanted {
                continue;
            }
            let is_of_it = |order: &&Arc<OrderRecord>| order.ask.strategy == *strategy && order.may_be_of(key.product) && !order.is_test();
            let exits: Vec<_> = book.open_exits_in(&key.instrument).filter(is_of_it).cloned().collect();
            stuck.counts |= exits.is_empty() || !rests(&key.instrument);
            if exits.is_empty() {
                stuck.free.push(format!("{strategy}: {:+} {key}", held.net));
            }
            stuck.exits.extend(exits);
        }
        stuck
    }

    /// What people are to hear after so many attempts.
    pub(super) fn words(&self, attempts: u32) -> String {
        let mut text = format!("NOT FLAT after {attempts} attempts");
        if !self.free.is_empty() {
            let (count, names) = (self.free.len(), named(&self.free));
            _ = write!(
                text,
                ": of {count} positions no exit is open ({names}). ordergate goes on trying, ever more slowly: take its level down before you \
                 close them at the broker"
            );
        }
        if !self.exits.is_empty() {
            let exits: Vec<_> = self.exits.iter().map(|order| Open(order)).collect();
            let (count, names) = (exits.len(), named(&exits));
            _ = write!(
                text,
                "{} {count} exits are open and close their positions when they fill ({names}): close nothing beside them, or it is closed \
                 twice; to close by hand take the level down and cancel them there first",
                if self.free.is_empty() { ":" } else { "." }
            );
        }
        text
    }
}

/// An open exit, for people.
struct Open<'a>(&'a OrderRecord);

impl fmt::Display for Open<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(order) = self;
        let units = if order.quantity() == 0 { "all".to_owned() } else { order.unfilled().to_string() };
        write!(f, "{} {units} {} of {}, ", order.ask.side.map_or("EXIT", Side::as_str), order.ask.symbol, order.ask.strategy)?;
        match &order.broker_order_id {
            Some(id) => write!(f, "broker order {id}"),
            None if order.status == Status::Created => f.write_str("not sent yet"),
            None => f.write_str("its number is not known yet"),
        }
    }
}

fn named(all: &[impl fmt::Display]) -> String {
    let mut names = all.iter().take(NAMED_MOST).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if let Some(more) = all.len().checked_sub(NAMED_MOST).filter(|more| *more > 0) {
        _ = write!(names, "; and {more} more");
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::HoldingKey;
    use crate::persistence::{Control, ControlChange};
    use crate::testkit::builders::{Build, at, book_of, exit, nfo, sbin_in, squared_off, strategy};

    fn mis() -> HoldingKey {
        sbin_in(Product::Mis)
    }

    fn of(orders: Vec<OrderRecord>, holdings: &[(&str, HoldingKey, i64)], rests: bool) -> Stuck {
        Stuck::of(&squared_off(orders, holdings), &|_| rests, at(0))
    }

    fn selling() -> OrderRecord {
        exit(1).side(Side::Sell).product(Product::Mis).asks(5).working("77")
    }

    #[test]
    fn what_an_open_exit_closes_nobody_is_told_to_close() {
        let words = of(vec![selling()], &[("trend", mis(), 5)], false).words(1);
        assert!(words.contains("SELL 5 SBIN-EQ of trend, broker order 77") && words.contains("close nothing beside"), "{words}");
        assert!(!words.contains("at the broker"), "{words}");
        let waits = of(vec![exit(1)], &[("trend", mis(), 5)], false).words(1);
        assert!(waits.contains("EXIT all SBIN-EQ of trend, not sent yet"), "{waits}");
    }

    #[test]
    fn what_no_exit_closes_is_named_and_its_level_comes_down_first() {
        let words = of(vec![selling()], &[("trend", mis(), 5), ("other", mis(), -3), ("b", sbin_in(Product::Cnc), 9)], false).words(5);
        assert!(words.starts_with("NOT FLAT after 5 attempts: of 1 positions no exit is open (other: -3 NSE:SBIN-EQ MIS)"), "{words}");
        assert!(words.contains("take its level down before you close them at the broker") && words.contains("broker order 77"), "{words}");
    }

    #[test]
    fn time_counts_while_something_could_be_closed_and_is_not() {
        let held = [("trend", mis(), 5)];
        assert!(of(vec![selling()], &held, false).counts);
        assert!(!of(vec![selling()], &held, true).counts, "it lies in the auction");
        assert!(of(vec![], &held, true).counts, "nothing of it does");
        assert!(of(vec![selling()], &[("trend", mis(), 5), ("trend", nfo("NIFTY26NOVFUT"), 75)], true).counts);
        assert_eq!(of(vec![], &[("trend", sbin_in(Product::Cnc), 5)], false), Stuck::default(), "delivery is left alone");
    }

    #[test]
    fn of_one_strategy_its_own_positions_count_alone() {
        let mut book = book_of([], &[("a", mis(), 5), ("b", mis(), 5)]);
        book.put_control(Control::default().after(&ControlChange::Strategy(strategy("a"), KillLevel::SquareOff), "a test", "", at(0)));
        let words = Stuck::of(&book, &|_| false, at(0)).words(1);
        assert!(words.contains("of 1 positions no exit is open (a: +5"), "{words}");
    }

    #[test]
    fn of_many_the_first_are_named() {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let held: Vec<_> = names.iter().map(|name| (*name, mis(), 5)).collect();
        let words = of(vec![], &held, false).words(1);
        assert!(words.contains("of 7 positions") && words.contains("; and 2 more)"), "{words}");
    }
}
