//! The archive that a master comes in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ordergate::instruments::master::archive::unpack;

const LIMIT: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = unpack(bytes, LIMIT) {
        assert!(text.len() as u64 <= LIMIT);
    }
});
