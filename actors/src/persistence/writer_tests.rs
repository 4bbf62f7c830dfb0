use std::collections::BTreeMap;

use chrono::NaiveDate;
use parking_lot::Mutex;

use super::*;
use crate::order::{BrokerOrderId, BrokerTag, ClientId, CommandId, OrderFact, OrderRecord};
use crate::persistence::ledger::Seat;
use crate::persistence::registered::Registered;
use crate::persistence::ticket::{Admission, Answer, Orphans};
use crate::persistence::unit::{Cargo, Event, Level, Listener, NotRegistered, Note, OrderUnit, Outcome, Unit};
use crate::pnl::DayChange;
use crate::ports::{Begun, Loaded, SignalRow, Store, Verdict, Write};
use crate::testkit::builders::terms_of;
use crate::testkit::{ManualClock, found_by_thread, morning, order, signal_of};

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

fn account() -> ClientId {
    order(1).client_id
}

type Heard = oneshot::Receiver<Result<Answer, NotRegistered>>;

/// An order of a signal of its own, and where its sender hears what became of it.
fn registered(number: u64) -> (Job, Heard) {
    let (reply, heard) = oneshot::channel();
    let signal = signal_of(&[order(number)], || Admission::new(1, 0).force());
    (post(Unit::Register(Box::new(signal)), Cargo::Caller(reply)), heard)
}

fn answer_of(heard: &mut Heard) -> Option<Answer> {
    heard.try_recv().ok().map(Result::unwrap)
}

