//! What is done from a chat, through the same doors as the dashboard's buttons: what it comes to in numbers, and the doing.

use futures_util::future::join_all;
use ordergate_actors::order::{ClientId, CommandId, IdempotencyKey, Source, Strategy};
use ordergate_actors::persistence::{Alarm, ControlChange, KillLevel};
use serde_json::Value;

use super::intents::Asking;
use super::{alarms, controls, exits};
use crate::alerts::actions::{Action, What};
use crate::web::auth::body_hash;
use crate::web::settings::Scope;
use crate::web::state::WebState;

/// An alarm that stands open, and its account.
type Open = (Option<ClientId>, Alarm);

fn clients(state: &WebState) -> Vec<ClientId> {
    state.engine.line().desks().map(|desk| desk.client_id.clone()).collect()
}

/// The action with what it names found: whether a name is a strategy's or an instrument's.
///
/// # Errors
/// Why nothing can be done by that name, for a person.
pub(in crate::web) fn settled(state: &WebState, action: Action) -> Result<Action, String> {
    match action {
        Action::Exit(What::Named(name)) => exit_of(state, &name).map(Action::Exit),
        Action::Acknowledge(Some(id)) if found(state, Some(&id)).is_empty() => {
            Err(format!("no alarm {id} is open: GET /dashboard/attention names those that are"))
        }
        other => Ok(other),
    }
}

fn exit_of(state: &WebState, name: &str) -> Result<What, String> {
    let filters = |filter: &exits::Filter| clients(state).iter().any(|client| !filter.eligible(state, client).is_empty());
    let strategy = Strategy::parse(name)
        .ok()
        .filter(|strategy| filters(&exits::Filter { strategy: Some(strategy.clone()), ..exits::Filter::default() }));
    let mut is_symbol = false;
    for client in clients(state) {
        let meant = exits::Filter::default().of_symbol(state, &client, name.to_owned(), None);
        is_symbol |= !meant.map_err(|problem| problem.detail().to_owned())?.eligible(state, &client).is_empty();
    }
    match (strategy, is_symbol) {
        (Some(_), true) => Err(format!("{name} is the name of a strategy and of an instrument: exit it on the dashboard")),
        (Some(strategy), false) => Ok(What::Strategy(strategy)),
        (None, true) => Ok(What::Symbol(name.to_owned())),
        (None, false) => Err(format!("nothing is held under the name {name}")),
    }
}

/// The holdings of an account that an exit is of.
fn filter(state: &WebState, client: &ClientId, what: &What) -> exits::Filter {
    let all = exits::Filter::default();
    match what {
        What::All => all,
        What::Strategy(strategy) => exits::Filter { strategy: Some(strategy.clone()), ..all },
        // A name that is ambiguous by now means nothing that is held.
        What::Named(name) | What::Symbol(name) => {
            let exact = exits::Filter { symbol: Some(name.clone()), ..all.clone() };
            all.of_symbol(state, client, name.clone(), None).unwrap_or(exact)
        }
    }
}

/// Entries of an account that wait and are not being cancelled.
fn entries(state: &WebState, client: &ClientId, strategy: Option<&Strategy>) -> Vec<CommandId> {
    let found = state.engine.read(client, |book| {
        let open = book.open_orders().filter(|order| !order.is_exit() && order.cancel_wanted.is_none());
        open.filter(|order| strategy.is_none_or(|own| *own == order.ask.strategy)).map(|order| order.command_id).collect()
    });
    found.unwrap_or_default()
}

/// The alarms that are open, or the one of that name.
fn found(state: &WebState, id: Option<&str>) -> Vec<Open> {
    let of_process = state.engine.line().view.process_alarms().into_iter().map(|alarm| (None, alarm));
    let of_accounts = clients(state).into_iter().flat_map(|client| {
        let alarms: Vec<Alarm> = state.engine.read(&client, |book| book.alarms().cloned().collect()).unwrap_or_default();
        alarms.into_iter().map(move |alarm| (Some(client.clone()), alarm)).collect::<Vec<_>>()
    });
    let all = of_process.chain(of_accounts);
    let Some(id) = id else { return all.collect() };
    let Some((client, seq)) = alarms::read_name(id) else { return Vec::new() };
    all.filter(|(own, alarm)| *own == client && alarm.seq == seq).collect()
}

