//! The engine's numbers. Every wait and every limit is here, and none is a constant elsewhere.

use std::fmt;
use std::time::Duration;

use rust_decimal::Decimal;

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
    /// Entries stop where the broker's clock is further from ours.
    pub max_clock_skew: Duration,
    /// Actor restarts that are borne within [`Settings::restarts_window`].
    pub restarts_most: usize,
    /// See [`Settings::restarts_most`].
    pub restarts_window: Duration,
    /// Messages that a mailbox holds: the permits of all accounts, and room for control.
    pub mailbox: usize,
    /// Entries stop below so many free bytes where the journal lives.
    pub min_free_bytes: u64,
    /// For how long another program's lock on the journal is waited for; nothing is taken and nothing is sent meanwhile.
    pub lock_patience: Duration,
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

/// The accounts that a rule holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Those whose broker moves real money.
    Live,
    /// Those whose broker moves none.
    Paper,
    /// All.
    Always,
    /// None.
    Never,
}

impl Holds {
    /// Reads `live`, `paper`, `always` or `never`, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "live" => Some(Self::Live),
            "paper" => Some(Self::Paper),
            "always" => Some(Self::Always),
            "never" => Some(Self::Never),
            _ => None,
        }
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Never, one) | (one, Self::Never) => one,
            (one, other) if one == other => one,
            _ => Self::Always,
        }
    }

    /// Whether it holds for an account.
    #[must_use]
    pub fn holds(self, is_live: bool) -> bool {
        match self {
            Self::Live => is_live,
            Self::Paper => !is_live,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// What follows when the broker shows that the margin of an account falls short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnShortfall {
    /// People are told, and nothing else.
    Page,
    /// People are told, the day is over, and positions are squared off.
    SquareOff,
}

impl OnShortfall {
    /// Reads `page` or `square_off`, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "page" => Some(Self::Page),
            "square_off" => Some(Self::SquareOff),
            _ => None,
        }
    }
}

/// The margin that an order is taken to need where the broker does not say, percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarginPercent {
    /// Of the value of shares bought or sold for the day.
    pub shares: Decimal,
    /// Of the value of a future.
    pub futures: Decimal,
    /// Of the strike of a sold option, for each unit.
    pub short_options: Decimal,
}

/// What an account may do. The numbers that tighten and loosen by the day are named by [`crate::risk::LimitName`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Units of one order.
    pub max_quantity: i64,
    /// Rupees of one order.
    pub max_order_value: Amount,
    /// Orders that have not ended.
    pub max_open_orders: usize,
    /// Rupees of all open orders that open or change a position.
    pub max_open_value: Amount,
    /// Units of one instrument, long or short, with everything that may still fill counted as filled.
    pub max_position: i64,
    /// Units of all instruments of one underlying, counted the same way, long and short added.
    pub max_position_underlying: i64,
    /// Lots of options that the account may be short, counted the same way.
    pub max_short_option_lots: i64,
    /// Rupees at the broker that no entry may use; of one whose margin is an estimate, only where [`Limits::margin_refuses`] holds.
    pub capital_reserve: Amount,
    /// What an entry is taken to need of the money at the broker, where it is not paid in full.
    pub margin: MarginPercent,
    /// Where such an estimate refuses an entry, and not only tells.
    pub margin_refuses: Holds,
    /// What follows when the margin at the broker falls short.
    pub margin_shortfall: OnShortfall,
    /// Entries sent in a trading day.
    pub trades_per_day: usize,
    /// How far beyond the touch a limit price may reach, percent.
    pub collar_percent: Decimal,
    /// Where an entry is refused that no fresh quote can be held against.
    pub needs_quote: Holds,
    /// Orders of the account in any minute, exits counted and never refused.
    pub messages_per_minute: usize,
    /// Loss of the day, rupees, as a positive number: at this result the day is over.
    pub daily_loss: Amount,
    /// How much of the daily loss is used when people are warned, percent.
    pub loss_warning_percent: u32,
    /// Profit by which the day's floor rises a step, rupees; zero: it stays where it is.
    pub loss_step: Amount,
    /// Days of loss in a row until the account rests to the end of the week ([`crate::risk::RiskDay::is_lost`]).
    pub loss_days: usize,
    /// Entries of one strategy in one instrument that are alike, or that go to and fro, within [`Limits::repeats_window`].
    pub repeats: usize,
    /// Rejections of a strategy's orders by the broker within [`Limits::repeats_window`].
    pub rejections: usize,
    /// See [`Limits::repeats`].
    pub repeats_window: Duration,
    /// No intraday entry in the last so long of a session.
    pub intraday_cutoff: Duration,
    /// The same on MCX.
    pub intraday_cutoff_mcx: Duration,
    /// What may be traded; empty: everything.
    pub allow: Vec<String>,
    /// What may not be traded, whatever is allowed.
    pub ban: Vec<String>,
    /// Attempts to square off after a breach or a kill before a person is paged.
    pub square_off_tries: u32,
    /// Or after so long, however few the attempts were: an exit that waits is none.
    pub square_off_page: Duration,
}

