//! Closing everything that the broker shows open, without the engine: for the day on which the engine cannot be used.
//!
//! The truth is the broker's alone: its positions, its order book. Open orders are cancelled and proven gone, shorts are
//! bought back before longs are sold, delivery holdings are left alone, and it is done when the broker shows it flat. Every
//! call is in a log of its own, on disk, before it is made, and within the account's budget. A read that proves nothing is made
//! again, ever more slowly. *Invariant:* no exit is sent for a position that an open order, or one in doubt, may be closing, and
//! none for more than the broker holds for certain, whatever its books lack for a moment ([`Tally`]); no order is cancelled in
//! an instrument whose position cannot be closed ([`Plan::stuck`]): it may be its stop; none that closes a position in a market
//! that has nothing better for it now ([`Hours`]): what lies in the closing auction is the exit; and before the broker must show what was sent
//! before this run, by an engine that was killed, say, no exit is sent and nothing is called flat.

mod calls;
mod hours;
mod log;
mod plan;
mod run;
mod tally;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::broker::Meter;
use ordergate_actors::exits::in_lots;
use ordergate_actors::order::basket::COVER_FIRST;
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::order::{
    BookState, BrokerOrderId, BrokerTag, CommandId, Instrument, InstrumentKey, OrderType, Price, Quantity, Side, Terms, Validity,
};
use ordergate_actors::ports::{
    BookRow, Broker, BrokerOrder, Budget, CallOutcome, Clock, Instruments, PlaceOutcome, PositionRow, Prepared, Quote, Session,
};
use ordergate_actors::risk::Market;
use ordergate_actors::watcher::Other;
use rust_decimal::Decimal;
use serde_json::json;
use tokio::time::{Instant, sleep};

pub use hours::{Hours, in_auction};
pub use log::SquareOffLog;
pub use plan::{Beside, Close, Kept, Obstacle, Plan, Stays, plan};
use run::{Run, Tried, refused};
pub use tally::{Look, Tally};

/// What is sent for one position goes by one look; when its calls had to wait for so long, it is looked at again first.
const LOOK_STANDS: Duration = Duration::from_secs(5);

/// Positions and orders.
const READS_OF_A_LOOK: u32 = 2;

/// How patient it is.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two looks at the books; longer where the budget asks for it.
    pub look: Duration,
    /// How long a cancel, or an exit, may take before it is tried again.
    pub patience: Duration,
    /// How long a book that proves nothing is read again.
    pub reads: Duration,
    /// How often it sends exits for one position.
    pub attempts: u32,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The broker showed that nothing was there to close.
    Nothing,
    /// The broker shows it flat.
    Flat,
    /// So many attempts were not enough; what is open still.
    NotFlat(Vec<String>),
    /// The broker's books could not be read: nothing is known, and nothing was concluded.
    Unknown(String),
}

/// One account, and what is needed to close what it holds.
#[derive(Debug)]
pub struct SquareOff<'a> {
    broker: &'a dyn Broker,
    instruments: &'a dyn Instruments,
    clock: &'a dyn Clock,
    calendar: Arc<Calendar>,
    pace: Pace,
    meter: Meter,
    /// Whether limits of others, each by its order and price, will trade in the auction in which they lie.
    judged: BTreeMap<(BrokerOrderId, Option<Decimal>), bool>,
    /// When nothing else sent orders any more, as far as this machine knows.
    begun: Instant,
}

impl<'a> SquareOff<'a> {
    /// A square-off with a call budget of its own: no engine runs beside it.
    #[must_use]
    pub fn new(broker: &'a dyn Broker, budget: Option<Budget>, instruments: &'a dyn Instruments, clock: &'a dyn Clock, pace: Pace) -> Self {
        let look = budget.map_or(pace.look, |budget| pace.look.max(evenly(&budget)));
        Self {
            broker,
            instruments,
            clock,
            calendar: Arc::default(),
            pace: Pace { look, ..pace },
            meter: Meter::new(budget),
            judged: BTreeMap::new(),
            begun: Instant::now(),
        }
    }

