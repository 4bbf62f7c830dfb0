//! A position over its limit is made smaller by the excess, however it came about: a limit that was made tighter, a fill
//! that nobody expected. The exits walk the same line as any other.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::{RiskActor, RiskDay};
use crate::engine::exit_leg;
use crate::ingress::Submit;
use crate::order::{HoldingKey, InstrumentKey, Product, Quantity, SignalDraft, SignalId, Source, Strategy};
use crate::persistence::{Book, Level};
use crate::settings::Limits;

/// Tries of one excess that are remembered, and how long the first of them waits for the next.
const WAIT_MOST: u32 = 5;

/// A part of a position that is over the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) strategy: Strategy,
    pub(super) key: HoldingKey,
    /// Units to close.
    pub(super) units: i64,
    /// Units that are held there, all strategies and products together.
    pub(super) held: i64,
}

/// What is over the limit and what nothing closes yet: of each instrument the largest holding, delivery holdings aside.
/// `lot`: units in a lot of an instrument, if it is known.
pub(super) fn excesses(book: &Book, limits: &Limits, lot: &dyn Fn(&InstrumentKey) -> Option<i64>) -> Vec<Excess> {
    let over = book.exposures().filter_map(|(key, exposure)| {
        let held = exposure.long.max(exposure.short);
        (held > limits.max_position).then_some((key, held, exposure.long >= exposure.short))
    });
    let mut found = Vec::new();
    for (key, held, is_long) in over {
        if book.open_in(key).any(|order| order.is_exit() && !order.is_test() && !order.is_resting_stop()) {
            continue;
        }
        let mine = book.holdings().filter(|(_, holding, net)| {
            holding.instrument == *key && holding.product != Product::Cnc && (net.net > 0) == is_long && net.net != 0
        });
        let Some((strategy, holding, net)) = mine.max_by_key(|(_, _, net)| net.net.abs()) else { continue };
        let lot = lot(key).unwrap_or(1).max(1);
        let excess = held - limits.max_position;
        // Whole lots, and rather one too many than one too few.
        let whole = excess.checked_add(lot - 1).and_then(|units| units.checked_div(lot)).map_or(excess, |lots| lots * lot);
        found.push(Excess { strategy: strategy.clone(), key: holding.clone(), units: whole.min(net.net.abs()), held });
    }
    found
}

impl RiskActor {
    pub(super) fn reduce_what_is_over(&mut self, limits: &Limits, now: DateTime<Utc>) {
        let instruments = &self.line.instruments;
        let lot = |key: &InstrumentKey| instruments.find(key).map(|found| found.lot.value());
        let halts = |book: &Book| book.control().is_frozen();
        let found = self
            .line
            .view
            .read(&self.desk.client_id, |book| if halts(book) { Vec::new() } else { excesses(book, limits, &lot) })
            .unwrap_or_default();
        self.over.retain(|key, _| found.iter().any(|excess| excess.key == *key));
        for excess in found {
            let (tries, next) = self.over.get(&excess.key).copied().unwrap_or((0, now));
            let Some(quantity) = Quantity::new(excess.units).filter(|_| now >= next) else { continue };
            let wait = Duration::seconds(5 << tries.min(WAIT_MOST));
            self.over.insert(excess.key.clone(), (tries.saturating_add(1), now.checked_add_signed(wait).unwrap_or(now)));
            let level = if tries == 0 || tries == limits.square_off_tries { Level::Page } else { Level::Warn };
            let text = format!(
                "{} units are held in {}, the limit is {}: {} of {} are being closed (attempt {})",
                excess.held,
                excess.key.instrument,
                limits.max_position,
                excess.units,
                excess.strategy,
                tries + 1
            );
            self.line.alarm(Some(&self.desk.client_id), "ALARM_POSITION_OVER_LIMIT", level, None, text);
            let draft = SignalDraft {
                client_id: self.desk.client_id.clone(),
                signal_id: SignalId(self.line.ids.next()),
                source: Source::System,
                user: "risk: position over its limit".to_owned(),
                idempotency_key: None,
                body_hash: [0; 32],
                replay_window_ms: 0,
                received_at: now,
                signal_time: None,
                legs: vec![exit_leg(&excess.strategy, &excess.key, Some(quantity))],
            };
            let (reply, _nobody_waits) = tokio::sync::oneshot::channel();
            self.line.tell_ingress(Submit { draft, permits: vec![self.desk.admission.force()], fired: None, reply });
        }
    }

    /// After a breach nothing is traded but what closes: what was traded at the broker by hand since is told to people.
    pub(super) fn watch_for_manual_trades(&mut self, day: &RiskDay) {
        let Some(since) = day.hit.as_ref().filter(|_| day.is_hit()).map(|hit| hit.at) else { return };
        let foreign: Vec<_> = {
            let findings = self.desk.findings.read();
            findings.foreign.iter().filter(|row| row.at > since && row.filled > 0).map(Arc::clone).collect()
        };
        for row in foreign {
            if self.manual.insert(row.broker_order_id.clone()) {
                let text = format!(
                    "after the breach of {since} somebody traded at the broker: {} {} {} (order {}); ordergate does not touch it",
                    row.side, row.filled, row.instrument, row.broker_order_id
                );
                self.line.alarm(Some(&self.desk.client_id), "ALARM_MANUAL_TRADE", Level::Page, None, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::{Build, book_of, exit, order, sbin_in};

    fn limits() -> Limits {
        Limits { max_position: 100, ..Limits::standard() }
    }

    fn found(orders: Vec<crate::order::OrderRecord>, holdings: &[(&str, HoldingKey, i64)], lot: i64) -> Vec<(String, i64)> {
        let book = book_of(orders, holdings);
        excesses(&book, &limits(), &|_| Some(lot)).into_iter().map(|excess| (excess.strategy.to_string(), excess.units)).collect()
    }

    #[test]
    fn the_excess_is_closed_in_whole_lots_of_the_largest_holding() {
        let mis = || sbin_in(Product::Mis);
        assert_eq!(found(vec![], &[("a", mis(), 100)], 1), []);
        assert_eq!(found(vec![], &[("a", mis(), 130)], 1), [("a".to_owned(), 30)]);
        assert_eq!(found(vec![], &[("a", mis(), -130)], 25), [("a".to_owned(), 50)]);
        assert_eq!(found(vec![], &[("a", mis(), 60), ("b", mis(), 90)], 1), [("b".to_owned(), 50)]);
        assert_eq!(found(vec![], &[("a", mis(), 20), ("b", sbin_in(Product::Cnc), 900)], 1), [("a".to_owned(), 20)]);
        assert_eq!(found(vec![], &[("b", sbin_in(Product::Cnc), 900)], 1), [], "delivery is left alone");
        assert_eq!(found(vec![exit(1)], &[("a", mis(), 130)], 1), [], "an exit is on its way");
        assert_eq!(found(vec![order(1).asks(500)], &[("a", mis(), 100)], 1), [], "what is not held is no excess");
    }
}
