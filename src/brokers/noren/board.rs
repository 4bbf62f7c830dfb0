//! The quote board: the newest quote of every instrument that somebody asked for. One writer (the stream), any number of
//! readers; a burst of frames overwrites, and queues nowhere.
//!
//! Asking is subscribing: the first question for an instrument has no answer yet and makes the stream ask for it. The
//! number of subscriptions is bounded; the one that nobody has asked for longest gives way.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use ordergate_actors::order::{Instrument, InstrumentKey, Price, ist, session_date};
use ordergate_actors::ports::{Instruments, Quote, QuoteBell, Quotes};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::protect::is_believed;
use super::wire::frames::{Scrip, Tick, known_band};

/// What the stream shall ask for, and no longer ask for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Changes {
    /// New.
    pub subscribe: Vec<Scrip>,
    /// Given up.
    pub unsubscribe: Vec<Scrip>,
}

/// The board of one account's stream.
pub struct Board {
    instruments: Arc<dyn Instruments>,
    slots: RwLock<HashMap<Scrip, Slot>>,
    changes: Mutex<Changes>,
    changed: Notify,
    questions: AtomicU64,
    most: usize,
    bells: RwLock<Vec<Arc<QuoteBell>>>,
}

/// Units at the touch, as far as they are known.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// At the best buyer.
    pub bid: Option<i64>,
    /// At the best seller.
    pub ask: Option<i64>,
}

/// A quote with what stands at its touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    /// The quote.
    pub quote: Quote,
    /// The units there.
    pub sizes: Sizes,
    /// Grows whenever the touch is another, in price or in units.
    pub version: u64,
}

/// From here on (India) every exchange has begun its day, and what the feed tells of the day before does not change any more.
const SETTLED: NaiveTime = NaiveTime::from_hms_opt(9, 15, 0).unwrap();

#[derive(Debug, Default)]
struct Slot {
    quote: Option<Quote>,
    sizes: Sizes,
    version: u64,
    /// The close of the trading day before, and when the quote was true beside which it was told. The first that is told in a
    /// session stands, because after it the same field may hold the close of the day itself; before the session it is that of an
    /// earlier day, and in its first minutes it may still be.
    previous_close: Option<(Price, DateTime<Utc>)>,
    /// The session in which it was asked for anew.
    renewed: Option<NaiveDate>,
    /// The number of the last question for it.
    asked: AtomicU64,
    /// Its name, once somebody asked for it by that.
    key: Option<InstrumentKey>,
}

impl Slot {
    fn set(&mut self, quote: Option<Quote>, sizes: Sizes) {
        let touch = |quote: Option<Quote>| quote.map(|quote| (quote.bid, quote.ask));
        if (touch(self.quote), self.sizes) != (touch(quote), sizes) {
            self.version = self.version.wrapping_add(1);
        }
        (self.quote, self.sizes) = (quote, sizes);
    }

    fn close(&mut self, told: Option<Price>, at: DateTime<Utc>) {
        let stands = |known: DateTime<Utc>| session_date(known) >= session_date(at) && known.with_timezone(&ist()).time() >= SETTLED;
        if !self.previous_close.is_some_and(|(_, known)| stands(known)) {
            self.previous_close = told.map(|price| (price, at)).or(self.previous_close);
        }
    }

    /// Whether the close has to be asked for anew, once in a session: the feed tells it when it is subscribed and not again, so
    /// one that was subscribed before the session has none that counts.
    fn renews(&mut self) -> bool {
        let Some(at) = self.quote.map(|quote| quote.at).filter(|at| at.with_timezone(&ist()).time() >= SETTLED) else { return false };
        let session = session_date(at);
        let is_told =
            self.previous_close.is_some_and(|(_, told)| session_date(told) == session && told.with_timezone(&ist()).time() >= SETTLED);
        !is_told && self.renewed.replace(session) != Some(session)
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("subscribed", &self.slots.read().len()).field("most", &self.most).finish_non_exhaustive()
    }
}

