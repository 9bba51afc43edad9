//! What is read from the file and the environment, and what is said when it is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use expect_test::expect;
use obs_runtime::config::{
    ConfigError, LogPolicy, ObservabilityConfig, OtlpCompression, OtlpProtocol, Place, Trust, opentelemetry_variables,
};

/// A file that goes away with the test.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("obs-config-{}-{}.toml", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).expect("the temporary directory can be written");
        File(path)
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<ObservabilityConfig, ConfigError> {
        let path = self.0.to_str().expect("the path is Unicode");
        ObservabilityConfig::load_from(variables.iter().copied().chain([("OBS_CONFIG", path)]))
    }

    /// The mistakes, without the folder of the file.
    fn mistakes(&self, variables: &[(&str, &str)]) -> String {
        let err = self.load(variables).expect_err("the configuration is wrong");
        err.to_string().replace(self.0.to_str().expect("the path is Unicode"), "obs.toml")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn load(variables: &[(&str, &str)]) -> ObservabilityConfig {
    ObservabilityConfig::load_from(variables.iter().copied()).expect("the configuration is right")
}

#[test]
fn nothing_said_gives_the_published_defaults() {
    let config = load(&[]);
    assert_eq!(config, ObservabilityConfig::default());
    assert_eq!(config.log_level, "info");
    assert!(config.log_json);
    assert_eq!(config.metrics_port, 9090);
    assert_eq!(config.otlp_endpoint, None);
    assert_eq!(config.trace_sample_rate, 1.0);
    assert_eq!(config.log_queue_bytes, 4 * 1024 * 1024);
    assert_eq!(config.otlp_queue_bytes, 16 * 1024 * 1024);
    assert_eq!(config.tail_budget_bytes, 32 * 1024 * 1024);
    assert_eq!(config.otlp_timeout, Duration::from_secs(10));
    assert_eq!(config.metrics_address.to_string(), "0.0.0.0");
    assert_eq!(config.admin_address.to_string(), "127.0.0.1");
    assert_eq!(config.validate(), Ok(()));
}

#[test]
fn every_key_can_be_written_in_the_file() {
    let file = File::new(
        r#"
        log_level = "warn,swarm=debug"
        log_json = false
        metrics_port = 0
        otlp_endpoint = "http://collector:4317"
        trace_sample_rate = 0
        service_name = "control"
        log_policy = "block"
        log_queue_bytes = 0x10_000
        log_rate = 100
        metrics_address = "::"
        admin_port = 9_191
        admin_address = "10.0.0.1"
        admin_token_file = "/run/token"
        otlp_protocol = "grpc"
        otlp_timeout = "250ms"
        otlp_queue_bytes = 2048
        tail_sampling = true
        tail_budget_bytes = 4096
        trust = "ids"
        baggage_fields = ["tenant", "plan"]
        resource = { "deployment.environment.name" = "test" }
        [otlp_headers]
        authorization = "Bearer secret"
        [sample_operations]
        "agent.create" = 0.5
        "#,
    );
    let config = file.load(&[]).expect("every key is right");
    assert_eq!(config.log_level, "warn,swarm=debug");
    assert_eq!((config.metrics_port, config.admin_port, config.trace_sample_rate), (0, 9191, 0.0));
    assert_eq!((config.log_policy, config.trust), (LogPolicy::Block, Trust::Ids));
    assert_eq!((config.log_queue_bytes, config.otlp_queue_bytes, config.tail_budget_bytes), (65_536, 2048, 4096));
    assert_eq!(config.log_rate, 100);
    assert_eq!(config.otlp_timeout, Duration::from_millis(250));
    assert_eq!(config.baggage_fields, ["tenant", "plan"]);
    assert_eq!(config.sample_operations["agent.create"], 0.5);
    assert_eq!(config.resource["deployment.environment.name"], "test");
    assert_eq!(config.otlp_headers.0["authorization"], "Bearer secret");
    assert!(!format!("{config:?}").contains("secret"), "a header may be a secret");
}

#[test]
fn every_key_can_be_set_by_its_variable() {
    let config = load(&[
        ("OBS_LOG_JSON", "FALSE"),
        ("OBS_METRICS_PORT", "9100"),
        ("OBS_SAMPLE_OPERATIONS", "agent.create=0.5, health=0"),
        ("OBS_RESOURCE", "k8s.namespace.name=swarm%2Cagents"),
        ("OBS_BAGGAGE_FIELDS", "tenant, plan"),
        ("OBS_OTLP_TIMEOUT", "5m"),
        ("OBS_TRUST", "none"),
        ("OBS_ADMIN_ADDRESS", "::1"),
    ]);
    assert!(!config.log_json);
    assert_eq!(config.metrics_port, 9100);
    assert_eq!(config.sample_operations, [("agent.create".into(), 0.5), ("health".into(), 0.0)].into());
    assert_eq!(config.resource["k8s.namespace.name"], "swarm,agents");
    assert_eq!(config.baggage_fields, ["tenant", "plan"]);
    assert_eq!(config.otlp_timeout, Duration::from_secs(300));
    assert_eq!(config.trust, Trust::None);
}

#[test]
fn later_layers_win() {
    let file = File::new(
        r#"
        log_level = "debug"
        metrics_port = 1
        otlp_endpoint = "http://file:4317"
        service_name = "file"
        resource = { a = "file", b = "file" }
        "#,
    );
    let config = file.load(&[]).expect("right");
    assert_eq!((config.metrics_port, config.otlp_endpoint.as_deref()), (1, Some("http://file:4317")));

    let otel = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4317"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=otel,service.name=resource"),
    ];
    let config = file.load(&otel).expect("right");
    assert_eq!(config.otlp_endpoint.as_deref(), Some("http://otel:4317"));
    assert_eq!(config.service_name.as_deref(), Some("resource"));
    assert_eq!((&*config.resource["a"], &*config.resource["b"]), ("otel", "file"));

    let mut all = otel;
    all.extend([
        ("OTEL_SERVICE_NAME", "otel"),
        ("OBS_OTLP_ENDPOINT", "http://obs:4317"),
        ("OBS_LOG_LEVEL", "warn"),
        ("OBS_RESOURCE", "a=obs"),
    ]);
    let config = file.load(&all).expect("right");
    assert_eq!(config.otlp_endpoint.as_deref(), Some("http://obs:4317"));
    assert_eq!(config.service_name.as_deref(), Some("otel"));
    assert_eq!(config.resource["a"], "obs");
    assert_eq!(config.log_level, "warn");

    all.extend([("OBS_RESOURCE", "service.name=obs"), ("RUST_LOG", "swarm=trace")]);
    let config = file.load(&all).expect("right");
    assert_eq!(config.service_name.as_deref(), Some("obs"));
    assert_eq!(config.log_level, "swarm=trace", "RUST_LOG is over all");
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn a_clock_that_is_not_there_refuses_to_start() {
    assert!(ObservabilityConfig::load_from([("OBS_CLOCK", "std")]).is_ok());
    let told = ObservabilityConfig::load_from([("OBS_CLOCK", "sundial")]).expect_err("no such clock").to_string();
    assert!(told.contains("`OBS_CLOCK` is `sundial`; it takes `std`"), "{told}");
}

