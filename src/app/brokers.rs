//! The accounts' brokers, and where their quotes come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use ordergate_actors::AccountSettings;
use ordergate_actors::order::ClientId;
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::ports::{Broker, Clock, Quotes};

use crate::brokers::connection::Connection;
use crate::brokers::noren::{Io, NorenBroker, NorenSettings};
use crate::brokers::paper::{LiveMarket, PaperBroker, PaperSettings};
use crate::config::{Account, BrokerKind, Config};
use crate::conformance::confirmed;
use crate::files::private_directory;
use crate::instruments::Masters;
use crate::simulator::market::{Market, MarketQuotes, SyntheticMarket};
use crate::version;

/// Every account with its broker.
pub(super) struct Brokers {
    /// For the engine.
    pub(super) accounts: Vec<(AccountSettings, Arc<dyn Broker>)>,
    /// The newest quotes: those of a real broker if there is one, else of the synthetic market.
    pub(super) quotes: Arc<dyn Quotes>,
    /// Of the accounts that log in somewhere.
    pub(super) connections: BTreeMap<ClientId, Arc<dyn Connection>>,
}

/// An account whose settings do not fit its broker: starting again changes nothing.
#[derive(Debug, thiserror::Error)]
#[error("the settings of the account {client_id} do not fit its broker: account.{cause}")]
pub(super) struct Misfit {
    client_id: ClientId,
    cause: String,
}

/// The first account that does not fit, if any.
pub(super) fn misfit(accounts: &[(AccountSettings, Arc<dyn Broker>)]) -> Option<Misfit> {
    accounts.iter().find_map(|(account, broker)| {
        let client_id = account.client_id.clone();
        account.clone().fitted_to(broker.capabilities()).err().map(|cause| Misfit { client_id, cause })
    })
}

/// Opens the accounts of the configuration.
pub(super) fn open(
    config: &Config,
    instruments: &Arc<Masters>,
    clock: &Arc<dyn Clock>,
    calendar: &Arc<Calendar>,
) -> anyhow::Result<Brokers> {
    let listed: Vec<_> = instruments.table().iter().collect();
    let uses_noren = config.paper.quotes.is_some() || config.accounts.iter().any(|account| account.noren.is_some());
    let io = uses_noren.then(Io::start).transpose().context("the thread of the broker's connections")?;
    let (mut accounts, mut connections) = (Vec::with_capacity(config.accounts.len()), BTreeMap::new());
    let quoting = match (&config.paper.quotes, &io) {
        (Some(settings), Some(io)) => Some(quoting(config, settings, instruments, clock, (calendar, io))?),
        _ => None,
    };
    let market: Arc<dyn Market> = match &quoting {
        Some(account) => {
            let (clock, calendar) = (Arc::clone(clock), Arc::clone(calendar));
            Arc::new(LiveMarket::new(account.clone(), clock, config.paper.stale_after, calendar, Arc::clone(instruments) as _))
        }
        None => Arc::new(SyntheticMarket::new(config.paper.seed, listed.iter().map(AsRef::as_ref))),
    };
    let mut quotes: Option<Arc<dyn Quotes>> = None;
    for account in &config.accounts {
        let broker: Arc<dyn Broker> = match (account.broker, &io) {
            (BrokerKind::Noren { .. }, Some(io)) => {
                let broker = Arc::new(noren(config, account, instruments, clock, (calendar, io))?);
                quotes.get_or_insert_with(|| broker.board() as Arc<dyn Quotes>);
                connections.insert(account.client_id.clone(), Arc::clone(&broker) as Arc<dyn Connection>);
                broker
            }
            (BrokerKind::Noren { .. }, None) => return Err(anyhow!("the account {} has no settings of its broker", account.client_id)),
            (BrokerKind::Paper, _) => {
                let directory = config.storage.directory.join("paper").join(account.client_id.as_str());
                private_directory(&directory).with_context(|| format!("the paper broker's directory {}", directory.display()))?;
                let settings = PaperSettings { cash: config.paper.cash, ..PaperSettings::new(directory) };
                if let Some(quoting) = &quoting {
                    // Who trades on paper logs in for the quotes.
                    connections.insert(account.client_id.clone(), Arc::new(quoting.clone()) as Arc<dyn Connection>);
                }
                Arc::new(PaperBroker::open(&settings, Arc::clone(instruments) as _, Arc::clone(&market), Arc::clone(clock))?)
            }
        };
        accounts.push((settled(config, account, broker.capabilities().is_live), broker));
    }
    let quotes = quotes.or_else(|| quoting.map(|account| account.board() as Arc<dyn Quotes>));
    let quotes = quotes.unwrap_or_else(|| Arc::new(MarketQuotes::new(market, Arc::clone(instruments) as _, Arc::clone(clock))));
    Ok(Brokers { accounts, quotes, connections })
}

