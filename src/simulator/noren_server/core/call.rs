//! One call from its arrival to its answer, in the broker's order of checks: session, rate, JSON, fields, algorithm rules,
//! number (Noren protocol reference, section 11.1).

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::books::{self, View};
use super::data::{self, QuoteFaults};
use super::desk::{Bend, Placing};
use super::log::{self, LogRow};
use super::reply::{Outcome, Reply};
use super::request::{self, Request};
use super::wire::{Fields, NO_DATA, SESSION_EXPIRED, not_ok};
use super::{Arrival, Core, Fault, Route, Times, entry, rate};

/// An answer and what was done, for the log.
struct Handled {
    reply: Reply,
    done: String,
}

impl Handled {
    fn refused(status: u16, text: &str, now: DateTime<Utc>) -> Self {
        Self { reply: Reply::Json(status, not_ok(now, text)), done: format!("refused: {text}") }
    }

    fn answered(value: Value) -> Self {
        Self { reply: Reply::Json(200, value), done: "answered".to_owned() }
    }
}

impl Core {
    /// A call arrives: it is counted, and meets its faults.
    pub(crate) fn arrive(&mut self, route: Route, body: &str, now: DateTime<Utc>) -> Arrival {
        let (n, of_route) = self.log.arrive(route);
        let tag = Request::parse(request::split(body).data, false).ok().and_then(|request| request.text("remarks"));
        let faults = self.plan.take(route.as_str(), tag.as_deref());
        Arrival { route, n, of_route, at: now, faults }
    }

    /// Does the call. `bearer` is the token of the header.
    pub(crate) fn call(&mut self, arrival: &Arrival, body: &str, bearer: Option<&str>, times: Times) -> Outcome {
        let now = times.now;
        self.advance(now);
        let skew = arrival.faults.iter().map(|fault| if let Fault::ClockSkew { ms } = fault { *ms } else { 0 }).sum();
        let said = now + TimeDelta::milliseconds(skew);
        let split = request::split(body);
        let fields = Request::parse(split.data, false).unwrap_or_default();
        let token = bearer.or(split.key);
        let handled = match self.bent(arrival, token, said) {
            Some(handled) => handled,
            None => self.straight(arrival, split.data, token, said, times),
        };
        let reply = arrival.faults.iter().fold(handled.reply, |reply, fault| match fault {
            Fault::Accept { then } => reply.gone_wrong(*then, said),
            _ => reply,
        });
        self.afterwards(arrival, now);
        self.publish(now);
        self.log_call(arrival, &fields, handled.done, &reply);
        let waits = arrival.faults.iter().map(|fault| match fault {
            Fault::Slow { ms } | Fault::StreamFirst { ms } => *ms,
            _ => 0,
        });
        Outcome { reply, after_ms: waits.max().unwrap_or(0) }
    }

    /// What a fault does instead of the call.
    fn bent(&mut self, arrival: &Arrival, token: Option<&str>, now: DateTime<Utc>) -> Option<Handled> {
        for fault in &arrival.faults {
            match fault {
                Fault::Refuse { then } => {
                    let whole = Fields::ok(now).with("norenordno", "00000000000000").value();
                    let reply = Reply::Json(200, whole).gone_wrong(*then, now);
                    return Some(Handled { reply, done: "refused before acceptance".to_owned() });
                }
                Fault::Reject { text, status } => return Some(Handled::refused(*status, text, now)),
                Fault::SessionExpired { status, kill } => {
                    if *kill {
                        token.into_iter().for_each(|token| self.sessions.end(token));
                        self.is_unsaved = true;
                    }
                    return Some(Handled::refused(*status, SESSION_EXPIRED, now));
                }
                Fault::GatewayPage { status } => {
                    return Some(Handled { reply: Reply::Html(*status), done: "refused by a gateway".to_owned() });
                }
                Fault::RatePage => return Some(Handled { reply: Reply::Html(429), done: "too many calls for a gateway".to_owned() }),
                Fault::SecondLogin => {
                    self.second_login();
                    return Some(Handled::refused(200, SESSION_EXPIRED, now));
                }
                Fault::WrongIp => return Some(Handled::refused(200, entry::WRONG_IP, now)),
                Fault::RateSecond => return Some(Handled::refused(400, &self.too_many("second"), now)),
                Fault::RateMinute => return Some(Handled::refused(400, &self.too_many("minute"), now)),
                Fault::LyingEmpty => return Some(Handled::refused(200, NO_DATA, now)),
                _ => {}
            }
        }
        None
    }

    fn too_many(&self, window: &str) -> String {
        let (per_second, per_minute) = self.rate.limits();
        let limit = if window == "second" { per_second.max(1) } else { per_minute.max(1) };
        rate::breach(limit + 1, window, limit)
    }

