//! What a test or a person does to the broker from behind: prices, foreign orders, cancels of the exchange, square-off.

use chrono::{DateTime, Utc};
use ordergate_actors::order::{InstrumentKey, Price};
use ordergate_actors::ports::Instruments as _;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::books::exchange;
use super::desk::{Bend, Placing};
use super::faults::FaultRule;
use super::order::Asked;
use super::request::Request;
use super::{Core, LogRow, entry};
use crate::simulator::market::Level;

/// Depth enough for anything.
const DEEP: i64 = 1_000_000_000;

/// A request to the control endpoint that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadControl(pub String);

/// The book of one instrument, set by hand. Without quantities a side is deep enough for anything; a side that is left
/// out is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PriceSetting {
    /// Exchange, `NSE`.
    pub exch: String,
    /// Trading symbol.
    pub tsym: String,
    /// Best price of the buyers.
    #[serde(default)]
    pub bid: Option<Decimal>,
    /// Best price of the sellers.
    #[serde(default)]
    pub ask: Option<Decimal>,
    /// Last trade; without it the middle of bid and ask, or the one that is there.
    #[serde(default)]
    pub last: Option<Decimal>,
    /// Buyers, best first: price and units; in place of `bid`.
    #[serde(default)]
    pub bids: Vec<(Decimal, i64)>,
    /// Sellers, best first: price and units; in place of `ask`.
    #[serde(default)]
    pub asks: Vec<(Decimal, i64)>,
    /// Forget what was set: the drawn market is shown again.
    #[serde(default)]
    pub release: bool,
}

/// An order of somebody else in the same account; the fields are those of `PlaceOrder`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ForeignOrder {
    /// `exch`, `tsym`, `qty`, `prc`, `prd`, `trantype`, `prctyp`; `ret` is `DAY` and `ordersource` `WEB` if left out.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// A change that somebody makes by hand in an order that works: its number, and of the fields of `ModifyOrder` what is to be
