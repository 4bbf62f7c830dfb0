//! `GET /dashboard/risk`: every limit with its use today, and what moved it. `POST /dashboard/risk/override`: a limit set
//! otherwise for a while, by a named person. `POST /dashboard/risk/rearm`: a halted strategy trades again, or the account after a shortfall
//! of margin.

use actix_web::web::{Data, Payload, Query as Parameters};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Duration, Utc};
use ordergate_actors::Desk;
use ordergate_actors::order::{Amount, ClientId, Strategy, money, trading_date};
use ordergate_actors::persistence::{Book, Keep, Level, Slot, Topic};
use ordergate_actors::ports::{Instruments, Query, Rows};
use ordergate_actors::risk::{Asked, Halt, Known, Lifted, LimitName, Override, Rearmed, RiskDay, Shortfall, day_slot};
use ordergate_actors::watcher::Findings;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, age_ms, who};
use crate::web::body::{said, text, typed};
use crate::web::problem::Problem;
use crate::web::state::WebState;

/// An override holds at most so long: it is for a day, not for ever.
const LONGEST: Duration = Duration::hours(24);

/// Journal rows that are looked through for what moved a limit; what is older is in the audit.
const LOOKED_THROUGH: u16 = 200;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Of {
    client_id: Option<String>,
}

/// Where an account's limits stand.
pub(in crate::web) async fn look(state: Data<WebState>, of: Parameters<Of>) -> Answer {
    let clients = state.accounts(of.client_id.as_deref())?;
    let mut accounts = Vec::with_capacity(clients.len());
    for client_id in &clients {
        let Some(mut account) = of_account(&state, client_id) else { continue };
        let after = state.engine.read(client_id, Book::seq).unwrap_or(0).saturating_sub(u64::from(LOOKED_THROUGH));
        account["events"] = events(&state, client_id, after).await?;
        account["events_after"] = json!(after);
        accounts.push(account);
    }
    Ok(HttpResponse::Ok().json(json!({ "accounts": accounts })))
}

/// Where one account's limits stand, without what moved them.
pub(in crate::web) fn of_account(state: &WebState, client_id: &ClientId) -> Option<Value> {
    let desk = state.engine.desk(client_id).ok()?;
    let findings = desk.findings.read().clone();
    let mut account = state.engine.read(client_id, |book| account(state, desk, book, &findings, state.now()))?;
    account["strategies"] = json!(super::strategies::known(state, client_id));
    Some(account)
}

fn account(state: &WebState, desk: &Desk, book: &Book, findings: &Findings, now: DateTime<Utc>) -> Value {
    let settings = &desk.settings.limits;
    let mut known = Known::of(book, settings, now);
    let line = state.engine.line();
    let asked = Asked::at(now, &line.calendar, desk.broker.capabilities().is_live).within(&desk.settings);
    let result = known.result(book, findings, &*line.quotes, asked);
    let (day, limits) = (known.day(settings, now), known.limits(settings, now));
    let floor = day.floor(limits.daily_loss);
    let pnl = result.pnl();
    let rows: Vec<Value> = LimitName::ALL
        .into_iter()
        .map(|name| {
            let in_force = name.get(&limits);
            json!({
                "limit": name,
                "in_force": in_force.normalize(),
                "in_settings": name.get(settings).normalize(),
                "used": used(name, (book, findings, &*line.instruments), pnl, now),
            })
        })
        .collect();
    json!({
        "client_id": desk.client_id,
        "date": day.date,
        "limits": rows,
        "day": {
            "pnl": pnl, "source": result.source(), "by_broker": result.broker.amount(), "by_fills": result.fills.amount(),
            "words": result.to_string(), "floor": floor, "floor_raised_by": day.gained,
            "left": pnl.map(|pnl| pnl.plus(floor.negated())),
            "warned": day.warned_at.is_some(), "hit": day.hit, "is_over": day.is_over(),
            "margin_fell_short": day.short.is_some(), "shortfall": day.short, "margin_disbelieved": day.disbelieved,
            "loss_days": day.loss_days, "cooldown_until": day.cooldown_until,
        },
        "halt_of_the_day": book.control().day,
        "allowed": day.limits.allow, "banned": day.limits.ban,
        "funds": findings.funds.as_ref().map(|(funds, at)| json!({ "available": funds.available, "cash": funds.cash,
            "margin_used": funds.margin_used, "age_ms": age_ms(now, *at) })),
        "overrides": known.overrides().map(|(_, _, set)| set).collect::<Vec<_>>(),
        "halted": known.halts().filter(|(_, halt)| halt.stands()).map(|(_, halt)| halt).collect::<Vec<_>>(),
    })
}

