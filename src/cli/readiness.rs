//! `ordergate readiness`: GO or NO GO, from the running engine.

use serde_json::Value;

use super::engine::ask;
use super::print::Page;
use super::{Config, EXIT_ATTENTION, EXIT_OK};

pub(super) fn run(config: &Config, account: Option<&str>) -> anyhow::Result<i32> {
    let path = match account.map(ordergate_actors::order::ClientId::parse) {
        None => "/dashboard/readiness".to_owned(),
        Some(Ok(client_id)) => format!("/dashboard/readiness?client_id={client_id}"),
        Some(Err(cause)) => anyhow::bail!("--account: {cause}"),
    };
    let mut page = Page::new();
    let code = match ask(config, &path, None)? {
        Err(cause) => {
            page.line(format!("NO GO: {cause}"));
            EXIT_ATTENTION
        }
        Ok(said) if !said.is_success() => {
            page.line(said.trouble());
            EXIT_ATTENTION
        }
        Ok(said) => {
            for account in said.body["accounts"].as_array().into_iter().flatten() {
                page.heading(format!("{} ({})", text(&account["client_id"]), text(&account["standing"]["mode"])));
                checks(&account["report"], &mut page);
                if let Some(link) = account["login_link"].as_str() {
                    page.line(format!("log in: {link}"));
                }
            }
            if said.body["overall"] == "GO" { EXIT_OK } else { EXIT_ATTENTION }
        }
    };
    page.show()?;
    Ok(code)
}

/// The table of one report.
pub(super) fn checks(report: &Value, page: &mut Page) {
    let rows = report["checks"].as_array().into_iter().flatten();
    let rows = rows.map(|check| vec![text(&check["name"]), text(&check["verdict"]), text(&check["text"])]);
    page.line(format!("readiness: {}", text(&report["overall"]))).table(&["check", "", "seen"], rows);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
