//! What may be traded at all: nothing that is banned, and where there is a list of what is allowed, only that. A word is
//! `EXCHANGE:SYMBOL`, a symbol, or an underlying; a star at its end stands for any rest.

use super::{Checked, Inputs};
use crate::order::Tag;

fn is_word_for(word: &str, x: &Inputs<'_>) -> bool {
    let word = word.trim();
    let full = x.instrument.to_string();
    let names = [Some(full.as_str()), Some(&*x.instrument.symbol), x.found.map(|found| &*found.underlying)];
    names.into_iter().flatten().any(|name| match word.strip_suffix('*') {
        Some(start) => name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start)),
        None => name.eq_ignore_ascii_case(word),
    })
}

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let says = |passed, input: String| {
        Checked::new("risk.listed", Tag::RiskLimitsExceeded, passed, input, "not banned, and on the list if there is one")
    };
    let lists = &x.day.limits;
    if let Some(word) = lists.ban.iter().find(|word| is_word_for(word, x)) {
        return says(false, format!("{} is banned by {word:?}", x.instrument));
    }
    if lists.allow.iter().any(|list| !list.iter().any(|word| is_word_for(word, x))) {
        return says(false, format!("{} is not among what is allowed", x.instrument));
    }
    says(true, format!("{} may be traded", x.instrument))
}
