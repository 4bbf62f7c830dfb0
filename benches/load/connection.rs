//! One keep-alive connection of a sender.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Whether it says when to come again.
    pub(crate) says_when: bool,
}

/// A connection that is made when it is first needed.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: vec![0; 16 * 1024] }
    }

    /// Sends an alert. A connection that failed is made anew by the next.
    pub(crate) fn send(&mut self, body: &str) -> Option<Answer> {
        let answered = self.exchange(body);
        if answered.is_none() {
            self.stream = None;
        }
        answered
    }

    fn exchange(&mut self, body: &str) -> Option<Answer> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).ok()?;
            stream.set_nodelay(true).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut()?;
        // In one piece: a head and a body by themselves are two packets, and two reads of the engine.
        let request = format!(
            "POST /webhook/PAPER1 HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut read = 0;
        loop {
            let more = stream.read(self.buffer.get_mut(read..)?).ok().filter(|more| *more > 0)?;
            read += more;
            let text = String::from_utf8_lossy(self.buffer.get(..read)?);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = header(head, "content-length").and_then(|length| length.parse::<usize>().ok());
            if length.is_some_and(|length| body.len() >= length) {
                let says_when = header(head, "retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok());
                return Some(Answer { status: head.split(' ').nth(1)?.parse().ok()?, says_when });
            }
        }
    }
}

/// The value of a header.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()))
}
