//! The fault menu (Noren protocol reference, section 11.4) as rows: one fault a row, one row a line.

use ordergate::simulator::noren_server::{Fault, FaultRule, ForeignOrder, Symptom};
use serde_json::json;

use crate::checks::Excuse;
use crate::house::{House, SBIN, sim_ms};

/// What a fault meets.
#[derive(Clone)]
pub(crate) enum Meets {
    /// One order call: before ours another order's, during ours, after ours its cancel.
    Call(Fault),
    /// Only the placing itself: such a fault makes no sense for a cancel.
    Placing(Fault),
    /// Only a call for an order that works: a cancel.
    Change(Fault),
    /// A change of the price of an order that works.
    Changing(Fault),
    /// Every call of these places for a while; around the call its answer is lost too.
    Reads(&'static [&'static str], Fault),
    /// The session ends, and every call of this route, by which it comes back, goes wrong for a while.
    Logins(&'static str, Fault),
    /// Something happens at the broker, once.
    Act(fn(&House)),
}

/// One row of the menu.
pub(crate) struct Row {
    /// Number in the menu, and what goes wrong.
    pub name: &'static str,
    pub meets: Meets,
    pub excuse: Excuse,
    /// The broker's minute is full: nothing goes before it has passed.
    pub fills_the_minute: bool,
}

fn row(name: &'static str, meets: Meets) -> Row {
    Row { name, meets, excuse: Excuse::default(), fills_the_minute: false }
}

fn foreign(name: &'static str, meets: Meets) -> Row {
    Row { excuse: Excuse { foreign: true, ..Excuse::default() }, ..row(name, meets) }
}

fn doubt(name: &'static str, meets: Meets) -> Row {
    Row { excuse: Excuse { doubt: true, ..Excuse::default() }, ..row(name, meets) }
}

fn minute(name: &'static str, meets: Meets) -> Row {
    Row { fills_the_minute: true, ..row(name, meets) }
}

const BOOKS: &[&str] = &["OrderBook"];
/// An order that was given a number and is in no book is looked for there, and nowhere else.
pub(crate) const HISTORY: &[&str] = &["SingleOrdHist"];
const ORDERS_AND_TRADES: &[&str] = &["OrderBook", "TradeBook"];
const POSITIONS: &[&str] = &["PositionBook"];
const ALL_BOOKS: &[&str] = &["OrderBook", "TradeBook", "PositionBook", "SingleOrdHist"];
const TRADES: &[&str] = &["TradeBook"];
const MESSAGES: &[&str] = &["om"];
pub(crate) const SOCKET: &[&str] = &["socket", "feed"];

/// 1 and 2: done or not, with the same answer.
pub(crate) fn answers() -> Vec<Row> {
    use Symptom::{BadGateway, Drop, Empty, GatewayTimeout, OkWithoutNumber, ServerTimeout, Timeout, Truncated};
    let accept = |then| Meets::Call(Fault::Accept { then });
    let refuse = |then| Meets::Call(Fault::Refuse { then });
    vec![
        row("1 accepted, then the connection drops", accept(Drop)),
        row("1 accepted, then no answer", accept(Timeout)),
        row("1 accepted, then 502 in HTML", accept(BadGateway)),
        row("1 accepted, then 504 in HTML", accept(GatewayTimeout)),
        row("1 accepted, then an empty body", accept(Empty)),
        row("1 accepted, then half of the JSON", accept(Truncated)),
        row("1 accepted, then Ok without number", accept(OkWithoutNumber)),
        row("1 accepted, then Server Timeout", accept(ServerTimeout)),
        row("2 refused, the connection drops", refuse(Drop)),
        row("2 refused, no answer", refuse(Timeout)),
        row("2 refused, 502 in HTML", refuse(BadGateway)),
        row("2 refused, 504 in HTML", refuse(GatewayTimeout)),
        row("2 refused, an empty body", refuse(Empty)),
        row("2 refused, half of the JSON", refuse(Truncated)),
        row("2 refused, Ok without number", refuse(OkWithoutNumber)),
        row("2 refused, Server Timeout", refuse(ServerTimeout)),
    ]
}

