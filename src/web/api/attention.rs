//! `GET /dashboard/attention`: everything that waits for a person, oldest first, with what can be done about it.

use std::sync::Arc;

use actix_web::web::{Data, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use ordergate_actors::Desk;
use ordergate_actors::order::{ClientId, CommandId, HoldingKey, InstrumentKey, OrderRecord, Status, Strategy, trading_date};
use ordergate_actors::persistence::alarm::IN_DOUBT;
use ordergate_actors::persistence::{Alarm, Book, Control, KillLevel};
use ordergate_actors::plan::{PlanKind, Standing};
use ordergate_actors::pnl::{Cause, Difference};
use ordergate_actors::ports::Session;
use serde::Serialize;
use serde_json::{Value, json};

use super::exit_rules::NotFlat;
use super::order::next_actions;
use super::{Answer, OfAccount, accounts, age_ms, alarms, approvals, differences, plans};
use crate::web::state::WebState;

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::web) enum What {
    /// An alarm that nobody has acknowledged.
    Alarm,
    /// A basket that waits for a person's yes.
    Approval,
    /// The broker's books cannot be read.
    BooksUnknown,
    /// An order that shall be cancelled and is not proven dead.
    CancelNotDead,
    /// The broker shows another position than our strategies hold.
    Difference,
    /// A position whose newest exit came to nothing.
    ExitFailed,
    /// An exit that waits to be sent.
    ExitWaiting,
    /// Exits are frozen.
    ExitsFrozen,
    /// An order of today at the broker that is not ours.
    ForeignOrder,
    /// The day's limits have stopped entries.
    HaltOfTheDay,
    /// A kill level is set.
    KillLevel,
    /// There is no broker session.
    NoSession,
    /// An exit that its cost cap has stopped.
    NotFlat,
    /// An order of which it is not known whether it arrived.
    OrderInDoubt,
    /// A plan that does not go on by itself.
    PlanStuck,
    /// A row of the broker's books that cannot be read.
    UnreadableRow,
}

/// The reason of a verdict that a person gave by one press.
const BY_ONE_PRESS: &str = "by one press";

struct Item {
    kind: What,
    text: String,
    at: Option<DateTime<Utc>>,
    command_id: Option<CommandId>,
    actions: Vec<Value>,
    more: Value,
}

impl Item {
    fn new(kind: What, text: impl Into<String>, at: Option<DateTime<Utc>>) -> Self {
        Self { kind, text: text.into(), at, command_id: None, actions: Vec::new(), more: Value::Null }
    }

    fn of_order(kind: What, order: &OrderRecord, text: String) -> Self {
        Self { command_id: Some(order.command_id), actions: next_actions(order), ..Self::new(kind, text, Some(order.updated_at)) }
    }

    fn doing(mut self, label: &str, path: &str, body: Value) -> Self {
        self.actions.push(json!({ "label": label, "method": "POST", "path": path, "body": body }));
        self
    }
}

/// What waits for a person. What is of the process is of every account.
pub(in crate::web) async fn attention(request: HttpRequest, asked: Parameters<OfAccount>, state: Data<WebState>) -> Answer {
    let clients = accounts(&state, &request, asked.client_id.as_deref())?;
    let now = state.now();
    let mut items: Vec<(Option<ClientId>, Item)> = Vec::new();
    for client_id in clients {
        let desk = state.engine.desk(&client_id)?;
        items.extend(of_desk(&state, desk, now).into_iter().map(|item| (Some(client_id.clone()), item)));
    }
    items.extend(state.engine.line().view.process_alarms().iter().map(|alarm| (None, of_alarm(None, alarm, None))));
    items.sort_by_key(|(_, item)| item.at);
    let items: Vec<Value> = items
        .into_iter()
        .map(|(client_id, item)| {
            json!({
                "client_id": client_id,
                "kind": item.kind,
                "text": item.text,
                "command_id": item.command_id,
                "since": item.at,
                "age_ms": item.at.map(|at| age_ms(now, at)),
                "actions": item.actions,
                "more": item.more,
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "count": items.len(), "items": items, "as_of": now })))
}

