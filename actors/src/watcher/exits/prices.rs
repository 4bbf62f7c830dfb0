//! The prices that exit rules go by: a quote, or where the feed is silent what the broker's positions say.

use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use super::super::WatcherActor;
use crate::exits::{ExitRule, Tick};
use crate::order::HoldingKey;

impl WatcherActor {
    pub(super) fn muted_after(&self) -> Duration {
        Duration::from_std(self.desk.settings.exits.muted_after).unwrap_or(Duration::MAX)
    }

    /// The newest tick of a rule's instrument: the quote, or, where the feed is muted, what the broker's positions say.
    pub(super) fn tick_of(&self, rule: &ExitRule, now: DateTime<Utc>) -> (Option<Tick>, bool) {
        let quote = self.line.newest_quote(&self.desk, &rule.holding.instrument);
        if let Some(quote) = quote.filter(|quote| now.signed_duration_since(quote.at) <= self.muted_after()) {
            return (Some(Tick::from(&quote)), false);
        }
        (self.told_by_positions(&rule.holding, now), true)
    }

    /// The price that the broker's positions tell, if they are young enough.
    fn told_by_positions(&self, holding: &HoldingKey, now: DateTime<Utc>) -> Option<Tick> {
        let findings = self.desk.findings.read();
        let positions = findings.positions.as_ref()?;
        let row = positions.rows().iter().find(|row| row.holding == *holding && row.net != 0)?;
        let a_unit = row.unrealised.0.checked_div(Decimal::from(row.net))?;
        let move_ = a_unit.checked_div(self.line.point(&self.desk.client_id, &holding.instrument)?)?;
        let last = row.average_price?.checked_add(move_)?;
        let is_young = now.signed_duration_since(positions.at) <= self.muted_after();
        is_young.then_some(Tick { last, bid: None, ask: None, at: positions.at })
    }

    /// What a position is worth a unit, for a sum that needs no tick, and whether a quote says so: also one of long ago that we were told
    /// again just now, because nothing has traded since. Else what the positions say; `None`: nobody knows.
    pub(super) fn worth_of(&self, holding: &HoldingKey, now: DateTime<Utc>) -> (Option<Decimal>, bool) {
        let quote = self.line.newest_quote(&self.desk, &holding.instrument);
        match quote.filter(|quote| now.signed_duration_since(quote.at.max(quote.seen_at)) <= self.muted_after()) {
            Some(quote) => {
                // A print outside of the touch is taken for the touch.
                let Tick { last, bid, ask, .. } = Tick::from(&quote);
                let touch = bid.zip(ask).filter(|(bid, ask)| bid <= ask);
                (Some(touch.map_or(last, |(bid, ask)| last.clamp(bid, ask))), true)
            }
            None => (self.told_by_positions(holding, now).map(|tick| tick.last), false),
        }
    }
}
