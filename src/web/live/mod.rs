//! `GET /dashboard/events`: what is committed, told to pages as it happens (server-sent events).
//!
//! ```text
//! writer's thread ─▶ LiveListener ─▶ inbox ─▶ Feed: one window, one frame ─▶ broadcast ─▶ Reader ─▶ a page
//! ```
//!
//! Nothing here is waited for. A full inbox loses a window, and a reader that is too slow loses its frames: both end the
//! readers' streams, and a browser that comes back resumes from the journal by the number of the last row that it saw.
//!
//! Where nothing happens a `ping` goes out, so that a reader can tell a quiet stream from a dead one.
//!
//! *Invariant:* a stream never skips a row. It ends instead.

mod frame;
mod hub;
mod kind;
mod reader;
mod resume;

pub use hub::{Feed, Hub, LiveListener, LiveSettings};
pub(super) use reader::events;
