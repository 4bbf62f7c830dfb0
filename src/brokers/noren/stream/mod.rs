//! One socket for order updates and quotes. It is a hint: whatever it tells or loses, the books are the truth.
//!
//! ```text
//! session ready ─▶ connect ─▶ handshake ─▶ subscribe orders and scrips ─▶ "reconnected" ─▶ frames …
//!      ▲              └────────── refused, silent, closed ──────────┘                        │
//!      └── token proven again by a read ◀── refused          back-off ◀── closed, silent ◀───┘
//! ```

pub mod merge;
#[cfg(test)]
mod merge_tests;
mod outage;
mod socket;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Datelike, Timelike, Utc, Weekday};
use ordergate_actors::order::calendar::{Calendar, Class, Missing, SessionPhase};
use ordergate_actors::order::{Exchange, ist};
use ordergate_actors::ports::StreamEvent;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::board::Board;
use super::lots::Lots;
use super::probe::Heard;
use super::session::Session;
use super::settings::NorenSettings;
use super::wire::frames::{self, Frame};
use super::wire::request::Account;
use crate::brokers::updates::Updates;
use merge::Merge;
use outage::Outage;
use socket::{End, Socket};

/// How many times longer a silence is borne outside market hours, when nothing moves.
const QUIET_HOURS: u32 = 4;
/// Depth, because the frames of the touchline do not name the day's price band (Noren protocol reference, section 6.3).
const FEED: frames::Feed = frames::Feed::Depth;

/// The stream of one account.
#[derive(Debug)]
pub struct Stream {
    settings: Arc<NorenSettings>,
    account: Account,
    session: Arc<Session>,
    board: Arc<Board>,
    health: Arc<Health>,
    updates: Updates,
    merge: Merge,
    lots: Arc<Lots>,
    token: u64,
}

/// What others may know of the stream.
#[derive(Debug, Default)]
pub struct Health {
    newest: Mutex<Option<Instant>>,
    outage: Mutex<Option<Outage>>,
    answers_heartbeats: AtomicBool,
    acknowledges_orders: AtomicBool,
    listener: OnceLock<mpsc::Sender<Heard>>,
}

impl Health {
    /// Whether this broker was ever heard to answer a heartbeat.
    #[must_use]
    pub fn answers_heartbeats(&self) -> bool {
        self.answers_heartbeats.load(Ordering::Relaxed)
    }

    /// Whether this broker was ever heard to acknowledge the subscription of order updates.
    #[must_use]
    pub fn acknowledges_orders(&self) -> bool {
        self.acknowledges_orders.load(Ordering::Relaxed)
    }

    /// Frames about orders go there too, as they come; whether nobody was told of them before.
    pub(crate) fn tell(&self, listener: mpsc::Sender<Heard>) -> bool {
        self.listener.set(listener).is_ok()
    }

    /// A listener that is full or gone misses the frame.
    fn repeat(&self, text: &str) {
        if let Some(listener) = self.listener.get() {
            let _missed = listener.try_send(Heard { at: Instant::now(), text: text.to_owned() });
        }
    }

    /// For how long no stream has come up, and why not.
    #[must_use]
    pub fn down(&self) -> Option<(Duration, String)> {
        self.outage.lock().as_ref().map(|outage| (outage.since.elapsed(), outage.words.clone()))
    }

    /// The age of the newest frame; `None` when no stream is up.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.newest.lock().map(|at| at.elapsed())
    }
}

impl Stream {
    /// A stream that is not connected yet. `run` does it.
    #[must_use]
    pub(crate) fn new(
        settings: Arc<NorenSettings>,
        account: Account,
        session: Arc<Session>,
        board: Arc<Board>,
        health: Arc<Health>,
        updates: Updates,
        lots: Arc<Lots>,
    ) -> Self {
        Self { settings, account, session, board, health, updates, merge: Merge::default(), lots, token: 0 }
    }

    /// Keeps a socket up until the account's runtime ends.
    pub async fn run(mut self) {
        let mut failures = 0_u32;
        let mut changes = self.session.watch();
        loop {
            let Ok(token) = self.session.token() else {
                // That there is no session is said elsewhere.
                *self.health.outage.lock() = None;
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            };
            if self.token != token.number {
                self.token = token.number;
                self.merge.forget();
            }
            let started = Instant::now();
            let end = self.connection(&token.text).await;
            *self.health.newest.lock() = None;
            match &end {
                End::Refused => {
                    tracing::warn!(event = "broker_stream_refused", "the broker refuses the stream's login; the session is proven again");
                    self.session.suspect(token.number);
                }
                End::Closed(words) => tracing::warn!(event = "broker_stream_down", "the broker's stream is down: {words}"),
            }
            // A socket that lived is no failure; one that is closed at once again and again is.
            let has_lived = started.elapsed() >= self.settings.reconnect.last;
            failures = if has_lived { 1 } else { failures.saturating_add(1) };
            self.is_down(end, has_lived);
            tokio::time::sleep(jittered(self.settings.reconnect.after(failures))).await;
        }
    }

