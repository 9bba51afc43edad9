//! What hostile headers cost: however large they are, what is taken of them is bounded.
#![allow(clippy::unwrap_used)]

use http::{HeaderMap, HeaderName, HeaderValue};
use obs_runtime::propagation;
use tests::alone;

/// Kibibytes that this process has used at most, where the system says it.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// A value of so many mebibytes, of nothing but `fill`.
fn value(mebibytes: usize, fill: &str) -> HeaderValue {
    HeaderValue::from_maybe_shared(axum::body::Bytes::from(fill.repeat((mebibytes << 20) / fill.len()))).unwrap()
}

const FILLS: [&str; 6] = ["x", ",", " ", "a=1,", "%41", "k1=v;p,"];

#[test]
#[ignore = "alone in a process"]
fn alone_reads_hostile_headers() {
    let names = obs_runtime::names::TRAVELLING.map(HeaderName::from_static);
    for mebibytes in [1, 4] {
        for fill in FILLS {
            let mut headers = HeaderMap::new();
            for name in &names {
                headers.append(name.clone(), value(mebibytes, fill));
            }
            headers.insert("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap());
            let Some(before) = peak() else { return };
            let correlation = propagation::extract(&headers);
            let taken = peak().unwrap() - before;
            assert!(taken <= 1024, "{taken} KiB for {mebibytes} MiB of `{fill}`");
            assert!(correlation.trace.is_some() && correlation.request_id.is_none());
        }
    }
    let members = (0..10_000).map(|i| format!("k{i}=1")).collect::<Vec<_>>().join(",");
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap());
    // One header with all of them, and a thousand headers with one each.
    headers.insert("tracestate", members.parse().unwrap());
    let before = peak().unwrap();
    assert_eq!(propagation::extract(&headers).trace.unwrap().state, None);
    headers.remove("tracestate");
    for i in 0..1_000 {
        headers.append("tracestate", format!("k{i}=1").parse().unwrap());
        headers.append("baggage", format!("k{i}=1").parse().unwrap());
    }
    let correlation = propagation::extract(&headers);
    assert_eq!((correlation.trace.unwrap().state, correlation.baggage.len()), (None, 64));
    let taken = peak().unwrap() - before;
    assert!(taken <= 1024, "{taken} KiB");
}

#[test]
fn what_is_taken_of_hostile_headers_is_bounded() {
    let output = alone("alone_reads_hostile_headers").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
