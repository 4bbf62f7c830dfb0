//! What a test waits for, in virtual time.

use std::time::Duration;

use ordergate_actors::Phase;
use ordergate_actors::order::{CommandId, OrderRecord, Status, Tag};
use ordergate_actors::persistence::Book;
use ordergate_actors::ports::Clock;

use super::Desk;
use crate::beside::Others;
use crate::checks::{self, AtBroker};
use crate::world::client;

/// How long a condition may take to come true, virtual time.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

impl Desk {
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    pub(crate) async fn pass_secs(&self, seconds: u64) {
        self.pass(Duration::from_secs(seconds)).await;
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(
                tokio::time::Instant::now() < deadline,
                "not so after {} s: {what}; halted {:?}; the disk says\n{}",
                PATIENCE.as_secs(),
                self.halt.halted(),
                self.trace()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn until_open(&self) {
        self.until("open for entries", |desk| desk.line().phase() == Phase::Open).await;
    }

    pub(crate) async fn until_status(&self, command: CommandId, status: Status) -> OrderRecord {
        self.until(&format!("{command} is {status}"), |desk| desk.find(command).is_some_and(|row| row.status == status)).await;
        self.row(command)
    }

    pub(crate) async fn until_tag(&self, command: CommandId, tag: Tag) -> OrderRecord {
        self.until(&format!("{command} is tagged {tag}"), |desk| desk.find(command).is_some_and(|row| row.tag == Some(tag))).await;
        self.row(command)
    }

    /// Waits until the order has ended and the trades of all that it filled are recorded.
    pub(crate) async fn until_ended(&self, command: CommandId) -> OrderRecord {
        let is_over = |row: OrderRecord| row.status.is_terminal() && row.traded_quantity == row.filled_quantity;
        self.until(&format!("{command} has ended"), |desk| desk.find(command).is_some_and(is_over)).await;
        self.row(command)
    }

    /// Waits until the broker's number of the order is on disk.
    pub(crate) async fn until_at_broker(&self, command: CommandId) -> OrderRecord {
        self.until(&format!("{command} has a number"), |desk| desk.find(command).is_some_and(|row| row.broker_order_id.is_some())).await;
        self.row(command)
    }

    pub(crate) async fn until_alarm(&self, event: &str) {
        self.until(&format!("{event} is raised"), |desk| desk.alarms().iter().any(|alarm| alarm == event)).await;
    }

    /// Waits until no order is in the line or in doubt and no call runs: tickets return to zero.
    pub(crate) async fn until_still(&self) {
        let is_still = |desk: &Self| {
            let has_numbers = |book: &Book| book.open_orders().all(|order| order.broker_order_id.is_some());
            let is_named = desk.engine.read(&client(), has_numbers).unwrap_or(false);
            is_named && desk.line().admission.used() == 0 && desk.line().calls.lock().running() == 0
        };
        loop {
            self.until("nothing is under way", is_still).await;
            // A lost order has no ticket until the next poll takes it up.
            self.pass(Duration::from_millis(2_500)).await;
            if is_still(self) {
                return;
            }
        }
    }

    /// At rest: nothing is under way, and our books are the broker's (INV-2, 3, 4, 7).
    pub(crate) async fn at_rest(&self) {
        self.until_still().await;
        self.pass_secs(3).await;
        let nobody = Others::default();
        let account = AtBroker { client: client(), exchange: self.broker.broker.inner().exchange(), others: &nobody };
        let accepted: Vec<CommandId> = self.rows().iter().map(|row| row.command_id).collect();
        // A scenario may let the books lie for as long as it takes.
        let believable = false;
        if let Err(what) = checks::at_rest(&self.store(), &[account], &accepted, believable, &*self.market, self.clock.now()) {
            panic!("{what}\n{}", self.trace());
        }
    }
}
