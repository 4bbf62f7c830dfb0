//! Frames of the socket, both eras: what goes out, what comes in, and how prices merge.

use ordergate_actors::order::{BookState, Exchange, Product};
use secrecy::{ExposeSecret, SecretString};

use super::super::frames::{
    Era, Feed, Frame, OrderUpdate, Scrip, Shape, Tick, connect, heartbeat, read, subscribe, subscribe_orders, unsubscribe,
    unsubscribe_orders,
};
use super::super::request::Account;
use super::super::scalar::FieldError;
use super::{price, read_at, utc, with};

fn account() -> Account {
    Account { uid: "FA12345".into(), actid: "FA12345".into() }
}

#[test]
fn both_eras_connect_and_hide_the_token() {
    let token = SecretString::from("tok");
    let legacy = connect(Era::Legacy, &account(), &token);
    assert_eq!(legacy.expose_secret(), r#"{"t":"c","uid":"FA12345","actid":"FA12345","susertoken":"tok","source":"API"}"#);
    let oauth = connect(Era::OAuth, &account(), &token);
    assert_eq!(oauth.expose_secret(), r#"{"t":"a","uid":"FA12345","actid":"FA12345","accesstoken":"tok","source":"API"}"#);
    assert!(!format!("{legacy:?}").contains("tok\""));
}

#[test]
fn frames_go_out_as_documented_and_in_chunks() {
    assert_eq!(heartbeat(), r#"{"t":"h"}"#);
    assert_eq!(subscribe_orders(&account()), r#"{"t":"o","actid":"FA12345"}"#);
    assert_eq!(unsubscribe_orders(), r#"{"t":"uo"}"#);
    let scrips = [Scrip { exchange: Exchange::Nfo, token: 52_168 }, Scrip { exchange: Exchange::Nse, token: 26_000 }];
    assert_eq!(subscribe(Feed::Touchline, &scrips), [r#"{"t":"t","k":"NFO|52168#NSE|26000"}"#]);
    assert_eq!(subscribe(Feed::Depth, &scrips[..1]), [r#"{"t":"d","k":"NFO|52168"}"#]);
    assert_eq!(unsubscribe(Feed::Touchline, &scrips[..1]), [r#"{"t":"u","k":"NFO|52168"}"#]);
    assert_eq!(unsubscribe(Feed::Depth, &scrips[..1]), [r#"{"t":"ud","k":"NFO|52168"}"#]);
    assert!(subscribe(Feed::Depth, &[]).is_empty());
    let many: Vec<Scrip> = (0..120).map(|token| Scrip { exchange: Exchange::Nfo, token }).collect();
    let frames = subscribe(Feed::Touchline, &many);
    assert_eq!(frames.iter().map(|frame| frame.matches('|').count()).collect::<Vec<_>>(), [50, 50, 20]);
}

#[test]
fn the_answer_to_connect_is_ok_only_when_it_says_so() {
    for (text, ok) in [
        (r#"{"t":"ck","s":"OK","uid":"FA12345"}"#, true),
        (r#"{"t":"ak","s":"Ok","uid":"FA12345"}"#, true),
        (r#"{"t":"ak","stat":"ok","uid":"FA12345"}"#, true),
        (r#"{"t":"ck","s":"NOT_OK","uid":"FA12345"}"#, false),
        (r#"{"t":"ck","uid":"FA12345"}"#, false),
    ] {
        assert_eq!(read(text, read_at()), Frame::Connected { ok, uid: Some("FA12345".into()) }, "{text}");
    }
}

#[test]
fn small_frames_are_told_apart() {
    for (text, frame) in [
        (r#"{"t":"hk"}"#, Frame::Heartbeat),
        (r#"{"t":"h"}"#, Frame::Heartbeat),
        (r#"{"t":"ok"}"#, Frame::OrdersSubscribed),
        (r#"{"t":"uk","k":"NFO|1"}"#, Frame::Unsubscribed),
        (r#"{"t":"udk"}"#, Frame::Unsubscribed),
        (r#"{"t":"uok"}"#, Frame::Unsubscribed),
    ] {
        assert_eq!(read(text, read_at()), frame, "{text}");
    }
    for text in [r#"{"t":"zz"}"#, "{}", "x", "", "[1]"] {
        assert!(matches!(read(text, read_at()), Frame::Unknown(_)), "{text}");
    }
}

fn tick(text: &str) -> Tick {
    match read(text, read_at()) {
        Frame::Tick(tick) => *tick,
        other => panic!("{other:?}"),
    }
}

#[test]
fn price_updates_merge_into_the_snapshot() {
    let whole = tick(
        r#"{"t":"tk","e":"NFO","tk":"43210","ts":"NIFTY25AUG26C25000","pp":"2","ls":"65","ti":"0.05","lp":"101.45","bp1":"101.40","sp1":"101.50","bq1":"1300","sq1":"650","ft":"1786507445"}"#,
    );
    assert!(whole.is_whole);
    assert_eq!(whole.scrip, Scrip { exchange: Exchange::Nfo, token: 43_210 });
    let quote = whole.merge(None, read_at());
    let quote = tick(r#"{"t":"tf","e":"NFO","tk":"43210","lp":"101.60","pc":"3.25","ft":"1786507446"}"#).merge(quote, read_at()).unwrap();
    assert_eq!((quote.last, quote.bid, quote.at.timestamp()), (price("101.60"), Some(price("101.40")), 1_786_507_446));
    let quote = tick(r#"{"t":"df","e":"NFO","tk":43210,"bp1":101.55,"bq1":"195"}"#).merge(Some(quote), read_at()).unwrap();
    assert_eq!((quote.last, quote.bid, quote.ask), (price("101.60"), Some(price("101.55")), Some(price("101.50"))));
    let quote = tick(r#"{"t":"tf","e":"NFO","tk":"43210","sp1":"0.00","lp":"0.00"}"#).merge(Some(quote), read_at()).unwrap();
    assert_eq!((quote.last, quote.ask), (price("101.60"), None), "a side can empty, a price cannot");
    assert_eq!(tick(r#"{"t":"tf","e":"NFO","tk":"43210","bp1":"1"}"#).merge(None, read_at()), None, "no last price yet");
    assert!(matches!(read(r#"{"t":"tk","e":"NFO"}"#, read_at()), Frame::Unreadable { is_order: false, .. }));
}

/// The band of a contract without one is told as some huge figure, and a close may be odd: neither takes the price away.
#[test]
fn an_odd_figure_beside_a_price_is_no_figure() {
    let whole = r#"{"t":"dk","e":"NFO","tk":"43210","lp":"101.45","bp1":"101.40","sp1":"101.50","lc":"0.05","uc":"310.00","c":"98.40"}"#;
    for (name, value) in [("uc", "21474836.47"), ("uc", "99999999.00"), ("lc", "-0.05"), ("lc", "none"), ("c", "-1")] {
        let tick = tick(&with(whole, name, Some(&format!("\"{value}\""))));
        let quote = tick.merge(None, read_at()).unwrap();
        assert_eq!((quote.last, quote.bid), (price("101.45"), Some(price("101.40"))), "{name} {value}");
        assert_eq!(quote.band.is_some(), name == "c", "{name} {value}");
        assert_eq!(tick.previous_close.is_none(), name == "c", "{name} {value}");
    }
    for name in ["lp", "bp1", "sp1"] {
        assert!(matches!(read(&with(whole, name, Some("\"x\"")), read_at()), Frame::Unreadable { is_order: false, .. }), "{name}");
    }
}

#[test]
fn before_its_first_trade_a_contract_has_the_price_of_its_book() {
    let whole = r#"{"t":"dk","e":"NFO","tk":"43210","lp":"0.00","bp1":"101.40","sp1":"101.60","lc":"0.05","uc":"310.00","c":"98.40"}"#;
    let last = |text: &str| tick(text).merge(None, read_at()).map(|quote| quote.last);
    assert_eq!(last(whole), Some(price("98.40")), "the close of before");
    assert_eq!(last(&with(whole, "lp", None)), Some(price("98.40")));
    assert_eq!(last(&with(whole, "c", Some("\"400.00\""))), Some(price("101.5")), "which today's band does not admit");
    assert_eq!(last(&with(whole, "c", None)), Some(price("101.5")));
    assert_eq!(last(&with(whole, "sp1", Some("\"0.00\""))), None, "one side alone prices nothing");
    assert_eq!(last(&with(whole, "sp1", Some("\"101.30\""))), None, "nor does a crossed book");
    let quote = tick(whole).merge(None, read_at());
    assert_eq!(tick(r#"{"t":"df","e":"NFO","tk":"43210","lp":"101.55"}"#).merge(quote, read_at()).unwrap().last, price("101.55"));
}

#[test]
fn the_band_of_the_day_comes_with_depth_and_stays_for_the_day() {
    let depth = tick(r#"{"t":"dk","e":"NFO","tk":"43210","lp":"101.45","lc":"0.05","uc":"310.00","ft":"1786507445"}"#);
    let quote = depth.merge(None, read_at());
    let band = |low: &str, high: &str| Some((price(low), price(high)));
    assert_eq!(quote.unwrap().band, band("0.05", "310"));
    let after = |text: &str| tick(text).merge(quote, read_at()).unwrap().band;
    assert_eq!(after(r#"{"t":"df","e":"NFO","tk":"43210","uc":"330.00","ft":"1786507446"}"#), band("0.05", "330"), "it was widened");
    assert_eq!(after(r#"{"t":"tk","e":"NFO","tk":"43210","lp":"101.45","ft":"1786507446"}"#), band("0.05", "310"));
    assert_eq!(after(r#"{"t":"tf","e":"NFO","tk":"43210","lp":"101.45","ft":"1786593845"}"#), None, "the band of the day before");
}

const FILL: &str = r#"{"t":"om","norenordno":"26081200012345","uid":"FA12345","actid":"FA12345","exch":"NFO","tsym":"NIFTY25AUG26C25000","qty":"65","prc":"101.50","pcode":"M","remarks":"X7K2-000123-1","rejreason":" ","status":"COMPLETE","reporttype":"Fill","trantype":"B","prctyp":"LMT","ret":"DAY","exchordid":"1500000079566637","fillshares":"65","avgprc":"101.45","flid":"380225664","flqty":"65","flprc":"101.45","fltm":"12-08-2026 10:14:05","exch_tm":"12-08-2026 10:14:05"}"#;

fn update(text: &str) -> OrderUpdate {
    match read(text, read_at()) {
        Frame::Order(update) => *update,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_frame_of_an_order_is_sparse() {
    let sparse = update(
        r#"{"t":"om","norenordno":"26081200012345","uid":"FA12345","actid":"FA12345","exch":"NFO","tsym":"NIFTY25AUG26C25000","trantype":"B","pp":"2","mult":"1","prcftr":"1.000000","status":"PENDING","st_intrn":"ORDER ACK","reporttype":"NewAck","pcode":"M","tm":"1786507445","norentm":"10:14:05 12-08-2026","ntm":"10:14:05 12-08-2026","kidid":"1"}"#,
    );
    assert_eq!((sparse.broker_order_id.as_str(), sparse.shape, sparse.trade), ("26081200012345", Shape::Sparse { lacks: "qty" }, None));
}

#[test]
fn a_fill_frame_is_a_row_and_a_trade() {
    for text in [FILL.to_owned(), FILL.replace("norenordno", "norenoordno"), FILL.replace("pcode", "prd")] {
        let update = update(&text);
        let Shape::Whole(row) = update.shape else { panic!("sparse") };
        assert_eq!((row.row.state, row.row.filled, row.row.product), (BookState::Complete, 65, Product::Nrml));
        assert_eq!(row.row.tag.as_deref(), Some("X7K2-000123-1"));
        let trade = update.trade.unwrap().unwrap();
        assert_eq!((trade.fill.trade_id.as_str(), trade.fill.at), ("380225664", utc("2026-08-12T04:44:05Z")));
    }
}

#[test]
fn a_partial_fill_and_a_fill_without_a_number() {
    let partial = update(&with(&with(FILL, "qty", Some("130")), "status", Some("\"OPEN\"")));
    let Shape::Whole(row) = partial.shape else { panic!("sparse") };
    assert_eq!((row.row.state, row.row.filled, row.row.quantity), (BookState::Open, 65, 130));
    let nameless = update(&with(FILL, "flid", None));
    assert_eq!(nameless.trade, Some(Err(FieldError::Missing { field: "flid" })));
}

#[test]
fn a_refused_cancel_does_not_end_the_order() {
    let text = with(&with(FILL, "status", Some("\"REJECTED\"")), "reporttype", Some("\"CancelRejected\""));
    let Shape::Whole(row) = update(&text).shape else { panic!("sparse") };
    assert_eq!(row.row.state, BookState::Open);
    assert!(row.doubt.is_some());
    assert!(matches!(read(&with(FILL, "qty", Some("\"x\"")), read_at()), Frame::Unreadable { is_order: true, .. }));
    assert!(matches!(read(r#"{"t":"om"}"#, read_at()), Frame::Unreadable { is_order: true, .. }));
}
