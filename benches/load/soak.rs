//! The same load for long: neither times nor what the process holds may grow with it.

use std::time::{Duration, Instant};

use super::open_loop::{Load, Told};
use super::server::Server;
use super::stages::{Stages, Times};
use super::stats::{at, count, verdict};
use super::usage::Usage;
use super::{STRATEGIES, few, words};

/// One half of it.
#[derive(Debug, Default)]
struct Half {
    told: Told,
    times: Times,
    end: Option<Usage>,
}

/// So many minutes, at least two, at that rate: each minute is printed, and the second half is held against the first.
pub(crate) fn run(minutes: u32, rate: u32) {
    assert!(minutes >= 2, "a soak has two halves of at least a minute: --minutes 2");
    let server = Server::start();
    let (load, mut stages) = (Load::of(server.address(), STRATEGIES[1]), Stages::default());
    let (began, mut halves) = (Instant::now(), [Half::default(), Half::default()]);
    let start = Usage::of(server.process(), &server.data());
    for minute in 1..=minutes {
        let told = load.run(rate, Duration::from_secs(60), few(rate));
        let (usage, times) = (Usage::of(server.process(), &server.data()), stages.read(&server.data()));
        let half = &mut halves[usize::from(minute > minutes / 2)];
        println!("{minute:>4} min: {} accepted, {}; {usage}", told.accepted.len(), words(&told));
        println!("          {times}");
        half.told.add(told);
        half.times.add(times);
        half.end = Some(usage);
    }
    let drained = server.drain();
    let [first, second] = &halves;
    let (Some(middle), Some(end)) = (first.end, second.end) else { return };
    let all = |of: fn(&Told) -> usize| count(of(&first.told) + of(&second.told));
    println!(
        "\n{} accepted in {} s; drained {} ms later\n",
        all(|told| told.accepted.len()),
        began.elapsed().as_secs(),
        drained.as_millis()
    );
    verdict("accepted a second against the rate", all(|told| told.accepted.len()) / f64::from(minutes * 60 * rate), ">=", 0.999);
    verdict("answered 429, or without an answer", all(|told| told.refused + told.failed), "<=", 0.0);
    let (before, after) = (at(&first.told.times(), 99.0), at(&second.told.times(), 99.0));
    verdict("p99 to 202, second half against the first", after / before, "<=", 1.5);
    for ((name, before), (_, after)) in first.times.slowest().zip(second.times.slowest()) {
        verdict(&format!("p99 {name}, second half against the first"), after / before, "<=", 1.5);
    }
    verdict("resident memory, the end against the middle", end.resident_mb / middle.resident_mb, "<=", 1.2);
    verdict("open files, the end against the middle", count(end.files), "<=", count(middle.files + 4));
    let grown = |from: Usage, to: Usage, told: &Told| (to.disk_mb() - from.disk_mb()) * 1024.0 / count(told.accepted.len());
    let (before, after) = (grown(start, middle, &first.told), grown(middle, end, &second.told));
    println!("journal: {before:.2} KB an order in the first half, {after:.2} KB in the second");
    verdict("journal growth an order, second half against the first", after / before, "<=", 1.2);
    verdict("write-ahead log, MB", end.log_mb, "<=", 64.0);
}
