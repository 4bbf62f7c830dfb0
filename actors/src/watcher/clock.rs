//! What a jump of the machine's clock asks for ([`crate::steady`]).

use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta, Utc};

use super::WatcherActor;
use crate::order::trading_date;
use crate::persistence::Level;
use crate::ports::Jump;

impl WatcherActor {
    /// Each jump is told once for each account. One to another trading day stops entries until a person has looked: the day's
    /// limits and its result are another day's now.
    pub(super) fn follow_clock(&mut self, now: DateTime<Utc>) {
        let today = trading_date(now);
        let day_before = self.core.ticked_on.replace(today);
        let Some(jump) = self.line.clock.jumped() else { return };
        if self.desk.jumps_told.fetch_max(jump.number, Ordering::SeqCst) >= jump.number {
            return;
        }
        let is_another_day = day_before.unwrap_or_else(|| trading_date(jump.from)) != today;
        let mut text = said(&jump, now);
        if is_another_day {
            text.push_str("; the trading day is another now: entries are stopped until a person re-arms");
        }
        self.line.alarm(Some(&self.desk.client_id), "ALARM_CLOCK_JUMPED", Level::Page, None, text);
        if is_another_day {
            self.stop_entries("the machine's clock jumped to another trading day");
        }
        // Time that nobody lived through proves no absence, and what was read before it is as old as it says.
        self.core.search.look_anew();
        self.core.lost.clear();
        self.core.asked.clear();
    }
}

fn said(jump: &Jump, now: DateTime<Utc>) -> String {
    let seconds = |span: TimeDelta| format!("{}.{} s", span.num_seconds(), (span.num_milliseconds() % 1_000).abs() / 100);
    let (by, behind) = (seconds(jump.by.abs()), jump.behind);
    let rest = if behind > TimeDelta::zero() {
        format!(
            "it stands {} behind; the engine's time goes on as it flowed, and entries are refused (risk.clock). Exits go where the market takes orders by either clock; times of the day (exit_at, square-off) go by the engine's. Set the clock right; if it is right as it is, start ordergate again: exits go by it then, and entries from {now} on, which the journal has already",
            seconds(behind)
        )
    } else {
        format!("it is {now} now, where it would have been {}; what is known is as old as that now, and is read again", jump.from)
    };
    format!("the machine's clock went {by} {}: {rest}", if jump.by < TimeDelta::zero() { "back" } else { "forward" })
}
