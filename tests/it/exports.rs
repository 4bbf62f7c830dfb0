//! Orders, trades, results and the journal of a range of days, as files for a spreadsheet.

use chrono::Days;
use ordergate::web::{ApiKey, Rights, Scope, WebSettings};
use ordergate_actors::order::{ClientId, trading_date};
use ordergate_actors::persistence::Level;
use ordergate_actors::ports::Clock as _;
use ordergate_actors::testkit::until_found;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{House, KEY, Plan, Reply, entry};

/// The rows of a file by the names of its columns.
#[track_caller]
fn rows(reply: &Reply) -> Vec<Value> {
    assert_eq!((reply.status, &reply.headers["content-type"]), (200, &"text/csv; charset=utf-8".parse().unwrap()), "{:#}", reply.body);
    let mut reader = csv::Reader::from_reader(reply.body.as_str().unwrap().as_bytes());
    let names = reader.headers().unwrap().clone();
    let named = |row: csv::StringRecord| names.iter().zip(row.iter()).map(|(name, cell)| (name.to_owned(), json!(cell))).collect();
    reader.records().map(|row| Value::Object(named(row.unwrap()))).collect()
}

#[actix_web::test]
async fn a_range_of_days_is_a_file() {
    let house = House::open().await;
    let today = trading_date(house.clock.now());
    house.alert(entry("trend")).await;
    house.until_held("trend", 10).await;
    let exit = json!({ "strategy": "trend", "symbol": "SBIN-EQ" });
    assert!(house.post("/dashboard/positions/exit", exit).await.status < 300);
    house.until_held("trend", 0).await;
    house.until_ended().await;

    let get = |name: &str, query: String| {
        let (house, path) = (&house, format!("/dashboard/exports/{name}.csv?{query}"));
        async move { house.get(&path).await }
    };
    let last_days = format!("from={}&to={today}", today.checked_sub_days(Days::new(3)).unwrap());
    let reply = get("orders", last_days.clone()).await;
    let name = reply.headers["content-disposition"].to_str().unwrap().to_owned();
    assert!(name.starts_with("attachment; filename=\"orders_") && name.ends_with(&format!("_{today}.csv\"")), "{name}");
    let orders = rows(&reply);
    let numbers: Vec<&str> = orders.iter().map(|row| row["number"].as_str().unwrap()).collect();
    assert_eq!(numbers, house.orders().iter().map(|order| order.number.to_string()).collect::<Vec<_>>());
    let executed: Vec<&Value> = orders.iter().filter(|row| row["strategy"] == "trend").collect();
    assert_eq!(
        (&executed[0]["status"], &executed[0]["average_price"], &executed[1]["side"], &executed[1]["execution_type"]),
        (&json!("EXECUTED"), &json!("800.5"), &json!("SELL"), &json!("EXIT"))
    );

    let fills = rows(&get("fills", last_days.clone()).await);
    let of_trend = |side: &str| {
        let found = fills.iter().filter(|row| row["strategy"] == "trend" && row["side"] == side);
        found.map(|row| row["quantity"].as_str().unwrap().parse::<i64>().unwrap()).sum::<i64>()
    };
    assert_eq!((of_trend("BUY"), of_trend("SELL")), (10, 10));
    let pnl = rows(&get("pnl", last_days.clone()).await);
    let row = pnl.iter().find(|row| row["strategy"] == "trend").unwrap();
    assert_eq!(
        (&row["trading_date"], &row["bought_value"], &row["sold_value"], &row["net"], &row["realised"]),
        (&json!(today.to_string()), &json!("8005.00"), &json!("8000.00"), &json!("0"), &json!("-5.00")),
        "{row:#}"
    );
    // A row of the day's risk may be written meanwhile.
    let seq = || house.engine.read(&house.client(), ordergate_actors::persistence::Book::seq).unwrap();
    let before = seq();
    let journal = rows(&get("journal", last_days).await).len() as u64;
    assert!((before..=seq()).contains(&journal), "{journal} rows");

    // The day alone is the day; the one before it has nothing.
    assert_eq!(rows(&get("orders", String::new()).await), orders);
    let before = today.pred_opt().unwrap();
    for name in ["orders", "fills", "pnl", "journal"] {
        assert_eq!(rows(&get(name, format!("to={before}")).await), [] as [Value; 0], "{name}");
        get(name, format!("from={today}&to={before}")).await.is_problem(400, "bad_range");
        get(name, "from=2001-01-01&to=2026-01-01".to_owned()).await.is_problem(400, "bad_range");
        get(name, "from=yesterday".to_owned()).await.is_problem(400, "bad_query");
        get(name, "client_id=NOBODY".to_owned()).await.is_problem(404, "no_such_account");
    }
    house.close().await;
}

