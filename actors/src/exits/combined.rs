//! The positions of one strategy together: a loss or a profit in rupees at which all of them are left.
//!
//! That it has fired is one small state on disk, and everything else follows from it and from the book at every look: what is
//! held is left, also what an entry still brings, and entries are cancelled, until nothing is held and nothing can fill. So a
//! crash at any moment forgets nothing.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::order::{Amount, CommandId, Holding, HoldingKey, OrderRecord, Points, Strategy};
use crate::persistence::{Book, Slot, Topic};

/// How a strategy's positions are left together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combined {
    /// The strategy.
    pub strategy: Strategy,
    /// The most that it may lose, rupees, as a positive number.
    pub stop: Option<Amount>,
    /// What it shall win, rupees.
    pub target: Option<Amount>,
    /// When it fired; it is armed anew when the strategy is flat.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fired_at: Option<DateTime<Utc>>,
    /// Who set it.
    pub who: String,
}

/// What a strategy's open positions stand at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Together {
    /// Rupees: what the open units would bring, and what was realised in these positions since they were opened.
    pub pnl: Amount,
    /// Positions without a price, or without a known worth of their point: nothing can be said of the sum.
    pub unpriced: usize,
}

impl Together {
    /// With one more position at that price, where a point is worth that much.
    #[must_use]
    pub fn with(self, held: &Holding, price: Option<Decimal>, point: Option<Decimal>) -> Self {
        let Some((price, point)) = price.zip(point) else { return Self { unpriced: self.unpriced + 1, ..self } };
        let worth = Points(price.checked_mul(Decimal::from(held.net)).unwrap_or(Decimal::ZERO));
        let paid = if held.net > 0 { held.cost.negated() } else { held.cost };
        Self { pnl: self.pnl.plus(worth.plus(paid).plus(held.realised).rupees(point)), ..self }
    }
}

/// What is still to be done for a strategy whose combined exit has fired.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leaving {
    /// Its orders that may open something, and that nobody has cancelled yet.
    pub entries: Vec<CommandId>,
    /// What it holds. Shorts come first: they are bought back before longs are sold.
    pub held: Vec<(HoldingKey, Holding)>,
    /// Nothing is held, nothing can fill any more, and no trade is outstanding.
    pub is_over: bool,
}

impl Leaving {
    /// What the book says of a strategy.
    #[must_use]
    pub fn of(strategy: &Strategy, book: &Book) -> Self {
        let opens = |order: &OrderRecord| !order.is_exit() && !order.is_test();
        let open: Vec<&OrderRecord> = book.open_of(strategy).map(AsRef::as_ref).filter(|order| opens(order)).collect();
        let entries = open.iter().filter(|order| order.cancel_wanted.is_none()).map(|order| order.command_id).collect();
        let mut held: Vec<_> =
            book.holdings_of(strategy).filter(|(_, held)| held.net != 0).map(|(key, held)| (key.clone(), *held)).collect();
        held.sort_by_key(|(_, held)| held.net > 0);
        let is_over = held.is_empty() && open.is_empty() && book.owed_of(strategy).next().is_none();
        Self { entries, held, is_over }
    }
}

impl Combined {
    /// Whether a state of exit rules is one of a whole strategy.
    #[must_use]
    pub fn is_at(slot: &Slot) -> bool {
        slot.topic == Topic::ExitRule && slot.key.starts_with("*|")
    }

    /// The name of its state. No instrument begins with a star.
    #[must_use]
    pub fn slot(strategy: &Strategy) -> Slot {
        Slot::new(Topic::ExitRule, Arc::from(format!("*|*|{strategy}")))
    }

