//! Whatever the network does to an order, to its cancel, to the reads beside it, to the socket or to everything: at most one
//! order, nothing lost, and the broker's truth when it is over.

use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::order::LegDraft;

use crate::checks::{Excuse, at_rest, journal_sound};
use crate::house::{House, Patience, Plan, entry, exit, secs};
use crate::matrix::{Leg, at_broker, prepare, run, until_met};
use crate::moment::Moment;
use crate::relay::{Relay, Trouble};

/// Where the trouble is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Order,
    Cancel,
    Reads,
    Socket,
    Everything,
}

impl Place {
    const ALL: [Self; 5] = [Self::Order, Self::Cancel, Self::Reads, Self::Socket, Self::Everything];

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Order => &["/PlaceOrder "],
            Self::Cancel => &["/CancelOrder "],
            Self::Reads => &["/OrderBook ", "/TradeBook ", "/PositionBook ", "/SingleOrdHist ", "/UserDetails "],
            Self::Socket => &["/NorenWSTP/"],
            Self::Everything => &[""],
        }
    }
}

fn troubles() -> [Trouble; 12] {
    use Trouble::{AnswerClosed, AnswerCut, AnswerDrips, AnswerLate, AnswerReset, AnswerSwallowed, Closed, Late, Reset, Swallowed};
    [
        Closed,
        Reset,
        Swallowed,
        AnswerClosed,
        AnswerReset,
        AnswerCut(1),
        AnswerCut(40),
        AnswerCut(200),
        AnswerSwallowed,
        // Shorter and longer than an order call waits for its answer.
        AnswerLate(Duration::from_millis(15)),
        Late(secs(12)),
        AnswerDrips,
    ]
}

/// An open account whose calls and socket go through a relay, with what the exit closes.
async fn behind_a_relay(leg: Leg) -> Result<(Relay, House), String> {
    let relay = Relay::start();
    let between = relay.clone();
    let plan = Plan { noren: Arc::new(move |noren| between.lead(noren)), ..Plan::of(Patience::SHORT) };
    let house = House::with(plan).await;
    prepare(&house, leg).await?;
    Ok((relay, house))
}

fn at_once(leg: Leg) -> LegDraft {
    if leg == Leg::Entry { entry() } else { exit() }
}

/// One order, from an open account through the trouble to rest. Connections that stood before are cut first: what is dead
/// already is not found dead by the call itself. Whether the trouble met anything.
async fn play(trouble: Trouble, place: Place, leg: Leg, is_cut: bool) -> Result<bool, String> {
    let (relay, mut house) = behind_a_relay(leg).await?;
    let order = at_once(leg);
    if place == Place::Cancel {
        let command = at_broker(&house, leg).await;
        relay.trouble(place.names(), trouble);
        house.engine().cancel(&crate::house::client(), command, "tests", "").await.map_err(|error| error.to_string())?;
    } else {
        relay.trouble(place.names(), trouble);
        if is_cut {
            relay.cut();
        }
        house.submit_soon(order).await;
    }
    relay.until_met().await;
    crate::house::pass(secs(15)).await;
    relay.straight();
    relay.cut();
    let is_met = relay.has_met();
    house.heal().await;
    at_rest(&house, Excuse::default()).await?;
    house.kill();
    journal_sound(&house)?;
    Ok(is_met)
}

#[tokio::test]
async fn whatever_the_network_does_no_order_is_lost_or_doubled() {
    let mut cases = Vec::new();
    for trouble in troubles() {
        for place in Place::ALL {
            for leg in [Leg::Entry, Leg::Exit] {
                cases.push((trouble, place, leg, matches!(place, Place::Socket | Place::Everything)));
            }
        }
    }
    run(cases.into_iter().map(|(trouble, place, leg, is_cut)| {
        let name = format!("{trouble:?} / {place:?} / {leg:?}");
        (name, until_met(async move || play(trouble, place, leg, is_cut).await))
    }))
    .await;
}

#[tokio::test]
async fn a_line_that_is_cut_at_any_moment_loses_and_doubles_nothing() {
    let moments = (0..12).map(Moment::Asking).chain((0..12).map(Moment::Answering)).chain((1..=6).map(Moment::After));
    let cases = moments.flat_map(|moment| [Leg::Entry, Leg::Exit].map(|leg| (moment, leg)));
    run(cases.map(|(moment, leg)| (format!("{moment:?} / {leg:?}"), until_met(async move || cut_at(moment, leg).await)))).await;
}

/// Every connection is cut at that moment of the order; whether it was.
async fn cut_at(moment: Moment, leg: Leg) -> Result<bool, String> {
    let (relay, mut house) = behind_a_relay(leg).await?;
    relay.cut_at(moment);
    house.submit_soon(at_once(leg)).await;
    relay.until_met().await;
    crate::house::pass(secs(5)).await;
    let is_met = relay.has_met();
    house.heal().await;
    at_rest(&house, Excuse::default()).await?;
    house.kill();
    journal_sound(&house)?;
    Ok(is_met)
}
