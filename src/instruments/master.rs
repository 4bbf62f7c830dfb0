//! The broker's instrument masters: text files in archives, one per exchange and day (Noren protocol reference, section
//! 5.2). Fetched once a day, read by header, stored with their date.

pub mod archive;
mod download;
mod facts;
mod header;
mod parse;
pub mod plan;
mod refresh;
mod render;
pub mod store;

pub use download::{Downloader, FetchError, Fetched};
pub use facts::{BadFacts, Facts};
pub use parse::{BadRow, EquityTick, Parsed, Refused, parse, plausible};
pub use refresh::{News, Refresh, Tried, keep_fresh};
pub use render::render;
