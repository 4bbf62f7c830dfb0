//! The live market of a real account, for the paper broker: orders fill against real quotes, and no money moves.
//!
//! *Invariant:* nothing but quotes is asked of the account. A quote that is too old is no price: what rests waits, and what
//! comes new is refused. What an auction shows is no price either, nobody trades at it: outside continuous trading there is nothing to
//! trade against, and every order rests.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::order::calendar::{Calendar, Facts, SessionPhase};
use ordergate_actors::order::{Instrument, Price};
use ordergate_actors::ports::{Broker as _, Call, Clock, Instruments};

use crate::brokers::noren::{Board, NorenBroker};
use crate::simulator::market::{Depth, Level, Market};

/// The quote board of a real account as a market.
#[derive(Debug)]
pub struct LiveMarket {
    account: NorenBroker,
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
    stale_after: Duration,
    sessions: Sessions,
}

/// When the quotes of the account are prices at which somebody trades.
#[derive(Debug)]
struct Sessions {
    calendar: Arc<Calendar>,
    instruments: Arc<dyn Instruments>,
    /// Whether its market has the hours of the calendar; that of a simulated broker has none.
    is_held: bool,
}

impl Sessions {
    /// Whether orders trade then. A day that the calendar does not know is left to the quotes.
    fn trade(&self, instrument: &Instrument, now: DateTime<Utc>) -> bool {
        let facts = Facts::of(instrument, self.instruments.has_derivatives(&instrument.underlying));
        !self.is_held || matches!(self.calendar.session(&facts, now), SessionPhase::Continuous { .. } | SessionPhase::Unknown(_))
    }
}

impl LiveMarket {
    /// The market that this account sees; a quote older than that is none.
    #[must_use]
    pub fn new(
        account: NorenBroker,
        clock: Arc<dyn Clock>,
        stale_after: Duration,
        calendar: Arc<Calendar>,
        instruments: Arc<dyn Instruments>,
    ) -> Self {
        let is_held = calendar.holds(account.capabilities().is_live);
        Self { board: account.board(), account, clock, stale_after, sessions: Sessions { calendar, instruments, is_held } }
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
        let is_trading = self.sessions.trade(instrument, now);
        // A size that nobody told is the least there can be.
        let level = |price: Option<Price>, size: Option<i64>| {
            let quantity = size.unwrap_or(instrument.lot.value());
            price.filter(|_| is_trading && quantity > 0).map(|price| Level { price, quantity }).into_iter().collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::{InstrumentTable, sample};
    use ordergate_actors::order::{Exchange, InstrumentKey, trading_date};

    #[test]
    fn nobody_trades_at_what_an_auction_shows() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let table = Arc::new(InstrumentTable::new(sample(trading_date(at("2026-11-20T04:00:00Z"))).unwrap()));
        let share = table.find(&InstrumentKey::new(Exchange::Nse, "RELIANCE-EQ")).unwrap();
        let calendar = Arc::new(crate::calendar::load(&crate::config::Calendar::default()).unwrap());
        let sessions = |is_held| Sessions { calendar: Arc::clone(&calendar), instruments: table.clone(), is_held };
        for (time, trades) in [
            ("2026-11-20T03:35:00Z", false),
            ("2026-11-20T03:45:00Z", true),
            ("2026-11-20T09:44:59Z", true),
            ("2026-11-20T09:52:00Z", false),
            ("2026-11-20T10:25:00Z", false),
            ("2026-11-22T05:00:00Z", false),
            // No calendar covers it.
            ("2031-11-20T20:00:00Z", true),
        ] {
            assert_eq!((sessions(true).trade(&share, at(time)), sessions(false).trade(&share, at(time))), (trades, true), "{time}");
        }
    }
}
