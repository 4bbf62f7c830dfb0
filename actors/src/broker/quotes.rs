//! The pure core of waiting for quotes: at a broker that takes no market orders, one goes out as a limit through the
//! touch, and needs a price that is fresh. Baskets wait here until every quote that they need has come, or for as long as
//! they may; the rest of the line goes on meanwhile. RiskActor looks for quotes here too, for baskets that it cannot judge
//! without one. Each instrument is asked for once, however many want it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::lanes::Lane;
use crate::order::InstrumentKey;

/// One basket that waits.
#[derive(Debug)]
struct Basket<T> {
    orders: T,
    lane: Lane,
    missing: BTreeSet<InstrumentKey>,
    since: DateTime<Utc>,
    stale_at: DateTime<Utc>,
}

/// All baskets that wait, by their first order's number.
#[derive(Debug)]
pub(super) struct Unquoted<T> {
    baskets: BTreeMap<u64, Basket<T>>,
    /// What RiskActor waits for, and the number of the first order that it waits with.
    looked_for: BTreeMap<InstrumentKey, u64>,
    /// Asked for and not answered: since when.
    asked: BTreeMap<InstrumentKey, DateTime<Utc>>,
}

impl<T> Default for Unquoted<T> {
    fn default() -> Self {
        Self { baskets: BTreeMap::new(), looked_for: BTreeMap::new(), asked: BTreeMap::new() }
    }
}

impl<T> Unquoted<T> {
    /// A basket begins to wait. `lane` is the highest of its orders', `stale_at` when its entries are too old.
    pub(super) fn push(
        &mut self,
        number: u64,
        orders: T,
        lane: Lane,
        missing: BTreeSet<InstrumentKey>,
        since: DateTime<Utc>,
        stale_at: DateTime<Utc>,
    ) {
        self.baskets.insert(number, Basket { orders, lane, missing, since, stale_at });
    }

    /// RiskActor waits for it; said again with every look. A question that should have ended by now got lost.
    pub(super) fn look_for(&mut self, key: InstrumentKey, number: u64, now: DateTime<Utc>, patience: TimeDelta) {
        if self.asked.get(&key).is_some_and(|since| now < *since || now.signed_duration_since(*since) > patience) {
            self.asked.remove(&key);
        }
        let first = self.looked_for.entry(key).or_insert(number);
        *first = number.min(*first);
    }

    /// What is to be asked for next, and for which lane: exits first, then whoever came first.
    pub(super) fn next_to_ask(&self) -> Option<(Lane, InstrumentKey)> {
        let open = self.baskets.iter().flat_map(|(number, basket)| {
            let missing = basket.missing.iter().filter(|key| !self.asked.contains_key(*key));
            missing.map(|key| (basket.lane, *number, key.clone()))
        });
        let looked_for = self.looked_for.iter().filter(|(key, _)| !self.asked.contains_key(*key));
        let looked_for = looked_for.map(|(key, number)| (Lane::Entry, *number, key.clone()));
        open.chain(looked_for).min().map(|(lane, _, key)| (lane, key))
    }

    /// The instrument is asked for now.
    pub(super) fn asked(&mut self, key: InstrumentKey, now: DateTime<Utc>) {
        self.asked.insert(key, now);
    }

    /// It was answered, with a quote or with the word that there is none to be had.
    pub(super) fn answered(&mut self, key: &InstrumentKey) {
        self.asked.remove(key);
        self.looked_for.remove(key);
        for basket in self.baskets.values_mut() {
            basket.missing.remove(key);
        }
    }

    /// The question was not taken: it is asked again.
    pub(super) fn again(&mut self, key: &InstrumentKey) {
        self.asked.remove(key);
    }

    /// Takes the baskets that have what they need, and those that have waited as long as they may.
    pub(super) fn take_due(&mut self, now: DateTime<Utc>, patience: TimeDelta) -> Vec<T> {
        let due: Vec<u64> =
            self.baskets.iter().filter(|(_, basket)| self.due_at(basket, patience) <= now).map(|(number, _)| *number).collect();
        let taken = due.iter().filter_map(|number| self.baskets.remove(number)).map(|basket| basket.orders).collect();
        let missing: BTreeSet<&InstrumentKey> =
            self.baskets.values().flat_map(|basket| &basket.missing).chain(self.looked_for.keys()).collect();
        self.asked.retain(|key, _| missing.contains(key));
        taken
    }

    /// When the next basket has waited as long as it may.
    pub(super) fn next_due(&self, patience: TimeDelta) -> Option<DateTime<Utc>> {
        self.baskets.values().map(|basket| self.due_at(basket, patience)).min()
    }

