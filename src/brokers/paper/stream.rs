//! The pushed updates: hints. A full channel drops them and says so later; nobody is ever waited for.

use std::collections::BTreeSet;

use ordergate_actors::ports::StreamEvent;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::simulator::exchange::{Event, Exchange};

const CAPACITY: usize = 1_024;

/// The sending end.
#[derive(Debug)]
pub(super) struct Publisher {
    sender: mpsc::Sender<StreamEvent>,
    has_lost: bool,
}

pub(super) fn channel() -> (Publisher, mpsc::Receiver<StreamEvent>) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (Publisher { sender, has_lost: false }, receiver)
}

impl Publisher {
    /// Tells of the trades after the first `known`, and of every order that changed, as it is now.
    pub(super) fn publish(&mut self, exchange: &Exchange, events: &[Event], known: usize) {
        if events.iter().any(|event| matches!(event, Event::Rolled { .. })) {
            self.push(StreamEvent::Reconnected);
            return;
        }
        for trade in exchange.trade_rows().iter().skip(known) {
            self.push(StreamEvent::Trade(Box::new(trade.as_ref().clone())));
        }
        let changed: BTreeSet<_> = events.iter().filter_map(Event::order).collect();
        for order in changed.into_iter().filter_map(|id| exchange.order(id)) {
            self.push(StreamEvent::Order(Box::new(order.row.as_ref().clone())));
        }
    }

    fn push(&mut self, event: StreamEvent) {
        if self.has_lost {
            self.has_lost = self.is_full(StreamEvent::Reconnected);
        }
        self.has_lost = self.has_lost || self.is_full(event);
    }

    fn is_full(&self, event: StreamEvent) -> bool {
        matches!(self.sender.try_send(event), Err(TrySendError::Full(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_stream_loses_hints_and_says_so_when_there_is_room() {
        let (sender, mut receiver) = mpsc::channel(2);
        let mut publisher = Publisher { sender, has_lost: false };
        let id = |n: u64| ordergate_actors::order::BrokerOrderId::parse(&n.to_string()).unwrap();
        let event = |n: u64| {
            StreamEvent::Trade(Box::new(ordergate_actors::ports::TradeRow {
                fill: ordergate_actors::order::Fill {
                    trade_id: ordergate_actors::order::TradeId::parse("1").unwrap(),
                    broker_order_id: id(n),
                    quantity: ordergate_actors::order::Quantity::new(1).unwrap(),
                    price: ordergate_actors::order::Price::parse("1").unwrap(),
                    at: chrono::DateTime::UNIX_EPOCH,
                },
                exchange: ordergate_actors::order::Exchange::Nse,
            }))
        };
        for n in 0..5 {
            publisher.push(event(n));
        }
        assert_eq!((receiver.try_recv().ok(), receiver.try_recv().ok()), (Some(event(0)), Some(event(1))));
        publisher.push(event(9));
        assert_eq!((receiver.try_recv().ok(), receiver.try_recv().ok()), (Some(StreamEvent::Reconnected), Some(event(9))));
        drop(receiver);
        publisher.push(event(10));
        assert!(!publisher.has_lost);
    }
}