fn of_desk(state: &WebState, desk: &Arc<Desk>, now: DateTime<Utc>) -> Vec<Item> {
    let has_session = desk.findings.read().session == Some(Session::Ready);
    let seen = state.engine.read(&desk.client_id, |book| {
        let open: Vec<Arc<OrderRecord>> = book.open_orders().cloned().collect();
        let unclosed: Vec<Item> = book.unclosed().into_iter().map(|(strategy, key, exit)| of_unclosed(strategy, key, exit)).collect();
        let not_flat: Vec<Item> = super::exit_rules::not_flat(book).map(of_not_flat).collect();
        let holders = book.holdings().filter(|(_, _, held)| held.net != 0);
        let holders: Vec<(Strategy, HoldingKey)> = holders.map(|(strategy, key, _)| (strategy.clone(), key.clone())).collect();
        (
            open,
            unclosed.into_iter().chain(not_flat).collect::<Vec<Item>>(),
            book.alarms().map(|alarm| (alarm.clone(), over(book, has_session, alarm))).collect::<Vec<_>>(),
            book.control().clone(),
            holders,
        )
    });
    let Some((open, unclosed, alarms, control, holders)) = seen else { return Vec::new() };
    let mut items: Vec<Item> = open.iter().filter_map(|order| of_order(desk, order, now)).collect();
    items.extend(unclosed);
    items.extend(alarms.iter().map(|(alarm, over)| of_alarm(Some(&desk.client_id), alarm, *over)));
    items.extend(of_control(desk, &control));
    items.extend(approvals::waiting(state, desk).iter().filter_map(|basket| of_approval(state, desk, basket)));
    let found = differences::of_account(state, &desk.client_id).unwrap_or_default();
    items.extend(found.iter().filter_map(|found| of_difference(desk, found, &holders)));
    items.extend(plans::of_desk(state, desk, now).iter().filter_map(of_plan));
    items.extend(of_findings(desk, state.site.connections.contains_key(&desk.client_id), now));
    items
}

/// A plan that does not go on by itself.
fn of_plan(plan: &Standing) -> Option<Item> {
    let why = plan.stuck.as_ref()?;
    let whose = plan.orders.first().map_or_else(String::new, |order| format!(" of {}", order.ask.strategy));
    let what = match (plan.kind, plan.policy) {
        (PlanKind::Basket, Some(policy)) => format!("a basket{whose} ({policy})"),
        (PlanKind::Reverse, _) => format!("a reversal{whose}"),
        (PlanKind::CancelAfter, _) => format!("an entry with a time{whose}"),
        (PlanKind::Basket | PlanKind::Unknown, _) => format!("a plan{whose}"),
    };
    let command_id = plan.orders.iter().find(|order| !order.status.is_terminal()).map(|order| order.command_id);
    let item = Item::new(What::PlanStuck, format!("{what} does not go on: {why}"), Some(plan.since));
    Some(Item { command_id, actions: plans::actions(plan), more: json!({ "next": plan.next, "moved_at": plan.moved_at }), ..item })
}

