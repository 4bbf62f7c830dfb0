//! One order from the request to the broker's number on disk, over loopback HTTP on both sides.

use std::sync::Arc;

use super::broker::{Bare, Simulator};
use super::client::Client;
use super::raw;
use super::server::Server;
use super::stats::{Sample, at, verdict};

pub(crate) fn run(orders: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let simulator = Simulator::start();
    let before = raw::closed_loop(1, orders);
    // A login ends the session before it: the bare client is done before the engine begins, and comes again after it.
    let mut posts = runtime.block_on(async {
        let bare = Bare::log_in(&simulator).await;
        let _warm = bare.place(50).await;
        bare.place(orders / 2).await
    });
    let server = Server::on(Arc::new(tempfile::tempdir().unwrap()), &simulator.account(None));
    let mut client = Client::connect(server.address());
    client.warm_up_to_the_broker(50);
    let full = client.run(orders, Some("until=broker"));
    drop((client, server));
    posts.extend(runtime.block_on(async { Bare::log_in(&simulator).await.place(orders / 2).await }));
    let raw = Sample::pooled(&[before, raw::closed_loop(1, orders)]);
    let (commits, post) = (raw.order_us(50.0), at(&posts, 50.0));
    println!(
        "C=1: R three commits p50 {commits:.0} us, bare POST p50 {post:.0} us; full line p50 {:.0} us, p99 {:.0} us",
        full.order_us(50.0),
        full.order_us(99.0)
    );
    verdict("full line p50 against three R commits and a bare POST", full.order_us(50.0) / (commits + post), "<=", 1.3);
    println!();
}
