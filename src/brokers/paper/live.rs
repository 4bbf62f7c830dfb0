//! The live market of a real account, for the paper broker: orders fill against real quotes, and no money moves.
//!
//! *Invariant:* nothing but quotes is asked of the account. A quote that is too old is no price: what rests waits, and what
//! comes new is refused.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Instrument, Price};
use ordergate_actors::ports::{Broker as _, Call, Clock};

use crate::brokers::noren::{Board, NorenBroker};
use crate::simulator::market::{Depth, Level, Market};

/// The quote board of a real account as a market.
#[derive(Debug)]
pub struct LiveMarket {
    account: NorenBroker,
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
    stale_after: Duration,
}

impl LiveMarket {
    /// The market that this account sees; a quote older than that is none.
    #[must_use]
    pub fn new(account: NorenBroker, clock: Arc<dyn Clock>, stale_after: Duration) -> Self {
        Self { board: account.board(), account, clock, stale_after }
    }

    fn is_fresh(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        // A time ahead of ours is as new as can be.
        now.signed_duration_since(at).to_std().is_ok_and(|age| age <= self.stale_after) || at >= now
    }
}

impl Market for LiveMarket {
    fn depth(&self, instrument: &Instrument, now: DateTime<Utc>) -> Option<Depth> {
        let touch = self.board.touch(&instrument.key).filter(|touch| self.is_fresh(touch.quote.at, now))?;
        let quote = touch.quote;
        // A size that nobody told is the least there can be.
        let level = |price: Option<Price>, size: Option<i64>| {
            let quantity = size.unwrap_or(instrument.lot.value());
            price.filter(|_| quantity > 0).map(|price| Level { price, quantity }).into_iter().collect()
        };
        Some(Depth {
            bids: level(quote.bid, touch.sizes.bid),
            asks: level(quote.ask, touch.sizes.ask),
            last: quote.last,
            at: quote.at,
            version: touch.version,
        })
    }

    fn warm(&self, instrument: &Arc<Instrument>) -> Call<()> {
        if self.depth(instrument, self.clock.now()).is_some() {
            return Box::pin(std::future::ready(()));
        }
        // It goes onto the board; without an answer there is no price.
        let asked = self.account.quote(Arc::clone(instrument));
        Box::pin(async move {
            if let Err(cause) = asked.await {
                tracing::warn!(event = "paper_quote_missing", "no live quote for the paper broker: {cause:?}");
            }
        })
    }
}
