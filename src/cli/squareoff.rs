//! `ordergate squareoff`: closes what the broker shows open, while no engine runs. It shows what it would do; with `--yes`
//! it does it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use ordergate_actors::order::ClientId;
use ordergate_actors::ports::{Budget, Clock};
use ordergate_actors::steady::SteadyClock;
use ordergate_actors::supervision::EXIT_REFUSED;
use serde_json::json;

use super::print::Page;
use super::{Config, EXIT_ATTENTION, EXIT_OK};
use crate::clock::SystemClock;
use crate::squareoff::{End, Pace, SquareOff, SquareOffLog};
use crate::store::DirectoryLock;

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
    let lock = match DirectoryLock::acquire(data, SystemClock.now()) {
        Ok(lock) => lock,
        Err(held) => return refused(&format!("{held}; a running engine squares off with POST /dashboard/kill, level 3")),
    };
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
    let (broker, masters) = crate::app::alone(config, clock)?;
    let account = config.accounts.first().ok_or_else(|| anyhow!("there is no account"))?;
    let budget = Budget::changed(broker.capabilities().budget, account.settings.budget).map_err(|cause| anyhow!("{client}: {cause}"))?;
    let pace = Pace {
        look: Duration::from_secs(1),
        patience: Duration::from_secs(15),
        reads: Duration::from_secs(120),
        attempts: account.settings.limits.square_off_tries,
    };
    let mut work = SquareOff::new(&*broker, budget, &*masters, &**clock, pace);
    let mut page = Page::new();
    if let Err(words) = work.session().await {
        page.line(format!("{client}: no broker session: {words}")).line("nothing is known, and nothing was done").show()?;
        return Ok(EXIT_ATTENTION);
    }
    let plan = match work.look().await {
        Ok(plan) => plan,
        Err(words) => {
            page.line(format!("{client}: {words}")).line("nothing is known, and nothing was done").show()?;
            return Ok(EXIT_ATTENTION);
        }
    };
    if plan.is_done() {
        page.line(format!("{client}: no eligible positions, and no working orders, by the broker's books")).show()?;
        return Ok(EXIT_OK);
    }
    let words = plan.words();
    for line in &words {
        page.line(line);
    }
    if !plan.left_alone.is_empty() {
        page.line(format!("left alone: {} delivery holdings", plan.left_alone.len()));
    }
    if !is_meant {
        page.line("nothing was done; with --yes these orders are cancelled and these positions closed at the market").show()?;
        return Ok(EXIT_ATTENTION);
    }
    page.show()?;
    log.write(json!({ "event": "BEGAN", "plan": words }))?;
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
