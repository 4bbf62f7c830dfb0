//! The broker's desk in front of the exchange: orders get their numbers at once, and go through risk check and exchange a
//! step later each (Noren protocol reference, sections 3.2 and 4.3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use ordergate_actors::order::{BookState, BrokerOrderId, InstrumentKey, OrderType, Product, Side, Validity, trading_date};
use rust_decimal::Decimal;

use super::order::{Asked, Kind, Oddities, Order, Report, Status};
use super::risk;
use crate::simulator::exchange::{Event, Exchange, NewOrder, number_after};
use crate::simulator::noren_server::listing::Listing;
use crate::simulator::noren_server::market::SimMarket;
use crate::simulator::noren_server::settings::Settings;

/// An order as it comes to the desk.
#[derive(Debug, Clone)]
pub(super) struct Placing {
    pub(super) key: InstrumentKey,
    pub(super) side: Side,
    pub(super) product: Product,
    pub(super) asked: Asked,
    pub(super) tag: Option<String>,
    pub(super) remarks: Option<String>,
    pub(super) source: String,
    pub(super) oddities: Oddities,
    /// Milliseconds before the risk check looks at it, beside the usual ones.
    pub(super) held_ms: u32,
}

/// How a change or cancel that was answered `Ok` goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bend {
    /// As it should.
    Straight,
    /// It is refused later.
    Refused,
    /// It is refused, in a message that looks like a rejection of the order.
    Saf,
    /// It is done, and then the same is refused once more: an event that looks like a rejection of the order stands in its book.
    SafInBook,
    /// A change with a trigger of zero for an order type that has none.
    BadTrigger,
}

/// What happens later.
#[derive(Debug, Clone)]
enum Step {
    Risk(String),
    Exchange(String),
    Change(String, Asked, Bend),
    Cancel(String, Bend),
    /// The exchange cancels on its own.
    Struck(String, String),
}

/// A report that the stream has to show.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) number: String,
    pub(super) report: Report,
}

/// Orders, exchange and what is due.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) exchange: Exchange,
    pub(super) market: Arc<SimMarket>,
    pub(super) listing: Arc<Listing>,
    pub(super) settings: Settings,
    pub(super) orders: BTreeMap<String, Order>,
    pub(super) by_exchange: BTreeMap<BrokerOrderId, String>,
    steps: BTreeMap<(DateTime<Utc>, u64), Step>,
    sequence: u64,
    last_number: u64,
    pub(super) notices: Vec<Notice>,
    /// What the state file does not have yet.
    pub(super) unsaved: BTreeSet<String>,
    pub(super) unsaved_events: Vec<Event>,
}

impl Desk {
    pub(super) fn new(settings: Settings, listing: Arc<Listing>, market: Arc<SimMarket>) -> Self {
        Self {
            exchange: Exchange::new(Arc::clone(&listing) as Arc<_>),
            market,
            listing,
            settings,
            orders: BTreeMap::new(),
            by_exchange: BTreeMap::new(),
            steps: BTreeMap::new(),
            sequence: 0,
            last_number: 0,
            notices: Vec::new(),
            unsaved: BTreeSet::new(),
            unsaved_events: Vec::new(),
        }
    }

