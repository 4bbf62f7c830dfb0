//! The paper broker: the engine's Broker port on the pure exchange. It is a broker of its own: its book lives in its own
//! file, survives a kill, and owes nothing to the engine's database.
//!
//! Its books show what is open and the newest that ended; what ended long ago, and was shown as ended, is in the file.
//!
//! *Invariant:* what happened is in the file before anybody is told. No lock is held across an await; every future does
//! its work when it is first polled, and is ready at once unless a live market has to be asked for a quote first, or there are so many
//! positions that they are valued in parts.

mod funds;
mod live;
mod log;
mod request;
mod shown;
mod stream;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Amount, BrokerOrderId, Exchange as Venue, Instrument, Terms};
use ordergate_actors::ports::{
    BookRow, Broker, BrokerOrder, Call, CallOutcome, Capabilities, Clock, DeliveryRow, Funds, Instruments, Modification, NoFunds, NoQuote,
    PlaceOutcome, PositionRow, Prepared, PreparedChange, Quote, Refusal, Session, Snapshot, StreamEvent, TradeRow,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;

pub use live::LiveMarket;
pub use log::{FILE_NAME, LogFailure, PaperError};

use crate::simulator::exchange::{Decision, Event, Exchange, NewOrder, Reject};
use crate::simulator::market::Market;
use log::PaperLog;
use shown::Shown;
use stream::Publisher;

/// Where the paper broker keeps its book, and how often it wants to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaperSettings {
    /// The directory of its file.
    pub directory: PathBuf,
    /// How often the engine reads the books; resting orders fill as they are read.
    pub poll: Duration,
    /// Rupees with which each day begins; `None`: it tells no money.
    pub cash: Option<Amount>,
}

impl PaperSettings {
    /// A book in that directory, read every second, without money.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), poll: Duration::from_secs(1), cash: None }
    }
}

/// So many positions are valued in one go: whoever shares the thread has a turn between two of them.
const AT_ONCE: usize = 64;

/// A broker account where no money moves. Clones are the same account.
#[derive(Clone)]
pub struct PaperBroker {
    shared: Arc<Shared>,
}

struct Shared {
    capabilities: Capabilities,
    cash: Option<Amount>,
    instruments: Arc<dyn Instruments>,
    market: Arc<dyn Market>,
    clock: Arc<dyn Clock>,
    desk: Mutex<Desk>,
    updates: Mutex<Option<mpsc::Receiver<StreamEvent>>>,
}

/// What changes together: the book, its file, who hears of it, and what of it is shown.
#[derive(Debug)]
struct Desk {
    exchange: Exchange,
    log: PaperLog,
    publisher: Publisher,
    shown: Shown,
}

impl fmt::Debug for PaperBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaperBroker").field("capabilities", &self.shared.capabilities).finish_non_exhaustive()
    }
}

