//! A file of sessions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ordergate_actors::order::calendar::{Calendar, File};

fuzz_target!(|text: &str| {
    let _ = Calendar::parse(&[File { name: "mine.toml".to_owned(), text: text.to_owned() }]);
});
