//! Log lines as events of the spans that they are written in.

use obs_runtime::config::{ObservabilityConfig, SpanEvents};
use obs_runtime::engine::{FieldValue, FinishedSpan};
use obs_runtime::{Level, debug, debug_span, error, info, info_span, observed, warn};
use tests::Service;

fn telling(span_events: SpanEvents) -> Service {
    Service::new(ObservabilityConfig { span_events, ..ObservabilityConfig::default() })
}

fn span<'a>(spans: &'a [FinishedSpan], name: &str) -> &'a FinishedSpan {
    spans.iter().find(|span| span.name == name).expect("it was exported")
}

fn told(span: &FinishedSpan) -> Vec<&str> {
    span.events.iter().map(|event| event.name.as_str()).collect()
}

#[observed]
fn place(ends_well: bool) -> Result<(), String> {
    info!("placing");
    warn!(node = "n1", load = 0.9, retries = 2, "no room on the first node");
    if ends_well { Ok(()) } else { Err("no room".to_owned()) }
}

#[test]
fn a_warning_is_an_event_with_its_time_its_level_and_its_own_fields() {
    let service = telling(SpanEvents::default());
    service.telemetry.in_scope(|| place(true)).expect("it ends well");
    let (_, spans) = service.spans();
    let span = span(&spans, "place");
    let [event] = &span.events[..] else { panic!("{span:?}") };
    assert_eq!((event.name.as_str(), event.level), ("no room on the first node", Level::WARN));
    let fields: Vec<_> = event.fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(fields, ["node=n1", "load=0.9", "retries=2"]);
    assert_eq!(event.fields.get("load"), Some(FieldValue::F64(0.9)));
    let end = span.start_unix_nanos + span.duration_nanos;
    // Both clocks are read on their own: the one of a line follows the system's.
    assert!((span.start_unix_nanos - 1_000_000..end + 1_000_000).contains(&event.unix_nanos));
}

#[test]
fn the_event_of_an_error_is_one_too_and_info_only_where_that_is_asked_for() {
    let service = telling(SpanEvents::Info);
    service.telemetry.in_scope(|| place(false)).expect_err("on purpose");
    let (_, spans) = service.spans();
    assert_eq!(told(span(&spans, "place")), ["placing", "no room on the first node", "place failed"]);
    let failed = span(&spans, "place");
    let end = failed.start_unix_nanos + failed.duration_nanos;
    assert!(failed.events.iter().all(|event| event.unix_nanos <= end), "what tells the end, too");
    let service = telling(SpanEvents::Off);
    service.telemetry.in_scope(|| place(false)).expect_err("on purpose");
    assert_eq!(told(span(&service.spans().1, "place")), [""; 0]);
}

#[test]
fn lines_in_plain_spans_and_with_a_parent_are_events_where_they_belong() {
    let service = telling(SpanEvents::Warn);
    service.telemetry.in_scope(|| {
        let outer = info_span!("outer");
        info_span!("inner").in_scope(|| {
            warn!(target: "elsewhere", "here");
            warn!(parent: &outer, "there");
            warn!(parent: None, "nowhere");
        });
    });
    let (_, spans) = service.spans();
    let inner = span(&spans, "inner");
    assert_eq!(told(inner), ["here"]);
    assert_eq!(inner.events[0].fields.get("target"), Some(FieldValue::Str("elsewhere".into())));
    assert_eq!(told(span(&spans, "outer")), ["there"]);
    assert_eq!(span(&spans, "outer").events[0].fields.get("target"), None, "that of its span");
}

#[test]
fn a_line_in_a_call_whose_span_is_off_is_an_event_of_the_span_around() {
    #[observed(level = "debug")]
    fn inside() {
        warn!("deep");
    }

    let service = telling(SpanEvents::Warn);
    service.telemetry.in_scope(|| {
        info_span!("around").in_scope(|| {
            inside();
            debug_span!("off").in_scope(|| debug!("not even a line"));
        });
    });
    assert_eq!(told(span(&service.spans().1, "around")), ["deep"]);
}

#[test]
fn a_span_that_stays_open_keeps_the_newest_and_counts_the_others() {
    let service = telling(SpanEvents::Warn);
    service.telemetry.in_scope(|| {
        info_span!("session").in_scope(|| (0..1_000).for_each(|number| warn!("{number}")));
    });
    let (_, spans) = service.spans();
    let session = span(&spans, "session");
    assert_eq!((session.events.len(), session.dropped_events), (128, 872));
    assert_eq!(session.events.last().map(|event| event.name.as_str()), Some("999"));
}

#[test]
fn a_trace_in_which_an_error_was_told_is_kept() {
    let service = Service::new(ObservabilityConfig {
        trace_sample_rate: 0.0,
        tail_sampling: true,
        ..ObservabilityConfig::default()
    });
    service.telemetry.in_scope(|| {
        info_span!("told").in_scope(|| error!("lost the connection"));
        info_span!("well").in_scope(|| warn!("slow connection"));
    });
    assert_eq!(service.names(), ["told"]);
}
