//! What one channel still has to send: pure, and kept whole in a file, so that a restart goes on where the process ended.
//!
//! The journal is the queue. The outbox holds how far each chain was read, and the few messages that were read and have not
//! arrived; nothing more is read while it is full. *Invariant:* a row is behind the cursor if and only if it is settled here:
//! sent, pending, folded, counted, or not for this channel. What was being sent when the process died may come twice.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::order::ClientId;
use ordergate_actors::persistence::{Alarm, Level};
use serde::{Deserialize, Serialize};

use super::fact::clock_words;
use super::quiet::Quiet;
use super::{Alert, Folder};

/// Messages that wait in memory and in the file; what comes after them waits in the journal.
const ROOM: usize = 64;
/// So many that wait are one message: a burst, or what a channel missed while it was down.
const TOGETHER: usize = 5;
/// The most that one message tells of.
const IN_ONE: usize = 20;
/// The most characters of one of them in there.
const LINE: usize = 170;
/// What is no page and older than this when it is read is counted, not told.
const LATE: TimeDelta = TimeDelta::minutes(15);
/// The most between two tries.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(5);
/// Tries of a message that the other side does not want.
const REFUSED_TRIES: u32 = 3;

/// What a channel takes, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// From this level up.
    pub from: Level,
    /// When only pages go.
    pub quiet: Option<Quiet>,
    /// What is said again within this time is one message.
    pub fold: TimeDelta,
    /// A page that nobody has acknowledged is said again after this, and goes to the escalation channels after twice this.
    pub escalate: Option<TimeDelta>,
    /// Whether it takes nothing but such pages.
    pub is_escalation: bool,
    /// The pause before the second try; it doubles.
    pub first_pause: TimeDelta,
}

/// What was counted instead of told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counted {
    events: BTreeMap<String, u32>,
    since: Option<DateTime<Utc>>,
    /// A warning among them.
    has_warning: bool,
}

impl Counted {
    fn add(&mut self, alert: &Alert) {
        let count = self.events.entry(alert.event.clone()).or_default();
        *count = count.saturating_add(1);
        self.since.get_or_insert(alert.at);
        self.has_warning |= alert.level > Level::Info;
    }

    fn told(&mut self, event: &str, why: &str, now: DateTime<Utc>) -> Option<Alert> {
        let counted = std::mem::take(self);
        let since = counted.since?;
        let events: Vec<String> = counted.events.iter().map(|(event, count)| format!("{event} {count}")).collect();
        let text = format!("since {} IST, {why}: {}", clock_words(since), events.join(", "));
        let level = if counted.has_warning { Level::Warn } else { Level::Info };
        Some(Alert::plain(level, event, text, now))
    }
}

/// What one channel still has to send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    /// The newest row that was read, by account; the chain without one is empty text.
    cursors: BTreeMap<String, u64>,
    /// Whether the cursors mean anything: before its first start a channel has read nothing.
    has_begun: bool,
    pending: VecDeque<Alert>,
    folder: Folder,
    /// Held back while it is quiet.
    quiet: Counted,
    /// Read too late to be worth telling one by one.
    late: Counted,
    /// Open pages that were escalated here, by chain and number.
    escalated: BTreeMap<String, DateTime<Utc>>,
    #[serde(skip)]
    tries: u32,
    #[serde(skip)]
    next_try: Option<DateTime<Utc>>,
}

/// A message to send: how many of those that wait it tells of, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Of those that wait, from the front.
    pub count: usize,
    /// What is sent.
    pub alert: Alert,
}

fn chain(client_id: Option<&ClientId>) -> &str {
    client_id.map_or("", ClientId::as_str)
}

