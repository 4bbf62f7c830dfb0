//! An exit that sells a bought option waits for the short that it covers, while that is being bought back: whoever sends both, the broker
//! fills them as it likes, and what was sold must not stand alone meanwhile. After [`COVER_FIRST`] it goes all the same, and a person hears.
//! So does one who sells the cover of a short that stays. Pure.
//!
//! Rules and square-offs wait by themselves before they send anything, and theirs go at once here.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::exits::{is_driven, is_of_its_target};
use crate::order::basket::COVER_FIRST;
use crate::order::{CommandId, HoldingKey, InstrumentKey, OrderRecord, OrderType, Right, Side, Source, Strategy, Terms};
use crate::persistence::{Book, KillLevel, Level};
use crate::ports::Instruments;

/// Of what something is an option, and its right.
type OptionOn = (Arc<str>, Right);

/// A short position.
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
        let option = |key: &InstrumentKey| all.find(key)?.option_on();
        let instrument = order.instrument().filter(|_| order.is_exit() && !order.is_test() && terms.side == Side::Sell);
        let Some((of, instrument)) = instrument.and_then(|key| Some((option(&key)?, key))) else { return Cover::Goes };
        let sold = Sold { order, key: HoldingKey { instrument, product: terms.product }, units: terms.quantity.value(), of };
        let shorts: Vec<Short> = book
            .holdings()
            .filter(|(_, key, held)| held.net < 0 && option(&key.instrument).as_ref() == Some(&sold.of))
            .map(|(strategy, key, _)| (strategy.clone(), key.clone()))
            .collect();
        self.held_back(&sold, &shorts, book, now).unwrap_or_else(|| bare(&sold, &shorts, book, &option))
    }

    /// Whether it waits for shorts that are being bought back, or has waited enough. `None`: neither.
    fn held_back(&mut self, sold: &Sold<'_>, shorts: &[Short], book: &Book, now: DateTime<Utc>) -> Option<Cover> {
        let (id, source) = (sold.order.command_id, sold.order.source);
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
        Some(Cover::Uncovers(Level::Page, format!("{} {} is sold although {what}", sold.order.ask.strategy, sold.key)))
    }
}

/// What an exit would sell.
struct Sold<'a> {
    order: &'a OrderRecord,
    key: HoldingKey,
    units: i64,
    /// Of what it is an option.
    of: OptionOn,
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

/// Whether the sale leaves a short of its strategy without a cover: then people hear of it. Where the short is leaving, and while a
/// square-off stands, who waited for it has told them.
fn bare(sold: &Sold<'_>, shorts: &[Short], book: &Book, option: &dyn Fn(&InstrumentKey) -> Option<OptionOn>) -> Cover {
    let owner = &sold.order.ask.strategy;
    let Some((_, short)) = shorts.iter().find(|(strategy, _)| strategy == owner) else { return Cover::Goes };
    let of_ours = book.holdings_of(owner).filter(|(key, _)| option(&key.instrument).as_ref() == Some(&sold.of));
    let net: i64 = of_ours.map(|(_, held)| held.net).sum();
    let leaves = |order: &Arc<OrderRecord>| order.is_exit() && order.ask.strategy == *owner && leaves_now(order, book);
    let is_ours = sold.order.source == Source::System;
    let is_told = (is_ours && book.open_in(&short.instrument).any(leaves)) || book.control().level_for(owner) >= KillLevel::SquareOff;
    // A stop that only rests sells nothing yet.
    if net >= sold.units || is_told || sold.order.source == Source::Stop {
        return Cover::Goes;
    }
    let level = if is_ours { Level::Page } else { Level::Warn };
    Cover::Uncovers(level, format!("{owner} {} is sold, and {short} stays: it is not covered any more", sold.key))
}

#[cfg(test)]
#[path = "cover_tests.rs"]
mod tests;
