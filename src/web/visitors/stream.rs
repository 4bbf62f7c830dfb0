//! A connection that does not wait for ever for who does not use it. The server itself times the first head alone, and an idle
//! connection: one byte of a second request, or an answer that nobody reads, would hold a connection for good.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Seat, Visitor};

/// How long one waits for the other side.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the whole head of a request, from the end of the answer before it.
    pub between: Duration,
    /// For any byte of an answer to be taken.
    pub unread: Duration,
}

/// A connection with its seat, and the times by which something has to happen on it.
#[derive(Debug)]
pub struct Watched<T> {
    io: T,
    seat: Seat,
    patience: Patience,
    /// When the last bytes went out; at first, when it was opened. What comes in changes nothing: one byte at a time is no use.
    quiet_since: Instant,
    /// Since when nothing goes out although there is something to go.
    unread_since: Option<Instant>,
    /// Rings when one of the two is late, or before.
    clock: Option<Pin<Box<Sleep>>>,
}

impl<T> Watched<T> {
    /// A connection that was opened now.
    pub fn new(io: T, seat: Seat, patience: Patience) -> Self {
        Self { io, seat, patience, quiet_since: Instant::now(), unread_since: None, clock: None }
    }

    /// Who is on it.
    pub fn visitor(&self) -> Arc<Visitor> {
        Arc::clone(&self.seat.visitor)
    }

    /// # Errors
    /// Its seat is another's.
    fn stays(&self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.seat.visitor.has_to_go(cx.waker()) {
            return Err(io::Error::new(ErrorKind::ConnectionAborted, "let go for somebody new: it had proved nothing"));
        }
        Ok(())
    }

    /// # Errors
    /// The time is up. Until then the task is woken at that time.
    fn in_time(&mut self, deadline: Instant, cx: &mut Context<'_>) -> io::Result<()> {
        if Instant::now() < deadline {
            let clock = self.clock.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if clock.deadline() > deadline {
                clock.as_mut().reset(deadline);
            }
            if clock.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            // It rang for an earlier time.
            clock.as_mut().reset(deadline);
            if clock.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
        }
        Err(io::Error::new(ErrorKind::TimedOut, "let go: it held the connection without using it"))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.stays(cx)?;
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        // While a request is answered its handler bounds the time of its body.
        if !this.seat.visitor.is_answered() && this.unread_since.is_none() {
            this.in_time(this.quiet_since + this.patience.between, cx)?;
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.stays(cx)?;
        if let Poll::Ready(written) = Pin::new(&mut this.io).poll_write(cx, bytes) {
            (this.quiet_since, this.unread_since) = (Instant::now(), None);
            return Poll::Ready(written);
        }
        let since = *this.unread_since.get_or_insert_with(Instant::now);
        this.in_time(since + this.patience.unread, cx)?;
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.stays(cx)?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::super::Visitors;
    use super::*;

    const PATIENCE: Patience = Patience { between: Duration::from_secs(15), unread: Duration::from_secs(30) };

    /// The server's side and the other one, with room for so many bytes that nobody has read.
    fn connection(room: usize) -> (Watched<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(room);
        (Watched::new(ours, Visitors::new(8).enter().unwrap(), PATIENCE), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn who_dribbles_the_head_of_any_request_is_let_go() {
        let (mut ours, mut theirs) = connection(1_000);
        ours.write_all(b"the answer to a first request").await.unwrap();
        let begun = Instant::now();
        let dribble = async move {
            while theirs.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let dribbling = tokio::spawn(dribble);
        let mut seen = [0; 100];
        let fault = loop {
            match ours.read(&mut seen).await {
                Ok(read) => assert_ne!(read, 0),
                Err(fault) => break fault,
            }
        };
        assert_eq!((fault.kind(), begun.elapsed().as_secs()), (ErrorKind::TimedOut, 15));
        dribbling.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_long_answer_is_not_let_go_and_has_his_time_after_it() {
        let (mut ours, mut theirs) = connection(1_000);
        let visitor = ours.visitor();
        visitor.is_answered.store(true, Ordering::Release);
        let mut seen = [0; 100];
        let waits = tokio::time::timeout(Duration::from_secs(3_600), ours.read(&mut seen)).await;
        assert!(waits.is_err(), "an answer takes as long as it takes: {waits:?}");
        ours.write_all(b"the answer").await.unwrap();
        visitor.is_answered.store(false, Ordering::Release);
        tokio::time::sleep(Duration::from_secs(14)).await;
        theirs.write_all(b"next").await.unwrap();
        assert_eq!(ours.read(&mut seen).await.unwrap(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_let_go_and_who_reads_slowly_is_not() {
        let (mut ours, mut theirs) = connection(100);
        let slowly = tokio::spawn(async move {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                theirs.read_exact(&mut [0; 50]).await.unwrap();
            }
            theirs
        });
        ours.write_all(&[7; 600]).await.unwrap();
        let theirs = slowly.await.unwrap();
        let begun = Instant::now();
        let fault = ours.write_all(&[7; 600]).await.unwrap_err();
        assert_eq!((fault.kind(), begun.elapsed().as_secs()), (ErrorKind::TimedOut, 30));
        drop(theirs);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_to_go_is_woken_wherever_he_waits() {
        for writes in [false, true] {
            let visitors = Visitors::new(1);
            let (ours, theirs) = duplex(10);
            let mut ours = Watched::new(ours, visitors.enter().unwrap(), PATIENCE);
            let waits = tokio::spawn(async move {
                if writes { ours.write_all(&[7; 100]).await.unwrap_err() } else { ours.read(&mut [0; 10]).await.unwrap_err() }
            });
            tokio::task::yield_now().await;
            let _new = visitors.enter().unwrap();
            let begun = Instant::now();
            assert_eq!(waits.await.unwrap().kind(), ErrorKind::ConnectionAborted);
            assert_eq!(begun.elapsed(), Duration::ZERO);
            drop(theirs);
        }
    }
}
