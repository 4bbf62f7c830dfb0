//! The engine as the application holds it: spoken to from any thread, and stopped in order.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::broker::AskMargin;
use crate::exits::{Ladder, ladder_slot};
use crate::explain::Explained;
use crate::guard::ForceClear;
use crate::ingress::Submit;
use crate::line::{Desk, Line, Phase};
use crate::order::{
    BrokerOrderId, ClientId, CommandId, Fill, HoldingKey, LegDraft, OrderFact, OrderRecord, OrderType, Quantity, Resolution, SignalDraft,
    Strategy, Tag,
};
use crate::persistence::{
    Adopted, Alarm, Answer, Ask, Book, Cargo, Close, ControlChange, Keep, Level, NotRegistered, Note, OrderUnit, Outcome, Posted, Telling,
    Unit,
};
use crate::ports::{BrokerOrder, NoMargin, OrderMargin, Query, Rows, StoreError};
use crate::risk::{Change, ChangeAnswer};
use crate::watcher::{NOT_TOLD, is_row_of};

/// So often the state of a ladder is read again that somebody has written meanwhile.
const LADDER_TRIES: u32 = 5;

/// Why the journal was not closed.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The writer has ended, and nothing more is written.
    #[error(transparent)]
    Journal(#[from] StoreError),
    /// It may be at work still: it closes for somebody else, or was gone before.
    #[error("the writer did not answer whether the journal is closed: another end of this process is under way")]
    Unanswered,
}

/// Why a request was not taken. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// There is no such account.
    #[error("there is no account {0}")]
    NoAccount(String),
    /// All permits are out: try again in a moment.
    #[error("{used} of {capacity} orders of {client_id} are under way; try again in a moment")]
    Overloaded {
        /// The account.
        client_id: ClientId,
        /// Orders in the line.
        used: usize,
        /// The most.
        capacity: usize,
    },
    /// The signal left no rows.
    #[error(transparent)]
    NotRegistered(#[from] NotRegistered),
    /// The number that a person gave an order is that of another.
    #[error(
        "broker order {number} is {shown} in the broker's order book, and order {command_id} is {asked}: it is another order; look the number up again"
    )]
    NotThatOrder {
        /// The number.
        number: BrokerOrderId,
        /// The order.
        command_id: CommandId,
        /// What the broker's book has under the number, in words.
        shown: String,
        /// What the order is for, in words.
        asked: String,
    },
    /// The answer was lost in a restart: read the record.
    #[error("the answer was lost; the record tells what became of it")]
    AnswerLost,
    /// The store could not be read.
    #[error("{0}")]
    Store(String),
}

/// The running engine. Cheap to clone, usable from any thread.
#[derive(Debug, Clone)]
pub struct Engine {
    line: Arc<Line>,
}

impl Engine {
    /// Over a line that is wired.
    pub(crate) fn over(line: Arc<Line>) -> Self {
        Self { line }
    }

    /// What the actors share: the view, the desks, the ports.
    #[must_use]
    pub fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// One account's desk.
    ///
    /// # Errors
    /// There is no such account.
    pub fn desk(&self, client_id: &ClientId) -> Result<&Arc<Desk>, EngineError> {
        self.line.desk(client_id).ok_or_else(|| EngineError::NoAccount(client_id.to_string()))
    }

    /// Registers a signal and starts its orders; answers when every order is decided on disk.
    ///
    /// # Errors
    /// [`EngineError`]: nothing was written, except for [`EngineError::AnswerLost`].
    pub async fn submit(&self, draft: SignalDraft) -> Result<Answer, EngineError> {
        let answer = self.submit_now(draft)?;
        match answer.await {
            Ok(answer) => answer.map_err(EngineError::from),
            Err(_) => Err(EngineError::AnswerLost),
        }
    }

    /// Hands a signal to the line without waiting: dropping the receiver changes nothing for the orders.
    ///
    /// # Errors
    /// No account, or no permits.
    pub fn submit_now(&self, draft: SignalDraft) -> Result<oneshot::Receiver<Result<Answer, NotRegistered>>, EngineError> {
        let desk = self.desk(&draft.client_id)?;
        // One entry among the legs makes the whole basket an entry for admission.
        let is_exit = draft.legs.iter().all(LegDraft::only_closes);
        let permits = desk.admission.take(draft.legs.len(), is_exit).ok_or_else(|| {
            metrics::counter!("ordergate_overloaded_total").increment(1);
            EngineError::Overloaded { client_id: draft.client_id.clone(), used: desk.admission.used(), capacity: desk.admission.capacity() }
        })?;
        let (reply, answer) = oneshot::channel();
        self.line.tell_ingress(Submit { draft, permits, fired: None, reply });
        Ok(answer)
    }

