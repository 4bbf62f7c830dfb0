//! The pure core of the rate budget: how many calls went out, and whether one more may.
//!
//! A token is taken before the row of a call is written, and counts as held until the call starts; from then on it
//! counts for a second and for a minute. A held token counts in every window: however late its call starts, no window
//! that it falls into was promised to somebody else. What was taken and not used is spent all the same, but for a read
//! of which the adapter knows that nothing left this machine: reads are repeated until they tell something, and a session
//! that is missing for a while must not use up what the first reads after the login need.
//!
//! Every window here is a rolling one. A calendar second or minute of any clock lies within a rolling one, so it cannot
//! hold more calls: the broker may count by its own calendar (Noren protocol reference, section 7.1).
//! *Invariant:* the shares of [`Budget`] hold in every window, and every wait has an end.

use std::collections::VecDeque;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde::Serialize;

use super::lanes::Lane;
use crate::order::Exchange;
use crate::ports::{Budget, RateWindow};

/// How far the broker's clock may be from ours: a calendar minute that it closed has ended there by then.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(2);

/// Whether a call may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Now.
    Go,
    /// Not before then; ask again.
    WaitUntil(DateTime<Utc>),
}

/// Where orders are counted by regulation: the exchange of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Venue {
    /// Shares, derivatives and currencies at NSE.
    Nse,
    /// Shares and derivatives at BSE.
    Bse,
    /// Commodities.
    Mcx,
}

impl Venue {
    /// The exchange of a segment.
    #[must_use]
    pub fn of(exchange: Exchange) -> Self {
        match exchange {
            Exchange::Nse | Exchange::Nfo | Exchange::Cds => Self::Nse,
            Exchange::Bse | Exchange::Bfo => Self::Bse,
            Exchange::Mcx => Self::Mcx,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    venue: Option<Venue>,
    is_read: bool,
}

/// What went out in the last second and minute, and what is left of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Calls of the last second, and those whose rows are on the way.
    pub second_used: u32,
    /// How many more may go within it, exits included.
    pub second_left: u32,
    /// The same for the last minute.
    pub minute_used: u32,
    /// The same for the last minute.
    pub minute_left: u32,
}

/// The calls of one account: one budget for place, modify, cancel and reads.
#[derive(Debug, Default)]
pub struct Meter {
    budget: Option<Budget>,
    spent: VecDeque<(DateTime<Utc>, Token)>,
    held: Vec<Token>,
    /// Held tokens whose calls were lost; spent at the next look.
    lost: Vec<Token>,
    closed_until: [Option<DateTime<Utc>>; 2],
}

impl Meter {
    /// Nothing spent yet; without a budget nothing is ever counted.
    #[must_use]
    pub fn new(budget: Option<Budget>) -> Self {
        Self { budget, ..Self::default() }
    }

    /// Whether a call of the lane may go. `exchange` is that of an order; a read has none.
    #[must_use]
    pub fn decide(&self, lane: Lane, exchange: Option<Exchange>, now: DateTime<Utc>) -> Decision {
        let Some(budget) = &self.budget else { return Decision::Go };
        let second = Shares {
            limit: budget.per_second,
            reserved: budget.reserved_per_second,
            reads: budget.reads_per_second,
            window: RateWindow::Second,
        };
        let minute = Shares {
            limit: budget.per_minute,
            reserved: budget.reserved_per_minute,
            reads: budget.reads_per_minute,
            window: RateWindow::Minute,
        };
        let venue = exchange.map(Venue::of).zip(budget.per_exchange_second).and_then(|(venue, limit)| {
            let shares = Shares { limit, reserved: budget.reserved_per_second, reads: 0, window: RateWindow::Second };
            self.wait(shares.most(lane), shares.window, now, |token| token.venue == Some(venue))
        });
        let waits = [self.wait_in(second, lane, now), self.wait_in(minute, lane, now), venue];
        waits.into_iter().flatten().max().map_or(Decision::Go, Decision::WaitUntil)
    }

    fn wait_in(&self, shares: Shares, lane: Lane, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let closed = self.closed_until[index(shares.window)].filter(|until| *until > now);
        let all = self.wait(shares.most(lane), shares.window, now, |_| true);
        let own = match lane {
            Lane::Kill | Lane::Cancel | Lane::Exit => None,
            // What reads have not used of their share is left to them.
            Lane::Modify | Lane::Entry => {
                self.wait(shares.most(lane).saturating_sub(shares.reads).max(1), shares.window, now, |token| !token.is_read)
            }
            // Beyond their share reads fill half of what is common: entries that come then find room.
            Lane::Read => {
                let share = self.wait(shares.reads, shares.window, now, |token| token.is_read);
                let half = self.wait((shares.most(lane) / 2).max(1), shares.window, now, |_| true);
                share.zip(half).map(|(share, half)| share.min(half))
            }
        };
        [closed, all, own].into_iter().flatten().max()
    }

    /// When fewer than `most` such tokens count in the window; `None`: now.
    fn wait(&self, most: u32, window: RateWindow, now: DateTime<Utc>, counts: impl Fn(&Token) -> bool) -> Option<DateTime<Utc>> {
        let begins = now - length(window);
        let calls: Vec<DateTime<Utc>> = self.spent.iter().filter(|(at, token)| *at > begins && counts(token)).map(|(at, _)| *at).collect();
        let waiting = self.held.iter().chain(&self.lost).filter(|token| counts(token)).count();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let beyond = (calls.len() + waiting + 1).saturating_sub(most);
        // A held token leaves the window no earlier than one that is spent now.
        (beyond > 0).then(|| calls.get(beyond - 1).copied().unwrap_or(now).min(now) + length(window))
    }

