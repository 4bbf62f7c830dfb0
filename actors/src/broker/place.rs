//! Orders on their way into the lanes: each is put into the exact request that will go out.

use chrono::{DateTime, Utc};

use super::{BrokerActor, Lane, Work};
use crate::guard::Admitted;
use crate::order::{GateVerdict, Tag};
use crate::ports::{BrokerOrder, Prepared};
use crate::supervision::at_hand;

impl BrokerActor {
    pub(super) fn place(&mut self, group: Vec<Admitted>, now: DateTime<Utc>) {
        let prepared: Vec<_> = group
            .iter()
            .map(|admitted| {
                at_hand(&self.desk.client_id, admitted.record().command_id);
                self.prepare(admitted, now)
            })
            .collect();
        // Entries of a basket stand and fall together here as at every gate before.
        let sibling = group.iter().zip(&prepared).find_map(|(admitted, prepared)| match prepared {
            Err((tag, reason)) if !admitted.record().is_exit() => {
                Some((*tag, format!("leg {} of this basket was refused: {reason}", admitted.record().leg + 1)))
            }
            _ => None,
        });
        for (admitted, prepared) in group.into_iter().zip(prepared) {
            let prepared = match (&sibling, prepared) {
                (Some(because), Ok(_)) if !admitted.record().is_exit() => Err(because.clone()),
                (_, prepared) => prepared,
            };
            self.enqueue(admitted, prepared);
        }
        self.pump(now);
    }

    pub(super) fn enqueue(&mut self, admitted: Admitted, prepared: Result<Prepared, (Tag, String)>) {
        match prepared {
            Ok(prepared) => {
                let (command_id, number) = (admitted.record().command_id, admitted.record().number);
                let lane = if admitted.record().is_exit() { Lane::Exit } else { Lane::Entry };
                let twice = self.lanes.push(lane, number, command_id, Work::Place(Box::new(admitted), Box::new(prepared)));
                if twice.is_some() {
                    tracing::error!(%command_id, "an order came down the line twice; the first stands");
                }
            }
            Err((tag, reason)) => {
                let limit = self.desk.broker.capabilities().name.into();
                let gate = GateVerdict { gate: "broker.prepare".into(), passed: false, input: reason.clone(), limit };
                self.line.post(vec![admitted.into_refusal(tag, reason, gate)]);
            }
        }
    }

    /// The exact request. A mock order needs none: it never reaches the port.
    pub(super) fn prepare(&self, admitted: &Admitted, now: DateTime<Utc>) -> Result<Prepared, (Tag, String)> {
        let record = admitted.record();
        let Some(instrument) = record.instrument().and_then(|key| self.line.instruments.find(&key)) else {
            return Err((Tag::ValidationFailed, format!("tradingsymbol: {} is no longer in the instrument master", record.ask.symbol)));
        };
        let quote = self
            .line
            .quotes
            .quote(&instrument.key)
            .filter(|quote| record.is_exit() || now.signed_duration_since(quote.at) <= self.quote_max_age());
        let order = BrokerOrder {
            command_id: record.command_id,
            instrument,
            terms: admitted.terms().clone(),
            tag: record.broker_tag.clone(),
            is_exit: record.is_exit(),
        };
        if record.is_test() {
            return Ok(Prepared { order, request: "TEST_MODE: nothing is sent".to_owned() });
        }
        self.desk.broker.prepare(order, quote.as_ref()).map_err(|refusal| (Tag::RiskLimitsExceeded, refusal.reason))
    }
}