    fn straight(&mut self, arrival: &Arrival, data: Option<&str>, token: Option<&str>, said: DateTime<Utc>, times: Times) -> Handled {
        let now = times.now;
        if arrival.route.needs_session() {
            if !token.is_some_and(|token| self.sessions.knows(token, now)) {
                return Handled::refused(401, SESSION_EXPIRED, said);
            }
            if let Err(text) = self.rate.take(now) {
                return Handled::refused(400, &text, said);
            }
        }
        let request = match Request::parse(data, self.settings.refuse_raw_ampersand) {
            Ok(request) => request,
            Err(text) => return Handled::refused(400, text, said),
        };
        if arrival.route.needs_session() && request.text("uid").is_some_and(|uid| uid != self.settings.user.uid) {
            return Handled::refused(400, "Invalid Input : Invalid User", said);
        }
        match self.handle(arrival, &request, token, said, times) {
            Ok(handled) => handled,
            // Rejections come with 200, malformed input with 400.
            Err(text) if text.starts_with("Rejected") || text == NO_DATA || text.starts_with("No Data") => {
                Handled::refused(200, &text, said)
            }
            Err(text) => Handled::refused(400, &text, said),
        }
    }

    fn handle(
        &mut self,
        arrival: &Arrival,
        request: &Request,
        token: Option<&str>,
        said: DateTime<Utc>,
        times: Times,
    ) -> Result<Handled, String> {
        let (now, user) = (times.now, self.settings.user.clone());
        let view = view(&arrival.faults, now);
        match arrival.route {
            Route::QuickAuth => {
                let granted = self.sessions.quick_auth(request, now, &[times.now, times.machine])?;
                self.logged_in();
                Ok(Handled::answered(data::logged_in(&user, &granted, said)))
            }
            Route::GenAcsTok => {
                let granted = self.sessions.exchange(request, now)?;
                self.logged_in();
                Ok(Handled::answered(data::token_granted(&user, &granted, said)))
            }
            Route::ApiToken => {
                let granted = self.sessions.exchange_at_flattrade(request, now)?;
                self.logged_in();
                Ok(Handled::answered(data::api_token(&user, &granted)))
            }
            Route::Logout => {
                token.into_iter().for_each(|token| self.sessions.end(token));
                self.is_unsaved = true;
                Ok(Handled::answered(Fields::ok(said).value()))
            }
            Route::UserDetails => {
                request.require(&["uid"])?;
                Ok(Handled::answered(data::user(&user, said)))
            }
            Route::PlaceOrder => self.place(arrival, request, said, now),
            Route::ModifyOrder => {
                let bend = bend(&arrival.faults, &Fault::ReplaceRejected);
                let number = entry::modify(request, &mut self.desk, bend, now)?;
                if arrival.faults.contains(&Fault::RemarksByChange) {
                    self.desk.remark(&number, request.text("remarks"));
                }
                Ok(acknowledged("change accepted", &number, said))
            }
            Route::CancelOrder => {
                let bend = bend(&arrival.faults, &Fault::CancelRejected);
                let number = entry::cancel(request, &mut self.desk, bend, now)?;
                Ok(acknowledged("cancel accepted", &number, said))
            }
            Route::OrderBook => listed(request, &["uid"], books::orders(&self.desk, now, view)),
            Route::TradeBook => listed(request, &["uid", "actid"], books::trades(&self.desk, now, view)),
            Route::SingleOrdHist => {
                let number = request.or_empty("norenordno");
                listed(request, &["uid", "norenordno"], books::history(&self.desk, &number, now, view))
            }
            Route::PositionBook => listed(request, &["uid", "actid"], books::positions(&self.desk, now, view)),
            Route::Holdings => listed(request, &["uid", "actid", "prd"], books::holdings(&self.desk, &arrival.faults)),
            Route::Limits => {
                request.require(&["uid", "actid"])?;
                Ok(Handled::answered(data::limits(&self.desk, said)))
            }
            Route::GetOrderMargin => data::order_margin(request, &self.desk, said).map(Handled::answered),
            Route::GetBasketMargin => data::basket_margin(request, &self.desk, said).map(Handled::answered),
            Route::GetQuotes => {
                let faults = QuoteFaults::of(&arrival.faults);
                let days = &mut self.days;
                let mut day = |row: &_, depth: &_| Self::day(days, row, depth, now);
                data::quotes(request, &self.desk, faults, &mut day, said).map(Handled::answered)
            }
            Route::SearchScrip => data::search(request, &self.desk, said)?.map(Handled::answered).ok_or_else(|| "No Data :  ".to_owned()),
            Route::GetSecurityInfo => data::security(request, &self.desk, said).map(Handled::answered),
            Route::GetOptionChain => data::chain(request, &self.desk, said).map(Handled::answered),
        }
    }

