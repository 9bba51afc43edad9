//! The OpenTelemetry SDK on both sides: its exporters take our spans, and its context is our span.

use std::time::{Duration, UNIX_EPOCH};

use obs_runtime::config::{ObservabilityConfig, SpanEvents};
use obs_runtime::export::bridge::Bridge;
use obs_runtime::tracing::Span;
use obs_runtime::{Telemetry, info_span, observed, warn};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, Tracer, TracerProvider,
};
use opentelemetry::{Array, Context, KeyValue, Value};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData, SpanExporter};

const LONG: Duration = Duration::from_secs(60);

#[observed(kind = "client", size, ratio = 0.5, on = true, huge = u64::MAX)]
fn place(size: i64) -> Result<(), String> {
    warn!(node = "n1", "no room");
    Err("no node".to_owned())
}

/// Keeps what it is told of the resource, as the one of the SDK does not.
#[derive(Clone, Debug, Default)]
struct Named(InMemorySpanExporter, std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl SpanExporter for Named {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        SpanExporter::export(&self.0, batch).await
    }

    fn set_resource(&mut self, resource: &opentelemetry_sdk::Resource) {
        let name = resource.get(&"service.name".into()).unwrap_or(Value::Array(Array::Bool(Vec::new())));
        self.1.lock().expect("no panic").push(name.to_string());
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.1.lock().expect("no panic").push("shut down".to_owned());
        Ok(())
    }
}

#[test]
fn an_exporter_of_the_sdk_takes_every_field_of_our_spans() {
    let exporter = Named::default();
    let telemetry = Telemetry::builder("shop")
        .config(ObservabilityConfig { span_events: SpanEvents::Warn, ..ObservabilityConfig::default() })
        .log_writer(std::io::sink())
        .exporter(Bridge::new(exporter.clone()))
        .build()
        .expect("nothing is wrong");
    let line = line!() + 2;
    telemetry.in_scope(|| {
        info_span!("outer").in_scope(|| place(3)).expect_err("on purpose");
    });
    let report = telemetry.shutdown(LONG);
    assert_eq!((report.spans_sent, report.spans_lost), (2, 0));

    let spans = exporter.0.get_finished_spans().expect("not shut down");
    let [inner, outer] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((&*inner.name, &*outer.name), ("place", "outer"));
    assert_eq!(inner.parent_span_id, outer.span_context.span_id());
    assert_eq!(inner.span_context.trace_id(), outer.span_context.trace_id());
    assert_eq!(outer.parent_span_id, SpanId::INVALID);
    assert!(inner.span_context.is_sampled() && !inner.parent_span_is_remote);
    assert_eq!((&inner.span_kind, &outer.span_kind), (&SpanKind::Client, &SpanKind::Internal));
    assert_eq!((&inner.status, &outer.status), (&Status::error("no node"), &Status::Unset));
    assert_eq!(inner.instrumentation_scope.name(), module_path!());
    let has = |span: &SpanData, key: &'static str, value: Value| {
        assert!(span.attributes.contains(&KeyValue::new(key, value)), "{key} in {:?}", span.attributes);
    };
    has(inner, "size", 3.into());
    has(inner, "ratio", 0.5.into());
    has(inner, "on", true.into());
    has(inner, "huge", u64::MAX.to_string().into());
    has(inner, "outcome", "error".into());
    has(outer, "code.file.path", file!().into());
    has(outer, "code.line.number", i64::from(line).into());
    assert!(outer.start_time <= inner.start_time && inner.end_time <= outer.end_time && inner.start_time > UNIX_EPOCH);
    let [event, failed] = &inner.events[..] else { panic!("{inner:?}") };
    assert_eq!((&*event.name, &*failed.name), ("no room", "place failed"));
    assert_eq!(event.attributes, [KeyValue::new("level", "warn"), KeyValue::new("node", "n1")]);
    let told = exporter.1.lock().expect("no panic").clone();
    assert_eq!(told[0], "shop");
}

#[observed(name = "long", first = "äöü", second = 2, third = 3, links = others)]
fn long(others: &[Span]) {
    warn!(node = "n1", attempts = 2, "no room");
}

