//! Where to crash: once, or again while what the first crash left is being put right.

use super::script::hash;
use super::world::CrashAt;

/// Seeds that are also crashed before every commit.
const BOTH_SIDES: u64 = 20;
/// Crashes before a commit of every other seed.
const DRAWN: u64 = 2;
/// Runs of every seed that crash twice.
const TWICE: u64 = 3;
/// The second crash comes within so many commits of the first: those of the recovery are among them.
const SOON: u64 = 20;

/// The crashes that a seed is run with: the process killed after every single commit, its acknowledgement lost; and
/// killed before commits, every one for the first seeds, a few for the others.
pub(crate) fn points(seed: u64, commits: u64) -> Vec<CrashAt> {
    if commits == 0 {
        return Vec::new();
    }
    let after = (1..=commits).map(|commit| CrashAt { commit, is_acknowledgement_lost: true });
    let before: Vec<u64> =
        if seed <= BOTH_SIDES { (1..=commits).collect() } else { (0..DRAWN).map(|draw| 1 + hash(seed, 1_000 + draw) % commits).collect() };
    after.chain(before.into_iter().map(|commit| CrashAt { commit, is_acknowledgement_lost: false })).collect()
}

/// The runs of a seed that crash twice.
pub(crate) fn pairs(seed: u64, commits: u64) -> Vec<[CrashAt; 2]> {
    if commits == 0 { Vec::new() } else { (0..TWICE).map(|nth| pair(seed, nth, commits)).collect() }
}

/// One crash at any commit, and one more soon after: a step of the recovery crashes too, and is repeated.
pub(crate) fn pair(seed: u64, nth: u64, commits: u64) -> [CrashAt; 2] {
    let drawn = |index: u64| hash(seed, 2_000 + nth * 10 + index);
    let first = 1 + drawn(0) % commits;
    let at = |commit, index| CrashAt { commit, is_acknowledgement_lost: drawn(index).is_multiple_of(2) };
    [at(first, 1), at(first + 1 + drawn(2) % SOON, 3)]
}
