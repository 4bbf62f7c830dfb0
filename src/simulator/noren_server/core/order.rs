//! An order at the broker: what was asked, and every report on it. The newest report is its row in the book.

use chrono::{DateTime, Utc};
use ordergate_actors::order::{BrokerOrderId, InstrumentKey, OrderType, Price, Product, Quantity, Side, Terms, Validity};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Public state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Status {
    Pending,
    Open,
    TriggerPending,
    Complete,
    Rejected,
    Canceled,
}

impl Status {
    /// The documented spelling, or the other ones that were seen.
    pub(super) fn text(self, is_other: bool) -> &'static str {
        match (self, is_other) {
            (Self::Pending, false) => "PENDING",
            (Self::Pending, true) => "Pending",
            (Self::Open, false) => "OPEN",
            (Self::Open, true) => "Open",
            (Self::TriggerPending, false) => "TRIGGER_PENDING",
            (Self::TriggerPending, true) => "TRIGGER PENDING",
            (Self::Complete, false) => "COMPLETE",
            (Self::Complete, true) => "Complete",
            (Self::Rejected, false) => "REJECTED",
            (Self::Rejected, true) => "REJECT",
            (Self::Canceled, false) => "CANCELED",
            (Self::Canceled, true) => "CANCELLED",
        }
    }

    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Complete | Self::Rejected | Self::Canceled)
    }
}

/// What a report is about (`rpt`, `reporttype`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    NewAck,
    PendingNew,
    New,
    Fill,
    Rejected,
    ModAck,
    PendingReplace,
    Replaced,
    ReplaceRejected,
    CanAck,
    PendingCancel,
    Canceled,
    CancelRejected,
}

impl Kind {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NewAck => "NewAck",
            Self::PendingNew => "PendingNew",
            Self::New => "New",
            Self::Fill => "Fill",
            Self::Rejected => "Rejected",
            Self::ModAck => "ModAck",
            Self::PendingReplace => "PendingReplace",
            Self::Replaced => "Replaced",
            Self::ReplaceRejected => "ReplaceRejected",
            Self::CanAck => "CanAck",
            Self::PendingCancel => "PendingCancel",
            Self::Canceled => "Canceled",
            Self::CancelRejected => "CancelRejected",
        }
    }
}

/// The part of an order that a change can alter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) quantity: i64,
    pub(super) price_type: OrderType,
    /// Zero without a limit.
    pub(super) price: Decimal,
    /// Zero without a trigger.
    pub(super) trigger: Decimal,
    pub(super) disclosed: i64,
    pub(super) validity: Validity,
}

impl Asked {
    /// `prctyp` on the wire.
    pub(super) fn price_type_text(&self) -> &'static str {
        match self.price_type {
            OrderType::Market => "MKT",
            OrderType::Limit => "LMT",
            OrderType::StopLimit => "SL-LMT",
            OrderType::StopMarket => "SL-MKT",
        }
    }

    /// As the exchange takes it; `None` when a number is none.
    pub(super) fn terms(&self, side: Side, product: Product) -> Option<Terms> {
        Some(Terms {
            side,
            quantity: Quantity::new(self.quantity)?,
            product,
            order_type: self.price_type,
            validity: self.validity,
            price: Price::new(self.price).filter(|_| self.price_type.has_price()),
            trigger_price: Price::new(self.trigger).filter(|_| self.price_type.has_trigger()),
        })
    }
}

/// One trade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fill {
    pub(super) id: String,
    pub(super) quantity: i64,
    pub(super) price: Decimal,
}

/// One report on an order, with everything as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) status: Status,
    pub(super) kind: Kind,
    pub(super) at: DateTime<Utc>,
    pub(super) asked: Asked,
    pub(super) filled: i64,
    /// Rupees of what is filled.
    pub(super) value: Decimal,
    pub(super) cancelled: i64,
    pub(super) reason: Option<String>,
    pub(super) rejected_by: Option<String>,
    pub(super) fill: Option<Fill>,
    /// Whether the exchange had seen the order by then.
    pub(super) at_exchange: bool,
}

impl Report {
    pub(super) fn average(&self) -> Option<Decimal> {
        (self.filled > 0).then(|| self.value.checked_div(Decimal::from(self.filled))).flatten()
    }
}

/// What is odd about an order: the faults of the call that brought it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Oddities {
    /// In no book before that time.
    pub(super) visible_from: Option<DateTime<Utc>>,
    /// Whether the stream shows it before that time.
    pub(super) streams_early: bool,
    pub(super) dropped: bool,
    pub(super) stream_lost: bool,
    pub(super) stream_twice: bool,
    pub(super) stream_swapped: bool,
    pub(super) stream_delay_ms: u32,
}

/// An order of today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) number: String,
    pub(super) key: InstrumentKey,
    pub(super) side: Side,
    pub(super) product: Product,
    /// Remarks as they came.
    pub(super) tag: Option<String>,
    /// Remarks as everybody sees them.
    pub(super) remarks: Option<String>,
    /// `API`, or where else it came from.
    pub(super) source: String,
    pub(super) exchange_id: Option<BrokerOrderId>,
    pub(super) oddities: Oddities,
    /// Oldest first; never empty.
    pub(super) reports: Vec<Report>,
    /// The state that the order is in, whatever a report was shaped as.
    pub(super) standing: Status,
}

impl Order {
    /// The newest report.
    pub(super) fn last(&self) -> Option<&Report> {
        self.reports.last()
    }

    /// `prd` on the wire.
    pub(super) fn product_code(&self) -> &'static str {
        product_code(self.product)
    }

    /// 16 digits once the exchange has it.
    pub(super) fn exchange_number(&self) -> Option<String> {
        let id = self.exchange_id.as_ref()?.as_str();
        let tail = id.get(id.len().saturating_sub(10)..).unwrap_or(id);
        Some(format!("110000{tail:0>10}"))
    }

    /// Whether the books show it at that time.
    pub(super) fn is_shown(&self, now: DateTime<Utc>) -> bool {
        !self.oddities.dropped && self.oddities.visible_from.is_none_or(|from| now >= from)
    }

    /// A report like the newest, with another state and kind.
    pub(super) fn next(&self, status: Status, kind: Kind, at: DateTime<Utc>) -> Option<Report> {
        let last = self.last()?;
        Some(Report {
            status,
            kind,
            at,
            fill: None,
            reason: None,
            rejected_by: None,
            at_exchange: self.exchange_id.is_some(),
            ..last.clone()
        })
    }
}

pub(super) fn product_code(product: Product) -> &'static str {
    match product {
        Product::Mis => "I",
        Product::Nrml => "M",
        Product::Cnc => "C",
    }
}

pub(super) fn product_alias(product: Product) -> &'static str {
    product.as_str()
}

/// `B` or `S`.
pub(super) fn side_code(side: Side) -> &'static str {
    match side {
        Side::Buy => "B",
        Side::Sell => "S",
    }
}
