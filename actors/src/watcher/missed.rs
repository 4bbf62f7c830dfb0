//! Whether somebody would miss a broker session now. Tokens end at night, and nothing can be done with one before a market takes
//! orders: nobody is woken for it. What is asked for is a session when a market is open, or opens so soon that a person needs the
//! time to log in.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::line::{Desk, Line};
use crate::order::calendar::{Calendar, Class, Facts, Missing, SessionPhase};
use crate::order::{EXCHANGES_CLOSED, EXCHANGES_OPEN, Exchange, InstrumentKey, ist};
use crate::persistence::Book;
use crate::ports::Instruments;

/// The calendar at one moment.
struct Look<'a> {
    calendar: &'a Calendar,
    /// So long before a market opens a session is wanted.
    lead: TimeDelta,
    now: DateTime<Utc>,
}

impl Look<'_> {
    /// Whether a session is wanted in that phase; `None`: nobody knows.
    fn wants(&self, phase: &SessionPhase) -> Option<bool> {
        match phase {
            SessionPhase::Closed { next_open, .. } => Some(next_open.is_some_and(|at| at.signed_duration_since(self.now) <= self.lead)),
            // No contract of that class is traded there.
            SessionPhase::Unknown(Missing::Hours) => Some(false),
            SessionPhase::Unknown(_) => None,
            _ => Some(true),
        }
    }

    /// Whether some market of the exchange wants one.
    fn segment(&self, segment: Exchange) -> bool {
        let phases = Class::ALL.iter().map(|(class, _)| self.wants(&self.calendar.phase(segment, *class, self.now)));
        phases.fold(false, |is_wanted, wants| is_wanted | wants.unwrap_or_else(|| self.may_be_open()))
    }

    /// Whether a market whose day nobody knows would be open, or open soon, on a day like any other.
    fn may_be_open(&self) -> bool {
        let is_open = |at: DateTime<Utc>| (EXCHANGES_OPEN..EXCHANGES_CLOSED).contains(&at.with_timezone(&ist()).time());
        is_open(self.now) || self.now.checked_add_signed(self.lead).is_some_and(is_open)
    }
}

/// Whether a session is missed by an account that holds that, or nothing.
fn is_missed(look: &Look<'_>, instruments: &dyn Instruments, held: &BTreeSet<InstrumentKey>) -> bool {
    if held.is_empty() {
        let is_traded = |segment: &&Exchange| instruments.as_of(**segment).is_some();
        let traded: Vec<Exchange> = Exchange::ALL.iter().filter(is_traded).copied().collect();
        let segments = if traded.is_empty() { Exchange::ALL.to_vec() } else { traded };
        return segments.into_iter().any(|segment| look.segment(segment));
    }
    held.iter().any(|key| {
        let found = instruments.find(key);
        let facts = found.map(|found| Facts::of(&found, instruments.has_derivatives(&found.underlying)));
        let wants = facts.and_then(|facts| look.wants(&look.calendar.session(&facts, look.now)));
        wants.unwrap_or_else(|| look.segment(key.exchange))
    })
}

/// Whether somebody would miss a broker session now: the market of something that is held, or of any exchange while nothing is, is
/// open or opens soon. An account that no calendar holds misses it at any time.
#[must_use]
pub fn session_is_missed(line: &Line, desk: &Desk, now: DateTime<Utc>) -> bool {
    if !line.calendar.holds(desk.broker.capabilities().is_live) {
        return true;
    }
    let ours = |book: &Book| book.held_keys().map(|(key, _)| key.instrument.clone()).collect::<BTreeSet<_>>();
    let mut held = line.view.read(&desk.client_id, ours).unwrap_or_default();
    if let Some(positions) = &desk.findings.read().positions {
        held.extend(positions.rows().iter().filter(|row| row.net != 0).map(|row| row.holding.instrument.clone()));
    }
    let lead = TimeDelta::from_std(desk.settings.waits.session_lead).unwrap_or(TimeDelta::MAX);
    is_missed(&Look { calendar: &line.calendar, lead, now }, &*line.instruments, &held)
}

#[cfg(test)]
#[path = "missed_tests.rs"]
mod tests;
