//! What an alert says, whatever its format. Nothing is judged and nothing is filled in.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::order::Side;

/// The shape that an alert came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// TradingView, an order of a strategy: it says which position the strategy is in.
    #[default]
    TradingviewStrategy,
    /// TradingView, an alert that says what to do and nothing about a position.
    Tradingview,
    /// OpenAlgo's `placeorder`.
    OpenalgoOrder,
    /// OpenAlgo's `placesmartorder`: it says which position is wanted.
    OpenalgoSmartOrder,
    /// One share of a ChartInk scan.
    Chartink,
}

impl Format {
    /// As people and programs read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TradingviewStrategy => "tradingview_strategy",
            Self::Tradingview => "tradingview",
            Self::OpenalgoOrder => "openalgo_order",
            Self::OpenalgoSmartOrder => "openalgo_smart_order",
            Self::Chartink => "chartink",
        }
    }
}

/// What an alert says about one instrument.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Reading {
    /// The shape.
    pub format: Format,
    /// What it calls its strategy: free text that owns nothing; a route may be chosen by it.
    pub strategy: Option<String>,
    /// The exchange beside the name.
    pub exchange: Option<String>,
    /// The name of the instrument.
    pub ticker: Option<String>,
    /// Buy or sell.
    pub action: Option<Side>,
    /// How much, in the alert's own unit.
    pub size: Option<Decimal>,
    /// The position that the strategy is in after it: long above 0, short below, 0 flat.
    pub position: Option<Decimal>,
    /// The position that it was in before.
    pub before: Option<Decimal>,
    /// The product, in the sender's word.
    pub product: Option<String>,
    /// The order type, in the sender's word.
    pub order_type: Option<String>,
    /// The price that the sender saw or wants.
    pub price: Option<String>,
    /// The trigger.
    pub trigger_price: Option<String>,
    /// The sender's name of the order: a label of its script, never unique.
    pub order_id: Option<String>,
    /// When the alert was made. It ages the signal.
    pub made_at: Option<DateTime<Utc>>,
    /// When the bar began that it was made in. It ages nothing: of a 15-minute bar it is up to 15 minutes ago.
    pub bar_at: Option<DateTime<Utc>>,
    /// A text that is another for every alert of the source, where `made_at` is none: ChartInk's scan, share and day.
    pub once: Option<String>,
    /// The sender's own key.
    pub key: Option<String>,
    /// The sender's count of its alerts.
    pub seq: Option<u64>,
    /// The sender means it again: it is no replay of an identical one.
    pub repeat: bool,
    /// A mock result.
    pub test_mode: Option<String>,
    /// What could not be read, one sentence each: it refuses the order.
    pub wrong: Vec<String>,
    /// Fields that the format does not know.
    pub ignored: Vec<String>,
}

impl Reading {
    /// The instrument as it is called, with the exchange before it.
    #[must_use]
    pub fn called(&self) -> String {
        let ticker = self.ticker.as_deref().unwrap_or("?");
        match self.exchange.as_deref() {
            Some(exchange) if !ticker.contains(':') => format!("{exchange}:{ticker}"),
            _ => ticker.to_owned(),
        }
    }
}
