//! What trading costs besides the price: effective-dated rates, and what a day's trades are charged by them. Pure.

mod parse;
mod rates;
mod sum;

pub use parse::{BadCharges, ChargeFile};
pub use rates::{Charge, Kind, Rates};
pub use sum::{Charged, Costs, Turned};
