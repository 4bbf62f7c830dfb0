//! Of any leg that anybody can send: no text panics, and what passes is whole.

use super::*;

fn any_text() -> impl proptest::strategy::Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        any::<String>().prop_map(Some),
        "[ -~]{0,20}".prop_map(Some),
        "[+-]?[0-9]{0,9}(\\.[0-9]{0,5})?".prop_map(Some),
        proptest::sample::select(vec![
            "ENTRY",
            "EXIT",
            "ADJUST",
            "NSE",
            "NFO",
            "SBIN-EQ",
            "BUY",
            "SELL",
            "MIS",
            "NRML",
            "CNC",
            "MARKET",
            "LIMIT",
            "SL",
            "SLM",
            "IOC",
            "POINTS",
            "PERCENT",
            "SUCCESS",
            "{{close}}",
            "NaN",
            "0",
            "75",
            "790",
            "800",
            "820",
        ])
        .prop_map(some),
    ]
}

/// The right word two times out of three, so that whole legs come up as well.
fn mostly(words: &'static [&'static str]) -> impl proptest::strategy::Strategy<Value = Option<String>> {
    prop_oneof![6 => proptest::sample::select(words).prop_map(some), 1 => any_text()]
}

fn any_leg() -> impl proptest::strategy::Strategy<Value = LegDraft> {
    let words = (
        mostly(&["trend", ""]),
        mostly(&["ENTRY", "EXIT", "ADJUST"]),
        mostly(&["NSE"]),
        mostly(&["SBIN-EQ"]),
        mostly(&["BUY", "SELL"]),
        mostly(&["10", "75"]),
        mostly(&["MIS", "CNC"]),
        mostly(&["MARKET", "LIMIT", "SL", "SLM"]),
    );
    let maybe = || prop_oneof![4 => Just(None), 1 => any_text()];
    let numbers = (
        mostly(&["800", "0", "790"]),
        mostly(&["800", "0", ""]),
        maybe(),
        maybe(),
        maybe(),
        maybe(),
        maybe(),
        proptest::collection::vec("[ -~]{0,9}", 0..1),
        prop_oneof![2 => Just(None), 2 => mostly(&["75", "-10", "0", "+5"])],
        prop_oneof![4 => Just(None), 1 => mostly(&["30", "0"])],
        prop_oneof![2 => Just(None), 1 => mostly(&["DAY", "IOC"])],
    );
    (words, numbers).prop_map(|((strategy, execution_type, exchange, symbol, side, quantity, product, order_type), numbers)| {
        let (
            price,
            trigger_price,
            stop_loss,
            target,
            trailing_type,
            trailing_value,
            test_mode,
            unreadable,
            target_position,
            cancel_after_s,
            validity,
        ) = numbers;
        LegDraft {
            strategy,
            execution_type,
            exchange,
            symbol,
            side,
            quantity,
            product,
            order_type,
            validity,
            price,
            trigger_price,
            stop_loss,
            target,
            trailing_type,
            trailing_value,
            test_mode,
            target_position,
            cancel_after_s,
            policy: None,
            parent: None,
            route: None,
            blocked: None,
            unreadable,
            ..LegDraft::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Nothing that anybody can send panics, what is said of it is fit for a log line, and what passes is whole.
    #[test]
    fn prop_a_reading_without_violations_has_every_field_that_its_type_needs(leg in any_leg(), is_known in any::<bool>()) {
        let instrument = share();
        let found = named_instrument(&leg).filter(|key| is_known && *key == instrument.key).map(|_| &instrument);
        let Reading { ask, violations } = read(&leg, found, &BOUNDS);
        for wrong in &violations {
            prop_assert!(!wrong.to_string().contains(char::is_control), "{wrong}");
        }
        if violations.is_empty() {
            let is_exit = ask.is_exit();
            let is_target = ask.intent == Some(Intent::Target);
            let is_the_share = ask.exchange == Some(Exchange::Nse) && *ask.symbol == *instrument.key.symbol;
            // An exit may name what no master has, but it names something.
            let names_something = ask.exchange.is_some() && !ask.symbol.is_empty();
            let is_named = if found.is_some() { is_the_share } else { is_exit && names_something };
            prop_assert!(is_named, "{ask:?}");
            prop_assert!(ask.intent.is_some());
            let is_sized = if is_target { ask.target_position.is_some() } else { ask.side.is_some() && ask.quantity.is_some() };
            prop_assert!(is_exit || (is_sized && ask.product.is_some()));
            prop_assert!(!is_target || (ask.target_position.is_some() && ask.side.is_none() && ask.quantity.is_none()));
            prop_assert!(is_target || ask.target_position.is_none());
            let kind = ask.order_type;
            prop_assert!(kind.is_some());
            prop_assert_eq!(ask.price.is_some(), kind.is_some_and(OrderType::has_price));
            prop_assert_eq!(ask.trigger_price.is_some(), kind.is_some_and(OrderType::has_trigger));
            prop_assert!(ask.validity == Validity::Day || !kind.is_some_and(OrderType::has_trigger));
            prop_assert!(ask.target.is_none() || ask.stop_loss.is_some());
            prop_assert!(!is_exit || ask.stop_loss.is_none());
        }
    }

    #[test]
    fn prop_no_leg_of_arbitrary_text_panics(texts in proptest::collection::vec(proptest::option::of(any::<String>()), 16..17)) {
        let mut leg = LegDraft::default();
        for ((_, field), text) in FIELDS.iter().zip(texts) {
            *field(&mut leg) = text;
        }
        let _ = named_instrument(&leg);
        let known = Instrument { key: InstrumentKey { exchange: Exchange::Nse, symbol: Arc::from("SBIN-EQ") }, ..future() };
        prop_assert!(!read(&leg, Some(&known), &BOUNDS).violations.is_empty());
    }
}