    /// An exit waits no longer, whatever holds its quote up: it has the last known price. An entry's time begins when
    /// the last of its quotes was asked for; one that cannot be asked for in time is stale.
    fn due_at(&self, basket: &Basket<T>, patience: TimeDelta) -> DateTime<Utc> {
        if basket.missing.is_empty() {
            return basket.since;
        }
        if basket.lane <= Lane::Exit {
            return basket.since + patience;
        }
        let asked: Option<Vec<_>> = basket.missing.iter().map(|key| self.asked.get(key).copied()).collect();
        asked.and_then(|times| times.into_iter().max()).map_or(basket.stale_at, |last| (last + patience).min(basket.stale_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Exchange;

    const PATIENCE: TimeDelta = TimeDelta::milliseconds(800);

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms)
    }

    fn key(symbol: &str) -> InstrumentKey {
        InstrumentKey::new(Exchange::Nse, symbol)
    }

    fn waiting(lanes: &[(u64, Lane, &[&str])]) -> Unquoted<u64> {
        let mut unquoted = Unquoted::default();
        for (number, lane, symbols) in lanes {
            unquoted.push(*number, *number, *lane, symbols.iter().map(|symbol| key(symbol)).collect(), at(0), at(30_000));
        }
        unquoted
    }

    fn due(unquoted: &mut Unquoted<u64>, ms: i64) -> Vec<u64> {
        unquoted.take_due(at(ms), PATIENCE)
    }

    #[test]
    fn a_basket_goes_when_its_last_quote_has_come() {
        let mut unquoted = waiting(&[(1, Lane::Entry, &["A", "B"]), (2, Lane::Entry, &["B"])]);
        while let Some((_, key)) = unquoted.next_to_ask() {
            unquoted.asked(key, at(0));
        }
        unquoted.answered(&key("B"));
        assert_eq!(due(&mut unquoted, 10), [2], "one answer serves all");
        unquoted.answered(&key("A"));
        assert_eq!(due(&mut unquoted, 20), [1]);
        assert_eq!(unquoted.next_due(PATIENCE), None);
    }

    #[test]
    fn exits_are_asked_for_first_and_each_instrument_once() {
        let mut unquoted = waiting(&[(1, Lane::Entry, &["A"]), (2, Lane::Exit, &["B"]), (3, Lane::Entry, &["A"])]);
        let mut asked = Vec::new();
        while let Some((lane, key)) = unquoted.next_to_ask() {
            asked.push((lane, key.symbol.to_string()));
            unquoted.asked(key, at(0));
        }
        assert_eq!(asked, [(Lane::Exit, "B".to_owned()), (Lane::Entry, "A".to_owned())]);
    }

    #[test]
    fn an_exit_waits_from_its_arrival_and_an_entry_from_its_question() {
        let mut unquoted = waiting(&[(1, Lane::Entry, &["A"]), (2, Lane::Exit, &["B"])]);
        assert_eq!(due(&mut unquoted, 799), Vec::<u64>::new());
        assert_eq!(due(&mut unquoted, 800), [2], "the budget held its question up");
        unquoted.asked(key("A"), at(5_000));
        assert_eq!(due(&mut unquoted, 5_799), Vec::<u64>::new());
        assert_eq!(due(&mut unquoted, 5_800), [1]);
    }

    #[test]
    fn an_entry_that_cannot_be_asked_for_ends_its_wait_as_stale() {
        let mut unquoted = waiting(&[(1, Lane::Entry, &["A"])]);
        assert_eq!(unquoted.next_due(PATIENCE), Some(at(30_000)));
        assert_eq!(due(&mut unquoted, 30_000), [1]);
    }

    #[test]
    fn no_quote_to_be_had_ends_the_wait_too() {
        let mut unquoted = waiting(&[(1, Lane::Entry, &["A"])]);
        unquoted.asked(key("A"), at(0));
        unquoted.answered(&key("A"));
        assert_eq!(due(&mut unquoted, 1), [1]);
    }

    #[test]
    fn what_risk_looks_for_is_asked_for_once_and_after_exits() {
        let mut unquoted = waiting(&[(5, Lane::Exit, &["B"])]);
        for number in [3, 1, 2] {
            unquoted.look_for(key("A"), number, at(0), PATIENCE);
        }
        let mut asked = Vec::new();
        while let Some((lane, key)) = unquoted.next_to_ask() {
            asked.push((lane, key.symbol.to_string()));
            unquoted.asked(key, at(0));
        }
        assert_eq!(asked, [(Lane::Exit, "B".to_owned()), (Lane::Entry, "A".to_owned())]);
        assert_eq!(due(&mut unquoted, 800), [5], "the basket goes, the question stands");
        unquoted.look_for(key("A"), 1, at(800), PATIENCE);
        assert_eq!(unquoted.next_to_ask(), None, "its answer is still awaited");
        unquoted.answered(&key("A"));
        assert_eq!(unquoted.next_to_ask(), None);
    }

    #[test]
    fn a_question_that_was_not_taken_or_got_lost_is_asked_again() {
        let mut unquoted = waiting(&[]);
        unquoted.look_for(key("A"), 1, at(0), PATIENCE);
        unquoted.asked(key("A"), at(0));
        unquoted.again(&key("A"));
        assert_eq!(unquoted.next_to_ask(), Some((Lane::Entry, key("A"))));
        unquoted.asked(key("A"), at(100));
        unquoted.look_for(key("A"), 1, at(901), PATIENCE);
        assert_eq!(unquoted.next_to_ask(), Some((Lane::Entry, key("A"))), "no answer came in its time");
    }
}
