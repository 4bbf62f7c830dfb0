//! Reads `[alerts]`: the channels, their rules, and what goes out beside them.

use std::time::Duration;

use ordergate_actors::order::ClientId;
use ordergate_actors::persistence::Level;
use secrecy::{ExposeSecret, SecretString};

use super::reader::{Reader, Scope};
use crate::alerts::Quiet;

const LEVEL_RULE: &str = "must be info, warn or page";
const QUIET_RULE: &str = "must be two times of day such as 22:00-07:30, or empty";
const HTTP_RULE: &str = "must begin with http:// or https://";

/// What goes to a phone.
#[derive(Debug, Clone, Default)]
pub struct Alerts {
    /// Where alerts go.
    pub channels: Vec<AlertChannel>,
    /// Repeats within this time are one message.
    pub fold: Duration,
    /// A page that nobody acknowledged is said again after this; `None`: never.
    pub escalate_after: Option<Duration>,
    /// Whether the day's result is told at the open and at the close.
    pub summaries: bool,
    /// Who may ask over Telegram; `None`: nobody.
    pub commands: Option<Commands>,
    /// The address of the Bot API, without a slash at the end.
    pub telegram_url: String,
    /// The sign of life; `None`: none.
    pub heartbeat: Option<Heartbeat>,
}

/// One place that alerts go to.
#[derive(Debug, Clone)]
pub struct AlertChannel {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub to: AlertTo,
    /// It takes from this level up.
    pub from: Level,
    /// When it takes only pages.
    pub quiet: Option<Quiet>,
    /// It takes nothing but pages that nobody acknowledged.
    pub is_escalation: bool,
}

/// Where a channel is.
#[derive(Debug, Clone)]
pub enum AlertTo {
    /// Each alert is posted here; the address may carry a token, so it is a secret.
    Webhook(SecretString),
    /// A chat.
    Telegram {
        /// The bot's.
        token: SecretString,
        /// Its number, or the name of a channel.
        chat: String,
    },
}

/// Who may ask over Telegram.
#[derive(Debug, Clone)]
pub struct Commands {
    /// The bot's.
    pub token: SecretString,
    /// The numbers of the chats.
    pub chats: Vec<String>,
    /// Who may act from there; `None`: nobody.
    pub actions: Option<ChatActions>,
}

/// Who may act from a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatActions {
    /// The numbers of the users.
    pub users: Vec<String>,
    /// Whether the code that confirms is the authenticator's of the owner, and not one that the bot draws.
    pub by_totp: bool,
}

/// The sign of life.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// Where; a secret.
    pub url: SecretString,
    /// How often.
    pub every: Duration,
}

