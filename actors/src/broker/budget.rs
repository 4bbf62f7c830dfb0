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
//!
//! Reads never use their minute up in a burst: their share of it comes evenly, one call each so many seconds, whatever entries and
//! changes do; what they take beyond it is spread too. So no book waits for half a minute because books were read.
//! *Invariant:* the shares of [`Budget`] hold in every window, and every wait has an end.

mod closed;

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::lanes::Lane;
use crate::order::Exchange;
use crate::ports::{Budget, RateWindow};
use closed::Closed;

/// How far the broker's clock may be from ours: a calendar minute that it closed has ended there by then.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(2);

/// Reads beyond their share are spread over stretches of this length, a sixth of a minute.
const PACE: TimeDelta = TimeDelta::seconds(10);
const SIXTHS: u32 = 6;
/// So many may go at once in any case: each book, the session and the money.
const EACH_BOOK: u32 = 6;

/// What an account reads in a minute in which nothing goes on, by the standard waits.
const READS_BEFORE: u32 = 30;

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
    kind: Kind,
}

/// What a token was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Kills, cancels and exits.
    Exit,
    /// Changes and entries.
    Order,
    /// A read of the share of the minute that is kept for reads.
    Share,
    /// A read beyond it.
    Read,
}

impl Token {
    fn is_read(&self) -> bool {
        matches!(self.kind, Kind::Share | Kind::Read)
    }
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
    closed: Closed,
}

impl Meter {
    /// Nothing spent yet; without a budget nothing is ever counted.
    #[must_use]
    pub fn new(budget: Option<Budget>) -> Self {
        Self { budget, ..Self::default() }
    }

    /// The process before sent these within the last minute, as far as rows tell. What it read leaves none: a quiet account's reads
    /// are taken for it, even where there was no such process, because no row tells that either.
    pub(crate) fn remember(&mut self, sent: impl IntoIterator<Item = (DateTime<Utc>, Lane, Option<Exchange>)>, now: DateTime<Utc>) {
        let Some(budget) = self.budget else { return };
        let reads = READS_BEFORE.min(budget.reads_per_minute.saturating_mul(3) / 2);
        // The last stretch is free of them, so that the new process reads every book at once.
        let apart = (length(Span::Minute) - PACE).checked_div(i32::try_from(reads).unwrap_or(i32::MAX)).unwrap_or_default();
        let read = (0..reads).map(|back| (now - PACE - apart * i32::try_from(back).unwrap_or(0), Kind::Read, None));
        let sent = sent.into_iter().map(|(at, lane, exchange)| (at.min(now), self.kind(lane, now), exchange.map(Venue::of)));
        let calls = sent.chain(read).map(|(at, kind, venue)| (at, Token { venue, kind }));
        let mut spent: Vec<_> = calls.chain(self.spent.iter().copied()).collect();
        spent.sort_by_key(|(at, _)| *at);
        self.spent = spent.into();
        self.settle(now);
    }

    /// Whether a call of the lane may go. `exchange` is that of an order; a read has none.
    #[must_use]
    pub fn decide(&self, lane: Lane, exchange: Option<Exchange>, now: DateTime<Utc>) -> Decision {
        let Some(budget) = &self.budget else { return Decision::Go };
        let second =
            Shares { limit: budget.per_second, reserved: budget.reserved_per_second, reads: budget.reads_per_second, span: Span::Second };
        let minute =
            Shares { limit: budget.per_minute, reserved: budget.reserved_per_minute, reads: budget.reads_per_minute, span: Span::Minute };
        let venue = exchange.map(Venue::of).zip(budget.per_exchange_second).and_then(|(venue, limit)| {
            let shares = Shares { limit, reserved: budget.reserved_per_second, reads: 0, span: Span::Second };
            self.wait(shares.most(lane), length(shares.span), now, |token| token.venue == Some(venue))
        });
        let waits = [self.wait_in(second, lane, now), self.wait_in(minute, lane, now), venue];
        waits.into_iter().flatten().max().map_or(Decision::Go, Decision::WaitUntil)
    }

    fn wait_in(&self, shares: Shares, lane: Lane, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let closed = self.closed.until(shares.span, lane, now);
        let whole = length(shares.span);
        let common = shares.most(lane);
        let all = |most: u32| self.wait(most, whole, now, |_| true);
        let waits = match lane {
            Lane::Kill | Lane::Cancel | Lane::Exit => [closed, all(common), None],
            // What reads have not used of their share is left to them.
            Lane::Modify | Lane::Entry => {
                let own = self.wait(common.saturating_sub(shares.reads).max(1), whole, now, |token| match shares.span {
                    Span::Second => !token.is_read(),
                    Span::Minute => token.kind != Kind::Share,
                });
                [closed, all(common), own]
            }
            // Beyond their share reads fill half of what is common: entries that come then find room.
            Lane::Read => {
                let share = match shares.span {
                    Span::Second => self.wait(shares.reads, whole, now, Token::is_read),
                    Span::Minute => self.wait_for_share(shares.reads, now),
                };
                let half = [all((common / 2).max(1)), self.wait_for_pace(shares, now)].into_iter().flatten().max();
                // Of the room of exits only what they have not used is kept free.
                let exits = self.count(whole, now, |token| token.kind == Kind::Exit);
                let free = shares.limit.saturating_sub(shares.reserved.saturating_sub(exits)).max(1);
                [closed, all(free), share.zip(half).map(|(share, half)| share.min(half))]
            }
        };
        waits.into_iter().flatten().max()
    }