    /// What the gates would say of a signal now, and what would be sent for it. Nothing is written, and nothing is sent.
    ///
    /// # Errors
    /// No account.
    pub fn explain(&self, draft: &SignalDraft) -> Result<Vec<Explained>, EngineError> {
        let desk = self.desk(&draft.client_id)?;
        Ok(crate::explain::explain(&self.line, desk, draft, self.line.clock.now()))
    }

    /// What the broker says that an order would take; nothing is sent. The caller says how long it waits.
    ///
    /// # Errors
    /// [`NoMargin`].
    pub async fn order_margin(&self, client_id: &ClientId, order: BrokerOrder) -> Result<OrderMargin, NoMargin> {
        let tells = self.desk(client_id).is_ok_and(|desk| desk.broker.tells_margin());
        if !tells {
            return Err(NoMargin::NotTold);
        }
        let (answer, told) = oneshot::channel();
        self.line.tell_broker(client_id, AskMargin { order, answer });
        told.await.unwrap_or(Err(NoMargin::NotAsked))
    }

    /// Asks for an order to be cancelled; durable once answered. `NotApplied` if it has ended or is being cancelled.
    ///
    /// # Errors
    /// No account, or the answer was lost.
    pub async fn cancel(&self, client_id: &ClientId, command_id: CommandId, who: &str, reason: &str) -> Result<Outcome, EngineError> {
        let reason = if reason.is_empty() { format!("cancelled by {who}") } else { format!("cancelled by {who}: {reason}") };
        self.fact(client_id, command_id, OrderFact::CancelWanted { tag: Tag::CancelledByUser, reason }, who).await
    }

    /// A person's verdict on an order in doubt, or on one that the broker numbered and does not show. `NotApplied` to others.
    ///
    /// # Errors
    /// No account, the number is that of another order, or the answer was lost.
    pub async fn resolve(
        &self,
        client_id: &ClientId,
        command_id: CommandId,
        verdict: Resolution,
        who: &str,
        reason: &str,
    ) -> Result<Outcome, EngineError> {
        let desk = self.desk(client_id)?;
        let order = self.line.view.read(client_id, |book| book.order(command_id).cloned()).flatten();
        if let (Resolution::AtBroker(number), Some(order)) = (&verdict, &order) {
            is_that_order(order, number, desk)?;
        }
        let numbered = order.filter(|order| order.broker_order_id.is_some() && !order.is_in_doubt());
        if numbered.is_some() && verdict == Resolution::Absent && !desk.findings.read().lost.contains(&command_id) {
            return Ok(Outcome::NotApplied(numbered));
        }
        let reason = format!("resolved by {who}: {reason}");
        self.fact(client_id, command_id, OrderFact::Resolved { verdict, reason }, who).await
    }

    /// A person tells the trades that an order of an earlier day owes ([`OrderRecord::untold`]). `NotApplied` to an order of which
    /// nobody was asked, and where a trade has come meanwhile.
    ///
    /// # Errors
    /// No account, or the answer was lost.
    pub async fn tell_trades(
        &self,
        client_id: &ClientId,
        command_id: CommandId,
        fill: Fill,
        who: &str,
        reason: &str,
    ) -> Result<Outcome, EngineError> {
        // A process that has just begun has not counted the books again; the page of the one before stands.
        let is_page = |alarm: &Alarm| &*alarm.event == NOT_TOLD && alarm.command_id == Some(command_id);
        let was_paged = || self.line.view.read(client_id, |book| book.alarms().any(is_page)).unwrap_or(false);
        if !self.desk(client_id)?.findings.read().untold.contains(&command_id) && !was_paged() {
            return Ok(Outcome::NotApplied(self.line.view.read(client_id, |book| book.order(command_id).cloned()).flatten()));
        }
        let text = format!("{} units at {} are told by {who}: {reason}", fill.quantity, fill.price);
        let outcome = self.fact(client_id, command_id, OrderFact::Fill(fill), who).await?;
        if outcome.is_applied() {
            self.note(Note {
                client_id: Some(client_id.clone()),
                event: "TRADES_TOLD",
                level: Level::Info,
                text,
                command_id: Some(command_id),
                who: Arc::from(who),
                inputs: "{}".to_owned(),
            });
        }
        Ok(outcome)
    }

    /// Asks for a working order to be changed, as a person wants it: an exit is left where he sets its limit. It walks risk and guard; its
    /// effect is followed in the broker's book.
    ///
    /// # Errors
    /// No account, or the answer was lost.
    pub async fn modify(&self, change: Change) -> Result<ChangeAnswer, EngineError> {
        self.desk(&change.client_id)?;
        self.leave_at_its_limit(&change).await?;
        let (reply, answer) = oneshot::channel();
        let client_id = change.client_id.clone();
        self.line.tell_risk(&client_id, crate::risk::AssessChange { change, reply });
        answer.await.map_err(|_| EngineError::AnswerLost)
    }