#[test]
fn an_exporter_of_the_sdk_gets_what_the_limits_let_out_and_how_much_they_do_not() {
    let exporter = InMemorySpanExporter::default();
    let telemetry = Telemetry::builder("shop")
        .config(ObservabilityConfig {
            span_attribute_limit: 2,
            attribute_length_limit: 3,
            span_link_limit: 1,
            event_attribute_limit: 2,
            ..ObservabilityConfig::default()
        })
        .log_writer(std::io::sink())
        .exporter(Bridge::new(exporter.clone()))
        .build()
        .expect("nothing is wrong");
    telemetry.in_scope(|| long(&[info_span!("one"), info_span!("two")]));
    telemetry.flush(LONG);

    let spans = exporter.get_finished_spans().expect("not shut down");
    let span = spans.iter().find(|span| span.name == "long").expect("it arrived");
    assert_eq!(span.attributes[..2], [KeyValue::new("first", "ä"), KeyValue::new("second", 2)]);
    assert!(span.attributes[2..].iter().all(|pair| pair.key.as_str().starts_with("code.")), "{span:?}");
    assert_eq!(span.dropped_attributes_count, 2, "one field, and the outcome");
    assert_eq!((span.links.links.len(), span.links.dropped_count), (1, 1));
    assert_eq!(span.events[0].attributes, [KeyValue::new("level", "warn"), KeyValue::new("node", "n1")]);
    assert_eq!(span.events[0].dropped_attributes_count, 1);
}

#[test]
fn what_an_exporter_of_the_sdk_fails_to_send_is_lost_and_it_says_why() {
    #[derive(Debug)]
    struct Full;

    impl SpanExporter for Full {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            Err(OTelSdkError::InternalFailure("no room".to_owned()))
        }
    }

    let telemetry = Telemetry::builder("shop")
        .log_writer(std::io::sink())
        .exporter(Bridge::new(Full))
        .build()
        .expect("nothing is wrong");
    telemetry.in_scope(|| info_span!("work").in_scope(|| ()));
    let report = telemetry.shutdown(LONG);
    assert_eq!((report.spans_sent, report.spans_lost), (0, 1));
    assert!(report.problems[0].contains("no room"), "{report:?}");
}

fn current() -> SpanContext {
    Context::current().span().span_context().clone()
}

/// Opens a child by the API of OpenTelemetry, and says what it sees.
fn by_the_api(provider: &SdkTracerProvider) -> SpanContext {
    provider.tracer("library").in_span("by the API", |_| current())
}

#[observed]
fn observed_call(provider: &SdkTracerProvider) -> [SpanContext; 2] {
    [current(), by_the_api(provider)]
}

#[observed]
async fn observed_future() -> [SpanContext; 2] {
    let before = current();
    tokio::task::yield_now().await;
    [before, current()]
}

#[test]
fn the_current_context_of_opentelemetry_is_our_span_where_that_is_asked_for() {
    let (ours, theirs) = (InMemorySpanExporter::default(), InMemorySpanExporter::default());
    let provider = SdkTracerProvider::builder().with_simple_exporter(theirs.clone()).build();
    let telemetry = Telemetry::builder("shop")
        .log_writer(std::io::sink())
        .exporter(Bridge::new(ours.clone()))
        .opentelemetry_context()
        .build()
        .expect("nothing is wrong");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (call, future, plain) = telemetry.in_scope(|| {
        let call = observed_call(&provider);
        assert_eq!(current(), SpanContext::NONE, "left");
        let future = runtime.block_on(observed_future());
        assert_eq!(current(), SpanContext::NONE, "left");
        let span = info_span!("plain");
        let plain = span.in_scope(|| {
            let around = current();
            info_span!("inside").in_scope(|| assert_ne!(current(), around));
            assert_eq!(current(), around, "back again");
            around
        });
        (call, future, plain)
    });
    telemetry.flush(LONG);
    let ours = ours.get_finished_spans().expect("not shut down");
    let ids = |name: &str| {
        let span = ours.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name} in {ours:?}"));
        (span.span_context.trace_id(), span.span_context.span_id())
    };
    let seen = |context: &SpanContext| (context.trace_id(), context.span_id());
    assert_eq!(seen(&call[0]), ids("observed_call"));
    assert!(call[0].is_sampled() && !call[0].is_remote());
    assert_eq!([seen(&future[0]), seen(&future[1])], [ids("observed_future"); 2], "in every poll");
    assert_eq!(seen(&plain), ids("plain"));

    let theirs = theirs.get_finished_spans().expect("not shut down");
    assert_eq!(seen(&theirs[0].span_context), seen(&call[1]), "their span is current inside of it");
    assert_eq!(
        (theirs[0].span_context.trace_id(), theirs[0].parent_span_id),
        ids("observed_call"),
        "and a child of ours"
    );
}

#[test]
fn nobody_else_pays_for_it() {
    let telemetry = Telemetry::builder("shop").log_writer(std::io::sink()).build().expect("nothing is wrong");
    let seen = telemetry.in_scope(|| info_span!("plain").in_scope(current));
    assert_eq!(
        seen,
        SpanContext::new(TraceId::INVALID, SpanId::INVALID, TraceFlags::NOT_SAMPLED, false, Default::default())
    );
}