    fn place(&mut self, arrival: &Arrival, request: &Request, said: DateTime<Utc>, now: DateTime<Utc>) -> Result<Handled, String> {
        let mut placing = entry::placing(request, &self.desk)?;
        shape(&mut placing, &arrival.faults, now);
        let tag = placing.tag.clone();
        let twin = arrival.faults.contains(&Fault::ForeignTwin).then(|| placing.clone());
        let number = self.desk.place(placing, now);
        *self.log.accepted.entry(tag.unwrap_or_default()).or_default() += 1;
        for fault in &arrival.faults {
            if let Fault::UnsolicitedCancel { ms } = fault {
                self.desk.strike(&number, "cancelled by the exchange", *ms, now);
            }
        }
        if let Some(twin) = twin {
            let source = "WEB".to_owned();
            self.desk.place(Placing { tag: None, remarks: None, source, oddities: super::order::Oddities::default(), ..twin }, now);
        }
        let reply = Reply::Json(200, Fields::ok(said).with("norenordno", &number).value());
        Ok(Handled { reply, done: format!("accepted {number}") })
    }

    /// What follows the call, whatever its answer was.
    fn afterwards(&mut self, arrival: &Arrival, now: DateTime<Utc>) {
        if arrival.faults.contains(&Fault::SquareOff) {
            self.desk.square_off(now);
        }
    }

    fn logged_in(&mut self) {
        self.is_unsaved = true;
        if self.settings.single_session {
            self.stream.evict(None);
        }
    }

    /// Somebody logs in elsewhere.
    pub(super) fn second_login(&mut self) {
        self.sessions.end_all();
        self.is_unsaved = true;
        self.stream.evict(None);
    }

    fn log_call(&mut self, arrival: &Arrival, request: &Request, done: String, reply: &Reply) {
        let answer = match reply {
            // Its token has the name that an instrument's number has elsewhere.
            Reply::Json(_, value) if arrival.route != Route::ApiToken || value["stat"] != "Ok" => log::summary(value),
            Reply::Json(..) => "a token".to_owned(),
            other => format!("{other:?}").chars().take(400).collect(),
        };
        self.log.add(LogRow {
            n: arrival.n,
            of_route: arrival.of_route,
            at: arrival.at,
            route: arrival.route.as_str(),
            tag: request.text("remarks"),
            fields: log::redacted(&request.fields),
            done,
            faults: arrival.faults.iter().filter_map(|fault| serde_json::to_value(fault).ok()).collect(),
            status: reply.status(),
            answer,
        });
    }
}

fn acknowledged(done: &str, number: &str, now: DateTime<Utc>) -> Handled {
    Handled { reply: Reply::Json(200, Fields::ok(now).with("result", number).value()), done: format!("{done} {number}") }
}

/// A list, or the object that says there is nothing.
fn listed(request: &Request, required: &[&str], rows: Vec<Value>) -> Result<Handled, String> {
    request.require(required)?;
    if rows.is_empty() { Err(NO_DATA.to_owned()) } else { Ok(Handled::answered(Value::Array(rows))) }
}

fn view(faults: &[Fault], now: DateTime<Utc>) -> View {
    let mut view = View::default();
    for fault in faults {
        match fault {
            Fault::Stale { ms } => view.as_of = Some(now - TimeDelta::milliseconds(i64::from(*ms))),
            Fault::Spelling => view.other_spelling = true,
            Fault::DuplicateTrades => view.trades_twice = true,
            Fault::MissingFlid => view.without_trade_ids = true,
            _ => {}
        }
    }
    view
}

fn bend(faults: &[Fault], refusal: &Fault) -> Bend {
    if faults.contains(&Fault::SafRejected) {
        Bend::Saf
    } else if faults.contains(&Fault::SafInBook) {
        Bend::SafInBook
    } else if faults.contains(refusal) {
        Bend::Refused
    } else {
        Bend::Straight
    }
}

/// Puts the faults of a placing on its order.
fn shape(placing: &mut Placing, faults: &[Fault], now: DateTime<Utc>) {
    let odd = &mut placing.oddities;
    let later = |ms: u32| Some(now + TimeDelta::milliseconds(i64::from(ms)));
    for fault in faults {
        match fault {
            Fault::Invisible { ms, stream } => (odd.visible_from, odd.streams_early) = (later(*ms), *stream),
            Fault::Stuck { ms } => {
                odd.visible_from = later(*ms);
                placing.held_ms = *ms;
            }
            Fault::SilentlyDropped => odd.dropped = true,
            Fault::StreamLost => odd.stream_lost = true,
            Fault::StreamDuplicate => odd.stream_twice = true,
            Fault::StreamReorder => odd.stream_swapped = true,
            Fault::StreamDelay { ms } => odd.stream_delay_ms = *ms,
            Fault::RemarksTruncated { length } => {
                placing.remarks = placing.remarks.take().map(|text| text.chars().take(*length).collect());
            }
            Fault::RemarksMissing => placing.remarks = None,
            _ => {}
        }
    }
}
