//! Stands between the engine and its broker and looks at the disk before every call (INV-1).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use ordergate::brokers::faulty::FaultyBroker;
use ordergate::brokers::paper::PaperBroker;
use ordergate::instruments::InstrumentTable;
use ordergate::store::{ReadStore, SimulatedDisk};
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::order::{BookState, BrokerOrderId, HoldingKey, Instrument, OrderRecord, OrderType, Side, Status};
use ordergate_actors::ports::{
    BookRow, Broker, BrokerOrder, Call, CallOutcome, Capabilities, Clock, DeliveryRow, Funds, Modification, NoFunds, NoQuote, PlaceOutcome,
    PositionRow, Prepared, PreparedChange, Quote, Refusal, Session, Snapshot, StreamEvent, TradeRow,
};
use ordergate_actors::risk::Market;
use parking_lot::Mutex;

use super::beside::Others;
use super::gateway::Gateway;
use super::lies::Lies;
use super::rivals;

/// How long what others trade may stay unknown: a read, a commit, and calls that hang before it in the slot.
const UNKNOWN: TimeDelta = TimeDelta::seconds(20);

#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) broker: FaultyBroker<PaperBroker>,
    pub(crate) disk: SimulatedDisk,
    /// The disk as it is read, opened at the first look.
    reads: Mutex<Option<ReadStore>>,
    pub(crate) breaches: Arc<Mutex<Vec<String>>>,
    /// The writes that were started, in order: `place SBIN-EQ BUY`.
    started: Mutex<Vec<String>>,
    /// That a kill was answered: no entry may be called.
    is_killed: Arc<AtomicBool>,
    clock: Option<Arc<dyn Clock>>,
    others: Arc<Others>,
    sessions: Option<Sessions>,
    gateway: Gateway,
    lies: Lies,
    /// When the engine was last shown what is held there, as it was.
    shown: Arc<Mutex<BTreeMap<HoldingKey, DateTime<Utc>>>>,
    /// How the broker's order book looks instead, if a test says so.
    pub(crate) rewrite: Arc<Mutex<Option<Rewrite>>>,
}

/// When what trades, by the engine's clock.
#[derive(Debug, Clone)]
struct Sessions {
    calendar: Arc<Calendar>,
    instruments: Arc<InstrumentTable>,
    clock: Arc<dyn Clock>,
}

/// A change of every order book that is read.
pub(crate) struct Rewrite(pub(crate) Box<Change>);

type Change = dyn Fn(Vec<Arc<BookRow>>) -> Snapshot<Arc<BookRow>> + Send;

impl std::fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rewrite")
    }
}

impl Witness {
    pub(crate) fn new(broker: FaultyBroker<PaperBroker>, disk: SimulatedDisk, breaches: Arc<Mutex<Vec<String>>>) -> Self {
        Self {
            broker,
            disk,
            reads: Mutex::default(),
            breaches,
            started: Mutex::default(),
            is_killed: Arc::default(),
            clock: None,
            others: Arc::default(),
            sessions: None,
            gateway: Gateway::default(),
            lies: Lies::default(),
            shown: Arc::default(),
            rewrite: Arc::default(),
        }
    }

    /// The same witness, in an account where others trade too.
    pub(crate) fn among(self, others: Arc<Others>) -> Self {
        Self { others, ..self }
    }

    /// The same witness, behind a gateway that may be in trouble, which counts how often the order book lies.
    pub(crate) fn behind(self, gateway: Gateway, lies: Lies) -> Self {
        Self { gateway, lies, ..self }
    }

    /// The same witness, which also knows when what trades, by the clock that the engine has: a wrong one cannot tell.
    pub(crate) fn in_sessions(self, calendar: Arc<Calendar>, instruments: Arc<InstrumentTable>, clock: Arc<dyn Clock>) -> Self {
        Self { sessions: Some(Sessions { calendar, instruments, clock }), ..self }
    }

    /// The same witness, which also knows when no entry may be called, and the time: what an exit may close is looked up.
    pub(crate) fn forbidding_entries(self, is_killed: Arc<AtomicBool>, clock: Arc<dyn Clock>) -> Self {
        Self { is_killed, clock: Some(clock), ..self }
    }

