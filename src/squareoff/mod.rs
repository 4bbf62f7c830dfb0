//! Closing everything that the broker shows open, without the engine: for the day on which the engine cannot be used.
//!
//! The truth is the broker's alone: its positions, its order book. Open orders are cancelled and proven gone, shorts are
//! bought back before longs are sold, delivery holdings are left alone, and it is done when the broker shows it flat. Every
//! call is in a log of its own, on disk, before it is made. *Invariant:* no exit is sent for a position that an open order,
//! or one in doubt, may be closing.

mod log;
mod plan;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::order::{BrokerTag, CommandId, Instrument, OrderType, Quantity, Terms, Validity};
use ordergate_actors::ports::{Broker, BrokerOrder, CallOutcome, Clock, Instruments, PlaceOutcome, Session, Snapshot};
use serde_json::json;
use tokio::time::{Instant, sleep};

pub use log::SquareOffLog;
pub use plan::{Close, Plan, plan};

/// How patient it is.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two calls that write.
    pub between: Duration,
    /// Between two looks at the books.
    pub look: Duration,
    /// How long a cancel, or an exit, may take to show.
    pub patience: Duration,
    /// How often it tries.
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
    /// Its broker.
    pub broker: &'a dyn Broker,
    /// Today's instruments.
    pub instruments: &'a dyn Instruments,
    /// The time.
    pub clock: &'a dyn Clock,
    /// How patient it is.
    pub pace: Pace,
}

