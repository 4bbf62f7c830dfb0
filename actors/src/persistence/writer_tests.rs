use std::collections::BTreeMap;

use chrono::NaiveDate;
use parking_lot::Mutex;

use super::*;
use crate::order::{BrokerOrderId, BrokerTag, ClientId, CommandId, OrderRecord};
use crate::persistence::ledger::Seat;
use crate::persistence::ticket::{Admission, Orphans};
use crate::persistence::unit::{Cargo, Event, Level, Listener, Note, Outcome, Unit};
use crate::pnl::DayChange;
use crate::ports::{Begun, Loaded, SignalRow, Store, Verdict, Write};
use crate::testkit::{ManualClock, found_by_thread, morning, order};

/// What happened, in its order: commits with their rows' units, what listeners heard, how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Happened {
    Committed(usize),
    Told(Vec<u64>),
    Closed,
    Halted,
}
use Happened::{Closed, Committed, Halted, Told};

type Story = Arc<Mutex<Vec<Happened>>>;

/// A disk that only counts, and knows one order.
struct Counted {
    story: Story,
    units: usize,
    /// Commits that it makes.
    most: usize,
    /// Says that it is being closed, and waits with that until it may go on.
    at_close: Option<(Sender<()>, Receiver<()>)>,
}

impl Store for Counted {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let nothing = (Vec::new(), Vec::new(), Vec::new());
        let (accounts, heads, anchors) = nothing;
        Ok(Loaded { accounts, heads, anchors, alarms: Vec::new(), kept: Vec::new(), tag_prefix: "OGA1".to_owned(), newest: None })
    }
    fn day(&mut self, _: &ClientId, _: NaiveDate) -> Result<Vec<DayChange>, StoreError> {
        Ok(Vec::new())
    }
    fn correction(&mut self, _: &ClientId, _: u64) -> Result<Option<DayChange>, StoreError> {
        Ok(None)
    }
    fn begin(&mut self) -> Result<Begun, StoreError> {
        self.units = 0;
        Ok(Begun::Open)
    }
    fn unit(&mut self, _: &[Write]) -> Result<Verdict, StoreError> {
        self.units += 1;
        Ok(Verdict::Done)
    }
    fn commit(&mut self) -> Result<(), StoreError> {
        if self.most == 0 {
            return Err(StoreError { step: "commit", cause: "a drill".to_owned() });
        }
        self.most -= 1;
        self.story.lock().push(Committed(self.units));
        Ok(())
    }
    fn idle(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
    fn close(&mut self) -> Result<(), StoreError> {
        if let Some((reached, goes_on)) = &self.at_close {
            reached.send(()).unwrap();
            goes_on.recv().unwrap();
        }
        self.story.lock().push(Closed);
        Ok(())
    }
    fn signal_by_key(&mut self, _: &ClientId, _: &str) -> Result<Option<SignalRow>, StoreError> {
        Ok(None)
    }
    fn newest_signal_with_prefix(&mut self, _: &ClientId, _: &str) -> Result<Option<SignalRow>, StoreError> {
        Ok(None)
    }
    fn order(&mut self, _: &ClientId, command: CommandId) -> Result<Option<OrderRecord>, StoreError> {
        Ok(Some(order(1)).filter(|order| order.command_id == command))
    }
    fn order_by_broker_id(&mut self, _: &ClientId, _: NaiveDate, _: &BrokerOrderId) -> Result<Option<OrderRecord>, StoreError> {
        Ok(None)
    }
    fn order_by_tag(&mut self, _: &ClientId, _: &BrokerTag) -> Result<Option<OrderRecord>, StoreError> {
        Ok(None)
    }
    fn query(&mut self, _: &Query) -> Result<Rows, StoreError> {
        Ok(Rows::Orders(Vec::new()))
    }
    fn free_space(&self) -> Option<u64> {
        None
    }
    fn release_ballast(&mut self) {}
}

/// What a listener does besides.
type Then = Box<dyn FnMut(usize) + Send>;

struct Ear {
    story: Story,
    calls: usize,
    then: Then,
}

impl Listener for Ear {
    fn committed(&mut self, events: &[Event]) {
        self.story.lock().push(Told(events.iter().map(|event| event.row.seq).collect()));
        self.calls += 1;
        (self.then)(self.calls);
    }
}

#[derive(Debug)]
struct EndsIt(Story, Sender<()>);

impl Halt for EndsIt {
    fn halt(&self, _: i32, _: &str) {
        self.0.lock().push(Halted);
        let _known = self.1.try_send(());
    }
    fn is_halted(&self) -> bool {
        self.0.lock().contains(&Halted)
    }
}

/// A ledger whose disk makes so many commits, with one listener.
fn ledger(story: &Story, most: usize, then: impl FnMut(usize) + Send + 'static) -> Ledger {
    ledger_on(Counted { story: Arc::clone(story), units: 0, most, at_close: None }, then)
}

