//! What may be closed, by what the broker's books have shown so far: pure.
//!
//! Its books are of different moments: a fill may stand in the order book for as long as the visibility bound before the positions
//! have it, and an order may be in no book for as long. So what is closed is the least that the broker can hold: its positions,
//! less every fill on the closing side that they may not have yet. *Invariant:* nothing is sent for a position while an order
//! that this run sent for it has not been shown to have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::order::{BookState, BrokerOrderId, BrokerTag, HoldingKey, Side};
use ordergate_actors::ports::{BookRow, PositionRow};
use tokio::time::Instant;

use super::Beside;

/// The books, the positions asked for before the orders.
#[derive(Debug, Clone)]
pub struct Look {
    /// The orders that today's trades are of; read until a look has proved something, and empty then.
    pub traded: BTreeSet<BrokerOrderId>,
    /// Its orders of today.
    pub orders: Vec<Arc<BookRow>>,
    /// Its positions.
    pub positions: Vec<PositionRow>,
    /// What is open and could not be read whole.
    pub beside: Vec<Beside>,
    /// The orders of rows that could not be read whole: the book has them.
    pub unread: BTreeSet<BrokerOrderId>,
    /// When the positions were asked for.
    pub asked: Instant,
    /// When the orders were there: what they show as filled had filled by then.
    pub read: Instant,
}

/// An order that this run sent, and that is not shown to have ended.
#[derive(Debug)]
struct Sent {
    tag: BrokerTag,
    id: Option<BrokerOrderId>,
    holding: HoldingKey,
    at: Instant,
}

/// A fill that the positions may not have yet.
#[derive(Debug)]
struct Fresh {
    holding: HoldingKey,
    side: Side,
    units: i64,
    seen: Instant,
}

/// What the looks have shown.
#[derive(Debug)]
pub struct Tally {
    bound: Duration,
    has_looked: bool,
    /// Looks in a row that had a book without a row, of one that never had any.
    empty: u32,
    doubts: Vec<String>,
    positions: BTreeSet<HoldingKey>,
    filled: BTreeMap<BrokerOrderId, i64>,
    fresh: Vec<Fresh>,
    sent: Vec<Sent>,
    /// The tags of everything that this run sent.
    tags: BTreeSet<BrokerTag>,
}

impl Tally {
    /// Nothing was seen yet. `bound`: how long the broker's books may lack what has happened.
    #[must_use]
    pub fn new(bound: Duration) -> Self {
        Self {
            bound,
            has_looked: false,
            empty: 0,
            doubts: Vec::new(),
            positions: BTreeSet::new(),
            filled: BTreeMap::new(),
            fresh: Vec::new(),
            sent: Vec::new(),
            tags: BTreeSet::new(),
        }
    }

