//! What risk looks after by itself, also when no order moves: the day turns, its floor rises, its breach stops and squares
//! off what is open, a position over its limit is made smaller, what a person has allowed for a time ends.
//!
//! It decides from the committed book at every look, so a look that is lost, or done twice, changes nothing.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::day::{Happening, RiskDay};
use super::rules::Market;
use super::shortfall::Margin;
use super::{Asked, DayResult, Halt, RiskActor, day_slot};
use crate::line::{Desk, Line, Phase};
use crate::order::{InstrumentKey, Product, trading_date};
use crate::persistence::{Book, Cargo, ControlChange, HaltCause, Keep, KillLevel, Level, Posted, Slot, Topic, Unit, alarm};
use crate::settings::Limits;
use crate::supervision::Shell;

/// What a day's row is called, and how loud it is: the loudest thing that it tells.
fn row(happened: &[Happening], is_new: bool) -> (&'static str, Level) {
    let has = |what| happened.contains(&what);
    match () {
        () if has(Happening::Hit) => ("ALARM_RISK_BREACH", Level::Page),
        () if has(Happening::FellShort) => (alarm::MARGIN_SHORT, Level::Page),
        () if has(Happening::Lifted) => ("RISK_BREACH_LIFTED", Level::Warn),
        () if has(Happening::Warned) => ("ALARM_RISK_WARNING", Level::Warn),
        () if has(Happening::Enough) => ("RISK_MARGIN_ENOUGH", Level::Info),
        () if has(Happening::Raised) => ("RISK_FLOOR_RAISED", Level::Info),
        () if is_new => ("RISK_DAY_BEGAN", Level::Info),
        () => ("RISK_DAY_CHANGED", Level::Info),
    }
}

/// What a day's row says.
fn reason(day: &RiskDay, event: &str, limits: &Limits, result: &DayResult) -> String {
    let follows = "entries stop, working ones are cancelled, positions are squared off";
    match (event, &day.hit, &day.short) {
        ("ALARM_RISK_BREACH", Some(hit), _) => {
            let met = if result.pnl().is_some_and(|pnl| pnl <= hit.floor) {
                String::new()
            } else {
                format!(" (met at {} with {})", hit.at, hit.pnl)
            };
            format!("the day stands at {result}, its floor is {}{met}: {follows}, until the next trading day", hit.floor)
        }
        (alarm::MARGIN_SHORT, _, Some(short)) if short.squares_off => {
            format!("{}: {follows}, until the next trading day or until a person re-arms the day (risk/rearm with margin)", short.words)
        }
        (alarm::MARGIN_SHORT, _, Some(short)) => short.words.clone(),
        _ => {
            let floor = day.floor(limits.daily_loss);
            format!("trading day {}: it is over at {floor} rupees, {} days of loss in a row before it", day.date, day.loss_days)
        }
    }
}

/// Whether something that is held could be closed now: its market takes exits. Delivery is not closed by risk.
pub(crate) fn can_close(line: &Line, desk: &Desk, now: DateTime<Utc>) -> bool {
    let is_live = desk.broker.capabilities().is_live;
    let is_open =
        |key: &InstrumentKey| Market::of(&line.calendar, &*line.instruments, key, is_live, now, line.clock_was_set_back()).takes_exits();
    let held = |book: &Book| book.held_keys().any(|(key, _)| key.product != Product::Cnc && is_open(&key.instrument));
    line.view.read(&desk.client_id, held).unwrap_or(false)
}

impl RiskActor {
    /// A look at the day.
    pub(super) fn look_after_the_day(&mut self, now: DateTime<Utc>) {
        if !matches!(self.desk.phase(), Phase::ExitsOnly | Phase::Open) {
            return;
        }
        let settings = &self.desk.settings.limits;
        let asked = Asked::at(now, &self.line.calendar, self.desk.broker.capabilities().is_live).within(&self.desk.settings);
        let findings = self.desk.findings.read();
        let known = &mut self.known;
        let seen = self.line.view.read(&self.desk.client_id, |book| {
            known.follow(book, settings, now);
            let traded = book.traded_on() == Some(trading_date(now));
            (known.result(book, &findings, &*self.line.quotes, asked), traded, book.control().day.clone())
        });
        let limits = self.known.limits(settings, now);
        let margin = Margin::of(&findings, trading_date(now), limits.margin_shortfall);
        drop(findings);
        let Some((result, traded, halted)) = seen else { return };
        let mut day = self.known.day(settings, now);
        day.traded |= traded;
        let pnl = result.pnl().filter(|_| result.is_of_today);
        let mut happened = self.noted.as_ref().map_or_else(Vec::new, |noted| day.recall(noted));
        happened.extend(day.see_margin(margin, now));
        happened.extend(pnl.map_or_else(Vec::new, |pnl| day.see(pnl, &limits, now)));
        happened.extend(halted.as_ref().and_then(|halted| day.recover(halted, pnl, &limits)));
        self.watch_for_manual_trades(&mut day);
        let mut units = Vec::new();
        units.extend(self.day_unit(&day, &happened, &limits, &result));
        units.extend(self.halt_units(&day, &limits, halted.as_ref()));
        units.extend(self.over_units(&limits, now));
        if !units.is_empty() {
            self.line.post(units.into_iter().map(|unit| Posted { unit, cargo: Cargo::None }).collect());
        }
        self.noted = Some(day);
    }

