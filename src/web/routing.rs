//! From what an alert says to the signal that it means: its route, its instrument, its size, and its place among the
//! alerts before it. Everything here only reads; [`super::chain`] writes.

use chrono::{DateTime, Utc};
use ordergate_actors::ingress::naming;
use ordergate_actors::order::{ClientId, Instrument, InstrumentKey, OrderRecord, Product, Side, Strategy};
use ordergate_actors::persistence::{Book, Slot, Topic};
use ordergate_actors::routes::route::choose;
use ordergate_actors::routes::{Facts, OnGap, Planned, Reading, Route, Sequence, Step, Trail, identity, plan, trail};

use super::problem::Problem;
use super::state::WebState;

/// An alert under its route.
#[derive(Debug, Clone)]
pub(super) struct Routing {
    pub route: Route,
    /// The journal row that wrote the route.
    pub version: u64,
    pub planned: Planned,
    /// What it is an order for, if that could be found.
    pub instrument: Option<InstrumentKey>,
    /// What the strategy holds there and has working, in units.
    pub held: i64,
    /// Its place in its chain of position alerts; `None` if it says no position.
    pub place: Option<Link>,
    /// The key that it has, or that was derived from what it carries.
    pub key: Option<String>,
}

/// An alert's place in a chain.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub step: Step,
    /// The chain after it.
    pub after: Trail,
    /// Where the chain is kept.
    pub slot: Slot,
    /// The journal row of the chain before it; 0: there was none.
    pub basis: u64,
}

/// The routes of an account, with their versions. One that another version of ordergate wrote and this one cannot read is
/// left out, and its alerts find no route.
pub(super) fn routes_of(state: &WebState, client_id: &ClientId) -> Vec<(Route, u64)> {
    let read = |book: &Book| book.kept_of(Topic::Route).filter_map(|(_, kept)| Some((kept.read().ok()?, kept.seq))).collect();
    state.engine.read(client_id, read).unwrap_or_default()
}

/// Where a source's count of its alerts is kept.
pub(super) fn sequence_slot(source: &str) -> Slot {
    Slot::new(Topic::Source, format!("{source}#sequence"))
}

/// Where the chain of a route's position alerts about one instrument is kept.
fn chain_slot(source: &str, route: &str, reading: &Reading) -> Slot {
    Slot::new(Topic::Source, format!("{source}|{route}|{}", ordergate_actors::order::clean(&reading.called().to_uppercase(), 80)))
}

/// What the source has numbered so far.
pub(super) fn sequence_of(state: &WebState, client_id: &ClientId, source: &str) -> Option<Sequence> {
    state.engine.read(client_id, |book| book.kept(&sequence_slot(source)).and_then(|kept| kept.read().ok())).flatten()
}

/// Reads an alert under its route. `counted` is the source's count with this alert in it.
///
/// # Errors
/// 400: no route takes it, or several do equally well.
pub(super) fn route(
    state: &WebState,
    client_id: &ClientId,
    source: &str,
    reading: &Reading,
    counted: Option<&Sequence>,
) -> Result<Routing, Problem> {
    let routes = routes_of(state, client_id);
    let (route, version) = choose(&routes, source, reading).map_err(|names| no_route(client_id, source, reading, &routes, &names))?;
    let now = state.now();
    let line = state.engine.line();
    let draft = plan::draft(reading, route, *version);
    // The leg goes on as it was called: the line reads it again, and its record tells by which rule.
    let instrument = naming::name(line, client_id, &draft, now).instrument;
    let held = instrument.as_deref().map_or(0, |found| expected(state, client_id, &route.strategy, &found.key, plan::product(&draft)));
    // One without a number goes through no gap either: it is of the source whose alerts are missing.
    let standing = || sequence_of(state, client_id, source);
    let counted = if route.on_gap == OnGap::Block { counted.cloned().or_else(standing) } else { None };
    let missing = counted.filter(|counted| !counted.missing.is_empty());
    let stopped = missing.map(|counted| format!("entries of {source} stop while its alerts {} are missing", counted.words()));
    let facts = Facts {
        instrument: instrument.as_deref(),
        price: instrument.as_deref().and_then(|found| price(state, client_id, found, reading, route, now)),
        held,
        stopped: stopped.as_deref(),
        now,
    };
    let planned = plan::settle(draft, reading, route, &facts);
    let place = place(state, client_id, source, &route.name, reading);
    let key = reading.key.clone().or_else(|| identity::derived(source, reading));
    Ok(Routing {
        route: route.clone(),
        version: *version,
        planned,
        instrument: instrument.map(|found| found.key.clone()),
        held,
        place,
        key,
    })
}

