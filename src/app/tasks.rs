//! What runs beside the engine for as long as the process does. A task that panics begins again, and people hear of it: nothing else
//! would, because nobody waits for its end.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::task::JoinHandle;
use futures_util::FutureExt as _;
use ordergate_actors::Line;
use ordergate_actors::persistence::Level;
use ordergate_actors::supervision::panic_words;

/// The pause before a task begins again; it doubles.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The tasks of a run. They end with it: whoever drops it aborts them all.
pub(super) struct Tasks {
    line: Arc<Line>,
    handles: Vec<JoinHandle<()>>,
}

impl Tasks {
    /// None so far; people hear of a fault on this line.
    pub(super) fn of(line: &Arc<Line>) -> Self {
        Self { line: Arc::clone(line), handles: Vec::new() }
    }

    /// Runs what `make` makes until it ends by itself or the run does; after a panic once more.
    pub(super) fn keep<F>(&mut self, name: &'static str, make: impl FnMut() -> F + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        let line = Arc::clone(&self.line);
        let tell = move |text: String| line.alarm(None, "ALARM_TASK_FAULT", Level::Warn, None, text);
        self.handles.push(actix_web::rt::spawn(again_and_again(name, make, tell, FIRST)));
    }

    /// Runs something that cannot begin again: after a panic it stays off, and people hear of it.
    pub(super) fn once(&mut self, name: &'static str, future: impl Future<Output = ()> + 'static) {
        let line = Arc::clone(&self.line);
        self.handles.push(actix_web::rt::spawn(async move {
            if let Err(panic) = AssertUnwindSafe(future).catch_unwind().await {
                let text = format!("{name} stopped at a fault ({}) and is off until the next start", panic_words(&*panic));
                line.alarm(None, "ALARM_TASK_FAULT", Level::Warn, None, text);
            }
        }));
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.handles.iter().for_each(JoinHandle::abort);
    }
}

async fn again_and_again<F: Future<Output = ()>>(name: &'static str, mut make: impl FnMut() -> F, tell: impl Fn(String), first: Duration) {
    let mut pause = first;
    while let Err(panic) = AssertUnwindSafe(make()).catch_unwind().await {
        tell(format!("{name} stopped at a fault ({}) and begins again in {} s", panic_words(&*panic), pause.as_secs()));
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_begins_again_and_is_told_and_one_that_ends_is_not() {
        let (runs, told) = (Cell::new(0), RefCell::new(Vec::new()));
        let make = || {
            runs.set(runs.get() + 1);
            let run = runs.get();
            async move { assert!(run > 2, "run {run}") }
        };
        again_and_again("the refresh of the masters", make, |text| told.borrow_mut().push(text), FIRST).await;
        assert_eq!(runs.get(), 3);
        assert_eq!(
            *told.borrow(),
            [
                "the refresh of the masters stopped at a fault (run 1) and begins again in 1 s",
                "the refresh of the masters stopped at a fault (run 2) and begins again in 2 s"
            ]
        );
    }
}
