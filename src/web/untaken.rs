//! What an alert lost on its way to the line, told to a person: whoever draws charts sends alerts and reads no answer.

use std::sync::Arc;

use ordergate_actors::order::{ClientId, HoldingKey, LegDraft, OrderRecord, Tag, clean, trading_date};
use ordergate_actors::persistence::{Book, Level};
use ordergate_actors::ports::{Closable, Purpose, Spelling, Why};
use ordergate_actors::routes::Reading;

use super::problem::Problem;
use super::routing::routes_of;
use super::state::WebState;
use super::submission::Taken;

/// One share of an alert: what it would have been an order for.
#[derive(Debug, Clone)]
pub(super) struct Share {
    called: String,
    /// A position may be open for it.
    closes: bool,
    /// Nobody needs to hear of it: it is a test, or an entry whose sender names its orders and reads the answer.
    is_quiet: bool,
}

impl Share {
    pub(super) fn of_reading(reading: &Reading, closes: bool) -> Self {
        Self { called: reading.called(), closes, is_quiet: reading.test_mode.is_some() }
    }

    pub(super) fn of_legs(legs: &[LegDraft]) -> Self {
        let mut symbols: Vec<&str> = legs.iter().filter_map(|leg| leg.symbol.as_deref()).collect();
        symbols.dedup();
        let closes = legs.iter().any(|leg| leg.only_closes() && leg.test_mode.is_none());
        Self { called: symbols.join(", "), closes, is_quiet: !closes }
    }
}

/// What an alert lost.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// Why the first share of it was not taken.
    pub first: Option<Problem>,
    /// Each share with its cause.
    shares: Vec<String>,
    /// Why, without what differs from one alert to the next: the same trouble is one alarm, however often it comes.
    causes: Vec<String>,
    closes: bool,
    /// What may be in the line all the same.
    unknown: Vec<Share>,
}

impl Lost {
    /// A share that was not taken.
    pub(super) fn add(&mut self, notes: &mut Vec<String>, share: Share, problem: Problem) {
        let words = format!("{}: not taken, {}", share.called, problem.detail());
        notes.push(words.clone());
        // An exit that meets the key of another is an alarm by itself.
        if !share.is_quiet && problem.code() != "idempotency_conflict" {
            let cause = cause(&problem);
            let cause = if share.closes { format!("{}: {cause}", share.called) } else { cause };
            if !self.causes.contains(&cause) {
                self.causes.push(cause);
            }
            self.shares.push(words);
            self.closes |= share.closes;
        }
        self.first.get_or_insert(problem);
    }

    /// A share that was handed over, and of which nobody heard in time what became of it: the line may take it yet.
    pub(super) fn add_unknown(&mut self, notes: &mut Vec<String>, share: Share, problem: Problem) {
        notes.push(format!("{}: whether it is taken is not known, {}", share.called, problem.detail()));
        self.unknown.push(share);
        self.first.get_or_insert(problem);
    }

    /// A share beyond what its route takes of one alert.
    pub(super) fn cap(&mut self, notes: &mut Vec<String>, reading: &Reading, why: String) {
        let words = format!("{}: not taken, {why}", reading.called());
        notes.push(words.clone());
        self.causes.push(why);
        self.shares.push(words);
    }

    /// Tells of it: of what is left out beside others, or of an alert of which nothing was taken.
    pub(super) fn tell(&self, state: &WebState, client_id: &ClientId, source: &str, others_were_taken: bool) {
        self.tell_unknown(state, client_id, source);
        if self.shares.is_empty() {
            return;
        }
        let level = if self.closes { Level::Page } else { Level::Warn };
        if others_were_taken {
            let text = clean(&format!("of an alert of {source}: {}", self.shares.join("; ")), 600);
            state.engine.line().alarm(Some(client_id), "ALARM_ALERT_CAPPED", level, None, text);
        } else {
            tell_refused(state, client_id, source, level, &self.causes.join("; "));
        }
    }
}

impl Lost {
    fn tell_unknown(&self, state: &WebState, client_id: &ClientId, source: &str) {
        for share in self.unknown.iter().filter(|share| !share.is_quiet) {
            let level = if share.closes { Level::Page } else { Level::Warn };
            let text = format!(
                "whether an alert of {source} for {} was taken is not known, its orders may go yet: look at the order book before you do anything",
                share.called
            );
            state.engine.line().alarm(Some(client_id), "ALARM_ALERT_UNKNOWN", level, None, clean(&text, 400));
        }
    }
}