fn place(state: &WebState, client_id: &ClientId, source: &str, route: &str, reading: &Reading) -> Option<Link> {
    let slot = chain_slot(source, route, reading);
    let kept = state.engine.read(client_id, |book| book.kept(&slot).cloned()).flatten();
    let last: Option<Trail> = kept.as_ref().and_then(|kept| kept.read().ok());
    let (step, after) = trail::step(last.as_ref(), reading)?;
    Some(Link { step, after, slot, basis: kept.map_or(0, |kept| kept.seq) })
}

/// What a strategy will hold in an instrument when all that works there has filled.
pub(super) fn expected(state: &WebState, client_id: &ClientId, strategy: &Strategy, key: &InstrumentKey, product: Option<Product>) -> i64 {
    let is_one = |other: Option<Product>| product.is_none_or(|product| other.is_none_or(|other| other == product));
    let look = |book: &Book| {
        let held = book.holdings_of(strategy).filter(|(of, _)| of.instrument == *key && is_one(Some(of.product)));
        let mut net: i64 = held.map(|(_, holding)| holding.net).sum();
        let owed = book.owed_of(strategy).filter(|order| order.is_for(key) && is_one(order.ask.product));
        net += owed.map(|order| order.ask.side.map_or(0, Side::sign) * (order.filled_quantity - order.traded_quantity)).sum::<i64>();
        // A stop that rests waits for a price, and makes way.
        let counts = |order: &OrderRecord| order.is_for(key) && is_one(order.ask.product) && !order.is_test() && !order.is_resting_stop();
        for order in book.open_of(strategy).filter(|order| counts(order)) {
            match (order.ask.side, order.ask.target_position.filter(|_| order.is_unaimed())) {
                (_, Some(target)) => net = target,
                (None, None) if order.is_exit() && order.quantity() == 0 => net = 0,
                (None, None) => net -= net.signum() * order.unfilled(),
                (Some(side), None) if order.is_exit() && order.quantity() == 0 => net = if side.sign() == net.signum() { net } else { 0 },
                (Some(side), None) => net += side.sign() * order.unfilled(),
            }
        }
        net
    };
    state.engine.read(client_id, look).unwrap_or(0)
}

/// What one unit costs now: the newest fresh quote; else the alert's own price, if the route trades what the alert names.
fn price(
    state: &WebState,
    client_id: &ClientId,
    instrument: &Instrument,
    reading: &Reading,
    route: &Route,
    now: DateTime<Utc>,
) -> Option<ordergate_actors::order::Price> {
    let line = state.engine.line();
    let desk = line.desk(client_id)?;
    let most = chrono::Duration::from_std(desk.settings.waits.quote_max_age).unwrap_or(chrono::Duration::MAX);
    let quote = line.newest_quote(desk, &instrument.key).filter(|quote| now.signed_duration_since(quote.at) <= most);
    let own = || {
        reading
            .price
            .as_deref()
            .filter(|_| route.instrument.is_none())
            .and_then(|text| ordergate_actors::order::Price::parse(text.trim()).ok())
    };
    quote.map(|quote| quote.last).or_else(own)
}

fn no_route(client_id: &ClientId, source: &str, reading: &Reading, routes: &[(Route, u64)], equal: &[&str]) -> Problem {
    let clean = |text: &str| ordergate_actors::order::clean(text, 60);
    let mut alert = format!("source {source}, {}", clean(&reading.called()));
    if let Some(strategy) = &reading.strategy {
        alert.push_str(&format!(", strategy {:?}", clean(strategy)));
    }
    if let Some(wrong) = reading.wrong.first() {
        alert.push_str(&format!("; {}", ordergate_actors::order::clean(wrong, 160)));
    }
    if equal.is_empty() {
        let known = if routes.is_empty() { "it has none".to_owned() } else { format!("it has {}", names(routes)) };
        let detail = format!("no route of {client_id} takes this alert ({alert}); {known}");
        Problem::bad_request("no_route", detail, "make a route for it: `ordergate connect route`, [[routes]], or PUT /dashboard/routes")
    } else {
        let detail = format!("routes {} of {client_id} take this alert equally well ({alert})", equal.join(" and "));
        Problem::bad_request("two_routes", detail, "give one of them a condition more: source, alert_strategy or ticker")
    }
}

fn names(routes: &[(Route, u64)]) -> String {
    routes.iter().take(8).map(|(route, _)| route.name.as_str()).collect::<Vec<_>>().join(", ")
}
