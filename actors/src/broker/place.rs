//! Orders on their way into the lanes: each is put into the exact request that will go out.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;

use super::budget::Decision;
use super::messages::{Quoted, WantQuotes};
use super::{BrokerActor, Item, Lane, Work};
use crate::guard::Admitted;
use crate::line::{Desk, Line};
use crate::order::{Exchange, GateVerdict, InstrumentKey, OrderRecord, Tag, Terms, Validity};
use crate::ports::{BrokerOrder, Capabilities, NoQuote, Prepared};
use crate::risk::QuoteCame;
use crate::supervision::{at_hand, panic_words};

impl BrokerActor {
    /// Takes a basket; one that needs quotes waits for them.
    pub(super) fn place(&mut self, group: Vec<Admitted>, now: DateTime<Utc>) {
        let missing: BTreeSet<InstrumentKey> = group.iter().filter_map(|admitted| self.lacks_quote(admitted, now)).collect();
        let first = group.first().map_or(0, |admitted| admitted.record().number);
        if missing.is_empty() {
            self.prepare_all(group, now);
        } else {
            let lane = group.iter().map(lane_of).min().unwrap_or(Lane::Entry);
            let oldest = group.iter().map(|admitted| self.arming(admitted.record(), now).1).min().unwrap_or(now);
            let stale_at = oldest + self.entry_ttl() + TimeDelta::milliseconds(1);
            self.unquoted.push(first, group, lane, missing, now, stale_at);
        }
        self.pump(now);
    }

    /// The instrument of an order that cannot be prepared without a price fresher than any at hand.
    fn lacks_quote(&self, admitted: &Admitted, now: DateTime<Utc>) -> Option<InstrumentKey> {
        let needs = !admitted.terms().order_type.has_price();
        if !needs || admitted.record().is_test() || self.desk.broker.capabilities().takes_market_orders {
            return None;
        }
        let key = admitted.record().instrument()?;
        self.fresh_quote(&key, now).is_none().then_some(key)
    }

    /// RiskActor cannot judge without these.
    pub(super) fn want_quotes(&mut self, message: WantQuotes, now: DateTime<Utc>) {
        for (key, number) in message.0 {
            self.unquoted.look_for(key, number, now, self.quote_wait());
        }
        self.pump(now);
    }

    fn quote_wait(&self) -> TimeDelta {
        TimeDelta::from_std(self.desk.settings.waits.quote_wait).unwrap_or(TimeDelta::MAX)
    }

    /// Asks for quotes that are waited for, as the budget allows, and lets those baskets go that have waited enough.
    pub(super) fn follow_quotes(&mut self, now: DateTime<Utc>) {
        while let Some((lane, key)) = self.unquoted.next_to_ask() {
            let Some(instrument) = self.line.instruments.find(&key) else {
                self.no_quote(key, "it is not in today's instrument master".to_owned());
                continue;
            };
            let decision = self.desk.budget.lock().spend(lane, None, now);
            if let Decision::WaitUntil(until) = decision {
                self.wake_at(until);
                break;
            }
            let call = self.desk.broker.quote(instrument);
            let (line, desk) = (Arc::clone(&self.line), Arc::clone(&self.desk));
            self.unquoted.asked(key.clone(), now);
            actix::spawn(async move {
                let deadline = desk.settings.waits.quote_wait;
                let quote = match tokio::time::timeout(deadline, std::panic::AssertUnwindSafe(call).catch_unwind()).await {
                    Ok(Ok(quote)) => quote,
                    Ok(Err(panic)) => Err(NoQuote::None(format!("a fault in the broker adapter: {}", panic_words(&*panic)))),
                    Err(_) => Err(NoQuote::None(format!("no answer within {} ms", deadline.as_millis()))),
                };
                // Lost with a restart or a full mailbox: a basket here goes on when its time is up, RiskActor asks again.
                line.tell_broker(&desk.client_id, Quoted { key, quote });
            });
        }
        let patience = self.quote_wait();
        for group in self.unquoted.take_due(now, patience) {
            self.prepare_all(group, now);
        }
        if let Some(due) = self.unquoted.next_due(patience) {
            self.wake_at(due);
        }
    }

    pub(super) fn quoted(&mut self, message: Quoted, now: DateTime<Utc>) {
        let Quoted { key, quote } = message;
        match quote {
            Ok(quote) => {
                self.desk.answered.lock().put(key.clone(), quote, now);
                self.unquoted.answered(&key);
                self.line.tell_risk(&self.desk.client_id, QuoteCame { key, missing: None });
            }
            Err(NoQuote::RateLimited { window, text }) => {
                self.breached(window, &text, now);
                self.unquoted.again(&key);
            }
            Err(NoQuote::None(cause)) => self.no_quote(key, cause),
        }
        self.pump(now);
    }

