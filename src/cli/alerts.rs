//! `ordergate alerts test`: one alert to every channel; whether it arrived is written down for the arming.

use ordergate_actors::persistence::Level;
use ordergate_actors::ports::Clock;

use super::print::Page;
use super::{Config, EXIT_ATTENTION, EXIT_OK};
use crate::alerts::{Alert, Channels};
use crate::clock::SystemClock;
use crate::files::{Mode, private_directory, write_whole};
use crate::readiness::{ALERT_TEST, Recorded};
use crate::secrets::Secrets;

pub(super) fn test(config: &Config) -> anyhow::Result<i32> {
    let secrets = Secrets::load_or_draw(config)?;
    let Some(channels) = Channels::from(config, &secrets)? else {
        Page::new().line("no channel is set: see [alerts] in the settings").show()?;
        return Ok(EXIT_ATTENTION);
    };
    let at = SystemClock.now();
    let text = "this is a test of ordergate's alerts".to_owned();
    let alert = Alert { level: Level::Info, event: "ALERT TEST".into(), text, client_id: None, command_id: None, seq: None, at };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let deliveries = runtime.block_on(channels.deliver(&alert));
    let words: Vec<String> = deliveries
        .iter()
        .map(|one| match &one.result {
            Ok(()) => format!("{}: arrived", one.channel),
            Err(error) => format!("{}: {error}", one.channel),
        })
        .collect();
    let passed = deliveries.iter().all(|one| one.result.is_ok());
    let path = config.storage.directory.join(ALERT_TEST);
    if let Some(folder) = path.parent() {
        private_directory(folder)?;
    }
    let record = Recorded { passed, at: Some(at), text: words.join("; ") };
    write_whole(&path, serde_json::to_string(&record)?.as_bytes(), Mode::Shared)?;
    Page::new().line(words.join("\n")).show()?;
    Ok(if passed { EXIT_OK } else { EXIT_ATTENTION })
}
