//! A fill of our own that the positions show, or lack, before anybody has told us of it: beside trades of others, and beside other exits.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan, StreamFaults};
use ordergate_actors::order::{CommandId, HoldingKey, LegDraft, Product, Side, Source, Status};
use ordergate_actors::ports::Capabilities;

use super::differences::{elsewhere, sale_by_hand};
use super::exit_rules::{guarded, scenario, thin, trade};
use crate::desk::{But, Desk, Setup, buy, exit, sbin};

/// Order book and trade book give what they gave last, and nothing is pushed: what fills from now on shows in the positions only.
fn only_positions_go_on(desk: &Desk) {
    let stale = FaultPlan::none().always(CallKind::Orders, Fault::Stale).always(CallKind::Trades, Fault::Stale);
    desk.plan(stale.stream(StreamFaults { drop_every: 1, ..StreamFaults::default() }));
}

async fn until_shown(desk: &Desk, order: CommandId) {
    let id = desk.until_at_broker(order).await.broker_order_id.unwrap();
    let shows = |desk: &Desk| {
        let findings = desk.line().findings.read().clone();
        findings.orders.is_some_and(|orders| orders.rows.iter().any(|row| row.broker_order_id == id))
    };
    desk.until("the order book shows it", shows).await;
}

async fn until_positions_show(desk: &Desk, product: Product, net: i64) {
    let key = HoldingKey { instrument: sbin(), product };
    desk.until("the positions show it", |desk| desk.line().findings.read().net(&key) == Some(net)).await;
}

/// A person sold 4 in the morning, and our strategies gave them up. In the afternoon an alert's exit of the other 6 fills 1 and then 2, of
/// which only the positions tell: the exit goes after the market, and must not be made smaller for what the sale of the morning explains no more.
#[test]
fn an_exit_is_not_cut_for_its_own_fill_because_somebody_traded_there_before() {
    // The books may lag, so that nothing is concluded from one that stands still for a moment.
    let can: fn(&mut Capabilities) = |row| (row.takes_market_orders, row.visibility_bound) = (false, Duration::from_secs(30));
    scenario(Setup { can, ..Setup::polled() }, async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        elsewhere(desk, Side::Sell, 4, Some("from my phone"));
        desk.until("it is given up", |desk| desk.held("a", &sbin()) == 6).await;
        thin(desk, "860", 1);
        let out = desk.order(exit("a", "SBIN-EQ")).await;
        desk.until("one is out", |desk| desk.held("a", &sbin()) == 5).await;
        until_shown(desk, out).await;
        until_positions_show(desk, Product::Mis, 5).await;
        only_positions_go_on(desk);
        let limit = desk.row(out).ask.price.unwrap().to_string();
        thin(desk, &limit, 2);
        until_positions_show(desk, Product::Mis, 3).await;
        assert_eq!(desk.row(out).filled_quantity, 1, "nobody has told of the other two");
        trade(desk, "850");
        desk.pass_secs(10).await;
        assert!(desk.net_at_broker(&sbin()) >= 0, "{}", desk.trace());
        desk.heal();
        desk.until("the others are told", |desk| desk.held("a", &sbin()) == 3).await;
        trade(desk, "860");
        desk.until("all of it is out", |desk| desk.held("a", &sbin()) == 0 && desk.net_at_broker(&sbin()) == 0).await;
        assert_eq!(desk.until_ended(out).await.filled_quantity, 6, "{}", desk.trace());
    });
}

/// Of 10 shares for delivery a limit has sold 6, of which only the positions tell, when a signal to leave comes: it waits for that, and
/// closes the 4 that are left. There are shares, and who sold the others is no riddle.
#[test]
fn an_exit_of_delivery_waits_for_one_that_has_filled_untold() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10).product("CNC")).await;
        desk.pass_secs(3).await;
        let first = desk.order(exit("a", "SBIN-EQ").of(6).at("861")).await;
        until_shown(desk, first).await;
        only_positions_go_on(desk);
        trade(desk, "861");
        until_positions_show(desk, Product::Cnc, 4).await;
        let out = desk.order(exit("a", "SBIN-EQ")).await;
        desk.pass_secs(5).await;
        assert_eq!((desk.row(out).status, desk.row(out).tag), (Status::Created, None), "{}", desk.reason(out));
        desk.heal();
        assert_eq!(desk.until_ended(out).await.filled_quantity, 4, "{}", desk.trace());
        assert_eq!((desk.row(first).filled_quantity, desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (6, 0, 0));
        desk.at_rest().await;
    });
}

/// A person has 10 of his own, with his stop or his target for them. An entry of ours fills, and the positions are of before it: his order
/// is for his own units, and nobody is told that it is for ours.
#[test]
fn what_somebody_has_for_his_own_units_is_not_said_to_be_for_ours() {
    for fires in [false, true] {
        scenario(Setup::polled(), async |desk| {
            elsewhere(desk, Side::Buy, 10, None);
            let his = if fires { ("900", None) } else { ("835", Some("840.05")) };
            sale_by_hand(desk, 10, his, None);
            desk.until("it is seen", |desk| desk.line().findings.read().foreign.len() == 2).await;
            until_positions_show(desk, Product::Mis, 10).await;
            desk.next(CallKind::Positions, Fault::Late(Duration::from_secs(4)));
            desk.next(CallKind::Positions, Fault::Late(Duration::from_secs(4)));
            if fires {
                desk.ended(guarded("10 points", None)).await;
                trade(desk, "849");
                desk.until("ours are out", |desk| desk.held("a", &sbin()) == 0).await;
            } else {
                desk.ended(LegDraft { stop_at: Some("broker".into()), ..guarded("20 points", None) }).await;
                let rests = |desk: &Desk| desk.rows().iter().any(|row| row.source == Source::Stop && row.broker_order_id.is_some());
                desk.until("our stop rests", rests).await;
            }
            desk.pass_secs(10).await;
            assert!(!desk.has_alarm("ALARM_STOP_IN_ENGINE") && !desk.has_alarm("ALARM_CLOSED_TWICE"), "{:?}", desk.alarms());
        });
    }
}
