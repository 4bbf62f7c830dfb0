//! What happens to the engine from outside: alerts, repeats, cancels, kills; drawn from the seed.

use ordergate_actors::order::{ClientId, IdempotencyKey, LegDraft, SignalDraft, SignalId, Source};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::ports::Clock;
use uuid::Uuid;

use super::beside::Beside;
use super::world::{client, neighbour};

/// One thing that happens, so long after the one before.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) after_ms: u64,
    pub(crate) act: Act,
}

#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// An alert; sent again under the same key until it is answered, as a sender would.
    Alert(Alert),
    /// The newest order that is open is cancelled.
    Cancel,
    /// The newest order that is open is changed: its limit by so many paise, or its quantity by one.
    Change(i64),
    Kill(KillLevel),
    KillStrategy(u64, KillLevel),
    /// The largest order is set otherwise for a minute.
    Override(u64),
    /// Something that nobody asked ordergate for.
    Beside(Beside),
    /// The same as a person does to the second account.
    NextDoor(Box<Act>),
}

#[derive(Debug, Clone)]
pub(crate) struct Alert {
    pub(crate) key: String,
    pub(crate) legs: Vec<LegDraft>,
    /// So long before it came it was made.
    pub(crate) age_s: i64,
    /// The sender is gone before it is answered, and does not come again.
    pub(crate) is_reset: bool,
    /// It is for the second account.
    pub(crate) is_next_door: bool,
}

impl Alert {
    /// One that comes as it was made, and waits for its answer.
    pub(crate) fn of(key: String, legs: Vec<LegDraft>) -> Self {
        Self { key, legs, age_s: 0, is_reset: false, is_next_door: false }
    }

    /// Whose it is.
    pub(crate) fn account(&self) -> ClientId {
        if self.is_next_door { neighbour() } else { client() }
    }

    pub(crate) fn draft(&self, client: ClientId, clock: &dyn Clock, signal: u64) -> SignalDraft {
        SignalDraft {
            client_id: client,
            signal_id: SignalId(Uuid::from_u64_pair(0x5160, signal)),
            source: Source::Webhook,
            user: "simulation".into(),
            idempotency_key: IdempotencyKey::parse(&self.key).ok(),
            // It names its account.
            body_hash: [if self.is_next_door { 8 } else { 7 }; 32],
            replay_window_ms: 60_000,
            received_at: clock.now(),
            signal_time: (self.age_s > 0).then(|| clock.now() - chrono::Duration::seconds(self.age_s)),
            legs: self.legs.clone(),
        }
    }
}

pub(crate) const SYMBOLS: [(&str, &str); 3] = [("SBIN-EQ", "880"), ("RELIANCE-EQ", "1400"), ("INFY-EQ", "1500")];

/// A number from two numbers: the finaliser of splitmix64.
pub(crate) fn hash(seed: u64, index: u64) -> u64 {
    let mut bits = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Numbers from the seed, one after the other.
#[derive(Debug)]
pub(crate) struct Draw {
    seed: u64,
    next: u64,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next += 1;
        hash(self.seed, self.next) % limit
    }
}

/// The seed's script: 6 to 13 steps.
pub(crate) fn write(seed: u64) -> Vec<Step> {
    let mut draw = Draw::new(seed ^ 0x5c21);
    let mut steps: Vec<Step> = Vec::new();
    let count = 6 + draw.below(8);
    for index in 0..count {
        // Bursts and pauses: half of the steps come at once after the one before.
        let after_ms = if draw.below(2) == 0 { draw.below(5) } else { draw.below(6_000) };
        let repeated = steps.iter().rev().find_map(|step| match &step.act {
            Act::Alert(alert) => Some(alert.clone()),
            _ => None,
        });
        let level = |draw: &mut Draw| KillLevel::try_from(u8::try_from(draw.below(4)).unwrap()).unwrap();
        let act = match (draw.below(24), repeated) {
            (0..=2, Some(alert)) => Act::Alert(alert),
            (3..=4, _) => Act::Cancel,
            (5, _) => Act::Kill(level(&mut draw)),
            (6, _) => Act::Kill(KillLevel::None),
            (7..=8, _) => Act::Change(i64::try_from(draw.below(401)).unwrap() - 200),
            (9, _) => Act::KillStrategy(draw.below(3), level(&mut draw)),
            (10, _) => Act::Override(1 + draw.below(30)),
            _ => Act::Alert(Alert::of(format!("alert-{index}"), legs(&mut draw))),
        };
        steps.push(Step { after_ms, act });
    }
    steps
}

