//! When to log in, and when not to. Pure: values and times in, one step out.
//!
//! ```text
//!           ┌───────── kept token ─────────┐
//! Empty ──▶ Untried ── read works ──▶ Ready ── dead by text, or its end has come ──▶ Empty
//!             └─ read says dead ─▶ Empty ── QuickAuth ──▶ (login) ──▶ Ready
//!                                        ├─ OAuth ──▶ a person ──▶ (code) ──▶ Ready
//!                                        └─ refused, or evicted too often ──▶ Stopped, until a person asks
//! ```
//! *Invariant:* one login at a time; none while an order call runs; none with words that were refused once; a kept token
//! is tried with a read first, and a read that proves nothing is repeated, not followed by a login.
//!
//! A login that is tried too often may lock the account, a proof is one harmless read: the back-off of logins is not that of proofs,
//! and while something is open or held neither grows beyond what an exit can wait for.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use ordergate_actors::order::ist;
use secrecy::SecretString;

use crate::brokers::noren::settings::{AuthFlow, Backoff};

/// Tokens die at this hour, Indian time (Noren protocol reference, section 2.3).
const CUT: NaiveTime = match NaiveTime::from_hms_opt(3, 0, 0) {
    Some(time) => time,
    None => NaiveTime::MIN,
};

/// Between two proofs of one token, at most.
const PROOF_LAST: Duration = Duration::from_secs(10);
/// Between two logins that proved nothing, at most, while something is open or held.
const LOGIN_LAST_IN_USE: Duration = Duration::from_secs(30);
/// A gateway that so often, and for so long, did not take the token, without a word of the broker's: it is taken for dead.
const TURNED_AWAY_MOST: u32 = 3;
const TURNED_AWAY_FOR: TimeDelta = TimeDelta::seconds(30);

/// A token, and how it came to us.
#[derive(Debug, Clone)]
pub struct Token {
    /// The text.
    pub text: SecretString,
    /// When it ends.
    pub ends_at: DateTime<Utc>,
    /// Counts the tokens of this process: what is said of an old one does not touch a new one.
    pub number: u64,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Prove the kept token by a read.
    Prove,
    /// Log in without a person.
    Login,
    /// Nothing before that time.
    WaitUntil(DateTime<Utc>),
    /// Nothing until something happens (an order call ends, a person logs in).
    Wait,
}

/// Which step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// A read that proves the token.
    Proof,
    /// A login.
    Login,
}

/// How it stands, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// A token that a read has proven.
    Ready,
    /// Something is being tried.
    Trying(String),
    /// A person must sign in at the broker's page.
    NeedsPerson,
    /// Nothing is tried any more, for this reason.
    Stopped(String),
}

/// Steps of one kind that proved nothing, in a row.
#[derive(Debug, Clone, Copy)]
struct Failed {
    step: Busy,
    times: u32,
    newest: DateTime<Utc>,
}

/// The session of one account.
#[derive(Debug)]
pub struct Machine {
    flow: AuthFlow,
    backoff: Backoff,
    evictions_most: usize,
    eviction_window: TimeDelta,
    token: Option<Token>,
    is_proven: bool,
    wants_proof: bool,
    busy: Option<Busy>,
    stopped: Option<String>,
    failed: Option<Failed>,
    turned_away: Option<(DateTime<Utc>, u32)>,
    is_in_use: bool,
    last_words: String,
    evictions: VecDeque<DateTime<Utc>>,
    numbers: u64,
    /// The end of the newest login's token, and how many logins had that end.
    logins: Option<(DateTime<Utc>, u32)>,
}

impl Machine {
    /// An account without a token.
    #[must_use]
    pub fn new(flow: AuthFlow, backoff: Backoff, evictions_most: usize, eviction_window: TimeDelta) -> Self {
        Self {
            flow,
            backoff,
            evictions_most,
            eviction_window,
            token: None,
            is_proven: false,
            wants_proof: false,
            busy: None,
            stopped: None,
            failed: None,
            turned_away: None,
            is_in_use: true,
            last_words: "not logged in yet".to_owned(),
            evictions: VecDeque::new(),
            numbers: 0,
            logins: None,
        }
    }

    /// The token that calls may use: one that is not known to be dead.
    #[must_use]
    pub fn token(&self, now: DateTime<Utc>) -> Option<&Token> {
        self.token.as_ref().filter(|token| now < token.ends_at)
    }

