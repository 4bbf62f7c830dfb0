//! One reader's stream: what it missed, then what happens, until its session ends or it is too slow.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, Query as Parameters};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::sync::broadcast;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::frame::{Frame, Positions};
use super::hub::Seat;
use super::resume::missed;
use crate::web::api::accounts;
use crate::web::door::{Caller, scope};
use crate::web::problem::Problem;
use crate::web::state::WebState;

/// How often a reader looks whether its session lasts.
const LOOK: Duration = Duration::from_secs(1);
/// What goes out where nothing has happened ([`LiveSettings::quiet`](super::LiveSettings)).
const PING: &[u8] = b"event: ping\ndata: {}\n\n";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Asked {
    client_id: Option<String>,
    /// As the header of the same name, for readers that cannot set one.
    last_event_id: Option<String>,
}

/// The live stream.
pub(in crate::web) async fn events(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Result<HttpResponse, Problem> {
    let clients = accounts(&state, &request, asked.client_id.as_deref())?;
    let Some((seat, frames)) = state.live.sit() else {
        let detail = "as many readers follow the live stream as may (live.readers)";
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_readers",
            detail,
            "close a page, or fetch instead of following",
        )
        .after(5));
    };
    let in_header = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let known = in_header.or(asked.last_event_id.as_deref()).map(Positions::parse).unwrap_or_default();
    let (mut positions, news) = {
        // So many at one time: after a restart everybody comes back at once, and the journal is read between two commits.
        let _turn = state.live.resuming.acquire().await;
        missed(&state, &clients, &known).await?
    };
    let mut pending = VecDeque::from([Bytes::from(positions.head())]);
    pending.extend(news.iter().filter_map(|news| positions.tell(news)).map(Bytes::from));
    let session = request.extensions().get::<Caller>().and_then(|caller| caller.session.as_ref()).map(|(id, _)| id.clone());
    let quiet = state.live.quiet();
    let mut looks = interval(LOOK.min(quiet));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sees_process = scope(&request).is_whole();
    let reader =
        Reader { state: state.clone(), seat, frames, positions, pending, session, sees_process, looks, quiet, told: Instant::now() };
    let stream = unfold(reader, |mut reader| async move { reader.next().await.map(|bytes| (Ok::<_, actix_web::Error>(bytes), reader)) });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(stream))
}

struct Reader {
    state: Data<WebState>,
    seat: Arc<Seat>,
    frames: broadcast::Receiver<Arc<Frame>>,
    positions: Positions,
    pending: VecDeque<Bytes>,
    session: Option<String>,
    sees_process: bool,
    looks: Interval,
    quiet: Duration,
    /// When something went out last.
    told: Instant,
}

impl Reader {
    /// What goes out next; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.seat.is_over() {
                return None;
            }
            if let Some(bytes) = self.pending.pop_front() {
                self.told = Instant::now();
                return Some(bytes);
            }
            tokio::select! {
                // A reader that is too far behind does not get a gap: it ends, and resumes from the journal.
                frame = self.frames.recv() => {
                    let frame = frame.ok()?;
                    self.take(&frame);
                }
                _ = self.looks.tick() => {
                    if self.session.as_deref().is_some_and(|id| !self.state.access.lasts(id, self.state.now())) {
                        return None;
                    }
                    if self.told.elapsed() >= self.quiet {
                        self.pending.push_back(Bytes::from_static(PING));
                    }
                }
            }
        }
    }

    fn take(&mut self, frame: &Frame) {
        self.seat.seen.fetch_max(frame.number, Ordering::SeqCst);
        let seen = frame.news.iter().filter(|news| news.client_id.is_some() || self.sees_process);
        for text in seen.filter_map(|news| self.positions.tell(news)) {
            self.pending.push_back(Bytes::from(text));
        }
    }
}
