//! What the broker's books say, and what may be concluded from them.

use std::sync::Arc;
use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan};
use ordergate_actors::order::{Amount, BookState, Exchange, InstrumentKey, Status, Tag};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::ports::{BookRow, Snapshot, Unlisted, Unreadable};
use ordergate_actors::testkit::book_row;

use crate::desk::{But, Desk, Setup, buy, entry, exit, nse, price, rupees, sbin, scenario};
use crate::witness::Rewritten;

fn strange(id: &str, tag: Option<&str>) -> BookRow {
    BookRow { tag: tag.map(Arc::from), instrument: nse("INFY-EQ"), quantity: 5, ..book_row(id) }
}

fn rewrite(desk: &Desk, change: impl Fn(Vec<Arc<BookRow>>) -> Snapshot<Arc<BookRow>> + Send + 'static) {
    *desk.broker.rewrite.lock() = Some(Rewritten(Box::new(change)));
}

/// A book that claims to be empty while the broker is known to have orders today proves nothing, whether those orders
/// still work or have ended.
#[test]
fn a_lying_empty_order_book_concludes_nothing() {
    for has_working in [true, false] {
        scenario(Setup::polled(), async |desk| {
            if has_working {
                let working = desk.order(entry("w", "RELIANCE-EQ", "BUY", 1).at("1390")).await;
                desk.until_at_broker(working).await;
            } else {
                desk.ended(entry("w", "RELIANCE-EQ", "BUY", 1)).await;
            }
            desk.pass_secs(2).await;
            desk.broker.broker.replan(FaultPlan::none().always(CallKind::Orders, Fault::Empty).always(CallKind::Trades, Fault::Empty));
            desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
            let doubted = desk.order(buy("a", 10)).await;
            desk.until_tag(doubted, Tag::SendUnconfirmed).await;
            desk.pass_secs(60).await;
            assert_eq!((desk.row(doubted).status, desk.row(doubted).tag), (Status::SentToBroker, Some(Tag::SendUnconfirmed)));
            assert_eq!(desk.row(desk.rows()[0].command_id).status.is_terminal(), !has_working);
            desk.until_alarm("ALARM_BOOK_INCOMPLETE").await;
            desk.heal();
            assert_eq!(desk.until_ended(doubted).await.status, Status::Executed);
            desk.at_rest().await;
        });
    }
}

/// The day's first order: nothing that the broker is known to have tells that order book and trade book lie. Its positions have what
/// it filled, and so it is not concluded to be absent.
#[test]
fn two_lying_books_conclude_nothing_of_a_first_order_that_the_positions_have() {
    scenario(Setup::polled(), async |desk| {
        desk.broker.broker.replan(FaultPlan::none().always(CallKind::Orders, Fault::Empty).always(CallKind::Trades, Fault::Empty));
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        let doubted = desk.order(buy("a", 10)).await;
        desk.until_tag(doubted, Tag::SendUnconfirmed).await;
        desk.pass_secs(60).await;
        assert_eq!((desk.row(doubted).tag, desk.net_at_broker(&sbin())), (Some(Tag::SendUnconfirmed), 10), "{}", desk.trace());
        desk.heal();
        assert_eq!(desk.until_ended(doubted).await.status, Status::Executed);
        // And an order that never came there is absent, beside what is held.
        desk.next(CallKind::Place, Fault::LoseRequest("reset".into()));
        let absent = desk.order(buy("b", 10)).await;
        assert_eq!(desk.until_ended(absent).await.tag, Some(Tag::NotAtBroker));
        desk.at_rest().await;
    });
}

