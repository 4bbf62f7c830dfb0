//! What goes out beside the alerts: the bot that answers, the day's result, the sign of life, and that the engine has begun.

use std::sync::Arc;

use actix_web::web::Data;
use ordergate_actors::Engine;
use ordergate_actors::persistence::{Level, Note};

use super::tasks::Tasks;
use crate::alerts::{ENGINE_RESTARTED, ENGINE_STARTED, known_secrets};
use crate::config::Config;
use crate::secrets::Secrets;
use crate::web::WebState;
use crate::web::phone::{Phone, listen, settle_without};
use crate::web::pulse::keep_beating;
use crate::web::summaries::keep_summaries;

/// Starts what the settings ask for.
pub(super) fn start(config: &Config, secrets: &Secrets, state: &Data<WebState>, tasks: &mut Tasks) {
    let alerts = &config.alerts;
    if alerts.summaries && !alerts.channels.is_empty() {
        let state = state.clone();
        tasks.keep("the results of the day", move || keep_summaries(state.clone()));
    }
    if let Some(commands) = &alerts.commands {
        let phone = Phone {
            token: commands.token.clone(),
            base: alerts.telegram_url.clone(),
            chats: commands.chats.clone(),
            actions: commands.actions.clone(),
            secrets: known_secrets(config, secrets),
        };
        let state = state.clone();
        tasks.keep("the bot", move || listen(state.clone(), phone.clone()));
    } else {
        let state = state.clone();
        tasks.keep("what the bot had left", move || settle_without(state.clone()));
    }
    if let Some(heartbeat) = &alerts.heartbeat {
        let (state, heartbeat) = (state.clone(), heartbeat.clone());
        tasks.keep("the heartbeat", move || keep_beating(state.clone(), heartbeat.clone()));
    }
}

/// Writes down that the engine has begun; the alerts take it from the journal.
pub(super) fn note_start(engine: &Engine, was_clean: bool) {
    let version = env!("CARGO_PKG_VERSION");
    let (event, text) = if was_clean {
        (ENGINE_STARTED, format!("ordergate {version} has started"))
    } else {
        let text =
            format!("ordergate {version} has started again; the process before it did not end in order, and recovery settles what it left");
        (ENGINE_RESTARTED, text)
    };
    tracing::info!(event = "started", was_clean, "{text}");
    engine.note(Note {
        client_id: None,
        event,
        level: Level::Info,
        text,
        command_id: None,
        who: Arc::from("ordergate"),
        inputs: "{}".to_owned(),
    });
}
