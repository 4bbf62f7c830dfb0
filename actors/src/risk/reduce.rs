//! A position over its limit is made smaller by the excess. The exits walk the same line as any other.

use chrono::{DateTime, Duration, Utc};

use super::excess::{Close, Excess, SENDER, excesses, is_of_excess, is_wanted};
use super::{Judgement, RiskActor};
use crate::engine_signal::EngineSignal;
use crate::exits::Wish;
use crate::exits_again::leg_of;
use crate::line::Phase;
use crate::order::{OrderRecord, Quantity, SignalId, Tag};
use crate::persistence::{Book, Level, alarm};
use crate::settings::Limits;

/// The first try waits so long for the next, seconds, and each further one twice as long as that before it.
const FIRST_WAIT: i64 = 5;
/// So often it is doubled.
const DOUBLED_MOST: u32 = 5;

/// What was done about something that is over its limit. It is remembered for as long as it is over, also while an exit is open: one that
/// the broker rejects must not begin the count anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried {
    tries: u32,
    /// Nothing is sent before.
    next: DateTime<Utc>,
    /// What was held at the last look.
    held: i64,
    /// When it was over first.
    since: DateTime<Utc>,
    /// People know.
    is_told: bool,
}

impl Tried {
    fn begins(held: i64, now: DateTime<Utc>) -> Self {
        Self { tries: 0, next: now, held, since: now, is_told: false }
    }

    /// A look at it: what has become less lets the next try go at once.
    fn look(&mut self, held: i64, now: DateTime<Utc>) {
        if held < self.held {
            self.next = now;
        }
        self.held = held;
    }

    /// One more try goes; its number, from 1.
    fn goes(&mut self, now: DateTime<Utc>) -> u32 {
        let wait = Duration::seconds(FIRST_WAIT << self.tries.min(DOUBLED_MOST));
        self.next = now.checked_add_signed(wait).unwrap_or(now);
        self.tries = self.tries.saturating_add(1);
        self.is_told = true;
        self.tries
    }

    /// Whether people are to be told that exits which are open cover it: once, and not of one that fills at once.
    fn tells_of_cover(&mut self, now: DateTime<Utc>) -> bool {
        let tells = !self.is_told && now.signed_duration_since(self.since) >= Duration::seconds(FIRST_WAIT);
        self.is_told |= tells;
        tells
    }
}

impl RiskActor {
    pub(super) fn reduce_what_is_over(&mut self, limits: &Limits, now: DateTime<Utc>) {
        let instruments = &*self.line.instruments;
        let look = |book: &Book| if book.control().is_frozen() { Vec::new() } else { excesses(book, limits, instruments) };
        let found = self.line.view.read(&self.desk.client_id, look).unwrap_or_default();
        self.over.retain(|of, _| found.iter().any(|excess| excess.of == *of));
        for excess in found {
            let tried = self.over.entry(excess.of.clone()).or_insert_with(|| Tried::begins(excess.held, now));
            tried.look(excess.held, now);
            match &excess.close {
                Some(close) if now >= tried.next => {
                    let attempt = tried.goes(now);
                    self.reduce(&excess, close, attempt, limits, now);
                }
                Some(_) => {}
                None if tried.tells_of_cover(now) => {
                    let text = format!(
                        "{}: exits that are open are for {} of it, and nothing beside them is closed",
                        excess.words(),
                        excess.closing
                    );
                    self.line.alarm(Some(&self.desk.client_id), alarm::POSITION_OVER_LIMIT, Level::Page, None, text);
                }
                None => {}
            }
        }
    }

    /// Ends an exit of an excess that was not sent yet, and that nobody wants any more: the limit is looser by now, or less is held. It may
    /// have waited for the market to open, and would sell then what is within the limit. Of what is still too much another one goes.
    pub(super) fn end_what_is_within(&self, order: &OrderRecord, judgement: Judgement, now: DateTime<Utc>) -> Judgement {
        // Before the books are read nobody knows what is held.
        let is_known = matches!(self.desk.phase(), Phase::ExitsOnly | Phase::Open);
        if !is_known || !is_of_excess(order) || matches!(judgement, Judgement::Refuse { .. } | Judgement::End { .. }) {
            return judgement;
        }
        let limits = self.known.limits(&self.desk.settings.limits, now);
        let instruments = &*self.line.instruments;
        if self.line.view.read(&self.desk.client_id, |book| is_wanted(order, book, &limits, instruments)).unwrap_or(true) {
            return judgement;
        }
        let (units, strategy, symbol) = (order.quantity(), &order.ask.strategy, &order.ask.symbol);
        let reason =
            format!("{units} {symbol} of {strategy} are not over a limit any more: the exit of them was not sent, and is withdrawn");
        let text = reason.clone();
        self.line.alarm(Some(&self.desk.client_id), alarm::POSITION_OVER_LIMIT, Level::Warn, Some(order.command_id), text);
        Judgement::End { tag: Tag::ExcessOver, reason }
    }

    fn reduce(&self, excess: &Excess, close: &Close, attempt: u32, limits: &Limits, now: DateTime<Utc>) {
        let Some(quantity) = Quantity::new(close.units) else { return };
        let level = if attempt == 1 || attempt == limits.square_off_tries.saturating_add(1) { Level::Page } else { Level::Warn };
        let words = excess.words();
        let text = format!("{words}: {} {} of {} are being closed (attempt {attempt})", close.units, close.key, close.strategy);
        self.line.alarm(Some(&self.desk.client_id), alarm::POSITION_OVER_LIMIT, level, None, text);
        let wish = Wish { strategy: &close.strategy, key: &close.key, sender: SENDER };
        let legs = vec![leg_of(&self.line, &self.desk, &wish, Some(quantity), now)];
        EngineSignal::new(SignalId(self.line.ids.next()), SENDER, legs).submit(&self.line, &self.desk, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::at;

    #[test]
    fn tries_come_ever_more_slowly_until_something_was_closed() {
        let mut tried = Tried::begins(130, at(0));
        let mut second = 0;
        for wait in [5, 10, 20, 40, 80, 160, 160] {
            assert_eq!(tried.next, at(second));
            tried.goes(at(second));
            second += wait;
            // Between two of them its exit was open, and is gone.
            tried.look(130, at(second - 1));
            assert_eq!(tried.next, at(second));
        }
        tried.look(120, at(second - 1));
        assert_eq!(tried.next, at(second - 1));
        assert_eq!(tried.goes(at(second)), 8, "it is the same excess");
    }

    #[test]
    fn exits_that_cover_it_are_told_of_once_and_only_when_they_stay() {
        let mut tried = Tried::begins(130, at(0));
        assert_eq!([0, 4, 5, 6].map(|second| tried.tells_of_cover(at(second))), [false, false, true, false]);
        let mut tried = Tried::begins(130, at(0));
        tried.goes(at(0));
        assert!(!tried.tells_of_cover(at(60)), "an exit of ours was told");
    }
}
