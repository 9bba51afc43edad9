//! What is committed in `deploy/`, and whether the engines take it.
#![allow(clippy::unwrap_used)]

mod engines;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use engines::{Directory, engine, python, remap, run};
use obs_artifacts::promql;
use serde_json::{Value, json};
use swarm::artifacts;

fn deploy() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// A file of `deploy/`, as it would be written now.
fn file(path: &str) -> String {
    artifacts::files().unwrap().get(path).unwrap_or_else(|| panic!("{path} is not made")).to_owned()
}

#[test]
fn deploy_is_what_would_be_written_now() {
    let differences = artifacts::files().unwrap().differences(&deploy()).unwrap();
    let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{}\nwrite them again: cargo run -p swarm -- artifacts write deploy/", told.join("\n"));
}

#[test]
fn promtool_takes_the_rules_and_each_alert_fires_when_it_should_and_only_then() {
    let Some(promtool) = engine("promtool") else { return };
    let directory = Directory::new("rules");
    directory.write("rules.yaml", &file("prometheus/rules.yaml"));
    directory.write("rules_test.yaml", include_str!("engines/rules_test.yaml"));
    let (taken, said) = run(Command::new(&promtool).args(["check", "rules", "rules.yaml"]).current_dir(&directory.0));
    assert!(taken, "{said}");
    let (passed, said) =
        run(Command::new(&promtool).args(["test", "rules", "rules_test.yaml"]).current_dir(&directory.0));
    assert!(passed, "{said}");
}

#[test]
fn every_alert_is_tested_to_fire_and_to_be_silent() {
    let (_, rules) = artifacts::rules().unwrap();
    let tests = include_str!("engines/rules_test.yaml");
    for alert in rules.alerts() {
        let named = format!("alertname: {}\n", alert.name);
        let told = tests.split(&named).skip(1).filter(|rest| rest.trim_start().starts_with("exp_alerts")).count();
        let all = tests.matches(&named).count();
        assert!(told > 0 && all > told, "{} has {told} tests to fire of {all}", alert.name);
    }
}

#[test]
fn promtool_takes_the_scrape_configurations() {
    let Some(promtool) = engine("promtool") else { return };
    let directory = Directory::new("scrape");
    directory.write("rules.yaml", &file("prometheus/rules.yaml"));
    directory.write("compose.yaml", &file("prometheus/compose.yaml"));
    // The distribution builds its promtool without the discovery of Kubernetes: all but that is checked.
    let cluster = file("prometheus/prometheus.yaml");
    let (before, rest) = cluster.split_once("    kubernetes_sd_configs:\n").unwrap();
    let after = rest.split_once("    relabel_configs:\n").unwrap().1;
    directory.write("prometheus.yaml", &format!("{before}    relabel_configs:\n{after}"));
    for name in ["compose.yaml", "prometheus.yaml"] {
        let (taken, said) = run(Command::new(&promtool).args(["check", "config", name]).current_dir(&directory.0));
        assert!(taken, "{name}: {said}");
    }
}

#[test]
fn amtool_takes_the_routes_and_sends_each_severity_where_it_belongs() {
    let Some(amtool) = engine("amtool") else { return };
    let directory = Directory::new("routes");
    let path = directory.write("alertmanager.yaml", &file("alertmanager/alertmanager.yaml"));
    let (taken, said) = run(Command::new(&amtool).arg("check-config").arg(&path));
    assert!(taken, "{said}");
    for (labels, receiver) in [
        ("severity=critical", "critical"),
        ("severity=warning", "warning"),
        ("severity=info", "info"),
        ("alertname=Unlabelled", "warning"),
    ] {
        let config = format!("--config.file={}", path.display());
        let test = ["config", "routes", "test", &config, &format!("--verify.receivers={receiver}"), labels];
        let (right, said) = run(Command::new(&amtool).args(test));
        assert!(right, "{labels}: {said}");
    }
}

#[test]
fn critical_alerts_reach_pagerduty_and_slack_and_the_others_slack_alone() {
    let config: Value = yaml_serde::from_str(&file("alertmanager/alertmanager.yaml")).unwrap();
    let ways = |name: &str| {
        let receivers = config["receivers"].as_array().unwrap();
        let receiver = receivers.iter().find(|receiver| receiver["name"] == name).unwrap().as_object().unwrap();
        receiver.keys().filter(|key| *key != "name").cloned().collect::<Vec<_>>()
    };
    assert_eq!(ways("critical"), ["pagerduty_configs", "slack_configs"]);
    assert_eq!(ways("warning"), ["slack_configs"]);
    assert_eq!(ways("info"), ["slack_configs"]);
}

