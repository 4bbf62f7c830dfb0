//! What came to the script last, drawn from numbers of its own: alerts for a second account of the same engine, under keys that
//! alerts of the first one have too, and a gateway that stands between the engine and the broker's books.

use std::time::Duration;

use ordergate_actors::persistence::KillLevel;

use super::beside::Beside;
use super::script::{self, Act, Alert, Draw, Step};
use super::world::{Extent, Has};

/// The script with all of it.
pub(crate) fn among(seed: u64, mut steps: Vec<Step>) -> Vec<Step> {
    let mut draw = Draw::new(seed ^ 0xd00b_e115);
    if Has::of(seed, Extent::Whole).neighbour {
        for _ in 0..1 + draw.below(3) {
            let keys: Vec<String> = steps.iter().filter_map(|step| key_of(&step.act)).collect();
            let Some(key) = keys.get(usize::try_from(draw.below(keys.len().max(1) as u64)).unwrap()).cloned() else { continue };
            let alert = Alert { is_next_door: true, ..Alert::of(key, script::legs(&mut draw)) };
            insert(&mut draw, &mut steps, u64::MAX, Act::Alert(alert));
        }
    }
    if draw.below(2) == 0 {
        // What was asked for first is looked for in no other book than these.
        for most in [3, u64::MAX].into_iter().take(1 + usize::from(draw.below(3) == 0)) {
            let time = Duration::from_millis(3_000 + draw.below(40_000));
            insert(&mut draw, &mut steps, most, Act::Beside(Beside::GatewayFails(time)));
        }
    }
    steps
}

/// The script with people who act on the second account too.
pub(crate) fn acted_on(seed: u64, mut steps: Vec<Step>) -> Vec<Step> {
    let mut draw = Draw::new(seed ^ 0xac7_ed0);
    if !Has::of(seed, Extent::Whole).neighbour {
        return steps;
    }
    for _ in 0..draw.below(4) {
        let level = |draw: &mut Draw| KillLevel::try_from(u8::try_from(draw.below(4)).unwrap()).unwrap();
        let act = match draw.below(6) {
            0..=1 => Act::Cancel,
            2 => Act::Kill(level(&mut draw)),
            3 => Act::KillStrategy(draw.below(3), level(&mut draw)),
            4 => Act::Change(100),
            _ => Act::Override(1 + draw.below(30)),
        };
        insert(&mut draw, &mut steps, u64::MAX, Act::NextDoor(Box::new(act)));
    }
    steps
}

fn key_of(act: &Act) -> Option<String> {
    match act {
        Act::Alert(alert) if !alert.is_next_door => Some(alert.key.clone()),
        _ => None,
    }
}

/// Puts it among the first so many steps.
fn insert(draw: &mut Draw, steps: &mut Vec<Step>, most: u64, act: Act) {
    let place = usize::try_from(draw.below(1 + most.min(steps.len() as u64))).unwrap();
    steps.insert(place, Step { after_ms: draw.below(800), act });
}

/// A world in which none of it happens would prove nothing; one in which all of it always happens hides what it disturbs.
#[test]
fn each_thing_happens_in_many_seeds_and_some_seeds_have_none() {
    let (mut seen, mut bare) = ([0; 3], 0);
    for seed in 1..=super::SEEDS {
        let has = Has::of(seed, Extent::Whole);
        let before = script::write(seed);
        let steps = among(seed, before.clone());
        assert_eq!(format!("{:?}", among(seed, before.clone())), format!("{steps:?}"), "the same seed draws the same");
        let is_next_door = |step: &&Step| matches!(&step.act, Act::Alert(alert) if alert.is_next_door);
        let fails = |step: &&Step| matches!(step.act, Act::Beside(Beside::GatewayFails(_)));
        seen[0] += usize::from(steps.iter().any(|step| is_next_door(&step)));
        seen[1] += usize::from(steps.iter().any(|step| fails(&step)));
        seen[2] += usize::from(has.thin_market);
        bare += usize::from(steps.len() == before.len() && !has.thin_market);
        assert_eq!(Has::of(seed, Extent::Crowded), Has::default());
    }
    assert!(seen.iter().all(|count| *count >= 20) && (20..140).contains(&bare), "{seen:?}, {bare} with none");
}
