//! One account, and where it trades.

use ordergate_actors::AccountSettings;
use ordergate_actors::order::ClientId;

use crate::brokers::noren::NorenSettings;

/// An account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name.
    pub client_id: ClientId,
    /// Where it trades.
    pub broker: BrokerKind,
    /// The address that the broker knows this machine by.
    pub registered_address: Option<std::net::IpAddr>,
    /// Whose charges it pays beside taxes and exchange charges; `None`: it is not said.
    pub charges_plan: Option<String>,
    /// What the engine needs to know of it.
    pub settings: AccountSettings,
    /// Its broker's settings, if that is a Noren broker. The directory in them is set by who opens the account.
    pub noren: Option<Box<NorenSettings>>,
}

/// The brokers of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerKind {
    /// No money moves.
    Paper,
    /// Shoonya.
    Noren {
        /// Whether real money moves; not with a simulator on this machine.
        is_live: bool,
    },
}

impl BrokerKind {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "paper" => Some(Self::Paper),
            "noren" => Some(Self::Noren { is_live: true }),
            _ => None,
        }
    }

    /// The broker's name, as settings say it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Noren { is_live: true } => "noren",
            Self::Noren { is_live: false } => "noren-simulator",
        }
    }

    /// Whether real money moves.
    #[must_use]
    pub fn is_live(self) -> bool {
        match self {
            Self::Paper => false,
            Self::Noren { is_live } => is_live,
        }
    }
}
