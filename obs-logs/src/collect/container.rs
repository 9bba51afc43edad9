//! Whose log a file is.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::model::{AgentId, UserId};
use crate::store::Owner;

/// What the name of a file says: `<pod>_<namespace>_<container>-<id>.log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container<'a> {
    /// The pod.
    pub pod: &'a str,
    /// The namespace of the pod.
    pub namespace: &'a str,
    /// The container in the pod.
    pub container: &'a str,
    /// The id that the runtime gave to this run of the container.
    pub id: &'a str,
}

impl<'a> Container<'a> {
    /// Reads the name of a file; `None` if it is not of that form.
    #[must_use]
    pub fn of_file(name: &'a str) -> Option<Self> {
        let mut parts = name.strip_suffix(".log")?.split('_');
        let (pod, namespace, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let (container, id) = rest.rsplit_once('-')?;
        let all = [pod, namespace, container, id];
        let sound = parts.next().is_none() && all.iter().all(|part| !part.is_empty());
        sound.then_some(Container { pod, namespace, container, id })
    }
}

/// Says whose log a container writes.
pub trait Attribution: Send + 'static {
    /// The agent, and its owner where that is known; `None` for a container that is no agent's. It is asked again now and then for files
    /// that were nobody's.
    fn owner(&mut self, container: &Container<'_>) -> Option<Owner>;
}

/// The pod's name says it: a prefix, then the agent's id.
#[derive(Clone, Debug)]
pub struct PodName {
    namespace: Option<String>,
    prefix: String,
}

impl PodName {
    /// Pods of every namespace whose names begin with this; an empty text is every pod, and its whole name the id.
    #[must_use]
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        PodName { namespace: None, prefix: prefix.into() }
    }

    /// Pods of this namespace alone.
    #[must_use]
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }
}

impl Attribution for PodName {
    fn owner(&mut self, container: &Container<'_>) -> Option<Owner> {
        if self.namespace.as_deref().is_some_and(|namespace| namespace != container.namespace) {
            return None;
        }
        let id = container.pod.strip_prefix(&self.prefix)?;
        Some(Owner { agent_id: AgentId::parse(id).ok()?, user_id: None })
    }
}

/// The pod's annotations say it, in manifests that lie in a directory: `<pod>.json`.
#[derive(Clone, Debug)]
pub struct Manifests {
    directory: PathBuf,
    agent_id: String,
    user_id: String,
}

impl Manifests {
    /// Reads the annotations of these two names. The second may be missing in a pod.
    #[must_use]
    pub fn in_directory(
        directory: impl Into<PathBuf>,
        agent_id: impl Into<String>,
        user_id: impl Into<String>,
    ) -> Self {
        Manifests { directory: directory.into(), agent_id: agent_id.into(), user_id: user_id.into() }
    }
}

#[derive(Deserialize)]
struct Manifest {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    annotations: HashMap<String, String>,
}

impl Attribution for Manifests {
    fn owner(&mut self, container: &Container<'_>) -> Option<Owner> {
        // The name of a pod has no slash, as it is a part of the name of a file, and `..` has no manifest.
        let json = std::fs::read(self.directory.join(format!("{}.json", container.pod))).ok()?;
        let annotations = serde_json::from_slice::<Manifest>(&json).ok()?.metadata.annotations;
        let agent_id = AgentId::parse(annotations.get(&self.agent_id)?).ok()?;
        let user_id = annotations.get(&self.user_id).and_then(|id| UserId::parse(id).ok());
        Some(Owner { agent_id, user_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_says_pod_namespace_container_and_id() {
        let container = Container::of_file("agent-7_swarm-agents_main-loop-0123abcd.log").unwrap();
        assert_eq!(
            container,
            Container { pod: "agent-7", namespace: "swarm-agents", container: "main-loop", id: "0123abcd" }
        );
        for name in
            ["", "x", "x.log", "a_b.log", "a_b_c.log", "a_b_c-.log", "_b_c-d.log", "a_b_c-d_e.log", "a_b_c-d.txt"]
        {
            assert_eq!(Container::of_file(name), None, "{name}");
        }
    }

    #[test]
    fn a_pod_of_another_namespace_or_name_is_no_agent() {
        let mut attribution = PodName::with_prefix("agent-").in_namespace("swarm-agents");
        let owner = |attribution: &mut PodName, name| {
            attribution.owner(&Container::of_file(name).unwrap()).map(|owner| owner.agent_id.to_string())
        };
        assert_eq!(owner(&mut attribution, "agent-7_swarm-agents_main-1.log").as_deref(), Some("7"));
        assert_eq!(owner(&mut attribution, "agent-7_default_main-1.log"), None);
        assert_eq!(owner(&mut attribution, "agent-_swarm-agents_main-1.log"), None);
        assert_eq!(owner(&mut attribution, "proxy-7_swarm-agents_main-1.log"), None);
    }

    #[test]
    fn annotations_say_whose_a_pod_is_as_soon_as_they_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let mut attribution = Manifests::in_directory(directory.path(), "swarm/agent", "swarm/user");
        let mut owner = |manifest: Option<&str>| {
            if let Some(manifest) = manifest {
                std::fs::write(directory.path().join("pod-x.json"), manifest).unwrap();
            }
            attribution.owner(&Container::of_file("pod-x_swarm-agents_main-1.log").unwrap())
        };
        assert_eq!(owner(None), None);
        assert_eq!(owner(Some("half a manif")), None);
        assert_eq!(owner(Some(r#"{"metadata":{"name":"pod-x"}}"#)), None);
        assert_eq!(owner(Some(r#"{"metadata":{"annotations":{"swarm/agent":"no id"}}}"#)), None);
        let agent_id = AgentId::parse("7").unwrap();
        let of_nobody = owner(Some(r#"{"metadata":{"annotations":{"swarm/agent":"7"}}}"#));
        assert_eq!(of_nobody, Some(Owner { agent_id: agent_id.clone(), user_id: None }));
        let whole = owner(Some(r#"{"metadata":{"annotations":{"swarm/agent":"7","swarm/user":"u1"}},"spec":{}}"#));
        assert_eq!(whole, Some(Owner { agent_id, user_id: UserId::parse("u1").ok() }));
    }
}
