//! Rows of the books: what each field says of an order, a trade, a position, a limit.

use ordergate_actors::order::{BookState, BrokerOrderId, Exchange, Product, Right, Side};

use super::super::class::ErrorClass;
use super::super::reject::RejectClass;
use super::super::reply::{ListReply, ObjectReply};
use super::super::scalar::{FieldError, Fields};
use super::super::{chain, history, holdings, limits, margin, order_row, position_row, quote, search, security, trade_row};
use super::{dec, fields, price, read_at, utc, with};

const BHEL: &str = r#"{"stat":"Ok","norenordno":"22061400291198","uid":"FA12345","actid":"FA12345","exch":"NSE","tsym":"BHEL-EQ","qty":"1",
  "ordenttm":"1655199398","trantype":"B","prctyp":"LMT","ret":"DAY","token":"438","mult":"1","prcftr":"1.000000","pp":"2","ls":"1","ti":"0.05",
  "prc":"47.50","rprc":"47.50","avgprc":"47.50","dscqty":"0","prd":"I","status":"COMPLETE","fillshares":"1",
  "norentm":"15:06:38 14-06-2022","exch_tm":"14-06-2022 15:06:38","exchordid":"1000000017321502","rqty":"1","remarks":"X7K2-000123-1"}"#;
const NMDC: &str = r#"{"stat":"Ok","norenordno":"22061400270192","uid":"FA12345","actid":"FA12345","exch":"NSE","tsym":"NMDC-EQ","qty":"1",
  "ordenttm":"1655198676","trantype":"B","prctyp":"SL-MKT","ret":"DAY","token":"15332","mult":"1","prcftr":"1.000000","pp":"2","ls":"1","ti":"0.05",
  "prc":"0.00","trgprc":"118.00","rprc":"118.00","rtrgprc":"118.00","dscqty":"0","prd":"I","status":"CANCELED",
  "norentm":"14:54:36 14-06-2022","exch_tm":"14-06-2022 14:54:36","exchordid":"1200000015799744","cancelqty":"1","rqty":"1"}"#;

fn row(json: &str) -> order_row::OrderRow {
    order_row::read(&fields(json), read_at()).unwrap()
}

#[test]
fn a_filled_order_is_read_whole() {
    let read = row(BHEL);
    assert_eq!((read.row.state, read.row.filled, read.row.quantity), (BookState::Complete, 1, 1));
    assert_eq!(read.row.broker_order_id.as_str(), "22061400291198");
    assert_eq!(read.row.tag.as_deref(), Some("X7K2-000123-1"));
    assert_eq!(read.row.instrument.to_string(), "NSE:BHEL-EQ");
    assert_eq!((read.row.side, read.row.product), (Side::Buy, Product::Mis));
    assert_eq!((read.row.average_price, read.row.price), (Some(dec("47.50")), Some(dec("47.50"))));
    assert_eq!(read.row.at, utc("2022-06-14T09:36:38Z"));
    assert_eq!((read.row.reason, read.reject, read.doubt), (None, None, None));
}

#[test]
fn a_cancelled_order_has_no_price_no_tag_and_no_fill() {
    let read = row(NMDC);
    assert_eq!((read.row.state, read.row.filled, read.row.price, read.row.tag), (BookState::Cancelled, 0, None, None));
    let filled = row(&with(&with(NMDC, "fillshares", Some("\"1\"")), "qty", Some("2")));
    assert_eq!((filled.row.state, filled.row.filled), (BookState::Cancelled, 1));
}

#[test]
fn an_order_row_takes_every_known_variant() {
    let read = row(BHEL);
    let same = [
        with(BHEL, "qty", Some("1")),
        with(BHEL, "qty", Some("\" 1.00 \"")),
        with(BHEL, "prd", Some("\"MIS\"")),
        with(&with(BHEL, "prd", None), "pcode", Some("\"I\"")),
        with(&with(BHEL, "prd", None), "s_prdt_ali", Some("\"MIS\"")),
        with(&with(BHEL, "norenordno", None), "norenoordno", Some("\"22061400291198\"")),
        with(BHEL, "norentm", None),
        with(BHEL, "rejreason", Some("\" \"")),
        with(BHEL, "brand_new_field", Some("{\"a\":[1]}")),
        with(BHEL, "stat", None),
        with(BHEL, "fillshares", None),
    ];
    for json in same {
        assert_eq!(row(&json), read, "{json}");
    }
    let timeless = ["norentm", "ordenttm", "exch_tm"].iter().fold(BHEL.to_owned(), |json, name| with(&json, name, None));
    assert_eq!(row(&timeless).row.at, read_at());
    assert_eq!(row(&with(BHEL, "tsym", Some("\"M%26M-EQ\""))).row.instrument.to_string(), "NSE:M&M-EQ");
}

