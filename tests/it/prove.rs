//! The short form of the proof by kills: every step twice, and 20 random moments. The whole form is `ordergate prove --seeds N`.

use std::process::Command;

fn prove(directory: &std::path::Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_ordergate")).args(["prove", "--directory"]).arg(directory).args(arguments).output().unwrap();
    (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn killed_at_every_step_and_at_random_nothing_is_lost_and_nothing_doubled() {
    let directory = tempfile::tempdir().unwrap();
    let (code, words) = prove(directory.path(), &["--runs", "2", "--random", "20", "--jobs", "6"]);
    assert_eq!(code, Some(0), "{words}");
    let all = words.lines().find(|line| line.trim_start().starts_with("all ")).unwrap_or_else(|| panic!("no sum: {words}"));
    let numbers: Vec<u64> = all.split_whitespace().skip(1).map(|cell| cell.parse().unwrap()).collect();
    let [runs, kills, lost, doubled, unresolved, ..] = numbers[..] else { panic!("{all}") };
    let steps = u64::try_from(ordergate::drill::Step::ALL.len()).unwrap();
    assert_eq!((runs, lost, doubled, unresolved), (2 * steps + 20, 0, 0, 0), "{words}");
    assert!(kills >= runs, "{words}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "what went well leaves nothing");
}

/// A run that goes wrong is told as such: a proof that cannot fail proves nothing. Here the binary that is proven answers nobody.
#[test]
fn a_proof_of_a_process_that_does_not_come_up_is_not_clean() {
    let directory = tempfile::tempdir().unwrap();
    let wish = ordergate::prove::Wish {
        // It ends at once, whatever it is asked.
        binary: std::path::PathBuf::from(if cfg!(windows) { "where" } else { "true" }),
        broker: ordergate::prove::Broker::Paper,
        steps: vec![ordergate::drill::Step::CallDuring],
        runs: 1,
        random: 0,
        seeds: 1,
        directory: directory.path().to_owned(),
        jobs: 1,
    };
    let rows = ordergate::prove::prove(&wish, |_| {}).unwrap();
    assert!(!rows[0].is_clean() && rows[0].faults[0].contains("on the way to step call.during"), "{rows:?}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "what went wrong keeps its files");
}
