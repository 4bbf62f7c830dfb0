//! Actions from a chat: the shell around [`crate::alerts::actions`]. It draws the codes, writes down what was asked and confirmed before
//! anything is done, does it as the dashboard does, and writes down what came of it.

mod after;
mod kept;

use chrono::{DateTime, Utc};
use ordergate_actors::persistence::Level;

pub(super) use after::settle;
pub(super) use kept::was_handled;
use kept::{Row, ended, known, write};

use super::api::acts;
use super::brief;
use super::phone::LONGEST;
use super::state::WebState;
use crate::alerts::actions::{CONFIRMED, Code, Confirmed, DONE, GOOD_FOR, Gate, Heard, Known, NOT_DONE, Proof, Said, Sent, Waiting, Wish};
use crate::alerts::commands::Message;
use crate::alerts::late::UnderWay;
use crate::config::ChatActions;

/// The row of a request.
const ASKED: &str = "CHAT_ASKED";
/// The row of a code that did nothing.
const NOT_CONFIRMED: &str = "CHAT_NOT_CONFIRMED";
/// The row, and the alarm, of one wrong code too many.
const SHUT: &str = "ALARM_CHAT_SHUT";
/// What is said where nothing could be written.
const NOT_WRITTEN: &str = "it could not be written down, so nothing was done: use the dashboard, or say it again";
/// The same of a confirmation: its row may be there although nobody said so.
const NOT_PROVEN: &str = "that it is on disk is not proven, so nothing was done now: use the dashboard, or say it again. If it is there after \
                          all, the next start settles it and says so";

/// Who may act, and what waits for its code.
#[derive(Debug)]
pub(super) struct Chat {
    gate: Gate,
    by_totp: bool,
}

impl Chat {
    pub(super) fn new(settings: &ChatActions) -> Self {
        Self { gate: Gate::new(settings.users.iter().cloned()), by_totp: settings.by_totp }
    }

    /// Takes a message that is about an action; what to answer.
    pub(super) async fn take(&mut self, state: &WebState, update: i64, message: &Message) -> Option<String> {
        let sent = Sent { update, chat: &message.chat, user: message.user.as_deref(), text: &message.text, at: message.at };
        let (known, basis) = match known(state) {
            Ok(found) => found,
            Err(trouble) => {
                tracing::error!(
                    event = "chat_state_unreadable",
                    "what is known of actions from chats cannot be read, so none is done: {trouble}"
                );
                return Some("nothing can be done from here: the log says why".to_owned());
            }
        };
        let now = state.now();
        let who = format!("telegram:{}", sent.user.unwrap_or("?"));
        match self.gate.hear(&known, &sent, now) {
            Heard::NoAction => None,
            Heard::Replayed => {
                outcome("replayed");
                tracing::warn!(event = "chat_replayed", update, who, "a message came again, and does nothing");
                None
            }
            Heard::Stranger => {
                outcome("stranger");
                tracing::warn!(event = "chat_stranger", chat = message.chat, who, "somebody may not act from the chat, and tried");
                Some("you may not do that: alerts.telegram_users names who may".to_owned())
            }
            Heard::Shut(until) => {
                outcome("shut");
                Some(shut_words(now, until))
            }
            Heard::Said(Said::Refused(words)) => Some(words.to_owned()),
            Heard::Said(Said::Ask(wish)) => Some(self.ask(state, (&known, basis), &sent, &who, wish).await),
            Heard::Said(Said::Confirm(digits)) => Some(self.confirm(state, (&known, basis), &sent, &who, digits).await),
        }
    }

    async fn ask(&mut self, state: &WebState, (known, basis): (&Known, u64), sent: &Sent<'_>, who: &str, wish: Wish) -> String {
        let wish = match acts::settled(state, wish) {
            Ok(wish) => wish,
            Err(words) => return words,
        };
        let code = match self.code(state).await {
            Ok(code) => code,
            Err(words) => return words,
        };
        let row = Row { event: ASKED, level: Level::Info, who, text: wish.to_string() };
        if !write(state, &Gate::asked(known, sent, state.now()), basis, row).await {
            return NOT_WRITTEN.to_owned();
        }
        outcome("asked");
        let shown = acts::preview(state, &wish);
        let how = code
            .as_ref()
            .map_or_else(|| "/confirm and the code of your authenticator".to_owned(), |code| format!("/confirm {}", code.digits()));
        self.gate.wait(sent, Waiting { wish, code, asked_at: state.now() });
        with_code(&shown, &how)
    }