impl Outbox {
    /// Whether the channel has read a journal before.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// A channel's first start: it begins at the end of each chain, with the pages that are open now. Those that are not
    /// of the rows before that end come by themselves.
    pub fn begin(&mut self, heads: &[(Option<ClientId>, u64)], open: &[(Option<ClientId>, Alarm)]) {
        self.has_begun = true;
        self.cursors = heads.iter().map(|(client, seq)| (chain(client.as_ref()).to_owned(), *seq)).collect();
        for (client_id, alarm) in open {
            if alarm.level == Level::Page && alarm.seq <= self.cursor(client_id.as_ref()) {
                self.escalated.insert(page_name(client_id.as_ref(), alarm), alarm.at);
                let text = format!("{} (open since {} IST)", alarm.text, clock_words(alarm.at));
                self.pending.push_back(of_alarm(client_id.as_ref(), alarm, text));
            }
        }
    }

    /// The journal was opened, and ends there. One that ends before what was read is another one, a restored copy: it is read
    /// from its end on, so that nothing of what comes is passed over.
    pub fn fit(&mut self, heads: &[(Option<ClientId>, u64)]) {
        for (name, cursor) in &mut self.cursors {
            let head = heads.iter().find(|(client, _)| chain(client.as_ref()) == name).map_or(0, |(_, seq)| *seq);
            *cursor = (*cursor).min(head);
        }
    }

    /// The newest row of a chain that is settled here.
    #[must_use]
    pub fn cursor(&self, client_id: Option<&ClientId>) -> u64 {
        self.cursors.get(chain(client_id)).copied().unwrap_or(0)
    }

    /// A row was read, and is settled.
    pub fn passed(&mut self, client_id: Option<&ClientId>, seq: u64) {
        let cursor = self.cursors.entry(chain(client_id).to_owned()).or_default();
        *cursor = (*cursor).max(seq);
    }

