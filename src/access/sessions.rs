//! Who is logged in. Pure: tokens and the time are handed in; the shell keeps it all on disk.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::files::is_same;

/// A session's name for people; it opens nothing.
pub type SessionId = String;

/// As what somebody logged in. The rights are looked up at each request: whoever takes a key away ends its sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "as")]
pub enum Grant {
    /// The owner, by the password or a one-time link.
    Owner {
        /// `password` or `link`.
        by: String,
    },
    /// The holder of an API key.
    Key {
        /// Its name.
        name: String,
        /// Its SHA-256: another key under the same name is another holder.
        hash: String,
    },
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// SHA-256 of its token.
    pub hash: String,
    /// As what.
    pub grant: Grant,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// When it was last used.
    pub seen_at: DateTime<Utc>,
    /// From where it began.
    pub from: Option<IpAddr>,
    /// What the browser calls itself.
    pub agent: String,
}

/// How long a session lasts, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// Without a request.
    pub idle: TimeDelta,
    /// At the most.
    pub most: TimeDelta,
    /// At one time; one more ends the one that was used longest ago.
    pub count: usize,
}

impl Session {
    /// When it ends, if it is not used again.
    pub(super) fn ends_at(&self, terms: Terms) -> DateTime<Utc> {
        let after = |at: DateTime<Utc>, time| at.checked_add_signed(time).unwrap_or(DateTime::<Utc>::MAX_UTC);
        after(self.seen_at, terms.idle).min(after(self.began_at, terms.most))
    }
}

/// All sessions.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sessions {
    all: Vec<Session>,
    /// The step of the newest one-time code that was taken: none is taken twice.
    #[serde(default)]
    code_step: u64,
}

impl Sessions {
    /// Takes one more in.
    pub(super) fn open(&mut self, session: Session, terms: Terms) {
        let now = session.began_at;
        self.all.retain(|other| other.ends_at(terms) > now);
        while self.all.len() >= terms.count.max(1) {
            let oldest = self.all.iter().enumerate().min_by_key(|(_, other)| other.seen_at).map(|(place, _)| place);
            oldest.map(|place| self.all.remove(place));
        }
        self.all.push(session);
    }

    /// The session of a token's hash, if it lasts.
    pub(super) fn find(&mut self, hash: &str, terms: Terms, now: DateTime<Utc>) -> Option<&mut Session> {
        self.all.iter_mut().find(|session| is_same(&session.hash, hash)).filter(|session| session.ends_at(terms) > now)
    }

    /// Those that last, the last used first.
    pub(super) fn lasting(&self, terms: Terms, now: DateTime<Utc>) -> Vec<Session> {
        let mut lasting: Vec<Session> = self.all.iter().filter(|session| session.ends_at(terms) > now).cloned().collect();
        lasting.sort_by(|a, b| b.seen_at.cmp(&a.seen_at).then_with(|| a.id.cmp(&b.id)));
        lasting
    }

    /// Ends those for which it is so; answers them.
    pub(super) fn end(&mut self, is_one: impl Fn(&Session) -> bool) -> Vec<Session> {
        let (ended, left) = std::mem::take(&mut self.all).into_iter().partition(is_one);
        self.all = left;
        ended
    }

    /// Takes a one-time code's step, once.
    pub(super) fn take_step(&mut self, step: u64) -> bool {
        let is_new = step > self.code_step;
        self.code_step = self.code_step.max(step);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { idle: TimeDelta::minutes(10), most: TimeDelta::minutes(60), count: 3 };

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    fn session(name: &str, minute: i64) -> Session {
        Session {
            id: name.to_owned(),
            hash: name.to_owned(),
            grant: Grant::Owner { by: "link".to_owned() },
            began_at: at(minute),
            seen_at: at(minute),
            from: None,
            agent: String::new(),
        }
    }

    #[test]
    fn it_ends_when_idle_and_at_the_most() {
        let mut sessions = Sessions::default();
        sessions.open(session("a", 0), TERMS);
        for minute in (5..60).step_by(5) {
            sessions.find("a", TERMS, at(minute)).unwrap().seen_at = at(minute);
        }
        assert_eq!(sessions.lasting(TERMS, at(59)).len(), 1);
        assert!(sessions.find("a", TERMS, at(60)).is_none(), "however much it was used");
        sessions.open(session("b", 70), TERMS);
        assert!(sessions.find("b", TERMS, at(79)).is_some() && sessions.find("b", TERMS, at(80)).is_none());
        assert!(sessions.find("c", TERMS, at(70)).is_none() && sessions.find("", TERMS, at(70)).is_none());
        assert_eq!(sessions.all.len(), 1, "what has ended is dropped with the next one");
    }

    #[test]
    fn there_are_so_many_and_they_can_be_ended() {
        let mut sessions = Sessions::default();
        for (minute, name) in [(0, "a"), (1, "b"), (2, "c")] {
            sessions.open(session(name, minute), TERMS);
        }
        sessions.find("a", TERMS, at(3)).unwrap().seen_at = at(3);
        sessions.open(session("d", 4), TERMS);
        let names: Vec<String> = sessions.lasting(TERMS, at(4)).into_iter().map(|session| session.id).collect();
        assert_eq!(names, ["d", "a", "c"], "the one that was used longest ago went");
        assert_eq!(sessions.end(|session| session.id == "a").len(), 1);
        assert!(sessions.find("a", TERMS, at(4)).is_none() && sessions.find("c", TERMS, at(4)).is_some());
    }

    #[test]
    fn a_code_is_taken_once() {
        let mut sessions = Sessions::default();
        assert!(sessions.take_step(7) && !sessions.take_step(7) && !sessions.take_step(6) && sessions.take_step(8));
    }
}
