//! Reads the charge files, and names everything that is wrong in them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::rates::{Cell, Charge, Kind, Rate, Rates};
use crate::order::money::decimal;
use crate::order::{Exchange, Product, Side};

/// One file.
#[derive(Debug, Clone)]
pub struct ChargeFile {
    /// Its name, for messages.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// Everything that is wrong with the charge files; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct BadCharges {
    /// One sentence each, with the file and the row.
    pub problems: Vec<String>,
}

impl fmt::Display for BadCharges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the charges have {} error(s):", self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    rate: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    charge: Charge,
    #[serde(default)]
    plan: String,
    #[serde(default)]
    segments: Vec<Exchange>,
    #[serde(default)]
    kinds: Vec<Kind>,
    products: Option<Vec<Product>>,
    sides: Option<Vec<Side>>,
    percent: Option<String>,
    per_order: Option<String>,
    per_scrip: Option<String>,
    from: String,
    until: Option<String>,
    source: String,
}

impl Rates {
    /// Reads the rates of all files together.
    ///
    /// # Errors
    /// [`BadCharges`]: everything that is wrong.
    pub fn parse(files: &[ChargeFile]) -> Result<Self, BadCharges> {
        let (mut rates, mut problems) = (Self::default(), Vec::new());
        for file in files {
            match toml::from_str::<Table>(&file.text) {
                Err(cause) => problems.push(format!("{}: {}", file.name, cause.to_string().trim_end())),
                Ok(table) => {
                    for (number, row) in (1..).zip(table.rate) {
                        let at = format!("{}, rate {number} ({:?})", file.name, row.charge);
                        if let Err(problem) = rates.take(&row) {
                            problems.push(format!("{at}: {problem}"));
                        }
                    }
                }
            }
        }
        if problems.is_empty() { Ok(rates) } else { Err(BadCharges { problems }) }
    }

    fn take(&mut self, row: &Row) -> Result<(), String> {
        let from = date("from", &row.from)?;
        let rate = Rate {
            percent: number("percent", row.percent.as_deref())?,
            per_order: number("per_order", row.per_order.as_deref())?,
            per_scrip: number("per_scrip", row.per_scrip.as_deref())?,
            until: row.until.as_deref().map(|until| date("until", until)).transpose()?,
        };
        if row.source.trim().is_empty() {
            return Err("source is empty: every rate names where it comes from".to_owned());
        }
        if rate.until.is_some_and(|until| until < from) {
            return Err("until is before from".to_owned());
        }
        self.check(row, rate)?;
        if row.charge == Charge::Gst {
            return put(&mut self.gst, from, rate);
        }
        let products = row.products.as_deref().unwrap_or(Product::ALL);
        let sides = row.sides.as_deref().unwrap_or(Side::ALL);
        if row.segments.is_empty() || row.kinds.is_empty() || products.is_empty() || sides.is_empty() {
            return Err("it is for nothing: name segments and kinds, and leave products and sides out where all are meant".to_owned());
        }
        let plan: Arc<str> = Arc::from(row.plan.trim());
        for segment in &row.segments {
            for kind in &row.kinds {
                for product in products {
                    for side in sides {
                        let cell = Cell {
                            charge: row.charge,
                            plan: Arc::clone(&plan),
                            segment: *segment,
                            kind: *kind,
                            product: *product,
                            side: *side,
                        };
                        let name = format!("{segment} {kind:?} {product} {side}");
                        put(self.cells.entry(cell).or_default(), from, rate).map_err(|problem| format!("{name}: {problem}"))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Each charge is said in the units that it comes in.
    fn check(&self, row: &Row, rate: Rate) -> Result<(), String> {
        let said = [rate.percent.is_some(), rate.per_order.is_some(), rate.per_scrip.is_some()];
        let fits = match row.charge {
            Charge::Brokerage => !said[2] && (said[0] || said[1]),
            Charge::Dp => said == [false, false, true],
            _ => said == [true, false, false],
        };
        if !fits {
            return Err("BROKERAGE takes percent, per_order or both, DP takes per_scrip, all others take percent".to_owned());
        }
        if matches!(row.charge, Charge::Brokerage | Charge::Dp) == row.plan.trim().is_empty() {
            return Err("BROKERAGE and DP name a plan, and no other charge does".to_owned());
        }
        Ok(())
    }
}

fn put(dated: &mut BTreeMap<NaiveDate, Rate>, from: NaiveDate, rate: Rate) -> Result<(), String> {
    match dated.insert(from, rate) {
        None => Ok(()),
        Some(_) => Err(format!("there is another rate from {from} on")),
    }
}

fn date(field: &str, text: &str) -> Result<NaiveDate, String> {
    text.parse().map_err(|_| format!("{field} = {text:?} is not a date, for example 2026-04-01"))
}

fn number(field: &'static str, text: Option<&str>) -> Result<Option<Decimal>, String> {
    let Some(text) = text else { return Ok(None) };
    let value = decimal(field, text).map_err(|error| error.to_string())?;
    let is_fit = !value.is_sign_negative() && value <= Decimal::from(100_000);
    if is_fit { Ok(Some(value)) } else { Err(format!("{field} = {text:?} must be from 0 to 100000")) }
}
