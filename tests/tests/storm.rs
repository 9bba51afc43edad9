//! Ten thousand tasks at once, each in spans of its own: none sees another's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use obs_runtime::engine::FinishedSpan;
use obs_runtime::propagation::Correlation;
use obs_runtime::testing::{capture, capture_async};
use obs_runtime::tracing::Instrument;
use obs_runtime::{CallContext, ObservabilityConfig, info, info_span, observed, spawn, spawn_blocking};
use serde_json::Value;
use tests::memory::{Memory, SOON};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

const TASKS: u64 = 10_000;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(4).enable_time().build().expect("the system gives threads")
}

#[observed(user_id)]
async fn says(user_id: u64) {
    for _ in 0..3 {
        info!(said = user_id, "mine");
        yield_now().await;
    }
}

#[observed(user_id)]
async fn never_ends(user_id: u64) {
    info!(said = user_id, "mine");
    std::future::pending::<()>().await;
}

#[observed(user_id)]
async fn begins_others(user_id: u64) {
    let task = spawn(async move {
        yield_now().await;
        info!(said = user_id, "mine");
    });
    let blocking = spawn_blocking(move || info!(said = user_id, "mine"));
    info!(said = user_id, "mine");
    task.await.expect("no panic");
    blocking.await.expect("no panic");
    info!(said = user_id, "mine");
}

#[observed(user_id)]
fn in_between(user_id: u64) -> impl Future<Output = ()> {
    info!(said = user_id, "mine");
    async move {
        let guarded = info_span!("inside", user_id);
        guarded.in_scope(|| info!(said = user_id, "mine"));
        says(user_id).instrument(guarded).await;
        info!(said = user_id, "mine");
    }
}

/// What task `n` does.
async fn work(n: u64) {
    match n % 7 {
        0 => says(n).await,
        1 => {
            let plain = async {
                info!(said = n, "mine");
                yield_now().await;
                says(n).in_current_span().await;
                info!(said = n, "mine");
            };
            plain.instrument(info_span!("plain", user_id = n)).await;
        }
        2 => begins_others(n).await,
        3 => {
            let forever = spawn(never_ends(n));
            yield_now().await;
            forever.abort();
            assert!(forever.await.is_err_and(|err| err.is_cancelled()));
        }
        4 => {
            tokio::select! {
                () = says(n) => {}
                () = never_ends(n + TASKS) => {}
            }
        }
        5 => {
            tokio::join!(says(n), says(n + TASKS), in_between(n + 2 * TASKS));
        }
        _ => {
            // Given up while it sleeps in a span.
            let span = info_span!("given up", user_id = n);
            let sleeps = async move {
                info!(said = n, "mine");
                sleep(Duration::from_secs(3600)).await;
            };
            let mut tasks = JoinSet::new();
            tasks.spawn(CallContext::current().around(sleeps.instrument(span)));
            yield_now().await;
            tasks.abort_all();
            while tasks.join_next().await.is_some() {}
        }
    }
}

async fn storm(tasks: u64) {
    let tasks: Vec<_> = (0..tasks).map(|n| spawn(work(n))).collect();
    for task in tasks {
        task.await.expect("no panic");
    }
}

/// Every thread of the runtime is outside of everything.
fn threads_are_outside(runtime: &Runtime) {
    let tasks: Vec<_> = (0..1_000)
        .map(|_| runtime.spawn(async { assert_eq!(Correlation::current(), Correlation::default()) }))
        .collect();
    for task in tasks {
        runtime.block_on(task).expect("it is in nothing");
    }
}

/// Every line is in the span of whom it speaks of.
fn each_is_its_own(lines: &[Value], tasks: u64) {
    let mut said = BTreeMap::new();
    for line in lines.iter().filter(|line| line["message"] == "mine") {
        assert_eq!(line["said"], line["user_id"], "{line}");
        assert!(line["trace_id"].is_string() && line["span_id"].is_string(), "{line}");
        *said.entry(line["said"].as_u64().expect("a number")).or_insert(0) += 1;
    }
    for n in (0..tasks).filter(|n| [0, 1, 2, 4, 5].contains(&(n % 7))) {
        let expected = [3, 5, 4, 0, 3, 3, 0][n as usize % 7];
        assert_eq!(said.get(&n), Some(&expected), "{n}");
    }
}