/// What the broker shows otherwise than our strategies hold, unless it settles by itself, was said to be left alone, or is
/// only what somebody holds for delivery beside us. Where all is known that a verdict needs, its action leaves nothing to be filled in.
fn of_difference(desk: &Desk, found: &Difference, holders: &[(Strategy, HoldingKey)]) -> Option<Item> {
    let is_quiet = found.is_settling() || found.ignored.is_some() || found.parts.iter().all(|part| part.cause == Cause::HeldForDelivery);
    if is_quiet {
        return None;
    }
    let (key, units) = (&found.key, found.units());
    let text = format!("the broker shows {} in {key}, our strategies hold {}", found.at_broker, found.ours);
    let named = json!({
        "client_id": desk.client_id, "exchange": key.instrument.exchange, "symbol": key.instrument.symbol, "product": key.product,
        "difference": units,
    });
    let with = |more: Value| {
        let mut body = named.clone();
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    };
    let adopt = "/dashboard/differences/adopt";
    let price = found.price().map(|price| price.to_string());
    let mut owners = holders.iter().filter(|(_, own)| own == key).map(|(strategy, _)| strategy);
    let only = owners.next().filter(|_| owners.next().is_none());
    let mut item = Item { more: differences::shown(found), ..Item::new(What::Difference, text, None) };
    if let Some((strategy, price)) = only.zip(price.as_ref()) {
        let label = format!("take it over for {strategy} at {price}");
        item = item.doing(&label, adopt, with(json!({ "strategy": strategy, "price": price, "reason": BY_ONE_PRESS })));
    }
    let asked = json!({ "strategy": "<which>", "price": price.unwrap_or_else(|| "<rupees>".to_owned()), "reason": "<why>" });
    let item = item.doing("a strategy takes it over", adopt, with(asked));
    Some(item.doing("leave it alone", "/dashboard/differences/ignore", with(json!({ "reason": BY_ONE_PRESS }))))
}

/// That the cause of an alarm is gone, where that can be seen. It stands all the same: that it was, somebody must have seen.
fn over(book: &Book, has_session: bool, alarm: &Alarm) -> Option<&'static str> {
    match &*alarm.event {
        IN_DOUBT => {
            let order = book.order(alarm.command_id?)?;
            (!order.is_in_doubt()).then_some("the order is no longer in doubt")
        }
        "ALARM_NO_SESSION" => has_session.then_some("the broker session is proven again"),
        _ => None,
    }
}

/// An alarm stands until somebody says that it was seen, across restarts.
fn of_alarm(client_id: Option<&ClientId>, alarm: &Alarm, over: Option<&'static str>) -> Item {
    let id = alarms::name(client_id, alarm.seq);
    let path = format!("/dashboard/alarms/{id}/ack");
    let item = Item {
        command_id: alarm.command_id,
        more: json!({ "alarm_id": id, "event": alarm.event, "level": alarm.level, "count": alarm.count, "last_at": alarm.last_at,
            "over": over }),
        ..Item::new(What::Alarm, &*alarm.text, Some(alarm.at))
    };
    item.doing("seen", &path, json!({ "reason": "<why>" }))
}

/// A position whose newest exit came to nothing.
fn of_unclosed(strategy: &Strategy, key: &HoldingKey, exit: &OrderRecord) -> Item {
    let why = exit.tag.map_or("failed", |tag| tag.words());
    let reason = exit.reason.as_deref().unwrap_or("");
    let text = format!("{strategy} still holds {key}: its newest exit came to nothing ({why}: {reason})");
    let InstrumentKey { exchange, symbol } = &key.instrument;
    let body = json!({ "client_id": exit.client_id, "strategy": strategy, "exchange": exchange, "symbol": symbol, "product": key.product });
    Item::of_order(What::ExitFailed, exit, text).doing("exit it again", "/dashboard/positions/exit", body)
}

/// An exit that the ladder could not make flat, with the word that lets it go on.
fn of_not_flat(found: NotFlat) -> Item {
    let body = json!({ "command_id": found.order.command_id });
    Item::of_order(What::NotFlat, &found.order, found.text).doing("go on", "/dashboard/exit-rules/go-on", body)
}

fn of_order(desk: &Desk, order: &OrderRecord, now: DateTime<Utc>) -> Option<Item> {
    let name = format!("{} {}", order.ask.strategy, order.ask.symbol);
    let waits = age_ms(now, order.updated_at);
    if order.is_in_doubt() {
        let why = order.reason.as_deref().unwrap_or("no clear answer");
        return Some(Item::of_order(What::OrderInDoubt, order, format!("{name}: checking with the broker ({why})")));
    }
    if order.cancel_wanted.is_some() {
        return Some(Item::of_order(What::CancelNotDead, order, format!("{name}: a cancel is wanted, and the order is {}", order.status)));
    }
    let patience = i64::try_from(desk.settings.waits.exit_wait_page.as_millis()).unwrap_or(i64::MAX);
    (order.is_exit() && order.status == Status::Created && waits > patience)
        .then(|| Item::of_order(What::ExitWaiting, order, format!("{name}: an exit waits to be sent")))
}

