//! The metrics that the platform has published, by name, kind, labels and buckets: who has dashboards on them relies on each.

use std::collections::{BTreeMap, BTreeSet};

use obs_runtime::Descriptor;
use obs_runtime::metrics::Kind::{self, Counter, Gauge, Histogram};
use swarm::metrics::CATALOGUE;

/// Values of a label that may have many.
const MANY: &[&str] = &[];
const STATES: &[&str] = &["provisioning", "running", "hibernating", "stopped", "failed"];
const DIRECTIONS: &[&str] = &["inbound", "outbound"];
const STORES: &[&str] = &["agents", "ownership"];
const LATENCIES: &[f64] = &[0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];
const NONE: &[f64] = &[];

/// Name, kind, labels with their values, buckets.
type Published = (&'static str, Kind, &'static [(&'static str, &'static [&'static str])], &'static [f64]);

const PUBLISHED: &[Published] = &[
    ("http_requests_total", Counter, &[("method", METHODS), ("path", MANY), ("status", MANY)], NONE),
    (
        "http_request_duration_seconds",
        Histogram,
        &[("method", METHODS), ("path", MANY)],
        &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0],
    ),
    ("websocket_connections_active", Gauge, &[], NONE),
    ("websocket_messages_total", Counter, &[("direction", DIRECTIONS)], NONE),
    ("agents_total", Gauge, &[("status", STATES)], NONE),
    ("agent_state_transitions_total", Counter, &[("from", STATES), ("to", STATES)], NONE),
    ("sessions_active", Gauge, &[], NONE),
    ("sessions_total", Counter, &[], NONE),
    ("session_duration_seconds", Histogram, &[], &[1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0]),
    ("user_agents_count", Gauge, &[("user_id", MANY)], NONE),
    ("user_sessions_active", Gauge, &[("user_id", MANY)], NONE),
    ("agent_cpu_usage_percent", Gauge, &[("agent_id", MANY)], NONE),
    ("agent_memory_usage_bytes", Gauge, &[("agent_id", MANY)], NONE),
    ("agent_uptime_seconds", Gauge, &[("agent_id", MANY)], NONE),
    ("agent_status", Gauge, &[("agent_id", MANY), ("status", STATES)], NONE),
    ("agent_errors_total", Counter, &[("agent_id", MANY)], NONE),
    ("agent_sessions_total", Counter, &[("agent_id", MANY)], NONE),
    ("user_api_requests_total", Counter, &[("user_id", MANY), ("outcome", &["ok", "error", "cancelled"])], NONE),
    ("rocksdb_get_latency_seconds", Histogram, &[("cf", STORES)], LATENCIES),
    ("rocksdb_put_latency_seconds", Histogram, &[("cf", STORES)], LATENCIES),
    ("rocksdb_compaction_bytes_total", Counter, &[], NONE),
    ("agent_model_tokens_total", Counter, &[("agent_id", MANY), ("direction", &["input", "output"])], NONE),
];

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "_OTHER"];

fn catalogue() -> impl Iterator<Item = &'static Descriptor> {
    CATALOGUE.iter().copied().flatten()
}

#[test]
fn every_published_metric_is_declared_as_it_was_promised() {
    let declared: BTreeMap<_, _> = catalogue().map(|descriptor| (descriptor.name, descriptor)).collect();
    for (name, kind, labels, buckets) in PUBLISHED {
        let found = declared.get(name).unwrap_or_else(|| panic!("nobody declares {name}"));
        assert_eq!(found.kind, *kind, "{name}");
        assert_eq!(found.buckets, *buckets, "{name}");
        let names = |it: &[(&'static str, &[&str])]| it.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        assert_eq!(found.labels.iter().map(|label| label.name).collect::<Vec<_>>(), names(labels), "{name}");
        for (label, (key, values)) in found.labels.iter().zip(*labels) {
            // Of a label that may have many values a bound is known.
            let known = if values.is_empty() {
                label.values.is_none() || *key == "status"
            } else {
                label.values == Some(values)
            };
            assert!(known && label.max > 0, "{name}{{{key}}}: {label:?}");
        }
    }
}

#[test]
fn no_name_is_declared_twice() {
    let mut names = BTreeSet::new();
    for descriptor in catalogue() {
        assert!(names.insert(descriptor.name), "{} stands in two groups", descriptor.name);
    }
}
