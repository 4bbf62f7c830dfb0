//! What the market of a position does with an exit at this moment: pure.

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::order::Side;
use ordergate_actors::order::calendar::SessionPhase;
use ordergate_actors::ports::Quote;
use ordergate_actors::risk::Market;

/// A market that opens within this time is waited for: what opens after an auction waits for as long as that takes.
const SOON: TimeDelta = TimeDelta::minutes(20);

/// What an exit meets there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hours {
    /// It trades; or the calendar does not know, and the broker's answer tells.
    Trades,
    /// The closing auction takes orders until then. What lies in it trades at its end, and not before.
    Auction {
        /// The first moment after this step of it.
        until: DateTime<Utc>,
        /// For people.
        phase: String,
    },
    /// Nothing can be put in before then: the reference price, the match, the minutes before the opening.
    Waits {
        /// The first moment after it.
        until: DateTime<Utc>,
        /// For people.
        phase: String,
    },
    /// Nothing can be put in for long.
    Shut {
        /// For people.
        phase: String,
    },
}

impl Hours {
    /// Those of a market now. An account that is not held to the calendar meets one that is always open.
    #[must_use]
    pub fn of(market: &Market, now: DateTime<Utc>) -> Self {
        let phase = market.phase.to_string();
        match market.phase {
            _ if !market.is_held => Self::Trades,
            SessionPhase::Unknown(_) | SessionPhase::Continuous { .. } => Self::Trades,
            SessionPhase::ClosingAuction { step, until } if step.takes_orders() => Self::Auction { until, phase },
            SessionPhase::ClosingAuction { until, .. } | SessionPhase::PreOpen { until, .. } => Self::Waits { until, phase },
            SessionPhase::Closed { next_open: Some(until), .. } if until.signed_duration_since(now) <= SOON => Self::Waits { until, phase },
            SessionPhase::PostClose { .. } | SessionPhase::Closed { .. } => Self::Shut { phase },
        }
    }

    /// Whether an exit may go.
    #[must_use]
    pub fn takes_exits(&self) -> bool {
        matches!(self, Self::Trades | Self::Auction { .. })
    }
}

/// The quote that an exit in an auction goes by. The touch of an auction may stand on the far side of the price at which it will
/// match, and everybody trades at that one price: a limit is counted from the touch or the last price, whichever reaches further.
#[must_use]
pub fn in_auction(quote: Quote, side: Side) -> Quote {
    match side {
        Side::Sell => Quote { bid: quote.bid.map(|bid| bid.min(quote.last)), ..quote },
        Side::Buy => Quote { ask: quote.ask.map(|ask| ask.max(quote.last)), ..quote },
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use ordergate_actors::order::Price;
    use ordergate_actors::order::calendar::{AuctionStep, Missing, Why};
    use ordergate_actors::testkit::morning;

    use super::*;

    fn of(phase: SessionPhase) -> Hours {
        Hours::of(&Market { phase, is_held: true }, morning())
    }

    #[test]
    fn an_exit_goes_waits_lies_in_an_auction_or_is_not_sent_by_the_phase() {
        let until = morning() + TimeDelta::minutes(5);
        for phase in [SessionPhase::Unknown(Missing::Day), SessionPhase::Continuous { closes_at: until }] {
            assert_eq!(of(phase), Hours::Trades);
        }
        for step in [AuctionStep::LimitAndMarket, AuctionStep::LimitOnly, AuctionStep::LimitOnlyEnding] {
            let closing = of(SessionPhase::ClosingAuction { step, until });
            assert!(matches!(&closing, Hours::Auction { until: end, .. } if *end == until) && closing.takes_exits(), "{closing:?}");
            assert!(matches!(of(SessionPhase::PreOpen { step, until }), Hours::Waits { .. }));
        }
        for step in [AuctionStep::Reference, AuctionStep::Matching, AuctionStep::Buffer] {
            let waits = of(SessionPhase::ClosingAuction { step, until });
            assert!(matches!(waits, Hours::Waits { .. }) && !waits.takes_exits(), "{waits:?}");
        }
        let closed = SessionPhase::Closed { why: Why::Hours, next_open: None };
        let opens_in = |minutes| SessionPhase::Closed { why: Why::Hours, next_open: Some(morning() + TimeDelta::minutes(minutes)) };
        for phase in [SessionPhase::PostClose { until }, closed.clone(), opens_in(21)] {
            assert!(matches!(of(phase), Hours::Shut { .. }));
        }
        assert!(matches!(of(opens_in(20)), Hours::Waits { .. }), "options have no auction before the opening");
        assert_eq!(Hours::of(&Market { phase: closed, is_held: false }, morning()), Hours::Trades, "not held to the calendar");
    }

    #[test]
    fn a_limit_in_an_auction_reaches_the_last_price_too() {
        let price = |text: &str| Price::new(text.parse().unwrap()).unwrap();
        let quote = |bid, ask| {
            let (bid, ask) = (Some(price(bid)), Some(price(ask)));
            Quote { bid, ask, last: price("100"), band: None, at: morning(), seen_at: morning() }
        };
        assert_eq!(in_auction(quote("103", "97"), Side::Sell).bid, Some(price("100")));
        assert_eq!(in_auction(quote("99", "97"), Side::Sell).bid, Some(price("99")));
        assert_eq!(in_auction(quote("103", "97"), Side::Buy).ask, Some(price("100")));
        assert_eq!(in_auction(quote("103", "101"), Side::Buy).ask, Some(price("101")));
    }
}
