//! When the writer waits a moment for more.
//!
//! An order that was just registered is judged within a hop or two, and then its intention to send is to be written. A commit of
//! what nobody waits for, begun in between, makes that order wait for a whole commit more; a moment later both fit into one.

use std::time::{Duration, Instant};

use super::unit::Posted;

/// How long what nobody waits for lets an order go first that was just registered: less than a commit takes, and about what
/// judging takes.
pub(super) const PATIENCE: Duration = Duration::from_micros(150);

/// Until when these units may wait for what the last commit set off; `None`: they are written now.
///
/// `expected`: until when it is expected, which only a commit that registered orders sets. So a unit waits once at the most,
/// however many registrations come behind it. `is_asked`: somebody waits for something else than a unit.
pub(super) fn waits_until(expected: Option<Instant>, units: &[Posted], is_asked: bool, now: Instant) -> Option<Instant> {
    expected.filter(|until| *until > now && !is_asked && !units.iter().any(Posted::is_awaited))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::oneshot;
    use uuid::Uuid;

    use super::super::ticket::{Admission, Answer, Orphans, Ticket, Waiter};
    use super::super::unit::{Cargo, Unit};
    use super::*;
    use crate::broker::CallKind;
    use crate::order::{BasketId, ClientId, CommandId};

    fn posted(cargo: Cargo) -> Posted {
        Posted { unit: Unit::Reissue { client_id: ClientId::parse("PAPER1").unwrap(), commands: Vec::new() }, cargo }
    }

    fn ticket() -> Ticket {
        Ticket::new(CommandId(Uuid::from_u128(1)), Admission::new(1, 0).force(), Arc::new(Orphans::default()))
    }

    /// The ticket of an order whose sender has not heard yet what became of it.
    fn undecided() -> Ticket {
        let answer = Answer { replayed: false, basket_id: BasketId(Uuid::from_u128(1)), orders: Vec::new() };
        let mut ticket = ticket();
        ticket.wait_with(Waiter::new(1, oneshot::channel().0, answer));
        ticket
    }

    #[test]
    fn what_nobody_waits_for_lets_the_order_go_first_that_was_just_registered() {
        let now = Instant::now();
        let until = now + PATIENCE;
        let waits = |units: &[Posted], is_asked| waits_until(Some(until), units, is_asked, now).is_some();
        let unawaited = || vec![posted(Cargo::None), posted(Cargo::Ticket(ticket()))];
        assert!(waits(&unawaited(), false));
        assert!(!waits(&unawaited(), true), "somebody reads, or closes the journal");
        for cargo in [
            Cargo::Send,
            Cargo::Call(CallKind::Cancel),
            Cargo::Done(oneshot::channel().0),
            Cargo::Caller(oneshot::channel().0),
            Cargo::Ticket(undecided()),
        ] {
            let name = format!("{cargo:?}");
            let mut units = unawaited();
            units.push(posted(cargo));
            assert!(!waits(&units, false), "{name}");
        }
    }

    #[test]
    fn it_waits_after_a_registration_alone_and_no_longer_than_that() {
        let now = Instant::now();
        let units = [posted(Cargo::None)];
        assert_eq!(waits_until(None, &units, false, now), None, "no order is being judged");
        assert_eq!(waits_until(Some(now), &units, false, now), None, "it took too long");
        assert_eq!(waits_until(Some(now + PATIENCE), &units, false, now), Some(now + PATIENCE), "the end does not move with the units");
    }
}
