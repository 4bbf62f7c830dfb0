//! Keeps the quotes of named underlyings at hand, so that a wish at the money (`NIFTY weekly ATM CE`) finds a fresh one at once.

use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::Line;
use ordergate_actors::order::trading_date;
use ordergate_actors::ports::{Purpose, Spelling};

/// How often each is asked for: often enough that a board with room for a few hundred never drops it as the least wanted.
const EVERY: Duration = Duration::from_secs(30);

/// Asks for these for as long as it is polled. To ask is to subscribe, at a broker that pushes quotes. A name that today's master
/// does not know is passed over: it may know it tomorrow.
pub(super) async fn keep_watched(line: Arc<Line>, names: Vec<String>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        for name in &names {
            ask(&line, name);
        }
    }
}

fn ask(line: &Line, name: &str) {
    let spelling = Spelling { exchange: None, symbol: name, purpose: Purpose::Open, today: trading_date(line.clock.now()) };
    match line.instruments.resolve(&spelling, &|_| None) {
        Ok(read) => {
            let _asked = line.quotes.quote(&read.instrument.key);
        }
        Err(trouble) => tracing::debug!(event = "not_watched", name, "{trouble}"),
    }
}
