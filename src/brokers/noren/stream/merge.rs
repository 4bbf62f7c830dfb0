//! Order frames into events. Frames are hints that may come twice, late, out of order, or too small to be a row; what
//! goes on is monotone for each order (Noren protocol reference, section 6.4).
//!
//! *Invariant:* filled units never shrink and nothing working follows an end. A fill is told once.

use std::collections::{HashMap, HashSet};

use ordergate_actors::order::{BookState, BrokerOrderId};
use ordergate_actors::ports::{BookRow, StreamEvent, TradeRow};

use crate::brokers::noren::wire::frames::{OrderUpdate, Shape};

/// More orders, and more trades, than a day of one account has: what is beyond must not fill the memory.
const MOST: usize = 50_000;

/// What was told of the orders so far, for one day's stream.
#[derive(Debug, Default)]
pub struct Merge {
    orders: HashMap<BrokerOrderId, BookRow>,
    trades: HashSet<(BrokerOrderId, String)>,
}

/// What one frame comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// What goes on, trades first.
    pub events: Vec<StreamEvent>,
    /// The state is a careful guess, or a fill could not be read: the books must be read.
    pub doubt: Option<String>,
}

impl Merge {
    /// Takes a frame.
    pub fn take(&mut self, update: OrderUpdate) -> Merged {
        let mut merged = Merged::default();
        if self.orders.len() >= MOST || self.trades.len() >= MOST {
            self.forget();
            merged.doubt = Some(format!("more than {MOST} orders or trades were told of; what was told before is forgotten"));
        }
        match update.trade {
            Some(Ok(trade)) => merged.events.extend(self.trade(trade)),
            Some(Err(error)) => merged.doubt = Some(format!("a fill of {} cannot be read: {error}", update.broker_order_id)),
            None => {}
        }
        if let Shape::Whole(whole) = update.shape {
            merged.doubt = merged.doubt.or(whole.doubt);
            merged.events.extend(self.order(whole.row));
        }
        merged
    }

    fn trade(&mut self, trade: TradeRow) -> Option<StreamEvent> {
        let key = (trade.fill.broker_order_id.clone(), trade.fill.trade_id.to_string());
        self.trades.insert(key).then(|| StreamEvent::Trade(Box::new(trade)))
    }

    fn order(&mut self, mut row: BookRow) -> Option<StreamEvent> {
        if let Some(before) = self.orders.get(&row.broker_order_id) {
            if is_end(before.state) && !is_end(row.state) {
                return None;
            }
            if row.filled < before.filled {
                // An end that tells fewer units than are known is late in its figures, not in its state.
                if !is_end(row.state) || is_end(before.state) {
                    return None;
                }
                (row.filled, row.average_price) = (before.filled, before.average_price);
            }
            row.tag = row.tag.or_else(|| before.tag.clone());
            if same(before, &row) {
                return None;
            }
        }
        self.orders.insert(row.broker_order_id.clone(), row.clone());
        Some(StreamEvent::Order(Box::new(row)))
    }

    /// A new day's session: its numbers are new.
    pub fn forget(&mut self) {
        self.orders.clear();
        self.trades.clear();
    }
}

/// The same news, whatever its time and what it tells besides.
fn same(before: &BookRow, row: &BookRow) -> bool {
    BookRow { at: before.at, besides: before.besides.clone(), ..row.clone() } == *before
}

fn is_end(state: BookState) -> bool {
    !matches!(state, BookState::Open)
}
