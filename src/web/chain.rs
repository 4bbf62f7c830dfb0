//! Alerts one after the other: what a source has sent is written down before its orders are handed over, and the next
//! alert is read only when these are on disk. So two alerts of one second are judged in the order in which they came, and a
//! restart between them forgets nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::web::Data;
use chrono::TimeDelta;
use futures_util::FutureExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use ordergate_actors::order::{Blocked, ClientId, IdempotencyKey, SignalDraft, SignalId, Source as Sender, Tag};
use ordergate_actors::persistence::{Keep, Level, Outcome, Slot};
use ordergate_actors::routes::{Place, Reading, Sequence, Step};
use tokio::sync::OwnedMutexGuard;

use super::auth::body_hash;
use super::formats::{Alert, Read};
use super::problem::Problem;
use super::routing::{self, Link, Routing, sequence_slot};
use super::said::Said;
use super::settings::Source;
use super::state::WebState;
use super::submission::{Handed, Taken, hand_over};
use super::untaken::{self, Lost, Share};

/// How long the next alert waits for the orders of this one to be on disk.
const REGISTERED_WITHIN: Duration = Duration::from_secs(1);

/// An alert that was read, with all that its signals carry.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub client_id: ClientId,
    pub source: Source,
    pub read: Read,
    /// The key of the header.
    pub key: Option<IdempotencyKey>,
    pub body_hash: [u8; 32],
}

/// What became of an alert.
#[derive(Debug)]
pub(super) struct Done {
    pub taken: Vec<Taken>,
    pub notes: Vec<String>,
    /// The routes that took it.
    pub routes: Vec<String>,
}

/// Takes an alert to its decision. Runs to its end, whoever waits for it.
pub(super) async fn take(state: Data<WebState>, incoming: Incoming) -> Result<Done, Problem> {
    let Incoming { client_id, source, read, key, body_hash } = incoming;
    let origin = Origin { state: &state, client_id: &client_id, source: &source.name };
    let (seq, is_chained) = match &read {
        Read::Orders(alert) => (alert.seq, false),
        Read::Readings(readings) => (readings.iter().find_map(|reading| reading.seq), readings.iter().any(|one| one.position.is_some())),
    };
    let turn = if seq.is_some() || is_chained { Some(state.turns.wait(&client_id, &source.name).await) } else { None };
    let mut done = Done { taken: Vec::new(), notes: Vec::new(), routes: Vec::new() };
    let counted = match seq {
        Some(seq) => Some(origin.count(seq, &mut done.notes).await?),
        None => None,
    };
    let base = SignalDraft {
        client_id: client_id.clone(),
        signal_id: SignalId(state.engine.line().ids.next()),
        source: Sender::Webhook,
        user: source.name.clone(),
        idempotency_key: key,
        body_hash,
        replay_window_ms: source.replay_window_ms,
        received_at: state.now(),
        signal_time: None,
        legs: Vec::new(),
    };
    let mut taking = Taking { origin, base, turn, counted, done, sent: Vec::new(), lost: Lost::default() };
    match read {
        Read::Orders(alert) => taking.orders(alert),
        Read::Readings(readings) => taking.readings(readings).await,
    }
    taking.decided().await
}

/// An alert on its way: what each part of it has come to so far.
struct Taking<'a> {
    origin: Origin<'a>,
    /// What all of its signals carry.
    base: SignalDraft,
    /// Keeps the next alert of the source waiting; one without a number and without a chain keeps nobody.
    turn: Option<OwnedMutexGuard<()>>,
    /// The source's numbers with its own.
    counted: Option<Sequence>,
    done: Done,
    sent: Vec<(Share, Sent<'a>)>,
    /// Of a list each share goes for itself: one that finds no route, or no room in the line, must not keep the others.
    lost: Lost,
}

impl<'a> Taking<'a> {
    /// Hands over an alert that names its orders.
    fn orders(&mut self, alert: Alert) {
        let Origin { state, source, .. } = self.origin;
        let share = Share::of_legs(&alert.legs);
        match hand_over(state, of_alert(alert, source, self.base.clone())) {
            Ok(one) => self.sent.push((share, Sent::Waits(one.decided(state).boxed_local()))),
            Err(problem) => self.lost.add(&mut self.done.notes, share, problem),
        }
    }

    /// Routes each reading and hands it over, one after the other.
    async fn readings(&mut self, readings: Vec<Reading>) {
        let Origin { state, client_id, source } = self.origin;
        let several = readings.len() > 1;
        let mut made: BTreeMap<String, u32> = BTreeMap::new();
        for reading in readings {
            let routing = match routing::route(state, client_id, source, &reading, self.counted.as_ref()) {
                Ok(routing) => routing,
                Err(problem) => {
                    let closes = untaken::is_of_a_position(state, client_id, source, &reading);
                    self.lost.add(&mut self.done.notes, Share::of_reading(&reading, closes), problem);
                    continue;
                }
            };
            let orders = made.entry(routing.route.name.clone()).or_default();
            if *orders >= routing.route.max_orders {
                self.lost.cap(&mut self.done.notes, &reading, format!("route {} takes {orders} of one alert", routing.route.name));
                continue;
            }
            *orders += 1;
            let share = Share::of_reading(&reading, routing.planned.leg.only_closes());
            match self.reading(&reading, routing, several).await {
                Ok(one) => self.sent.push((share, one)),
                Err(problem) => self.lost.add(&mut self.done.notes, share, problem),
            }
        }
    }

