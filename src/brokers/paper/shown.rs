//! Which orders need not be shown any more. A broker shows the day; a day of a hundred thousand orders, read every second,
//! is too much to hold and to compare. What ended long ago and was shown often enough is in the file only.

use std::collections::BTreeSet;

use ordergate_actors::order::BrokerOrderId;
use ordergate_actors::persistence::NEWEST_KEPT;

use crate::simulator::exchange::Exchange;

/// The newest orders, which are always shown: all that the engine has in memory, and as many as may overtake each other on
/// their way.
const NEWEST: u64 = NEWEST_KEPT + 2_000;
/// So many go together: a book that loses rows is compared whole.
const TOGETHER: usize = 2_048;
/// So many order books and trade books that show an order as ended have told of its end. It is as many as it takes to
/// conclude that an order is absent.
const TIMES: u32 = 3;

/// Orders that have ended and go once they were shown often enough.
#[derive(Debug)]
pub(super) struct Shown {
    newest: u64,
    together: usize,
    going: BTreeSet<BrokerOrderId>,
    order_books: u32,
    trade_books: u32,
}

impl Default for Shown {
    fn default() -> Self {
        Self::keeping(NEWEST, TOGETHER)
    }
}

impl Shown {
    pub(super) fn keeping(newest: u64, together: usize) -> Self {
        Self { newest, together, going: BTreeSet::new(), order_books: 0, trade_books: 0 }
    }

    /// The order book is shown as it is.
    pub(super) fn order_book(&mut self, exchange: &mut Exchange) {
        if self.going.is_empty() {
            let ended = exchange.ended_before_the_newest(self.newest);
            if ended.len() < self.together {
                return;
            }
            self.going = ended.into_iter().collect();
            (self.order_books, self.trade_books) = (0, 0);
        }
        self.order_books += 1;
        self.go(exchange);
    }

    /// The trade book is shown as it is.
    pub(super) fn trade_book(&mut self, exchange: &mut Exchange) {
        if !self.going.is_empty() {
            self.trade_books += 1;
            self.go(exchange);
        }
    }

    fn go(&mut self, exchange: &mut Exchange) {
        if self.order_books >= TIMES && self.trade_books >= TIMES {
            exchange.forget(&std::mem::take(&mut self.going));
        }
    }
}
