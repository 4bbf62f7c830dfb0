//! Files into a calendar. Every row of every file is looked at, and all that is wrong is said at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime, Weekday};

use super::expiry::{Cycle, ExpiryRule};
use super::phase::Step;
use super::read::{BadCalendar, Problem, Row, rows, time};
use super::{Calendar, Class, Hours, Part, Schedule, Window};
use crate::order::words::Exchange;

/// A calendar file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, for messages.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// A special session before the rows of all files are weighed against each other.
type Specials = BTreeMap<(Exchange, NaiveDate), (Hours, Arc<str>)>;

impl Calendar {
    /// Reads the files as one calendar; the order does not matter. The same fact may stand in two files; two facts that
    /// contradict each other are a problem, but times of a special session win over "not announced".
    ///
    /// # Errors
    /// [`BadCalendar`] names everything that is wrong.
    pub fn parse(files: &[File]) -> Result<Self, BadCalendar> {
        let (mut calendar, mut problems) = (Self::default(), Vec::new());
        for file in files {
            for mut row in rows(&file.name, &file.text, &mut problems) {
                match row.kind.as_str() {
                    "covers" => calendar.take_cover(&mut row),
                    "holiday" => calendar.take_holiday(&mut row),
                    "special" => calendar.take_special(&mut row),
                    "session" => calendar.take_session(&mut row),
                    "closing_auction" => calendar.take_auction(&mut row),
                    "agri" => calendar.take_agri(&mut row),
                    "expiry" => calendar.take_expiry(&mut row),
                    kind => {
                        let known = "covers, holiday, special, session, closing_auction, agri, expiry";
                        let text = format!("[[{kind}]] is none of {known}");
                        problems.push(Problem { file: file.name.clone(), line: row.line, text });
                        continue;
                    }
                }
                row.finish(&mut problems);
            }
        }
        if problems.is_empty() { Ok(calendar) } else { Err(BadCalendar { problems }) }
    }

    fn take_cover(&mut self, row: &mut Row<'_>) {
        let segments = row.some_segments("segments");
        if !row.has("from") || !row.has("until") {
            row.problem(row.line, "a [[covers]] needs from and until: an open end would make unknown days open ones");
        }
        let span = row.span();
        for segment in segments {
            self.covers.entry(segment).or_default().push(span);
        }
    }

    fn take_holiday(&mut self, row: &mut Row<'_>) {
        let on = row.weekday_and_date("on");
        let name = row.text("name").map(|(_, name)| Arc::<str>::from(name));
        let parts = [("closed", Part::Whole), ("morning_closed", Part::Morning), ("evening_closed", Part::Evening)];
        if !parts.iter().any(|(key, _)| row.has(key)) {
            row.problem(row.line, "a [[holiday]] needs closed, morning_closed or evening_closed");
        }
        for (key, part) in parts {
            for segment in row.segments(key) {
                let (Some(on), Some(name)) = (on, name.clone()) else { continue };
                let known = self.holidays.entry((segment, on)).or_insert((part, name));
                if known.0 != part {
                    let text = format!("{segment} has another holiday on {on} already, which takes another part of the day: {}", known.1);
                    row.problem(row.line, text);
                }
            }
        }
    }

    fn take_special(&mut self, row: &mut Row<'_>) {
        let on = row.weekday_and_date("on");
        let name = row.text("name").map(|(_, name)| Arc::<str>::from(name));
        let segments = row.some_segments("segments");
        let hours = match (row.maybe("hours"), row.has("windows")) {
            (Some((_, word)), false) if word == "NORMAL" => Some(Hours::Normal),
            (Some((_, word)), false) if word == "NOT_ANNOUNCED" => Some(Hours::NotAnnounced),
            (None, true) => Some(Hours::Windows(windows(row))),
            (Some((line, _)), _) => {
                row.problem(line, "a [[special]] has hours = \"NORMAL\", hours = \"NOT_ANNOUNCED\", or windows");
                None
            }
            (None, false) => {
                row.problem(row.line, "a [[special]] needs hours or windows");
                None
            }
        };
        let (Some(on), Some(name), Some(hours)) = (on, name, hours) else { return };
        for segment in segments {
            if let Err(text) = announce(&mut self.specials, segment, on, &hours, &name) {
                row.problem(row.line, text);
            }
        }
    }

    fn take_session(&mut self, row: &mut Row<'_>) {
        let segments = row.some_segments("segments");
        let names: Vec<&str> = Class::ALL.iter().map(|(_, word)| *word).collect();
        let classes = row.words("classes", &names.join(", "), Class::parse);
        if classes.is_empty() {
            row.problem(row.line, "a [[session]] needs classes");
        }
        let (from, until) = row.span();
        let evening_from = row.maybe_time("evening_from");
        if !row.has("windows") {
            row.problem(row.line, "a [[session]] needs windows");
        }
        let windows = windows(row);
        for (segment, class) in segments.iter().flat_map(|segment| classes.iter().map(|class| (*segment, *class))) {
            let schedules = self.sessions.entry((segment, class)).or_default();
            if let Some(other) = schedules.iter().find(|other| other.from <= until && from <= other.until) {
                let text = format!("{segment} {} has hours already that hold until {}", class.as_str(), other.until);
                row.problem(row.line, text);
                continue;
            }
            schedules.push(Schedule { from, until, evening_from, windows: Arc::clone(&windows) });
        }
    }