#[test]
fn infos_are_optional() {
    let Some(amtool) = engine("amtool") else { return };
    let directory = Directory::new("infos");
    let channels =
        obs_artifacts::alertmanager::Channels { info: None, ..obs_artifacts::alertmanager::Channels::of("swarm") };
    let path = directory.write("alertmanager.yaml", &channels.to_yaml());
    let (taken, said) = run(Command::new(&amtool).arg("check-config").arg(&path));
    assert!(taken, "{said}");
    assert!(!channels.to_yaml().contains("swarm-info"));
}

#[test]
fn vector_sorts_lines_into_streams_and_an_agent_does_not_say_whose_it_is() {
    let Some(python) = remap() else { return };
    let directory = Directory::new("remap");
    let script = directory.write("remap.py", include_str!("engines/remap.py"));
    let program = directory.write("lines.vrl", &artifacts::PIPELINE.remap());
    let pod = |namespace: &str, name: &str| json!({ "pod_namespace": namespace, "pod_name": format!("{name}-1"), "container_name": name, "pod_labels": { "app.kubernetes.io/name": name, "agent_id": "a1", "user_id": "u1" } });
    let service = pod("swarm", "control");
    let agent = pod("swarm-agents", "agent");
    let line = |fields: Value| fields.to_string();
    let said = json!({ "timestamp": "2026-01-15T10:30:00.123Z", "level": "warn", "target": "swarm::control", "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": null, "user_id": "u2" });
    let audited = json!({ "level": "info", "target": "audit", "agent_id": "a2" });
    let forged = json!({ "target": "audit", "agent_id": "a2", "user_id": "u2", "level": "LOUD", "timestamp": "2020-01-01T00:00:00Z" });
    let events = [
        json!({ "message": line(said), "kubernetes": service }),
        json!({ "message": line(audited), "kubernetes": service }),
        json!({ "message": line(forged), "kubernetes": agent }),
        json!({ "message": "no JSON at all", "kubernetes": agent }),
        json!({ "message": "[1, 2]", "container_name": "gateway", "label": { "app.kubernetes.io/name": "gateway" } }),
    ];
    let input = directory.write("events", &events.map(|event| event.to_string()).join("\n"));
    let input = std::fs::File::open(input).unwrap();
    let (ran, said) = run(Command::new(python).args([script, program]).stdin(input));
    assert!(ran, "{said}");
    let sorted: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |key: &str| sorted.iter().map(|event| event[key].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(of("stream"), ["platform", "audit", "agent", "agent", "platform"]);
    assert_eq!(of("level"), ["warn", "info", "info", "info", "info"]);
    assert_eq!(of("service"), ["control", "control", "agent", "agent", "gateway"]);
    assert_eq!(of("message")[3], "no JSON at all");
    assert!(of("timestamp")[0].starts_with("2026-01-15 10:30:00.123"));
    assert!(!of("timestamp")[2].starts_with("2020"), "an agent does not say when its line was written");
    let metadata: Vec<&Value> = sorted.iter().map(|event| &event["metadata"]).collect();
    assert_eq!(metadata[0], &json!({ "trace_id": "0af7651916cd43dd8448eb211c80319c", "user_id": "u2" }));
    assert_eq!(metadata[1], &json!({ "agent_id": "a2" }));
    for mine in &metadata[2..4] {
        assert_eq!(*mine, &json!({ "agent_id": "a1", "user_id": "u1" }));
    }
}

#[test]
fn manifests_are_what_kubernetes_takes() {
    let Some(python) = python("kubernetes_validate") else { return };
    let directory = Directory::new("manifests");
    let files = artifacts::files().unwrap();
    let manifests: Vec<PathBuf> = files
        .iter()
        .filter_map(|(path, text)| Some(directory.write(path.strip_prefix("kubernetes/")?, text)))
        .collect();
    let script = include_str!("engines/manifests.py");
    let (valid, said) = run(Command::new(python).args(["-c", script]).args(&manifests));
    assert!(valid, "{said}");
    assert!(said.trim().parse::<u32>().unwrap() > 30, "{said}");
}

#[test]
fn log_groups_are_what_cloudformation_takes() {
    let Some(python) = python("cfnlint") else { return };
    let directory = Directory::new("groups");
    let path = directory.write("groups.yaml", &file("cloudwatch/log-groups.yaml"));
    let (valid, said) = run(Command::new(python).args(["-c", "from cfnlint.runner import main; main()"]).arg(path));
    assert!(valid, "{said}");
}

#[test]
fn the_compose_file_is_what_compose_takes() {
    let Some(python) = python("compose_spec") else { return };
    let directory = Directory::new("compose");
    let path = directory.write("compose.yaml", &file("compose.yaml"));
    let check = "import sys; from compose_spec import PyCompose; compose = PyCompose.from_yaml(open(sys.argv[1]).read()); \
                 compose.validate(); compose.to_spec(); print(len(compose))";
    let (valid, said) = run(Command::new(python).args(["-c", check]).arg(path));
    assert!(valid, "{said}");
    assert_eq!(said.trim(), "11");
}

#[test]
fn the_registry_defines_each_attribute_once_and_every_metric_has_what_a_convention_must_say() {
    let registry: Value = yaml_serde::from_str(&file("semantic-conventions/registry.yaml")).unwrap();
    let groups = registry["groups"].as_array().unwrap();
    let mut defined = BTreeSet::new();
    for attribute in groups[0]["attributes"].as_array().unwrap() {
        assert!(defined.insert(attribute["id"].as_str().unwrap()), "{attribute}");
        let members = attribute["type"]["members"].as_array();
        assert!(
            members.is_some() || (attribute["type"] == "string" && attribute["examples"].is_array()),
            "{attribute}"
        );
        let ids: BTreeSet<_> = members.into_iter().flatten().map(|member| member["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), members.map_or(0, Vec::len), "{attribute}");
    }
    let (catalogue, _) = artifacts::rules().unwrap();
    for metric in &groups[1..] {
        let name = metric["metric_name"].as_str().unwrap();
        let published = catalogue.get(name).unwrap();
        assert_eq!(metric["id"], format!("metric.{name}"));
        assert!(["counter", "gauge", "histogram"].contains(&metric["instrument"].as_str().unwrap()), "{metric}");
        assert!(
            ["s", "By", "1"].contains(&metric["unit"].as_str().unwrap()) && metric["brief"] == published.help,
            "{metric}"
        );
        let used = metric["attributes"].as_array().into_iter().flatten();
        let used: Vec<_> = used.map(|attribute| attribute["ref"].as_str().unwrap()).collect();
        assert_eq!(used.len(), published.labels.len(), "{metric}");
        assert!(used.iter().all(|attribute| defined.contains(attribute)), "{metric}");
    }
}

/// Every panel of the dashboards, with the dashboard's name.
fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().unwrap().iter().collect()
}

fn dashboards() -> Vec<Value> {
    artifacts::dashboards().iter().map(|dashboard| serde_json::from_str(&dashboard.to_json()).unwrap()).collect()
}

#[test]
fn panels_do_not_overlap_on_the_grid_and_have_ids_of_their_own() {
    for dashboard in dashboards() {
        let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
        for panel in panels(&dashboard) {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("w") > 0 && at("h") > 0 && at("x") + at("w") <= 24, "{panel}");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(cells.insert((x, y)), "{} overlaps at {x}, {y}", panel["title"]);
                }
            }
        }
    }
}

