//! Who has traded what, by the exchange alone: its trades, and whose tag each of its orders carries. Nothing here asks the engine what it
//! holds.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use ordergate::simulator::exchange::Exchange;
use ordergate::store::ReadStore;
use ordergate_actors::order::{ClientId, HoldingKey, OrderRecord, Side, Strategy};
use rust_decimal::Decimal;

use super::beside::Others;
use super::checks::is_ours;

/// One trade of the account.
#[derive(Debug)]
pub(crate) struct Traded<'a> {
    /// The order of ours whose tag it carries; `None`: somebody else's.
    pub(crate) order: Option<&'a OrderRecord>,
    pub(crate) key: HoldingKey,
    pub(crate) side: Side,
    pub(crate) units: i64,
    pub(crate) price: Decimal,
    pub(crate) at: DateTime<Utc>,
}

impl Traded<'_> {
    /// Bought, or sold as a negative number.
    pub(crate) fn signed(&self) -> i64 {
        self.side.sign() * self.units
    }

    /// What it paid out, or brought in: rupees.
    pub(crate) fn cash(&self) -> Decimal {
        -Decimal::from(self.signed()) * self.price
    }

    /// Whose it is; `None`: somebody else's.
    pub(crate) fn strategy(&self) -> Option<&Strategy> {
        self.order.map(|order| &order.ask.strategy)
    }
}

/// Every order of an account, as it stands on disk.
pub(crate) fn orders_of(store: &ReadStore, client: &ClientId) -> Result<Vec<OrderRecord>, String> {
    let orders = store.every().collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    Ok(orders.into_iter().filter(|order| order.client_id == *client).collect())
}

/// Every trade of the account, oldest first. `orders`: those of the account.
pub(crate) fn traded<'a>(exchange: &Exchange, others: &Others, orders: &'a [OrderRecord]) -> Vec<Traded<'a>> {
    let of = |trade: &ordergate_actors::ports::TradeRow| {
        let row = &exchange.order(&trade.fill.broker_order_id)?.row;
        let order = orders.iter().find(|order| is_ours(order, row)).filter(|_| !others.own(row));
        Some(Traded {
            order,
            key: HoldingKey { instrument: row.instrument.clone(), product: row.product },
            side: row.side,
            units: trade.fill.quantity.value(),
            price: trade.fill.price.value(),
            at: trade.fill.at,
        })
    };
    exchange.trade_rows().iter().filter_map(|trade| of(trade)).collect()
}

/// Where somebody else has traded too.
pub(crate) fn shared(trades: &[Traded<'_>]) -> BTreeSet<HoldingKey> {
    trades.iter().filter(|trade| trade.order.is_none()).map(|trade| trade.key.clone()).collect()
}

/// What a strategy has there, by its own trades.
pub(crate) fn net_of(trades: &[Traded<'_>], strategy: &Strategy, key: &HoldingKey) -> i64 {
    trades.iter().filter(|trade| trade.key == *key && trade.strategy() == Some(strategy)).map(Traded::signed).sum()
}
