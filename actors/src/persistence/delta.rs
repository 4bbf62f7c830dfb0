//! What one unit changes, before it is known whether the store takes it.

mod beside;
mod holding;
mod order;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::alarms::{Alarm, AlarmChange, Alarms, with_level};
use super::chain::row_hash;
use super::control::Control;
use super::kept::KeptChange;
use super::staged::{Chain, HoldingSlot, Staged};
use super::unit::{Event, Level};
use crate::order::{ClientId, CommandId, Holding, OrderRecord, SignalId, Status};
use crate::pnl::DayChange;
use crate::ports::{JournalRow, Write};

/// What one unit changes.
#[derive(Debug)]
pub(super) struct Delta {
    at: DateTime<Utc>,
    pub(super) writes: Vec<Write>,
    pub(super) orders: Vec<Arc<OrderRecord>>,
    pub(super) holdings: Vec<(HoldingSlot, (Holding, u64))>,
    pub(super) day: Vec<(ClientId, DayChange)>,
    /// The account in which a price was told.
    pub(super) told: Option<ClientId>,
    pub(super) controls: Vec<(ClientId, Control)>,
    pub(super) kept: Vec<(Option<ClientId>, KeptChange)>,
    pub(super) events: Vec<Event>,
    chain_before: Option<(Option<ClientId>, Chain)>,
    number_before: Option<(ClientId, u64)>,
    pub(super) alarms_before: Option<(Option<ClientId>, Alarms)>,
}

/// The part of a journal row that its unit knows.
struct RowText {
    event: &'static str,
    from: Option<Status>,
    reason: Option<Arc<str>>,
    who: Arc<str>,
    inputs: String,
    level: Level,
}

impl RowText {
    /// Words for people, and nothing else.
    fn said(event: &'static str, words: &str, who: &Arc<str>, level: Level) -> Self {
        Self { event, from: None, reason: Some(Arc::from(words)), who: Arc::clone(who), inputs: "{}".to_owned(), level }
    }
}

impl Delta {
    pub(super) fn new(at: DateTime<Utc>) -> Self {
        Self {
            at,
            writes: Vec::with_capacity(4),
            orders: Vec::new(),
            holdings: Vec::new(),
            day: Vec::new(),
            told: None,
            controls: Vec::new(),
            kept: Vec::new(),
            events: Vec::new(),
            chain_before: None,
            number_before: None,
            alarms_before: None,
        }
    }

    /// The store refused it: the chain and the numbers stand where they stood.
    pub(super) fn undo(self, staged: &mut Staged) {
        if let Some((client, chain)) = self.chain_before {
            staged.chains.insert(client, chain);
        }
        if let Some((client, number)) = self.number_before {
            staged.numbers.insert(client, number);
        }
        if let Some((chain, alarms)) = self.alarms_before {
            staged.alarms.insert(chain, alarms);
        }
    }

    fn next_seq(&mut self, staged: &mut Staged, client: &Option<ClientId>) -> u64 {
        let chain = staged.chains.entry(client.clone()).or_default();
        if self.chain_before.is_none() {
            self.chain_before = Some((client.clone(), *chain));
        }
        chain.seq + 1
    }

    fn row(
        &mut self,
        staged: &mut Staged,
        client: Option<ClientId>,
        subject: (Option<CommandId>, Option<SignalId>),
        record: Option<&Arc<OrderRecord>>,
        text: RowText,
    ) {
        let seq = self.next_seq(staged, &client);
        let chain = staged.chains.entry(client.clone()).or_default();
        let row = Arc::new(JournalRow {
            client_id: client.clone(),
            seq,
            prev_hash: chain.hash,
            at: self.at,
            event: Arc::from(text.event),
            command_id: subject.0,
            signal_id: subject.1,
            from: text.from,
            to: record.map(|record| record.status),
            tag: record.and_then(|record| record.tag),
            reason: text.reason,
            who: text.who,
            inputs: Arc::from(with_level(text.inputs, text.level)),
        });
        *chain = Chain { seq, hash: row_hash(&row) };
        self.writes.push(Write::Journal(Arc::clone(&row)));
        if let Some(alarm) = Alarm::of_row(&row, text.level) {
            let changes = self.alarms(staged, &client).raise(alarm);
            self.writes.extend(changes.into_iter().map(|change| match change {
                AlarmChange::Put(alarm) => Write::Alarm(client.clone(), alarm),
                AlarmChange::Gone(seq) => Write::AlarmGone(client.clone(), seq),
            }));
        }
        self.events.push(Event { row, record: record.cloned(), level: text.level, control: None, kept: None });
    }

    /// A chain's open alarms, to be changed.
    fn alarms<'a>(&mut self, staged: &'a mut Staged, chain: &Option<ClientId>) -> &'a mut Alarms {
        let alarms = staged.alarms.entry(chain.clone()).or_default();
        if self.alarms_before.is_none() {
            self.alarms_before = Some((chain.clone(), alarms.clone()));
        }
        alarms
    }
}