#[test]
fn data_sources_are_variables_and_every_variable_is_declared() {
    for dashboard in dashboards() {
        let list = dashboard["templating"]["list"].as_array().unwrap();
        let declared: BTreeSet<&str> = list.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
        assert!(declared.contains("datasource"));
        for source in all(&dashboard, "datasource") {
            let uid = source["uid"].as_str().unwrap();
            assert!(uid.starts_with("${") && uid.ends_with('}'), "{source}");
        }
        for text in texts(&dashboard) {
            for used in text.split('$').skip(1) {
                let name: String = used
                    .trim_start_matches('{')
                    .chars()
                    .take_while(|char| char.is_alphanumeric() || *char == '_')
                    .collect();
                assert!(name.starts_with("__") || declared.contains(name.as_str()), "{name} in {text}");
            }
        }
    }
}

#[test]
fn the_dashboards_show_what_was_promised() {
    let dashboards = dashboards();
    for (at, title, panel) in [
        (0, "Platform overview", "Request rate"),
        (0, "Platform overview", "Request latency"),
        (0, "Platform overview", "Error rate by endpoint"),
        (0, "Platform overview", "Active agents by status"),
        (0, "Platform overview", "Active sessions"),
        (0, "Platform overview", "WebSocket connections"),
        (1, "Agent", "Status timeline"),
        (1, "Agent", "CPU"),
        (1, "Agent", "Memory"),
        (1, "Agent", "Session history"),
        (1, "Agent", "Error count"),
        (1, "Agent", "Model token usage"),
        (2, "User", "Agents count"),
        (2, "User", "Active sessions"),
        (2, "User", "API usage"),
        (2, "User", "Error rate"),
    ] {
        assert_eq!(dashboards[at]["title"], title);
        assert!(panels(&dashboards[at]).iter().any(|it| it["title"] == panel), "{title} has no {panel}");
    }
    let variables: Vec<Value> = dashboards.iter().map(|it| it["templating"]["list"].clone()).collect();
    assert!(variables[1].to_string().contains(r#""name":"agent""#));
    assert!(variables[2].to_string().contains(r#""name":"user""#));
}

#[test]
fn an_exemplar_leads_to_its_trace_and_a_trace_to_its_lines() {
    let sources: Value = yaml_serde::from_str(&file("grafana/datasources.yaml")).unwrap();
    let source = |kind: &str| {
        let sources = sources["datasources"].as_array().unwrap();
        sources.iter().find(|source| source["type"] == kind).unwrap().clone()
    };
    let (prometheus, tempo, loki) = (source("prometheus"), source("tempo"), source("loki"));
    let exemplar = &prometheus["jsonData"]["exemplarTraceIdDestinations"][0];
    assert_eq!((&exemplar["name"], &exemplar["datasourceUid"]), (&"trace_id".into(), &tempo["uid"]));
    assert_eq!(tempo["jsonData"]["tracesToLogsV2"]["datasourceUid"], loki["uid"]);
    assert_eq!(loki["jsonData"]["derivedFields"][0]["datasourceUid"], tempo["uid"]);
    let overview = &dashboards()[0];
    let heatmap = panels(overview).into_iter().find(|panel| panel["type"] == "heatmap").unwrap();
    assert_eq!(heatmap["targets"][0]["exemplar"], true);
}

#[test]
fn every_engine_keeps_things_as_long_as_was_promised() {
    let loki: Value = yaml_serde::from_str(&file("loki/loki.yaml")).unwrap();
    let streams = loki["limits_config"]["retention_stream"].as_array().unwrap();
    let hours: Vec<_> =
        streams.iter().map(|it| (it["selector"].as_str().unwrap(), it["period"].as_str().unwrap())).collect();
    assert_eq!(
        hours,
        [(r#"{stream="platform"}"#, "720h"), (r#"{stream="agent"}"#, "168h"), (r#"{stream="audit"}"#, "2160h")]
    );
    assert_eq!(loki["compactor"]["retention_enabled"], true);
    let groups: Value = yaml_serde::from_str(&file("cloudwatch/log-groups.yaml")).unwrap();
    let days = |name: &str| groups["Resources"][name]["Properties"]["RetentionInDays"].as_u64().unwrap();
    assert_eq!([days("PlatformLogs"), days("AgentLogs"), days("AuditLogs")], [30, 7, 90]);
    let tempo: Value = yaml_serde::from_str(&file("tempo/tempo.yaml")).unwrap();
    assert_eq!(tempo["compactor"]["compaction"]["block_retention"], "168h");
    let jaeger: Value = yaml_serde::from_str(&file("jaeger/jaeger.yaml")).unwrap();
    assert_eq!(jaeger["extensions"]["jaeger_storage"]["backends"]["spans"]["badger"]["ttl"]["spans"], "168h");
    assert!(file("kubernetes/prometheus.yaml").contains("--storage.tsdb.retention.time=15d"));
    for flag in ["--retention.resolution-raw=15d", "--retention.resolution-5m=365d", "--retention.resolution-1h=365d"] {
        assert!(file("kubernetes/thanos.yaml").contains(flag), "{flag}");
    }
}

#[test]
fn a_mistake_in_a_query_is_told_before_a_file_is_written() {
    let (catalogue, rules) = artifacts::rules().unwrap();
    let mut queries = rules.queries();
    for query in &mut queries {
        query.text = query.text.replace("http_requests_total", "http_request_total").replace("\"swarm-agents\",", "");
    }
    let told = promql::check(&catalogue, &queries).unwrap_err().to_string();
    assert!(
        told.starts_with("alert `HighErrorRate`: no metric `http_request_total`; did you mean `http_requests_total`?"),
        "{told}"
    );
}

/// Every value below `key`, anywhere in `value`.
fn all<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    match value {
        Value::Object(map) => {
            let here = map.get(key).into_iter().filter(|found| found.is_object());
            here.chain(map.values().flat_map(|value| all(value, key))).collect()
        }
        Value::Array(values) => values.iter().flat_map(|value| all(value, key)).collect(),
        _ => Vec::new(),
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
