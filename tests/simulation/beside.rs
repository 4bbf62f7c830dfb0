//! What happens beside the alerts and the people of ordergate: the broker forgets the session, somebody trades in the same
//! account, the broker squares it off, a sender is late, or talks nonsense, or is gone. Drawn from the seed, from numbers of
//! its own: the script is the same with it and without. A third of the seeds have nothing of it, and of the others each kind
//! of thing happens in half.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate::brokers::faulty::FaultyBroker;
use ordergate::brokers::paper::PaperBroker;
use ordergate::simulator::exchange::{Exchange, NewOrder};
use ordergate_actors::order::{
    BookState, BrokerOrderId, Exchange as Segment, HoldingKey, InstrumentKey, LegDraft, OrderType, Price, Product, Quantity, Side, Terms,
    Validity,
};
use ordergate_actors::persistence::read_tag;
use ordergate_actors::ports::BookRow;
use parking_lot::Mutex;

use super::script::{self, Act, Alert, Draw, SYMBOLS, Step};

/// One thing that nobody asked ordergate for.
#[derive(Debug, Clone)]
pub(crate) enum Beside {
    /// The broker knows the session no longer, for so long.
    SessionEnds(Duration),
    /// Somebody else's order in the same account.
    Foreign { symbol: usize, side: Side, quantity: i64, product: Product, is_limit: bool, tag: Confusion },
    /// The newest order of ours that works is cancelled at the broker by hand.
    CancelledByHand,
    /// The broker cancels what works and closes what is held for the day.
    SquaredOff,
    /// The machine's clock jumps, within the trading day.
    ClockJumps(TimeDelta),
    /// For so long the broker's books come through a gateway that is in trouble.
    GatewayFails(Duration),
}

/// What stands beside somebody else's order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Confusion {
    Nothing,
    Words,
    /// Our newest tag, and the other side.
    OnTheOtherSide,
    /// Our newest tag without its last character.
    Cut,
    /// Our newest tag in small letters.
    InSmallLetters,
    /// A tag of another ordergate: entries stop.
    OfAnother,
}

/// The script with everything that happens beside it.
pub(crate) fn among(seed: u64, mut steps: Vec<Step>) -> Vec<Step> {
    let mut draw = Draw::new(seed ^ 0xbe51_de00);
    if draw.below(3) == 0 {
        return steps;
    }
    for kind in 0..7 {
        let count = if draw.below(2) == 0 { 0 } else { 1 + draw.below(2) };
        for nth in 0..count {
            let act = thing(&mut draw, kind, nth);
            let place = usize::try_from(draw.below(1 + steps.len() as u64)).unwrap();
            steps.insert(place, Step { after_ms: draw.below(1_500), act });
        }
    }
    steps
}

fn thing(draw: &mut Draw, kind: u64, nth: u64) -> Act {
    let alert = |legs, age_s, is_reset| Act::Alert(Alert { age_s, is_reset, ..Alert::of(format!("beside-{kind}-{nth}"), legs) });
    match kind {
        0 => Act::Beside(Beside::SessionEnds(Duration::from_millis(500 + draw.below(25_000)))),
        1 => Act::Beside(foreign(draw)),
        2 => Act::Beside(if draw.below(2) == 0 { Beside::CancelledByHand } else { Beside::SquaredOff }),
        3 => alert(nonsense(draw), 0, false),
        6 => Act::Beside(Beside::ClockJumps(TimeDelta::milliseconds(
            [-3_600_000, -4_000, -700, 1_500, 45_000, 600_000][draw.below(6) as usize],
        ))),
        4 => alert(script::legs(draw), 20 + i64::try_from(draw.below(60)).unwrap(), false),
        _ => alert(script::legs(draw), 0, true),
    }
}

fn foreign(draw: &mut Draw) -> Beside {
    Beside::Foreign {
        symbol: usize::try_from(draw.below(3)).unwrap(),
        side: if draw.below(2) == 0 { Side::Buy } else { Side::Sell },
        quantity: 1 + i64::try_from(draw.below(20)).unwrap(),
        product: if draw.below(4) == 0 { Product::Nrml } else { Product::Mis },
        is_limit: draw.below(3) == 0,
        tag: match draw.below(12) {
            0..=3 => Confusion::Nothing,
            4..=5 => Confusion::Words,
            6..=7 => Confusion::OnTheOtherSide,
            8..=9 => Confusion::Cut,
            10 => Confusion::InSmallLetters,
            _ => Confusion::OfAnother,
        },
    }
}

/// An alert that means nothing, or half of it.
fn nonsense(draw: &mut Draw) -> Vec<LegDraft> {
    let text = |text: &str| Some(text.to_owned());
    let mut legs = script::legs(draw);
    for leg in &mut legs {
        match draw.below(6) {
            0 => leg.quantity = text("-5"),
            1 => leg.quantity = text("ten"),
            2 => leg.symbol = text("NO-SUCH-THING"),
            3 => leg.product = text("XYZ"),
            4 => (leg.execution_type, leg.strategy) = (text("PERHAPS"), None),
            _ => *leg = LegDraft::default(),
        }
    }
    legs
}

/// The orders in the account that are somebody else's. They outlive the engine's processes.
#[derive(Debug, Default)]
pub(crate) struct Others(Mutex<BTreeSet<BrokerOrderId>>);

impl Others {
    pub(crate) fn are_there(&self) -> bool {
        !self.0.lock().is_empty()
    }

    pub(crate) fn own(&self, row: &BookRow) -> bool {
        self.0.lock().contains(&row.broker_order_id)
    }

