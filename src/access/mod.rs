//! Who a person at the dashboard is: sessions, the password, the one-time link, and where a request comes from.
//!
//! The rules are plain functions of values and the time; [`Access`] is the shell with the files and the locks around them.
//! Everything stands in `<data directory>/access`, for its owner alone, and nothing there opens a door by itself: tokens are
//! kept as SHA-256, the password as Argon2id.

mod client;
mod code;
mod files;
mod link;
mod origin;
mod password;
mod range;
mod sessions;
mod settings;
mod shell;
mod throttle;

pub use client::client_address;
pub use files::AccessError;
pub use link::draw_link;
pub use origin::{Sent, is_same_origin};
pub use password::{Enrolment, MIN_LENGTH, forget_password, has_authenticator, set_password};
pub use range::{Range, Ranges};
pub use sessions::{Grant, Session, SessionId};
pub use settings::AccessSettings;
pub use shell::{Access, Comer, Opened, Refused};
