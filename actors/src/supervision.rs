//! What happens when an actor panics, and when the process must not go on.
//!
//! actix's supervisor restarts a stopped context but catches no panic. So every handler runs its core under
//! [`guarded`]: a panic drops the core, marks the order at hand suspect, spends the restart budget and stops the
//! context; the supervisor calls `started()`, the only place where a core is made.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, Context, Supervised};
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::line::Line;
use crate::order::{ClientId, CommandId};

/// Exit code of a fault: whoever started us starts us again, into recovery.
pub const EXIT_FAULT: i32 = 70;
/// Exit code of a refusal to start: starting again changes nothing.
pub const EXIT_REFUSED: i32 = 78;

/// Ends the process. Called at most a few times; the first one counts. In a simulation it ends the simulated process.
pub trait Halt: Send + Sync + std::fmt::Debug + 'static {
    /// Ends the process with this exit code.
    fn halt(&self, code: i32, cause: &str);
    /// Whether it is ending: nothing is sent any more.
    fn is_halted(&self) -> bool;
}

/// How many restarts are borne before the process gives up and lets recovery start anew.
#[derive(Debug)]
pub struct RestartBudget {
    restarts: Mutex<VecDeque<Instant>>,
    most: usize,
    window: Duration,
    total: Mutex<u64>,
}

impl RestartBudget {
    /// `most` restarts within `window`, over all actors.
    #[must_use]
    pub fn new(most: usize, window: Duration) -> Self {
        Self { restarts: Mutex::new(VecDeque::new()), most, window, total: Mutex::new(0) }
    }

    /// Spends one; answers how long to wait before the restart, or `None` when the budget is used up.
    pub fn spend(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut restarts = self.restarts.lock();
        while restarts.front().is_some_and(|at| now.duration_since(*at) > self.window) {
            restarts.pop_front();
        }
        *self.total.lock() += 1;
        if restarts.len() >= self.most {
            return None;
        }
        restarts.push_back(now);
        let doublings = u32::try_from(restarts.len()).unwrap_or(u32::MAX).saturating_sub(1).min(6);
        Some(Duration::from_millis(10).saturating_mul(1 << doublings))
    }

    /// Restarts since the process started.
    #[must_use]
    pub fn total(&self) -> u64 {
        *self.total.lock()
    }
}

thread_local! {
    static CURRENT: Cell<&'static str> = const { Cell::new("") };
    static AT_HAND: RefCell<Option<(ClientId, CommandId)>> = const { RefCell::new(None) };
}

/// Names the order that a core is about to judge: the suspect, should it panic.
pub fn at_hand(client_id: &ClientId, command_id: CommandId) {
    AT_HAND.replace(Some((client_id.clone(), command_id)));
}

/// The actor whose handler runs on this thread now; empty outside of one. For log lines and for tests.
#[must_use]
pub fn current_actor() -> &'static str {
    CURRENT.get()
}

/// An actor whose handlers run under [`guarded`].
pub trait Shell: Actor<Context = Context<Self>> + Supervised {
    /// The actor's name.
    const NAME: &'static str;
    /// What all actors share.
    fn line(&self) -> &Arc<Line>;
    /// Throws the core away; `started()` makes a new one.
    fn drop_core(&mut self);
    /// Its account; `None` for the actors of the process.
    fn client_id(&self) -> Option<&ClientId> {
        None
    }
}

/// Runs a handler's core. It is given the time, read once. A panic inside restarts the actor and returns `None`.
pub fn guarded<A: Shell, R>(
    actor: &mut A,
    ctx: &mut Context<A>,
    core: impl FnOnce(&mut A, &mut Context<A>, DateTime<Utc>) -> R,
) -> Option<R> {
    if actor.line().halt.is_halted() {
        return None;
    }
    let outer = CURRENT.replace(A::NAME);
    AT_HAND.replace(None);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let now = actor.line().clock.now();
        core(actor, ctx, now)
    }));
    CURRENT.set(outer);
    let suspect = AT_HAND.replace(None);
    match result {
        Ok(value) => Some(value),
        Err(panic) => {
            let words = panic_words(&*panic);
            tracing::error!(actor = A::NAME, panic = %words, command_id = ?suspect.as_ref().map(|(_, id)| id), "an actor panicked; it is restarted with a fresh core");
            metrics::counter!("ordergate_actor_restarts_total", "actor" => A::NAME).increment(1);
            actor.drop_core();
            actor.line().note_fault(A::NAME, &words, suspect);
            ctx.stop();
            None
        }
    }
}

/// What a panic said.
#[must_use]
pub fn panic_words(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_budget_backs_off_then_gives_up_then_recovers() {
        let budget = RestartBudget::new(5, Duration::from_secs(60));
        let waits: Vec<_> = (0..5).map(|_| budget.spend().unwrap().as_millis()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160]);
        assert_eq!(budget.spend(), None);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(budget.spend().is_some());
        assert_eq!(budget.total(), 7);
    }
}
