//! Rows that change no order and no holding: controls, kept states, notes, alarms that a person has seen.

use std::sync::Arc;

use serde_json::json;

use super::{Delta, RowText};
use crate::order::ClientId;
use crate::persistence::alarms::ACKNOWLEDGED;
use crate::persistence::control::{CONTROL, Control, ControlChange};
use crate::persistence::kept::{self, Keep, Kept, KeptChange};
use crate::persistence::staged::Staged;
use crate::persistence::unit::{Level, Note};
use crate::ports::Write;

impl Delta {
    /// New controls.
    pub(in crate::persistence) fn control(
        &mut self,
        staged: &mut Staged,
        client: ClientId,
        change: ControlChange,
        control: &Control,
        (who, reason): (&Arc<str>, &Arc<str>),
    ) {
        let who = Arc::clone(who);
        let value = serde_json::to_string(control).unwrap_or_else(|_| "{}".to_owned());
        let text = RowText { event: CONTROL, from: None, reason: Some(Arc::clone(reason)), who, inputs: value.clone(), level: Level::Info };
        self.row(staged, Some(client.clone()), (None, None), None, text);
        if let Some(event) = self.events.last_mut() {
            event.control = Some(Arc::new((change, control.clone())));
        }
        self.writes.push(Write::Control { client_id: client.clone(), value: Arc::from(value), at: self.at });
        self.controls.push((client, control.clone()));
    }

    /// A state beside the orders; says whether it could be written at all.
    pub(in crate::persistence) fn keep(&mut self, staged: &mut Staged, keep: &Keep) -> bool {
        let inputs = match kept::inputs(&keep.slot, keep.value.as_ref()) {
            Ok(inputs) => inputs,
            Err(cause) => {
                tracing::error!(topic = keep.slot.topic.as_str(), key = &*keep.slot.key, "a state that is no JSON is not written: {cause}");
                return false;
            }
        };
        let text = RowText {
            event: keep.event,
            from: None,
            reason: Some(Arc::clone(&keep.reason)),
            who: Arc::clone(&keep.who),
            inputs,
            level: keep.level,
        };
        let seq = self.next_seq(staged, &keep.client_id);
        self.row(staged, keep.client_id.clone(), (keep.command_id, None), None, text);
        let now = keep.value.clone().map(|value| Kept { value, seq, at: self.at });
        self.writes.push(match &now {
            Some(now) => Write::Kept(keep.client_id.clone(), keep.slot.clone(), now.clone()),
            None => Write::KeptGone(keep.client_id.clone(), keep.slot.clone()),
        });
        let change = KeptChange { slot: keep.slot.clone(), now };
        if let Some(event) = self.events.last_mut() {
            event.kept = Some(Arc::new(change.clone()));
        }
        self.kept.push((keep.client_id.clone(), change));
        true
    }

    /// A row that changes no order.
    pub(in crate::persistence) fn note(&mut self, staged: &mut Staged, note: &Note) {
        let text = RowText {
            event: note.event,
            from: None,
            reason: Some(Arc::from(note.text.as_str())),
            who: Arc::clone(&note.who),
            inputs: note.inputs.clone(),
            level: note.level,
        };
        self.row(staged, note.client_id.clone(), (note.command_id, None), None, text);
    }

    /// A person has seen an alarm; answers whether it was open.
    pub(in crate::persistence) fn acknowledge(
        &mut self,
        staged: &mut Staged,
        chain: Option<ClientId>,
        seq: u64,
        who: &Arc<str>,
        reason: &Arc<str>,
    ) -> bool {
        let Some(alarm) = self.alarms(staged, &chain).acknowledge(seq) else { return false };
        let text = RowText {
            event: ACKNOWLEDGED,
            from: None,
            reason: Some(Arc::clone(reason)),
            who: Arc::clone(who),
            inputs: json!({ "alarm": seq, "event": alarm.event }).to_string(),
            level: Level::Info,
        };
        self.row(staged, chain.clone(), (alarm.command_id, None), None, text);
        self.writes.push(Write::AlarmGone(chain, seq));
        true
    }
}
