//! Between the writer's thread and the readers. The writer's side costs a look at a number while nobody reads, and a try-send
//! of shared rows while somebody does.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ordergate_actors::persistence::{Event, Listener};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio::time::{Instant, timeout_at};

use super::frame::{Frame, Window};

/// Commits that wait to be gathered.
const INBOX: usize = 1_024;
/// Readers that look into the journal at one time.
const RESUMING: usize = 2;
/// Frames that a reader may be behind; then it is dropped.
pub(super) const BEHIND: usize = 64;

/// How pages are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveSettings {
    /// So many readers at one time.
    pub readers: usize,
    /// What happens within this time is told at once.
    pub window: Duration,
    /// After so long without news an event goes out that says nothing: proxies close what is silent, and a page that hears
    /// nothing for much longer knows that its stream is dead. Above zero.
    pub quiet: Duration,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self { readers: 200, window: Duration::from_millis(250), quiet: Duration::from_secs(15) }
    }
}

/// Tells every reader.
#[derive(Debug)]
pub struct Hub {
    settings: LiveSettings,
    inbox: mpsc::Sender<Vec<Event>>,
    frames: broadcast::Sender<Arc<Frame>>,
    /// Of the newest frame.
    number: AtomicU64,
    seats: Mutex<Vec<Weak<Seat>>>,
    taken: AtomicUsize,
    /// The inbox was full: what the readers have is not whole any more.
    is_torn: AtomicBool,
    is_closed: AtomicBool,
    /// Readers that look up what they missed, at one time.
    pub(super) resuming: Semaphore,
}

/// What gathers; runs until the hub is gone.
#[derive(Debug)]
pub struct Feed {
    hub: Weak<Hub>,
    inbox: mpsc::Receiver<Vec<Event>>,
    window: Duration,
}

/// A reader's seat. It is given up when the reader goes, or taken away when it does not read.
#[derive(Debug)]
pub(super) struct Seat {
    hub: Weak<Hub>,
    /// The newest frame that it has taken.
    pub(super) seen: AtomicU64,
    is_over: AtomicBool,
}

impl Default for Hub {
    /// A hub that nothing feeds.
    fn default() -> Self {
        Self::over(LiveSettings::default(), mpsc::channel(1).0)
    }
}

impl Hub {
    fn over(settings: LiveSettings, inbox: mpsc::Sender<Vec<Event>>) -> Self {
        Self {
            settings,
            inbox,
            frames: broadcast::Sender::new(BEHIND),
            number: AtomicU64::new(0),
            seats: Mutex::default(),
            taken: AtomicUsize::new(0),
            is_torn: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            resuming: Semaphore::new(RESUMING),
        }
    }

    /// A hub, and what gathers for it.
    #[must_use]
    pub fn new(settings: LiveSettings) -> (Arc<Self>, Feed) {
        let (sender, inbox) = mpsc::channel(INBOX);
        let hub = Arc::new(Self::over(settings, sender));
        let feed = Feed { hub: Arc::downgrade(&hub), inbox, window: settings.window };
        (hub, feed)
    }

    /// How many readers there are.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// The process ends: every stream does.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.end_all();
    }

    /// After so long without news a reader is told so.
    pub(super) fn quiet(&self) -> Duration {
        self.settings.quiet
    }

    /// A seat and what is told from now on; `None` if every seat is taken.
    pub(super) fn sit(self: &Arc<Self>) -> Option<(Arc<Seat>, broadcast::Receiver<Arc<Frame>>)> {
        let mut seats = self.seats.lock();
        if seats.len() >= self.settings.readers || self.is_closed.load(Ordering::SeqCst) {
            return None;
        }
        let frames = self.frames.subscribe();
        let seat = Arc::new(Seat { hub: Arc::downgrade(self), seen: AtomicU64::new(self.number()), is_over: AtomicBool::new(false) });
        seats.push(Arc::downgrade(&seat));
        // From here on the writer's thread hands over. What it did not is in the view already, where the reader looks next.
        self.taken.store(seats.len(), Ordering::SeqCst);
        metrics::gauge!("ordergate_live_readers").set(count(seats.len()));
        Some((seat, frames))
    }

    /// The number of the newest frame.
    fn number(&self) -> u64 {
        self.number.load(Ordering::SeqCst)
    }

    /// Takes the seats away for which it is so.
    fn end(&self, is_over: impl Fn(&Seat) -> bool) -> usize {
        let mut seats = self.seats.lock();
        let before = seats.len();
        seats.retain(|seat| {
            let Some(seat) = seat.upgrade() else { return false };
            let ends = is_over(&seat);
            if ends {
                seat.is_over.store(true, Ordering::SeqCst);
            }
            !ends
        });
        self.taken.store(seats.len(), Ordering::SeqCst);
        metrics::gauge!("ordergate_live_readers").set(count(seats.len()));
        before.saturating_sub(seats.len())
    }

    fn end_all(&self) {
        self.end(|_| true);
        // Wakes those that wait, so that they see it.
        let _nobody_listens = self.frames.send(Arc::new(Frame { number: self.number(), news: Vec::new() }));
    }

    fn tell(&self, window: Window) {
        if self.is_torn.swap(false, Ordering::SeqCst) {
            tracing::warn!(event = "live_torn", "more was committed than readers can be told; they resume from the journal");
            self.end_all();
            return;
        }
        let news = window.news();
        let number = self.number.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        let _nobody_listens = self.frames.send(Arc::new(Frame { number, news }));
        let behind = u64::try_from(BEHIND).unwrap_or(u64::MAX);
        let slow = self.end(|seat| number.saturating_sub(seat.seen.load(Ordering::SeqCst)) >= behind);
        if slow > 0 {
            metrics::counter!("ordergate_live_dropped_total").increment(u64::try_from(slow).unwrap_or(u64::MAX));
            tracing::info!(event = "live_dropped", readers = slow, "readers that do not read were dropped");
        }
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

impl Seat {
    /// Whether it was taken away.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(hub) = self.hub.upgrade() {
            // This one's own entry no longer upgrades.
            hub.end(|_| false);
        }
    }
}

