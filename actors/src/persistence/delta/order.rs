//! The rows of orders: new ones, and what facts make of those that are there.

use std::sync::Arc;

use super::{Delta, RowText};
use crate::order::event;
use crate::order::{Given, OrderFact, OrderRecord, Pricing, Side, Source, Status, Tag, Transition};
use crate::persistence::broker_tag::broker_tag;
use crate::persistence::inputs::{CreatedInputs, event_name, inputs_of, reason_of};
use crate::persistence::signal::signal_row;
use crate::persistence::staged::Staged;
use crate::persistence::ticket::Answer;
use crate::persistence::unit::{Level, NewOrder, NotRegistered, OrderUnit, Registration};
use crate::ports::{SignalRow, Write};

impl Delta {
    /// A new signal with its orders; returns the orders as they will stand after the commit.
    pub(in crate::persistence) fn registration(
        &mut self,
        staged: &mut Staged,
        registration: &Registration,
        tag_prefix: &str,
    ) -> Vec<Arc<OrderRecord>> {
        let client = &registration.client_id;
        let number = staged.numbers.entry(client.clone()).or_default();
        self.number_before = Some((client.clone(), *number));
        let first = *number + 1;
        *number += u64::try_from(registration.legs.len()).unwrap_or(0);
        let signal = Arc::new(signal_row(registration));
        self.writes.push(Write::Signal(Arc::clone(&signal)));
        let mut records = Vec::with_capacity(registration.legs.len());
        for (number, leg) in (first..).zip(&registration.legs) {
            let signal = (number == first).then_some(&*signal);
            records.push(self.new_order(staged, registration, (leg, signal), number, tag_prefix));
        }
        records
    }

    fn new_order(
        &mut self,
        staged: &mut Staged,
        registration: &Registration,
        (leg, signal): (&NewOrder, Option<&SignalRow>),
        number: u64,
        tag_prefix: &str,
    ) -> Arc<OrderRecord> {
        let client = Some(registration.client_id.clone());
        let given = Given {
            client_id: registration.client_id.clone(),
            command_id: leg.command_id,
            number,
            signal_id: registration.signal_id,
            leg: leg.leg,
            basket_id: registration.basket_id,
            parent_command_id: leg.parent,
            source: registration.source,
            user: Arc::clone(&registration.user),
            ask: leg.ask.clone(),
            broker_tag: broker_tag(tag_prefix, number),
            signal_time: registration.signal_time,
        };
        let created = Arc::new(OrderRecord::created(given, self.at, self.next_seq(staged, &client)));
        let subject = (Some(leg.command_id), Some(registration.signal_id));
        let naming = leg.naming.as_ref().map(|naming| Arc::from(naming.to_string()));
        let inputs = CreatedInputs::of(&created, leg.naming.as_ref(), signal).text(&leg.sent);
        let text =
            |event, from, reason, inputs| RowText { event, from, reason, who: Arc::clone(&registration.user), inputs, level: Level::Info };
        self.row(staged, client.clone(), subject, Some(&created), text(event::CREATED, None, naming, inputs));
        let record = match &leg.refused {
            None => created,
            Some((tag, reason)) => {
                let mut refused = (*created).clone();
                (refused.status, refused.tag, refused.reason) = (Status::Failed, Some(*tag), Some(Arc::from(reason.as_str())));
                refused.seq = self.next_seq(staged, &client);
                let refused = Arc::new(refused);
                let text = text(event::REFUSED, Some(Status::Created), refused.reason.clone(), "{}".to_owned());
                self.row(staged, client, subject, Some(&refused), text);
                refused
            }
        };
        self.writes.push(Write::InsertOrder(Arc::clone(&record)));
        self.orders.push(Arc::clone(&record));
        record
    }

    /// An order's transition; returns its row as it will stand after the commit.
    pub(in crate::persistence) fn transition(
        &mut self,
        staged: &mut Staged,
        before: &OrderRecord,
        transition: Transition,
        unit: &OrderUnit,
    ) -> Arc<OrderRecord> {
        let client = Some(unit.client_id.clone());
        let mut record = transition.record;
        record.seq = self.next_seq(staged, &client);
        let record = Arc::new(record);
        let subject = (Some(record.command_id), Some(record.signal_id));
        let text = RowText {
            event: event_name(&unit.fact, before, &record),
            from: Some(before.status),
            reason: reason_of(&unit.fact).or_else(|| record.reason.clone()),
            who: Arc::clone(&unit.who),
            inputs: inputs_of(&unit.fact),
            level: Level::Info,
        };
        self.row(staged, client.clone(), subject, Some(&record), text);
        if let OrderFact::TermsShown { was, now, by_hand: true, .. } = &unit.fact {
            let text = RowText::said("ALARM_TERMS_CHANGED", &by_hand(&record, was, now), &unit.who, Level::Warn);
            self.row(staged, client.clone(), subject, None, text);
        }
        if transition.late_truth {
            let text = RowText::said("ALARM_LATE_TRUTH", &late_truth(before, &record), &unit.who, Level::Page);
            self.row(staged, client, subject, None, text);
        }
        self.writes.push(Write::UpdateOrder(Arc::clone(&record)));
        self.orders.push(Arc::clone(&record));
        record
    }

    /// A signal that had been here before.
    pub(in crate::persistence) fn replay(
        &mut self,
        staged: &mut Staged,
        registration: &Registration,
        answer: &Result<Answer, NotRegistered>,
    ) {
        let (event, words, level) = match answer {
            // A sender of alerts never reads our answer: a person hears of it instead.
            Ok(answer) => {
                let level = if registration.source == Source::Webhook { Level::Warn } else { Level::Info };
                let words = format!("the same signal again from {}; basket {} stands", registration.user, answer.basket_id);
                ("SIGNAL_REPLAYED", words, level)
            }
            Err(error) => ("SIGNAL_CONFLICT", error.to_string(), Level::Warn),
        };
        let text = RowText {
            event,
            from: None,
            reason: Some(Arc::from(words)),
            who: Arc::clone(&registration.user),
            inputs: "{}".to_owned(),
            level,
        };
        self.row(staged, Some(registration.client_id.clone()), (None, Some(registration.signal_id)), None, text);
    }
}

/// For people: somebody changed an order at the broker.
fn by_hand(record: &OrderRecord, was: &Pricing, now: &Pricing) -> String {
    format!(
        "somebody changed {} {} {} of {} at the broker: {was} became {now}. That stands here too; what would move the order by itself \
         leaves it alone, and an exit that must be flat soon goes on from it",
        record.ask.side.map_or("", Side::as_str),
        record.quantity(),
        record.ask.symbol,
        record.ask.strategy,
    )
}

/// For people: the broker proves that an order had not ended.
fn late_truth(before: &OrderRecord, record: &OrderRecord) -> String {
    format!(
        "the broker shows {} {} {} as live or filled, but it stood {} here ({}); re-opened, check that it is still wanted",
        record.ask.side.map_or("", Side::as_str),
        record.quantity(),
        record.ask.symbol,
        before.status,
        before.tag.map_or("", Tag::as_str),
    )
}