impl PaperBroker {
    /// Opens the account: reads its file, goes on where it was, and drops the days before today from the file.
    ///
    /// # Errors
    /// [`PaperError`] when the file cannot be read or written, or is damaged elsewhere than at its end.
    pub fn open(
        settings: &PaperSettings,
        instruments: Arc<dyn Instruments>,
        market: Arc<dyn Market>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PaperError> {
        let (log, book) = PaperLog::open(&settings.directory, clock.now())?;
        let (publisher, updates) = stream::channel();
        let capabilities = Capabilities {
            name: "paper",
            is_live: false,
            tag_length: 15,
            can_modify: true,
            has_stream: true,
            send_ahead: 64,
            visibility_bound: Duration::ZERO,
            poll: settings.poll,
            takes_market_orders: true,
            takes_ioc: Venue::ALL.to_vec(),
            max_modifications: None,
            budget: None,
        };
        let exchange = Exchange::with_book(Arc::clone(&instruments), book);
        let desk = Mutex::new(Desk { exchange, log, publisher, shown: Shown::default() });
        let updates = Mutex::new(Some(updates));
        Ok(Self { shared: Arc::new(Shared { capabilities, cash: settings.cash, instruments, market, clock, desk, updates }) })
    }

    /// Lets the market reach the resting orders. Reading any book does it too.
    ///
    /// # Errors
    /// [`LogFailure`] when what happened could not be written down; then it did not happen.
    pub fn tick(&self) -> Result<(), LogFailure> {
        self.shared.read(|_, _| ())
    }

    /// An order from elsewhere in the same account: a terminal, a phone, the broker's own desk.
    ///
    /// # Errors
    /// [`LogFailure`] when it could not be written down. The inner result is the exchange's answer.
    pub fn place_foreign(&self, order: &NewOrder) -> Result<Result<BrokerOrderId, Reject>, LogFailure> {
        self.shared.act(|exchange, now, market| exchange.decide_place(order, now, market))
    }

    /// A change that nobody of the engine asked for: somebody made it at a terminal.
    ///
    /// # Errors
    /// [`LogFailure`] when it could not be written down. The inner result is the exchange's answer.
    pub fn modify_foreign(&self, id: &BrokerOrderId, terms: &Terms) -> Result<Result<BrokerOrderId, Reject>, LogFailure> {
        self.shared.act(|exchange, now, market| exchange.decide_modify(id, terms, now, market))
    }

    /// A cancel that nobody of the engine asked for.
    ///
    /// # Errors
    /// [`LogFailure`] when it could not be written down. The inner result is the exchange's answer.
    pub fn cancel_foreign(&self, id: &BrokerOrderId, reason: &str) -> Result<Result<BrokerOrderId, Reject>, LogFailure> {
        self.shared.act(|exchange, now, market| exchange.decide_cancel(id, Some(reason), now, market))
    }

    /// The exchange as it is now, for comparing: without what ended so long ago that only the file has it. A copy: looking at
    /// it changes nothing.
    #[must_use]
    pub fn exchange(&self) -> Exchange {
        self.shared.desk.lock().exchange.clone()
    }
}

impl Shared {
    fn act(
        &self,
        decide: impl FnOnce(&Exchange, DateTime<Utc>, &dyn Market) -> Decision,
    ) -> Result<Result<BrokerOrderId, Reject>, LogFailure> {
        let mut desk = self.desk.lock();
        let now = self.clock.now();
        desk.begin_day(now)?;
        let decision = decide(&desk.exchange, now, &*self.market);
        desk.commit(&decision.events)?;
        Ok(decision.answer)
    }

    fn read<T>(&self, look: impl FnOnce(&mut Desk, DateTime<Utc>) -> T) -> Result<T, LogFailure> {
        let mut desk = self.desk.lock();
        let now = self.clock.now();
        desk.begin_day(now)?;
        let events = desk.exchange.decide_advance(now, &*self.market);
        desk.commit(&events)?;
        Ok(look(&mut desk, now))
    }

    /// What is held is of one moment, in the order of its keys. What it is worth is asked of the market in parts: what trades meanwhile is
    /// in the next read.
    async fn positions(&self) -> Snapshot<PositionRow> {
        let held = |desk: &mut Desk, now| {
            let held: Vec<_> = desk.exchange.position_details().map(|(key, position)| (key.clone(), position.clone())).collect();
            (held, now)
        };
        let (held, now) = match self.read(held) {
            Ok(read) => read,
            Err(failure) => return Snapshot::Unknown(failure.to_string()),
        };
        let mut rows = Vec::with_capacity(held.len());
        for part in held.chunks(AT_ONCE) {
            rows.extend(part.iter().map(|(key, position)| position.row(key, &*self.instruments, &*self.market, now)));
            // After the last part too: so many are taken in at once.
            if held.len() > AT_ONCE {
                tokio::task::yield_now().await;
            }
        }
        Snapshot::Authoritative(rows, Vec::new())
    }

    fn snapshot<T>(&self, look: impl FnOnce(&mut Desk, DateTime<Utc>) -> Vec<T>) -> Snapshot<T> {
        match self.read(look) {
            Ok(rows) => Snapshot::Authoritative(rows, Vec::new()),
            Err(failure) => Snapshot::Unknown(failure.to_string()),
        }
    }
}

impl Desk {
    fn begin_day(&mut self, now: DateTime<Utc>) -> Result<(), LogFailure> {
        match self.exchange.roll(now) {
            Some(rolled) => self.commit(&[rolled]),
            None => Ok(()),
        }
    }

    fn order_book(&mut self) -> Vec<Arc<BookRow>> {
        let rows = self.exchange.orders();
        self.shown.order_book(&mut self.exchange);
        rows
    }

    fn trade_book(&mut self) -> Vec<Arc<TradeRow>> {
        let rows = self.exchange.trades();
        self.shown.trade_book(&mut self.exchange);
        rows
    }

