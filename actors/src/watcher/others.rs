//! Orders of others that work at the broker, and what of a position they may still close: pure. Others are whoever is not this engine: a
//! person in the broker's app, the broker's own square-off, another program, and this engine before its directory was restored.
//!
//! One that trades as soon as it can (a market order that an auction holds, a limit at the touch, a stop that is reached) is about to
//! close what it is for: an exit of ours beside it would turn the position around, so it counts as an exit of ours does. One that rests
//! away from the market may never trade, and no exit waits for it: somebody's target far away must not switch a stop off. People hear
//! of it instead. A stop of somebody's leaves nothing to a stop that we would rest beside it: one fall would wake both.

use std::fmt;

use rust_decimal::Decimal;

use super::Findings;
use crate::order::{BookState, HoldingKey, OrderType, Price, Side};
use crate::persistence::Book;
use crate::ports::{BookRow, Quote};

/// An order of somebody else's that works.
#[derive(Debug, Clone, Copy)]
pub struct Other<'a> {
    /// Its row.
    pub row: &'a BookRow,
    /// Units that it may still trade.
    pub units: i64,
}

impl Other<'_> {
    /// Whether it sleeps until a price is reached.
    #[must_use]
    pub fn is_stop(&self) -> bool {
        self.row.trigger_price.is_some() || self.row.order_type.is_some_and(OrderType::has_trigger)
    }

    /// Whether it trades as soon as it can: at the market, or at a limit that the touch has reached. Without a quote no limit and no
    /// stop is known to be there.
    #[must_use]
    pub fn trades_at_once(&self, quote: Option<&Quote>) -> bool {
        let side = self.row.side;
        if self.is_stop() {
            let reached = self.row.trigger_price.zip(quote).is_some_and(|(trigger, quote)| is_beyond(quote.last.value(), trigger, side));
            if !reached {
                return false;
            }
        }
        let Some(limit) = self.row.price else { return true };
        let touch = quote.map(|quote| if side == Side::Buy { quote.ask } else { quote.bid }.unwrap_or(quote.last));
        touch.map(Price::value).is_some_and(|touch| is_beyond(limit, touch, side))
    }
}

/// Whether a price is where an order of that side trades if it waits for `level`: at it, or on the willing side of it.
fn is_beyond(price: Decimal, level: Decimal, side: Side) -> bool {
    match side {
        Side::Buy => price >= level,
        Side::Sell => price <= level,
    }
}

impl fmt::Display for Other<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broker order {} of somebody else ({} {}", self.row.broker_order_id, self.row.side, self.units)?;
        if let Some(trigger) = self.row.trigger_price {
            write!(f, ", trigger {trigger}")?;
        }
        match self.row.price {
            Some(limit) => write!(f, ", limit {limit})"),
            None => f.write_str(" at the market)"),
        }
    }
}

impl Findings {
    /// The orders of others that work in an instrument and product on that side. What the stream told of their fills counts before the
    /// order book does.
    pub fn others_closing<'a>(&'a self, key: &'a HoldingKey, closing: Side) -> impl Iterator<Item = Other<'a>> {
        let works = move |row: &&BookRow| {
            row.state == BookState::Open && row.side == closing && row.instrument == key.instrument && row.product == key.product
        };
        let rows = self.foreign.iter().map(|row| &**row).filter(works);
        let left = |row: &BookRow| row.quantity.saturating_sub(row.filled.max(self.elsewhere.filled(&row.broker_order_id)));
        rows.map(move |row| Other { row, units: left(row) }).filter(|other| other.units > 0)
    }

    /// Whether the positions show our last fill there. Before they do nobody can tell what others have beside ours.
    #[must_use]
    pub fn shows_last_fill(&self, key: &HoldingKey, book: &Book) -> bool {
        self.positions.as_ref().is_some_and(|positions| positions.began_seq >= book.last_fill_seq(key))
    }

