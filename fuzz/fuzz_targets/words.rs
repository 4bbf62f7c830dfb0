//! The small texts that are read by hand: numbers, distances, times, names, tags, addresses. What is taken reads back as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ordergate::access::{Ranges, Sent, client_address, is_same_origin};
use ordergate::alerts::Quiet;
use ordergate::brokers::noren::wire::{redact, reject::RejectClass, scalar, status, time};
use ordergate_actors::order::{
    BrokerOrderId, BrokerTag, ClientId, CommandId, ExitAt, ExitTimes, IdempotencyKey, OrderType, Price, Product, Quantity, Routed,
    Strategy, Tag, clean,
};
use ordergate_actors::persistence::{cut_tag, read_tag};
use ordergate_actors::routes::Size;

fuzz_target!(|text: &str| {
    if let Ok(price) = Price::parse(text) {
        assert_eq!(Price::parse(&price.to_string()), Ok(price));
    }
    if let Ok(quantity) = Quantity::parse(text) {
        assert_eq!(Quantity::new(quantity.value()), Some(quantity));
    }
    if let Ok(at) = text.parse::<ExitAt>() {
        assert_eq!(at.to_string().parse(), Ok(at));
    }
    if let Ok(times) = text.parse::<ExitTimes>() {
        assert_eq!(times.to_string().parse(), Ok(times));
    }
    if let Some(quiet) = Quiet::parse(text) {
        assert_eq!(Quiet::parse(&quiet.to_string()), Some(quiet));
    }
    if let Some(at) = time::parse(text) {
        assert!(at.timestamp() > 0);
    }
    let exact = scalar::decimal("price", text);
    if let (Ok(whole), Ok(exact)) = (scalar::integer("qty", text), &exact) {
        assert_eq!(rust_decimal::Decimal::from(whole), *exact);
    }
    if let Some((prefix, number)) = read_tag(text) {
        assert!(prefix.len() == 4 && cut_tag(&text[..text.len() - 1]).is_some_and(|(_, numbers)| numbers.contains(&number)));
    }
    let _ = (ClientId::parse(text), Strategy::parse(text), IdempotencyKey::parse(text), BrokerOrderId::parse(text), BrokerTag::parse(text));
    let _ = (text.parse::<CommandId>(), OrderType::parse(text), Product::parse(text), Tag::parse(text), Routed::read(text));
    if let Ok(size) = text.parse::<Size>() {
        assert_eq!(size.to_string().parse(), Ok(size));
    }
    let _ = (status::read(text, Some(text), Some(text)), RejectClass::of(text));
    for shown in [clean(text, 40), redact::line(text), redact::snippet(text, 40)] {
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
    let trusted = Ranges::parse(text).unwrap_or_default();
    let _ = (client_address("127.0.0.1".parse().ok(), [text].into_iter(), &trusted), trusted.let_in("203.0.113.7".parse().ok()));
    let _ = is_same_origin(Sent { origin: Some(text), fetch_site: None, host: Some("127.0.0.1:8080") }, ["https://trade.example.com"].into_iter());
});
