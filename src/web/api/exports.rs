//! `GET /dashboard/exports/….csv?from=&to=`: orders, trades, results and the journal of a range of trading dates, for a spreadsheet.
//!
//! Read from the disk by a connection of its own, a part at a time and only as fast as it is taken: the writer never waits for it,
//! and no part stays in memory. A read that fails breaks the answer off, so that half a file is not taken for a whole one.

use std::collections::VecDeque;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, Query as Parameters, block};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use futures_util::stream::unfold;
use ordergate_actors::order::{ClientId, HoldingKey, InstrumentKey, Strategy, ist, trading_date};
use ordergate_actors::persistence::chain::stored_time;
use ordergate_actors::pnl::{Day, Line, PointValues};
use ordergate_actors::ports::StoreError;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::pnl::money;
use super::{Answer, accounts};
use crate::sheet::{self, line, maybe};
use crate::store::{OpenError, ReadStore, Times};
use crate::web::problem::Problem;
use crate::web::state::WebState;

/// Days of one export: a year.
const MOST_DAYS: i64 = 366;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Asked {
    /// The first trading date; absent: `to`.
    from: Option<NaiveDate>,
    /// The last trading date; absent: today.
    to: Option<NaiveDate>,
    client_id: Option<String>,
}

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sheet {
    Orders,
    Fills,
    Pnl,
    Journal,
}

impl Sheet {
    fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Fills => "fills",
            Self::Pnl => "pnl",
            Self::Journal => "journal",
        }
    }

    fn columns(self) -> &'static str {
        match self {
            Self::Orders => sheet::ORDER,
            Self::Fills => {
                "client_id,trading_date,at,strategy,exchange,symbol,side,product,quantity,price,value,trade_id,broker_order_id,command_id"
            }
            Self::Pnl => {
                "client_id,trading_date,strategy,exchange,symbol,product,carried,bought,bought_value,sold,sold_value,net,realised,charges,\
                 net_realised,orders,wins,losses,closed_elsewhere"
            }
            Self::Journal => sheet::JOURNAL,
        }
    }
}

/// The orders that were made on these days.
pub(in crate::web) async fn orders(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    export(&request, &asked, &state, Sheet::Orders).await
}

/// The trades of these days.
pub(in crate::web) async fn fills(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    export(&request, &asked, &state, Sheet::Fills).await
}

/// What each strategy realised on these days, instrument by instrument, with what it was charged.
pub(in crate::web) async fn pnl(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    export(&request, &asked, &state, Sheet::Pnl).await
}

/// The journal of these days.
pub(in crate::web) async fn journal(request: HttpRequest, asked: Parameters<Asked>, state: Data<WebState>) -> Answer {
    export(&request, &asked, &state, Sheet::Journal).await
}

async fn export(request: &HttpRequest, asked: &Asked, state: &Data<WebState>, sheet: Sheet) -> Answer {
    let days = days(asked, trading_date(state.now()))?;
    let times = Times { from: midnight(Some(days.0))?, to: midnight(days.1.succ_opt())? };
    let clients: VecDeque<ClientId> = accounts(state, request, asked.client_id.as_deref())?.into();
    let seat = Arc::clone(&state.exports).try_acquire_owned().map_err(|_| {
        let detail = "as many exports are being read as may be at one time";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_exports", detail, "wait until one of them is done").after(5)
    })?;
    let directory = state.paths.database.parent().map(std::path::Path::to_owned).unwrap_or_default();
    let store = block(move || ReadStore::open(&directory)).await.map_err(|_| unread(&"it was given up"))?;
    let store = store.map_err(|cause: OpenError| unread(&cause))?;
    let export = Export { state: state.clone(), store, sheet, clients, days, times, at: Cursor::Begin, _seat: seat };
    let name = format!("{}_{}_{}.csv", sheet.name(), days.0, days.1);
    let head = Ok::<_, actix_web::Error>(Bytes::from(format!("{}\r\n", sheet.columns())));
    let rows = unfold(Some(export), |export| async move { next(export?).await });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(futures_util::StreamExt::chain(futures_util::stream::iter([head]), rows)))
}

fn unread(cause: &dyn std::fmt::Display) -> Problem {
    tracing::error!(event = "read_failed", %cause, "an export could not be read");
    Problem::unavailable("read_failed", "the record could not be read just now")
}

