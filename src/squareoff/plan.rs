//! What is to be done, from what the broker shows: pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ordergate_actors::order::{BookState, HoldingKey, InstrumentKey, Product, Side};
use ordergate_actors::ports::{BookRow, PositionRow, Unreadable};

use super::Hours;

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
    /// Its market takes no orders, and will not soon.
    #[error("its market takes no orders: {0}; run this again when it does")]
    Shut(String),
}

/// An order that goes on working, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its row.
    pub row: Arc<BookRow>,
    /// Why it is not cancelled.
    pub why: Stays,
}

/// Why an order is not cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stays {
    /// Nothing else closes its position.
    #[error("it is not cancelled, its position cannot be closed")]
    Stuck,
    /// Holdings of shares stay, and so does what may be their stop.
    #[error("it stays: it may be the stop of a delivery holding")]
    Delivery,
    /// It is the exit.
    #[error("it stays: it closes its position when the auction ends")]
    InAuction,
    /// Nothing can be put in its place before its market takes exits.
    #[error("it stays until its market takes an exit")]
    Waits,
}

/// A row that is open at the broker, as far as it tells, and that nothing is done about: its product or its exchange is none
/// that ordergate trades, or its quantities are told in lots of a contract that no master has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// For people.
    pub words: String,
    /// The contract, where its master is all that is missing.
    pub unlisted: Option<InstrumentKey>,
}

impl Beside {
    /// What is said of a row that could not be read; `None` if nothing is open there.
    #[must_use]
    pub fn of(book: &str, row: &Unreadable) -> Option<Self> {
        let told = if row.glimpse.words.is_empty() { &row.raw } else { &row.glimpse.words };
        let words = || format!("left alone, and not closed or cancelled by this: a row of {book}, {told} ({})", row.cause);
        // What it does not tell may be open.
        row.glimpse.is_open.unwrap_or(true).then(|| Self { words: words(), unlisted: row.glimpse.unlisted.clone() })
    }
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
    /// Orders that go on working.
    pub kept: Vec<Kept>,
    /// What is open and cannot be read whole.
    pub beside: Vec<Beside>,
    /// What the markets of positions to close do now, of those where an exit does not simply trade.
    pub hours: BTreeMap<HoldingKey, Hours>,
}

impl Plan {
    /// Whether an order works in the instrument and product: it may be closing the position already.
    #[must_use]
    pub fn is_open_in(&self, close: &Close) -> bool {
        self.cancels.iter().any(|row| is_in(row, &close.holding))
    }

    /// Whether nothing is open, and nothing works but what stays for delivery holdings.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !self.can_act() && self.stuck.is_empty() && self.beside.is_empty()
    }

    /// Whether there is anything that can be done.
    #[must_use]
    pub fn can_act(&self) -> bool {
        !self.cancels.is_empty() || !self.closes.is_empty()
    }

    /// Whether an exit of it may go now.
    #[must_use]
    pub fn takes_exits(&self, close: &Close) -> bool {
        self.hours.get(&close.holding).is_none_or(Hours::takes_exits)
    }

    /// The orders that lie in the auction of the position's market, and close it there.
    #[must_use]
    pub fn lying(&self, close: &Close) -> Vec<&BookRow> {
        let lies = |kept: &&Kept| kept.why == Stays::InAuction && is_in(&kept.row, &close.holding);
        self.kept.iter().filter(lies).map(|kept| &*kept.row).collect()
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
        self.keep(kept, Stays::Stuck);
        Self { cancels, ..self }
    }

    /// Takes out of the cancels what closes a position of a market in which nothing better can take its place.
    ///
    /// In an auction that takes orders that is what will trade there, up to what is held: more would turn the position around. Where
    /// nothing is taken it is all that lies on the closing side. `least`: the units that are there for certain; `trades`: whether
    /// an order will trade in an auction.
    #[must_use]
    pub fn within(mut self, hours: impl Fn(&Close) -> Hours, least: impl Fn(&Close) -> i64, trades: impl Fn(&BookRow) -> bool) -> Self {
        for close in self.closes.clone() {
            let hours = hours(&close);
            let closing = self.cancels.iter().filter(|row| row.side == close.side && is_in(row, &close.holding)).map(Arc::clone);
            let (stays, why) = match hours {
                Hours::Trades | Hours::Shut { .. } => continue,
                Hours::Auction { .. } => (up_to(least(&close), closing.filter(|row| trades(row)).collect()), Stays::InAuction),
                Hours::Waits { .. } => (closing.collect(), Stays::Waits),
            };
            self.cancels.retain(|row| !stays.iter().any(|stays| stays.broker_order_id == row.broker_order_id));
            self.keep(stays, why);
            self.hours.insert(close.holding, hours);
        }
        self
    }

    fn keep(&mut self, rows: Vec<Arc<BookRow>>, why: Stays) {
        self.kept.extend(rows.into_iter().map(|row| Kept { row, why }));
    }

    /// For people.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let works = |row: &BookRow| {
            let left = left(row);
            format!("order {} works: {} {left} {} {}", row.broker_order_id, row.side, row.instrument, row.product)
        };
        let cancels = self.cancels.iter().map(|row| works(row));
        let closes = self.closes.iter().map(|close| {
            let meets = self.meets(close).map(|meets| format!("; {meets}")).unwrap_or_default();
            format!("open: {} {} closes it, {}{meets}", close.side, close.units, close.holding)
        });
        let stuck = self.stuck.iter().map(|(close, obstacle)| {
            format!("open, and cannot be closed: {} {} would close it, {}: {obstacle}", close.side, close.units, close.holding)
        });
        let kept = self.kept.iter().map(|kept| format!("{}; {}", works(&kept.row), kept.why));
        let beside = self.beside.iter().map(|beside| beside.words.clone());
        cancels.chain(closes).chain(stuck).chain(kept).chain(beside).collect()
    }

    /// What an exit of it meets, where it does not simply trade.
    fn meets(&self, close: &Close) -> Option<String> {
        Some(match self.hours.get(&close.holding)? {
            Hours::Trades => return None,
            Hours::Waits { phase, .. } | Hours::Shut { phase } => format!("no exit goes before its market takes one: {phase}"),
            Hours::Auction { phase, .. } => {
                let lies = self.lying(close).into_iter().map(left).fold(0, i64::saturating_add);
                format!("{phase}: {lies} of it lie there already, what is sent lies there until it ends")
            }
        })
    }
}

