use crate::{BUCKETS, Case, METHODS, PATHS, Pick, STATUSES};

pub const COUNTER: &str = "Counter, 3 labels: peers";
const HISTOGRAM: &str = "Histogram, 3 labels, 12 buckets: peers";

pub fn texts(pick: &Pick) -> [&'static str; 3] {
    [METHODS[pick.method as usize % 4], PATHS[pick.path as usize % 8], STATUSES[pick.status as usize % 5]]
}

pub fn cases() -> Vec<Case> {
    let mut cases = prometheus();
    cases.extend(static_metric::cases());
    cases.extend(prometheus_client());
    cases.extend(metrics());
    cases.extend(measured::cases());
    cases.sort_by_key(|case| case.table);
    cases
}

fn prometheus() -> Vec<Case> {
    use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts};
    let labels = ["method", "path", "status"];
    let counter = IntCounterVec::new(Opts::new("requests_total", "Requests."), &labels).expect("sound");
    let opts = HistogramOpts::new("seconds", "Durations.").buckets(BUCKETS.to_vec());
    let histogram = HistogramVec::new(opts, &labels).expect("sound");
    vec![
        Case::new(COUNTER, "prometheus, `with_label_values`", move |pick| {
            counter.with_label_values(&texts(pick)).inc()
        }),
        Case::new(HISTOGRAM, "prometheus, `with_label_values`", move |pick| {
            histogram.with_label_values(&texts(pick)).observe(pick.seconds);
        }),
    ]
}

/// Handles of `prometheus` in structs that a macro makes, one for each value of a closed label.
mod static_metric {
    use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts};
    use prometheus_static_metric::make_static_metric;

    use super::{BUCKETS, COUNTER, Case, HISTOGRAM, Pick};

    make_static_metric! {
        pub label_enum Method { get: "GET", post: "POST", put: "PUT", delete: "DELETE" }
        pub label_enum Path { agents, agent, logs, sessions, session, user, health, ready }
        pub label_enum Status { ok, created, bad, missing, failed }

        pub struct Counters: IntCounter {
            "method" => Method,
            "path" => Path,
            "status" => Status,
        }
        pub struct Histograms: Histogram {
            "method" => Method,
            "path" => Path,
            "status" => Status,
        }
    }

    const METHOD: [Method; 4] = [Method::get, Method::post, Method::put, Method::delete];
    const PATH: [Path; 8] =
        [Path::agents, Path::agent, Path::logs, Path::sessions, Path::session, Path::user, Path::health, Path::ready];
    const STATUS: [Status; 5] = [Status::ok, Status::created, Status::bad, Status::missing, Status::failed];

    fn labels(pick: &Pick) -> (Method, Path, Status) {
        (METHOD[pick.method as usize % 4], PATH[pick.path as usize % 8], STATUS[pick.status as usize % 5])
    }

    pub fn cases() -> Vec<Case> {
        let names = ["method", "path", "status"];
        let counters = IntCounterVec::new(Opts::new("static_total", "Requests."), &names).expect("sound");
        let opts = HistogramOpts::new("static_seconds", "Durations.").buckets(BUCKETS.to_vec());
        let histograms = HistogramVec::new(opts, &names).expect("sound");
        let (counters, histograms) = (Counters::from(&counters), Histograms::from(&histograms));
        vec![
            Case::new(COUNTER, "prometheus-static-metric", move |pick| {
                let (method, path, status) = labels(pick);
                counters.get(method).get(path).get(status).inc();
            }),
            Case::new(HISTOGRAM, "prometheus-static-metric", move |pick| {
                let (method, path, status) = labels(pick);
                histograms.get(method).get(path).get(status).observe(pick.seconds);
            }),
        ]
    }
}

fn prometheus_client() -> Vec<Case> {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::histogram::Histogram;
    type Labels = [(&'static str, &'static str); 3];
    let labels = |pick: &Pick| {
        let [method, path, status] = texts(pick);
        [("method", method), ("path", path), ("status", status)]
    };
    let counter = Family::<Labels, Counter>::default();
    let histogram = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
    vec![
        Case::new(COUNTER, "prometheus-client, `get_or_create`", move |pick| {
            counter.get_or_create(&labels(pick)).inc();
        }),
        Case::new(HISTOGRAM, "prometheus-client, `get_or_create`", move |pick| {
            histogram.get_or_create(&labels(pick)).observe(pick.seconds);
        }),
    ]
}

