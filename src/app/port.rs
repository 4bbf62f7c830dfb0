//! The HTTP side at its port. What actix-web's own `HttpServer` sets up, with every connection in a seat and watched.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::App;
use actix_web::dev::{AppConfig, Extensions, Server};
use actix_web::error::Error;
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;

use super::descriptors;
use crate::config::Config;
use crate::web::WebState;
use crate::web::trace::trace;
use crate::web::visitors::stream::{Patience, Watched};
use crate::web::visitors::{Visitors, visit};

/// A connection without a request is kept so long.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// The end of a connection may take so long.
const GOODBYE: Duration = Duration::from_secs(1);
/// An answer that nobody takes is kept so many times as long as a body may take.
const UNREAD: u32 = 3;

/// The server, where it is, and who is there.
pub(super) fn open(config: &Config, state: Data<WebState>, listener: TcpListener) -> anyhow::Result<(Server, SocketAddr, Arc<Visitors>)> {
    let head = state.settings.body_deadline;
    let patience = Patience { between: head + KEEP_ALIVE, unread: head.saturating_mul(UNREAD) };
    let address = listener.local_addr().unwrap_or(config.server.listen);
    let most = descriptors::connections(descriptors::most());
    let visitors = Visitors::new(most);
    let builder = Server::build()
        .workers(config.server.workers)
        .shutdown_timeout(config.engine.drain_deadline.as_secs().max(1))
        // Who has to go is gone a moment later: until then there are more than there are seats. That has a bound too.
        .max_concurrent_connections((most + most / 2).div_ceil(config.server.workers.max(1)));
    let (ends, seats) = (builder.graceful_shutdown_signal(), Arc::clone(&visitors));
    let builder = builder.listen("http", listener, move || {
        let (ends, seats) = (ends.clone(), Arc::clone(&seats));
        let app = App::new().app_data(state.clone()).configure(crate::web::configure).wrap(from_fn(trace)).wrap(from_fn(visit));
        let app = app.into_factory().map_err(|error: Error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let ends = ends.clone();
                async move { ends.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(head)
            .client_disconnect_timeout(GOODBYE)
            .local_addr(address)
            .on_connect_ext(|io: &Watched<TcpStream>, data: &mut Extensions| drop(data.insert(io.visitor())))
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |io: TcpStream| {
            let seat = seats.enter();
            async move {
                let full = || DispatchError::Io(std::io::Error::other("every seat is taken by somebody who is known"));
                let (seat, peer) = (seat.ok_or_else(full)?, io.peer_addr().ok());
                Ok((Watched::new(io, seat, patience), Protocol::Http1, peer))
            }
        })
        .and_then(http)
    })?;
    Ok((builder.run(), address, visitors))
}