    /// Whether a look has proved something yet.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        self.has_looked
    }

    /// Whether the look's books can be believed.
    ///
    /// A broker's gateway may answer for a book that it could not load. A book that lacks what it had, or what another book
    /// proves, is not whole; and that there is nothing at all is believed of a book that says so twice in a row.
    ///
    /// # Errors
    /// Why not; [`Tally::doubts`] has it too.
    pub fn believe(&mut self, look: &Look) -> Result<(), String> {
        let has_nothing = (look.orders.is_empty() && self.filled.is_empty()) || (look.positions.is_empty() && self.positions.is_empty());
        self.empty = if has_nothing { self.empty.saturating_add(1) } else { 0 };
        let doubt = self.lack(look).or_else(|| (self.empty == 1).then(|| "a book is empty: it is asked for once more".to_owned()));
        let Some(doubt) = doubt else { return Ok(()) };
        self.doubts.push(doubt.clone());
        Err(doubt)
    }

    /// What a book of the look has not and must have.
    fn lack(&self, look: &Look) -> Option<String> {
        let orders: BTreeSet<&BrokerOrderId> = look.orders.iter().map(|row| &row.broker_order_id).chain(&look.unread).collect();
        let positions: BTreeSet<&HoldingKey> = look.positions.iter().map(|row| &row.holding).collect();
        // One that was closed and is open again, of a contract that no master has.
        let is_beside = |of: &HoldingKey| look.beside.iter().any(|beside| beside.unlisted.as_ref() == Some(&of.instrument));
        let order = |id: &BrokerOrderId, why| format!("the order book lacks order {id}, {why}: it is not whole");
        let had = self.filled.keys().find(|id| !orders.contains(id)).map(|id| order(id, "which it had"));
        let traded = || look.traded.iter().find(|id| !orders.contains(id)).map(|id| order(id, "which has traded"));
        let held = || {
            let lost = self.positions.iter().find(|holding| !positions.contains(holding) && !is_beside(holding));
            lost.map(|holding| format!("the positions lack {holding}, which they had: they are not whole"))
        };
        had.or_else(traded).or_else(held)
    }

    /// Why looks were not believed, since this was asked last.
    pub fn doubts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.doubts)
    }

    /// Takes a look in; `now` is the time by the calendar.
    pub fn see(&mut self, look: &Look, now: DateTime<Utc>) {
        let is_first = !std::mem::replace(&mut self.has_looked, true);
        self.positions.extend(look.positions.iter().map(|row| row.holding.clone()));
        // The broker's clock may be another: twice the bound is long ago by any.
        let long_ago = TimeDelta::from_std(self.bound.saturating_mul(2)).ok().and_then(|age| now.checked_sub_signed(age));
        for row in &look.orders {
            let known = self.filled.entry(row.broker_order_id.clone()).or_insert(0);
            let units = row.filled.saturating_sub(*known);
            if units > 0 {
                *known = row.filled;
                let is_old = is_first && long_ago.is_some_and(|then| row.at <= then);
                if !is_old {
                    self.fresh.push(Fresh { holding: holding(row), side: row.side, units, seen: look.read });
                }
            }
        }
        let bound = self.bound;
        // Positions that are asked for from now on have these.
        self.fresh.retain(|fresh| fresh.seen + bound > look.asked);
        self.sent.retain_mut(|sent| match look.orders.iter().find(|row| sent.is(row)) {
            Some(row) => {
                sent.id = Some(row.broker_order_id.clone());
                row.state == BookState::Open
            }
            // One that the broker has numbered must show. One without an answer would have shown by now.
            None => sent.id.is_some() || sent.at + bound > look.asked,
        });
    }

    /// An order went out, or may have; `id` is its number, if the broker told one.
    pub fn sent(&mut self, holding: &HoldingKey, tag: &BrokerTag, id: Option<BrokerOrderId>, at: Instant) {
        self.tags.insert(tag.clone());
        self.sent.push(Sent { tag: tag.clone(), id, holding: holding.clone(), at });
    }

    /// Whether this run sent the order of a row.
    #[must_use]
    pub fn is_ours(&self, row: &BookRow) -> bool {
        row.tag.as_deref().is_some_and(|tag| self.tags.iter().any(|ours| ours.as_str() == tag))
    }

    /// When this run sent the order of a row, while that is not shown to have ended.
    #[must_use]
    pub fn sent_at(&self, row: &BookRow) -> Option<Instant> {
        self.sent.iter().find(|sent| sent.is(row)).map(|sent| sent.at)
    }

    /// Whether an order that this run sent for the position, other than these, has not been shown to have ended.
    #[must_use]
    pub fn awaits(&self, holding: &HoldingKey, lying: &[&BookRow]) -> bool {
        self.sent.iter().any(|sent| sent.holding == *holding && !lying.iter().any(|row| sent.is(row)))
    }

    /// The units that are there for certain, of a position that the broker shows as `net`.
    #[must_use]
    pub fn least(&self, holding: &HoldingKey, net: i64) -> i64 {
        let Some(closing) = Side::of_net(net).map(Side::opposite) else { return 0 };
        let gone = self.fresh.iter().filter(|fresh| fresh.holding == *holding && fresh.side == closing);
        gone.fold(net.saturating_abs(), |least, fresh| least.saturating_sub(fresh.units)).max(0)
    }

    /// Whether the positions of the last look have every fill that was seen, and nothing that this run sent is still awaited.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.fresh.is_empty() && self.sent.is_empty()
    }

    /// For people: what this run sent and has not seen ended.
    pub fn words(&self) -> impl Iterator<Item = String> + '_ {
        self.sent.iter().map(|sent| {
            let number = sent.id.as_ref().map_or("without an answer", |id| id.as_str());
            format!("exit {} ({number}) of {} is not shown to have ended", sent.tag, sent.holding)
        })
    }
}

impl Sent {
    fn is(&self, row: &BookRow) -> bool {
        self.id.as_ref() == Some(&row.broker_order_id) || row.tag.as_deref() == Some(self.tag.as_str())
    }
}

pub(super) fn holding(row: &BookRow) -> HoldingKey {
    HoldingKey { instrument: row.instrument.clone(), product: row.product }
}

