//! Over real sockets: a server on loopback that serves what it is told to.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, web};
use chrono::{DateTime, NaiveTime, Utc};
use ordergate_actors::order::InstrumentKey;
use ordergate_actors::ports::{Clock, Instruments};
use parking_lot::Mutex;

use super::super::archive::pack;
use super::super::refresh::{News, Refresh, Tried};
use super::*;
use crate::instruments::{Freshness, Masters};

const NFO: &str = "Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,\n";

fn row(token: u32) -> String {
    format!("NFO,{token},65,NIFTY,NIFTY{token},24-NOV-2026,FUTIDX,XX,-0.01,0.1,\n")
}

fn master(rows: u32) -> Vec<u8> {
    let text: String = std::iter::once(NFO.to_owned()).chain((0..rows).map(row)).collect();
    pack("NFO_symbols.txt", text.as_bytes()).unwrap()
}

/// What is served under each name, with its status, and how often something was asked for.
#[derive(Default)]
struct Served {
    files: Mutex<BTreeMap<String, (u16, Vec<u8>)>>,
    asked: Mutex<Vec<String>>,
}

impl Served {
    fn put(&self, name: &str, status: u16, bytes: Vec<u8>) {
        self.files.lock().insert(name.to_owned(), (status, bytes));
    }
}

async fn answer(served: web::Data<Served>, name: web::Path<String>) -> HttpResponse {
    served.asked.lock().push(name.clone());
    match served.files.lock().get(&*name) {
        Some((status, bytes)) => {
            let status = actix_web::http::StatusCode::from_u16(*status).unwrap();
            HttpResponse::build(status).insert_header(("Location", "http://127.0.0.1:9/elsewhere")).body(bytes.clone())
        }
        None => HttpResponse::NotFound().finish(),
    }
}

/// The base address of a server that runs as long as the test.
fn serve() -> (String, web::Data<Served>) {
    let served = web::Data::new(Served::default());
    let data = served.clone();
    let server = HttpServer::new(move || App::new().app_data(data.clone()).route("/files/{name}", web::get().to(answer)));
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let base = format!("http://{}/files/", server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    (base, served)
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

#[derive(Debug)]
struct SetClock(Mutex<DateTime<Utc>>);

impl Clock for SetClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock()
    }
}

#[actix_web::test]
async fn a_whole_master_is_stored_under_its_day() {
    let (base, served) = serve();
    let here = tempfile::tempdir().unwrap();
    served.put("NFO_symbols.txt.zip", 200, master(3));
    let downloader = Downloader::new(&base, here.path().to_owned(), EquityTick::Paise).unwrap();
    let fetched = downloader.fetch(Exchange::Nfo, day("2026-11-20")).await.unwrap();
    assert_eq!((fetched.rows, fetched.bad_count), (3, 0));
    let stored = std::fs::read_to_string(here.path().join("2026-11-20/NFO.txt")).unwrap();
    assert!(stored.starts_with(NFO) && stored.ends_with(&row(2)));
    assert_eq!(*served.asked.lock(), ["NFO_symbols.txt.zip"]);
}

