//! The judgement: GO or NO GO, check by check. Pure.

use std::net::IpAddr;
use std::time::Duration;

use ordergate_actors::Limits;
use ordergate_actors::arming::Standing;
use ordergate_actors::order::Exchange;
use serde::Serialize;

use super::today::Today;
use crate::brokers::connection::Funds;

/// A stream that is away for longer does not come back by itself, most likely.
const MAX_STREAM_DOWN: Duration = Duration::from_secs(60);

/// What one check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It cannot be known here. It stops nothing.
    Unknown,
    /// Unwise. It stops nothing.
    Warn,
    /// Not ready.
    Fail,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable name.
    pub name: &'static str,
    /// What it says.
    pub verdict: Verdict,
    /// What was seen, and what it was compared with.
    pub text: String,
}

/// The whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Overall {
    /// Ready.
    #[serde(rename = "GO")]
    Go,
    /// Not ready.
    #[serde(rename = "NO GO")]
    NoGo,
}

impl Overall {
    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Go => "GO",
            Self::NoGo => "NO GO",
        }
    }
}

/// The report of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// GO, or NO GO if any check fails.
    pub overall: Overall,
    /// Every check.
    pub checks: Vec<Check>,
}

impl Report {
    /// The checks that fail.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.verdict == Verdict::Fail)
    }
}

/// Everything that is looked at.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Whether real money moves here, or a drill asks for the same care.
    pub needs_arming: bool,
    /// Whether a read with the present session worked.
    pub session: Result<String, String>,
    /// The broker's clock minus ours.
    pub clock_skew_ms: Option<i64>,
    /// The most that it may differ.
    pub max_clock_skew: Duration,
    /// Our address as the broker saw it today.
    pub address: Option<IpAddr>,
    /// The broker's words of today by which it takes no order from our address.
    pub address_refusal: Option<String>,
    /// Our address as the broker was told.
    pub registered: Option<IpAddr>,
    /// The exchanges whose masters are wanted, and how old each is; `None`: there is none. Empty: the built-in sample,
    /// which does not age.
    pub masters: Vec<(Exchange, Option<Duration>)>,
    /// The most that it may be.
    pub max_master_age: Duration,
    /// The account's limits.
    pub limits: Limits,
    /// The account's money; `None`: this broker has no connection to ask.
    pub funds: Option<Result<Funds, String>>,
    /// The broker had no room for a read just now.
    pub is_full: bool,
    /// The age of the stream's newest frame, if one is up.
    pub stream_age: Option<Duration>,
    /// For how long none has come up, and why not.
    pub stream_down: Option<(Duration, String)>,
    /// Free bytes at the journal, and the least.
    pub disk: (Option<u64>, u64),
    /// Today.
    pub calendar: Today,
    /// The version that runs.
    pub version: String,
    /// What is wrong with the journal's chain.
    pub journal: Option<String>,
    /// Whether alerts have a channel.
    pub has_alerts: bool,
    /// The account's kill level.
    pub kill_level: u8,
    /// Whether exits are frozen.
    pub is_frozen: bool,
    /// Whether it is armed; for people, and no check.
    pub standing: Standing,
}

/// Judges it all.
#[must_use]
pub fn judge(x: &Inputs) -> Report {
    let checks = vec![
        session(x),
        clock(x),
        address(x),
        master(x),
        limits(x),
        funds(x),
        stream(x),
        disk(x),
        calendar(x),
        check("version", Verdict::Ok, x.version.clone()),
        journal(x),
        alerts(x),
        kill(x),
        check("arming", Verdict::Ok, format!("{}: {}", x.standing.mode, x.standing.why)),
    ];
    let fails = checks.iter().any(|check| check.verdict == Verdict::Fail);
    Report { overall: if fails { Overall::NoGo } else { Overall::Go }, checks }
}

fn check(name: &'static str, verdict: Verdict, text: impl Into<String>) -> Check {
    Check { name, verdict, text: text.into() }
}

fn if_so(is_fine: bool) -> Verdict {
    if is_fine { Verdict::Ok } else { Verdict::Fail }
}

fn session(x: &Inputs) -> Check {
    match &x.session {
        Ok(words) => check("session", Verdict::Ok, words.as_str()),
        Err(cause) => check("session", Verdict::Fail, format!("no broker session: {cause}")),
    }
}

fn clock(x: &Inputs) -> Check {
    let limit = x.max_clock_skew.as_millis();
    match x.clock_skew_ms {
        None => check("clock", Verdict::Unknown, "the broker has not told its time"),
        Some(skew) => {
            let is_fine = u128::from(skew.unsigned_abs()) <= limit;
            check("clock", if_so(is_fine), format!("the broker's clock is {skew} ms from ours (limit: {limit} ms)"))
        }
    }
}

/// The broker tells our address with our orders only: before the first order of a day nobody knows it, and a line may have a new one
/// every morning.
fn address(x: &Inputs) -> Check {
    if let Some(words) = &x.address_refusal {
        let text = format!("the broker takes no order from this machine's address: {words}; register it there, then ordergate login");
        return check("address", Verdict::Fail, text);
    }
    match (x.address, x.registered) {
        (Some(seen), Some(registered)) => {
            check("address", if_so(seen == registered), format!("orders leave from {seen}; registered at the broker is {registered}"))
        }
        (Some(seen), None) => check("address", Verdict::Unknown, format!("orders leave from {seen}; no registered address is set")),
        (None, Some(registered)) => {
            let text =
                format!("registered is {registered}, and no order of today has shown ours: look before the open that it is this one");
            check("address", Verdict::Warn, text)
        }
        (None, None) => check("address", Verdict::Unknown, "neither known nor registered"),
    }
}