/// How much of a limit is used, as far as it is one of the account and not of an order.
fn used(
    name: LimitName,
    (book, findings, instruments): (&Book, &Findings, &dyn Instruments),
    pnl: Option<Amount>,
    now: DateTime<Utc>,
) -> Value {
    match name {
        LimitName::MaxOpenOrders => json!(book.open_count()),
        LimitName::MaxOpenValue => json!(book.open_value(instruments).rupees),
        LimitName::MaxPosition => {
            let worst = book.exposures().map(|(key, held)| (held.worst_long().max(held.worst_short()), key)).max();
            worst.map_or(Value::Null, |(units, key)| json!({ "units": units, "instrument": key.to_string() }))
        }
        LimitName::TradesPerDay => json!(book.sent_on(trading_date(now))),
        LimitName::DailyLoss => json!(pnl.map(|pnl| Amount(pnl.0.min(Decimal::ZERO)).negated())),
        LimitName::CapitalReserve => findings.funds.as_ref().map_or(Value::Null, |(funds, _)| json!(funds.available)),
        LimitName::MaxQuantity
        | LimitName::MaxOrderValue
        | LimitName::MaxPositionUnderlying
        | LimitName::MaxShortOptionLots
        | LimitName::CollarPercent
        | LimitName::MessagesPerMinute
        | LimitName::LossDays => Value::Null,
    }
}

