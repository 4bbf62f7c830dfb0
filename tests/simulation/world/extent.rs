//! How much of the world there is.

use std::fmt;
use std::str::FromStr;

use crate::script::Draw;

/// One of so many seeds of the whole world has a thin market.
const THIN: u64 = 3;
/// One of so many has a second account.
const NEIGHBOURS: u64 = 4;

/// Each extent was added to the one before it, drawn from numbers of its own: a seed that found something in a smaller world
/// finds it there for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// The script, and a broker with its first faults: as it was when the first seeds were recorded.
    Alone,
    /// Beside it: others in the account, a clock that jumps, senders that are late, closing auctions, more faults.
    Crowded,
    /// Beside that: a second account, a gateway that answers with a page, a market in which little is shown.
    Whole,
}

impl Extent {
    /// The environment's word for it.
    pub(crate) const NAME: &str = "ORDERGATE_WORLD";

    /// The one that the environment asks for; all of it otherwise.
    pub(crate) fn asked_for() -> Self {
        match std::env::var(Self::NAME) {
            Ok(word) => word.parse().unwrap_or_else(|()| panic!("{}={word}: say alone, crowded or whole", Self::NAME)),
            Err(_) => Self::Whole,
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alone => "alone",
            Self::Crowded => "crowded",
            Self::Whole => "whole",
        })
    }
}

impl FromStr for Extent {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Alone, Self::Crowded, Self::Whole].into_iter().find(|extent| extent.to_string() == text).ok_or(())
    }
}

/// What a seed of the whole world has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Has {
    pub(crate) thin_market: bool,
    pub(crate) neighbour: bool,
}

impl Has {
    pub(crate) fn of(seed: u64, extent: Extent) -> Self {
        let mut draw = Draw::new(seed ^ 0x3a11_0e57);
        let mut one_of = |count: u64| draw.below(count) == 0 && extent == Extent::Whole;
        Self { thin_market: one_of(THIN), neighbour: one_of(NEIGHBOURS) }
    }
}
