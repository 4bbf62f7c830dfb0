//! What a test does to a desk: signals, controls, and what goes wrong.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan};
use ordergate_actors::order::{CommandId, IdempotencyKey, InstrumentKey, LegDraft, OrderRecord, Price, SignalDraft, SignalId, Source};
use ordergate_actors::persistence::{Answer, ControlChange, KillLevel, NotRegistered};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Desk;
use super::legs::price;
use super::waits::PATIENCE;
use crate::world::client;

impl Desk {
    /// The market trades an instrument at this bid, the ask 5 paise above.
    pub(crate) fn trades_at(&self, key: &InstrumentKey, bid: &str) {
        let ask = Price::new(price(bid).value() + price("0.05").value()).unwrap();
        self.market.set(key, price(bid), ask, price(bid));
    }

    /// A signal with these orders, as it comes in now.
    pub(crate) fn draft(&self, legs: &[LegDraft]) -> SignalDraft {
        let number = self.signals.fetch_add(1, Ordering::SeqCst) + 1;
        SignalDraft {
            client_id: client(),
            signal_id: SignalId(Uuid::from_u64_pair(0xde5c, number)),
            source: Source::Webhook,
            user: "a test".into(),
            idempotency_key: IdempotencyKey::parse(&format!("signal-{number}")).ok(),
            body_hash: [7; 32],
            replay_window_ms: 0,
            received_at: self.engine_clock.now(),
            signal_time: None,
            legs: legs.to_vec(),
        }
    }

    /// Hands a signal over without waiting for the answer.
    pub(crate) fn send(&self, legs: &[LegDraft]) -> oneshot::Receiver<Result<Answer, NotRegistered>> {
        self.engine.submit_now(self.draft(legs)).unwrap()
    }

    /// Hands a signal over and waits until every order of it is decided; the orders by leg.
    pub(crate) async fn alert(&self, legs: &[LegDraft]) -> Vec<CommandId> {
        let answer = tokio::time::timeout(PATIENCE, self.engine.submit(self.draft(legs))).await;
        answer.expect("no answer").expect("not registered").orders
    }

    /// One order.
    pub(crate) async fn order(&self, leg: LegDraft) -> CommandId {
        self.alert(&[leg]).await[0]
    }

    /// One order, followed to its end.
    pub(crate) async fn ended(&self, leg: LegDraft) -> OrderRecord {
        let command = self.order(leg).await;
        self.until_ended(command).await
    }

    pub(crate) async fn control(&self, change: ControlChange) {
        let answer = tokio::time::timeout(PATIENCE, self.engine.control(&client(), change, "a test", "a drill")).await;
        assert!(answer.expect("no answer").expect("no answer").is_applied());
    }

    pub(crate) async fn kill(&self, level: KillLevel) {
        self.control(ControlChange::Account(level)).await;
    }

    /// The next look at the clock inside this actor panics; waits until it has.
    pub(crate) async fn panic_in(&self, actor: &'static str) {
        self.clock.fail_in(actor);
        self.until("the panic", |desk| !desk.clock.is_armed()).await;
    }

    /// This actor panics when it next asks for this quote, with the order at hand.
    pub(crate) fn trap(&self, actor: &'static str, symbol: &str) {
        *self.quotes.trap.lock() = Some((actor, symbol.to_owned()));
    }

    /// This actor panics when it is about to send its so-manieth message from now: in the middle of what its core has decided.
    pub(crate) fn trap_between(&self, actor: &'static str, message: u32) {
        *self.engine.line().trap.lock() = Some((actor, message));
    }

    /// Whether that has happened; from now on it will not.
    pub(crate) fn has_sprung(&self) -> bool {
        self.engine.line().trap.lock().take().is_none()
    }

    /// The quote board shows BrokerActor this price of everything, so old.
    pub(crate) fn board(&self, text: &str, age: Duration) {
        *self.quotes.board.lock() = Some((price(text), age));
    }

    /// The exchange takes prices of this range from now on, as every quote tells.
    pub(crate) fn band(&self, low: &str, high: &str) {
        *self.quotes.band.lock() = Some((price(low), price(high)));
    }

    /// No quote is pushed any more: the first alert of the day.
    pub(crate) fn dark(&self) {
        self.quotes.is_dark.store(true, Ordering::SeqCst);
    }

    /// The next call of the kind goes wrong.
    pub(crate) fn next(&self, kind: CallKind, fault: Fault) {
        self.broker.broker.next(kind, Some(fault));
    }

    /// From now on every call of the kind goes wrong.
    pub(crate) fn always(&self, kind: CallKind, fault: Fault) {
        self.broker.broker.replan(FaultPlan::none().always(kind, fault));
    }

    /// From now on every call of these kinds goes wrong, and none of the others.
    pub(crate) fn always_all(&self, kinds: &[CallKind], fault: &Fault) {
        self.broker.broker.replan(kinds.iter().fold(FaultPlan::none(), |plan, kind| plan.always(*kind, fault.clone())));
    }

    /// From now on calls go wrong by this plan.
    pub(crate) fn plan(&self, plan: FaultPlan) {
        self.broker.broker.replan(plan);
    }

    pub(crate) fn heal(&self) {
        self.broker.broker.replan(FaultPlan::none());
    }
}
