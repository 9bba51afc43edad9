//! The resource: who sends the spans.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::env::consts;
use std::sync::OnceLock;

use crate::engine::FieldValue;
use crate::ids;

/// Who sends the spans: the service, and what is known of its process and its machine, by the semantic conventions of
/// OpenTelemetry. No key is there twice.
#[derive(Clone, Debug)]
pub struct Resource {
    attributes: Vec<(Cow<'static, str>, FieldValue<'static>)>,
}

impl Resource {
    /// What is found, and what the configuration gives, which is over it.
    pub(crate) fn new(service: &str, given: &BTreeMap<String, String>) -> Self {
        let text = |text: &str| FieldValue::Str(text.to_owned().into());
        let mut attributes = vec![("service.name".into(), text(service))];
        let found = found().into_iter().filter(|(key, _)| !given.contains_key(*key));
        attributes.extend(found.map(|(key, value)| (Cow::Borrowed(key), value)));
        let given = given.iter().filter(|(key, _)| *key != "service.name");
        attributes.extend(given.map(|(key, value)| (Cow::Owned(key.clone()), text(value))));
        Resource { attributes }
    }

    /// Each attribute with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &FieldValue<'static>)> {
        self.attributes.iter().map(|(key, value)| (&**key, value))
    }

    /// The value of the attribute `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&FieldValue<'static>> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

/// What the process knows of itself, by the semantic conventions of OpenTelemetry. Its arguments are left out, as they may be
/// secrets.
fn found() -> Vec<(&'static str, FieldValue<'static>)> {
    let text = |text: &'static str| FieldValue::Str(text.into());
    let mut found = vec![
        ("telemetry.sdk.name", text("obs-runtime")),
        ("telemetry.sdk.language", text("rust")),
        ("telemetry.sdk.version", text(env!("CARGO_PKG_VERSION"))),
        ("service.instance.id", FieldValue::Str(instance().into())),
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

/// One for the process, so that all exporters tell the same.
fn instance() -> &'static str {
    static INSTANCE: OnceLock<String> = OnceLock::new();
    INSTANCE.get_or_init(uuid)
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
    use super::*;

    #[test]
    fn the_resource_says_who_sends_and_the_configuration_is_over_it() {
        let given = [("service.name", "other"), ("process.pid", "7"), ("deployment.environment.name", "")];
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let text = |text: &'static str| Some(FieldValue::Str(text.into()));
        let found = Resource::new("control", &given);
        assert_eq!(found.get("service.name").cloned(), text("control"));
        assert_eq!(found.get("process.pid").cloned(), text("7"));
        assert_eq!(found.get("deployment.environment.name").cloned(), text(""));
        assert_eq!(found.get("telemetry.sdk.name").cloned(), text("obs-runtime"));
        for key in ["host.arch", "os.type", "process.executable.name", "service.instance.id"] {
            assert!(found.get(key).is_some(), "{key}");
        }
        let keys: std::collections::BTreeSet<&str> = found.iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), found.iter().count(), "no key twice");
        let found = Resource::new("control", &BTreeMap::new());
        assert_eq!(found.get("process.pid").cloned(), Some(FieldValue::I64(std::process::id().into())));
    }

    #[test]
    fn an_instance_has_a_uuid_of_its_own() {
        let uuid = uuid();
        assert_eq!(uuid.len(), 36, "{uuid}");
        assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
        assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        assert_ne!(uuid, super::uuid());
        assert_eq!(instance(), instance(), "and keeps it");
    }
}
