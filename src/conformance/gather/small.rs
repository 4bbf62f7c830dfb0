//! The life of one smallest order far from the market: placed, seen, changed twice, cancelled, cancelled again.

use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::order::{BrokerOrderId, BrokerTag, Instrument, Price};
use ordergate_actors::ports::{Broker as _, CallOutcome, Modification, PlaceOutcome};
use tokio::time::Instant;

use crate::brokers::noren::wire::Fields;
use crate::conformance::bench::{Bench, Whose, is_cut_of, terms, tick_up};
use crate::conformance::facts::{Changed, Event, Found, FrameSeen, SmallOrder, Tried};

/// Between looks at the stream.
const LOOK: Duration = Duration::from_millis(50);
/// How long a frame may come after the book has shown the order.
const FRAME: Duration = Duration::from_secs(5);
/// How often a cancel is asked for.
pub(super) const CANCELS: usize = 3;

pub(super) async fn life(bench: &Bench, instrument: &Arc<Instrument>, quantity: i64, price: Price) -> Tried<SmallOrder> {
    bench.within_limits(instrument, quantity, price)?;
    let high_water = bench.book().await?.iter().filter_map(|row| row.text("norenordno")).max_by(|a, b| by_number(a, b));
    let tag = bench.tag("SMALL1");
    let order = bench.order(instrument, &tag, quantity, price)?;
    let prepared = bench.broker.prepare(order, None).map_err(|refusal| refusal.reason)?;
    let outcome = bench.send(instrument.key.exchange, &tag, bench.broker.place(prepared)).await;
    let replied = Instant::now();
    let mut small = SmallOrder {
        tag: tag.clone(),
        price,
        quantity,
        number: if let PlaceOutcome::Accepted(number) = &outcome { Some(number.clone()) } else { None },
        outcome,
        high_water,
        visible_after: None,
        visibility_bound: bench.patience(),
        status: None,
        book_remarks: None,
        history: Err("no order".to_owned()),
        frames: Vec::new(),
        change: None,
        bare_change: None,
        cancel: None,
        cancel_statuses: Vec::new(),
        is_cancelled: false,
        cancel_again: None,
        history_after: Err("no order".to_owned()),
    };
    if matches!(small.outcome, PlaceOutcome::Rejected(_) | PlaceOutcome::RateLimited { .. } | PlaceOutcome::NotSent(_)) {
        return Ok(small);
    }
    appears(bench, &mut small, replied).await;
    let Some(number) = small.number.clone() else { return Ok(small) };
    small.history = history(bench, &number).await;
    small.frames = frames(bench, &tag, Some(&number), replied).await;
    if small.status.as_ref().is_some_and(|(status, _)| status.eq_ignore_ascii_case("OPEN")) {
        changes(bench, instrument, &mut small, &number).await;
    }
    ends(bench, instrument, &mut small, &number).await;
    Ok(small)
}

/// Numbers grow within their length.
pub(in crate::conformance) fn by_number(a: &str, b: &str) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

async fn appears(bench: &Bench, small: &mut SmallOrder, replied: Instant) {
    let number = small.number.clone();
    let whose = number.as_ref().map_or(Whose::Tag(&small.tag), Whose::Number);
    let Some(row) = bench.follow(whose, bench.patience(), |_| true).await else { return };
    small.visible_after = Some(replied.elapsed());
    // An answer that was lost: the row says the number.
    small.number = number.clone().or_else(|| BrokerOrderId::parse(&row.text("norenordno")?).ok());
    small.book_remarks = Some(row.text("remarks"));
    let settled = bench.follow(whose, bench.patience(), |row| !is_pending(row)).await;
    let row = settled.unwrap_or(row);
    small.book_remarks = Some(row.text("remarks").or(small.book_remarks.take().flatten()));
    small.status = row.text("status").map(|status| (status, row.text("rejreason")));
}

fn is_pending(row: &Fields) -> bool {
    row.text("status").is_some_and(|status| status.to_uppercase().contains("PENDING"))
}

/// The order's events, newest first.
pub(super) async fn history(bench: &Bench, number: &BrokerOrderId) -> Found<Vec<Event>> {
    let rows = bench.rows(bench.probe.encoder(None).order_history(number)).await?;
    Ok(rows.iter().map(|row| event(row, "rpt")).collect())
}

fn event(row: &Fields, report: &str) -> Event {
    let text = |name: &str| row.text(name).unwrap_or_default();
    Event { status: text("status"), report: text(report), remarks: row.text("remarks") }
}

