//! `ordergate squareoff`: closes what the broker shows open, while no engine runs. It shows what it would do; with `--yes`
//! it does it. Masters that are missing or old are fetched first: nothing can be closed without its row.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use ordergate_actors::order::{ClientId, Exchange};
use ordergate_actors::ports::{Budget, Clock, Instruments as _};
use ordergate_actors::steady::SteadyClock;
use ordergate_actors::supervision::EXIT_REFUSED;
use serde_json::json;

use super::print::Page;
use super::sign_in::sign_in;
use super::{Config, EXIT_ATTENTION, EXIT_OK};
use crate::app::Alone;
use crate::clock::SystemClock;
use crate::instruments::master::plan::master_day;
use crate::instruments::master::store::LoadError;
use crate::instruments::master::{News, Refresh, Tried};
use crate::instruments::{Freshness, Masters};
use crate::squareoff::{End, Obstacle, Pace, Plan, SquareOff, SquareOffLog};
use crate::store::{DirectoryLock, Holder, LockError, give_up_below};

/// How long masters may take to come before it goes on with what is stored.
const FETCH: Duration = Duration::from_secs(45);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The account; may be left out if there is one
    #[arg(long, value_name = "NAME", value_parser = |text: &str| ClientId::parse(text))]
    account: Option<ClientId>,
    /// Do it; without this it only shows what it would do
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(config: &Config, args: &Arguments) -> anyhow::Result<i32> {
    let mut config = config.clone();
    let known = || config.accounts.iter().map(|account| account.client_id.to_string()).collect::<Vec<_>>().join(", ");
    let chosen = match (&args.account, config.accounts.as_slice()) {
        (Some(name), accounts) if accounts.iter().any(|account| account.client_id == *name) => name.clone(),
        (Some(name), _) => return refused(&format!("there is no account {name}; there are {}", known())),
        (None, [only]) => only.client_id.clone(),
        (None, _) => return refused(&format!("--account is needed: there are {}", known())),
    };
    config.accounts.retain(|account| account.client_id == chosen);
    let data = &config.storage.directory;
    std::fs::create_dir_all(data)?;
    // While an engine runs this would race with it: its own kill level 3 does the same, with a record.
    let lock = match DirectoryLock::acquire(data, Holder::Command("squareoff"), SystemClock.now()) {
        Ok(lock) => lock,
        Err(busy @ LockError::Busy { .. }) => return refused(&busy.to_string()),
        Err(held) => return refused(&format!("{held}; a running engine squares off with POST /dashboard/kill, level 3")),
    };
    // Nothing is sent that its log has no room for.
    give_up_below(data, config.storage.min_free_bytes);
    let clock: Arc<dyn Clock> = SteadyClock::over(Arc::new(SystemClock));
    let mut log = SquareOffLog::open(&config.log.directory, chosen.clone(), Arc::clone(&clock))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(act(&config, &chosen, args.yes, &clock, &mut log))?;
    drop(lock);
    Ok(code)
}

fn refused(words: &str) -> anyhow::Result<i32> {
    eprintln!("ordergate: {words}");
    Ok(EXIT_REFUSED)
}

