//! A route: which alerts it takes, and what they become here. Written in the configuration or by a person; each version is
//! a journal row.

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};

use super::reading::Reading;
use super::sequence::OnGap;
use super::size::{QtyUnit, Size};
use crate::order::{OrderType, Product, Routed, Side, StopAt, Strategy, TrailingType, clean, money};

/// Orders that one alert of a list may make, unless the route says otherwise.
pub const MAX_ORDERS: u32 = 10;

/// Which way a route trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// It buys to open and sells to close.
    Long,
    /// It sells to open and buys to close.
    Short,
    /// Both; the alert must say the position that is wanted.
    Both,
}

impl Direction {
    /// Reads `long`, `short` or `both`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "long" => Some(Self::Long),
            "short" => Some(Self::Short),
            "both" => Some(Self::Both),
            _ => None,
        }
    }

    /// Whether it may be in a position on that side.
    #[must_use]
    pub fn takes(self, side: Side) -> bool {
        match self {
            Self::Long => side == Side::Buy,
            Self::Short => side == Side::Sell,
            Self::Both => true,
        }
    }
}

/// Who wrote a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The configuration: it is changed there.
    Config,
    /// A person, through the API.
    #[default]
    Person,
}

/// What an alert becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its name, one of a kind in the account.
    pub name: String,
    /// Takes alerts of this source only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Takes alerts only that call their strategy (or scan) so, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_strategy: Option<String>,
    /// Takes alerts of this instrument only, as the alert calls it: `NIFTY`, or with its exchange `NSE:NIFTY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticker: Option<String>,
    /// The owner of what it trades: the one name under which entries and exits meet.
    pub strategy: Strategy,
    /// What it trades: any spelling, with its exchange before it, or a selector (`NIFTY weekly ATM CE`). Absent: what the
    /// alert names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument: Option<String>,
    /// The product; absent: the alert's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// The order type; absent: the alert's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_type: Option<OrderType>,
    /// How much; absent: the alert's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// What the alert's number counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qty_unit: Option<QtyUnit>,
    /// Buy or sell, for alerts that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Side>,
    /// Which way it trades.
    pub direction: Direction,
    /// How often it may add to a position that it holds.
    #[serde(default)]
    pub adds: u32,
    /// Entries only from this time of day (India).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries_from: Option<NaiveTime>,
    /// Entries only before this time of day (India).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries_until: Option<NaiveTime>,
    /// Entries in one day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trades_per_day: Option<u32>,
    /// Stop of what it opens: a price, `12 points` or `1.5%` of the fill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<String>,
    /// Target of what it opens, in the same forms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How its stop trails: `12 points` or `1.5%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing: Option<String>,
    /// Where its stop lives; absent: where the account's settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<StopAt>,
    /// Whether each entry waits for a person's yes.
    #[serde(default)]
    pub approval: bool,
    /// Orders that one alert of a list may make.
    #[serde(default = "max_orders")]
    pub max_orders: u32,
    /// What a gap in the numbers of its source does.
    #[serde(default)]
    pub on_gap: OnGap,
    /// Who wrote it.
    #[serde(default)]
    pub origin: Origin,
}

fn max_orders() -> u32 {
    MAX_ORDERS
}

/// Something that a route cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it and what to write instead.
    pub rule: String,
}

impl Route {
    /// A route that says who owns what it trades, and which way, and leaves everything else to the alert.
    #[must_use]
    pub fn plain(name: &str, strategy: Strategy, direction: Direction) -> Self {
        Self {
            name: name.to_owned(),
            source: None,
            alert_strategy: None,
            ticker: None,
            strategy,
            instrument: None,
            product: None,
            order_type: None,
            size: None,
            qty_unit: None,
            action: None,
            direction,
            adds: 0,
            entries_from: None,
            entries_until: None,
            trades_per_day: None,
            stop_loss: None,
            target: None,
            trailing: None,
            stop_at: None,
            approval: false,
            max_orders: MAX_ORDERS,
            on_gap: OnGap::default(),
            origin: Origin::default(),
        }
    }