fn ledger_on(disk: Counted, then: impl FnMut(usize) + Send + 'static) -> Ledger {
    let story = Arc::clone(&disk.story);
    let seat = Seat { admission: Admission::new(10, 0), orphans: Arc::new(Orphans::default()) };
    let ear = Ear { story, calls: 0, then: Box::new(then) };
    let seats = BTreeMap::from([(order(1).client_id, seat)]);
    Ledger::open(Box::new(disk), ManualClock::at(morning()), seats, vec![Box::new(ear)]).unwrap().ledger
}

fn post(unit: Unit, cargo: Cargo) -> Job {
    Job::Post(Box::new(Posted { unit, cargo }))
}

/// Nobody waits for it.
fn note(level: Level) -> Job {
    noted(level, Cargo::None)
}

fn noted(level: Level, cargo: Cargo) -> Job {
    let (who, inputs) = (Arc::from("test"), "{}".to_owned());
    let note = Note { client_id: None, event: "NOTE", level, text: "a note".to_owned(), command_id: None, who, inputs };
    post(Unit::Note(note), cargo)
}

fn awaited() -> (Job, oneshot::Receiver<Outcome>) {
    let (reply, answer) = oneshot::channel();
    (noted(Level::Info, Cargo::Done(reply)), answer)
}

/// The order is to be judged: its commit registers it, and writes nothing.
fn registered() -> Job {
    let order = order(1);
    post(Unit::Reissue { client_id: order.client_id, commands: vec![order.command_id] }, Cargo::None)
}

fn close() -> Job {
    Job::Close(oneshot::channel().0)
}

/// Long enough that no machine is too busy for it.
const LONG: Duration = Duration::from_secs(600);

/// Runs the writer on this thread until it is closed.
fn run_all(ledger: &mut Ledger, receiver: &Receiver<Job>, patience: Duration, deliver: impl Fn(Round)) {
    run(ledger, receiver, &deliver, patience, &mut Untold::after(LONG)).unwrap();
}

fn commits(story: &Story) -> Vec<usize> {
    let units = |happened: &Happened| if let Committed(units) = happened { Some(*units) } else { None };
    story.lock().iter().filter_map(units).collect()
}

#[test]
fn what_nobody_waits_for_goes_into_the_commit_of_the_order_that_is_judged() {
    let story = Story::default();
    let mut ledger = ledger(&story, 10, |_| {});
    let (sender, receiver) = bounded(10);
    let (told, delivered) = bounded(1);
    // The engine's thread: what it posts comes while the writer waits.
    let engine = std::thread::spawn({
        let sender = sender.clone();
        move || {
            delivered.recv().unwrap();
            let (job, answer) = awaited();
            sender.send(job).unwrap();
            answer.blocking_recv().unwrap();
            sender.send(close()).unwrap();
        }
    });
    sender.send(registered()).unwrap();
    run_all(&mut ledger, &receiver, LONG, |round| {
        if round.acks.iter().any(|ack| matches!(ack, Ack::Registered(..))) {
            // The broker's answer to the order before came during that commit.
            sender.send(note(Level::Info)).unwrap();
            told.send(()).unwrap();
        }
    });
    engine.join().unwrap();
    assert_eq!(commits(&story)[..2], [0, 2], "the order, then both together");
}

/// An order that is not sent at all, and a registration for each thing that waits: nothing waits for more than one of them.
#[test]
fn it_is_written_without_the_order_and_ahead_of_the_next_one() {
    let story = Story::default();
    let mut ledger = ledger(&story, 10, |_| {});
    let (sender, receiver) = bounded(10);
    sender.send(registered()).unwrap();
    let rounds = std::cell::Cell::new(0);
    run_all(&mut ledger, &receiver, Duration::from_millis(1), |_| {
        rounds.set(rounds.get() + 1);
        sender.send(if rounds.get() == 1 { note(Level::Info) } else { close() }).unwrap();
    });
    assert_eq!(commits(&story)[..2], [0, 1]);

    let story = Story::default();
    let mut ledger = self::ledger(&story, 10, |_| {});
    let rounds = std::cell::Cell::new(0);
    sender.send(registered()).unwrap();
    run_all(&mut ledger, &receiver, LONG, |_| {
        rounds.set(rounds.get() + 1);
        let (job, _nobody) = awaited();
        let next = if rounds.get() < 4 { vec![note(Level::Info), registered(), job] } else { vec![close()] };
        next.into_iter().for_each(|job| sender.send(job).unwrap());
    });
    assert_eq!(commits(&story)[..4], [0, 2, 2, 2], "each goes with the next order");
}

