//! The two books side by side: what our strategies hold, and what the broker shows. Pure.
//!
//! Every difference is taken apart into units with a cause each, and what shows it. The parts always add up to the
//! difference; what nothing shows is [`Cause::Unknown`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::order::{HoldingKey, InstrumentKey, OrderRecord, Price, Product, Side, trading_date};
use crate::persistence::{Book, Gross, Slot, Topic};
use crate::ports::{BookRow, DeliveryRow};
use crate::watcher::{Findings, Positions, Told};

/// Why the broker shows other units than our strategies hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Cause {
    /// Trades of our own orders that are not in both books yet: it goes away by itself.
    LateFill,
    /// Orders without a tag: somebody's hand at the broker.
    ManualTrade,
    /// Orders with a tag that is not ours: another program.
    ForeignOrder,
    /// Shares of earlier days, held for delivery, that no strategy of ours bought.
    HeldForDelivery,
    /// Nothing that we can see.
    Unknown,
}

/// A part of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its cause.
    pub cause: Cause,
    /// Units: positive where the broker has more long or less short.
    pub units: i64,
    /// What shows it.
    pub evidence: Vec<String>,
    /// The average price of it, where one is known.
    pub price: Option<Decimal>,
}

/// A difference between the two books in one instrument and product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In what.
    pub key: HoldingKey,
    /// What our strategies hold together.
    pub ours: i64,
    /// What the broker shows.
    pub at_broker: i64,
    /// Its parts, which add up to it.
    pub parts: Vec<Part>,
    /// Trades of ours there are not recorded yet: what they come to is not seen in the parts where it is on the other side.
    pub is_owed: bool,
    /// Whether a person has said that it is to be left alone; forgotten when it changes.
    pub ignored: Option<Ignored>,
}

impl Difference {
    /// Units: positive where the broker has more long or less short.
    #[must_use]
    pub fn units(&self) -> i64 {
        self.at_broker - self.ours
    }

    /// Whether it goes away by itself, as far as can be seen: trades of ours are on their way.
    #[must_use]
    pub fn is_settling(&self) -> bool {
        self.is_owed || self.parts.iter().any(|part| part.cause == Cause::LateFill)
    }

    /// The average price of all of it, if one is known for every part.
    #[must_use]
    pub fn price(&self) -> Option<Price> {
        self.price_from(None)
    }

    /// The same, where what no order of today explains was carried into the day, and counts from that price: what it had made or
    /// lost by then is no result of today.
    #[must_use]
    pub fn price_from(&self, carried: Option<Price>) -> Option<Price> {
        let mut value = Decimal::ZERO;
        for part in &self.parts {
            let price = part.price.or_else(|| carried.filter(|_| part.cause == Cause::Unknown).map(Price::value))?;
            value = value.checked_add(price.checked_mul(Decimal::from(part.units))?)?;
        }
        value.checked_div(Decimal::from(self.units())).map(|price| price.round_dp(4)).and_then(Price::new)
    }
}

/// What a person said about a difference: it holds for exactly these units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// The difference, in units.
    pub units: i64,
    /// Who.
    pub who: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Where the verdict on a difference is kept.
#[must_use]
pub fn slot(key: &HoldingKey) -> Slot {
    Slot::new(Topic::Difference, key.to_string())
}

/// Every difference between the two books, by key; `None` before the broker's positions were read.
#[must_use]
pub fn differences(book: &Book, findings: &Findings, now: DateTime<Utc>) -> Option<Vec<Difference>> {
    let positions = findings.positions.as_ref()?;
    let mut keys: BTreeSet<&HoldingKey> = positions.rows().iter().map(|row| &row.holding).collect();
    keys.extend(book.held_keys().map(|(key, _)| key));
    let delivered: Vec<HoldingKey> =
        findings.holdings.iter().flat_map(|held| held.rows.iter().filter_map(|row| listed(book, row))).collect();
    keys.extend(&delivered);
    let found = keys.into_iter().filter_map(|key| {
        let (ours, at_broker) = (book.gross(key).net(), findings.net(key)?);
        (ours != at_broker).then(|| Difference {
            key: key.clone(),
            ours,
            at_broker,
            is_owed: book.owed_in(&key.instrument).any(|order| order.ask.product == Some(key.product)),
            parts: Search { book, findings, positions, key, today: trading_date(now) }.parts(at_broker - ours),
            ignored: ignored(book, key, at_broker - ours),
        })
    });
    Some(found.collect())
}