    /// INV-10, the session and INV-6, against the broker's own truth.
    fn may_be_called(&self, order: &BrokerOrder) -> Result<(), String> {
        if !order.is_exit {
            return self.may_enter(order);
        }
        let key = HoldingKey { instrument: order.instrument.key.clone(), product: order.terms.product };
        self.may_close(&key, order.terms.side, order.terms.quantity.value(), None)
    }

    /// INV-6: so many units may be closed on that side, beside what works there already; `changed`: the order that becomes as
    /// large as that does not work beside itself.
    fn may_close(&self, key: &HoldingKey, side: Side, units: i64, changed: Option<&BrokerOrderId>) -> Result<(), String> {
        let Some(clock) = &self.clock else { return Ok(()) };
        let (exchange, now) = (self.broker.inner().exchange(), clock.now());
        let nets = exchange.position_details();
        let net: i64 = nets.filter(|(holding, _)| *holding == key).map(|(_, position)| position.holding.net).sum();
        let rows = exchange.orders();
        let works = |row: &&Arc<BookRow>| {
            row.state == BookState::Open
                && row.instrument == key.instrument
                && row.product == key.product
                && row.side == side
                && changed != Some(&row.broker_order_id)
                && !self.others.own(row)
        };
        let working: i64 = rows.iter().filter(works).map(|row| row.quantity - row.filled).sum();
        // What others traded a moment ago, or since the engine was last shown the truth, it could not know.
        let shown = self.shown.lock().get(key).copied();
        let is_news = |at: DateTime<Utc>| now - at < UNKNOWN || shown.is_none_or(|shown| shown < at);
        let news = self.others.trades(&exchange).remove(key).unwrap_or_default().into_iter().rev().take_while(|(at, _)| is_news(*at));
        let could_be = news.scan(net, |net, (_, units)| {
            *net -= units;
            Some(*net)
        });
        let room = std::iter::once(net).chain(could_be).map(|net| (-net * side.sign() - working).max(0)).max().unwrap_or(0);
        if units > room {
            let at = now.format("%H:%M:%S%.3f");
            return Err(format!("INV-6: an exit of {units} was called at {at}; {net} are held and {working} work"));
        }
        Ok(())
    }

    fn may_enter(&self, order: &BrokerOrder) -> Result<(), String> {
        if self.is_killed.load(Ordering::SeqCst) {
            return Err("INV-10: an entry was called after a kill was answered".into());
        }
        let Some(Sessions { calendar, instruments, clock }) = &self.sessions else { return Ok(()) };
        let market = Market::of(calendar, &**instruments, &order.instrument.key, false, clock.now(), None);
        if market.is_held && !market.phase.takes_entries() {
            return Err(format!("an entry was called outside its session: {}", market.phase));
        }
        Ok(())
    }

