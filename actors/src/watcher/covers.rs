//! What a square-off closes at which moment: what covers a short option waits for that ([`Instrument::covers`]). Pure.
//!
//! A short that is not bought back within [`COVER_FIRST`] holds its cover back no longer: the cover goes, and a person hears. The time
//! counts while the short's market takes exits: an exit of it that waits for the market to open holds its cover back, or that would
//! only go beside it. One that waits for anything else may wait for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::order::basket::COVER_FIRST;
use crate::order::{HoldingKey, Instrument, InstrumentKey, Product, Side, Status, Strategy, trading_date};
use crate::persistence::{Book, KillLevel};
use crate::ports::Instruments;

/// One position that a square-off wants closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub strategy: Strategy,
    pub key: HoldingKey,
    /// The side that is held.
    pub held: Side,
    /// So many units, signed.
    pub net: i64,
    /// The short that it covers, if that is held still.
    pub covers: Option<Short>,
    /// Whether an exit of it is under way.
    pub is_leaving: bool,
    /// Whether its exits wait for the market to open.
    is_shut: bool,
}

impl Wanted {
    /// What is remembered of it is remembered under this.
    pub(super) fn name(&self) -> (Strategy, HoldingKey) {
        (self.strategy.clone(), self.key.clone())
    }
}

/// A short option that something else covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Short {
    pub key: HoldingKey,
    /// Whether its exit waits for the market to open.
    is_shut: bool,
}

/// Everything that square-offs want closed: shorts before longs, and what covers something last. `takes_exits`: whether the market of an instrument takes exits now.
pub(super) fn wanted(
    book: &Book,
    instruments: &dyn Instruments,
    takes_exits: &dyn Fn(&InstrumentKey) -> bool,
    now: DateTime<Utc>,
) -> Vec<Wanted> {
    let (control, today) = (book.control(), trading_date(now));
    if control.is_frozen() || (control.account_level() < KillLevel::SquareOff && control.strategies.is_empty()) {
        return Vec::new();
    }
    let mut found: Vec<Wanted> = book
        .holdings()
        .filter(|(strategy, key, _)| key.product != Product::Cnc && control.level_on(strategy, today) == KillLevel::SquareOff)
        .filter_map(|(strategy, key, held)| {
            let mut exits = book
                .open_in(&key.instrument)
                .filter(|order| order.is_exit() && order.ask.strategy == *strategy)
                .filter(|order| order.ask.product.is_none_or(|product| product == key.product))
                .peekable();
            let (strategy, key, net, held) = (strategy.clone(), key.clone(), held.net, Side::of_net(held.net)?);
            let is_leaving = exits.peek().is_some();
            let is_shut = is_leaving && exits.all(|order| order.status == Status::Created) && !takes_exits(&key.instrument);
            Some(Wanted { strategy, key, held, net, covers: None, is_leaving, is_shut })
        })
        .collect();
    let option = |key: &HoldingKey| instruments.find(&key.instrument).filter(|found| found.is_option());
    let shorts: Vec<(Arc<Instrument>, Short)> = found
        .iter()
        .filter(|one| one.held == Side::Sell)
        .filter_map(|one| Some((option(&one.key)?, Short { key: one.key.clone(), is_shut: one.is_shut })))
        .collect();
    for one in found.iter_mut().filter(|_| !shorts.is_empty()) {
        let Some(instrument) = instruments.find(&one.key.instrument) else { continue };
        one.covers = shorts.iter().find(|(short, _)| instrument.covers(one.held, short)).map(|(_, short)| short.clone());
    }
    found.sort_by_key(|one| (one.covers.is_some(), one.held == Side::Buy));
    found
}

/// What waits for the short that it covers: since when, and whether it waits no longer.
#[derive(Debug, Default)]
pub(super) struct Covers(BTreeMap<(Strategy, HoldingKey), Held>);

#[derive(Debug, Clone, Copy)]
struct Held {
    since: DateTime<Utc>,
    is_let_go: bool,
}

/// What goes now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// These are closed.
    pub goes: Vec<Wanted>,
    /// Those of them whose short is held still: a person hears of each, once.
    pub uncovers: Vec<(Wanted, Short)>,
}

