//! What goes on while no market is open: books that lie, and contracts that expire.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::calendar::{Calendar, Enforce};
use ordergate_actors::order::{Amount, EndPrice, Fill, LegDraft, Quantity, Status, Strategy, Tag, trading_date};
use ordergate_actors::persistence::{Level, Telling};
use ordergate_actors::pnl::Day;
use ordergate_actors::ports::{Query, Rows};
use ordergate_actors::risk::{Asked, DayOf, Figure, own_pnl};

use crate::desk::{But, Desk, Setup, buy, exit, future, price, rupees, sbin, scenario};
use crate::world::client;

const LOT: i64 = 65;

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The process is dead until that time in India.
async fn sleep_until(desk: &mut Desk, text: &str) {
    let wakes: DateTime<Utc> = time(text);
    desk.kill_process();
    let left = wakes.signed_duration_since(desk.clock_now()).to_std().unwrap();
    tokio::time::advance(left).await;
    desk.start_again();
    desk.until_open().await;
}

/// An account that the calendar holds: a market that is always open has no nights.
fn held_to_the_calendar(starts_at: DateTime<Utc>) -> Setup {
    let calendar: fn() -> Arc<Calendar> =
        || Arc::new(Calendar::parse(&ordergate::calendar::files(None).unwrap()).unwrap().enforced(Enforce::Always));
    Setup { starts_at, calendar, ..Setup::polled() }
}

/// Thursday, ten in the morning in India.
fn thursday() -> Setup {
    held_to_the_calendar(ordergate_actors::testkit::morning() - TimeDelta::days(1))
}

/// At night and the next morning the positions claim that there is nothing. What is carried stays, pages once, takes no second
/// entry, and its exit goes when the book tells again. An intraday position of the day before has gone by nine.
#[test]
fn a_position_book_that_lies_over_a_night_takes_no_carried_position_away() {
    scenario(thursday(), async |desk| {
        desk.ended(buy("carry", LOT).in_future().product("NRML")).await;
        desk.ended(buy("day", LOT).in_future()).await;
        desk.pass_secs(3).await;
        let held = |desk: &Desk| (desk.held("carry", &future()), desk.held("day", &future()));
        desk.always(CallKind::Positions, Fault::Empty);
        sleep_until(desk, "2026-11-20T03:05:00+05:30").await;
        desk.pass_secs(90).await;
        assert_eq!(held(desk), (LOT, LOT), "before the exchanges open nothing is concluded\n{}", desk.trace());
        assert!(desk.texts("HOLDING_REDUCED").is_empty() && !desk.has_alarm("ALARM_POSITION_NOT_SHOWN"));
        sleep_until(desk, "2026-11-20T09:20:00+05:30").await;
        desk.until_alarm("ALARM_POSITION_NOT_SHOWN").await;
        desk.until("the intraday one is gone", |desk| desk.held("day", &future()) == 0).await;
        assert_eq!(desk.row(desk.order(buy("carry", LOT).in_future().product("NRML")).await).tag, Some(Tag::ExecutionGuardBlocked));
        let out = desk.order(exit("carry", "").in_future()).await;
        desk.pass_secs(60).await;
        assert_eq!(held(desk), (LOT, 0));
        assert!(!desk.row(out).status.is_terminal(), "an absent row proves no end of it: {}", desk.reason(out));
        assert_eq!(desk.texts("ALARM_POSITION_NOT_SHOWN").len(), 1, "once a day");
        desk.heal();
        assert_eq!(desk.until_ended(out).await.status, Status::Executed);
        assert_eq!(held(desk), (0, 0));
    });
}

