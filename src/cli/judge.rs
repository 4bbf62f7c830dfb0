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

/// What was found.
#[derive(Debug)]
pub(super) struct Judgement {
    /// Whether an engine runs on the directory.
    pub(super) is_followed: bool,
    /// Orders that lack what their status needs.
    pub(super) incomplete: Vec<Incomplete>,
    /// Orders that wait to be sent for too long; without an engine all that wait.
    pub(super) created: Vec<OrderRecord>,
    /// Orders of which nobody knows whether the broker has them.
    pub(super) doubtful: Vec<OrderRecord>,
    /// Orders at the broker without a number, those of a call in flight among them.
    pub(super) unnamed: usize,
    /// Orders at the broker that did not change for a while, as resting ones do not.
    pub(super) quiet: usize,
    /// Orders that work at the broker while no engine follows them.
    pub(super) unfollowed: Vec<OrderRecord>,
    /// Alarms that page, and that nobody has acknowledged.
    pub(super) pages: Vec<(Option<ClientId>, Alarm)>,
}

impl Judgement {
    /// Reads the disk and judges it.
    ///
    /// # Errors
    /// The disk failed.
    pub(super) fn of(store: &ReadStore, directory: &Path, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let is_followed = is_followed(directory)?;
        let later = now + SENT_LONG;
        let created = store.created_before(if is_followed { now - CREATED_LONG } else { later })?;
        let sent = store.sent_not_updated_since(later)?;
        let unnamed = sent.iter().filter(|order| order.broker_order_id.is_none() && !order.is_test()).count();
        let (doubtful, known): (Vec<_>, Vec<_>) = sent.into_iter().partition(|order| is_in_doubt(order, now, is_followed));
        Ok(Self {
            is_followed,
            incomplete: store.incomplete()?,
            created,
            doubtful,
            unnamed,
            quiet: store.sent_not_updated_since(now - SENT_LONG)?.len(),
            unfollowed: if is_followed { Vec::new() } else { known },
            pages: store.alarms()?.into_iter().filter(|(_, alarm)| alarm.level == Level::Page).collect(),
        })
    }

    pub(super) fn needs_a_person(&self) -> bool {
        let orders = [&self.created, &self.doubtful, &self.unfollowed];
        !self.incomplete.is_empty() || orders.iter().any(|found| !found.is_empty()) || !self.pages.is_empty()
    }

    /// Every order that a person must see to, and what to do about it.
    pub(super) fn orders(&self, now: DateTime<Utc>, page: &mut Page) {
        for found in &self.incomplete {
            page.line(format!("  {} lacks {}", found.order.command_id, found.missing.join(", ")));
        }
        for order in self.created.iter().chain(&self.doubtful).chain(&self.unfollowed) {
            let age = now.signed_duration_since(order.updated_at).num_seconds();
            page.line(format!("  {} {} since {age} s: {} {}", order.command_id, order.status, what(order), words(order)));
            let own = remedy(order);
            let todo = if self.is_followed || !own.is_empty() { own } else { at_rest(order) };
            if !todo.is_empty() {
                page.line(format!("    {todo}"));
            }
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
        let open = self.created.len() + self.doubtful.len() + self.unfollowed.len();
        if !self.is_followed && open > 0 {
            let doubt = self.doubtful.len();
            found.push(format!("no engine runs here and nobody follows {open} open order(s), {doubt} of them in doubt: start it"));
        } else if open > 0 {
            found.push("orders wait or are in doubt: see the checks".to_owned());
        }
        if !self.incomplete.is_empty() {
            found.push("rows lack what their status needs: see the checks".to_owned());
        }
        if !self.pages.is_empty() {
            found.push(format!("{} alarm(s) that page stand unacknowledged", self.pages.len()));
        }
        match (found.is_empty(), self.is_followed) {
            (false, _) => format!("Something needs a person: {}.", found.join("; ")),
            (true, true) => "Nothing needs a person.".to_owned(),
            (true, false) => "Nothing needs a person by what is on disk; but no engine runs here: no stop is watched.".to_owned(),
        }
    }
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
