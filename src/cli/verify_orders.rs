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
/// The most orders that one check names: it counts all of them, and a million of them are no reading.
const NAMED: usize = 100;

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

    let mut lacking = Found::default();
    let mut without_type = 0;
    for found in store.incomplete() {
        let found = found?;
        without_type += usize::from(found.missing.contains(&"execution_type"));
        lacking.take(|| vec![format!("  {} lacks {}", found.order.command_id, found.missing.join(", "))]);
    }
    let mut created = Found::default();
    for order in store.created_before(now - CREATED_LONG) {
        let order = order?;
        created.take(|| described(&order, now));
    }
    let (mut doubtful, mut unnamed, mut quiet) = (Found::default(), 0, 0);
    // Everything at the broker, however young: of those without a number, the ones in doubt are the ones to see to.
    for order in store.sent_not_updated_since(now + SENT_LONG) {
        let order = order?;
        unnamed += usize::from(order.broker_order_id.is_none() && !order.is_test());
        quiet += usize::from(order.updated_at < now - SENT_LONG);
        if is_in_doubt(&order, now) {
            doubtful.take(|| described(&order, now));
        }
    }

    page.heading("Checks");
    let check = |name: &str, found: usize, is_bad: bool| vec![name.to_owned(), found.to_string(), verdict(found, is_bad).to_owned()];
    page.table(
        &["check", "orders", ""],
        [
            check("missing execution_type", without_type, true),
            check("missing another field that their status needs", lacking.count - without_type, true),
            check("at the broker without a broker order number", unnamed, doubtful.count > 0),
            check("in doubt: checking with the broker", doubtful.count, true),
            check("CREATED for more than 30 s", created.count, true),
            check("at the broker and not updated for 60 s (resting orders are)", quiet, false),
        ],
    );
    let needs_a_person = [&lacking, &created, &doubtful].iter().any(|found| found.count > 0);
    for found in [lacking, created, doubtful] {
        found.show(page);
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
    page.heading(if needs_a_person { "Something needs a person: see the checks." } else { "Nothing needs a person." });
    Ok(if needs_a_person { EXIT_ATTENTION } else { EXIT_OK })
}

/// The orders of a check: each is counted, and the first are named.
#[derive(Debug, Default)]
struct Found {
    count: usize,
    lines: Vec<String>,
}

impl Found {
    fn take(&mut self, lines: impl FnOnce() -> Vec<String>) {
        if self.count < NAMED {
            self.lines.extend(lines());
        }
        self.count += 1;
    }

    fn show(self, page: &mut Page) {
        for line in self.lines {
            page.line(line);
        }
        if let Some(more @ 1..) = self.count.checked_sub(NAMED) {
            page.line(format!("  and {more} more of that kind: they are named when these are seen to"));
        }
    }
}

/// An order that waits, and what is to be done.
fn described(order: &OrderRecord, now: DateTime<Utc>) -> Vec<String> {
    let age = now.signed_duration_since(order.updated_at).num_seconds();
    let mut lines = vec![format!("  {} {} since {age} s: {} {}", order.command_id, order.status, what(order), words(order))];
    if !remedy(order).is_empty() {
        lines.push(format!("    {}", remedy(order)));
    }
    lines
}

fn verdict(found: usize, is_bad: bool) -> &'static str {
    match (found, is_bad) {
        (0, _) => "ok",
        (_, true) => "SEE TO IT",
        (_, false) => "for your information",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_counts_all_and_says_how_many_it_does_not_name() {
        let shown = |count: usize| {
            let mut found = Found::default();
            (0..count).for_each(|number| found.take(|| vec![format!("  order {number}")]));
            assert_eq!(found.count, count);
            let mut page = Page::new();
            found.show(&mut page);
            page.text().lines().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(shown(0), Vec::<String>::new());
        assert_eq!(shown(NAMED).len(), NAMED);
        let lines = shown(NAMED + 7);
        assert_eq!((lines.len(), lines[NAMED].as_str()), (NAMED + 1, "  and 7 more of that kind: they are named when these are seen to"));
    }
}
