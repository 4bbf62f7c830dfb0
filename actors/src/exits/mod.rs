//! Exit rules: how the position of a strategy is left by itself. Pure: values and the time in, decisions out.
//!
//! A rule belongs to what one strategy holds in one instrument and product, long or short. It is a kept state
//! ([`Topic::ExitRule`](crate::persistence::Topic::ExitRule)): attached at the first fill of an entry that says how its
//! position is left, set or changed by a person, and ended with the position. What must outlive a restart is in it: where
//! the stop stands, the best price seen, and that it has fired. WatcherActor looks at it with every quote.
//!
//! *Invariant:* a stop only ratchets. It is tested before the target. One odd tick fires nothing and moves nothing.

mod at_target;
mod basis;
mod brought;
mod carried;
mod combined;
mod follow;
mod ladder;
mod largest;
mod look;
mod over;
mod pace;
mod refused;
mod reject;
mod resting;
mod rule;
mod settings;
mod slices;
mod times;

pub use at_target::{is_of_its_target, rests_at_its_target};
pub use brought::{Brought, brought};
pub use carried::{Wish, came_to_nothing, carried, carried_to, goes_on_with};
pub use combined::{Combined, Leaving, Together};
pub use follow::{Beside, Next, follow, goes_on_after};
pub use ladder::{Climb, Halted, Ladder, Step, cap, first_limit, is_driven, ladder_slot, plan};
pub use largest::{in_lots, largest_exit, most_after};
pub use look::{Looked, Tick};
pub use over::{Means, Over, over};
pub use pace::Pace;
pub use refused::{Refused, Steps, band_named};
pub use reject::{Rejection, classify};
pub use resting::{Ground, Lives, Rest, RestSettings, Stop, is_stop_of, lives, next_rest, resting, to_take_over};
pub use rule::{Cause, ExitRule, Fired, Stood, Terms, slot};
pub use settings::{ExitSettings, Ladders, Rungs};
pub use slices::slices;
pub use times::{Hours, LastDay, late_hour};
