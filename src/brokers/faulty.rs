//! A broker that fails as real ones do, around a broker that does not: for tests and drills. The truth stays behind it,
//! to be compared with ([`FaultyBroker::inner`]).
//!
//! What goes wrong with a call is settled when the call is made; waiting is done on tokio's clock, which tests pause.

mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::order::{BrokerOrderId, Instrument};
use ordergate_actors::ports::{
    Aside, BookRow, Broker, BrokerOrder, Call, CallOutcome, Capabilities, DeliveryRow, Funds, Modification, NoFunds, NoMargin, NoQuote,
    OrderMargin, PlaceOutcome, PositionRow, Prepared, PreparedChange, Quote, RateWindow, Refusal, Session, Snapshot, StreamEvent, TradeRow,
    Unreadable,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

pub use plan::{CallKind, Fault, FaultPlan, StreamFaults};

/// A broker behind a plan of faults.
#[derive(Debug)]
pub struct FaultyBroker<B> {
    inner: Arc<B>,
    capabilities: Capabilities,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The money that it tells, whatever the broker inside does.
    funds: Option<Funds>,
    margin: Option<OrderMargin>,
    plan: FaultPlan,
    /// Until somebody has logged in again.
    logged_out_until: Option<Instant>,
    lag: Duration,
    /// How old the positions of a stale read may be.
    positions_within: Option<Duration>,
    positions_at: Option<Instant>,
    hidden: BTreeMap<BrokerOrderId, Instant>,
    foreign: Vec<Arc<BookRow>>,
    unreadable: Vec<(CallKind, Unreadable)>,
    reached: Vec<Prepared>,
    orders: Vec<Arc<BookRow>>,
    trades: Vec<Arc<TradeRow>>,
    positions: Vec<PositionRow>,
}

impl<B: Broker> FaultyBroker<B> {
    /// Puts the plan before the broker.
    #[must_use]
    pub fn new(inner: B, plan: FaultPlan) -> Self {
        let capabilities = inner.capabilities().clone();
        Self { inner: Arc::new(inner), capabilities, state: Arc::new(Mutex::new(State { plan, ..State::default() })) }
    }

    /// The same broker with another row of capabilities: a lag, say, belongs into its `visibility_bound`.
    #[must_use]
    pub fn with_capabilities(mut self, change: impl FnOnce(&mut Capabilities)) -> Self {
        change(&mut self.capabilities);
        self
    }

    /// The truth.
    #[must_use]
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// The next call of the kind goes wrong; `None`: it goes well, whatever was planned.
    pub fn next(&self, kind: CallKind, fault: Option<Fault>) {
        self.state.lock().plan.queue(kind, fault);
    }

    /// From now on another plan holds. Its count of calls begins anew.
    pub fn replan(&self, plan: FaultPlan) {
        self.state.lock().plan = plan;
    }

    /// The broker forgets the session: for that long every call is answered so, then somebody has logged in again.
    pub fn end_session(&self, time: Duration) {
        self.state.lock().logged_out_until = Some(Instant::now() + time);
    }

    /// Orders placed from now on stay out of the order book and the trade book for that long.
    pub fn set_lag(&self, lag: Duration) {
        self.state.lock().lag = lag;
    }

    /// Positions that a stale read gives are no older than that: where those of the read before are, it gives those of now.
    pub fn set_positions_within(&self, most: Duration) {
        self.state.lock().positions_within = Some(most);
    }

    /// Sets the funds that the broker tells from now on.
    pub fn show_funds(&self, funds: Funds) {
        self.state.lock().funds = Some(funds);
    }

    /// What every order would take, from now on.
    pub fn show_margin(&self, margin: OrderMargin) {
        self.state.lock().margin = Some(margin);
    }

    /// A row that is in the order book from now on and that the broker behind knows nothing of.
    pub fn show_foreign(&self, row: BookRow) {
        self.state.lock().foreign.push(Arc::new(row));
    }

    /// A row that is in that book from now on and cannot be read.
    pub fn show_unreadable(&self, book: CallKind, row: Unreadable) {
        self.state.lock().unreadable.push((book, row));
    }

    /// How many calls of the kind there were since the plan began.
    #[must_use]
    pub fn calls(&self, kind: CallKind) -> u64 {
        self.state.lock().plan.calls(kind)
    }

    /// Every place call that reached the broker, in order; a duplicated one is here twice.
    #[must_use]
    pub fn reached(&self) -> Vec<Prepared> {
        self.state.lock().reached.clone()
    }

    fn fault(&self, kind: CallKind) -> Option<Fault> {
        let mut state = self.state.lock();
        let planned = state.plan.next(kind);
        let is_out = state.logged_out_until.is_some_and(|until| Instant::now() < until);
        if is_out { Some(Fault::NoSession("Session Expired :  Invalid Session Key".to_owned())) } else { planned }
    }

    /// A call that changes something: `reach` makes it at the broker, `ends` words its outcomes.
    fn order_call<T: Send + 'static>(&self, kind: CallKind, reach: impl Fn() -> Call<T> + Send + 'static, ends: Ends<T>) -> Call<T> {
        let fault = self.fault(kind);
        let Ends { refused, limited, logged_out, not_sent, unconfirmed } = ends;
        Box::pin(async move {
            match fault {
                Some(Fault::Hang) => pending().await,
                Some(Fault::HangAfter) => {
                    reach().await;
                    pending().await
                }
                Some(Fault::Late(time)) => {
                    let answer = reach().await;
                    sleep(time).await;
                    answer
                }
                Some(Fault::Slow(time)) => {
                    sleep(time).await;
                    reach().await
                }
                Some(Fault::Refuse(cause)) => refused(cause),
                Some(Fault::RefuseAfter(cause)) => {
                    reach().await;
                    refused(cause)
                }
                Some(Fault::LandsLate(time)) => {
                    tokio::spawn(async move {
                        sleep(time).await;
                        reach().await;
                    });
                    pending().await
                }
                Some(Fault::RateLimited(window)) => limited(window, too_many(window)),
                Some(Fault::NoSession(cause)) => logged_out(cause),
                Some(Fault::NotSent(cause)) => not_sent(cause),
                Some(Fault::LoseRequest(cause)) => unconfirmed(cause),
                Some(Fault::LoseReply(cause)) => {
                    reach().await;
                    unconfirmed(cause)
                }
                Some(Fault::Duplicate) => {
                    let answer = reach().await;
                    reach().await;
                    answer
                }
                Some(Fault::Unknown(_) | Fault::Empty | Fault::Stale | Fault::Unreadable(_)) | None => reach().await,
            }
        })
    }

    /// A read: `look` reads the broker's book, `shown` takes from it what may be seen, `kept` is the last one.
    fn read_call<T: Clone + std::fmt::Debug + Send + 'static>(
        &self,
        kind: CallKind,
        look: impl Fn(&B) -> Call<Snapshot<T>> + Send + 'static,
        shown: fn(&mut State, &mut Vec<T>),
        kept: fn(&mut State) -> &mut Vec<T>,
    ) -> Call<Snapshot<T>> {
        let fault = self.fault(kind).filter(|fault| *fault != Fault::Stale || self.state.lock().may_be_stale(kind));
        let (inner, state) = (Arc::clone(&self.inner), Arc::clone(&self.state));
        Box::pin(async move {
            match &fault {
                Some(Fault::Hang | Fault::HangAfter | Fault::LandsLate(_)) => return pending().await,
                Some(
                    Fault::Refuse(cause)
                    | Fault::RefuseAfter(cause)
                    | Fault::NoSession(cause)
                    | Fault::NotSent(cause)
                    | Fault::Unknown(cause),
                ) => {
                    return Snapshot::Unknown(cause.clone());
                }
                Some(Fault::LoseRequest(cause) | Fault::LoseReply(cause)) => return Snapshot::Unknown(cause.clone()),
                Some(Fault::RateLimited(window)) => return Snapshot::RateLimited { window: *window, text: too_many(*window) },
                Some(Fault::Empty) => return Snapshot::Authoritative(Vec::new(), Vec::new()),
                Some(Fault::Stale) => return Snapshot::Authoritative(kept(&mut state.lock()).clone(), Vec::new()),
                Some(Fault::Slow(time)) => sleep(*time).await,
                Some(Fault::Late(_) | Fault::Duplicate | Fault::Unreadable(_)) | None => {}
            }
            let (mut rows, mut bad) = match look(&inner).await {
                Snapshot::Authoritative(rows, bad) => (rows, bad),
                unproven @ (Snapshot::Unknown(_) | Snapshot::RateLimited { .. }) => return unproven,
            };
            {
                let mut state = state.lock();
                shown(&mut state, &mut rows);
                bad.extend(state.unreadable.iter().filter(|(book, _)| *book == kind).map(|(_, row)| row.clone()));
                kept(&mut state).clone_from(&rows);
            }
            match fault {
                Some(Fault::Late(time)) => sleep(time).await,
                Some(Fault::Duplicate) => rows = rows.iter().flat_map(|row| [row.clone(), row.clone()]).collect(),
                Some(Fault::Unreadable(count)) => {
                    let spoiled = rows.drain(..count.min(rows.len()));
                    bad.extend(spoiled.map(|row| Unreadable {
                        raw: format!("{row:?}").chars().take(200).collect(),
                        cause: "a drill".into(),
                        is_foreign: false,
                        unlisted: None,
                        glimpse: Box::default(),
                    }));
                }
                _ => {}
            }
            Snapshot::Authoritative(rows, bad)
        })
    }
}