    /// When the share that reads have of a minute has its next call: they lie evenly in it.
    fn wait_for_share(&self, reads: u32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let apart = length(Span::Minute).checked_div(i32::try_from(reads).unwrap_or(i32::MAX));
        let apart = apart.unwrap_or(length(Span::Minute));
        let last = self.spent.iter().rfind(|(_, token)| token.kind == Kind::Share).map(|(at, _)| (*at).min(now) + apart);
        if reads == 0 { Some(now + apart) } else { last.filter(|next| *next > now) }
    }

    /// When reads may take more than their share, so that they do not take it all at the beginning of a minute.
    fn wait_for_pace(&self, shares: Shares, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match shares.span {
            Span::Second => None,
            Span::Minute => self.wait((shares.most(Lane::Read) / 2 / SIXTHS).max(EACH_BOOK), PACE, now, Token::is_read),
        }
    }

    /// What the next token of this lane is taken for.
    fn kind(&self, lane: Lane, now: DateTime<Utc>) -> Kind {
        match (lane, &self.budget) {
            (Lane::Kill | Lane::Cancel | Lane::Exit, _) => Kind::Exit,
            (Lane::Modify | Lane::Entry, _) => Kind::Order,
            (Lane::Read, Some(budget)) if self.wait_for_share(budget.reads_per_minute, now).is_none() => Kind::Share,
            (Lane::Read, _) => Kind::Read,
        }
    }

    /// Such tokens in the window, those that are held among them.
    fn count(&self, window: TimeDelta, now: DateTime<Utc>, counts: impl Fn(&Token) -> bool) -> u32 {
        let begins = now - window;
        let spent = self.spent.iter().filter(|(at, token)| *at > begins && counts(token)).count();
        let waiting = self.held.iter().chain(&self.lost).filter(|token| counts(token)).count();
        u32::try_from(spent + waiting).unwrap_or(u32::MAX)
    }

    /// When fewer than `most` such tokens count in the window; `None`: now.
    fn wait(&self, most: u32, window: TimeDelta, now: DateTime<Utc>, counts: impl Fn(&Token) -> bool) -> Option<DateTime<Utc>> {
        let begins = now - window;
        let calls: Vec<DateTime<Utc>> = self.spent.iter().filter(|(at, token)| *at > begins && counts(token)).map(|(at, _)| *at).collect();
        let waiting = self.held.iter().chain(&self.lost).filter(|token| counts(token)).count();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let beyond = (calls.len() + waiting + 1).saturating_sub(most);
        // A held token leaves the window no earlier than one that is spent now.
        (beyond > 0).then(|| calls.get(beyond - 1).copied().unwrap_or(now).min(now) + window)
    }

    /// Takes a token for a call whose row is now written, if it may go. It is held until [`Meter::called`].
    #[must_use]
    pub fn hold(&mut self, lane: Lane, exchange: Option<Exchange>, now: DateTime<Utc>) -> Decision {
        self.settle(now);
        let decision = self.decide(lane, exchange, now);
        if decision == Decision::Go && self.budget.is_some() {
            self.held.push(Token { venue: exchange.map(Venue::of), kind: self.kind(lane, now) });
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
            self.spent.push_back((now, Token { venue: exchange.map(Venue::of), kind: self.kind(lane, now) }));
        }
        decision
    }

    /// Calls that went out without being asked for here: reads that count, whether there was room for them or not.
    pub fn made(&mut self, calls: u32, now: DateTime<Utc>) {
        self.settle(now);
        if self.budget.is_some() {
            self.spent.extend((0..calls).map(|_| (now, Token { venue: None, kind: Kind::Read })));
        }
    }

    /// A read or a quote that was asked for then never left after all: its token comes back.
    pub fn unmade(&mut self, asked_at: DateTime<Utc>, now: DateTime<Utc>) {
        self.settle(now);
        // What a minute has forgotten is not taken out of somebody else's calls.
        if asked_at > now - length(Span::Minute)
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
        self.closed.breach(window, now);
    }

    /// The calls of a minute, as the account's own settings have them; `None` without a budget.
    #[must_use]
    pub fn per_minute(&self) -> Option<u32> {
        self.budget.as_ref().map(|budget| budget.per_minute)
    }

    /// What is used and left; `None` without a budget.
    #[must_use]
    pub fn usage(&self, now: DateTime<Utc>) -> Option<Usage> {
        let budget = self.budget.as_ref()?;
        let used = |span| self.count(length(span), now, |_| true);
        let left = |span, limit: u32| {
            let is_closed = self.closed.until(span, Lane::Exit, now).is_some();
            if is_closed { 0 } else { limit.saturating_sub(used(span)) }
        };
        Some(Usage {
            second_used: used(Span::Second),
            second_left: left(Span::Second, budget.per_second),
            minute_used: used(Span::Minute),
            minute_left: left(Span::Minute, budget.per_minute),
        })
    }

    /// Spends what was lost, forgets what no window holds any more, and follows a clock that was set back: what went
    /// out lies not in the future.
    fn settle(&mut self, now: DateTime<Utc>) {
        for (at, _) in self.spent.iter_mut().rev().take_while(|(at, _)| *at > now) {
            *at = now;
        }
        self.spent.extend(self.lost.drain(..).map(|token| (now, token)));
        let begins = now - length(Span::Minute);
        while self.spent.front().is_some_and(|(at, _)| *at <= begins) {
            self.spent.pop_front();
        }
        self.closed.settle(now);
    }
}

/// The shares of one window.
#[derive(Debug, Clone, Copy)]
struct Shares {
    limit: u32,
    reserved: u32,
    reads: u32,
    span: Span,
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

/// Over how long calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    Second,
    Minute,
}

fn length(span: Span) -> TimeDelta {
    match span {
        Span::Second => TimeDelta::seconds(1),
        Span::Minute => TimeDelta::seconds(60),
    }
}

#[cfg(test)]
mod tests;
