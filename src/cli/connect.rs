//! `ordergate connect`: from a chart's alert to an order. It makes the route, shows what to copy where, says what a sample
//! would become, sends a test, and sends the sample itself.

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use ordergate_actors::order::clean;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::engine::{Said, ask, ask_with, post_alert};
use super::print::Page;
use super::{Config, EXIT_ATTENTION, EXIT_OK};
use crate::secrets::Secrets;
use crate::web::connect::Sender;

#[derive(Debug, Args)]
pub(super) struct Connect {
    /// The account; may be left out if there is one
    #[arg(long, global = true, value_name = "NAME")]
    account: Option<String>,
    #[command(subcommand)]
    step: Option<Step>,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// 1. Make a route, or change it: what alerts become
    Route(Box<RouteArgs>),
    /// Remove a route; what it traded stays
    Remove {
        /// Its name
        name: String,
        /// Why; it stands in the journal
        #[arg(long, default_value = "removed by hand")]
        reason: String,
    },
    /// 2. Show the address and the message to copy
    Message {
        /// The route
        name: String,
        /// Who sends
        #[arg(long, value_enum, default_value = "tradingview")]
        sender: Sender,
        /// What the chart shows, for example NSE:SBIN
        #[arg(long)]
        symbol: Option<String>,
        /// Whose secret stands in the address; left out: the common one
        #[arg(long)]
        source: Option<String>,
    },
    /// 3. Say what a message would become; nothing is written or sent
    Read(SampleArgs),
    /// 4. Send it as a test: it walks the line, leaves its record, and ends before the broker
    Test(SampleArgs),
    /// 5. Send it as the chart would: a real order of the account
    Send(SampleArgs),
}

#[derive(Debug, Args)]
struct RouteArgs {
    /// Its name
    name: String,
    /// Which way it trades: long, short or both
    #[arg(long)]
    direction: String,
    /// Who owns what it trades; left out: the route's name
    #[arg(long)]
    strategy: Option<String>,
    /// MIS, NRML or CNC; left out: the alert's
    #[arg(long)]
    product: Option<String>,
    /// MARKET or LIMIT; left out: the alert's
    #[arg(long)]
    order_type: Option<String>,
    /// What it trades, any spelling or selector; left out: what the alert names
    #[arg(long)]
    instrument: Option<String>,
    /// Takes alerts of this instrument only, as the chart calls it
    #[arg(long)]
    ticker: Option<String>,
    /// Takes alerts of this source only
    #[arg(long)]
    source: Option<String>,
    /// Takes alerts only that call their strategy or scan so
    #[arg(long)]
    alert_strategy: Option<String>,
    /// "2 lots", "130 units" or "50000 rupees"; left out: the alert's number
    #[arg(long)]
    size: Option<String>,
    /// What the alert's number counts: units or lots
    #[arg(long)]
    qty_unit: Option<String>,
    /// BUY or SELL, for alerts that do not say
    #[arg(long)]
    action: Option<String>,
    /// How often it may add to a position that it holds
    #[arg(long)]
    adds: Option<u32>,
    /// Entries only from this time of day, India (09:20)
    #[arg(long)]
    entries_from: Option<String>,
    /// Entries only before this time of day, India (14:45)
    #[arg(long)]
    entries_until: Option<String>,
    /// Entries in one day
    #[arg(long)]
    trades_per_day: Option<u32>,
    /// Stop of what it opens: a price, "12 points" or "1.5%"
    #[arg(long)]
    stop_loss: Option<String>,
    /// Target of what it opens
    #[arg(long)]
    target: Option<String>,
    /// How its stop trails: "12 points" or "1.5%"
    #[arg(long)]
    trailing: Option<String>,
    /// Where its stop lives: engine or broker; left out: as the account's settings say.
    #[arg(long)]
    stop_at: Option<String>,
    /// Each entry waits for a person's yes
    #[arg(long)]
    approval: bool,
    /// Orders of one ChartInk alert
    #[arg(long)]
    max_orders: Option<u32>,
    /// tell or block: what a gap in its source's numbers does
    #[arg(long)]
    on_gap: Option<String>,
    /// Why; it stands in the journal
    #[arg(long, default_value = "written by hand")]
    reason: String,
}

#[derive(Debug, Args)]
struct SampleArgs {
    /// A file with the message as it comes, or - for the standard input; left out: a sample of the route
    file: Option<PathBuf>,
    /// The route whose sample is taken when no file is named
    #[arg(long)]
    route: Option<String>,
    /// The kind of sender that the sample is of
    #[arg(long, value_enum, default_value = "tradingview")]
    sender: Sender,
    /// What the chart shows
    #[arg(long)]
    symbol: Option<String>,
    /// Whose alert it is; left out: the common source
    #[arg(long)]
    source: Option<String>,
}

