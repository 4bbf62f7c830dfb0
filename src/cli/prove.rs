//! `ordergate prove`: kills this very binary at every step of the line, starts it again, and shows what became of the orders.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::print::Page;
use super::{EXIT_ATTENTION, EXIT_OK};
use crate::drill::Step;
use crate::prove::{Broker, Row, Wish, prove, reaches};

/// Where it trades while it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum At {
    /// `ordergate simulate-broker`: the Noren protocol, in a process of its own
    Simulated,
    /// The paper broker
    Paper,
}

/// What is to be proven.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Steps to be killed at: `all`, `none`, or numbers and names with commas (docs/proof.md lists them)
    #[arg(long, default_value = "all", value_name = "LIST", value_parser = steps)]
    steps: Steps,
    /// Kills at each step
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// Runs that are killed at random moments, with each seed
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    random: u32,
    /// Seeds of those
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: u64,
    /// The broker that it trades at; no money moves at either
    #[arg(long, value_enum, default_value_t = At::Simulated)]
    broker: At,
    /// Where the runs keep their files; what went well is removed
    #[arg(long, value_name = "PATH")]
    directory: Option<PathBuf>,
    /// Runs at the same time; two for each core unless said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
}

/// A list of steps.
#[derive(Debug, Clone)]
struct Steps(Vec<Step>);

fn steps(text: &str) -> Result<Steps, String> {
    match text.trim() {
        "all" => Ok(Steps(Step::ALL.to_vec())),
        "none" => Ok(Steps(Vec::new())),
        list => {
            let one = |word: &str| Step::parse(word).ok_or_else(|| format!("{:?} is no step; docs/proof.md lists them", word.trim()));
            list.split(',').map(one).collect::<Result<_, _>>().map(Steps)
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<i32> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wish = Wish {
        binary: std::env::current_exe()?,
        broker: match arguments.broker {
            At::Simulated => Broker::Simulated,
            At::Paper => Broker::Paper,
        },
        steps: arguments.steps.0.clone(),
        runs: arguments.runs,
        random: arguments.random,
        seeds: arguments.seeds,
        directory: arguments.directory.clone().unwrap_or_else(std::env::temp_dir),
        jobs: arguments.jobs.map_or(2 * cores, usize::from),
    };
    let rows = prove(&wish, |row| eprintln!("{}: {} runs, {}", row.name, row.runs, if row.is_clean() { "clean" } else { "NOT CLEAN" }))?;
    let is_clean = rows.iter().all(Row::is_clean);
    show(&rows, &wish)?;
    Ok(if is_clean { EXIT_OK } else { EXIT_ATTENTION })
}

fn cells(row: &Row) -> Vec<String> {
    let (median, worst) =
        row.recovery().map_or_else(Default::default, |(median, worst)| (median.as_millis().to_string(), worst.as_millis().to_string()));
    let numbers = [row.runs, row.kills, row.lost, row.doubled, row.unresolved].map(|number| number.to_string());
    std::iter::once(row.name.clone()).chain(numbers).chain([median, worst]).collect()
}

fn show(rows: &[Row], wish: &Wish) -> anyhow::Result<()> {
    let mut all = Row { name: "all".to_owned(), ..Row::default() };
    for row in rows {
        all.runs += row.runs;
        all.kills += row.kills;
        all.lost += row.lost;
        all.doubled += row.doubled;
        all.unresolved += row.unresolved;
        all.recovery.extend(&row.recovery);
    }
    let mut page = Page::new();
    let header = ["step", "runs", "kills", "lost", "duplicated", "unresolved", "recovery ms, median", "worst"];
    page.table(&header, rows.iter().chain([&all]).map(cells));
    let left_out: Vec<&str> = wish.steps.iter().filter(|step| !reaches(wish.broker, **step)).map(|step| step.name()).collect();
    if !left_out.is_empty() {
        page.line(format!("Not reached with this broker: {}.", left_out.join(", ")));
    }
    for row in rows.iter().filter(|row| !row.is_clean()) {
        page.heading(format!("{} is not clean:", row.name));
        for fault in &row.faults {
            page.line(fault);
        }
    }
    page.show()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_steps_is_numbers_and_names() {
        let read = |text: &str| steps(text).map(|steps| steps.0);
        assert_eq!(read("all").unwrap(), Step::ALL);
        assert_eq!(read("none").unwrap(), []);
        assert_eq!(read("14, send.after").unwrap(), [Step::CallDuring, Step::SendAfter]);
        assert!(read("14,nowhere").unwrap_err().contains("nowhere"));
    }
}
