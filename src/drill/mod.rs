//! Drills: the process stops at a numbered step of the line and waits to be killed there, so that a restart from exactly
//! that step can be looked at (`ordergate prove`). Only with a paper or a simulated broker.
//!
//! A kill can only be told apart by what is on disk and what the broker has got. Both change at the ports, and so the steps
//! stand around the two ports of the engine: before and after a commit with a certain row, before, during and after a call.
//! Without a drill there is nothing around them: the engine has the store and the broker themselves.

mod broker;
mod step;
mod store;

use std::io::Write as _;
use std::sync::Arc;

use ordergate_actors::AccountSettings;
use ordergate_actors::ports::{Broker, Store};

pub use step::{Act, Step};

use crate::store::WatchedStore;
use broker::DrilledBroker;
use store::Commits;

/// What a process says on its standard output when it has stopped; the number and the name of the step follow.
pub const STOPPED: &str = "drill: stopped at step";

/// A process that stops at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drill {
    step: Step,
}

impl Drill {
    /// A drill that stops the process at that step, the first time that it comes there.
    #[must_use]
    pub fn new(step: Step) -> Self {
        Self { step }
    }

    /// Whether it stops there.
    #[must_use]
    pub fn is_at(self, step: Step) -> bool {
        self.step == step
    }

    /// The line is at this step. Does not return if it is the one: this thread then waits for the signal that ends the process.
    pub fn reach(self, step: Step) {
        if self.is_at(step) {
            stop(step);
        }
    }
}

fn stop(step: Step) -> ! {
    {
        let mut out = std::io::stdout().lock();
        // Who does not listen any more cannot be told.
        let _ = writeln!(out, "{STOPPED} {} {step}; waiting for the signal", step.number());
        let _ = out.flush();
    }
    loop {
        std::thread::park();
    }
}

/// The store, with the steps of its commits if there is a drill.
#[must_use]
pub fn store(store: impl Store + 'static, drill: Option<Drill>) -> Box<dyn Store> {
    match drill {
        None => Box::new(store),
        Some(drill) => Box::new(WatchedStore::new(store, Commits::of(drill))),
    }
}

/// The accounts, with the steps of their calls if there is a drill.
#[must_use]
pub fn accounts(accounts: Vec<(AccountSettings, Arc<dyn Broker>)>, drill: Option<Drill>) -> Vec<(AccountSettings, Arc<dyn Broker>)> {
    let Some(drill) = drill else { return accounts };
    accounts.into_iter().map(|(settings, broker)| (settings, Arc::new(DrilledBroker::new(broker, drill)) as Arc<dyn Broker>)).collect()
}