    fn take_auction(&mut self, row: &mut Row<'_>) {
        let segments = row.some_segments("segments");
        let (with, without) = (row.list("with"), row.list("without"));
        if with.is_empty() && without.is_empty() {
            row.problem(row.line, "a [[closing_auction]] needs a list: with or without");
        }
        for segment in segments {
            for (line, name) in &with {
                if without.iter().any(|(_, other)| other == name) {
                    row.problem(*line, format!("{name} is with and without"));
                }
                self.auction_with.insert((segment, Arc::from(name.as_str())));
            }
            self.auction_without.extend(without.iter().map(|(_, name)| (segment, Arc::from(name.as_str()))));
        }
    }

    fn take_agri(&mut self, row: &mut Row<'_>) {
        let class = row.text("class").and_then(|(line, word)| {
            let class = Class::parse(&word).filter(|class| matches!(class, Class::Agri | Class::LinkedAgri));
            if class.is_none() {
                row.problem(line, format!("class: {word:?} is none of AGRI, LINKED_AGRI"));
            }
            class
        });
        if !row.has("underlyings") {
            row.problem(row.line, "an [[agri]] needs underlyings");
        }
        for (line, name) in row.list("underlyings") {
            let Some(class) = class else { continue };
            if *self.agri.entry(Arc::from(name.as_str())).or_insert(class) != class {
                row.problem(line, format!("{name} is of another class already"));
            }
        }
    }

    fn take_expiry(&mut self, row: &mut Row<'_>) {
        let segments = row.some_segments("segments");
        let underlyings: Vec<Arc<str>> = row.list("underlyings").into_iter().map(|(_, name)| Arc::from(name)).collect();
        let mut word = |name: &str| row.text(name);
        let (cycle, weekday) = (word("cycle"), word("weekday"));
        let cycle = cycle.and_then(|(line, word)| {
            let cycle = [("WEEKLY", Cycle::Weekly), ("MONTHLY", Cycle::Monthly)].into_iter().find(|(name, _)| *name == word);
            if cycle.is_none() {
                row.problem(line, format!("cycle: {word:?} is none of WEEKLY, MONTHLY"));
            }
            cycle.map(|(_, cycle)| cycle)
        });
        let weekday = weekday.and_then(|(line, word)| {
            let weekday = word.parse::<Weekday>().ok();
            if weekday.is_none() {
                row.problem(line, format!("weekday: {word:?} is no weekday, such as \"Tue\""));
            }
            weekday
        });
        let (from, until) = row.span();
        let (Some(cycle), Some(weekday)) = (cycle, weekday) else { return };
        for segment in segments {
            let rule = ExpiryRule { segment, underlyings: underlyings.clone(), cycle, weekday, from, until };
            if self.expiries.iter().any(|other| contradict(other, &rule)) {
                row.problem(row.line, format!("{segment} has another {cycle:?} expiry for the same contracts and dates"));
                continue;
            }
            self.expiries.push(rule);
        }
    }
}

/// Whether two rules name an expiry for the same contracts at the same time.
fn contradict(a: &ExpiryRule, b: &ExpiryRule) -> bool {
    let same =
        if a.underlyings.is_empty() { b.underlyings.is_empty() } else { a.underlyings.iter().any(|name| b.underlyings.contains(name)) };
    same && a.segment == b.segment && a.cycle == b.cycle && a.from <= b.until && b.from <= a.until
}

/// Times that were announced win over none.
fn announce(specials: &mut Specials, segment: Exchange, on: NaiveDate, hours: &Hours, name: &Arc<str>) -> Result<(), String> {
    let known = specials.entry((segment, on)).or_insert_with(|| (hours.clone(), Arc::clone(name)));
    if known.0 == Hours::NotAnnounced {
        *known = (hours.clone(), Arc::clone(name));
    }
    if *hours != Hours::NotAnnounced && known.0 != *hours {
        return Err(format!("{segment} has another special session on {on} already: {}", known.1));
    }
    Ok(())
}

/// The windows of a row, in order and apart.
fn windows(row: &mut Row<'_>) -> Arc<[Window]> {
    let mut windows: Vec<Window> = Vec::new();
    let said = row.list("windows");
    if said.is_empty() {
        row.problem(row.line, "windows is empty");
    }
    for (line, text) in said {
        let Some(window) = window(&text) else {
            row.problem(line, format!("a window is \"09:15-15:30 CONTINUOUS\" or \"09:00-09:05 PRE_OPEN LIMIT_ONLY\", not {text:?}"));
            continue;
        };
        if window.until <= window.from {
            row.problem(line, format!("the window {text:?} ends before it begins"));
        }
        if let Some(before) = windows.last() {
            if window.from < before.until {
                row.problem(line, format!("the window {text:?} begins before the one above it ends"));
            } else if window.from == before.until && window.step == before.step {
                row.problem(line, format!("the window {text:?} goes on with the one above it: make them one"));
            }
        }
        windows.push(window);
    }
    Arc::from(windows)
}

fn window(text: &str) -> Option<Window> {
    let (span, step) = text.split_once(' ')?;
    let (from, until) = span.split_once('-')?;
    let (from, until): (NaiveTime, NaiveTime) = (time(from)?, time(until)?);
    Some(Window { from, until, step: Step::parse(step)? })
}