#[test]
fn ten_thousand_tasks_do_not_mix_up_their_spans_and_leave_none_behind() {
    let runtime = runtime();
    let seen = runtime.block_on(capture_async(storm(TASKS)));
    each_is_its_own(seen.logs(), TASKS);
    assert_eq!(seen.open_spans(), [""; 0]);
    for span in seen.spans().iter().filter(|span| span.name == "never_ends") {
        assert_eq!(span.outcome, Some(obs_runtime::Ended::Cancelled));
    }
    threads_are_outside(&runtime);
}

/// What a runtime with this share of sampled traces makes of the storm: its spans.
fn sampled(rate: f64) -> Vec<FinishedSpan> {
    let (runtime, memory) = (runtime(), Memory::default());
    let builder = memory.builder("info").config(ObservabilityConfig {
        trace_sample_rate: rate,
        log_queue_bytes: 64 << 20,
        otlp_queue_bytes: 64 << 20,
        ..ObservabilityConfig::default()
    });
    let telemetry = builder.build().expect("nothing is wrong");
    telemetry.in_scope(|| runtime.block_on(async { spawn(storm(TASKS)).await.expect("no panic") }));
    each_is_its_own(&memory.lines(&telemetry), TASKS);
    let spans = memory.spans(&telemetry);
    threads_are_outside(&runtime);
    let report = telemetry.shutdown(SOON);
    assert_eq!((report.lines_lost, report.spans_lost), (0, 0));
    spans
}

#[test]
fn where_nothing_is_sampled_every_line_has_its_ids_and_its_user_all_the_same() {
    assert!(sampled(0.0).is_empty());
}

#[test]
fn where_all_is_sampled_every_span_arrives_under_the_one_that_it_was_opened_in() {
    let spans = sampled(1.0);
    let known: BTreeMap<_, _> = spans.iter().map(|span| (span.span_id.to_u64(), span)).collect();
    assert_eq!(known.len(), spans.len(), "each once");
    let user = |span: &FinishedSpan| span.fields.get("user_id").map(|user| user.to_string());
    for span in &spans {
        let Some(parent) = span.parent_id.map(|parent| known[&parent.to_u64()]) else { continue };
        assert_eq!(parent.trace_id, span.trace_id);
        assert_eq!(user(parent), user(span), "{} in {}", span.name, parent.name);
    }
}

/// A pool of two threads of one's own, as rayon's: each job comes with the context of whom it is for.
#[test]
fn a_pool_of_threads_is_in_the_context_of_each_job_and_in_none_between_them() {
    let (sender, jobs) = mpsc::channel::<(CallContext, u64)>();
    let jobs = Arc::new(Mutex::new(jobs));
    let seen = capture(|| {
        #[observed(user_id)]
        fn submits(user_id: u64, jobs: &mpsc::Sender<(CallContext, u64)>) {
            jobs.send((CallContext::current(), user_id)).expect("the pool is there");
        }
        let pool: Vec<_> = (0..2)
            .map(|_| {
                let jobs = Arc::clone(&jobs);
                thread::spawn(move || {
                    loop {
                        let job = jobs.lock().expect("not poisoned").recv();
                        let Ok((context, n)) = job else { return };
                        context.run(|| info!(said = n, "mine"));
                        assert_eq!(Correlation::current(), Correlation::default());
                    }
                })
            })
            .collect();
        (0..1_000).for_each(|n| submits(n, &sender));
        drop(sender);
        pool.into_iter().for_each(|thread| thread.join().expect("no panic"));
    });
    assert_eq!(seen.logs().iter().filter(|line| line["message"] == "mine").count(), 1_000);
    assert!(seen.logs().iter().filter(|line| line["message"] == "mine").all(|line| line["said"] == line["user_id"]));
    assert_eq!(seen.open_spans(), [""; 0]);
}

#[test]
fn a_runtime_inside_of_a_span_runs_its_futures_in_it_and_leaves_it_to_the_caller() {
    #[observed(user_id)]
    fn blocks(user_id: u64) {
        let inner = Builder::new_current_thread().build().expect("a runtime");
        inner.block_on(async {
            info!(said = user_id, "mine");
            says(user_id + 1).await;
        });
        info!(said = user_id, "mine");
    }
    let seen = capture(|| blocks(7));
    assert!(seen.logs().iter().filter(|line| line["message"] == "mine").all(|line| line["said"] == line["user_id"]));
    assert_eq!(seen.span("says").parent_id, Some(seen.span("blocks").span_id));
    assert_eq!(seen.open_spans(), [""; 0]);
    assert_eq!(Correlation::current(), Correlation::default());
}
