//! The proof by kills: this very binary, started against a broker of its own on this machine, killed with SIGKILL at every
//! numbered step of the line and at random moments, started again, and held against the broker's own book.
//!
//! Everything is on the loopback address and in a directory of its own; every wait has an end, and every process that is
//! started is killed when its handle goes.

mod act;
mod books;
mod child;
mod engine;
mod house;
mod random;
mod run;
mod venue;
mod wire;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::drill::{Act, Step};
use child::Children;
use house::Place;

/// Which broker the engine trades at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broker {
    /// `ordergate simulate-broker`: the Noren protocol over real sockets, in a process of its own.
    Simulated,
    /// The paper broker, within the engine, with a file of its own.
    Paper,
}

/// What is to be proven.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The binary.
    pub binary: PathBuf,
    /// Where it trades.
    pub broker: Broker,
    /// The steps that it is killed at.
    pub steps: Vec<Step>,
    /// Kills at each of them.
    pub runs: u32,
    /// Kills at random moments, with each seed.
    pub random: u32,
    /// Seeds of those: 1 to this.
    pub seeds: u64,
    /// Where the directories of the runs are made.
    pub directory: PathBuf,
    /// Runs at the same time.
    pub jobs: usize,
}

/// The runs of one step, or of one seed of random moments.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// The step's number and name, or the seed.
    pub name: String,
    /// Runs.
    pub runs: u32,
    /// Processes killed in them.
    pub kills: u32,
    /// Orders that were answered for and are gone, or that the broker has and we do not know.
    pub lost: u32,
    /// Orders that the broker has twice, or that one alert made twice.
    pub doubled: u32,
    /// Orders that stood open without a cause when the time was over.
    pub unresolved: u32,
    /// From the start of the last process to rest, each run.
    pub recovery: Vec<Duration>,
    /// What else went wrong, and where its files are.
    pub faults: Vec<String>,
}

impl Row {
    /// The middle and the longest recovery.
    #[must_use]
    pub fn recovery(&self) -> Option<(Duration, Duration)> {
        let mut sorted = self.recovery.clone();
        sorted.sort();
        // Of an even number the mean of the two in the middle.
        let (low, high) = (sorted.get((sorted.len().checked_sub(1)?) / 2)?, sorted.get(sorted.len() / 2)?);
        Some(((*low + *high) / 2, *sorted.last()?))
    }

    /// Whether nothing was lost, doubled or left open, and every run came to its end.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.unresolved == 0 && self.faults.is_empty()
    }
}

/// Whether a step can be reached at that broker. The paper broker's answers are never lost, and its market and its exchange are
/// nobody's to move.
#[must_use]
pub fn reaches(broker: Broker, step: Step) -> bool {
    let is_there = broker == Broker::Simulated || !matches!(step.act(), Act::Doubt | Act::Rule | Act::Book);
    is_there && (cfg!(unix) || step.act() != Act::Stop)
}

/// One run.
#[derive(Debug, Clone, Copy)]
enum Job {
    Step { row: usize, step: Step, run: u32 },
    Random { row: usize, seed: u64, run: u32 },
}

/// Runs it all. `told` hears of each row when its last run is done.
///
/// # Errors
/// The directory or a thread could not be made. What goes wrong within a run stands in its row.
pub fn prove(wish: &Wish, told: impl Fn(&Row) + Send + Sync) -> anyhow::Result<Vec<Row>> {
    let place = Arc::new(Place::new(wish)?);
    let children = Children::default();
    let steps: Vec<Step> = wish.steps.iter().copied().filter(|step| reaches(wish.broker, *step)).collect();
    let seeds = if wish.random == 0 { 0 } else { wish.seeds };
    let names = steps.iter().map(|step| format!("{} {step}", step.number())).chain((1..=seeds).map(|seed| format!("random, seed {seed}")));
    let rows: Vec<Row> = names.map(|name| Row { name, ..Row::default() }).collect();
    let mut jobs = VecDeque::new();
    for (row, step) in steps.iter().enumerate() {
        jobs.extend((0..wish.runs).map(|run| Job::Step { row, step: *step, run }));
    }
    for seed in 1..=seeds {
        let row = steps.len() + usize::try_from(seed - 1)?;
        jobs.extend((0..wish.random).map(|run| Job::Random { row, seed, run }));
    }
    let wanted = |row: usize| if row < steps.len() { wish.runs } else { wish.random };
    let (jobs, rows) = (Mutex::new(jobs), Mutex::new(rows));
    let _killed_at_an_interrupt = children.kill_at_an_interrupt()?;
    let work = || -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        while let Some(job) = next(&jobs) {
            let (row, told_of) = match job {
                Job::Step { row, step, run } => (row, runtime.block_on(run::at_step(&place, &children, step, run))),
                Job::Random { row, seed, run } => (row, runtime.block_on(random::at_random(&place, &children, seed, run))),
            };
            let done = {
                let mut rows = rows.lock();
                let Some(row_of) = rows.get_mut(row) else { continue };
                told_of.add_to(row_of);
                (row_of.runs == wanted(row)).then(|| row_of.clone())
            };
            if let Some(row) = done {
                told(&row);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..wish.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let rows = rows.into_inner();
    if rows.iter().all(Row::is_clean) {
        place.clear();
    }
    Ok(rows)
}

fn next(jobs: &Mutex<VecDeque<Job>>) -> Option<Job> {
    jobs.lock().pop_front()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_longest_are_taken_from_what_was_measured() {
        let of = |millis: &[u64]| Row { recovery: millis.iter().map(|ms| Duration::from_millis(*ms)).collect(), ..Row::default() };
        assert_eq!(of(&[]).recovery(), None);
        assert_eq!(of(&[30, 10, 20]).recovery(), Some((Duration::from_millis(20), Duration::from_millis(30))));
        assert_eq!(of(&[10, 30]).recovery(), Some((Duration::from_millis(20), Duration::from_millis(30))));
    }

    #[test]
    fn a_row_with_a_fault_is_not_clean_whatever_it_counts() {
        assert!(Row::default().is_clean());
        for spoil in [|row: &mut Row| row.lost = 1, |row: &mut Row| row.doubled = 1, |row: &mut Row| row.unresolved = 1] {
            let mut row = Row::default();
            spoil(&mut row);
            assert!(!row.is_clean());
        }
        assert!(!Row { faults: vec!["a step was not reached".to_owned()], ..Row::default() }.is_clean());
    }
}
