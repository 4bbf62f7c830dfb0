//! One message of a route: what to copy where, what it would become, and sent, as a test or for real.

use std::io::Read as _;

use ordergate_actors::order::clean;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::show::{fields, gates, orders, plain, query, verdicts, would_go};
use super::{Done, SampleArgs, said};
use crate::cli::engine::{Said, ask, post_alert};
use crate::cli::print::Page;
use crate::cli::{Config, EXIT_ATTENTION, EXIT_OK};
use crate::secrets::Secrets;
use crate::web::connect::Sender;

pub(super) fn message(
    config: &Config,
    account: Option<&str>,
    name: &str,
    sender: Sender,
    symbol: Option<&str>,
    source: Option<&str>,
) -> Done {
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

pub(super) fn read(config: &Config, account: Option<&str>, args: &SampleArgs) -> Done {
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
        page.heading(format!("Becomes, by route {} (as of journal row {})", plain(&becomes["route"]), plain(&becomes["version"])));
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
        is_good &= would_go(explained);
    }
    page.show()?;
    Ok(Ok(if is_good { EXIT_OK } else { EXIT_ATTENTION }))
}

pub(super) fn test(config: &Config, account: Option<&str>, args: &SampleArgs) -> Done {
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

pub(super) fn send(config: &Config, account: Option<&str>, args: &SampleArgs) -> Done {
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
        _ => Err(said.trouble()),
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
