//! What is done from a chat, through the same doors as the dashboard's buttons: what it comes to in numbers, and the doing.

mod left;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use ordergate_actors::order::{ClientId, CommandId, HoldingKey, IdempotencyKey, OrderRecord, Source, Status, Strategy, Tag};
use ordergate_actors::persistence::{Alarm, ControlChange, KillLevel};
use serde_json::{Value, json};

use super::exit_rules::NotFlat;
use super::intents::Asking;
use super::{alarms, controls, exit_rules, exits};
use crate::alerts::actions::{Action, GoOn, Stopped, What, Whose, Wish};
use crate::alerts::late::UnderWay;
use crate::web::auth::body_hash;
use crate::web::settings::Scope;
use crate::web::state::WebState;

pub(in crate::web) use left::left;

/// An alarm that stands open, and its account.
type Open = (Option<ClientId>, Alarm);

/// What came of an action, for its sender.
#[derive(Debug)]
pub(in crate::web) struct Outcome {
    /// Whether all of it was done; an order or an alarm that had ended by itself counts as done.
    pub is_whole: bool,
    pub words: String,
}

fn clients(state: &WebState, whose: &Whose) -> Vec<ClientId> {
    let all = state.engine.line().desks().map(|desk| desk.client_id.clone());
    all.filter(|client| !matches!(whose, Whose::One(one) if one != client)).collect()
}

/// The wish with what it names found: which account, and whether a name is a strategy's or an instrument's.
///
/// # Errors
/// Why nothing can be done by that name, for a person.
pub(in crate::web) fn settled(state: &WebState, wish: Wish) -> Result<Wish, String> {
    let whose = account_of(state, wish.whose)?;
    Ok(match wish.action {
        Action::Exit(What::Named(name)) => {
            let (what, holders) = exit_of(state, &whose, &name)?;
            Wish { action: Action::Exit(what), whose: narrowed(state, whose, &holders, &name)? }
        }
        Action::Cancel(Some(strategy)) => {
            let mut waits = clients(state, &whose);
            waits.retain(|client| !entries(state, client, Some(&strategy), state.now()).is_empty());
            Wish { whose: narrowed(state, whose, &waits, strategy.as_str())?, action: Action::Cancel(Some(strategy)) }
        }
        Action::GoOn(GoOn { name, .. }) => {
            let stopped = stopped(state, &whose, name.as_deref());
            if stopped.is_empty() {
                let of = name.map_or_else(String::new, |name| format!(" of {name}"));
                return Err(format!(
                    "no exit{of} stands at its cost cap and waits for a word: GET /dashboard/attention names those that do"
                ));
            }
            let mut holders: Vec<ClientId> = stopped.iter().map(|(client, _)| client.clone()).collect();
            holders.dedup();
            let exits = stopped.iter().map(|(_, found)| Stopped { order: found.order.command_id, granted: found.granted }).collect();
            let whose = match &name {
                Some(name) => narrowed(state, whose, &holders, name)?,
                None if whose == Whose::Unsaid => Whose::Every,
                None => whose,
            };
            Wish { action: Action::GoOn(GoOn { name, exits }), whose }
        }
        Action::Acknowledge(Some(id)) => {
            let id = match &whose {
                Whose::One(client) if !id.contains('@') => format!("{id}@{client}"),
                _ => id,
            };
            if found(state, &whose, Some(&id), state.now()).is_empty() {
                return Err(format!("no alarm {id} is open: GET /dashboard/attention names those that are"));
            }
            Wish { action: Action::Acknowledge(Some(id)), whose }
        }
        action => Wish { action, whose: if whose == Whose::Unsaid { Whose::Every } else { whose } },
    })
}

