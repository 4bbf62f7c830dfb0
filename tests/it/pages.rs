//! What the pages read beside the rest of the API, and the pages themselves, over real HTTP.

use serde_json::json;

use crate::support::{House, KEY, Plan, entry};

#[actix_web::test]
async fn the_first_address_leads_to_the_first_page_and_the_seeds_addresses_are_pages() {
    let house = House::open().await;
    for path in ["/", "/dashboard", "/dashboard/"] {
        let answer = house.request("GET", path).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.url().path()), (200, "/dashboard/web/index.html"), "{path}");
    }
    for name in ["place_order.html", "order_diagnostics.html"] {
        let answer = house.request("GET", &format!("/dashboard/web/{name}")).send().await.unwrap();
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert!(answer.text().await.unwrap().contains("main.js"), "{name}");
    }
    house.send(house.request("GET", "/dashboard/web/nothing.html")).await.is_problem(404, "no_such_page");
    house.close().await;
}

#[actix_web::test]
async fn the_overview_tells_mode_session_controls_and_counts_without_asking_a_broker() {
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], ..Plan::default() }).await;
    let before = house.get("/dashboard/overview").await;
    assert_eq!(before.status, 200);
    let names: Vec<&str> = before.body["accounts"].as_array().unwrap().iter().map(|one| one["client_id"].as_str().unwrap()).collect();
    assert_eq!(names, ["PAPER1", "PAPER2"]);
    let first = &before.body["accounts"][0];
    assert_eq!((&first["standing"]["mode"], &first["session"], &first["kill_level"]), (&json!("PAPER"), &json!("READY"), &json!(0)));
    assert_eq!((&first["phase"], &first["is_live"], &first["held"]), (&json!("OPEN"), &json!(false), &json!(0)));
    assert_eq!(before.body["markets"][0]["phase"], json!("OPEN"), "{:#}", before.body);
    house.post("/dashboard/kill", json!({ "client_id": "PAPER2", "level": 1, "reason": "enough" })).await;
    let after = house.get("/dashboard/overview").await;
    let levels: Vec<_> = after.body["accounts"].as_array().unwrap().iter().map(|one| (&one["kill_level"], &one["kill_reason"])).collect();
    assert_eq!(levels, [(&json!(0), &json!("")), (&json!(1), &json!("enough"))]);
    house.close().await;
}

#[actix_web::test]
async fn the_journal_is_read_page_by_page_and_every_row_once() {
    let house = House::open().await;
    house.alert(entry("a")).await;
    house.until_ended().await;
    let log_in = || house.request("POST", "/dashboard/session").json(&json!({ "key": KEY }));
    for _ in 0..3 {
        assert_eq!(house.send(log_in()).await.status, 200);
    }
    house.alert(entry("b")).await;
    house.until_ended().await;
    let of = |row: &serde_json::Value| (row["client_id"].as_str().map(str::to_owned), row["seq"].as_u64().unwrap());
    let rows = |body: &serde_json::Value| body["rows"].as_array().unwrap().iter().map(of).collect::<Vec<_>>();
    let whole = house.get("/dashboard/audit?limit=200").await;
    // What is written from here on is above the first page.
    let (account, process): (Vec<_>, Vec<_>) = rows(&whole.body).into_iter().partition(|(client, _)| client.is_some());
    let (head, process) = (account.len() as u64, process.len() as u64);
    assert!(whole.body["head"].as_u64().unwrap() >= head && head > 10 && process >= 3, "{:#}", whole.body);
    let seqs = |all: &[(Option<String>, u64)], client: Option<&str>| {
        all.iter().filter(|(of, _)| of.as_deref() == client).map(|(_, seq)| *seq).collect::<Vec<_>>()
    };
    let is_whole = |all: &[(Option<String>, u64)]| {
        assert_eq!(seqs(all, Some("PAPER1")), (1..=head).rev().collect::<Vec<_>>());
        assert_eq!(seqs(all, None), (1..=process).rev().collect::<Vec<_>>());
    };
    is_whole(&rows(&whole.body));
    assert_eq!(whole.body["next"], json!(null));
    let signed_in: Vec<_> = whole.body["rows"].as_array().unwrap().iter().filter(|row| row["event"] == "SIGNED_IN").collect();
    assert!(signed_in.len() == 3 && signed_in.iter().all(|row| row["who"].as_str().unwrap().contains("asha")), "{signed_in:?}");
    for limit in [1, 2, 3] {
        let (mut all, mut before) = (Vec::new(), format!("&before={}-{}", head + 1, process + 1));
        loop {
            let page = house.get(&format!("/dashboard/audit?limit={limit}{before}")).await;
            all.extend(rows(&page.body));
            match page.body["next"].as_str() {
                Some(next) => before = format!("&before={next}"),
                None => break,
            }
        }
        is_whole(&all);
        assert_eq!(all, rows(&whole.body), "the borders change no order");
    }
    for wrong in ["limit=0", "limit=201", "before=x", "before=7", "other=1"] {
        assert_eq!(house.get(&format!("/dashboard/audit?{wrong}")).await.status, 400, "{wrong}");
    }
    house.get("/dashboard/audit?client_id=NOBODY").await.is_problem(404, "no_such_account");
    house.close().await;
}
