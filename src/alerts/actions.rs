//! What may be done from a chat: pure. Only what reduces risk, or says that an alarm was seen: never an entry, never a re-arm, never a
//! looser limit.
//!
//! An action is asked for, shown in numbers, and done by a one-time code within a minute. *Invariant:* what is done was asked for by the
//! same person in the same chat, in exactly these words; each code does one thing once; a message does nothing a second time, after a
//! restart too. What must survive a restart is [`Known`]; what waits for its code is in memory, and a restart forgets it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::order::{Strategy, clean};
use ordergate_actors::persistence::KillLevel;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// The journal row of an action that was confirmed; it is done after that.
pub const CONFIRMED: &str = "CHAT_CONFIRMED";
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
/// The longest name and the longest reason.
const LONGEST: usize = 300;
/// What is said to whoever wants more than that.
const LESS_ONLY: &str = "only what reduces risk can be done from here: re-arm on the dashboard";

/// What can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The kill level of every account is raised to this; it is never lowered.
    Kill {
        /// 1 to 3.
        level: KillLevel,
        /// Why, in the sender's words; empty: none were said.
        reason: String,
    },
    /// Entries that wait are cancelled; exits stay.
    Cancel(Option<Strategy>),
    /// What is held is exited, at the market.
    Exit(What),
    /// An alarm was seen, or all of them.
    Acknowledge(Option<String>),
}

/// What of that which is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Everything.
    All,
    /// As it was written: a strategy's name, or an instrument's. Nothing is done by it until it is known which.
    Named(String),
    /// What a strategy holds.
    Strategy(Strategy),
    /// What is held of an instrument.
    Symbol(String),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { level, reason } if reason.is_empty() => write!(f, "kill level {}", u8::from(*level)),
            Self::Kill { level, reason } => write!(f, "kill level {}: {reason}", u8::from(*level)),
            Self::Cancel(None) => f.write_str("cancel every entry that waits"),
            Self::Cancel(Some(strategy)) => write!(f, "cancel the entries of {strategy} that wait"),
            Self::Exit(What::All) => f.write_str("exit everything"),
            Self::Exit(What::Strategy(strategy)) => write!(f, "exit what {strategy} holds"),
            Self::Exit(What::Named(name) | What::Symbol(name)) => write!(f, "exit {name}"),
            Self::Acknowledge(None) => f.write_str("acknowledge every alarm"),
            Self::Acknowledge(Some(id)) => write!(f, "acknowledge alarm {id}"),
        }
    }
}

/// What a message says, if it is about an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Something is to be done.
    Ask(Action),
    /// A code.
    Confirm(String),
    /// It cannot be done from here, or not like that.
    Refused(&'static str),
}

/// Reads a message; `None`: it is about no action.
#[must_use]
pub fn read(text: &str) -> Option<Said> {
    let mut words = text.split_whitespace();
    let word = words.next()?.split('@').next()?.to_ascii_lowercase();
    let rest = clean(&words.collect::<Vec<_>>().join(" "), LONGEST);
    let is_all = rest.eq_ignore_ascii_case("all");
    Some(match word.as_str() {
        "/kill" => kill(&rest),
        "/cancel" if is_all => Said::Ask(Action::Cancel(None)),
        "/cancel" => match Strategy::parse(&rest) {
            Ok(strategy) => Said::Ask(Action::Cancel(Some(strategy))),
            Err(_) => Said::Refused("say /cancel all, or /cancel and a strategy"),
        },
        "/exit" if is_all => Said::Ask(Action::Exit(What::All)),
        "/exit" if rest.is_empty() => Said::Refused("say /exit all, or /exit and a strategy or an instrument"),
        "/exit" => Said::Ask(Action::Exit(What::Named(rest))),
        "/ack" if is_all => Said::Ask(Action::Acknowledge(None)),
        "/ack" if rest.is_empty() => Said::Refused("say /ack all, or /ack and the number of an alarm"),
        "/ack" => Said::Ask(Action::Acknowledge(Some(rest))),
        "/confirm" => {
            let digits: String = rest.chars().filter(|letter| !letter.is_whitespace()).collect();
            let is_code = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_digit());
            if is_code { Said::Confirm(digits) } else { Said::Refused("a code has six digits: /confirm 123456") }
        }
        "/arm" | "/rearm" | "/resume" | "/thaw" | "/override" | "/buy" | "/sell" | "/enter" | "/approve" => Said::Refused(LESS_ONLY),
        _ => return None,
    })
}

fn kill(rest: &str) -> Said {
    let (level, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let level = match level {
        "0" => return Said::Refused(LESS_ONLY),
        "1" => KillLevel::StopEntries,
        "2" => KillLevel::CancelEntries,
        "3" => KillLevel::SquareOff,
        _ => return Said::Refused("say /kill 1 (no new entries), /kill 2 (also cancel entries) or /kill 3 (also square off), and why"),
    };
    Said::Ask(Action::Kill { level, reason: reason.to_owned() })
}

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
}

impl Known {
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
    pub action: Action,
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
    /// Do it.
    Do(Action, Known),
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
            return Confirmed::Do(waiting.action, next);
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
