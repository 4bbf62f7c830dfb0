//! What can be traded: today's table, found by name and by token, searched by words; where it comes from, and how a
//! relative wish (`NIFTY weekly ATM+1 CE`) becomes one instrument.

mod freeze;
pub mod master;
mod masters;
mod packed;
mod sample;
mod search;
pub mod selector;
mod table;

pub use freeze::{BadFreeze, FreezeTable};
pub use masters::{Freshness, Masters};
pub use sample::{BadSample, levels, sample};
pub use table::InstrumentTable;
