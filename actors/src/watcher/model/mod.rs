//! The protocol of sending, dying and finding out, explored whole: two orders, every order of steps, a crash at every one of
//! them, requests and replies that are lost, late or doubled, books that are stale, empty or unreadable.
//!
//! It is breadth first over all states that can be reached ([`State`], [`Step`]); what differs only in words and moments is one
//! state. In each the orders at the broker are held against the rows on disk, and from each the orders must be able to settle
//! once faults stop. What the model assumes of the world: a request that nobody waits for lands within the quiet period or
//! never; a broker lies in fewer books in a row than absence is concluded from; an order fills whole; the trade book and the
//! order book of one read are of one moment. What it leaves out: cancels and changes, lost messages between actors, orders of
//! earlier days, tags that were cut.

mod shell;
mod state;
mod steps;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use chrono::Duration;

use self::state::{Faults, Message, ORDERS, QUIET, State, number};
use self::steps::{Rules, Step};
use super::Patience;
use crate::order::Status;

/// The rules as they are: a quiet period that outlasts the wire, and as many books as the settings ask for.
fn rules() -> Rules {
    let books = crate::settings::Waits::standard(std::time::Duration::from_secs(1)).absent_snapshots;
    let patience = Patience { quiet: Duration::seconds(QUIET), books };
    Rules { patience, resends: false, garbled_is_empty: false, calls_first: false }
}

/// An exploration that does not end has a rule that counts something for ever.
const STATES_MOST: usize = 400_000;

/// What an exploration found.
#[derive(Debug)]
struct Explored {
    states: usize,
    steps: usize,
    /// The shortest way to a state that must not be, and what is wrong there.
    broken: Option<(String, Vec<Step>)>,
    /// The shortest way to a state from which the orders never settle.
    stuck: Option<Vec<Step>>,
}

fn explore(rules: &Rules, faults: Faults) -> Explored {
    let start = State::start(faults);
    let mut seen = HashMap::from([(start.key(rules.patience), 0)]);
    let mut came: Vec<Option<(usize, Step)>> = vec![None];
    // From each state the ways that no fault is needed for, by where they lead.
    let mut ways_to: Vec<Vec<usize>> = vec![Vec::new()];
    let mut settled = Vec::new();
    let (mut frontier, mut steps) = (VecDeque::from([(0, start)]), 0);
    while let Some((at, state)) = frontier.pop_front() {
        assert!(came.len() < STATES_MOST, "{faults:?}: more states than expected, {} of them open", frontier.len());
        if let Some(wrong) = state.wrong() {
            return Explored { states: seen.len(), steps, broken: Some((wrong, way(&came, at))), stuck: None };
        }
        if state.is_settled() {
            settled.push(at);
        }
        for (step, next) in state.successors(rules) {
            steps += 1;
            let place = match seen.entry(next.key(rules.patience)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let place = came.len();
                    new.insert(place);
                    came.push(Some((at, step)));
                    ways_to.push(Vec::new());
                    frontier.push_back((place, next));
                    place
                }
            };
            if !step.is_fault() {
                ways_to[place].push(at);
            }
        }
    }
    let mut settles = vec![false; came.len()];
    while let Some(at) = settled.pop() {
        if !std::mem::replace(&mut settles[at], true) {
            settled.extend(&ways_to[at]);
        }
    }
    let stuck = settles.iter().position(|settles| !settles).map(|at| way(&came, at));
    Explored { states: seen.len(), steps, broken: None, stuck }
}

/// The steps that led there.
fn way(came: &[Option<(usize, Step)>], mut at: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some((from, step)) = came[at] {
        steps.push(step);
        at = from;
    }
    steps.reverse();
    steps
}