impl Covers {
    /// Whose turn it is. `is_due`: whether that may go if nothing holds it back. What was held back until now goes whether it may or not.
    pub(super) fn turn(&mut self, wanted: Vec<Wanted>, is_due: &dyn Fn(&Wanted) -> bool, now: DateTime<Utc>) -> Turn {
        let names: BTreeSet<_> = wanted.iter().map(Wanted::name).collect();
        self.0.retain(|held, _| names.contains(held));
        let mut turn = Turn::default();
        for one in wanted {
            if one.covers.is_some() {
                self.0.entry(one.name()).or_insert(Held { since: now, is_let_go: false });
            }
            let held = self.0.get_mut(&one.name()).filter(|held| !held.is_let_go);
            let Some(held) = held.filter(|_| !one.is_leaving) else {
                turn.goes.extend((!one.is_leaving && is_due(&one)).then_some(one));
                continue;
            };
            if let Some(short) = &one.covers {
                held.since = if short.is_shut { now } else { held.since };
                if now.signed_duration_since(held.since) < COVER_FIRST {
                    continue;
                }
            }
            held.is_let_go = true;
            turn.uncovers.extend(one.covers.clone().map(|short| (one.clone(), short)));
            turn.goes.push(one);
        }
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Exchange, OrderRecord, Right};
    use crate::persistence::Control;
    use crate::testkit::ListedInstruments;
    use crate::testkit::builders::{Build, at, exit, future, listed, nfo, option, sbin_in, squared_off};

    fn rows() -> ListedInstruments {
        listed([
            option("24000PE", "24000", Right::Put),
            option("23500PE", "24000", Right::Put),
            option("25000CE", "24000", Right::Call),
            future(),
        ])
    }

    fn names(turn: &Turn) -> Vec<String> {
        turn.goes.iter().map(|one| one.key.instrument.symbol.to_string()).collect()
    }

    /// At each of these seconds: whose turn it is of a bought put and what else is held, and whom a person hears of.
    fn turns(covers: &mut Covers, book: &Book, second: i64, is_due: bool) -> (Vec<String>, usize) {
        turns_while(true, covers, book, second, is_due)
    }

    fn turns_while(takes_exits: bool, covers: &mut Covers, book: &Book, second: i64, is_due: bool) -> (Vec<String>, usize) {
        let turn = covers.turn(wanted(book, &rows(), &|_| takes_exits, at(second)), &|_| is_due, at(second));
        (names(&turn), turn.uncovers.len())
    }

    #[test]
    fn a_bought_put_waits_for_the_sold_one_and_goes_the_moment_that_it_is_closed() {
        let (hedge, short) = (("trend", nfo("23500PE"), 75), ("trend", nfo("24000PE"), -75));
        let both = squared_off([], &[hedge.clone(), short]);
        let mut covers = Covers::default();
        assert_eq!(turns(&mut covers, &both, 0, true), (vec!["24000PE".to_owned()], 0), "the short alone");
        assert_eq!(turns(&mut covers, &both, 19, false), (vec![], 0));
        let closed = squared_off([], &[hedge]);
        assert_eq!(turns(&mut covers, &closed, 19, false), (vec!["23500PE".to_owned()], 0), "not only when the next try is due");
        assert_eq!(turns(&mut covers, &closed, 20, false), (vec![], 0), "once; then as everything goes");
        assert_eq!(turns(&mut covers, &closed, 25, true), (vec!["23500PE".to_owned()], 0));
    }

    #[test]
    fn a_short_that_is_not_bought_back_holds_its_cover_no_longer_and_is_told_once() {
        let both = squared_off([], &[("trend", nfo("23500PE"), 75), ("trend", nfo("24000PE"), -75)]);
        let mut covers = Covers::default();
        turns(&mut covers, &both, 0, true);
        assert_eq!(turns(&mut covers, &both, 20, false), (vec!["23500PE".to_owned()], 1));
        assert_eq!(turns(&mut covers, &both, 21, false), (vec![], 0));
        assert_eq!(turns(&mut covers, &both, 30, true), (vec!["24000PE".to_owned(), "23500PE".to_owned()], 0), "told already");
    }

    #[test]
    fn only_what_covers_waits_whoever_holds_the_short() {
        let of_two = squared_off([], &[("a", nfo("23500PE"), 75), ("b", nfo("24000PE"), -75)]);
        assert_eq!(turns(&mut Covers::default(), &of_two, 0, true).0, ["24000PE"], "the account has one margin");
        let others = [("a", nfo("25000CE"), 75), ("a", nfo("NIFTY26NOVFUT"), 75), ("a", sbin_in(Product::Mis), 5)];
        let beside = squared_off([], &[&others[..], &[("a", nfo("24000PE"), -75)]].concat());
        assert_eq!(
            turns(&mut Covers::default(), &beside, 0, true).0,
            ["24000PE", "SBIN-EQ", "25000CE", "NIFTY26NOVFUT"].map(str::to_owned)
        );
    }

