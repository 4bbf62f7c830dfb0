//! The text of an instrument master: the first byte says whose.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ordergate::instruments::master::{EquityTick, Facts, parse, plausible};
use ordergate_actors::order::Exchange;

static FACTS: OnceLock<Facts> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let Some((which, text)) = bytes.split_first() else { return };
    let exchange = Exchange::ALL[usize::from(*which) % Exchange::ALL.len()];
    let facts = FACTS.get_or_init(|| Facts::built_in().expect("the built-in facts read"));
    if let Ok(parsed) = parse(text, exchange, EquityTick::Paise, facts) {
        let _ = plausible(&parsed, Some(2));
    }
});