async fn act(config: &Config, client: &ClientId, is_meant: bool, clock: &Arc<dyn Clock>, log: &mut SquareOffLog) -> anyhow::Result<i32> {
    let Alone { broker, connection, masters, mut refresh, calendar, no_calendar } = crate::app::alone(config, clock)?;
    let account = config.accounts.first().ok_or_else(|| anyhow!("there is no account"))?;
    let budget = Budget::changed(broker.capabilities().budget, account.settings.budget).map_err(|cause| anyhow!("{client}: {cause}"))?;
    let pace = Pace {
        look: Duration::from_secs(1),
        patience: Duration::from_secs(15),
        reads: Duration::from_secs(120),
        attempts: account.settings.limits.square_off_tries,
    };
    let mut work = SquareOff::new(&*broker, budget, &*masters, &**clock, pace).by(calendar);
    let mut page = Page::new();
    if let Some(error) = no_calendar {
        page.line(format!(
            "no hours of any market are known: {error}; exits are sent at once, and orders that lie in a closing auction are cancelled"
        ));
    }
    if let Some(refresh) = refresh.as_ref().filter(|_| masters.freshness(clock.now()) != Freshness::Fresh) {
        fetch(refresh, &masters, clock, &mut page).await;
    }
    if let Some(connection) = &connection {
        sign_in(&**connection, &mut page, log).await?;
    }
    if let Err(words) = work.session().await {
        page.line(format!("{client}: no broker session: {words}")).line("nothing is known, and nothing was done").show()?;
        return Ok(EXIT_ATTENTION);
    }
    let mut looked = work.look().await;
    // Bought by hand, perhaps, at an exchange that the settings do not name.
    if let (Ok(plan), Some(refresh)) = (&looked, &mut refresh)
        && let more = other_exchanges(plan, &refresh.exchanges)
        && !more.is_empty()
    {
        refresh.exchanges.extend(more);
        fetch(refresh, &masters, clock, &mut page).await;
        looked = work.look().await;
    }
    if let Ok(plan) = &looked
        && plan.is_done()
        && is_waited_for(&work, &mut page).await?
    {
        looked = work.look().await;
    }
    let plan = match looked {
        Ok(plan) => plan,
        Err(words) => {
            page.line(format!("{client}: {words}")).line("nothing is known, and nothing was done").show()?;
            return Ok(EXIT_ATTENTION);
        }
    };
    let words = plan.words();
    for line in &words {
        page.line(line);
    }
    if !plan.left_alone.is_empty() {
        page.line(format!("left alone: {} delivery positions of today; shares of earlier days are not looked at", plan.left_alone.len()));
    }
    if plan.is_done() {
        page.line(format!("{client}: no eligible positions, and no orders to cancel, by the broker's books")).show()?;
        return Ok(EXIT_OK);
    }
    let due = refresh.as_ref().map(|refresh| master_day(clock.now(), refresh.from));
    let unfetched = due.map(|day| unfetched(&plan, &masters, day)).unwrap_or_default();
    if !unfetched.is_empty() {
        let exchanges = unfetched.into_iter().map(Exchange::as_str).collect::<Vec<_>>().join(", ");
        page.line(format!(
            "nothing was done: what cannot be closed may be in the masters of today, and those of {exchanges} are not here; run `ordergate \
             instruments fetch --exchanges {}`, or close it at the broker, and run this again",
            exchanges.replace(", ", ",")
        ));
        page.show()?;
        return Ok(EXIT_ATTENTION);
    }
    if !is_meant {
        page.line(if plan.can_act() { WITH_YES } else { NOTHING_TO_DO }).show()?;
        return Ok(EXIT_ATTENTION);
    }
    page.show()?;
    log.write(json!({ "event": "BEGAN", "plan": words }))?;
    if !work.shows_all_in().is_zero() {
        page.line(format!("orders are cancelled at once; exits go in {} s: {NOT_SHOWN_YET}", seconds(work.shows_all_in()))).show()?;
    }
    let end = work.run(log).await?;
    log.write(json!({ "event": "ENDED", "end": format!("{end:?}") }))?;
    let code = if matches!(end, End::Flat | End::Nothing) { EXIT_OK } else { EXIT_ATTENTION };
    let lines = match end {
        End::Nothing => vec![format!("{client}: no eligible positions")],
        End::Flat => vec![format!("{client}: flat, by the broker's books")],
        End::NotFlat(left) => [format!("{client}: NOT FLAT; close these at the broker:")].into_iter().chain(left).collect(),
        End::Unknown(words) => vec![format!("{client}: {words}; look at the broker's own terminal")],
    };
    for line in lines {
        page.line(line);
    }
    page.show()?;
    Ok(code)
}

/// What it would do.
const WITH_YES: &str = "nothing was done; with --yes the orders that work are cancelled, but for those that stay, and the open positions \
    are closed at the market, but for those that cannot be closed or are left alone";

/// What it would not.
const NOTHING_TO_DO: &str = "nothing was done, and with --yes nothing would be: none of this can be cancelled or closed from here now";

/// Why it waits.
const NOT_SHOWN_YET: &str = "what an engine sent just before it ended may not be in the broker's books yet";

/// Waits until the broker must show what was sent before this began; answers whether that took any time.
async fn is_waited_for(work: &SquareOff<'_>, page: &mut Page) -> anyhow::Result<bool> {
    let left = work.shows_all_in();
    if left.is_zero() {
        return Ok(false);
    }
    page.line(format!("nothing is shown; it is looked at again in {} s: {NOT_SHOWN_YET}", seconds(left))).show()?;
    tokio::time::sleep(left).await;
    Ok(true)
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Fetches the masters that are not of the day, and says what came of it.
async fn fetch(refresh: &Refresh, masters: &Masters, clock: &Arc<dyn Clock>, page: &mut Page) {
    let news = parking_lot::Mutex::new(Vec::new());
    let (mut tried, tell) = (Tried::default(), |one: News| news.lock().push(words(&one)));
    if tokio::time::timeout(FETCH, refresh.round(masters, &mut tried, &**clock, &tell)).await.is_err() {
        // Those that came before the one that hangs are stored.
        if let Err(error) = refresh.take_stored(masters, &mut tried, &tell).await {
            tell(News::Unreadable(LoadError::Directory { directory: refresh.downloader.directory().clone(), error }));
        }
        page.line(format!("not every master came within {} s", FETCH.as_secs()));
    }
    for words in news.into_inner() {
        page.line(words);
    }
}

/// What a person reads of it: nothing is tried again here.
fn words(news: &News) -> String {
    match news {
        News::Failed { exchange, error, .. } => format!("the master of {exchange} was not fetched: {error}"),
        news => news.to_string(),
    }
}

/// The exchanges of what is not in a master, beyond these.
fn other_exchanges(plan: &Plan, known: &[Exchange]) -> BTreeSet<Exchange> {
    missing(plan).filter(|exchange| !known.contains(exchange)).collect()
}

/// Those of them whose master is not of this day: it may lack only what is new.
fn unfetched(plan: &Plan, masters: &Masters, day: chrono::NaiveDate) -> BTreeSet<Exchange> {
    missing(plan).filter(|exchange| masters.as_of(*exchange).is_none_or(|as_of| as_of < day)).collect()
}

fn missing(plan: &Plan) -> impl Iterator<Item = Exchange> {
    let lacking = plan.stuck.iter().filter(|(_, obstacle)| *obstacle == Obstacle::NotInMaster);
    let unread = plan.beside.iter().filter_map(|beside| beside.unlisted.as_ref()).map(|instrument| instrument.exchange);
    lacking.map(|(close, _)| close.holding.instrument.exchange).chain(unread)
}
