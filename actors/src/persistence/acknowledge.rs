//! What a commit sets free: callers are answered, tickets end, listeners hear; and how the view moves.

use std::sync::Arc;

use super::ledger::{Ledger, Pending, RecomputedDay};
use super::open_round::committed;
use super::registered::Registered;
use super::staged::Committed;
use super::ticket::{Answer, Ticket, Waiter};
use super::unit::{Ack, Cargo, Event, NewOrder};
use crate::order::{BasketId, ClientId, CommandId, OrderRecord};

impl Ledger {
    /// The view moves; who waits for a change hears of it with the commit.
    pub(super) fn publish(&mut self, recomputed_days: Vec<RecomputedDay>, events: &mut Vec<Event>, changed: &mut Vec<CommandId>) {
        let committed = self.staged.take_committed();
        let Committed { orders, holdings, day, controls, alarms, kept, events: more } = committed;
        let chains = &self.staged.chains;
        events.extend(more);
        changed.extend(orders.iter().map(|record| record.command_id));
        self.view.change(|books| {
            for record in orders {
                if let Some(book) = books.get_mut(&record.client_id) {
                    book.put_order(record);
                }
            }
            for ((client, strategy, key), (holding, seq)) in holdings {
                if let Some(book) = books.get_mut(&client) {
                    book.put_holding(strategy, key, holding, seq);
                }
            }
            // Before the day: what a trade realised hangs on what its contract is.
            for (chain, change) in kept {
                match chain {
                    None => self.view.put_process_kept(change),
                    Some(client) => {
                        if let Some(book) = books.get_mut(&client) {
                            book.put_kept(change);
                        }
                    }
                }
            }
            for (client, change) in day {
                if let Some(book) = books.get_mut(&client) {
                    book.put_day(&change);
                }
            }
            for (client, today, changes) in recomputed_days {
                if let Some(book) = books.get_mut(&client) {
                    book.begin_day(today, &changes);
                }
            }
            for (client, control) in controls {
                if let Some(book) = books.get_mut(&client) {
                    book.put_control(control);
                }
            }
            for (chain, alarms) in alarms {
                match chain {
                    None => self.view.put_process_alarms(alarms),
                    Some(client) => {
                        if let Some(book) = books.get_mut(&client) {
                            book.put_alarms(alarms);
                        }
                    }
                }
            }
            for (client, book) in books.iter_mut() {
                if let Some(chain) = chains.get(&Some(client.clone())) {
                    book.put_seq(chain.seq);
                }
            }
        });
    }

    /// After the commit and its acknowledgements: listeners hear.
    pub(super) fn tell_listeners(&mut self, events: &[Event]) {
        for listener in &mut self.listeners {
            listener.committed(events);
        }
    }

    pub(super) fn acknowledge(&self, pending: Pending) -> Option<Ack> {
        match pending {
            Pending::Registration { client_id, basket_id, records, legs, cargo } => {
                self.hand_over(client_id, basket_id, records, legs, cargo, 0).0
            }
            Pending::Shown(waiter) => {
                committed(waiter);
                None
            }
            Pending::Reissued { client_id, records } => {
                let seat = self.seats.get(&client_id)?;
                let ticket = |record: &OrderRecord| Ticket::new(record.command_id, seat.admission.force(), Arc::clone(&seat.orphans));
                let registered: Vec<Registered> = records
                    .into_iter()
                    .map(|record| {
                        let ticket = ticket(&record);
                        Registered::new(record, ticket)
                    })
                    .collect();
                (!registered.is_empty()).then_some(Ack::Registered(client_id, registered))
            }
            Pending::Replay { answer, cargo } => {
                if let Cargo::Caller(reply) = cargo {
                    let _gone = reply.send(answer);
                }
                None
            }
            Pending::Order { client_id, command_id, outcome, cargo } => match cargo {
                Cargo::Send => Some(Ack::SendCommitted(client_id, command_id, outcome)),
                Cargo::Call(kind) => Some(Ack::CallCommitted(client_id, command_id, kind, outcome)),
                Cargo::Ticket(ticket) => {
                    ticket.finish();
                    None
                }
                Cargo::Done(reply) => {
                    let _gone = reply.send(outcome);
                    None
                }
                Cargo::None | Cargo::Caller(_) => None,
            },
            Pending::Other { outcome, cargo } => {
                if let Cargo::Done(reply) = cargo {
                    let _gone = reply.send(outcome);
                }
                None
            }
        }
    }

    /// The orders of a registration for the gates, with their tickets, and who waits for them: for a decision on each, and for `commits`
    /// more that are still to come.
    pub(super) fn hand_over(
        &self,
        client_id: ClientId,
        basket_id: BasketId,
        records: Vec<Arc<OrderRecord>>,
        legs: Vec<NewOrder>,
        cargo: Cargo,
        commits: usize,
    ) -> (Option<Ack>, Option<Arc<Waiter>>) {
        let Some(seat) = self.seats.get(&client_id) else { return (None, None) };
        let mut by_leg: Vec<(u16, CommandId)> = legs.iter().map(|leg| (leg.leg, leg.command_id)).collect();
        by_leg.sort_unstable();
        let answer = Answer { replayed: false, basket_id, orders: by_leg.into_iter().map(|(_, command)| command).collect() };
        let undecided = legs.iter().filter(|leg| leg.refused.is_none()).count();
        let waiter = match cargo {
            Cargo::Caller(reply) => Some(Waiter::new(undecided + commits, reply, answer)),
            _ => None,
        };
        let mut registered = Vec::with_capacity(undecided);
        for (leg, record) in legs.into_iter().zip(records) {
            if leg.refused.is_some() {
                continue;
            }
            let mut ticket = Ticket::new(leg.command_id, leg.permit, Arc::clone(&seat.orphans));
            if let Some(waiter) = &waiter {
                ticket.wait_with(Arc::clone(waiter));
            }
            registered.push(Registered::new(record, ticket));
        }
        ((!registered.is_empty()).then_some(Ack::Registered(client_id, registered)), waiter)
    }
}