impl Limits {
    /// Those of `config/default.toml`.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            max_quantity: 10_000,
            max_order_value: Amount(Decimal::from(1_000_000)),
            max_open_orders: 200,
            max_open_value: Amount(Decimal::from(5_000_000)),
            max_position: 20_000,
            max_position_underlying: 50_000,
            max_short_option_lots: 50,
            capital_reserve: Amount::ZERO,
            margin: MarginPercent { shares: Decimal::from(25), futures: Decimal::from(25), short_options: Decimal::from(25) },
            margin_refuses: Holds::Paper,
            margin_shortfall: OnShortfall::SquareOff,
            trades_per_day: 500,
            collar_percent: Decimal::from(20),
            needs_quote: Holds::Live,
            messages_per_minute: 300,
            daily_loss: Amount(Decimal::from(50_000)),
            loss_warning_percent: 80,
            loss_step: Amount(Decimal::from(5_000)),
            loss_days: 3,
            repeats: 8,
            rejections: 5,
            repeats_window: Duration::from_secs(60),
            intraday_cutoff: Duration::from_secs(15 * 60),
            intraday_cutoff_mcx: Duration::from_secs(30 * 60),
            allow: Vec::new(),
            ban: Vec::new(),
            square_off_tries: 5,
            square_off_page: Duration::from_secs(60),
        }
    }
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
    /// So long before a market opens a missing session pages: what a person needs to log in.
    pub session_lead: Duration,
    /// A wanted cancel is asked for again after this.
    pub cancel_again: Duration,
    /// An order in doubt is named to people again after this.
    pub doubt_page: Duration,
    /// An exit that never left this machine is sent again, as a new order, after this; each next time after twice as long.
    pub resend_exit: Duration,
    /// So often at most; then a person is paged.
    pub resend_exit_most: u32,
    /// Whether that holds too for an exit of a signal or a person that was proven absent from the broker's books.
    pub resend_absent_exit: bool,
}

/// Which failed exits go again by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resends {
    /// So often at most.
    pub most: u32,
    /// Those too that were proven absent: proven by books, which may have lied.
    pub absent: bool,
}

impl Waits {
    /// Which failed exits go again by themselves.
    #[must_use]
    pub fn resends(&self) -> Resends {
        Resends { most: self.resend_exit_most, absent: self.resend_absent_exit }
    }

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
            blind_after: Duration::from_secs(15),
            quote_max_age: Duration::from_secs(3),
            quote_wait: Duration::from_millis(800),
            entry_market_timeout: Duration::from_secs(10),
            quiet_period: Duration::from_secs(5),
            absent_snapshots: 3,
            exit_wait_page: Duration::from_secs(5),
            session_lead: Duration::from_secs(30 * 60),
            cancel_again: Duration::from_secs(5),
            doubt_page: Duration::from_secs(30),
            resend_exit: Duration::from_secs(1),
            resend_exit_most: 3,
            resend_absent_exit: false,
        }
    }
}
