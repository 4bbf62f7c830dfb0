//! The Noren adapter, measured: a whole order against the simulated broker, a large order book, a burst of quotes. Each
//! beside a baseline of the same run.
//!
//! `cargo bench --bench noren`. `-- --short` takes a fifth of the samples; `-- books`, `line` or `quotes` runs that part alone.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::float_arithmetic,
    reason = "a benchmark: it may stop at the first surprise, and it counts time"
)]

mod books;
mod broker;
#[path = "../order_path/client.rs"]
#[expect(dead_code, reason = "the other bench needs more of it")]
mod client;
mod line;
mod quotes;
#[path = "../order_path/raw.rs"]
#[expect(dead_code, reason = "the other bench needs more of it")]
mod raw;
#[path = "../order_path/server.rs"]
#[expect(dead_code, reason = "the other bench needs more of it")]
mod server;
#[path = "../order_path/stats.rs"]
#[expect(dead_code, reason = "the other bench needs more of it")]
mod stats;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let part = if arguments.iter().any(|argument| argument == "--short") { 5 } else { 1 };
    raw::learn();
    println!("noren: medians of one run; host figures drift, read the ratios\n");
    let parts = ["books", "line", "quotes"];
    let is_asked = |part: &str| arguments.iter().any(|argument| argument == part);
    let all = !parts.into_iter().any(is_asked);
    if all || is_asked("books") {
        books::run(50 / part);
    }
    if all || is_asked("line") {
        line::run(1_000 / part);
    }
    if all || is_asked("quotes") {
        quotes::run(1_500 / part);
    }
}
