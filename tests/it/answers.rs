//! What the API's description says of answers, against those of houses that had a day, of one that had none, and of one that is armed:
//! every read is called in each, what people and programs do is done, and over all of them every described field is met.

mod accounts;
mod charts;
mod controls;
mod coverage;
mod house;
mod positions;
mod sent;

use std::sync::OnceLock;

use ordergate::web::ROUTES;

use crate::support::described::Met;
use house::with_a_day;

/// Not called here, and why.
const ELSEWHERE: [&str; 5] = [
    // It never ends: `live` reads it.
    "GET /dashboard/events",
    // They lead to another address: `pages` and `arming` say where.
    "GET /",
    "GET /dashboard",
    "GET /broker/login/{client_id}",
    "POST /broker/login/{client_id}",
];

/// What is done in each house beside the reads, and those reads that want something of it.
const ALERTS: &[&str] = &["POST /webhook", "POST /webhook/{client_id}", "POST /webhook/{client_id}/{token}"];
const PEOPLE: &[&str] = &[
    "POST /dashboard/intent/generic",
    "POST /dashboard/intent/basket",
    "POST /dashboard/intent/strategy",
    "POST /dashboard/orders/{command_id}/modify",
    "POST /dashboard/orders/{command_id}/cancel",
    "POST /dashboard/orders/{command_id}/resubmit",
    "POST /dashboard/orders/{command_id}/resolve",
];
const EXITS: &[&str] = &[
    "POST /dashboard/exit-rules",
    "DELETE /dashboard/exit-rules",
    "POST /dashboard/exit-rules/go-on",
    "POST /dashboard/positions/exit",
    "POST /dashboard/positions/exit-all",
];
const CHARTS: &[&str] = &[
    "PUT /dashboard/routes",
    "DELETE /dashboard/routes",
    "GET /dashboard/connect/message",
    "POST /dashboard/connect/read",
    "POST /dashboard/connect/test",
    "POST /dashboard/explain",
    "POST /dashboard/sources/forgive",
];
const OPENALGO: &[&str] = &[
    "POST /api/v1/placeorder",
    "POST /api/v1/placesmartorder",
    "POST /api/v1/modifyorder",
    "POST /api/v1/cancelorder",
    "POST /api/v1/cancelallorder",
    "POST /api/v1/closeposition",
    "POST /api/v1/basketorder",
    "POST /api/v1/splitorder",
    "POST /api/v1/orderstatus",
    "POST /api/v1/openposition",
    "POST /api/v1/orderbook",
    "POST /api/v1/tradebook",
    "POST /api/v1/positionbook",
    "POST /api/v1/holdings",
    "POST /api/v1/funds",
    "POST /api/v1/quotes",
    "POST /api/v1/search",
    "POST /api/v1/ping",
];
const DIFFERENCES: &[&str] = &["POST /dashboard/differences/adopt", "POST /dashboard/differences/ignore", "POST /dashboard/told-prices"];
const CONTROLS: &[&str] = &[
    "POST /dashboard/kill",
    "POST /dashboard/freeze",
    "POST /dashboard/guard/force-clear",
    "POST /dashboard/risk/override",
    "POST /dashboard/risk/rearm",
    "POST /dashboard/alarms/{id}/ack",
    "POST /dashboard/alerts/test",
    "POST /dashboard/readiness/dismiss",
];
const SESSIONS: &[&str] =
    &["POST /dashboard/session", "GET /dashboard/session", "DELETE /dashboard/session", "DELETE /dashboard/sessions/{id}"];
const ARMED: &[&str] = &[
    "GET /broker/callback/{client_id}",
    "POST /dashboard/broker/login",
    "POST /dashboard/broker/code",
    "POST /dashboard/broker/logout",
    "POST /dashboard/arm",
    "POST /dashboard/approvals/{command_id}",
];
const ALL: [&[&str]; 9] = [ALERTS, PEOPLE, EXITS, CHARTS, OPENALGO, DIFFERENCES, CONTROLS, SESSIONS, ARMED];

fn names() -> impl Iterator<Item = String> {
    ROUTES.iter().map(|route| format!("{} {}", route.method, route.path))
}

#[test]
fn every_route_is_called_in_one_of_these_houses() {
    let called = ALL.concat();
    let uncalled: Vec<String> = names()
        .filter(|name| !name.starts_with("GET ") && !called.contains(&name.as_str()) && !ELSEWHERE.contains(&name.as_str()))
        .chain(called.iter().filter(|called| !names().any(|name| name == **called)).map(|name| format!("{name} is no route")))
        .collect();
    assert!(uncalled.is_empty(), "{uncalled:?}");
}

/// A house that lives once, for whichever test asks first.
struct Lived {
    met: OnceLock<Met>,
    live: fn() -> Met,
}

impl Lived {
    const fn of(live: fn() -> Met) -> Self {
        Self { met: OnceLock::new(), live }
    }

    fn met(&self) -> &Met {
        self.met.get_or_init(self.live)
    }
}

/// Runs a house on a thread of its own; what fails in it fails here.
fn on_a_thread<F: Future<Output = Met>>(house: impl FnOnce() -> F + Send + 'static) -> Met {
    let lived = std::thread::spawn(move || actix_web::rt::System::new().block_on(house())).join();
    lived.unwrap_or_else(|cause| std::panic::resume_unwind(cause))
}

macro_rules! houses {
    ($($name:ident, $test:ident: $day:expr;)+) => {
        $(static $name: Lived = Lived::of(|| on_a_thread(|| $day));

        #[test]
        fn $test() {
            assert!(!$name.met().answers.is_empty());
        })+

        static HOUSES: &[&Lived] = &[$(&$name),+];
    };
}

houses! {
    ALERTED, alerts_are_answered_as_described: with_a_day(ALERTS, async |house| sent::alerts(house).await);
    PEOPLED, what_people_send_is_answered_as_described: with_a_day(PEOPLE, async |house| sent::people(house).await);
    RULED, rules_and_exits_are_answered_as_described: with_a_day(EXITS, async |house| positions::exits(house).await);
    CHARTED, charts_and_what_they_would_become_are_answered_as_described: with_a_day(CHARTS, async |house| charts::charts(house).await);
    PROGRAMMED, openalgos_calls_are_answered_as_described: with_a_day(OPENALGO, async |house| sent::openalgo(house).await);
    PRICED, a_chain_is_answered_as_described: with_a_day(&[], async |house| positions::options(house).await);
    DIFFERING, differences_are_answered_as_described: with_a_day(DIFFERENCES, async |house| positions::differences(house).await);
    CONTROLLED, controls_are_answered_as_described: with_a_day(CONTROLS, async |house| controls::controls(house).await);
    LOGGED_IN, sessions_are_answered_as_described: with_a_day(SESSIONS, async |house| accounts::sessions(house).await);
    MUST_BE_ARMED, an_account_that_is_armed_answers_as_described: accounts::armed();
    OF_TWO, two_accounts_answer_as_described: accounts::two_accounts();
    SHORT, a_shortfall_of_margin_is_answered_as_described: crate::risk::short_of_margin();
    NEW, a_house_without_a_day_answers_as_described: accounts::without_a_day();
}
