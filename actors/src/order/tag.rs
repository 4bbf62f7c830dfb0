//! Why an order is where it is: one stable code for programs, with one sentence for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The stable code of an order's end, or of its doubt. `reason` on the order holds the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Tag {
    /// A field is missing or wrong.
    ValidationFailed,
    /// A risk limit refused it.
    RiskLimitsExceeded,
    /// The execution guard refused it: the strategy holds already, or it collides with another.
    ExecutionGuardBlocked,
    /// The strategy has an open order for this symbol.
    DuplicateOrderBlocked,
    /// The signal is older than its time to live, or from the future.
    StaleSignal,
    /// Outside the instrument's session.
    MarketClosed,
    /// No proven broker session, or one that had ended when the order came: the broker took none of it.
    BrokerNotLoggedIn,
    /// The account is not armed for live orders.
    NotArmed,
    /// An exit for something the strategy does not hold.
    NoPosition,
    /// Committed as about to be sent, but the call was never made or could not connect.
    NotSent,
    /// A person cancelled it.
    CancelledByUser,
    /// It came as a market order, rested as a limit, and its time was up.
    MarketTimeout,
    /// It could trade against another order of the account: refused, or cancelled to let an exit pass.
    SelfTrade,
    /// Another exit of the same position takes its place.
    Replaced,
    /// A kill level refused or cancelled it.
    KillSwitch,
    /// A fault inside the engine while this order was being handled.
    EngineFault,
    /// The broker said no.
    BrokerRejected,
    /// The broker said no because too many calls came; it took none of it.
    RateLimited,
    /// The broker or the exchange cancelled it.
    BrokerCancelled,
    /// It expired at the broker.
    BrokerExpired,
    /// Sent, and no clear answer: being looked for in the broker's books. Not an end.
    SendUnconfirmed,
    /// Proven absent from the broker's books.
    NotAtBroker,
    /// Found CREATED after a restart, and no longer wanted.
    AbandonedAtRecovery,
    /// A mock result asked for by the sender.
    TestMode,
    /// A TARGET whose strategy is there already, or will be when what works has filled.
    AtTarget,
    /// A newer signal for the same position took its place.
    Superseded,
    /// It was not filled in the time that it was given.
    FillTimeout,
    /// A step before it, of the same basket or reversal, did not come to its end.
    PlanStopped,
    /// Its basket failed, and what it had open was taken back.
    BasketUnwound,
    /// An entry of a strategy whose positions are being left together.
    CombinedExit,
    /// An exit of a square-off that nobody wants any more, and that was not sent yet.
    SquareOffOver,
    /// An exit of what was over a limit, and is not any more; it was not sent yet.
    ExcessOver,
    /// An exit that was for more than was left of its position, could not be made smaller, and was taken back: what was left is held.
    ExitTakenBack,
}