pub(super) fn alerts(reader: &mut Reader) -> Alerts {
    let mut scope = reader.section("alerts");
    let webhook_url = scope.secret("webhook_url");
    let token = scope.secret("telegram_token");
    let chat = chat(&mut scope);
    let from = level(&mut scope);
    let quiet = quiet(&mut scope);
    let fold = scope.seconds("fold_s");
    let escalate_min = scope.number("escalate_min", 0..=1_440);
    let summaries = scope.flag("summaries", true);
    let chats = scope.texts("telegram_chats");
    let may_act = scope.flag("telegram_actions", false);
    let users = scope.texts("telegram_users");
    let by_totp = scope.text("telegram_confirm", "must be code or totp", |text| match text.trim() {
        "code" => Some(false),
        "totp" => Some(true),
        _ => None,
    });
    let telegram_url =
        scope.text("telegram_url", HTTP_RULE, |text| Some(text.trim().trim_end_matches('/').to_owned()).filter(|url| is_http(url)));
    let heartbeat_url = scope.secret("heartbeat_url");
    let every = scope.seconds("heartbeat_s");
    let mut channels: Vec<AlertChannel> = Vec::new();
    let own = |name: &str, to| AlertChannel { name: name.to_owned(), to, from, quiet, is_escalation: false };
    if let Some(url) = webhook_url {
        if !is_http(url.expose_secret()) {
            reader.violate_secret("alerts.webhook_url", HTTP_RULE);
        }
        channels.push(own("webhook", AlertTo::Webhook(url)));
    }
    match (token.clone(), chat) {
        (Some(token), Some(chat)) => channels.push(own("telegram", AlertTo::Telegram { token, chat })),
        (None, None) => {}
        // A bot that only answers, or that writes to the chats of rows below.
        (Some(_), None) if !chats.is_empty() || reader.rows("alerts.channels") > 0 => {}
        (Some(_), None) => reader.violate("alerts.telegram_chat", "is missing: a token without a chat reaches nobody"),
        (None, Some(_)) => reader.violate_secret("alerts.telegram_token", "is missing: a chat without a token is not reached"),
    }
    for index in 0..reader.rows("alerts.channels") {
        let Some(channel) = row(reader, index, (from, quiet), token.as_ref()) else { continue };
        // Files carry the name, and some file systems do not tell a from A.
        if channels.iter().any(|other| other.name.eq_ignore_ascii_case(&channel.name)) {
            reader.violate(
                &format!("alerts.channels.{index}.name"),
                "is the name of another channel too (webhook and telegram are those above)",
            );
        }
        channels.push(channel);
    }
    for (index, chat) in chats.iter().enumerate() {
        if chat.trim().parse::<i64>().is_err() {
            reader.violate(&format!("alerts.telegram_chats.{index}"), "must be the number of a chat, such as \"42\" or \"-1001234\"");
        }
    }
    if token.is_none() && !chats.is_empty() {
        reader.violate_secret("alerts.telegram_token", "is missing: a bot without a token hears nobody");
    }
    let users = users_of(reader, &users, may_act);
    if may_act && chats.is_empty() {
        reader.violate("alerts.telegram_chats", "is empty: an action comes from a chat that is named there");
    }
    if heartbeat_url.as_ref().is_some_and(|url| !is_http(url.expose_secret())) {
        reader.violate_secret("alerts.heartbeat_url", HTTP_RULE);
    }
    let chats: Vec<String> = chats.iter().map(|chat| chat.trim().to_owned()).collect();
    Alerts {
        channels,
        fold,
        escalate_after: (escalate_min > 0).then(|| Duration::from_secs(escalate_min * 60)),
        summaries,
        commands: token.filter(|_| !chats.is_empty()).map(|token| {
            let actions = may_act.then(|| ChatActions { users, by_totp: by_totp.unwrap_or(true) });
            Commands { token, chats, actions }
        }),
        telegram_url: telegram_url.unwrap_or_default(),
        heartbeat: heartbeat_url.map(|url| Heartbeat { url, every }),
    }
}

/// The users who may act. Numbers: a name can be given up and taken by somebody else.
fn users_of(reader: &mut Reader, users: &[String], may_act: bool) -> Vec<String> {
    for (index, user) in users.iter().enumerate() {
        if !user.trim().parse::<i64>().is_ok_and(|number| number > 0) {
            reader.violate(&format!("alerts.telegram_users.{index}"), "must be the number of a user, such as \"7001234\"");
        }
    }
    if may_act && users.is_empty() {
        reader.violate("alerts.telegram_users", "is empty: with telegram_actions somebody must be named who may act");
    }
    users.iter().map(|user| user.trim().to_owned()).collect()
}

