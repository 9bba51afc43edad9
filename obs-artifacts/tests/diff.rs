//! What two versions of a catalogue say of each other.

use obs_artifacts::catalogue::Published;
use obs_artifacts::prometheus::{Alert, Quantiles, RuleGroup, Rules, Severity};
use obs_artifacts::{Catalogue, Metric, Query, promql};
use obs_runtime::{Counter, Gauge, Histogram, LabelSet, LabelValue, MetricSet};

#[derive(MetricSet)]
#[metric_set(prefix = "shop")]
struct Shop {
    /// Requests.
    requests_total: Counter<Labels>,
    /// How long a request took.
    #[metric(buckets = [0.1, 0.5, 1.0])]
    request_duration_seconds: Histogram<Labels>,
    /// Open carts.
    carts: Gauge,
}

#[derive(LabelSet)]
struct Labels {
    method: Method,
    outcome: Outcome,
}

#[derive(LabelValue)]
#[allow(dead_code, reason = "only their descriptors count here")]
enum Method {
    Get,
    Post,
}

#[derive(LabelValue)]
#[allow(dead_code, reason = "only their descriptors count here")]
enum Outcome {
    Ok,
    Error,
}

fn published() -> Published {
    let catalogue = Catalogue::new("shop").describe(Shop::DESCRIPTORS).expect("the names differ");
    let error = r#"sum by (method) (rate(shop_requests_total{outcome="error"}[5m])) > 1"#;
    let rules = Rules::new()
        .with(RuleGroup::new("shop").alert(Alert::new("ShopFails", error, Severity::Critical)))
        .with(Quantiles::of("shop_request_duration_seconds").without("outcome").group("quantiles", &catalogue));
    let catalogue = rules.declare(catalogue).expect("the names differ");
    let mut queries = rules.queries();
    queries.push(Query::new("panel `Latency`", "shop_request_duration_seconds:p99").shown_by("{{method}}"));
    promql::check(&catalogue, &queries).expect("sound queries");
    let published = Published::new(&catalogue, &queries);
    Published::from_json(&published.to_json()).expect("it reads what it wrote")
}

/// The changes after `change` was made to the metric called `name`.
fn told(name: &str, change: impl FnOnce(&mut Metric)) -> Vec<String> {
    let old = published();
    let mut new = old.clone();
    change(new.metrics.iter_mut().find(|metric| metric.name == name).expect("it is there"));
    old.changes(&new).expect("names differ").iter().map(ToString::to_string).collect()
}

#[test]
fn the_same_is_no_change() {
    assert_eq!(published().changes(&published()).unwrap(), []);
}

#[test]
fn a_renamed_metric_breaks_who_asks_for_it() {
    assert_eq!(
        told("shop_requests_total", |metric| metric.name = "shop_calls_total".to_owned()),
        ["breaking: `shop_requests_total` is called `shop_calls_total`\n  breaks alert `ShopFails`"]
    );
}

#[test]
fn what_is_recorded_from_a_metric_that_is_gone_is_gone_too() {
    let old = published();
    let mut new = old.clone();
    new.metrics.retain(|metric| metric.name != "shop_request_duration_seconds");
    let changes = old.changes(&new).unwrap();
    assert_eq!(
        changes[0].to_string(),
        "breaking: `shop_request_duration_seconds` is gone\n  breaks panel `Latency`\n  breaks recording rule \
         `shop_request_duration_seconds:p50`\n  breaks recording rule `shop_request_duration_seconds:p90`\n  breaks recording rule \
         `shop_request_duration_seconds:p99`"
    );
}

#[test]
fn a_lost_label_is_breaking_though_nobody_here_asks_for_it() {
    let mut lost = told("shop_requests_total", |metric| metric.labels.retain(|label| label.name != "outcome"));
    assert_eq!(
        lost.pop().unwrap(),
        "breaking: `shop_requests_total` has lost its label `outcome`\n  breaks alert `ShopFails`"
    );
    let lost = told("shop_request_duration_seconds", |metric| metric.labels.retain(|label| label.name != "outcome"));
    assert_eq!(lost, ["breaking: `shop_request_duration_seconds` has lost its label `outcome`"]);
}

#[test]
fn another_kind_is_breaking() {
    let changed = told("shop_carts", |metric| metric.kind = obs_runtime::metrics::Kind::Counter);
    assert_eq!(changed, ["breaking: `shop_carts` was a gauge, is a counter"]);
}

#[test]
fn a_lost_value_breaks_only_who_asks_for_it() {
    let lose = |value: &'static str| {
        move |metric: &mut Metric| {
            for label in &mut metric.labels {
                label.values.iter_mut().for_each(|values| values.retain(|known| known != value));
            }
        }
    };
    assert_eq!(
        told("shop_requests_total", lose("error")),
        ["breaking: `outcome` of `shop_requests_total` is never `error` any more\n  breaks alert `ShopFails`"]
    );
    assert_eq!(told("shop_requests_total", lose("get")), ["`method` of `shop_requests_total` is never `get` any more"]);
}

#[test]
fn what_is_new_breaks_nothing() {
    let old = published();
    let mut new = old.clone();
    let mut more = new.metrics[0].clone();
    more.name = "unlike_all_others".to_owned();
    new.metrics.push(more);
    let changes = old.changes(&new).unwrap();
    assert_eq!(changes.len(), 1);
    assert!(!changes[0].breaking);
}
