//! The end of the process in production: said once, flushed as well as can be, then gone.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use ordergate_actors::supervision::Halt;
use parking_lot::Mutex;

type Flush = Box<dyn FnOnce(i32, &str) + Send>;
type Exit = Box<dyn Fn(i32) + Send + Sync>;

/// Ends the process. The first call counts; later ones return and change nothing.
pub struct ProcessHalt {
    is_halted: AtomicBool,
    flush: Mutex<Vec<Flush>>,
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
        Self { is_halted: AtomicBool::new(false), flush: Mutex::new(Vec::new()), exit }
    }

    /// What to do before the end, with its code and cause (send the last page; drop the log's guards, so that its last
    /// lines are written). What was added last is done first. It must end soon.
    pub fn flush_with(&self, flush: impl FnOnce(i32, &str) + Send + 'static) {
        self.flush.lock().push(Box::new(flush));
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
        let flushes = std::mem::take(&mut *self.flush.lock());
        for flush in flushes.into_iter().rev() {
            // A panic in here must not keep the process alive.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| flush(code, cause)));
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
        let told = Arc::new(Mutex::new(Vec::new()));
        for name in ["logs", "alerts"] {
            let told = Arc::clone(&told);
            halt.flush_with(move |code, cause| told.lock().push(format!("{name}: {code} {cause}")));
        }
        halt.flush_with(|_, _| panic!("the disk is gone"));
        assert!(!halt.is_halted());
        halt.halt(70, "a fault");
        halt.halt(78, "another");
        assert!(halt.is_halted());
        assert_eq!(*codes.lock(), [70]);
        assert_eq!(*told.lock(), ["alerts: 70 a fault", "logs: 70 a fault"], "the last is done first");
    }
}
