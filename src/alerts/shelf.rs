//! The outbox of a channel on disk.

use std::io;
use std::path::{Path, PathBuf};

use super::outbox::Outbox;
use crate::files::{Mode, private_directory, write_whole};

/// Where it lies: `alerts/outbox.<channel>.json` of the data directory, readable by its owner alone, because a readiness report
/// may hold a link to log in by.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    path: PathBuf,
}

impl Shelf {
    pub(super) fn new(data: &Path, channel: &str) -> Self {
        Self { path: data.join("alerts").join(format!("outbox.{channel}.json")) }
    }

    /// As it was last written. A file that does not read is set aside and begun anew: then the open pages go out again, rather
    /// twice than never.
    pub(super) fn load(&self) -> Outbox {
        let Ok(bytes) = std::fs::read(&self.path) else { return Outbox::default() };
        serde_json::from_slice(&bytes).unwrap_or_else(|cause| {
            tracing::error!(event = "alert_outbox", path = %self.path.display(), "does not read ({cause}); the channel begins anew");
            let _set_aside = std::fs::rename(&self.path, self.path.with_added_extension("unreadable"));
            Outbox::default()
        })
    }

    /// Writes it whole.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn save(&self, outbox: &Outbox) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            private_directory(folder)?;
        }
        write_whole(&self.path, &serde_json::to_vec(outbox)?, Mode::Private)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::alert;
    use super::*;

    #[test]
    fn an_outbox_is_read_back_and_a_torn_one_is_set_aside() {
        let here = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(here.path(), "webhook");
        assert_eq!(shelf.load(), Outbox::default());
        let mut outbox = Outbox::default();
        outbox.begin(&[(None, 7)], &[]);
        let rules = super::super::tests::rules();
        outbox.take(&rules, alert("X", "words"), alert("X", "").at);
        shelf.save(&outbox).unwrap();
        assert_eq!(shelf.load(), outbox);
        std::fs::write(here.path().join("alerts/outbox.webhook.json"), "{\"cursors\":").unwrap();
        assert_eq!(shelf.load(), Outbox::default());
        assert!(here.path().join("alerts/outbox.webhook.json.unreadable").exists());
    }
}