    /// What of these positions is the truth is known to the engine from now on.
    fn noted(&self) -> impl FnOnce(&Snapshot<PositionRow>) + Send + 'static {
        let (broker, shown, clock) = (self.broker.inner().clone(), Arc::clone(&self.shown), self.clock.clone());
        move |read| {
            let (Snapshot::Authoritative(rows, _), Some(clock)) = (read, clock) else { return };
            let exchange = broker.exchange();
            let told: BTreeMap<&HoldingKey, i64> = rows.iter().map(|row| (&row.holding, row.net)).collect();
            for (key, position) in exchange.position_details() {
                if told.get(key) == Some(&position.holding.net) {
                    shown.lock().insert(key.clone(), clock.now());
                }
            }
        }
    }

    /// Whether this order book lies is counted.
    fn counted(&self) -> impl FnOnce(&Snapshot<Arc<BookRow>>) + Send + 'static {
        let (broker, lies, clock) = (self.broker.inner().clone(), self.lies.clone(), self.clock.clone());
        let hides = self.capabilities().visibility_bound;
        move |read| {
            if let Some(clock) = clock {
                lies.look(read, &broker.exchange(), hides, clock.now());
            }
        }
    }

    /// What a gateway in trouble answers to a read.
    fn in_trouble<T: Send + 'static>(&self) -> Option<Call<Snapshot<T>>> {
        let answer = self.gateway.answer(self.clock.as_ref()?.now())?;
        Some(Box::pin(std::future::ready(answer)))
    }

    /// How many of the writes that were started begin like this.
    pub(crate) fn started(&self, prefix: &str) -> usize {
        self.started.lock().iter().filter(|call| call.starts_with(prefix)).count()
    }

    /// The writes that were started, in order.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.started.lock().clone()
    }

    /// Looks at the disk.
    fn read<T>(&self, look: impl FnOnce(&ReadStore) -> Result<T, String>) -> Result<T, String> {
        let mut reads = self.reads.lock();
        if reads.is_none() {
            *reads = Some(ReadStore::simulated(&self.disk).map_err(|error| error.to_string())?);
        }
        reads.as_ref().ok_or_else(|| "the disk is not open".to_owned()).and_then(look)
    }

    /// A committed SENT_TO_BROKER row for exactly this request.
    fn look(store: &ReadStore, prepared: &Prepared) -> Result<(), String> {
        let command = prepared.order.command_id;
        let found = store.find(&command.to_string()).map_err(|error| error.to_string())?;
        // Its children are found by its name too.
        let row = found.into_iter().find(|row| row.command_id == command).ok_or("no row on disk")?;
        if row.status != Status::SentToBroker || row.broker_tag != prepared.order.tag {
            return Err(format!("the row on disk is {} with tag {}", row.status, row.broker_tag));
        }
        let journal = store.order_journal(&row.client_id, command).map_err(|error| error.to_string())?;
        let intended = journal.iter().rev().find(|row| &*row.event == "SENT_TO_BROKER").ok_or("no journal row")?;
        let inputs: serde_json::Value = serde_json::from_str(&intended.inputs).map_err(|error| error.to_string())?;
        if inputs["request"].as_str() != Some(&prepared.request) {
            return Err(format!("the journal has another request: {}", intended.inputs));
        }
        Ok(())
    }
}

impl Witness {
    /// INV-1: a committed MODIFY_SENT row for exactly this request, and no later one of that order. Answers the order. The broker of
    /// another account numbers its orders likewise.
    fn look_at_change(store: &ReadStore, prepared: &PreparedChange) -> Result<OrderRecord, String> {
        let id = &prepared.change.broker_order_id;
        let found = store.find(id.as_str()).map_err(|error| error.to_string())?;
        let mut why = "INV-1: no order on disk has it".to_owned();
        for order in found.into_iter().filter(|order| order.broker_order_id.as_ref() == Some(id)) {
            match Self::newest_change(store, &order)? {
                Some((event, request)) if event == "MODIFY_SENT" && request == prepared.request => return Ok(order),
                newest => why = format!("INV-1: the newest row of a change is {newest:?}"),
            }
        }
        Err(why)
    }

    /// The newest journal row of a change of the order: its event, and the request that it names.
    fn newest_change(store: &ReadStore, order: &OrderRecord) -> Result<Option<(String, String)>, String> {
        let journal = store.order_journal(&order.client_id, order.command_id).map_err(|error| error.to_string())?;
        let Some(newest) = journal.iter().rev().find(|row| row.event.starts_with("MODIFY_")) else { return Ok(None) };
        let inputs: serde_json::Value = serde_json::from_str(&newest.inputs).map_err(|error| error.to_string())?;
        Ok(Some((newest.event.to_string(), inputs["request"].as_str().unwrap_or_default().to_owned())))
    }

    /// INV-10 for entries; INV-6 for an exit that becomes larger.
    fn may_be_changed(&self, order: &OrderRecord, prepared: &PreparedChange) -> Result<(), String> {
        if prepared.change.tag.as_ref() != Some(&order.broker_tag) {
            return Err("INV-2: the change does not name the tag of its order".to_owned());
        }
        if !order.is_exit() {
            let is_killed = self.is_killed.load(Ordering::SeqCst);
            return if is_killed { Err("INV-10: an entry was changed after a kill was answered".to_owned()) } else { Ok(()) };
        }
        let (id, terms) = (&prepared.change.broker_order_id, &prepared.change.terms);
        let shown = self.broker.inner().exchange().orders().into_iter().find(|row| row.broker_order_id == *id);
        let Some(shown) = shown.filter(|row| row.state == BookState::Open && terms.quantity.value() > row.quantity) else { return Ok(()) };
        let key = HoldingKey { instrument: prepared.change.instrument.key.clone(), product: terms.product };
        self.may_close(&key, terms.side, terms.quantity.value() - shown.filled, Some(id))
    }
}