impl Feed {
    /// Gathers, and tells at the end of each window.
    pub async fn run(mut self) {
        while let Some(first) = self.inbox.recv().await {
            let mut window = Window::default();
            let mut events = Some(first);
            let end = Instant::now() + self.window;
            while let Some(batch) = events.take() {
                for event in &batch {
                    window.take(&event.row, event.record.as_ref());
                }
                events = timeout_at(end, self.inbox.recv()).await.ok().flatten();
            }
            let Some(hub) = self.hub.upgrade() else { return };
            hub.tell(window);
        }
    }
}

/// Hands what is committed to the hub.
#[derive(Debug)]
pub struct LiveListener(pub Arc<Hub>);

impl Listener for LiveListener {
    fn committed(&mut self, events: &[Event]) {
        if self.0.readers() > 0 && self.0.inbox.try_send(events.to_vec()).is_err() {
            self.0.is_torn.store(true, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::row;
    use super::*;

    fn event(seq: u64) -> Event {
        let row = Arc::new(row("SIGNED_IN", None, seq));
        Event { row, record: None, level: ordergate_actors::persistence::Level::Info, control: None, kept: None }
    }

    fn fast(readers: usize) -> (Arc<Hub>, Feed) {
        Hub::new(LiveSettings { readers, window: Duration::from_millis(1), ..LiveSettings::default() })
    }

    #[tokio::test]
    async fn seats_are_counted_and_given_up() {
        let (hub, _feed) = fast(2);
        let (first, second) = (hub.sit().unwrap(), hub.sit().unwrap());
        assert!(hub.sit().is_none() && hub.readers() == 2);
        drop(first);
        assert_eq!(hub.readers(), 1);
        let _third = hub.sit().unwrap();
        hub.close();
        assert!(second.0.is_over() && hub.readers() == 0 && hub.sit().is_none());
    }

    #[tokio::test]
    async fn nobody_reading_costs_nothing_and_a_window_is_one_frame() {
        let (hub, feed) = fast(2);
        let mut listener = LiveListener(Arc::clone(&hub));
        listener.committed(&[event(1)]);
        assert_eq!(hub.inbox.capacity(), INBOX, "nothing was handed over");
        let (_seat, mut frames) = hub.sit().unwrap();
        listener.committed(&[event(2), event(3)]);
        listener.committed(&[event(4)]);
        let running = tokio::spawn(feed.run());
        let frame = frames.recv().await.unwrap();
        assert_eq!((frame.number, frame.news.len(), frame.news[0].seq, hub.number()), (1, 1, 4, 1));
        running.abort();
    }

    #[tokio::test]
    async fn who_does_not_read_is_dropped_and_nobody_waits_for_it() {
        let (hub, _feed) = fast(2);
        let (reads, mut frames) = hub.sit().unwrap();
        let (sleeps, _asleep) = hub.sit().unwrap();
        for _ in 0..BEHIND {
            assert!(!sleeps.is_over());
            hub.tell(Window::default());
            reads.seen.store(frames.recv().await.unwrap().number, Ordering::SeqCst);
        }
        assert!(sleeps.is_over() && !reads.is_over() && hub.readers() == 1);
    }

    #[tokio::test]
    async fn a_full_inbox_ends_every_stream_instead_of_a_gap() {
        let (hub, feed) = fast(2);
        let (seat, mut frames) = hub.sit().unwrap();
        let mut listener = LiveListener(Arc::clone(&hub));
        for seq in 0..=u64::try_from(INBOX).unwrap() {
            listener.committed(&[event(seq)]);
        }
        let running = tokio::spawn(feed.run());
        let woken = frames.recv().await.unwrap();
        assert!(woken.news.is_empty() && seat.is_over());
        running.abort();
    }
}
