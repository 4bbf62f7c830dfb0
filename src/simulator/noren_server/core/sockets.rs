//! Frames from the sockets, and the quote feed (Noren protocol reference, section 6).

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Instrument, InstrumentKey};
use ordergate_actors::ports::Instruments as _;
use serde_json::{Map, Value, json};

use super::data::{self, DaySeen, QuoteFaults};
use super::stream::{self, FeedKind, Seen, SocketId};
use super::wire::{Fields, epoch, fixed};
use super::{Core, Fault};
use crate::simulator::market::{Depth, Market as _};
use crate::simulator::noren_server::listing::precision;

impl Core {
    /// Somebody has connected.
    pub(crate) fn socket_open(&mut self, id: SocketId) {
        self.stream.open(id);
    }

    /// The connection is gone.
    pub(crate) fn socket_gone(&mut self, id: SocketId) {
        self.stream.gone(id);
    }

    /// Closes every logged-in connection with code 1000, as an eviction does.
    pub(crate) fn kill_sockets(&mut self) {
        self.stream.evict(None);
    }

    /// A frame came in.
    pub(crate) fn socket_frame(&mut self, id: SocketId, text: &str, now: DateTime<Utc>) {
        let Ok(frame) = serde_json::from_str::<Value>(text) else { return };
        let kind = frame["t"].as_str().unwrap_or_default();
        match kind {
            "c" | "a" => self.handshake(id, kind, &frame, now),
            "h" => self.stream.send(id, &json!({ "t": "hk" })),
            _ if self.stream.sockets.get(&id).is_none_or(|socket| socket.token.is_none()) => {}
            "o" => self.orders(id, true),
            "uo" => self.orders(id, false),
            "t" | "d" => self.subscribe(id, kind, frame["k"].as_str().unwrap_or_default(), now),
            "u" | "ud" => self.unsubscribe(id, kind, frame["k"].as_str().unwrap_or_default()),
            _ => {}
        }
    }

    /// `c` with a `susertoken`, or `a` with an `accesstoken`. A refusal leaves the socket open.
    fn handshake(&mut self, id: SocketId, kind: &str, frame: &Value, now: DateTime<Utc>) {
        let (ack, field) = if kind == "c" { ("ck", "susertoken") } else { ("ak", "accesstoken") };
        let faults = self.plan.take("socket", None);
        let uid = self.settings.user.uid.clone();
        let token = frame[field].as_str().unwrap_or_default().to_owned();
        let is_known = self.sessions.knows(&token, now) && frame["uid"] == uid.as_str() && frame["source"] == "API";
        if !is_known || faults.contains(&Fault::SocketRefuse) {
            return self.stream.send(id, &json!({ "t": ack, "s": "NOT_OK", "uid": uid }));
        }
        self.stream.evict(Some(id));
        if let Some(socket) = self.stream.sockets.get_mut(&id) {
            socket.token = Some(token);
        }
        self.stream.send(id, &json!({ "t": ack, "s": "OK", "uid": uid }));
        self.misbehave(id, &faults);
    }

    fn misbehave(&mut self, id: SocketId, faults: &[Fault]) {
        if faults.contains(&Fault::SocketEvict) {
            self.stream.close(id);
        }
        if let Some(socket) = self.stream.sockets.get_mut(&id).filter(|_| faults.contains(&Fault::SocketSilent)) {
            socket.silent = true;
        }
    }

    /// Every logged-in connection says nothing more, and stays open.
    pub(crate) fn silence_sockets(&mut self) {
        self.stream.sockets.values_mut().for_each(|socket| socket.silent = true);
    }

    fn orders(&mut self, id: SocketId, wanted: bool) {
        if let Some(socket) = self.stream.sockets.get_mut(&id) {
            socket.orders = wanted;
        }
        if self.settings.acknowledges_orders {
            self.stream.send(id, &json!({ "t": if wanted { "ok" } else { "uok" } }));
        }
    }

    /// Each instrument is acknowledged with everything that is known of it.
    fn subscribe(&mut self, id: SocketId, kind: &str, keys: &str, now: DateTime<Utc>) {
        let (feed, ack) = if kind == "t" { (FeedKind::Touch, "tk") } else { (FeedKind::Depth, "dk") };
        for (exchange, token) in stream::subscribed(keys) {
            let Some(row) = self.desk.listing.by_token(exchange, token) else { continue };
            let fields = self.feed_fields(feed, &row, now);
            let faults = self.plan.take("feed", None);
            let told = self.told(feed, &row, &fields, &faults, now);
            let mut frame = head(ack, &row);
            frame.insert("ts".to_owned(), (*row.key.symbol).into());
            frame.insert("pp".to_owned(), precision(row.key.exchange).to_string().into());
            frame.insert("ls".to_owned(), row.lot.to_string().into());
            frame.insert("ti".to_owned(), fixed(row.tick.value(), precision(row.key.exchange)).into());
            // Of what stands still this is long ago.
            frame.insert("ft".to_owned(), epoch(self.desk.market.changed_at(&row.key, now)).into());
            frame.extend(told.clone());
            if let Some(socket) = self.stream.sockets.get_mut(&id) {
                socket.feeds.insert((feed, row.key.clone()), Seen { fields, told });
            }
            self.misbehave(id, &faults);
            self.stream.send(id, &Value::Object(frame));
        }
    }

