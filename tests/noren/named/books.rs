//! Books that lie or are gone.

use std::sync::Arc;

use ordergate::simulator::noren_server::{Fault, FaultRule, ForeignOrder, Symptom};
use ordergate_actors::order::{Exchange, InstrumentKey, LegDraft, Status, Tag};
use ordergate_actors::ports::Quotes as _;

use super::{never_failed, rests};
use crate::house::{House, Plan, client, entry, leg, pass, resting_entry, secs};
use crate::menu::always;
use crate::parts::of;

#[tokio::test]
async fn an_order_book_that_says_it_is_empty_ends_nothing() {
    let house = House::open().await;
    let command = house.submit(resting_entry()).await;
    house.until_order("it has a number", command, |order| order.broker_order_id.is_some()).await;
    pass(secs(3)).await;
    house.fault(FaultRule::always("OrderBook", Fault::LyingEmpty));
    house.until_alarm("ALARM_BOOK_INCOMPLETE").await;
    pass(secs(60)).await;
    // A person was paged and may say what became of it: it is in doubt until the book has it again.
    let row = house.order(command);
    assert_eq!((row.status, row.tag), (Status::SentToBroker, Some(Tag::SendUnconfirmed)));
    house.heal().await;
    house.until_order("it is in no doubt any more", command, |order| order.tag.is_none()).await;
    house.price("SBIN-EQ", "848.00", "848.10");
    house.until_order("it fills", command, |order| order.status == Status::Executed).await;
    never_failed(&house, command).await;
    rests(&house).await;
}

#[tokio::test]
async fn an_order_book_without_the_order_of_a_trade_proves_no_absence() {
    let house = House::open().await;
    house.fault(FaultRule::always("OrderBook", Fault::LyingEmpty));
    house.fault(FaultRule::always("om", Fault::StreamLost));
    house.fault(FaultRule::next("PlaceOrder", Fault::Accept { then: Symptom::Drop }));
    let command = house.submit(entry()).await;
    house.until_order("it is in doubt", command, |order| order.tag == Some(Tag::SendUnconfirmed)).await;
    pass(secs(90)).await;
    assert_eq!(house.order(command).tag, Some(Tag::SendUnconfirmed), "{}", house.told());
    house.heal().await;
    house.until_order("it is found", command, |order| order.status == Status::Executed).await;
    never_failed(&house, command).await;
    rests(&house).await;
}

#[tokio::test]
async fn an_order_book_without_the_order_of_anybodys_trade_proves_no_absence() {
    let house = House::open().await;
    let fields = serde_json::json!({"exch":"NSE","tsym":"INFY-EQ","qty":"3","prc":"0","prd":"I","trantype":"B","prctyp":"MKT"});
    house.sim().foreign_order(&ForeignOrder { fields: fields.as_object().unwrap().clone() }).unwrap();
    house.fault(FaultRule::always("OrderBook", Fault::LyingEmpty));
    house.fault(FaultRule::next("PlaceOrder", Fault::Refuse { then: Symptom::Drop }));
    let command = house.submit(entry()).await;
    house.until_order("it is in doubt", command, |order| order.tag == Some(Tag::SendUnconfirmed)).await;
    pass(secs(90)).await;
    assert_eq!(house.order(command).tag, Some(Tag::SendUnconfirmed), "{}", house.told());
    house.heal().await;
    house.until_order("it is proven absent", command, |order| order.tag == Some(Tag::NotAtBroker)).await;
    rests(&house).await;
}

#[tokio::test]
async fn orders_fill_while_the_order_book_is_down_for_a_minute() {
    // Over the stream, and without it.
    for is_heard in [true, false] {
        let house = House::open().await;
        let mut commands = Vec::new();
        for strategy in ["a", "b", "c"] {
            commands.push(house.submit(of(strategy, resting_entry())).await);
        }
        for command in &commands {
            house.until_order("it has a number", *command, |order| order.broker_order_id.is_some()).await;
        }
        pass(secs(3)).await;
        house.fault(FaultRule::always("OrderBook", Fault::Refuse { then: Symptom::BadGateway }));
        if !is_heard {
            house.fault(FaultRule::always("om", Fault::StreamLost));
        }
        house.price("SBIN-EQ", "848.00", "848.10");
        if is_heard {
            for command in &commands {
                house.until_order("the stream tells it", *command, |order| order.status == Status::Executed).await;
            }
        }
        pass(secs(60)).await;
        assert!(commands.iter().all(|command| house.order(*command).tag.is_none()), "{}", house.told());
        house.heal().await;
        for command in commands {
            house.until_order("it is executed", command, |order| order.status == Status::Executed).await;
            never_failed(&house, command).await;
        }
        rests(&house).await;
    }
}

