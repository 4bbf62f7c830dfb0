//! Reads of the account: books, quotes, the proof of the session.
//!
//! *Invariant:* a book is authoritative only as the broker's whole array or its explicit "no data"; everything else is
//! unknown. A large book is parsed on a thread for blocking work, beside the stream and the calls.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ordergate_actors::order::BrokerOrderId;
use ordergate_actors::ports::{BookRow, PositionRow, Quote, Snapshot, TradeRow};

use super::board::Sizes;
use super::session::machine::Standing;
use super::wire::frames::Scrip;
use super::wire::{Body, Delivery, EncodeError, ErrorClass, FieldError, Fields, ListReply};
use super::wire::{history, order_row, position_row, quote, trade_row};
use super::{NorenSettings, Shared};

/// Bodies up to this size are parsed where they arrive.
const SMALL: usize = 32 * 1024;
/// Orders whose history is read beside one order book, at most: each read counts against the rate limit.
const HISTORIES: usize = 2;

/// What parsing a book gives beside its rows.
struct Parsed<T> {
    snapshot: Snapshot<T>,
    class: Option<ErrorClass>,
    address: Option<IpAddr>,
}

impl Shared {
    /// Proves the session by a read; waits for a login that is under way.
    pub(super) async fn prove(&self) -> Result<Fields, String> {
        let standing = self.session.settled(self.settings.timeouts.read).await;
        if standing != Standing::Ready {
            return Err(self.session.words(&standing));
        }
        let body = self.encoder.user_details().map_err(|error| error.to_string())?;
        self.session.object(&body).await
    }

    pub(super) async fn orders(&self) -> Snapshot<Arc<BookRow>> {
        let now = self.session.now();
        let read = move |fields: &Fields| order_row::read(fields, now);
        let (found, unreadable) = match self.book(self.encoder.order_book(), read).await {
            Snapshot::Authoritative(found, unreadable) => (found, unreadable),
            Snapshot::Unknown(words) => return Snapshot::Unknown(words),
            Snapshot::RateLimited { window, text } => return Snapshot::RateLimited { window, text },
        };
        let mut histories = HISTORIES;
        let mut rows = Vec::with_capacity(found.len());
        for order in found {
            let mut row = order.row;
            if let Some(doubt) = order.doubt {
                tracing::warn!(event = "broker_row_doubt", order = %row.broker_order_id, "{doubt}");
                if histories > 0 {
                    histories -= 1;
                    row = self.read_history(&row.broker_order_id).await.unwrap_or(row);
                }
            }
            self.sent.complete(&mut row);
            rows.push(Arc::new(row));
        }
        for number in self.sent.missing(&rows, histories) {
            tracing::warn!(event = "broker_order_not_in_book", order = %number, "the broker gave this order a number and its book does not show it");
            if let Some(mut row) = self.read_history(&number).await {
                self.sent.complete(&mut row);
                rows.push(Arc::new(row));
            }
        }
        Snapshot::Authoritative(rows, unreadable)
    }

    /// What the order's own history says of it, if that is clear.
    async fn read_history(&self, number: &BrokerOrderId) -> Option<BookRow> {
        let now = self.session.now();
        let snapshot = self.book(self.encoder.order_history(number), |fields| Ok(fields.clone())).await;
        let Snapshot::Authoritative(rows, _) = snapshot else { return None };
        // Newest first.
        let newest = history::read(&rows, number, now).ok()?.into_iter().next()?;
        newest.doubt.is_none().then_some(newest.row)
    }

    pub(super) async fn trades(&self) -> Snapshot<Arc<TradeRow>> {
        let now = self.session.now();
        self.book(self.encoder.trade_book(), move |fields| trade_row::read(fields, now).map(Arc::new)).await
    }

    pub(super) async fn positions(&self) -> Snapshot<PositionRow> {
        self.book(self.encoder.position_book(), position_row::read).await
    }

    async fn book<T: Send + 'static>(
        &self,
        body: Result<Body, EncodeError>,
        read: impl Fn(&Fields) -> Result<T, FieldError> + Send + 'static,
    ) -> Snapshot<T> {
        let body = match body {
            Ok(body) => body,
            Err(error) => return Snapshot::Unknown(error.to_string()),
        };
        let (token, asked_at, delivery) = match self.session.read(&body, self.settings.timeouts.book).await {
            Ok(delivered) => delivered,
            Err(words) => return Snapshot::Unknown(words),
        };
        let (status, text) = match delivery {
            Delivery::Replied { status, body } => (status, body),
            Delivery::NotWritten(words) | Delivery::Lost(words) => return Snapshot::Unknown(words),
        };
        let parsed = if text.len() <= SMALL {
            parse(status, &text, read)
        } else {
            match tokio::task::spawn_blocking(move || parse(status, &text, read)).await {
                Ok(parsed) => parsed,
                Err(error) => return Snapshot::Unknown(format!("the book could not be parsed: {error}")),
            }
        };
        if let Some(address) = parsed.address {
            self.session.saw_address(address);
        }
        self.session.learn(token.number, parsed.class, None, asked_at);
        parsed.snapshot
    }

    /// The instrument's quote now; it goes onto the board too.
    pub(super) async fn quote(&self, scrip: Scrip) -> Result<Quote, String> {
        self.board.want(scrip);
        let body = self.encoder.quote(scrip.exchange, scrip.token).map_err(|error| error.to_string())?;
        let asked_at: DateTime<Utc> = self.session.now();
        let fields = self.session.object(&body).await?;
        let market = quote::read(&fields, scrip.exchange, scrip.token, asked_at).map_err(|error| error.to_string())?;
        // By our clock, and as old as the question: the broker's tells whole seconds.
        let quote = Quote { at: asked_at, ..market.quote() };
        let size = |levels: &[quote::Level]| levels.first().map(|level| level.quantity);
        self.board.put(scrip, quote, Sizes { bid: size(&market.bids), ask: size(&market.asks) });
        Ok(quote)
    }

    pub(super) fn settings(&self) -> &NorenSettings {
        &self.settings
    }
}

fn parse<T>(status: u16, body: &[u8], read: impl Fn(&Fields) -> Result<T, FieldError>) -> Parsed<T> {
    let reply = ListReply::read(status, body);
    let class = reply.class();
    let address = match &reply {
        ListReply::Rows(rows, _) => rows.iter().find_map(own_address),
        _ => None,
    };
    Parsed { snapshot: reply.into_snapshot(read), class, address }
}

/// The address that an order of ours was placed from, if its row names it.
fn own_address(row: &Fields) -> Option<IpAddr> {
    let is_ours = row.text("ordersource").is_some_and(|source| source.eq_ignore_ascii_case("API"));
    row.text("ipaddr").filter(|_| is_ours)?.parse().ok()
}
