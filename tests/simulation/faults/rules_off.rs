//! A rule that has fired, and a person who wants the position kept: what is on its way is the last of it.

use std::sync::Arc;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::simulator::market::Level as Depth;
use ordergate_actors::exits::{Cause, ExitRule, Fired};
use ordergate_actors::order::{OrderRecord, SignalId, Status, Tag};
use ordergate_actors::persistence::{Keep, KeepOver, Level, Unit};

use super::exit_rules::{fired, guarded, rule, scenario, thin, trade, until_flat};
use crate::desk::{But, Desk, Setup, exit, price, sbin};
use crate::world::client;

/// As `DELETE /dashboard/exit-rules` does.
async fn switch_off(desk: &Desk) {
    let rule = rule(desk).unwrap();
    let seq = desk.engine.read(&client(), |book| book.kept(&rule.slot()).map(|kept| kept.seq)).flatten();
    let keep = Keep {
        client_id: Some(client()),
        slot: rule.slot(),
        value: None,
        basis: seq,
        event: "EXIT_RULE_OFF",
        level: Level::Warn,
        reason: Arc::from("a drill"),
        who: Arc::from("a test"),
        command_id: None,
    };
    let off = rule.switched_off("a test".into(), false);
    assert!(desk.engine.keep(keep.with(&off).unwrap()).await.unwrap().is_applied());
}

/// Nobody buys: what is sold rests.
fn nobody_buys(desk: &Desk) {
    desk.market.set_depth(&sbin(), Vec::new(), vec![Depth { price: price("850"), quantity: 100 }], price("849"));
}

/// The exit came to nothing, whether its rule or the resend would send the next one; then it is switched off.
#[test]
fn a_rule_that_is_switched_off_after_its_exit_came_to_nothing_sends_no_other() {
    for fault in [Fault::Refuse("RED:Margin Shortfall:INR 1200".into()), Fault::NotSent("connection refused".into())] {
        for restarts in [false, true] {
            scenario(Setup::default(), async |desk| {
                desk.ended(guarded("10 points", None)).await;
                desk.until("the rule stands", |desk| rule(desk).is_some()).await;
                desk.always(CallKind::Place, fault.clone());
                trade(desk, "845");
                desk.until("its exit has failed", |desk| fired(desk).first().is_some_and(|row| row.status == Status::Failed)).await;
                switch_off(desk).await;
                desk.heal();
                if restarts {
                    desk.start_again();
                    desk.until_open().await;
                }
                desk.pass_secs(120).await;
                assert_eq!((fired(desk).len(), desk.held("a", &sbin())), (1, 10), "{}", desk.trace());
                assert!(rule(desk).is_some_and(|rule| !rule.is_on && rule.fired.is_none()));
                desk.at_rest().await;
            });
        }
    }
}

/// What rests goes on through the market until a person cancels it.
#[test]
fn an_exit_that_is_on_its_way_goes_on_when_its_rule_is_switched_off() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        thin(desk, "849.50", 3);
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
        switch_off(desk).await;
        trade(desk, "848.50");
        until_flat(desk).await;
        assert_eq!(fired(desk).len(), 1);
        desk.at_rest().await;
    });
}

/// A person cancels the exit and does nothing else: it does not come back, people hear that nothing protects the position, and what the
/// person puts in its place stays there.
#[test]
fn an_exit_that_a_person_cancels_does_not_come_back_and_pages() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        nobody_buys(desk);
        desk.until("its exit rests", |desk| fired(desk).first().is_some_and(|row| row.status.is_at_broker())).await;
        let out = fired(desk)[0].command_id;
        assert!(desk.engine.cancel(&client(), out, "asha", "I keep it").await.unwrap().is_applied());
        assert_eq!(desk.until_ended(out).await.tag, Some(Tag::CancelledByUser));
        desk.until_alarm("ALARM_EXIT_STUCK").await;
        trade(desk, "845");
        desk.pass_secs(60).await;
        assert_eq!((fired(desk).len(), desk.held("a", &sbin())), (1, 10), "{}", desk.trace());
        assert_eq!(desk.texts("ALARM_EXIT_STUCK").len(), 1);
        assert!(desk.texts("ALARM_EXIT_STUCK")[0].contains("cancelled by a person"), "{:?}", desk.texts("ALARM_EXIT_STUCK"));
        let his = desk.order(exit("a", "SBIN-EQ").at("890")).await;
        desk.until_at_broker(his).await;
        desk.pass_secs(10).await;
        let his: OrderRecord = desk.row(his);
        assert!(!his.status.is_terminal() && his.cancel_wanted.is_none(), "{:?}", his.reason);
        trade(desk, "890");
        until_flat(desk).await;
        desk.at_rest().await;
    });
}