/// The account as it is named here: a phone writes capitals where it likes.
fn account_of(state: &WebState, whose: Whose) -> Result<Whose, String> {
    let Whose::One(name) = whose else { return Ok(whose) };
    let all = clients(state, &Whose::Every);
    let alike: Vec<&ClientId> = all.iter().filter(|client| client.as_str().eq_ignore_ascii_case(name.as_str())).collect();
    match (all.contains(&name), alike.as_slice()) {
        (true, _) => Ok(Whose::One(name)),
        (false, [one]) => Ok(Whose::One((*one).clone())),
        _ => Err(format!("there is no account {name}: say one of {}", said(&all))),
    }
}

/// Where a name means something. What would be done in several accounts by a name that one of them was meant by is not done.
fn narrowed(state: &WebState, whose: Whose, fits: &[ClientId], name: &str) -> Result<Whose, String> {
    match (whose, fits) {
        (Whose::Unsaid, [one]) if clients(state, &Whose::Every).len() > 1 => Ok(Whose::One(one.clone())),
        (Whose::Unsaid, [] | [_]) => Ok(Whose::Every),
        (Whose::Unsaid, several) => Err(format!("{name} is in several accounts: say it again with one of {}, or with @all", said(several))),
        (whose, _) => Ok(whose),
    }
}

fn said(clients: &[ClientId]) -> String {
    clients.iter().map(|client| format!("@{client}")).collect::<Vec<_>>().join(", ")
}

