//! INV-4 for money: what the strategies have made, and what they paid for what they hold, is what the exchange was paid.

use chrono::{DateTime, Utc};
use ordergate::simulator::exchange::Position;
use ordergate::store::ReadStore;
use ordergate_actors::order::{Holding, HoldingKey, Side, Strategy, trading_date};
use ordergate_actors::pnl::{Day, DayChange, Move};
use rust_decimal::Decimal;

use super::AtBroker;
use crate::truth::{self, Traded};

/// Shares of a cost are rounded at their 28th decimal.
const NOTHING: Decimal = Decimal::from_parts(1, 0, 0, false, 6);

/// Where nobody else has traded, and nothing was carried into the day: the trades of an earlier one are not in the exchange's book any
/// more. The engine's day is read from the disk as a restart would read it; the other side of every sum is the
/// exchange's own trades, and is worked out here.
pub(super) fn agrees(
    store: &ReadStore,
    held: &[(Strategy, HoldingKey, Holding)],
    at: &AtBroker<'_>,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let today = trading_date(now);
    let orders = truth::orders_of(store, &at.client)?;
    let trades = truth::traded(&at.exchange, at.others, &orders);
    let shared = truth::shared(&trades);
    let changes = store.loaded_day(&at.client, today).map_err(|error| error.to_string())?;
    let day = Day::load(today, held.iter().map(|(strategy, key, holding)| (strategy, key, holding)), &changes);
    let is_told = |(key, position): &(&HoldingKey, &Position)| !shared.contains(*key) && position.carried.net == 0;
    for (key, position) in at.exchange.position_details().filter(is_told) {
        let mut owners: Vec<&Strategy> = trades.iter().filter(|trade| trade.key == *key).filter_map(Traded::strategy).collect();
        owners.extend(held.iter().filter(|(_, there, _)| there == key).map(|(strategy, ..)| strategy));
        owners.sort_unstable();
        owners.dedup();
        let mut sum = Decimal::ZERO;
        for strategy in owners {
            let holding =
                held.iter().find(|(owner, there, _)| owner == strategy && there == key).map_or_else(Holding::default, |row| row.2);
            let line =
                Line { strategy, key, holding, realised: day.line(strategy, key).map_or(Decimal::ZERO, |line| line.curve.realised.0) };
            line.is_paid(&trades)?;
            line.averages(&trades, &changes)?;
            sum += line.cash();
        }
        let paid = position.sold.value.0 - position.bought.value.0;
        differs(sum, paid)
            .map_or(Ok(()), |by| Err(format!("INV-4: the strategies were paid {sum} for {key}, the account {paid}: {by} apart")))?;
        let last = ordergate_actors::order::Price::new(Decimal::ONE_HUNDRED);
        let pools = day.pools(today).find(|(there, _)| *there == key).and_then(|(_, pool)| pool.gross(last, None));
        let result = paid + Decimal::from(position.holding.net) * Decimal::ONE_HUNDRED;
        let told = pools.map_or(Decimal::ZERO, |amount| amount.0);
        differs(told, result)
            .map_or(Ok(()), |by| Err(format!("INV-4: at 100 {key} has made {told}, by the exchange {result}: {by} apart")))?;
    }
    Ok(())
}

fn differs(one: Decimal, other: Decimal) -> Option<Decimal> {
    Some((one - other).abs()).filter(|by| *by > NOTHING)
}

/// What the engine has of one strategy in one position.
struct Line<'a> {
    strategy: &'a Strategy,
    key: &'a HoldingKey,
    holding: Holding,
    realised: Decimal,
}

impl Line<'_> {
    /// What it was paid for everything, by what it says that it realised and that the rest cost.
    fn cash(&self) -> Decimal {
        self.realised - Decimal::from(self.holding.net.signum()) * self.holding.cost.0
    }

    fn own<'t>(&self, trades: &'t [Traded<'t>]) -> impl Iterator<Item = &'t Traded<'t>> {
        trades.iter().filter(|trade| trade.key == *self.key && trade.strategy() == Some(self.strategy))
    }

    /// Units and rupees are those of its own trades.
    fn is_paid(&self, trades: &[Traded<'_>]) -> Result<(), String> {
        let Self { strategy, key, holding, .. } = self;
        let net = truth::net_of(trades, strategy, key);
        if net != holding.net {
            return Err(format!("INV-4: {strategy} holds {} {key}, and its orders have traded {net}", holding.net));
        }
        let (says, paid) = (self.cash(), self.own(trades).map(Traded::cash).sum::<Decimal>());
        differs(says, paid)
            .map_or(Ok(()), |by| Err(format!("INV-4: {strategy} says that {key} brought {says}, it brought {paid}: {by} apart")))
    }

    /// Where its trades were recorded in the order in which they were made, it realised against the average cost of what it closed.
    fn averages(&self, trades: &[Traded<'_>], changes: &[DayChange]) -> Result<(), String> {
        let made: Vec<_> =
            self.own(trades).map(|trade| (trade.order.map_or(0, |order| order.number), trade.side, trade.units, trade.price)).collect();
        let mine = changes.iter().filter(|change| change.strategy == *self.strategy && change.key == *self.key);
        let recorded: Vec<_> = mine
            .map(|change| match change.what {
                Move::Traded { order, side, quantity, price, .. } => (order, side, quantity.value(), price.value()),
                _ => (0, Side::Buy, 0, Decimal::ZERO),
            })
            .collect();
        if made != recorded {
            return Ok(());
        }
        let (cost, realised) = averaged(made.into_iter().map(|(_, side, units, price)| (side.sign() * units, price)));
        let (strategy, key) = (self.strategy, self.key);
        match (differs(self.holding.cost.0, cost), differs(self.realised, realised)) {
            (None, None) => Ok(()),
            _ => Err(format!(
                "INV-4: {strategy} paid {cost} for its {key} and realised {realised}, it says {} and {}",
                self.holding.cost.0, self.realised
            )),
        }
    }
}

/// What the open units cost, and what the closed ones brought, by the average cost.
fn averaged(trades: impl Iterator<Item = (i64, Decimal)>) -> (Decimal, Decimal) {
    let (mut net, mut average, mut realised) = (0_i64, Decimal::ZERO, Decimal::ZERO);
    for (units, price) in trades {
        let closed = if net.signum() * units.signum() < 0 { units.abs().min(net.abs()) } else { 0 };
        realised += Decimal::from(net.signum() * closed) * (price - average);
        let opened = units.abs() - closed;
        let stays = net.abs() - closed;
        if opened > 0 {
            average = (average * Decimal::from(stays) + price * Decimal::from(opened)) / Decimal::from(stays + opened);
        }
        net += units;
    }
    (average * Decimal::from(net.abs()), realised)
}

#[test]
fn what_is_closed_realises_against_the_average_of_what_is_there() {
    let of = |trades: &[(i64, i64)]| averaged(trades.iter().map(|(units, price)| (*units, Decimal::from(*price))));
    let (d, hundred) = (Decimal::from, Decimal::ONE_HUNDRED);
    assert_eq!(of(&[(10, 100), (10, 110)]), (d(2_100), d(0)));
    assert_eq!(of(&[(10, 100), (10, 110), (-5, 107)]), (d(1_575), d(10)));
    assert_eq!(of(&[(-10, 100), (15, 90)]), (d(450), hundred), "a flip begins anew");
    assert_eq!(of(&[(-10, 100), (10, 110)]), (d(0), -hundred));
}
