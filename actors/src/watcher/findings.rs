//! What the watcher last found at the broker. Kept outside of the journal: it is read anew after every start.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::Elsewhere;
use crate::broker::Reading;
use crate::order::{Amount, CommandId, HoldingKey, InstrumentKey, OrderRecord, Product, exchanges_have_opened, session_date, trading_date};
use crate::persistence::Book;
use crate::ports::{BookRow, DeliveryRow, Funds, PositionRow, Quotes, Session, Unreadable};
use crate::risk::{Asked, Figure, broker_pnl};

/// The broker's position book, as last proven.
#[derive(Debug, Clone)]
pub struct Positions {
    rows: Arc<[PositionRow]>,
    /// When the answer came.
    pub at: DateTime<Utc>,
    /// The account's journal row that was the newest when the request went out: fills committed later are not in it.
    pub began_seq: u64,
    /// Trades of before this, by the exchange's clock, are in it.
    pub shows: DateTime<Utc>,
    /// What the rows come to, in the order of their keys: every order asks for one.
    sums: Arc<[(HoldingKey, Sum)]>,
    /// What is open, by instrument, all products together. Shares that were sold out of a delivery holding are no short position.
    open: Arc<[(InstrumentKey, i64)]>,
    /// What positions came to today that are not among the rows, rupees: of others, in instruments that no master has.
    beside: Amount,
}

/// What the rows of one holding come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sum {
    pub(crate) net: i64,
    /// Units from earlier days; `None`: no row tells of them.
    pub(crate) carried: Option<i64>,
}

impl Sum {
    fn of(row: &PositionRow) -> Self {
        Self { net: row.net, carried: row.carried.map(|carried| carried.net) }
    }

    fn add(&mut self, more: Self) {
        self.net += more.net;
        self.carried = more.carried.map_or(self.carried, |units| Some(self.carried.unwrap_or(0).saturating_add(units)));
    }
}

/// See [`Positions::open`].
fn open(sums: &[(HoldingKey, Sum)]) -> Arc<[(InstrumentKey, i64)]> {
    let mut open: Vec<(InstrumentKey, i64)> = Vec::new();
    for (key, sum) in sums {
        let net = if key.product == Product::Cnc { sum.net.max(0) } else { sum.net };
        match open.last_mut().filter(|(last, _)| *last == key.instrument) {
            Some((_, of_it)) => *of_it = of_it.saturating_add(net),
            None => open.push((key.instrument.clone(), net)),
        }
    }
    open.retain(|(_, net)| *net != 0);
    open.into()
}

impl Positions {
    /// The book with these rows.
    #[must_use]
    pub fn new(rows: Vec<PositionRow>, at: DateTime<Utc>, began_seq: u64) -> Self {
        let mut sums: Vec<(HoldingKey, Sum)> = rows.iter().map(|row| (row.holding.clone(), Sum::of(row))).collect();
        // Adapters hand them over in this order where they can: it costs next to nothing then.
        sums.sort_by(|(one, _), (other, _)| one.cmp(other));
        sums.dedup_by(|(key, more), (kept, sum)| {
            let is_same = key == kept;
            if is_same {
                sum.add(*more);
            }
            is_same
        });
        let (rows, open, sums) = (Arc::from(rows), open(&sums), Arc::from(sums));
        Self { rows, at, began_seq, shows: DateTime::<Utc>::MIN_UTC, sums, open, beside: Amount::ZERO }
    }

    /// With all trades of before that time in it: it was asked for then, and the broker's figures lag behind by no more than `lag`.
    #[must_use]
    pub fn showing(self, asked: DateTime<Utc>, lag: Duration) -> Self {
        Self { shows: asked.checked_sub_signed(lag).unwrap_or(DateTime::<Utc>::MIN_UTC), ..self }
    }

    /// With so many rupees of positions that are not among the rows.
    #[must_use]
    pub fn beside(self, rupees: Amount) -> Self {
        Self { beside: rupees, ..self }
    }

    /// What the account's positions came to today, rupees, delivery holdings aside.
    #[must_use]
    pub fn result(&self, quotes: &dyn Quotes, asked: Asked) -> Figure {
        broker_pnl(&self.rows, self.beside, quotes, asked)
    }

    /// Its rows.
    #[must_use]
    pub fn rows(&self) -> &[PositionRow] {
        &self.rows
    }

    /// What its rows come to, in the order of their keys.
    pub(crate) fn sums(&self) -> impl Iterator<Item = (&HoldingKey, Sum)> {
        self.sums.iter().map(|(key, sum)| (key, *sum))
    }

    fn sum(&self, key: &HoldingKey) -> Option<&Sum> {
        let place = self.sums.binary_search_by(|(at, _)| at.cmp(key)).ok()?;
        self.sums.get(place).map(|(_, sum)| sum)
    }

    /// Whether it has a row of it.
    #[must_use]
    pub fn has_row_of(&self, key: &HoldingKey) -> bool {
        self.sum(key).is_some()
    }

    /// The instruments in which something is open, and the broker's net of each, all products together. Shares that were sold out of a
    /// delivery holding are no short position.
    pub fn open(&self) -> impl Iterator<Item = (&InstrumentKey, i64)> {
        self.open.iter().map(|(key, net)| (key, *net))
    }

