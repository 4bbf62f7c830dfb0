//! Reads of the account: books, quotes, the proof of the session.
//!
//! *Invariant:* a book is authoritative only as the broker's whole array or its explicit "no data"; everything else is
//! unknown. A large book is parsed on a thread for blocking work, beside the stream and the calls.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Amount, BrokerOrderId, Instrument, Product, Side};
use ordergate_actors::persistence::Level;
use ordergate_actors::ports::{
    BookRow, BrokerOrder, DeliveryRow, NoMargin, NoQuote, OrderMargin, PositionRow, Quote, Session as SessionState, Snapshot, TradeRow,
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::board::Sizes;
use super::doubts::Doubts;
use super::protect::is_believed;
use super::session::machine::Standing;
use super::session::{By, Unread};
use super::wire::frames::Scrip;
use super::wire::reply;
use super::wire::request::MarginLeg;
use super::wire::{Body, Delivery, EncodeError, ErrorClass, FieldError, Fields, Kept};
use super::wire::{history, holding_row, margin, order_row, position_row, quote, trade_row};
use super::{NorenSettings, Shared};

/// Bodies up to this size are parsed where they arrive.
const SMALL: usize = 32 * 1024;
/// Orders whose history is read beside one order book, at most: each read counts against the rate limit.
const HISTORIES: usize = 2;
/// All of them together have this part of a book's time: the book is here already, and who asked for it waits for both.
const HISTORIES_PART: u32 = 4;

/// The books as they were read last.
#[derive(Debug, Default)]
pub(super) struct LastBooks {
    orders: Arc<Mutex<Kept<FoundOrder>>>,
    trades: Arc<Mutex<Kept<Arc<TradeRow>>>>,
    doubts: Mutex<Doubts>,
}

/// A row of the order book.
#[derive(Debug, Clone)]
struct FoundOrder {
    row: Arc<BookRow>,
    /// Why its state is a careful guess.
    doubt: Option<String>,
}

/// Where a book's rows are kept until it is read again, and which.
struct Keeping<T> {
    kept: Arc<Mutex<Kept<T>>>,
    keeps: fn(&T) -> bool,
}

impl<T> Keeping<T> {
    fn nothing() -> Self {
        Self { kept: Arc::default(), keeps: |_| false }
    }
}

/// What parsing a book gives beside its rows.
struct Parsed<T> {
    snapshot: Snapshot<T>,
    class: Option<ErrorClass>,
    address: Option<(DateTime<Utc>, IpAddr)>,
}

impl Shared {
    /// Proves the session by a read; waits for a login that is under way.
    pub(super) async fn prove(&self, by: By) -> Result<Fields, Unread> {
        let asked_at = self.session.now();
        let standing = self.session.settled(self.settings.timeouts.read).await;
        if standing != Standing::Ready {
            if by == By::Engine {
                self.session.stays(asked_at);
            }
            return Err(Unread::Other(self.session.words(&standing)));
        }
        let body = self.encoder.user_details().map_err(|error| Unread::Other(error.to_string()))?;
        self.session.object(&body, by).await
    }

    /// Whether orders can be sent. A read that the broker had no room for says nothing against it: it counts the calls of
    /// those it knows.
    pub(super) async fn session_state(&self) -> SessionState {
        if let Some(until) = self.session.rests() {
            self.session.stays(self.session.now());
            return SessionState::Resting(format!("nothing is open or held; the next login is at {until}"));
        }
        match self.prove(By::Engine).await {
            Ok(_) => SessionState::Ready,
            Err(unread @ Unread::RateLimited { .. }) => {
                let _words = self.heard(unread);
                SessionState::Ready
            }
            Err(Unread::Other(words)) => SessionState::NotReady(words),
        }
    }

    /// The words of it; what it tells of the budget is kept for the engine.
    pub(super) fn heard(&self, unread: Unread) -> String {
        let words = unread.to_string();
        if let Unread::RateLimited { window, text } = unread {
            self.session.limited(window, text);
        }
        words
    }

    pub(super) async fn orders(&self) -> Snapshot<Arc<BookRow>> {
        let (kept, read) = self.order_rows();
        let book_ends = Instant::now() + self.settings.timeouts.book;
        let (found, unreadable) = match self.book(self.encoder.order_book(), kept, read).await {
            Snapshot::Authoritative(found, unreadable) => (found, unreadable),
            Snapshot::Unknown(words) => return Snapshot::Unknown(words),
            Snapshot::RateLimited { window, text } => return Snapshot::RateLimited { window, text },
        };
        let mut doubtful = Vec::new();
        for (row, doubt) in found.iter().filter_map(|order| Some((&order.row, order.doubt.as_ref()?))) {
            let text = format!("the row of order {} in the broker's book is in doubt: {doubt}", row.broker_order_id);
            self.session.notices().say(Level::Warn, "ALARM_BROKER_ROW_DOUBT", text);
            // What became of somebody else's order is worth no call.
            if row.tag.as_deref().is_some_and(reply::is_our_tag) || self.sent.tag_of(&row.broker_order_id).is_some() {
                doubtful.push(Arc::clone(row));
            }
        }
        // A history that is late is not waited for: the book without it is worth more than none.
        let histories_end = book_ends.min(Instant::now() + self.settings.timeouts.book / HISTORIES_PART);
        let due = self.books.doubts.lock().due(&doubtful, HISTORIES);
        for number in &due {
            if let Some(told) = self.read_history(number, histories_end).await {
                self.books.doubts.lock().tell(number, told);
            }
        }
        let mut rows: Vec<Arc<BookRow>> = {
            let doubts = self.books.doubts.lock();
            found.into_iter().map(|order| if order.doubt.is_some() { doubts.settled(order.row) } else { order.row }).collect()
        };
        for number in self.sent.missing(&rows, HISTORIES - due.len()) {
            let text = format!("the broker gave an order the number {number}, and its book does not show it; its history is read");
            self.session.notices().say(Level::Warn, "ALARM_ORDER_NOT_IN_BOOK", text);
            rows.extend(self.read_history(&number, histories_end).await.map(Arc::new));
        }
        Snapshot::Authoritative(rows, unreadable)
    }

    /// What the order's own history says of it, if that is clear and comes before then.
    async fn read_history(&self, number: &BrokerOrderId, ends: Instant) -> Option<BookRow> {
        let now = self.session.now();
        let within = ends.saturating_duration_since(Instant::now());
        if within.is_zero() {
            return None;
        }
        let history = self.encoder.order_history(number);
        let rows = match self.book_for(By::Itself, history, within, Keeping::nothing(), |fields| Ok(fields.clone())).await {
            Snapshot::Authoritative(rows, _) => rows,
            Snapshot::RateLimited { window, text } => {
                self.session.limited(window, text);
                return None;
            }
            Snapshot::Unknown(_) => return None,
        };
        // Newest first. A request that was refused leaves the order as the events before say: ended, if a cancel was sent twice.
        let mut events = history::read(&rows, number, now).ok()?.into_iter();
        let newest = events.find(|event| !event.is_of_request)?;
        newest.doubt.is_none().then(|| self.lots.order(newest.row).ok()).flatten()
    }

    pub(super) async fn trades(&self) -> Snapshot<Arc<TradeRow>> {
        let now = self.session.now();
        let lots = Arc::clone(&self.lots);
        let read = move |fields: &Fields| {
            let row = trade_row::read(fields, now)?;
            // Where units are counted a trade may lack its symbol.
            let key = order_row::instrument(fields);
            lots.trade_of(key, row).map(Arc::new)
        };
        let kept = Keeping { kept: Arc::clone(&self.books.trades), keeps: |_: &Arc<TradeRow>| true };
        self.book(self.encoder.trade_book(), kept, read).await
    }

    pub(super) async fn positions(&self) -> Snapshot<PositionRow> {
        let lots = Arc::clone(&self.lots);
        let read = self.book(self.encoder.position_book(), Keeping::nothing(), move |fields| lots.position(position_row::read(fields)?));
        let mut read = read.await;
        // Here and not on the engine's thread, which has an order to send meanwhile.
        if let Snapshot::Authoritative(rows, _) = &mut read {
            rows.sort_by(|one, other| one.holding.cmp(&other.holding));
        }
        read
    }

    pub(super) async fn holdings(&self) -> Snapshot<DeliveryRow> {
        let (held, unreadable) = match self.book(self.encoder.holdings(), Keeping::nothing(), holding_row::read).await {
            Snapshot::Authoritative(held, unreadable) => (held, unreadable),
            Snapshot::Unknown(words) => return Snapshot::Unknown(words),
            Snapshot::RateLimited { window, text } => return Snapshot::RateLimited { window, text },
        };
        // What of it today's orders use is told by a book that is younger.
        let sales = if held.iter().any(|held| held.used > 0) { self.sales_today().await } else { Ok(Vec::new()) };
        let sales = match sales {
            Ok(sales) => sales,
            Err(words) => return Snapshot::Unknown(format!("what of the holdings is sold today is not known: {words}")),
        };
        let rows = held.into_iter().map(|held| {
            let sold = sales.iter().filter(|sale| held.row.listings.contains(&sale.instrument)).map(|sale| sale.quantity);
            let sold = sold.fold(0i64, i64::saturating_add);
            held.at_the_opening(sold)
        });
        Snapshot::Authoritative(rows.collect(), unreadable)
    }

    /// All orders of today that sell for delivery, whosever they are.
    async fn sales_today(&self) -> Result<Vec<Arc<BookRow>>, String> {
        let (kept, read) = self.order_rows();
        match self.book_for(By::Itself, self.encoder.order_book(), self.settings.timeouts.book, kept, read).await {
            Snapshot::Authoritative(found, unreadable) if unreadable.iter().all(|row| row.is_foreign) => {
                let sells = |row: &BookRow| row.side == Side::Sell && row.product == Product::Cnc;
                Ok(found.into_iter().map(|order| order.row).filter(|row| sells(row)).collect())
            }
            Snapshot::Authoritative(..) => Err("a row of the order book cannot be read".to_owned()),
            Snapshot::Unknown(words) => Err(words),
            Snapshot::RateLimited { window, text } => {
                self.session.limited(window, text.clone());
                Err(text)
            }
        }
    }

    /// How rows of the order book are read and kept.
    fn order_rows(&self) -> (Keeping<FoundOrder>, impl Fn(&Fields) -> Result<FoundOrder, FieldError> + Send + use<>) {
        let now = self.session.now();
        let lots = Arc::clone(&self.lots);
        let read = move |fields: &Fields| {
            let found = order_row::read(fields, now)?;
            Ok(FoundOrder { row: Arc::new(lots.order(found.row)?), doubt: found.doubt })
        };
        // An unchanged text is the same row: a doubt about it is not looked into with every book.
        (Keeping { kept: Arc::clone(&self.books.orders), keeps: |_: &FoundOrder| true }, read)
    }

    async fn book<T: Clone + Send + 'static>(
        &self,
        body: Result<Body, EncodeError>,
        kept: Keeping<T>,
        read: impl Fn(&Fields) -> Result<T, FieldError> + Send + 'static,
    ) -> Snapshot<T> {
        self.book_for(By::Engine, body, self.settings.timeouts.book, kept, read).await
    }

    async fn book_for<T: Clone + Send + 'static>(
        &self,
        by: By,
        body: Result<Body, EncodeError>,
        within: Duration,
        kept: Keeping<T>,
        read: impl Fn(&Fields) -> Result<T, FieldError> + Send + 'static,
    ) -> Snapshot<T> {
        let body = match body {
            Ok(body) => body,
            Err(error) => return Snapshot::Unknown(error.to_string()),
        };
        let (token, asked_at, delivery) = match self.session.read(&body, within, by).await {
            Ok(delivered) => delivered,
            Err(words) => return Snapshot::Unknown(words),
        };
        let (status, text) = match delivery {
            Delivery::Replied { status, body } => (status, body),
            Delivery::NotWritten(words) | Delivery::Lost(words) => return Snapshot::Unknown(words),
        };
        let parsed = if text.len() <= SMALL {
            parse(status, &text, &kept, read)
        } else {
            match tokio::task::spawn_blocking(move || parse(status, &text, &kept, read)).await {
                Ok(parsed) => parsed,
                Err(error) => return Snapshot::Unknown(format!("the book could not be parsed: {error}")),
            }
        };
        if let Some((at, address)) = parsed.address {
            self.session.saw_address(address, at);
        }
        self.session.learn(token.number, parsed.class, None, asked_at);
        parsed.snapshot
    }

    /// The instrument's quote now; it goes onto the board too.
    pub(super) async fn quote(&self, instrument: &Instrument) -> Result<Quote, NoQuote> {
        let scrip = Scrip { exchange: instrument.key.exchange, token: instrument.token };
        self.board.want_instrument(instrument);
        let body = self.encoder.quote(scrip.exchange, scrip.token).map_err(|error| NoQuote::None(error.to_string()))?;
        let asked_at: DateTime<Utc> = self.session.now();
        let fields = self.session.object(&body, By::Engine).await?;
        let market = quote::read(&fields, scrip.exchange, scrip.token, asked_at).map_err(|error| NoQuote::None(error.to_string()))?;
        if !market.is_two_sided() && !is_believed(market.last, instrument, market.band) {
            let words = format!("the last price {} of {}, without a book, looks like the underlying's", market.last, instrument.key);
            return Err(NoQuote::None(words));
        }
        // By our clock, and as old as the question: the broker's tells whole seconds.
        let quote = Quote { at: asked_at, seen_at: asked_at, ..market.quote() };
        let size = |levels: &[quote::Level]| levels.first().map(|level| level.quantity);
        self.board.put_close(scrip, market.previous_close, asked_at);
        self.board.put(scrip, quote, Sizes { bid: size(&market.bids), ask: size(&market.asks) });
        Ok(quote)
    }

    /// What the risk system over there would take for the order (Noren protocol reference, section 4.8).
    pub(super) async fn order_margin(&self, order: &BrokerOrder) -> Result<OrderMargin, NoMargin> {
        let leg = MarginLeg { instrument: &order.instrument, terms: &order.terms };
        let body = self.encoder.order_margin(leg).map_err(|error| NoMargin::Unknown(error.to_string()))?;
        let fields = self.session.object(&body, By::Engine).await.map_err(|unread| match unread {
            Unread::RateLimited { window, text } => NoMargin::RateLimited { window, text },
            Unread::Other(words) => NoMargin::Unknown(words),
        })?;
        let told = margin::order(&fields).map_err(|error| NoMargin::Unknown(error.to_string()))?;
        let own = told.order.or_else(|| told.used_before.and_then(|before| told.used.checked_sub(before)));
        let order = own.ok_or_else(|| NoMargin::Unknown("the broker does not tell what the order takes by itself".to_owned()))?;
        Ok(OrderMargin { order: Amount(order), used: Amount(told.used), words: told.verdict })
    }

    pub(super) fn clock_skew(&self) -> Option<chrono::TimeDelta> {
        chrono::TimeDelta::try_milliseconds(self.session.skew_ms()?)
    }

    pub(super) fn settings(&self) -> &NorenSettings {
        &self.settings
    }
}

fn parse<T: Clone>(status: u16, body: &[u8], kept: &Keeping<T>, read: impl Fn(&Fields) -> Result<T, FieldError>) -> Parsed<T> {
    let mut address = None;
    let (snapshot, class) = kept.kept.lock().read(status, body, read, kept.keeps, |fields| address = address.max(own_address(fields)));
    Parsed { snapshot, class, address }
}

/// The address that an order of ours was placed from and when, if its row names both: at night a book may still show the day before.
/// Other programs use the API too, from elsewhere.
fn own_address(row: &Fields) -> Option<(DateTime<Utc>, IpAddr)> {
    let is_api = row.text("ordersource").is_some_and(|source| source.eq_ignore_ascii_case("API"));
    let is_ours = is_api && row.text("remarks").is_some_and(|tag| reply::is_our_tag(&tag));
    let address = row.text("ipaddr").filter(|_| is_ours)?.parse().ok()?;
    Some((order_row::told_at(row)?, address))
}
