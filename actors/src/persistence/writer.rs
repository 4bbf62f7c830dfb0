//! The one thread that owns the ledger, and its stand-in for simulations that runs on the caller's.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use tokio::sync::oneshot;

use super::ledger::{Ledger, Round};
use super::unit::Posted;
use crate::ports::{Query, Rows, StoreError};
use crate::supervision::{EXIT_FAULT, Halt};

/// Units written in one commit at the most: bounds how long the first one waits for the last.
const ROUND_MAX: usize = 256;
/// How often the writer looks after the log and the free space when nothing is queued.
const IDLE: Duration = Duration::from_millis(500);

/// What the writer can be asked.
#[derive(Debug)]
pub enum Job {
    /// Write this.
    Post(Box<Posted>),
    /// Read this for a person.
    Read(Query, oneshot::Sender<Result<Rows, StoreError>>),
    /// Write anchors, empty the log, and end.
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// Where jobs go.
#[derive(Debug)]
pub enum Writer {
    /// To the writer's thread.
    Thread(Sender<Job>),
    /// To the ledger itself, on the caller's thread.
    Inline(Box<Ledger>),
}

impl Writer {
    /// Starts the writer's thread. `deliver` hands each round back; it must not block. A failed commit, or a panic
    /// anywhere on the thread, halts the process.
    ///
    /// # Errors
    /// The operating system gave no thread.
    pub fn spawn(ledger: Ledger, capacity: usize, halt: Arc<dyn Halt>, deliver: impl Fn(Round) + Send + 'static) -> std::io::Result<Self> {
        let (sender, receiver) = bounded(capacity);
        std::thread::Builder::new().name("ordergate-writer".into()).spawn(move || {
            let watched = std::panic::AssertUnwindSafe(|| run(ledger, &receiver, &deliver));
            match std::panic::catch_unwind(watched) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => halt.halt(
                    EXIT_FAULT,
                    &format!("the journal could not be written: {error}; nothing more is sent, recovery will read the truth"),
                ),
                Err(_) => halt.halt(EXIT_FAULT, "a panic on the writer's thread"),
            }
        })?;
        Ok(Self::Thread(sender))
    }

    /// Hands a job over; an inline ledger answers at once.
    pub(super) fn submit(&mut self, jobs: Vec<Job>, halt: &dyn Halt) -> Option<Round> {
        match self {
            Self::Thread(sender) => {
                for job in jobs {
                    match sender.try_send(job) {
                        Ok(()) => {}
                        // Tickets inside the dropped job make its orders orphans; facts come again with the next poll.
                        Err(TrySendError::Full(job)) => {
                            tracing::error!(?job, "the writer's queue is full, which admission should have prevented");
                            metrics::counter!("ordergate_writer_queue_full_total").increment(1);
                        }
                        Err(TrySendError::Disconnected(_)) => halt.halt(EXIT_FAULT, "the writer's thread is gone"),
                    }
                }
                None
            }
            Self::Inline(ledger) => {
                let (mut round, mut open) = (Vec::new(), true);
                let mut reads = Vec::new();
                let mut close = None;
                for job in jobs {
                    sort(job, &mut round, &mut reads, &mut close);
                    open = open && close.is_none();
                }
                // As on the thread: after a panic nobody knows what the disk holds, and the ledger goes down with it.
                let watched = std::panic::AssertUnwindSafe(|| ledger.round(round));
                let Ok(result) = std::panic::catch_unwind(watched) else {
                    halt.halt(EXIT_FAULT, "a panic in the writer");
                    *self = Self::Thread(bounded(0).0);
                    return None;
                };
                answer(ledger, reads);
                if let Some(reply) = close {
                    let _gone = reply.send(ledger.close());
                }
                match result {
                    Ok(round) => Some(round),
                    Err(error) => {
                        halt.halt(EXIT_FAULT, &error.to_string());
                        None
                    }
                }
            }
        }
    }
}

type Reads = Vec<(Query, oneshot::Sender<Result<Rows, StoreError>>)>;
type Close = Option<oneshot::Sender<Result<(), StoreError>>>;

fn sort(job: Job, round: &mut Vec<Posted>, reads: &mut Reads, close: &mut Close) {
    match job {
        Job::Post(posted) => round.push(*posted),
        Job::Read(query, reply) => reads.push((query, reply)),
        Job::Close(reply) => *close = Some(reply),
    }
}

fn answer(ledger: &mut Ledger, reads: Reads) {
    for (query, reply) in reads {
        let _gone = reply.send(ledger.query(&query));
    }
}

/// Natural group commit: whatever is queued goes into one transaction; there is no timer to wait for more.
fn run(mut ledger: Ledger, jobs: &Receiver<Job>, deliver: &dyn Fn(Round)) -> Result<(), StoreError> {
    loop {
        let first = match jobs.recv_timeout(IDLE) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                ledger.idle()?;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let (mut round, mut reads, mut close) = (Vec::new(), Vec::new(), None);
        sort(first, &mut round, &mut reads, &mut close);
        while round.len() < ROUND_MAX && close.is_none() {
            let Ok(job) = jobs.try_recv() else { break };
            sort(job, &mut round, &mut reads, &mut close);
        }
        if !round.is_empty() {
            metrics::histogram!("ordergate_commit_units").record(f64::from(u32::try_from(round.len()).unwrap_or(u32::MAX)));
            deliver(ledger.round(round)?);
        }
        answer(&mut ledger, reads);
        if let Some(reply) = close {
            let result = ledger.close();
            let _gone = reply.send(result);
            return Ok(());
        }
    }
}
