//! The real binary, killed with SIGKILL in the middle of a burst, and started again.

use std::collections::BTreeMap;

use ordergate_actors::order::trading_date;

use crate::support::process::{LONG, Process, alert, command, nothing_lost_nothing_doubled, send, succeeds, words};

const ALERTS: usize = 200;

fn start(directory: &std::path::Path) -> Process {
    let mut command = command(directory);
    command.env("ORDERGATE__ACCOUNT__LIMITS__MAX_OPEN_ORDERS", "1000");
    Process::serve(command)
}

/// Sends every alert at once; answers which were answered with which order, and kills the engine after `kill_after`.
async fn burst(engine: Process, kill_after: usize) -> BTreeMap<usize, String> {
    let http = reqwest::Client::builder().pool_max_idle_per_host(ALERTS).build().unwrap();
    let (tell, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let url = engine.url("/webhook");
    let tasks: Vec<_> = (0..ALERTS)
        .map(|number| {
            let (http, url, tell) = (http.clone(), url.clone(), tell.clone());
            tokio::spawn(async move {
                let order = send(&http, url, number).await?;
                let _nobody_counts_on = tell.send(());
                Some((number, order))
            })
        })
        .collect();
    drop(tell);
    for so_far in 0..kill_after {
        let answer = tokio::time::timeout(LONG, answers.recv()).await;
        assert_eq!(answer, Ok(Some(())), "only {so_far} alerts are answered");
    }
    drop(engine);
    let mut orders = BTreeMap::new();
    for task in tasks {
        orders.extend(task.await.unwrap());
    }
    orders
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_200_alerts_nothing_is_lost_and_nothing_doubled() {
    for kill_after in [1, 40, 120] {
        let directory = tempfile::tempdir().unwrap();
        let answered = burst(start(directory.path()), kill_after).await;
        assert!(answered.len() >= kill_after);

        let engine = start(directory.path());
        // Who got no answer sends again, under the same key.
        let http = reqwest::Client::new();
        for number in (0..ALERTS).filter(|number| !answered.contains_key(number)) {
            let answer = http.post(engine.url("/webhook")).json(&alert(number)).send().await.unwrap();
            assert_eq!(answer.status(), 202);
        }
        let book = engine.at_rest().await;
        nothing_lost_nothing_doubled(directory.path(), &book, &answered, ALERTS);
        // What was decided in both processes is decided the same way again.
        let as_of: chrono::DateTime<chrono::Utc> = book["as_of"].as_str().unwrap().parse().unwrap();
        let words = succeeds(command(directory.path()), &["replay", "--day", &trading_date(as_of).to_string()]);
        assert!(words.contains("every one is the same byte for byte") || words.contains("no decision was taken that day"), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_engine_on_the_same_directory_refuses_and_names_the_holder() {
    let directory = tempfile::tempdir().unwrap();
    let first = start(directory.path());
    let second = command(directory.path()).arg("serve").env("ORDERGATE__SERVER__LISTEN", "127.0.0.1:0").output().unwrap();
    assert_eq!(second.status.code(), Some(78));
    let words = words(&second);
    assert!(words.contains(&first.id().to_string()), "does not name the holder: {words}");
    drop(first);
    // The lock dies with its holder.
    drop(start(directory.path()));
}
