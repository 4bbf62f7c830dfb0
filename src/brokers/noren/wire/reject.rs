//! Why an order was refused after it had a number: `rejreason` of the books and the stream (Noren protocol reference,
//! section 3.6). The raw text is always kept; this only says what a person or a rule can do with it.

use super::class::{RejectPrefix, normal};

/// The kind of an asynchronous refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectClass {
    /// Not enough money or margin.
    Margin,
    /// Outside the price band.
    Circuit,
    /// Above the freeze quantity.
    Freeze,
    /// The product's day has ended (`MIS` after square-off).
    ProductCutOff,
    /// Not a whole number of lots.
    Lot,
    /// A cancel or a change was refused; the order itself is not touched.
    RequestRefused,
    /// The account may not trade this.
    Blocked,
    /// A rule for orders from programs.
    AlgoCheck,
    /// Too many orders at once.
    Throttle,
    /// The rest of an IOC order was cancelled.
    IocRemainder,
    /// Another rule of the risk system.
    Risk,
    /// Another rule of the order management system.
    Oms,
    /// The exchange said no.
    Exchange,
    /// None of these.
    Other,
}

/// Texts that decide whatever the prefix is; the first that is found counts.
const WORDS: &[(&str, RejectClass)] = &[
    ("margin shortfall", RejectClass::Margin),
    ("insufficient", RejectClass::Margin),
    ("check peak margin", RejectClass::Margin),
    ("daylong cash for option buy", RejectClass::Margin),
    ("circuit limit", RejectClass::Circuit),
    ("freeze qty", RejectClass::Freeze),
    ("after system square off", RejectClass::ProductCutOff),
    ("multiple of lot size", RejectClass::Lot),
    ("block type", RejectClass::Blocked),
    ("is not active", RejectClass::Blocked),
    ("non-compliant client code", RejectClass::Blocked),
    ("throttle limit exceeded", RejectClass::Throttle),
    ("ioc order cancelled", RejectClass::IocRemainder),
    ("ioc order canceled", RejectClass::IocRemainder),
];

/// Words of the exchange that come without a number.
const EXCHANGE: &[&str] = &["rrm mode", "transaction not allowed"];

impl RejectClass {
    /// Reads `rejreason`, with or without a leading `Rejected :`.
    #[must_use]
    pub fn of(reason: &str) -> Self {
        let text = normal(reason);
        let text = text.strip_prefix("rejected:").unwrap_or(&text);
        let prefix = RejectPrefix::of(text);
        // Before any word: an order is never taken for ended because a request about it was refused.
        if prefix == RejectPrefix::RequestState {
            return Self::RequestRefused;
        }
        if let Some((_, class)) = WORDS.iter().find(|(words, _)| text.contains(words)) {
            return *class;
        }
        match prefix {
            RejectPrefix::AlgoCheck => Self::AlgoCheck,
            RejectPrefix::Risk => Self::Risk,
            RejectPrefix::Oms => Self::Oms,
            RejectPrefix::Exchange => Self::Exchange,
            _ if EXCHANGE.iter().any(|words| text.contains(words)) => Self::Exchange,
            _ => Self::Other,
        }
    }
}
