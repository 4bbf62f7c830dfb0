//! The network between engine and broker: a relay that cuts, resets, delays and swallows bytes, for calls and for the socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ordergate::brokers::noren::NorenSettings;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::house::{pass, secs};
use crate::moment::{Cut, Moment, Packet};

/// What the network does to a request, or to its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection is closed before the request goes on.
    Closed,
    /// The connection is reset before the request goes on.
    Reset,
    /// The request is lost, and the connection stays.
    Swallowed,
    /// The request arrives; the connection is closed when the answer comes.
    AnswerClosed,
    /// The request arrives; the connection is reset when the answer comes.
    AnswerReset,
    /// The request arrives; so many bytes of the answer come, and then the end.
    AnswerCut(usize),
    /// The request arrives; its answer is lost, and the connection stays.
    AnswerSwallowed,
    /// The request arrives at once, its answer after so long.
    AnswerLate(Duration),
    /// The request arrives late.
    Late(Duration),
    /// The request arrives; its answer comes byte by byte.
    AnswerDrips,
}

/// Trouble for the requests whose first bytes name one of these places; an empty name is in all.
pub(crate) type Set = Option<(&'static [&'static str], Trouble)>;

/// The request that is an order.
const ORDER: &str = "/PlaceOrder ";

/// Stands in front of the simulator.
#[derive(Clone)]
pub(crate) struct Relay {
    address: SocketAddr,
    broker: Arc<Mutex<Option<SocketAddr>>>,
    trouble: Arc<Mutex<Set>>,
    cut: Arc<Mutex<Cut>>,
    /// How often trouble or a cut met something.
    met: Arc<AtomicU64>,
    /// Counted up when every connection is to be cut.
    cuts: Arc<watch::Sender<u32>>,
}

impl Relay {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Self {
            address,
            broker: Arc::default(),
            trouble: Arc::default(),
            cut: Arc::default(),
            met: Arc::default(),
            cuts: Arc::new(watch::Sender::new(0)),
        };
        let serving = relay.clone();
        tokio::spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(client));
            }
        });
        relay
    }

    /// The engine's calls and its socket go this way.
    pub(crate) fn lead(&self, noren: &mut NorenSettings) {
        let address = noren.host.trim_start_matches("http://").parse().unwrap();
        *self.broker.lock() = Some(address);
        for url in [&mut noren.host, &mut noren.socket_url] {
            *url = url.replace(&address.to_string(), &self.address.to_string());
        }
    }

    pub(crate) fn trouble(&self, places: &'static [&'static str], trouble: Trouble) {
        *self.trouble.lock() = Some((places, trouble));
    }

    pub(crate) fn straight(&self) {
        *self.trouble.lock() = None;
    }

    /// Every connection that stands ends.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Every connection that stands ends at that moment of the next order.
    pub(crate) fn cut_at(&self, moment: Moment) {
        *self.cut.lock() = Cut::at(moment);
    }

    /// Whether trouble or a cut met anything. A case in which none did proves nothing.
    pub(crate) fn has_met(&self) -> bool {
        self.met.load(Ordering::Relaxed) > 0
    }

    /// Waits until it has. Not for ever: on a busy machine an order can be given up before it is called.
    pub(crate) async fn until_met(&self) {
        let met = async {
            while !self.has_met() {
                pass(Duration::from_millis(5)).await;
            }
        };
        let _given_up = tokio::time::timeout(secs(150), met).await;
    }

    fn meets(&self) {
        self.met.fetch_add(1, Ordering::Relaxed);
    }

    fn met_by(&self, request: &str) -> Option<Trouble> {
        let (places, trouble) = (*self.trouble.lock())?;
        places.iter().any(|place| request.contains(place)).then_some(trouble)
    }

    /// What of a packet goes on, and whether everything ends with it.
    fn passing<'a>(&self, packet: Packet, bytes: &'a [u8]) -> (&'a [u8], bool) {
        let part = self.cut.lock().meet(packet, bytes.len());
        part.map_or((bytes, false), |part| (&bytes[..part], true))
    }

    /// The moment of the cut is there.
    fn cut_now(&self) {
        self.meets();
        self.cut();
    }

    async fn serve(self, mut client: TcpStream) {
        let Some(address) = *self.broker.lock() else { return };
        let Ok(mut broker) = TcpStream::connect(address).await else { return };
        let mut cuts = self.cuts.subscribe();
        let (mut asked, mut told) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        let (mut met, mut is_order) = (None, false);
        loop {
            tokio::select! {
                read = client.read(&mut asked) => {
                    let Ok(length @ 1..) = read else { return };
                    let text = String::from_utf8_lossy(&asked[..length]);
                    (met, is_order) = (self.met_by(&text), text.contains(ORDER));
                    if matches!(met, Some(Trouble::Closed | Trouble::Reset | Trouble::Swallowed | Trouble::Late(_))) {
                        self.meets();
                    }
                    match met {
                        Some(Trouble::Closed) => return,
                        Some(Trouble::Reset) => return client.set_zero_linger().unwrap_or_default(),
                        Some(Trouble::Swallowed) => continue,
                        Some(Trouble::Late(wait)) => pass(wait).await,
                        _ => {}
                    }
                    let (part, is_end) = self.passing(if is_order { Packet::OrderCall } else { Packet::Other }, &asked[..length]);
                    if broker.write_all(part).await.is_err() {
                        return;
                    }
                    if is_end {
                        return self.cut_now();
                    }
                }
                read = broker.read(&mut told) => {
                    let Ok(length @ 1..) = read else { return };
                    // The other troubles were met by the request.
                    if !matches!(met, None | Some(Trouble::Closed | Trouble::Reset | Trouble::Swallowed | Trouble::Late(_))) {
                        self.meets();
                    }
                    match met {
                        Some(Trouble::AnswerClosed) => return,
                        Some(Trouble::AnswerReset) => return client.set_zero_linger().unwrap_or_default(),
                        Some(Trouble::AnswerCut(bytes)) => return drop(client.write_all(&told[..length.min(bytes)]).await),
                        Some(Trouble::AnswerSwallowed) => continue,
                        Some(Trouble::AnswerLate(wait)) => pass(wait).await,
                        Some(Trouble::AnswerDrips) => {
                            for byte in &told[..length] {
                                if client.write_all(std::slice::from_ref(byte)).await.is_err() {
                                    return;
                                }
                                pass(Duration::from_millis(1)).await;
                            }
                            continue;
                        }
                        _ => {}
                    }
                    let (part, is_end) = self.passing(if is_order { Packet::OrderAnswer } else { Packet::Other }, &told[..length]);
                    if client.write_all(part).await.is_err() {
                        return;
                    }
                    if is_end {
                        return self.cut_now();
                    }
                }
                _ = cuts.changed() => return,
            }
        }
    }
}