/// A book that shows other orders and lacks one that the broker is known to have today proves no absence either.
#[test]
fn an_order_book_that_lacks_a_known_order_concludes_nothing() {
    scenario(Setup::polled(), async |desk| {
        let working = desk.order(entry("w", "RELIANCE-EQ", "BUY", 1).at("1390")).await;
        let lacked = desk.until_at_broker(working).await.broker_order_id.unwrap();
        let shown = desk.order(entry("v", "INFY-EQ", "BUY", 1).at("1490")).await;
        desk.until_at_broker(shown).await;
        desk.pass_secs(2).await;
        rewrite(desk, move |rows| {
            Snapshot::Authoritative(rows.into_iter().filter(|row| row.broker_order_id != lacked).collect(), Vec::new())
        });
        desk.next(CallKind::Place, Fault::LoseRequest("reset".into()));
        let doubted = desk.order(buy("a", 10)).await;
        desk.until_alarm("ALARM_BOOK_INCOMPLETE").await;
        // Less than it takes to name the order that is not shown.
        desk.pass_secs(20).await;
        assert_eq!((desk.row(doubted).status, desk.row(doubted).tag), (Status::SentToBroker, Some(Tag::SendUnconfirmed)));
        *desk.broker.rewrite.lock() = None;
        assert_eq!(desk.until_ended(doubted).await.tag, Some(Tag::NotAtBroker));
        desk.at_rest().await;
    });
}

#[test]
fn an_unreadable_row_is_quarantined_and_stops_nothing_else() {
    scenario(Setup::polled(), async |desk| {
        rewrite(desk, |rows| {
            let bad = Unreadable {
                raw: "{\"norenordno\":\"x\",\"qty\":\"ten\"}".into(),
                cause: "qty is no number".into(),
                is_foreign: false,
                unlisted: None,
                glimpse: Box::default(),
            };
            Snapshot::Authoritative(rows, vec![bad])
        });
        let row = desk.ended(buy("a", 10)).await;
        assert_eq!(row.status, Status::Executed, "the other rows count");
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed);
        desk.until_alarm("ALARM_UNREADABLE_ROW").await;
        desk.pass_secs(10).await;
        assert_eq!(desk.alarms().iter().filter(|alarm| *alarm == "ALARM_UNREADABLE_ROW").count(), 1, "said once");
        assert_eq!(desk.line().findings.read().unreadable.len(), 1);
        // But absence is not concluded while a row cannot be read: it might be the one.
        desk.next(CallKind::Place, Fault::LoseRequest("reset".into()));
        let doubted = desk.order(buy("a", 10)).await;
        desk.pass_secs(60).await;
        assert_eq!(desk.row(doubted).tag, Some(Tag::SendUnconfirmed));
        *desk.broker.rewrite.lock() = None;
        assert_eq!(desk.until_ended(doubted).await.tag, Some(Tag::NotAtBroker));
        desk.at_rest().await;
    });
}

#[test]
fn a_foreign_order_is_shown_and_untouched() {
    scenario(Setup::polled(), async |desk| {
        desk.broker.broker.show_foreign(strange("26112099999901", None));
        desk.broker.broker.show_foreign(strange("26112099999902", Some("from my phone")));
        desk.pass_secs(3).await;
        assert_eq!(desk.line().findings.read().foreign.len(), 2);
        desk.kill(KillLevel::SquareOff).await;
        desk.pass_secs(20).await;
        assert_eq!((desk.broker.started("cancel"), desk.placed(), desk.rows().len()), (0, 0, 0), "not even by a kill");
        desk.kill(KillLevel::None).await;
        assert_eq!(desk.ended(entry("a", "INFY-EQ", "BUY", 1)).await.status, Status::Executed);
    });
}

#[test]
fn a_tag_of_another_ordergate_stops_entries_and_pages() {
    // Another installation's; and our own with a number that this journal never wrote: a restored backup.
    for tag in ["OGZZZZ0000001", "OGSIM100000ZZ"] {
        scenario(Setup::polled(), async |desk| {
            desk.ended(buy("a", 10)).await;
            desk.pass_secs(2).await;
            desk.broker.broker.show_foreign(strange("26112099999901", Some(tag)));
            desk.until_alarm("ALARM_STRANGE_TAG").await;
            desk.pass_secs(2).await;
            let refused = desk.order(buy("b", 1)).await;
            assert_eq!(desk.row(refused).tag, Some(Tag::KillSwitch), "{tag}");
            assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed, "exits go");
            assert_eq!(desk.alarms().iter().filter(|alarm| *alarm == "ALARM_STRANGE_TAG").count(), 1);
            desk.start_again();
            desk.until_open().await;
            assert_eq!(desk.row(desk.order(buy("b", 1)).await).tag, Some(Tag::KillSwitch), "it is on disk");
        });
    }
}