    /// Takes an exit off its ladder at the limit that is asked for, before it is. Whoever writes the ladder meanwhile is read again.
    async fn leave_at_its_limit(&self, change: &Change) -> Result<(), EngineError> {
        let slot = ladder_slot(change.command_id);
        for _ in 0..LADDER_TRIES {
            let kept = self.read(&change.client_id, |book| book.kept(&slot).map(|kept| (kept.seq, kept.read::<Ladder>()))).flatten();
            let (Some(limit), Some((basis, Ok(ladder)))) = (change.price, kept) else { return Ok(()) };
            // The engine's own exits go on whatever is asked of them.
            if !ladder.came_as_market {
                return Ok(());
            }
            let keep = Keep {
                client_id: Some(change.client_id.clone()),
                slot: slot.clone(),
                value: None,
                basis: Some(basis),
                event: "EXIT_STEP",
                level: Level::Info,
                reason: Arc::from(format!("{} asks for a limit of {limit}: once it is in force the exit is left there", change.who)),
                who: Arc::from(&*change.who),
                command_id: Some(change.command_id),
            };
            // Numbers only: always JSON.
            let Ok(keep) = keep.with(&Ladder { left_at: Some(limit), ..ladder }) else { return Ok(()) };
            if self.keep(keep).await?.is_applied() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Changes the controls: latched at once, then committed, then answered. `NotApplied`: an arming that was decided upon
    /// another arming than the one that stands; nothing was changed. It alone is not latched before its commit.
    ///
    /// # Errors
    /// No account, or the answer was lost.
    pub async fn control(&self, client_id: &ClientId, change: ControlChange, who: &str, reason: &str) -> Result<Outcome, EngineError> {
        let desk = self.desk(client_id)?;
        desk.latch.raise(&change);
        let unit = Unit::Control { client_id: client_id.clone(), change, who: Arc::from(who), reason: Arc::from(reason) };
        self.posted(unit).await
    }

    /// Writes a small state down; durable once answered. `NotApplied`: another stands than the one that it was decided upon.
    ///
    /// # Errors
    /// No account, or the answer was lost.
    pub async fn keep(&self, keep: Keep) -> Result<Outcome, EngineError> {
        if let Some(client_id) = &keep.client_id {
            self.desk(client_id)?;
        }
        self.posted(Unit::Keep(keep)).await
    }

    /// A person has seen an alarm of an account, or of the process: durable once answered. `NotApplied` if it is not open.
    ///
    /// # Errors
    /// No account, or the answer was lost.
    pub async fn acknowledge(&self, client_id: Option<&ClientId>, alarm: u64, who: &str, reason: &str) -> Result<Outcome, EngineError> {
        if let Some(client_id) = client_id {
            self.desk(client_id)?;
        }
        let (who, reason) = (Arc::from(who), Arc::from(reason));
        self.posted(Unit::Acknowledge { client_id: client_id.cloned(), alarm, who, reason }).await
    }

    /// A strategy takes units over that came about elsewhere. `NotApplied` if it holds something else by now.
    ///
    /// # Errors
    /// No account, or the answer was lost.
    pub async fn adopt(&self, adopted: Adopted) -> Result<Outcome, EngineError> {
        self.desk(&adopted.client_id)?;
        self.posted(Unit::Adopt(adopted)).await
    }

    /// Writes down the price at which units left that had none. Nothing is sent, and no quantity changes.
    ///
    /// # Errors
    /// No account.
    pub async fn tell(&self, telling: Telling) -> Result<Outcome, EngineError> {
        self.desk(&telling.client_id)?;
        self.posted(Unit::Tell(telling)).await
    }

    /// Takes what a strategy holds (so many units of one holding, or all of it) out of our record. Nothing is sent.
    ///
    /// # Errors
    /// No account.
    pub async fn force_clear(
        &self,
        client_id: &ClientId,
        strategy: Strategy,
        part: Option<(HoldingKey, Quantity)>,
        reason: String,
    ) -> Result<usize, EngineError> {
        self.desk(client_id)?;
        let held = self.line.view.read(client_id, |book| book.holdings_of(&strategy).count()).unwrap_or(0);
        let (replies, answers): (Vec<_>, Vec<_>) = (0..held).map(|_| oneshot::channel()).unzip();
        self.line.tell_guard(client_id, ForceClear { strategy, part, reason, replies });
        let mut cleared = 0;
        for answer in answers {
            if answer.await.is_ok_and(|outcome| outcome.is_applied()) {
                cleared += 1;
            }
        }
        Ok(cleared)
    }

    /// Reads rows that are no longer in memory, between two commits.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn query(&self, query: Query) -> Result<Rows, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.line.tell_persistence(Ask(query, reply));
        answer.await.map_err(|_| EngineError::AnswerLost)?.map_err(|error| EngineError::Store(error.to_string()))
    }

    /// Writes a note into the journal (a bad signal, a person's act).
    pub fn note(&self, note: Note) {
        self.line.post_unit(Unit::Note(note));
    }

    /// An order, from memory or from the disk.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn order(&self, client_id: &ClientId, command_id: CommandId) -> Result<Option<Arc<OrderRecord>>, EngineError> {
        if let Some(record) = self.line.view.read(client_id, |book| book.order(command_id).cloned()).flatten() {
            return Ok(Some(record));
        }
        match self.query(Query::Order(client_id.clone(), command_id)).await? {
            Rows::Orders(orders) => Ok(orders.into_iter().next().map(Arc::new)),
            _ => Ok(None),
        }
    }

