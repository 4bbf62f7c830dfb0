//! What can be traded: today's table, found by name and by token, searched by words; where it comes from, and how whatever
//! somebody calls an instrument (`NIFTY1!`, `M_M`, `NIFTY weekly ATM+1 CE`) becomes one instrument.

mod catalogue;
mod freeze;
mod index;
pub mod master;
mod masters;
mod packed;
mod resolve;
mod sample;
mod search;
pub mod selector;
mod spelled;
mod spelling;
mod table;

pub use catalogue::Expiry;
pub use freeze::{BadFreeze, FreezeTable};
pub use masters::{Freshness, Masters};
pub use resolve::Rolls;
pub use sample::{BadSample, levels, sample};
pub use spelled::kind_of;
pub use table::InstrumentTable;
