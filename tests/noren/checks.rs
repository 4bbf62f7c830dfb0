//! What must be true when the world rests.

use std::time::Duration;

use ordergate::store::{ReadStore, VerifyFrom};
use ordergate_actors::order::{OrderRecord, Status};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::house::{House, LONG, client, pass};
use crate::parts::once_left;

/// What may stand at rest beside agreement; everything else is a failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Excuse {
    /// An order may stand in doubt, if a page about it is open.
    pub doubt: bool,
    /// Somebody else closes what we hold.
    pub foreign: bool,
    /// The broker shows an order later than its visibility bound.
    pub late: bool,
    /// Somebody changes an order of ours at the broker.
    pub by_hand: bool,
}

/// Waits until the world rests, and fails with what is not true if it does not come to rest.
pub(crate) async fn at_rest(house: &House, excuse: Excuse) -> Result<(), String> {
    match settle(house, excuse).await {
        Ok(()) => Ok(()),
        Err(why) => Err(format!("{why}\n{}{}", house.told(), house.journals().await)),
    }
}

async fn settle(house: &House, excuse: Excuse) -> Result<(), String> {
    let deadline = tokio::time::Instant::now() + LONG;
    let mut calm = 0;
    loop {
        never(house, excuse)?;
        match truth(house, excuse) {
            Ok(()) => calm += 1,
            Err(why) if tokio::time::Instant::now() > deadline => return Err(why),
            Err(_) => calm = 0,
        }
        // Several polls of the engine lie between the looks.
        if calm >= 5 {
            break;
        }
        pass(Duration::from_millis(15)).await;
    }
    for order in house.orders() {
        one_end(house, &order, excuse).await?;
    }
    Ok(())
}

/// The journal and the tables of a house whose engine was ended.
pub(crate) fn journal_sound(house: &House) -> Result<(), String> {
    let store = once_left(|| ReadStore::open(house.directory.path()));
    for report in store.verify(VerifyFrom::Full).map_err(|error| error.to_string())? {
        if !report.is_sound() {
            return Err(format!("INV-7: {report:?}"));
        }
    }
    store.damage().map_err(|error| error.to_string())?.first().map_or(Ok(()), |damage| Err(format!("INV-7: {damage}")))
}

/// What must not be at any time.
fn never(house: &House, excuse: Excuse) -> Result<(), String> {
    if let Some(halt) = house.halted() {
        return Err(format!("the engine halted: {halt:?}"));
    }
    let theirs = house.sim().orders();
    for order in house.orders() {
        let (tag, command) = (order.broker_tag.as_str(), order.command_id);
        let rows = theirs.iter().filter(|row| row["tag"] == tag).count();
        if rows > 1 || house.sim().accepted(tag) > 1 {
            return Err(format!("INV-2: the broker accepted order {command} more than once"));
        }
    }
    let bad = ["ALARM_DOUBLE_ORDER", "ALARM_STRANGE_TAG", "ALARM_TAG_MISMATCH", "ALARM_ACTOR_RESTARTED", "ALARM_JOURNAL_BROKEN"];
    let is_bad = |event: &str| {
        bad.contains(&event) || (event == "ALARM_LATE_TRUTH" && !excuse.late) || (event == "ALARM_TERMS_CHANGED" && !excuse.by_hand)
    };
    match house.alarms().iter().find(|alarm| is_bad(&alarm.event)) {
        Some(alarm) => Err(format!("{}: {}", alarm.event, alarm.text)),
        None => Ok(()),
    }
}

/// INV-3 and INV-4.
fn truth(house: &House, excuse: Excuse) -> Result<(), String> {
    let theirs = house.sim().orders();
    for order in house.orders() {
        let row = theirs.iter().find(|row| row["tag"] == order.broker_tag.as_str());
        agrees(house, &order, row, excuse)
            .map_err(|what| format!("order {} ({} {:?}): {what}", order.command_id, order.status, order.tag))?;
    }
    let symbols: std::collections::BTreeSet<(&str, &str)> =
        theirs.iter().filter_map(|row| Some((row["exch"].as_str()?, row["tsym"].as_str()?))).collect();
    for (exchange, symbol) in symbols {
        let (ours, net) = (house.held(symbol), house.sim().net(exchange, symbol));
        let others: i64 = theirs.iter().filter(|row| row["tag"].is_null() && row["tsym"] == symbol).map(signed).sum();
        let of_doubts: i64 = theirs.iter().filter(|row| row["tsym"] == symbol && is_doubted(house, row)).map(signed).sum();
        let is_equal =
            ours == net - others || (excuse.foreign && ours == net) || (excuse.doubt && of_doubts != 0 && ours == net - others - of_doubts);
        if !is_equal {
            return Err(format!("INV-4: we hold {ours} {symbol}, the broker {net}, of which {others} are others'"));
        }
    }
    Ok(())
}

