//! An order that waits long for its turn goes out at a price of the moment in which it goes.

use chrono::TimeDelta;
use ordergate_actors::order::OrderRecord;
use ordergate_actors::ports::{Budget, Capabilities};

use crate::desk::{Setup, buy, price, sbin, scenario};

/// The broker takes no market orders, and four calls in a second: most of these wait for longer than a quote is good for. The market
/// goes away meanwhile; a limit of before that would rest for nothing.
#[test]
fn a_market_order_that_waited_for_its_turn_is_a_limit_at_the_price_of_now() {
    let can = |row: &mut Capabilities| {
        (row.takes_market_orders, row.budget) = (false, Some(Budget { reads_per_second: 1, ..Budget::of(4, 600) }));
    };
    scenario(Setup { can, ..Setup::polled() }, async |desk| {
        let answers: Vec<_> = (0..30).map(|n| desk.send(&[buy(&format!("s{n}"), 1)])).collect();
        desk.pass_secs(1).await;
        desk.market.set(&sbin(), price("803"), price("803.05"), price("803"));
        let moved_at = desk.clock_now();
        let mut orders: Vec<OrderRecord> = Vec::new();
        for answer in answers {
            let command = answer.await.unwrap().unwrap().orders[0];
            orders.push(desk.until_at_broker(command).await);
        }
        // Older than a quote may be when its row was written, and so priced anew.
        let waited: Vec<_> = orders.iter().filter(|order| order.sent_at.unwrap() - moved_at > TimeDelta::seconds(4)).collect();
        assert!(waited.len() > 5, "{} waited", waited.len());
        for order in waited {
            assert!(order.ask.price.is_some_and(|limit| limit >= price("803.05")), "{} at {:?}", order.command_id, order.ask.price);
        }
    });
}
