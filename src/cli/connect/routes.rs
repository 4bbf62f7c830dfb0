//! Routes: what there is, one written, one removed.

use serde_json::{Map, json};

use super::show::{plain, query};
use super::{Done, RouteArgs, said};
use crate::cli::engine::{ask, ask_with};
use crate::cli::print::Page;
use crate::cli::{Config, EXIT_OK};

pub(super) fn overview(config: &Config, account: Option<&str>) -> Done {
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
        page.table(&["route", "account", "takes", "strategy", "trades", "way", "product", "size", "from", "journal row"], rows);
    }
    let sources = said.body["sources"].as_array().cloned().unwrap_or_default();
    page.heading("Sources").line(sources.iter().map(|source| plain(&source["name"])).collect::<Vec<_>>().join(", "));
    page.heading("Next").line("  ordergate connect message ROUTE --sender tradingview   what to copy where");
    page.line("  ordergate connect read --route ROUTE                   what a message would become");
    page.show()?;
    Ok(Ok(EXIT_OK))
}

pub(super) fn route(config: &Config, account: Option<&str>, args: &RouteArgs) -> Done {
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
    let (row, changed) = (plain(&said.body["route"]["version"]), plain(&said.body["changed"]));
    page.line(format!("route {} is written: {changed}", args.name));
    page.line(format!("its version is {row}, the number of its row in the account's journal"));
    page.line(format!("next: ordergate connect message {}", args.name)).show()?;
    Ok(Ok(EXIT_OK))
}

pub(super) fn remove(config: &Config, account: Option<&str>, name: &str, reason: &str) -> Done {
    let body = json!({ "client_id": account, "name": name, "reason": reason });
    said!(ask_with(config, "DELETE", "/dashboard/routes", Some(&body)));
    Page::new().line(format!("route {name} is removed")).show()?;
    Ok(Ok(EXIT_OK))
}
