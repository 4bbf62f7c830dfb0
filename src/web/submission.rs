//! One way into the engine, for alerts and for people: submit, hear the decision, and find a lost answer on disk.

use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::EngineError;
use ordergate_actors::order::{BasketId, ClientId, CommandId, OrderRecord, SignalDraft, SignalId, clean};
use ordergate_actors::persistence::{Answer, Level, NotRegistered};
use ordergate_actors::ports::{Query, Rows};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::answer::{OrderRow, status_url, verdict};
use super::problem::Problem;
use super::state::WebState;

/// What a caller that waits is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Every order has the broker's number, or has ended.
    Broker,
    /// Every order has ended.
    End,
}

/// A signal on disk, with its orders as they stand.
#[derive(Debug)]
pub(super) struct Taken {
    pub client_id: ClientId,
    pub replayed: bool,
    pub basket_id: BasketId,
    pub orders: Vec<Arc<OrderRecord>>,
    /// Orders on disk whose record could not be read just now.
    unread: Vec<CommandId>,
}

/// A signal in the line, whose decision is awaited. Dropping it changes nothing for its orders.
#[derive(Debug)]
pub(super) struct Handed {
    client_id: ClientId,
    signal_id: SignalId,
    /// Who wants an exit, of which strategy and symbol: said if it is not taken.
    exit: Option<(String, String, String)>,
    answer: oneshot::Receiver<Result<Answer, NotRegistered>>,
}

/// Registers a signal and answers with the decision about every order.
///
/// # Errors
/// Nothing is on disk.
pub(super) async fn submit(state: &WebState, draft: SignalDraft) -> Result<Taken, Problem> {
    hand_over(state, draft)?.decided(state).await
}

/// Hands a signal to the line, without a pause.
///
/// # Errors
/// The journal is not open, no account, no permits.
pub(super) fn hand_over(state: &WebState, draft: SignalDraft) -> Result<Handed, Problem> {
    if !state.is_journal_open() {
        return Err(Problem::journal_closed());
    }
    let (client_id, signal_id) = (draft.client_id.clone(), draft.signal_id);
    let exit = draft.legs.iter().find(|leg| leg.only_closes());
    let exit = exit.map(|leg| (draft.user.clone(), leg.strategy.clone().unwrap_or_default(), leg.symbol.clone().unwrap_or_default()));
    let answer = state.engine.submit_now(draft)?;
    Ok(Handed { client_id, signal_id, exit, answer })
}

impl Handed {
    /// The id of the signal that was registered.
    pub(super) fn signal_id(&self) -> SignalId {
        self.signal_id
    }

    /// The decision about every order.
    ///
    /// # Errors
    /// Nothing is on disk.
    pub(super) async fn decided(self, state: &WebState) -> Result<Taken, Problem> {
        let Self { client_id, signal_id, exit, answer } = self;
        match tokio::time::timeout(state.settings.decision_deadline, answer).await {
            Ok(Ok(Ok(answer))) => Ok(gather(state, client_id, answer.replayed, answer.basket_id, answer.orders).await),
            Ok(Err(_)) | Err(_) => look_up(state, client_id, signal_id).await,
            Ok(Ok(Err(error))) => {
                if let (NotRegistered::Conflict { .. }, Some((user, strategy, symbol))) = (&error, exit) {
                    let text = clean(&format!("an exit of {strategy} in {symbol} from {user} was not taken: {error}"), 400);
                    state.engine.line().alarm(Some(&client_id), "ALARM_EXIT_CONFLICT", Level::Page, None, text);
                }
                Err(EngineError::from(error).into())
            }
        }
    }
}