#[tokio::test]
async fn a_session_that_expires_in_the_middle_of_a_burst() {
    for status in [200, 401, 403] {
        let house = House::open().await;
        house.fault(FaultRule::nth("PlaceOrder", 3, Fault::SessionExpired { status, kill: true }));
        let mut legs = Vec::new();
        for strategy in ["a", "b", "c", "d", "e", "f", "g"] {
            legs.push(house.submit(of(strategy, entry())).await);
        }
        rests(&house).await;
        let mut executed = 0;
        for command in legs {
            let row = house.order(command);
            executed += i32::from(row.status == Status::Executed);
            let is_told = matches!(row.tag, None | Some(Tag::BrokerNotLoggedIn | Tag::BrokerRejected | Tag::NotSent));
            assert!(row.status.is_terminal() && is_told, "{status}: {row:?}");
        }
        assert!(executed >= 2, "those before it went out");
        house.heal().await;
        // By itself: no person had to log in.
        let after = house.submit(of("z", leg("ENTRY", "BUY", 1, "850.50"))).await;
        house.until_order("the next one fills", after, |order| order.status == Status::Executed).await;
        rests(&house).await;
    }
}

#[tokio::test]
async fn positions_that_say_they_are_empty_take_no_holding_away() {
    let house = House::with(Plan { account: Arc::new(|account| account.waits.books_poll = secs(2)), ..Plan::default() }).await;
    let command = house.submit(entry()).await;
    house.until_order("it fills", command, |order| order.status == Status::Executed).await;
    rests(&house).await;
    always(&["PositionBook"], &Fault::LyingEmpty).into_iter().for_each(|rule| house.fault(rule));
    house.until_alarm("ALARM_BOOK_INCOMPLETE").await;
    assert_eq!(house.held("SBIN-EQ"), 10);
    house.heal().await;
    let out = house.submit(crate::house::exit()).await;
    house.until_order("it closes", out, |order| order.status == Status::Executed).await;
    rests(&house).await;
}

#[tokio::test]
async fn a_quote_without_a_book_prices_no_entry_and_still_lets_an_exit_out() {
    let house = House::open().await;
    let held = house.submit(entry()).await;
    house.until_order("it fills", held, |order| order.status == Status::Executed).await;
    rests(&house).await;
    let market = |leg: LegDraft| LegDraft { order_type: Some("MARKET".into()), price: None, ..leg };
    always(&["feed", "GetQuotes"], &Fault::ZeroBook).into_iter().for_each(|rule| house.fault(rule));
    // The feed tells of a change, and the change is that nobody buys or sells any more.
    house.price("SBIN-EQ", "850.00", "850.15");
    let key = InstrumentKey::new(Exchange::Nse, "SBIN-EQ");
    let board = house.broker().board();
    house.until("the book is gone", || board.quote(&key).is_none_or(|quote| quote.bid.is_none() && quote.ask.is_none())).await;
    let refused = house.submit(of("b", market(entry()))).await;
    let row = house.until_order("it is refused", refused, |order| order.status.is_terminal()).await;
    assert_eq!((row.status, house.accepted(refused)), (Status::Failed, 0), "{row:?}");
    assert!(row.reason.as_deref().is_some_and(|reason| reason.contains("two-sided")), "{:?}", row.reason);
    // The last price will do.
    let out = house.submit(market(crate::house::exit())).await;
    house.until_order("it closes", out, |order| order.status == Status::Executed).await;
    // The order book may tell of the end before the trade book tells of the trade.
    house.until("it is flat", || (house.held("SBIN-EQ"), house.sim().net("NSE", "SBIN-EQ")) == (0, 0)).await;
    house.heal().await;
    rests(&house).await;
}

/// A carried contract before its first trade of the day has a book, and no price in it yet.
#[tokio::test]
async fn a_quote_without_a_last_price_lets_an_exit_out_at_its_touch() {
    let house = House::open().await;
    always(&["feed", "GetQuotes"], &Fault::NoLast).into_iter().for_each(|rule| house.fault(rule));
    let held = house.submit(entry()).await;
    house.until_order("it fills", held, |order| order.status == Status::Executed).await;
    rests(&house).await;
    let out = LegDraft { order_type: Some("MARKET".into()), price: None, ..crate::house::exit() };
    let out = house.submit(out).await;
    let row = house.until_order("it ends", out, |order| order.status.is_terminal()).await;
    assert_eq!((row.status, house.accepted(out)), (Status::Executed, 1), "{row:?}");
    house.heal().await;
    rests(&house).await;
}

/// The morning after a sale the shares may still be listed; nobody holds them any more.
#[tokio::test]
async fn shares_that_were_sold_yesterday_are_not_there_today() {
    let mut house = House::open().await;
    let key = InstrumentKey::new(Exchange::Nse, "SBIN-EQ");
    let held = |house: &House| {
        let desk = house.engine().desk(&client()).unwrap();
        let findings = desk.findings.read();
        findings.holdings.as_ref().map(|delivered| (delivered.rows.len(), delivered.quantity(&key)))
    };
    house.until("they are read", || held(&house) == Some((0, 0))).await;
    house.kill();
    house.fault(FaultRule::always("Holdings", Fault::Unsettled { tsym: "SBIN-EQ".into(), quantity: 10 }));
    house.start();
    house.until_open().await;
    house.until("they are read", || held(&house).is_some()).await;
    assert_eq!(held(&house), Some((1, 0)));
    rests(&house).await;
}
