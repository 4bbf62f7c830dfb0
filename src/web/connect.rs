//! What to put where, so that a chart's alert becomes an order: the address and the message for each kind of sender. Texts
//! only; nothing here reads or writes.

use ordergate_actors::routes::Route;
use serde::{Deserialize, Serialize};

use super::auth::body_hash;

/// A kind of sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// A TradingView strategy: its alerts say the position that is wanted
    Tradingview,
    /// A TradingView alert of an indicator or a price: it says buy or sell
    TradingviewPlain,
    /// A tool that sends OpenAlgo's orders
    Openalgo,
    /// A ChartInk scan
    Chartink,
    /// AmiBroker, from its formula
    Amibroker,
    /// A program: Python, or anything that can send HTTP
    Python,
}

impl Sender {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Tradingview, Self::TradingviewPlain, Self::Openalgo, Self::Chartink, Self::Amibroker, Self::Python];
}

/// What to copy, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recipe {
    /// Who sends it.
    pub sender: Sender,
    /// Where it is sent to. `{secret}` stands for the source's secret.
    pub url: String,
    /// What is sent, or the code that sends it.
    pub message: String,
    /// Where to put both, step by step.
    pub steps: Vec<String>,
    /// The message as it comes when it was filled in: to try it.
    pub sample: String,
}

const TRADINGVIEW: &str = r#"{
  "ticker": "{{ticker}}", "exchange": "{{exchange}}",
  "action": "{{strategy.order.action}}", "contracts": "{{strategy.order.contracts}}",
  "price": "{{strategy.order.price}}", "order_id": "{{strategy.order.id}}",
  "market_position": "{{strategy.market_position}}",
  "market_position_size": "{{strategy.market_position_size}}",
  "prev_market_position": "{{strategy.prev_market_position}}",
  "prev_market_position_size": "{{strategy.prev_market_position_size}}",
  "timenow": "{{timenow}}", "time": "{{time}}", "interval": "{{interval}}"STRATEGY
}"#;
const TRADINGVIEW_PLAIN: &str = r#"{
  "ticker": "{{ticker}}", "exchange": "{{exchange}}", "action": "ACTION", "contracts": "1",
  "price": "{{close}}", "timenow": "{{timenow}}", "time": "{{time}}", "interval": "{{interval}}"STRATEGY
}"#;
const OPENALGO: &str = r#"{
  "strategy": "NAME", "symbol": "SYMBOL", "exchange": "EXCHANGE",
  "action": "{{strategy.order.action}}", "pricetype": "MARKET", "product": "PRODUCT",
  "quantity": "{{strategy.order.contracts}}", "position_size": "{{strategy.position_size}}", "timenow": "{{timenow}}"
}"#;
const AMIBROKER: &str = r#"// At the end of the formula, below Buy and Sell.
url = "URL";
function SendAlert( action )
{
    // One key for one bar of this route: however often the formula runs, it is one order.
    key = "ami:ROUTE:" + Name() + ":" + action + ":" + NumToStr( Interval(), 1.0, False ) + ":"
        + NumToStr( LastValue( DateTime() ), formatDateTimeISO );
    body = "{\"ticker\":\"" + Name() + "\",\"exchange\":\"EXCHANGE\",\"action\":\"" + action + "\",\"contracts\":\"1\","
         + "\"idempotency_key\":\"" + key + "\"STRATEGY_ESCAPED}";
    ih = InternetPostRequest( url, body, 0, "Content-Type: application/json\r\n" );
    if( ih ) InternetClose( ih );
}
if( LastValue( Buy ) ) SendAlert( "buy" );
if( LastValue( Sell ) ) SendAlert( "sell" );"#;
const PYTHON: &str = r#"import json, urllib.request, uuid
from datetime import datetime, timezone

URL = "URL_HERE"

def send(action, contracts, key=None):
    """One alert. Send it again after a failure with the same key: it is one order."""
    alert = {"ticker": "SYMBOL", "exchange": "EXCHANGE", "action": action, "contracts": str(contracts),
             "timenow": datetime.now(timezone.utc).isoformat(), "idempotency_key": key or str(uuid.uuid4())STRATEGY}
    request = urllib.request.Request(URL, json.dumps(alert).encode(), {"Content-Type": "application/json", "Prefer": "wait=5"})
    with urllib.request.urlopen(request, timeout=15) as answer:
        return json.load(answer)

print(send("ACTION", 1))"#;