/// another.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HandChange {
    /// The order.
    pub norenordno: String,
    /// `prc`, `trgprc`, `prctyp`, `qty`; what is left out stays.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl Core {
    /// Adds a fault.
    pub(crate) fn add_fault(&mut self, rule: FaultRule) {
        self.plan.add(rule);
    }

    /// Forgets every fault to come.
    pub(crate) fn clear_faults(&mut self) {
        self.plan.clear();
    }

    /// How often that place met a fault.
    pub(crate) fn faults_met(&self, place: &str) -> u64 {
        self.plan.met(place)
    }

    /// The log of calls, oldest first.
    #[must_use]
    pub(crate) fn log(&self) -> Vec<LogRow> {
        self.log.rows()
    }

    /// Placings with these remarks that were given a number.
    #[must_use]
    pub(crate) fn accepted(&self, tag: &str) -> u64 {
        self.log.accepted.get(tag).copied().unwrap_or(0)
    }

    /// Sets the book of an instrument; orders that it reaches fill at once.
    ///
    /// # Errors
    /// [`BadControl`] for an unknown instrument or a price that is none.
    pub(crate) fn set_price(&mut self, setting: &PriceSetting, now: DateTime<Utc>) -> Result<(), BadControl> {
        let key = self.known(&setting.exch, &setting.tsym)?;
        if setting.release {
            self.desk.market.release(&key);
        } else {
            let bids = levels(setting.bid, &setting.bids)?;
            let asks = levels(setting.ask, &setting.asks)?;
            let middle = match (bids.first(), asks.first()) {
                (Some(bid), Some(ask)) => Some((bid.price.value() + ask.price.value()) / Decimal::TWO),
                (bid, ask) => bid.or(ask).map(|level| level.price.value()),
            };
            let last = setting.last.or(middle).ok_or_else(|| BadControl(format!("{key}: neither bid, ask nor last is given")))?;
            self.desk.market.set(&key, (bids, asks), price(last.round_dp(2))?, now);
        }
        self.advance(now);
        Ok(())
    }

    /// Places an order of somebody else; its number.
    ///
    /// # Errors
    /// [`BadControl`] with the broker's text when it is no order.
    pub(crate) fn foreign_order(&mut self, order: &ForeignOrder, now: DateTime<Utc>) -> Result<String, BadControl> {
        let uid = self.settings.user.uid.clone();
        let mut fields = order.fields.clone();
        for (name, value) in [("uid", uid.as_str()), ("actid", &uid), ("ret", "DAY"), ("ordersource", "WEB"), ("prc", "0")] {
            fields.entry(name).or_insert_with(|| value.into());
        }
        // The rules for orders over the API are not those of a terminal.
        let refuses = std::mem::replace(&mut self.desk.settings.refuse_market_orders, false);
        let placing = entry::placing(&Request { fields }, &self.desk);
        self.desk.settings.refuse_market_orders = refuses;
        let placing: Placing = placing.map_err(BadControl)?;
        let number = self.desk.place(placing, now);
        self.publish(now);
        Ok(number)
    }

    /// Somebody changes an order that works, as a terminal does.
    ///
    /// # Errors
    /// [`BadControl`] when there is no such order, it works no more, or the broker's text when it is no order then.
    pub(crate) fn change_by_hand(&mut self, change: &HandChange, now: DateTime<Utc>) -> Result<(), BadControl> {
        let number = &change.norenordno;
        let order = self.desk.orders.get(number).filter(|order| !order.standing.is_over());
        let Some((last, exchange)) = order.and_then(|order| Some((order.last()?.asked.clone(), order.key.exchange))) else {
            return Err(BadControl(format!("no order {number:?} works; GET /sim/state lists them")));
        };
        let mut fields = change.fields.clone();
        let as_it_is = [
            ("exch", exchange.to_string()),
            ("qty", last.quantity.to_string()),
            ("prctyp", last.price_type_text().to_owned()),
            ("prc", last.price.to_string()),
            ("trgprc", last.trigger.to_string()),
            ("ret", last.validity.to_string()),
        ];
        for (name, value) in as_it_is {
            fields.entry(name).or_insert_with(|| value.into());
        }
        let asked = entry::asked(&Request { fields }, false).map_err(BadControl)?;
        self.desk.change(number, Asked { disclosed: last.disclosed, ..asked }, Bend::Straight, now);
        self.advance(now);
        Ok(())
    }

    /// The exchange cancels an order that nobody asked to be cancelled.
    ///
    /// # Errors
    /// [`BadControl`] when there is no such order.
    pub(crate) fn exchange_cancel(&mut self, number: &str, reason: &str, now: DateTime<Utc>) -> Result<(), BadControl> {
        if !self.desk.orders.contains_key(number) {
            return Err(BadControl(format!("there is no order {number:?}; GET /sim/state lists them")));
        }
        self.desk.strike(number, reason, 0, now);
        self.advance(now);
        Ok(())
    }

    /// The broker squares off every intraday position; the numbers of its orders.
    pub(crate) fn square_off(&mut self, now: DateTime<Utc>) -> Vec<String> {
        let numbers = self.desk.square_off(now);
        self.publish(now);
        numbers
    }

    /// Every session dies; sockets stay as they are.
    pub(crate) fn expire_sessions(&mut self) {
        self.sessions.end_all();
        self.is_unsaved = true;
    }

    /// Somebody logs in elsewhere: sessions and sockets of before are dead.
    pub(crate) fn log_in_elsewhere(&mut self) {
        self.second_login();
    }

    /// What the sign-in page says.
    pub(crate) fn sign_in_hint(&self, now: DateTime<Utc>) -> String {
        self.sessions.hint(now)
    }

    /// The code for the browser after a sign-in; `None` when password or one-time code are wrong.
    pub(crate) fn authorize(&mut self, password: &str, otp: &str, times: super::Times) -> Option<String> {
        self.sessions.authorize(password, otp, times.now, &[times.now, times.machine])
    }

    fn known(&self, exch: &str, tsym: &str) -> Result<InstrumentKey, BadControl> {
        let key = exchange(exch).map(|exchange| InstrumentKey::new(exchange, tsym));
        key.filter(|key| self.desk.listing.find(key).is_some()).ok_or_else(|| BadControl(format!("{exch:?} {tsym:?} is not listed")))
    }
}

fn price(value: Decimal) -> Result<Price, BadControl> {
    Price::new(value).ok_or_else(|| BadControl(format!("{value} is no price")))
}

fn levels(best: Option<Decimal>, rows: &[(Decimal, i64)]) -> Result<Vec<Level>, BadControl> {
    let one = best.filter(|_| rows.is_empty()).map(|best| (best, DEEP));
    rows.iter().copied().chain(one).map(|(at, quantity)| Ok(Level { price: price(at)?, quantity })).collect()
}
