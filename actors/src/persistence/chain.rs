//! The journal's hash chain: every row carries the SHA-256 of the row before it, over the bytes as they are stored.
//!
//! *Invariant:* the encoding is injective. Every field is preceded by its length, and NULL is not the empty text, so no
//! two different rows have the same bytes under the hash.

use chrono::{DateTime, SecondsFormat, Utc};
use sha2::{Digest, Sha256};

use crate::ports::JournalRow;

/// Separates these hashes from any other use of SHA-256, and this encoding from a later one.
const DOMAIN: &[u8] = b"ordergate journal 1";

/// A time as every column holds it: UTC, RFC 3339, microseconds, always 27 characters, so that text sorts as time does.
/// Anything finer than a microsecond is cut off.
#[must_use]
pub fn stored_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The hash that the next row of the chain carries as `prev_hash`.
#[must_use]
pub fn row_hash(row: &JournalRow) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(384 + row.inputs.len());
    bytes.extend_from_slice(DOMAIN);
    let mut field = |value: Option<&[u8]>| match value {
        None => bytes.push(0),
        Some(value) => {
            bytes.push(1);
            bytes.extend_from_slice(&(value.len() as u64).to_be_bytes());
            bytes.extend_from_slice(value);
        }
    };
    field(Some(row.client_id.as_ref().map_or("", |client| client.as_str()).as_bytes()));
    field(Some(&row.seq.to_be_bytes()));
    field(Some(&row.prev_hash));
    field(Some(stored_time(row.at).as_bytes()));
    field(Some(row.event.as_bytes()));
    let mut uuid = [0; 36];
    field(row.command_id.map(|id| &*id.0.hyphenated().encode_lower(&mut uuid)).map(str::as_bytes));
    field(row.signal_id.map(|id| &*id.0.hyphenated().encode_lower(&mut uuid)).map(str::as_bytes));
    field(row.from.map(|status| status.as_str().as_bytes()));
    field(row.to.map(|status| status.as_str().as_bytes()));
    field(row.tag.map(|tag| tag.as_str().as_bytes()));
    field(row.reason.as_deref().map(str::as_bytes));
    field(Some(row.who.as_bytes()));
    field(Some(row.inputs.as_bytes()));
    Sha256::digest(&bytes).into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::order::{ClientId, CommandId, SignalId, Status, Tag};

    fn row() -> JournalRow {
        JournalRow {
            client_id: Some(ClientId::parse("PAPER1").unwrap()),
            seq: 7,
            prev_hash: [3; 32],
            at: "2026-11-20T04:00:00.000001Z".parse().unwrap(),
            event: Arc::from("order.refused"),
            command_id: Some(CommandId(Uuid::from_u128(1))),
            signal_id: Some(SignalId(Uuid::from_u128(2))),
            from: Some(Status::Created),
            to: Some(Status::Failed),
            tag: Some(Tag::MarketClosed),
            reason: Some(Arc::from("closed since 15:30")),
            who: Arc::from("risk"),
            inputs: Arc::from("{}"),
        }
    }

    #[test]
    fn a_stored_time_has_one_width_and_sorts() {
        let times: Vec<String> =
            ["2026-11-20T04:00:00Z", "2026-11-20T04:00:00.000001Z", "2026-11-20T04:00:00.9999999Z", "2026-11-20T04:00:01Z"]
                .iter()
                .map(|text| stored_time(text.parse().unwrap()))
                .collect();
        assert_eq!(times[0], "2026-11-20T04:00:00.000000Z");
        assert!(times.iter().all(|text| text.len() == 27) && times.is_sorted());
    }

    #[test]
    fn every_field_counts_and_null_is_not_empty() {
        let mut rows = vec![row(); 16];
        rows[1].client_id = None;
        rows[2].seq = 8;
        rows[3].prev_hash[31] = 4;
        rows[4].at += chrono::Duration::microseconds(1);
        rows[5].event = Arc::from("order.refuse");
        rows[6].command_id = None;
        rows[7].signal_id = None;
        rows[8].from = None;
        rows[9].to = None;
        rows[10].tag = None;
        rows[11].reason = None;
        rows[12].reason = Some(Arc::from(""));
        rows[13].who = Arc::from("guard");
        rows[14].inputs = Arc::from("{ }");
        // The same letters, cut elsewhere.
        rows[15].event = Arc::from("order.refusedrisk");
        rows[15].who = Arc::from("");
        let hashes: BTreeSet<_> = rows.iter().map(row_hash).collect();
        assert_eq!(hashes.len(), rows.len());
    }

    #[test]
    fn swapping_two_ids_changes_the_hash() {
        let (mut only_command, mut only_signal) = (row(), row());
        only_command.signal_id = None;
        only_signal.command_id = None;
        only_signal.signal_id = Some(SignalId(Uuid::from_u128(1)));
        assert_ne!(row_hash(&only_command), row_hash(&only_signal));
    }

    /// The encoding is on disk: a change here orphans every chain written before it.
    #[test]
    fn the_encoding_is_pinned() {
        let hex: String = row_hash(&row()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "7017873476e40667424bce7b6927b896e7fe36033d70c49491d285d0c344d5e9");
    }
}