/// An alert that could not be read as one. What it was for nobody knows.
pub(super) fn tell_unreadable(state: &WebState, client_id: &ClientId, source: &str, problem: &Problem) {
    tell_refused(state, client_id, source, Level::Warn, &by_code(problem));
}

/// An alert whose secret is right and that is not let in: it names no account of its source, or comes from elsewhere. Each account
/// that it may be of hears of it; where anything is held there, its exit may be what was lost.
pub(super) fn tell_at_the_door(state: &WebState, clients: &[ClientId], source: &str, problem: &Problem) {
    let holds = |client_id| state.engine.read(client_id, |book| book.holdings().any(|(_, _, held)| held.net != 0)).unwrap_or(false);
    for client_id in clients {
        let level = if holds(client_id) { Level::Page } else { Level::Warn };
        tell_refused(state, client_id, source, level, &by_code(problem));
    }
}

fn by_code(problem: &Problem) -> String {
    format!("{}, see SIGNAL_REFUSED in the journal", problem.code())
}

fn tell_refused(state: &WebState, client_id: &ClientId, source: &str, level: Level, why: &str) {
    let text = clean(&format!("alerts of {source} are not taken: {why}"), 600);
    state.engine.line().alarm(Some(client_id), "ALARM_ALERT_REFUSED", level, None, text);
}

/// Of what lies in the alert what is wrong with it, without the alert; of the rest the code: their words count.
fn cause(problem: &Problem) -> String {
    if problem.is_of_the_alert() { problem.detail().split(" (").next().unwrap_or_default().to_owned() } else { problem.code().to_owned() }
}

/// Whether a position may wait for an alert that finds no route of its own: what it names is held, or a strategy of one of the routes
/// that take it holds something.
pub(super) fn is_of_a_position(state: &WebState, client_id: &ClientId, source: &str, reading: &Reading) -> bool {
    let routes = routes_of(state, client_id);
    let owners: Vec<_> =
        routes.iter().filter(|(route, _)| route.fits(source, reading).is_some()).map(|(route, _)| &route.strategy).collect();
    let read = |book: &Book| {
        let is_owned = book.holdings().any(|(strategy, ..)| owners.contains(&strategy));
        (is_owned, book.holdings().map(|(_, key, _)| key.instrument.clone()).collect::<Vec<_>>())
    };
    let Some((is_owned, mut held)) = state.engine.read(client_id, read) else { return false };
    if is_owned || held.is_empty() {
        return is_owned;
    }
    held.sort();
    held.dedup();
    let Some(symbol) = reading.ticker.as_deref().map(str::trim) else { return false };
    let purpose = Purpose::Close(Closable { held: &held, entering: &[] });
    let spelling = Spelling { exchange: reading.exchange.as_deref().map(str::trim), symbol, purpose, today: trading_date(state.now()) };
    match state.engine.line().instruments.resolve(&spelling, &|_| None) {
        Ok(read) => held.contains(&read.instrument.key),
        Err(trouble) => trouble.why == Why::Ambiguous,
    }
}

/// An exit that is not valid closes nothing: where its strategy holds what it was for, somebody must hear of it.
pub(super) fn tell_invalid_exits(state: &WebState, taken: &Taken) {
    if taken.replayed {
        return;
    }
    let is_invalid = |order: &&Arc<OrderRecord>| order.is_exit() && !order.is_test() && order.tag == Some(Tag::ValidationFailed);
    for order in taken.orders.iter().filter(is_invalid) {
        let is_for = |key: &HoldingKey| {
            order.instrument().is_none_or(|own| own == key.instrument) && order.ask.product.is_none_or(|own| own == key.product)
        };
        let held = state.engine.read(&taken.client_id, |book| {
            let held = book.holdings_of(&order.ask.strategy).filter(|(key, _)| is_for(key));
            held.map(|(key, held)| format!("{} of {key}", held.net)).collect::<Vec<_>>()
        });
        let held = held.unwrap_or_default();
        if !held.is_empty() {
            let why = order.reason.as_deref().unwrap_or("no reason was given");
            let text = format!("an exit of {} is not valid, and closes nothing: {why}; it holds {}", order.ask.strategy, held.join(", "));
            let text = clean(&text, 400);
            state.engine.line().alarm(Some(&taken.client_id), "ALARM_EXIT_FAILED", Level::Page, Some(order.command_id), text);
        }
    }
}
