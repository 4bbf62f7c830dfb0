//! The schema of a file, and the one that this program makes.
//!
//! A migration that has made one database stays as it is, its comments too: a change is the next `V<number>__<name>.sql`.

use std::sync::LazyLock;

use refinery::Migration;
use rusqlite::Connection;

use super::options::{self, OpenError, is_of_the_disk};

/// The table in which it is written down what made a file.
pub(super) const HISTORY: &str = "refinery_schema_history";

#[allow(unreachable_pub, clippy::needless_pass_by_value)]
mod made {
    refinery::embed_migrations!("src/store/migrations");
}

/// What this program makes a schema with, in order.
pub(super) fn migrations() -> &'static [Migration] {
    static KNOWN: LazyLock<Vec<Migration>> = LazyLock::new(|| {
        let mut known = made::migrations::runner().get_migrations().clone();
        known.sort();
        known
    });
    &KNOWN
}

/// How the schema of a file stands to this program's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Schema {
    /// The same.
    Current,
    /// The beginning of it; up to which step.
    Older(String),
    /// All of it and more; the first step that is not known here.
    Newer(String),
    /// A step of the same number was another one.
    Other(String),
}

/// Judges by the number, the name and the checksum of every step.
pub(super) fn of(db: &Connection) -> rusqlite::Result<Schema> {
    let sql = format!("SELECT version, name, checksum FROM {HISTORY} ORDER BY version");
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let (mut applied, mut last) = (0, "nothing".to_owned());
    while let Some(row) = rows.next()? {
        let (version, name, checksum): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        last = format!("V{version}__{name}");
        match migrations().iter().find(|known| i64::from(known.version()) == version) {
            None => return Ok(Schema::Newer(last)),
            Some(known) if known.name() != name || known.checksum().to_string() != checksum => return Ok(Schema::Other(last)),
            Some(_) => applied += 1,
        }
    }
    Ok(if applied < migrations().len() { Schema::Older(last) } else { Schema::Current })
}

/// Brings it up to date.
pub(super) fn migrate(db: &mut Connection) -> Result<(), OpenError> {
    made::migrations::runner().run(db).map(drop).map_err(|cause| {
        let causes = std::iter::successors(std::error::Error::source(&cause), |cause| cause.source());
        if let Some(of_disk) = causes.filter_map(|cause| cause.downcast_ref::<rusqlite::Error>()).find(|cause| is_of_the_disk(cause)) {
            return options::of_disk("bringing the schema up to date", of_disk);
        }
        // The cause behind the crate's own sentence is what helps.
        let source = std::error::Error::source(&cause).map(|source| format!(": {source}")).unwrap_or_default();
        OpenError::Migration(format!("{cause}{source}"))
    })
}