fn is_in(row: &BookRow, holding: &HoldingKey) -> bool {
    row.instrument == holding.instrument && row.product == holding.product
}

/// Units that it may still trade.
pub(super) fn left(row: &BookRow) -> i64 {
    row.quantity.saturating_sub(row.filled)
}

/// Of these, so many that they are for no more than that; first those at the market, which trade for certain.
fn up_to(units: i64, mut rows: Vec<Arc<BookRow>>) -> Vec<Arc<BookRow>> {
    rows.sort_by_key(|row| row.price.is_some());
    let mut room = units;
    rows.retain(|row| {
        let fits = left(row) <= room;
        room -= if fits { left(row) } else { 0 };
        fits
    });
    rows
}

/// The plan for these books.
#[must_use]
pub fn plan(orders: &[Arc<BookRow>], positions: &[PositionRow]) -> Plan {
    let works = orders.iter().filter(|row| row.state == BookState::Open).map(Arc::clone);
    let (delivered, cancels): (Vec<_>, Vec<_>) = works.partition(|row| row.product == Product::Cnc && row.side == Side::Sell);
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
        kept: delivered.into_iter().map(|row| Kept { row, why: Stays::Delivery }).collect(),
        closes: closed.into_iter().filter_map(close).collect(),
        left_alone: delivery.into_iter().map(|row| row.holding.clone()).collect(),
        ..Plan::default()
    }
}

#[cfg(test)]
mod tests {
    use ordergate_actors::order::{Amount, Exchange};
    use ordergate_actors::ports::Glimpse;
    use ordergate_actors::testkit::{book_row, morning};

    use super::*;

    fn key(product: Product) -> HoldingKey {
        HoldingKey { instrument: InstrumentKey::new(Exchange::Nse, "SBIN-EQ"), product }
    }

    fn position(product: Product, net: i64) -> PositionRow {
        let (average_price, per_point, carried) = (None, None, None);
        PositionRow { holding: key(product), net, average_price, realised: Amount::ZERO, unrealised: Amount::ZERO, per_point, carried }
    }

    fn order(id: &str, side: Side, quantity: i64) -> BookRow {
        BookRow { side, quantity, ..book_row(id) }
    }

    fn limit(row: BookRow) -> BookRow {
        BookRow { price: Some(rust_decimal::Decimal::from(100)), ..row }
    }

    fn seen(orders: Vec<BookRow>, positions: &[PositionRow]) -> Plan {
        plan(&orders.into_iter().map(Arc::new).collect::<Vec<_>>(), positions)
    }

    fn cancelled(plan: &Plan) -> Vec<&str> {
        plan.cancels.iter().map(|row| row.broker_order_id.as_str()).collect()
    }

