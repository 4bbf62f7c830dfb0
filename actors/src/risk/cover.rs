//! An exit of what covers a short option ([`Instrument::covers`]) waits for that, while it is being bought back: whoever sends both, the
//! broker fills them as it likes, and what was sold must not stand alone meanwhile. After [`COVER_FIRST`] it goes all the same, and a
//! person hears. So does one who closes the cover of a short that stays. Pure.
//!
//! Rules and square-offs wait by themselves before they send anything, and theirs go at once here.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::exits::{is_driven, is_of_its_target};
use crate::order::basket::COVER_FIRST;
use crate::order::{CommandId, HoldingKey, Instrument, InstrumentKey, OrderRecord, OrderType, Side, Source, Strategy, Terms};
use crate::persistence::{Book, KillLevel, Level};
use crate::ports::Instruments;

/// A short position in an option.
type Short = (Strategy, HoldingKey);

/// Exits that wait: since when, and for which shorts.
#[derive(Debug, Default)]
pub(super) struct Covers(BTreeMap<CommandId, (DateTime<Utc>, Vec<Short>)>);

/// What becomes of an exit that risk has cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cover {
    /// It goes.
    Goes,
    /// It waits, for this.
    Waits(String),
    /// It goes, and people hear this.
    Uncovers(Level, String),
}

impl Covers {
    /// See [`Cover`]. `terms`: as which the exit would go.
    pub(super) fn look(&mut self, order: &OrderRecord, terms: &Terms, book: &Book, all: &dyn Instruments, now: DateTime<Utc>) -> Cover {
        self.0.retain(|exit, _| book.order(*exit).is_some_and(|order| !order.status.is_terminal()));
        let instrument = order.instrument().filter(|_| order.is_exit() && !order.is_test());
        let Some((found, instrument)) = instrument.and_then(|key| Some((all.find(&key)?, key))) else { return Cover::Goes };
        let (held, key) = (terms.side.opposite(), HoldingKey { instrument, product: terms.product });
        let closed = Closed { order, key, units: terms.quantity.value() };
        let is_covered = |key: &InstrumentKey| all.find(key).is_some_and(|short| found.covers(held, &short));
        let shorts: Vec<Short> = book
            .holdings()
            .filter(|(_, key, held)| held.net < 0 && is_covered(&key.instrument))
            .map(|(strategy, key, _)| (strategy.clone(), key.clone()))
            .collect();
        self.held_back(&closed, &shorts, book, now).unwrap_or_else(|| bare(&closed, &shorts, book, all))
    }

    /// Whether it waits for shorts that are being bought back, or has waited enough. `None`: neither.
    fn held_back(&mut self, closed: &Closed<'_>, shorts: &[Short], book: &Book, now: DateTime<Utc>) -> Option<Cover> {
        let (id, source) = (closed.order.command_id, closed.order.source);
        if matches!(source, Source::System | Source::Stop) {
            return None;
        }
        let leaving = || shorts.iter().filter(|(strategy, key)| is_bought_back(book, strategy, key, now)).cloned().collect::<Vec<_>>();
        let (since, waits_for) = self.0.entry(id).or_insert_with(|| (now, leaving()));
        let Some((strategy, key)) = waits_for.iter().find(|short| shorts.contains(short)) else {
            self.0.remove(&id);
            return None;
        };
        let what = format!("{strategy} {key}, which it covers, is not bought back yet");
        if now.signed_duration_since(*since) < COVER_FIRST {
            return Some(Cover::Waits(what));
        }
        self.0.remove(&id);
        Some(Cover::Uncovers(Level::Page, format!("{} {} is closed although {what}", closed.order.ask.strategy, closed.key)))
    }
}

/// What an exit would close.
struct Closed<'a> {
    order: &'a OrderRecord,
    key: HoldingKey,
    units: i64,
}

/// Whether an exit of the short is under way: not sent yet, or sent a moment ago. One that has rested for longer is a limit far away, or
/// nobody sells: what covers it is not held back for that any more.
fn is_bought_back(book: &Book, strategy: &Strategy, key: &HoldingKey, now: DateTime<Utc>) -> bool {
    book.open_in(&key.instrument).any(|order| {
        order.is_exit()
            && !order.is_test()
            && !order.is_resting_stop()
            && order.cancel_wanted.is_none()
            && order.ask.strategy == *strategy
            && order.may_be_of(key.product)
            && order.sent_at.is_none_or(|sent| now.signed_duration_since(sent) < COVER_FIRST)
    })
}

/// Whether an exit buys a short back now: it came as a market order, or is the engine's own and no target at its limit. It is no question
/// of the ladder (`is_urgent` of the watcher): there a market order has a limit already, and a target climbs while all is squared off.
fn leaves_now(order: &OrderRecord, book: &Book) -> bool {
    if order.source != Source::System {
        return order.working_type() == Some(OrderType::Market) || is_driven(order, book);
    }
    !is_of_its_target(order, book)
}

/// Whether the exit leaves a short of its strategy without a cover: then people hear of it. Where the short is leaving, and while a
/// square-off stands, who waited for it has told them.
fn bare(closed: &Closed<'_>, shorts: &[Short], book: &Book, all: &dyn Instruments) -> Cover {
    let owner = &closed.order.ask.strategy;
    let mut of_ours = shorts.iter().filter(|(strategy, _)| strategy == owner).map(|(_, key)| key);
    let Some((short, option)) = of_ours.find_map(|key| Some((key, all.find(&key.instrument)?))) else { return Cover::Goes };
    let left = over(&option, owner, book, all);
    let leaves = |order: &Arc<OrderRecord>| order.is_exit() && order.ask.strategy == *owner && leaves_now(order, book);
    let is_ours = closed.order.source == Source::System;
    let is_told = (is_ours && book.open_in(&short.instrument).any(leaves)) || book.control().level_for(owner) >= KillLevel::SquareOff;
    // A stop that only rests sells nothing yet.
    if left >= closed.units || is_told || closed.order.source == Source::Stop {
        return Cover::Goes;
    }
    let level = if is_ours { Level::Page } else { Level::Warn };
    Cover::Uncovers(level, format!("{owner} {} is closed, and {short} stays: it is not covered any more", closed.key))
}

/// Units of the strategy that cover such a short, without what its shorts of the same right need.
fn over(short: &Instrument, owner: &Strategy, book: &Book, all: &dyn Instruments) -> i64 {
    let counted = book.holdings_of(owner).filter_map(|(key, held)| {
        let (side, found) = (Side::of_net(held.net)?, all.find(&key.instrument)?);
        let needs = side == Side::Sell && found.is_option() && found.covers(Side::Buy, short);
        (needs || found.covers(side, short)).then(|| if needs { -held.net.abs() } else { held.net.abs() })
    });
    counted.fold(0, i64::saturating_add)
}

#[cfg(test)]
#[path = "cover_tests.rs"]
mod tests;
