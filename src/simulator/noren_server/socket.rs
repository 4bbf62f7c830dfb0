//! One connection: frames in, frames out.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, CloseCode, CloseReason};
use tokio::sync::mpsc;

use super::core::{Outgoing, SocketId};
use super::shared::Shared;

/// Takes a handshake; the rest goes on in a task of its own.
pub(super) fn upgrade(shared: &Arc<Shared>, request: &HttpRequest, payload: web::Payload) -> actix_web::Result<HttpResponse> {
    let (response, session, stream) = actix_ws::handle(request, payload)?;
    let shared = Arc::clone(shared);
    let (id, outgoing) = shared.connect();
    actix_web::rt::spawn(async move {
        talk(&shared, id, session, stream.aggregate_continuations(), outgoing).await;
        shared.disconnect(id);
    });
    Ok(response)
}

async fn talk(
    shared: &Shared,
    id: SocketId,
    mut session: actix_ws::Session,
    mut incoming: actix_ws::AggregatedMessageStream,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
) {
    loop {
        tokio::select! {
            frame = outgoing.recv() => match frame {
                Some(Outgoing::Text(text)) => {
                    if session.text(text).await.is_err() {
                        return;
                    }
                }
                Some(Outgoing::Close) | None => {
                    let _ = session.close(Some(CloseReason { code: CloseCode::Normal, description: None })).await;
                    return;
                }
            },
            message = incoming.recv() => match message {
                Some(Ok(AggregatedMessage::Text(text))) => shared.act(|core, now| core.socket_frame(id, &text, now)),
                Some(Ok(AggregatedMessage::Ping(bytes))) => {
                    if session.pong(&bytes).await.is_err() {
                        return;
                    }
                }
                Some(Ok(AggregatedMessage::Close(reason))) => {
                    let _ = session.close(reason).await;
                    return;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}