/// The first and the last trading date.
fn days(asked: &Asked, today: NaiveDate) -> Result<(NaiveDate, NaiveDate), Problem> {
    let to = asked.to.unwrap_or(today.max(asked.from.unwrap_or(today)));
    let from = asked.from.unwrap_or(to);
    let count = to.signed_duration_since(from).num_days();
    if (0..MOST_DAYS).contains(&count) { Ok((from, to)) } else { Err(bad_range(&format!("from {from} to {to}"))) }
}

fn bad_range(what: &str) -> Problem {
    let detail = format!("{what} is no range of 1 to {MOST_DAYS} days");
    Problem::bad_request("bad_range", detail, "send from and to as trading dates, 2026-11-26, both counted in")
}

/// When a trading date begins, in India.
fn midnight(day: Option<NaiveDate>) -> Result<DateTime<Utc>, Problem> {
    let begins = day.and_then(|day| day.and_time(NaiveTime::MIN).and_local_timezone(ist()).single());
    begins.map(|begins| begins.to_utc()).ok_or_else(|| bad_range("a day that no calendar has"))
}

/// How far the export of an account has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cursor {
    /// Not begun.
    Begin,
    /// After this number, up to that one.
    After(u64, u64),
    /// At this day.
    Day(NaiveDate),
}

struct Export {
    state: Data<WebState>,
    store: ReadStore,
    sheet: Sheet,
    /// The accounts that are left, the present one first.
    clients: VecDeque<ClientId>,
    days: (NaiveDate, NaiveDate),
    times: Times,
    at: Cursor,
    _seat: OwnedSemaphorePermit,
}

type Piece = Result<Bytes, actix_web::Error>;

/// The next piece of the answer; `None`: it is whole.
async fn next(mut export: Export) -> Option<(Piece, Option<Export>)> {
    let broken = |cause: &dyn std::fmt::Display| {
        tracing::error!(event = "read_failed", %cause, "an export broke off");
        Some((Err(actix_web::error::ErrorInternalServerError("the record could not be read")), None))
    };
    let read = block(move || {
        let part = export.part();
        (export, part)
    });
    match read.await {
        Ok((export, Ok(Some(text)))) => Some((Ok(Bytes::from(text)), Some(export))),
        Ok((_, Ok(None))) => None,
        Ok((_, Err(cause))) => broken(&cause),
        Err(cause) => broken(&cause),
    }
}

impl Export {
    /// The next rows, however many looks that takes; `None`: there are no more.
    fn part(&mut self) -> Result<Option<String>, StoreError> {
        while let Some(client_id) = self.clients.front().cloned() {
            let rows = self.look(&client_id)?;
            if !rows.is_empty() {
                return Ok(Some(rows.iter().map(|row| format!("{row}\r\n")).collect()));
            }
        }
        Ok(None)
    }

    /// One look, and a step on.
    fn look(&mut self, client_id: &ClientId) -> Result<Vec<String>, StoreError> {
        let at = match (self.at, self.sheet) {
            (Cursor::Begin, Sheet::Orders) => Cursor::After(0, self.store.last_number(client_id)?),
            (Cursor::Begin, Sheet::Journal) => Cursor::After(0, self.store.last_seq(client_id)?),
            (Cursor::Begin, Sheet::Fills | Sheet::Pnl) => Cursor::Day(self.days.0),
            (at, _) => at,
        };
        let (rows, after) = match at {
            Cursor::Begin => (Vec::new(), None),
            Cursor::After(after, last) => {
                let (rows, up_to): (Vec<String>, u64) = if self.sheet == Sheet::Orders {
                    let part = self.store.orders_within(client_id, after, self.times)?;
                    (part.rows.iter().map(sheet::order).collect(), part.up_to)
                } else {
                    let part = self.store.journal_within(client_id, after, self.times)?;
                    (part.rows.iter().map(sheet::journal).collect(), part.up_to)
                };
                (rows, (up_to < last).then_some(Cursor::After(up_to, last)))
            }
            Cursor::Day(day) => {
                let rows = if self.sheet == Sheet::Fills { self.trades(client_id, day)? } else { self.results(client_id, day)? };
                (rows, day.checked_add_days(Days::new(1)).filter(|next| *next <= self.days.1).map(Cursor::Day))
            }
        };
        self.at = after.unwrap_or(Cursor::Begin);
        if after.is_none() {
            self.clients.pop_front();
        }
        Ok(rows)
    }

