//! What the broker's positions show beyond our own holdings: bought or sold elsewhere. It takes room of the same limits. Pure.
//!
//! Positions that are older than our last fill there still show what we have left, or do not show what we have bought. What our own
//! holdings were at any time since then is nobody else's. Where they were never that, it is the most that can be elsewhere.

use crate::order::{HoldingKey, InstrumentKey, Product, Side};
use crate::persistence::Book;
use crate::watcher::{Findings, Positions};

/// Units held elsewhere, long and short, by instrument. Those with none are left out.
#[derive(Debug, Default)]
pub(super) struct Beyond(Vec<(InstrumentKey, (i64, i64))>);

impl Beyond {
    pub(super) fn of(book: &Book, findings: &Findings) -> Self {
        let Some(positions) = &findings.positions else { return Self::default() };
        let of_it = |(key, net): (&InstrumentKey, i64)| {
            let units = units(key, net, book, positions, findings);
            (units != (0, 0)).then(|| (key.clone(), units))
        };
        Self(positions.open().filter_map(of_it).collect())
    }

    /// Long and short there.
    pub(super) fn units(&self, key: &InstrumentKey) -> (i64, i64) {
        self.0.iter().find(|(other, _)| other == key).map_or((0, 0), |(_, units)| *units)
    }

    /// Of all instruments.
    pub(super) fn all(&self) -> impl Iterator<Item = (&InstrumentKey, (i64, i64))> {
        self.0.iter().map(|(key, units)| (key, *units))
    }
}

/// Units beyond ours, long and short, of an instrument of which the broker shows that net.
fn units(instrument: &InstrumentKey, net: i64, book: &Book, positions: &Positions, findings: &Findings) -> (i64, i64) {
    let (long, short) = book.exposure(instrument).map_or((0, 0), |exposure| (exposure.long, exposure.short));
    let plain = ((net - long).max(0), (-net - short).max(0));
    let keys = || Product::ALL.iter().map(move |product| HoldingKey { instrument: instrument.clone(), product: *product });
    if keys().all(|key| book.last_fill_seq(&key) <= positions.began_seq) {
        return plain;
    }
    let is_ours = |key: &HoldingKey| {
        let shown = findings.net(key).unwrap_or_else(|| positions.net(key));
        book.was_net_since(key, shown, positions.began_seq, positions.shows) == Some(true)
    };
    if keys().all(|key| is_ours(&key)) {
        return (0, 0);
    }
    let moved = |side| keys().filter_map(|key| book.moved_since(&key, side, positions.began_seq)).fold(0, i64::saturating_add);
    let lacks = moved(Side::Buy).saturating_sub(moved(Side::Sell));
    let then = net.saturating_add(lacks);
    (plain.0.max(then.saturating_sub(long)), plain.1.max(then.saturating_neg().saturating_sub(short)))
}

#[cfg(test)]
#[path = "beyond_tests.rs"]
mod tests;
