//! A market drawn from a seed: the book of any instrument at any time is a function of the seed, the instrument and
//! the time. It never closes. Its prices are nobody's: see [`SYNTHETIC`](super::SYNTHETIC).

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use ordergate_actors::order::{Instrument, Kind, Price, Right, ist, trading_date};
use rust_decimal::Decimal;

use super::option;
use super::{Depth, Level, Market};
use crate::simulator::noise::{between, hash, name, smooth};

/// How long one version of the book stands.
const STEP_MS: i64 = 250;
const LEVELS: i64 = 5;
/// Hundredths of a paisa in a rupee.
const SCALE: u32 = 4;
/// Waves of the level: period and height in millionths of it. Together less than 1.4 %.
const WAVES: [(i64, i64); 5] = [(86_400_000, 6_000), (7_200_000, 4_000), (1_200_000, 2_400), (180_000, 1_000), (20_000, 300)];
/// Interest of the futures, millionths per day (6.5 % a year).
const CARRY_PER_DAY: i64 = 178;

/// The synthetic market.
#[derive(Debug, Clone)]
pub struct SyntheticMarket {
    seed: u64,
    levels: BTreeMap<Arc<str>, Price>,
}

impl SyntheticMarket {
    /// A market of these instruments. An underlying moves around the middle strike of its options, or around its level
    /// in the sample, or, if it has neither, around a level drawn from the seed.
    #[must_use]
    pub fn new<'a>(seed: u64, instruments: impl IntoIterator<Item = &'a Instrument>) -> Self {
        let mut strikes: BTreeMap<Arc<str>, Vec<Price>> = BTreeMap::new();
        for instrument in instruments {
            if let Kind::Option { strike, .. } = instrument.kind {
                strikes.entry(Arc::clone(&instrument.underlying)).or_default().push(strike);
            }
        }
        let mut levels: BTreeMap<Arc<str>, Price> = BTreeMap::new();
        for (underlying, mut strikes) in strikes {
            strikes.sort_unstable();
            if let Some(middle) = strikes.get(strikes.len() / 2) {
                levels.insert(underlying, *middle);
            }
        }
        // The sample is embedded and tested; without it these levels would be drawn.
        for (underlying, level) in crate::instruments::levels().unwrap_or_default() {
            levels.entry(underlying).or_insert(level);
        }
        Self { seed, levels }
    }

    /// The market of the same instruments that is drawn from another seed.
    #[must_use]
    pub fn reseeded(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Moves one underlying to another level.
    #[must_use]
    pub fn with_level(mut self, underlying: &str, level: Price) -> Self {
        self.levels.insert(Arc::from(underlying), level);
        self
    }

    /// The price of the underlying at that time.
    fn spot(&self, underlying: &str, millis: i64) -> Option<i64> {
        let channel = name(underlying);
        let base = match self.levels.get(underlying) {
            Some(level) => scaled(*level)?,
            None => between(200, 4_000, &[self.seed, channel]) * 10_i64.pow(SCALE),
        };
        let wave: i64 = (0u64..)
            .zip(WAVES)
            .map(|(n, (period_ms, height))| smooth(self.seed, hash(&[channel, n]), millis, period_ms) * height / 1_000_000)
            .sum();
        base.checked_add(times_ppm(base, wave)?)
    }

    fn fair(&self, instrument: &Instrument, millis: i64) -> Option<i64> {
        let spot = self.spot(&instrument.underlying, millis)?;
        let carried = |seconds: i64| spot.checked_add(times_ppm(spot, seconds * CARRY_PER_DAY / 86_400)?);
        match &instrument.kind {
            Kind::Equity | Kind::Index => Some(spot),
            Kind::Future { expiry } => carried(seconds_left(*expiry, millis)?),
            Kind::Option { expiry, strike, right } => {
                let seconds = seconds_left(*expiry, millis)?;
                let (call, put) = option::values(carried(seconds)?, scaled(*strike)?, seconds);
                Some(if *right == Right::Call { call } else { put })
            }
        }
    }
}

impl Market for SyntheticMarket {
    fn depth(&self, instrument: &Instrument, now: DateTime<Utc>) -> Option<Depth> {
        let step = now.timestamp_millis().div_euclid(STEP_MS);
        let millis = step * STEP_MS;
        let at = DateTime::from_timestamp_millis(millis)?;
        let fair = self.fair(instrument, millis)?;
        let tick = scaled(instrument.tick)?;
        let version = step.cast_unsigned();
        if !instrument.is_tradable() {
            return Some(Depth { bids: Vec::new(), asks: Vec::new(), last: in_ticks(fair / tick, tick)?, at, version });
        }
        let channel = name(&instrument.key.symbol);
        let draw = |low, high, what: u64| between(low, high, &[self.seed, channel, version, what]);
        // A book needs room for its lowest bid.
        let bid = (fair / tick - draw(0, 1, 1)).max(LEVELS);
        let ask = bid + draw(1, 3, 2);
        let lot = instrument.lot.value();
        let most = if lot == 1 { 2_000 } else { 40 };
        let side = |best: i64, direction: i64, what: u64| -> Option<Vec<Level>> {
            (0..LEVELS)
                .zip(what..)
                .map(|(n, what)| Some(Level { price: in_ticks(best + direction * n, tick)?, quantity: lot * draw(1, most, what) }))
                .collect()
        };
        let last = in_ticks(draw(bid, ask, 3), tick)?;
        Some(Depth { bids: side(bid, -1, 10)?, asks: side(ask, 1, 20)?, last, at, version })
    }