/// The broker squares an intraday position off while the engine is down, and its books of the next day show no trace of it. What it
/// realised is of its own day, and a person tells it there. The new day's own result is known all the time.
#[test]
fn an_intraday_position_that_ended_while_nobody_looked_is_of_its_own_day() {
    scenario(thursday(), async |desk| {
        let its_day = trading_date(desk.clock_now());
        desk.ended(buy("day", 10)).await;
        desk.pass_secs(3).await;
        desk.always(CallKind::Positions, Fault::Empty);
        sleep_until(desk, "2026-11-20T09:20:00+05:30").await;
        desk.until("it is gone", |desk| desk.held("day", &sbin()) == 0).await;
        let said = desk.texts("HOLDING_REDUCED");
        assert!(said.len() == 1 && said[0].contains("it ended on 2026-11-19 and counts there"), "{said:?}");
        let today = |desk: &Desk| desk.engine.read(&client(), |book| book.day(trading_date(desk.clock_now())).into_owned()).unwrap();
        let by_fills = |desk: &Desk| {
            let asked = Asked { now: desk.clock_now(), day: DayOf::Sessions, sight: None };
            own_pnl(today(desk).pools(today(desk).date()), &*desk.engine.line().quotes, asked)
        };
        assert_eq!(by_fills(desk), Figure::Known(Amount::ZERO), "today has no part in it");
        let of_day = |desk: &Desk| Day::load(its_day, [], &desk.store().changes_of(&client(), its_day).unwrap());
        let lines = |day: &Day| day.lines().map(|(_, _, line)| (line.held.net, line.left)).collect::<Vec<_>>();
        assert_eq!((lines(&of_day(desk)), of_day(desk).curve().realised), (vec![(0, 10)], Amount::ZERO));

        let Rows::Changes(left) = desk.engine.query(Query::LeftUnpriced(client())).await.unwrap() else { panic!("no changes") };
        let price = EndPrice::parse("790.05").unwrap();
        let telling =
            Telling { client_id: client(), row: left[0].seq, price, who: Arc::from("asha"), reason: Arc::from("the contract note") };
        assert!(desk.engine.tell(telling).await.unwrap().is_applied());
        // Bought at 800.05.
        assert_eq!((lines(&of_day(desk)), of_day(desk).curve().realised), (vec![(0, 0)], Amount((-100).into())));
        assert_eq!(by_fills(desk), Figure::Known(Amount::ZERO), "a loss of yesterday is none of today");
        let before = today(desk);
        desk.start_again();
        desk.until_open().await;
        assert_eq!((today(desk), of_day(desk).curve().realised), (before, Amount((-100).into())));
    });
}

/// A share is split 1 for 5 over the night: it opens at 160, far below a stop of yesterday's prices. Nothing was lost, and nothing is
/// sold; a person is called.
#[test]
fn a_stop_of_before_a_split_sells_nothing_and_pages() {
    scenario(thursday(), async |desk| {
        let text = |text: &str| Some(text.to_owned());
        desk.ended(LegDraft { stop_loss: text("5%"), ..buy("carry", 10).product("CNC") }).await;
        desk.pass_secs(3).await;
        desk.band("128", "192");
        desk.market.set(&sbin(), price("160"), price("160.05"), price("160"));
        sleep_until(desk, "2026-11-20T09:20:00+05:30").await;
        desk.until_alarm("ALARM_EXIT_OTHER_BASIS").await;
        desk.pass_secs(30).await;
        assert_eq!((desk.held("carry", &sbin()), desk.broker.started("place SBIN-EQ SELL")), (10, 0), "{}", desk.trace());
    });
}

/// The engine is down while the market closes: what was to be out by then is still held, and a person is called.
#[test]
fn what_was_to_be_out_by_the_end_of_the_day_and_is_not_pages() {
    scenario(thursday(), async |desk| {
        let text = |text: &str| Some(text.to_owned());
        desk.ended(LegDraft { exit_at: text("EOD"), ..buy("carry", LOT).in_future().product("NRML") }).await;
        desk.pass_secs(3).await;
        sleep_until(desk, "2026-11-19T15:45:00+05:30").await;
        desk.until_alarm("ALARM_EXIT_TIME_MISSED").await;
        assert_eq!(desk.held("carry", &future()), LOT);
    });
}

/// Neither book counts what a carried position lost before the night as a loss of the day after it; what it loses then counts.
#[test]
fn what_a_carried_position_lost_before_the_night_ends_no_day_after_it() {
    let mut setup = thursday();
    setup.account.limits.daily_loss = rupees(1_000);
    scenario(setup, async |desk| {
        let trades = |desk: &Desk, bid: &str, ask: &str| desk.market.set(&future(), price(bid), price(ask), price(bid));
        // At 25,700.05, 65 units: by the evening it has lost 653 rupees.
        desk.ended(buy("carry", LOT).in_future().product("NRML")).await;
        desk.pass_secs(3).await;
        trades(desk, "25690", "25690.05");
        desk.pass_secs(20).await;
        assert!(!desk.has_alarm("ALARM_RISK_BREACH"));
        sleep_until(desk, "2026-11-20T09:20:00+05:30").await;
        desk.market.set_close(&future(), price("25690"));
        trades(desk, "25682", "25682.05");
        desk.pass_secs(60).await;
        assert!(!desk.has_alarm("ALARM_RISK_BREACH"), "520 of today, and 1,173 since it was bought: {:?}", desk.texts("ALARM_RISK_BREACH"));
        assert_eq!(desk.ended(buy("other", 1)).await.status, Status::Executed);
        trades(desk, "25674", "25674.05");
        desk.until_alarm("ALARM_RISK_BREACH").await;
    });
}

