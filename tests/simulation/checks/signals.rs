//! INV-2 for signals: one key, one answer, and one set of orders.

use std::collections::BTreeMap;

use ordergate::store::ReadStore;
use ordergate_actors::order::{ClientId, CommandId, IdempotencyKey};
use ordergate_actors::ports::JournalRow;
use serde_json::Value;

/// What each alert was answered with, by its account and its key.
pub(crate) type Answers = BTreeMap<(ClientId, String), Vec<CommandId>>;

/// An alert was answered: as before, and with orders that no other key was answered with.
pub(crate) fn one_answer(answers: &mut Answers, client: ClientId, key: &str, orders: &[CommandId]) -> Result<(), String> {
    let of = (client, key.to_owned());
    let others = answers.iter().find(|(other, given)| **other != of && given.iter().any(|order| orders.contains(order)));
    if let Some(((other, name), given)) = others {
        return Err(format!("INV-2: key {name} of {other} made {given:?}, and {key} of {} made {orders:?}", of.0));
    }
    let before = answers.entry(of).or_insert_with(|| orders.to_vec());
    if before == orders { Ok(()) } else { Err(format!("INV-2: key {key} made {before:?} and {orders:?}")) }
}

/// INV-3: what the engine took is on disk, also where nobody waited for the answer.
pub(crate) fn none_forgotten(store: &ReadStore, taken: &[(ClientId, String)]) -> Result<(), String> {
    for (client, key) in taken {
        let rows = store.journal(Some(client), 0, u64::MAX).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let has_key = |row: &JournalRow| {
            let inputs = serde_json::from_str::<Value>(&row.inputs).unwrap_or_default();
            inputs["signal"]["key"].as_str() == Some(format!("k:{key}").as_str())
        };
        if !rows.iter().filter(|row| &*row.event == "INTENT_CREATED").any(has_key) {
            return Err(format!("INV-3: alert {key} of {client} was taken, its sender was gone, and nothing of it is on disk"));
        }
    }
    Ok(())
}

/// Every signal of a chain has all of its orders and no others, whether somebody waited for its answer or not; and no sender could have
/// written the key of one that the engine made itself.
pub(crate) fn whole(rows: &[JournalRow]) -> Result<(), String> {
    let created: Vec<(&JournalRow, Value)> = rows
        .iter()
        .filter(|row| &*row.event == "INTENT_CREATED")
        .map(|row| serde_json::from_str(&row.inputs).map(|inputs| (row, inputs)))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    for (first, inputs) in created.iter().filter(|(_, inputs)| inputs["signal"].is_object()) {
        let (signal, order) = (&inputs["signal"], &inputs["order"]);
        let made = created.iter().filter(|(row, _)| row.signal_id == first.signal_id).count() as u64;
        if signal["legs"].as_u64() != Some(made) {
            return Err(format!("INV-2: signal {:?} asked for {} orders, and has {made}", first.signal_id, signal["legs"]));
        }
        // What a plan goes on with has the order that it goes on from for its parent.
        let is_own = order["source"] == "SYSTEM" || order["source"] == "STOP" || !order["parent_command_id"].is_null();
        let key = signal["key"].as_str().and_then(|key| key.strip_prefix("k:")).filter(|_| is_own);
        if let Some(key) = key.filter(|key| IdempotencyKey::of_sender(key).is_ok()) {
            return Err(format!("a sender could write {key}, the key of an order that the engine makes"));
        }
    }
    Ok(())
}