    fn unsubscribe(&mut self, id: SocketId, kind: &str, keys: &str) {
        let (feed, ack) = if kind == "u" { (FeedKind::Touch, "uk") } else { (FeedKind::Depth, "udk") };
        for (exchange, token) in stream::subscribed(keys) {
            let Some(row) = self.desk.listing.by_token(exchange, token) else { continue };
            if let Some(socket) = self.stream.sockets.get_mut(&id) {
                socket.feeds.remove(&(feed, row.key.clone()));
            }
        }
        self.stream.send(id, &json!({ "t": ack, "k": keys }));
    }

    /// Sends what has changed since a socket last saw it, and only that.
    pub(super) fn feed(&mut self, now: DateTime<Utc>) {
        let wanted: Vec<(SocketId, FeedKind, InstrumentKey)> = self
            .stream
            .sockets
            .iter()
            .flat_map(|(id, socket)| socket.feeds.keys().map(move |(kind, key)| (*id, *kind, key.clone())))
            .collect();
        for (id, kind, key) in wanted {
            let Some(row) = self.desk.listing.find(&key) else { continue };
            let fields = self.feed_fields(kind, &row, now);
            let feed = (kind, key);
            let seen = self.stream.sockets.get(&id).and_then(|socket| socket.feeds.get(&feed));
            if seen.is_none_or(|seen| stream::changed(&seen.fields, &fields).is_empty()) {
                continue;
            }
            let faults = self.plan.take("feed", None);
            let told = self.told(kind, &row, &fields, &faults, now);
            let Some(seen) = self.stream.sockets.get_mut(&id).and_then(|socket| socket.feeds.get_mut(&feed)) else { continue };
            let mut frame = head(if kind == FeedKind::Touch { "tf" } else { "df" }, &row);
            frame.insert("ft".to_owned(), epoch(now).into());
            frame.extend(stream::changed(&seen.told, &told));
            *seen = Seen { fields, told };
            self.misbehave(id, &faults);
            self.stream.send(id, &Value::Object(frame));
        }
    }

    /// The fields as they are told under these faults.
    fn told(
        &self,
        kind: FeedKind,
        row: &Instrument,
        fields: &Map<String, Value>,
        faults: &[Fault],
        now: DateTime<Utc>,
    ) -> Map<String, Value> {
        let levels = if kind == FeedKind::Touch { 1 } else { 5 };
        QuoteFaults::of(faults).bend(Fields::from(fields.clone()), &self.desk, row, levels, now).map()
    }

    fn feed_fields(&mut self, kind: FeedKind, row: &Instrument, now: DateTime<Utc>) -> Map<String, Value> {
        let Some(depth) = self.desk.market.depth(row, now) else { return Map::new() };
        let seen = Self::day(&mut self.days, row, &depth, now);
        let levels = if kind == FeedKind::Touch { 1 } else { 5 };
        let mut fields = data::prices(row.key.exchange, &depth, &seen, levels).map();
        if let Some((lowest, highest)) = row.band.filter(|_| kind == FeedKind::Depth) {
            fields.insert("lc".to_owned(), fixed(lowest.value(), 2).into());
            fields.insert("uc".to_owned(), fixed(highest.value(), 2).into());
        }
        if let Some(change) = percent(&seen, &depth) {
            fields.insert("pc".to_owned(), change.into());
        }
        fields
    }
}

fn head(kind: &str, row: &Instrument) -> Map<String, Value> {
    let mut frame = Map::new();
    frame.insert("t".to_owned(), kind.into());
    frame.insert("e".to_owned(), row.key.exchange.as_str().into());
    frame.insert("tk".to_owned(), row.token.to_string().into());
    frame
}

/// Per cent against the close of before.
fn percent(day: &DaySeen, depth: &Depth) -> Option<String> {
    let change = (depth.last.value() - day.close).checked_div(day.close)?;
    Some(fixed(change.checked_mul(rust_decimal::Decimal::ONE_HUNDRED)?, 2))
}