#[test]
fn an_empty_variable_is_unset() {
    let config =
        load(&[("OBS_METRICS_PORT", ""), ("OBS_LOG_LEVEL", " "), ("RUST_LOG", ""), ("OTEL_TRACES_SAMPLER", "")]);
    assert_eq!(config, ObservabilityConfig::default());
}

#[test]
fn five_mistakes_are_told_in_one_run() {
    let file = File::new(
        r#"log_levle = "info"
log_json = "yes"

trace_sample_rate = 1.5
metrics_port = 70000
log_level = "info=loud"
"#,
    );
    expect![[r#"
        the configuration has 5 mistakes
          obs.toml:1: there is no key `log_levle`; did you mean `log_level`?
          obs.toml:2: `log_json` is `"yes"`; it takes `true` or `false`
          obs.toml:4: `trace_sample_rate` is `1.5`; it takes a number from 0.0 to 1.0
          obs.toml:5: `metrics_port` is `70000`; it takes a whole number from 0 to 65535
          obs.toml:6: `log_level` is `"info=loud"`; it takes directives like `info,my_crate=debug` (error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5)"#]].assert_eq(&file.mistakes(&[]));
}

#[test]
fn an_error_that_main_returns_can_be_read() {
    let err = ObservabilityConfig::load_from([("OBS_METRICS_PORT", "70000")]).unwrap_err();
    assert_eq!(format!("{err:?}"), err.to_string());
    assert!(err.to_string().contains("OBS_METRICS_PORT"), "{err}");
}

#[test]
fn mistakes_of_the_file_and_of_the_variables_are_told_together() {
    let file = File::new("metrics_port = -1\n[resource]\nname = 1\n");
    expect![[r#"
        the configuration has 9 mistakes
          obs.toml:1: `metrics_port` is `-1`; it takes a whole number from 0 to 65535
          obs.toml:2: `resource` is `{…}`; it takes a text in quotes for `name`
          OBS_LOG_LEVEL: `log_level` is `debgu`; it takes a level (error, warn, info, debug, trace, off) or directives like `info,my_crate=debug`; did you mean `debug`?
          OBS_OTLP_ENDPOINT: `otlp_endpoint` is `collector:4317`; it takes `http://host:4317`
          OBS_LOG_QUEUE_BYTES: `log_queue_bytes` is `0`; it takes a whole number of bytes, at least 1024
          OBS_OTLP_HEADERS: `otlp_headers` is `[redacted]`; it takes names and values of HTTP headers in visible ASCII, unlike `x key`
          OBS_OTLP_TIMEOUT: `otlp_timeout` is `10`; it takes a duration like `10s`, `250ms` or `5m`
          OBS_TRUST: `trust` is `some\nsort`; it takes `all` or `ids` or `none`
          OBS_ADMIN_ADDRESS: `admin_address` is `0.0.0.0`, which other machines may reach; that needs `admin_token_file`"#]].assert_eq(&file.mistakes(&[
        ("OBS_LOG_LEVEL", "debgu"),
        ("OBS_OTLP_ENDPOINT", "collector:4317"),
        ("OBS_LOG_QUEUE_BYTES", "0"),
        ("OBS_OTLP_HEADERS", "x key=secret"),
        ("OBS_OTLP_TIMEOUT", "10"),
        ("OBS_TRUST", "some\nsort"),
        ("OBS_ADMIN_ADDRESS", "0.0.0.0"),
    ]));
}

#[test]
fn a_file_that_is_not_toml_names_the_line() {
    let file = File::new("log_json = true\nlog_level = info\n");
    let mistakes = file.mistakes(&[]);
    assert!(mistakes.contains("\n  obs.toml:2: not TOML: "), "{mistakes}");
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let err = ObservabilityConfig::load_from([("OBS_CONFIG", "/nowhere/obs.toml")]).expect_err("there is no such file");
    assert_eq!(err.mistakes().len(), 1);
    assert_eq!(err.mistakes()[0].place, Place::File("/nowhere/obs.toml".into(), None));
}

#[test]
fn what_opentelemetry_and_rust_log_say_wrong_falls_back_with_a_warning() {
    let config = load(&[
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=1,b"),
        ("OTEL_SDK_DISABLED", "yes"),
        ("RUST_LOG", "a=b=c"),
        ("OBS_LOG_LEVLE", "debug"),
    ]);
    let expected = ObservabilityConfig { warnings: config.warnings.clone(), ..ObservabilityConfig::default() };
    assert_eq!(config, expected);
    expect![[r#"
        OTEL_RESOURCE_ATTRIBUTES: it is not `key=value,key=value` with percent-encoding, and is ignored as a whole
        OTEL_EXPORTER_OTLP_PROTOCOL: `http/json` is not served; it takes `grpc` or `http/protobuf`
        OTEL_EXPORTER_OTLP_TIMEOUT: `10s` is ignored; it takes a whole number of milliseconds, at least 1
        OTEL_SDK_DISABLED: `yes` is taken for `false`; it takes `true` or `false`
        OTEL_TRACES_SAMPLER: its `OTEL_TRACES_SAMPLER_ARG` `2` is ignored, and the rate is 1.0; it takes a number from 0.0 to 1.0
        OBS_LOG_LEVLE: no such variable; did you mean `OBS_LOG_LEVEL`?
        RUST_LOG: `a=b=c` is ignored, and the filter is `info`; it takes directives like `info,my_crate=debug` (error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5)"#]].assert_eq(&config.warnings.join("\n"));
}

#[test]
fn a_signals_own_variable_is_over_the_common_one() {
    let config = load(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://common:4317"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4317"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1500"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20t"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ]);
    assert_eq!(config.otlp_endpoint.as_deref(), Some("http://traces:4317"));
    assert_eq!(config.otlp_timeout, Duration::from_millis(1500));
    assert_eq!(config.otlp_headers.0["authorization"], "Bearer t");
    assert_eq!(config.trace_sample_rate, 0.25);
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn a_disabled_sdk_exports_nothing_unless_asked_by_our_own_variable() {
    let disabled = [("OTEL_SDK_DISABLED", "True"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4317")];
    assert_eq!(load(&disabled).otlp_endpoint, None);
    let config = load(&[disabled[0], ("OBS_OTLP_ENDPOINT", "http://obs:4317")]);
    assert_eq!(config.otlp_endpoint.as_deref(), Some("http://obs:4317"));
}

#[test]
fn values_set_by_the_program_are_judged_too() {
    let config = ObservabilityConfig {
        trace_sample_rate: f64::NAN,
        admin_address: [192, 168, 0, 1].into(),
        ..ObservabilityConfig::default()
    };
    let err = config.validate().expect_err("two values are wrong");
    let keys: Vec<_> = err.mistakes().iter().filter_map(|mistake| mistake.key.as_deref()).collect();
    assert_eq!(keys, ["trace_sample_rate", "admin_address"]);
}

#[test]
fn it_can_be_a_part_of_a_users_own_configuration() {
    let config: ObservabilityConfig =
        serde_json::from_value(serde_json::json!({ "log_json": false, "otlp_timeout": "2s", "trust": "ids" }))
            .expect("the keys are right");
    assert_eq!((config.log_json, config.otlp_timeout, config.trust), (false, Duration::from_secs(2), Trust::Ids));
    assert!(serde_json::from_value::<ObservabilityConfig>(serde_json::json!({ "log_levle": "info" })).is_err());
}

/// What is seen of a variable of OpenTelemetry in the configuration, or in its warnings.
enum Seen {
    /// It is served: the configuration says this.
    Served(fn(&ObservabilityConfig) -> bool),
    /// It is not served: the warning says so.
    Told,
}

/// Each variable with a value, and what comes of it.
#[rustfmt::skip]
const OPENTELEMETRY: &[(&str, &str, Seen)] = &[
    ("OTEL_SDK_DISABLED", "true", Seen::Served(|it| it.otlp_endpoint.is_none())),
    ("OTEL_SERVICE_NAME", "a", Seen::Served(|it| it.service_name.as_deref() == Some("a"))),
    ("OTEL_RESOURCE_ATTRIBUTES", "a=b%20c", Seen::Served(|it| it.resource["a"] == "b c")),
    ("OTEL_PROPAGATORS", "b3", Seen::Told),
    ("OTEL_TRACES_SAMPLER", "parentbased_always_off", Seen::Served(|it| it.trace_sample_rate == 0.0)),
    ("OTEL_TRACES_SAMPLER_ARG", "0.5", Seen::Served(|it| it.trace_sample_rate == 1.0)),
    ("OTEL_TRACES_EXPORTER", "otlp", Seen::Served(|it| it.otlp_endpoint.as_deref() == Some("http://localhost:4317"))),
    ("OTEL_METRICS_EXPORTER", "otlp", Seen::Told),
    ("OTEL_LOGS_EXPORTER", "otlp", Seen::Told),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1", Seen::Served(|it| it.otlp_endpoint.as_deref() == Some("http://c:1") && !it.otlp_endpoint_is_whole)),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:1/x", Seen::Served(|it| it.otlp_endpoint.as_deref() == Some("http://c:1/x") && it.otlp_endpoint_is_whole)),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", Seen::Served(|it| it.otlp_protocol == OtlpProtocol::HttpProtobuf)),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf", Seen::Served(|it| it.otlp_protocol == OtlpProtocol::HttpProtobuf)),
    ("OTEL_EXPORTER_OTLP_HEADERS", "A=b", Seen::Served(|it| it.otlp_headers.0["a"] == "b")),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "A=b", Seen::Served(|it| it.otlp_headers.0["a"] == "b")),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "7", Seen::Served(|it| it.otlp_timeout == Duration::from_millis(7))),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "7", Seen::Served(|it| it.otlp_timeout == Duration::from_millis(7))),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", Seen::Served(|it| it.otlp_compression == OtlpCompression::Gzip)),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip", Seen::Served(|it| it.otlp_compression == OtlpCompression::Gzip)),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/a", Seen::Served(|it| it.otlp_certificate == Some("/a".into()))),
    ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/a", Seen::Served(|it| it.otlp_certificate == Some("/a".into()))),
    ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/a", Seen::Served(|it| it.otlp_client_key == Some("/a".into()))),
    ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/a", Seen::Served(|it| it.otlp_client_key == Some("/a".into()))),
    ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/a", Seen::Served(|it| it.otlp_client_certificate == Some("/a".into()))),
    ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "/a", Seen::Served(|it| it.otlp_client_certificate == Some("/a".into()))),
    // Both say something only of an endpoint without a scheme: see the test below.
    ("OTEL_EXPORTER_OTLP_INSECURE", "true", Seen::Served(|it| it.otlp_endpoint.is_none())),
    ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "true", Seen::Served(|it| it.otlp_endpoint.is_none())),
    ("OTEL_BSP_SCHEDULE_DELAY", "7", Seen::Served(|it| it.otlp_delay == Duration::from_millis(7))),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7", Seen::Served(|it| it.otlp_batch == 7)),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "7", Seen::Told),
    ("OTEL_BSP_EXPORT_TIMEOUT", "7", Seen::Told),
    ("OTEL_ATTRIBUTE_COUNT_LIMIT", "7", Seen::Served(|it| (it.span_attribute_limit, it.event_attribute_limit) == (7, 7))),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "7", Seen::Served(|it| it.span_attribute_limit == 7)),
    ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "7", Seen::Served(|it| it.event_attribute_limit == 7)),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "7", Seen::Told),
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "7", Seen::Served(|it| it.attribute_length_limit == 7)),
    ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "7", Seen::Served(|it| it.attribute_length_limit == 7)),
    ("OTEL_SPAN_EVENT_COUNT_LIMIT", "7", Seen::Served(|it| it.span_event_limit == 7)),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", "7", Seen::Served(|it| it.span_link_limit == 7)),
    ("OTEL_LOG_LEVEL", "debug", Seen::Told),
    ("OTEL_METRICS_EXEMPLAR_FILTER", "always_on", Seen::Told),
    ("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET", Seen::Told),
    ("OTEL_CONFIG_FILE", "/a", Seen::Told),
    ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c:1", Seen::Told),
    ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc", Seen::Told),
    ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=b", Seen::Told),
    ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "7", Seen::Told),
    ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip", Seen::Told),
    ("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", "/a", Seen::Told),
    ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", "true", Seen::Told),
    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://c:1", Seen::Told),
    ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc", Seen::Told),
    ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "a=b", Seen::Told),
    ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "7", Seen::Told),
    ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip", Seen::Told),
    ("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "/a", Seen::Told),
    ("OTEL_EXPORTER_OTLP_LOGS_INSECURE", "true", Seen::Told),
];