    /// Writes down where a reading stands in its chain, then hands its order over. In a chain the next one waits until it is on disk.
    async fn reading(&mut self, reading: &Reading, routing: Routing, several: bool) -> Result<Sent<'a>, Problem> {
        let Origin { state, client_id, .. } = self.origin;
        let base = SignalDraft { signal_id: SignalId(state.engine.line().ids.next()), ..self.base.clone() };
        let Routing { route, planned, held, place, key, instrument, .. } = routing;
        let mut leg = planned.leg;
        self.done.notes.extend(planned.notes);
        self.done.routes.push(route.name.clone());
        // A test stands in no chain: it must not tell the next alert where the strategy is.
        // Nor does one whose clock is wrong: it is refused, and every later alert would be older than it.
        let tolerance = TimeDelta::from_std(state.engine.line().settings.future_tolerance).unwrap_or(TimeDelta::MAX);
        let is_of_the_future = reading.made_at.is_some_and(|at| at.signed_duration_since(base.received_at) > tolerance);
        if let Some(link) = place.filter(|_| reading.test_mode.is_none() && !is_of_the_future) {
            let mut words = match &link.step {
                Step::Missed(words) => Some(words.clone()),
                Step::Next | Step::Same | Step::Overtaken(_) => None,
            };
            if let Some(before) = planned.before.filter(|before| matches!(link.step, Step::Next | Step::Missed(_)) && *before != held) {
                let what = instrument.map_or_else(|| "it".to_owned(), |key| key.to_string());
                let more = format!(
                    "it says that {} held {before} of {what} before it, and it holds {held}, orders under way counted",
                    route.strategy
                );
                words = Some(words.map_or_else(|| more.clone(), |words| format!("{words}; {more}")));
            }
            if let Step::Overtaken(words) = &link.step {
                leg.blocked = Some(Blocked { tag: Tag::Superseded, reason: words.clone() });
            }
            if let Some(words) = &words {
                self.done.notes.push(format!("an alert was missed: {words}"));
            }
            self.origin.note_place(&route.name, reading, link, words).await?;
        }
        let by_header = base.idempotency_key.filter(|_| !several);
        let key = by_header.or_else(|| key.as_deref().and_then(|key| IdempotencyKey::parse(key).ok()));
        // Of a list each share is a signal of its own: what makes it the same is its name and its day, not the list around it.
        let body_hash = reading.once.as_ref().map_or(base.body_hash, |once| body_hash(once));
        let draft = SignalDraft {
            replay_window_ms: if reading.repeat { 0 } else { base.replay_window_ms },
            idempotency_key: key,
            body_hash,
            signal_time: reading.made_at,
            legs: vec![leg],
            ..base
        };
        let handed = hand_over(state, draft)?;
        if self.turn.is_none() {
            return Ok(Sent::Waits(handed.decided(state).boxed_local()));
        }
        Ok(until_on_disk(state, client_id, handed).await)
    }

    /// Lets the next alert go, and waits for what this one comes to.
    async fn decided(self) -> Result<Done, Problem> {
        let Self { origin: Origin { state, client_id, source }, turn, mut done, sent, lost, .. } = self;
        drop(turn);
        lost.tell(state, client_id, source, !sent.is_empty());
        let mut late = Lost::default();
        for (share, one) in sent {
            let decided = match one {
                Sent::Known(known) => known,
                Sent::Waits(deciding) => deciding.await,
            };
            match decided {
                Ok(taken) => {
                    untaken::tell_invalid_exits(state, &taken);
                    done.taken.push(taken);
                }
                Err(problem) if problem.code() == "answer_lost" => late.add_unknown(&mut done.notes, share, problem),
                Err(problem) => late.add(&mut done.notes, share, problem),
            }
        }
        late.tell(state, client_id, source, !done.taken.is_empty());
        // Once a row of it exists the answer tells of that row.
        match late.first.or(lost.first).filter(|_| done.taken.is_empty()) {
            Some(problem) => Err(problem),
            None => Ok(done),
        }
    }
}

/// Whose alert it is.
#[derive(Clone, Copy)]
struct Origin<'a> {
    state: &'a WebState,
    client_id: &'a ClientId,
    source: &'a str,
}

