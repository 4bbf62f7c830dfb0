//! The words of a breach of the rate limit. Only a simulator can be asked for them without breaking a limit: its control
//! says that the next call is one too many.

use std::time::Duration;

use ordergate_actors::ports::RateWindow;

use crate::brokers::noren::wire::ObjectReply;
use crate::conformance::bench::Bench;
use crate::conformance::facts::{RateText, Tried};

pub(super) async fn texts(bench: &Bench) -> Tried<Vec<RateText>> {
    let settings = bench.probe.settings();
    if settings.is_live {
        return Err("needs a simulator: a real limit is not broken on purpose".to_owned());
    }
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
    let client = client.map_err(|error| format!("needs an HTTP client: {error}"))?;
    let mut texts = Vec::new();
    for (window, fault) in [(RateWindow::Second, "rate_second"), (RateWindow::Minute, "rate_minute")] {
        let rule = serde_json::json!({ "route": "UserDetails", "fault": fault });
        let told = client.post(format!("{}/sim/faults", settings.host)).json(&rule).send().await;
        if !told.is_ok_and(|answer| answer.status().is_success()) {
            return Err("needs the control of `ordergate simulate-broker`".to_owned());
        }
        bench.pace.turn(None).await;
        let raw = bench.probe.read(bench.probe.encoder(None).user_details()).await;
        let (text, class) = match raw.map(|raw| ObjectReply::read(raw.status, &raw.body)) {
            Ok(ObjectReply::NotOk(refusal)) => (refusal.emsg, Some(refusal.class)),
            Ok(ObjectReply::Ok(_)) => ("it was served".to_owned(), None),
            Ok(ObjectReply::Garbled(garbled)) => (garbled.to_string(), garbled.class()),
            Err(words) => (words, None),
        };
        texts.push(RateText { window, text, class });
    }
    Ok(texts)
}