impl State {
    /// What must never be.
    fn wrong(&self) -> Option<String> {
        (0..ORDERS).find_map(|order| {
            let row = &self.rows[order];
            let mut at_broker = self.broker.iter().enumerate().filter(|(_, placed)| placed.order == order);
            let (first, second) = (at_broker.next(), at_broker.next());
            let is_on_the_wire = self.wire.iter().any(|message| matches!(message, Message::Request { order: of, .. } if *of == order));
            let wrong = match first {
                _ if second.is_some() => "lives twice at the broker",
                _ if (first.is_some() || is_on_the_wire) && row.sent_at.is_none() => "was called without a row on disk",
                _ if (first.is_some() || is_on_the_wire) && row.status == Status::Failed => "is FAILED here, and lives or may live",
                None if row.broker_order_id.is_some() => "has a number that the broker never gave",
                Some((place, _)) if row.broker_order_id.as_ref().is_some_and(|id| *id != number(place)) => "has another order's number",
                _ if row.filled_quantity > 0 && !first.is_some_and(|(_, placed)| placed.is_filled) => "has a fill that never was",
                _ => return None,
            };
            Some(format!("order {order} {wrong}: {} {:?}", row.status, row.tag))
        })
    }

    /// Whether every order is known for what it is: what the broker has of it, or that it has none and never will.
    fn is_settled(&self) -> bool {
        self.posted.is_empty()
            && !self.is_recovering
            && self.wire.is_empty()
            && (0..ORDERS).all(|order| {
                let row = &self.rows[order];
                match self.broker.iter().enumerate().find(|(_, placed)| placed.order == order) {
                    None => row.status == Status::Failed,
                    Some((place, placed)) => {
                        let status = if placed.is_filled { Status::Executed } else { Status::SentToBroker };
                        row.broker_order_id == Some(number(place))
                            && row.status == status
                            && !row.is_in_doubt()
                            && row.traded_quantity == row.filled_quantity
                    }
                }
            })
    }
}

/// The faults of each exploration: together every pair of them.
const FAULTS: [Faults; 3] =
    [Faults { crashes: 1, wire: 0, lies: 1 }, Faults { crashes: 1, wire: 1, lies: 0 }, Faults { crashes: 0, wire: 1, lies: 1 }];

#[test]
fn no_order_is_lost_doubled_or_told_wrong_and_each_can_settle() {
    for faults in FAULTS {
        let explored = explore(&rules(), faults);
        println!("{faults:?}: {} states, {} steps", explored.states, explored.steps);
        assert!(explored.broken.is_none() && explored.stuck.is_none(), "{faults:?}: {explored:#?}");
        assert!(explored.states > 1_000, "it explored: {explored:?}");
    }
}

/// What an exploration with a wrong rule finds.
fn found(wrong: &Rules, faults: (u8, u8, u8)) -> String {
    let (crashes, wire, lies) = faults;
    let (wrong, way) = explore(wrong, Faults { crashes, wire, lies }).broken.expect("the model finds what is wrong");
    println!("{wrong}\n{way:#?}");
    wrong
}

#[test]
fn a_call_that_is_repeated_on_a_time_out_is_found() {
    assert!(found(&Rules { resends: true, ..rules() }, (0, 1, 0)).contains("lives twice at the broker"));
}

#[test]
fn a_garbled_book_that_counts_as_empty_is_found() {
    assert!(found(&Rules { garbled_is_empty: true, ..rules() }, (1, 0, 0)).contains("is FAILED here, and lives or may live"));
}

#[test]
fn absence_without_a_quiet_period_is_found() {
    let patience = Patience { quiet: Duration::zero(), ..rules().patience };
    assert!(found(&Rules { patience, ..rules() }, (1, 0, 0)).contains("is FAILED here, and lives or may live"));
}

#[test]
fn absence_by_the_word_of_one_book_is_found() {
    let patience = Patience { books: 1, ..rules().patience };
    assert!(found(&Rules { patience, ..rules() }, (1, 0, 1)).contains("is FAILED here, and lives or may live"));
}

#[test]
fn a_call_before_its_row_is_found() {
    assert!(found(&Rules { calls_first: true, ..rules() }, (0, 0, 0)).contains("was called without a row on disk"));
}
