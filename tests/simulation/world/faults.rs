//! What goes wrong at the broker of one process, drawn from the seed.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan, StreamFaults};
use ordergate_actors::ports::RateWindow;

use crate::script::Draw;

/// The faults of one process: each probability is drawn from the seed, zero included.
pub(super) fn plan(seed: u64, start: u64, is_alone: bool) -> FaultPlan {
    let mut draw = Draw::new(seed ^ (start << 40) ^ 0xfa17);
    let mut rate = |most: u64| u32::try_from(if draw.below(3) == 0 { 0 } else { draw.below(most) }).unwrap();
    let lost = || "lost".to_owned();
    let plan = FaultPlan::seeded(seed ^ start)
        .rate(CallKind::Place, rate(200), Fault::LoseReply(lost()))
        .rate(CallKind::Place, rate(100), Fault::LoseRequest(lost()))
        .rate(CallKind::Place, rate(100), Fault::HangAfter)
        .rate(CallKind::Place, rate(80), Fault::Hang)
        .rate(CallKind::Place, rate(150), Fault::Late(Duration::from_millis(3_500)))
        .rate(CallKind::Place, rate(150), Fault::Slow(Duration::from_millis(1_200)))
        .rate(CallKind::Place, rate(100), Fault::Refuse("the broker said no".into()))
        .rate(CallKind::Place, rate(80), Fault::NotSent("connection refused".into()))
        .rate(CallKind::Cancel, rate(200), Fault::LoseReply(lost()))
        .rate(CallKind::Cancel, rate(200), Fault::LoseRequest(lost()))
        .rate(CallKind::Orders, rate(150), Fault::Unknown("502".into()))
        .rate(CallKind::Orders, rate(100), Fault::Empty)
        .rate(CallKind::Orders, rate(150), Fault::Stale)
        .rate(CallKind::Orders, rate(60), Fault::Unreadable(1))
        .rate(CallKind::Trades, rate(150), Fault::Unknown("502".into()))
        .rate(CallKind::Trades, rate(100), Fault::Stale)
        .rate(CallKind::Positions, rate(150), Fault::Unknown("502".into()))
        .rate(CallKind::Positions, rate(100), Fault::Late(Duration::from_millis(1_500)))
        .stream(StreamFaults {
            drop_every: u64::from(rate(4)),
            repeat_every: u64::from(rate(4)),
            delay: Duration::from_millis(u64::from(rate(900))),
        });
    if is_alone { plan } else { crowded(plan, seed, start) }
}

/// What a broker says that refuses an order and takes it all the same.
pub(crate) const TOOK_IT: &str = "the broker said no, and took it";

/// What the harsh world has beside: orders that work although they were refused, and, where the quiet period allows for it, orders
/// that land when nobody waits for them any more.
pub(super) fn harsh(plan: FaultPlan, seed: u64, start: u64, short_quiet: bool) -> FaultPlan {
    let mut draw = Draw::new(seed ^ (start << 40) ^ 0x4a25);
    let mut rate = |most: u64| u32::try_from(if draw.below(2) == 0 { 0 } else { draw.below(most) }).unwrap();
    let plan = plan.rate(CallKind::Place, rate(100), Fault::RefuseAfter(TOOK_IT.into()));
    if short_quiet { plan } else { plan.rate(CallKind::Place, rate(100), Fault::LandsLate(Duration::from_secs(11))) }
}

/// What came to the faults later, from numbers of its own: too many calls, changes that go wrong, old positions, no quotes.
fn crowded(plan: FaultPlan, seed: u64, start: u64) -> FaultPlan {
    let mut draw = Draw::new(seed ^ (start << 40) ^ 0xc20d);
    let mut rate = |most: u64| u32::try_from(if draw.below(2) == 0 { 0 } else { draw.below(most) }).unwrap();
    let (second, minute) = (Fault::RateLimited(RateWindow::Second), Fault::RateLimited(RateWindow::Minute));
    let lost = || "lost".to_owned();
    let mut plan = plan;
    for kind in [CallKind::Place, CallKind::Cancel, CallKind::Modify, CallKind::Orders, CallKind::Trades, CallKind::Positions] {
        plan = plan.rate(kind, rate(80), second.clone()).rate(kind, rate(10), minute.clone());
    }
    plan.rate(CallKind::Modify, rate(150), Fault::LoseReply(lost()))
        .rate(CallKind::Modify, rate(150), Fault::LoseRequest(lost()))
        .rate(CallKind::Modify, rate(100), Fault::HangAfter)
        .rate(CallKind::Modify, rate(100), Fault::Refuse("the broker said no".into()))
        .rate(CallKind::Cancel, rate(100), Fault::HangAfter)
        .rate(CallKind::Cancel, rate(100), Fault::Late(Duration::from_millis(3_500)))
        .rate(CallKind::Cancel, rate(100), Fault::Refuse("the broker said no".into()))
        .rate(CallKind::Positions, rate(150), Fault::Stale)
        .rate(CallKind::Orders, rate(50), Fault::Duplicate)
        .rate(CallKind::Trades, rate(50), Fault::Duplicate)
        .rate(CallKind::Session, rate(100), Fault::NotSent("connection refused".into()))
}
