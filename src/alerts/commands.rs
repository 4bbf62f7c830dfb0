//! What comes from Telegram: pure. The commands here only read; what may be done from there is in [`super::actions`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// A message older than this is not answered: whoever asked has looked elsewhere by now.
const STALE: TimeDelta = TimeDelta::minutes(2);
/// Answers to one person in one chat within a minute.
const MOST: usize = 12;

/// What may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Mode, session, controls, counts.
    Status,
    /// What is held.
    Positions,
    /// What the day came to.
    Pnl,
    /// The newest orders.
    Orders,
    /// The limits and their use.
    Risk,
    /// What may be asked.
    Help,
}

impl Command {
    const ALL: [(&'static str, Self); 7] = [
        ("/status", Self::Status),
        ("/positions", Self::Positions),
        ("/pnl", Self::Pnl),
        ("/orders", Self::Orders),
        ("/risk", Self::Risk),
        ("/help", Self::Help),
        ("/start", Self::Help),
    ];

    /// Reads the first word of a message; in a group it names the bot (`/status@ordergate_bot`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?.split('@').next()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|(name, _)| *name == word).map(|(_, command)| command)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, command)| *command == self).map_or("", |(name, _)| name)
    }
}

/// One update of the Bot API, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Its number; the next request asks for those after it.
    pub id: i64,
    /// The message, if it is one with text.
    pub message: Option<Message>,
}

/// A message with text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The chat that it came from.
    pub chat: String,
    /// Who wrote it; `None` where nobody did, as in a channel.
    pub user: Option<String>,
    /// What it says.
    pub text: String,
    /// When it was sent.
    pub at: DateTime<Utc>,
}

/// The updates in an answer of `getUpdates`; `None` if it is no such answer.
#[must_use]
pub fn updates(body: &Value) -> Option<Vec<Update>> {
    let read = |update: &Value| {
        let message = &update["message"];
        let chat = message["chat"]["id"].as_i64().map(|id| id.to_string());
        let at = message["date"].as_i64().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let text = message["text"].as_str().map(str::to_owned);
        let user = message["from"]["id"].as_i64().map(|id| id.to_string());
        let message = chat.zip(at).zip(text).map(|((chat, at), text)| Message { chat, user, text, at });
        Some(Update { id: update["update_id"].as_i64()?, message })
    };
    (body["ok"] == true).then(|| body["result"].as_array().map(|rows| rows.iter().filter_map(read).collect()))?
}

/// Why a message is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// The chat is not one of the settings.
    Stranger,
    /// It is too old.
    Stale,
    /// Who wrote it has asked too often there.
    TooMany,
    /// It is no command.
    NoCommand,
}

impl Ignored {
    /// For the metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Stale => "stale",
            Self::TooMany => "too_many",
            Self::NoCommand => "no_command",
        }
    }
}

/// What a message wants. Each has a number of answers of its own, so that questions do not hold up an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wants {
    /// To know something.
    Words,
    /// To do something.
    Action,
    /// To hear that what it wanted comes too late.
    Regret,
}

/// The chat, who writes there, and what for: one who asks without end silences nobody else.
type Asker = (String, Option<String>, Wants);

/// Who is answered, and how often.
#[derive(Debug, Clone, Default)]
pub struct Doorman {
    chats: BTreeSet<String>,
    answered: BTreeMap<Asker, VecDeque<DateTime<Utc>>>,
}

impl Doorman {
    /// Lets these chats in.
    #[must_use]
    pub fn new(chats: impl IntoIterator<Item = String>) -> Self {
        Self { chats: chats.into_iter().collect(), answered: BTreeMap::new() }
    }

    /// What to answer a message with.
    ///
    /// # Errors
    /// [`Ignored`]: with nothing. A stranger is asked nothing and told nothing.
    pub fn admit(&mut self, message: &Message, now: DateTime<Utc>) -> Result<Command, Ignored> {
        self.is_known(message)?;
        let command = Command::parse(&message.text).ok_or(Ignored::NoCommand)?;
        if is_stale(message, now) {
            return Err(Ignored::Stale);
        }
        self.count(message, Wants::Words, now)?;
        Ok(command)
    }

    /// Lets a message in that wants something done.
    ///
    /// # Errors
    /// [`Ignored`]. Of one that is [`Ignored::Stale`] its sender is to hear that nothing was done: whoever waits for it believes it done.
    pub fn admit_action(&mut self, message: &Message, now: DateTime<Utc>) -> Result<(), Ignored> {
        self.is_known(message)?;
        if is_stale(message, now) {
            self.count(message, Wants::Regret, now)?;
            return Err(Ignored::Stale);
        }
        self.count(message, Wants::Action, now)
    }

    fn is_known(&self, message: &Message) -> Result<(), Ignored> {
        if self.chats.contains(&message.chat) { Ok(()) } else { Err(Ignored::Stranger) }
    }

