//! What a kill level asks of orders and positions that are there already.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::WatcherActor;
use super::covers::{self, Turn};
use super::square_off::{self, LeftOver};
use crate::line::Phase;
use crate::order::{InstrumentKey, MAX_LEGS, OrderFact, OrderRecord, OrderType, Product, Side, Source, Status, Tag, trading_date};
use crate::persistence::{ControlChange, KillLevel, Level, Unit, alarm};
use crate::risk::Market;
use crate::supervision::Shell;

impl WatcherActor {
    /// From level 2 working entries are cancelled, at level 3 what the engine holds is squared off; both until it is so,
    /// and after a restart too. What a square-off has not sent when nobody wants it any more is withdrawn.
    pub(super) fn enforce_kill(&mut self, now: DateTime<Utc>) {
        if self.desk.phase() == Phase::Recovering {
            return;
        }
        self.end_square_off(now);
        let today = trading_date(now);
        let cancels = self.line.view.read(&self.desk.client_id, |book| {
            let control = book.control();
            if control.account_level() < KillLevel::CancelEntries && control.strategies.is_empty() {
                return Vec::new();
            }
            book.open_orders()
                .filter(|order| {
                    let level = control.level_on(&order.ask.strategy, today);
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
                    let reason = format!("kill level {}: {}", u8::from(control.level_on(strategy, today)), control.why_for(strategy));
                    (order.command_id, OrderFact::CancelWanted { tag: Tag::KillSwitch, reason })
                })
                .collect()
        });
        self.post_facts(cancels.unwrap_or_default());
        let is_live = self.desk.broker.capabilities().is_live;
        let (calendar, instruments, set_back) = (&self.line.calendar, &*self.line.instruments, self.line.clock_was_set_back());
        let takes_exits = |key: &InstrumentKey| Market::of(calendar, instruments, key, is_live, now, set_back).takes_exits();
        let wanted = self.line.view.read(&self.desk.client_id, |book| covers::wanted(book, instruments, &takes_exits, now));
        let (wanted, tries, first) = (wanted.unwrap_or_default(), &mut self.core.tries, self.desk.settings.waits.cancel_again);
        tries.keep(&wanted);
        let Turn { mut goes, uncovers } = self.core.covers.turn(wanted, &|one| tries.is_due(one, first, now), now);
        for (long, short) in uncovers {
            let text = format!("{} {} is closed although {}, which it covers, is not bought back yet", long.strategy, long.key, short.key);
            self.line.alarm(Some(&self.desk.client_id), alarm::EXIT_UNCOVERS, Level::Page, None, text);
        }
        if goes.is_empty() {
            return;
        }
        // What one signal has no room for goes with the next look.
        goes.truncate(MAX_LEGS);
        goes.iter().for_each(|one| self.core.tries.goes(one, now));
        square_off::send(&self.line, &self.desk, &goes, now);
    }

    /// Withdraws the exits of a square-off that is over and did not send them, and names those that the broker has: once each.
    fn end_square_off(&mut self, now: DateTime<Utc>) {
        let left = self.line.view.read(&self.desk.client_id, |book| {
            let left = LeftOver::of(book, now);
            self.core.left_over.retain(|(command, _)| book.order(*command).is_some_and(|order| !order.status.is_terminal()));
            left
        });
        let LeftOver { unsent, at_broker } = left.unwrap_or_default();
        // Refused and not cancelled: one that goes out this moment is the broker's, and stays there.
        self.post_facts(unsent.iter().map(|order| (order.command_id, withdrawn(order))).collect());
        let news: Vec<_> = unsent
            .into_iter()
            .chain(at_broker)
            .filter(|order| self.core.left_over.insert((order.command_id, order.sent_at.is_some())))
            .collect();
        for order in news {
            let text = left_over(&order);
            self.line.alarm(Some(&self.desk.client_id), "ALARM_SQUARE_OFF_OVER", Level::Warn, Some(order.command_id), text);
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

/// The end of an exit that a square-off has not sent, and that nobody wants any more.
pub(super) fn withdrawn(order: &OrderRecord) -> OrderFact {
    let reason = format!("the square-off of {} is over, and this exit of it was not sent", order.ask.strategy);
    OrderFact::Refused { tag: Tag::SquareOffOver, reason, gates: Vec::new() }
}

/// What people hear of an exit that a square-off left over.
fn left_over(order: &OrderRecord) -> String {
    let (strategy, symbol) = (&order.ask.strategy, &order.ask.symbol);
    if order.status == Status::Created {
        return format!(
            "the square-off of {strategy} is over: its exit in {symbol} was not sent and is withdrawn; the position stays open"
        );
    }
    let number = order.broker_order_id.as_ref().map_or("its number is not known yet", |id| id.as_str());
    format!(
        "the square-off of {strategy} is over, and its exit is at the broker ({number}): {} {} {symbol} of {strategy}; it stays there \
         and is worked on until it fills; cancel it to keep the position",
        order.ask.side.map_or("", Side::as_str),
        order.unfilled(),
    )
}

/// Whether a person has just asked for a square-off.
pub(super) fn asks_square_off(change: &ControlChange) -> bool {
    matches!(
        change,
        ControlChange::Account(KillLevel::SquareOff)
            | ControlChange::RaiseAccount(KillLevel::SquareOff)
            | ControlChange::HaltDay(_, KillLevel::SquareOff, _)
            | ControlChange::Strategy(_, KillLevel::SquareOff)
            | ControlChange::RaiseStrategy(_, KillLevel::SquareOff)
    )
}