    fn stays(plan: &Plan) -> Vec<(&str, Stays)> {
        plan.kept.iter().map(|kept| (kept.row.broker_order_id.as_str(), kept.why)).collect()
    }

    fn auction() -> Hours {
        Hours::Auction { until: morning(), phase: "closing auction".to_owned() }
    }

    fn waits() -> Hours {
        Hours::Waits { until: morning(), phase: "reference price".to_owned() }
    }

    #[test]
    fn a_sale_for_delivery_stays_and_a_purchase_goes() {
        let cnc = |row: BookRow| BookRow { product: Product::Cnc, ..row };
        let orders = || vec![cnc(order("S", Side::Sell, 10)), cnc(order("B", Side::Buy, 10)), order("M", Side::Sell, 10)];
        let open = seen(orders(), &[position(Product::Cnc, 10)]);
        assert_eq!((cancelled(&open), stays(&open)), (vec!["B", "M"], vec![("S", Stays::Delivery)]));
        let only = seen(vec![cnc(order("S", Side::Sell, 10))], &[]);
        assert!(only.is_done() && only.words().len() == 1, "{only:?}");
    }

    #[test]
    fn in_an_auction_what_closes_stays_up_to_what_is_held_and_the_surest_first() {
        let nrml = BookRow { product: Product::Nrml, ..order("N", Side::Sell, 1) };
        let (first, second) = (limit(order("L1", Side::Sell, 60)), limit(order("L2", Side::Sell, 60)));
        let (at_market, opens) = (order("M", Side::Sell, 30), order("B", Side::Buy, 5));
        let far = limit(order("F", Side::Sell, 10));
        let orders = vec![nrml, first, second, at_market, opens, far];
        let open = seen(orders, &[position(Product::Mis, 100)]);
        let open = open.within(|_| auction(), Close::net, |row| row.broker_order_id.as_str() != "F");
        assert_eq!(stays(&open), [("M", Stays::InAuction), ("L1", Stays::InAuction)], "90 of 100, and not 150");
        assert_eq!(cancelled(&open), ["N", "L2", "B", "F"]);
        assert!(open.takes_exits(&open.closes[0]) && open.is_open_in(&open.closes[0]), "10 are sent when the others are gone");
        assert_eq!(open.lying(&open.closes[0]).into_iter().map(left).sum::<i64>(), 90);
        let partly = BookRow { filled: 40, ..order("P", Side::Sell, 100) };
        let rest = order("R", Side::Sell, 40);
        let open = seen(vec![partly, rest], &[position(Product::Mis, 100)]).within(|_| auction(), |_| 60, |_| true);
        assert_eq!((stays(&open), cancelled(&open)), (vec![("P", Stays::InAuction)], vec!["R"]), "40 are gone, shown or not");
    }

    #[test]
    fn while_nothing_is_taken_all_that_closes_stays_and_nothing_is_sent() {
        let orders = vec![order("T", Side::Buy, 10), order("S", Side::Buy, 10), order("E", Side::Sell, 10)];
        let open = seen(orders, &[position(Product::Mis, -10)]).within(|_| waits(), |_| 10, |_| false);
        assert_eq!((stays(&open), cancelled(&open)), (vec![("T", Stays::Waits), ("S", Stays::Waits)], vec!["E"]));
        assert!(!open.takes_exits(&open.closes[0]) && !open.is_done(), "{open:?}");
        assert!(open.words().iter().any(|line| line.contains("no exit goes before its market takes one: reference price")));
    }

    #[test]
    fn where_it_trades_everything_is_cancelled() {
        let open = seen(vec![order("S", Side::Sell, 10)], &[position(Product::Mis, 10)]).within(|_| Hours::Trades, |_| 10, |_| true);
        assert_eq!((cancelled(&open), stays(&open)), (vec!["S"], vec![]));
    }

    #[test]
    fn a_row_that_cannot_be_read_is_open_unless_it_says_that_it_is_not() {
        let of = |is_open, words: &str| {
            let glimpse = Glimpse { words: words.to_owned(), is_open, ..Glimpse::default() };
            Beside::of(
                "the positions",
                &Unreadable { raw: "RAW".into(), cause: "why".into(), is_foreign: true, unlisted: None, glimpse: Box::new(glimpse) },
            )
        };
        assert_eq!(of(Some(false), "prd=H"), None);
        assert!(of(Some(true), "prd=H").is_some_and(|beside| beside.words.contains("prd=H (why)")));
        let untold = of(None, "").unwrap();
        assert!(untold.words.contains("RAW (why)"));
        assert!(!Plan { beside: vec![untold], ..Plan::default() }.is_done());
    }
}
