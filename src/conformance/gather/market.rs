//! Quotes, instruments, masters.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Price, ist, trading_date};

use crate::brokers::noren::wire::{Fields, quote, search as found_by_words, security as of_security};
use crate::conformance::Plan;
use crate::conformance::bench::Bench;
use crate::conformance::facts::{Compared, Figure, Found, Hits, Master, Quoted, Tried};
use crate::files::private_directory;
use crate::instruments::master::Downloader;

/// NIFTY 50 (Noren protocol reference, section 5.3).
const INDEX: (Exchange, u32) = (Exchange::Nse, 26_000);

/// The instrument of the run.
pub(super) fn instrument(bench: &Bench, key: &InstrumentKey) -> Found<Arc<Instrument>> {
    bench.instruments.find(key).ok_or_else(|| format!("needs {key} in the instrument master (see `ordergate instruments`)"))
}

pub(super) async fn quote(bench: &Bench, instrument: &Instrument) -> Found<Quoted> {
    let (exchange, token) = (instrument.key.exchange, instrument.token);
    let asked_at = bench.clock.now();
    let fields = bench.object(bench.probe.encoder(None).quote(exchange, token)).await?;
    let market = quote::read(&fields, exchange, token, asked_at).map_err(|error| error.to_string())?;
    let trade_age = trade_age(&fields, market.at);
    Ok(Quoted { market, trade_age })
}

/// `ltt` is a wall time without a day; one after the answer is of the day before.
fn trade_age(fields: &Fields, at: DateTime<Utc>) -> Option<Duration> {
    let told = chrono::NaiveTime::parse_from_str(&fields.text("ltt")?, "%H:%M:%S").ok()?;
    let wall = at.with_timezone(&ist()).time();
    let age = wall.signed_duration_since(told);
    // Clocks that differ by a second are no day apart.
    if age < chrono::TimeDelta::seconds(-2) {
        return (age + chrono::TimeDelta::days(1)).to_std().ok();
    }
    Some(age.to_std().unwrap_or_default())
}

pub(super) async fn index(bench: &Bench) -> Found<Price> {
    let asked_at = bench.clock.now();
    let fields = bench.object(bench.probe.encoder(None).quote(INDEX.0, INDEX.1)).await?;
    let market = quote::read(&fields, INDEX.0, INDEX.1, asked_at).map_err(|error| error.to_string())?;
    Ok(market.last)
}

pub(super) async fn search(bench: &Bench, instrument: &Instrument) -> Found<Hits> {
    let fields = bench.object(bench.probe.encoder(None).search(instrument.key.exchange, &instrument.key.symbol)).await?;
    let (hits, _) = found_by_words::read(&fields).map_err(|error| error.to_string())?;
    let has_it = hits.iter().any(|hit| hit.key == instrument.key && hit.token == instrument.token);
    Ok(Hits { count: hits.len(), has_it })
}

/// The broker's word beside the master's. A freeze may be told as the first quantity that is refused: one more (Noren
/// protocol reference, section 3.6).
pub(super) async fn security(bench: &Bench, instrument: &Instrument) -> Found<Compared> {
    let fields = bench.object(bench.probe.encoder(None).security_info(instrument.key.exchange, instrument.token)).await?;
    let told = of_security::read(&fields).map_err(|error| error.to_string())?;
    let text = |value: Option<String>| value;
    let same =
        |name, ours: Option<String>, theirs: Option<String>| Figure { is_fine: theirs.is_none() || ours == theirs, name, ours, theirs };
    let band = |band: Option<(Price, Price)>| band.map(|(low, high)| format!("{low} to {high}"));
    let freeze = (instrument.freeze.map(|it| it.value()), told.freeze.map(|it| it.value()));
    let is_frozen_alike = match freeze {
        (Some(ours), Some(theirs)) => theirs == ours || theirs == ours + 1,
        _ => true,
    };
    let ours_band = instrument.band;
    Ok(Compared {
        figures: vec![
            same("symbol", text(Some(instrument.key.to_string())), text(Some(told.key.to_string()))),
            same("lot", text(Some(instrument.lot.to_string())), text(told.lot.map(|lot| lot.to_string()))),
            same("tick", text(Some(instrument.tick.to_string())), text(told.tick.map(|tick| tick.to_string()))),
            Figure {
                name: "freeze",
                ours: freeze.0.map(|it| it.to_string()),
                theirs: freeze.1.map(|it| it.to_string()),
                is_fine: is_frozen_alike,
            },
            Figure {
                name: "band",
                // A master without bands is no contradiction.
                is_fine: ours_band.is_none() || told.band.is_none() || ours_band == told.band,
                ours: band(ours_band),
                theirs: band(told.band),
            },
        ],
    })
}

/// Fetches every exchange's master once, into a directory of the run's own.
pub(super) async fn masters(plan: &Plan) -> Tried<Vec<(Exchange, Found<Master>)>> {
    let source = plan.masters.as_ref().map_err(Clone::clone)?;
    let directory = plan.data.join("conformance").join("masters");
    private_directory(&directory).map_err(|error| format!("needs {}: {error}", directory.display()))?;
    let downloader = Downloader::new(&source.url, directory.clone(), source.tick).map_err(|error| format!("needs an address: {error}"))?;
    let day = trading_date(plan.clock.now());
    let mut fetched = Vec::with_capacity(source.exchanges.len());
    for exchange in &source.exchanges {
        let master = downloader.fetch(*exchange, day).await;
        fetched.push((*exchange, master.map(|it| Master { rows: it.rows, bad: it.bad_count }).map_err(|error| error.to_string())));
    }
    let _ = std::fs::remove_dir_all(&directory);
    Ok(fetched)
}
