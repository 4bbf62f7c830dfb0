//! Takes typed values out of a calendar file, and writes down everything that is wrong, with file and line.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use chrono::{NaiveDate, NaiveTime};
use toml::de::{DeTable, DeValue};

use crate::order::words::Exchange;

/// One thing that is wrong with a calendar file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what it must be.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// Everything that is wrong with the calendar files; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct BadCalendar {
    /// In the order of the files and lines.
    pub problems: Vec<Problem>,
}

impl fmt::Display for BadCalendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the calendar has {} error(s):", self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// A text with its line.
pub(super) type Said = (usize, String);

/// A value of a row.
#[derive(Debug)]
enum Value {
    Text(String),
    List(Vec<Said>),
}

/// A row of a file: one `[[kind]]` with its keys. Keys that nobody asks for are a problem at the end.
#[derive(Debug)]
pub(super) struct Row<'a> {
    file: &'a str,
    pub(super) kind: String,
    pub(super) line: usize,
    values: BTreeMap<String, (usize, Value)>,
    problems: Vec<Problem>,
}

/// Reads the rows of a file, in the order of their lines.
pub(super) fn rows<'a>(file: &'a str, text: &str, problems: &mut Vec<Problem>) -> Vec<Row<'a>> {
    let line = |span: Range<usize>| 1 + text.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count();
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let of = |error: toml::de::Error| {
            let line = error.span().map_or(1, line);
            Problem { file: file.to_owned(), line, text: format!("is not TOML: {}", error.message()) }
        };
        problems.extend(errors.into_iter().map(of));
        // What could be saved of a broken file may say something else than it means.
        return Vec::new();
    }
    let mut rows = Vec::new();
    for (key, value) in table.get_ref() {
        let kind = key.get_ref();
        let tables = match value.get_ref() {
            DeValue::Array(rows) if rows.iter().all(|row| matches!(row.get_ref(), DeValue::Table(_))) => rows,
            _ => {
                let text = format!("{kind} must be rows: [[{kind}]]");
                problems.push(Problem { file: file.to_owned(), line: line(key.span()), text });
                continue;
            }
        };
        for row in tables.iter() {
            let DeValue::Table(table) = row.get_ref() else { continue };
            let at = line(row.span());
            rows.push(Row::read(file, kind, at, table, &line));
        }
    }
    rows.sort_by_key(|row| row.line);
    rows
}

/// Text, or a bare date or time, which is its own text.
fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.trim().to_owned()),
        DeValue::Datetime(at) => Some(at.to_string()),
        _ => None,
    }
}

impl<'a> Row<'a> {
    fn read(file: &'a str, kind: &str, at: usize, table: &DeTable<'_>, line: &impl Fn(Range<usize>) -> usize) -> Self {
        let mut row = Self { file, kind: kind.to_owned(), line: at, values: BTreeMap::new(), problems: Vec::new() };
        for (key, value) in table {
            let name = key.get_ref().to_string();
            let at = line(value.span());
            let value = match value.get_ref() {
                DeValue::Array(list) => {
                    let texts: Vec<Option<Said>> =
                        list.iter().map(|item| text_of(item.get_ref()).map(|text| (line(item.span()), text))).collect();
                    texts.into_iter().collect::<Option<Vec<Said>>>().map(Value::List)
                }
                other => text_of(other).map(Value::Text),
            };
            match value {
                Some(value) => drop(row.values.insert(name, (at, value))),
                None => row.problem(at, format!("{name} must be text, or a list of texts")),
            }
        }
        row
    }

    pub(super) fn problem(&mut self, line: usize, text: impl Into<String>) {
        self.problems.push(Problem { file: self.file.to_owned(), line, text: text.into() });
    }

