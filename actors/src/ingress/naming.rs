//! Which instrument a leg means. Whoever asks for an order, by webhook, API, plan or explanation, is read here.
//!
//! What a name of today means for a new position is the master's to say. What it means for an exit is what the strategy
//! holds: the month that was bought, the strike that was bought.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::line::Line;
use crate::order::draft::clean;
use crate::order::{ClientId, Instrument, InstrumentKey, Intent, LegDraft, Product, Side, Strategy, Tag, trading_date, validate};
use crate::persistence::Book;
use crate::ports::{Closable, Naming, Purpose, Spelling, Unresolved, Why};

/// The longest name that is read.
const LONGEST: usize = 64;

/// A leg whose instrument was looked for.
#[derive(Debug)]
pub struct Named<'a> {
    /// The leg, with the exchange and symbol of the instrument that was found.
    pub leg: Cow<'a, LegDraft>,
    /// The instrument.
    pub instrument: Option<Arc<Instrument>>,
    /// How it was read, unless it was sent under the broker's own name.
    pub naming: Option<Naming>,
    /// Why it is no instrument, where that alone refuses the leg.
    pub refused: Option<(Tag, String)>,
    /// What the master said of it, if it knows no such instrument.
    pub trouble: Option<Unresolved>,
}

/// Reads the leg's instrument for this account: prices are those of now, positions those that are committed.
#[must_use]
pub fn name<'a>(line: &Line, client_id: &ClientId, leg: &'a LegDraft, now: DateTime<Utc>) -> Named<'a> {
    let as_sent = |refused| Named { leg: Cow::Borrowed(leg), instrument: None, naming: None, refused, trouble: None };
    if let Some(found) = validate::named_instrument(leg).and_then(|key| line.instruments.find(&key)) {
        return Named { instrument: Some(found), ..as_sent(None) };
    }
    let (Some(symbol), exchange) = (readable(leg.symbol.as_ref()), readable(leg.exchange.as_ref())) else { return as_sent(None) };
    let intent = leg.execution_type.as_deref().and_then(|word| Intent::parse(word.trim()));
    let is_about_a_position = matches!(intent, Some(Intent::Exit | Intent::Adjust | Intent::Target));
    let read = || line.view.read(client_id, |book| closable(book, leg, intent)).unwrap_or_default();
    let (held, entering) = if is_about_a_position { read() } else { Default::default() };
    let closable = Closable { held: &held, entering: &entering };
    let purpose = match intent {
        Some(Intent::Exit) => Purpose::Close(closable),
        Some(Intent::Target) if leg.only_closes() => Purpose::Close(closable),
        Some(Intent::Adjust | Intent::Target) => Purpose::Change(closable),
        Some(Intent::Entry) | None => Purpose::Open,
    };
    let spot = |key: &InstrumentKey| {
        let desk = line.desk(client_id)?;
        let most = chrono::Duration::from_std(desk.settings.waits.quote_max_age).unwrap_or(chrono::Duration::MAX);
        line.newest_quote(desk, key).filter(|quote| now.signed_duration_since(quote.at) <= most).map(|quote| quote.last)
    };
    match line.instruments.resolve(&Spelling { exchange, symbol, purpose, today: trading_date(now) }, &spot) {
        Ok(read) => {
            let sent =
                exchange.map_or_else(|| clean(symbol, LONGEST), |exchange| format!("{}:{}", clean(exchange, 20), clean(symbol, LONGEST)));
            let key = &read.instrument.key;
            let (exchange, symbol) = (Some(key.exchange.to_string()), Some(key.symbol.to_string()));
            let naming = Some(Naming { sent, read: key.clone(), rule: read.rule, by: read.words });
            let leg = Cow::Owned(LegDraft { exchange, symbol, ..leg.clone() });
            Named { leg, instrument: Some(read.instrument), naming, refused: None, trouble: None }
        }
        Err(trouble) => Named { trouble: Some(trouble.clone()), ..as_sent(refusal(leg, &trouble)) },
    }
}

/// A name that nobody knows today may still be held: an exit of it is measured against its position. All else that is no
/// instrument refuses the leg.
fn refusal(leg: &LegDraft, trouble: &Unresolved) -> Option<(Tag, String)> {
    let is_exit = leg.only_closes();
    match trouble.why {
        // Of a position that shall be flat nothing is to do then; an exit is told that it closes nothing.
        Why::NothingHeld if leg.target_position.is_some() => Some((Tag::AtTarget, trouble.to_string())),
        Why::NothingHeld => Some((Tag::NoPosition, trouble.to_string())),
        Why::Unknown if is_exit && validate::named_instrument(leg).is_some() => None,
        Why::Unknown | Why::Ambiguous | Why::NoPrice => Some((Tag::ValidationFailed, trouble.to_string())),
    }
}

/// A text that can be read; one with a placeholder in it is named by the validation.
fn readable(text: Option<&String>) -> Option<&str> {
    let text = text?.trim();
    (!text.is_empty() && text.len() <= LONGEST && !text.contains("{{") && !text.contains("}}")).then_some(text)
}

/// What the leg could be about: what its strategy holds, and what its open entries are for, in the product that the leg names, if
/// it does. An exit that names its side is about what that side closes; a change may add as well.
fn closable(book: &Book, leg: &LegDraft, intent: Option<Intent>) -> (Vec<InstrumentKey>, Vec<InstrumentKey>) {
    let owner = leg.strategy.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let Ok(strategy) = Strategy::parse(owner.unwrap_or("default")) else { return Default::default() };
    let product = leg.product.as_deref().and_then(|word| Product::parse(word.trim()));
    let side = leg.side.as_deref().filter(|_| intent == Some(Intent::Exit));
    let opened_by = side.and_then(|word| Side::parse(word.trim())).map(Side::opposite);
    let held: BTreeSet<InstrumentKey> = book
        .holdings_of(&strategy)
        .filter(|(key, _)| product.is_none_or(|product| product == key.product))
        .filter(|(_, held)| Side::of_net(held.net).is_some_and(|side| opened_by.is_none_or(|opened| opened == side)))
        .map(|(key, _)| key.instrument.clone())
        .collect();
    let entering: BTreeSet<InstrumentKey> = book
        .open_of(&strategy)
        .chain(book.owed_of(&strategy))
        .filter(|order| !order.is_exit() && !order.is_test())
        .filter(|order| product.is_none_or(|product| order.ask.product == Some(product)))
        .filter(|order| opened_by.is_none_or(|opened| order.ask.side == Some(opened)))
        .filter_map(|order| order.instrument())
        .collect();
    (held.into_iter().collect(), entering.into_iter().collect())
}