pub(crate) fn legs(draw: &mut Draw) -> Vec<LegDraft> {
    let strategy = draw.below(3);
    if draw.below(6) == 0 {
        return vec![target(draw, strategy)];
    }
    let count = if draw.below(5) == 0 { 2 } else { 1 };
    let policy = match draw.below(8) {
        0 if count > 1 => Some("BEST_EFFORT"),
        1 if count > 1 => Some("ALL_OR_UNWIND"),
        2 if count > 1 => Some("HEDGE_FIRST"),
        3 if count > 1 => Some("WAIT_FOR_FILL"),
        4 if count > 1 => Some("EXIT_THEN_ENTER"),
        _ => None,
    };
    (0..count).map(|_| LegDraft { policy: policy.map(str::to_owned), ..leg(draw, strategy) }).collect()
}

/// Where to: long, short or flat.
fn target(draw: &mut Draw, strategy: u64) -> LegDraft {
    let (symbol, _) = SYMBOLS[usize::try_from(strategy).unwrap()];
    let text = |text: &str| Some(text.to_owned());
    LegDraft {
        strategy: Some(format!("s{strategy}")),
        execution_type: text("TARGET"),
        exchange: text("NSE"),
        symbol: text(symbol),
        target_position: Some((i64::try_from(draw.below(41)).unwrap() - 20).to_string()),
        product: text("MIS"),
        order_type: text("MARKET"),
        ..LegDraft::default()
    }
}

/// A stop, a target, a trail, each or none; close enough that the market of a seed reaches some of them.
fn guarded(draw: &mut Draw, leg: LegDraft) -> LegDraft {
    let mut near = |most: u64| (draw.below(2) == 0).then(|| format!("{}.{}%", draw.below(most), 1 + draw.below(9)));
    let (stop_loss, target) = (near(3), near(3));
    let trails = stop_loss.is_some() && draw.below(2) == 0;
    LegDraft {
        stop_loss,
        target,
        trailing_type: trails.then(|| "PERCENT".to_owned()),
        trailing_value: trails.then(|| "0.2".to_owned()),
        ..leg
    }
}

/// A strategy mostly trades its own symbol, so that exits find something and entries collide.
fn leg(draw: &mut Draw, strategy: u64) -> LegDraft {
    let favourite = if draw.below(10) < 7 { strategy } else { draw.below(3) };
    let (symbol, price) = SYMBOLS[usize::try_from(favourite).unwrap()];
    let strategy = &format!("s{strategy}");
    let text = |text: &str| Some(text.to_owned());
    let is_exit = draw.below(3) == 0;
    let is_limit = draw.below(3) == 0;
    let leg = LegDraft {
        strategy: text(strategy),
        execution_type: text(match (is_exit, draw.below(8)) {
            (true, _) => "EXIT",
            (false, 0) => "ADJUST",
            (false, _) => "ENTRY",
        }),
        exchange: text("NSE"),
        symbol: text(symbol),
        side: if is_exit { None } else { text(if draw.below(3) == 0 { "SELL" } else { "BUY" }) },
        quantity: if is_exit && draw.below(2) == 0 { None } else { text(&(1 + draw.below(20)).to_string()) },
        product: if is_exit { None } else { text("MIS") },
        order_type: text(if is_limit { "LIMIT" } else { "MARKET" }),
        price: if is_limit { text(price) } else { None },
        test_mode: if draw.below(15) == 0 { text("SUCCESS") } else { None },
        cancel_after_s: if !is_exit && is_limit && draw.below(4) == 0 { text("3") } else { None },
        ..LegDraft::default()
    };
    if is_exit || draw.below(3) == 0 { leg } else { guarded(draw, leg) }
}
