//! What every step of a run works with: the account, the pace, and the orders that are ours.

use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::Limits;
use ordergate_actors::order::{
    BrokerOrderId, BrokerTag, CommandId, Exchange, Instrument, Kind, OrderType, Price, Product, Quantity, Side, Terms, Validity,
};
use ordergate_actors::ports::{BrokerOrder, Call, CallOutcome, Clock, Instruments, PlaceOutcome, StreamEvent};
use parking_lot::Mutex;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::facts::Found;
use super::pace::Pace;
use crate::brokers::noren::NorenBroker;
use crate::brokers::noren::probe::{Heard, Probe};
use crate::brokers::noren::wire::quote::Market;
use crate::brokers::noren::wire::{Body, EncodeError, Fields, ListReply, ObjectReply};

/// The waits between looks at the order book: they double from the first to the last.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LAST_LOOK: Duration = Duration::from_secs(2);

/// An order of this run.
#[derive(Debug, Clone)]
pub(super) struct Ours {
    pub(super) tag: String,
    pub(super) number: Option<BrokerOrderId>,
    /// Whether it may be live: everything but a clear refusal.
    pub(super) may_live: bool,
}

/// What every step works with.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) broker: NorenBroker,
    pub(super) probe: Probe,
    pub(super) instruments: Arc<dyn Instruments>,
    pub(super) limits: Limits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) pace: Pace,
    /// Frames about orders, as they come.
    pub(super) frames: tokio::sync::Mutex<Option<mpsc::Receiver<Heard>>>,
    pub(super) heard: Mutex<Vec<Heard>>,
    /// What the adapter's stream tells; only that it came back is used here.
    pub(super) updates: tokio::sync::Mutex<Option<mpsc::Receiver<StreamEvent>>>,
    pub(super) ours: Mutex<Vec<Ours>>,
    /// The beginning of every free text of this run.
    pub(super) run: String,
}

/// Whose row is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose<'a> {
    Number(&'a BrokerOrderId),
    Tag(&'a str),
}

impl Whose<'_> {
    fn is(self, row: &Fields) -> bool {
        match self {
            Self::Number(number) => row.text("norenordno").as_deref() == Some(number.as_str()),
            Self::Tag(tag) => row.text("remarks").is_some_and(|remarks| is_cut_of(&remarks, tag)),
        }
    }
}

/// Whether it is the text, or the text cut short.
pub(super) fn is_cut_of(seen: &str, sent: &str) -> bool {
    seen == sent || (seen.len() >= 12 && sent.starts_with(seen))
}

impl Bench {
    /// How long the broker may take to show something.
    pub(super) fn patience(&self) -> Duration {
        self.probe.settings().visibility_bound
    }

    /// A free text of this run: no tag of an engine begins so.
    pub(super) fn tag(&self, word: &str) -> String {
        format!("{}{word}", self.run)
    }

    /// A read that answers with one object.
    pub(super) async fn object(&self, body: Result<Body, EncodeError>) -> Found<Fields> {
        self.pace.turn(None).await;
        let raw = self.probe.read(body).await?;
        match ObjectReply::read(raw.status, &raw.body) {
            ObjectReply::Ok(fields) => Ok(fields),
            ObjectReply::NotOk(refusal) => Err(format!("the broker answered: {}", refusal.emsg)),
            ObjectReply::Garbled(garbled) => Err(garbled.to_string()),
        }
    }

    /// A read that answers with rows.
    pub(super) async fn rows(&self, body: Result<Body, EncodeError>) -> Found<Vec<Fields>> {
        self.pace.turn(None).await;
        let raw = self.probe.read(body).await?;
        match ListReply::read(raw.status, &raw.body) {
            ListReply::Rows(rows, _) => Ok(rows),
            ListReply::Empty => Ok(Vec::new()),
            ListReply::NotOk(refusal) => Err(format!("the broker answered: {}", refusal.emsg)),
            ListReply::Garbled(garbled) => Err(garbled.to_string()),
        }
    }

    /// The order book, as it comes.
    pub(super) async fn book(&self) -> Found<Vec<Fields>> {
        self.rows(self.probe.encoder(None).order_book()).await
    }

