//! What people do to the engine.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::Engine;
use ordergate_actors::order::{ClientId, Price, Quantity, Strategy};
use ordergate_actors::persistence::{ControlChange, Keep, KillLevel, Level, Slot, Topic};
use ordergate_actors::ports::Clock;
use ordergate_actors::risk::{Change, LimitName, Override};
use rust_decimal::Decimal;

use super::{World, neighbour};
use crate::script::Act;

impl World {
    /// What a person does. Each answer is waited for, but not for ever.
    pub(super) async fn operate(&self, engine: &Engine, client: &ClientId, act: &Act, clock: &dyn Clock) {
        let who = "simulation";
        let newest = || engine.read(client, |book| book.open_orders().last().cloned()).flatten();
        let asked: Pin<Box<dyn Future<Output = bool> + '_>> = match act {
            Act::Alert(_) | Act::Beside(_) | Act::NextDoor(_) => return,
            Act::Cancel => {
                let Some(order) = newest() else { return };
                Box::pin(async move { engine.cancel(client, order.command_id, who, "").await.is_ok() })
            }
            Act::Change(paise) => {
                let Some(order) = newest() else { return };
                let price = order.ask.price.and_then(|price| Price::new(price.value() + Decimal::new(*paise, 2)));
                // An exit that rests is asked to become larger: what it may close is a promise, its price is not.
                let price = price.filter(|_| !order.is_exit());
                let quantity = if price.is_none() { Quantity::new(order.quantity() + 1) } else { None };
                let change = Change {
                    client_id: client.clone(),
                    command_id: order.command_id,
                    quantity,
                    price,
                    trigger_price: None,
                    order_type: None,
                    who: who.to_owned(),
                };
                Box::pin(async move { engine.modify(change).await.is_ok() })
            }
            Act::Kill(level) => {
                let change = ControlChange::Account(*level);
                Box::pin(async move { engine.control(client, change, who, "drill").await.is_ok_and(|outcome| outcome.is_applied()) })
            }
            Act::KillStrategy(strategy, level) => {
                let change = ControlChange::Strategy(named(*strategy), *level);
                Box::pin(async move { engine.control(client, change, who, "drill").await.is_ok_and(|outcome| outcome.is_applied()) })
            }
            Act::Override(most) => {
                let keep = overridden(client, *most, clock.now());
                Box::pin(async move { engine.keep(keep).await.is_ok() })
            }
        };
        // A kill holds from its answer on, and until somebody who re-arms has asked for that.
        let kill = killed(act);
        let kills = if *client == neighbour() { &self.kills_next_door } else { &self.kills };
        if let Some((whose, level)) = &kill {
            kills.asked(whose.as_ref(), *level);
        }
        let is_done = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap_or(false);
        if let Some((whose, level)) = kill.filter(|_| is_done) {
            kills.answered(whose.as_ref(), level);
        }
    }
}

fn named(strategy: u64) -> Strategy {
    Strategy::parse(&format!("s{strategy}")).unwrap()
}

/// Whose level a person sets, and to what.
fn killed(act: &Act) -> Option<(Option<Strategy>, KillLevel)> {
    match act {
        Act::Kill(level) => Some((None, *level)),
        Act::KillStrategy(strategy, level) => Some((Some(named(*strategy)), *level)),
        _ => None,
    }
}

/// The largest order is set otherwise for a minute.
fn overridden(client: &ClientId, most: u64, now: DateTime<Utc>) -> Keep {
    let set = Override {
        limit: LimitName::MaxQuantity,
        value: Decimal::from(most),
        who: "simulation".to_owned(),
        reason: "drill".to_owned(),
        from: now,
        until: now + chrono::Duration::minutes(1),
    };
    let keep = Keep {
        client_id: Some(client.clone()),
        slot: Slot::new(Topic::Override, set.limit.as_str()),
        value: None,
        basis: None,
        event: "OVERRIDE_SET",
        level: Level::Warn,
        reason: "drill".into(),
        who: "simulation".into(),
        command_id: None,
    };
    keep.with(&set).unwrap()
}
