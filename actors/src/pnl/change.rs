//! One thing that changed what a strategy holds, as the day's result takes it in.

use chrono::{DateTime, NaiveDate, Utc};

use crate::order::{EndPrice, Fill, Holding, HoldingKey, OrderRecord, Points, Price, Quantity, Side, Strategy, trading_date};

/// A change of what a strategy holds in one instrument and product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayChange {
    /// The journal row that tells of it.
    pub seq: u64,
    /// The IST day to which it belongs.
    pub day: NaiveDate,
    /// The owner.
    pub strategy: Strategy,
    /// In what.
    pub key: HoldingKey,
    /// What was held before it; nothing at all when flat.
    pub before: Holding,
    /// What happened.
    pub what: Move,
}

/// How a holding changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// A trade of an order of ours.
    Traded {
        /// The order's number.
        order: u64,
        /// Its side.
        side: Side,
        /// Units.
        quantity: Quantity,
        /// Rupees per unit.
        price: Price,
        /// The price that the sender of the signal saw, if it said so.
        seen: Option<Price>,
        /// When, by the exchange's clock.
        at: DateTime<Utc>,
    },
    /// A trade of an earlier day that was told only on this one: what was carried was another quantity.
    ToldLate {
        /// Its side.
        side: Side,
        /// Units.
        quantity: Quantity,
        /// Rupees per unit.
        price: Price,
    },
    /// Units that left without a price: closed elsewhere.
    Left {
        /// How many.
        units: i64,
        /// The price, since somebody told it.
        told: Option<Told>,
    },
    /// Units that ended on an earlier day: with their contract, or with the day itself because they were intraday. They left on
    /// that day: of the day on which it is recorded they are neither carried nor lost.
    Settled {
        /// How many.
        units: i64,
        /// Their last day, India.
        on: NaiveDate,
        /// The price, since somebody told it.
        told: Option<Told>,
    },
    /// Units that a strategy took over from elsewhere, at a price that a person stated.
    Taken {
        /// The side that brings them.
        side: Side,
        /// How many.
        quantity: Quantity,
        /// Rupees per unit.
        price: Price,
    },
}

/// At which price units left, by whoever told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Rupees per unit.
    pub price: EndPrice,
    /// The journal row that tells it: a person's, or the one by which the units left, when the broker's books told it.
    pub seq: u64,
}

impl Move {
    /// When it traded, by the exchange's clock; `None`: it is no trade, or one of an earlier day.
    #[must_use]
    pub fn traded_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Traded { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// Units of a holding that were closed elsewhere. With a price it is as if the strategy had taken that trade over.
    #[must_use]
    pub fn left(before: Holding, units: i64, price: Option<Price>) -> Self {
        let closing = Side::of_net(before.net).map(Side::opposite).zip(Quantity::new(units));
        match closing.zip(price) {
            Some(((side, quantity), price)) => Self::Taken { side, quantity, price },
            None => Self::Left { units, told: None },
        }
    }

    /// Units that ended on an earlier day, as the journal row `seq` records it: at the price that the broker's books tell, or
    /// without one.
    #[must_use]
    pub fn ended(seq: u64, units: i64, on: NaiveDate, price: Option<Price>) -> Self {
        Self::Settled { units, on, told: price.map(|price| Told { price: price.into(), seq }) }
    }

    /// The price that was told of units which left without one.
    #[must_use]
    pub fn told(self) -> Option<Told> {
        match self {
            Self::Left { told, .. } | Self::Settled { told, .. } => told,
            Self::Traded { .. } | Self::ToldLate { .. } | Self::Taken { .. } => None,
        }
    }

    /// The change of the net position, in units.
    #[must_use]
    pub fn net(self, before: i64) -> i64 {
        match self {
            Self::Traded { side, quantity, .. } | Self::ToldLate { side, quantity, .. } | Self::Taken { side, quantity, .. } => {
                side.sign() * quantity.value()
            }
            Self::Left { units, .. } | Self::Settled { units, .. } => -before.signum() * units,
        }
    }
}

/// What counts of a holding before a change: a flat one starts anew, and the time of its opening says nothing of money.
#[must_use]
pub(crate) fn standing(held: Holding) -> Holding {
    if held.net == 0 { Holding::default() } else { Holding { opened_at: None, ..held } }
}

impl DayChange {
    /// A trade of an order of ours that was recorded at `at`; `held` is what its strategy held before it. It belongs to
    /// the day on which it happened, unless that day is over.
    #[must_use]
    pub fn of_fill(order: &OrderRecord, (key, side): (HoldingKey, Side), held: Holding, fill: &Fill, at: DateTime<Utc>) -> Self {
        let (quantity, price) = (fill.quantity, fill.price);
        let (traded_on, recorded_on) = (trading_date(fill.at), trading_date(at));
        let what = if traded_on < recorded_on {
            Move::ToldLate { side, quantity, price }
        } else {
            Move::Traded { order: order.number, side, quantity, price, seen: order.ask.seen_price, at: fill.at }
        };
        Self { seq: order.seq, day: traded_on.max(recorded_on), strategy: order.ask.strategy.clone(), key, before: standing(held), what }
    }

    /// The change with the price at which its units left. `None`: they have one that nobody needs to tell, of a trade or of the
    /// broker's books.
    #[must_use]
    pub fn priced(&self, told: Told) -> Option<Self> {
        let what = match self.what {
            Move::Left { units, .. } => Move::Left { units, told: Some(told) },
            Move::Settled { units, on, .. } => Move::Settled { units, on, told: Some(told) },
            Move::Traded { .. } | Move::ToldLate { .. } | Move::Taken { .. } => return None,
        };
        self.takes_a_price().then(|| Self { what, ..self.clone() })
    }

    /// Whether its units left at a price that somebody else than the broker's books must tell, or told.
    #[must_use]
    pub fn takes_a_price(&self) -> bool {
        let left = matches!(self.what, Move::Left { .. } | Move::Settled { .. });
        left && !self.is_own(self.what.told())
    }

    /// Whether the change came with that price.
    fn is_own(&self, told: Option<Told>) -> bool {
        told.is_some_and(|told| told.seq == self.seq)
    }

    /// The day to which what it realised belongs.
    #[must_use]
    pub fn counts_on(&self) -> NaiveDate {
        match self.what {
            Move::Settled { on, .. } => on,
            _ => self.day,
        }
    }

    /// The units that left, with the sign of what was held, and the points that they had cost or brought.
    #[must_use]
    pub fn gone(&self) -> (i64, Points) {
        let after = self.before.reduced(match self.what {
            Move::Left { units, .. } | Move::Settled { units, .. } => units,
            Move::Traded { .. } | Move::ToldLate { .. } | Move::Taken { .. } => 0,
        });
        (self.before.net - after.net, self.before.cost.plus(after.cost.negated()))
    }

    /// The newest journal row that tells of it.
    #[must_use]
    pub fn newest_row(&self) -> u64 {
        self.what.told().map_or(self.seq, |told| told.seq.max(self.seq))
    }

    /// Units that left without a price, or came at one, recorded at `at` by that journal row.
    #[must_use]
    pub fn corrected(seq: u64, at: DateTime<Utc>, (strategy, key): (Strategy, HoldingKey), held: Holding, what: Move) -> Self {
        Self { seq, day: trading_date(at), strategy, key, before: standing(held), what }
    }
}
