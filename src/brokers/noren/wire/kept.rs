//! The rows of the book that was read last. A row whose text has not changed is not read anew: it is the same value, and
//! where that is an `Arc`, everybody after sees that nothing changed.

use std::collections::HashMap;

use ordergate_actors::ports::Snapshot;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::class::ErrorClass;
use super::reply::{self, Elements, ListReply};
use super::scalar::{FieldError, Fields};

/// Values by the SHA-256 of their row's text: a tenth of what the texts would take, and as good as they.
#[derive(Debug)]
pub struct Kept<T> {
    rows: HashMap<[u8; 32], T>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { rows: HashMap::new() }
    }
}

impl<T: Clone> Kept<T> {
    /// What the body proves, and the class of the error if it is one. `read` is asked only for rows that the last book did
    /// not have; `keeps` tells which values may stand for their text again; `fresh` is shown the fields of each row read.
    pub fn read(
        &mut self,
        status: u16,
        body: &[u8],
        read: impl Fn(&Fields) -> Result<T, FieldError>,
        keeps: impl Fn(&T) -> bool,
        fresh: impl FnMut(&Fields),
    ) -> (Snapshot<T>, Option<ErrorClass>) {
        if let Some(snapshot) = self.array(status, body, &read, keeps, fresh) {
            return (snapshot, None);
        }
        let reply = ListReply::read(status, body);
        let class = reply.class();
        (reply.into_snapshot(read), class)
    }

    /// The snapshot of a whole array of rows; `None` for anything else, and where a row says that it is an error.
    fn array(
        &mut self,
        status: u16,
        body: &[u8],
        read: impl Fn(&Fields) -> Result<T, FieldError>,
        keeps: impl Fn(&T) -> bool,
        mut fresh: impl FnMut(&Fields),
    ) -> Option<Snapshot<T>> {
        let Elements(elements): Elements<&RawValue> = if status < 500 { serde_json::from_slice(body).ok()? } else { return None };
        let mut rows = HashMap::with_capacity(elements.len());
        let (mut good, mut unreadable) = (Vec::with_capacity(elements.len()), Vec::new());
        for element in elements {
            let digest: [u8; 32] = Sha256::digest(element.get()).into();
            // Taken out: of two rows with one text, each is a value of its own.
            if let Some(value) = self.rows.remove(&digest) {
                good.push(value.clone());
                rows.insert(digest, value);
                continue;
            }
            let fields = match reply::row(element.get()) {
                Ok(fields) if reply::is_refusal(&fields) => return None,
                Ok(fields) => fields,
                Err(row) => {
                    unreadable.push(row);
                    continue;
                }
            };
            fresh(&fields);
            match read(&fields) {
                Ok(value) => {
                    if keeps(&value) {
                        rows.insert(digest, value.clone());
                    }
                    good.push(value);
                }
                Err(error) => unreadable.push(reply::unreadable(&fields, &error)),
            }
        }
        self.rows = rows;
        Some(Snapshot::Authoritative(good, unreadable))
    }
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
