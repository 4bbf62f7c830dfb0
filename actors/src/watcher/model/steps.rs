//! Everything that can happen next: what the engine does ([`super::shell`]), and what the world does.

use super::state::{Lane, Message, ORDERS, PREFIX, Placed, Reading, State, fill, number, order_row, trade_rows};
use crate::broker::fact_of;
use crate::order::OrderFact;
use crate::ports::PlaceOutcome;
use crate::watcher::owner::trade_owner;
use crate::watcher::{Patience, read_row};

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The order's intention is committed, and BrokerActor hears of it.
    Intend(usize),
    /// Its call goes out.
    Call(usize),
    /// The broker takes a request, and gives it a number; or refuses it.
    Take(Message),
    Refuse(Message),
    /// A message is lost; a request whose maker is gone never arrives.
    Lose(Message),
    Vanish(Message),
    /// The call ends without an answer; it ends while one is on its way; the slot goes on without it; its answer comes; it comes
    /// twice.
    TimeOut(usize),
    GiveUp(usize),
    SlotGoesOn(usize),
    Answer(Message),
    AnswerTwice(Message),
    /// The first posted fact is committed.
    Commit,
    /// An order fills at the broker.
    Fill(usize),
    /// The stream tells of an order, of a trade.
    Push(usize),
    PushTrade(usize),
    /// A second passes.
    Pass,
    /// Watcher looks after its doubts, and asks for the books; they are found as they are, and their answer is compared.
    Poll,
    Compare,
    /// It asks for the books, and what comes is something else.
    PollFalsely(Shown),
    /// The process dies and starts again.
    Crash,
}

/// Books that are not true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// What was before the last change.
    Stale,
    /// Nothing, as if that were all.
    Empty,
    /// Bytes that are no book.
    Garbled,
}

impl Step {
    /// Whether the world does wrong with it: once faults stop, it does not happen.
    pub(super) fn is_fault(self) -> bool {
        matches!(self, Self::Crash | Self::PollFalsely(_)) || self.is_of_the_wire()
    }

    fn is_of_the_wire(self) -> bool {
        use Step::{AnswerTwice, GiveUp, Lose, Push, PushTrade, SlotGoesOn};
        matches!(self, Lose(_) | GiveUp(_) | SlotGoesOn(_) | AnswerTwice(_) | Push(_) | PushTrade(_))
    }
}

/// The rules of the shell, and how they can be wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// How long and how often a doubt is looked for.
    pub(super) patience: Patience,
    /// Wrong: a call without an answer is made once more.
    pub(super) resends: bool,
    /// Wrong: a book that cannot be read counts as an empty one.
    pub(super) garbled_is_empty: bool,
    /// Wrong: the call goes out before its intention is on disk.
    pub(super) calls_first: bool,
}

impl State {
    /// All that can happen.
    pub(super) fn successors(&self, rules: &Rules) -> Vec<(Step, State)> {
        let mut next = Next { from: self, rules, steps: Vec::new() };
        for order in 0..ORDERS {
            next.line(order);
        }
        for place in 0..self.wire.len() {
            next.message(place);
        }
        next.broker();
        next.time_and_books();
        if !self.posted.is_empty() {
            next.add(Step::Commit, State::commit);
        }
        if self.left.crashes > 0 {
            next.add(Step::Crash, State::crash);
        }
        next.steps
    }
}

/// Gathers what can happen.
struct Next<'a> {
    from: &'a State,
    rules: &'a Rules,
    steps: Vec<(Step, State)>,
}