    /// Whether the row has the key and nobody has taken it yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A text that may be missing.
    pub(super) fn maybe(&mut self, name: &str) -> Option<Said> {
        match self.values.remove(name)? {
            (line, Value::Text(text)) if !text.is_empty() => Some((line, text)),
            (line, _) => {
                self.problem(line, format!("{name} must be a text"));
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, name: &str) -> Option<Said> {
        if !self.has(name) {
            self.problem(self.line, format!("{name} is missing in this [[{}]]", self.kind));
        }
        self.maybe(name)
    }

    /// A list of texts; empty if it is missing.
    pub(super) fn list(&mut self, name: &str) -> Vec<Said> {
        match self.values.remove(name) {
            None => Vec::new(),
            Some((_, Value::List(list))) => list,
            Some((line, Value::Text(_))) => {
                self.problem(line, format!("{name} must be a list: [\"...\"]"));
                Vec::new()
            }
        }
    }

    /// A list of words, each of which `read` knows.
    pub(super) fn words<T>(&mut self, name: &str, rule: &str, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        for (line, text) in self.list(name) {
            match read(&text) {
                Some(value) => found.push(value),
                None => self.problem(line, format!("{name}: {text:?} is none of {rule}")),
            }
        }
        found
    }

    /// Segments, one by one or by a word for several.
    pub(super) fn segments(&mut self, name: &str) -> Vec<Exchange> {
        let rule = "EQUITY, CURRENCY, COMMODITY, NSE, BSE, NFO, BFO, CDS, MCX";
        let mut found: Vec<Exchange> = self.words(name, rule, segments).into_iter().flatten().collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Segments, of which there must be one.
    pub(super) fn some_segments(&mut self, name: &str) -> Vec<Exchange> {
        if !self.has(name) {
            self.problem(self.line, format!("{name} is missing in this [[{}]]", self.kind));
        }
        self.segments(name)
    }

    /// A date that must be there, with its weekday, which must be right: `Thu 2026-01-15`.
    pub(super) fn weekday_and_date(&mut self, name: &str) -> Option<NaiveDate> {
        let (line, text) = self.text(name)?;
        let date = text.split_once(' ').and_then(|(day, date)| Some((day.to_owned(), date.trim().parse::<NaiveDate>().ok()?)));
        match date {
            Some((day, date)) if date.format("%a").to_string() == day => Some(date),
            Some((day, date)) => {
                self.problem(line, format!("{name}: {date} is a {}, not a {day}", date.format("%a")));
                None
            }
            None => {
                self.problem(line, format!("{name} must be a weekday and a date, such as \"Thu 2026-01-15\", not {text:?}"));
                None
            }
        }
    }

    /// A date that may be missing.
    pub(super) fn maybe_date(&mut self, name: &str, missing: NaiveDate) -> NaiveDate {
        let Some((line, text)) = self.maybe(name) else { return missing };
        text.parse().unwrap_or_else(|_| {
            self.problem(line, format!("{name} must be a date, such as \"2026-01-15\", not {text:?}"));
            missing
        })
    }

    /// Two dates, in order; one that is missing is open.
    pub(super) fn span(&mut self) -> (NaiveDate, NaiveDate) {
        let (from, until) = (self.maybe_date("from", NaiveDate::MIN), self.maybe_date("until", NaiveDate::MAX));
        if until < from {
            self.problem(self.line, format!("until {until} is before from {from}"));
        }
        (from, until)
    }

    /// A time of the day that may be missing.
    pub(super) fn maybe_time(&mut self, name: &str) -> Option<NaiveTime> {
        let (line, text) = self.maybe(name)?;
        let read = time(&text);
        if read.is_none() {
            self.problem(line, format!("{name} must be a time, such as \"17:00\", not {text:?}"));
        }
        read
    }

    /// What is left over is a problem, and so is a row without a source.
    pub(super) fn finish(mut self, problems: &mut Vec<Problem>) {
        let _source = self.text("source");
        let kind = self.kind.clone();
        for (name, (line, _)) in std::mem::take(&mut self.values) {
            self.problem(line, format!("{name} is no key of [[{kind}]]"));
        }
        problems.append(&mut self.problems);
    }
}

/// `09:15`
pub(super) fn time(text: &str) -> Option<NaiveTime> {
    NaiveTime::parse_from_str(text, "%H:%M").ok()
}

fn segments(word: &str) -> Option<Vec<Exchange>> {
    match word {
        "EQUITY" => Some(vec![Exchange::Nse, Exchange::Bse, Exchange::Nfo, Exchange::Bfo]),
        "CURRENCY" => Some(vec![Exchange::Cds]),
        "COMMODITY" => Some(vec![Exchange::Mcx]),
        _ => Exchange::ALL.iter().find(|exchange| exchange.as_str() == word).map(|exchange| vec![*exchange]),
    }
}
