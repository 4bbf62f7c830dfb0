//! The bot that answers on a phone: the shell that asks Telegram for messages and sends what the dashboard says. *Invariant:* nothing
//! that comes over Telegram changes anything but through [`super::chat`].

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use ordergate_actors::order::{ClientId, OrderRecord};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::answer::OrderRow;
use super::api::{overview, pnl, positions, risk};
use super::brief;
use super::chat::{Chat, settle, was_handled};
use super::state::WebState;
use crate::alerts::actions;
use crate::alerts::commands::{Command, Doorman, Ignored, Message, Update, updates};
use crate::alerts::redacted;
use crate::config::ChatActions;

/// How long Telegram may hold a request until a message comes, seconds.
const HELD: u64 = 25;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(35);
/// Between two requests where nothing came: a server that does not hold them must not be asked all the time.
const BETWEEN: Duration = Duration::from_millis(500);
/// The pause after a request that failed; it doubles, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);
/// Orders that are looked at for `/orders`.
const ORDERS: usize = 12;
/// The most characters of an answer.
pub(super) const LONGEST: usize = 3_900;
/// So many messages are asked for at one time.
const MESSAGES: usize = 20;
/// The most bytes of an answer of Telegram's that are read. One message of the longest is far below that; many are not, and anybody may
/// write to a bot: then they are asked for one by one.
const ANSWER_MOST: usize = 1 << 20;

/// What an action is answered with that Telegram delivers long after it was sent.
const TOO_LATE: &str =
    "that came here more than two minutes after it was sent, so NOTHING was done: look at what is so now, and say it again";

/// What the bot needs to know.
#[derive(Debug, Clone)]
pub struct Phone {
    /// The bot's.
    pub token: SecretString,
    /// The address of the Bot API.
    pub base: String,
    /// The chats that are answered.
    pub chats: Vec<String>,
    /// Who may act from there; `None`: nobody.
    pub actions: Option<ChatActions>,
    /// What must never leave in a text.
    pub secrets: Vec<SecretString>,
}

/// Listens and answers for as long as it is polled.
pub async fn listen(state: Data<WebState>, phone: Phone) {
    let client = match reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build() {
        Ok(client) => client,
        Err(cause) => return tracing::error!(event = "phone_off", "the bot does not listen: {cause}"),
    };
    let (mut doorman, mut after, mut pause) = (Doorman::new(phone.chats.clone()), None, FIRST_PAUSE);
    let mut messages = MESSAGES;
    let mut chat = phone.actions.as_ref().map(Chat::new);
    for (chat, text) in settle(&state, phone.actions.as_ref()).await {
        // A chat that was taken out of the settings meanwhile hears nothing any more; the row, and its page, tell the others.
        if phone.chats.contains(&chat) {
            say(&client, &phone, &chat, &text).await;
        }
    }
    loop {
        match ask(&client, &phone, after, messages).await {
            Ok(updates) => {
                (pause, messages) = (FIRST_PAUSE, MESSAGES);
                let is_empty = updates.is_empty();
                for update in updates {
                    // The next request confirms it, whatever becomes of it: a message is answered once or not at all.
                    after = Some(after.unwrap_or(i64::MIN).max(update.id.saturating_add(1)));
                    answer(&state, &client, &phone, (&mut doorman, chat.as_mut()), &update).await;
                }
                if is_empty {
                    tokio::time::sleep(BETWEEN).await;
                }
            }
            Err(Trouble::TooLong) if messages > 1 => messages = 1,
            Err(trouble) => {
                tracing::warn!(event = "phone_trouble", "asking Telegram for messages: {trouble}; again in {} s", pause.as_secs());
                metrics::counter!("ordergate_telegram_failed_total").increment(1);
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2).min(LAST_PAUSE);
            }
        }
    }
}

/// Why a request to Telegram came to nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("its answer is longer than {ANSWER_MOST} bytes")]
    TooLong,
    /// Without the address, which holds the token.
    #[error("{0}")]
    Unanswered(String),
    #[error("its answer is no JSON: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("it refuses: {0}")]
    Refused(String),
}

async fn ask(client: &reqwest::Client, phone: &Phone, after: Option<i64>, messages: usize) -> Result<Vec<Update>, Trouble> {
    let body = json!({ "offset": after, "timeout": HELD, "limit": messages, "allowed_updates": ["message"] });
    let answer = call(client, phone, "getUpdates", &body).await?;
    let refused = || Trouble::Refused(answer["description"].as_str().unwrap_or("no reason was given").to_owned());
    updates(&answer).ok_or_else(refused)
}

