//! The whole engine, simulated: all actors, the real SQL, the real recovery, a paused clock, a seeded broker that
//! delays, refuses, hangs, loses replies and forgets the session, a market with gaps, mutes and a closing auction, people who
//! cancel, change, kill and re-arm, others who trade in the same account, a second account, a gateway in trouble, and a crash
//! at any commit. One thread; the same seed is the same run.
//!
//! A failing seed prints itself and the command that repeats it:
//! `ORDERGATE_SEED=17 cargo test --test simulation one_seed -- --nocapture`
//! Many seeds: `ORDERGATE_SEEDS=10000 cargo test --release --test simulation many_seeds -- --ignored --nocapture`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a harness of tests")]

mod beside;
mod checks;
mod crash;
mod desk;
mod disk;
mod faults;
mod gateway;
mod kills;
mod lies;
mod log;
mod many;
mod next_door;
mod rivals;
mod script;
mod seeds_cases;
mod truth;
mod weather;
mod witness;
mod world;

use world::{CrashAt, Extent, Run, World};

/// Seeds of the fixed set.
const SEEDS: u64 = 200;

fn simulate_in(extent: Extent, seed: u64, crashes: &[CrashAt]) -> Run {
    let run = World::of(seed, extent).live(crashes);
    if let Err(what) = &run.verdict {
        if std::env::var_os("ORDERGATE_SEED").is_some() {
            println!("{}", run.trace());
        }
        panic!(
            "seed {seed}: {what}\nrepeat it: {} cargo test --test simulation one_seed -- --nocapture",
            named(extent, seed, &run.crashes)
        );
    }
    run
}

/// What repeats a run, as the environment says it.
fn named(extent: Extent, seed: u64, crashes: &[CrashAt]) -> String {
    let crashes: Vec<String> = crashes.iter().map(CrashAt::to_string).collect();
    let crash = if crashes.is_empty() { String::new() } else { format!(" ORDERGATE_CRASH={}", crashes.join(",")) };
    let extent = if extent == Extent::Whole { String::new() } else { format!(" {}={extent}", Extent::NAME) };
    format!("ORDERGATE_SEED={seed}{crash}{extent}")
}

/// Seeds that found something, the world in which they did, and what that was. They are run like the fixed set, for ever.
const FOUND: &[(u64, Extent, &str)] = &[
    (1_718, Extent::Alone, "a target waited all day for an exit that an earlier signal rested at a limit the market never reached"),
    (2_822, Extent::Alone, "two legs in one instrument whose plan let them go one after the other were not taken for a contradiction"),
    (
        3_383,
        Extent::Crowded,
        "somebody's order beside a part of a tag was taken for an order of ours with its terms that the broker had refused",
    ),
    (7_094, Extent::Crowded, "a holding was reduced by positions that the world kept old for longer than it had told the engine"),
    (20_958, Extent::Alone, "a mock exit in a basket that exits before it enters waited for the end of all exits, its own among them"),
    (103_151, Extent::Whole, "a target whose exit found its position closed elsewhere fired again every three seconds, all day"),
    (20_004_536, Extent::Whole, "a target waited for an exit at its cost cap, and the world had nobody who lets that go on"),
    (60_006_821, Extent::Whole, "a holding was given up by two reads of the positions between which an order of ours had filled"),
    (60_004_142, Extent::Whole, "a stop that fired right after an exit of ours closed again what somebody had closed before both"),
    (
        63_005_270,
        Extent::Whole,
        "an exit of the engine was for what somebody had closed of a fill that was recorded after the positions were asked for",
    ),
    (61_000_052, Extent::Tight, "the answer to a second change of an order was taken for the answer to the first, by the witness"),
    (64_004_806, Extent::Whole, "a target of a signal waited all day for the limit of a rule's target"),
    (64_005_423, Extent::Whole, "after a step back of the clock over a restart a fired rule waited until the clock had caught up"),
    (
        67_000_182,
        Extent::Crowded,
        "an exit of the engine was for an entry of long before the positions, which somebody had closed as a whole",
    ),
    (
        66_001_315,
        Extent::Tight,
        "after a step back of the clock over a restart the stop that is to rest at the broker was taken for a stale signal",
    ),
    (
        90_000_554,
        Extent::Whole,
        "after a step back of the clock over a restart an exit that never left waited until the clock had caught up",
    ),
    (90_002_035, Extent::Whole, "an order of before a step back of the clock was taken for one of the position after it, by the check"),
];

