//! A file of charges.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ordergate_actors::pnl::charges::{ChargeFile, Rates};

fuzz_target!(|text: &str| {
    let _ = Rates::parse(&[ChargeFile { name: "mine.toml".to_owned(), text: text.to_owned() }]);
});