    /// Into the file, then into the book, then to those who listen.
    fn commit(&mut self, events: &[Event]) -> Result<(), LogFailure> {
        if events.is_empty() {
            return self.log.health();
        }
        self.log.append(events)?;
        let known = self.exchange.trade_rows().len();
        if let Err(impossible) = self.exchange.apply(events) {
            return Err(self.log.stop(&impossible.to_string()));
        }
        self.publisher.publish(&self.exchange, events, known);
        Ok(())
    }
}

fn outcome(answer: Result<Result<BrokerOrderId, Reject>, LogFailure>) -> CallOutcome {
    match answer {
        Ok(Ok(_)) => CallOutcome::Accepted,
        Ok(Err(reject)) => CallOutcome::Rejected(reject.to_string()),
        Err(failure) if failure.is_undone() => CallOutcome::NotSent(failure.to_string()),
        Err(failure) => CallOutcome::Unconfirmed(failure.to_string()),
    }
}

impl Broker for PaperBroker {
    fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    fn prepare(&self, order: BrokerOrder, _quote: Option<&Quote>) -> Result<Prepared, Refusal> {
        let request = request::place(&order).map_err(|cause| Refusal { reason: cause.to_string() })?;
        Ok(Prepared { order, request })
    }

    fn prepare_change(&self, change: Modification, _quote: Option<&Quote>) -> Result<PreparedChange, Refusal> {
        let request = request::change(&change).map_err(|cause| Refusal { reason: cause.to_string() })?;
        Ok(PreparedChange { change, request })
    }

    fn place(&self, prepared: Prepared) -> Call<PlaceOutcome> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let BrokerOrder { instrument, terms, tag, .. } = prepared.order;
            let order = NewOrder { instrument: instrument.key.clone(), terms, tag: Some(Arc::from(tag.as_str())) };
            shared.market.warm(&instrument).await;
            match shared.act(|exchange, now, market| exchange.decide_place(&order, now, market)) {
                Ok(Ok(id)) => PlaceOutcome::Accepted(id),
                Ok(Err(reject)) => PlaceOutcome::Rejected(reject.to_string()),
                Err(failure) if failure.is_undone() => PlaceOutcome::NotSent(failure.to_string()),
                Err(failure) => PlaceOutcome::Unconfirmed(failure.to_string()),
            }
        })
    }

    fn cancel(&self, id: BrokerOrderId) -> Call<CallOutcome> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { outcome(shared.act(|exchange, now, market| exchange.decide_cancel(&id, None, now, market))) })
    }

    fn modify(&self, prepared: PreparedChange) -> Call<CallOutcome> {
        let (shared, change) = (Arc::clone(&self.shared), prepared.change);
        Box::pin(async move {
            outcome(shared.act(|exchange, now, market| exchange.decide_modify(&change.broker_order_id, &change.terms, now, market)))
        })
    }

    fn session(&self) -> Call<Session> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            match shared.read(|_, _| ()) {
                Ok(()) => Session::Ready,
                Err(failure) => Session::NotReady(failure.to_string()),
            }
        })
    }

    fn orders(&self) -> Call<Snapshot<Arc<BookRow>>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.snapshot(|desk, _| desk.order_book()) })
    }

    fn trades(&self) -> Call<Snapshot<Arc<TradeRow>>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.snapshot(|desk, _| desk.trade_book()) })
    }

    fn positions(&self) -> Call<Snapshot<PositionRow>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.positions().await })
    }

    /// Its positions carry shares too, so that none is held beside them.
    fn holdings(&self) -> Call<Snapshot<DeliveryRow>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.snapshot(|_, _| Vec::new()) })
    }

    fn quote(&self, instrument: Arc<Instrument>) -> Call<Result<Quote, NoQuote>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            shared.market.warm(&instrument).await;
            let depth = shared.market.depth(&instrument, shared.clock.now());
            depth.map(|depth| depth.quote()).ok_or_else(|| NoQuote::None(format!("the market has no price of {}", instrument.key)))
        })
    }

    fn tells_funds(&self) -> bool {
        self.shared.cash.is_some()
    }

    fn funds(&self) -> Call<Result<Funds, NoFunds>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let Some(cash) = shared.cash else { return Err(NoFunds::NotTold) };
            let read = shared.read(|desk, now| funds::funds(&desk.exchange, &*shared.instruments, &*shared.market, cash, now));
            read.map_err(|failure| NoFunds::Unknown(failure.to_string()))
        })
    }

    fn stream(&self) -> Option<mpsc::Receiver<StreamEvent>> {
        self.shared.updates.lock().take()
    }
}
