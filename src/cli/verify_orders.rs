//! `ordergate verify-orders`: the seeds' checks over the orders on disk, read-only beside a running engine.

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::order::OrderRecord;
use ordergate_actors::ports::Clock;

use super::print::{ORDER, Page, order_row, remedy, what, words};
use super::{Config, EXIT_ATTENTION, EXIT_OK, trace};
use crate::clock::SystemClock;
use crate::store::{OpenError, ReadStore};

/// An order is CREATED for milliseconds; one that is longer waits for something.
const CREATED_LONG: TimeDelta = TimeDelta::seconds(30);
/// An order at the broker that was not heard of for this long is working, or in doubt.
const SENT_LONG: TimeDelta = TimeDelta::seconds(60);

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
        Some(id) => trace::order(&store, id, now, &mut page)?,
        None => all(&store, now, &mut page)?,
    };
    page.show()?;
    Ok(code)
}

/// Whether nobody knows if the broker has it. A call in flight is not that yet.
pub(super) fn is_in_doubt(order: &OrderRecord, now: DateTime<Utc>) -> bool {
    let is_nameless = order.status.is_at_broker() && order.broker_order_id.is_none() && !order.is_test();
    order.is_in_doubt() || (is_nameless && now.signed_duration_since(order.updated_at) > CREATED_LONG)
}

fn all(store: &ReadStore, now: DateTime<Utc>, page: &mut Page) -> anyhow::Result<i32> {
    let span = store.span()?;
    page.line(format!("orders: {}", span.orders));
    if let (Some(oldest), Some(newest)) = (&span.oldest, &span.newest) {
        page.line(format!("from {oldest} to {newest}"));
    }
    let counts = |counts: Vec<(String, u64)>| counts.into_iter().map(|(name, count)| vec![name, count.to_string()]);
    page.heading("By status").table(&["status", "orders"], counts(store.count_by_status()?));
    page.heading("By source").table(&["source", "orders"], counts(store.count_by_source()?));

    let incomplete = store.incomplete()?;
    let created = store.created_before(now - CREATED_LONG)?;
    let quiet = store.sent_not_updated_since(now - SENT_LONG)?;
    // Everything at the broker without a number, however young: those in doubt are the ones to see to.
    let sent = store.sent_not_updated_since(now + SENT_LONG)?;
    let doubtful: Vec<&OrderRecord> = sent.iter().filter(|order| is_in_doubt(order, now)).collect();
    let unnamed = sent.iter().filter(|order| order.broker_order_id.is_none() && !order.is_test()).count();
    let without_type = incomplete.iter().filter(|found| found.missing.contains(&"execution_type")).count();

    page.heading("Checks");
    let check = |name: &str, found: usize, is_bad: bool| vec![name.to_owned(), found.to_string(), verdict(found, is_bad).to_owned()];
    page.table(
        &["check", "orders", ""],
        [
            check("missing execution_type", without_type, true),
            check("missing another field that their status needs", incomplete.len() - without_type, true),
            check("at the broker without a broker order number", unnamed, !doubtful.is_empty()),
            check("in doubt: checking with the broker", doubtful.len(), true),
            check("CREATED for more than 30 s", created.len(), true),
            check("at the broker and not updated for 60 s (resting orders are)", quiet.len(), false),
        ],
    );
    for found in &incomplete {
        page.line(format!("  {} lacks {}", found.order.command_id, found.missing.join(", ")));
    }
    for order in created.iter().chain(doubtful.iter().copied()) {
        let age = now.signed_duration_since(order.updated_at).num_seconds();
        page.line(format!("  {} {} since {age} s: {} {}", order.command_id, order.status, what(order), words(order)));
        if !remedy(order).is_empty() {
            page.line(format!("    {}", remedy(order)));
        }
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
    let needs_a_person = !incomplete.is_empty() || !created.is_empty() || !doubtful.is_empty();
    page.heading(if needs_a_person { "Something needs a person: see the checks." } else { "Nothing needs a person." });
    Ok(if needs_a_person { EXIT_ATTENTION } else { EXIT_OK })
}

fn verdict(found: usize, is_bad: bool) -> &'static str {
    match (found, is_bad) {
        (0, _) => "ok",
        (_, true) => "SEE TO IT",
        (_, false) => "for your information",
    }
}