/// Where shares are looked for: the listing in which our strategies hold them, else the first.
fn listed(book: &Book, row: &DeliveryRow) -> Option<HoldingKey> {
    let key = |instrument: &InstrumentKey| HoldingKey { instrument: instrument.clone(), product: Product::Cnc };
    let held = row.listings.iter().map(key).find(|key| book.gross(key) != Gross::default());
    held.or_else(|| row.listings.first().map(key))
}

fn ignored(book: &Book, key: &HoldingKey, units: i64) -> Option<Ignored> {
    book.kept(&slot(key))?.read::<Ignored>().ok().filter(|said| said.units == units)
}

/// What is looked at for one key.
struct Search<'a> {
    book: &'a Book,
    findings: &'a Findings,
    positions: &'a Positions,
    key: &'a HoldingKey,
    today: NaiveDate,
}

/// So much of `whole` as `part` can explain: what is of the same sign, and no more than there is.
fn within(part: i64, whole: i64) -> i64 {
    if part.signum() == whole.signum() { whole.signum() * part.abs().min(whole.abs()) } else { 0 }
}

impl Search<'_> {
    fn parts(&self, units: i64) -> Vec<Part> {
        if self.positions.began_seq < self.book.last_fill_seq(self.key) {
            let evidence = vec!["the broker's positions were asked for before what we recorded last here; they are read again".to_owned()];
            return vec![Part { cause: Cause::LateFill, units, evidence, price: None }];
        }
        let mut parts = Vec::new();
        let mut rest = units;
        let (owed, evidence) = self.owed();
        let late = within(owed, rest);
        if late != 0 {
            rest -= late;
            parts.push(Part { cause: Cause::LateFill, units: late, evidence, price: None });
        }
        for part in self.foreign() {
            rest -= part.units;
            parts.push(part);
        }
        if let Some(part) = self.may_have_filled(rest) {
            rest -= part.units;
            parts.push(part);
        }
        if let Some(part) = self.delivered(rest) {
            rest -= part.units;
            parts.push(part);
        }
        if rest != 0 {
            let evidence = vec![format!(
                "no order of today's books explains {rest}: it came about on an earlier day, or in a way that the books do not show"
            )];
            parts.push(Part { cause: Cause::Unknown, units: rest, evidence, price: None });
        }
        parts
    }

    /// Units that the order book counts as filled and whose trades are not recorded.
    fn owed(&self) -> (i64, Vec<String>) {
        let owed = self.book.owed_in(&self.key.instrument).filter(|order| order.ask.product == Some(self.key.product));
        let mut evidence = Vec::new();
        let units = owed
            .filter_map(|order| {
                let units = order.ask.side?.sign() * order.untraded();
                evidence.push(format!(
                    "order {} filled {}, and trades of {} are recorded",
                    order.command_id, order.filled_quantity, order.traded_quantity
                ));
                Some(units)
            })
            .sum();
        (units, evidence)
    }

    /// An order of ours that is in doubt or works, and could be what is left. Where the positions have no row, nothing was traded
    /// there today that they show: a fill of ours is not what is missing, unless their row of a trade of ours is late.
    fn may_have_filled(&self, rest: i64) -> Option<Part> {
        let side = Side::of_net(rest)?;
        let has_row = self.positions.rows().iter().any(|row| row.holding == *self.key);
        if !has_row && self.ours_from_earlier_days() {
            return None;
        }
        let could = |order: &&Arc<OrderRecord>| {
            order.ask.side == Some(side)
                && order.ask.product == Some(self.key.product)
                && order.status.is_at_broker()
                && order.unfilled() > 0
        };
        let order = self.book.open_in(&self.key.instrument).find(could)?;
        let units = within(side.sign() * order.unfilled(), rest);
        let evidence = vec![format!("order {} is at the broker for {} more and may have filled", order.command_id, order.unfilled())];
        Some(Part { cause: Cause::LateFill, units, evidence, price: None })
    }

    /// Whether our strategies hold something here, and none of it was traded today.
    fn ours_from_earlier_days(&self) -> bool {
        self.book.gross(self.key).net() != 0 && self.positions.told(self.key, self.book) != Told::LacksToday
    }

    /// What orders that are not ours have filled today, less what of it our strategies have taken in already: units that
    /// were taken over, or given up because somebody closed them.
    fn foreign(&self) -> Vec<Part> {
        let rows = trades_elsewhere(self.findings, self.key, self.today);
        let kinds = [(Cause::ManualTrade, false), (Cause::ForeignOrder, true)].map(|(cause, is_tagged)| {
            let of_kind: Vec<&Arc<BookRow>> = rows.iter().copied().filter(|row| is_tagged == has_tag(row)).collect();
            let filled: i64 = of_kind.iter().map(|row| row.side.sign() * row.filled).sum();
            (cause, of_kind, filled)
        });
        let taken_in = self.book.newest_day().corrected(self.today, self.key);
        let from = taken_from(taken_in, [kinds[0].2, kinds[1].2], [!kinds[0].1.is_empty(), !kinds[1].1.is_empty()]);
        let mut parts = Vec::new();
        for (index, (cause, of_kind, filled)) in kinds.into_iter().enumerate() {
            let absorbed = if from == Some(index) { taken_in } else { 0 };
            if filled == absorbed {
                continue;
            }
            let price = if absorbed == 0 { average(&of_kind) } else { None };
            let mut evidence: Vec<String> = of_kind.iter().map(|row| told(row)).collect();
            if absorbed != 0 {
                evidence.push(format!("{absorbed} of it our strategies have taken in today"));
            }
            parts.push(Part { cause, units: filled - absorbed, evidence, price });
        }
        parts
    }

    /// Shares of earlier days that no strategy bought.
    fn delivered(&self, rest: i64) -> Option<Part> {
        let held = self.findings.holdings.as_ref().filter(|_| self.key.product == Product::Cnc)?;
        let row = held.rows.iter().find(|row| row.listings.contains(&self.key.instrument))?;
        let units = within(row.quantity, rest);
        let evidence = vec![format!("the broker holds {} for delivery from earlier days", row.quantity)];
        (units != 0).then_some(Part { cause: Cause::HeldForDelivery, units, evidence, price: row.average_price })
    }
}

