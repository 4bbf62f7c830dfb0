//! The websocket: opening it, its login, frames in and out.

use std::time::Duration;

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
    /// How long the broker may take to let a frame go.
    patience: Duration,
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
        let mut socket = Self { stream, patience: settings.stream.handshake };
        let era = match settings.auth {
            AuthFlow::QuickAuth => Era::Legacy,
            AuthFlow::OAuth | AuthFlow::Flattrade => Era::OAuth,
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

    /// Sends a frame. A broker that talks and no longer listens must not hold us up for ever.
    pub(super) async fn send(&mut self, text: String) -> Result<(), End> {
        self.put(&[Message::text(text)]).await
    }

    /// The text heartbeat, and a ping of the websocket beside it.
    pub(super) async fn beat(&mut self) -> Result<(), End> {
        self.put(&[Message::Ping(Vec::new().into()), Message::text(frames::heartbeat())]).await
    }

    async fn put(&mut self, messages: &[Message]) -> Result<(), End> {
        let stream = &mut self.stream;
        let sending = async {
            for message in messages {
                stream.feed(message.clone()).await?;
            }
            stream.flush().await
        };
        match timeout(self.patience, sending).await {
            Ok(sent) => sent.map_err(|error| closed(&error)),
            Err(_) => Err(End::Closed(format!("the broker took no frame for {} ms", self.patience.as_millis()))),
        }
    }
}

/// The error without the address, which some servers want the token in.
fn closed(error: &Error) -> End {
    End::Closed(redact::snippet(&error.to_string(), 160))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::brokers::noren::AuthFlow;
    use crate::brokers::noren::scripted::settings;

    #[tokio::test]
    async fn a_broker_that_no_longer_listens_does_not_hold_us_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/NorenWSTP/", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let broker = tokio::spawn(async move {
            let mut socket = tokio_tungstenite::accept_async(listener.accept().await.unwrap().0).await.unwrap();
            let _login = socket.next().await;
            socket.send(Message::text(r#"{"t":"ck","s":"OK"}"#)).await.unwrap();
            // It reads nothing more, and does not hang up.
            let _ended = stopped.await;
        });
        let directory = tempfile::tempdir().unwrap();
        let mut settings = settings(("http://127.0.0.1:1", &url), directory.path(), AuthFlow::QuickAuth);
        settings.stream.handshake = Duration::from_millis(300);
        let account = Account { uid: "FA00001".into(), actid: "FA00001".into() };
        let mut socket = Socket::open(&settings, &account, &SecretString::from("token")).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                if let Err(end) = socket.send("x".repeat(500_000)).await {
                    return end;
                }
            }
        });
        let End::Closed(words) = ended.await.expect("it gives up") else { panic!("nothing was refused") };
        assert!(words.contains("took no frame for 300 ms"), "{words}");
        drop(stop);
        broker.await.unwrap();
    }
}
