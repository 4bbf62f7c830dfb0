//! What a message from a chat asks for: pure. Only what reduces risk, or says that an alarm was seen.

use std::fmt;

use ordergate_actors::order::{ClientId, CommandId, Strategy, clean};
use ordergate_actors::persistence::KillLevel;
use serde::{Deserialize, Serialize};

/// The longest name and the longest reason.
const LONGEST: usize = 300;
/// What is said to whoever wants more than that.
const LESS_ONLY: &str = "only what reduces risk can be done from here: re-arm on the dashboard";

/// What can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The kill level is raised to this; it is never lowered.
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
    /// Exits that their cost cap has stopped go on, once each.
    GoOn(GoOn),
}

/// Which of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoOn {
    /// As it was written: the name of a strategy or of an instrument; `None`: all.
    pub name: Option<String>,
    /// What was found under that name when it was asked for. Nothing else is meant.
    pub exits: Vec<Stopped>,
}

/// An exit that stands at its cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// The exit.
    pub order: CommandId,
    /// How often it was let go on before: one word lets it go on once.
    pub granted: u32,
}

/// What of that which is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// In which accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// It was not said. A name that fits in one account means that one; in several it means nothing.
    Unsaid,
    /// In every account.
    Every,
    /// In this one.
    One(ClientId),
}

/// What is to be done, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// What.
    pub action: Action,
    /// Where.
    pub whose: Whose,
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
            Self::GoOn(GoOn { name: None, .. }) => f.write_str("let every exit at its cost cap go on"),
            Self::GoOn(GoOn { name: Some(name), .. }) => write!(f, "let the exits of {name} at their cost cap go on"),
        }
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.whose {
            Whose::One(client) => write!(f, "in {client} alone: {}", self.action),
            Whose::Unsaid | Whose::Every => self.action.fmt(f),
        }
    }
}

/// What a message says, if it is about an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Something is to be done.
    Ask(Wish),
    /// A code.
    Confirm(String),
    /// It cannot be done from here, or not like that.
    Refused(&'static str),
}

/// Reads a message; `None`: it is about no action. `@` and the name of an account, anywhere behind the command, names where.
#[must_use]
pub fn read(text: &str) -> Option<Said> {
    let mut words = text.split_whitespace();
    let word = words.next()?.split('@').next()?.to_ascii_lowercase();
    let words: Vec<&str> = words.collect();
    Some(match word.as_str() {
        "/kill" | "/cancel" | "/exit" | "/ack" | "/go" => ask(&word, &words).unwrap_or_else(Said::Refused),
        "/confirm" => {
            let digits = clean(&words.concat(), LONGEST);
            let is_code = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_digit());
            if is_code { Said::Confirm(digits) } else { Said::Refused("a code has six digits: /confirm 123456") }
        }
        "/arm" | "/rearm" | "/resume" | "/thaw" | "/override" | "/buy" | "/sell" | "/enter" | "/approve" => Said::Refused(LESS_ONLY),
        _ => return None,
    })
}

fn ask(word: &str, words: &[&str]) -> Result<Said, &'static str> {
    // A lone @ is a word like any other.
    let (named, rest): (Vec<&str>, Vec<&str>) = words.iter().copied().partition(|word| word.len() > 1 && word.starts_with('@'));
    let whose = whose(&named)?;
    let rest = clean(&rest.join(" "), LONGEST);
    let is_all = rest.eq_ignore_ascii_case("all");
    let action = match word {
        "/kill" => kill(&rest)?,
        "/cancel" if is_all => Action::Cancel(None),
        "/cancel" => {
            let strategy = Strategy::parse(&rest);
            Action::Cancel(Some(strategy.map_err(|_| "say /cancel all, or /cancel and a strategy")?))
        }
        "/exit" if is_all => Action::Exit(What::All),
        "/exit" if rest.is_empty() => return Err("say /exit all, or /exit and a strategy or an instrument"),
        "/exit" => Action::Exit(What::Named(rest)),
        "/go" if is_all => Action::GoOn(GoOn::default()),
        "/go" if rest.is_empty() => return Err("say /go all, or /go and the strategy or the instrument of an exit at its cost cap"),
        "/go" => Action::GoOn(GoOn { name: Some(rest), exits: Vec::new() }),
        _ if is_all => Action::Acknowledge(None),
        _ if rest.is_empty() => return Err("say /ack all, or /ack and the number of an alarm"),
        _ => Action::Acknowledge(Some(rest)),
    };
    Ok(Said::Ask(Wish { action, whose }))
}

fn whose(named: &[&str]) -> Result<Whose, &'static str> {
    match named {
        [] => Ok(Whose::Unsaid),
        [all] if all.eq_ignore_ascii_case("@all") => Ok(Whose::Every),
        [one] => match ClientId::parse(one.trim_start_matches('@')) {
            Ok(client) => Ok(Whose::One(client)),
            Err(_) => Err("behind @ stands the name of an account, or all; nothing else may begin with @"),
        },
        _ => Err("name one account with @, or @all, or none"),
    }
}