/// It was to be written that the rule fires before anybody had heard that a person switched it off, and the process dies with that commit.
#[test]
fn a_firing_that_is_written_after_a_rule_was_switched_off_does_not_switch_it_on() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        let stood = rule(desk).unwrap();
        desk.pass_secs(2).await;
        switch_off(desk).await;
        let fired_now = Fired { cause: Cause::Stop, at: desk.clock_now(), price: None, signal: SignalId(uuid::Uuid::from_u128(77)) };
        let keep = Keep {
            client_id: Some(client()),
            slot: stood.slot(),
            value: None,
            basis: None,
            event: "EXIT_RULE_FIRED",
            level: Level::Warn,
            reason: Arc::from("a drill"),
            who: Arc::from("WatcherActor"),
            command_id: None,
        };
        let keep = keep.with(&ExitRule { fired: Some(fired_now), ..stood }).unwrap();
        *desk.disk_fault.fail_commit.lock() = Some((1, true));
        desk.engine.line().post_unit(Unit::KeepOver(KeepOver { keep, heeding: ExitRule::text_kept_off }));
        desk.until("the process has died", |desk| desk.halt.halted().is_some()).await;
        assert_eq!(desk.texts("EXIT_RULE_FIRED").len(), 1, "it is on disk");
        desk.start_again();
        desk.until_open().await;
        assert!(rule(desk).is_some_and(|rule| !rule.is_on && rule.fired.is_none()), "{:?}", rule(desk));
        trade(desk, "845");
        desk.pass_secs(30).await;
        assert_eq!((fired(desk).len(), desk.held("a", &sbin())), (0, 10));
        desk.at_rest().await;
    });
}

/// A broker that takes no changes, and does not cancel either for now: the exit is to be replaced, and rests.
async fn is_being_replaced(desk: &Desk) -> OrderRecord {
    desk.ended(guarded("10 points", None)).await;
    desk.until("the rule stands", |desk| rule(desk).is_some()).await;
    thin(desk, "849.50", 3);
    desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
    desk.always(CallKind::Cancel, Fault::Refuse("16388: not now".into()));
    trade(desk, "846");
    desk.until("it is to be replaced", |desk| fired(desk)[0].cancel_wanted == Some(Tag::Replaced)).await;
    fired(desk)[0].clone()
}

fn unchanging() -> Setup {
    Setup { can: |row| row.can_modify = false, ..Setup::default() }
}

/// The next price of an exit that cannot be changed is that of a new one: none follows where its rule is off by then, nor where a person
/// has cancelled it.
#[test]
fn an_exit_that_is_being_replaced_can_still_be_stopped() {
    for by_cancel in [false, true] {
        scenario(unchanging(), async |desk| {
            let out = is_being_replaced(desk).await.command_id;
            if by_cancel {
                assert!(desk.engine.cancel(&client(), out, "asha", "I keep it").await.unwrap().is_applied());
                assert!(!desk.engine.cancel(&client(), out, "asha", "again").await.unwrap().is_applied(), "once");
            } else {
                switch_off(desk).await;
            }
            desk.heal();
            let tag = if by_cancel { Tag::CancelledByUser } else { Tag::Replaced };
            assert_eq!(desk.until_ended(out).await.tag, Some(tag));
            desk.pass_secs(60).await;
            assert_eq!((fired(desk).len(), desk.held("a", &sbin())), (1, 7), "{}", desk.trace());
            assert_eq!(desk.has_alarm("ALARM_EXIT_STUCK"), by_cancel);
            desk.at_rest().await;
        });
    }
}

/// It cannot be changed, and nothing would come after it: it stays where it is, and people hear that.
#[test]
fn the_last_exit_of_a_rule_that_is_switched_off_is_not_taken_back_for_another() {
    scenario(unchanging(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        thin(desk, "849.50", 3);
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
        switch_off(desk).await;
        trade(desk, "846");
        desk.until_alarm("ALARM_NOT_FLAT").await;
        assert!(desk.texts("ALARM_NOT_FLAT")[0].contains("which is switched off"), "{:?}", desk.texts("ALARM_NOT_FLAT"));
        desk.pass_secs(30).await;
        let out = fired(desk)[0].clone();
        assert_eq!((out.status, out.cancel_wanted, fired(desk).len()), (Status::Partial, None, 1));
        trade(desk, "849.50");
        until_flat(desk).await;
        assert_eq!(fired(desk).len(), 1);
        desk.at_rest().await;
    });
}
