//! Every route, in one place. `ROUTES` says what protects each; a test asks for every one of them without credentials.

use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::web::{self, QueryConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, ResponseError};

use super::api::{
    alarms, alert_routes, alerts, approvals, arming, attention, audit, broker, connect, controls, diagnostics, differences, exit_rules,
    exits, explain, exports, intents, market, money, order, orderbook, overview, plans, pnl, positions, risk, schedule, session, settings,
    symbols, told_prices, verdicts,
};
use super::door::guard;
use super::problem::Problem;
use super::{health, live, openalgo, openapi, pages, webhook};

/// What protects a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Nothing: it tells no names and no amounts.
    Nothing,
    /// A source's secret.
    Secret,
    /// A key or a session for every account: with `read` to look, with `control` to change something.
    Key,
    /// A key or a session: with `read` or `trade` to look, with `trade` to act; one for named accounts and strategies will do.
    Trade,
    /// Any key, or any session.
    Anyone,
    /// What the body proves: here a person logs in.
    Login,
    /// A key in the body, as OpenAlgo's clients send it.
    KeyInBody,
    /// A login that is awaited, or a link to begin one: a person's browser comes here without a key.
    AwaitedLogin,
}

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// GET, POST or DELETE.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// What protects it.
    pub guard: Guard,
}

const fn route(method: &'static str, path: &'static str, guard: Guard) -> Route {
    Route { method, path, guard }
}