pub(super) fn run(config: &Config, wish: &Connect) -> anyhow::Result<i32> {
    let done = match &wish.step {
        None => overview(config, wish.account.as_deref()),
        Some(Step::Route(args)) => route(config, wish.account.as_deref(), args),
        Some(Step::Remove { name, reason }) => remove(config, wish.account.as_deref(), name, reason),
        Some(Step::Message { name, sender, symbol, source }) => {
            message(config, wish.account.as_deref(), name, *sender, symbol.as_deref(), source.as_deref())
        }
        Some(Step::Read(args)) => read(config, wish.account.as_deref(), args),
        Some(Step::Test(args)) => test(config, wish.account.as_deref(), args),
        Some(Step::Send(args)) => send(config, wish.account.as_deref(), args),
    };
    match done? {
        Ok(code) => Ok(code),
        Err(trouble) => {
            Page::new().line(trouble).show()?;
            Ok(EXIT_ATTENTION)
        }
    }
}

/// An exit code, or what is wrong in words.
type Done = anyhow::Result<Result<i32, String>>;

/// Takes the body out of an answer, or gives up with its words.
macro_rules! said {
    ($asked:expr) => {
        match $asked? {
            Ok(said) if said.is_success() => said,
            Ok(said) => return Ok(Err(trouble(&said))),
            Err(words) => return Ok(Err(words)),
        }
    };
}

fn trouble(said: &Said) -> String {
    said.trouble()
}

fn overview(config: &Config, account: Option<&str>) -> Done {
    let said = said!(ask(config, &format!("/dashboard/connect{}", query(&[("client_id", account)])), None));
    let mut page = Page::new();
    let routes = said.body["routes"].as_array().cloned().unwrap_or_default();
    if routes.is_empty() {
        page.line("There is no route yet. A route says what a chart's alert becomes:");
        page.line("  ordergate connect route trend --direction long --product MIS --order-type MARKET --qty-unit units");
    } else {
        let rows = routes.iter().map(|route| {
            let text = |name: &str| plain(&route[name]);
            let takes = ["source", "alert_strategy", "ticker"].iter().map(|name| text(name)).filter(|text| text != "-").collect::<Vec<_>>();
            vec![
                text("name"),
                text("client_id"),
                if takes.is_empty() { "every alert".to_owned() } else { takes.join(", ") },
                text("strategy"),
                if route["instrument"].is_null() { "what the alert names".to_owned() } else { text("instrument") },
                text("direction"),
                text("product"),
                if route["size"].is_null() { format!("the alert's, in {}", text("qty_unit")) } else { text("size") },
                text("origin"),
                text("version"),
            ]
        });
        page.table(&["route", "account", "takes", "strategy", "trades", "way", "product", "size", "from", "version"], rows);
    }
    let sources = said.body["sources"].as_array().cloned().unwrap_or_default();
    page.heading("Sources").line(sources.iter().map(|source| plain(&source["name"])).collect::<Vec<_>>().join(", "));
    page.heading("Next").line("  ordergate connect message ROUTE --sender tradingview   what to copy where");
    page.line("  ordergate connect read --route ROUTE                   what a message would become");
    page.show()?;
    Ok(Ok(EXIT_OK))
}

fn route(config: &Config, account: Option<&str>, args: &RouteArgs) -> Done {
    let mut route = Map::new();
    let texts = [
        ("name", Some(&args.name)),
        ("strategy", args.strategy.as_ref().or(Some(&args.name))),
        ("product", args.product.as_ref()),
        ("order_type", args.order_type.as_ref()),
        ("instrument", args.instrument.as_ref()),
        ("ticker", args.ticker.as_ref()),
        ("source", args.source.as_ref()),
        ("alert_strategy", args.alert_strategy.as_ref()),
        ("size", args.size.as_ref()),
        ("action", args.action.as_ref()),
        ("entries_from", args.entries_from.as_ref()),
        ("entries_until", args.entries_until.as_ref()),
        ("stop_loss", args.stop_loss.as_ref()),
        ("target", args.target.as_ref()),
        ("trailing", args.trailing.as_ref()),
    ];
    route.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?)))));
    let lower = [
        ("direction", Some(&args.direction)),
        ("qty_unit", args.qty_unit.as_ref()),
        ("on_gap", args.on_gap.as_ref()),
        ("stop_at", args.stop_at.as_ref()),
    ];
    route.extend(lower.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?.to_ascii_lowercase())))));
    let numbers = [("adds", args.adds), ("trades_per_day", args.trades_per_day), ("max_orders", args.max_orders)];
    route.extend(numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), json!(number?)))));
    route.insert("approval".to_owned(), json!(args.approval));
    let body = json!({ "client_id": account, "reason": args.reason, "route": route });
    let said = said!(ask_with(config, "PUT", "/dashboard/routes", Some(&body)));
    let mut page = Page::new();
    page.line(format!("route {} is version {}", args.name, plain(&said.body["route"]["version"])));
    page.line(format!("next: ordergate connect message {}", args.name)).show()?;
    Ok(Ok(EXIT_OK))
}