    /// Takes a token for a call whose row is now written, if it may go. It is held until [`Meter::called`].
    #[must_use]
    pub fn hold(&mut self, lane: Lane, exchange: Option<Exchange>, now: DateTime<Utc>) -> Decision {
        self.settle(now);
        let decision = self.decide(lane, exchange, now);
        if decision == Decision::Go && self.budget.is_some() {
            self.held.push(Token { venue: exchange.map(Venue::of), is_read: lane == Lane::Read });
        }
        decision
    }

    /// The call of a held token starts now, or will never start: the token is spent.
    pub fn called(&mut self, exchange: Option<Exchange>, now: DateTime<Utc>) {
        let venue = exchange.map(Venue::of);
        if let Some(at) = self.held.iter().position(|token| token.venue == venue) {
            let token = self.held.swap_remove(at);
            self.settle(now);
            self.spent.push_back((now, token));
        }
    }

    /// Takes a token for a call that starts now, if it may go.
    #[must_use]
    pub fn spend(&mut self, lane: Lane, exchange: Option<Exchange>, now: DateTime<Utc>) -> Decision {
        self.settle(now);
        let decision = self.decide(lane, exchange, now);
        if decision == Decision::Go && self.budget.is_some() {
            self.spent.push_back((now, Token { venue: exchange.map(Venue::of), is_read: lane == Lane::Read }));
        }
        decision
    }

    /// Calls that went out without being asked for here: reads that count, whether there was room for them or not.
    pub fn made(&mut self, calls: u32, now: DateTime<Utc>) {
        self.settle(now);
        if self.budget.is_some() {
            self.spent.extend((0..calls).map(|_| (now, Token { venue: None, is_read: true })));
        }
    }

    /// A read or a quote that was asked for then never left after all: its token comes back.
    pub fn unmade(&mut self, asked_at: DateTime<Utc>, now: DateTime<Utc>) {
        self.settle(now);
        // What a minute has forgotten is not taken out of somebody else's calls.
        if asked_at > now - length(RateWindow::Minute)
            && let Some(place) = self.spent.iter().rposition(|(at, token)| token.venue.is_none() && *at <= asked_at)
        {
            self.spent.remove(place);
        }
    }

    /// The lanes were lost: their tokens count as spent.
    pub fn lose_held(&mut self) {
        self.lost.append(&mut self.held);
    }

    /// The broker counted more than we did: the window is closed for everybody until it has ended there too.
    pub fn breach(&mut self, window: RateWindow, now: DateTime<Utc>) {
        let whole = now + length(window);
        let until = match window {
            RateWindow::Second => whole,
            // The broker's minutes are of the calendar; the margin is for clocks that differ.
            RateWindow::Minute => now.duration_trunc(length(window)).map_or(whole, |began| began + length(window) + CLOCKS_APART),
        };
        self.closed_until[index(window)] = Some(until);
    }

    /// What is used and left; `None` without a budget.
    #[must_use]
    pub fn usage(&self, now: DateTime<Utc>) -> Option<Usage> {
        let budget = self.budget.as_ref()?;
        let used = |window| {
            let begins = now - length(window);
            let calls = self.spent.iter().filter(|(at, _)| *at > begins).count() + self.held.len() + self.lost.len();
            u32::try_from(calls).unwrap_or(u32::MAX)
        };
        let left = |window, limit: u32| {
            let is_closed = self.closed_until[index(window)].is_some_and(|until| until > now);
            if is_closed { 0 } else { limit.saturating_sub(used(window)) }
        };
        Some(Usage {
            second_used: used(RateWindow::Second),
            second_left: left(RateWindow::Second, budget.per_second),
            minute_used: used(RateWindow::Minute),
            minute_left: left(RateWindow::Minute, budget.per_minute),
        })
    }

    /// Spends what was lost, forgets what no window holds any more, and follows a clock that was set back: what went
    /// out lies not in the future.
    fn settle(&mut self, now: DateTime<Utc>) {
        for (at, _) in self.spent.iter_mut().rev().take_while(|(at, _)| *at > now) {
            *at = now;
        }
        self.spent.extend(self.lost.drain(..).map(|token| (now, token)));
        let begins = now - length(RateWindow::Minute);
        while self.spent.front().is_some_and(|(at, _)| *at <= begins) {
            self.spent.pop_front();
        }
        for (window, until) in [RateWindow::Second, RateWindow::Minute].into_iter().zip(&mut self.closed_until) {
            *until = until.filter(|until| *until > now).map(|until| until.min(now + length(window) + CLOCKS_APART));
        }
    }
}

/// The shares of one window.
#[derive(Debug, Clone, Copy)]
struct Shares {
    limit: u32,
    reserved: u32,
    reads: u32,
    window: RateWindow,
}

impl Shares {
    /// How many calls the window may hold with one of this lane.
    fn most(&self, lane: Lane) -> u32 {
        match lane {
            Lane::Kill | Lane::Cancel | Lane::Exit => self.limit.max(1),
            Lane::Modify | Lane::Entry | Lane::Read => self.limit.saturating_sub(self.reserved).max(1),
        }
    }
}

fn index(window: RateWindow) -> usize {
    match window {
        RateWindow::Second => 0,
        RateWindow::Minute => 1,
    }
}

fn length(window: RateWindow) -> TimeDelta {
    match window {
        RateWindow::Second => TimeDelta::seconds(1),
        RateWindow::Minute => TimeDelta::seconds(60),
    }
}

#[cfg(test)]
mod tests;
