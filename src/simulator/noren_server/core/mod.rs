//! The broker without sockets, files and clock: time comes in with every call, answers and messages go out as values.
//!
//! `sessions` and `rate` stand at the door, `entry` reads orders, `desk` walks them through `risk` and the exchange,
//! `books` and `data` show them, `stream` tells them, `faults` bends all of it, `log` remembers what was asked.

mod books;
mod call;
mod control;
mod data;
mod desk;
mod entry;
mod faults;
mod log;
mod order;
mod rate;
mod reply;
mod reports;
mod request;
mod risk;
mod route;
mod sessions;
mod sockets;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::order::{Instrument, InstrumentKey, trading_date};
use ordergate_actors::ports::Instruments as _;

pub use control::{BadControl, ForeignOrder, HandChange, PriceSetting};
pub use faults::{Fault, FaultRule, Symptom};
pub use log::LogRow;
pub(super) use reply::{Outcome, Reply};
pub use route::Route;
pub(super) use stream::{Outgoing, SocketId};

use super::listing::Listing;
use super::market::SimMarket;
use super::settings::Settings;
use crate::simulator::market::Depth;
use data::DaySeen;
use desk::Desk;
use faults::Plan;
use log::Log;
use rate::Windows;
use sessions::Sessions;
use stream::Stream;

/// The times that a call knows: the simulated one, and the machine's for one-time codes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// Simulated time.
    pub now: DateTime<Utc>,
    /// The machine's time.
    pub machine: DateTime<Utc>,
}

/// A call that has arrived: its numbers, and the faults that it meets.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    route: Route,
    n: u64,
    of_route: u64,
    at: DateTime<Utc>,
    faults: Vec<Fault>,
}

impl Arrival {
    /// Simulated milliseconds to wait before the call is looked at.
    #[must_use]
    pub(super) fn hold_ms(&self) -> u32 {
        self.faults.iter().map(|fault| if let Fault::Late { ms } = fault { *ms } else { 0 }).max().unwrap_or(0)
    }
}

/// One simulated broker.
#[derive(Debug)]
pub(super) struct Core {
    settings: Settings,
    sessions: Sessions,
    rate: Windows,
    plan: Plan,
    desk: Desk,
    stream: Stream,
    log: Log,
    days: BTreeMap<InstrumentKey, DaySeen>,
    is_unsaved: bool,
}

impl Core {
    /// A broker with nothing in its books. `nonce` makes its tokens differ from those of other runs.
    #[must_use]
    pub(super) fn new(settings: Settings, listing: Arc<Listing>, nonce: &str) -> Self {
        let market = Arc::new(SimMarket::new(settings.seed, settings.prices, &listing));
        let seed = format!("{} {nonce}", settings.seed);
        let mut plan = Plan::default();
        settings.faults.iter().for_each(|rule| plan.add(rule.clone()));
        Self {
            sessions: Sessions::new(settings.user.clone(), settings.single_session, settings.codes_once, seed),
            rate: Windows::new(settings.per_second, settings.per_minute),
            plan,
            desk: Desk::new(settings.clone(), listing, market),
            stream: Stream::default(),
            log: Log::default(),
            days: BTreeMap::new(),
            is_unsaved: false,
            settings,
        }
    }

    /// Does what is due and lets the market move; messages are in [`take_outgoing`](Self::take_outgoing) then.
    pub(super) fn advance(&mut self, now: DateTime<Utc>) {
        self.desk.listing.turn_to(trading_date(now));
        self.desk.advance(now);
        self.publish(now);
        self.feed(now);
        self.stream.advance(now);
    }

    /// When something is due next.
    #[must_use]
    pub(super) fn next_due(&self) -> Option<DateTime<Utc>> {
        [self.desk.next_due(), self.stream.next_due()].into_iter().flatten().min()
    }

    /// Whether somebody listens to quotes or an order rests: the market has to be looked at.
    #[must_use]
    pub(super) fn watches_market(&self) -> bool {
        self.desk.orders.values().any(|order| !order.standing.is_over())
            || self.stream.sockets.values().any(|socket| !socket.feeds.is_empty())
    }

    /// What is to be sent now, in order.
    pub(super) fn take_outgoing(&mut self) -> Vec<(SocketId, Outgoing)> {
        std::mem::take(&mut self.stream.out)
    }

    /// Turns reports into order messages.
    fn publish(&mut self, now: DateTime<Utc>) {
        for notice in std::mem::take(&mut self.desk.notices) {
            let Some(order) = self.desk.orders.get(&notice.number).cloned() else { continue };
            let odd = &order.oddities;
            let met = self.plan.take("om", order.tag.as_deref());
            if odd.dropped || odd.stream_lost || met.contains(&Fault::StreamLost) {
                continue;
            }
            let delays = met.iter().map(|fault| if let Fault::StreamDelay { ms } = fault { *ms } else { 0 });
            let delay = i64::from(delays.max().unwrap_or(0).max(odd.stream_delay_ms));
            let shown_from = odd.visible_from.filter(|_| !odd.streams_early).map_or(now, |from| from.max(now));
            let at = shown_from + TimeDelta::milliseconds(delay);
            let listed = self.desk.listing.find(&order.key);
            let frame = stream::message(&self.settings.user.uid, (&order, listed.as_deref()), &notice, met.contains(&Fault::Spelling));
            let copies = if odd.stream_twice || met.contains(&Fault::StreamDuplicate) { 2 } else { 1 };
            let is_swapped = odd.stream_swapped || met.contains(&Fault::StreamReorder);
            for _ in 0..copies {
                if is_swapped {
                    self.stream.swap(&notice.number, at, frame.clone());
                } else {
                    self.stream.schedule(at, frame.clone());
                }
            }
            if notice.report.status.is_over() {
                self.stream.release(&notice.number, at);
            }
        }
    }

    /// What the day showed of an instrument, this look included.
    fn day(days: &mut BTreeMap<InstrumentKey, DaySeen>, row: &Instrument, depth: &Depth, now: DateTime<Utc>) -> DaySeen {
        let (last, date) = (depth.last.value(), trading_date(now));
        let begun = DaySeen { date, open: last, high: last, low: last, close: last };
        let seen = days.entry(row.key.clone()).or_insert(begun);
        if seen.date != date {
            *seen = DaySeen { close: seen.close, ..begun };
        }
        seen.high = seen.high.max(last);
        seen.low = seen.low.min(last);
        *seen
    }
}
