//! From what an alert says to the order that it means: routes, as pure functions of values and the time.
//!
//! An alert says little and says it in its own words. A route says the rest: which instrument, which product, how much,
//! which way, when. What neither says is missing, and the order is refused by that name; nothing is assumed.
//!
//! ```text
//! Reading (what the alert says) ─┐
//! Route (what it becomes here) ──┼─▶ plan::draft ─▶ the leg without its size, whose instrument is looked up
//! held, working, time ───────────┘   plan::settle ─▶ the leg, whole
//! ```
//!
//! - [`trail`]: whether a chain of position alerts is whole, and whether one comes behind a newer one.
//! - [`sequence`]: the same for sources that number their alerts.
//! - [`identity`]: what makes two alerts the same one.

pub mod identity;
pub mod plan;
pub mod reading;
pub mod route;
pub mod sequence;
pub mod size;
pub mod trail;

pub use plan::{Facts, Planned};
pub use reading::{Format, Reading};
pub use route::{Direction, Origin, Route};
pub use sequence::{OnGap, Place, Sequence};
pub use size::{QtyUnit, Size};
pub use trail::{Step, Trail};
