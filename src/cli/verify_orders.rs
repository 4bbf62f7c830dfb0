//! `ordergate verify-orders`: the seeds' checks over the orders on disk, read-only beside a running engine.

use ordergate_actors::ports::Clock;

use super::judge::{Judgement, is_followed};
use super::print::{ORDER, Page, order_row, remedy, what, words};
use super::{Config, EXIT_ATTENTION, EXIT_OK, trace};
use crate::clock::SystemClock;
use crate::store::{OpenError, ReadStore};

pub(super) fn run(config: &Config, order: Option<&str>) -> anyhow::Result<i32> {
    let now = SystemClock.now();
    let mut page = Page::new();
    let store = match ReadStore::open(&config.storage.directory) {
        Ok(store) => store,
        Err(OpenError::Directory { path, cause }) if cause.kind() == std::io::ErrorKind::NotFound => {
            page.line(format!("there is no database at {}: no engine has run on this directory yet", path.display())).show()?;
            return Ok(EXIT_ATTENTION);
        }
        Err(other) => return Err(other.into()),
    };
    let code = match order {
        Some(id) => trace::order(&store, id, (now, is_followed(&config.storage.directory)?), &mut page)?,
        None => {
            let judgement = Judgement::of(&store, &config.storage.directory, now)?;
            all(&store, &judgement, &mut page)?
        }
    };
    page.show()?;
    Ok(code)
}

fn all(store: &ReadStore, found: &Judgement, page: &mut Page) -> anyhow::Result<i32> {
    if !found.is_followed {
        page.line("NO ENGINE RUNS on this directory: nothing is sent, followed or watched; this is what its record says");
    }
    let span = store.span()?;
    page.line(format!("orders: {}", span.orders));
    if let (Some(oldest), Some(newest)) = (&span.oldest, &span.newest) {
        page.line(format!("from {oldest} to {newest}"));
    }
    let counts = |counts: Vec<(String, u64)>| counts.into_iter().map(|(name, count)| vec![name, count.to_string()]);
    page.heading("By status").table(&["status", "orders"], counts(store.count_by_status()?));
    page.heading("By source").table(&["source", "orders"], counts(store.count_by_source()?));

    let waits = if found.is_followed { "CREATED for more than 30 s" } else { "CREATED, and nobody sends it" };
    page.heading("Checks");
    let check = |name: &str, found: usize, is_bad: bool| vec![name.to_owned(), found.to_string(), verdict(found, is_bad).to_owned()];
    page.table(
        &["check", "orders", ""],
        [
            check("missing execution_type", found.without_type, true),
            check("missing another field that their status needs", found.lacking.count - found.without_type, true),
            check("at the broker without a broker order number", found.unnamed, found.doubtful.count > 0),
            check("in doubt: checking with the broker", found.doubtful.count, true),
            check(waits, found.created.count, true),
            check("working at the broker, and nobody follows it", found.unfollowed.count, true),
            check("at the broker and not updated for 60 s (resting orders are)", found.quiet, false),
        ],
    );
    found.orders(page);
    if !found.pages.is_empty() {
        page.heading("Alarms that page, and that nobody has acknowledged");
        found.alarms(page);
    }

    page.heading("Last 10 orders").table(ORDER, store.last(10)?.iter().map(order_row));
    let failed = store.last_failed(5)?;
    if !failed.is_empty() {
        page.heading("Last 5 failed");
        for order in &failed {
            page.line(format!("{} {}", order.command_id, what(order)));
            page.line(format!("  {}", ordergate_actors::order::clean(&words(order), 500)));
            page.line(format!("  what to do: {}", remedy(order)));
        }
    }
    page.heading(found.verdict());
    Ok(if found.needs_a_person() { EXIT_ATTENTION } else { EXIT_OK })
}

fn verdict(found: usize, is_bad: bool) -> &'static str {
    match (found, is_bad) {
        (0, _) => "ok",
        (_, true) => "SEE TO IT",
        (_, false) => "for your information",
    }
}
