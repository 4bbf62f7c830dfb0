//! From journal rows to lines. A line is a function of its order's journal rows up to it and of nothing else: that is
//! what makes the log rebuildable, byte for byte.

use std::collections::HashMap;

use ordergate_actors::order::event;
use ordergate_actors::order::{
    ClientId, CommandId, LegDraft, OrderType, Points, Price, Pricing, Quantity, Shown, Side, Status, Tag, Terms, ended_terms, recorded_type,
};
use ordergate_actors::persistence::chain::stored_time;
use ordergate_actors::ports::JournalRow;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Orders kept in mind; older ones are read from the journal again when they come back.
const REMEMBERED: usize = 5_000;

/// The seeds' names for the steps of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    /// Registered.
    IntentCreated,
    /// Written down, without being one of the other steps (a partial fill, a wanted cancel).
    DbWrite,
    /// About to be sent.
    SentToBroker,
    /// The broker gave it a number.
    BrokerConfirmed,
    /// Filled whole.
    Executed,
    /// Ended otherwise.
    Failed,
    /// Something went wrong that is not its end: no clear answer, a fault, an alarm.
    Error,
}

impl Stage {
    /// The step that a row is; `None` for rows that are about no order.
    #[must_use]
    pub fn of(row: &JournalRow) -> Option<Self> {
        row.command_id?;
        let ends_as = |status: Status| row.to == Some(status) && row.from != Some(status);
        Some(match &*row.event {
            _ if ends_as(Status::Failed) => Self::Failed,
            _ if ends_as(Status::Executed) => Self::Executed,
            event::CREATED => Self::IntentCreated,
            event::SENT_TO_BROKER => Self::SentToBroker,
            event::BROKER_CONFIRMED => Self::BrokerConfirmed,
            event::SEND_UNCONFIRMED | event::ENGINE_FAULT => Self::Error,
            other if other.starts_with("ALARM_") => Self::Error,
            _ => Self::DbWrite,
        })
    }
}

/// One line of the log.
#[derive(Debug, Serialize)]
struct Line<'a> {
    command_id: CommandId,
    timestamp: String,
    client_id: Option<&'a ClientId>,
    stage: Stage,
    symbol: &'a str,
    side: Option<Side>,
    quantity: Option<Quantity>,
    order_type: Option<OrderType>,
    status: Option<Status>,
    broker_order_id: Option<&'a str>,
    filled_qty: i64,
    avg_price: Option<Decimal>,
    tag: Option<Tag>,
    reason: Option<&'a str>,
    step: &'a str,
    seq: u64,
}

/// What an order's rows said so far.
#[derive(Debug, Clone, Default)]
struct Known {
    symbol: String,
    side: Option<Side>,
    quantity: Option<Quantity>,
    order_type: Option<OrderType>,
    price: Option<Price>,
    trigger: Option<Price>,
    /// Whether a change was ever asked of the broker.
    is_changed: bool,
    /// A change that the book does not show yet.
    pending: Option<Terms>,
    status: Option<Status>,
    broker_order_id: Option<String>,
    filled: i64,
    average: Option<Decimal>,
    traded: i64,
    traded_value: Points,
}

/// What the rows' inputs may hold of interest; the rest is for people.
#[derive(Debug, Default, Deserialize)]
struct Inputs {
    asked: Option<LegDraft>,
    terms: Option<Terms>,
    broker_order_id: Option<String>,
    state: Option<String>,
    filled: Option<i64>,
    average_price: Option<Decimal>,
    trade_id: Option<String>,
    /// Another pricing that the broker's book shows.
    now: Option<Pricing>,
    quantity: Option<serde_json::Value>,
    price: Option<Price>,
    trigger_price: Option<Price>,
    order_type: Option<OrderType>,
}

impl Known {
    fn take(&mut self, row: &JournalRow) {
        // Rows of any version are read as far as they can be: a field that is not there says nothing.
        let inputs: Inputs = serde_json::from_str(&row.inputs).unwrap_or_default();
        if let Some(asked) = &inputs.asked {
            self.ask(asked);
        }
        if let Some(terms) = &inputs.terms {
            if &*row.event == event::MODIFY_REPLIED { self.answered(terms, row.to) } else { self.settle(terms) }
        }
        if let Some(now) = inputs.now {
            (self.order_type, self.price, self.trigger) = (now.order_type, now.price, now.trigger_price);
            self.pending = self.pending.take().filter(|_| &*row.event != event::TERMS_CHANGED_BY_HAND);
        }
        self.is_changed |= &*row.event == event::MODIFY_SENT;
        if self.broker_order_id.is_none() {
            self.broker_order_id.clone_from(&inputs.broker_order_id);
        }
        match (&inputs.trade_id, inputs.filled) {
            (Some(_), _) => self.fill(&inputs),
            (None, Some(filled)) => self.book(filled, &inputs),
            (None, None) => {}
        }
        self.status = row.to.or(self.status);
        if self.status == Some(Status::Failed) {
            self.pending = None;
        }
    }

    fn settle(&mut self, terms: &Terms) {
        self.order_type = Some(recorded_type((self.order_type, self.price), (terms.order_type, terms.price)));
        (self.side, self.quantity, self.price, self.trigger) = (Some(terms.side), Some(terms.quantity), terms.price, terms.trigger_price);
    }

