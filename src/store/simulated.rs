//! A disk for simulations: memory that outlives the store on it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use super::open;
use super::options::{OpenError, database};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Committed bytes in memory. A store that is dropped, even in the middle of a round, leaves exactly what it had
/// committed; the next store on the same disk finds it. For tests and simulations: nothing ever reaches a real disk.
#[doc(hidden)]
#[derive(Clone)]
pub struct SimulatedDisk {
    name: Arc<str>,
    tag_prefix: Arc<str>,
    /// SQLite keeps shared memory for as long as one connection is open on it.
    keeper: Arc<Mutex<Connection>>,
}

impl SimulatedDisk {
    /// An empty disk. The prefix is given, not drawn: the same seed must make the same tags.
    ///
    /// # Errors
    /// SQLite could not be opened.
    pub fn new(tag_prefix: &str) -> Result<Self, OpenError> {
        let name: Arc<str> = Arc::from(format!("file:/ordergate-{}?vfs=memdb", NEXT.fetch_add(1, Ordering::Relaxed)));
        let keeper = connect(&name)?;
        Ok(Self { name, tag_prefix: Arc::from(tag_prefix), keeper: Arc::new(Mutex::new(keeper)) })
    }

    /// The same with the schema on it: what a first start makes of an empty disk, made once in a process and copied. Every
    /// start on it is one on a database that is there.
    ///
    /// # Errors
    /// SQLite could not be opened, or the schema could not be made.
    pub fn with_schema(tag_prefix: &str) -> Result<Self, OpenError> {
        let disk = Self::new(tag_prefix)?;
        open::with_schema(&mut disk.keeper.lock())?;
        Ok(disk)
    }

    pub(super) fn connect(&self) -> Result<Connection, OpenError> {
        connect(&self.name)
    }

    pub(super) fn tag_prefix(&self) -> &str {
        &self.tag_prefix
    }
}

fn connect(name: &str) -> Result<Connection, OpenError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(name, flags).map_err(database("opening the simulated disk"))
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedDisk").field("name", &self.name).finish_non_exhaustive()
    }
}