    /// By the hours of that calendar. Without one nothing is known of any, and every market takes exits.
    #[must_use]
    pub fn by(self, calendar: Arc<Calendar>) -> Self {
        Self { calendar, ..self }
    }

    /// Waits for a proven session.
    ///
    /// # Errors
    /// The broker's words, or what a person must do.
    pub async fn session(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + self.pace.patience.saturating_mul(2);
        loop {
            match self.broker.session().await {
                Session::Ready => return Ok(()),
                Session::NotReady(words) | Session::Resting(words) if Instant::now() >= deadline => return Err(words),
                Session::NotReady(_) | Session::Resting(_) => sleep(self.pace.look).await,
            }
        }
    }

    /// What the broker shows, and what would be done.
    ///
    /// # Errors
    /// A book could not be read whole for so long.
    pub async fn look(&mut self) -> Result<Plan, String> {
        let mut tally = Tally::new(self.broker.capabilities().visibility_bound);
        let look = self.books(&mut tally).await?;
        self.judge(&look).await;
        Ok(self.planned(&look, &tally))
    }

    /// How long the broker may still lack what was sent before: that nothing is there is believed of a later look only.
    #[must_use]
    pub fn shows_all_in(&self) -> Duration {
        self.shows_all_from().saturating_duration_since(Instant::now())
    }

    /// What was sent before is shown by books that are asked for from then on.
    fn shows_all_from(&self) -> Instant {
        self.begun + self.broker.capabilities().visibility_bound
    }

    /// The plan for these books, without what cannot be closed, and without the cancels of what closes a position better than
    /// anything that could be sent now.
    fn planned(&self, look: &Look, tally: &Tally) -> Plan {
        let hours = |close: &Close| self.hours(&close.holding.instrument);
        let least = |close: &Close| tally.least(&close.holding, close.net());
        let open = Plan { beside: look.beside.clone(), ..plan(&look.orders, &look.positions) };
        open.without_stuck(|close| self.obstacle(close)).within(hours, least, |row| tally.is_ours(row) || self.trades_in_auction(row))
    }

    fn hours(&self, instrument: &InstrumentKey) -> Hours {
        let (now, is_live) = (self.clock.now(), self.broker.capabilities().is_live);
        Hours::of(&Market::of(&self.calendar, self.instruments, instrument, is_live, now, None), now)
    }

    /// Whether an order of others will trade in the auction in which it lies. One of which that is not known stays: without a quote
    /// nothing can be sent in its place either. A stop is taken by no auction.
    fn trades_in_auction(&self, row: &BookRow) -> bool {
        let judged = self.judged.get(&(row.broker_order_id.clone(), row.price));
        judged.copied().unwrap_or_else(|| !Other { row, units: 0 }.is_stop())
    }

    /// Asks for a quote for each limit that lies in an auction: somebody's target far away closes nothing there.
    async fn judge(&mut self, look: &Look) {
        let closes = |row: &BookRow| {
            let holds =
                |position: &PositionRow| position.holding == tally::holding(row) && Side::of_net(position.net) == Some(row.side.opposite());
            row.state == BookState::Open && row.price.is_some() && look.positions.iter().any(holds)
        };
        for row in look.orders.iter().filter(|row| closes(row)) {
            let key = (row.broker_order_id.clone(), row.price);
            if self.judged.contains_key(&key) || !matches!(self.hours(&row.instrument), Hours::Auction { .. }) {
                continue;
            }
            let Some(instrument) = self.instruments.find(&row.instrument) else { continue };
            if let Some(quote) = self.call_quote(&instrument).await {
                self.judged.insert(key, Other { row, units: plan::left(row) }.trades_at_once(Some(&quote)));
            }
        }
    }