impl Board {
    /// An empty board with room for so many instruments.
    #[must_use]
    pub fn new(instruments: Arc<dyn Instruments>, most: usize) -> Self {
        Self {
            instruments,
            slots: RwLock::default(),
            changes: Mutex::default(),
            changed: Notify::new(),
            questions: AtomicU64::new(0),
            most: most.max(1),
            bells: RwLock::default(),
        }
    }

    /// Takes a frame; whether the instrument is on the board. A time ahead of ours is ours.
    pub fn take(&self, tick: &Tick, now: DateTime<Utc>) -> bool {
        let mut slots = self.slots.write();
        let Some(slot) = slots.get_mut(&tick.scrip) else { return false };
        let told = tick.merge(slot.quote, now).map(|quote| Quote { at: quote.at.min(now), ..quote });
        let is_of_another = told.is_some_and(|quote| self.is_of_another(slot.key.as_ref(), &quote));
        let quote = if is_of_another { without_last(told, slot.quote) } else { told };
        let before = if tick.is_whole { Sizes::default() } else { slot.sizes };
        slot.set(quote, Sizes { bid: tick.bid_quantity.or(before.bid), ask: tick.ask_quantity.or(before.ask) });
        // Beside the price of another instrument stands the close of that, perhaps.
        slot.close(tick.previous_close.filter(|_| !is_of_another), quote.map_or(now, |quote| quote.at));
        let key = slot.key.clone();
        let renews = slot.renews();
        drop(slots);
        if renews {
            self.renew(tick.scrip);
        }
        if let Some(key) = key {
            self.bells.read().iter().for_each(|bell| bell.strike(&key));
        }
        true
    }

    /// Whether the last price is that of the option's underlying: option quotes were seen with it (Noren protocol reference, section
    /// 5.1), and whatever hangs on the last price, a stop or the day's loss, would go by it. A book around the price proves it.
    fn is_of_another(&self, key: Option<&InstrumentKey>, quote: &Quote) -> bool {
        let double = |price: Price| price.value().saturating_add(price.value());
        let is_in_its_book = matches!((quote.bid, quote.ask), (Some(bid), Some(ask))
            if bid <= ask && bid.value() <= double(quote.last) && quote.last.value() <= double(ask));
        let instrument = || key.and_then(|key| self.instruments.find(key));
        !is_in_its_book && instrument().is_some_and(|instrument| !is_believed(quote.last, &instrument, quote.band))
    }

    /// Subscribes it once more, for what is told only then.
    fn renew(&self, scrip: Scrip) {
        let mut changes = self.changes.lock();
        if !changes.subscribe.contains(&scrip) && !changes.unsubscribe.contains(&scrip) {
            changes.subscribe.push(scrip);
        }
        drop(changes);
        self.changed.notify_one();
    }

    /// Takes the close of the trading day before, as it was told beside a quote.
    pub fn put_close(&self, scrip: Scrip, told: Option<Price>, now: DateTime<Utc>) {
        if let Some(slot) = self.slots.write().get_mut(&scrip) {
            slot.close(told, now);
        }
    }

    /// Takes a quote that was read by itself, unless the board has one that came in since the question went out (what changes
    /// after that is pushed too): that one was true then as well, however the feed dates it, and takes the day's band if it has
    /// none.
    pub fn put(&self, scrip: Scrip, quote: Quote, sizes: Sizes) {
        let mut slots = self.slots.write();
        let Some(slot) = slots.get_mut(&scrip) else { return };
        match &mut slot.quote {
            Some(known) if known.seen_at >= quote.seen_at => {
                known.at = known.at.max(quote.at);
                known.band = known.band.or_else(|| known_band(Some(quote), known.at));
            }
            known => {
                let band = quote.band.or_else(|| known_band(*known, quote.at));
                slot.set(Some(Quote { band, ..quote }), sizes);
            }
        }
    }

