//! One line about each route: what it is for, and what it takes. `name` is a text, `name!` is needed, `name:int` has a type, `name:A|B` is one of these words (handlers take more spellings).

/// About one route.
#[derive(Debug)]
pub(super) struct About {
    pub method: &'static str,
    pub path: &'static str,
    pub summary: &'static str,
    pub query: &'static str,
    pub body: &'static str,
}

const fn about(method: &'static str, path: &'static str, summary: &'static str, query: &'static str, body: &'static str) -> About {
    About { method, path, summary, query, body }
}

/// A read: all that it takes is in its address.
const fn get(path: &'static str, summary: &'static str, query: &'static str) -> About {
    about("GET", path, summary, query, "")
}

/// An act: all that it takes is in its body.
const fn post(path: &'static str, summary: &'static str, body: &'static str) -> About {
    about("POST", path, summary, "", body)
}

/// A range of trading dates.
const DATES: &str = "from:date to:date client_id";
/// A call of OpenAlgo that is about the whole account.
const OF_ACCOUNT: &str = "apikey! client_id";
/// What names an underlying and, once it is known, a day.
const UNDERLYING: &str = "underlying! exchange expiry:date";

/// The fields of an order.
macro_rules! order {
    () => {
        "strategy execution_type:ENTRY|EXIT|ADJUST|TARGET exchange:NSE|BSE|NFO|BFO|MCX|CDS symbol side:BUY|SELL quantity:number product:MIS|NRML|CNC order_type:MARKET|LIMIT|SL|SLM validity:DAY|IOC price:number trigger_price:number stop_loss:number target:number trailing_type trailing_value:number trailing_step trailing_after break_even exit_at stop_at test_mode target_position:number cancel_after_s:number"
    };
}

/// The fields of an order in OpenAlgo's words.
macro_rules! openalgo {
    () => {
        "apikey! client_id strategy symbol! action!:BUY|SELL exchange!:NSE|BSE|NFO|BFO|MCX|CDS pricetype:MARKET|LIMIT|SL|SL-M product:MIS|NRML|CNC quantity!:number price:number trigger_price:number disclosed_quantity:number stoploss:number target:number trailing_sl:number idempotency_key"
    };
}

/// The fields of an alert of our own format; other senders' are in docs/connect.md.
macro_rules! alert {
    () => {
        "execution_type:ENTRY|EXIT|ADJUST|TARGET strategy_name exchange:NSE|BSE|NFO|BFO|MCX|CDS product_type test_mode idempotency_key signal_time seq:int repeat:bool policy legs:list"
    };
}

