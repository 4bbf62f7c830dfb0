//! SQLite behind the engine's Store port.
//!
//! ```text
//! SqliteStore   the writer's one connection: open -> load -> (begin, unit.., commit)* -> close
//!   open        directory lock, checkpoint, migrations, integrity, binding, ballast
//!   write       one row in
//!   load, query what a restart and the pages read, on the same connection
//! ReadStore     a second connection, read-only, of this process or another: listings, export, verification, backup
//! ```
//!
//! *Invariant:* one connection writes and checkpoints; every other one is read-only and never checkpoints.

mod accept;
mod backup;
mod ballast;
mod load;
mod lock;
mod meta;
mod open;
mod options;
mod pages;
mod projections;
mod query;
mod range;
mod read;
mod rows;
mod schema;
mod simulated;
mod sqlite;
mod verify;
mod watched;
mod whose;
mod write;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;

pub use accept::{AcceptError, accept};
pub use backup::BackupError;
pub use ballast::free_space;
pub(crate) use ballast::give_up_below;
pub use lock::{DirectoryLock, Holder, LockError};
pub use meta::Binding;
pub(crate) use open::FILE as DATABASE;
pub use options::{Durability, OpenError, Options};
pub use pages::{JournalRows, OrderRows};
pub use projections::Difference;
pub use range::{Part, Times, Trade};
pub use read::{Incomplete, ReadStore, Span};
pub use simulated::SimulatedDisk;
pub use sqlite::SqliteStore;
pub use verify::{ChainReport, VerifyFrom};
pub use watched::{Steps, WatchedStore};
