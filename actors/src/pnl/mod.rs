//! Profit and loss of the trading day, from fills only: pure.
//!
//! A [`Day`] is what an account's trades of one IST day came to, per strategy, instrument and product. It is a fold of
//! [`DayChange`]s in journal order: the same fold after a commit, after a restart and in a replay. An order's status never
//! enters it.

pub mod change;
pub mod charges;
pub mod contracts;
pub mod curve;
pub mod day;
pub mod differences;
pub mod line;
pub mod pool;
pub mod worth;

pub use change::{DayChange, Move, Told};
pub use contracts::{ContractKept, PointValues};
pub use curve::Curve;
pub use day::Day;
pub use differences::{Cause, Difference, Ignored, Part, differences};
pub use line::{Executed, Line, Opening, Slippage, Sums, Trips, Turnover};
pub use pool::Pool;
pub use worth::{MarkedFrom, Statistics, Total, Worth};
