//! `ordergate journal accept`: a person has looked at what does not agree, and the account may go on.

use std::sync::Arc;

use clap::Args;
use ordergate_actors::order::{ClientId, clean};
use ordergate_actors::ports::Clock;

use super::print::Page;
use super::{Config, EXIT_ATTENTION, EXIT_OK};
use crate::clock::SystemClock;
use crate::store::{AcceptError, Holder, LockError, OpenError, ReadStore, SqliteStore, accept};

/// What is accepted, by whom and why.
#[derive(Debug, Args)]
pub(super) struct Accept {
    /// The account whose journal is accepted as it is
    #[arg(long, value_name = "NAME", value_parser = |text: &str| ClientId::parse(text), required_unless_present = "process")]
    account: Option<ClientId>,
    /// The chain of the events that belong to no account
    #[arg(long, conflicts_with = "account")]
    process: bool,
    /// What you looked at, and why it may stay as it is
    #[arg(long, value_parser = said)]
    reason: String,
    /// Who you are; the name of the login if it is left out
    #[arg(long, value_name = "NAME", value_parser = said)]
    who: Option<String>,
}

fn said(text: &str) -> Result<String, String> {
    let text = clean(text.trim(), 300);
    if text.is_empty() { Err("say something".to_owned()) } else { Ok(text) }
}

pub(super) fn run(config: &Config, wish: &Accept) -> anyhow::Result<i32> {
    let mut page = Page::new();
    // Opening for writing would make a directory that is not there.
    drop(ReadStore::open(&config.storage.directory)?);
    let options = crate::app::store_options(config, Holder::Command("journal accept"), SystemClock.now());
    let store = match SqliteStore::open(&config.storage.directory, options) {
        Ok(store) => store,
        Err(OpenError::Lock(LockError::Held { holder, .. })) => {
            page.line(format!("an engine is running ({holder}); stop it first")).show()?;
            return Ok(EXIT_ATTENTION);
        }
        Err(OpenError::Lock(busy @ LockError::Busy { .. })) => {
            page.line(busy.to_string()).show()?;
            return Ok(EXIT_ATTENTION);
        }
        Err(other) => return Err(other.into()),
    };
    let login =
        || std::env::var("USER").ok().and_then(|name| said(&name).ok()).unwrap_or_else(|| "a person at the command line".to_owned());
    let who = wish.who.clone().unwrap_or_else(login);
    match accept(store, Arc::new(SystemClock), wish.account.as_ref(), &who, &wish.reason) {
        Ok(differences) => {
            page.line("accepted as it is, and written down:");
            for difference in &differences {
                page.line(difference);
            }
            page.line("the next start is sound; the kill level stays until you set it to 0").show()?;
            Ok(EXIT_OK)
        }
        Err(AcceptError::Store(cause)) => Err(cause.into()),
        Err(refusal) => {
            page.line(refusal.to_string()).show()?;
            Ok(EXIT_ATTENTION)
        }
    }
}
