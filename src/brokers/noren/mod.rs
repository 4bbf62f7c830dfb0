//! Brokers that speak the Noren protocol (Shoonya), behind the engine's port.
//!
//! Everything runs on a runtime of its own: a call is handed over when its future is first polled, and nothing of HTTP,
//! TLS, sockets or parsing happens on the engine's thread.
//!
//! *Invariant:* an order call is made at most once, with a proven session, and is exactly the request that was prepared.

mod board;
mod books;
mod connection;
mod doubts;
mod http;
mod io;
mod lots;
pub mod probe;
mod protect;
pub mod sent;
pub mod session;
mod settings;
pub mod stream;
mod tls;
pub mod wire;

#[cfg(test)]
mod aside_tests;
#[cfg(test)]
mod board_tests;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod lots_tests;
#[cfg(test)]
mod protect_tests;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod server;
#[cfg(test)]
mod simulator_tests;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod wire_tests;

use std::fmt;
use std::sync::Arc;

use ordergate_actors::order::{BrokerOrderId, Instrument};
use ordergate_actors::ports::{
    Aside, BookRow, Broker, BrokerOrder, Budget, Call, CallOutcome, Capabilities, Clock, DeliveryRow, Funds, Instruments, Modification,
    NoFunds, NoMargin, NoQuote, OrderMargin, PlaceOutcome, PositionRow, Prepared, PreparedChange, Quote, Refusal, Session as SessionState,
    Snapshot, StreamEvent, TradeRow,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;

pub use board::{Board, Changes, Sizes, Touch};
pub use http::{Http, HttpError};
pub use io::Io;
pub use lots::Lots;
pub use protect::{Buffers, Care, Protected, Protection, Slabs, protect};
pub use session::Session;
pub use session::machine::Standing;
pub use session::otp;
pub use settings::{AuthFlow, Backoff, Credentials, NorenSettings, StreamWaits, Timeouts, is_loopback};
pub use tls::install as install_tls;

use crate::brokers::updates;
use sent::Sent;
use stream::{Health, Stream};
use wire::request::Account;
use wire::{Answer, Body, Delivery, EncodeError, Encoder, ErrorClass, outcome};

/// Below the 25 at which some brokers of this protocol stop (Noren protocol reference, section 3.3).
const MODIFICATIONS_MOST: u32 = 20;

/// A Noren account. Clones are the same account.
#[derive(Clone)]
pub struct NorenBroker {
    shared: Arc<Shared>,
}

struct Shared {
    capabilities: Capabilities,
    settings: Arc<NorenSettings>,
    encoder: Encoder,
    http: Http,
    session: Arc<Session>,
    board: Arc<Board>,
    lots: Arc<Lots>,
    health: Arc<Health>,
    sent: Sent,
    books: books::LastBooks,
    updates: Mutex<Option<mpsc::Receiver<StreamEvent>>>,
    io: Io,
}

impl fmt::Debug for NorenBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NorenBroker").field("uid", &self.shared.settings.credentials.uid).finish_non_exhaustive()
    }
}

impl NorenBroker {
    /// Starts the account: its session, and its stream once there is a session.
    ///
    /// # Errors
    /// [`HttpError`] when the HTTP client cannot be built.
    pub fn start(settings: NorenSettings, instruments: Arc<dyn Instruments>, clock: Arc<dyn Clock>, io: Io) -> Result<Self, HttpError> {
        let settings = Arc::new(settings);
        let account = Account { uid: settings.credentials.uid.clone(), actid: settings.credentials.actid.clone() };
        let encoder = Encoder::new(account.clone(), settings.ampersand);
        let http = Http::new(&settings)?;
        let (updates, receiver) = updates::channel(settings.stream_capacity);
        let session = Arc::new(Session::new(Arc::clone(&settings), http.clone(), encoder.clone(), clock, updates.notices()));
        let lots = Arc::new(Lots::new(Arc::clone(&instruments), settings.quantity_units, settings.is_live));
        let board = Arc::new(Board::new(instruments, settings.max_subscriptions));
        let health = Arc::new(Health::default());
        let owner = Arc::clone(&session);
        io.spawn(async move { owner.run().await });
        let (watched, prices, counted) = (Arc::clone(&session), Arc::clone(&board), Arc::clone(&lots));
        let stream = Stream::new(Arc::clone(&settings), account, watched, prices, Arc::clone(&health), updates, counted);
        io.spawn(stream.run());
        let capabilities = Capabilities {
            name: "noren",
            is_live: settings.is_live,
            tag_length: 15,
            can_modify: true,
            has_stream: true,
            send_ahead: 2,
            visibility_bound: settings.visibility_bound,
            poll: settings.poll,
            takes_market_orders: false,
            takes_ioc: settings.takes_ioc.clone(),
            max_modifications: Some(MODIFICATIONS_MOST),
            budget: Some(Budget::noren()),
        };
        let sent = Sent::default();
        let updates = Mutex::new(Some(receiver));
        let books = books::LastBooks::default();
        Ok(Self {
            shared: Arc::new(Shared { capabilities, settings, encoder, http, session, board, lots, health, sent, books, updates, io }),
        })
    }