    #[test]
    fn a_bought_future_covers_a_sold_call_and_a_sold_one_a_put() {
        let goes = |call_or_put: &str, future: i64| {
            let both = squared_off([], &[("a", nfo("NIFTY26NOVFUT"), future), ("b", nfo(call_or_put), -75)]);
            let mut covers = Covers::default();
            let first = turns(&mut covers, &both, 0, true).0;
            let closed = squared_off([], &[("a", nfo("NIFTY26NOVFUT"), future)]);
            assert_eq!(turns(&mut covers, &closed, 1, true).0, ["NIFTY26NOVFUT"], "the moment that the short is closed");
            first
        };
        assert_eq!((goes("25000CE", 75), goes("24000PE", -75)), (vec!["25000CE".to_owned()], vec!["24000PE".to_owned()]));
        assert_eq!(goes("25000CE", -75).len(), 2, "both fall short when it rises");
        let mut covers = Covers::default();
        let both = squared_off([], &[("a", nfo("NIFTY26NOVFUT"), -75), ("b", nfo("24000PE"), -75)]);
        turns(&mut covers, &both, 0, true);
        assert_eq!(turns(&mut covers, &both, 20, true), (vec!["24000PE".to_owned(), "NIFTY26NOVFUT".to_owned()], 1), "last");
    }

    #[test]
    fn what_an_exit_is_closing_already_is_left_to_it() {
        let mut leaving = exit(1).of("24000PE").working("1");
        leaving.ask.exchange = Some(Exchange::Nfo);
        let both = squared_off([leaving], &[("trend", nfo("23500PE"), 75), ("trend", nfo("24000PE"), -75)]);
        let mut covers = Covers::default();
        assert_eq!(turns(&mut covers, &both, 0, true), (vec![], 0), "and its cover waits for it");
        assert_eq!(turns(&mut covers, &both, 20, false), (vec!["23500PE".to_owned()], 1));
    }

    #[test]
    fn while_the_exit_of_the_short_waits_for_the_market_the_time_of_its_cover_does_not_count() {
        let both = |order: OrderRecord| {
            let ask = crate::order::Ask { exchange: Some(Exchange::Nfo), ..order.ask.clone() };
            squared_off([OrderRecord { ask, ..order }], &[("trend", nfo("23500PE"), 75), ("trend", nfo("24000PE"), -75)])
        };
        let mut covers = Covers::default();
        for second in [0, 20, 3_600] {
            assert_eq!(turns_while(false, &mut covers, &both(exit(1).of("24000PE")), second, true), (vec![], 0));
        }
        let sent = both(exit(1).of("24000PE").working("1"));
        assert_eq!(turns(&mut covers, &sent, 3_619, true), (vec![], 0));
        assert_eq!(turns(&mut covers, &sent, 3_620, true), (vec!["23500PE".to_owned()], 1));
        // It waits in an open market, for positions that do not come, say: that is no reason to keep its cover for ever.
        let mut covers = Covers::default();
        assert_eq!(turns(&mut covers, &both(exit(1).of("24000PE")), 0, true), (vec![], 0));
        assert_eq!(turns(&mut covers, &both(exit(1).of("24000PE")), 20, false), (vec!["23500PE".to_owned()], 1));
    }

    #[test]
    fn nothing_is_wanted_without_the_level_or_while_exits_are_frozen() {
        let held = [("trend", nfo("24000PE"), -75)];
        let mut book = squared_off([], &held);
        assert_eq!(wanted(&book, &rows(), &|_| true, at(0)).len(), 1);
        book.put_control(Control { level: KillLevel::CancelEntries, ..Control::default() });
        assert_eq!(wanted(&book, &rows(), &|_| true, at(0)), []);
        let frozen = crate::testkit::builders::frozen_control();
        book.put_control(Control { level: KillLevel::SquareOff, ..frozen });
        assert_eq!(wanted(&book, &rows(), &|_| true, at(0)), []);
        let delivery = squared_off([], &[("trend", sbin_in(Product::Cnc), 5)]);
        assert_eq!(wanted(&delivery, &rows(), &|_| true, at(0)), []);
    }
}
