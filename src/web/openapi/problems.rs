//! Every code that an answer may carry when something was not done, with what to do about it and where it may come from. A test holds
//! the list against the code.

use serde_json::{Map, Value, json};

use super::table::About;
use crate::web::routes::{Guard, Route};

/// About one code.
#[derive(Debug)]
struct Told {
    code: &'static str,
    status: u16,
    when: &'static str,
    remedy: &'static str,
    /// Where it may come from: words as [`Told::is_of`] knows them, or beginnings of paths, with a method before them or without.
    at: &'static str,
}

const fn told(code: &'static str, status: u16, when: &'static str, remedy: &'static str, at: &'static str) -> Told {
    Told { code, status, when, remedy, at }
}

impl Told {
    fn is_of(&self, route: &Route, about: &About) -> bool {
        let has_account =
            [about.query, about.body, route.path].iter().any(|text| text.split([' ', '/', '{', '}']).any(|word| word == "client_id"));
        self.at.split_whitespace().any(|word| match word {
            "credentials" => matches!(route.guard, Guard::Key | Guard::Trade | Guard::Anyone),
            "scope" => matches!(route.guard, Guard::Key | Guard::Trade),
            "cookie" => matches!(route.guard, Guard::Key | Guard::Trade | Guard::Anyone) && route.method != "GET",
            "body" => !about.body.is_empty(),
            "query" => !about.query.is_empty(),
            "account" => has_account,
            "alert" => route.guard == Guard::Secret,
            "path" => route.path.contains('{'),
            place => {
                let (method, path) = place.split_at(place.find('/').unwrap_or(0));
                (method.is_empty() || method == route.method) && route.path.starts_with(path)
            }
        })
    }
}

/// The codes, for `components`.
pub(super) fn all() -> Value {
    let rows = PROBLEMS.iter().map(|told| {
        let shown = json!({ "status": told.status, "when": told.when, "remedy": told.remedy });
        (told.code.to_owned(), shown)
    });
    Value::Object(rows.collect::<Map<_, _>>())
}

/// The codes that a route may answer with. OpenAlgo's calls answer in OpenAlgo's own words.
pub(super) fn of(route: &Route, about: &About) -> Vec<&'static str> {
    if route.guard == Guard::KeyInBody {
        return Vec::new();
    }
    PROBLEMS.iter().filter(|told| told.is_of(route, about)).map(|told| told.code).collect()
}