impl SquareOff<'_> {
    /// Waits for a proven session.
    ///
    /// # Errors
    /// The broker's words, or what a person must do.
    pub async fn session(&self) -> Result<(), String> {
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
    /// A book could not be read whole.
    pub async fn look(&self) -> Result<Plan, String> {
        let orders = whole("the order book", self.broker.orders().await)?;
        let positions = whole("the positions", self.broker.positions().await)?;
        Ok(plan(&orders, &positions))
    }

    /// Closes everything.
    ///
    /// # Errors
    /// The log cannot be written: nothing more is sent.
    pub async fn run(&self, log: &mut SquareOffLog) -> io::Result<End> {
        let mut sent = 0;
        for attempt in 1..=self.pace.attempts {
            let seen = match self.cancelled(log).await? {
                Ok(seen) => seen,
                Err(words) => {
                    log.write(json!({ "event": "UNKNOWN", "cause": words }))?;
                    return Ok(End::Unknown(words));
                }
            };
            if seen.closes.is_empty() && seen.cancels.is_empty() {
                let end = if sent == 0 && attempt == 1 { End::Nothing } else { End::Flat };
                log.write(json!({ "event": "FLAT", "attempt": attempt, "left_alone": seen.left_alone.len() }))?;
                return Ok(end);
            }
            let mut is_in_doubt = false;
            for close in seen.closes.iter().filter(|close| !seen.is_open_in(close)) {
                is_in_doubt |= self.close(close, attempt, &mut sent, log).await?;
            }
            if is_in_doubt {
                // What may be live must be able to show before anything is sent for it again.
                sleep(self.broker.capabilities().visibility_bound).await;
            }
            self.wait_until_flat().await;
        }
        Ok(match self.look().await {
            Ok(seen) if seen.closes.is_empty() && seen.cancels.is_empty() => End::Flat,
            Ok(seen) => End::NotFlat(seen.words()),
            Err(words) => End::Unknown(words),
        })
    }

    /// Cancels what works, and waits until the book shows it gone; what the broker shows then.
    async fn cancelled(&self, log: &mut SquareOffLog) -> io::Result<Result<Plan, String>> {
        let mut seen = match self.look().await {
            Ok(seen) => seen,
            Err(words) => return Ok(Err(words)),
        };
        for row in &seen.cancels {
            log.write(json!({ "event": "CANCEL", "broker_order_id": row.broker_order_id, "instrument": row.instrument.to_string() }))?;
            let outcome = self.broker.cancel(row.broker_order_id.clone()).await;
            log.write(json!({ "event": "CANCEL_ANSWER", "broker_order_id": row.broker_order_id, "answer": cancel_words(&outcome) }))?;
            sleep(self.pace.between).await;
        }
        let deadline = Instant::now() + self.pace.patience;
        while !seen.cancels.is_empty() && Instant::now() < deadline {
            sleep(self.pace.look).await;
            match self.look().await {
                Ok(newer) => seen = newer,
                Err(words) => return Ok(Err(words)),
            }
        }
        Ok(Ok(seen))
    }

    /// Sends the exits of one position, in slices that the exchange takes; says whether one is in doubt.
    async fn close(&self, close: &Close, attempt: u32, sent: &mut u64, log: &mut SquareOffLog) -> io::Result<bool> {
        let Some(instrument) = self.instruments.find(&close.holding.instrument) else {
            let words = format!("{} is not in the instrument master; close it at the broker", close.holding);
            log.write(json!({ "event": "NOT_SENT", "cause": words }))?;
            return Ok(false);
        };
        let largest = instrument.max_quantity().unwrap_or(i64::MAX).max(1);
        let mut left = close.units;
        while let Some(quantity) = Quantity::new(left.min(largest)) {
            left -= quantity.value();
            *sent += 1;
            match self.send(&instrument, close, quantity, attempt, *sent, log).await? {
                PlaceOutcome::Accepted(_) => {}
                // One slice that may be live is enough doubt about the whole position.
                PlaceOutcome::Unconfirmed(_) => return Ok(true),
                _ => return Ok(false),
            }
            sleep(self.pace.between).await;
        }
        Ok(false)
    }

    async fn send(
        &self,
        instrument: &Arc<Instrument>,
        close: &Close,
        quantity: Quantity,
        attempt: u32,
        number: u64,
        log: &mut SquareOffLog,
    ) -> io::Result<PlaceOutcome> {
        let takes_market_orders = self.broker.capabilities().takes_market_orders;
        let quote = if takes_market_orders { None } else { self.broker.quote(Arc::clone(instrument)).await.ok() };
        let terms = Terms {
            side: close.side,
            quantity,
            product: close.holding.product,
            order_type: OrderType::Market,
            validity: Validity::Day,
            price: None,
            trigger_price: None,
        };
        let instrument = Arc::clone(instrument);
        let order =
            self.tag(number).map(|tag| BrokerOrder { command_id: CommandId(uuid::Uuid::nil()), instrument, terms, tag, is_exit: true });
        let prepared = order.and_then(|order| self.broker.prepare(order, quote.as_ref()).map_err(|refusal| refusal.reason));
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(cause) => {
                log.write(json!({ "event": "NOT_SENT", "instrument": close.holding.to_string(), "cause": cause }))?;
                return Ok(PlaceOutcome::NotSent(cause));
            }
        };
        let tag = prepared.order.tag.to_string();
        log.write(json!({ "event": "EXIT", "attempt": attempt, "tag": tag, "request": prepared.request }))?;
        let outcome = self.broker.place(prepared).await;
        log.write(json!({ "event": "EXIT_ANSWER", "tag": tag, "answer": format!("{outcome:?}") }))?;
        Ok(outcome)
    }

    /// No tag of an engine's: the next start takes these orders for somebody else's, which they are.
    fn tag(&self, number: u64) -> Result<BrokerTag, String> {
        let millis = u64::try_from(self.clock.now().timestamp_millis()).unwrap_or(0).wrapping_add(number) % 10_000_000_000_000;
        BrokerTag::parse(&format!("SQ{millis:013}")).map_err(|cause| cause.to_string())
    }

    async fn wait_until_flat(&self) {
        let deadline = Instant::now() + self.pace.patience;
        while Instant::now() < deadline {
            sleep(self.pace.look).await;
            if self.look().await.is_ok_and(|seen| seen.closes.is_empty()) {
                return;
            }
        }
    }
}

/// The rows of a book that was read whole: a row that cannot be read may be a position.
fn whole<T>(book: &str, read: Snapshot<T>) -> Result<Vec<T>, String> {
    match read {
        Snapshot::Authoritative(rows, unreadable) => match unreadable.iter().find(|row| !row.is_foreign) {
            None => Ok(rows),
            Some(row) => Err(format!("a row of {book} cannot be read ({}): {}", row.cause, row.raw)),
        },
        Snapshot::Unknown(cause) | Snapshot::RateLimited { text: cause, .. } => Err(format!("{book} could not be read: {cause}")),
    }
}

fn cancel_words(outcome: &CallOutcome) -> String {
    match outcome {
        CallOutcome::Accepted => "taken".to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests;
