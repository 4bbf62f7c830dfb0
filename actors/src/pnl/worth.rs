//! What a day's line is worth at a price, and what a strategy's lines come to together. What has no price has no result:
//! it is unknown, never zero.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::curve::Curve;
use super::day::Day;
use super::line::{Line, Slippage, Sums, Trips};
use crate::order::{Amount, Holding, InstrumentKey, Price, Strategy};
use crate::ports::Quotes;

/// From what price the day's result of carried units is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MarkedFrom {
    /// Nothing was carried into the day.
    Nothing,
    /// The close of the trading day before, as the market tells it.
    PreviousClose,
    /// Their own average cost: the market tells no close, so the result of earlier days is in that of this one.
    Cost,
}

/// A line at a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worth {
    /// Gross rupees realised today against average cost.
    pub realised: Amount,
    /// Gross rupees of what is held, against average cost; `None`: something is held, and no price is known or not what a point
    /// of it is worth.
    pub unrealised: Option<Amount>,
    /// Rupees that the carried units had gained before the day began: in the two above, and not of this day.
    pub before_today: Amount,
    /// From where those are counted.
    pub marked_from: MarkedFrom,
}

impl Worth {
    /// The day's gross result; `None` while a price is missing.
    #[must_use]
    pub fn gross(&self) -> Option<Amount> {
        Some(self.realised.plus(self.unrealised?).plus(self.before_today.negated()))
    }
}

impl Line {
    /// What the line is worth at a last traded price, with the close of the trading day before if that is known.
    #[must_use]
    pub fn worth(&self, last: Option<Price>, previous_close: Option<Price>) -> Worth {
        let unrealised = if self.held.net == 0 { Some(Amount::ZERO) } else { self.gain(&self.held, last) };
        let (before_today, marked_from) = match self.gain(&self.carried, previous_close) {
            _ if self.carried.net == 0 => (Amount::ZERO, MarkedFrom::Nothing),
            Some(gained) => (gained, MarkedFrom::PreviousClose),
            None => (Amount::ZERO, MarkedFrom::Cost),
        };
        Worth { realised: self.curve.realised, unrealised, before_today, marked_from }
    }

    /// Rupees by which that is worth more than it cost, at that price.
    fn gain(&self, held: &Holding, price: Option<Price>) -> Option<Amount> {
        Some(held.gain(price?).rupees(self.point()?))
    }
}

/// Several lines together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Total {
    /// Gross rupees realised today against average cost.
    pub realised: Amount,
    /// Gross rupees of what is held and has a price.
    pub unrealised: Amount,
    /// Rupees that carried units had gained before the day began.
    pub before_today: Amount,
    /// What is held and has no price, or no known worth of its point: its result is not in the sums.
    pub unpriced: Vec<InstrumentKey>,
    /// Units that left today without a price: what they realised is not in the sums.
    pub left: i64,
    /// The oldest price that was used.
    pub oldest_quote: Option<DateTime<Utc>>,
}

impl Total {
    /// The day's gross result; `None` while a price is missing.
    #[must_use]
    pub fn gross(&self) -> Option<Amount> {
        self.unpriced.is_empty().then(|| self.known())
    }

    /// The day's gross result as far as prices are known.
    #[must_use]
    pub fn known(&self) -> Amount {
        self.realised.plus(self.unrealised).plus(self.before_today.negated())
    }
}

/// How a strategy did today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Bought.
    pub bought: Sums,
    /// Sold.
    pub sold: Sums,
    /// Orders that traded.
    pub orders: u64,
    /// Round trips that ended.
    pub trips: Trips,
    /// Against the prices that senders saw.
    pub slippage: Slippage,
    /// The line of its realised results.
    pub curve: Curve,
}

impl Statistics {
    /// Round trips that ended.
    #[must_use]
    pub fn trades(&self) -> u64 {
        self.trips.wins + self.trips.losses + self.trips.even + self.trips.unknown
    }

    /// The average winning trip, rounded to paise.
    #[must_use]
    pub fn average_win(&self) -> Option<Decimal> {
        per_trip(self.trips.won, self.trips.wins)
    }

    /// The average losing trip, a negative number, rounded to paise.
    #[must_use]
    pub fn average_loss(&self) -> Option<Decimal> {
        per_trip(self.trips.lost, self.trips.losses)
    }

    /// Rupees a unit lost against the price that the sender saw, rounded to four decimals.
    #[must_use]
    pub fn slippage_per_unit(&self) -> Option<Decimal> {
        self.slippage.cost.per_unit(self.slippage.quantity)
    }
}

fn per_trip(sum: Amount, trips: u64) -> Option<Decimal> {
    sum.0.checked_div(Decimal::from(trips)).map(|average| average.round_dp(2))
}

impl Day {
    /// What the day's lines come to at the newest prices: of one strategy, or of the account.
    #[must_use]
    pub fn total(&self, of: Option<&Strategy>, quotes: &dyn Quotes) -> Total {
        let mut total = Total::default();
        for (_, key, line) in self.lines().filter(|(strategy, ..)| of.is_none_or(|wanted| wanted == *strategy)) {
            let quote = if line.held.net == 0 { None } else { quotes.quote(&key.instrument) };
            let close = if line.carried.net == 0 { None } else { quotes.previous_close(&key.instrument) };
            let worth = line.worth(quote.map(|quote| quote.last), close);
            total.realised = total.realised.plus(worth.realised);
            total.before_today = total.before_today.plus(worth.before_today);
            total.left += line.left;
            match worth.unrealised {
                Some(unrealised) => total.unrealised = total.unrealised.plus(unrealised),
                None => total.unpriced.push(key.instrument.clone()),
            }
            total.oldest_quote = total.oldest_quote.into_iter().chain(quote.map(|quote| quote.at)).min();
        }
        total
    }

    /// How the day went: of one strategy, or of the account.
    #[must_use]
    pub fn statistics(&self, of: Option<&Strategy>) -> Statistics {
        let mut sum = Statistics { curve: of.map_or(self.curve(), |strategy| self.curve_of(strategy)), ..Statistics::default() };
        for (_, _, line) in self.lines().filter(|(strategy, ..)| of.is_none_or(|wanted| wanted == *strategy)) {
            sum.bought = sum.bought.with(line.bought);
            sum.sold = sum.sold.with(line.sold);
            sum.orders += line.executed.count();
            sum.trips = sum.trips.with(line.trips);
            sum.slippage.quantity += line.slippage.quantity;
            sum.slippage.cost = sum.slippage.cost.plus(line.slippage.cost);
        }
        sum
    }
}
