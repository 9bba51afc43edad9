//! What the check of queries finds.

use obs_artifacts::catalogue::KUBE_STATE_METRICS;
use obs_artifacts::promql::{Seen, Use, check, judge};
use obs_artifacts::{Catalogue, Query};
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
    customer: Customer,
}

#[derive(LabelValue)]
#[allow(dead_code, reason = "only their descriptors count here")]
enum Method {
    Get,
    Post,
}

#[derive(LabelValue)]
#[label(max = 100)]
struct Customer(String);

fn told_with(query: &str, legend: &str) -> String {
    let catalogue = Catalogue::new("shop").describe(Shop::DESCRIPTORS);
    let catalogue = catalogue.and_then(|shop| shop.external(&KUBE_STATE_METRICS)).expect("the names differ");
    match check(&catalogue, &[Query::new("panel `P`", query).shown_by(legend)]) {
        Ok(()) => String::new(),
        Err(mistakes) => mistakes.0.iter().map(|mistake| mistake.what.clone()).collect::<Vec<_>>().join("\n"),
    }
}

fn told(query: &str) -> String {
    told_with(query, "")
}

#[test]
fn sound_queries_pass() {
    for query in [
        r#"sum by (method) (rate(shop_requests_total{method=~"get|post", customer!=""}[5m]))"#,
        "histogram_quantile(0.99, sum by (le, method) (rate(shop_request_duration_seconds_bucket[5m])))",
        r#"sum(rate(shop_request_duration_seconds_bucket{le=~"1|1\\.0"}[5m])) / sum(rate(shop_request_duration_seconds_count[5m]))"#,
        r#"rate(shop_request_duration_seconds_sum{job="shop"}[$__rate_interval])"#,
        r#"shop_carts{instance=~"a.*"} > 3 and on (job) shop_carts offset 5m"#,
        r#"kube_pod_status_ready{condition="false"} == 1"#,
        r#"label_replace(delta(shop_carts[1h]), "who", "$1", "job", "(.*)")"#,
        r#"sum by (who) (label_replace(shop_carts, "who", "$1", "job", "(.*)"))"#,
        r#"sum by (customer, n) (count_values by (customer) ("n", shop_requests_total))"#,
        r#"topk(3, sum by (customer) (increase(shop_requests_total{customer=~"$customer"}[1h])))"#,
        "shop_requests_total * on (job) group_left (pod) kube_pod_status_ready",
        "max_over_time(sum(rate(shop_requests_total[5m]))[1h:5m])",
        "absent(shop_carts) or vector(0)",
    ] {
        assert_eq!(told(query), "", "{query}");
    }
}

