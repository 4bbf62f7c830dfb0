//! Stands between the engine and its broker and looks at the disk before every call (INV-1).

mod disk;
mod limits;
mod loss;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate::brokers::faulty::FaultyBroker;
use ordergate::brokers::paper::PaperBroker;
use ordergate::instruments::InstrumentTable;
use ordergate::simulator::exchange::Exchange;
use ordergate::simulator::market::Market as Shows;
use ordergate::store::ReadStore;
use ordergate_actors::Limits;
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::order::{
    BookState, BrokerOrderId, ClientId, CommandId, HoldingKey, Instrument, InstrumentKey, OrderRecord, OrderType, Side, Strategy,
    trading_date,
};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::ports::{
    BookRow, Broker, BrokerOrder, Call, CallOutcome, Capabilities, Clock, DeliveryRow, Funds, Instruments, Modification, NoFunds, NoQuote,
    PlaceOutcome, PositionRow, Prepared, PreparedChange, Quote, Refusal, Session, Snapshot, StreamEvent, TradeRow,
};
use ordergate_actors::risk::Market;
use parking_lot::Mutex;

use super::beside::Others;
use super::disk::Reads;
use super::gateway::Gateway;
use super::kills::Kills;
use super::lies::Lies;
use super::rivals;
use super::truth;
use super::world::client;

/// How long what others trade may stay unknown: a read, a commit, and calls that hang before it in the slot.
const UNKNOWN: TimeDelta = TimeDelta::seconds(20);

#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) broker: FaultyBroker<PaperBroker>,
    /// The disk as it is read.
    reads: Reads,
    pub(crate) breaches: Arc<Mutex<Vec<String>>>,
    /// The writes that were started, in order: `place SBIN-EQ BUY`.
    started: Mutex<Vec<String>>,
    /// Whose account it is.
    client: ClientId,
    /// The calls of each order, by every process.
    calls: Calls,
    /// The account's limits, where what is called is held against them.
    limits: Option<Limits>,
    /// The kills that were answered: no entry may be called.
    kills: Kills,
    clock: Option<Arc<dyn Clock>>,
    others: Arc<Others>,
    sessions: Option<Sessions>,
    /// What the market shows, at any time.
    market: Option<Arc<dyn Shows>>,
    gateway: Gateway,
    lies: Lies,
    /// When calls were made at the broker.
    made: Mutex<Vec<DateTime<Utc>>>,
    /// The orders of others that the engine was shown.
    shown_others: Arc<Mutex<BTreeSet<BrokerOrderId>>>,
    /// How many trades of others there the engine was last shown in what is held there, as it was.
    shown: Arc<Mutex<BTreeMap<HoldingKey, usize>>>,
    /// How the broker's order book looks instead, if a test says so.
    pub(crate) rewrite: Arc<Mutex<Option<Rewritten<Arc<BookRow>>>>>,
    /// How its positions look instead.
    pub(crate) rewrite_positions: Arc<Mutex<Option<Rewritten<PositionRow>>>>,
    /// What the account holds for delivery of earlier days: the paper broker knows of none.
    pub(crate) delivered: Arc<Mutex<Vec<DeliveryRow>>>,
}

/// The calls of each order, by every process.
pub(crate) type Calls = Arc<Mutex<BTreeMap<CommandId, Called>>>;

/// The calls of one order.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Called {
    /// How many there were.
    pub(crate) times: u32,
    /// When it was called first, by the broker's clock.
    pub(crate) at: Option<DateTime<Utc>>,
    /// So many trades of others in its position the engine could know of then: the first ones.
    pub(crate) known: usize,
}

/// When what trades, by the engine's clock.
#[derive(Debug, Clone)]
struct Sessions {
    calendar: Arc<Calendar>,
    instruments: Arc<InstrumentTable>,
    clock: Arc<dyn Clock>,
}

/// A change of every book of a kind that is read.
pub(crate) struct Rewritten<T>(pub(crate) Box<Change<T>>);

