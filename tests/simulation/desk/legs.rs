//! Orders as the tests ask for them.

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Amount, Exchange, InstrumentKey, LegDraft, Price};
use rust_decimal::Decimal;

pub(crate) fn nse(symbol: &str) -> InstrumentKey {
    InstrumentKey::new(Exchange::Nse, symbol)
}

pub(crate) fn sbin() -> InstrumentKey {
    nse("SBIN-EQ")
}

/// The nearest index future of the sample.
pub(crate) fn future() -> InstrumentKey {
    InstrumentKey::new(Exchange::Nfo, "NIFTY24NOV26F")
}

pub(crate) fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

pub(crate) fn rupees(amount: i64) -> Amount {
    Amount(Decimal::from(amount))
}

fn text(text: impl ToString) -> Option<String> {
    Some(text.to_string())
}

/// An entry at the market.
pub(crate) fn entry(strategy: &str, symbol: &str, side: &str, quantity: i64) -> LegDraft {
    LegDraft {
        strategy: text(strategy),
        execution_type: text("ENTRY"),
        exchange: text("NSE"),
        symbol: text(symbol),
        side: text(side),
        quantity: text(quantity),
        product: text("MIS"),
        order_type: text("MARKET"),
        ..LegDraft::default()
    }
}

/// An exit at the market of all that the strategy holds there.
pub(crate) fn exit(strategy: &str, symbol: &str) -> LegDraft {
    LegDraft {
        strategy: text(strategy),
        execution_type: text("EXIT"),
        exchange: text("NSE"),
        symbol: text(symbol),
        order_type: text("MARKET"),
        ..LegDraft::default()
    }
}

pub(crate) fn buy(strategy: &str, quantity: i64) -> LegDraft {
    entry(strategy, "SBIN-EQ", "BUY", quantity)
}

pub(crate) fn sell(strategy: &str, quantity: i64) -> LegDraft {
    entry(strategy, "SBIN-EQ", "SELL", quantity)
}

/// What the strategy shall hold in SBIN, at the market.
pub(crate) fn target(strategy: &str, position: i64) -> LegDraft {
    LegDraft { side: None, quantity: None, target_position: text(position), ..buy(strategy, 1).kind("TARGET") }
}

/// Words that change a leg.
pub(crate) trait But: Sized {
    fn at(self, price: &str) -> Self;
    fn of(self, quantity: i64) -> Self;
    fn product(self, product: &str) -> Self;
    fn kind(self, kind: &str) -> Self;
    fn mock(self, result: &str) -> Self;
    fn in_future(self) -> Self;
}

impl But for LegDraft {
    fn at(self, price: &str) -> Self {
        Self { order_type: text("LIMIT"), price: text(price), ..self }
    }
    fn of(self, quantity: i64) -> Self {
        Self { quantity: text(quantity), ..self }
    }
    fn product(self, product: &str) -> Self {
        Self { product: text(product), ..self }
    }
    fn kind(self, kind: &str) -> Self {
        Self { execution_type: text(kind), ..self }
    }
    fn mock(self, result: &str) -> Self {
        Self { test_mode: text(result), ..self }
    }
    fn in_future(self) -> Self {
        Self { exchange: text("NFO"), symbol: text(future().symbol), ..self }
    }
}

/// Some time before now.
pub(crate) fn ago(now: DateTime<Utc>, seconds: i64) -> DateTime<Utc> {
    now - chrono::Duration::seconds(seconds)
}