/// One row. A row with a chat and no token takes the bot of the section.
fn row(reader: &mut Reader, index: usize, (from, quiet): (Level, Option<Quiet>), token: Option<&SecretString>) -> Option<AlertChannel> {
    let at = |name: &str| format!("alerts.channels.{index}.{name}");
    let said = |reader: &Reader, name: &str| reader.is_said(&at(name));
    let (is_chat_said, is_from_said, is_quiet_said) = (said(reader, "telegram_chat"), said(reader, "from"), said(reader, "quiet"));
    let mut scope = reader.row("alerts.channels", index, None);
    let name = scope.text("name", "must be 1 to 32 of A-Z a-z 0-9 _ -", |text| ClientId::parse(text).ok());
    let url = scope.secret("webhook_url");
    let own_token = scope.secret("telegram_token");
    let chat = if is_chat_said { chat(&mut scope) } else { None };
    let from = if is_from_said { level(&mut scope) } else { from };
    let quiet = if is_quiet_said { self::quiet(&mut scope) } else { quiet };
    let is_escalation = scope.flag("escalation", false);
    let to = match (url, own_token.or_else(|| token.cloned().filter(|_| is_chat_said)), chat) {
        (Some(url), None, None) => {
            if !is_http(url.expose_secret()) {
                reader.violate_secret(&at("webhook_url"), HTTP_RULE);
            }
            AlertTo::Webhook(url)
        }
        (None, Some(token), Some(chat)) => AlertTo::Telegram { token, chat },
        _ => {
            reader.violate(&at("name"), "must have either a webhook_url, or a telegram_chat with a telegram_token here or in [alerts]");
            return None;
        }
    };
    Some(AlertChannel { name: name?.to_string(), to, from, quiet, is_escalation })
}

fn chat(scope: &mut Scope<'_>) -> Option<String> {
    scope.text("telegram_chat", "must be text", |text| Some(text.trim().to_owned())).filter(|text| !text.is_empty())
}

fn level(scope: &mut Scope<'_>) -> Level {
    scope.text("from", LEVEL_RULE, |text| Level::parse(&text.trim().to_ascii_uppercase())).unwrap_or(Level::Page)
}

fn quiet(scope: &mut Scope<'_>) -> Option<Quiet> {
    let read = |text: &str| if text.trim().is_empty() { Some(None) } else { Quiet::parse(text).map(Some) };
    scope.text("quiet", QUIET_RULE, read).flatten()
}