    /// The quotes of the account's stream.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.shared.board)
    }

    /// Hands the work over to the account's runtime. If that is gone, so is the answer.
    fn on_io<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        lost: impl FnOnce(String) -> T + Send + 'static,
    ) -> Call<T> {
        let io = self.shared.io.clone();
        Box::pin(
            async move { io.spawn(work).await.unwrap_or_else(|error| lost(format!("the broker's runtime gave the call up: {error}"))) },
        )
    }

    /// The order as the broker counts it.
    fn counted(&self, order: &BrokerOrder) -> Result<BrokerOrder, Refusal> {
        let terms = self.shared.lots.outward(&order.instrument, &order.terms)?;
        Ok(BrokerOrder { terms, ..order.clone() })
    }

    /// The change as the broker counts it.
    fn counted_change(&self, change: &Modification) -> Result<Modification, Refusal> {
        let terms = self.shared.lots.outward(&change.instrument, &change.terms)?;
        Ok(Modification { terms, ..change.clone() })
    }

    fn order_call<T>(&self, body: Result<Body, String>, call: OrderCall<T>) -> Call<T>
    where
        T: Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let lost = call.unconfirmed;
        self.on_io(
            async move {
                let body = match body {
                    Ok(body) => body,
                    Err(words) => return (call.not_sent)(words),
                };
                // The flight is held to the end: no login happens while the broker may be acting on this call.
                let (token, _flight) = match shared.session.take_off() {
                    Ok(ready) => ready,
                    Err(words) => return (call.not_sent)(words),
                };
                let asked_at = shared.session.now();
                let delivery = shared.http.post(&body, Some(&token.text), shared.settings.timeouts.order).await;
                let answer = (call.judge)(&delivery);
                shared.session.learn(token.number, answer.class, answer.request_time, asked_at);
                if let Some((window, words)) = answer.limited {
                    shared.session.limited(window, words);
                }
                match (call.refusal)(&answer.outcome) {
                    Some(words) if answer.class == Some(ErrorClass::InvalidIp) => shared.session.address_refused(words),
                    _ if (call.passes)(&answer.outcome) => shared.session.address_is_taken(),
                    _ => {}
                }
                answer.outcome
            },
            lost,
        )
    }
}

/// The kinds of order call, told apart by their outcomes.
struct OrderCall<T> {
    judge: fn(&Delivery) -> Answer<T>,
    not_sent: fn(String) -> T,
    unconfirmed: fn(String) -> T,
    /// The broker's words, if it refused the call.
    refusal: fn(&T) -> Option<&str>,
    /// Whether it proves that orders are taken from our address. A cancel or a change may pass from anywhere.
    passes: fn(&T) -> bool,
}

const CHANGE: OrderCall<CallOutcome> = OrderCall {
    judge: outcome::change,
    not_sent: CallOutcome::NotSent,
    unconfirmed: CallOutcome::Unconfirmed,
    refusal: |outcome| if let CallOutcome::Rejected(words) = outcome { Some(words) } else { None },
    passes: |_| false,
};
const PLACE: OrderCall<PlaceOutcome> = OrderCall {
    judge: outcome::place,
    not_sent: PlaceOutcome::NotSent,
    unconfirmed: PlaceOutcome::Unconfirmed,
    refusal: |outcome| if let PlaceOutcome::Rejected(words) = outcome { Some(words) } else { None },
    passes: |outcome| matches!(outcome, PlaceOutcome::Accepted(_)),
};

fn refused(error: &EncodeError) -> Refusal {
    Refusal { reason: error.to_string() }
}

/// The body, if it is what was prepared and written down.
fn exactly(body: Result<Body, EncodeError>, request: &str) -> Result<Body, String> {
    let body = body.map_err(|error| error.to_string())?;
    if body.redacted() == request { Ok(body) } else { Err("the request is not the one that was written down; it was not sent".to_owned()) }
}

impl Broker for NorenBroker {
    fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    fn prepare(&self, order: BrokerOrder, quote: Option<&Quote>) -> Result<Prepared, Refusal> {
        let care = if order.is_exit { Care::Exit } else { Care::Entry };
        let Protected { terms, note } = protect(&order.terms, &order.instrument, quote, care, &self.shared.settings.buffers)?;
        if let Some(note) = note {
            tracing::warn!(event = "band_passed_over", command_id = %order.command_id, instrument = %order.instrument.key, "{note}");
        }
        let order = BrokerOrder { terms, ..order };
        let request = self.counted(&order).and_then(|order| self.shared.encoder.place(&order).map_err(|error| refused(&error)));
        Ok(Prepared { request: request?.redacted().to_owned(), order })
    }