/// 3, 4, 8, 10, 11, 14 to 17: what an order call can meet beside a lost answer.
pub(crate) fn calls() -> Vec<Row> {
    let reject = |text: &str, status| Meets::Call(Fault::Reject { text: text.to_owned(), status });
    vec![
        row("3 in no book for 20 s", Meets::Placing(Fault::Invisible { ms: sim_ms(20), stream: false })),
        row("3 in no book for 20 s, but in the stream", Meets::Placing(Fault::Invisible { ms: sim_ms(20), stream: true })),
        row("3 at the risk check only after 20 s", Meets::Placing(Fault::Stuck { ms: sim_ms(20) })),
        row("3 messages before the answer", Meets::Placing(Fault::StreamFirst { ms: sim_ms(5) })),
        doubt("4 accepted, then silently dropped", Meets::Placing(Fault::SilentlyDropped)),
        row("6 session expired, 200, only this call", Meets::Call(Fault::SessionExpired { status: 200, kill: false })),
        row("6 session expired, 200", Meets::Call(Fault::SessionExpired { status: 200, kill: true })),
        row("6 session expired, 401", Meets::Call(Fault::SessionExpired { status: 401, kill: true })),
        row("6 session expired, 403", Meets::Call(Fault::SessionExpired { status: 403, kill: true })),
        row("6 a gateway's page, 401", Meets::Call(Fault::GatewayPage { status: 401 })),
        row("6 a gateway's page, 403", Meets::Call(Fault::GatewayPage { status: 403 })),
        row("6 a gateway's page, 404", Meets::Call(Fault::GatewayPage { status: 404 })),
        row("6 a gateway's page, 405", Meets::Call(Fault::GatewayPage { status: 405 })),
        row("6 second login at this call", Meets::Call(Fault::SecondLogin)),
        row("6 wrong address", Meets::Call(Fault::WrongIp)),
        row("6 rejected, 200", reject("Rejected : ORA:AMO is stopped", 200)),
        row("6 rejected in unknown words, 400", reject("Something nobody has seen", 400)),
        row("7 too many in a second", Meets::Call(Fault::RateSecond)),
        minute("7 too many in a minute", Meets::Call(Fault::RateMinute)),
        minute("7 a gateway's page, 429", Meets::Call(Fault::RatePage)),
        row("8 answered after 6 s", Meets::Call(Fault::Slow { ms: sim_ms(6) })),
        row("8 answered after 12 s", Meets::Call(Fault::Slow { ms: sim_ms(12) })),
        row("8 done and answered after 6 s", Meets::Call(Fault::Late { ms: sim_ms(6) })),
        row("8 done and answered after 12 s", Meets::Call(Fault::Late { ms: sim_ms(12) })),
        row("11 a refusal of a request that looks like the order's", Meets::Change(Fault::SafRejected)),
        row("11 a refusal on top of what was done, in the books too", Meets::Change(Fault::SafInBook)),
        row("17 taken, then refused", Meets::Change(Fault::CancelRejected)),
        row("13 the order's messages are lost", Meets::Placing(Fault::StreamLost)),
        row("13 the order's messages come twice", Meets::Placing(Fault::StreamDuplicate)),
        row("13 the order's messages change places", Meets::Placing(Fault::StreamReorder)),
        row("13 the order's messages come late", Meets::Placing(Fault::StreamDelay { ms: sim_ms(20) })),
        foreign("14 square-off after the call", Meets::Call(Fault::SquareOff)),
        foreign("14 the same order by hand", Meets::Placing(Fault::ForeignTwin)),
        row("14 the exchange cancels it", Meets::Placing(Fault::UnsolicitedCancel { ms: sim_ms(2) })),
        // Where the answer is lost too, as on a machine that is busy, only a person can tell.
        doubt("15 remarks cut to 12", Meets::Placing(Fault::RemarksTruncated { length: 12 })),
        doubt("15 remarks cut to 5", Meets::Placing(Fault::RemarksTruncated { length: 5 })),
        doubt("15 remarks gone", Meets::Placing(Fault::RemarksMissing)),
        row("16 times an hour behind", Meets::Call(Fault::ClockSkew { ms: -3_600_000 })),
    ]
}