/// How a call words each of its ends.
struct Ends<T> {
    refused: fn(String) -> T,
    limited: fn(RateWindow, String) -> T,
    logged_out: fn(String) -> T,
    not_sent: fn(String) -> T,
    unconfirmed: fn(String) -> T,
}

/// Those of a cancel and of a change.
const CHANGE_ENDS: Ends<CallOutcome> = Ends {
    refused: CallOutcome::Rejected,
    limited: |window, text| CallOutcome::RateLimited { window, text },
    logged_out: CallOutcome::Rejected,
    not_sent: CallOutcome::NotSent,
    unconfirmed: CallOutcome::Unconfirmed,
};

impl State {
    /// Whether what the read before gave may be given once more.
    fn may_be_stale(&self, kind: CallKind) -> bool {
        let Some(most) = self.positions_within.filter(|_| kind == CallKind::Positions) else { return true };
        self.positions_at.is_some_and(|at| at.elapsed() <= most)
    }

    /// The orders that are out of sight now.
    fn hidden(&mut self) -> &BTreeMap<BrokerOrderId, Instant> {
        let now = Instant::now();
        self.hidden.retain(|_, until| *until > now);
        &self.hidden
    }
}

impl<B: Broker> Broker for FaultyBroker<B> {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn prepare(&self, order: BrokerOrder, quote: Option<&Quote>) -> Result<Prepared, Refusal> {
        self.inner.prepare(order, quote)
    }

