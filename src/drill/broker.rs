//! The steps around each call, and after the first reads of a start.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::order::{BrokerOrderId, Instrument};
use ordergate_actors::ports::{
    Aside, BookRow, Broker, BrokerOrder, Call, CallOutcome, Capabilities, DeliveryRow, Funds, Modification, NoFunds, NoMargin, NoQuote,
    OrderMargin, PlaceOutcome, PositionRow, Prepared, PreparedChange, Quote, Refusal, Session, Snapshot, StreamEvent, TradeRow,
};
use tokio::sync::mpsc;

use super::{Drill, Step};

/// A call is under way for so long when it is stopped in its middle. One that is answered sooner is stopped with its answer.
const DURING: Duration = Duration::from_millis(100);

/// A broker that stops around a certain call.
#[derive(Debug)]
pub(super) struct DrilledBroker {
    inner: Arc<dyn Broker>,
    drill: Drill,
}

impl DrilledBroker {
    pub(super) fn new(inner: Arc<dyn Broker>, drill: Drill) -> Self {
        Self { inner, drill }
    }

    fn around<T: Send + 'static>(&self, call: Call<T>, [before, during, after]: [Step; 3]) -> Call<T> {
        let drill = self.drill;
        Box::pin(async move {
            drill.reach(before);
            let answer = if drill.is_at(during) { stopped(call, drill, during).await } else { call.await };
            drill.reach(after);
            answer
        })
    }

    fn read<T: Send + 'static>(&self, call: Call<T>, step: Step) -> Call<T> {
        let drill = self.drill;
        Box::pin(async move {
            let answer = call.await;
            drill.reach(step);
            answer
        })
    }
}

/// The call, stopped in its middle.
async fn stopped<T>(call: impl Future<Output = T>, drill: Drill, during: Step) -> T {
    let mut call = std::pin::pin!(call);
    let answer = tokio::time::timeout(DURING, &mut call).await;
    drill.reach(during);
    match answer {
        Ok(answer) => answer,
        Err(_) => call.await,
    }
}

impl Broker for DrilledBroker {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn prepare(&self, order: BrokerOrder, quote: Option<&Quote>) -> Result<Prepared, Refusal> {
        self.inner.prepare(order, quote)
    }

    fn place(&self, prepared: Prepared) -> Call<PlaceOutcome> {
        self.around(self.inner.place(prepared), [Step::CallBefore, Step::CallDuring, Step::CallAfter])
    }

    fn cancel(&self, id: BrokerOrderId) -> Call<CallOutcome> {
        self.around(self.inner.cancel(id), [Step::CancelCallBefore, Step::CancelCallDuring, Step::CancelCallAfter])
    }

    fn prepare_change(&self, change: Modification, quote: Option<&Quote>) -> Result<PreparedChange, Refusal> {
        self.inner.prepare_change(change, quote)
    }

    fn modify(&self, prepared: PreparedChange) -> Call<CallOutcome> {
        self.around(self.inner.modify(prepared), [Step::ChangeCallBefore, Step::ChangeCallDuring, Step::ChangeCallAfter])
    }

    fn clock_skew(&self) -> Option<chrono::TimeDelta> {
        self.inner.clock_skew()
    }

    fn session(&self) -> Call<Session> {
        let (drill, call) = (self.drill, self.inner.session());
        Box::pin(async move {
            let session = call.await;
            if session == Session::Ready {
                drill.reach(Step::StartSession);
            }
            session
        })
    }

    fn orders(&self) -> Call<Snapshot<Arc<BookRow>>> {
        self.read(self.inner.orders(), Step::StartOrders)
    }

    fn trades(&self) -> Call<Snapshot<Arc<TradeRow>>> {
        self.read(self.inner.trades(), Step::StartTrades)
    }

    fn positions(&self) -> Call<Snapshot<PositionRow>> {
        self.read(self.inner.positions(), Step::StartPositions)
    }

    fn holdings(&self) -> Call<Snapshot<DeliveryRow>> {
        self.inner.holdings()
    }

    fn quote(&self, instrument: Arc<Instrument>) -> Call<Result<Quote, NoQuote>> {
        self.inner.quote(instrument)
    }

    fn tells_funds(&self) -> bool {
        self.inner.tells_funds()
    }

    fn funds(&self) -> Call<Result<Funds, NoFunds>> {
        self.inner.funds()
    }

    fn tells_margin(&self) -> bool {
        self.inner.tells_margin()
    }

    fn order_margin(&self, order: BrokerOrder) -> Call<Result<OrderMargin, NoMargin>> {
        self.inner.order_margin(order)
    }

    fn aside(&self) -> Aside {
        self.inner.aside()
    }

    fn in_use(&self, is_in_use: bool) {
        self.inner.in_use(is_in_use);
    }

    fn stream(&self) -> Option<mpsc::Receiver<StreamEvent>> {
        self.inner.stream()
    }
}