#[actix_web::test]
async fn what_is_not_a_whole_master_leaves_nothing_behind() {
    let (base, served) = serve();
    let here = tempfile::tempdir().unwrap();
    let downloader = Downloader::new(&base, here.path().to_owned(), EquityTick::Paise).unwrap();
    served.put("NFO_symbols.txt.zip", 200, master(10));
    downloader.fetch(Exchange::Nfo, day("2026-11-19")).await.unwrap();
    let cut = format!("{NFO}{}NFO,2,65", row(1));
    for (status, bytes, words) in [
        (502, b"<html>".to_vec(), "answered 502"),
        (302, Vec::new(), "answered 302"),
        (200, b"<html>busy</html>".to_vec(), "the archive does not read"),
        (200, pack("NFO_symbols.txt", b"<html>\n").unwrap(), "the header has no column"),
        (200, pack("NFO_symbols.txt", cut.as_bytes()).unwrap(), "ends in the middle of line 3"),
        (200, master(4), "4 rows, and 10 in the master before it"),
        (200, master(0), "no row of it can be used"),
    ] {
        served.put("NFO_symbols.txt.zip", status, bytes);
        let error = downloader.fetch(Exchange::Nfo, day("2026-11-20")).await.unwrap_err().to_string();
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
    assert!(!here.path().join("2026-11-20").exists());
    served.put("NFO_symbols.txt.zip", 200, master(5));
    downloader.fetch(Exchange::Nfo, day("2026-11-20")).await.unwrap();
    assert!(matches!(Downloader::new("ftp://a", here.path().to_owned(), EquityTick::Paise), Err(FetchError::Address(_))));
}

#[actix_web::test]
async fn a_day_is_fetched_once_swapped_in_and_a_failure_keeps_yesterdays() {
    let (base, served) = serve();
    let here = tempfile::tempdir().unwrap();
    let refresh = Refresh {
        downloader: Downloader::new(&base, here.path().to_owned(), EquityTick::Paise).unwrap(),
        exchanges: vec![Exchange::Nfo],
        keep_days: 5,
        from: NaiveTime::from_hms_opt(8, 30, 0).unwrap(),
    };
    let masters = Arc::new(Masters::of([Exchange::Nfo], crate::instruments::InstrumentTable::default()));
    let clock = SetClock(Mutex::new("2026-11-19T03:00:00Z".parse().unwrap()));
    let (news, mut tried) = (Mutex::new(Vec::new()), Tried::default());
    let tell = |item: News| {
        news.lock().push(match item {
            News::Fetched(fetched) => format!("fetched {}", fetched.day),
            News::Failed { as_of, next, .. } => format!("failed, {as_of:?} stays, next {}", next.time()),
            News::InForce { rows, as_of, .. } => format!("{rows} rows of {}", as_of.unwrap()),
            News::Unreadable(error) => error.to_string(),
        });
    };
    served.put("NFO_symbols.txt.zip", 200, master(2));
    let again = refresh.round(&masters, &mut tried, &clock, &tell).await;
    assert_eq!(std::mem::take(&mut *news.lock()), ["fetched 2026-11-19", "2 rows of 2026-11-19"]);
    assert_eq!((again, masters.freshness(clock.now())), ("2026-11-20T03:00:00Z".parse().unwrap(), Freshness::Fresh));
    assert!(masters.find(&InstrumentKey::new(Exchange::Nfo, "NIFTY1")).is_some());
    refresh.round(&masters, &mut tried, &clock, &tell).await;
    assert_eq!((news.lock().len(), served.asked.lock().len()), (0, 1), "once a day");

    *clock.0.lock() = again;
    served.put("NFO_symbols.txt.zip", 503, Vec::new());
    let again = refresh.round(&masters, &mut tried, &clock, &tell).await;
    assert_eq!(std::mem::take(&mut *news.lock()), ["failed, Some(2026-11-19) stays, next 03:01:00"]);
    assert_eq!(
        (again, masters.freshness(clock.now())),
        ("2026-11-20T03:01:00Z".parse().unwrap(), Freshness::Stale { as_of: day("2026-11-19") })
    );
    refresh.round(&masters, &mut tried, &clock, &tell).await;
    assert_eq!(served.asked.lock().len(), 2, "no attempt before its time");

    *clock.0.lock() = again;
    served.put("NFO_symbols.txt.zip", 200, master(3));
    refresh.round(&masters, &mut tried, &clock, &tell).await;
    assert_eq!(std::mem::take(&mut *news.lock()), ["fetched 2026-11-20", "3 rows of 2026-11-20"]);
    assert_eq!(masters.freshness(clock.now()), Freshness::Fresh);
}

/// `ordergate instruments fetch` beside a running engine, and a file that the disk has spoilt.
#[actix_web::test]
async fn files_that_somebody_else_stored_are_taken_and_spoilt_ones_fetched_again() {
    let (base, served) = serve();
    let here = tempfile::tempdir().unwrap();
    let refresh = Refresh {
        downloader: Downloader::new(&base, here.path().to_owned(), EquityTick::Paise).unwrap(),
        exchanges: vec![Exchange::Nfo],
        keep_days: 5,
        from: NaiveTime::from_hms_opt(8, 30, 0).unwrap(),
    };
    let masters = Masters::of([Exchange::Nfo], crate::instruments::InstrumentTable::default());
    let clock = SetClock(Mutex::new("2026-11-20T03:00:00Z".parse().unwrap()));
    let (news, mut tried) = (Mutex::new(Vec::new()), Tried::default());
    let tell = |item: News| news.lock().push(item.to_string());
    refresh.round(&masters, &mut tried, &clock, &tell).await;
    assert!(news.lock()[0].contains("answered 404; there is none, the next attempt is at"), "{:?}", news.lock());
    store::write(here.path(), day("2026-11-20"), Exchange::Nfo, format!("{NFO}{}", row(7)).as_bytes()).unwrap();
    refresh.round(&masters, &mut tried, &clock, &tell).await;
    assert!(masters.find(&InstrumentKey::new(Exchange::Nfo, "NIFTY7")).is_some());
    assert_eq!((masters.freshness(clock.now()), served.asked.lock().len()), (Freshness::Fresh, 1));

    let masters = Masters::of([Exchange::Nfo], crate::instruments::InstrumentTable::default());
    store::write(here.path(), day("2026-11-20"), Exchange::Nfo, b"spoilt").unwrap();
    served.put("NFO_symbols.txt.zip", 200, master(2));
    news.lock().clear();
    refresh.round(&masters, &mut Tried::default(), &clock, &tell).await;
    assert!(news.lock()[0].contains("passed over"), "{:?}", news.lock());
    assert_eq!((masters.freshness(clock.now()), masters.table().len()), (Freshness::Fresh, 2));
}
