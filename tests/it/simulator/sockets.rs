//! Both handshakes, subscriptions, order messages, and the end of a connection.

use serde_json::{Value, json};

use super::client::{Bench, order, with};

#[actix_web::test]
async fn both_handshakes_on_both_paths() {
    let bench = Bench::open().await;
    for path in ["NorenWSTP", "NorenWSTP/", "NorenWSAPI", "NorenWSAPI/"] {
        let mut socket = bench.socket(path).await;
        socket.send(json!({"t":"c","uid":"FA00001","actid":"FA00001","susertoken":bench.token,"source":"API"})).await;
        assert_eq!(socket.next().await.unwrap(), json!({"t":"ck","s":"OK","uid":"FA00001"}), "{path}");
        let mut socket = bench.socket(path).await;
        socket.send(json!({"t":"a","uid":"FA00001","actid":"FA00001","accesstoken":bench.token,"source":"API"})).await;
        assert_eq!(socket.next().await.unwrap(), json!({"t":"ak","s":"OK","uid":"FA00001"}), "{path}");
        socket.send(json!({"t":"h"})).await;
        assert_eq!(socket.next().await.unwrap(), json!({"t":"hk"}));
    }
}

#[actix_web::test]
async fn a_refused_socket_stays_open_and_hears_nothing() {
    let bench = Bench::open().await;
    let mut refused = bench.socket("NorenWSTP/").await;
    refused.send(json!({"t":"c","uid":"FA00001","actid":"FA00001","susertoken":"wrong","source":"API"})).await;
    assert_eq!(refused.next().await.unwrap()["s"], "NOT_OK");
    // It takes no subscription; only the heartbeat is answered, as the next frame shows.
    refused.send(json!({"t":"o","actid":"FA00001"})).await;
    refused.send(json!({"t":"h"})).await;
    assert_eq!(refused.next().await.unwrap(), json!({"t":"hk"}));
    bench.fault(json!({"route":"socket","fault":"socket_refuse"}));
    let mut socket = bench.socket("NorenWSAPI").await;
    let hello = json!({"t":"a","uid":"FA00001","actid":"FA00001","accesstoken":bench.token,"source":"API"});
    socket.send(hello.clone()).await;
    assert_eq!(socket.next().await.unwrap()["s"], "NOT_OK");
    socket.send(hello).await;
    assert_eq!(socket.next().await.unwrap()["s"], "OK");
}

#[actix_web::test]
async fn a_second_connection_evicts_the_first() {
    let bench = Bench::open().await;
    let mut first = bench.listening().await;
    let mut second = bench.listening().await;
    assert_eq!(first.next().await, Err(1000));
    let number = bench.place("T").await.number();
    assert_eq!(second.reports(&number, "New").await.len(), 3);
    bench.sim.kill_sockets();
    assert_eq!(second.next().await, Err(1000));
    bench.fault(json!({"route":"socket","fault":"socket_evict"}));
    let mut third = bench.socket("NorenWSAPI").await;
    third.send(json!({"t":"a","uid":"FA00001","actid":"FA00001","accesstoken":bench.token,"source":"API"})).await;
    assert_eq!(third.next().await.unwrap()["s"], "OK");
    assert_eq!(third.next().await, Err(1000));
}

#[actix_web::test]
async fn order_messages_begin_sparse_and_are_not_sent_again() {
    let bench = Bench::open().await;
    let mut socket = bench.listening().await;
    let number = bench.call("PlaceOrder", with(order("T-7"), &[("prc", "851")])).await.number();
    let frames = socket.reports(&number, "Fill").await;
    let kinds: Vec<&str> = frames.iter().filter_map(|frame| frame["reporttype"].as_str()).collect();
    assert_eq!(kinds, ["NewAck", "PendingNew", "New", "Fill"]);
    for absent in ["qty", "prc", "remarks", "prctyp", "rejreason"] {
        assert!(frames[0].get(absent).is_none(), "{absent} is in {}", frames[0]);
    }
    assert_eq!((&frames[0]["st_intrn"], &frames[0]["pcode"]), (&json!("ORDER ACK"), &json!("I")));
    let fill = &frames[3];
    assert_eq!((&fill["status"], &fill["fillshares"], &fill["flqty"]), (&json!("COMPLETE"), &json!("10"), &json!("10")));
    assert_eq!((&fill["remarks"], &fill["rejreason"], &fill["flprc"]), (&json!("T-7"), &json!(" "), &json!("850.10")));
    // A new connection hears only of what comes.
    let mut later = bench.listening().await;
    let next = bench.place("T-8").await.number();
    assert_eq!(later.next().await.unwrap()["norenordno"], next);
}

#[actix_web::test]
async fn quotes_begin_whole_and_go_on_with_what_changed() {
    let bench = Bench::open().await;
    let mut socket = bench.listening().await;
    socket.send(json!({"t":"t","k":"NSE|3045#NSE|999999"})).await;
    let whole = socket.next().await.unwrap();
    assert_eq!((&whole["t"], &whole["e"], &whole["tk"], &whole["ts"]), (&json!("tk"), &json!("NSE"), &json!("3045"), &json!("SBIN-EQ")));
    for field in ["pp", "ls", "ti", "lp", "pc", "o", "h", "l", "c", "bp1", "sp1", "bq1", "sq1", "ft"] {
        assert!(whole[field].is_string(), "{field}: {whole}");
    }
    bench.price("NSE", "SBIN-EQ", "850.00", "850.20");
    let part = socket.next().await.unwrap();
    assert_eq!((&part["t"], &part["sp1"], part.get("bp1"), part.get("o")), (&json!("tf"), &json!("850.20"), None, None));
    socket.send(json!({"t":"u","k":"NSE|3045"})).await;
    assert_eq!(socket.next().await.unwrap()["t"], "uk");
    socket.send(json!({"t":"d","k":"NSE|3045"})).await;
    let depth = socket.next().await.unwrap();
    assert_eq!((&depth["t"], &depth["bo1"]), (&json!("dk"), &json!("1")));
    bench.price("NSE", "SBIN-EQ", "849.00", "850.20");
    assert_eq!(socket.next().await.unwrap()["t"], "df");
    socket.send(json!({"t":"ud","k":"NSE|3045"})).await;
    assert_eq!(socket.next().await.unwrap()["t"], "udk");
}

#[actix_web::test]
async fn a_silent_socket_stays_open() {
    let bench = Bench::open().await;
    bench.fault(json!({"route":"socket","fault":"socket_silent"}));
    let mut socket = bench.socket("NorenWSAPI").await;
    socket.send(json!({"t":"a","uid":"FA00001","actid":"FA00001","accesstoken":bench.token,"source":"API"})).await;
    assert_eq!(socket.next().await.unwrap()["s"], "OK");
    socket.send(json!({"t":"o","actid":"FA00001"})).await;
    socket.send(json!({"t":"h"})).await;
    let number = bench.place("T").await.number();
    bench.until(&number, "OPEN").await;
    let state = bench.sim.state();
    let silent: Vec<&Value> = state["sockets"].as_array().unwrap().iter().filter(|socket| socket["silent"] == true).collect();
    assert_eq!(silent.len(), 1, "{state:#}");
    // The first thing that it hears again is its end.
    bench.sim.kill_sockets();
    assert_eq!(socket.next().await, Err(1000));
}