/// The account's settings. Where an account needs arming, it is armed for this very build. Where real money moves, entries go by what a
/// conformance run has found a quantity to count; the adapter goes on with what the settings say, so that what is held can be left.
fn settled(config: &Config, account: &Account, is_live: bool) -> AccountSettings {
    let mut settings = account.settings.clone();
    if is_live || settings.arming.is_required {
        version::of_this_build().clone_into(&mut settings.arming.basis.version);
    }
    if is_live {
        let (units, why) = confirmed(&config.storage.directory, &account.client_id, settings.quantity_units);
        settings.quantity_units = units;
        for words in why {
            tracing::warn!(event = "quantity_unit_unconfirmed", client_id = %account.client_id, "{words}: entries there are refused");
        }
    }
    settings
}

fn noren(
    config: &Config,
    account: &Account,
    instruments: &Arc<Masters>,
    clock: &Arc<dyn Clock>,
    (calendar, io): (&Arc<Calendar>, &Io),
) -> anyhow::Result<NorenBroker> {
    let settings = account.noren.as_ref().ok_or_else(|| anyhow!("the account {} has no settings of its broker", account.client_id))?;
    let directory = config.storage.directory.join("noren").join(account.client_id.as_str());
    private_directory(&directory).with_context(|| format!("the broker's directory {}", directory.display()))?;
    let quantity_units = account.settings.quantity_units;
    let settings = NorenSettings { directory, quantity_units, calendar: Arc::clone(calendar), ..settings.as_ref().clone() };
    Ok(NorenBroker::start(settings, Arc::clone(instruments) as _, Arc::clone(clock), io.clone())?)
}

/// The account whose quotes the paper broker fills against. Nothing trades there: only its quotes are handed on.
fn quoting(
    config: &Config,
    settings: &NorenSettings,
    instruments: &Arc<Masters>,
    clock: &Arc<dyn Clock>,
    (calendar, io): (&Arc<Calendar>, &Io),
) -> anyhow::Result<NorenBroker> {
    let directory = config.storage.directory.join("quotes");
    private_directory(&directory).with_context(|| format!("the directory of the account that quotes, {}", directory.display()))?;
    let settings = NorenSettings { directory, calendar: Arc::clone(calendar), ..settings.clone() };
    Ok(NorenBroker::start(settings, Arc::clone(instruments) as _, Arc::clone(clock), io.clone())?)
}

#[cfg(test)]
mod tests {
    use ordergate_actors::ports::BudgetChange;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn an_arming_is_given_for_one_build_and_not_for_a_version_of_many() {
        let config = crate::config::Config::load(None, Vec::new()).unwrap();
        let basis = |is_live| settled(&config, &config.accounts[0], is_live).arming.basis;
        let live = basis(true);
        assert_eq!(live.version, version::of_this_build());
        assert_ne!(live.version, version::VERSION, "every build has been that version");
        let of_another = ordergate_actors::arming::Basis { version: format!("{}+0123456789abcdef", version::VERSION), ..live.clone() };
        assert_eq!(live.differences(&of_another).len(), 1);
        assert!(basis(false).version.is_empty(), "what is never armed needs no name");
        let settings = [("ORDERGATE__ACCOUNT__ARMING".to_owned(), "required".to_owned())];
        let drilled = crate::config::Config::load(None, settings).unwrap();
        assert_eq!(settled(&drilled, &drilled.accounts[0], false).arming.basis.version, version::of_this_build());
    }

    #[test]
    fn an_account_that_does_not_fit_its_broker_is_named_with_the_setting() {
        let directory = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let masters = Arc::new(Masters::new(crate::instruments::InstrumentTable::new(Vec::new())));
        let market: Arc<dyn Market> = Arc::new(SyntheticMarket::new(1, std::iter::empty()));
        let paper = PaperBroker::open(&PaperSettings::new(directory.path()), masters as _, market, clock).unwrap();
        let broker: Arc<dyn Broker> = Arc::new(paper);
        let fits = crate::config::Config::load(None, Vec::new()).unwrap().accounts.remove(0).settings;
        assert!(misfit(&[(fits.clone(), Arc::clone(&broker))]).is_none());
        let narrow = BudgetChange { per_second: Some(2), reserved_per_second: Some(2), ..BudgetChange::default() };
        let misfit = misfit(&[(fits.clone(), Arc::clone(&broker)), (AccountSettings { budget: narrow, ..fits.clone() }, broker)]);
        let text = misfit.unwrap().to_string();
        assert!(text.contains(fits.client_id.as_str()) && text.contains("account.budget: 2 calls in a second"), "{text}");
    }
}
