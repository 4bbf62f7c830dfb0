//! How a row of the journal says what became of something that is kept.

use ordergate_actors::persistence::Level;

/// The row's words.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) event: &'static str,
    pub(super) level: Level,
    pub(super) reason: String,
}

impl Said {
    /// Of what is in order.
    pub(super) fn info(event: &'static str, reason: String) -> Self {
        Self { event, level: Level::Info, reason }
    }
}
