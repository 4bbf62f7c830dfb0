//! `GET /dashboard/config`: every setting in force and where it was said; secrets as `[set]`. They are changed in their file or in the
//! environment, and with a restart.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::Answer;
use crate::web::state::WebState;

/// Every setting in force, and whether the file, the environment or the default said it.
pub(in crate::web) async fn settings(state: Data<WebState>) -> Answer {
    let rows: Vec<Value> = state
        .effective
        .iter()
        .map(|setting| json!({ "key": setting.key, "value": setting.value, "said_by": setting.layer.to_string() }))
        .collect();
    Ok(HttpResponse::Ok()
        .json(json!({ "settings": rows, "started_at": state.started_at, "version": env!("CARGO_PKG_VERSION"), "as_of": state.now() })))
}
