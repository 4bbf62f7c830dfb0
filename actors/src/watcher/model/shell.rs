//! The engine's side of the model: who hands what to whom. What an answer, a book or a start says of an order, and what a fact does
//! to its row, are the engine's own functions.

use chrono::Duration;

use super::state::{Lane, Message, ORDERS, PREFIX, Placed, State, order_rows, trade_rows};
use super::steps::Rules;
use crate::order::{CommandId, OrderFact, lifecycle};
use crate::testkit::builders::{at, terms_of};
use crate::watcher::{RecoveryFound, Search, decide, read_orders, read_trades};

impl State {
    fn apply(&mut self, order: usize, fact: &OrderFact) {
        // A trade that is held is refused by its key on disk.
        let is_held = matches!(fact, OrderFact::Fill(_)) && self.rows[order].traded_quantity > 0;
        if let Some(transition) = lifecycle::apply(&self.rows[order], fact, at(self.now)).ok().filter(|_| !is_held) {
            self.seq += 1;
            self.rows[order] = transition.record;
            self.rows[order].seq = self.seq;
        }
    }

    pub(super) fn commit(&mut self) {
        if let Some((order, fact)) = self.posted.pop_front() {
            self.apply(order, &fact);
        }
    }

    fn place_of(&self, order: &CommandId) -> Option<usize> {
        self.rows.iter().position(|row| row.command_id == *order)
    }

    pub(super) fn post(&mut self, facts: Vec<(CommandId, OrderFact)>) {
        for (command, fact) in facts {
            let order = self.place_of(&command).expect("the model has no other orders");
            self.posted.push_back((order, fact));
        }
    }

    pub(super) fn intend(&mut self, order: usize) {
        let terms = terms_of(&self.rows[order]);
        let fact = OrderFact::SendIntended { terms, request: String::new(), gates: Vec::new(), note: None, high_water: None };
        self.apply(order, &fact);
        if self.lanes[order] == Lane::Token {
            self.lanes[order] = Lane::Ready;
        }
    }

    pub(super) fn call(&mut self, order: usize) {
        self.wire.push(Message::Request { order, is_waited_for: true });
        self.lanes[order] = Lane::Calling;
    }

    /// Nobody waits for the order's call any more: its request may still arrive, its reply is thrown away.
    pub(super) fn leave(&mut self, order: usize) {
        self.wire.retain(|message| !matches!(message, Message::Reply { order: of, .. } if *of == order));
        for message in &mut self.wire {
            if let Message::Request { order: of, is_waited_for } = message {
                *is_waited_for &= *of != order;
            }
        }
    }

    pub(super) fn crash(&mut self) {
        for order in 0..ORDERS {
            self.leave(order);
        }
        self.lanes = [Lane::Gone; ORDERS];
        self.posted.clear();
        (self.reading, self.search, self.is_recovering) = (None, Search::default(), true);
        self.quiet_until = self.now;
        self.left.crashes -= 1;
    }

    pub(super) fn poll(&mut self, rules: &Rules) {
        let (book, before) = (self.book(), self.search.clone());
        let running = self.rows.iter().zip(self.lanes).filter(|(_, lane)| lane.is_running());
        let running: Vec<CommandId> = running.map(|(row, _)| row.command_id).collect();
        self.search.follow(&book, at(self.now), |command| running.contains(&command));
        if self.search != before {
            self.quiet_until = self.now + rules.patience.quiet.num_seconds();
        }
    }

    /// As `WatcherActor` takes the books: the trade book, then the order book. `None`: nobody can read them.
    pub(super) fn compare(&mut self, placed: Option<&[Placed]>, began_seq: u64, rules: &Rules) {
        let Some(placed) = placed.or(rules.garbled_is_empty.then_some(&[])) else {
            self.search.start_over();
            return;
        };
        let (book, now) = (self.book(), at(self.now));
        let (trades, rows) = (trade_rows(placed), order_rows(placed, &self.rows));
        self.post(read_trades(&book, &trades));
        self.search.trades_read(&book, &trades, &rows, true, rules.patience, now);
        let read = read_orders(&book, &rows, PREFIX, began_seq, now);
        self.search.orders_read(&read, true, rules.patience, now);
        let tells_all = read.tells_all(true);
        self.post(read.facts);
        self.post(self.search.proven(rules.patience));
        if tells_all {
            self.decide_found();
        }
    }

    /// After the first whole books a start decides about what it found.
    fn decide_found(&mut self) {
        if !std::mem::take(&mut self.is_recovering) {
            return;
        }
        for found in decide(&self.book(), Duration::hours(1), at(self.now)) {
            match found {
                RecoveryFound::Drive(_, command) => {
                    let order = self.place_of(&command).expect("the model has no other orders");
                    self.lanes[order] = Lane::Token;
                }
                RecoveryFound::Decide(command, fact, _) => self.post(vec![(command, fact)]),
            }
        }
    }
}