fn remove(config: &Config, account: Option<&str>, name: &str, reason: &str) -> Done {
    let body = json!({ "client_id": account, "name": name, "reason": reason });
    said!(ask_with(config, "DELETE", "/dashboard/routes", Some(&body)));
    Page::new().line(format!("route {name} is removed")).show()?;
    Ok(Ok(EXIT_OK))
}

fn message(config: &Config, account: Option<&str>, name: &str, sender: Sender, symbol: Option<&str>, source: Option<&str>) -> Done {
    let said = said!(recipe(config, account, name, sender, symbol));
    let recipe = &said.body["recipe"];
    let secret = match secret(config, source)? {
        Ok(secret) => secret,
        Err(words) => return Ok(Err(words)),
    };
    let shown = |name: &str| recipe[name].as_str().unwrap_or_default().replace("{secret}", &secret);
    let mut page = Page::new();
    page.line("Address (keep it to yourself: it holds the secret):").line(format!("  {}", shown("url")));
    page.heading("Message:").line(shown("message"));
    page.heading("Where to put them:");
    for step in recipe["steps"].as_array().into_iter().flatten() {
        page.line(format!("  - {}", plain(step)));
    }
    page.heading(format!("next: ordergate connect read --route {name}")).show()?;
    Ok(Ok(EXIT_OK))
}

fn recipe(
    config: &Config,
    account: Option<&str>,
    name: &str,
    sender: Sender,
    symbol: Option<&str>,
) -> anyhow::Result<Result<Said, String>> {
    let sender = json!(sender);
    let asked = query(&[("client_id", account), ("route", Some(name)), ("sender", sender.as_str()), ("symbol", symbol)]);
    ask(config, &format!("/dashboard/connect/message{asked}"), None)
}

fn read(config: &Config, account: Option<&str>, args: &SampleArgs) -> Done {
    let sample = match sample(config, account, args)? {
        Ok(sample) => sample,
        Err(words) => return Ok(Err(words)),
    };
    let body = json!({ "client_id": account, "source": args.source, "sample": sample });
    let said = said!(ask(config, "/dashboard/connect/read", Some(&body)));
    let mut page = Page::new();
    page.line(format!("the message: {}", clean(&sample, 2_000)));
    let mut is_good = true;
    for alert in said.body["alerts"].as_array().into_iter().flatten() {
        page.heading("Read as");
        fields(&alert["reading"], &mut page);
        let becomes = &alert["becomes"];
        if let Some(detail) = becomes["detail"].as_str() {
            is_good = false;
            page.heading(format!("No order: {detail}")).line(format!("({})", plain(&becomes["remedy"])));
            continue;
        }
        page.heading(format!("Becomes, by route {} (version {})", plain(&becomes["route"]), plain(&becomes["version"])));
        page.line(format!("  instrument: {}", plain(&becomes["instrument"])));
        page.line(format!("  held there, orders under way counted: {}", plain(&becomes["held"])));
        fields(&becomes["order"], &mut page);
        for note in becomes["notes"].as_array().into_iter().flatten() {
            page.line(format!("  note: {}", plain(note)));
        }
        page.line(format!("  chain: {}", plain(&becomes["chain"])));
        page.heading("What would happen now");
        let explained = &becomes["explained"];
        let rest: Map<String, Value> = explained
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| *name != "gates")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        fields(&Value::Object(rest), &mut page);
        gates(&explained["gates"], &mut page);
    }
    page.show()?;
    Ok(Ok(if is_good { EXIT_OK } else { EXIT_ATTENTION }))
}

fn test(config: &Config, account: Option<&str>, args: &SampleArgs) -> Done {
    let sample = match sample(config, account, args)? {
        Ok(sample) => sample,
        Err(words) => return Ok(Err(words)),
    };
    let body = json!({ "client_id": account, "source": args.source, "sample": sample });
    let said = said!(ask(config, "/dashboard/connect/test", Some(&body)));
    let code = orders(&said, "a test: nothing reached the broker")?;
    for order in said.body["orders"].as_array().into_iter().flatten() {
        let Some(path) = order["status_url"].as_str() else { continue };
        let detail = said!(ask(config, path, None));
        verdicts(&detail.body)?;
    }
    Ok(code)
}

fn gates(gates: &Value, page: &mut Page) {
    let rows = gates.as_array().into_iter().flatten().map(|gate| {
        let passed = if gate["passed"] == true { "PASSED" } else { "REFUSED" };
        vec![plain(&gate["gate"]), passed.to_owned(), plain(&gate["input"]), plain(&gate["limit"])]
    });
    page.heading("The gates").table(&["gate", "verdict", "saw", "limit"], rows);
}