/// The frames about the order; waits until there is one that says something of it.
pub(super) async fn frames(bench: &Bench, tag: &str, number: Option<&BrokerOrderId>, replied: Instant) -> Vec<FrameSeen> {
    let deadline = Instant::now() + FRAME;
    loop {
        bench.listen().await;
        let seen = frames_of(bench, tag, number, replied);
        if seen.iter().any(|frame| !frame.is_sparse) || Instant::now() >= deadline {
            return seen;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn frames_of(bench: &Bench, tag: &str, number: Option<&BrokerOrderId>, replied: Instant) -> Vec<FrameSeen> {
    let heard = bench.heard.lock();
    let read = heard.iter().filter_map(|frame| {
        let fields = Fields::parse(&frame.text)?;
        let named = fields.first(&["norenordno", "norenoordno"]);
        let is_ours =
            named.as_deref() == number.map(BrokerOrderId::as_str) || fields.text("remarks").is_some_and(|remarks| is_cut_of(&remarks, tag));
        let event = event(&fields, "reporttype");
        is_ours.then(|| FrameSeen { before_reply: frame.at < replied, is_sparse: fields.text("qty").is_none(), event })
    });
    read.collect()
}

/// Price and quantity up, with the tag as the adapter sends it; then both back, saying nothing of the free text.
async fn changes(bench: &Bench, instrument: &Arc<Instrument>, small: &mut SmallOrder, number: &BrokerOrderId) {
    let up = tick_up(instrument, small.price);
    let doubled = small.quantity.saturating_mul(2);
    let more = if bench.within_limits(instrument, doubled, up).is_ok() { doubled } else { small.quantity };
    for (price, quantity, is_bare) in [(up, more, false), (small.price, small.quantity, true)] {
        let Ok(terms) = terms(instrument, quantity, price) else { return };
        let tag = BrokerTag::parse(&small.tag).ok();
        let change =
            Modification { broker_order_id: number.clone(), tag: tag.filter(|_| !is_bare), instrument: Arc::clone(instrument), terms };
        let call = if is_bare {
            bench.probe.change(bench.probe.encoder(None).modify(&change))
        } else {
            match bench.broker.prepare_change(change, None) {
                Ok(prepared) => bench.broker.modify(prepared),
                Err(_) => return,
            }
        };
        let outcome = bench.change(instrument.key.exchange, call).await;
        let shows = |row: &Fields| {
            let told = (row.decimal("prc").ok().flatten(), row.integer("qty").ok().flatten());
            told == (Some(price.value()), Some(quantity)) && !is_pending(row)
        };
        let patience = if outcome == CallOutcome::Accepted { bench.patience() } else { Duration::ZERO };
        let row = bench.follow(Whose::Number(number), patience, shows).await;
        let changed = Changed {
            is_shown: row.as_ref().is_some_and(&shows),
            remarks: row.and_then(|row| row.text("remarks")),
            asked: (price, quantity),
            outcome,
        };
        if is_bare { small.bare_change = Some(changed) } else { small.change = Some(changed) }
    }
}

/// Cancels until the book says so, and looks at what is said meanwhile.
async fn ends(bench: &Bench, instrument: &Arc<Instrument>, small: &mut SmallOrder, number: &BrokerOrderId) {
    let exchange = instrument.key.exchange;
    let asked = Instant::now();
    let before = history(bench, number).await.unwrap_or_default();
    let each = bench.patience() / 3;
    for _ in 0..CANCELS {
        let outcome = bench.change(exchange, bench.broker.cancel(number.clone())).await;
        small.cancel.get_or_insert(outcome);
        let row = bench.follow(Whose::Number(number), each, is_over).await;
        if row.as_ref().is_some_and(is_over) {
            small.is_cancelled = row.as_ref().is_some_and(is_cancelled);
            break;
        }
    }
    small.history_after = history(bench, number).await;
    bench.listen().await;
    let mut statuses: Vec<String> = Vec::new();
    let mut note = |event: &Event| {
        let words = words(event);
        if !statuses.contains(&words) {
            statuses.push(words);
        }
    };
    if let Ok(events) = &small.history_after {
        let new = events.len().saturating_sub(before.len());
        events.iter().take(new).rev().for_each(&mut note);
    }
    // A frame about the change may still be under way when the cancel is asked for: the history tells it from the cancel's.
    let is_of_the_change = |event: &Event| before.iter().any(|old| words(old) == words(event));
    let later = frames_of(bench, &small.tag, Some(number), asked);
    later.iter().filter(|frame| !frame.before_reply && !is_of_the_change(&frame.event)).for_each(|frame| note(&frame.event));
    small.cancel_statuses = statuses;
    small.cancel_again = Some(bench.change(exchange, bench.broker.cancel(number.clone())).await);
}

pub(super) fn words(event: &Event) -> String {
    format!("{}/{}", event.status, event.report)
}

/// Whether the row is at its end.
pub(super) fn is_over(row: &Fields) -> bool {
    is_cancelled(row)
        || row.text("status").is_some_and(|status| ["REJECTED", "REJECT", "COMPLETE"].contains(&status.to_uppercase().as_str()))
}

pub(super) fn is_cancelled(row: &Fields) -> bool {
    row.text("status").is_some_and(|status| ["CANCELED", "CANCELLED"].contains(&status.to_uppercase().as_str()))
}
