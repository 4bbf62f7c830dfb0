//! Kill levels stop entries; a freeze stops exits too.

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    Checked::new("risk.kill", Tag::KillSwitch, x.latched.is_none(), x.latched.unwrap_or("armed"), "armed")
}