impl Tag {
    /// Every tag, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::ValidationFailed,
        Self::RiskLimitsExceeded,
        Self::ExecutionGuardBlocked,
        Self::DuplicateOrderBlocked,
        Self::StaleSignal,
        Self::MarketClosed,
        Self::BrokerNotLoggedIn,
        Self::NotArmed,
        Self::NoPosition,
        Self::NotSent,
        Self::CancelledByUser,
        Self::MarketTimeout,
        Self::SelfTrade,
        Self::Replaced,
        Self::KillSwitch,
        Self::EngineFault,
        Self::BrokerRejected,
        Self::RateLimited,
        Self::BrokerCancelled,
        Self::BrokerExpired,
        Self::SendUnconfirmed,
        Self::NotAtBroker,
        Self::AbandonedAtRecovery,
        Self::TestMode,
        Self::AtTarget,
        Self::Superseded,
        Self::FillTimeout,
        Self::PlanStopped,
        Self::BasketUnwound,
        Self::CombinedExit,
        Self::SquareOffOver,
        Self::ExcessOver,
        Self::ExitTakenBack,
    ];

    /// Whether it stands for a wish to cancel: an order that ended by it was cancelled for us.
    #[must_use]
    pub fn is_cancel(self) -> bool {
        matches!(
            self,
            Self::CancelledByUser
                | Self::Replaced
                | Self::MarketTimeout
                | Self::KillSwitch
                | Self::Superseded
                | Self::FillTimeout
                | Self::PlanStopped
                | Self::BasketUnwound
                | Self::NoPosition
                | Self::ExitTakenBack
                | Self::CombinedExit
                | Self::SelfTrade
        )
    }

    /// The code on disk and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ValidationFailed => "VALIDATION_FAILED",
            Self::RiskLimitsExceeded => "RISK_LIMITS_EXCEEDED",
            Self::ExecutionGuardBlocked => "EXECUTION_GUARD_BLOCKED",
            Self::DuplicateOrderBlocked => "DUPLICATE_ORDER_BLOCKED",
            Self::StaleSignal => "STALE_SIGNAL",
            Self::MarketClosed => "MARKET_CLOSED",
            Self::BrokerNotLoggedIn => "BROKER_NOT_LOGGED_IN",
            Self::NotArmed => "NOT_ARMED",
            Self::NoPosition => "NO_POSITION",
            Self::NotSent => "NOT_SENT",
            Self::CancelledByUser => "CANCELLED_BY_USER",
            Self::MarketTimeout => "MARKET_TIMEOUT",
            Self::SelfTrade => "SELF_TRADE",
            Self::Replaced => "REPLACED",
            Self::KillSwitch => "KILL_SWITCH",
            Self::EngineFault => "ENGINE_FAULT",
            Self::BrokerRejected => "BROKER_REJECTED",
            Self::RateLimited => "RATE_LIMITED",
            Self::BrokerCancelled => "BROKER_CANCELLED",
            Self::BrokerExpired => "BROKER_EXPIRED",
            Self::SendUnconfirmed => "SEND_UNCONFIRMED",
            Self::NotAtBroker => "NOT_AT_BROKER",
            Self::AbandonedAtRecovery => "ABANDONED_AT_RECOVERY",
            Self::TestMode => "TEST_MODE",
            Self::AtTarget => "AT_TARGET",
            Self::Superseded => "SUPERSEDED",
            Self::FillTimeout => "FILL_TIMEOUT",
            Self::PlanStopped => "PLAN_STOPPED",
            Self::BasketUnwound => "BASKET_UNWOUND",
            Self::CombinedExit => "COMBINED_EXIT",
            Self::SquareOffOver => "SQUARE_OFF_OVER",
            Self::ExcessOver => "EXCESS_OVER",
            Self::ExitTakenBack => "EXIT_TAKEN_BACK",
        }
    }

    /// What a page or a message says instead of a bare FAILED.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::ValidationFailed => "refused by ordergate: the order is not complete or not valid",
            Self::RiskLimitsExceeded => "refused by ordergate: a risk limit",
            Self::ExecutionGuardBlocked => "refused by ordergate: it collides with what is held or working",
            Self::DuplicateOrderBlocked => "refused by ordergate: an order for this symbol is already open",
            Self::StaleSignal => "refused by ordergate: the signal is too old",
            Self::MarketClosed => "refused by ordergate: the market is closed",
            Self::BrokerNotLoggedIn => "refused: no broker session",
            Self::NotArmed => "refused by ordergate: the account is not armed",
            Self::NoPosition => "refused by ordergate: nothing to exit",
            Self::NotSent => "not sent: the call to the broker was never made",
            Self::CancelledByUser => "cancelled by you",
            Self::MarketTimeout => "cancelled: a market order that found nobody in time",
            Self::SelfTrade => "stopped: it would trade against an order of your own",
            Self::Replaced => "cancelled: another exit takes its place",
            Self::KillSwitch => "stopped by the kill switch",
            Self::EngineFault => "stopped by a fault inside ordergate",
            Self::BrokerRejected => "rejected by the broker",
            Self::RateLimited => "refused by the broker: too many calls",
            Self::BrokerCancelled => "cancelled at the broker",
            Self::BrokerExpired => "expired at the broker",
            Self::SendUnconfirmed => "checking with the broker",
            Self::NotAtBroker => "never arrived at the broker",
            Self::AbandonedAtRecovery => "given up at restart: too old to send",
            Self::TestMode => "a test: never sent to the broker",
            Self::AtTarget => "nothing was to do: the position is there already",
            Self::Superseded => "a newer signal took its place",
            Self::FillTimeout => "cancelled: not filled in the time it was given",
            Self::PlanStopped => "not sent: a step before it did not come to its end",
            Self::BasketUnwound => "cancelled: its basket was unwound",
            Self::CombinedExit => "cancelled: the positions of its strategy are left together",
            Self::SquareOffOver => "withdrawn: the square-off that sent it is over",
            Self::ExcessOver => "withdrawn: what it was to close is within its limit again",
            Self::ExitTakenBack => "cancelled: for more than was left, and it could not be made smaller",
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::ValidationFailed => "correct the field named in the reason and send it again",
            Self::RiskLimitsExceeded => "do what the gate named in the reason needs",
            Self::ExecutionGuardBlocked => "exit the position named in the reason first, or send ADJUST",
            Self::DuplicateOrderBlocked => "wait for the open order, or cancel it",
            Self::StaleSignal => "send a fresh signal; check the sender's clock",
            Self::MarketClosed => "send it inside the session",
            Self::BrokerNotLoggedIn => "log in to the broker",
            Self::NotArmed => "arm the account",
            Self::NoPosition => "nothing: the strategy is flat there",
            Self::NotSent => "send it again if it is still wanted",
            Self::CancelledByUser => "nothing",
            Self::MarketTimeout => "look at the price; send it again if it is still wanted",
            Self::SelfTrade => "wait until the other order has ended, or cancel it; then send it again",
            Self::Replaced => "nothing: the exit that takes its place is under way",
            Self::KillSwitch => "re-arm when the cause is gone, then send it again",
            Self::EngineFault => "see the log of this time, then send it again",
            Self::BrokerRejected => "read the broker's reason; correct and send it again",
            Self::RateLimited => "send it again if it is still wanted; an exit goes again by itself",
            Self::BrokerCancelled => "see the broker's order book for who cancelled it",
            Self::BrokerExpired => "send it again if it is still wanted",
            Self::SendUnconfirmed => "wait; or look it up at the broker and resolve it by hand",
            Self::NotAtBroker => "send it again if it is still wanted",
            Self::AbandonedAtRecovery => "send it again if it is still wanted",
            Self::TestMode => "nothing",
            Self::AtTarget => "nothing",
            Self::Superseded => "nothing: the newer signal stands",
            Self::FillTimeout => "look at the price; send it again if it is still wanted",
            Self::PlanStopped => "see the order named in the reason; send the rest again if it is still wanted",
            Self::BasketUnwound => "see the leg named in the reason; send the basket again if it is still wanted",
            Self::CombinedExit => "send it again when the strategy is flat, if it is still wanted",
            Self::SquareOffOver => "nothing; to close the position all the same, send an exit",
            Self::ExcessOver => "nothing; to close it all the same, send an exit",
            Self::ExitTakenBack => "send an exit for what is still to be closed",
        }
    }

    /// Reads the code.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|tag| tag.as_str() == text)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_reads_back_and_json_agrees() {
        for tag in Tag::ALL {
            assert_eq!(Tag::parse(tag.as_str()), Some(*tag));
            assert_eq!(serde_json::to_string(tag).unwrap(), format!("\"{}\"", tag.as_str()));
            assert!(!tag.words().is_empty() && !tag.remedy().is_empty());
        }
    }
}
