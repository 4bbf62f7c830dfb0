//! A scripted broker on loopback: real sockets, answers by the script, every arrival counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Arrived {
    pub(super) route: String,
    pub(super) body: String,
    pub(super) bearer: Option<String>,
}

/// What to do with it.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Reply(u16, String),
    /// Reply, then close the socket although it is kept alive.
    ReplyAndClose(u16, String),
    /// Close without a word.
    Close,
    /// These bytes are the answer, head and all.
    Raw(String),
    /// Half an answer, then close.
    Cut,
    /// Say nothing.
    Hang,
}

type Script = Arc<dyn Fn(&Arrived, usize) -> Act + Send + Sync>;

#[derive(Clone)]
pub(super) struct Server {
    pub(super) rest: u16,
    pub(super) socket: u16,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    script: Arc<Mutex<Script>>,
    /// Frames to every socket.
    push: broadcast::Sender<String>,
    /// Frames from every socket.
    heard: Arc<Mutex<Vec<String>>>,
    takes_sockets: Arc<Mutex<bool>>,
    /// The task that takes connections for calls.
    listening: Arc<Mutex<Option<tokio::task::JoinHandle<()>>>>,
}

pub(super) fn ok(fields: &str) -> Act {
    Act::Reply(200, format!("{{\"stat\":\"Ok\",\"request_time\":\"10:00:00 20-11-2026\"{fields}}}"))
}

pub(super) fn not_ok(status: u16, emsg: &str) -> Act {
    Act::Reply(status, format!("{{\"stat\":\"Not_Ok\",\"emsg\":{}}}", serde_json::Value::from(emsg)))
}

impl Server {
    pub(super) async fn start(script: impl Fn(&Arrived, usize) -> Act + Send + Sync + 'static) -> Self {
        let (rest, socket) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let server = Self {
            rest: rest.local_addr().unwrap().port(),
            socket: socket.local_addr().unwrap().port(),
            arrived: Arc::default(),
            script: Arc::new(Mutex::new(Arc::new(script))),
            push: broadcast::channel(1_024).0,
            heard: Arc::default(),
            takes_sockets: Arc::new(Mutex::new(true)),
            listening: Arc::default(),
        };
        let (http, sockets) = (server.clone(), server.clone());
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = rest.accept().await {
                tokio::spawn(http.clone().serve(stream));
            }
        });
        *server.listening.lock() = Some(listening);
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(sockets.clone().serve_socket(stream));
            }
        });
        server
    }

    pub(super) fn script(&self, script: impl Fn(&Arrived, usize) -> Act + Send + Sync + 'static) {
        *self.script.lock() = Arc::new(script);
    }

    /// From now on no connection for a call can be made. One that is kept alive stays.
    pub(super) async fn close(&self) {
        let listening = self.listening.lock().take().expect("it listens");
        listening.abort();
        // The port is free when the task is gone.
        let _aborted = listening.await;
    }

    /// Whether logins of the socket are taken.
    pub(super) fn take_sockets(&self, takes: bool) {
        *self.takes_sockets.lock() = takes;
    }

    pub(super) fn arrived(&self, route: &str) -> Vec<Arrived> {
        self.arrived.lock().iter().filter(|arrived| arrived.route == route).cloned().collect()
    }

    pub(super) fn everything(&self) -> Vec<Arrived> {
        self.arrived.lock().clone()
    }

    /// The frames that came in over sockets and begin so.
    pub(super) fn heard(&self, start: &str) -> usize {
        self.heard.lock().iter().filter(|frame| frame.starts_with(start)).count()
    }

    pub(super) fn push(&self, frame: &str) {
        let _ = self.push.send(frame.to_owned());
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some(arrived) = request(&mut stream, &mut buffer).await {
            let count = {
                let mut all = self.arrived.lock();
                all.push(arrived.clone());
                all.iter().filter(|other| other.route == arrived.route).count()
            };
            let script = Arc::clone(&self.script.lock());
            let (status, body, closes) = match script(&arrived, count) {
                Act::Reply(status, body) => (status, body, false),
                Act::ReplyAndClose(status, body) => (status, body, true),
                Act::Close => return,
                Act::Raw(bytes) => {
                    if stream.write_all(bytes.as_bytes()).await.is_err() {
                        return;
                    }
                    continue;
                }
                Act::Cut => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"stat\":\"Ok\",\"noren").await;
                    return;
                }
                Act::Hang => {
                    tokio::time::sleep(Duration::from_secs(3_600)).await;
                    return;
                }
            };
            let reply = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(reply.as_bytes()).await.is_err() || closes {
                return;
            }
        }
    }

    async fn serve_socket(self, stream: TcpStream) {
        let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
        let mut pushes = self.push.subscribe();
        loop {
            tokio::select! {
                frame = socket.next() => {
                    let Some(Ok(frame)) = frame else { return };
                    let Message::Text(text) = frame else { continue };
                    self.heard.lock().push(text.as_str().to_owned());
                    let takes = *self.takes_sockets.lock();
                    let answer = match text.as_str() {
                        text if text.contains("\"t\":\"c\"") => Some(if takes { r#"{"t":"ck","s":"OK"}"# } else { r#"{"t":"ck","s":"NOT_OK"}"# }),
                        text if text.contains("\"t\":\"a\"") => Some(if takes { r#"{"t":"ak","s":"OK"}"# } else { r#"{"t":"ak","s":"NOT_OK"}"# }),
                        text if text.contains("\"t\":\"o\"") => Some(r#"{"t":"ok"}"#),
                        _ => None,
                    };
                    if let Some(answer) = answer
                        && socket.send(Message::text(answer)).await.is_err() {
                            return;
                    }
                }
                Ok(frame) = pushes.recv() => {
                    if frame == "close" {
                        let _ = socket.close(None).await;
                        return;
                    }
                    if socket.send(Message::text(frame)).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Reads one request.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Arrived> {
    let head = loop {
        if let Some(at) = buffer.windows(4).position(|part| part == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, buffer).await?;
    };
    let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
    let mut lines = text.lines();
    let route = lines.next()?.split_whitespace().nth(1)?.rsplit('/').next()?.to_owned();
    let headers: HashMap<String, String> =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    while buffer.len() < head + length {
        more(stream, buffer).await?;
    }
    let body = String::from_utf8_lossy(&buffer[head..head + length]).into_owned();
    buffer.drain(..head + length);
    Some(Arrived { route, body, bearer: headers.get("authorization").cloned() })
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut part = [0; 4_096];
    match stream.read(&mut part).await {
        Ok(0) | Err(_) => None,
        Ok(read) => {
            buffer.extend_from_slice(&part[..read]);
            Some(())
        }
    }
}
