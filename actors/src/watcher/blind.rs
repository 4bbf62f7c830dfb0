//! Positions that nobody can see: something is held, its market trades, and the broker's positions cannot be read, or so much of its
//! books that the account does not come out of its recovery.

use chrono::{DateTime, Duration, Utc};

use super::WatcherActor;
use crate::broker::Reading;
use crate::line::Phase;
use crate::order::InstrumentKey;
use crate::order::calendar::ist_words;
use crate::persistence::{Book, Level};
use crate::risk::Market;

/// People are told after so many times the age at which entries stop, from when that was met.
const PATIENCE: i32 = 3;

/// How long the positions were not seen, and whether people were told.
#[derive(Debug, Default)]
pub(super) struct Blind {
    since: Option<DateTime<Utc>>,
    is_told: bool,
}

impl Blind {
    /// Whether people have to be told now. `is_blind`: at this moment something is held, and what the broker has of it is not known.
    fn look(&mut self, is_blind: bool, patience: Duration, now: DateTime<Utc>) -> bool {
        if !is_blind {
            *self = Self::default();
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let is_due = now.signed_duration_since(since) >= patience;
        is_due && !std::mem::replace(&mut self.is_told, is_due)
    }
}

impl WatcherActor {
    /// Once, until the positions are read again and the account has recovered.
    pub(super) fn tell_blind(&mut self, now: DateTime<Utc>) {
        let limit = Duration::from_std(self.desk.settings.waits.blind_after).unwrap_or(Duration::MAX);
        let read_at = self.desk.findings.read().positions.as_ref().map(|positions| positions.at);
        let is_old = read_at.is_none_or(|at| now.signed_duration_since(at) > limit);
        let is_blind = is_old || self.desk.phase() == Phase::Recovering;
        let held = if is_blind { self.held_in_open_markets(now) } else { 0 };
        let patience = limit.checked_mul(PATIENCE).unwrap_or(Duration::MAX);
        if self.core.blind.look(held > 0, patience, now) {
            let words = if is_old { self.words_of_the_blind(read_at, held) } else { words_of_the_held_up(held) };
            let text = words + &self.words_of_recovery();
            self.line.alarm(Some(&self.desk.client_id), "ALARM_BLIND", Level::Page, None, text);
        }
    }

    fn held_in_open_markets(&self, now: DateTime<Utc>) -> usize {
        let (is_live, set_back) = (self.desk.broker.capabilities().is_live, self.line.clock_was_set_back());
        let trades = |key: &InstrumentKey| {
            let market = Market::of(&self.line.calendar, &*self.line.instruments, key, is_live, now, set_back);
            !market.is_held || market.phase.takes_entries()
        };
        let held = |book: &Book| book.held_keys().filter(|(key, _)| trades(&key.instrument)).count();
        self.line.view.read(&self.desk.client_id, held).unwrap_or(0)
    }

    fn words_of_the_blind(&self, read_at: Option<DateTime<Utc>>, held: usize) -> String {
        let read = read_at.map_or_else(|| "were not read since the start".to_owned(), |at| format!("were last read at {}", ist_words(at)));
        let why = self.desk.findings.read().trouble.get(&Reading::Positions).map_or_else(String::new, |why| format!(" ({why})"));
        format!(
            "the broker's positions {read}{why}, while the market of {held} positions is open: what the day has lost is not known by them, \
             entries are refused; look at the broker's own app"
        )
    }

    fn words_of_recovery(&self) -> String {
        if self.desk.phase() != Phase::Recovering {
            return String::new();
        }
        let all = [Reading::Session, Reading::Trades, Reading::Orders, Reading::Positions];
        let missing: Vec<String> =
            all.iter().filter(|reading| !self.core.proven.contains(reading)).map(|reading| format!("{reading:?}").to_lowercase()).collect();
        format!(
            "; the account is still RECOVERING, so no stop is looked at, no exit goes and nothing is squared off before it has read: {}",
            missing.join(", ")
        )
    }
}

fn words_of_the_held_up(held: usize) -> String {
    format!("the broker's books are not whole since the start, while the market of {held} positions is open; look at the broker's own app")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::at;

    #[test]
    fn people_are_told_once_after_the_patience_and_again_the_next_time() {
        let patience = Duration::seconds(45);
        let mut blind = Blind::default();
        let mut looks = |looks: &[(i64, bool)]| {
            looks.iter().map(|(second, is_blind)| blind.look(*is_blind, patience, at(*second))).collect::<Vec<bool>>()
        };
        assert_eq!(looks(&[(0, true), (44, true), (45, true), (46, true)]), [false, false, true, false]);
        assert_eq!(looks(&[(50, false), (51, true), (600, true), (601, true)]), [false, false, true, false]);
    }
}