    /// Stops in order: admission closes, the line drains (what misses the deadline is in doubt, and the next start
    /// recovers it), the journal is flushed and closed. Returns how many orders were left in the line.
    ///
    /// # Errors
    /// The journal could not be closed; what was committed stays committed.
    pub async fn stop(&self) -> Result<usize, StopError> {
        for desk in self.line.desks() {
            desk.set_phase(Phase::Closing);
        }
        let deadline = tokio::time::Instant::now() + self.line.settings.drain_deadline;
        let left = || self.line.desks().map(|desk| desk.admission.used() + desk.calls.lock().running()).sum::<usize>();
        let mut commits = self.line.view.commits();
        let remaining = loop {
            // Taken before the look, so that nothing that ends in between is missed.
            let permits: Vec<_> = self.line.desks().map(|desk| Box::pin(desk.admission.given_back())).collect();
            commits.mark_unchanged();
            let remaining = left();
            if remaining == 0 || tokio::time::Instant::now() >= deadline {
                break remaining;
            }
            // A call without a permit, a cancel, ends with the commit of its answer.
            let news = futures_util::future::select(futures_util::future::select_all(permits), Box::pin(commits.changed()));
            let _in_time = tokio::time::timeout_at(deadline, news).await;
        };
        self.line.close();
        let (reply, closed) = oneshot::channel();
        self.line.tell_persistence(Close(reply));
        match closed.await {
            Ok(result) => Ok(result.map(|()| remaining)?),
            Err(_) => Err(StopError::Unanswered),
        }
    }

    async fn fact(&self, client_id: &ClientId, command_id: CommandId, fact: OrderFact, who: &str) -> Result<Outcome, EngineError> {
        self.desk(client_id)?;
        self.posted(Unit::Order(OrderUnit { client_id: client_id.clone(), command_id, fact, who: Arc::from(who) })).await
    }

    async fn posted(&self, unit: Unit) -> Result<Outcome, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.line.post(vec![Posted { unit, cargo: Cargo::Done(reply) }]);
        answer.await.map_err(|_| EngineError::AnswerLost)
    }

    /// A look at one account's committed book.
    pub fn read<R>(&self, client_id: &ClientId, look: impl FnOnce(&Book) -> R) -> Option<R> {
        self.line.view.read(client_id, look)
    }
}

/// Whether what the broker's order book has under a number can be the order, if it has anything: everything that is booked under it will
/// count as the order's.
fn is_that_order(order: &OrderRecord, number: &BrokerOrderId, desk: &Desk) -> Result<(), EngineError> {
    let findings = desk.findings.read();
    let mut rows = findings.orders.iter().flat_map(|orders| orders.rows.iter());
    let Some(row) = rows.find(|row| row.broker_order_id == *number).filter(|row| !is_row_of(order, row)) else { return Ok(()) };
    let word = |word: Option<String>| word.unwrap_or_default();
    Err(EngineError::NotThatOrder {
        number: number.clone(),
        command_id: order.command_id,
        shown: format!("{} {} {} {}", row.side, row.quantity, row.instrument, row.product),
        asked: format!(
            "{} {} {} {}",
            word(order.ask.side.map(|side| side.to_string())),
            order.quantity(),
            word(order.instrument().map(|key| key.to_string())),
            word(order.ask.product.map(|product| product.to_string()))
        ),
    })
}

/// A leg that closes what a strategy holds: at the market, all of it unless a quantity is given.
#[must_use]
pub fn exit_leg(strategy: &Strategy, key: &HoldingKey, quantity: Option<Quantity>) -> LegDraft {
    LegDraft {
        strategy: Some(strategy.to_string()),
        execution_type: Some("EXIT".to_owned()),
        exchange: Some(key.instrument.exchange.to_string()),
        symbol: Some(key.instrument.symbol.to_string()),
        product: Some(key.product.to_string()),
        quantity: quantity.map(|quantity| quantity.to_string()),
        order_type: Some(OrderType::Market.to_string()),
        ..LegDraft::default()
    }
}