async fn gather(state: &WebState, client_id: ClientId, replayed: bool, basket_id: BasketId, ids: Vec<CommandId>) -> Taken {
    let mut taken = Taken { client_id, replayed, basket_id, orders: Vec::with_capacity(ids.len()), unread: Vec::new() };
    for id in ids {
        match state.engine.order(&taken.client_id, id).await {
            Ok(Some(record)) => taken.orders.push(record),
            Ok(None) | Err(_) => taken.unread.push(id),
        }
    }
    taken.orders.sort_by_key(|order| order.leg);
    if !replayed && tracing::enabled!(tracing::Level::INFO) {
        // Under the request's id: from here on the orders go by their own names.
        let orders: Vec<String> = taken.orders.iter().map(|order| order.command_id.to_string()).collect();
        tracing::info!(event = "signal_taken", client_id = %taken.client_id, %basket_id, orders = orders.join(" "), "{} orders are on disk", orders.len());
    }
    taken
}

/// The answer was lost in a restart: the record tells whether there are orders.
pub(super) async fn look_up(state: &WebState, client_id: ClientId, signal_id: SignalId) -> Result<Taken, Problem> {
    let deadline = Instant::now() + state.settings.lookup_deadline;
    let mut commits = state.engine.line().view.commits();
    loop {
        let query = state.engine.query(Query::Signal(client_id.clone(), signal_id));
        if let Ok(Ok(Rows::Orders(found))) = timeout_at(deadline, query).await
            && let Some(first) = found.first()
        {
            let ids = found.iter().map(|order| order.command_id).collect();
            return Ok(gather(state, client_id, false, first.basket_id, ids).await);
        }
        if !matches!(timeout_at(deadline, commits.changed()).await, Ok(Ok(()))) {
            // It may stand in the line all the same, behind a disk that hangs.
            let words = "no answer came in time, and no order of this signal is on disk yet: it may still be taken";
            return Err(Problem::unavailable("answer_lost", words).with("signal_id", json!(signal_id)));
        }
    }
}

impl Taken {
    /// Orders on disk whose record could not be read just now.
    pub(super) fn unread(&self) -> &[CommandId] {
        &self.unread
    }

    /// Waits until every order is as far as the caller wants, or the time is up.
    pub(super) async fn settle(&mut self, state: &WebState, until: Until, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut changes = state.engine.line().view.changes_of(self.orders.iter().map(|order| order.command_id));
        loop {
            self.refresh(state);
            let is_settled =
                self.orders.iter().all(|order| order.status.is_terminal() || (until == Until::Broker && order.broker_order_id.is_some()));
            if is_settled || timeout_at(deadline, changes.next()).await.is_err() {
                return;
            }
        }
    }

    fn refresh(&mut self, state: &WebState) {
        let orders = &mut self.orders;
        state.engine.read(&self.client_id, |book| {
            for order in orders {
                if let Some(now) = book.order(order.command_id) {
                    *order = Arc::clone(now);
                }
            }
        });
    }

    /// The answer's body.
    pub(super) fn body(&self, state: &WebState, needs_secret: bool) -> Value {
        body(state, std::slice::from_ref(self), needs_secret)
    }
}

/// The answer's body about one signal, or several of one alert.
pub(super) fn body(state: &WebState, all: &[Taken], needs_secret: bool) -> Value {
    let rows: Vec<OrderRow> =
        all.iter().flat_map(|taken| &taken.orders).map(|order| OrderRow::for_sender(state, order, needs_secret)).collect();
    let status = if rows.is_empty() { "ACCEPTED" } else { verdict(&rows) };
    let mut orders: Vec<Value> = rows.iter().map(|row| json!(row)).collect();
    orders.extend(all.iter().flat_map(|taken| &taken.unread).map(|id| {
        json!({
            "command_id": id,
            "status": null,
            "reason": "on disk; its record could not be read just now",
            "status_url": status_url(*id),
        })
    }));
    let first = all.first();
    json!({
        "status": status,
        "replayed": !all.is_empty() && all.iter().all(|taken| taken.replayed),
        "client_id": first.map(|taken| &taken.client_id),
        "basket_id": first.map(|taken| taken.basket_id),
        "orders": orders,
    })
}