    /// Whether more may be read.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.pending.len() < ROOM
    }

    /// How many messages wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// How many alerts are counted and told later: it is quiet, or they were read late.
    #[must_use]
    pub fn held_back(&self) -> u32 {
        self.quiet.events.values().chain(self.late.events.values()).fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Takes an alert as the rules say.
    pub fn take(&mut self, rules: &Rules, alert: Alert, now: DateTime<Utc>) {
        if rules.is_escalation || alert.level < rules.from {
            return;
        }
        if alert.level < Level::Page {
            if rules.quiet.is_some_and(|quiet| quiet.holds(now)) {
                return self.quiet.add(&alert);
            }
            if now.signed_duration_since(alert.at) > LATE {
                return self.late.add(&alert);
            }
        }
        self.pending.extend(self.folder.take(alert, now));
    }

    /// What has become due by time: folded repeats, the sums of what was late and of what came while it was quiet.
    pub fn look(&mut self, rules: &Rules, now: DateTime<Utc>) {
        let is_quiet = rules.quiet.is_some_and(|quiet| quiet.holds(now));
        for alert in self.folder.due(rules.fold, now) {
            if is_quiet && alert.level < Level::Page {
                self.quiet.add(&alert);
            } else {
                self.pending.push_back(alert);
            }
        }
        if !is_quiet {
            self.pending.extend(self.late.told("TOLD LATE", "not sent one by one (the journal has them)", now));
            self.pending.extend(self.quiet.told("QUIET HOURS", "while it was quiet", now));
        }
    }

    /// Says pages again that nobody has acknowledged: once here after the time, or once after twice the time if this is an
    /// escalation channel. `open` are the alarms that stand now.
    pub fn escalate(&mut self, rules: &Rules, open: &[(Option<ClientId>, Alarm)], now: DateTime<Utc>) {
        let Some(after) = rules.escalate else { return };
        let wait = if rules.is_escalation { after.checked_mul(2).unwrap_or(after) } else { after };
        let pages = || open.iter().filter(|(_, alarm)| alarm.level == Level::Page);
        let standing: std::collections::BTreeSet<String> = pages().map(|(client, alarm)| page_name(client.as_ref(), alarm)).collect();
        self.escalated.retain(|name, _| standing.contains(name));
        for (client_id, alarm) in pages() {
            let name = page_name(client_id.as_ref(), alarm);
            if now.signed_duration_since(alarm.at) < wait || self.escalated.contains_key(&name) || !self.has_room() {
                continue;
            }
            self.escalated.insert(name, now);
            let text = format!(
                "{} (raised {} IST, said {} times, and nobody has acknowledged it)",
                alarm.text,
                clock_words(alarm.at),
                alarm.count
            );
            self.pending.push_back(of_alarm(client_id.as_ref(), alarm, text));
        }
    }

    /// What is to be sent now, if anything: the first that waits, or several of one kind together. It stays until
    /// [`Outbox::sent`].
    #[must_use]
    pub fn next(&self, now: DateTime<Utc>) -> Option<Message> {
        // A pause that a clock set back has made longer than any pause is over.
        if self.next_try.is_some_and(|at| now < at && at.signed_duration_since(now) <= LONGEST_PAUSE) {
            return None;
        }
        let first = self.pending.front()?;
        let is_page = first.level == Level::Page;
        let count = self.pending.iter().take(IN_ONE).take_while(|alert| (alert.level == Level::Page) == is_page).count();
        if count < TOGETHER {
            return Some(Message { count: 1, alert: first.clone() });
        }
        Some(Message { count, alert: together(self.pending.iter().take(count)) })
    }

    /// The message has arrived.
    pub fn sent(&mut self, count: usize) {
        self.pending.drain(..count.min(self.pending.len()));
        (self.tries, self.next_try) = (0, None);
    }

    /// A message did not get through: the next try is later. `is_unwanted`: the other side does not want this message; answers whether it was
    /// given up, so that it holds up no other.
    pub fn failed(&mut self, rules: &Rules, count: usize, is_unwanted: bool, now: DateTime<Utc>) -> bool {
        self.tries = self.tries.saturating_add(1);
        if is_unwanted && self.tries >= REFUSED_TRIES {
            self.sent(count);
            return true;
        }
        let doubled = 1_i32.checked_shl(self.tries - 1).and_then(|factor| rules.first_pause.checked_mul(factor));
        let pause = doubled.filter(|pause| *pause > TimeDelta::zero()).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
        self.next_try = now.checked_add_signed(pause);
        false
    }

    /// The process ends: nothing is folded any more, and nothing waits for its pause.
    pub fn close(&mut self) {
        self.pending.extend(self.folder.close());
        self.next_try = None;
    }

    /// Whether the two differ in how far they have read and in nothing else: reading on from the older cursor makes the
    /// newer of it.
    #[must_use]
    pub fn differs_only_in_reading(&self, other: &Self) -> bool {
        self.pending == other.pending
            && self.folder == other.folder
            && self.quiet == other.quiet
            && self.late == other.late
            && self.escalated == other.escalated
            && self.has_begun == other.has_begun
    }
}

fn page_name(client_id: Option<&ClientId>, alarm: &Alarm) -> String {
    format!("{}@{}", alarm.seq, chain(client_id))
}

fn of_alarm(client_id: Option<&ClientId>, alarm: &Alarm, text: String) -> Alert {
    Alert {
        level: alarm.level,
        event: alarm.event.to_string(),
        text,
        client_id: client_id.cloned(),
        command_id: alarm.command_id,
        seq: Some(alarm.seq),
        at: alarm.last_at,
    }
}

/// Several alerts as one, each a line, in their order.
fn together<'a>(alerts: impl Iterator<Item = &'a Alert> + Clone) -> Alert {
    let level = alerts.clone().map(|alert| alert.level).max().unwrap_or(Level::Info);
    let at = alerts.clone().map(|alert| alert.at).max().unwrap_or_default();
    let line = |alert: &Alert| {
        let account = alert.client_id.as_ref().map_or_else(String::new, |client| format!(" {client}"));
        let text: String = alert.text.chars().map(|c| if c == '\n' { ' ' } else { c }).take(LINE).collect();
        format!("{}{account} {}: {text}", clock_words(alert.at), alert.event)
    };
    let lines: Vec<String> = alerts.map(line).collect();
    Alert::plain(level, &format!("{} ALERTS", lines.len()), lines.join("\n"), at)
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
