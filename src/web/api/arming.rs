//! `POST /dashboard/arm`, `GET /dashboard/readiness`, `POST /dashboard/readiness/dismiss`: going live, by a person, for a
//! time, with a reason.

use actix_web::web::{Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use ordergate_actors::Desk;
use ordergate_actors::arming::{ArmMode, Arming};
use ordergate_actors::order::{ClientId, trading_date};
use ordergate_actors::persistence::ControlChange;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, user, who};
use crate::readiness::{ALERT_TEST, Fresh, Overall, Recorded, Report, gather, judge, note_dismissal};
use crate::web::body::{said, typed};
use crate::web::door::address_of;
use crate::web::problem::Problem;
use crate::web::state::WebState;

/// The longest arming: a day. Tomorrow somebody looks again.
const LONGEST_MINUTES: i64 = 24 * 60;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArmBody {
    client_id: Option<String>,
    mode: ArmMode,
    #[serde(deserialize_with = "said")]
    reason: String,
    duration_minutes: Option<i64>,
    /// The account's name, typed back after looking.
    confirm: Option<String>,
    #[serde(default)]
    force: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DismissBody {
    client_id: Option<String>,
    #[serde(deserialize_with = "said")]
    reason: String,
}

/// Which account, if one is named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Which {
    client_id: Option<String>,
}

/// Arms or disarms. Without `confirm` an arming is shown and refused: what a person must see before saying yes.
pub(in crate::web) async fn arm(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<ArmBody>(payload, request.headers(), &state.settings).await?;
    let client_id = state.account(body.client_id.as_deref())?;
    let desk = state.engine.desk(&client_id)?;
    if !desk.needs_arming() {
        let detail = format!("{client_id} is PAPER: no real money moves, and nothing is to be armed");
        return Err(Problem::conflict("paper_account", detail, "set arming = \"required\" for the account to drill it"));
    }
    // What stands now is what the person decides upon: a disarming that comes while the report is read wins.
    let before = state.engine.read(&client_id, |book| book.control().arming.clone()).unwrap_or_default();
    let until = match body.mode {
        ArmMode::Disarmed => None,
        ArmMode::Approve | ArmMode::Live => {
            let minutes = body.duration_minutes.filter(|minutes| (1..=LONGEST_MINUTES).contains(minutes)).ok_or_else(|| {
                Problem::bad_request("bad_request", "duration_minutes is missing or not from 1 to 1440", "say for how long, a day at most")
            })?;
            look_first(&state, desk, &body).await?;
            // The report took a moment: the time starts now.
            state.now().checked_add_signed(TimeDelta::minutes(minutes))
        }
    };
    let (name, who) = (user(&request), who(&request));
    let is_off = body.mode == ArmMode::Disarmed;
    let basis = if is_off { before.basis.clone() } else { desk.settings.arming.basis.clone() };
    let from = address_of(&request, &state.settings.trusted_proxies).map_or_else(|| "unknown".to_owned(), |address| address.to_string());
    let arming = Arming { mode: body.mode, until, basis, who: name, from, reason: body.reason.clone(), at: Some(state.now()) };
    let reason = if body.force { format!("{} (forced)", body.reason) } else { body.reason.clone() };
    let change = ControlChange::Arm { arming: Box::new(arming), expected: (!is_off).then(|| Box::new(before)) };
    if !state.engine.control(&client_id, change, &who, &reason).await?.is_applied() {
        return Err(overtaken(&state, &client_id));
    }
    // What is on disk, not the latch: that follows the commit a moment later.
    let committed = state.engine.read(&client_id, |book| book.control().arming.clone()).unwrap_or_default();
    let standing = ordergate_actors::arming::standing(desk.needs_arming(), &committed, &desk.settings.arming.basis, state.now());
    tracing::warn!(event = "armed", %client_id, mode = %standing.mode, who, reason, "{}", standing.why);
    Ok(HttpResponse::Ok().json(json!({ "client_id": client_id, "mode": standing.mode, "standing": standing, "who": who })))
}

/// Somebody else armed or disarmed while the report was read.
fn overtaken(state: &WebState, client_id: &ClientId) -> Problem {
    let now = state.engine.read(client_id, |book| book.control().arming.clone()).unwrap_or_default();
    let detail = format!("{client_id} was not armed: {} set it to {} meanwhile ({})", now.who, now.mode, now.reason);
    Problem::conflict("arming_overtaken", detail, "ask why, look again, and arm again if that is still what you want")
}

