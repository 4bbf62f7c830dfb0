use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate_actors::order::{Exchange, Instrument, Kind, Right};
use ordergate_actors::ports::Quotes;

use super::board::{Board, Changes, Sizes};
use super::fixtures::{price, share};
use super::wire::frames::{Frame, Scrip, Tick, read};
use crate::instruments::InstrumentTable;

fn now() -> DateTime<Utc> {
    "2026-11-20T04:30:00Z".parse().unwrap()
}

fn board(most: usize) -> Board {
    Board::new(Arc::new(InstrumentTable::new([share()])), most)
}

fn scrip(token: u32) -> Scrip {
    Scrip { exchange: Exchange::Nse, token }
}

fn tick(fields: &str) -> Tick {
    match read(&format!(r#"{{"e":"NSE","tk":"2885",{fields}}}"#), now()) {
        Frame::Tick(tick) => *tick,
        other => panic!("{other:?}"),
    }
}

#[test]
fn frames_are_merged_and_their_age_is_never_in_the_future() {
    let (board, key) = (board(2), share().key);
    let whole = tick(r#""t":"tk","lp":"101.45","bp1":"101.40","sp1":"101.50""#);
    assert!(!board.take(&whole, now()), "nobody asked");
    assert_eq!(board.quote(&key), None);
    assert!(board.take(&whole, now()));
    let later = now() + TimeDelta::seconds(1);
    board.take(&tick(r#""t":"tf","bp1":"0""#), later);
    let quote = board.quote(&key).unwrap();
    assert_eq!((quote.bid, quote.ask.map(|ask| ask.to_string()), quote.at), (None, Some("101.5".into()), later), "the bid went");
    let ahead = (now() + TimeDelta::hours(1)).timestamp();
    board.take(&tick(&format!(r#""t":"tf","lp":"102","ft":"{ahead}""#)), later);
    assert_eq!(board.quote(&key).unwrap().at, later);
    let yesterday = now() - TimeDelta::days(1);
    board.take(&tick(&format!(r#""t":"tk","lp":"102","ft":"{}""#, yesterday.timestamp())), later);
    assert_eq!(board.quote(&key).unwrap().at, yesterday, "a closed market's snapshot is old");
}

#[test]
fn the_instrument_that_nobody_asked_for_longest_gives_way() {
    let board = board(2);
    for token in [1, 2, 1, 3] {
        board.want(scrip(token));
    }
    assert_eq!(board.all(), [scrip(1), scrip(3)]);
    board.want(scrip(4));
    assert_eq!(board.take_changes(), Changes { subscribe: vec![scrip(4)], unsubscribe: vec![scrip(1)] });
    assert_eq!(board.take_changes(), Changes::default());
    board.want(scrip(4));
    assert_eq!(board.take_changes(), Changes::default());
}

#[tokio::test]
async fn a_change_is_told_even_if_it_came_before_the_question() {
    let board = board(2);
    board.want(scrip(7));
    board.changed().await;
    assert_eq!(board.take_changes().subscribe, [scrip(7)]);
}

#[test]
fn an_older_quote_does_not_replace_a_newer_one() {
    let (board, key) = (board(2), share().key);
    board.want(scrip(2885));
    board.take(&tick(r#""t":"tk","lp":"101.45""#), now());
    let newest = board.quote(&key).unwrap();
    let asked = |at| ordergate_actors::ports::Quote { at, seen_at: at, ..newest };
    let older = ordergate_actors::ports::Quote { bid: None, ..asked(now() - TimeDelta::seconds(1)) };
    board.put(scrip(2885), older, Sizes::default());
    assert_eq!(board.quote(&key), Some(newest));
    let newer = asked(now() + TimeDelta::seconds(1));
    board.put(scrip(2885), newer, Sizes::default());
    assert_eq!(board.quote(&key), Some(newer));
}

/// The feed dates what stands still by its last change.
#[test]
fn what_was_pushed_after_a_question_is_no_older_than_it() {
    let (board, key) = (board(2), share().key);
    board.want(scrip(2885));
    let changed = now() - TimeDelta::minutes(3);
    board.take(&tick(&format!(r#""t":"dk","lp":"101.45","ft":"{}""#, changed.timestamp())), now());
    let pushed = board.quote(&key).unwrap();
    assert_eq!((pushed.at, pushed.seen_at), (changed, now()));
    let asked_at = now() - TimeDelta::milliseconds(300);
    board.put(scrip(2885), ordergate_actors::ports::Quote { at: asked_at, seen_at: asked_at, ..pushed }, Sizes::default());
    assert_eq!(board.quote(&key), Some(ordergate_actors::ports::Quote { at: asked_at, ..pushed }));
}

#[test]
fn the_band_of_an_older_quote_is_kept_and_a_newer_quote_without_one_takes_none_away() {
    let (board, key) = (board(2), share().key);
    board.want(scrip(2885));
    board.take(&tick(r#""t":"tk","lp":"101.45""#), now());
    let newest = board.quote(&key).unwrap();
    let band = Some((newest.last, newest.last));
    let put = |seconds| {
        let asked_at = now() + TimeDelta::seconds(seconds);
        let band = band.filter(|_| seconds < 0);
        board.put(scrip(2885), ordergate_actors::ports::Quote { at: asked_at, seen_at: asked_at, band, ..newest }, Sizes::default());
    };
    put(-1);
    assert_eq!(board.quote(&key), Some(ordergate_actors::ports::Quote { band, ..newest }));
    put(1);
    assert_eq!(board.quote(&key).unwrap().band, band);
}

#[test]
fn sizes_are_merged_and_every_other_touch_is_another_version() {
    let (board, key) = (board(2), share().key);
    assert_eq!(board.touch(&key), None);
    board.take(&tick(r#""t":"tk","lp":"101.45","bp1":"101.40","sp1":"101.50","bq1":"10","sq1":"20""#), now());
    let first = board.touch(&key).unwrap();
    assert_eq!(first.sizes, Sizes { bid: Some(10), ask: Some(20) });
    board.take(&tick(r#""t":"tf","lp":"101.50""#), now());
    assert_eq!(board.touch(&key).unwrap().version, first.version, "a trade alone leaves the touch as it is");
    board.take(&tick(r#""t":"tf","sq1":"5""#), now());
    let second = board.touch(&key).unwrap();
    assert_eq!(second.sizes, Sizes { bid: Some(10), ask: Some(5) });
    board.take(&tick(r#""t":"tf","sq1":"20""#), now());
    let third = board.touch(&key).unwrap();
    assert!(first.version < second.version && second.version < third.version, "the same book again is a new one");
    board.take(&tick(r#""t":"tk","lp":"101.45","bp1":"101.40","sp1":"101.50""#), now());
    assert_eq!(board.touch(&key).unwrap().sizes, Sizes::default(), "a whole frame without sizes knows none");
}

#[test]
fn the_previous_close_is_the_first_of_a_day_and_of_that_day_only() {
    let (board, key) = (board(2), share().key);
    let (two, three) = (Some("98.4".to_owned()), Some("99".to_owned()));
    let close = |board: &Board| board.previous_close(&key).map(|price| price.to_string());
    assert_eq!(board.quote(&key), None);
    board.take(&tick(r#""t":"tk","lp":"101.45""#), now());
    assert_eq!(close(&board), None, "the feed did not say");
    board.put_close(scrip(2885), ordergate_actors::order::Price::parse("98.40").ok(), now());
    assert_eq!(close(&board), two);
    board.take(&tick(r#""t":"tk","lp":"101.45","c":"101.45""#), now() + TimeDelta::hours(8));
    assert_eq!(close(&board), two, "after the session it may be the close of the day itself");
    board.take(&tick(r#""t":"tf","lp":"102""#), now() + TimeDelta::days(1));
    assert_eq!(close(&board), None, "the next day's was not told yet");
    board.take(&tick(r#""t":"tk","lp":"102","c":"99""#), now() + TimeDelta::days(1));
    assert_eq!(close(&board), three);
}

#[test]
fn a_close_that_was_told_before_the_session_gives_way_to_the_one_that_is_told_in_it() {
    let (board, key) = (board(2), share().key);
    let close = |board: &Board| board.previous_close(&key).map(|price| price.to_string());
    let at = |text: &str| format!("2026-11-20T{text}Z").parse::<DateTime<Utc>>().unwrap();
    assert_eq!(board.quote(&key), None);
    // At half past eight the feed still tells of yesterday, and of the close before it.
    board.take(&tick(r#""t":"tk","lp":"95","c":"100""#), at("03:00:00"));
    assert_eq!(close(&board), Some("100".to_owned()), "beside a price of yesterday");
    board.take(&tick(r#""t":"tf","lp":"95.5""#), at("03:30:01"));
    assert_eq!(close(&board), None, "today's was not told");
    board.take(&tick(r#""t":"tf","lp":"95.5","c":"100""#), at("03:31:00"));
    board.take(&tick(r#""t":"tf","lp":"95.5","c":"95""#), at("03:44:00"));
    assert_eq!(close(&board), Some("95".to_owned()), "in the first minutes it may come late");
    board.take(&tick(r#""t":"tf","lp":"96","c":"95.2""#), at("03:45:00"));
    board.take(&tick(r#""t":"tf","lp":"96","c":"97""#), at("10:30:00"));
    assert_eq!(close(&board), Some("95.2".to_owned()), "after the session it may be that of the day itself");
}

/// The feed tells the close when an instrument is subscribed, and with its updates only what changed.
#[test]
fn what_was_subscribed_before_the_session_is_subscribed_once_more_in_it() {
    let (board, key) = (board(2), share().key);
    let at = |text: &str| format!("2026-11-{text}Z").parse::<DateTime<Utc>>().unwrap();
    let renewed = |board: &Board| board.take_changes().subscribe;
    assert_eq!((board.quote(&key), renewed(&board)), (None, vec![scrip(2885)]));
    board.take(&tick(r#""t":"tk","lp":"95","c":"100""#), at("20T03:00:00"));
    board.take(&tick(r#""t":"tf","lp":"95.5""#), at("20T03:40:00"));
    assert_eq!(renewed(&board), [], "in the first minutes the close may be an old one");
    board.take(&tick(r#""t":"tf","lp":"95.6""#), at("20T03:45:00"));
    assert_eq!(renewed(&board), [scrip(2885)]);
    board.take(&tick(r#""t":"tf","lp":"95.7""#), at("20T03:45:01"));
    assert_eq!(renewed(&board), [], "once in a session");
    board.take(&tick(r#""t":"tk","lp":"95.7","c":"95""#), at("20T03:45:02"));
    board.take(&tick(r#""t":"tf","lp":"95.8""#), at("20T09:00:00"));
    assert_eq!((board.previous_close(&key).map(|price| price.to_string()), renewed(&board)), (Some("95".to_owned()), vec![]));
    board.take(&tick(r#""t":"tf","lp":"96""#), at("23T03:46:00"));
    assert_eq!(renewed(&board), [scrip(2885)], "a connection that stood over the night");
}

/// What is pushed is dated by whole seconds of a clock that may lag behind ours: its date does not tell what came first. A
/// frame that was taken for older than an answer would be corrected by nothing but the next one.
#[test]
fn what_is_pushed_after_the_question_stands_against_its_answer_whatever_its_date() {
    let (board, key) = (board(2), share().key);
    assert_eq!(board.quote(&key), None);
    let pushed = |last: &str, lag: i64| tick(&format!(r#""t":"tk","lp":"{last}","ft":"{}""#, now().timestamp() - lag));
    let asked = |last: &str, at| ordergate_actors::ports::Quote {
        bid: None,
        ask: None,
        last: ordergate_actors::order::Price::parse(last).unwrap(),
        band: None,
        at,
        seen_at: at,
    };
    let last = || board.quote(&key).unwrap().last.to_string();
    let ms = TimeDelta::milliseconds;
    board.put(scrip(2_885), asked("850", now()), Sizes::default());
    board.take(&pushed("838", 2), now() + ms(100));
    assert_eq!(last(), "838", "the feed's clock is two seconds behind");
    board.put(scrip(2_885), asked("851", now() + ms(50)), Sizes::default());
    board.put(scrip(2_885), asked("851", now() + ms(100)), Sizes::default());
    assert_eq!(last(), "838", "asked before it came, or at that moment, and answered after it");
    board.put(scrip(2_885), asked("852", now() + ms(101)), Sizes::default());
    assert_eq!(last(), "852", "asked after it came");
    assert_eq!(board.quote(&key).unwrap().at, now() + ms(101));
    board.take(&pushed("837", 2), now() + ms(200));
    let quote = board.quote(&key).unwrap();
    assert_eq!((quote.last.to_string().as_str(), quote.at), ("837", now() - TimeDelta::seconds(2)), "its age is the feed's");
}

/// Option quotes were seen with the price of the underlying and an empty book: a stop, a trail or the day's loss would go by it.
#[test]
fn the_price_of_the_underlying_moves_no_last_price_of_its_option() {
    let kind = Kind::Option { expiry: "2026-11-24".parse().unwrap(), strike: price("25000"), right: Right::Call };
    let option = Instrument { kind, ..share() };
    for band in [r#","lc":"0.05","uc":"310""#, ""] {
        let board = Board::new(Arc::new(InstrumentTable::new([option.clone()])), 2);
        let quote = || board.quote(&option.key);
        assert_eq!(quote(), None);
        let ms = |ms: i64| now() + TimeDelta::milliseconds(ms);
        board.take(&tick(&format!(r#""t":"dk","lp":"25010.50","bp1":"0.00","sp1":"0.00","c":"24900"{band}"#)), now());
        assert_eq!((quote(), board.previous_close(&option.key)), (None, None), "there was none before");
        board.take(&tick(&format!(r#""t":"dk","lp":"100","bp1":"99.90","sp1":"100.10","c":"98"{band}"#)), ms(1));
        let before = quote().unwrap();
        board.take(&tick(r#""t":"df","lp":"25010.50","bp1":"0.00","sp1":"0.00","c":"24900""#), ms(2));
        let (bid, ask) = (None, None);
        assert_eq!(quote(), Some(ordergate_actors::ports::Quote { bid, ask, ..before }), "as old as it is");
        // The next ones tell only what changed.
        board.take(&tick(r#""t":"df","lp":"25011.00""#), ms(3));
        assert_eq!(quote().map(|quote| (quote.last, quote.at)), Some((price("100"), ms(1))));
        // Somebody asks, and is told a book: what is pushed is compared with that too.
        board.put(scrip(2_885), ordergate_actors::ports::Quote { at: ms(4), seen_at: ms(4), ..before }, Sizes::default());
        board.take(&tick(r#""t":"df","lp":"25011.50""#), ms(5));
        assert_eq!(quote().map(|quote| (quote.last, quote.at)), Some((price("100"), ms(4))));
        assert_eq!(board.previous_close(&option.key), Some(price("98")), "nor is its close");
        board.take(&tick(r#""t":"df","lp":"101","bp1":"100.90","sp1":"101.10""#), ms(6));
        assert_eq!(quote().map(|quote| (quote.last, quote.bid, quote.at)), Some((price("101"), Some(price("100.9")), ms(6))));
        // Deep in the money it is worth as much, and its book says so.
        board.take(&tick(r#""t":"dk","lp":"13000","bp1":"12990","sp1":"13010","lc":"0","uc":"0""#), ms(7));
        assert_eq!(quote().map(|quote| quote.last), Some(price("13000")));
    }
}
