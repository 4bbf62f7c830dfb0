//! What an event of the exchange says about an order.

use ordergate_actors::order::Terms;
use rust_decimal::Decimal;

use super::order::{Asked, Fill, Kind, Order, Report, Status};
use crate::simulator::exchange::Event;

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
