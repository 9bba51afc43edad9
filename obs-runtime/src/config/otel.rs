//! The variables of OpenTelemetry.

use std::time::Duration;

use super::keys::{self, COMPRESSIONS, PROTOCOLS};
use super::value::{Value, pairs};
use super::{Headers, ObservabilityConfig, OtlpProtocol};

/// What a variable of OpenTelemetry says, or why it is not used.
type Set = fn(&mut ObservabilityConfig, &str) -> Result<(), String>;

/// What is done with a variable.
enum Use {
    /// It is taken over.
    Set(Set),
    /// It is read together with the variable that it belongs to.
    With(&'static str),
    /// It is not served, and this is told once, unless it has one of these values, which ask for what happens anyway.
    Unserved { unless: &'static [&'static str], why: &'static str },
}

const SCRAPED: &str = "metrics are scraped from `/metrics`";
const WRITTEN: &str = "log lines go to the standard output";

const PROPAGATED: &str = "W3C Trace Context, W3C Baggage and the ids of requests are what travels, always";
const EXEMPLARS: &str = "exemplars are those of `trace_based`: of traces that are sampled, or kept by tail sampling";

const fn unserved(why: &'static str) -> Use {
    Use::Unserved { unless: &[], why }
}

/// Every variable, each over the ones before it.
const VARIABLES: [(&str, Use); 57] = [
    ("OTEL_RESOURCE_ATTRIBUTES", Use::Set(resource)),
    ("OTEL_SERVICE_NAME", Use::Set(service_name)),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", Use::Set(protocol)),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", Use::Set(protocol)),
    ("OTEL_EXPORTER_OTLP_INSECURE", Use::With("OTEL_EXPORTER_OTLP_ENDPOINT")),
    ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", Use::With("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", Use::Set(endpoint)),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Use::Set(traces_endpoint)),
    ("OTEL_EXPORTER_OTLP_HEADERS", Use::Set(headers)),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", Use::Set(headers)),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", Use::Set(timeout)),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", Use::Set(timeout)),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", Use::Set(compression)),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", Use::Set(compression)),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", Use::Set(certificate)),
    ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", Use::Set(certificate)),
    ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", Use::Set(client_certificate)),
    ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", Use::Set(client_certificate)),
    ("OTEL_EXPORTER_OTLP_CLIENT_KEY", Use::Set(client_key)),
    ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", Use::Set(client_key)),
    ("OTEL_TRACES_EXPORTER", Use::Set(traces_exporter)),
    ("OTEL_SDK_DISABLED", Use::Set(disabled)),
    ("OTEL_TRACES_SAMPLER", Use::Set(sampler)),
    ("OTEL_TRACES_SAMPLER_ARG", Use::With("OTEL_TRACES_SAMPLER")),
    ("OTEL_BSP_SCHEDULE_DELAY", Use::Set(delay)),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", Use::Set(batch)),
    ("OTEL_BSP_MAX_QUEUE_SIZE", unserved("the queue is bounded in bytes, by `otlp_queue_bytes`")),
    ("OTEL_BSP_EXPORT_TIMEOUT", unserved("a batch is one request, and takes `otlp_timeout` at most")),
    ("OTEL_ATTRIBUTE_COUNT_LIMIT", Use::Set(attribute_count)),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", Use::Set(span_attribute_count)),
    ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", Use::Set(event_attribute_count)),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", unserved("links have no attributes")),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", Use::Set(attribute_length)),
    ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", Use::Set(attribute_length)),
    ("OTEL_SPAN_EVENT_COUNT_LIMIT", Use::Set(event_count)),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", Use::Set(link_count)),
    ("OTEL_METRICS_EXPORTER", Use::Unserved { unless: &["prometheus", "none"], why: SCRAPED }),
    ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", unserved(SCRAPED)),
    ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", unserved(SCRAPED)),
    ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", unserved(SCRAPED)),
    ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", unserved(SCRAPED)),
    ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", unserved(SCRAPED)),
    ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", unserved(SCRAPED)),
    ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", unserved(SCRAPED)),
    ("OTEL_LOGS_EXPORTER", Use::Unserved { unless: &["console", "none"], why: WRITTEN }),
    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", unserved(WRITTEN)),
    ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", unserved(WRITTEN)),
    ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", unserved(WRITTEN)),
    ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", unserved(WRITTEN)),
    ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", unserved(WRITTEN)),
    ("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", unserved(WRITTEN)),
    ("OTEL_EXPORTER_OTLP_LOGS_INSECURE", unserved(WRITTEN)),
    ("OTEL_LOG_LEVEL", unserved("what is logged is said by `log_level`")),
    ("OTEL_PROPAGATORS", Use::Unserved { unless: &["tracecontext,baggage", "baggage,tracecontext"], why: PROPAGATED }),
    ("OTEL_METRICS_EXEMPLAR_FILTER", Use::Unserved { unless: &["trace_based"], why: EXEMPLARS }),
    (
        "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
        unserved("the methods of RFC 9110 and PATCH are known, and others are `_OTHER`"),
    ),
    ("OTEL_CONFIG_FILE", unserved("the file is the one that `OBS_CONFIG` names")),
];