fn exit_of(state: &WebState, whose: &Whose, name: &str) -> Result<(What, Vec<ClientId>), String> {
    let clients = clients(state, whose);
    let by_strategy = Strategy::parse(name).ok().and_then(|strategy| {
        let filter = exits::Filter { strategy: Some(strategy.clone()), ..exits::Filter::default() };
        let holders: Vec<ClientId> = clients.iter().filter(|client| !filter.eligible(state, client).is_empty()).cloned().collect();
        (!holders.is_empty()).then_some((What::Strategy(strategy), holders))
    });
    let mut holders = Vec::new();
    for client in clients {
        let meant = exits::Filter::default().of_symbol(state, &client, name.to_owned(), None);
        if !meant.map_err(|problem| problem.detail().to_owned())?.eligible(state, &client).is_empty() {
            holders.push(client);
        }
    }
    match (by_strategy, holders.is_empty()) {
        (Some(_), false) => Err(format!("{name} is the name of a strategy and of an instrument: exit it on the dashboard")),
        (Some(found), true) => Ok(found),
        (None, false) => Ok((What::Symbol(name.to_owned()), holders)),
        (None, true) => Err(format!("nothing is held under the name {name}")),
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

/// Entries of an account that wait, came until then, and are not being cancelled.
fn entries(state: &WebState, client: &ClientId, strategy: Option<&Strategy>, until: DateTime<Utc>) -> Vec<CommandId> {
    let found = state.engine.read(client, |book| {
        let open = book.open_orders().filter(|order| !order.is_exit() && order.cancel_wanted.is_none() && order.created_at <= until);
        open.filter(|order| strategy.is_none_or(|own| *own == order.ask.strategy)).map(|order| order.command_id).collect()
    });
    found.unwrap_or_default()
}

/// The alarms that are open and were last raised until then, or the one of that name. Those of the process are of no account.
fn found(state: &WebState, whose: &Whose, id: Option<&str>, until: DateTime<Utc>) -> Vec<Open> {
    let of_process = state.engine.line().view.process_alarms().into_iter().map(|alarm| (None, alarm));
    let of_process = of_process.filter(|_| !matches!(whose, Whose::One(_)));
    let of_accounts = clients(state, whose).into_iter().flat_map(|client| {
        let alarms: Vec<Alarm> = state.engine.read(&client, |book| book.alarms().cloned().collect()).unwrap_or_default();
        alarms.into_iter().map(move |alarm| (Some(client.clone()), alarm)).collect::<Vec<_>>()
    });
    let all = of_process.chain(of_accounts).filter(|(_, alarm)| alarm.last_at <= until);
    let Some(id) = id else { return all.collect() };
    let Some((client, seq)) = alarms::read_name(id) else { return Vec::new() };
    all.filter(|(own, alarm)| *own == client && alarm.seq == seq).collect()
}

/// Exits that their cost cap has stopped, of that name where one is said: of a strategy, or of an instrument.
fn stopped(state: &WebState, whose: &Whose, name: Option<&str>) -> Vec<(ClientId, NotFlat)> {
    let is_named =
        |order: &OrderRecord| name.is_none_or(|name| order.ask.strategy.as_str() == name || order.ask.symbol.eq_ignore_ascii_case(name));
    let of = |client: ClientId| {
        let found =
            state.engine.read(&client, |book| exit_rules::not_flat(book).filter(|found| is_named(&found.order)).collect::<Vec<_>>());
        found.unwrap_or_default().into_iter().map(move |found| (client.clone(), found)).collect::<Vec<_>>()
    };
    clients(state, whose).into_iter().flat_map(of).collect()
}

/// Those of them that still wait for the word that was given.
fn still_stopped(state: &WebState, whose: &Whose, exits: &[Stopped]) -> Vec<(ClientId, NotFlat)> {
    let is_meant = |found: &NotFlat| exits.contains(&Stopped { order: found.order.command_id, granted: found.granted });
    stopped(state, whose, None).into_iter().filter(|(_, found)| is_meant(found)).collect()
}

/// Positions whose open exits cover all that is held: another exit of them is refused while those work.
fn covered(state: &WebState, client: &ClientId, filter: &exits::Filter) -> usize {
    let held = filter.held(state, client);
    let covered = state.engine.read(client, |book| {
        let is_covered = |(strategy, key): &&(Strategy, HoldingKey)| {
            let is_of_it = |order: &&Arc<OrderRecord>| {
                order.is_exit()
                    && !order.is_test()
                    && !order.is_resting_stop()
                    && order.is_for(&key.instrument)
                    && order.ask.product.is_none_or(|product| product == key.product)
            };
            let exiting: i64 = book.open_of(strategy).filter(is_of_it).map(|order| order.unfilled()).sum();
            exiting > 0 && exiting >= book.held(strategy, key).net.abs()
        };
        held.iter().filter(is_covered).count()
    });
    covered.unwrap_or(0)
}

/// What a wish would do now, in numbers.
pub(in crate::web) fn preview(state: &WebState, wish: &Wish) -> String {
    let each = |of: &dyn Fn(&ClientId) -> String| {
        clients(state, &wish.whose).iter().map(|client| format!("{client}: {}", of(client))).collect::<Vec<_>>().join("\n")
    };
    let waiting = |client: &ClientId, strategy: Option<&Strategy>| entries(state, client, strategy, state.now()).len();
    let counts = match &wish.action {
        Action::Kill { level, .. } => each(&|client| {
            let stands = state.engine.read(client, |book| book.control().level).unwrap_or_default();
            if stands >= *level {
                return format!("kill level {} stands already", u8::from(stands));
            }
            let entries = waiting(client, None);
            let held = exits::Filter::default().held(state, client).len();
            match level {
                KillLevel::None | KillLevel::StopEntries => format!("entries stop; {entries} that wait and {held} positions stay"),
                KillLevel::CancelEntries => format!("entries stop, {entries} that wait are cancelled; {held} positions stay"),
                KillLevel::SquareOff => format!("entries stop, {entries} that wait are cancelled, {held} positions are squared off"),
            }
        }),
        Action::Cancel(strategy) => each(&|client| format!("{} entries are cancelled", waiting(client, strategy.as_ref()))),
        Action::Exit(what) => each(&|client| {
            let filter = filter(state, client, what);
            let (all, held) = (filter.eligible(state, client).len(), filter.held(state, client).len());
            let coming = all.saturating_sub(held);
            let covered = match covered(state, client, &filter) {
                0 => String::new(),
                covered => format!(" ({covered} of them have exits under way for all of it: another is refused, see the order book)"),
            };
            let more = if coming == 0 { String::new() } else { format!("; {coming} that are being entered are cancelled or left") };
            format!("{held} positions are exited at the market{covered}{more}")
        }),
        Action::Acknowledge(id) => {
            let open = found(state, &wish.whose, id.as_deref(), state.now());
            let line = |(client, alarm): Open| format!("{} {}: {}", alarms::name(client.as_ref(), alarm.seq), alarm.event, alarm.text);
            first_ten(open.into_iter().map(line).collect(), "no alarm is open")
        }
        Action::GoOn(GoOn { exits, .. }) => {
            let lines = still_stopped(state, &wish.whose, exits).into_iter().map(|(client, found)| format!("{client}: {}", found.text));
            let lines = first_ten(lines.collect(), "none of them waits any more");
            format!("{lines}\neach goes as far again beyond its cap")
        }
    };
    format!("{wish}\n{counts}")
}

fn first_ten(lines: Vec<String>, none: &str) -> String {
    let more = lines.len().saturating_sub(10);
    let shown = lines.into_iter().take(10).collect::<Vec<_>>().join("\n");
    match (shown.is_empty(), more) {
        (true, _) => none.to_owned(),
        (false, 0) => shown,
        (false, more) => format!("{shown}\nand {more} more"),
    }
}

/// Does it, under the name of who confirmed it by the message of that number: now, or after a start for what an earlier process left.
pub(in crate::web) async fn act(state: &WebState, under_way: &UnderWay, update: i64) -> Outcome {
    let (who, clients) = (under_way.who(), clients(state, &under_way.wish.whose));
    tracing::warn!(event = "chat_action", who, update, "{}", under_way.wish);
    match &under_way.wish.action {
        Action::Kill { level, reason } => {
            let reason = if reason.is_empty() { "by Telegram" } else { reason };
            // Only ever raised: a higher level that stands is not taken down.
            match controls::set(state, &clients, &ControlChange::RaiseAccount(*level), &who, reason).await {
                Ok(accounts) => Outcome { is_whole: true, words: levels(&accounts) },
                Err(problem) => Outcome { is_whole: false, words: format!("{}; look at the dashboard", problem.detail()) },
            }
        }
        Action::Cancel(strategy) => cancel(state, &clients, strategy.as_ref(), under_way).await,
        Action::Exit(what) => exit(state, &clients, what, &who, update).await,
        Action::Acknowledge(id) => acknowledge(state, id.as_deref(), under_way).await,
        Action::GoOn(GoOn { exits, .. }) => go_on(state, exits, &who).await,
    }
}

fn levels(accounts: &[Value]) -> String {
    let line = |account: &Value| format!("{}: kill level {}", account["client_id"].as_str().unwrap_or("?"), account["level"]);
    accounts.iter().map(line).collect::<Vec<_>>().join("\n")
}

async fn cancel(state: &WebState, clients: &[ClientId], strategy: Option<&Strategy>, under_way: &UnderWay) -> Outcome {
    let of = |client: &ClientId| {
        let client = client.clone();
        entries(state, &client, strategy, under_way.at).into_iter().map(move |id| (client.clone(), id)).collect::<Vec<_>>()
    };
    let orders: Vec<(ClientId, CommandId)> = clients.iter().flat_map(of).collect();
    let who = under_way.who();
    let asked = join_all(orders.iter().map(|(client, id)| state.engine.cancel(client, *id, &who, "by Telegram"))).await;
    let taken = asked.iter().filter(|outcome| outcome.as_ref().is_ok_and(ordergate_actors::persistence::Outcome::is_applied)).count();
    let lost = asked.iter().filter(|outcome| outcome.is_err()).count();
    let mut words = format!("{taken} cancels are written down and asked for");
    if asked.len() > taken + lost {
        words += &format!("; {} had ended", asked.len() - taken - lost);
    }
    if lost > 0 {
        words += &format!("; {lost} could not be asked: look at the order book");
    }
    Outcome { is_whole: lost == 0, words }
}

/// The key of an exit: whatever happens, one message is one signal.
fn exit_key(update: i64) -> String {
    format!("telegram-{update}")
}

async fn exit(state: &WebState, clients: &[ClientId], what: &What, who: &str, update: i64) -> Outcome {
    let (mut lines, mut is_whole) = (Vec::new(), true);
    for client_id in clients {
        let filter = filter(state, client_id, what);
        let asking = Asking {
            client_id: client_id.clone(),
            source: Source::Dashboard,
            user: who.to_owned(),
            key: IdempotencyKey::parse(&exit_key(update)).ok(),
            body_hash: body_hash(&format!("{what:?}")),
            scope: Scope::default(),
        };
        lines.push(match exits::sent(state, &filter, vec![asking]).await {
            Ok(None) => format!("{client_id}: nothing is held"),
            Ok(Some(body)) => {
                let (is_done, words) = exited(&body);
                is_whole &= is_done;
                format!("{client_id}: {words}")
            }
            Err(problem) => {
                is_whole = false;
                format!("{client_id}: {}", problem.detail())
            }
        });
    }
    Outcome { is_whole, words: lines.join("\n") }
}

/// So many refusals are told one by one.
const TOLD: usize = 5;

/// What came of an exit: whether none of it was refused, and of what was, why. One that finds nothing left, or its target reached, is done.
fn exited(body: &Value) -> (bool, String) {
    let rows = |name: &str| body[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let orders = rows("orders");
    let is_done_already = |order: &Value| [Tag::AtTarget, Tag::NoPosition].iter().any(|tag| order["tag"] == json!(tag));
    let refused = orders.iter().filter(|order| order["status"] == json!(Status::Failed) && !is_done_already(order));
    let refused = refused.map(|order| {
        format!("{} of {}: {}: {}", text(order, "symbol"), text(order, "strategy"), text(order, "words"), text(order, "reason"))
    });
    // Of several signals, one that was not taken stands among the others with its problem.
    let untaken = rows("signals").iter().filter(|signal| signal.get("orders").is_none()).map(|signal| text(signal, "detail"));
    let whys: Vec<String> = refused.chain(untaken).collect();
    let mut words = format!("{} exits: {}", orders.len(), body["status"].as_str().unwrap_or("?"));
    for why in whys.iter().take(TOLD) {
        words.push_str(&format!("\nNOT exited: {why}"));
    }
    if whys.len() > TOLD {
        words.push_str(&format!("\nand {} more that are NOT exited", whys.len() - TOLD));
    }
    (whys.is_empty(), words)
}

/// Each once: what was let go on meanwhile, or has ended, is left as it is.
async fn go_on(state: &WebState, exits: &[Stopped], who: &str) -> Outcome {
    let (mut gone, mut over, mut lost) = (0, 0, Vec::new());
    for exit in exits {
        match exit_rules::grant(state, exit.order, Some(exit.granted), who, Some("by Telegram")).await {
            Ok(()) => gone += 1,
            Err(problem) if matches!(problem.code(), "not_on_the_ladder" | "not_halted" | "changed_meanwhile") => over += 1,
            Err(problem) => lost.push(format!("\n{} does NOT go on: {}", exit.order, problem.detail())),
        }
    }
    let mut words = format!("{gone} exits go on, as far again beyond their cap");
    if over > 0 {
        words += &format!("; {over} waited for no word any more");
    }
    Outcome { is_whole: lost.is_empty(), words: words + &lost.concat() }
}

async fn acknowledge(state: &WebState, id: Option<&str>, under_way: &UnderWay) -> Outcome {
    let (open, who) = (found(state, &under_way.wish.whose, id, under_way.at), under_way.who());
    let asked =
        join_all(open.iter().map(|(client, alarm)| state.engine.acknowledge(client.as_ref(), alarm.seq, &who, "by Telegram"))).await;
    let seen = asked.iter().filter(|outcome| outcome.as_ref().is_ok_and(ordergate_actors::persistence::Outcome::is_applied)).count();
    Outcome { is_whole: asked.iter().all(Result::is_ok), words: format!("{seen} of {} alarms are marked as seen", open.len()) }
}
