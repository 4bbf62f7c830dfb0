//! The log of a square-off without the engine: one JSON line for everything that it does, on disk before it does it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use ordergate_actors::order::ClientId;
use ordergate_actors::persistence::chain::stored_time;
use ordergate_actors::ports::Clock;
use serde_json::{Value, json};

/// Where the lines go.
#[derive(Debug)]
pub struct SquareOffLog {
    file: File,
    client_id: ClientId,
    clock: Arc<dyn Clock>,
}

impl SquareOffLog {
    /// The name of the file in the directory of logs.
    pub const FILE_NAME: &'static str = "squareoff.log";

    /// Opens the log; what is in it stays.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(directory: &Path, client_id: ClientId, clock: Arc<dyn Clock>) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let file = OpenOptions::new().create(true).append(true).open(directory.join(Self::FILE_NAME))?;
        Ok(Self { file, client_id, clock })
    }

    /// Writes a line and sees it to the disk.
    ///
    /// # Errors
    /// It is not there: what it announces must not be done.
    pub fn write(&mut self, what: Value) -> io::Result<()> {
        let mut line = json!({ "at": stored_time(self.clock.now()), "client_id": self.client_id });
        if let (Some(line), Value::Object(what)) = (line.as_object_mut(), what) {
            line.extend(what);
        }
        let mut text = line.to_string();
        text.push('\n');
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()
    }
}
