//! The thread of an exporter is not heard, and that costs the other threads nothing.

use std::time::Duration;

use obs_runtime::engine::FinishedSpan;
use obs_runtime::export::{Delivery, Exporter};
use obs_runtime::tracing::level_filters::LevelFilter;
use obs_runtime::{Telemetry, info, observed, tracing};
use tests::Written;

/// Speaks in every way there is.
struct Talks;

#[observed]
fn exports() {
    info!("inside");
}

impl Exporter for Talks {
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        info!("exporting");
        tracing::info_span!("export").in_scope(|| info!("in a span"));
        log::info!("by the facade");
        exports();
        Delivery::all(&spans)
    }
}

#[observed]
fn work() {
    info!("working");
}

// One test, as its runtime is that of the process.
#[test]
fn an_exporter_is_not_heard_and_raises_no_level() {
    let memory = Written::default();
    let telemetry = Telemetry::builder("tests")
        .log_writer(memory.clone())
        .exporter(Talks)
        .start()
        .expect("nothing else is started");
    for _ in 0..3 {
        work();
        telemetry.flush(Duration::from_secs(10));
    }
    // A level above that of the configuration would have `tracing` ask at every `debug!` in the process.
    assert_eq!(LevelFilter::current(), LevelFilter::INFO);
    let report = telemetry.shutdown(Duration::from_secs(10));
    assert_eq!((report.spans_sent, report.spans_lost), (3, 0), "{report:?}");
    let text = memory.text();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.lines().all(|line| line.contains(r#""message":"working""#)), "{text}");
}