impl Next<'_> {
    fn add(&mut self, step: Step, change: impl FnOnce(&mut State)) {
        let mut state = self.from.clone();
        state.left.wire -= u8::from(step.is_of_the_wire());
        change(&mut state);
        self.steps.push((step, state));
    }

    /// What BrokerActor does with the order.
    fn line(&mut self, order: usize) {
        let (from, rules) = (self.from, self.rules);
        let is_slot_free = !from.lanes.contains(&Lane::Calling);
        match from.lanes[order] {
            Lane::Token if rules.calls_first && is_slot_free => self.add(Step::Call(order), |state| state.call(order)),
            Lane::Token if !rules.calls_first => self.add(Step::Intend(order), |state| state.intend(order)),
            Lane::Ready if is_slot_free => self.add(Step::Call(order), |state| {
                if state.rows[order].awaits_its_call() || rules.resends {
                    state.call(order);
                } else {
                    state.lanes[order] = Lane::Gone;
                }
            }),
            Lane::Calling | Lane::Late => self.running(order),
            Lane::Token | Lane::Ready | Lane::Gone => {}
        }
    }

    fn running(&mut self, order: usize) {
        let (from, rules) = (self.from, self.rules);
        if rules.calls_first && from.rows[order].sent_at.is_none() {
            self.add(Step::Intend(order), |state| state.intend(order));
        }
        // Late is a fault of the wire only while something is still on its way.
        let is_on_its_way = from.wire.iter().any(|message| message.order() == order);
        if !is_on_its_way || from.left.wire > 0 {
            self.add(if is_on_its_way { Step::GiveUp(order) } else { Step::TimeOut(order) }, |state| {
                state.leave(order);
                state.lanes[order] = if rules.resends { Lane::Ready } else { Lane::Gone };
                state.posted.push_back((order, fact_of(PlaceOutcome::Unconfirmed("no answer in time".to_owned()))));
            });
        }
        if from.lanes[order] == Lane::Calling && from.left.wire > 0 {
            self.add(Step::SlotGoesOn(order), |state| {
                state.lanes[order] = Lane::Late;
                state.posted.push_back((order, OrderFact::Unconfirmed { cause: "no answer in time for the slot".to_owned() }));
            });
        }
    }

    fn message(&mut self, place: usize) {
        let message = self.from.wire[place];
        let is_left = matches!(message, Message::Request { is_waited_for: false, .. });
        if is_left || self.from.left.wire > 0 {
            self.add(if is_left { Step::Vanish(message) } else { Step::Lose(message) }, |state| {
                state.wire.remove(place);
            });
        }
        match message {
            Message::Request { order, is_waited_for } => {
                self.add(Step::Take(message), |state| {
                    state.wire.remove(place);
                    state.before.clone_from(&state.broker);
                    state.broker.push(Placed { order, is_filled: false });
                    let number = Some(state.broker.len() - 1);
                    state.wire.extend(is_waited_for.then_some(Message::Reply { order, number }));
                });
                self.add(Step::Refuse(message), |state| {
                    state.wire.remove(place);
                    state.wire.extend(is_waited_for.then_some(Message::Reply { order, number: None }));
                });
            }
            Message::Reply { order, number: given } => {
                let fact = fact_of(given.map_or(PlaceOutcome::Rejected("no".to_owned()), |place| PlaceOutcome::Accepted(number(place))));
                let times = if self.from.left.wire > 0 { 2 } else { 1 };
                for (times, step) in (1..=times).zip([Step::Answer(message), Step::AnswerTwice(message)]) {
                    self.add(step, |state| {
                        state.wire.remove(place);
                        state.lanes[order] = Lane::Gone;
                        state.posted.extend(std::iter::repeat_n((order, fact.clone()), times));
                    });
                }
            }
        }
    }

    fn broker(&mut self) {
        let from = self.from;
        for (place, placed) in from.broker.iter().enumerate() {
            if !placed.is_filled {
                self.add(Step::Fill(place), |state| {
                    state.before.clone_from(&state.broker);
                    state.broker[place].is_filled = true;
                });
            }
            if from.left.wire > 0 {
                self.push(place, *placed);
            }
        }
    }

    /// What the stream brings, as `WatcherActor` takes it.
    fn push(&mut self, place: usize, placed: Placed) {
        let book = self.from.book();
        if let Some(told) = read_row(&book, &order_row(place, placed, &self.from.rows), PREFIX) {
            self.add(Step::Push(place), |state| state.post(vec![told]));
        }
        let trades = trade_rows(&self.from.broker);
        let owner = trades.iter().find(|trade| trade.fill == fill(place)).and_then(|trade| trade_owner(&book, trade));
        if let Some(command) = owner.map(|order| order.command_id) {
            self.add(Step::PushTrade(place), |state| state.post(vec![(command, OrderFact::Fill(fill(place)))]));
        }
    }

    fn time_and_books(&mut self) {
        let (from, rules) = (self.from, self.rules);
        let lands = |message: &Message| matches!(message, Message::Request { is_waited_for: false, .. });
        if from.now < from.quiet_until && !from.wire.iter().any(lands) {
            self.add(Step::Pass, |state| state.now += 1);
        }
        if let Some(Reading { rows, began_seq }) = &from.reading {
            self.add(Step::Compare, |state| {
                state.reading = None;
                state.compare(Some(rows), *began_seq, rules);
            });
            return;
        }
        // Books are read while an order is open, or its trades are owed. What a read before has told is committed first: it would
        // only be told again.
        let is_open = from.rows.iter().any(|row| row.status.is_at_broker() || row.filled_quantity > row.traded_quantity);
        if !from.posted.is_empty() || !(is_open || from.is_recovering) {
            return;
        }
        self.add(Step::Poll, |state| {
            state.poll(rules);
            state.reading = Some(Reading { rows: state.broker.clone(), began_seq: state.seq });
        });
        self.falsely(Shown::Garbled, None);
        if from.left.lies > 0 && !from.broker.is_empty() {
            self.falsely(Shown::Empty, Some(&[]));
            if !from.before.is_empty() && from.before != from.broker {
                self.falsely(Shown::Stale, Some(&from.before));
            }
        }
    }

    /// A read of which the answer is there at once, because nothing in it depends on when it was made.
    fn falsely(&mut self, shown: Shown, placed: Option<&[Placed]>) {
        let rules = self.rules;
        self.add(Step::PollFalsely(shown), |state| {
            state.left.lies -= u8::from(shown != Shown::Garbled);
            state.poll(rules);
            state.compare(placed, state.seq, rules);
        });
    }
}
