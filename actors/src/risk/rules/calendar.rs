//! No entry outside the session of its instrument. A day that no calendar covers is outside.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Checked, Inputs};
use crate::order::Tag;
use crate::order::calendar::{AuctionStep, Calendar, Facts, Missing, SessionPhase};
use crate::order::{InstrumentKey, OrderRecord};
use crate::ports::Instruments;

/// What the calendar says of the instrument's market, and whether the account is held to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Market {
    /// What goes on there.
    pub phase: SessionPhase,
    /// Whether the account is held to it. A broker where no money moves is open always, unless the settings say otherwise.
    pub is_held: bool,
}

impl Market {
    /// The market of that instrument at that time. One that is not in the master has no known hours.
    ///
    /// After a step back of the machine's clock, which stands `set_back` behind `now` then, nobody knows which of the two was right.
    /// Entries are refused; a position must not be without its stops for the difference, so what takes exits by either clock does.
    #[must_use]
    pub fn of(
        calendar: &Calendar,
        instruments: &dyn Instruments,
        key: &InstrumentKey,
        is_live: bool,
        now: DateTime<Utc>,
        set_back: Option<TimeDelta>,
    ) -> Self {
        let is_held = calendar.holds(is_live);
        let Some(found) = instruments.find(key) else { return Self { phase: SessionPhase::Unknown(Missing::Instrument), is_held } };
        let facts = Facts::of(&found, instruments.has_derivatives(&found.underlying));
        let phase = calendar.session(&facts, now);
        let by_the_machine = || {
            let behind = set_back.filter(|_| !phase.takes_exits())?;
            let phase = calendar.session(&facts, now.checked_sub_signed(behind)?);
            phase.takes_exits().then(|| phase.later_by(behind))
        };
        Self { phase: by_the_machine().unwrap_or(phase), is_held }
    }

    /// Whether it takes exits now.
    #[must_use]
    pub fn takes_exits(&self) -> bool {
        !self.is_held || self.phase.takes_exits()
    }

    /// What an exit waits for, if it does. The broker refuses it now; a position that must be closed is closed as soon
    /// as the exchange takes orders.
    #[must_use]
    pub fn keeps_back(&self, order: &OrderRecord) -> Option<String> {
        (!order.is_test() && !self.takes_exits()).then(|| format!("the market takes no orders: {}", self.phase))
    }

    /// Whether exits wait there for its opening, or lie in an auction until the match: nobody can close anything sooner.
    #[must_use]
    pub fn holds_exits(&self) -> bool {
        self.is_held && !matches!(self.phase, SessionPhase::Unknown(_) | SessionPhase::Continuous { .. })
    }

    /// Whether an order that rests lies in the closing auction, and waits for its match.
    #[must_use]
    pub fn is_in_auction(&self) -> bool {
        let is_held_by = |step: AuctionStep| step.takes_orders() || step == AuctionStep::Matching;
        self.is_held && matches!(self.phase, SessionPhase::ClosingAuction { step, .. } if is_held_by(step))
    }

    /// Why an entry that was judged before may not go any more: the session ended while it waited for its turn.
    #[must_use]
    pub fn keeps_out(&self, order: &OrderRecord) -> Option<String> {
        let is_open = !self.is_held || order.is_exit() || order.is_test() || self.phase.takes_entries();
        (!is_open).then(|| format!("the market takes no entries: {}", self.phase))
    }
}

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let held = x.market.is_held;
    let limit = if held { "in continuous trading" } else { "not held to the calendar (calendar.enforce)" };
    Checked::new("risk.calendar", Tag::MarketClosed, !held || x.market.phase.takes_entries(), &x.market.phase, limit)
}