    fn place(&self, prepared: Prepared) -> Call<PlaceOutcome> {
        let (inner, state) = (Arc::clone(&self.inner), Arc::clone(&self.state));
        let reach = move || -> Call<PlaceOutcome> {
            let (call, state, prepared) = (inner.place(prepared.clone()), Arc::clone(&state), prepared.clone());
            Box::pin(async move {
                state.lock().reached.push(prepared);
                let outcome = call.await;
                let mut state = state.lock();
                if let (PlaceOutcome::Accepted(id), true) = (&outcome, state.lag > Duration::ZERO) {
                    let until = Instant::now() + state.lag;
                    state.hidden.insert(id.clone(), until);
                }
                outcome
            })
        };
        let ends = Ends {
            refused: PlaceOutcome::Rejected,
            limited: |window, text| PlaceOutcome::RateLimited { window, text },
            logged_out: PlaceOutcome::NoSession,
            not_sent: PlaceOutcome::NotSent,
            unconfirmed: PlaceOutcome::Unconfirmed,
        };
        self.order_call(CallKind::Place, reach, ends)
    }

    fn cancel(&self, id: BrokerOrderId) -> Call<CallOutcome> {
        let inner = Arc::clone(&self.inner);
        let reach = move || inner.cancel(id.clone());
        self.order_call(CallKind::Cancel, reach, CHANGE_ENDS)
    }

    fn prepare_change(&self, change: Modification, quote: Option<&Quote>) -> Result<PreparedChange, Refusal> {
        self.inner.prepare_change(change, quote)
    }

    fn quote(&self, instrument: Arc<Instrument>) -> Call<Result<Quote, NoQuote>> {
        let inner = Arc::clone(&self.inner);
        let reach = move || inner.quote(Arc::clone(&instrument));
        let none: fn(String) -> Result<Quote, NoQuote> = |text| Err(NoQuote::None(text));
        let limited = |window, text| Err(NoQuote::RateLimited { window, text });
        self.order_call(CallKind::Quote, reach, Ends { refused: none, limited, logged_out: none, not_sent: none, unconfirmed: none })
    }

    fn tells_funds(&self) -> bool {
        self.inner.tells_funds() || self.state.lock().funds.is_some()
    }

