//! Market entries that wait for a quote, where the broker takes no market orders: without one their value is not known.

use std::collections::BTreeMap;

use actix::{Context, Handler, Message};
use chrono::{DateTime, Utc};

use super::{Judgement, RiskActor};
use crate::broker::WantQuotes;
use crate::order::InstrumentKey;
use crate::persistence::Registered;
use crate::supervision::guarded;

/// The instrument's quote was asked for. Sent by BrokerActor; a quote is on the desk.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct QuoteCame {
    /// The instrument.
    pub key: InstrumentKey,
    /// Why there is no quote, if there is none.
    pub missing: Option<String>,
}

impl RiskActor {
    /// Asks for the quotes that a basket lacks: at every look, so that a restart of BrokerActor forgets none.
    pub(super) fn ask_for_quotes(&self, judged: &[(Registered, Judgement)]) {
        let lacking = judged.iter().filter(|(_, judgement)| *judgement == Judgement::Quote);
        let wanted: Vec<_> =
            lacking.filter_map(|(registered, _)| Some((registered.record().instrument()?, registered.record().number))).collect();
        if !wanted.is_empty() {
            self.line.tell_broker(&self.desk.client_id, WantQuotes(wanted));
        }
    }

    /// The baskets that wait with this instrument are judged again; without a quote they are refused now.
    fn quote_came(&mut self, came: &QuoteCame, now: DateTime<Utc>) {
        let is_in = |group: &[Registered]| group.iter().any(|one| one.record().instrument().as_ref() == Some(&came.key));
        let waiting = std::mem::take(&mut self.waiting.groups);
        let (concerned, others): (BTreeMap<_, _>, BTreeMap<_, _>) = waiting.into_iter().partition(|(_, waits)| is_in(&waits.orders));
        self.waiting.groups = others;
        for waits in concerned.into_values() {
            self.assess(waits.orders, now, waits.since, waits.is_told, Some(came));
        }
    }
}

impl Handler<QuoteCame> for RiskActor {
    type Result = ();
    fn handle(&mut self, message: QuoteCame, ctx: &mut Context<Self>) {
        guarded(self, ctx, |actor, _, now| actor.quote_came(&message, now));
    }
}