/// An "Ok" with a number that no book shows: a person is asked, it is never ended by itself, and nothing else waits for it.
#[test]
fn a_number_that_no_book_shows_is_in_doubt_and_for_a_person() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(2).await;
        rewrite(desk, |rows| {
            let hidden = rows.into_iter().filter(|row| &*row.instrument.symbol != "RELIANCE-EQ");
            Snapshot::Authoritative(hidden.collect(), Vec::new())
        });
        let command = desk.order(entry("w", "RELIANCE-EQ", "BUY", 1).at("1390")).await;
        desk.until_tag(command, Tag::SendUnconfirmed).await;
        desk.until_alarm("ALARM_IN_DOUBT").await;
        assert!(desk.row(command).broker_order_id.is_some());
        desk.start_again();
        desk.until_open().await;
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed, "recovery and exits go on");
        desk.pass_secs(60).await;
        assert_eq!(desk.row(command).status, Status::SentToBroker, "never by itself");
        *desk.broker.rewrite.lock() = None;
        desk.until("the book shows it", |desk| desk.row(command).tag.is_none()).await;
    });
}

/// A row for what is not traded here cannot be ours: the book is whole without it.
#[test]
fn a_foreign_row_that_cannot_be_read_stops_nothing() {
    scenario(Setup::polled(), async |desk| {
        rewrite(desk, |rows| {
            let row = Unreadable {
                raw: "prd=H".into(),
                cause: "prd \"H\" is not a product".into(),
                is_foreign: true,
                unlisted: None,
                glimpse: Box::default(),
            };
            Snapshot::Authoritative(rows, vec![row])
        });
        desk.start_again();
        desk.until_open().await;
        assert_eq!(desk.line().findings.read().unreadable.len(), 1, "shown");
        assert!(desk.alarms().iter().all(|alarm| alarm != "ALARM_UNREADABLE_ROW"));
        desk.next(CallKind::Place, Fault::LoseRequest("reset".into()));
        let doubted = desk.order(buy("a", 10)).await;
        assert_eq!(desk.until_ended(doubted).await.tag, Some(Tag::NotAtBroker), "absence is proven");
    });
}

/// A row in lots of an instrument that no master has: of a stranger it stops nothing, and it is named; where something of ours is in
/// that instrument it may be the one.
#[test]
fn a_row_of_which_only_the_lot_is_missing_stops_what_is_in_its_instrument() {
    scenario(Setup::polled(), async |desk| {
        let told_of = |instrument: InstrumentKey| {
            move |rows| {
                let unlisted = Some(Unlisted { instrument: instrument.clone(), result: Amount::ZERO });
                let row = Unreadable {
                    raw: "GOLD".into(),
                    cause: "its lot is not known".into(),
                    is_foreign: false,
                    unlisted,
                    glimpse: Box::default(),
                };
                Snapshot::Authoritative(rows, vec![row])
            }
        };
        rewrite(desk, told_of(InstrumentKey::new(Exchange::Mcx, "GOLD05FEB27")));
        desk.until_alarm("ALARM_UNREADABLE_ROW").await;
        desk.next(CallKind::Place, Fault::LoseRequest("reset".into()));
        let doubted = desk.order(buy("a", 10)).await;
        assert_eq!(desk.until_ended(doubted).await.tag, Some(Tag::NotAtBroker), "absence is proven");
        rewrite(desk, told_of(sbin()));
        desk.next(CallKind::Place, Fault::LoseRequest("reset".into()));
        let doubted = desk.order(buy("a", 10)).await;
        desk.pass_secs(60).await;
        assert_eq!(desk.row(doubted).tag, Some(Tag::SendUnconfirmed), "it might be the one");
        *desk.broker.rewrite.lock() = None;
        assert_eq!(desk.until_ended(doubted).await.tag, Some(Tag::NotAtBroker));
    });
}

