//! How much of the world there is.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

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
    /// Beside that: limits that bind, a disk that takes time, a broker that takes no market orders, stops that rest there.
    Tight,
    /// Beside that: a loss that ends the day, a budget of calls, a quiet period that is nothing without the broker's own lag, orders
    /// that work although they were refused, or that land when nobody waits any more, and people who act on the second account too.
    Harsh,
}

impl Extent {
    /// The environment's word for it.
    pub(crate) const NAME: &str = "ORDERGATE_WORLD";

    /// The one that the environment asks for; all of it otherwise.
    pub(crate) fn asked_for() -> Self {
        match std::env::var(Self::NAME) {
            Ok(word) => word.parse().unwrap_or_else(|()| panic!("{}={word}: say alone, crowded, whole, tight or harsh", Self::NAME)),
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
            Self::Tight => "tight",
            Self::Harsh => "harsh",
        })
    }
}

impl FromStr for Extent {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Alone, Self::Crowded, Self::Whole, Self::Tight, Self::Harsh].into_iter().find(|extent| extent.to_string() == text).ok_or(())
    }
}

/// What a seed of the whole world has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Has {
    pub(crate) thin_market: bool,
    pub(crate) neighbour: bool,
    /// Limits that bind.
    pub(crate) limits: bool,
    /// The broker takes no market orders.
    pub(crate) only_limit_orders: bool,
    /// Stops rest at the broker.
    pub(crate) resting_stops: bool,
    /// So long a commit takes.
    pub(crate) commit_takes: Option<Duration>,
    /// The day is over when it has lost so many rupees.
    pub(crate) daily_loss: Option<i64>,
    /// The broker takes so many calls in a second, and forty times that in a minute.
    pub(crate) calls_a_second: Option<u32>,
    /// The quiet period is short: how long the broker may hide an order is what counts.
    pub(crate) short_quiet: bool,
}

impl Has {
    pub(crate) fn of(seed: u64, extent: Extent) -> Self {
        let mut draw = Draw::new(seed ^ 0x3a11_0e57);
        let mut one_of = |count: u64| draw.below(count) == 0 && extent >= Extent::Whole;
        let has = Self { thin_market: one_of(THIN), neighbour: one_of(NEIGHBOURS), ..Self::default() };
        let has = if extent >= Extent::Tight { has.tight(seed) } else { has };
        if extent == Extent::Harsh { has.harsh(seed) } else { has }
    }

    fn tight(self, seed: u64) -> Self {
        let mut draw = Draw::new(seed ^ 0x7167_4700);
        let mut one_of_two = || draw.below(2) == 0;
        let (limits, only_limit_orders, resting_stops, is_late) = (one_of_two(), one_of_two(), one_of_two(), one_of_two());
        let commit_takes = is_late.then(|| Duration::from_millis(1 + draw.below(40)));
        Self { limits, only_limit_orders, resting_stops, commit_takes, ..self }
    }

    fn harsh(self, seed: u64) -> Self {
        let mut draw = Draw::new(seed ^ 0x4a25_0a00);
        let daily_loss = (draw.below(2) == 0).then(|| 50 + i64::try_from(draw.below(950)).unwrap());
        let calls_a_second = (draw.below(2) == 0).then(|| 5 + u32::try_from(draw.below(6)).unwrap());
        Self { daily_loss, calls_a_second, short_quiet: draw.below(2) == 0, ..self }
    }
}

/// A world that never has one of them proves nothing of it; one that always has it hides what it disturbs.
#[test]
fn each_thing_of_the_harsher_worlds_is_in_some_seeds_and_not_in_others() {
    let worlds: Vec<Has> = (1..=100).map(|seed| Has::of(seed, Extent::Harsh)).collect();
    let share = |has: fn(&Has) -> bool| worlds.iter().filter(|world| has(world)).count();
    let shares = [
        share(|has| has.limits),
        share(|has| has.only_limit_orders),
        share(|has| has.resting_stops),
        share(|has| has.commit_takes.is_some()),
        share(|has| has.thin_market),
        share(|has| has.neighbour),
        share(|has| has.daily_loss.is_some()),
        share(|has| has.calls_a_second.is_some()),
        share(|has| has.short_quiet),
    ];
    assert!(shares.iter().all(|count| (15..70).contains(count)), "{shares:?}");
    for seed in 1..=100 {
        let (whole, tight) = (Has::of(seed, Extent::Whole), Has::of(seed, Extent::Tight));
        assert_eq!((whole.thin_market, whole.neighbour), (tight.thin_market, tight.neighbour), "what the world before it has");
        let harsh = Has { daily_loss: None, calls_a_second: None, short_quiet: false, ..Has::of(seed, Extent::Harsh) };
        assert_eq!(harsh, tight, "what the world before it has");
        assert_eq!(whole, Has { thin_market: whole.thin_market, neighbour: whole.neighbour, ..Has::default() });
    }
}
