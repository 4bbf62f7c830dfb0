//! What is tradable today, and what it costs now.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::spelling::{ReadAs, Rule, Spelling, Spot, Unresolved, Why};
use crate::order::{Exchange, Instrument, InstrumentKey, Price};

/// The instrument master of today.
pub trait Instruments: Send + Sync + std::fmt::Debug + 'static {
    /// The instrument of that name.
    fn find(&self, key: &InstrumentKey) -> Option<Arc<Instrument>>;

    /// The trading day that the rows of this exchange are of; `None` for rows that do not age, as those of a sample.
    fn as_of(&self, exchange: Exchange) -> Option<NaiveDate>;

    /// The trading day that the row of this instrument is of: that of its exchange, or an earlier one for a row that is
    /// kept only because something is held in it. Entries go by it.
    fn as_of_row(&self, key: &InstrumentKey) -> Option<NaiveDate> {
        self.as_of(key.exchange)
    }

    /// Whether the underlying has live derivatives on any exchange; `None` if the master does not tell.
    fn has_derivatives(&self, _underlying: &str) -> Option<bool> {
        None
    }

    /// The one instrument that a spelling means, and by which rule. A list of instruments knows their own names only.
    ///
    /// # Errors
    /// [`Unresolved`] when it means none, or several; never a choice between two.
    fn resolve(&self, spelling: &Spelling<'_>, _spot: &Spot<'_>) -> Result<ReadAs, Unresolved> {
        let key = spelling.exchange.and_then(Exchange::parse).map(|exchange| InstrumentKey::new(exchange, spelling.symbol));
        match key.and_then(|key| self.find(&key)) {
            Some(instrument) => Ok(ReadAs { instrument, rule: Rule::BrokerSymbol, words: "the broker's own symbol".to_owned() }),
            None => {
                let beside = spelling.exchange.map_or_else(String::new, |exchange| format!(" of {exchange}"));
                let text = format!("{} is not in today's instrument master{beside}", spelling.symbol);
                Err(Unresolved { why: Why::Unknown, text, near: Vec::new() })
            }
        }
    }
}

/// The touch and the last trade of one instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Best price to sell at.
    pub bid: Option<Price>,
    /// Best price to buy at.
    pub ask: Option<Price>,
    /// Last traded price.
    pub last: Price,
    /// The lowest and the highest price that the exchange takes today; `None` where the market does not tell.
    pub band: Option<(Price, Price)>,
    /// When it was true, as the market dates it: what its age is measured from.
    pub at: DateTime<Utc>,
    /// By our own clock, when what was pushed came in, or when the question went out that it answers. Of two quotes the one
    /// with the later is the newer: dates are whole seconds of a clock that may lag behind ours.
    pub seen_at: DateTime<Utc>,
}

/// The newest quotes.
pub trait Quotes: Send + Sync + std::fmt::Debug + 'static {
    /// The newest quote, whatever its age; the reader judges that.
    fn quote(&self, key: &InstrumentKey) -> Option<Quote>;

    /// The close of the trading day before, as the market tells it.
    fn previous_close(&self, _key: &InstrumentKey) -> Option<Price> {
        None
    }

    /// Rings this bell from now on whenever a quote comes in. A source that is not pushed to has none to ring: whoever
    /// waits looks by himself now and then.
    fn ring(&self, _bell: &Arc<QuoteBell>) {}
}

/// Wakes one reader when a quote of an instrument that it watches came in. However many come, each instrument is named
/// once until the reader has looked: a burst queues nowhere.
#[derive(Debug, Default)]
pub struct QuoteBell {
    watched: RwLock<HashSet<InstrumentKey>>,
    rung: Mutex<BTreeSet<InstrumentKey>>,
    notify: Notify,
}

impl QuoteBell {
    /// Watches this one too.
    pub fn watch(&self, key: InstrumentKey) {
        self.watched.write().insert(key);
    }

    /// Watches this one no longer.
    pub fn leave(&self, key: &InstrumentKey) {
        self.watched.write().remove(key);
    }

    /// Watches nothing.
    pub fn leave_all(&self) {
        self.watched.write().clear();
    }

    /// A quote of this instrument came in.
    pub fn strike(&self, key: &InstrumentKey) {
        if !self.watched.read().contains(key) {
            return;
        }
        let mut rung = self.rung.lock();
        if !rung.contains(key) {
            let was_silent = rung.is_empty();
            rung.insert(key.clone());
            drop(rung);
            if was_silent {
                self.notify.notify_one();
            }
        }
    }

    /// Waits until something came in. Loses nothing when dropped.
    pub async fn rung(&self) {
        loop {
            let notified = self.notify.notified();
            if !self.rung.lock().is_empty() {
                return;
            }
            notified.await;
        }
    }

    /// What came in since the last look.
    #[must_use]
    pub fn take(&self) -> BTreeSet<InstrumentKey> {
        std::mem::take(&mut *self.rung.lock())
    }
}
