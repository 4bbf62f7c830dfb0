//! The market of a seed: the synthetic one, with gaps, and with stretches in which the feed shows nothing new. At rest it
//! stands still.

use chrono::{DateTime, Duration, Utc};
use ordergate::simulator::market::{Depth, Level, Market, SyntheticMarket};
use ordergate_actors::order::{Instrument, Price};
use ordergate_actors::testkit::morning;
use parking_lot::Mutex;
use rust_decimal::Decimal;

use super::script::Draw;

/// The longest script, about.
const LONG_MS: u64 = 60_000;

/// What the market of a seed does beside moving.
#[derive(Debug)]
pub(crate) struct Weather {
    market: SyntheticMarket,
    /// From when on every price is so many thousandths higher.
    gaps: Vec<(DateTime<Utc>, i64)>,
    /// From when until when the feed shows nothing new.
    mutes: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    /// Little is shown at each price while it moves: an order takes what there is, and waits for more.
    is_thin: bool,
    stands_at: Mutex<Option<DateTime<Utc>>>,
}

/// The most units at one price of a thin market.
const THIN: i64 = 4;

impl Weather {
    /// Half of the seeds have gaps, half have mutes.
    pub(crate) fn new(seed: u64, market: SyntheticMarket) -> Self {
        let mut draw = Draw::new(seed ^ 0x9a7);
        let after = |draw: &mut Draw| morning() + Duration::milliseconds(i64::try_from(draw.below(LONG_MS)).unwrap());
        let count = |draw: &mut Draw| if draw.below(2) == 0 { 0 } else { 1 + draw.below(2) };
        let gaps = (0..count(&mut draw)).map(|_| (after(&mut draw), i64::try_from(draw.below(121)).unwrap() - 60)).collect();
        let mutes = (0..count(&mut draw))
            .map(|_| {
                let from = after(&mut draw);
                (from, from + Duration::milliseconds(i64::try_from(1_000 + draw.below(14_000)).unwrap()))
            })
            .collect();
        Self { market, gaps, mutes, is_thin: false, stands_at: Mutex::new(None) }
    }

    /// The same weather over a market in which little is shown, or over the one that it has.
    pub(crate) fn thin(self, is_thin: bool) -> Self {
        Self { is_thin, ..self }
    }

    /// It stands still from then on, or moves again.
    pub(crate) fn stand_still(&self, at: Option<DateTime<Utc>>) {
        *self.stands_at.lock() = at;
    }
}

impl Market for Weather {
    fn depth(&self, instrument: &Instrument, now: DateTime<Utc>) -> Option<Depth> {
        let stands_at = *self.stands_at.lock();
        let asked = stands_at.unwrap_or(now);
        let mute = self.mutes.iter().find(|(from, until)| *from <= asked && asked < *until);
        let seen = mute.map_or(asked, |(from, _)| *from);
        let depth = self.market.depth(instrument, seen)?;
        let depth = if self.is_thin { thinned(depth, stands_at.is_none()) } else { depth };
        let passed = self.gaps.iter().filter(|(from, _)| *from <= seen);
        let (count, thousandths) = passed.fold((0, 0), |(count, sum), (_, gap)| (count + 1, sum + gap));
        let at = if stands_at.is_some() { now } else { depth.at };
        if count == 0 {
            return Some(Depth { at, ..depth });
        }
        let tick = instrument.tick.value();
        let ticks = (depth.last.value() * Decimal::from(thousandths) / Decimal::ONE_THOUSAND / tick).round();
        let moved = |price: Price| Price::new(price.value() + ticks * tick);
        let side =
            |levels: Vec<Level>| levels.into_iter().filter_map(|level| Some(Level { price: moved(level.price)?, ..level })).collect();
        // A book that a gap has moved is another book.
        let version = depth.version * 4 + count;
        Some(Depth { bids: side(depth.bids), asks: side(depth.asks), last: moved(depth.last)?, at, version })
    }
}

/// Less of the same book. One that shows all again is another book.
fn thinned(depth: Depth, is_thin: bool) -> Depth {
    let version = depth.version * 2 + u64::from(!is_thin);
    if !is_thin {
        return Depth { version, ..depth };
    }
    let few = |levels: Vec<Level>| levels.into_iter().take(2).map(|level| Level { quantity: 1 + level.quantity % THIN, ..level }).collect();
    Depth { bids: few(depth.bids), asks: few(depth.asks), version, ..depth }
}