    fn funds(&self) -> Call<Result<Funds, NoFunds>> {
        match self.state.lock().funds.clone() {
            Some(funds) => Box::pin(std::future::ready(Ok(funds))),
            None => self.inner.funds(),
        }
    }

    fn tells_margin(&self) -> bool {
        self.inner.tells_margin() || self.state.lock().margin.is_some()
    }

    fn order_margin(&self, order: BrokerOrder) -> Call<Result<OrderMargin, NoMargin>> {
        match self.state.lock().margin.clone() {
            Some(margin) => Box::pin(std::future::ready(Ok(margin))),
            None => self.inner.order_margin(order),
        }
    }

    fn aside(&self) -> Aside {
        self.inner.aside()
    }

    fn in_use(&self, is_in_use: bool) {
        self.inner.in_use(is_in_use);
    }

    fn modify(&self, prepared: PreparedChange) -> Call<CallOutcome> {
        let inner = Arc::clone(&self.inner);
        let reach = move || inner.modify(prepared.clone());
        self.order_call(CallKind::Modify, reach, CHANGE_ENDS)
    }

    fn clock_skew(&self) -> Option<chrono::TimeDelta> {
        self.inner.clock_skew()
    }

    fn session(&self) -> Call<Session> {
        let inner = Arc::clone(&self.inner);
        let reach = move || inner.session();
        let no = Session::NotReady;
        // A broker counts the calls of those it knows.
        let ends = Ends { refused: no, limited: |_, _| Session::Ready, logged_out: no, not_sent: no, unconfirmed: no };
        self.order_call(CallKind::Session, reach, ends)
    }

    fn orders(&self) -> Call<Snapshot<Arc<BookRow>>> {
        let shown = |state: &mut State, rows: &mut Vec<Arc<BookRow>>| {
            let hidden = state.hidden();
            rows.retain(|row| !hidden.contains_key(&row.broker_order_id));
            rows.extend(state.foreign.iter().cloned());
        };
        self.read_call(CallKind::Orders, B::orders, shown, |state| &mut state.orders)
    }

    fn trades(&self) -> Call<Snapshot<Arc<TradeRow>>> {
        let shown = |state: &mut State, rows: &mut Vec<Arc<TradeRow>>| {
            let hidden = state.hidden();
            rows.retain(|row| !hidden.contains_key(&row.fill.broker_order_id));
        };
        self.read_call(CallKind::Trades, B::trades, shown, |state| &mut state.trades)
    }

    fn positions(&self) -> Call<Snapshot<PositionRow>> {
        let shown = |state: &mut State, _: &mut Vec<PositionRow>| state.positions_at = Some(Instant::now());
        self.read_call(CallKind::Positions, B::positions, shown, |state| &mut state.positions)
    }

    fn holdings(&self) -> Call<Snapshot<DeliveryRow>> {
        self.inner.holdings()
    }

    fn stream(&self) -> Option<mpsc::Receiver<StreamEvent>> {
        let events = self.inner.stream()?;
        let faults = self.state.lock().plan.stream;
        Some(if faults == StreamFaults::default() { events } else { spoiled(events, faults) })
    }
}

/// As a Noren broker words it (Noren protocol reference, section 7.1).
fn too_many(window: RateWindow) -> String {
    let (count, name, limit) = match window {
        RateWindow::Second => (11, "second", 10),
        RateWindow::Minute => (121, "minute", 120),
        RateWindow::Unsaid => return "HTTP 429 without a readable answer".to_owned(),
    };
    format!("Invalid Input :  Order Recieved {count} in a current {name} exceeds Limit {limit} for user")
}

/// The stream through its faults. Needs a tokio runtime around the call.
fn spoiled(mut events: mpsc::Receiver<StreamEvent>, faults: StreamFaults) -> mpsc::Receiver<StreamEvent> {
    let (sender, receiver) = mpsc::channel(1_024);
    tokio::spawn(async move {
        let mut count = 0u64;
        while let Some(event) = events.recv().await {
            count += 1;
            let due = |every: u64| every > 0 && count.is_multiple_of(every);
            if due(faults.drop_every) {
                continue;
            }
            sleep(faults.delay).await;
            let copies = if due(faults.repeat_every) { 2 } else { 1 };
            for _ in 0..copies {
                if sender.send(event.clone()).await.is_err() {
                    return;
                }
            }
        }
    });
    receiver
}
