//! What a rule looks at, made by hand; nothing in it refuses the order.

mod again;
mod day;
mod entries;
mod exits;
mod limits;
mod money;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::*;
use crate::arming::{Arming, Basis, Standing, standing};
use crate::order::calendar::{AuctionStep, Missing, SessionPhase, Why};
use crate::order::{Exchange, Instrument, InstrumentKey, OrderType, Product, Side, Source, Status};
use crate::persistence::Book;
use crate::ports::{Instruments, Quote, Session};
use crate::risk::{Asked, DayOf, InTheWay, Known, Market, Scene, Unquoted, project};
use crate::settings::{AccountSettings, QuantityUnit, Settings};
use crate::testkit::SetQuotes;
use crate::testkit::builders::{
    Build, SEQ, account, at, book_of, broker_shows, command, exit, order, position, price, rupees, sbin, sbin_in, settings, share,
    shows_lost,
};
use crate::watcher::Findings;

/// One instrument, and every other a share.
#[derive(Debug)]
struct Table(Instrument);

impl Instruments for Table {
    fn find(&self, key: &InstrumentKey) -> Option<std::sync::Arc<Instrument>> {
        Some(std::sync::Arc::new(if *key == self.0.key { self.0.clone() } else { Instrument { key: key.clone(), ..share() } }))
    }
    fn as_of(&self, _: Exchange) -> Option<NaiveDate> {
        None
    }
}

/// A quote of each that is held.
fn marked(holdings: &[(&str, crate::order::HoldingKey, i64)]) -> SetQuotes {
    let quote = touch(Some("800"), Some("800"), "800");
    SetQuotes(parking_lot::RwLock::new(holdings.iter().map(|(_, key, _)| (key.instrument.clone(), quote)).collect()))
}

/// What a rule looks at, owned; nothing in it refuses the order.
struct Case {
    order: OrderRecord,
    book: Book,
    findings: Findings,
    account: AccountSettings,
    settings: Settings,
    latched: Option<&'static str>,
    standing: Standing,
    quote: Option<Quote>,
    /// What our own fills are valued at.
    quotes: SetQuotes,
    unquoted: Unquoted<'static>,
    low_disk: Option<u64>,
    clock_behind: Option<DateTime<Utc>>,
    clock_set_back: Option<Duration>,
    clock_skew: Option<Duration>,
    instrument: InstrumentKey,
    found: Instrument,
    master: Option<NaiveDate>,
    is_live: bool,
    market: Market,
    in_the_way: InTheWay,
    now: DateTime<Utc>,
}

impl Case {
    fn of(order: OrderRecord) -> Self {
        Self::among(order, &[], &[])
    }

    fn among(order: OrderRecord, others: &[OrderRecord], holdings: &[(&str, crate::order::HoldingKey, i64)]) -> Self {
        Self {
            book: book_of(others.iter().cloned().chain([order.clone()]), holdings),
            findings: broker_shows(&holdings.iter().map(|(_, key, net)| (key.clone(), *net)).collect::<Vec<_>>()),
            order,
            account: account(),
            settings: settings(),
            latched: None,
            standing: standing(false, &Arming::default(), &Basis::default(), at(0)),
            quote: None,
            quotes: marked(holdings),
            unquoted: Unquoted::Refuse,
            low_disk: None,
            clock_behind: None,
            clock_set_back: None,
            clock_skew: None,
            instrument: sbin(),
            found: share(),
            master: None,
            is_live: false,
            market: Market { phase: SessionPhase::Continuous { closes_at: at(3_600) }, is_held: true },
            in_the_way: InTheWay::default(),
            now: at(0),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn judge(&self, phase: Phase) -> Judgement {
        let mut known = Known::of(&self.book, &self.account.limits, self.now);
        let found = Instrument { key: self.instrument.clone(), ..self.found.clone() };
        let touch =
            |_: &InstrumentKey, side| self.quote.map(|quote| if side == Side::Buy { quote.ask } else { quote.bid }.unwrap_or(quote.last));
        let limits = known.limits(&self.account.limits, self.now);
        let scene = Scene {
            order: &self.order,
            instrument: &self.instrument,
            found: Some(&found),
            book: &self.book,
            findings: &self.findings,
            instruments: &Table(found.clone()),
            touch: &touch,
            unknown_value: limits.max_order_value,
            now: self.now,
        };
        let projected = project(&scene);
        judge(
            &Inputs {
                largest: None,
                found: Some(&found),
                limits: &limits,
                day: &known.day(&self.account.limits, self.now),
                result: &known.result(&self.book, &self.findings, &self.quotes, Asked { now: self.now, day: DayOf::Sessions, sight: None }),
                projected: &projected,
                needs: known.needs(&scene, &projected, &limits),
                halt: known.halt(&self.order.ask.strategy),
                order: &self.order,
                instrument: &self.instrument,
                book: &self.book,
                findings: &self.findings,
                account: &self.account,
                settings: &self.settings,
                latched: self.latched,
                standing: &self.standing,
                quote: self.quote.as_ref(),
                unquoted: self.unquoted,
                low_disk: self.low_disk,
                clock_behind: self.clock_behind,
                clock_set_back: self.clock_set_back,
                clock_skew: self.clock_skew,
                master: self.master,
                is_live: self.is_live,
                market: &self.market,
                in_the_way: &self.in_the_way,
                now: self.now,
            },
            phase,
        )
    }

    #[track_caller]
    fn passes(&self) -> (Terms, Vec<GateVerdict>) {
        match self.judge(Phase::Open) {
            Judgement::Clear { terms, gates, .. } => (terms, gates),
            other => panic!("wanted it clear, got {other:?}"),
        }
    }

    /// Refused with this tag, in words that hold all of these.
    #[track_caller]
    fn refused(&self, tag: Tag, words: &[&str]) {
        match self.judge(Phase::Open) {
            Judgement::Refuse { tag: found, reason, gates } => {
                assert_eq!(found, tag, "{reason}");
                for word in words {
                    assert!(reason.contains(word), "{word:?} is not in {reason:?}");
                }
                assert!(gates.iter().any(|gate| !gate.passed), "the gate that refused is on the record");
            }
            other => panic!("wanted it refused, got {other:?}"),
        }
    }
}

fn seconds(count: i64) -> Duration {
    Duration::seconds(count)
}

fn market(number: u64) -> OrderRecord {
    order(number).market()
}

fn touch(bid: Option<&str>, ask: Option<&str>, last: &str) -> Quote {
    Quote { bid: bid.map(price), ask: ask.map(price), last: price(last), band: None, at: at(0), seen_at: at(0) }
}

fn closed() -> SessionPhase {
    SessionPhase::Closed { why: Why::Holiday("Holi".into()), next_open: Some("2026-03-04T03:45:00Z".parse().unwrap()) }
}

fn under(mode: crate::arming::ArmMode) -> Standing {
    let arming = Arming { mode, until: Some(at(0) + seconds(60)), at: Some(at(0)), ..Arming::default() };
    standing(true, &arming, &Basis::default(), at(0))
}

/// A state of risk, put into the book as committed.
fn keep(case: &mut Case, topic: crate::persistence::Topic, key: &str, state: &impl serde::Serialize) {
    let now = crate::persistence::Kept { value: serde_json::to_string(state).unwrap().into(), seq: SEQ, at: at(0) };
    case.book.put_kept(crate::persistence::KeptChange { slot: crate::persistence::Slot::new(topic, key), now: Some(now) });
}
