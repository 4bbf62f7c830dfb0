//! What entries take that came since the broker told the account's money: they may not be in its figures. Added up as they come,
//! so that an order costs no walk over those before it, however old the figures are and however often it is judged. Pure.

use chrono::{DateTime, Utc};

use super::margin::{Needs, own, takes};
use super::projected::Scene;
use crate::order::{Amount, OrderRecord};
use crate::settings::{Limits, MarginPercent};

/// One order that came since.
#[derive(Debug, Clone, Copy)]
struct Taken {
    number: u64,
    /// Rupees that it takes at most: the most that it was ever seen to take, until it is final.
    amount: Amount,
    /// The same, with those before it.
    sum: Amount,
    /// Nothing can change it any more.
    is_final: bool,
}

/// The orders that came since the broker told its figures, in the order of their numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Since {
    /// The figures.
    of: Option<DateTime<Utc>>,
    /// How often orders had been changed when those here were last looked at.
    changes: u64,
    /// The newest order that is in the figures, or here.
    upto: u64,
    taken: Vec<Taken>,
    /// All before this place are final.
    first_open: usize,
}

impl Since {
    /// What this order takes, of which so many units add to a position, and what those before it take; before an exit nobody asks.
    pub(super) fn needs(&mut self, x: &Scene<'_>, adds: i64, limits: &Limits) -> Needs {
        let own = own(x, adds, &limits.margin);
        let funds = x.findings.funds.as_ref().filter(|_| !x.order.is_exit());
        let Some((funds, at)) = funds else { return Needs { own, since: Amount::ZERO } };
        let mine = own.map_or(Amount::ZERO, |(amount, _)| amount);
        let room = funds.available.plus(limits.capital_reserve.negated()).plus(mine.negated());
        Needs { own, since: self.before(x, *at, room, &limits.margin) }
    }

    /// At most what the orders before this one take. Of those that failed or filled for less meanwhile more may be in it: only when
    /// there is no room for that, or orders were changed, the open ones are looked at again.
    fn before(&mut self, x: &Scene<'_>, at: DateTime<Utc>, room: Amount, percent: &MarginPercent) -> Amount {
        let changes = x.book.changes();
        if self.of != Some(at) {
            let upto = x.book.newest().find(|order| order.created_at <= at).map_or(0, |order| order.number);
            *self = Self { of: Some(at), changes, upto, ..Self::default() };
        }
        self.follow(x, percent);
        if self.changes != changes {
            self.changes = changes;
            self.look_again(x, percent);
        }
        let most = self.most_before(x.order.number);
        if most <= room { most } else { self.look_again(x, percent) }
    }

    /// Takes in the orders before this one that are new here.
    fn follow(&mut self, x: &Scene<'_>, percent: &MarginPercent) {
        for order in x.book.after(self.upto).take_while(|order| order.number < x.order.number) {
            let (amount, sum) = (at_most(x, order, percent), self.taken.last().map_or(Amount::ZERO, |last| last.sum));
            self.taken.push(Taken { number: order.number, amount, sum: sum.plus(amount), is_final: is_final(order) });
            self.upto = order.number;
        }
    }

    /// Looks at what is open as it stands now, and tells what the orders before this one take. What is no longer in memory has
    /// ended, and stays as it was seen last.
    fn look_again(&mut self, x: &Scene<'_>, percent: &MarginPercent) -> Amount {
        let (ended, open) = self.taken.split_at_mut(self.first_open);
        let mut sum = ended.last().map_or(Amount::ZERO, |last| last.sum);
        let mut exact = sum;
        for taken in open.iter_mut() {
            let mut now = taken.amount;
            if !taken.is_final {
                let order = x.book.order_by_number(taken.number);
                now = order.map_or(now, |order| counted(x, order, percent));
                taken.is_final = order.is_none_or(|order| is_final(order));
                taken.amount = if taken.is_final { now } else { now.max(taken.amount) };
            }
            if taken.number < x.order.number {
                exact = exact.plus(now);
            }
            sum = sum.plus(taken.amount);
            taken.sum = sum;
        }
        self.first_open += open.iter().take_while(|taken| taken.is_final).count();
        exact
    }

    fn most_before(&self, number: u64) -> Amount {
        let place = self.taken.partition_point(|taken| taken.number < number);
        place.checked_sub(1).and_then(|last| self.taken.get(last)).map_or(Amount::ZERO, |last| last.sum)
    }
}

/// What it takes as it stands.
fn counted(x: &Scene<'_>, order: &OrderRecord, percent: &MarginPercent) -> Amount {
    let units = if order.status.is_terminal() { order.filled_quantity } else { order.quantity_most() };
    takes(x, order, units, percent)
}

/// What it takes if what is not final about it goes as far as it can.
fn at_most(x: &Scene<'_>, order: &OrderRecord, percent: &MarginPercent) -> Amount {
    let units = if is_final(order) { order.filled_quantity } else { order.quantity_most() };
    takes(x, order, units, percent)
}

/// Whether it takes what it takes for good. Of what was cancelled or refused at the broker a late fill may be told yet.
fn is_final(order: &OrderRecord) -> bool {
    let is_whole = order.filled_quantity >= order.quantity_most();
    order.status.is_terminal() && (is_whole || order.sent_at.is_none())
}

#[cfg(test)]
#[path = "since_tests.rs"]
mod tests;
