//! Seeds beyond the fixed set, and the same seed in two processes.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::script::hash;
use super::world::{CrashAt, Extent, World};
use super::{all, crash, named, simulate_in};

/// Where `one_seed` writes its trace instead of showing it.
pub(crate) const TRACE_FILE: &str = "ORDERGATE_TRACE_FILE";

/// Fresh seeds of every run of the suite.
const FRESH: u64 = 6;

/// Seeds of the tight world in every run of the suite.
const TIGHT: u64 = 60;

/// Seeds of the harsh world in every run of the suite.
const HARSH: u64 = 40;

/// A seed as it comes, once more with a crash that it draws itself, and once with two.
fn calm_and_crashed(seed: u64, extent: Extent) -> [u64; 2] {
    let run = |crashes: &[CrashAt]| simulate_in(extent, seed, crashes);
    let calm = run(&[]);
    if calm.commits == 0 {
        return [1, calm.sent];
    }
    let commit = 1 + hash(seed, 77) % calm.commits;
    run(&[CrashAt { commit, is_acknowledgement_lost: hash(seed, 78).is_multiple_of(2) }]);
    run(&crash::pair(seed, 0, calm.commits));
    [3, calm.sent]
}

/// Nobody has seen these seeds before. What they find is printed with the command that repeats it.
#[test]
fn fresh_seeds() {
    let nonce = RandomState::new().build_hasher().finish();
    for index in 0..FRESH {
        let seed = hash(nonce, index) >> 16;
        let extent = [Extent::Whole, Extent::Tight, Extent::Harsh][usize::try_from(index % 3).unwrap()];
        println!("fresh: {} cargo test --test simulation one_seed -- --nocapture", named(extent, seed, &[]));
        calm_and_crashed(seed, extent);
    }
}

/// The world in which limits bind, a commit takes time, and the broker takes less.
#[test]
fn nothing_is_lost_or_doubled_in_the_tight_world() {
    let (begun, mut sent) = (Instant::now(), 0);
    for seed in 1..=TIGHT {
        sent += calm_and_crashed(seed, Extent::Tight)[1];
    }
    println!("{TIGHT} seeds of the tight world, {sent} orders at the broker, in {:.1} s", begun.elapsed().as_secs_f64());
    assert!(sent > TIGHT / 2, "a simulation in which hardly anything is sent proves nothing: {sent}");
}

/// The world in which a day ends by its loss, calls are counted, and a refusal is none.
#[test]
fn nothing_is_lost_or_doubled_in_the_harsh_world() {
    let sent: u64 = (1..=HARSH).map(|seed| calm_and_crashed(seed, Extent::Harsh)[1]).sum();
    println!("{HARSH} seeds of the harsh world, {sent} orders at the broker");
    assert!(sent > HARSH / 2, "a simulation in which hardly anything is sent proves nothing: {sent}");
}

/// `ORDERGATE_SEEDS` of them, from `ORDERGATE_FROM` (1) on, each calm, with one crash and with two, on every core.
#[test]
#[ignore = "as many seeds as one likes: takes as long"]
fn many_seeds() {
    let number = |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (count, from) = (number("ORDERGATE_SEEDS", 1_000), number("ORDERGATE_FROM", 1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (begun, extent) = (Instant::now(), Extent::asked_for());
    let next = AtomicU64::new(from);
    let share = || {
        let (mut runs, mut sent, mut failed) = (0, 0, Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + count {
                return (runs, sent, failed);
            }
            match std::panic::catch_unwind(|| calm_and_crashed(seed, extent)) {
                Ok([more, orders]) => (runs, sent) = (runs + more, sent + orders),
                Err(_) => failed.push(seed),
            }
        }
    };
    let (mut runs, mut sent, mut failed) = (0, 0, Vec::new());
    std::thread::scope(|scope| {
        let shares: Vec<_> = (0..cores).map(|_| scope.spawn(share)).collect();
        for share in shares {
            let (more, orders, bad) = share.join().unwrap();
            (runs, sent) = (runs + more, sent + orders);
            failed.extend(bad);
        }
    });
    let took = begun.elapsed().as_secs_f64();
    let per_core = runs as f64 / took / cores as f64;
    println!("{runs} runs of {count} seeds in {took:.1} s: {per_core:.0} a second on each of {cores} cores; {sent} orders at the broker");
    failed.sort_unstable();
    assert!(failed.is_empty(), "{} seeds failed: {failed:?}", failed.len());
}

/// The first run of the fixed set that fails, if one does: for an engine that has a bug on purpose (`tests/mutants/run.sh`).
#[test]
#[ignore = "tells which seed catches a deliberate bug; a sound engine has none"]
fn first_that_fails() {
    let runs = |(seed, extent): (u64, Extent)| {
        let fails = move |at: Vec<CrashAt>| World::of(seed, extent).live(&at).verdict.err().map(|what| (named(extent, seed, &at), what));
        let calm = World::of(seed, extent).live(&[]);
        let once = crash::points(seed, calm.commits).into_iter().map(|crash| vec![crash]);
        let twice = crash::pairs(seed, calm.commits).into_iter().map(Vec::from);
        std::iter::once(Vec::new()).chain(once).chain(twice).find_map(fails)
    };
    if let Some((run, what)) = all().find_map(runs) {
        panic!("caught by {run}: {what}");
    }
}

/// The same seed leaves the same bytes in a process of its own: nothing of a run depends on where memory lies, on the order
/// of a hash map, or on the time.
#[test]
fn the_same_seed_is_the_same_to_the_byte_in_two_processes() {
    let directory = tempfile::tempdir().unwrap();
    for (seed, crash) in [(5, ""), (23, "9+"), (120, "4-")] {
        let trace = |number: u32| {
            let path = directory.path().join(format!("{seed}-{number}"));
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["one_seed", "--exact"]).env("ORDERGATE_SEED", seed.to_string()).env(TRACE_FILE, &path);
            if !crash.is_empty() {
                command.env("ORDERGATE_CRASH", crash);
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            std::fs::read(path).unwrap()
        };
        let (one, other) = (trace(1), trace(2));
        assert!(one.len() > 1_000, "seed {seed} left {} bytes", one.len());
        assert!(one == other, "seed {seed} ran differently in another process");
    }
}
