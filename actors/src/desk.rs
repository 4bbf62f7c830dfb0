//! One account's own things: what its four actors share, and what survives the restart of any of them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};

use actix::Addr;
use chrono::{DateTime, Utc};
use parking_lot::{Mutex, RwLock};

use crate::arming::{self, Standing};
use crate::broker::{Answered, BrokerActor, Calls, Meter};
use crate::guard::GuardActor;
use crate::order::{ClientId, CommandId};
use crate::persistence::{Admission, Latch, Orphans, Seat};
use crate::ports::{Broker, QuoteBell};
use crate::risk::RiskActor;
use crate::settings::{AccountSettings, Fitted};
use crate::watcher::{Findings, WatcherActor};

/// How far an account has come since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// The broker's books are being read; signals are registered and wait.
    Recovering,
    /// Exits go; entries wait for the last doubts of the start.
    ExitsOnly,
    /// Everything goes.
    Open,
    /// Stopping: nothing new is taken.
    Closing,
}

/// One account's own things, surviving the restart of any of its actors.
#[derive(Debug)]
pub struct Desk {
    /// The account.
    pub client_id: ClientId,
    /// Its limits and waits.
    pub settings: AccountSettings,
    /// Its broker; called by BrokerActor only.
    pub broker: Arc<dyn Broker>,
    /// The kill latch.
    pub latch: Arc<Latch>,
    /// Permits.
    pub admission: Arc<Admission>,
    /// Lost tickets.
    pub orphans: Arc<Orphans>,
    /// Calls under way.
    pub calls: Mutex<Calls>,
    /// Its rate budget.
    pub budget: Mutex<Meter>,
    /// Quotes that were asked for by themselves.
    pub answered: Mutex<Answered>,
    /// Rung by quotes of what its exit rules watch.
    pub bell: Arc<QuoteBell>,
    /// Orders that were at hand when an actor panicked.
    pub suspects: Mutex<BTreeSet<CommandId>>,
    /// Suspect exits that were driven once more; a second panic on one ends it.
    pub second_drives: Mutex<BTreeSet<CommandId>>,
    /// Orders of the process before that had not ended; recovery decides about them, once.
    pub found_at_start: Mutex<BTreeSet<CommandId>>,
    /// What the watcher last found at the broker.
    pub findings: RwLock<Findings>,
    /// The last jump of the machine's clock that people were told of.
    pub(crate) jumps_told: AtomicU64,
    /// WatcherActor was not told of rows that are on disk: it begins anew.
    pub(crate) is_unheard: AtomicBool,
    phase: RwLock<Phase>,
    pub(crate) addresses: DeskAddresses,
}

/// One kept address per actor of the account; written once, when the desk is wired.
#[derive(Debug, Default)]
pub(crate) struct DeskAddresses {
    pub(crate) risk: OnceLock<Addr<RiskActor>>,
    pub(crate) guard: OnceLock<Addr<GuardActor>>,
    pub(crate) broker: OnceLock<Addr<BrokerActor>>,
    pub(crate) watcher: OnceLock<Addr<WatcherActor>>,
}

impl Desk {
    /// An account that is about to recover.
    #[must_use]
    pub fn new(fitted: Fitted, broker: Arc<dyn Broker>, latch: Arc<Latch>, seat: Seat, found_at_start: BTreeSet<CommandId>) -> Self {
        let Fitted { settings, budget } = fitted;
        let Seat { admission, orphans } = seat;
        Self {
            client_id: settings.client_id.clone(),
            settings,
            broker,
            latch,
            admission,
            orphans,
            calls: Mutex::new(Calls::default()),
            budget: Mutex::new(Meter::new(budget)),
            answered: Mutex::new(Answered::default()),
            bell: Arc::default(),
            suspects: Mutex::new(BTreeSet::new()),
            second_drives: Mutex::new(BTreeSet::new()),
            found_at_start: Mutex::new(found_at_start),
            findings: RwLock::new(Findings::default()),
            jumps_told: AtomicU64::new(0),
            is_unheard: AtomicBool::new(false),
            phase: RwLock::new(Phase::Recovering),
            addresses: DeskAddresses::default(),
        }
    }

    /// Whether entries need a person to arm the account: real money moves, or the settings want a drill.
    #[must_use]
    pub fn needs_arming(&self) -> bool {
        self.settings.arming.is_required || self.broker.capabilities().is_live
    }

    /// Whether the account is armed now.
    #[must_use]
    pub fn standing(&self, now: DateTime<Utc>) -> Standing {
        self.latch.with_arming(|arming| arming::standing(self.needs_arming(), arming, &self.settings.arming.basis, now))
    }

    /// How far it has come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.read()
    }

    /// Moves on; a closing desk stays closing.
    pub fn set_phase(&self, next: Phase) {
        let mut phase = self.phase.write();
        if *phase != Phase::Closing {
            *phase = next;
        }
    }

    pub(crate) fn wire(&self, risk: Addr<RiskActor>, guard: Addr<GuardActor>, broker: Addr<BrokerActor>, watcher: Addr<WatcherActor>) {
        let fresh = self.addresses.risk.set(risk).is_ok()
            & self.addresses.guard.set(guard).is_ok()
            & self.addresses.broker.set(broker).is_ok()
            & self.addresses.watcher.set(watcher).is_ok();
        debug_assert!(fresh, "a desk is wired once");
    }
}
