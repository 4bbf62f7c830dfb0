//! What may be done from a chat, by whom and when: pure. What can be asked for is in [`super::wishes`]: never an entry, never a re-arm,
//! never a looser limit.
//!
//! An action is asked for, shown in numbers, and done by a one-time code within a minute. *Invariant:* what is done was asked for by the
//! same person in the same chat, in exactly these words; each code does one thing once; a message does nothing a second time, after a
//! restart too. What must survive a restart is [`Known`]; what waits for its code is in memory, and a restart forgets it. What was
//! confirmed stands in [`Known`] until its outcome does: [`super::late`] says what becomes of one that a crash left there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::late::UnderWay;
pub use super::wishes::{Action, GoOn, Said, Stopped, What, Whose, Wish, read};

/// The journal row of an action that was confirmed; it is done after that, and stands as under way until its outcome is on disk.
pub const CONFIRMED: &str = "CHAT_CONFIRMED";
/// The row of its outcome: it was done.
pub const DONE: &str = "CHAT_DONE";
/// The row of one that an earlier process confirmed, and this one did.
pub const DONE_LATE: &str = "CHAT_DONE_LATE";
/// The row, and the alarm, of one that was confirmed and not done, or not wholly.
pub const NOT_DONE: &str = "ALARM_CHAT_NOT_DONE";
/// How long a code is good for.
pub const GOOD_FOR: TimeDelta = TimeDelta::seconds(60);
/// So many wrong codes within [`SHUT_FOR`] shut the actions.
pub const TRIES: usize = 3;
/// For so long.
pub const SHUT_FOR: TimeDelta = TimeDelta::minutes(15);
/// Messages are remembered for so long; older ones are not answered at all.
const REMEMBERED: TimeDelta = TimeDelta::hours(1);
/// So many of them at the most.
const MOST: usize = 256;

/// A one-time code of six digits. It is never printed but to the chat that asked.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[code]")
    }
}

impl Code {
    /// The code of a random word; `None` for the few words that would make some codes likelier: draw another.
    #[must_use]
    pub fn of(word: u32) -> Option<Self> {
        const CODES: u32 = 1_000_000;
        (word < u32::MAX - u32::MAX % CODES).then(|| Self(format!("{:06}", word % CODES)))
    }

    /// The digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }
}

/// A message, as far as actions need it.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// Its number at Telegram.
    pub update: i64,
    /// The chat.
    pub chat: &'a str,
    /// Who wrote it, if anybody did.
    pub user: Option<&'a str>,
    /// What it says.
    pub text: &'a str,
    /// When it was written.
    pub at: DateTime<Utc>,
}

impl Sent<'_> {
    fn place(&self) -> Place {
        (self.chat.to_owned(), self.user.unwrap_or_default().to_owned())
    }
}

/// What must survive a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Messages that were acted upon, with the time at which they were written.
    pub handled: BTreeMap<i64, DateTime<Utc>>,
    /// When wrong codes came.
    pub wrong: Vec<DateTime<Utc>>,
    /// Until when nothing is done.
    pub shut_until: Option<DateTime<Utc>>,
    /// What was confirmed and whose outcome is not on disk, by the number of the message that confirmed it.
    pub under_way: BTreeMap<i64, UnderWay>,
}

impl Known {
    /// What is known once the outcome of an action is on disk: it is under way no more.
    #[must_use]
    pub fn ended(&self, update: i64) -> Self {
        let mut next = self.clone();
        next.under_way.remove(&update);
        next
    }

    /// The same with one message more.
    fn with(&self, sent: &Sent<'_>, now: DateTime<Utc>) -> Self {
        let mut next = self.clone();
        next.handled.retain(|_, at| now.signed_duration_since(*at) < REMEMBERED);
        next.handled.insert(sent.update, sent.at);
        while next.handled.len() > MOST {
            let oldest = next.handled.iter().min_by_key(|(update, at)| (**at, **update)).map(|(update, _)| *update);
            oldest.map(|oldest| next.handled.remove(&oldest));
        }
        next.wrong.retain(|at| now.signed_duration_since(*at) < SHUT_FOR);
        next.shut_until = self.shut_until.filter(|until| *until > now);
        next
    }
}

/// Who wrote where.
type Place = (String, String);

/// An action that waits for its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What.
    pub wish: Wish,
    /// The code; `None`: the authenticator's.
    pub code: Option<Code>,
    /// When it was asked for.
    pub asked_at: DateTime<Utc>,
}

