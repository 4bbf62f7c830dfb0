//! Kill level 3: everything that this engine opened is squared off, delivery holdings aside. The exits walk the same
//! line as any other, shorts first.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::engine::exit_leg;
use crate::ingress::Submit;
use crate::line::{Desk, Line};
use crate::order::{MAX_LEGS, Product, SignalDraft, SignalId, Source};
use crate::persistence::{KillLevel, Level};

/// Sends exits for what a kill wants flat and no exit covers yet; says whether there was any.
pub(super) fn fire(line: &Arc<Line>, desk: &Arc<Desk>, now: DateTime<Utc>) -> bool {
    let legs = line
        .view
        .read(&desk.client_id, |book| {
            let control = book.control();
            if control.is_frozen() || (control.account_level() < KillLevel::SquareOff && control.strategies.is_empty()) {
                return Vec::new();
            }
            book.holdings()
                .filter(|(strategy, key, _)| key.product != Product::Cnc && control.level_for(strategy) == KillLevel::SquareOff)
                .filter(|(strategy, key, _)| {
                    !book.open_in(&key.instrument).any(|order| {
                        order.is_exit()
                            && order.ask.strategy == **strategy
                            && order.ask.product.is_none_or(|product| product == key.product)
                    })
                })
                .map(|(strategy, key, _)| exit_leg(strategy, key, None))
                .take(MAX_LEGS)
                .collect()
        })
        .unwrap_or_default();
    if legs.is_empty() {
        return false;
    }
    line.alarm(
        Some(&desk.client_id),
        "ALARM_SQUARE_OFF",
        Level::Warn,
        None,
        format!("kill level 3: squaring off {} positions", legs.len()),
    );
    let permits = legs.iter().map(|_| desk.admission.force()).collect();
    let draft = SignalDraft {
        client_id: desk.client_id.clone(),
        signal_id: SignalId(line.ids.next()),
        source: Source::System,
        user: "kill level 3".to_owned(),
        idempotency_key: None,
        body_hash: [0; 32],
        replay_window_ms: 0,
        received_at: now,
        signal_time: None,
        legs,
    };
    let (reply, _nobody_waits) = tokio::sync::oneshot::channel();
    line.tell_ingress(Submit { draft, permits, fired: None, reply });
    true
}