/// Every route that [`configure`] sets up.
pub const ROUTES: &[Route] = &[
    route("GET", "/", Guard::Nothing),
    route("GET", "/dashboard", Guard::Nothing),
    route("GET", "/dashboard/web/{name}", Guard::Nothing),
    route("GET", "/health/live", Guard::Nothing),
    route("GET", "/health/ready", Guard::Nothing),
    route("GET", "/metrics", Guard::Key),
    route("POST", "/webhook", Guard::Secret),
    route("POST", "/webhook/{client_id}", Guard::Secret),
    route("POST", "/webhook/{client_id}/{token}", Guard::Secret),
    route("POST", "/api/v1/placeorder", Guard::KeyInBody),
    route("POST", "/api/v1/placesmartorder", Guard::KeyInBody),
    route("POST", "/api/v1/modifyorder", Guard::KeyInBody),
    route("POST", "/api/v1/cancelorder", Guard::KeyInBody),
    route("POST", "/api/v1/cancelallorder", Guard::KeyInBody),
    route("POST", "/api/v1/closeposition", Guard::KeyInBody),
    route("POST", "/api/v1/basketorder", Guard::KeyInBody),
    route("POST", "/api/v1/splitorder", Guard::KeyInBody),
    route("POST", "/api/v1/orderstatus", Guard::KeyInBody),
    route("POST", "/api/v1/openposition", Guard::KeyInBody),
    route("POST", "/api/v1/orderbook", Guard::KeyInBody),
    route("POST", "/api/v1/tradebook", Guard::KeyInBody),
    route("POST", "/api/v1/positionbook", Guard::KeyInBody),
    route("POST", "/api/v1/holdings", Guard::KeyInBody),
    route("POST", "/api/v1/funds", Guard::KeyInBody),
    route("POST", "/api/v1/quotes", Guard::KeyInBody),
    route("POST", "/api/v1/search", Guard::KeyInBody),
    route("POST", "/api/v1/ping", Guard::KeyInBody),
    route("GET", "/broker/login/{client_id}", Guard::AwaitedLogin),
    route("POST", "/broker/login/{client_id}", Guard::AwaitedLogin),
    route("GET", "/broker/callback/{client_id}", Guard::AwaitedLogin),
    route("POST", "/dashboard/session", Guard::Login),
    route("GET", "/dashboard/session", Guard::Anyone),
    route("DELETE", "/dashboard/session", Guard::Anyone),
    route("GET", "/dashboard/sessions", Guard::Key),
    route("DELETE", "/dashboard/sessions/{id}", Guard::Key),
    route("GET", "/dashboard/approvals", Guard::Key),
    route("POST", "/dashboard/approvals/{command_id}", Guard::Key),
    route("POST", "/dashboard/arm", Guard::Key),
    route("GET", "/dashboard/readiness", Guard::Key),
    route("POST", "/dashboard/readiness/dismiss", Guard::Key),
    route("GET", "/dashboard/broker", Guard::Key),
    route("POST", "/dashboard/broker/login", Guard::Key),
    route("POST", "/dashboard/broker/code", Guard::Key),
    route("POST", "/dashboard/broker/logout", Guard::Key),
    route("GET", "/dashboard/orderbook", Guard::Trade),
    route("GET", "/dashboard/orders/{command_id}", Guard::Trade),
    route("GET", "/dashboard/positions", Guard::Trade),
    route("GET", "/dashboard/plans", Guard::Key),
    route("GET", "/dashboard/pnl", Guard::Key),
    route("POST", "/dashboard/differences/adopt", Guard::Key),
    route("POST", "/dashboard/differences/ignore", Guard::Key),
    route("GET", "/dashboard/told-prices", Guard::Key),
    route("POST", "/dashboard/told-prices", Guard::Key),
    route("GET", "/dashboard/attention", Guard::Key),
    route("GET", "/dashboard/overview", Guard::Trade),
    route("GET", "/dashboard/audit", Guard::Key),
    route("GET", "/dashboard/exports/orders.csv", Guard::Trade),
    route("GET", "/dashboard/exports/fills.csv", Guard::Trade),
    route("GET", "/dashboard/exports/pnl.csv", Guard::Key),
    route("GET", "/dashboard/exports/journal.csv", Guard::Key),
    route("GET", "/dashboard/openapi.json", Guard::Anyone),
    route("GET", "/dashboard/config", Guard::Key),
    route("GET", "/dashboard/accounts", Guard::Trade),
    route("GET", "/dashboard/funds", Guard::Trade),
    route("GET", "/dashboard/holdings", Guard::Trade),
    route("GET", "/dashboard/tradebook", Guard::Trade),
    route("GET", "/dashboard/quotes", Guard::Trade),
    route("GET", "/dashboard/option-chain", Guard::Trade),
    route("GET", "/dashboard/events", Guard::Trade),
    route("GET", "/dashboard/schedule", Guard::Trade),
    route("POST", "/dashboard/explain", Guard::Trade),
    route("GET", "/dashboard/symbols/search", Guard::Trade),
    route("GET", "/dashboard/symbols/expiries", Guard::Trade),
    route("GET", "/dashboard/symbols/contracts", Guard::Trade),
    route("GET", "/dashboard/symbols/resolve", Guard::Trade),
    route("GET", "/dashboard/diagnostics/orders", Guard::Key),
    route("GET", "/dashboard/diagnostics/intent-verification", Guard::Key),
    route("POST", "/dashboard/intent/generic", Guard::Trade),
    route("POST", "/dashboard/intent/basket", Guard::Trade),
    route("POST", "/dashboard/intent/strategy", Guard::Trade),
    route("POST", "/dashboard/orders/{command_id}/cancel", Guard::Trade),
    route("POST", "/dashboard/orders/{command_id}/modify", Guard::Trade),
    route("POST", "/dashboard/orders/{command_id}/resolve", Guard::Key),
    route("GET", "/dashboard/exit-rules", Guard::Key),
    route("POST", "/dashboard/exit-rules", Guard::Key),
    route("DELETE", "/dashboard/exit-rules", Guard::Key),
    route("POST", "/dashboard/exit-rules/go-on", Guard::Key),
    route("POST", "/dashboard/orders/{command_id}/resubmit", Guard::Trade),
    route("POST", "/dashboard/positions/exit", Guard::Trade),
    route("POST", "/dashboard/positions/exit-all", Guard::Trade),
    route("POST", "/dashboard/kill", Guard::Key),
    route("POST", "/dashboard/freeze", Guard::Key),
    route("POST", "/dashboard/guard/force-clear", Guard::Key),
    route("GET", "/dashboard/risk", Guard::Key),
    route("POST", "/dashboard/risk/override", Guard::Key),
    route("POST", "/dashboard/risk/rearm", Guard::Key),
    route("POST", "/dashboard/alarms/{id}/ack", Guard::Key),
    route("GET", "/dashboard/alerts", Guard::Key),
    route("POST", "/dashboard/alerts/test", Guard::Key),
    route("GET", "/dashboard/routes", Guard::Key),
    route("PUT", "/dashboard/routes", Guard::Key),
    route("DELETE", "/dashboard/routes", Guard::Key),
    route("POST", "/dashboard/sources/forgive", Guard::Key),
    route("GET", "/dashboard/connect", Guard::Key),
    route("GET", "/dashboard/connect/message", Guard::Key),
    route("POST", "/dashboard/connect/read", Guard::Key),
    route("POST", "/dashboard/connect/test", Guard::Key),
];

