//! The machines that agents run on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use obs_runtime::observed;

use super::error::ScheduleError;
use crate::model::AgentSpec;

/// The nodes of the cluster.
pub(super) struct Nodes(Vec<Arc<Node>>);

struct Node {
    name: &'static str,
    region: &'static str,
    free_mib: AtomicU64,
}

/// Memory of a node that is taken until this is dropped.
pub(super) struct Place {
    node: Arc<Node>,
    memory_mib: u64,
}

impl Nodes {
    /// Three nodes in two regions.
    pub(super) fn of_the_example() -> Self {
        let node = |name, region, free_mib| Arc::new(Node { name, region, free_mib: AtomicU64::new(free_mib) });
        Nodes(vec![node("eu-1", "eu", 2048), node("eu-2", "eu", 4096), node("us-1", "us", 4096)])
    }

    /// The node with the most room in the region that was asked for.
    #[observed(region = spec.region.as_str(), memory_mib = spec.memory_mib)]
    pub(super) fn choose_node(&self, spec: &AgentSpec) -> Result<Place, ScheduleError> {
        let mut nodes: Vec<_> = self.0.iter().filter(|node| node.region == spec.region).collect();
        nodes.sort_by_key(|node| std::cmp::Reverse(node.free_mib.load(SeqCst)));
        nodes
            .into_iter()
            .find_map(|node| node.take(spec.memory_mib))
            .ok_or_else(|| ScheduleError::NoCapacity { region: spec.region.clone(), memory_mib: spec.memory_mib })
    }
}

impl Node {
    fn take(self: &Arc<Self>, memory_mib: u64) -> Option<Place> {
        let less = |free: u64| free.checked_sub(memory_mib);
        self.free_mib.fetch_update(SeqCst, SeqCst, less).ok()?;
        Some(Place { node: self.clone(), memory_mib })
    }
}

impl Place {
    /// The node's name.
    pub(super) fn node(&self) -> &'static str {
        self.node.name
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.node.free_mib.fetch_add(self.memory_mib, SeqCst);
    }
}