fn master(x: &Inputs) -> Check {
    let limit = x.max_master_age.as_secs() / 3_600;
    if x.masters.is_empty() {
        let text = "the built-in sample, which does not age (instruments.source)";
        return check("master", if x.needs_arming { Verdict::Warn } else { Verdict::Ok }, text);
    }
    let missing: Vec<&str> = x.masters.iter().filter(|(_, age)| age.is_none()).map(|(exchange, _)| exchange.as_str()).collect();
    if !missing.is_empty() {
        return check("master", Verdict::Fail, format!("there is no instrument master of {}", missing.join(", ")));
    }
    let oldest = x.masters.iter().filter_map(|(exchange, age)| Some(((*age)?, exchange))).max();
    let Some((age, exchange)) = oldest else { return check("master", Verdict::Unknown, "the age of the masters is not known") };
    let text = format!("the oldest instrument master, that of {exchange}, is {} h old (limit: {limit} h)", age.as_secs() / 3_600);
    check("master", if_so(age <= x.max_master_age), text)
}

fn limits(x: &Inputs) -> Check {
    let zero = ordergate_actors::order::Amount::ZERO;
    let limits = &x.limits;
    let counts = [limits.max_quantity, limits.max_position].into_iter().all(|units| units > 0) && limits.max_open_orders > 0;
    let is_fine = limits.daily_loss > zero && limits.max_order_value > zero && counts;
    let text = format!(
        "daily loss ₹{}, order ₹{} and {} units, position {} units, {} open orders",
        limits.daily_loss, limits.max_order_value, limits.max_quantity, limits.max_position, limits.max_open_orders
    );
    check("limits", if_so(is_fine), text)
}

fn funds(x: &Inputs) -> Check {
    match &x.funds {
        None if x.needs_arming => check("funds", Verdict::Unknown, "this account has no connection to ask"),
        None => check("funds", Verdict::Ok, "paper"),
        Some(Ok(funds)) => check("funds", Verdict::Ok, format!("₹{} available, ₹{} in use", funds.available, funds.margin_used)),
        Some(Err(cause)) if x.is_full => check("funds", Verdict::Unknown, format!("not read just now: {cause}")),
        Some(Err(cause)) => check("funds", Verdict::Fail, format!("not read: {cause}")),
    }
}

/// Without a stream fills are seen late, and prices are asked for one by one. One that has just broken comes back by itself.
fn stream(x: &Inputs) -> Check {
    match (&x.funds, x.stream_age, &x.stream_down) {
        (None, _, _) if x.needs_arming => check("stream", Verdict::Unknown, "this account has no connection to ask"),
        (None, _, _) => check("stream", Verdict::Ok, "paper"),
        (Some(_), Some(age), None) => check("stream", Verdict::Ok, format!("up; the newest frame is {} s old", age.as_secs())),
        (Some(_), _, Some((away, why))) if *away >= MAX_STREAM_DOWN && x.session.is_ok() => {
            check("stream", Verdict::Fail, format!("none has stayed up for {} s: {why} (socket_url?)", away.as_secs()))
        }
        (Some(_), _, Some((_, why))) => check("stream", Verdict::Unknown, format!("it is being connected: {why}")),
        (Some(_), None, None) => check("stream", Verdict::Unknown, "none was tried yet"),
    }
}

fn disk(x: &Inputs) -> Check {
    let mb = |bytes: u64| bytes / 1_048_576;
    match x.disk {
        (None, _) => check("disk", Verdict::Unknown, "the free space is not known"),
        (Some(free), least) => check("disk", if_so(free >= least), format!("{} MB free (least: {} MB)", mb(free), mb(least))),
    }
}

fn calendar(x: &Inputs) -> Check {
    let Today { open, closed, unknown, is_held, concerns } = &x.calendar;
    let names = |exchanges: &[Exchange]| exchanges.iter().map(|exchange| exchange.as_str()).collect::<Vec<_>>().join(", ");
    let mut words = Vec::new();
    if !open.is_empty() {
        words.push(format!("today trades: {}", names(open)));
    }
    if !unknown.is_empty() {
        words.push(format!("there is no calendar for today: {}", names(unknown)));
    }
    words.extend(closed.iter().map(|(exchange, why)| format!("{exchange} does not trade today ({why})")));
    words.extend(concerns.iter().cloned());
    let verdict = match (open.is_empty(), is_held) {
        (false, _) if !concerns.is_empty() || (*is_held && !unknown.is_empty()) => Verdict::Warn,
        (false, _) => Verdict::Ok,
        // Entries would be refused all day.
        (true, true) => Verdict::Fail,
        (true, false) => Verdict::Unknown,
    };
    if !is_held && open.is_empty() {
        words.push("the account is not held to the calendar".to_owned());
    }
    check("calendar", verdict, words.join("; "))
}

fn journal(x: &Inputs) -> Check {
    match &x.journal {
        None => check("journal", Verdict::Ok, "the chain verified at the start"),
        Some(wrong) => check("journal", Verdict::Fail, wrong.as_str()),
    }
}

fn alerts(x: &Inputs) -> Check {
    let verdict = if x.has_alerts { Verdict::Ok } else { Verdict::Warn };
    check("alerts", verdict, if x.has_alerts { "a channel is set" } else { "no channel is set in [alerts]: nobody hears a page" })
}

fn kill(x: &Inputs) -> Check {
    let text = match (x.kill_level, x.is_frozen) {
        (0, false) => "none".to_owned(),
        (level, false) => format!("kill level {level} stops entries"),
        (level, true) => format!("kill level {level}, and exits are frozen"),
    };
    check("kill", if_so(x.kill_level == 0 && !x.is_frozen), text)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
