//! The run's share of the account's rate budget: all of it, because no engine runs meanwhile.

use std::sync::Arc;

use ordergate_actors::broker::{Decision, Lane, Meter};
use ordergate_actors::order::Exchange;
use ordergate_actors::ports::{Budget, Clock};
use parking_lot::Mutex;

/// Lets calls go no faster than the budget.
#[derive(Debug)]
pub(super) struct Pace {
    meter: Mutex<Meter>,
    clock: Arc<dyn Clock>,
}

impl Pace {
    pub(super) fn new(budget: Option<Budget>, clock: Arc<dyn Clock>) -> Self {
        Self { meter: Mutex::new(Meter::new(budget)), clock }
    }

    /// Waits until one more call may go; with the exchange where an order, a change or a cancel counts.
    pub(super) async fn turn(&self, exchange: Option<Exchange>) {
        loop {
            let now = self.clock.now();
            // The exits' lane is the one that may use everything.
            let decision = self.meter.lock().spend(Lane::Exit, exchange, now);
            match decision {
                Decision::Go => return,
                Decision::WaitUntil(at) => tokio::time::sleep(at.signed_duration_since(now).to_std().unwrap_or_default()).await,
            }
        }
    }
}