    /// What they traded: when, and how many units, by position; oldest first.
    pub(crate) fn trades(&self, exchange: &Exchange) -> BTreeMap<HoldingKey, Vec<(DateTime<Utc>, i64)>> {
        let others = self.0.lock();
        let mut trades: BTreeMap<HoldingKey, Vec<_>> = BTreeMap::new();
        for trade in exchange.trades() {
            let id = &trade.fill.broker_order_id;
            let Some(order) = exchange.order(id).filter(|_| others.contains(id)) else { continue };
            let key = HoldingKey { instrument: order.row.instrument.clone(), product: order.row.product };
            trades.entry(key).or_default().push((trade.fill.at, order.row.side.sign() * trade.fill.quantity.value()));
        }
        trades
    }

    fn place(&self, broker: &PaperBroker, order: &NewOrder) {
        if let Ok(id) = broker.place_foreign(order).unwrap() {
            self.0.lock().insert(id);
        }
    }

    /// It happens.
    pub(crate) fn happen(&self, what: &Beside, broker: &FaultyBroker<PaperBroker>) {
        let paper = broker.inner();
        let exchange = paper.exchange();
        match what {
            Beside::ClockJumps(_) | Beside::GatewayFails(_) => {}
            Beside::SessionEnds(time) => broker.end_session(*time),
            Beside::Foreign { symbol, side, quantity, product, is_limit, tag } => {
                let (symbol, price) = SYMBOLS[*symbol];
                let ours = exchange.orders().into_iter().rev().find(|row| row.tag.as_deref().and_then(read_tag).is_some());
                let (instrument, side, tag) = confused(*tag, ours.as_deref(), InstrumentKey::new(Segment::Nse, symbol), *side);
                let price = Price::parse(price).ok().filter(|_| *is_limit && &*instrument.symbol == symbol);
                self.place(paper, &order(instrument, side, *quantity, *product, price, tag));
            }
            Beside::CancelledByHand => {
                let works = |row: &&Arc<BookRow>| row.state == BookState::Open && !self.own(row);
                if let Some(row) = exchange.orders().iter().rev().find(works) {
                    let _may_have_ended = paper.cancel_foreign(&row.broker_order_id, "cancelled by hand").unwrap();
                }
            }
            Beside::SquaredOff => {
                for row in exchange.orders().iter().filter(|row| row.state == BookState::Open && row.product == Product::Mis) {
                    let _may_have_ended = paper.cancel_foreign(&row.broker_order_id, "RMS: squared off").unwrap();
                }
                for (key, position) in paper.exchange().position_details().filter(|(key, _)| key.product == Product::Mis) {
                    let net = position.holding.net;
                    if let Some(side) = Side::of_net(-net) {
                        self.place(paper, &order(key.instrument.clone(), side, net.abs(), Product::Mis, None, None));
                    }
                }
            }
        }
    }
}

/// What a confusing order is for, which side it takes, and what stands beside it.
fn confused(how: Confusion, ours: Option<&BookRow>, other: InstrumentKey, side: Side) -> (InstrumentKey, Side, Option<Arc<str>>) {
    let of_ours = |side: fn(Side) -> Side, change: fn(&str) -> String| {
        let row = ours?;
        Some((row.instrument.clone(), side(row.side), Some(Arc::from(change(row.tag.as_deref()?)))))
    };
    let same: fn(Side) -> Side = |side| side;
    let found = match how {
        Confusion::Nothing => None,
        Confusion::Words => return (other, side, Some(Arc::from("from my phone"))),
        Confusion::OfAnother => return (other, side, Some(Arc::from("OGZZZZ0000001"))),
        Confusion::OnTheOtherSide => of_ours(Side::opposite, str::to_owned),
        Confusion::Cut => of_ours(same, |tag| tag[..tag.len() - 1].to_owned()),
        Confusion::InSmallLetters => of_ours(same, str::to_lowercase),
    };
    found.unwrap_or((other, side, None))
}

fn order(instrument: InstrumentKey, side: Side, quantity: i64, product: Product, price: Option<Price>, tag: Option<Arc<str>>) -> NewOrder {
    let terms = Terms {
        side,
        quantity: Quantity::new(quantity).unwrap(),
        product,
        order_type: if price.is_some() { OrderType::Limit } else { OrderType::Market },
        validity: Validity::Day,
        price,
        trigger_price: None,
    };
    NewOrder { instrument, terms, tag }
}

/// A world in which none of it happens would prove nothing; one in which all of it always happens hides what it disturbs.
#[test]
fn each_thing_happens_in_many_seeds_and_some_seeds_have_none() {
    let of = |seed| among(seed, Vec::new());
    let (mut seen, mut bare) = ([0; 8], 0);
    for seed in 1..=super::SEEDS {
        let steps = of(seed);
        bare += u64::from(steps.is_empty());
        assert_eq!(format!("{:?}", of(seed)), format!("{steps:?}"), "the same seed draws the same");
        for step in steps {
            seen[match step.act {
                Act::Beside(Beside::SessionEnds(_)) => 0,
                Act::Beside(Beside::Foreign { .. }) => 1,
                Act::Beside(Beside::CancelledByHand) => 2,
                Act::Beside(Beside::SquaredOff) => 3,
                Act::Beside(Beside::ClockJumps(_)) => 7,
                Act::Alert(Alert { is_reset: true, .. }) => 4,
                Act::Alert(Alert { age_s: 1.., .. }) => 5,
                _ => 6,
            }] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count >= 20) && (40..140).contains(&bare), "{seen:?}, {bare} with none");
}
