//! What a quantity counts on MCX and CDS: units or lots (Noren protocol reference, section 4.6).
//!
//! An order of quantity 1 settles it without risk: where units count it is no whole lot and is refused, where lots count
//! it is the smallest order there is.

use std::sync::Arc;

use ordergate_actors::QuantityUnit;
use ordergate_actors::order::{Exchange, Instrument, Price};
use ordergate_actors::ports::{Broker as _, PlaceOutcome};

use super::small::is_over;
use crate::brokers::noren::wire::position_row::per_point;
use crate::conformance::bench::{Bench, Whose};
use crate::conformance::facts::{Tried, Unit};

pub(super) async fn settle(bench: &Bench, instrument: &Arc<Instrument>, price: Price) -> Tried<Unit> {
    let exchange = instrument.key.exchange;
    if !matches!(exchange, Exchange::Mcx | Exchange::Cds) {
        return Err("needs --symbol MCX:… or CDS:…".to_owned());
    }
    let lot = instrument.lot.value();
    if lot == 1 {
        return Err(format!(
            "nothing is to be settled: the master gives {} a lot of 1, so that units and lots are the same",
            instrument.key
        ));
    }
    // If it counts lots, it is a whole lot.
    bench.within_limits(instrument, lot, price)?;
    let tag = bench.tag("UNIT01");
    let order = bench.order(instrument, &tag, 1, price)?;
    let outcome = bench.send(exchange, &tag, bench.probe.place(bench.probe.encoder(None).place(&order))).await;
    let row = match &outcome {
        PlaceOutcome::Accepted(number) => {
            let settled = |row: &crate::brokers::noren::wire::Fields| {
                row.text("status").is_some_and(|status| !status.to_uppercase().contains("PENDING"))
            };
            let row = bench.follow(Whose::Number(number), bench.patience(), settled).await;
            if row.as_ref().is_none_or(|row| !is_over(row)) {
                let _followed = bench.change(exchange, bench.broker.cancel(number.clone())).await;
                let _row = bench.follow(Whose::Number(number), bench.patience() / 3, is_over).await;
            }
            row
        }
        _ => None,
    };
    let status = row.as_ref().and_then(|row| Some((row.text("status")?, row.text("rejreason"))));
    let shown = row.as_ref().and_then(|row| row.integer("qty").ok().flatten());
    let words = match (&outcome, &status) {
        (PlaceOutcome::Rejected(words), _) | (_, Some((_, Some(words)))) => words.to_lowercase(),
        _ => String::new(),
    };
    let is_open = status.as_ref().is_some_and(|(status, _)| status.eq_ignore_ascii_case("OPEN"));
    let unit = if words.contains("multiple of lot") {
        Some(QuantityUnit::Units)
    } else {
        (is_open && shown == Some(1)).then_some(QuantityUnit::Lots)
    };
    let told_point = row.as_ref().and_then(|row| per_point(row).ok().flatten());
    Ok(Unit { exchange, outcome, status, shown, lot, unit, told_point, point: instrument.rupees_per_point })
}
