//! The one thread that owns the ledger, and its stand-in for simulations that runs on the caller's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::ledger::{Ledger, Round};
use super::patience::{PATIENCE, waits_until};
use super::unit::{Ack, Posted};
use super::untold::{LONGEST, Untold};
use crate::ports::{Query, Rows, StoreError};
use crate::supervision::{EXIT_FAULT, Halt};

/// Units written in one commit at the most: bounds how long the first one waits for the last.
const ROUND_MAX: usize = 256;
/// How often the writer looks after the log and the free space when nothing is queued.
const IDLE: Duration = Duration::from_millis(500);
/// A pause in the work is used to shorten the log: whoever comes next does not wait for that to happen under load.
const LULL: Duration = Duration::from_millis(2);

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

/// The way to the writer's thread. What somebody waits for is never dropped: it stands in the backlog until there is
/// room, and everything behind it waits too. The backlog is bounded by the permits, because only what holds a ticket, or
/// a caller, is kept.
#[derive(Debug)]
pub struct Queue {
    sender: Sender<Job>,
    backlog: VecDeque<Job>,
    is_closed: bool,
}

impl Queue {
    fn new(sender: Sender<Job>) -> Self {
        Self { sender, backlog: VecDeque::new(), is_closed: false }
    }

    fn push(&mut self, job: Job, halt: &dyn Halt) {
        if self.is_closed {
            // The journal is closed: what comes now was not accepted, and nobody is told that it was.
            return;
        }
        self.is_closed = matches!(job, Job::Close(_));
        if self.backlog.is_empty() {
            self.send(job, halt);
        } else {
            self.keep(job);
        }
    }

    fn send(&mut self, job: Job, halt: &dyn Halt) {
        match self.sender.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => self.keep(job),
            Err(TrySendError::Disconnected(_)) => halt.halt(EXIT_FAULT, "the writer's thread is gone"),
        }
    }

    /// A fact of the broker's books comes again with the next poll, and a note is in the log; everything else is kept.
    fn keep(&mut self, job: Job) {
        let comes_again = matches!(&job, Job::Post(posted) if posted.comes_again());
        if comes_again {
            metrics::counter!("ordergate_writer_queue_full_total").increment(1);
        } else {
            self.backlog.push_back(job);
        }
    }

    fn flush(&mut self, halt: &dyn Halt) {
        while let Some(job) = self.backlog.pop_front() {
            match self.sender.try_send(job) {
                Ok(()) => {}
                Err(TrySendError::Full(job)) => {
                    self.backlog.push_front(job);
                    return;
                }
                Err(TrySendError::Disconnected(_)) => return halt.halt(EXIT_FAULT, "the writer's thread is gone"),
            }
        }
    }
}

/// Where jobs go.
#[derive(Debug)]
pub enum Writer {
    /// To the writer's thread.
    Thread(Queue),
    /// To the ledger itself, on the caller's thread.
    Inline(Box<Ledger>),
    /// To a task on the caller's thread, whose commits take time.
    Late(UnboundedSender<Job>),
}

impl Writer {
    /// Starts the writer's thread. `deliver` hands each round back; it must not block. A failed commit, or a panic
    /// anywhere on the thread, halts the process.
    ///
    /// # Errors
    /// The operating system gave no thread.
    pub fn spawn(
        mut ledger: Ledger,
        capacity: usize,
        halt: Arc<dyn Halt>,
        deliver: impl Fn(Round) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = bounded(capacity);
        std::thread::Builder::new().name("ordergate-writer".into()).spawn(move || {
            let mut untold = Untold::after(LONGEST);
            let watched = std::panic::AssertUnwindSafe(|| run(&mut ledger, &receiver, &deliver, PATIENCE, &mut untold));
            let ended = std::panic::catch_unwind(watched);
            // What was committed is told, whatever came after it.
            let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tell(&mut ledger, &mut untold)));
            match (ended, told) {
                (Ok(Ok(())), Ok(())) => {}
                (Ok(Err(error)), _) => halt.halt(
                    EXIT_FAULT,
                    &format!("the journal could not be written: {error}; nothing more is sent, recovery will read the truth"),
                ),
                (Err(_), _) | (_, Err(_)) => halt.halt(EXIT_FAULT, "a panic on the writer's thread"),
            }
        })?;
        Ok(Self::Thread(Queue::new(sender)))
    }

    /// Starts a writer on the caller's arbiter whose commits take so long.
    pub fn late(ledger: Ledger, takes: Duration, halt: Arc<dyn Halt>, deliver: impl Fn(Round) + 'static) -> Self {
        let (sender, jobs) = unbounded_channel();
        actix::spawn(write_late(ledger, jobs, takes, halt, deliver));
        Self::Late(sender)
    }

    /// The writer has room again, perhaps.
    pub(super) fn flush(&mut self, halt: &dyn Halt) {
        if let Self::Thread(queue) = self {
            queue.flush(halt);
        }
    }

    /// Hands a job over; an inline ledger answers at once.
    pub(super) fn submit(&mut self, jobs: Vec<Job>, halt: &dyn Halt) -> Option<Round> {
        match self {
            Self::Thread(queue) => {
                for job in jobs {
                    queue.push(job, halt);
                }
                None
            }
            Self::Inline(ledger) => match write(ledger, jobs, halt) {
                Ok(round) => round,
                Err(Panicked) => {
                    *self = Self::Thread(Queue::new(bounded(0).0));
                    None
                }
            },
            Self::Late(sender) => {
                for job in jobs {
                    // A writer that has ended has halted the process.
                    let _gone = sender.send(job);
                }
                None
            }
        }
    }
}