/// The order book says that it filled, the trade book is silent until the day is over, and that of the next day is empty. A person is
/// asked and tells the trade; what had waited for it goes.
#[test]
fn a_trade_that_was_never_told_is_told_by_a_person_on_a_later_day() {
    scenario(thursday(), async |desk| {
        desk.always(CallKind::Trades, Fault::Unknown("502".into()));
        let bought = desk.order(buy("carry", LOT).in_future().product("NRML")).await;
        desk.until_status(bought, Status::Executed).await;
        desk.pass_secs(60).await;
        desk.heal();
        desk.always(CallKind::Trades, Fault::Empty);
        sleep_until(desk, "2026-11-20T09:20:00+05:30").await;
        desk.until_alarm("ALARM_TRADES_NOT_TOLD").await;
        let owes = desk.row(bought);
        assert_eq!((owes.traded_quantity, desk.held("carry", &future()), desk.net_at_broker(&future())), (0, 0, LOT));
        let out = desk.order(exit("carry", "").in_future()).await;
        desk.pass_secs(10).await;
        assert!(!desk.row(out).status.is_terminal(), "it waits for the trade: {}", desk.reason(out));

        // The page stands, whichever process hears the answer.
        desk.heal();
        desk.always(CallKind::Trades, Fault::Unknown("502".into()));
        desk.start_again();
        let fill = owes.untold(None).unwrap();
        let wrong = Fill { quantity: Quantity::new(LOT - 1).unwrap(), ..fill.clone() };
        assert!(!desk.engine.tell_trades(&client(), bought, wrong, "asha", "a part").await.unwrap().is_applied());
        assert!(desk.engine.tell_trades(&client(), bought, fill.clone(), "asha", "the contract note").await.unwrap().is_applied());
        assert!(!desk.engine.tell_trades(&client(), bought, fill, "asha", "again").await.unwrap().is_applied());
        assert_eq!((desk.row(bought).traded_quantity, desk.held("carry", &future())), (LOT, LOT));
        desk.heal();
        desk.always(CallKind::Trades, Fault::Empty);
        // Its exit owes its own trade until the trade book tells again.
        desk.until_status(out, Status::Executed).await;
        desk.heal();
        desk.until("what waited for it went", |desk| desk.held("carry", &future()) == 0).await;
        assert_eq!(desk.net_at_broker(&future()), 0);
        assert!(desk.texts("TRADES_TOLD")[0].contains("are told by asha: the contract note"));
        let its_day = trading_date(owes.sent_at.unwrap());
        assert_eq!(desk.store().trades_of(&client(), its_day).unwrap().iter().map(|trade| trade.fill.quantity.value()).sum::<i64>(), LOT);
    });
}

/// Bought on Monday; the contract ends on Tuesday, a holiday. On Wednesday its row is gone: it is settled and nobody is paged, the day before says that units
/// left, and the result of the new day is known, also after a restart.
#[test]
fn an_expired_contract_is_settled_without_a_page_and_the_next_day_is_known() {
    scenario(held_to_the_calendar(time("2026-11-23T14:00:00+05:30")), async |desk| {
        let expiry = trading_date(time("2026-11-24T14:00:00+05:30"));
        desk.ended(buy("carry", LOT).in_future().product("NRML")).await;
        desk.pass_secs(3).await;
        sleep_until(desk, "2026-11-24T23:58:00+05:30").await;
        desk.pass_secs(60).await;
        assert_eq!(desk.held("carry", &future()), LOT, "its day is not over\n{}", desk.trace());
        desk.always(CallKind::Positions, Fault::Empty);
        sleep_until(desk, "2026-11-25T08:50:00+05:30").await;
        desk.until("it is settled", |desk| desk.held("carry", &future()) == 0).await;
        let told = desk.texts("HOLDING_SETTLED");
        assert!(told.len() == 1 && told[0].contains("ended with its contract on 2026-11-24"), "{told:?}");
        assert!(!desk.has_alarm("ALARM_HOLDING_REDUCED") && !desk.has_alarm("ALARM_POSITION_NOT_SHOWN"), "{:?}", desk.alarms());
        let paged = desk.engine.read(&client(), |book| book.alarms().any(|alarm| alarm.level == Level::Page)).unwrap();
        assert!(!paged, "{}", desk.trace());
        let lines = |day: &Day| day.lines().map(|(_, _, line)| (line.carried.net, line.held.net, line.left)).collect::<Vec<_>>();
        let today = |desk: &Desk| desk.engine.read(&client(), |book| book.day(trading_date(desk.clock_now())).into_owned()).unwrap();
        assert_eq!(lines(&today(desk)), [(0, 0, 0)]);
        let its_day = Day::load(expiry, [], &desk.store().changes_of(&client(), expiry).unwrap());
        assert_eq!(lines(&its_day), [(LOT, 0, LOT)]);
        let before = today(desk);
        desk.start_again();
        desk.until_open().await;
        assert_eq!((today(desk), desk.held("carry", &future())), (before, 0));
        assert_eq!(its_day.curve_of(&Strategy::parse("carry").unwrap()).realised, ordergate_actors::order::Amount::ZERO);
    });
}