/// 1, 2, 6 to 8, 11, 17: what the call that changes an order can meet.
pub(crate) fn changes() -> Vec<Row> {
    let changing = |meets| match meets {
        Meets::Call(fault) => Meets::Changing(fault),
        other => other,
    };
    let lost = answers().into_iter().map(|row| Row { meets: changing(row.meets), ..row });
    let others = [
        row("6 session expired, 200", Meets::Changing(Fault::SessionExpired { status: 200, kill: true })),
        row("6 session expired, 401", Meets::Changing(Fault::SessionExpired { status: 401, kill: true })),
        row("6 second login at the change", Meets::Changing(Fault::SecondLogin)),
        row("6 rejected", Meets::Changing(Fault::Reject { text: "Rejected : ORA:Order not found".to_owned(), status: 200 })),
        row("7 too many in a second", Meets::Changing(Fault::RateSecond)),
        minute("7 too many in a minute", Meets::Changing(Fault::RateMinute)),
        minute("7 a gateway's page, 429", Meets::Changing(Fault::RatePage)),
        row("8 answered after 12 s", Meets::Changing(Fault::Slow { ms: sim_ms(12) })),
        row("8 done and answered after 12 s", Meets::Changing(Fault::Late { ms: sim_ms(12) })),
        row("11 a refusal of a change that looks like the order's", Meets::Changing(Fault::SafRejected)),
        row("11 a refusal on top of the change, in the books too", Meets::Changing(Fault::SafInBook)),
        row("15 remarks are those of the change", Meets::Changing(Fault::RemarksByChange)),
        row("17 a change is taken, then refused", Meets::Changing(Fault::ReplaceRejected)),
    ];
    lost.chain(others).collect()
}

/// 5, 7, 9, 10, 16: books that lie, lag or fail.
pub(crate) fn books() -> Vec<Row> {
    use Symptom::{BadGateway, Drop, Empty, ServerTimeout, Timeout, Truncated};
    let refuse = |then| Fault::Refuse { then };
    let unrelated = || Fault::Reject { text: "Invalid Input : Something unrelated".to_owned(), status: 200 };
    vec![
        row("5 the order book is HTML", Meets::Reads(BOOKS, refuse(BadGateway))),
        row("5 the order book is empty text", Meets::Reads(BOOKS, refuse(Empty))),
        row("5 the order book is cut off", Meets::Reads(BOOKS, Fault::Accept { then: Truncated })),
        row("5 the order book is Not_Ok for something else", Meets::Reads(BOOKS, unrelated())),
        row("5 the order book is Server Timeout", Meets::Reads(BOOKS, refuse(ServerTimeout))),
        row("5 the order book never answers", Meets::Reads(BOOKS, refuse(Timeout))),
        row("5 the order book drops the connection", Meets::Reads(BOOKS, refuse(Drop))),
        row("5 the order book says no data", Meets::Reads(BOOKS, Fault::LyingEmpty)),
        row("5 every book says no data", Meets::Reads(ALL_BOOKS, Fault::LyingEmpty)),
        row("5 order book and trade book say no data", Meets::Reads(ORDERS_AND_TRADES, Fault::LyingEmpty)),
        row("5 the trade book says no data", Meets::Reads(TRADES, Fault::LyingEmpty)),
        row("5 the trade book is HTML", Meets::Reads(TRADES, refuse(BadGateway))),
        row("5 the trade book is 15 s old", Meets::Reads(TRADES, Fault::Stale { ms: sim_ms(15) })),
        row("5 the positions say no data", Meets::Reads(POSITIONS, Fault::LyingEmpty)),
        row("5 the positions are HTML", Meets::Reads(POSITIONS, refuse(BadGateway))),
        row("5 the positions are 15 s old", Meets::Reads(POSITIONS, Fault::Stale { ms: sim_ms(15) })),
        row("5 an order's history says no data", Meets::Reads(HISTORY, Fault::LyingEmpty)),
        row("5 an order's history is HTML", Meets::Reads(HISTORY, refuse(BadGateway))),
        row("5 an order's history is 15 s old", Meets::Reads(HISTORY, Fault::Stale { ms: sim_ms(15) })),
        row("5 an order's history never answers", Meets::Reads(HISTORY, refuse(Timeout))),
        row("5 every book is HTML", Meets::Reads(ALL_BOOKS, refuse(BadGateway))),
        row("5 the order book is 15 s old", Meets::Reads(BOOKS, Fault::Stale { ms: sim_ms(15) })),
        row("5 every book is 15 s old", Meets::Reads(ALL_BOOKS, Fault::Stale { ms: sim_ms(15) })),
        row("6 the books say session expired", Meets::Reads(BOOKS, Fault::SessionExpired { status: 200, kill: false })),
        row("6 a gateway's page before the books, 403", Meets::Reads(ALL_BOOKS, Fault::GatewayPage { status: 403 })),
        row("7 too many books in a second", Meets::Reads(ALL_BOOKS, Fault::RateSecond)),
        minute("7 too many books in a minute", Meets::Reads(ALL_BOOKS, Fault::RateMinute)),
        row("7 a gateway's page before the books, 429", Meets::Reads(ALL_BOOKS, Fault::RatePage)),
        row("8 the books answer after 8 s", Meets::Reads(ALL_BOOKS, Fault::Slow { ms: sim_ms(8) })),
        row("8 the books answer after 12 s", Meets::Reads(ALL_BOOKS, Fault::Slow { ms: sim_ms(12) })),
        row("9 trades are listed twice", Meets::Reads(TRADES, Fault::DuplicateTrades)),
        row("9 trades have no number", Meets::Reads(TRADES, Fault::MissingFlid)),
        row("10 other spellings in the books", Meets::Reads(ALL_BOOKS, Fault::Spelling)),
        row("16 books an hour ahead", Meets::Reads(ALL_BOOKS, Fault::ClockSkew { ms: 3_600_000 })),
    ]
}

