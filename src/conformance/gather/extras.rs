//! Orders that answer one question each: a long free text, a refused type, an ampersand in the symbol.

use std::sync::Arc;

use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, OrderType, Price, Terms};
use ordergate_actors::ports::{Broker as _, PlaceOutcome};
use tokio::time::Instant;

use super::market;
use super::small::{CANCELS, frames, is_over};
use crate::brokers::noren::wire::{Ampersand, Fields};
use crate::conformance::bench::{Bench, Whose, far_above, far_below};
use crate::conformance::facts::{LongRemarks, Refused, Spelling, Tried};

/// Longer than any free text that was seen to come back (Noren protocol reference, section 9.2).
const LONG: usize = 64;
/// How often the book is looked at for a row of a refused order.
const LOOKS: usize = 3;

/// Asks for the cancel until the book shows the end. What is left over is dealt with at the end of the run.
async fn cancelled(bench: &Bench, exchange: Exchange, outcome: &PlaceOutcome) {
    let PlaceOutcome::Accepted(number) = outcome else { return };
    for _ in 0..CANCELS {
        let _followed = bench.change(exchange, bench.broker.cancel(number.clone())).await;
        if bench.follow(Whose::Number(number), bench.patience() / 3, is_over).await.as_ref().is_some_and(is_over) {
            return;
        }
    }
}

/// The row of an order that was sent, if it got a number.
async fn row_of(bench: &Bench, outcome: &PlaceOutcome, wanted: impl Fn(&Fields) -> bool) -> Option<Fields> {
    let PlaceOutcome::Accepted(number) = outcome else { return None };
    bench.follow(Whose::Number(number), bench.patience(), wanted).await
}

fn is_settled(row: &Fields) -> bool {
    row.text("status").is_some_and(|status| !status.to_uppercase().contains("PENDING"))
}

pub(super) async fn long_remarks(bench: &Bench, instrument: &Arc<Instrument>, quantity: i64, price: Price) -> Tried<LongRemarks> {
    bench.within_limits(instrument, quantity, price)?;
    let mut text = bench.tag("LONG01");
    text.extend(('0'..='9').cycle().take(LONG.saturating_sub(text.len())));
    let order = bench.order(instrument, &text, quantity, price)?;
    let body = bench.probe.encoder(None).place_as(&order, &text);
    let exchange = instrument.key.exchange;
    let outcome = bench.send(exchange, &text, bench.probe.place(body)).await;
    let replied = Instant::now();
    let common = |seen: &str| seen.chars().zip(text.chars()).take_while(|(a, b)| a == b).count();
    let row = row_of(bench, &outcome, |_| true).await;
    let number = if let PlaceOutcome::Accepted(number) = &outcome { Some(number) } else { None };
    let seen = if number.is_some() { frames(bench, &text, number, replied).await } else { Vec::new() };
    let long = LongRemarks {
        sent: text.len(),
        in_book: row.map(|row| row.text("remarks").map_or(0, |seen| common(&seen))),
        in_stream: seen.iter().filter(|frame| !frame.is_sparse).map(|frame| frame.event.remarks.as_deref().map_or(0, common)).max(),
        outcome,
    };
    cancelled(bench, exchange, &long.outcome).await;
    Ok(long)
}

/// A stop-market order: refused like a market order (Noren protocol reference, section 8), and one that is taken against
/// expectation waits for a trigger far above the market instead of filling at once.
pub(super) async fn refusal(bench: &Bench, instrument: &Arc<Instrument>, quantity: i64) -> Tried<Refused> {
    let quoted = market::quote(bench, instrument).await?;
    let trigger = far_above(instrument, &quoted.market)?;
    bench.within_limits(instrument, quantity, trigger)?;
    let tag = bench.tag("REFUSE");
    let mut order = bench.order(instrument, &tag, quantity, trigger)?;
    order.terms = Terms { order_type: OrderType::StopMarket, price: None, trigger_price: Some(trigger), ..order.terms };
    let exchange = instrument.key.exchange;
    let outcome = bench.send(exchange, &tag, bench.probe.place(bench.probe.encoder(None).place(&order))).await;
    let mut row = Ok(None);
    for _ in 0..LOOKS {
        row = bench.book().await.map(|rows| {
            let found = rows.iter().find(|row| row.text("remarks").as_deref() == Some(&tag));
            found.and_then(|row| row.text("status"))
        });
        if row.as_ref().is_ok_and(Option::is_some) {
            break;
        }
    }
    cancelled(bench, exchange, &outcome).await;
    Ok(Refused { outcome, row })
}

/// `M&M-EQ` as the account writes it; after a clear refusal in the other way too.
pub(super) async fn ampersand(bench: &Bench) -> Tried<Vec<Spelling>> {
    let key = InstrumentKey::new(Exchange::Nse, "M&M-EQ");
    let instrument = market::instrument(bench, &key)?;
    let quoted = market::quote(bench, &instrument).await.map_err(|cause| format!("needs a quote of {key}: {cause}"))?;
    let price = far_below(&instrument, &quoted.market)?;
    let quantity = instrument.lot.value();
    bench.within_limits(&instrument, quantity, price)?;
    let own = bench.probe.settings().ampersand;
    let other = if own == Ampersand::Percent { Ampersand::Escape } else { Ampersand::Percent };
    let mut tried = Vec::new();
    for (mode, word) in [(own, "1AMPER"), (other, "2AMPER")] {
        let tag = bench.tag(word);
        let order = bench.order(&instrument, &tag, quantity, price)?;
        let body = bench.probe.encoder(Some(mode)).place(&order);
        let outcome = bench.send(key.exchange, &tag, bench.probe.place(body)).await;
        let row = row_of(bench, &outcome, is_settled).await;
        let is_refused = matches!(outcome, PlaceOutcome::Rejected(_));
        cancelled(bench, key.exchange, &outcome).await;
        tried.push(Spelling {
            mode,
            symbol: row.as_ref().and_then(|row| row.text("tsym")),
            status: row.and_then(|row| row.text("status")),
            outcome,
        });
        // After anything but a clear refusal a second order could be a second live order.
        if !is_refused {
            break;
        }
    }
    Ok(tried)
}
