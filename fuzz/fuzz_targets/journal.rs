//! A journal, as lines `event from to inputs`: what `journal verify --full` and `replay` make of rows that nobody checked.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use ordergate_actors::order::{ClientId, CommandId, Status};
use ordergate_actors::persistence::Replay;
use ordergate_actors::ports::JournalRow;

fn status(word: &str) -> Option<Status> {
    serde_json::from_value(word.into()).ok()
}

fuzz_target!(|text: &str| {
    let client = ClientId::parse("A").ok();
    let mut replay = Replay::default();
    for (seq, line) in (1..).zip(text.lines()) {
        let mut words = line.splitn(4, ' ');
        let mut next = || words.next().unwrap_or_default();
        let (event, from, to, inputs) = (next(), next(), next(), next());
        let row = JournalRow {
            client_id: client.clone(),
            seq,
            prev_hash: [0; 32],
            at: chrono::DateTime::UNIX_EPOCH,
            event: Arc::from(event),
            command_id: Some(CommandId(Default::default())),
            signal_id: Some(ordergate_actors::order::SignalId(Default::default())),
            from: status(from),
            to: status(to),
            tag: None,
            reason: None,
            who: Arc::from("x"),
            inputs: Arc::from(inputs),
        };
        let _ = replay.redo(&row);
    }
    let _ = replay.finish().writes(client.as_ref());
});