    /// The code that the answer tells; `None`: the authenticator's.
    async fn code(&self, state: &WebState) -> Result<Option<Code>, String> {
        if !self.by_totp {
            return draw()
                .map(Some)
                .ok_or_else(|| "this machine gives no random numbers, so there is no code: use the dashboard".to_owned());
        }
        match state.access.has_codes().await {
            Ok(true) => Ok(None),
            Ok(false) => Err("the owner of the dashboard has no authenticator app, and telegram_confirm = \"totp\" wants one: `ordergate password --totp` sets it up".to_owned()),
            Err(error) => {
                tracing::error!(event = "chat_totp", "the owner's authenticator cannot be looked up: {error}");
                Err("nothing can be done from here: the log says why".to_owned())
            }
        }
    }

    async fn confirm(&mut self, state: &WebState, (known, basis): (&Known, u64), sent: &Sent<'_>, who: &str, digits: String) -> String {
        // A code of the authenticator is used up only where something waits for it.
        let proof = if self.by_totp && self.gate.is_waiting(sent, state.now()) {
            match state.access.take_code(digits.clone(), state.now()).await {
                Ok(is_right) => Proof::Checked(is_right),
                Err(error) => {
                    tracing::error!(event = "chat_totp", "the authenticator's code cannot be checked: {error}");
                    return "nothing was done: the log says why".to_owned();
                }
            }
        } else {
            Proof::Given(&digits)
        };
        let now = state.now();
        match self.gate.confirm(known, sent, proof, now) {
            Confirmed::Do(under_way, next) => {
                let row = Row { event: CONFIRMED, level: Level::Info, who, text: under_way.wish.to_string() };
                if !write(state, &next, basis, row).await {
                    return NOT_PROVEN.to_owned();
                }
                let done = acts::act(state, &under_way, sent.update).await;
                outcome(if done.is_whole { "done" } else { "not_done" });
                note(state, sent.update, &under_way, &done).await;
                done.words
            }
            Confirmed::Nothing(next) => {
                outcome("nothing");
                let row = Row { event: NOT_CONFIRMED, level: Level::Info, who, text: "a code came, and nothing waited for it".to_owned() };
                write(state, &next, basis, row).await;
                "nothing was done: nothing of yours waits for a code here, or it waited for more than a minute".to_owned()
            }
            Confirmed::Wrong(left, next) => {
                outcome("wrong");
                let row =
                    Row { event: NOT_CONFIRMED, level: Level::Info, who, text: format!("a wrong code; {left} more shut the actions") };
                write(state, &next, basis, row).await;
                format!("nothing was done: the code is wrong; {left} more wrong ones shut the actions from here")
            }
            Confirmed::Shut(until, next) => {
                outcome("shut");
                let text =
                    format!("too many wrong codes for actions from Telegram, the last by {who}: nothing is done from there until {until}");
                write(state, &next, basis, Row { event: SHUT, level: Level::Page, who, text }).await;
                shut_words(now, until)
            }
        }
    }
}

/// What is shown before the code, however much that is: without the code nothing could be done.
fn with_code(shown: &str, how: &str) -> String {
    let code = format!("\n\nTo do it, send within {} s: {how}\nRe-arm on the dashboard.", GOOD_FOR.num_seconds());
    format!("{}{code}", brief::cut(shown, LONGEST.saturating_sub(code.chars().count())))
}

fn outcome(what: &'static str) {
    metrics::counter!("ordergate_telegram_actions_total", "outcome" => what).increment(1);
}

fn shut_words(now: DateTime<Utc>, until: DateTime<Utc>) -> String {
    let minutes = until.signed_duration_since(now).num_minutes() + 1;
    format!("nothing is done from here for {minutes} minutes: too many wrong codes came. Use the dashboard.")
}

/// A code that nobody can guess.
fn draw() -> Option<Code> {
    // One word in six thousand is drawn again.
    (0..16).find_map(|_| Code::of(getrandom::u32().ok()?))
}

/// Writes down what came of an action: done, or not wholly, which pages.
async fn note(state: &WebState, update: i64, under_way: &UnderWay, done: &acts::Outcome) {
    let (event, level, not) =
        if done.is_whole { (DONE, Level::Info, "") } else { (NOT_DONE, Level::Page, "was confirmed over Telegram and not wholly done: ") };
    let text = format!("{}: {not}{}", under_way.wish, done.words);
    ended(state, update, Row { event, level, who: &under_way.who(), text }).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_told_however_much_is_shown_before_it() {
        let shown = (0..100)
            .map(|n| format!("ACCOUNT{n}: entries stop, 12 that wait are cancelled, 34 positions are squared off\n"))
            .collect::<String>();
        let asked = with_code(&shown, "/confirm 123456");
        assert!(asked.chars().count() <= LONGEST && asked.contains("/confirm 123456"), "{asked}");
        assert!(asked.starts_with("ACCOUNT0: ") && asked.contains("… and more"), "{asked}");
        assert_eq!(with_code("one", "/confirm 1"), "one\n\nTo do it, send within 60 s: /confirm 1\nRe-arm on the dashboard.");
    }
}