#[test]
fn every_variable_of_opentelemetry_is_served_or_told_once() {
    let known: BTreeMap<&str, bool> = opentelemetry_variables().collect();
    let tested: BTreeSet<&str> = OPENTELEMETRY.iter().map(|(name, _, _)| *name).collect();
    let untested: Vec<_> = known.keys().filter(|name| !tested.contains(*name)).collect();
    assert!(untested.is_empty(), "no row for {untested:?}");
    for (name, value, seen) in OPENTELEMETRY {
        let config = load(&[(*name, *value)]);
        match seen {
            Seen::Served(is_seen) => {
                assert!(known[name], "{name}");
                assert!(is_seen(&config), "{name}: {config:?}");
                assert_eq!(config.warnings, [""; 0], "{name}");
            }
            Seen::Told => {
                assert!(!known[name], "{name}");
                assert_eq!(config.warnings.len(), 1, "{name}: {:?}", config.warnings);
                assert!(config.warnings[0].starts_with(&format!("{name}: it is not served")), "{:?}", config.warnings);
            }
        }
        assert_eq!(load(&[(*name, " ")]), ObservabilityConfig::default(), "an empty {name} is unset");
    }
}

#[test]
fn what_a_variable_asks_for_that_happens_anyway_is_not_told() {
    for (name, value) in [
        ("OTEL_PROPAGATORS", "tracecontext,baggage"),
        ("OTEL_PROPAGATORS", "baggage, tracecontext"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "trace_based"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_LOGS_EXPORTER", "console"),
    ] {
        assert_eq!(load(&[(name, value)]).warnings, [""; 0], "{name}={value}");
    }
    let told = |name, value| load(&[(name, value)]).warnings.join("");
    expect![[r#"OTEL_PROPAGATORS: it is not served: W3C Trace Context, W3C Baggage and the ids of requests are what travels, always"#]]
        .assert_eq(&told("OTEL_PROPAGATORS", "b3"));
    expect![[r#"OTEL_METRICS_EXEMPLAR_FILTER: it is not served: exemplars are those of `trace_based`: of traces that are sampled, or kept by tail sampling"#]]
        .assert_eq(&told("OTEL_METRICS_EXEMPLAR_FILTER", "always_off"));
}

#[test]
fn an_endpoint_without_a_scheme_is_spoken_to_in_the_clear_only_if_that_is_said() {
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")];
    let config = load(&[endpoint[0], ("OTEL_EXPORTER_OTLP_INSECURE", "true")]);
    assert_eq!(config.otlp_endpoint.as_deref(), Some("http://collector:4317"));
    // By TLS, or not at all where that is not built in.
    let config = load(&endpoint);
    assert_ne!(config.otlp_endpoint.as_deref(), Some("http://collector:4317"));
    assert_eq!(config.otlp_endpoint.is_none(), !config.warnings.is_empty());
}

#[test]
fn what_the_downward_api_says_is_in_the_resource_and_below_all_else() {
    let pod = [("POD_NAME", "agent-7"), ("POD_NAMESPACE", "swarm-agents"), ("NODE_NAME", "n1")];
    let config = load(&pod);
    assert_eq!(config.resource["k8s.pod.name"], "agent-7");
    assert_eq!(config.resource["k8s.namespace.name"], "swarm-agents");
    assert_eq!(config.resource["k8s.node.name"], "n1");
    let config = load(&[pod[0], ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=other")]);
    assert_eq!(config.resource["k8s.pod.name"], "other");
}