    /// The broker's net; an instrument without a row is flat.
    #[must_use]
    pub fn net(&self, key: &HoldingKey) -> i64 {
        self.sum(key).map_or(0, |sum| sum.net)
    }

    /// What its rows carry of it from earlier days; `None`: they tell of nothing.
    #[must_use]
    pub fn carried(&self, key: &HoldingKey) -> Option<i64> {
        self.sum(key).and_then(|sum| sum.carried)
    }

    /// Whether the book tells what there is of it now: by a row, or by having none.
    #[must_use]
    pub fn tells_of(&self, key: &HoldingKey, book: &Book) -> bool {
        self.told(key, book) == Told::Yes
    }

    /// What the book tells of something that our strategies hold. A position that is closed keeps its row, at a net of 0, until its
    /// day is over. So a row is missing where it was closed on an earlier day, or where the book lies.
    #[must_use]
    pub fn told(&self, key: &HoldingKey, book: &Book) -> Told {
        if self.has_row_of(key) {
            return Told::Yes;
        }
        let today = trading_date(self.at);
        let is_traded = |order: &OrderRecord| {
            order.filled_quantity > 0
                && order.sent_at.is_some_and(|sent| trading_date(sent) == today)
                && order.holding().as_ref() == Some(key)
        };
        if book.newest_day().corrected(today, key) != 0 || book.newest().any(|order| is_traded(order)) {
            return Told::LacksToday;
        }
        match key.product {
            // What is carried has a row every day. Strategies on both sides come to nothing at the broker: that has none.
            Product::Nrml if book.gross(key).net() != 0 => Told::LacksCarried,
            // The broker closes it itself, on its day. Between the days it shows nothing, whatever there was.
            Product::Mis if !exchanges_have_opened(self.at) => Told::LacksCarried,
            // Shares leave the position book when they are delivered.
            Product::Nrml | Product::Mis | Product::Cnc => Told::Yes,
        }
    }
}

/// What a position book tells of something that our strategies hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// What there is of it: by a row, or by none where none need be.
    Yes,
    /// Nothing: it changed today, by a trade of ours or because a person took it over, and its row is missing.
    LacksToday,
    /// Nothing: it is carried from an earlier day, and a missing row proves no end of it.
    LacksCarried,
    /// Nothing: shares for delivery that neither its positions nor its holdings have, and no sale tells where they went.
    LacksDelivery,
}

/// Shares held for delivery from earlier days, as last proven.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// Its rows.
    pub rows: Vec<DeliveryRow>,
    /// When the answer came.
    pub at: DateTime<Utc>,
}

impl Delivered {
    /// Units that could be sold there when the day began.
    #[must_use]
    pub fn quantity(&self, key: &InstrumentKey) -> i64 {
        self.rows.iter().filter(|row| row.listings.contains(key)).map(|row| row.quantity).sum()
    }
}

/// The broker's order book, as last proven.
#[derive(Debug, Clone)]
pub struct Orders {
    /// Its rows.
    pub rows: Arc<[Arc<BookRow>]>,
    /// When the answer came.
    pub at: DateTime<Utc>,
}

/// So many answers in a row must show a shortfall: one may be of a moment in which the broker moves figures.
const SHORT_READS: u32 = 2;

impl Findings {
    /// Whether the margin at the broker falls short on that day.
    #[must_use]
    pub fn falls_short(&self, today: NaiveDate) -> bool {
        self.short_reads >= SHORT_READS && self.funds.as_ref().is_some_and(|(_, at)| trading_date(*at) == today)
    }

    /// Whether the newest answer of that day shows that it does not.
    #[must_use]
    pub fn covers(&self, today: NaiveDate) -> bool {
        self.funds.as_ref().is_some_and(|(funds, at)| funds.available >= Amount::ZERO && trading_date(*at) == today)
    }

    /// Takes an answer in. `counts`: something of ours could be closed now. What is missing after the close is what the next
    /// morning asks for: whoever owes it has the night to bring it.
    pub(crate) fn take_funds(&mut self, funds: Funds, at: DateTime<Utc>, counts: bool) {
        let is_short = counts && funds.available < Amount::ZERO;
        self.short_reads = if is_short && self.is_of_same_day(at) { self.short_reads.saturating_add(1) } else { u32::from(is_short) };
        self.was_covered |= funds.available >= Amount::ZERO;
        self.funds = Some((funds, at));
    }

    fn is_of_same_day(&self, at: DateTime<Utc>) -> bool {
        self.funds.as_ref().is_some_and(|(_, before)| trading_date(*before) == trading_date(at))
    }
}