    /// Everything that is wrong with it; empty for a route that can be put in place.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let mut wrong = |field: &'static str, rule: &str| flaws.push(Flaw { field, rule: rule.to_owned() });
        let is_name = |text: &str| text.len() <= 32 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if self.name.is_empty() || !is_name(&self.name) {
            wrong("name", "must be 1 to 32 of A-Z a-z 0-9 _ -");
        }
        let texts = [
            ("source", &self.source),
            ("alert_strategy", &self.alert_strategy),
            ("ticker", &self.ticker),
            ("instrument", &self.instrument),
            ("stop_loss", &self.stop_loss),
            ("target", &self.target),
            ("trailing", &self.trailing),
        ];
        for (field, text) in texts {
            if text.as_deref().is_some_and(|text| text.trim().is_empty() || text.len() > 64 || clean(text, 64) != text) {
                wrong(field, "must be 1 to 64 characters that can be printed, or be left out");
            }
        }
        if let (Some(from), Some(until)) = (self.entries_from, self.entries_until)
            && from >= until
        {
            wrong("entries_until", "must be later in the day than entries_from");
        }
        if self.trades_per_day == Some(0) {
            wrong("trades_per_day", "must be 1 or more, or be left out");
        }
        if self.adds > 100 {
            wrong("adds", "must be at most 100");
        }
        if !(1..=100).contains(&self.max_orders) {
            wrong("max_orders", "must be from 1 to 100");
        }
        if self.trailing.as_deref().is_some_and(|text| trailing(text).is_none()) {
            wrong("trailing", "must be a distance above 0: 12 points, or 1.5%");
        }
        if self.stop_loss.is_none() && (self.target.is_some() || self.trailing.is_some() || self.stop_at.is_some()) {
            wrong("stop_loss", "is missing: a target, a trailing stop and stop_at need one");
        }
        if self.action.is_some() && self.direction == Direction::Both {
            wrong("action", "says nothing where the direction is both: say long or short");
        }
        if matches!(self.order_type, Some(OrderType::StopLimit | OrderType::StopMarket)) {
            wrong("order_type", "must be MARKET or LIMIT: an alert comes when its moment is there");
        }
        flaws
    }

    /// Whether it takes the alert, and how closely: more conditions are closer. `None`: it does not.
    #[must_use]
    pub fn fits(&self, source: &str, reading: &Reading) -> Option<u32> {
        let is = |wish: &Option<String>, is_so: &dyn Fn(&str) -> bool| match wish.as_deref() {
            None => Some(0),
            Some(wish) if is_so(wish.trim()) => Some(1),
            Some(_) => None,
        };
        let by_source = is(&self.source, &|wish| wish == source)?;
        let by_strategy =
            is(&self.alert_strategy, &|wish| reading.strategy.as_deref().is_some_and(|said| said.trim().eq_ignore_ascii_case(wish)))?;
        let by_ticker = is(&self.ticker, &|wish| is_called(reading, wish))?;
        Some(by_source + 2 * by_strategy + 4 * by_ticker)
    }

    /// Whether it takes the very alerts that the other takes, and as closely: then neither gets them.
    #[must_use]
    pub fn is_rival_of(&self, other: &Self) -> bool {
        let alike = |one: &Option<String>, other: &Option<String>, is: &dyn Fn(&str, &str) -> bool| match (one, other) {
            (Some(one), Some(other)) => is(one.trim(), other.trim()),
            (one, other) => one.is_none() && other.is_none(),
        };
        self.name != other.name
            && alike(&self.source, &other.source, &|one, other| one == other)
            && alike(&self.alert_strategy, &other.alert_strategy, &|one, other| one.eq_ignore_ascii_case(other))
            && alike(&self.ticker, &other.ticker, &|one, other| is_one(&instrument_of(one), &instrument_of(other)))
    }

    /// What it lays on every order.
    #[must_use]
    pub fn terms(&self, version: u64) -> Routed {
        Routed { route: self.name.as_str().into(), version, adds: self.adds, trades_per_day: self.trades_per_day, approval: self.approval }
    }
}

