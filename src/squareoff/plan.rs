//! What is to be done, from what the broker shows: pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use ordergate_actors::order::{BookState, HoldingKey, InstrumentKey, Product, Side};
use ordergate_actors::ports::{BookRow, PositionRow};

/// One position to close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// In what.
    pub holding: HoldingKey,
    /// The side that closes it.
    pub side: Side,
    /// Units.
    pub units: i64,
}

impl Close {
    /// The position as the broker shows it: positive long, negative short.
    #[must_use]
    pub fn net(&self) -> i64 {
        self.side.opposite().sign() * self.units
    }
}

/// Why no exit can be sent for a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Without its row nobody knows its lot and its tick.
    #[error("it is not in the instrument master")]
    NotInMaster,
    /// The broker's adapter takes no order in it.
    #[error("no order goes there: {0}")]
    Refused(String),
}

/// Everything that is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Orders that work at the broker, and are cancelled.
    pub cancels: Vec<Arc<BookRow>>,
    /// Positions to close, shorts first.
    pub closes: Vec<Close>,
    /// Delivery holdings, which are left alone.
    pub left_alone: Vec<HoldingKey>,
    /// Positions that cannot be closed, and why not.
    pub stuck: Vec<(Close, Obstacle)>,
    /// Orders in their instruments, which go on working: one may be the stop of a position that nothing else closes.
    pub kept: Vec<Arc<BookRow>>,
}

impl Plan {
    /// Whether an order works in the instrument and product: it may be closing the position already.
    #[must_use]
    pub fn is_open_in(&self, close: &Close) -> bool {
        self.cancels.iter().any(|row| row.instrument == close.holding.instrument && row.product == close.holding.product)
    }

    /// Whether nothing works and nothing is open.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.cancels.is_empty() && self.closes.is_empty() && self.stuck.is_empty()
    }

    /// Takes out what cannot be closed, and the cancels of orders in its instrument.
    #[must_use]
    pub fn without_stuck(mut self, obstacle: impl Fn(&Close) -> Option<Obstacle>) -> Self {
        for close in std::mem::take(&mut self.closes) {
            match obstacle(&close) {
                Some(obstacle) => self.stuck.push((close, obstacle)),
                None => self.closes.push(close),
            }
        }
        let stuck: BTreeSet<&InstrumentKey> = self.stuck.iter().map(|(close, _)| &close.holding.instrument).collect();
        let (kept, cancels) = std::mem::take(&mut self.cancels).into_iter().partition(|row| stuck.contains(&row.instrument));
        Self { cancels, kept, ..self }
    }

    /// For people.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let works = |row: &BookRow| {
            let left = row.quantity - row.filled;
            format!("order {} works: {} {left} {} {}", row.broker_order_id, row.side, row.instrument, row.product)
        };
        let cancels = self.cancels.iter().map(|row| works(row));
        let closes = self.closes.iter().map(|close| format!("open: {} {} closes it, {}", close.side, close.units, close.holding));
        let stuck = self.stuck.iter().map(|(close, obstacle)| {
            format!("open, and cannot be closed: {} {} would close it, {}: {obstacle}", close.side, close.units, close.holding)
        });
        let kept = self.kept.iter().map(|row| format!("{}; it is not cancelled, its position cannot be closed", works(row)));
        cancels.chain(closes).chain(stuck).chain(kept).collect()
    }
}

/// The plan for these books.
#[must_use]
pub fn plan(orders: &[Arc<BookRow>], positions: &[PositionRow]) -> Plan {
    let cancels = orders.iter().filter(|row| row.state == BookState::Open).map(Arc::clone).collect();
    let mut open: Vec<&PositionRow> = positions.iter().filter(|row| row.net != 0).collect();
    // Shorts are bought back before longs are sold: a long may be what covers them.
    open.sort_by_key(|row| (row.net > 0, row.holding.clone()));
    let (delivery, closed): (Vec<_>, Vec<_>) = open.into_iter().partition(|row| row.holding.product == Product::Cnc);
    let close = |row: &PositionRow| {
        let side = Side::of_net(row.net)?.opposite();
        Some(Close { holding: row.holding.clone(), side, units: row.net.checked_abs()? })
    };
    Plan {
        cancels,
        closes: closed.into_iter().filter_map(close).collect(),
        left_alone: delivery.into_iter().map(|row| row.holding.clone()).collect(),
        ..Plan::default()
    }
}