#[cfg(test)]
mod tests {
    use ordergate_actors::order::{Amount, Exchange, InstrumentKey, Product};
    use ordergate_actors::testkit::{book_row, morning};
    use proptest::prelude::{Strategy, any, prop, prop_assert, proptest};

    use super::*;

    const BOUND: Duration = Duration::from_secs(30);

    fn key() -> HoldingKey {
        HoldingKey { instrument: InstrumentKey::new(Exchange::Nse, "SBIN-EQ"), product: Product::Mis }
    }

    fn row(id: &str, side: Side, filled: i64, state: BookState) -> Arc<BookRow> {
        let instrument = key().instrument;
        Arc::new(BookRow { side, filled, quantity: 100, state, instrument, product: Product::Mis, at: morning(), ..book_row(id) })
    }

    fn look(begun: Instant, second: u64, orders: Vec<Arc<BookRow>>) -> Look {
        let asked = begun + Duration::from_secs(second);
        let (traded, unread) = (BTreeSet::new(), BTreeSet::new());
        Look { traded, orders, positions: Vec::new(), beside: Vec::new(), unread, asked, read: asked + Duration::from_millis(100) }
    }

    fn tag() -> BrokerTag {
        BrokerTag::parse("SQ0000000000001").unwrap()
    }

    #[test]
    fn a_fill_that_was_just_seen_is_taken_off_until_the_positions_must_have_it() {
        let begun = Instant::now();
        let mut tally = Tally::new(BOUND);
        tally.see(&look(begun, 0, vec![row("1", Side::Sell, 0, BookState::Open)]), morning());
        assert_eq!((tally.least(&key(), 10), tally.is_settled()), (10, true));
        let filled = || vec![row("1", Side::Sell, 4, BookState::Cancelled)];
        for second in [1, 20, 31] {
            tally.see(&look(begun, second, filled()), morning());
            assert_eq!((tally.least(&key(), 10), tally.is_settled()), (6, false), "{second} s: the positions may show 10 or 6");
            assert_eq!(tally.least(&key(), -10), 10, "a sale closes no short");
            assert_eq!(tally.least(&HoldingKey { product: Product::Nrml, ..key() }, 10), 10);
        }
        tally.see(&look(begun, 32, filled()), morning());
        assert_eq!((tally.least(&key(), 6), tally.is_settled()), (6, true));
        // An older book changes nothing.
        tally.see(&look(begun, 33, vec![row("1", Side::Sell, 0, BookState::Open)]), morning());
        tally.see(&look(begun, 34, filled()), morning());
        assert_eq!((tally.least(&key(), 6), tally.least(&key(), 0)), (6, 0), "it was counted");
    }

    fn trusts(tally: &mut Tally, look: &Look) -> bool {
        tally.believe(look).is_ok()
    }

    fn position(net: i64) -> PositionRow {
        PositionRow {
            holding: key(),
            net,
            average_price: None,
            realised: Amount::ZERO,
            unrealised: Amount::ZERO,
            per_point: None,
            carried: None,
        }
    }

    #[test]
    fn a_book_that_lacks_what_it_had_or_what_has_traded_is_not_believed() {
        let begun = Instant::now();
        let of = |orders, positions, traded: &[&str]| {
            let traded = traded.iter().map(|id| BrokerOrderId::parse(id).unwrap()).collect();
            Look { positions, traded, ..look(begun, 0, orders) }
        };
        let order = || vec![row("1", Side::Sell, 4, BookState::Cancelled)];
        let mut tally = Tally::new(BOUND);
        assert!(!trusts(&mut tally, &of(order(), vec![position(10)], &["1", "2"])) && !tally.has_looked());
        assert_eq!(tally.doubts(), ["the order book lacks order 2, which has traded: it is not whole"]);
        let whole = of(order(), vec![position(10)], &["1"]);
        assert!(trusts(&mut tally, &whole));
        tally.see(&whole, morning());
        assert!(!trusts(&mut tally, &of(vec![], vec![position(10)], &[])), "not the second time either");
        assert!(!trusts(&mut tally, &of(vec![], vec![position(10)], &[])));
        assert_eq!(tally.doubts()[1], "the order book lacks order 1, which it had: it is not whole");
        for _ in 0..2 {
            assert!(!trusts(&mut tally, &of(order(), vec![], &[])), "closed today stands there with nothing");
        }
        assert!(trusts(&mut tally, &of(order(), vec![position(0)], &[])) && tally.doubts().len() == 2);
    }

