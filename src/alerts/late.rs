//! An action that was confirmed in a chat and whose outcome is not on disk, after a start: pure. The process that confirmed it was
//! killed before it was done, in the middle, or right after.
//!
//! *Invariant:* nothing is done twice, and nothing is lost in silence. What is still to be done is taken up where doing it late does
//! what its sender wanted; everything else is told to be repeated.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::wishes::{Action, Wish};

/// An action that was confirmed longer ago is not taken up: whoever confirmed it has looked elsewhere by now, and acted there.
pub const LATEST: TimeDelta = TimeDelta::minutes(10);

/// An action that was confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// What, and where.
    pub wish: Wish,
    /// The chat in which it was confirmed.
    pub chat: String,
    /// By whom.
    pub user: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl UnderWay {
    /// The sender of the action, as journal rows name them.
    #[must_use]
    pub fn who(&self) -> String {
        format!("telegram:{}", self.user)
    }
}

/// What the books say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing of it is left to be done.
    Whole,
    /// Something is.
    Left,
    /// The controls were changed after it was confirmed, and stand below what it wanted: somebody has decided since.
    Overruled,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It was done before the process ended.
    WasDone,
    /// It is done now.
    TakeUp,
    /// It is not done, for this reason: its sender is told to say it again.
    Repeat(&'static str),
}

/// Decides about one that a start found. `may_act`: whether the settings of now let its sender act.
#[must_use]
pub fn late(under_way: &UnderWay, found: Found, may_act: bool, now: DateTime<Utc>) -> Late {
    let age = now.signed_duration_since(under_way.at);
    match (found, &under_way.wish.action) {
        (Found::Whole, _) => Late::WasDone,
        _ if !may_act => Late::Repeat("the settings do not let its sender act any more"),
        (Found::Overruled, _) => Late::Repeat("the controls were changed after it was confirmed"),
        // A clock that was set back makes nothing young.
        _ if age < TimeDelta::zero() || age >= LATEST => Late::Repeat("it was confirmed too long ago"),
        // A level is only ever raised, and raising it twice is raising it once: it is what a person reaches for when something is wrong.
        // Of entries and alarms only those from before the confirmation are meant, and a second cancel of one does nothing.
        (Found::Left, Action::Kill { .. } | Action::Cancel(_) | Action::Acknowledge(_)) => Late::TakeUp,
        // An order at the market, at a price that nobody has seen, of a position that somebody may have closed elsewhere meanwhile.
        (Found::Left, Action::Exit(_)) => {
            Late::Repeat("an exit at the market is not sent late: the price and the position may be others by now")
        }
        // As far again beyond a cap that was seen at another price.
        (Found::Left, Action::GoOn(_)) => Late::Repeat("an exit is not let go on late: the price may be another by now"),
    }
}

#[cfg(test)]
mod tests {
    use ordergate_actors::persistence::KillLevel;

    use super::super::wishes::{GoOn, What, Whose};
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn confirmed(action: Action) -> UnderWay {
        UnderWay { wish: Wish { action, whose: Whose::Every }, chat: "42".to_owned(), user: "7".to_owned(), at: at(0) }
    }

    fn actions() -> [Action; 5] {
        let kill = Action::Kill { level: KillLevel::SquareOff, reason: String::new() };
        [kill, Action::Cancel(None), Action::Acknowledge(None), Action::Exit(What::All), Action::GoOn(GoOn::default())]
    }

    #[test]
    fn what_reduces_risk_without_a_price_is_taken_up_for_ten_minutes_and_an_exit_never() {
        for (action, is_taken_up) in actions().into_iter().zip([true, true, true, false, false]) {
            let under_way = confirmed(action);
            for (seconds, is_young) in [(0, true), (599, true), (600, false), (-1, false)] {
                let late = late(&under_way, Found::Left, true, at(seconds));
                assert_eq!(late == Late::TakeUp, is_taken_up && is_young, "{under_way:?} after {seconds} s");
                assert!(matches!(late, Late::TakeUp | Late::Repeat(_)), "what is left is done or told: {late:?}");
            }
        }
    }

    #[test]
    fn what_was_done_is_never_done_again_and_who_may_not_act_any_more_does_not() {
        for action in actions() {
            let under_way = confirmed(action);
            for may_act in [true, false] {
                assert_eq!(late(&under_way, Found::Whole, may_act, at(5_000)), Late::WasDone);
            }
            assert!(matches!(late(&under_way, Found::Left, false, at(1)), Late::Repeat(why) if why.contains("settings")));
            assert!(matches!(late(&under_way, Found::Overruled, true, at(1)), Late::Repeat(why) if why.contains("controls")));
        }
        let text = serde_json::to_string(&confirmed(Action::Cancel(None))).unwrap();
        assert_eq!(serde_json::from_str::<UnderWay>(&text).unwrap(), confirmed(Action::Cancel(None)), "{text}");
    }
}