/// 6: the session has ended, and does not come back at once.
pub(crate) fn logins() -> Vec<Row> {
    use Symptom::{BadGateway, Drop, Empty, Timeout, Truncated};
    let login = |fault| Meets::Logins("QuickAuth", fault);
    let proof = |fault| Meets::Logins("UserDetails", fault);
    let wrong = || Fault::Reject { text: "Invalid Input : Invalid OTP".to_owned(), status: 200 };
    vec![
        row("6 the login drops the connection", login(Fault::Refuse { then: Drop })),
        row("6 the login never answers", login(Fault::Refuse { then: Timeout })),
        row("6 the login is HTML", login(Fault::Refuse { then: BadGateway })),
        row("6 the login is done, and its answer is cut off", login(Fault::Accept { then: Truncated })),
        row("6 the login is done, and its answer is empty", login(Fault::Accept { then: Empty })),
        row("6 the login is answered after 12 s", login(Fault::Slow { ms: sim_ms(12) })),
        row("6 the login is refused", login(wrong())),
        row("6 the login is one call too many", login(Fault::RateSecond)),
        row("6 the proof is HTML", proof(Fault::Refuse { then: BadGateway })),
        row("6 the proof is cut off", proof(Fault::Accept { then: Truncated })),
        row("6 a gateway's page before the proof, 403", proof(Fault::GatewayPage { status: 403 })),
        row("6 the proof is one call too many", proof(Fault::RateSecond)),
    ]
}

/// 6, 10, 13, 14: the session, the socket, and what others do.
pub(crate) fn links() -> Vec<Row> {
    vec![
        row("10 other spellings in messages", Meets::Reads(MESSAGES, Fault::Spelling)),
        row("13 messages come twice", Meets::Reads(MESSAGES, Fault::StreamDuplicate)),
        row("13 messages change places", Meets::Reads(MESSAGES, Fault::StreamReorder)),
        row("13 messages come 10 s late", Meets::Reads(MESSAGES, Fault::StreamDelay { ms: sim_ms(10) })),
        row("13 messages are lost", Meets::Reads(MESSAGES, Fault::StreamLost)),
        row("13 sockets are refused", Meets::Reads(SOCKET, Fault::SocketRefuse)),
        row("13 sockets fall silent", Meets::Reads(SOCKET, Fault::SocketSilent)),
        row("13 sockets are evicted", Meets::Reads(SOCKET, Fault::SocketEvict)),
        row("6 every session dies", Meets::Act(|house| house.sim().expire_sessions())),
        row("6 a second login", Meets::Act(|house| house.sim().second_login())),
        row("13 every socket closes", Meets::Act(|house| house.sim().kill_sockets())),
        row("13 every socket falls silent", Meets::Act(|house| house.sim().silence_sockets())),
        foreign("14 square-off", Meets::Act(|house| drop(house.sim().square_off()))),
        foreign("14 an order by hand", Meets::Act(by_hand)),
        row("14 the exchange cancels what works", Meets::Act(strike)),
    ]
}

/// Somebody buys three at the terminal.
fn by_hand(house: &House) {
    let fields = json!({"exch":"NSE","tsym":SBIN,"qty":"3","prc":"0","prd":"I","trantype":"B","prctyp":"MKT"});
    house.sim().foreign_order(&ForeignOrder { fields: fields.as_object().unwrap().clone() }).unwrap();
}

fn strike(house: &House) {
    for row in house.sim().orders() {
        if row["status"] == "OPEN" {
            house.sim().exchange_cancel(row["norenordno"].as_str().unwrap(), "cancelled by the exchange").unwrap();
        }
    }
}

/// For every call of a place, until it is healed.
pub(crate) fn always(places: &[&str], fault: &Fault) -> Vec<FaultRule> {
    places.iter().map(|place| FaultRule::always(place, fault.clone())).collect()
}
