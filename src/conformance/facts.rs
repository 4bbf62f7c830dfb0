//! Everything that a run saw. The shell fills it in; cases and questions are functions of it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::QuantityUnit;
use ordergate_actors::order::{BrokerOrderId, Exchange, InstrumentKey, Price};
use ordergate_actors::ports::{CallOutcome, PlaceOutcome, RateWindow};
use rust_decimal::Decimal;

use crate::brokers::noren::wire::limits::Limits;
use crate::brokers::noren::wire::margin::OrderMargin;
use crate::brokers::noren::wire::quote::Market;
use crate::brokers::noren::wire::{Ampersand, ErrorClass};

/// What was tried came to this; `Err` says why it was not tried.
pub(super) type Tried<T> = Result<T, String>;

/// What was asked for, or why it could not be had.
pub(super) type Found<T> = Result<T, String>;

/// Everything that a run saw.
#[derive(Debug)]
pub(super) struct Facts {
    /// The most that the clocks may differ.
    pub(super) max_skew: Duration,
    /// What the cases are tried with.
    pub(super) key: InstrumentKey,
    pub(super) session: Found<String>,
    pub(super) token: Tried<Reuse>,
    pub(super) token_ends_at: Option<DateTime<Utc>>,
    pub(super) skew_ms: Tried<Option<i64>>,
    pub(super) funds: Tried<Found<Limits>>,
    pub(super) margin: Tried<Found<OrderMargin>>,
    pub(super) orders: Tried<Found<Book>>,
    pub(super) trades: Tried<Found<Book>>,
    pub(super) positions: Tried<Found<Book>>,
    pub(super) fillshares: Option<Fillshares>,
    pub(super) quote: Tried<Found<Quoted>>,
    pub(super) index: Tried<Found<Price>>,
    pub(super) search: Tried<Found<Hits>>,
    pub(super) security: Tried<Found<Compared>>,
    pub(super) stream: Tried<Streaming>,
    pub(super) masters: Tried<Vec<(Exchange, Found<Master>)>>,
    pub(super) second_login: Tried<SecondLogin>,
    pub(super) rates: Tried<Vec<RateText>>,
    pub(super) small: Tried<SmallOrder>,
    pub(super) long: Tried<LongRemarks>,
    pub(super) refusal: Tried<Refused>,
    pub(super) stop: Tried<StopOrder>,
    pub(super) ampersand: Tried<Vec<Spelling>>,
    pub(super) unit: Tried<Unit>,
    pub(super) left: Tried<Left>,
}

impl Facts {
    /// Nothing tried yet.
    pub(super) fn new(key: InstrumentKey, max_skew: Duration) -> Self {
        fn later<T>() -> Tried<T> {
            Err("needs a session".to_owned())
        }
        Self {
            max_skew,
            key,
            session: Err("not tried".to_owned()),
            token: later(),
            token_ends_at: None,
            skew_ms: later(),
            funds: later(),
            margin: later(),
            orders: later(),
            trades: later(),
            positions: later(),
            fillshares: None,
            quote: later(),
            index: later(),
            search: later(),
            security: later(),
            stream: later(),
            masters: later(),
            second_login: later(),
            rates: later(),
            small: later(),
            long: later(),
            refusal: later(),
            stop: later(),
            ampersand: later(),
            unit: later(),
            left: later(),
        }
    }
}

/// A second start beside the first.
#[derive(Debug)]
pub(super) struct Reuse {
    /// Whether it came to a session, and with the same token.
    pub(super) same_token: Found<bool>,
    /// Whether its stream ended the first one's; unknown when it had none.
    pub(super) evicted_stream: Option<bool>,
}

/// One book.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) rows: usize,
    pub(super) unreadable: Vec<String>,
}

/// What `fillshares` of the trade book means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fillshares {
    /// The same as the row's own fill.
    OwnFill,
    /// The order's fills so far.
    Cumulative,
}

/// A quote with its age.
#[derive(Debug)]
pub(super) struct Quoted {
    pub(super) market: Market,
    /// How old the last trade was when the broker answered, if it says.
    pub(super) trade_age: Option<Duration>,
}

/// A search.
#[derive(Debug)]
pub(super) struct Hits {
    pub(super) count: usize,
    /// Whether the instrument is among them, with its token.
    pub(super) has_it: bool,
}

/// One figure of the master beside the broker's.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) ours: Option<String>,
    pub(super) theirs: Option<String>,
    pub(super) is_fine: bool,
}

/// The broker's word on the instrument beside the master's.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) figures: Vec<Figure>,
}

/// How the stream did.
#[derive(Debug)]
pub(super) struct Streaming {
    pub(super) is_up: bool,
    pub(super) acknowledges_orders: bool,
    pub(super) answers_heartbeats: bool,
    pub(super) tick: Option<Price>,
}

/// One fetched master.
#[derive(Debug)]
pub(super) struct Master {
    pub(super) rows: usize,
    pub(super) bad: usize,
}

/// A login beside the first.
#[derive(Debug)]
pub(super) struct SecondLogin {
    /// The second login itself.
    pub(super) login: Found<()>,
    /// What a read with the first token was answered then; `Ok`: it was served.
    pub(super) first_token: Found<()>,
    /// Whether the first came back by itself.
    pub(super) came_back: bool,
}

/// A refusal for too many calls.
#[derive(Debug)]
pub(super) struct RateText {
    pub(super) window: RateWindow,
    pub(super) text: String,
    pub(super) class: Option<ErrorClass>,
}

/// One event of an order, as the broker tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) status: String,
    pub(super) report: String,
    pub(super) remarks: Option<String>,
}

