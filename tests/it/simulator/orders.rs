//! Orders from their number to their end, as the books show them.

use ordergate::simulator::noren_server::{ForeignOrder, PriceSetting};
use serde_json::{Value, json};

use super::client::{Bench, order, with};

fn reports(history: &Value) -> Vec<(String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    history.as_array().unwrap().iter().map(|row| (text(row, "status"), text(row, "rpt"))).collect()
}

fn pairs(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[actix_web::test]
async fn an_order_rests_and_fills_in_parts() {
    let bench = Bench::open().await;
    let number = bench.place("T-1").await.number();
    assert!(number.len() == 14 && number.ends_with("00000001"), "{number}");
    let row = bench.until(&number, "OPEN").await;
    assert_eq!((&row["qty"], &row["prc"], &row["remarks"], &row["prd"]), (&json!("10"), &json!("840.00"), &json!("T-1"), &json!("I")));
    assert_eq!((row["exchordid"].as_str().unwrap().len(), &row["s_prdt_ali"]), (16, &json!("MIS")));
    for absent in ["fillshares", "avgprc", "cancelqty", "rejreason", "trgprc", "flid"] {
        assert!(row.get(absent).is_none(), "{absent} is in {row}");
    }
    let asks = vec![("839.00".parse().unwrap(), 4)];
    let setting = PriceSetting { exch: "NSE".into(), tsym: "SBIN-EQ".into(), asks, ..PriceSetting::default() };
    bench.sim.set_price(&setting).unwrap();
    let row = bench.row(&number).await.unwrap();
    assert_eq!(
        (&row["status"], &row["fillshares"], &row["avgprc"], &row["rqty"]),
        (&json!("OPEN"), &json!("4"), &json!("840.00"), &json!("10"))
    );
    bench.sim.set_price(&PriceSetting { asks: vec![("839.00".parse().unwrap(), 40)], ..setting }).unwrap();
    bench.until(&number, "COMPLETE").await;
    let history = bench.history(&number).await;
    let seen = [("COMPLETE", "Fill"), ("OPEN", "Fill"), ("OPEN", "New"), ("PENDING", "PendingNew"), ("PENDING", "NewAck")];
    assert_eq!(reports(&history.body), pairs(&seen));
    let rows = history.rows();
    assert!(rows.iter().all(|row| row["remarks"] == "T-1"));
    assert!(rows[3].get("exch_tm").is_none() && rows[4].get("dscqty").is_none() && rows[2].get("exchordid").is_some());

    let trades = bench.call("TradeBook", json!({})).await;
    let quantities: Vec<&str> = trades.rows().iter().filter_map(|row| row["flqty"].as_str()).collect();
    assert_eq!(quantities, ["6", "4"]);
    for field in ["flid", "fltm", "flprc", "exchordid", "remarks", "cstFrm", "norenordno"] {
        assert!(trades.rows()[0].get(field).is_some(), "{field}");
    }
    let positions = bench.call("PositionBook", json!({})).await;
    let row = &positions.rows()[0];
    assert_eq!(
        (&row["netqty"], &row["netavgprc"], &row["daybuyqty"], &row["rpnl"]),
        (&json!("10"), &json!("840.00"), &json!("10"), &json!("0.00"))
    );
    assert_eq!(bench.sim.net("NSE", "SBIN-EQ"), 10);
    let limits = bench.call("Limits", json!({})).await;
    assert_eq!(limits.body["marginused"], "1680.00");
}

#[actix_web::test]
async fn what_the_broker_refuses_later_stands_in_the_book() {
    let bench = Bench::open().await;
    bench.price("NSE", "RELIANCE-EQ", "1411", "1412");
    let future = json!({"exch":"NFO","prd":"M"});
    let search = bench.call("SearchScrip", json!({"stext":"NIFTY","exch":"NFO"})).await;
    let option = search.body["values"][2]["tsym"].as_str().unwrap().to_owned();
    bench.price("NFO", &option, "100", "101");
    assert_eq!(future["prd"], "M");
    for (changes, reason) in [
        (&[("prc", "840.03")][..], "16419: price is no multiple of the tick 0.05"),
        (&[("tsym", "RELIANCE-EQ"), ("prc", "900")], "RED:RULE:{Check circuit limit including square off order}Current:INR 900.00"),
        (&[("qty", "100000")], "RED:Margin Shortfall:INR 11800000.00 Available:INR 5000000.00 for C-FA00001"),
        (&[("prd", "M")], "ORA:Product NRML not enabled for Account FA00001"),
        (&[("prd", "C"), ("trantype", "S"), ("prc", "860")], "RED:RULE:{Check Holdings Including BTST}Eligible Sell:0"),
        (&[("exch", "NFO"), ("tsym", &option), ("qty", "75"), ("prc", "100")], "Quantity 75 is not a multiple of lot size 65.00"),
        (
            &[("exch", "NFO"), ("tsym", &option), ("qty", "1820"), ("prc", "100")],
            "RED:RULE:{Check Freeze qty including square off order}Current:1820 Set:1801",
        ),
    ] {
        let number = bench.call("PlaceOrder", with(order("R"), changes)).await.number();
        let row = bench.until(&number, "REJECTED").await;
        let said = row["rejreason"].as_str().unwrap();
        assert!(said.starts_with(reason), "{said}");
        assert_eq!(row["remarks"], "R");
        assert_eq!(reports(&bench.history(&number).await.body)[0], ("REJECTED".to_owned(), "Rejected".to_owned()));
    }
    assert!(bench.sim.orders().iter().all(|order| order["at_exchange"] == false));
}

#[actix_web::test]
async fn a_change_speaks_of_the_total_and_a_cancel_leaves_the_rest() {
    let bench = Bench::open().await;
    let number = bench.place("T").await.number();
    bench.until(&number, "OPEN").await;
    let change = |fields: &[(&str, &str)]| {
        let plain = json!({"norenordno":number,"exch":"NSE","tsym":"SBIN-EQ","qty":"20","prctyp":"LMT","prc":"845.00","ret":"DAY"});
        with(plain, fields)
    };
    let answer = bench.call("ModifyOrder", change(&[])).await;
    assert_eq!((&answer.body["stat"], &answer.body["result"]), (&json!("Ok"), &json!(number)));
    let row = bench.until_row(&number, "the price is changed", |row| row["prc"] == "845.00").await;
    assert_eq!((&row["status"], &row["qty"], &row["rorgqty"], &row["remarks"]), (&json!("OPEN"), &json!("20"), &json!("10"), &json!("T")));
    assert_eq!(reports(&bench.history(&number).await.body)[0].1, "Replaced");

    // A trigger of zero for a plain limit order is answered Ok, and refused a moment later.
    assert_eq!(bench.call("ModifyOrder", change(&[("trgprc", "0"), ("prc", "846.00")])).await.body["stat"], "Ok");
    let row = bench.until_row(&number, "the change is refused", |row| row["rejreason"].is_string()).await;
    let seen = (&row["status"], &row["prc"], &row["rejreason"]);
    assert_eq!(seen, (&json!("OPEN"), &json!("845.00"), &json!("ORA:Trigger price invalid - 0.00")));
    assert_eq!(reports(&bench.history(&number).await.body)[0].1, "ReplaceRejected");

    let unknown = bench.call("ModifyOrder", change(&[("norenordno", "26112000000099")])).await;
    assert_eq!(unknown.emsg(), "Rejected : ORA:Order not found");
    assert_eq!(bench.call("CancelOrder", json!({"norenordno":"1"})).await.emsg(), "Rejected : ORA:Order not found to Cancel");
    assert_eq!(bench.call("CancelOrder", json!({"norenordno":number})).await.body["result"], number);
    let row = bench.until(&number, "CANCELED").await;
    assert_eq!(row["cancelqty"], "20");
    assert_eq!(bench.call("CancelOrder", json!({"norenordno":number})).await.emsg(), "Rejected : SAF:order is not open to cancel");
}

#[actix_web::test]
async fn a_cancel_that_loses_the_race_leaves_the_fill() {
    let bench = Bench::with(ordergate::simulator::noren_server::Settings {
        delays: ordergate::simulator::noren_server::Delays { risk_ms: 1, exchange_ms: 500 },
        time: ordergate::simulator::noren_server::TimeSettings { start: Some("2026-11-20T05:00:00Z".parse().unwrap()), speed: 0 },
        ..super::client::settings()
    })
    .await;
    let number = bench.place("T").await.number();
    bench.sim.advance_time(chrono::TimeDelta::seconds(2));
    assert_eq!(bench.row(&number).await.unwrap()["status"], "OPEN");
    assert_eq!(bench.call("CancelOrder", json!({"norenordno":number})).await.body["stat"], "Ok");
    bench.price("NSE", "SBIN-EQ", "830", "831");
    bench.sim.advance_time(chrono::TimeDelta::seconds(1));
    let row = bench.row(&number).await.unwrap();
    assert_eq!((&row["status"], &row["fillshares"]), (&json!("COMPLETE"), &json!("10")));
    let history = bench.history(&number).await;
    assert_eq!(
        (&history.rows()[0]["rpt"], &history.rows()[0]["rejreason"]),
        (&json!("CancelRejected"), &json!("SAF:order is not open to cancel"))
    );
}

#[actix_web::test]
async fn an_ioc_order_and_a_stop() {
    let bench = Bench::open().await;
    let asks = vec![("850.10".parse().unwrap(), 4)];
    let setting =
        PriceSetting { exch: "NSE".into(), tsym: "SBIN-EQ".into(), asks, bid: Some("850".parse().unwrap()), ..PriceSetting::default() };
    bench.sim.set_price(&setting).unwrap();
    let number = bench.call("PlaceOrder", with(order("I"), &[("ret", "IOC"), ("prc", "851")])).await.number();
    let row = bench.until(&number, "CANCELED").await;
    let seen = (&row["fillshares"], &row["cancelqty"], &row["rejreason"]);
    assert_eq!(seen, (&json!("4"), &json!("6"), &json!("IOC Order Cancelled")));

    let stop = [("prctyp", "SL-LMT"), ("trgprc", "860"), ("prc", "861"), ("qty", "5")];
    let number = bench.call("PlaceOrder", with(order("S"), &stop)).await.number();
    let row = bench.until(&number, "TRIGGER_PENDING").await;
    assert_eq!((&row["trgprc"], &row["prctyp"]), (&json!("860.00"), &json!("SL-LMT")));
    bench.price("NSE", "SBIN-EQ", "860.40", "860.60");
    bench.until(&number, "COMPLETE").await;
}

#[actix_web::test]
async fn orders_of_others_and_of_the_broker_are_in_the_book() {
    let bench = Bench::open().await;
    let mine = bench.call("PlaceOrder", with(order("T"), &[("prc", "851")])).await.number();
    bench.until(&mine, "COMPLETE").await;
    let fields = json!({"exch":"NSE","tsym":"SBIN-EQ","qty":"3","prc":"0","prd":"I","trantype":"B","prctyp":"MKT"});
    let foreign = bench.post_json("sim/orders", fields.clone()).await.body["done"].as_str().unwrap().to_owned();
    let row = bench.until(&foreign, "COMPLETE").await;
    assert_eq!((&row["ordersource"], row.get("remarks")), (&json!("WEB"), None));
    assert!(bench.sim.foreign_order(&ForeignOrder { fields: json!({"exch":"NSE"}).as_object().unwrap().clone() }).is_err());

    let resting = bench.place("U").await.number();
    bench.until(&resting, "OPEN").await;
    let numbers = bench.post_json("sim/square-off", json!({})).await.body["done"].clone();
    let squared = numbers[0].as_str().unwrap();
    let row = bench.until(squared, "COMPLETE").await;
    assert_eq!((&row["ordersource"], &row["qty"], &row["trantype"]), (&json!("RMS"), &json!("13"), &json!("S")));
    bench.until(&resting, "CANCELED").await;
    assert_eq!(bench.sim.net("NSE", "SBIN-EQ"), 0);
    let row = &bench.call("PositionBook", json!({})).await.rows()[0].clone();
    assert_eq!((&row["netqty"], &row["netavgprc"]), (&json!("0"), &json!("0.00")), "a closed position stays for the day");

    let struck = bench.place("V").await.number();
    bench.until(&struck, "OPEN").await;
    assert_eq!(bench.post_json("sim/cancel", json!({"norenordno":struck})).await.status, 200);
    assert_eq!(bench.until(&struck, "CANCELED").await["rejreason"], "cancelled by the exchange");
    let newest: Vec<String> = bench.call("OrderBook", json!({})).await.rows().iter().map(|row| row["norenordno"].to_string()).collect();
    assert!(newest.is_sorted_by(|a, b| a > b), "the newest number first: {newest:?}");
}
