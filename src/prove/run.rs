//! One run: to its step, killed there, started again, at rest, and compared.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::books::{self, Findings};
use super::child::Children;
use super::engine::{Alert, Engine, LOOK, Own};
use super::house::{House, Place};
use super::venue::{Truth, Venue};
use super::wire::{Trouble, Wire};
use super::{Row, act};
use crate::drill::Step;

/// How long a run may take in all.
const LONGEST: Duration = Duration::from_secs(300);
/// How long the last process may take to come to rest.
const REST: Duration = Duration::from_secs(45);
/// It is at rest when nothing was wrong for so long: longer than any answer of the broker that is still under way.
const STILL: Duration = Duration::from_millis(600);

/// What one run came to.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) kills: u32,
    recovery: Option<Duration>,
    findings: Findings,
    fault: Option<String>,
}

impl Told {
    /// Adds it to the row of its step.
    pub(super) fn add_to(self, row: &mut Row) {
        let count = |found: &[String]| u32::try_from(found.len()).unwrap_or(u32::MAX);
        row.runs += 1;
        row.kills += self.kills;
        row.lost += count(&self.findings.lost);
        row.doubled += count(&self.findings.doubled);
        row.unresolved += count(&self.findings.unresolved);
        row.recovery.extend(self.recovery);
        row.faults.extend(self.fault);
    }

    fn is_clean(&self) -> bool {
        self.findings.is_clean() && self.fault.is_none()
    }
}

/// What a run is made of.
pub(super) struct Stage<'a> {
    place: &'a Place,
    children: &'a Children,
    house: &'a House,
    settings: PathBuf,
    pub(super) venue: Venue,
    /// The way to the broker, where there is one.
    pub(super) wire: Option<Wire>,
    pub(super) alerts: Vec<Alert>,
    pub(super) kills: u32,
}

impl Stage<'_> {
    /// Starts the engine, to be stopped at that step.
    pub(super) fn start(&self, stop_at: Option<Step>) -> anyhow::Result<Engine> {
        Engine::start(self.place, self.children, self.house, &self.settings, stop_at)
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self, engine: Engine) {
        self.kills += 1;
        engine.process.kill();
    }

    /// Sends an alert and waits until it is answered.
    pub(super) async fn deliver(&mut self, engine: &Engine, mut alert: Alert) -> anyhow::Result<()> {
        alert.answered = Some(engine.deliver(&alert).await?);
        self.alerts.push(alert);
        Ok(())
    }

    /// Who got no answer sends again, under the same key.
    pub(super) async fn deliver_the_rest(&mut self, engine: &Engine) -> anyhow::Result<()> {
        for alert in self.alerts.iter_mut().filter(|alert| alert.answered.is_none()) {
            alert.answered = Some(engine.deliver(alert).await?);
        }
        Ok(())
    }

    /// Neither the broker nor the way to it has anything wrong any more.
    pub(super) async fn heal(&self) -> anyhow::Result<()> {
        self.wire.iter().for_each(|wire| wire.set(Trouble::None));
        self.venue.heal().await
    }

    /// Whoever was answered sends once more: what was one alert before the kill is one after it.
    async fn repeat_all(&mut self, engine: &Engine) -> anyhow::Result<()> {
        for alert in &mut self.alerts {
            alert.repeated.push(engine.deliver(alert).await?);
        }
        Ok(())
    }

    async fn look(&self, engine: &Engine) -> anyhow::Result<Seen> {
        let (orders, shown) = engine.books().await?;
        let (nets, bare) = engine.positions().await?;
        let truth = self.venue.truth().await?.unwrap_or_else(|| Truth { orders: shown, ..Truth::default() });
        Ok(Seen { own: Own { orders, nets }, bare, truth })
    }
}

/// Both sides, looked at once.
struct Seen {
    own: Own,
    /// The strategies that hold something without an exit rule.
    bare: Vec<String>,
    truth: Truth,
}

/// Kills the engine at that step.
pub(super) async fn at_step(place: &Place, children: &Children, step: Step, run: u32) -> Told {
    let way = async |stage: &mut Stage<'_>| act::reach(stage, step, run).await.with_context(|| format!("on the way to step {step}"));
    let goal = async |stage: &mut Stage<'_>, engine: &Engine| act::go_on(stage, engine, step).await;
    whole(place, children, u64::from(run) + 1, way, goal, |own, truth| act::missing(step, own, &truth.orders)).await
}

