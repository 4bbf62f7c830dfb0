//! A day with a closing auction in the middle of the script.

use std::sync::{Arc, OnceLock};

use ordergate_actors::order::calendar::{Calendar, Enforce, File};

/// A day on which continuous trading ends a minute after the script has begun, and comes back after a closing auction.
const AUCTION_DAY: &str = r#"
[[special]]
on = "Fri 2026-11-20"
name = "a closing auction in the morning"
segments = ["NSE"]
windows = [
    "09:15-10:01 CONTINUOUS",
    "10:01-10:02 CLOSING_AUCTION REFERENCE",
    "10:02-10:03 CLOSING_AUCTION LIMIT_AND_MARKET",
    "10:03-10:04 CLOSING_AUCTION MATCHING",
    "10:04-15:30 CONTINUOUS",
]
source = "the simulation"
"#;

pub(crate) fn with_an_auction() -> Arc<Calendar> {
    static CALENDAR: OnceLock<Arc<Calendar>> = OnceLock::new();
    let read = || {
        let mut files = ordergate::calendar::files(None).unwrap();
        files.push(File { name: "simulation.toml".to_owned(), text: AUCTION_DAY.to_owned() });
        Arc::new(Calendar::parse(&files).unwrap_or_else(|bad| panic!("{bad}")).enforced(Enforce::Always))
    };
    Arc::clone(CALENDAR.get_or_init(read))
}
