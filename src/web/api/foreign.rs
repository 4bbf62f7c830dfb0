//! `POST /dashboard/kill` with `foreign`: what nobody here has opened is taken over first, each as a difference that is adopted, so that
//! the square-off closes it like everything else: bounded by what the broker holds, and on record.

use std::sync::Arc;

use ordergate_actors::order::{ClientId, HoldingKey, Price, Product, Strategy};
use ordergate_actors::persistence::{Adopted, Gross};
use ordergate_actors::pnl::Difference;
use serde_json::{Value, json};

use super::differences::{carried, close_of_carried, know_its_point, of_account, taken};
use crate::web::problem::Problem;
use crate::web::state::WebState;

/// Whose it becomes.
const OWNER: &str = "foreign";

/// Takes over every position of these accounts that the broker shows and no strategy holds, delivery holdings aside. Answers one row for
/// each, with why it was left, if it was.
pub(super) async fn take_over(state: &WebState, clients: &[ClientId], who: &str, reason: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    for client_id in clients {
        let Some(found) = of_account(state, client_id) else {
            rows.push(
                json!({ "client_id": client_id, "position": null, "units": null, "left": "the broker's positions were not read yet" }),
            );
            continue;
        };
        for one in found.iter().filter(|one| one.at_broker != 0 && one.key.product != Product::Cnc) {
            let left = take(state, client_id, one, who, reason).await.err();
            rows.push(json!({ "client_id": client_id, "position": one.key.to_string(), "units": one.units(), "left": left }));
        }
    }
    rows
}

/// Takes one over, or says why not.
async fn take(state: &WebState, client_id: &ClientId, found: &Difference, who: &str, reason: &str) -> Result<(), String> {
    let key = &found.key;
    let owner = Strategy::parse(OWNER).map_err(|cause| cause.to_string())?;
    let net_before = state
        .engine
        .read(client_id, |book| if is_alone(book.gross(key), book.held(&owner, key).net) { Some(book.held(&owner, key).net) } else { None })
        .flatten()
        .ok_or("strategies hold the same: what is more than theirs is closed at the broker, or adopted first")?;
    if net_before.signum() * found.units().signum() < 0 {
        return Err("what an earlier kill took over was closed in part by somebody else: the rest of it is being closed".to_owned());
    }
    if found.is_settling() {
        return Err("trades of our own orders are on their way: send it again after the next read of the books".to_owned());
    }
    let words = |problem: Problem| problem.detail().to_owned();
    let (quantity, side) = taken(found, None).map_err(words)?;
    let price = price(state, client_id, found).ok_or("no price of it is known: adopt it with one, or close it at the broker")?;
    know_its_point(state, client_id, &key.instrument, who).await.map_err(words)?;
    let adopted = Adopted {
        client_id: client_id.clone(),
        strategy: owner,
        key: key.clone(),
        side,
        quantity,
        price,
        net_before,
        who: Arc::from(who),
        reason: Arc::from(format!("{reason}: {side} {quantity} {key} at {price} taken over to be squared off")),
    };
    match state.engine.adopt(adopted).await {
        Ok(outcome) if outcome.is_applied() => Ok(()),
        Ok(_) => Err("something else was held when it was written: send it again".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether nobody but the owner of what is taken over holds something there. It holds what an earlier kill took over, until that is closed.
fn is_alone(all: Gross, owner: i64) -> bool {
    (all.long, all.short) == (owner.max(0), (-owner).max(0))
}

/// From which price it counts: what it was traded at, and of what was carried into the day the close of the day before. Else what the
/// broker's row says, which of what was carried is a price of an earlier day, and then is none; else the newest quote.
fn price(state: &WebState, client_id: &ClientId, found: &Difference) -> Option<Price> {
    let desk = state.engine.desk(client_id).ok()?;
    let close = close_of_carried(state, client_id, found);
    let row = |key: &HoldingKey| {
        if carried(state, client_id, key).is_some() {
            return None;
        }
        let findings = desk.findings.read();
        let row = findings.positions.as_ref()?.rows().iter().find(|row| row.holding == *key)?.average_price?;
        Price::new(row.round_dp(4))
    };
    let quoted = || Some(state.engine.line().newest_quote(desk, &found.key.instrument)?.last);
    counts_from(found, close, || row(&found.key), quoted)
}

fn counts_from(
    found: &Difference,
    close: Option<Price>,
    row: impl FnOnce() -> Option<Price>,
    quoted: impl FnOnce() -> Option<Price>,
) -> Option<Price> {
    found.price_from(close).or(close).or_else(row).or_else(quoted)
}

#[cfg(test)]
mod tests {
    use ordergate_actors::order::{Exchange, InstrumentKey};
    use ordergate_actors::pnl::{Cause, Part};

    use super::*;

    /// Carried since last week at 24,000; it closed at 23,000 yesterday. A thousand rupees a unit were lost by then, and not today.
    #[test]
    fn what_was_carried_into_the_day_counts_from_the_close_before_it() {
        let key = HoldingKey { instrument: InstrumentKey::new(Exchange::Nfo, "NIFTY24DEC26F"), product: Product::Nrml };
        let part = |cause, units, price: Option<i64>| Part { cause, units, evidence: vec![], price: price.map(Into::into) };
        let of = |at_broker, parts| Difference { key: key.clone(), ours: 0, at_broker, parts, is_owed: false, ignored: None };
        let rupees = |text: &str| Price::parse(text).ok();
        let price = |found: &Difference, close| counts_from(found, close, || None, || rupees("23050"));
        let carried = of(65, vec![part(Cause::Unknown, 65, None)]);
        assert_eq!(price(&carried, rupees("23000")), rupees("23000"));
        assert_eq!(price(&carried, None), rupees("23050"), "not what it cost");
        let more = of(130, vec![part(Cause::ManualTrade, 65, Some(23_100)), part(Cause::Unknown, 65, None)]);
        assert_eq!(price(&more, rupees("23000")), rupees("23050"));
        let of_today = of(65, vec![part(Cause::ManualTrade, 65, Some(23_100))]);
        assert_eq!(price(&of_today, None), rupees("23100"));
        let untold = of(65, vec![part(Cause::Unknown, 65, None)]);
        assert_eq!(counts_from(&untold, None, || rupees("22000"), || rupees("23050")), rupees("22000"), "a row of today");
    }

    #[test]
    fn what_an_earlier_kill_took_over_is_no_position_of_a_strategy() {
        let alone = |long, short, owner| is_alone(Gross { long, short }, owner);
        assert!(alone(0, 0, 0) && alone(40, 0, 40) && alone(0, 40, -40));
        assert!(!alone(50, 0, 40) && !alone(40, 5, 40) && !alone(10, 0, 0));
    }
}
