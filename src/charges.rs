//! What trading costs: the rates that are built in, those of a directory of the user, and whose plan each account has.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use ordergate_actors::Line;
use ordergate_actors::order::calendar::Facts;
use ordergate_actors::order::{ClientId, HoldingKey};
use ordergate_actors::pnl::Line as DayLine;
use ordergate_actors::pnl::charges::{BadCharges, ChargeFile, Costs, Kind, Rates, Turned};

use crate::built_in::{self, Named, Unreadable};
use crate::config::Config;
use crate::instruments::kind_of;

/// What is built in.
const BUILT_IN: [(&str, &str); 1] = [("2026.toml", include_str!("../config/charges/2026.toml"))];

/// The plan of a paper account that names none.
const PAPER_PLAN: &str = "zero";

/// The charges cannot be used. Starting again changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum ChargesError {
    /// A file or the directory cannot be read.
    #[error("{path}: {cause}; correct charges.directory")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// What is in the files is wrong.
    #[error(transparent)]
    Bad(#[from] BadCharges),
    /// An account names a plan that no file has.
    #[error("account {client_id}: charges_plan {plan:?} has no rate in any charge file; add it to a file in charges.directory")]
    NoPlan {
        /// The account.
        client_id: ClientId,
        /// What it names.
        plan: String,
    },
}

/// The rates in force, and whose plan each account has.
#[derive(Debug, Default)]
pub struct Charges {
    rates: Rates,
    plans: BTreeMap<ClientId, Arc<str>>,
}

impl Charges {
    /// The charges of these settings.
    ///
    /// # Errors
    /// [`ChargesError`]: a file cannot be read, everything that is wrong in the files, or a plan that is in none.
    pub fn load(config: &Config) -> Result<Self, ChargesError> {
        let rates = Rates::parse(&files(config.charges_directory.as_deref())?)?;
        let mut plans = BTreeMap::new();
        for account in &config.accounts {
            let client_id = account.client_id.clone();
            let plan = match account.charges_plan.as_deref() {
                Some(plan) if !rates.has_plan(plan) => return Err(ChargesError::NoPlan { client_id, plan: plan.to_owned() }),
                Some(plan) => plan,
                None if account.broker.is_live() => continue,
                None => PAPER_PLAN,
            };
            plans.insert(client_id, Arc::from(plan));
        }
        Ok(Self { rates, plans })
    }

    /// The rates that are built in, with these plans.
    ///
    /// # Errors
    /// Never for what is built in: a test reads it.
    pub fn built_in(plans: BTreeMap<ClientId, Arc<str>>) -> Result<Self, ChargesError> {
        Ok(Self { rates: Rates::parse(&files(None)?)?, plans })
    }

    /// The plan of an account, if one is known.
    #[must_use]
    pub fn plan(&self, client_id: &ClientId) -> Option<&str> {
        self.plans.get(client_id).map(|plan| &**plan)
    }

    /// What these lines of that day are charged together.
    #[must_use]
    pub fn sum<'a>(
        &self,
        line: &Line,
        client_id: &ClientId,
        date: NaiveDate,
        lines: impl Iterator<Item = (&'a HoldingKey, &'a DayLine)>,
    ) -> Costs {
        let plan = self.plan(client_id).unwrap_or_default();
        let class = |key: &HoldingKey| match line.instruments.find(&key.instrument) {
            Some(instrument) => {
                let facts = Facts::of(&instrument, line.instruments.has_derivatives(&instrument.underlying));
                Some(Kind::from(line.calendar.class(&facts, date)))
            }
            // It has ended since: what an order's row keeps of it still says what it was.
            None => kind_of(&key.instrument, &line.calendar, date),
        };
        let lines: Vec<(&HoldingKey, &DayLine)> = lines.collect();
        let mut turned: HashMap<&HoldingKey, Turned> = HashMap::new();
        for (key, of) in &lines {
            let sum = turned.entry(key).or_default();
            *sum = sum.with(of);
        }
        lines
            .iter()
            .map(|(key, of)| self.rates.costs((key, of, turned.get(key).copied().unwrap_or_default()), class(key), plan, date))
            .fold(Costs::default(), |sum, costs| sum.with(costs, &self.rates, date))
    }
}

/// The files in force, by name: those of the directory take the place of those that are built in.
fn files(directory: Option<&Path>) -> Result<Vec<ChargeFile>, ChargesError> {
    let files = built_in::files(&BUILT_IN, directory).map_err(|Unreadable { path, cause }| ChargesError::Unreadable { path, cause })?;
    Ok(files.into_iter().map(|Named { name, text }| ChargeFile { name, text }).collect())
}
