//! Money and books.

use std::collections::BTreeMap;
use std::sync::Arc;

use ordergate_actors::order::{Instrument, Price};
use ordergate_actors::ports::{Broker as _, Snapshot};

use crate::brokers::noren::wire::limits::{self, Limits};
use crate::brokers::noren::wire::margin::{self, OrderMargin};
use crate::brokers::noren::wire::request::MarginLeg;
use crate::conformance::bench::{Bench, terms};
use crate::conformance::facts::{Book, Fillshares, Found};

pub(super) async fn funds(bench: &Bench) -> Found<Limits> {
    let fields = bench.object(bench.probe.encoder(None).limits()).await?;
    limits::read(&fields).map_err(|error| error.to_string())
}

/// What one lot would cost at that price.
pub(super) async fn margin(bench: &Bench, instrument: &Arc<Instrument>, price: Price) -> Found<OrderMargin> {
    let terms = terms(instrument, instrument.lot.value(), price)?;
    let fields = bench.object(bench.probe.encoder(None).order_margin(MarginLeg { instrument, terms: &terms })).await?;
    margin::order(&fields).map_err(|error| error.to_string())
}

pub(super) async fn orders(bench: &Bench) -> Found<Book> {
    bench.pace.turn(None).await;
    book(bench.broker.orders().await)
}

pub(super) async fn trades(bench: &Bench) -> Found<Book> {
    bench.pace.turn(None).await;
    book(bench.broker.trades().await)
}

pub(super) async fn positions(bench: &Bench) -> Found<Book> {
    bench.pace.turn(None).await;
    book(bench.broker.positions().await)
}

fn book<T>(snapshot: Snapshot<T>) -> Found<Book> {
    match snapshot {
        Snapshot::Authoritative(rows, unreadable) => {
            Ok(Book { rows: rows.len(), unreadable: unreadable.into_iter().map(|row| row.cause).collect() })
        }
        Snapshot::Unknown(words) => Err(words),
        Snapshot::RateLimited { text, .. } => Err(text),
    }
}

/// What the trade book shows of an order with several fills, if it has one.
pub(super) async fn fillshares(bench: &Bench) -> Option<Fillshares> {
    let rows = bench.rows(bench.probe.encoder(None).trade_book()).await.ok()?;
    let mut orders: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for row in &rows {
        let (told, own) = (row.integer("fillshares").ok().flatten()?, row.integer("flqty").ok().flatten()?);
        orders.entry(row.text("norenordno")?).or_default().push((told, own));
    }
    let several = orders.into_values().find(|fills| fills.len() > 1)?;
    let is_own = several.iter().all(|(told, own)| told == own);
    Some(if is_own { Fillshares::OwnFill } else { Fillshares::Cumulative })
}
