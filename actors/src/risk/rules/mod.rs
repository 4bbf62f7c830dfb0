//! One rule, one file. A rule is a pure function of the order, the committed book and what the broker last proved; it
//! always says what it saw and what it compared that with, whether it passes or not.

mod armed;
mod basket;
mod blind;
mod calendar;
mod clock;
mod collar;
mod cooldown;
mod cutoff;
mod daily_loss;
mod disk;
mod in_doubt;
mod kill;
mod listed;
mod margin;
mod master;
mod max_open_orders;
mod max_open_value;
mod max_order_value;
mod max_position;
mod max_quantity;
mod max_underlying;
mod messages;
mod quantity_unit;
pub(super) mod repeats;
mod route_trades;
pub(super) mod self_trade;
mod session;
mod short_options;
mod stale;
mod trades_per_day;

pub use calendar::Market;
pub(super) use collar::{furthest, wants_quote};
pub use master::is_fresh as is_master_fresh;
pub(super) use max_order_value::lacks_quote;
pub(super) use stale::seconds;

use std::fmt::Display;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rust_decimal::Decimal;

use super::day::RiskDay;
use super::halt::Halt;
use super::margin::Needs;
use super::projected::Projected;
use super::result::DayResult;
use super::way::InTheWay;
use crate::arming::Standing;
use crate::order::{GateVerdict, Instrument, InstrumentKey, OrderRecord, Tag};
use crate::persistence::Book;
use crate::pnl::ContractKept;
use crate::ports::Quote;
use crate::settings::{AccountSettings, Limits, Settings};
use crate::watcher::Findings;

/// What becomes of a market entry while there is no fresh quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unquoted<'a> {
    /// It is refused: the broker takes market orders, and quotes come by themselves.
    Refuse,
    /// It waits: a quote is asked for.
    Ask,
    /// A quote was asked for, and there is none for this reason.
    Missing(&'a str),
}

/// Everything that a rule may look at.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The order.
    pub order: &'a OrderRecord,
    /// What it is for.
    pub instrument: &'a InstrumentKey,
    /// The most units that the exchange takes in one order.
    pub largest: Option<i64>,
    /// The account as committed.
    pub book: &'a Book,
    /// What the broker last proved.
    pub findings: &'a Findings,
    /// The instrument as today's master has it.
    pub found: Option<&'a Instrument>,
    /// The account's settings. Its limits are [`Inputs::limits`].
    pub account: &'a AccountSettings,
    /// The limits in force.
    pub limits: &'a Limits,
    /// The trading day.
    pub day: &'a RiskDay,
    /// Its result, by both books.
    pub result: &'a DayResult,
    /// What is held and owed at the worst, with this order.
    pub projected: &'a Projected,
    /// What it takes of the money at the broker.
    pub needs: Needs,
    /// What is kept about its strategy.
    pub halt: Option<&'a Halt>,
    /// The process's settings.
    pub settings: &'a Settings,
    /// Why the kill latch forbids it, if it does.
    pub latched: Option<&'a str>,
    /// Whether the account is armed.
    pub standing: &'a Standing,
    /// The newest quote, if it is fresh.
    pub quote: Option<&'a Quote>,
    /// What follows if there is none.
    pub unquoted: Unquoted<'a>,
    /// Free bytes, if they are below the watermark.
    pub low_disk: Option<u64>,
    /// The newest journal row found at the start, if the clock stands behind it.
    pub clock_behind: Option<DateTime<Utc>>,
    /// How far the machine's clock stands behind the engine's time, if it was set back.
    pub clock_set_back: Option<TimeDelta>,
    /// How far the broker's clock is ahead of ours, if it tells.
    pub clock_skew: Option<TimeDelta>,
    /// The day of the instrument master of its exchange; `None` if that never ages.
    pub master: Option<NaiveDate>,
    /// Whether real money moves.
    pub is_live: bool,
    /// What the calendar says of the instrument's market.
    pub market: &'a Market,
    /// Entries that exits wait for, and since when.
    pub in_the_way: &'a InTheWay,
    /// The time.
    pub now: DateTime<Utc>,
}

impl Inputs<'_> {
    /// Rupees that a unit of it gains when its price rises by one; `None`: not known.
    pub(super) fn point(&self) -> Option<Decimal> {
        ContractKept::point_for(self.book, self.instrument, self.found)
    }
}

/// What one rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// For the record.
    pub verdict: GateVerdict,
    /// What the order is tagged with if this rule refuses it.
    pub tag: Tag,
}

impl Checked {
    fn new(gate: &'static str, tag: Tag, passed: bool, input: impl Display, limit: impl Display) -> Self {
        Self { verdict: GateVerdict { gate: gate.into(), passed, input: input.to_string(), limit: limit.to_string() }, tag }
    }
}

/// How much of a sum the broker shows beyond our own holdings; nothing where that is none of it.
fn of_others(units: i64) -> String {
    if units > 0 { format!(", {units} of them held elsewhere") } else { String::new() }
}

/// The rules for orders that open or change a position, in the order in which their refusals are named.
pub(super) const FOR_ENTRIES: &[fn(&Inputs<'_>) -> Checked] = &[
    basket::check,
    kill::check,
    armed::check,
    stale::check,
    clock::check,
    session::check,
    calendar::check,
    master::check,
    quantity_unit::check,
    blind::check,
    disk::check,
    listed::check,
    cutoff::check,
    cooldown::check,
    daily_loss::check,
    max_quantity::check,
    max_order_value::check,
    collar::check,
    max_open_orders::check,
    max_open_value::check,
    max_position::check,
    max_underlying::check,
    short_options::check,
    margin::check,
    trades_per_day::check,
    route_trades::check,
    messages::check,
    repeats::check,
    self_trade::check,
    in_doubt::check,
];

/// The rules for exits: an exit is never refused for a limit.
pub(super) const FOR_EXITS: &[fn(&Inputs<'_>) -> Checked] = &[kill::check, stale::check];
