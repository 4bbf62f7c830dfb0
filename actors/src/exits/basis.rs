//! A position that was carried over a split, a bonus or another change of what its price means: its rule is in yesterday's prices.
//!
//! The exchange moves its price range with the new basis, so a level that was set on an earlier day and lies beyond the range of today, on
//! the side on which it would fire at once, is in another basis. It fires nothing: nothing of the kind was lost or won.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::rule::{Cause, ExitRule};
use crate::order::{Price, Side, trading_date};

impl ExitRule {
    /// Detects a level that was set before a split or a bonus: answers the level that would fire, if it was set on an earlier day and lies
    /// outside of today's price band. A band in which the market does not trade, by its `last` price, is not today's.
    #[must_use]
    pub fn of_another_basis(
        &self,
        cause: Cause,
        band: Option<(Price, Price)>,
        last: Option<Decimal>,
        now: DateTime<Utc>,
    ) -> Option<Decimal> {
        let (low, high) = band.filter(|(low, high)| last.is_none_or(|last| (low.value()..=high.value()).contains(&last)))?;
        let said_at = self.by_hand.map_or(self.set_at, |by_hand| by_hand.max(self.set_at)).max(self.held_since);
        if trading_date(said_at) >= trading_date(now) {
            return None;
        }
        // A stop fires below itself, a target above; for a short position it is the other way about.
        let (level, fires_below) = match cause {
            Cause::Stop | Cause::Trail => (self.stop?, self.position == Side::Buy),
            Cause::Target => (self.target?, self.position == Side::Sell),
            Cause::Time | Cause::Combined => return None,
        };
        let is_beyond = if fires_below { level > high.value() } else { level < low.value() };
        is_beyond.then_some(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exits::Terms;
    use crate::order::{Holding, Points, Product};
    use crate::testkit::builders::{at, price, sbin_in, strategy};

    fn rule(net: i64, stop: &str, target: &str) -> ExitRule {
        let held = Holding { net, cost: Points(Decimal::from(800 * net.abs())), realised: Points::ZERO, opened_at: Some(at(0)) };
        let terms = Terms { stop_loss: Some(stop.parse().unwrap()), target: Some(target.parse().unwrap()), ..Terms::default() };
        ExitRule::new(strategy("trend"), sbin_in(Product::Cnc), &held, terms, Decimal::ONE, "a test".into(), at(0)).unwrap()
    }

    /// A split of 1:5 opens at 160, a consolidation of 5:1 at 4,000.
    #[test]
    fn a_level_beyond_the_range_of_the_day_is_of_another_basis() {
        let tomorrow = at(86_400);
        let split = Some((price("128"), price("192")));
        let merged = Some((price("3200"), price("4800")));
        let usual = Some((price("640"), price("960")));
        let long = rule(10, "784", "880");
        let short = rule(-10, "816", "720");
        for (rule, cause, band, wanted) in [
            (&long, Cause::Stop, split, Some(784)),
            (&long, Cause::Trail, split, Some(784)),
            (&long, Cause::Target, split, None),
            (&long, Cause::Target, merged, Some(880)),
            (&long, Cause::Stop, merged, None),
            (&short, Cause::Stop, merged, Some(816)),
            (&short, Cause::Target, split, Some(720)),
            (&short, Cause::Stop, split, None),
            (&long, Cause::Stop, usual, None),
            (&long, Cause::Target, usual, None),
            (&short, Cause::Stop, usual, None),
            (&long, Cause::Stop, None, None),
            (&long, Cause::Time, split, None),
        ] {
            let found = rule.of_another_basis(cause, band, None, tomorrow);
            assert_eq!(found, wanted.map(Decimal::from), "{:?} {cause} {band:?}", rule.position);
        }
        // What was said today is said in today's prices.
        assert_eq!(long.of_another_basis(Cause::Stop, split, None, at(60)), None);
        for said in [
            ExitRule { set_at: tomorrow, ..long.clone() },
            ExitRule { by_hand: Some(tomorrow), ..long.clone() },
            ExitRule { held_since: tomorrow, ..long.clone() },
        ] {
            assert_eq!(said.of_another_basis(Cause::Stop, split, None, tomorrow), None);
        }
    }

    /// The master's band is of the morning, and the exchange has widened it since: the stop has trailed today to where no band was then.
    #[test]
    fn a_band_outside_of_which_the_market_trades_is_not_believed() {
        let (tomorrow, band) = (at(86_400), Some((price("720"), price("880"))));
        let trailed = ExitRule { stop: Some(895.into()), ..rule(10, "784", "990") };
        let at_last = |last: u32| trailed.of_another_basis(Cause::Trail, band, Some(last.into()), tomorrow);
        assert_eq!(at_last(894), None, "895 was earned today");
        assert_eq!(at_last(870), Some(895.into()), "the market is in the band, and the level is not");
    }
}