fn fits(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    pattern.split('/').all(|own| parts.next().is_some_and(|part| own == part || own.starts_with('{'))) && parts.next().is_none()
}

/// The route that this request is for; `path` as the router reads it, without codes for letters.
pub(super) fn route_of(method: &str, path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.method == method && fits(route.path, path))
}

/// What can be sent to this path; nothing where no route is.
pub(super) fn methods_of(path: &str) -> Vec<&'static str> {
    ROUTES.iter().filter(|route| fits(route.path, path)).map(|route| route.method).collect()
}

/// Sets up every route. The application data must hold a `Data<WebState>`.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.app_data(QueryConfig::default().error_handler(|error, _| {
        Problem::bad_request("bad_query", error.to_string(), "correct the parameter named in the detail").into()
    }));
    cfg.service(listed("/health/live", [("GET", web::to(health::live))]))
        .service(listed("/health/ready", [("GET", web::to(health::ready))]))
        .service(listed("/metrics", [("GET", web::to(health::metrics))]).wrap(from_fn(guard)))
        .service(listed("/webhook", [("POST", web::to(webhook::receive))]))
        .service(listed("/webhook/{client_id}", [("POST", web::to(webhook::receive))]))
        .service(listed("/webhook/{client_id}/{token}", [("POST", web::to(webhook::receive))]))
        .service(listed("/broker/login/{client_id}", [("GET", web::to(broker::open)), ("POST", web::to(broker::follow))]))
        .service(listed("/broker/callback/{client_id}", [("GET", web::to(broker::callback))]))
        .configure(openalgo::configure)
        // In front of the API's scope: the pages' files hold no data, and a browser fetches them without a key.
        .service(listed("/", [("GET", web::to(pages::home))]))
        .service(listed("/dashboard", [("GET", web::to(pages::home))]))
        .service(listed("/dashboard/", [("GET", web::to(pages::home))]))
        .service(listed("/dashboard/web/{name}", [("GET", web::to(pages::get))]))
        // In front of the scope: here a person comes without a session, and looks after one that may have ended.
        .service(listed(
            "/dashboard/session",
            [("POST", web::to(session::log_in)), ("GET", web::to(session::show)), ("DELETE", web::to(session::log_out))],
        ))
        .service(web::scope("/dashboard").wrap(from_fn(guard)).configure(dashboard))
        .default_service(web::to(not_found));
}

