//! A store that stops right after the commit of a certain row: what is on disk then is what a process leaves that is killed there,
//! before anybody was told of the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use ordergate::store::{SqliteStore, Steps, WatchedStore};
use ordergate_actors::ports::{Store, Verdict, Write};
use parking_lot::Mutex;

/// Where it stops, and whether it has.
#[derive(Default)]
pub(crate) struct Hold {
    event: Mutex<Option<&'static str>>,
    signal: AtomicBool,
    is_reached: AtomicBool,
}

impl Hold {
    /// The next commit of a row with this event is the last one.
    pub(crate) fn at(&self, event: &'static str) {
        *self.event.lock() = Some(event);
    }

    /// The next commit of a signal is begun, and hangs: nothing of it is on disk.
    pub(crate) fn before_a_signal(&self) {
        self.signal.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.is_reached.load(Ordering::SeqCst)
    }
}

/// What puts it around a store; it goes on when what stands beside is dropped.
#[allow(clippy::type_complexity, reason = "a plan's own type")]
pub(crate) fn held_by(hold: &Arc<Hold>) -> (Box<dyn FnOnce(SqliteStore) -> Box<dyn Store>>, Sender<()>) {
    let (held, goes_on) = channel();
    let hold = Arc::clone(hold);
    (Box::new(move |inner| Box::new(WatchedStore::new(inner, Held { hold, is_due: false, hangs: false, goes_on }))), held)
}

struct Held {
    hold: Arc<Hold>,
    is_due: bool,
    hangs: bool,
    goes_on: Receiver<()>,
}

impl Steps for Held {
    fn written(&mut self, writes: &[Write], _: &Verdict) {
        let event = *self.hold.event.lock();
        if writes.iter().any(|write| matches!(write, Write::Signal(_))) {
            self.hangs |= self.hold.signal.swap(false, Ordering::SeqCst);
        }
        self.is_due |= writes.iter().any(|write| matches!(write, Write::Journal(row) if Some(&*row.event) == event));
    }

    fn commits(&mut self) {
        if std::mem::take(&mut self.hangs) {
            self.hold.is_reached.store(true, Ordering::SeqCst);
            let _gone = self.goes_on.recv();
        }
    }

    fn committed(&mut self) {
        if std::mem::take(&mut self.is_due) {
            *self.hold.event.lock() = None;
            self.hold.is_reached.store(true, Ordering::SeqCst);
            // An error says that it may go on.
            let _gone = self.goes_on.recv();
        }
    }
}