/// A basket that waits, with what a yes to it would send.
fn of_approval(state: &WebState, desk: &Desk, basket: &approvals::Waiting) -> Option<Item> {
    let first = basket.orders.first()?;
    let what = approvals::words(state, desk, basket);
    let until = basket.approval.until.format("%Y-%m-%d %H:%M:%S UTC");
    let text = format!("{}: {what}. It waits for a yes until {until}", first.ask.strategy);
    let path = format!("/dashboard/approvals/{}", first.command_id);
    let item = Item { command_id: Some(first.command_id), ..Item::new(What::Approval, text, Some(basket.approval.asked_at)) };
    let body = |decision: &str| json!({ "decision": decision, "reason": "<why>" });
    Some(item.doing("approve", &path, body("approve")).doing("reject", &path, body("reject")))
}

fn of_control(desk: &Desk, control: &Control) -> Vec<Item> {
    let mut items = Vec::new();
    if control.level > KillLevel::None {
        let text = format!("kill level {} is set, by {}: {}", u8::from(control.level), control.who, control.reason);
        // Only what was shown is lifted: somebody may raise it while the person reads.
        let body = json!({ "client_id": desk.client_id, "level": 0, "from": control.level, "reason": "<why>" });
        items.push(Item::new(What::KillLevel, text, control.at).doing("arm again", "/dashboard/kill", body));
    }
    if let Some(day) = &control.day {
        let text = format!("entries are stopped until the next trading day: {}", day.reason);
        items.push(Item::new(What::HaltOfTheDay, text, Some(day.at)));
    }
    for (strategy, stop) in &control.strategies {
        let text = format!("kill level {} is set for {strategy}, by {}: {}", u8::from(stop.level), stop.who, stop.reason);
        let body = json!({ "client_id": desk.client_id, "strategy": strategy, "level": 0, "from": stop.level, "reason": "<why>" });
        items.push(Item::new(What::KillLevel, text, Some(stop.at)).doing("arm again", "/dashboard/kill", body));
    }
    if let Some(freeze) = &control.freeze {
        let body = json!({ "client_id": desk.client_id, "frozen": false, "reason": "<why>" });
        let text = format!("exits are frozen, by {}: {}", freeze.who, freeze.reason);
        items.push(Item::new(What::ExitsFrozen, text, Some(freeze.since)).doing("thaw", "/dashboard/freeze", body));
    }
    items
}

fn of_findings(desk: &Desk, has_login: bool, now: DateTime<Utc>) -> Vec<Item> {
    let findings = desk.findings.read().clone();
    let mut items = Vec::new();
    match &findings.session {
        Some(Session::Ready | Session::Resting(_)) => {}
        Some(Session::NotReady(why)) => {
            let item = Item::new(What::NoSession, format!("no broker session: {why}"), None);
            let log_in = |item: Item| item.doing("log in", "/dashboard/broker/login", json!({ "client_id": desk.client_id }));
            items.push(if has_login { log_in(item) } else { item });
        }
        None => items.push(Item::new(What::NoSession, "the broker session was not read yet", None)),
    }
    if let Some(trouble) = findings.trouble_words() {
        items.push(Item::new(
            What::BooksUnknown,
            format!("the broker's books: {trouble}"),
            findings.positions.as_ref().map(|positions| positions.at),
        ));
    }
    items.extend(findings.foreign.iter().filter(|row| trading_date(row.at) == trading_date(now)).map(|row| Item {
        more: json!(row),
        ..Item::new(
            What::ForeignOrder,
            format!("order {} at the broker is not ours; it is never touched", row.broker_order_id),
            Some(row.at),
        )
    }));
    items.extend(findings.unreadable.iter().map(|row| Item {
        more: json!(row),
        ..Item::new(What::UnreadableRow, format!("a row of the broker's books cannot be read: {}", row.cause), None)
    }));
    items
}
