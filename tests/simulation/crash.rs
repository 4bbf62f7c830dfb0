//! Where to crash.

use super::script::hash;
use super::world::CrashAt;

/// Seeds that are also crashed before every commit.
const BOTH_SIDES: u64 = 20;
/// Crashes before a commit of every other seed.
const DRAWN: u64 = 2;

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