/// From which of two sums of units, if from any, what our strategies took in today came: from the one that it is whole, else
/// from the first that is large enough, else from the first that there is.
fn taken_from(taken_in: i64, sums: [i64; 2], is_there: [bool; 2]) -> Option<usize> {
    let first = |fits: &dyn Fn(usize) -> bool| (0..2).find(|index| is_there[*index] && fits(*index));
    if taken_in == 0 {
        return None;
    }
    first(&|index| sums[index] == taken_in)
        .or_else(|| first(&|index| within(taken_in, sums[index]) == taken_in))
        .or_else(|| first(&|_| true))
}

/// A day's orders in one instrument and product that are not ours and have filled.
fn trades_elsewhere<'a>(findings: &'a Findings, key: &HoldingKey, on: NaiveDate) -> Vec<&'a Arc<BookRow>> {
    let is_here = |row: &&Arc<BookRow>| row.instrument == key.instrument && row.product == key.product && has_traded(row, on);
    findings.foreign.iter().filter(is_here).collect()
}

fn has_traded(row: &BookRow, on: NaiveDate) -> bool {
    row.filled > 0 && trading_date(row.at) == on
}

/// Units that a day's orders which are not ours have traded in one instrument and product: bought less sold.
#[must_use]
pub fn units_elsewhere(findings: &Findings, key: &HoldingKey, on: NaiveDate) -> i64 {
    trades_elsewhere(findings, key, on).into_iter().fold(0, |sum: i64, row| sum.saturating_add(row.side.sign().saturating_mul(row.filled)))
}

