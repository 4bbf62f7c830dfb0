//! Instruments found by words (Noren protocol reference, section 5.1). Tokens were seen empty and expiries stale, so the
//! master file comes first and this only helps a person.

use std::sync::Arc;

use ordergate_actors::order::InstrumentKey;

use super::order_row::instrument;
use super::scalar::{FieldError, Fields};

/// One hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The name.
    pub key: InstrumentKey,
    /// The exchange's number.
    pub token: u32,
    /// The name for people, if there is one.
    pub label: Option<Arc<str>>,
}

/// The hits of `SearchScrip`, and how many rows could not be read.
///
/// # Errors
/// [`FieldError`] when the reply has no list.
pub fn read(fields: &Fields) -> Result<(Vec<Hit>, usize), FieldError> {
    let all = fields.elements("values").ok_or(FieldError::Missing { field: "values" })?;
    let hits: Vec<Hit> = fields.objects("values").iter().filter_map(|row| hit(row).ok()).collect();
    let unreadable = all.len().saturating_sub(hits.len());
    Ok((hits, unreadable))
}

/// One row.
///
/// # Errors
/// [`FieldError`] names the field.
pub(super) fn hit(fields: &Fields) -> Result<Hit, FieldError> {
    let label = fields.first(&["cname", "dname", "symname"]).map(Arc::from);
    Ok(Hit { key: instrument(fields)?, token: token(fields)?, label })
}

/// The exchange's number of an instrument.
pub(super) fn token(fields: &Fields) -> Result<u32, FieldError> {
    let text = fields.require("token")?;
    text.parse().map_err(|_| FieldError::wrong("token", &text, "a token number"))
}
