//! What goes on in a market at one moment.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::order::day::ist;

/// What an auction does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuctionStep {
    /// Limit and market orders are taken.
    LimitAndMarket,
    /// Limit orders are taken.
    LimitOnly,
    /// Limit orders are taken, and it may end at any moment.
    LimitOnlyEnding,
    /// The reference price is worked out; nothing is taken.
    Reference,
    /// Orders are matched; nothing is taken.
    Matching,
    /// Between two sessions; nothing is taken.
    Buffer,
}

impl AuctionStep {
    pub(super) const ALL: [(Self, &'static str); 6] = [
        (Self::LimitAndMarket, "LIMIT_AND_MARKET"),
        (Self::LimitOnly, "LIMIT_ONLY"),
        (Self::LimitOnlyEnding, "LIMIT_ONLY_ENDING"),
        (Self::Reference, "REFERENCE"),
        (Self::Matching, "MATCHING"),
        (Self::Buffer, "BUFFER"),
    ];

    /// Whether the exchange takes orders in it.
    #[must_use]
    pub fn takes_orders(self) -> bool {
        matches!(self, Self::LimitAndMarket | Self::LimitOnly | Self::LimitOnlyEnding)
    }

    fn words(self) -> &'static str {
        match self {
            Self::LimitAndMarket => "limit and market orders",
            Self::LimitOnly => "limit orders only",
            Self::LimitOnlyEnding => "limit orders only, may end at any moment",
            Self::Reference => "reference price, no orders",
            Self::Matching => "matching, no orders",
            Self::Buffer => "buffer, no orders",
        }
    }
}

/// What a window of the day is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The call auction before the session.
    PreOpen(AuctionStep),
    /// Ordinary trading.
    Continuous,
    /// The call auction that finds the closing price.
    ClosingAuction(AuctionStep),
    /// Trading at the closing price.
    PostClose,
}

impl Step {
    /// Reads `PHASE` or `PHASE STEP` of a calendar file.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let phase = words.next()?;
        let auction = words.next();
        if words.next().is_some() {
            return None;
        }
        let step = |word: &str| AuctionStep::ALL.iter().find(|(_, name)| *name == word).map(|(step, _)| *step);
        match (phase, auction) {
            ("CONTINUOUS", None) => Some(Self::Continuous),
            ("POST_CLOSE", None) => Some(Self::PostClose),
            ("PRE_OPEN", Some(word)) => step(word).map(Self::PreOpen),
            ("CLOSING_AUCTION", Some(word)) => step(word).map(Self::ClosingAuction),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PreOpen(step) => write!(f, "pre-open ({})", step.words()),
            Self::Continuous => f.write_str("continuous"),
            Self::ClosingAuction(step) => write!(f, "closing auction ({})", step.words()),
            Self::PostClose => f.write_str("post-close"),
        }
    }
}

/// What the calendar does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// No file covers the day.
    Day,
    /// There is a special session on that day, and its times are not in the files.
    Times,
    /// No file has hours for this class of instruments on that day.
    Hours,
    /// The instrument is not in today's master, so nobody knows its class.
    Instrument,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Day => "no calendar covers this day; see `ordergate calendar check`",
            Self::Times => "a special session whose times are not in the calendar",
            Self::Hours => "the calendar has no hours for this class of instruments",
            Self::Instrument => "the instrument is not in today's master",
        })
    }
}

/// Why a market is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The day has a session, but not now.
    Hours,
    /// Saturday or Sunday.
    Weekend,
    /// A holiday, by name.
    Holiday(Arc<str>),
}

/// What goes on in an instrument's market at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionPhase {
    /// The calendar has no data: an entry is refused.
    Unknown(Missing),
    /// Nothing.
    Closed {
        /// Why.
        why: Why,
        /// When continuous trading begins next; `None` if the calendar does not reach that far.
        next_open: Option<DateTime<Utc>>,
    },
    /// The call auction before the session.
    PreOpen {
        /// What it does.
        step: AuctionStep,
        /// The first moment after this step.
        until: DateTime<Utc>,
    },
    /// Ordinary trading.
    Continuous {
        /// The first moment after it.
        closes_at: DateTime<Utc>,
    },
    /// The closing auction.
    ClosingAuction {
        /// What it does.
        step: AuctionStep,
        /// The first moment after this step.
        until: DateTime<Utc>,
    },
    /// Trading at the closing price.
    PostClose {
        /// The first moment after it.
        until: DateTime<Utc>,
    },
}

impl SessionPhase {
    /// The same phase, by a clock that stands so much ahead.
    #[must_use]
    pub(crate) fn later_by(self, ahead: TimeDelta) -> Self {
        let later = |at: DateTime<Utc>| at.checked_add_signed(ahead).unwrap_or(at);
        match self {
            Self::Unknown(missing) => Self::Unknown(missing),
            Self::Closed { why, next_open } => Self::Closed { why, next_open: next_open.map(later) },
            Self::PreOpen { step, until } => Self::PreOpen { step, until: later(until) },
            Self::Continuous { closes_at } => Self::Continuous { closes_at: later(closes_at) },
            Self::ClosingAuction { step, until } => Self::ClosingAuction { step, until: later(until) },
            Self::PostClose { until } => Self::PostClose { until: later(until) },
        }
    }

    /// Whether an entry may go: in continuous trading only.
    #[must_use]
    pub fn takes_entries(&self) -> bool {
        matches!(self, Self::Continuous { .. })
    }

    /// Whether an exit may go now rather than wait. It waits where nothing is taken, and through the pre-open, which
    /// continuous trading follows within minutes. It goes in the closing auction: nothing comes after that but trading at the
    /// closing price, where an order with a limit of its own has no place: what is late for the auction waits for the next day
    /// rather than be refused or expire. What the calendar does not know is left to the broker's answer, because a position must be
    /// closed.
    #[must_use]
    pub fn takes_exits(&self) -> bool {
        match self {
            Self::Unknown(_) | Self::Continuous { .. } => true,
            Self::ClosingAuction { step, .. } => step.takes_orders(),
            Self::Closed { .. } | Self::PreOpen { .. } | Self::PostClose { .. } => false,
        }
    }
}

/// A moment for people, in Indian time: `Mon 23 Nov 2026 09:15 IST`.
#[must_use]
pub fn ist_words(at: DateTime<Utc>) -> String {
    at.with_timezone(&ist()).format("%a %-d %b %Y %H:%M IST").to_string()
}

impl fmt::Display for SessionPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(missing) => write!(f, "unknown: {missing}"),
            Self::Closed { why, next_open } => {
                f.write_str("closed")?;
                match why {
                    Why::Hours => {}
                    Why::Weekend => f.write_str(" (week-end)")?,
                    Why::Holiday(name) => write!(f, " ({name})")?,
                }
                match next_open {
                    Some(at) => write!(f, ", opens {}", ist_words(*at)),
                    None => f.write_str(", next opening not known"),
                }
            }
            Self::PreOpen { step, until } => write!(f, "{} until {}", Step::PreOpen(*step), ist_words(*until)),
            Self::Continuous { closes_at } => write!(f, "continuous until {}", ist_words(*closes_at)),
            Self::ClosingAuction { step, until } => write!(f, "{} until {}", Step::ClosingAuction(*step), ist_words(*until)),
            Self::PostClose { until } => write!(f, "post-close until {}", ist_words(*until)),
        }
    }
}
