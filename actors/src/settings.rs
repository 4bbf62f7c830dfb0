//! The engine's numbers. Every wait and every limit is here, and none is a constant elsewhere.

use std::fmt;
use std::time::Duration;

use crate::arming::ArmingSettings;
use crate::exits::ExitSettings;
use crate::order::{Amount, BrokerTag, ClientId};
use crate::ports::{Budget, BudgetChange, Capabilities};

/// Settings of the process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// No priced order may be worth more, whatever the limits say.
    pub max_notional: Amount,
    /// Entries older than this are stale.
    pub entry_ttl: Duration,
    /// A signal may be this far in the future.
    pub future_tolerance: Duration,
    /// Actor restarts that are borne within [`Settings::restarts_window`].
    pub restarts_most: usize,
    /// See [`Settings::restarts_most`].
    pub restarts_window: Duration,
    /// Messages that a mailbox holds: the permits of all accounts, and room for control.
    pub mailbox: usize,
    /// Entries stop below so many free bytes where the journal lives.
    pub min_free_bytes: u64,
    /// How long a clean stop may take before what is left is in doubt.
    pub drain_deadline: Duration,
}

/// Settings of one account.
#[derive(Debug, Clone)]
pub struct AccountSettings {
    /// The account.
    pub client_id: ClientId,
    /// Its limits.
    pub limits: Limits,
    /// Its waits.
    pub waits: Waits,
    /// Orders that it may have in the line.
    pub permits: usize,
    /// Of which so many are for exits only.
    pub permits_for_exits: usize,
    /// How its rate budget differs from its broker's.
    pub budget: BudgetChange,
    /// How positions are left by rule.
    pub exits: ExitSettings,
    /// Going live.
    pub arming: ArmingSettings,
    /// What a quantity counts where brokers differ.
    pub quantity_units: QuantityUnits,
}

/// What a quantity counts at this account's broker, per exchange; `None` until somebody has found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuantityUnits {
    /// On MCX.
    pub mcx: Option<QuantityUnit>,
    /// On CDS.
    pub cds: Option<QuantityUnit>,
}

/// What a broker's quantity counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantityUnit {
    /// Units of the instrument, as everywhere in ordergate.
    Units,
    /// Whole lots: the broker's adapter divides by the lot on the way out and multiplies on the way in.
    Lots,
}

impl QuantityUnit {
    /// Reads `units` or `lots`, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Units, Self::Lots].into_iter().find(|unit| unit.as_str().eq_ignore_ascii_case(text.trim()))
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Units => "units",
            Self::Lots => "lots",
        }
    }
}

impl fmt::Display for QuantityUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An account's settings as its broker lets them be.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// With the broker's own cadence where none was set.
    pub settings: AccountSettings,
    /// The broker's, as the account wants it; `None`: no limit.
    pub budget: Option<Budget>,
}

impl AccountSettings {
    /// Puts the settings and the broker's row of capabilities together.
    ///
    /// # Errors
    /// What does not fit, with the numbers.
    pub fn fitted_to(mut self, broker: &Capabilities) -> Result<Fitted, String> {
        if broker.tag_length < BrokerTag::LENGTH {
            return Err(format!(
                "broker: {} keeps {} characters of an order's tag, and ours have {}: an order in doubt could never be found again",
                broker.name,
                broker.tag_length,
                BrokerTag::LENGTH
            ));
        }
        if self.waits.poll.is_zero() {
            self.waits.poll = broker.poll;
        }
        let budget = Budget::changed(broker.budget, self.budget).map_err(|cause| format!("budget: {cause}"))?;
        Ok(Fitted { settings: self, budget })
    }
}

/// What an account may do.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Units of one order.
    pub max_quantity: i64,
    /// Rupees of one order.
    pub max_order_value: Amount,
    /// Orders that have not ended.
    pub max_open_orders: usize,
    /// Loss of the day, rupees, as a positive number: entries stop when the broker's positions show it.
    pub daily_loss: Amount,
}

/// How long an account's desk waits for what.
#[derive(Debug, Clone)]
pub struct Waits {
    /// A call without an answer leaves the write slot to others.
    pub slot_deadline: Duration,
    /// A call without an answer is given up; its order stays in doubt.
    pub call_deadline: Duration,
    /// A read without an answer is given up.
    pub read_deadline: Duration,
    /// How often the order book is read while something is open, and every book while something is not known; zero: as
    /// often as the broker says.
    pub poll: Duration,
    /// How often the order book is read while nothing is open.
    pub idle_poll: Duration,
    /// How often trades and positions are read without a change that asks for them; never so slowly that the desk goes
    /// blind ([`Waits::blind_after`]).
    pub books_poll: Duration,
    /// Positions older than this make the desk blind: entries stop.
    pub blind_after: Duration,
    /// A quote older than this is none.
    pub quote_max_age: Duration,
    /// How long a market order waits for a quote that it needs, at a broker that takes no market orders.
    pub quote_wait: Duration,
    /// An entry that came as a market order and still rests as a limit is cancelled after this.
    pub entry_market_timeout: Duration,
    /// Absence is concluded no earlier than this after the call, beyond the broker's visibility bound.
    pub quiet_period: Duration,
    /// Authoritative order and trade books in a row that must miss an order before it counts as absent.
    pub absent_snapshots: u32,
    /// An exit that waits longer than this pages.
    pub exit_wait_page: Duration,
    /// A wanted cancel is asked for again after this.
    pub cancel_again: Duration,
    /// An order in doubt is named to people again after this.
    pub doubt_page: Duration,
    /// An exit that never left this machine is sent again, as a new order, after this; each next time after twice as long.
    pub resend_exit: Duration,
    /// So often at most; then a person is paged.
    pub resend_exit_most: u32,
}

impl Waits {
    /// The waits of a broker that answers within a second, polled at its own cadence.
    #[must_use]
    pub fn standard(poll: Duration) -> Self {
        Self {
            slot_deadline: Duration::from_secs(2),
            call_deadline: Duration::from_secs(10),
            read_deadline: Duration::from_secs(10),
            poll,
            idle_poll: poll,
            books_poll: poll,
            blind_after: Duration::from_secs(10),
            quote_max_age: Duration::from_secs(3),
            quote_wait: Duration::from_millis(800),
            entry_market_timeout: Duration::from_secs(10),
            quiet_period: Duration::from_secs(5),
            absent_snapshots: 3,
            exit_wait_page: Duration::from_secs(5),
            cancel_again: Duration::from_secs(5),
            doubt_page: Duration::from_secs(30),
            resend_exit: Duration::from_secs(1),
            resend_exit_most: 3,
        }
    }
}