    /// Units of what our strategies hold there that stops of others are for. What the broker has beyond ours is theirs to close.
    #[must_use]
    pub fn stopped_by_others(&self, key: &HoldingKey, held: Side, book: &Book) -> i64 {
        let stops =
            self.others_closing(key, held.opposite()).filter(Other::is_stop).fold(0, |sum: i64, stop| sum.saturating_add(stop.units));
        let beyond = self.net(key).map_or(0, |at_broker| at_broker.saturating_sub(book.gross(key).net()).saturating_mul(held.sign()));
        stops.saturating_sub(beyond.max(0)).max(0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::order::{Product, trading_date};
    use crate::testkit::book_row;
    use crate::testkit::builders::{SEQ, at, book_of, broker_shows, price, sbin, sbin_in};

    fn sale(limit: Option<&str>, trigger: Option<&str>) -> BookRow {
        let value = |text: &str| price(text).value();
        let (price, trigger_price) = (limit.map(value), trigger.map(value));
        BookRow { side: Side::Sell, quantity: 65, instrument: sbin(), price, trigger_price, ..book_row("X1") }
    }

    fn quote(bid: Option<&str>, last: &str) -> Quote {
        Quote { bid: bid.map(price), ask: None, last: price(last), band: None, at: at(0), seen_at: at(0) }
    }

    #[test]
    fn what_trades_as_soon_as_it_can_is_at_the_market_at_the_touch_or_a_stop_that_is_reached() {
        let at_once = |row: &BookRow, quote: Option<Quote>| Other { row, units: 65 }.trades_at_once(quote.as_ref());
        let market = quote(Some("800"), "800.05");
        for (limit, trigger, trades) in [
            (None, None, true),
            (Some("800"), None, true),
            (Some("799"), None, true),
            (Some("800.05"), None, false),
            (None, Some("790"), false),
            (Some("789"), Some("790"), false),
            (None, Some("800.05"), true),
            (Some("799"), Some("801"), true),
            (Some("800.50"), Some("801"), false),
        ] {
            assert_eq!(at_once(&sale(limit, trigger), Some(market)), trades, "{limit:?} {trigger:?}");
        }
        assert!(at_once(&sale(Some("800.05"), None), Some(quote(None, "800.05"))), "nobody bids: the last price");
        assert!(at_once(&sale(None, None), None) && !at_once(&sale(Some("1"), None), None) && !at_once(&sale(None, Some("1")), None));
        let bought = BookRow { side: Side::Buy, ..sale(Some("800.05"), None) };
        assert!(at_once(&bought, Some(market)), "the last price, where nobody offers");
        assert!(!at_once(&BookRow { price: Some(price("800").value()), ..bought }, Some(market)));
    }

    #[test]
    fn what_others_may_still_close_is_what_works_there_on_that_side_less_what_has_filled() {
        let key = sbin_in(Product::Mis);
        let rows = [
            BookRow { filled: 5, ..sale(None, None) },
            BookRow { broker_order_id: book_row("X2").broker_order_id, side: Side::Buy, ..sale(None, None) },
            BookRow { broker_order_id: book_row("X3").broker_order_id, product: Product::Nrml, ..sale(None, None) },
            BookRow { broker_order_id: book_row("X4").broker_order_id, state: BookState::Complete, ..sale(None, None) },
        ];
        let mut findings = Findings { foreign: rows.iter().cloned().map(Arc::new).collect(), ..Findings::default() };
        let units = |findings: &Findings| findings.others_closing(&key, Side::Sell).map(|other| other.units).collect::<Vec<_>>();
        assert_eq!(units(&findings), [60]);
        findings.elsewhere.see([&BookRow { filled: 25, ..sale(None, None) }], trading_date(at(0)));
        assert_eq!(units(&findings), [40], "the stream was first");
    }

    #[test]
    fn a_stop_of_somebody_elses_is_for_his_own_units_first() {
        let key = sbin_in(Product::Mis);
        let book = book_of([], &[("trend", key.clone(), 65)]);
        let stopped = |net: i64, row: BookRow| {
            let findings = Findings { foreign: vec![Arc::new(row)], ..broker_shows(&[(key.clone(), net)]) };
            findings.stopped_by_others(&key, Side::Buy, &book)
        };
        assert_eq!(stopped(65, sale(Some("780"), Some("790"))), 65);
        assert_eq!(stopped(100, sale(Some("780"), Some("790"))), 30, "35 are his own");
        assert_eq!(stopped(130, sale(Some("780"), Some("790"))), 0);
        assert_eq!(stopped(65, sale(Some("900"), None)), 0, "a target is no stop");
    }

    #[test]
    fn positions_of_before_our_last_fill_do_not_tell_what_others_have_beside_it() {
        let (key, other) = (sbin_in(Product::Mis), sbin_in(Product::Nrml));
        let book = book_of([], &[("trend", key.clone(), 65)]);
        let mut findings = broker_shows(&[(key.clone(), 100)]);
        assert!(findings.shows_last_fill(&key, &book) && findings.shows_last_fill(&other, &book));
        findings.positions.as_mut().unwrap().began_seq = SEQ - 1;
        assert!(!findings.shows_last_fill(&key, &book) && findings.shows_last_fill(&other, &book));
        assert!(!Findings::default().shows_last_fill(&other, &book));
    }
}
