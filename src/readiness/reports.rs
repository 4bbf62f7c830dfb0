//! What connections reported lately: pages ask every few seconds, and each report is two calls out of the broker's budget.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ordergate_actors::order::ClientId;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::gather::ask;
use crate::brokers::connection::{Connection, ConnectionReport};

/// So long one report does for every page that asks.
const LATELY: Duration = Duration::from_secs(30);

type Kept = Arc<tokio::sync::Mutex<Option<(Instant, ConnectionReport)>>>;

/// How new a report must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// Asked for now: something is decided by it.
    Now,
    /// Some seconds old will do: it is shown.
    Lately,
}

/// The last report of each connection that said that it is logged in.
#[derive(Debug, Default)]
pub struct Reports(Mutex<BTreeMap<ClientId, Kept>>);

impl Reports {
    /// The report of a connection. Several who ask at once share one; one that is not logged in is asked each time, so that a
    /// login shows at once. `is_ready`: the engine's own reads work; while they do not, nothing that is kept counts.
    pub(crate) async fn of(&self, client_id: &ClientId, connection: &dyn Connection, fresh: Fresh, is_ready: bool) -> ConnectionReport {
        let kept = Arc::clone(self.0.lock().entry(client_id.clone()).or_default());
        let mut kept = kept.lock().await;
        let young = kept.as_ref().filter(|(at, _)| fresh == Fresh::Lately && is_ready && at.elapsed() < LATELY);
        if let Some((_, report)) = young {
            return report.clone();
        }
        let report = ask(connection).await;
        *kept = report.session.is_ok().then(|| (Instant::now(), report.clone()));
        report
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ordergate_actors::ports::Call;

    use super::*;
    use crate::brokers::connection::LoginError;

    /// Counts the reports that it was asked for.
    #[derive(Debug, Default)]
    struct Counting {
        reports: AtomicUsize,
        is_out: bool,
    }

    impl Connection for Counting {
        fn report(&self) -> Call<ConnectionReport> {
            self.reports.fetch_add(1, Ordering::SeqCst);
            let session = if self.is_out { Err("logged out".to_owned()) } else { Ok("logged in".to_owned()) };
            let report = ConnectionReport { session, ..ConnectionReport::lost("not told".to_owned()) };
            Box::pin(async move {
                tokio::task::yield_now().await;
                report
            })
        }
        fn login(&self) -> Call<Result<String, LoginError>> {
            Box::pin(async { Err(LoginError::Later("no".to_owned())) })
        }
        fn take_code(&self, _: String) -> Call<Result<String, LoginError>> {
            Box::pin(async { Err(LoginError::Later("no".to_owned())) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pages_that_ask_again_and_again_cost_two_calls_a_half_minute() {
        let (reports, connection, client) = (Reports::default(), Counting::default(), ClientId::parse("A").unwrap());
        let asked = || connection.reports.load(Ordering::SeqCst);
        let look = |fresh, is_ready| reports.of(&client, &connection, fresh, is_ready);
        let _together = tokio::join!(look(Fresh::Lately, true), look(Fresh::Lately, true), look(Fresh::Lately, true));
        assert_eq!(asked(), 1, "three who ask at once");
        tokio::time::advance(LATELY - Duration::from_secs(1)).await;
        look(Fresh::Lately, true).await;
        assert_eq!(asked(), 1);
        look(Fresh::Now, true).await;
        assert_eq!(asked(), 2, "what is decided by it is asked now");
        look(Fresh::Lately, false).await;
        assert_eq!(asked(), 3, "the engine's own reads say otherwise");
        tokio::time::advance(LATELY).await;
        look(Fresh::Lately, true).await;
        assert_eq!(asked(), 4, "it is old");
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_shows_at_once() {
        let (reports, client) = (Reports::default(), ClientId::parse("A").unwrap());
        let out = Counting { is_out: true, ..Counting::default() };
        assert!(reports.of(&client, &out, Fresh::Lately, true).await.session.is_err());
        assert!(reports.of(&client, &Counting::default(), Fresh::Lately, true).await.session.is_ok());
    }
}