    /// It never closes: the last trade at half past three in India, the day before.
    fn previous_close(&self, instrument: &Instrument, now: DateTime<Utc>) -> Option<Price> {
        let close = trading_date(now).pred_opt()?.and_hms_opt(15, 30, 0)?.and_local_timezone(ist()).single()?;
        self.depth(instrument, close.to_utc()).map(|depth| depth.last)
    }
}

fn scaled(price: Price) -> Option<i64> {
    let mut value = price.value();
    value.rescale(SCALE);
    i64::try_from(value.mantissa()).ok()
}

fn in_ticks(ticks: i64, tick: i64) -> Option<Price> {
    Price::new(Decimal::new(ticks.max(1).checked_mul(tick)?, SCALE))
}

fn times_ppm(value: i64, ppm: i64) -> Option<i64> {
    i64::try_from(i128::from(value) * i128::from(ppm) / 1_000_000).ok()
}

/// Seconds to the end of the expiry day, India.
fn seconds_left(expiry: NaiveDate, millis: i64) -> Option<i64> {
    let end = expiry.and_time(NaiveTime::MIN).checked_add_signed(TimeDelta::days(1))?.and_local_timezone(ist()).single()?;
    Some((end.timestamp() - millis.div_euclid(1_000)).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::sample;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    fn rows() -> Vec<Instrument> {
        sample("2026-11-20".parse().unwrap()).unwrap()
    }

    fn at(millis: i64) -> DateTime<Utc> {
        "2026-11-20T18:30:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::milliseconds(millis)
    }

    #[test]
    fn the_same_seed_shows_the_same_market_and_another_does_not() {
        let rows = rows();
        let (one, two, other) = (SyntheticMarket::new(7, &rows), SyntheticMarket::new(7, &rows), SyntheticMarket::new(8, &rows));
        let look = |market: &SyntheticMarket| -> Vec<_> {
            (0..50).flat_map(|n| rows.iter().map(move |row| (n, row))).map(|(n, row)| market.depth(row, at(n * 997))).collect()
        };
        assert_eq!(look(&one), look(&two));
        assert_ne!(look(&one), look(&other));
    }

    #[test]
    fn the_index_is_shown_and_has_no_book() {
        let rows = rows();
        let nifty = rows.iter().find(|row| row.kind == Kind::Index).unwrap();
        let depth = SyntheticMarket::new(1, &rows).depth(nifty, at(0)).unwrap();
        assert!(depth.bids.is_empty() && depth.asks.is_empty());
        assert!((25_300..26_100).contains(&i64::try_from(depth.last.value().floor()).unwrap()), "{}", depth.last);
    }

    #[test]
    fn the_market_moves() {
        let rows = rows();
        let market = SyntheticMarket::new(1, &rows);
        let seen: std::collections::BTreeSet<_> = (0..60).map(|n| market.depth(&rows[0], at(n * 60_000)).unwrap().last).collect();
        assert!(seen.len() > 20, "{seen:?}");
    }

    #[test]
    fn the_close_of_the_day_before_stands_all_day() {
        let rows = rows();
        let market = SyntheticMarket::new(1, &rows);
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let close = |text: &str| market.previous_close(&rows[0], time(text));
        let wanted = market.depth(&rows[0], time("2026-11-19T10:00:00Z")).unwrap().last;
        assert_eq!((close("2026-11-19T18:30:00Z"), close("2026-11-20T18:29:59Z")), (Some(wanted), Some(wanted)), "midnight is India's");
        assert_eq!(close("2026-11-20T18:30:00Z"), Some(market.depth(&rows[0], time("2026-11-20T10:00:00Z")).unwrap().last));
    }

    #[test]
    fn an_unknown_underlying_still_has_a_price() {
        let mut row = rows().swap_remove(0);
        row.underlying = Arc::from("NOBODY");
        assert!(SyntheticMarket::new(1, []).depth(&row, at(0)).is_some());
        let moved = SyntheticMarket::new(1, []).with_level("NOBODY", Price::parse("50").unwrap()).depth(&row, at(0)).unwrap();
        assert!(moved.last < Price::parse("52").unwrap());
    }

    proptest! {
        #[test]
        fn prop_every_book_is_well_formed(seed: u64, millis in -86_400_000i64..6 * 86_400_000, pick in 0usize..91) {
            let rows = rows();
            let row = &rows[pick];
            let depth = SyntheticMarket::new(seed, &rows).depth(row, at(millis)).unwrap();
            prop_assert!(depth.at <= at(millis));
            prop_assert!(depth.last >= row.tick && depth.last.is_on_tick(row.tick));
            if row.is_tradable() {
                prop_assert_eq!((depth.bids.len(), depth.asks.len()), (5, 5));
                prop_assert!(depth.bids.windows(2).all(|pair| pair[0].price > pair[1].price));
                prop_assert!(depth.asks.windows(2).all(|pair| pair[0].price < pair[1].price));
                prop_assert!(depth.bids[0].price <= depth.last && depth.last <= depth.asks[0].price);
                prop_assert!(depth.bids[0].price < depth.asks[0].price);
                for level in depth.bids.iter().chain(&depth.asks) {
                    prop_assert!(level.price.is_on_tick(row.tick));
                    prop_assert!(level.quantity > 0 && level.quantity % row.lot.value() == 0);
                    if let Some((low, high)) = row.band {
                        prop_assert!(level.price >= low && level.price <= high);
                    }
                }
            }
        }
    }
}
