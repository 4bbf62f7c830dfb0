//! The accounts' brokers, and where their quotes come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use ordergate_actors::AccountSettings;
use ordergate_actors::order::ClientId;
use ordergate_actors::ports::{Broker, Clock, Quotes};

use crate::brokers::connection::Connection;
use crate::brokers::noren::{Io, NorenBroker, NorenSettings};
use crate::brokers::paper::{LiveMarket, PaperBroker, PaperSettings};
use crate::config::{Account, BrokerKind, Config};
use crate::files::private_directory;
use crate::instruments::Masters;
use crate::simulator::market::{Market, MarketQuotes, SyntheticMarket};

/// Every account with its broker.
pub(super) struct Brokers {
    /// For the engine.
    pub(super) accounts: Vec<(AccountSettings, Arc<dyn Broker>)>,
    /// The newest quotes: those of a real broker if there is one, else of the synthetic market.
    pub(super) quotes: Arc<dyn Quotes>,
    /// Of the accounts that log in somewhere.
    pub(super) connections: BTreeMap<ClientId, Arc<dyn Connection>>,
}

/// Opens the accounts of the configuration.
pub(super) fn open(config: &Config, instruments: &Arc<Masters>, clock: &Arc<dyn Clock>) -> anyhow::Result<Brokers> {
    let listed: Vec<_> = instruments.table().iter().collect();
    let uses_noren = config.paper.quotes.is_some() || config.accounts.iter().any(|account| account.noren.is_some());
    let io = uses_noren.then(Io::start).transpose().context("the thread of the broker's connections")?;
    let (mut accounts, mut connections) = (Vec::with_capacity(config.accounts.len()), BTreeMap::new());
    let quoting = match (&config.paper.quotes, &io) {
        (Some(settings), Some(io)) => Some(quoting(config, settings, instruments, clock, io)?),
        _ => None,
    };
    let market: Arc<dyn Market> = match &quoting {
        Some(account) => Arc::new(LiveMarket::new(account.clone(), Arc::clone(clock), config.paper.stale_after)),
        None => Arc::new(SyntheticMarket::new(config.paper.seed, listed.iter().map(AsRef::as_ref))),
    };
    let mut quotes: Option<Arc<dyn Quotes>> = None;
    for account in &config.accounts {
        let broker: Arc<dyn Broker> = match (account.broker, &io) {
            (BrokerKind::Noren { .. }, Some(io)) => {
                let broker = Arc::new(noren(config, account, instruments, clock, io)?);
                quotes.get_or_insert_with(|| broker.board() as Arc<dyn Quotes>);
                connections.insert(account.client_id.clone(), Arc::clone(&broker) as Arc<dyn Connection>);
                broker
            }
            (BrokerKind::Noren { .. }, None) => return Err(anyhow!("the account {} has no settings of its broker", account.client_id)),
            (BrokerKind::Paper, _) => {
                let directory = config.storage.directory.join("paper").join(account.client_id.as_str());
                private_directory(&directory).with_context(|| format!("the paper broker's directory {}", directory.display()))?;
                let settings = PaperSettings::new(directory);
                if let Some(quoting) = &quoting {
                    // Who trades on paper logs in for the quotes.
                    connections.insert(account.client_id.clone(), Arc::new(quoting.clone()) as Arc<dyn Connection>);
                }
                Arc::new(PaperBroker::open(&settings, Arc::clone(instruments) as _, Arc::clone(&market), Arc::clone(clock))?)
            }
        };
        accounts.push((account.settings.clone(), broker));
    }
    let quotes = quotes.or_else(|| quoting.map(|account| account.board() as Arc<dyn Quotes>));
    let quotes = quotes.unwrap_or_else(|| Arc::new(MarketQuotes::new(market, Arc::clone(instruments) as _, Arc::clone(clock))));
    Ok(Brokers { accounts, quotes, connections })
}

fn noren(config: &Config, account: &Account, instruments: &Arc<Masters>, clock: &Arc<dyn Clock>, io: &Io) -> anyhow::Result<NorenBroker> {
    let settings = account.noren.as_ref().ok_or_else(|| anyhow!("the account {} has no settings of its broker", account.client_id))?;
    let directory = config.storage.directory.join("noren").join(account.client_id.as_str());
    private_directory(&directory).with_context(|| format!("the broker's directory {}", directory.display()))?;
    let settings = NorenSettings { directory, ..settings.as_ref().clone() };
    Ok(NorenBroker::start(settings, Arc::clone(instruments) as _, Arc::clone(clock), io.clone())?)
}

/// The account whose quotes the paper broker fills against. Nothing trades there: only its quotes are handed on.
fn quoting(
    config: &Config,
    settings: &NorenSettings,
    instruments: &Arc<Masters>,
    clock: &Arc<dyn Clock>,
    io: &Io,
) -> anyhow::Result<NorenBroker> {
    let directory = config.storage.directory.join("quotes");
    private_directory(&directory).with_context(|| format!("the directory of the account that quotes, {}", directory.display()))?;
    let settings = NorenSettings { directory, ..settings.clone() };
    Ok(NorenBroker::start(settings, Arc::clone(instruments) as _, Arc::clone(clock), io.clone())?)
}
