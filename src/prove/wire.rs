//! The way between the engine and its broker: bytes go through at once, late, or not at all.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is wrong with the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing.
    None,
    /// Every piece arrives so much later.
    Late(Duration),
    /// Nothing arrives; connections stay open, and what was sent arrives when it is over.
    Still,
    /// Every connection is reset, and so is every new one.
    Reset,
}

/// A proxy on the loopback address, as long as it is held.
#[derive(Debug)]
pub(super) struct Wire {
    /// Where the engine finds its broker.
    pub(super) address: SocketAddr,
    trouble: watch::Sender<Trouble>,
    task: JoinHandle<()>,
}

impl Wire {
    /// Opens it before the broker at that address. Needs a runtime around the call.
    pub(super) async fn open(broker: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("the way to the broker")?;
        let address = listener.local_addr()?;
        let (trouble, seen) = watch::channel(Trouble::None);
        let task = tokio::spawn(async move {
            while let Ok((engine, _)) = listener.accept().await {
                tokio::spawn(connection(engine, broker, seen.clone()));
            }
        });
        Ok(Self { address, trouble, task })
    }

    /// From now on it is like that.
    pub(super) fn set(&self, trouble: Trouble) {
        self.trouble.send_replace(trouble);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, until either side ends it or it is reset.
async fn connection(engine: TcpStream, broker: SocketAddr, mut trouble: watch::Receiver<Trouble>) {
    let is_up = *trouble.borrow() != Trouble::Reset;
    let broker = if is_up { TcpStream::connect(broker).await.ok() } else { None };
    let Some(broker) = broker else {
        let _ = engine.set_zero_linger();
        return;
    };
    let (mut from_engine, mut to_engine) = engine.into_split();
    let (mut from_broker, mut to_broker) = broker.into_split();
    let (out, back) = (trouble.clone(), trouble.clone());
    let is_reset = tokio::select! {
        () = carried(&mut from_engine, &mut to_broker, out) => false,
        () = carried(&mut from_broker, &mut to_engine, back) => false,
        waited = trouble.wait_for(|trouble| *trouble == Trouble::Reset) => waited.is_ok(),
    };
    if is_reset {
        // Whatever is still under way is lost, and either side hears of it at once.
        for side in [from_engine.as_ref(), from_broker.as_ref()] {
            let _ = side.set_zero_linger();
        }
    }
}

/// Carries bytes one way until that way ends.
async fn carried(from: &mut (impl AsyncReadExt + Unpin), to: &mut (impl AsyncWriteExt + Unpin), mut trouble: watch::Receiver<Trouble>) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        if trouble.wait_for(|trouble| *trouble != Trouble::Still).await.is_err() {
            return;
        }
        let late = if let Trouble::Late(by) = *trouble.borrow() { by } else { Duration::ZERO };
        tokio::time::sleep(late).await;
        let Some(bytes) = piece.get(..count) else { return };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A broker that answers every byte with itself.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut byte = [0];
                    while let Ok(1) = stream.read(&mut byte).await {
                        stream.write_all(&byte).await.unwrap();
                    }
                });
            }
        });
        address
    }

    async fn answered(stream: &mut TcpStream, byte: u8) -> std::io::Result<u8> {
        stream.write_all(&[byte]).await?;
        let mut back = [0];
        stream.read_exact(&mut back).await?;
        Ok(back[0])
    }

    #[tokio::test]
    async fn bytes_go_through_wait_while_it_is_still_and_are_lost_with_a_reset() {
        let wire = Wire::open(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(wire.address).await.unwrap();
        assert_eq!(answered(&mut stream, 7).await.unwrap(), 7);

        wire.set(Trouble::Still);
        stream.write_all(&[8]).await.unwrap();
        let mut back = [0];
        let waited = tokio::time::timeout(Duration::from_millis(50), stream.read_exact(&mut back)).await;
        assert!(waited.is_err(), "nothing arrives");
        wire.set(Trouble::Late(Duration::from_millis(1)));
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(back, [8], "what was sent arrives when it is over");

        wire.set(Trouble::Reset);
        assert!(answered(&mut stream, 9).await.is_err());
        let mut fresh = TcpStream::connect(wire.address).await.unwrap();
        assert!(answered(&mut fresh, 9).await.is_err(), "and so is every new one");
        wire.set(Trouble::None);
        let mut fresh = TcpStream::connect(wire.address).await.unwrap();
        assert_eq!(answered(&mut fresh, 9).await.unwrap(), 9);
    }
}