/// What every gate said about a test, and the exact request that would have gone out.
fn verdicts(order: &Value) -> anyhow::Result<()> {
    let mut page = Page::new();
    let rows = order["gates"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|gate| ["gate", "verdict", "input", "limit"].iter().map(|name| plain(&gate[*name])).collect());
    page.heading("The gates").table(&["gate", "verdict", "saw", "limit"], rows);
    let request = order["journal"].as_array().into_iter().flatten().find_map(|row| row["inputs"]["request"].as_str());
    if let Some(request) = request {
        page.heading("The request to the broker").line(format!("  {}", clean(request, 2_000)));
    }
    page.show()?;
    Ok(())
}

fn send(config: &Config, account: Option<&str>, args: &SampleArgs) -> Done {
    let sample = match sample(config, account, args)? {
        Ok(sample) => sample,
        Err(words) => return Ok(Err(words)),
    };
    let secret = match secret(config, args.source.as_deref())? {
        Ok(secret) => secret,
        Err(words) => return Ok(Err(words)),
    };
    let said = said!(post_alert(config, account, &secret, &sample));
    orders(&said, "sent as the chart would send it")
}

fn orders(said: &Said, words: &str) -> Done {
    let mut page = Page::new();
    page.line(format!("{words}; {}", plain(&said.body["status"])));
    let rows = said.body["orders"].as_array().into_iter().flatten().map(|order| {
        ["execution_type", "side", "quantity", "symbol", "product", "status", "filled_quantity", "average_price", "words", "reason"]
            .iter()
            .map(|name| plain(&order[*name]))
            .collect()
    });
    page.table(&["act", "side", "quantity", "symbol", "product", "status", "filled", "price", "words", "reason"], rows);
    for note in said.body["notes"].as_array().into_iter().flatten() {
        page.line(format!("note: {}", plain(note)));
    }
    page.show()?;
    let is_good = said.body["status"] == "ACCEPTED" || said.body["replayed"] == true;
    Ok(Ok(if is_good { EXIT_OK } else { EXIT_ATTENTION }))
}

/// The message: of the file, or the sample of a route.
fn sample(config: &Config, account: Option<&str>, args: &SampleArgs) -> anyhow::Result<Result<String, String>> {
    if let Some(file) = &args.file {
        let mut text = String::new();
        if file.as_os_str() == "-" {
            std::io::stdin().lock().read_to_string(&mut text)?;
        } else {
            match std::fs::read_to_string(file) {
                Ok(read) => text = read,
                Err(cause) => return Ok(Err(format!("{} cannot be read: {cause}", file.display()))),
            }
        }
        return Ok(Ok(text));
    }
    let Some(route) = args.route.as_deref() else {
        return Ok(Err("name a file with the message, or --route for a sample of it".to_owned()));
    };
    Ok(recipe(config, account, route, args.sender, args.symbol.as_deref())?.and_then(|said| match said.body["recipe"]["sample"].as_str() {
        Some(text) if said.is_success() => Ok(text.to_owned()),
        _ => Err(trouble(&said)),
    }))
}

/// The secret of a source, of this machine's own settings: it never comes over the API.
fn secret(config: &Config, source: Option<&str>) -> anyhow::Result<Result<String, String>> {
    let named = source.filter(|name| *name != "webhook");
    if let Some(name) = named {
        let found = config.webhook.sources.iter().find(|source| source.name == name);
        return Ok(found
            .map(|source| source.secret.expose_secret().to_owned())
            .ok_or_else(|| format!("there is no source {name:?} in the settings")));
    }
    let secrets = Secrets::load(config)?;
    let words = || "there are no secrets yet: no engine has run on this directory".to_owned();
    Ok(secrets.map(|secrets| secrets.webhook_secret.expose_secret().to_owned()).ok_or_else(words))
}

/// The fields of an object that hold something.
fn fields(value: &Value, page: &mut Page) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let is_empty = value.is_null() || value == &json!([]) || value == &json!(false) || value == &json!({});
        if !is_empty {
            page.line(format!("  {name}: {}", clean(&plain(value), 600)));
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { "-".to_owned() } else { value.to_string() }, str::to_owned)
}

/// The query of an address, its values escaped.
fn query(fields: &[(&str, Option<&str>)]) -> String {
    let mut text = String::new();
    for (name, value) in fields.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_escaped() {
        assert_eq!(query(&[("a", None), ("b", Some("NSE:M&M 1!")), ("c", Some("x"))]), "?b=NSE%3AM%26M%201%21&c=x");
        assert_eq!(query(&[]), "");
    }
}
