//! What tokio says of the runtime that the scrape runs in.

use crate::metrics::descriptor::{Descriptor, Kind};
use crate::metrics::own::own;
use crate::metrics::snapshot::{Sample, Snapshot};
use crate::metrics::text::Value;

/// Every metric of the runtime.
pub(crate) const DESCRIPTORS: &[Descriptor] = &[
    own("tokio_workers", Kind::Gauge, "Worker threads of the tokio runtime.", None, &[], line!()),
    own("tokio_alive_tasks", Kind::Gauge, "Tasks that were spawned and have not ended.", None, &[], line!()),
    own("tokio_global_queue_tasks", Kind::Gauge, "Tasks that wait for any worker.", None, &[], line!()),
];

/// None outside a runtime.
pub(crate) fn snapshots() -> impl Iterator<Item = Snapshot> {
    let values = ::tokio::runtime::Handle::try_current().ok().map(|handle| {
        let metrics = handle.metrics();
        [metrics.num_workers(), metrics.num_alive_tasks(), metrics.global_queue_depth()]
    });
    DESCRIPTORS.iter().zip(values.into_iter().flatten()).map(|(descriptor, value)| {
        let value = Value::Number(value as f64);
        Snapshot {
            descriptor,
            series: vec![Sample { labels: String::new(), created: 0, value, exemplars: Vec::new() }],
        }
    })
}