/// What an action would do now, in numbers.
pub(in crate::web) fn preview(state: &WebState, action: &Action) -> String {
    let each = |of: &dyn Fn(&ClientId) -> String| {
        clients(state).iter().map(|client| format!("{client}: {}", of(client))).collect::<Vec<_>>().join("\n")
    };
    let counts = match action {
        Action::Kill { level, .. } => each(&|client| {
            let stands = state.engine.read(client, |book| book.control().level).unwrap_or_default();
            if stands >= *level {
                return format!("kill level {} stands already", u8::from(stands));
            }
            let entries = entries(state, client, None).len();
            let held = exits::Filter::default().eligible(state, client).len();
            match level {
                KillLevel::None | KillLevel::StopEntries => format!("entries stop; {entries} that wait and {held} positions stay"),
                KillLevel::CancelEntries => format!("entries stop, {entries} that wait are cancelled; {held} positions stay"),
                KillLevel::SquareOff => format!("entries stop, {entries} that wait are cancelled, {held} positions are squared off"),
            }
        }),
        Action::Cancel(strategy) => each(&|client| format!("{} entries are cancelled", entries(state, client, strategy.as_ref()).len())),
        Action::Exit(what) => {
            each(&|client| format!("{} positions are exited at the market", filter(state, client, what).eligible(state, client).len()))
        }
        Action::Acknowledge(id) => {
            let lines = found(state, id.as_deref())
                .into_iter()
                .map(|(client, alarm)| format!("{} {}: {}", alarms::name(client.as_ref(), alarm.seq), alarm.event, alarm.text));
            let lines: Vec<String> = lines.collect();
            let more = lines.len().saturating_sub(10);
            let shown = lines.into_iter().take(10).collect::<Vec<_>>().join("\n");
            match (shown.is_empty(), more) {
                (true, _) => "no alarm is open".to_owned(),
                (false, 0) => shown,
                (false, more) => format!("{shown}\nand {more} more"),
            }
        }
    };
    format!("{action}\n{counts}")
}

/// Does it, under the name of who confirmed it. What came of it, for that person.
pub(in crate::web) async fn act(state: &WebState, action: &Action, who: &str, update: i64) -> String {
    tracing::warn!(event = "chat_action", who, update, "{action}");
    match action {
        Action::Kill { level, reason } => {
            let reason = if reason.is_empty() { "by Telegram" } else { reason };
            // Only ever raised: a higher level that stands is not taken down.
            match controls::set(state, &clients(state), &ControlChange::RaiseAccount(*level), who, reason).await {
                Ok(accounts) => levels(&accounts),
                Err(problem) => format!("{}; look at the dashboard", problem.detail()),
            }
        }
        Action::Cancel(strategy) => cancel(state, strategy.as_ref(), who).await,
        Action::Exit(what) => exit(state, what, who, update).await,
        Action::Acknowledge(id) => acknowledge(state, id.as_deref(), who).await,
    }
}

fn levels(accounts: &[Value]) -> String {
    let line = |account: &Value| format!("{}: kill level {}", account["client_id"].as_str().unwrap_or("?"), account["level"]);
    accounts.iter().map(line).collect::<Vec<_>>().join("\n")
}

async fn cancel(state: &WebState, strategy: Option<&Strategy>, who: &str) -> String {
    let of = |client: ClientId| entries(state, &client, strategy).into_iter().map(move |id| (client.clone(), id)).collect::<Vec<_>>();
    let orders: Vec<(ClientId, CommandId)> = clients(state).into_iter().flat_map(of).collect();
    let asked = join_all(orders.iter().map(|(client, id)| state.engine.cancel(client, *id, who, "by Telegram"))).await;
    let taken = asked.iter().filter(|outcome| outcome.as_ref().is_ok_and(ordergate_actors::persistence::Outcome::is_applied)).count();
    let not = asked.len() - taken;
    let not = if not > 0 { format!("; {not} had ended or could not be asked: look at the order book") } else { String::new() };
    format!("{taken} cancels are written down and asked for{not}")
}

async fn exit(state: &WebState, what: &What, who: &str, update: i64) -> String {
    let mut lines = Vec::new();
    for client_id in clients(state) {
        let filter = filter(state, &client_id, what);
        let asking = Asking {
            client_id: client_id.clone(),
            source: Source::Dashboard,
            user: who.to_owned(),
            // Whatever happens, one message is one signal.
            key: IdempotencyKey::parse(&format!("telegram-{update}")).ok(),
            body_hash: body_hash(&format!("{what:?}")),
            scope: Scope::default(),
        };
        lines.push(match exits::sent(state, &filter, vec![asking]).await {
            Ok(None) => format!("{client_id}: nothing is held"),
            Ok(Some(body)) => {
                let orders = body["orders"].as_array().map_or(0, Vec::len);
                format!("{client_id}: {orders} exits: {}", body["status"].as_str().unwrap_or("?"))
            }
            Err(problem) => format!("{client_id}: {}", problem.detail()),
        });
    }
    lines.join("\n")
}

async fn acknowledge(state: &WebState, id: Option<&str>, who: &str) -> String {
    let open = found(state, id);
    let asked = join_all(open.iter().map(|(client, alarm)| state.engine.acknowledge(client.as_ref(), alarm.seq, who, "by Telegram"))).await;
    let seen = asked.iter().filter(|outcome| outcome.as_ref().is_ok_and(ordergate_actors::persistence::Outcome::is_applied)).count();
    format!("{seen} of {} alarms are marked as seen", open.len())
}
