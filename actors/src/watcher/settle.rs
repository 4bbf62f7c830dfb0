//! Contracts that have expired: what was held in them is held no more. The exchange settles it overnight, in money or in shares,
//! and the broker's next position book has no row for it. That is no close by anybody: nobody is paged, and the units left on the
//! contract's own day, at a price that nobody told. A person tells it: what a broker calls the close of an underlying has no day.
//!
//! *Invariant:* nothing is settled before its day is over in India, while its expiry is not known, while the broker shows it, or
//! before the broker's positions were read on a later day.

use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::{Findings, WatcherActor};
use crate::order::{Exchange, HoldingKey, Instrument, InstrumentKey, Product, Strategy, exchanges_have_opened, trading_date};
use crate::persistence::{Book, Unit};
use crate::ports::Instruments;

/// Holdings are looked over so often: a contract ends once.
const LOOK_EVERY: Duration = Duration::seconds(30);

/// Something that has ended with its contract.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expired {
    key: HoldingKey,
    expiry: NaiveDate,
    /// Its underlying is a share: it is settled by delivery.
    is_on_a_share: bool,
}

impl Expired {
    fn words(&self, strategy: &Strategy, net: i64) -> String {
        let Self { key, expiry, is_on_a_share } = self;
        let delivery = if *is_on_a_share {
            "; a contract on a share is settled by delivery: look at the demat account, the shares may come into it or leave it, and money with them"
        } else {
            ""
        };
        format!(
            "{strategy} {net} {key} ended with its contract on {expiry}: the exchange settles it. It is held no more. No row of the broker tells its final settlement price: what it realised is in no result until somebody does (`ordergate price`){delivery}"
        )
    }
}

/// Whether the underlying is a share.
pub(super) fn is_on_a_share(instruments: &dyn Instruments, instrument: &Instrument) -> bool {
    let share = InstrumentKey::new(Exchange::Nse, &format!("{}-EQ", instrument.underlying));
    instruments.find(&share).is_some()
}

/// What is held in contracts whose last day is over, and that the broker shows no more.
fn expired(book: &Book, findings: &Findings, instruments: &dyn Instruments, now: DateTime<Utc>) -> Vec<Expired> {
    let Some(positions) = &findings.positions else { return Vec::new() };
    let today = trading_date(now);
    let ended = |key: &HoldingKey| {
        let instrument = instruments.find(&key.instrument)?;
        let expiry = instrument.kind.expiry()?;
        let is_over = expiry < today && expiry < trading_date(positions.at) && positions.net(key) == 0;
        // Trades of its last day may still be told before the exchanges open.
        let is_whole = exchanges_have_opened(now) || book.owed_in(&key.instrument).next().is_none();
        let is_on_a_share = is_on_a_share(instruments, &instrument);
        (is_over && is_whole).then(|| Expired { key: key.clone(), expiry, is_on_a_share })
    };
    book.held_keys().filter(|(key, _)| key.product != Product::Cnc).filter_map(|(key, _)| ended(key)).collect()
}

impl WatcherActor {
    /// Settles what has expired.
    pub(super) fn settle_expired(&mut self, now: DateTime<Utc>) {
        if self.core.settled_at.is_some_and(|at| at <= now && now.signed_duration_since(at) < LOOK_EVERY) {
            return;
        }
        self.core.settled_at = Some(now);
        let units: Vec<Unit> = {
            let findings = self.desk.findings.read();
            let read = self.line.view.read(&self.desk.client_id, |book| {
                let ended = expired(book, &findings, &*self.line.instruments, now);
                let owners = |ended: Expired| {
                    let held = book.holdings().filter(|(_, key, _)| **key == ended.key);
                    held.map(|(strategy, _, held)| (strategy.clone(), ended.clone(), held.net)).collect::<Vec<_>>()
                };
                ended.into_iter().flat_map(owners).collect::<Vec<_>>()
            });
            let unit = |(strategy, ended, net): (Strategy, Expired, i64)| Unit::Settle {
                client_id: self.desk.client_id.clone(),
                reason: Arc::from(ended.words(&strategy, net)),
                strategy,
                key: ended.key,
                expiry: ended.expiry,
            };
            read.unwrap_or_default().into_iter().map(unit).collect()
        };
        for unit in units {
            self.line.post_unit(unit);
        }
    }
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
