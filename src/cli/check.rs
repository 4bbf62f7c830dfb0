//! `ordergate config check`: what is in force, where it was said, where things are, and whether this program can use the database.

use std::path::Path;

use super::print::Page;
use super::{Config, EXIT_OK};
use crate::store::{OpenError, ReadStore};

pub(super) fn run(config: &Config) -> anyhow::Result<i32> {
    let mut page = Page::new();
    let rows = config.effective.iter().map(|setting| vec![setting.key.clone(), setting.value.clone(), setting.layer.to_string()]);
    page.table(&["setting", "value", "said by"], rows);
    for warning in config.warnings().into_iter().chain(config.actions_want()) {
        page.line(format!("warning: {warning}"));
    }
    let directory = &config.storage.directory;
    let place = |name: &str, path: std::path::PathBuf| {
        let full = std::path::absolute(&path).unwrap_or(path);
        let is_there = if full.exists() { "" } else { "not there yet" };
        vec![name.to_owned(), full.display().to_string(), is_there.to_owned()]
    };
    let mut rows = vec![
        place("database", directory.join("orders.db")),
        place("secrets", directory.join(crate::secrets::FILE)),
        place("logs", config.log.directory.clone()),
        place("intent log", crate::intent_log::path(&config.log.directory)),
    ];
    rows.extend(
        config
            .accounts
            .iter()
            .map(|account| place(&format!("risk state of {}", account.client_id), crate::risk_state::path(directory, &account.client_id))),
    );
    page.heading("Where things are").table(&["what", "path", ""], rows);
    let database = database(directory);
    if let Ok(words) = &database {
        page.line(words);
    }
    page.line("the configuration is sound").show()?;
    database.map(|_| EXIT_OK)
}

/// What this program would make of the database, in words; it is looked at and left as it is.
///
/// # Errors
/// It could not start on it.
fn database(directory: &Path) -> anyhow::Result<&'static str> {
    match ReadStore::open(directory) {
        Ok(store) => {
            store.load()?;
            Ok("the database has this version's schema, and can be read")
        }
        Err(OpenError::OlderSchema { .. }) => {
            Ok("the database has an older schema: the next start brings it up to date, and the version before cannot use it any more")
        }
        Err(OpenError::Directory { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {
            Ok("there is no database yet: the first start makes it")
        }
        Err(cause) => Err(cause.into()),
    }
}