    /// Why everything is left, if so. `before` is the look before: one odd sum fires nothing.
    #[must_use]
    pub fn fires(&self, before: Together, now: Together) -> Option<String> {
        if self.fired_at.is_some() || before.unpriced + now.unpriced > 0 {
            return None;
        }
        let is_lost = |pnl: Amount| self.stop.is_some_and(|stop| pnl <= stop.negated());
        let is_won = |pnl: Amount| self.target.is_some_and(|target| pnl >= target);
        if is_lost(before.pnl) && is_lost(now.pnl) {
            let stop = self.stop.unwrap_or_default();
            return Some(format!("{} stands at {} rupees together, its stop is a loss of {stop}", self.strategy, now.pnl));
        }
        (is_won(before.pnl) && is_won(now.pnl)).then(|| {
            let target = self.target.unwrap_or_default();
            format!("{} stands at {} rupees together, its target is {target}", self.strategy, now.pnl)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Intent, Product, Side, Status, Tag};
    use crate::testkit::builders::{Build, at, book_of, command, exit, order, points, rupees, sbin_in, strategy};

    fn rule() -> Combined {
        Combined { strategy: strategy("trend"), stop: Some(rupees(500)), target: Some(rupees(800)), fired_at: None, who: "a test".into() }
    }

    fn at_pnl(pnl: i64) -> Together {
        Together { pnl: rupees(pnl), unpriced: 0 }
    }

    #[test]
    fn long_and_short_and_what_was_realised_are_summed() {
        let long = Holding { net: 10, cost: points(1000), realised: points(20), opened_at: None };
        let short = Holding { net: -5, cost: points(1000), realised: Points::ZERO, opened_at: None };
        let one = Some(Decimal::ONE);
        let sum = Together::default().with(&long, Some(90.into()), one).with(&short, Some(210.into()), one);
        assert_eq!(sum, at_pnl(-100 + 20 - 50));
        assert_eq!(sum.with(&long, Some(90.into()), Some(Decimal::TEN)), at_pnl(-130 - 800), "by what a point is worth");
        assert_eq!((sum.with(&long, None, one).unpriced, sum.with(&long, Some(90.into()), None).unpriced), (1, 1));
    }

    #[test]
    fn it_fires_when_two_looks_in_a_row_agree_and_once() {
        let fires = |before: i64, now: i64| rule().fires(at_pnl(before), at_pnl(now)).is_some();
        assert!(fires(-500, -501) && fires(800, 900));
        assert!(!fires(0, -5_000) && !fires(-499, -500) && !fires(900, 700));
        assert!(rule().fires(at_pnl(-900), Together { unpriced: 1, ..at_pnl(-900) }).is_none(), "a price is missing");
        let fired = Combined { fired_at: Some(at(0)), ..rule() };
        assert!(fired.fires(at_pnl(-900), at_pnl(-900)).is_none());
    }

    #[test]
    fn it_is_left_until_nothing_is_held_and_nothing_can_fill() {
        let mis = || sbin_in(Product::Mis);
        let of =
            |orders: Vec<OrderRecord>, holdings: &[(&str, HoldingKey, i64)]| Leaving::of(&strategy("trend"), &book_of(orders, holdings));
        assert!(of(vec![], &[]).is_over && of(vec![], &[("other", mis(), 5)]).is_over, "what others hold is theirs");
        let both = of(vec![], &[("trend", sbin_in(Product::Cnc), 3), ("trend", mis(), -5)]);
        assert_eq!((both.held.iter().map(|(_, held)| held.net).collect::<Vec<_>>(), both.is_over), (vec![-5, 3], false), "shorts first");
        // An entry that works, is in doubt, or is not sent yet may bring something; one that is being cancelled too.
        for entry in [order(1).working("1"), order(1).doubted(), order(1), order(1).intent(Intent::Target)] {
            let left = of(vec![entry.clone()], &[]);
            assert_eq!((left.entries, left.is_over), (vec![command(1)], false), "{entry:?}");
            let cancelled = of(vec![OrderRecord { cancel_wanted: Some(Tag::CombinedExit), ..entry }], &[]);
            assert_eq!((cancelled.entries, cancelled.is_over), (vec![], false), "asked for once");
        }
        let unbooked = order(1).side(Side::Buy).asks(5).working("1").filled(5, 2).ended(Status::Executed, None);
        assert!(!of(vec![unbooked], &[]).is_over, "its trades are outstanding");
        assert!(of(vec![exit(1).working("1")], &[]).is_over, "an exit opens nothing");
        assert!(of(vec![order(1).by("other").working("1"), order(2).test()], &[]).is_over);
    }
}