    /// Looks at the book until the order's row is as wanted, or the patience is over; the last row that was seen.
    pub(super) async fn follow(&self, whose: Whose<'_>, patience: Duration, wanted: impl Fn(&Fields) -> bool) -> Option<Fields> {
        let deadline = Instant::now() + patience;
        let (mut wait, mut last) = (FIRST_LOOK, None);
        loop {
            if let Some(row) = self.book().await.ok().and_then(|rows| rows.into_iter().find(|row| whose.is(row))) {
                let is_wanted = wanted(&row);
                last = Some(row);
                if is_wanted {
                    return last;
                }
            }
            if Instant::now() >= deadline {
                return last;
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(LAST_LOOK);
        }
    }

    /// Sends an order under that free text, once, and remembers it as ours.
    pub(super) async fn send(&self, exchange: Exchange, tag: &str, call: Call<PlaceOutcome>) -> PlaceOutcome {
        // Remembered before it goes: what may be live is never forgotten.
        self.ours.lock().push(Ours { tag: tag.to_owned(), number: None, may_live: true });
        self.pace.turn(Some(exchange)).await;
        let outcome = call.await;
        if let Some(ours) = self.ours.lock().iter_mut().find(|ours| ours.tag == tag) {
            match &outcome {
                PlaceOutcome::Accepted(number) => ours.number = Some(number.clone()),
                PlaceOutcome::Rejected(_) | PlaceOutcome::RateLimited { .. } | PlaceOutcome::NoSession(_) | PlaceOutcome::NotSent(_) => {
                    ours.may_live = false;
                }
                PlaceOutcome::Unconfirmed(_) => {}
            }
        }
        outcome
    }

    /// A change or a cancel.
    pub(super) async fn change(&self, exchange: Exchange, call: Call<CallOutcome>) -> CallOutcome {
        self.pace.turn(Some(exchange)).await;
        call.await
    }

    /// Takes the frames that have come since.
    pub(super) async fn listen(&self) {
        if let Some(receiver) = self.frames.lock().await.as_mut() {
            while let Ok(frame) = receiver.try_recv() {
                self.heard.lock().push(frame);
            }
        }
    }

    /// Forgets what the stream told so far.
    pub(super) async fn forget_updates(&self) {
        if let Some(receiver) = self.updates.lock().await.as_mut() {
            while receiver.try_recv().is_ok() {}
        }
    }

    /// Waits until the stream has come back, or for that long.
    pub(super) async fn stream_is_back(&self, within: Duration) -> bool {
        let mut updates = self.updates.lock().await;
        let Some(receiver) = updates.as_mut() else { return false };
        let back = async {
            loop {
                match receiver.recv().await {
                    Some(StreamEvent::Reconnected) => return true,
                    Some(_) => {}
                    None => return false,
                }
            }
        };
        tokio::time::timeout(within, back).await.unwrap_or(false)
    }

    /// The order as the adapter takes it. The tag of a raw order is only a name; its free text goes beside.
    pub(super) fn order(&self, instrument: &Arc<Instrument>, tag: &str, quantity: i64, price: Price) -> Found<BrokerOrder> {
        let short: String = tag.chars().take(15).collect();
        Ok(BrokerOrder {
            command_id: CommandId(uuid::Uuid::nil()),
            instrument: Arc::clone(instrument),
            terms: terms(instrument, quantity, price)?,
            tag: BrokerTag::parse(&short).map_err(|error| error.to_string())?,
            is_exit: false,
        })
    }

    /// Whether an order of that size is within the account's own limits.
    ///
    /// # Errors
    /// Why it is not sent.
    pub(super) fn within_limits(&self, instrument: &Instrument, quantity: i64, price: Price) -> Result<(), String> {
        let value = instrument.rupees(price, quantity);
        if quantity > self.limits.max_quantity {
            return Err(format!("{quantity} units are more than limits.max_quantity {}", self.limits.max_quantity));
        }
        if value > self.limits.max_order_value {
            return Err(format!("{quantity} at {price} are ₹{value}, more than limits.max_order_value {}", self.limits.max_order_value));
        }
        Ok(())
    }
}

/// A limit buy for the day: delivery for shares, carried for the rest, so that no square-off comes in between.
pub(super) fn terms(instrument: &Instrument, quantity: i64, price: Price) -> Found<Terms> {
    let product = if instrument.kind == Kind::Equity { Product::Cnc } else { Product::Nrml };
    let quantity = Quantity::new(quantity).ok_or_else(|| format!("{quantity} is no quantity"))?;
    Ok(Terms {
        side: Side::Buy,
        quantity,
        product,
        order_type: OrderType::Limit,
        validity: Validity::Day,
        price: Some(price),
        trigger_price: None,
    })
}

/// A price that is far below the market and still taken: the day's lower band, or a tenth below the last trade where no
/// band is told; on the tick, and below the best buyer.
///
/// # Errors
/// Why there is none: an order there could fill.
pub(super) fn far_below(instrument: &Instrument, market: &Market) -> Found<Price> {
    let tick = instrument.tick.value();
    let wished = market.band.or(instrument.band).map_or_else(|| market.last.value() * Decimal::new(9, 1), |(low, _)| low.value());
    let on_tick = (wished / tick).ceil() * tick;
    let price = Price::new(on_tick.max(tick)).ok_or_else(|| format!("{on_tick} is no price"))?;
    let limit = market.last.value() * Decimal::new(98, 2);
    let touch = market.asks.first().or(market.bids.first()).map_or(market.last, |level| level.price);
    if price.value() >= limit || price >= touch {
        return Err(format!("needs a market that is away from its lower band: {price} could fill (last {})", market.last));
    }
    Ok(price)
}

/// A price a tenth above the last trade, within the day's band.
pub(super) fn far_above(instrument: &Instrument, market: &Market) -> Found<Price> {
    let tick = instrument.tick.value();
    let wished = market.last.value() * Decimal::new(11, 1);
    let wished = market.band.or(instrument.band).map_or(wished, |(_, high)| high.value().min(wished));
    let on_tick = (wished / tick).floor() * tick;
    Price::new(on_tick).filter(|price| *price > market.last).ok_or_else(|| format!("needs room above the last trade {}", market.last))
}

/// One tick up.
pub(super) fn tick_up(instrument: &Instrument, price: Price) -> Price {
    Price::new(price.value() + instrument.tick.value()).unwrap_or(price)
}

/// One tick down, if that is a price.
pub(super) fn tick_down(instrument: &Instrument, price: Price) -> Option<Price> {
    price.value().checked_sub(instrument.tick.value()).and_then(Price::new)
}

/// Milliseconds, for people.
pub(super) fn ms(wait: Duration) -> u64 {
    wait.as_millis().to_u64().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use ordergate_actors::order::InstrumentKey;
    use proptest::prelude::*;

    use super::*;
    use crate::brokers::noren::wire::quote::Level;

    fn share(tick: &str) -> Instrument {
        Instrument {
            rupees_per_point: Decimal::ONE,
            key: InstrumentKey::new(Exchange::Nse, "SBIN-EQ"),
            token: 3_045,
            underlying: Arc::from("SBIN"),
            kind: Kind::Equity,
            lot: Quantity::new(1).unwrap(),
            tick: Price::parse(tick).unwrap(),
            freeze: None,
            band: None,
        }
    }

    fn market(last: Decimal, band: Option<(Decimal, Decimal)>) -> Market {
        let level = |price: Decimal| Level { price: Price::new(price).unwrap(), quantity: 1, orders: None };
        Market {
            last: Price::new(last).unwrap(),
            bids: vec![level(last)],
            asks: vec![level(last + Decimal::new(5, 2))],
            band: band.map(|(low, high)| (Price::new(low).unwrap(), Price::new(high).unwrap())),
            previous_close: None,
            at: DateTime::UNIX_EPOCH,
        }
    }

    proptest! {
        #[test]
        fn a_far_price_is_on_the_tick_in_the_band_and_cannot_fill(paise in 500_i64..5_000_000, percent in 80_i64..100) {
            let last = Decimal::new(paise / 5 * 5, 2);
            let low = (last * Decimal::new(percent, 2)).round_dp(2);
            let (instrument, market) = (share("0.05"), market(last, Some((low, last * Decimal::TWO))));
            if let Ok(price) = far_below(&instrument, &market) {
                prop_assert!(price.is_on_tick(instrument.tick) && price.value() >= low);
                prop_assert!(price.value() < last * Decimal::new(98, 2));
            } else {
                // Only a market near its band has no such price.
                prop_assert!(low + Decimal::new(5, 2) >= last * Decimal::new(98, 2));
            }
            if let Ok(price) = far_above(&instrument, &market) {
                prop_assert!(price.is_on_tick(instrument.tick) && price > market.last && price.value() <= last * Decimal::TWO);
            }
        }
    }

    #[test]
    fn a_cut_text_counts_from_twelve_characters_on() {
        assert!(is_cut_of("CF0000000SMALL1", "CF0000000SMALL1") && is_cut_of("CF0000000SMA", "CF0000000SMALL1"));
        assert!(!is_cut_of("CF0000000SM", "CF0000000SMALL1") && !is_cut_of("CF0000000LON", "CF0000000SMALL1") && !is_cut_of("", "CF"));
    }
}