    fn no_quote(&mut self, key: InstrumentKey, cause: String) {
        tracing::warn!(client_id = %self.desk.client_id, instrument = %key, "no quote: {cause}");
        self.unquoted.answered(&key);
        self.line.tell_risk(&self.desk.client_id, QuoteCame { key, missing: Some(cause) });
    }

    fn prepare_all(&mut self, group: Vec<Admitted>, now: DateTime<Utc>) {
        let prepared: Vec<_> = group
            .iter()
            .map(|admitted| {
                at_hand(&self.desk.client_id, admitted.record().command_id);
                self.prepare(admitted, now)
            })
            .collect();
        // Entries of a basket stand and fall together here as at every gate before.
        let stands_alone = group.first().is_some_and(|admitted| self.line.stands_alone(admitted.record()));
        let sibling = group.iter().zip(&prepared).find_map(|(admitted, prepared)| match prepared {
            Err((tag, reason)) if !admitted.record().is_exit() && !stands_alone => {
                Some((*tag, format!("leg {} of this basket was refused: {reason}", admitted.record().leg + 1)))
            }
            _ => None,
        });
        for (admitted, prepared) in group.into_iter().zip(prepared) {
            match (&sibling, prepared) {
                (Some((tag, reason)), Ok(_)) if !admitted.record().is_exit() => self.refuse(admitted, *tag, reason.clone()),
                (_, Ok(prepared)) => self.enqueue(admitted, prepared, now),
                (_, Err((tag, reason))) => self.refuse(admitted, tag, reason),
            }
        }
    }

    fn enqueue(&mut self, admitted: Admitted, prepared: Prepared, now: DateTime<Utc>) {
        let (command_id, number) = (admitted.record().command_id, admitted.record().number);
        let counts_at = (!admitted.record().is_test()).then_some(prepared.order.instrument.key.exchange);
        let lane = lane_of(&admitted);
        let work = Work::Place(Box::new(admitted), Box::new(prepared));
        if self.lanes.push(Item { command_id, lane, number, counts_at, since: now, work }).is_some() {
            tracing::error!(%command_id, "an order came down the line twice; the first stands");
        }
    }

    /// Ends an order of which nothing was written yet but that it exists.
    pub(super) fn refuse(&self, admitted: Admitted, tag: Tag, reason: String) {
        let limit = self.desk.broker.capabilities().name.into();
        let gate = GateVerdict { gate: "broker.prepare".into(), passed: false, input: reason.clone(), limit };
        self.line.post(vec![admitted.into_refusal(tag, reason, gate)]);
    }

    /// The exact request, with the newest quote there is: for an entry none but a fresh one, for an exit the last known.
    /// A mock order needs none: it never reaches the port.
    pub(super) fn prepare(&self, admitted: &Admitted, now: DateTime<Utc>) -> Result<Prepared, (Tag, String)> {
        prepare(&self.line, &self.desk, (admitted.record(), admitted.terms()), self.quote_max_age(), now)
    }
}

/// The exact request for these terms, as it would go out now. A pure question to the adapter.
pub(crate) fn prepare(
    line: &Line,
    desk: &Desk,
    (record, terms): (&OrderRecord, &Terms),
    quote_max_age: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Prepared, (Tag, String)> {
    let Some(instrument) = record.instrument().and_then(|key| line.instruments.find(&key)) else {
        return Err((Tag::ValidationFailed, format!("tradingsymbol: {} is no longer in the instrument master", record.ask.symbol)));
    };
    if let Some(reason) = refused_ioc(desk.broker.capabilities(), instrument.key.exchange, terms) {
        return Err((Tag::ValidationFailed, reason));
    }
    let quote =
        line.newest_quote(desk, &instrument.key).filter(|quote| record.is_exit() || now.signed_duration_since(quote.at) <= quote_max_age);
    let order = BrokerOrder {
        command_id: record.command_id,
        instrument,
        terms: terms.clone(),
        tag: record.broker_tag.clone(),
        is_exit: record.is_exit(),
    };
    if record.is_test() {
        return Ok(Prepared { order, request: "TEST_MODE: nothing is sent".to_owned() });
    }
    desk.broker.prepare(order, quote.as_ref()).map_err(|refusal| (Tag::RiskLimitsExceeded, refusal.reason))
}

/// Why an IOC order does not go there: the exchanges forbid them to programs, and a broker takes them here and there at most.
fn refused_ioc(broker: &Capabilities, exchange: Exchange, terms: &Terms) -> Option<String> {
    let is_refused = terms.validity == Validity::Ioc && !broker.takes_ioc.contains(&exchange);
    is_refused.then(|| {
        format!(
            "validity: {} takes no IOC order of a program at {exchange}; send DAY, with cancel_after_s if it shall not rest",
            broker.name
        )
    })
}

fn lane_of(admitted: &Admitted) -> Lane {
    if admitted.record().is_exit() { Lane::Exit } else { Lane::Entry }
}