fn dashboard(cfg: &mut ServiceConfig) {
    cfg.service(at("/sessions", "GET").route(web::get().to(session::list)))
        .service(at("/sessions/{id}", "DELETE").route(web::delete().to(session::end)))
        .service(at("/approvals", "GET").route(web::get().to(approvals::list)))
        .service(at("/approvals/{command_id}", "POST").route(web::post().to(approvals::decide)))
        .service(at("/arm", "POST").route(web::post().to(arming::arm)))
        .service(at("/readiness", "GET").route(web::get().to(arming::readiness)))
        .service(at("/readiness/dismiss", "POST").route(web::post().to(arming::dismiss)))
        .service(at("/broker", "GET").route(web::get().to(broker::connections)))
        .service(at("/broker/login", "POST").route(web::post().to(broker::login)))
        .service(at("/broker/logout", "POST").route(web::post().to(broker::logout)))
        .service(at("/broker/code", "POST").route(web::post().to(broker::code)))
        .service(at("/orderbook", "GET").route(web::get().to(orderbook::orderbook)))
        .service(at("/orders/{command_id}", "GET").route(web::get().to(order::detail)))
        .service(at("/positions", "GET").route(web::get().to(positions::positions)))
        .service(at("/plans", "GET").route(web::get().to(plans::list)))
        .service(at("/pnl", "GET").route(web::get().to(pnl::pnl)))
        .service(at("/differences/adopt", "POST").route(web::post().to(differences::adopt)))
        .service(at("/differences/ignore", "POST").route(web::post().to(differences::ignore)))
        .service(at("/told-prices", "GET, POST").route(web::get().to(told_prices::list)).route(web::post().to(told_prices::tell)))
        .service(at("/exports/orders.csv", "GET").route(web::get().to(exports::orders)))
        .service(at("/exports/fills.csv", "GET").route(web::get().to(exports::fills)))
        .service(at("/exports/pnl.csv", "GET").route(web::get().to(exports::pnl)))
        .service(at("/exports/journal.csv", "GET").route(web::get().to(exports::journal)))
        .service(at("/openapi.json", "GET").route(web::get().to(openapi::serve)))
        .service(at("/config", "GET").route(web::get().to(settings::settings)))
        .service(at("/accounts", "GET").route(web::get().to(money::list)))
        .service(at("/funds", "GET").route(web::get().to(money::funds)))
        .service(at("/holdings", "GET").route(web::get().to(money::holdings)))
        .service(at("/tradebook", "GET").route(web::get().to(money::trade_book)))
        .service(at("/quotes", "GET").route(web::get().to(market::quotes)))
        .service(at("/option-chain", "GET").route(web::get().to(market::option_chain)))
        .service(at("/events", "GET").route(web::get().to(live::events)))
        .service(at("/attention", "GET").route(web::get().to(attention::attention)))
        .service(at("/overview", "GET").route(web::get().to(overview::overview)))
        .service(at("/audit", "GET").route(web::get().to(audit::audit)))
        .service(at("/schedule", "GET").route(web::get().to(schedule::list)))
        .service(at("/explain", "POST").route(web::post().to(explain::explain)))
        .service(at("/symbols/search", "GET").route(web::get().to(symbols::search)))
        .service(at("/symbols/expiries", "GET").route(web::get().to(symbols::expiries)))
        .service(at("/symbols/contracts", "GET").route(web::get().to(symbols::contracts)))
        .service(at("/symbols/resolve", "GET").route(web::get().to(symbols::resolve)))
        .service(at("/diagnostics/orders", "GET").route(web::get().to(diagnostics::orders)))
        .service(at("/diagnostics/intent-verification", "GET").route(web::get().to(diagnostics::intent_verification)))
        .service(at("/intent/generic", "POST").route(web::post().to(intents::generic)))
        .service(at("/intent/basket", "POST").route(web::post().to(intents::basket)))
        .service(at("/intent/strategy", "POST").route(web::post().to(intents::strategy)))
        .service(at("/orders/{command_id}/cancel", "POST").route(web::post().to(verdicts::cancel)))
        .service(at("/orders/{command_id}/modify", "POST").route(web::post().to(verdicts::modify)))
        .service(at("/orders/{command_id}/resolve", "POST").route(web::post().to(verdicts::resolve)))
        .service(at("/orders/{command_id}/resubmit", "POST").route(web::post().to(verdicts::resubmit)))
        .service(
            at("/exit-rules", "GET, POST, DELETE")
                .route(web::get().to(exit_rules::list))
                .route(web::post().to(exit_rules::set))
                .route(web::delete().to(exit_rules::off)),
        )
        .service(at("/exit-rules/go-on", "POST").route(web::post().to(exit_rules::go_on)))
        .service(at("/positions/exit", "POST").route(web::post().to(exits::exit)))
        .service(at("/positions/exit-all", "POST").route(web::post().to(exits::exit_all)))
        .service(at("/kill", "POST").route(web::post().to(controls::kill)))
        .service(at("/freeze", "POST").route(web::post().to(controls::freeze)))
        .service(at("/risk", "GET").route(web::get().to(risk::look)))
        .service(at("/risk/override", "POST").route(web::post().to(risk::set)))
        .service(at("/risk/rearm", "POST").route(web::post().to(risk::rearm)))
        .service(at("/guard/force-clear", "POST").route(web::post().to(controls::force_clear)))
        .service(at("/alarms/{id}/ack", "POST").route(web::post().to(alarms::acknowledge)))
        .service(at("/alerts", "GET").route(web::get().to(alerts::list)))
        .service(at("/alerts/test", "POST").route(web::post().to(alerts::test)))
        .service(
            at("/routes", "GET, PUT, DELETE")
                .route(web::get().to(alert_routes::list))
                .route(web::put().to(alert_routes::put))
                .route(web::delete().to(alert_routes::delete)),
        )
        .service(at("/sources/forgive", "POST").route(web::post().to(alert_routes::forgive)))
        .service(at("/connect", "GET").route(web::get().to(connect::overview)))
        .service(at("/connect/message", "GET").route(web::get().to(connect::message)))
        .service(at("/connect/read", "POST").route(web::post().to(connect::read)))
        .service(at("/connect/test", "POST").route(web::post().to(connect::test)))
        .default_service(web::to(not_found));
}

