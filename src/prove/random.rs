//! Kills at random moments, in the middle of a burst, with faults of the broker and of the way to it; all of it drawn from the seed.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::child::Children;
use super::engine::{Alert, Engine};
use super::house::Place;
use super::run::{Stage, Told, whole};
use super::venue::Truth;
use super::wire::Trouble;
use crate::simulator::noise::hash;

const SYMBOLS: [(&str, &str); 3] = [("SBIN-EQ", "800.00"), ("INFY-EQ", "1450.00"), ("RELIANCE-EQ", "1350.00")];

/// Faults that a call may meet. What a late call does is done before the bound of visibility.
const FAULTS: [(&str, &str); 9] = [
    ("PlaceOrder", "accept_then_drop"),
    ("PlaceOrder", "accept_then_502"),
    ("PlaceOrder", "refuse_then_502"),
    ("PlaceOrder", "slow"),
    ("PlaceOrder", "late"),
    ("CancelOrder", "accept_then_drop"),
    ("OrderBook", "accept_then_502"),
    ("TradeBook", "accept_then_502"),
    ("om", "stream_lost"),
];

/// Numbers from a seed, one after the other.
struct Draw {
    seed: u64,
    next: u64,
}

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.next += 1;
        hash(&[self.seed, self.next]) % limit
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = self.below(u64::try_from(of.len()).ok()?);
        of.get(usize::try_from(at).ok()?).copied()
    }
}

/// Kills the engine once or twice at moments that the seed draws.
pub(super) async fn at_random(place: &Place, children: &Children, seed: u64, run: u32) -> Told {
    let number = hash(&[seed, u64::from(run)]);
    let way = async |stage: &mut Stage<'_>| burst(stage, Draw { seed: number, next: 0 }).await;
    let goal = async |_: &mut Stage<'_>, _: &Engine| Ok(());
    whole(place, children, number, way, goal, |_, truth| flipped(truth)).await
}

/// Every alert buys, or leaves what was bought: whatever is short was turned by an exit.
fn flipped(truth: &Truth) -> Option<String> {
    let (symbol, net) = truth.nets.iter().flatten().find(|(_, net)| **net < 0)?;
    Some(format!("the broker holds {net} {}, and nobody sold but to leave", symbol.0))
}

async fn burst(stage: &mut Stage<'_>, mut draw: Draw) -> anyhow::Result<()> {
    // A third of the runs has no fault but the kill.
    let faults = if draw.below(3) == 0 { 0 } else { 1 + draw.below(5) };
    for _ in 0..faults {
        stage.venue.fault(fault(&mut draw)).await?;
    }
    let engine = stage.start(None)?;
    engine.opens().await?;
    let alerts = script(&mut draw);
    let dies_at = Instant::now() + Duration::from_millis(draw.below(1_200));
    let mut answers = Vec::new();
    for alert in alerts {
        tokio::time::sleep(Duration::from_millis(draw.below(60))).await;
        if Instant::now() >= dies_at {
            break;
        }
        if draw.below(6) == 0
            && let Some(wire) = &stage.wire
        {
            wire.set(trouble(&mut draw));
        }
        if draw.below(8) == 0 {
            cancel_one(&engine).await;
        }
        let mut posted = vec![engine.post(&alert).await?];
        if draw.below(8) == 0 {
            // The same once more: one alert.
            posted.push(engine.post(&alert).await?);
        }
        answers.push((alert, posted));
    }
    tokio::time::sleep_until(dies_at).await;
    stage.kill(engine);
    for (alert, posted) in answers {
        let mut answered = Vec::new();
        for answer in posted {
            answered.extend(answer.await.ok().flatten());
        }
        let mut answered = answered.into_iter();
        stage.alerts.push(Alert { answered: answered.next(), repeated: answered.collect(), ..alert });
    }
    if draw.below(2) == 0 {
        // Once more, in the middle of the recovery.
        let engine = stage.start(None)?;
        let _whether_it_listens = tokio::time::timeout(Duration::from_millis(100 + draw.below(900)), engine.opens()).await;
        stage.kill(engine);
    }
    Ok(())
}

/// What becomes of the way to the broker next.
fn trouble(draw: &mut Draw) -> Trouble {
    match draw.below(6) {
        0 => Trouble::Late(Duration::from_millis(draw.below(300))),
        1 => Trouble::Still,
        2 => Trouble::Reset,
        _ => Trouble::None,
    }
}

fn fault(draw: &mut Draw) -> Value {
    let (route, fault) = draw.one_of(&FAULTS).unwrap_or(FAULTS[0]);
    json!({ "route": route, "fault": fault, "ms": 100 + draw.below(500), "nth": 1 + draw.below(6) })
}

/// 8 to 20 alerts of six strategies.
fn script(draw: &mut Draw) -> Vec<Alert> {
    let count = 8 + draw.below(13);
    let mut alerts: Vec<Alert> = Vec::new();
    for number in 0..count {
        let strategy = draw.below(6);
        let (symbol, low) = SYMBOLS.get(usize::try_from(strategy % 3).unwrap_or(0)).copied().unwrap_or(SYMBOLS[0]);
        // What a third of the strategies enters has a stop, too far away to be reached.
        let has_stop = strategy.is_multiple_of(3);
        let (strategy, key) = (format!("s{strategy}"), format!("alert-{number}"));
        let quantity = 1 + draw.below(20);
        let mut alert = match draw.below(10) {
            0..=4 => {
                let leg = json!({ "tradingsymbol": symbol, "direction": "BUY", "qty": quantity, "order_type": "MARKET" });
                Alert::new(&key, &strategy, "ENTRY", leg)
            }
            5..=6 => {
                let leg = json!({ "tradingsymbol": symbol, "direction": "BUY", "qty": quantity, "order_type": "LIMIT", "price": low });
                Alert::new(&key, &strategy, "ENTRY", leg)
            }
            _ => Alert::new(&key, &strategy, "EXIT", json!({ "tradingsymbol": symbol, "order_type": "MARKET" })),
        };
        if has_stop && alert.body["execution_type"] == "ENTRY" {
            alert.body["legs"][0]["stop_loss"] = json!("20%");
        }
        alerts.push(alert);
    }
    alerts
}

async fn cancel_one(engine: &Engine) {
    let Ok(orders) = engine.orders().await else { return };
    if let Some(order) = orders.iter().find(|order| order.works()) {
        let path = format!("/dashboard/orders/{}/cancel", order.command_id);
        if let Ok(asked) = engine.act(&path, json!({ "reason": "a proof" })).await {
            drop(asked);
        }
    }
}
