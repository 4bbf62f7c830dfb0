//! The end of the process in production: said once, flushed as well as can be, then gone.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use ordergate_actors::supervision::Halt;
use parking_lot::Mutex;

type Flush = Box<dyn FnOnce() + Send>;
type Exit = Box<dyn Fn(i32) + Send + Sync>;

/// Ends the process. The first call counts; later ones return and change nothing.
pub struct ProcessHalt {
    is_halted: AtomicBool,
    flush: Mutex<Option<Flush>>,
    exit: Exit,
}

impl fmt::Debug for ProcessHalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessHalt").field("is_halted", &self.is_halted).finish_non_exhaustive()
    }
}

impl Default for ProcessHalt {
    fn default() -> Self {
        Self::new()
    }
}

impl ProcessHalt {
    /// Ends this process.
    #[must_use]
    pub fn new() -> Self {
        Self::with_exit(Box::new(|code| std::process::exit(code)))
    }

    fn with_exit(exit: Exit) -> Self {
        Self { is_halted: AtomicBool::new(false), flush: Mutex::new(None), exit }
    }

    /// What to do before the end (drop the log's guards, so that its last lines are written). Replaces an earlier one.
    pub fn flush_with(&self, flush: impl FnOnce() + Send + 'static) {
        *self.flush.lock() = Some(Box::new(flush));
    }
}

impl Halt for ProcessHalt {
    fn halt(&self, code: i32, cause: &str) {
        if self.is_halted.swap(true, Ordering::SeqCst) {
            return;
        }
        tracing::error!(event = "engine_halted", exit_code = code, "the process ends: {cause}");
        // The log may be what is broken.
        eprintln!("ordergate: the process ends with code {code}: {cause}");
        let flush = self.flush.lock().take();
        if let Some(flush) = flush {
            // A panic in here must not keep the process alive.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(flush));
        }
        (self.exit)(code);
    }

    fn is_halted(&self) -> bool {
        self.is_halted.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_first_halt_counts_and_flushes_once_even_if_that_panics() {
        let codes = Arc::new(Mutex::new(Vec::new()));
        let halt = ProcessHalt::with_exit({
            let codes = Arc::clone(&codes);
            Box::new(move |code| codes.lock().push(code))
        });
        halt.flush_with(|| panic!("the disk is gone"));
        assert!(!halt.is_halted());
        halt.halt(70, "a fault");
        halt.halt(78, "another");
        assert!(halt.is_halted());
        assert_eq!(*codes.lock(), [70]);
    }
}
