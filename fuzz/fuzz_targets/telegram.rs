//! An answer of Telegram's `getUpdates`, and what is answered to it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ordergate::alerts::commands::{Doorman, updates};

fuzz_target!(|bytes: &[u8]| {
    let Some(updates) = serde_json::from_slice(bytes).ok().and_then(|body| updates(&body)) else { return };
    let mut doorman = Doorman::new(["42".to_owned()]);
    for message in updates.into_iter().filter_map(|update| update.message) {
        let admitted = doorman.admit(&message, message.at);
        assert!(admitted.is_err() || message.chat == "42");
        let _ = doorman.admit(&message, chrono::DateTime::UNIX_EPOCH);
    }
});