type Change<T> = dyn Fn(Vec<T>) -> Snapshot<T> + Send;

impl<T> Rewritten<T> {
    fn over(of: Option<&Self>, read: Snapshot<T>) -> Snapshot<T> {
        match (read, of) {
            (Snapshot::Authoritative(rows, _), Some(rewrite)) => rewrite.0(rows),
            (read, _) => read,
        }
    }
}

impl<T> std::fmt::Debug for Rewritten<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rewrite")
    }
}

impl Witness {
    pub(crate) fn new(broker: FaultyBroker<PaperBroker>, reads: Reads, breaches: Arc<Mutex<Vec<String>>>) -> Self {
        Self {
            broker,
            reads,
            breaches,
            started: Mutex::default(),
            client: client(),
            calls: Calls::default(),
            limits: None,
            kills: Kills::default(),
            clock: None,
            others: Arc::default(),
            sessions: None,
            market: None,
            gateway: Gateway::default(),
            lies: Lies::default(),
            made: Mutex::default(),
            shown_others: Arc::default(),
            shown: Arc::default(),
            rewrite: Arc::default(),
            rewrite_positions: Arc::default(),
            delivered: Arc::default(),
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

    /// The same witness, which also knows what the market shows: what a day has lost is worked out by it.
    pub(crate) fn watching(self, market: Arc<dyn Shows>) -> Self {
        Self { market: Some(market), ..self }
    }

    /// The same witness, which also knows when no entry may be called, and the time: what an exit may close is looked up.
    pub(crate) fn forbidding_entries(self, kills: Kills, clock: Arc<dyn Clock>) -> Self {
        Self { kills, clock: Some(clock), ..self }
    }

    /// The same witness, of that account, counting on where the processes before it ended.
    pub(crate) fn of(self, client: ClientId, calls: Calls) -> Self {
        Self { client, calls, ..self }
    }

    /// The same witness, which also holds entries against these limits, and exits against what their strategy holds.
    pub(crate) fn within(self, limits: Limits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// INV-10, the session and INV-6, against the broker's own truth.
    fn may_be_called(&self, record: &OrderRecord, order: &BrokerOrder) -> Result<(), String> {
        if !order.is_exit {
            return self.may_enter(record, order);
        }
        let key = HoldingKey { instrument: order.instrument.key.clone(), product: order.terms.product };
        let (side, units) = (order.terms.side, order.terms.quantity.value());
        self.may_close(&key, (side, order.terms.order_type), units, None)?;
        if self.limits.is_none() {
            return Ok(());
        }
        let exchange = self.broker.inner().exchange();
        let told_refused = self.told_refused(&key, side)?;
        self.read(|store| {
            let is_news = |nth, at| self.is_news(&key, nth, at);
            limits::of_its_own(store, &exchange, &self.others, record, (&key, side, units), told_refused, is_news)
        })
    }

    /// Whether the engine could not know yet the trade of others that was the `nth` there and traded then: a moment ago, or since it
    /// was last shown the truth. By number: a clock that is set back would tell an order of its own.
    fn is_news(&self, key: &HoldingKey, nth: usize, at: DateTime<Utc>) -> bool {
        let shown = self.shown.lock().get(key).copied();
        self.clock.as_ref().is_some_and(|clock| clock.now() - at < UNKNOWN) || shown.is_none_or(|shown| shown <= nth)
    }

    /// INV-6: so many units may be closed on that side, beside what works there already; `changed`: the order that becomes as
    /// large as that does not work beside itself.
    fn may_close(
        &self,
        key: &HoldingKey,
        (side, order_type): (Side, OrderType),
        units: i64,
        changed: Option<&BrokerOrderId>,
    ) -> Result<(), String> {
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
                && (!self.others.own(row) || self.counts_of_others(row, order_type, now))
        };
        let working: i64 = rows.iter().filter(works).map(|row| row.quantity - row.filled).sum();
        let others = self.others.trades(&exchange).remove(key).unwrap_or_default();
        let news = others.into_iter().enumerate().rev().take_while(|(nth, (at, _))| self.is_news(key, *nth, *at));
        let could_be = news.scan(net, |net, (_, (_, units))| {
            *net -= units;
            Some(*net)
        });
        let room = std::iter::once(net).chain(could_be).map(|net| (-net * side.sign() - working).max(0)).max().unwrap_or(0);
        if units > room + self.told_refused(key, side)? {
            let at = now.format("%H:%M:%S%.3f");
            return Err(format!("INV-6: an exit of {units} was called at {at}; {net} are held and {working} work"));
        }
        Ok(())
    }

    /// Whether an order of others leaves what it is for to no exit of that type, and the engine knows of it: one at the market trades as
    /// soon as it can, and beside a stop none is rested. A limit may rest far away, and holds nothing back.
    fn counts_of_others(&self, row: &BookRow, order_type: OrderType, now: DateTime<Utc>) -> bool {
        let is_stop = row.trigger_price.is_some();
        let counts = if is_stop { order_type.has_trigger() } else { row.price.is_none() };
        counts && now - row.at >= UNKNOWN && self.shown_others.lock().contains(&row.broker_order_id)
    }

    /// What orders on that side have closed, or still close, whose refusal stands on disk although the broker took them: who was told so
    /// counts none of it.
    fn told_refused(&self, key: &HoldingKey, side: Side) -> Result<i64, String> {
        let is_there = |row: &&Arc<BookRow>| {
            row.instrument == key.instrument && row.product == key.product && row.side == side && !self.others.own(row)
        };
        let mut units = 0;
        for row in self.broker.inner().exchange().orders().iter().filter(is_there) {
            if self.read(|store| disk::stands_refused(store, &self.client, row))? {
                units += if row.state == BookState::Open { row.quantity } else { row.filled };
            }
        }
        Ok(units)
    }

    /// INV-2: an order is called once, whatever became of the call.
    fn is_first_call(&self, order: &BrokerOrder) -> Result<(), String> {
        let key = HoldingKey { instrument: order.instrument.key.clone(), product: order.terms.product };
        let others = self.others.trades(&self.broker.inner().exchange()).remove(&key).unwrap_or_default();
        let known = others.iter().enumerate().take_while(|(nth, (at, _))| !self.is_news(&key, *nth, *at)).count();
        let mut calls = self.calls.lock();
        let called = calls.entry(order.command_id).or_insert(Called { times: 0, at: self.clock.as_ref().map(|clock| clock.now()), known });
        called.times += 1;
        if called.times > 1 { Err(format!("INV-2: an order was called {} times", called.times)) } else { Ok(()) }
    }

    /// A kill that was answered forbids it; and so does what stands on disk, whoever stopped what: a person, the day's loss, the engine.
    /// What is raised holds before it is there, and what is lowered after.
    fn is_killed(&self, strategy: &Strategy) -> Result<bool, String> {
        let control = || self.read(|store| disk::control(store, &self.client));
        if self.kills.forbid(strategy, control)? {
            return Ok(true);
        }
        let Some(Sessions { clock, .. }) = &self.sessions else { return Ok(false) };
        Ok(control()?.level_on(strategy, trading_date(clock.now())) > KillLevel::None)
    }

    /// One more call at the broker, which takes so many in a second and in a minute, by the clock that the engine has.
    fn counted_in_the_budget(&self) {
        let (Some(budget), Some(Sessions { clock, .. })) = (self.capabilities().budget, &self.sessions) else { return };
        let now = clock.now();
        let mut made = self.made.lock();
        made.push(now);
        let since = |time: TimeDelta| made.iter().rev().take_while(|at| now - **at < time).count();
        let (second, minute) = (since(TimeDelta::seconds(1)), since(TimeDelta::minutes(1)));
        if second > budget.per_second as usize || minute > budget.per_minute as usize {
            self.breaches.lock().push(format!("call {second} of a second and {minute} of a minute was made: {budget:?}"));
        }
    }

    fn may_enter(&self, record: &OrderRecord, order: &BrokerOrder) -> Result<(), String> {
        if self.is_killed(&record.ask.strategy)? {
            return Err("INV-10: an entry was called after a kill was answered".into());
        }
        if let Some(limits) = &self.limits {
            let exchange = self.broker.inner().exchange();
            self.read(|store| limits::within(store, &exchange, &self.others, limits, record, None))?;
            self.day_goes_on(&exchange, limits)?;
        }
        self.is_in_session(&order.instrument.key)
    }

    /// INV-5: no entry goes when the exchange says for long that the day has lost what it may. A clock that has jumped shows the engine
    /// another market than the exchange's.
    fn day_goes_on(&self, exchange: &Exchange, limits: &Limits) -> Result<(), String> {
        let (Some(sessions), Some(clock), Some(market)) = (&self.sessions, &self.clock, &self.market) else { return Ok(()) };
        let now = clock.now();
        if (sessions.clock.now() - now).abs() > TimeDelta::seconds(1) {
            return Ok(());
        }
        let price = |key: &InstrumentKey, at| market.depth(&*sessions.instruments.find(key)?, at);
        let orders = self.read(|store| truth::orders_of(store, &self.client))?;
        loss::day_goes_on(exchange, &self.others, &orders, limits.daily_loss, &price, (now - UNKNOWN, now))
    }

    fn is_in_session(&self, key: &InstrumentKey) -> Result<(), String> {
        let Some(Sessions { calendar, instruments, clock }) = &self.sessions else { return Ok(()) };
        let market = Market::of(calendar, &**instruments, key, false, clock.now(), None);
        if market.is_held && !market.phase.takes_entries() {
            return Err(format!("an entry was called outside its session: {}", market.phase));
        }
        Ok(())
    }

    /// What of these positions is the truth is known to the engine from now on.
    fn noted(&self) -> impl FnOnce(&Snapshot<PositionRow>) + Send + 'static {
        let (broker, shown, others) = (self.broker.inner().clone(), Arc::clone(&self.shown), Arc::clone(&self.others));
        move |read| {
            let Snapshot::Authoritative(rows, _) = read else { return };
            let exchange = broker.exchange();
            let trades = others.trades(&exchange);
            let told: BTreeMap<&HoldingKey, i64> = rows.iter().map(|row| (&row.holding, row.net)).collect();
            for (key, position) in exchange.position_details() {
                if told.get(key) == Some(&position.holding.net) {
                    shown.lock().insert(key.clone(), trades.get(key).map_or(0, Vec::len));
                }
            }
        }
    }

    /// Whether this order book lies is counted.
    fn counted(&self) -> impl FnOnce(&Snapshot<Arc<BookRow>>) + Send + 'static {
        let (broker, lies, clock) = (self.broker.inner().clone(), self.lies.clone(), self.clock.clone());
        let (others, shown) = (Arc::clone(&self.others), Arc::clone(&self.shown_others));
        let hides = self.capabilities().visibility_bound;
        move |read| {
            if let Snapshot::Authoritative(rows, _) = read {
                let theirs = rows.iter().filter(|row| others.own(row)).map(|row| row.broker_order_id.clone());
                shown.lock().extend(theirs);
            }
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
        self.reads.look(look)
    }

    /// INV-10, the session and INV-5 for entries; INV-6 for an exit that becomes larger.
    fn may_be_changed(&self, order: &OrderRecord, prepared: &PreparedChange) -> Result<(), String> {
        if prepared.change.tag.as_ref() != Some(&order.broker_tag) {
            return Err("INV-2: the change does not name the tag of its order".to_owned());
        }
        if !order.is_exit() {
            if self.is_killed(&order.ask.strategy)? {
                return Err("INV-10: an entry was changed after a kill was answered".to_owned());
            }
            self.is_in_session(&prepared.change.instrument.key)?;
            let Some(limits) = &self.limits else { return Ok(()) };
            let (exchange, units) = (self.broker.inner().exchange(), prepared.change.terms.quantity.value());
            return self.read(|store| limits::within(store, &exchange, &self.others, limits, order, Some(units)));
        }
        let (id, terms) = (&prepared.change.broker_order_id, &prepared.change.terms);
        let shown = self.broker.inner().exchange().orders().into_iter().find(|row| row.broker_order_id == *id);
        let Some(shown) = shown.filter(|row| row.state == BookState::Open && terms.quantity.value() > row.quantity) else { return Ok(()) };
        let key = HoldingKey { instrument: prepared.change.instrument.key.clone(), product: terms.product };
        self.may_close(&key, (terms.side, terms.order_type), terms.quantity.value() - shown.filled, Some(id))
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
        self.counted_in_the_budget();
        let command = prepared.order.command_id;
        let sent = self.read(|store| disk::sent(store, &self.client, &prepared));
        let allowed = sent.and_then(|record| self.may_be_called(&record, &prepared.order));
        // In a world with a clock no route lets a strategy add.
        let alone = || self.read(|store| rivals::has_none(store, command));
        let alone = if self.clock.is_some() { alone() } else { Ok(()) };
        for what in [self.is_first_call(&prepared.order), allowed, alone].into_iter().filter_map(Result::err) {
            self.breaches.lock().push(format!("{command} was sent, but {what}"));
        }
        self.started.lock().push(format!("place {} {}", prepared.order.instrument.key.symbol, prepared.order.terms.side));
        self.broker.place(prepared)
    }
    fn cancel(&self, id: BrokerOrderId) -> Call<CallOutcome> {
        self.counted_in_the_budget();
        if let Err(what) = self.read(|store| disk::cancelled(store, &self.client, &id)) {
            self.breaches.lock().push(format!("{id} was cancelled, but {what}"));
        }
        self.started.lock().push(format!("cancel {id}"));
        self.broker.cancel(id)
    }
    fn prepare_change(&self, change: Modification, quote: Option<&Quote>) -> Result<PreparedChange, Refusal> {
        self.broker.prepare_change(change, quote)
    }
    fn modify(&self, prepared: PreparedChange) -> Call<CallOutcome> {
        self.counted_in_the_budget();
        if let Err(what) =
            self.read(|store| disk::changed(store, &self.client, &prepared)).and_then(|order| self.may_be_changed(&order, &prepared))
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
        self.counted_in_the_budget();
        if let Some(answer) = self.in_trouble() {
            return answer;
        }
        let (read, rewrite, counted) = (self.broker.orders(), Arc::clone(&self.rewrite), self.counted());
        Box::pin(async move {
            let read = read.await;
            let read = Rewritten::over(rewrite.lock().as_ref(), read);
            counted(&read);
            read
        })
    }
    fn trades(&self) -> Call<Snapshot<Arc<TradeRow>>> {
        self.counted_in_the_budget();
        self.in_trouble().unwrap_or_else(|| self.broker.trades())
    }
    fn positions(&self) -> Call<Snapshot<PositionRow>> {
        self.counted_in_the_budget();
        if let Some(answer) = self.in_trouble() {
            return answer;
        }
        let (read, rewrite, noted) = (self.broker.positions(), Arc::clone(&self.rewrite_positions), self.noted());
        Box::pin(async move {
            let read = read.await;
            let read = Rewritten::over(rewrite.lock().as_ref(), read);
            noted(&read);
            read
        })
    }
    fn holdings(&self) -> Call<Snapshot<DeliveryRow>> {
        let (read, delivered) = (self.broker.holdings(), Arc::clone(&self.delivered));
        Box::pin(async move {
            match read.await {
                Snapshot::Authoritative(rows, unreadable) => {
                    Snapshot::Authoritative(rows.into_iter().chain(delivered.lock().iter().cloned()).collect(), unreadable)
                }
                other => other,
            }
        })
    }
    fn stream(&self) -> Option<tokio::sync::mpsc::Receiver<StreamEvent>> {
        self.broker.stream()
    }
}