/// What is known of the broker's side of one account.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Orders that the broker numbered and has not shown for so long that a person was paged.
    pub lost: BTreeSet<CommandId>,
    /// Orders of an earlier day whose trades no trade book told, so that a person was paged.
    pub untold: BTreeSet<CommandId>,
    /// Whether orders can be sent; `None` before the first read.
    pub session: Option<Session>,
    /// When the session was proven again after there was none: what was read before is of a time that nobody saw.
    pub renewed_at: Option<DateTime<Utc>>,
    /// The positions; `None` before the first proof.
    pub positions: Option<Positions>,
    /// What is held for delivery; `None` before the first proof.
    pub holdings: Option<Delivered>,
    /// The order book as last proven, and when.
    pub orders: Option<Orders>,
    /// When the trade book was last proven.
    pub trades_at: Option<DateTime<Utc>>,
    /// Orders at the broker that are not ours.
    pub foreign: Vec<Arc<BookRow>>,
    /// What such orders filled that the positions may lack.
    pub elsewhere: Elsewhere,
    /// Rows that could not be read.
    pub unreadable: Vec<Unreadable>,
    /// The account's money, and when the answer came; `None`: the broker does not tell, or was not asked yet.
    pub funds: Option<(Funds, DateTime<Utc>)>,
    /// How many answers in a row showed less than nothing to be left, while something could be closed.
    pub short_reads: u32,
    /// Whether any answer about the money has shown no shortfall: until then the figures themselves may be wrong.
    pub was_covered: bool,
    /// Why the last read of each book proved nothing, of those that did not.
    pub trouble: BTreeMap<Reading, String>,
}

impl Findings {
    /// Why a book is not known, for people; of several the first.
    #[must_use]
    pub fn trouble_words(&self) -> Option<&str> {
        self.trouble.values().next().map(String::as_str)
    }

    /// What the broker has in an instrument and product, shares held for delivery included; `None` while that is not known:
    /// before the first read, or when the newest reads are of different sessions. Shares move when the broker begins its day, long after
    /// midnight: what was read before the exchanges opened is of the day before.
    #[must_use]
    pub fn net(&self, key: &HoldingKey) -> Option<i64> {
        self.net_beside(key, self.positions.as_ref()?.net(key))
    }

    /// The same where the net of the positions was looked up before.
    pub(crate) fn net_beside(&self, key: &HoldingKey, net: i64) -> Option<i64> {
        let positions = self.positions.as_ref()?;
        if key.product != Product::Cnc {
            return Some(net);
        }
        let held = self.holdings.as_ref().filter(|held| session_date(held.at) == session_date(positions.at))?;
        Some(net.saturating_add(held.quantity(&key.instrument)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::DayOf;
    use crate::testkit::builders::{at, position, rupees, sbin_in};

    fn funds(available: i64) -> Funds {
        Funds { cash: rupees(0), margin_used: rupees(0), available: rupees(available) }
    }

    #[test]
    fn rows_of_one_holding_come_together_in_whatever_order_they_are() {
        let carried = |net, units| PositionRow {
            carried: Some(crate::ports::Carried { net: units, from: None }),
            ..position(sbin_in(Product::Nrml), net)
        };
        let rows = vec![carried(10, 4), position(sbin_in(Product::Cnc), 7), position(sbin_in(Product::Nrml), -3), carried(1, 1)];
        let (nrml, positions) = (sbin_in(Product::Nrml), Positions::new(rows, at(0), 1));
        assert_eq!((positions.net(&nrml), positions.carried(&nrml)), (8, Some(5)));
        assert_eq!(positions.open().collect::<Vec<_>>(), [(&nrml.instrument, 15)]);
        assert_eq!((positions.net(&sbin_in(Product::Cnc)), positions.carried(&sbin_in(Product::Cnc))), (7, None));
        assert!(!positions.has_row_of(&sbin_in(Product::Mis)) && positions.rows().len() == 4);
    }

    #[test]
    fn what_is_not_among_the_rows_counts_in_the_result() {
        let row = |unrealised| PositionRow { unrealised: rupees(unrealised), ..position(sbin_in(Product::Mis), 10) };
        let positions = Positions::new(vec![row(40), row(-10)], at(0), 1);
        let asked = Asked { now: at(0), day: DayOf::Always, sight: None };
        let result = |positions: &Positions| positions.result(&crate::testkit::SetQuotes::default(), asked).amount();
        assert_eq!((result(&positions), result(&positions.clone().beside(rupees(-500)))), (Some(rupees(30)), Some(rupees(-470))));
    }

    #[test]
    fn the_margin_falls_short_when_two_answers_of_a_day_say_so_while_something_could_be_closed() {
        let today = trading_date(at(0));
        let after = |reads: &[(i64, i64, bool)]| {
            let mut findings = Findings::default();
            for (second, available, counts) in reads {
                findings.take_funds(funds(*available), at(*second), *counts);
            }
            findings.falls_short(today)
        };
        assert!(after(&[(0, -1, true), (1, -1, true)]));
        assert!(!after(&[(0, -1, true)]), "one may be of a moment in which figures move");
        assert!(!after(&[(0, -1, true), (1, 0, true), (2, -1, true)]), "in a row");
        assert!(!after(&[(0, -1, false), (1, -1, false), (2, -1, true)]), "what is missing after the close is not a call of this day");
        assert!(!after(&[(-86_400, -1, true), (0, -1, true)]), "two days");
        assert!(!after(&[(-86_401, -1, true), (-86_400, -1, true)]), "and what was short yesterday is not known of today");
    }
}