    /// The token that order calls may use: proven by a read.
    #[must_use]
    pub fn proven(&self, now: DateTime<Utc>) -> Option<&Token> {
        self.token(now).filter(|_| self.is_proven)
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self, now: DateTime<Utc>) -> Standing {
        if self.proven(now).is_some() {
            Standing::Ready
        } else if let Some(why) = &self.stopped {
            Standing::Stopped(why.clone())
        } else if self.token(now).is_none() && self.flow.needs_person() && self.busy.is_none() {
            Standing::NeedsPerson
        } else {
            Standing::Trying(self.last_words.clone())
        }
    }

    /// What to do next, with so many order calls under way.
    #[must_use]
    pub fn next(&self, now: DateTime<Utc>, orders_under_way: usize) -> Step {
        if self.busy.is_some() {
            return Step::Wait;
        }
        if let Some(token) = self.token(now)
            && self.is_proven
            && !self.wants_proof
        {
            return Step::WaitUntil(token.ends_at);
        }
        if let Some(at) = self.not_before().filter(|at| now < *at) {
            return Step::WaitUntil(at);
        }
        if self.token(now).is_some() {
            return Step::Prove;
        }
        if self.stopped.is_some() || self.flow.needs_person() || orders_under_way > 0 {
            return Step::Wait;
        }
        Step::Login
    }

    /// The end of the back-off. It follows what is open at the moment, so that a long one of a quiet night does not last into the day.
    fn not_before(&self) -> Option<DateTime<Utc>> {
        let failed = self.failed?;
        let most = match failed.step {
            Busy::Proof => PROOF_LAST,
            Busy::Login if self.is_in_use => LOGIN_LAST_IN_USE,
            Busy::Login => Duration::MAX,
        };
        let wait = TimeDelta::from_std(self.backoff.after(failed.times).min(most)).ok()?;
        failed.newest.checked_add_signed(wait)
    }

    /// Whether something is open or held.
    pub fn in_use(&mut self, is_in_use: bool) {
        self.is_in_use = is_in_use;
    }

