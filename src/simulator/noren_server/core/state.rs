//! What the broker holds: shown to whoever asks behind the scenes, and kept over a restart.

use chrono::{DateTime, Utc};
use ordergate_actors::ports::Instruments as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Core;
use super::order::Order;
use super::sessions::Token;
use super::wire::fixed;
use crate::simulator::exchange::{Book, Event, Exchange};

/// One thing in the state file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// An order as it is now; the last one of a number counts.
    Order(Box<Order>),
    /// An event of the exchange.
    Exchange(Event),
    /// The live sessions; the last ones count.
    Sessions(Vec<Token>, u64),
}

impl Core {
    /// Everything, for assertions: orders with their history and whose they are, positions, counters. No tokens.
    #[must_use]
    pub(crate) fn state(&self, now: DateTime<Utc>) -> Value {
        let orders: Vec<Value> = self.desk.orders.values().map(|order| self.one_order(order, now)).collect();
        let positions: Vec<Value> = self
            .desk
            .exchange
            .position_details()
            .map(|(key, position)| {
                json!({ "exch": key.instrument.exchange, "tsym": key.instrument.symbol, "prd": super::order::product_code(key.product),
                    "net": position.holding.net, "average": position.holding.average().map(|average| average.to_string()) })
            })
            .collect();
        let sockets: Vec<Value> = self
            .stream
            .sockets
            .iter()
            .map(|(id, socket)| {
                json!({ "id": id, "logged_in": socket.token.is_some(), "orders": socket.orders, "silent": socket.silent,
                    "feeds": socket.feeds.len() })
            })
            .collect();
        let live = self.sessions.live().iter().filter(|token| now < token.expires_at);
        json!({
            "time": now,
            "orders": orders,
            "positions": positions,
            "sessions": live.map(|token| json!({ "issued_at": token.issued_at, "expires_at": token.expires_at })).collect::<Vec<_>>(),
            "logins": self.sessions.issued(),
            "sockets": sockets,
            "calls": self.log.counts(),
            "accepted": self.log.accepted,
            "order_messages": self.stream.sent,
            "faults": self.plan.left(),
        })
    }

    fn one_order(&self, order: &Order, now: DateTime<Utc>) -> Value {
        let last = order.last();
        let places = 2;
        json!({
            "norenordno": order.number,
            "exch": order.key.exchange,
            "tsym": order.key.symbol,
            "token": self.desk.listing.find(&order.key).map(|row| row.token),
            "trantype": super::order::side_code(order.side),
            "prd": order.product_code(),
            "tag": order.tag,
            "remarks": order.remarks,
            "ordersource": order.source,
            "status": order.standing.text(false),
            "qty": last.map(|last| last.asked.quantity),
            "prc": last.map(|last| fixed(last.asked.price, places)),
            "prctyp": last.map(|last| last.asked.price_type_text()),
            "fillshares": last.map_or(0, |last| last.filled),
            "avgprc": last.and_then(|last| Some(fixed(last.average()?, places))),
            "rejreason": last.and_then(|last| last.reason.clone()),
            "visible": order.is_shown(now),
            "at_exchange": order.exchange_id.is_some(),
            "reports": order.reports.iter().map(|report| report.kind.text()).collect::<Vec<_>>(),
        })
    }

    /// The line that the state file does not have yet. What happened together is in one line, so that a kill keeps it whole
    /// or not at all.
    pub(crate) fn take_unsaved(&mut self) -> Option<String> {
        let mut lines: Vec<Line> = Vec::new();
        for number in std::mem::take(&mut self.desk.unsaved) {
            if let Some(order) = self.desk.orders.get(&number) {
                lines.push(Line::Order(Box::new(order.clone())));
            }
        }
        lines.extend(std::mem::take(&mut self.desk.unsaved_events).into_iter().map(Line::Exchange));
        if std::mem::take(&mut self.is_unsaved) {
            lines.push(Line::Sessions(self.sessions.live().to_vec(), self.sessions.issued()));
        }
        if lines.is_empty() { None } else { serde_json::to_string(&lines).ok() }
    }

    /// Nobody keeps a state file.
    pub(crate) fn forget_unsaved(&mut self) {
        self.desk.unsaved.clear();
        self.desk.unsaved_events.clear();
        self.is_unsaved = false;
    }

    /// Goes on from a state file. A torn last line is what a kill leaves; it is passed over.
    ///
    /// # Errors
    /// What is wrong, with the number of the line.
    pub(crate) fn restore(&mut self, text: &str, now: DateTime<Utc>) -> Result<(), String> {
        let mut orders: BTreeMap<String, Order> = BTreeMap::new();
        let mut exchange = Exchange::with_book(Arc::clone(&self.desk.listing) as Arc<_>, Book::default());
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for (number, line) in (1..).zip(whole.lines()) {
            let lines: Vec<Line> = serde_json::from_str(line).map_err(|bad| format!("line {number}: {bad}"))?;
            for line in lines {
                match line {
                    Line::Order(order) => {
                        orders.insert(order.number.clone(), *order);
                    }
                    Line::Exchange(event) => exchange.apply(&[event]).map_err(|bad| format!("line {number}: {bad}"))?,
                    Line::Sessions(live, issued) => self.sessions.restore(live, issued),
                }
            }
        }
        self.desk.restore(orders.into_values().collect(), exchange, now);
        Ok(())
    }
}
