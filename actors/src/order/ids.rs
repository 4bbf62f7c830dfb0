//! Names of things. Every key carries the account (`ClientId`), because an account is the unit of scale and of failure.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?} is not valid: {rule}")]
pub struct BadId {
    /// What the text was meant to be.
    pub kind: &'static str,
    /// The text, shortened.
    pub value: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $rule:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text if it follows the rule of this id.
            ///
            /// # Errors
            /// [`BadId`] names the rule.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                let allowed: fn(char) -> bool = $allowed;
                if text.is_empty() || text.len() > $max || !text.chars().all(allowed) {
                    return Err(BadId { kind: $kind, value: text.chars().take(80).collect(), rule: $rule });
                }
                Ok(Self(Arc::from(text)))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.to_string()
            }
        }
    };
}

text_id!(
    /// An account at a broker, as the operator names it (`PAPER1`). Part of every key.
    ClientId, "account", 32, "1 to 32 of A-Z a-z 0-9 _ -",
    |c| c.is_ascii_alphanumeric() || c == '_' || c == '-'
);
text_id!(
    /// The owner of positions: an entry and its exit meet under this name.
    Strategy, "strategy", 64, "1 to 64 bytes without control characters",
    |c| !super::draft::is_unsafe(c)
);
text_id!(
    /// The broker's own order number (`norenordno`); opaque.
    BrokerOrderId, "broker order number", 64, "1 to 64 visible ASCII characters",
    |c| c.is_ascii_graphic()
);
text_id!(
    /// What we write into the order's free text at the broker (`remarks`), so that it can be found when no answer came.
    /// At most 15 letters and digits: the shortest tag that any broker of this kind carries.
    BrokerTag, "broker tag", 15, "1 to 15 of A-Z a-z 0-9",
    |c| c.is_ascii_alphanumeric()
);
text_id!(
    /// The exchange's number of one trade.
    TradeId, "trade number", 64, "1 to 64 visible ASCII characters",
    |c| c.is_ascii_graphic()
);
text_id!(
    /// The sender's own key for one signal; the same key never makes a second order.
    IdempotencyKey, "idempotency key", 128, "1 to 128 bytes without control characters",
    |c| !super::draft::is_unsafe(c)
);

impl IdempotencyKey {
    /// How the keys begin that ordergate makes itself. A sender that could write one would take an exit's place before it comes.
    pub const RESERVED: [&str; 9] =
        ["derived:", "exit-rule:", "once:", "resubmit:", "reverse:", "schedule:", "stop:", "telegram-", "unwind:"];

    /// A key that somebody outside sends: none that ordergate could make itself.
    ///
    /// # Errors
    /// [`BadId`] names the rule.
    pub fn of_sender(text: &str) -> Result<Self, BadId> {
        let key = Self::parse(text)?;
        if Self::RESERVED.iter().any(|own| text.starts_with(own)) {
            let rule = "begun in another way than derived:, exit-rule:, once:, resubmit:, reverse:, schedule:, stop:, telegram- and unwind:, \
                        which ordergate keeps for its own";
            return Err(BadId { kind: "idempotency key", value: text.chars().take(80).collect(), rule });
        }
        Ok(key)
    }

    /// Whether it stands for what is taken once a day, and not for one alert.
    #[must_use]
    pub fn is_of_a_day(&self) -> bool {
        self.0.starts_with("once:")
    }
}

impl BrokerTag {
    /// Characters of every tag that we send: `OG`, 4 of the data directory, 7 of the order's number.
    pub const LENGTH: usize = 13;

    /// A tag from the number alone, for a prefix that is no tag text.
    pub(crate) fn for_number(number: u64) -> Self {
        Self(Arc::from(format!("OG{number}")))
    }
}

impl TradeId {
    /// No exchange numbers a trade like this.
    const BY_A_PERSON: &str = "TOLD-BY-A-PERSON";

    /// Of what a person tells because no trade book did.
    #[must_use]
    pub fn told_by_a_person() -> Self {
        Self(Arc::from(Self::BY_A_PERSON))
    }

    /// Whether a person told it.
    #[must_use]
    pub fn is_told_by_a_person(&self) -> bool {
        self.as_str() == Self::BY_A_PERSON
    }
}

impl Strategy {
    /// The owner of an order whose strategy name could not be read.
    #[must_use]
    pub fn unnamed() -> Self {
        Self(Arc::from("?"))
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id!(
    /// One order of ours, from the first byte on disk to its end.
    CommandId
);
uuid_id!(
    /// One thing that arrived: an alert, a click, a strategy's call.
    SignalId
);
uuid_id!(
    /// The orders that arrived together and are judged together.
    BasketId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_name_carries_no_path_and_no_control_character() {
        assert!(ClientId::parse("PAPER1").is_ok());
        for bad in ["", "a/b", "..", "a\n", "ü", &"x".repeat(33)] {
            assert!(ClientId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_tag_fits_the_narrowest_broker() {
        assert!(BrokerTag::parse("ABCDE0000000001").is_ok());
        assert!(BrokerTag::parse("ABCDE00000000012").is_err());
        assert!(BrokerTag::parse("A&B").is_err());
    }

    #[test]
    fn a_sender_cannot_write_a_key_that_ordergate_makes() {
        for own in IdempotencyKey::RESERVED {
            let error = IdempotencyKey::of_sender(&format!("{own}x")).unwrap_err();
            assert!(error.to_string().contains(own), "{error}");
        }
        for theirs in ["bar 7", "re-schedule:1", "stopped", "telegram"] {
            assert_eq!(IdempotencyKey::of_sender(theirs).unwrap().as_str(), theirs);
        }
        let again = crate::order::again_key(crate::order::CommandId(Uuid::nil())).unwrap();
        assert!(IdempotencyKey::of_sender(again.as_str()).is_err());
    }

    #[test]
    fn deserialising_checks_the_rule() {
        assert!(serde_json::from_str::<Strategy>("\"trend\\u0000\"").is_err());
        assert_eq!(serde_json::from_str::<Strategy>("\"trend\"").unwrap().as_str(), "trend");
    }
}