/// The journal rows after that one which moved a limit or the day.
async fn events(state: &WebState, client_id: &ClientId, after: u64) -> Result<Value, Problem> {
    let query = Query::JournalAfter(Some(client_id.clone()), after, LOOKED_THROUGH);
    let Rows::Journal(rows) = state.engine.query(query).await? else { return Ok(json!([])) };
    let moved = |event: &str| {
        event.starts_with("RISK_")
            || event.starts_with("OVERRIDE_")
            || matches!(
                event,
                "ALARM_RISK_BREACH"
                    | "ALARM_MARGIN_SHORT"
                    | "ALARM_RISK_WARNING"
                    | "ALARM_STRATEGY_HALTED"
                    | "STRATEGY_REARMED"
                    | "ALARM_POSITION_OVER_LIMIT"
            )
    };
    let rows = rows.iter().filter(|row| moved(&row.event));
    Ok(rows.map(|row| json!({ "seq": row.seq, "at": row.at, "event": row.event, "who": row.who, "reason": row.reason })).collect())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct OverrideBody {
    client_id: Option<String>,
    limit: String,
    #[serde(default, deserialize_with = "text")]
    value: Option<String>,
    #[serde(default)]
    minutes: Option<i64>,
    #[serde(default)]
    end: bool,
    #[serde(deserialize_with = "said")]
    reason: String,
}

/// Sets a limit otherwise for a while, or ends that.
pub(in crate::web) async fn set(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<OverrideBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let limit = LimitName::parse(&body.limit).ok_or_else(|| {
        let names = LimitName::ALL.map(LimitName::as_str).join(", ");
        Problem::bad_request("no_such_limit", format!("{:?} is no limit", body.limit), format!("send one of {names}"))
    })?;
    let now = state.engine.line().clock.now();
    let who = who(&request);
    let slot = Slot::new(Topic::Override, limit.as_str());
    if body.end {
        let reason = format!("{who} ended the override of {limit}: {}", body.reason);
        let keep = Keep::new(slot, "OVERRIDE_ENDED", who.as_str(), reason).of(&client_id);
        let outcome = state.engine.keep(keep).await?;
        return Ok(HttpResponse::Ok().json(json!({ "done": "the override is over", "applied": outcome.is_applied(), "who": who })));
    }
    let value = body.value.as_deref().and_then(|value| limit_value(limit, value)).ok_or_else(|| {
        let detail = format!("value {:?} is no value of {limit}", body.value);
        Problem::bad_request("bad_value", detail, "send a number above 0 as text; whole where the limit counts")
    })?;
    let minutes = body.minutes.and_then(Duration::try_minutes).filter(|span| *span > Duration::zero() && *span <= LONGEST);
    let span = minutes
        .ok_or_else(|| Problem::bad_request("bad_time", "an override ends by itself, and must say when", "send minutes, from 1 to 1440"))?;
    let set = Override {
        limit,
        value,
        who: who.clone(),
        reason: body.reason.clone(),
        from: now,
        until: now.checked_add_signed(span).unwrap_or(now),
    };
    let reason = format!("{who} set {limit} to {value} until {}: {}", set.until, body.reason);
    let keep = Keep::new(slot, "OVERRIDE_SET", who.as_str(), reason).of(&client_id).loud(Level::Warn);
    let keep = keep.with(&set).map_err(|cause| Problem::bad_request("bad_value", cause.to_string(), "send another value"))?;
    let outcome = state.engine.keep(keep).await?;
    Ok(HttpResponse::Ok().json(json!({ "done": "the limit is set otherwise for that time", "applied": outcome.is_applied(),
        "client_id": client_id, "override": set })))
}

fn limit_value(limit: LimitName, value: &str) -> Option<Decimal> {
    let value = money::decimal("value", value.trim()).ok()?;
    let is_whole = limit.takes_fractions() || value.fract().is_zero();
    let is_positive = value > Decimal::ZERO || (value.is_zero() && limit == LimitName::CapitalReserve);
    (is_whole && is_positive).then(|| value.normalize())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct RearmBody {
    client_id: Option<String>,
    #[serde(default, alias = "strategy_name")]
    strategy: Option<Strategy>,
    #[serde(default)]
    margin: bool,
    /// With `margin`: the person says that the broker's figures are wrong.
    #[serde(default)]
    although_short: bool,
    #[serde(deserialize_with = "said")]
    reason: String,
}

/// Lets a halted strategy trade again, or the account after a shortfall of margin.
pub(in crate::web) async fn rearm(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<RearmBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let who = who(&request);
    match (body.strategy, body.margin) {
        (Some(strategy), false) if !body.although_short => rearm_strategy(&state, client_id, strategy, who, body.reason).await,
        (None, true) => rearm_margin(&state, client_id, who, body.reason, body.although_short).await,
        _ => Err(Problem::bad_request("bad_request", "it does not say what is re-armed", "send a strategy, or margin as true")),
    }
}

/// What it did before counts no longer.
async fn rearm_strategy(state: &WebState, client_id: ClientId, strategy: Strategy, who: String, why: String) -> Answer {
    let slot = Slot::new(Topic::Halt, strategy.as_str());
    let standing = state.engine.read(&client_id, |book| {
        let kept = book.kept(&slot)?;
        Some((kept.seq, kept.read::<Halt>().ok()?))
    });
    let Some((seq, halt)) = standing.flatten().filter(|(_, halt)| halt.stands()) else {
        let detail = format!("{strategy} is not halted");
        return Err(Problem::conflict("not_halted", detail, "look at GET /dashboard/risk for what is halted"));
    };
    let now = state.engine.line().clock.now();
    let halt = Halt { rearmed: Some(Rearmed { at: now, who: who.clone(), reason: why.clone() }), ..halt };
    let reason = format!("{who} re-armed {strategy}: {why}");
    let outcome = keep(state, &client_id, (slot, seq), ("STRATEGY_REARMED", reason), &who, &halt).await?;
    Ok(HttpResponse::Ok().json(json!({ "done": "it trades again", "applied": outcome, "client_id": client_id,
        "strategy": strategy, "who": who })))
}

/// The day goes on, once the broker shows enough again, or because a person says that its figures are wrong.
async fn rearm_margin(state: &WebState, client_id: ClientId, who: String, why: String, although_short: bool) -> Answer {
    let now = state.engine.line().clock.now();
    let today = trading_date(now);
    let slot = day_slot();
    let standing = state.engine.read(&client_id, |book| {
        let kept = book.kept(&slot)?;
        Some((kept.seq, kept.read::<RiskDay>().ok()?))
    });
    let stands = |short: &Shortfall| if although_short { short.stands() } else { short.halts() };
    let Some((seq, mut day)) = standing.flatten().filter(|(_, day)| day.date == today && day.short.as_ref().is_some_and(stands)) else {
        let detail = format!("no shortfall of margin has ended the day of {client_id}");
        return Err(Problem::conflict("not_halted", detail, "look at GET /dashboard/risk for what is halted"));
    };
    let is_enough = state.engine.desk(&client_id)?.findings.read().covers(today);
    if !is_enough && !although_short {
        let detail = format!("the broker does not show that the margin of {client_id} is enough now");
        return Err(Problem::conflict(
            "margin_short",
            detail,
            "bring money in or close something, and wait for the next read of the funds; if the broker's figures are wrong, send although_short as true",
        ));
    }
    let said = Lifted { at: now, who: who.clone(), reason: why.clone() };
    let (done, reason) = if is_enough {
        if let Some(short) = day.short.as_mut() {
            short.lifted = Some(said);
        }
        ("the day goes on", format!("{who} lets the day go on after a shortfall of margin: {why}"))
    } else {
        day.disbelieve(said);
        let reason = format!("{who} says that the broker's figures of the margin are wrong, and lets the day go on: {why}");
        ("the day goes on; below zero the broker's figures of the margin count for nothing today", reason)
    };
    let outcome = keep(state, &client_id, (slot, seq), ("RISK_MARGIN_REARMED", reason), &who, &day).await?;
    Ok(HttpResponse::Ok().json(json!({ "done": done, "applied": outcome, "client_id": client_id, "who": who })))
}

/// Writes a state of risk, if it still is the one that was looked at.
async fn keep(
    state: &WebState,
    client_id: &ClientId,
    (slot, seq): (Slot, u64),
    (event, reason): (&'static str, String),
    who: &str,
    value: &impl serde::Serialize,
) -> Result<bool, Problem> {
    let keep = Keep::new(slot, event, who, reason).of(client_id).upon(seq);
    let keep = keep.with(value).map_err(|cause| Problem::bad_request("bad_reason", cause.to_string(), "send another reason"))?;
    Ok(state.engine.keep(keep).await?.is_applied())
}