    fn count(&mut self, message: &Message, wants: Wants, now: DateTime<Utc>) -> Result<(), Ignored> {
        self.answered.retain(|_, answered| {
            answered.retain(|at| now.signed_duration_since(*at).abs() < TimeDelta::minutes(1));
            !answered.is_empty()
        });
        let answered = self.answered.entry((message.chat.clone(), message.user.clone(), wants)).or_default();
        if answered.len() >= MOST {
            return Err(Ignored::TooMany);
        }
        answered.push_back(now);
        Ok(())
    }
}

fn is_stale(message: &Message, now: DateTime<Utc>) -> bool {
    now.signed_duration_since(message.at) > STALE
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-20T04:00:00Z".parse().unwrap()
    }

    fn message(chat: &str, text: &str, seconds_ago: i64) -> Message {
        Message { chat: chat.to_owned(), user: None, text: text.to_owned(), at: now() - TimeDelta::seconds(seconds_ago) }
    }

    #[test]
    fn commands_are_read_by_their_first_word() {
        for (text, command) in [
            ("/status", Some(Command::Status)),
            ("/PNL@ordergate_bot now", Some(Command::Pnl)),
            ("  /risk", Some(Command::Risk)),
            ("status", None),
            ("/kill 3", None),
            ("", None),
        ] {
            assert_eq!(Command::parse(text), command, "{text}");
        }
        assert_eq!(Command::Help.as_str(), "/help");
    }

    #[test]
    fn only_the_chats_of_the_settings_are_answered_and_not_too_often_and_not_too_late() {
        let mut doorman = Doorman::new(["42".to_owned()]);
        assert_eq!(doorman.admit(&message("43", "/status", 0), now()), Err(Ignored::Stranger));
        assert_eq!(doorman.admit(&message("42", "hello", 0), now()), Err(Ignored::NoCommand));
        assert_eq!(doorman.admit(&message("42", "/status", 121), now()), Err(Ignored::Stale));
        for _ in 0..12 {
            assert_eq!(doorman.admit(&message("42", "/status", 1), now()), Ok(Command::Status));
        }
        assert_eq!(doorman.admit(&message("42", "/status", 1), now()), Err(Ignored::TooMany));
        assert_eq!(doorman.admit_action(&message("42", "/kill 3", 1), now()), Ok(()), "questions do not hold up an action");
        assert_eq!(doorman.admit_action(&message("43", "/kill 3", 1), now()), Err(Ignored::Stranger));
        assert_eq!(doorman.admit_action(&message("42", "/kill 3", 121), now()), Err(Ignored::Stale));
        assert_eq!(doorman.admit(&message("42", "/pnl", -60), now() + TimeDelta::seconds(60)), Ok(Command::Pnl));
    }

    #[test]
    fn one_who_asks_without_end_silences_nobody_else_and_what_is_late_keeps_nothing_fresh_out() {
        let mut doorman = Doorman::new(["42".to_owned()]);
        let by = |user: &str, text: &str, seconds_ago: i64| Message { user: Some(user.to_owned()), ..message("42", text, seconds_ago) };
        for _ in 0..12 {
            assert_eq!(doorman.admit_action(&by("7", "/kill 3", 1), now()), Ok(()));
            assert_eq!(doorman.admit_action(&by("8", "/kill 3", 300), now()), Err(Ignored::Stale));
        }
        assert_eq!(doorman.admit_action(&by("7", "/kill 3", 1), now()), Err(Ignored::TooMany));
        assert_eq!(doorman.admit_action(&by("8", "/kill 3", 300), now()), Err(Ignored::TooMany), "it was told so often enough");
        assert_eq!(doorman.admit_action(&by("8", "/kill 3", 1), now()), Ok(()));
    }

    #[test]
    fn updates_of_any_shape_are_read_as_far_as_they_are_messages() {
        let body = json!({ "ok": true, "result": [
            { "update_id": 7, "message": { "date": 1_795_147_200, "chat": { "id": -100 }, "from": { "id": 7 }, "text": "/status" } },
            { "update_id": 8, "message": { "date": 1_795_147_200, "chat": { "id": 1 }, "photo": [] } },
            { "update_id": 9, "edited_message": {} },
            { "nothing": 1 },
        ] });
        let read = updates(&body).unwrap();
        assert_eq!(read.iter().map(|update| update.id).collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!(read[0].message.as_ref().map(|message| (message.chat.as_str(), message.text.as_str())), Some(("-100", "/status")));
        assert_eq!(read[0].message.as_ref().and_then(|message| message.user.as_deref()), Some("7"));
        assert!(read[1].message.is_none() && read[2].message.is_none());
        for body in [json!({ "ok": false, "description": "Unauthorized" }), json!([]), json!({ "ok": true }), json!(null)] {
            assert_eq!(updates(&body), None, "{body}");
        }
    }
}
