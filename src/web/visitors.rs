//! Who is at the port, and who goes when it is full.
//!
//! Each connection costs an open file, and by open files the engine reaches its broker and its disk. So there are only so many seats.
//! When somebody comes and all are taken, the oldest of those goes who have proved nothing: strangers crowd out one another, and
//! neither the engine nor whoever holds a key, a session or a source's secret.
//!
//! [`stream`] lets go who holds a connection without using it.

pub mod stream;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpRequest};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

/// One connection, as its stream, its requests and the seats see it.
#[derive(Debug, Default)]
pub struct Visitor {
    /// The request at hand, or the last one, has proved who sends it.
    is_known: AtomicBool,
    /// A request is being answered.
    is_answered: AtomicBool,
    /// Its seat is another's.
    has_to_go: AtomicBool,
    waker: AtomicWaker,
}

impl Visitor {
    /// Whether it has to go; if that changes later, this task is woken.
    fn has_to_go(&self, waker: &Waker) -> bool {
        self.waker.register(waker);
        self.has_to_go.load(Ordering::Acquire)
    }

    fn is_answered(&self) -> bool {
        self.is_answered.load(Ordering::Acquire)
    }

    fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Acquire)
    }
}

/// How it is at the port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Crowd {
    /// Connections now.
    pub present: usize,
    /// Those that had proved nothing and went for somebody new, since the start.
    pub let_go: u64,
    /// Those that found every seat taken by somebody who is known, since the start.
    pub turned_away: u64,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    /// By when they came.
    taken: BTreeMap<u64, Arc<Visitor>>,
    let_go: u64,
    turned_away: u64,
}

/// The seats of the port.
#[derive(Debug)]
pub struct Visitors {
    most: usize,
    seats: Mutex<Seats>,
}

impl Visitors {
    /// So many connections at once.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, seats: Mutex::default() })
    }

    /// A seat for somebody new. Where all are taken, the oldest who has proved nothing gives his up; `None` where nobody has to.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Option<Seat> {
        let mut seats = self.seats.lock();
        if seats.taken.len() >= self.most {
            let Some(oldest) = seats.taken.iter().find(|(_, visitor)| !visitor.is_known()).map(|(number, _)| *number) else {
                seats.turned_away += 1;
                return None;
            };
            if let Some(visitor) = seats.taken.remove(&oldest) {
                seats.let_go += 1;
                visitor.has_to_go.store(true, Ordering::Release);
                visitor.waker.wake();
            }
        }
        let (number, visitor) = (seats.next, Arc::new(Visitor::default()));
        seats.next += 1;
        seats.taken.insert(number, Arc::clone(&visitor));
        Some(Seat { visitors: Arc::clone(self), number, visitor })
    }

    /// How it is now.
    #[must_use]
    pub fn crowd(&self) -> Crowd {
        let seats = self.seats.lock();
        Crowd { present: seats.taken.len(), let_go: seats.let_go, turned_away: seats.turned_away }
    }

    /// How many there may be.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }
}

/// A seat; it is free again when this is dropped.
#[derive(Debug)]
pub struct Seat {
    visitors: Arc<Visitors>,
    number: u64,
    visitor: Arc<Visitor>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.visitors.seats.lock().taken.remove(&self.number);
    }
}

/// The request has proved who sends it: its connection keeps its seat.
pub(super) fn known(request: &HttpRequest) {
    if let Some(visitor) = request.conn_data::<Arc<Visitor>>() {
        visitor.is_known.store(true, Ordering::Release);
    }
}

/// A request is being answered, until the last of its answer is handed over.
#[derive(Debug)]
struct Answering(Arc<Visitor>);

impl Answering {
    /// A new request has proved nothing yet: a proxy sends those of many people over one connection.
    fn of(visitor: &Arc<Visitor>) -> Self {
        visitor.is_known.store(false, Ordering::Release);
        visitor.is_answered.store(true, Ordering::Release);
        Self(Arc::clone(visitor))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.is_answered.store(false, Ordering::Release);
    }
}

/// Notes of a connection when a request of it is answered.
///
/// # Errors
/// Those of the request.
pub async fn visit(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let answering = request.conn_data::<Arc<Visitor>>().map(Answering::of);
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| Answer { body: Box::pin(body), _answering: answering }))
}

/// A body that is an answer for as long as it is there: a live stream has no end.
struct Answer<B> {
    body: Pin<Box<B>>,
    _answering: Option<Answering>,
}

impl<B: MessageBody> MessageBody for Answer<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.get_mut().body.as_mut().poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_let_go(seat: &Seat) -> bool {
        seat.visitor.has_to_go.load(Ordering::Acquire)
    }

    #[test]
    fn the_oldest_who_has_proved_nothing_goes_for_somebody_new() {
        let visitors = Visitors::new(3);
        let seats: Vec<Seat> = (0..3).map(|_| visitors.enter().unwrap()).collect();
        seats[0].visitor.is_known.store(true, Ordering::Release);
        let new = visitors.enter().unwrap();
        assert_eq!(seats.iter().chain([&new]).map(is_let_go).collect::<Vec<_>>(), [false, true, false, false]);
        drop(seats);
        assert_eq!(visitors.crowd(), Crowd { present: 1, let_go: 1, turned_away: 0 });
    }

    #[test]
    fn where_everybody_is_known_nobody_goes_and_who_comes_is_turned_away() {
        let visitors = Visitors::new(2);
        let seats: Vec<Seat> = (0..2).map(|_| visitors.enter().unwrap()).collect();
        seats.iter().for_each(|seat| seat.visitor.is_known.store(true, Ordering::Release));
        assert!(visitors.enter().is_none() && !seats.iter().any(is_let_go));
        assert_eq!(visitors.crowd(), Crowd { present: 2, let_go: 0, turned_away: 1 });
    }

    proptest! {
        /// Whoever comes and goes, and whoever of them is known: there are never more than there may be, and who is known stays.
        #[test]
        fn prop_there_are_never_too_many_and_who_is_known_stays(
            most in 1..6_usize,
            steps in prop::collection::vec((0..3_u8, any::<prop::sample::Index>()), 0..80),
        ) {
            let (visitors, mut seats) = (Visitors::new(most), Vec::<Seat>::new());
            for (step, which) in steps {
                match step {
                    0 => seats.extend(visitors.enter()),
                    _ if seats.is_empty() => {}
                    1 => drop(seats.swap_remove(which.index(seats.len()))),
                    _ => {
                        let visitor = &seats[which.index(seats.len())].visitor;
                        if !visitor.has_to_go.load(Ordering::Acquire) {
                            visitor.is_known.store(true, Ordering::Release);
                        }
                    }
                }
                prop_assert!(visitors.crowd().present <= most);
                prop_assert!(!seats.iter().any(|seat| is_let_go(seat) && seat.visitor.is_known()));
                prop_assert_eq!(seats.iter().filter(|seat| !is_let_go(seat)).count(), visitors.crowd().present);
            }
        }
    }
}