    /// Why no exit could be sent for it, if none could: seen by an order that is prepared and goes nowhere. It has a price, because
    /// a quote that is missing now may be there when it is needed.
    fn obstacle(&self, close: &Close) -> Option<Obstacle> {
        let Some(instrument) = self.instruments.find(&close.holding.instrument) else { return Some(Obstacle::NotInMaster) };
        let quantity = Quantity::new(close.units.min(largest(&instrument)))?;
        let price = Some(instrument.tick);
        let order = self.exit(&instrument, close, quantity, (OrderType::Limit, price), 0);
        if let Err(words) = order.and_then(|order| self.prepared(order, None)) {
            return Some(Obstacle::Refused(words));
        }
        match self.hours(&close.holding.instrument) {
            Hours::Shut { phase } => Some(Obstacle::Shut(phase)),
            Hours::Trades | Hours::Auction { .. } | Hours::Waits { .. } => None,
        }
    }

    /// Closes everything.
    ///
    /// # Errors
    /// The log cannot be written: nothing more is sent.
    pub async fn run(&mut self, log: &mut SquareOffLog) -> io::Result<End> {
        let bound = self.broker.capabilities().visibility_bound;
        let each = self.pace.patience.saturating_mul(2).saturating_add(bound);
        let give_up = self.shows_all_from().max(Instant::now()) + each.saturating_mul(self.pace.attempts).saturating_add(bound);
        let mut run = Run::new(bound, each, give_up);
        loop {
            let read = self.books(&mut run.tally).await;
            for words in run.tally.doubts() {
                log.write(json!({ "event": "NOT_WHOLE", "cause": words }))?;
            }
            let look = match read {
                Ok(look) => look,
                Err(words) => {
                    log.write(json!({ "event": "UNKNOWN", "cause": words }))?;
                    return Ok(End::Unknown(words));
                }
            };
            run.tally.see(&look, self.clock.now());
            run.learn(&look);
            self.judge(&look).await;
            let seen = self.planned(&look, &run.tally);
            run.rests(&seen, self.clock.now());
            let shows_all = look.asked >= self.shows_all_from();
            if shows_all && seen.is_done() && run.tally.is_settled() {
                let is_nothing = run.sent == 0 && run.cancelled.is_empty() && run.rests_until.is_none();
                log.write(json!({ "event": "FLAT", "exits": run.sent, "left_alone": seen.left_alone.len(), "kept": seen.kept.len() }))?;
                return Ok(if is_nothing { End::Nothing } else { End::Flat });
            }
            if Instant::now() >= run.give_up || (shows_all && self.is_worn_out(&seen, &run)) {
                let left: Vec<String> = seen.words().into_iter().chain(run.tally.words()).collect();
                log.write(json!({ "event": "NOT_FLAT", "left": left }))?;
                return Ok(End::NotFlat(left));
            }
            self.cancel(&seen, &mut run, log).await?;
            // An exit that was sent before may not be shown yet: a second one would open what it closes.
            for close in seen.closes.iter().filter(|close| shows_all && seen.takes_exits(close)) {
                if !self.waits_for_its_short(close, &seen, &mut run, log)? {
                    self.close(close, &seen, &look, &mut run, log).await?;
                }
            }
            sleep(self.pace.look).await;
        }
    }

    /// Whether every position that is open was tried as often as it may be, and nothing is awaited any more.
    fn is_worn_out(&self, seen: &Plan, run: &Run) -> bool {
        let is_tried = |close: &Close| {
            run.tried(close).is_some_and(|tried| tried.times >= self.pace.attempts && tried.last.elapsed() >= self.pace.patience)
        };
        let rests = run.rests_until.is_some_and(|until| Instant::now() < until);
        !rests && seen.cancels.is_empty() && run.tally.is_settled() && seen.closes.iter().all(is_tried)
    }

