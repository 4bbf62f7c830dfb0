//! A frame of a Noren broker's websocket.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ordergate::brokers::noren::wire::frames;

fuzz_target!(|text: &str| {
    let _ = frames::read(text, chrono::DateTime::UNIX_EPOCH);
});
