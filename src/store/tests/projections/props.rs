//! Whatever comes, in whatever order: the tables are what the journal makes.

use super::*;

fn any_unit() -> impl proptest::strategy::Strategy<Value = Step> {
    let state = prop_oneof![
        Just(BookState::Open),
        Just(BookState::Complete),
        Just(BookState::Rejected),
        Just(BookState::Cancelled),
        Just(BookState::Expired)
    ];
    let heard = prop_oneof![Just(Heard::Taken), Just(Heard::Unclear), Just(Heard::Refused)];
    let fact = prop_oneof![
        any::<bool>().prop_map(Fact::Sends),
        Just(Fact::Of(OrderFact::NotSent { tag: Tag::NotSent, reason: "no".into() })),
        Just(Fact::Accepted),
        Just(Fact::Of(OrderFact::Rejected { tag: Tag::RateLimited, reason: "no".into() })),
        Just(Fact::Of(OrderFact::Unconfirmed { cause: "?".into() })),
        Just(Fact::Of(OrderFact::Absent { evidence: "none".into() })),
        Just(Fact::Of(OrderFact::CancelWanted { tag: Tag::CancelledByUser, reason: "asha".into() })),
        Just(Fact::Of(OrderFact::Suspect { cause: "fault".into() })),
        (state, 0i64..=10).prop_map(|(state, filled)| Fact::Shows(state, filled)),
        (0u32..6, 1i64..=10, 1i64..200_000, any::<bool>()).prop_map(|(trade, quantity, price, is_of_today)| Fact::Trade(
            trade,
            quantity,
            price,
            is_of_today
        )),
        Just(Fact::Of(OrderFact::CallIntended { call: ChangeCall::Cancel, request: "cancel".into(), terms: None })),
        (100_000i64..100_004).prop_map(Fact::Asks),
        (100_000i64..100_004, heard).prop_map(|(paise, heard)| Fact::Hears(paise, heard)),
        (100_000i64..100_008, any::<bool>()).prop_map(|(paise, by_hand)| Fact::ShowsElse(paise, by_hand)),
    ];
    prop_oneof![
        8 => (1u64..=4, fact).prop_map(|(number, fact)| Step::Fact(number, fact)),
        1 => (1u64..=4, any::<bool>()).prop_map(|(number, is_exit)| Step::Signal(number, is_exit)),
        1 => (1i64..=5, proptest::option::of(100_000i64..200_000)).prop_map(|(units, paise)| Step::Reduce(units, paise)),
        1 => (any::<bool>(), 1i64..=5, 1i64..200_000).prop_map(|(buys, units, paise)| Step::Adopt(buys, units, paise)),
        1 => (0i64..200_000).prop_map(Step::Tell),
        1 => Just(Step::NextDay),
        1 => (1u64..=3).prop_map(Step::Alarm),
        1 => (1u64..=60).prop_map(Step::Acknowledge),
        1 => Just(Step::Restart),
    ]
}

#[derive(Debug, Clone)]
enum Fact {
    Sends(bool),
    Accepted,
    Shows(BookState, i64),
    Trade(u32, i64, i64, bool),
    /// A change to that limit, in paise, is asked of the broker.
    Asks(i64),
    Hears(i64, Heard),
    /// The broker's book shows that limit at rest, by a hand or by us.
    ShowsElse(i64, bool),
    Of(OrderFact),
}

#[derive(Debug, Clone)]
enum Step {
    Signal(u64, bool),
    Fact(u64, Fact),
    Reduce(i64, Option<i64>),
    Adopt(bool, i64, i64),
    /// The price of what left last today.
    Tell(i64),
    NextDay,
    Alarm(u64),
    Acknowledge(u64),
    Restart,
}

fn priced(paise: i64) -> Terms {
    Terms { price: Price::parse(&rupees(paise)).ok(), ..terms(Side::Buy, 10) }
}

fn rupees(paise: i64) -> String {
    rust_decimal::Decimal::new(paise, 2).to_string()
}

