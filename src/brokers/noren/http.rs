//! One HTTP client per account. It sends a request at most once: no retries, no redirects, no proxy, HTTP/1.1.
//!
//! *Invariant:* `NotWritten` is said only when no connection stood, so that not one byte of the request can have left.
//! Bodies hold secrets and are shown to nobody.
//!
//! Below reqwest, hyper-util takes a request back from a kept-alive connection that was closed before the request was
//! started, and puts it on a fresh one. That is no second sending: not a byte of it was written. A wire test closes
//! kept-alive sockets at every moment and counts what arrives.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};

use super::settings::{AuthFlow, NorenSettings};
use super::wire::{Body, Delivery};

/// No reply of the protocol is larger; a book of 10,000 rows has some 10 MB.
const MAX_REPLY: usize = 128 * 1024 * 1024;

/// The client cannot be made from these settings.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The TLS roots, say, cannot be read.
    #[error("the HTTP client cannot be built: {0}")]
    Client(#[from] reqwest::Error),
    /// A content type that is no header value.
    #[error("the content type {0:?} is no header value")]
    ContentType(String),
}

/// The account's way to the broker's REST routes.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    base: String,
    token_url: String,
    content_type: HeaderValue,
    auth: AuthFlow,
}

impl Http {
    /// Builds the client.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn new(settings: &NorenSettings) -> Result<Self, HttpError> {
        super::tls::install();
        let client = Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(settings.timeouts.connect)
            .pool_idle_timeout(settings.timeouts.idle)
            .tcp_nodelay(true)
            .user_agent(concat!("ordergate/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let content_type =
            HeaderValue::from_str(&settings.content_type).map_err(|_| HttpError::ContentType(settings.content_type.clone()))?;
        Ok(Self { client, base: settings.url(""), token_url: settings.token_url.clone(), content_type, auth: settings.auth })
    }

    /// Sends the request, once, and reads the whole reply within the time.
    pub async fn post(&self, body: &Body, token: Option<&SecretString>, within: Duration) -> Delivery {
        match tokio::time::timeout(within, self.exchange(body, token)).await {
            Ok(delivery) => delivery,
            Err(_) => Delivery::Lost(format!("no answer to {} within {} ms", body.route(), within.as_millis())),
        }
    }

    async fn exchange(&self, body: &Body, token: Option<&SecretString>) -> Delivery {
        let (address, content_type) = if body.is_plain() {
            (self.token_url.clone(), HeaderValue::from_static("application/json"))
        } else {
            (format!("{}{}", self.base, body.route()), self.content_type.clone())
        };
        let url = match Url::parse(&address) {
            Ok(url) => url,
            Err(error) => return Delivery::NotWritten(format!("the address of {} cannot be used: {error}", body.route())),
        };
        let mut text = body.text().to_owned();
        let mut request = self.client.post(url).header(CONTENT_TYPE, content_type);
        if let Some(token) = token {
            match self.auth {
                AuthFlow::QuickAuth | AuthFlow::Flattrade => {
                    text.push_str("&jKey=");
                    text.push_str(token.expose_secret());
                }
                AuthFlow::OAuth => {
                    let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())) else {
                        return Delivery::NotWritten("the token cannot stand in a header; log in again".to_owned());
                    };
                    bearer.set_sensitive(true);
                    request = request.header(AUTHORIZATION, bearer);
                }
            }
        }
        match request.body(text).send().await {
            Ok(reply) => whole(reply, body.route()).await,
            Err(error) if error.is_connect() || error.is_builder() => {
                Delivery::NotWritten(format!("no connection to the broker for {}: {}", body.route(), causes(&error)))
            }
            Err(error) => Delivery::Lost(format!("no answer to {}: {}", body.route(), causes(&error))),
        }
    }
}

/// The reply's whole body, or the fact that it did not come whole.
async fn whole(mut reply: reqwest::Response, route: &str) -> Delivery {
    let status = reply.status().as_u16();
    let mut body = Vec::with_capacity(reply.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0).min(MAX_REPLY));
    loop {
        match reply.chunk().await {
            Ok(Some(chunk)) if body.len().saturating_add(chunk.len()) <= MAX_REPLY => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Delivery::Lost(format!("the answer to {route} is larger than {MAX_REPLY} bytes")),
            Ok(None) => return Delivery::Replied { status, body },
            Err(error) => return Delivery::Lost(format!("the answer to {route} broke off (HTTP {status}): {}", causes(&error))),
        }
    }
}

/// The error and what lies under it, without the address: only the innermost says what went wrong.
fn causes(error: &reqwest::Error) -> String {
    let mut words = Vec::new();
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = next {
        words.push(cause.to_string());
        next = cause.source();
    }
    words.dedup();
    if words.is_empty() { "the request failed".to_owned() } else { words.join(": ") }
}
