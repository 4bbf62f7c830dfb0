//! Every table is what a replay of the journal makes, and a cell that is not is named.

mod props;

use std::collections::BTreeMap;
use std::sync::Arc;

use ordergate_actors::order::{
    Answered, BookState, BrokerOrderId, CallAnswer, ChangeCall, EndPrice, Exchange, Fill, Heard, HoldingKey, InstrumentKey, Intent,
    OrderFact, Price, Pricing, Product, Quantity, Resolution, Side, Strategy, Tag, Terms, trading_date,
};
use ordergate_actors::persistence::{
    Adopted, Book, ControlChange, Keep, KeepOver, KillLevel, Level, Registration, Slot, Telling, Topic, Unit, replay,
};
use ordergate_actors::pnl::Day;
use proptest::prelude::{Just, any, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

use crate::store::fixtures::desk::{Desk, fact, page, sends, shows, terms, trade};
use crate::store::fixtures::{client, command, now};
use crate::store::{Difference, ReadStore, SqliteStore, VerifyFrom};

fn differences(store: &SqliteStore, from: VerifyFrom) -> Vec<Difference> {
    let reports = store.verify(from).unwrap();
    assert!(reports.iter().all(|report| report.first_broken.is_none()), "{reports:?}");
    reports.into_iter().flat_map(|report| report.differences).collect()
}

/// The day as the journal alone makes it.
fn replayed(store: &SqliteStore, date: chrono::NaiveDate) -> Day {
    let rows: Vec<_> = crate::store::JournalRows::new(store.connection(), "PAPER1", 0, u64::MAX).collect::<Result<_, _>>().unwrap();
    let made = replay(&rows).unwrap();
    Day::load(date, made.holdings.iter().map(|((strategy, key), (held, _))| (strategy, key, held)), &made.day(date))
}

fn accepted(number: &str) -> OrderFact {
    OrderFact::Accepted { broker_order_id: BrokerOrderId::parse(number).unwrap() }
}

fn held() -> HoldingKey {
    HoldingKey { instrument: InstrumentKey::new(Exchange::Nse, "RELIANCE-EQ"), product: Product::Mis }
}

fn adopts(desk: &Desk, side: Side, units: i64, price: &str) -> Unit {
    let trend = Strategy::parse("trend").unwrap();
    let net_before = desk.view.read(&client(), |book| book.held(&trend, &held()).net).unwrap();
    Unit::Adopt(Adopted {
        client_id: client(),
        strategy: trend,
        key: held(),
        side,
        quantity: Quantity::new(units).unwrap(),
        price: Price::parse(price).unwrap(),
        net_before,
        who: Arc::from("asha"),
        reason: Arc::from("bought by hand"),
    })
}

/// A strategy takes a future over, and the future has expired on that day.
fn expires(expiry: chrono::NaiveDate) -> (Unit, Unit) {
    let strategy = Strategy::parse("carry").unwrap();
    let key = HoldingKey { instrument: InstrumentKey::new(Exchange::Nfo, "NIFTY24NOV26F"), product: Product::Nrml };
    let adopted = Adopted {
        client_id: client(),
        strategy: strategy.clone(),
        key: key.clone(),
        side: Side::Sell,
        quantity: Quantity::new(65).unwrap(),
        price: Price::parse("25700").unwrap(),
        net_before: 0,
        who: Arc::from("asha"),
        reason: Arc::from("sold by hand"),
    };
    (Unit::Adopt(adopted), Unit::Settle { client_id: client(), strategy, key, expiry, reason: Arc::from("its contract has ended") })
}

/// A person tells the price at which what left by that row left.
fn tells(row: u64, price: &str) -> Unit {
    Unit::Tell(Telling {
        client_id: client(),
        row,
        price: EndPrice::parse(price).unwrap(),
        who: Arc::from("asha"),
        reason: Arc::from("the contract note says so"),
    })
}

/// The journal row by which something left last without a price, on that day or any.
fn left_last(desk: &Desk, on: Option<chrono::NaiveDate>) -> Option<u64> {
    let store = desk.store();
    let sql = "SELECT MAX(seq) FROM corrections WHERE kind IN ('LEFT', 'SETTLED') AND (?1 IS NULL OR trading_date = ?1)";
    let seq: Option<i64> = store.connection().query_row(sql, [on.map(|day| day.to_string())], |row| row.get(0)).unwrap();
    seq.map(i64::unsigned_abs)
}

fn keep(key: &str, value: Option<&str>, basis: Option<u64>) -> Unit {
    Unit::Keep(Keep {
        client_id: Some(client()),
        slot: Slot::new(Topic::ExitRule, key),
        value: value.map(Arc::from),
        basis,
        event: "EXIT_RULE_SET",
        level: Level::Info,
        reason: Arc::from("set by hand"),
        who: Arc::from("asha"),
        command_id: None,
    })
}

/// Every way into every table.
fn a_day() -> Desk {
    let mut desk = Desk::new();
    let basket = desk.signal(&[1, 2], |_| ());
    desk.round(vec![
        basket,
        sends(1, Side::Buy, 11),
        fact(2, OrderFact::Refused { tag: Tag::NoPosition, reason: "flat".into(), gates: Vec::new() }),
    ]);
    desk.round(vec![fact(1, accepted("B1")), fact(1, OrderFact::Fill(trade("T1", "B1", 4, "1402.50")))]);
    desk.round(vec![fact(1, OrderFact::Fill(trade("T2", "B1", 6, "1400"))), fact(1, shows("B1", BookState::Complete, 10))]);
    let exit = desk.signal(&[3], |ask| ask.intent = Some(Intent::Exit));
    desk.round(vec![exit, sends(3, Side::Sell, 7), fact(3, OrderFact::Unconfirmed { cause: "no answer".into() })]);
    desk.round(vec![page(Some(3), "in doubt"), page(None, "look"), page(Some(3), "still in doubt")]);
    let resolved = OrderFact::Resolved { verdict: Resolution::AtBroker(BrokerOrderId::parse("B3").unwrap()), reason: "asha saw it".into() };
    desk.round(vec![fact(3, resolved), fact(3, OrderFact::Fill(trade("T3", "B3", 7, "1410.05")))]);
    desk.round(vec![fact(
        3,
        OrderFact::CallReplied {
            call: ChangeCall::Modify,
            answer: CallAnswer::read("late"),
            change: Some(Answered { terms: terms(Side::Sell, 7), heard: Heard::Taken }),
        },
    )]);
    let stop = ControlChange::Account(KillLevel::StopEntries);
    desk.round(vec![
        Unit::Control { client_id: client(), change: stop, who: Arc::from("asha"), reason: Arc::from("lunch") },
        Unit::Reduce {
            client_id: client(),
            strategy: Strategy::parse("trend").unwrap(),
            key: held(),
            units: 1,
            price: None,
            earlier: None,
            reason: Arc::from("sold by hand"),
        },
        Unit::Reduce {
            client_id: client(),
            strategy: Strategy::parse("trend").unwrap(),
            key: held(),
            units: 1,
            price: Price::parse("1399.55").ok(),
            earlier: None,
            reason: Arc::from("sold by hand, and the broker told the price"),
        },
    ]);
    let adopted = adopts(&desk, Side::Buy, 3, "1405");
    desk.round(vec![adopted]);
    let (carried, settles) = expires(trading_date(desk.at()) - chrono::Days::new(1));
    desk.round(vec![carried]);
    desk.round(vec![settles]);
    let of_settled = tells(left_last(&desk, None).unwrap(), "25650.05");
    desk.round(vec![of_settled]);
    let early = Fill { at: now() - chrono::Duration::days(1), ..trade("T0", "B1", 1, "1401") };
    desk.round(vec![fact(1, OrderFact::Fill(early))]);
    desk.round(vec![
        keep("a", Some(r#"{"stop": "1390.50"}"#), None),
        keep("b", Some("[1]"), Some(0)),
        keep("a", Some(r#"{"stop": "1395.00"}"#), None),
    ]);
    desk.round(vec![keep("b", None, None), keep("c", Some("true"), None)]);
    let late = desk.signal(&[4], |_| ());
    desk.round(vec![late, sends(4, Side::Buy, 10), fact(4, OrderFact::Unconfirmed { cause: "no answer".into() })]);
    desk.round(vec![fact(4, OrderFact::Absent { evidence: "3 books".into() }), fact(4, shows("B4", BookState::Open, 0))]);
    desk.round(vec![
        fact(4, OrderFact::CancelWanted { tag: Tag::KillSwitch, reason: "kill".into() }),
        fact(4, shows("B4", BookState::Cancelled, 3)),
    ]);
    desk
}

#[test]
fn every_table_is_what_the_journal_makes() {
    let desk = a_day();
    let store = desk.store();
    for from in [VerifyFrom::Full, VerifyFrom::LastAnchor, VerifyFrom::Start] {
        assert_eq!(differences(&store, from), []);
    }
    for table in ["signals", "orders", "fills", "corrections", "holdings", "control", "alarms", "states"] {
        let rows: i64 = store.connection().query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert!(rows > 0, "{table} is empty, so nothing was compared");
    }
}

/// Each column of each table, in each of its rows that has one.
#[test]
fn a_changed_cell_of_any_table_is_named() {
    let store = a_day().store();
    let db = store.connection();
    db.execute_batch("PRAGMA foreign_keys = 0").unwrap();
    let mut cells = 0;
    for table in ["signals", "orders", "fills", "corrections", "holdings", "control", "alarms", "states"] {
        let columns: Vec<(String, String)> = db
            .prepare("SELECT name, type FROM pragma_table_info(?1)")
            .unwrap()
            .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for (column, kind) in columns.into_iter().filter(|(column, _)| (table, column.as_str()) != ("orders", "id")) {
            let changed = match kind.as_str() {
                "INTEGER" => format!("COALESCE({column}, 0) + 1000"),
                "BLOB" => "zeroblob(32)".to_owned(),
                _ => format!("COALESCE({column}, '') || '7'"),
            };
            let row = if table == "orders" { "WHERE number = 1" } else { "" };
            db.execute_batch(&format!("SAVEPOINT tamper; UPDATE {table} SET {column} = {changed} {row}")).unwrap();
            let reports = store.verify(VerifyFrom::Full).unwrap();
            // With a later number, which is an id of an alarm, it was made of a row that the chain lacks.
            let is_of_no_row = matches!(column.as_str(), "seq" | "id") && reports.iter().any(|report| report.first_broken.is_some());
            let found: Vec<Difference> = reports.into_iter().flat_map(|report| report.differences).collect();
            // A changed key is another row: one too many here, one too few there.
            let is_named = found.iter().any(|found| found.table == table && (found.column == column || found.column.is_empty()));
            // What is filed under another account is missing under its own.
            assert!(is_named || is_of_no_row, "{table}.{column} went unnoticed: {found:?}");
            db.execute_batch("ROLLBACK TO tamper; RELEASE tamper").unwrap();
            cells += 1;
        }
    }
    assert!(cells > 75, "only {cells} columns were tried");
    assert_eq!(differences(&store, VerifyFrom::Full), []);
}

fn rows_of(desk: &Desk) -> i64 {
    desk.store().connection().query_row("SELECT COUNT(*) FROM journal", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_state_is_read_again_and_one_that_was_decided_upon_another_is_not_written() {
    let desk = a_day();
    let kept = |desk: &Desk| -> Vec<(String, String, u64)> {
        let states = |book: &Book| -> Vec<_> {
            book.kept_of(Topic::ExitRule).map(|(slot, kept)| (slot.key.to_string(), kept.value.to_string(), kept.seq)).collect()
        };
        desk.view.read(&client(), states).unwrap()
    };
    let before = kept(&desk);
    assert_eq!(
        before.iter().map(|(key, value, _)| (key.as_str(), value.as_str())).collect::<Vec<_>>(),
        [("a", r#"{"stop": "1395.00"}"#), ("c", "true")]
    );
    let mut desk = Desk::on(desk.close());
    assert_eq!(kept(&desk), before, "a restart has the same states");
    let (basis, rows) = (before[0].2, rows_of(&desk));
    desk.round(vec![keep("a", Some("1"), Some(basis - 1)), keep("c", Some("2"), Some(0)), keep("gone", None, None)]);
    assert_eq!((kept(&desk), rows_of(&desk)), (before, rows), "what was decided upon another state leaves no row");
    desk.round(vec![keep("a", Some("1"), Some(basis)), keep("a", Some("2"), Some(basis))]);
    assert_eq!(kept(&desk)[0].1, "1", "the second of one round saw an older one");
}

#[test]
fn a_freeze_keeps_its_own_words_through_a_restart_a_replay_and_a_verification() {
    let mut desk = Desk::new();
    let control =
        |change, who: &str, reason: &str| Unit::Control { client_id: client(), change, who: Arc::from(who), reason: Arc::from(reason) };
    desk.round(vec![control(ControlChange::Freeze(true), "ben", "exits come twice")]);
    desk.round(vec![control(ControlChange::Account(KillLevel::StopEntries), "asha", "news")]);
    let held = |desk: &Desk| desk.view.read(&client(), |book| book.control().clone()).unwrap();
    let before = held(&desk);
    let freeze = before.freeze.clone().unwrap();
    assert_eq!((freeze.who.as_str(), freeze.reason.as_str()), ("ben", "exits come twice"));
    assert_eq!((before.who.as_str(), before.reason.as_str(), before.at > Some(freeze.since)), ("asha", "news", true));
    let desk = Desk::on(desk.crash());
    assert_eq!(held(&desk), before);

    let store = desk.store();
    let rows: Vec<_> = crate::store::JournalRows::new(store.connection(), "PAPER1", 0, u64::MAX).map(Result::unwrap).collect();
    let mut replay = ordergate_actors::persistence::Replay::default();
    let redone: Vec<_> = rows.iter().map(|row| replay.redo(row).unwrap()).collect();
    assert_eq!(redone, rows.iter().cloned().map(Some).collect::<Vec<_>>(), "byte for byte");
    assert_eq!(differences(&store, VerifyFrom::Full), []);
    store.connection().execute_batch("UPDATE control SET value = replace(value, 'ben', 'eve')").unwrap();
    let found = differences(&store, VerifyFrom::Full);
    assert!(found.len() == 1 && found[0].in_table.contains("eve") && found[0].in_journal.contains("ben"), "{found:?}");
}

#[test]
fn a_row_too_many_and_a_row_too_few_are_named() {
    for (change, table, in_table) in [
        ("DELETE FROM fills WHERE trade_id = 'T2'", "fills", "nothing"),
        ("DELETE FROM alarms", "alarms", "nothing"),
        ("DELETE FROM control", "control", "nothing"),
        (
            "INSERT INTO holdings SELECT client_id, 'another', exchange, symbol, product, net, cost, realised, opened_at, updated_at FROM holdings",
            "holdings",
            "a row",
        ),
    ] {
        let store = a_day().store();
        store.connection().execute_batch(change).unwrap();
        let found = differences(&store, VerifyFrom::Full);
        assert!(found.iter().any(|found| found.table == table && found.in_table == in_table), "{change}: {found:?}");
    }
}

#[test]
fn the_orders_touched_since_the_last_anchor_are_made_anew_at_a_start() {
    let desk = a_day();
    let disk = desk.close();
    let mut desk = Desk::on(disk);
    desk.round(vec![fact(1, OrderFact::CallReplied { call: ChangeCall::Cancel, answer: CallAnswer::read("too late"), change: None })]);
    let store = desk.store();
    assert_eq!(differences(&store, VerifyFrom::LastAnchor), []);
    store.connection().execute_batch("UPDATE orders SET traded_value = '1' WHERE number = 1").unwrap();
    let found = differences(&store, VerifyFrom::LastAnchor);
    assert_eq!(found.iter().map(|found| (found.table, found.column.as_str())).collect::<Vec<_>>(), [("orders", "traded_value")]);
}

#[test]
fn a_journal_that_breaks_its_own_rules_is_named() {
    let store = a_day().store();
    let wrong = "UPDATE journal SET to_status = 'EXECUTED' WHERE event = 'BROKER_CONFIRMED'";
    store.connection().execute_batch(wrong).unwrap();
    let mut replay = ordergate_actors::persistence::Replay::default();
    let misfit = crate::store::JournalRows::new(store.connection(), "PAPER1", 0, u64::MAX).find_map(|row| replay.step(&row.unwrap()).err());
    assert!(misfit.unwrap().to_string().contains("BROKER_CONFIRMED"));
}

/// Raised, given way to 250 others, raised again under a new name and acknowledged: each alarm is about an order.
#[test]
fn alarms_that_gave_way_to_newer_ones_break_no_start() {
    let mut desk = Desk::new();
    let numbers: Vec<u64> = (1..=250).collect();
    for number in &numbers {
        let signal = desk.signal(&[*number], |_| ());
        desk.round(vec![signal, sends(*number, Side::Buy, 10), page(Some(*number), "in doubt")]);
    }
    desk.round(numbers.iter().map(|number| page(Some(*number), "still in doubt")).collect());
    let open: Vec<u64> = {
        let store = desk.store();
        let mut ids = store.connection().prepare("SELECT id FROM alarms ORDER BY id").unwrap();
        ids.query_map([], |row| row.get::<_, i64>(0)).unwrap().map(|id| id.unwrap().unsigned_abs()).collect()
    };
    assert_eq!(open.len(), 200);
    let seen = |alarm: u64| Unit::Acknowledge { client_id: Some(client()), alarm, who: Arc::from("asha"), reason: Arc::from("seen") };
    desk.round(open.into_iter().map(seen).collect());
    let store = desk.store();
    for from in [VerifyFrom::LastAnchor, VerifyFrom::Full] {
        assert_eq!(differences(&store, from), [], "{from:?}");
    }
}

/// A rule that fired and its exit are one step: a crash between them cannot be, and what is refused leaves nothing.
#[test]
fn that_a_rule_has_fired_is_on_disk_with_its_exit_or_not_at_all() {
    let mut desk = Desk::new();
    let with = |unit: Unit, key: &str| match (unit, keep(key, Some("{}"), None)) {
        (Unit::Register(registration), Unit::Keep(fired)) => {
            Unit::Register(Box::new(Registration { fired: Some(KeepOver { keep: fired, heeding: |_, _| None }), ..*registration }))
        }
        (other, _) => other,
    };
    let first = with(desk.signal(&[1], |_| ()), "first");
    // The same name again: it collides.
    let second = with(desk.signal(&[1], |_| ()), "second");
    desk.round(vec![first]);
    desk.round(vec![second]);
    let is_kept = |desk: &Desk, key: &str| desk.view.read(&client(), |book| book.kept(&Slot::new(Topic::ExitRule, key)).is_some()).unwrap();
    assert_eq!((is_kept(&desk, "first"), is_kept(&desk, "second")), (true, false));
    assert_eq!(differences(&desk.store(), VerifyFrom::Full), []);
    let desk = desk.restarted();
    assert_eq!((is_kept(&desk, "first"), is_kept(&desk, "second")), (true, false));
    assert!(desk.view.read(&client(), |book| book.order(command(1)).is_some()).unwrap());
}

/// Nothing is settled on the contract's own day. The day after it has left on its own day, and a restart knows the same.
#[test]
fn what_expired_left_on_its_own_day_and_the_next_is_known() {
    let mut desk = Desk::new();
    let expiry = trading_date(desk.at());
    let (adopts, too_early) = expires(expiry);
    desk.round(vec![adopts]);
    let rows = rows_of(&desk);
    desk.round(vec![too_early]);
    assert_eq!(rows_of(&desk), rows, "its day is not over");
    desk.sleep_a_day();
    desk.round(vec![expires(expiry).1, expires(expiry).1]);
    assert_eq!(rows_of(&desk), rows + 1, "it is settled once");
    let today = trading_date(desk.at());
    let before = desk.day();
    assert_eq!(
        (before.date(), before.lines().map(|(.., line)| (line.carried.net, line.held.net, line.left)).collect::<Vec<_>>()),
        (today, vec![(0, 0, 0)])
    );
    assert_eq!(before, replayed(&desk.store(), today));
    let desk = desk.restarted();
    assert_eq!(desk.day(), before);
    assert!(desk.view.read(&client(), |book| book.holdings().next().is_none()).unwrap());
    assert_eq!(differences(&desk.store(), VerifyFrom::Full), []);
    let read = ReadStore::simulated(&desk.disk).unwrap();
    let its_day = Day::load(expiry, [], &read.changes_of(&client(), expiry).unwrap());
    assert_eq!(its_day.lines().map(|(.., line)| (line.held.net, line.left)).collect::<Vec<_>>(), [(0, 65)]);
}

/// A broker whose books number a trade otherwise than its stream did tells it twice: no order fills more than it is for.
#[test]
fn trades_beyond_what_an_order_is_for_are_not_recorded() {
    let mut desk = Desk::new();
    let first = desk.signal(&[1], |_| ());
    let traded = |id: &str| fact(1, OrderFact::Fill(trade(id, "B1", 5, "1400")));
    desk.round(vec![first, sends(1, Side::Buy, 10), traded("X1")]);
    desk.round(vec![traded("Y1"), traded("Y2")]);
    let bought: Vec<i64> = desk.day().lines().map(|(.., line)| line.bought.quantity).collect();
    assert_eq!(bought, [10]);
    // Somebody has made it larger at the broker.
    desk.round(vec![fact(1, shows("B1", BookState::Complete, 15)), traded("Y2")]);
    assert_eq!(desk.day().lines().map(|(.., line)| line.bought.quantity).collect::<Vec<_>>(), [15]);
    assert_eq!(differences(&desk.store(), VerifyFrom::Full), []);
}

/// The exit of a position fills while the machine sleeps, and is told on the next day: its profit is in the row of its own day, once.
#[test]
fn the_money_of_a_trade_that_was_told_late_is_in_its_own_day() {
    let mut desk = Desk::new();
    let first = desk.signal(&[1], |_| ());
    desk.round(vec![first, sends(1, Side::Buy, 10), fact(1, OrderFact::Fill(trade("T1", "B1", 10, "1400")))]);
    let out = desk.signal(&[2], |ask| ask.intent = Some(Intent::Exit));
    desk.round(vec![out, sends(2, Side::Sell, 10), fact(2, accepted("B2"))]);
    let its_day = trading_date(desk.at());
    desk.sleep_a_day();
    desk.round(vec![fact(2, OrderFact::Fill(trade("T2", "B2", 10, "1412.50")))]);
    let live = desk.day();
    assert_eq!((live.date() > its_day, live.curve().realised.0), (true, 0.into()), "the limits of the new day do not count it");

    let read = ReadStore::simulated(&desk.disk).unwrap();
    let rows = |date| {
        let day = Day::load(date, [], &read.changes_of(&client(), date).unwrap());
        let row = |line: &ordergate_actors::pnl::Line| {
            (line.carried.net, line.bought.quantity, line.sold.quantity, line.held.net, line.curve.realised.0.normalize().to_string())
        };
        (day.lines().map(|(.., line)| row(line)).collect::<Vec<_>>(), day.statistics(None).trips.wins)
    };
    assert_eq!(rows(its_day), (vec![(0, 10, 10, 0, "125".to_owned())], 1));
    assert_eq!(rows(live.date()), (vec![(0, 0, 0, 0, "0".to_owned())], 0));
    assert_eq!(read.trades_of(&client(), its_day).unwrap().len(), 2, "as the file of trades has it");
}

/// The journal alone tells which alarms are open: a page stands, however many warnings come after it.
#[test]
fn a_page_stands_while_warnings_give_way() {
    let mut desk = Desk::new();
    desk.round(vec![page(None, "look now")]);
    let warning = |number: usize| {
        let Unit::Note(note) = page(None, &format!("look today {number}")) else { panic!("a page is a note") };
        Unit::Note(ordergate_actors::persistence::Note { level: Level::Warn, ..note })
    };
    desk.round((0..250).map(warning).collect());
    let open = |desk: &Desk| -> Vec<(u64, Level)> {
        desk.view.read(&client(), |book| book.alarms().map(|alarm| (alarm.seq, alarm.level)).collect()).unwrap()
    };
    let before = open(&desk);
    assert_eq!((before.len(), before[0].1, before[1].1), (200, Level::Page, Level::Warn));
    let desk = desk.restarted();
    assert_eq!(open(&desk), before);
    for from in [VerifyFrom::Full, VerifyFrom::LastAnchor] {
        assert_eq!(differences(&desk.store(), from), []);
    }
}
