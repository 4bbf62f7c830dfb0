use chrono::DateTime;
use ordergate_actors::order::{Instrument, Kind, OrderType, Price, Right, Side, Terms};
use ordergate_actors::ports::Quote;
use proptest::prelude::{any, prop_assert, prop_assume, proptest};

use super::fixtures::{price, share, terms};
use super::protect::{Buffers, Care, Protection, Slabs, protect};

fn buffers() -> Buffers {
    Buffers {
        shares_and_futures: Slabs::parse("100: 2, 500: 1, above: 0.5").unwrap(),
        options: Slabs::parse("10: 5, 100: 3, 500: 2, above: 1").unwrap(),
        future_protection: Protection::parse("2 min 200").unwrap(),
        option_protection: Protection::parse("40 min 20").unwrap(),
    }
}

fn option(strike: &str) -> Instrument {
    let kind = Kind::Option { expiry: "2026-11-24".parse().unwrap(), strike: price(strike), right: Right::Call };
    Instrument { kind, ..share() }
}

fn quote(bid: &str, ask: &str, last: &str) -> Quote {
    let side = |text: &str| (!text.is_empty()).then(|| price(text));
    Quote { bid: side(bid), ask: side(ask), last: price(last), band: None, at: DateTime::UNIX_EPOCH, seen_at: DateTime::UNIX_EPOCH }
}

fn sent(instrument: &Instrument, side: Side, quote: Option<Quote>, care: Care) -> Result<String, String> {
    let order = Terms { side, ..terms(OrderType::Market) };
    let protected = protect(&order, instrument, quote.as_ref(), care, &buffers()).map_err(|refusal| refusal.reason)?.terms;
    assert_eq!(protected.order_type, OrderType::Limit);
    Ok(protected.price.unwrap().to_string())
}

#[test]
fn each_class_and_price_has_its_buffer_rounded_through_the_touch() {
    let at = |instrument: &Instrument, side, bid: &str, ask: &str| sent(instrument, side, Some(quote(bid, ask, ask)), Care::Entry).unwrap();
    assert_eq!(at(&share(), Side::Buy, "101.40", "101.50"), "102.55", "1 % is 102.515");
    assert_eq!(at(&share(), Side::Sell, "101.40", "101.50"), "100.35", "1 % is 100.386");
    assert_eq!(at(&share(), Side::Buy, "99.90", "99.95"), "101.95", "2 % below 100");
    assert_eq!(at(&share(), Side::Buy, "1000", "1000"), "1005", "0.5 % above 500");
    assert_eq!(at(&option("25000"), Side::Sell, "8", "8.05"), "7.6", "5 % of an option below 10");
    assert_eq!(at(&option("25000"), Side::Sell, "0.05", "0.10"), "0.05", "never below one tick");
}

#[test]
fn bands_and_price_protection_hold_it() {
    let banded = Instrument { band: Some((price("100.02"), price("102.03"))), ..share() };
    let touch = quote("101.40", "101.50", "101.45");
    assert_eq!(sent(&banded, Side::Buy, Some(touch), Care::Entry).unwrap(), "102");
    assert_eq!(
        sent(&Instrument { band: Some((price("101.01"), price("110"))), ..share() }, Side::Sell, Some(touch), Care::Entry).unwrap(),
        "101.05"
    );
    // 40 % or 20 rupees around the last price and the other side: an entry does not go to a touch beyond both.
    let wild = quote("10", "40", "12");
    assert!(sent(&option("25000"), Side::Buy, Some(wild), Care::Entry).unwrap_err().contains("outside the prices"));
    assert_eq!(sent(&option("25000"), Side::Buy, Some(wild), Care::Exit).unwrap(), "41.2", "an exit reaches the touch");
    assert_eq!(sent(&option("25000"), Side::Buy, Some(quote("", "40", "12")), Care::Exit).unwrap(), "32", "half a book proves less");
}

#[test]
fn a_last_trade_far_from_a_two_sided_book_does_not_hold_the_limit() {
    for care in [Care::Entry, Care::Exit] {
        let fallen = quote("30", "31", "100");
        assert_eq!(sent(&option("25000"), Side::Sell, Some(fallen), care).unwrap(), "29.1", "3 % of 30, not 40 % below 100");
        let risen = quote("100", "101", "30");
        assert_eq!(sent(&option("25000"), Side::Buy, Some(risen), care).unwrap(), "103.05");
    }
    let wide = quote("10", "40", "39");
    assert_eq!(sent(&option("25000"), Side::Buy, Some(wide), Care::Entry).unwrap(), "41.2", "the last trade was near the touch");
}

/// At the upper circuit a limit above it is refused by the exchange, and the short stays open.
#[test]
fn the_band_of_the_quote_holds_it_and_counts_before_that_of_the_master() {
    let banded = |quote: Quote| Quote { band: Some((price("80"), price("100"))), ..quote };
    let touch = quote("98.95", "99", "99");
    assert_eq!(sent(&share(), Side::Buy, Some(touch), Care::Exit).unwrap(), "101", "nobody told of a band");
    assert_eq!(sent(&share(), Side::Buy, Some(banded(touch)), Care::Exit).unwrap(), "100");
    let locked = banded(quote("100", "", "100"));
    assert_eq!(sent(&share(), Side::Buy, Some(locked), Care::Exit).unwrap(), "100", "no seller at the circuit");
    for of_master in [("90", "99.5"), ("70", "120")] {
        let instrument = Instrument { band: Some((price(of_master.0), price(of_master.1))), ..share() };
        assert_eq!(sent(&instrument, Side::Buy, Some(banded(touch)), Care::Exit).unwrap(), "100");
    }
}

