//! Order book and trade book lie, and the positions cannot be read: nothing proves an absence then.

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan};
use ordergate_actors::order::{Status, Tag};

use crate::desk::{Setup, buy, sbin, scenario};

/// The day's first order has filled there. Both books are empty, three times and more in a row, and the row of the positions that has
/// it is unreadable: those that were read last, before it was sent, speak of nothing. Whoever was told that it is not there would send
/// it again.
#[test]
fn two_lying_books_conclude_nothing_while_the_positions_cannot_be_read() {
    scenario(Setup::polled(), async |desk| {
        let lies = FaultPlan::none().always(CallKind::Orders, Fault::Empty).always(CallKind::Trades, Fault::Empty);
        desk.plan(lies.clone().always(CallKind::Positions, Fault::Unreadable(1)));
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        let doubted = desk.order(buy("a", 10)).await;
        desk.until_tag(doubted, Tag::SendUnconfirmed).await;
        desk.pass_secs(90).await;
        assert_eq!((desk.row(doubted).tag, desk.net_at_broker(&sbin())), (Some(Tag::SendUnconfirmed), 10), "{}", desk.trace());
        desk.until_alarm("ALARM_IN_DOUBT").await;
        // The same with positions that can be read.
        desk.plan(lies);
        desk.pass_secs(20).await;
        assert_eq!(desk.row(doubted).tag, Some(Tag::SendUnconfirmed));
        desk.heal();
        assert_eq!(desk.until_ended(doubted).await.status, Status::Executed);
        assert_eq!(desk.placed(), 1);
        desk.at_rest().await;
    });
}