    #[test]
    fn nothing_at_all_is_believed_when_it_is_said_twice_in_a_row() {
        let begun = Instant::now();
        let of = |orders, positions| Look { positions, ..look(begun, 0, orders) };
        let order = || vec![row("1", Side::Sell, 0, BookState::Open)];
        for empty in [of(vec![], vec![]), of(vec![], vec![position(10)]), of(order(), vec![])] {
            let mut tally = Tally::new(BOUND);
            assert!(!trusts(&mut tally, &empty));
            assert!(trusts(&mut tally, &of(order(), vec![position(10)])), "it was a lie");
            assert!(!trusts(&mut tally, &empty) && trusts(&mut tally, &empty) && trusts(&mut tally, &empty));
        }
    }

    #[test]
    fn what_filled_long_before_the_first_look_is_in_the_positions() {
        let begun = Instant::now();
        let at = |seconds| morning() + chrono::Duration::seconds(seconds);
        let seen = |now| {
            let mut tally = Tally::new(BOUND);
            tally.see(&look(begun, 0, vec![row("1", Side::Sell, 4, BookState::Complete)]), now);
            tally.least(&key(), 10)
        };
        assert_eq!((seen(at(60)), seen(at(59)), seen(at(-5))), (10, 6, 6), "by twice the bound: clocks differ");
    }

    #[test]
    fn an_order_of_this_run_holds_its_position_until_it_is_shown_to_have_ended_or_cannot_be_there() {
        let begun = Instant::now();
        let ours = |state| Arc::new(BookRow { tag: Some(Arc::from(tag().as_str())), ..(*row("9", Side::Sell, 0, state)).clone() });
        let sent = |id: Option<&str>| {
            let mut tally = Tally::new(BOUND);
            tally.sent(&key(), &tag(), id.map(|id| BrokerOrderId::parse(id).unwrap()), begun);
            tally
        };
        let mut known = sent(Some("9"));
        known.see(&look(begun, 500, vec![]), morning());
        assert!(
            known.awaits(&key(), &[]) && known.words().any(|words| words.contains("SQ0000000000001 (9)")),
            "it has a number, and must show"
        );
        known.see(&look(begun, 501, vec![ours(BookState::Open)]), morning());
        assert!(known.awaits(&key(), &[]) && known.sent_at(&ours(BookState::Open)) == Some(begun));
        known.see(&look(begun, 502, vec![ours(BookState::Rejected)]), morning());
        assert!(!known.awaits(&key(), &[]));
        let mut unknown = sent(None);
        unknown.see(&look(begun, 29, vec![]), morning());
        assert!(unknown.awaits(&key(), &[]), "it may still show");
        unknown.see(&look(begun, 30, vec![]), morning());
        assert!(!unknown.awaits(&key(), &[]), "it never arrived");
        let mut found = sent(None);
        found.see(&look(begun, 1, vec![ours(BookState::Open)]), morning());
        found.see(&look(begun, 60, vec![]), morning());
        assert!(found.awaits(&key(), &[]), "it has been there");
    }

    /// What happens at a broker: a closing order of somebody fills by and by, and positions show it so much later.
    fn fills() -> impl Strategy<Value = Vec<(u64, i64)>> {
        prop::collection::vec((0u64..120, 1i64..5), 0..12)
    }

    proptest! {
        /// However late the positions are, within the bound, the least is never more than what is held.
        #[test]
        fn prop_the_least_is_never_more_than_the_broker_holds(
            net in 1i64..40, fills in fills(), lag in 0u64..30, looks in prop::collection::vec(0u64..160, 1..30), is_short in any::<bool>(),
        ) {
            let begun = Instant::now();
            let closing = if is_short { Side::Buy } else { Side::Sell };
            let sign = if is_short { -1 } else { 1 };
            let gone_by = |second: u64| fills.iter().filter(|(at, _)| *at <= second).map(|(_, units)| units).sum::<i64>();
            let mut tally = Tally::new(BOUND);
            let mut looks = looks;
            looks.sort_unstable();
            // The first look is before the first fill.
            tally.see(&look(begun, 0, vec![]), morning());
            for second in looks {
                tally.see(&look(begun, second + 1, vec![row("1", closing, gone_by(second), BookState::Open)]), morning());
                let shown = net - gone_by((second + 1).saturating_sub(lag + 1));
                let held = net - gone_by(second);
                let least = tally.least(&key(), sign * shown);
                prop_assert!(least <= held.max(0) || shown <= 0, "{least} of {held}, shown {shown}");
            }
        }
    }
}