/// One frame about an order.
#[derive(Debug, Clone)]
pub(super) struct FrameSeen {
    pub(super) event: Event,
    /// Whether it came before the reply to the order.
    pub(super) before_reply: bool,
    /// Whether it lacks what a row needs.
    pub(super) is_sparse: bool,
}

/// A change of the small order.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) outcome: CallOutcome,
    /// Price and total quantity that were asked for.
    pub(super) asked: (Price, i64),
    /// Whether the book showed them in time.
    pub(super) is_shown: bool,
    /// The free text after it; `None`: no row, or a row without.
    pub(super) remarks: Option<String>,
}

/// The life of the small order.
#[derive(Debug)]
pub(super) struct SmallOrder {
    pub(super) tag: String,
    pub(super) price: Price,
    pub(super) quantity: i64,
    pub(super) outcome: PlaceOutcome,
    pub(super) number: Option<BrokerOrderId>,
    pub(super) high_water: Option<String>,
    /// Until the book showed it, from the reply; `None`: it did not.
    pub(super) visible_after: Option<Duration>,
    /// How long that may take.
    pub(super) visibility_bound: Duration,
    /// The status and the reason that it came to before anything else was done.
    pub(super) status: Option<(String, Option<String>)>,
    /// The free text in the book; the outer `None`: no row.
    pub(super) book_remarks: Option<Option<String>>,
    /// Its history before the cancel, newest first.
    pub(super) history: Found<Vec<Event>>,
    pub(super) frames: Vec<FrameSeen>,
    pub(super) change: Option<Changed>,
    /// The change that said nothing of the free text.
    pub(super) bare_change: Option<Changed>,
    pub(super) cancel: Option<CallOutcome>,
    /// Each `status/report` of book, history and stream from the cancel on, in the order in which it was seen first.
    pub(super) cancel_statuses: Vec<String>,
    /// Whether the book showed it cancelled.
    pub(super) is_cancelled: bool,
    pub(super) cancel_again: Option<CallOutcome>,
    pub(super) history_after: Found<Vec<Event>>,
}

/// An order with a long free text.
#[derive(Debug)]
pub(super) struct LongRemarks {
    pub(super) sent: usize,
    pub(super) outcome: PlaceOutcome,
    /// Characters that came back in the book, from the beginning.
    pub(super) in_book: Option<usize>,
    /// The same in the stream.
    pub(super) in_stream: Option<usize>,
}

/// An order that the broker should refuse at once.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) outcome: PlaceOutcome,
    /// The status of its row in the book, if it has one.
    pub(super) row: Found<Option<String>>,
}

/// A stop-limit order, from its placing to its end.
#[derive(Debug)]
pub(super) struct StopOrder {
    pub(super) trigger: Price,
    pub(super) quantity: i64,
    pub(super) outcome: PlaceOutcome,
    /// Its row before anything was done with it, if the book showed one.
    pub(super) placed: Option<StopRow>,
    /// Its trigger moved by a tick.
    pub(super) moved: Option<StopStep>,
    /// It became a limit far below the market.
    pub(super) limit: Option<StopStep>,
    pub(super) is_cancelled: bool,
    /// Each `status/report` of its history, oldest first.
    pub(super) statuses: Vec<String>,
}

/// What a row says of such an order.
#[derive(Debug)]
pub(super) struct StopRow {
    pub(super) status: String,
    pub(super) reason: Option<String>,
}

/// A change of such an order.
#[derive(Debug)]
pub(super) struct StopStep {
    pub(super) outcome: CallOutcome,
    /// Whether the book showed it in time.
    pub(super) is_shown: bool,
    /// The row that was seen last.
    pub(super) row: Option<StopRow>,
}

/// One way of writing an ampersand.
#[derive(Debug)]
pub(super) struct Spelling {
    pub(super) mode: Ampersand,
    pub(super) outcome: PlaceOutcome,
    /// The symbol in the book.
    pub(super) symbol: Option<String>,
    /// What it came to at the broker.
    pub(super) status: Option<String>,
}

/// What a quantity counts on an exchange where brokers differ.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) exchange: Exchange,
    pub(super) outcome: PlaceOutcome,
    /// Status and reason of an order of quantity 1.
    pub(super) status: Option<(String, Option<String>)>,
    /// `qty` of its row.
    pub(super) shown: Option<i64>,
    pub(super) lot: i64,
    pub(super) unit: Option<QuantityUnit>,
    /// What a point of one of its quantity is worth by its row, `mult` times `prcftr`, rupees.
    pub(super) told_point: Option<Decimal>,
    /// What a point of a unit is worth by the master, rupees.
    pub(super) point: Decimal,
}

impl Unit {
    /// What it counts, unless its row says another worth of a point than the master.
    pub(super) fn settled(&self) -> Option<QuantityUnit> {
        let is_contradicted = self.told_point.zip(self.expected_point()).is_some_and(|(told, expected)| told != expected);
        self.unit.filter(|_| !is_contradicted)
    }

    /// What the row should say of a point by the master, if it is known what it counts: it says it for one of those.
    pub(super) fn expected_point(&self) -> Option<Decimal> {
        let units = match self.unit? {
            QuantityUnit::Units => 1,
            QuantityUnit::Lots => self.lot,
        };
        self.point.checked_mul(Decimal::from(units))
    }
}

/// What was left at the end.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Orders of this run that have a number.
    pub(super) orders: usize,
    /// What is not proven to have ended, each with what is known.
    pub(super) unproven: Vec<String>,
    /// What filled, each with its place.
    pub(super) fills: Vec<String>,
}
