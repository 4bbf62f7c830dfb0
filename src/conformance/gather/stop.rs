//! One stop-limit order as stops live at the broker: it waits for its trigger far above the market, its trigger moves, it becomes a
//! limit far below, and is cancelled.

use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::order::{BrokerOrderId, BrokerTag, Instrument, OrderType, Price, Terms};
use ordergate_actors::ports::{Broker as _, CallOutcome, Modification, PlaceOutcome};

use super::market;
use super::small::{CANCELS, history, is_cancelled, is_over, words};
use crate::brokers::noren::wire::Fields;
use crate::conformance::bench::{Bench, Whose, far_above, tick_down};
use crate::conformance::facts::{StopOrder, StopRow, StopStep, Tried};

/// `below`: a price at which nothing fills.
pub(super) async fn life(bench: &Bench, instrument: &Arc<Instrument>, quantity: i64, below: Price) -> Tried<StopOrder> {
    let quoted = market::quote(bench, instrument).await?;
    let trigger = far_above(instrument, &quoted.market)?;
    let moved = tick_down(instrument, trigger).filter(|moved| *moved > quoted.market.last);
    let moved = moved.ok_or_else(|| format!("needs room above the last trade {}", quoted.market.last))?;
    bench.within_limits(instrument, quantity, trigger)?;
    let tag = bench.tag("STOP01");
    let mut order = bench.order(instrument, &tag, quantity, trigger)?;
    order.terms = Terms { order_type: OrderType::StopLimit, trigger_price: Some(trigger), ..order.terms };
    let (waits, broker_tag) = (order.terms.clone(), order.tag.clone());
    let prepared = bench.broker.prepare(order, None).map_err(|refusal| refusal.reason)?;
    let outcome = bench.send(instrument.key.exchange, &tag, bench.broker.place(prepared)).await;
    let mut stop =
        StopOrder { trigger, quantity, outcome, placed: None, moved: None, limit: None, is_cancelled: false, statuses: Vec::new() };
    let PlaceOutcome::Accepted(number) = stop.outcome.clone() else { return Ok(stop) };
    let row = bench.follow(Whose::Number(&number), bench.patience(), waits_for_trigger).await;
    stop.placed = row.as_ref().map(StopRow::of);
    if row.as_ref().is_some_and(|row| !is_over(row)) {
        let ours = Ours { bench, instrument, number: &number, tag: &broker_tag };
        let new_trigger = Terms { trigger_price: Some(moved), ..waits.clone() };
        let shows = |row: &Fields| row.decimal("trgprc").ok().flatten() == Some(moved.value()) && waits_for_trigger(row);
        stop.moved = Some(ours.becomes(new_trigger, shows).await);
        let as_limit = Terms { order_type: OrderType::Limit, price: Some(below), trigger_price: None, ..waits };
        let shows = |row: &Fields| {
            let is_limit = row.text("prctyp").is_some_and(|text| text.eq_ignore_ascii_case("LMT"));
            is_limit && row.decimal("prc").ok().flatten() == Some(below.value()) && is_open(row)
        };
        stop.limit = Some(ours.becomes(as_limit, shows).await);
    }
    ends(bench, instrument, &mut stop, &number).await;
    Ok(stop)
}

/// The order that is changed.
struct Ours<'a> {
    bench: &'a Bench,
    instrument: &'a Arc<Instrument>,
    number: &'a BrokerOrderId,
    tag: &'a BrokerTag,
}

impl Ours<'_> {
    /// A change as the adapter makes it, and what the book shows of it.
    async fn becomes(&self, terms: Terms, shows: impl Fn(&Fields) -> bool) -> StopStep {
        let (bench, instrument) = (self.bench, Arc::clone(self.instrument));
        let change = Modification { broker_order_id: self.number.clone(), tag: Some(self.tag.clone()), instrument, terms };
        let prepared = match bench.broker.prepare_change(change, None) {
            Ok(prepared) => prepared,
            Err(refusal) => return StopStep { outcome: CallOutcome::NotSent(refusal.reason), is_shown: false, row: None },
        };
        let outcome = bench.change(self.instrument.key.exchange, bench.broker.modify(prepared)).await;
        let patience = if outcome == CallOutcome::Accepted { bench.patience() } else { Duration::ZERO };
        let row = bench.follow(Whose::Number(self.number), patience, &shows).await;
        StopStep { outcome, is_shown: row.as_ref().is_some_and(shows), row: row.as_ref().map(StopRow::of) }
    }
}

/// Cancels until the book says so, and reads what the order was called on its way.
async fn ends(bench: &Bench, instrument: &Arc<Instrument>, stop: &mut StopOrder, number: &BrokerOrderId) {
    for _ in 0..CANCELS {
        let _followed = bench.change(instrument.key.exchange, bench.broker.cancel(number.clone())).await;
        let row = bench.follow(Whose::Number(number), bench.patience() / 3, is_over).await;
        if row.as_ref().is_some_and(is_over) {
            stop.is_cancelled = row.as_ref().is_some_and(is_cancelled);
            break;
        }
    }
    for event in history(bench, number).await.unwrap_or_default().iter().rev() {
        let said = words(event);
        if stop.statuses.last() != Some(&said) {
            stop.statuses.push(said);
        }
    }
}

fn waits_for_trigger(row: &Fields) -> bool {
    row.text("status").is_some_and(|status| status.to_uppercase().starts_with("TRIGGER"))
}

fn is_open(row: &Fields) -> bool {
    row.text("status").is_some_and(|status| status.eq_ignore_ascii_case("OPEN"))
}

impl StopRow {
    fn of(row: &Fields) -> Self {
        Self { status: row.text("status").unwrap_or_default(), reason: row.text("rejreason") }
    }
}