/// Closing ends the wait: nothing that was posted before it is left out.
#[test]
fn what_waits_is_written_before_the_journal_closes() {
    let story = Story::default();
    let mut ledger = ledger(&story, 10, |_| {});
    let (sender, receiver) = bounded(10);
    sender.send(registered()).unwrap();
    let rounds = std::cell::Cell::new(0);
    run_all(&mut ledger, &receiver, LONG, |_| {
        rounds.set(rounds.get() + 1);
        if rounds.get() == 1 {
            [note(Level::Info), close()].into_iter().for_each(|job| sender.send(job).unwrap());
        }
    });
    assert_eq!(commits(&story)[..2], [0, 1]);
    assert_eq!(story.lock().last(), Some(&Closed));
}

#[test]
fn listeners_hear_of_two_commits_at_once_when_the_line_is_quiet() {
    let story = Story::default();
    let (sender, receiver) = bounded(10);
    let mut ledger = ledger(&story, 10, {
        let sender = sender.clone();
        move |_| sender.send(close()).unwrap()
    });
    sender.send(note(Level::Info)).unwrap();
    let rounds = std::cell::Cell::new(0);
    run_all(&mut ledger, &receiver, LONG, |_| {
        rounds.set(rounds.get() + 1);
        if rounds.get() == 1 {
            sender.send(note(Level::Info)).unwrap();
        }
    });
    assert_eq!(story.lock()[..3], [Committed(1), Committed(1), Told(vec![1, 2])]);
}

#[test]
fn a_page_is_heard_before_the_next_commit() {
    let story = Story::default();
    let mut ledger = ledger(&story, 10, |_| {});
    let (sender, receiver) = bounded(10);
    sender.send(note(Level::Page)).unwrap();
    let rounds = std::cell::Cell::new(0);
    run_all(&mut ledger, &receiver, LONG, |_| {
        rounds.set(rounds.get() + 1);
        sender.send(if rounds.get() == 1 { note(Level::Info) } else { close() }).unwrap();
    });
    let found = story.lock().clone();
    assert_eq!(found[..4], [Committed(1), Told(vec![1]), Committed(1), Told(vec![2])]);
}

#[test]
fn listeners_hear_before_the_journal_closes() {
    let story = Story::default();
    let mut ledger = ledger(&story, 10, |_| {});
    let (sender, receiver) = bounded(10);
    [note(Level::Info), close()].into_iter().for_each(|job| sender.send(job).unwrap());
    run_all(&mut ledger, &receiver, LONG, |_| {});
    let found = story.lock().clone();
    assert_eq!(found[..2], [Committed(1), Told(vec![1])]);
    assert_eq!(found.last(), Some(&Closed));
}

/// A disk that hangs in the last checkpoint is seen as one that hangs in a commit.
#[test]
fn a_close_that_lasts_is_measured_as_any_other_step() {
    let ((reached, is_closing), (lets_go, goes_on)) = (bounded(1), bounded(1));
    let disk = Counted { story: Story::default(), units: 0, most: 10, at_close: Some((reached, goes_on)) };
    let mut ledger = ledger_on(disk, |_| {});
    let view = Arc::clone(&ledger.view);
    let (sender, receiver) = bounded(1);
    sender.send(close()).unwrap();
    let writer = std::thread::spawn(move || run_all(&mut ledger, &receiver, LONG, |_| {}));
    is_closing.recv().unwrap();
    found_by_thread("it is seen to last", || if view.writing().lasts() > Duration::ZERO { Ok(()) } else { Err("it waits for work") });
    lets_go.send(()).unwrap();
    writer.join().unwrap();
    assert_eq!(view.writing().lasts(), Duration::ZERO, "it is over");
}

/// A commit that fails, and a panic on the thread: what was committed before is told before the process ends.
#[test]
fn listeners_hear_of_what_was_committed_before_the_process_ends() {
    for panics in [false, true] {
        let story = Story::default();
        let ledger = ledger(&story, 2, |_| {});
        let (ended, end) = bounded(1);
        let halt = Arc::new(EndsIt(Arc::clone(&story), ended));
        let (more, rounds) = bounded::<()>(1);
        let delivered = std::sync::atomic::AtomicUsize::new(0);
        let deliver = move |_| {
            let number = delivered.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
            if number == 2 && panics {
                panic!("injected by a test");
            }
            let _gone = more.try_send(());
        };
        let mut writer = Writer::spawn(ledger, 10, Arc::clone(&halt) as Arc<dyn Halt>, deliver).unwrap();
        for _ in 0..3 {
            let _nothing = writer.submit(vec![note(Level::Info)], &*halt);
            if !halt.is_halted() {
                let _gone = rounds.recv();
            }
        }
        end.recv_timeout(LONG).unwrap();
        let found = story.lock().clone();
        let told: Vec<u64> =
            found.iter().filter_map(|one| if let Told(rows) = one { Some(rows.clone()) } else { None }).flatten().collect();
        assert_eq!((told, found.last()), (vec![1, 2], Some(&Halted)), "{found:?}");
    }
}