    /// Asks for what works to be cancelled. An exit of this run first has its time to fill.
    async fn cancel(&mut self, seen: &Plan, run: &mut Run, log: &mut SquareOffLog) -> io::Result<()> {
        let patience = self.pace.patience;
        for row in &seen.cancels {
            let id = &row.broker_order_id;
            let is_early = |since: Option<Instant>| since.is_some_and(|since| since.elapsed() < patience);
            if is_early(run.tally.sent_at(row)) || is_early(run.cancelled.get(id).copied()) {
                continue;
            }
            log.write(json!({ "event": "CANCEL", "broker_order_id": id, "instrument": row.instrument.to_string() }))?;
            let outcome = self.call_cancel(id, row.instrument.exchange).await;
            log.write(json!({ "event": "CANCEL_ANSWER", "broker_order_id": id, "answer": cancel_words(&outcome) }))?;
            if !matches!(outcome, CallOutcome::NotSent(_) | CallOutcome::RateLimited { .. }) {
                run.cancelled.insert(id.clone(), Instant::now());
            }
        }
        Ok(())
    }

    /// Whether it covers a short that is open still, and waits for that; not for ever.
    fn waits_for_its_short(&self, close: &Close, seen: &Plan, run: &mut Run, log: &mut SquareOffLog) -> io::Result<bool> {
        let instrument = |close: &Close| self.instruments.find(&close.holding.instrument);
        let Some(mine) = instrument(close) else { return Ok(false) };
        let mut open = seen.closes.iter().chain(seen.stuck.iter().map(|(close, _)| close));
        let covers = |short: &Close| instrument(short).is_some_and(|short| mine.covers(close.side.opposite(), &short));
        let Some(short) = open.find(|short| short.side == Side::Buy && covers(short)) else { return Ok(false) };
        if run.covers.entry(close.holding.clone()).or_insert_with(Instant::now).elapsed() < COVER_FIRST.to_std().unwrap_or_default() {
            return Ok(true);
        }
        let words = format!("{} is closed although {}, which it covers, is not bought back yet", close.holding, short.holding);
        if run.uncovered.insert(close.holding.clone()) {
            tracing::warn!(event = "square_off_uncovers", "{words}");
            log.write(json!({ "event": "UNCOVERS", "cause": words }))?;
        }
        Ok(false)
    }

