//! What calls, spans and lines allocate once they have run for a while: nothing.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use obs_runtime::engine::FinishedSpan;
use obs_runtime::export::{Delivery, Exporter};
use obs_runtime::{ObservabilityConfig, Telemetry, info, info_span, observed, record, tracing};
use tests::memory::SOON;

/// Takes spans, and forgets them.
struct Forgets;

impl Exporter for Forgets {
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        Delivery::all(&spans)
    }
}

fn telemetry(trace_sample_rate: f64) -> Telemetry {
    let config = ObservabilityConfig { trace_sample_rate, ..ObservabilityConfig::default() };
    let builder = Telemetry::builder("tests").config(config).log_writer(io::sink()).exporter(Forgets);
    builder.build().expect("nothing is wrong")
}

const USER: &str = "0af7651916cd43dd8448eb211c80319c-u1";

#[observed(user_id, agent_id, late(host))]
fn call(user_id: &str, agent_id: u64) -> Result<u64, String> {
    record!(host = "h1");
    Ok(agent_id)
}

#[observed(user_id)]
fn line_in_a_call(user_id: &str) {
    info!(status = "running", "Agent started");
}

#[observed(user_id)]
async fn polled_twice(user_id: &str) {
    let mut polled = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

fn poll() {
    let mut future = pin!(polled_twice(USER));
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    assert!(future.as_mut().poll(&mut context).is_ready());
}

fn span() {
    let span = info_span!("span", user_id = USER, agent_id = %7, host = tracing::field::Empty);
    span.record("host", "h1");
    span.in_scope(|| ());
}

fn line_in_spans() {
    info_span!("outer", user_id = USER).in_scope(|| {
        info_span!("inner", agent_id = 7).in_scope(|| info!(status = "running", attempts = 3, "Agent {} started", 7));
    });
}

/// The least that a burst of a hundred allocates on this thread, once the buffers have grown. What one of them needs, each burst
/// would; a buffer that the threads behind have just taken may have to grow again, in one of them.
fn least(telemetry: &Telemetry, work: fn()) -> u64 {
    let burst = || telemetry.in_scope(|| (0..100).for_each(|_| work()));
    for _ in 0..20 {
        burst();
        telemetry.flush(SOON);
    }
    let counts = (0..20).map(|_| {
        let count = measure(burst).count_total;
        telemetry.flush(SOON);
        count
    });
    counts.min().unwrap_or(u64::MAX)
}

#[test]
fn in_steady_state_calls_spans_and_lines_allocate_nothing() {
    let cases: [(&str, fn()); 5] = [
        ("an observed call", || {
            let _ = call(USER, 7);
        }),
        ("an observed future, polled twice", poll),
        ("a span of tracing", span),
        ("a line in two spans", line_in_spans),
        ("a line in an observed call", || line_in_a_call(USER)),
    ];
    for rate in [1.0, 0.0] {
        let telemetry = telemetry(rate);
        for (name, work) in cases {
            assert_eq!(least(&telemetry, work), 0, "{name}, sampled at {rate}");
        }
        telemetry.shutdown(SOON);
    }
}

#[test]
fn the_counter_counts() {
    let telemetry = telemetry(1.0);
    let least = least(&telemetry, || drop(std::hint::black_box(vec![0_u8; 4])));
    assert_eq!(least, 100);
}