/// The fixed set, and what has found something.
fn all() -> impl Iterator<Item = (u64, Extent)> {
    (1..=SEEDS).map(|seed| (seed, Extent::Whole)).chain(FOUND.iter().map(|(seed, extent, _)| (*seed, *extent)))
}

fn add(one: [u64; 3], other: [u64; 3]) -> [u64; 3] {
    std::array::from_fn(|index| one[index] + other[index])
}

/// Runs, orders at the broker and crashes of one seed.
fn whatever_fails((seed, extent): (u64, Extent)) -> [u64; 3] {
    let run = |crashes: &[CrashAt]| simulate_in(extent, seed, crashes);
    let calm = run(&[]);
    let once = crash::points(seed, calm.commits).into_iter().map(|crash| run(&[crash]));
    let twice = crash::pairs(seed, calm.commits).into_iter().map(|crashes| run(&crashes));
    let crashed = once.chain(twice).map(|run| run.starts - 1);
    crashed.fold([1, calm.sent, 0], |[runs, sent, crashes], crash| [runs + 1, sent, crashes + crash])
}

/// Without a crash every seed settles with the books equal; then it is run once for each of its commits, killed after
/// that commit with the acknowledgement lost, and killed before some of them; and some runs are killed twice.
#[test]
fn no_order_is_lost_or_doubled_whatever_fails_and_whenever_it_crashes() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // A seed is a run of its own: which core it has changes nothing.
    let of = |first: usize| all().skip(first).step_by(cores).map(whatever_fails).fold([0; 3], add);
    let [runs, sent, crashes] = std::thread::scope(|scope| {
        let shares: Vec<_> = (0..cores).map(|first| scope.spawn(move || of(first))).collect();
        shares.into_iter().map(|share| share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).fold([0; 3], add)
    });
    println!("{runs} runs of {SEEDS} seeds, {crashes} crashes, {sent} orders at the broker: lost 0, doubled 0, unresolved 0");
    assert!(sent > SEEDS, "a simulation in which hardly anything is sent proves nothing");
    assert!(crashes > SEEDS);
}

/// The seed and the crash named by the environment; a plain seed without them.
#[test]
fn one_seed() {
    let seed = std::env::var("ORDERGATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let crashes = std::env::var("ORDERGATE_CRASH").map_or_else(|_| Vec::new(), |text| world::crashes_named(&text).unwrap());
    let run = simulate_in(Extent::asked_for(), seed, &crashes);
    println!("seed {seed}: {} commits, {} starts, {} orders at the broker", run.commits, run.starts, run.sent);
    match std::env::var_os(many::TRACE_FILE) {
        Some(path) => std::fs::write(path, run.trace()).unwrap(),
        None if std::env::var_os("ORDERGATE_SEED").is_some() => println!("{}", run.trace()),
        None => {}
    }
}

/// The same seed is the same run, to the byte. (In two processes: `many.rs`.)
#[test]
fn the_same_seed_leaves_the_same_trace() {
    for (seed, extent) in [(3, Extent::Whole), (41, Extent::Whole), (97, Extent::Whole), (11, Extent::Tight), (30, Extent::Tight)] {
        for crashes in [&[][..], &[CrashAt { commit: 5, is_acknowledgement_lost: true }]] {
            let (one, other) = (simulate_in(extent, seed, crashes), simulate_in(extent, seed, crashes));
            assert!(!one.trace().is_empty());
            assert_eq!(one.trace(), other.trace(), "seed {seed} ran differently the second time");
        }
    }
}