    /// Sends the exits of one position, in slices that the exchange takes, if nothing else may be closing it.
    async fn close(&mut self, close: &Close, seen: &Plan, look: &Look, run: &mut Run, log: &mut SquareOffLog) -> io::Result<()> {
        let lying = seen.lying(close);
        let lies = lying.iter().map(|row| plan::left(row)).fold(0, i64::saturating_add);
        let mut left = run.tally.least(&close.holding, close.net()).saturating_sub(lies).max(0);
        let tried = run.tried(close);
        let may_try = tried.is_none_or(|tried| tried.times < self.pace.attempts && tried.last.elapsed() >= self.pace.patience);
        if left == 0 || !may_try || seen.is_open_in(close) || run.tally.awaits(&close.holding, &lying) {
            return Ok(());
        }
        let number = tried.map_or(0, |tried| tried.times).saturating_add(1);
        let try_now = || Tried { times: number, last: Instant::now(), units: close.units };
        let Some(instrument) = self.instruments.find(&close.holding.instrument) else {
            let words = format!("{} is not in the instrument master; close it at the broker", close.holding);
            run.tried.insert(close.holding.clone(), try_now());
            return log.write(json!({ "event": "NOT_SENT", "cause": words }));
        };
        let most = run.most.get(&close.holding).map_or(i64::MAX, |most| in_lots(*most, &instrument)).min(largest(&instrument));
        while let Some(quantity) = Quantity::new(left.min(most)) {
            left -= quantity.value();
            // What the look is too old for was not tried: the next look has it again.
            if look.read.elapsed() >= LOOK_STANDS {
                return Ok(());
            }
            let prepared = match self.prepare(&instrument, close, quantity, run.sent + 1).await {
                Ok(prepared) => prepared,
                Err(cause) => {
                    run.tried.insert(close.holding.clone(), try_now());
                    return log.write(json!({ "event": "NOT_SENT", "instrument": close.holding.to_string(), "cause": cause }));
                }
            };
            self.room_for_an_exit(&instrument).await;
            if look.read.elapsed() >= LOOK_STANDS {
                return Ok(());
            }
            run.sent += 1;
            let tag = prepared.order.tag.clone();
            log.write(json!({ "event": "EXIT", "attempt": number, "tag": tag.to_string(), "request": prepared.request }))?;
            let at = Instant::now();
            let outcome = self.call_place(prepared).await;
            match &outcome {
                PlaceOutcome::Accepted(id) => run.tally.sent(&close.holding, &tag, Some(id.clone()), at),
                PlaceOutcome::Unconfirmed(_) => run.tally.sent(&close.holding, &tag, None, Instant::now()),
                PlaceOutcome::Rejected(words) => refused(&mut run.most, close.holding.clone(), words, quantity.value()),
                _ => {}
            }
            // What never reached the broker was no try.
            if !matches!(outcome, PlaceOutcome::NotSent(_) | PlaceOutcome::RateLimited { .. }) {
                run.tried.insert(close.holding.clone(), try_now());
                run.give_up = run.give_up.max(Instant::now() + run.each);
            }
            log.write(json!({ "event": "EXIT_ANSWER", "tag": tag.to_string(), "answer": format!("{outcome:?}") }))?;
            // One slice that may be live is enough doubt about the whole position.
            if !matches!(outcome, PlaceOutcome::Accepted(_)) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// An exit at the market, as this broker takes it.
    async fn prepare(&mut self, instrument: &Arc<Instrument>, close: &Close, quantity: Quantity, number: u64) -> Result<Prepared, String> {
        let takes_market_orders = self.broker.capabilities().takes_market_orders;
        let quote = if takes_market_orders { None } else { self.call_quote(instrument).await };
        let lies = matches!(self.hours(&instrument.key), Hours::Auction { .. });
        let quote = quote.map(|quote| if lies { in_auction(quote, close.side) } else { quote });
        let order = self.exit(instrument, close, quantity, (OrderType::Market, None), number)?;
        self.prepared(order, quote.as_ref())
    }

    fn prepared(&self, order: BrokerOrder, quote: Option<&Quote>) -> Result<Prepared, String> {
        self.broker.prepare(order, quote).map_err(|refusal| refusal.reason)
    }

    fn exit(
        &self,
        instrument: &Arc<Instrument>,
        close: &Close,
        quantity: Quantity,
        (order_type, price): (OrderType, Option<Price>),
        number: u64,
    ) -> Result<BrokerOrder, String> {
        let (side, product) = (close.side, close.holding.product);
        let terms = Terms { side, quantity, product, order_type, validity: Validity::Day, price, trigger_price: None };
        let (tag, instrument) = (self.tag(number)?, Arc::clone(instrument));
        Ok(BrokerOrder { command_id: CommandId(uuid::Uuid::nil()), instrument, terms, tag, is_exit: true })
    }

    /// No tag of an engine's: the next start takes these orders for somebody else's, which they are.
    fn tag(&self, number: u64) -> Result<BrokerTag, String> {
        let millis = u64::try_from(self.clock.now().timestamp_millis()).unwrap_or(0).wrapping_add(number) % 10_000_000_000_000;
        BrokerTag::parse(&format!("SQ{millis:013}")).map_err(|cause| cause.to_string())
    }
}

/// The most units that the exchange takes in one order.
fn largest(instrument: &Instrument) -> i64 {
    instrument.max_quantity().unwrap_or(i64::MAX).max(1)
}

/// The time between two looks at which their reads use up what a minute has for reads, and no look has to wait for the next one.
fn evenly(budget: &Budget) -> Duration {
    let common = budget.per_minute.saturating_sub(budget.reserved_per_minute);
    let reads = budget.reads_per_minute.max(common / 2).max(1);
    Duration::from_secs(60) * READS_OF_A_LOOK / reads
}

fn cancel_words(outcome: &CallOutcome) -> String {
    match outcome {
        CallOutcome::Accepted => "taken".to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests;
