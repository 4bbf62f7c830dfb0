//! No secret is anywhere but where it must be: seeded ones are looked for in everything that the engine leaves behind.

use std::path::Path;
use std::sync::Arc;

use base64_of::base64;
use ordergate::brokers::connection::Connection as _;
use ordergate::simulator::noren_server::{Fault, FaultRule, Symptom};
use ordergate_actors::order::{LegDraft, Status};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::checks::{Excuse, at_rest};
use crate::house::{House, Plan, entry, exit, resting_entry};
use crate::menu::{answers, calls, Meets};

const PASSWORD: &str = "hunter2-of-the-password";
const SEED: &str = "KRSXG5CTMVRXEZLUKRSXG5CT";
const API_KEY: &str = "hunter2-of-the-api-key";
const CLIENT_SECRET: &str = "hunter2-of-the-client";

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A house whose secrets are found nowhere else in the world.
fn seeded() -> Plan {
    Plan {
        sim: Box::new(|sim| {
            sim.user.password = PASSWORD.to_owned();
            sim.user.totp_seed = SEED.to_owned();
            sim.user.api_key = API_KEY.to_owned();
            sim.user.client_secret = CLIENT_SECRET.to_owned();
        }),
        noren: Arc::new(|noren| {
            let secret = |text: &str| Some(SecretString::from(text));
            noren.credentials.password = secret(PASSWORD);
            noren.credentials.totp_secret = secret(SEED);
            noren.credentials.api_key = secret(API_KEY);
            noren.credentials.client_secret = secret(CLIENT_SECRET);
        }),
        ..Plan::default()
    }
}

/// Every file below, with what is in it.
fn files(directory: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for found in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if found.file_type().unwrap().is_dir() {
            files(&found.path(), into);
        } else {
            into.push((found.path().display().to_string(), std::fs::read(found.path()).unwrap()));
        }
    }
}
