//! `ordergate alerts test`: one alert to every channel; whether it arrived is written down for the arming.

use ordergate_actors::ports::Clock;

use super::print::Page;
use super::{Config, EXIT_ATTENTION, EXIT_OK};
use crate::alerts::Channels;
use crate::clock::SystemClock;
use crate::secrets::Secrets;

pub(super) fn test(config: &Config) -> anyhow::Result<i32> {
    let secrets = Secrets::load_or_draw(config)?;
    let Some(channels) = Channels::from(config, &secrets)? else {
        Page::new().line("no channel is set: see [alerts] in the settings").show()?;
        return Ok(EXIT_ATTENTION);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let test = crate::alerts::test(&channels, &config.storage.directory, "the command line", SystemClock.now());
    let (record, _) = runtime.block_on(test);
    Page::new().line(record.text.replace("; ", "\n")).show()?;
    Ok(if record.passed { EXIT_OK } else { EXIT_ATTENTION })
}
