//! The shell of a run: asks the broker, writes down what it says, and judges nothing.

mod account;
mod cleanup;
mod extras;
mod market;
mod rates;
mod session;
mod small;
mod stop;
mod unit;

pub(super) use small::by_number;

use std::sync::Arc;

use ordergate_actors::order::{Exchange, Instrument, Price};

use super::Plan;
use super::bench::{Bench, far_below};
use super::facts::{Facts, Found, Tried};

/// Everything that may be tried, in this order.
pub(super) async fn all(plan: &Plan, bench: &Bench) -> Facts {
    let mut facts = Facts::new(plan.symbol.clone(), plan.max_skew);
    facts.masters = market::masters(plan).await;
    facts.session = session::proven(bench).await;
    if facts.session.is_err() {
        return facts;
    }
    let report = session::report(bench).await;
    (facts.skew_ms, facts.token_ends_at) = (Ok(report.clock_skew_ms), report.token_ends_at);
    facts.token = session::reuse(bench).await;
    facts.funds = Ok(account::funds(bench).await);
    facts.orders = Ok(account::orders(bench).await);
    facts.trades = Ok(account::trades(bench).await);
    facts.fillshares = account::fillshares(bench).await;
    facts.positions = Ok(account::positions(bench).await);
    let instrument = market::instrument(bench, &plan.symbol);
    let quote = match &instrument {
        Ok(instrument) => Ok(market::quote(bench, instrument).await),
        Err(cause) => Err(cause.clone()),
    };
    facts.index = Ok(market::index(bench).await);
    if let Ok(instrument) = &instrument {
        facts.search = Ok(market::search(bench, instrument).await);
        facts.security = Ok(market::security(bench, instrument).await);
    } else if let Err(cause) = &instrument {
        (facts.search, facts.security) = (Err(cause.clone()), Err(cause.clone()));
    }
    facts.stream = match &instrument {
        Ok(instrument) => Ok(session::stream(bench, instrument).await),
        Err(cause) => Err(cause.clone()),
    };
    facts.rates = rates::texts(bench).await;
    facts.second_login = session::second_login(plan, bench).await;
    let place = place(&instrument, &quote);
    facts.quote = quote;
    facts.margin = match &place {
        Ok((instrument, price)) => Ok(account::margin(bench, instrument, *price).await),
        Err(cause) => Err(cause.clone()),
    };
    if let Err(cause) = &plan.orders {
        without_orders(&mut facts, cause);
        return facts;
    }
    match place {
        Ok((instrument, price)) => with_orders(&mut facts, bench, &instrument, price).await,
        Err(cause) => without_orders(&mut facts, &cause),
    }
    facts
}

/// The instrument, and a price where nothing fills.
fn place(instrument: &Found<Arc<Instrument>>, quote: &Tried<Found<super::facts::Quoted>>) -> Found<(Arc<Instrument>, Price)> {
    let instrument = instrument.as_ref().map_err(Clone::clone)?;
    if !instrument.is_tradable() {
        return Err(format!("needs an instrument that trades, not {}", instrument.key));
    }
    match quote {
        Ok(Ok(quoted)) => Ok((Arc::clone(instrument), far_below(instrument, &quoted.market)?)),
        Ok(Err(cause)) | Err(cause) => Err(format!("needs a quote of {}: {cause}", instrument.key)),
    }
}

fn without_orders(facts: &mut Facts, cause: &str) {
    facts.small = Err(cause.to_owned());
    facts.long = Err(cause.to_owned());
    facts.refusal = Err(cause.to_owned());
    facts.stop = Err(cause.to_owned());
    facts.ampersand = Err(cause.to_owned());
    facts.unit = Err(cause.to_owned());
    facts.left = Err(cause.to_owned());
}

async fn with_orders(facts: &mut Facts, bench: &Bench, instrument: &Arc<Instrument>, price: Price) {
    facts.unit = unit::settle(bench, instrument, price).await;
    let quantity = match (&facts.unit, instrument.key.exchange) {
        (Ok(unit), Exchange::Mcx | Exchange::Cds) => match unit.unit {
            Some(ordergate_actors::QuantityUnit::Lots) => Ok(1),
            Some(ordergate_actors::QuantityUnit::Units) => Ok(unit.lot),
            None => Err("needs to know what a quantity counts here".to_owned()),
        },
        (Err(cause), Exchange::Mcx | Exchange::Cds) => Err(cause.clone()),
        _ => Ok(instrument.lot.value()),
    };
    match quantity {
        Ok(quantity) => {
            facts.small = small::life(bench, instrument, quantity, price).await;
            // What the first order proved unsafe is not repeated with others.
            if facts.small.as_ref().is_ok_and(|small| small.is_cancelled) {
                facts.long = extras::long_remarks(bench, instrument, quantity, price).await;
                facts.refusal = extras::refusal(bench, instrument, quantity).await;
                facts.stop = stop::life(bench, instrument, quantity, price).await;
                facts.ampersand = extras::ampersand(bench).await;
            } else {
                let cause = "needs the small order to be placed and cancelled first";
                (facts.long, facts.refusal, facts.ampersand) = (Err(cause.into()), Err(cause.into()), Err(cause.into()));
                facts.stop = Err(cause.into());
            }
        }
        Err(cause) => {
            let unit = std::mem::replace(&mut facts.unit, Err(String::new()));
            without_orders(facts, &cause);
            facts.unit = unit;
        }
    }
    facts.left = Ok(cleanup::clean(bench).await);
}