/// The gates let it go. Its token ends here: nobody goes on with it.
fn sent(number: u64, _token: Vec<Registered>) -> Job {
    let terms = terms_of(&order(number));
    let fact = OrderFact::SendIntended { terms, request: "{}".to_owned(), gates: Vec::new(), note: None, high_water: None };
    let OrderRecord { client_id, command_id, .. } = order(number);
    post(Unit::Order(OrderUnit { client_id, command_id, fact, who: Arc::from("test") }), Cargo::Send)
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

/// What the gates decide of an order goes into the commit that registers it, and nothing is told before that commit.
#[test]
fn what_the_gates_decide_of_an_order_goes_into_its_own_commit() {
    let story = Story::default();
    let mut ledger = ledger(&story, 10, |_| {});
    let view = Arc::clone(&ledger.view);
    let (sender, receiver) = bounded(10);
    let (job, answer) = registered(1);
    let answer = std::cell::RefCell::new(answer);
    sender.send(job).unwrap();
    let told = std::cell::Cell::new(None);
    run_all(&mut ledger, &receiver, LONG, |round| {
        for ack in round.acks {
            match ack {
                Ack::Registered(_, mut registered) => {
                    assert_eq!((commits(&story), round.events.len()), (vec![], 0), "nothing is on the disk");
                    assert!(view.read(&account(), |book| book.order(order(1).command_id).is_some()).unwrap(), "the gates see it");
                    registered.iter_mut().for_each(Registered::decided);
                    assert!(answer_of(&mut answer.borrow_mut()).is_none(), "its sender does not hear of it yet");
                    sender.send(sent(1, registered)).unwrap();
                }
                Ack::SendCommitted(_, command_id, outcome) => {
                    told.set(Some((command_id, outcome.is_applied(), commits(&story))));
                    sender.send(close()).unwrap();
                }
                Ack::CallCommitted(..) => {}
            }
        }
    });
    assert_eq!(told.take(), Some((order(1).command_id, true, vec![2])));
    assert_eq!(answer_of(&mut answer.borrow_mut()).unwrap().orders, [order(1).command_id], "it is decided, and on the disk");
}

/// Gates that take their time hold up nobody: the order is committed as it is.
#[test]
fn an_order_is_committed_without_a_decision_that_does_not_come() {
    let story = Story::default();
    let mut ledger = ledger(&story, 10, |_| {});
    let (sender, receiver) = bounded(10);
    let (job, mut answer) = registered(1);
    sender.send(job).unwrap();
    let kept = std::cell::RefCell::new(Vec::new());
    run_all(&mut ledger, &receiver, Duration::from_millis(1), |round| {
        if commits(&story) == [1] {
            sender.send(close()).unwrap();
        }
        for ack in round.acks {
            if let Ack::Registered(_, registered) = ack {
                kept.borrow_mut().extend(registered);
            }
        }
    });
    assert_eq!(commits(&story)[..1], [1]);
    assert!(answer_of(&mut answer).is_none());
    kept.borrow_mut().iter_mut().for_each(Registered::decided);
    assert!(answer_of(&mut answer).is_some(), "the commit was not all that it waited for");
}

/// With anything that somebody else waits for, behind it or beside it, an order is committed at once.
#[test]
fn nobody_waits_for_the_gates_of_somebody_else() {
    let of_others: [fn() -> Vec<Job>; 3] = [
        || vec![awaited().0],
        || vec![registered(2).0],
        || vec![Job::Read(Query::Order(account(), order(1).command_id), oneshot::channel().0)],
    ];
    for (number, others) in of_others.into_iter().enumerate() {
        for beside in [true, false] {
            let story = Story::default();
            let mut ledger = ledger(&story, 10, |_| {});
            let (sender, receiver) = bounded(10);
            let (job, _answer) = registered(1);
            sender.send(job).unwrap();
            if beside {
                others().into_iter().for_each(|job| sender.send(job).unwrap());
            }
            // A writer that waits all the same is seen by what comes then.
            let (committed, is_committed) = bounded::<()>(1);
            let late = sender.clone();
            let watch = std::thread::spawn(move || {
                if is_committed.recv_timeout(Duration::from_secs(20)) == Err(RecvTimeoutError::Timeout) {
                    [note(Level::Info), close()].into_iter().for_each(|job| late.send(job).unwrap());
                }
            });
            run_all(&mut ledger, &receiver, LONG, |_| {
                let after = if !commits(&story).is_empty() {
                    vec![close()]
                } else if beside {
                    Vec::new()
                } else {
                    others()
                };
                after.into_iter().for_each(|job| sender.send(job).unwrap());
            });
            drop(committed);
            watch.join().unwrap();
            let units = if number == 2 { 1 } else { 2 };
            assert_eq!(commits(&story)[..1], [units], "{number}, beside: {beside}");
        }
    }
}

/// What nobody waits for goes with it.
#[test]
fn an_answer_that_nobody_waits_for_goes_into_the_commit_of_the_order_that_is_judged() {
    let story = Story::default();
    let mut ledger = ledger(&story, 10, |_| {});
    let (sender, receiver) = bounded(10);
    [registered(1).0, note(Level::Info)].into_iter().for_each(|job| sender.send(job).unwrap());
    run_all(&mut ledger, &receiver, LONG, |round| {
        for ack in round.acks {
            if let Ack::Registered(_, registered) = ack {
                [note(Level::Info), sent(1, registered)].into_iter().for_each(|job| sender.send(job).unwrap());
            }
        }
        if !commits(&story).is_empty() {
            sender.send(close()).unwrap();
        }
    });
    assert_eq!(commits(&story)[..1], [4]);
}

/// Closing ends the wait: nothing that was posted before it is left out.
#[test]
fn what_is_open_is_committed_before_the_journal_closes() {
    let story = Story::default();
    let mut ledger = ledger(&story, 10, |_| {});
    let (sender, receiver) = bounded(10);
    sender.send(registered(1).0).unwrap();
    run_all(&mut ledger, &receiver, LONG, |_| {
        if commits(&story).is_empty() {
            [note(Level::Info), close()].into_iter().for_each(|job| sender.send(job).unwrap());
        }
    });
    assert_eq!(commits(&story)[..1], [2]);
    assert_eq!(story.lock().last(), Some(&Closed));
}

/// A commit that fails takes back what the gates have seen: nobody is answered, and nothing is acknowledged.
#[test]
fn nobody_hears_of_a_round_whose_commit_failed() {
    let story = Story::default();
    let mut ledger = ledger(&story, 0, |_| {});
    let (sender, receiver) = bounded(10);
    let (job, mut answer) = registered(1);
    sender.send(job).unwrap();
    let result = run(
        &mut ledger,
        &receiver,
        &|round: Round| {
            for ack in round.acks {
                let Ack::Registered(_, mut registered) = ack else { panic!("acknowledged without a commit") };
                registered.iter_mut().for_each(Registered::decided);
                sender.send(sent(1, registered)).unwrap();
            }
        },
        LONG,
        &mut Untold::after(LONG),
    );
    assert_eq!(result.unwrap_err().step, "commit");
    assert!(answer_of(&mut answer).is_none());
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
