//! A signal on its way into the journal: whether it was here before, and its row.

use std::sync::Arc;

use super::ledger::Ledger;
use super::ticket::Answer;
use super::unit::{NotRegistered, Registration};
use crate::order::Status;
use crate::ports::{Query, Rows, SignalRow, StoreError};

impl Ledger {
    /// Whether this signal is on disk: by its key, or (without one) by an identical body within the window.
    pub(super) fn seen_before(&mut self, registration: &Registration) -> Result<Option<Result<Answer, NotRegistered>>, StoreError> {
        let client = &registration.client_id;
        let found = if let Some(key) = &registration.key {
            self.store.signal_by_key(client, &format!("k:{key}"))?
        } else if registration.replay_window_ms > 0 {
            let window = chrono::Duration::milliseconds(i64::try_from(registration.replay_window_ms).unwrap_or(i64::MAX));
            let prefix = body_prefix(registration);
            self.store.newest_signal_with_prefix(client, &prefix)?.filter(|seen| {
                (chrono::Duration::zero()..window).contains(&registration.received_at.signed_duration_since(seen.received_at))
            })
        } else {
            None
        };
        let Some(seen) = found else { return Ok(None) };
        if seen.body_hash != registration.body_hash {
            let key = registration.key.as_ref().map_or_else(String::new, ToString::to_string);
            return Ok(Some(Err(NotRegistered::Conflict { key, signal_id: seen.signal_id })));
        }
        let Rows::Orders(orders) = self.store.query(&Query::Signal(client.clone(), seen.signal_id))? else { return Ok(None) };
        let Some(first) = orders.first() else { return Ok(None) };
        // An exit that came to nothing then may be wanted now: only the sender's own key makes it the same signal. With an
        // entry or an adjustment beside it, which may have gone, it stays the same: nothing may be opened twice.
        let only_exits = orders.iter().all(|order| order.is_exit());
        if registration.key.is_none() && only_exits && orders.iter().any(|order| order.status == Status::Failed) {
            return Ok(None);
        }
        Ok(Some(Ok(Answer { replayed: true, basket_id: first.basket_id, orders: orders.iter().map(|order| order.command_id).collect() })))
    }
}

/// The key under which a body without a key of its own is stored, up to its time.
pub(super) fn body_prefix(registration: &Registration) -> String {
    use std::fmt::Write as _;
    let mut prefix = String::with_capacity(80);
    prefix.push_str("b:");
    prefix.push_str(registration.source.as_str());
    prefix.push('/');
    prefix.push_str(&registration.user);
    prefix.push(':');
    for byte in registration.body_hash {
        // Writing to a String cannot fail.
        let _infallible = write!(prefix, "{byte:02x}");
    }
    prefix.push(':');
    prefix
}

/// The row of a new signal.
pub(super) fn signal_row(registration: &Registration) -> SignalRow {
    let idempotency_key = match &registration.key {
        Some(key) => format!("k:{key}"),
        None => format!("{}{:020}:{}", body_prefix(registration), registration.received_at.timestamp_micros(), registration.signal_id),
    };
    SignalRow {
        client_id: registration.client_id.clone(),
        signal_id: registration.signal_id,
        idempotency_key,
        body_hash: registration.body_hash,
        source: registration.source,
        user: Arc::clone(&registration.user),
        received_at: registration.received_at,
        legs: u16::try_from(registration.legs.len()).unwrap_or(u16::MAX),
    }
}
