//! What it costs to read a context out of a request's headers and to write one into the headers of the next, beside the
//! propagator of the OpenTelemetry SDK: nanoseconds and allocations, both sides in turn, in one process.
//!
//! The map that is read has six headers, one of them `traceparent`, as a service behind a proxy sees them; the one that is written has
//! two, and is written again each time.

use std::hint::black_box;
use std::time::Instant;

use http::{HeaderMap, HeaderValue};
use obs_runtime::propagation::{self, Correlation};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;

const ROUNDS: usize = 61;
const TURNS: u32 = 20_000;

/// The adapters that opentelemetry-http has, word for word what they do.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let Ok(name) = http::header::HeaderName::from_bytes(key.as_bytes())
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            self.0.insert(name, value);
        }
    }
}

fn incoming(trace: bool, more: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name, value| headers.insert(name, HeaderValue::from_static(value));
    put("host", "agents.example:8080");
    put("user-agent", "curl/8.5.0");
    put("accept", "application/json");
    put("accept-encoding", "gzip");
    put("content-type", "application/json");
    if trace {
        put("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    }
    if more {
        put("tracestate", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
        put("x-request-id", "0af76519-16cd-43dd-8448-eb211c80319c");
    }
    headers
}

fn outgoing() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert("host", HeaderValue::from_static("scheduler.example:8080"));
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers
}

/// Nanoseconds of the minimum and of the median, and allocations, a turn.
fn timed(turn: &mut dyn FnMut()) -> (f64, f64, f64) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            for _ in 0..TURNS {
                turn();
            }
            begin.elapsed().as_nanos() as f64 / f64::from(TURNS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    let taken = bench_heap::taken(|| (0..TURNS).for_each(|_| turn()));
    let allocations = taken.allocations as f64 / f64::from(TURNS);
    (rounds[0], rounds[ROUNDS / 2], allocations)
}

fn main() {
    println!("| | extract + inject, ns, minimum (median) | allocations |");
    println!("|---|---:|---:|");
    let print = |name: &str, turn: &mut dyn FnMut()| {
        let (least, median, allocations) = timed(turn);
        println!("| {name} | {least:.0} ({median:.0}) | {allocations:.1} |");
    };
    for (with, trace, more) in [
        ("`traceparent`", true, false),
        ("`traceparent`, `tracestate`, `x-request-id`", true, true),
        ("nothing", false, false),
    ] {
        let headers = incoming(trace, more);
        let mut written = outgoing();
        print(&format!("obs-runtime, {with}"), &mut || {
            let correlation: Correlation = propagation::extract(black_box(&headers));
            propagation::inject(black_box(&correlation), &mut written);
        });
        let propagator = TraceContextPropagator::new();
        let mut written = outgoing();
        let empty = Context::new();
        print(&format!("opentelemetry_sdk, {with}"), &mut || {
            let context = propagator.extract_with_context(&empty, &Headers(black_box(&headers)));
            propagator.inject_context(black_box(&context), &mut HeadersMut(&mut written));
        });
    }
}