/// The variables of Kubernetes' downward API, by the names that its documentation and OpenTelemetry's operator give them, and
/// the attribute of the resource that each becomes.
const DOWNWARD: [(&str, &str); 12] = [
    ("POD_NAME", "k8s.pod.name"),
    ("POD_UID", "k8s.pod.uid"),
    ("POD_NAMESPACE", "k8s.namespace.name"),
    ("NODE_NAME", "k8s.node.name"),
    ("CONTAINER_NAME", "k8s.container.name"),
    ("OTEL_RESOURCE_ATTRIBUTES_POD_NAME", "k8s.pod.name"),
    ("OTEL_RESOURCE_ATTRIBUTES_POD_UID", "k8s.pod.uid"),
    ("OTEL_RESOURCE_ATTRIBUTES_NODE_NAME", "k8s.node.name"),
    ("K8S_POD_NAME", "k8s.pod.name"),
    ("K8S_POD_UID", "k8s.pod.uid"),
    ("K8S_NAMESPACE_NAME", "k8s.namespace.name"),
    ("K8S_NODE_NAME", "k8s.node.name"),
];

/// Every variable of OpenTelemetry that is known here, and whether it is served. One that is not served is told once, at the
/// start, if it is set.
pub fn opentelemetry_variables() -> impl Iterator<Item = (&'static str, bool)> {
    VARIABLES.iter().map(|(name, usage)| (*name, !matches!(usage, Use::Unserved { .. })))
}

/// Where this process runs, under whatever else says so.
pub(super) fn downward(config: &mut ObservabilityConfig, variable: impl Fn(&str) -> Option<String>) {
    for (name, attribute) in DOWNWARD {
        if let Some(value) = variable(name) {
            config.resource.insert(attribute.to_owned(), value);
        }
    }
}

/// Takes over what `variable` (an empty one is unset) says; what cannot be used is a warning, as the specification asks.
pub(super) fn apply(config: &mut ObservabilityConfig, variable: impl Fn(&str) -> Option<String>) {
    for (name, usage) in &VARIABLES {
        let Some(mut value) = variable(name) else { continue };
        let done = match usage {
            Use::Set(set) => {
                for (with, usage) in &VARIABLES {
                    if matches!(usage, Use::With(of) if of == name)
                        && let Some(more) = variable(with)
                    {
                        value = format!("{value}{SEPARATOR}{more}");
                    }
                }
                set(config, &value)
            }
            // Read where it belongs; without that it says nothing.
            Use::With(_) => Ok(()),
            Use::Unserved { unless, .. } if unless.contains(&&*value.replace(' ', "")) => Ok(()),
            Use::Unserved { why, .. } => Err(format!("it is not served: {why}")),
        };
        if let Err(why) = done {
            config.warnings.push(format!("{name}: {why}"));
        }
    }
    let asked_for = variable("OTEL_TRACES_EXPORTER").is_some_and(|exporter| exporter == "otlp");
    let disabled = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if asked_for && !disabled && config.otlp_endpoint.is_none() {
        let endpoint = match config.otlp_protocol {
            OtlpProtocol::Grpc => "http://localhost:4317",
            OtlpProtocol::HttpProtobuf => "http://localhost:4318",
        };
        config.otlp_endpoint = Some(endpoint.to_owned());
    }
}

/// Between the value of a variable and that of the one that it is read with: no value holds it.
const SEPARATOR: char = '\0';

fn resource(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    let attributes =
        pairs(value).ok_or("it is not `key=value,key=value` with percent-encoding, and is ignored as a whole")?;
    for (key, value) in attributes {
        match key.as_str() {
            "service.name" => config.service_name = Some(value),
            _ => drop(config.resource.insert(key, value)),
        }
    }
    Ok(())
}

fn service_name(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    config.service_name = Some(value.to_owned());
    Ok(())
}

fn endpoint(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    let (value, insecure) = value.split_once(SEPARATOR).unwrap_or((value, ""));
    let value = match value.contains("://") {
        true => value.to_owned(),
        // Only an address without a scheme leaves open whether it is spoken to in the clear.
        false if insecure.eq_ignore_ascii_case("true") => format!("http://{value}"),
        false => format!("https://{value}"),
    };
    keys::endpoint(&value).map_err(|allowed| format!("`{value}` is ignored; it takes {allowed}"))?;
    config.otlp_endpoint = Some(value);
    config.otlp_endpoint_is_whole = false;
    Ok(())
}

fn traces_endpoint(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    endpoint(config, value)?;
    config.otlp_endpoint_is_whole = true;
    Ok(())
}