/// Sorted by code.
const PROBLEMS: &[Told] = &[
    told("access_unusable", 503, "the files of sessions and passwords cannot be used", "the log says why", "/dashboard/session"),
    told(
        "already_firing",
        409,
        "the exit of the rule is under way, or the limit of its target rests",
        "see the order; to keep the position switch the rule off, cancel the order, and set the rule anew",
        "/dashboard/exit-rules",
    ),
    told(
        "ambiguous",
        400,
        "several positions fit",
        "name the strategy, the symbol, the exchange and the product",
        "POST/dashboard/positions /dashboard/exit-rules",
    ),
    told(
        "ambiguous_symbol",
        422,
        "the name means several instruments",
        "take one of the names in `near`, or name the exchange",
        "/dashboard/symbols/resolve",
    ),
    told(
        "answer_lost",
        503,
        "the answer was lost on its way; the act may have been done",
        "look at the record, then send it again with the same key and body",
        "alert POST/dashboard/intent POST/dashboard/positions POST/dashboard/orders POST/dashboard/connect POST/dashboard/approvals POST/dashboard/freeze POST/dashboard/arm POST/dashboard/risk POST/dashboard/alarms POST/dashboard/guard",
    ),
    told(
        "arming_overtaken",
        409,
        "somebody else armed or disarmed meanwhile",
        "ask why, look again, and arm again if that is still wanted",
        "/dashboard/arm",
    ),
    told("bad_exit_rule", 400, "a field of the rule is not valid", "correct the field named in the detail", "/dashboard/exit-rules"),
    told(
        "bad_idempotency_key",
        400,
        "the key is longer than 128 bytes, or there are two that differ",
        "send one key of 1 to 128 bytes",
        "alert POST/dashboard/intent POST/dashboard/positions POST/dashboard/orders POST/dashboard/connect/test",
    ),
    told(
        "bad_limit",
        400,
        "limit (or strikes) is beyond what one page gives",
        "send at most the number in the remedy",
        "GET/dashboard/orderbook GET/dashboard/audit GET/dashboard/symbols/search GET/dashboard/option-chain",
    ),
    told("bad_price", 400, "the price is no price", "send a price in rupees", "/dashboard/differences/adopt /dashboard/told-prices"),
    told(
        "bad_query",
        400,
        "a parameter of the address is missing, unknown or not valid",
        "correct the parameter named in the detail",
        "query credentials",
    ),
    told(
        "bad_range",
        400,
        "from and to are no range of trading dates",
        "send from and to as 2026-11-26, both counted in",
        "/dashboard/exports",
    ),
    told("bad_reason", 400, "the reason cannot be written down", "send another reason", "/dashboard/differences /dashboard/risk"),
    told("bad_request", 400, "a field of the body is missing, unknown or not valid", "correct the field named in the detail", "body path"),
    told("bad_route", 400, "fields of the route are not valid", "correct the fields that are named", "/dashboard/routes"),
    told("bad_time", 400, "an override must say when it ends", "send minutes, from 1 to 1440", "/dashboard/risk/override"),
    told(
        "bad_value",
        400,
        "the value is not above 0, or not whole where the limit counts",
        "send a number above 0 as text",
        "/dashboard/risk/override",
    ),
    told("body_broken", 400, "the body broke off", "send it again", "alert body"),
    told("body_too_large", 413, "the body is larger than server.body_limit_bytes", "send fewer legs, or less text", "alert body"),
    told("body_too_slow", 408, "the body did not come in time", "send it again", "alert body"),
    told("busy", 503, "orders before this one are still being written down; nothing was sent", "send it again in a moment", ""),
    told(
        "change_refused",
        409,
        "a gate, or the state of the order, does not allow the change",
        "correct what the detail names; or cancel it and send a new order",
        "/dashboard/orders/{command_id}/modify",
    ),
    told(
        "changed_meanwhile",
        409,
        "somebody else changed it meanwhile",
        "read it again, and send the version that stands",
        "/dashboard/routes /dashboard/exit-rules POST/dashboard/kill",
    ),
    told("confirm", 409, "the arming was shown and not confirmed", "read it, then send confirm with the account's name", "/dashboard/arm"),
    told(
        "contradiction",
        400,
        "an order of the basket says another strategy or type than the basket",
        "leave strategy and execution_type out of the orders",
        "/dashboard/intent/strategy",
    ),
    told(
        "cross_origin",
        403,
        "a session's cookie came along, and the request does not say that our own page sent it",
        "send it from the dashboard; a program sends an API key",
        "cookie",
    ),
    told(
        "difference_changed",
        409,
        "the difference is not what was named any more",
        "look again, and send the difference that you mean",
        "/dashboard/differences",
    ),
    told(
        "difference_settling",
        409,
        "orders that explain the difference are on their way",
        "wait for the next read of the books",
        "/dashboard/differences",
    ),
    told("duplicate_key", 400, "a key stands in the body twice", "send every key once; keys are the same in any case", "alert body"),
    told("headers_too_large", 431, "the headers are too large", "send fewer or shorter headers", "credentials alert"),
    told(
        "idempotency_conflict",
        409,
        "the key was used for another body",
        "use a new key for a new signal",
        "alert POST/dashboard/intent POST/dashboard/positions POST/dashboard/connect/test",
    ),
    told("internal", 500, "a fault inside ordergate", "report it", "/dashboard/orders/{command_id}/resubmit"),
    told(
        "journal_closed",
        503,
        "ordergate is starting or stopping, and nothing can be written down",
        "send it again in a moment",
        "alert cookie",
    ),
    told("json_too_complex", 400, "the body has too many fields, or they are too deep", "send fewer or flatter fields", "alert body"),
    told(
        "kill_not_confirmed",
        503,
        "the level holds in memory, and is not on disk for every account",
        "look at the accounts in the answer, and send it again",
        "/dashboard/kill",
    ),
    told("login_later", 503, "the broker cannot be reached for a login", "try again in a moment", "/dashboard/broker /broker"),
    told("login_refused", 409, "the broker refuses the login", "correct the credentials before you try again", "/dashboard/broker /broker"),
    told("logout_later", 503, "the broker did not end the session", "try again in a moment", "POST/dashboard/broker/logout"),
    told(
        "margin_short",
        409,
        "the broker does not show that the margin is enough now",
        "bring money in or close something, and wait for the next read of the funds; if its figures are wrong, send although_short as true",
        "/dashboard/risk/rearm",
    ),
    told("method_not_allowed", 405, "the address takes another method", "send the method named in Allow", ""),
    told(
        "names_its_orders",
        400,
        "the sample names its orders itself and needs no route",
        "POST /dashboard/explain, or send it to the webhook with test_mode",
        "/dashboard/connect",
    ),
    told("no_channel", 409, "no channel is set", "set one in [alerts] of the settings, and restart", "/dashboard/alerts/test"),
    told(
        "no_contracts",
        404,
        "there are no such contracts",
        "see symbols/search and symbols/expiries",
        "/dashboard/symbols /dashboard/option-chain",
    ),
    told("no_difference", 404, "the two books agree there", "see GET /dashboard/positions for what differs", "/dashboard/differences"),
    told("no_exit_rule", 404, "there is no such rule", "see GET /dashboard/exit-rules", "/dashboard/exit-rules"),
    told("no_login", 409, "the broker of the account has no login", "nothing is to be done", "/dashboard/broker /broker"),
    told(
        "no_login_awaited",
        409,
        "no login was begun, or it was too long ago",
        "begin again: ordergate login",
        "/dashboard/broker /broker",
    ),
    told("no_orders", 400, "orders is empty", "send at least one order", "POST/dashboard/intent"),
    told(
        "no_position",
        404,
        "the strategy holds nothing there",
        "see GET /dashboard/positions",
        "/dashboard/exit-rules /dashboard/symbols/resolve",
    ),
    told(
        "no_price",
        422,
        "the name needs a price of the underlying, and there is none",
        "wait for a quote, or name the strike",
        "/dashboard/symbols/resolve",
    ),
    told("no_quote", 404, "there is no quote of the instrument yet", "ask again in a moment", ""),
    told("no_random_numbers", 503, "the machine gives no random numbers", "look at the machine", "/dashboard/broker /broker"),
    told(
        "no_route",
        400,
        "the alert does not name its orders, and no route takes it",
        "make a route: `ordergate connect route`, [[routes]], or PUT /dashboard/routes",
        "alert /dashboard/explain /dashboard/connect",
    ),
    told("no_such_account", 404, "there is no such account for this sender", "check the account's name", "account"),
    told("no_such_alarm", 404, "no such alarm is open", "take the alarm_id from GET /dashboard/attention", "/dashboard/alarms"),
    told("no_such_limit", 400, "there is no such limit", "send one of the names in the remedy", "/dashboard/risk/override"),
    told(
        "no_such_order",
        404,
        "there is no such order",
        "take the command_id from the order book",
        "/dashboard/orders/ POST/dashboard/approvals",
    ),
    told("no_such_page", 404, "there is no such page", "begin at /dashboard/web/index.html", "/dashboard/web"),
    told("no_such_route", 404, "there is nothing at this address", "/dashboard/web/api.html has every address", ""),
    told("no_such_route_name", 404, "there is no such route", "GET /dashboard/routes lists them", "/dashboard/routes /dashboard/connect"),
    told("no_such_session", 404, "no such session is open", "take the id from GET /dashboard/sessions", "DELETE/dashboard/sessions"),
    told(
        "no_such_source",
        404,
        "there is no such source",
        "GET /dashboard/connect lists them",
        "/dashboard/routes /dashboard/sources /dashboard/connect /dashboard/explain",
    ),
    told(
        "no_such_strategy",
        404,
        "the account has never had a strategy of that name; nothing was done",
        "name one of those in `strategies`; without a strategy it is done for the whole account, where that is possible",
        "POST/dashboard/kill /dashboard/positions/exit /dashboard/guard/force-clear",
    ),
    told("no_symbol", 400, "symbol is empty, too long, or holds a placeholder", "send the name to look up", "/dashboard/symbols/resolve"),
    told(
        "not_cancellable",
        409,
        "the order has ended, or is being cancelled",
        "see the order's status",
        "/dashboard/orders/{command_id}/cancel",
    ),
    told(
        "not_failed",
        409,
        "only an order that failed can be sent again",
        "see the order's status",
        "/dashboard/orders/{command_id}/resubmit",
    ),
    told("not_for_this_key", 403, "the key or session may not do that", "use a key that may do it (api.keys in the settings)", "scope"),
    told(
        "not_from_here",
        403,
        "the key or the secret is good, but not from this address",
        "add the address to its `addresses`; behind a proxy, see server.trusted_proxies",
        "credentials alert /dashboard/session",
    ),
    told(
        "not_halted",
        409,
        "nothing is halted there",
        "see GET /dashboard/risk and GET /dashboard/attention",
        "/dashboard/risk/rearm /dashboard/exit-rules/go-on",
    ),
    told("not_in_doubt", 409, "the order is not in doubt", "see the order's status", "/dashboard/orders/{command_id}/resolve"),
    told(
        "not_json",
        400,
        "the body is no JSON in UTF-8",
        "send JSON; a placeholder that stands for a text needs quotes around it",
        "alert body",
    ),
    told("not_on_the_ladder", 404, "no exit of that id waits for a word", "see GET /dashboard/attention", "/dashboard/exit-rules/go-on"),
    told("not_proven", 409, "a proof that arming wants is missing or too old", "do what the remedy names", "/dashboard/arm"),
    told("not_read", 503, "the broker's book was not read yet", "ask again in a moment", ""),
    told(
        "not_ready",
        409,
        "the readiness report says NO GO, or ordergate is starting",
        "correct what fails, or send force: true with the reason",
        "/dashboard/arm",
    ),
    told(
        "not_that_order",
        409,
        "the broker's order book has something else under that number",
        "look the number up at the broker again, and send the right one",
        "/dashboard/orders/{command_id}/resolve",
    ),
    told("not_told", 404, "the broker does not tell the account's money, or was not asked yet", "see the broker", ""),
    told("not_waiting", 409, "the order does not wait for a yes", "read its record", "POST/dashboard/approvals"),
    told(
        "not_written",
        503,
        "it could not be written down",
        "send it again in a moment",
        "alert /dashboard/routes /dashboard/sources POST/dashboard/connect /dashboard/differences /dashboard/told-prices",
    ),
    told(
        "nothing_left",
        404,
        "nothing left without a price by that journal row",
        "see GET /dashboard/told-prices for what did",
        "/dashboard/told-prices",
    ),
    told("nothing_missing", 409, "no alert of that source is missing", "GET /dashboard/routes shows the sources", "/dashboard/sources"),
    told(
        "nothing_to_change",
        400,
        "the change names no field",
        "send quantity, price or trigger_price",
        "/dashboard/orders/{command_id}/modify",
    ),
    told(
        "orders_not_wanted",
        400,
        "FORCE_EXIT closes everything and takes no orders",
        "leave orders out, or send EXIT",
        "/dashboard/intent/strategy",
    ),
    told(
        "overloaded",
        429,
        "too many orders of the account are in the line; nothing was written",
        "send it again in a moment, with the same key and body",
        "alert POST/dashboard/intent POST/dashboard/positions POST/dashboard/orders POST/dashboard/connect/test",
    ),
    told(
        "paper_account",
        409,
        "the account is PAPER, and nothing is to be armed",
        "set arming = \"required\" to drill it",
        "/dashboard/arm",
    ),
    told(
        "point_unknown",
        409,
        "what a point of the contract is worth is not known, so that no rupees of it are",
        "wait for a master that has it, or close it at the broker",
        "/dashboard/differences/adopt",
    ),
    told(
        "positions_unknown",
        409,
        "the broker's positions were not read yet",
        "wait until GET /dashboard/positions shows read_at",
        "/dashboard/differences",
    ),
    told("price_missing", 400, "the units have no price from which they could count", "send the price", "/dashboard/differences/adopt"),
    told(
        "priced_already",
        409,
        "it has a price that nobody needs to tell",
        "see GET /dashboard/told-prices for what has none",
        "/dashboard/told-prices",
    ),
    told(
        "read_failed",
        503,
        "the record could not be read just now",
        "ask again in a moment",
        "GET/dashboard/orderbook /dashboard/orders/ GET/dashboard/audit GET/dashboard/exports GET/dashboard/diagnostics GET/dashboard/tradebook GET/dashboard/pnl GET/dashboard/approvals POST/dashboard/approvals GET/dashboard/plans /dashboard/told-prices",
    ),
    told(
        "route_is_configured",
        409,
        "the route is said in the configuration",
        "change it there and start again, or write one under another name",
        "/dashboard/routes",
    ),
    told(
        "secret_in_the_open",
        400,
        "a secret stands where it would be stored",
        "send it as secret_key only, and change it if it was sent before",
        "alert",
    ),
    told(
        "session_in_use",
        409,
        "orders are open or something is held: exits go through the session",
        "close what is open, or stop the engine",
        "POST/dashboard/broker/logout",
    ),
    told(
        "still_at_broker",
        409,
        "the broker shows some of what is to be cleared from the record",
        "send quantity: the units that are gone; or take the difference over (POST /dashboard/differences/adopt)",
        "/dashboard/guard/force-clear",
    ),
    told("too_many_exports", 429, "two exports are running already", "wait until one of them is done", "/dashboard/exports"),
    told(
        "too_many_legs",
        400,
        "one signal has more than 100 orders",
        "send several",
        "alert POST/dashboard/intent /dashboard/explain /dashboard/connect",
    ),
    told(
        "too_many_logins",
        429,
        "this address failed to log in too often",
        "wait; `ordergate link` prints a link that logs in",
        "POST/dashboard/session",
    ),
    told(
        "too_many_readers",
        503,
        "live.readers pages follow the stream already",
        "close a page, or fetch instead of following",
        "/dashboard/events",
    ),
    told(
        "too_much",
        400,
        "the quantity is more than the difference, or than what is held",
        "send at most that, or no quantity for all of it",
        "/dashboard/differences/adopt /dashboard/guard/force-clear",
    ),
    told(
        "totp_wanted",
        401,
        "the password is good, and the authenticator's code is missing or wrong",
        "send the password again, with totp",
        "POST/dashboard/session",
    ),
    told(
        "two_routes",
        400,
        "two routes take the alert",
        "give one of them a condition more: source, alert_strategy or ticker",
        "alert /dashboard/explain /dashboard/connect",
    ),
    told(
        "unauthorized",
        401,
        "the credentials are missing or wrong",
        "send the API key as Authorization: Bearer, or log in",
        "credentials alert POST/dashboard/session /broker",
    ),
    told(
        "unknown_shape",
        400,
        "the body is in no format that ordergate reads",
        "see docs/connect.md for the formats",
        "alert /dashboard/explain POST/dashboard/connect",
    ),
    told(
        "unknown_symbol",
        404,
        "the name means no instrument",
        "look it up with symbols/search",
        "/dashboard/symbols /dashboard/quotes /dashboard/option-chain",
    ),
    told("unreadable", 503, "the answer could not be written", "ask again", ""),
    told("unreadable_ladder", 409, "what is kept of the exit cannot be read", "change the order's limit", "/dashboard/exit-rules/go-on"),
    told("unreadable_rule", 409, "what is kept of the rule cannot be read", "set the rule anew", "/dashboard/exit-rules"),
    told(
        "unsupported_media_type",
        415,
        "the body is neither application/json nor text/plain",
        "send Content-Type: application/json",
        "alert body",
    ),
    told("which_account", 400, "there are several accounts, and none was named", "send client_id", "account"),
    told("which_product", 400, "the strategy holds several products of that symbol", "send the product", "/dashboard/guard/force-clear"),
    told(
        "which_verdict",
        400,
        "the verdict is not one of a broker's number, absent: true and traded: true",
        "look the order up at the broker, then send one of the three",
        "/dashboard/orders/{command_id}/resolve",
    ),
    told(
        "wrong_number",
        409,
        "the number of open positions is another one",
        "send open_positions with the number in the answer",
        "/dashboard/freeze",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn sources(directory: &Path, into: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                sources(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("openapi/problems.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                into.push(text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
            }
        }
    }

    /// The first text that is all of small letters after a word that makes a problem, in the code of the HTTP side.
    fn made(text: &str) -> BTreeSet<String> {
        let makers = ["Problem::new(", "Self::new(", "::bad_request(", "::conflict(", "::not_found(", "::unavailable("];
        let mut codes = BTreeSet::new();
        for maker in makers {
            for rest in text.split(maker).skip(1) {
                let head: String = rest.chars().take(120).collect();
                let before_text = head.split('"').next().unwrap_or_default();
                let quoted = head.split('"').nth(1).unwrap_or_default();
                let is_code = !quoted.is_empty() && quoted.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
                if is_code && before_text.trim().chars().all(|letter| letter.is_alphabetic() || "_:, \n".contains(letter)) {
                    codes.insert(quoted.to_owned());
                }
            }
        }
        codes
    }

    #[test]
    fn every_code_that_the_http_side_makes_is_told_and_no_other() {
        let mut texts = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web"), &mut texts);
        let known: BTreeSet<String> = PROBLEMS.iter().map(|told| told.code.to_owned()).collect();
        let made: BTreeSet<String> = texts.iter().flat_map(|text| made(text)).collect();
        assert!(made.len() > 60, "the look at the sources finds them: {made:?}");
        let untold: Vec<_> = made.difference(&known).collect();
        assert!(untold.is_empty(), "they are not in the list: {untold:?}");
        let invented: Vec<_> = known.iter().filter(|code| !texts.iter().any(|text| text.contains(&format!("\"{code}\"")))).collect();
        assert!(invented.is_empty(), "nothing answers with them: {invented:?}");
    }

    #[test]
    fn the_list_is_sorted_and_each_code_says_what_to_do() {
        assert!(PROBLEMS.windows(2).all(|pair| pair[0].code < pair[1].code));
        for told in PROBLEMS {
            assert!((400..=503).contains(&told.status) && !told.when.is_empty() && !told.remedy.is_empty(), "{told:?}");
        }
    }
}