/// What stands between a wish to arm and the arming: the report, and the account's name typed back.
async fn look_first(state: &WebState, desk: &Desk, body: &ArmBody) -> Result<(), Problem> {
    let client_id = &desk.client_id;
    let (report, _) = report(state, client_id, Fresh::Now).await?;
    let shown = preview(state, desk, &report);
    if report.overall == Overall::NoGo && !body.force {
        let failed: Vec<String> = report.failed().map(|check| format!("{}: {}", check.name, check.text)).collect();
        let detail = format!("{client_id} is not ready: {}", failed.join("; "));
        return Err(Problem::conflict("not_ready", detail, "correct what fails, or send force: true with the reason").with("look", shown));
    }
    let unproven = unproven(state, desk);
    if !unproven.is_empty() && !body.force {
        let detail = format!("{client_id} moves real money, and this was not proven: {}", unproven.join("; "));
        let remedy = "run what is named until it passes, or send force: true with the reason";
        return Err(Problem::conflict("not_proven", detail, remedy).with("look", shown));
    }
    if body.confirm.as_deref() != Some(client_id.as_str()) {
        let what = if desk.broker.capabilities().is_live { "real orders out" } else { "PAPER orders out, a drill: no real money moves" };
        let detail = format!("arming {client_id} lets {what}; look at the report, the limits and the changes first");
        let remedy = format!("send confirm: \"{client_id}\" if that is what you want");
        return Err(Problem::conflict("confirm", detail, remedy).with("look", shown));
    }
    Ok(())
}

/// The proofs that an account needs before real money moves, and that did not pass.
fn unproven(state: &WebState, desk: &Desk) -> Vec<String> {
    if !desk.broker.capabilities().is_live {
        return Vec::new();
    }
    let read = |file: &str| Recorded::read(&state.site.directory, file);
    let (conformed, alerted) = (read(&conformance(&desk.client_id)), read(ALERT_TEST));
    let mut unproven = Vec::new();
    if !conformed.as_ref().is_some_and(Recorded::proves_this_build) {
        unproven.push(format!("conformance: {}", Recorded::words_for_this_build(conformed.as_ref())));
    }
    if !alerted.as_ref().is_some_and(|found| found.passed) {
        unproven.push(format!("the alert test: {}", Recorded::words(alerted.as_ref())));
    }
    unproven
}

/// Where the conformance of an account's broker is written, in the data directory.
fn conformance(client_id: &ClientId) -> String {
    format!("conformance/{client_id}.json")
}

fn preview(state: &WebState, desk: &Desk, report: &Report) -> Value {
    let limits = &desk.settings.limits;
    let before = state.engine.read(&desk.client_id, |book| book.control().arming.clone()).unwrap_or_default();
    let was_armed = !before.basis.version.is_empty();
    let changes = was_armed.then(|| desk.settings.arming.basis.differences(&before.basis));
    let recorded = |file: &str| Recorded::read(&state.site.directory, file);
    json!({
        "readiness": report,
        "limits": {
            "daily_loss": limits.daily_loss,
            "max_order_value": limits.max_order_value,
            "max_quantity": limits.max_quantity,
            "max_position": limits.max_position,
            "max_open_orders": limits.max_open_orders,
        },
        "changes_since_last_arming": changes,
        "conformance": Recorded::words_for_this_build(recorded(&conformance(&desk.client_id)).as_ref()),
        "alert_test": Recorded::words(recorded(ALERT_TEST).as_ref()),
    })
}

async fn report(state: &WebState, client_id: &ClientId, fresh: Fresh) -> Result<(Report, Value), Problem> {
    let (inputs, connected) = gather(&state.engine, &state.site, client_id, fresh).await?;
    let link = connected.and_then(|report| report.login_link).and_then(|_| state.site.login_link(client_id, state.now()));
    Ok((judge(&inputs), json!({ "login_link": link, "standing": inputs.standing })))
}

/// The report of every account, or of one.
pub(in crate::web) async fn readiness(which: Query<Which>, state: Data<WebState>) -> Answer {
    let mut accounts = Vec::new();
    let mut overall = Overall::Go;
    for client_id in state.accounts(which.client_id.as_deref())? {
        let desk = state.engine.desk(&client_id)?;
        let (report, more) = report(&state, &client_id, Fresh::Lately).await?;
        if report.overall == Overall::NoGo {
            overall = Overall::NoGo;
        }
        let look = preview(&state, desk, &report);
        accounts.push(json!({ "client_id": client_id, "report": report, "login_link": more["login_link"], "standing": more["standing"], "look": look }));
    }
    Ok(HttpResponse::Ok().json(json!({ "overall": overall, "accounts": accounts, "as_of": state.now() })))
}

/// The report of today is heard: it is not pushed again.
pub(in crate::web) async fn dismiss(request: HttpRequest, payload: Payload, state: Data<WebState>) -> Answer {
    let (body, _) = typed::<DismissBody>(payload, request.headers(), &state.settings).await?;
    // One account: the report of another, that nobody has looked at, is not silent for it.
    let client_id = state.account(body.client_id.as_deref())?;
    let today = trading_date(state.now());
    let who = who(&request);
    state.site.dismissed.lock().insert(client_id.clone(), today);
    note_dismissal(&state.engine, &client_id, &who, &body.reason);
    tracing::info!(event = "readiness_dismissed", %client_id, who, reason = body.reason, "the readiness report of {today} is dismissed");
    Ok(HttpResponse::Ok().json(json!({ "done": "it is not pushed again today", "accounts": [client_id], "day": today })))
}
