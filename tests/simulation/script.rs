//! What happens to the engine from outside: alerts, repeats, cancels, kills; drawn from the seed.

use ordergate_actors::order::{ClientId, IdempotencyKey, LegDraft, SignalDraft, SignalId, Source};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::ports::Clock;
use uuid::Uuid;

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
    Kill(KillLevel),
}

#[derive(Debug, Clone)]
pub(crate) struct Alert {
    pub(crate) key: String,
    pub(crate) legs: Vec<LegDraft>,
}

impl Alert {
    pub(crate) fn draft(&self, client: &ClientId, clock: &dyn Clock, signal: u64) -> SignalDraft {
        SignalDraft {
            client_id: client.clone(),
            signal_id: SignalId(Uuid::from_u64_pair(0x5160, signal)),
            source: Source::Webhook,
            user: "simulation".into(),
            idempotency_key: IdempotencyKey::parse(&self.key).ok(),
            body_hash: [7; 32],
            replay_window_ms: 60_000,
            received_at: clock.now(),
            signal_time: None,
            legs: self.legs.clone(),
        }
    }
}

const SYMBOLS: [(&str, &str); 3] = [("SBIN-EQ", "880"), ("RELIANCE-EQ", "1400"), ("INFY-EQ", "1500")];

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
        let act = match (draw.below(20), repeated) {
            (0..=2, Some(alert)) => Act::Alert(alert),
            (3..=4, _) => Act::Cancel,
            (5, _) => Act::Kill(KillLevel::try_from(u8::try_from(draw.below(4)).unwrap()).unwrap()),
            (6, _) => Act::Kill(KillLevel::None),
            _ => Act::Alert(Alert { key: format!("alert-{index}"), legs: legs(&mut draw) }),
        };
        steps.push(Step { after_ms, act });
    }
    steps
}

fn legs(draw: &mut Draw) -> Vec<LegDraft> {
    let count = if draw.below(5) == 0 { 2 } else { 1 };
    let strategy = draw.below(3);
    (0..count).map(|_| leg(draw, strategy)).collect()
}

/// A strategy mostly trades its own symbol, so that exits find something and entries collide.
fn leg(draw: &mut Draw, strategy: u64) -> LegDraft {
    let favourite = if draw.below(10) < 7 { strategy } else { draw.below(3) };
    let (symbol, price) = SYMBOLS[usize::try_from(favourite).unwrap()];
    let strategy = &format!("s{strategy}");
    let text = |text: &str| Some(text.to_owned());
    let is_exit = draw.below(3) == 0;
    let is_limit = draw.below(3) == 0;
    LegDraft {
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
        ..LegDraft::default()
    }
}
