//! One process of the engine in its world.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate::brokers::faulty::{FaultPlan, FaultyBroker};
use ordergate::instruments::InstrumentTable;
use ordergate::simulator::market::MarketQuotes;
use ordergate_actors::persistence::{Book, NotRegistered};
use ordergate_actors::ports::{Broker, Budget, Clock, StoreError};
use ordergate_actors::steady::SteadyClock;
use ordergate_actors::supervision::Halt;
use ordergate_actors::testkit::{CountedIds, NotedHalt, TokioClock};
use ordergate_actors::{AccountSettings, Desk, Engine, Parts, WriteOn};

use super::faults::{harsh, plan};
use super::settling::{classified, settle};
use super::{CrashAt, Extent, VISIBILITY, World, client, key_of, neighbour, settings};
use crate::beside::Beside;
use crate::checks;
use crate::disk::FailingStore;
use crate::script::{Act, Draw, Step};
use crate::witness::Witness;

impl World {
    /// One process, until the script is through and everything has settled, or until it is killed.
    pub(super) fn process(&mut self, steps: Vec<Step>, crashes: &[CrashAt]) -> Process {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let runner = actix::System::with_tokio_rt(runtime);
        let ended = runner.block_on(self.run(steps, crashes));
        drop(runner);
        ended
    }

    async fn run(&mut self, mut steps: Vec<Step>, crashes: &[CrashAt]) -> Process {
        let clock = TokioClock::from(self.now);
        // The engine goes by a clock that may jump, and the broker by its own.
        let machine = TokioClock::from(self.now);
        let engine_clock: Arc<dyn Clock> = if self.is_alone() { clock.clone() } else { SteadyClock::over(machine.clone()) };
        self.market.stand_still(None);
        let halt = Arc::new(NotedHalt::default());
        let plan = plan(self.seed, self.starts, self.is_alone());
        let is_harsh = self.extent == Extent::Harsh;
        let plan = if is_harsh { harsh(plan, self.seed, self.starts, self.has.short_quiet) } else { plan };
        let budget = self.has.calls_a_second.map(|calls| Budget::of(calls, calls * 40));
        let account = self.account();
        let witness = Arc::new(
            Witness::new(
                FaultyBroker::new(self.broker(clock.clone()), plan).with_capabilities(|row| {
                    row.visibility_bound = VISIBILITY;
                    row.takes_market_orders &= !self.has.only_limit_orders;
                    row.budget = budget;
                }),
                self.reads.clone(),
                Arc::clone(&self.breaches),
            )
            .of(client(), Arc::clone(&self.calls))
            .within(account.limits.clone())
            .forbidding_entries(self.kills.clone(), clock.clone())
            .among(Arc::clone(&self.others))
            .behind(self.gateway.clone(), self.lies.clone())
            .in_sessions(Arc::clone(&self.calendar), Arc::clone(&self.instruments), Arc::clone(&engine_clock))
            .watching(self.market.clone()),
        );
        // As the engine is told: its positions are no older than its other books.
        witness.broker.set_positions_within(VISIBILITY);
        witness.broker.set_lag(Duration::from_millis(Draw::new(self.seed ^ 0x1a6).below(3_000)));
        let mut accounts: Vec<(AccountSettings, Arc<dyn Broker>)> = vec![(account, witness.clone())];
        let next_door = self.next_door(&clock, &engine_clock);
        accounts.extend(next_door.clone().map(|(account, witness)| (account, witness as Arc<dyn Broker>)));
        let engine = self.start(&engine_clock, &halt, accounts, crashes);
        let ends = |rest: Vec<Step>, end| Process { end, rest, ended_at: clock.now() };
        let engine = match engine {
            Ok(engine) => engine,
            Err(error) => return ends(steps, End::Dies(error.to_string())),
        };
        let (mut waiting, mut taken) = (Vec::new(), Vec::new());
        while !steps.is_empty() && !halt.is_halted() {
            let step = steps.first().cloned().unwrap();
            tokio::time::sleep(Duration::from_millis(step.after_ms)).await;
            if halt.is_halted() {
                break;
            }
            steps.remove(0);
            match &step.act {
                Act::Alert(alert) => {
                    self.signals += 1;
                    let draft = alert.draft(alert.account(), &*engine_clock, self.signals);
                    // An overloaded engine says so, and the sender comes again.
                    match engine.submit_now(draft) {
                        Ok(_gone) if alert.is_reset => taken.extend(key_of(&step.act)),
                        Ok(answer) => waiting.push((step, answer)),
                        Err(_) => steps.insert(0, Step { after_ms: 500, ..step }),
                    }
                }
                Act::Beside(Beside::ClockJumps(by)) => machine.jump(*by),
                Act::Beside(Beside::GatewayFails(time)) => self.gateway.fails(clock.now(), *time),
                Act::Beside(what) => self.others.happen(what, &witness.broker),
                Act::NextDoor(act) => self.operate(&engine, &neighbour(), act, &*engine_clock).await,
                act => self.operate(&engine, &client(), act, &*engine_clock).await,
            }
        }
        // Faults heal; what was asked for must come to its end.
        witness.broker.replan(FaultPlan::none());
        if let Some((_, witness)) = &next_door {
            witness.broker.replan(FaultPlan::none());
        }
        witness.broker.end_session(Duration::ZERO);
        // Its trouble is none of the process, and lasts when that has died.
        if !halt.is_halted() {
            self.gateway.heals();
        }
        self.market.stand_still(Some(clock.now()));
        let next_door = next_door.map(|(_, witness)| witness);
        let rests_at = |desk: &Desk| if desk.client_id == client() { Some(&witness) } else { next_door.as_ref() };
        let stops_rest = |desk: &Desk, book: &Book| {
            let rows = rests_at(desk).map(|witness| witness.broker.inner().exchange().orders()).unwrap_or_default();
            // Before a closing auction the exchange takes none.
            if self.calendar.holds(false) { Ok(()) } else { checks::stops_rest(book, &desk.settings.exits, &rows) }
        };
        let settled = settle(&engine, &halt, &self.others, &witness, &stops_rest);
        let verdict = if halt.is_halted() { Ok(()) } else { settled.await };
        let is_sound = || {
            classified(&engine, engine_clock.now())?;
            self.reads.look(|store| checks::gates_agree(store, &engine, engine_clock.now()))?;
            self.reads.look(|store| checks::day_agrees(store, &engine, engine_clock.now()))?;
            self.reads.look(|store| checks::none_forgotten(store, &taken))?;
            match engine.line().budget.total() {
                0 => Ok(()),
                count => Err(format!("{count} actors panicked")),
            }
        };
        let verdict = if halt.is_halted() { Ok(()) } else { verdict.and_then(|()| is_sound()) };
        // Who got no answer of a process that died sends again under the same key; who got one holds us to it.
        let is_at_rest = !halt.is_halted() && verdict.is_ok();
        for (step, mut answer) in waiting {
            match answer.try_recv() {
                Ok(Ok(answer)) => {
                    if let Some((client, key)) = key_of(&step.act)
                        && let Err(what) = checks::one_answer(&mut self.answers, client, &key, &answer.orders)
                    {
                        self.breaches.lock().push(what);
                    }
                    self.accepted.extend(answer.orders);
                }
                // Nobody here sends two bodies under one key of one account.
                Ok(Err(taken @ NotRegistered::Conflict { .. })) => self.breaches.lock().push(format!("INV-8: {taken}")),
                Ok(Err(closed @ NotRegistered::Closed(_))) if is_at_rest => self.breaches.lock().push(format!("INV-3: {closed}")),
                Ok(Err(NotRegistered::Closed(_))) => {}
                Err(_) if is_at_rest => self.breaches.lock().push(format!("INV-3: {:?} was never answered", key_of(&step.act))),
                Err(_) => steps.insert(0, step),
            }
        }
        self.writes.extend(witness.writes());
        if let Some((code, why)) = halt.halted() {
            return ends(steps, End::Dies(format!("exit code {code}: {why}")));
        }
        self.now = clock.now();
        ends(steps, End::Rests(verdict))
    }