#[test]
fn a_rejected_order_tells_why_and_a_refused_request_ends_nothing() {
    let rejected = with(&with(BHEL, "status", Some("\"REJECTED\"")), "fillshares", None);
    let read = row(&with(&rejected, "rejreason", Some("\"RED:Margin Shortfall:INR 5\"")));
    assert_eq!((read.row.state, read.reject), (BookState::Rejected, Some(RejectClass::Margin)));
    assert_eq!(read.row.reason.as_deref(), Some("RED:Margin Shortfall:INR 5"));
    let read = row(&with(&rejected, "rejreason", Some("\"SAF:order is not open to cancel\"")));
    assert_eq!((read.row.state, read.reject), (BookState::Open, Some(RejectClass::RequestRefused)));
    assert!(read.doubt.is_some());
}

#[test]
fn a_row_that_contradicts_itself_stays_live() {
    let read = row(&with(BHEL, "qty", Some("\"5\"")));
    assert_eq!((read.row.state, read.row.filled), (BookState::Open, 1));
    assert_eq!(read.doubt.as_deref(), Some("COMPLETE with 1 of 5 filled"));
}

#[test]
fn an_order_row_that_lacks_what_matters_is_not_read() {
    for name in ["norenordno", "exch", "tsym", "qty", "trantype", "prd", "status"] {
        assert_eq!(
            order_row::read(&fields(&with(BHEL, name, None)), read_at()).map(|_| ()),
            Err(FieldError::Missing { field: name }),
            "{name}"
        );
    }
    for (name, value) in [("qty", "\"-1\""), ("exch", "\"MARS\""), ("prd", "\"B\""), ("avgprc", "\"x\""), ("norenordno", "\"1 2\"")] {
        assert!(matches!(order_row::read(&fields(&with(BHEL, name, Some(value))), read_at()), Err(FieldError::Wrong { .. })), "{name}");
    }
}

