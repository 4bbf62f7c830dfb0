//! The one thread that owns the ledger, and its stand-in for simulations that runs on the caller's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::ledger::{Ledger, Round};
use super::open_round::{JUDGING, OpenRound};
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

/// Turns of the event loop that an order takes through the gates, at the most.
const HOPS: usize = 32;

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
            let watched = std::panic::AssertUnwindSafe(|| run(&mut ledger, &receiver, &deliver, JUDGING, &mut untold));
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

/// Does these on the caller's thread.
fn write(ledger: &mut Ledger, jobs: Vec<Job>, halt: &dyn Halt) -> Result<Option<Round>, Panicked> {
    let mut due = Due::default();
    jobs.into_iter().for_each(|job| due.take(job));
    let units = std::mem::take(&mut due.units);
    let result = watched(halt, || ledger.round(units))?;
    conclude(ledger, due);
    Ok(result)
}

/// What comes after the commit: reads, and the close.
fn conclude(ledger: &mut Ledger, due: Due) {
    for (query, reply) in due.reads {
        let _gone = reply.send(ledger.query(&query));
    }
    if let Some(reply) = due.close {
        let _gone = reply.send(ledger.close());
    }
}

/// A step of a ledger on the caller's thread; nothing after a failure, which halts. As on the thread: after a panic nobody knows what the
/// disk holds, and the ledger goes down with it.
fn watched<T>(halt: &dyn Halt, step: impl FnOnce() -> Result<T, StoreError>) -> Result<Option<T>, Panicked> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(step)) {
        Ok(Ok(done)) => Ok(Some(done)),
        Ok(Err(error)) => {
            halt.halt(EXIT_FAULT, &error.to_string());
            Ok(None)
        }
        Err(_) => {
            halt.halt(EXIT_FAULT, "a panic in the writer");
            Err(Panicked)
        }
    }
}

/// The thread's stand-in for simulations that shall see what it lets happen: each commit takes so long, and what is posted meanwhile
/// goes into the next one. Of every second round that is open for the gates, what they decide goes into it.
async fn write_late(mut ledger: Ledger, mut jobs: UnboundedReceiver<Job>, takes: Duration, halt: Arc<dyn Halt>, deliver: impl Fn(Round)) {
    let mut takes_more = false;
    while let Some(first) = jobs.recv().await {
        let mut due = Due::default();
        due.take(first);
        due.take_arrived(&mut jobs);
        tokio::time::sleep(takes).await;
        if halt.is_halted() {
            return;
        }
        let units = std::mem::take(&mut due.units);
        if !units.is_empty() {
            let Ok(Some((mut open, acks))) = watched(&*halt, || opened(&mut ledger, units)) else { return };
            if !acks.is_empty() {
                takes_more = !takes_more;
                deliver(Round { acks, events: Vec::new() });
                let until = jobs.len() + usize::from(takes_more);
                judged(&jobs, until).await;
            }
            if takes_more && open.is_judged() {
                due.take_arrived(&mut jobs);
            }
            let units = std::mem::take(&mut due.units);
            let finished = || {
                ledger.add(&mut open, units)?;
                ledger.finish(open)
            };
            let Ok(Some(round)) = watched(&*halt, finished) else { return };
            ledger.tell_listeners(&round.events);
            deliver(round);
        }
        conclude(&mut ledger, due);
    }
}

/// Lets the gates go on until so many jobs are there, or they are done: without time, because no reader of a simulated disk may come
/// while a round is open.
async fn judged(jobs: &UnboundedReceiver<Job>, until: usize) {
    for _ in 0..HOPS {
        if jobs.len() >= until {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// A round with what it shows to the gates.
fn opened(ledger: &mut Ledger, units: Vec<Posted>) -> Result<(OpenRound, Vec<Ack>), StoreError> {
    let mut open = ledger.open_round(units)?;
    let acks = ledger.show(&mut open)?;
    Ok((open, acks))
}

/// What was asked of the writer and is still to be done.
#[derive(Default)]
struct Due {
    units: Vec<Posted>,
    reads: Vec<(Query, oneshot::Sender<Result<Rows, StoreError>>)>,
    close: Option<oneshot::Sender<Result<(), StoreError>>>,
}

impl Due {
    fn take(&mut self, job: Job) {
        match job {
            Job::Post(posted) => self.units.push(*posted),
            Job::Read(query, reply) => self.reads.push((query, reply)),
            Job::Close(reply) => self.close = Some(reply),
        }
    }

    /// Whether somebody waits for something else than a unit.
    fn is_asked(&self) -> bool {
        self.close.is_some() || !self.reads.is_empty()
    }

    /// What is queued, up to so many units; nothing comes after the close.
    fn take_queued(&mut self, jobs: &Receiver<Job>, most: usize) {
        while self.units.len() < most && self.close.is_none() {
            let Ok(job) = jobs.try_recv() else { return };
            self.take(job);
        }
    }

    /// What has been posted.
    fn take_arrived(&mut self, jobs: &mut UnboundedReceiver<Job>) {
        while let Ok(job) = jobs.try_recv() {
            self.take(job);
        }
    }
}

fn tell(ledger: &mut Ledger, untold: &mut Untold) {
    let events = untold.take();
    if !events.is_empty() {
        ledger.tell_listeners(&events);
    }
}

/// Natural group commit: whatever is queued goes into one transaction. It waits for more only while an order is being judged that this
/// very round registers.
fn run(
    ledger: &mut Ledger,
    jobs: &Receiver<Job>,
    deliver: &dyn Fn(Round),
    judging: Duration,
    untold: &mut Untold,
) -> Result<(), StoreError> {
    let view = Arc::clone(&ledger.view);
    let writing = view.writing();
    let mut looked_at_space = Instant::now();
    let mut wait = IDLE;
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
        let mut due = Due::default();
        due.take(first);
        due.take_queued(jobs, ROUND_MAX);
        if !due.units.is_empty() {
            writing.begins();
            let round = write_round(ledger, jobs, deliver, &mut due, judging)?;
            untold.add(&round.events, Instant::now());
            deliver(round);
            wait = LULL;
        }
        for (query, reply) in due.reads.drain(..) {
            writing.begins();
            let _gone = reply.send(ledger.query(&query));
        }
        if let Some(reply) = due.close {
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

/// One round: what is due, and what the gates decide meanwhile of the orders that it registers.
fn write_round(
    ledger: &mut Ledger,
    jobs: &Receiver<Job>,
    deliver: &dyn Fn(Round),
    due: &mut Due,
    judging: Duration,
) -> Result<Round, StoreError> {
    let mut open = ledger.open_round(std::mem::take(&mut due.units))?;
    let acks = ledger.show(&mut open)?;
    if !acks.is_empty() {
        deliver(Round { acks, events: Vec::new() });
    }
    let until = Instant::now() + judging;
    while open.is_judged() && !due.is_asked() && open.units() < ROUND_MAX {
        let Ok(job) = jobs.recv_deadline(until) else { break };
        due.take(job);
        due.take_queued(jobs, ROUND_MAX - open.units());
        ledger.add(&mut open, std::mem::take(&mut due.units))?;
    }
    let units = u32::try_from(open.units()).unwrap_or(u32::MAX);
    metrics::histogram!("ordergate_commit_units").record(f64::from(units));
    ledger.finish(open)
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