    fn place(&self, prepared: Prepared) -> Call<PlaceOutcome> {
        let counted = self.counted(&prepared.order).map_err(|refusal| refusal.reason);
        let body = counted.and_then(|order| exactly(self.shared.encoder.place(&order), &prepared.request));
        let call = self.order_call(body, PLACE);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            shared.sent.goes_out(&prepared.order.tag);
            let outcome = call.await;
            if let PlaceOutcome::Accepted(number) = &outcome {
                shared.sent.numbered(&prepared.order.tag, number);
            }
            outcome
        })
    }

    fn cancel(&self, id: BrokerOrderId) -> Call<CallOutcome> {
        let body = self.shared.encoder.cancel(&id).map_err(|error| error.to_string());
        self.order_call(body, CHANGE)
    }

    fn prepare_change(&self, change: Modification, quote: Option<&Quote>) -> Result<PreparedChange, Refusal> {
        let Protected { terms, .. } = protect(&change.terms, &change.instrument, quote, Care::Entry, &self.shared.settings.buffers)?;
        let change = Modification { terms, ..change };
        let body = self.shared.encoder.modify(&self.counted_change(&change)?).map_err(|error| refused(&error))?;
        let request = body.redacted().to_owned();
        Ok(PreparedChange { change, request })
    }

    fn modify(&self, prepared: PreparedChange) -> Call<CallOutcome> {
        let change = self.counted_change(&prepared.change).map_err(|refusal| refusal.reason);
        let body = change.and_then(|change| exactly(self.shared.encoder.modify(&change), &prepared.request));
        self.order_call(body, CHANGE)
    }

    fn session(&self) -> Call<SessionState> {
        let shared = Arc::clone(&self.shared);
        self.on_io(async move { shared.session_state().await }, SessionState::NotReady)
    }

    fn clock_skew(&self) -> Option<chrono::TimeDelta> {
        self.shared.clock_skew()
    }

    fn orders(&self) -> Call<Snapshot<Arc<BookRow>>> {
        let shared = Arc::clone(&self.shared);
        self.on_io(async move { shared.orders().await }, Snapshot::Unknown)
    }

    fn trades(&self) -> Call<Snapshot<Arc<TradeRow>>> {
        let shared = Arc::clone(&self.shared);
        self.on_io(async move { shared.trades().await }, Snapshot::Unknown)
    }

    fn positions(&self) -> Call<Snapshot<PositionRow>> {
        let shared = Arc::clone(&self.shared);
        self.on_io(async move { shared.positions().await }, Snapshot::Unknown)
    }

    fn holdings(&self) -> Call<Snapshot<DeliveryRow>> {
        let shared = Arc::clone(&self.shared);
        self.on_io(async move { shared.holdings().await }, Snapshot::Unknown)
    }

    fn quote(&self, instrument: Arc<Instrument>) -> Call<Result<Quote, NoQuote>> {
        let shared = Arc::clone(&self.shared);
        self.on_io(async move { shared.quote(&instrument).await }, |words| Err(NoQuote::None(words)))
    }

    fn tells_funds(&self) -> bool {
        true
    }

    fn funds(&self) -> Call<Result<Funds, NoFunds>> {
        let shared = Arc::clone(&self.shared);
        let read = async move {
            shared.read_funds(session::By::Engine).await.map_err(|unread| match unread {
                session::Unread::RateLimited { window, text } => NoFunds::RateLimited { window, text },
                session::Unread::Other(words) => NoFunds::Unknown(words),
            })
        };
        self.on_io(read, |words| Err(NoFunds::Unknown(words)))
    }

    fn tells_margin(&self) -> bool {
        true
    }

    fn order_margin(&self, order: BrokerOrder) -> Call<Result<OrderMargin, NoMargin>> {
        let shared = Arc::clone(&self.shared);
        let counted = self.counted(&order).map_err(|refusal| NoMargin::Unknown(refusal.reason));
        self.on_io(async move { shared.order_margin(&counted?).await }, |words| Err(NoMargin::Unknown(words)))
    }

    fn aside(&self) -> Aside {
        self.shared.session.take_aside()
    }

    fn in_use(&self, is_in_use: bool) {
        self.shared.session.in_use(is_in_use);
    }

    fn stream(&self) -> Option<mpsc::Receiver<StreamEvent>> {
        self.shared.updates.lock().take()
    }
}
