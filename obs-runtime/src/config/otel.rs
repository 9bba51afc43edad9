use std::time::Duration;

use super::keys;
use super::value::pairs;
use super::{Headers, ObservabilityConfig};

/// What a variable of OpenTelemetry says, or why it is not used.
type Set = fn(&mut ObservabilityConfig, &str) -> Result<(), String>;

/// The variables of OpenTelemetry, each over the ones before it. Those whose meaning depends on another one are in [`apply`].
const VARIABLES: [(&str, Set); 11] = [
    ("OTEL_RESOURCE_ATTRIBUTES", resource),
    ("OTEL_SERVICE_NAME", |config, value| {
        config.service_name = Some(value.to_owned());
        Ok(())
    }),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocol),
    ("OTEL_EXPORTER_OTLP_HEADERS", headers),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", headers),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", timeout),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", timeout),
    ("OTEL_SDK_DISABLED", disabled),
];

/// Takes over what `variable` (an empty one is unset) says; what cannot be used is a warning, as the specification asks.
pub(super) fn apply(config: &mut ObservabilityConfig, variable: impl Fn(&str) -> Option<String>) {
    let mut warnings = Vec::new();
    for (name, set) in VARIABLES {
        if let Some(value) = variable(name)
            && let Err(why) = set(config, &value)
        {
            warnings.push(format!("{name}: {why}"));
        }
    }
    if let Some(sampler) = variable("OTEL_TRACES_SAMPLER") {
        self::sampler(config, &sampler, variable("OTEL_TRACES_SAMPLER_ARG").as_deref(), &mut warnings);
    }
    config.warnings.append(&mut warnings);
}

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

fn endpoint(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    keys::endpoint(value).map_err(|allowed| format!("`{value}` is ignored; it takes {allowed}"))?;
    config.otlp_endpoint = Some(value.to_owned());
    Ok(())
}

fn protocol(_: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    match value {
        "grpc" => Ok(()),
        _ => Err(format!("`{value}` is not served; spans go by `grpc`")),
    }
}

fn headers(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    // The value may be a secret, so it is not told.
    let pairs = pairs(value).ok_or("it is not `key=value,key=value` with percent-encoding, and is ignored")?;
    let headers = Headers(pairs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect());
    keys::headers(&headers).map_err(|allowed| format!("it is ignored; it takes {allowed}"))?;
    config.otlp_headers = headers;
    Ok(())
}

fn timeout(config: &mut ObservabilityConfig, value: &str) -> Result<(), String> {
    match value.parse() {
        Ok(milliseconds @ 1..) => config.otlp_timeout = Duration::from_millis(milliseconds),
        _ => return Err(format!("`{value}` is ignored; it takes a whole number of milliseconds, at least 1")),
    }
    Ok(())
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

fn sampler(config: &mut ObservabilityConfig, sampler: &str, argument: Option<&str>, warnings: &mut Vec<String>) {
    let (kind, parent_based) = match sampler.strip_prefix("parentbased_") {
        Some(kind) => (kind, true),
        None => (sampler, false),
    };
    config.trace_sample_rate = match kind {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => match argument.map(str::parse) {
            None => 1.0,
            Some(Ok(rate)) if (0.0..=1.0).contains(&rate) => rate,
            Some(_) => {
                let argument = argument.unwrap_or_default();
                warnings.push(format!(
                    "OTEL_TRACES_SAMPLER_ARG: `{argument}` is ignored, and the rate is 1.0; it takes a number from 0.0 to 1.0"
                ));
                1.0
            }
        },
        _ => {
            warnings.push(format!(
                "OTEL_TRACES_SAMPLER: `{sampler}` is ignored; it takes `parentbased_always_on`, `parentbased_always_off` or \
                 `parentbased_traceidratio`"
            ));
            return;
        }
    };
    if !parent_based {
        warnings.push(format!(
            "OTEL_TRACES_SAMPLER: `{sampler}` is read as `parentbased_{kind}`: a caller's decision is always honoured"
        ));
    }
}
