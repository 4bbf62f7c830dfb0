//! The websocket: opening it, its login, frames in and out.

use futures_util::{SinkExt, StreamExt};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use crate::brokers::noren::settings::{AuthFlow, NorenSettings};
use crate::brokers::noren::tls;
use crate::brokers::noren::wire::frames::{self, Era, Frame};
use crate::brokers::noren::wire::redact;
use crate::brokers::noren::wire::request::Account;

/// Frames are some hundred bytes.
const MAX_FRAME: usize = 1024 * 1024;

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum End {
    /// The broker does not take the token, or said nothing to it.
    Refused,
    /// Anything else.
    Closed(String),
}

#[derive(Debug)]
pub(super) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    /// Opens the socket and logs in. A login that is not taken leaves the socket open and silent at some servers (Noren
    /// protocol reference, section 6.1): anything but OK closes it.
    pub(super) async fn open(settings: &NorenSettings, account: &Account, token: &SecretString) -> Result<Self, End> {
        let connector = if settings.socket_url.starts_with("wss:") { Some(tls::connector().map_err(End::Closed)?) } else { None };
        let config = WebSocketConfig::default().max_message_size(Some(MAX_FRAME)).max_frame_size(Some(MAX_FRAME));
        let connecting = connect_async_tls_with_config(settings.socket_url.as_str(), Some(config), true, connector);
        let (stream, _reply) = timeout(settings.stream.handshake, connecting)
            .await
            .map_err(|_| End::Closed("the socket did not open in time".to_owned()))?
            .map_err(|error| closed(&error))?;
        let mut socket = Self { stream };
        let era = match settings.auth {
            AuthFlow::QuickAuth => Era::Legacy,
            AuthFlow::OAuth => Era::OAuth,
        };
        socket.send(frames::connect(era, account, token).expose_secret().to_owned()).await?;
        match timeout(settings.stream.handshake, socket.login()).await {
            Ok(Ok(())) => Ok(socket),
            Ok(Err(end)) => Err(end),
            Err(_) => Err(End::Refused),
        }
    }

    async fn login(&mut self) -> Result<(), End> {
        loop {
            let Some(text) = self.next().await? else { continue };
            // The time only stands in for one that a frame does not tell, and this frame tells none.
            match frames::read(&text, chrono::DateTime::UNIX_EPOCH) {
                Frame::Connected { ok: true, .. } => return Ok(()),
                Frame::Connected { ok: false, .. } => return Err(End::Refused),
                _ => {}
            }
        }
    }

    /// The next frame: its text, or nothing for a frame without any.
    pub(super) async fn next(&mut self) -> Result<Option<String>, End> {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Ok(Some(text.as_str().to_owned())),
            Some(Ok(Message::Binary(bytes))) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Some(Ok(Message::Close(frame))) => {
                let code = frame.as_ref().map(|frame| u16::from(frame.code));
                // 1008: the credentials are bad.
                if code == Some(1008) {
                    return Err(End::Refused);
                }
                let words = frame.map_or_else(String::new, |frame| redact::snippet(frame.reason.as_str(), 80));
                Err(End::Closed(format!(
                    "the broker closed it ({}) {words}",
                    code.map_or_else(|| "no code".to_owned(), |code| code.to_string())
                )))
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
            Some(Err(error)) => Err(closed(&error)),
            None => Err(End::Closed("the connection ended".to_owned())),
        }
    }

    pub(super) async fn send(&mut self, text: String) -> Result<(), End> {
        self.stream.send(Message::text(text)).await.map_err(|error| closed(&error))
    }

    /// The text heartbeat, and a ping of the websocket beside it.
    pub(super) async fn beat(&mut self) -> Result<(), End> {
        self.stream.feed(Message::Ping(Vec::new().into())).await.map_err(|error| closed(&error))?;
        self.send(frames::heartbeat()).await
    }
}

/// The error without the address, which some servers want the token in.
fn closed(error: &Error) -> End {
    End::Closed(redact::snippet(&error.to_string(), 160))
}