    fn start(
        &self,
        clock: &Arc<dyn Clock>,
        halt: &Arc<NotedHalt>,
        accounts: Vec<(AccountSettings, Arc<dyn Broker>)>,
        crashes: &[CrashAt],
    ) -> Result<Engine, StoreError> {
        let store = FailingStore::dying(&self.disk, clock.now(), Arc::clone(&self.commits), crashes.to_vec());
        let instruments: Arc<InstrumentTable> = Arc::clone(&self.instruments);
        let quotes = Arc::new(MarketQuotes::new(self.market.clone(), instruments.clone(), clock.clone()));
        let world = ordergate_actors::World {
            clock: clock.clone(),
            calendar: Arc::clone(&self.calendar),
            ids: CountedIds::new(self.seed.wrapping_mul(1_000) + self.starts),
            instruments,
            quotes,
            halt: halt.clone(),
        };
        let parts = Parts {
            store: Box::new(store),
            listeners: Vec::new(),
            world,
            settings: settings(),
            accounts,
            write_on: self.has.commit_takes.map_or(WriteOn::Caller, WriteOn::Late),
            unsound: std::collections::BTreeSet::new(),
        };
        Engine::start(parts)
    }
}

/// What became of one process.
pub(super) struct Process {
    pub(super) end: End,
    /// What it has not lived through.
    pub(super) rest: Vec<Step>,
    pub(super) ended_at: DateTime<Utc>,
}

pub(super) enum End {
    /// Everything has settled, and what is in memory is right or not.
    Rests(Result<(), String>),
    /// It ended, or did not start.
    Dies(String),
}