    /// The newest quote with its sizes. Asking is subscribing, as with [`Quotes::quote`].
    #[must_use]
    pub fn touch(&self, key: &InstrumentKey) -> Option<Touch> {
        let instrument = self.instruments.find(key)?;
        let scrip = Scrip { exchange: key.exchange, token: instrument.token };
        self.want_instrument(&instrument);
        let slots = self.slots.read();
        let slot = slots.get(&scrip)?;
        slot.quote.map(|quote| Touch { quote, sizes: slot.sizes, version: slot.version })
    }

    /// Wants the instrument's quotes from now on, and knows what it is.
    pub fn want_instrument(&self, instrument: &Instrument) {
        let scrip = Scrip { exchange: instrument.key.exchange, token: instrument.token };
        self.want(scrip);
        self.name(scrip, &instrument.key);
    }

    /// Remembers what the instrument is called, for the bells and for what its price may be.
    fn name(&self, scrip: Scrip, key: &InstrumentKey) {
        if self.slots.read().get(&scrip).is_some_and(|slot| slot.key.is_none())
            && let Some(slot) = self.slots.write().get_mut(&scrip)
        {
            slot.key = Some(key.clone());
        }
    }

    /// All that shall be subscribed: for a new connection. Changes up to now are in it.
    pub fn all(&self) -> Vec<Scrip> {
        let mut changes = self.changes.lock();
        *changes = Changes::default();
        let mut all: Vec<Scrip> = self.slots.read().keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Waits until there is something to change. Loses nothing when dropped.
    pub async fn changed(&self) {
        loop {
            let notified = self.changed.notified();
            let is_pending = {
                let changes = self.changes.lock();
                !changes.subscribe.is_empty() || !changes.unsubscribe.is_empty()
            };
            if is_pending {
                return;
            }
            notified.await;
        }
    }

    /// What changed since the last question.
    pub fn take_changes(&self) -> Changes {
        std::mem::take(&mut *self.changes.lock())
    }

    /// Wants the instrument's quotes from now on.
    pub fn want(&self, scrip: Scrip) {
        let number = self.questions.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = self.slots.read().get(&scrip) {
            slot.asked.store(number, Ordering::Relaxed);
            return;
        }
        let mut changes = self.changes.lock();
        let mut slots = self.slots.write();
        if slots.contains_key(&scrip) {
            return;
        }
        if slots.len() >= self.most
            && let Some(oldest) = slots.iter().min_by_key(|(_, slot)| slot.asked.load(Ordering::Relaxed)).map(|(scrip, _)| *scrip)
        {
            slots.remove(&oldest);
            changes.subscribe.retain(|other| *other != oldest);
            changes.unsubscribe.push(oldest);
        }
        slots.insert(scrip, Slot { asked: AtomicU64::new(number), ..Slot::default() });
        changes.unsubscribe.retain(|other| *other != scrip);
        changes.subscribe.push(scrip);
        drop((slots, changes));
        self.changed.notify_one();
    }
}

/// The quote with its book as it is told, and the last price as it was before and as old as that: what is priced by it shall see
/// that nobody tells a newer one.
fn without_last(told: Option<Quote>, before: Option<Quote>) -> Option<Quote> {
    told.zip(before).map(|(told, before)| Quote { bid: told.bid, ask: told.ask, band: told.band, ..before })
}

impl Quotes for Board {
    fn quote(&self, key: &InstrumentKey) -> Option<Quote> {
        self.touch(key).map(|touch| touch.quote)
    }

    /// Only on the day on which it was told: the next day's is another.
    fn previous_close(&self, key: &InstrumentKey) -> Option<Price> {
        let scrip = Scrip { exchange: key.exchange, token: self.instruments.find(key)?.token };
        let slots = self.slots.read();
        let slot = slots.get(&scrip)?;
        let (price, told) = slot.previous_close?;
        (session_date(slot.quote?.at) == session_date(told)).then_some(price)
    }

    fn ring(&self, bell: &Arc<QuoteBell>) {
        self.bells.write().push(Arc::clone(bell));
    }
}
