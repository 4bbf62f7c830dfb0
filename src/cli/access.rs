//! `ordergate link`, `ordergate password`: how a person comes to the dashboard. Both write into the data directory, beside a
//! running engine or without one.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;
use ordergate_actors::ports::Clock as _;
use ordergate_actors::supervision::EXIT_REFUSED;
use secrecy::{ExposeSecret, SecretString};

use super::print::Page;
use super::{Config, EXIT_ATTENTION, EXIT_OK};
use crate::access::{AccessError, Enrolment, MIN_LENGTH, forget_password, set_password};
use crate::clock::SystemClock;
use crate::store::DirectoryLock;

#[derive(Debug, Args)]
pub(super) struct Password {
    /// Also ask for a one-time code of an authenticator app at each login
    #[arg(long, conflicts_with = "remove")]
    totp: bool,
    /// Take the password away
    #[arg(long)]
    remove: bool,
}

pub(super) fn link(config: &Config) -> anyhow::Result<i32> {
    let directory = &config.storage.directory;
    if !directory.join(crate::store::DATABASE).is_file() {
        eprintln!(
            "ordergate: no engine has run on {}: a link from here opens nothing. Run this where the engine runs, with its --config, or start it first",
            directory.display()
        );
        return Ok(EXIT_REFUSED);
    }
    let link = crate::app::link(config, SystemClock.now())?;
    let minutes = config.access.link.as_secs() / 60;
    let mut page = Page::new();
    page.line(format!("opens the dashboard once, within {minutes} minutes; links before it are void:\n{link}"));
    if DirectoryLock::holder(directory)?.is_none() {
        page.line("no engine runs on this directory now: start it, then open the link");
    }
    page.show()?;
    Ok(EXIT_OK)
}

pub(super) fn password(config: &Config, wish: &Password) -> anyhow::Result<i32> {
    let directory = &config.storage.directory;
    if wish.remove {
        forget_password(directory, SystemClock.now())?;
        return done(EXIT_OK, "the password is gone; every session of the owner has ended");
    }
    let input = io::stdin();
    let is_terminal = input.is_terminal();
    let mut lines = input.lock();
    let first = hidden(&mut lines, is_terminal, &format!("a new password, {MIN_LENGTH} characters at least: "))?;
    if is_terminal && hidden(&mut lines, is_terminal, "once more: ")?.expose_secret() != first.expose_secret() {
        return done(EXIT_ATTENTION, "the two differ; nothing was changed");
    }
    let codes = if wish.totp { Some(Enrolment::draw()?) } else { None };
    if let Some(codes) = &codes {
        Page::new()
            .line(format!("put this into the authenticator app:\n  {}\nor as a link:\n  {}", codes.secret(), codes.address()))
            .show()?;
        ask("the code that the app shows now: ")?;
        let mut code = String::new();
        lines.read_line(&mut code)?;
        if !codes.is_shown(&code, SystemClock.now()) {
            return done(EXIT_ATTENTION, "that is not its code; nothing was changed. Is the clock of both right?");
        }
    }
    match set_password(directory, &first, codes.as_ref(), SystemClock.now()) {
        Err(AccessError::Refused(why)) => done(EXIT_ATTENTION, why),
        set => set.map_err(Into::into).and_then(|()| done(EXIT_OK, "the password is set; every session of the owner has ended")),
    }
}

fn done(code: i32, words: &str) -> anyhow::Result<i32> {
    Page::new().line(words).show()?;
    Ok(code)
}

fn ask(words: &str) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(words.as_bytes())?;
    out.flush()
}

/// A line that nobody over the shoulder reads.
fn hidden(lines: &mut impl BufRead, is_terminal: bool, words: &str) -> io::Result<SecretString> {
    let mut line = String::new();
    if is_terminal {
        ask(words)?;
        let shown = echo::off();
        let read = lines.read_line(&mut line);
        drop(shown);
        ask("\n")?;
        read?;
    } else {
        lines.read_line(&mut line)?;
    }
    Ok(SecretString::from(line.trim_end_matches(['\r', '\n'])))
}

#[cfg(unix)]
mod echo {
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

    /// Puts the terminal back as it was when dropped.
    pub(super) struct Off(Option<Termios>);

    pub(super) fn off() -> Off {
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHO);
            let _echoes_if_it_cannot = tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet);
        }
        Off(before)
    }

    impl Drop for Off {
        fn drop(&mut self) {
            if let Some(before) = &self.0 {
                let _nothing_to_do = tcsetattr(std::io::stdin(), OptionalActions::Flush, before);
            }
        }
    }
}

#[cfg(not(unix))]
mod echo {
    /// Here the terminal shows what is typed.
    pub(super) struct Off;

    pub(super) fn off() -> Off {
        Off
    }
}
