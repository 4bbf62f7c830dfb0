//! When the report goes to the phone, and when a position stands without a session: pure, with a thin shell.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use ordergate_actors::order::{ClientId, ist, trading_date};
use ordergate_actors::persistence::Level;
use ordergate_actors::ports::Session;
use ordergate_actors::watcher::session_is_missed;
use ordergate_actors::{Desk, Engine};

use super::gather::{gather, today};
use super::judge::{Overall, Report, judge};
use super::record::{Told, note_push};
use super::reports::Fresh;
use super::site::Site;
use crate::alerts::Alert;

/// How often the shell looks.
const LOOK: Duration = Duration::from_secs(5);
/// What lasts (a position without a session, a login that is needed) is said again after this.
const SAY_AGAIN: TimeDelta = TimeDelta::minutes(10);
/// How long a session may be away before a person must hear: a re-login takes a moment.
const GRACE: TimeDelta = TimeDelta::seconds(30);

/// What was pushed for an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due {
    /// The newest push.
    pub pushed_at: Option<DateTime<Utc>>,
    /// The day whose report was green.
    pub green_on: Option<NaiveDate>,
}

/// Whether the report is due: from `push_at` India time on, on a day that may trade, again and again until it is green or
/// dismissed.
#[must_use]
pub fn due(state: Due, dismissed_on: Option<NaiveDate>, may_trade: bool, push_at: NaiveTime, repeat: Duration, now: DateTime<Utc>) -> bool {
    let today = trading_date(now);
    if !may_trade || state.green_on == Some(today) || dismissed_on == Some(today) || now.with_timezone(&ist()).time() < push_at {
        return false;
    }
    let repeat = TimeDelta::from_std(repeat).unwrap_or(TimeDelta::MAX);
    state.pushed_at.is_none_or(|at| trading_date(at) != today || now.signed_duration_since(at) >= repeat)
}

/// Whether the report brings the link to log in by: it goes again and again from `push_at` on, until it is green or dismissed.
#[must_use]
pub fn brings_link(state: Due, dismissed_on: Option<NaiveDate>, may_trade: bool, push_at: NaiveTime, now: DateTime<Utc>) -> bool {
    let today = Some(trading_date(now));
    if !may_trade || state.green_on == today || dismissed_on == today {
        return false;
    }
    now.with_timezone(&ist()).time() < push_at || state.pushed_at.is_some_and(|at| now.signed_duration_since(at) < SAY_AGAIN)
}

/// An account that has no session although somebody misses one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unattended {
    since: Option<DateTime<Utc>>,
    said_at: Option<DateTime<Utc>>,
}

impl Unattended {
    /// Takes what was seen; answers whether it must be said now. `is_missed`: a market is open or opens soon in which the account has
    /// something to do.
    pub fn see(&mut self, is_missed: bool, has_session: bool, now: DateTime<Utc>) -> bool {
        if !is_missed || has_session {
            *self = Self::default();
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let is_due = now.signed_duration_since(since) >= GRACE && self.said_at.is_none_or(|at| now.signed_duration_since(at) >= SAY_AGAIN);
        if is_due {
            self.said_at = Some(now);
        }
        is_due
    }
}

/// The shell: looks at every account for as long as it is polled, each by itself, so that none waits for another's broker.
pub async fn watch(engine: Engine, site: Arc<Site>) {
    let desks: Vec<Arc<Desk>> = engine.line().desks().cloned().collect();
    futures_util::future::join_all(desks.iter().map(|desk| watch_one(&engine, &site, desk))).await;
}

async fn watch_one(engine: &Engine, site: &Site, desk: &Desk) {
    let (mut unattended, mut lost) = (Unattended::default(), Unattended::default());
    let mut pushed = remembered(engine, site, &desk.client_id).await;
    let mut every = tokio::time::interval(LOOK);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        attend(engine, site, desk, &mut unattended);
        push(engine, site, desk, &mut pushed).await;
        ask_for_login(engine, site, desk, pushed, &mut lost).await;
    }
}

/// What an earlier process has pushed today, and whether a person has dismissed it.
async fn remembered(engine: &Engine, site: &Site, client_id: &ClientId) -> Due {
    match Told::read(engine, client_id, trading_date(engine.line().clock.now())).await {
        Ok(told) => {
            if let Some(day) = told.dismissed_on {
                site.dismissed.lock().entry(client_id.clone()).or_insert(day);
            }
            told.due
        }
        Err(error) => {
            tracing::warn!(event = "readiness_not_remembered", %client_id, "what was pushed today cannot be read: {error}");
            Due::default()
        }
    }
}