    /// The answer to a modify says what it asked for; it counts once the book shows it.
    fn answered(&mut self, terms: &Terms, status: Option<Status>) {
        match status {
            Some(Status::Failed) => {}
            Some(Status::Executed) if self.quantity != Some(terms.quantity) => {}
            Some(Status::Executed) if terms.is_shown_by(Some(terms.order_type), &self.shown()) => self.settle(terms),
            _ => self.pending = Some(terms.clone()),
        }
    }

    fn shown(&self) -> Shown {
        Shown {
            quantity: self.quantity.map_or(0, Quantity::value),
            price: self.price.map(Price::value),
            trigger_price: self.trigger.map(Price::value),
            order_type: self.order_type,
        }
    }

    /// As the order's row takes it.
    fn take_shown(&mut self, total: Option<Quantity>, inputs: &Inputs, has_ended: bool) {
        let shown = Shown {
            quantity: total.map_or(0, Quantity::value),
            price: inputs.price.map(Price::value),
            trigger_price: inputs.trigger_price.map(Price::value),
            order_type: inputs.order_type,
        };
        let before = self.order_type;
        if let Some(terms) = self.pending.take_if(|terms| terms.is_shown_by(before, &shown)) {
            self.settle(&terms);
        } else if has_ended {
            self.pending = None;
            if self.is_changed {
                let own = (self.order_type, self.price, self.trigger);
                (self.order_type, self.price, self.trigger) = ended_terms(own, &shown);
            }
        }
    }

    fn ask(&mut self, asked: &LegDraft) {
        let text = |value: &Option<String>| value.as_deref().unwrap_or_default().trim().to_owned();
        self.symbol = ordergate_actors::order::clean(&text(&asked.symbol), 64);
        self.side = Side::parse(&text(&asked.side));
        self.quantity = Quantity::parse(&text(&asked.quantity)).ok();
        self.order_type = OrderType::parse(&text(&asked.order_type));
        self.price = Price::parse(&text(&asked.price)).ok().filter(|_| self.order_type.is_none_or(OrderType::has_price));
    }

    fn fill(&mut self, inputs: &Inputs) {
        let quantity = inputs.quantity.as_ref().and_then(serde_json::Value::as_i64);
        let (Some(quantity), Some(price)) = (quantity, inputs.price) else { return };
        self.traded += quantity;
        self.traded_value = self.traded_value.plus(price.times(quantity));
        if self.traded >= self.filled {
            self.filled = self.traded;
            self.average = self.traded_value.per_unit(self.traded).or(self.average);
        }
    }

    fn book(&mut self, filled: i64, inputs: &Inputs) {
        if filled > self.filled {
            self.filled = filled;
            self.average = inputs.average_price.or(self.average);
        }
        let total = inputs.quantity.as_ref().and_then(serde_json::Value::as_i64).and_then(Quantity::new);
        let is_open = inputs.state.as_deref() == Some("OPEN");
        let is_more = is_open && total.map_or(0, Quantity::value) > self.quantity.map_or(0, Quantity::value).max(self.filled);
        if self.status == Some(Status::Executed) && !is_more {
            if !is_open {
                self.take_shown(total, inputs, true);
            }
            return;
        }
        if is_open || self.pending.is_some() {
            self.quantity = total.or(self.quantity);
        }
        self.take_shown(total, inputs, !is_open);
    }
}

/// Makes lines of rows, and knows the orders that it has seen lately.
#[derive(Debug, Default)]
pub(super) struct Lines {
    known: HashMap<CommandId, Known>,
}

impl Lines {
    /// The row's line, without its end; `None` for rows that are about no order. `earlier` reads an order's rows: it is
    /// asked for those of an order that is not in mind, and rows from this one on are not looked at.
    pub(super) fn line(&mut self, row: &JournalRow, earlier: &mut dyn FnMut(&ClientId, CommandId) -> Vec<JournalRow>) -> Option<String> {
        let (stage, command) = (Stage::of(row)?, row.command_id?);
        if self.known.len() >= REMEMBERED {
            self.known.retain(|_, known| known.status.is_none_or(|status| !status.is_terminal()));
            if self.known.len() >= REMEMBERED {
                self.known.clear();
            }
        }
        let known = self.known.entry(command).or_insert_with(|| {
            let mut known = Known::default();
            if let (Some(client), false) = (&row.client_id, stage == Stage::IntentCreated) {
                earlier(client, command).iter().filter(|before| before.seq < row.seq).for_each(|before| known.take(before));
            }
            known
        });
        known.take(row);
        let line = Line {
            command_id: command,
            timestamp: stored_time(row.at),
            client_id: row.client_id.as_ref(),
            stage,
            symbol: &known.symbol,
            side: known.side,
            quantity: known.quantity,
            order_type: known.order_type,
            status: known.status,
            broker_order_id: known.broker_order_id.as_deref(),
            filled_qty: known.filled,
            avg_price: known.average,
            tag: row.tag,
            reason: row.reason.as_deref(),
            step: &row.event,
            seq: row.seq,
        };
        serde_json::to_string(&line).ok()
    }
}

/// What must be read back of a line: where the log stands.
#[derive(Debug, Deserialize)]
pub(super) struct Mark {
    pub(super) client_id: Option<ClientId>,
    pub(super) seq: u64,
}