    /// A socket has ended. One that is away for longer than a silence is borne is said to a person: the books alone tell of fills then,
    /// and prices have to be asked for.
    fn is_down(&self, end: End, has_lived: bool) {
        let words = match end {
            End::Refused => "the broker refuses its login".to_owned(),
            End::Closed(words) => words,
        };
        let is_needed = self.session.is_in_use() && is_market_time(&self.settings.calendar, self.session.now());
        let said = {
            let mut held = self.health.outage.lock();
            if has_lived {
                *held = None;
            }
            let outage = held.get_or_insert_with(|| Outage::begins(Instant::now()));
            outage.goes_on(words, Instant::now(), self.settings.stream.silence, is_needed)
        };
        if let Some((level, text)) = said {
            self.session.notices().say(level, "ALARM_STREAM_DOWN", text);
        }
    }

    /// One connection, from its beginning to its end.
    async fn connection(&mut self, token: &secrecy::SecretString) -> End {
        let mut socket = match Socket::open(&self.settings, &self.account, token).await {
            Ok(socket) => socket,
            Err(end) => return end,
        };
        self.heard();
        if let Err(end) = self.subscribe(&mut socket).await {
            return end;
        }
        // No replay exists: whatever happened in between is in the books alone.
        self.updates.push(StreamEvent::Reconnected);
        tracing::info!(event = "broker_stream_up", "the broker's stream is up");
        self.live(&mut socket).await
    }

    async fn subscribe(&self, socket: &mut Socket) -> Result<(), End> {
        socket.send(frames::subscribe_orders(&self.account)).await?;
        self.send_all(socket, frames::subscribe(FEED, &self.board.all())).await
    }

    async fn send_all(&self, socket: &mut Socket, frames: Vec<String>) -> Result<(), End> {
        for (place, frame) in frames.into_iter().enumerate() {
            if place > 0 {
                tokio::time::sleep(self.settings.stream.chunk_gap).await;
            }
            socket.send(frame).await?;
        }
        Ok(())
    }

    async fn live(&mut self, socket: &mut Socket) -> End {
        let waits = self.settings.stream;
        let board = Arc::clone(&self.board);
        let mut changes = self.session.watch();
        let started = Instant::now();
        let mut beat = tokio::time::interval(waits.heartbeat);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = Instant::now();
        let mut last_frame = last;
        let mut silent_at = last + waits.silence;
        loop {
            tokio::select! {
                frame = socket.next() => {
                    // A pong comes from whatever keeps the connection up. Once the broker itself has answered a heartbeat,
                    // only it counts as alive.
                    let is_alive = match frame {
                        Ok(Some(text)) => {
                            self.take(&text);
                            last_frame = Instant::now();
                            true
                        }
                        // Where heartbeats are never answered it counts for a while: then a new subscription shows what there is.
                        Ok(None) => !self.health.answers_heartbeats() && last_frame.elapsed() < waits.silence.saturating_mul(QUIET_HOURS),
                        Err(end) => return end,
                    };
                    if is_alive {
                        last = Instant::now();
                        silent_at = last + waits.silence;
                        self.heard();
                        if last.duration_since(started) >= self.settings.reconnect.last {
                            *self.health.outage.lock() = None;
                        }
                    }
                }
                _ = beat.tick() => {
                    self.updates.catch_up();
                    if let Err(end) = socket.beat().await {
                        return end;
                    }
                }
                () = board.changed() => {
                    let changes = board.take_changes();
                    let frames = [frames::unsubscribe(FEED, &changes.unsubscribe), frames::subscribe(FEED, &changes.subscribe)].concat();
                    if let Err(end) = self.send_all(socket, frames).await {
                        return end;
                    }
                }
                _ = changes.changed() => {
                    if self.session.token().is_ok_and(|token| token.number != self.token) {
                        return End::Closed("the session is a new one".to_owned());
                    }
                }
                () = tokio::time::sleep_until(silent_at) => {
                    let silence = last.elapsed();
                    let is_borne = silence < waits.silence.saturating_mul(QUIET_HOURS);
                    if !is_borne || is_market_time(&self.settings.calendar, self.session.now()) {
                        return End::Closed(format!("nothing was heard for {} ms", silence.as_millis()));
                    }
                    silent_at += waits.silence;
                }
            }
        }
    }

