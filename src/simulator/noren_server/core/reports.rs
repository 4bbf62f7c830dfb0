//! Reports: what an event of the exchange says about an order, and how the desk writes it down.

use chrono::{DateTime, Utc};
use ordergate_actors::order::Terms;
use rust_decimal::Decimal;

use super::desk::{Desk, Notice};
use super::order::{Asked, Fill, Kind, Order, Report, Status};
use super::risk;
use crate::simulator::exchange::Event;

impl Desk {
    /// Takes what happened at the exchange: reports on the orders, and a new day.
    pub(super) fn absorb(&mut self, events: Vec<Event>) {
        for event in &events {
            self.one_event(event);
        }
        self.unsaved_events.extend(events);
    }

    fn one_event(&mut self, event: &Event) {
        if let Event::Rolled { date, .. } = event {
            return self.begin_day(*date);
        }
        if let Event::Accepted { entry, .. } = event
            && let Some(number) = entry.tag.as_ref().map(ToString::to_string)
        {
            self.by_exchange.insert(entry.id.clone(), number.clone());
            if let Some(order) = self.orders.get_mut(&number) {
                order.exchange_id = Some(entry.id.clone());
            }
        }
        let Some(number) = event.order().and_then(|id| self.by_exchange.get(id)).cloned() else { return };
        let Some(order) = self.orders.get(&number) else { return };
        if let Some(report) = of(event, order) {
            self.report(&number, report);
        }
    }

    /// Adds a report like the newest one, with that state, kind and reason.
    pub(super) fn follow(&mut self, number: &str, status: Status, kind: Kind, at: DateTime<Utc>, reason: Option<String>) {
        let Some(report) = self.orders.get(number).and_then(|order| order.next(status, kind, at)) else { return };
        let by = reason.as_ref().filter(|_| status == Status::Rejected).map(|reason| risk::rejected_by(reason));
        self.report(number, Report { reason, rejected_by: by, ..report });
    }

    pub(super) fn report(&mut self, number: &str, report: Report) {
        let Some(order) = self.orders.get_mut(number) else { return };
        // A change or a cancel on its way does not alter what the order is.
        if !matches!(report.kind, Kind::ModAck | Kind::PendingReplace | Kind::CanAck | Kind::PendingCancel) {
            order.standing = report.status;
        }
        order.reports.push(report.clone());
        self.unsaved.insert(number.to_owned());
        self.notices.push(Notice { number: number.to_owned(), report });
    }

    /// A message that rejects a request and looks as if it rejected the order. It is in no book.
    pub(super) fn shape_saf(&mut self, number: &str, reason: &str, at: DateTime<Utc>) {
        let Some(report) = self.orders.get(number).and_then(|order| order.next(Status::Rejected, Kind::Rejected, at)) else { return };
        let report = Report { reason: Some(reason.to_owned()), ..report };
        self.notices.push(Notice { number: number.to_owned(), report });
    }

    /// The same as an event of the order: in its book and its history. What the order is stays what it was.
    pub(super) fn book_saf(&mut self, number: &str, reason: &str, at: DateTime<Utc>) {
        let Some(standing) = self.orders.get(number).map(|order| order.standing) else { return };
        self.follow(number, Status::Rejected, Kind::Rejected, at, Some(reason.to_owned()));
        if let Some(order) = self.orders.get_mut(number) {
            order.standing = standing;
        }
    }
}

/// The report that follows on the order's newest one; `None` when the event says nothing about it.
pub(super) fn of(event: &Event, order: &Order) -> Option<Report> {
    match event {
        Event::Accepted { at, entry, .. } => {
            let status = if entry.terms.order_type.has_trigger() { Status::TriggerPending } else { Status::Open };
            order.next(status, Kind::New, *at)
        }
        Event::Triggered { at, .. } => order.next(Status::Open, Kind::New, *at),
        Event::Traded { trade_id, quantity, price, at, .. } => {
            let report = order.next(Status::Open, Kind::Fill, *at)?;
            let filled = report.filled + quantity.value();
            let status = if filled >= report.asked.quantity { Status::Complete } else { Status::Open };
            let value = report.value.saturating_add(price.times(quantity.value()).0);
            let fill = Some(Fill { id: fill_number(trade_id.as_str()), quantity: quantity.value(), price: price.value() });
            Some(Report { status, filled, value, fill, ..report })
        }
        Event::Modified { terms, triggered, at, .. } => {
            let report = order.next(Status::Open, Kind::Replaced, *at)?;
            let status = if report.filled >= terms.quantity.value() {
                Status::Complete
            } else if *triggered {
                Status::Open
            } else {
                Status::TriggerPending
            };
            Some(Report { status, asked: asked(terms, &report.asked), ..report })
        }
        Event::Cancelled { reason, at, .. } => {
            let report = order.next(Status::Canceled, Kind::Canceled, *at)?;
            let cancelled = report.asked.quantity - report.filled;
            Some(Report { cancelled, reason: reason.as_ref().map(ToString::to_string), ..report })
        }
        _ => None,
    }
}

fn asked(terms: &Terms, before: &Asked) -> Asked {
    Asked {
        quantity: terms.quantity.value(),
        price_type: terms.order_type,
        price: terms.price.map_or(Decimal::ZERO, |price| price.value()),
        trigger: terms.trigger_price.map_or(Decimal::ZERO, |price| price.value()),
        disclosed: before.disclosed,
        validity: terms.validity,
    }
}

/// Nine digits, growing within the day.
pub(super) fn fill_number(trade: &str) -> String {
    let number: u64 = trade.get(trade.len().saturating_sub(8)..).unwrap_or(trade).parse().unwrap_or(0);
    (380_000_000 + number).to_string()
}