    /// Goes on from a state file: the orders as they were last, and the sum of the events. What was on its way goes on.
    pub(super) fn restore(&mut self, orders: Vec<Order>, exchange: Exchange, now: DateTime<Utc>) {
        self.exchange = exchange;
        for order in orders {
            self.last_number = self.last_number.max(order.number.parse().unwrap_or(0));
            if trading_date(order.reports.first().map_or(now, |first| first.at)) != trading_date(now) {
                continue;
            }
            if let Some(id) = &order.exchange_id {
                self.by_exchange.insert(id.clone(), order.number.clone());
            } else if !order.standing.is_over() && !order.oddities.dropped {
                self.schedule(now, 0, Step::Risk(order.number.clone()));
            }
            self.orders.insert(order.number.clone(), order);
        }
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.steps.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes an order; its number.
    pub(super) fn place(&mut self, placing: Placing, now: DateTime<Utc>) -> String {
        self.last_number = number_after(self.last_number, trading_date(now));
        let number = format!("{:014}", self.last_number);
        let first = Report {
            status: Status::Pending,
            kind: Kind::NewAck,
            at: now,
            asked: placing.asked,
            filled: 0,
            value: Decimal::ZERO,
            cancelled: 0,
            reason: None,
            rejected_by: None,
            fill: None,
            at_exchange: false,
        };
        let is_dropped = placing.oddities.dropped;
        let order = Order {
            number: number.clone(),
            key: placing.key,
            side: placing.side,
            product: placing.product,
            tag: placing.tag,
            remarks: placing.remarks,
            source: placing.source,
            exchange_id: None,
            oddities: placing.oddities,
            reports: Vec::new(),
            standing: Status::Pending,
        };
        self.orders.insert(number.clone(), order);
        self.report(&number, first);
        if !is_dropped {
            self.schedule(now, self.settings.delays.risk_ms.saturating_add(placing.held_ms), Step::Risk(number.clone()));
        }
        number
    }

    /// Takes a change of an order that is there and open.
    pub(super) fn change(&mut self, number: &str, asked: Asked, bend: Bend, now: DateTime<Utc>) {
        if bend != Bend::Saf {
            self.follow(number, Status::Pending, Kind::ModAck, now, None);
        }
        self.schedule(now, self.settings.delays.exchange_ms, Step::Change(number.to_owned(), asked, bend));
    }

    /// Takes a cancel of an order that is there and open.
    pub(super) fn cancel(&mut self, number: &str, bend: Bend, now: DateTime<Utc>) {
        let shown = |order: &Order| order.last().map(|last| last.status).filter(|status| !status.is_over()).unwrap_or(order.standing);
        let standing = self.orders.get(number).map_or(Status::Open, shown);
        if bend != Bend::Saf {
            self.follow(number, standing, Kind::CanAck, now, None);
        }
        self.schedule(now, self.settings.delays.exchange_ms, Step::Cancel(number.to_owned(), bend));
    }

    /// The order's remarks are these from now on.
    pub(super) fn remark(&mut self, number: &str, remarks: Option<String>) {
        if let Some(order) = self.orders.get_mut(number) {
            order.remarks = remarks;
            self.unsaved.insert(number.to_owned());
        }
    }

    /// The exchange cancels the order after so long.
    pub(super) fn strike(&mut self, number: &str, reason: &str, ms: u32, now: DateTime<Utc>) {
        self.schedule(now, ms, Step::Struck(number.to_owned(), reason.to_owned()));
    }

    /// The broker closes every intraday position: what is open is cancelled, what is held is traded at the market.
    pub(super) fn square_off(&mut self, now: DateTime<Utc>) -> Vec<String> {
        let open: Vec<String> = self
            .orders
            .values()
            .filter(|order| order.product == Product::Mis && !order.standing.is_over() && order.exchange_id.is_some())
            .map(|order| order.number.clone())
            .collect();
        for number in open {
            self.at_exchange_cancel(&number, Some("RMS: auto square off"), now);
        }
        let held: Vec<(InstrumentKey, i64)> = self
            .exchange
            .position_details()
            .filter(|(key, position)| key.product == Product::Mis && position.holding.net != 0)
            .map(|(key, position)| (key.instrument.clone(), position.holding.net))
            .collect();
        held.into_iter()
            .map(|(key, net)| {
                let asked = Asked {
                    quantity: net.abs(),
                    price_type: OrderType::Market,
                    price: Decimal::ZERO,
                    trigger: Decimal::ZERO,
                    disclosed: 0,
                    validity: Validity::Day,
                };
                let side = if net > 0 { Side::Sell } else { Side::Buy };
                let source = "RMS".to_owned();
                let oddities = Oddities::default();
                self.place(Placing { key, side, product: Product::Mis, asked, tag: None, remarks: None, source, oddities, held_ms: 0 }, now)
            })
            .collect()
    }

    /// Does what is due, each thing at its own time, then lets the market reach the resting orders.
    pub(super) fn advance(&mut self, now: DateTime<Utc>) {
        while let Some(entry) = self.steps.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, _), step) = entry.remove_entry();
            match step {
                Step::Risk(number) => self.at_risk(&number, at),
                Step::Exchange(number) => self.at_exchange(&number, at),
                Step::Change(number, asked, bend) => self.at_change(number, asked, bend, at),
                Step::Cancel(number, bend) => self.at_cancel(number, bend, at),
                Step::Struck(number, reason) => {
                    self.at_exchange_cancel(&number, Some(&reason), at);
                }
            }
        }
        let market = Arc::clone(&self.market);
        let events = self.exchange.advance(now, &*market);
        self.absorb(events);
    }

    fn schedule(&mut self, now: DateTime<Utc>, ms: u32, step: Step) {
        self.sequence += 1;
        self.steps.insert((now + TimeDelta::milliseconds(i64::from(ms)), self.sequence), step);
    }

    fn at_risk(&mut self, number: &str, at: DateTime<Utc>) {
        let Some(order) = self.orders.get(number) else { return };
        match risk::check(self, order, at) {
            Ok(()) => {
                self.follow(number, Status::Pending, Kind::PendingNew, at, None);
                self.schedule(at, self.settings.delays.exchange_ms, Step::Exchange(number.to_owned()));
            }
            Err(reason) => self.follow(number, Status::Rejected, Kind::Rejected, at, Some(reason)),
        }
    }

    fn at_exchange(&mut self, number: &str, at: DateTime<Utc>) {
        let Some(order) = self.orders.get(number).filter(|order| order.standing == Status::Pending) else { return };
        let terms = order.last().and_then(|last| last.asked.terms(order.side, order.product));
        let Some(terms) = terms else {
            return self.follow(number, Status::Rejected, Kind::Rejected, at, Some("16419: invalid data in the order packet.".to_owned()));
        };
        // The number is the exchange's tag: it leads every event back to the order.
        let new = NewOrder { instrument: order.key.clone(), terms, tag: Some(Arc::from(number)) };
        let market = Arc::clone(&self.market);
        let decision = self.exchange.place(&new, at, &*market);
        self.absorb(decision.events);
        if let Err(reject) = decision.answer {
            let reason = risk::exchange_text(&reject, &self.settings.user.uid, &new.instrument);
            self.follow(number, Status::Rejected, Kind::Rejected, at, Some(reason));
        }
    }

    fn at_change(&mut self, number: String, asked: Asked, bend: Bend, at: DateTime<Utc>) {
        let Some(order) = self.orders.get(&number) else { return };
        let Some(id) = order.exchange_id.clone() else {
            // It is on its way to the exchange; the change comes behind it.
            if !order.standing.is_over() {
                self.schedule(at, 1, Step::Change(number, asked, bend));
            }
            return;
        };
        if bend == Bend::Saf {
            return self.shape_saf(&number, "SAF:order is not open to modify", at);
        }
        let standing = order.standing;
        let reason = match bend {
            Bend::Refused => Some("16387 order could not be replaced".to_owned()),
            Bend::BadTrigger => Some("ORA:Trigger price invalid - 0.00".to_owned()),
            Bend::Straight | Bend::Saf | Bend::SafInBook if standing.is_over() => None,
            Bend::Straight | Bend::Saf | Bend::SafInBook => risk::check_change(self, order, &asked, at).err(),
        };
        if let Some(reason) = reason {
            return self.follow(&number, standing, Kind::ReplaceRejected, at, Some(reason));
        }
        if !standing.is_over() {
            self.follow(&number, Status::Pending, Kind::PendingReplace, at, None);
        }
        let Some((side, product, key)) = self.orders.get(&number).map(|order| (order.side, order.product, order.key.clone())) else {
            return;
        };
        let market = Arc::clone(&self.market);
        let refusal = match asked.terms(side, product) {
            Some(terms) => {
                let decision = self.exchange.modify(&id, &terms, at, &*market);
                self.absorb(decision.events);
                decision.answer.err().map(|reject| risk::change_text(&reject, "modify", &self.settings.user.uid, &key))
            }
            None => Some("16419: invalid data in the order packet.".to_owned()),
        };
        if let Some(reason) = refusal {
            let standing = self.actual(&number);
            self.follow(&number, standing, Kind::ReplaceRejected, at, Some(reason));
        }
        if bend == Bend::SafInBook {
            self.book_saf(&number, "SAF:order is not open to modify", at);
        }
    }

    fn at_cancel(&mut self, number: String, bend: Bend, at: DateTime<Utc>) {
        let Some(order) = self.orders.get(&number) else { return };
        if order.exchange_id.is_none() {
            if !order.standing.is_over() {
                self.schedule(at, 1, Step::Cancel(number, bend));
            }
            return;
        }
        let standing = order.standing;
        match bend {
            Bend::Saf => self.shape_saf(&number, "SAF:order is not open to cancel", at),
            Bend::Refused => {
                self.follow(&number, standing, Kind::CancelRejected, at, Some("16387 order could not be cancelled".to_owned()))
            }
            Bend::Straight | Bend::BadTrigger | Bend::SafInBook => {
                if let Some(reason) = self.at_exchange_cancel(&number, None, at) {
                    let standing = self.actual(&number);
                    self.follow(&number, standing, Kind::CancelRejected, at, Some(reason));
                }
                if bend == Bend::SafInBook {
                    self.book_saf(&number, "SAF:order is not open to cancel", at);
                }
            }
        }
    }

    /// Cancels at the exchange; why not.
    fn at_exchange_cancel(&mut self, number: &str, reason: Option<&str>, at: DateTime<Utc>) -> Option<String> {
        let (id, key) = self.orders.get(number).and_then(|order| Some((order.exchange_id.clone()?, order.key.clone())))?;
        let market = Arc::clone(&self.market);
        let decision = self.exchange.cancel(&id, reason, at, &*market);
        self.absorb(decision.events);
        decision.answer.err().map(|reject| risk::change_text(&reject, "cancel", &self.settings.user.uid, &key))
    }

    /// The state at the exchange.
    fn actual(&self, number: &str) -> Status {
        let Some(order) = self.orders.get(number) else { return Status::Pending };
        let Some(at_exchange) = order.exchange_id.as_ref().and_then(|id| self.exchange.order(id)) else { return order.standing };
        match at_exchange.row.state {
            BookState::Open if at_exchange.is_trigger_pending() => Status::TriggerPending,
            BookState::Complete => Status::Complete,
            BookState::Cancelled | BookState::Expired => Status::Canceled,
            BookState::Rejected => Status::Rejected,
            _ => Status::Open,
        }
    }

    /// A new day: the book begins empty.
    pub(super) fn begin_day(&mut self, date: NaiveDate) {
        self.orders.retain(|_, order| order.reports.first().is_some_and(|first| trading_date(first.at) == date));
        let orders = &self.orders;
        self.by_exchange.retain(|_, number| orders.contains_key(number));
    }
}