/// A reader who has asked for a file that no buffer holds, and reads no more of it than that it has begun.
async fn begun(house: &House) -> tokio::net::TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(house.address).await.unwrap();
    let ask = format!("GET /dashboard/exports/journal.csv HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\n\r\n", house.address);
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    stream
}

#[actix_web::test]
async fn the_third_export_at_a_time_is_answered_429_until_one_of_them_has_ended() {
    let house = House::open().await;
    // Together far more than the buffers of two sockets take.
    for _ in 0..160 {
        house.engine.line().alarm(Some(&house.client()), "TEST_OF_SIZE", Level::Info, None, "x".repeat(100_000));
    }
    house.until("they are on disk", || house.engine.read(&house.client(), ordergate_actors::persistence::Book::seq).unwrap() >= 160).await;
    let (one, two) = (begun(&house).await, begun(&house).await);
    let third = house.get("/dashboard/exports/orders.csv").await;
    third.is_problem(429, "too_many_exports");
    assert_eq!(third.headers["retry-after"], "5");
    drop(one);
    let has_seat = async || {
        let again = house.get("/dashboard/exports/orders.csv").await;
        if again.status == 200 {
            return Ok(());
        }
        again.is_problem(429, "too_many_exports");
        Err("")
    };
    until_found("the seat of a reader who has gone is given back", has_seat).await;
    drop(two);
    house.close().await;
}

/// A key for one account exports what is of that account, and neither results nor the journal.
#[actix_web::test]
async fn a_key_for_one_account_exports_that_account() {
    let own = |web: &mut WebSettings| {
        let rights = Rights { read: true, ..Rights::NONE };
        let scope = Scope { rights, accounts: Some(vec![ClientId::parse("B").unwrap()]), strategies: None };
        web.keys.push(ApiKey { scope, ..ApiKey::new("reader", "of-b".into()) });
    };
    let house = House::with(Plan { accounts: vec!["A", "B"], web: Box::new(own), ..Plan::default() }).await;
    for account in ["A", "B"] {
        let body = crate::support::secret(entry("trend"));
        assert_eq!(house.send(house.request("POST", &format!("/webhook/{account}")).json(&body)).await.status, 202);
    }
    house
        .until("both have traded", || {
            ["A", "B"].iter().all(|name| {
                let held = house.engine.read(&ClientId::parse(name).unwrap(), |book| book.held_keys().count());
                held == Some(1)
            })
        })
        .await;
    let by = |key: &str, path: &str| house.send(house.request("GET", path).bearer_auth(key));
    let accounts = |reply: &Reply| rows(reply).iter().map(|row| row["client_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(accounts(&by(KEY, "/dashboard/exports/orders.csv").await), ["A", "B"]);
    assert_eq!(accounts(&by("of-b", "/dashboard/exports/orders.csv").await), ["B"]);
    by("of-b", "/dashboard/exports/orders.csv?client_id=A").await.is_problem(403, "not_for_this_key");
    for name in ["pnl", "journal"] {
        by("of-b", &format!("/dashboard/exports/{name}.csv")).await.is_problem(403, "not_for_this_key");
    }
    house.close().await;
}
