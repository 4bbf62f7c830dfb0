//! The pushed updates: hints. A full channel drops them and says so later; nobody is ever waited for.

use ordergate_actors::persistence::Level;
use ordergate_actors::ports::StreamEvent;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// The sending end.
#[derive(Debug)]
pub(crate) struct Updates {
    sender: mpsc::Sender<StreamEvent>,
    has_lost: bool,
}

/// A stream with room for so many updates.
pub(crate) fn channel(capacity: usize) -> (Updates, mpsc::Receiver<StreamEvent>) {
    let (sender, receiver) = mpsc::channel(capacity.max(2));
    (Updates { sender, has_lost: false }, receiver)
}

/// Says what a person should hear, by the same way. A full channel loses it; it is in the log as well.
#[derive(Debug, Clone)]
pub(crate) struct Notices {
    sender: mpsc::Sender<StreamEvent>,
}

impl Notices {
    /// Says it.
    pub(crate) fn say(&self, level: Level, event: &'static str, text: String) {
        let _full_or_gone = self.sender.try_send(StreamEvent::Notice { level, event, text });
    }
}

impl Updates {
    /// A way for notices beside the updates.
    pub(crate) fn notices(&self) -> Notices {
        Notices { sender: self.sender.clone() }
    }

    /// Sends the update, or loses it and says so when there is room.
    pub(crate) fn push(&mut self, event: StreamEvent) {
        self.catch_up();
        self.has_lost = self.has_lost || self.is_full(event);
    }

    /// Says that something was lost, if there is room by now.
    pub(crate) fn catch_up(&mut self) {
        if self.has_lost {
            self.has_lost = self.is_full(StreamEvent::Reconnected);
        }
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
        let (mut updates, mut receiver) = channel(2);
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
            updates.push(event(n));
        }
        assert_eq!((receiver.try_recv().ok(), receiver.try_recv().ok()), (Some(event(0)), Some(event(1))));
        updates.push(event(9));
        assert_eq!((receiver.try_recv().ok(), receiver.try_recv().ok()), (Some(StreamEvent::Reconnected), Some(event(9))));
        drop(receiver);
        updates.push(event(10));
        assert!(!updates.has_lost);
    }
}