async fn call(client: &reqwest::Client, phone: &Phone, method: &str, body: &Value) -> Result<Value, Trouble> {
    let url = format!("{}/bot{}/{method}", phone.base, phone.token.expose_secret());
    let answer = client.post(url).json(body).send().await;
    let words = |error: reqwest::Error| Trouble::Unanswered(redacted(&error.without_url().to_string(), &phone.secrets));
    let mut answer = answer.map_err(words)?;
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(words)? {
        if body.len() + piece.len() > ANSWER_MOST {
            return Err(Trouble::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(serde_json::from_slice(&body)?)
}

async fn answer(state: &WebState, client: &reqwest::Client, phone: &Phone, doors: (&mut Doorman, Option<&mut Chat>), update: &Update) {
    let Some(message) = &update.message else { return };
    let Some(text) = reply(state, doors, update.id, message).await else { return };
    say(client, phone, &message.chat, &text).await;
}

async fn say(client: &reqwest::Client, phone: &Phone, chat: &str, text: &str) {
    let text = brief::cut(&redacted(text, &phone.secrets), LONGEST);
    let message = json!({ "chat_id": chat, "text": text, "link_preview_options": { "is_disabled": true } });
    if let Err(trouble) = call(client, phone, "sendMessage", &message).await {
        tracing::warn!(event = "phone_trouble", chat, "an answer was not sent: {trouble}");
    }
}

/// Settles what an earlier process left of actions where nobody listens any more.
pub async fn settle_without(state: Data<WebState>) {
    settle(&state, None).await;
}

/// What a message is answered with; `None`: with nothing.
async fn reply(state: &WebState, (doorman, chat): (&mut Doorman, Option<&mut Chat>), update: i64, message: &Message) -> Option<String> {
    let can_act = chat.is_some();
    let admitted = match chat.filter(|_| actions::read(&message.text).is_some()) {
        Some(chat) => doorman.admit_action(message, state.now()).map(|()| Err(chat)),
        None => doorman.admit(message, state.now()).map(Ok),
    };
    match admitted {
        Ok(Ok(command)) => {
            metrics::counter!("ordergate_telegram_commands_total", "command" => command.as_str()).increment(1);
            tracing::info!(event = "phone_asked", chat = message.chat, command = command.as_str(), "the bot was asked");
            Some(words(state, command, can_act))
        }
        Ok(Err(chat)) => chat.take(state, update, message).await,
        Err(ignored) => {
            metrics::counter!("ordergate_telegram_ignored_total", "why" => ignored.as_str()).increment(1);
            tracing::warn!(event = "phone_ignored", chat = message.chat, why = ignored.as_str(), "a message to the bot was not taken");
            let is_late_action = ignored == Ignored::Stale && actions::read(&message.text).is_some();
            // One that was acted upon is told of by its own outcome, however late Telegram brings it again.
            (is_late_action && !was_handled(state, update)).then(|| TOO_LATE.to_owned())
        }
    }
}

/// The answer, from what the dashboard shows now.
fn words(state: &WebState, command: Command, can_act: bool) -> String {
    let clients: Vec<ClientId> = state.engine.line().desks().map(|desk| desk.client_id.clone()).collect();
    let now = state.now();
    let each = |of: &dyn Fn(&ClientId) -> Option<String>| clients.iter().filter_map(of).collect::<Vec<_>>().join("\n");
    match command {
        Command::Status => brief::status(&overview::of_accounts(state, &clients)),
        Command::Positions => each(&|client| positions::account(state, client).map(|account| brief::positions(&account))),
        Command::Pnl => each(&|client| pnl::account(state, client, now).map(|account| brief::pnl(&account))),
        Command::Risk => each(&|client| risk::of_account(state, client).map(|account| brief::risk(&account))),
        Command::Orders => {
            let totals = clients.iter().filter_map(|client| state.engine.read(client, |book| book.last_number()));
            brief::orders(&newest(state, &clients), totals.sum())
        }
        Command::Help if can_act => "/status /positions /pnl /orders /risk: what the dashboard shows.\n\
            /kill 1|2|3 and why, /cancel all|STRATEGY, /exit all|STRATEGY|SYMBOL, /go all|STRATEGY|SYMBOL (an exit at its cost cap goes on), \
            /ack all|NUMBER: each is shown in numbers first, and done by /confirm CODE. @ACCOUNT behind it means that account alone. Nothing is entered, re-armed or loosened from here."
            .to_owned(),
        Command::Help => "/status /positions /pnl /orders /risk: what the dashboard shows. Nothing can be changed from here.".to_owned(),
    }
}

/// The newest orders of all accounts, newest first.
fn newest(state: &WebState, clients: &[ClientId]) -> Vec<Value> {
    let of = |client: &ClientId| state.engine.read(client, |book| book.newest().take(ORDERS).cloned().collect::<Vec<_>>());
    let mut orders: Vec<Arc<OrderRecord>> = clients.iter().filter_map(of).flatten().collect();
    orders.sort_by_key(|order| std::cmp::Reverse::<(DateTime<Utc>, u64)>((order.created_at, order.number)));
    orders.iter().take(ORDERS).map(|order| json!(OrderRow::from(&**order))).collect()
}
