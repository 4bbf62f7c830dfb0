//! What brings an engine to a step, and what must have come of it.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::engine::{Alert, Engine, Own};
use super::run::Stage;
use super::venue::{Theirs, Venue};
use crate::drill::{Act, Step};

/// Units of every order.
const QUANTITY: i64 = 10;
/// Units of a target, and of the other side of it.
const TARGET: i64 = 5;

/// An entry that fills at once.
fn entry(key: &str, strategy: &str) -> Alert {
    let leg = json!({ "tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": QUANTITY, "order_type": "MARKET" });
    Alert::new(key, strategy, "ENTRY", leg)
}

/// An entry that rests.
fn resting(key: &str, strategy: &str) -> Alert {
    let leg = json!({ "tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": QUANTITY, "order_type": "LIMIT", "price": "800.00" });
    Alert::new(key, strategy, "ENTRY", leg)
}

fn target(key: &str, position: i64) -> Alert {
    let leg = json!({ "tradingsymbol": "SBIN-EQ", "target_position": position, "order_type": "MARKET" });
    Alert::new(key, "a", "TARGET", leg)
}

/// The broker does the next call of that route at once and answers late, or does it late.
fn under_way(route: &str, run: u32) -> Value {
    let (fault, ms) = if run.is_multiple_of(2) { ("slow", 900) } else { ("late", 600) };
    json!({ "route": route, "fault": fault, "ms": ms })
}

/// From now on only the answer to a call tells of an order: no message does, and no book.
async fn blinded(venue: &Venue) -> anyhow::Result<()> {
    for (route, fault) in [("om", "stream_lost"), ("OrderBook", "accept_then_502"), ("TradeBook", "accept_then_502")] {
        venue.fault(json!({ "route": route, "fault": fault, "count": 0 })).await?;
    }
    Ok(())
}

/// Brings an engine to that step, and kills it there.
pub(super) async fn reach(stage: &mut Stage<'_>, step: Step, run: u32) -> anyhow::Result<()> {
    match step.act() {
        Act::Start => {
            // A restart has something to find: an order under way, one that was never called, one whose answer is not on disk.
            let first = [Step::CallDuring, Step::SendAfter, Step::CallAfter];
            let before = first.get(usize::try_from(run)? % first.len()).copied().unwrap_or(Step::CallDuring);
            killed_on_its_way(stage, before, run).await?;
            killed_by_itself(stage, step).await
        }
        Act::Absence => {
            killed_on_its_way(stage, Step::SendAfter, run).await?;
            killed_by_itself(stage, step).await
        }
        Act::Entry | Act::Refusal | Act::Doubt => killed_on_its_way(stage, step, run).await,
        Act::Book | Act::Cancel | Act::Change => killed_with_a_working_order(stage, step, run).await,
        Act::Kill => {
            let engine = opened(stage, step).await?;
            let asked = engine.act("/dashboard/kill", json!({ "level": 1, "reason": "a proof" })).await?;
            stands_and_dies(stage, engine).await?;
            if asked.await.unwrap_or(false) {
                bail!("the kill was answered before its step");
            }
            Ok(())
        }
        Act::Rule => killed_at_its_stop(stage, step).await,
        Act::Reversal => {
            let engine = opened(stage, step).await?;
            stage.deliver(&engine, target("there", TARGET)).await?;
            engine.until_order("has filled", |order| order.status == "EXECUTED").await?;
            post_and_die(stage, engine, target("back", -TARGET)).await
        }
        Act::Stop => {
            let engine = opened(stage, step).await?;
            stage.deliver(&engine, resting("rests", "b")).await?;
            engine.until_order("works", |order| order.works()).await?;
            let alert = entry("last", "a");
            let answer = engine.post(&alert).await?;
            engine.process.terminate()?;
            engine.process.stands().await?;
            stage.kill(engine);
            let answered = answer.await.ok().flatten();
            stage.alerts.push(Alert { answered, ..alert });
            Ok(())
        }
    }
}

async fn opened(stage: &Stage<'_>, stop_at: Step) -> anyhow::Result<Engine> {
    let engine = stage.start(Some(stop_at))?;
    engine.opens().await.context("before its step")?;
    Ok(engine)
}

async fn stands_and_dies(stage: &mut Stage<'_>, engine: Engine) -> anyhow::Result<()> {
    engine.process.stands().await?;
    stage.kill(engine);
    Ok(())
}

/// A start comes to its step by itself.
async fn killed_by_itself(stage: &mut Stage<'_>, step: Step) -> anyhow::Result<()> {
    stage.heal().await?;
    let engine = stage.start(Some(step))?;
    stands_and_dies(stage, engine).await
}

/// Sends an alert whose answer nobody waits for.
async fn post_and_die(stage: &mut Stage<'_>, engine: Engine, alert: Alert) -> anyhow::Result<()> {
    let answer = engine.post(&alert).await?;
    let stood = stands_and_dies(stage, engine).await;
    let answered = answer.await.ok().flatten();
    stage.alerts.push(Alert { answered, ..alert });
    stood
}

