//! The sockets' side of the broker, without sockets: who is connected, what each has subscribed to, what is to be sent
//! (Noren protocol reference, section 6).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey};
use serde_json::{Map, Value};

use super::books::{exchange, point_fields};
use super::desk::Notice;
use super::order::{Kind, Order, Report, side_code};
use super::wire::{Fields, epoch, exchange_time, fixed, request_time};
use crate::simulator::noren_server::listing::precision;

/// A connection's number.
pub(crate) type SocketId = u64;

/// What goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// A frame.
    Text(String),
    /// The end, with code 1000.
    Close,
}

/// What a subscription wants of an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FeedKind {
    Touch,
    Depth,
}

/// One instrument as a socket last heard of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// As it was.
    pub(super) fields: Map<String, Value>,
    /// As it was told, which a fault can bend.
    pub(super) told: Map<String, Value>,
}

/// One connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Socket {
    pub(super) token: Option<String>,
    pub(super) orders: bool,
    pub(super) silent: bool,
    pub(super) feeds: BTreeMap<(FeedKind, InstrumentKey), Seen>,
}

/// Every connection, and the messages on their way.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) sockets: BTreeMap<SocketId, Socket>,
    later: BTreeMap<(DateTime<Utc>, u64), Value>,
    sequence: u64,
    /// Messages that change places with the next one of their order.
    held: BTreeMap<String, Value>,
    pub(super) out: Vec<(SocketId, Outgoing)>,
    pub(super) sent: u64,
}

impl Stream {
    pub(super) fn open(&mut self, id: SocketId) {
        self.sockets.insert(id, Socket::default());
    }

    pub(super) fn gone(&mut self, id: SocketId) {
        self.sockets.remove(&id);
    }

    /// Sends one frame, unless the socket has fallen silent.
    pub(super) fn send(&mut self, id: SocketId, frame: &Value) {
        if self.sockets.get(&id).is_some_and(|socket| !socket.silent) {
            self.out.push((id, Outgoing::Text(frame.to_string())));
        }
    }

    /// Closes the connections that are logged in, but for one.
    pub(super) fn evict(&mut self, but: Option<SocketId>) {
        let old: Vec<SocketId> =
            self.sockets.iter().filter(|(id, socket)| socket.token.is_some() && Some(**id) != but).map(|(id, _)| *id).collect();
        for id in old {
            self.close(id);
        }
    }

    pub(super) fn close(&mut self, id: SocketId) {
        if self.sockets.remove(&id).is_some() {
            self.out.push((id, Outgoing::Close));
        }
    }

    pub(super) fn schedule(&mut self, at: DateTime<Utc>, frame: Value) {
        self.sequence += 1;
        self.later.insert((at, self.sequence), frame);
    }

    /// Puts a message behind the next one of the same order.
    pub(super) fn swap(&mut self, number: &str, at: DateTime<Utc>, frame: Value) {
        match self.held.remove(number) {
            Some(before) => {
                self.schedule(at, frame);
                self.schedule(at, before);
            }
            None => {
                self.held.insert(number.to_owned(), frame);
            }
        }
    }

    /// Sends what waited for a partner that did not come.
    pub(super) fn release(&mut self, number: &str, at: DateTime<Utc>) {
        if let Some(frame) = self.held.remove(number) {
            self.schedule(at, frame);
        }
    }

    pub(super) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }

    /// Sends the order messages whose time has come to everybody who asked for them. Who is not there misses them.
    pub(super) fn advance(&mut self, now: DateTime<Utc>) {
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let (_, frame) = entry.remove_entry();
            self.sent += 1;
            let listeners: Vec<SocketId> =
                self.sockets.iter().filter(|(_, socket)| socket.token.is_some() && socket.orders).map(|(id, _)| *id).collect();
            for id in listeners {
                self.send(id, &frame);
            }
        }
    }
}

/// The instruments of a subscription: `NFO|52168#NSE|26000`.
pub(super) fn subscribed(keys: &str) -> impl Iterator<Item = (Exchange, u32)> {
    keys.split('#').filter_map(|key| {
        let (name, token) = key.split_once('|')?;
        Some((exchange(name)?, token.parse().ok()?))
    })
}

/// The fields that differ from what was seen.
pub(super) fn changed(seen: &Map<String, Value>, now: &Map<String, Value>) -> Map<String, Value> {
    now.iter().filter(|(name, value)| seen.get(*name) != Some(value)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// An order message. `NewAck` is sparse: no quantity, no price, no remarks.
pub(super) fn message(uid: &str, (order, instrument): (&Order, Option<&Instrument>), notice: &Notice, other_spelling: bool) -> Value {
    let report = &notice.report;
    let base = Fields::new()
        .with("t", "om")
        .with("norenordno", &order.number)
        .with("uid", uid)
        .with("actid", uid)
        .with("exch", order.key.exchange)
        .with("tsym", &order.key.symbol)
        .with("trantype", side_code(order.side))
        .with("pp", precision(order.key.exchange))
        .and(point_fields(instrument))
        .with("status", report.status.text(other_spelling))
        .with("reporttype", report.kind.text())
        .with("pcode", order.product_code())
        .with("tm", epoch(report.at))
        .with("norentm", request_time(report.at))
        .with("ntm", request_time(report.at))
        .with("kidid", "1");
    if report.kind == Kind::NewAck {
        return base.with("st_intrn", "ORDER ACK").value();
    }
    full(base, order, report).value()
}

fn full(base: Fields, order: &Order, report: &Report) -> Fields {
    let places = precision(order.key.exchange);
    let asked = &report.asked;
    let fill = report.fill.as_ref();
    base.with("st_intrn", report.status.text(false))
        .with("qty", asked.quantity)
        .with("prc", fixed(asked.price, places))
        .with("prctyp", asked.price_type_text())
        .with("ret", asked.validity)
        .with("dscqty", asked.disclosed)
        .maybe("trgprc", asked.price_type.has_trigger().then(|| fixed(asked.trigger, places)))
        .maybe("remarks", order.remarks.as_ref())
        .with("rejreason", report.reason.as_deref().unwrap_or(" "))
        .maybe("rejby", report.rejected_by.as_ref())
        .maybe("fillshares", (report.filled > 0).then_some(report.filled))
        .maybe("avgprc", report.average().map(|average| fixed(average, places)))
        .maybe("flid", fill.map(|fill| &fill.id))
        .maybe("flqty", fill.map(|fill| fill.quantity))
        .maybe("flprc", fill.map(|fill| fixed(fill.price, places)))
        .maybe("fltm", fill.map(|_| exchange_time(report.at)))
        .maybe("cancelqty", (report.cancelled > 0).then_some(report.cancelled))
        .maybe("exchordid", order.exchange_number().filter(|_| report.at_exchange))
        .maybe("exch_tm", report.at_exchange.then(|| exchange_time(report.at)))
        .with("os", &order.source)
}