fn protocol(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    let found = PROTOCOLS.iter().find(|(name, _)| *name == value);
    let (_, protocol) = found.ok_or_else(|| format!("`{value}` is not served; it takes `grpc` or `http/protobuf`"))?;
    config.otlp_protocol = *protocol;
    Ok(())
}

fn compression(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    let found = COMPRESSIONS.iter().find(|(name, _)| *name == value);
    let (_, compression) = found.ok_or_else(|| format!("`{value}` is not served; it takes `gzip` or `none`"))?;
    config.otlp_compression = *compression;
    Ok(())
}

fn headers(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    // The value may be a secret, so it is not told.
    let pairs = pairs(value).ok_or("it is not `key=value,key=value` with percent-encoding, and is ignored")?;
    let headers = Headers(pairs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect());
    keys::headers(&headers).map_err(|allowed| format!("it is ignored; it takes {allowed}"))?;
    config.otlp_headers = headers;
    Ok(())
}

fn milliseconds(value: &str) -> Result<Duration, String> {
    match value.parse() {
        Ok(milliseconds @ 1..) => Ok(Duration::from_millis(milliseconds)),
        _ => Err(format!("`{value}` is ignored; it takes a whole number of milliseconds, at least 1")),
    }
}

fn timeout(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    config.otlp_timeout = milliseconds(value)?;
    Ok(())
}

fn delay(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    config.otlp_delay = milliseconds(value)?;
    Ok(())
}

fn certificate(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    config.otlp_certificate = Some(value.into());
    Ok(())
}

fn client_certificate(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    config.otlp_client_certificate = Some(value.into());
    Ok(())
}

fn client_key(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    config.otlp_client_key = Some(value.into());
    Ok(())
}

fn count(value: &str, least: usize) -> Result<usize, String> {
    Value::Variable(value.to_owned())
        .count()
        .ok()
        .filter(|count| *count >= least)
        .ok_or_else(|| format!("`{value}` is ignored; it takes a whole number, at least {least}"))
}

fn batch(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    config.otlp_batch = count(value, 1)?;
    Ok(())
}

fn attribute_count(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    config.span_attribute_limit = count(value, 0)?;
    config.event_attribute_limit = config.span_attribute_limit;
    Ok(())
}

fn span_attribute_count(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    config.span_attribute_limit = count(value, 0)?;
    Ok(())
}

fn event_attribute_count(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    config.event_attribute_limit = count(value, 0)?;
    Ok(())
}

fn attribute_length(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    config.attribute_length_limit = count(value, 0)?;
    Ok(())
}

fn event_count(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    config.span_event_limit = count(value, 0)?;
    Ok(())
}

fn link_count(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    config.span_link_limit = count(value, 0)?;
    Ok(())
}

/// `otlp` is what happens to spans anyway; `none` is nothing, unless `OBS_OTLP_ENDPOINT` asks for it after all.
fn traces_exporter(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    match value {
        "otlp" => Ok(()),
        "none" => {
            config.otlp_endpoint = None;
            Ok(())
        }
        _ => Err(format!("`{value}` is not served; it takes `otlp` or `none`")),
    }
}

/// Nothing is exported, unless `OBS_OTLP_ENDPOINT` asks for it after all.
fn disabled(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    if value.eq_ignore_ascii_case("true") {
        config.otlp_endpoint = None;
    } else if !value.eq_ignore_ascii_case("false") {
        return Err(format!("`{value}` is taken for `false`; it takes `true` or `false`"));
    }
    Ok(())
}

fn sampler(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    let (sampler, argument) = match value.split_once(SEPARATOR) {
        Some((sampler, argument)) => (sampler, Some(argument)),
        None => (value, None),
    };
    let (kind, parent_based) = match sampler.strip_prefix("parentbased_") {
        Some(kind) => (kind, true),
        None => (sampler, false),
    };
    let mut problem = None;
    config.trace_sample_rate = match kind {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => match argument.map(str::parse) {
            None => 1.0,
            Some(Ok(rate)) if (0.0..=1.0).contains(&rate) => rate,
            Some(_) => {
                let argument = argument.unwrap_or_default();
                problem = Some(format!(
                    "its `OTEL_TRACES_SAMPLER_ARG` `{argument}` is ignored, and the rate is 1.0; it takes a number from 0.0 to 1.0"
                ));
                1.0
            }
        },
        _ => {
            return Err(format!(
                "`{sampler}` is ignored; it takes `parentbased_always_on`, `parentbased_always_off` or \
                 `parentbased_traceidratio`"
            ));
        }
    };
    if !parent_based {
        let read = format!("`{sampler}` is read as `parentbased_{kind}`: a caller's decision is always honoured");
        problem = Some(problem.map_or(read.clone(), |problem| format!("{problem}; {read}")));
    }
    problem.map_or(Ok(()), Err)
}