/// A name as alerts and routes write it: its exchange, where that is said, and the instrument.
fn instrument_of(text: &str) -> (Option<String>, String) {
    match text.split_once(':') {
        Some((exchange, name)) => (Some(exchange.trim().to_ascii_uppercase()), name.trim().to_ascii_uppercase()),
        None => (None, text.trim().to_ascii_uppercase()),
    }
}

/// Whether two names are of one instrument; an exchange on one side only does not matter.
fn is_one((one_at, one): &(Option<String>, String), (other_at, other): &(Option<String>, String)) -> bool {
    one == other && one_at.as_ref().zip(other_at.as_ref()).is_none_or(|(one, other)| one == other)
}

/// Whether the alert names that instrument.
fn is_called(reading: &Reading, wish: &str) -> bool {
    let Some(ticker) = reading.ticker.as_deref() else { return false };
    let (said_at, said) = instrument_of(ticker);
    let said_at = said_at.or_else(|| reading.exchange.as_deref().map(|text| text.trim().to_ascii_uppercase()));
    is_one(&instrument_of(wish), &(said_at, said))
}

/// The route for an alert, of those of the account: the one with the most conditions that hold.
///
/// # Errors
/// None takes it, or several do so equally well: their names.
pub fn choose<'a>(routes: &'a [(Route, u64)], source: &str, reading: &Reading) -> Result<&'a (Route, u64), Vec<&'a str>> {
    let fitting = routes.iter().filter_map(|route| Some((route.0.fits(source, reading)?, route)));
    let mut best: Vec<(u32, &(Route, u64))> = fitting.collect();
    let most = best.iter().map(|(closeness, _)| *closeness).max();
    best.retain(|(closeness, _)| Some(*closeness) == most);
    match best.as_slice() {
        [(_, only)] => Ok(*only),
        several => Err(several.iter().map(|(_, (route, _))| route.name.as_str()).collect()),
    }
}

