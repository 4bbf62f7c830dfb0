//! One channel's own queue and task: what is slow or dead there holds up nobody else.

use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::ports::Clock;
use tokio::sync::{mpsc, watch};

use super::mark::Marks;
use super::send::Channel;
use super::{Alert, Folder};

/// What the task of one channel owns.
pub(super) struct Post {
    pub(super) channel: Channel,
    pub(super) queue: mpsc::Receiver<Alert>,
    pub(super) folder: Folder,
    /// How often the folder is asked what is due.
    pub(super) look: Duration,
    pub(super) clock: Arc<dyn Clock>,
    /// What has arrived; `None` where nothing is kept.
    pub(super) marks: Marks,
    /// Turns true when the process ends.
    pub(super) closing: watch::Receiver<bool>,
    /// Dropped with the task: that is how its end is seen.
    pub(super) _ended: crossbeam_channel::Sender<()>,
}

impl Post {
    /// Sends what comes until it is told to close; then what is left, and what was folded, with one try each.
    pub(super) async fn run(mut self) {
        let mut look = tokio::time::interval(self.look);
        loop {
            let ready: Vec<Alert> = tokio::select! {
                biased;
                // An error: every handle is gone, which is an end as well.
                _ = self.closing.wait_for(|is_closing| *is_closing) => break,
                taken = self.queue.recv() => match taken {
                    Some(alert) => self.folder.take(alert, self.clock.now()).into_iter().collect(),
                    None => break,
                },
                _ = look.tick() => self.folder.due(self.clock.now()),
            };
            for alert in ready {
                self.deliver(&alert).await;
            }
        }
        let mut rest = Vec::new();
        while let Ok(alert) = self.queue.try_recv() {
            rest.extend(self.folder.take(alert, self.clock.now()));
        }
        rest.extend(self.folder.close());
        for alert in rest {
            self.deliver(&alert).await;
        }
    }

    async fn deliver(&mut self, alert: &Alert) {
        let delivery = self.channel.insist(alert, &mut self.closing).await;
        if delivery.result.is_ok()
            && let Err(error) = self.marks.delivered(alert)
        {
            tracing::error!(event = "alert_mark", "what arrived is not written down: {error}; the next start may send it again");
        }
    }
}
