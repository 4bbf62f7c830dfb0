//! A signal that the engine sends itself: a square-off, a step of a plan, an exit that goes again, what a rule has fired. It walks the
//! line as any other, and never waits for room in it.

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use crate::ingress::Submit;
use crate::line::{Desk, Line};
use crate::order::{IdempotencyKey, LegDraft, OrderRecord, SignalDraft, SignalId, Source};

/// What differs between two signals of the engine's own.
#[derive(Debug)]
pub(crate) struct EngineSignal {
    id: SignalId,
    source: Source,
    user: String,
    key: Option<IdempotencyKey>,
    made_at: Option<DateTime<Utc>>,
    legs: Vec<LegDraft>,
}

impl EngineSignal {
    /// The engine's, under that name.
    pub(crate) fn new(id: SignalId, user: impl Into<String>, legs: Vec<LegDraft>) -> Self {
        Self { id, source: Source::System, user: user.into(), key: None, made_at: None, legs }
    }

    /// In the name of who sent that order.
    pub(crate) fn for_order(id: SignalId, order: &OrderRecord, legs: Vec<LegDraft>) -> Self {
        Self { source: order.source, ..Self::new(id, order.user.to_string(), legs) }
    }

    /// From that kind of source.
    pub(crate) fn sent_by(self, source: Source) -> Self {
        Self { source, ..self }
    }

    /// Once under that key, however often it is sent.
    pub(crate) fn once(self, key: Option<IdempotencyKey>) -> Self {
        Self { key, ..self }
    }

    /// As old as that.
    pub(crate) fn made_at(self, at: Option<DateTime<Utc>>) -> Self {
        Self { made_at: at, ..self }
    }

    /// The message to the ingress. Nobody waits for its answer, and it never waits for a permit.
    pub(crate) fn message(self, desk: &Desk, now: DateTime<Utc>) -> Submit {
        let permits = self.legs.iter().map(|_| desk.admission.force()).collect();
        let draft = SignalDraft {
            client_id: desk.client_id.clone(),
            signal_id: self.id,
            source: self.source,
            user: self.user,
            idempotency_key: self.key,
            body_hash: [0; 32],
            replay_window_ms: 0,
            received_at: now,
            signal_time: self.made_at,
            legs: self.legs,
        };
        let (reply, _nobody_waits) = oneshot::channel();
        Submit { draft, permits, fired: None, reply }
    }

    /// Sends it.
    pub(crate) fn submit(self, line: &Line, desk: &Desk, now: DateTime<Utc>) {
        line.tell_ingress(self.message(desk, now));
    }
}