fn metrics() -> Vec<Case> {
    let builder = metrics_exporter_prometheus::PrometheusBuilder::new();
    let recorder = builder.set_buckets(&BUCKETS).expect("buckets").build_recorder();
    metrics::set_global_recorder(recorder).expect("the only one");
    vec![
        Case::new(COUNTER, "metrics + exporter, `counter!`", |pick| {
            let [method, path, status] = texts(pick);
            metrics::counter!("requests_total", "method" => method, "path" => path, "status" => status).increment(1);
        }),
        Case::new(HISTOGRAM, "metrics + exporter, `histogram!`", |pick| {
            let [method, path, status] = texts(pick);
            metrics::histogram!("seconds", "method" => method, "path" => path, "status" => status).record(pick.seconds);
        }),
    ]
}

mod measured {
    use lasso::ThreadedRodeo;
    use measured::metric::histogram::Thresholds;
    use measured::{CounterVec, FixedCardinalityLabel, HistogramVec, LabelGroup};

    use super::{COUNTER, HISTOGRAM, texts};
    use crate::{BUCKETS, Case};

    #[derive(Clone, Copy, FixedCardinalityLabel)]
    enum Method {
        Get,
        Post,
        Put,
        Delete,
    }

    #[derive(Clone, Copy, FixedCardinalityLabel)]
    enum Path {
        Agents,
        Agent,
        Logs,
        Sessions,
        Session,
        User,
        Health,
        Ready,
    }

    #[derive(Clone, Copy, FixedCardinalityLabel)]
    enum Status {
        Ok,
        Created,
        Bad,
        Missing,
        Failed,
    }

    const METHOD: [Method; 4] = [Method::Get, Method::Post, Method::Put, Method::Delete];
    const PATH: [Path; 8] =
        [Path::Agents, Path::Agent, Path::Logs, Path::Sessions, Path::Session, Path::User, Path::Health, Path::Ready];
    const STATUS: [Status; 5] = [Status::Ok, Status::Created, Status::Bad, Status::Missing, Status::Failed];

    #[derive(Clone, Copy, LabelGroup)]
    #[label(set = ClosedSet)]
    struct Closed {
        method: Method,
        path: Path,
        status: Status,
    }

    #[derive(LabelGroup)]
    #[label(set = OpenSet)]
    struct Open<'a> {
        #[label(dynamic_with = ThreadedRodeo)]
        method: &'a str,
        #[label(dynamic_with = ThreadedRodeo)]
        path: &'a str,
        #[label(dynamic_with = ThreadedRodeo)]
        status: &'a str,
    }

    fn closed(pick: &crate::Pick) -> Closed {
        Closed {
            method: METHOD[pick.method as usize % 4],
            path: PATH[pick.path as usize % 8],
            status: STATUS[pick.status as usize % 5],
        }
    }

    pub(super) fn cases() -> Vec<Case> {
        let counter = CounterVec::with_label_set(ClosedSet::default());
        let histogram =
            HistogramVec::with_label_set_and_metadata(ClosedSet::default(), Thresholds::with_buckets(BUCKETS));
        let open =
            CounterVec::with_label_set(OpenSet::new(ThreadedRodeo::new(), ThreadedRodeo::new(), ThreadedRodeo::new()));
        let open_histogram = HistogramVec::with_label_set_and_metadata(
            OpenSet::new(ThreadedRodeo::new(), ThreadedRodeo::new(), ThreadedRodeo::new()),
            Thresholds::with_buckets(BUCKETS),
        );
        vec![
            Case::new(COUNTER, "measured, closed (dense)", move |pick| counter.inc(closed(pick))),
            Case::new(HISTOGRAM, "measured, closed (dense)", move |pick| {
                histogram.observe(closed(pick), pick.seconds);
            }),
            Case::new(COUNTER, "measured, dynamic (ThreadedRodeo)", move |pick| {
                let [method, path, status] = texts(pick);
                open.inc(Open { method, path, status });
            }),
            Case::new(HISTOGRAM, "measured, dynamic (ThreadedRodeo)", move |pick| {
                let [method, path, status] = texts(pick);
                open_histogram.observe(Open { method, path, status }, pick.seconds);
            }),
        ]
    }
}