    /// A look at what is over its limit. It has a turn of its own, for both looks go through everything that is held; each of them
    /// decides from the committed book as it stands then.
    pub(super) fn look_for_excess(&mut self, now: DateTime<Utc>) {
        if !matches!(self.desk.phase(), Phase::ExitsOnly | Phase::Open) {
            return;
        }
        let (settings, known) = (&self.desk.settings.limits, &mut self.known);
        if self.line.view.read(&self.desk.client_id, |book| known.follow(book, settings, now)).is_some() {
            let limits = self.known.limits(settings, now);
            self.reduce_what_is_over(&limits, now);
        }
    }

    /// The day's row, if the day is another than the one that is kept.
    fn day_unit(&self, day: &RiskDay, happened: &[Happening], limits: &Limits, result: &DayResult) -> Option<Unit> {
        let (seq, kept) = self.known.kept_day();
        if kept == Some(day) {
            return None;
        }
        let (event, level) = row(happened, kept.is_none_or(|kept| kept.date != day.date));
        let reason = reason(day, event, limits, result);
        let keep = Keep::new(day_slot(), event, Self::NAME, reason).of(&self.desk.client_id).upon(seq).loud(level);
        keep.with(day).map(Unit::Keep).inspect_err(|cause| tracing::error!(%cause, "the day cannot be written down")).ok()
    }

    /// The halt of the day, raised or ended. It is latched before it is committed.
    fn halt_units(&self, day: &RiskDay, limits: &Limits, halted: Option<&crate::persistence::DayHalt>) -> Option<Unit> {
        let loss = day.hit.as_ref().filter(|_| day.is_hit());
        let loss = loss.map(|hit| {
            let words = format!("the day's loss: {} rupees, its floor was {} (daily loss {})", hit.pnl, hit.floor, limits.daily_loss);
            (HaltCause::Loss, words)
        });
        let short = || day.short.as_ref().filter(|short| short.halts()).map(|short| (HaltCause::Margin, short.words.clone()));
        let (change, reason) = match (loss.or_else(short), halted) {
            (Some(_), Some(halted)) if halted.date == day.date => return None,
            (Some((cause, reason)), _) => (ControlChange::HaltDay(day.date, KillLevel::SquareOff, cause), reason),
            (None, Some(halted)) => {
                let why = if halted.date == day.date { "a person lets it go on" } else { "its trading day is over" };
                (ControlChange::EndDay(halted.date), why.to_owned())
            }
            (None, None) => return None,
        };
        self.desk.latch.raise(&change);
        Some(Unit::Control { client_id: self.desk.client_id.clone(), change, who: Arc::from(Self::NAME), reason: Arc::from(reason) })
    }

    /// What has ended is taken away: overrides whose time is over, re-armed strategies that nothing is counted of any more.
    fn over_units(&self, limits: &Limits, now: DateTime<Utc>) -> Vec<Unit> {
        let window = chrono::Duration::from_std(limits.repeats_window).unwrap_or(chrono::Duration::MAX);
        let is_old = |halt: &Halt| halt.rearmed.as_ref().is_some_and(|rearmed| now.signed_duration_since(rearmed.at) > window);
        let gone = |slot, basis, event, reason: String| {
            Unit::Keep(Keep::new(slot, event, Self::NAME, reason).of(&self.desk.client_id).upon(basis))
        };
        let overrides = self.known.overrides().filter(|(_, _, set)| now >= set.until).map(|(key, seq, set)| {
            let reason = format!("the override of {} to {} by {} is over", set.limit, set.value, set.who);
            gone(Slot::new(Topic::Override, Arc::clone(key)), seq, "OVERRIDE_ENDED", reason)
        });
        let halts = self.known.halts().filter(|(_, halt)| is_old(halt)).map(|(seq, halt)| {
            let reason = format!("{} trades again", halt.strategy);
            gone(Slot::new(Topic::Halt, halt.strategy.as_str()), seq, "HALT_FORGOTTEN", reason)
        });
        overrides.chain(halts).collect()
    }
}