/// A run from its first to its last moment. `way` brings it to its kills, `goal` goes on with the last process, `missing` says
/// what the broker's book must have beside agreeing.
pub(super) async fn whole(
    place: &Place,
    children: &Children,
    seed: u64,
    way: impl AsyncFn(&mut Stage<'_>) -> anyhow::Result<()>,
    goal: impl AsyncFn(&mut Stage<'_>, &Engine) -> anyhow::Result<()>,
    missing: impl Fn(&Own, &Truth) -> Option<String>,
) -> Told {
    let mut told = Told::default();
    let house = match place.house() {
        Ok(house) => house,
        Err(error) => return Told { fault: Some(format!("{error:#}")), ..told },
    };
    let running = async {
        let venue = Venue::open(place, children, &house, seed).await?;
        let wire = match venue.address().await? {
            Some(broker) => Some(Wire::open(broker).await?),
            None => None,
        };
        let settings = house.settle(place, wire.as_ref().map(|wire| wire.address))?;
        let mut stage = Stage { place, children, house: &house, settings, venue, wire, alerts: Vec::new(), kills: 0 };
        way(&mut stage).await?;
        told.kills = stage.kills;
        stage.heal().await?;
        let engine = stage.start(None)?;
        stage.deliver_the_rest(&engine).await?;
        goal(&mut stage, &engine).await?;
        stage.repeat_all(&engine).await?;
        let (recovery, findings) = rest(&stage, &engine, &missing).await?;
        engine.process.kill();
        told.findings = findings;
        if told.findings.is_clean() {
            told.recovery = Some(recovery);
        }
        let wrong = books::on_disk(&house.data)?;
        if !wrong.is_empty() {
            anyhow::bail!("on disk: {}", wrong.join("; "));
        }
        let truth = stage.venue.last_truth().await?;
        let own = Own::on_disk(&house.data)?;
        let mut last = books::compare(&own, &truth, &stage.alerts);
        last.unresolved.extend(books::fills_on_disk(&house.data, &truth)?);
        last.unresolved.extend(missing(&own, &truth));
        told.findings.add(last);
        Ok(())
    };
    let ended =
        tokio::time::timeout(LONGEST, running).await.unwrap_or_else(|_| Err(anyhow::anyhow!("not done within {} s", LONGEST.as_secs())));
    told.fault = ended.err().map(|error| format!("{error:#}"));
    if told.is_clean() {
        house.clear();
    } else {
        let Findings { lost, doubled, unresolved } = &told.findings;
        let words: Vec<&str> = told.fault.iter().chain(lost).chain(doubled).chain(unresolved).map(String::as_str).collect();
        told.fault = Some(format!("{} (its files: {})", words.join("; "), house.directory.display()));
    }
    told
}

/// Waits until the books agree and stay so; how long it took from the start of the process, and what did not agree at the end.
async fn rest(
    stage: &Stage<'_>,
    engine: &Engine,
    missing: impl Fn(&Own, &Truth) -> Option<String>,
) -> anyhow::Result<(Duration, Findings)> {
    let deadline = Instant::now() + REST;
    let mut clean_since: Option<Instant> = None;
    loop {
        let seen = if engine.is_open().await { stage.look(engine).await.ok() } else { None };
        let found = seen.map(|seen| {
            let mut found = books::compare(&seen.own, &seen.truth, &stage.alerts);
            found.unresolved.extend(missing(&seen.own, &seen.truth));
            let bare = |strategy: &String| stage.alerts.iter().any(|alert| alert.strategy() == *strategy && alert.has_stop());
            let bare = seen.bare.iter().filter(|strategy| bare(strategy));
            found.unresolved.extend(bare.map(|strategy| format!("{strategy} holds something, and its stop is not there")));
            found
        });
        match found {
            Some(found) if found.is_clean() => {
                let since = *clean_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= STILL {
                    return Ok((since.duration_since(engine.process.started), found));
                }
            }
            found => {
                clean_since = None;
                if Instant::now() > deadline {
                    let open = || anyhow::anyhow!("the engine did not open within {} s", REST.as_secs());
                    return found.map(|found| (engine.process.started.elapsed(), found)).ok_or_else(open);
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