#[test]
fn names_that_do_not_exist_are_told_with_what_does() {
    for (query, what) in [
        ("shop_cart", "no metric `shop_cart`; did you mean `shop_carts`?"),
        (
            "other",
            "no metric `other`; there are `kube_pod_container_status_restarts_total`, `kube_pod_status_phase`, \
             `kube_pod_status_ready`, `shop_carts`, `shop_request_duration_seconds` and `shop_requests_total`",
        ),
        ("rate(shop_request_total[5m])", "no metric `shop_request_total`; did you mean `shop_requests_total`?"),
        ("rate(shop_carts_sum[5m])", "no `shop_carts_sum`: `shop_carts` is a gauge and has no `_sum`"),
        (
            "shop_request_duration_seconds",
            "the histogram `shop_request_duration_seconds` has no series of its own; write `shop_request_duration_seconds_bucket`, \
             `shop_request_duration_seconds_sum` or `shop_request_duration_seconds_count`",
        ),
        (
            r#"shop_requests_total{methd="get"}"#,
            "`shop_requests_total` has no label `methd`; did you mean `method`? it has `method` and `customer`",
        ),
        (
            r#"sum by (code) (shop_requests_total)"#,
            "`shop_requests_total` has no label `code`; it has `method` and `customer`",
        ),
        (r#"sum without (methods) (shop_carts)"#, "`shop_carts` has no label `methods`; it has none of its own"),
        (
            r#"shop_requests_total{method="GET"}"#,
            "`method` of `shop_requests_total` is never `GET`; it is `get` or `post`",
        ),
        (
            r#"shop_requests_total{method=~"get|pots"}"#,
            "`method` of `shop_requests_total` is never `pots`; did you mean `post`? it is `get` or `post`",
        ),
        (
            r#"rate(shop_request_duration_seconds_bucket{le="0.3"}[5m])"#,
            "no bucket of `shop_request_duration_seconds` ends at `0.3`; they end at 0.1, 0.5, 1",
        ),
        (
            r#"rate(shop_request_duration_seconds_count{le="0.5"}[5m])"#,
            "`shop_request_duration_seconds` has no label `le`; it has `method` and `customer`",
        ),
    ] {
        assert_eq!(told(query), what, "{query}");
    }
}

#[test]
fn functions_that_do_not_fit_the_kind_are_told() {
    for (query, what) in [
        (
            "rate(shop_carts[5m])",
            "`rate` over `shop_carts`, which is a gauge; write `delta`, `deriv` or an `_over_time`",
        ),
        (
            "deriv(shop_requests_total[5m])",
            "`deriv` over `shop_requests_total`, which only grows (counter); write `rate` or `increase`",
        ),
        (
            "histogram_quantile(0.9, shop_request_duration_seconds_bucket)",
            "`histogram_quantile` over all time; write `rate(shop_request_duration_seconds_bucket[5m])` below it",
        ),
        (
            "histogram_quantile(0.9, rate(shop_requests_total[5m]))",
            "`histogram_quantile` of `shop_requests_total`, which is a counter and has no buckets",
        ),
        (
            "histogram_quantile(0.9, rate(shop_request_duration_seconds_sum[5m]))",
            "`histogram_quantile` of `shop_request_duration_seconds_sum`; write `shop_request_duration_seconds_bucket`",
        ),
    ] {
        assert_eq!(told(query), what, "{query}");
    }
}

#[test]
fn labels_that_are_summed_away_are_told() {
    assert_eq!(
        told("sum by (method) (sum by (customer) (shop_requests_total))"),
        "`sum by (customer) (shop_requests_total)` leaves no label `method` for what is around it"
    );
    assert_eq!(
        told("histogram_quantile(0.9, sum by (method) (rate(shop_request_duration_seconds_bucket[5m])))"),
        "`sum by (method) (rate(shop_request_duration_seconds_bucket[5m]))` leaves no label `le` for what is around it"
    );
    assert_eq!(
        told_with("sum by (method) (rate(shop_requests_total[5m]))", "{{method}} {{customer}}"),
        "`sum by (method) (rate(shop_requests_total[5m]))` leaves no label `customer` for what is around it"
    );
    assert_eq!(
        told_with(r#"kube_pod_status_ready == 1"#, "Pod {{ $labels.pods }} at {{ $value }}"),
        "`kube_pod_status_ready` has no label `pods`; did you mean `pod`? it has `namespace`, `pod`, `uid` and `condition`"
    );
}

#[test]
fn what_is_no_query_is_told() {
    assert!(told("sum(shop_carts").starts_with("not PromQL: "));
    assert_eq!(told(r#"{job="shop"}"#), "`{job=\"shop\"}` does not name its metric");
}

#[test]
fn the_message_names_who_asks_and_the_query() {
    let catalogue = Catalogue::new("shop").describe(Shop::DESCRIPTORS).unwrap();
    let queries = [Query::new("alert `A`", "shop_cart\n  > 3"), Query::new("panel `P`", "shop_carts")];
    assert_eq!(
        check(&catalogue, &queries).unwrap_err().to_string(),
        "alert `A`: no metric `shop_cart`; did you mean `shop_carts`?\n  in `shop_cart > 3`"
    );
}

#[test]
fn two_metrics_of_one_name_are_an_error_and_the_same_one_twice_is_none() {
    let catalogue = Catalogue::new("shop").describe(Shop::DESCRIPTORS).unwrap().describe(Shop::DESCRIPTORS).unwrap();
    let mut other = catalogue.get("shop_carts").unwrap().clone();
    other.help = "Something else.".to_owned();
    let error = catalogue.clone().add(other).unwrap_err();
    assert_eq!(error.name, "shop_carts");
}

// The rules run while this file is compiled.
const _: () = {
    const METRICS: &[Seen<'_>] =
        &[Seen::of(&Shop::DESCRIPTORS[0]), Seen::of(&Shop::DESCRIPTORS[1]), Seen::of(&Shop::DESCRIPTORS[2])];
    let used =
        Use { name: "shop_requests_total", matchers: &[], wanted: &["method"], range: Some("rate"), quantile: false };
    assert!(judge(&used, METRICS, &[]).is_empty());
    assert!(!judge(&Use { wanted: &["code"], ..used }, METRICS, &[]).is_empty());
    assert!(!judge(&Use { name: "shop_carts", wanted: &[], ..used }, METRICS, &[]).is_empty());
};
