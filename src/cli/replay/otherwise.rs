//! A day held against the settings in force: which gates would have said otherwise, by the numbers that stand in the journal.

use std::collections::BTreeMap;

use ordergate_actors::AccountSettings;
use ordergate_actors::order::{GateVerdict, trading_date};
use ordergate_actors::persistence::Projections;
use ordergate_actors::ports::JournalRow;
use ordergate_actors::risk::{Again, Otherwise, RiskDay, day_slot};
use serde::Deserialize;

use super::super::print::Page;
use crate::config::Config;

#[derive(Deserialize)]
struct Gates {
    #[serde(default)]
    gates: Vec<GateVerdict>,
}

/// One account's day under the settings in force.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    config: &'a Config,
    account: Option<AccountSettings>,
    /// Orders that were judged, and verdicts of gates among them.
    judged: (u64, u64),
    /// Rows of the table.
    changed: Vec<Vec<String>>,
    /// Orders of which a gate is held against something else, and the record lacks the numbers: by gate and what it is now.
    untold: BTreeMap<(String, String), u64>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(config: &'a Config, client: &str) -> Self {
        let account = config.account_settings().find(|account| account.client_id.as_str() == client);
        Self { config, account, judged: (0, 0), changed: Vec::new(), untold: BTreeMap::new() }
    }

    /// Takes a row of the day in; `so_far` is what the journal makes up to it.
    pub(super) fn see(&mut self, row: &JournalRow, so_far: &Projections) {
        let Some(account) = &self.account else { return };
        let order = row.command_id.and_then(|command| so_far.orders.get(&command));
        let (Some(order), "SENT_TO_BROKER" | "REFUSED") = (order, &*row.event) else { return };
        let Ok(Gates { gates }) = serde_json::from_str(&row.inputs) else { return };
        let day: Option<RiskDay> = so_far.kept.get(&day_slot()).and_then(|kept| kept.read().ok());
        let settings = self.config.engine_settings();
        let otherwise = Otherwise {
            limits: &account.limits,
            settings: &settings,
            waits: &account.waits,
            day: day.as_ref().filter(|day| day.date == trading_date(row.at)),
            intent: order.ask.intent,
        };
        self.judged.0 += 1;
        self.judged.1 += gates.len() as u64;
        for gate in gates {
            match otherwise.judge(&gate) {
                Again::Judged { passed, limit } if passed != gate.passed => self.changed.push(vec![
                    order.number.to_string(),
                    row.at.format("%H:%M:%S UTC").to_string(),
                    format!("{} {}", order.ask.strategy, order.ask.symbol),
                    gate.gate.to_string(),
                    gate.input.clone(),
                    said(gate.passed, &gate.limit),
                    said(passed, &limit),
                ]),
                Again::Untold { limit } => *self.untold.entry((gate.gate.to_string(), limit)).or_default() += 1,
                Again::Judged { .. } | Again::Same => {}
            }
        }
    }

    pub(super) fn show(self, page: &mut Page) {
        if self.account.is_none() {
            page.line("the settings in force do not have this account: its day is held against nothing");
            return;
        }
        let (orders, verdicts) = self.judged;
        if self.changed.is_empty() {
            page.line(format!("by the settings in force no gate would have said otherwise: {verdicts} verdicts on {orders} orders"));
        } else {
            page.line(format!(
                "by the settings in force {} of {verdicts} verdicts on {orders} orders would be otherwise:",
                self.changed.len()
            ));
            page.table(&["order", "at", "for", "gate", "saw", "then", "now"], self.changed);
            page.line("Each is judged alone: what would have followed from it (other orders, positions, the day's result) is not.");
        }
        for ((gate, limit), count) in self.untold {
            page.line(format!("{gate} is held against another limit now ({limit}); the journal lacks the numbers to judge {count} orders"));
        }
    }
}

fn said(passed: bool, limit: &str) -> String {
    format!("{} ({limit})", if passed { "passed" } else { "refused" })
}