#[test]
fn a_history_is_newest_first() {
    let newest = r#"{"stat":"Ok","norenordno":"26081200012345","exch":"NFO","tsym":"NIFTY25AUG26C25000","qty":"130","trantype":"B","prctyp":"LMT","ret":"DAY","token":"43210","prc":"101.50","avgprc":"101.45","prd":"M","status":"OPEN","rpt":"Fill","fillshares":"65","norentm":"10:14:05 12-08-2026","remarks":"X7K2-000123-1"}"#;
    let older = with(&with(&with(newest, "rpt", Some("\"NewAck\"")), "status", Some("\"PENDING\"")), "fillshares", None);
    let rows: Vec<Fields> = [newest, &older, r#"{"stat":"Ok"}"#].iter().map(|json| fields(json)).collect();
    let id = BrokerOrderId::parse("26081200012345").unwrap();
    let events = history::read(&rows, &id, read_at()).unwrap();
    assert_eq!(events.len(), 2, "an older row that cannot be read is left out");
    assert_eq!((events[0].row.state, events[0].row.filled, events[0].report.as_deref()), (BookState::Open, 65, Some("FILL")));
    assert_eq!((events[1].row.filled, events[1].report.as_deref()), (0, Some("NEWACK")));
    assert!(history::read(&rows, &BrokerOrderId::parse("7").unwrap(), read_at()).is_err(), "another order's history");
    assert!(history::read(&rows[2..], &id, read_at()).is_err());
}

#[test]
fn a_trade_is_counted_by_its_own_number_and_quantity() {
    let json = r#"{"stat":"Ok","norenordno":"26081200012345","exch":"NFO","prctyp":"LMT","prd":"M","flid":"380225664","fltm":"12-08-2026 10:14:05","trantype":"B","tsym":"NIFTY25AUG26C25000","qty":"130","token":"43210","fillshares":"130","flqty":"65","prc":"101.50","flprc":"101.45","remarks":"X"}"#;
    let read = trade_row::read(&fields(json), read_at()).unwrap();
    assert_eq!((read.exchange, read.fill.trade_id.as_str(), read.fill.quantity.value()), (Exchange::Nfo, "380225664", 65));
    assert_eq!((read.fill.price, read.fill.at), (price("101.45"), utc("2026-08-12T04:44:05Z")));
    for name in ["flid", "norenordno", "flqty", "flprc", "exch"] {
        let error = trade_row::read(&fields(&with(json, name, None)), read_at()).unwrap_err();
        assert_eq!(error, FieldError::Missing { field: name });
    }
    assert!(trade_row::read(&fields(&with(json, "flqty", Some("\"0\""))), read_at()).is_err());
    let late = trade_row::read(&fields(&with(&with(json, "fltm", None), "filltm", Some("\"12-08-2026 10:14:06\""))), read_at()).unwrap();
    assert_eq!(late.fill.at, utc("2026-08-12T04:44:06Z"));
}

/// What of a position is from earlier days, and from which price its results count that.
#[test]
fn a_position_tells_what_it_carries() {
    let json = r#"{"stat":"Ok","exch":"NFO","tsym":"NIFTY25AUG26C25000","prd":"M","token":"43210","mult":"1","prcftr":"1.000000","daybuyqty":"0","daysellqty":"0","cfbuyqty":"130","cfsellqty":"0","cfbuyavgprc":"101.45","netqty":"130","netavgprc":"99.00","lp":"103.00","urmtom":"520.00","rpnl":"0.00"}"#;
    let carried = |json: &str| position_row::read(&fields(json)).unwrap().carried.map(|carried| (carried.net, carried.from));
    assert_eq!(carried(json), Some((130, Some(dec("99.00")))), "untouched: what urmtom counts from");
    let touched = with(&with(json, "daysellqty", Some("\"65\"")), "netqty", Some("\"65\""));
    assert_eq!(carried(&touched), Some((130, Some(dec("101.45")))));
    assert_eq!(carried(&with(&touched, "cfbuyavgprc", None)), Some((130, None)));
    let short = with(&with(&with(json, "cfbuyqty", Some("\"0\"")), "cfsellqty", Some("\"65\"")), "netqty", Some("\"-65\""));
    assert_eq!(carried(&short), Some((-65, Some(dec("99.00")))));
    assert_eq!(carried(&with(json, "cfbuyqty", Some("\"0\""))), None);
    assert_eq!(carried(&with(json, "cfbuyqty", None)), None, "a broker that does not tell carries nothing");
}

#[test]
fn a_position_tells_its_net_and_its_profit() {
    let json = r#"{"stat":"Ok","exch":"NFO","tsym":"NIFTY25AUG26C25000","prd":"M","s_prdt_ali":"NRML","token":"43210","mult":"1","prcftr":"1.000000","daybuyqty":"65","openbuyqty":"0","opensellqty":"65","netqty":"65","netavgprc":"101.45","lp":"103.00","urmtom":"100.75","rpnl":"0.00"}"#;
    let read = position_row::read(&fields(json)).unwrap();
    assert_eq!((read.net, read.average_price, read.unrealised.0), (65, Some(dec("101.45")), dec("100.75")));
    assert_eq!(read.holding.product, Product::Nrml);
    let computed = position_row::read(&fields(&with(json, "urmtom", None))).unwrap();
    assert_eq!(computed.unrealised, read.unrealised, "the broker's own formula gives the broker's own figure");
    assert_eq!(position_row::read(&fields(&with(&with(json, "urmtom", None), "lp", None))), Err(FieldError::Missing { field: "urmtom" }));
    assert_eq!(read.per_point, Some(dec("1")));
    let gold = with(&with(&with(json, "exch", Some("\"MCX\"")), "prcftr", Some("\"0.100000\"")), "urmtom", None);
    let computed = position_row::read(&fields(&gold)).unwrap();
    assert_eq!((computed.per_point, computed.unrealised.0), (Some(dec("0.1")), dec("10.075")));
    let silent = with(&gold, "mult", None);
    assert_eq!(position_row::read(&fields(&silent)), Err(FieldError::Missing { field: "urmtom" }), "never taken for 1 there");
    let shares = position_row::read(&fields(&with(&with(json, "mult", None), "urmtom", None))).unwrap();
    assert_eq!((shares.per_point, shares.unrealised.0), (None, dec("100.75")));
    let flat = with(&with(&with(json, "netqty", Some("\"0\"")), "netavgprc", Some("\"0.00\"")), "rpnl", Some("-12.5"));
    let flat = position_row::read(&fields(&with(&flat, "urmtom", None))).unwrap();
    assert_eq!((flat.net, flat.average_price, flat.realised.0), (0, None, dec("-12.5")));
    assert_eq!(position_row::read(&fields(&with(json, "netqty", Some("\"-65\"")))).unwrap().net, -65);
    assert!(position_row::read(&fields(&with(json, "netqty", None))).is_err());
}

/// Nobody can say whether these names are collateral of their own: no order may use it, and nothing is squared off for the lack of it.
#[test]
fn an_account_that_is_short_only_without_collateral_of_unexplained_names_is_not_short() {
    let available = |cash: &str, funds: &str| {
        let json = format!(r#"{{"stat":"Ok","cash":"{cash}","marginused":"150000","mf_coll":"{funds}","cash_coll":"0"}}"#);
        let read = limits::read(&fields(&json)).unwrap();
        assert!(read.counted.contains(&("mf_coll", dec(funds))));
        read.available
    };
    assert_eq!(available("10000", "500000"), dec("0"));
    assert_eq!(available("10000", "50000"), dec("-90000"));
    assert_eq!(available("10000", "0"), dec("-140000"));
    assert_eq!(available("160000", "500000"), dec("10000"));
}

#[test]
fn limits_add_up_and_show_what_counted() {
    let json = r#"{"request_time":"18:07:31 29-05-2026","stat":"Ok","cash":"250000.00","payin":"0.00","payout":"-1000.00","brkcollamt":"0.00","unclearedcash":"0.00","daycash":"0.00","marginused":"81250.40","collateral":"500","mtomcurper":"0.00","span":"60100.00","rpnl":"0.00","unmtom":"-120.00"}"#;
    let read = limits::read(&fields(json)).unwrap();
    assert_eq!((read.available, read.available_cash), (dec("168249.60"), dec("167749.60")));
    assert_eq!((read.cash, read.used), (dec("250000"), dec("81250.40")));
    assert!(read.counted.contains(&("payout", dec("-1000"))) && read.counted.contains(&("marginused", dec("81250.40"))));
    assert!(limits::read(&fields(r#"{"stat":"Ok"}"#)).is_err());
    let timeout = ObjectReply::read(200, br#"{"stat":"Not_Ok","emsg":"Server Timeout :  "}"#);
    assert_eq!(timeout.class(), Some(ErrorClass::ServerTimeout));
}

#[test]
fn margins_keep_the_risk_systems_words() {
    let json = r#"{"stat":"Ok","cash":"250000.00","marginused":"121500.00","ordermargin":"40250.00","marginusedprev":"81250.00","remarks":"Order Success"}"#;
    let read = margin::order(&fields(json)).unwrap();
    assert_eq!((read.order, read.used, read.used_before), (Some(dec("40250")), dec("121500"), Some(dec("81250"))));
    assert_eq!(read.verdict.as_deref(), Some("Order Success"));
    let basket = margin::basket(&fields(r#"{"stat":"Ok","marginused":"100.5","marginusedtrade":50}"#)).unwrap();
    assert_eq!((basket.gross, basket.net), (dec("100.5"), Some(dec("50"))));
}

const QUOTE: &str = r#"{"request_time":"10:20:00 12-08-2026","stat":"Ok","exch":"NFO","token":"43210","tsym":"NIFTY25AUG26C25000","symname":"NIFTY","instname":"OPTIDX","exd":"25-AUG-2026","strprc":"25000.00","optt":"CE","pp":"2","ls":"65","ti":"0.05","mult":"1","uc":"310.00","lc":"0.05","lp":"101.45","o":"99.00","bp1":"101.40","bq1":"1300","bo1":"4","sp1":"101.50","sq1":"650","so1":"2"}"#;

#[test]
fn a_quote_is_for_what_was_asked_and_two_sided_or_not() {
    let read = |json: &str| quote::read(&fields(json), Exchange::Nfo, 43_210, read_at());
    let market = read(QUOTE).unwrap();
    assert!(market.is_two_sided());
    assert_eq!((market.bids.len(), market.bids[0].quantity, market.asks[0].orders), (1, 1300, Some(2)));
    let touch = market.quote();
    assert_eq!((touch.bid, touch.ask, touch.last), (Some(price("101.40")), Some(price("101.50")), price("101.45")));
    assert_eq!(touch.at, utc("2026-08-12T04:50:00Z"));
    assert_eq!(touch.band, Some((price("0.05"), price("310"))));
    let one_sided = read(&with(&with(QUOTE, "sp1", Some("\"0.00\"")), "sq1", Some("\"0\""))).unwrap();
    assert!(!one_sided.is_two_sided() && one_sided.quote().ask.is_none());
    assert!(!read(&with(QUOTE, "bp1", Some("\"102\""))).unwrap().is_two_sided(), "a crossed book");
    for (name, value) in [("token", "\"26000\""), ("exch", "\"NSE\""), ("bq1", "\"-5\"")] {
        assert!(matches!(read(&with(QUOTE, name, Some(value))), Err(FieldError::Wrong { .. })), "{name}");
    }
}

/// A carried option before its first trade of the day, a last price of yesterday, or that of the underlying.
#[test]
fn a_last_price_that_cannot_be_used_leaves_a_two_sided_book_a_quote() {
    let read = |json: &str| quote::read(&fields(json), Exchange::Nfo, 43_210, read_at());
    let closed = with(QUOTE, "c", Some("\"98.40\""));
    for lp in [None, Some("\"0.00\""), Some("\"25012.10\"")] {
        let last = |json: &str| read(&with(json, "lp", lp)).map(|market| market.last);
        assert_eq!(last(&closed), Ok(price("98.40")), "{lp:?}: the close of before");
        assert_eq!(last(QUOTE), Ok(price("101.45")), "{lp:?}: the middle of the book");
        assert_eq!(last(&with(QUOTE, "c", Some("\"330.00\""))), Ok(price("101.45")), "{lp:?}: the band does not admit that close");
        for one_sided in [with(&closed, "sp1", Some("\"0.00\"")), with(&closed, "sp1", Some("\"101.00\""))] {
            let expected = if lp == Some("\"25012.10\"") { "within" } else { "lp" };
            assert!(last(&one_sided).is_err_and(|error| error.to_string().contains(expected)), "{lp:?}");
        }
        let beyond = with(&with(&closed, "bp1", Some("\"400.00\"")), "sp1", Some("\"400.10\""));
        assert!(last(&beyond).is_err(), "{lp:?}: a book beyond the band is of something else");
    }
}

#[test]
fn an_odd_band_or_close_takes_no_quote_away() {
    let read = |json: &str| quote::read(&fields(json), Exchange::Nfo, 43_210, read_at()).unwrap();
    for (name, value) in [("uc", "\"21474836.47\""), ("uc", "\"99999999.00\""), ("lc", "\"-0.05\""), ("c", "\"-1\"")] {
        let market = read(&with(QUOTE, name, Some(value)));
        assert_eq!((market.last, market.band.is_some(), market.previous_close), (price("101.45"), name == "c", None), "{name}");
    }
}

#[test]
fn instruments_are_found_and_described() {
    let (hits, bad) = search::read(&fields(
        r#"{"stat":"Ok","values":[{"exch":"NSE","token":"2031","tsym":"M&M-EQ","cname":"MAHINDRA"},{"exch":"NSE","token":"","tsym":"X"}]}"#,
    ))
    .unwrap();
    assert_eq!((hits.len(), bad, hits[0].token, hits[0].key.to_string().as_str()), (1, 1, 2031, "NSE:M&M-EQ"));
    assert!(search::read(&fields(r#"{"stat":"Ok"}"#)).is_err());
    let info = security::read(&fields(&with(QUOTE, "frzqty", Some("\"1800\"")))).unwrap();
    assert_eq!((info.freeze.map(|f| f.value()), info.lot.map(|l| l.value()), info.tick), (Some(1800), Some(65), Some(price("0.05"))));
    assert_eq!(info.band, Some((price("0.05"), price("310"))));
    let (contracts, bad) = chain::read(&fields(&format!(r#"{{"values":[{QUOTE},{{}}]}}"#))).unwrap();
    assert_eq!((contracts.len(), bad, contracts[0].right, contracts[0].strike), (1, 1, Right::Call, price("25000")));
}

#[test]
fn delivery_counts_what_is_owned_and_what_can_be_sold() {
    let json = r#"{"stat":"Ok","exch_tsym":[{"exch":"NSE","token":"3045","tsym":"SBIN-EQ"},{"exch":"BSE","token":"500112","tsym":"SBIN"}],"holdqty":"10","dpqty":"4","npoadqty":"7","brkcolqty":"2","btstqty":"1","usedqty":"3","upldprc":"600.10","prd":"C"}"#;
    let read = holdings::read(&fields(json)).unwrap();
    assert_eq!((read.listings.len(), read.quantity, read.saleable), (2, 10 + 1 + 2 + 7 - 3, 10 + 1 + 4 - 3));
    assert_eq!(read.average_price, Some(dec("600.10")));
    assert!(holdings::read(&fields(r#"{"stat":"Ok"}"#)).is_err());
}

#[test]
fn a_whole_book_becomes_a_snapshot() {
    let body = format!("[{BHEL},{NMDC}]");
    let snapshot = ListReply::read(200, body.as_bytes()).into_snapshot(|row| order_row::read(row, read_at()));
    assert!(matches!(snapshot, ordergate_actors::ports::Snapshot::Authoritative(rows, bad) if rows.len() == 2 && bad.is_empty()));
}

/// A cover order and its position cannot be read, and tell all the same whether something is open.
#[test]
fn a_row_of_another_kind_tells_whether_it_is_open() {
    let told = |json: String, is_order: bool| {
        let body = format!("[{json}]");
        let reply = ListReply::read(200, body.as_bytes());
        let read = |row: &Fields| if is_order { order_row::read(row, read_at()).map(drop) } else { position_row::read(row).map(drop) };
        let ordergate_actors::ports::Snapshot::Authoritative(good, mut bad) = reply.into_snapshot(read) else { panic!("no snapshot") };
        assert!(good.is_empty() && bad.len() == 1 && bad[0].is_foreign, "{bad:?}");
        *bad.remove(0).glimpse
    };
    let position =
        |net: &str| told(format!(r#"{{"stat":"Ok","exch":"NFO","tsym":"NIFTY24NOV26C25700","prd":"H",{net}"rpnl":"0"}}"#), false);
    let open = position(r#""netqty":"-65","#);
    assert_eq!((open.is_open, open.words.as_str()), (Some(true), "exch=NFO tsym=NIFTY24NOV26C25700 prd=H netqty=-65"));
    assert_eq!(position(r#""netqty":"0","#).is_open, Some(false));
    let order = |status: &str| told(with(&with(BHEL, "prd", Some("\"H\"")), "status", Some(&format!("\"{status}\""))), true);
    let works = order("TRIGGER_PENDING");
    assert_eq!((works.is_open, works.broker_order_id), (Some(true), BrokerOrderId::parse("22061400291198").ok()));
    assert_eq!((order("COMPLETE").is_open, order("CANCELED").is_open), (Some(false), Some(false)));
}

/// Whoever asks next month for the exchange's number of an order finds it in the journal: the broker's book is gone by then.
#[test]
fn what_else_the_row_of_an_ended_order_tells_is_kept_without_secrets() {
    let besides = |remarks: &str, status: &str| {
        let json = format!(
            r#"{{"stat":"Ok","norenordno":"26112000000001","exch":"NSE","tsym":"SBIN-EQ","trantype":"B","prd":"I","qty":"1","fillshares":"1",
                "status":"{status}","remarks":"{remarks}","exchordid":"1100000012345678","rejby":" ","ordersource":"API","ipaddr":"203.0.113.9",
                "pan":"ABCDE1234F","C":[{{"susertoken":"abc"}}],"note":"deadbeefdeadbeefdeadbeefdeadbeef"}}"#
        );
        row(&json).row.besides
    };
    let kept = besides("OGA1B20000001", "COMPLETE").unwrap();
    for told in ["exchordid=1100000012345678", "ordersource=API", "ipaddr=***", "pan=***", "note=***"] {
        assert!(kept.contains(told), "{told}: {kept}");
    }
    for untold in ["203.0.113", "ABCDE", "abc", "deadbeef", "rejby", "norenordno", "SBIN"] {
        assert!(!kept.contains(untold), "{untold}: {kept}");
    }
    assert_eq!(besides("OGA1B20000001", "OPEN"), None, "it goes on");
    assert_eq!(besides("by hand", "COMPLETE"), None, "it is not ours");
    let long = "x ".repeat(5_000);
    let json = with(BHEL, "note", Some(&format!("{long:?}")));
    let json = with(&with(&json, "remarks", Some(r#""OGA1""#)), "status", Some(r#""REJECTED""#));
    assert!(row(&json).row.besides.unwrap().chars().count() <= 1_001);
}