/// A few letters for a route and whose alerts it takes: in a key they keep two formulas apart that signal on one bar.
fn short_name(route: &Route) -> String {
    let hash = body_hash(&format!("{}\u{1f}{}", route.name, route.alert_strategy.as_deref().unwrap_or_default()));
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// What to copy for a sender's alerts to reach a route. `base` is the address of this process as the sender reaches it,
/// `symbol` what the chart shows, `EXCHANGE:NAME`.
#[must_use]
pub fn recipe(sender: Sender, base: &str, client_id: &str, route: &Route, symbol: &str) -> Recipe {
    let url = format!("{base}/webhook/{client_id}/{{secret}}");
    let (exchange, name) = symbol.split_once(':').unwrap_or(("NSE", symbol));
    let strategy = route.alert_strategy.as_deref();
    let beside = strategy.map_or_else(String::new, |name| format!(",\n  \"strategy\": {}", serde_json::Value::from(name)));
    let action = if route.direction == ordergate_actors::routes::Direction::Short { "sell" } else { "buy" };
    let product = route.product.map_or("MIS", |product| product.as_str());
    let sides = "Two alerts are needed, one with action buy and one with sell: the route's direction says which of them opens.";
    let (message, steps) = match sender {
        Sender::Tradingview => (
            TRADINGVIEW.replace("STRATEGY", &beside),
            vec![
                "Add the strategy to the chart, then Alerts, Create alert; Condition: the strategy, order fills.".to_owned(),
                "Message: replace all of it by the message. Notifications: Webhook URL, the address.".to_owned(),
                "TradingView sends to ports 80 and 443 only, and needs a paid plan with two-factor sign-in.".to_owned(),
            ],
        ),
        Sender::TradingviewPlain => (
            TRADINGVIEW_PLAIN.replace("STRATEGY", &beside).replace("ACTION", action),
            vec![
                "Alerts, Create alert; Trigger: once per bar close.".to_owned(),
                "Message: the message. Notifications: Webhook URL, the address.".to_owned(),
                sides.to_owned(),
            ],
        ),
        Sender::Openalgo => (
            OPENALGO
                .replace("\"NAME\"", &serde_json::Value::from(strategy.unwrap_or("any")).to_string())
                .replace("SYMBOL", name)
                .replace("EXCHANGE", exchange)
                .replace("PRODUCT", product),
            vec![
                "Put the address in place of OpenAlgo's; the rest of the message may stay as it is.".to_owned(),
                "position_size is the position that is wanted; 0 while flat is nothing to do.".to_owned(),
            ],
        ),
        Sender::Chartink => (
            "ChartInk writes its message itself.".to_owned(),
            vec![
                "In the scan: Create alert, Webhook URL, the address.".to_owned(),
                "ChartInk says no side and no size: the route needs action, size, product and order_type.".to_owned(),
                format!("Each share is taken once a day, and at most {} of one alert.", route.max_orders),
            ],
        ),
        Sender::Amibroker => {
            let escaped = strategy.map_or_else(String::new, |name| format!(",\\\"strategy\\\":\\\"{}\\\"", name.replace(['"', '\\'], "'")));
            (
                AMIBROKER
                    .replace("URL", &url)
                    .replace("ROUTE", &short_name(route))
                    .replace("EXCHANGE", exchange)
                    .replace("STRATEGY_ESCAPED", &escaped),
                vec![
                    "Put the code at the end of the formula; it needs AmiBroker 6.20 or later.".to_owned(),
                    "A formula runs again with every refresh: the key makes one order of each bar.".to_owned(),
                ],
            )
        }
        Sender::Python => {
            let beside = strategy.map_or_else(String::new, |name| format!(", \"strategy\": {}", serde_json::Value::from(name)));
            let code = PYTHON.replace("URL_HERE", &url).replace("SYMBOL", name).replace("EXCHANGE", exchange);
            (
                code.replace("STRATEGY", &beside).replace("\"ACTION\"", &format!("\"{action}\"")),
                vec!["Run it with Python 3; it needs no other package.".to_owned()],
            )
        }
    };
    Recipe { sender, url, message, steps, sample: sample(sender, route, exchange, name, action) }
}

/// The message as it comes, filled in with one entry.
fn sample(sender: Sender, route: &Route, exchange: &str, name: &str, action: &str) -> String {
    use serde_json::{Map, Value, json};
    let side = if action == "sell" { "short" } else { "long" };
    let body = match sender {
        Sender::Tradingview => json!({
            "ticker": name, "exchange": exchange, "action": action, "contracts": "1", "price": "100", "order_id": "Entry",
            "market_position": side, "market_position_size": "1", "prev_market_position": "flat", "prev_market_position_size": "0",
            "interval": "15"
        }),
        Sender::Openalgo => json!({
            "strategy": "any", "symbol": name, "exchange": exchange, "action": action.to_uppercase(), "pricetype": "MARKET",
            "product": route.product.map_or("MIS", |product| product.as_str()), "quantity": "1",
            "position_size": if side == "short" { "-1" } else { "1" }
        }),
        Sender::Chartink => json!({
            "stocks": name, "trigger_prices": "100", "triggered_at": "10:30 am",
            "scan_name": route.alert_strategy.clone().unwrap_or_else(|| "My scan".to_owned()), "alert_name": "Alert"
        }),
        Sender::TradingviewPlain | Sender::Amibroker | Sender::Python => {
            json!({ "ticker": name, "exchange": exchange, "action": action, "contracts": "1" })
        }
    };
    let mut fields: Map<String, Value> = body.as_object().cloned().unwrap_or_default();
    if let Some(strategy) = route.alert_strategy.as_deref().filter(|_| sender != Sender::Chartink) {
        fields.insert("strategy".to_owned(), json!(strategy));
    }
    Value::Object(fields).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::formats::{self, Read};
    use crate::web::json::{Bounds, Json};
    use ordergate_actors::testkit::morning;

    fn route(direction: &str) -> Route {
        let text = format!(r#"{{"name":"tv","strategy":"trend","direction":"{direction}","alert_strategy":"My \"x\"","product":"MIS"}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn every_sample_is_read_and_fits_its_route() {
        for direction in ["long", "short", "both"] {
            let route = route(direction);
            for sender in Sender::ALL {
                let recipe = recipe(sender, "http://127.0.0.1:8080", "PAPER1", &route, "NSE:SBIN");
                let json = Json::parse(&recipe.sample, Bounds { depth: 8, keys: 100 }).unwrap();
                let Read::Readings(readings) = formats::read(&json, morning()).unwrap() else { panic!("{sender:?}") };
                let reading = readings.first().unwrap();
                assert!(reading.wrong.is_empty() && reading.ignored.is_empty(), "{sender:?}: {reading:?}");
                assert_eq!(reading.ticker.as_deref(), Some("SBIN"));
                assert!(route.fits("webhook", reading).is_some(), "{sender:?}");
                assert!(recipe.url.ends_with("/webhook/PAPER1/{secret}") && !recipe.steps.is_empty());
            }
        }
    }

    /// The template is JSON, and every placeholder in it is refused by name while it is not filled in.
    #[test]
    fn the_tradingview_message_is_json_with_placeholders_only_where_they_belong() {
        for sender in [Sender::Tradingview, Sender::TradingviewPlain, Sender::Openalgo] {
            let recipe = recipe(sender, "https://trade.example.com", "PAPER1", &route("both"), "NSE:SBIN");
            let json = Json::parse(&recipe.message, Bounds { depth: 8, keys: 100 }).unwrap();
            let Read::Readings(readings) = formats::read(&json, morning()).unwrap() else { panic!("{sender:?}") };
            let reading = readings.first().unwrap();
            assert!(!reading.wrong.is_empty() && reading.wrong.iter().all(|words| words.contains("placeholder")), "{:?}", reading.wrong);
            assert!(reading.ignored.is_empty(), "{:?}", reading.ignored);
        }
    }

    /// Two formulas that signal on one bar are two alerts: the second must not be taken for the first.
    #[test]
    fn the_key_of_a_formula_is_of_its_route() {
        let message = |change: &dyn Fn(&mut Route)| {
            let mut route = route("long");
            change(&mut route);
            recipe(Sender::Amibroker, "http://127.0.0.1:8080", "PAPER1", &route, "NSE:SBIN").message
        };
        let base = message(&|_| {});
        assert!(base == message(&|_| {}) && base.contains("Interval()"));
        assert_ne!(base, message(&|route| "tv2".clone_into(&mut route.name)));
        let key = |message: &str| message.lines().find(|line| line.contains("key = ")).map(str::to_owned);
        assert_ne!(key(&base), key(&message(&|route| route.alert_strategy = Some("y".to_owned()))));
    }

    #[test]
    fn no_word_of_a_template_is_left_in_what_is_shown() {
        for sender in Sender::ALL {
            let recipe = recipe(sender, "http://127.0.0.1:8080", "PAPER1", &route("long"), "BSE:SBIN");
            for word in ["STRATEGY", "URL_HERE", "\"ACTION\"", "SYMBOL", "\"EXCHANGE\"", "PRODUCT", "\"NAME\"", "ROUTE"] {
                assert!(!recipe.message.contains(word), "{sender:?}: {word}\n{}", recipe.message);
            }
        }
    }
}
