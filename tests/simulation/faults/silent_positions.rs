//! Order book and trade book lie, and the positions tell nothing: what cannot be asked proves no absence.

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan};
use ordergate_actors::order::{Status, Tag};

use crate::desk::{Setup, buy, sbin, scenario};

/// The day's first order has filled there. Both books are empty, three times and more in a row, and no positions of after the quiet
/// period can be had. Whoever was told that it is not there would send it again.
#[test]
fn two_lying_books_conclude_nothing_while_no_positions_can_be_had() {
    scenario(Setup::polled(), async |desk| {
        let lies = FaultPlan::none().always(CallKind::Orders, Fault::Empty).always(CallKind::Trades, Fault::Empty);
        desk.plan(lies.clone().always(CallKind::Positions, Fault::Unknown("502".into())));
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        let doubted = desk.order(buy("a", 10)).await;
        desk.until_tag(doubted, Tag::SendUnconfirmed).await;
        desk.pass_secs(90).await;
        assert_eq!((desk.row(doubted).tag, desk.net_at_broker(&sbin())), (Some(Tag::SendUnconfirmed), 10), "{}", desk.trace());
        desk.until_alarm("ALARM_IN_DOUBT").await;
        // The positions come back and have what it filled.
        desk.plan(lies);
        desk.pass_secs(20).await;
        assert_eq!(desk.row(doubted).tag, Some(Tag::SendUnconfirmed));
        desk.heal();
        assert_eq!(desk.until_ended(doubted).await.status, Status::Executed);
        assert_eq!(desk.placed(), 1);
        desk.at_rest().await;
    });
}