fn unit(desk: &Desk, step: Step) -> Option<Unit> {
    Some(match step {
        Step::Signal(number, is_exit) => {
            desk.signal(&[number], |ask| ask.intent = Some(if is_exit { Intent::Exit } else { Intent::Entry }))
        }
        Step::Fact(number, Fact::Sends(buys)) => sends(number, if buys { Side::Buy } else { Side::Sell }, 10),
        Step::Fact(number, Fact::Accepted) => fact(number, accepted(&format!("B{number}"))),
        Step::Fact(number, Fact::Shows(state, filled)) => fact(number, shows(&format!("B{number}"), state, filled)),
        Step::Fact(number, Fact::Trade(id, quantity, paise, is_of_today)) => {
            let traded = trade(&format!("T{id}"), &format!("B{number}"), quantity, &rupees(paise));
            let at = if is_of_today { desk.at() } else { now() };
            fact(number, OrderFact::Fill(Fill { at, ..traded }))
        }
        Step::Fact(number, Fact::Asks(paise)) => {
            fact(number, OrderFact::CallIntended { call: ChangeCall::Modify, request: "change".into(), terms: Some(priced(paise)) })
        }
        Step::Fact(number, Fact::Hears(paise, heard)) => {
            let change = Some(Answered { terms: priced(paise), heard });
            fact(number, OrderFact::CallReplied { call: ChangeCall::Modify, answer: CallAnswer::read("heard"), change })
        }
        Step::Fact(number, Fact::ShowsElse(paise, by_hand)) => {
            let order = desk.view.read(&client(), |book| book.order(command(number)).cloned()).flatten()?;
            let was = Pricing::from(&*order);
            let now = Pricing { price: Price::parse(&rupees(paise)).ok(), ..was };
            fact(number, OrderFact::TermsShown { was, now, basis: order.seq, by_hand })
        }
        Step::Fact(number, Fact::Of(of)) => fact(number, of),
        Step::Reduce(units, paise) => Unit::Reduce {
            client_id: client(),
            strategy: Strategy::parse("trend").unwrap(),
            key: held(),
            units,
            price: paise.and_then(|paise| Price::parse(&rupees(paise)).ok()),
            earlier: None,
            reason: Arc::from("sold by hand"),
        },
        Step::Adopt(buys, units, paise) => adopts(desk, if buys { Side::Buy } else { Side::Sell }, units, &rupees(paise)),
        Step::Tell(paise) => tells(left_last(desk, Some(trading_date(desk.at())))?, &rupees(paise)),
        Step::Alarm(number) => page(Some(number), "look"),
        Step::Acknowledge(alarm) => {
            Unit::Acknowledge { client_id: Some(client()), alarm, who: Arc::from("asha"), reason: Arc::from("seen") }
        }
        Step::Restart => return None,
        Step::NextDay => {
            desk.sleep_a_day();
            return None;
        }
    })
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    /// Whatever comes, in whatever order and however it is grouped into commits: the tables are what the journal makes.
    #[test]
    fn prop_the_tables_are_a_replay_of_the_journal(rounds in proptest::collection::vec(proptest::collection::vec(any_unit(), 1..6), 1..16)) {
        let mut desk = Desk::new();
        let first: Vec<Unit> = (1..=2).map(|number| desk.signal(&[number], |_| ())).collect();
        desk.round(first);
        let mut days = BTreeMap::new();
        for round in rounds {
            let is_restart = round.iter().any(|step| matches!(step, Step::Restart));
            // What is told on the next day changes the day that is kept here.
            let is_over_midnight = round.iter().any(|step| matches!(step, Step::NextDay));
            let is_of_the_day = |step: &Step| !(is_over_midnight && matches!(step, Step::Tell(_)));
            let units: Vec<Unit> = round.into_iter().filter(is_of_the_day).filter_map(|step| unit(&desk, step)).collect();
            desk.round(units);
            if is_restart {
                desk = desk.restarted();
            }
            let (day, date) = (desk.day(), trading_date(desk.at()));
            prop_assert_eq!(&day, &replayed(&desk.store(), date), "the day is not what the journal makes");
            let held: Vec<_> = desk.view.read(&client(), |book| book.holdings().map(|(_, _, held)| (held.net, held.cost)).collect()).unwrap();
            let lines: Vec<_> = day.lines().filter(|(.., line)| line.held.net != 0).map(|(.., line)| (line.held.net, line.held.cost)).collect();
            prop_assert_eq!(lines, held, "the day holds what the strategies hold");
            days.insert(date, day);
        }
        // Each day as it ended, with every trade of it: also one that was told on a later day.
        let read = ReadStore::simulated(&desk.disk).unwrap();
        for (date, day) in days {
            let found = Day::load(date, [], &read.changes_of(&client(), date).unwrap());
            let traded = |day: &Day| day.lines().map(|(.., line)| line.bought.with(line.sold).quantity).sum::<i64>();
            let all: i64 = read.trades_of(&client(), date).unwrap().iter().map(|trade| trade.fill.quantity.value()).sum();
            prop_assert_eq!(traded(&found), all, "{}", date);
            if traded(&day) != all {
                continue;
            }
            prop_assert_eq!(found.curve(), day.curve(), "{}", date);
            for (strategy, key, line) in found.lines() {
                prop_assert_eq!(Some(line), day.line(strategy, key), "{}", date);
            }
        }
        let (before, desk) = (desk.day(), desk.restarted());
        prop_assert_eq!(before, desk.day(), "a restart has the same day");
        let store = desk.store();
        assert_eq!(differences(&store, VerifyFrom::Full), []);
        assert_eq!(differences(&store, VerifyFrom::LastAnchor), []);
    }
}
