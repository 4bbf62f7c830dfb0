//! The calls of a square-off: each within the account's budget, reads made again until they prove something.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::broker::{Decision, Lane};
use ordergate_actors::order::{BrokerOrderId, Exchange, Instrument};
use ordergate_actors::ports::{Aside, CallOutcome, NoQuote, PlaceOutcome, Prepared, Quote, RateWindow, Snapshot, Unreadable};
use tokio::time::{Instant, sleep};

use super::{Beside, Look, SquareOff, Tally};

/// The longest wait between two tries of a read.
const SLOWEST: Duration = Duration::from_secs(8);
/// Room in the budget is looked for so often while there is none.
const LOOKS_FOR_ROOM: Duration = Duration::from_secs(1);

/// Rows that could not be read, each with the name of its book.
type Rest = Vec<(&'static str, Unreadable)>;

impl SquareOff<'_> {
    /// Both books, each whole and believed; read again, ever more slowly, for as long as one proves nothing.
    pub(super) async fn books(&mut self, tally: &mut Tally) -> Result<Look, String> {
        let deadline = Instant::now() + self.pace.reads;
        let mut wait = self.pace.look;
        loop {
            let read = self.read_once(!tally.has_looked()).await;
            let read = read.and_then(|look| tally.believe(&look).map(|()| look));
            match read {
                Ok(look) => return Ok(look),
                Err(words) if Instant::now() + wait >= deadline => return Err(words),
                Err(words) => tracing::warn!(event = "square_off_reads_again", "{words}"),
            }
            sleep(wait).await;
            wait = wait.saturating_mul(2).min(SLOWEST);
        }
    }

    /// The positions first: what the order book shows then is at least as new.
    async fn read_once(&mut self, with_trades: bool) -> Result<Look, String> {
        self.spend(Lane::Read, None).await;
        let asked = Instant::now();
        let positions = self.broker.positions().await;
        let (positions, mut rest) = self.whole("the positions", positions)?;
        let traded = if with_trades { self.traded().await? } else { BTreeSet::new() };
        self.spend(Lane::Read, None).await;
        let orders = self.broker.orders().await;
        let (orders, unread) = self.whole("the order book", orders)?;
        rest.extend(unread);
        let unread = rest.iter().filter_map(|(_, row)| row.glimpse.broker_order_id.clone()).collect();
        let beside = rest.iter().filter_map(|(book, row)| Beside::of(book, row)).collect();
        Ok(Look { traded, orders, positions, beside, unread, asked, read: Instant::now() })
    }

    /// The orders that today's trades are of.
    async fn traded(&mut self) -> Result<BTreeSet<BrokerOrderId>, String> {
        self.spend(Lane::Read, None).await;
        let trades = self.broker.trades().await;
        let (trades, _) = self.whole("the trade book", trades)?;
        Ok(trades.iter().map(|row| row.fill.broker_order_id.clone()).collect())
    }

    /// The rows of a book that was read whole, and beside them those of which it is known why they cannot be read: of another kind,
    /// or in lots of a contract that no master has. Any other row that cannot be read may be a position that must be closed.
    fn whole<T>(&mut self, book: &'static str, read: Snapshot<T>) -> Result<(Vec<T>, Rest), String> {
        match read {
            Snapshot::Authoritative(rows, unreadable) => {
                match unreadable.iter().find(|row| !row.is_foreign && row.glimpse.unlisted.is_none()) {
                    None => Ok((rows, unreadable.into_iter().map(|row| (book, row)).collect())),
                    Some(row) => Err(format!("a row of {book} cannot be read ({}): {}", row.cause, row.raw)),
                }
            }
            Snapshot::Unknown(cause) => Err(format!("{book} could not be read: {cause}")),
            Snapshot::RateLimited { window, text } => {
                self.closes(window);
                Err(format!("{book} could not be read: {text}"))
            }
        }
    }

    pub(super) async fn call_cancel(&mut self, id: &BrokerOrderId, exchange: Exchange) -> CallOutcome {
        self.spend(Lane::Cancel, Some(exchange)).await;
        let outcome = self.broker.cancel(id.clone()).await;
        if let CallOutcome::RateLimited { window, .. } = &outcome {
            self.closes(*window);
        }
        outcome
    }

    pub(super) async fn call_quote(&mut self, instrument: &Arc<Instrument>) -> Option<Quote> {
        self.spend(Lane::Exit, None).await;
        let quote = self.broker.quote(Arc::clone(instrument)).await;
        if let Err(NoQuote::RateLimited { window, .. }) = &quote {
            self.closes(*window);
        }
        quote.ok()
    }

    /// Waits until an exit may go: the call follows at once.
    pub(super) async fn room_for_an_exit(&mut self, instrument: &Instrument) {
        self.spend(Lane::Exit, Some(instrument.key.exchange)).await;
    }

    /// Sends it, once. There is room for it.
    pub(super) async fn call_place(&mut self, prepared: Prepared) -> PlaceOutcome {
        let outcome = self.broker.place(prepared).await;
        if let PlaceOutcome::RateLimited { window, .. } = &outcome {
            self.closes(*window);
        }
        outcome
    }

    /// The broker has counted more calls than this run: none goes before the window has ended.
    fn closes(&mut self, window: RateWindow) {
        self.meter.breach(window, self.clock.now());
    }

    /// Takes a token for a call that starts now; waits for one.
    async fn spend(&mut self, lane: Lane, exchange: Option<Exchange>) {
        loop {
            let now = self.clock.now();
            let Aside { calls, unmade, limited } = self.broker.aside();
            unmade.into_iter().for_each(|asked_at| self.meter.unmade(asked_at, now));
            self.meter.made(calls, now);
            if let Some((window, _)) = limited {
                self.closes(window);
            }
            let Decision::WaitUntil(until) = self.meter.spend(lane, exchange, now) else { return };
            let wait = until.signed_duration_since(now).to_std().unwrap_or_default();
            sleep(wait.clamp(Duration::from_millis(1), LOOKS_FOR_ROOM)).await;
        }
    }
}