/// `12 points`, `12 pts` or `1.5%`, as kind and value.
#[must_use]
pub fn trailing(text: &str) -> Option<(TrailingType, String)> {
    let text = text.trim();
    let (number, kind) = match text.strip_suffix('%') {
        Some(number) => (number, TrailingType::Percent),
        None => (text.strip_suffix("points").or_else(|| text.strip_suffix("pts"))?, TrailingType::Points),
    };
    let value = money::decimal("trailing", number.trim()).ok().filter(|value| value.is_sign_positive() && !value.is_zero())?;
    Some((kind, value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::plan::tests::route;

    fn alert(strategy: &str, exchange: Option<&str>, ticker: &str) -> Reading {
        Reading {
            strategy: Some(strategy.into()),
            exchange: exchange.map(str::to_owned),
            ticker: Some(ticker.into()),
            ..Reading::default()
        }
    }

    fn named(name: &str, change: impl FnOnce(&mut Route)) -> (Route, u64) {
        let mut route = Route { name: name.into(), ..route(Direction::Long) };
        change(&mut route);
        (route, 1)
    }

    #[test]
    fn the_route_with_the_most_conditions_that_hold_is_taken() {
        let routes = [
            named("any", |_| {}),
            named("tv", |route| route.source = Some("tv".into())),
            named("nifty", |route| route.ticker = Some("NIFTY".into())),
            named("bse", |route| route.ticker = Some("BSE:SENSEX".into())),
            named("trend", |route| route.alert_strategy = Some("Trend".into())),
        ];
        let of = |source: &str, alert: &Reading| choose(&routes, source, alert).map(|(route, _)| route.name.clone());
        assert_eq!(of("ci", &alert("x", None, "SBIN")), Ok("any".to_owned()));
        assert_eq!(of("tv", &alert("x", None, "SBIN")), Ok("tv".to_owned()));
        assert_eq!(of("tv", &alert("trend", None, "SBIN")), Ok("trend".to_owned()));
        assert_eq!(of("tv", &alert("trend", Some("NSE"), "nifty")), Ok("nifty".to_owned()));
        assert_eq!(of("tv", &alert("trend", None, "NSE:NIFTY")), Ok("nifty".to_owned()));
        assert_eq!(of("ci", &alert("x", Some("BSE"), "SENSEX")), Ok("bse".to_owned()));
        assert_eq!(of("ci", &alert("x", Some("NSE"), "SENSEX")), Ok("any".to_owned()));
    }

    #[test]
    fn no_route_and_two_equal_ones_are_told_apart() {
        assert_eq!(choose(&[], "tv", &alert("x", None, "SBIN")), Err(Vec::new()));
        let two = [named("a", |_| {}), named("b", |_| {})];
        assert_eq!(choose(&two, "tv", &alert("x", None, "SBIN")), Err(vec!["a", "b"]));
        assert_eq!(choose(&[named("a", |route| route.ticker = Some("X".into()))], "tv", &Reading::default()), Err(Vec::new()));
    }

    #[test]
    fn two_routes_are_rivals_where_every_alert_of_one_is_the_others() {
        let any = named("any", |_| {}).0;
        let tv = named("tv", |route| route.source = Some("tv".into())).0;
        let nifty = |name: &str, ticker: &str| named(name, |route| route.ticker = Some(ticker.into())).0;
        let by = |name: &str, strategy: &str| named(name, |route| route.alert_strategy = Some(strategy.into())).0;
        assert!(any.is_rival_of(&named("other", |_| {}).0) && !any.is_rival_of(&any), "it stands in its own place");
        assert!(!any.is_rival_of(&tv) && !tv.is_rival_of(&any), "a condition more is closer");
        assert!(nifty("a", "NSE:NIFTY").is_rival_of(&nifty("b", "nifty")));
        assert!(!nifty("a", "NSE:NIFTY").is_rival_of(&nifty("b", "BSE:NIFTY")));
        assert!(by("a", "Trend").is_rival_of(&by("b", "trend")) && !by("a", "trend").is_rival_of(&by("b", "swing")));
    }

    #[test]
    fn every_flaw_is_named_at_once() {
        let bad = Route {
            name: "a b".into(),
            source: Some(" ".into()),
            trades_per_day: Some(0),
            adds: 101,
            max_orders: 0,
            target: Some("5%".into()),
            trailing: Some("5".into()),
            order_type: Some(OrderType::StopLimit),
            entries_from: NaiveTime::from_hms_opt(15, 0, 0),
            entries_until: NaiveTime::from_hms_opt(9, 0, 0),
            action: Some(Side::Buy),
            direction: Direction::Both,
            ..route(Direction::Both)
        };
        let fields: Vec<&str> = bad.flaws().into_iter().map(|flaw| flaw.field).collect();
        let all =
            ["name", "source", "entries_until", "trades_per_day", "adds", "max_orders", "trailing", "stop_loss", "action", "order_type"];
        assert_eq!(fields, all);
        assert_eq!(route(Direction::Long).flaws(), []);
    }

    #[test]
    fn a_route_reads_back_as_written() {
        let full = Route { size: Some(Size::Lots(2)), entries_from: NaiveTime::from_hms_opt(9, 20, 0), ..route(Direction::Both) };
        let text = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<Route>(&text).unwrap(), full);
        assert_eq!(trailing("12.5 pts"), Some((TrailingType::Points, "12.5".to_owned())));
        assert_eq!(trailing("0%"), None);
    }
}