fn kill(rest: &str) -> Result<Action, &'static str> {
    let (level, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let level = match level {
        "0" => return Err(LESS_ONLY),
        "1" => KillLevel::StopEntries,
        "2" => KillLevel::CancelEntries,
        "3" => KillLevel::SquareOff,
        _ => return Err("say /kill 1 (no new entries), /kill 2 (also cancel entries) or /kill 3 (also square off), and why"),
    };
    Ok(Action::Kill { level, reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(action: Action, whose: Whose) -> Option<Said> {
        Some(Said::Ask(Wish { action, whose }))
    }

    #[test]
    fn only_what_reduces_risk_is_read() {
        let named = |name: &str| Action::Exit(What::Named(name.to_owned()));
        let kill = |level, reason: &str| Action::Kill { level, reason: reason.to_owned() };
        for (text, action) in [
            ("/kill 1", kill(KillLevel::StopEntries, "")),
            ("/KILL@my_bot 3  the   feed is wrong", kill(KillLevel::SquareOff, "the feed is wrong")),
            ("/kill 2 SBIN fell @ 790", kill(KillLevel::CancelEntries, "SBIN fell @ 790")),
            ("/cancel ALL", Action::Cancel(None)),
            ("/cancel trend", Action::Cancel(Some(Strategy::parse("trend").unwrap()))),
            ("/exit all", Action::Exit(What::All)),
            ("/exit NIFTY 50", named("NIFTY 50")),
            ("/exit trend\u{202e}x", named("trend?x")),
            ("/ack all", Action::Acknowledge(None)),
            ("/go all", Action::GoOn(GoOn::default())),
            ("/go SBIN-EQ", Action::GoOn(GoOn { name: Some("SBIN-EQ".to_owned()), exits: Vec::new() })),
            ("/ack 17@PAPER1", Action::Acknowledge(Some("17@PAPER1".to_owned()))),
        ] {
            assert_eq!(read(text), asks(action, Whose::Unsaid), "{text}");
        }
        assert_eq!(read("/confirm 482 193"), Some(Said::Confirm("482193".to_owned())));
        for text in
            ["/kill 0", "/arm", "/rearm trend", "/resume", "/thaw", "/override", "/buy SBIN 10", "/sell SBIN 10", "/enter", "/approve 1"]
        {
            assert!(matches!(read(text), Some(Said::Refused(words)) if words.contains("re-arm on the dashboard")), "{text}");
        }
        for text in [
            "/kill",
            "/kill 4",
            "/kill 12",
            "/kill all",
            "/cancel",
            "/exit",
            "/ack",
            "/go",
            "/confirm",
            "/confirm 12345",
            "/confirm 1234567",
            "/confirm abcdef",
        ] {
            assert!(matches!(read(text), Some(Said::Refused(_))), "{text}");
        }
        for text in ["", "kill 3", "/status", "/killer 3", "please /kill 3"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn an_account_is_named_behind_an_at_wherever_it_stands() {
        let one = || Whose::One(ClientId::parse("PAPER2").unwrap());
        let kill = Action::Kill { level: KillLevel::SquareOff, reason: "the feed".to_owned() };
        for text in ["/kill 3 @PAPER2 the feed", "/kill @PAPER2 3 the feed", "/kill@my_bot 3 the feed @PAPER2"] {
            assert_eq!(read(text), asks(kill.clone(), one()), "{text}");
        }
        assert_eq!(read("/exit all @PAPER2"), asks(Action::Exit(What::All), one()));
        assert_eq!(read("/exit @PAPER2 NIFTY 50"), asks(Action::Exit(What::Named("NIFTY 50".to_owned())), one()));
        assert_eq!(read("/cancel trend @All"), asks(Action::Cancel(Some(Strategy::parse("trend").unwrap())), Whose::Every));
        assert_eq!(read("/ack 17 @PAPER2"), asks(Action::Acknowledge(Some("17".to_owned())), one()));
        for text in ["/kill 3 @PAPER1 @PAPER2", "/exit all @PAPER1 @all", "/exit all @PAPER.2", "/kill 3 ask @ravi@home"] {
            assert!(matches!(read(text), Some(Said::Refused(words)) if words.contains('@')), "{text}");
        }
        assert!(matches!(read("/exit @PAPER2"), Some(Said::Refused(_))), "an account alone says nothing");
        let wish = Wish { action: kill, whose: one() };
        assert_eq!(wish.to_string(), "in PAPER2 alone: kill level 3: the feed");
        let text = serde_json::to_string(&wish).unwrap();
        assert_eq!(serde_json::from_str::<Wish>(&text).unwrap(), wish, "{text}");
    }
}