impl Waiting {
    fn is_good(&self, now: DateTime<Utc>) -> bool {
        let age = now.signed_duration_since(self.asked_at);
        // A clock that was set back makes no code last longer.
        TimeDelta::zero() <= age && age < GOOD_FOR
    }
}

/// What is to be made of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It is about no action.
    NoAction,
    /// It was acted upon before: nothing.
    Replayed,
    /// Its writer may not do anything.
    Stranger,
    /// Too many wrong codes came; nothing is done until then.
    Shut(DateTime<Utc>),
    /// A person wants something.
    Said(Said),
}

/// What proves a `/confirm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof<'a> {
    /// The digits that were sent, for a code of ours.
    Given(&'a str),
    /// Whether the authenticator's code was right, and used for the first time.
    Checked(bool),
}

/// What a `/confirm` comes to. Everything in it is written down before anything is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    /// Do it. It is under way in what is known then.
    Do(UnderWay, Known),
    /// Nothing of this person waits here, or not any more.
    Nothing(Known),
    /// The code is wrong; so many tries are left.
    Wrong(usize, Known),
    /// One wrong code too many: nothing is done until then, and a person is paged.
    Shut(DateTime<Utc>, Known),
}

/// Who may act, and what waits for a code.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    users: BTreeSet<String>,
    waiting: BTreeMap<Place, Waiting>,
}

impl Gate {
    /// Lets these users act.
    #[must_use]
    pub fn new(users: impl IntoIterator<Item = String>) -> Self {
        Self { users: users.into_iter().collect(), waiting: BTreeMap::new() }
    }

    /// What a message asks for.
    #[must_use]
    pub fn hear(&self, known: &Known, sent: &Sent<'_>, now: DateTime<Utc>) -> Heard {
        let Some(said) = read(sent.text) else { return Heard::NoAction };
        if !sent.user.is_some_and(|user| self.users.contains(user)) {
            return Heard::Stranger;
        }
        if known.handled.contains_key(&sent.update) {
            return Heard::Replayed;
        }
        match known.shut_until.filter(|until| *until > now) {
            Some(until) => Heard::Shut(until),
            None => Heard::Said(said),
        }
    }

    /// What is to be known of an action that is asked for: to be written down before [`Gate::wait`].
    #[must_use]
    pub fn asked(known: &Known, sent: &Sent<'_>, now: DateTime<Utc>) -> Known {
        known.with(sent, now)
    }

    /// The action waits for its code. What its sender asked for before in that chat is forgotten.
    pub fn wait(&mut self, sent: &Sent<'_>, waiting: Waiting) {
        self.waiting.insert(sent.place(), waiting);
    }

    /// Whether something of the sender waits there.
    #[must_use]
    pub fn is_waiting(&self, sent: &Sent<'_>, now: DateTime<Utc>) -> bool {
        self.waiting.get(&sent.place()).is_some_and(|waiting| waiting.is_good(now))
    }

    /// A code came. What it does is done at the most once: it does not wait any more.
    pub fn confirm(&mut self, known: &Known, sent: &Sent<'_>, proof: Proof<'_>, now: DateTime<Utc>) -> Confirmed {
        let mut next = known.with(sent, now);
        let Some(waiting) = self.waiting.remove(&sent.place()).filter(|waiting| waiting.is_good(now)) else {
            return Confirmed::Nothing(next);
        };
        let is_right = match (proof, &waiting.code) {
            (Proof::Given(digits), Some(code)) => bool::from(digits.as_bytes().ct_eq(code.digits().as_bytes())),
            (Proof::Checked(is_right), None) => is_right,
            (Proof::Given(_), None) | (Proof::Checked(_), Some(_)) => false,
        };
        if is_right {
            next.wrong.clear();
            let (chat, user) = sent.place();
            let under_way = UnderWay { wish: waiting.wish, chat, user, at: now };
            next.under_way.insert(sent.update, under_way.clone());
            return Confirmed::Do(under_way, next);
        }
        next.wrong.push(now);
        let left = TRIES.saturating_sub(next.wrong.len());
        if left > 0 {
            self.waiting.insert(sent.place(), waiting);
            return Confirmed::Wrong(left, next);
        }
        let until = now + SHUT_FOR;
        next.wrong.clear();
        next.shut_until = Some(until);
        self.waiting.clear();
        Confirmed::Shut(until, next)
    }
}

#[cfg(test)]
#[path = "actions_tests.rs"]
mod tests;