/// A resource in front of the scope's guard, which serves what is in [`ROUTES`] and nothing else: the tests ask for every route of that
/// list, and what they do not ask for must not be there.
fn listed<const N: usize>(path: &str, handlers: [(&'static str, actix_web::Route); N]) -> Resource {
    let pattern = path.strip_suffix('/').filter(|pattern| !pattern.is_empty()).unwrap_or(path);
    let methods: Vec<&str> = ROUTES.iter().filter(|route| route.path == pattern).map(|route| route.method).collect();
    let said = methods.join(", ");
    let resource = web::resource(path).default_service(web::to(move || {
        let said = said.clone();
        async move { only(&said) }
    }));
    let is_listed = |(method, handler): (&str, actix_web::Route)| {
        let method = Method::from_bytes(method.as_bytes()).ok().filter(|_| methods.contains(&method))?;
        Some(handler.method(method))
    };
    handlers.into_iter().filter_map(is_listed).fold(resource, Resource::route)
}

/// A resource behind the guard that takes these methods and says so.
fn at(path: &str, method: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || async move { only(method) }))
}

/// The answer to another method than these.
pub(super) fn only(methods: &str) -> HttpResponse {
    let detail = format!("only {methods} is possible here");
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail, format!("send {methods}"));
    let mut response: HttpResponse = problem.error_response();
    if let Ok(methods) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// The answer where nothing is.
pub(super) fn no_such_route() -> HttpResponse {
    Problem::not_found(
        "no_such_route",
        "there is nothing at this address",
        "/dashboard/web/api.html has every address, and GET /dashboard/openapi.json for programs",
    )
    .error_response()
}

async fn not_found(_: HttpRequest) -> HttpResponse {
    no_such_route()
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    #[actix_web::test]
    async fn what_is_not_in_the_list_of_routes_is_not_served() {
        let answer = || async { HttpResponse::Ok().finish() };
        let handlers = || [("GET", web::to(answer)), ("POST", web::to(answer))];
        let app = App::new()
            .service(listed("/health/live", handlers()))
            .service(listed("/dashboard/", [("GET", web::to(answer))]))
            .service(listed("/forgotten", handlers()));
        let app = init_service(app).await;
        for (method, path, status) in [
            ("GET", "/health/live", 200),
            ("POST", "/health/live", 405),
            ("GET", "/dashboard/", 200),
            ("GET", "/forgotten", 405),
            ("POST", "/forgotten", 405),
        ] {
            let request = TestRequest::with_uri(path).method(Method::from_bytes(method.as_bytes()).unwrap()).to_request();
            assert_eq!(call_service(&app, request).await.status(), status, "{method} {path}");
        }
    }
}
