//! The closed vocabularies of an order. Each word has one spelling on disk and in JSON; sources may use the aliases.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $kind:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal $(| $alias:literal)*),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every word, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The one spelling on disk and in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Reads the word or one of its aliases, in any case.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                $(if text.eq_ignore_ascii_case($text) $(|| text.eq_ignore_ascii_case($alias))* { return Some(Self::$variant); })+
                None
            }

            /// The spellings that `parse` takes, for messages.
            #[must_use]
            pub fn choices() -> String {
                Self::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(", ")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl From<$name> for &'static str {
            fn from(word: $name) -> &'static str {
                word.as_str()
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                Self::parse(&text).ok_or_else(|| format!(concat!("{:?} is no ", $kind, ": one of {}"), text, Self::choices()))
            }
        }
    };
}

words!(
    /// What an order is for (`execution_type` of the seeds).
    Intent, "execution type" {
        /// Opens a position of a strategy.
        Entry = "ENTRY",
        /// Closes what the strategy holds, or part of it.
        Exit = "EXIT",
        /// Changes a position that the strategy holds.
        Adjust = "ADJUST",
        /// Says how large the position shall be; the line works out the order that leads there.
        Target = "TARGET",
    }
);
words!(
    /// How the legs of one signal depend on each other once every gate lets them through.
    Policy, "policy" {
        /// On nothing: each is judged and goes by itself.
        BestEffort = "BEST_EFFORT",
        /// All of them, or nothing is left of any: what filled is taken back when one fails.
        AllOrUnwind = "ALL_OR_UNWIND",
        /// What is bought is filled before anything is sold.
        HedgeFirst = "HEDGE_FIRST",
        /// Each is filled before the next one goes.
        WaitForFill = "WAIT_FOR_FILL",
        /// The exits are filled, and the broker's positions show it, before anything is entered.
        ExitThenEnter = "EXIT_THEN_ENTER",
    }
);
words!(
    /// Buy or sell.
    Side, "side" { Buy = "BUY" | "B" | "LONG", Sell = "SELL" | "S" | "SHORT" }
);
words!(
    /// How a position is carried.
    Product, "product" {
        /// Intraday margin; squared off the same day.
        Mis = "MIS" | "I" | "INTRADAY",
        /// Carried derivatives.
        Nrml = "NRML" | "M" | "NORMAL",
        /// Delivery.
        Cnc = "CNC" | "C" | "DELIVERY",
    }
);
words!(
    /// How an order meets the market.
    OrderType, "order type" {
        /// At whatever the market pays (the adapter protects it).
        Market = "MARKET" | "MKT",
        /// At the price or better.
        Limit = "LIMIT" | "LMT",
        /// A limit order that wakes at the trigger.
        StopLimit = "SL" | "SL-LMT" | "SL_LMT" | "SL-L",
        /// A market order that wakes at the trigger.
        StopMarket = "SLM" | "SL-M" | "SL-MKT" | "SL_MKT",
    }
);
words!(
    /// How long an order rests.
    Validity, "validity" { Day = "DAY", Ioc = "IOC" }
);
words!(
    /// Exchange segment.
    Exchange, "exchange" { Nse = "NSE", Bse = "BSE", Nfo = "NFO", Bfo = "BFO", Mcx = "MCX", Cds = "CDS" }
);
words!(
    /// Who asked for the order.
    Source, "source" {
        /// An alert over the webhook.
        Webhook = "WEBHOOK",
        /// A person at the dashboard or its API.
        Dashboard = "DASHBOARD" | "WEB",
        /// A strategy, by name.
        Strategy = "STRATEGY",
        /// The engine itself: kill, risk exit.
        System = "SYSTEM",
        /// An exit rule that rests its stop at the broker.
        Stop = "STOP",
    }
);
words!(
    /// Where the stop of a position lives.
    StopAt, "place of a stop" {
        /// In the engine: it watches the price and sends an exit.
        Engine = "engine",
        /// At the exchange: one stop-limit order for what is held rests there.
        Broker = "broker",
    }
);
words!(
    /// A mock result: the order walks the whole line and ends before the broker.
    TestMode, "test mode" { Success = "SUCCESS", Failure = "FAILURE" }
);
words!(
    /// How a trailing stop follows the price.
    TrailingType, "trailing type" { Points = "POINTS", Percent = "PERCENT", Absolute = "ABSOLUTE" }
);
words!(
    /// Where an order is on its way.
    Status, "status" {
        /// On disk; nothing sent.
        Created = "CREATED",
        /// On disk as about to be sent, or sent; the broker's number may not be known yet.
        SentToBroker = "SENT_TO_BROKER",
        /// Partly filled; the rest is working.
        Partial = "PARTIAL",
        /// Filled whole. Terminal.
        Executed = "EXECUTED",
        /// Ended otherwise; the tag says how. Terminal, unless the broker proves otherwise.
        Failed = "FAILED",
    }
);

impl Exchange {
    /// Rupees that a unit gains when its price rises by one, where that is the same for all that trades there; `None`: each
    /// contract has its own.
    #[must_use]
    pub fn rupees_per_point(self) -> Option<rust_decimal::Decimal> {
        match self {
            Self::Nse | Self::Bse | Self::Nfo | Self::Bfo => Some(rust_decimal::Decimal::ONE),
            Self::Mcx | Self::Cds => None,
        }
    }
}

impl Side {
    /// The other side.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// `+1` for a buy, `-1` for a sell.
    #[must_use]
    pub fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }

    /// The side of a position: long is `Buy`, short is `Sell`, flat is none.
    #[must_use]
    pub fn of_net(net: i64) -> Option<Self> {
        match net {
            0 => None,
            n if n > 0 => Some(Self::Buy),
            _ => Some(Self::Sell),
        }
    }
}

impl OrderType {
    /// Whether the order carries a limit price.
    #[must_use]
    pub fn has_price(self) -> bool {
        matches!(self, Self::Limit | Self::StopLimit)
    }

    /// Whether the order carries a trigger price.
    #[must_use]
    pub fn has_trigger(self) -> bool {
        matches!(self, Self::StopLimit | Self::StopMarket)
    }
}

impl Status {
    /// Whether the order has ended.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Executed | Self::Failed)
    }

    /// Whether the order may be live at the broker.
    #[must_use]
    pub fn is_at_broker(self) -> bool {
        matches!(self, Self::SentToBroker | Self::Partial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_spellings_of_every_source() {
        assert_eq!(OrderType::parse("sl-mkt"), Some(OrderType::StopMarket));
        assert_eq!(OrderType::parse("LMT"), Some(OrderType::Limit));
        assert_eq!(Product::parse("m"), Some(Product::Nrml));
        assert_eq!(Side::parse("buy"), Some(Side::Buy));
        assert_eq!(Intent::parse("exit"), Some(Intent::Exit));
        assert_eq!(Intent::parse("open"), None);
    }

    #[test]
    fn json_has_one_spelling() {
        assert_eq!(serde_json::to_string(&OrderType::StopLimit).unwrap(), "\"SL\"");
        assert_eq!(serde_json::from_str::<Product>("\"MIS\"").unwrap(), Product::Mis);
        assert!(serde_json::from_str::<Product>("\"X\"").is_err());
    }
}
