//! The end of a run: everything of ours is cancelled, and proven to be by the book.

use ordergate_actors::order::{BrokerOrderId, Exchange};
use ordergate_actors::ports::Broker as _;
use tokio::time::Instant;

use super::small::is_over;
use crate::brokers::noren::wire::Fields;
use crate::conformance::bench::{Bench, Ours, is_cut_of};
use crate::conformance::facts::Left;

pub(super) async fn clean(bench: &Bench) -> Left {
    let deadline = Instant::now() + bench.patience();
    let mut wait = std::time::Duration::from_millis(200);
    loop {
        let left = match bench.book().await {
            Ok(rows) => look(bench, &rows).await,
            Err(words) => Left { unproven: vec![format!("the order book could not be read: {words}")], ..Left::default() },
        };
        if left.unproven.is_empty() || Instant::now() >= deadline {
            return left;
        }
        tokio::time::sleep(wait).await;
        wait = wait.saturating_mul(2).min(std::time::Duration::from_secs(2));
    }
}

/// What the book says of everything that is ours; what still works is asked to be cancelled.
async fn look(bench: &Bench, rows: &[Fields]) -> Left {
    let ours = bench.ours.lock().clone();
    let mut left = Left { orders: ours.iter().filter(|ours| ours.number.is_some()).count(), ..Left::default() };
    let mine: Vec<&Fields> = rows.iter().filter(|row| ours.iter().any(|ours| is(ours, row, &bench.run))).collect();
    for row in &mine {
        let filled = row.integer("fillshares").ok().flatten().unwrap_or(0);
        let name = words(row);
        if filled > 0 {
            left.fills.push(format!("{filled} of {name} at {}", row.text("avgprc").unwrap_or_else(|| "an unknown price".to_owned())));
        }
        if !is_over(row) {
            left.unproven.push(format!("{name} is {}", row.text("status").unwrap_or_else(|| "without a status".to_owned())));
            cancel(bench, row).await;
        }
    }
    for ours in ours.iter().filter(|ours| ours.may_live) {
        if !mine.iter().any(|row| is_this(ours, row)) {
            let number = ours.number.as_ref().map_or_else(|| "no number".to_owned(), ToString::to_string);
            left.unproven.push(format!("the order with the text {} ({number}) is not in the order book", ours.tag));
        }
    }
    left
}

async fn cancel(bench: &Bench, row: &Fields) {
    let number = row.text("norenordno").and_then(|text| BrokerOrderId::parse(&text).ok());
    let exchange = row.text("exch").and_then(|text| Exchange::parse(&text));
    if let (Some(number), Some(exchange)) = (number, exchange) {
        let _followed = bench.change(exchange, bench.broker.cancel(number)).await;
    }
}

/// Whether the row is that order's.
fn is_this(ours: &Ours, row: &Fields) -> bool {
    match &ours.number {
        Some(number) => row.text("norenordno").as_deref() == Some(number.as_str()),
        None => row.text("remarks").is_some_and(|remarks| is_cut_of(&remarks, &ours.tag)),
    }
}

/// Whether the row is of this run: also an order that was refused and is there all the same.
fn is(ours: &Ours, row: &Fields, run: &str) -> bool {
    is_this(ours, row) || row.text("remarks").is_some_and(|remarks| remarks.starts_with(run))
}

fn words(row: &Fields) -> String {
    let text = |name: &str| row.text(name).unwrap_or_default();
    format!("order {} ({} {} {}:{} at {})", text("norenordno"), text("trantype"), text("qty"), text("exch"), text("tsym"), text("prc"))
}