    /// What a point of each contract is worth. What is not known has an empty field.
    fn points(&self, client_id: &ClientId) -> PointValues {
        self.state.engine.read(client_id, |book| book.points().clone()).unwrap_or_default()
    }

    fn trades(&self, client_id: &ClientId, day: NaiveDate) -> Result<Vec<String>, StoreError> {
        let trades = self.store.trades_of(client_id, day)?;
        let points = self.points(client_id);
        let row = |trade: &crate::store::Trade| {
            let fill = &trade.fill;
            line(&[
                client_id.as_str(),
                &day.to_string(),
                &stored_time(fill.at),
                trade.strategy.as_str(),
                trade.exchange.as_str(),
                &trade.symbol,
                trade.side.map_or("", |word| word.as_str()),
                trade.product.map_or("", |word| word.as_str()),
                &fill.quantity.to_string(),
                &fill.price.to_string(),
                &points
                    .of(&InstrumentKey::new(trade.exchange, &trade.symbol))
                    .map_or_else(String::new, |point| fill.price.times(fill.quantity.value()).rupees(point).to_string()),
                fill.trade_id.as_str(),
                fill.broker_order_id.as_str(),
                &trade.command_id.to_string(),
            ])
        };
        Ok(trades.iter().map(row).collect())
    }

    /// What was traded that day. What was only carried through it has no row: its worth at the end of that day is not on record.
    fn results(&self, client_id: &ClientId, day: NaiveDate) -> Result<Vec<String>, StoreError> {
        let of_day = Day::valued(self.points(client_id), day, [], &self.store.changes_of(client_id, day)?);
        Ok(of_day.lines().map(|one| self.result(client_id, day, one)).collect())
    }

    fn result(&self, client_id: &ClientId, day: NaiveDate, (strategy, key, of): (&Strategy, &HoldingKey, &Line)) -> String {
        let costs = self.state.site.charges.sum(self.state.engine.line(), client_id, day, std::iter::once((key, of)));
        let realised = of.curve.realised;
        let charges = costs.total();
        line(&[
            client_id.as_str(),
            &day.to_string(),
            strategy.as_str(),
            key.instrument.exchange.as_str(),
            &key.instrument.symbol,
            key.product.as_str(),
            &of.carried.net.to_string(),
            &of.bought.quantity.to_string(),
            &money(of.bought.value),
            &of.sold.quantity.to_string(),
            &money(of.sold.value),
            &of.held.net.to_string(),
            &money(realised),
            &maybe(charges.map(money)),
            &maybe(charges.map(|charges| money(realised.plus(charges.negated())))),
            &of.executed.count().to_string(),
            &of.trips.wins.to_string(),
            &of.trips.losses.to_string(),
            &of.left.to_string(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_whole_days_and_a_year_at_most() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let asked = |from: Option<&str>, to: Option<&str>| Asked { from: from.map(day), to: to.map(day), client_id: None };
        let today = day("2026-11-26");
        for (from, to, expected) in [
            (None, None, Some(("2026-11-26", "2026-11-26"))),
            (Some("2026-11-20"), None, Some(("2026-11-20", "2026-11-26"))),
            (None, Some("2026-11-20"), Some(("2026-11-20", "2026-11-20"))),
            (Some("2025-11-26"), Some("2026-11-26"), Some(("2025-11-26", "2026-11-26"))),
            (Some("2025-11-25"), Some("2026-11-26"), None),
            (Some("2026-11-26"), Some("2026-11-25"), None),
            (Some("-262143-01-01"), None, None),
        ] {
            let found = days(&asked(from, to), today).ok();
            assert_eq!(found, expected.map(|(from, to)| (day(from), day(to))), "{from:?} {to:?}");
        }
        assert_eq!(midnight(Some(today)).unwrap().to_rfc3339(), "2026-11-25T18:30:00+00:00");
        // The ends of all calendars: refused or read, and no panic.
        assert!(midnight(NaiveDate::MAX.succ_opt()).is_err());
        for day in [NaiveDate::MIN, NaiveDate::MAX] {
            let _either = midnight(Some(day));
        }
    }
}
