//! What a kill level asks of orders and positions that are there already.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{WatcherActor, square_off};
use crate::line::Phase;
use crate::order::{OrderFact, OrderType, Product, Source, Status, Tag};
use crate::persistence::{ControlChange, KillLevel, Unit};
use crate::supervision::Shell;

impl WatcherActor {
    /// From level 2 working entries are cancelled, at level 3 what the engine holds is squared off; both until it is so,
    /// and after a restart too.
    pub(super) fn enforce_kill(&mut self, now: DateTime<Utc>) {
        if self.desk.phase() == Phase::Recovering {
            return;
        }
        let cancels = self.line.view.read(&self.desk.client_id, |book| {
            let control = book.control();
            if control.account_level() < KillLevel::CancelEntries && control.strategies.is_empty() {
                return Vec::new();
            }
            book.open_orders()
                .filter(|order| {
                    let level = control.level_for(&order.ask.strategy);
                    // An exit that rests at its price covers a position that shall be flat now.
                    let is_in_the_way = order.is_exit()
                        && level == KillLevel::SquareOff
                        && !control.is_frozen()
                        && order.source != Source::System
                        // One that waits for truth waits no longer: the square-off goes on what is known.
                        && (order.working_type() != Some(OrderType::Market) || order.status == Status::Created)
                        && order.ask.product != Some(Product::Cnc);
                    order.cancel_wanted.is_none() && (is_in_the_way || (!order.is_exit() && level >= KillLevel::CancelEntries))
                })
                .map(|order| {
                    let strategy = &order.ask.strategy;
                    let reason = format!("kill level {}: {}", u8::from(control.level_for(strategy)), control.why_for(strategy));
                    (order.command_id, OrderFact::CancelWanted { tag: Tag::KillSwitch, reason })
                })
                .collect()
        });
        self.post_facts(cancels.unwrap_or_default());
        // What the broker refuses is asked for again, ever more slowly; each time leaves rows and pages.
        let again = self.desk.settings.waits.cancel_again.saturating_mul(1 << self.core.squared_off_tries.min(4));
        let again = chrono::Duration::from_std(again).unwrap_or(chrono::Duration::MAX);
        if self.core.squared_off_at.is_none_or(|at| now.signed_duration_since(at) >= again) && square_off::fire(&self.line, &self.desk, now)
        {
            self.core.squared_off_at = Some(now);
            self.core.squared_off_tries = self.core.squared_off_tries.saturating_add(1);
        }
    }
    pub(super) fn stop_entries(&mut self, reason: &str) {
        let is_armed = self.line.view.read(&self.desk.client_id, |book| book.control().level == KillLevel::None).unwrap_or(false);
        if is_armed {
            let change = ControlChange::RaiseAccount(KillLevel::StopEntries);
            self.desk.latch.raise(&change);
            self.line.post_unit(Unit::Control {
                client_id: self.desk.client_id.clone(),
                change,
                who: Arc::from(Self::NAME),
                reason: Arc::from(reason),
            });
        }
    }
}

/// Whether a person has just asked for a square-off.
pub(super) fn asks_square_off(change: &ControlChange) -> bool {
    matches!(
        change,
        ControlChange::Account(KillLevel::SquareOff)
            | ControlChange::RaiseAccount(KillLevel::SquareOff)
            | ControlChange::HaltDay(_, KillLevel::SquareOff)
            | ControlChange::Strategy(_, KillLevel::SquareOff)
    )
}