/// A panic while a ledger was written on the caller's thread: it is gone.
struct Panicked;

/// Writes these on the caller's thread.
fn write(ledger: &mut Ledger, jobs: Vec<Job>, halt: &dyn Halt) -> Result<Option<Round>, Panicked> {
    let (mut round, mut reads, mut close) = (Vec::new(), Vec::new(), None);
    for job in jobs {
        sort(job, &mut round, &mut reads, &mut close);
    }
    // As on the thread: after a panic nobody knows what the disk holds, and the ledger goes down with it.
    let watched = std::panic::AssertUnwindSafe(|| ledger.round(round));
    let Ok(result) = std::panic::catch_unwind(watched) else {
        halt.halt(EXIT_FAULT, "a panic in the writer");
        return Err(Panicked);
    };
    answer(ledger, reads);
    if let Some(reply) = close {
        let _gone = reply.send(ledger.close());
    }
    match result {
        Ok(round) => Ok(Some(round)),
        Err(error) => {
            halt.halt(EXIT_FAULT, &error.to_string());
            Ok(None)
        }
    }
}

/// The thread's stand-in for simulations that shall see what it lets happen: each commit takes so long, and what is posted meanwhile
/// goes into the next one.
async fn write_late(mut ledger: Ledger, mut jobs: UnboundedReceiver<Job>, takes: Duration, halt: Arc<dyn Halt>, deliver: impl Fn(Round)) {
    while let Some(first) = jobs.recv().await {
        let mut due = vec![first];
        while let Ok(job) = jobs.try_recv() {
            due.push(job);
        }
        tokio::time::sleep(takes).await;
        if halt.is_halted() {
            return;
        }
        match write(&mut ledger, due, &*halt) {
            Ok(Some(round)) => deliver(round),
            Ok(None) | Err(Panicked) => return,
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

fn tell(ledger: &mut Ledger, untold: &mut Untold) {
    let events = untold.take();
    if !events.is_empty() {
        ledger.tell_listeners(&events);
    }
}

/// Natural group commit: whatever is queued goes into one transaction. It waits for more only while an order is being judged
/// that was just registered, and only with what nobody waits for.
fn run(
    ledger: &mut Ledger,
    jobs: &Receiver<Job>,
    deliver: &dyn Fn(Round),
    patience: Duration,
    untold: &mut Untold,
) -> Result<(), StoreError> {
    let view = Arc::clone(&ledger.view);
    let writing = view.writing();
    let mut looked_at_space = Instant::now();
    let mut wait = IDLE;
    let mut expected = None;
    loop {
        // Under load there is no idle moment, and that is when a disk fills up.
        if looked_at_space.elapsed() >= IDLE {
            looked_at_space = Instant::now();
            writing.begins();
            ledger.look_at_space();
        }
        if untold.is_due(Instant::now()) {
            tell(ledger, untold);
        }
        writing.ends();
        let first = match jobs.recv_timeout(wait) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                tell(ledger, untold);
                writing.begins();
                ledger.idle()?;
                wait = IDLE;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let (mut round, mut reads, mut close) = (Vec::new(), Vec::new(), None);
        sort(first, &mut round, &mut reads, &mut close);
        while round.len() < ROUND_MAX && close.is_none() {
            let next = jobs.try_recv().ok().or_else(|| {
                let until = waits_until(expected, &round, !reads.is_empty(), Instant::now())?;
                jobs.recv_deadline(until).ok()
            });
            let Some(job) = next else { break };
            sort(job, &mut round, &mut reads, &mut close);
        }
        if !round.is_empty() {
            metrics::histogram!("ordergate_commit_units").record(f64::from(u32::try_from(round.len()).unwrap_or(u32::MAX)));
            writing.begins();
            let round = ledger.commit(round)?;
            untold.add(&round.events, Instant::now());
            let has_registered = round.acks.iter().any(|ack| matches!(ack, Ack::Registered(..)));
            deliver(round);
            expected = has_registered.then(|| Instant::now() + patience);
            wait = LULL;
        }
        for (query, reply) in reads {
            writing.begins();
            let _gone = reply.send(ledger.query(&query));
        }
        if let Some(reply) = close {
            tell(ledger, untold);
            // A disk that hangs in here is seen as at any other step.
            writing.begins();
            let result = ledger.close();
            writing.ends();
            let _gone = reply.send(result);
            return Ok(());
        }
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
