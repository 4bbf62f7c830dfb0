//! What a step of the paper broker tells its stream.

use std::collections::BTreeSet;

use ordergate_actors::ports::StreamEvent;
use tokio::sync::mpsc;

use crate::brokers::updates::{self, Updates};
use crate::simulator::exchange::{Event, Exchange};

const CAPACITY: usize = 1_024;

/// The sending end.
#[derive(Debug)]
pub(super) struct Publisher(Updates);

pub(super) fn channel() -> (Publisher, mpsc::Receiver<StreamEvent>) {
    let (updates, receiver) = updates::channel(CAPACITY);
    (Publisher(updates), receiver)
}

impl Publisher {
    /// Tells of the trades after the first `known`, and of every order that changed, as it is now.
    pub(super) fn publish(&mut self, exchange: &Exchange, events: &[Event], known: usize) {
        if events.iter().any(|event| matches!(event, Event::Rolled { .. })) {
            self.0.push(StreamEvent::Reconnected);
            return;
        }
        for trade in exchange.trade_rows().iter().skip(known) {
            self.0.push(StreamEvent::Trade(Box::new(trade.as_ref().clone())));
        }
        let changed: BTreeSet<_> = events.iter().filter_map(Event::order).collect();
        for order in changed.into_iter().filter_map(|id| exchange.order(id)) {
            self.0.push(StreamEvent::Order(Box::new(order.row.as_ref().clone())));
        }
    }
}