    /// Whether something is open or held, or nobody has said that it is not.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.is_in_use
    }

    /// The step has ended with nothing else to say.
    pub fn end_step(&mut self) {
        self.busy = None;
    }

    /// A step has begun.
    pub fn begin(&mut self, step: Busy) {
        self.busy = Some(step);
    }

    /// A token from disk; not proven.
    pub fn kept(&mut self, text: SecretString, ends_at: DateTime<Utc>) {
        self.take(text, ends_at, false);
    }

    /// A login came through.
    pub fn logged_in(&mut self, text: SecretString, ends_at: DateTime<Utc>) -> Token {
        self.busy = None;
        self.stopped = None;
        self.settle();
        self.take(text, ends_at, true)
    }

    /// How many logins of this process gave a token of that end, with the newest.
    pub fn logins_today(&mut self, ends_at: DateTime<Utc>) -> u32 {
        let before = self.logins.filter(|(end, _)| *end == ends_at).map_or(0, |(_, count)| count);
        let count = before.saturating_add(1);
        self.logins = Some((ends_at, count));
        count
    }

    fn take(&mut self, text: SecretString, ends_at: DateTime<Utc>, is_proven: bool) -> Token {
        self.numbers += 1;
        let token = Token { text, ends_at, number: self.numbers };
        self.token = Some(token.clone());
        self.is_proven = is_proven;
        self.wants_proof = false;
        token
    }

    /// The token of that number worked.
    pub fn proved(&mut self, number: u64) {
        self.busy = None;
        if self.token.as_ref().is_some_and(|token| token.number == number) {
            self.is_proven = true;
            self.wants_proof = false;
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.failed = None;
        self.turned_away = None;
        self.last_words.clear();
    }

    /// The step proved nothing: again after the back-off.
    pub fn failed(&mut self, now: DateTime<Utc>, words: String) {
        self.turned_away = None;
        self.fail(now, words);
    }

    fn fail(&mut self, now: DateTime<Utc>, words: String) {
        let step = self.busy.take().unwrap_or(Busy::Login);
        let before = self.failed.filter(|failed| failed.step == step).map_or(0, |failed| failed.times);
        self.failed = Some(Failed { step, times: before.saturating_add(1), newest: now });
        self.last_words = words;
    }

    /// A gateway did not take the token to the proof (401), without a word of the broker's. That may be the gateway's own trouble, so
    /// the proof is repeated; only a gateway that goes on so is believed. Answers since when, if the token was given up for it: nobody
    /// ended it that we know of, and that is no eviction.
    pub fn turned_away(&mut self, number: u64, now: DateTime<Utc>, words: String) -> Option<DateTime<Utc>> {
        let (since, times) = self.turned_away.map_or((now, 1), |(since, times)| (since.min(now), times.saturating_add(1)));
        self.turned_away = Some((since, times));
        self.fail(now, words);
        let is_ours = self.token.as_ref().is_some_and(|token| token.number == number);
        let is_believed = times >= TURNED_AWAY_MOST && now.signed_duration_since(since) >= TURNED_AWAY_FOR;
        if !is_ours || !is_believed {
            return None;
        }
        self.turned_away = None;
        self.token = None;
        self.is_proven = false;
        self.failed = None;
        Some(since)
    }

    /// The login was refused: the same words are not said twice, a second wrong one may lock the account.
    pub fn refused(&mut self, words: String) {
        self.busy = None;
        self.last_words.clone_from(&words);
        self.stopped = Some(words);
    }

    /// The broker calls the token of that number dead. Answers whether it was ours and alive until now: a proven token
    /// that dies before its end was evicted by another login.
    pub fn dead(&mut self, number: u64, now: DateTime<Utc>) -> bool {
        if self.token.as_ref().is_none_or(|token| token.number != number) {
            return false;
        }
        let was_evicted = self.is_proven && self.token(now).is_some();
        self.token = None;
        self.is_proven = false;
        self.last_words = "the broker ended the session".to_owned();
        if was_evicted {
            self.evicted(now);
        }
        was_evicted
    }

    /// Something refused the token of that number without saying that it is dead: it is proven again by a read, and goes
    /// on being used until the broker calls it dead.
    pub fn suspect(&mut self, number: u64) {
        if self.token.as_ref().is_some_and(|token| token.number == number) {
            self.wants_proof = true;
        }
    }

    /// Two programs that log each other out help nobody.
    fn evicted(&mut self, now: DateTime<Utc>) {
        self.evictions.push_back(now);
        while self.evictions.front().is_some_and(|at| now.signed_duration_since(*at) > self.eviction_window) {
            self.evictions.pop_front();
        }
        if self.evictions.len() >= self.evictions_most {
            self.stopped = Some(format!(
                "the session was ended early {} times in {} min: another program logs in with this account; stop it, then log in again",
                self.evictions.len(),
                self.eviction_window.num_minutes()
            ));
        }
    }

    /// A person ended the session: it stays so until a person asks for another.
    pub fn logged_out(&mut self, words: String) {
        self.token = None;
        self.is_proven = false;
        self.settle();
        self.refused(words);
    }

    /// A person asks: what stopped is tried again, at once.
    pub fn asked(&mut self) {
        self.stopped = None;
        self.evictions.clear();
        self.failed = None;
    }

    /// Whether a step runs.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.busy.is_some()
    }

    /// Whether a login runs: no order call may start beside it.
    #[must_use]
    pub fn is_logging_in(&self) -> bool {
        self.busy == Some(Busy::Login)
    }
}

/// Between the hour at which tokens die and `login_at`, Indian time: until then. Otherwise nothing is put off.
#[must_use]
pub fn rests_until(now: DateTime<Utc>, login_at: NaiveTime) -> Option<DateTime<Utc>> {
    let wall = now.with_timezone(&ist());
    let is_night = (CUT..login_at).contains(&wall.time());
    let at = wall.date_naive().and_time(login_at).and_local_timezone(ist()).single()?;
    is_night.then(|| at.with_timezone(&Utc))
}

/// When a token of now ends: at the next 03:00 Indian time, or when the broker says, whichever is earlier.
#[must_use]
pub fn end_of_token(now: DateTime<Utc>, told: Option<DateTime<Utc>>) -> DateTime<Utc> {
    let wall = now.with_timezone(&ist());
    let day = if wall.time() < CUT { Some(wall.date_naive()) } else { wall.date_naive().checked_add_days(Days::new(1)) };
    let cut = day.and_then(|day| day.and_time(CUT).and_local_timezone(ist()).single()).map_or(now, |cut| cut.with_timezone(&Utc));
    told.map_or(cut, |told| told.min(cut))
}
