//! The last free bytes belong to exits and fills.

use super::{Checked, Inputs};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let input = x.low_disk.map_or_else(|| "enough".to_owned(), |free| format!("{free} bytes free"));
    Checked::new(
        "risk.disk",
        Tag::RiskLimitsExceeded,
        x.low_disk.is_none(),
        input,
        format!("at least {} bytes free", x.settings.min_free_bytes),
    )
}