/// The same of everything in which they have traded.
pub(crate) fn all_units_elsewhere(findings: &Findings, on: NaiveDate) -> BTreeMap<HoldingKey, i64> {
    let mut units: BTreeMap<HoldingKey, i64> = BTreeMap::new();
    for row in findings.foreign.iter().filter(|row| has_traded(row, on)) {
        let key = HoldingKey { instrument: row.instrument.clone(), product: row.product };
        let sum = units.entry(key).or_default();
        *sum = sum.saturating_add(row.side.sign().saturating_mul(row.filled));
    }
    units
}

fn has_tag(row: &BookRow) -> bool {
    row.tag.as_deref().is_some_and(|tag| !tag.trim().is_empty())
}

/// A row in words.
fn told(row: &BookRow) -> String {
    let at = row.average_price.map_or_else(|| "at a price that is not told".to_owned(), |price| format!("at {price}"));
    let tag = row.tag.as_deref().filter(|tag| !tag.trim().is_empty()).map_or_else(|| "no tag".to_owned(), |tag| format!("tag {tag:?}"));
    format!("broker order {} {} {} {at}, {tag}", row.broker_order_id, row.side, row.filled)
}

/// The average price of rows of one side, each with a price.
fn average(rows: &[&Arc<BookRow>]) -> Option<Decimal> {
    let side = rows.first()?.side;
    let (mut value, mut units) = (Decimal::ZERO, 0i64);
    for row in rows.iter().filter(|row| row.side == side) {
        value = value.checked_add(row.average_price?.checked_mul(Decimal::from(row.filled))?)?;
        units += row.filled;
    }
    let is_one_side = rows.iter().all(|row| row.side == side);
    value.checked_div(Decimal::from(units)).filter(|_| is_one_side).map(|price| price.round_dp(4).normalize())
}

/// The price at which somebody closed so many units of what we hold on a day, as the broker's order book tells it: the average of
/// that day's orders of others on the closing side, without those that our strategies have taken in before. `None`: it cannot be
/// told which trades closed it, or at what price.
#[must_use]
pub fn price_of_close(book: &Book, findings: &Findings, key: &HoldingKey, on: NaiveDate, missing: i64) -> Option<Price> {
    let closing = Side::of_net(book.gross(key).net())?.opposite();
    let mut rows = trades_elsewhere(findings, key, on);
    rows.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.broker_order_id.cmp(&b.broker_order_id)));
    // Negative: something was taken over there today, and nobody knows out of which trades.
    let day = book.newest_day();
    let taken_in = if on < day.date() { 0 } else { day.corrected(on, key) };
    let mut taken_in = taken_in.saturating_mul(closing.sign());
    if taken_in < 0 {
        return None;
    }
    let mut left = Vec::new();
    for row in rows {
        if row.side != closing || (taken_in > 0 && taken_in < row.filled) {
            return None;
        }
        if taken_in > 0 {
            taken_in -= row.filled;
        } else {
            left.push(row);
        }
    }
    let units: i64 = left.iter().map(|row| row.filled).sum();
    average(&left).filter(|_| taken_in == 0 && units == missing).and_then(Price::new)
}

/// What of a day's orders that are not ours is in one instrument and product, in words: who closed what we held.
#[must_use]
pub fn traces(findings: &Findings, key: &HoldingKey, on: NaiveDate) -> Vec<String> {
    trades_elsewhere(findings, key, on).into_iter().map(|row| told(row)).collect()
}

#[cfg(test)]
#[path = "differences_tests.rs"]
mod tests;