/// What the broker lost for the account in a contract that no master lists counts in the day's result as everything else does.
#[test]
fn a_loss_in_what_no_master_lists_ends_the_day() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        *desk.broker.rewrite_positions.lock() = Some(Rewritten(Box::new(|rows| {
            let instrument = InstrumentKey::new(Exchange::Mcx, "GOLD05FEB27");
            let unlisted = Some(Unlisted { instrument, result: rupees(-2_000_000) });
            let row = Unreadable {
                raw: "GOLD".into(),
                cause: "its lot is not known".into(),
                is_foreign: false,
                unlisted,
                glimpse: Box::default(),
            };
            Snapshot::Authoritative(rows, vec![row])
        })));
        desk.until_alarm("ALARM_RISK_BREACH").await;
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        desk.at_rest().await;
    });
}

/// The broker took one call twice: one row is ours, the other is named, and nothing is hidden.
#[test]
fn a_doubled_order_is_paged() {
    Desk::unopened(Setup::polled(), async |desk| {
        desk.until_open().await;
        desk.next(CallKind::Place, Fault::Duplicate);
        let command = desk.order(buy("a", 10).at("790")).await;
        desk.until_alarm("ALARM_DOUBLE_ORDER").await;
        assert_eq!(desk.row(command).broker_order_id.is_some() as usize, 1);
        assert_eq!(desk.line().findings.read().foreign.len(), 1);
        desk.pass_secs(1).await;
        assert_eq!(desk.row(desk.order(buy("b", 1)).await).tag, Some(Tag::KillSwitch), "somebody may send what we send");
        // A person has looked: neither the next book nor another alarm overrules him.
        desk.kill(KillLevel::None).await;
        let tag = desk.row(command).broker_tag;
        desk.broker.broker.show_foreign(BookRow { state: BookState::Rejected, ..strange("26112099999903", Some(tag.as_str())) });
        desk.until("another row is said", |desk| desk.texts("ALARM_DOUBLE_ORDER").len() == 2).await;
        desk.pass_secs(3).await;
        assert_eq!(desk.ended(entry("b", "RELIANCE-EQ", "BUY", 1)).await.status, Status::Executed);
    });
}

/// Reads that hang hold one slot, not the desk: orders go out meanwhile, and reading goes on.
#[test]
fn reads_that_hang_do_not_stop_orders_or_later_reads() {
    scenario(Setup::polled(), async |desk| {
        for kind in [CallKind::Orders, CallKind::Trades, CallKind::Positions] {
            desk.next(kind, Fault::Hang);
            desk.pass_secs(1).await;
        }
        let command = desk.order(buy("a", 10)).await;
        let row = desk.until_at_broker(command).await;
        assert!((row.updated_at - row.created_at).num_milliseconds() < 100, "no read is waited for");
        desk.pass_secs(40).await;
        assert_eq!(desk.row(command).status, Status::Executed);
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

/// The stream repeats, loses and delays; the poll is the truth; nothing counts twice.
#[test]
fn a_spoiled_stream_counts_nothing_twice() {
    use ordergate::brokers::faulty::StreamFaults;
    let stream = StreamFaults { drop_every: 3, repeat_every: 2, delay: Duration::from_millis(1_700) };
    scenario(Setup { stream, ..Setup::default() }, async |desk| {
        for strategy in ["a", "b", "c", "d"] {
            desk.ended(buy(strategy, 10)).await;
        }
        desk.ended(exit("a", "SBIN-EQ")).await;
        desk.pass_secs(5).await;
        assert_eq!((desk.net_at_broker(&sbin()), desk.held("a", &sbin()), desk.held("b", &sbin())), (30, 0, 10));
        desk.at_rest().await;
        // The price moves, the book does not: nothing is written for nothing.
        let rows = desk.trace().lines().count();
        desk.market.set(&sbin(), price("810"), price("810.05"), price("810"));
        desk.pass_secs(30).await;
        assert_eq!(desk.trace().lines().count(), rows);
    });
}