async fn killed_on_its_way(stage: &mut Stage<'_>, step: Step, run: u32) -> anyhow::Result<()> {
    let engine = opened(stage, step).await?;
    let alert = match step.act() {
        Act::Refusal => {
            let leg = json!({ "tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 1_000_000, "order_type": "MARKET" });
            Alert::new("entry", "a", "ENTRY", leg)
        }
        _ => entry("entry", "a"),
    };
    match step {
        Step::CallDuring => stage.venue.fault(under_way("PlaceOrder", run)).await?,
        Step::DoubtBefore | Step::DoubtAfter => {
            let fault = if run.is_multiple_of(2) { "accept_then_drop" } else { "refuse_then_502" };
            stage.venue.fault(json!({ "route": "PlaceOrder", "fault": fault })).await?;
            blinded(&stage.venue).await?;
        }
        Step::AnswerBefore | Step::AnswerAfter => blinded(&stage.venue).await?,
        _ => {}
    }
    post_and_die(stage, engine, alert).await
}

async fn killed_with_a_working_order(stage: &mut Stage<'_>, step: Step, run: u32) -> anyhow::Result<()> {
    let engine = opened(stage, step).await?;
    stage.deliver(&engine, resting("rests", "a")).await?;
    let order = tokio::select! {
        order = engine.until_order("works", |order| order.works()) => Some(order?),
        // The stream may tell of the order before its call is answered: that is news of the book already.
        stood = engine.process.stands(), if step.act() == Act::Book => stood.map(|()| None)?,
    };
    let Some(order) = order else {
        stage.kill(engine);
        return Ok(());
    };
    match step {
        Step::CancelCallDuring => stage.venue.fault(under_way("CancelOrder", run)).await?,
        Step::ChangeCallDuring => stage.venue.fault(under_way("ModifyOrder", run)).await?,
        _ => {}
    }
    if step.act() == Act::Book {
        stage.venue.strike(order.broker_order_id.as_deref().unwrap_or_default()).await?;
        return stands_and_dies(stage, engine).await;
    }
    let (what, body) =
        if step.act() == Act::Cancel { ("cancel", json!({ "reason": "a proof" })) } else { ("modify", json!({ "price": "801.00" })) };
    let asked = engine.act(&format!("/dashboard/orders/{}/{what}", order.command_id), body).await?;
    stands_and_dies(stage, engine).await?;
    let _whatever_it_heard = asked.await;
    Ok(())
}

async fn killed_at_its_stop(stage: &mut Stage<'_>, step: Step) -> anyhow::Result<()> {
    let engine = opened(stage, step).await?;
    let mut alert = entry("entry", "a");
    alert.body["legs"][0]["stop_loss"] = json!("840");
    if matches!(step, Step::RuleSetBefore | Step::RuleSetAfter) {
        return post_and_die(stage, engine, alert).await;
    }
    stage.deliver(&engine, alert).await?;
    engine.until_order("has filled", |order| order.status == "EXECUTED").await?;
    while !engine.has_rule().await? {
        tokio::time::sleep(super::engine::LOOK).await;
    }
    fall(&stage.venue).await?;
    stands_and_dies(stage, engine).await
}

/// The price falls through the stop.
async fn fall(venue: &Venue) -> anyhow::Result<()> {
    venue.price("SBIN-EQ", "838.00", "838.10").await
}

/// What happens to the last process beside its recovery.
pub(super) async fn go_on(stage: &mut Stage<'_>, engine: &Engine, step: Step) -> anyhow::Result<()> {
    match step {
        Step::RuleSetBefore | Step::RuleSetAfter => {
            engine.until_order("has filled", |order| order.status == "EXECUTED").await?;
            while !engine.has_rule().await? {
                tokio::time::sleep(super::engine::LOOK).await;
            }
            fall(&stage.venue).await
        }
        Step::KillAfter => {
            engine.opens().await?;
            stage.deliver(engine, entry("after the kill", "b")).await?;
            let order = engine.until_order("came after the kill", |order| order.strategy == "b").await?;
            if order.tag.as_deref() != Some("KILL_SWITCH") {
                bail!("entries were stopped on disk, and one went after the restart: {order:?}");
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What the broker's book must come to, beside agreeing with ours.
pub(super) fn missing(step: Step, own: &Own, theirs: &[Theirs]) -> Option<String> {
    let net: i64 = theirs.iter().map(|row| row.signed).sum();
    let wanted = match (step.act(), step) {
        (Act::Rule | Act::Refusal | Act::Absence | Act::Book | Act::Cancel | Act::Change, _) => 0,
        (Act::Reversal, _) => -TARGET,
        // Written as sent and never called: it is proven absent, and nobody sends it again by himself.
        (Act::Entry, Step::SendAfter | Step::CallBefore) => 0,
        // The same if the intention to send was in the commit that registered it.
        (Act::Entry, Step::RegisterAfter) if own.orders.iter().any(|order| order.tag.as_deref() == Some("NOT_AT_BROKER")) => 0,
        (Act::Entry, _) => QUANTITY,
        (Act::Start | Act::Doubt | Act::Kill | Act::Stop, _) => return None,
    };
    (net != wanted).then(|| format!("the broker holds {net} units, and it must come to {wanted}"))
}