/// Whether the row is that of an order of ours that has no number here.
fn is_doubted(house: &House, row: &Value) -> bool {
    house
        .orders()
        .iter()
        .any(|order| row["tag"] == order.broker_tag.as_str() && !order.status.is_terminal() && order.broker_order_id.is_none())
}

/// Units of a row that were filled, bought ones positive.
fn signed(row: &Value) -> i64 {
    let filled = row["fillshares"].as_i64().unwrap_or(0);
    if row["trantype"] == "S" { -filled } else { filled }
}

fn agrees(house: &House, order: &OrderRecord, row: Option<&Value>, excuse: Excuse) -> Result<(), String> {
    let desk = house.engine().desk(&client()).map_err(|error| error.to_string())?;
    if desk.calls.lock().is_running(order.command_id) {
        return Err("a call for it still runs".into());
    }
    let is_named = house.alarms().iter().any(|alarm| alarm.command_id == Some(order.command_id));
    if !order.status.is_terminal() && order.broker_order_id.is_none() {
        return if excuse.doubt && is_named { Ok(()) } else { Err("INV-3: it has neither ended nor a number".into()) };
    }
    // What the broker gave a number and then lost is at no exchange.
    let Some(row) = row.filter(|row| row["at_exchange"] == true || row["status"] != "PENDING") else {
        return match order.status {
            Status::Failed if order.broker_order_id.is_none() && order.filled_quantity == 0 => Ok(()),
            Status::SentToBroker if order.broker_order_id.is_some() && is_named => Ok(()),
            _ => Err("INV-4: the broker has no such order".into()),
        };
    };
    if order.sent_at.is_none() {
        return Err("INV-1: never sent, but the broker has it".into());
    }
    let (filled, status) = (row["fillshares"].as_i64().unwrap_or(-1), row["status"].as_str().unwrap_or(""));
    if order.broker_order_id.as_ref().map(|id| id.as_str()) != row["norenordno"].as_str() {
        return Err(format!("INV-4: the broker calls it {}", row["norenordno"]));
    }
    let fits = match status {
        "OPEN" | "TRIGGER_PENDING" | "PENDING" if filled == 0 => order.status == Status::SentToBroker,
        "OPEN" => order.status == Status::Partial,
        "COMPLETE" => order.status == Status::Executed,
        "REJECTED" | "CANCELED" => order.status == Status::Failed,
        _ => false,
    };
    if !fits {
        return Err(format!("INV-4: the broker says {status} with {filled} filled"));
    }
    if let Some(wanted) = order.cancel_wanted.as_ref().filter(|_| !order.status.is_terminal()) {
        return Err(format!("its cancel ({wanted:?}) had no effect"));
    }
    let limit = |text: &Value| text.as_str().and_then(|text| text.parse::<Decimal>().ok());
    if status == "OPEN" && order.ask.price.map(|price| price.value()) != limit(&row["prc"]) {
        return Err(format!("INV-4: its limit is {:?}, at the broker {}", order.ask.price, row["prc"]));
    }
    if order.filled_quantity != filled || order.traded_quantity != filled {
        return Err(format!("INV-4: {} filled and {} traded, at the broker {filled}", order.filled_quantity, order.traded_quantity));
    }
    Ok(())
}

/// No false FAILED and no false EXECUTED on the way: an order ends once.
async fn one_end(house: &House, order: &OrderRecord, excuse: Excuse) -> Result<(), String> {
    let mut end: Option<Status> = None;
    for row in house.journal(order.command_id).await {
        if let (Some(before), Some(after)) = (end, row.to)
            && before != after
            && !excuse.late
        {
            return Err(format!("order {} was {before} and then {after} ({})", order.command_id, row.event));
        }
        end = row.to.filter(|status| status.is_terminal()).or(end);
    }
    Ok(())
}
