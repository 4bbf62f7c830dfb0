//! When each position of a square-off has its turn, and what people hear of one that is under way: each waits for its own tries alone,
//! nobody is told to close what an exit is closing, and the square-off of one strategy tells its end as that of all does.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::{LegDraft, OrderRecord, Source, Status, Strategy};
use ordergate_actors::persistence::{ControlChange, KillLevel};

use super::exit_rules::{fired, thin, trade};
use crate::desk::{But, Desk, Setup, buy, entry, nse, price, sbin, scenario};
use crate::world::with_an_auction;

fn exit_of(desk: &Desk, strategy: &str) -> Option<OrderRecord> {
    fired(desk).into_iter().find(|row| row.ask.strategy.as_str() == strategy)
}

/// One goes at once, the other as soon as its stop at the broker is proven dead: until then that protects it, from then on nothing does.
#[test]
fn a_position_whose_stop_rested_at_the_broker_leaves_as_soon_as_that_is_dead() {
    scenario(Setup::polled(), async |desk| {
        let stop = |desk: &Desk| desk.rows().into_iter().find(|row| row.source == Source::Stop);
        trade(desk, "860");
        desk.ended(entry("free", "INFY-EQ", "BUY", 5)).await;
        desk.ended(LegDraft { stop_loss: Some("10 points".into()), stop_at: Some("broker".into()), ..buy("a", 10) }).await;
        desk.until("its stop rests", |desk| stop(desk).is_some_and(|stop| stop.broker_order_id.is_some())).await;
        desk.pass_secs(3).await;
        desk.kill(KillLevel::SquareOff).await;
        desk.until("both are flat", |desk| desk.held("a", &sbin()) == 0 && desk.held("free", &nse("INFY-EQ")) == 0).await;
        let (stop, exit) = (stop(desk).unwrap(), exit_of(desk, "a").unwrap());
        assert!((exit.created_at - stop.updated_at).num_seconds() <= 2, "{}", desk.trace());
        assert!(exit.created_at >= stop.updated_at && exit_of(desk, "free").unwrap().created_at < exit.created_at);
        desk.pass_secs(20).await;
        assert_eq!((fired(desk).len(), desk.net_at_broker(&sbin())), (2, 0), "each closed once");
        desk.at_rest().await;
    });
}

/// The broker refuses the exit of one position again and again. An entry of another strategy, which it does not cancel, fills meanwhile.
#[test]
fn what_fills_late_waits_for_nothing_that_was_tried_of_another_position() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        let late = desk.order(entry("late", "INFY-EQ", "BUY", 5).at("1490")).await;
        desk.until_at_broker(late).await;
        desk.pass_secs(3).await;
        desk.always_all(&[CallKind::Place, CallKind::Cancel], &Fault::Refuse("16388: not now".into()));
        desk.kill(KillLevel::SquareOff).await;
        let tries = |desk: &Desk| fired(desk).iter().filter(|row| row.ask.strategy.as_str() == "a").count();
        desk.until("one was tried often", |desk| tries(desk) == 4).await;
        desk.pass_secs(2).await;
        desk.market.set(&nse("INFY-EQ"), price("1489.90"), price("1490"), price("1489.90"));
        desk.until("the other fills", |desk| desk.held("late", &nse("INFY-EQ")) == 5).await;
        let filled_at = desk.clock_now();
        desk.until("its exit goes", |desk| exit_of(desk, "late").is_some()).await;
        let took = exit_of(desk, "late").unwrap().created_at - filled_at;
        assert!(took.num_seconds() <= 2, "{took}\n{}", desk.trace());
        assert_eq!(tries(desk), 4, "and the first waits on");
        desk.heal();
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0 && desk.held("late", &nse("INFY-EQ")) == 0).await;
        desk.at_rest().await;
    });
}

/// What lies in the closing auction fills at its match: nobody is to close it beside that.
#[test]
fn an_exit_that_lies_in_the_closing_auction_is_no_alarm_before_the_match() {
    let mut setup = Setup { can: |row| row.takes_market_orders = false, calendar: with_an_auction, ..Setup::default() };
    setup.account.limits.square_off_page = Duration::from_secs(30);
    setup.account.limits.intraday_cutoff = Duration::ZERO;
    scenario(setup, async |desk| {
        desk.ended(buy("a", 10)).await;
        let into = |desk: &Desk, seconds| {
            Duration::from_secs(seconds) - (desk.clock_now() - ordergate_actors::testkit::morning()).to_std().unwrap()
        };
        desk.pass(into(desk, 121)).await;
        thin(desk, "800", 4);
        desk.kill(KillLevel::SquareOff).await;
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 6).await;
        desk.pass(into(desk, 238)).await;
        assert_eq!(fired(desk)[0].status, Status::Partial, "{}", desk.trace());
        let said: Vec<_> = ["ALARM_NOT_FLAT", "ALARM_SQUARE_OFF_STUCK"].iter().flat_map(|event| desk.texts(event)).collect();
        assert!(said.is_empty(), "{said:?}");
        trade(desk, "801");
        desk.until("it is matched", |desk| desk.held("a", &sbin()) == 0).await;
        desk.at_rest().await;
    });
}

/// Another strategy holds the same share, and goes on.
#[test]
fn the_square_off_of_one_strategy_says_that_it_is_flat() {
    for restarts in [false, true] {
        scenario(Setup::polled(), async |desk| {
            desk.ended(buy("a", 10)).await;
            desk.ended(buy("b", 5)).await;
            desk.pass_secs(3).await;
            desk.control(ControlChange::Strategy(Strategy::parse("a").unwrap(), KillLevel::SquareOff)).await;
            desk.until("a is flat", |desk| desk.held("a", &sbin()) == 0).await;
            if restarts {
                desk.start_again();
                desk.until_open().await;
            }
            desk.until("it is said that all is flat", |desk| !desk.texts("SQUARE_OFF_FLAT").is_empty()).await;
            desk.pass_secs(20).await;
            let said = desk.texts("SQUARE_OFF_FLAT");
            assert!(said.iter().all(|text| text.starts_with("a: flat: ")), "{said:?}");
            assert!(said.len() <= if restarts { 2 } else { 1 }, "{said:?}");
            assert_eq!((desk.held("b", &sbin()), desk.net_at_broker(&sbin())), (5, 5), "the other is left alone");
            desk.at_rest().await;
        });
    }
}

#[test]
fn the_square_off_of_one_strategy_pages_when_it_does_not_end() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        desk.always(CallKind::Place, Fault::Refuse("16388: not now".into()));
        desk.control(ControlChange::Strategy(Strategy::parse("a").unwrap(), KillLevel::SquareOff)).await;
        desk.until_alarm("ALARM_SQUARE_OFF_STUCK").await;
        let said = desk.texts("ALARM_SQUARE_OFF_STUCK");
        assert!(said[0].contains("a: +10 NSE:SBIN-EQ MIS") && said[0].contains("take its level down"), "{said:?}");
        desk.heal();
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        desk.until("it is said that all is flat", |desk| !desk.texts("SQUARE_OFF_FLAT").is_empty()).await;
        desk.at_rest().await;
    });
}