    fn heard(&self) {
        *self.health.newest.lock() = Some(Instant::now());
    }

    fn take(&mut self, text: &str) {
        let now = self.session.now();
        match frames::read(text, now) {
            Frame::Tick(mut tick) => {
                // The age of what is pushed is counted from when it came, then.
                if self.session.is_clock_set_back() {
                    tick.at = None;
                }
                self.board.take(&tick, now);
            }
            Frame::Order(update) => {
                self.health.repeat(text);
                let merged = self.lots.update(*update).map(|update| self.merge.take(update));
                let (events, doubt) = match merged {
                    Ok(merged) => (merged.events, merged.doubt),
                    Err(error) => (Vec::new(), Some(error.to_string())),
                };
                for event in events {
                    self.updates.push(event);
                }
                if let Some(words) = doubt {
                    tracing::warn!(event = "broker_stream_doubt", "{words}; the books are read");
                    self.updates.push(StreamEvent::Reconnected);
                }
            }
            Frame::Unreadable { cause, raw, is_order } => {
                self.health.repeat(text);
                tracing::warn!(event = "broker_frame_unreadable", raw, "a frame of the broker's stream cannot be read: {cause}");
                // The books do not tell what a price is.
                if is_order {
                    self.updates.push(StreamEvent::Reconnected);
                }
            }
            Frame::Unknown(raw) => tracing::debug!(event = "broker_frame_unknown", raw, "a frame of no known kind"),
            Frame::Heartbeat => self.health.answers_heartbeats.store(true, Ordering::Relaxed),
            Frame::OrdersSubscribed => self.health.acknowledges_orders.store(true, Ordering::Relaxed),
            Frame::Connected { .. } | Frame::Unsubscribed => {}
        }
    }
}

/// When prices may move somewhere: Monday to Friday from 9:00 to midnight, Indian time, and in the special sessions of other days. Only
/// the patience with a silent socket hangs on it, so that holidays need not be known.
fn is_market_time(calendar: &Calendar, now: DateTime<Utc>) -> bool {
    let wall = now.with_timezone(&ist());
    let is_weekday = !matches!(wall.weekday(), Weekday::Sat | Weekday::Sun);
    (is_weekday && wall.hour() >= 9) || Exchange::ALL.iter().any(|segment| is_in_session(calendar, *segment, now))
}

/// Whether anything of the segment is in a session, or in one of which nobody has said when it is.
fn is_in_session(calendar: &Calendar, segment: Exchange, now: DateTime<Utc>) -> bool {
    Class::ALL.iter().any(|(class, _)| match calendar.phase(segment, *class, now) {
        SessionPhase::Closed { .. } => false,
        SessionPhase::Unknown(missing) => missing == Missing::Times,
        SessionPhase::PreOpen { .. }
        | SessionPhase::Continuous { .. }
        | SessionPhase::ClosingAuction { .. }
        | SessionPhase::PostClose { .. } => true,
    })
}

/// Up to a quarter more, so that many clients of one server do not come back together.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without random numbers the wait is as long as it is.
    let _ = getrandom::fill(&mut byte);
    wait.saturating_add(wait.saturating_mul(u32::from(byte[0])).checked_div(1_024).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_move_on_weekdays_from_nine() {
        for calendar in [Calendar::default(), built_in()] {
            let at = |text: &str| is_market_time(&calendar, text.parse().unwrap());
            assert!(at("2026-11-20T03:30:00Z") && at("2026-11-20T18:29:00Z"));
            assert!(!at("2026-11-20T03:29:00Z") && !at("2026-11-20T18:30:00Z") && !at("2026-11-22T06:00:00Z"));
        }
    }

    /// The Union Budget of 2026 was presented on a Sunday, and the exchanges were open.
    #[test]
    fn a_special_session_is_market_time_whatever_day_it_is() {
        let at = |calendar: &Calendar| is_market_time(calendar, "2026-02-01T06:00:00Z".parse().unwrap());
        assert!(at(&built_in()) && !at(&Calendar::default()));
    }

    fn built_in() -> Calendar {
        crate::calendar::load(&crate::config::Calendar::default()).unwrap()
    }

    #[test]
    fn jitter_adds_up_to_a_quarter() {
        for _ in 0..50 {
            let wait = jittered(Duration::from_secs(1));
            assert!(wait >= Duration::from_secs(1) && wait <= Duration::from_millis(1_250));
        }
    }
}
