//! Order book and trade book lie, and the positions are slow: until they have come, nothing proves an absence.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan};
use ordergate_actors::order::{Status, Tag};

use crate::desk::{Setup, buy, sbin, scenario};

/// The day's first order has filled there. Both books are empty, three times and more in a row, before positions of after the quiet
/// period are in: those have it. Whoever was told that it is not there would send it again.
#[test]
fn two_lying_books_conclude_nothing_before_the_positions_are_in() {
    scenario(Setup::polled(), async |desk| {
        let lies = FaultPlan::none().always(CallKind::Orders, Fault::Empty).always(CallKind::Trades, Fault::Empty);
        desk.plan(lies.clone().always(CallKind::Positions, Fault::Late(Duration::from_secs(9))));
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        let doubted = desk.order(buy("a", 10)).await;
        desk.until_tag(doubted, Tag::SendUnconfirmed).await;
        desk.pass_secs(90).await;
        assert_eq!((desk.row(doubted).tag, desk.net_at_broker(&sbin())), (Some(Tag::SendUnconfirmed), 10), "{}", desk.trace());
        desk.until_alarm("ALARM_IN_DOUBT").await;
        // The same with positions that come at once.
        desk.plan(lies);
        desk.pass_secs(20).await;
        assert_eq!(desk.row(doubted).tag, Some(Tag::SendUnconfirmed));
        desk.heal();
        assert_eq!(desk.until_ended(doubted).await.status, Status::Executed);
        assert_eq!(desk.placed(), 1);
        desk.at_rest().await;
    });
}