fn attend(engine: &Engine, site: &Site, desk: &Desk, state: &mut Unattended) {
    let has_session = matches!(desk.findings.read().session, Some(Session::Ready));
    let (open, now) = (open_positions(engine, desk), engine.line().clock.now());
    let is_missed = open > 0 && !has_session && session_is_missed(engine.line(), desk, now);
    if state.see(is_missed, has_session, now) {
        let has_login = site.connections.contains_key(&desk.client_id);
        let how = if has_login { "ordergate login, or the link that is sent as LOGIN NEEDED" } else { "look at the broker" };
        let text = format!("{open} positions are open and there is no broker session: nothing can close them ({how})");
        engine.line().alarm(Some(&desk.client_id), "ALARM_POSITIONS_WITHOUT_SESSION", Level::Page, None, text);
    }
}

/// Positions by our fills, or by the broker's newest book, whichever is more.
fn open_positions(engine: &Engine, desk: &Desk) -> usize {
    let ours = engine.read(&desk.client_id, |book| book.held_keys().count()).unwrap_or(0);
    let theirs = desk.findings.read().positions.as_ref().map_or(0, |positions| positions.rows().iter().filter(|row| row.net != 0).count());
    ours.max(theirs)
}

async fn push(engine: &Engine, site: &Site, desk: &Desk, state: &mut Due) {
    let Some(alerts) = &site.alerts else { return };
    let now = engine.line().clock.now();
    let dismissed = site.dismissed.lock().get(&desk.client_id).copied();
    let settings = &site.readiness;
    let may_trade = today(engine.line(), site, desk).may_trade();
    if !due(*state, dismissed, may_trade, settings.push_at, settings.repeat, now) {
        return;
    }
    let Ok((inputs, connected)) = gather(engine, site, &desk.client_id, Fresh::Now).await else { return };
    let report = judge(&inputs);
    if report.overall == Overall::Go {
        state.green_on = Some(trading_date(now));
    }
    state.pushed_at = Some(now);
    let link = connected.and_then(|report| report.login_link).map(|_| way_in(site, desk, now));
    let failed: Vec<&str> = report.failed().map(|check| check.name).collect();
    note_push(engine, &desk.client_id, report.overall, &failed.join(", "));
    let level = if report.overall == Overall::Go { Level::Info } else { Level::Page };
    let event = format!("READINESS {}", report.overall.words());
    alerts.raise(Alert { client_id: Some(desk.client_id.clone()), ..Alert::plain(level, &event, words(&report, link.as_deref()), now) });
}

/// Where a person logs in. The broker's own page is a dead end by itself: its redirect is taken only while we await it.
fn way_in(site: &Site, desk: &Desk, now: DateTime<Utc>) -> String {
    site.login_link(&desk.client_id, now).unwrap_or_else(|| format!("ordergate login --account {}", desk.client_id))
}

/// A session that ends in the middle of the day comes back by a person alone where a person signs in: they get the link when it
/// happens. Like the report's it is in no journal: whoever has it can begin a login.
async fn ask_for_login(engine: &Engine, site: &Site, desk: &Desk, pushed: Due, lost: &mut Unattended) {
    let Some(alerts) = &site.alerts else { return };
    let now = engine.line().clock.now();
    let has_session = matches!(desk.findings.read().session, Some(Session::Ready));
    let dismissed = site.dismissed.lock().get(&desk.client_id).copied();
    let may_trade = today(engine.line(), site, desk).may_trade();
    let open = open_positions(engine, desk);
    // A day that a person has dismissed is missed for what is held alone.
    let is_wanted = open > 0 || (may_trade && dismissed != Some(trading_date(now)));
    let is_missed = is_wanted
        && !has_session
        && !brings_link(pushed, dismissed, may_trade, site.readiness.push_at, now)
        && session_is_missed(engine.line(), desk, now);
    if !lost.see(is_missed, has_session, now) {
        return;
    }
    let Some(report) = site.report(desk, Fresh::Now).await else { return };
    if report.login_link.is_none() {
        return;
    }
    let why = report.session.err().unwrap_or_default();
    let waits = if open > 0 { format!("{open} positions are open and their exits wait") } else { "entries are refused".to_owned() };
    let text = format!("no broker session: {why}\n{waits} until a person has signed in\nlog in: {}", way_in(site, desk, now));
    tracing::info!(event = "login_needed", client_id = %desk.client_id, "a person is asked to sign in");
    alerts.raise(Alert { client_id: Some(desk.client_id.clone()), ..Alert::plain(Level::Page, "LOGIN NEEDED", text, now) });
}

/// The report in one message: what fails, and where to log in.
fn words(report: &Report, link: Option<&str>) -> String {
    let failed: Vec<String> = report.failed().map(|check| format!("{}: {}", check.name, check.text)).collect();
    let what = if failed.is_empty() { "ready to trade".to_owned() } else { failed.join("\n") };
    link.map_or_else(|| what.clone(), |link| format!("{what}\nlog in: {link}"))
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
