//! No entry without a broker session that was proven by a read.

use super::{Checked, Inputs};
use crate::order::Tag;
use crate::ports::Session;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let (ready, words) = match &x.findings.session {
        Some(Session::Ready) => (true, "proven".to_owned()),
        Some(Session::NotReady(cause) | Session::Resting(cause)) => (false, cause.clone()),
        None => (false, "not proven yet".to_owned()),
    };
    Checked::new("risk.session", Tag::BrokerNotLoggedIn, ready, words, "proven by a read")
}