impl Broker for Witness {
    fn capabilities(&self) -> &Capabilities {
        self.broker.capabilities()
    }
    /// Where market orders are not taken, one goes out as a limit at the touch.
    fn prepare(&self, mut order: BrokerOrder, quote: Option<&Quote>) -> Result<Prepared, Refusal> {
        if !self.capabilities().takes_market_orders && order.terms.order_type == OrderType::Market {
            let quote = quote.ok_or_else(|| Refusal { reason: "no fresh quote".to_owned() })?;
            order.terms.order_type = OrderType::Limit;
            order.terms.price = if order.terms.side == Side::Buy { quote.ask } else { quote.bid };
        }
        self.broker.prepare(order, quote)
    }
    fn place(&self, prepared: Prepared) -> Call<PlaceOutcome> {
        if let Err(what) = self.read(|store| Self::look(store, &prepared)) {
            self.breaches.lock().push(format!("INV-1: {} was sent, but {what}", prepared.order.command_id));
        }
        // In a world with a clock no route lets a strategy add.
        if self.clock.is_some()
            && let Err(what) = self.read(|store| rivals::has_none(store, prepared.order.command_id))
        {
            self.breaches.lock().push(format!("{what}: {}", prepared.order.command_id));
        }
        if let Err(what) = self.may_be_called(&prepared.order) {
            self.breaches.lock().push(format!("{what}: {}", prepared.order.command_id));
        }
        self.started.lock().push(format!("place {} {}", prepared.order.instrument.key.symbol, prepared.order.terms.side));
        self.broker.place(prepared)
    }
    fn cancel(&self, id: BrokerOrderId) -> Call<CallOutcome> {
        self.started.lock().push(format!("cancel {id}"));
        self.broker.cancel(id)
    }
    fn prepare_change(&self, change: Modification, quote: Option<&Quote>) -> Result<PreparedChange, Refusal> {
        self.broker.prepare_change(change, quote)
    }
    fn modify(&self, prepared: PreparedChange) -> Call<CallOutcome> {
        if let Err(what) =
            self.read(|store| Self::look_at_change(store, &prepared)).and_then(|order| self.may_be_changed(&order, &prepared))
        {
            self.breaches.lock().push(format!("{} was changed, but {what}", prepared.change.broker_order_id));
        }
        self.started.lock().push(format!("modify {}", prepared.change.broker_order_id));
        self.broker.modify(prepared)
    }
    fn quote(&self, instrument: Arc<Instrument>) -> Call<Result<Quote, NoQuote>> {
        self.broker.quote(instrument)
    }
    fn tells_funds(&self) -> bool {
        self.broker.tells_funds()
    }
    fn funds(&self) -> Call<Result<Funds, NoFunds>> {
        self.broker.funds()
    }
    fn session(&self) -> Call<Session> {
        self.broker.session()
    }
    fn orders(&self) -> Call<Snapshot<Arc<BookRow>>> {
        if let Some(answer) = self.in_trouble() {
            return answer;
        }
        let (read, rewrite, counted) = (self.broker.orders(), Arc::clone(&self.rewrite), self.counted());
        Box::pin(async move {
            let read = match (read.await, &*rewrite.lock()) {
                (Snapshot::Authoritative(rows, _), Some(rewrite)) => rewrite.0(rows),
                (read, _) => read,
            };
            counted(&read);
            read
        })
    }
    fn trades(&self) -> Call<Snapshot<Arc<TradeRow>>> {
        self.in_trouble().unwrap_or_else(|| self.broker.trades())
    }
    fn positions(&self) -> Call<Snapshot<PositionRow>> {
        if let Some(answer) = self.in_trouble() {
            return answer;
        }
        let (read, noted) = (self.broker.positions(), self.noted());
        Box::pin(async move {
            let read = read.await;
            noted(&read);
            read
        })
    }
    fn holdings(&self) -> Call<Snapshot<DeliveryRow>> {
        self.broker.holdings()
    }
    fn stream(&self) -> Option<tokio::sync::mpsc::Receiver<StreamEvent>> {
        self.broker.stream()
    }
}