/// Yesterday's band after a fall: an exit inside it would rest above the market for ever.
#[test]
fn a_band_that_the_market_is_outside_of_refuses_entries_and_holds_no_exit() {
    let banded = Instrument { band: Some((price("110"), price("120"))), ..share() };
    let touch = quote("101.40", "101.50", "101.45");
    for side in [Side::Buy, Side::Sell] {
        let refusal = sent(&banded, side, Some(touch), Care::Entry).unwrap_err();
        assert!(refusal.contains("outside the band 110 to 120"), "{refusal}");
    }
    let exit = |side, quote: Quote| {
        let order = Terms { side, ..terms(OrderType::Market) };
        let protected = protect(&order, &banded, Some(&quote), Care::Exit, &buffers()).unwrap();
        (protected.terms.price.unwrap().to_string(), protected.note.unwrap_or_default())
    };
    let (limit, note) = exit(Side::Sell, touch);
    assert!(limit == "100.35" && note.contains("101.4, outside the band 110 to 120") && note.contains("at 100.35"), "{limit}: {note}");
    assert_eq!(exit(Side::Buy, quote("129", "130", "129.5")).0, "131.3", "above it as well");
    assert_eq!(exit(Side::Sell, quote("", "", "101.45")).0, "100.4", "without a touch the last price disproves it");
    assert_eq!(exit(Side::Sell, quote("110.10", "110.20", "110.15")), ("110".to_owned(), String::new()), "a band that may be true holds");
}

/// Yesterday's band after a fall: an exit inside it would rest above the market for ever.
#[test]
fn an_entry_needs_a_two_sided_quote_and_an_exit_the_last_price() {
    for one in [quote("", "101.50", "101.45"), quote("101.40", "", "101.45"), quote("", "", "101.45"), quote("102", "101", "101.45")] {
        assert!(sent(&share(), Side::Buy, Some(one), Care::Entry).unwrap_err().contains("two-sided"), "{one:?}");
        assert!(sent(&share(), Side::Buy, Some(one), Care::Exit).is_ok(), "{one:?}");
    }
    for care in [Care::Entry, Care::Exit] {
        assert!(sent(&share(), Side::Buy, None, care).unwrap_err().contains("no fresh quote"));
    }
    // An option whose quote is the underlying's price and an empty book.
    assert!(sent(&option("25000"), Side::Buy, Some(quote("", "", "25100")), Care::Exit).unwrap_err().contains("underlying"));
}

#[test]
fn a_stop_is_priced_off_its_trigger_and_limits_stay() {
    let stop = Terms { side: Side::Sell, trigger_price: Some(price("90")), ..terms(OrderType::StopMarket) };
    let protected = protect(&stop, &share(), None, Care::Entry, &buffers()).unwrap().terms;
    assert_eq!((protected.order_type, protected.price.unwrap()), (OrderType::StopLimit, price("88.2")));
    assert_eq!(protected.trigger_price, stop.trigger_price);
    for kind in [OrderType::Limit, OrderType::StopLimit] {
        assert_eq!(protect(&terms(kind), &share(), None, Care::Entry, &buffers()).unwrap().terms, terms(kind));
    }
}

/// Its limit would be on the passive side of its trigger.
#[test]
fn a_stop_whose_trigger_is_outside_the_band_is_refused_here() {
    let banded = Instrument { band: Some((price("765"), price("935"))), ..share() };
    let stop = |side, trigger: &str| {
        let stop = Terms { side, trigger_price: Some(price(trigger)), ..terms(OrderType::StopMarket) };
        let protected = protect(&stop, &banded, None, Care::Exit, &buffers());
        protected.map(|protected| protected.terms.price.unwrap().to_string()).map_err(|refusal| refusal.reason)
    };
    let refusal = stop(Side::Sell, "760").unwrap_err();
    assert!(refusal.contains("trigger 760 is outside today's band 765 to 935"), "{refusal}");
    assert!(stop(Side::Buy, "940").unwrap_err().contains("trigger 940 is outside"));
    assert_eq!(
        (stop(Side::Sell, "766"), stop(Side::Sell, "765")),
        (Ok("765".to_owned()), Ok("765".to_owned())),
        "at the band it may stand"
    );
    assert_eq!(stop(Side::Buy, "934"), Ok("935".to_owned()));
}

#[test]
fn slabs_and_widths_are_read_strictly() {
    for bad in ["", "100: 2", "above: 0", "above: 50", "500: 1, 100: 2, above: 1", "above: 1, 100: 2", "x: 1, above: 1"] {
        assert!(Slabs::parse(bad).is_none(), "{bad:?}");
    }
    for bad in ["", "40", "min 20", "100 min 20", "40 min 0"] {
        assert!(Protection::parse(bad).is_none(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn prop_a_protected_limit_is_on_the_tick_and_reaches_the_touch(ask in 20_i64..2_000_000, spread in 0_i64..100, is_buy in any::<bool>()) {
        prop_assume!(spread < ask);
        let at = |paise: i64| Price::new(rust_decimal::Decimal::new(paise * 5, 2)).unwrap();
        let touch = Quote { bid: Some(at(ask - spread)), ask: Some(at(ask)), last: at(ask), band: None, at: DateTime::UNIX_EPOCH, seen_at: DateTime::UNIX_EPOCH };
        let side = if is_buy { Side::Buy } else { Side::Sell };
        let order = Terms { side, ..terms(OrderType::Market) };
        let limit = protect(&order, &share(), Some(&touch), Care::Entry, &buffers()).unwrap().terms.price.unwrap();
        prop_assert!(limit.is_on_tick(share().tick));
        let reaches = if is_buy { limit >= at(ask) } else { limit <= at(ask - spread) };
        prop_assert!(reaches, "{limit}");
    }
}