/// Every route has its line; a test says so.
pub(super) const ABOUT: &[About] = &[
    get("/", "Leads to the pages", ""),
    get("/dashboard", "Leads to the pages", ""),
    get("/dashboard/web/{name}", "A page or a file of one; holds no data", ""),
    get("/health/live", "Whether the process runs", ""),
    get("/health/ready", "Whether orders can be taken, and why not", ""),
    get("/metrics", "Prometheus metrics", ""),
    post("/webhook", "An alert, in any of the formats of docs/connect.md", concat!("secret_key ", alert!())),
    post("/webhook/{client_id}", "An alert for an account", concat!("secret_key ", alert!())),
    post("/webhook/{client_id}/{token}", "An alert that is proven by its address", alert!()),
    get("/broker/login/{client_id}", "The page of a login link: one button, and nothing is done by looking", "ticket"),
    about("POST", "/broker/login/{client_id}", "Begins a broker login by that link, and goes on to the broker's page", "ticket", ""),
    get("/broker/callback/{client_id}", "Where the broker's login page leads back to", "code state"),
    post("/dashboard/session", "Log in: by the token of a link, a password, or a key", "token password totp key"),
    get("/dashboard/session", "Who is asking, and until when", ""),
    about("DELETE", "/dashboard/session", "Log out", "", ""),
    get("/dashboard/sessions", "Every session that lasts", ""),
    about("DELETE", "/dashboard/sessions/{id}", "End a session", "", ""),
    get("/dashboard/exports/orders.csv", "Orders made on trading dates, as CSV", DATES),
    get("/dashboard/exports/fills.csv", "Trades of trading dates, as CSV", DATES),
    get("/dashboard/exports/pnl.csv", "What was realised on trading dates, as CSV", DATES),
    get("/dashboard/exports/journal.csv", "The journal of trading dates, as CSV", DATES),
    get("/dashboard/openapi.json", "This description", ""),
    get("/dashboard/config", "Every setting in force and where it was said; secrets are not shown", ""),
    get("/dashboard/accounts", "The accounts", "client_id"),
    get("/dashboard/funds", "The account's money, as the broker told it last", "client_id"),
    get("/dashboard/holdings", "Shares held for delivery", "client_id"),
    get("/dashboard/tradebook", "Today's trades of our orders", "client_id"),
    get("/dashboard/quotes", "The newest quote of an instrument", "symbol! exchange client_id"),
    get("/dashboard/option-chain", "Calls and puts around the money", "underlying! exchange expiry:date strikes:int client_id"),
    get("/dashboard/events", "The live stream (server-sent events); resumes by Last-Event-ID", "client_id last_event_id"),
    get("/dashboard/overview", "What the first page shows", "client_id"),
    get("/dashboard/alerts", "Where alerts go, and how each channel stands", ""),
    post("/dashboard/alerts/test", "Send a test to every channel", ""),
    get("/dashboard/approvals", "Entries that wait for a person's yes", "client_id"),
    post("/dashboard/approvals/{command_id}", "Say yes or no to a basket that waits", "decision!:approve|reject reason!"),
    post(
        "/dashboard/arm",
        "Arm or disarm an account",
        "client_id mode!:DISARMED|APPROVE|LIVE reason! duration_minutes:int confirm force:bool",
    ),
    get("/dashboard/readiness", "GO or NO GO, check by check", "client_id"),
    post("/dashboard/readiness/dismiss", "Do not push today's report of an account again", "client_id reason!"),
    get("/dashboard/broker", "How every broker connection stands", "client_id"),
    post("/dashboard/broker/login", "Log an account in at its broker", "client_id"),
    post("/dashboard/broker/code", "The code of the broker's login page", "client_id code!"),
    post("/dashboard/broker/logout", "End an account's session at its broker, while nothing is open or held", "client_id"),
    get(
        "/dashboard/orderbook",
        "Our orders beside the broker's; `next` is the `before` of the next page",
        "limit:int before:int open:bool client_id",
    ),
    get("/dashboard/orders/{command_id}", "One order whole: record, trades, gates, journal", ""),
    get("/dashboard/positions", "What strategies hold and what the broker shows", "client_id"),
    get("/dashboard/pnl", "What the day came to", "client_id"),
    get("/dashboard/plans", "Baskets and reversals that are under way, step by step", "client_id"),
    get(
        "/dashboard/audit",
        "An account's journal and that of the process (logins, sessions, chats), the newest row first; `next` is the `before` of the next page",
        "client_id before limit:int",
    ),
    post(
        "/dashboard/differences/adopt",
        "A strategy takes a position over",
        "client_id exchange! symbol! product! difference:int strategy! quantity:int price:number reason!",
    ),
    post(
        "/dashboard/differences/ignore",
        "Leave a difference alone until it changes",
        "client_id exchange! symbol! product! difference:int reason!",
    ),
    get("/dashboard/told-prices", "What left at a price that nobody told, and what was told of it", "client_id"),
    post(
        "/dashboard/told-prices",
        "Tell the price at which something left; the second time replaces the first",
        "client_id row!:int price!:number reason!",
    ),
    get("/dashboard/attention", "What waits for a person, of the account and of the process", "client_id"),
    get("/dashboard/schedule", "Stored alerts, their next time and their newest day", "client_id"),
    about("POST", "/dashboard/explain", "What the gates would say of an alert; nothing is sent", "client_id source", alert!()),
    get("/dashboard/symbols/search", "Search what can be traded", "q! exchange limit:int"),
    get("/dashboard/symbols/expiries", "When contracts of an underlying end", UNDERLYING),
    get("/dashboard/symbols/contracts", "The contracts that end on a day", UNDERLYING),
    get("/dashboard/symbols/resolve", "Which instrument a name means", "symbol! exchange client_id strategy execution_type side product"),
    get("/dashboard/diagnostics/orders", "Counts, stuck orders, missing numbers", "client_id"),
    get("/dashboard/diagnostics/intent-verification", "The intents of the day, and whether each was sent", "client_id"),
    post("/dashboard/intent/generic", "One order", concat!("client_id idempotency_key ", order!())),
    post("/dashboard/intent/basket", "Several orders, judged together", "client_id idempotency_key policy orders!:list"),
    post("/dashboard/intent/strategy", "A strategy enters, exits or adjusts", "strategy! action! client_id idempotency_key orders:list"),
    post("/dashboard/orders/{command_id}/cancel", "Cancel an order", "reason"),
    post("/dashboard/orders/{command_id}/modify", "Change a working order", "quantity:number price trigger_price"),
    post("/dashboard/orders/{command_id}/resolve", "Settle an order in doubt", "broker_order_id absent:bool traded:bool price reason!"),
    post("/dashboard/orders/{command_id}/resubmit", "Send a failed order again, as a new one", "changes:object"),
    get("/dashboard/exit-rules", "Every stop, target and trail, with its distance", "client_id"),
    post(
        "/dashboard/exit-rules",
        "Set a rule, or put another in its place",
        "client_id strategy! symbol exchange product stop_loss:number target:number trailing_type trailing_value:number trailing_step trailing_after break_even exit_at stop_at combined_stop:number combined_target:number reason",
    ),
    about("DELETE", "/dashboard/exit-rules", "Switch a rule off", "client_id strategy! symbol exchange product", ""),
    post("/dashboard/exit-rules/go-on", "Let an exit that stands at its cap go on", "command_id! reason"),
    post("/dashboard/positions/exit", "Exit one symbol", "client_id strategy symbol! exchange product quantity:int idempotency_key"),
    post("/dashboard/positions/exit-all", "Exit everything of a strategy, an account, all accounts", "client_id strategy idempotency_key"),
    post(
        "/dashboard/kill",
        "Raise a kill level: 1 no entries, 2 also cancel, 3 also square off; 0 arms again; from another level down only with `from`; `foreign` squares off what was opened elsewhere too. Without client_id a stop is for all accounts; what lets entries go names one",
        "client_id strategy level!:int from:int foreign:bool reason!",
    ),
    post("/dashboard/freeze", "Freeze exits, or thaw them", "client_id! frozen!:bool open_positions:int reason!"),
    post(
        "/dashboard/guard/force-clear",
        "Take what a strategy holds out of our record: units of a symbol, or with `all` everything, whatever the broker still has; nothing is sent. Without a quantity a symbol is taken out only where the broker is known to have none of it",
        "client_id strategy! symbol product quantity:int all:bool reason!",
    ),
    get("/dashboard/risk", "Every limit, its use, overrides, halts", "client_id"),
    post("/dashboard/risk/override", "Loosen a limit for a while", "client_id limit! value:number minutes:int end:bool reason!"),
    post(
        "/dashboard/risk/rearm",
        "Let a halted strategy trade again, or with `margin` the account after a shortfall; with `although_short` because its figures are wrong",
        "client_id strategy margin:bool although_short:bool reason!",
    ),
    post("/dashboard/alarms/{id}/ack", "An alarm was seen", "reason!"),
    get("/dashboard/routes", "What alerts become", "client_id"),
    about("PUT", "/dashboard/routes", "Write a route", "", "client_id version:int reason! route!:object"),
    about("DELETE", "/dashboard/routes", "Remove a route", "", "client_id name! reason!"),
    post("/dashboard/sources/forgive", "Count missing alerts of a source as forgiven", "client_id source! reason!"),
    get("/dashboard/connect", "From a chart to an order: what is there", "client_id"),
    get("/dashboard/connect/message", "The message to paste at the sender", "client_id route! sender! symbol"),
    post("/dashboard/connect/read", "What a sample of an alert would become", "client_id source sample! result"),
    post("/dashboard/connect/test", "Send a sample through the line as a test", "client_id source sample! result"),
    post("/api/v1/placeorder", "OpenAlgo: one order", openalgo!()),
    post("/api/v1/placesmartorder", "OpenAlgo: be in a position", concat!(openalgo!(), " position_size!:number")),
    post(
        "/api/v1/modifyorder",
        "OpenAlgo: change an order",
        "apikey! client_id strategy orderid! symbol action exchange pricetype product quantity:number price:number trigger_price:number disclosed_quantity:number",
    ),
    post("/api/v1/cancelorder", "OpenAlgo: cancel an order", "apikey! client_id strategy orderid!"),
    post("/api/v1/cancelallorder", "OpenAlgo: cancel every open order of the strategy", "apikey! client_id strategy"),
    post("/api/v1/closeposition", "OpenAlgo: exit what the strategy holds", "apikey! client_id strategy idempotency_key"),
    post("/api/v1/basketorder", "OpenAlgo: several orders", "apikey! client_id strategy orders!:list idempotency_key"),
    post("/api/v1/splitorder", "OpenAlgo: one order in parts", concat!(openalgo!(), " splitsize!:int")),
    post("/api/v1/orderstatus", "OpenAlgo: where an order stands", "apikey! client_id strategy orderid!"),
    post(
        "/api/v1/openposition",
        "OpenAlgo: what the strategy holds of an instrument",
        "apikey! client_id strategy symbol! exchange! product!",
    ),
    post("/api/v1/orderbook", "OpenAlgo: today's orders", OF_ACCOUNT),
    post("/api/v1/tradebook", "OpenAlgo: today's trades", OF_ACCOUNT),
    post("/api/v1/positionbook", "OpenAlgo: the broker's positions", OF_ACCOUNT),
    post("/api/v1/holdings", "OpenAlgo: shares held for delivery", OF_ACCOUNT),
    post("/api/v1/funds", "OpenAlgo: the account's money", OF_ACCOUNT),
    post("/api/v1/quotes", "OpenAlgo: the newest quote", "apikey! client_id symbol! exchange!"),
    post("/api/v1/search", "OpenAlgo: search what can be traded", "apikey! client_id query! exchange"),
    post("/api/v1/ping", "OpenAlgo: whether the key is good", OF_ACCOUNT),
];
