//! `ordergate config check`: what is in force, where it was said, and where things are.

use super::print::Page;
use super::{Config, EXIT_OK};

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
    page.line("the configuration is sound").show()?;
    Ok(EXIT_OK)
}
