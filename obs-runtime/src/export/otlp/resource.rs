//! The resource: who sends the spans.

use std::collections::BTreeMap;
use std::env::consts;

use super::encode::attribute;
use super::wire::Message;
use crate::engine::FieldValue;
use crate::ids;

/// The resource's attributes, encoded once and used in every request. What the configuration gives is over what is found.
pub(super) fn encoded(service: &str, given: &BTreeMap<String, String>) -> Vec<u8> {
    let mut out = Message::default();
    attribute(&mut out, 1, "service.name", &FieldValue::Str(service.into()));
    for (key, value) in found() {
        if !given.contains_key(key) {
            attribute(&mut out, 1, key, &value);
        }
    }
    for (key, value) in given.iter().filter(|(key, _)| *key != "service.name") {
        attribute(&mut out, 1, key, &FieldValue::Str(value.into()));
    }
    out.0
}

/// What the process knows of itself, by the semantic conventions of OpenTelemetry. Its arguments are left out, as they may be
/// secrets.
fn found() -> Vec<(&'static str, FieldValue<'static>)> {
    let text = |text: &'static str| FieldValue::Str(text.into());
    let mut found = vec![
        ("telemetry.sdk.name", text("obs-runtime")),
        ("telemetry.sdk.language", text("rust")),
        ("telemetry.sdk.version", text(env!("CARGO_PKG_VERSION"))),
        ("service.instance.id", FieldValue::Str(uuid().into())),
        ("process.pid", FieldValue::I64(i64::from(std::process::id()))),
        ("os.type", text(if consts::OS == "macos" { "darwin" } else { consts::OS })),
        ("host.arch", text(arch(consts::ARCH))),
    ];
    if let Ok(path) = std::env::current_exe() {
        if let Some(name) = path.file_name() {
            found.push(("process.executable.name", FieldValue::Str(name.to_string_lossy().into_owned().into())));
        }
        found.push(("process.executable.path", FieldValue::Str(path.to_string_lossy().into_owned().into())));
    }
    if let Some(name) = host_name() {
        found.push(("host.name", FieldValue::Str(name.into())));
    }
    found
}

/// The name of the machine, or of the pod, where the system tells it in a file.
fn host_name() -> Option<String> {
    ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().find_map(|path| {
        let name = std::fs::read_to_string(path).ok()?;
        let name = name.trim();
        (!name.is_empty()).then(|| name.to_owned())
    })
}

/// The name that OpenTelemetry has for an architecture.
fn arch(name: &'static str) -> &'static str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// A random UUID, of version 4.
fn uuid() -> String {
    let (high, low) = (ids::random(), ids::random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use prost::Message as _;

    use super::*;

    fn decoded(given: &[(&str, &str)]) -> BTreeMap<String, Value> {
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let resource = Resource::decode(&*encoded("control", &given)).expect("the official decoder reads it");
        let found: Vec<_> = (resource.attributes.into_iter())
            .map(|pair| (pair.key, pair.value.and_then(|value| value.value).expect("a value")))
            .collect();
        let count = found.len();
        let found: BTreeMap<_, _> = found.into_iter().collect();
        assert_eq!(found.len(), count, "no key twice");
        found
    }

    #[test]
    fn the_resource_says_who_sends_and_the_configuration_is_over_it() {
        let text = |text: &str| Value::StringValue(text.to_owned());
        let found = decoded(&[("service.name", "other"), ("process.pid", "7"), ("deployment.environment.name", "")]);
        assert_eq!(found["service.name"], text("control"));
        assert_eq!(found["process.pid"], text("7"));
        assert_eq!(found["deployment.environment.name"], text(""));
        assert_eq!(found["telemetry.sdk.name"], text("obs-runtime"));
        assert_eq!(decoded(&[])["process.pid"], Value::IntValue(std::process::id().into()));
        for key in ["host.arch", "os.type", "process.executable.name", "service.instance.id"] {
            assert!(found.contains_key(key), "{key}");
        }
    }

    #[test]
    fn an_instance_has_a_uuid_of_its_own() {
        let uuid = uuid();
        assert_eq!(uuid.len(), 36, "{uuid}");
        assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
        assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        assert_ne!(uuid, super::uuid());
    }
}