fn is_http(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigError};
    use super::*;

    fn load(toml: &str) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("mine.toml");
        std::fs::write(&file, toml).unwrap();
        Config::load(Some(&file), Vec::new())
    }

    fn wrong(toml: &str) -> Vec<String> {
        load(toml).unwrap_err().violations.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nothing_is_set_by_default() {
        let alerts = load("").unwrap().alerts;
        assert!(alerts.channels.is_empty() && alerts.commands.is_none() && alerts.heartbeat.is_none() && alerts.summaries);
        assert_eq!((alerts.fold, alerts.escalate_after), (Duration::from_secs(300), Some(Duration::from_secs(900))));
        assert_eq!(alerts.telegram_url, "https://api.telegram.org");
    }

    #[test]
    fn a_row_takes_what_it_does_not_say_from_the_section() {
        let section = "[alerts]\nwebhook_url = \"http://127.0.0.1:1/w\"\ntelegram_token = \"t\"\ntelegram_chats = [\"42\", \"-7\"]\nfrom = \"warn\"\nquiet = \"22:00-07:00\"\nescalate_min = 0\n";
        let rows = "[[alerts.channels]]\nname = \"a\"\ntelegram_chat = \"9\"\n[[alerts.channels]]\nname = \"b\"\nwebhook_url = \"https://b.example\"\nfrom = \"page\"\nquiet = \"\"\nescalation = true\n";
        let alerts = load(&format!("{section}{rows}")).unwrap().alerts;
        let seen: Vec<_> = alerts
            .channels
            .iter()
            .map(|channel| {
                (
                    channel.name.as_str(),
                    channel.from,
                    channel.quiet.is_some(),
                    channel.is_escalation,
                    matches!(channel.to, AlertTo::Telegram { .. }),
                )
            })
            .collect();
        let expected =
            [("webhook", Level::Warn, true, false, false), ("a", Level::Warn, true, false, true), ("b", Level::Page, false, true, false)];
        assert_eq!(seen, expected);
        let commands = alerts.commands.unwrap();
        assert_eq!((commands.chats, commands.actions), (vec!["42".to_owned(), "-7".to_owned()], None));
        assert_eq!(alerts.escalate_after, None);
    }

    #[test]
    fn actions_are_of_the_users_that_are_named() {
        let bot =
            "[alerts]\ntelegram_token = \"t\"\ntelegram_chats = [\"42\"]\ntelegram_actions = true\ntelegram_users = [\" 7 \", \"8\"]\n";
        let actions = |toml: &str| load(toml).unwrap().alerts.commands.unwrap().actions.unwrap();
        let users = vec!["7".to_owned(), "8".to_owned()];
        assert_eq!(actions(bot), ChatActions { users: users.clone(), by_totp: true }, "the authenticator's, unless it is said otherwise");
        assert_eq!(actions(&format!("{bot}telegram_confirm = \"code\"\n")), ChatActions { users, by_totp: false });
    }

    #[test]
    fn a_code_in_the_same_chat_is_called_unwise_and_a_missing_authenticator_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("mine.toml");
        let said = |confirm: &str| {
            let bot = "telegram_token = \"t\"\ntelegram_chats = [\"42\"]\ntelegram_actions = true\ntelegram_users = [\"7\"]";
            std::fs::write(&file, format!("[storage]\ndirectory = {:?}\n[alerts]\n{bot}\n{confirm}\n", directory.path())).unwrap();
            let config = Config::load(Some(&file), Vec::new()).unwrap();
            (config.warnings(), config.actions_want())
        };
        let (warnings, wants) = said("telegram_confirm = \"code\"");
        assert!(matches!(&warnings[..], [only] if only.contains("telegram_confirm")) && wants.is_none(), "{warnings:?} {wants:?}");
        let (warnings, wants) = said("");
        assert!(warnings.is_empty() && wants.is_some_and(|words| words.contains("ordergate password --totp")));
        let (codes, password) = (crate::access::Enrolment::draw().unwrap(), SecretString::from("correct horse battery"));
        crate::access::set_password(directory.path(), &password, Some(&codes), chrono::DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(said(""), (Vec::new(), None));
        assert_eq!((load("").unwrap().warnings(), load("").unwrap().actions_want()), (Vec::new(), None), "without actions nothing is said");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key_and_without_its_secret() {
        for (toml, words) in [
            ("[alerts]\nwebhook_url = \"ftp://h-hunter2\"", "alerts.webhook_url = [set]"),
            ("[alerts]\nheartbeat_url = \"h-hunter2\"", "alerts.heartbeat_url = [set]"),
            ("[alerts]\ntelegram_token = \"t-hunter2\"", "alerts.telegram_chat"),
            ("[alerts]\ntelegram_chat = \"42\"", "alerts.telegram_token"),
            ("[alerts]\ntelegram_chats = [\"42\"]", "alerts.telegram_token"),
            ("[alerts]\ntelegram_token = \"t-hunter2\"\ntelegram_chats = [\"@me\"]", "alerts.telegram_chats.0"),
            ("[alerts]\ntelegram_token = \"t\"\ntelegram_chats = [\"42\"]\ntelegram_actions = true", "alerts.telegram_users"),
            (
                "[alerts]\ntelegram_token = \"t\"\ntelegram_chat = \"42\"\ntelegram_actions = true\ntelegram_users = [\"7\"]",
                "alerts.telegram_chats",
            ),
            ("[alerts]\ntelegram_users = [\"@me\"]", "alerts.telegram_users.0"),
            ("[alerts]\ntelegram_users = [\"-7\"]", "alerts.telegram_users.0"),
            ("[alerts]\ntelegram_confirm = \"none\"", "must be code or totp"),
            ("[alerts]\nfrom = \"loud\"", "must be info, warn or page"),
            ("[alerts]\nquiet = \"22:00\"", "must be two times of day"),
            ("[alerts]\ntelegram_url = \"t.example\"", "alerts.telegram_url"),
            ("[[alerts.channels]]\nname = \"a\"", "alerts.channels.0.name"),
            ("[[alerts.channels]]\nname = \"a\"\ntelegram_chat = \"1\"", "must have either a webhook_url"),
            (
                "[alerts]\nwebhook_url = \"http://a\"\n[[alerts.channels]]\nname = \"Webhook\"\nwebhook_url = \"http://b\"",
                "the name of another channel",
            ),
        ] {
            let found = wrong(toml).join("\n");
            assert!(found.contains(words) && !found.contains("hunter2"), "{toml}: {found}");
        }
    }
}
