//! Whether a person is needed, by what is on disk: judged once, for every command that says so.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::order::{ClientId, OrderRecord, Status, clean};
use ordergate_actors::persistence::chain::stored_time;
use ordergate_actors::persistence::{Alarm, Level};

use super::print::{Page, remedy, what, words};
use crate::store::{DirectoryLock, Incomplete, ReadStore};

/// An order is CREATED for milliseconds; one that is longer waits for something.
const CREATED_LONG: TimeDelta = TimeDelta::seconds(30);
/// An order at the broker that was not heard of for this long is working, or in doubt.
const SENT_LONG: TimeDelta = TimeDelta::seconds(60);

/// Whether nobody knows if the broker has it. A call in flight is not that yet, while an engine waits for its answer.
pub(super) fn is_in_doubt(order: &OrderRecord, now: DateTime<Utc>, is_followed: bool) -> bool {
    let is_nameless = order.status.is_at_broker() && order.broker_order_id.is_none() && !order.is_test();
    order.is_in_doubt() || (is_nameless && (!is_followed || now.signed_duration_since(order.updated_at) > CREATED_LONG))
}

/// Whether an engine follows the orders of this directory.
pub(super) fn is_followed(directory: &Path) -> anyhow::Result<bool> {
    Ok(DirectoryLock::holder(directory)?.is_some())
}

/// The most orders that one check names: it counts all of them, and a million of them are no reading.
const NAMED: usize = 100;

/// The orders of a check: each is counted, and the first are named.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// How many there are.
    pub(super) count: usize,
    lines: Vec<String>,
}

impl Found {
    fn take(&mut self, lines: impl FnOnce() -> Vec<String>) {
        if self.count < NAMED {
            self.lines.extend(lines());
        }
        self.count += 1;
    }

    fn show(&self, page: &mut Page) {
        for line in &self.lines {
            page.line(line);
        }
        if let Some(more @ 1..) = self.count.checked_sub(NAMED) {
            page.line(format!("  and {more} more of that kind: they are named when these are seen to"));
        }
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct Judgement {
    /// Whether an engine runs on the directory.
    pub(super) is_followed: bool,
    /// Orders that lack what their status needs.
    pub(super) lacking: Found,
    /// Of these, those that lack what they are for.
    pub(super) without_type: usize,
    /// Orders that wait to be sent for too long; without an engine all that wait.
    pub(super) created: Found,
    /// Orders of which nobody knows whether the broker has them.
    pub(super) doubtful: Found,
    /// Orders at the broker without a number, those of a call in flight among them.
    pub(super) unnamed: usize,
    /// Orders at the broker that did not change for a while, as resting ones do not.
    pub(super) quiet: usize,
    /// Orders that work at the broker while no engine follows them.
    pub(super) unfollowed: Found,
    /// Alarms that page, and that nobody has acknowledged.
    pub(super) pages: Vec<(Option<ClientId>, Alarm)>,
}

impl Judgement {
    /// Reads the disk and judges it.
    ///
    /// # Errors
    /// The disk failed.
    pub(super) fn of(store: &ReadStore, directory: &Path, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let mut found = Self {
            is_followed: is_followed(directory)?,
            lacking: Found::default(),
            without_type: 0,
            created: Found::default(),
            doubtful: Found::default(),
            unnamed: 0,
            quiet: 0,
            unfollowed: Found::default(),
            pages: store.alarms()?.into_iter().filter(|(_, alarm)| alarm.level == Level::Page).collect(),
        };
        for lacks in store.incomplete() {
            let Incomplete { order, missing } = lacks?;
            found.without_type += usize::from(missing.contains(&"execution_type"));
            found.lacking.take(|| vec![format!("  {} lacks {}", order.command_id, missing.join(", "))]);
        }
        let (later, is_followed) = (now + SENT_LONG, found.is_followed);
        for order in store.created_before(if is_followed { now - CREATED_LONG } else { later }) {
            let order = order?;
            found.created.take(|| described(&order, is_followed, now));
        }
        // Everything at the broker, however young: of those without a number, the ones in doubt are the ones to see to.
        for order in store.sent_not_updated_since(later) {
            let order = order?;
            found.unnamed += usize::from(order.broker_order_id.is_none() && !order.is_test());
            found.quiet += usize::from(order.updated_at < now - SENT_LONG);
            if is_in_doubt(&order, now, is_followed) {
                found.doubtful.take(|| described(&order, is_followed, now));
            } else if !is_followed {
                found.unfollowed.take(|| described(&order, is_followed, now));
            }
        }
        Ok(found)
    }

    pub(super) fn needs_a_person(&self) -> bool {
        let orders = [&self.lacking, &self.created, &self.doubtful, &self.unfollowed];
        orders.iter().any(|found| found.count > 0) || !self.pages.is_empty()
    }

    /// The orders that a person must see to, and what to do about them.
    pub(super) fn orders(&self, page: &mut Page) {
        for found in [&self.lacking, &self.created, &self.doubtful, &self.unfollowed] {
            found.show(page);
        }
    }

    /// The alarms that page.
    pub(super) fn alarms(&self, page: &mut Page) {
        for (client_id, alarm) in &self.pages {
            let whose = client_id.as_ref().map_or("(process)", |client| client.as_str());
            let (since, text) = (stored_time(alarm.last_at), clean(&alarm.text, 300));
            page.line(format!("  {whose} {} ({} times, last {since}): {text}", alarm.event, alarm.count));
        }
    }

    /// The last word.
    pub(super) fn verdict(&self) -> String {
        let mut found = Vec::new();
        let open = self.created.count + self.doubtful.count + self.unfollowed.count;
        if !self.is_followed && open > 0 {
            let doubt = self.doubtful.count;
            found.push(format!("no engine runs here and nobody follows {open} open order(s), {doubt} of them in doubt: start it"));
        } else if open > 0 {
            found.push("orders wait or are in doubt: see the checks".to_owned());
        }
        if self.lacking.count > 0 {
            found.push("rows lack what their status needs: see the checks".to_owned());
        }
        if !self.pages.is_empty() {
            found.push(format!("{} alarm(s) that page stand unacknowledged", self.pages.len()));
        }
        match (found.is_empty(), self.is_followed) {
            (false, _) => format!("Something needs a person: {}.", found.join("; ")),
            (true, true) => "No order needs a person, and no page stands.".to_owned(),
            (true, false) => {
                "No order needs a person by what is on disk, and no page stands; but no engine runs here: no stop is watched.".to_owned()
            }
        }
    }
}

/// An order that waits, and what is to be done.
fn described(order: &OrderRecord, is_followed: bool, now: DateTime<Utc>) -> Vec<String> {
    let age = now.signed_duration_since(order.updated_at).num_seconds();
    let mut lines = vec![format!("  {} {} since {age} s: {} {}", order.command_id, order.status, what(order), words(order))];
    let own = remedy(order);
    let todo = if is_followed || !own.is_empty() { own } else { at_rest(order) };
    if !todo.is_empty() {
        lines.push(format!("    {todo}"));
    }
    lines
}

/// What becomes of an order that nobody follows.
fn at_rest(order: &OrderRecord) -> &'static str {
    if order.status == Status::Created {
        "the next start sends it while it is young enough, or gives it up"
    } else if order.broker_order_id.is_none() {
        "the next start looks for it in the broker's books; until then nobody knows whether it is there"
    } else {
        "it works at the broker, and its fills are not seen until an engine runs"
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
