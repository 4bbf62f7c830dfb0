//! `/sim/`: what is done to the broker from behind.

use actix_web::web::{self, Data, Json, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::ports::Clock as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::core::{BadControl, FaultRule, ForeignOrder, HandChange, PriceSetting};
use super::shared::Shared;

pub(super) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(
        web::resource("/faults").route(web::get().to(faults)).route(web::post().to(add_faults)).route(web::delete().to(clear_faults)),
    )
    .route("/state", web::get().to(state))
    .route("/log", web::get().to(log))
    .service(web::resource("/time").route(web::get().to(time)).route(web::post().to(set_time)))
    .route("/prices", web::post().to(prices))
    .route("/orders", web::post().to(foreign))
    .route("/modify", web::post().to(modify))
    .route("/cancel", web::post().to(cancel))
    .route("/square-off", web::post().to(square_off))
    .route("/sockets/kill", web::post().to(kill_sockets))
    .route("/sockets/silence", web::post().to(silence_sockets))
    .route("/sessions/expire", web::post().to(expire))
    .route("/sessions/second-login", web::post().to(second_login))
    .route("/reset", web::post().to(reset));
}

fn done(value: Value) -> HttpResponse {
    HttpResponse::Ok().json(value)
}

fn bad(why: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({ "error": why }))
}

fn answer<T: serde::Serialize>(result: Result<T, BadControl>) -> HttpResponse {
    match result {
        Ok(value) => done(json!({ "done": value })),
        Err(why) => bad(&why.0),
    }
}

/// One thing, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::Many(many) => many,
            Self::One(one) => vec![one],
        }
    }
}

async fn faults(shared: Data<Shared>) -> impl Responder {
    done(shared.act(|core, now| core.state(now)["faults"].clone()))
}

async fn add_faults(shared: Data<Shared>, rules: Json<OneOrMany<Value>>) -> HttpResponse {
    let rules: Result<Vec<FaultRule>, String> = rules.into_inner().into_vec().iter().map(FaultRule::from_json).collect();
    match rules {
        Ok(rules) => {
            let count = rules.len();
            shared.act(|core, _| rules.into_iter().for_each(|rule| core.add_fault(rule)));
            done(json!({ "done": count }))
        }
        Err(why) => bad(&why),
    }
}

async fn clear_faults(shared: Data<Shared>) -> impl Responder {
    shared.act(|core, _| core.clear_faults());
    done(json!({ "done": true }))
}

async fn state(shared: Data<Shared>) -> impl Responder {
    done(shared.act(|core, now| {
        core.advance(now);
        core.state(now)
    }))
}

async fn log(shared: Data<Shared>) -> impl Responder {
    HttpResponse::Ok().json(shared.act(|core, _| core.log()))
}

async fn time(shared: Data<Shared>) -> impl Responder {
    done(json!({ "time": shared.clock.now(), "speed": shared.clock.speed() }))
}

/// How time is to change; what is left out stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeChange {
    #[serde(default)]
    set: Option<DateTime<Utc>>,
    #[serde(default)]
    advance_ms: i64,
    #[serde(default)]
    speed: Option<u32>,
}

async fn set_time(shared: Data<Shared>, change: Json<TimeChange>) -> impl Responder {
    if let Some(at) = change.set {
        shared.clock.set(at);
    }
    if let Some(by) = TimeDelta::try_milliseconds(change.advance_ms) {
        shared.clock.advance(by);
    }
    if let Some(speed) = change.speed {
        shared.clock.set_speed(speed);
    }
    shared.act(super::core::Core::advance);
    time(shared).await
}

async fn prices(shared: Data<Shared>, settings: Json<OneOrMany<PriceSetting>>) -> HttpResponse {
    let settings = settings.into_inner().into_vec();
    answer(shared.act(|core, now| settings.iter().try_for_each(|setting| core.set_price(setting, now))))
}

async fn foreign(shared: Data<Shared>, order: Json<ForeignOrder>) -> HttpResponse {
    answer(shared.act(|core, now| core.foreign_order(&order, now)))
}

async fn modify(shared: Data<Shared>, change: Json<HandChange>) -> HttpResponse {
    answer(shared.act(|core, now| core.change_by_hand(&change, now)))
}

/// An order that the exchange is to cancel.
#[derive(Debug, Deserialize)]
struct Struck {
    norenordno: String,
    #[serde(default)]
    reason: Option<String>,
}

async fn cancel(shared: Data<Shared>, struck: Json<Struck>) -> HttpResponse {
    let reason = struck.reason.as_deref().unwrap_or("cancelled by the exchange");
    answer(shared.act(|core, now| core.exchange_cancel(&struck.norenordno, reason, now)))
}

async fn square_off(shared: Data<Shared>) -> impl Responder {
    done(json!({ "done": shared.act(|core, now| core.square_off(now)) }))
}

async fn kill_sockets(shared: Data<Shared>) -> impl Responder {
    shared.act(|core, _| core.kill_sockets());
    done(json!({ "done": true }))
}

async fn silence_sockets(shared: Data<Shared>) -> impl Responder {
    shared.act(|core, _| core.silence_sockets());
    done(json!({ "done": true }))
}

async fn expire(shared: Data<Shared>) -> impl Responder {
    shared.act(|core, _| core.expire_sessions());
    done(json!({ "done": true }))
}

async fn second_login(shared: Data<Shared>) -> impl Responder {
    shared.act(|core, _| core.log_in_elsewhere());
    done(json!({ "done": true }))
}

async fn reset(shared: Data<Shared>) -> HttpResponse {
    match shared.reset() {
        Ok(()) => done(json!({ "done": true })),
        Err(cause) => HttpResponse::InternalServerError().json(json!({ "error": cause.to_string() })),
    }
}
