//! `modifyorder`, `cancelorder`, `cancelallorder`.

use ordergate_actors::order::{BadNumber, CommandId, OrderType, Price, Quantity, Tag, clean};
use ordergate_actors::risk::{Change, ChangeAnswer};
use serde_json::json;

use super::words::price_type;
use super::{Asked, text_of};
use crate::web::problem::Problem;
use crate::web::state::WebState;

fn bad(error: &BadNumber) -> Problem {
    Problem::bad_request("bad_request", error.to_string(), "see docs/openalgo.md")
}

/// Changes what differs: OpenAlgo's clients send the whole order again.
pub(super) async fn modify(state: &WebState, asked: &Asked) -> Result<String, Problem> {
    let order = asked.order(state).await?;
    asked.check(order.ask.strategy.as_str())?;
    let kind = match asked.text("pricetype")?.or(text_of(&asked.body, "price_type")?) {
        Some(text) => Some(
            OrderType::parse(text.trim())
                .ok_or_else(|| Problem::bad_request("bad_request", "pricetype is not known", "see docs/openalgo.md"))?,
        ),
        None => order.ask.order_type,
    };
    if kind != order.ask.order_type {
        let (is, wanted) = (order.ask.order_type.map_or("?", price_type), kind.map_or("?", price_type));
        return Err(Problem::conflict(
            "bad_request",
            format!("the order is {is} and cannot become {wanted}: cancel it and send another"),
            "see docs/openalgo.md",
        ));
    }
    let quantity = asked.text("quantity")?.map(|text| Quantity::parse(text.trim())).transpose().map_err(|error| bad(&error))?;
    let price = |name: &str, counts: bool| {
        let text = if counts { asked.text(name)? } else { None };
        text.map(|text| Price::parse(text.trim())).transpose().map_err(|error| bad(&error))
    };
    let limit = price("price", kind.is_some_and(OrderType::has_price))?;
    let trigger = price("trigger_price", kind.is_some_and(OrderType::has_trigger))?;
    let change = Change {
        client_id: order.client_id.clone(),
        command_id: order.command_id,
        quantity: quantity.filter(|quantity| Some(*quantity) != order.ask.quantity),
        price: limit.filter(|price| Some(*price) != order.ask.price),
        trigger_price: trigger.filter(|price| Some(*price) != order.ask.trigger_price),
        order_type: None,
        who: asked.caller.words(),
    };
    let id = order.command_id;
    if change.quantity.is_none() && change.price.is_none() && change.trigger_price.is_none() {
        return Ok(json!({ "status": "success", "orderid": id, "message": "nothing to change: the order is as you want it" }).to_string());
    }
    Ok(match state.engine.modify(change).await? {
        ChangeAnswer::Asked => json!({ "status": "success", "orderid": id, "message": "the change is on its way to the broker; orderstatus tells what became of it" }),
        ChangeAnswer::Refused(reason) => json!({ "status": "error", "orderid": id, "message": reason }),
    }
    .to_string())
}

/// Cancels one order.
pub(super) async fn cancel(state: &WebState, asked: &Asked) -> Result<String, Problem> {
    let order = asked.order(state).await?;
    asked.check(order.ask.strategy.as_str())?;
    let id = order.command_id;
    let outcome = state.engine.cancel(&order.client_id, id, &asked.caller.words(), "").await?;
    Ok(if outcome.is_applied() {
        json!({ "status": "success", "orderid": id, "message": "the cancel is written down and asked for; orderstatus tells when the order is dead" })
    } else {
        let status = outcome.record().map_or(order.status, |record| record.status);
        json!({ "status": "error", "orderid": id, "message": format!("the order is {status}, or is being cancelled already") })
    }
    .to_string())
}

/// Cancels every order of the strategy that is open.
pub(super) async fn cancel_all(state: &WebState, asked: &Asked) -> Result<String, Problem> {
    let strategy = asked.strategy()?;
    asked.check(&strategy)?;
    let open: Vec<CommandId> = state
        .engine
        .read(&asked.client_id, |book| {
            // One that only makes room for another is not wanted gone yet.
            let stays = |wanted: Option<Tag>| wanted.is_none_or(|tag| tag == Tag::Replaced);
            let of_it = book.open_orders().filter(|order| order.ask.strategy.as_str() == strategy && stays(order.cancel_wanted));
            of_it.map(|order| order.command_id).collect()
        })
        .unwrap_or_default();
    let who = asked.caller.words();
    let asked_for = open.iter().map(|id| state.engine.cancel(&asked.client_id, *id, &who, "cancelallorder"));
    let outcomes = futures_util::future::join_all(asked_for).await;
    let (mut cancelled, mut ended, mut unasked) = (Vec::new(), Vec::new(), Vec::new());
    for (id, outcome) in open.into_iter().zip(outcomes) {
        match outcome {
            Ok(outcome) if outcome.is_applied() => cancelled.push(id),
            Ok(_) => ended.push(id),
            Err(_) => unasked.push(id),
        }
    }
    let owner = clean(&strategy, 60);
    let mut message = format!("asked for the cancel of {} orders of {owner}; {} had ended meanwhile", cancelled.len(), ended.len());
    // A program that reads of a success goes home.
    let status = if unasked.is_empty() { "success" } else { "error" };
    if !unasked.is_empty() {
        message.push_str(&format!("; {} could NOT be asked for and may work on: look at the order book, and send it again", unasked.len()));
    }
    let failed: Vec<CommandId> = ended.into_iter().chain(unasked).collect();
    Ok(json!({ "status": status, "message": message, "canceled_orders": cancelled, "failed_cancellations": failed }).to_string())
}