impl Origin<'_> {
    /// Writes the chain after an alert. A missed or a late one is a warning.
    async fn note_place(&self, route: &str, reading: &Reading, link: Link, missed: Option<String>) -> Result<(), Problem> {
        let called = ordergate_actors::order::clean(&reading.called(), 60);
        let (event, level, words) = match (&link.step, missed) {
            (Step::Same, _) => return Ok(()),
            (Step::Overtaken(words), _) => ("ALARM_ALERT_LATE", Level::Warn, words.clone()),
            (_, Some(words)) => ("ALARM_ALERT_MISSED", Level::Warn, words),
            (Step::Next | Step::Missed(_), None) => ("ALERT_CHAIN", Level::Info, "the chain goes on".to_owned()),
        };
        let reason = format!("an alert of {} for {called} (route {route}): {words}", self.source);
        self.keep(link.slot, link.basis, &link.after, Said { event, level, reason }).await
    }

    /// Counts a numbered alert in.
    async fn count(&self, seq: u64, notes: &mut Vec<String>) -> Result<Sequence, Problem> {
        let source = self.source;
        let slot = sequence_slot(source);
        let kept = self.state.engine.read(self.client_id, |book| book.kept(&slot).cloned()).flatten();
        let before: Option<Sequence> = kept.as_ref().and_then(|kept| kept.read().ok());
        let (place, after) = Sequence::after(before.as_ref(), seq);
        let last = before.as_ref().map_or(0, |before| before.last);
        let words = match place {
            Place::First | Place::Next => None,
            Place::Gap(from, to) if from == to => Some(format!("number {from} of {source} did not come; {seq} came after {last}")),
            Place::Gap(from, to) => Some(format!("numbers {from} to {to} of {source} did not come; {seq} came after {last}")),
            Place::Late => Some(format!("number {seq} of {source} came late, after {last}")),
            Place::Again => Some(format!("number {seq} of {source} came again, or is older than all that was counted; the last is {last}")),
        };
        let (event, level) = if words.is_some() { ("ALARM_SEQUENCE", Level::Warn) } else { ("SOURCE_COUNTED", Level::Info) };
        let reason = words.clone().unwrap_or_else(|| format!("number {seq} of {source}"));
        notes.extend(words);
        self.keep(slot, kept.map_or(0, |kept| kept.seq), &after, Said { event, level, reason }).await?;
        Ok(after)
    }

    /// Writes down what is known of the source, unless another alert has written there since `basis`.
    async fn keep<T: serde::Serialize>(&self, slot: Slot, basis: u64, value: &T, said: Said) -> Result<(), Problem> {
        let unwritten = || Problem::unavailable("not_written", "what this source has sent so far could not be written down");
        let keep = Keep {
            client_id: Some(self.client_id.clone()),
            slot,
            value: None,
            basis: Some(basis),
            event: said.event,
            level: said.level,
            reason: ordergate_actors::order::clean(&said.reason, 500).into(),
            who: self.source.into(),
            command_id: None,
        };
        match self.state.engine.keep(keep.with(value).map_err(|_| unwritten())?).await? {
            Outcome::Applied(_) => Ok(()),
            Outcome::NotApplied(_) => Err(unwritten()),
        }
    }
}

/// An alert that names its orders. One that says when it was made, or its number, is the same for ever; one that says
/// neither is the same as an identical one within the window.
fn of_alert(alert: Alert, source: &str, base: SignalDraft) -> SignalDraft {
    let own = |text: &str| IdempotencyKey::parse(text.trim()).ok();
    let carried = (alert.signal_time.is_some() || alert.seq.is_some()).then(|| {
        let hash: String = base.body_hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("derived:{source}:{hash}")
    });
    SignalDraft {
        idempotency_key: base
            .idempotency_key
            .or_else(|| alert.idempotency_key.as_deref().and_then(own))
            .or_else(|| carried.as_deref().and_then(own)),
        replay_window_ms: if alert.repeat { 0 } else { base.replay_window_ms },
        signal_time: alert.signal_time,
        legs: alert.legs,
        ..base
    }
}

/// A signal in the line.
pub(super) enum Sent<'a> {
    /// It is decided, or nothing of it is on disk.
    Known(Result<Taken, Problem>),
    /// Its orders are on disk, and its gates wait for something.
    Waits(LocalBoxFuture<'a, Result<Taken, Problem>>),
}

/// Waits until the signal's orders are on disk: then the next alert can be read against them. A replay, whose orders are of another
/// signal, and a signal that is not taken have none of their own: they are decided, and nobody waits for them.
pub(super) async fn until_on_disk<'a>(state: &'a WebState, client_id: &'a ClientId, handed: Handed) -> Sent<'a> {
    let on_disk = Box::pin(registered(state, client_id, handed.signal_id()));
    match select(handed.decided(state).boxed_local(), on_disk).await {
        Either::Left((known, _)) => Sent::Known(known),
        Either::Right(((), deciding)) => Sent::Waits(deciding),
    }
}

/// Waits until the signal's orders are in the committed view, or for as long as the next alert can wait.
async fn registered(state: &WebState, client_id: &ClientId, signal_id: SignalId) {
    let deadline = tokio::time::Instant::now() + REGISTERED_WITHIN;
    let mut commits = state.engine.line().view.commits();
    loop {
        let is_there = state.engine.read(client_id, |book| book.newest().take(200).any(|order| order.signal_id == signal_id));
        if is_there == Some(true) || !matches!(tokio::time::timeout_at(deadline, commits.changed()).await, Ok(Ok(()))) {
            return;
        }
    }
}
