//! Alerts that stand in a chain, or are numbered, go one after the other: of one account and source, so that a sender who floods holds
//! up nobody but himself.

use std::collections::BTreeMap;
use std::sync::Arc;

use ordergate_actors::order::ClientId;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

/// An account and one of its sources.
type Sender = (ClientId, String);

/// Whose turn it is. As many as the settings name.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<BTreeMap<Sender, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits for those that came before, and holds its place until it is dropped.
    pub(super) async fn wait(&self, client_id: &ClientId, source: &str) -> OwnedMutexGuard<()> {
        let line = Arc::clone(self.0.lock().entry((client_id.clone(), source.to_owned())).or_default());
        line.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_source_of_one_account_waits_for_itself_alone() {
        let (turns, one, two) = (Turns::default(), ClientId::parse("A").unwrap(), ClientId::parse("B").unwrap());
        let held = turns.wait(&one, "tv").await;
        assert!(turns.wait(&one, "tv").now_or_never().is_none(), "the one before it holds the place");
        assert!(turns.wait(&one, "other").now_or_never().is_some() && turns.wait(&two, "tv").now_or_never().is_some());
        drop(held);
        assert!(turns.wait(&one, "tv").now_or_never().is_some());
    }
}
